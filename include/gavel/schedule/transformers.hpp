// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/schedule/detail/preset_parts.hpp>
#include <gavel/schedule/horizon_free.hpp>
#include <gavel/schedule/rate_schedule.hpp>
#include <gavel/schedule/sequence.hpp>

#include <cstdint>
#include <optional>

/// @file
/// The schedules of Hugging Face transformers by the names that `get_scheduler` and `lr_scheduler_type` know, composed of native schedules:
/// `rate(t)` is base_lr times the multiplier of step t, counted from 0. Except for `cosine_warmup_with_min_lr` the warm-up is t / W: step 0
/// trains with rate 0, step W is the first at base_lr, and the last step T - 1 is not at the end value yet.
///
/// Where ours departs, on purpose:
/// - Past step T every schedule holds what it had at T. `cosine`, `cosine_with_min_lr` and `cosine_warmup_with_min_lr` climb again upstream;
///   the functions that end in `_rebounding` reproduce it.
/// - W > T, phases that do not add up to T, a minimum above base_lr and rates that are negative or not finite are refused; upstream takes
///   them silently. W = T is defined: step T has what upstream has there (base_lr for decays in waves that are read at the left, else the
///   end of the decay), and it is held, where upstream's waves go on for one step.
///
/// `reduce_lr_on_plateau` is PyTorch's: `pytorch::reduce_lr_on_plateau`.
///
/// Errors of every function: std::invalid_argument for an option outside its range, std::domain_error for NaN.
///
/// @par Source
/// transformers, src/transformers/optimization.py, of the releases that know `cosine_warmup_with_min_lr`.

namespace gavel::schedule::detail {

/// What all schedules with a budget refuse.
template <class Options>
constexpr void check_budget(const char* function, const Options& options) {
  check_not_negative(function, "base_lr", options.base_lr);
  check_steps(function, "num_training_steps", options.num_training_steps);
  check_at_most(function, "num_warmup_steps", options.num_warmup_steps, "num_training_steps", options.num_training_steps);
}

/// The same for those that decay in cosine waves.
template <class Options>
constexpr void check_wave_budget(const char* function, const Options& options) {
  check_budget(function, options);
  check_positive(function, "num_cycles", options.num_cycles);
  check_at_most(function, "num_cycles", options.num_cycles, max_waves);
}

/// The steps after the warm-up, at least one as upstream counts them.
template <class Options>
[[nodiscard]] constexpr std::uint64_t steps_after_warmup(const Options& options) {
  const std::uint64_t left = options.num_training_steps - options.num_warmup_steps;
  return left == 0 ? 1 : left;
}

/// What the waves of a schedule are stretched over; where no step is left of the decay they stay at their top.
template <class Options>
[[nodiscard]] constexpr horizon waves_after_warmup(const Options& options, double minimum) {
  const bool none = options.num_training_steps == options.num_warmup_steps;
  return {.steps = steps_after_warmup(options), .base_rate = options.base_lr, .minimum_rate = none ? options.base_lr : minimum};
}

/// t / W of the base rate, then the rest from its own step 0.
template <class Options, rate_schedule Rest>
[[nodiscard]] constexpr sequence<ramp<>, Rest> after_warmup(const Options& options, Rest rest) {
  return {ramp<>({.from = 0.0, .to = options.base_lr, .steps = options.num_warmup_steps}), options.num_warmup_steps, rest};
}

/// The minimum rate of the options that state it as a rate or as a share of base_lr, exactly one of them.
template <class Options>
[[nodiscard]] constexpr double minimum_of(const char* function, const Options& options) {
  if (options.min_lr.has_value() == options.min_lr_rate.has_value()) {
    refuse(function, "min_lr, min_lr_rate", {}, "exactly one of them must be set");
  }
  if (options.min_lr_rate) {
    check_unit_interval(function, "min_lr_rate", *options.min_lr_rate);
    return options.base_lr * *options.min_lr_rate;
  }
  check_minimum(function, "min_lr", *options.min_lr, "base_lr", options.base_lr);
  return *options.min_lr;
}

/// (t + 1) / W of the base rate, or r + (1 - r) t / (W - 1): at the base rate in step W - 1 either way.
template <class Options>
[[nodiscard]] constexpr ramp<> early_warmup(const char* function, const Options& options) {
  const std::uint64_t steps = options.num_warmup_steps;
  if (options.warmup_lr_rate) check_unit_interval(function, "warmup_lr_rate", *options.warmup_lr_rate);
  const double first = options.warmup_lr_rate ? *options.warmup_lr_rate : 1.0 / real(steps > 1 ? steps : 1);
  return ramp<>({.from = options.base_lr * first, .to = options.base_lr, .steps = steps > 1 ? steps - 1 : 1});
}

}  // namespace gavel::schedule::detail

