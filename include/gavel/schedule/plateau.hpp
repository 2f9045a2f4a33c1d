// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/schedule/rate_schedule.hpp>

#include <cstdint>

/// @file
/// A rate that is lowered when a metric has stopped improving: it depends on what was measured, not on the step.

namespace gavel::schedule {

/// Which way a metric improves.
enum class plateau_goal {
  minimize,  ///< smaller is better: a loss
  maximize   ///< larger is better: an accuracy
};

/// How an improvement is measured against the best metric so far.
enum class plateau_threshold {
  relative,        ///< better than best by more than threshold |best|
  absolute,        ///< better than best by more than threshold
  signed_relative  ///< beyond best (1 - threshold), or best (1 + threshold) when maximising: of a best < 0, slightly worse ones too, upstream
};

/// Settings of `plateau`; the defaults are PyTorch's but for `least_change`, which is absolute there (`least_absolute_change`).
struct plateau_options {
  plateau_goal goal = plateau_goal::minimize;  ///< which way the metric improves
  double factor = 0.1;                         ///< what the rate is multiplied by, in [0, 1)
  std::uint64_t patience = 10;                 ///< readings in a row without improvement that are forgiven
  double threshold = 1e-4;                     ///< least improvement that counts, finite, >= 0; relative minimising: < 1
  plateau_threshold threshold_mode = plateau_threshold::relative;  ///< how it is measured
  std::uint64_t cooldown = 0;                                      ///< readings after a reduction that are not counted against it
  double minimum_rate = 0.0;                                       ///< the rate never goes below this, in [0, base rate]
  double least_change = 1e-8;          ///< as a share of the rate: a smaller reduction is not made; finite, >= 0
  double least_absolute_change = 0.0;  ///< the same as a rate, PyTorch's eps: with 1e-8 a rate of 1e-8 sticks; finite, >= 0

  friend bool operator==(const plateau_options&, const plateau_options&) = default;
};

/// All that changes in a `plateau`: store it with a checkpoint, give it to `restore`.
struct plateau_state {
  double rate = 0.0;                ///< the current rate
  double best = 0.0;                ///< best metric so far; before the first, the infinity that any metric improves on
  std::uint64_t bad_readings = 0;   ///< readings in a row without improvement
  std::uint64_t cooldown_left = 0;  ///< readings still forgiven after the last reduction

  friend bool operator==(const plateau_state&, const plateau_state&) = default;
};

/// Lowers the rate by a factor once a metric has not improved for more than `patience` readings, as PyTorch's
/// `ReduceLROnPlateau` does. Each reading m is an improvement if it beats `best` by the threshold; then it becomes `best` and the count of bad
/// readings starts anew, otherwise the count grows. During a cooldown the count is held at 0. When it exceeds `patience`, the rate becomes
/// max(rate factor, minimum_rate) if that lowers it by more than the least change, and a cooldown begins in either case.
///
/// To lower another schedule, start at `base_rate` 1 and multiply: `schedule.rate(t) * plateau.rate()`. A value: copy, compare, resume; so a
/// `product` or `sequence` made of it keeps the copy it was given, and does not see later readings.
///
/// Where patience p counts the reading that lowers the rate too, it is one more than here:
///
///     pytorch::reduce_lr_on_plateau({.base_lr = lr, .patience = p})  // PyTorch to the bit: the same p, its thresholds
///     // Keras' ReduceLROnPlateau, p >= 1; its cooldown c counts one reading more too:
///     plateau(lr, {.patience = p - 1, .threshold = min_delta, .threshold_mode = plateau_threshold::absolute, .cooldown = c > 0 ? c - 1 : 0})
///     // optax' contrib.reduce_on_plateau, p >= 1, atol = 0; it multiplies the updates:
///     plateau(1.0, {.patience = p - 1, .threshold = rtol, .threshold_mode = plateau_threshold::signed_relative, .cooldown = c})
///
/// @note Departs from PyTorch where that is silent: a NaN metric is refused (there it is a bad reading), and so are a `minimum_rate` above
/// the base rate and options out of range. A relative threshold is a share of |best|: PyTorch's, of best, never finds a plateau of a metric
/// below 0. Infinite metrics compare as numbers: when minimising, infinity is a bad reading and -infinity a best one that nothing improves on.
/// @par Source
/// PyTorch, `torch.optim.lr_scheduler.ReduceLROnPlateau`, not changed since 1.13. Keras 3.16, `ReduceLROnPlateau`; optax
/// 0.2.8, `contrib.reduce_on_plateau`.
class plateau {
 public:
  /// @param base_rate the rate until the first reduction, finite, >= 0
  /// @throws std::invalid_argument for a rate or an option outside its range; std::domain_error if one is NaN
  constexpr explicit plateau(double base_rate, const plateau_options& options = {}) : options_(options), state_{base_rate, worst(), 0, 0} {
    constexpr const char* function = "gavel::schedule::plateau";
    check_not_negative(function, "base_rate", base_rate);
    check_unit_interval(function, "factor", options.factor, unit_ends::zero_only);
    check_not_negative(function, "threshold", options.threshold);
    if (options.threshold_mode != plateau_threshold::absolute && minimizes() && !(options.threshold < 1.0)) {
      refuse(function, "threshold", options.threshold, "must be < 1 relative to a minimum");
    }
    detail::check_minimum(function, "minimum_rate", options.minimum_rate, "base_rate", base_rate);
    check_not_negative(function, "least_change", options.least_change);
    check_not_negative(function, "least_absolute_change", options.least_absolute_change);
  }

