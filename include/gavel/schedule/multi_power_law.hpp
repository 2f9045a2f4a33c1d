// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/error.hpp>
#include <gavel/core/numerics.hpp>
#include <gavel/core/views.hpp>
#include <gavel/schedule/annealing_areas.hpp>
#include <gavel/schedule/detail/rate_changes.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

/// @file
/// The multi-power law: predicts the loss at every step of a training run under a learning-rate schedule that was never run. With eta_i the
/// rate of step i, counted from 0,
///
///     L(t)   = L_0 + A (S_1(t) + S_W)^-alpha - B sum_{k=1..t} (eta_{k-1} - eta_k) (1 - (1 + C eta_k^-gamma S_k(t))^-beta)
///     S_1(t) = sum_{i=0..t} eta_i,      S_k(t) = sum_{i=k..t} eta_i.
///
/// Each fall of the rate lowers the loss in the end by B times the fall; how fast depends on the area trained since and on the rate itself.
/// @par Source
/// Luo, Wen, Hu, Sun, Liu, Sun, Lyu, Chen, "A Multi-Power Law for Loss Curve Prediction Across Learning Rate Schedules", ICLR 2025, arXiv
/// 2503.12811: the law. The sum in O(log T) per step is this library's.

namespace gavel::schedule {

/// The parameters of the law, all finite and >= 0. Rates are in the unit in which the law was fitted.
struct multi_power_law {
  double loss_floor = 0.0;   ///< L_0: what no training removes
  double amplitude = 1.0;    ///< A
  double alpha = 0.5;        ///< power of the total area
  double annealing = 0.0;    ///< B: loss per unit of rate taken away
  double scale = 1.0;        ///< C
  double beta = 0.5;         ///< power with which a fall of the rate takes effect
  double gamma = 0.5;        ///< how much sooner it does so at a smaller rate
  double warmup_area = 0.0;  ///< S_W: rates summed over warm-up steps that the table of rates leaves out

  /// The smallest loss that is predicted: far outside its data the law can fall below zero.
  static constexpr double smallest_loss = 1e-10;

