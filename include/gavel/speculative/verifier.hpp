// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/uniform.hpp>
#include <gavel/core/views.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

/// @file
/// The words every header of `speculative` shares: token ids, draft laws, verdicts, and the concept that all verifiers satisfy.
///
/// Names of rows: `p` is the target and `q` the draft row of one position, both [V]; a draft row that lives on m tokens is `q` with its
/// `ids`, both [m]. The rows of many positions are `target_rows` and `draft_rows`, [positions, V].
///
/// @par Source
/// The problem: Leviathan, Kalman, Matias, "Fast Inference from Transformers via Speculative Decoding", 2022, arXiv 2211.17192;
/// Chen et al., "Accelerating Large Language Model Decoding with Speculative Sampling", 2023, arXiv 2302.01318.

namespace gavel::speculative {

/// Index of a token in the vocabulary. Sequences of ids may also hold `std::int32_t`, as engines keep them: what is read or written in place
/// is the same; a negative id reads as one of 2^31 or more and is refused like every id beyond the vocabulary.
using token_id = std::uint32_t;

/// How the n drafted tokens of one position are drawn from the draft distribution q.
enum class draft_law {
  iid,                  ///< n independent draws, repeats possible: prod q(x_i)
  without_replacement,  ///< n distinct draws: prod q(x_i) / (1 - sum_{j<i} q(x_j))
  greedy,               ///< the n-1 most probable tokens, then one draw from the rest of q
  top_n,                ///< the n most probable tokens, no randomness
  hub_pair              ///< SpecHub pairs, n = 2: with a = argmax q, (i, a) with probability q_i, (a, i) with q_a q_i / (1 - q_a), i != a
};

/// What a verifier decides for the drafts of one position.
struct verdict {
  /// Value of `draft_index` when the token is none of the drafts.
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  token_id token = 0;              ///< the token to emit: distributed exactly as the target
  std::size_t draft_index = none;  ///< position of `token` among the drafts, or `none`

  [[nodiscard]] constexpr bool accepted() const noexcept { return draft_index != none; }
  friend constexpr bool operator==(const verdict&, const verdict&) = default;
};

/// Type of `trusted`.
struct trusted_t {};

/// Last argument of a verifier's `prepare(p, q, n, trusted)`: the rows come from a softmax of this program, skip the checks that read them
/// (probabilities, sum, support; O(V)). Sizes, n and the drafts are still checked. Rows that are not distributions then give wrong
/// tokens of the vocabulary, never a wrong memory access; the optimal verifiers, which read them all the same, still refuse a number that
/// is negative or not finite and a row of zeros.
inline constexpr trusted_t trusted{};

namespace detail {
struct any_bits {  // an archetype: the least a random generator offers
  using result_type = std::uint32_t;
  static constexpr result_type(min)() { return 0; }
  static constexpr result_type(max)() { return 0xffffffffu; }
  result_type operator()() { return 0; }
};

struct drafts_first {  // a base of the verifiers: swapped arguments explain themselves
  template <random_bits G, class Drafts>
  verdict verify(G&, const Drafts&) const {
    static_assert(!random_bits<G>, "gavel: verify takes the drafts first and the generator last: verify(drafts, rng).");
    return {};
  }
};
}  // namespace detail

/// A rule that turns drafts into one token whose law is exactly the target's. The calls of all verifiers, which document only what
/// differs:
///
/// `prepare(p, q, n)` borrows the rows, which must outlive the last call that follows (as `kept_view` they cannot be temporaries), and does
/// the work that does not depend on the drafts.
/// p and q, [V], are non-negative and sum to one within 1e-6. They are used as they are: a row whose sum is off moves the law of the output
/// by about n times that at most. n >= 1 is the number of drafts; where drafts differ, no more than tokens with q > 0 (`top_n`: than V).
/// Here and everywhere in `speculative` q > 0 means q >= 2^-100 in float and 16-bit rows, 2^-1000 in double: what is smaller was not drawn.
/// Throws std::invalid_argument for empty rows, different sizes or a bad n, std::domain_error if a row is not a distribution; the verifier
/// stays as it was then. `prepare(p, q, n, trusted)` does not check the rows. Cost: one pass or two over each; with `trusted` O(1).
/// Allocates only while n grows. Copies of a prepared verifier read the same rows.
///
/// `verify(drafts, rng)` decides. The drafts, [n], are tokens with q > 0 (`top_n`: any) in the order in which they were drawn, distinct
/// unless the law is `iid`. Throws std::invalid_argument if they are not, or if nothing is prepared; the generator is untouched then. Draws
/// one uniform, and a second one if no draft is accepted. The generator may be the one that drew the drafts, in the state they left it in,
/// or one of another (seed, stream); one that repeats their numbers gives another law than p.
///
/// `conditional_law(drafts, acceptance, residual)` is the exact law of that decision: draft i is accepted with probability `acceptance[i]`,
/// [n], and with the remaining probability the token is drawn from `residual`, [V]. Throws as `verify`, and for outputs of another size.
/// This is how exactness is proved by enumeration: for every prepared pair and the verifier's draft law D,
///
///     sum over tuples x of D(x) * (sum_i acceptance_i(x) [x_i = y] + (1 - sum_i acceptance_i(x)) residual_y(x)) = p_y.
///
/// `max_uniforms()` bounds the uniforms one call of `verify` draws.
template <class V>
concept verifier = std::copyable<V> && std::default_initializable<V> &&
                   requires(V v, const V& c, std::span<const typename V::scalar> row, std::size_t n, std::span<const token_id> drafts,
                            std::span<double> out, detail::any_bits& rng) {
                     { V::law } -> std::convertible_to<draft_law>;
                     v.prepare(row, row, n);
                     { v.verify(drafts, rng) } -> std::same_as<verdict>;
                     v.conditional_law(drafts, out, out);  // acceptance [n], residual [V]
                     { c.max_uniforms() } -> std::convertible_to<std::size_t>;
                   };

/// A verifier whose acceptance marginals have a closed form: `acceptance_marginals(out)` writes A_y = Pr(the output is y and was accepted as
/// a draft), [V], and `acceptance_rate()` is their sum, the probability that a draft is accepted. Both throw std::invalid_argument for an
/// output of another size or if nothing is prepared, draw nothing, and cost O(V) unless the verifier says otherwise.
template <class V>
concept verifier_with_marginals = verifier<V> && requires(V v, std::span<double> out) {
  v.acceptance_marginals(out);                             // [V]
  { v.acceptance_rate() } -> std::convertible_to<double>;  // sum of A_y
};

}  // namespace gavel::speculative
