// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/schedule/annealing_areas.hpp>
#include <gavel/schedule/annealing_fit.hpp>
#include <gavel/schedule/annealing_law.hpp>
#include <gavel/schedule/detail/annealing_problem.hpp>

#include <gavel/core/check.hpp>
#include <gavel/core/intervals.hpp>
#include <gavel/core/numerics.hpp>
#include <gavel/core/ordering.hpp>
#include <gavel/core/quantiles.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/core/views.hpp>
#include <gavel/solvers/levenberg_marquardt.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// @file
/// How far the loss of a schedule that was never run may lie from its prediction.
///
///     const annealing_fit fit = fit_annealing_law(observations);
///     std::vector<interval> intervals(steps.size());
///     bootstrap_intervals(fit, observations, candidate, steps, intervals, rng);  // candidate: the schedule that was never run

namespace gavel::schedule {

/// How the data are resampled. An interval rests on the replicates in its two tails, (1 - confidence) / 2 of them each: 10 by default. For
/// confidence 0.99 take 2000 replicates.
struct annealing_bootstrap_options {
  std::size_t replicates = 200;    ///< refits, >= 2
  std::size_t block_length = 0;    ///< points per block, cut to the length of the curve; 0: the cube root of that length, rounded
  double confidence = 0.9;         ///< in (0, 1): coverage aimed at
  bool measurement_noise = true;   ///< intervals for a loss to be measured; false: for the curve itself
  annealing_fit_options fit = {};  ///< as for the fit

