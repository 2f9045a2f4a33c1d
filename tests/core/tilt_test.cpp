// SPDX-License-Identifier: MIT
#include <gavel/core/philox.hpp>
#include <gavel/core/tilt.hpp>
#include <gavel/core/variates.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <cmath>
#include <limits>
#include <span>
#include <vector>

namespace tilt_test {

using gavel::tilt_to_budget_status;
using gavel::testing::message_of;
using gavel::testing::not_a_number;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
using row = std::vector<double>;

row random_row(gavel::philox4x32& rng, std::size_t n) {
  row result(n);
  for (double& weight : result) weight = gavel::exponential(rng);
  gavel::normalize(result);
  return result;
}

double expectation(const row& q, const row& reward) {
  double sum = 0.0;
  for (std::size_t i = 0; i < q.size(); ++i) sum += q[i] * reward[i];
  return sum;
}

}  // namespace

TEST_CASE("tilt: the formula, and the values that belong to it", "[core][tilt]") {
  const row p{0.5, 0.25, 0.25, 0.0};
  const row reward{0.0, 1.0, 2.0, 1e300};
  row q(4, -1.0);
  const auto result = gavel::tilt(p, reward, 0.5, q);
  const double z = 0.5 + 0.25 * std::exp(2.0) + 0.25 * std::exp(4.0);
  CHECK(q[0] == Approx(0.5 / z).epsilon(1e-14));
  CHECK(q[1] == Approx(0.25 * std::exp(2.0) / z).epsilon(1e-14));
  CHECK(q[2] == Approx(0.25 * std::exp(4.0) / z).epsilon(1e-14));
  CHECK(q[3] == 0.0);
  CHECK(result.kl == Approx(gavel::kl_divergence(q, p)).epsilon(1e-13));
  CHECK(result.expected_reward == Approx(expectation(q, {0.0, 1.0, 2.0, 0.0})).epsilon(1e-14));
  CHECK(result.free_energy == Approx(0.5 * std::log(z)).epsilon(1e-14));
}

TEST_CASE("tilt: it maximises reward minus price times divergence", "[core][tilt]") {
  gavel::philox4x32 rng(4);
  for (int repetition = 0; repetition < 50; ++repetition) {
    const row p = random_row(rng, 9);
    row reward(9), q(9);
    for (double& r : reward) r = gavel::normal(rng);
    const double beta = 0.05 + gavel::exponential(rng);
    const auto result = gavel::tilt(p, reward, beta, q);
    CHECK(result.free_energy == Approx(expectation(q, reward) - beta * gavel::kl_divergence(q, p)).epsilon(1e-11));
    for (int rival = 0; rival < 20; ++rival) {
      row other = random_row(rng, 9);
      for (std::size_t i = 0; i < 9; ++i) other[i] = 0.9 * q[i] + 0.1 * other[i];
      CHECK(expectation(other, reward) - beta * gavel::kl_divergence(other, p) <= result.free_energy + 1e-12);
    }
  }
}

TEST_CASE("tilt: edges", "[core][tilt]") {
  const row p{0.5, 0.5};
  row q(2);
  auto result = gavel::tilt(p, row{1.0, 3.0}, inf, q);
  CHECK(q == p);
  CHECK(result.kl == 0.0);
  CHECK(result.expected_reward == 2.0);
  CHECK(result.free_energy == 2.0);
  result = gavel::tilt(p, row{1e6, -1e6}, 1e-3, q);  // exponents of a billion
  CHECK(q == row{1.0, 0.0});
  CHECK(result.kl == Approx(std::log(2.0)));
  CHECK(result.free_energy == Approx(1e6));
  result = gavel::tilt(p, row{1.0, 0.0}, std::numeric_limits<double>::denorm_min(), q);
  CHECK(q == row{1.0, 0.0});
  row same = p;
  gavel::tilt(same, row{std::log(3.0), 0.0}, 1.0, same);  // in place
  CHECK(same[0] == Approx(0.75).epsilon(1e-15));
  gavel::tilt(std::vector<float>{0.5f, 0.5f}, std::vector<float>{0.0f, 0.0f}, 1.0, q);
  CHECK(q == p);
}

TEST_CASE("tilt_to_budget: the budget is met, and the dual proves it optimal", "[core][tilt]") {
  gavel::philox4x32 rng(12);
  for (const double scale : {1e-6, 1.0, 1e9}) {
    for (const double budget : {1e-8, 1e-3, 0.1, 0.7, 1.5, 2.5}) {
      for (int repetition = 0; repetition < 20; ++repetition) {
        const row p = random_row(rng, 60);
        row reward(60), q(60);
        for (double& r : reward) r = scale * gavel::normal(rng);
        const auto result = gavel::tilt_to_budget(p, reward, budget, q);
        INFO("scale " << scale << ", budget " << budget << ", iterations " << result.iterations);
        if (result.status == tilt_to_budget_status::not_binding) continue;
        CHECK(result.status == tilt_to_budget_status::converged);
        CHECK(result.kl <= budget);
        CHECK(result.kl >= (std::fmin)(budget * (1.0 - 1.0001e-10), budget - 2e-14));
        CHECK(gavel::kl_divergence(q, p) == Approx(budget).epsilon(1e-9).margin(5e-14));
        CHECK(result.expected_reward == Approx(expectation(q, reward)).margin(1e-13 * scale));
        CHECK(result.upper_bound >= result.expected_reward - 1e-12 * scale);
        CHECK(result.upper_bound - result.expected_reward < 1e-8 * scale);
        CHECK(result.iterations <= 60);
        row by_beta(60);
        gavel::tilt(p, reward, result.beta, by_beta);
        CHECK(gavel::total_variation(q, by_beta) < 1e-13);
      }
    }
  }
}

