// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "speculative/laws.hpp"

#include <gavel/core/moments.hpp>
#include <gavel/core/philox.hpp>
#include <gavel/core/variates.hpp>
#include <gavel/speculative/draft_sampler.hpp>
#include <gavel/speculative/greedy_drafts.hpp>
#include <gavel/speculative/hub_pair.hpp>
#include <gavel/speculative/k_sequence.hpp>
#include <gavel/speculative/optimal_acceptance.hpp>
#include <gavel/speculative/optimal_iid.hpp>
#include <gavel/speculative/optimal_without_replacement.hpp>
#include <gavel/speculative/recursive_rejection.hpp>
#include <gavel/speculative/single_draft.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <span>
#include <vector>

// What is said about multi-draft verification (Hu et al. 2025, arXiv 2502.18779), measured: figures known from single pairs of rows must
// lie within what single pairs give here, and statements of order must hold for every pair.

using namespace gavel;
using namespace gavel::speculative;

namespace {

using row = std::vector<double>;

row normalised(row weights) {
  double sum = 0.0;
  for (const double w : weights) sum += w;
  for (double& w : weights) w /= sum;
  return weights;
}

struct row_pair {
  row p, q;
};

// Rows as language models make them: logits -1.1 ln(rank) + 2 N(0, 1), the draft's with N(0, 1) added, both divided by the temperature.
row_pair language_model_rows(philox4x32& rng, std::size_t size, double temperature) {
  row p(size), q(size);
  for (std::size_t x = 0; x < size; ++x) {
    const double base = -1.1 * std::log(static_cast<double>(x + 1)) + 2.0 * normal(rng);
    p[x] = std::exp(base / temperature);
    q[x] = std::exp((base + normal(rng)) / temperature);
  }
  return {normalised(p), normalised(q)};
}

// Every distribution on `size` tokens equally likely.
row uniform_on_simplex(philox4x32& rng, std::size_t size) {
  row weights(size);
  for (double& w : weights) w = exponential(rng);
  return normalised(weights);
}

template <class V>
double acceptance_rate(V& v, const row_pair& rows, std::size_t n) {
  v.prepare(std::span<const double>(rows.p), std::span<const double>(rows.q), n);
  return v.acceptance_rate();
}

// Mean over drawn drafts of the probability, given them, that one is accepted.
double mean_over_drafts(const row_pair& rows, std::size_t n, std::size_t draws, philox4x32& rng) {
  recursive_rejection<double, draft_law::without_replacement> v;
  draft_sampler<double> sampler;
  std::vector<token_id> drafts(n);
  std::vector<double> acceptance(n), residual(rows.p.size());
  v.prepare(std::span<const double>(rows.p), std::span<const double>(rows.q), n, trusted);
  moments seen;
  for (std::size_t i = 0; i < draws; ++i) {
    sampler.draw(draft_law::without_replacement, rows.q, drafts, rng);
    v.conditional_law(std::span<const token_id>(drafts), acceptance, residual);
    double accepted = 0.0;
    for (const double a : acceptance) accepted += a;
    seen.add(accepted);
  }
  return seen.center;
}

}  // namespace

