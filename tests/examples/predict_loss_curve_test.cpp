// SPDX-License-Identifier: MIT
// The program as a user meets it: the published curves, logs made from a known law, what it says about logs it cannot use, its exit status.
#include "support/catch.hpp"
#include "support/program.hpp"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace predict_loss_curve_test {

#ifdef GAVEL_PREDICT_LOSS_CURVE

namespace {

using gavel::testing::program_result;
using gavel::testing::scratch_directory;

program_result run(const scratch_directory& folder, const std::string& arguments) {
  return gavel::testing::run_program(GAVEL_PREDICT_LOSS_CURVE, folder, arguments);
}

// L = 2 + 0.5 S_1^-0.4 - 0.6 S_2 along rates that hold 1e-3 and fall to 0 over the last `decay` of 2000 steps, after 100 steps of warm-up.
struct made_log {
  std::string text;
  double last_loss = 0.0;
};
made_log log_of_law(double decay, const char* header = "step,lr,loss", double lambda = 0.999, double offset = 0.0) {
  made_log log{std::string(header) + "\n", 0.0};
  const auto rate_of = [&](int t) {
    const double left = (2000.0 - t) / (2000.0 * decay);
    return 1e-3 * (decay > 0.0 && left < 1.0 ? left : 1.0);
  };
  double s1 = 0.0, s2 = 0.0, momentum = 0.0;
  for (int t = 0; t <= 2000; ++t) {
    momentum = lambda * momentum + (t > 0 ? rate_of(t - 1) - rate_of(t) : 0.0);
    s1 += rate_of(t);
    s2 += momentum;
    log.last_loss = 2.0 + offset + 0.5 * std::pow(s1, -0.4) - 0.6 * s2;
    char line[96];
    const double logged = t < 100 ? 1e-3 * (t + 1) / 101.0 : rate_of(t);
    if (t % 50 == 0) std::snprintf(line, sizeof line, "%d,%.17g,%.17g\n", t, logged, log.last_loss);
    else std::snprintf(line, sizeof line, "%d,%.17g,\n", t, logged);
    log.text += line;
  }
  return log;
}

// The number that follows a text.
double number_after(const std::string& out, const std::string& text) {
  const std::size_t at = out.find(text);
  REQUIRE(at != std::string::npos);
  return std::strtod(out.c_str() + at + text.size(), nullptr);
}

std::string refusal(const scratch_directory& folder, const std::string& log, const std::string& arguments = "") {
  folder.write("log.csv", log);
  const program_result result = run(folder, "--log log.csv " + arguments);
  CHECK(result.status == 2);
  CHECK(result.out.empty());
  return result.err;
}

}  // namespace

TEST_CASE("predict_loss_curve: the published curves give the known fit and a recommendation", "[examples][predict_loss_curve]") {
  const scratch_directory folder;
  const program_result result = run(folder, "--csv a.csv --svg a.svg --method huber");
  INFO(result.out + result.err);
  REQUIRE(result.status == 0);
  const std::string row = "Huber on logs, the paper's";
  CHECK(number_after(result.out, row) == Approx(2.6278).epsilon(1e-3));
  CHECK(result.out.find("converged") != std::string::npos);
  for (const char* text :
       {"known minimum of it", "Multi-power law", "schedule, best first", "REX", "WSD, 1 - sqrt over the last 20 %", "80000  1 - sqrt",
        "lambda = 0.999: as published", "multi-step, x 0.316 at 80 % and again at 90 %", "multi-power (open)",
        "\nRecommended for 20000 steps: cool down to 0 over the last 18 % (1 - sqrt), predicted loss 2.7"}) {
    INFO(text);
    CHECK(result.out.find(text) != std::string::npos);
  }
  const std::string csv = folder.read("a.csv");
  CHECK(csv.rfind("kind,name,step,rate,loss,annealing_law,multi_power_law\nfit,\"cosine (published)\",1000,", 0) == 0);
  CHECK(csv.find("\nprediction,\"REX\",20000,0,,") != std::string::npos);
  CHECK(result.out.find("leave out their own prediction") == std::string::npos);
  if (folder.has("a.svg")) {
    const std::string svg = folder.read("a.svg");
    for (const char* text : {"</svg>", ">15000<", ">12000<", ">14000<", ">multi-power law (open)<"}) {
      INFO(text);
      CHECK(svg.find(text) != std::string::npos);
    }
  } else {
    CHECK(result.err.find("note: gnuplot") == 0);
  }
}

