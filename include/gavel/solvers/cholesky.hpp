// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/config.hpp>

#include <cmath>
#include <cstddef>
#include <span>

/// @file
/// Small dense systems with a symmetric positive definite matrix: the factor A = L L' in place, and the solution of A x = b.
///
/// A matrix is its lower triangle, rows `stride` apart: element (i, j), j <= i, stands at `matrix[i * stride + j]`; what lies above the
/// diagonal is neither read nor written. Sizes are the caller's: nothing is checked, nothing allocated.
/// @par Source
/// Golub, Van Loan, "Matrix Computations", 4th edition, algorithms 4.2.1, 3.1.1 and 3.1.3.

namespace gavel {

/// Replaces the lower triangle of A by that of L.
/// @param matrix      `[size * stride]`
/// @param least_pivot a pivot at or below it counts as not positive; 0, or a little more where rounding may make A singular
/// @return false where A is not positive definite: rows before the bad pivot then hold L, the others a mixture
/// @note size^3 / 6 multiply-adds, in a fixed order.
[[nodiscard]] inline bool cholesky_factor(std::span<double> matrix, std::size_t stride, std::size_t size,
                                          double least_pivot = 0.0) noexcept {
  for (std::size_t i = 0; i < size; ++i) {
    double* const row_i = matrix.data() + i * stride;
    for (std::size_t j = 0; j <= i; ++j) {
      const double* const row_j = matrix.data() + j * stride;
      double sum = row_i[j];
      for (std::size_t m = 0; m < j; ++m) sum -= row_i[m] * row_j[m];
      if (i != j) {
        row_i[j] = sum / row_j[j];
      } else {
        if (!(sum > least_pivot)) return false;
        row_i[i] = std::sqrt(sum);
      }
    }
  }
  return true;
}

/// Replaces b by the solution y of L y = b. |y|^2 is b' A^-1 b.
/// @param factor from `cholesky_factor`
/// @param b      `[size]`
inline void cholesky_forward(std::span<const double> factor, std::size_t stride, std::span<double> b) noexcept {
  for (std::size_t i = 0; i < b.size(); ++i) {
    for (std::size_t m = 0; m < i; ++m) b[i] -= factor[i * stride + m] * b[m];
    b[i] /= factor[i * stride + i];
  }
}

/// Replaces y by the solution x of L' x = y.
/// @param factor from `cholesky_factor`
/// @param y      `[size]`
inline void cholesky_backward(std::span<const double> factor, std::size_t stride, std::span<double> y) noexcept {
  for (std::size_t i = y.size(); i-- > 0;) {
    y[i] /= factor[i * stride + i];
    for (std::size_t m = 0; m < i; ++m) y[m] -= factor[i * stride + m] * y[i];
  }
}

/// Replaces b by the solution x of A x = b, and the lower triangle of A by its factor.
/// @param matrix `[b.size() * stride]`
/// @return false where A is not positive definite: b is then untouched
[[nodiscard]] inline bool cholesky_solve(std::span<double> matrix, std::size_t stride, std::span<double> b) noexcept {
  if (!cholesky_factor(matrix, stride, b.size())) return false;
  cholesky_forward(matrix, stride, b);
  cholesky_backward(matrix, stride, b);
  return true;
}

}  // namespace gavel
