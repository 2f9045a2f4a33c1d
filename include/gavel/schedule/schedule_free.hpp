// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/solvers/optimizers.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// @file
/// Training without a decay schedule: a constant rate (after a warm-up) on one sequence, an average of that sequence to evaluate at, and
/// gradients taken in between. There is no horizon to choose; the average does what a decay would do.
///
///     z <- z - gamma_t d(y),   x <- (1 - c_t) x + c_t z,   y <- beta x + (1 - beta) z,
///
/// z the base sequence, x the average, y where gradients are taken, all equal at the start. `parameters` of `step` is y; validate and
/// ship x (`evaluation_point`). For SGD d is the gradient, for AdamW the gradient over its root mean square; both add weight_decay * y.
/// @par Source
/// Defazio, Yang, Mehta, Mishchenko, Khaled, Cutkosky, "The Road Less Scheduled", 2024, arXiv 2405.15682, the three-sequence
/// form and algorithm 1.

namespace gavel::schedule {

/// How much each step counts in the average.
struct averaging_weight_options {
  double step_power = 0.0;  ///< r: later steps count more, as (t+1)^r; 0: alike; finite, >= 0
  double rate_power = 2.0;  ///< p: steps count as (largest rate so far)^p, so that a warm-up counts little; finite, >= 0

  friend bool operator==(const averaging_weight_options&, const averaging_weight_options&) = default;
};

/// All that changes in an `averaging_weight`.
struct averaging_weight_state {
  double largest_rate = 0.0;  ///< of the steps so far
  double sum = 0.0;           ///< of all weights, over the last one
  double coefficient = 0.0;   ///< c_t of the last step
  std::size_t steps = 0;      ///< entered so far

  friend bool operator==(const averaging_weight_state&, const averaging_weight_state&) = default;
};

/// The running coefficient of a weighted average whose weights grow with the step and the rate:
///
///     w_t = (t+1)^r (max_{s <= t} gamma_s)^p,   c_t = w_t / sum_{s <= t} w_s.
///
/// Feeding x <- (1 - c_t) x + c_t z gives x = sum w_s z_s / sum w_s. Steps at rate 0 before any other have no weight (c_t = 0) if p > 0.
class averaging_weight {
 public:
  averaging_weight() = default;
  /// @throws std::invalid_argument for an option out of range, std::domain_error if it is NaN
  explicit averaging_weight(const averaging_weight_options& options) : options_(options) {
    constexpr const char* function = "gavel::schedule::averaging_weight";
    check_not_negative(function, "step_power", options.step_power);
    check_not_negative(function, "rate_power", options.rate_power);
  }

  /// Enters the next step's rate.
  /// @param rate gamma_t, finite, >= 0
  /// @return c_t in [0, 1]
  /// @throws std::invalid_argument for a rate out of range, std::domain_error if it is NaN; nothing is changed then
  double update(double rate) {
    check_not_negative("gavel::schedule::averaging_weight::update", "rate", rate);
    const double before = state_.largest_rate;
    if (rate > before) state_.largest_rate = rate;
    const auto time = static_cast<double>(state_.steps);
    ++state_.steps;
    if (state_.largest_rate == 0.0 && options_.rate_power > 0.0) return state_.coefficient = 0.0;
    // The sum in units of the newest weight, which neither overflows nor vanishes whatever the powers.
    const double rate_ratio = state_.largest_rate > 0.0 ? before / state_.largest_rate : 1.0;
    state_.sum = 1.0 + state_.sum * std::pow(time / (time + 1.0), options_.step_power) * std::pow(rate_ratio, options_.rate_power);
    return state_.coefficient = 1.0 / state_.sum;
  }

  /// c_t of the last step; 0 before the first.
  [[nodiscard]] double coefficient() const noexcept { return state_.coefficient; }
  [[nodiscard]] std::size_t steps_taken() const noexcept { return state_.steps; }
  [[nodiscard]] const averaging_weight_state& state() const noexcept { return state_; }
  [[nodiscard]] const averaging_weight_options& options() const noexcept { return options_; }

  /// Continues from a stored state.
  /// @throws std::invalid_argument if its largest rate or its sum is negative or infinite, or its coefficient outside [0, 1];
  ///         std::domain_error if one is NaN; nothing is changed then
  void restore(const averaging_weight_state& state) {
    constexpr const char* function = "gavel::schedule::averaging_weight::restore";
    check_not_negative(function, "state.largest_rate", state.largest_rate);
    check_not_negative(function, "state.sum", state.sum);
    check_unit_interval(function, "state.coefficient", state.coefficient);
    state_ = state;
  }

