// SPDX-License-Identifier: MIT
// From a log of gradient norms to a schedule and its bound, over the length of the run, and the running median against the textbook loop
// that selects the middle of every window anew.
#include <gavel/core/median_filter.hpp>
#include <gavel/core/random.hpp>
#include <gavel/schedule/last_iterate_bound.hpp>
#include <gavel/schedule/refinement.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace {

/// Norms as a trainer logs them: high at the start, level afterwards, with 30 % noise.
std::vector<double> norms(std::size_t steps, std::uint64_t seed = 1) {
  gavel::philox4x32 rng(seed, steps);
  std::vector<double> values(steps);
  for (std::size_t t = 0; t < steps; ++t) {
    const double z = static_cast<double>(t) / static_cast<double>(steps);
    values[t] = (1.0 + 10.0 * std::exp(-40.0 * z)) * std::exp(0.3 * gavel::normal(rng));
  }
  return values;
}

/// As many logs as make a million norms: on one short log the branch predictor learns how its median is found.
std::vector<std::vector<double>> many_norms(std::size_t steps) {
  std::vector<std::vector<double>> logs;
  for (std::size_t total = 0; total < 1'000'000; total += steps) logs.push_back(norms(steps, logs.size() + 1));
  return logs;
}

void refined_rates(benchmark::State& state, std::size_t steps) {
  const std::vector<std::vector<double>> logs = many_norms(steps);
  std::vector<double> rates(steps);
  std::size_t next = 0;
  for (auto _ : state) {
    gavel::schedule::refined_rates(logs[next], rates);
    benchmark::DoNotOptimize(rates.data());
    next = next + 1 < logs.size() ? next + 1 : 0;
  }
}

void refine(benchmark::State& state, std::size_t steps) {
  const std::vector<std::vector<double>> logs = many_norms(steps);
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(gavel::schedule::refine(logs[next]).rates.data());
    next = next + 1 < logs.size() ? next + 1 : 0;
  }
}

void bound(benchmark::State& state, std::size_t steps) {
  const std::vector<double> log = norms(steps);
  std::vector<double> rates(steps);
  for (std::size_t t = 0; t < steps; ++t) rates[t] = static_cast<double>(steps - t) / static_cast<double>(steps);
  for (auto _ : state) benchmark::DoNotOptimize(gavel::schedule::last_iterate_bound(rates, log, 1.0));
}

void bound_gradient(benchmark::State& state, std::size_t steps) {
  const std::vector<double> log = norms(steps);
  std::vector<double> rates(steps);
  std::vector<double> gradient(steps);
  for (std::size_t t = 0; t < steps; ++t) rates[t] = static_cast<double>(steps - t) / static_cast<double>(steps);
  for (auto _ : state) benchmark::DoNotOptimize(gavel::schedule::last_iterate_bound(rates, log, 1.0, gradient));
}

void median(benchmark::State& state, std::size_t samples, std::size_t width) {
  const std::vector<double> log = norms(samples);
  std::vector<double> smooth(samples);
  for (auto _ : state) {
    gavel::median_filter(log, smooth, {.width = width});
    benchmark::DoNotOptimize(smooth.data());
  }
}

void median_by_selection(benchmark::State& state, std::size_t samples, std::size_t width) {
  const std::vector<double> log = norms(samples);
  std::vector<double> smooth(samples);
  std::vector<double> window(width);
  for (auto _ : state) {
    for (std::size_t t = 0; t < samples; ++t) {
      for (std::size_t i = 0; i < width; ++i) {
        const auto at = static_cast<std::ptrdiff_t>(t + i) - static_cast<std::ptrdiff_t>(width / 2);
        window[i] = log[static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(at, 0, static_cast<std::ptrdiff_t>(samples) - 1))];
      }
      std::nth_element(window.begin(), window.begin() + static_cast<std::ptrdiff_t>(width / 2), window.end());
      smooth[t] = window[width / 2];
    }
    benchmark::DoNotOptimize(smooth.data());
  }
}

const bool registered = [] {
  const auto add = [](const std::string& function, std::size_t steps, auto run) {
    benchmark::RegisterBenchmark(("schedule/" + function + "/double/" + std::to_string(steps) + "/gavel").c_str(),
                                 [=](benchmark::State& state) { run(state, steps); });
  };
  for (const std::size_t steps : {10'000UL, 100'000UL, 1'000'000UL, 10'000'000UL}) {
    add("refined_rates", steps, refined_rates);
    add("last_iterate_bound", steps, bound);
    add("last_iterate_bound_gradient", steps, bound_gradient);
    add("refine", steps, refine);
  }
  for (const std::size_t width : {11UL, 101UL, 1001UL, 10'001UL, 100'001UL}) {
    const std::string name = "core/median_filter/double/1000000x" + std::to_string(width) + "wide/";
    benchmark::RegisterBenchmark((name + "gavel").c_str(), [=](benchmark::State& state) { median(state, 1'000'000, width); });
    if (width <= 101) {  // the loop's cost grows with the width: 1,001 would take minutes
      benchmark::RegisterBenchmark((name + "std").c_str(), [=](benchmark::State& state) { median_by_selection(state, 1'000'000, width); });
    }
  }
  return true;
}();

}  // namespace
