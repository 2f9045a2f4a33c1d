// SPDX-License-Identifier: MIT
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

/// @file
/// Small dense systems of the optimal verifiers.

namespace gavel::speculative::detail {

/// Solves A x = b in place for a symmetric positive definite A given by its lower triangle, rows `stride` apart, which its Cholesky factor
/// replaces.
/// @return false where rounding makes A indefinite: b is then untouched
inline bool solve_cholesky(std::span<double> matrix, std::size_t stride, std::span<double> b) {
  const std::size_t size = b.size();
  for (std::size_t i = 0; i < size; ++i) {
    double* const row_i = matrix.data() + i * stride;
    for (std::size_t j = 0; j <= i; ++j) {
      const double* const row_j = matrix.data() + j * stride;
      double sum = row_i[j];
      for (std::size_t m = 0; m < j; ++m) sum -= row_i[m] * row_j[m];
      if (i != j) {
        row_i[j] = sum / row_j[j];
      } else {
        if (!(sum > 0.0)) return false;
        row_i[i] = std::sqrt(sum);
      }
    }
  }
  for (std::size_t i = 0; i < size; ++i) {
    for (std::size_t m = 0; m < i; ++m) b[i] -= matrix[i * stride + m] * b[m];
    b[i] /= matrix[i * stride + i];
  }
  for (std::size_t i = size; i-- > 0;) {
    b[i] /= matrix[i * stride + i];
    for (std::size_t m = 0; m < i; ++m) b[m] -= matrix[i * stride + m] * b[i];
  }
  return true;
}

}  // namespace gavel::speculative::detail
