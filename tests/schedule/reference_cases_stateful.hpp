// SPDX-License-Identifier: MIT
#pragma once

#include "support/reference.hpp"

#include <gavel/schedule/plateau.hpp>
#include <gavel/schedule/pytorch.hpp>
#include <gavel/schedule/schedule_free.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace gavel::testing {

/// The rate before each metric of a recorded ReduceLROnPlateau.
inline void check_plateau(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs,
               {"base_lr", "metrics", "mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "min_lr", "eps", "meaning"});
  require_keys(expected, {"lr"});
  const std::string mode = inputs.at("mode");
  const std::string threshold_mode = inputs.at("threshold_mode");
  REQUIRE((mode == "min" || mode == "max"));
  REQUIRE((threshold_mode == "rel" || threshold_mode == "abs"));
  schedule::plateau plateau =
      schedule::pytorch::reduce_lr_on_plateau({.base_lr = inputs.at("base_lr").get<double>(),
                                               .mode = mode == "min" ? schedule::plateau_goal::minimize : schedule::plateau_goal::maximize,
                                               .factor = inputs.at("factor").get<double>(),
                                               .patience = inputs.at("patience").get<std::uint64_t>(),
                                               .threshold = inputs.at("threshold").get<double>(),
                                               .relative = threshold_mode == "rel",
                                               .cooldown = inputs.at("cooldown").get<std::uint64_t>(),
                                               .min_lr = inputs.at("min_lr").get<double>(),
                                               .eps = inputs.at("eps").get<double>()});
  std::vector<double> rates;
  for (const json& metric : inputs.at("metrics")) {
    rates.push_back(plateau.rate());
    plateau.update(metric.get<double>());
  }
  check_close(rates, expected.at("lr").get<std::vector<double>>(), tolerance, "lr");
}

/// One parameter of a recorded schedule-free SGD under given gradients: z, x, y and c after each step.
inline void check_schedule_free_sgd(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"x0", "gradients", "lr", "beta", "warmup_steps", "r", "weight_lr_power"});
  require_keys(expected, {"z", "x", "y", "c"});
  std::vector<double> y{inputs.at("x0").get<double>()};
  schedule::schedule_free_sgd<double> optimizer(
      y, {.learning_rate = inputs.at("lr").get<double>(),
          .warmup_steps = inputs.at("warmup_steps").get<std::uint64_t>(),
          .beta = inputs.at("beta").get<double>(),
          .averaging = {.step_power = inputs.at("r").get<double>(), .rate_power = inputs.at("weight_lr_power").get<double>()}});
  std::vector<double> base;
  std::vector<double> average;
  std::vector<double> parameters;
  std::vector<double> coefficients;
  for (const json& one : inputs.at("gradients")) {
    const std::vector<double> gradient{one.get<double>()};
    optimizer.step(y, gradient);
    std::vector<double> x(1);
    optimizer.evaluation_point(x);
    base.push_back(optimizer.base()[0]);
    average.push_back(x[0]);
    parameters.push_back(y[0]);
    coefficients.push_back(optimizer.coefficient());
  }
  check_close(base, expected.at("z").get<std::vector<double>>(), tolerance, "z");
  check_close(average, expected.at("x").get<std::vector<double>>(), tolerance, "x");
  check_close(parameters, expected.at("y").get<std::vector<double>>(), tolerance, "y");
  check_close(coefficients, expected.at("c").get<std::vector<double>>(), tolerance, "c");
}

}  // namespace gavel::testing
