// SPDX-License-Identifier: MIT
#pragma once

#include "schedule/support/workloads.hpp"

#include <gavel/core/moments.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <numeric>
#include <span>
#include <string>
#include <thread>
#include <vector>

/// @file
/// Every schedule in every setting, each at its own best base rate, and what the losses say: ranks, distance to the best, paired
/// differences with their standard errors.

namespace examples {

struct comparison_options {
  std::vector<double> budgets{1, 5, 10, 25, 50, 100};  ///< percent of a full run
  std::size_t seeds = 10;                              ///< runs that are reported
  std::size_t tuning_seeds = 5;                        ///< runs per base rate that choose it, with other seeds
  std::uint64_t seed = 1;
  std::size_t threads = 1;
};

/// One schedule in one setting.
struct outcome {
  double base_rate = 0.0;
  std::vector<double> losses;  ///< [seeds] on the test split

  [[nodiscard]] gavel::moments moments() const {
    gavel::moments all;
    for (const double loss : losses) all.add(loss);
    return all;
  }
  [[nodiscard]] double mean() const { return moments().center; }
};

/// A workload, its optimiser and a budget.
struct setting {
  const workload* work = nullptr;
  double percent = 100.0;
  std::uint64_t steps = 1;
  std::vector<outcome> outcomes;  ///< [schedules]

  /// Ranks from 1; equal losses share the mean of their ranks.
  [[nodiscard]] std::vector<double> ranks() const {
    std::vector<double> result;
    for (const outcome& one : outcomes) {
      double below = 0.0, equal = 0.0;
      for (const outcome& other : outcomes) {
        below += other.mean() < one.mean() ? 1.0 : 0.0;
        equal += other.mean() == one.mean() ? 1.0 : 0.0;
      }
      result.push_back(below + 0.5 * (equal + 1.0));
    }
    return result;
  }
  [[nodiscard]] double least() const {
    double result = outcomes.front().mean();
    for (const outcome& one : outcomes) result = (std::min)(result, one.mean());
    return result;
  }
  /// How far a schedule is above the best one, as a share of the best loss.
  [[nodiscard]] double excess(std::size_t schedule) const { return outcomes[schedule].mean() / least() - 1.0; }
};

/// A loss that a diverged run has instead of infinity, so that means stay numbers: that of a run that learnt nothing, many times over.
inline constexpr double diverged_loss = 1e6;

[[nodiscard]] inline std::vector<double> losses(const workload& work, const schedule_choice& choice, training_run run, std::size_t seeds) {
  std::vector<double> result;
  for (std::size_t s = 0; s < seeds; ++s) {
    if (s > 0 && work.exact) {
      result.push_back(result.front());
      continue;
    }
    result.push_back((std::min)(work.loss(choice, run), diverged_loss));
    ++run.seed;
  }
  return result;
}

/// The best base rate on the grid first_rate * ratio^k, which reaches four powers of ten to either side: walks downhill until the two nearest
/// on both sides are no better, so that noise in one of them does not end the walk. Validation split, tuning seeds.
[[nodiscard]] inline double tuned_rate(const workload& work, const schedule_choice& choice, training_run run, std::size_t seeds) {
  const int farthest = static_cast<int>(std::ceil(std::log(1e4) / std::log(work.rate_ratio)));
  std::map<int, double> known;
  const auto rate_at = [&](int k) { return work.first_rate * std::pow(work.rate_ratio, k); };
  const auto loss_at = [&](int k) {
    if (std::abs(k) > farthest || (!choice.averaged && rate_at(k) > work.highest_rate)) return std::numeric_limits<double>::infinity();
    if (const auto found = known.find(k); found != known.end()) return found->second;
    run.base_rate = rate_at(k);
    const std::vector<double> each = losses(work, choice, run, work.exact ? 1 : seeds);
    return known[k] = std::accumulate(each.begin(), each.end(), 0.0) / static_cast<double>(each.size());
  };
  int best = 0;
  for (;;) {
    const double here = loss_at(best);
    int next = best;
    if (here >= diverged_loss) {
      next = (std::max)(best - 1, -farthest);
    } else {
      for (const int near : {best - 1, best + 1, best - 2, best + 2}) {
        if (next == best && loss_at(near) < here) next = near;
      }
    }
    if (next == best) return rate_at(best);
    best = next;
  }
}

/// Trains everything. Each pair of setting and schedule is one task that depends on the options alone, so the number of threads changes
/// nothing but the time; all schedules meet the same initial parameters and the same batches.
/// @param progress called with the tasks done and all tasks, from one thread at a time
template <class Progress>
[[nodiscard]] std::vector<setting> compare_schedules(const std::vector<workload>& works, const std::vector<schedule_choice>& choices,
                                                     const comparison_options& options, Progress&& progress) {
  std::vector<setting> settings;
  for (const workload& work : works) {
    for (const double percent : options.budgets) {
      const double steps = std::round(static_cast<double>(work.full_steps) * percent / 100.0);
      settings.push_back({&work, percent, static_cast<std::uint64_t>((std::max)(steps, 1.0)), std::vector<outcome>(choices.size())});
    }
  }
  std::vector<std::size_t> tasks(settings.size() * choices.size());
  std::iota(tasks.begin(), tasks.end(), std::size_t{0});
  std::stable_sort(tasks.begin(), tasks.end(), [&](std::size_t a, std::size_t b) {  // long ones first, so that no thread ends late
    return settings[a / choices.size()].steps > settings[b / choices.size()].steps;
  });
  const auto run_task = [&](std::size_t task) {
    setting& where = settings[task / choices.size()];
    const schedule_choice& choice = choices[task % choices.size()];
    outcome& result = where.outcomes[task % choices.size()];
    constexpr std::uint64_t tuning = 1'000'000;  // far from the reported seeds
    training_run run{.steps = where.steps, .seed = options.seed * 2 * tuning + tuning};
    result.base_rate = tuned_rate(*where.work, choice, run, options.tuning_seeds);
    run = {.steps = where.steps, .base_rate = result.base_rate, .seed = options.seed * 2 * tuning, .held_out = true};
    result.losses = losses(*where.work, choice, run, options.seeds);
  };
  std::atomic<std::size_t> next{0};
  std::size_t done = 0;
  std::mutex reporting;
  const auto work_off = [&] {
    for (std::size_t i = next++; i < tasks.size(); i = next++) {
      run_task(tasks[i]);
      const std::lock_guard lock(reporting);
      progress(++done, tasks.size());
    }
  };
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < options.threads; ++i) others.emplace_back(work_off);
  work_off();
  others.clear();  // joins
  return settings;
}

