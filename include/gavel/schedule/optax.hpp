// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/fixed_list.hpp>
#include <gavel/schedule/combinators.hpp>
#include <gavel/schedule/detail/preset_parts.hpp>
#include <gavel/schedule/horizon_free.hpp>
#include <gavel/schedule/rate_schedule.hpp>
#include <gavel/schedule/sequence.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>

/// @file
/// The schedules of optax by name, composed of native schedules: `rate(count)`, and the first update uses count 0. optax computes in float32
/// unless told otherwise; these are the same formulas in double.
///
/// Where ours departs, on purpose: a schedule without transition steps is refused, where optax gives a constant (and `warmup_constant_schedule`
/// without warm-up never reaches its peak); a decay rate of 0, an unsorted or repeated boundary and an end above the peak are refused too. The
/// one-cycle schedules need a phase of at least one step each, where optax quietly merges phases.
///
/// Errors of every function: std::invalid_argument for an option outside its range, std::domain_error for NaN.
///
/// @par Source
/// optax, optax/schedules/_schedule.py and _join.py, as of 0.2.8.

namespace gavel::schedule::detail {

/// Increasing boundaries, each with a factor >= 0.
template <class List>
constexpr void check_boundaries(const char* function, const List& list) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (i > 0 && list[i].boundary <= list[i - 1].boundary) {
      refuse(function, "boundaries", list[i].boundary, "must be > the one before,", list[i - 1].boundary, i);
    }
    check_not_negative(function, "scales", list[i].scale, i);
  }
}

/// What both one-cycle schedules refuse; gives the count of the peak.
template <class Options>
[[nodiscard]] constexpr std::uint64_t check_onecycle(const char* function, const Options& options) {
  check_steps(function, "transition_steps", options.transition_steps);
  check_not_negative(function, "peak_value", options.peak_value);
  check_unit_interval(function, "pct_start", options.pct_start, unit_ends::open);
  check_positive(function, "div_factor", options.div_factor);
  check_positive(function, "final_div_factor", options.final_div_factor);
  const double peak_at = options.pct_start * real(options.transition_steps);
  check_at_least(function, "pct_start * transition_steps", peak_at, 1.0);
  return static_cast<std::uint64_t>(peak_at);
}

}  // namespace gavel::schedule::detail

namespace gavel::schedule::optax {

/// `constant_schedule`: the same value at every count.
[[nodiscard]] constexpr constant_rate constant_schedule(double value) {
  check_not_negative("gavel::schedule::optax::constant_schedule", "value", value);
  return constant_rate(value);
}

/// Parameters of `polynomial_schedule`.
struct polynomial_schedule_options {
  double init_value = 1.0;             ///< value until transition_begin; finite, >= 0
  double end_value = 0.0;              ///< value from transition_begin + transition_steps on; finite, >= 0, may be above init_value
  double power = 1.0;                  ///< finite, > 0
  std::uint64_t transition_steps = 0;  ///< required, in [1, 2^53]
  std::uint64_t transition_begin = 0;  ///< counts before the transition starts, at most 2^53

  friend bool operator==(const polynomial_schedule_options&, const polynomial_schedule_options&) = default;
};

/// `polynomial_schedule`: end + (init - end) (1 - u)^power, u the share of the transition that is over.
[[nodiscard]] constexpr sequence<constant_rate, detail::power_decay> polynomial_schedule(const polynomial_schedule_options& options) {
  constexpr const char* function = "gavel::schedule::optax::polynomial_schedule";
  check_not_negative(function, "init_value", options.init_value);
  check_not_negative(function, "end_value", options.end_value);
  check_positive(function, "power", options.power);
  detail::check_steps(function, "transition_steps", options.transition_steps);
  check_at_most(function, "transition_begin", options.transition_begin, max_steps);
  const detail::power_decay transition(
      {.from = options.init_value, .to = options.end_value, .steps = options.transition_steps, .power = options.power});
  return {constant_rate(options.init_value), options.transition_begin, transition};
}

/// Parameters of `linear_schedule`.
struct linear_schedule_options {
  double init_value = 1.0;             ///< value until transition_begin; finite, >= 0
  double end_value = 0.0;              ///< value from transition_begin + transition_steps on; finite, >= 0
  std::uint64_t transition_steps = 0;  ///< required, in [1, 2^53]
  std::uint64_t transition_begin = 0;  ///< counts before the transition starts, at most 2^53

