// SPDX-License-Identifier: MIT
#include <gavel/speculative/target_only.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "speculative/verifier_checks.hpp"

#include <vector>

namespace target_only_test {

using namespace gavel;
using namespace gavel::speculative;
using namespace gavel::testing;

template <draft_law Law>
using naive = target_only<double, Law>;

TEST_CASE("target_only emits exactly the target for every draft law", "[speculative][target_only]") {
  check_exact_law<naive<draft_law::iid>>({1, 2, 3});
  check_exact_law<naive<draft_law::without_replacement>>({1, 2, 3});
  check_exact_law<naive<draft_law::greedy>>({1, 2, 3});
  check_exact_law<naive<draft_law::hub_pair>>({2});
}

TEST_CASE("target_only is optimal for deterministic drafts", "[speculative][target_only]") {
  check_exact_law<naive<draft_law::top_n>>({1, 2, 3}, optimality::reached);
}

TEST_CASE("target_only: verify follows its law and the target", "[speculative][target_only]") {
  check_frequencies<naive<draft_law::iid>>(3);
  check_frequencies<naive<draft_law::without_replacement>>(2);
  check_frequencies<naive<draft_law::top_n>>(3);
  check_outputs_on_large_vocabulary<naive<draft_law::iid>>(3);
  check_draws_and_copies<naive<draft_law::iid>>(3);
  check_draws_and_copies<naive<draft_law::top_n>>(4);
}

TEST_CASE("target_only: drafts of unknown origin need no draft probabilities", "[speculative][target_only]") {
  const std::vector<double> p{0.5, 0.125, 0.25, 0.125};
  target_only<double> v;
  v.prepare(p, 3);
  std::vector<double> acceptance(3), residual(4);
  const std::vector<token_id> drafts{2, 1, 2};
  v.conditional_law(drafts, acceptance, residual);
  CHECK(acceptance == std::vector<double>{0.25, 0.125, 0.0});  // a repeated draft counts at its first position
  CHECK(residual == std::vector<double>{0.8, 0.0, 0.0, 0.2});
  CHECK(verify_against_conditional_law(v, drafts, 4, 20000, 12) > 1e-6);
  CHECK(message_of([&] { (void)v.acceptance_rate(); }) ==
        "gavel::speculative::target_only::acceptance_rate: q, must have been given to prepare");
  const std::vector<double> three_quarters{0.5, 0.25};
  CHECK(message_of([&] { v.prepare(three_quarters, 1); }) ==
        "domain: gavel::speculative::target_only::prepare: sum of p = 0.75, must be 1 within 1e-06");
  v.prepare(p, 3, trusted);
  CHECK(verify_against_conditional_law(v, drafts, 4, 20000, 13) > 1e-6);
}

TEST_CASE("target_only refuses bad input", "[speculative][target_only]") {
  check_shared_messages<naive<draft_law::iid>>("target_only", 2);
  check_shared_messages<naive<draft_law::without_replacement>>("target_only", 3);
  check_shared_messages<naive<draft_law::top_n>>("target_only", 2);
  const std::vector<double> row{0.5, 0.5, 0.0};
  naive<draft_law::without_replacement> sampled;
  CHECK(message_of([&] { sampled.prepare(row, row, 3); }) ==
        "gavel::speculative::target_only::prepare: n = 3, must be <= number of tokens with q >= 2^-1000, which is 2");
  naive<draft_law::top_n> top;
  CHECK_NOTHROW(top.prepare(row, row, 3));  // the n most probable tokens exist whatever their probabilities
  CHECK(message_of([&] { top.prepare(row, row, 4); }) == "gavel::speculative::target_only::prepare: n = 4, must be <= vocabulary size 3");
  CHECK(message_of([&] { top.prepare(row, row, 0); }) == "gavel::speculative::target_only::prepare: n = 0, must be >= 1");
}

}  // namespace target_only_test
