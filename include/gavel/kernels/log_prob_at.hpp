// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/kernels/log_sum_exp.hpp>

#include <cstddef>
#include <cstdint>

/// @file
/// Log-probabilities of single tokens of a row of logits, without writing the row.

namespace gavel::kernels {
inline namespace GAVEL_BASE_ISA {
namespace detail {
/// Relative to the maximum, so that large logits and small temperatures cancel nothing.
template <stored_scalar S>
[[nodiscard]] double log_prob_of(const S& logit, const logits_summary& summary, double log_sum, double temperature) {
  return (static_cast<double>(widen(logit)) - summary.maximum) / temperature - log_sum;
}
}  // namespace detail

/// log softmax(x / temperature) at one token: x_token / temperature - log_sum_exp. One read of the row.
/// @param logits      [n]; finite or -inf. NaN for a row with NaN or +inf, or of -inf only.
/// @param token       < n, unchecked
/// @param temperature > 0
template <stored_scalar S>
[[nodiscard]] double log_prob_at(const S* logits, std::size_t n, std::size_t token, double temperature = 1.0) {
  const logits_summary summary = summarize(logits, n, temperature);
  return detail::log_prob_of(logits[token], summary, detail::log_sum(summary), temperature);
}

/// The same at many tokens of one row: log_probs_k = log softmax(x / temperature) at tokens_k. One read of the row.
/// @param tokens    [count], each < n, unchecked
/// @param log_probs [count]
template <stored_scalar S>
void log_prob_at(const S* logits, std::size_t n, const std::uint32_t* tokens, std::size_t count, double* log_probs,
                 double temperature = 1.0) {
  const logits_summary summary = summarize(logits, n, temperature);
  const double log_sum = detail::log_sum(summary);
  for (std::size_t k = 0; k < count; ++k) log_probs[k] = detail::log_prob_of(logits[tokens[k]], summary, log_sum, temperature);
}

}  // namespace GAVEL_BASE_ISA
}  // namespace gavel::kernels