namespace gavel::schedule::transformers {

/// Parameters of `constant`.
struct constant_options {
  double base_lr = 1.0;  ///< finite, >= 0

  friend bool operator==(const constant_options&, const constant_options&) = default;
};

/// `constant`: base_lr.
[[nodiscard]] constexpr constant_rate constant(const constant_options& options) {
  check_not_negative("gavel::schedule::transformers::constant", "base_lr", options.base_lr);
  return constant_rate(options.base_lr);
}

/// Parameters of `constant_with_warmup`.
struct constant_with_warmup_options {
  double base_lr = 1.0;                ///< finite, >= 0
  std::uint64_t num_warmup_steps = 0;  ///< W

  friend bool operator==(const constant_with_warmup_options&, const constant_with_warmup_options&) = default;
};

/// `constant_with_warmup`: t / W, then 1.
[[nodiscard]] constexpr sequence<ramp<>, constant_rate> constant_with_warmup(const constant_with_warmup_options& options) {
  constexpr const char* function = "gavel::schedule::transformers::constant_with_warmup";
  check_not_negative(function, "base_lr", options.base_lr);
  check_at_most(function, "num_warmup_steps", options.num_warmup_steps, max_steps);
  return detail::after_warmup(options, constant_rate(options.base_lr));
}

/// Parameters of `linear`.
struct linear_options {
  double base_lr = 1.0;                  ///< finite, >= 0
  std::uint64_t num_training_steps = 0;  ///< required, T, in [1, 2^53]
  std::uint64_t num_warmup_steps = 0;    ///< W <= T

  friend bool operator==(const linear_options&, const linear_options&) = default;
};

/// `linear`: t / W, then (T - t) / (T - W): 1 / (T - W) at the last step, 0 from T on.
[[nodiscard]] constexpr sequence<ramp<>, ramp<>> linear(const linear_options& options) {
  detail::check_budget("gavel::schedule::transformers::linear", options);
  return detail::after_warmup(options,
                              ramp<>({.from = options.base_lr, .to = 0.0, .steps = options.num_training_steps - options.num_warmup_steps}));
}

/// Parameters of `cosine` and `cosine_rebounding`.
struct cosine_options {
  double base_lr = 1.0;                  ///< finite, >= 0
  std::uint64_t num_training_steps = 0;  ///< required, T, in [1, 2^53]
  std::uint64_t num_warmup_steps = 0;    ///< W <= T
  double num_cycles = 0.5;               ///< waves, in (0, 1e6]; half a wave falls once

