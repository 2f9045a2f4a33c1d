// SPDX-License-Identifier: MIT
#include <gavel/speculative/optimal_without_replacement.hpp>

#include <gavel/speculative/optimal_iid.hpp>
#include <gavel/speculative/recursive_rejection.hpp>
#include <gavel/speculative/target_only.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "speculative/optimal_verifier_checks.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace optimal_without_replacement_test {

using namespace gavel;
using namespace gavel::speculative;
using namespace gavel::testing;

namespace {

constexpr draft_law law = draft_law::without_replacement;

// A target over the whole vocabulary and a draft row cut to its `support` most probable tokens.
row_pair truncated_rows(test_engine& rng, std::size_t size, std::size_t support, double noise) {
  row_pair rows{random_row(rng, size, 0.0, 2.0), std::vector<double>(size)};
  for (std::size_t y = 0; y < size; ++y) rows.q[y] = rows.p[y] * std::exp(noise * (unit(rng) + unit(rng) + unit(rng) - 1.5));
  const std::vector<token_id> order = descending(rows.q);
  for (std::size_t k = support; k < size; ++k) rows.q[order[k]] = 0.0;
  normalize(rows.q);
  return rows;
}

}  // namespace

TEST_CASE("optimal_without_replacement emits exactly the target", "[speculative][optimal_without_replacement]") {
  check_exact_law<optimal_without_replacement<double>>({1, 2, 3});
  check_exact_law<optimal_without_replacement<float>>({1, 2, 3});
}

TEST_CASE("optimal_without_replacement is exact however early the fit stops", "[speculative][optimal_without_replacement]") {
  test_engine rng(21);
  std::size_t stopped = 0;
  for (const std::size_t limit : {1u, 2u, 3u}) {
    optimal_without_replacement<double> v(optimal_without_replacement_options{.tolerance = 1e-12, .max_iterations = limit});
    for (const std::size_t n : {2u, 3u}) {
      for (int repeat = 0; repeat < 40; ++repeat) {
        const row_pair rows = repeat % 2 == 0 ? row_pair{random_row(rng, 6, 0.0), random_row(rng, 6, 0.2)} : tight_rows(rng, law, 5, n);
        if (!law_exists(law, rows.q, n)) continue;
        check_pair_exactly(v, rows, n, optimality::bounded);
        stopped += v.fit().gap > 1e-6 ? 1u : 0u;
        REQUIRE((v.fit().status == verifier_fit_status::converged) == (v.fit().gap <= 1e-12));
      }
    }
  }
  optimal_without_replacement<double> unfitted(optimal_without_replacement_options{.tolerance = 1.0});
  for (int repeat = 0; repeat < 40; ++repeat) {
    check_pair_exactly(unfitted, {random_row(rng, 6), random_row(rng, 6)}, 3, optimality::bounded);
    REQUIRE(unfitted.fit().status == verifier_fit_status::converged);
  }
  REQUIRE(stopped > 50);
}

TEST_CASE("optimal_without_replacement reaches the optimum on small problems", "[speculative][optimal_without_replacement]") {
  test_engine rng(22);
  check_small_optima(optimal_without_replacement<double>(optimal_without_replacement_options{.tolerance = 2e-11}), rng, 300, 1, 4, 60);
}

TEST_CASE("optimal_without_replacement reaches the optimum on truncated rows", "[speculative][optimal_without_replacement]") {
  test_engine rng(23);
  optimal_without_replacement<double> precise(optimal_without_replacement_options{.tolerance = 1e-10});
  optimal_without_replacement<float> usual;
  for (const std::size_t support : {16u, 32u, 64u}) {
    for (const std::size_t n : {2u, 4u, 8u}) {
      if (support == 64 && n == 8) continue;
      for (const double noise : {0.2, 3.0}) {
        const row_pair rows = truncated_rows(rng, 400, support, noise);
        CAPTURE(support, n, noise);
        precise.prepare(rows.p, rows.q, n);
        require_consistent_fit(precise, rows, n);
        REQUIRE(precise.fit().gap <= 1e-9);
        const std::vector<float> p = row_as<float>(rows.p), q = row_as<float>(rows.q);
        usual.prepare(p, q, n);
        require_consistent_fit(usual, rows, n);
        REQUIRE(usual.fit().gap <= 1e-6);
        REQUIRE(usual.fit().groups == support);
      }
    }
  }
}

