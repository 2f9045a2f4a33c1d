// SPDX-License-Identifier: MIT
// test-arguments: --demo-steps 400 --seeds 2 --out schedule.csv --svg schedule.svg --save-log log.csv
// test-arguments: --norm l1 --demo-steps 300
//
// Turns the gradient norms that one training run logged into the learning-rate schedule of the next one.
//
//   refine_from_log [LOG.csv | -] [--column NAME|NUMBER] [--norm l2|l1] [--steps T] [--out FILE|-] [--svg FILE] ...
//
// The log is a table with a column of gradient norms, taken before any clipping: Euclidean norms (l2) for SGD, sums of absolute values (l1)
// for Adam, and a column of steps unless rows stand at even distances. Without a log the program makes one: it trains a softmax regression
// on gavel's own sources, refines, and then trains again under each schedule, to show what the bounds are worth. --help gives the form of a
// log and the exit codes.
#include "schedule/support/text_regression.hpp"
#include "support/csv_reader.hpp"
#include "support/gnuplot.hpp"
#include "support/output.hpp"
#include "support/run_main.hpp"

#include <gavel/core/moments.hpp>
#include <gavel/core/philox.hpp>
#include <gavel/schedule/combinators.hpp>
#include <gavel/schedule/last_iterate_bound.hpp>
#include <gavel/schedule/profile.hpp>
#include <gavel/schedule/rate_schedule.hpp>
#include <gavel/schedule/refinement.hpp>
#include <gavel/schedule/sequence.hpp>
#include <gavel/schedule/warmup_power_fit.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace schedule = gavel::schedule;
using schedule::gradient_norm;
using schedule::refinement_status;

namespace {

constexpr const char* after_help =
    "A log is a table with one row per step that was logged: commas, semicolons or tabs between cells, a header of names or none, # for\n"
    "comments. Its column of gradient norms is found by name (grad_norm, grad_norm_l2 or grad_norm_l1, gradient_norm, train/grad_norm), "
    "or\n"
    "is the only one there is, or is named by --column. Norms are >= 0, taken before any clipping: Euclidean norms (l2) for SGD, sums of\n"
    "absolute values (l1) for Adam. The column of steps (step, global_step, iteration, iter, or --step-column) says where in the run a\n"
    "norm stands; without one, rows stand at even distances. Of a step that stands twice, as after a run was resumed, the last reading\n"
    "counts. A log that calls for linear decay is a success too; the table says so.";

struct arguments {
  std::string log, column, step_column, norm = "l2", out, svg, save_log, text = GAVEL_SOURCE_DIR "/include/gavel/core";
  schedule::refinement_options refine;
  std::size_t demo_steps = 1000, seeds = 5;
  std::uint64_t seed = 1;
};

// ---------------------------------------------------------------------------------------------------------------------------------------
// Where norms come from.

struct log_of_norms {
  std::string description;
  std::vector<double> norms;
  std::vector<std::uint64_t> steps{};  ///< empty: rows at even distances
  std::size_t empty_cells = 0;         ///< left out
};

log_of_norms read_log(const arguments& args) {
  const examples::csv_table table = examples::csv_table::read(args.log);
  const std::size_t column =
      table.column(args.column.empty() && table.columns() == 1 ? "1" : args.column,
                   {"grad_norm", "grad_norm_" + args.norm, "gradient_norm", "train/grad_norm"}, "gradient norms", "--column");
  const std::optional<std::size_t> step_column = table.step_column(args.step_column, "--step-column");
  log_of_norms result{table.name() + ", " + table.label(column), {}};
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (table.text(row, column).empty()) {
      if (!args.refine.drop_non_finite) table.fail(row, column, "must be a number (or left out by --drop-non-finite)");
      ++result.empty_cells;
      continue;
    }
    const double norm = table.number(row, column);
    if (norm < 0.0) table.fail(row, column, "a norm must be >= 0");
    if (!std::isfinite(norm) && !args.refine.drop_non_finite) table.fail(row, column, "must be finite (or left out by --drop-non-finite)");
    result.norms.push_back(norm);
    if (step_column) result.steps.push_back(table.step(row, *step_column, 0x1p53, "2^53"));
  }
  if (result.norms.empty()) throw examples::input_error(result.description + " is empty");
  return result;
}

