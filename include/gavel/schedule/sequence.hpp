// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/views.hpp>
#include <gavel/schedule/rate_schedule.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

/// @file
/// Schedules made of schedules, in steps rather than in progress: ramps, one after the other, products, floors, a cooldown attached to any
/// step of any schedule, and a table of stored rates. Boundaries are whole steps, so nothing is lost to rounding on long runs.
/// Where the parts are shares of a run of known length, join profiles instead (combinators.hpp) and stretch the result.
///
///     const auto rates = sequence(ramp({.to = 3e-4, .steps = 1000}), 1000, stretch(cosine{}, {.steps = 9000, .base_rate = 3e-4}));
///
/// @note All but `table` are values as literal as their parts, usable in constant expressions, that hold copies of their parts and allocate
///       nothing of their own. A rate costs what the rates of the parts cost, O(1) with O(1) parts, for any step in any order.
/// @par Source
/// The cooldown from a checkpoint: Haegele et al., "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations", 2024,
/// arXiv 2405.18392. The other pieces are elementary; which upstream scheduler each makes up is said in the presets' headers.

namespace gavel::schedule {

/// The same rate at every step, forever: it has no `steps()`. The plain start of a run whose `cooldown` is decided later.
class constant_rate {
 public:
  /// @throws std::invalid_argument, std::domain_error unless rate is finite and >= 0
  constexpr explicit constant_rate(double rate) : rate_(rate) { check_not_negative("gavel::schedule::constant_rate", "rate", rate); }
  [[nodiscard]] constexpr double rate(std::uint64_t) const noexcept { return rate_; }
  friend bool operator==(const constant_rate&, const constant_rate&) = default;

 private:
  double rate_;
};

/// What a `ramp` needs.
struct ramp_options {
  double from = 0.0;        ///< rate of step 0; finite, >= 0
  double to = 1.0;          ///< rate of step `steps` and all later ones; finite, >= 0
  std::uint64_t steps = 0;  ///< length; 0 is at `to` at once

  friend bool operator==(const ramp_options&, const ramp_options&) = default;
};

/// From one rate to another by a profile R that falls from 1 to 0, u = t / steps: down along it, to + (from - to) R(u), or up by running it
/// backwards, from + (to - from) R(1 - u), as `warmup` does. `linear` (default) is straight, `one_minus_sqrt` rises as 1 - sqrt(1 - u),
/// `polynomial(p)` as u^p. From step `steps` on the rate is `to`; equal ends give that rate throughout.
template <profile R = linear>
class ramp {
 public:
  /// @param shape R, which should run from 1 to 0: one that ends at m > 0 misses the lower rate by m |to - from|
  /// @throws std::invalid_argument, std::domain_error for a rate that is negative, infinite or NaN, or steps > 2^53
  constexpr explicit ramp(const ramp_options& options, R shape = R{}) : options_(options), shape_(shape) {
    constexpr const char* function = "gavel::schedule::ramp";
    check_not_negative(function, "from", options.from);
    check_not_negative(function, "to", options.to);
    check_at_most(function, "steps", options.steps, max_steps);
  }
  [[nodiscard]] constexpr double rate(std::uint64_t step) const {
    if (step >= options_.steps) return options_.to;
    const std::uint64_t left = options_.steps - step;
    const bool up = options_.to >= options_.from;
    double height;  // above the lower end, from a share of whole steps: 1 - u would cancel where the rate is small
    if constexpr (std::same_as<R, linear>) {
      height = detail::real(up ? step : left) / detail::real(options_.steps);
    } else {
      height =
          detail::checked("gavel::schedule::ramp::rate", "shape(u)", shape_(detail::real(up ? left : step) / detail::real(options_.steps)));
    }
    return up ? options_.from + (options_.to - options_.from) * height : options_.to + (options_.from - options_.to) * height;
  }
  [[nodiscard]] constexpr std::uint64_t steps() const noexcept { return options_.steps; }
  friend bool operator==(const ramp&, const ramp&) = default;

