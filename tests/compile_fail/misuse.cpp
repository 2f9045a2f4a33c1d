// SPDX-License-Identifier: MIT
// Views of temporaries, of constant data and of strangers, swapped arguments. A refused type is named once by the compilers, so that every
// call has an array length of its own.
#include <gavel/core/npy.hpp>
#include <gavel/core/random.hpp>
#include <gavel/schedule/rate_source.hpp>
#include <gavel/speculative/optimal_iid.hpp>
#include <gavel/speculative/reduced_vocabulary.hpp>
#include <gavel/speculative/sampling.hpp>
#include <gavel/speculative/single_draft.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

using namespace gavel::speculative;

template <class T, std::size_t N>
static std::array<T, N> made() {
  return {};
}

#ifdef GAVEL_MUST_FAIL
#define NAMED(T, N) made<T, N>()
#define FIRST_SECOND(a, b) b, a
#else
template <class T, std::size_t N>
static std::array<T, N> kept = {};
#define NAMED(T, N) kept<T, N>
#define FIRST_SECOND(a, b) a, b
#endif

int main() {
  const std::vector<float> q;
  const std::vector<token_id> drafts;
  gavel::philox4x32 rng;
  single_draft<float> single;
  optimal_iid<float> optimal;
  on_reduced_vocabulary<single_draft<float>> reduced;
  // A view that outlives the call.
  single.prepare(NAMED(float, 1), q, 1);                                           // fails-with: a view of a temporary would dangle
  optimal.prepare(q, NAMED(float, 2), 1, trusted);                                 // fails-with: a view of a temporary would dangle
  reduced.use_vocabulary(NAMED(token_id, 3), 50);                                  // fails-with: a view of a temporary would dangle
  const gavel::matrix_view logits(NAMED(float, 4), 50);                            // fails-with: a view of a temporary would dangle
  const auto span = gavel::as_span(NAMED(float, 5));                               // fails-with: a view of a temporary would dangle
  const gavel::schedule::rate_log log{NAMED(std::uint64_t, 6), NAMED(double, 7)};  // fails-with: a view of a temporary would dangle
  const gavel::npy_view file = gavel::parse_npy(NAMED(std::byte, 8), "a.npy");     // fails-with: a view of a temporary would dangle
  probs_from_logits(q, NAMED(float, 9));                                           // fails-with: a view of a temporary would dangle
  // The order of arguments.
  (void)gavel::categorical(FIRST_SECOND(rng, q));  // fails-with: the generator is the first argument: categorical(rng, weights)
  gavel::shuffle(FIRST_SECOND(rng, span));         // fails-with: the generator is the first argument: shuffle(rng, values)
  std::vector<std::size_t> chosen;
  gavel::weighted_sample_without_replacement(FIRST_SECOND(rng, q),
                                             chosen);  // fails-with: the generator is the first argument: weighted_sample
  (void)single.verify(FIRST_SECOND(drafts, rng));      // fails-with: verify takes the drafts first and the generator last
  // A view of constant data never becomes one that can write.
  const gavel::matrix_view<const float> constant(q.data(), 2, 2);
#ifdef GAVEL_MUST_FAIL
  const gavel::matrix_view<float> copy = constant;  // fails-with: matrix_view<float>
#else
  const gavel::matrix_view<const float> copy = constant;
#endif
  return copy.rows() + span.size() + logits.rows() + log.steps.size() + file.rows() == 0 ? 0 : 1;
}