  friend bool operator==(const linear_schedule_options&, const linear_schedule_options&) = default;
};

/// `linear_schedule`: straight from init_value to end_value.
[[nodiscard]] constexpr sequence<constant_rate, ramp<>> linear_schedule(const linear_schedule_options& options) {
  constexpr const char* function = "gavel::schedule::optax::linear_schedule";
  check_not_negative(function, "init_value", options.init_value);
  check_not_negative(function, "end_value", options.end_value);
  detail::check_steps(function, "transition_steps", options.transition_steps);
  check_at_most(function, "transition_begin", options.transition_begin, max_steps);
  return {constant_rate(options.init_value), options.transition_begin,
          ramp<>({.from = options.init_value, .to = options.end_value, .steps = options.transition_steps})};
}

/// Parameters of `cosine_decay_schedule`.
struct cosine_decay_schedule_options {
  double init_value = 1.0;        ///< value of count 0; finite, >= 0
  std::uint64_t decay_steps = 0;  ///< required; count that reaches alpha init_value, in [1, 2^53]
  double alpha = 0.0;             ///< end value as a share of init_value, in [0, 1]
  double exponent = 1.0;          ///< power of the half wave, finite, > 0

  friend bool operator==(const cosine_decay_schedule_options&, const cosine_decay_schedule_options&) = default;
};

/// `cosine_decay_schedule`: init (alpha + (1 - alpha) ((1 + cos(pi t / decay_steps)) / 2)^exponent), held from decay_steps on.
[[nodiscard]] constexpr profile_schedule<powered<cosine>> cosine_decay_schedule(const cosine_decay_schedule_options& options) {
  constexpr const char* function = "gavel::schedule::optax::cosine_decay_schedule";
  check_not_negative(function, "init_value", options.init_value);
  detail::check_steps(function, "decay_steps", options.decay_steps);
  check_unit_interval(function, "alpha", options.alpha);
  check_positive(function, "exponent", options.exponent);
  return stretch(powered(options.exponent, cosine{}),
                 {.steps = options.decay_steps, .base_rate = options.init_value, .minimum_rate = options.init_value * options.alpha});
}

/// Parameters of `exponential_decay`.
struct exponential_decay_options {
  double init_value = 1.0;                         ///< value until transition_begin; finite, >= 0
  std::uint64_t transition_steps = 0;              ///< required; counts per factor decay_rate, in [1, 2^53]
  double decay_rate = 0.0;                         ///< required, finite, > 0
  std::uint64_t transition_begin = 0;              ///< counts before the decay starts, at most 2^53
  bool staircase = false;                          ///< hold the value within transition_steps counts
  std::optional<double> end_value = std::nullopt;  ///< bound: from below for decay_rate < 1, else from above; finite, >= 0

  friend bool operator==(const exponential_decay_options&, const exponential_decay_options&) = default;
};

/// `exponential_decay`: init decay_rate^((t - begin) / transition_steps) within the bound.
[[nodiscard]] constexpr detail::limited<sequence<constant_rate, schedule::exponential_decay>> exponential_decay(
    const exponential_decay_options& options) {
  constexpr const char* function = "gavel::schedule::optax::exponential_decay";
  check_not_negative(function, "init_value", options.init_value);
  detail::check_steps(function, "transition_steps", options.transition_steps);
  check_positive(function, "decay_rate", options.decay_rate);
  check_at_most(function, "transition_begin", options.transition_begin, max_steps);
  if (options.end_value) check_not_negative(function, "end_value", *options.end_value);
  const bool falls = options.decay_rate < 1.0;
  const schedule::exponential_decay decay({.base_rate = options.init_value,
                                           .factor = options.decay_rate,
                                           .period = detail::real(options.transition_steps),
                                           .staircase = options.staircase});
  return {options.end_value && falls ? *options.end_value : 0.0, options.end_value && !falls ? *options.end_value : infinity,
          sequence(constant_rate(options.init_value), options.transition_begin, decay)};
}

/// A count and the factor that applies from it on.
struct boundary_and_scale {
  std::uint64_t boundary = 0;  ///< first count with the factor
  double scale = 1.0;          ///< finite, >= 0

  friend bool operator==(const boundary_and_scale&, const boundary_and_scale&) = default;
};
/// Boundaries in increasing order, at most 32.
using boundaries_and_scales_list = milestone_list<boundary_and_scale>;

/// Parameters of `piecewise_constant_schedule`.
struct piecewise_constant_schedule_options {
  double init_value = 1.0;                                ///< value before the first boundary; finite, >= 0
  boundaries_and_scales_list boundaries_and_scales = {};  ///< strictly increasing boundaries; factors accumulate

