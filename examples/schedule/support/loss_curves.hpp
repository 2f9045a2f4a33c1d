// SPDX-License-Identifier: MIT
#pragma once

#include "schedule/data/published_curves.hpp"
#include "schedule/support/text_regression.hpp"
#include "support/csv_reader.hpp"

#include <gavel/core/philox.hpp>
#include <gavel/schedule/annealing_areas.hpp>
#include <gavel/schedule/profile.hpp>
#include <gavel/schedule/rate_schedule.hpp>
#include <gavel/schedule/rate_source.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// @file
/// Training curves to fit a law to: the published ones, logs of a user's own, and runs of a small model that is trained on the spot.

namespace examples {

struct loss_curve {
  std::string name;
  std::vector<double> rates;       ///< of every step from 0 to the last, the warm-up (steps 0..warmup_steps) entered at its peak
  std::uint64_t warmup_steps = 0;  ///< already in `rates`
  std::vector<std::uint64_t> steps;
  std::vector<double> losses;  ///< at `steps`, none during the warm-up
  /// What was read and is not fitted.
  struct left_out {
    std::size_t warmup = 0;      ///< losses of the warm-up
    std::size_t repeated = 0;    ///< readings of steps that were logged again later
    std::size_t non_finite = 0;  ///< rates and losses
    std::size_t thinned = 0;     ///< losses, to keep the fits short
  } skipped{};
};

/// A curve is thinned to so many losses: fits take time for each, and more of them determine five parameters no better.
inline constexpr std::size_t most_losses = 2000;

/// The rates of a profile after a warm-up, as the laws read them: steps 0..warmup at the peak, then down to the last step.
template <gavel::schedule::profile P>
[[nodiscard]] std::vector<double> rates_after_warmup(P shape, std::uint64_t last, std::uint64_t warmup, double peak) {
  std::vector<double> rates(last + 1, peak);
  if (last > warmup) {
    const auto decay = gavel::schedule::stretch(shape, {.steps = last - warmup, .base_rate = peak});
    for (std::uint64_t t = warmup; t <= last; ++t) rates[t] = decay.rate(t - warmup);
  }
  return rates;
}

[[nodiscard]] inline std::vector<loss_curve> published_curves() {
  using namespace published;
  std::vector<loss_curve> curves{{"cosine (published)",
                                  rates_after_warmup(gavel::schedule::cosine{}, steps, warmup_steps, peak_rate),
                                  warmup_steps,
                                  {},
                                  {cosine_losses.begin(), cosine_losses.end()}},
                                 {"constant (published)",
                                  rates_after_warmup(gavel::schedule::constant{}, steps, warmup_steps, peak_rate),
                                  warmup_steps,
                                  {},
                                  {constant_losses.begin(), constant_losses.end()}}};
  for (loss_curve& curve : curves) {
    for (std::uint64_t step = between_losses; step <= steps; step += between_losses) curve.steps.push_back(step);
  }
  return curves;
}

/// How a log is read.
struct loss_log_options {
  std::string step_column, rate_column, loss_column;  ///< by name or number; empty: the usual names
  std::optional<std::uint64_t> warmup_steps;          ///< empty: where the rise that a log begins with ends
  bool drop_non_finite = false;                       ///< leave out rates and losses that are NaN or infinite instead of refusing them
  gavel::schedule::rate_interpolation between = gavel::schedule::rate_interpolation::linear;
};

namespace detail {

/// Numbers and the steps that they were logged at.
struct readings {
  std::vector<std::uint64_t> steps;
  std::vector<double> values;