schedule::refined_schedule refine(const log_of_norms& log, const schedule::refinement_options& options) {
  return log.steps.empty() ? schedule::refine(log.norms, options) : schedule::refine(log.steps, log.norms, options);
}

constexpr std::size_t demo_batch = 16;

struct demo_log {
  std::vector<double> l2, l1;
};

// The first run of the demonstration: linear decay, the schedule to use when nothing is known.
demo_log train_for_log(const examples::character_text& text, const arguments& args) {
  const auto rates = schedule::stretch(schedule::linear{}, {.steps = args.demo_steps, .base_rate = 4.0});
  examples::text_regression model(text);
  gavel::philox4x32 rng(args.seed);
  demo_log log;
  for (std::size_t t = 0; t < args.demo_steps; ++t) {
    const auto norms = model.step(rates.rate(t), demo_batch, rng);
    log.l2.push_back(norms.l2);
    log.l1.push_back(norms.l1);
  }
  return log;
}

// ---------------------------------------------------------------------------------------------------------------------------------------
// The refined schedule beside the usual ones.

struct candidate {
  std::string name;
  std::vector<double> rates;  ///< largest 1
  schedule::best_base_rate_result bound;
};

template <schedule::profile P>
std::vector<double> rates_of(P shape, std::uint64_t steps) {
  return schedule::table(schedule::stretch(shape, {.steps = steps}), steps).rates();
}

std::vector<candidate> candidates(const schedule::refined_schedule& refined, double distance) {
  const std::vector<double>& norms = refined.norms;
  const std::uint64_t steps = refined.steps();
  std::vector<candidate> result{{"refined from the log", refined.rates, {}},
                                {"linear", rates_of(schedule::linear{}, steps), {}},
                                {"REX", rates_of(schedule::rex{}, steps), {}},
                                {"cosine", rates_of(schedule::cosine{}, steps), {}},
                                {"WSD, linear over the last 20 %", rates_of(schedule::wsd({.decay = 0.2}), steps), {}},
                                {"constant", rates_of(schedule::constant{}, steps), {}}};
  if (refined.status == refinement_status::interpolating || refined.status == refinement_status::zero_norms) {
    result[0].name = "refined (here: linear decay)";
  }
  const bool positive = std::all_of(norms.begin(), norms.end(), [](double norm) { return norm > 0.0; });
  if (positive && refined.floored_norms == 0 && steps >= 2 && steps <= 5000) {
    result.push_back({"numerical minimum of the bound", schedule::minimize_last_iterate_bound(norms, distance).rates, {}});
  }
  for (candidate& one : result) {
    const double largest = *std::max_element(one.rates.begin(), one.rates.end());
    if (largest > 0.0) {
      for (double& rate : one.rates) rate /= largest;
    }
    one.bound = schedule::best_base_rate(one.rates, norms, distance);
  }
  return result;
}

std::string status_text(const schedule::refined_schedule& refined) {
  char ratio[16];
  std::snprintf(ratio, sizeof ratio, "%.3f", refined.end_ratio);
  switch (refined.status) {
    case refinement_status::refined:
      if (refined.end_ratio < 1.0 / 3.0) {
        return std::string("refined as asked for (--force), though the norms die away: last quarter / middle = ") + ratio;
      }
      return std::string("refined; norms of the last quarter / middle = ") + ratio;
    case refinement_status::floored_zero_norms:
      return "WARNING: refined, but " + std::to_string(refined.floored_norms) + " smoothed norms were (nearly) 0 and have been raised";
    case refinement_status::interpolating:
      return std::string("WARNING: fell back to linear decay. The norms die away (last quarter / middle = ") + ratio +
             ", below 1/3): the model interpolates its data, and refinement would put the whole rate on the last steps. "
             "--force refines all the same";
    case refinement_status::zero_norms: return "WARNING: fell back to linear decay, no norm is positive";
    case refinement_status::too_short: return "WARNING: one step cannot be scheduled; it gets the full rate";
  }
  return {};
}