  friend bool operator==(const piecewise_constant_schedule_options&, const piecewise_constant_schedule_options&) = default;
};

/// `piecewise_constant_schedule`: init times the factors of all boundaries <= t.
[[nodiscard]] constexpr piecewise_constant piecewise_constant_schedule(const piecewise_constant_schedule_options& options) {
  constexpr const char* function = "gavel::schedule::optax::piecewise_constant_schedule";
  check_not_negative(function, "init_value", options.init_value);
  detail::check_boundaries(function, options.boundaries_and_scales);
  std::uint64_t boundaries[max_milestones] = {};
  double rates[max_milestones + 1] = {options.init_value};
  const std::size_t count = options.boundaries_and_scales.size();
  for (std::size_t i = 0; i < count; ++i) {
    boundaries[i] = options.boundaries_and_scales[i].boundary;
    rates[i + 1] = rates[i] * options.boundaries_and_scales[i].scale;
  }
  return {vector_view<const std::uint64_t>(boundaries, count), vector_view<const double>(rates, count + 1)};
}

/// How `piecewise_interpolate_schedule` goes from one value to the next.
enum class interpolation { linear, cosine };

/// Parameters of `piecewise_interpolate_schedule`.
struct piecewise_interpolate_schedule_options {
  interpolation interpolate_type = interpolation::linear;  ///< required; straight or half a cosine wave
  double init_value = 1.0;                                 ///< value of count 0; finite, >= 0
  boundaries_and_scales_list boundaries_and_scales = {};   ///< strictly increasing boundaries, at most 2^53; factors accumulate

  friend bool operator==(const piecewise_interpolate_schedule_options&, const piecewise_interpolate_schedule_options&) = default;
};

/// Values at given counts and what lies between them; the last is held. The number of knots is a run-time one, so this is no nest of sequences.
class interpolated {
 public:
  constexpr explicit interpolated(const piecewise_interpolate_schedule_options& options) : options_(options) {}
  [[nodiscard]] constexpr double rate(std::uint64_t count) const noexcept {
    std::uint64_t begin = 0;
    double value = options_.init_value;
    for (const boundary_and_scale& knot : options_.boundaries_and_scales) {
      const double next = value * knot.scale;
      if (count < knot.boundary) return between(value, next, detail::real(count - begin) / detail::real(knot.boundary - begin));
      begin = knot.boundary;
      value = next;
    }
    return value;
  }
  friend bool operator==(const interpolated&, const interpolated&) = default;

 private:
  [[nodiscard]] constexpr double between(double from, double to, double share) const noexcept {
    if (options_.interpolate_type == interpolation::linear) return from + (to - from) * share;
    return to + 0.5 * (from - to) * (1.0 + elementary::cos(elementary::pi * share));
  }
  piecewise_interpolate_schedule_options options_;
};

/// `piecewise_interpolate_schedule`: init times the factors of all boundaries <= t at the boundaries, interpolated between them.
[[nodiscard]] constexpr interpolated piecewise_interpolate_schedule(const piecewise_interpolate_schedule_options& options) {
  constexpr const char* function = "gavel::schedule::optax::piecewise_interpolate_schedule";
  check_not_negative(function, "init_value", options.init_value);
  detail::check_boundaries(function, options.boundaries_and_scales);
  for (std::size_t i = 0; i < options.boundaries_and_scales.size(); ++i) {
    check_at_most(function, "boundaries", options.boundaries_and_scales[i].boundary, max_steps, i);
  }
  return interpolated(options);
}

/// Parameters of `linear_onecycle_schedule`.
struct linear_onecycle_schedule_options {
  std::uint64_t transition_steps = 0;  ///< required, T, in [1, 2^53]
  double peak_value = 1.0;             ///< finite, >= 0
  double pct_start = 0.3;              ///< the peak stands at count floor(pct_start T); in (0, 1)
  double pct_final = 0.85;             ///< the first value is back at count floor(pct_final T); in (pct_start, 1)
  double div_factor = 25.0;            ///< the first value is peak / div_factor, > 0
  double final_div_factor = 1e4;       ///< the last value is the first / final_div_factor, > 0

  friend bool operator==(const linear_onecycle_schedule_options&, const linear_onecycle_schedule_options&) = default;
};

/// Parameters of `cosine_onecycle_schedule`.
struct cosine_onecycle_schedule_options {
  std::uint64_t transition_steps = 0;  ///< required, T, in [1, 2^53]
  double peak_value = 1.0;             ///< finite, >= 0
  double pct_start = 0.3;              ///< the peak stands at count floor(pct_start T); in (0, 1)
  double div_factor = 25.0;            ///< the first value is peak / div_factor, > 0
  double final_div_factor = 1e4;       ///< the last value is the first / final_div_factor, > 0

