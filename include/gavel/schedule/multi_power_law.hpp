// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/numerics.hpp>
#include <gavel/core/views.hpp>
#include <gavel/schedule/detail/rate_changes.hpp>
#include <gavel/schedule/rate_source.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

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
  double annealing = 0.0;    ///< B: loss per unit of rate taken away
  double alpha = 0.5;        ///< power of the total area
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
  check_not_negative(function, "law.loss_floor", law.loss_floor);
  check_not_negative(function, "law.amplitude", law.amplitude);
  check_not_negative(function, "law.annealing", law.annealing);
  check_not_negative(function, "law.alpha", law.alpha);
  check_not_negative(function, "law.scale", law.scale);
  check_not_negative(function, "law.beta", law.beta);
  check_not_negative(function, "law.gamma", law.gamma);
  check_not_negative(function, "law.warmup_area", law.warmup_area);
}

inline void check_total_area(const char* function, std::uint64_t step, double area) {
  if (!(area > 0.0)) refuse(function, "S_1 + warmup_area", area, "must be > 0 at step", step);
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

// The sum as it stands, backwards: S_k is a sum of positive numbers, not a difference of large ones.
template <class Rate>
[[nodiscard]] double loss_by_definition(const char* function, const multi_power_law& law, std::uint64_t step, const Rate& rate_of) {
  const annealing_shape shape = shape_of(law);
  compensated_sum area, annealing;
  double rate = rate_of(step);
  for (std::uint64_t k = step; k > 0; --k) {
    area += rate;
    const double before = rate_of(k - 1);
    if (rate != before) annealing += (before - rate) * effect(shape, std::log(rate), area.value());
    rate = before;
  }
  area += rate;
  check_total_area(function, step, area.value() + law.warmup_area);
  return loss_from_sums(law, area.value(), annealing.value());
}

/// The rates of steps 0..last of a source, folded up.
template <class R>
[[nodiscard]] rate_changes changes_until(const source_reader<R>& source, std::uint64_t last) {
  std::vector<double> rates(last + 1);
  for (std::size_t k = 0; k < rates.size(); ++k) rates[k] = source.rate(k);
  return rate_changes(rates);
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
/// @throws std::invalid_argument if @p step has no rate, a parameter or a rate up to it is negative or infinite, or S_1 + S_W = 0;
///         std::domain_error for NaN
/// @note O(step); steps that do not change the rate cost one addition. No allocation.
[[nodiscard]] inline double multi_power_loss(const multi_power_law& law, vector_view<const double> rates, std::uint64_t step) {
  constexpr const char* function = "gavel::schedule::multi_power_loss";
  detail::check_law(function, law);
  check_index(function, "step", step, "rates.size()", rates.size());
  for (std::uint64_t k = 0; k <= step; ++k) check_not_negative(function, "rates", rates[k], k);
  return detail::loss_by_definition(function, law, step, [&](std::uint64_t k) { return rates[k]; });
}

/// Predicts the loss after one step of any schedule; as `multi_power_loss` else.
/// @param rates a `rate_source`: schedule, sequence of rates, or log
/// @throws as `multi_power_loss`; std::invalid_argument if the source ends before @p step or the warm-up, or for a log that is not in order
template <rate_source R>
[[nodiscard]] double predict_at(const multi_power_law& law, const R& rates, std::uint64_t step,
                                const loss_prediction_options& options = {}) {
  constexpr const char* function = "gavel::schedule::predict_at";
  detail::check_law(function, law);
  const detail::source_reader<R> source(function, rates, options.warmup_steps);
  check_at_most(function, "step", step, "the last step of the rates,", source.last_step());
  return detail::loss_by_definition(function, law, step, [&](std::uint64_t k) { return source.rate(k); });
}

/// How a prediction is computed.
struct multi_power_prediction_options {
  /// Error allowed in the annealing sum, relative to the sum of its terms' magnitudes; in [0, 1). 0 takes every change by itself.
  double relative_error = 1e-7;
  std::uint64_t warmup_steps =
      0;  ///< W, as in `loss_prediction_options`: an alternative to leaving the warm-up out, with its `warmup_area`

  friend bool operator==(const multi_power_prediction_options&, const multi_power_prediction_options&) = default;
};

namespace detail {

inline void check_prediction(const char* function, const multi_power_law& law, const multi_power_prediction_options& options) {
  check_law(function, law);
  check_unit_interval(function, "relative_error", options.relative_error, unit_ends::zero_only);
}

/// The loss at any step of folded rates.
class loss_reader {
 public:
  /// @param first the first step that will be asked for: areas never shrink, so it decides whether S_1 + S_W > 0
  loss_reader(const char* function, const multi_power_law& law, const rate_changes& changes, std::uint64_t first,
              const multi_power_prediction_options& options)
      : law_(law), changes_(changes), shape_(shape_of(law)), width_(block_width(options.relative_error)) {
    check_total_area(function, first, changes.area(first) + law.warmup_area);
  }
  [[nodiscard]] double operator()(std::uint64_t step) const noexcept {
    return loss_from_sums(law_, changes_.area(step), changes_.sum(shape_, step, width_));
  }

 private:
  const multi_power_law& law_;
  const rate_changes& changes_;
  annealing_shape shape_;
  double width_;
};

}  // namespace detail

/// The losses after several steps of one schedule, in far less than the O(T) per step of the plain sum.
/// @param law   as for `multi_power_loss`
/// @param rates a `rate_source`: schedule, sequence of rates, or log
/// @param steps `[m]` strictly ascending, within the source
/// @param out   `[m]` receives the losses
/// @throws as `predict_at`; std::invalid_argument for steps out of order, another size of @p out or an option out of range. Nothing is
///         written then.
/// @note O(T) to fold up the rates up to the last step, then O(log T) per step while the rates run smoothly; stretches whose rate goes up
///       and down from step to step are summed one by one. Allocates 16 bytes per step and about 120 per change of the rate.
template <rate_source R>
void predict(const multi_power_law& law, const R& rates, vector_view<const std::uint64_t> steps, std::span<double> out,
             const multi_power_prediction_options& options = {}) {
  constexpr const char* function = "gavel::schedule::predict";
  detail::check_prediction(function, law, options);
  check_size(function, "out.size()", out.size(), "steps.size()", steps.size());
  if (steps.empty()) return;
  const detail::source_reader<R> source(function, rates, options.warmup_steps);
  detail::check_read_steps(function, steps, source.last_step());
  const detail::rate_changes changes = detail::changes_until(source, steps[steps.size() - 1]);
  const detail::loss_reader losses(function, law, changes, steps[0], options);
  for (std::size_t j = 0; j < steps.size(); ++j) out[j] = losses(steps[j]);
}

/// The whole curve.
/// @param out `[n]` receives the losses after steps 0..n-1
/// @throws as above; std::invalid_argument if @p out is longer than the source
template <rate_source R>
void predict(const multi_power_law& law, const R& rates, std::span<double> out, const multi_power_prediction_options& options = {}) {
  constexpr const char* function = "gavel::schedule::predict";
  detail::check_prediction(function, law, options);
  if (out.empty()) return;
  const detail::source_reader<R> source(function, rates, options.warmup_steps);
  check_at_most(function, "out.size()", out.size(), "the steps of the rates,", source.last_step() + 1);
  const detail::rate_changes changes = detail::changes_until(source, out.size() - 1);
  const detail::loss_reader losses(function, law, changes, 0, options);
  for (std::size_t t = 0; t < out.size(); ++t) out[t] = losses(t);
}

}  // namespace gavel::schedule