TEST_CASE("predict_loss_curve: logs of a known law are fitted and predict a log that was held back", "[examples][predict_loss_curve]") {
  const scratch_directory folder;
  folder.write("constant.csv", log_of_law(0.0).text);
  folder.write("decay.csv", log_of_law(0.9, "step,rate,val_loss").text);
  const made_log wsd = log_of_law(0.2);
  folder.write("wsd.csv", wsd.text);
  const program_result result = run(folder, "--log constant.csv --log decay.csv --check wsd.csv");
  INFO(result.out + result.err);
  REQUIRE(result.status == 0);
  CHECK(result.out.find("39 losses, steps 100 to 2000, warm-up 100, rate 0.001 to") !=
        std::string::npos);  // those of the warm-up are left out
  CHECK(number_after(result.out, "least squares  ") == Approx(2.0).epsilon(1e-4));
  CHECK(number_after(result.out, "wsd.csv      ") == Approx(wsd.last_loss).epsilon(1e-5));
  const std::size_t at = result.out.find("wsd.csv  ");
  CHECK(result.out.substr(at, 90).find(" 0.000 %, end ") != std::string::npos);
  CHECK(result.out.find("lambda = 0.999: the best R^2 of these") != std::string::npos);
  CHECK(result.out.find("WARNING") == std::string::npos);
  CHECK(result.out.find("For what follows all curves are fitted together, 117 losses") != std::string::npos);
  // Without the decaying run nothing is known about annealing, and the program says so.
  const program_result open = run(folder, "--log constant.csv --check wsd.csv --csv x.csv --svg x.svg");
  CHECK(open.status == 5);
  CHECK(open.out.find("C OPEN: no curve anneals on its own") != std::string::npos);
  CHECK(open.out.find("no schedule is predicted") != std::string::npos);
  const std::string last_line =
      "predict_loss_curve: no schedule predicted: no curve anneals on its own; add a --log whose rate decays; what was written holds the "
      "curves alone\n";
  REQUIRE(open.err.size() >= last_line.size());
  CHECK(open.err.substr(open.err.size() - last_line.size()) == last_line);
  const std::string curves_alone = folder.read("x.csv");
  CHECK(curves_alone.find("\nfit,\"constant.csv\",100,0.001,") != std::string::npos);
  CHECK(curves_alone.find("\ncheck,\"wsd.csv\",2000,0,") != std::string::npos);
  CHECK(curves_alone.substr(curves_alone.size() - 3) == ",,\n");
  CHECK(curves_alone.find("prediction") == std::string::npos);
  if (folder.has("x.svg")) CHECK(folder.read("x.svg").find(">measured (points)<") != std::string::npos);
  CHECK(run(folder, "--log constant.csv").err ==
        "predict_loss_curve: no schedule predicted: no curve anneals on its own; add a --log whose rate decays\n");
  // Lambda is the best of the grid, or what it is fixed at.
  folder.write("constant_99.csv", log_of_law(0.0, "step,lr,loss", 0.99).text);
  folder.write("decay_99.csv", log_of_law(0.9, "step,lr,loss", 0.99).text);
  const std::string logs_99 = "--log constant_99.csv --log decay_99.csv";
  CHECK(run(folder, logs_99).out.find("lambda = 0.99: the best R^2 of these") != std::string::npos);
  CHECK(run(folder, logs_99 + " --decay-factor 0.9").out.find("lambda = 0.9: as asked for") != std::string::npos);
  // The plan of the run to predict.
  const program_result plan = run(folder, "--log constant.csv --log decay.csv --horizon 4000 --peak 5e-4 --warmup 200");
  CHECK(plan.out.find("Predicted loss after step 4000, peak rate 0.0005, warm-up 200 steps") != std::string::npos);
  CHECK(run(folder, "--log constant.csv --log decay.csv --replicates 2 --warmup 0").out.find("warm-up 0 steps; cosine") !=
        std::string::npos);
}

