// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/schedule/profile.hpp>

#include <concepts>
#include <cstdint>

/// @file
/// From a step to the progress at which a profile is read: a convention says where in the run step t of T stands, a sampling rate says when
/// the profile is read again; between reads the rate is held.
///
/// | convention  | z(t)          | first | last used step | used by |
/// |-------------|---------------|-------|----------------|---------|
/// | `left`      | t / T         | 0     | 1 - 1/T        | PyTorch, transformers, optax, Keras |
/// | `right`     | (t+1) / T     | 1/T   | 1              | transformers' `cosine_warmup_with_min_lr` |
/// | `inclusive` | t / (T-1)     | 0     | 1              | PyTorch's OneCycleLR |
/// | `interior`  | (t+1) / (T+1) | > 0   | < 1            | neither a wasted first step nor a wasted last one |
///
/// @par Source
/// Sampling rates: Chen, Wolfe, Kyrillidis, MLSys 2022, arXiv 2107.04197, section 3.

namespace gavel::schedule {

/// Step counts are exact in double up to here, so progress is too.
inline constexpr std::uint64_t max_steps = std::uint64_t{1} << 53;

namespace detail {

/// A step count at most `max_steps`; the signed conversion is one instruction where the unsigned one is several.
[[nodiscard]] constexpr double real(std::uint64_t count) noexcept { return static_cast<double>(static_cast<std::int64_t>(count)); }

}  // namespace detail

/// Step t stands at the left end of its interval, t / T.
struct left {
  [[nodiscard]] constexpr double operator()(double step, double steps) const noexcept { return step / steps; }
  friend bool operator==(const left&, const left&) = default;
};

/// At the right end, (t + 1) / T.
struct right {
  [[nodiscard]] constexpr double operator()(double step, double steps) const noexcept { return detail::unit((step + 1.0) / steps); }
  friend bool operator==(const right&, const right&) = default;
};

/// From 0 to 1 inclusive, t / (T - 1); a run of one step stands at 0.
struct inclusive {
  [[nodiscard]] constexpr double operator()(double step, double steps) const noexcept {
    return steps > 1.0 ? detail::unit(step / (steps - 1.0)) : step < 1.0 ? 0.0 : 1.0;
  }
  friend bool operator==(const inclusive&, const inclusive&) = default;
};

/// Strictly inside, (t + 1) / (T + 1).
struct interior {
  [[nodiscard]] constexpr double operator()(double step, double steps) const noexcept { return (step + 1.0) / (steps + 1.0); }
  friend bool operator==(const interior&, const interior&) = default;
};

/// The profile is read at every step.
struct every_step {
  template <class Convention>
  [[nodiscard]] constexpr double progress(std::uint64_t step, std::uint64_t steps, const Convention& convention) const noexcept {
    return convention(detail::real(step), detail::real(steps));
  }
  friend bool operator==(const every_step&, const every_step&) = default;
};

/// The profile is read at the multiples of @p period: steps per epoch gives a scheduler per epoch, T/20 "every 5 %".
class every {
 public:
  /// @throws std::invalid_argument if period is 0
  constexpr explicit every(std::uint64_t period) : period_(period) { check_at_least("gavel::schedule::every", "period", period, 1); }
  template <class Convention>
  [[nodiscard]] constexpr double progress(std::uint64_t step, std::uint64_t steps, const Convention& convention) const noexcept {
    return convention(detail::real(step / period_ * period_), detail::real(steps));
  }
  friend bool operator==(const every&, const every&) = default;

 private:
  std::uint64_t period_;
};

/// The profile is read at 0 and where progress passes a milestone: z = max{0, m_i <= z(t)}. `milestones{0.5, 0.75}` is "50-75".
class milestones {
 public:
  using list = milestone_list<double>;
  /// @param points progresses in [0, 1], not decreasing
  /// @throws std::invalid_argument otherwise, or for more than `max_milestones`; std::domain_error for NaN
  constexpr milestones(const list& points) : points_(points) { detail::check_milestones("gavel::schedule::milestones", points); }
  constexpr milestones(std::initializer_list<double> points) : milestones(list(points)) {}
  template <class Convention>
  [[nodiscard]] constexpr double progress(std::uint64_t step, std::uint64_t steps, const Convention& convention) const noexcept {
    const double reached = convention(detail::real(step), detail::real(steps));
    double held = 0.0;
    for (const double point : points_) {
      if (point > reached) break;
      held = point;
    }
    return held;
  }
  friend bool operator==(const milestones&, const milestones&) = default;

 private:
  list points_;
};

/// Maps a step count and a total to progress.
template <class C>
concept progress_convention = std::copy_constructible<C> && requires(const C& convention, double step) {
  { convention(step, step) } -> std::same_as<double>;
};

/// Says at which progress the profile was last read when step t of T runs.
template <class S>
concept sampling_rate = std::copy_constructible<S> && requires(const S& sampling, std::uint64_t step, const left& convention) {
  { sampling.progress(step, step, convention) } -> std::same_as<double>;
};

}  // namespace gavel::schedule
