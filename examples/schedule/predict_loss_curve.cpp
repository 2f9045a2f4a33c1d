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
#include "schedule/support/loss_curve_files.hpp"
#include "schedule/support/loss_curve_fits.hpp"
#include "schedule/support/loss_curve_report.hpp"
#include "schedule/support/loss_curves.hpp"
#include "support/gnuplot.hpp"
#include "support/output.hpp"
#include "support/run_main.hpp"

#include <gavel/schedule/combinators.hpp>
#include <gavel/schedule/profile.hpp>
#include <gavel/schedule/rate_schedule.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

namespace schedule = gavel::schedule;
using examples::curves;
using examples::fits;
using examples::loss_curve;

namespace {

constexpr const char* after_help =
    "A log is a table with a row per step: commas, semicolons or tabs between cells, a header of names or none, # for comments. It\n"
    "needs the step (whole numbers), the learning rate of that step, and the loss (> 0; validation losses fit best).\n"
    "Rates and losses may stand in different rows: leave the other cell empty. Of a step that stands twice, as after a run was resumed, "
    "the\n"
    "last reading counts. Losses of the warm-up are left out, and of more than 2000 losses of a curve those between even places: the "
    "table\n"
    "says how many.\n"
    "One curve under a constant rate and one that decays determine the annealing law. Curves that leave it open predict no schedule (exit\n"
    "status 5, the last line says what is missing); files then hold the curves alone.";

struct arguments {
  std::vector<std::string> logs, checks;
  examples::loss_log_options log;
  std::string between = "linear", method = "least-squares", csv, svg, text = GAVEL_SOURCE_DIR "/include/gavel/core";
  std::optional<double> decay_factor;   // empty: chosen
  double confidence = 0.9, peak = 0.0;  // peak 0: that of the curves
  std::uint64_t horizon = 0;            // 0: that of the longest
  std::optional<std::uint64_t> warmup;  // empty: as the curves
  std::size_t replicates = 200, demo_steps = 4000, seeds = 8;
  bool demo = false;
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

/// The run to predict: as asked for, and like the curves where nothing is.
/// @throws input_error if nothing is left of it after its warm-up
examples::plan plan_of(const curves& data, const arguments& args) {
  examples::plan next{args.horizon, args.warmup.value_or(0), args.peak};
  for (const loss_curve& curve : data.fitted) {
    if (args.horizon == 0) next.horizon = (std::max)(next.horizon, std::uint64_t{curve.rates.size() - 1});
    if (args.peak == 0.0) next.peak = (std::max)(next.peak, curve.rates.front());
    if (!args.warmup) next.warmup = (std::max)(next.warmup, curve.warmup_steps);
  }
  if (next.warmup >= next.horizon) {
    throw examples::input_error("the run to predict ends at step " + std::to_string(next.horizon) +
                                (args.horizon == 0 ? " (as the longest curve, --horizon sets it)" : " (--horizon)") +
                                ", within its warm-up of " + std::to_string(next.warmup) + " steps" +
                                (args.warmup ? " (--warmup)" : " (as the curves, --warmup sets it)"));
  }
  return next;
}

/// Trains under the recommended schedule.
void try_recommendation(const examples::plan& run, const examples::choice& recommended, const curves& data, const arguments& args) {
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

/// What predicts in the end: once the held-back curves have been checked, they are fitted too.
fits refit(const curves& data, const arguments& args) {
  std::vector<loss_curve> everything = data.fitted;
  everything.insert(everything.end(), data.checked.begin(), data.checked.end());
  return examples::fit_all(everything, args.decay_factor, args.method == "huber");
}

/// Predicts, ranks and recommends.
/// @return the schedules, with their intervals
auto print_predictions(const curves& data, const examples::plan& next, const fits& last, bool order_holds, const arguments& args) {
  auto all = examples::offers(next);
  const bool intervals = last.observations.size() >= 5;  // four points fit exactly
  if (intervals) examples::add_intervals(all, next, last, args.replicates, args.confidence);
  const auto best_schedule = examples::print_ranking(all, next, last, intervals, args.confidence);
  const auto recommended = examples::print_recommendation(next, best_schedule, examples::print_cooldowns(next, last), order_holds);
  if (args.demo) try_recommendation(next, recommended, data, args);
  return all;
}

void write_files(const examples::loss_curve_results& results, const arguments& args) {
  if (!args.csv.empty()) examples::write_text(args.csv, examples::to_csv(results));
  if (!args.svg.empty()) examples::draw_or_note(args.svg, examples::figure_script(args.svg, results));
}

void run(const arguments& args) {
  examples::require_writable({args.csv, args.svg});
  const curves data = read_curves(args);
  const examples::plan next = plan_of(data, args);
  const auto decay_factor = !args.decay_factor && data.published ? examples::published_decay_factor : args.decay_factor;
  const fits fitted = examples::fit_all(data.fitted, decay_factor, args.method == "huber");
  examples::print_fits(data, fitted, args.decay_factor.has_value());
  bool order_holds = true;
  fits last = fitted;  // what predicts from here on
  if (!data.checked.empty() && fitted.annealing_known()) {
    order_holds = examples::print_checks(data.checked, fitted);
    last = refit(data, args);
    examples::print_refit(last, args.decay_factor.has_value());
  }
  const bool known = last.annealing_known();
  if (known) {
    const auto all = print_predictions(data, next, last, order_holds, args);
    write_files({data, fitted, last, next, all}, args);
  } else {
    std::printf("\nThe curves leave the annealing law open, so no schedule is predicted.\n");
    write_files({data, fitted, last, next}, args);
  }
  if (data.published && decay_factor == examples::published_decay_factor && !examples::matches_known_fit(fitted.huber)) {
    throw examples::check_error("the fit of the published curves is not the known one");
  }
  if (known) return;
  throw examples::no_answer(std::string("no schedule predicted: ") + examples::remedy(last.chosen().status) +
                            (args.csv.empty() && args.svg.empty() ? "" : "; what was written holds the curves alone"));
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
  app.add_flag("--drop-non-finite", args.log.drop_non_finite, "leave out rates and losses that are nan or inf (default: refuse them)");
  app.add_option("--between", args.between,
                 "the rate between two rows of a log: linear, for decays that were logged now and then; constant, for stairs\n"
                 "(the library's own default, since its rate_log need not come from a decay)")
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
  return examples::run_main(app, argc, argv, [&] {
    if (warmup->count() > 0) args.log.warmup_steps = log_warmup;
    if (args.between == "constant") args.log.between = schedule::rate_interpolation::constant;
    run(args);
  });
}
