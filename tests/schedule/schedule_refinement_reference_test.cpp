// SPDX-License-Identifier: MIT
// Every case of the reference vectors of schedule refinement.
#include <gavel/core/median_filter.hpp>
#include <gavel/schedule/last_iterate_bound.hpp>
#include <gavel/schedule/refinement.hpp>

#include "support/catch.hpp"
#include "support/reference.hpp"

#include <cmath>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace schedule_refinement_reference_test {

using namespace gavel::testing;
namespace schedule = gavel::schedule;

namespace {

using doubles = std::vector<double>;

// w_t w_{t+1:T} / w_{1:T} with w_t = norm^-power, through the reduction alone.
doubles shape(const doubles& norms, int power) {
  doubles weights, factors(norms.size());
  for (const double norm : norms) weights.push_back(std::pow(norm, -power));
  schedule::last_iterate_factors(weights, factors);
  for (std::size_t t = 0; t < norms.size(); ++t) factors[t] *= weights[t];
  return factors;
}

doubles rates(const doubles& norms, const schedule::refined_rates_options& options = {}) {
  doubles out(norms.size());
  (void)schedule::refined_rates(norms, out, options);
  return out;
}

// The closed form equals `expected` up to one factor.
void check_proportional(const doubles& actual, const doubles& expected, const json& tolerance) {
  REQUIRE(actual.size() == expected.size());
  double ratio = 0.0;
  for (std::size_t t = 0; t < actual.size(); ++t) {
    if (ratio == 0.0 && expected[t] > 0.0) ratio = actual[t] / expected[t];
    check_close(actual[t], ratio * expected[t], tolerance, "proportional[" + std::to_string(t) + "]");
  }
}

void check_closed_form(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"grad_norms", "l1_grad_norms", "D"});
  require_keys(expected, {"shape_sgd", "shape_adam_l1", "absolute_sgd", "guarantee_sgd", "normalised_sgd"});
  const doubles l2 = inputs.at("grad_norms"), l1 = inputs.at("l1_grad_norms");
  const double distance = inputs.at("D");
  check_close(shape(l2, 2), expected.at("shape_sgd"), tolerance, "shape_sgd");
  check_proportional(rates(l2), expected.at("shape_sgd"), tolerance);
  check_close(shape(l1, 1), expected.at("shape_adam_l1"), tolerance, "shape_adam_l1");
  check_proportional(rates(l1, {.norm = schedule::gradient_norm::l1}), expected.at("shape_adam_l1"), tolerance);
  check_close(rates(l2), expected.at("normalised_sgd"), tolerance, "normalised_sgd");

  doubles absolute(l2.size());
  const double guarantee = schedule::refined_rates(l2, absolute, {.distance = distance});
  check_close(absolute, expected.at("absolute_sgd"), tolerance, "absolute_sgd");
  check_close(guarantee, expected.at("guarantee_sgd"), tolerance, "guarantee_sgd");
  const auto whole = schedule::refine(l2, {.distance = distance, .smoothing = 0.0, .force = true});
  check_close(whole.rates, expected.at("absolute_sgd"), tolerance, "refine");
  check_close(whole.guarantee, expected.at("guarantee_sgd"), tolerance, "refine, guarantee");
}

void check_constant_norms(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"T", "G", "D"});
  require_keys(expected, {"step_sizes", "guarantee"});
  const doubles norms(inputs.at("T").get<std::size_t>(), inputs.at("G").get<double>());
  const auto result = schedule::refine(norms, {.distance = inputs.at("D").get<double>()});
  check_close(result.rates, expected.at("step_sizes"), tolerance, "step_sizes");
  check_close(result.guarantee, expected.at("guarantee"), tolerance, "guarantee");
}

void check_bound(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"step_sizes", "grad_norms", "D"});
  require_keys(expected, {"bound", "gradient"});
  const doubles steps = inputs.at("step_sizes"), norms = inputs.at("grad_norms");
  const double distance = inputs.at("D");
  doubles gradient(steps.size());
  check_close(schedule::last_iterate_bound(steps, norms, distance), expected.at("bound"), tolerance, "bound");
  check_close(schedule::last_iterate_bound(steps, norms, distance, gradient), expected.at("bound"), tolerance, "bound with gradient");
  check_close(gradient, expected.at("gradient"), tolerance, "gradient");
}

