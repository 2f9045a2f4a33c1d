// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/speculative/draft_length.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

namespace draft_length_test {

using namespace gavel::testing;
using namespace gavel::speculative;

namespace {

// One round of the engine's loop; the prediction for token t arrives `lag` tokens late.
std::size_t drafts_of_round(threshold_rule& rule, const std::vector<double>& predicted) {
  std::size_t drafted = 0;
  draft_observation observation;
  for (bool more = rule.begin_round(); more; more = rule.keep_drafting(observation)) {
    ++drafted;
    observation.predicted_acceptance = drafted > rule.lag() ? predicted.at(drafted - 1 - rule.lag()) : not_a_number;
  }
  rule.end_round(0, drafted);
  return drafted;
}

// Any rule on one repeated observation.
template <class R>
  requires length_rule<std::remove_cvref_t<R>>
std::size_t drafts_of_round(R&& rule, const draft_observation& observation, std::size_t limit = 1000) {
  std::size_t drafted = 0;
  for (bool more = rule.begin_round(); more && drafted < limit; more = rule.keep_drafting(observation)) ++drafted;
  return drafted;
}

}  // namespace

static_assert(length_rule<threshold_rule> && length_rule<fixed_length_rule> && length_rule<heuristic_rule> &&
              length_rule<confidence_rule> && length_rule<entropy_rule> && length_rule<listed_length_rule>);

namespace near_miss {
struct forgets_end_round {
  bool begin_round() { return true; }
  bool keep_drafting(const draft_observation&) { return false; }
  friend bool operator==(const forgets_end_round&, const forgets_end_round&) = default;
};
}  // namespace near_miss
static_assert(!length_rule<near_miss::forgets_end_round>);
static_assert(!length_rule<int>);

// The defaults, each written out.
static_assert(threshold_rule_options{} == threshold_rule_options{.threshold = 0.3, .min_length = 2, .max_length = 20, .lag = 1});
static_assert(heuristic_rule_options{} == heuristic_rule_options{.initial_length = 5, .increase = 2, .decrease = 1, .max_length = ~0ull});
static_assert(confidence_rule_options{} == confidence_rule_options{.threshold = 0.4, .min_length = 1, .max_length = 20});
static_assert(entropy_rule_options{} == entropy_rule_options{.scale = 0.2, .threshold = 0.4, .min_length = 1, .max_length = 20});

TEST_CASE("threshold rule follows its definition for every threshold, bound and lag", "[speculative][draft_length]") {
  const std::vector<double> predicted{0.9, 0.8, 1.0, 0.7, 0.99, 0.5, 0.95, 0.6, 0.9, 0.9, 0.9, 0.9};
  for (const double threshold : {0.0, 0.1, 0.28, 0.3, 0.5, 0.8, 1.0}) {
    for (std::size_t min_length = 0; min_length <= 6; ++min_length) {
      for (const std::size_t max_length : {std::size_t{6}, std::size_t{12}}) {
        for (const std::size_t lag : {std::size_t{0}, std::size_t{1}}) {
          std::size_t expected = 0;
          double product = 1.0;
          for (std::size_t t = 1;; ++t) {
            if (t > lag) product *= predicted[t - 1 - lag];
            expected = t;
            if (t >= max_length) break;
            if (t >= min_length && 1.0 - product > threshold + 1e-15) break;
          }
          threshold_rule rule({.threshold = threshold, .min_length = min_length, .max_length = max_length, .lag = lag});
          INFO("h " << threshold << " min " << min_length << " max " << max_length << " lag " << lag);
          CHECK(drafts_of_round(rule, predicted) == expected);
          CHECK(rule.product() == Approx(product).margin(1e-14));
          CHECK(rule.rejection_prob() == Approx(1.0 - product).margin(1e-14));
          CHECK(drafts_of_round(rule, predicted) == expected);  // a new round starts from nothing
        }
      }
    }
  }
}

TEST_CASE("threshold rule: comparison is strict, zero and one are extremes", "[speculative][draft_length]") {
  threshold_rule strict({.threshold = 0.5, .min_length = 1, .max_length = 3, .lag = 0});
  CHECK(drafts_of_round(strict, {0.5, 0.999, 0.9}) == 2);  // 1 - 0.5 > 0.5 is false
  threshold_rule never({.threshold = 1.0, .min_length = 1, .max_length = 7, .lag = 0});
  CHECK(drafts_of_round(never, {0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0}) == 7);
  CHECK(never.product() == 0.0);
  CHECK(never.rejection_prob() == 1.0);
  threshold_rule at_once({.threshold = 0.0, .min_length = 1, .max_length = 20, .lag = 0});
  CHECK(drafts_of_round(at_once, {1.0, 1.0, 0x1.fffffffffffffp-1, 0.5}) == 3);  // the first predicted risk, however small
}

TEST_CASE("threshold rule: long rounds do not underflow", "[speculative][draft_length]") {
  threshold_rule rule({.threshold = 1.0, .min_length = 1, .max_length = 5000, .lag = 0});
  CHECK(drafts_of_round(rule, std::vector<double>(5000, 0.5)) == 5000);
  CHECK(rule.product() == 0.0);  // the product itself is below the smallest double
  CHECK(rule.rejection_prob() == 1.0);
  // 1 - prod keeps its digits near zero, where 1 - exp(log) would have lost half of them.
  const double almost = 1.0 - 1e-10;
  const double risk = 1.0 - almost;
  threshold_rule sure({.threshold = 1.0, .min_length = 1, .max_length = 2, .lag = 0});
  CHECK(drafts_of_round(sure, {almost, almost}) == 2);
  CHECK(sure.rejection_prob() == Approx(2.0 * risk - risk * risk).epsilon(1e-13));
}

TEST_CASE("every rule stops at the end of a sequence", "[speculative][draft_length]") {
  const draft_observation end{.end_of_sequence = true};
  CHECK(drafts_of_round(threshold_rule({.threshold = 1.0, .min_length = 5, .lag = 0}), end) == 1);
  CHECK(drafts_of_round(fixed_length_rule(7), end) == 1);
  CHECK(drafts_of_round(heuristic_rule(), end) == 1);
  CHECK(drafts_of_round(confidence_rule({.min_length = 5}), end) == 1);
  CHECK(drafts_of_round(entropy_rule({.min_length = 5}), end) == 1);
  CHECK(drafts_of_round(listed_length_rule(std::vector<std::size_t>{4, 4}), end) == 1);
}

TEST_CASE("fixed and listed lengths", "[speculative][draft_length]") {
  for (std::size_t length = 0; length < 8; ++length) {
    fixed_length_rule rule(length);
    CHECK(drafts_of_round(rule, {}) == length);
    CHECK(drafts_of_round(rule, {}) == length);
  }
  CHECK(fixed_length_rule() == fixed_length_rule(5));
  const std::vector<std::size_t> lengths{3, 0, 1, 5};
  listed_length_rule listed(lengths);
  for (const std::size_t length : lengths) {
    CHECK(drafts_of_round(listed, {}) == length);
    listed.end_round(0, length);
  }
  CHECK(message_of([&] { (void)listed.begin_round(); }) ==
        "gavel::speculative::listed_length_rule::begin_round: round = 4, must be < lengths.size() 4");
}

TEST_CASE("heuristic: two more after full success, one less otherwise, never below one", "[speculative][draft_length]") {
  heuristic_rule rule;
  CHECK(rule.length() == 5);
  CHECK(drafts_of_round(rule, {}) == 5);
  rule.end_round(5, 5);
  CHECK(drafts_of_round(rule, {}) == 7);
  rule.end_round(6, 7);
  CHECK(rule.length() == 6);
  for (int i = 0; i < 10; ++i) rule.end_round(0, rule.length());
  CHECK(rule.length() == 1);
  CHECK(drafts_of_round(rule, {}) == 1);

  heuristic_rule bounded({.initial_length = 3, .increase = 4, .decrease = 2, .max_length = 6});
  bounded.end_round(3, 3);
  CHECK(bounded.length() == 6);
  bounded.end_round(5, 6);
  CHECK(bounded.length() == 4);
  CHECK(message_of([&] { bounded.end_round(5, 4); }) ==
        "gavel::speculative::heuristic_rule::end_round: accepted = 5, must be <= drafted 4");
  CHECK(bounded.length() == 4);

  heuristic_rule huge({.initial_length = 1, .increase = std::numeric_limits<std::size_t>::max()});
  huge.end_round(1, 1);
  huge.end_round(1, 1);
  CHECK(huge.length() == std::numeric_limits<std::size_t>::max());  // saturates, does not wrap
}

TEST_CASE("confidence and entropy rules", "[speculative][draft_length]") {
  confidence_rule confidence({.threshold = 0.4, .min_length = 1, .max_length = 9});
  CHECK(drafts_of_round(confidence, {.top_prob = 0.39}) == 1);
  CHECK(drafts_of_round(confidence, {.top_prob = 0.4}) == 9);  // strictly below
  CHECK(drafts_of_round(confidence_rule({.threshold = 0.4, .min_length = 3}), {.top_prob = 0.1}) == 3);
  CHECK(drafts_of_round(entropy_rule({.scale = 0.25, .threshold = 0.5, .min_length = 3}), {.entropy = 1.44}) == 3);

  // 1 - sqrt(0.25 * 1.44) = 0.4
  entropy_rule entropy({.scale = 0.25, .threshold = 0.5, .max_length = 9});
  CHECK(drafts_of_round(entropy, {.entropy = 1.44}) == 1);
  CHECK(drafts_of_round(entropy, {.entropy = 0.99}) == 9);
  CHECK(drafts_of_round(entropy, {.entropy = 1.0}) == 9);   // below the threshold, not at it
  CHECK(drafts_of_round(entropy, {.entropy = 1.01}) == 1);  // the turn is at H = (1 - tau)^2 / gamma = 1
  CHECK(drafts_of_round(entropy, {.entropy = std::numeric_limits<double>::infinity()}) == 1);
}

TEST_CASE("observe_draft: largest probability and entropy in nats", "[speculative][draft_length]") {
  const draft_observation uniform = observe_draft(std::vector<double>(8, 0.125));
  CHECK(uniform.top_prob == 0.125);
  CHECK(uniform.entropy == Approx(std::log(8.0)).epsilon(1e-14));
  const draft_observation sure = observe_draft(std::vector<float>{0.0f, 1.0f, 0.0f});
  CHECK(sure.top_prob == 1.0);
  CHECK(sure.entropy == 0.0);
  const draft_observation rounded = observe_draft(std::vector<double>{1.0 + 1e-9, 0.0});
  CHECK(rounded.top_prob == 1.0);
  CHECK(rounded.entropy == 0.0);
  const draft_observation mixed = observe_draft(std::vector<double>{0.5, 0.2, 0.3});
  CHECK(mixed.top_prob == 0.5);
  CHECK(mixed.entropy == Approx(-0.5 * std::log(0.5) - 0.2 * std::log(0.2) - 0.3 * std::log(0.3)).epsilon(1e-14));
  CHECK(mixed.predicted_acceptance == 1.0);
  CHECK_FALSE(mixed.end_of_sequence);
  CHECK(draft_observation{}.top_prob == 1.0);
  CHECK(draft_observation{}.entropy == 0.0);
  CHECK(message_of([] { (void)observe_draft(std::vector<double>{}); }) ==
        "gavel::speculative::observe_draft: probs.size() = 0, must be >= 1");
  CHECK(message_of([] { (void)observe_draft(std::vector<double>{0.5, -0.25}); }) ==
        "domain: gavel::speculative::observe_draft: probs[1] = -0.25, must be in [0, 1]");
  CHECK(message_of([&] { (void)observe_draft(std::vector<double>{0.5, not_a_number}); }) ==
        "domain: gavel::speculative::observe_draft: probs[1] = nan, must be in [0, 1]");
  CHECK(message_of([&] { (void)observe_draft(std::vector<double>{1.00001}); }) ==
        "domain: gavel::speculative::observe_draft: probs[0] = 1.00001, must be in [0, 1]");
  CHECK(observe_draft(std::vector<double>{1.0 + 1e-6}).top_prob == 1.0);
}

TEST_CASE("options out of range are named", "[speculative][draft_length][errors]") {
  const std::string prefix = "gavel::speculative::";
  CHECK(message_of([] { threshold_rule({.threshold = 1.5}); }) == prefix + "threshold_rule: threshold = 1.5, must be in [0, 1]");
  CHECK(message_of([] { threshold_rule({.threshold = not_a_number}); }) ==
        "domain: " + prefix + "threshold_rule: threshold = nan, must be in [0, 1]");
  CHECK(message_of([] { threshold_rule({.min_length = 6, .max_length = 5}); }) ==
        prefix + "threshold_rule: min_length = 6, must be <= max_length 5");
  CHECK(message_of([] { threshold_rule({.min_length = 0, .max_length = 0}); }) == prefix + "threshold_rule: max_length = 0, must be >= 1");
  CHECK(message_of([] { threshold_rule({.lag = 2}); }) == prefix + "threshold_rule: lag = 2, must be <= 1");
  CHECK(message_of([] { heuristic_rule({.initial_length = 0}); }) == prefix + "heuristic_rule: initial_length = 0, must be >= 1");
  CHECK(message_of([] { heuristic_rule({.initial_length = 9, .max_length = 8}); }) ==
        prefix + "heuristic_rule: initial_length = 9, must be <= max_length 8");
  CHECK(message_of([] { heuristic_rule({.max_length = 0}); }) == prefix + "heuristic_rule: max_length = 0, must be >= 1");
  CHECK(message_of([] { confidence_rule({.threshold = 2.0}); }) == prefix + "confidence_rule: threshold = 2, must be in [0, 1]");
  CHECK(message_of([] { confidence_rule({.min_length = 21}); }) == prefix + "confidence_rule: min_length = 21, must be <= max_length 20");
  CHECK(message_of([] { confidence_rule({.min_length = 0, .max_length = 0}); }) ==
        prefix + "confidence_rule: max_length = 0, must be >= 1");
  CHECK(message_of([] { entropy_rule({.scale = -1.0}); }) == prefix + "entropy_rule: scale = -1, must be finite and >= 0");
  CHECK(message_of([] { entropy_rule({.threshold = 1.25}); }) == prefix + "entropy_rule: threshold = 1.25, must be in [0, 1]");
  CHECK(message_of([] { entropy_rule({.min_length = 21}); }) == prefix + "entropy_rule: min_length = 21, must be <= max_length 20");
  CHECK(message_of([] { entropy_rule({.min_length = 0, .max_length = 0}); }) == prefix + "entropy_rule: max_length = 0, must be >= 1");
  // The ends of the ranges are inside.
  CHECK_NOTHROW(threshold_rule({.threshold = 0.0, .min_length = 1, .max_length = 1}));
  CHECK_NOTHROW(heuristic_rule({.initial_length = 1, .max_length = 1}));
  CHECK_NOTHROW(confidence_rule({.threshold = 1.0, .max_length = 1}));
  CHECK_NOTHROW(entropy_rule({.scale = 0.0, .threshold = 0.0, .max_length = 1}));
}

TEST_CASE("bad observations throw and leave the rule as it was", "[speculative][draft_length][errors]") {
  threshold_rule threshold({.lag = 0});
  (void)threshold.begin_round();
  CHECK(threshold.keep_drafting({.predicted_acceptance = 0.9}));
  const threshold_rule before = threshold;
  const std::string keep = "gavel::speculative::threshold_rule::keep_drafting: predicted_acceptance = ";
  CHECK(message_of([&] { (void)threshold.keep_drafting({.predicted_acceptance = -0.5}); }) == keep + "-0.5, must be in [0, 1]");
  CHECK(message_of([&] { (void)threshold.keep_drafting({.predicted_acceptance = 1.00000001}); }) == keep + "1.00000001, must be in [0, 1]");
  CHECK(message_of([&] { (void)threshold.keep_drafting({.predicted_acceptance = not_a_number}); }) ==
        "domain: " + keep + "nan, must be in [0, 1]");
  CHECK(threshold == before);

  confidence_rule confidence;
  CHECK(message_of([&] { (void)confidence.keep_drafting({.top_prob = 1.5}); }) ==
        "gavel::speculative::confidence_rule::keep_drafting: top_prob = 1.5, must be in [0, 1]");
  CHECK(confidence == confidence_rule());
  entropy_rule entropy;
  CHECK(message_of([&] { (void)entropy.keep_drafting({.entropy = -0.5}); }) ==
        "gavel::speculative::entropy_rule::keep_drafting: entropy = -0.5, must be >= 0");
  CHECK(message_of([&] { (void)entropy.keep_drafting({.entropy = not_a_number}); }) ==
        "domain: gavel::speculative::entropy_rule::keep_drafting: entropy = nan, must be >= 0");
  CHECK(entropy == entropy_rule());
}

}  // namespace draft_length_test
