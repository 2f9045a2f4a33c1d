// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/config.hpp>

#include <cmath>
#include <cstddef>

/// @file
/// Drafts without replacement as clocks: token x rings at T_x ~ Exp(q_x), the first n to ring are the drafts. What every integral over the
/// time of the n-th ring has to agree on.

namespace gavel::speculative::detail {

/// Largest number of drafts: what the tables over counts hold in registers.
inline constexpr std::size_t max_clock_drafts = 16;

/// Spacing of the nodes in time that gives about 1e-14.
[[nodiscard]] constexpr double clock_step(std::size_t n) noexcept { return n <= 8 ? 0.2 : 0.15; }

/// A time by which n clocks have rung whatever happens, but for a probability of about e^-45: the n-th ring comes at least at rate
/// @p rest > 0, the mass of q outside its n - 1 most probable tokens.
[[nodiscard]] inline double last_ring(std::size_t n, double rest) noexcept { return (45.0 + 3.0 * static_cast<double>(n)) / rest; }

/// Includes a token at time @p t. e[k] = Pr(k tokens have rung by t), f[k] = density of the (k+1)-th ring at t after k before it,
/// k < n, entries @p stride apart.
inline void include_clock(double q, double t, std::size_t n, std::size_t stride, double* e, double* f) noexcept {
  const double in = -std::expm1(-q * t);
  const double out = std::exp(-q * t);
  for (std::size_t k = n; k-- > 0;) {  // highest first, so that the lower ones are still the old ones
    double& count = e[k * stride];
    double& density = f[k * stride];
    density = density * out + count * (q * out) + (k > 0 ? f[(k - 1) * stride] * in : 0.0);
    count = count * out + (k > 0 ? e[(k - 1) * stride] * in : 0.0);
  }
}

}  // namespace gavel::speculative::detail
