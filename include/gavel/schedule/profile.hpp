// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/elementary.hpp>
#include <gavel/core/fixed_list.hpp>

#include <concepts>
#include <cstddef>

/// @file
/// Profiles: the shape of a rate schedule, a curve rho(z) over progress z from 0 (start) to 1 (end of the budget), with peak 1. A schedule is
/// a base rate times a profile read at the progress of a step (rate_schedule.hpp); the shapes here know neither rates nor steps. Each is a
/// small value that literals build at compile time; z is clamped to [0, 1]. Any callable `double(double)` is a profile too.
/// @note Constructors throw std::domain_error for NaN, std::invalid_argument for any other number outside the range.
///
/// @par Source
/// The framing, schedule = profile + sampling rate: Chen, Wolfe, Kyrillidis, "REX: Revisiting Budgeted Training with an Improved
/// Schedule", MLSys 2022, arXiv 2107.04197, section 3.

namespace gavel::schedule {

/// A shape: called with progress in [0, 1], gives the share of the base rate.
template <class P>
concept profile = std::copy_constructible<P> && requires(const P& shape, double z) {
  { shape(z) } -> std::convertible_to<double>;
};

/// How many milestones or boundaries a profile, a sampling rate or a piecewise schedule holds at most.
inline constexpr std::size_t max_milestones = 32;

namespace detail {

struct milestone_list_name {
  static constexpr const char* value = "gavel::schedule::milestone_list";
};

}  // namespace detail

/// Milestones or boundaries, up to `max_milestones`: shares of a run, or steps.
template <class T>
using milestone_list = fixed_list<T, max_milestones, detail::milestone_list_name>;

namespace detail {

[[nodiscard]] constexpr double unit(double z) noexcept {
  if (z < 0.0) [[unlikely]]
    return 0.0;  // branches that are never taken keep the comparisons out of the chain of latencies
  if (z > 1.0) [[unlikely]]
    return 1.0;
  return z;
}

/// Where a profile is read, and by how much rounding may have moved the place: a part of a run begins at a share and is as long as a share, and
/// neither is exact in binary. Of the whole run no error need be known: steps and milestones stand at quotients that were rounded once, so
/// equal ones are equal numbers, and comparisons of those numbers are right. Without an error everything here is a plain comparison.
struct position {
  double value;
  double error = 0.0;  ///< the place meant is within this

  /// Whether the place lies before @p boundary, not counting what may be rounding.
  [[nodiscard]] constexpr bool before(double boundary) const noexcept { return error > 0.0 ? boundary - value > error : value < boundary; }
  /// Whether it is @p boundary, as far as rounding can tell.
  [[nodiscard]] constexpr bool at(double boundary) const noexcept {
    return error > 0.0 ? boundary - value <= error && value - boundary <= error : value == boundary;
  }
  /// The same place in the part that begins at @p start, in units of its @p length; exactly 0 where the part begins.
  [[nodiscard]] constexpr position within(double start, double length) const noexcept {
    const double since = error > 0.0 && at(start) ? 0.0 : value - start;
    return {since / length, part_error(length)};
  }
  /// At most eight halves of an ulp come on top: of the place, its part's start (twice, the length has it too), the length, the difference,
  /// the quotient, and the milestone that is met there.
  [[nodiscard]] constexpr double part_error(double length) const noexcept { return (error + 0x1p-50 * value) / length; }
};

/// A profile at a position; one that takes a number is read at it as it was rounded.
template <profile P>
[[nodiscard]] constexpr double read(const P& shape, const position& z) {
  if constexpr (requires { shape.at(z); }) {
    return shape.at(z);
  } else {
    return shape(z.value);
  }
}

/// Progresses in [0, 1] that do not decrease.
constexpr void check_milestones(const char* function, const milestone_list<double>& milestones) {
  for (std::size_t i = 0; i < milestones.size(); ++i) check_unit_interval(function, "milestones", milestones[i], unit_ends::closed, i);
  check_not_descending(function, "milestones", milestones);
}

/// So few cosine waves that the phase keeps its digits.
inline constexpr double max_waves = 1e6;
/// The largest exponent whose exponential is finite.
inline constexpr double max_exponent = 700.0;

}  // namespace detail

/// rho = 1: no decay. The baseline, and the part that `concat` or `warmup` needs for a stable phase.
struct constant {
  [[nodiscard]] constexpr double operator()(double) const noexcept { return 1.0; }
  friend bool operator==(const constant&, const constant&) = default;
};

/// rho = 1 - z: the worst-case optimal decay (Defazio et al., 2023, arXiv 2310.07831, theorem 1).
struct linear {
  [[nodiscard]] constexpr double operator()(double z) const noexcept { return 1.0 - detail::unit(z); }
  friend bool operator==(const linear&, const linear&) = default;
};

/// REX, the reflected rational decay: rho = (1 - z) / ((1 - beta) + beta (1 - z)) = (1 - z) / (1 - beta z). It holds the rate longer than
/// `linear` and falls fast at the end, without a delay to choose.
///
/// beta = 1/2 is the published schedule, 2 (1 - z) / (2 - z); beta = 0 is `linear`; beta < 0 is convex and lies below it; widespread ports
/// compute beta = 0.9 (`rex(rex::ported_beta)`).
/// @par Source
/// Chen, Wolfe, Kyrillidis, MLSys 2022, arXiv 2107.04197, section 4.
class rex {
 public:
  static constexpr double ported_beta = 0.9;