/// Where the bound of linear decay is below this times the refined one, measured losses were no lower on the whole (docs/schedule.md).
constexpr double little_to_gain = 1.2;

void print_table(const log_of_norms& log, const arguments& args, const schedule::refined_schedule& refined,
                 const std::vector<candidate>& all) {
  std::printf("%s: %zu %s norms", log.description.c_str(), log.norms.size(), args.norm.c_str());
  if (!log.steps.empty()) {
    const auto [first, last] = std::minmax_element(log.steps.begin(), log.steps.end());
    std::printf(" of steps %llu to %llu", static_cast<unsigned long long>(*first), static_cast<unsigned long long>(*last));
  }
  std::printf(", smoothed over %zu", refined.smoothing_width);
  if (refined.dropped_norms + log.empty_cells > 0) std::printf(", %zu left out", refined.dropped_norms + log.empty_cells);
  if (refined.repeated_norms > 0) std::printf(", %zu of steps that were logged again later", refined.repeated_norms);
  std::printf("; next run: %zu steps\n%s\n", refined.steps(), status_text(refined).c_str());
  if (refined.status == refinement_status::refined || refined.status == refinement_status::floored_zero_norms) {
    const schedule::warmup_power_fit shape = schedule::fit_warmup_power(refined.rates);
    if (shape.status == schedule::warmup_power_fit_status::converged) {
      std::printf("in two numbers: linear warm-up over %.1f %% of the run, then (1 - z)^%.2f; rms error %.1f %% of the peak\n",
                  100.0 * shape.warmup, shape.power, 100.0 * shape.rms_error);
    }
  }
  if (refined.guarantee > 0.0) {
    std::printf("rates are absolute for D = %g; guarantee of the averaging argument: f(last) - f* <= %.4g\n", args.refine.distance,
                refined.guarantee);
  }
  const bool known = args.refine.distance > 0.0;
  std::printf(
      "\nLast-iterate bound at these norms, each schedule at its best base rate%s.%s\n\n   %-32s %14s %14s %12s\n",
      known ? "" : ", in units of D = |x_0 - x*|",
      args.norm == "l1" ? "\nThe bound is one of SGD; with l1 norms it compares shapes and says nothing about Adam's own loss." : "",
      "schedule", known ? "base rate" : "base rate / D", known ? "bound" : "bound / D", "/ refined");
  for (const candidate& one : all) {
    if (one.bound.status != schedule::best_base_rate_status::converged) {
      std::printf("   %-32s %14s %14s %12s\n", one.name.c_str(), "-", "-", "-");
      continue;
    }
    const bool comparable = all[0].bound.status == schedule::best_base_rate_status::converged;
    std::printf("   %-32s %14.5g %14.5g %12s\n", one.name.c_str(), one.bound.base_rate, one.bound.bound,
                comparable ? examples::real(one.bound.bound / all[0].bound.bound, 4).c_str() : "-");
  }
  if (refined.floored_norms > 0) {
    std::printf(
        "\nNOTE: do not rank by this table. A norm of (nearly) 0 makes its step nearly free, and a schedule that puts everything there "
        "looks\n"
        "best. Smooth over them (--smoothing), or leave out the rows that hold no norm.\n");
  } else if (refined.end_ratio < 1.0 / 3.0 && refined.status != refinement_status::zero_norms) {
    std::printf(
        "\nNOTE: do not rank by this table. The bound takes the norms as given, and where they die away it favours whatever keeps its "
        "rate\n"
        "until late (constant, WSD): late steps hardly count in it. But the norms died away under the schedule of the log, and another "
        "one\n"
        "need not make them do so. Linear decay needs no log.\n");
  } else if (all[0].bound.status == schedule::best_base_rate_status::converged && all[1].bound.status == all[0].bound.status &&
             all[1].bound.bound < little_to_gain * all[0].bound.bound && refined.status == refinement_status::refined) {
    std::printf(
        "\nNOTE: at these norms the bound of linear decay is only %.1f %% above that of the refined schedule. Where it was below %.0f %%, "
        "small\n"
        "networks ended no lower on the whole under the refined one: take linear decay, which needs no log. Refinement is for SGD that "
        "begins\n"
        "with gradients many times as large as later ones.\n",
        100.0 * (std::max)(all[1].bound.bound / all[0].bound.bound - 1.0, 0.0), 100.0 * (little_to_gain - 1.0));
  }
}

