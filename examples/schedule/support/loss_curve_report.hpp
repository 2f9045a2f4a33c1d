// SPDX-License-Identifier: MIT
#pragma once

#include "schedule/support/loss_curve_fits.hpp"

#include <gavel/schedule/annealing_fit.hpp>
#include <gavel/schedule/multi_power_fit.hpp>
#include <gavel/schedule/multi_power_law.hpp>
#include <gavel/schedule/profile.hpp>
#include <gavel/schedule/schedule_search.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

/// @file
/// What the fits of loss curves say, as tables and sentences on standard output.

namespace examples {

[[nodiscard]] inline const char* status_text(annealing_fit_status status) {
  switch (status) {
    case annealing_fit_status::converged: return "converged";
    case annealing_fit_status::iteration_limit: return "iteration limit";
    case annealing_fit_status::unexplained: return "NOISE: one loss for all points describes them as well";
    case annealing_fit_status::annealing_not_identified: return "C OPEN: no curve anneals on its own; add one that decays";
    case annealing_fit_status::power_not_identified: return "L_0, A, alpha OPEN: the curves are too short or too alike";
    case annealing_fit_status::too_few_points: return "TOO FEW POINTS: at least four are needed";
  }
  return "";
}
/// What a user can do about a law that is open.
[[nodiscard]] inline const char* remedy(annealing_fit_status status) {
  switch (status) {
    case annealing_fit_status::converged:
    case annealing_fit_status::iteration_limit: break;
    case annealing_fit_status::unexplained: return "the losses do not move by more than their noise; add a --log with more of the run";
    case annealing_fit_status::annealing_not_identified: return "no curve anneals on its own; add a --log whose rate decays";
    case annealing_fit_status::power_not_identified: return "the curves are too short or too alike; add a longer --log";
    case annealing_fit_status::too_few_points: return "at least four losses after the warm-up are needed";
  }
  return "";
}
[[nodiscard]] inline const char* status_text(multi_power_fit_status status) {
  switch (status) {
    case multi_power_fit_status::converged: return "converged";
    case multi_power_fit_status::iteration_limit: return "iteration limit";
    case multi_power_fit_status::unexplained: return "NOISE: one loss for all points describes them as well";
    case multi_power_fit_status::not_identified: return "parameters OPEN: predicts schedules like the fitted ones only";
    case multi_power_fit_status::no_points: return "NO POINTS";
  }
  return "";
}

[[nodiscard]] inline std::string with_error(double value, double error) {
  char text[48];
  if (std::isfinite(error)) std::snprintf(text, sizeof text, "%.5g +- %.2g", value, error);
  else std::snprintf(text, sizeof text, "%.5g +- ?", value);
  return text;
}
[[nodiscard]] inline std::string r_squared_text(std::optional<double> value) {
  char text[32] = "-";
  if (value) std::snprintf(text, sizeof text, "%.6f", *value);
  return text;
}

inline void print_annealing_fit(const char* name, const schedule::annealing_fit& fit, double ms) {
  std::printf("   %-27s %20s %20s %20s %20s  %s\n", name, with_error(fit.law.loss_floor, fit.standard_errors.loss_floor).c_str(),
              with_error(fit.law.amplitude, fit.standard_errors.amplitude).c_str(),
              with_error(fit.law.annealing, fit.standard_errors.annealing).c_str(),
              with_error(fit.law.alpha, fit.standard_errors.alpha).c_str(), r_squared_text(fit.r_squared).c_str());
  std::printf("   %-27s relative error %.3f %% mean, %.3f %% max; objective %.4g; %.2f ms; %s\n", "", 100.0 * fit.mean_relative_error,
              100.0 * fit.max_relative_error, fit.objective, ms, status_text(fit.status));
}

/// What R^2 says about lambda, why the one in use was chosen, and whether its fit is good.
inline void print_decay_factors(const fits& fitted, bool published, bool fixed) {
  std::printf("   R^2 of least squares at lambda");
  const char* separator = " ";
  double best = 0.0, worst = 1.0;
  for (const std::size_t k : ascending_decay_factors()) {
    const std::optional<double> r_squared = fitted.squares_at[k].r_squared;
    std::printf("%s%g: %s", separator, decay_factors[k], r_squared_text(r_squared).c_str());
    separator = ", ";
    best = (std::max)(best, r_squared.value_or(0.0));
    worst = (std::min)(worst, r_squared.value_or(0.0));
  }
  std::printf("\n   lambda = %g: %s\n", fitted.observations.decay_factor,
              fixed       ? "as asked for"
              : published ? "as published"
                          : "the best R^2 of these, 0.999 if they are equal (--decay-factor fixes it)");
  if (!fixed && !published && best - worst < 0.005) {
    std::printf("   These curves hardly tell lambda: R^2 differs by %.4f over the whole range.\n", best - worst);
  }
  const schedule::annealing_fit& used = fitted.chosen();
  if (fitted.annealing_known() && (used.r_squared.value_or(0.0) < 0.99 || used.mean_relative_error > 0.01)) {
    std::printf("   WARNING: a poor fit (R^2 below 0.99 or a mean error above 1 %%): the law does not describe these curves.\n");
  }
}

/// What was read of a log and is not fitted, and why.
inline void print_skipped(const loss_curve& curve) {
  const loss_curve::left_out& skipped = curve.skipped;
  const auto say = [](std::size_t count, const char* what) {
    if (count > 0) std::printf("%6s left out, %s: %zu\n", "", what, count);
  };
  say(skipped.warmup, "losses of the warm-up");
  say(skipped.repeated, "readings of steps that were logged again later");
  say(skipped.non_finite, "rates and losses that are not finite");
  say(skipped.thinned, "losses between those at even places, to keep the fits short");
}

inline void print_fits(const curves& data, const fits& fitted, bool fixed_decay_factor) {
  std::printf("Fitted to %zu losses of %zu curve(s):\n", fitted.observations.size(), data.fitted.size());
  for (const loss_curve& curve : data.fitted) {
    std::printf("   %-40s %zu losses, steps %llu to %llu, warm-up %llu, rate %g to %g\n", curve.name.c_str(), curve.losses.size(),
                static_cast<unsigned long long>(curve.steps.front()), static_cast<unsigned long long>(curve.steps.back()),
                static_cast<unsigned long long>(curve.warmup_steps), curve.rates.front(), curve.rates.back());
    print_skipped(curve);
  }
  std::printf("\nAnnealing law L = L_0 + A S_1^-alpha - C S_2, lambda = %g\n\n   %-27s %20s %20s %20s %20s  %s\n",
              fitted.squares.law.decay_factor, "", "L_0", "A", "C", "alpha", "R^2");
  print_annealing_fit("least squares", fitted.squares, fitted.squares_ms);
  print_annealing_fit("Huber on logs, the paper's", fitted.huber, fitted.huber_ms);
  if (data.published) {
    const published::known_fit known;
    std::printf("   %-27s %20.5g %20.5g %20.5g %20.5g  %.5f\n   %-27s objective %.4g\n", "  known minimum of it", known.loss_floor,
                known.amplitude, known.annealing, known.alpha, known.r_squared, "", known.objective);
  }
  print_decay_factors(fitted, data.published, fixed_decay_factor);
  const schedule::multi_power_fit& mpl = fitted.multi_power;
  std::printf(
      "\nMulti-power law\n\n   L_0 %.5f, A %.5g, B %.5g, alpha %.4g, C %.4g, beta %.4g, gamma %.4g; R^2 %s\n"
      "   relative error %.3f %% mean, %.3f %% max; %.2f ms; %s\n",
      mpl.law.loss_floor, mpl.law.amplitude, mpl.law.annealing, mpl.law.alpha, mpl.law.scale, mpl.law.beta, mpl.law.gamma,
      r_squared_text(mpl.r_squared).c_str(), 100.0 * mpl.mean_relative_error, 100.0 * mpl.max_relative_error, fitted.multi_power_ms,
      status_text(mpl.status));
}

/// How the ends of curves are ordered, measured and predicted.
struct order_of_ends {
  std::string measured, predicted;  ///< names, best first
  std::size_t pairs = 0, wrong = 0;
  double largest_gap = 0.0;  ///< of a pair in the wrong order: the measured difference as a share of the loss
};

[[nodiscard]] inline order_of_ends compare_ends(const std::vector<loss_curve>& curves, const std::vector<double>& predicted) {
  order_of_ends result;
  const auto names_by = [&](auto loss) {
    std::vector<std::size_t> order(curves.size());
    for (std::size_t k = 0; k < order.size(); ++k) order[k] = k;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return loss(a) < loss(b); });
    std::string names;
    for (const std::size_t k : order) names += (names.empty() ? "" : " < ") + curves[k].name;
    return names;
  };
  const auto measured = [&](std::size_t k) { return curves[k].losses.back(); };
  result.measured = names_by(measured);
  result.predicted = names_by([&](std::size_t k) { return predicted[k]; });
  for (std::size_t a = 0; a < curves.size(); ++a) {
    for (std::size_t b = 0; b < a; ++b) {
      ++result.pairs;
      if ((measured(a) < measured(b)) == (predicted[a] < predicted[b])) continue;
      ++result.wrong;
      result.largest_gap = (std::max)(result.largest_gap, std::fabs(measured(a) / measured(b) - 1.0));
    }
  }
  return result;
}

