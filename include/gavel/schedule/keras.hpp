// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/schedule/detail/preset_parts.hpp>
#include <gavel/schedule/horizon_free.hpp>
#include <gavel/schedule/rate_schedule.hpp>
#include <gavel/schedule/sequence.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>

/// @file
/// The schedules of `keras.optimizers.schedules` by name, composed of native schedules: `rate(step)`, counted from 0. Keras computes in float32
/// unless told otherwise; these are the same formulas in double.
///
/// Where ours departs, on purpose: unsorted boundaries, an end above the start, an alpha outside [0, 1], t_mul < 1 and warm-up steps without a
/// warm-up target, which Keras ignores, are refused. The cycle of `cosine_decay_restarts` is found by adding lengths, since Keras' logarithm is
/// off by one at some boundaries.
///
/// Errors of every function: std::invalid_argument for an option outside its range, std::domain_error for NaN.
///
/// @par Source
/// Keras, keras/src/optimizers/schedules/learning_rate_schedule.py, as of 3.16.

namespace gavel::schedule::keras {

/// Parameters of `exponential_decay` and `inverse_time_decay`.
struct decay_options {
  double initial_learning_rate = 1.0;  ///< rate of step 0; finite, >= 0
  double decay_steps = 0.0;            ///< required; steps per unit of decay, > 0
  double decay_rate = 0.0;             ///< required, > 0
  bool staircase = false;              ///< whole units only

  friend bool operator==(const decay_options&, const decay_options&) = default;
};
using exponential_decay_options = decay_options;
using inverse_time_decay_options = decay_options;

/// `ExponentialDecay`: initial decay_rate^(t / decay_steps).
[[nodiscard]] constexpr schedule::exponential_decay exponential_decay(const exponential_decay_options& options) {
  constexpr const char* function = "gavel::schedule::keras::exponential_decay";
  check_not_negative(function, "initial_learning_rate", options.initial_learning_rate);
  check_positive(function, "decay_steps", options.decay_steps);
  check_positive(function, "decay_rate", options.decay_rate);
  return schedule::exponential_decay({.base_rate = options.initial_learning_rate,
                                      .factor = options.decay_rate,
                                      .period = options.decay_steps,
                                      .staircase = options.staircase});
}

/// `InverseTimeDecay`: initial / (1 + decay_rate t / decay_steps).
[[nodiscard]] constexpr inverse_time inverse_time_decay(const inverse_time_decay_options& options) {
  constexpr const char* function = "gavel::schedule::keras::inverse_time_decay";
  check_not_negative(function, "initial_learning_rate", options.initial_learning_rate);
  check_positive(function, "decay_steps", options.decay_steps);
  check_positive(function, "decay_rate", options.decay_rate);
  return inverse_time({.base_rate = options.initial_learning_rate,
                       .factor = options.decay_rate,
                       .period = options.decay_steps,
                       .staircase = options.staircase});
}

/// Parameters of `piecewise_constant_decay`.
struct piecewise_constant_decay_options {
  piecewise_constant::step_list boundaries = {};  ///< required; strictly increasing, at most 32
  piecewise_constant::rate_list values = {};      ///< required; one more than boundaries; finite, >= 0

  friend bool operator==(const piecewise_constant_decay_options&, const piecewise_constant_decay_options&) = default;
};

/// `PiecewiseConstantDecay`: values[i] for boundaries[i-1] < t <= boundaries[i]. The step of a boundary still has the old value: one step later
/// than PyTorch and optax.
[[nodiscard]] constexpr piecewise_constant piecewise_constant_decay(const piecewise_constant_decay_options& options) {
  constexpr const char* function = "gavel::schedule::keras::piecewise_constant_decay";
  const std::size_t count = options.boundaries.size();
  check_size(function, "values.size()", options.values.size(), "boundaries.size() + 1 =", count + 1);
  check_ascending(function, "boundaries", options.boundaries);
  std::uint64_t firsts[max_milestones] = {};
  for (std::size_t i = 0; i < count; ++i) {
    check_at_most(function, "boundaries", options.boundaries[i], max_steps, i);
    firsts[i] = options.boundaries[i] + 1;
  }
  for (std::size_t i = 0; i <= count; ++i) check_not_negative(function, "values", options.values[i], i);
  return {vector_view<const std::uint64_t>(firsts, count), options.values};
}

/// Parameters of `polynomial_decay`.
struct polynomial_decay_options {
  double initial_learning_rate = 1.0;  ///< rate of step 0; finite, >= end_learning_rate
  std::uint64_t decay_steps = 0;       ///< required; step that reaches the end, in [1, 2^53]
  double end_learning_rate = 1e-4;     ///< finite, >= 0
  double power = 1.0;                  ///< finite, > 0
  bool cycle = false;                  ///< past the end, stretch the decay to the next multiple of decay_steps

  friend bool operator==(const polynomial_decay_options&, const polynomial_decay_options&) = default;
};

/// A power decay that may stretch its horizon again and again.
class stretching_decay {
 public:
  constexpr stretching_decay(const detail::power_decay_options& decay, bool cycle) : decay_(decay), cycle_(cycle) {}
  [[nodiscard]] constexpr double rate(std::uint64_t step) const noexcept {
    detail::power_decay_options now = decay_;
    constexpr std::uint64_t farthest = std::uint64_t{1} << 62U;  // beyond it the multiples would leave the type
    if (step > farthest) step = farthest;
    if (cycle_ && step > decay_.steps) now.steps = decay_.steps * ((step - 1) / decay_.steps + 1);  // the first multiple >= step
    return detail::power_decay(now).rate(step);
  }
  friend bool operator==(const stretching_decay&, const stretching_decay&) = default;

