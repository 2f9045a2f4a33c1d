// SPDX-License-Identifier: MIT
// test-arguments: --csv curves.csv --svg curves.svg
// test-arguments: --demo --demo-steps 600 --seeds 2
//
// Fits one or two training curves and predicts the loss under schedules that were never run: the scaling law with learning-rate annealing and
// its competitor, the multi-power law, side by side; ranks schedules and recommends how much of a run to spend cooling down.
//
//   predict_loss_curve [--log FILE]... [--check FILE]... [--horizon T] [--peak R] [--csv FILE] [--svg FILE] ...
//
// A log is a table with the columns step, rate and loss. One curve under a constant rate and one that decays determine the laws; --check
// files are predicted and not fitted. Without a log the two curves that the annealing paper prints are used; --demo trains a small model.
// --help gives the form of a log and the exit codes.
#include "schedule/support/loss_curves.hpp"
#include "support/output.hpp"

#include <gavel/core/philox.hpp>
#include <gavel/core/statistics.hpp>
#include <gavel/schedule/annealing_areas.hpp>
#include <gavel/schedule/annealing_bootstrap.hpp>
#include <gavel/schedule/annealing_fit.hpp>
#include <gavel/schedule/annealing_law.hpp>
#include <gavel/schedule/combinators.hpp>
#include <gavel/schedule/multi_power_fit.hpp>
#include <gavel/schedule/multi_power_law.hpp>
#include <gavel/schedule/profile.hpp>
#include <gavel/schedule/schedule_search.hpp>
#include <gavel/schedule/sequence.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

namespace schedule = gavel::schedule;
using examples::loss_curve;
using schedule::annealing_fit_status;
using schedule::multi_power_fit_status;

namespace {

constexpr int exit_usage = 1, exit_input = 2, exit_output = 3, exit_disagreement = 4;

constexpr const char* after_help =
    "A log is a table with a row per step: commas, semicolons or tabs between cells, a header of names or none, # for comments. It\n"
    "needs the step (whole numbers that ascend), the learning rate of that step, and the loss (> 0; validation losses fit best).\n"
    "Rates and losses may stand in different rows: leave the other cell empty. Losses of the warm-up are left out.\n"
    "One curve under a constant rate and one that decays determine the annealing law.\n\n"
    "Exit status: 0 success, 1 wrong usage, 2 bad input (the message names file, line and cell), 3 output not written, 4 the fit of the\n"
    "published curves is not the known one.";

struct arguments {
  std::vector<std::string> logs, checks;
  examples::loss_log_options log;
  std::string between = "linear", method = "least-squares", csv, svg, text = GAVEL_SOURCE_DIR "/include/gavel/core";
  std::optional<double> decay_factor;  // empty: chosen
  double confidence = 0.9, peak = 0.0;
  std::uint64_t horizon = 0, warmup = 0;
  std::size_t replicates = 200, demo_steps = 4000, seeds = 8;
  bool demo = false;
};

struct curves {
  std::vector<loss_curve> fitted, checked;
  bool published = false;
};

curves read_curves(const arguments& args) {
  curves result;
  if (args.demo) {
    const auto text = examples::character_text::read(args.text);
    const std::uint64_t warmup = args.demo_steps / 10;
    const auto train = [&](const char* name, auto shape) {
      return examples::train_curve(name, text, examples::rates_after_warmup(shape, args.demo_steps, warmup, 2.0), warmup, args.seeds);
    };
    result.fitted = {train("constant (trained here)", schedule::constant{}), train("cosine (trained here)", schedule::cosine{})};
    result.checked = {train("linear (trained here)", schedule::linear{}), train("WSD 20 % (trained here)", schedule::wsd({.decay = 0.2})),
                      train("multi-step (trained here)", schedule::step_decay(0.316, {0.8, 0.9}))};
  } else if (args.logs.empty()) {
    result.fitted = examples::published_curves();
    result.published = true;
  }
  for (const std::string& path : args.logs) result.fitted.push_back(examples::read_loss_curve(path, args.log));
  for (const std::string& path : args.checks) result.checked.push_back(examples::read_loss_curve(path, args.log));
  return result;
}

// ---------------------------------------------------------------------------------------------------------------------------------------
// Fitting.

/// The values of lambda that are tried, the published one last: it wins where they do not differ.
constexpr std::array decay_factors{0.9, 0.99, 0.995, 0.998, 0.9995, 0.999};
constexpr double published_decay_factor = decay_factors.back();

struct fits {
  std::array<schedule::annealing_fit, decay_factors.size()> squares_at;  // for each lambda
  schedule::annealing_observations observations;
  schedule::annealing_fit squares, huber;
  schedule::multi_power_fit multi_power;
  double squares_ms = 0.0, huber_ms = 0.0, multi_power_ms = 0.0;
  bool use_huber = false;

