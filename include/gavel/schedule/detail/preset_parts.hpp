// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/elementary.hpp>
#include <gavel/schedule/horizon_free.hpp>
#include <gavel/schedule/sequence.hpp>

#include <cstddef>
#include <cstdint>

/// @file
/// The few parts that upstream libraries need and that no native schedule is: reading ahead, a constant added, two-sided limits, a power decay
/// that is exact to its last step, milestones that may stand twice.

namespace gavel::schedule::detail {

/// The inner schedule read @p by steps ahead: what a phase counts that starts at step `by` without starting anew.
template <rate_schedule S>
class ahead {
 public:
  constexpr ahead(std::uint64_t by, S inner) : by_(by), inner_(inner) {}
  [[nodiscard]] constexpr double rate(std::uint64_t step) const {
    constexpr std::uint64_t last = ~std::uint64_t{0};
    return inner_.rate(step < last - by_ ? step + by_ : last);
  }
  friend bool operator==(const ahead&, const ahead&) = default;

 private:
  std::uint64_t by_;
  S inner_;
};

/// The inner schedule plus a constant: base + rate.
template <rate_schedule S>
class raised {
 public:
  constexpr raised(double base, S inner) : base_(base), inner_(inner) {}
  [[nodiscard]] constexpr double rate(std::uint64_t step) const { return base_ + inner_.rate(step); }
  friend bool operator==(const raised&, const raised&) = default;

 private:
  double base_;
  S inner_;
};

/// The inner schedule kept within [low, high].
template <rate_schedule S>
class limited {
 public:
  constexpr limited(double low, double high, S inner) : low_(low), high_(high), inner_(inner) {}
  [[nodiscard]] constexpr double rate(std::uint64_t step) const {
    const double inner = inner_.rate(step);
    return inner < low_ ? low_ : inner > high_ ? high_ : inner;
  }
  friend bool operator==(const limited&, const limited&) = default;

 private:
  double low_;
  double high_;
  S inner_;
};

/// Parameters of `power_decay`.
struct power_decay_options {
  double from = 1.0;
  double to = 0.0;
  std::uint64_t steps = 1;
  double power = 1.0;

  friend bool operator==(const power_decay_options&, const power_decay_options&) = default;
};

/// to + (from - to) ((steps - t) / steps)^power, and `to` from step `steps` on. The share left is a quotient of whole numbers: unlike 1 - t/T
/// it loses nothing in the last steps of a long run.
class power_decay {
 public:
  constexpr explicit power_decay(const power_decay_options& options) : options_(options) {}
  [[nodiscard]] constexpr double rate(std::uint64_t step) const noexcept {
    if (step >= options_.steps) return options_.to;
    const double left = real(options_.steps - step) / real(options_.steps);
    return options_.to + (options_.from - options_.to) * (options_.power == 1.0 ? left : elementary::pow(left, options_.power));
  }
  [[nodiscard]] constexpr std::uint64_t steps() const noexcept { return options_.steps; }
  friend bool operator==(const power_decay&, const power_decay&) = default;

 private:
  power_decay_options options_;
};

/// base factor^(number of milestones <= t + early) as a piecewise constant; milestones may stand twice but not decrease.
[[nodiscard]] constexpr piecewise_constant multi_step(const char* function, const char* parameter, double base, double factor,
                                                      const piecewise_constant::step_list& milestones, std::uint64_t early = 0) {
  std::uint64_t boundaries[max_milestones] = {};
  double rates[max_milestones + 1] = {base};
  std::size_t count = 0;
  check_not_descending(function, parameter, milestones);
  for (std::size_t i = 0; i < milestones.size(); ++i) {
    const std::uint64_t boundary = milestones[i] < early ? 0 : milestones[i] - early;
    if (count == 0 || boundary != boundaries[count - 1]) boundaries[count++] = boundary;
    rates[count] = base * elementary::pow(factor, real(i + 1));
  }
  return {vector_view<const std::uint64_t>(boundaries, count), vector_view<const double>(rates, count + 1)};
}

}  // namespace gavel::schedule::detail
