// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/schedule/profile.hpp>

#include <concepts>

/// @file
/// Profiles made of profiles: hold, warm up, join, lift, restart, bend. Each is again a small value that literals build at compile time, so
/// they nest: `warmup(0.05, floor(0.1, delayed(0.25, rex{})))`. Order matters: this one warms up from 0, the other way round,
/// `floor(0.1, warmup(0.05, ...))`, from a tenth of the peak.
///
/// Parts are given as shares of the run and scale with its length; for parts counted in steps see sequence.hpp. A step that should stand where
/// a part, a cycle or a milestone begins does stand there, however deep the nest: each level knows how far rounding may have moved the
/// place, some 2^-50 of the run divided by the length of the part. Steps are told apart as long as they are further apart than that. A callable
/// of your own is handed a number and decides by it.
/// @note Evaluation costs the inner profile and a few operations more, allocates nothing and clamps z to [0, 1].
///       Constructors throw std::domain_error for NaN, std::invalid_argument for any other number outside the range.

namespace gavel::schedule {

namespace detail {

/// What rounding may add to shares that sum to the whole run.
inline constexpr double share_tolerance = 1e-12;

/// A decay run backwards: R(1 - u) for u in [0, 1]. The straight one is u itself: 1 - (1 - u) would drop the digits of a small u.
template <profile R>
[[nodiscard]] constexpr double rise(const R& decay, const position& u) {
  if constexpr (std::same_as<R, linear>) {
    return u.value;
  } else {
    return read(decay, {1.0 - u.value, u.error});
  }
}

}  // namespace detail

/// 1 until progress @p delay, then the inner profile over the rest: rho = P((z - d) / (1 - d)). Jumps at d unless P starts at 1.
template <profile P>
class delayed {
 public:
  /// @throws std::invalid_argument unless delay is in [0, 1)
  constexpr delayed(double delay, P inner) : delay_(delay), inner_(inner) {
    check_unit_interval("gavel::schedule::delayed", "delay", delay, unit_ends::zero_only);
  }
  [[nodiscard]] constexpr double operator()(double z) const { return at({detail::unit(z)}); }
  [[nodiscard]] constexpr double at(const detail::position& z) const {
    return z.before(delay_) ? 1.0 : detail::read(inner_, z.within(delay_, 1.0 - delay_));
  }
  friend bool operator==(const delayed&, const delayed&) = default;

 private:
  double delay_;
  P inner_;
};

/// A rise over the first @p share of the run, then the inner profile over the rest. The rise is a decay run backwards, R(1 - z / w): `linear`
/// (default), `cosine`, `one_minus_sqrt` or `polynomial` give the usual warm-ups.
/// @note The rise starts at R(1), which is 0 for the shapes above: the first step of a run sampled at its left end trains with rate 0.
template <profile P, profile Rise = linear>
class warmup {
 public:
  /// @throws std::invalid_argument unless share is in [0, 1)
  constexpr warmup(double share, P inner, Rise rise = Rise{}) : share_(share), inner_(inner), rise_(rise) {
    check_unit_interval("gavel::schedule::warmup", "share", share, unit_ends::zero_only);
  }
  [[nodiscard]] constexpr double operator()(double z) const { return at({detail::unit(z)}); }
  [[nodiscard]] constexpr double at(const detail::position& z) const {
    if (z.before(share_)) return detail::rise(rise_, z.within(0.0, share_));
    return detail::read(inner_, z.within(share_, 1.0 - share_));
  }
  friend bool operator==(const warmup&, const warmup&) = default;

 private:
  double share_;
  P inner_;
  Rise rise_;
};

/// The first profile over [0, at), the second over [at, 1], each stretched to its part. May jump where they meet. Neither is lifted: for a
/// rise before or a hold before a decay, `warmup`, `delayed` and `wsd` say it more directly.
template <profile First, profile Second>
class concat {
 public:
  /// @throws std::invalid_argument unless at is in (0, 1)
  constexpr concat(First first, double at, Second second) : at_(at), first_(first), second_(second) {
    check_unit_interval("gavel::schedule::concat", "at", at, unit_ends::open);
  }
  [[nodiscard]] constexpr double operator()(double z) const { return at({detail::unit(z)}); }
  [[nodiscard]] constexpr double at(const detail::position& z) const {
    if (z.before(at_)) return detail::read(first_, z.within(0.0, at_));
    return detail::read(second_, z.within(at_, 1.0 - at_));
  }
  friend bool operator==(const concat&, const concat&) = default;

