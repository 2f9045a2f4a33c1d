// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/messages.hpp"

#include <gavel/core/goodness_of_fit.hpp>
#include <gavel/core/moments.hpp>
#include <gavel/speculative/draft_length_online.hpp>
#include <gavel/speculative/draft_length_simulation.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace draft_length_simulation_test {

using namespace gavel::testing;
using namespace gavel::speculative;

namespace {

const std::vector<double> two_levels{0.95, 0.3};
const std::vector<double> two_probs{0.75, 0.25};

// A pair of bigram models over five tokens; half of the contexts are easy to draft, half are hard.
struct bigram_rows {
  void operator()(std::span<const token_id> text, std::span<double> p, std::span<double> q) const {
    const std::size_t last = text.back();
    double p_sum = 0.0;
    double q_sum = 0.0;
    for (std::size_t x = 0; x < p.size(); ++x) {
      p[x] = 1.0 + static_cast<double>((last * 7 + x * x * 3) % 5);
      q[x] = last % 2 == 0 ? p[x] + 0.2 * static_cast<double>(x) : 1.0 + static_cast<double>((last + x * 2) % 7);
      if (x == last) p[x] = 0.0;  // a token the target never repeats
      p_sum += p[x];
      q_sum += q[x];
    }
    for (std::size_t x = 0; x < p.size(); ++x) {
      p[x] /= p_sum;
      q[x] /= q_sum;
    }
  }
};

// p-value that the text's transitions follow the target, all contexts together.
double law_p_value(std::span<const token_id> text, std::size_t vocabulary) {
  std::vector<std::vector<std::uint64_t>> counts(vocabulary, std::vector<std::uint64_t>(vocabulary, 0));
  for (std::size_t i = 1; i < text.size(); ++i) ++counts[text[i - 1]][text[i]];
  double statistic = 0.0;
  double freedom = 0.0;
  std::vector<double> p(vocabulary);
  std::vector<double> q(vocabulary);
  for (token_id context = 0; context < vocabulary; ++context) {
    bigram_rows{}(std::span<const token_id>(&context, 1), p, q);
    const gavel::goodness_of_fit_result fit = gavel::g_test(counts[context], p);
    statistic += fit.statistic;
    freedom += static_cast<double>(fit.degrees_of_freedom);
  }
  REQUIRE(freedom > 0.0);
  return gavel::chi_square_survival(statistic, freedom);
}

}  // namespace

