// SPDX-License-Identifier: MIT
#pragma once

#include "schedule/reference_rows.hpp"

#include <gavel/schedule/keras.hpp>

#include <optional>
#include <string>
#include <vector>

namespace gavel::testing {

inline void check_keras(const json& inputs, const json& expected, const json& tolerance) {
  namespace keras = schedule::keras;
  require_keys(inputs, {"steps", "schedules", "meaning"});
  for_each_row(inputs, expected, "lr", [&](const json& s, const std::vector<double>& row) {
    const std::string name = s.at("name");
    if (name == "ExponentialDecay" || name == "InverseTimeDecay") {
      require_keys(s, {"name", "initial", "decay_steps", "decay_rate", "staircase"});
      const keras::decay_options options{.initial_learning_rate = s.at("initial"),
                                         .decay_steps = s.at("decay_steps"),
                                         .decay_rate = s.at("decay_rate"),
                                         .staircase = s.at("staircase")};
      if (name == "ExponentialDecay") check_row(keras::exponential_decay(options), row, tolerance);
      else check_row(keras::inverse_time_decay(options), row, tolerance);
    } else if (name == "PiecewiseConstantDecay") {
      require_keys(s, {"name", "boundaries", "values"});
      const auto boundaries = s.at("boundaries").get<std::vector<std::uint64_t>>();
      const auto values = s.at("values").get<std::vector<double>>();
      check_row(keras::piecewise_constant_decay({.boundaries = boundaries, .values = values}), row, tolerance);
    } else if (name == "PolynomialDecay") {
      require_keys(s, {"name", "initial", "end", "decay_steps", "power", "cycle"});
      check_row(keras::polynomial_decay({.initial_learning_rate = s.at("initial"),
                                         .decay_steps = s.at("decay_steps"),
                                         .end_learning_rate = s.at("end"),
                                         .power = s.at("power"),
                                         .cycle = s.at("cycle")}),
                row, tolerance);
    } else if (name == "CosineDecay") {
      require_keys(s, {"name", "initial", "decay_steps", "alpha", "warmup_target", "warmup_steps"});
      keras::cosine_decay_options options{.initial_learning_rate = s.at("initial"),
                                          .decay_steps = s.at("decay_steps"),
                                          .alpha = s.at("alpha"),
                                          .warmup_target = std::nullopt,
                                          .warmup_steps = s.at("warmup_steps")};
      if (!s.at("warmup_target").is_null()) options.warmup_target = s.at("warmup_target").get<double>();
      check_row(keras::cosine_decay(options), row, tolerance);
    } else if (name == "CosineDecayRestarts") {
      require_keys(s, {"name", "initial", "first_decay_steps", "t_mul", "m_mul", "alpha"});
      check_row(keras::cosine_decay_restarts({.initial_learning_rate = s.at("initial"),
                                              .first_decay_steps = s.at("first_decay_steps"),
                                              .t_mul = s.at("t_mul"),
                                              .m_mul = s.at("m_mul"),
                                              .alpha = s.at("alpha")}),
                row, tolerance);
    } else {
      FAIL("unknown schedule " << name);
    }
  });
}

}  // namespace gavel::testing