TEST_CASE("optimal_without_replacement: sparse, peaked and small rows through one object", "[speculative][optimal_without_replacement]") {
  test_engine rng(24);
  optimal_without_replacement<double> v;
  for (int repeat = 0; repeat < 400; ++repeat) {
    const std::size_t size = 1 + std::size_t{rng() % 24};
    const double spread = unit(rng) < 0.4 ? 6.0 : 1.5;
    const row_pair rows{random_row(rng, size, 0.3, spread), random_row(rng, size, 0.3, spread)};
    const std::size_t n = 1 + std::size_t{rng() % 6};
    if (!law_exists(law, rows.q, n)) continue;
    v.prepare(rows.p, rows.q, n);
    CAPTURE(rows.p, rows.q, n, v.fit().gap);
    require_consistent_fit(v, rows, n);
    REQUIRE(v.fit().gap <= 1e-6);
  }
  const row_pair rows = truncated_rows(rng, 40, 20, 2.0);
  double earlier = 0.0;
  for (const std::size_t n : {1u, 2u, 4u, 8u, 12u, 16u}) {  // more drafts never hurt
    v.prepare(rows.p, rows.q, n);
    CAPTURE(n, v.fit().optimum, v.fit().gap);
    require_consistent_fit(v, rows, n);
    REQUIRE(v.acceptance_rate() >= earlier - 1e-6);
    earlier = v.acceptance_rate();
  }
}

TEST_CASE("optimal_without_replacement accepts as often as the classical verifiers or more", "[speculative][optimal_without_replacement]") {
  test_engine rng(25);
  optimal_without_replacement<double> best(optimal_without_replacement_options{.tolerance = 1e-10});
  recursive_rejection<double, law> recursive;
  target_only<double, law> naive;
  optimal_iid<double> with_replacement;
  double gained = 0.0;
  int better_than_iid = 0;
  for (int repeat = 0; repeat < 60; ++repeat) {
    const std::size_t n = 1 + static_cast<std::size_t>(repeat) % 3;
    const row_pair rows{random_row(rng, 6), random_row(rng, 6)};
    best.prepare(rows.p, rows.q, n);
    recursive.prepare(rows.p, rows.q, n);
    naive.prepare(rows.p, rows.q, n);
    const double by_recursion = law_by_enumeration(recursive, law, rows.q, n).acceptance_rate;
    CAPTURE(rows.p, rows.q, n);
    REQUIRE(best.acceptance_rate() >= by_recursion - 1e-9);
    REQUIRE(best.acceptance_rate() >= law_by_enumeration(naive, law, rows.q, n).acceptance_rate - 1e-9);
    gained += best.acceptance_rate() - by_recursion;
    with_replacement.prepare(rows.p, rows.q, n);
    better_than_iid += best.acceptance_rate() >= with_replacement.acceptance_rate() - 1e-6 ? 1 : 0;
  }
  REQUIRE(gained > 0.0);
  REQUIRE(better_than_iid == 60);
}

