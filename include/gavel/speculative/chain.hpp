// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/random.hpp>
#include <gavel/kernels/residual.hpp>
#include <gavel/kernels/sample.hpp>
#include <gavel/speculative/sampling.hpp>
#include <gavel/speculative/verifier.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>

/// @file
/// The call an inference engine makes after one forward pass of the target over K drafted tokens: how many stand, and which token follows.

namespace gavel::speculative {

/// How the draft model's side of a chain is handed over.
enum class draft_form {
  logits,  ///< rows of logits; the sampling options are applied to them
  probs,   ///< rows of probabilities, exactly what the drafts were drawn from
  point    ///< no rows: the drafts were not sampled (prompt look-up, n-gram match, argmax), the draft law is a point mass
};

/// Options of `verify_chain`.
struct chain_options {
  sampling_options sampling = {};  ///< applied to the target logits, and to the draft logits unless `draft_sampling` is set
  /// where the draft was sampled with other options than the target; draft logits only
  std::optional<sampling_options> draft_sampling = {};
  draft_form draft = draft_form::logits;  ///< what the draft rows hold
};

/// The outcome of one chain.
struct chain_result {
  std::size_t accepted = 0;  ///< length of the accepted prefix, 0..K
  token_id next_token = 0;   ///< the token after it: from the residual after a rejection, else from the target's last row
  friend constexpr bool operator==(const chain_result&, const chain_result&) = default;
};

namespace detail {

/// A row of weights with one entry removed.
template <class Row>
struct row_without {
  using compute = typename Row::compute;
  Row row;
  std::size_t token = 0;

  template <class Isa>
  GAVEL_ALWAYS_INLINE void load(typename Isa::template vec<compute>& v, std::size_t i, std::size_t count) const {
    row.template load<Isa>(v, i, count);
    if (token - i < Isa::template lanes<compute>) v[token - i] = compute{0};  // wraps to a large number when token < i
  }
};

/// Draws the token that replaces a refused draft. A residual that is zero to rounding means that target and draft agree: then any draw from
/// the target is one from the right law.
template <class Residual, class Target>
[[nodiscard]] std::size_t draw_residual(const Residual& residual, const Target& target, std::size_t size, double u) {
  const std::size_t token = kernels::row_sample(residual, size, u).index;
  return token != kernels::not_found ? token : kernels::row_sample(target, size, u).index;
}

/// Draft probabilities as they come: a negative one becomes NaN, so that the sum of the row tells.
template <stored_scalar D>
struct checked_weights_row {
  using compute = compute_type<D>;
  kernels::weights_row<D> row;

