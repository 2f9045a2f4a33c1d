// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/views.hpp>
#include <gavel/schedule/refinement.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

/// @file
/// Two numbers that describe a long table of rates: how long it warms up and how it decays.
///
///     const warmup_power_fit fit = fit_warmup_power(refined.rates);
///     const auto rates = stretch(warmup(fit.warmup, polynomial(fit.power)), {.steps = 50'000, .base_rate = fit.peak});

namespace gavel::schedule {

/// Whether the two numbers mean something.
enum class warmup_power_fit_status {
  converged,    ///< yes; look at `rms_error` for how well
  power_limit,  ///< the decay is more abrupt, or flatter, than any power in [1/50, 50]; the numbers are the best within that range
  undefined     ///< fewer than 3 rates, none positive, or none between the top and the end, which leaves q open: nothing was fitted
};

/// rate(z) ~ peak z / p up to z = p, then peak ((1 - z) / (1 - p))^q: the schedule `warmup(p, polynomial(q))` times `peak`. The shape ends
/// at 0: a table that ends well above it, or holds its rate for a while, is described badly, and `rms_error` says so.
struct warmup_power_fit {
  double warmup = 0.0;     ///< p: share of the run that rises, in [0, 0.98]
  double power = 1.0;      ///< q: 1 is linear decay, above 1 falls early (convex), below 1 holds the rate long (concave)
  double peak = 0.0;       ///< rate at the end of the warm-up
  double rms_error = 0.0;  ///< root mean square of what is left, relative to `peak`
  warmup_power_fit_status status = warmup_power_fit_status::converged;
};

namespace detail {

/// Squared error of the best multiple of the shape, and that multiple.
struct shape_error {
  double squares = 0.0;
  double peak = 0.0;
};

inline shape_error warmup_power_error(const std::vector<double>& rates, double warmup, double power) noexcept {
  double fit = 0.0, size = 0.0, total = 0.0;
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const double z = static_cast<double>(i) / static_cast<double>(rates.size() - 1);
    const double shape = z < warmup ? z / warmup : std::pow((1.0 - z) / (1.0 - warmup), power);
    fit += shape * rates[i], size += shape * shape, total += rates[i] * rates[i];
  }
  const double peak = fit / size, squares = total - peak * fit;
  return {squares > 0.0 ? squares : 0.0, peak};
}

/// Golden-section search for the minimum of `f` between `low` and `high`.
template <class F>
double golden_minimum(F&& f, double low, double high, int rounds) {
  constexpr double share = 0.61803398874989485;
  double left = high - share * (high - low), right = low + share * (high - low);
  double left_value = f(left), right_value = f(right);
  for (int k = 0; k < rounds; ++k) {
    if (left_value <= right_value) {
      high = right, right = left, right_value = left_value;
      left = high - share * (high - low), left_value = f(left);
    } else {
      low = left, left = right, left_value = right_value;
      right = low + share * (high - low), right_value = f(right);
    }
  }
  return left_value <= right_value ? left : right;
}

}  // namespace detail

/// Describes a schedule by a linear warm-up and a power of what remains, to report a refined schedule in two numbers or to hand it to a
/// trainer that only knows such shapes. Least squares over p, q and the peak, which enters linearly and is eliminated.
/// @param rates the table, [T], finite, >= 0; entry t stands at progress z = t / (T - 1)
/// @return p, q, the peak and what is left over; the default values and `undefined` for a table without a shape
/// @throws std::invalid_argument for a rate that is negative or infinite, std::domain_error for NaN
/// @note The table is read at 401 points, so the time does not grow with T; some thousand passes over them, a few tens of milliseconds.
///       Allocates these points once. Of several minima in p it takes the lowest on a grid of 0.02, or of the table's own
///       places where it has 50 or fewer, and narrows it.
/// @par Source
/// Defazio, Cutkosky, Mehta, Mishchenko, 2023, arXiv 2310.07831, the polynomials fitted to refined schedules.
[[nodiscard]] inline warmup_power_fit fit_warmup_power(vector_view<const double> rates) {
  constexpr const char* function = "gavel::schedule::fit_warmup_power";
  double largest = 0.0;
  for (std::size_t t = 0; t < rates.size(); ++t) {
    check_not_negative(function, "rates", rates[t], t);
    if (rates[t] > largest) largest = rates[t];
  }
  if (rates.size() < 3 || !(largest > 0.0)) return {.status = warmup_power_fit_status::undefined};

  std::vector<double> points(rates.size() < 401 ? rates.size() : 401);
  resample(rates, points);
  for (double& rate : points) rate /= largest;
  constexpr double log_limit = 3.91202300542814606;  // log 50
  const auto best_log_power = [&](double warmup) {
    return detail::golden_minimum([&](double log_power) { return detail::warmup_power_error(points, warmup, std::exp(log_power)).squares; },
                                  -log_limit, log_limit, 40);
  };
  const auto error_at = [&](double warmup) { return detail::warmup_power_error(points, warmup, std::exp(best_log_power(warmup))).squares; };
  // The error has several minima in p where the table is noisy: scan first, then narrow. A short table knows its own places best.
  const std::size_t intervals = points.size() - 1, cells = intervals < 50 ? intervals : 50;
  const double step = 1.0 / static_cast<double>(cells), last = 1.0 - step;
  double warmup = 0.0, error = error_at(0.0);
  for (std::size_t k = 1; k < cells; ++k) {
    const double candidate = static_cast<double>(k) / static_cast<double>(cells), value = error_at(candidate);
    if (value < error) warmup = candidate, error = value;
  }
  const double low = warmup > step ? warmup - step : 0.0, high = warmup + step < last ? warmup + step : last;
  const double narrowed = detail::golden_minimum(error_at, low, high, 25);
  if (error_at(narrowed) < error - 1e-12) warmup = narrowed;  // a smaller gain is rounding
  const double falling = static_cast<double>(intervals) * (1.0 - warmup);
  if (std::ceil(falling - 1e-9) < 2.0) return {.status = warmup_power_fit_status::undefined};

  const double log_power = best_log_power(warmup);
  const detail::shape_error fit = detail::warmup_power_error(points, warmup, std::exp(log_power));
  warmup_power_fit result{.warmup = warmup, .power = std::exp(log_power), .peak = fit.peak * largest};
  result.rms_error = std::sqrt(fit.squares / static_cast<double>(points.size())) / fit.peak;
  if (std::abs(log_power) > log_limit - 1e-3) result.status = warmup_power_fit_status::power_limit;
  return result;
}

}  // namespace gavel::schedule
