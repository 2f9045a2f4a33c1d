// SPDX-License-Identifier: MIT
// fails-with: a one-dimensional view needs unit stride
// Every second element of a buffer, which Eigen allows, is no contiguous sequence.
#include <gavel/core/views.hpp>

#include <Eigen/Core>

int main() {
  double values[8] = {};
#ifdef GAVEL_MUST_FAIL
  const Eigen::Map<Eigen::VectorXd, 0, Eigen::InnerStride<2>> map(values, 4);
#else
  const Eigen::Map<Eigen::VectorXd> map(values, 4);
#endif
  return gavel::as_span(map).size() == 4 ? 0 : 1;
}
