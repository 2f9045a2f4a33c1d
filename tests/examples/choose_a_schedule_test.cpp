// SPDX-License-Identifier: MIT
// The comparison of schedules as a user meets it, and its parts: the network's gradient, the exact quadratic, the search for the rate.
#include "schedule/support/classifier.hpp"
#include "schedule/support/comparison.hpp"
#include "schedule/support/workloads.hpp"
#include "support/csv_reader.hpp"

#include "support/catch.hpp"
#include "support/program.hpp"

#include <gavel/core/moments.hpp>
#include <gavel/core/philox.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/core/variates.hpp>
#include <gavel/schedule/profile.hpp>
#include <gavel/schedule/schedule_free.hpp>
#include <gavel/solvers/optimizers.hpp>

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace choose_a_schedule_test {

namespace {

/// Largest error of the analytic gradient against central differences, in units of the largest slope.
double gradient_error(const examples::classifier_shape& shape, const examples::dataset<double>& data) {
  examples::classifier<double> model(shape);
  std::vector<double> parameters(model.parameter_count());
  gavel::philox4x32 rng(3);
  model.initialize(rng, parameters);
  for (double& parameter : parameters) parameter += 0.1 * gavel::normal(rng);  // biases too
  std::vector<std::uint32_t> chosen{4, 0, 2, 2, 1};                            // a sample may come twice
  std::vector<double> gradient(parameters.size(), 7.0);                        // must be overwritten
  const double loss = model.loss_and_gradient(parameters, data, chosen, gradient);
  CHECK(loss == Approx(model.loss(parameters, data, chosen)).epsilon(1e-14));
  double error = 0.0, largest = 0.0;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const double kept = parameters[i];
    constexpr double step = 1e-5;
    parameters[i] = kept + step;
    const double above = model.loss(parameters, data, chosen);
    parameters[i] = kept - step;
    const double below = model.loss(parameters, data, chosen);
    parameters[i] = kept;
    error = (std::max)(error, std::fabs(gradient[i] - (above - below) / (2.0 * step)));
    largest = (std::max)(largest, std::fabs(gradient[i]));
  }
  REQUIRE(largest > 0.01);
  return error / largest;
}

}  // namespace

TEST_CASE("choose_a_schedule: the network's gradient is that of its loss", "[examples][choose_a_schedule]") {
  gavel::philox4x32 rng(1);
  examples::dataset<double> rows;
  rows.features.resize(3, 5);
  for (Eigen::Index i = 0; i < rows.features.size(); ++i) rows.features.data()[i] = gavel::normal(rng);
  rows.labels = {0, 3, 1, 1, 2};
  CHECK(gradient_error({.features = 3, .hidden = 6, .classes = 4}, rows) < 1e-8);

  examples::dataset<double> text;
  text.symbols.resize(2, 5);
  for (Eigen::Index i = 0; i < text.symbols.size(); ++i) {
    text.symbols.data()[i] = static_cast<std::uint8_t>(gavel::uniform_index(rng, 4));
  }
  text.labels = {0, 3, 1, 1, 2};
  CHECK(gradient_error({.symbols = 4, .context = 2, .embedding = 3, .hidden = 6, .classes = 4}, text) < 1e-8);
}

TEST_CASE("choose_a_schedule: cross-entropy of known logits", "[examples][choose_a_schedule]") {
  examples::classifier<double> model({.features = 1, .hidden = 1, .classes = 2});
  std::vector<double> parameters(model.parameter_count(), 0.0);
  examples::dataset<double> one;
  one.features.setOnes(1, 1);
  one.labels = {1};
  const std::vector<std::uint32_t> chosen{0};
  CHECK(model.loss(parameters, one, chosen) == Approx(std::log(2.0)));
  parameters.back() = 1000.0;  // the bias of class 1: no overflow
  CHECK(model.loss(parameters, one, chosen) == 0.0);
  parameters.back() = -1000.0;
  CHECK(model.loss(parameters, one, chosen) == Approx(1000.0));
}

namespace {

/// Mean final loss of runs on the noisy quadratic that draw their noise.
/// @param evaluate  gives the point whose loss counts
template <class MakeOptimizer, class Evaluate>
gavel::moments simulated_loss(const examples::schedule_choice& choice, const examples::training_run& run, double noise,
                              const MakeOptimizer& make_optimizer, const Evaluate& evaluate) {
  const auto schedule = gavel::schedule::stretch(choice.shape, {.steps = run.steps, .base_rate = run.base_rate});
  gavel::moments losses;
  gavel::philox4x32 rng(5);
  for (int repeat = 0; repeat < 3000; ++repeat) {
    std::vector<double> x(20, 1.0), gradient(20);
    auto optimizer = make_optimizer(std::span<const double>(x));
    const auto curvature = [](std::size_t i) { return std::pow(0.01, static_cast<double>(i) / 19.0); };
    for (std::uint64_t t = 0; t < run.steps; ++t) {
      for (std::size_t i = 0; i < x.size(); ++i) gradient[i] = curvature(i) * x[i] + noise * gavel::normal(rng);
      optimizer.step(x, gradient, schedule.rate(t));
    }
    evaluate(optimizer, x);
    double loss = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) loss += 0.5 * curvature(i) * x[i] * x[i];
    losses.add(loss);
  }
  return losses;
}

}  // namespace

