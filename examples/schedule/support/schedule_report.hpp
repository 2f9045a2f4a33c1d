// SPDX-License-Identifier: MIT
#pragma once

#include "schedule/support/comparison.hpp"
#include "support/gnuplot.hpp"
#include "support/output.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <span>
#include <string>
#include <vector>

/// @file
/// The results of a comparison of schedules as tables, sentences, CSV and a figure. Sentences say what was measured, with its error.

namespace examples {

/// Where a schedule that is there stands.
[[nodiscard]] inline std::size_t index_of(const std::vector<schedule_choice>& schedules, const std::string& name) {
  std::size_t at = 0;
  while (schedules[at].name != name) ++at;
  return at;
}

/// A schedule whose rate ends below its peak: not the constant, and not averaging.
[[nodiscard]] inline bool is_decay(const schedule_choice& choice) { return !choice.averaged && choice.shape(1.0) < 1.0; }

[[nodiscard]] inline std::vector<setting> only(std::span<const setting> settings, auto&& keep) {
  std::vector<setting> kept;
  for (const setting& where : settings) {
    if (keep(where)) kept.push_back(where);
  }
  return kept;
}

/// A block per workload and optimiser: budgets down, schedules across.
inline void print_losses(std::span<const setting> settings, const std::vector<schedule_choice>& schedules) {
  const workload* above = nullptr;
  for (const setting& where : settings) {
    if (where.work != above) {
      std::printf("\n%s, %s%s\n%9s %6s", where.work->name.c_str(), where.work->optimizer.c_str(), where.work->exact ? " (exact)" : "",
                  "budget", "steps");
      for (const schedule_choice& choice : schedules) std::printf(" %10s", choice.name.c_str());
      std::printf("\n");
      above = where.work;
    }
    std::printf("%7g %% %6llu", where.percent, static_cast<unsigned long long>(where.steps));
    for (const outcome& one : where.outcomes) std::printf(" %9.5f%c", one.mean(), one.mean() == where.least() ? '*' : ' ');
    std::printf("\n");
  }
}

inline void print_summary(std::span<const setting> settings, const std::vector<schedule_choice>& schedules) {
  std::printf(
      "\nOver all settings. Rank: mean and its standard error over settings. Above the best: how far the loss is above the least of its\n"
      "setting. Minus REX, minus linear: paired relative differences, mean over settings, with a standard error\n"
      "that counts the seeds alone: the grid of base rates moves them too, see --rate-ratio.\n\n"
      "%-12s %14s %6s %10s %10s %20s %20s\n%-12s %14s %6s %10s %10s\n",
      "schedule", "mean rank", "best", "above the", "at most", "minus REX", "minus linear", "", "", "in", "best", "");
  for (const summary& one : summarize(settings, index_of(schedules, "REX"), index_of(schedules, "linear"))) {
    std::printf("%-12s %6.2f +- %4.2f %6zu %8.2f %% %8.1f %% %+9.2f %% +- %4.2f %+9.2f %% +- %4.2f\n", schedules[one.schedule].name.c_str(),
                one.rank.value, one.rank.error, one.firsts, 100.0 * one.mean_excess, 100.0 * one.worst_excess, 100.0 * one.minus_rex.value,
                100.0 * one.minus_rex.error, 100.0 * one.minus_linear.value, 100.0 * one.minus_linear.error);
  }
}

namespace detail {

/// How far each schedule is above the best decay, at worst.
struct distance {
  double worst = 0.0;
  double mean = 0.0;
  const setting* where = nullptr;
};

[[nodiscard]] inline double least_of_decays(const setting& where, const std::vector<schedule_choice>& schedules) {
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < schedules.size(); ++i) {
    if (is_decay(schedules[i])) least = (std::min)(least, where.outcomes[i].mean());
  }
  return least;
}

[[nodiscard]] inline distance distance_to_best_decay(std::size_t schedule, std::span<const setting> some,
                                                     const std::vector<schedule_choice>& schedules) {
  distance result;
  for (const setting& where : some) {
    const double excess = where.outcomes[schedule].mean() / least_of_decays(where, schedules) - 1.0;
    result.mean += excess / static_cast<double>(some.size());
    if (result.where == nullptr || excess > result.worst) {
      result.worst = excess;
      result.where = &where;
    }
  }
  return result;
}

/// REX's distance to the best decay of each setting, and which decay stays nearest.
inline void say_how_far(const char* kind, std::span<const setting> some, const std::vector<schedule_choice>& schedules) {
  if (some.empty()) return;
  const distance rex = distance_to_best_decay(index_of(schedules, "REX"), some, schedules);
  std::printf(
      "- %s, %zu settings: REX is at most %.1f %% above the best decay (%s, %s, %g %% budget), on average %.1f %%;\n  others at most", kind,
      some.size(), 100.0 * rex.worst, rex.where->work->name.c_str(), rex.where->work->optimizer.c_str(), rex.where->percent,
      100.0 * rex.mean);
  const char* separator = " ";
  for (std::size_t i = 0; i < schedules.size(); ++i) {
    if (!is_decay(schedules[i]) || schedules[i].name == "REX") continue;
    std::printf("%s%s %.1f", separator, schedules[i].name.c_str(), 100.0 * distance_to_best_decay(i, some, schedules).worst);
    separator = ", ";
  }
  std::printf(" %%.\n");
}

inline void say_tiny_quadratics(std::span<const setting> settings, const std::vector<schedule_choice>& schedules) {
  const std::size_t rex = index_of(schedules, "REX");
  const std::size_t linear = index_of(schedules, "linear");
  const auto tiny = only(settings, [](const setting& where) { return where.work->exact && where.percent <= 5.0; });
  if (tiny.empty()) return;
  std::size_t best = 0;
  std::string better;
  double least = 1.0, most = -1.0;
  for (const setting& where : tiny) {
    const double least_loss = least_of_decays(where, schedules);
    if (where.outcomes[rex].mean() == least_loss) ++best;
    for (std::size_t i = 0; i < schedules.size(); ++i) {
      if (i == rex || !is_decay(schedules[i]) || where.outcomes[i].mean() != least_loss) continue;
      if (better.find(schedules[i].name) == std::string::npos) better += (better.empty() ? " (elsewhere " : ", ") + schedules[i].name;
    }
    const double below = 1.0 - where.outcomes[rex].mean() / where.outcomes[linear].mean();
    least = (std::min)(least, below);
    most = (std::max)(most, below);
  }
  std::printf("- Quadratics at budgets up to 5 %%: REX is the best decay in %zu of %zu settings%s%s, %.1f to %.1f %% below linear.\n", best,
              tiny.size(), better.c_str(), better.empty() ? "" : ")", 100.0 * least, 100.0 * most);
}

inline void say_decay_against_constant(double percent, std::span<const setting> settings, const std::vector<schedule_choice>& schedules) {
  const std::size_t constant = index_of(schedules, "constant");
  const auto at_budget = only(settings, [&](const setting& where) { return where.percent == percent; });
  std::size_t pairs = 0, below = 0, clearly_below = 0, clearly_above = 0;
  std::string exceptions;
  for (std::size_t i = 0; i < schedules.size(); ++i) {
    if (!is_decay(schedules[i])) continue;
    std::size_t not_below = 0;
    for (const setting& where : at_budget) {
      const estimate difference = paired_difference(where, i, constant);
      ++pairs;
      if (difference.value < 0.0) ++below;
      else ++not_below;
      if (difference.beyond_noise()) ++(difference.value < 0.0 ? clearly_below : clearly_above);
    }
    if (not_below > 0) exceptions += (exceptions.empty() ? "" : ", ") + schedules[i].name + " " + std::to_string(not_below);
  }
  std::printf(
      "- Budget %g %%: a decay ends below constant in %zu of %zu pairs of decay and setting (by more than two standard errors: "
      "%zu below, %zu above).\n  ",
      percent, below, pairs, clearly_below, clearly_above);
  if (exceptions.empty()) std::printf("Every decay beats constant.\n");
  else std::printf("Exceptions, of %zu settings each: %s.\n", at_budget.size(), exceptions.c_str());
}

inline void say_difference(const char* other, std::span<const setting> networks, const std::vector<schedule_choice>& schedules) {
  if (networks.empty()) return;
  const estimate difference = relative_difference(networks, index_of(schedules, "REX"), index_of(schedules, other));
  std::printf(
      "- Networks, REX minus %s: %+.2f %% +- %.2f of the loss: %s\n  (the error counts the seeds alone; the grid of base rates moves the "
      "difference too).\n",
      other, 100.0 * difference.value, 100.0 * difference.error,
      !difference.beyond_noise() ? "within noise"
      : difference.value < 0.0   ? "below by more than two standard errors"
                                 : "above by more than two standard errors");
}

}  // namespace detail

