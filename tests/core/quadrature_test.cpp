// SPDX-License-Identifier: MIT
#include <gavel/core/quadrature.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

namespace quadrature_test {

using gavel::testing::message_of;
using gavel::testing::not_a_number;

namespace {}  // namespace

TEST_CASE("Exponentials of very different rates integrate to 1/rate", "[core][quadrature]") {
  const gavel::log_axis_rule rule = gavel::log_axis_rule::up_to(60.0 / 1e-6);
  for (double rate = 1e-6; rate <= 1.0; rate *= 10.0) {
    const double integral = rate * rule.integrate([&](double t) { return std::exp(-rate * t); });
    CHECK(std::abs(integral - 1.0) < 2e-14);
  }
}

TEST_CASE("Gamma functions, the integrals of Poisson counts", "[core][quadrature]") {
  double factorial = 1.0;
  for (int k = 0; k < 16; ++k) {
    if (k > 0) factorial *= k;
    const double step = k < 8 ? 0.2 : 0.15;  // as chosen for up to 8 and up to 16 arrivals
    const double integral = gavel::log_axis_rule::up_to(45.0 + 3.0 * (k + 1), step).integrate([&](double t) {
      return std::pow(t, k) * std::exp(-t) / factorial;
    });
    CHECK(std::abs(integral - 1.0) < 5e-13);
  }
}

TEST_CASE("The error falls with the step", "[core][quadrature]") {
  auto error = [](double step) {
    return std::abs(gavel::log_axis_rule::up_to(80.0, step).integrate([](double t) { return t * t * std::exp(-t); }) - 2.0);
  };
  CHECK(error(1.0) > 1e-6);
  CHECK(error(0.5) < error(1.0));
  CHECK(error(0.2) < 1e-13);
}

TEST_CASE("Nodes are spaced evenly in u and scale with the unit of t", "[core][quadrature]") {
  STATIC_REQUIRE(std::is_trivially_copyable_v<gavel::log_axis_rule>);
  const gavel::log_axis_rule rule(2.0, 0.25);
  REQUIRE(rule.size() == 24);  // -3.6, -3.35, ..., 2.15
  for (std::size_t m = 0; m < rule.size(); ++m) {
    const double u = -3.6 + 0.25 * static_cast<double>(m);
    CHECK(rule[m].t == Approx(std::exp(u - std::exp(-u))).epsilon(1e-14));
    CHECK(rule[m].weight == Approx(0.25 * rule[m].t * (1.0 + std::exp(-u))).epsilon(1e-14));
  }
  CHECK(rule[rule.size() - 1].t >= std::exp(2.0 - std::exp(-2.0)));
  const gavel::log_axis_rule scaled(2.0, 0.25, 1e-3);
  CHECK(scaled.size() == rule.size());
  CHECK(scaled[5].t == Approx(1e-3 * rule[5].t).epsilon(1e-14));
  CHECK(scaled[5].weight == Approx(1e-3 * rule[5].weight).epsilon(1e-14));
  CHECK(gavel::log_axis_rule().size() == 0);
  CHECK(gavel::log_axis_rule().integrate([](double) { return 1.0; }) == 0.0);
}

TEST_CASE("Nodes go into caller memory and nothing beyond is touched", "[core][quadrature]") {
  const gavel::log_axis_rule rule(1.0);
  std::vector<double> t(rule.size() + 2, -7.0), weights(rule.size() + 1, -7.0);
  rule.fill(t, weights);
  for (std::size_t m = 0; m < rule.size(); ++m) {
    CHECK(t[m] == rule[m].t);
    CHECK(weights[m] == rule[m].weight);
  }
  CHECK(t[rule.size()] == -7.0);
  CHECK(weights[rule.size()] == -7.0);
}

TEST_CASE("A rule refuses what it cannot represent", "[core][quadrature]") {
  using gavel::log_axis_rule;
  CHECK(message_of([] { (void)log_axis_rule(not_a_number); }) == "domain: gavel::log_axis_rule: last_u = nan, must be >= -10000");
  CHECK(message_of([] { (void)log_axis_rule(1.1e4); }) == "gavel::log_axis_rule: last_u = 11000, must be <= 10000");
  CHECK(message_of([] { (void)log_axis_rule(1.0, 0.0); }) == "gavel::log_axis_rule: step = 0, must be >= 0.001");
  CHECK(message_of([] { (void)log_axis_rule(1.0, 1.5); }) == "gavel::log_axis_rule: step = 1.5, must be <= 1");
  CHECK(message_of([] { (void)log_axis_rule(1.0, 0.2, 0.0); }) == "gavel::log_axis_rule: scale = 0, must be finite and > 0");
  CHECK(message_of([] { (void)log_axis_rule(1.0, 0.2, 1e301); }) == "gavel::log_axis_rule: scale = 1e+301, must be <= 1e+300");
  // The ends of the ranges are allowed.
  CHECK(log_axis_rule(-1e4).size() == 1);
  CHECK(log_axis_rule(1e4, 1.0).size() == 10005);
  CHECK(log_axis_rule(1.0, 1e-3, 1e300).size() == 4601);
  CHECK(log_axis_rule(1.0).step() == 0.2);
  CHECK(log_axis_rule(1.0).scale() == 1.0);
  CHECK(message_of([] { (void)log_axis_rule::up_to(0.0); }) == "gavel::log_axis_rule::up_to: t_max = 0, must be finite and > 0");
  std::vector<double> small(3), large(100);
  CHECK(message_of([&] { log_axis_rule(1.0).fill(small, large); }) ==
        "gavel::log_axis_rule::fill: t.size() = 3, must be >= number of nodes 24");
  CHECK(message_of([&] { log_axis_rule(1.0).fill(large, small); }) ==
        "gavel::log_axis_rule::fill: weights.size() = 3, must be >= number of nodes 24");
}

}  // namespace quadrature_test