  friend bool operator==(const cosine_options&, const cosine_options&) = default;
};

/// `cosine`: t / W, then (1 + cos(2 pi num_cycles (t - W) / (T - W))) / 2, held from T on. With whole num_cycles it ends at the top, as upstream.
[[nodiscard]] constexpr sequence<ramp<>, profile_schedule<schedule::cosine>> cosine(const cosine_options& options) {
  constexpr const char* function = "gavel::schedule::transformers::cosine";
  detail::check_wave_budget(function, options);
  return detail::after_warmup(options, stretch(schedule::cosine(options.num_cycles), detail::waves_after_warmup(options, 0.0)));
}

/// `cosine` as upstream goes on past T: the wave never ends. To port a run that trained past num_training_steps.
[[nodiscard]] constexpr sequence<ramp<>, cosine_wave> cosine_rebounding(const cosine_options& options) {
  constexpr const char* function = "gavel::schedule::transformers::cosine_rebounding";
  detail::check_wave_budget(function, options);
  return detail::after_warmup(options,
                              cosine_wave({.base_rate = options.base_lr,
                                           .half_wave = detail::real(detail::steps_after_warmup(options)) / (2.0 * options.num_cycles)}));
}

/// Parameters of `cosine_with_restarts`.
struct cosine_with_restarts_options {
  double base_lr = 1.0;                  ///< finite, >= 0
  std::uint64_t num_training_steps = 0;  ///< required, T, in [1, 2^53]
  std::uint64_t num_warmup_steps = 0;    ///< W <= T
  std::uint64_t num_cycles = 1;          ///< in [1, T - W]

  friend bool operator==(const cosine_with_restarts_options&, const cosine_with_restarts_options&) = default;
};

/// Equal half waves over a number of steps, then 0; over no steps their top.
class equal_restarts {
 public:
  constexpr equal_restarts(double base_lr, std::uint64_t steps, std::uint64_t cycles) : base_lr_(base_lr), steps_(steps), cycles_(cycles) {}
  [[nodiscard]] constexpr double rate(std::uint64_t step) const noexcept {
    if (step >= steps_) return steps_ == 0 ? base_lr_ : 0.0;
    // Progress in the cycle is the remainder of step cycles / steps, in whole numbers: the quotient in double may be off by a few, and what is
    // left then is right modulo 2^64.
    const auto cycle = static_cast<std::uint64_t>(detail::real(step) / detail::real(steps_) * detail::real(cycles_));
    auto rest = static_cast<std::int64_t>(step * cycles_ - cycle * steps_);
    const auto length = static_cast<std::int64_t>(steps_);
    while (rest < 0) rest += length;
    while (rest >= length) rest -= length;
    return base_lr_ * elementary::raised_cosine(static_cast<double>(rest) / detail::real(steps_));
  }
  [[nodiscard]] constexpr std::uint64_t steps() const noexcept { return steps_; }
  friend bool operator==(const equal_restarts&, const equal_restarts&) = default;

 private:
  double base_lr_;
  std::uint64_t steps_;
  std::uint64_t cycles_;
};

/// `cosine_with_restarts`: t / W, then num_cycles half waves of (T - W) / num_cycles steps, each from base_lr towards 0, and 0 from T on. A
/// cycle that starts at a whole step is at base_lr there; upstream's rounding can miss that (step 2900 of 10,000 with 100 cycles).
[[nodiscard]] constexpr sequence<ramp<>, equal_restarts> cosine_with_restarts(const cosine_with_restarts_options& options) {
  constexpr const char* function = "gavel::schedule::transformers::cosine_with_restarts";
  detail::check_budget(function, options);
  check_at_least(function, "num_cycles", options.num_cycles, 1);
  check_at_most(function, "num_cycles", options.num_cycles, "the steps after the warm-up,", detail::steps_after_warmup(options));
  return detail::after_warmup(options,
                              equal_restarts(options.base_lr, options.num_training_steps - options.num_warmup_steps, options.num_cycles));
}

/// Parameters of `polynomial`.
struct polynomial_options {
  double base_lr = 1.0;                  ///< upstream's lr_init, the optimiser's rate; finite, > lr_end
  std::uint64_t num_training_steps = 0;  ///< required, T, in [1, 2^53]
  std::uint64_t num_warmup_steps = 0;    ///< W <= T; W = T divides by zero upstream and ends at lr_end here
  double lr_end = 1e-7;                  ///< rate from step T on; in [0, base_lr)
  double power = 1.0;                    ///< finite, > 0