TEST_CASE("predict_loss_curve: what held-back curves say comes before the recommendation", "[examples][predict_loss_curve]") {
  const scratch_directory folder;
  folder.write("constant.csv", log_of_law(0.0).text);
  folder.write("decay.csv", log_of_law(0.9).text);
  folder.write("wsd.csv", log_of_law(0.2).text);
  folder.write("half.csv", log_of_law(0.5).text);
  const std::string logs = "--log constant.csv --log decay.csv ";
  const program_result right = run(folder, logs + "--check half.csv --check wsd.csv");
  INFO(right.out);
  const double wsd = log_of_law(0.2).last_loss, half = log_of_law(0.5).last_loss;
  const std::string order = wsd < half ? "wsd.csv < half.csv" : "half.csv < wsd.csv";
  CHECK(right.out.find("measured         " + order + "\n") != std::string::npos);
  CHECK(right.out.find("annealing law    " + order + "; as measured\n") != std::string::npos);
  CHECK(right.out.find("NOTE") == std::string::npos);
  // The same two curves under each other's names: the law must be seen to be wrong.
  std::string swapped_wsd = log_of_law(0.2, "step,lr,loss", 0.999, half - wsd).text,
              swapped_half = log_of_law(0.5, "step,lr,loss", 0.999, wsd - half).text;
  folder.write("wsd.csv", swapped_wsd);
  folder.write("half.csv", swapped_half);
  const program_result wrong = run(folder, logs + "--check half.csv --check wsd.csv");
  INFO(wrong.out);
  CHECK(wrong.out.find("; 1 of 1 pairs in the WRONG ORDER, which differ by up to ") != std::string::npos);
  const std::size_t note = wrong.out.find("NOTE: the annealing law, fitted without them, did not order the held-back curves");
  REQUIRE(note != std::string::npos);
  CHECK(note < wrong.out.find("\nRecommended for 2000 steps: "));
  // Losses that no such law makes.
  std::string nonsense = "step,lr,loss\n";
  for (int t = 100; t <= 2000; t += 100) nonsense += std::to_string(t) + ",0.001," + (t % 200 == 0 ? "3" : "2") + "\n";
  folder.write("nonsense.csv", nonsense);
  CHECK(run(folder, logs + "--log nonsense.csv").out.find("WARNING: a poor fit") != std::string::npos);
}

TEST_CASE("predict_loss_curve: the demonstration predicts what it held back", "[examples][predict_loss_curve]") {
  const scratch_directory folder;
  const program_result demo = run(folder, "--demo --demo-steps 2000 --seeds 4 --replicates 20 --csv a.csv");
  INFO(demo.out + demo.err);
  REQUIRE(demo.status == 0);
  for (const char* name : {"\n   linear (trained here) ", "\n   WSD 20 % (trained here) ", "\n   multi-step (trained here) "}) {
    INFO(name);
    const std::size_t at = demo.out.find(name);
    REQUIRE(at != std::string::npos);
    CHECK(std::strtod(demo.out.c_str() + at + 1 + 3 + 41 + 11, nullptr) < 1.0);  // mean error of the annealing law in percent
  }
  CHECK(demo.out.find("\nOrder of their ends, best first\n") != std::string::npos);
  CHECK(demo.out.find("\nRecommended for 2000 steps: ") < demo.out.find("\nTrained here under it: loss "));
  CHECK(folder.read("a.csv").find("\ncheck,\"WSD 20 % (trained here)\",2000,0,") != std::string::npos);
}

