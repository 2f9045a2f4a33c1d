// SPDX-License-Identifier: MIT
#pragma once

#include "schedule/reference_rows.hpp"

#include <gavel/schedule/timm.hpp>

#include <string>
#include <vector>

namespace gavel::testing {

/// The fields that cosine, poly and tanh share.
template <class Options>
Options timm_cycles_of(const json& s) {
  Options options;
  options.base_lr = s.at("base");
  options.t_initial = s.at("t_initial");
  options.lr_min = s.at("lr_min");
  options.cycle_mul = s.at("cycle_mul");
  options.cycle_decay = s.at("cycle_decay");
  options.cycle_limit = s.at("cycle_limit");
  options.warmup_t = s.at("warmup_t");
  options.warmup_lr_init = s.at("warmup_lr_init");
  options.warmup_prefix = s.at("warmup_prefix");
  return options;
}

inline std::vector<std::string> with_timm_keys(std::vector<std::string> keys, bool cycles) {
  for (const char* key : {"name", "base", "warmup_t", "warmup_lr_init", "warmup_prefix"}) keys.emplace_back(key);
  if (cycles) {
    for (const char* key : {"t_initial", "lr_min", "cycle_mul", "cycle_decay", "cycle_limit"}) keys.emplace_back(key);
  }
  return keys;
}

inline void check_timm(const json& inputs, const json& expected, const json& tolerance) {
  namespace timm = schedule::timm;
  require_keys(inputs, {"steps", "schedules", "meaning"});
  for_each_row(inputs, expected, "lr", [&](const json& s, const std::vector<double>& row) {
    const std::string name = s.at("name");
    if (name == "cosine") {
      require_keys(s, with_timm_keys({"k_decay"}, true));
      auto options = timm_cycles_of<timm::cosine_options>(s);
      options.k_decay = s.at("k_decay");
      check_row(timm::cosine(options), row, tolerance);
    } else if (name == "poly") {
      require_keys(s, with_timm_keys({"k_decay", "power"}, true));
      auto options = timm_cycles_of<timm::poly_options>(s);
      options.k_decay = s.at("k_decay");
      options.power = s.at("power");
      check_row(timm::poly(options), row, tolerance);
    } else if (name == "tanh") {
      require_keys(s, with_timm_keys({"lb", "ub"}, true));
      auto options = timm_cycles_of<timm::tanh_options>(s);
      options.lb = s.at("lb");
      options.ub = s.at("ub");
      check_row(timm::tanh(options), row, tolerance);
    } else if (name == "step") {
      require_keys(s, with_timm_keys({"decay_t", "decay_rate"}, false));
      check_row(timm::step({.base_lr = s.at("base"),
                            .decay_t = s.at("decay_t"),
                            .decay_rate = s.at("decay_rate"),
                            .warmup_t = s.at("warmup_t"),
                            .warmup_lr_init = s.at("warmup_lr_init"),
                            .warmup_prefix = s.at("warmup_prefix")}),
                row, tolerance);
    } else if (name == "multistep") {
      require_keys(s, with_timm_keys({"decay_t", "decay_rate"}, false));
      const auto milestones = s.at("decay_t").get<std::vector<std::uint64_t>>();
      check_row(timm::multistep({.base_lr = s.at("base"),
                                 .decay_t = milestones,
                                 .decay_rate = s.at("decay_rate"),
                                 .warmup_t = s.at("warmup_t"),
                                 .warmup_lr_init = s.at("warmup_lr_init"),
                                 .warmup_prefix = s.at("warmup_prefix"),
                                 .drop_early = true}),  // recorded before timm 1.0.29
                row, tolerance);
    } else {
      FAIL("unknown schedule " << name);
    }
  });
}

}  // namespace gavel::testing