TEST_CASE("choose_a_schedule: the exact quadratic is the mean of noisy runs", "[examples][choose_a_schedule]") {
  const examples::training_run run{.steps = 12, .base_rate = 1.2};
  const examples::schedule_choice rex{"REX", gavel::schedule::rex{}};
  const gavel::moments plain = simulated_loss(
      rex, run, 0.2, [](std::span<const double> start) { return gavel::sgd<double>(start.size()); }, [](const auto&, const auto&) {});
  CHECK(std::fabs(plain.center - examples::quadratic_loss(rex, run, 0.2)) < 4.0 * *plain.standard_error());
  const examples::schedule_choice averaged{"sched-free", gavel::schedule::constant{}, true};
  const gavel::moments free = simulated_loss(
      averaged, run, 0.2, [](std::span<const double> start) { return gavel::schedule::schedule_free_sgd<double>(start); },
      [](const auto& optimizer, std::vector<double>& x) { optimizer.evaluation_point(x); });
  CHECK(std::fabs(free.center - examples::quadratic_loss(averaged, run, 0.2)) < 4.0 * *free.standard_error());
}

TEST_CASE("choose_a_schedule: batches are epochs, the rate is the best of the grid, ranks share ties", "[examples][choose_a_schedule]") {
  examples::batch_source batches(7, 3, gavel::philox4x32(1));
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::vector<int> counts(7);
    for (int batch = 0; batch < 7; ++batch) {
      for (const std::uint32_t chosen : batches.next()) ++counts[chosen];  // seven batches of three are three epochs
    }
    CHECK(counts == std::vector<int>(7, 3));
  }

  examples::workload work;
  work.first_rate = 0.1;
  work.rate_ratio = 3.0;
  const examples::schedule_choice choice{"constant", gavel::schedule::constant{}};
  for (const double best : {0.1 / 27.0, 0.1, 0.9}) {
    std::vector<bool> held_out;
    work.loss = [&](const examples::schedule_choice&, const examples::training_run& run) {
      held_out.push_back(run.held_out);
      if (run.base_rate > 2.0) return std::numeric_limits<double>::infinity();
      return std::fabs(std::log(run.base_rate / best)) + 0.1 * static_cast<double>(run.seed % 2);
    };
    CHECK(examples::tuned_rate(work, choice, {}, 2) == Approx(best).epsilon(1e-12));
    CHECK(std::count(held_out.begin(), held_out.end(), true) == 0);  // the test split is not looked at
    work.highest_rate = 0.2;
    CHECK(examples::tuned_rate(work, choice, {}, 2) == Approx((std::min)(best, 0.1)).epsilon(1e-12));
    work.highest_rate = std::numeric_limits<double>::infinity();
  }
  // A bump of one neighbour does not end the walk, and a finer grid reaches as far.
  work.rate_ratio = 1.5;
  work.loss = [&](const examples::schedule_choice&, const examples::training_run& run) {
    const double k = std::round(std::log(run.base_rate / 0.1) / std::log(1.5));
    return std::fabs(k + 21.0) + (k == -4.0 ? 1.5 : 0.0);
  };
  CHECK(examples::tuned_rate(work, choice, {}, 1) == Approx(0.1 * std::pow(1.5, -21)).epsilon(1e-12));

  examples::setting where;
  for (const double loss : {2.0, 1.0, 2.0, 4.0}) where.outcomes.push_back({1.0, {loss - 0.5, loss + 0.5 + 0.01 * loss}});
  CHECK(where.ranks() == std::vector<double>{2.5, 1.0, 2.5, 4.0});
  CHECK(where.excess(1) == 0.0);
  CHECK(where.excess(3) == Approx(3.0));
  // Paired: the spread that both share cancels.
  const examples::estimate difference = examples::paired_difference(where, 3, 1);
  CHECK(difference.value == Approx(3.015));
  CHECK(difference.error == Approx(0.015));
  const std::vector<examples::setting> twice{where, where};
  CHECK(examples::relative_difference(twice, 3, 1).value == Approx(3.0));
  CHECK(examples::relative_difference(twice, 3, 1).error == Approx(0.015 / 1.005));
}

#ifdef GAVEL_CHOOSE_A_SCHEDULE

