// SPDX-License-Identifier: MIT
// The optimal verifiers: one row from scratch (checks, fit and one verdict), and a verdict alone. The gap to the optimal acceptance rate is
// a counter, so that speed is never quoted without what it bought. Rows are synthetic language-model rows: logits -1.1 ln(rank) +
// 2 N(0, 1); the draft adds N(0, 1), or 0.1 N(0, 1) for a close draft, where alpha* = 1 leaves no slack and every token gets its own
// weight.
#include "inputs.hpp"

#include <gavel/core/random.hpp>
#include <gavel/speculative/optimal_iid.hpp>
#include <gavel/speculative/optimal_without_replacement.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace {

using gavel::speculative::token_id;

constexpr std::size_t tuples = 64;  // drawn beforehand: the draft model's work is not the verifier's

struct problem {
  std::vector<float> p, q;
  std::vector<token_id> drafts;  // [tuples][n]
};

problem make_problem_anew(std::size_t size, std::size_t support, double noise, std::size_t n, bool distinct) {
  gavel::philox4x32 rng(size + n);
  problem made;
  std::vector<double> p(size), q(size);
  double p_sum = 0.0;
  for (std::size_t x = 0; x < size; ++x) {
    const double logit = -1.1 * std::log(static_cast<double>(x + 1)) + 2.0 * gavel::normal(rng);
    p_sum += p[x] = std::exp(logit);
    q[x] = std::exp(logit + noise * gavel::normal(rng));
  }
  std::vector<double> sorted = q;
  std::sort(sorted.begin(), sorted.end(), [](double a, double b) { return a > b; });
  double q_sum = 0.0;
  for (double& x : q) q_sum += x = x >= sorted[support - 1] ? x : 0.0;
  for (std::size_t x = 0; x < size; ++x) {
    made.p.push_back(static_cast<float>(p[x] / p_sum));
    made.q.push_back(static_cast<float>(q[x] / q_sum));
  }
  for (std::size_t x = size; x > 1; --x) {  // ranks are scattered over the ids
    const std::size_t other = gavel::uniform_index(rng, x);
    std::swap(made.p[x - 1], made.p[other]);
    std::swap(made.q[x - 1], made.q[other]);
  }
  for (std::size_t k = 0; k < tuples; ++k) {
    const std::size_t first = made.drafts.size();
    while (made.drafts.size() < first + n) {
      const auto x = static_cast<token_id>(gavel::categorical(rng, made.q));
      const bool seen = std::find(made.drafts.begin() + static_cast<std::ptrdiff_t>(first), made.drafts.end(), x) != made.drafts.end();
      if (!distinct || !seen) made.drafts.push_back(x);
    }
  }
  return made;
}

// Google Benchmark enters a benchmark once per repetition; the rows stay.
const problem& make_problem(std::size_t size, std::size_t support, double noise, std::size_t n, bool distinct) {
  static std::map<std::tuple<std::size_t, std::size_t, double, std::size_t, bool>, problem> made;
  const auto [place, is_new] = made.try_emplace({size, support, noise, n, distinct});
  if (is_new) place->second = make_problem_anew(size, support, noise, n, distinct);
  return place->second;
}

template <class Verifier>
void report(benchmark::State& state, const Verifier& v) {
  state.counters["gap"] = v.fit().gap;
  state.counters["optimum"] = v.fit().optimum;
  state.counters["groups"] = static_cast<double>(v.fit().groups);
  state.counters["evaluations"] = static_cast<double>(v.fit().iterations);
}

template <class Verifier>
void fit_and_verdict(benchmark::State& state, std::size_t size, std::size_t support, double noise, std::size_t n) {
  const problem& rows = make_problem(size, support, noise, n, Verifier::law != gavel::speculative::draft_law::iid);
  Verifier v;
  v.prepare(rows.p, rows.q, n);  // the first call grows the workspace, the others are what a user meets
  gavel::philox4x32 rng(1);
  std::size_t k = 0;
  for (auto _ : state) {
    v.prepare(rows.p, rows.q, n);
    benchmark::DoNotOptimize(v.verify(std::span<const token_id>(rows.drafts).subspan(k * n, n), rng));
    k = (k + 1) % tuples;
  }
  report(state, v);
  bench::count_work(state, 2 * size * sizeof(float));
}

template <class Verifier>
void verdict_only(benchmark::State& state, std::size_t size, std::size_t support, std::size_t n) {
  const problem& rows = make_problem(size, support, 1.0, n, Verifier::law != gavel::speculative::draft_law::iid);
  Verifier v;
  v.prepare(rows.p, rows.q, n);
  gavel::philox4x32 rng(1);
  std::size_t k = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(v.verify(std::span<const token_id>(rows.drafts).subspan(k * n, n), rng));
    k = (k + 1) % tuples;
  }
  report(state, v);
}

using iid = gavel::speculative::optimal_iid<float>;
using without_replacement = gavel::speculative::optimal_without_replacement<float>;

[[maybe_unused]] const bool registered = [] {
  auto name = [](const char* function, std::size_t size) {
    return "speculative/" + std::string(function) + "/float/" + std::to_string(size) + "/gavel";
  };
  auto set_name = [](const char* function, std::size_t support) {
    return "speculative/" + std::string(function) + "/float/32000x" + std::to_string(support) + "support/gavel";
  };
  auto fit_iid = [&](const char* function, std::size_t size, double noise, std::size_t n) {
    benchmark::RegisterBenchmark(name(function, size).c_str(), fit_and_verdict<iid>, size, size, noise, n)->Unit(benchmark::kMicrosecond);
  };
  for (const std::size_t size : bench::growth_sizes) fit_iid("optimal_iid", size, 1.0, 4);
  for (const std::size_t size : {std::size_t{32000}, bench::vocabulary}) {
    fit_iid("optimal_iid_2_drafts", size, 1.0, 2);
    fit_iid("optimal_iid_8_drafts", size, 1.0, 8);
    fit_iid("optimal_iid_close_draft", size, 0.1, 4);
    benchmark::RegisterBenchmark(name("optimal_iid_verdict", size).c_str(), verdict_only<iid>, size, size, 4)
        ->Unit(benchmark::kMicrosecond);
  }
  for (const std::size_t support : {32u, 64u}) {
    auto fit_set = [&](const char* function, double noise, std::size_t n) {
      benchmark::RegisterBenchmark(set_name(function, support).c_str(), fit_and_verdict<without_replacement>, 32000, support, noise, n)
          ->Unit(benchmark::kMicrosecond);
    };
    fit_set("optimal_without_replacement_2_drafts", 1.0, 2);
    fit_set("optimal_without_replacement", 1.0, 4);
    fit_set("optimal_without_replacement_8_drafts", 1.0, 8);
    fit_set("optimal_without_replacement_close_draft", 0.1, 4);
  }
  return true;
}();

}  // namespace