  friend bool operator==(const averaging_weight&, const averaging_weight&) = default;

 private:
  averaging_weight_options options_{};
  averaging_weight_state state_{};
};

/// All that changes in a schedule-free optimiser: store it with a checkpoint, give it to `restore`. The parameters y are stored beside it.
struct schedule_free_state {
  std::vector<double> base{};       ///< z, [size]
  std::vector<double> average{};    ///< x, [size]
  std::vector<double> square{};     ///< v, [size]; empty for SGD
  averaging_weight_state weight{};  ///< of the average

  friend bool operator==(const schedule_free_state&, const schedule_free_state&) = default;
};

namespace detail {

/// The rate, z, x and c that both forms share.
class averaged_descent {
 public:
  averaged_descent() = default;
  template <class T>
  averaged_descent(const char* function, std::span<const T> start, double learning_rate, std::uint64_t warmup_steps, double beta,
                   const averaging_weight_options& averaging)
      : learning_rate_(learning_rate), warmup_steps_(warmup_steps), beta_(beta), weight_(averaging), base_(start.size()) {
    check_not_negative(function, "learning_rate", learning_rate);
    for (std::size_t i = 0; i < start.size(); ++i) {
      base_[i] = static_cast<double>(start[i]);
      check_finite(function, "start", base_[i], i);
    }
    average_ = base_;
  }

  [[nodiscard]] double rate(std::uint64_t step) const noexcept {
    if (step >= warmup_steps_) return learning_rate_;
    return learning_rate_ * (static_cast<double>(step + 1) / static_cast<double>(warmup_steps_));
  }

  /// Refuses the arguments of a step before it changes anything.
  void check_step(const char* function, std::size_t parameters, std::size_t gradient, double rate) const {
    check_optimizer_step(function, parameters, gradient, base_.size(), rate);
  }

  /// One step along `direction(i, y_i)`; arguments are checked.
  template <class T, class Direction>
  void step(std::span<T> parameters, double rate, Direction&& direction) {
    const double c = weight_.update(rate);
    for (std::size_t i = 0; i < base_.size(); ++i) {
      base_[i] -= rate * direction(i, static_cast<double>(parameters[i]));
      average_[i] = (1.0 - c) * average_[i] + c * base_[i];
      parameters[i] = static_cast<T>(beta_ * average_[i] + (1.0 - beta_) * base_[i]);
    }
  }

  void write_state(schedule_free_state& state) const {
    state.base = base_;
    state.average = average_;
    state.weight = weight_.state();
  }

  void restore(const char* function, const schedule_free_state& state) {
    check_size(function, "state.base.size()", state.base.size(), "size", base_.size());
    check_size(function, "state.average.size()", state.average.size(), "size", average_.size());
    for (std::size_t i = 0; i < base_.size(); ++i) {
      check_finite(function, "state.base", state.base[i], i);
      check_finite(function, "state.average", state.average[i], i);
    }
    weight_.restore(state.weight);
    base_ = state.base;
    average_ = state.average;
  }

  template <class T>
  void write_average(const char* function, std::span<T> out) const {
    check_size(function, "out.size()", out.size(), "size", average_.size());
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<T>(average_[i]);
  }

  [[nodiscard]] std::span<const double> base() const noexcept { return base_; }
  [[nodiscard]] std::span<const double> average() const noexcept { return average_; }
  [[nodiscard]] const averaging_weight& weight() const noexcept { return weight_; }

  friend bool operator==(const averaged_descent&, const averaged_descent&) = default;

 private:
  double learning_rate_ = 0.0;
  std::uint64_t warmup_steps_ = 0;
  double beta_ = 0.0;
  averaging_weight weight_;
  std::vector<double> base_;
  std::vector<double> average_;
};

}  // namespace detail

/// Settings of `schedule_free_sgd`; the defaults are the authors'.
struct schedule_free_sgd_options {
  double learning_rate = 1.0;            ///< gamma after the warm-up, finite, >= 0; larger than one would give plain SGD
  std::uint64_t warmup_steps = 0;        ///< W: gamma_t = learning_rate min(1, (t+1)/W); 0: none
  double beta = 0.9;                     ///< where gradients are taken: 0 at z (Polyak averaging), 1 at x (primal averaging); in [0, 1]
  double weight_decay = 0.0;             ///< added to the gradient as weight_decay * y, finite, >= 0
  averaging_weight_options averaging{};  ///< weights of the average