TEST_CASE("predict_loss_curve: a log may hold a resumed run, readings that are not finite and the warm-up",
          "[examples][predict_loss_curve]") {
  const scratch_directory folder;
  const made_log flat = log_of_law(0.0), decayed = log_of_law(0.5);
  folder.write("flat.csv", flat.text);
  folder.write("decayed.csv", decayed.text);
  const program_result clean = run(folder, "--log flat.csv --log decayed.csv --csv clean.csv");
  REQUIRE(clean.status == 0);
  CHECK(clean.out.find("left out, losses of the warm-up: 2\n") != std::string::npos);
  CHECK(clean.out.find("logged again") == std::string::npos);
  // The run went wrong at step 1000, was stopped at 1200 and resumed from 1000: its log goes back.
  const std::size_t at = decayed.text.find("\n1000,") + 1;
  const std::string resumed = decayed.text.substr(0, at) + "1000,0.01,9\n1100,0.01,\n1150,,8\n1200,0.01,nan\n" + decayed.text.substr(at);
  folder.write("decayed.csv", resumed);
  CHECK(run(folder, "--log flat.csv --log decayed.csv").status == 2);
  const program_result result = run(folder, "--log flat.csv --log decayed.csv --csv resumed.csv --drop-non-finite");
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK(result.out.find("left out, readings of steps that were logged again later: 5\n") != std::string::npos);
  CHECK(result.out.find("left out, rates and losses that are not finite: 1\n") != std::string::npos);
  CHECK(folder.read("resumed.csv") == folder.read("clean.csv"));
}