 private:
  ramp_options options_;
  detail::stored<R> shape_;
};
ramp(const ramp_options&) -> ramp<linear>;

/// The first schedule for the steps before @p boundary, then the second, which counts its own steps from 0. Nests for more parts. Nothing
/// makes the two meet: give them the same rate at the boundary, or use `cooldown`, which starts from the rate it finds.
template <rate_schedule First, rate_schedule Second>
class sequence {
 public:
  /// @param boundary first step of the second schedule; 0 skips the first, whose own length does not matter
  /// @throws std::invalid_argument if boundary > 2^53
  constexpr sequence(First first, std::uint64_t boundary, Second second) : first_(first), boundary_(boundary), second_(second) {
    check_at_most("gavel::schedule::sequence", "boundary", boundary, max_steps);
  }
  [[nodiscard]] constexpr double rate(std::uint64_t step) const {
    return step < boundary_ ? first_.rate(step) : second_.rate(step - boundary_);
  }
  [[nodiscard]] constexpr std::uint64_t steps() const
    requires finite_rate_schedule<Second>
  {
    return boundary_ + second_.steps();
  }
  [[nodiscard]] constexpr std::uint64_t boundary() const noexcept { return boundary_; }
  friend bool operator==(const sequence&, const sequence&) = default;

 private:
  First first_;
  std::uint64_t boundary_;
  Second second_;
};

/// A warm-up counted in steps: the first @p steps of the run rise to the rate that @p rates starts with, the rest of its budget has its shape. For
/// a share of the run, the profile `warmup`.
/// @param steps W, below `rates.steps()`, which stays the length of the run
/// @param rates what to warm up to, made by `stretch`
/// @param rise  as in `ramp`
/// @throws std::invalid_argument unless W < rates.steps()
template <profile P, sampling_rate Sampling, progress_convention Convention, profile Rise = linear>
[[nodiscard]] constexpr sequence<ramp<Rise>, profile_schedule<P, Sampling, Convention>> warmup_by_steps(
    std::uint64_t steps, const profile_schedule<P, Sampling, Convention>& rates, Rise rise = Rise{}) {
  if (!(steps < rates.steps())) refuse("gavel::schedule::warmup_by_steps", "steps", steps, "must be < rates.steps()", rates.steps());
  const auto rest = rates.with_steps(rates.steps() - steps);
  return {ramp<Rise>({.from = 0.0, .to = rest.rate(0), .steps = steps}, rise), steps, rest};
}

/// The product of two schedules at the same step. With a `constant_rate` it is a change of units, or the rate of a parameter group that has a
/// factor of its own: `product(constant_rate(0.1), rates)` is a tenth of the rate at every step.
template <rate_schedule First, rate_schedule Second>
class product {
 public:
  constexpr product(First first, Second second) : first_(first), second_(second) {}
  [[nodiscard]] constexpr double rate(std::uint64_t step) const { return first_.rate(step) * second_.rate(step); }
  /// The length of the longer one, if both have one.
  [[nodiscard]] constexpr std::uint64_t steps() const
    requires finite_rate_schedule<First> || finite_rate_schedule<Second>
  {
    if constexpr (finite_rate_schedule<First> && finite_rate_schedule<Second>) {
      return first_.steps() > second_.steps() ? first_.steps() : second_.steps();
    } else if constexpr (finite_rate_schedule<First>) {
      return first_.steps();
    } else {
      return second_.steps();
    }
  }
  friend bool operator==(const product&, const product&) = default;

 private:
  First first_;
  Second second_;
};

/// A schedule that never falls below @p minimum: max(minimum, rate). It cuts the curve off and lifts a warm-up from 0 as well; to keep the
/// shape and squeeze it between two rates, set `horizon::minimum_rate`, or use the profile `floor`.
template <rate_schedule S>
class at_least {
 public:
  /// @throws std::invalid_argument, std::domain_error unless minimum is finite and >= 0
  constexpr at_least(double minimum, S inner) : minimum_(minimum), inner_(inner) {
    check_not_negative("gavel::schedule::at_least", "minimum", minimum);
  }
  [[nodiscard]] constexpr double rate(std::uint64_t step) const {
    const double inner = inner_.rate(step);
    return inner < minimum_ ? minimum_ : inner;
  }
  [[nodiscard]] constexpr std::uint64_t steps() const
    requires finite_rate_schedule<S>
  {
    return inner_.steps();
  }
  friend bool operator==(const at_least&, const at_least&) = default;

