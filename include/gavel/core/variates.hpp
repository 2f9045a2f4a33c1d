// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/special_functions.hpp>
#include <gavel/core/uniform.hpp>

#include <cmath>
#include <limits>

/// @file
/// Continuous distributions: exponential, normal, gamma, beta, Gumbel. All but gamma and beta are quantile transforms, so they take exactly one
/// uniform each and are monotone in it. Their values pass through `std::log` and friends: the same seed gives the same draws, equal to a
/// few units in the last place between mathematical libraries.

namespace gavel {

/// A standard exponential waiting time (mean 1), between 1.1e-16 and 36.8. Divide by a rate, multiply by a mean.
/// @note Draws: one uniform. `-log(uniform_open)`.
template <random_bits G>
[[nodiscard]] inline double exponential(G& rng) {
  return -std::log(uniform_open(rng));
}

/// A standard normal number, between -8.21 and 8.21.
/// @note Draws: one uniform. The quantile function at `uniform_open`, so monotone: a sorted or antithetic uniform stays so.
template <random_bits G>
[[nodiscard]] inline double normal(G& rng) {
  return detail::normal_quantile_inside(uniform_open(rng));
}

/// A standard Gumbel number (mean 0.5772...): adding one to each logit and taking the largest samples the softmax.
/// @note Draws: one uniform. `-log(-log(uniform_open))`, between -3.61 and 36.8.
template <random_bits G>
[[nodiscard]] inline double gumbel(G& rng) {
  return -std::log(-std::log(uniform_open(rng)));
}

namespace detail {

/// A gamma number for shape >= 1.
template <random_bits G>
[[nodiscard]] inline double gamma_from_one(G& rng, double shape) {
  const double d = shape - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  while (true) {
    const double x = normal(rng);
    const double u = uniform_open(rng);
    const double root = 1.0 + c * x;
    if (root <= 0.0) continue;
    const double v = root * root * root;
    const double squared = x * x;
    if (u < 1.0 - 0.0331 * squared * squared) return d * v;  // accepts 98 % without a logarithm
    if (std::log(u) < 0.5 * squared + d * (1.0 - v + std::log(v))) return d * v;
  }
}

/// The logarithm of a gamma number, finite for every shape: small shapes give numbers far below the smallest double.
template <random_bits G>
[[nodiscard]] inline double log_gamma_variate(G& rng, double shape) {
  if (shape >= 1.0) return std::log(gamma_from_one(rng, shape));
  const double boosted = gamma_from_one(rng, shape + 1.0);
  const double log_value = std::log(boosted) + std::log(uniform_open(rng)) / shape;
  return (std::fmax)(log_value, -(std::numeric_limits<double>::max)());
}

}  // namespace detail

/// A gamma number with the given shape and scale 1 (mean = variance = shape); multiply by a scale.
/// @param shape finite, > 0, any size; below about 0.05 the result may be too small for a double and is then 0
/// @throws std::invalid_argument if @p shape is not finite and positive, std::domain_error if it is NaN
/// @note Draws: pairs of uniforms, one pair per attempt, in expectation fewer than 1.06 pairs; one more uniform if `shape < 1`.
/// @par Source
/// Marsaglia, Tsang, "A simple method for generating gamma variables" (2000), sections 2 and 6.
template <random_bits G>
[[nodiscard]] inline double gamma(G& rng, double shape) {
  check_positive("gavel::gamma", "shape", shape);
  if (shape >= 1.0) return detail::gamma_from_one(rng, shape);
  return std::exp(detail::log_gamma_variate(rng, shape));
}

/// A beta number in [0, 1] with density proportional to x^(a-1) (1-x)^(b-1): the posterior of a success rate.
/// @param a,b finite, > 0, any size; very small ones give exact zeros and ones, never NaN
/// @throws std::invalid_argument if a parameter is not finite and positive, std::domain_error if it is NaN
/// @note Draws: those of `gamma(rng, a)`, then those of `gamma(rng, b)`.
template <random_bits G>
[[nodiscard]] inline double beta(G& rng, double a, double b) {
  check_positive("gavel::beta", "a", a);
  check_positive("gavel::beta", "b", b);
  const double log_x = detail::log_gamma_variate(rng, a);
  const double log_y = detail::log_gamma_variate(rng, b);
  // x / (x + y), from the logarithms because both may be too small for a double
  if (log_x >= log_y) return 1.0 / (1.0 + std::exp(log_y - log_x));
  const double ratio = std::exp(log_x - log_y);
  return ratio / (1.0 + ratio);
}

}  // namespace gavel