  friend bool operator==(const polynomial_options&, const polynomial_options&) = default;
};

/// `polynomial`: base_lr t / W, then lr_end + (base_lr - lr_end) ((T - t) / (T - W))^power.
[[nodiscard]] constexpr sequence<ramp<>, detail::power_decay> polynomial(const polynomial_options& options) {
  constexpr const char* function = "gavel::schedule::transformers::polynomial";
  detail::check_budget(function, options);
  check_not_negative(function, "lr_end", options.lr_end);
  check_greater(function, "base_lr", options.base_lr, "lr_end", options.lr_end);
  check_positive(function, "power", options.power);
  return detail::after_warmup(options, detail::power_decay({.from = options.base_lr,
                                                            .to = options.lr_end,
                                                            .steps = options.num_training_steps - options.num_warmup_steps,
                                                            .power = options.power}));
}

/// Parameters of `inverse_sqrt`.
struct inverse_sqrt_options {
  double base_lr = 1.0;                ///< the peak; finite, >= 0
  std::uint64_t num_warmup_steps = 0;  ///< W
  std::uint64_t timescale = 0;         ///< s; 0 means W, or 10,000 where W is 0

  friend bool operator==(const inverse_sqrt_options&, const inverse_sqrt_options&) = default;
};

/// `inverse_sqrt`: t / W, then sqrt(s / (t - W + s)) forever.
[[nodiscard]] constexpr schedule::inverse_sqrt inverse_sqrt(const inverse_sqrt_options& options) {
  constexpr const char* function = "gavel::schedule::transformers::inverse_sqrt";
  check_not_negative(function, "base_lr", options.base_lr);
  check_at_most(function, "num_warmup_steps", options.num_warmup_steps, max_steps);
  check_at_most(function, "timescale", options.timescale, max_steps);
  return schedule::inverse_sqrt(
      {.base_rate = options.base_lr, .warmup_steps = options.num_warmup_steps, .timescale = detail::real(options.timescale)});
}

/// Parameters of `cosine_with_min_lr` and `cosine_with_min_lr_rebounding`.
struct cosine_with_min_lr_options {
  double base_lr = 1.0;                              ///< finite, >= 0
  std::uint64_t num_training_steps = 0;              ///< required, T, in [1, 2^53]
  std::uint64_t num_warmup_steps = 0;                ///< W <= T
  std::optional<double> min_lr = std::nullopt;       ///< the minimum rate, in [0, base_lr]; exactly one of this and the next
  std::optional<double> min_lr_rate = std::nullopt;  ///< the minimum as a share of base_lr, in [0, 1]
  double num_cycles = 0.5;                           ///< waves, in (0, 1e6]

  friend bool operator==(const cosine_with_min_lr_options&, const cosine_with_min_lr_options&) = default;
};

/// `cosine_with_min_lr`: t / W from 0, then the waves of `cosine` between base_lr and the minimum, held from T on.
/// @throws std::invalid_argument also for both minima or neither
[[nodiscard]] constexpr sequence<ramp<>, profile_schedule<schedule::cosine>> cosine_with_min_lr(const cosine_with_min_lr_options& options) {
  constexpr const char* function = "gavel::schedule::transformers::cosine_with_min_lr";
  detail::check_wave_budget(function, options);
  const horizon over = detail::waves_after_warmup(options, detail::minimum_of(function, options));
  return detail::after_warmup(options, stretch(schedule::cosine(options.num_cycles), over));
}

/// `cosine_with_min_lr` as upstream goes on past T: the wave never ends.
/// @throws std::invalid_argument also for both minima or neither
[[nodiscard]] constexpr sequence<ramp<>, cosine_wave> cosine_with_min_lr_rebounding(const cosine_with_min_lr_options& options) {
  constexpr const char* function = "gavel::schedule::transformers::cosine_with_min_lr_rebounding";
  detail::check_wave_budget(function, options);
  return detail::after_warmup(options,
                              cosine_wave({.base_rate = options.base_lr,
                                           .minimum_rate = detail::minimum_of(function, options),
                                           .half_wave = detail::real(detail::steps_after_warmup(options)) / (2.0 * options.num_cycles)}));
}

/// Parameters of `cosine_warmup_with_min_lr` and `cosine_warmup_with_min_lr_rebounding`.
struct cosine_warmup_with_min_lr_options {
  double base_lr = 1.0;                                 ///< finite, >= 0
  std::uint64_t num_training_steps = 0;                 ///< required, T, in [1, 2^53]
  std::uint64_t num_warmup_steps = 0;                   ///< W <= T
  std::optional<double> min_lr = std::nullopt;          ///< the minimum rate, in [0, base_lr]; exactly one of this and the next
  std::optional<double> min_lr_rate = std::nullopt;     ///< the minimum as a share of base_lr, in [0, 1]
  std::optional<double> warmup_lr_rate = std::nullopt;  ///< rate of step 0 as a share of base_lr, in [0, 1]; unset means 1 / W
  double num_cycles = 0.5;                              ///< waves, in (0, 1e6]