void check_common_schedules(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"T", "G", "D", "profiles"});
  require_keys(expected, {"best_bound", "best_base_rate"});
  const doubles norms(inputs.at("T").get<std::size_t>(), inputs.at("G").get<double>());
  const auto profiles = inputs.at("profiles").get<std::map<std::string, doubles>>();
  const double distance = inputs.at("D");
  REQUIRE(expected.at("best_bound").size() == profiles.size());
  REQUIRE(expected.at("best_base_rate").size() == profiles.size());
  for (const auto& [name, profile] : profiles) {
    const auto best = schedule::best_base_rate(profile, norms, distance);
    CHECK(best.status == schedule::best_base_rate_status::converged);
    check_close(best.bound, expected.at("best_bound").at(name), tolerance, name + ", best_bound");
    check_close(best.base_rate, expected.at("best_base_rate").at(name), tolerance, name + ", best_base_rate");
    doubles scaled = profile;
    for (double& rate : scaled) rate *= best.base_rate;
    check_close(schedule::last_iterate_bound(scaled, norms, distance), expected.at("best_bound").at(name), tolerance, name + ", scaled");
  }
}

void check_optimum(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"grad_norms", "D"});
  require_keys(expected, {"optimum", "step_sizes"});
  require_keys(tolerance, {"optimum_rel", "step_sizes_rel"});
  const auto best = schedule::minimize_last_iterate_bound(inputs.at("grad_norms").get<doubles>(), inputs.at("D"));
  CHECK(best.status == gavel::lbfgs_status::converged);
  check_close(best.bound, expected.at("optimum"), {{"rel", tolerance.at("optimum_rel")}}, "optimum");
  check_close(best.rates, expected.at("step_sizes"), {{"rel", tolerance.at("step_sizes_rel")}}, "step_sizes");
}

void check_median_filter(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"grad_norms", "width"});
  require_keys(expected, {"smoothed", "schedule"});
  const doubles norms = inputs.at("grad_norms");
  const std::size_t width = inputs.at("width");
  doubles smoothed(norms.size());
  gavel::median_filter(norms, smoothed, {.width = width, .right = gavel::edge_padding::reflect});
  check_close(smoothed, expected.at("smoothed"), tolerance, "smoothed");
  check_close(shape(smoothed, 2), expected.at("schedule"), tolerance, "schedule");
  const auto refined = schedule::refine(norms, {.smoothing_width = width, .force = true});
  CHECK(refined.smoothing_width == width);
  check_proportional(refined.rates, expected.at("schedule"), tolerance);
}

void check_edge(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"grad_norms"});
  require_keys(expected, {"shape"});
  const auto logs = inputs.at("grad_norms").get<std::vector<doubles>>();
  const auto shapes = expected.at("shape").get<std::vector<doubles>>();
  REQUIRE(logs.size() == shapes.size());
  for (std::size_t i = 0; i < logs.size(); ++i) {
    check_close(shape(logs[i], 2), shapes[i], tolerance, "shape");
    // The largest rate is the base rate; a single step has none to scale.
    double largest = 0.0;
    for (const double rate : shapes[i]) largest = rate > largest ? rate : largest;
    doubles normalized = shapes[i];
    for (double& rate : normalized) rate = largest > 0.0 ? rate / largest : 0.0;
    check_close(rates(logs[i]), normalized, tolerance, "rates");
  }
}

}  // namespace

TEST_CASE("reference vectors 07-schedule-refinement", "[schedule][reference]") {
  reference_file("07-schedule-refinement")
      .run({{"closed_form", check_closed_form},
            {"constant_norms_are_linear_decay", check_constant_norms},
            {"last_iterate_bound", check_bound},
            {"bound_of_common_schedules", check_common_schedules},
            {"optimal_schedule_of_bound", check_optimum},
            {"median_filter_then_refine", check_median_filter},
            {"edge", check_edge}});
}

}  // namespace schedule_refinement_reference_test
