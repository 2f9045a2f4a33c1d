// SPDX-License-Identifier: MIT
#pragma once

#include "schedule/support/loss_curve_fits.hpp"
#include "support/gnuplot.hpp"
#include "support/output.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

/// @file
/// The files that fits of loss curves leave behind: a CSV and a figure. Where the annealing law is open there is nothing to predict, and
/// they hold the curves as they were measured.

namespace examples {

/// The results of a run of the program.
struct loss_curve_results {
  const curves& data;
  const fits& fitted;               ///< to the curves that were not held back
  const fits& last;                 ///< to all curves; what predicts
  const plan& run;                  ///< the run that is predicted
  std::span<const offer> offers{};  ///< its schedules; empty: nothing is predicted

  [[nodiscard]] bool predicted() const { return !offers.empty(); }
};

namespace detail {

/// From the end of the warm-up to the last step.
[[nodiscard]] inline std::vector<std::uint64_t> shown_steps(const plan& run) {
  std::vector<std::uint64_t> steps;
  const std::uint64_t stride = run.horizon / 200 + 1;
  for (std::uint64_t t = run.warmup == 0 ? 1 : run.warmup; t < run.horizon; t += stride) steps.push_back(t);
  steps.push_back(run.horizon);
  return steps;
}

/// Between ticks: 1, 2 or 5 times a power of ten, so that there are at most five of them.
[[nodiscard]] inline std::string round_step(std::uint64_t range) {
  std::uint64_t power = 1;
  for (;; power *= 10) {
    for (const std::uint64_t times : {1U, 2U, 5U}) {
      if (5 * times * power >= range) return std::to_string(times * power);
    }
  }
}

/// The figure's data blocks, and what is plotted from them.
class loss_curve_plots {
 public:
  explicit loss_curve_plots(const loss_curve_results& results) : results_(results) {}

  [[nodiscard]] const std::string& blocks() const noexcept { return data_.text(); }

  /// The fitted curves: points as measured, lines as fitted.
  [[nodiscard]] std::string measured() {
    std::string plots;
    for (std::size_t k = 0; k < results_.data.fitted.size(); ++k) {
      const loss_curve& curve = results_.data.fitted[k];
      plots += (k == 0 ? "" : ", ") + add_block(curve.steps, curve.losses) + " using 1:2 with points pt 7 ps 0.5" + color(k) + "title " +
               gnuplot_quoted(curve.name);
      if (!results_.predicted()) continue;
      std::vector<std::uint64_t> steps;
      const std::uint64_t first = curve.steps.front(), last = curve.steps.back();
      for (std::uint64_t t = first; t < last; t += (last - first) / 200 + 1) steps.push_back(t);
      steps.push_back(last);
      plots += lines(results_.fitted, curve.rates, steps, "lw 1.5" + color(k) + "notitle", "lw 1.5 dt 2" + color(k) + "notitle");
    }
    return plots;
  }

  /// Which line is which law.
  [[nodiscard]] std::string laws() const {
    if (!results_.predicted()) return "";
    std::string plots = ", NaN with lines lw 1.5 lc rgb '#333333' title 'annealing law'";
    if (both()) {
      plots += ", NaN with lines lw 1.5 dt 2 lc rgb '#333333' title " + gnuplot_quoted(results_.fitted.multi_power_name("multi-power law"));
    }
    return plots;
  }

  /// The schedules of the run that is predicted, at @p steps.
  [[nodiscard]] std::string predicted(const std::vector<std::uint64_t>& steps) {
    std::string plots;
    for (std::size_t k = 0; k < results_.offers.size(); ++k) {
      const offer& one = results_.offers[k];
      plots += lines(results_.last, one.rates, steps, "lw 2" + color(k) + "title " + gnuplot_quoted(one.name),
                     "lw 1.5 dt 2" + color(k) + "notitle");
    }
    return plots.substr((std::min)(plots.size(), std::size_t{2}));
  }

