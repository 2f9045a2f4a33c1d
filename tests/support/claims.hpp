// SPDX-License-Identifier: MIT
#pragma once

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <optional>
#include <string>

/// @file
/// What papers claim, beside what is measured here. A test measures, counts the cases that agree, and says what it expects the verdict to be:
///
///     cases below;
///     for (const auto& at : settings) below.add(loss(at, rex{}) < loss(at, linear{}));
///     check_claim({.paper = rex_paper, .text = "REX ends below linear decay", .published = "always", .measured = of_cases(below),
///                  .found = below}, claim_verdict::in_part);
///
/// The verdict follows from the count; a claim whose verdict changes fails its test. Where the environment variable GAVEL_CLAIMS names a file,
/// every claim is appended to it as one line of JSON: `scripts/claims` makes `docs/claims.md` of them. Nothing is printed.
/// Test cases carry the tag of their paper, [02-rex]; those that need more than some ten seconds also [.slow-claim], so that only
/// `scripts/claims` runs them.

namespace gavel::testing {

enum class claim_verdict { holds, in_part, does_not_hold, not_testable };

[[nodiscard]] inline const char* name_of(claim_verdict v) {
  switch (v) {
    case claim_verdict::holds: return "holds";
    case claim_verdict::in_part: return "holds in part";
    case claim_verdict::does_not_hold: return "does not hold";
    case claim_verdict::not_testable: break;
  }
  return "not testable here";
}

/// The cases measured, and those of them that agree with a claim.
struct cases {
  std::size_t agree = 0, of = 0;

  cases() = default;
  cases(std::initializer_list<bool> each) {
    for (const bool agrees : each) add(agrees);
  }

  void add(bool agrees) {
    agree += agrees ? 1 : 0;
    ++of;
  }
  void add(const cases& other) {
    agree += other.agree;
    of += other.of;
  }
  /// Whether a figure, rounded to @p decimals, is the one printed (a last digit that was cut rather than rounded passes).
  void add_printed(double measured, double printed, int decimals) {
    add(std::abs(measured - printed) < 1.0001 * std::pow(10.0, -decimals));
  }
};

/// Holds: in all cases. In part: in at least half of them. Else it does not hold.
[[nodiscard]] inline claim_verdict verdict_of(const cases& found) {
  if (found.of == 0) return claim_verdict::not_testable;
  if (found.agree == found.of) return claim_verdict::holds;
  return 2 * found.agree >= found.of ? claim_verdict::in_part : claim_verdict::does_not_hold;
}

/// A range of plausible values of a sampled figure.
struct interval {
  double low = 0.0, high = 0.0;
};

/// 95 %: the mean and two standard errors to either side.
[[nodiscard]] inline interval around(double mean, double standard_error) {
  return {mean - 2.0 * standard_error, mean + 2.0 * standard_error};
}

/// Where claims come from.
struct sheet {
  const char* name = "";    ///< "02-rex", which is also the tag of its tests
  const char* source = "";  ///< authors, "title", year, arXiv id
};

struct claim {
  sheet paper{};
  std::string text{};               ///< the claim in one sentence, unlike any other
  std::string published{};          ///< the paper's figure
  bool recomputed = false;          ///< not printed in the paper: known from an independent computation of its method, or expected of it
  std::string measured{};           ///< the figure here
  std::optional<interval> range{};  ///< of the measured figure, if it is sampled
  cases found{};                    ///< what the verdict follows from
  std::string command{};            ///< what shows it, if not `scripts/claims PAPER`
};

[[nodiscard]] inline std::string fixed(double x, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, x);
  return text;
}

[[nodiscard]] inline std::string percent(double share, int decimals = 0) { return fixed(100.0 * share, decimals) + " %"; }

[[nodiscard]] inline std::string of_cases(const cases& found) { return std::to_string(found.agree) + " of " + std::to_string(found.of); }

namespace detail {

inline void write_claim(const claim& one, claim_verdict v, const std::string& why, const char* file) {
  const char* path = std::getenv("GAVEL_CLAIMS");
  if (path == nullptr || *path == '\0') return;
  nlohmann::json line{{"paper", one.paper.name},
                      {"source", one.paper.source},
                      {"topic", std::filesystem::path(file).parent_path().filename().string()},
                      {"claim", one.text},
                      {"published", one.published},
                      {"recomputed", one.recomputed},
                      {"measured", one.measured},
                      {"interval", nullptr},
                      {"agree", one.found.agree},
                      {"of", one.found.of},
                      {"verdict", name_of(v)},
                      {"why", why},
                      {"command", one.command.empty() ? std::string("scripts/claims ") + one.paper.name : one.command}};
  if (one.range) line["interval"] = {one.range->low, one.range->high};
  std::ofstream lines(path, std::ios::app);
  lines << line.dump() << '\n';
  lines.close();
  REQUIRE(lines.good());
}

}  // namespace detail

/// Asserts that the verdict is @p expected, and writes the claim. The topic is the folder of the file that calls.
inline void check_claim(const claim& one, claim_verdict expected, const char* file = __builtin_FILE()) {
  const claim_verdict found = verdict_of(one.found);
  INFO(one.paper.name << ": " << one.text << "; published " << one.published << ", measured " << one.measured << ", agrees in "
                      << of_cases(one.found));
  REQUIRE(one.found.of > 0);
  CHECK(std::string(name_of(found)) == name_of(expected));
  detail::write_claim(one, found, "", file);
}

/// Writes a claim that cannot be measured here, with the reason in one sentence.
inline void untestable_claim(const claim& one, const std::string& why, const char* file = __builtin_FILE()) {
  REQUIRE(!why.empty());
  detail::write_claim(one, claim_verdict::not_testable, why, file);
}

}  // namespace gavel::testing
