// SPDX-License-Identifier: MIT
#include <gavel/core/numerics.hpp>

#include "support/catch.hpp"
#include "support/numbers.hpp"

#include <Eigen/Core>  // first: AutoDiff does not include it
#include <unsupported/Eigen/AutoDiff>

#include <cmath>
#include <limits>
#include <vector>

namespace numerics_test {

using gavel::testing::not_a_number;
using gavel::testing::ulps;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double log_2 = 0.69314718055994530942;
using dual = Eigen::AutoDiffScalar<Eigen::Vector2d>;

dual variable(double value, int index) { return {value, 2, index}; }
Approx close(double value, double relative = 4e-16) { return Approx(value).epsilon(relative).margin(0.0); }

}  // namespace

TEST_CASE("softplus, sigmoid and their logarithms", "[core][numerics]") {
  CHECK(gavel::softplus(0.0) == close(log_2));
  CHECK(gavel::softplus(1000.0) == 1000.0);
  CHECK(gavel::softplus(-700.0) == close(std::exp(-700.0)));
  CHECK(gavel::softplus(-inf) == 0.0);
  CHECK(gavel::softplus(inf) == inf);
  CHECK(gavel::log_sigmoid(-1000.0) == -1000.0);
  CHECK(gavel::log_sigmoid(50.0) == close(-std::exp(-50.0)));
  CHECK(gavel::sigmoid(0.0) == 0.5);
  CHECK(gavel::sigmoid(-700.0) == close(std::exp(-700.0)));
  CHECK(gavel::sigmoid(-inf) == 0.0);
  CHECK(gavel::sigmoid(inf) == 1.0);
  CHECK(gavel::sigmoid_slope(0.0) == 0.25);
  CHECK(gavel::sigmoid_slope(40.0) == close(std::exp(-40.0)));  // 1 - s would be 0
  CHECK(gavel::sigmoid_slope(-40.0) == gavel::sigmoid_slope(40.0));
  for (double x = -30.0; x <= 30.0; x += 0.37) {
    CHECK(gavel::sigmoid(x) == close(1.0 / (1.0 + std::exp(-x)), 1e-15));
    CHECK(gavel::softplus(x) - gavel::softplus(-x) == Approx(x).epsilon(1e-15).margin(1e-15));
    CHECK(gavel::log_sigmoid(x) == close(std::log(gavel::sigmoid(x)), 1e-14 + 3e-16 * std::exp(x)));
    CHECK(gavel::sigmoid_slope(x) == close(gavel::sigmoid(x) * gavel::sigmoid(-x), 1e-15));
  }
  CHECK(std::isnan(gavel::softplus(not_a_number)));
  CHECK(gavel::softplus(2.0f) == static_cast<float>(gavel::softplus(2.0)));
}

TEST_CASE("log1m_exp, log_add_exp, log_sub_exp", "[core][numerics]") {
  CHECK(gavel::log1m_exp(-1e-20) == close(std::log(1e-20)));
  CHECK(gavel::log1m_exp(-50.0) == close(-std::exp(-50.0)));
  CHECK(gavel::log1m_exp(-log_2) == close(-log_2));
  CHECK(gavel::log1m_exp(0.0) == -inf);
  CHECK(gavel::log1m_exp(-inf) == 0.0);
  CHECK(std::isnan(gavel::log1m_exp(0.5)));

  CHECK(gavel::log_add_exp(1000.0, 1000.0) == close(1000.0 + log_2));
  CHECK(gavel::log_add_exp(0.0, -40.0) == close(std::exp(-40.0)));
  CHECK(gavel::log_add_exp(3.0, -2.0) == gavel::log_add_exp(-2.0, 3.0));
  CHECK(gavel::log_add_exp(std::log(2.0), std::log(3.0)) == close(std::log(5.0)));
  CHECK(gavel::log_add_exp(-inf, -3.0) == -3.0);
  CHECK(gavel::log_add_exp(-inf, -inf) == -inf);
  CHECK(gavel::log_add_exp(inf, inf) == inf);
  CHECK(gavel::log_add_exp(inf, -inf) == inf);
  CHECK(std::isnan(gavel::log_add_exp(1.0, not_a_number)));
  CHECK(std::isnan(gavel::log_add_exp(not_a_number, 1.0)));

  CHECK(gavel::log_sub_exp(std::log(5.0), std::log(3.0)) == close(log_2, 1e-15));
  CHECK(gavel::log_sub_exp(2.0, 2.0) == -inf);
  CHECK(gavel::log_sub_exp(-inf, -inf) == -inf);
  CHECK(gavel::log_sub_exp(1.0, -inf) == 1.0);
  CHECK(std::isnan(gavel::log_sub_exp(1.0, 2.0)));
  CHECK(std::isnan(gavel::log_sub_exp(inf, inf)));
}

