// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/views.hpp>
#include <gavel/kernels/truncation.hpp>

#include <cstddef>
#include <limits>
#include <span>
#include <utility>

/// @file
/// From the logits of a language model to the distribution that its engine samples: temperature, then top-k, top-p and min-p.
///
/// @par Source
/// Top-k: Fan, Lewis, Dauphin, 2018, arXiv 1805.04833. Top-p: Holtzman et al., 2020, arXiv 1904.09751. Min-p: Nguyen et al., 2024,
/// arXiv 2407.01082.

namespace gavel::speculative {

/// How a token is drawn from a row of logits. The same rule must have been used for the draft that is verified: exactness is a statement
/// about the distribution that was really sampled.
struct sampling_options {
  double temperature = 1.0;  ///< >= 0; 0 is greedy decoding: all mass on the largest logit, the lowest index on ties
  std::size_t top_k = 0;     ///< keep the k largest logits; 0 keeps all; ties with the k-th are kept
  double top_p = 1.0;        ///< keep the smallest nucleus of at least this mass, in (0, 1]; ties are kept
  double min_p = 0.0;        ///< keep tokens with at least this fraction of the largest probability, in [0, 1]

  [[nodiscard]] constexpr bool greedy() const noexcept { return temperature == 0.0; }
  [[nodiscard]] constexpr bool truncates() const noexcept { return top_k > 0 || top_p < 1.0 || min_p > 0.0; }
  [[nodiscard]] constexpr kernels::truncation truncation() const noexcept { return {top_k, top_p, min_p}; }
  friend constexpr bool operator==(const sampling_options&, const sampling_options&) = default;
};

/// Refuses options that describe no distribution, on behalf of the function that received them.
/// @param function the caller's full name, for the message
/// @throws std::invalid_argument naming @p function if an option is outside its range; std::domain_error if it is NaN
inline void check_sampling_options(const char* function, const sampling_options& options) {
  check_not_negative(function, "temperature", options.temperature);
  check_unit_interval(function, "top_p", options.top_p, unit_ends::one_only);
  check_unit_interval(function, "min_p", options.min_p);
}

namespace detail {

/// The distribution of one row of logits, ready to be asked for single tokens and to be read by kernels; nothing is written.
template <stored_scalar S>
struct sampled_row {
  const S* logits = nullptr;
  std::size_t size = 0;
  double temperature = 1.0;
  double cutoff = -std::numeric_limits<double>::infinity();
  kernels::logits_summary summary;

  /// Whether it is one: not if a logit is NaN or +inf, or all are -inf. The sum tells, and not the log-normalizer: a small temperature may
  /// take that of a good row beyond the doubles.
  [[nodiscard]] bool valid() const noexcept { return summary.sum > 0.0; }
  [[nodiscard]] double prob(std::size_t token) const {
    const double logit = static_cast<double>(widen(logits[token]));
    if (!(logit >= cutoff)) return 0.0;
    return kernels::exp((logit - summary.maximum) / temperature) / summary.sum;
  }
  [[nodiscard]] kernels::logits_row<S> weights() const { return kernels::softmax_row(logits, summary, temperature, cutoff); }
};

/// Prepares a row; temperature > 0.
template <stored_scalar S>
[[nodiscard]] sampled_row<S> make_sampled_row(std::span<const S> logits, const sampling_options& options) {
  sampled_row<S> row;
  row.logits = logits.data();
  row.size = logits.size();
  row.temperature = options.temperature;
  if (options.truncates()) row.cutoff = kernels::truncation_cutoff(logits.data(), logits.size(), options.temperature, options.truncation());
  row.summary = kernels::summarize(logits.data(), logits.size(), options.temperature, row.cutoff);
  return row;
}

/// The token of greedy decoding; `not_found` if the logits are no distribution.
template <stored_scalar S>
[[nodiscard]] std::size_t greedy_token(std::span<const S> logits) {
  return make_sampled_row(logits, {}).valid() ? kernels::argmax(logits.data(), logits.size()) : kernels::not_found;
}

/// The first logit that is NaN or +inf; `no_index` if there is none.
template <stored_scalar S>
[[nodiscard]] GAVEL_COLD std::size_t bad_logit(std::span<const S> logits) {
  std::size_t i = 0;
  while (i < logits.size() && widen(logits[i]) < std::numeric_limits<compute_type<S>>::infinity()) ++i;
  return i < logits.size() ? i : no_index;
}

/// Refuses logits that are no distribution.
template <stored_scalar S>
[[noreturn]] GAVEL_COLD void refuse_logits(const char* function, const char* parameter, std::span<const S> logits) {
  const std::size_t i = bad_logit(logits);
  if (i != no_index) domain_error_at(function, parameter, i, widen(logits[i]), "must be finite or -inf");
  domain_error(function, parameter, {}, "must hold a finite number");
}

}  // namespace detail

/// Writes the distribution that an engine samples from a row of logits: softmax(x / temperature), truncated and renormalised.
/// @param logits  [V], finite or -inf, at least one finite
/// @param probs   [V], may share memory with the logits when the types agree; untouched if the call throws
/// @param options temperature 0 gives the point mass of greedy decoding
/// @throws std::invalid_argument if sizes differ or are 0, or an option is out of range; std::domain_error if an option or a logit is NaN,
///         a logit is +inf, or all are -inf
/// @note O(V), no allocation.
template <dense_vector L, dense_output Out>
  requires stored_scalar<scalar_of<L>> && real_scalar<scalar_of<Out>>
void probs_from_logits(const L& logits, Out&& probs, const sampling_options& options = {}) {
  constexpr const char* function = "gavel::speculative::probs_from_logits";
  using S = scalar_of<L>;
  const std::span<const S> row = as_span(logits);
  const auto out = as_span(std::forward<Out>(probs));
  check_sampling_options(function, options);
  check_at_least(function, "logits.size()", row.size(), 1);
  check_size(function, "probs.size()", out.size(), "logits.size()", row.size());
  if (options.greedy()) {
    const std::size_t token = detail::greedy_token(row);
    if (token == kernels::not_found) detail::refuse_logits(function, "logits", row);
    for (auto& prob : out) prob = 0;
    out[token] = 1;
    return;
  }
  const detail::sampled_row<S> sampled = detail::make_sampled_row(row, options);
  if (!sampled.valid()) detail::refuse_logits(function, "logits", row);
  kernels::write_row(sampled.weights(), row.size(), out.data());
}

}  // namespace gavel::speculative