  /// Reads one metric, as a rule once per validation.
  /// @param metric anything but NaN
  /// @return whether the rate was lowered
  /// @throws std::domain_error for NaN; nothing is changed then
  /// @note O(1); no allocation.
  constexpr bool update(double metric) {
    check_not_nan("gavel::schedule::plateau::update", "metric", metric);
    if (improves(metric)) {
      state_.best = metric;
      state_.bad_readings = 0;
    } else {
      ++state_.bad_readings;
    }
    if (state_.cooldown_left > 0) {
      --state_.cooldown_left;
      state_.bad_readings = 0;
    }
    if (state_.bad_readings <= options_.patience) return false;
    state_.bad_readings = 0;
    state_.cooldown_left = options_.cooldown;
    return reduce();
  }

  /// The current rate.
  [[nodiscard]] constexpr double rate() const noexcept { return state_.rate; }
  /// The current rate whatever the step: as `rate_schedule` asks.
  [[nodiscard]] constexpr double rate(std::uint64_t /*step*/) const noexcept { return state_.rate; }

  [[nodiscard]] constexpr const plateau_state& state() const noexcept { return state_; }
  [[nodiscard]] constexpr const plateau_options& options() const noexcept { return options_; }

  /// Continues from a stored state.
  /// @throws std::invalid_argument if its rate is negative or infinite, std::domain_error if it or the best metric is NaN; nothing changes then
  constexpr void restore(const plateau_state& state) {
    constexpr const char* function = "gavel::schedule::plateau::restore";
    check_not_negative(function, "state.rate", state.rate);
    check_not_nan(function, "state.best", state.best);
    state_ = state;
  }

  friend bool operator==(const plateau&, const plateau&) = default;

 private:
  [[nodiscard]] constexpr bool minimizes() const noexcept { return options_.goal == plateau_goal::minimize; }
  [[nodiscard]] constexpr double worst() const noexcept { return minimizes() ? infinity : -infinity; }

  [[nodiscard]] constexpr bool improves(double metric) const noexcept {
    const double best = state_.best;
    const double step = minimizes() ? -options_.threshold : options_.threshold;  // towards better
    double bound = best + step;
    if (options_.threshold_mode != plateau_threshold::absolute && best > -infinity && best < infinity) {
      bound = best * (best < 0.0 && options_.threshold_mode == plateau_threshold::relative ? 1.0 - step : 1.0 + step);
    }
    return minimizes() ? metric < bound : metric > bound;
  }

  constexpr bool reduce() noexcept {
    const double scaled = state_.rate * options_.factor;
    const double lowered = scaled > options_.minimum_rate ? scaled : options_.minimum_rate;
    const double share = options_.least_change * state_.rate;
    if (!(state_.rate - lowered > (share > options_.least_absolute_change ? share : options_.least_absolute_change))) return false;
    state_.rate = lowered;
    return true;
  }

  plateau_options options_;
  plateau_state state_;
};

}  // namespace gavel::schedule
