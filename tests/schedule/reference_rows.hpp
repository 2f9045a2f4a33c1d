// SPDX-License-Identifier: MIT
#pragma once

#include "support/reference.hpp"

#include <gavel/schedule/rate_schedule.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace gavel::testing {

/// The rates of @p schedule over @p unit are the row.
template <schedule::rate_schedule S>
void check_row(const S& schedule, const std::vector<double>& row, const json& tolerance, double unit = 1.0) {
  REQUIRE(!row.empty());
  std::vector<double> rates(row.size());
  schedule::fill(schedule, rates);
  for (std::size_t t = 0; t < row.size(); ++t) check_close(rates[t] / unit, row[t], tolerance, "rate[" + std::to_string(t) + "]");
}

/// A row that goes on past step @p end: @p rebounding is all of it, @p held is it up to there and stays.
template <schedule::rate_schedule Held, schedule::rate_schedule Rebounding>
void check_rebounding_row(const Held& held, const Rebounding& rebounding, std::uint64_t end, const std::vector<double>& row,
                          const json& tolerance) {
  check_row(rebounding, row, tolerance);
  for (std::size_t t = 0; t < row.size(); ++t) {
    check_close(held.rate(t), row[t < end ? t : end], tolerance, "held rate[" + std::to_string(t) + "]");
  }
}

/// Calls @p check(entry, row) for each schedule of a case and its row of expected values; a case without one, or with another number of rows,
/// fails.
template <class Check>
void for_each_row(const json& inputs, const json& expected, const char* key, Check&& check) {
  require_keys(expected, {key});
  const json& schedules = inputs.at("schedules");
  REQUIRE(!schedules.empty());
  REQUIRE(schedules.size() == expected.at(key).size());
  for (std::size_t i = 0; i < schedules.size(); ++i) {
    const std::string entry = schedules[i].dump();
    INFO("schedule " << i << ": " << entry);
    const auto row = expected.at(key)[i].get<std::vector<double>>();
    REQUIRE(row.size() == inputs.at("steps").get<std::size_t>());
    check(schedules[i], row);
  }
}

}  // namespace gavel::testing
