// SPDX-License-Identifier: MIT
// test-arguments: --steps 120
// test-arguments: --steps 60 --csv rates.csv --svg rates.svg
//
// Drives a libtorch optimiser with gavel schedules: before every step the rate of that step is written into the optimiser's groups, and that
// is all. A small network learns to predict the next character of a text; every tenth block of it is held out.
//
//   1. torch::optim::StepLR and the same schedule from gavel give equal rates and an equal run. (The C++ class keeps its first rate for one
//      step longer than PyTorch's Python class of the same name; both are shown.)
//   2. Schedules that libtorch does not have, at the same base rate and on the same batches.
//   3. A run that is stopped and goes on from a checkpoint needs the step number and nothing else to have the right rates.
//
//   drive_optimizer [--text FILE] [--steps T] [--base-rate R] [--seed S] [--extra-steps N] [--csv FILE]
#include "support/gnuplot.hpp"
#include "support/output.hpp"
#include "support/run_main.hpp"
#include "support/text_file.hpp"
#include "torch_run.hpp"

#include <gavel/core/philox.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/schedule/combinators.hpp>
#include <gavel/schedule/profile.hpp>
#include <gavel/schedule/pytorch.hpp>
#include <gavel/schedule/rate_schedule.hpp>
#include <gavel/schedule/sequence.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

namespace schedule = gavel::schedule;
using examples::torch_run;

