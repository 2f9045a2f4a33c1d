// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/schedule/annealing_areas.hpp>

#include <gavel/core/check.hpp>
#include <gavel/core/views.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

/// @file
/// The loss of every step of a training run, before it is run, from its learning-rate schedule alone. `annealing_fit.hpp` finds the
/// parameters from one or two curves that were run; `schedule_search.hpp` looks for the schedule that ends lowest.
/// @par Source
/// Tissue, Wang, Wang, "Scaling Law with Learning Rate Annealing", 2024, arXiv 2408.11029.

namespace gavel::schedule {

/// The scaling law with learning-rate annealing,
///
///     L(s) = L_0 + A S_1(s)^-alpha - C S_2(s),
///
/// S_1 and S_2 being the forward and the annealing area of the schedule up to step s. Under a constant rate it is a power law in the steps;
/// annealing takes off C times the area, 1 / (1 - lambda) steps late.
struct annealing_law {
  double loss_floor = 0.0;      ///< L_0 >= 0: what is left after endless training at a constant rate
  double amplitude = 1.0;       ///< A >= 0
  double annealing = 0.0;       ///< C >= 0: loss taken off per unit of annealing area
  double alpha = 0.5;           ///< alpha >= 0
  double decay_factor = 0.999;  ///< lambda in [0, 1] of the annealing area

  /// The smallest loss that is predicted: the law itself crosses zero if it is extrapolated far enough.
  static constexpr double smallest_loss = 1e-10;

  /// The loss at given areas, `smallest_loss` at least and finite: a power that overflows gives the largest double.
  /// @param forward S_1 > 0
  /// @param annealing_area S_2, any sign
  /// @throws std::invalid_argument if the forward area is 0, negative or infinite, or the annealing area is infinite; std::domain_error for
  ///         NaN
  /// @note One logarithm and one exponential. The parameters are not checked.
  [[nodiscard]] double loss(double forward, double annealing_area) const {
    constexpr const char* function = "gavel::schedule::annealing_law::loss";
    check_positive(function, "forward", forward);
    check_finite(function, "annealing_area", annealing_area);
    return unchecked_loss(forward, annealing_area);
  }
  /// The same for the areas of a schedule, which must have been gathered with this law's decay factor.
  /// @throws as above; std::invalid_argument if the decay factors differ
  [[nodiscard]] double loss(const annealing_areas& areas) const {
    if (areas.decay_factor() != decay_factor) {
      refuse("gavel::schedule::annealing_law::loss", "areas.decay_factor()", areas.decay_factor(), "must be the law's", decay_factor);
    }
    return loss(areas.forward(), areas.annealing());
  }

  /// What one more step at the rate of the areas' last one does to the loss while nothing is being annealed: -alpha A S_1^(-alpha-1) eta.
  /// @param forward S_1 > 0
  /// @param rate eta >= 0
  /// @throws std::invalid_argument if @p forward is not finite and > 0, std::domain_error if it is NaN
  [[nodiscard]] double slope_at_constant_rate(double forward, double rate) const {
    check_positive("gavel::schedule::annealing_law::slope_at_constant_rate", "forward", forward);
    return -alpha * rate / forward * power_term(forward);
  }

  /// Refuses parameters that no fit returns.
  /// @throws std::invalid_argument if one is negative or infinite, or the decay factor outside [0, 1]; std::domain_error for NaN
  void check(const char* function) const {
    check_not_negative(function, "law.loss_floor", loss_floor);
    check_not_negative(function, "law.amplitude", amplitude);
    check_not_negative(function, "law.annealing", annealing);
    check_not_negative(function, "law.alpha", alpha);
    check_unit_interval(function, "law.decay_factor", decay_factor);
  }

  /// A S_1^-alpha through logarithms, so that neither factor overflows before the product does; the largest double where that does.
  [[nodiscard]] double power_term(double forward) const noexcept {
    if (amplitude == 0.0) return 0.0;
    const double term = std::exp(std::log(amplitude) - alpha * std::log(forward));
    return term <= (std::numeric_limits<double>::max)() ? term : (std::numeric_limits<double>::max)();
  }
  /// `loss` for areas that are known to be good.
  [[nodiscard]] double unchecked_loss(double forward, double annealing_area) const noexcept {
    const double value = loss_floor + power_term(forward) - annealing * annealing_area;
    if (!(value > smallest_loss)) return smallest_loss;
    return value <= (std::numeric_limits<double>::max)() ? value : (std::numeric_limits<double>::max)();
  }

