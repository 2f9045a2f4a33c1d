// SPDX-License-Identifier: MIT
// fails-with: a one-dimensional view needs unit stride
// A row of a column-major matrix has gaps; a column has none.
#include <gavel/core/views.hpp>

#include <Eigen/Core>

int main() {
  const Eigen::MatrixXd matrix = Eigen::MatrixXd::Zero(3, 4);
#ifdef GAVEL_MUST_FAIL
  const auto view = gavel::as_span(matrix.row(1));
#else
  const auto view = gavel::as_span(matrix.col(1));
#endif
  return view.empty() ? 1 : 0;
}
