// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/generator_rollback.hpp>
#include <gavel/core/random.hpp>
#include <gavel/kernels/residual.hpp>
#include <gavel/kernels/sample.hpp>
#include <gavel/speculative/detail/rows.hpp>
#include <gavel/speculative/sampling.hpp>
#include <gavel/speculative/verifier.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

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

/// Whether a chain was verified, or what was wrong with it.
enum class chain_status {
  verified,
  bad_target,      ///< a row of target logits with NaN or +inf, or without a finite logit
  bad_draft,       ///< such a row of draft logits; draft probabilities that are negative, not finite, or do not sum to one
  bad_draft_token  ///< an id outside the vocabulary, or one that cannot have been drawn from its draft row
};

/// The outcome of one chain.
struct chain_result {
  /// Value of `column` where the row as a whole is at fault: no finite logit, a wrong sum.
  static constexpr std::size_t whole_row = no_index;

  std::size_t accepted = 0;  ///< length of the accepted prefix, 0..K
  token_id next_token = 0;   ///< the token after it: from the residual after a rejection, else from the target's last row
  chain_status status = chain_status::verified;  ///< other than that only in a batch; nothing was accepted or drawn then
  std::size_t row = 0;                           ///< of a chain that is not verified: the bad row or draft, counted from its first
  std::size_t column = 0;                        ///< and the first bad entry of that row, or the drafted token

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
  static constexpr bool plain = true;
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

/// One drafted token against one row: accepted, or the token that replaces it, or neither.
struct step {
  bool accepted = false;
  std::size_t token = 0;
  chain_status status = chain_status::verified;
  std::size_t column = 0;
};

template <stored_scalar S>
[[nodiscard]] GAVEL_COLD step bad_row(chain_status status, std::span<const S> logits) {
  return {.status = status, .column = bad_logit(logits)};
}

/// The first draft probability that is none.
template <stored_scalar D>
[[nodiscard]] GAVEL_COLD std::size_t bad_prob(std::span<const D> row) {
  std::size_t i = 0;
  while (i < row.size() && widen(row[i]) >= 0 && std::isfinite(widen(row[i]))) ++i;
  return i < row.size() ? i : no_index;
}

template <stored_scalar S, stored_scalar D, class G>
[[nodiscard]] step verify_step(std::span<const S> target_logits, std::span<const D> draft_row, std::size_t token,
                               const chain_options& options, G& rng) {
  const std::size_t size = target_logits.size();
  if (options.sampling.greedy()) {  // the target is a point mass: nothing to draw
    const std::size_t best = greedy_token(target_logits);
    if (best == kernels::not_found) return bad_row(chain_status::bad_target, target_logits);
    (void)uniform(rng);
    if (token == best) return {true, token};
    (void)uniform(rng);
    return {false, best};
  }
  const auto target = make_sampled_row(target_logits, options.sampling);
  if (!target.valid()) return bad_row(chain_status::bad_target, target_logits);
  const double p = target.prob(token);
  const sampling_options& draft_sampling = options.draft_sampling ? *options.draft_sampling : options.sampling;
  if (options.draft == draft_form::point || (options.draft == draft_form::logits && draft_sampling.greedy())) {
    if (uniform(rng) < p) return {true, token};
    const auto weights = target.weights();
    return {false, draw_residual(row_without<kernels::logits_row<S>>{weights, token}, weights, size, uniform(rng))};
  }
  if (options.draft == draft_form::logits) {
    const auto draft = make_sampled_row(draft_row, draft_sampling);
    if (!draft.valid()) return bad_row(chain_status::bad_draft, draft_row);
    const double q = draft.prob(token);
    if (!(q >= least_draft_prob<D>)) return {.status = chain_status::bad_draft_token, .column = token};
    if (uniform(rng) * q < p) return {true, token};
    return {false, draw_residual(kernels::make_residual(target.weights(), draft.weights()), target.weights(), size, uniform(rng))};
  }
  const kernels::weights_row<D> draft{draft_row.data()};
  const double sum = kernels::row_sum(checked_weights_row<D>{draft}, size);
  if (!(std::fabs(sum - 1.0) <= draft_sum_tolerance<D>)) return {.status = chain_status::bad_draft, .column = bad_prob(draft_row)};
  const double q = static_cast<double>(widen(draft_row[token])) / sum;
  if (!(q >= least_draft_prob<D>)) return {.status = chain_status::bad_draft_token, .column = token};
  if (uniform(rng) * q < p) return {true, token};
  return {false, draw_residual(kernels::make_residual(target.weights(), draft, 1.0 / sum), target.weights(), size, uniform(rng))};
}

/// `not_found` if the logits are no distribution.
template <stored_scalar S>
[[nodiscard]] std::size_t draw_from_target(std::span<const S> logits, const sampling_options& options, double u) {
  if (options.greedy()) return greedy_token(logits);
  const double cutoff = options.truncates()
                            ? kernels::truncation_cutoff(logits.data(), logits.size(), options.temperature, options.truncation())
                            : -std::numeric_limits<double>::infinity();
  return kernels::sample_logits(logits.data(), logits.size(), u, options.temperature, cutoff);
}

/// A chain of checked shape and options; the generator stays as it was where the chain is not verified.
template <stored_scalar S, stored_scalar D, random_bits G>
[[nodiscard]] chain_result try_chain(matrix_view<const S> target_logits, matrix_view<const D> draft,
                                     vector_view<const token_id> draft_tokens, G& rng, const chain_options& options) {
  static_assert(std::is_same_v<compute_type<S>, compute_type<D>>,
                "gavel: target and draft rows must both be double, or both float or 16-bit");
  const std::size_t length = draft_tokens.size();
  for (std::size_t i = 0; i < length; ++i) {
    if (draft_tokens[i] >= target_logits.cols()) return {.status = chain_status::bad_draft_token, .row = i, .column = draft_tokens[i]};
  }
  generator_rollback<G> rollback(rng);
  chain_result result;
  for (; result.accepted < length; ++result.accepted) {
    const std::size_t i = result.accepted;
    const std::span<const D> draft_row = options.draft == draft_form::point ? std::span<const D>() : draft.row(i);
    const step now = verify_step(target_logits.row(i), draft_row, draft_tokens[i], options, rng);
    if (now.status != chain_status::verified) return {.status = now.status, .row = i, .column = now.column};
    result.next_token = static_cast<token_id>(now.token);
    if (!now.accepted) break;
  }
  if (result.accepted == length) {
    const std::size_t token = draw_from_target(target_logits.row(length), options.sampling, uniform(rng));
    if (token == kernels::not_found) {
      return {.status = chain_status::bad_target, .row = length, .column = bad_logit(target_logits.row(length))};
    }
    result.next_token = static_cast<token_id>(token);
  }
  rollback.keep();
  return result;
}

/// Throws what `result` says of a chain that is not verified.
template <stored_scalar S, stored_scalar D>
[[noreturn]] GAVEL_COLD void refuse_chain(matrix_view<const S> target_logits, matrix_view<const D> draft,
                                          vector_view<const token_id> draft_tokens, const chain_options& options,
                                          const chain_result& result) {
  if (result.status == chain_status::bad_target) {
    refuse_logits(chain_function, row_name("target_logits", result.row).c_str(), target_logits.row(result.row));
  }
  if (result.status == chain_status::bad_draft_token) {
    const token_id token = draft_tokens[result.row];
    check_index(chain_function, "draft_tokens", token, "vocabulary size", target_logits.cols(), result.row);
    refuse(chain_function, "draft_tokens", token, drawable_rule<D>, {}, result.row);
  }
  const std::string name = row_name("draft", result.row);
  const std::span<const D> row = draft.row(result.row);
  if (options.draft == draft_form::logits) refuse_logits(chain_function, name.c_str(), row);
  if (result.column != no_index) {
    domain_error_at(chain_function, name.c_str(), result.column, widen(row[result.column]), "must be finite and >= 0");
  }
  const double sum = kernels::row_sum(kernels::weights_row<D>{row.data()}, row.size());
  domain_error(chain_function, ("sum of " + name).c_str(), sum, "must be 1 within", draft_sum_tolerance<D>);
}

inline void check_chain(const char* function, std::size_t vocabulary, std::size_t draft_rows, std::size_t draft_cols,
                        const chain_options& options) {
  check_sampling_options(function, options.sampling);
  if (options.draft_sampling) check_sampling_options(function, *options.draft_sampling);
  check_at_least(function, "target_logits.cols()", vocabulary, 1);
  if (options.draft != draft_form::point && draft_rows > 0) {
    check_size(function, "draft.cols()", draft_cols, "target_logits.cols()", vocabulary);
  }
}

}  // namespace detail

