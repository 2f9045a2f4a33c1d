// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/special_functions.hpp>

#include <cmath>
#include <cstdint>

/// @file
/// Intervals that say how sure an estimate is.

namespace gavel {

/// A range of plausible values, both ends included.
struct interval {
  double lower = 0.0;
  double upper = 1.0;
  [[nodiscard]] friend bool operator==(const interval&, const interval&) = default;
};

/// How sure one may be of a success rate: the Wilson score interval, which stays inside [0, 1] and works at 0 and n successes.
/// @param successes  <= trials
/// @param trials     0 gives [0, 1]: nothing is known
/// @param confidence in (0, 1), the coverage aimed at
/// @throws std::invalid_argument if a parameter is out of range; std::domain_error for NaN
/// @par Source
/// Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
[[nodiscard]] inline interval wilson_interval(std::uint64_t successes, std::uint64_t trials, double confidence = 0.95) {
  constexpr const char* name = "gavel::wilson_interval";
  check_at_most(name, "successes", successes, "trials", trials);
  check_unit_interval(name, "confidence", confidence, unit_ends::open);
  if (trials == 0) return {0.0, 1.0};
  const double n = static_cast<double>(trials);
  const double rate = static_cast<double>(successes) / n;
  const double z = -normal_quantile(0.5 * (1.0 - confidence));
  const double shrink = 1.0 / (1.0 + z * z / n);
  const double center = (rate + z * z / (2.0 * n)) * shrink;
  const double half = z * std::sqrt(rate * (1.0 - rate) / n + z * z / (4.0 * n * n)) * shrink;
  return {successes == 0 ? 0.0 : (std::fmax)(center - half, 0.0), successes == trials ? 1.0 : (std::fmin)(center + half, 1.0)};
}

}  // namespace gavel