  /// Keeps the last reading of each step.
  /// @return how many others there were
  std::size_t sort_by_step() {
    const std::vector<std::size_t> places = gavel::schedule::last_readings(steps);
    readings kept;
    for (const std::size_t place : places) kept.add(steps[place], values[place]);
    const std::size_t repeated = steps.size() - places.size();
    *this = std::move(kept);
    return repeated;
  }
  void add(std::uint64_t step, double value) {
    steps.push_back(step);
    values.push_back(value);
  }
};

/// The step at which rates stop to rise, 0 if they do not begin by rising.
[[nodiscard]] inline std::uint64_t end_of_rise(const readings& rates) {
  std::size_t k = 0;
  while (k + 1 < rates.values.size() && rates.values[k + 1] > rates.values[k]) ++k;
  return k == 0 ? 0 : rates.steps[k];
}

/// The losses after the warm-up, at most `most_losses` of them at even places, the first and the last among them.
inline void take_losses(const readings& losses, loss_curve& curve) {
  std::size_t first = 0;
  while (first < losses.steps.size() && losses.steps[first] < curve.warmup_steps) ++first;
  const std::size_t n = losses.steps.size() - first, kept = n < most_losses ? n : most_losses;
  for (std::size_t k = 0; k < kept; ++k) {
    const std::size_t at = first + (kept < n ? k * (n - 1) / (kept - 1) : k);
    curve.steps.push_back(losses.steps[at]);
    curve.losses.push_back(losses.values[at]);
  }
  curve.skipped.warmup = first;
  curve.skipped.thinned = n - kept;
}

}  // namespace detail

/// Reads a log with the columns step, learning rate and loss. Cells without a rate or a loss are skipped, so rates and losses may have been
/// logged at different steps. Of a step that stands more than once, as after a run was resumed, the last reading counts.
/// @throws input_error that names file, line and cell
[[nodiscard]] inline loss_curve read_loss_curve(const std::string& path, const loss_log_options& options) {
  const csv_table table = csv_table::read(path);
  const auto step_column = table.step_column(options.step_column, "--step-column");
  if (!step_column) (void)table.column("", {}, "the step", "--step-column");  // says what there is
  const std::size_t rate_column =
      table.column(options.rate_column, {"rate", "lr", "learning_rate", "train/learning_rate"}, "the learning rate", "--rate-column");
  const std::size_t loss_column = table.column(
      options.loss_column, {"loss", "val_loss", "validation_loss", "eval_loss", "train_loss", "train/loss"}, "the loss", "--loss-column");
  loss_curve curve;
  curve.name = table.name();
  detail::readings rates, losses;
  std::uint64_t last = 0;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const std::uint64_t step = table.step(row, *step_column, 1e7, "1e7");
    last = (std::max)(last, step);
    const auto read = [&](std::size_t column, detail::readings& into, bool zero) {
      if (table.text(row, column).empty()) return;
      const double value = table.number(row, column);
      if (!std::isfinite(value) && options.drop_non_finite) {
        ++curve.skipped.non_finite;
        return;
      }
      if (!std::isfinite(value)) table.fail(row, column, "must be finite (or left out by --drop-non-finite)");
      if (!(value > 0.0 || (zero && value == 0.0))) table.fail(row, column, zero ? "must be finite and >= 0" : "must be finite and > 0");
      into.add(step, value);
    };
    read(rate_column, rates, true);
    read(loss_column, losses, false);
  }
  if (rates.values.empty()) throw input_error(table.name() + ": " + table.label(rate_column) + " is empty");
  curve.skipped.repeated = rates.sort_by_step() + losses.sort_by_step();
  const gavel::schedule::rate_log log{.steps = rates.steps, .rates = rates.values, .between = options.between};
  curve.warmup_steps = options.warmup_steps.value_or(detail::end_of_rise(rates));
  if (curve.warmup_steps > last) {
    throw input_error(table.name() + ": ends at step " + std::to_string(last) + ", within the warm-up of " +
                      std::to_string(curve.warmup_steps));
  }
  for (std::uint64_t t = 0; t <= last; ++t) curve.rates.push_back(log.rate(t < curve.warmup_steps ? curve.warmup_steps : t));
  if (!(curve.rates[0] > 0.0)) throw input_error(table.name() + ": the rate after the warm-up is 0");
  detail::take_losses(losses, curve);
  if (curve.losses.empty()) throw input_error(table.name() + ": " + table.label(loss_column) + " has no loss after the warm-up");
  return curve;
}

/// The curve that runs of softmax regression on a text leave: held-out loss at 36 steps after the warm-up, averaged over @p seeds runs.
/// @param rates  as the laws read them; training itself rises linearly over @p warmup steps
[[nodiscard]] inline loss_curve train_curve(std::string name, const character_text& text, std::vector<double> rates, std::uint64_t warmup,
                                            std::size_t seeds) {
  constexpr std::size_t batch = 16, held_out = 2000;
  loss_curve curve{std::move(name), std::move(rates), warmup, {}, {}};
  const std::uint64_t last = curve.rates.size() - 1;
  for (std::uint64_t k = 0; k <= 36; ++k) curve.steps.push_back(warmup + (last - warmup) * k / 36);
  curve.losses.assign(curve.steps.size(), 0.0);
  for (std::size_t seed = 0; seed < seeds; ++seed) {
    text_regression model(text);
    gavel::philox4x32 rng(seed, 2);
    std::size_t at = 0;
    for (std::uint64_t t = 0; t <= last; ++t) {
      const double share = t < warmup ? static_cast<double>(t + 1) / static_cast<double>(warmup + 1) : 1.0;
      model.step(share * curve.rates[t], batch, rng);
      if (curve.steps[at] == t) curve.losses[at++] += model.held_out_loss(held_out) / static_cast<double>(seeds);
    }
  }
  return curve;
}

}  // namespace examples
