// SPDX-License-Identifier: MIT
#include <gavel/core/special_functions.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <cmath>
#include <limits>

namespace special_functions_test {

using gavel::testing::message_of;
using gavel::testing::not_a_number;
namespace {
constexpr double inf = std::numeric_limits<double>::infinity();
Approx close(double value, double relative = 1e-13) { return Approx(value).epsilon(relative).margin(0.0); }
}  // namespace

TEST_CASE("normal_cdf and normal_quantile", "[core][special_functions]") {
  CHECK(gavel::normal_cdf(0.0) == 0.5);
  CHECK(gavel::normal_cdf(-inf) == 0.0);
  CHECK(gavel::normal_cdf(inf) == 1.0);
  CHECK(gavel::normal_quantile(0.5) == 0.0);
  CHECK(gavel::normal_quantile(0.975) == close(1.959963984540054));
  CHECK(gavel::normal_quantile(0.995) == close(2.575829303548901));
  CHECK(gavel::normal_quantile(1e-10) == close(-6.361340902404056));
  CHECK(gavel::normal_quantile(0.0) == -inf);
  CHECK(gavel::normal_quantile(1.0) == inf);
  for (double p = 1e-300; p < 0.5; p *= 1.7) {
    const double x = gavel::normal_quantile(p);
    // the relative slope of the distribution function at x is about |x|
    CHECK(gavel::normal_cdf(x) == close(p, 1e-15 * (10.0 + x * x)));
    if (p > 1e-4) CHECK(gavel::normal_quantile(1.0 - p) == close(-x, 1e-11));
  }
  // no step where one rational approximation hands over to the next
  for (const double seam : {0.075, 0.925, std::exp(-25.0)}) {
    const double below = gavel::normal_quantile(seam * (1.0 - 1e-12));
    const double above = gavel::normal_quantile(seam * (1.0 + 1e-12));
    CHECK(below < above);
    CHECK(above - below < 1e-10);
  }
  CHECK(message_of([&] { (void)gavel::normal_quantile(-0.5); }) == "gavel::normal_quantile: p = -0.5, must be in [0, 1]");
  CHECK(message_of([&] { (void)gavel::normal_quantile(not_a_number); }) == "domain: gavel::normal_quantile: p = nan, must be in [0, 1]");
}

TEST_CASE("log_gamma", "[core][special_functions]") {
  double log_factorial = 0.0;
  for (int n = 1; n < 170; ++n) {
    CHECK(gavel::log_gamma(n) == Approx(log_factorial).epsilon(1e-14).margin(1e-14));
    log_factorial += std::log(n);
  }
  CHECK(gavel::log_gamma(0.5) == close(0.57236494292470008707));  // log sqrt(pi)
  CHECK(gavel::log_gamma(1e-300) == close(690.77552789821370520));
  CHECK(gavel::log_gamma(1e10) == close(220258509288.81140));
  CHECK(message_of([&] { (void)gavel::log_gamma(0.0); }) == "gavel::log_gamma: x = 0, must be finite and > 0");
  CHECK(message_of([&] { (void)gavel::log_gamma(-1.5); }) == "gavel::log_gamma: x = -1.5, must be finite and > 0");
  CHECK(message_of([&] { (void)gavel::log_gamma(inf); }) == "gavel::log_gamma: x = inf, must be finite and > 0");
  CHECK(message_of([&] { (void)gavel::log_gamma(not_a_number); }) == "domain: gavel::log_gamma: x = nan, must be finite and > 0");
}

TEST_CASE("regularized incomplete gamma: closed forms", "[core][special_functions]") {
  using gavel::regularized_gamma_p;
  using gavel::regularized_gamma_q;
  for (double x = 1e-3; x < 500.0; x *= 1.37) {
    INFO("x " << x);
    CHECK(regularized_gamma_q(1.0, x) == close(std::exp(-x), 1e-12));
    CHECK(regularized_gamma_q(0.5, x) == close(std::erfc(std::sqrt(x)), 1e-12));
    CHECK(regularized_gamma_p(0.5, x) == close(std::erf(std::sqrt(x)), 1e-12));
    // whole shapes: a sum of Poisson probabilities
    double term = std::exp(-x);
    double sum = 0.0;
    for (int a = 1; a < 40; ++a) {
      sum += term;
      term *= x / a;
      CHECK(regularized_gamma_q(a, x) == close(sum, 1e-12));
    }
  }
}

TEST_CASE("regularized incomplete gamma: recurrence, complement, large shapes, edges", "[core][special_functions]") {
  using gavel::regularized_gamma_p;
  using gavel::regularized_gamma_q;
  for (const double a : {0.01, 0.3, 2.7, 9.5, 10.5, 55.5, 1234.5, 1e5, 1e7}) {
    for (const double z : {-5.0, -2.0, -0.1, 0.0, 0.1, 2.0, 5.0}) {
      const double x = a + z * std::sqrt(a);
      if (x <= 0.0) continue;
      INFO("a " << a << ", x " << x);
      const double density = std::exp(-x + a * std::log(x) - gavel::log_gamma(a + 1.0));
      CHECK(regularized_gamma_q(a + 1.0, x) - regularized_gamma_q(a, x) == Approx(density).epsilon(1e-7).margin(1e-13));
      CHECK(regularized_gamma_p(a, x) + regularized_gamma_q(a, x) == close(1.0));
      if (a > 1e4) CHECK(regularized_gamma_p(a, x) == Approx(gavel::normal_cdf(z)).margin(0.01));
    }
  }
  CHECK(regularized_gamma_p(2.0, 0.0) == 0.0);
  CHECK(regularized_gamma_q(2.0, 0.0) == 1.0);
  CHECK(regularized_gamma_p(2.0, inf) == 1.0);
  CHECK(regularized_gamma_q(2.0, inf) == 0.0);
  CHECK(message_of([&] { (void)regularized_gamma_p(0.0, 1.0); }) == "gavel::regularized_gamma_p: a = 0, must be finite and > 0");
  CHECK(message_of([&] { (void)regularized_gamma_q(1.0, -1.0); }) == "gavel::regularized_gamma_q: x = -1, must be >= 0");
  CHECK(message_of([&] { (void)regularized_gamma_q(1.0, not_a_number); }) == "domain: gavel::regularized_gamma_q: x = nan, must be >= 0");
}

}  // namespace special_functions_test