 private:
  double minimum_;
  S inner_;
};

/// Where a cooldown starts and how long it takes.
struct cooldown_options {
  std::uint64_t start = 0;    ///< first step of the decay: a checkpoint of a run that was going on without a horizon
  std::uint64_t steps = 0;    ///< length of the decay, in [1, 2^53]
  double minimum_rate = 0.0;  ///< rate at the end of the decay; finite, >= 0

  friend bool operator==(const cooldown_options&, const cooldown_options&) = default;
};

/// Any schedule up to a checkpoint, then a decay of any shape from the rate it had there: what a schedule bound to a horizon cannot do. The
/// decay may start at any checkpoint, and the part before it is not changed by it. Past start + steps the last rate is held:
/// `minimum_rate` for a shape that ends at 0.
template <rate_schedule S, profile P = one_minus_sqrt>
class cooldown {
 public:
  /// @throws std::invalid_argument if steps is 0, start + steps > 2^53, or the rate at the start is infinite or below minimum_rate
  /// @throws std::domain_error     if minimum_rate or the rate at the start is NaN
  constexpr cooldown(S inner, const cooldown_options& options, P shape = P{}) : inner_(inner), options_(options), shape_(shape) {
    constexpr const char* function = "gavel::schedule::cooldown";
    detail::check_steps(function, "steps", options.steps);
    check_at_most(function, "start", options.start, "2^53 - steps =", max_steps - options.steps);
    start_rate_ = inner_.rate(options.start);
    check_not_negative(function, "rate(start)", start_rate_);
    detail::check_minimum(function, "minimum_rate", options.minimum_rate, "the rate at the start,", start_rate_);
  }
  [[nodiscard]] constexpr double rate(std::uint64_t step) const {
    if (step < options_.start) return inner_.rate(step);
    const std::uint64_t since = step - options_.start;
    const double share = since < options_.steps ? detail::real(since) / detail::real(options_.steps) : 1.0;
    const double height = detail::checked("gavel::schedule::cooldown::rate", "shape(u)", shape_(share));
    return options_.minimum_rate + (start_rate_ - options_.minimum_rate) * height;
  }
  [[nodiscard]] constexpr std::uint64_t steps() const noexcept { return options_.start + options_.steps; }
  friend bool operator==(const cooldown&, const cooldown&) = default;

 private:
  S inner_;
  cooldown_options options_;
  detail::stored<P> shape_;
  double start_rate_ = 0.0;
};

/// Stored rates, one per step: a schedule read from a file, measured, or computed once. Past its end the last rate is held. Every schedule fits
/// into this one type; for a profile chosen by name at run time `any_profile` needs no table.
/// @note Allocates 8 bytes per step once and copies them with the table; a rate is one read of memory. Not for constant expressions.
class table {
 public:
  /// @param rates at least one, each finite and >= 0; copied
  /// @throws std::invalid_argument if there are none, or one is negative or infinite; std::domain_error if one is NaN
  explicit table(vector_view<const double> rates) {
    constexpr const char* function = "gavel::schedule::table";
    check_at_least(function, "rates.size()", rates.size(), 1);
    for (std::size_t i = 0; i < rates.size(); ++i) check_not_negative(function, "rates", rates[i], i);
    rates_.assign(rates.begin(), rates.end());
  }
  table(std::initializer_list<double> rates) : table(vector_view<const double>(rates.begin(), rates.size())) {}
  // A move is a copy: a table without rates is no schedule.
  table(const table&) = default;
  table& operator=(const table&) = default;
  /// The first @p steps rates of another schedule, each evaluated once.
  /// @throws std::invalid_argument if steps is 0, or as above for the rates
  template <rate_schedule S>
  table(const S& schedule, std::uint64_t steps) : table(computed(schedule, steps)) {}

  [[nodiscard]] double rate(std::uint64_t step) const noexcept { return rates_[step < rates_.size() ? step : rates_.size() - 1]; }
  [[nodiscard]] std::uint64_t steps() const noexcept { return rates_.size(); }
  [[nodiscard]] const std::vector<double>& rates() const noexcept { return rates_; }
  friend bool operator==(const table&, const table&) = default;

 private:
  template <rate_schedule S>
  [[nodiscard]] static std::vector<double> computed(const S& schedule, std::uint64_t steps) {
    check_at_least("gavel::schedule::table", "steps", steps, 1);
    std::vector<double> rates(steps);
    fill(schedule, rates);
    return rates;
  }
  std::vector<double> rates_;
};

}  // namespace gavel::schedule
