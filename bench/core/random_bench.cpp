// SPDX-License-Identifier: MIT
// Random numbers beside the standard library's, with the engine that each brings along: Philox against the Mersenne Twister.
#include <gavel/core/random.hpp>

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace {

std::vector<double> weights_of_size(std::size_t n) {
  gavel::philox4x32 rng(1);
  std::vector<double> weights(n);
  for (double& weight : weights) weight = gavel::exponential(rng);
  return weights;
}

// One draw per iteration; `items_per_second` is what compares.
template <class Draw>
void add(const std::string& name, Draw draw) {
  benchmark::RegisterBenchmark(name.c_str(), [draw](benchmark::State& state) mutable {
    for (auto _ : state) benchmark::DoNotOptimize(draw());
    state.SetItemsProcessed(state.iterations());
  });
}

void add_scalars() {
  const gavel::philox4x32 philox(1);
  const std::mt19937 twister(1);
  add("core/bits/uint32/1/gavel", [rng = philox]() mutable { return rng(); });
  add("core/bits/uint32/1/std", [rng = twister]() mutable { return rng(); });
  add("core/uniform/double/1/gavel", [rng = philox]() mutable { return gavel::uniform(rng); });
  add("core/uniform/double/1/std",
      [rng = twister, distribution = std::uniform_real_distribution<double>()]() mutable { return distribution(rng); });
  add("core/uniform_index/uint64/50257/gavel", [rng = philox]() mutable { return gavel::uniform_index(rng, 50257); });
  add("core/uniform_index/uint64/50257/std",
      [rng = twister, distribution = std::uniform_int_distribution<std::uint64_t>(0, 50256)]() mutable { return distribution(rng); });
  add("core/exponential/double/1/gavel", [rng = philox]() mutable { return gavel::exponential(rng); });
  add("core/exponential/double/1/std",
      [rng = twister, distribution = std::exponential_distribution<double>()]() mutable { return distribution(rng); });
  add("core/normal/double/1/gavel", [rng = philox]() mutable { return gavel::normal(rng); });
  add("core/normal/double/1/std",
      [rng = twister, distribution = std::normal_distribution<double>()]() mutable { return distribution(rng); });
  add("core/gamma/double/1/gavel", [rng = philox]() mutable { return gavel::gamma(rng, 2.5); });
  add("core/gamma/double/1/std",
      [rng = twister, distribution = std::gamma_distribution<double>(2.5)]() mutable { return distribution(rng); });
}

void add_discrete(std::size_t n) {
  const std::string size = std::to_string(n);
  const auto weights = weights_of_size(n);
  const gavel::philox4x32 philox(1);
  const std::mt19937 twister(1);
  add("core/alias_sample/double/" + size + "/gavel",
      [rng = philox, table = gavel::alias_table(weights)]() mutable { return table.sample(rng); });
  add("core/alias_sample/double/" + size + "/std",
      [rng = twister, distribution = std::discrete_distribution<std::size_t>(weights.begin(), weights.end())]() mutable {
        return distribution(rng);
      });
  add("core/alias_build/double/" + size + "/gavel", [weights] { return gavel::alias_table(weights).size(); });
  add("core/alias_build/double/" + size + "/std",
      [weights] { return std::discrete_distribution<std::size_t>(weights.begin(), weights.end()).max(); });
  add("core/categorical/double/" + size + "/gavel", [rng = philox, weights]() mutable { return gavel::categorical(rng, weights); });
  add("core/categorical/double/" + size + "/std", [rng = twister, weights]() mutable {
    std::discrete_distribution<std::size_t> distribution(weights.begin(), weights.end());  // weights that change with every draw
    return distribution(rng);
  });
  add("core/check_distribution/float/" + size + "/gavel", [row = std::vector<float>(n, 1.0f / static_cast<float>(n))] {
    gavel::check_distribution("bench", "row", row);
    return row[0];
  });
  add("core/check_distribution/float/" + size + "/std", [row = std::vector<float>(n, 1.0f / static_cast<float>(n))] {
    double sum = 0.0;
    bool valid = true;
    for (const float value : row) {
      valid = valid && value >= 0.0f;
      sum += static_cast<double>(value);
    }
    return valid ? sum : -1.0;
  });
}

[[maybe_unused]] const bool registered = [] {
  add_scalars();
  for (const std::size_t n : {std::size_t{32000}, std::size_t{131072}}) add_discrete(n);
  return true;
}();

}  // namespace