inline void print_order(const char* law, const order_of_ends& order) {
  std::printf("   %-16s %s; ", law, order.predicted.c_str());
  if (order.wrong == 0) std::printf("as measured\n");
  else
    std::printf("%zu of %zu pairs in the WRONG ORDER, which differ by up to %.2f %%\n", order.wrong, order.pairs,
                100.0 * order.largest_gap);
}

/// @return whether the annealing law orders the ends of these curves as they were measured
[[nodiscard]] inline bool print_checks(const std::vector<loss_curve>& checked, const fits& fitted) {
  std::printf("\nCurves that were not fitted: error of the prediction, mean over the curve and at its end\n\n   %-40s %10s %22s %22s\n", "",
              "last loss", "annealing law", fitted.multi_power_name("multi-power law").c_str());
  std::vector<double> annealing_ends, multi_power_ends;
  for (const loss_curve& curve : checked) {
    const predicted_curve guess = predict(fitted, curve.rates, curve.steps);
    const auto errors = [&](const std::vector<double>& predicted) {
      double mean = 0.0;
      for (std::size_t i = 0; i < predicted.size(); ++i) {
        mean += std::fabs(predicted[i] / curve.losses[i] - 1.0) / static_cast<double>(predicted.size());
      }
      char text[48];
      std::snprintf(text, sizeof text, "%.3f %%, end %+.3f %%", 100.0 * mean, 100.0 * (predicted.back() / curve.losses.back() - 1.0));
      return std::string(text);
    };
    std::printf("   %-40s %10.5f %22s %22s\n", curve.name.c_str(), curve.losses.back(), errors(guess.annealing).c_str(),
                fitted.multi_power_known() ? errors(guess.multi_power).c_str() : "-");
    print_skipped(curve);
    annealing_ends.push_back(guess.annealing.back());
    multi_power_ends.push_back(guess.multi_power.back());
  }
  if (checked.size() < 2) return true;
  const order_of_ends order = compare_ends(checked, annealing_ends);
  std::printf("\nOrder of their ends, best first\n\n   %-16s %s\n", "measured", order.measured.c_str());
  print_order("annealing law", order);
  if (fitted.multi_power_known()) print_order("multi-power law", compare_ends(checked, multi_power_ends));
  return order.wrong == 0;
}