namespace {

struct arguments {
  std::string text = GAVEL_SOURCE_DIR "/examples/data/sources.txt";
  std::uint64_t steps = 600;
  double base_rate = 8e-3;
  std::uint64_t seed = 1;
  std::uint64_t extra_steps = 1;
  std::string csv, svg;
};

struct texts {
  examples::character_examples training, held_out;
};

// Printable ASCII, the newline, and one class for all other bytes.
std::int64_t class_of(char c) {
  if (c == '\n') return 95;
  return c >= ' ' && c <= '~' ? c - ' ' : 96;
}

texts read_examples(const std::string& path) {
  const std::string text = examples::read_text(path);
  constexpr std::size_t context = 5;
  if (text.size() < 1000) throw examples::input_error(path + ": has " + std::to_string(text.size()) + " bytes, at least 1000 are needed");
  constexpr std::size_t block = 100;
  const examples::character_examples none{.context = context, .classes = 97, .contexts = {}, .next = {}};
  texts result{none, none};
  for (std::size_t i = context; i < text.size(); ++i) {
    examples::character_examples& half = i / block % 10 == 9 ? result.held_out : result.training;
    for (std::size_t k = i - context; k < i; ++k) half.contexts.push_back(class_of(text[k]));
    half.next.push_back(class_of(text[i]));
  }
  return result;
}

// Batch t is a function of t, so a run that goes on at step t sees what it would have seen.
std::vector<std::int64_t> batch_at(const arguments& args, const texts& data, std::uint64_t step) {
  gavel::philox4x32 rng(args.seed, step);
  std::vector<std::int64_t> batch(64);
  for (auto& row : batch) row = static_cast<std::int64_t>(gavel::uniform_index(rng, data.training.next.size()));
  return batch;
}

template <schedule::rate_schedule S>
void train(torch_run& run, const S& rates, const arguments& args, const texts& data, std::uint64_t first, std::uint64_t last) {
  for (std::uint64_t t = first; t < last; ++t) run.step(rates.rate(t), batch_at(args, data, t));
}

// 1. The same staircase twice: held by torch's scheduler, which multiplies the optimiser's rate when a stage ends, and as a function of t.
bool compare_with_step_lr(const arguments& args, const texts& data, std::vector<double>& torch_rates) {
  const std::uint64_t stage = (std::max)(args.steps / 3, std::uint64_t{1});
  const auto python = schedule::pytorch::step_lr({.base_lr = args.base_rate, .step_size = stage, .gamma = 0.3});
  const schedule::sequence ours(schedule::constant_rate(args.base_rate), args.extra_steps, python);  // at the first rate
  torch_run theirs(data.training, data.held_out, args.seed), mine(data.training, data.held_out, args.seed);
  theirs.attach_step_lr(args.base_rate, static_cast<unsigned>(stage), 0.3);
  double rate_difference = 0.0, loss_difference = 0.0;
  for (std::uint64_t t = 0; t < args.steps; ++t) {
    const auto batch = batch_at(args, data, t);
    torch_rates.push_back(theirs.rate());
    rate_difference = (std::max)(rate_difference, std::fabs(ours.rate(t) / theirs.rate() - 1.0));
    const double their_loss = theirs.step_with_scheduler(batch);
    loss_difference = (std::max)(loss_difference, std::fabs(mine.step(ours.rate(t), batch) - their_loss));
  }
  const auto first_drop = [&](auto&& rate) {
    std::uint64_t t = 0;
    while (t < args.steps && rate(t) == args.base_rate) ++t;
    return static_cast<unsigned long long>(t);
  };
  std::printf(
      "1. torch::optim::StepLR(%llu, 0.3) under torch::optim::AdamW, and the same from gavel, %llu steps\n\n"
      "   %-50s %llu (Python's class: %llu)\n   %-50s %.2g\n   %-50s %.2g\n   %-50s %.4f and %.4f\n\n",
      static_cast<unsigned long long>(stage), static_cast<unsigned long long>(args.steps), "first step at a lower rate",
      first_drop([&](std::uint64_t t) { return torch_rates[t]; }), first_drop([&](std::uint64_t t) { return python.rate(t); }),
      "largest relative difference of rates", rate_difference, "largest difference of a batch's loss", loss_difference,
      "held-out loss, nats per character, torch and gavel", theirs.held_out_loss(), mine.held_out_loss());
  // Rates that differ in the last digit of a double move a float weight by its last digit at most, step after step.
  return rate_difference < 1e-12 && loss_difference < 1e-2;
}

// 2. Schedules as values of one type, for a table.
struct named_schedule {
  std::string name;
  std::function<double(std::uint64_t)> rate;
};

template <schedule::profile P>
named_schedule named(const char* name, const arguments& args, P shape) {
  return {name, [rates = schedule::stretch(shape, {.steps = args.steps, .base_rate = args.base_rate})](std::uint64_t t) {
            return rates.rate(t);
          }};
}

std::vector<named_schedule> shown_schedules(const arguments& args) {
  return {named("constant", args, schedule::constant{}),
          named("linear", args, schedule::linear{}),
          named("cosine", args, schedule::cosine{}),
          named("REX", args, schedule::rex{}),
          named("warm-up 5 %, then REX", args, schedule::warmup(0.05, schedule::rex{})),
          named("WSD, 1 - sqrt over the last 20 %", args, schedule::wsd({.warmup = 0.05, .decay = 0.2}, schedule::one_minus_sqrt{}))};
}

void show_schedules(const std::vector<named_schedule>& schedules, const arguments& args, const texts& data) {
  std::printf(
      "2. Other schedules, base rate %g, the same batches; a demonstration, not a comparison: one seed, one base rate\n\n"
      "   %-34s %10s %10s %10s   %s\n",
      args.base_rate, "", "rate at 0", "at T/2", "at T-1", "held-out loss");
  for (const named_schedule& one : schedules) {
    torch_run run(data.training, data.held_out, args.seed);
    for (std::uint64_t t = 0; t < args.steps; ++t) run.step(one.rate(t), batch_at(args, data, t));
    std::printf("   %-34s %10.2e %10.2e %10.2e   %.4f\n", one.name.c_str(), one.rate(0), one.rate(args.steps / 2), one.rate(args.steps - 1),
                run.held_out_loss());
  }
}

// 3. Stop in the middle, go on in a new network with a new optimiser.
bool resume(const arguments& args, const texts& data) {
  const auto rates = schedule::stretch(schedule::warmup(0.05, schedule::rex{}), {.steps = args.steps, .base_rate = args.base_rate});
  const std::uint64_t stop = args.steps / 2;
  torch_run whole(data.training, data.held_out, args.seed), first_half(data.training, data.held_out, args.seed);
  train(whole, rates, args, data, 0, args.steps);
  train(first_half, rates, args, data, 0, stop);
  torch_run second_half(data.training, data.held_out, args.seed + 1);
  second_half.load(first_half.save());
  train(second_half, rates, args, data, stop, args.steps);
  const double uninterrupted = whole.held_out_loss(), resumed = second_half.held_out_loss();
  std::printf("\n3. Stopped at step %llu and resumed from a checkpoint, warm-up and REX\n\n   %-46s %.9f\n   %-46s %.9f\n",
              static_cast<unsigned long long>(stop), "held-out loss without interruption", uninterrupted, "resumed", resumed);
  return uninterrupted == resumed;
}

std::string to_csv(const arguments& args, const std::vector<double>& torch_rates, const std::vector<named_schedule>& schedules) {
  std::string header = "step,torch StepLR";
  for (const named_schedule& one : schedules) header += "," + examples::quoted(one.name);
  examples::csv_writer csv(header);
  for (std::uint64_t t = 0; t < args.steps; ++t) {
    std::string rates = examples::real(torch_rates[t], 17);
    for (const named_schedule& one : schedules) rates += "," + examples::real(one.rate(t), 17);
    csv.row(t, rates);
  }
  return csv.text();
}

// What drove the optimiser, step by step.
std::string figure(const arguments& args, const std::vector<double>& torch_rates, const std::vector<named_schedule>& schedules) {
  const char* const colors[] = {"#999999", "#0072b2", "#009e73", "#d55e00", "#cc79a7", "#333333"};
  examples::gnuplot_data data;
  const auto curve = [&](auto&& rate) {
    std::string points;
    for (std::uint64_t t = 0; t < args.steps; ++t) points += examples::point(static_cast<double>(t), rate(t));
    return data.add(points) + " using 1:2 with lines ";
  };
  std::string plots =
      curve([&](std::uint64_t t) { return torch_rates[t]; }) + "lw 5 lc rgb '#e69f00' title 'torch::optim::StepLR, and its equal'";
  for (std::size_t k = 0; k < schedules.size(); ++k) {
    plots += ", " + curve(schedules[k].rate) + "lw 2.5 lc rgb '" + colors[k % std::size(colors)] + "' title " +
             examples::gnuplot_quoted(schedules[k].name);
  }
  return examples::figure_head(args.svg, 830, 380, 13) + data.text() +
         "set border 3\nset tics nomirror out\nset grid ytics lc rgb '#dddddd'\nset key outside right center Left reverse noenhanced "
         "samplen 2\n"
         "set format y '%g'\nset yrange [0:*]\nset xlabel 'training step'\nset ylabel 'rate'\nplot " +
         plots + "\n";
}

}  // namespace