TEST_CASE("Known acceptance rates on synthetic language-model rows lie within those of single pairs", "[speculative][claims]") {
  enum column { single, recursive, sequence, iid_optimum, recursive_without, without_optimum, greedy_optimum, columns };
  constexpr std::array<const char*, columns> names = {"single draft",
                                                      "recursive rejection, iid",
                                                      "K-SEQ, iid",
                                                      "optimum, iid",
                                                      "recursive rejection, without replacement",
                                                      "optimum, without replacement",
                                                      "optimum, greedy"};
  struct setting {
    std::size_t size;
    double temperature;
    std::size_t n, pairs, draws;
    std::array<double, columns> known;  // from one pair each
  };
  const setting settings[] = {{1000, 1.0, 4, 200, 100, {.679, .867, .911, .967, .879, .971, .833}},
                              {1000, 0.6, 4, 200, 100, {.532, .770, .808, .916, .846, .973, .915}},
                              {32000, 1.0, 8, 80, 20, {.617, .835, .881, .958, .848, .966, .719}},
                              {32000, 0.6, 8, 80, 20, {.416, .591, .611, .639, .709, .835, .659}}};
  philox4x32 rng(2025);
  optimal_acceptance_solver solver;
  single_draft<double> one_draft;
  recursive_rejection<double> recursive_iid;
  k_sequence<double> k_seq;
  greedy_drafts<double> greedy;
  for (const setting& at : settings) {
    std::array<moments, columns> mean;
    moments short_of_iid, short_of_without;
    std::array<double, columns> least, most;
    least.fill(HUGE_VAL);
    most.fill(-HUGE_VAL);
    for (std::size_t k = 0; k < at.pairs; ++k) {
      const row_pair rows = language_model_rows(rng, at.size, at.temperature);
      const std::array<double, columns> rate = {acceptance_rate(one_draft, rows, 1),
                                                acceptance_rate(recursive_iid, rows, at.n),
                                                acceptance_rate(k_seq, rows, at.n),
                                                solver.solve(rows.p, rows.q, draft_law::iid, at.n).acceptance_rate,
                                                mean_over_drafts(rows, at.n, at.draws, rng),
                                                solver.solve(rows.p, rows.q, draft_law::without_replacement, at.n).acceptance_rate,
                                                solver.solve(rows.p, rows.q, draft_law::greedy, at.n).acceptance_rate};
      for (std::size_t c = 0; c < columns; ++c) {
        mean[c].add(rate[c]);
        least[c] = (std::min)(least[c], rate[c]);
        most[c] = (std::max)(most[c], rate[c]);
      }
      short_of_iid.add(rate[iid_optimum] - (std::max)(rate[recursive], rate[sequence]));
      short_of_without.add(rate[without_optimum] - rate[recursive_without]);
      CHECK(rate[without_optimum] >= rate[iid_optimum] - 1e-13);
      CHECK(rate[recursive] <= rate[iid_optimum] + 1e-12);
      CHECK(rate[recursive] >= rate[single] - 1e-12);
      CHECK(rate[sequence] <= rate[iid_optimum] + 1e-12);
      CHECK(rate[sequence] >= (1.0 - std::exp(-1.0)) * rate[iid_optimum]);
      CHECK(acceptance_rate(greedy, rows, at.n) == Approx(rate[greedy_optimum]).margin(1e-12));
    }
    std::printf("claim: acceptance rates, V = %zu, temperature %.1f, n = %zu\n", at.size, at.temperature, at.n);
    for (std::size_t c = 0; c < columns; ++c) {
      const double error = *mean[c].standard_error();
      std::printf("  %-41s known %.3f (one pair), measured mean %.4f +- %.4f, %zu single pairs from %.3f to %.3f\n", names[c], at.known[c],
                  mean[c].center, error, at.pairs, least[c], most[c]);
      INFO(names[c] << ", V " << at.size << ", temperature " << at.temperature);
      CHECK(at.known[c] >= least[c]);
      CHECK(at.known[c] <= most[c]);
    }
    std::printf("  draft by draft falls short of the optimum by %.4f +- %.4f (iid, the better rule), %.4f +- %.4f (without replacement)\n",
                short_of_iid.center, *short_of_iid.standard_error(), short_of_without.center, *short_of_without.standard_error());
    CHECK(short_of_iid.center > 5.0 * *short_of_iid.standard_error());
    CHECK(short_of_without.center > 5.0 * *short_of_without.standard_error());
  }
}

