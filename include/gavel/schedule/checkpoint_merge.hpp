// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/simplex.hpp>
#include <gavel/core/views.hpp>
#include <gavel/schedule/profile.hpp>

#include <cstddef>
#include <span>

/// @file
/// A decay without a decay phase: train on at a constant rate, keep checkpoints theta_0, ..., theta_k, and average them. With weights c >= 0 that
/// sum to 1,
///
///     sum_j c_j theta_j = theta_0 + sum_{j=1}^k w_j (theta_j - theta_{j-1}),   w_j = sum_{i >= j} c_i,
///
/// whatever the optimiser: what was learned between checkpoints j - 1 and j counts w_j times, as if the rate had been scaled by w_j there. That is
/// a decay, since w falls from at most 1, and every decay can be had so: c_0 = 1 - w_1, c_j = w_j - w_{j+1}, c_k = w_k. The two runs are the same as
/// far as the updates of the decayed one would have been those of the constant one. The shape of the decay is chosen after training, and
/// training goes on from theta_k as if nothing had happened.
///
///     std::vector<double> weights(checkpoints.size());
///     merge_weights(one_minus_sqrt{}, weights);  // then merged[i] = sum_j weights[j] checkpoints[j][i]
///
/// @par Source
/// Tian, Wang, Zhao, Chen, Liu, Liu, Mao, Zhao, Zhang, Zhou, "WSM: Decay-Free Learning Rate Schedule via Checkpoint Merging for LLM
/// Pre-training", 2025, arXiv 2507.17634, theorem 3.1.

namespace gavel::schedule {

namespace detail {

/// Shares w_j in [0, 1] that do not rise, read twice: once to check, once to write c.
template <class Share>
constexpr void write_merge_weights(const char* function, const char* parameter, const Share& share, std::span<double> weights) {
  const std::size_t k = weights.size() - 1;
  double before = 1.0;
  for (std::size_t j = 1; j <= k; ++j) {
    const double now = share(j);
    check_unit_interval(function, parameter, now, unit_ends::closed, j - 1);
    check_at_most(function, parameter, now, "the one before,", before, j - 1);
    before = now;
  }
  before = 1.0;
  for (std::size_t j = 0; j < k; ++j) {
    const double next = share(j + 1);
    weights[j] = before - next;
    before = next;
  }
  weights[k] = before;
}

}  // namespace detail

/// The weights that make the average of checkpoints a decay of a given shape: c_j is the fall of P over the j-th of k + 1 equal parts of [0, 1],
/// so that w_j = P(j / (k + 1)); what P has left at 1 goes to the last checkpoint. `linear` gives the plain average.
/// @param shape   P, a profile that falls from 1 without rising, read at j / (k + 1), j = 1..k
/// @param weights `[k + 1]` receives c_0..c_k, oldest checkpoint first, k >= 0
/// @throws std::invalid_argument if @p weights is empty or the shape leaves [0, 1] or rises; std::domain_error if it is NaN; nothing is written then
/// @note O(k), the shape is read twice; no allocation.
template <profile P>
constexpr void merge_weights(const P& shape, std::span<double> weights) {
  constexpr const char* function = "gavel::schedule::merge_weights";
  check_at_least(function, "weights.size()", weights.size(), 1);
  const auto parts = static_cast<double>(weights.size());
  const auto share = [&](std::size_t j) { return static_cast<double>(shape(static_cast<double>(j) / parts)); };
  detail::write_merge_weights(function, "shape", share, weights);
}

/// The same for a decay that is given: the rates of a decay phase, one for the updates between two checkpoints, divided by the constant rate.
/// @param decay   `[k]` w_1..w_k in [0, 1], not rising
/// @param weights `[k + 1]` receives c_0..c_k
/// @throws std::invalid_argument if a size or a share is out of range or the shares rise, std::domain_error for NaN; nothing is written then
constexpr void merge_weights(vector_view<const double> decay, std::span<double> weights) {
  constexpr const char* function = "gavel::schedule::merge_weights";
  check_size(function, "weights.size()", weights.size(), "decay.size() + 1 =", decay.size() + 1);
  detail::write_merge_weights(function, "decay", [&](std::size_t j) { return decay[j - 1]; }, weights);
}

/// Which decay an average of checkpoints stands for: w_j = c_j + ... + c_k, the share of the constant rate between checkpoints j - 1 and j.
/// @param weights `[k + 1]` c_0..c_k >= 0 with sum 1, oldest checkpoint first
/// @param decay   `[k]` receives w_1..w_k in [0, 1], which do not rise
/// @throws std::invalid_argument if @p decay has another size; std::domain_error if @p weights is no distribution; nothing is written then
/// @note O(k); no allocation.
inline void merge_decay(vector_view<const double> weights, std::span<double> decay) {
  constexpr const char* function = "gavel::schedule::merge_decay";
  check_distribution(function, "weights", weights);
  check_size(function, "decay.size()", decay.size(), "weights.size() - 1 =", weights.size() - 1);
  double sum = 0.0;
  for (std::size_t j = weights.size(); j-- > 1;) {
    sum += weights[j];
    decay[j - 1] = sum < 1.0 ? sum : 1.0;  // weights may miss their sum by rounding
  }
}

}  // namespace gavel::schedule
