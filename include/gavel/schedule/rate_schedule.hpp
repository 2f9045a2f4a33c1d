// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/schedule/profile.hpp>
#include <gavel/schedule/sampling.hpp>

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

/// @file
/// The rate of every training step: base rate x profile(progress(sampling(t))). Pure and random-access: resuming a run needs only t.
///
///     constexpr auto rates = stretch(warmup(0.05, rex{}), {.steps = 10'000, .base_rate = 3e-4});
///     for (std::uint64_t t = 0; t < rates.steps(); ++t) optimizer.step(parameters, gradient, rates.rate(t));
///
/// @par Source
/// Chen, Wolfe, Kyrillidis, "REX: Revisiting Budgeted Training with an Improved Schedule", MLSys 2022, arXiv 2107.04197, section 3.

namespace gavel::schedule {

/// Anything that knows the rate of training step t, counted from 0.
template <class S>
concept rate_schedule = requires(const S& schedule, std::uint64_t step) {
  { schedule.rate(step) } -> std::convertible_to<double>;
};

/// A schedule that knows how long the run is.
template <class S>
concept finite_rate_schedule = rate_schedule<S> && requires(const S& schedule) {
  { schedule.steps() } -> std::convertible_to<std::uint64_t>;
};

/// What a profile is stretched over.
struct horizon {
  std::uint64_t steps = 0;    ///< T, the budget, in [1, 2^53]
  double base_rate = 1.0;     ///< rate where the profile is 1; finite, >= 0
  double minimum_rate = 0.0;  ///< rate where the profile is 0; in [0, base_rate]

  friend bool operator==(const horizon&, const horizon&) = default;
};

namespace detail {

constexpr void check_steps(const char* function, const char* parameter, std::uint64_t steps) {
  check_at_least(function, parameter, steps, 1);
  check_at_most(function, parameter, steps, max_steps);
}

/// The end of a decay: a valid rate that is not above the one it starts from.
constexpr void check_minimum(const char* function, const char* parameter, double minimum, const char* name, double top) {
  check_not_negative(function, parameter, minimum);
  check_at_most(function, parameter, minimum, name, top);
}

/// What a callable of the caller gave: a NaN would pass into every parameter of a model.
[[nodiscard]] constexpr double checked(const char* function, const char* parameter, double value) {
  check_not_nan(function, parameter, value);
  return value;
}

/// A callable that cannot be assigned, as a lambda with captures, made assignable: the old one goes, a copy of the new one takes its place.
template <class F>
class assignable {
 public:
  constexpr assignable(F callable) : callable_(std::move(callable)) {}
  constexpr assignable(const assignable&) = default;
  constexpr assignable& operator=(const assignable& other) {
    F copy(*other.callable_);  // what throws, throws here
    callable_.emplace(std::move(copy));
    return *this;
  }
  template <class... Numbers>
  [[nodiscard]] constexpr auto operator()(Numbers... numbers) const {
    return (*callable_)(numbers...);
  }
  [[nodiscard]] constexpr const F& get() const noexcept { return *callable_; }
  friend constexpr bool operator==(const assignable& a, const assignable& b)
    requires std::equality_comparable<F>
  {
    return *a.callable_ == *b.callable_;
  }

 private:
  std::optional<F> callable_;
};

/// How a schedule keeps a callable, so that it is a regular value itself.
template <class F>
using stored = std::conditional_t<std::copyable<F>, F, assignable<F>>;

}  // namespace detail

/// rate(t) = minimum + (base - minimum) rho(z(t)). From step T on the rate of T is held: it never rebounds or restarts.
/// @note Assignable whatever the shape is; comparable where the shape is: a lambda with captures has nothing to compare by, so give such a shape
///       a name instead, `struct my_shape { double k; double operator()(double z) const; bool operator==(const my_shape&) const = default; };`.
template <profile P, sampling_rate Sampling = every_step, progress_convention Convention = left>
class profile_schedule {
 public:
  /// @throws std::invalid_argument if steps is 0 or above 2^53, or a rate is negative, infinite or minimum_rate > base_rate
  /// @throws std::domain_error     if a rate is NaN
  constexpr profile_schedule(P shape, const horizon& over, Sampling sampling = Sampling{}, Convention convention = Convention{})
      : shape_(shape), horizon_(over), span_(over.base_rate - over.minimum_rate), sampling_(sampling), convention_(convention) {
    constexpr const char* function = "gavel::schedule::stretch";
    detail::check_steps(function, "steps", over.steps);
    check_not_negative(function, "base_rate", over.base_rate);
    detail::check_minimum(function, "minimum_rate", over.minimum_rate, "base_rate", over.base_rate);
  }