 private:
  detail::power_decay_options decay_;
  bool cycle_;
};

/// `PolynomialDecay`: end + (initial - end) (1 - t / decay_steps)^power, then the end value; with `cycle`, decay_steps grows to its first
/// multiple >= t, so that the rate is at the end value at every multiple and jumps up after it.
[[nodiscard]] constexpr stretching_decay polynomial_decay(const polynomial_decay_options& options) {
  constexpr const char* function = "gavel::schedule::keras::polynomial_decay";
  check_not_negative(function, "initial_learning_rate", options.initial_learning_rate);
  detail::check_steps(function, "decay_steps", options.decay_steps);
  detail::check_minimum(function, "end_learning_rate", options.end_learning_rate, "initial_learning_rate", options.initial_learning_rate);
  check_positive(function, "power", options.power);
  return {{.from = options.initial_learning_rate, .to = options.end_learning_rate, .steps = options.decay_steps, .power = options.power},
          options.cycle};
}

/// Parameters of `cosine_decay`.
struct cosine_decay_options {
  double initial_learning_rate = 1.0;                  ///< rate of step 0; finite, >= 0
  std::uint64_t decay_steps = 0;                       ///< required; length of the decay without the warm-up, in [1, 2^53]
  double alpha = 0.0;                                  ///< end rate as a share of the rate that the decay starts from, in [0, 1]
  std::optional<double> warmup_target = std::nullopt;  ///< rate at the end of the warm-up; unset: none, the decay starts at once
  std::uint64_t warmup_steps = 0;                      ///< at most 2^53; 0 without a warm-up target

  friend bool operator==(const cosine_decay_options&, const cosine_decay_options&) = default;
};

/// `CosineDecay`: straight from initial to the target in warmup_steps, then half a cosine wave of decay_steps from there down to alpha of it.
/// decay_steps excludes the warm-up (optax' includes it).
[[nodiscard]] constexpr sequence<ramp<>, profile_schedule<cosine>> cosine_decay(const cosine_decay_options& options) {
  constexpr const char* function = "gavel::schedule::keras::cosine_decay";
  check_not_negative(function, "initial_learning_rate", options.initial_learning_rate);
  detail::check_steps(function, "decay_steps", options.decay_steps);
  check_unit_interval(function, "alpha", options.alpha);
  if (options.warmup_target) check_not_negative(function, "warmup_target", *options.warmup_target);
  if (!options.warmup_target && options.warmup_steps > 0) {
    refuse(function, "warmup_steps", options.warmup_steps, "must be 0 without a warmup_target");
  }
  check_at_most(function, "warmup_steps", options.warmup_steps, max_steps);
  const double top = options.warmup_target ? *options.warmup_target : options.initial_learning_rate;
  return {ramp<>({.from = options.initial_learning_rate, .to = top, .steps = options.warmup_steps}), options.warmup_steps,
          stretch(cosine{}, {.steps = options.decay_steps, .base_rate = top, .minimum_rate = top * options.alpha})};
}

/// Parameters of `cosine_decay_restarts`.
struct cosine_decay_restarts_options {
  double initial_learning_rate = 1.0;   ///< top of the first cycle; finite, >= 0
  std::uint64_t first_decay_steps = 0;  ///< required; its length, in [1, 2^53]
  double t_mul = 2.0;                   ///< each cycle is so many times as long as the one before, >= 1
  double m_mul = 1.0;                   ///< the height over the floor is multiplied by this from cycle to cycle, > 0
  double alpha = 0.0;                   ///< floor as a share of initial_learning_rate, in [0, 1]

  friend bool operator==(const cosine_decay_restarts_options&, const cosine_decay_restarts_options&) = default;
};

/// `CosineDecayRestarts`: initial (alpha + (1 - alpha) m_mul^i (1 + cos(pi u)) / 2), u the progress in cycle i. The floor is added to the scaled
/// wave, not part of it as in PyTorch and timm.
[[nodiscard]] constexpr detail::raised<warm_restarts<cosine>> cosine_decay_restarts(const cosine_decay_restarts_options& options) {
  constexpr const char* function = "gavel::schedule::keras::cosine_decay_restarts";
  check_not_negative(function, "initial_learning_rate", options.initial_learning_rate);
  detail::check_steps(function, "first_decay_steps", options.first_decay_steps);
  check_finite(function, "t_mul", options.t_mul);
  check_at_least(function, "t_mul", options.t_mul, 1.0);
  check_positive(function, "m_mul", options.m_mul);
  check_unit_interval(function, "alpha", options.alpha);
  const warm_restarts<cosine> waves({.base_rate = options.initial_learning_rate * (1.0 - options.alpha),
                                     .first_steps = detail::real(options.first_decay_steps),
                                     .length_ratio = options.t_mul,
                                     .height_ratio = options.m_mul});
  return {options.initial_learning_rate * options.alpha, waves};
}

}  // namespace gavel::schedule::keras
