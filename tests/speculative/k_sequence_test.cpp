// SPDX-License-Identifier: MIT
#include <gavel/speculative/k_sequence.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "speculative/verifier_checks.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace k_sequence_test {

using namespace gavel;
using namespace gavel::speculative;
using namespace gavel::testing;

TEST_CASE("k_sequence emits exactly the target", "[speculative][k_sequence]") { check_exact_law<k_sequence<double>>({1, 2, 3}); }

TEST_CASE("k_sequence: g is the best factor, and no factor below it is valid", "[speculative][k_sequence]") {
  test_engine rng(8);
  k_sequence<double> v;
  for (const std::size_t n : {1u, 2u, 3u, 8u, 16u}) {
    for (int repeat = 0; repeat < 60; ++repeat) {
      const std::vector<double> p = random_row(rng, 30, 0.2), q = random_row(rng, 30, 0.2);
      v.prepare(p, q, n);
      CAPTURE(n, repeat, v.gamma());
      auto pass_rate = [&](double g) {
        double b = 0.0;
        for (std::size_t y = 0; y < p.size(); ++y) b += (std::min)(q[y], p[y] / g);
        return b;
      };
      auto slack = [&](double g) { return g * pass_rate(g) - 1.0 + std::pow(1.0 - pass_rate(g), static_cast<double>(n)); };
      REQUIRE(v.gamma() >= 1.0);
      REQUIRE(v.gamma() <= static_cast<double>(n));
      REQUIRE(slack(v.gamma()) >= -1e-15);
      if (n > 1 && v.gamma() > 1.0) {
        REQUIRE(slack(v.gamma() * (1.0 - 1e-9)) < 0.0);
        double low = 1.0, high = static_cast<double>(n);  // plain bisection
        for (int k = 0; k < 60; ++k) (slack(0.5 * (low + high)) >= 0.0 ? high : low) = 0.5 * (low + high);
        REQUIRE(v.gamma() == Approx(high).epsilon(1e-11));
      }
      REQUIRE(v.acceptance_rate() == Approx(1.0 - std::pow(1.0 - pass_rate(v.gamma()), static_cast<double>(n))).epsilon(1e-12));
      REQUIRE(v.pass_rate() == Approx(pass_rate(v.gamma())).epsilon(1e-14));
    }
  }
}

TEST_CASE("k_sequence: the residual p - c min(q, p / g) is max(p - c q, (1 - c / g) p)", "[speculative][k_sequence]") {
  test_engine rng(9);
  k_sequence<double> v;
  std::vector<double> acceptance(3), residual(8);
  for (int repeat = 0; repeat < 100; ++repeat) {
    const std::vector<double> p = random_row(rng, 8), q = random_row(rng, 8);
    v.prepare(p, q, 3);
    v.conditional_law(std::vector<token_id>{0, 1, 2}, acceptance, residual);
    const double c = v.acceptance_rate() / v.pass_rate();
    std::vector<double> expected(8);
    for (std::size_t y = 0; y < 8; ++y) expected[y] = p[y] - c * (std::min)(q[y], p[y] / v.gamma());
    normalize(expected);
    REQUIRE(largest_difference(residual, expected) <= 1e-12);
  }
}

TEST_CASE("k_sequence loses at most a factor 1 - 1/e against the optimum", "[speculative][k_sequence]") {
  test_engine rng(10);
  k_sequence<double> v;
  for (std::size_t n = 1; n <= 3; ++n) {
    for (int repeat = 0; repeat < 40; ++repeat) {
      const std::vector<double> p = random_row(rng, 6, 0.2), q = random_row(rng, 6, 0.2);
      v.prepare(p, q, n);
      REQUIRE(v.acceptance_rate() >= (1.0 - std::exp(-1.0)) * optimum_by_subsets(draft_law::iid, p, q, n) - 1e-12);
    }
  }
}

TEST_CASE("k_sequence: equal and disjoint rows", "[speculative][k_sequence]") {
  const std::vector<double> a{0.5, 0.5, 0.0}, b{0.0, 0.0, 1.0};
  k_sequence<double> v;
  v.prepare(a, a, 4);
  CHECK(v.gamma() == 1.0);
  CHECK(v.acceptance_rate() == 1.0);
  v.prepare(a, b, 4);
  CHECK(v.acceptance_rate() == 0.0);
  std::vector<double> acceptance(4), residual(3);
  v.conditional_law(std::vector<token_id>{2, 2, 2, 2}, acceptance, residual);
  CHECK(acceptance == std::vector<double>(4, 0.0));
  CHECK(residual == a);
}

TEST_CASE("k_sequence: verify follows its law and the target", "[speculative][k_sequence]") {
  check_frequencies<k_sequence<double>>(3);
  check_outputs_on_large_vocabulary<k_sequence<double>>(3);
  check_draws_and_copies<k_sequence<double>>(2);
}

TEST_CASE("k_sequence refuses bad input", "[speculative][k_sequence]") {
  check_shared_messages<k_sequence<double>>("k_sequence", 2);
  const std::vector<double> row{0.5, 0.5};
  k_sequence<double> v;
  CHECK(message_of([&] { v.prepare(row, row, 0); }) == "gavel::speculative::k_sequence::prepare: n = 0, must be >= 1");
}

}  // namespace k_sequence_test