  friend bool operator==(const cosine_warmup_with_min_lr_options&, const cosine_warmup_with_min_lr_options&) = default;
};

/// `cosine_warmup_with_min_lr`: (t + 1) / W, or from warmup_lr_rate straight to 1, at 1 in step W - 1; then the waves between base_lr and the
/// minimum read at the right end of a step, (t - W + 1) / (T - W), so that the last step T - 1 trains with exactly the minimum (half a wave).
/// @throws std::invalid_argument also for both minima or neither
[[nodiscard]] constexpr sequence<ramp<>, profile_schedule<schedule::cosine, every_step, right>> cosine_warmup_with_min_lr(
    const cosine_warmup_with_min_lr_options& options) {
  constexpr const char* function = "gavel::schedule::transformers::cosine_warmup_with_min_lr";
  detail::check_wave_budget(function, options);
  const horizon over{
      .steps = detail::steps_after_warmup(options), .base_rate = options.base_lr, .minimum_rate = detail::minimum_of(function, options)};
  return {detail::early_warmup(function, options), options.num_warmup_steps,
          stretch(schedule::cosine(options.num_cycles), over, every_step{}, right{})};
}

/// `cosine_warmup_with_min_lr` as upstream goes on past T: the wave never ends.
/// @throws std::invalid_argument also for both minima or neither
[[nodiscard]] constexpr sequence<ramp<>, detail::ahead<cosine_wave>> cosine_warmup_with_min_lr_rebounding(
    const cosine_warmup_with_min_lr_options& options) {
  constexpr const char* function = "gavel::schedule::transformers::cosine_warmup_with_min_lr_rebounding";
  detail::check_wave_budget(function, options);
  const cosine_wave wave({.base_rate = options.base_lr,
                          .minimum_rate = detail::minimum_of(function, options),
                          .half_wave = detail::real(detail::steps_after_warmup(options)) / (2.0 * options.num_cycles)});
  return {detail::early_warmup(function, options), options.num_warmup_steps, detail::ahead<cosine_wave>(1, wave)};
}

/// Shapes of the warm-up and the decay of `warmup_stable_decay`: linear, half a cosine wave, or 1 - sqrt.
enum class wsd_type { linear, cosine, one_minus_sqrt };

/// Parameters of `warmup_stable_decay`.
struct warmup_stable_decay_options {
  double base_lr = 1.0;                                            ///< finite, >= 0
  std::uint64_t num_decay_steps = 0;                               ///< required, D >= 1
  std::uint64_t num_warmup_steps = 0;                              ///< W
  std::optional<std::uint64_t> num_training_steps = std::nullopt;  ///< T; this or the next, and both only with W + S + D = T
  std::optional<std::uint64_t> num_stable_steps = std::nullopt;    ///< S
  wsd_type warmup_type = wsd_type::linear;                         ///< shape of the rise; its 1 - sqrt is 1 - sqrt(1 - t / W)
  wsd_type decay_type = wsd_type::cosine;                          ///< shape of the fall
  double min_lr_ratio = 0.0;                                       ///< rate at both ends as a share of base_lr, in [0, 1]
  double num_cycles = 0.5;                                         ///< waves of a cosine decay, in (0, 1e6]

