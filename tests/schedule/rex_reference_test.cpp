// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "schedule/noisy_quadratic.hpp"
#include "support/reference.hpp"

#include <gavel/core/numerics.hpp>
#include <gavel/schedule/rate_schedule.hpp>
#include <gavel/solvers/optimizers.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace rex_reference_test {

using namespace gavel::schedule;
using gavel::testing::check_close;
using gavel::testing::expected_loss;
using gavel::testing::json;
using gavel::testing::noisy_quadratic;
using gavel::testing::require_keys;

namespace {

using numbers = std::vector<double>;

// Calls visit(profile) with the profile of a name; an unknown name fails.
template <class F>
void with_profile(const std::string& name, F visit) {
  if (name == "rex") return visit(rex{});
  if (name == "linear") return visit(linear{});
  if (name == "cosine") return visit(cosine{});
  if (name == "exponential") return visit(exponential{3.0});
  if (name == "constant") return visit(constant{});
  if (name == "step_50_75") return visit(step_decay(0.1, {0.5, 0.75}));
  if (name == "step_30_60_90") return visit(step_decay(0.1, {0.3, 0.6, 0.9}));
  FAIL("unknown profile " << name);
}

// Calls visit(sampling) with a sampling rate: "every_step", a number of readings per run (20 is "every 5 %"), or a list of milestones.
template <class F>
void with_sampling(const json& rate, std::uint64_t steps, F visit) {
  if (rate.is_number_unsigned()) return visit(every((std::max)(steps / rate.get<std::uint64_t>(), std::uint64_t{1})));
  if (rate.is_array()) return visit(milestones(rate.get<numbers>()));
  REQUIRE(rate.get<std::string>() == "every_step");
  visit(every_step{});
}

template <class S>
numbers rates_of(const S& schedule) {
  numbers rates(schedule.steps());
  fill(schedule, rates);
  return rates;
}

void profile_values(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"z"});
  require_keys(expected, {"rho", "rho_beta_0p9", "area", "area_beta_0p9", "slope_at_0", "slope_at_1"});
  const rex published;
  const rex ported(rex::ported_beta);
  numbers rho;
  numbers rho_ported;
  for (const double z : inputs.at("z").get<numbers>()) {
    rho.push_back(published(z));
    rho_ported.push_back(ported(z));
  }
  check_close(rho, expected.at("rho").get<numbers>(), tolerance, "rho");
  check_close(rho_ported, expected.at("rho_beta_0p9").get<numbers>(), tolerance, "rho_beta_0p9");
  check_close(published.area(), expected.at("area").get<double>(), tolerance, "area");
  check_close(ported.area(), expected.at("area_beta_0p9").get<double>(), tolerance, "area_beta_0p9");
  check_close(published.slope(0.0), expected.at("slope_at_0").get<double>(), tolerance, "slope_at_0");
  check_close(published.slope(1.0), expected.at("slope_at_1").get<double>(), tolerance, "slope_at_1");
}

void sampling_rates(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"steps", "base_lr", "rates", "profiles"});
  require_keys(expected, {"lr"});
  const horizon over{.steps = inputs.at("steps").get<std::uint64_t>(), .base_rate = inputs.at("base_lr").get<double>()};
  const json& profiles = inputs.at("profiles");
  const json& rates = inputs.at("rates");
  REQUIRE(expected.at("lr").size() == profiles.size());
  for (std::size_t p = 0; p < profiles.size(); ++p) {
    REQUIRE(expected.at("lr")[p].size() == rates.size());
    for (std::size_t r = 0; r < rates.size(); ++r) {
      const std::string what = profiles[p].get<std::string>() + " read at " + rates[r].dump();
      with_profile(profiles[p], [&](const auto& shape) {
        with_sampling(rates[r], over.steps, [&](const auto& sampling) {
          check_close(rates_of(stretch(shape, over, sampling)), expected.at("lr")[p][r].get<numbers>(), tolerance, what);
        });
      });
    }
  }
}

void short_runs(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"steps", "base_lr"});
  require_keys(expected, {"lr"});
  const auto steps = inputs.at("steps").get<std::vector<std::uint64_t>>();
  REQUIRE(expected.at("lr").size() == steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto schedule = stretch(rex{}, {.steps = steps[i], .base_rate = inputs.at("base_lr").get<double>()});
    check_close(rates_of(schedule), expected.at("lr")[i].get<numbers>(), tolerance, std::to_string(steps[i]) + " steps");
  }
}

