// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/core/philox.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/speculative/draft_length_optimum.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <string>
#include <vector>

namespace draft_length_optimum_test {

using namespace gavel::testing;
using namespace gavel::speculative;

namespace {

struct model {
  std::vector<double> acceptance;
  std::vector<double> probs;
  speculation_cost cost;
};

// Unrestricted dynamic programme over count states: at a price g per token, the least cost of the rest of a round that may stop or go on
// anywhere (no assumption about thresholds), with a horizon beyond which rounds end. The optimal g makes a whole round worth nothing.
double round_value(const model& m, double price, std::size_t horizon) {
  const std::size_t levels = m.acceptance.size();
  std::map<std::vector<std::size_t>, double> later;  // states with k + 1 drafts; at the horizon all are worth 0 (stop)
  std::map<std::vector<std::size_t>, double> now;
  std::vector<std::vector<std::vector<std::size_t>>> states(horizon + 1);
  states[0].push_back(std::vector<std::size_t>(levels, 0));
  for (std::size_t k = 0; k < horizon; ++k) {
    for (const auto& state : states[k]) {
      for (std::size_t i = 0; i < levels; ++i) {
        auto next = state;
        ++next[i];
        states[k + 1].push_back(next);
      }
    }
    std::sort(states[k + 1].begin(), states[k + 1].end());
    states[k + 1].erase(std::unique(states[k + 1].begin(), states[k + 1].end()), states[k + 1].end());
  }
  for (std::size_t k = horizon + 1; k-- > 0;) {
    now.clear();
    for (const auto& state : states[k]) {
      double best = 0.0;  // stop
      if (k < horizon) {
        double product = 1.0;
        for (std::size_t i = 0; i < levels; ++i) product *= std::pow(m.acceptance[i], static_cast<double>(state[i]));
        double go_on = m.cost.draft_time;
        for (std::size_t i = 0; i < levels; ++i) {
          auto next = state;
          ++next[i];
          go_on += m.probs[i] * (-price * product * m.acceptance[i] + later.at(next));
        }
        best = std::min(best, go_on);
      }
      now[state] = best;
    }
    later.swap(now);
  }
  return m.cost.target_time - price + later.begin()->second;
}

double optimum_by_dynamic_programming(const model& m, std::size_t horizon) {
  double low = 0.0;
  double high = m.cost.target_time;
  for (int step = 0; step < 60; ++step) {
    const double middle = 0.5 * (low + high);
    (round_value(m, middle, horizon) > 0.0 ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

// Runs a rule on every sequence of levels, weighted by its probability: expected drafts and accepted drafts of a round.
template <length_rule R>
void follow(const model& m, const R& rule, double prob, double product, double& drafted, double& accepted) {
  for (std::size_t i = 0; i < m.acceptance.size(); ++i) {
    const double here = prob * m.probs[i];
    if (here < 1e-18) continue;
    R next = rule;
    const double reached = product * m.acceptance[i];
    drafted += here;
    accepted += here * reached;
    if (next.keep_drafting({.predicted_acceptance = m.acceptance[i]})) follow(m, next, here, reached, drafted, accepted);
  }
}

template <length_rule R>
double time_per_token(const model& m, R rule, double* mean_drafted = nullptr, double* mean_accepted = nullptr) {
  double drafted = 0.0;
  double accepted = 0.0;
  if (rule.begin_round()) follow(m, rule, 1.0, 1.0, drafted, accepted);
  if (mean_drafted != nullptr) *mean_drafted = drafted;
  if (mean_accepted != nullptr) *mean_accepted = accepted;
  return (m.cost.draft_time * drafted + m.cost.target_time) / (1.0 + accepted);
}

const std::vector<model> models{
    {{0.95, 0.3}, {0.75, 0.25}, {1.0, 8.0}},
    {{0.9, 0.6, 0.45}, {0.6, 0.0, 0.4}, {1.0, 6.0}},
    {{0.9, 0.7, 0.2}, {0.5, 0.3, 0.2}, {1.0, 6.0}},
    {{0.8}, {1.0}, {1.0, 10.0}},
    {{0.5, 0.0}, {0.5, 0.5}, {0.3, 2.0}},
    {{0.2, 0.05}, {0.5, 0.5}, {1.0, 1.2}},
    {{0.9}, {1.0}, {2.0, 1.5}},
};

}  // namespace

static_assert(length_rule<lookahead_rule>);
static_assert(draft_length_optimum_options{} == draft_length_optimum_options{.max_length = 256, .max_states = 1'000'000});
static_assert(speculation_cost{} == speculation_cost{.draft_time = 1.0, .target_time = 8.0});

TEST_CASE("the optimum is that of the unrestricted dynamic programme", "[speculative][draft_length_optimum]") {
  for (const model& m : models) {
    const draft_length_optimum_result found = optimal_draft_length(m.acceptance, m.probs, m.cost);
    INFO("levels " << m.acceptance.size() << ", first " << m.acceptance[0] << ", g " << found.time_per_token);
    CHECK(found.time_per_token == Approx(optimum_by_dynamic_programming(m, m.acceptance.size() == 3 ? 16 : 34)).epsilon(1e-9));
  }
}

TEST_CASE("with a bound on the length the optimum is that of the bounded programme", "[speculative][draft_length_optimum]") {
  for (const model& m : models) {
    for (const std::size_t bound : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{7}}) {
      const draft_length_optimum_result found = optimal_draft_length(m.acceptance, m.probs, m.cost, {.max_length = bound});
      INFO("first level " << m.acceptance[0] << ", bound " << bound);
      CHECK(found.time_per_token == Approx(optimum_by_dynamic_programming(m, bound)).epsilon(1e-12));
      CHECK(time_per_token(m, lookahead_rule(found, bound)) == Approx(found.time_per_token).epsilon(1e-12));
    }
  }
}

TEST_CASE("random levels: optimum by dynamic programme, never above the best fixed length", "[speculative][draft_length_optimum]") {
  gavel::philox4x32 rng(7);
  for (int trial = 0; trial < 25; ++trial) {
    model m;
    const std::size_t levels = 1 + gavel::uniform_index(rng, 3);
    double total = 0.0;
    for (std::size_t i = 0; i < levels; ++i) {
      m.acceptance.push_back(0.85 * gavel::uniform(rng));
      m.probs.push_back(gavel::uniform(rng) + 0.01);
      total += m.probs.back();
    }
    for (double& prob : m.probs) prob /= total;
    m.cost = {0.2 + gavel::uniform(rng), 1.0 + 5.0 * gavel::uniform(rng)};
    const draft_length_optimum_result found = optimal_draft_length(m.acceptance, m.probs, m.cost);
    CHECK(found.time_per_token == Approx(optimum_by_dynamic_programming(m, 14)).epsilon(2e-4));  // the horizon cuts rare long rounds
    CHECK(found.time_per_token <= found.best_fixed.time_per_token * (1.0 + 1e-12));
    CHECK(found.time_per_token <= m.cost.target_time);
    CHECK(found.gain_over_best_fixed >= -1e-12);
    CHECK(found.iterations <= 20);
  }
}

TEST_CASE("the look-ahead rule attains the optimum, by enumeration of level sequences", "[speculative][draft_length_optimum]") {
  for (const model& m : models) {
    const draft_length_optimum_result found = optimal_draft_length(m.acceptance, m.probs, m.cost);
    double drafted = 0.0;
    double accepted = 0.0;
    const double time = time_per_token(m, lookahead_rule(found), &drafted, &accepted);
    INFO("first level " << m.acceptance[0]);
    CHECK(time == Approx(found.time_per_token).epsilon(1e-11));
    CHECK(drafted == Approx(found.mean_drafted).epsilon(1e-11).margin(1e-300));
    CHECK(accepted == Approx(found.mean_accepted).epsilon(1e-11).margin(1e-300));
  }
}

TEST_CASE("no other threshold is better", "[speculative][draft_length_optimum]") {
  for (std::size_t which = 0; which < 5; ++which) {
    const model& m = models[which];
    const draft_length_optimum_result found = optimal_draft_length(m.acceptance, m.probs, m.cost);
    for (double threshold = 0.0; threshold < 0.96; threshold += 0.03) {
      const threshold_rule rule({.threshold = threshold, .min_length = 1, .max_length = 200, .lag = 0});
      CHECK(time_per_token(m, rule) >= found.time_per_token * (1.0 - 1e-12));
    }
  }
}

TEST_CASE("probabilities that sum to one within the tolerance are divided by their sum", "[speculative][draft_length_optimum]") {
  const std::vector<double> acceptance{0.95, 0.3};
  const draft_length_optimum_result exact = optimal_draft_length(acceptance, std::vector<double>{0.75, 0.25}, {1.0, 8.0});
  const double off = 1.0 + 9e-7;
  const draft_length_optimum_result scaled = optimal_draft_length(acceptance, std::vector<double>{0.75 * off, 0.25 * off}, {1.0, 8.0});
  CHECK(scaled.mean_acceptance == Approx(exact.mean_acceptance).epsilon(1e-14));
  CHECK(scaled.time_per_token == Approx(exact.time_per_token).epsilon(1e-13));
}

TEST_CASE("constant acceptance reduces to the best fixed length", "[speculative][draft_length_optimum]") {
  for (const double a : {0.1, 0.4, 0.65, 0.8, 0.9, 0.97}) {
    for (const double target_time : {1.5, 4.0, 10.0, 60.0}) {
      const speculation_cost cost{1.0, target_time};
      const draft_length_optimum_result found = optimal_draft_length(std::vector{a}, std::vector{1.0}, cost);
      INFO("a " << a << " target time " << target_time);
      CHECK(found.time_per_token == Approx(found.best_fixed.time_per_token).epsilon(1e-13));
      CHECK(found.mean_drafted == Approx(static_cast<double>(found.best_fixed.length)).margin(1e-9));
      CHECK(found.gain_over_best_fixed == Approx(0.0).margin(1e-13));
      CHECK(lookahead_rule(found) == lookahead_rule(found));
    }
  }
  CHECK(best_fixed_length(0.8, {1.0, 10.0}).length == 6);
  // Merging equal levels, splitting one or adding an impossible one changes nothing.
  const double whole = optimal_draft_length(std::vector{0.7, 0.9}, std::vector{0.5, 0.5}, {1.0, 5.0}).time_per_token;
  const double split = optimal_draft_length(std::vector{0.7, 0.9, 0.7, 0.1}, std::vector{0.2, 0.5, 0.3, 0.0}, {1.0, 5.0}).time_per_token;
  CHECK(split == Approx(whole).epsilon(1e-13));
}

TEST_CASE("fixed lengths: closed form against the sum, and the scan finds the least", "[speculative][draft_length_optimum]") {
  const speculation_cost cost{0.7, 9.0};
  for (const double a : {0.0, 1e-9, 0.3, 0.8, 0.999, 1.0 - 1e-12, 1.0}) {
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t length = 0; length <= 60; ++length) {
      double tokens = 0.0;
      for (std::size_t i = 0; i <= length; ++i) tokens += std::pow(a, static_cast<double>(i));
      const double time = (static_cast<double>(length) * cost.draft_time + cost.target_time) / tokens;
      CHECK(fixed_length_time_per_token(a, length, cost) == Approx(time).epsilon(1e-13));
      least = std::min(least, time);
    }
    CHECK(best_fixed_length(a, cost, 60).time_per_token == Approx(least).epsilon(1e-13));
  }
  CHECK(best_fixed_length(1.0, cost, 60).length == 60);  // every longer round is better
  CHECK(best_fixed_length(1.0, cost).length == 256);
  CHECK(best_fixed_length(0.0, cost, 60).length == 0);
}

TEST_CASE("speculation that cannot pay drafts nothing", "[speculative][draft_length_optimum]") {
  CHECK(speculation_cost{1.0, 8.0}.speculation_can_pay());
  CHECK_FALSE(speculation_cost{2.0, 2.0}.speculation_can_pay());
  for (const auto& [acceptance, cost] : {std::pair{0.999, speculation_cost{2.0, 2.0}}, std::pair{1.0, speculation_cost{3.0, 2.0}},
                                         std::pair{0.5, speculation_cost{1.0, 2.0}}, std::pair{0.1, speculation_cost{1.0, 9.0}},
                                         std::pair{0.0, speculation_cost{0.0, 9.0}}}) {
    const draft_length_optimum_result found = optimal_draft_length(std::vector{acceptance}, std::vector{1.0}, cost);
    CHECK(found.status == draft_length_optimum_status::never_speculate);
    CHECK(found.time_per_token == cost.target_time);
    CHECK(found.rejection_threshold == 0.0);
    CHECK(found.mean_drafted == 0.0);
    CHECK(found.mean_accepted == 0.0);
    CHECK(found.best_fixed.length == 0);
    lookahead_rule rule(found);
    CHECK_FALSE(rule.begin_round());
  }
}

TEST_CASE("extremes: certain acceptance, free drafts, too many states", "[speculative][draft_length_optimum]") {
  const draft_length_optimum_result certain = optimal_draft_length(std::vector{1.0}, std::vector{1.0}, {1.0, 8.0}, {.max_length = 40});
  CHECK(certain.mean_drafted == Approx(40.0).epsilon(1e-12));
  CHECK(certain.time_per_token == Approx(48.0 / 41.0).epsilon(1e-12));
  const draft_length_optimum_result free =
      optimal_draft_length(std::vector{0.5, 0.0}, std::vector{0.8, 0.2}, {0.0, 8.0}, {.max_length = 12});
  CHECK(free.rejection_threshold == 1.0);  // only a certain rejection stops
  CHECK(free.time_per_token == Approx(optimum_by_dynamic_programming({{0.5, 0.0}, {0.8, 0.2}, {0.0, 8.0}}, 12)).epsilon(1e-12));
  const draft_length_optimum_result cut =
      optimal_draft_length(std::vector{0.99, 0.98, 0.97}, std::vector{0.3, 0.3, 0.4}, {1.0, 50.0}, {.max_states = 10});
  CHECK(cut.status == draft_length_optimum_status::state_limit);
  CHECK(cut.time_per_token == cut.best_fixed.time_per_token);
  CHECK(cut.mean_drafted == static_cast<double>(cut.best_fixed.length));
  CHECK((cut.mean_drafted + 50.0) / (1.0 + cut.mean_accepted) == Approx(cut.time_per_token).epsilon(1e-13));
  const draft_length_optimum_result whole = optimal_draft_length(std::vector{0.99, 0.98, 0.97}, std::vector{0.3, 0.3, 0.4}, {1.0, 50.0});
  CHECK(whole.status == draft_length_optimum_status::converged);
  CHECK(whole.time_per_token < cut.time_per_token);
  // A constant level with rounds of six drafts has six states, which is the limit that still suffices.
  const auto status_within = [](std::size_t states) {
    return optimal_draft_length(std::vector{0.8}, std::vector{1.0}, {1.0, 10.0}, {.max_states = states}).status;
  };
  CHECK(status_within(6) == draft_length_optimum_status::converged);
  CHECK(status_within(5) == draft_length_optimum_status::state_limit);
}

TEST_CASE("the look-ahead rule without a model, and at the end of its length", "[speculative][draft_length_optimum]") {
  CHECK_FALSE(lookahead_rule().begin_round());
  lookahead_rule endless(optimal_draft_length(std::vector{1.0}, std::vector{1.0}, {0.0, 8.0}));  // free drafts, all accepted
  REQUIRE(endless.begin_round());
  std::size_t drafted = 1;
  while (endless.keep_drafting({.predicted_acceptance = 1.0})) ++drafted;
  CHECK(drafted == 256);
}

TEST_CASE("totals of rounds", "[speculative][draft_length_optimum]") {
  speculation_counts counts;
  CHECK(counts.time_per_token({}) == 0.0);
  CHECK(counts.discard_rate() == 0.0);
  counts.add_round(3, 5);
  counts.add_round(4, 4);
  counts.add_round(0, 0);
  CHECK(counts.tokens == 10);
  CHECK(counts.discarded == 2);
  CHECK(counts.rounds == 3);
  CHECK(counts.drafted() == 9);
  CHECK(counts.discard_rate() == Approx(0.2));
  CHECK(counts.verification_rate() == Approx(0.3));
  CHECK(counts.time_per_token({0.5, 7.0}) == Approx((9 * 0.5 + 3 * 7.0) / 10).epsilon(1e-14));
  speculation_counts other;
  other.add_round(1, 2);
  const speculation_counts both = merge(counts, other);
  CHECK(both.tokens == 12);
  CHECK(both.drafted() == 11);
  CHECK(both == merge(other, counts));
  CHECK(message_of([&] { counts.add_round(3, 2); }) ==
        "gavel::speculative::speculation_counts::add_round: accepted = 3, must be <= drafted 2");
  CHECK(counts.tokens == 10);
}

TEST_CASE("bad models are named", "[speculative][draft_length_optimum][errors]") {
  const std::string prefix = "gavel::speculative::optimal_draft_length: ";
  const auto refusal = [](const std::vector<double>& acceptance, const std::vector<double>& probs, const speculation_cost& cost = {},
                          const draft_length_optimum_options& options = {}) {
    return message_of([&] { (void)optimal_draft_length(acceptance, probs, cost, options); });
  };
  CHECK(refusal({}, {}) == prefix + "acceptance.size() = 0, must be >= 1");
  CHECK(refusal(std::vector<double>(17, 0.5), std::vector<double>(17, 1.0 / 17)) == prefix + "acceptance.size() = 17, must be <= 16");
  CHECK(refusal(std::vector<double>(16, 0.5), std::vector<double>(16, 1.0 / 16)) == "no exception");
  CHECK(refusal({0.5, 0.2}, {1.0}) == prefix + "probs.size() = 1, must equal acceptance.size() 2");
  CHECK(refusal({0.5, 1.5}, {0.5, 0.5}) == prefix + "acceptance[1] = 1.5, must be in [0, 1]");
  CHECK(refusal({not_a_number}, {1.0}) == "domain: " + prefix + "acceptance[0] = nan, must be in [0, 1]");
  CHECK(refusal({0.5, 0.5}, {0.5, 0.4}) == "domain: " + prefix + "sum of probs = 0.9, must be 1 within 1e-06");
  CHECK(refusal({0.5}, {1.0}, {-1.0, 8.0}) == prefix + "draft_time = -1, must be finite and >= 0");
  CHECK(refusal({0.5}, {1.0}, {1.0, 0.0}) == prefix + "target_time = 0, must be finite and > 0");
  CHECK(refusal({0.5}, {1.0}, {}, {.max_length = 0}) == prefix + "max_length = 0, must be >= 1");
  CHECK(refusal({0.5}, {1.0}, {}, {.max_states = 0}) == prefix + "max_states = 0, must be >= 1");
  CHECK(message_of([&] { (void)fixed_length_time_per_token(1.5, 2, {}); }) ==
        "gavel::speculative::fixed_length_time_per_token: acceptance = 1.5, must be in [0, 1]");
  CHECK(message_of([&] { (void)lookahead_rule(draft_length_optimum_result{}, 0); }) ==
        "gavel::speculative::lookahead_rule: max_length = 0, must be >= 1");
  lookahead_rule rule(optimal_draft_length(std::vector{0.9}, std::vector{1.0}, {}));
  CHECK(rule.begin_round());
  CHECK(message_of([&] { (void)rule.keep_drafting({.predicted_acceptance = 2.0}); }) ==
        "gavel::speculative::lookahead_rule::keep_drafting: predicted_acceptance = 2, must be in [0, 1]");
}

}  // namespace draft_length_optimum_test
