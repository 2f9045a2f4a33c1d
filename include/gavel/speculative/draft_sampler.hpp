// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/simplex.hpp>
#include <gavel/core/storage.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/core/views.hpp>
#include <gavel/kernels/sample.hpp>
#include <gavel/kernels/softmax.hpp>
#include <gavel/kernels/top_k.hpp>
#include <gavel/speculative/detail/rows.hpp>
#include <gavel/speculative/detail/top_set.hpp>
#include <gavel/speculative/sampling.hpp>
#include <gavel/speculative/verifier.hpp>

#include <concepts>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

/// @file
/// Drawing the n drafts of one position from a draft row, and the exact probability of every tuple. Verification is exact only for the law
/// that was really sampled: draw here, hand the same row to the verifier, and other random numbers: the same generator as it goes on, or a
/// stream of its own, never a second generator of the same (seed, stream).
///
/// @par Source
/// iid and without replacement: Miao et al. (2023), SpecInfer, arXiv 2305.09781; Chen et al. (2024), Sequoia, arXiv 2402.12374. Greedy:
/// Hu et al. (2025), arXiv 2502.18779. Pairs: Sun et al. (2024), SpecHub, arXiv 2411.05289.

namespace gavel::speculative {

/// Uniforms (`gavel::uniform`) that drawing n drafts takes: iid and without replacement n, greedy 1, hub_pair 2, top_n 0. The number does
/// not depend on q or on what is drawn, so that parallel streams stay aligned.
[[nodiscard]] constexpr std::size_t uniforms_per_draw(draft_law law, std::size_t n) noexcept {
  switch (law) {
    case draft_law::greedy: return 1;
    case draft_law::hub_pair: return 2;
    case draft_law::top_n: return 0;
    default: return n;
  }
}

/// The largest n a law can draw from q: the number of tokens with q > 0 (below 2^-1000 for double, 2^-100 for float counts as 0, everywhere
/// in `speculative`), since drafts are distinct; for hub_pair 2 if there are two such tokens, else 0; for iid there is no limit (the largest
/// std::size_t).
/// @param q [V] probabilities; not checked to sum to 1
template <dense_vector Q>
  requires std::floating_point<scalar_of<Q>>
[[nodiscard]] std::size_t max_drafts(draft_law law, const Q& q) {
  if (law == draft_law::iid) return (std::numeric_limits<std::size_t>::max)();
  const std::span<const scalar_of<Q>> row = as_span(q);
  const std::size_t support = detail::support_size(row);
  if (law == draft_law::hub_pair) return support >= 2 ? 2 : 0;
  return support;
}

/// Draws drafts, position after position, in one workspace: no allocation after the largest row has been seen.
///
/// n is the size of the output. Equal probabilities at the edge of a top set go to the lowest index. Errors for every member:
/// std::domain_error if q is no distribution within 1e-6; std::invalid_argument if n < 1, n exceeds `max_drafts`, or n != 2 for hub_pair (a
/// one-hot q has no pair and is refused); outputs and generator are untouched then.
/// @tparam T scalar of the draft probabilities, float or double
template <std::floating_point T>
class draft_sampler {
 public:
  /// Draws from probabilities.
  /// @param q [V] draft distribution, borrowed for the call
  /// @param drafts [n] receives token ids in drawing order
  /// @note Uniforms: `uniforms_per_draw`. iid: one for each draft; without replacement: one for each, among the tokens left; greedy:
  ///       one, for the last draft; hub_pair: the first picks the partner of a = argmax q among the others, the second puts a first with
  ///       probability q_a. Cost: O(n V) for iid and without replacement, else one top-k and one pass.
  template <random_bits G>
  void draw(draft_law law, vector_view<const T> q, vector_view<token_id> drafts, G& rng) {
    check(q, law, drafts.size());
    draw_checked(law, q, drafts, rng);
  }

  /// Draws from a reduced draft vocabulary: positions of @p q, reported as token ids. Ties go to the lowest position.
  /// @param ids [m] token id of each position; not looked at but for the drafts
  /// @param q [m]
  /// @throws std::invalid_argument also if the sizes differ
  template <random_bits G>
  void draw(draft_law law, vector_view<const token_id> ids, vector_view<const T> q, vector_view<token_id> drafts, G& rng) {
    check_size(function, "ids.size()", ids.size(), "q.size()", q.size());
    draw(law, q, drafts, rng);
    for (token_id& draft : drafts) draft = ids[draft];
  }