/// What was claimed of REX, of linear decay and of decays, and what was measured.
inline void print_findings(std::span<const setting> settings, const std::vector<schedule_choice>& schedules) {
  const auto networks = only(settings, [](const setting& where) { return !where.work->exact; });
  const auto quadratics = only(settings, [](const setting& where) { return where.work->exact; });
  std::printf(
      "\nThe claim: REX is never far from the best decay and best at tiny budgets on quadratics; every decay beats a constant rate.\n"
      "Measured here:\n");
  detail::say_how_far("Networks", networks, schedules);
  detail::say_how_far("Quadratics", quadratics, schedules);
  detail::say_tiny_quadratics(settings, schedules);
  for (const double percent : {settings.front().percent, settings.back().percent}) {
    detail::say_decay_against_constant(percent, settings, schedules);
    if (settings.front().percent == settings.back().percent) break;
  }
  detail::say_difference("linear", networks, schedules);
  detail::say_difference("cosine", networks, schedules);
  std::size_t winners = 0;
  std::size_t most = 0;
  for (const summary& one : summarize(settings, 0, 0)) {
    if (one.firsts > 0) ++winners;
    most = (std::max)(most, one.firsts);
  }
  std::printf("- Best in some setting: %zu of %zu schedules, none in more than %zu of %zu settings: %s.\n", winners, schedules.size(), most,
              settings.size(), most == settings.size() ? "one wins everywhere here" : "no universal winner");
}