 private:
  [[nodiscard]] bool both() const { return results_.fitted.multi_power_known(); }
  [[nodiscard]] static std::string color(std::size_t k) {
    static constexpr const char* colors[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999"};
    return std::string(" lc rgb '") + colors[k % 7] + "' ";
  }
  [[nodiscard]] std::string lines(const fits& laws, const std::vector<double>& rates, const std::vector<std::uint64_t>& steps,
                                  const std::string& annealing_style, const std::string& multi_power_style) {
    const predicted_curve guess = predict(laws, rates, steps);
    std::string plots = ", " + add_block(steps, guess.annealing) + " using 1:2 with lines " + annealing_style;
    if (both()) plots += ", " + add_block(steps, guess.multi_power) + " using 1:2 with lines " + multi_power_style;
    return plots;
  }
  std::string add_block(const std::vector<std::uint64_t>& steps, const std::vector<double>& values) {
    std::string points;
    for (std::size_t i = 0; i < steps.size(); ++i) points += point(static_cast<double>(steps[i]), values[i]);
    return data_.add(points);
  }

  const loss_curve_results& results_;
  gnuplot_data data_;
};

}  // namespace detail

/// A row per loss of a curve and per step of a prediction.
[[nodiscard]] inline std::string to_csv(const loss_curve_results& results) {
  csv_writer csv("kind,name,step,rate,loss,annealing_law,multi_power_law");
  const auto add = [&](const char* kind, const std::string& name, const std::vector<double>& rates, const std::vector<std::uint64_t>& steps,
                       const std::vector<double>* losses) {
    const predicted_curve guess = predict(losses != nullptr ? results.fitted : results.last, rates, steps);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      csv.row(kind, quoted(name), steps[i], real(rates[steps[i]]), losses != nullptr ? real((*losses)[i]) : "",
              results.predicted() ? real(guess.annealing[i]) : "", results.predicted() ? real(guess.multi_power[i]) : "");
    }
  };
  for (const loss_curve& curve : results.data.fitted) add("fit", curve.name, curve.rates, curve.steps, &curve.losses);
  for (const loss_curve& curve : results.data.checked) add("check", curve.name, curve.rates, curve.steps, &curve.losses);
  for (const offer& one : results.offers) add("prediction", one.name, one.rates, detail::shown_steps(results.run), nullptr);
  return csv.text();
}

/// The gnuplot script of the figure: the curves with their fits, and beside them the second half of the predicted run.
[[nodiscard]] inline std::string figure_script(const std::string& svg, const loss_curve_results& results) {
  detail::loss_curve_plots plots(results);
  std::uint64_t longest = 0;
  for (const loss_curve& curve : results.data.fitted) longest = (std::max)(longest, curve.steps.back());
  std::vector<std::uint64_t> late;
  for (const std::uint64_t step : detail::shown_steps(results.run)) {
    if (2 * step >= results.run.horizon) late.push_back(step);
  }
  const std::string measured = plots.measured();
  std::string panels = "set xtics " + detail::round_step(longest) + "\nset title 'measured (points)" +
                       (results.predicted() ? " and fitted" : "") + "'\nplot " + measured + plots.laws() + "\n";
  if (results.predicted()) {
    const std::string predicted = plots.predicted(late);
    panels += "set title 'predicted, second half of the run'\nset xtics " + detail::round_step(results.run.horizon - late.front()) +
              "\nplot " + predicted + "\n";
  }
  const std::size_t key_rows = (std::max)(results.data.fitted.size() + 2, results.offers.size());
  return plots.blocks() + panels_above_keys(svg, results.predicted() ? 2 : 1, key_rows) +
         "set grid ytics lc rgb '#dddddd'\nset xlabel 'step'\nset ylabel 'loss'\nset format x '%.8g'\n" + panels + "unset multiplot\n";
}

}  // namespace examples
