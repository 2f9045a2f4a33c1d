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
//
// Exit codes: 0 all right, 1 bad arguments, 2 bad input, 3 a file that cannot be written, 4 the fit of the published curves is not the known
// one.
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

struct arguments {
  std::vector<std::string> logs, checks;
  examples::loss_log_options log;
  std::string between = "linear", method = "least-squares", csv, svg, text = GAVEL_SOURCE_DIR "/include/gavel/core";
  double decay_factor = 0.999, confidence = 0.9, peak = 0.0;
  std::uint64_t horizon = 0, warmup = 0;
  std::size_t replicates = 200, demo_steps = 4000, seeds = 5;
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
    const auto train = [&](const char* name, auto shape) {
      return examples::train_curve(name, text, examples::rates_after_warmup(shape, args.demo_steps, 0, 4.0), args.seeds);
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

struct fits {
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
};

template <class Work>
double milliseconds(Work&& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

fits fit_all(const curves& data, const arguments& args) {
  fits result;
  result.observations.decay_factor = args.decay_factor;
  schedule::multi_power_observations runs;
  for (const loss_curve& curve : data.fitted) {
    result.observations.add_curve(curve.rates, curve.steps, curve.losses);
    runs.add_curve(curve.rates, curve.steps, curve.losses);
  }
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

void print_fits(const curves& data, const fits& fitted) {
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
  std::printf("   %-27s", "least squares, R^2 at lambda");
  schedule::annealing_observations other;
  for (const double lambda : {0.9, 0.99, 0.995, 0.998, 0.999, 0.9995}) {
    other = {};
    other.decay_factor = lambda;
    for (const loss_curve& curve : data.fitted) other.add_curve(curve.rates, curve.steps, curve.losses);
    std::printf("%s %g: %s", lambda == 0.9 ? "" : ",", lambda, r_squared_text(schedule::fit_annealing_law(other).r_squared).c_str());
  }
  std::printf("\n");
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

void print_checks(const std::vector<loss_curve>& checked, const fits& fitted) {
  std::printf("\nCurves that were not fitted: error of the prediction, mean over the curve and at its end\n\n   %-40s %10s %22s %22s\n", "",
              "last loss", "annealing law", "multi-power law");
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
  }
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
           {"multi-step, 0.316 at 80 % and 90 %", rates(schedule::step_decay(0.316, {0.8, 0.9}))}}};
}

void add_intervals(std::array<offer, n_offers>& all, const plan& run, const fits& fitted, const arguments& args) {
  std::vector<double> forward, annealing;
  for (const offer& one : all) {
    const auto areas = schedule::areas_at(one.rates, run.horizon, {.decay_factor = args.decay_factor});
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

void print_ranking(const std::array<offer, n_offers>& all, const plan& run, const fits& fitted, bool intervals, const arguments& args) {
  const auto ranking = schedule::compare_schedules(fitted.chosen().law, run.horizon, {}, all[0].rates, all[1].rates, all[2].rates,
                                                   all[3].rates, all[4].rates, all[5].rates, all[6].rates);
  std::printf("\nPredicted loss after step %llu, peak rate %g, warm-up %llu steps, decays to 0\n\n   %-36s %12s %20.0f %% %17s\n",
              static_cast<unsigned long long>(run.horizon), run.peak, static_cast<unsigned long long>(run.warmup), "schedule, best first",
              "annealing", 100.0 * args.confidence, "multi-power");
  for (const auto& place : ranking) {
    const offer& one = all[place.index];
    char other[32] = "-";
    if (fitted.multi_power_known()) {
      std::snprintf(other, sizeof other, "%.5f", schedule::multi_power_loss(fitted.multi_power.law, one.rates, run.horizon));
    }
    char interval[48] = "-";
    if (intervals) std::snprintf(interval, sizeof interval, "[%.5f, %.5f]", one.interval.lower, one.interval.upper);
    std::printf("   %-36s %12.5f %22s %17s\n", one.name.c_str(), place.loss, interval, other);
  }
  std::printf("\n   Intervals answer for noise in the fitted losses, not for a law that does not hold: compare the two laws.\n");
}

void print_cooldowns(const plan& run, const fits& fitted) {
  std::printf(
      "\nHow much of a run to spend cooling down to 0 (annealing law, best of a grid of 1 %%)\n\n   %10s  %-10s %8s %12s %12s %12s\n",
      "steps", "shape", "best", "loss", "at 10 %", "at 20 %");
  const auto row = [&](std::uint64_t horizon, const char* name, auto shape) {
    std::vector<double> fractions;
    const double most = static_cast<double>(horizon - run.warmup) / static_cast<double>(horizon);
    for (int percent = 0; percent <= 100 && 0.01 * percent <= most; ++percent) fractions.push_back(0.01 * percent);
    std::vector<double> losses(fractions.size());
    const schedule::constant_rate base(run.peak);  // warm-up steps count at the peak
    const auto best = schedule::best_cooldown(fitted.chosen().law, base, horizon, fractions, shape, losses);
    std::printf("   %10llu  %-10s %6.0f %% %12.5f %12.5f %12.5f%s\n", static_cast<unsigned long long>(horizon), name, 100.0 * best.fraction,
                best.loss, losses.size() > 10 ? losses[10] : best.loss, losses.size() > 20 ? losses[20] : best.loss,
                best.index + 1 == fractions.size() ? "  (the longest there is)" : "");
  };
  for (const std::uint64_t times : {1U, 2U, 4U}) {
    row(times * run.horizon, "linear", schedule::linear{});
    row(times * run.horizon, "1 - sqrt", schedule::one_minus_sqrt{});
  }
  std::printf("\nThe law is linear in S_2: a recommendation far from the decays that were fitted is an extrapolation.\n");
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

std::string to_csv(const curves& data, const std::array<offer, n_offers>& all, const plan& run, const fits& fitted) {
  std::string csv = "kind,name,step,rate,loss,annealing_law,multi_power_law\n";
  const auto add = [&](const char* kind, const std::string& name, const std::vector<double>& rates, const std::vector<std::uint64_t>& steps,
                       const std::vector<double>* losses) {
    const predicted_curve guess = predict(fitted, rates, steps);
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

std::string figure(const std::string& svg, const curves& data, const std::array<offer, n_offers>& all, const plan& run,
                   const fits& fitted) {
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
    const std::uint64_t first = curve.steps.front(), last = curve.steps.back();
    for (std::uint64_t t = first; t < last; t += (last - first) / 200 + 1) steps.push_back(t);
    steps.push_back(last);
    const std::string colour = std::string(" lc rgb '") + colours[k % 7] + "' ";
    left += (left.empty() ? "" : ", ") + add_data(curve.steps, curve.losses) + " using 1:2 with points pt 7 ps 0.5" + colour + "title " +
            examples::gnuplot_quoted(curve.name);
    left += ", " + add_data(steps, predict(fitted, curve.rates, steps).annealing) + " using 1:2 with lines lw 1.5" + colour + "notitle";
  }
  std::vector<std::uint64_t> late;
  for (const std::uint64_t step : shown_steps(run)) {
    if (2 * step >= run.horizon) late.push_back(step);
  }
  for (std::size_t k = 0; k < n_offers; ++k) {
    right += (k == 0 ? "" : ", ") + add_data(late, predict(fitted, all[k].rates, late).annealing) + " using 1:2 with lines lw 2 lc rgb '" +
             colours[k] + "' title " + examples::gnuplot_quoted(all[k].name);
  }
  return script + "set multiplot layout 1,2\nset grid ytics lc rgb '#dddddd'\nset key top right noenhanced\nset xlabel 'step'\n" +
         "set ylabel 'loss'\nset format x '%.0s%c'\nset title 'measured (points) and fitted'\nplot " + left +
         "\nset title 'predicted, second half of the run'\nset key bottom left Left reverse noenhanced\nplot " + right +
         "\nunset multiplot\n";
}

int run(const arguments& args) {
  const curves data = read_curves(args);
  const fits fitted = fit_all(data, args);
  print_fits(data, fitted);
  if (!data.checked.empty() && fitted.annealing_known()) print_checks(data.checked, fitted);
  plan next{args.horizon, args.warmup, args.peak};
  for (const loss_curve& curve : data.fitted) {
    if (args.horizon == 0) next.horizon = (std::max)(next.horizon, std::uint64_t{curve.rates.size() - 1});
    if (args.peak == 0.0) next.peak = (std::max)(next.peak, curve.rates.front());
    if (args.warmup == 0) next.warmup = (std::max)(next.warmup, curve.warmup_steps);
  }
  if (next.warmup >= next.horizon) throw examples::table_error("the run to predict ends within its warm-up");
  if (fitted.annealing_known()) {
    auto all = offers(next);
    const bool intervals = fitted.observations.size() >= 5;  // four points fit exactly
    if (intervals) add_intervals(all, next, fitted, args);
    print_ranking(all, next, fitted, intervals, args);
    print_cooldowns(next, fitted);
    if (!args.csv.empty()) examples::write_text(args.csv, to_csv(data, all, next, fitted));
    if (!args.svg.empty()) examples::draw_or_note(args.svg, figure(args.svg, data, all, next, fitted));
  } else {
    std::printf("\nThe curves leave the annealing law open, so no schedule is predicted.\n");
    if (!args.csv.empty() || !args.svg.empty()) std::fprintf(stderr, "note: nothing predicted, no file written\n");
  }
  if (std::fflush(stdout) != 0) throw examples::output_error("standard output: cannot be written");
  if (data.published && args.decay_factor == 0.999 && !matches_known_fit(fitted.huber)) {
    std::fprintf(stderr, "predict_loss_curve: the fit of the published curves is not the known one\n");
    return exit_disagreement;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  arguments args;
  std::uint64_t log_warmup = 0;
  CLI::App app{"Predicts loss curves under learning-rate schedules that were never run", "predict_loss_curve"};
  auto* const logs =
      app.add_option("--log", args.logs, "training log to fit: columns step, rate, loss (default: published curves)")->type_name("FILE");
  app.add_option("--check", args.checks, "log to predict without fitting it")->type_name("FILE");
  app.add_option("--step-column", args.log.step_column, "column of steps, by name or by number from 1");
  app.add_option("--rate-column", args.log.rate_column, "column of learning rates");
  app.add_option("--loss-column", args.log.loss_column, "column of losses");
  auto* const warmup =
      app.add_option("--log-warmup", log_warmup, "warm-up steps of the logs (default: where the first rise of the rate ends)");
  app.add_option("--between", args.between, "the rate between two rows of a log")
      ->check(CLI::IsMember({"linear", "constant"}))
      ->capture_default_str();
  app.add_option("--decay-factor", args.decay_factor, "lambda of the annealing area")->check(CLI::Range(0.0, 1.0))->capture_default_str();
  app.add_option("--method", args.method, "fit that predicts")->check(CLI::IsMember({"least-squares", "huber"}))->capture_default_str();
  app.add_option("--horizon", args.horizon, "last step to predict (default: of the longest curve)")->check(CLI::Range(2, 10000000));
  app.add_option("--peak", args.peak, "peak rate to predict (default: the largest of the curves)")->check(CLI::PositiveNumber);
  app.add_option("--warmup", args.warmup, "warm-up steps to predict (default: as the curves)");
  app.add_option("--confidence", args.confidence, "of the intervals")->check(CLI::Range(0.01, 0.999))->capture_default_str();
  app.add_option("--replicates", args.replicates, "refits for the intervals")->check(CLI::Range(2, 100000))->capture_default_str();
  app.add_flag("--demo", args.demo, "train a small model and predict it")->excludes(logs);
  app.add_option("--demo-steps", args.demo_steps, "last step of its runs")->check(CLI::Range(100, 1000000))->capture_default_str();
  app.add_option("--seeds", args.seeds, "its runs per curve")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--text", args.text, "its text, a file or a folder of .hpp files");
  app.add_option("--csv", args.csv, "fits and predictions as CSV")->type_name("FILE");
  app.add_option("--svg", args.svg, "figure, by gnuplot")->type_name("FILE");
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
