// SPDX-License-Identifier: MIT
// One verification of K = 5 drafts by an engine: K + 1 rows of target logits, K draft rows. Every draft stands, so all rows are read: the
// longest case. `std` is the textbook version in plain loops: softmax of every row first, as the published code does it.
#include "inputs.hpp"

#include <gavel/speculative/chain.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace gavel::speculative;

void gavel_chain(benchmark::State& state, draft_form form) {
  const bench::chain& c = bench::chain_input();
  const std::size_t v = bench::chain_vocabulary;
  gavel::philox4x32 rng(1);
  const gavel::matrix_view target(c.target.data(), bench::chain_length + 1, v);
  const gavel::matrix_view draft(form == draft_form::logits ? c.draft_logits.data() : c.draft_probs.data(), bench::chain_length, v);
  std::size_t accepted = 0;
  std::size_t calls = 0;
  for (auto _ : state) {
    accepted += verify_chain(target, draft, c.tokens, rng, {.draft = form}).accepted;
    ++calls;
  }
  state.counters["accepted"] = static_cast<double>(accepted) / static_cast<double>(calls);
  constexpr std::size_t rows = 2 * bench::chain_length + 1;
  bench::count_work(state, rows * v * sizeof(float), (form == draft_form::logits ? rows : bench::chain_length + 1) * v);
}

void std_chain(benchmark::State& state, draft_form form) {
  const bench::chain& c = bench::chain_input();
  const std::size_t v = bench::chain_vocabulary;
  std::mt19937_64 rng(1);
  std::uniform_real_distribution<float> uniform;
  std::vector<float> p((bench::chain_length + 1) * v);
  std::vector<float> q(bench::chain_length * v);
  const auto softmax = [v](const float* x, float* out) {
    const float largest = *std::max_element(x, x + v);
    float sum = 0.0f;
    for (std::size_t i = 0; i < v; ++i) sum += out[i] = std::exp(x[i] - largest);
    for (std::size_t i = 0; i < v; ++i) out[i] /= sum;
  };
  std::size_t accepted = 0;
  std::size_t calls = 0;
  for (auto _ : state) {
    for (std::size_t k = 0; k <= bench::chain_length; ++k) softmax(c.target.data() + k * v, p.data() + k * v);
    if (form == draft_form::logits) {
      for (std::size_t k = 0; k < bench::chain_length; ++k) softmax(c.draft_logits.data() + k * v, q.data() + k * v);
    }
    const std::vector<float>& draft = form == draft_form::logits ? q : c.draft_probs;
    std::size_t k = 0;
    while (k < bench::chain_length && uniform(rng) * draft[k * v + c.tokens[k]] < p[k * v + c.tokens[k]]) ++k;
    std::vector<float> rest(p.begin() + static_cast<std::ptrdiff_t>(k * v), p.begin() + static_cast<std::ptrdiff_t>((k + 1) * v));
    if (k < bench::chain_length) {
      for (std::size_t i = 0; i < v; ++i) rest[i] = std::max(rest[i] - draft[k * v + i], 0.0f);
    }
    std::discrete_distribution<int> next(rest.begin(), rest.end());
    benchmark::DoNotOptimize(next(rng));
    accepted += k;
    ++calls;
  }
  state.counters["accepted"] = static_cast<double>(accepted) / static_cast<double>(calls);
}

[[maybe_unused]] const bool registered = [] {
  for (const auto& [form, word] :
       {std::pair{draft_form::logits, "verify_chain5_logits"}, std::pair{draft_form::probs, "verify_chain5_probs"}}) {
    const std::string stem = std::string("speculative/") + word + "/float/" + std::to_string(bench::chain_vocabulary) + "/";
    const draft_form chosen = form;
    benchmark::RegisterBenchmark((stem + "gavel").c_str(), [chosen](benchmark::State& s) {
      gavel_chain(s, chosen);
    })->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark((stem + "std").c_str(), [chosen](benchmark::State& s) {
      std_chain(s, chosen);
    })->Unit(benchmark::kMicrosecond);
  }
  return true;
}();

}  // namespace
