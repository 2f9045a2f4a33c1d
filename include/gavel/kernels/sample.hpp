// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/kernels/log_sum_exp.hpp>

#include <cstddef>
#include <limits>

/// @file
/// One draw from a row, by inverse CDF in index order from one uniform: of probabilities or any unnormalised weights, and of a row of
/// logits directly, without writing the softmax.

namespace gavel::kernels {
inline namespace GAVEL_BASE_ISA {

/// Draws index i with probability weights_i / sum of weights.
/// @param weights [n], finite and >= 0, in any scale whose sum is finite in the row's type; an index of zero weight is never returned
/// @param u       one uniform in [0, 1)
/// @return the smallest i whose cumulative weight exceeds u times the total; `not_found` if no weight is positive or one is NaN
template <stored_scalar S>
[[nodiscard]] std::size_t sample(const S* weights, std::size_t n, double u) {
  return row_sample(weights_row<S>{weights}, n, u).index;
}

/// Draws index i with probability softmax(x / temperature)_i, straight from the logits: one read of the row and a second look at one chunk.
/// @param logits      [n]; finite or -inf
/// @param u           one uniform in [0, 1)
/// @param temperature > 0 (see `summarize` for its effective range)
/// @param cutoff      a number of the row's type: logits below it are never drawn (see `truncation_cutoff`)
/// @return the index; `not_found` if every logit is -inf, or one is NaN or +inf
template <stored_scalar S>
[[nodiscard]] std::size_t sample_logits(const S* logits, std::size_t n, double u, double temperature = 1.0,
                                        double cutoff = -std::numeric_limits<double>::infinity()) {
  return dispatch<detail::summarize_kernel>(logits, n, detail::inverse_temperature_of<S>(temperature), cutoff, u).index;
}

#if defined(GAVEL_INSTANCE)
#define GAVEL_INSTANCES(S) GAVEL_INSTANCE std::size_t sample_logits(const S*, std::size_t, double, double, double);
GAVEL_FOR_EACH_STORAGE(GAVEL_INSTANCES)
#undef GAVEL_INSTANCES
#endif

}  // namespace GAVEL_BASE_ISA
}  // namespace gavel::kernels