  friend bool operator==(const cosine_onecycle_schedule_options&, const cosine_onecycle_schedule_options&) = default;
};

/// `linear_onecycle_schedule`: three straight phases, first value to peak, back to the first value, down to the last.
/// @throws std::invalid_argument also if a phase has no step
[[nodiscard]] constexpr interpolated linear_onecycle_schedule(const linear_onecycle_schedule_options& options) {
  constexpr const char* function = "gavel::schedule::optax::linear_onecycle_schedule";
  const std::uint64_t peak_at = detail::check_onecycle(function, options);
  if (!(options.pct_final > options.pct_start && options.pct_final < 1.0)) {
    refuse(function, "pct_final", options.pct_final, "must be in (pct_start, 1)");
  }
  const auto back_at = static_cast<std::uint64_t>(options.pct_final * detail::real(options.transition_steps));
  check_greater(function, "floor(pct_final * transition_steps)", back_at, "floor(pct_start * transition_steps) =", peak_at);
  return interpolated({.interpolate_type = interpolation::linear,
                       .init_value = options.peak_value / options.div_factor,
                       .boundaries_and_scales = {{peak_at, options.div_factor},
                                                 {back_at, 1.0 / options.div_factor},
                                                 {options.transition_steps, 1.0 / options.final_div_factor}}});
}

/// `cosine_onecycle_schedule`: half a cosine wave up from peak / div_factor, half a wave down to peak / (div_factor final_div_factor).
/// @throws std::invalid_argument also if a phase has no step
[[nodiscard]] constexpr interpolated cosine_onecycle_schedule(const cosine_onecycle_schedule_options& options) {
  constexpr const char* function = "gavel::schedule::optax::cosine_onecycle_schedule";
  const std::uint64_t peak_at = detail::check_onecycle(function, options);
  return interpolated({.interpolate_type = interpolation::cosine,
                       .init_value = options.peak_value / options.div_factor,
                       .boundaries_and_scales = {{peak_at, options.div_factor},
                                                 {options.transition_steps, 1.0 / (options.div_factor * options.final_div_factor)}}});
}

/// Parameters of `warmup_constant_schedule`.
struct warmup_constant_schedule_options {
  double init_value = 0.0;         ///< value of count 0; finite, >= 0
  double peak_value = 1.0;         ///< value from warmup_steps on; finite, >= 0
  std::uint64_t warmup_steps = 0;  ///< required, in [1, 2^53]

  friend bool operator==(const warmup_constant_schedule_options&, const warmup_constant_schedule_options&) = default;
};

/// `warmup_constant_schedule`: straight from init_value to peak_value, and there forever.
[[nodiscard]] constexpr sequence<ramp<>, constant_rate> warmup_constant_schedule(const warmup_constant_schedule_options& options) {
  constexpr const char* function = "gavel::schedule::optax::warmup_constant_schedule";
  check_not_negative(function, "init_value", options.init_value);
  check_not_negative(function, "peak_value", options.peak_value);
  detail::check_steps(function, "warmup_steps", options.warmup_steps);
  return {ramp<>({.from = options.init_value, .to = options.peak_value, .steps = options.warmup_steps}), options.warmup_steps,
          constant_rate(options.peak_value)};
}

/// Parameters of `warmup_cosine_decay_schedule`, and of each cycle of `sgdr_schedule`.
struct warmup_cosine_decay_schedule_options {
  double init_value = 0.0;         ///< value of count 0; finite, >= 0
  double peak_value = 1.0;         ///< value of count warmup_steps; finite, >= 0
  std::uint64_t warmup_steps = 0;  ///< may be 0
  std::uint64_t decay_steps = 0;   ///< required; length of warm-up and decay together, > warmup_steps, at most 2^53
  double end_value = 0.0;          ///< value from decay_steps on; in [0, peak_value]
  double exponent = 1.0;           ///< power of the half wave, finite, > 0