/// A mean and its standard error.
struct estimate {
  double value = 0.0;
  double error = 0.0;
  [[nodiscard]] bool beyond_noise() const noexcept { return std::fabs(value) > 2.0 * error; }
};

[[nodiscard]] inline estimate estimate_of(const gavel::moments& all) {
  return {all.mean().value_or(0.0), all.standard_error().value_or(0.0)};
}

/// loss(a) - loss(b) with the same seeds.
[[nodiscard]] inline estimate paired_difference(const setting& where, std::size_t a, std::size_t b) {
  gavel::moments all;
  for (std::size_t s = 0; s < where.outcomes[a].losses.size(); ++s) all.add(where.outcomes[a].losses[s] - where.outcomes[b].losses[s]);
  return estimate_of(all);
}

/// The same as a share of b's loss and averaged over settings. Settings that share a seed are not independent, so the standard error is
/// that of the average of each seed: it covers the seeds, not the choice of the workloads.
[[nodiscard]] inline estimate relative_difference(std::span<const setting> settings, std::size_t a, std::size_t b) {
  gavel::moments all;
  if (settings.empty()) return {};
  for (std::size_t s = 0; s < settings.front().outcomes[a].losses.size(); ++s) {
    double sum = 0.0;
    for (const setting& where : settings) {
      sum += (where.outcomes[a].losses[s] - where.outcomes[b].losses[s]) / where.outcomes[b].mean();
    }
    all.add(sum / static_cast<double>(settings.size()));
  }
  return estimate_of(all);
}

/// What one schedule did in all settings.
struct summary {
  std::size_t schedule = 0;
  estimate rank;                     ///< mean over settings, with the standard error over settings
  double mean_excess = 0.0;          ///< over the best schedule of each setting
  double worst_excess = 0.0;         ///< the largest one
  const setting* worst = nullptr;    ///< where
  std::size_t firsts = 0;            ///< settings in which it is the best
  estimate minus_rex, minus_linear;  ///< relative paired differences
};

/// All schedules, best mean rank first.
[[nodiscard]] inline std::vector<summary> summarize(std::span<const setting> settings, std::size_t rex, std::size_t linear) {
  std::vector<summary> all(settings.front().outcomes.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    summary& one = all[i];
    one.schedule = i;
    gavel::moments ranks;
    for (const setting& where : settings) {
      ranks.add(where.ranks()[i]);
      const double excess = where.excess(i);
      one.mean_excess += excess / static_cast<double>(settings.size());
      if (one.worst == nullptr || excess > one.worst_excess) {
        one.worst_excess = excess;
        one.worst = &where;
      }
      if (excess == 0.0) ++one.firsts;
    }
    one.rank = estimate_of(ranks);
    one.minus_rex = relative_difference(settings, i, rex);
    one.minus_linear = relative_difference(settings, i, linear);
  }
  std::stable_sort(all.begin(), all.end(), [](const summary& a, const summary& b) { return a.rank.value < b.rank.value; });
  return all;
}

}  // namespace examples
