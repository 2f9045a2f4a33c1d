// SPDX-License-Identifier: MIT
// test-arguments: --seeds 2 --tuning-seeds 1 --steps 60 --budgets 5,100 --csv schedules.csv --svg schedules.svg
//
// Which learning-rate schedule should a run of a given length use? Trains small networks on text and on noisily labelled data under every
// schedule, at budgets from 1 to 100 % of a full run, each with its own tuned base rate, and compares what they reach on held-out data.
// The text, data/alice.txt, is chapter I of Lewis Carroll's "Alice's Adventures in Wonderland" (1865), which is in the public domain.

#include "schedule/support/comparison.hpp"
#include "schedule/support/schedule_report.hpp"
#include "schedule/support/workloads.hpp"
#include "support/corpus.hpp"
#include "support/gnuplot.hpp"
#include "support/output.hpp"
#include "support/run_main.hpp"

#include <gavel/schedule/combinators.hpp>
#include <gavel/schedule/profile.hpp>

#include <CLI/CLI.hpp>
#include <Eigen/Core>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr const char* help_text =
    "Trains small models under every learning-rate schedule and compares what they reach on held-out data.\n\n"
    "Workloads: next-character prediction on text (embeddings of four characters, a hidden SiLU layer, softmax; batches of 16), by "
    "default\n"
    "chapter I of Lewis Carroll's \"Alice's Adventures in Wonderland\" (1865), public domain; classification of clusters with\n"
    "20 % wrong labels (batches of 20); both under momentum SGD (0.9) and AdamW. And two quadratics with noisy gradients under plain SGD,\n"
    "whose expected loss is computed exactly. A budget is a run of its own with the schedule stretched to it.\n\n"
    "Schedules: 50-75 and 30-60-90 fall to a tenth at those percents of the run; delayed holds half of it, then falls linearly; WSD cools\n"
    "down over its last fifth; one-cycle leaves the momentum alone; sched-free is a constant rate with averaging (schedule-free).\n\n"
    "Base rates: for every workload, optimiser, budget and schedule the best on a grid by the loss on a validation split with seeds of\n"
    "its own; the reported losses are those on the test split with other seeds. A seed gives all schedules the same initial parameters "
    "and\n"
    "batches, so differences are paired. Standard errors cover the seeds alone: the grid of base rates and the choice of\n"
    "workloads move differences too (REX minus linear on the networks: -0.5 % with --rate-ratio 3, -0.1 % with 1.5).";

struct arguments {
  examples::comparison_options comparison;
  std::uint64_t steps = 1000;
  double rate_ratio = 1.5;
  std::vector<std::string> corpus;
  std::string csv;
  std::string svg;
};

[[nodiscard]] std::vector<examples::schedule_choice> all_schedules() {
  using namespace gavel::schedule;
  return {{"constant", constant{}},
          {"linear", linear{}},
          {"REX", rex{}},
          {"cosine", cosine{}},
          {"50-75", step_decay(0.1, {0.5, 0.75})},
          {"30-60-90", step_decay(0.1, {0.3, 0.6, 0.9})},
          {"exp(-3z)", exponential(3.0)},
          {"one-cycle", one_cycle{}},
          {"delayed", delayed(0.5, linear{})},
          {"WSD 1-sqrt", wsd<one_minus_sqrt>({.decay = 0.2})},
          {"sched-free", constant{}, true}};
}

void run(const arguments& args) {
  const auto start = std::chrono::steady_clock::now();
  const std::vector<examples::schedule_choice> schedules = all_schedules();
  std::vector<examples::workload> works;
  examples::add_network(works, "text", examples::text_data(args.corpus), {args.steps, 16, args.rate_ratio});
  examples::add_network(works, "clusters", examples::cluster_data(), {args.steps, 20, args.rate_ratio});
  examples::add_quadratic(works, "quadratic, noise 0.05", 0.05);
  examples::add_quadratic(works, "quadratic, noise 0.2", 0.2);
  Eigen::setNbThreads(1);  // the threads are ours: one run each, with the same sums whatever their number
  std::vector<examples::setting> settings;
  const std::string work_done = examples::counted(works.size() * args.comparison.budgets.size(), "setting") +
                                " (workload, optimiser, budget), " + examples::counted(schedules.size(), "schedule");
  std::printf("%s, on %s; the defaults take about a minute on two\n\n", work_done.c_str(),
              examples::counted(args.comparison.threads, "thread").c_str());
  std::fflush(stdout);
  {
    examples::progress_line progress;
    settings = examples::compare_schedules(works, schedules, args.comparison, [&](std::size_t done, std::size_t all) {
      progress.show("trained " + std::to_string(done) + " of " + std::to_string(all) + " schedules and settings");
    });
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("Held-out loss after training, base rate tuned per cell; mean of %zu seeds, * marks the least of a row.\n",
              args.comparison.seeds);
  examples::print_losses(settings, schedules);
  examples::print_summary(settings, schedules);
  examples::print_findings(settings, schedules);
  std::printf("\n%s; %.1f s\n", work_done.c_str(), seconds);
  if (!args.csv.empty()) examples::write_text(args.csv, examples::to_csv(settings, schedules));
  if (!args.svg.empty()) examples::draw_or_note(args.svg, examples::figure_script(args.svg, settings, schedules));
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{help_text, "choose_a_schedule"};
  arguments args;
  args.comparison.threads = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 64);
  app.add_option("--budgets", args.comparison.budgets, "percent of a full run, increasing")
      ->delimiter(',')
      ->check(CLI::Range(1e-3, 100.0))
      ->capture_default_str();
  app.add_option("--steps", args.steps, "steps of a full run of a network (quadratics: 1000)")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--seeds", args.comparison.seeds, "runs that are averaged")->check(CLI::Range(2, 1000))->capture_default_str();
  app.add_option("--tuning-seeds", args.comparison.tuning_seeds, "runs per base rate that choose it")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--rate-ratio", args.rate_ratio, "between neighbours on the grid of base rates (quadratics: sqrt(3))")
      ->check(CLI::Range(1.1, 10.0))
      ->capture_default_str();
  app.add_option("--seed", args.comparison.seed, "random seed; the same seed gives the same numbers, whatever the number of threads")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  app.add_option("--threads", args.comparison.threads, "threads that train")->check(CLI::Range(1, 1024))->capture_default_str();
  const std::string default_corpus = GAVEL_SOURCE_DIR "/examples/schedule/data/alice.txt";
  app.add_option(
         "--corpus", args.corpus,
         "text files, or directories: every text below them, whatever its ending, but hidden files and build folders (default: chapter "
         "I of Alice's Adventures in Wonderland)")
      ->default_str(default_corpus);
  app.add_option("--csv", args.csv, "every setting and schedule as CSV (default: not written)")->type_name("FILE");
  app.add_option("--svg", args.svg, "figure: the profiles, and loss against budget, by gnuplot (default: not drawn)")->type_name("FILE");
  return examples::run_main(app, argc, argv, [&] {
    for (std::size_t i = 1; i < args.comparison.budgets.size(); ++i) {
      if (!(args.comparison.budgets[i - 1] < args.comparison.budgets[i])) throw CLI::ValidationError("--budgets", "must increase");
    }
    if (args.corpus.empty()) args.corpus.push_back(default_corpus);
    run(args);
  });
}
