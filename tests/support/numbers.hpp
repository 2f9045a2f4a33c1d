// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace gavel::testing {

inline constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// Distance of two doubles in units in the last place: 0 for equal ones, huge if either is NaN.
inline std::uint64_t ulps(double a, double b) {
  if (a == b) return 0;
  if (std::isnan(a) || std::isnan(b)) return ~std::uint64_t{0};
  const auto order = [](double x) {
    const auto bits = std::bit_cast<std::int64_t>(x);
    return bits < 0 ? INT64_MIN - bits : bits;  // monotone in x
  };
  const std::int64_t x = order(a);
  const std::int64_t y = order(b);
  return x > y ? static_cast<std::uint64_t>(x) - static_cast<std::uint64_t>(y)
               : static_cast<std::uint64_t>(y) - static_cast<std::uint64_t>(x);
}

}  // namespace gavel::testing
