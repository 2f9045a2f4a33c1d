// SPDX-License-Identifier: MIT
#include <gavel/schedule/plateau.hpp>
#include <gavel/core/random.hpp>
#include <gavel/schedule/pytorch.hpp>
#include <gavel/schedule/rate_schedule.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace plateau_test {

using gavel::schedule::plateau;
using gavel::schedule::plateau_goal;
using gavel::schedule::plateau_options;
using gavel::schedule::plateau_state;
using gavel::schedule::plateau_threshold;
using gavel::testing::message_of;
using gavel::testing::not_a_number;

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

static_assert(std::copyable<plateau> && std::equality_comparable<plateau> && gavel::schedule::rate_schedule<plateau>);

// Rates 1, 1/2, ... as exponents: how often the rate had been halved after each reading.
std::vector<int> halvings(plateau_options options, const std::vector<double>& metrics) {
  options.factor = 0.5;
  plateau rule(1.0, options);
  std::vector<int> counts;
  int count = 0;
  for (const double metric : metrics) {
    const double before = rule.rate();
    const bool lowered = rule.update(metric);
    CHECK(rule.rate() == (lowered ? 0.5 * before : before));
    count += lowered ? 1 : 0;
    counts.push_back(count);
  }
  return counts;
}

using counts = std::vector<int>;

constexpr bool works_in_constant_expressions() {
  plateau rule(1.0, {.factor = 0.25, .patience = 0});
  return !rule.update(3.0) && rule.update(3.0) && rule.rate() == 0.25 && rule.rate(1000) == 0.25;
}
static_assert(works_in_constant_expressions());

}  // namespace

TEST_CASE("Patience: one reading more than it lowers the rate", "[schedule][plateau]") {
  CHECK(halvings({.patience = 0}, {5, 5, 5, 4, 4}) == counts{0, 1, 2, 2, 3});
  CHECK(halvings({.patience = 2}, {5, 5, 5, 5, 5, 5, 5}) == counts{0, 0, 0, 1, 1, 1, 2});
  CHECK(halvings({.patience = 2}, {5, 5, 5, 4, 4, 4, 4}) == counts{0, 0, 0, 0, 0, 0, 1});  // an improvement starts the count anew
  CHECK(halvings({.patience = 1}, {5, 6, 5.5, 5.2}) == counts{0, 0, 1, 1});                // only the best so far counts
}

TEST_CASE("Thresholds: relative and absolute, minimising and maximising", "[schedule][plateau]") {
  // Equal to the bound is no improvement.
  CHECK(halvings({.patience = 0, .threshold = 0.25}, {4, 3, 2.9, 2.25, 2.17}) == counts{0, 1, 1, 2, 2});
  CHECK(halvings({.patience = 0, .threshold = 0.5, .threshold_mode = plateau_threshold::absolute}, {4, 3.5, 3.4, 2.9, 2.8}) ==
        counts{0, 1, 1, 2, 2});
  CHECK(halvings({.goal = plateau_goal::maximize, .patience = 0, .threshold = 0.25}, {4, 5, 5.1, 6.3, 6.4}) == counts{0, 1, 1, 2, 2});
  CHECK(halvings({.goal = plateau_goal::maximize, .patience = 0, .threshold = 0.5, .threshold_mode = plateau_threshold::absolute},
                 {4, 4.5, 4.6, 5.0, 5.2}) == counts{0, 1, 1, 2, 2});
  CHECK(halvings({.patience = 0, .threshold = 0.0}, {1, 1, 0.999999}) == counts{0, 1, 1});
}

TEST_CASE("A plateau of a metric below 0 is a plateau", "[schedule][plateau]") {
  CHECK(halvings({.patience = 2}, std::vector<double>(12, -1.0)) == halvings({.patience = 2}, std::vector<double>(12, 1.0)));
  CHECK(halvings({.patience = 2}, std::vector<double>(12, -1.0)).back() == 3);
  CHECK(halvings({.patience = 0, .threshold = 0.25}, {-4, -5, -5.1, -3.5}) == counts{0, 1, 1, 2});
  CHECK(halvings({.goal = plateau_goal::maximize, .patience = 0, .threshold = 0.25}, {-4, -3, -2.9, -2.2}) == counts{0, 1, 1, 2});
  CHECK(halvings({.goal = plateau_goal::maximize, .patience = 0, .threshold = 2.0}, {-1, 0.5, 1.5}) == counts{0, 1, 1});
  CHECK(halvings({.patience = 0}, {0, 0, -1e-300}) == counts{0, 1, 1});
  // Upstream's threshold of a negative metric accepts what is slightly worse.
  CHECK(halvings({.patience = 0, .threshold = 0.25, .threshold_mode = plateau_threshold::signed_relative}, {-4, -3.5, -2}) ==
        counts{0, 0, 1});
  plateau upstream = gavel::schedule::pytorch::reduce_lr_on_plateau({.patience = 2});
  for (int i = 0; i < 12; ++i) CHECK_FALSE(upstream.update(-1.0));
}