  [[nodiscard]] friend constexpr bool operator==(const multi_power_law&, const multi_power_law&) = default;
};

namespace detail {

inline void check_law(const char* function, const multi_power_law& law) {
  auto check = [&](const char* name, double value) {
    if (!is_rate(value)) domain_error(function, name, value, "must be finite and >= 0");
  };
  check("law.loss_floor", law.loss_floor);
  check("law.amplitude", law.amplitude);
  check("law.alpha", law.alpha);
  check("law.annealing", law.annealing);
  check("law.scale", law.scale);
  check("law.beta", law.beta);
  check("law.gamma", law.gamma);
  check("law.warmup_area", law.warmup_area);
}

inline void check_table(const char* function, const char* name, vector_view<const double> rates) {
  for (std::size_t i = 0; i < rates.size(); ++i) {
    if (!is_rate(rates[i])) domain_error_at(function, name, i, rates[i], "must be finite and >= 0");
  }
}

inline void check_total_area(const char* function, std::uint64_t step, double area) {
  if (!(area > 0.0)) domain_error(function, "S_1 + warmup_area", area, "must be > 0 at step", step);
}

[[nodiscard]] inline annealing_shape shape_of(const multi_power_law& law) noexcept { return {std::log(law.scale), law.beta, law.gamma}; }

/// The loss from the two sums of the law. The power goes through logarithms: what overflows is the largest double, never NaN.
[[nodiscard]] inline double loss_from_sums(const multi_power_law& law, double area, double annealing) noexcept {
  constexpr double largest = (std::numeric_limits<double>::max)();
  const double trained = law.amplitude > 0.0 ? std::exp(std::log(law.amplitude) - law.alpha * std::log(area + law.warmup_area)) : 0.0;
  const double loss = law.loss_floor + trained - law.annealing * annealing;
  if (!(loss > multi_power_law::smallest_loss)) return multi_power_law::smallest_loss;
  return loss <= largest ? loss : largest;
}

// How far log(C eta^-gamma S) may spread over a block of changes. The remainder is of fourth order; the factor is measured, with a margin.
[[nodiscard]] inline double block_width(double relative_error) noexcept {
  const double width = 5.0 * std::sqrt(std::sqrt(relative_error));
  return width < 1.0 ? width : 1.0;
}

}  // namespace detail

/// The loss after one step, term by term: the definition, for single values and for checking anything faster.
///
/// A change to a rate of zero takes effect in full as soon as there is training after it (the limit of the formula), and not at all before:
/// without area nothing moves.
/// @param law   finite, >= 0
/// @param rates `[n]` rate of every step from 0 on, finite, >= 0
/// @param step  t < n
/// @return L(t), at least `smallest_loss`
/// @throws std::domain_error for a parameter or a rate up to @p step that is negative, infinite or NaN, and if S_1 + S_W = 0;
///         std::invalid_argument if @p step has no rate
/// @note O(step); steps that do not change the rate cost one addition. No allocation.
[[nodiscard]] inline double multi_power_loss(const multi_power_law& law, vector_view<const double> rates, std::uint64_t step) {
  constexpr const char* function = "gavel::schedule::multi_power_loss";
  detail::check_law(function, law);
  if (step >= rates.size()) invalid_argument(function, "step", step, "must be < rates.size() =", rates.size());
  const std::size_t t = step;
  detail::check_table(function, "rates", {rates.data(), t + 1});
  const detail::annealing_shape shape = detail::shape_of(law);
  compensated_sum area, annealing;
  for (std::size_t k = t; k > 0; --k) {  // backwards: S_k is a sum of positive numbers, not a difference of large ones
    area += rates[k];
    if (rates[k] != rates[k - 1]) annealing += (rates[k - 1] - rates[k]) * detail::effect(shape, std::log(rates[k]), area.value());
  }
  area += rates[0];
  detail::check_total_area(function, step, area.value() + law.warmup_area);
  return detail::loss_from_sums(law, area.value(), annealing.value());
}

struct multi_power_predict_options {
  /// Error allowed in the annealing sum, relative to the sum of its terms' magnitudes; in [0, 1). 0 takes every change by itself.
  double relative_error = 1e-7;
};

/// The losses after several steps of one schedule, in far less than the O(T) per step of the plain sum.
/// @param law,rates as for `multi_power_loss`
/// @param steps `[m]` strictly ascending, < rates.size()
/// @param out   `[m]` receives the losses
/// @throws as `multi_power_loss` (all rates are checked); std::invalid_argument for steps out of order, another size of @p out or
///         an option out of range. Nothing is written then.
/// @note O(T) to fold up the rates, then O(log T) per step while the rates run smoothly; stretches whose rate goes up and down from step to
///       step are summed one by one. Allocates about 120 bytes per change of the rate.
inline void predict(const multi_power_law& law, vector_view<const double> rates, vector_view<const std::uint64_t> steps,
                    std::span<double> out, const multi_power_predict_options& options = {}) {
  constexpr const char* function = "gavel::schedule::predict";
  detail::check_law(function, law);
  detail::check_table(function, "rates", rates);
  if (out.size() != steps.size()) invalid_argument(function, "out.size()", out.size(), "must equal steps.size() =", steps.size());
  if (!(options.relative_error >= 0.0 && options.relative_error < 1.0)) {
    invalid_argument(function, "relative_error", options.relative_error, "must be in [0, 1)");
  }
  if (steps.empty()) return;
  if (rates.empty()) invalid_argument(function, "rates.size()", rates.size(), "must be >= 1");
  detail::check_steps(function, steps, rates.size() - 1);
  const detail::rate_changes changes(rates);
  // Areas never shrink, so the first step decides.
  detail::check_total_area(function, steps[0], changes.area(steps[0]) + law.warmup_area);
  const detail::annealing_shape shape = detail::shape_of(law);
  const double width = detail::block_width(options.relative_error);
  for (std::size_t j = 0; j < steps.size(); ++j) {
    const std::size_t t = steps[j];
    out[j] = detail::loss_from_sums(law, changes.area(t), changes.sum(shape, t, width));
  }
}

}  // namespace gavel::schedule