// ---------------------------------------------------------------------------------------------------------------------------------------
// The next run of the demonstration, under every schedule.

double held_out_after(const examples::character_text& text, const std::vector<double>& shape, double base_rate, std::uint64_t seed) {
  examples::text_regression model(text);
  gavel::philox4x32 rng(seed, 1);
  for (const double share : shape) model.step(base_rate * share, demo_batch, rng);
  return model.held_out_loss();
}

void show_next_runs(const examples::character_text& text, const arguments& args, const std::vector<candidate>& all) {
  std::vector<double> grid;
  for (int half_octave = 0; half_octave <= 12; ++half_octave) grid.push_back(std::exp2(0.5 * half_octave));
  std::printf(
      "\nMeasured: held-out loss (nats per character) of %zu further runs each, batches of %zu, base rate tuned per schedule over %zu\n"
      "values on a run of its own; mean, and difference to linear decay on the same batches, with standard errors\n\n"
      "   %-32s %10s %18s %22s\n",
      args.seeds, demo_batch, grid.size(), "schedule", "base rate", "loss", "minus linear");
  std::vector<std::vector<double>> losses;
  std::vector<double> best_rates;
  examples::progress_line progress;
  for (const candidate& one : all) {
    progress.show(one.name);
    double best = 0.0, best_loss = 0.0;
    for (const double rate : grid) {
      const double loss = held_out_after(text, one.rates, rate, args.seed + 1000);
      if (best == 0.0 || loss < best_loss) best = rate, best_loss = loss;
    }
    best_rates.push_back(best);
    losses.emplace_back();
    for (std::size_t s = 0; s < args.seeds; ++s) losses.back().push_back(held_out_after(text, one.rates, best, args.seed + 1 + s));
  }
  progress.show("");
  for (std::size_t k = 0; k < all.size(); ++k) {
    gavel::moments loss, difference;
    for (std::size_t s = 0; s < args.seeds; ++s) {
      loss.add(losses[k][s]);
      difference.add(losses[k][s] - losses[1][s]);
    }
    std::printf("   %-32s %10.3g %9.4f +- %.4f %12.4f +- %.4f\n", all[k].name.c_str(), best_rates[k], *loss.mean(),
                loss.standard_error().value_or(0.0), *difference.mean(), difference.standard_error().value_or(0.0));
  }
}

// ---------------------------------------------------------------------------------------------------------------------------------------
// What is left behind.

std::string to_csv(const schedule::refined_schedule& refined) {
  examples::csv_writer csv("step,rate");
  for (std::size_t t = 0; t < refined.steps(); ++t) csv.row(t, examples::real(refined.rates[t], 17));
  return csv.text();
}

// At most about a thousand points per curve: a figure has no room for more.
std::string points(const std::vector<double>& values, const std::vector<std::uint64_t>& steps = {}) {
  std::string text;
  const std::size_t stride = values.size() / 1000 + 1;
  const auto ends = std::minmax_element(steps.begin(), steps.end());
  for (std::size_t t = 0; t < values.size(); t += stride) {
    if (!std::isfinite(values[t])) continue;
    const double since = static_cast<double>(steps.empty() ? t : steps[t] - *ends.first);
    const double whole = static_cast<double>(steps.empty() ? values.size() - 1 : *ends.second - *ends.first);
    text += examples::point(whole > 0.0 ? since / whole : 0.0, values[t]);
  }
  return text;
}