  friend bool operator==(const schedule_free_sgd_options&, const schedule_free_sgd_options&) = default;
};

/// Schedule-free SGD as a value: z, x and the average's weight. A `gradient_optimizer` and, by `rate(step)`, a schedule.
///
/// Departs from the authors' program in nothing that rounding does not explain: that one keeps y and z and recovers x by dividing by beta,
/// this one keeps z and x (one vector more, in double), so that beta = 0 works and a float parameter loses no average.
/// @tparam T float or double, the parameters' type; all arithmetic is double
template <std::floating_point T = double>
class schedule_free_sgd {
 public:
  schedule_free_sgd() = default;
  /// @param start [size], the first parameters, finite
  /// @throws std::invalid_argument for an option or a parameter out of range, std::domain_error if one is NaN
  explicit schedule_free_sgd(std::span<const T> start, const schedule_free_sgd_options& options = {})
      : options_(options), descent_(name, start, options.learning_rate, options.warmup_steps, options.beta, options.averaging) {
    check_unit_interval(name, "beta", options.beta);
    check_not_negative(name, "weight_decay", options.weight_decay);
  }

  /// One step at the built-in rate, `rate(steps_taken())`.
  void step(std::span<T> parameters, std::span<const T> gradient) { step(parameters, gradient, rate(steps_taken())); }

  /// One step at any rate: it takes the place of gamma_t in the step and in the average's weight.
  /// @param parameters [size], y: where @p gradient was taken; overwritten by the next y
  /// @param gradient   [size], dloss/dy; what is not finite spreads to the parameters
  /// @param rate       gamma_t, finite, >= 0
  /// @throws std::invalid_argument if a size differs from the start's or for a rate out of range, std::domain_error if it is NaN; nothing is
  ///         changed then
  /// @note O(size); no allocation.
  void step(std::span<T> parameters, std::span<const T> gradient, double rate) {
    descent_.check_step("gavel::schedule::schedule_free_sgd::step", parameters.size(), gradient.size(), rate);
    descent_.step(parameters, rate,
                  [&](std::size_t i, double value) { return static_cast<double>(gradient[i]) + options_.weight_decay * value; });
  }

  /// gamma_t = learning_rate min(1, (t+1)/W).
  [[nodiscard]] double rate(std::uint64_t step) const noexcept { return descent_.rate(step); }
  /// Writes x, the parameters to evaluate and to ship, to @p out, [size].
  /// @throws std::invalid_argument for another size
  void evaluation_point(std::span<T> out) const { descent_.write_average("gavel::schedule::schedule_free_sgd::evaluation_point", out); }

  [[nodiscard]] std::span<const double> base() const noexcept { return descent_.base(); }        ///< z, [size]
  [[nodiscard]] std::span<const double> average() const noexcept { return descent_.average(); }  ///< x, [size]
  [[nodiscard]] double coefficient() const noexcept { return descent_.weight().coefficient(); }  ///< c of the last step
  [[nodiscard]] std::size_t steps_taken() const noexcept { return descent_.weight().steps_taken(); }
  [[nodiscard]] const schedule_free_sgd_options& options() const noexcept { return options_; }

  /// A copy of all that changes.
  [[nodiscard]] schedule_free_state state() const {
    schedule_free_state state;
    descent_.write_state(state);
    return state;
  }
  /// Continues from a stored state.
  /// @throws std::invalid_argument if a vector has another size than this optimiser's, or a number is out of range; std::domain_error if one
  ///         is NaN; nothing changes then
  void restore(const schedule_free_state& state) {
    constexpr const char* function = "gavel::schedule::schedule_free_sgd::restore";
    check_size(function, "state.square.size()", state.square.size(), "that of SGD,", 0);
    descent_.restore(function, state);
  }

  friend bool operator==(const schedule_free_sgd&, const schedule_free_sgd&) = default;

 private:
  static constexpr const char* name = "gavel::schedule::schedule_free_sgd";

  schedule_free_sgd_options options_{};
  detail::averaged_descent descent_;
};

/// Settings of `schedule_free_adamw`; the defaults are the authors'.
struct schedule_free_adamw_options {
  double learning_rate = 0.0025;         ///< gamma after the warm-up, finite, >= 0
  std::uint64_t warmup_steps = 0;        ///< W: gamma_t = learning_rate min(1, (t+1)/W); 0: none
  double beta1 = 0.9;                    ///< where gradients are taken: 0 at z, 1 at x (the part of momentum); in [0, 1]
  double beta2 = 0.999;                  ///< decay of the mean square, in [0, 1)
  double epsilon = 1e-8;                 ///< added to the root of the mean square, finite, > 0
  double weight_decay = 0.0;             ///< decoupled decay at y: gamma_t * weight_decay * y per step, finite, >= 0
  averaging_weight_options averaging{};  ///< weights of the average