/// Verifies K drafted tokens of one sequence against the target's logits: draft i is accepted with probability min(1, p(x_i)/q(x_i)), the
/// first refusal is replaced by a draw from (p - q)+ normalised, and when all stand one more token comes from the target's last row. The
/// emitted tokens are distributed exactly as if the target had sampled them itself with the same options.
///
/// The V columns of the views are the whole vocabulary, whatever a row stride leaves between them: mask the padding of a model's rows
/// before its drafts are drawn. A draft that fell there is refused for its id, and probabilities with mass there for their sum. Logits
/// cannot show that mass: drafts with ids < V then still follow the softmax over the V columns, but not what top-k, top-p or min-p keep of
/// it.
///
/// @param target_logits [K+1, V], float, double or 16-bit storage; row i is the target after the first i drafts; finite or -inf
/// @param draft         [K, V], logits or probabilities as `options.draft` says; ignored (may be empty) for `draft_form::point`
/// @param draft_tokens  [K] ids < V; K = 0 samples one token
/// @param options       temperature, truncation, and what the draft rows hold
/// @param rng           one uniform for every draft looked at, one more for the next token. Not the generator state that drew the drafts:
///                      one generator for both goes on from one to the other, two have streams of their own
/// @throws std::invalid_argument on shapes, options, ids, or a draft of probability zero (below 2^-100, for double rows 2^-1000: it cannot
///         have been sampled from these rows); std::domain_error on an option that is NaN, on a row with NaN or +inf, without a finite
///         logit, or on draft probabilities that are negative or do not sum to one within 1e-4 (1e-2 in 16 bits); they are renormalised.
///         The generator is untouched then; one that cannot be copied keeps the draws of the drafts before the bad one
/// @note Work stops at the first refusal: rows behind it are not read (nor checked). No allocation. About two reads of each row looked at,
///       four for the row of a refusal. Re-entrant.
/// @par Source
/// Leviathan, Kalman, Matias, "Fast inference from transformers via speculative decoding", 2023, arXiv 2211.17192, algorithm 1; Chen et
/// al., 2023, arXiv 2302.01318, algorithm 2.
template <class S, class D, random_bits G>
  requires stored_scalar<std::remove_const_t<S>> && stored_scalar<std::remove_const_t<D>>
