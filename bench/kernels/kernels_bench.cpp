// SPDX-License-Identifier: MIT
// The vocabulary kernels against plain loops over std:: functions; Eigen and torch join from bench/peers in the same run.
#include "inputs.hpp"

#include <gavel/kernels.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace {

namespace k = gavel::kernels;

std::string name(const char* function, const char* scalar, std::size_t size, const char* who) {
  return std::string("kernels/") + function + "/" + scalar + "/" + std::to_string(size) + "/" + who;
}

template <class Body>
void add(const char* function, const char* scalar, std::size_t size, const char* who, Body body) {
  benchmark::RegisterBenchmark(name(function, scalar, size, who).c_str(), [body](benchmark::State& state) {
    body(state);
  })->Unit(benchmark::kMicrosecond);
}

float std_log_sum_exp(const std::vector<float>& x) {
  const float largest = *std::max_element(x.begin(), x.end());
  float sum = 0.0f;
  for (const float v : x) sum += std::exp(v - largest);
  return largest + std::log(sum);
}

void std_softmax(const std::vector<float>& x, std::vector<float>& out) {
  const float largest = *std::max_element(x.begin(), x.end());
  float sum = 0.0f;
  for (std::size_t i = 0; i < x.size(); ++i) sum += out[i] = std::exp(x[i] - largest);
  for (float& p : out) p /= sum;
}

template <class S>
std::vector<S> stored(const std::vector<float>& x) {
  std::vector<S> out;
  for (const float v : x) {
    if constexpr (std::is_same_v<S, gavel::half>) out.push_back(gavel::to_half(v));
    else if constexpr (std::is_same_v<S, gavel::bfloat16>) out.push_back(gavel::to_bfloat16(v));
    else out.push_back(static_cast<S>(v));
  }
  return out;
}

template <class S>
void add_storage(const char* scalar) {
  add("log_sum_exp", scalar, bench::vocabulary, "gavel", [](benchmark::State& state) {
    const auto x = stored<S>(bench::logits(bench::vocabulary, 1));
    for (auto _ : state) benchmark::DoNotOptimize(k::log_sum_exp(x.data(), x.size()));
    bench::count_work(state, x.size() * sizeof(S), x.size());
  });
}

// The instruction set that gavel found, for the report.
const char* path_name() {
  switch (k::active_path()) {
    case k::simd_path::avx512: return "AVX-512";
    case k::simd_path::avx2: return "AVX2";
    default: return "portable";
  }
}