/// The law of the recommendation, fitted to all curves, also those that were held back for the check.
inline void print_refit(const fits& fitted, bool fixed_decay_factor) {
  std::printf("\nFor what follows all curves are fitted together, %zu losses\n\n", fitted.observations.size());
  const schedule::annealing_fit& used = fitted.chosen();
  print_annealing_fit(fitted.use_huber ? "Huber on logs" : "least squares", used, fitted.use_huber ? fitted.huber_ms : fitted.squares_ms);
  print_decay_factors(fitted, false, fixed_decay_factor);
  std::printf("   multi-power law: R^2 %s, relative error %.3f %% mean, %.3f %% max; %s\n",
              r_squared_text(fitted.multi_power.r_squared).c_str(), 100.0 * fitted.multi_power.mean_relative_error,
              100.0 * fitted.multi_power.max_relative_error, status_text(fitted.multi_power.status));
}

/// @return the best of them
[[nodiscard]] inline choice print_ranking(const std::array<offer, n_offers>& all, const plan& run, const fits& fitted, bool intervals,
                                          double confidence) {
  const auto ranking = schedule::compare_schedules(fitted.chosen().law, run.horizon, {}, all[0].rates, all[1].rates, all[2].rates,
                                                   all[3].rates, all[4].rates, all[5].rates, all[6].rates);
  std::printf(
      "\nPredicted loss after step %llu, peak rate %g, warm-up %llu steps; cosine, linear, REX and WSD end at rate 0\n\n"
      "   %-46s %12s %20.0f %% %19s\n",
      static_cast<unsigned long long>(run.horizon), run.peak, static_cast<unsigned long long>(run.warmup), "schedule, best first",
      "annealing", 100.0 * confidence, fitted.multi_power_name("multi-power").c_str());
  std::size_t outside = 0, below_zero = 0;
  for (const auto& place : ranking) {
    below_zero += place.below_zero ? 1U : 0U;
    const offer& one = all[place.index];
    char other[32] = "-";
    if (fitted.multi_power_known()) {
      std::snprintf(other, sizeof other, "%.5f", schedule::multi_power_loss(fitted.multi_power.law, one.rates, run.horizon));
    }
    char interval[48] = "-";
    if (intervals) std::snprintf(interval, sizeof interval, "[%.5f, %.5f]", one.interval.lower, one.interval.upper);
    if (intervals && !(one.interval.lower <= place.loss && place.loss <= one.interval.upper)) ++outside;
    std::printf("   %-46s %12.5f %22s %19s\n", one.name.c_str(), place.loss, interval, other);
  }
  std::printf(
      "\n   Intervals: where the annealing law's prediction goes when the scatter of the fitted losses falls otherwise. They answer for\n"
      "   nothing else, above all not for a law that does not hold: compare the two laws, and check curves.\n");
  if (below_zero > 0) {
    std::printf("   The law falls to 0 under %zu of them, which says nothing: is the peak rate in the unit of the curves?\n", below_zero);
  }
  std::printf(
      "   All at one peak rate: what holds it longer has trained further, and what decays from the start, like linear, comes late. With a "
      "peak\n"
      "   rate of its own, usually a higher one, it may lead (choose_a_schedule tunes each; --peak predicts another).\n");
  if (outside > 0) {
    std::printf("   %zu of them leave out their own prediction: the scatter is not noise, the law misses the shape of the curves.\n",
                outside);
  }
  if (fitted.multi_power_known() && !fitted.multi_power.identified.all()) {
    std::printf(
        "   (open): the curves do not determine every parameter of the multi-power law; trust it for schedules like theirs only.\n");
  }
  return {all[ranking[0].index].name, ranking[0].loss, all[ranking[0].index].rates};
}