  /// @throws std::invalid_argument unless beta is finite and < 1 (at 1 the profile is constant with 0/0 at its end)
  constexpr explicit rex(double beta = 0.5) : beta_(beta) {
    if (!(beta < 1.0 && beta > -infinity)) refuse("gavel::schedule::rex", "beta", beta, "must be finite and < 1");
  }
  [[nodiscard]] constexpr double operator()(double z) const noexcept {
    const double progress = detail::unit(z);
    return (1.0 - progress) / (1.0 - beta_ * progress);
  }
  /// d rho / dz = -(1 - beta) / (1 - beta z)^2: -(1 - beta) at the start, -1 / (1 - beta) at the end.
  [[nodiscard]] constexpr double slope(double z) const noexcept {
    const double denominator = 1.0 - beta_ * detail::unit(z);
    return -(1.0 - beta_) / (denominator * denominator);
  }
  /// The integral of rho over [0, 1], 1/beta + (1 - beta)/beta^2 log(1 - beta): the mean rate in units of the base rate.
  [[nodiscard]] constexpr double area() const noexcept {
    if (beta_ > -0.25 && beta_ < 0.25) {  // the closed form cancels; its series sum_k beta^(k-1) / (k (k+1)) does not
      double sum = 0.0;
      for (int k = 26; k >= 1; --k) sum = sum * beta_ + 1.0 / (static_cast<double>(k) * static_cast<double>(k + 1));
      return sum;
    }
    return (1.0 + (1.0 - beta_) / beta_ * elementary::log(1.0 - beta_)) / beta_;
  }
  [[nodiscard]] constexpr double beta() const noexcept { return beta_; }
  friend bool operator==(const rex&, const rex&) = default;

 private:
  double beta_;
};

/// rho = (1 + cos(2 pi c z)) / 2 with c waves; the default half wave goes from 1 to 0.
/// @par Source
/// Loshchilov, Hutter, "SGDR", 2016, arXiv 1608.03983, equation 5.
class cosine {
 public:
  /// @throws std::invalid_argument unless waves is in (0, 1e6]
  constexpr explicit cosine(double waves = 0.5) : half_waves_(2.0 * waves) {
    check_positive("gavel::schedule::cosine", "waves", waves);
    check_at_most("gavel::schedule::cosine", "waves", waves, detail::max_waves);
  }
  [[nodiscard]] constexpr double operator()(double z) const noexcept { return elementary::raised_cosine(half_waves_ * detail::unit(z)); }
  friend bool operator==(const cosine&, const cosine&) = default;

 private:
  double half_waves_;
};

/// rho = (1 - z)^power; power 1/2 is the "sqrt" decay. 1 is `linear` at the price of a comparison; above 1 it falls early (convex), below 1
/// it holds the rate long and drops at the end.
class polynomial {
 public:
  /// @throws std::invalid_argument unless power is finite and > 0
  constexpr explicit polynomial(double power) : power_(power) { check_positive("gavel::schedule::polynomial", "power", power); }
  [[nodiscard]] constexpr double operator()(double z) const noexcept { return elementary::pow(1.0 - detail::unit(z), power_); }
  friend bool operator==(const polynomial&, const polynomial&) = default;

 private:
  double power_;
};

/// rho = 1 - sqrt(z): a cooldown that falls at once.
/// @par Source
/// Haegele et al., "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations", 2024, arXiv 2405.18392.
struct one_minus_sqrt {
  [[nodiscard]] constexpr double operator()(double z) const noexcept { return 1.0 - elementary::sqrt(detail::unit(z)); }
  friend bool operator==(const one_minus_sqrt&, const one_minus_sqrt&) = default;
};

/// rho = exp(-decay z): ends at exp(-decay), not at 0.
class exponential {
 public:
  /// @throws std::invalid_argument unless decay is finite and > 0
  constexpr explicit exponential(double decay = 3.0) : decay_(decay) { check_positive("gavel::schedule::exponential", "decay", decay); }
  [[nodiscard]] constexpr double operator()(double z) const noexcept { return elementary::exp(-decay_ * detail::unit(z)); }
  friend bool operator==(const exponential&, const exponential&) = default;

