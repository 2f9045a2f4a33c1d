// SPDX-License-Identifier: MIT
#pragma once

#include "schedule/reference_rows.hpp"

#include <gavel/schedule/transformers.hpp>

#include <optional>
#include <string>
#include <vector>

namespace gavel::testing {

inline schedule::transformers::wsd_type wsd_type_of(const std::string& name) {
  REQUIRE((name == "linear" || name == "cosine" || name == "1-sqrt"));
  using schedule::transformers::wsd_type;
  return name == "linear" ? wsd_type::linear : name == "cosine" ? wsd_type::cosine : wsd_type::one_minus_sqrt;
}

inline std::optional<double> optional_of(const json& value) {
  return value.is_null() ? std::nullopt : std::optional<double>(value.get<double>());
}

inline void check_transformers(const json& inputs, const json& expected, const json& tolerance) {
  namespace hf = schedule::transformers;
  require_keys(inputs, {"steps", "schedules", "meaning"});
  for_each_row(inputs, expected, "multiplier", [&](const json& s, const std::vector<double>& row) {
    const std::string name = s.at("name");
    const std::uint64_t steps = s.value("num_training_steps", std::uint64_t{0}), warmup = s.value("num_warmup_steps", std::uint64_t{0});
    if (name == "constant") {
      require_keys(s, {"name"});
      check_row(hf::constant({}), row, tolerance);
    } else if (name == "constant_with_warmup") {
      require_keys(s, {"name", "num_warmup_steps", "num_training_steps"});
      check_row(hf::constant_with_warmup({.num_warmup_steps = warmup}), row, tolerance);
    } else if (name == "linear") {
      require_keys(s, {"name", "num_warmup_steps", "num_training_steps"});
      check_row(hf::linear({.num_training_steps = steps, .num_warmup_steps = warmup}), row, tolerance);
    } else if (name == "cosine") {
      require_keys(s, {"name", "num_cycles", "num_warmup_steps", "num_training_steps"});
      const hf::cosine_options options{.num_training_steps = steps, .num_warmup_steps = warmup, .num_cycles = s.at("num_cycles")};
      check_rebounding_row(hf::cosine(options), hf::cosine_rebounding(options), steps, row, tolerance);
    } else if (name == "cosine_with_restarts") {
      require_keys(s, {"name", "num_cycles", "num_warmup_steps", "num_training_steps"});
      check_row(hf::cosine_with_restarts({.num_training_steps = steps, .num_warmup_steps = warmup, .num_cycles = s.at("num_cycles")}), row,
                tolerance);
    } else if (name == "polynomial") {
      require_keys(s, {"name", "power", "lr_init", "lr_end", "num_warmup_steps", "num_training_steps"});
      const double base = s.at("lr_init");
      check_row(
          hf::polynomial(
              {.base_lr = base, .num_training_steps = steps, .num_warmup_steps = warmup, .lr_end = s.at("lr_end"), .power = s.at("power")}),
          row, tolerance, base);
    } else if (name == "inverse_sqrt") {
      require_keys(s, {"name", "timescale", "num_warmup_steps", "num_training_steps"});
      check_row(hf::inverse_sqrt({.num_warmup_steps = warmup, .timescale = s.at("timescale")}), row, tolerance);
    } else if (name == "cosine_with_min_lr") {
      require_keys(s, {"name", "num_cycles", "min_lr_rate", "num_warmup_steps", "num_training_steps"});
      const hf::cosine_with_min_lr_options options{.num_training_steps = steps,
                                                   .num_warmup_steps = warmup,
                                                   .min_lr_rate = s.at("min_lr_rate").get<double>(),
                                                   .num_cycles = s.at("num_cycles")};
      check_rebounding_row(hf::cosine_with_min_lr(options), hf::cosine_with_min_lr_rebounding(options), steps, row, tolerance);
    } else if (name == "cosine_warmup_with_min_lr") {
      require_keys(s, {"name", "num_cycles", "min_lr_rate", "warmup_lr_rate", "num_warmup_steps", "num_training_steps"});
      const hf::cosine_warmup_with_min_lr_options options{.num_training_steps = steps,
                                                          .num_warmup_steps = warmup,
                                                          .min_lr_rate = s.at("min_lr_rate").get<double>(),
                                                          .warmup_lr_rate = optional_of(s.at("warmup_lr_rate")),
                                                          .num_cycles = s.at("num_cycles")};
      // read at the right end of a step, so the end is the last step T - 1
      check_rebounding_row(hf::cosine_warmup_with_min_lr(options), hf::cosine_warmup_with_min_lr_rebounding(options), steps - 1, row,
                           tolerance);
    } else if (name == "warmup_stable_decay") {
      require_keys(s, {"name", "num_decay_steps", "warmup_type", "decay_type", "min_lr_ratio", "num_cycles", "num_warmup_steps",
                       "num_training_steps"});
      check_row(hf::warmup_stable_decay({.num_decay_steps = s.at("num_decay_steps"),
                                         .num_warmup_steps = warmup,
                                         .num_training_steps = steps,
                                         .warmup_type = wsd_type_of(s.at("warmup_type")),
                                         .decay_type = wsd_type_of(s.at("decay_type")),
                                         .min_lr_ratio = s.at("min_lr_ratio"),
                                         .num_cycles = s.at("num_cycles")}),
                row, tolerance);
    } else {
      FAIL("unknown schedule " << name);
    }
  });
}

}  // namespace gavel::testing