/// @return the best of the first horizon
[[nodiscard]] inline choice print_cooldowns(const plan& run, const fits& fitted) {
  std::printf(
      "\nHow much of a run to spend cooling down to 0 (annealing law, best of a grid of 1 %%)\n\n   %10s  %-10s %8s %12s %12s %12s\n",
      "steps", "shape", "best", "loss", "at 10 %", "at 20 %");
  choice recommended;
  const auto row = [&](std::uint64_t times, const char* name, auto shape) {
    const plan longer{times * run.horizon, run.warmup, run.peak};
    std::vector<double> losses;
    const auto best = best_cooldown(fitted.chosen().law, longer, shape, losses);
    std::printf("   %10llu  %-10s %6.0f %% %12.5f %12.5f %12.5f%s\n", static_cast<unsigned long long>(longer.horizon), name,
                100.0 * best.fraction, best.loss, losses.size() > 10 ? losses[10] : best.loss, losses.size() > 20 ? losses[20] : best.loss,
                best.index + 1 == losses.size() ? "  (the longest there is)" : "");
    if (times > 1 || (!recommended.what.empty() && recommended.loss <= best.loss)) return;
    char text[80] = "do not cool down";
    if (best.fraction > 0.0) std::snprintf(text, sizeof text, "cool down to 0 over the last %.0f %% (%s)", 100.0 * best.fraction, name);
    const double share = best.fraction * static_cast<double>(run.horizon) / static_cast<double>(run.horizon - run.warmup);
    const auto rates = [&](auto profile) { return rates_after_warmup(profile, run.horizon, run.warmup, run.peak); };
    recommended = {text, best.loss,
                   share > 0.0 ? rates(schedule::wsd({.decay = (std::min)(share, 1.0)}, shape)) : rates(schedule::constant{})};
  };
  for (const std::uint64_t times : {1U, 2U, 4U}) {
    row(times, "linear", schedule::linear{});
    row(times, "1 - sqrt", schedule::one_minus_sqrt{});
  }
  std::printf("   It depends on lambda: 1 - sqrt over the first run");
  const char* separator = " ";
  for (const std::size_t k : ascending_decay_factors()) {
    std::vector<double> losses;
    const auto best = best_cooldown(fitted.squares_at[k].law, run, schedule::one_minus_sqrt{}, losses);
    std::printf("%s%.0f %% at %g", separator, 100.0 * best.fraction, decay_factors[k]);
    separator = ", ";
  }
  std::printf(".\n");
  return recommended;
}

/// @return what is recommended
[[nodiscard]] inline choice print_recommendation(const plan& run, const choice& best_schedule, const choice& cooldown, bool order_holds) {
  std::printf("\n");
  if (!order_holds) {
    std::printf(
        "NOTE: the annealing law, fitted without them, did not order the held-back curves as they were measured. Doubt what follows, and\n"
        "try it before relying on it.\n");
  }
  const choice& best = cooldown.loss <= best_schedule.loss ? cooldown : best_schedule;
  std::printf(
      "Recommended for %llu steps: %s, predicted loss %.4f.\n"
      "The law is linear in S_2: far from the decays that were fitted a recommendation is an extrapolation.\n",
      static_cast<unsigned long long>(run.horizon), best.what.c_str(), best.loss);
  return best;
}

}  // namespace examples
