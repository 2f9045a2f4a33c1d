// SPDX-License-Identifier: MIT
#pragma once

#include "speculative/verifier_checks.hpp"
#include "support/numbers.hpp"

#include <gavel/speculative/optimal_acceptance.hpp>
#include <gavel/speculative/selection.hpp>
#include <gavel/speculative/verifier_fit.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

// What both optimal verifiers must pass.

namespace gavel::testing {

using speculative::verifier_fit_status;

/// p is itself the marginal of a weighted pick: alpha* = 1, and nothing is left to give away.
inline row_pair tight_rows(test_engine& rng, draft_law law, std::size_t size, std::size_t n) {
  row_pair rows{std::vector<double>(size), random_row(rng, size)};
  std::vector<double> weights(size);
  for (double& w : weights) w = std::exp(4.0 * unit(rng));
  speculative::selection_marginals(rows.q, weights, law, n, std::span<double>(rows.p));
  normalize(rows.p);
  return rows;
}

/// The fit of a prepared verifier against the optimum computed on its own, and against its marginals.
template <class V>
void require_consistent_fit(const V& v, const row_pair& rows, std::size_t n) {
  using T = typename V::scalar;
  const speculative::verifier_fit_result& fit = v.fit();
  const double optimum = speculative::optimal_acceptance(row_as<T>(rows.p), row_as<T>(rows.q), V::law, n).acceptance_rate;
  REQUIRE(std::abs(fit.optimum - optimum) <= 1e-12);
  REQUIRE(fit.acceptance_rate <= optimum + (V::law == draft_law::iid ? 1e-13 : 1e-12));
  REQUIRE(fit.gap == (std::max)(0.0, fit.optimum - fit.acceptance_rate));
  std::vector<double> accepted(rows.p.size()), picked(rows.p.size());
  v.acceptance_marginals(std::span<double>(accepted));
  v.selection_marginals(std::span<double>(picked));
  double rate = 0.0, sum = 0.0;
  for (std::size_t y = 0; y < accepted.size(); ++y) {
    rate += accepted[y];
    sum += picked[y];
  }
  REQUIRE(std::abs(rate - v.acceptance_rate()) <= 1e-12);
  REQUIRE(std::abs(sum - 1.0) <= 1e-12);  // some draft is picked: an error in any marginal shows here
}

/// Small problems with and without slack, against all subsets of the vocabulary.
template <class V>
void check_small_optima(V&& v, test_engine& rng, std::size_t repeats, std::size_t least_n, std::size_t counts,
                        std::size_t most_iterations) {
  for (std::size_t repeat = 0; repeat < repeats; ++repeat) {
    const std::size_t size = 2 + repeat % 7;
    const std::size_t n = least_n + repeat / 7 % counts;
    if (v.law != draft_law::iid && n > size) continue;
    const row_pair rows = repeat % 2 == 0 ? row_pair{random_row(rng, size), random_row(rng, size)} : tight_rows(rng, v.law, size, n);
    v.prepare(rows.p, rows.q, n);
    CAPTURE(rows.p, rows.q, n);
    REQUIRE(std::abs(v.fit().optimum - optimum_by_subsets(v.law, rows.p, rows.q, n)) <= 1e-12);
    require_consistent_fit(v, rows, n);
    REQUIRE(v.fit().gap <= 1e-10);
    REQUIRE(v.fit().status == verifier_fit_status::converged);
    REQUIRE(v.fit().iterations <= most_iterations);
  }
}

/// Nothing is accepted where the supports are disjoint, and the residual is then the target.
template <class V>
void check_disjoint_supports(V&& v) {
  const std::vector<double> p{0.0, 1.0, 0.0}, q{0.5, 0.0, 0.5};
  std::vector<double> acceptance(2), residual(3), accepted(3);
  v.prepare(p, q, 2);
  REQUIRE(v.acceptance_rate() == 0.0);
  REQUIRE(v.fit().optimum == Approx(0.0).margin(1e-14));
  v.conditional_law(std::vector<token_id>{0, 2}, acceptance, residual);
  REQUIRE(acceptance == std::vector<double>{0.0, 0.0});
  REQUIRE(residual == p);
  v.acceptance_marginals(std::span<double>(accepted));
  REQUIRE(accepted == std::vector<double>(3, 0.0));
}

/// The messages of the options that both share, and of the calls that only they have.
template <class V, class Options>
void check_optimal_messages(const std::string& name) {
  const std::string of = "gavel::speculative::" + name;
  auto make = [](const Options& options) { return message_of([&] { (void)V(options); }); };
  CHECK(make({.tolerance = 0.0}) == of + ": options.tolerance = 0, must be finite and > 0");
  CHECK(make({.tolerance = HUGE_VAL}) == of + ": options.tolerance = inf, must be finite and > 0");
  CHECK(make({.tolerance = not_a_number}) == "domain: " + of + ": options.tolerance = nan, must be finite and > 0");
  CHECK(make({.max_iterations = 0}) == of + ": options.max_iterations = 0, must be >= 1");
  V v;
  const std::vector<double> p{0.5, 0.5};
  std::vector<double> out(2, -7.0);
  CHECK(message_of([&] { v.selection_marginals(std::span<double>(out)); }) == of + "::selection_marginals: prepare, must be called first");
  v.prepare(p, p, 1);
  CHECK(message_of([&] { v.selection_marginals(std::span<double>(out).first(1)); }) ==
        of + "::selection_marginals: out.size() = 1, must equal vocabulary size 2");
  CHECK(out == std::vector<double>(2, -7.0));
  CHECK(message_of([&] { v.prepare(p, p, 0); }) == of + "::prepare: n = 0, must be >= 1");
  const std::vector<double> wide(64, 1.0 / 64.0);
  CHECK_NOTHROW(v.prepare(wide, wide, V::max_drafts));
  CHECK(message_of([&] { v.prepare(wide, wide, V::max_drafts + 1); }) ==
        of + "::prepare: n = " + std::to_string(V::max_drafts + 1) + ", must be <= " + std::to_string(V::max_drafts));
}

}  // namespace gavel::testing
