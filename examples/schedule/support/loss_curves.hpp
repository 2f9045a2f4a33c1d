// SPDX-License-Identifier: MIT
#pragma once

#include "schedule/data/published_curves.hpp"
#include "schedule/support/text_regression.hpp"
#include "support/csv_reader.hpp"

#include <gavel/core/philox.hpp>
#include <gavel/schedule/annealing_areas.hpp>
#include <gavel/schedule/profile.hpp>
#include <gavel/schedule/rate_schedule.hpp>

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
};

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
  gavel::schedule::rate_interpolation between = gavel::schedule::rate_interpolation::linear;
};

namespace detail {

/// The step at which rates stop to rise, 0 if they do not begin by rising.
[[nodiscard]] inline std::uint64_t end_of_rise(const std::vector<std::uint64_t>& steps, const std::vector<double>& rates) {
  std::size_t k = 0;
  while (k + 1 < rates.size() && rates[k + 1] > rates[k]) ++k;
  return k == 0 ? 0 : steps[k];
}

}  // namespace detail

/// Reads a log with the columns step, learning rate and loss. Cells without a rate or a loss are skipped, so rates and losses may have been
/// logged at different steps; losses during the warm-up are left out.
/// @throws input_error that names file, line and cell
[[nodiscard]] inline loss_curve read_loss_curve(const std::string& path, const loss_log_options& options) {
  const csv_table table = csv_table::read(path);
  const std::size_t step_column =
      table.column(options.step_column, {"step", "global_step", "iteration", "iter"}, "the step", "--step-column");
  const std::size_t rate_column =
      table.column(options.rate_column, {"rate", "lr", "learning_rate", "train/learning_rate"}, "the learning rate", "--rate-column");
  const std::size_t loss_column = table.column(
      options.loss_column, {"loss", "val_loss", "validation_loss", "eval_loss", "train_loss", "train/loss"}, "the loss", "--loss-column");
  constexpr double largest_step = 1e7;
  loss_curve curve;
  curve.name = table.name();
  std::vector<std::uint64_t> rate_steps;
  std::vector<double> rates;
  double before = -1.0;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const double step = table.number(row, step_column);
    if (!(step >= 0.0 && step <= largest_step && step == std::floor(step)))
      table.fail(row, step_column, "must be a whole number in [0, 1e7]");
    if (!(step > before)) {
      table.fail(row, step_column, "must be > " + std::to_string(static_cast<std::uint64_t>(before)) + ", the step of the row before");
    }
    before = step;
    if (!table.text(row, rate_column).empty()) {
      const double rate = table.number(row, rate_column);
      if (!(rate >= 0.0 && std::isfinite(rate))) table.fail(row, rate_column, "must be finite and >= 0");
      rate_steps.push_back(static_cast<std::uint64_t>(step));
      rates.push_back(rate);
    }
    if (!table.text(row, loss_column).empty()) {
      const double loss = table.number(row, loss_column);
      if (!(loss > 0.0 && std::isfinite(loss))) table.fail(row, loss_column, "must be finite and > 0");
      curve.steps.push_back(static_cast<std::uint64_t>(step));
      curve.losses.push_back(loss);
    }
  }
  if (rates.empty()) throw input_error(table.name() + ": " + table.label(rate_column) + " is empty");
  const gavel::schedule::rate_log log{.steps = rate_steps, .rates = rates, .between = options.between};
  const auto last = static_cast<std::uint64_t>(before);
  curve.warmup_steps = options.warmup_steps.value_or(detail::end_of_rise(rate_steps, rates));
  if (curve.warmup_steps > last) {
    throw input_error(table.name() + ": ends at step " + std::to_string(last) + ", within the warm-up of " +
                      std::to_string(curve.warmup_steps));
  }
  for (std::uint64_t t = 0; t <= last; ++t) curve.rates.push_back(log.rate(t < curve.warmup_steps ? curve.warmup_steps : t));
  if (!(curve.rates[0] > 0.0)) throw input_error(table.name() + ": the rate after the warm-up is 0");
  std::size_t early = 0;
  while (early < curve.steps.size() && curve.steps[early] < curve.warmup_steps) ++early;
  curve.steps.erase(curve.steps.begin(), curve.steps.begin() + static_cast<std::ptrdiff_t>(early));
  curve.losses.erase(curve.losses.begin(), curve.losses.begin() + static_cast<std::ptrdiff_t>(early));
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