TEST_CASE("xlogy", "[core][numerics]") {
  CHECK(gavel::xlogy(0.0, 0.0) == 0.0);
  CHECK(gavel::xlogy(0.0, inf) == 0.0);
  CHECK(gavel::xlogy(2.0, 3.0) == close(2.0 * std::log(3.0)));
  CHECK(gavel::xlogy(1.0, 0.0) == -inf);
  CHECK(std::isnan(gavel::xlogy(0.0, not_a_number)));
}

TEST_CASE("numerics: automatic differentiation agrees with the analytic slopes", "[core][numerics]") {
  for (const double x : {-745.0, -300.0, -30.0, -8.0, -1.0, -1e-4, -1e-9, 0.0, 1e-9, 0.5, 6.9, 7.0, 20.0, 300.0}) {
    INFO("x " << x);
    const dual v = variable(x, 0);
    const dual soft = gavel::softplus(v);
    CHECK(soft.value() == close(gavel::softplus(x), 2e-13));
    CHECK(soft.derivatives()(0) == close(gavel::sigmoid(x), 1e-15));
    const dual log_sig = gavel::log_sigmoid(v);
    CHECK(log_sig.value() == close(gavel::log_sigmoid(x), 2e-13));
    CHECK(log_sig.derivatives()(0) == close(gavel::sigmoid(-x), 1e-15));
    const dual sig = gavel::sigmoid(v);
    CHECK(sig.value() == gavel::sigmoid(x));
    CHECK(sig.derivatives()(0) == Approx(gavel::sigmoid_slope(x)).epsilon(1e-14).margin(1e-15));
    const dual slope = gavel::sigmoid_slope(v);
    CHECK(slope.value() == gavel::sigmoid_slope(x));
    CHECK(slope.derivatives()(0) == Approx(gavel::sigmoid_slope(x) * (1.0 - 2.0 * gavel::sigmoid(x))).epsilon(1e-13).margin(1e-16));
    if (x < 0.0) {
      const dual complement = gavel::log1m_exp(v);
      CHECK(complement.value() == close(gavel::log1m_exp(x), 1e-15));
      CHECK(complement.derivatives()(0) == Approx(-1.0 / std::expm1(-x)).epsilon(1e-12).margin(1e-320));
    }
    for (const double y : {x, x + 1e-6, x - 3.0, x + 50.0}) {
      const dual both = gavel::log_add_exp(v, variable(y, 1));
      CHECK(both.value() == Approx(gavel::log_add_exp(x, y)).epsilon(2e-13).margin(1e-16));
      CHECK(both.derivatives()(0) == close(gavel::sigmoid(x - y), 1e-13));
      CHECK(both.derivatives()(1) == Approx(gavel::sigmoid(y - x)).epsilon(1e-13).margin(1e-16));
    }
  }
  const dual product = gavel::xlogy(variable(2.0, 0), variable(3.0, 1));
  CHECK(product.derivatives()(0) == close(std::log(3.0)));
  CHECK(product.derivatives()(1) == close(2.0 / 3.0));
  const dual difference = gavel::log_sub_exp(variable(2.0, 0), variable(1.0, 1));
  CHECK(difference.derivatives()(0) == close(1.0 / (1.0 - std::exp(-1.0)), 1e-14));
  CHECK(difference.derivatives()(1) == close(-1.0 / (std::exp(1.0) - 1.0), 1e-14));
}

TEST_CASE("integer_power", "[core][numerics]") {
  CHECK(gavel::integer_power(0.0, 0) == 1.0);
  CHECK(gavel::integer_power(0.0, 5) == 0.0);
  CHECK(gavel::integer_power(-3.0, 5) == -243.0);
  CHECK(gavel::integer_power(2.0, 1023) == 0x1p1023);
  CHECK(gavel::integer_power(0.5, 1075) == 0.0);
  for (const std::size_t n : {1u, 2u, 3u, 7u, 12u, 31u, 64u, 1000u}) {
    CHECK(gavel::integer_power(0.99, n) == close(std::pow(0.99, static_cast<double>(n)), 1e-13));
  }
  STATIC_REQUIRE(gavel::integer_power(3.0, 4) == 81.0);
}

TEST_CASE("compensated_sum", "[core][numerics]") {
  CHECK(gavel::accurate_sum(std::vector{1.0, 1e100, 1.0, -1e100}) == 2.0);
  CHECK(gavel::accurate_sum(std::vector<float>{}) == 0.0);
  gavel::compensated_sum sum, left, right;
  double plain = 0.0;
  for (int i = 1; i <= 1000000; ++i) {
    sum += 0.1;
    plain += 0.1;
    (i % 3 == 0 ? left : right) += 0.1;
  }
  const double exact = 100000.00000000000555;  // a million times the double nearest to 0.1
  CHECK(ulps(sum.value(), exact) <= 1);
  CHECK(ulps(plain, exact) > 100);
  left += right;
  CHECK(ulps(left.value(), exact) <= 1);
  gavel::compensated_sum large;
  large += inf;
  large += 1.0;
  CHECK(large.value() == inf);
  large += -inf;
  CHECK(std::isnan(large.value()));
}

}  // namespace numerics_test