// A logarithmic axis: a few norms far above the others would flatten them on a linear one.
// Norms below a millionth of their median, which are 0 but for rounding, fall off it.
std::string norm_axis(const std::vector<double>& norms) {
  std::vector<double> positive;
  std::copy_if(norms.begin(), norms.end(), std::back_inserter(positive), [](double norm) { return norm > 0.0 && std::isfinite(norm); });
  if (positive.empty()) return "set yrange [0:1]\n";
  std::sort(positive.begin(), positive.end());
  const double lowest = (std::max)(positive.front(), 1e-6 * positive[positive.size() / 2]) / 1.25, highest = 1.25 * positive.back();
  char text[80];
  std::snprintf(text, sizeof text, "set logscale y\nset yrange [%.6g:%.6g]\n", lowest, highest);
  std::string axis = text;
  if (highest / lowest > 1000.0) return axis;  // powers of ten are ticks enough
  const char* separator = "set ytics (";
  for (double power = std::pow(10.0, std::floor(std::log10(lowest))); power <= highest; power *= 10.0) {
    for (const double times : {1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0}) {
      if (highest / lowest > 10.0 && times != 1.0 && times != 2.0 && times != 5.0) continue;
      std::snprintf(text, sizeof text, "%s%.6g", separator, times * power);
      axis += text;
      separator = ", ";
    }
  }
  return axis + ")\n";
}

std::string figure(const std::string& svg, const log_of_norms& log, const std::vector<double>& smooth, const std::vector<candidate>& all) {
  examples::gnuplot_data data;
  const std::string raw = data.add(points(log.norms, log.steps)), smoothed = data.add(points(smooth));
  std::string plots;
  const char* colors[] = {"#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#999999"};
  for (std::size_t k = 0; k < 6; ++k) {
    plots += (k == 0 ? "" : ", ") + data.add(points(all[k].rates)) + " using 1:2 with lines lw " + (k == 0 ? "3" : "1.5") + " lc rgb '" +
             colors[k] + "' title " + examples::gnuplot_quoted(all[k].name);
  }
  return data.text() + examples::panels_above_keys(svg, 2, 6) +
         "set grid ytics lc rgb '#dddddd'\nset xlabel 'progress'\nset xrange [0:1]\n" +
         "set title 'gradient norms'\nset ylabel 'norm'\nset format y '%g'\n" + norm_axis(log.norms) + "plot " + raw +
         " using 1:2 with points pt 7 ps 0.25 lc rgb '#56789a' title 'logged', " + smoothed +
         " using 1:2 with lines lw 3 lc rgb '#d55e00' title 'smoothed'\n" +
         "unset logscale y\nset ytics auto\nset title 'schedules of the next run'\nset ylabel 'rate / largest rate'\nset yrange "
         "[0:1.1]\nplot " +
         plots + "\nunset multiplot\n";
}

void run(const arguments& args) {
  examples::require_writable({args.out == "-" ? "" : args.out, args.svg, args.save_log});
  log_of_norms log;
  std::optional<examples::character_text> text;
  if (args.log.empty()) {
    text = examples::character_text::read(args.text);
    const demo_log demo = train_for_log(*text, args);
    log = {"softmax regression of the next character, SGD under linear decay", args.norm == "l2" ? demo.l2 : demo.l1};
    if (!args.save_log.empty()) {
      examples::csv_writer csv("step,grad_norm_l2,grad_norm_l1");
      for (std::size_t t = 0; t < demo.l2.size(); ++t) csv.row(t, examples::real(demo.l2[t], 17), examples::real(demo.l1[t], 17));
      examples::write_text(args.save_log, csv.text());
    }
  } else {
    log = read_log(args);
  }
  const schedule::refined_schedule refined = refine(log, args.refine);
  if (args.out == "-") {
    std::fputs(to_csv(refined).c_str(), stdout);
  } else {
    const std::vector<candidate> all = candidates(refined, args.refine.distance > 0.0 ? args.refine.distance : 1.0);
    print_table(log, args, refined, all);
    if (text && args.norm == "l2" && args.seeds > 0) show_next_runs(*text, args, all);
    if (!args.out.empty()) examples::write_text(args.out, to_csv(refined));
    if (!args.svg.empty()) examples::draw_or_note(args.svg, figure(args.svg, log, refined.norms, all));
  }
}

}  // namespace