  friend bool operator==(const annealing_bootstrap_options&, const annealing_bootstrap_options&) = default;
};

namespace detail {

inline void check_bootstrap(const char* function, const annealing_observations& observations, const annealing_bootstrap_options& options) {
  const std::size_t n = observations.size();
  check_observations(function, observations);
  check_fit_options(function, options.fit);
  check_at_least(function, "observations.size()", n, 5);
  check_at_least(function, "replicates", options.replicates, 2);
  check_unit_interval(function, "confidence", options.confidence, unit_ends::open);
  check_not_descending(function, "observations.curve_ends", observations.curve_ends);
  const std::size_t last = observations.curve_ends.empty() ? 0 : observations.curve_ends.back();
  check_size(function, "observations.curve_ends.back()", last, "observations.size()", n);
}

// The fitted curves with residuals from other places of the same curve, block by block.
template <random_bits G>
void resample_losses(const std::vector<std::size_t>& curve_ends, const std::vector<double>& fitted, const std::vector<double>& residuals,
                     std::size_t block_length, std::span<double> losses, G& rng) {
  std::size_t begin = 0;
  for (const std::size_t end : curve_ends) {
    const std::size_t size = end - begin;
    std::size_t block = block_length != 0 ? block_length : static_cast<std::size_t>(std::lround(std::cbrt(static_cast<double>(size))));
    if (block > size) block = size;
    for (std::size_t i = 0; i < size; i += block) {
      const std::size_t start = uniform_index(rng, size);
      for (std::size_t k = 0; k < block && i + k < size; ++k) {
        losses[begin + i + k] = fitted[begin + i + k] * std::exp(residuals[begin + (start + k) % size]);
      }
    }
    begin = end;
  }
}

}  // namespace detail

/// Intervals for predicted losses, by refitting the law to data it could have produced: the fitted curves with their own log residuals put
/// on in another order. Neighbouring residuals of a curve are correlated, so they move in blocks (which wrap around the curve's end).
/// Residuals are widened by sqrt(n / (n - 4)) for the four parameters that have already fitted some of the noise. Percentile intervals are
/// somewhat too narrow on small data: with two curves of 30 points, intervals asked to cover 90 % covered 86 to 88 %. Each interval is for
/// its own prediction, not for a whole curve at once. What the observations leave open (`fit.identified`) no resampling can tell: a prediction
/// that depends on it has the interval from 0 to infinity, with C open that of every schedule that anneals.
/// @param fit          of the same observations
/// @param forward      `[m]` S_1 > 0 of the losses to predict, from `areas_at` of any schedule
/// @param annealing    `[m]` S_2
/// @param out          `[m]` receives the intervals: percentiles of the replicates' predictions
/// @param rng          draws, per replicate and curve: one `uniform_index` per block; then, with `measurement_noise`, one per prediction
/// @return how many refits converged; all replicates count all the same
/// @throws std::invalid_argument for sizes, fewer than five points, `curve_ends` that do not ascend to n, or values out of range;
///         std::domain_error for NaN
/// @note `replicates` descents from the fitted parameters, some ten steps each. Allocates n doubles a few times and replicates x m doubles.
/// @par Source
/// Politis, Romano, "A circular block-resampling procedure for stationary data" (1992).
template <random_bits G>
std::size_t bootstrap_intervals(const annealing_fit& fit, const annealing_observations& observations, vector_view<const double> forward,
                                vector_view<const double> annealing, std::span<interval> out, G& rng,
                                const annealing_bootstrap_options& options = {}) {
  constexpr const char* function = "gavel::schedule::bootstrap_intervals";
  const std::size_t n = observations.size(), n_predictions = forward.size(), replicates = options.replicates;
  fit.law.check(function);
  detail::check_bootstrap(function, observations, options);
  check_size(function, "annealing.size()", annealing.size(), "forward.size()", n_predictions);
  check_size(function, "out.size()", out.size(), "forward.size()", n_predictions);
  for (std::size_t i = 0; i < n_predictions; ++i) {
    check_positive(function, "forward", forward[i], i);
    check_finite(function, "annealing", annealing[i], i);
  }

  std::vector<double> fitted(n), residuals(n), losses(n), predictions(replicates * n_predictions);
  const double widening = std::sqrt(static_cast<double>(n) / static_cast<double>(n - detail::n_annealing));
  for (std::size_t i = 0; i < n; ++i) {
    fitted[i] = fit.law.unchecked_loss(observations.forward[i], observations.annealing[i]);
    residuals[i] = widening * std::log(observations.loss[i] / fitted[i]);
  }
  detail::annealing_problem problem = detail::make_problem(observations, options.fit, options.fit.method);
  problem.set_losses(losses);
  const detail::annealing_vector start = problem.point(fit.law);
  const bool robust = options.fit.method == annealing_fit_method::huber;
  std::size_t converged = 0;
  for (std::size_t replicate = 0; replicate < replicates; ++replicate) {
    detail::resample_losses(observations.curve_ends, fitted, residuals, options.block_length, losses, rng);
    detail::annealing_descent refit = problem.descend(start, true, robust ? 1e-4 : 1e-10, options.fit.max_iterations);
    if (robust) refit = problem.descend(refit.point, false, 1e-10, options.fit.max_iterations);
    converged += refit.status == levenberg_marquardt_status::converged ? 1U : 0U;
    const annealing_law law = problem.law(refit.point, fit.law.decay_factor);
    for (std::size_t j = 0; j < n_predictions; ++j) {
      const double noise = options.measurement_noise ? residuals[uniform_index(rng, n)] : 0.0;
      predictions[j * replicates + replicate] = law.unchecked_loss(forward[j], annealing[j]) * std::exp(noise);
    }
  }
  const annealing_identified& known = fit.identified;
  const bool power_known = known.loss_floor && known.amplitude && known.alpha;
  const double tail = 0.5 * (1.0 - options.confidence);
  for (std::size_t j = 0; j < n_predictions; ++j) {
    if (!power_known || (!known.annealing && std::abs(annealing[j]) > 1e-12 * forward[j])) {
      out[j] = {0.0, infinity};
      continue;
    }
    const std::span<double> values(predictions.data() + j * replicates, replicates);
    sort_values(values.data(), values.size(), [](double a, double b) { return a < b; });
    out[j] = {quantile_of_sorted(values, tail), quantile_of_sorted(values, 1.0 - tail)};
  }
  return converged;
}

/// The same for losses at some steps of a schedule, or at all of them: the areas are computed here, with the decay factor of the fitted
/// law.
/// Pass areas instead where several schedules are compared at their last steps: one call then refits once for all of them.
/// @param fit        of the same observations
/// @param rates      any `rate_source`
/// @param steps      `[m]` strictly ascending
/// @param out        `[m]` receives the intervals
/// @param prediction warm-up of that schedule
/// @return how many refits converged
/// @throws as above, and as `areas_at`
/// @note Draws as above; O(last step) more for the areas, and 2 m doubles.
template <rate_source R, random_bits G>
std::size_t bootstrap_intervals(const annealing_fit& fit, const annealing_observations& observations, const R& rates,
                                vector_view<const std::uint64_t> steps, std::span<interval> out, G& rng,
                                const annealing_bootstrap_options& options = {}, const loss_prediction_options& prediction = {}) {
  constexpr const char* function = "gavel::schedule::bootstrap_intervals";
  check_size(function, "out.size()", out.size(), "steps.size()", steps.size());
  std::vector<double> forward(steps.size()), annealing(steps.size());
  detail::areas_at(function, rates, steps, forward, annealing,
                   {.decay_factor = fit.law.decay_factor, .warmup_steps = prediction.warmup_steps});
  if (!steps.empty() && forward[0] == 0.0) refuse(function, "S_1", forward[0], "must be > 0 at step", steps[0]);
  return bootstrap_intervals(fit, observations, forward, annealing, out, rng, options);
}

}  // namespace gavel::schedule
