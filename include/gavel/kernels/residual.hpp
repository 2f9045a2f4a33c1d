// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/kernels/row.hpp>

#include <cstddef>

/// @file
/// What is left of a target distribution when its drafts were refused: the weights max(p_i - q_scale * q_i, floor * p_i), summed and
/// sampled without writing them. With floor = 0 this is the positive part (p - c q)+.

namespace gavel::kernels {
inline namespace GAVEL_BASE_ISA {

/// The residual as a row (see row.hpp) of two rows: softmax rows of logits, probabilities, or one of each.
/// @param p, q    weights finite and >= 0, both computed in float or both in double
/// @param q_scale >= 0
/// @param floor   in [0, 1]: the share of p that is kept even where the drafts cover it
template <class P, class Q>
  requires requires {
    typename P::compute;
    typename Q::compute;
  }
[[nodiscard]] residual_row<P, Q> make_residual(const P& p, const Q& q, double q_scale = 1.0, double floor = 0.0) {
  using T = typename P::compute;
  return {p, q, static_cast<T>(q_scale), static_cast<T>(floor)};
}

/// sum_i max(p_i - q_scale * q_i, floor * p_i).
/// @param p, q    [n], finite and >= 0
/// @param q_scale >= 0
/// @param floor   in [0, 1]
/// @note One read of both rows, no allocation.
template <stored_scalar P, stored_scalar Q>
[[nodiscard]] double residual_sum(const P* p, const Q* q, std::size_t n, double q_scale = 1.0, double floor = 0.0) {
  return row_sum(make_residual(weights_row<P>{p}, weights_row<Q>{q}, q_scale, floor), n);
}

/// Draws an index with probability proportional to max(p_i - q_scale * q_i, floor * p_i), by inverse CDF in index order.
/// @param p, q, q_scale, floor as for `residual_sum`
/// @param u       one uniform in [0, 1)
/// @return the index, or `not_found` when the residual is zero everywhere (p equals q: a caller that accepts with probability one never
///         comes here)
template <stored_scalar P, stored_scalar Q>
[[nodiscard]] std::size_t residual_sample(const P* p, const Q* q, std::size_t n, double u, double q_scale = 1.0, double floor = 0.0) {
  return row_sample(make_residual(weights_row<P>{p}, weights_row<Q>{q}, q_scale, floor), n, u).index;
}

}  // namespace GAVEL_BASE_ISA
}  // namespace gavel::kernels