namespace {

using scratch = gavel::testing::scratch_directory;

gavel::testing::program_result run(const scratch& folder, const std::string& arguments) {
  return gavel::testing::run_program(GAVEL_CHOOSE_A_SCHEDULE, folder, arguments);
}

struct cell {
  double rate, loss, error, rank, minus_rex, minus_linear;
};

/// By workload, optimiser, budget and schedule.
std::map<std::string, cell> table_of(const scratch& folder, const std::string& name) {
  std::map<std::string, cell> result;
  const examples::csv_table table = examples::csv_table::read(folder.file(name));
  REQUIRE(table.columns() == 15);
  for (std::size_t i = 0; i < table.rows(); ++i) {
    const auto number = [&](std::size_t column) { return table.number(i, column); };
    result[table.text(i, 0) + "/" + table.text(i, 1) + "/" + table.text(i, 2) + "/" + table.text(i, 4)] = {
        number(5), number(7), number(8), number(9), number(11), number(13)};
  }
  return result;
}

const std::vector<std::string> schedule_names{"constant", "linear",    "REX",     "cosine",     "50-75",     "30-60-90",
                                              "exp(-3z)", "one-cycle", "delayed", "WSD 1-sqrt", "sched-free"};

}  // namespace

TEST_CASE("choose_a_schedule: every schedule in every setting, the same with any number of threads", "[examples][choose_a_schedule]") {
  const scratch folder;
  const std::string quick = "--seeds 3 --tuning-seeds 1 --steps 60 --budgets 5,100 ";
  const auto one = run(folder, quick + "--threads 1 --csv one.csv");
  REQUIRE(one.status == 0);
  CHECK(one.err.empty());  // progress is for terminals
  REQUIRE(run(folder, quick + "--threads 3 --csv three.csv").status == 0);
  REQUIRE(run(folder, quick + "--threads 2 --seed 2 --csv other.csv").status == 0);
  const std::string csv = folder.read("one.csv");
  CHECK(csv == folder.read("three.csv"));
  CHECK(csv != folder.read("other.csv"));
  CHECK(csv.substr(0, csv.find('\n')) ==
        "workload,optimiser,budget_percent,steps,schedule,base_rate,seeds,loss,standard_error,rank,above_best,minus_rex,"
        "minus_rex_standard_error,minus_linear,minus_linear_standard_error");

  const auto table = table_of(folder, "one.csv");
  CHECK(table.size() == 6 * 2 * schedule_names.size());
  for (const char* work : {"text/momentum SGD", "text/AdamW", "clusters/momentum SGD", "clusters/AdamW", "quadratic, noise 0.05/SGD",
                           "quadratic, noise 0.2/SGD"}) {
    for (const char* budget : {"/5/", "/100/"}) {
      const std::string setting = std::string(work) + budget;
      INFO(setting);
      const cell& rex = table.at(setting + "REX");
      const cell& linear = table.at(setting + "linear");
      double ranks = 0.0;
      for (const std::string& name : schedule_names) {
        INFO(name);
        const cell& here = table.at(setting + name);
        ranks += here.rank;
        CHECK(here.rate > 0.0);
        CHECK(here.loss > 0.0);
        CHECK(here.loss < 4.0);  // nothing diverged
        CHECK(here.minus_rex == Approx(here.loss - rex.loss).margin(1e-6));
        CHECK(here.minus_linear == Approx(here.loss - linear.loss).margin(1e-6));
        CHECK((here.error == 0.0) == (setting.front() == 'q'));
      }
      CHECK(ranks == Approx(66.0));
    }
  }
  // The table shows the CSV's numbers.
  char shown[32];
  std::snprintf(shown, sizeof shown, "%9.5f", table.at("text/AdamW/100/REX").loss);
  CHECK(one.out.find(shown) != std::string::npos);
  CHECK(one.out.find("12 settings (workload, optimiser, budget), 11 schedules; ") != std::string::npos);
  // What the errors leave out is said where they stand.
  CHECK(one.out.find("counts the seeds alone: the grid of base rates moves them too") != std::string::npos);
  CHECK(one.out.find("\n- Networks, REX minus linear: ") != std::string::npos);
  CHECK(one.out.find("\n  (the error counts the seeds alone; the grid of base rates moves the difference too).\n") != std::string::npos);
}

