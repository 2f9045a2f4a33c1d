// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <vector>

namespace gavel::testing {

/// Gradient norms that fall from 15 to 1 over the first tenth of the run, then go straight to `end`.
inline std::vector<double> gallery(std::size_t n, double end) {
  const std::vector<double> at = {0.0, 0.003, 0.02, 0.03, 0.1, 1.0}, value = {15.0, 6.0, 4.0, 2.0, 1.0, end};
  std::vector<double> norms(n);
  for (std::size_t t = 0; t < n; ++t) {
    const double z = static_cast<double>(t) / static_cast<double>(n - 1);
    std::size_t k = 0;
    while (k + 2 < at.size() && z > at[k + 1]) ++k;
    norms[t] = value[k] + (value[k + 1] - value[k]) * (z - at[k]) / (at[k + 1] - at[k]);
  }
  return norms;
}

}  // namespace gavel::testing
