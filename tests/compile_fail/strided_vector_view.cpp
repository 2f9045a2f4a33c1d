// SPDX-License-Identifier: MIT
// fails-with: vector_view
// A parameter of type vector_view takes a row of a row-major matrix and refuses one of a column-major matrix.
#include <gavel/core/views.hpp>

#include <Eigen/Core>

static std::size_t length(gavel::vector_view<const double> values) { return values.size(); }

int main() {
#ifdef GAVEL_MUST_FAIL
  const Eigen::MatrixXd matrix = Eigen::MatrixXd::Zero(3, 4);
#else
  const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> matrix = Eigen::MatrixXd::Zero(3, 4);
#endif
  return length(matrix.row(0)) == 4 ? 0 : 1;
}