  template <class Isa>
  GAVEL_ALWAYS_INLINE void load(typename Isa::template vec<compute>& v, std::size_t i, std::size_t count) const {
    row.template load<Isa>(v, i, count);
    v = v < compute{0} ? typename Isa::template vec<compute>{} + std::numeric_limits<compute>::quiet_NaN() : v;
  }
};

inline constexpr const char* chain_function = "gavel::speculative::verify_chain";

/// Draft probabilities may be off by their storage: 16-bit rows sum to one within a percent, others within a tenth of a per mille.
template <class T>
inline constexpr double draft_sum_tolerance = sizeof(T) == 2 ? 1e-2 : 1e-4;

/// One drafted token against one row: accepted, or the token that replaces it.
struct step {
  bool accepted = false;
  std::size_t token = 0;
};

template <stored_scalar D>
[[noreturn]] GAVEL_COLD void refuse_draft_row(std::span<const D> row, std::size_t position, double sum) {
  for (const D& prob : row) {
    if (widen(prob) < 0) domain_error_at(chain_function, "draft", position, widen(prob), "is a probability of the row, must be >= 0");
  }
  domain_error_at(chain_function, "draft", position, sum, "is the sum of the row, must be 1 within", draft_sum_tolerance<D>);
}

template <stored_scalar S, stored_scalar D, class G>
[[nodiscard]] step verify_step(std::span<const S> target_logits, std::span<const D> draft_row, std::size_t position, std::size_t token,
                               const chain_options& options, G& rng) {
  const std::size_t size = target_logits.size();
  if (options.sampling.greedy()) {  // the target is a point mass: nothing to draw
    const std::size_t best = greedy_token(chain_function, "target_logits", position, target_logits);
    (void)uniform(rng);
    if (token == best) return {true, token};
    (void)uniform(rng);
    return {false, best};
  }
  const auto target = make_sampled_row(chain_function, "target_logits", position, target_logits, options.sampling);
  const double p = target.prob(token);
  const sampling_options& draft_sampling = options.draft_sampling ? *options.draft_sampling : options.sampling;
  if (options.draft == draft_form::point || (options.draft == draft_form::logits && draft_sampling.greedy())) {
    if (uniform(rng) < p) return {true, token};
    const auto weights = target.weights();
    return {false, draw_residual(row_without<kernels::logits_row<S>>{weights, token}, weights, size, uniform(rng))};
  }
  if (options.draft == draft_form::logits) {
    const auto draft = make_sampled_row(chain_function, "draft", position, draft_row, draft_sampling);
    const double q = draft.prob(token);
    if (!(q > 0.0)) invalid_argument_at(chain_function, "draft_tokens", position, token, "must have draft probability > 0");
    if (uniform(rng) * q < p) return {true, token};
    return {false, draw_residual(kernels::make_residual(target.weights(), draft.weights()), target.weights(), size, uniform(rng))};
  }
  const kernels::weights_row<D> draft{draft_row.data()};
  const double sum = kernels::row_sum(checked_weights_row<D>{draft}, size);
  if (!(std::fabs(sum - 1.0) <= draft_sum_tolerance<D>)) refuse_draft_row(draft_row, position, sum);
  const double q = static_cast<double>(widen(draft_row[token])) / sum;
  if (!(q > 0.0)) invalid_argument_at(chain_function, "draft_tokens", position, token, "must have draft probability > 0");
  if (uniform(rng) * q < p) return {true, token};
  return {false, draw_residual(kernels::make_residual(target.weights(), draft, 1.0 / sum), target.weights(), size, uniform(rng))};
}

template <stored_scalar S>
[[nodiscard]] std::size_t draw_from_target(std::span<const S> logits, std::size_t position, const sampling_options& options, double u) {
  if (options.greedy()) return greedy_token(chain_function, "target_logits", position, logits);
  const double cutoff = options.truncates()
                            ? kernels::truncation_cutoff(logits.data(), logits.size(), options.temperature, options.truncation())
                            : -std::numeric_limits<double>::infinity();
  const std::size_t token = kernels::sample_logits(logits.data(), logits.size(), u, options.temperature, cutoff);
  if (token == kernels::not_found) {  // NaN, +inf, or -inf only: the same error as for the other rows
    (void)make_sampled_row(chain_function, "target_logits", position, logits, options);
  }
  return token;
}

inline void check_chain(std::size_t target_rows, std::size_t vocabulary, std::size_t draft_rows, std::size_t draft_cols,
                        std::span<const token_id> draft_tokens, const chain_options& options) {
  check_sampling_options(chain_function, options.sampling);
  if (options.draft_sampling) check_sampling_options(chain_function, *options.draft_sampling);
  check_at_least(chain_function, "target_logits.cols()", vocabulary, 1);
  check_size(chain_function, "target_logits.rows()", target_rows, "draft_tokens.size() + 1 =", draft_tokens.size() + 1);
  if (options.draft != draft_form::point) {
    check_size(chain_function, "draft.rows()", draft_rows, "draft_tokens.size()", draft_tokens.size());
    if (draft_rows > 0) check_size(chain_function, "draft.cols()", draft_cols, "target_logits.cols()", vocabulary);
  }
  for (std::size_t i = 0; i < draft_tokens.size(); ++i) {
    check_index(chain_function, "draft_tokens", draft_tokens[i], "vocabulary size", vocabulary, i);
  }
}

}  // namespace detail

/// Verifies K drafted tokens of one sequence against the target's logits: draft i is accepted with probability min(1, p(x_i)/q(x_i)), the
/// first refusal is replaced by a draw from (p - q)+ normalised, and when all stand one more token comes from the target's last row. The
/// emitted tokens are distributed exactly as if the target had sampled them itself with the same options.
///
/// @param target_logits [K+1, V], float, double or 16-bit storage; row i is the target after the first i drafts; finite or -inf
/// @param draft         [K, V], logits or probabilities as `options.draft` says; ignored (may be empty) for `draft_form::point`
/// @param draft_tokens  [K] ids < V; K = 0 samples one token
/// @param options       temperature, truncation, and what the draft rows hold
/// @param rng           one uniform for every draft looked at, one more for the next token
/// @throws std::invalid_argument on shapes, options, ids, or a draft of probability zero (it cannot have been sampled from these rows);
///         std::domain_error on an option that is NaN, on a row with NaN or +inf, without a finite logit, or on draft probabilities that
///         are negative or do not sum to one within 1e-4 (1e-2 in 16 bits); they are renormalised
/// @note Work stops at the first refusal: rows behind it are not read (nor checked). No allocation. About two reads of each row looked at,
///       four for the row of a refusal. Re-entrant.
/// @par Source
/// Leviathan, Kalman, Matias, "Fast inference from transformers via speculative decoding", 2023, arXiv 2211.17192, algorithm 1; Chen et
/// al., 2023, arXiv 2302.01318, algorithm 2.
template <class S, class D, random_bits G>
  requires stored_scalar<std::remove_const_t<S>> && stored_scalar<std::remove_const_t<D>>
[[nodiscard]] chain_result verify_chain(matrix_view<S> target_logits, matrix_view<D> draft, vector_view<const token_id> draft_tokens,
                                        G& rng, const chain_options& options = {}) {
  using target_type = std::remove_const_t<S>;
  using draft_type = std::remove_const_t<D>;
  static_assert(std::is_same_v<compute_type<target_type>, compute_type<draft_type>>,
                "gavel: target and draft rows must both be double, or both float or 16-bit");
  detail::check_chain(target_logits.rows(), target_logits.cols(), draft.rows(), draft.cols(), draft_tokens, options);
  const std::size_t length = draft_tokens.size();
  for (std::size_t i = 0; i < length; ++i) {
    const std::span<const draft_type> draft_row = options.draft == draft_form::point ? std::span<D>() : draft.row(i);
    const detail::step step =
        detail::verify_step<target_type, draft_type>(target_logits.row(i), draft_row, i, draft_tokens[i], options, rng);
    if (!step.accepted) return {i, static_cast<token_id>(step.token)};
  }
  const double u = uniform(rng);
  return {length, static_cast<token_id>(detail::draw_from_target<target_type>(target_logits.row(length), length, options.sampling, u))};
}

/// The same for a batch of sequences of different draft lengths, rows one after the other.
/// @param target_logits [sum of (lengths_b + 1), V]
/// @param draft         [sum of lengths_b, V]
/// @param draft_tokens  [sum of lengths_b]
/// @param lengths       [B]
/// @param options       for all sequences alike
/// @param rngs          [B] one generator per sequence, so that a result does not depend on what else is in the batch or on threads
/// @param results       [B]; untouched if shapes, options or ids are refused
/// @throws as the single call, indices counted from the start of the sequence; a sequence with bad rows throws after the results of the
///         sequences before it were written
/// @note One sequence after the other; cost and draws of each as for the single call. No allocation.
template <class S, class D, random_bits G>
  requires stored_scalar<std::remove_const_t<S>> && stored_scalar<std::remove_const_t<D>>
void verify_chains(matrix_view<S> target_logits, matrix_view<D> draft, vector_view<const token_id> draft_tokens,
                   vector_view<const std::size_t> lengths, std::span<G> rngs, std::span<chain_result> results,
                   const chain_options& options = {}) {
  constexpr const char* function = "gavel::speculative::verify_chains";
  std::size_t total = 0;
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    check_at_most(function, "lengths", lengths[b], "what is left of the range of std::size_t,", static_cast<std::size_t>(-1) - total, b);
    total += lengths[b];
  }
  check_size(function, "draft_tokens.size()", draft_tokens.size(), "the sum of lengths", total);
  check_size(function, "target_logits.rows()", target_logits.rows(), "the sum of lengths + 1 =", total + lengths.size());
  if (options.draft != draft_form::point) check_size(function, "draft.rows()", draft.rows(), "the sum of lengths", total);
  check_size(function, "rngs.size()", rngs.size(), "lengths.size()", lengths.size());
  check_size(function, "results.size()", results.size(), "lengths.size()", lengths.size());
  std::size_t first = 0;
  for (std::size_t b = 0; b < lengths.size(); ++b) {  // everything that can be refused without reading a row, before a result is written
    detail::check_chain(lengths[b] + 1, target_logits.cols(), lengths[b], draft.cols(),
                        std::span<const token_id>(draft_tokens.data() + first, lengths[b]), options);
    first += lengths[b];
  }
  first = 0;
  for (std::size_t b = 0; b < lengths.size(); ++b) {
    const matrix_view<D> rows = options.draft == draft_form::point ? draft : draft.middle_rows(first, lengths[b]);
    results[b] = verify_chain(target_logits.middle_rows(first + b, lengths[b] + 1), rows,
                              vector_view<const token_id>(draft_tokens.data() + first, lengths[b]), rngs[b], options);
    first += lengths[b];
  }
}

}  // namespace gavel::speculative

#if defined(GAVEL_INSTANCE)
#define GAVEL_INSTANCES(S)                                                                                               \
  GAVEL_INSTANCE double gavel::kernels::row_sum(const gavel::speculative::detail::checked_weights_row<S>&, std::size_t); \
  GAVEL_INSTANCE gavel::kernels::row_draw gavel::kernels::row_sample(                                                    \
      const gavel::speculative::detail::row_without<gavel::kernels::logits_row<S>>&, std::size_t, double);               \
  GAVEL_INSTANCE gavel::speculative::chain_result gavel::speculative::verify_chain(                                      \
      gavel::matrix_view<const S>, gavel::matrix_view<const S>, gavel::vector_view<const gavel::speculative::token_id>,  \
      gavel::philox4x32&, const gavel::speculative::chain_options&);
GAVEL_FOR_EACH_STORAGE(GAVEL_INSTANCES)
#undef GAVEL_INSTANCES
#endif