  [[nodiscard]] friend constexpr bool operator==(const annealing_law&, const annealing_law&) = default;
};

/// The law across model sizes, L(s, N) = L_0 + A S_1^-alpha + B N^-beta - C S_2: at one size it is an `annealing_law` with a higher floor.
struct model_size_law {
  annealing_law base;           ///< L_0, A, C, alpha, lambda
  double size_amplitude = 0.0;  ///< B >= 0
  double size_exponent = 0.0;   ///< beta >= 0

  /// The law of one model.
  /// @param n_parameters N > 0, in the unit of the fit
  /// @throws std::invalid_argument if @p n_parameters is not finite and > 0 or a parameter is negative or infinite; std::domain_error for NaN
  [[nodiscard]] annealing_law at(double n_parameters) const {
    constexpr const char* function = "gavel::schedule::model_size_law::at";
    check_positive(function, "n_parameters", n_parameters);
    check_not_negative(function, "size_amplitude", size_amplitude);
    check_not_negative(function, "size_exponent", size_exponent);
    annealing_law law = base;
    law.loss_floor += annealing_law{.amplitude = size_amplitude, .alpha = size_exponent}.power_term(n_parameters);
    return law;
  }

  [[nodiscard]] friend constexpr bool operator==(const model_size_law&, const model_size_law&) = default;
};

namespace detail {

// The first rate decides whether S_1 > 0 everywhere.
template <class R>
areas_walk<R> start_prediction(const char* function, const annealing_law& law, const R& rates, const loss_prediction_options& options) {
  law.check(function);
  areas_walk<R> walk(function, rates, {.decay_factor = law.decay_factor, .warmup_steps = options.warmup_steps});
  if (walk.first_rate() == 0.0) refuse(function, "rates", walk.first_rate(), "must be > 0: S_1 would be 0", {}, options.warmup_steps);
  return walk;
}

}  // namespace detail

/// Predicts the whole curve of a schedule that was never run.
/// @param law   fitted, `annealing_fit.hpp`
/// @param rates any `rate_source`: schedule, sequence of rates, or log
/// @param out   `[n]` receives the losses after steps 0..n-1
/// @throws std::invalid_argument if the first rate that counts is 0 (S_1 would be), a rate or a parameter is negative or infinite, or
///         @p out or the warm-up is longer than the source; std::domain_error for NaN
/// @note O(n): a logarithm and an exponential per step, one pass before that checks the rates. No allocation.
template <rate_source R>
void predict(const annealing_law& law, const R& rates, std::span<double> out, const loss_prediction_options& options = {}) {
  constexpr const char* function = "gavel::schedule::predict";
  auto walk = detail::start_prediction(function, law, rates, options);
  check_at_most(function, "out.size()", out.size(), "the steps of the rates,", walk.last_step() + 1);
  if (out.empty()) return;
  walk.check_rates(out.size() - 1);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const annealing_areas& areas = walk.advance_to(i);
    out[i] = law.unchecked_loss(areas.forward(), areas.annealing());
  }
}

/// Predicts the losses at some steps.
/// @param steps `[n]`, strictly ascending
/// @param out `[n]` receives the losses
/// @throws as the whole curve; std::invalid_argument if @p steps does not ascend or the sizes differ
template <rate_source R>
void predict(const annealing_law& law, const R& rates, vector_view<const std::uint64_t> steps, std::span<double> out,
             const loss_prediction_options& options = {}) {
  constexpr const char* function = "gavel::schedule::predict";
  check_size(function, "out.size()", out.size(), "steps.size()", steps.size());
  auto walk = detail::start_prediction(function, law, rates, options);
  detail::check_read_steps(function, steps, walk.last_step());
  if (steps.empty()) return;
  walk.check_rates(steps[steps.size() - 1]);
  for (std::size_t j = 0; j < steps.size(); ++j) {
    const annealing_areas& areas = walk.advance_to(steps[j]);
    out[j] = law.unchecked_loss(areas.forward(), areas.annealing());
  }
}

/// Predicts the loss after one step, usually the last one.
/// @throws as the whole curve
/// @note O(step); one logarithm and one exponential in all.
template <rate_source R>
[[nodiscard]] double predict_at(const annealing_law& law, const R& rates, std::uint64_t step, const loss_prediction_options& options = {}) {
  constexpr const char* function = "gavel::schedule::predict_at";
  auto walk = detail::start_prediction(function, law, rates, options);
  check_at_most(function, "step", step, "the last step of the rates,", walk.last_step());
  const annealing_areas& areas = walk.advance_to(step);
  return law.unchecked_loss(areas.forward(), areas.annealing());
}

}  // namespace gavel::schedule
