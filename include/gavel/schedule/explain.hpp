// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/numerics.hpp>
#include <gavel/schedule/rate_schedule.hpp>

#include <cstdint>

/// @file
/// What a schedule does, as data: the rates at the steps where schedules go wrong (the first, the end of the warm-up, the last, the one after
/// it), the peak, the area, and how often the rate starts anew or is nothing.
/// @par Source
/// None but the schedule: it is read at every step. Why these steps: conventions differ there, see the table in sampling.hpp.

namespace gavel::schedule {

/// A rate and its step.
struct rate_at {
  std::uint64_t step = 0;
  double rate = 0.0;

  friend bool operator==(const rate_at&, const rate_at&) = default;
};

/// The answer of `explain`.
struct explanation {
  std::uint64_t steps = 0;       ///< T, the steps that were looked at
  rate_at first;                 ///< step 0: a warm-up from 0 wastes it
  rate_at warmup_end;            ///< the top of the rise from step 0: the first step with the largest rate before the rate falls for the
                                 ///< first time; 0 without a warm-up, the last stair where it rises in stairs
  rate_at peak;                  ///< the largest rate and the first step that has it
  rate_at last;                  ///< step T - 1, the last that trains: many schedules do not reach their minimum here
  rate_at end;                   ///< step T, held or never used
  double area = 0.0;             ///< sum of the rates of the steps 0..T-1
  double mean = 0.0;             ///< area / T
  std::uint64_t zero_steps = 0;  ///< steps that train with rate 0
  /// Steps whose rate is above 0 and below 2^-52 of the largest before them: what rounding leaves of a 0, as where a profile of your own misses
  /// the start of its next cycle. They train as little as a rate of 0 does.
  std::uint64_t nearly_zero_steps = 0;
  std::uint64_t restarts = 0;  ///< times the rate rises again after a fall: c - 1 for c cycles

  friend bool operator==(const explanation&, const explanation&) = default;
};

/// Looks at a schedule over @p steps steps.
/// @param schedule any schedule
/// @param steps    T, >= 1
/// @throws std::invalid_argument if steps is 0 or above 2^53
/// @note O(steps) rates; no allocation. The area is summed with compensation.
template <rate_schedule S>
[[nodiscard]] explanation explain(const S& schedule, std::uint64_t steps) {
  detail::check_steps("gavel::schedule::explain", "steps", steps);
  const auto at = [&](std::uint64_t step) { return rate_at{step, static_cast<double>(schedule.rate(step))}; };
  explanation result{.steps = steps, .first = at(0), .warmup_end = at(0), .peak = at(0), .last = at(steps - 1), .end = at(steps)};
  compensated_sum area;
  bool rising = true, falling = false;
  double before = result.first.rate;
  for (std::uint64_t t = 0; t < steps; ++t) {
    const double rate = static_cast<double>(schedule.rate(t));
    area += rate;
    if (rate == 0.0) ++result.zero_steps;
    else if (rate < 0x1p-52 * result.peak.rate) ++result.nearly_zero_steps;
    const bool rises = rate - before > 0x1p-50 * rate;  // by more than rounding
    if (falling && rises) ++result.restarts;
    falling = rate < before || (falling && !rises);
    before = rate;
    if (rate > result.peak.rate) result.peak = {t, rate};
    rising = rising && rate >= result.warmup_end.rate;
    if (rising && rate > result.warmup_end.rate) result.warmup_end = {t, rate};
  }
  result.area = area.value();
  result.mean = result.area / static_cast<double>(steps);
  return result;
}

/// The same over the schedule's own horizon, `schedule.steps()`.
/// @throws std::invalid_argument if that is 0 or above 2^53
/// @note O(steps) rates; no allocation.
template <finite_rate_schedule S>
[[nodiscard]] explanation explain(const S& schedule) {
  return explain(schedule, static_cast<std::uint64_t>(schedule.steps()));
}

}  // namespace gavel::schedule