 private:
  double at_;
  First first_;
  Second second_;
};

/// The inner profile lifted to end no lower than @p minimum, a share of the peak: rho = m + (1 - m) P(z). The shape is squeezed, not cut
/// off; a minimum in units of the rate is `horizon::minimum_rate`, a cut-off one `at_least`.
/// @note Where all of this namespace is in scope write `schedule::floor`: the C library has a ::floor too.
template <profile P>
class floor {
 public:
  /// @throws std::invalid_argument unless minimum is in [0, 1]
  constexpr floor(double minimum, P inner) : minimum_(minimum), inner_(inner) {
    check_unit_interval("gavel::schedule::floor", "minimum", minimum);
  }
  [[nodiscard]] constexpr double operator()(double z) const { return at({detail::unit(z)}); }
  [[nodiscard]] constexpr double at(const detail::position& z) const { return minimum_ + (1.0 - minimum_) * detail::read(inner_, z); }
  friend bool operator==(const floor&, const floor&) = default;

 private:
  double minimum_;
  P inner_;
};

/// The inner profile run @p cycles times, the i-th time scaled by amplitude^i: rho = a^floor(c z) P(frac(c z)). At z = 1 the last cycle stands
/// at its end; between cycles the rate jumps back up.
/// @note Cycle k starts at the double nearest to k / c, where a step that should stand there stands, though c z may round to less than k
///       (50 (58/100) < 29). @p cycles is taken as it is: a quotient of shares, like 0.3 / 0.1, may lie below the whole number that was meant.
/// @par Source
/// Loshchilov, Hutter, "SGDR", 2016, arXiv 1608.03983. Cycles that grow: `warm_restarts` in horizon_free.hpp.
template <profile P>
class restart {
 public:
  /// @param cycles    runs of the inner profile; a fraction, as in 2.5, cuts the last one short
  /// @param amplitude peak of a cycle relative to the one before: 1 restarts at full height, 0.5 halves it
  /// @throws std::invalid_argument unless cycles is in [1, 1e15) and amplitude in (0, 1]
  constexpr restart(double cycles, P inner, double amplitude = 1.0) : cycles_(cycles), inner_(inner), amplitude_(amplitude) {
    constexpr const char* function = "gavel::schedule::restart";
    if (!(cycles >= 1.0 && cycles < 1e15)) refuse(function, "cycles", cycles, "must be in [1, 1e15)");
    check_unit_interval(function, "amplitude", amplitude, unit_ends::one_only);
  }
  [[nodiscard]] constexpr double operator()(double z) const { return at({detail::unit(z)}); }
  [[nodiscard]] constexpr double at(const detail::position& z) const {
    const double run = cycles_ * z.value;
    const double nearest = elementary::floor(run + 0.5), start = nearest / cycles_;
    const bool at_start = z.at(start), at_end = z.at(1.0);
    const double cycle = z.before(start) || (at_start && at_end) ? nearest - 1.0 : nearest;  // the end belongs to the last cycle
    const double share = at_start ? (at_end ? 1.0 : 0.0) : detail::unit(run - cycle);
    return (amplitude_ == 1.0 ? 1.0 : elementary::pow(amplitude_, cycle)) * detail::read(inner_, {share, z.part_error(1.0 / cycles_)});
  }
  friend bool operator==(const restart&, const restart&) = default;

 private:
  double cycles_;
  P inner_;
  double amplitude_;
};

/// The inner profile raised to a power: rho = P(z)^exponent. Above 1 it falls earlier, below 1 later; ends at 1 and 0 stay where they are.
/// The inner profile must not be negative.
template <profile P>
class powered {
 public:
  /// @throws std::invalid_argument unless exponent is finite and > 0
  constexpr powered(double exponent, P inner) : exponent_(exponent), inner_(inner) {
    check_positive("gavel::schedule::powered", "exponent", exponent);
  }
  [[nodiscard]] constexpr double operator()(double z) const { return at({detail::unit(z)}); }
  [[nodiscard]] constexpr double at(const detail::position& z) const { return elementary::pow(detail::read(inner_, z), exponent_); }
  friend bool operator==(const powered&, const powered&) = default;