  /// Draws from logits at a temperature. The softmax stays in the workspace: `probs()` is what was sampled from, for the verifier.
  /// @param logits [V] float, double or a 16-bit storage type; -inf means impossible
  /// @param temperature > 0 and finite; what is meant by temperature 0 is `draft_law::top_n` with n = 1
  /// @throws std::domain_error for NaN, a logit of +inf, or no finite logit at all; std::invalid_argument for an empty row or a bad
  ///         temperature
  template <dense_vector L, random_bits G>
    requires stored_scalar<scalar_of<L>>
  void draw_from_logits(draft_law law, const L& logits, double temperature, vector_view<token_id> drafts, G& rng) {
    using S = scalar_of<L>;
    const std::span<const S> row = as_span(logits);
    check_positive(function, "temperature", temperature);
    check_at_least(function, "logits.size()", row.size(), 1);
    bool possible = false;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const auto x = widen(row[i]);
      if (!(x < std::numeric_limits<compute_type<S>>::infinity())) domain_error_at(function, "logits", i, x, "must be finite or -inf");
      possible |= x > -std::numeric_limits<compute_type<S>>::infinity();
    }
    if (!possible) domain_error(function, "logits", {}, "must hold a finite number");
    probs_.resize(row.size());
    kernels::softmax(row.data(), row.size(), probs_.data(), temperature);
    detail::check_draft_count(function, law, probs(), drafts.size());
    draw_checked(law, probs(), drafts, rng);
  }

  /// Draws from logits with the options of the engine: temperature, top-k, top-p, min-p, as `probs_from_logits` applies them. What was
  /// sampled from stays in the workspace: hand `probs()` to the verifier.
  /// @param logits  [V] float, double or a 16-bit storage type; finite or -inf, at least one finite
  /// @param options truncation may leave fewer tokens than drafts, which is refused like a small support
  /// @throws as `probs_from_logits`, and for n as every member
  template <dense_vector L, random_bits G>
    requires stored_scalar<scalar_of<L>>
  void draw_from_logits(draft_law law, const L& logits, const sampling_options& options, vector_view<token_id> drafts, G& rng) {
    probs_.resize(as_span(logits).size());
    probs_from_logits(logits, probs_, options);
    detail::check_draft_count(function, law, probs(), drafts.size());
    draw_checked(law, probs(), drafts, rng);
  }

  /// The same from the logits of a reduced draft vocabulary, reported as token ids; `probs()` goes with the ids.
  /// @param ids [m] token id of each position
  /// @param logits [m]
  /// @throws std::invalid_argument also if the sizes differ
  template <dense_vector L, random_bits G>
    requires stored_scalar<scalar_of<L>>
  void draw_from_logits(draft_law law, vector_view<const token_id> ids, const L& logits, const sampling_options& options,
                        vector_view<token_id> drafts, G& rng) {
    check_size(function, "ids.size()", ids.size(), "logits.size()", as_span(logits).size());
    draw_from_logits(law, logits, options, drafts, rng);
    for (token_id& draft : drafts) draft = ids[draft];
  }

  /// [V] the probabilities of the last `draw_from_logits`.
  [[nodiscard]] std::span<const T> probs() const noexcept { return probs_; }

 private:
  static constexpr const char* function = "gavel::speculative::draw_drafts";

  static void check(std::span<const T> q, draft_law law, std::size_t n) {
    check_distribution(function, "q", q);
    detail::check_draft_count(function, law, q, n);
  }

  template <random_bits G>
  void draw_checked(draft_law law, std::span<const T> q, std::span<token_id> drafts, G& rng) {
    const std::size_t n = drafts.size();
    switch (law) {
      case draft_law::iid:
        for (token_id& draft : drafts) draft = pick(q, rng);
        break;
      case draft_law::without_replacement:
        detail::copy_drawable(q, weights_);
        for (token_id& draft : drafts) {
          draft = pick(weights_, rng);
          weights_[draft] = T(0);
        }
        break;
      case draft_law::greedy:
        if (n > 1) kernels::top_k(q.data(), q.size(), n - 1, drafts.data());
        detail::copy_drawable(q, weights_);
        for (const token_id top : drafts.first(n - 1)) weights_[top] = T(0);
        drafts[n - 1] = pick(weights_, rng);
        break;
      case draft_law::top_n: kernels::top_k(q.data(), q.size(), n, drafts.data()); break;
      case draft_law::hub_pair: {
        const token_id hub = static_cast<token_id>(kernels::argmax(q.data(), q.size()));
        detail::copy_drawable(q, weights_);
        weights_[hub] = T(0);
        const token_id partner = pick(weights_, rng);
        const double others = mass(weights_), first = detail::real(q[hub]);
        const bool hub_first = uniform(rng) * (others + first) < first;
        drafts[0] = hub_first ? hub : partner;
        drafts[1] = hub_first ? partner : hub;
        break;
      }
    }
  }

