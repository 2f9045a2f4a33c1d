// SPDX-License-Identifier: MIT
// fails-with: An Eigen expression must be evaluated first (call .eval())
#include <gavel/core/views.hpp>

#include <Eigen/Core>

int main() {
  const Eigen::VectorXd a = Eigen::VectorXd::Zero(3);
#ifdef GAVEL_MUST_FAIL
  return static_cast<int>(gavel::as_span(a + a).size());
#else
  const Eigen::VectorXd sum = (a + a).eval();
  return static_cast<int>(gavel::as_span(sum).size()) - 3;
#endif
}