[[nodiscard]] chain_result verify_chain(matrix_view<S> target_logits, matrix_view<D> draft, vector_view<const token_id> draft_tokens,
                                        G& rng, const chain_options& options = {}) {
  const matrix_view<const std::remove_const_t<S>> target = target_logits;
  const matrix_view<const std::remove_const_t<D>> drafted = draft;
  const std::size_t length = draft_tokens.size();
  check_size(detail::chain_function, "target_logits.rows()", target.rows(), "draft_tokens.size() + 1 =", length + 1);
  if (options.draft != draft_form::point) check_size(detail::chain_function, "draft.rows()", draft.rows(), "draft_tokens.size()", length);
  detail::check_chain(detail::chain_function, target.cols(), length, draft.cols(), options);
  const chain_result result = detail::try_chain(target, drafted, draft_tokens, rng, options);
  if (result.status != chain_status::verified) [[unlikely]]
    detail::refuse_chain(target, drafted, draft_tokens, options, result);
  return result;
}

/// The same for row-major Eigen matrices.
template <dense_matrix P, dense_matrix Q, random_bits G>
[[nodiscard]] chain_result verify_chain(const P& target_logits, const Q& draft, vector_view<const token_id> draft_tokens, G& rng,
                                        const chain_options& options = {}) {
  return verify_chain(matrix_view<const scalar_of<P>>(target_logits), matrix_view<const scalar_of<Q>>(draft), draft_tokens, rng, options);
}

