// SPDX-License-Identifier: MIT
#pragma once

#include "schedule/support/loss_curves.hpp"

#include <gavel/core/intervals.hpp>
#include <gavel/core/philox.hpp>
#include <gavel/schedule/annealing_areas.hpp>
#include <gavel/schedule/annealing_bootstrap.hpp>
#include <gavel/schedule/annealing_fit.hpp>
#include <gavel/schedule/annealing_law.hpp>
#include <gavel/schedule/combinators.hpp>
#include <gavel/schedule/multi_power_fit.hpp>
#include <gavel/schedule/multi_power_law.hpp>
#include <gavel/schedule/profile.hpp>
#include <gavel/schedule/schedule_search.hpp>
#include <gavel/schedule/sequence.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// @file
/// Both loss laws fitted to the same curves, and what they predict for schedules of a run that was never made.

namespace examples {

namespace schedule = gavel::schedule;
using schedule::annealing_fit_status;
using schedule::multi_power_fit_status;

/// What is fitted, and what is held back to see whether the fit is right.
struct curves {
  std::vector<loss_curve> fitted, checked;
  bool published = false;
};

/// The values of lambda that are tried, the published one last: it wins where they do not differ.
inline constexpr std::array decay_factors{0.9, 0.99, 0.995, 0.998, 0.9995, 0.999};
inline constexpr double published_decay_factor = decay_factors.back();

struct fits {
  std::array<schedule::annealing_fit, decay_factors.size()> squares_at;  // for each lambda
  schedule::annealing_observations observations;
  schedule::annealing_fit squares, huber;
  schedule::multi_power_fit multi_power;
  double squares_ms = 0.0, huber_ms = 0.0, multi_power_ms = 0.0;
  bool use_huber = false;

