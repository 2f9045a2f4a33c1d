// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/ordering.hpp>
#include <gavel/core/views.hpp>
#include <gavel/schedule/rate_schedule.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

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

/// Which lines of a log count, by ascending step. Of a step that stands more than once the last line does: a run that was resumed from a
/// checkpoint has trained the steps after it again, and its log goes on from there. Steps that were logged only before it was resumed still
/// count: where a resumed run logs at other steps than before, cut the old lines off at the checkpoint first.
/// @param steps `[n]`, in the order they were logged
/// @return the places in @p steps, one for each step that there is
/// @note O(n) where steps ascend, else O(n log n).
[[nodiscard]] inline std::vector<std::size_t> last_readings(vector_view<const std::uint64_t> steps) {
  std::vector<std::size_t> places(steps.size());
  bool ascending = true;
  for (std::size_t i = 0; i < places.size(); ++i) {
    places[i] = i;
    ascending = ascending && (i == 0 || steps[i - 1] < steps[i]);
  }
  if (ascending) return places;
  sort_values(places.data(), places.size(),
              [&](std::size_t a, std::size_t b) { return steps[a] != steps[b] ? steps[a] < steps[b] : a < b; });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (i + 1 == places.size() || steps[places[i]] != steps[places[i + 1]]) places[kept++] = places[i];
  }
  places.resize(kept);
  return places;
}

/// Learning rates logged now and then instead of at every step. A view: the log outlives it (a temporary does not compile).
///
/// Steps before the first line have its rate, so a log whose warm-up is cut off follows the warm-up rule by itself. The areas of a gap
/// between two lines are exact for the chosen interpolation and cost O(log gap).
struct rate_log {
  /// `[n]`, strictly ascending (see `last_readings`), n >= 1; below 2^64 - 1, so that steps can be counted
  kept_view<const std::uint64_t> steps;
  kept_view<const double> rates;  ///< `[n]`, finite, >= 0
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
struct loss_prediction_options {
  std::uint64_t warmup_steps = 0;  ///< W: steps 0..W count with the rate of step W, as in the fit; 0: no warm-up

  friend bool operator==(const loss_prediction_options&, const loss_prediction_options&) = default;
};

namespace detail {

/// A source with the warm-up rule: steps 0..W have the rate of step W.
template <class R>
class source_reader {
 public:
  static constexpr bool is_log = std::same_as<R, rate_log>;
  static constexpr bool is_table = !rate_schedule<R>;

  /// @param function for messages
  /// @param source borrowed
  source_reader(const char* function, const R& source, std::uint64_t warmup_steps)
      : function_(function), source_(source), warmup_(warmup_steps) {
    if constexpr (is_table) {
      const vector_view<const double> table(source);
      check_at_least(function, "rates.size()", table.size(), 1);
      last_ = table.size() - 1;
    }
    if constexpr (is_log) check_log();
    check_at_most(function, "warmup_steps", warmup_, "the last step of the rates,", last_);
    peak_ = raw(warmup_);
    check_not_negative(function, "rates", peak_, warmup_);
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
    check_not_negative(function_, "rates", now, step);
    return now;
  }
  /// Refuses a bad rate up to @p step before anything is written.
  void check_rates(std::uint64_t step) const {
    if constexpr (!is_log) {  // a log was checked whole
      for (std::uint64_t i = warmup_; i <= step; ++i) check_not_negative(function_, "rates", raw(i), i);
    }
  }

 private:
  [[nodiscard]] double raw(std::uint64_t step) const {
    if constexpr (is_table) return vector_view<const double>(source_)[step];
    else return static_cast<double>(source_.rate(step));
  }
  void check_log() {
    const rate_log& log = source_;
    check_at_least(function_, "rates.steps.size()", log.steps.size(), 1);
    check_size(function_, "rates.rates.size()", log.rates.size(), "rates.steps.size()", log.steps.size());
    check_ascending(function_, "rates.steps", log.steps);
    for (std::size_t k = 0; k < log.rates.size(); ++k) check_not_negative(function_, "rates.rates", log.rates[k], k);
    const std::size_t end = log.steps.size() - 1;
    check_at_most(function_, "rates.steps", log.steps[end], "2^64 - 2 =", last_, end);
    last_ = log.steps[end];
  }

  const char* function_;
  const R& source_;
  std::uint64_t warmup_;
  std::uint64_t last_ = (std::numeric_limits<std::uint64_t>::max)() - 1;
  double peak_ = 0.0;
};

/// A loss of the warm-up is no point of a law whose warm-up counts at the peak.
inline void check_after_warmup(const char* function, vector_view<const std::uint64_t> steps, std::uint64_t warmup_steps) {
  if (!steps.empty() && steps[0] < warmup_steps) {
    refuse(function, "steps", steps[0], "must leave out losses of the warm-up, >= warmup_steps", warmup_steps, 0);
  }
}

/// Strictly ascending and known to the source.
inline void check_read_steps(const char* function, vector_view<const std::uint64_t> steps, std::uint64_t last) {
  check_ascending(function, "steps", steps);
  if (steps.empty()) return;
  const std::size_t end = steps.size() - 1;
  check_at_most(function, "steps", steps[end], "the last step of the rates,", last, end);
}

}  // namespace detail

}  // namespace gavel::schedule