TEST_CASE("tilt_to_budget: two outcomes in closed form", "[core][tilt]") {
  // From 1/2 to q: KL = log 2 - H(q); at q = 3/4, the slope is log 3 per unit of reward
  const double budget = std::log(2.0) + 0.75 * std::log(0.75) + 0.25 * std::log(0.25);
  row q(2);
  const auto result = gavel::tilt_to_budget(row{0.5, 0.5}, row{10.0, 12.0}, budget, q);
  CHECK(q[1] == Approx(0.75).epsilon(1e-9));
  CHECK(result.beta == Approx(2.0 / std::log(3.0)).epsilon(1e-9));
  CHECK(result.expected_reward == Approx(11.5).epsilon(1e-9));
}

TEST_CASE("tilt_to_budget: budgets of nothing, of everything, and rewards without a difference", "[core][tilt]") {
  const row p{0.5, 0.25, 0.25, 0.0};
  const row reward{0.0, 1.0, 1.0, 5.0};
  row q(4);
  auto result = gavel::tilt_to_budget(p, reward, 0.0, q);
  CHECK(result.status == tilt_to_budget_status::converged);
  CHECK(result.beta == inf);
  CHECK(result.kl == 0.0);
  CHECK(result.expected_reward == 0.5);
  CHECK(q == p);
  result = gavel::tilt_to_budget(p, reward, 5.0, q);
  CHECK(result.status == tilt_to_budget_status::not_binding);
  CHECK(result.beta == 0.0);
  CHECK(result.kl == Approx(std::log(2.0)));
  CHECK(result.expected_reward == 1.0);
  CHECK(result.upper_bound == 1.0);
  CHECK(q == row{0.0, 0.5, 0.5, 0.0});
  result = gavel::tilt_to_budget(p, row{3.0, 3.0, 3.0, 9.0}, 0.1, q);
  CHECK(result.status == tilt_to_budget_status::not_binding);
  CHECK(result.expected_reward == 3.0);
  CHECK(q == p);
  result = gavel::tilt_to_budget(p, reward, std::log(2.0) - 1e-12, q);  // nearly everything
  CHECK(result.status == tilt_to_budget_status::converged);
  CHECK(result.expected_reward == Approx(1.0));
  result = gavel::tilt_to_budget(p, reward, 0.1, q, {.relative_tolerance = 1e-15, .max_iterations = 1});
  CHECK(result.status == tilt_to_budget_status::iteration_limit);
}

TEST_CASE("tilt: errors leave the output alone", "[core][tilt]") {
  const row p{0.5, 0.5};
  const row reward{0.0, 1.0};
  row q{7.0, 7.0};
  row wrong(3);
  CHECK(message_of([&] { (void)gavel::tilt(p, row{1.0}, 1.0, q); }) == "gavel::tilt: reward.size() = 1, must equal p.size() 2");
  CHECK(message_of([&] { (void)gavel::tilt(p, reward, 1.0, wrong); }) == "gavel::tilt: out.size() = 3, must equal p.size() 2");
  CHECK(message_of([&] { (void)gavel::tilt(p, reward, 0.0, q); }) == "gavel::tilt: beta = 0, must be > 0");
  CHECK(message_of([&] { (void)gavel::tilt(p, reward, not_a_number, q); }) == "domain: gavel::tilt: beta = nan, must be > 0");
  CHECK(message_of([&] { (void)gavel::tilt(p, row{0.0, not_a_number}, 1.0, q); }) ==
        "domain: gavel::tilt: reward[1] = nan, must be finite");
  CHECK(message_of([&] { (void)gavel::tilt_to_budget(p, reward, not_a_number, q); }) ==
        "domain: gavel::tilt_to_budget: budget = nan, must be >= 0");
  CHECK(message_of([&] { (void)gavel::tilt(p, row{0.0, inf}, 1.0, q); }) == "gavel::tilt: reward[1] = inf, must be finite");
  CHECK(message_of([&] { (void)gavel::tilt(p, row{-1e308, 1e308}, 1.0, q); }) ==
        "gavel::tilt: max(reward) - min(reward) = inf, must be finite");
  CHECK(message_of([&] { (void)gavel::tilt(row{0.5, 0.6}, reward, 1.0, q); }) ==
        "domain: gavel::tilt: sum of p = 1.1, must be 1 within 1e-06");
  CHECK(message_of([&] { (void)gavel::tilt_to_budget(p, reward, -1.0, q); }) == "gavel::tilt_to_budget: budget = -1, must be >= 0");
  CHECK(message_of([&] { (void)gavel::tilt_to_budget(p, reward, 1.0, q, {.relative_tolerance = 0.0}); }) ==
        "gavel::tilt_to_budget: options.relative_tolerance = 0, must be in (0, 1)");
  CHECK(message_of([&] { (void)gavel::tilt_to_budget(p, reward, 1.0, q, {.max_iterations = 0}); }) ==
        "gavel::tilt_to_budget: options.max_iterations = 0, must be >= 1");
  CHECK(gavel::tilt_to_budget_options{}.relative_tolerance == 1e-10);
  CHECK(gavel::tilt_to_budget_options{}.max_iterations == 200);
  CHECK(q == row{7.0, 7.0});
}

}  // namespace tilt_test