TEST_CASE("Drafts without replacement have the larger optimum, greedy drafts sometimes a larger one still", "[speculative][claims]") {
  philox4x32 rng(7);
  optimal_acceptance_solver solver;
  moments gain;
  double least = HUGE_VAL, most = -HUGE_VAL, least_gain = HUGE_VAL;
  for (int repeat = 0; repeat < 4000; ++repeat) {
    const std::size_t size = 3 + static_cast<std::size_t>(repeat) % 4;
    const row_pair rows{uniform_on_simplex(rng, size), uniform_on_simplex(rng, size)};
    const double iid = solver.solve(rows.p, rows.q, draft_law::iid, 2).acceptance_rate;
    const double without = solver.solve(rows.p, rows.q, draft_law::without_replacement, 2).acceptance_rate;
    const double greedy = solver.solve(rows.p, rows.q, draft_law::greedy, 2).acceptance_rate;
    gain.add(without - iid);
    least_gain = (std::min)(least_gain, without - iid);
    least = (std::min)(least, greedy - without);
    most = (std::max)(most, greedy - without);
  }
  std::printf("claim: two random rows, 3 <= V <= 6, n = 2\n");
  std::printf("  optimum without replacement minus iid: known mean .10, measured %.4f +- %.4f, least %.2g\n", gain.center,
              *gain.standard_error(), least_gain);
  std::printf("  optimum greedy minus without replacement: known -.14 to +.13, measured %.3f to %+.3f\n", least, most);
  CHECK(least_gain >= -1e-13);
  CHECK(gain.center > 0.05);
  CHECK(gain.center < 0.15);
  // The known range is that of fewer pairs.
  CHECK(least <= -0.14);
  CHECK(most >= 0.13);
}

TEST_CASE("No verifier is accepted more often than the optimum, and the optimal ones as often", "[speculative][claims]") {
  testing::test_engine rng(8);
  struct seen {
    const char* name;
    double least = HUGE_VAL, most = -HUGE_VAL;  // optimum minus acceptance rate
    void add(double gap) {
      least = (std::min)(least, gap);
      most = (std::max)(most, gap);
    }
  };
  seen recursive{"recursive rejection, iid"}, sequence{"K-SEQ"}, recursive_without{"recursive rejection, without replacement"};
  seen pairs{"hub pairs"}, greedy{"greedy drafts"}, iid{"optimal, iid"}, without{"optimal, without replacement"};
  for (int repeat = 0; repeat < 300; ++repeat) {
    const std::size_t size = 3 + static_cast<std::size_t>(repeat) % 4;
    const row_pair rows{testing::random_row(rng, size), testing::random_row(rng, size)};
    const auto add = [&](seen& gaps, auto verifier, std::size_t n) {
      using V = decltype(verifier);
      verifier.prepare(std::span<const double>(rows.p), std::span<const double>(rows.q), n);
      const double rate = testing::law_by_enumeration(verifier, V::law, rows.q, n).acceptance_rate;
      gaps.add(testing::optimum_by_subsets(V::law, rows.p, rows.q, n) - rate);
    };
    for (const std::size_t n : {2u, 3u}) {
      add(recursive, recursive_rejection<double>(), n);
      add(sequence, k_sequence<double>(), n);
      add(recursive_without, recursive_rejection<double, draft_law::without_replacement>(), n);
      add(greedy, greedy_drafts<double>(), n);
      add(iid, optimal_iid<double>(), n);
      add(without, optimal_without_replacement<double>(), n);
    }
    add(pairs, hub_pair<double>(), 2);
  }
  std::printf("claim: optimum minus acceptance rate, two random rows, 3 <= V <= 6, n = 2 and 3, by enumeration\n");
  for (const seen* gaps : {&recursive, &sequence, &recursive_without, &pairs, &greedy, &iid, &without}) {
    std::printf("  %-41s %.2g to %.2g\n", gaps->name, gaps->least, gaps->most);
    INFO(gaps->name);
    CHECK(gaps->least >= -1e-12);
  }
  for (const seen* gaps : {&recursive, &sequence, &recursive_without}) CHECK(gaps->most > 0.03);
  CHECK(pairs.most <= 1e-12);
  CHECK(greedy.most <= 1e-12);
  CHECK(iid.most <= 1e-6);
  CHECK(without.most <= 1e-6);
}
