// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/uniform.hpp>
#include <gavel/kernels/residual.hpp>
#include <gavel/kernels/sample.hpp>
#include <gavel/speculative/verifier.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

/// @file
/// Acceptance rates of the verifiers that have no closed form for drafts without replacement, from few samples.

namespace examples {

/// Rates for n = 1, 2, ... drafts at once. Counting accepted drafts, or averaging their acceptance probabilities, leaves the noise of every
/// single draw. Here only the drafts that come before the last one are drawn and each test is averaged over its own draft, so that n = 1 is
/// exact and what n > 1 leaves to chance is how much draft mass the earlier drafts took away.
class distinct_draft_rates {
 public:
  /// Recursive rejection. Let Z_i = sum (p - c_i q)+ with the scalars c_i of `recursive_rejection`, which depend only on the masses of the
  /// rejected drafts. Given those, test i accepts, averaged over its draft x, with probability
  ///
  ///     sum_x min(q_x / m_i, (p - c_i q)+_x / Z_i) = (Z_i - Z_{i+1}) / Z_i.
  ///
  /// All n tests fail with the product of what is left, Z_{n+1}, averaged over rejected drafts x_1 ... x_{n-1} drawn as they are rejected:
  /// x_i in proportion to (q_x - (p - c_i q)+_x m_i / Z_i)+.
  /// @param p,q    [V] target and draft distribution
  /// @param paths  sequences of rejected drafts; their first ones are drawn one from each of as many equal strata
  /// @param rates  [N] receives the rate for n = 1 ... N; N at most the number of tokens with q > 0
  template <class G>
  void recursive_rejection(std::span<const double> p, std::span<const double> q, std::size_t paths, G& rng, std::span<double> rates) {
    average(q, paths, rng, rates, [&, scale = 0.0, mass = 1.0](std::size_t i, double left) mutable {
      if (i == 0) {
        scale = 0.0;
        mass = 1.0;
      }
      const double accepted_share = left / mass;
      weights_.resize(q.size());
      for (std::size_t x = 0; x < q.size(); ++x) {
        const double target = p[x] - scale * q[x];
        const double rejected = left_[x] - (target > 0.0 ? target * accepted_share : 0.0);
        weights_[x] = rejected > 0.0 ? rejected : 0.0;
      }
      scale += mass / left;
      const double accepted = mass;
      mass = gavel::kernels::residual_sum(p.data(), q.data(), p.size(), scale);
      return accepted - mass;
    });
  }

  /// Target only. Let l_i be the target mass outside the first i - 1 drafts, l_1 = 1. Test i accepts its draft x with probability p_x / l_i:
  /// averaged over x, a_i = sum_x q_x p_x / (m_i l_i) over the tokens not drafted before, and x_i is drawn in proportion to
  /// q_x (l_i - p_x). All n tests fail with the mean of prod (1 - a_i). Parameters as above.
  template <class G>
  void target_only(std::span<const double> p, std::span<const double> q, std::size_t paths, G& rng, std::span<double> rates) {
    average(q, paths, rng, rates, [&, fails = 1.0](std::size_t i, double left) mutable {
      if (i == 0) fails = 1.0;
      double outside = 1.0;
      for (const std::size_t x : drafted_) outside -= p[x];
      double both = 0.0;
      for (std::size_t x = 0; x < p.size(); ++x) both += p[x] * left_[x];
      weights_.resize(q.size());
      for (std::size_t x = 0; x < q.size(); ++x) {
        const double others = outside - p[x];
        weights_[x] = others > 0.0 ? left_[x] * others : 0.0;
      }
      const double accepted = outside > 0.0 ? fails * (std::min)(1.0, both / (left * outside)) : 0.0;
      fails -= accepted;
      return accepted;
    });
  }

 private:
  // step(i, m) tells by how much draft i + 1 raises the rate, and leaves in weights_ the distribution of that draft, for the path to go on.
  template <class G, class Step>
  void average(std::span<const double> q, std::size_t paths, G& rng, std::span<double> rates, Step&& step) {
    for (double& rate : rates) rate = 0.0;
    for (std::size_t path = 0; path < paths; ++path) {
      left_.assign(q.begin(), q.end());
      drafted_.clear();
      double rate = 0.0;
      bool goes_on = true;
      for (std::size_t i = 0; i < rates.size(); ++i) {
        if (goes_on) {
          double mass = 0.0;
          for (const double x : left_) mass += x;
          rate += step(i, mass);
          if (i + 1 == rates.size()) goes_on = false;
        }
        if (goes_on) {
          const double u = gavel::uniform(rng);
          const double stratum = (std::min)((static_cast<double>(path) + u) / static_cast<double>(paths), below_one);
          const std::size_t x = gavel::kernels::sample(weights_.data(), weights_.size(), i == 0 ? stratum : u);
          goes_on = x < left_.size();  // else no draft can be rejected any more
          if (goes_on) {
            left_[x] = 0.0;
            drafted_.push_back(x);
          }
        }
        rates[i] += rate / static_cast<double>(paths);
      }
    }
  }

  static constexpr double below_one = 1.0 - 0x1p-53;

  std::vector<double> left_;          // q without the drafts of the path
  std::vector<double> weights_;       // distribution of the next draft of the path
  std::vector<std::size_t> drafted_;  // drafts of the path
};

}  // namespace examples