TEST_CASE("choose_a_schedule: the expected losses of the noisy quadratic", "[examples][choose_a_schedule]") {
  const scratch folder;
  REQUIRE(run(folder, "--seeds 2 --tuning-seeds 1 --steps 1 --budgets 1,5,10,100 --csv a.csv").status == 0);
  const auto table = table_of(folder, "a.csv");
  const std::vector<std::string> names{"REX", "linear", "cosine", "exp(-3z)", "50-75", "30-60-90", "constant"};
  const std::map<std::string, std::vector<double>> known{
      {"1", {.07149, .08462, .08511, .12534, .14361, .21180, .08587}},
      {"5", {.01442, .01577, .01640, .02350, .02111, .02877, .02270}},
      {"10", {.00805, .00766, .00805, .00965, .01214, .01415, .01357}},
      {"100", {.00112, .00105, .00108, .00096, .00163, .00171, .00250}},
  };
  for (const auto& [budget, losses] : known) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      INFO(budget << " " << names[i]);
      CHECK(table.at("quadratic, noise 0.05/SGD/" + budget + "/" + names[i]).loss == Approx(losses[i]).margin(0.6e-5));
    }
  }
  CHECK(table.at("quadratic, noise 0.2/SGD/1/REX").loss == Approx(.2068).margin(0.6e-4));
  CHECK(table.at("quadratic, noise 0.2/SGD/100/linear").loss == Approx(.01120).margin(0.6e-5));
}

TEST_CASE("choose_a_schedule: at a full budget decay pays on text", "[examples][choose_a_schedule]") {
  const scratch folder;
  REQUIRE(run(folder, "--seeds 4 --tuning-seeds 1 --steps 600 --budgets 100 --csv a.csv --svg a.svg").status == 0);
  const auto table = table_of(folder, "a.csv");
  for (const char* optimizer : {"text/momentum SGD/100/", "text/AdamW/100/"}) {
    const cell& constant = table.at(optimizer + std::string("constant"));
    CHECK(constant.loss < 3.0);  // log(40) = 3.69 is guessing
    for (const char* decay : {"linear", "REX", "cosine", "delayed"}) {
      INFO(optimizer << decay);
      CHECK(table.at(std::string(optimizer) + decay).loss < constant.loss - 0.02);
    }
    CHECK(std::fabs(table.at(optimizer + std::string("REX")).loss / table.at(optimizer + std::string("linear")).loss - 1.0) < 0.02);
  }
  if (std::system("command -v gnuplot >/dev/null 2>&1") == 0) {
    const std::string svg = folder.read("a.svg");
    CHECK(svg.find("</svg>") != std::string::npos);
    CHECK(svg.find("loss on the networks, relative to linear decay (%)") != std::string::npos);
    for (const std::string name : {"linear", "REX", "cosine", "WSD 1-sqrt", "sched-free"})
      CHECK(svg.find(">" + name + "<") != std::string::npos);
  }
}

TEST_CASE("choose_a_schedule: exit status tells usage, input and output apart", "[examples][choose_a_schedule]") {
  const scratch folder;
  const auto help = run(folder, "--help");
  CHECK(help.status == 0);
  for (const char* option :
       {"--seeds", "--budgets", "--steps", "--csv", "--svg", "--threads", "(1865), public domain", "=1.5", "Exit status: 0 success"}) {
    CHECK(help.out.find(option) != std::string::npos);
  }
  const auto usage = [&](const std::string& arguments) {
    const auto result = run(folder, arguments);
    CHECK(result.status == 1);
    CHECK(result.out.empty());
    return result.err.substr(0, result.err.find('\n'));
  };
  CHECK(usage("--budgets 5,5") == "--budgets: must increase");
  CHECK(usage("--budgets 0").find("--budgets: Value 0 not in range") == 0);
  CHECK(usage("--budgets 101").find("--budgets: Value 101 not in range") == 0);
  CHECK(usage("--seeds 1").find("--seeds: Value 1 not in range 2 to 1000") == 0);
  CHECK(usage("--steps 0").find("--steps: Value 0 not in range") == 0);
  CHECK(usage("--threads 0").find("--threads: Value 0 not in range") == 0);
  CHECK(!usage("--no-such-option").empty());

  const auto missing = run(folder, "--corpus missing");
  CHECK(missing.status == 2);
  CHECK(missing.err == "choose_a_schedule: missing: no such file or directory\n");
  folder.write("short.txt", "too short to learn from");
  const auto few = run(folder, "--corpus short.txt");
  CHECK(few.status == 2);
  CHECK(few.err == "choose_a_schedule: short.txt: has 23 characters, at least 2000 are needed\n");
  folder.write("empty.txt", "");
  const auto empty = run(folder, "--corpus empty.txt");
  CHECK(empty.status == 2);
  CHECK(empty.err == "choose_a_schedule: empty.txt: no text, every file is empty\n");
  for (const char* option : {"--csv", "--svg"}) {  // before anything is trained, which would take minutes
    const auto output = run(folder, std::string(option) + " no/such/folder/a");
    CHECK(output.status == 3);
    CHECK(output.out.empty());
    CHECK(output.err == "choose_a_schedule: no/such/folder/a: cannot be opened for writing\n");
  }
}

#else
TEST_CASE("choose_a_schedule: the program was not built; only its parts were tested", "[examples][choose_a_schedule]") { SUCCEED(); }
#endif

}  // namespace choose_a_schedule_test