 private:
  double decay_;
};

/// rho = (exp(-decay z) - exp(-decay)) / (1 - exp(-decay)): the exponential shifted and scaled to end at 0.
class exponential_to_zero {
 public:
  /// @throws std::invalid_argument unless decay is in (0, 700]
  constexpr explicit exponential_to_zero(double decay = 3.0) : decay_(decay), scale_(elementary::expm1(decay)) {
    check_positive("gavel::schedule::exponential_to_zero", "decay", decay);
    check_at_most("gavel::schedule::exponential_to_zero", "decay", decay, detail::max_exponent);
  }
  [[nodiscard]] constexpr double operator()(double z) const noexcept {
    // Divided through by exp(-decay): exactly 0 at the end, and no cancellation before it.
    return detail::unit(elementary::expm1(decay_ * (1.0 - detail::unit(z))) / scale_);
  }
  friend bool operator==(const exponential_to_zero&, const exponential_to_zero&) = default;

 private:
  double decay_;
  double scale_;
};

/// rho = (1 - exp(-decay (1 - z))) / (1 - exp(-decay)): the mirror image of `exponential_to_zero`, slow first and fast at the end. (The
/// published REX is the rational `rex`, not this.)
class reflected_exponential {
 public:
  /// @throws std::invalid_argument unless decay is in (0, 700]
  constexpr explicit reflected_exponential(double decay = 3.0) : decay_(decay), scale_(elementary::expm1(-decay)) {
    check_positive("gavel::schedule::reflected_exponential", "decay", decay);
    check_at_most("gavel::schedule::reflected_exponential", "decay", decay, detail::max_exponent);
  }
  [[nodiscard]] constexpr double operator()(double z) const noexcept {
    return detail::unit(elementary::expm1(-decay_ * (1.0 - detail::unit(z))) / scale_);
  }
  friend bool operator==(const reflected_exponential&, const reflected_exponential&) = default;

 private:
  double decay_;
  double scale_;
};

/// rho = end^z, the geometric interpolation from 1 down to @p end: the exponential cooldown that reaches a minimum rate exactly.
class geometric {
 public:
  /// @throws std::invalid_argument unless end is in (0, 1]
  constexpr explicit geometric(double end) : end_(end) {
    check_unit_interval("gavel::schedule::geometric", "end", end, unit_ends::one_only);
  }
  [[nodiscard]] constexpr double operator()(double z) const noexcept { return elementary::pow(end_, detail::unit(z)); }
  friend bool operator==(const geometric&, const geometric&) = default;

 private:
  double end_;
};

/// rho = 1 / (1 + slope z): ends at 1 / (1 + slope), so slope 9 runs down to a tenth of the peak, most of it early.
class inverse_linear {
 public:
  /// @throws std::invalid_argument unless slope is finite and > 0
  constexpr explicit inverse_linear(double slope) : slope_(slope) { check_positive("gavel::schedule::inverse_linear", "slope", slope); }
  [[nodiscard]] constexpr double operator()(double z) const noexcept { return 1.0 / (1.0 + slope_ * detail::unit(z)); }
  friend bool operator==(const inverse_linear&, const inverse_linear&) = default;

 private:
  double slope_;
};

/// rho = (1 - tanh(lower (1 - z) + upper z)) / 2. Close to 1 and 0 at its ends, never there: with -7, 3 it starts at 1 - 8e-7 and ends at
/// 2.5e-3.
/// @par Source
/// Hsueh, Li, Wu, "Stochastic Gradient Descent with Hyperbolic-Tangent Decay on Classification", 2018, arXiv 1806.01593.
class hyperbolic_tangent {
 public:
  /// @param lower argument of tanh at the start; below 0, or the profile starts at 1/2 or less
  /// @param upper argument of tanh at the end; above 0, or it ends at 1/2 or more
  /// @throws std::invalid_argument unless lower < upper, both finite
  constexpr hyperbolic_tangent(double lower, double upper) : lower_(lower), upper_(upper) {
    constexpr const char* function = "gavel::schedule::hyperbolic_tangent";
    check_finite(function, "lower", lower);
    check_finite(function, "upper", upper);
    check_greater(function, "upper", upper, "lower", lower);
  }
  [[nodiscard]] constexpr double operator()(double z) const noexcept {
    const double progress = detail::unit(z);
    return 0.5 * (1.0 - elementary::tanh(lower_ * (1.0 - progress) + upper_ * progress));
  }
  friend bool operator==(const hyperbolic_tangent&, const hyperbolic_tangent&) = default;