TEST_CASE("The patience of Keras and optax counts one reading more", "[schedule][plateau]") {
  gavel::philox4x32 rng(5);
  for (const std::uint64_t patience : {1U, 2U, 4U}) {
    for (const std::uint64_t cooldown : {0U, 1U, 3U}) {
      plateau as_keras(1.0, {.factor = 0.5,
                             .patience = patience - 1,
                             .threshold = 0.1,
                             .threshold_mode = plateau_threshold::absolute,
                             .cooldown = cooldown > 0 ? cooldown - 1 : 0});
      plateau as_optax(1.0, {.factor = 0.5,
                             .patience = patience - 1,
                             .threshold = 0.1,
                             .threshold_mode = plateau_threshold::signed_relative,
                             .cooldown = cooldown});
      // Their rules, by hand.
      double keras_rate = 1.0, keras_best = infinite, optax_rate = 1.0, optax_best = infinite;
      std::uint64_t wait = 0, cooling = 0, count = 0, left = 0;
      for (int i = 0; i < 200; ++i) {
        const double metric = 10.0 / (1.0 + 0.1 * i) + gavel::normal(rng);
        if (cooling > 0) --cooling, wait = 0;
        if (metric < keras_best - 0.1) keras_best = metric, wait = 0;
        else if (cooling == 0 && ++wait >= patience) keras_rate *= 0.5, cooling = cooldown, wait = 0;
        count = metric < (1.0 - 0.1) * optax_best ? 0 : count + 1;
        if (count == 0) optax_best = metric;
        if (left > 0) --left, count = 0;
        else if (count == patience) optax_rate *= 0.5, left = cooldown, count = 0;
        as_keras.update(metric);
        as_optax.update(metric);
        INFO("patience " << patience << ", cooldown " << cooldown << ", reading " << i);
        REQUIRE(as_keras.rate() == keras_rate);
        REQUIRE(as_optax.rate() == optax_rate);
      }
    }
  }
}

TEST_CASE("Cooldown: readings after a reduction are not held against it", "[schedule][plateau]") {
  CHECK(halvings({.patience = 1, .cooldown = 0}, {5, 5, 5, 5, 5, 5, 5}) == counts{0, 0, 1, 1, 2, 2, 3});
  CHECK(halvings({.patience = 1, .cooldown = 2}, {5, 5, 5, 5, 5, 5, 5}) == counts{0, 0, 1, 1, 1, 1, 2});
  CHECK(halvings({.patience = 0, .cooldown = 1}, {5, 5, 5, 5, 5}) == counts{0, 1, 1, 2, 2});
  // A better metric in the cooldown still becomes the best.
  CHECK(halvings({.patience = 0, .cooldown = 1}, {5, 5, 4, 4.5}) == counts{0, 1, 1, 2});
}

TEST_CASE("The rate stops at its minimum and skips changes too small", "[schedule][plateau]") {
  plateau rule(1.0, {.factor = 0.5, .patience = 0, .minimum_rate = 0.2});
  rule.update(1.0);
  CHECK(rule.update(1.0));
  CHECK(rule.rate() == 0.5);
  CHECK(rule.update(1.0));
  CHECK(rule.rate() == 0.25);
  CHECK(rule.update(1.0));
  CHECK(rule.rate() == 0.2);
  CHECK_FALSE(rule.update(1.0));
  CHECK(rule.rate() == 0.2);
  // A reduction that is skipped still begins a cooldown.
  plateau small(1e-8, {.factor = 0.5, .patience = 0, .cooldown = 3, .least_absolute_change = 1e-8});
  small.update(1.0);
  CHECK_FALSE(small.update(1.0));
  CHECK(small.rate() == 1e-8);
  CHECK(small.state().cooldown_left == 3);
  for (const plateau_options& half : {plateau_options{.factor = 0.5, .patience = 0, .least_change = 0.5},
                                      plateau_options{.factor = 0.5, .patience = 0, .least_absolute_change = 1.5}}) {
    plateau exact(3.0, half);  // by exactly the least change: not more than it
    exact.update(1.0);
    CHECK_FALSE(exact.update(1.0));
  }
  plateau tiny(1e-7, {.patience = 0});  // the least change is a share of the rate, however small the rate
  for (int i = 0; i < 12; ++i) tiny.update(1.0);
  CHECK(tiny.rate() == Approx(1e-18));
  plateau gone(1.0, {.factor = 0.0, .patience = 0});
  gone.update(1.0);
  CHECK(gone.update(1.0));
  CHECK(gone.rate() == 0.0);
}

TEST_CASE("Infinite metrics are numbers", "[schedule][plateau]") {
  CHECK(halvings({.patience = 0}, {infinite, infinite, 5, infinite, 4}) == counts{1, 2, 2, 3, 3});
  CHECK(halvings({.patience = 0}, {-infinite, -infinite, -1e300}) == counts{0, 1, 2});
  CHECK(halvings({.goal = plateau_goal::maximize, .patience = 0}, {-infinite, 1, infinite, infinite}) == counts{1, 1, 1, 2});
}