[[maybe_unused]] const bool registered = [] {
  benchmark::AddCustomContext("gavel_path", path_name());
  for (const std::size_t n : bench::growth_sizes) {
    add("log_sum_exp", "float", n, "gavel", [n](benchmark::State& state) {
      const auto x = bench::logits(n, 1);
      for (auto _ : state) benchmark::DoNotOptimize(k::log_sum_exp(x.data(), n));
      bench::count_work(state, n * sizeof(float), n);
    });
    add("log_sum_exp", "float", n, "std", [n](benchmark::State& state) {
      const auto x = bench::logits(n, 1);
      for (auto _ : state) benchmark::DoNotOptimize(std_log_sum_exp(x));
    });
    add("softmax", "float", n, "gavel", [n](benchmark::State& state) {
      const auto x = bench::logits(n, 1);
      std::vector<float> out(n);
      for (auto _ : state) {
        k::softmax(x.data(), n, out.data());
        benchmark::ClobberMemory();
      }
      bench::count_work(state, n * sizeof(float), n);
    });
    add("softmax", "float", n, "std", [n](benchmark::State& state) {
      const auto x = bench::logits(n, 1);
      std::vector<float> out(n);
      for (auto _ : state) {
        std_softmax(x, out);
        benchmark::ClobberMemory();
      }
    });
    add("sample_logits", "float", n, "gavel", [n](benchmark::State& state) {
      const auto x = bench::logits(n, 1);
      gavel::philox4x32 rng(1);
      for (auto _ : state) benchmark::DoNotOptimize(k::sample_logits(x.data(), n, gavel::uniform(rng)));
      bench::count_work(state, n * sizeof(float), n);
    });
    add("top_k50", "float", n, "gavel", [n](benchmark::State& state) {
      const auto x = bench::logits(n, 1);
      std::vector<std::uint32_t> ids(50);
      for (auto _ : state) {
        benchmark::DoNotOptimize(k::top_k(x.data(), n, 50, ids.data()));
        benchmark::ClobberMemory();
      }
      bench::count_work(state, n * sizeof(float));
    });
  }
  add("sample_logits", "float", bench::vocabulary, "std", [](benchmark::State& state) {
    const auto x = bench::logits(bench::vocabulary, 1);
    std::vector<float> probs(x.size());
    std::mt19937_64 rng(1);
    for (auto _ : state) {
      std_softmax(x, probs);
      std::discrete_distribution<int> draw(probs.begin(), probs.end());
      benchmark::DoNotOptimize(draw(rng));
    }
  });
  add("top_k50", "float", bench::vocabulary, "std", [](benchmark::State& state) {
    const auto x = bench::logits(bench::vocabulary, 1);
    std::vector<std::uint32_t> ids(x.size());
    for (auto _ : state) {
      std::iota(ids.begin(), ids.end(), 0u);
      std::partial_sort(ids.begin(), ids.begin() + 50, ids.end(), [&](std::uint32_t a, std::uint32_t b) { return x[a] > x[b]; });
      benchmark::DoNotOptimize(ids.data());
    }
  });
  add_storage<double>("double");
  add_storage<gavel::half>("half");
  add_storage<gavel::bfloat16>("bfloat16");
  const auto pair = [](const char* function, auto measure) {
    add(function, "float", bench::vocabulary, "gavel", [measure](benchmark::State& state) {
      const auto x = bench::logits(bench::vocabulary, 1);
      const auto y = bench::noisy(x, 2, 0.3f);
      const auto p = bench::softmax(x.data(), x.size());
      const auto q = bench::softmax(y.data(), y.size());
      for (auto _ : state) benchmark::DoNotOptimize(measure(p, q));
      bench::count_work(state, 2 * p.size() * sizeof(float));
    });
  };
  pair("overlap", [](const auto& p, const auto& q) { return k::overlap(p.data(), q.data(), p.size()); });
  pair("residual_sample", [](const auto& p, const auto& q) { return k::residual_sample(p.data(), q.data(), p.size(), 0.5); });
  pair("kl_divergence", [](const auto& p, const auto& q) { return k::kl_divergence(p.data(), q.data(), p.size()); });
  add("overlap", "float", bench::vocabulary, "std", [](benchmark::State& state) {
    const auto x = bench::logits(bench::vocabulary, 1);
    const auto y = bench::noisy(x, 2, 0.3f);
    const auto p = bench::softmax(x.data(), x.size());
    const auto q = bench::softmax(y.data(), y.size());
    for (auto _ : state) {
      double sum = 0.0;
      for (std::size_t i = 0; i < p.size(); ++i) sum += static_cast<double>(std::min(p[i], q[i]));
      benchmark::DoNotOptimize(sum);
    }
  });
  add("truncation_top_p", "float", bench::vocabulary, "gavel", [](benchmark::State& state) {
    const auto x = bench::logits(bench::vocabulary, 1);
    for (auto _ : state) benchmark::DoNotOptimize(k::truncation_cutoff(x.data(), x.size(), 1.0, {.top_p = 0.95}));
    bench::count_work(state, x.size() * sizeof(float), x.size());
  });
  add("gumbel_top_8", "float", bench::vocabulary, "gavel", [](benchmark::State& state) {
    const auto x = bench::logits(bench::vocabulary, 1);
    gavel::philox4x32 rng(1);
    std::uint32_t ids[8];
    double keys[8];
    for (auto _ : state) benchmark::DoNotOptimize(k::gumbel_top_n(x.data(), x.size(), 8, ids, keys, rng));
    bench::count_work(state, x.size() * sizeof(float));
  });
  return true;
}();

}  // namespace
