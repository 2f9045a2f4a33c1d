// SPDX-License-Identifier: MIT
#pragma once

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"
#include "speculative/laws.hpp"

#include <gavel/core/philox.hpp>
#include <gavel/speculative/verifier.hpp>

#include <cmath>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

// What every per-position verifier must pass, whatever its rule.

namespace gavel::testing {

using speculative::trusted;
using speculative::verdict;
using speculative::verifier;
using speculative::verifier_with_marginals;

template <class V>
void prepare_with(V& v, const std::vector<typename V::scalar>& p, const std::vector<typename V::scalar>& q, std::size_t n) {
  v.prepare(std::span<const typename V::scalar>(p), std::span<const typename V::scalar>(q), n);
}

enum class optimality { bounded, reached };

/// A prepared pair of rows: exact output law, alpha no more than the optimum (or equal to it), closed forms equal to the enumeration.
inline void check_prepared_exactly(any_verifier& v, const row_pair& rows, std::size_t n, optimality claim) {
  const double tolerance = v.tolerance;
  CAPTURE(rows.p, rows.q, n);
  const output_law law = law_of(v, v.law, rows.q, n);
  REQUIRE(largest_difference(law.token, rows.p) <= tolerance);
  const double optimum = optimum_by_subsets(v.law, rows.p, rows.q, n);
  REQUIRE(law.acceptance_rate <= optimum + tolerance);
  if (claim == optimality::reached) REQUIRE(law.acceptance_rate >= optimum - tolerance);
  if (v.has_marginals) {
    std::vector<double> marginals(rows.p.size(), not_a_number);
    v.acceptance_marginals(std::span<double>(marginals));
    REQUIRE(largest_difference(law.accepted, marginals) <= tolerance);
    REQUIRE(std::abs(v.acceptance_rate() - law.acceptance_rate) <= tolerance);
  }
}

inline void check_pair_exactly(any_verifier& v, const row_pair& rows, std::size_t n, optimality claim) {
  v.prepare(rows.p, rows.q, n);
  check_prepared_exactly(v, rows, n, claim);
}

/// All drafts enumerated at V <= 6 for random, sparse and awkward rows of doubles, of dyadic rows for floats; one verifier object is reused throughout.
inline void check_exact_law(any_verifier& v, const std::vector<std::size_t>& draft_counts, optimality claim) {
  test_engine rng(20250301);
  std::size_t checked = 0;
  auto check = [&](const row_pair& rows, std::size_t n) {
    if (!law_exists(v.law, rows.q, n)) return;
    check_pair_exactly(v, rows, n, claim);
    ++checked;
  };
  for (const std::size_t n : draft_counts) {
    for (std::size_t size = 1; size <= 6; ++size) {
      for (int repeat = 0; repeat < 12; ++repeat) {
        const double zero_chance = repeat % 3 == 0 ? 0.35 : 0.0;
        check({dyadic_row(rng, size, zero_chance), dyadic_row(rng, size, zero_chance)}, n);
        if (v.tolerance > 1e-12) continue;  // the other rows are no floats
        const double spread = repeat % 2 == 0 ? 1.5 : 6.0;
        check({random_row(rng, size, zero_chance, spread), random_row(rng, size, zero_chance, spread)}, n);
      }
    }
    if (v.tolerance > 1e-12) continue;
    for (const std::size_t size : {3u, 5u, 6u}) {
      for (const row_pair& rows : edge_rows(rng, size)) check(rows, n);
    }
    for (int repeat = 0; repeat < 100; ++repeat) {
      const std::size_t size = 2 + static_cast<std::size_t>(repeat % 4);
      check({wild_row(rng, size), wild_row(rng, size)}, n);
    }
  }
  REQUIRE(checked >= 40 * draft_counts.size());
}

/// verify() against conditional_law() on fixed drafts, and the draws it takes.
inline void check_frequencies(any_verifier& v, std::size_t n) {
  test_engine rng(4711);
  for (int repeat = 0; repeat < 3; ++repeat) {
    const std::vector<double> p = dyadic_row(rng, 6, repeat == 1 ? 0.3 : 0.0);
    const std::vector<double> q = dyadic_row(rng, 6);
    v.prepare(p, q, n);
    for (int tuple = 0; tuple < 4; ++tuple) {
      const std::vector<token_id> drafts = draw_drafts(v.law, q, n, rng);
      CAPTURE(p, q, drafts);
      REQUIRE(verify_p_value(v, drafts, 6, 20000, 99 + static_cast<std::uint64_t>(tuple)) > 1e-6);
    }
  }
}

/// The emitted tokens at V = 1,000 follow the target.
inline void check_outputs_on_large_vocabulary(any_verifier& v, std::size_t n) {
  test_engine rng(815);
  const std::vector<double> p = random_row(rng, 1000, 0.1);
  const std::vector<double> q = random_row(rng, 1000, 0.1);
  v.prepare(p, q, n);
  REQUIRE(output_p_value(v, v.law, p, q, n, 60000, 31337) > 1e-6);
  // A wrong target, as a sign that the test can see one.
  std::vector<double> wrong = p;
  for (std::size_t i = 0; i < wrong.size(); ++i) wrong[i] = 0.8 * p[i] + 0.2 * q[i];
  REQUIRE(output_p_value(v, v.law, wrong, q, n, 60000, 31337) < 1e-6);
}

/// Draw counts, determinism, copies, and that skipping the checks changes nothing.
inline void check_draws_and_copies(any_verifier& v, std::size_t n) {
  test_engine rng(5);
  const std::vector<double> p = dyadic_row(rng, 9);
  const std::vector<double> q = dyadic_row(rng, 9);
  v.prepare(p, q, n);
  const std::unique_ptr<any_verifier> copy = v.copy(), other = v.fresh();
  other->prepare(p, q, n, true);
  any_verifier::wide_bits wide{test_engine(7)};
  any_verifier::wide_bits wide_copy{test_engine(7)};
  any_verifier::wide_bits wide_other{test_engine(7)};
  any_verifier::narrow_bits narrow{philox4x32(7)};
  std::size_t rejections = 0;
  std::size_t most = 0;
  for (int k = 0; k < 2000; ++k) {
    const std::vector<token_id> drafts = draw_drafts(v.law, q, n, rng);
    const std::span<const token_id> view(drafts);
    const std::size_t before = wide.calls;
    const verdict one = v.verify(view, wide);
    const std::size_t used = wide.calls - before;
    rejections += one.accepted() ? 0u : 1u;
    most = (std::max)(most, used);
    REQUIRE(used == (one.accepted() ? 1u : (std::max)(used, std::size_t{2})));
    REQUIRE(used <= v.max_uniforms());
    REQUIRE(copy->verify(view, wide_copy) == one);
    REQUIRE(other->verify(view, wide_other) == one);
    const std::size_t narrow_before = narrow.calls;
    const verdict from_narrow = v.verify(view, narrow);
    REQUIRE(narrow.calls - narrow_before <= 2 * v.max_uniforms());
    REQUIRE(narrow.calls - narrow_before >= (from_narrow.accepted() ? 2u : 4u));
  }
  REQUIRE(rejections > 20);
  REQUIRE(most == v.max_uniforms());
}

/// The messages that all verifiers share. `name` is the class, `n` an allowed number of drafts >= 1; rows of 4 tokens.
inline void check_shared_messages(any_verifier& v, const std::string& name, std::size_t n) {
  const std::string of = "gavel::speculative::" + name + "::", count = std::to_string(n), more = std::to_string(n + 1);
  const std::vector<double> p{0.25, 0.25, 0.25, 0.25};
  const std::vector<double> q{0.5, 0.25, 0.25, 0};
  any_verifier::wide_bits rng{test_engine(1)};
  std::vector<token_id> drafts(n, 0);
  for (std::size_t i = 0; i < n; ++i) drafts[i] = static_cast<token_id>(i);
  std::vector<double> acceptance(n, -7.0), residual(4, -7.0), long_acceptance(n + 1, -7.0);
  auto prepare = [&](const std::vector<double>& p_row, const std::vector<double>& q_row) {
    return message_of([&] { v.prepare(p_row, q_row, n); });
  };
  auto verify = [&](const std::vector<token_id>& d) { return message_of([&] { (void)v.verify(std::span<const token_id>(d), rng); }); };
  auto conditional_law = [&](const std::vector<token_id>& d, std::span<double> a, std::span<double> r) {
    return message_of([&] { v.conditional_law(std::span<const token_id>(d), a, r); });
  };

  CHECK(verify(drafts) == of + "verify: prepare, must be called first");
  CHECK(prepare({}, {}) == of + "prepare: p.size() = 0, must be >= 1");
  CHECK(prepare(p, {1}) == of + "prepare: q.size() = 1, must equal p.size() 4");
  CHECK(prepare(p, {0.5, not_a_number, 0.5, 0}) == "domain: " + of + "prepare: q[1] = nan, must be finite and >= 0");
  CHECK(prepare({0.5, 0.75, -0.25, 0}, q) == "domain: " + of + "prepare: p[2] = -0.25, must be finite and >= 0");
  CHECK(prepare(p, {0.5, 0.25, 0.125, 0}) == "domain: " + of + "prepare: sum of q = 0.875, must be 1 within 1e-06");
  CHECK(prepare(p, {0.5, 0.25, 0.25 + 5e-7, 0}) == "no exception");

  v.prepare(p, q, n);
  std::vector<token_id> bad = drafts;
  bad.push_back(2);
  CHECK(verify(bad) == of + "verify: drafts.size() = " + more + ", must equal n " + count);
  bad = drafts;
  bad.back() = 4;
  const std::string last = "drafts[" + std::to_string(n - 1) + "] = ";
  CHECK(verify(bad) == of + "verify: " + last + "4, must be < vocabulary size 4");
  if (v.law != draft_law::top_n) {
    bad.back() = 3;
    const std::string rule = std::string("3, must have draft probability >= ") + (v.tolerance > 1e-12 ? "2^-100" : "2^-1000");
    CHECK(verify(bad) == of + "verify: " + last + rule);
    CHECK(conditional_law(bad, acceptance, residual) == of + "conditional_law: " + last + rule);
  }
  if (v.law != draft_law::iid && n > 1) {
    bad.back() = bad.front();
    CHECK(verify(bad) == of + "verify: " + last + "0, must differ from the drafts before it");
  }
  CHECK(rng.calls == 0);
  CHECK(conditional_law(drafts, long_acceptance, residual) ==
        of + "conditional_law: acceptance.size() = " + more + ", must equal n " + count);
  CHECK(conditional_law(drafts, acceptance, std::span<double>(residual).first(3)) ==
        of + "conditional_law: residual.size() = 3, must equal vocabulary size 4");
  CHECK(acceptance == std::vector<double>(n, -7.0));
  CHECK(residual == std::vector<double>(4, -7.0));
  if (v.has_marginals) {
    CHECK(message_of([&] { v.acceptance_marginals(std::span<double>(residual).first(3)); }) ==
          of + "acceptance_marginals: out.size() = 3, must equal vocabulary size 4");
    CHECK(message_of([&] { (void)v.fresh()->acceptance_rate(); }) == of + "acceptance_rate: prepare, must be called first");
  }
  // A refused prepare leaves the verifier as it was.
  CHECK(prepare(p, {1}) == of + "prepare: q.size() = 1, must equal p.size() 4");
  CHECK(verify(drafts) == "no exception");
  CHECK_NOTHROW(v.prepare(p, q, n, true));
  CHECK(message_of([&] { v.prepare(p, std::span<const double>(q).first(2), n, true); }) ==
        of + "prepare: q.size() = 2, must equal p.size() 4");
  // What was moved from is like a fresh one, and as good for the next rows; what was moved to decides as before.
  v.conditional_law(std::span<const token_id>(drafts), acceptance, residual);
  std::vector<double> same_acceptance(n), same_residual(4);
  const std::unique_ptr<any_verifier> heir = v.move();
  heir->conditional_law(std::span<const token_id>(drafts), same_acceptance, same_residual);
  CHECK((same_acceptance == acceptance && same_residual == residual));
  CHECK(verify(drafts) == of + "verify: prepare, must be called first");
  CHECK(conditional_law(drafts, acceptance, residual) == of + "conditional_law: prepare, must be called first");
  v.prepare(p, q, n);
  v.conditional_law(std::span<const token_id>(drafts), same_acceptance, same_residual);
  CHECK((same_acceptance == acceptance && same_residual == residual));
}

/// Trusted rows that are no distributions: a token of the vocabulary, or an error of `prepare` in the names of its caller.
inline void check_bad_trusted_rows(any_verifier& v, const std::string& name, std::size_t n) {
  const std::vector<double> good(4, 0.25);
  std::vector<token_id> drafts(n);
  for (std::size_t i = 0; i < n; ++i) drafts[i] = static_cast<token_id>(i);
  any_verifier::wide_bits rng{test_engine(1)};
  auto check = [&](const std::vector<double>& p, const std::vector<double>& q) {
    CAPTURE(p, q);
    const std::string message = message_of([&] { v.prepare(p, q, n, true); });
    if (message != "no exception") {
      CHECK(message.find("gavel::speculative::" + name + "::prepare: ") != std::string::npos);
      return;
    }
    for (int k = 0; k < 50; ++k) REQUIRE(v.verify(std::span<const token_id>(drafts), rng).token < 4);
  };
  for (const double bad : {not_a_number, HUGE_VAL, -0.5, 1e300}) {
    check({0.5, bad, 0.25, 0.25}, good);
    check({bad, bad, 0.25, bad}, good);
    check(good, {0.5, 0.25, 0.25, bad});
  }
  check({0, 0, 0, 0}, good);
  check({1e-320, 0, 0, 0}, good);
}

// The same for a type of verifiers, or for a verifier as it is.
template <class V>
void check_prepared_exactly(V& v, const row_pair& rows, std::size_t n, optimality claim) {
  erased<V> one(v);
  check_prepared_exactly(static_cast<any_verifier&>(one), rows, n, claim);
}
template <class V>
void check_pair_exactly(V& v, const row_pair& rows, std::size_t n, optimality claim) {
  erased<V> one(v);
  check_pair_exactly(static_cast<any_verifier&>(one), rows, n, claim);
}
template <class V>
void check_exact_law(const std::vector<std::size_t>& draft_counts, optimality claim = optimality::bounded) {
  erased<V> v;
  check_exact_law(v, draft_counts, claim);
}
template <class V>
void check_frequencies(std::size_t n) {
  erased<V> v;
  check_frequencies(v, n);
}
template <class V>
void check_outputs_on_large_vocabulary(std::size_t n) {
  erased<V> v;
  check_outputs_on_large_vocabulary(v, n);
}
template <class V>
void check_draws_and_copies(std::size_t n) {
  erased<V> v;
  check_draws_and_copies(v, n);
}
template <class V>
void check_shared_messages(const std::string& name, std::size_t n) {
  erased<V> v;
  check_shared_messages(v, name, n);
  check_bad_trusted_rows(v, name, n);
}

}  // namespace gavel::testing