void noisy_quadratic_budgets(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"eigenvalues", "x0_squared", "noise_variance", "budgets", "base_lr_grid", "fixed_base_lr", "schedules", "meaning"});
  require_keys(expected, {"best_loss", "best_base_lr", "loss_at_fixed_base_lr"});
  const noisy_quadratic problem{inputs.at("eigenvalues").get<numbers>(), inputs.at("x0_squared").get<numbers>(),
                                inputs.at("noise_variance").get<double>()};
  const auto budgets = inputs.at("budgets").get<std::vector<std::uint64_t>>();
  const auto grid = inputs.at("base_lr_grid").get<numbers>();
  const auto fixed = inputs.at("fixed_base_lr").get<double>();
  const auto schedules = inputs.at("schedules").get<std::vector<std::string>>();
  for (const char* key : {"best_loss", "best_base_lr", "loss_at_fixed_base_lr"}) require_keys(expected.at(key), schedules);
  for (const std::string& name : schedules) {
    with_profile(name, [&](const auto& shape) {
      numbers loss;
      numbers base_rate;
      numbers loss_at_fixed;
      for (const std::uint64_t steps : budgets) {
        const auto best = gavel::testing::best_loss(problem, shape, steps, grid);
        loss.push_back(best.loss);
        base_rate.push_back(best.base_rate);
        loss_at_fixed.push_back(expected_loss(problem, stretch(shape, {.steps = steps, .base_rate = fixed}), steps));
      }
      check_close(loss, expected.at("best_loss").at(name).get<numbers>(), tolerance, name + " best_loss");
      check_close(base_rate, expected.at("best_base_lr").at(name).get<numbers>(), tolerance, name + " best_base_lr");
      check_close(loss_at_fixed, expected.at("loss_at_fixed_base_lr").at(name).get<numbers>(), tolerance, name + " loss_at_fixed_base_lr");
    });
  }
}

// Logistic regression without intercept: loss mean(softplus(s) - y s), s = x . w.
struct logistic_regression {
  std::vector<numbers> features;
  numbers labels;

  [[nodiscard]] double score(std::size_t row, const numbers& weights) const {
    double sum = 0.0;
    for (std::size_t i = 0; i < weights.size(); ++i) sum += features[row][i] * weights[i];
    return sum;
  }
  [[nodiscard]] double loss(const numbers& weights) const {
    double sum = 0.0;
    for (std::size_t row = 0; row < labels.size(); ++row) {
      const double s = score(row, weights);
      sum += gavel::softplus(s) - labels[row] * s;
    }
    return sum / static_cast<double>(labels.size());
  }
  [[nodiscard]] numbers gradient(const numbers& weights, const std::vector<std::size_t>& batch) const {
    numbers sum(weights.size(), 0.0);
    for (const std::size_t row : batch) {
      const double residual = gavel::sigmoid(score(row, weights)) - labels[row];
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += residual * features[row][i] / static_cast<double>(batch.size());
    }
    return sum;
  }
};

void logistic_sgdm(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"X", "y", "batches", "base_lr", "momentum", "steps", "meaning"});
  const logistic_regression model{inputs.at("X").get<std::vector<numbers>>(), inputs.at("y").get<numbers>()};
  const auto batches = inputs.at("batches").get<std::vector<std::vector<std::size_t>>>();
  const horizon over{.steps = inputs.at("steps").get<std::uint64_t>(), .base_rate = inputs.at("base_lr").get<double>()};
  REQUIRE(batches.size() == over.steps);
  REQUIRE(!expected.empty());
  for (const auto& item : expected.items()) {
    const std::string& name = item.key();
    const json& values = item.value();
    require_keys(values, {"w", "loss"});
    with_profile(name, [&](const auto& shape) {
      const auto schedule = stretch(shape, over);
      numbers weights(model.features[0].size(), 0.0);
      numbers loss;
      gavel::sgd<double> optimizer(weights.size(), {.momentum = inputs.at("momentum").get<double>()});
      for (std::uint64_t t = 0; t < over.steps; ++t) {
        optimizer.step(weights, model.gradient(weights, batches[t]), schedule.rate(t));
        loss.push_back(model.loss(weights));
      }
      check_close(weights, values.at("w").get<numbers>(), tolerance, name + " w");
      check_close(loss, values.at("loss").get<numbers>(), tolerance, name + " loss");
    });
  }
}

}  // namespace

TEST_CASE("REX and its rivals reproduce the reference values", "[schedule][reference]") {
  gavel::testing::reference_file("02-rex").run({
      {"profile", profile_values},
      {"sampling_rate", sampling_rates},
      {"edge_short_runs", short_runs},
      {"noisy_quadratic_budgets", noisy_quadratic_budgets},
      {"logistic_sgdm", logistic_sgdm},
  });
}

}  // namespace rex_reference_test
