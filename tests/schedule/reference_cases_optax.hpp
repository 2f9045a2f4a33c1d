// SPDX-License-Identifier: MIT
#pragma once

#include "schedule/reference_rows.hpp"

#include <gavel/schedule/optax.hpp>

#include <optional>
#include <string>
#include <vector>

namespace gavel::testing {

inline void check_optax(const json& inputs, const json& expected, const json& tolerance) {
  namespace optax = schedule::optax;
  require_keys(inputs, {"steps", "schedules", "meaning"});
  for_each_row(inputs, expected, "lr", [&](const json& s, const std::vector<double>& row) {
    const std::string name = s.at("name");
    if (name == "polynomial_schedule") {
      require_keys(s, {"name", "init_value", "end_value", "power", "transition_steps", "transition_begin"});
      check_row(optax::polynomial_schedule({.init_value = s.at("init_value"),
                                            .end_value = s.at("end_value"),
                                            .power = s.at("power"),
                                            .transition_steps = s.at("transition_steps"),
                                            .transition_begin = s.at("transition_begin")}),
                row, tolerance);
    } else if (name == "cosine_decay_schedule") {
      require_keys(s, {"name", "init_value", "decay_steps", "alpha", "exponent"});
      check_row(
          optax::cosine_decay_schedule(
              {.init_value = s.at("init_value"), .decay_steps = s.at("decay_steps"), .alpha = s.at("alpha"), .exponent = s.at("exponent")}),
          row, tolerance);
    } else if (name == "exponential_decay") {
      require_keys(s, {"name", "init_value", "transition_steps", "decay_rate", "transition_begin", "staircase", "end_value"});
      check_row(optax::exponential_decay(
                    {.init_value = s.at("init_value"),
                     .transition_steps = s.at("transition_steps"),
                     .decay_rate = s.at("decay_rate"),
                     .transition_begin = s.at("transition_begin"),
                     .staircase = s.at("staircase"),
                     .end_value = s.at("end_value").is_null() ? std::nullopt : std::optional<double>(s.at("end_value").get<double>())}),
                row, tolerance);
    } else if (name == "piecewise_constant_schedule") {
      require_keys(s, {"name", "init_value", "boundaries_and_scales"});
      std::vector<optax::boundary_and_scale> pairs;
      for (const json& pair : s.at("boundaries_and_scales")) pairs.push_back({pair.at(0), pair.at(1)});
      check_row(optax::piecewise_constant_schedule({.init_value = s.at("init_value"), .boundaries_and_scales = pairs}), row, tolerance);
    } else if (name == "linear_onecycle_schedule") {
      require_keys(s, {"name", "transition_steps", "peak_value", "pct_start", "pct_final", "div_factor", "final_div_factor"});
      check_row(optax::linear_onecycle_schedule({.transition_steps = s.at("transition_steps"),
                                                 .peak_value = s.at("peak_value"),
                                                 .pct_start = s.at("pct_start"),
                                                 .pct_final = s.at("pct_final"),
                                                 .div_factor = s.at("div_factor"),
                                                 .final_div_factor = s.at("final_div_factor")}),
                row, tolerance);
    } else if (name == "cosine_onecycle_schedule") {
      require_keys(s, {"name", "transition_steps", "peak_value", "pct_start", "div_factor", "final_div_factor"});
      check_row(optax::cosine_onecycle_schedule({.transition_steps = s.at("transition_steps"),
                                                 .peak_value = s.at("peak_value"),
                                                 .pct_start = s.at("pct_start"),
                                                 .div_factor = s.at("div_factor"),
                                                 .final_div_factor = s.at("final_div_factor")}),
                row, tolerance);
    } else if (name == "warmup_cosine_decay_schedule") {
      require_keys(s, {"name", "init_value", "peak_value", "warmup_steps", "decay_steps", "end_value", "exponent"});
      check_row(optax::warmup_cosine_decay_schedule({.init_value = s.at("init_value"),
                                                     .peak_value = s.at("peak_value"),
                                                     .warmup_steps = s.at("warmup_steps"),
                                                     .decay_steps = s.at("decay_steps"),
                                                     .end_value = s.at("end_value"),
                                                     .exponent = s.at("exponent")}),
                row, tolerance);
    } else if (name == "sgdr_schedule") {
      require_keys(s, {"name", "cycles"});
      std::vector<optax::warmup_cosine_decay_schedule_options> cycles;
      for (const json& cycle : s.at("cycles")) {
        require_keys(cycle, {"init_value", "peak_value", "warmup_steps", "decay_steps"});
        cycles.push_back({.init_value = cycle.at("init_value"),
                          .peak_value = cycle.at("peak_value"),
                          .warmup_steps = cycle.at("warmup_steps"),
                          .decay_steps = cycle.at("decay_steps")});
      }
      check_row(optax::sgdr_schedule(cycles), row, tolerance);
    } else {
      FAIL("unknown schedule " << name);
    }
  });
}

}  // namespace gavel::testing