TEST_CASE("optimal_without_replacement: values at the edges", "[speculative][optimal_without_replacement]") {
  optimal_without_replacement<double> v(optimal_without_replacement_options{.tolerance = 1e-11});
  std::vector<double> residual(3), acceptance(2);
  SECTION("all tokens with q > 0 are drafted: the output is among them") {
    const std::vector<double> p{0.5, 0.3, 0.2}, q{0.9, 0.0, 0.1};
    v.prepare(p, q, 2);
    REQUIRE(v.acceptance_rate() == Approx(0.7).epsilon(1e-12));
    v.conditional_law(std::vector<token_id>{0, 2}, acceptance, residual);
    REQUIRE(acceptance[0] == Approx(0.5).epsilon(1e-10));
    REQUIRE(acceptance[1] == Approx(0.2).epsilon(1e-10));
    REQUIRE(largest_difference(residual, std::vector<double>{0.0, 1.0, 0.0}) <= 1e-10);
  }
  SECTION("p = q: the residual is not divided by zero") {
    const std::vector<double> p{0.5, 0.3, 0.2};
    v.prepare(p, p, 2);
    REQUIRE(v.acceptance_rate() == Approx(1.0).epsilon(1e-10));
    v.conditional_law(std::vector<token_id>{2, 0}, acceptance, residual);
    for (const double r : residual) REQUIRE(std::isfinite(r));
  }
  SECTION("disjoint supports: nothing is accepted") { check_disjoint_supports(v); }
  SECTION("one-hot p") {
    const std::vector<double> p{1.0, 0.0, 0.0}, q{0.25, 0.25, 0.5};
    v.prepare(p, q, 2);
    REQUIRE(v.acceptance_rate() == Approx(0.25 + 0.25 * 0.25 / 0.75 + 0.5 * 0.25 / 0.5).epsilon(1e-12));  // drafted at all
  }
  SECTION("one draft is a single draft") {
    const std::vector<double> p{0.5, 0.3, 0.2}, q{0.1, 0.6, 0.3};
    v.prepare(p, q, 1);
    REQUIRE(v.acceptance_rate() == Approx(0.1 + 0.3 + 0.2).epsilon(1e-13));
  }
}

TEST_CASE("optimal_without_replacement: verify follows conditional_law and the target", "[speculative][optimal_without_replacement]") {
  check_frequencies<optimal_without_replacement<double>>(3);
  check_frequencies<optimal_without_replacement<float>>(2);
  check_draws_and_copies<optimal_without_replacement<double>>(1);
  check_draws_and_copies<optimal_without_replacement<float>>(1);

  test_engine rng(26);
  const row_pair rows = truncated_rows(rng, 1000, 40, 3.0);
  optimal_without_replacement<double> v;
  v.prepare(rows.p, rows.q, 3);
  REQUIRE(outputs_against_target(v, law, rows.p, rows.q, 3, 60000, 31337) > 1e-6);
  std::vector<double> wrong(1000);
  for (std::size_t i = 0; i < wrong.size(); ++i) wrong[i] = 0.8 * rows.p[i] + 0.2 * rows.q[i];
  REQUIRE(outputs_against_target(v, law, wrong, rows.q, 3, 60000, 31337) < 1e-6);
}

TEST_CASE("optimal_without_replacement: messages", "[speculative][optimal_without_replacement]") {
  check_shared_messages<optimal_without_replacement<float>>("optimal_without_replacement", 2);
  check_shared_messages<optimal_without_replacement<double>>("optimal_without_replacement", 1);
  optimal_without_replacement<double> v;
  const std::string prepare = "gavel::speculative::optimal_without_replacement::prepare: ";
  const std::vector<double> p{0.5, 0.5, 0.0};
  CHECK(message_of([&] { v.prepare(p, p, 4); }) == prepare + "n = 4, must be <= vocabulary size 3");
  CHECK(message_of([&] { v.prepare(p, p, 3); }) == prepare + "n = 3, must be <= number of tokens with q >= 2^-1000, which is 2");
  const std::vector<double> wide(257, 1.0 / 257.0);
  CHECK(message_of([&] { v.prepare(wide, wide, 2); }) == prepare + "number of tokens with q > 0 = 257, must be <= 256");
  const std::vector<double> peaked{1.0, 1e-310, 0.0};
  CHECK(message_of([&] { v.prepare(p, peaked, 2, trusted); }) ==
        prepare + "n = 2, must be <= number of tokens with q >= 2^-1000, which is 1");
  const std::vector<double> widest(256, 1.0 / 256.0);
  CHECK_NOTHROW(v.prepare(widest, widest, 1));
  check_optimal_messages<optimal_without_replacement<double>, optimal_without_replacement_options>("optimal_without_replacement");
  constexpr optimal_without_replacement_options usual;
  STATIC_REQUIRE((usual.tolerance == 1e-6 && usual.max_iterations == 40));
  STATIC_REQUIRE((optimal_without_replacement<float>::max_drafts == 16 && optimal_without_replacement<float>::max_support == 256));
}

}  // namespace optimal_without_replacement_test