static_assert(draft_source<independent_levels>);
static_assert(draft_source<row_source<bigram_rows>>);
static_assert(!draft_source<bigram_rows>);
static_assert(draft_length_simulation_options{} ==
              draft_length_simulation_options{.tokens = 100'000, .seed = 1, .cost = speculation_cost{}, .max_length = 256});

TEST_CASE("simulated rules agree with the exact cost model", "[speculative][draft_length_simulation]") {
  const speculation_cost cost{1.0, 8.0};
  const draft_length_simulation_options options{.tokens = 400'000, .seed = 11, .cost = cost};
  const independent_levels source(two_levels, two_probs);
  const draft_length_optimum_result optimum = optimal_draft_length(two_levels, two_probs, cost);

  lookahead_rule best(optimum);
  fixed_length_rule fixed(5);
  fixed_length_rule never(0);
  const auto [adaptive, constant, plain] = compare_length_rules(source, options, best, fixed, never);

  CHECK(std::abs(adaptive.time_per_token.value - optimum.time_per_token) < 4.0 * adaptive.time_per_token.standard_error);
  CHECK(std::abs(constant.time_per_token.value - fixed_length_time_per_token(0.7875, 5, cost)) <
        4.0 * constant.time_per_token.standard_error);
  CHECK(adaptive.time_per_token.standard_error < 0.01);
  double mean = 0.0, squares = 0.0;
  for (const double time : adaptive.batch_times) mean += time / 40.0;
  for (const double time : adaptive.batch_times) squares += (time - mean) * (time - mean);
  CHECK(adaptive.time_per_token.standard_error == Approx(std::sqrt(squares / 39.0 / 40.0)).epsilon(1e-12));
  const double tokens_per_round = 1.0 + optimum.mean_accepted;
  CHECK(adaptive.verification_rate.value == Approx(1.0 / tokens_per_round).epsilon(0.005));
  CHECK(adaptive.discard_rate.value == Approx((optimum.mean_drafted - optimum.mean_accepted) / tokens_per_round).epsilon(0.01));

  CHECK(plain.time_per_token.value == 8.0);
  CHECK(plain.time_per_token.standard_error < 1e-12);
  CHECK(plain.verification_rate.value == 1.0);
  CHECK(plain.discard_rate.value == 0.0);

  // The totals are the sums of the batches.
  speculation_counts sum;
  for (const speculation_counts& batch : adaptive.batch_counts) sum.merge(batch);
  CHECK(sum == adaptive.counts);
  CHECK(adaptive.counts.tokens >= options.tokens);
  CHECK(adaptive.counts.time_per_token(cost) == adaptive.time_per_token.value);
}

TEST_CASE("standard errors are calibrated over seeds", "[speculative][draft_length_simulation]") {
  const speculation_cost cost{1.0, 8.0};
  const independent_levels source(two_levels, two_probs);
  const draft_length_optimum_result optimum = optimal_draft_length(two_levels, two_probs, cost);
  double squares = 0.0;
  constexpr int seeds = 40;
  for (int seed = 0; seed < seeds; ++seed) {
    lookahead_rule rule(optimum);
    const auto result = simulate_length_rule(source, rule, {.tokens = 20'000, .seed = static_cast<std::uint64_t>(seed), .cost = cost});
    const double z = (result.time_per_token.value - optimum.time_per_token) / result.time_per_token.standard_error;
    squares += z * z;
  }
  CHECK(squares / seeds > 0.5);  // mean of 40 squared scores: 1 +- 0.23
  CHECK(squares / seeds < 1.8);
}

TEST_CASE("common random numbers make differences precise", "[speculative][draft_length_simulation]") {
  const speculation_cost cost{1.0, 8.0};
  const draft_length_simulation_options options{.tokens = 100'000, .seed = 3, .cost = cost};
  const independent_levels source(two_levels, two_probs);
  lookahead_rule best(optimal_draft_length(two_levels, two_probs, cost));
  fixed_length_rule five(5);
  fixed_length_rule six(6);
  fixed_length_rule again(5);
  const auto results = compare_length_rules(source, options, best, five, six, again);
  const estimate gain = paired_difference(results[1], results[0]);
  CHECK(gain.value == Approx(3.62774769 - 3.20852930).margin(5.0 * gain.standard_error));
  CHECK(gain.value > 10.0 * gain.standard_error);
  const estimate close = paired_difference(results[2], results[1]);
  const double unpaired = std::hypot(results[2].time_per_token.standard_error, results[1].time_per_token.standard_error);
  CHECK(close.standard_error < 0.5 * unpaired);
  CHECK(close.value == Approx(3.6630047 - 3.6277477).margin(5.0 * close.standard_error));
  const estimate nothing = paired_difference(results[3], results[1]);
  CHECK(nothing.value == 0.0);
  CHECK(nothing.standard_error == 0.0);
  fixed_length_rule other(5);
  const auto another_seed = simulate_length_rule(source, other, {.tokens = 100'000, .seed = 4, .cost = cost});
  CHECK(another_seed.counts != results[1].counts);
}

TEST_CASE("the online rule reaches the optimum without being told anything",
          "[speculative][draft_length_simulation][draft_length_online]") {
  struct setting {
    std::vector<double> acceptance, probs;
    speculation_cost cost;
  };
  for (const setting& s : {setting{{0.95, 0.3}, {0.75, 0.25}, {1.0, 8.0}}, setting{{0.99, 0.8, 0.2}, {0.6, 0.25, 0.15}, {1.0, 12.0}},
                           setting{{0.8}, {1.0}, {1.0, 10.0}}, setting{{0.9, 0.45}, {0.6, 0.4}, {1.0, 6.0}}}) {
    const draft_length_optimum_result optimum = optimal_draft_length(s.acceptance, s.probs, s.cost);
    online_rule rule({.cost = s.cost, .max_length = 40});
    const auto result =
        simulate_length_rule(independent_levels(s.acceptance, s.probs), rule, {.tokens = 200'000, .seed = 5, .cost = s.cost});
    INFO("optimum " << optimum.time_per_token << ", online " << result.time_per_token.value);
    CHECK(result.time_per_token.value < 1.01 * optimum.time_per_token);
    CHECK(result.time_per_token.value > optimum.time_per_token - 4.0 * result.time_per_token.standard_error);
    CHECK(rule.rejection_threshold() == Approx(optimum.rejection_threshold).margin(0.02));
    CHECK(rule.mean_acceptance() == Approx(optimum.mean_acceptance).margin(0.01));
  }
  // Hopeless drafts: it stops speculating but for the probes.
  online_rule rule({.cost = {1.0, 1.2}});
  const auto result =
      simulate_length_rule(independent_levels(std::vector{0.2, 0.05}, std::vector{0.5, 0.5}), rule, {.tokens = 50'000, .cost = {1.0, 1.2}});
  CHECK(result.time_per_token.value < 1.2 * 1.06);
}

TEST_CASE("whatever the rule, the text has exactly the target's law", "[speculative][draft_length_simulation]") {
  const std::vector<token_id> prompt{0};
  const auto predictor = [](std::span<const token_id> text, std::span<const double> q, token_id token) {
    return q[token] > 0.3 && text.back() != token ? 0.95 : 0.5;
  };
  const draft_length_simulation_options options{.tokens = 120'000, .seed = 9, .max_length = 64};
  auto check = [&](auto rule) {
    row_source source(5, prompt, bigram_rows{}, predictor);
    const auto result = simulate_length_rule(source, rule, options);
    CHECK(source.text().size() == result.counts.tokens + prompt.size());
    CHECK(law_p_value(source.text(), 5) > 1e-6);
    CHECK(result.counts.discarded > 0);
  };
  check(fixed_length_rule(4));
  check(heuristic_rule());
  check(threshold_rule({.threshold = 0.4, .min_length = 1}));
  check(confidence_rule({.threshold = 0.35}));
  check(entropy_rule({.scale = 0.2, .threshold = 0.45}));
  check(online_rule());
  row_source wrong(5, prompt, [](std::span<const token_id> text, std::span<double> p, std::span<double> q) {
    bigram_rows{}(text, q, p);  // a run whose target is the other model must be noticed
  });
  fixed_length_rule rule(4);
  (void)simulate_length_rule(wrong, rule, options);
  CHECK(law_p_value(wrong.text(), 5) < 1e-6);
}

TEST_CASE("equal models: every draft is accepted, no residual is ever drawn", "[speculative][draft_length_simulation]") {
  row_source source(5, std::vector<token_id>{1}, [](std::span<const token_id> text, std::span<double> p, std::span<double> q) {
    bigram_rows{}(text, p, q);
    for (std::size_t x = 0; x < p.size(); ++x) q[x] = p[x];
  });
  fixed_length_rule rule(6);
  CHECK(simulated_draft{}.acceptance == 1.0);
  CHECK(simulated_draft{}.overlap == 1.0);
  CHECK(no_prediction{}({}, {}, 0) == 1.0);
  const auto result = simulate_length_rule(source, rule, {.tokens = 12'000, .max_length = 64});
  CHECK(result.counts.discarded == 0);
  CHECK(result.verification_rate.value == Approx(1.0 / 7.0).epsilon(1e-12));
}

TEST_CASE("a lagging rule gets predictions one token late, and rounds end at the simulation's bound",
          "[speculative][draft_length_simulation]") {
  // Level by position in the round: 0.9, 0.5, 0.9, 0.9, ... With threshold 0.3 the risk appears with token 2.
  struct scripted {
    std::size_t drafted = 0;
    simulated_draft draft(gavel::philox4x32&) {
      const double level = ++drafted == 2 ? 0.5 : 0.9;
      return {.observation = {.predicted_acceptance = level}, .acceptance = 1.0};
    }
    void commit(std::size_t, gavel::philox4x32&) { drafted = 0; }
  };
  threshold_rule prompt_rule({.threshold = 0.3, .min_length = 1, .lag = 0});
  threshold_rule late_rule({.threshold = 0.3, .min_length = 1, .lag = 1});
  threshold_rule endless({.threshold = 1.0, .min_length = 1, .max_length = 1000, .lag = 0});
  const draft_length_simulation_options options{.tokens = 3'000, .max_length = 50};
  const auto results = compare_length_rules(scripted{}, options, prompt_rule, late_rule, endless);
  CHECK(results[0].verification_rate.value == Approx(1.0 / 3.0).epsilon(1e-12));
  CHECK(results[1].verification_rate.value == Approx(1.0 / 4.0).epsilon(1e-12));
  CHECK(results[2].verification_rate.value == Approx(1.0 / 51.0).epsilon(1e-12));
}

TEST_CASE("simulation: bad input is named", "[speculative][draft_length_simulation][errors]") {
  const independent_levels source(two_levels, two_probs);
  fixed_length_rule rule;
  CHECK(message_of([&] { (void)simulate_length_rule(source, rule, {.tokens = 10279}); }) ==
        "gavel::speculative::simulate_length_rule: tokens = 10279, must be >= batches * (max_length + 1) = 10280");
  CHECK_NOTHROW(simulate_length_rule(source, rule, {.tokens = 10280}));
  CHECK(message_of([&] { (void)simulate_length_rule(source, rule, {.max_length = 0}); }) ==
        "gavel::speculative::simulate_length_rule: max_length = 0, must be >= 1");
  CHECK(message_of([&] { (void)simulate_length_rule(source, rule, {.cost = {1.0, -1.0}}); }) ==
        "gavel::speculative::simulate_length_rule: target_time = -1, must be finite and > 0");
  CHECK(message_of([] { independent_levels(std::vector{-0.5}, std::vector{1.0}); }) ==
        "gavel::speculative::independent_levels: acceptance[0] = -0.5, must be in [0, 1]");
  CHECK(message_of([] { row_source(0, std::vector<token_id>{}, bigram_rows{}); }) ==
        "gavel::speculative::row_source: vocabulary = 0, must be >= 1");
  row_source broken(2, std::vector<token_id>{0}, [](std::span<const token_id>, std::span<double> p, std::span<double> q) {
    p[0] = p[1] = q[0] = 0.5;
    q[1] = 0.4;
  });
  CHECK(message_of([&] { (void)simulate_length_rule(broken, rule, {}); }) ==
        "domain: gavel::speculative::row_source: sum of q = 0.9, must be 1 within 1e-06");
  gavel::philox4x32 rng(1);
  CHECK(message_of([&] { broken.commit(0, rng); }) == "domain: gavel::speculative::row_source: sum of q = 0.9, must be 1 within 1e-06");
  CHECK(rng == gavel::philox4x32(1));
}

TEST_CASE("sources that were moved from can be drawn from", "[speculative][draft_length_simulation]") {
  independent_levels levels(two_levels, two_probs);
  const independent_levels heir = std::move(levels);
  gavel::philox4x32 rng(1), same(1);
  CHECK(levels.draft(rng).acceptance == heir.draft(same).acceptance);
  row_source source(5, std::vector<token_id>{1, 2}, [](std::span<const token_id>, std::span<double> p, std::span<double> q) {
    for (std::size_t y = 0; y < 5; ++y) p[y] = q[y] = 0.2;
  });
  const auto taken = std::move(source);
  CHECK(taken.text().size() == 2);
  CHECK(source.text().empty());
  (void)source.draft(rng);
  source.commit(1, rng);
  CHECK(source.text().size() == 2);
}

}  // namespace draft_length_simulation_test
