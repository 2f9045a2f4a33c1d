// SPDX-License-Identifier: MIT
// test-arguments: --steps 1500 --seeds 2
//
// Decays without decaying: trains a small model at a constant rate, averages its last checkpoints so that they stand for a decay, and trains the
// decay itself from the first of them. Both losses stand side by side, and the loss of the constant rate.
//
//   merge_checkpoints [--steps T] [--decay SHARE] [--checkpoints K] [--seeds N] [--text FILE]
#include "schedule/support/text_regression.hpp"
#include "support/output.hpp"
#include "support/run_main.hpp"

#include <gavel/core/philox.hpp>
#include <gavel/schedule/checkpoint_merge.hpp>
#include <gavel/schedule/profile.hpp>
#include <gavel/schedule/sequence.hpp>

#include <CLI/CLI.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace schedule = gavel::schedule;

namespace {

struct arguments {
  std::uint64_t steps = 4000;
  double decay = 0.2, rate = 2.0;
  std::size_t checkpoints = 20, seeds = 8;
  std::string text = GAVEL_SOURCE_DIR "/examples/schedule/data/alice.txt";
};

constexpr std::size_t n_shapes = 3;
constexpr std::array<const char*, n_shapes> names = {"linear", "1 - sqrt", "cosine"};

/// Calls @p use with the number and the profile of each shape.
template <class Use>
void for_each_shape(Use&& use) {
  use(std::size_t{0}, schedule::linear{});
  use(std::size_t{1}, schedule::one_minus_sqrt{});
  use(std::size_t{2}, schedule::cosine{});
}

struct losses {
  double constant = 0.0;
  std::array<double, n_shapes> merged{}, decayed{};
};

/// One run at a constant rate, its merges, and the decays that begin where its first checkpoint was taken. All see the same batches.
losses train(const arguments& args, const examples::character_text& text, std::uint64_t seed) {
  constexpr std::size_t batch = 16;
  const std::size_t intervals = args.checkpoints - 1;
  const std::uint64_t interval = static_cast<std::uint64_t>(args.decay * static_cast<double>(args.steps)) / intervals;
  const std::uint64_t length = interval * intervals, start = args.steps - length;
  const schedule::ramp rates({.from = 0.0, .to = args.rate, .steps = args.steps / 20});
  const auto step = [&](examples::text_regression& model, std::uint64_t t, double rate) {
    gavel::philox4x32 rng(seed, t);
    model.step(rate, batch, rng);
  };
  examples::text_regression model(text);
  for (std::uint64_t t = 0; t < start; ++t) step(model, t, rates.rate(t));

  losses result;
  const std::vector<double> first = model.parameters();
  for_each_shape([&](std::size_t s, const auto& shape) {
    const schedule::cooldown cooled(rates, {.start = start, .steps = length}, shape);
    examples::text_regression decayed(text);
    decayed.parameters() = first;
    for (std::uint64_t t = start; t < start + length; ++t) step(decayed, t, cooled.rate(t));
    result.decayed[s] = decayed.held_out_loss();
  });

  std::array<std::vector<double>, n_shapes> weights, merged;
  for_each_shape([&](std::size_t s, const auto& shape) {
    weights[s].resize(args.checkpoints);
    schedule::merge_weights(shape, weights[s]);
    merged[s].assign(first.size(), 0.0);
  });
  for (std::size_t j = 0; j < args.checkpoints; ++j) {
    if (j > 0) {
      for (std::uint64_t t = 0; t < interval; ++t) step(model, start + (j - 1) * interval + t, rates.rate(start + t));
    }
    for (std::size_t s = 0; s < n_shapes; ++s) {
      for (std::size_t i = 0; i < first.size(); ++i) merged[s][i] += weights[s][j] * model.parameters()[i];
    }
  }
  result.constant = model.held_out_loss();
  for (std::size_t s = 0; s < n_shapes; ++s) {
    model.parameters() = merged[s];
    result.merged[s] = model.held_out_loss();
  }
  return result;
}

void run(const arguments& args) {
  const auto text = examples::character_text::read(args.text);
  losses mean;
  const auto share = 1.0 / static_cast<double>(args.seeds);
  for (std::size_t seed = 0; seed < args.seeds; ++seed) {
    const losses one = train(args, text, seed);
    mean.constant += share * one.constant;
    for (std::size_t s = 0; s < n_shapes; ++s) {
      mean.merged[s] += share * one.merged[s];
      mean.decayed[s] += share * one.decayed[s];
    }
  }
  std::printf("Held-out loss of the next character after %llu steps, mean of %s; the decay is the last %.0f %%\n\n",
              static_cast<unsigned long long>(args.steps), examples::counted(args.seeds, "run").c_str(), 100.0 * args.decay);
  std::printf("   %-24s %10.4f\n\n   %-24s %10s %10s\n", "constant rate", mean.constant, "decay", "trained", "merged");
  for (std::size_t s = 0; s < n_shapes; ++s) std::printf("   %-24s %10.4f %10.4f\n", names[s], mean.decayed[s], mean.merged[s]);
  std::printf("\n   merged: the average of %zu checkpoints of the constant run that stands for this decay; no step was trained for it.\n",
              args.checkpoints);
}

}  // namespace

int main(int argc, char** argv) {
  arguments args;
  CLI::App app{"Compares the average of checkpoints that stands for a decay with the decay itself, on a small model.", "merge_checkpoints"};
  app.add_option("--steps", args.steps, "steps of a run")->check(CLI::Range(100, 1000000))->capture_default_str();
  app.add_option("--decay", args.decay, "share of the run that decays or is merged")->check(CLI::Range(0.01, 0.9))->capture_default_str();
  app.add_option("--checkpoints", args.checkpoints, "checkpoints that are merged")->check(CLI::Range(2, 1000))->capture_default_str();
  app.add_option("--rate", args.rate, "constant rate")->check(CLI::Range(1e-6, 100.0))->capture_default_str();
  app.add_option("--seeds", args.seeds, "runs that are averaged")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--text", args.text,
                 "its text, a file or a folder of .hpp files (default: chapter I of Alice's Adventures in Wonderland)");
  return examples::run_main(app, argc, argv, [&] {
    if (args.decay * static_cast<double>(args.steps) < static_cast<double>(args.checkpoints - 1)) {
      throw CLI::ValidationError("--checkpoints", "must be at most 1 + the steps of the decay");
    }
    run(args);
  });
}