 private:
  double exponent_;
  P inner_;
};

/// The inner profile over bent progress: rho = P(z^exponent). An exponent above 1 holds the rate longer ("k-decay").
/// @par Source
/// Zhang, Li, "k-decay: A New Method for Learning Rate Schedule", 2020, arXiv 2004.05909.
template <profile P>
class bent {
 public:
  /// @throws std::invalid_argument unless exponent is finite and > 0
  constexpr bent(double exponent, P inner) : exponent_(exponent), inner_(inner) {
    check_positive("gavel::schedule::bent", "exponent", exponent);
  }
  [[nodiscard]] constexpr double operator()(double z) const { return at({detail::unit(z)}); }
  [[nodiscard]] constexpr double at(const detail::position& z) const {
    const double bend = elementary::pow(z.value, exponent_);
    if (!(z.value > 0.0)) return detail::read(inner_, {bend});
    const double error = bend * (exponent_ * z.part_error(1.0) / z.value + 0x1p-50);  // of the place and of the power
    return detail::read(inner_, {bend, error});
  }
  friend bool operator==(const bent&, const bent&) = default;

 private:
  double exponent_;
  P inner_;
};

/// The parts of `wsd`.
struct wsd_options {
  double warmup = 0.0;  ///< share of the run that rises, in [0, 1)
  double decay = 0.2;   ///< share of the run that falls at the end, in [0, 1]; warmup + decay <= 1

  friend bool operator==(const wsd_options&, const wsd_options&) = default;
};

/// Warm-up, stable, decay: a rise, a constant phase, and a cooldown of any shape over the last part.
/// @par Source
/// Hu et al., "MiniCPM", 2024, arXiv 2404.06395; Haegele et al., 2024, arXiv 2405.18392, for the shape 1 - sqrt(z).
template <profile Cooldown = linear, profile Rise = linear>
class wsd {
 public:
  /// @throws std::invalid_argument for an option outside its range
  constexpr explicit wsd(const wsd_options& options = {}, Cooldown cooldown = Cooldown{}, Rise rise = Rise{})
      : warmup_(options.warmup), decay_at_(1.0 - options.decay), decay_(1.0 - decay_at_), cooldown_(cooldown), rise_(rise) {
    constexpr const char* function = "gavel::schedule::wsd";
    check_unit_interval(function, "warmup", options.warmup, unit_ends::zero_only);
    check_unit_interval(function, "decay", options.decay);
    check_at_most(function, "warmup + decay", options.warmup + options.decay, 1.0 + detail::share_tolerance);
  }
  [[nodiscard]] constexpr double operator()(double z) const { return at({detail::unit(z)}); }
  [[nodiscard]] constexpr double at(const detail::position& z) const {
    if (z.before(warmup_)) return detail::rise(rise_, z.within(0.0, warmup_));
    // 1 - decay is rounded, knee's after two more differences: a step that stands on it would be the first below 1, with 1 - sqrt by 4e-8.
    if (z.value - decay_at_ <= z.error + 0x1p-50) return 1.0;
    return detail::read(cooldown_, z.within(decay_at_, decay_));
  }
  friend bool operator==(const wsd&, const wsd&) = default;

 private:
  double warmup_;
  double decay_at_;
  double decay_;  // 1 - decay_at_ as rounded, so that the end is reached exactly
  Cooldown cooldown_;
  Rise rise_;
};
wsd() -> wsd<>;

/// The parts of `knee`.
struct knee_options {
  double warmup = 0.0;   ///< share of the run that rises, in [0, 1)
  double explore = 0.5;  ///< share at the peak, >= 0; warmup + explore <= 1

  friend bool operator==(const knee_options&, const knee_options&) = default;
};

/// The knee schedule: a rise, an exploration at the peak, then a linear fall to 0 over all that is left.
/// @throws std::invalid_argument for an option outside its range
/// @par Source
/// Iyer et al., "Wide-minima Density Hypothesis and the Explore-Exploit Learning Rate Schedule", 2020, arXiv 2003.03977.
[[nodiscard]] constexpr wsd<> knee(const knee_options& options) {
  constexpr const char* function = "gavel::schedule::knee";
  check_unit_interval(function, "warmup", options.warmup, unit_ends::zero_only);
  if (!(options.explore >= 0.0 && options.warmup + options.explore <= 1.0 + detail::share_tolerance)) {
    refuse(function, "explore", options.explore, "must be in [0, 1 - warmup], and warmup is", options.warmup);
  }
  const double left = 1.0 - options.warmup - options.explore;
  return wsd<>({.warmup = options.warmup, .decay = left > detail::share_tolerance ? left : 0.0});
}

}  // namespace gavel::schedule