int main(int argc, char** argv) {
  arguments args;
  CLI::App app{"Turns the gradient norms of one run into the learning-rate schedule of the next.", "refine_from_log"};
  app.footer(after_help);
  app.add_option("log", args.log, "table with one row per step that was logged, - for standard input (default: a run made here)")
      ->type_name("LOG.csv");
  app.add_option("--column", args.column,
                 "column of gradient norms, by name or by number from 1 (default: grad_norm and the like, see below)");
  app.add_option("--step-column", args.step_column,
                 "column of steps, by name or by number from 1 (default: step and the like, else rows at even distances)");
  app.add_option("--norm", args.norm, "what was logged: l2 (for SGD) or l1 (for Adam)")
      ->check(CLI::IsMember({"l2", "l1"}))
      ->capture_default_str();
  app.add_option("--steps", args.refine.steps, "steps of the next run (default: of the run that was logged)")
      ->check(CLI::Range(1, 100000000));
  app.add_option("--smoothing", args.refine.smoothing, "share of the run that the running median covers, 0 = none")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--width", args.refine.smoothing_width,
                 "width of the running median in rows, odd, in place of --smoothing (default: by --smoothing)");
  app.add_option("--drop-ends", args.refine.drop_ends, "rows left out at either end")->capture_default_str();
  app.add_flag("--drop-non-finite", args.refine.drop_non_finite, "leave out norms that are empty, nan or inf (default: refuse them)");
  auto* const distance =
      app.add_option("--distance", args.refine.distance, "D >= |x_0 - x*|, if known: rates in absolute units, l2 only (default: unknown)")
          ->check(CLI::PositiveNumber);
  app.add_option("--base-rate", args.refine.base_rate, "largest rate of the refined schedule, to be tuned")
      ->check(CLI::PositiveNumber)
      ->capture_default_str()
      ->excludes(distance);
  app.add_flag("--force", args.refine.force, "refine even where norms die away (default: linear decay there)");
  app.add_option("--out", args.out,
                 "the refined schedule as CSV: step,rate; - for standard output in place of the table (default: not written)")
      ->type_name("FILE");
  app.add_option("--svg", args.svg, "figure of norms and schedules, by gnuplot (default: not drawn)")->type_name("FILE");
  app.add_option("--demo-steps", args.demo_steps, "without a log: steps of the run made here")
      ->check(CLI::Range(20, 1000000))
      ->capture_default_str();
  app.add_option("--seeds", args.seeds, "without a log: further runs per schedule, 0 = none")
      ->check(CLI::Range(0, 100))
      ->capture_default_str();
  app.add_option("--seed", args.seed, "without a log: batches")->capture_default_str();
  app.add_option("--text", args.text, "without a log: text to learn from, a file or a folder of .hpp files (default: gavel's own)");
  app.add_option("--save-log", args.save_log, "without a log: the norms of the run made here, as CSV (default: not written)")
      ->type_name("FILE");
  return examples::run_main(app, argc, argv, [&] {
    if (args.refine.smoothing_width != 0 && args.refine.smoothing_width % 2 == 0) throw CLI::ValidationError("--width", "must be odd");
    if (args.norm == "l1" && args.refine.distance > 0.0) throw CLI::ValidationError("--distance", "needs l2 norms");
    if (!args.log.empty() && !args.save_log.empty()) throw CLI::ValidationError("--save-log", "is for a run made here, without a log");
    args.refine.norm = args.norm == "l1" ? gradient_norm::l1 : gradient_norm::l2;
    run(args);
  });
}
