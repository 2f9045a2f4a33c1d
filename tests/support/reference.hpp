// SPDX-License-Identifier: MIT
#pragma once

#include "support/catch.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace gavel::testing {

using json = nlohmann::json;

/// The folder of the reference vectors: the environment variable GAVEL_REFERENCE_DIR, else the project's own.
inline std::string reference_directory() {
  if (const char* directory = std::getenv("GAVEL_REFERENCE_DIR")) return directory;
#ifdef GAVEL_DEFAULT_REFERENCE_DIR
  return GAVEL_DEFAULT_REFERENCE_DIR;
#else
  return "tests/reference";
#endif
}

/// The kind of a case: its name without sizes and seeds. Digits go, and with them the words that only carry one ("V7", "n3", "w6", "len3").
inline std::string case_kind(const std::string& name) {
  std::string kind;
  std::string word;
  auto flush = [&] {
    const bool has_digit = std::any_of(word.begin(), word.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
    if (!word.empty() && !has_digit) kind += (kind.empty() ? "" : "_") + word;
    word.clear();
  };
  for (const char c : name) {
    if (c == '_' || c == '-') flush();
    else word += c;
  }
  flush();
  return kind;
}

/// Runs every case of a reference file through the handler of its kind; an unknown kind fails. Prints `reference NN-slug: k/n cases`.
/// A handler gets the case's inputs, expected values, and tolerance (see `is_within`).
class reference_file {
 public:
  using handler = std::function<void(const json& inputs, const json& expected, const json& tolerance)>;

  explicit reference_file(std::string slug) : slug_(std::move(slug)) {
    const std::string path = reference_directory() + "/" + slug_ + ".json";
    std::ifstream file(path);
    INFO("reference file " << path);
    REQUIRE(file.good());
    document_ = json::parse(file);
  }

  void run(const std::map<std::string, handler>& handlers) const {
    const json& cases = document_.at("cases");
    REQUIRE(!cases.empty());
    std::size_t passed = 0;
    for (const json& one : cases) {
      const std::string name = one.at("name");
      const std::string kind = case_kind(name);
      const auto found = handlers.find(kind);
      if (found == handlers.end()) {
        FAIL_CHECK("reference " << slug_ << ": case \"" << name << "\" is of the unknown kind \"" << kind << "\"");
        continue;
      }
      INFO("reference " << slug_ << ", case " << name);
      found->second(one.at("inputs"), one.at("expected"), one.at("tolerance"));
      ++passed;  // a failed REQUIRE inside the handler leaves this loop, so only whole cases count
    }
    std::printf("reference %s: %zu/%zu cases\n", slug_.c_str(), passed, cases.size());
    REQUIRE(passed == cases.size());
  }

 private:
  std::string slug_;
  json document_;
};

/// Whether @p actual meets any of the bounds that a tolerance names: "abs", "rel" (of the expected value) or "log_abs" (of the logarithms).
/// An unknown bound fails the test.
inline bool is_within(double actual, double expected, const json& tolerance) {
  bool within = false;
  std::size_t bounds = 0;
  for (const auto& [name, value] : tolerance.items()) {
    if (name == "note") continue;
    const double bound = value.get<double>();
    ++bounds;
    if (name == "abs") within |= std::abs(actual - expected) <= bound;
    else if (name == "rel") within |= std::abs(actual - expected) <= bound * std::abs(expected);
    else if (name == "log_abs") within |= actual > 0.0 && expected > 0.0 && std::abs(std::log(actual / expected)) <= bound;
    else FAIL("unknown tolerance \"" << name << "\"");
  }
  REQUIRE(bounds > 0);
  return within;
}

/// @p actual agrees with @p expected; both must be finite.
inline void check_close(double actual, double expected, const json& tolerance, const std::string& what = "") {
  INFO(what << ": actual " << actual << ", expected " << expected);
  REQUIRE(std::isfinite(actual));
  REQUIRE(std::isfinite(expected));
  REQUIRE(is_within(actual, expected, tolerance));
}

template <class Values>
void check_close(const Values& actual, const std::vector<double>& expected, const json& tolerance, const std::string& what = "") {
  INFO(what);
  REQUIRE(static_cast<std::size_t>(actual.size()) == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    check_close(static_cast<double>(actual[i]), expected[i], tolerance, what + "[" + std::to_string(i) + "]");
  }
}

/// Refuses a case whose keys are not the ones the test reads, so that a new expected value cannot be skipped silently.
inline void require_keys(const json& object, std::vector<std::string> known) {
  for (const auto& [key, value] : object.items()) {
    INFO("key " << key);
    REQUIRE(std::find(known.begin(), known.end(), key) != known.end());
  }
}

}  // namespace gavel::testing
