// SPDX-License-Identifier: MIT
#pragma once

#include "speculative/support/distinct_drafts.hpp"

#include <gavel/core/philox.hpp>
#include <gavel/speculative/draft_sampler.hpp>
#include <gavel/speculative/optimal_acceptance.hpp>
#include <gavel/speculative/verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

/// @file
/// Acceptance rates at one position that several rows of the table share, each computed once.

namespace examples {

using gavel::speculative::draft_law;

/// The best acceptance of each draft law at the present position; several verifiers share one.
class optimum_memory {
 public:
  void next_position() { known_.clear(); }
  double operator()(draft_law law, std::span<const double> p, std::span<const double> q, std::size_t n) {
    for (const entry& e : known_) {
      if (e.law == law && e.draft == q.data() && e.n == n) return e.value;
    }
    known_.push_back({law, q.data(), n, solver_.solve(p, q, law, n).acceptance_rate});
    return known_.back().value;
  }

 private:
  struct entry {
    draft_law law;
    const double* draft;
    std::size_t n;
    double value;
  };
  gavel::speculative::optimal_acceptance_solver solver_;
  std::vector<entry> known_;
};

/// Acceptance without replacement at the present position where there is no closed form: one estimate serves every number of drafts.
class distinct_rates_memory {
 public:
  distinct_rates_memory(std::size_t max_drafts, std::uint64_t seed) : max_drafts_(max_drafts), rng_(seed, std::uint64_t{1} << 32) {}
  void next_position() { known_.clear(); }
  double recursive_rejection(std::span<const double> p, std::span<const double> q, std::size_t n) {
    return find(true, q, [&](std::span<double> rates) { solver_.recursive_rejection(p, q, paths, rng_, rates); })[n - 1];
  }
  double target_only(std::span<const double> p, std::span<const double> q, std::size_t n) {
    return find(false, q, [&](std::span<double> rates) { solver_.target_only(p, q, paths, rng_, rates); })[n - 1];
  }

 private:
  static constexpr std::size_t paths = 64;
  struct entry {
    bool recursive;
    const double* draft;
    std::vector<double> rates;
  };

  template <class Estimate>
  const std::vector<double>& find(bool recursive, std::span<const double> q, Estimate&& estimate) {
    for (const entry& e : known_) {
      if (e.recursive == recursive && e.draft == q.data()) return e.rates;
    }
    const std::size_t most = (std::min)(max_drafts_, gavel::speculative::max_drafts(draft_law::without_replacement, q));
    known_.push_back({recursive, q.data(), std::vector<double>(most)});
    estimate(known_.back().rates);
    return known_.back().rates;
  }

  std::size_t max_drafts_;
  gavel::philox4x32 rng_;
  distinct_draft_rates solver_;
  std::vector<entry> known_;
};

/// What one draft law gains over another when both are verified in the best way, over the positions that allow both.
struct law_difference {
  const char* better;
  draft_law law;
  const char* than;
  draft_law other;
  std::size_t n;
  std::size_t positions = 0;
  std::size_t above = 0;  ///< positions with a difference > 0
  double sum = 0.0;
  double least = std::numeric_limits<double>::infinity();

  void add(std::span<const double> p, std::span<const double> q, optimum_memory& memory) {
    if ((std::min)(gavel::speculative::max_drafts(law, q), gavel::speculative::max_drafts(other, q)) < n) return;
    const double difference = memory(law, p, q, n) - memory(other, p, q, n);
    ++positions;
    above += difference > rounding ? 1 : 0;
    sum += difference;
    least = (std::min)(least, difference);
  }
  [[nodiscard]] double mean() const { return sum / static_cast<double>(positions); }

 private:
  static constexpr double rounding = 1e-12;  // of an optimum
};

}  // namespace examples
