// SPDX-License-Identifier: MIT
// The optimal acceptance rate against the sort that a textbook implementation begins with: `std_sort` sorts the V ratios and does nothing
// else. Rows are synthetic language-model rows: logits -1.1 ln(rank) + 2 N(0, 1), the draft adds N(0, 1).
#include "inputs.hpp"

#include <gavel/core/random.hpp>
#include <gavel/speculative/optimal_acceptance.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

namespace {

using gavel::speculative::draft_law;

struct rows {
  std::vector<float> p, q;
};

const rows& rows_of(std::size_t size) {
  static std::vector<rows> made;
  for (const rows& one : made) {
    if (one.p.size() == size) return one;
  }
  gavel::philox4x32 rng(size);
  rows one;
  std::vector<double> p(size), q(size);
  double p_sum = 0.0, q_sum = 0.0;
  for (std::size_t x = 0; x < size; ++x) {
    const double logit = -1.1 * std::log(static_cast<double>(x + 1)) + 2.0 * gavel::normal(rng);
    p_sum += p[x] = std::exp(logit);
    q_sum += q[x] = std::exp(logit + gavel::normal(rng));
  }
  for (std::size_t x = 0; x < size; ++x) {
    one.p.push_back(static_cast<float>(p[x] / p_sum));
    one.q.push_back(static_cast<float>(q[x] / q_sum));
  }
  // Ranks are scattered over the ids in a real vocabulary.
  for (std::size_t x = size; x > 1; --x) {
    const std::size_t other = gavel::uniform_index(rng, x);
    std::swap(one.p[x - 1], one.p[other]);
    std::swap(one.q[x - 1], one.q[other]);
  }
  made.push_back(one);
  return made.back();
}

void gavel_rate(benchmark::State& state, std::size_t size, draft_law law, std::size_t n) {
  const rows& one = rows_of(size);
  gavel::speculative::optimal_acceptance_solver solver;
  double rate = solver.solve(one.p, one.q, law, n).acceptance_rate;  // the first call grows the workspace, the others are what a user meets
  for (auto _ : state) benchmark::DoNotOptimize(rate = solver.solve(one.p, one.q, law, n).acceptance_rate);
  state.counters["rate"] = rate;
  bench::count_work(state, 2 * size * sizeof(float));
}

void sort_ratios(benchmark::State& state, std::size_t size) {
  const rows one = rows_of(size);
  std::vector<float> ratios(size);
  for (auto _ : state) {
    for (std::size_t x = 0; x < size; ++x) ratios[x] = one.p[x] / one.q[x];
    std::sort(ratios.begin(), ratios.end());
    benchmark::DoNotOptimize(ratios.data());
  }
}

[[maybe_unused]] const bool registered = [] {
  const auto add = [](const char* function, std::size_t size, draft_law law, std::size_t n) {
    const std::string name = "speculative/" + std::string(function) + "/float/" + std::to_string(size) + "/gavel";
    benchmark::RegisterBenchmark(name.c_str(), gavel_rate, size, law, n)->Unit(benchmark::kMicrosecond);
  };
  for (const std::size_t size : bench::growth_sizes) {
    add("optimal_acceptance_iid", size, draft_law::iid, 4);
    add("optimal_acceptance_without_replacement", size, draft_law::without_replacement, 8);
    const std::string name = "speculative/optimal_acceptance_iid/float/" + std::to_string(size) + "/std_sort";
    benchmark::RegisterBenchmark(name.c_str(), sort_ratios, size)->Unit(benchmark::kMicrosecond);
  }
  for (const std::size_t size : {std::size_t{32000}, bench::vocabulary}) add("optimal_acceptance_greedy", size, draft_law::greedy, 4);
  return true;
}();

}  // namespace