  friend bool operator==(const warmup_stable_decay_options&, const warmup_stable_decay_options&) = default;
};

/// The fall of `warmup_stable_decay` as a profile, which `ramp` runs backwards for the rise.
class wsd_curve {
 public:
  constexpr wsd_curve(wsd_type type, double num_cycles) : type_(type), wave_(num_cycles) {}
  [[nodiscard]] constexpr double operator()(double z) const noexcept {
    if (z >= 1.0) return 0.0;  // also where the waves do not end at the bottom
    switch (type_) {
      case wsd_type::cosine: return wave_(z);
      case wsd_type::one_minus_sqrt: return 1.0 - elementary::sqrt(z);
      case wsd_type::linear: break;
    }
    return 1.0 - z;
  }
  friend bool operator==(const wsd_curve&, const wsd_curve&) = default;

 private:
  wsd_type type_;
  schedule::cosine wave_;
};

/// `warmup_stable_decay`: a rise from the minimum over W steps, base_lr for S steps, a fall over D steps whose first is still at base_lr, then
/// the minimum. Upstream ignores T where S is given too, even if they disagree; ours refuses.
/// @throws std::invalid_argument also for phases that do not add up to T
[[nodiscard]] constexpr sequence<ramp<wsd_curve>, sequence<constant_rate, profile_schedule<wsd_curve>>> warmup_stable_decay(
    const warmup_stable_decay_options& options) {
  constexpr const char* function = "gavel::schedule::transformers::warmup_stable_decay";
  check_not_negative(function, "base_lr", options.base_lr);
  check_unit_interval(function, "min_lr_ratio", options.min_lr_ratio);
  check_positive(function, "num_cycles", options.num_cycles);
  check_at_most(function, "num_cycles", options.num_cycles, detail::max_waves);
  detail::check_steps(function, "num_decay_steps", options.num_decay_steps);
  check_at_most(function, "num_warmup_steps", options.num_warmup_steps, max_steps);
  if (options.num_training_steps) check_at_most(function, "num_training_steps", *options.num_training_steps, max_steps);
  if (options.num_stable_steps) check_at_most(function, "num_stable_steps", *options.num_stable_steps, max_steps);
  const std::uint64_t moving = options.num_warmup_steps + options.num_decay_steps;
  std::uint64_t stable = 0;
  if (options.num_stable_steps) {
    stable = *options.num_stable_steps;
    if (options.num_training_steps && *options.num_training_steps != moving + stable) {
      refuse(function, "num_warmup_steps + num_stable_steps + num_decay_steps", moving + stable, "must equal num_training_steps",
             *options.num_training_steps);
    }
  } else if (options.num_training_steps) {
    check_at_most(function, "num_warmup_steps + num_decay_steps", moving, "num_training_steps", *options.num_training_steps);
    stable = *options.num_training_steps - moving;
  } else {
    refuse(function, "num_training_steps, num_stable_steps", {}, "at least one of them must be set");
  }
  const double minimum = options.base_lr * options.min_lr_ratio;
  const ramp<wsd_curve> rise({.from = minimum, .to = options.base_lr, .steps = options.num_warmup_steps},
                             wsd_curve(options.warmup_type, 0.5));
  const auto fall = stretch(wsd_curve(options.decay_type, options.num_cycles),
                            {.steps = options.num_decay_steps, .base_rate = options.base_lr, .minimum_rate = minimum});
  return {rise, options.num_warmup_steps, sequence(constant_rate(options.base_lr), stable, fall)};
}

}  // namespace gavel::schedule::transformers
