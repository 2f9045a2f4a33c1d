// SPDX-License-Identifier: MIT
#pragma once

#include "schedule/reference_rows.hpp"

#include <gavel/schedule/combinators.hpp>
#include <gavel/schedule/profile.hpp>
#include <gavel/schedule/rate_schedule.hpp>
#include <gavel/schedule/sampling.hpp>

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace gavel::testing {

using any_profile = std::function<double(double)>;

/// The native profile of a name, inner profiles included.
inline any_profile profile_of(const json& p) {
  namespace native = gavel::schedule;
  const std::string name = p.at("name");
  const auto keys = [&](std::vector<std::string> known) {
    known.emplace_back("name");
    require_keys(p, known);
  };
  if (name == "linear") return keys({}), native::linear{};
  if (name == "rex") return keys({"beta"}), native::rex(p.at("beta"));
  if (name == "cosine") return keys({}), native::cosine{};
  if (name == "polynomial") return keys({"power"}), native::polynomial(p.at("power"));
  if (name == "one_minus_sqrt") return keys({}), native::one_minus_sqrt{};
  if (name == "sqrt_one_minus") return keys({}), native::polynomial(0.5);
  if (name == "exponential") return keys({"gamma"}), native::exponential(p.at("gamma"));
  if (name == "exponential_to_zero") return keys({"gamma"}), native::exponential_to_zero(p.at("gamma"));
  if (name == "reflected_exponential_pure") return keys({"gamma"}), native::reflected_exponential(p.at("gamma"));
  if (name == "step") {
    keys({"gamma", "milestones"});
    return native::step_decay(p.at("gamma"), p.at("milestones").get<std::vector<double>>());
  }
  if (name == "tanh") return keys({"lb", "ub"}), native::hyperbolic_tangent(p.at("lb"), p.at("ub"));
  if (name == "knee") {
    keys({"warmup", "explore"});
    return native::knee({.warmup = p.at("warmup"), .explore = p.at("explore")});
  }
  if (name == "delayed") return keys({"delay", "inner"}), native::delayed<any_profile>(p.at("delay"), profile_of(p.at("inner")));
  if (name == "warmup") return keys({"fraction", "inner"}), native::warmup<any_profile>(p.at("fraction"), profile_of(p.at("inner")));
  if (name == "wsd") {
    keys({"warmup", "decay", "inner"});
    return native::wsd<any_profile>({.warmup = p.at("warmup"), .decay = p.at("decay")}, profile_of(p.at("inner")));
  }
  FAIL("unknown profile " << name);
  return {};
}

inline void check_native_profiles(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"z", "profiles"});
  require_keys(expected, {"rho"});
  const auto z = inputs.at("z").get<std::vector<double>>();
  const json& profiles = inputs.at("profiles");
  REQUIRE(!profiles.empty());
  REQUIRE(profiles.size() == expected.at("rho").size());
  for (std::size_t i = 0; i < profiles.size(); ++i) {
    const std::string entry = profiles[i].dump();
    INFO("profile " << i << ": " << entry);
    const any_profile profile = profile_of(profiles[i]);
    const auto row = expected.at("rho")[i].get<std::vector<double>>();
    REQUIRE(row.size() == z.size());
    for (std::size_t k = 0; k < z.size(); ++k) check_close(profile(z[k]), row[k], tolerance, "rho[" + std::to_string(k) + "]");
  }
}

/// Reads a profile at every step, every k steps, or at milestones, each by one of the four conventions.
template <class Convention>
void check_sampled(const json& s, const schedule::horizon& over, const Convention& convention, const std::vector<double>& row,
                   const json& tolerance) {
  const any_profile profile = profile_of(s.at("profile"));
  if (s.contains("milestones")) {
    require_keys(s, {"profile", "convention", "milestones"});
    const auto points = s.at("milestones").get<std::vector<double>>();
    check_row(schedule::stretch(profile, over, schedule::milestones(points), convention), row, tolerance);
    return;
  }
  require_keys(s, {"profile", "convention", "every"});
  const std::uint64_t period = s.at("every");
  check_row(schedule::stretch(profile, over, schedule::every(period), convention), row, tolerance);
  if (period == 1) check_row(schedule::stretch(profile, over, schedule::every_step{}, convention), row, tolerance);
}

inline void check_profile_x_sampling(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"base_lr", "steps", "schedules", "meaning"});
  const schedule::horizon over{.steps = inputs.at("steps"), .base_rate = inputs.at("base_lr")};
  for_each_row(inputs, expected, "lr", [&](const json& s, const std::vector<double>& row) {
    const std::string convention = s.at("convention");
    if (convention == "left") check_sampled(s, over, schedule::left{}, row, tolerance);
    else if (convention == "right") check_sampled(s, over, schedule::right{}, row, tolerance);
    else if (convention == "inclusive") check_sampled(s, over, schedule::inclusive{}, row, tolerance);
    else if (convention == "interior") check_sampled(s, over, schedule::interior{}, row, tolerance);
    else FAIL("unknown convention " << convention);
  });
}

}  // namespace gavel::testing
