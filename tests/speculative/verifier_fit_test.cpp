// SPDX-License-Identifier: MIT
#include <gavel/speculative/verifier_fit.hpp>

#include "support/catch.hpp"

namespace verifier_fit_test {

using namespace gavel::speculative;

TEST_CASE("a fit has converged if its gap is within the tolerance, the bound included", "[speculative][verifier_fit]") {
  const auto fit = [](double rate, double tolerance) { return detail::make_verifier_fit_result(rate, 0.75, tolerance, 3, 7); };
  CHECK(fit(0.5, 0.25).status == verifier_fit_status::converged);
  CHECK(fit(0.5, 0.2499).status == verifier_fit_status::above_tolerance);
  CHECK(fit(0.5, 0.25).gap == 0.25);
  CHECK(fit(0.75, 1e-300).gap == 0.0);
  CHECK(fit(0.75 + 1e-16, 1e-300).gap == 0.0);  // rounding makes no negative gap
  const verifier_fit_result all = fit(0.5, 1.0);
  CHECK((all.acceptance_rate == 0.5 && all.optimum == 0.75 && all.iterations == 3 && all.groups == 7));
  CHECK(verifier_fit_result{}.status == verifier_fit_status::converged);
}

}  // namespace verifier_fit_test
