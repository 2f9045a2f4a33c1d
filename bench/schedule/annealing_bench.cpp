// SPDX-License-Identifier: MIT
// Fitting the annealing law to the two published curves (20 losses each over 20,000 steps), both ways, from the rates of every step to the
// parameters, the multi-power law on the same curves, and the areas alone over the length of the run.
#include <gavel/schedule/annealing_areas.hpp>
#include <gavel/schedule/annealing_fit.hpp>
#include <gavel/schedule/multi_power_fit.hpp>

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace {

constexpr std::size_t total = 20'000;
constexpr std::size_t warmup = 500;

// The losses printed with the fitting listing of arXiv 2408.11029, at steps 1,000, 2,000, ..., 20,000.
const std::vector<double> cosine_losses{3.6696358, 3.3254106, 3.1908393, 3.1158533, 3.0604768, 3.020384,  2.9880967,
                                        2.9612265, 2.9395165, 2.9195616, 2.9030452, 2.8881907, 2.8767889, 2.8654318,
                                        2.8565135, 2.8489892, 2.843639,  2.8398669, 2.8380618, 2.8376071};
const std::vector<double> constant_losses{3.6714418, 3.325626,  3.1884103, 3.111947,  3.058354,  3.0211415, 2.9874816,
                                          2.96082,   2.9406552, 2.9241402, 2.9054413, 2.8942103, 2.8807929, 2.8702695,
                                          2.862175,  2.8530996, 2.8448784, 2.8383856, 2.8326995, 2.8294308};

std::vector<double> rates_of(bool cosine) {
  std::vector<double> rates(total + 1, 2e-4);
  for (std::size_t t = warmup; cosine && t <= total; ++t) {
    rates[t] = 1e-4 * (1.0 + std::cos(3.14159265358979323846 * static_cast<double>(t - warmup) / static_cast<double>(total - warmup)));
  }
  return rates;
}

void fit(benchmark::State& state, gavel::schedule::annealing_fit_method method) {
  const std::vector<double> cosine = rates_of(true);
  const std::vector<double> constant = rates_of(false);
  std::vector<std::uint64_t> steps;
  for (std::uint64_t step = 1000; step <= total; step += 1000) steps.push_back(step);
  for (auto _ : state) {
    gavel::schedule::annealing_observations observations;
    observations.add_curve(cosine, steps, cosine_losses, warmup);
    observations.add_curve(constant, steps, constant_losses, warmup);
    benchmark::DoNotOptimize(gavel::schedule::fit_annealing_law(observations, {.method = method}));
  }
}

void fit_multi_power(benchmark::State& state) {
  const std::vector<double> cosine = rates_of(true);
  const std::vector<double> constant = rates_of(false);
  std::vector<std::uint64_t> steps;
  for (std::uint64_t step = 1000; step <= total; step += 1000) steps.push_back(step);
  for (auto _ : state) {
    gavel::schedule::multi_power_observations observations;
    observations.add_curve(cosine, steps, cosine_losses);
    observations.add_curve(constant, steps, constant_losses);
    benchmark::DoNotOptimize(gavel::schedule::fit_multi_power_law(observations));
  }
}

void areas(benchmark::State& state, std::size_t steps) {
  std::vector<double> rates(steps);
  for (std::size_t t = 0; t < steps; ++t) rates[t] = 1e-4 * static_cast<double>(steps - t) / static_cast<double>(steps);
  for (auto _ : state) benchmark::DoNotOptimize(gavel::schedule::areas_at(rates, steps - 1).annealing());
}

const bool registered = [] {
  benchmark::RegisterBenchmark("schedule/fit_annealing_law/double/40/gavel", fit, gavel::schedule::annealing_fit_method::least_squares);
  benchmark::RegisterBenchmark("schedule/fit_annealing_law_huber/double/40/gavel", fit, gavel::schedule::annealing_fit_method::huber);
  benchmark::RegisterBenchmark("schedule/fit_multi_power_law/double/40/gavel", fit_multi_power);
  for (const std::size_t steps : {10'000UL, 100'000UL, 1'000'000UL, 10'000'000UL}) {
    benchmark::RegisterBenchmark(("schedule/annealing_areas/double/" + std::to_string(steps) + "/gavel").c_str(), areas, steps);
  }
  return true;
}();

}  // namespace
