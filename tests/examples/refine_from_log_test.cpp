// SPDX-License-Identifier: MIT
// The program as a user meets it: schedules from logs of several forms, what it says about logs it cannot use, and its exit status.
#include "support/catch.hpp"
#include "support/program.hpp"

#include <gavel/core/median_filter.hpp>
#include <gavel/schedule/last_iterate_bound.hpp>
#include <gavel/schedule/profile.hpp>
#include <gavel/schedule/rate_schedule.hpp>
#include <gavel/schedule/refinement.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

namespace refine_from_log_test {

#ifdef GAVEL_REFINE_FROM_LOG

namespace {

using gavel::testing::program_result;
using gavel::testing::scratch_directory;

program_result run(const scratch_directory& folder, const std::string& arguments, const std::string& input = "/dev/null") {
  return gavel::testing::run_program(GAVEL_REFINE_FROM_LOG, folder, arguments, input);
}

// Noisy norms that level off after a high start.
std::vector<double> noisy_norms(std::size_t n) {
  std::vector<double> norms;
  std::uint32_t bits = 1;
  for (std::size_t t = 0; t < n; ++t) {
    bits = bits * 1664525U + 1013904223U;
    norms.push_back((1.0 + 4.0 * std::exp(-static_cast<double>(t) / 20.0)) * (0.8 + 0.4 * static_cast<double>(bits) / 4294967296.0));
  }
  return norms;
}

std::string text_of(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

std::string column_of(const std::vector<double>& values) {
  std::string text;
  for (const double value : values) text += text_of(value) + "\n";
  return text;
}

std::vector<double> rates_of(const std::string& csv) {
  std::vector<double> rates;
  REQUIRE(csv.rfind("step,rate\n", 0) == 0);
  for (std::size_t at = csv.find('\n') + 1; at < csv.size(); at = csv.find('\n', at) + 1) {
    CHECK(std::strtoul(csv.c_str() + at, nullptr, 10) == rates.size());
    rates.push_back(std::strtod(csv.c_str() + csv.find(',', at) + 1, nullptr));
  }
  return rates;
}

std::string refusal(const scratch_directory& folder, const std::string& log, const std::string& arguments = "") {
  folder.write("log.csv", log);
  const program_result result = run(folder, "log.csv " + arguments);
  CHECK(result.status == 2);
  CHECK(result.out.empty());
  return result.err;
}

}  // namespace

TEST_CASE("refine_from_log: the file holds the library's schedule, whatever form the log has", "[examples][refine_from_log]") {
  const scratch_directory folder;
  const auto norms = noisy_norms(200);
  const auto expected = gavel::schedule::refine(norms).rates;
  folder.write("plain.txt", column_of(norms));
  std::string header = "# made by a trainer\nstep;\"grad_norm\";loss\n\n", tabs;
  for (std::size_t t = 0; t < norms.size(); ++t) {
    header += std::to_string(t) + ";" + text_of(norms[t]) + ";0.5\r\n";
    tabs += "0\t" + text_of(norms[t]) + "\n";
  }
  folder.write("header.csv", header);
  folder.write("tabs.tsv", tabs);
  for (const std::string arguments :
       {"plain.txt", "header.csv", "header.csv --column grad_norm", "header.csv --column 2", "tabs.tsv --column 2"}) {
    INFO(arguments);
    const program_result result = run(folder, arguments + " --out rates.csv");
    CHECK(result.err.empty());
    REQUIRE(result.status == 0);
    CHECK(rates_of(folder.read("rates.csv")) == expected);
  }
  const program_result piped = run(folder, "- --out -", "plain.txt");
  CHECK(piped.status == 0);
  CHECK(rates_of(piped.out) == expected);

  const program_result options = run(folder, "plain.txt --steps 70 --width 5 --drop-ends 2 --distance 3 --out rates.csv");
  CHECK(options.status == 0);
  CHECK(rates_of(folder.read("rates.csv")) ==
        gavel::schedule::refine(norms, {.steps = 70, .distance = 3.0, .smoothing_width = 5, .drop_ends = 2}).rates);
  CHECK(options.out.find("rates are absolute for D = 3") != std::string::npos);
  const program_result adam = run(folder, "plain.txt --norm l1 --base-rate 0.002 --smoothing 0 --out rates.csv");
  CHECK(adam.status == 0);
  CHECK(rates_of(folder.read("rates.csv")) ==
        gavel::schedule::refine(norms, {.norm = gavel::schedule::gradient_norm::l1, .base_rate = 0.002, .smoothing = 0.0}).rates);
}

TEST_CASE("refine_from_log: the table ranks schedules by their bound and names the status", "[examples][refine_from_log]") {
  const scratch_directory folder;
  folder.write("equal.txt", column_of(std::vector<double>(61, 2.0)));
  const program_result equal = run(folder, "equal.txt");
  REQUIRE(equal.status == 0);
  CHECK(
      equal.out.find(
          "equal.txt, column 1: 61 l2 norms, smoothed over 7; next run: 61 steps\nrefined; norms of the last quarter / middle = 1.000\n") ==
      0);
  double before = 0.0;
  for (const char* name : {"\n   linear ", "\n   REX ", "\n   cosine ", "\n   WSD, linear over the last 20 % ", "\n   constant "}) {
    INFO(name);
    const std::size_t at = equal.out.find(name);
    REQUIRE(at != std::string::npos);
    const double bound = std::strtod(equal.out.c_str() + at + 35 + 16, nullptr);
    CHECK(bound > before);
    before = bound;
  }
  // Bounds are those at the norms as they were smoothed and stretched.
  const auto norms = noisy_norms(200);
  folder.write("noisy.txt", column_of(norms));
  const program_result noisy = run(folder, "noisy.txt --steps 70 --distance 2");
  std::vector<double> smooth(200), stretched(70);
  gavel::median_filter(norms, smooth, {.width = 21, .right = gavel::edge_padding::reflect});
  gavel::schedule::resample(smooth, stretched);
  const auto refined = gavel::schedule::refine(norms, {.steps = 70});
  const auto linear = gavel::schedule::stretch(gavel::schedule::linear{}, {.steps = 70});
  const auto bound_of = [&](const char* name) {
    const std::size_t at = noisy.out.find(name);
    REQUIRE(at != std::string::npos);
    return std::strtod(noisy.out.c_str() + at + 35 + 16, nullptr);
  };
  CHECK(bound_of("\n   refined from the log ") == Approx(gavel::schedule::best_base_rate(refined, stretched, 2.0).bound).epsilon(1e-4));
  CHECK(bound_of("\n   linear ") == Approx(gavel::schedule::best_base_rate(linear, stretched, 2.0).bound).epsilon(1e-4));
  std::vector<double> dying;
  for (std::size_t t = 0; t < 200; ++t) dying.push_back(std::exp(-static_cast<double>(t) / 25.0));
  folder.write("dying.txt", column_of(dying));
  const program_result warned = run(folder, "dying.txt --out rates.csv");
  CHECK(warned.status == 0);
  CHECK(warned.out.find("\nWARNING: fell back to linear decay. The norms die away (last quarter / middle = ") != std::string::npos);
  CHECK(warned.out.find("\nNOTE: do not rank by this table. The bound takes the norms as given") != std::string::npos);
  CHECK(noisy.out.find("NOTE") == std::string::npos);
  CHECK(equal.out.find("\nNOTE: at these norms the bound of linear decay is only 0.0 % above") != std::string::npos);
  CHECK(rates_of(folder.read("rates.csv"))[100] == Approx(99.0 / 199.0));
  const program_result forced = run(folder, "dying.txt --force --out rates.csv");
  CHECK(forced.status == 0);
  CHECK(forced.out.find("\nrefined as asked for (--force), though the norms die away") != std::string::npos);
  CHECK(rates_of(folder.read("rates.csv"))[100] < 0.01);
  // Norms of 0 are judged as `refine` raised them: epsilon times their median.
  std::vector<double> some_zero = noisy_norms(50), raised = some_zero;
  some_zero[30] = some_zero[40] = 0.0;
  std::vector<double> sorted = raised;
  sorted.erase(sorted.begin() + 40);
  sorted.erase(sorted.begin() + 30);
  std::sort(sorted.begin(), sorted.end());
  raised[30] = raised[40] = std::numeric_limits<double>::epsilon() * sorted[24];
  folder.write("some_zero.txt", column_of(some_zero));
  const program_result floored = run(folder, "some_zero.txt --smoothing 0");
  CHECK(floored.out.find("\nWARNING: refined, but 2 smoothed norms were (nearly) 0 and have been raised") != std::string::npos);
  CHECK(floored.out.find("\nNOTE: do not rank by this table. A norm of (nearly) 0") != std::string::npos);
  CHECK(floored.out.find("numerical minimum") == std::string::npos);
  const std::size_t refined_row = floored.out.find("\n   refined from the log ");
  REQUIRE(refined_row != std::string::npos);
  const auto by_library = gavel::schedule::refine(some_zero, {.smoothing = 0.0});
  CHECK(by_library.floored_norms == 2);
  const auto bound = gavel::schedule::best_base_rate(by_library, raised, 1.0);
  CHECK(std::strtod(floored.out.c_str() + refined_row + 36, nullptr) == Approx(bound.base_rate).epsilon(1e-4));
  CHECK(std::strtod(floored.out.c_str() + refined_row + 36 + 15, nullptr) == Approx(bound.bound).epsilon(1e-4));
  folder.write("zero.txt", "0\n0\n0\n");
  CHECK(run(folder, "zero.txt").out.find("\nWARNING: fell back to linear decay, no norm is positive\n") != std::string::npos);
  folder.write("one.txt", "3\n");
  CHECK(run(folder, "one.txt").out.find("\nWARNING: one step cannot be scheduled; it gets the full rate\n") != std::string::npos);
}

TEST_CASE("refine_from_log: the steps of a log say where its norms stand", "[examples][refine_from_log]") {
  const scratch_directory folder;
  std::vector<std::uint64_t> steps;
  std::vector<double> norms;
  std::string text = "global_step,loss,grad_norm\n", named = "at;grad_norm\n", resumed = text;
  for (std::uint64_t t = 0; t <= 10'000; t += t < 1000 ? 10 : 100) {
    steps.push_back(t);
    norms.push_back(t < 1000 ? 3.0 - 2e-3 * static_cast<double>(t) : 1.0);
    text += std::to_string(t) + ",1," + text_of(norms.back()) + "\n";
    named += std::to_string(t) + ";" + text_of(norms.back()) + "\n";
    resumed += std::to_string(t) + ",1," + text_of(norms.back()) + "\n" + std::to_string(t) + ",0.9,\n";  // an evaluation of the same step
    if (t == 700) {                                                                                       // resumed from step 500
      for (std::uint64_t again = 500; again <= 700; again += 10) {
        resumed += std::to_string(again) + ",1," + text_of(3.0 - 2e-3 * static_cast<double>(again)) + "\n";
      }
    }
  }
  const auto expected = gavel::schedule::refine(steps, norms).rates;
  REQUIRE(expected.size() == 10'001);
  folder.write("steps.csv", text);
  folder.write("named.csv", named);
  folder.write("resumed.csv", resumed);
  const program_result found = run(folder, "steps.csv --out rates.csv --svg steps.svg");
  CHECK(found.status == 0);
  CHECK(found.out.find("steps.csv, column 'grad_norm': 191 l2 norms of steps 0 to 10000, smoothed over 101; next run: 10001 steps\n") == 0);
  CHECK(found.out.find("linear warm-up over 12.5 % of the run") != std::string::npos);
  CHECK(rates_of(folder.read("rates.csv")) == expected);
  CHECK(run(folder, "named.csv --step-column at --out rates.csv").status == 0);
  CHECK(rates_of(folder.read("rates.csv")) == expected);
  CHECK(run(folder, "resumed.csv").status == 2);
  const program_result again = run(folder, "resumed.csv --drop-non-finite --out rates.csv");
  CHECK(again.status == 0);
  CHECK(again.out.find(", 191 left out, 21 of steps that were logged again later; next run: 10001 steps\n") != std::string::npos);
  CHECK(rates_of(folder.read("rates.csv")) == expected);
}

TEST_CASE("refine_from_log: without a log it makes one, which can be read back", "[examples][refine_from_log]") {
  const scratch_directory folder;
  const program_result demo = run(folder, "--demo-steps 150 --seeds 2 --save-log log.csv --out demo.csv --svg figure.svg");
  INFO(demo.err);
  REQUIRE(demo.status == 0);
  CHECK(demo.out.find("Measured: held-out loss") != std::string::npos);
  if (folder.has("figure.svg")) {
    const std::string svg = folder.read("figure.svg");
    for (const char* text : {"</svg>", ">norm<", ">rate / largest rate<", ">logged<"}) {
      INFO(text);
      CHECK(svg.find(text) != std::string::npos);
    }
  } else {
    CHECK(demo.err.find("note: gnuplot") == 0);
  }
  REQUIRE(run(folder, "log.csv --out again.csv").status == 0);
  CHECK(folder.read("demo.csv") == folder.read("again.csv"));
  REQUIRE(run(folder, "log.csv --norm l1 --out l1.csv").status == 0);  // takes grad_norm_l1 by itself
  REQUIRE(run(folder, "log.csv --norm l1 --column grad_norm_l1 --out l1_again.csv").status == 0);
  CHECK(folder.read("l1.csv") == folder.read("l1_again.csv"));
  CHECK(folder.read("l1.csv") != folder.read("demo.csv"));
}

TEST_CASE("refine_from_log: spikes leave the other norms readable in the figure", "[examples][refine_from_log]") {
  const scratch_directory folder;
  std::vector<double> norms(100, 0.4);
  norms[40] = 150.0;
  folder.write("spike.txt", column_of(norms));
  folder.write("zero.txt", "0\n0\n0\n");
  const program_result spike = run(folder, "spike.txt --svg spike.svg"), zero = run(folder, "zero.txt --svg zero.svg");
  CHECK(spike.status == 0);
  CHECK(zero.status == 0);  // no logarithm, a figure all the same
  if (!folder.has("spike.svg")) return;
  const std::string svg = folder.read("spike.svg");
  for (const char* tick : {">0.5<", ">1<", ">10<", ">100<"}) {
    INFO(tick);
    CHECK(svg.find(tick) != std::string::npos);
  }
  CHECK(folder.read("zero.svg").find("</svg>") != std::string::npos);
}

TEST_CASE("refine_from_log: bad logs are refused with the file, the line and the cell", "[examples][refine_from_log]") {
  const scratch_directory folder;
  const std::string start = "refine_from_log: log.csv";
  CHECK(refusal(folder, "") == start + ": has no row of numbers\n");
  CHECK(refusal(folder, "step,grad_norm\n0,1\n1,abc\n") == start + ":3: column 'grad_norm' is 'abc', must be a number\n");
  CHECK(refusal(folder, "1\n\n# comment\n2\nthree\n") == start + ":5: column 1 is 'three', must be a number\n");
  CHECK(refusal(folder, "1\n-2\n") == start + ":2: column 1 is '-2', a norm must be >= 0\n");
  CHECK(refusal(folder, "1\nnan\n2\n") == start + ":2: column 1 is 'nan', must be finite (or left out by --drop-non-finite)\n");
  CHECK(refusal(folder, "1\ninf\n") == start + ":2: column 1 is 'inf', must be finite (or left out by --drop-non-finite)\n");
  CHECK(refusal(folder, "a,b\n1,2\n") == start + ": name the one that holds gradient norms with --column; it has 2 columns: a, b\n");
  CHECK(refusal(folder, "a,b\n1,2\n", "--column c") == start + ": has no column 'c'; it has 2 columns: a, b\n");
  CHECK(refusal(folder, "step,grad_norm\n0,1\n1,\n") ==
        start + ":3: column 'grad_norm' is '', must be a number (or left out by --drop-non-finite)\n");
  CHECK(refusal(folder, "step,grad_norm\n0,\n1,\n", "--drop-non-finite") == start + ", column 'grad_norm' is empty\n");
  CHECK(refusal(folder, "step,grad_norm\n0.5,1\n") == start + ":2: column 'step' is '0.5', must be a whole number in [0, 2^53]\n");
  CHECK(refusal(folder, "a,grad_norm\n0,1\n", "--step-column b") == start + ": has no column 'b'; it has 2 columns: a, grad_norm\n");
  CHECK(refusal(folder, "nan\n", "--drop-non-finite") ==
        "refine_from_log: gavel::schedule::refine: finite gradient_norms = 0, must be >= 1\n");
  CHECK(refusal(folder, "1\n2\n3\n", "--drop-ends 2") ==
        "refine_from_log: gavel::schedule::refine: drop_ends = 2, must leave a sample of gradient_norms.size() 3\n");
  const program_result missing = run(folder, "missing.csv");
  CHECK(missing.status == 2);
  CHECK(missing.err == "refine_from_log: missing.csv: cannot be opened\n");
  folder.write("log.csv", "1\nnan\n2\n");
  CHECK(run(folder, "log.csv --drop-non-finite").out.find("smoothed over 1, 1 left out; next run: 3 steps") != std::string::npos);
}

TEST_CASE("refine_from_log: exit status tells usage and output apart", "[examples][refine_from_log]") {
  const scratch_directory folder;
  folder.write("log.csv", "1\n2\n");
  const program_result help = run(folder, "--help");
  CHECK(help.status == 0);
  for (const char* text : {"Exit status: 0 success", "table with one row per step", "(default: not written)", "grad_norm_l2"}) {
    CHECK(help.out.find(text) != std::string::npos);
  }
  for (const char* arguments :
       {"--no-such-option", "log.csv --width 4", "log.csv --norm l3", "log.csv --norm l1 --distance 1", "log.csv --smoothing 2",
        "log.csv --distance -1", "log.csv --distance 1 --base-rate 1", "log.csv --save-log x.csv"}) {
    INFO(arguments);
    CHECK(run(folder, arguments).status == 1);
  }
  // Files that cannot be written are refused before any work, those that can stay as they are until there is something to write.
  for (const char* arguments : {"log.csv --out", "log.csv --svg", "--save-log"}) {
    INFO(arguments);
    const program_result output = run(folder, std::string(arguments) + " no/such/folder/x");
    CHECK(output.status == 3);
    CHECK(output.out.empty());
    CHECK(output.err == "refine_from_log: no/such/folder/x: cannot be opened for writing\n");
  }
  folder.write("old.csv", "old\n");
  CHECK(run(folder, "missing.csv --out old.csv --svg new.svg").status == 2);
  CHECK(folder.read("old.csv") == "old\n");
  CHECK(!folder.has("new.svg"));
  CHECK(!folder.has("-"));
}

#else
TEST_CASE("refine_from_log: the program was not built", "[examples][refine_from_log]") { SUCCEED(); }
#endif

}  // namespace refine_from_log_test