  friend bool operator==(const warmup_cosine_decay_schedule_options&, const warmup_cosine_decay_schedule_options&) = default;
};

/// `warmup_cosine_decay_schedule`: straight up to the peak, then half a cosine wave down. decay_steps includes the warm-up (Keras' does not).
[[nodiscard]] constexpr sequence<ramp<>, profile_schedule<powered<cosine>>> warmup_cosine_decay_schedule(
    const warmup_cosine_decay_schedule_options& options) {
  constexpr const char* function = "gavel::schedule::optax::warmup_cosine_decay_schedule";
  check_not_negative(function, "init_value", options.init_value);
  check_not_negative(function, "peak_value", options.peak_value);
  detail::check_steps(function, "decay_steps", options.decay_steps);
  if (options.warmup_steps >= options.decay_steps) {
    refuse(function, "warmup_steps", options.warmup_steps, "must be < decay_steps, which includes them,", options.decay_steps);
  }
  detail::check_minimum(function, "end_value", options.end_value, "peak_value", options.peak_value);
  check_positive(function, "exponent", options.exponent);
  return {
      ramp<>({.from = options.init_value, .to = options.peak_value, .steps = options.warmup_steps}), options.warmup_steps,
      stretch(powered(options.exponent, cosine{}),
              {.steps = options.decay_steps - options.warmup_steps, .base_rate = options.peak_value, .minimum_rate = options.end_value})};
}

/// Parameters of `warmup_exponential_decay_schedule`.
struct warmup_exponential_decay_schedule_options {
  double init_value = 0.0;                         ///< value of count 0; finite, >= 0
  double peak_value = 1.0;                         ///< value of count warmup_steps; finite, >= 0
  std::uint64_t warmup_steps = 0;                  ///< at most 2^53
  std::uint64_t transition_steps = 0;              ///< required; counts per factor decay_rate, in [1, 2^53]
  double decay_rate = 0.0;                         ///< required, finite, > 0
  std::uint64_t transition_begin = 0;              ///< counts at the peak before the decay, at most 2^53
  bool staircase = false;                          ///< hold the value within transition_steps counts
  std::optional<double> end_value = std::nullopt;  ///< bound of the decay: from below for decay_rate < 1, else from above

  friend bool operator==(const warmup_exponential_decay_schedule_options&, const warmup_exponential_decay_schedule_options&) = default;
};

/// `warmup_exponential_decay_schedule`: straight up to the peak, then `exponential_decay` from its own count 0.
[[nodiscard]] constexpr auto warmup_exponential_decay_schedule(const warmup_exponential_decay_schedule_options& options) {
  constexpr const char* function = "gavel::schedule::optax::warmup_exponential_decay_schedule";
  check_not_negative(function, "init_value", options.init_value);
  check_not_negative(function, "peak_value", options.peak_value);
  check_at_most(function, "warmup_steps", options.warmup_steps, max_steps);
  return sequence(ramp<>({.from = options.init_value, .to = options.peak_value, .steps = options.warmup_steps}), options.warmup_steps,
                  exponential_decay({.init_value = options.peak_value,
                                     .transition_steps = options.transition_steps,
                                     .decay_rate = options.decay_rate,
                                     .transition_begin = options.transition_begin,
                                     .staircase = options.staircase,
                                     .end_value = options.end_value}));
}

/// The cycles of `sgdr_schedule`, at most 32.
using sgdr_cycles = milestone_list<warmup_cosine_decay_schedule_options>;

/// One warm-up and cosine decay after the other; the number of cycles is a run-time one, so this is no nest of sequences.
class sgdr {
 public:
  constexpr explicit sgdr(const sgdr_cycles& cycles) : cycles_(cycles) {}
  /// @note O(number of cycles).
  [[nodiscard]] constexpr double rate(std::uint64_t count) const {
    std::size_t at = 0;
    for (; at + 1 < cycles_.size() && count >= cycles_[at].decay_steps; ++at) count -= cycles_[at].decay_steps;
    return warmup_cosine_decay_schedule(cycles_[at]).rate(count);
  }
  friend bool operator==(const sgdr&, const sgdr&) = default;

 private:
  sgdr_cycles cycles_;
};

/// `sgdr_schedule`: warm restarts written out, each cycle of decay_steps counts with its own warm-up; the last one's end is held.
/// @param cycles at least one, at most 32
/// @throws std::invalid_argument if there are none
/// @throws as `warmup_cosine_decay_schedule`
[[nodiscard]] constexpr sgdr sgdr_schedule(const sgdr_cycles& cycles) {
  check_at_least("gavel::schedule::optax::sgdr_schedule", "cycles.size()", cycles.size(), 1);
  for (const warmup_cosine_decay_schedule_options& cycle : cycles) static_cast<void>(warmup_cosine_decay_schedule(cycle));
  return sgdr(cycles);
}

/// `join_schedules` of two: the first before @p boundary, then the second from its own count 0. It is `sequence` by optax' name and nests for
/// more parts.
template <rate_schedule First, rate_schedule Second>
[[nodiscard]] constexpr sequence<First, Second> join_schedules(First first, std::uint64_t boundary, Second second) {
  return {first, boundary, second};
}

}  // namespace gavel::schedule::optax
