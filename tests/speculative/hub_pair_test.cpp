// SPDX-License-Identifier: MIT
#include <gavel/speculative/hub_pair.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "speculative/verifier_checks.hpp"

#include <vector>

namespace hub_pair_test {

using namespace gavel;
using namespace gavel::speculative;
using namespace gavel::testing;

TEST_CASE("hub_pair emits exactly the target and accepts as often as possible", "[speculative][hub_pair]") {
  check_exact_law<hub_pair<double>>({2}, optimality::reached);
}

TEST_CASE("hub_pair accepts as often as greedy drafts allow", "[speculative][hub_pair]") {
  test_engine rng(3);
  hub_pair<double> v;
  for (int repeat = 0; repeat < 60; ++repeat) {
    const std::vector<double> p = random_row(rng, 6, 0.2), q = random_row(rng, 6);
    v.prepare(p, q, 2);
    REQUIRE(std::abs(v.acceptance_rate() - optimum_by_subsets(draft_law::greedy, p, q, 2)) <= 1e-12);
  }
}

TEST_CASE("hub_pair: verify follows its law and the target", "[speculative][hub_pair]") {
  check_frequencies<hub_pair<double>>(2);
  check_outputs_on_large_vocabulary<hub_pair<double>>(2);
  check_draws_and_copies<hub_pair<double>>(2);
}

TEST_CASE("hub_pair: ties for the most probable token go to the lowest id, checked or trusted", "[speculative][hub_pair]") {
  const std::vector<double> p{0.1, 0.6, 0.2, 0.1}, q{0.2, 0.3, 0.3, 0.2};
  hub_pair<double> v;
  v.prepare(p, q, 2);
  CHECK(largest_difference(law_by_enumeration(v, draft_law::hub_pair, q, 2).token, p) <= 1e-12);
  v.prepare(p, q, 2, trusted);
  CHECK(largest_difference(law_by_enumeration(v, draft_law::hub_pair, q, 2).token, p) <= 1e-12);
  hub_pair<double> checked;
  checked.prepare(p, q, 2);
  v.prepare(p, q, 2, trusted);
  CHECK(v.acceptance_rate() == checked.acceptance_rate());
  // A tie inside the pair: 1 is the hub whichever comes first.
  std::vector<double> one(2), two(2), residual(4);
  for (const std::vector<token_id>& drafts : {std::vector<token_id>{1, 2}, std::vector<token_id>{2, 1}}) {
    v.prepare(p, q, 2, trusted);
    v.conditional_law(drafts, one, residual);
    checked.conditional_law(drafts, two, residual);
    CHECK(one == two);
  }
  // Another position with another hub.
  const std::vector<double> next{0.1, 0.1, 0.2, 0.6};
  v.prepare(p, next, 2, trusted);
  CHECK(largest_difference(law_by_enumeration(v, draft_law::hub_pair, next, 2).token, p) <= 1e-12);
}

TEST_CASE("hub_pair refuses bad input", "[speculative][hub_pair]") {
  check_shared_messages<hub_pair<double>>("hub_pair", 2);
  const std::vector<double> row{0.5, 0.25, 0.25};
  hub_pair<double> v;
  CHECK(message_of([&] { v.prepare(row, row, 3); }) == "gavel::speculative::hub_pair::prepare: n = 3, must be 2 for draft_law::hub_pair");
  CHECK(message_of([&] { v.prepare(row, row, 0, trusted); }) ==
        "gavel::speculative::hub_pair::prepare: n = 0, must be 2 for draft_law::hub_pair");
  const std::vector<double> one_hot{0.0, 1.0, 0.0};
  CHECK(message_of([&] { v.prepare(row, one_hot, 2); }) ==
        "gavel::speculative::hub_pair::prepare: n = 2, must be <= number of tokens with q >= 2^-1000, which is 1");
  test_engine rng(1);
  v.prepare(row, row, 2);
  CHECK(message_of([&] { (void)v.verify(std::vector<token_id>{1, 2}, rng); }) ==
        "gavel::speculative::hub_pair::verify: drafts, must contain the most probable token of q, 0");
}

}  // namespace hub_pair_test
