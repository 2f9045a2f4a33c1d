// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/error.hpp>
#include <gavel/core/views.hpp>
#include <gavel/schedule/rate_schedule.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>

/// @file
/// Where the laws that predict losses take learning rates from: a schedule, a table with the rate of every step, or a log that names some
/// steps only. One rule for the warm-up serves all of them: steps 0..W count with the rate of step W, whatever they were trained with, for a
/// rise from 0 is not negative annealing.
/// @par Source
/// Tissue, Wang, Wang, "Scaling Law with Learning Rate Annealing", 2024, arXiv 2408.11029: the rule for the warm-up.

namespace gavel::schedule {

/// What a log does not say about the steps between two of its lines.
enum class rate_interpolation {
  constant,  ///< the rate stays what it was at the last line
  linear     ///< the rate runs straight from line to line
};

/// Learning rates logged now and then instead of at every step. A view: the log outlives it.
///
/// Steps before the first line have its rate, so a log whose warm-up is cut off follows the warm-up rule by itself. The areas of a gap
/// between two lines are exact for the chosen interpolation and cost O(log gap).
struct rate_log {
  vector_view<const std::uint64_t> steps;  ///< `[n]`, strictly ascending, n >= 1; below 2^64 - 1, so that steps can be counted
  vector_view<const double> rates;         ///< `[n]`, finite, >= 0
  rate_interpolation between = rate_interpolation::constant;

  /// The rate of any step: in between by interpolation, after the last line its rate. The log is not checked here.
  [[nodiscard]] double rate(std::uint64_t step) const noexcept {
    std::size_t k = 0, end = steps.size();  // the first line after `step`
    while (k < end) {
      const std::size_t middle = k + (end - k) / 2;
      if (steps[middle] <= step) k = middle + 1;
      else end = middle;
    }
    if (k == 0) return rates[0];
    if (k == steps.size() || between == rate_interpolation::constant) return rates[k - 1];
    const double z = static_cast<double>(step - steps[k - 1]) / static_cast<double>(steps[k] - steps[k - 1]);
    return rates[k - 1] + z * (rates[k] - rates[k - 1]);
  }
};

/// Where rates come from: a schedule with `rate(step)`, a sequence with the rate of every step from 0 on, or a `rate_log`.
template <class R>
concept rate_source = rate_schedule<R> || std::convertible_to<const R&, vector_view<const double>>;

/// How a schedule is read when its losses are predicted.
struct prediction_options {
  std::uint64_t warmup_steps = 0;  ///< W: steps 0..W count with the rate of step W, as in the fit; 0: no warm-up

  friend bool operator==(const prediction_options&, const prediction_options&) = default;
};

namespace detail {

[[nodiscard]] inline bool is_rate(double rate) noexcept { return rate >= 0.0 && rate <= (std::numeric_limits<double>::max)(); }

/// A source with the warm-up rule: steps 0..W have the rate of step W.
template <class R>
class source_reader {
 public:
  static constexpr bool is_log = std::same_as<R, rate_log>;
  static constexpr bool is_table = !rate_schedule<R>;

  /// @param function for messages  @param source borrowed
  source_reader(const char* function, const R& source, std::uint64_t warmup_steps)
      : function_(function), source_(source), warmup_(warmup_steps) {
    if constexpr (is_table) {
      const vector_view<const double> table(source);
      if (table.empty()) invalid_argument(function, "rates.size()", table.size(), "must be >= 1");
      last_ = table.size() - 1;
    }
    if constexpr (is_log) check_log();
    if (warmup_ > last_) invalid_argument(function, "warmup_steps", warmup_, "must be <= the last step of the rates,", last_);
    peak_ = raw(warmup_);
    check_rate(warmup_, peak_);
  }

  [[nodiscard]] const R& source() const noexcept { return source_; }
  [[nodiscard]] std::uint64_t warmup_steps() const noexcept { return warmup_; }
  /// The last step the source knows.
  [[nodiscard]] std::uint64_t last_step() const noexcept { return last_; }
  [[nodiscard]] double first_rate() const noexcept { return peak_; }
  /// The rate of a step, refused if it is none.
  [[nodiscard]] double rate(std::uint64_t step) const {
    if (step <= warmup_) return peak_;
    const double now = raw(step);
    check_rate(step, now);
    return now;
  }
  /// Refuses a bad rate up to @p step before anything is written.
  void check_rates(std::uint64_t step) const {
    if constexpr (!is_log) {  // a log was checked whole
      for (std::uint64_t i = warmup_; i <= step; ++i) check_rate(i, raw(i));
    }
  }

 private:
  [[nodiscard]] double raw(std::uint64_t step) const {
    if constexpr (is_table) return vector_view<const double>(source_)[step];
    else return static_cast<double>(source_.rate(step));
  }
  void check_rate(std::uint64_t step, double rate) const {
    if (!is_rate(rate)) domain_error_at(function_, "rates", step, rate, "must be finite and >= 0");
  }
  void check_log() {
    const rate_log& log = source_;
    if (log.steps.empty()) invalid_argument(function_, "rates.steps.size()", log.steps.size(), "must be >= 1");
    if (log.rates.size() != log.steps.size()) {
      invalid_argument(function_, "rates.rates.size()", log.rates.size(), "must equal rates.steps.size() =", log.steps.size());
    }
    for (std::size_t k = 0; k < log.steps.size(); ++k) {
      if (k > 0 && log.steps[k] <= log.steps[k - 1]) {
        invalid_argument_at(function_, "rates.steps", k, log.steps[k], "must be > its predecessor", log.steps[k - 1]);
      }
      if (!is_rate(log.rates[k])) domain_error_at(function_, "rates.rates", k, log.rates[k], "must be finite and >= 0");
    }
    const std::size_t end = log.steps.size() - 1;
    if (log.steps[end] > last_) invalid_argument_at(function_, "rates.steps", end, log.steps[end], "must be < 2^64 - 1");
    last_ = log.steps[end];
  }

  const char* function_;
  const R& source_;
  std::uint64_t warmup_;
  std::uint64_t last_ = (std::numeric_limits<std::uint64_t>::max)() - 1;
  double peak_ = 0.0;
};

/// Strictly ascending and known to the source.
inline void check_steps(const char* function, vector_view<const std::uint64_t> steps, std::uint64_t last) {
  for (std::size_t j = 0; j < steps.size(); ++j) {
    if (j > 0 && steps[j] <= steps[j - 1]) invalid_argument_at(function, "steps", j, steps[j], "must be > its predecessor", steps[j - 1]);
    if (steps[j] > last) invalid_argument_at(function, "steps", j, steps[j], "must be <= the last step of the rates,", last);
  }
}

}  // namespace detail

}  // namespace gavel::schedule