TEST_CASE("predict_loss_curve: a long log is thinned, and that is said", "[examples][predict_loss_curve]") {
  const scratch_directory folder;
  for (const bool falls : {false, true}) {
    std::string text = "step,lr,loss\n";
    double s1 = 0.0;
    for (int t = 0; t < 30'000; ++t) {
      const double rate = falls ? 1e-3 * (1.0 - t / 30'000.0) : 1e-3;
      s1 += rate;
      char line[96];
      std::snprintf(line, sizeof line, "%d,%.9g,%.9g\n", t, rate, 2.0 + 0.5 * std::pow(s1, -0.4) - 100.0 * (1e-3 - rate));
      text += line;
    }
    folder.write(falls ? "falling.csv" : "flat.csv", text);
  }
  const program_result result = run(folder, "--log flat.csv --log falling.csv --decay-factor 0 --replicates 2 --csv fits.csv");
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK(result.out.find("Fitted to 4000 losses of 2 curve(s):") == 0);
  CHECK(result.out.find("2000 losses, steps 0 to 29999,") != std::string::npos);
  CHECK(result.out.find("left out, losses between those at even places, to keep the fits short: 28000\n") != std::string::npos);
  const std::string csv = folder.read("fits.csv");
  CHECK(csv.find("fit,\"flat.csv\",29999,") != std::string::npos);
}

TEST_CASE("predict_loss_curve: bad logs are refused with the file, the line and the cell", "[examples][predict_loss_curve]") {
  const scratch_directory folder;
  const std::string start = "predict_loss_curve: log.csv";
  CHECK(refusal(folder, "step,rate\n0,1\n") ==
        start + ": name the one that holds the loss with --loss-column; it has 2 columns: step, rate\n");
  CHECK(refusal(folder, "0,1,2\n") == start + ": name the one that holds the step with --step-column; it has 3 columns\n");
  CHECK(refusal(folder, "step,rate,loss\n0.5,1,2\n") == start + ":2: column 'step' is '0.5', must be a whole number in [0, 1e7]\n");
  CHECK(refusal(folder, "step,rate,loss\nx,1,2\n") == start + ":2: column 'step' is 'x', must be a number\n");
  CHECK(refusal(folder, "step,rate,loss\n0,-1,2\n") == start + ":2: column 'rate' is '-1', must be finite and >= 0\n");
  CHECK(refusal(folder, "step,rate,loss\n0,1,2\n1,1,nan\n") ==
        start + ":3: column 'loss' is 'nan', must be finite (or left out by --drop-non-finite)\n");
  CHECK(refusal(folder, "step,rate,loss\n0,1,0\n") == start + ":2: column 'loss' is '0', must be finite and > 0\n");
  CHECK(refusal(folder, "step,rate,loss\n0,0,2\n1,0,2\n") == start + ": the rate after the warm-up is 0\n");
  CHECK(refusal(folder, "step,rate,loss\n0,1,\n1,1,\n") == start + ": column 'loss' has no loss after the warm-up\n");
  CHECK(refusal(folder, "step,rate,loss\n0,,2\n") == start + ": column 'rate' is empty\n");
  CHECK(refusal(folder, "step,rate,loss\n0,1,2\n9,1,2\n", "--log-warmup 10") == start + ": ends at step 9, within the warm-up of 10\n");
  const program_result missing = run(folder, "--log missing.csv");
  CHECK(missing.status == 2);
  CHECK(missing.err == "predict_loss_curve: missing.csv: cannot be opened\n");
  folder.write("log.csv", "a,b,c\n0,1,2\n10,1,1.9\n20,1,1.8\n");
  const program_result few = run(folder, "--log log.csv --step-column a --rate-column b --loss-column 3");
  CHECK(few.status == 5);
  // Four points determine four parameters and leave nothing for intervals.
  folder.write("four.csv", "step,lr,loss\n0,1,\n100,1,3\n200,1,2.5\n300,0.5,2.2\n400,0.1,1.9\n");
  const program_result four = run(folder, "--log four.csv");
  INFO(four.out + four.err);
  CHECK(four.status == 0);
  CHECK(few.out.find("TOO FEW POINTS: at least four are needed") != std::string::npos);
}

TEST_CASE("predict_loss_curve: exit status tells usage and output apart", "[examples][predict_loss_curve]") {
  const scratch_directory folder;
  const program_result help = run(folder, "--help");
  CHECK(help.status == 0);
  for (const char* text :
       {"Exit status: 0 success", "status 5, the last line says what is missing", "5 no answer", "the library's own default",
        "A log is a table with a row per step", "the best R^2 of those printed", "(default: not drawn)"}) {
    CHECK(help.out.find(text) != std::string::npos);
  }
  for (const char* arguments :
       {"--no-such-option", "--decay-factor 2", "--method magic", "--confidence 1", "--demo --log x.csv", "--peak -1"}) {
    INFO(arguments);
    CHECK(run(folder, arguments).status == 1);
  }
  // Files that cannot be written are refused before any work, those that can stay as they are until there is something to write.
  for (const char* option : {"--csv", "--svg"}) {
    const program_result output = run(folder, std::string(option) + " no/such/folder/x");
    CHECK(output.status == 3);
    CHECK(output.out.empty());
    CHECK(output.err == "predict_loss_curve: no/such/folder/x: cannot be opened for writing\n");
  }
  folder.write("old.csv", "old\n");
  CHECK(run(folder, "--csv old.csv --svg new.svg --log missing.csv").status == 2);
  CHECK(folder.read("old.csv") == "old\n");
  CHECK(!folder.has("new.svg"));
  const program_result horizon = run(folder, "--horizon 300");
  CHECK(horizon.status == 2);
  CHECK(horizon.out.empty());
  CHECK(
      horizon.err ==
      "predict_loss_curve: the run to predict ends at step 300 (--horizon), within its warm-up of 500 steps (as the curves, --warmup sets "
      "it)\n");
  const program_result warmup = run(folder, "--warmup 30000");
  CHECK(warmup.status == 2);
  CHECK(warmup.err ==
        "predict_loss_curve: the run to predict ends at step 20000 (as the longest curve, --horizon sets it), within its warm-up of 30000 "
        "steps (--warmup)\n");
}

#else
TEST_CASE("predict_loss_curve: the program was not built", "[examples][predict_loss_curve]") { SUCCEED(); }
#endif

}  // namespace predict_loss_curve_test