 private:
  double lower_;
  double upper_;
};

/// rho = factor^(number of milestones <= z): `step_decay(0.1, {0.3, 0.6, 0.9})` is the "30-60-90" schedule.
class step_decay {
 public:
  using list = milestone_list<double>;
  /// @param factor     in (0, 1]
  /// @param milestones progresses in [0, 1], not decreasing; one that stands twice counts twice
  /// @throws std::invalid_argument otherwise
  constexpr step_decay(double factor, const list& milestones) {
    constexpr const char* function = "gavel::schedule::step_decay";
    check_unit_interval(function, "factor", factor, unit_ends::one_only);
    detail::check_milestones(function, milestones);
    for (double& milestone : milestones_) milestone = infinity;
    for (std::size_t i = 0; i < milestones.size(); ++i) {
      milestones_[i] = milestones[i] > 0.0 ? milestones[i] : -infinity;  // passed from the start
      shares_[i + 1] = shares_[i] * factor;
    }
  }
  [[nodiscard]] constexpr double operator()(double z) const noexcept { return at({z}); }
  /// As part of another profile: rounding of @p z does not move a milestone.
  [[nodiscard]] constexpr double at(const detail::position& z) const noexcept {
    double reached = z.value < 1.0 ? z.value : 1.0;  // the other end is clamped by the milestones themselves
    if (z.error > 0.0) reached += z.error;
    std::size_t passed = 0;
    while (milestones_[passed] <= reached) ++passed;
    return shares_[passed];
  }
  friend bool operator==(const step_decay&, const step_decay&) = default;

 private:
  double milestones_[max_milestones + 1] = {};  // an infinite one ends the search
  double shares_[max_milestones + 1] = {1.0};   // factor^i
};

/// Settings of `one_cycle`.
struct one_cycle_options {
  enum class curve { cosine, linear };
  double peak_at = 0.3;          ///< progress of the peak, finite, <= 1; below 0: the run starts past it, on the way down
  double start_divisor = 25.0;   ///< the first rate is the peak divided by this, >= 1; infinite: it is 0
  double final_divisor = 1e4;    ///< the last rate is the first divided by this, >= 1; infinite: it is 0
  curve anneal = curve::cosine;  ///< shape of every phase
  bool three_phase = false;      ///< back to the first rate before the last phase
  double back_at = 0.0;          ///< three phases: progress at which the first rate is reached again, in (peak_at, 1); 0 means 2 peak_at

  friend bool operator==(const one_cycle_options&, const one_cycle_options&) = default;
};

/// One cycle: up from a small rate to the peak, then down to almost nothing, in two or three phases.
/// @par Source
/// Smith, Topin, "Super-Convergence", 2017, arXiv 1708.07120.
class one_cycle {
 public:
  /// @throws std::invalid_argument for an option outside its range
  constexpr explicit one_cycle(const one_cycle_options& options = {}) : options_(options) {
    constexpr const char* function = "gavel::schedule::one_cycle";
    check_finite(function, "peak_at", options.peak_at);
    check_at_most(function, "peak_at", options.peak_at, 1.0);
    check_at_least(function, "start_divisor", options.start_divisor, 1.0);
    check_at_least(function, "final_divisor", options.final_divisor, 1.0);
    if (options.back_at == 0.0) options_.back_at = 2.0 * options.peak_at;
    const bool starts_past_both = options.back_at == 0.0 && options.peak_at <= 0.0 && options_.back_at > -infinity;
    if (options.three_phase && !starts_past_both && !(options_.back_at > options.peak_at && options_.back_at < 1.0)) {
      refuse(function, "back_at", options_.back_at, "must be in (peak_at, 1)");
    }
  }
  [[nodiscard]] constexpr double operator()(double z) const noexcept {
    const double progress = detail::unit(z);
    const double first = 1.0 / options_.start_divisor;
    const double last = first / options_.final_divisor;
    if (options_.peak_at > 0.0 && progress <= options_.peak_at) return between(first, 1.0, progress / options_.peak_at);
    if (!options_.three_phase) return between(1.0, last, (progress - options_.peak_at) / (1.0 - options_.peak_at));
    if (options_.back_at > options_.peak_at && progress <= options_.back_at)
      return between(1.0, first, (progress - options_.peak_at) / (options_.back_at - options_.peak_at));
    return between(first, last, (progress - options_.back_at) / (1.0 - options_.back_at));
  }
  friend bool operator==(const one_cycle&, const one_cycle&) = default;

 private:
  [[nodiscard]] constexpr double between(double from, double to, double share) const noexcept {
    if (options_.anneal == one_cycle_options::curve::linear) return from * (1.0 - share) + to * share;
    return to + (from - to) * elementary::raised_cosine(share);
  }
  one_cycle_options options_;
};

}  // namespace gavel::schedule
