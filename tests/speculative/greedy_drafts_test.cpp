// SPDX-License-Identifier: MIT
#include <gavel/speculative/greedy_drafts.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "speculative/verifier_checks.hpp"

#include <vector>

namespace greedy_drafts_test {

using namespace gavel;
using namespace gavel::speculative;
using namespace gavel::testing;

TEST_CASE("greedy_drafts emits exactly the target and accepts as often as possible", "[speculative][greedy]") {
  check_exact_law<greedy_drafts<double>>({1, 2, 3}, optimality::reached);
}

TEST_CASE("greedy_drafts: verify follows its law and the target", "[speculative][greedy]") {
  check_frequencies<greedy_drafts<double>>(3);
  check_outputs_on_large_vocabulary<greedy_drafts<double>>(3);
  check_draws_and_copies<greedy_drafts<double>>(3);
}

TEST_CASE("greedy_drafts: any order of the top drafts and any way to break ties", "[speculative][greedy]") {
  const std::vector<double> p{0.1, 0.4, 0.2, 0.3}, q{0.2, 0.3, 0.3, 0.2};
  greedy_drafts<double> v;
  v.prepare(p, q, 2);
  std::vector<double> output(4, 0.0), acceptance(2), residual(4);
  for (const token_id x : {0u, 1u, 3u}) {  // top token 2, where the library itself would take 1
    v.conditional_law(std::vector<token_id>{2, x}, acceptance, residual);
    output[2] += q[x] / 0.7 * acceptance[0];
    output[x] += q[x] / 0.7 * acceptance[1];
    for (std::size_t y = 0; y < 4; ++y) output[y] += q[x] / 0.7 * (1.0 - acceptance[0] - acceptance[1]) * residual[y];
  }
  CHECK(largest_difference(output, p) <= 1e-15);

  v.prepare(p, q, 3);
  std::vector<double> one(3), two(3);
  v.conditional_law(std::vector<token_id>{1, 2, 0}, one, residual);
  v.conditional_law(std::vector<token_id>{2, 1, 0}, two, residual);
  CHECK(one[0] == Approx(two[1]).epsilon(1e-14));
  CHECK(one[1] == Approx(two[0]).epsilon(1e-14));
  CHECK(one[2] == two[2]);
}

TEST_CASE("greedy_drafts refuses bad input", "[speculative][greedy]") {
  check_shared_messages<greedy_drafts<double>>("greedy_drafts", 2);
  const std::vector<double> row{0.25, 0.5, 0.125, 0.125};
  greedy_drafts<double> v;
  test_engine rng(1);
  CHECK(message_of([&] { v.prepare(row, row, 0); }) == "gavel::speculative::greedy_drafts::prepare: n = 0, must be >= 1");
  const std::vector<double> one_hot{0.0, 1.0, 0.0, 0.0};
  CHECK(message_of([&] { v.prepare(row, one_hot, 2); }) ==
        "gavel::speculative::greedy_drafts::prepare: n = 2, must be <= number of tokens with q >= 2^-1000, which is 1");
  v.prepare(row, row, 3);
  CHECK_NOTHROW(v.verify(std::vector<token_id>{0, 1, 3}, rng));
  CHECK(message_of([&] { (void)v.verify(std::vector<token_id>{1, 2, 0}, rng); }) ==
        "gavel::speculative::greedy_drafts::verify: drafts[1] = 2, must be one of the n - 1 most probable tokens of q");
  v.prepare(row, row, 2);
  CHECK(message_of([&] { (void)v.verify(std::vector<token_id>{2, 1}, rng); }) ==
        "gavel::speculative::greedy_drafts::verify: drafts[0] = 2, must be one of the n - 1 most probable tokens of q");
  v.prepare(row, row, 2, trusted);
  CHECK_NOTHROW(v.verify(std::vector<token_id>{2, 1}, rng));
}

TEST_CASE("greedy_drafts: a last draft that belongs to the top is refused", "[speculative][greedy]") {
  const std::vector<double> q{0.3, 0.3, 0.3, 0.1};
  greedy_drafts<double> v;
  test_engine rng(1);
  v.prepare(q, q, 2);
  CHECK_NOTHROW(v.verify(std::vector<token_id>{0, 2}, rng));  // a tie: either may be the top token
  const std::vector<double> shared{0.4, 0.2, 0.2, 0.2};
  v.prepare(shared, shared, 3);
  CHECK_NOTHROW(v.verify(std::vector<token_id>{0, 2, 1}, rng));
  CHECK(message_of([&] { (void)v.verify(std::vector<token_id>{1, 2, 0}, rng); }) ==
        "gavel::speculative::greedy_drafts::verify: drafts[2] = 0, must not be one of the n - 1 most probable tokens of q");
  const std::vector<double> steep{0.4, 0.3, 0.2, 0.1};
  v.prepare(steep, steep, 3);
  CHECK(message_of([&] { (void)v.verify(std::vector<token_id>{1, 1, 0}, rng); }) ==
        "gavel::speculative::greedy_drafts::verify: drafts[1] = 1, must differ from the drafts before it");
}

}  // namespace greedy_drafts_test