TEST_CASE("A plateau is a schedule whose rate does not depend on the step", "[schedule][plateau]") {
  const plateau rule(0.3);
  CHECK(rule.rate() == 0.3);
  CHECK(rule.rate(0) == 0.3);
  CHECK(rule.rate(std::uint64_t{1} << 60) == 0.3);
  CHECK(rule.options() == plateau_options{});
}

TEST_CASE("A plateau resumes from its state", "[schedule][plateau]") {
  const plateau_options options{.factor = 0.5, .patience = 1, .cooldown = 1};
  const std::vector<double> metrics{5, 5, 5, 5, 4, 4, 4, 4.5, 3, 3, 3, 3};
  for (std::size_t cut = 0; cut <= metrics.size(); ++cut) {
    plateau whole(0.1, options);
    for (std::size_t i = 0; i < cut; ++i) whole.update(metrics[i]);
    const plateau_state stored = whole.state();
    plateau resumed(0.1, options);
    resumed.restore({stored.rate, stored.best, stored.bad_readings, stored.cooldown_left});
    CHECK(resumed == whole);
    for (std::size_t i = cut; i < metrics.size(); ++i) {
      CHECK(whole.update(metrics[i]) == resumed.update(metrics[i]));
      CHECK(resumed == whole);
    }
  }
  CHECK(plateau(0.1).state() == plateau_state{0.1, infinite, 0, 0});
  CHECK(plateau(0.1, {.goal = plateau_goal::maximize}).state() == plateau_state{0.1, -infinite, 0, 0});
}

TEST_CASE("A plateau checks its arguments", "[schedule][plateau][errors]") {
  const auto message = [](double base_rate, const plateau_options& options = {}) {
    return message_of([&] { (void)plateau(base_rate, options); });
  };
  CHECK(message(-1.0) == "gavel::schedule::plateau: base_rate = -1, must be finite and >= 0");
  CHECK(message(infinite) == "gavel::schedule::plateau: base_rate = inf, must be finite and >= 0");
  CHECK(message(not_a_number) == "domain: gavel::schedule::plateau: base_rate = nan, must be finite and >= 0");
  CHECK(message(1.0, {.factor = 1.0}) == "gavel::schedule::plateau: factor = 1, must be in [0, 1)");
  CHECK(message(1.0, {.factor = -0.1}) == "gavel::schedule::plateau: factor = -0.1, must be in [0, 1)");
  CHECK(message(1.0, {.factor = not_a_number}) == "domain: gavel::schedule::plateau: factor = nan, must be in [0, 1)");
  CHECK(message(1.0, {.threshold = -1.0}) == "gavel::schedule::plateau: threshold = -1, must be finite and >= 0");
  CHECK(message(1.0, {.threshold = 1.0}) == "gavel::schedule::plateau: threshold = 1, must be < 1 relative to a minimum");
  CHECK(message(1.0, {.threshold = 1.0, .threshold_mode = plateau_threshold::absolute}) == "no exception");
  CHECK(message(1.0, {.goal = plateau_goal::maximize, .threshold = 1.0}) == "no exception");
  CHECK(message(1.0, {.minimum_rate = -1.0}) == "gavel::schedule::plateau: minimum_rate = -1, must be finite and >= 0");
  CHECK(message(1.0, {.minimum_rate = not_a_number}) == "domain: gavel::schedule::plateau: minimum_rate = nan, must be finite and >= 0");
  CHECK(message(1.0, {.minimum_rate = 2.0}) == "gavel::schedule::plateau: minimum_rate = 2, must be <= base_rate 1");
  CHECK(message(1.0, {.threshold = not_a_number}) == "domain: gavel::schedule::plateau: threshold = nan, must be finite and >= 0");
  CHECK(message(1.0, {.least_change = infinite}) == "gavel::schedule::plateau: least_change = inf, must be finite and >= 0");
  CHECK(message(1.0, {.least_absolute_change = -1.0}) == "gavel::schedule::plateau: least_absolute_change = -1, must be finite and >= 0");
  plateau rule(1.0);
  rule.update(3.0);
  const plateau before = rule;
  CHECK(message_of([&] { rule.update(not_a_number); }) == "domain: gavel::schedule::plateau::update: metric = nan, must not be NaN");
  CHECK(message_of([&] { rule.restore({.rate = -1.0}); }) == "gavel::schedule::plateau::restore: state.rate = -1, must be finite and >= 0");
  CHECK(message_of([&] { rule.restore({.rate = infinite}); }) ==
        "gavel::schedule::plateau::restore: state.rate = inf, must be finite and >= 0");
  CHECK(message_of([&] { rule.restore({.rate = not_a_number}); }) ==
        "domain: gavel::schedule::plateau::restore: state.rate = nan, must be finite and >= 0");
  CHECK(message_of([&] { rule.restore({.rate = 1.0, .best = not_a_number}); }) ==
        "domain: gavel::schedule::plateau::restore: state.best = nan, must not be NaN");
  CHECK(rule == before);
}

}  // namespace plateau_test