  [[nodiscard]] const schedule::annealing_fit& chosen() const { return use_huber ? huber : squares; }
  [[nodiscard]] bool annealing_known() const {
    const annealing_fit_status status = chosen().status;
    return status == annealing_fit_status::converged || status == annealing_fit_status::iteration_limit;
  }
  [[nodiscard]] bool multi_power_known() const {
    return multi_power.status != multi_power_fit_status::no_points && multi_power.identified.annealing;
  }
  /// What a column or a line of the multi-power law is called.
  [[nodiscard]] std::string multi_power_name(const char* name) const {
    return multi_power_known() && !multi_power.identified.all() ? std::string(name) + " (open)" : name;
  }
};

template <class Work>
double milliseconds(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

[[nodiscard]] inline schedule::annealing_observations observe(const std::vector<loss_curve>& some, double decay_factor) {
  schedule::annealing_observations result;
  result.decay_factor = decay_factor;
  for (const loss_curve& curve : some) result.add_curve(curve.rates, curve.steps, curve.losses);
  return result;
}

/// @param decay_factor  lambda; empty: the best R^2 of `decay_factors`
/// @param use_huber     which of the two fits predicts
[[nodiscard]] inline fits fit_all(const std::vector<loss_curve>& some, std::optional<double> decay_factor, bool use_huber) {
  fits result;
  std::size_t best = decay_factors.size() - 1;
  for (std::size_t k = decay_factors.size(); k-- > 0;) {
    result.squares_at[k] = schedule::fit_annealing_law(observe(some, decay_factors[k]));
    if (result.squares_at[k].r_squared > result.squares_at[best].r_squared) best = k;
  }
  result.observations = observe(some, decay_factor.value_or(decay_factors[best]));
  schedule::multi_power_observations runs;
  for (const loss_curve& curve : some) runs.add_curve(curve.rates, curve.steps, curve.losses);
  const auto fit = [&](schedule::annealing_fit_method method) {
    return schedule::fit_annealing_law(result.observations, {.method = method});
  };
  result.squares_ms = milliseconds([&] { result.squares = fit(schedule::annealing_fit_method::least_squares); });
  result.huber_ms = milliseconds([&] { result.huber = fit(schedule::annealing_fit_method::huber); });
  result.multi_power_ms = milliseconds([&] { result.multi_power = schedule::fit_multi_power_law(runs); });
  result.use_huber = use_huber;
  return result;
}

/// The places of the decay factors, smallest first.
[[nodiscard]] inline std::array<std::size_t, decay_factors.size()> ascending_decay_factors() {
  std::array<std::size_t, decay_factors.size()> order{};
  for (std::size_t k = 0; k < order.size(); ++k) order[k] = k;
  std::sort(order.begin(), order.end(), [](std::size_t a, std::size_t b) { return decay_factors[a] < decay_factors[b]; });
  return order;
}

/// Whether the published curves gave what they are known to give.
[[nodiscard]] inline bool matches_known_fit(const schedule::annealing_fit& fit) {
  const published::known_fit known;
  const auto near = [](double value, double wanted, double tolerance) { return std::fabs(value / wanted - 1.0) <= tolerance; };
  return fit.objective <= known.objective * 1.001 && near(fit.law.loss_floor, known.loss_floor, 1e-3) &&
         near(fit.law.amplitude, known.amplitude, 1e-2) && near(fit.law.annealing, known.annealing, 1e-2) &&
         near(fit.law.alpha, known.alpha, 1e-2) && std::fabs(fit.r_squared.value_or(0.0) - known.r_squared) <= 1e-4;
}

struct predicted_curve {
  std::vector<double> annealing, multi_power;  ///< at the steps asked for
};

[[nodiscard]] inline predicted_curve predict(const fits& fitted, const std::vector<double>& rates,
                                             const std::vector<std::uint64_t>& steps) {
  predicted_curve result{std::vector<double>(steps.size()), std::vector<double>(steps.size())};
  schedule::predict(fitted.chosen().law, rates, steps, result.annealing);
  schedule::predict(fitted.multi_power.law, rates, steps, result.multi_power);
  return result;
}

/// The run to predict.
struct plan {
  std::uint64_t horizon = 0, warmup = 0;
  double peak = 0.0;
};

/// A schedule for it.
struct offer {
  std::string name;
  std::vector<double> rates;
  gavel::interval interval{};
};

inline constexpr std::size_t n_offers = 7;

/// The schedules that are ranked.
[[nodiscard]] inline std::array<offer, n_offers> offers(const plan& run) {
  const auto rates = [&](auto shape) { return rates_after_warmup(shape, run.horizon, run.warmup, run.peak); };
  return {{{"constant", rates(schedule::constant{})},
           {"cosine", rates(schedule::cosine{})},
           {"linear", rates(schedule::linear{})},
           {"REX", rates(schedule::rex{})},
           {"WSD, linear over the last 20 %", rates(schedule::wsd({.decay = 0.2}))},
           {"WSD, 1 - sqrt over the last 20 %", rates(schedule::wsd({.decay = 0.2}, schedule::one_minus_sqrt{}))},
           {"multi-step, x 0.316 at 80 % and again at 90 %", rates(schedule::step_decay(0.316, {0.8, 0.9}))}}};
}

/// Bootstrap intervals of the annealing law at the end of the run.
inline void add_intervals(std::array<offer, n_offers>& all, const plan& run, const fits& fitted, std::size_t replicates,
                          double confidence) {
  std::vector<double> forward, annealing;
  for (const offer& one : all) {
    const auto areas = schedule::areas_at(one.rates, run.horizon, {.decay_factor = fitted.observations.decay_factor});
    forward.push_back(areas.forward());
    annealing.push_back(areas.annealing());
  }
  std::array<gavel::interval, n_offers> intervals;
  gavel::philox4x32 rng(1);
  schedule::bootstrap_intervals(
      fitted.chosen(), fitted.observations, forward, annealing, intervals, rng,
      {.replicates = replicates,
       .confidence = confidence,
       .measurement_noise = false,
       .fit = {.method = fitted.use_huber ? schedule::annealing_fit_method::huber : schedule::annealing_fit_method::least_squares}});
  for (std::size_t k = 0; k < n_offers; ++k) all[k].interval = intervals[k];
}

/// A choice and the loss that is predicted for it.
struct choice {
  std::string what;
  double loss = 0.0;
  std::vector<double> rates;
};

/// The best cool-down of a run, over a grid of 1 %.
/// @param losses  of the whole grid
template <schedule::profile P>
auto best_cooldown(const schedule::annealing_law& law, const plan& run, P shape, std::vector<double>& losses) {
  std::vector<double> fractions;
  const double most = static_cast<double>(run.horizon - run.warmup) / static_cast<double>(run.horizon);
  for (int percent = 0; percent <= 100 && 0.01 * percent <= most; ++percent) fractions.push_back(0.01 * percent);
  losses.resize(fractions.size());
  const schedule::constant_rate base(run.peak);  // warm-up steps count at the peak
  return schedule::best_cooldown(law, base, run.horizon, fractions, shape, losses);
}

}  // namespace examples