  template <random_bits G>
  [[nodiscard]] static token_id pick(std::span<const T> weights, G& rng) {
    return static_cast<token_id>(kernels::sample(weights.data(), weights.size(), uniform(rng)));
  }

  [[nodiscard]] static double mass(std::span<const T> weights) noexcept {
    double sum = 0.0;
    for (const T weight : weights) sum += detail::real(weight);
    return sum;
  }

  // q without the tokens that cannot come any more. Once the likely ones are gone, one too improbable to be a draft would be drawn as easily
  // as any other.
  std::vector<T> weights_;
  std::vector<T> probs_;
};

/// One-shot form of `draft_sampler::draw`; allocates where the law needs a workspace.
/// @param q [V] draft distribution
/// @param drafts [n] receives token ids
template <dense_vector Q, random_bits G>
  requires std::floating_point<scalar_of<Q>>
void draw_drafts(draft_law law, const Q& q, vector_view<token_id> drafts, G& rng) {
  draft_sampler<scalar_of<Q>>().draw(law, q, drafts, rng);
}

/// One-shot form for a reduced draft vocabulary.
template <dense_vector Q, random_bits G>
  requires std::floating_point<scalar_of<Q>>
void draw_drafts(draft_law law, vector_view<const token_id> ids, const Q& q, vector_view<token_id> drafts, G& rng) {
  draft_sampler<scalar_of<Q>>().draw(law, ids, q, drafts, rng);
}

/// The probability that a law draws exactly this tuple, in this order: sums to 1 over all tuples of n tokens.
///
///     iid: prod q(x_i);   without replacement: prod q(x_i) / (mass left before draw i);   greedy: q(x_n) / (mass outside the top n-1) if
///     the first n-1 are the top in descending order;   top_n: 1 for the top in descending order;   hub_pair: q_i for (i, a), and
///     q_a q_i / (1 - q_a) for (a, i).
///
/// @param q [V] draft distribution; divided by its sum
/// @param drafts [n] token ids < V
/// @throws as `draft_sampler::draw`; std::invalid_argument also for an id >= V
/// @note O(n V); allocates for greedy and top_n.
template <dense_vector Q>
  requires std::floating_point<scalar_of<Q>>
[[nodiscard]] double draft_probability(draft_law law, const Q& q, vector_view<const token_id> drafts) {
  using T = scalar_of<Q>;
  constexpr const char* function = "gavel::speculative::draft_probability";
  const std::span<const T> row = as_span(q);
  const std::size_t n = drafts.size();
  check_distribution(function, "q", row);
  detail::check_draft_count(function, law, row, n);
  for (std::size_t i = 0; i < n; ++i) check_index(function, "drafts", drafts[i], "vocabulary size", row.size(), i);
  bool repeats = false;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < i; ++j) repeats |= drafts[i] == drafts[j];
  }
  if (repeats && law != draft_law::iid) return 0.0;

  auto mass = [&](std::size_t x) { return detail::drawable(row[x]) ? detail::real(row[x]) : 0.0; };
  auto prob = [&](std::size_t i) { return mass(drafts[i]); };
  double total = 0.0, left = 0.0;  // mass; mass of the tokens that are not drafted
  for (std::size_t x = 0; x < row.size(); ++x) {
    bool drafted = false;
    for (std::size_t i = 0; i < n; ++i) drafted |= drafts[i] == x;
    total += mass(x);
    left += drafted ? 0.0 : mass(x);
  }

  double result = 1.0;
  switch (law) {
    case draft_law::iid:
      for (std::size_t i = 0; i < n; ++i) result *= prob(i) / total;
      break;
    case draft_law::without_replacement:
      for (std::size_t i = n; i-- > 0;) {
        left += prob(i);
        result *= prob(i) > 0.0 ? prob(i) / left : 0.0;
      }
      break;
    case draft_law::greedy:
    case draft_law::top_n: {
      const std::size_t n_top = law == draft_law::greedy ? n - 1 : n;
      std::vector<token_id> top(n_top);
      if (n_top > 0) kernels::top_k(row.data(), row.size(), n_top, top.data());
      for (std::size_t i = 0; i < n_top; ++i) result = top[i] == drafts[i] ? result : 0.0;
      if (law == draft_law::greedy && result > 0.0) result = prob(n - 1) / (left + prob(n - 1));
      break;
    }
    case draft_law::hub_pair: {
      const std::size_t hub = kernels::argmax(row.data(), row.size());
      if (drafts[1] == hub) result = prob(0) / total;
      else if (drafts[0] == hub) result = prob(0) / total * (prob(1) / (left + prob(1)));
      else result = 0.0;
      break;
    }
  }
  return result;
}

}  // namespace gavel::speculative
