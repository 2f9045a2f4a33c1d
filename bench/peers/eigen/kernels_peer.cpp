// SPDX-License-Identifier: MIT
// Eigen, built like the rest with plain -O2: it vectorises for the instruction set of the build.
#include "inputs.hpp"

#include <Eigen/Core>
#include <benchmark/benchmark.h>

#include <cmath>
#include <string>

namespace {

using row = Eigen::Map<const Eigen::ArrayXf>;

[[maybe_unused]] const bool registered = [] {
  const std::string size = "/float/" + std::to_string(bench::vocabulary) + "/eigen";
  benchmark::RegisterBenchmark(("kernels/log_sum_exp" + size).c_str(), [](benchmark::State& state) {
    const auto input = bench::logits(bench::vocabulary, 1);
    const row x(input.data(), static_cast<Eigen::Index>(input.size()));
    for (auto _ : state) {
      const float largest = x.maxCoeff();
      benchmark::DoNotOptimize(largest + std::log((x - largest).exp().sum()));
    }
  })->Unit(benchmark::kMicrosecond);
  benchmark::RegisterBenchmark(("kernels/softmax" + size).c_str(), [](benchmark::State& state) {
    const auto input = bench::logits(bench::vocabulary, 1);
    const row x(input.data(), static_cast<Eigen::Index>(input.size()));
    Eigen::ArrayXf out(x.size());
    for (auto _ : state) {
      out = (x - x.maxCoeff()).exp();
      out *= 1.0f / out.sum();
      benchmark::ClobberMemory();
    }
  })->Unit(benchmark::kMicrosecond);
  return true;
}();

}  // namespace