int main(int argc, char** argv) {
  arguments args;
  CLI::App app{"Drives a libtorch optimiser with gavel schedules.", "drive_optimizer"};
  app.add_option("--text", args.text, "text to learn from, at least 1000 bytes (default: examples/data/sources.txt)")->type_name("FILE");
  app.add_option("--steps", args.steps, "training steps T of each run")->check(CLI::Range(6, 1000000))->capture_default_str();
  app.add_option("--base-rate", args.base_rate, "largest rate")->check(CLI::Range(1e-8, 1.0))->capture_default_str();
  app.add_option("--seed", args.seed, "first weights and batches")->capture_default_str();
  app.add_option("--extra-steps", args.extra_steps,
                 "how many steps longer than Python's StepLR gavel's one holds its first rate; with other than 1 the runs must differ")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  app.add_option("--csv", args.csv, "the rates of every step (default: not written)")->type_name("FILE");
  app.add_option("--svg", args.svg, "figure of the rates, by gnuplot (default: not drawn)")->type_name("FILE");
  return examples::run_main(app, argc, argv, [&] {
    const texts data = read_examples(args.text);
    const std::vector<named_schedule> schedules = shown_schedules(args);
    std::printf("libtorch %s; %zu characters to learn from, %zu held out\n\n", examples::torch_version().c_str(), data.training.next.size(),
                data.held_out.next.size());
    std::vector<double> torch_rates;
    const bool equal = compare_with_step_lr(args, data, torch_rates);
    show_schedules(schedules, args, data);
    const bool resumed = resume(args, data);
    if (!args.csv.empty()) examples::write_text(args.csv, to_csv(args, torch_rates, schedules));
    if (!args.svg.empty()) examples::draw_or_note(args.svg, figure(args, torch_rates, schedules));
    if (!equal || !resumed) throw examples::check_error("runs that must agree differ");
  });
}