  /// The rate of step @p step, counted from 0.
  /// @throws std::domain_error if a shape of your own gives NaN there
  /// @note O(1), no allocation.
  [[nodiscard]] constexpr double rate(std::uint64_t step) const {
    const double share = detail::checked("gavel::schedule::profile_schedule::rate", "shape(z)", shape_(progress(step)));
    return horizon_.minimum_rate + span_ * share;
  }
  /// The progress at which the profile is read for step @p step, in [0, 1].
  [[nodiscard]] constexpr double progress(std::uint64_t step) const {
    return sampling_.progress(step < horizon_.steps ? step : horizon_.steps, horizon_.steps, convention_);
  }
  [[nodiscard]] constexpr std::uint64_t steps() const noexcept { return horizon_.steps; }
  [[nodiscard]] constexpr double base_rate() const noexcept { return horizon_.base_rate; }
  [[nodiscard]] constexpr double minimum_rate() const noexcept { return horizon_.minimum_rate; }
  [[nodiscard]] constexpr const P& shape() const noexcept { return unwrapped(shape_); }

  /// The same shape and rates, sampling and convention over another budget: a run that is made longer or shorter.
  /// @throws std::invalid_argument if steps is 0 or above 2^53
  [[nodiscard]] constexpr profile_schedule with_steps(std::uint64_t steps) const {
    return profile_schedule(shape(), {.steps = steps, .base_rate = horizon_.base_rate, .minimum_rate = horizon_.minimum_rate}, sampling_,
                            unwrapped(convention_));
  }

  friend bool operator==(const profile_schedule&, const profile_schedule&) = default;

 private:
  template <class F>
  [[nodiscard]] static constexpr const F& unwrapped(const F& callable) noexcept {
    return callable;
  }
  template <class F>
  [[nodiscard]] static constexpr const F& unwrapped(const detail::assignable<F>& callable) noexcept {
    return callable.get();
  }

  detail::stored<P> shape_;
  horizon horizon_;
  double span_;
  Sampling sampling_;
  detail::stored<Convention> convention_;
};

/// Stretches a profile over a budget: the schedule with rate(t) = minimum + (base - minimum) rho(z(t)).
/// @param shape      a profile, or any callable `double(double)`
/// @param over       steps, base rate and minimum rate; a run with another budget gets the same shape stretched to it
/// @param sampling   when the profile is read again: `every_step` (default), `every(k)`, `milestones{...}`
/// @param convention where in the run a step stands: `left` (default), `right`, `inclusive`, `interior`
/// @throws std::invalid_argument, std::domain_error as `profile_schedule`
template <profile P, sampling_rate Sampling = every_step, progress_convention Convention = left>
[[nodiscard]] constexpr profile_schedule<P, Sampling, Convention> stretch(P shape, const horizon& over, Sampling sampling = Sampling{},
                                                                          Convention convention = Convention{}) {
  return profile_schedule<P, Sampling, Convention>(shape, over, sampling, convention);
}

/// Writes the rates of the steps first, first + 1, ... into @p rates.
/// @note O(rates.size()); no allocation.
template <rate_schedule S>
constexpr void fill(const S& schedule, std::span<double> rates, std::uint64_t first = 0) {
  double* out = rates.data();
  const std::size_t count = rates.size();
  for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<double>(schedule.rate(first + i));
}

}  // namespace gavel::schedule