  [[nodiscard]] const schedule::annealing_fit& chosen() const { return use_huber ? huber : squares; }
  [[nodiscard]] bool annealing_known() const {
    const annealing_fit_status status = chosen().status;
    return status == annealing_fit_status::converged || status == annealing_fit_status::iteration_limit;
  }
  [[nodiscard]] bool multi_power_known() const {
    return multi_power.status != multi_power_fit_status::no_points && multi_power.identified.annealing;
  }
  /// What a column or a line of the multi-power law is called.
  [[nodiscard]] std::string multi_power_name(const char* name) const {
    return multi_power_known() && !multi_power.identified.all() ? std::string(name) + " (open)" : name;
  }
};

template <class Work>
double milliseconds(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

schedule::annealing_observations observe(const std::vector<loss_curve>& some, double decay_factor) {
  schedule::annealing_observations result;
  result.decay_factor = decay_factor;
  for (const loss_curve& curve : some) result.add_curve(curve.rates, curve.steps, curve.losses);
  return result;
}

fits fit_all(const std::vector<loss_curve>& some, bool published, const arguments& args) {
  fits result;
  std::size_t best = decay_factors.size() - 1;
  for (std::size_t k = decay_factors.size(); k-- > 0;) {
    result.squares_at[k] = schedule::fit_annealing_law(observe(some, decay_factors[k]));
    if (result.squares_at[k].r_squared > result.squares_at[best].r_squared) best = k;
  }
  result.observations = observe(some, args.decay_factor.value_or(published ? published_decay_factor : decay_factors[best]));
  schedule::multi_power_observations runs;
  for (const loss_curve& curve : some) runs.add_curve(curve.rates, curve.steps, curve.losses);
  const auto fit = [&](schedule::annealing_fit_method method) {
    return schedule::fit_annealing_law(result.observations, {.method = method});
  };
  result.squares_ms = milliseconds([&] { result.squares = fit(schedule::annealing_fit_method::least_squares); });
  result.huber_ms = milliseconds([&] { result.huber = fit(schedule::annealing_fit_method::huber); });
  result.multi_power_ms = milliseconds([&] { result.multi_power = schedule::fit_multi_power_law(runs); });
  result.use_huber = args.method == "huber";
  return result;
}

const char* status_text(annealing_fit_status status) {
  switch (status) {
    case annealing_fit_status::converged: return "converged";
    case annealing_fit_status::iteration_limit: return "iteration limit";
    case annealing_fit_status::annealing_not_identified: return "C OPEN: no curve anneals on its own; add one that decays";
    case annealing_fit_status::power_not_identified: return "L_0, A, alpha OPEN: the curves are too short or too alike";
    case annealing_fit_status::too_few_points: return "TOO FEW POINTS: at least four are needed";
  }
  return "";
}
const char* status_text(multi_power_fit_status status) {
  switch (status) {
    case multi_power_fit_status::converged: return "converged";
    case multi_power_fit_status::iteration_limit: return "iteration limit";
    case multi_power_fit_status::not_identified: return "parameters OPEN: predicts schedules like the fitted ones only";
    case multi_power_fit_status::no_points: return "NO POINTS";
  }
  return "";
}

std::string with_error(double value, double error) {
  char text[48];
  if (std::isfinite(error)) std::snprintf(text, sizeof text, "%.5g +- %.2g", value, error);
  else std::snprintf(text, sizeof text, "%.5g +- ?", value);
  return text;
}
std::string r_squared_text(std::optional<double> value) {
  char text[32] = "-";
  if (value) std::snprintf(text, sizeof text, "%.6f", *value);
  return text;
}

void print_annealing_fit(const char* name, const schedule::annealing_fit& fit, double ms) {
  std::printf("   %-27s %20s %20s %20s %20s  %s\n", name, with_error(fit.law.loss_floor, fit.standard_errors.loss_floor).c_str(),
              with_error(fit.law.amplitude, fit.standard_errors.amplitude).c_str(),
              with_error(fit.law.annealing, fit.standard_errors.annealing).c_str(),
              with_error(fit.law.alpha, fit.standard_errors.alpha).c_str(), r_squared_text(fit.r_squared).c_str());
  std::printf("   %-27s relative error %.3f %% mean, %.3f %% max; objective %.4g; %.2f ms; %s\n", "", 100.0 * fit.mean_relative_error,
              100.0 * fit.max_relative_error, fit.objective, ms, status_text(fit.status));
}

/// The places of the decay factors, smallest first.
std::array<std::size_t, decay_factors.size()> ascending_decay_factors() {
  std::array<std::size_t, decay_factors.size()> order{};
  for (std::size_t k = 0; k < order.size(); ++k) order[k] = k;
  std::sort(order.begin(), order.end(), [](std::size_t a, std::size_t b) { return decay_factors[a] < decay_factors[b]; });
  return order;
}

/// What R^2 says about lambda, why the one in use is in use, and whether its fit is any good.
void print_decay_factors(const fits& fitted, bool published, bool fixed) {
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

void print_fits(const curves& data, const fits& fitted, bool fixed_decay_factor) {
  std::printf("Fitted to %zu losses of %zu curve(s):\n", fitted.observations.size(), data.fitted.size());
  for (const loss_curve& curve : data.fitted) {
    std::printf("   %-40s %zu losses, steps %llu to %llu, warm-up %llu, rate %g to %g\n", curve.name.c_str(), curve.losses.size(),
                static_cast<unsigned long long>(curve.steps.front()), static_cast<unsigned long long>(curve.steps.back()),
                static_cast<unsigned long long>(curve.warmup_steps), curve.rates.front(), curve.rates.back());
  }
  std::printf("\nAnnealing law L = L_0 + A S_1^-alpha - C S_2, lambda = %g\n\n   %-27s %20s %20s %20s %20s  %s\n",
              fitted.squares.law.decay_factor, "", "L_0", "A", "C", "alpha", "R^2");
  print_annealing_fit("least squares", fitted.squares, fitted.squares_ms);
  print_annealing_fit("Huber on logs, the paper's", fitted.huber, fitted.huber_ms);
  if (data.published) {
    const examples::published::known_fit known;
    std::printf("   %-27s %20.5g %20.5g %20.5g %20.5g  %.5f\n   %-27s objective %.4g\n", "  known minimum of it", known.loss_floor,
                known.amplitude, known.annealing, known.alpha, known.r_squared, "", known.objective);
  }
  print_decay_factors(fitted, data.published, fixed_decay_factor);
  const schedule::multi_power_fit& mpl = fitted.multi_power;
  std::printf(
      "\nMulti-power law\n\n   L_0 %.5f, A %.5g, alpha %.4g, B %.5g, C %.4g, beta %.4g, gamma %.4g; R^2 %s\n"
      "   relative error %.3f %% mean, %.3f %% max; %.2f ms; %s\n",
      mpl.law.loss_floor, mpl.law.amplitude, mpl.law.alpha, mpl.law.annealing, mpl.law.scale, mpl.law.beta, mpl.law.gamma,
      r_squared_text(mpl.r_squared).c_str(), 100.0 * mpl.mean_relative_error, 100.0 * mpl.max_relative_error, fitted.multi_power_ms,
      status_text(mpl.status));
}

/// Whether the published curves gave what they are known to give.
bool matches_known_fit(const schedule::annealing_fit& fit) {
  const examples::published::known_fit known;
  const auto near = [](double value, double wanted, double tolerance) { return std::fabs(value / wanted - 1.0) <= tolerance; };
  return fit.objective <= known.objective * 1.001 && near(fit.law.loss_floor, known.loss_floor, 1e-3) &&
         near(fit.law.amplitude, known.amplitude, 1e-2) && near(fit.law.annealing, known.annealing, 1e-2) &&
         near(fit.law.alpha, known.alpha, 1e-2) && std::fabs(fit.r_squared.value_or(0.0) - known.r_squared) <= 1e-4;
}

// ---------------------------------------------------------------------------------------------------------------------------------------
// Predicting.

struct predicted_curve {
  std::vector<double> annealing, multi_power;  ///< at the steps asked for
};

predicted_curve predict(const fits& fitted, const std::vector<double>& rates, const std::vector<std::uint64_t>& steps) {
  predicted_curve result{std::vector<double>(steps.size()), std::vector<double>(steps.size())};
  schedule::predict(fitted.chosen().law, rates, steps, result.annealing);
  schedule::predict(fitted.multi_power.law, rates, steps, result.multi_power);
  return result;
}

/// How the ends of curves are ordered, measured and predicted.
struct order_of_ends {
  std::string measured, predicted;  ///< names, best first
  std::size_t pairs = 0, wrong = 0;
  double largest_gap = 0.0;  ///< of a pair in the wrong order: the measured difference as a share of the loss
};

order_of_ends compare_ends(const std::vector<loss_curve>& curves, const std::vector<double>& predicted) {
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

void print_order(const char* law, const order_of_ends& order) {
  std::printf("   %-16s %s; ", law, order.predicted.c_str());
  if (order.wrong == 0) std::printf("as measured\n");
  else
    std::printf("%zu of %zu pairs in the WRONG ORDER, which differ by up to %.2f %%\n", order.wrong, order.pairs,
                100.0 * order.largest_gap);
}

/// @return whether the annealing law orders the ends of these curves as they were measured
bool print_checks(const std::vector<loss_curve>& checked, const fits& fitted) {
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

/// The law of the recommendation: what was held back has served its purpose and is fitted too.
void print_refit(const fits& fitted, const arguments& args) {
  std::printf("\nFor what follows all curves are fitted together, %zu losses\n\n", fitted.observations.size());
  const schedule::annealing_fit& used = fitted.chosen();
  print_annealing_fit(fitted.use_huber ? "Huber on logs" : "least squares", used, fitted.use_huber ? fitted.huber_ms : fitted.squares_ms);
  print_decay_factors(fitted, false, args.decay_factor.has_value());
  std::printf("   multi-power law: R^2 %s, relative error %.3f %% mean, %.3f %% max; %s\n",
              r_squared_text(fitted.multi_power.r_squared).c_str(), 100.0 * fitted.multi_power.mean_relative_error,
              100.0 * fitted.multi_power.max_relative_error, status_text(fitted.multi_power.status));
}

struct plan {
  std::uint64_t horizon = 0, warmup = 0;
  double peak = 0.0;
};

struct offer {
  std::string name;
  std::vector<double> rates;
  gavel::interval interval{};
};

constexpr std::size_t n_offers = 7;

std::array<offer, n_offers> offers(const plan& run) {
  const auto rates = [&](auto shape) { return examples::rates_after_warmup(shape, run.horizon, run.warmup, run.peak); };
  return {{{"constant", rates(schedule::constant{})},
           {"cosine", rates(schedule::cosine{})},
           {"linear", rates(schedule::linear{})},
           {"REX", rates(schedule::rex{})},
           {"WSD, linear over the last 20 %", rates(schedule::wsd({.decay = 0.2}))},
           {"WSD, 1 - sqrt over the last 20 %", rates(schedule::wsd({.decay = 0.2}, schedule::one_minus_sqrt{}))},
           {"multi-step, x 0.316 at 80 % and again at 90 %", rates(schedule::step_decay(0.316, {0.8, 0.9}))}}};
}

void add_intervals(std::array<offer, n_offers>& all, const plan& run, const fits& fitted, const arguments& args) {
  std::vector<double> forward, annealing;
  for (const offer& one : all) {
    const auto areas = schedule::areas_at(one.rates, run.horizon, {.decay_factor = fitted.observations.decay_factor});
    forward.push_back(areas.forward());
    annealing.push_back(areas.annealing());
  }
  std::array<gavel::interval, n_offers> intervals;
  gavel::philox4x32 rng(1);
  schedule::bootstrap_intervals(
      fitted.chosen(), fitted.observations, forward, annealing, intervals, rng,
      {.replicates = args.replicates,
       .confidence = args.confidence,
       .measurement_noise = false,
       .fit = {.method = fitted.use_huber ? schedule::annealing_fit_method::huber : schedule::annealing_fit_method::least_squares}});
  for (std::size_t k = 0; k < n_offers; ++k) all[k].interval = intervals[k];
}

/// A choice and the loss that is predicted for it.
struct choice {
  std::string what;
  double loss = 0.0;
  std::vector<double> rates;
};

/// @return the best of them
choice print_ranking(const std::array<offer, n_offers>& all, const plan& run, const fits& fitted, bool intervals, const arguments& args) {
  const auto ranking = schedule::compare_schedules(fitted.chosen().law, run.horizon, {}, all[0].rates, all[1].rates, all[2].rates,
                                                   all[3].rates, all[4].rates, all[5].rates, all[6].rates);
  std::printf(
      "\nPredicted loss after step %llu, peak rate %g, warm-up %llu steps; cosine, linear, REX and WSD end at rate 0\n\n"
      "   %-46s %12s %20.0f %% %19s\n",
      static_cast<unsigned long long>(run.horizon), run.peak, static_cast<unsigned long long>(run.warmup), "schedule, best first",
      "annealing", 100.0 * args.confidence, fitted.multi_power_name("multi-power").c_str());
  std::size_t outside = 0;
  for (const auto& place : ranking) {
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

/// The best cool-down of a run, over a grid of 1 %. @param losses of the whole grid
template <schedule::profile P>
auto best_cooldown(const schedule::annealing_law& law, const plan& run, P shape, std::vector<double>& losses) {
  std::vector<double> fractions;
  const double most = static_cast<double>(run.horizon - run.warmup) / static_cast<double>(run.horizon);
  for (int percent = 0; percent <= 100 && 0.01 * percent <= most; ++percent) fractions.push_back(0.01 * percent);
  losses.resize(fractions.size());
  const schedule::constant_rate base(run.peak);  // warm-up steps count at the peak
  return schedule::best_cooldown(law, base, run.horizon, fractions, shape, losses);
}

/// @return the best of the first horizon
choice print_cooldowns(const plan& run, const fits& fitted) {
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
    const auto rates = [&](auto profile) { return examples::rates_after_warmup(profile, run.horizon, run.warmup, run.peak); };
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
choice print_recommendation(const plan& run, const choice& best_schedule, const choice& cooldown, bool order_holds) {
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

/// The demonstration takes its own advice.
void try_recommendation(const plan& run, const choice& recommended, const curves& data, const arguments& args) {
  const auto text = examples::character_text::read(args.text);
  const loss_curve tried = examples::train_curve("", text, recommended.rates, run.warmup, args.seeds);
  const double measured = tried.losses.back();
  std::printf("Trained here under it: loss %.4f, so the prediction was off by %+.2f %%.", measured,
              100.0 * (recommended.loss / measured - 1.0));
  const loss_curve* best = &data.fitted.front();
  for (const auto* group : {&data.fitted, &data.checked}) {
    for (const loss_curve& curve : *group) best = curve.losses.back() < best->losses.back() ? &curve : best;
  }
  std::printf(" The best of the curves above was %s, %.4f: what was recommended ends %+.2f %% from it.\n", best->name.c_str(),
              best->losses.back(), 100.0 * (measured / best->losses.back() - 1.0));
}

// ---------------------------------------------------------------------------------------------------------------------------------------
// What is left behind.

std::vector<std::uint64_t> shown_steps(const plan& run) {
  std::vector<std::uint64_t> steps;
  const std::uint64_t stride = run.horizon / 200 + 1;
  for (std::uint64_t t = run.warmup == 0 ? 1 : run.warmup; t < run.horizon; t += stride) steps.push_back(t);
  steps.push_back(run.horizon);
  return steps;
}

// @param fitted without the curves that were held back   @param last with them
std::string to_csv(const curves& data, const std::array<offer, n_offers>& all, const plan& run, const fits& fitted, const fits& last) {
  std::string csv = "kind,name,step,rate,loss,annealing_law,multi_power_law\n";
  const auto add = [&](const char* kind, const std::string& name, const std::vector<double>& rates, const std::vector<std::uint64_t>& steps,
                       const std::vector<double>* losses) {
    const predicted_curve guess = predict(losses != nullptr ? fitted : last, rates, steps);
    char line[160];
    for (std::size_t i = 0; i < steps.size(); ++i) {
      std::snprintf(line, sizeof line, ",%llu,%.9g,", static_cast<unsigned long long>(steps[i]), rates[steps[i]]);
      csv += std::string(kind) + ",\"" + name + "\"" + line;
      if (losses != nullptr) std::snprintf(line, sizeof line, "%.9g,%.9g,%.9g\n", (*losses)[i], guess.annealing[i], guess.multi_power[i]);
      else std::snprintf(line, sizeof line, ",%.9g,%.9g\n", guess.annealing[i], guess.multi_power[i]);
      csv += line;
    }
  };
  for (const loss_curve& curve : data.fitted) add("fit", curve.name, curve.rates, curve.steps, &curve.losses);
  for (const loss_curve& curve : data.checked) add("check", curve.name, curve.rates, curve.steps, &curve.losses);
  for (const offer& one : all) add("prediction", one.name, one.rates, shown_steps(run), nullptr);
  return csv;
}

// Between ticks: 1, 2 or 5 times a power of ten, so that there are at most five of them.
std::string round_step(std::uint64_t range) {
  std::uint64_t power = 1;
  for (;; power *= 10) {
    for (const std::uint64_t times : {1U, 2U, 5U}) {
      if (5 * times * power >= range) return std::to_string(times * power);
    }
  }
}

std::string figure(const std::string& svg, const curves& data, const std::array<offer, n_offers>& all, const plan& run, const fits& fitted,
                   const fits& last) {
  const bool both = fitted.multi_power_known();
  const char* colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999"};
  std::string script =
      "set terminal svg size 1000,440 dynamic background rgb 'white' font 'sans,12'\nset output " + examples::gnuplot_quoted(svg) + "\n";
  std::size_t block = 0;
  const auto add_data = [&](const std::vector<std::uint64_t>& steps, const std::vector<double>& values) {
    const std::string name = "$d" + std::to_string(block++);
    script += name + " << EOD\n";
    char line[64];
    for (std::size_t i = 0; i < steps.size(); ++i) {
      std::snprintf(line, sizeof line, "%llu %.9g\n", static_cast<unsigned long long>(steps[i]), values[i]);
      script += line;
    }
    script += "EOD\n";
    return name;
  };
  std::string left, right;
  for (std::size_t k = 0; k < data.fitted.size(); ++k) {
    const loss_curve& curve = data.fitted[k];
    std::vector<std::uint64_t> steps;
    const std::uint64_t first = curve.steps.front(), last_step = curve.steps.back();
    for (std::uint64_t t = first; t < last_step; t += (last_step - first) / 200 + 1) steps.push_back(t);
    steps.push_back(last_step);
    const std::string colour = std::string(" lc rgb '") + colours[k % 7] + "' ";
    left += (left.empty() ? "" : ", ") + add_data(curve.steps, curve.losses) + " using 1:2 with points pt 7 ps 0.5" + colour + "title " +
            examples::gnuplot_quoted(curve.name);
    const predicted_curve guess = predict(fitted, curve.rates, steps);
    left += ", " + add_data(steps, guess.annealing) + " using 1:2 with lines lw 1.5" + colour + "notitle";
    if (both) left += ", " + add_data(steps, guess.multi_power) + " using 1:2 with lines lw 1.5 dt 2" + colour + "notitle";
  }
  std::vector<std::uint64_t> late;
  for (const std::uint64_t step : shown_steps(run)) {
    if (2 * step >= run.horizon) late.push_back(step);
  }
  for (std::size_t k = 0; k < n_offers; ++k) {
    const predicted_curve guess = predict(last, all[k].rates, late);
    const std::string colour = std::string(" lc rgb '") + colours[k] + "' ";
    right += (k == 0 ? "" : ", ") + add_data(late, guess.annealing) + " using 1:2 with lines lw 2" + colour + "title " +
             examples::gnuplot_quoted(all[k].name);
    if (both) right += ", " + add_data(late, guess.multi_power) + " using 1:2 with lines lw 1.5 dt 2" + colour + "notitle";
  }
  std::uint64_t longest = 0;
  for (const loss_curve& curve : data.fitted) longest = (std::max)(longest, curve.steps.back());
  const std::string laws =
      ", NaN with lines lw 1.5 lc rgb '#333333' title 'annealing law'" +
      (both ? ", NaN with lines lw 1.5 dt 2 lc rgb '#333333' title " + examples::gnuplot_quoted(fitted.multi_power_name("multi-power law"))
            : std::string());
  return script + "set multiplot layout 1,2\nset grid ytics lc rgb '#dddddd'\nset key top right noenhanced\nset xlabel 'step'\n" +
         "set ylabel 'loss'\nset format x '%.8g'\nset xtics " + round_step(longest) + "\nset title 'measured (points) and fitted'\nplot " +
         left + laws + "\nset title 'predicted, second half of the run'\nset xtics " + round_step(run.horizon - late.front()) +
         "\nset key bottom left Left reverse noenhanced\nplot " + right + "\nunset multiplot\n";
}

int run(const arguments& args) {
  const curves data = read_curves(args);
  const fits fitted = fit_all(data.fitted, data.published, args);
  print_fits(data, fitted, args.decay_factor.has_value());
  bool order_holds = true;
  fits last = fitted;  // what predicts from here on
  if (!data.checked.empty() && fitted.annealing_known()) {
    order_holds = print_checks(data.checked, fitted);
    std::vector<loss_curve> everything = data.fitted;
    everything.insert(everything.end(), data.checked.begin(), data.checked.end());
    last = fit_all(everything, false, args);
    print_refit(last, args);
  }
  plan next{args.horizon, args.warmup, args.peak};
  for (const loss_curve& curve : data.fitted) {
    if (args.horizon == 0) next.horizon = (std::max)(next.horizon, std::uint64_t{curve.rates.size() - 1});
    if (args.peak == 0.0) next.peak = (std::max)(next.peak, curve.rates.front());
    if (args.warmup == 0) next.warmup = (std::max)(next.warmup, curve.warmup_steps);
  }
  if (next.warmup >= next.horizon) throw examples::table_error("the run to predict ends within its warm-up");
  if (last.annealing_known()) {
    auto all = offers(next);
    const bool intervals = last.observations.size() >= 5;  // four points fit exactly
    if (intervals) add_intervals(all, next, last, args);
    const choice best_schedule = print_ranking(all, next, last, intervals, args);
    const choice recommended = print_recommendation(next, best_schedule, print_cooldowns(next, last), order_holds);
    if (args.demo) try_recommendation(next, recommended, data, args);
    if (!args.csv.empty()) examples::write_text(args.csv, to_csv(data, all, next, fitted, last));
    if (!args.svg.empty()) examples::draw_or_note(args.svg, figure(args.svg, data, all, next, fitted, last));
  } else {
    std::printf("\nThe curves leave the annealing law open, so no schedule is predicted.\n");
    if (!args.csv.empty() || !args.svg.empty()) std::fprintf(stderr, "note: nothing predicted, no file written\n");
  }
  if (std::fflush(stdout) != 0) throw examples::output_error("standard output: cannot be written");
  if (data.published && args.decay_factor.value_or(published_decay_factor) == published_decay_factor && !matches_known_fit(fitted.huber)) {
    std::fprintf(stderr, "predict_loss_curve: the fit of the published curves is not the known one\n");
    return exit_disagreement;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  arguments args;
  std::uint64_t log_warmup = 0;
  CLI::App app{
      "Fits training curves by the scaling law with learning-rate annealing and by the multi-power law, predicts the loss under schedules "
      "that\nwere never run, and recommends how much of a run to spend cooling down.",
      "predict_loss_curve"};
  app.footer(after_help);
  auto* const logs =
      app.add_option("--log", args.logs, "training log to fit: columns step, rate, loss (default: published curves)")->type_name("FILE");
  app.add_option("--check", args.checks, "log to predict without fitting it (default: none)")->type_name("FILE");
  app.add_option("--step-column", args.log.step_column,
                 "column of steps, by name or by number from 1 (default: step, global_step, iteration or iter)");
  app.add_option("--rate-column", args.log.rate_column,
                 "column of learning rates (default: rate, lr, learning_rate or train/learning_rate)");
  app.add_option("--loss-column", args.log.loss_column,
                 "column of losses (default: loss, val_loss, validation_loss, eval_loss, train_loss or train/loss)");
  auto* const warmup =
      app.add_option("--log-warmup", log_warmup, "warm-up steps of the logs (default: where the first rise of the rate ends)");
  app.add_option("--between", args.between, "the rate between two rows of a log")
      ->check(CLI::IsMember({"linear", "constant"}))
      ->capture_default_str();
  app.add_option("--decay-factor", args.decay_factor,
                 "lambda of the annealing area (default: the best R^2 of those printed; 0.999 for the published curves)")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--method", args.method, "fit that predicts")->check(CLI::IsMember({"least-squares", "huber"}))->capture_default_str();
  app.add_option("--horizon", args.horizon, "last step to predict (default: of the longest curve)")->check(CLI::Range(2, 10000000));
  app.add_option("--peak", args.peak, "peak rate to predict (default: the largest of the curves)")->check(CLI::PositiveNumber);
  app.add_option("--warmup", args.warmup, "warm-up steps to predict (default: as the curves)");
  app.add_option("--confidence", args.confidence, "of the intervals")->check(CLI::Range(0.01, 0.999))->capture_default_str();
  app.add_option("--replicates", args.replicates, "refits for the intervals")->check(CLI::Range(2, 100000))->capture_default_str();
  app.add_flag("--demo", args.demo, "train a small model under five schedules, fit two and predict three (default: no)")->excludes(logs);
  app.add_option("--demo-steps", args.demo_steps, "last step of its runs")->check(CLI::Range(100, 1000000))->capture_default_str();
  app.add_option("--seeds", args.seeds, "its runs per curve")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--text", args.text, "its text, a file or a folder of .hpp files (default: gavel's own)");
  app.add_option("--csv", args.csv, "fits and predictions as CSV (default: not written)")->type_name("FILE");
  app.add_option("--svg", args.svg, "figure, by gnuplot (default: not drawn)")->type_name("FILE");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : exit_usage;
  }
  if (warmup->count() > 0) args.log.warmup_steps = log_warmup;
  if (args.between == "constant") args.log.between = schedule::rate_interpolation::constant;
  try {
    return run(args);
  } catch (const examples::output_error& error) {
    std::fprintf(stderr, "predict_loss_curve: %s\n", error.what());
    return exit_output;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "predict_loss_curve: %s\n", error.what());
    return exit_input;
  }
}
