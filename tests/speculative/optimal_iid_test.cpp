// SPDX-License-Identifier: MIT
#include <gavel/speculative/optimal_iid.hpp>

#include <gavel/speculative/k_sequence.hpp>
#include <gavel/speculative/recursive_rejection.hpp>
#include <gavel/speculative/target_only.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "speculative/optimal_verifier_checks.hpp"

#include <cmath>
#include <limits>
#include <span>
#include <vector>

namespace optimal_iid_test {

using namespace gavel;
using namespace gavel::speculative;
using namespace gavel::testing;

namespace {

// Logits of a Zipf-like language model and a draft that is off by `noise`, at a temperature.
row_pair model_rows(test_engine& rng, std::size_t size, double temperature, double noise) {
  auto normal = [&] {
    double z = -6.0;
    for (int k = 0; k < 12; ++k) z += unit(rng);
    return z;
  };
  row_pair rows{std::vector<double>(size), std::vector<double>(size)};
  for (std::size_t i = 0; i < size; ++i) {
    const double base = -1.1 * std::log(static_cast<double>(i) + 1.0) + 2.0 * normal();
    rows.p[i] = std::exp(base / temperature);
    rows.q[i] = std::exp((base + noise * normal()) / temperature);
  }
  normalize(rows.p);
  normalize(rows.q);
  return rows;
}

}  // namespace

TEST_CASE("optimal_iid emits exactly the target", "[speculative][optimal_iid]") {
  check_exact_law<optimal_iid<double>>({1, 2, 3});
  check_exact_law<optimal_iid<float>>({1, 2, 3});
}

TEST_CASE("optimal_iid is exact however early the fit stops and however few groups it has", "[speculative][optimal_iid]") {
  test_engine rng(11);
  std::size_t stopped = 0;
  for (const optimal_iid_options& options :
       {optimal_iid_options{.tolerance = 1e-12, .max_iterations = 1}, optimal_iid_options{.tolerance = 1e-12, .max_iterations = 3},
        optimal_iid_options{.tolerance = 1.0, .max_groups = 2}, optimal_iid_options{.tolerance = 0.9, .max_groups = 3, .max_iterations = 1},
        optimal_iid_options{.tolerance = 1e-12, .max_groups = 2, .max_iterations = 2}}) {
    optimal_iid<double> v(options);
    for (const std::size_t n : {1u, 2u, 3u}) {
      for (int repeat = 0; repeat < 40; ++repeat) {
        const row_pair rows =
            repeat % 2 == 0 ? row_pair{random_row(rng, 6, 0.2), random_row(rng, 6, 0.2)} : tight_rows(rng, draft_law::iid, 5, n);
        check_pair_exactly(v, rows, n, optimality::bounded);
        stopped += v.fit().gap > 1e-6 ? 1u : 0u;
        REQUIRE((v.fit().status == verifier_fit_status::converged) == (v.fit().gap <= options.tolerance));
      }
      for (const row_pair& rows : edge_rows(rng, 5)) check_pair_exactly(v, rows, n, optimality::bounded);
    }
  }
  REQUIRE(stopped > 100);
}

TEST_CASE("optimal_iid reaches the optimum on small tight problems", "[speculative][optimal_iid]") {
  test_engine rng(12);
  check_small_optima(optimal_iid<double>(optimal_iid_options{.tolerance = 2e-11}), rng, 400, 2, 3, 100);
}

TEST_CASE("optimal_iid reaches the optimum at vocabulary size", "[speculative][optimal_iid]") {
  test_engine rng(13);
  optimal_iid<double> precise(optimal_iid_options{.tolerance = 1e-9});
  optimal_iid<float> usual;
  for (const std::size_t size : {1000u, 32000u}) {
    for (const std::size_t n : {2u, 4u, 8u}) {
      for (const double temperature : {0.6, 1.0}) {
        const row_pair rows = model_rows(rng, size, temperature, 1.0);
        precise.prepare(rows.p, rows.q, n);
        CAPTURE(size, n, temperature, precise.fit().optimum, precise.fit().groups, precise.fit().iterations);
        require_consistent_fit(precise, rows, n);
        REQUIRE(precise.fit().gap <= 1e-9);
        const std::vector<float> p = row_as<float>(rows.p), q = row_as<float>(rows.q);
        usual.prepare(p, q, n);
        require_consistent_fit(usual, rows, n);
        REQUIRE(usual.fit().gap <= 1e-6);
        REQUIRE(usual.fit().status == verifier_fit_status::converged);
      }
    }
  }
}

TEST_CASE("optimal_iid: good drafts leave no slack, and every token gets its own weight", "[speculative][optimal_iid]") {
  test_engine rng(14);
  optimal_iid<float> v;
  for (const std::size_t n : {2u, 4u, 8u}) {
    for (const double noise : {0.3, 0.1, 0.0}) {
      const row_pair rows = model_rows(rng, 32000, 1.0, noise);
      const std::vector<float> p = row_as<float>(rows.p), q = row_as<float>(rows.q);
      v.prepare(p, q, n);
      CAPTURE(n, noise, v.fit().optimum, v.fit().groups, v.fit().iterations);
      require_consistent_fit(v, rows, n);
      REQUIRE(v.fit().gap <= 1e-6);
    }
  }
  REQUIRE(v.fit().groups <= 1);  // p = q: all weights the same
  REQUIRE(v.acceptance_rate() == Approx(1.0).epsilon(1e-12));
}

TEST_CASE("optimal_iid: ratios that differ in the last digits only, and ratios of all magnitudes", "[speculative][optimal_iid]") {
  test_engine rng(17);
  optimal_iid<double> v;
  for (int repeat = 0; repeat < 4; ++repeat) {
    row_pair rows = model_rows(rng, 20000, 1.0, 0.0);
    for (std::size_t y = 0; y < rows.p.size(); ++y) {
      if (repeat < 2) rows.p[y] *= 1.0 + (repeat == 0 ? 1e-13 : 1e-7) * (unit(rng) - 0.5);
      else if (y > 100) (repeat == 2 ? rows.p : rows.q)[y] *= std::exp(-600.0 * unit(rng));
    }
    normalize(rows.p);
    normalize(rows.q);
    for (const std::size_t n : {2u, 4u}) {
      v.prepare(rows.p, rows.q, n);
      CAPTURE(repeat, n, v.fit().optimum, v.fit().gap);
      require_consistent_fit(v, rows, n);
      REQUIRE(v.fit().gap <= 1e-6);
    }
  }
}

TEST_CASE("optimal_iid: more drafts, up to 32, and rows of one kind after another", "[speculative][optimal_iid]") {
  test_engine rng(15);
  optimal_iid<double> v(optimal_iid_options{.tolerance = 1e-8});
  double earlier = 0.0;
  const row_pair rows = model_rows(rng, 500, 1.0, 1.5);
  for (const std::size_t n : {1u, 2u, 3u, 5u, 9u, 16u, 24u, 32u}) {
    v.prepare(rows.p, rows.q, n);
    CAPTURE(n, v.fit().optimum, v.fit().gap);
    require_consistent_fit(v, rows, n);
    REQUIRE(v.fit().gap <= 1e-6);
    REQUIRE(v.acceptance_rate() >= earlier - 1e-7);
    earlier = v.acceptance_rate();
  }
  // 1,000 rows through one object: small after large, sparse after dense.
  for (int repeat = 0; repeat < 1000; ++repeat) {
    const std::size_t size = 1 + std::size_t{rng() % 40};
    const double spread = unit(rng) < 0.3 ? 6.0 : 1.5;
    const row_pair one{random_row(rng, size, 0.3, spread), random_row(rng, size, 0.3, spread)};
    const std::size_t n = 1 + std::size_t{rng() % 16};
    v.prepare(one.p, one.q, n);
    CAPTURE(one.p, one.q, n, v.fit().gap);
    require_consistent_fit(v, one, n);
    REQUIRE(v.fit().gap <= 1e-6);
  }
}

TEST_CASE("optimal_iid accepts at least as often as the classical verifiers", "[speculative][optimal_iid]") {
  test_engine rng(16);
  optimal_iid<double> best(optimal_iid_options{.tolerance = 1e-10});
  recursive_rejection<double> recursive;
  k_sequence<double> sequence;
  target_only<double, draft_law::iid> naive;
  for (int repeat = 0; repeat < 150; ++repeat) {
    const std::size_t size = repeat % 3 == 0 ? 300 : 12;
    const row_pair rows{random_row(rng, size, 0.1), random_row(rng, size, 0.1)};
    const std::size_t n = 1 + static_cast<std::size_t>(repeat) % 5;
    best.prepare(rows.p, rows.q, n);
    recursive.prepare(rows.p, rows.q, n);
    sequence.prepare(rows.p, rows.q, n);
    naive.prepare(rows.p, rows.q, n);
    REQUIRE(best.acceptance_rate() >= recursive.acceptance_rate() - 1e-9);
    REQUIRE(best.acceptance_rate() >= sequence.acceptance_rate() - 1e-9);
    REQUIRE(best.acceptance_rate() >= naive.acceptance_rate() - 1e-9);
  }
}

TEST_CASE("optimal_iid: values at the edges", "[speculative][optimal_iid]") {
  optimal_iid<double> v;
  const std::vector<double> p{0.5, 0.3, 0.2};
  std::vector<double> residual(3), acceptance(2);
  auto prepare = [&](std::vector<double> q, std::size_t n) {
    static std::vector<double> kept;
    kept = std::move(q);
    v.prepare(p, kept, n);
  };
  SECTION("one-hot q: accepted with probability p") {
    prepare({0.0, 1.0, 0.0}, 2);
    REQUIRE(v.acceptance_rate() == Approx(0.3).epsilon(1e-14));
    v.conditional_law(std::vector<token_id>{1, 1}, acceptance, residual);
    REQUIRE(acceptance[0] == Approx(0.15).epsilon(1e-14));
    REQUIRE(acceptance[1] == Approx(0.15).epsilon(1e-14));
    REQUIRE(largest_difference(residual, std::vector<double>{5.0 / 7.0, 0.0, 2.0 / 7.0}) <= 1e-14);
  }
  SECTION("p = q: every draft is accepted, the residual is p and is not divided by zero") {
    prepare(p, 2);
    REQUIRE(v.fit().gap <= 1e-14);
    v.conditional_law(std::vector<token_id>{2, 0}, acceptance, residual);
    REQUIRE(acceptance[0] + acceptance[1] == Approx(1.0).epsilon(1e-14));
    for (const double r : residual) REQUIRE(std::isfinite(r));
  }
  SECTION("disjoint supports: nothing is accepted") { check_disjoint_supports(v); }
  SECTION("one token") {
    const std::vector<double> sure{1.0};
    v.prepare(sure, sure, 4);
    REQUIRE(v.acceptance_rate() == Approx(1.0).epsilon(1e-14));
    test_engine rng(1);
    REQUIRE(v.verify(std::vector<token_id>{0, 0, 0, 0}, rng).token == 0);
  }
  SECTION("denormal probabilities") {
    const std::vector<double> target{0.5, 0.5 - 5e-324, 5e-324}, draft{1.0, 5e-324, 1e-310};
    v.prepare(target, draft, 3);
    REQUIRE(v.acceptance_rate() == Approx(0.5).epsilon(1e-12));
    REQUIRE(v.fit().gap <= 1e-12);
  }
}

TEST_CASE("optimal_iid: verify follows conditional_law, outputs follow the target", "[speculative][optimal_iid]") {
  check_frequencies<optimal_iid<double>>(3);
  check_frequencies<optimal_iid<float>>(2);
  check_outputs_on_large_vocabulary<optimal_iid<float>>(4);
  check_outputs_on_large_vocabulary<optimal_iid<double>>(2);
  check_draws_and_copies<optimal_iid<double>>(1);
  check_draws_and_copies<optimal_iid<float>>(1);
}

TEST_CASE("optimal_iid: messages", "[speculative][optimal_iid]") {
  check_shared_messages<optimal_iid<float>>("optimal_iid", 2);
  check_shared_messages<optimal_iid<double>>("optimal_iid", 1);
  check_optimal_messages<optimal_iid<double>, optimal_iid_options>("optimal_iid");
  CHECK(message_of([&] { (void)optimal_iid<double>({.max_groups = 1}); }) ==
        "gavel::speculative::optimal_iid: options.max_groups = 1, must be >= 2");
  constexpr optimal_iid_options usual;
  STATIC_REQUIRE((usual.tolerance == 1e-6 && usual.max_groups == 512 && usual.max_iterations == 60));
  STATIC_REQUIRE(optimal_iid<float>::max_drafts == 32);
}

}  // namespace optimal_iid_test
