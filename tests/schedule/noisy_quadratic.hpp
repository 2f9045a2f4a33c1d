// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/schedule/rate_schedule.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gavel::testing {

/// Gradient descent on f(x) = 1/2 sum_i lambda_i x_i^2 with unbiased gradients whose noise has variance s^2 per coordinate. The expected
/// loss of a schedule is known exactly, because E x_i^2 <- (1 - eta lambda_i)^2 E x_i^2 + eta^2 s^2: schedules compare without any noise.
struct noisy_quadratic {
  std::vector<double> eigenvalues;    // lambda_i > 0
  std::vector<double> start_squared;  // E x_i^2 before the first step
  double noise_variance = 0.0;        // s^2

  /// @p count eigenvalues from 1 down to 1/100, evenly spaced in their logarithm; x = 1.
  static noisy_quadratic log_spaced(std::size_t count, double noise_variance) {
    noisy_quadratic problem{std::vector<double>(count), std::vector<double>(count, 1.0), noise_variance};
    for (std::size_t i = 0; i < count; ++i) {
      problem.eigenvalues[i] = std::pow(0.01, static_cast<double>(i) / static_cast<double>(count - 1));
    }
    return problem;
  }
};

/// The expected loss after steps 0, ..., steps - 1 of a schedule.
template <schedule::rate_schedule S>
double expected_loss(const noisy_quadratic& problem, const S& schedule, std::uint64_t steps) {
  std::vector<double> squared = problem.start_squared;
  for (std::uint64_t t = 0; t < steps; ++t) {
    const double rate = schedule.rate(t);
    for (std::size_t i = 0; i < squared.size(); ++i) {
      const double kept = 1.0 - rate * problem.eigenvalues[i];
      squared[i] = kept * kept * squared[i] + rate * rate * problem.noise_variance;
    }
  }
  double loss = 0.0;
  for (std::size_t i = 0; i < squared.size(); ++i) loss += 0.5 * problem.eigenvalues[i] * squared[i];
  return loss;
}

/// The lowest expected loss over a grid of base rates.
struct tuned_loss {
  double loss = 0.0;
  double base_rate = 0.0;
};

template <schedule::profile P>
tuned_loss best_loss(const noisy_quadratic& problem, const P& shape, std::uint64_t steps, const std::vector<double>& base_rates) {
  tuned_loss best{gavel::infinity, 0.0};
  for (const double base_rate : base_rates) {
    const double loss = expected_loss(problem, schedule::stretch(shape, {.steps = steps, .base_rate = base_rate}), steps);
    if (loss < best.loss) best = {loss, base_rate};
  }
  return best;
}

}  // namespace gavel::testing