/// The same for a batch of sequences of different draft lengths, rows one after the other. A sequence that the single call would refuse
/// for its rows or ids is left out, and its status says why; the others are verified all the same.
///
///     if (verify_chains(target, draft, tokens, lengths, rngs, results) > 0) ...  // look for results[b].status != chain_status::verified
///
/// @param target_logits [sum of (lengths_b + 1), V]
/// @param draft         [sum of lengths_b, V]
/// @param draft_tokens  [sum of lengths_b]
/// @param lengths       [B]
/// @param options       for all sequences alike
/// @param rngs          [B] one generator per sequence, so that a result does not depend on what else is in the batch or on threads;
///                      that of a sequence left out stays as it was, as in the single call
/// @param results       [B]; `row` and `column` of a sequence left out count from the start of the sequence
/// @return how many sequences were left out
/// @throws std::invalid_argument on shapes and options, std::domain_error on an option that is NaN; nothing is written or drawn then
/// @note One sequence after the other; cost and draws of each as for the single call. No allocation.
template <class S, class D, random_bits G>
  requires stored_scalar<std::remove_const_t<S>> && stored_scalar<std::remove_const_t<D>>
[[nodiscard]] std::size_t verify_chains(matrix_view<S> target_logits, matrix_view<D> draft, vector_view<const token_id> draft_tokens,
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
  if (lengths.empty()) return 0;
  detail::check_chain(function, target_logits.cols(), total, draft.cols(), options);
  const matrix_view<const std::remove_const_t<S>> target = target_logits;
  const matrix_view<const std::remove_const_t<D>> drafted = draft;
  std::size_t left_out = 0;
  for (std::size_t b = 0, first = 0; b < lengths.size(); first += lengths[b++]) {
    const auto rows = options.draft == draft_form::point ? drafted : drafted.middle_rows(first, lengths[b]);
    const vector_view<const token_id> tokens(draft_tokens.data() + first, lengths[b]);
    results[b] = detail::try_chain(target.middle_rows(first + b, lengths[b] + 1), rows, tokens, rngs[b], options);
    left_out += results[b].status != chain_status::verified ? 1u : 0u;
  }
  return left_out;
}

/// The same for row-major Eigen matrices, and for any dense vector of generators.
template <dense_matrix P, dense_matrix Q, dense_output Rngs>
  requires random_bits<scalar_of<Rngs>>
[[nodiscard]] std::size_t verify_chains(const P& target_logits, const Q& draft, vector_view<const token_id> draft_tokens,
                                        vector_view<const std::size_t> lengths, Rngs&& rngs, std::span<chain_result> results,
                                        const chain_options& options = {}) {
  return verify_chains(matrix_view<const scalar_of<P>>(target_logits), matrix_view<const scalar_of<Q>>(draft), draft_tokens, lengths,
                       as_span(std::forward<Rngs>(rngs)), results, options);
}

}  // namespace gavel::speculative

#if defined(GAVEL_INSTANCE)
#define GAVEL_INSTANCES(S)                                                                                               \
  GAVEL_INSTANCE double gavel::kernels::row_sum(const gavel::speculative::detail::checked_weights_row<S>&, std::size_t); \
  GAVEL_INSTANCE gavel::kernels::row_draw gavel::kernels::row_sample(                                                    \
      const gavel::speculative::detail::row_without<gavel::kernels::logits_row<S>>&, std::size_t, double);               \
  GAVEL_INSTANCE gavel::speculative::chain_result gavel::speculative::detail::try_chain(                                 \
      gavel::matrix_view<const S>, gavel::matrix_view<const S>, gavel::vector_view<const gavel::speculative::token_id>,  \
      gavel::philox4x32&, const gavel::speculative::chain_options&);                                                     \
  GAVEL_INSTANCE gavel::speculative::chain_result gavel::speculative::verify_chain(                                      \
      gavel::matrix_view<const S>, gavel::matrix_view<const S>, gavel::vector_view<const gavel::speculative::token_id>,  \
      gavel::philox4x32&, const gavel::speculative::chain_options&);
GAVEL_FOR_EACH_STORAGE(GAVEL_INSTANCES)
#undef GAVEL_INSTANCES
#endif
