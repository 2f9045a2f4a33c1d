// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/ordering.hpp>

#include <cstddef>
#include <span>

/// @file
/// Quantiles and the median of a finite sample.

namespace gavel {

/// The quantile of sorted numbers, linear between order statistics: with h = p (n - 1) and k = floor(h),
///
///     x_k + (h - k) (x_{k+1} - x_k).
///
/// @param ascending `[n]` sorted, n >= 1
/// @param p         in [0, 1]: 0 is the smallest, 1 the largest
/// @note O(1). Nothing is checked: this runs inside loops.
/// @par Source
/// Hyndman, Fan, "Sample quantiles in statistical packages" (1996), definition 7.
[[nodiscard]] inline double quantile_of_sorted(std::span<const double> ascending, double p) noexcept {
  const double place = p * static_cast<double>(ascending.size() - 1);
  const auto k = static_cast<std::size_t>(place);
  if (k + 1 >= ascending.size()) return ascending[ascending.size() - 1];
  return ascending[k] + (place - static_cast<double>(k)) * (ascending[k + 1] - ascending[k]);
}

/// The middle number in order, the upper one of two.
/// @param values `[n]`, n >= 1, no NaN; rearranged
/// @note O(n), no allocation.
[[nodiscard]] inline double upper_median(std::span<double> values) noexcept {
  const std::size_t at = values.size() / 2;
  select_first(values.data(), values.size(), at + 1, [](double a, double b) { return a < b; });
  return values[at];
}

}  // namespace gavel
