// SPDX-License-Identifier: MIT
#include <gavel/speculative/draft_sampler.hpp>
#include <gavel/speculative/recursive_rejection.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "speculative/verifier_checks.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace recursive_rejection_test {

using namespace gavel;
using namespace gavel::speculative;
using namespace gavel::testing;

using with_replacement = recursive_rejection<double, draft_law::iid>;
using without_replacement = recursive_rejection<double, draft_law::without_replacement>;

namespace {

// The rule as the papers write it, with every p_i and q_i built.
std::vector<double> as_the_papers_write_it(std::vector<double> p, std::vector<double> q, const std::vector<token_id>& drafts, bool replace,
                                           std::vector<double>& residual) {
  std::vector<double> acceptance;
  double reach = 1.0;
  for (const token_id x : drafts) {
    const double a = (std::min)(1.0, p[x] / q[x]);
    acceptance.push_back(reach * a);
    reach *= 1.0 - a;
    double sum = 0.0;
    for (std::size_t y = 0; y < p.size(); ++y) sum += p[y] = (std::max)(0.0, p[y] - q[y]);
    for (double& y : p) y /= sum;
    if (!replace) {
      q[x] = 0.0;
      normalize(q);
    }
  }
  residual = p;
  return acceptance;
}

}  // namespace

TEST_CASE("recursive_rejection emits exactly the target", "[speculative][recursive_rejection]") {
  check_exact_law<with_replacement>({1, 2, 3});
  check_exact_law<without_replacement>({1, 2, 3});
}

TEST_CASE("recursive_rejection: the scalar recursion equals the rule with all rows built", "[speculative][recursive_rejection]") {
  test_engine rng(77);
  std::vector<double> acceptance(4), residual(12), expected_residual;
  with_replacement repeated;
  without_replacement distinct;
  for (int repeat = 0; repeat < 200; ++repeat) {
    const std::vector<double> p = random_row(rng, 12), q = random_row(rng, 12);
    const std::vector<token_id> iid = draw_drafts(draft_law::iid, q, 4, rng);
    repeated.prepare(p, q, 4);
    repeated.conditional_law(iid, acceptance, residual);
    CHECK(largest_difference(acceptance, as_the_papers_write_it(p, q, iid, true, expected_residual)) <= 1e-12);
    double reach = 1.0;
    for (const double a : acceptance) reach -= a;
    if (reach > 1e-6) CHECK(largest_difference(residual, expected_residual) <= 1e-9);
    const std::vector<token_id> wor = draw_drafts(draft_law::without_replacement, q, 4, rng);
    distinct.prepare(p, q, 4);
    distinct.conditional_law(wor, acceptance, residual);
    CHECK(largest_difference(acceptance, as_the_papers_write_it(p, q, wor, false, expected_residual)) <= 1e-12);
    reach = 1.0;
    for (const double a : acceptance) reach -= a;
    if (reach > 1e-6) CHECK(largest_difference(residual, expected_residual) <= 1e-9);
  }
}

TEST_CASE("recursive_rejection: verify follows its law and the target", "[speculative][recursive_rejection]") {
  check_frequencies<with_replacement>(3);
  check_frequencies<without_replacement>(3);
  check_outputs_on_large_vocabulary<with_replacement>(3);
  check_outputs_on_large_vocabulary<without_replacement>(3);
  check_draws_and_copies<with_replacement>(2);
  check_draws_and_copies<without_replacement>(2);
}

TEST_CASE("recursive_rejection: a float row with nearly all mass on one token stays exact", "[speculative][recursive_rejection]") {
  // 1 - q_0 in double is 2^-24 off the sum of the rest of this float row by as much as the rest itself.
  const std::vector<float> q{1.0F, 3e-8F, 2e-8F, 1e-8F};
  const std::vector<float> p{0.0F, 0.25F, 0.25F, 0.5F};
  const std::vector<double> q_wide(q.begin(), q.end()), p_wide(p.begin(), p.end());
  recursive_rejection<float, draft_law::without_replacement> v;
  v.prepare(p, q, 2);
  const output_law law = law_by_enumeration(v, draft_law::without_replacement, q_wide, 2);
  CHECK(largest_difference(law.token, p_wide) <= 2e-7);
}

TEST_CASE("recursive_rejection refuses bad input", "[speculative][recursive_rejection]") {
  check_shared_messages<with_replacement>("recursive_rejection", 2);
  check_shared_messages<without_replacement>("recursive_rejection", 3);
  const std::vector<double> row{0.5, 0.5, 0.0};
  without_replacement v;
  CHECK(message_of([&] { v.prepare(row, row, 3); }) ==
        "gavel::speculative::recursive_rejection::prepare: n = 3, must be <= number of tokens with q >= 2^-1000, which is 2");
  CHECK(message_of([&] { v.prepare(row, row, 4, trusted); }) ==
        "gavel::speculative::recursive_rejection::prepare: n = 4, must be <= vocabulary size 3");
  with_replacement repeated;
  CHECK_NOTHROW(repeated.prepare(row, row, 7));
  CHECK(message_of([&] { repeated.prepare(row, row, 0); }) == "gavel::speculative::recursive_rejection::prepare: n = 0, must be >= 1");
}

TEST_CASE("tokens too improbable to be drawn do not weigh when the drafts hold all but a trace", "[speculative][recursive_rejection]") {
  // One sure token, one of probability 1e-30 and many that float drafting never draws but that together hold far more.
  std::vector<float> p(1000, 0.0f);
  std::vector<float> q(1000, 7e-31f);
  p[0] = 0.9f;
  p[1] = 0.04f;
  p[2] = 0.06f;
  q[0] = 1.0f;
  q[1] = 1e-30f;
  recursive_rejection<float, draft_law::without_replacement> verifier;
  verifier.prepare(p, q, 2);
  const std::vector<token_id> drafts = {0, 1};  // the only tuple that has probability
  REQUIRE(draft_probability(draft_law::without_replacement, q, drafts) == Approx(1.0));
  std::vector<double> acceptance(2);
  std::vector<double> residual(p.size());
  verifier.conditional_law(drafts, acceptance, residual);
  const double rest = 1.0 - acceptance[0] - acceptance[1];
  REQUIRE(acceptance[0] + rest * residual[0] == Approx(0.9).margin(1e-6));
  REQUIRE(acceptance[1] + rest * residual[1] == Approx(0.04).margin(1e-6));
  REQUIRE(rest * residual[2] == Approx(0.06).margin(1e-6));
}

}  // namespace recursive_rejection_test