/// A row per setting and schedule.
[[nodiscard]] inline std::string to_csv(std::span<const setting> settings, const std::vector<schedule_choice>& schedules) {
  const std::size_t rex = index_of(schedules, "REX");
  const std::size_t linear = index_of(schedules, "linear");
  csv_writer csv(
      "workload,optimiser,budget_percent,steps,schedule,base_rate,seeds,loss,standard_error,rank,above_best,minus_rex,"
      "minus_rex_standard_error,minus_linear,minus_linear_standard_error");
  for (const setting& where : settings) {
    const std::vector<double> ranks = where.ranks();
    for (std::size_t i = 0; i < schedules.size(); ++i) {
      const outcome& one = where.outcomes[i];
      const estimate loss = estimate_of(one.moments());
      const estimate to_rex = paired_difference(where, i, rex);
      const estimate to_linear = paired_difference(where, i, linear);
      csv.row(quoted(where.work->name), where.work->optimizer, real(where.percent, 6), where.steps, schedules[i].name, real(one.base_rate),
              one.losses.size(), real(loss.value), real(loss.error, 3), real(ranks[i], 6), real(where.excess(i), 6), real(to_rex.value, 6),
              real(to_rex.error, 3), real(to_linear.value, 6), real(to_linear.error, 3));
    }
  }
  return csv.text();
}

/// A curve of the figure: few, bold, each with its name beside it; the tables have all schedules.
struct shown_schedule {
  const char* name;
  const char* color;
  double label_x, label_y;  ///< of its profile
};

inline constexpr shown_schedule shown_schedules[] = {{"linear", "#0072b2", 0.12, 0.62},
                                                     {"REX", "#d55e00", 0.6, 0.7},
                                                     {"cosine", "#009e73", 0.42, 0.2},
                                                     {"WSD 1-sqrt", "#333333", 0.5, 1.05},
                                                     {"sched-free", "#b2182b", 0.0, 0.0}};

