// SPDX-License-Identifier: MIT
// One rate, and a whole table of rates, against the closed form written by hand for that one schedule, minimum + (base - minimum) rho(t / T).
// The hand-written loops keep the run length as a double and clamp nothing; gavel's also hold the end value and take any step. Neither side
// knows a number at compile time.
#include <gavel/schedule/combinators.hpp>
#include <gavel/schedule/horizon_free.hpp>
#include <gavel/schedule/rate_schedule.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace {

using namespace gavel::schedule;

constexpr std::uint64_t run_steps = 1'000'000;
constexpr std::uint64_t table_steps = 10'000'000;

/// A number that the optimiser cannot see.
template <class T>
T hidden(T value) {
  volatile T copy = value;
  return copy;
}

/// @p rate_of(t) for t = 0, 1, ..., over and over.
template <class Rate>
void one_by_one(benchmark::State& state, Rate rate_of) {
  std::int64_t step = 0;
  for (auto _ : state) {
    double rate = rate_of(step);
    benchmark::DoNotOptimize(rate);
    step = step + 1 < static_cast<std::int64_t>(run_steps) ? step + 1 : 0;
  }
}

template <class Rate>
void whole_table(benchmark::State& state, Rate rate_of) {
  std::vector<double> rates(table_steps);
  for (auto _ : state) {
    for (std::size_t t = 0; t < rates.size(); ++t) rates[t] = rate_of(static_cast<std::int64_t>(t));
    benchmark::DoNotOptimize(rates.data());
    benchmark::ClobberMemory();
  }
}

/// `make(over)` builds the schedule; `by_hand()` gives the callable rho(z) of the same shape.
template <class Make, class Hand>
void add(const std::string& name, Make make, Hand by_hand) {
  const auto over = [](std::uint64_t steps) {
    return horizon{.steps = hidden(steps), .base_rate = hidden(0.1), .minimum_rate = hidden(0.0)};
  };
  const auto closed_form = [=](std::uint64_t run) {
    const auto steps = static_cast<double>(hidden(run));
    const double minimum = hidden(0.0);
    const double span = hidden(0.1) - minimum;
    const auto rho = by_hand();
    return [=](std::int64_t t) { return minimum + span * rho(static_cast<double>(t) / steps); };
  };
  const std::string rate = "schedule/rate_" + name + "/double/" + std::to_string(run_steps) + "/";
  benchmark::RegisterBenchmark((rate + "gavel").c_str(), [=](benchmark::State& state) {
    const auto schedule = make(over(run_steps));
    one_by_one(state, [schedule](std::int64_t t) { return schedule.rate(static_cast<std::uint64_t>(t)); });
  });
  benchmark::RegisterBenchmark((rate + "hand").c_str(), [=](benchmark::State& state) { one_by_one(state, closed_form(run_steps)); });
  const std::string table = "schedule/fill_" + name + "/double/" + std::to_string(table_steps) + "/";
  benchmark::RegisterBenchmark((table + "gavel").c_str(), [=](benchmark::State& state) {
    const auto schedule = make(over(table_steps));
    std::vector<double> rates(table_steps);
    for (auto _ : state) {
      fill(schedule, rates);
      benchmark::DoNotOptimize(rates.data());
      benchmark::ClobberMemory();
    }
  });
  benchmark::RegisterBenchmark((table + "hand").c_str(), [=](benchmark::State& state) { whole_table(state, closed_form(table_steps)); });
}

/// The limit: the same table filled with one number.
void write_only(benchmark::State& state) {
  std::vector<double> rates(table_steps);
  for (auto _ : state) {
    std::fill(rates.begin(), rates.end(), hidden(0.1));
    benchmark::DoNotOptimize(rates.data());
    benchmark::ClobberMemory();
  }
}

const bool registered = [] {
  add("linear", [](const horizon& over) { return stretch(linear{}, over); }, [] { return [](double z) { return 1.0 - z; }; });
  add("rex", [](const horizon& over) { return stretch(rex{}, over); }, [] { return [](double z) { return 2.0 * (1.0 - z) / (2.0 - z); }; });
  add(
      "cosine", [](const horizon& over) { return stretch(cosine{}, over); },
      [] { return [](double z) { return 0.5 * (1.0 + std::cos(3.14159265358979323846 * z)); }; });
  add(
      "step_decay", [](const horizon& over) { return stretch(step_decay(hidden(0.1), {hidden(0.3), hidden(0.6), hidden(0.9)}), over); },
      [] {
        const double first = hidden(0.3), second = hidden(0.6), third = hidden(0.9), factor = hidden(0.1);
        return [=](double z) { return z < first ? 1.0 : z < second ? factor : z < third ? factor * factor : factor * factor * factor; };
      });
  add(
      "warmup_rex", [](const horizon& over) { return stretch(warmup(hidden(0.05), rex{}), over); },
      [] {
        const double share = hidden(0.05);
        return [=](double z) {
          if (z < share) return z / share;
          const double u = (z - share) / (1.0 - share);
          return 2.0 * (1.0 - u) / (2.0 - u);
        };
      });
  add(
      "wsd_one_minus_sqrt",
      [](const horizon& over) { return stretch(wsd({.warmup = hidden(0.01), .decay = hidden(0.2)}, one_minus_sqrt{}), over); },
      [] {
        const double share = hidden(0.01), decay = hidden(0.2);
        return [=](double z) {
          if (z < share) return z / share;
          if (z <= 1.0 - decay) return 1.0;
          return 1.0 - std::sqrt((z - (1.0 - decay)) / decay);
        };
      });
  benchmark::RegisterBenchmark(("schedule/fill_linear/double/" + std::to_string(table_steps) + "/std").c_str(), write_only);
  return true;
}();

}  // namespace
