// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/config.hpp>

#include <cstddef>

/// @file
/// How close the fit of an optimal verifier came to the best acceptance rate. Exactness never depends on it.
/// @par Source
/// This library's; the optimum is that of Hu et al., 2025, arXiv 2502.18779.

namespace gavel::speculative {

/// How a fit ended.
enum class verifier_fit_status {
  converged,       ///< the gap to the optimum is within the tolerance
  above_tolerance  ///< it is not, for too few iterations or groups or by rounding: acceptance is lost, exactness is not
};

/// Result of fitting an optimal verifier.
struct verifier_fit_result {
  double acceptance_rate = 0.0;  ///< of the weights found, exact
  double optimum = 0.0;          ///< the highest rate of any verifier for this draft law
  double gap = 0.0;              ///< optimum - acceptance_rate, 0 where rounding makes it negative
  std::size_t iterations = 0;    ///< evaluations of the marginals of one side of the minimizing set, both sides together
  std::size_t groups = 0;        ///< distinct weights
  verifier_fit_status status = verifier_fit_status::converged;
};

namespace detail {

[[nodiscard]] constexpr verifier_fit_result make_verifier_fit_result(double rate, double optimum, double tolerance, std::size_t iterations,
                                                                     std::size_t groups) noexcept {
  const double gap = optimum > rate ? optimum - rate : 0.0;
  const auto status = gap > tolerance ? verifier_fit_status::above_tolerance : verifier_fit_status::converged;
  return {rate, optimum, gap, iterations, groups, status};
}

}  // namespace detail
}  // namespace gavel::speculative