namespace detail {

/// The mean over the networks of a schedule's loss relative to linear decay, in percent, for each budget.
[[nodiscard]] inline std::vector<double> relative_losses(std::span<const setting> settings, std::size_t schedule, std::size_t linear,
                                                         std::vector<double>& percents) {
  std::vector<double> result;
  percents.clear();
  for (const setting& first : settings) {
    if (std::find(percents.begin(), percents.end(), first.percent) != percents.end()) continue;
    gavel::moments all;
    for (const setting& where : settings) {
      if (where.work->exact || where.percent != first.percent) continue;
      all.add(100.0 * (where.outcomes[schedule].mean() / where.outcomes[linear].mean() - 1.0));
    }
    percents.push_back(first.percent);
    result.push_back(all.mean().value_or(0.0));
  }
  return result;
}

}  // namespace detail

/// The gnuplot script of the figure: the profiles, and the loss on the networks against the budget relative to linear decay at the same
/// budget, since losses themselves differ more between budgets than between schedules.
[[nodiscard]] inline std::string figure_script(const std::string& svg, std::span<const setting> settings,
                                               const std::vector<schedule_choice>& schedules) {
  struct end {
    double y;
    const shown_schedule* shown;
  };
  gnuplot_data data;
  std::string profiles, losses, labels;
  std::vector<end> ends;
  std::vector<double> percents;
  double least = 0.0, most = 0.0;
  for (const shown_schedule& shown : shown_schedules) {
    const std::size_t i = index_of(schedules, shown.name);
    const std::string style = std::string(" lw 4 lc rgb '") + shown.color + "'";
    std::string points;
    for (int k = 0; k <= 400 && !schedules[i].averaged; ++k) points += point(k / 400.0, schedules[i].shape(k / 400.0));
    if (!points.empty()) {
      profiles += (profiles.empty() ? "" : ", ") + data.add(points) + " using 1:2 with lines" + style;
      labels += "set label " + gnuplot_quoted(shown.name) + " at " + real(shown.label_x) + "," + real(shown.label_y) + " tc rgb '" +
                shown.color + "'\n";
    }
    const std::vector<double> relative = detail::relative_losses(settings, i, index_of(schedules, "linear"), percents);
    points.clear();
    for (std::size_t k = 0; k < percents.size(); ++k) {
      points += point(percents[k], relative[k]);
      least = (std::min)(least, relative[k]);
      most = (std::max)(most, relative[k]);
    }
    losses += (losses.empty() ? "" : ", ") + data.add(points) + " using 1:2 with linespoints pt 7 ps 0.6" + style;
    ends.push_back({relative.back(), &shown});
  }
  // Names stand where their curves end, pushed apart where those end together.
  std::sort(ends.begin(), ends.end(), [](const end& a, const end& b) { return a.y < b.y; });
  const double line_height = (std::max)(0.065 * (most - least), 1e-3);
  std::string names;
  for (std::size_t k = 0; k < ends.size(); ++k) {
    if (k > 0) ends[k].y = (std::max)(ends[k].y, ends[k - 1].y + line_height);
    names += "set label " + gnuplot_quoted(ends[k].shown->name) + " at " + real(percents.back()) + "," + real(ends[k].y) +
             " left offset 0.8,0 tc rgb '" + ends[k].shown->color + "'\n";
  }
  const double first = percents.size() > 1 ? percents.front() : 0.5 * percents.back();  // an axis has a length
  return figure_head(svg, 830, 400, 13) + data.text() +
         "set multiplot\nset border 3\nset tics nomirror out\nset grid ytics lc rgb '#dddddd'\nset key off\n"
         "set lmargin at screen 0.075\nset rmargin at screen 0.43\nset tmargin at screen 0.9\nset bmargin at screen 0.19\n"
         "set title 'share of the base rate'\nset xlabel 'progress'\nset xrange [0:1]\nset yrange [0:1.1]\n" +
         labels + "plot " + profiles +
         "\nunset label\nset lmargin at screen 0.52\nset rmargin at screen 0.87\n"
         "set title 'loss on the networks, relative to linear decay (%)'\nset xlabel 'budget, % of a full run'\nset logscale x\n"
         "set format x '%g'\nset xrange [" +
         real(first) + ":" + real(percents.back()) + "]\nset yrange [" + real(least - 0.05 * (most - least) - 1e-3) + ":" +
         real((std::max)(most, ends.back().y) + line_height) + "]\n" + names + "plot " + losses + "\nunset multiplot\n";
}

}  // namespace examples
