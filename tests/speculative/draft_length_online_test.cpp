// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/speculative/draft_length_online.hpp>

#include <cstddef>
#include <limits>
#include <string>

namespace draft_length_online_test {

using namespace gavel::testing;
using namespace gavel::speculative;

static_assert(length_rule<online_rule>);
static_assert(online_rule_options{} == online_rule_options{.cost = {.draft_time = 1.0, .target_time = 8.0},
                                                           .max_length = 20,
                                                           .probe_interval = 16,
                                                           .prior_acceptance = 0.7,
                                                           .prior_weight = 4.0});

TEST_CASE("online rule: estimates are running averages with a prior", "[speculative][draft_length_online]") {
  online_rule rule({.cost = {1.0, 8.0}, .prior_acceptance = 0.5, .prior_weight = 2.0});
  CHECK(rule.mean_acceptance() == 0.5);
  CHECK(rule.time_per_token() == 8.0);
  CHECK(rule.predicted_acceptance(0.3) == 0.5);
  CHECK(rule.rejection_threshold() == Approx(1.0 - 1.0 / (8.0 * 0.5)).epsilon(1e-14));

  rule.add_overlap(0.95, 0.9);
  rule.add_overlap(0.94, 0.8);  // the same sixteenth of [0, 1]
  rule.add_overlap(0.1, 0.2);
  rule.end_round(2, 3);
  CHECK(rule.mean_acceptance() == Approx((0.9 + 0.8 + 0.2 + 2.0 * 0.5) / 5.0).epsilon(1e-14));
  CHECK(rule.time_per_token() == Approx((3.0 * 1.0 + 2.0 * 8.0) / 4.0).epsilon(1e-14));  // one plain round as prior
  CHECK(rule.predicted_acceptance(0.99) == Approx((1.7 + 2.0 * rule.mean_acceptance()) / 4.0).epsilon(1e-14));
  CHECK(rule.predicted_acceptance(0.12) == Approx((0.2 + 2.0 * rule.mean_acceptance()) / 3.0).epsilon(1e-14));
  CHECK(rule.predicted_acceptance(0.5) == Approx(rule.mean_acceptance()).epsilon(1e-14));
  CHECK(rule.rejection_threshold() == Approx(1.0 - 1.0 / (rule.time_per_token() * rule.mean_acceptance())).epsilon(1e-14));
}

TEST_CASE("online rule stops where its own product crosses its own threshold", "[speculative][draft_length_online]") {
  online_rule rule({.cost = {1.0, 8.0}, .max_length = 30});
  for (int i = 0; i < 200; ++i) {
    rule.add_overlap(0.97, 0.9);
    rule.add_overlap(0.3, 0.4);
  }
  rule.end_round(1, 2);
  REQUIRE(rule.begin_round());
  double product = 1.0;
  std::size_t drafted = 0;
  bool more = true;
  while (more) {
    const double top_prob = drafted % 3 == 2 ? 0.3 : 0.97;
    more = rule.keep_drafting({.top_prob = top_prob});
    ++drafted;
    product *= rule.predicted_acceptance(top_prob);
    CHECK(more == (1.0 - product < rule.rejection_threshold()));
  }
  CHECK(drafted > 2);
  CHECK(drafted < 30);
  REQUIRE(rule.begin_round());
  CHECK_FALSE(rule.keep_drafting({.top_prob = 0.97, .end_of_sequence = true}));
  online_rule bounded({.cost = {0.0, 8.0}, .max_length = 4});
  drafted = 1;
  REQUIRE(bounded.begin_round());
  while (bounded.keep_drafting({.top_prob = 0.97})) ++drafted;
  CHECK(drafted == 4);
}

TEST_CASE("online rule probes when no draft seems to pay, and recovers", "[speculative][draft_length_online]") {
  online_rule rule({.cost = {1.0, 3.0}, .probe_interval = 8});
  for (int i = 0; i < 50; ++i) rule.add_overlap(0.5, 0.05);
  rule.end_round(0, 1);
  CHECK(rule.rejection_threshold() == 0.0);
  int probes = 0;
  for (int round = 0; round < 80; ++round) {
    const bool drafts = rule.begin_round();
    probes += drafts ? 1 : 0;
    CHECK(drafts == ((round + 1) % 8 == 0));                         // one round was played before the loop
    if (drafts) CHECK_FALSE(rule.keep_drafting({.top_prob = 0.5}));  // one token, no more
    rule.end_round(0, drafts ? 1 : 0);
  }
  CHECK(probes == 10);
  online_rule never({.probe_interval = 4, .prior_acceptance = 0.0});  // nothing to gain: probes only, from the first round on
  CHECK(never.rejection_threshold() == 0.0);
  for (int round = 0; round < 9; ++round) {
    CHECK(never.begin_round() == (round % 4 == 0));
    never.end_round(0, 0);
  }
  for (int i = 0; i < 5000; ++i) rule.add_overlap(0.5, 0.95);
  rule.end_round(1, 1);
  CHECK(rule.begin_round());
  CHECK(rule.keep_drafting({.top_prob = 0.5}));
}

TEST_CASE("acceptance statistics: buckets and merging", "[speculative][draft_length_online]") {
  CHECK(acceptance_statistics::bucket_of(0.0) == 0);
  CHECK(acceptance_statistics::bucket_of(0.0624) == 0);
  CHECK(acceptance_statistics::bucket_of(0.0625) == 1);
  CHECK(acceptance_statistics::bucket_of(1.0) == 15);
  acceptance_statistics a;
  acceptance_statistics b;
  acceptance_statistics c;
  a.add_overlap(0.5, 0.25);
  a.rounds.add_round(1, 2);
  b.add_overlap(0.5, 0.75);
  b.add_overlap(0.9, 0.5);
  b.rounds.add_round(3, 3);
  c.add_overlap(0.1, 0.125);
  const acceptance_statistics left = merge(merge(a, b), c);
  CHECK(left == merge(a, merge(b, c)));
  CHECK(left == merge(c, merge(b, a)));
  CHECK(left.count[8] == 2.0);
  CHECK(left.overlap_sum[8] == 1.0);
  CHECK(left.rounds.tokens == 6);
  CHECK(left.rounds.discarded == 1);
  // A rule that starts from merged statistics knows what a rule that saw everything knows.
  online_rule whole;
  whole.add_overlap(0.5, 0.25);
  whole.end_round(1, 2);
  whole.add_overlap(0.5, 0.75);
  whole.add_overlap(0.9, 0.5);
  whole.end_round(3, 3);
  const online_rule continued(online_rule_options{}, merge(a, b));
  CHECK(continued.statistics() == whole.statistics());
  CHECK(continued.time_per_token() == whole.time_per_token());
  CHECK(continued.mean_acceptance() == whole.mean_acceptance());
}

TEST_CASE("online rule: bad input is named and changes nothing", "[speculative][draft_length_online][errors]") {
  const std::string prefix = "gavel::speculative::online_rule: ";
  CHECK(message_of([] { online_rule({.cost = {1.0, -2.0}}); }) == prefix + "target_time = -2, must be finite and > 0");
  CHECK(message_of([] { online_rule({.max_length = 0}); }) == prefix + "max_length = 0, must be >= 1");
  CHECK(message_of([] { online_rule({.probe_interval = 0}); }) == prefix + "probe_interval = 0, must be >= 1");
  CHECK(message_of([] { online_rule({.prior_acceptance = 1.1}); }) == prefix + "prior_acceptance = 1.1, must be in [0, 1]");
  CHECK(message_of([] { online_rule({.prior_weight = 0.0}); }) == prefix + "prior_weight = 0, must be finite and > 0");
  CHECK_NOTHROW(online_rule({.max_length = 1, .probe_interval = 1, .prior_acceptance = 0.0}));
  online_rule rule;
  const online_rule before = rule;
  CHECK(message_of([&] { rule.add_overlap(0.5, 1.5); }) ==
        "gavel::speculative::acceptance_statistics::add_overlap: overlap = 1.5, must be in [0, 1]");
  CHECK(message_of([&] { rule.add_overlap(not_a_number, 0.5); }) ==
        "domain: gavel::speculative::acceptance_statistics::add_overlap: top_prob = nan, must be in [0, 1]");
  CHECK(message_of([&] { (void)rule.keep_drafting({.top_prob = -1.0}); }) ==
        "gavel::speculative::online_rule::keep_drafting: top_prob = -1, must be in [0, 1]");
  CHECK(message_of([&] { rule.end_round(2, 1); }) == "gavel::speculative::online_rule::end_round: accepted = 2, must be <= drafted 1");
  CHECK(rule == before);
}

}  // namespace draft_length_online_test
