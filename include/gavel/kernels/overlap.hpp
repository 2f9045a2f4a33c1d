// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/kernels/row.hpp>

#include <cstddef>

/// @file
/// How much two distributions share: sum_i min(p_i, q_i), the acceptance rate of one draft.

namespace gavel::kernels {
inline namespace GAVEL_BASE_ISA {

/// sum_i min(p_i, q_scale * q_i) of two rows (see row.hpp): softmax rows of logits, probabilities, or one of each.
/// @param p, q    weights finite and >= 0, both computed in float or both in double
/// @param n       length of both
/// @param q_scale >= 0
/// @note One read of both rows, no allocation.
template <class P, class Q>
  requires requires {
    typename P::compute;
    typename Q::compute;
  }
[[nodiscard]] double overlap(const P& p, const Q& q, std::size_t n, double q_scale = 1.0) {
  using T = typename P::compute;
  return row_sum(overlap_row<P, Q>{p, q, static_cast<T>(q_scale)}, n);
}

/// sum_i min(p_i, q_scale * q_i) of two arrays. 1 - overlap is the total variation distance when both sum to one.
/// @param p, q    [n], finite and >= 0
/// @param q_scale >= 0
template <stored_scalar P, stored_scalar Q>
[[nodiscard]] double overlap(const P* p, const Q* q, std::size_t n, double q_scale = 1.0) {
  return overlap(weights_row<P>{p}, weights_row<Q>{q}, n, q_scale);
}

}  // namespace GAVEL_BASE_ISA
}  // namespace gavel::kernels