  friend bool operator==(const schedule_free_adamw_options&, const schedule_free_adamw_options&) = default;
};

/// Schedule-free AdamW as a value: as `schedule_free_sgd`, with, for t = 1, 2, ...,
///
///     v <- b2 v + (1 - b2) g^2,   d = g / (sqrt(v / (1 - b2^t)) + epsilon) + weight_decay y.
///
/// The bias correction stands where the authors' program has it, inside the root. Algorithm 1 of the paper puts it into the rate instead
/// (gamma_t sqrt(1 - b2^t)), and so into the decay and the average's weights too; their program keeps that as its "paper" variant.
/// Not offered: their optional momentum on the gradient (`inner_momentum`). Otherwise as for `schedule_free_sgd`.
/// @tparam T float or double, the parameters' type; all arithmetic is double
template <std::floating_point T = double>
class schedule_free_adamw {
 public:
  schedule_free_adamw() = default;
  /// @param start [size], the first parameters, finite
  /// @throws std::invalid_argument for an option or a parameter out of range, std::domain_error if one is NaN
  explicit schedule_free_adamw(std::span<const T> start, const schedule_free_adamw_options& options = {})
      : options_(options),
        descent_(name, start, options.learning_rate, options.warmup_steps, options.beta1, options.averaging),
        square_(start.size()) {
    check_unit_interval(name, "beta1", options.beta1);
    check_unit_interval(name, "beta2", options.beta2, unit_ends::zero_only);
    check_positive(name, "epsilon", options.epsilon);
    check_not_negative(name, "weight_decay", options.weight_decay);
  }

  /// One step at the built-in rate, `rate(steps_taken())`.
  void step(std::span<T> parameters, std::span<const T> gradient) { step(parameters, gradient, rate(steps_taken())); }

  /// One step at any rate; arguments, errors and cost as for `schedule_free_sgd::step`.
  void step(std::span<T> parameters, std::span<const T> gradient, double rate) {
    descent_.check_step("gavel::schedule::schedule_free_adamw::step", parameters.size(), gradient.size(), rate);
    const double correction = 1.0 - std::pow(options_.beta2, static_cast<double>(steps_taken() + 1));
    descent_.step(parameters, rate, [&](std::size_t i, double value) {
      const auto slope = static_cast<double>(gradient[i]);
      square_[i] = options_.beta2 * square_[i] + (1.0 - options_.beta2) * slope * slope;
      return slope / (std::sqrt(square_[i] / correction) + options_.epsilon) + options_.weight_decay * value;
    });
  }

  /// gamma_t = learning_rate min(1, (t+1)/W).
  [[nodiscard]] double rate(std::uint64_t step) const noexcept { return descent_.rate(step); }
  /// Writes x, the parameters to evaluate and to ship, to @p out, [size].
  /// @throws std::invalid_argument for another size
  void evaluation_point(std::span<T> out) const { descent_.write_average("gavel::schedule::schedule_free_adamw::evaluation_point", out); }

  [[nodiscard]] std::span<const double> base() const noexcept { return descent_.base(); }        ///< z, [size]
  [[nodiscard]] std::span<const double> average() const noexcept { return descent_.average(); }  ///< x, [size]
  [[nodiscard]] double coefficient() const noexcept { return descent_.weight().coefficient(); }  ///< c of the last step
  [[nodiscard]] std::size_t steps_taken() const noexcept { return descent_.weight().steps_taken(); }
  [[nodiscard]] const schedule_free_adamw_options& options() const noexcept { return options_; }

  /// A copy of all that changes.
  [[nodiscard]] schedule_free_state state() const {
    schedule_free_state state{.square = square_};
    descent_.write_state(state);
    return state;
  }
  /// Continues from a stored state.
  /// @throws std::invalid_argument if a vector has another size than this optimiser's, or a number is out of range; std::domain_error if one
  ///         is NaN; nothing changes then
  void restore(const schedule_free_state& state) {
    constexpr const char* function = "gavel::schedule::schedule_free_adamw::restore";
    check_size(function, "state.square.size()", state.square.size(), "size", square_.size());
    for (std::size_t i = 0; i < square_.size(); ++i) check_not_negative(function, "state.square", state.square[i], i);
    descent_.restore(function, state);
    square_ = state.square;
  }

  friend bool operator==(const schedule_free_adamw&, const schedule_free_adamw&) = default;

 private:
  static constexpr const char* name = "gavel::schedule::schedule_free_adamw";

  schedule_free_adamw_options options_{};
  detail::averaged_descent descent_;
  std::vector<double> square_;
};

}  // namespace gavel::schedule
