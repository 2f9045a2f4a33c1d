// SPDX-License-Identifier: MIT
#pragma once

#include "schedule/reference_rows.hpp"

#include <gavel/schedule/pytorch.hpp>

#include <string>
#include <vector>

namespace gavel::testing {

inline schedule::pytorch::one_cycle_lr_options one_cycle_options_of(const json& s) {
  using strategy = schedule::pytorch::one_cycle_lr_options::strategy;
  require_keys(s, {"name", "max_lr", "total_steps", "pct_start", "anneal_strategy", "div_factor", "final_div_factor", "three_phase"});
  const std::string anneal = s.at("anneal_strategy");
  REQUIRE((anneal == "cos" || anneal == "linear"));
  return {.max_lr = s.at("max_lr"),
          .total_steps = s.at("total_steps"),
          .pct_start = s.at("pct_start"),
          .anneal_strategy = anneal == "cos" ? strategy::cosine : strategy::linear,
          .div_factor = s.at("div_factor"),
          .final_div_factor = s.at("final_div_factor"),
          .three_phase = s.at("three_phase")};
}

inline schedule::pytorch::cyclic_lr_options cyclic_options_of(const json& s) {
  using shape = schedule::pytorch::cyclic_lr_options::shape;
  require_keys(s, {"name", "base_lr", "max_lr", "step_size_up", "step_size_down", "mode", "gamma"});
  const std::string mode = s.at("mode");
  REQUIRE((mode == "triangular" || mode == "triangular2" || mode == "exp_range"));
  return {.base_lr = s.at("base_lr"),
          .max_lr = s.at("max_lr"),
          .step_size_up = s.at("step_size_up"),
          .step_size_down = s.at("step_size_down"),
          .mode = mode == "triangular"    ? shape::triangular
                  : mode == "triangular2" ? shape::triangular2
                                          : shape::exp_range,
          .gamma = s.value("gamma", 1.0)};
}

inline void check_pytorch(const json& inputs, const json& expected, const json& tolerance) {
  namespace pytorch = schedule::pytorch;
  require_keys(inputs, {"base_lr", "steps", "schedules", "meaning"});
  const double base = inputs.at("base_lr");
  for_each_row(inputs, expected, "lr", [&](const json& s, const std::vector<double>& row) {
    const std::string name = s.at("name");
    if (name == "ConstantLR") {
      require_keys(s, {"name", "factor", "total_iters"});
      check_row(pytorch::constant_lr({.base_lr = base, .factor = s.at("factor"), .total_iters = s.at("total_iters")}), row, tolerance);
    } else if (name == "LinearLR") {
      require_keys(s, {"name", "start_factor", "end_factor", "total_iters"});
      check_row(pytorch::linear_lr({.base_lr = base,
                                    .start_factor = s.at("start_factor"),
                                    .end_factor = s.at("end_factor"),
                                    .total_iters = s.at("total_iters")}),
                row, tolerance);
    } else if (name == "PolynomialLR") {
      require_keys(s, {"name", "total_iters", "power"});
      check_row(pytorch::polynomial_lr({.base_lr = base, .total_iters = s.at("total_iters"), .power = s.at("power")}), row, tolerance);
    } else if (name == "ExponentialLR") {
      require_keys(s, {"name", "gamma"});
      check_row(pytorch::exponential_lr({.base_lr = base, .gamma = s.at("gamma")}), row, tolerance);
    } else if (name == "StepLR") {
      require_keys(s, {"name", "step_size", "gamma"});
      check_row(pytorch::step_lr({.base_lr = base, .step_size = s.at("step_size"), .gamma = s.at("gamma")}), row, tolerance);
    } else if (name == "MultiStepLR") {
      require_keys(s, {"name", "milestones", "gamma"});
      const auto milestones = s.at("milestones").get<std::vector<std::uint64_t>>();
      check_row(pytorch::multi_step_lr({.base_lr = base, .milestones = milestones, .gamma = s.at("gamma")}), row, tolerance);
    } else if (name == "CosineAnnealingLR") {
      require_keys(s, {"name", "T_max", "eta_min"});
      const pytorch::cosine_annealing_lr_options options{.base_lr = base, .t_max = s.at("T_max"), .eta_min = s.at("eta_min")};
      check_rebounding_row(pytorch::cosine_annealing_lr(options), pytorch::cosine_annealing_lr_rebounding(options), options.t_max, row,
                           tolerance);
    } else if (name == "CosineAnnealingWarmRestarts") {
      require_keys(s, {"name", "T_0", "T_mult", "eta_min"});
      check_row(pytorch::cosine_annealing_warm_restarts(
                    {.base_lr = base, .t_0 = s.at("T_0"), .t_mult = s.at("T_mult"), .eta_min = s.at("eta_min")}),
                row, tolerance);
    } else if (name == "OneCycleLR") {
      check_row(pytorch::one_cycle_lr(one_cycle_options_of(s)), row, tolerance);
    } else if (name == "CyclicLR") {
      check_row(pytorch::cyclic_lr(cyclic_options_of(s)), row, tolerance);
    } else {
      FAIL("unknown schedule " << name);
    }
  });
}

}  // namespace gavel::testing
