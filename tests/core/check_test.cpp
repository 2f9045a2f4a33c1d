// SPDX-License-Identifier: MIT
#include <gavel/core/check.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace check_test {

using namespace gavel;
using gavel::testing::message_of;
using gavel::testing::not_a_number;

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr double largest = (std::numeric_limits<double>::max)();
constexpr double smallest = std::numeric_limits<double>::denorm_min();
constexpr double below_one = 1.0 - std::numeric_limits<double>::epsilon() / 2.0;
constexpr std::size_t everywhere = no_index;

// A word about one number: what it accepts, what it refuses and with which rule.
struct number_rule {
  void (*check)(double value, std::size_t index);
  std::string rule;
  std::vector<double> accepted;
  std::vector<double> refused;
};

template <unit_ends Ends>
void unit(double value, std::size_t index) {
  check_unit_interval("gavel::f", "x", value, Ends, index);
}

const std::vector<number_rule> number_rules{
    {[](double value, std::size_t index) { check_not_nan("gavel::f", "x", value, index); },
     "must not be NaN",
     {-infinite, -1.0, 0.0, infinite},
     {}},
    {[](double value, std::size_t index) { check_finite("gavel::f", "x", value, index); },
     "must be finite",
     {-largest, 0.0, largest},
     {-infinite, infinite}},
    {[](double value, std::size_t index) { check_positive("gavel::f", "x", value, index); },
     "must be finite and > 0",
     {smallest, 1.0, largest},
     {-infinite, -1.0, -smallest, -0.0, 0.0, infinite}},
    {[](double value, std::size_t index) { check_not_negative("gavel::f", "x", value, index); },
     "must be finite and >= 0",
     {-0.0, 0.0, largest},
     {-infinite, -smallest, infinite}},
    {unit<unit_ends::closed>, "must be in [0, 1]", {-0.0, 0.0, 0.5, 1.0}, {-smallest, 1.0000000000000002, infinite, -infinite}},
    {unit<unit_ends::open>, "must be in (0, 1)", {smallest, 0.5, below_one}, {-1.0, 0.0, 1.0, 2.0}},
    {unit<unit_ends::zero_only>, "must be in [0, 1)", {0.0, 0.5, below_one}, {-smallest, 1.0, 2.0}},
    {unit<unit_ends::one_only>, "must be in (0, 1]", {smallest, 0.5, 1.0}, {-1.0, 0.0, 1.0000000000000002}},
    {[](double value, std::size_t index) { check_at_least("gavel::f", "x", value, 0.5, index); },
     "must be >= 0.5",
     {0.5, infinite},
     {0.25, -infinite}},
    {[](double value, std::size_t index) { check_at_least("gavel::f", "x", value, "floor", 0.5, index); },
     "must be >= floor 0.5",
     {0.5, infinite},
     {0.25}},
    {[](double value, std::size_t index) { check_greater("gavel::f", "x", value, 0.0, index); },
     "must be > 0",
     {smallest, 1.0, infinite},
     {-infinite, -smallest, -0.0, 0.0}},
    {[](double value, std::size_t index) { check_greater("gavel::f", "x", value, "floor", 0.5, index); },
     "must be > floor 0.5",
     {0.75, infinite},
     {0.25, 0.5}},
    {[](double value, std::size_t index) { check_at_most("gavel::f", "x", value, 0.5, index); },
     "must be <= 0.5",
     {0.5, -infinite},
     {0.75, infinite}},
    {[](double value, std::size_t index) { check_at_most("gavel::f", "x", value, "cap", 0.5, index); },
     "must be <= cap 0.5",
     {0.5},
     {0.75}},
};

// Every word in a constant expression: what is out of range would not compile.
consteval bool all_words() {
  check_not_nan("f", "x", 1.0);
  check_finite("f", "x", 1.0);
  check_positive("f", "x", 1.0);
  check_not_negative("f", "x", 0.0);
  check_unit_interval("f", "x", 0.0, unit_ends::zero_only);
  check_at_least("f", "x", 1, 1);
  check_at_least("f", "x", 1, "least", 1);
  check_at_most("f", "x", 1, 1);
  check_at_most("f", "x", 1, "most", 1);
  check_greater("f", "x", 1, 0);
  check_greater("f", "x", 1, "floor", 0);
  check_index("f", "x", 0, "size", 1);
  check_size("f", "x", 1, "size", 1);
  check_ascending("f", "x", std::array{1.0, 2.0});
  check_not_descending("f", "x", std::array{1, 1});
  return true;
}
static_assert(all_words());

}  // namespace

TEST_CASE("check: rules for one number, their ends, and NaN by its own kind", "[core][check]") {
  for (const number_rule& word : number_rules) {
    for (const double value : word.accepted) {
      INFO(word.rule << ", value " << value);
      CHECK(message_of([&] { word.check(value, everywhere); }) == "no exception");
    }
    for (const double value : word.refused) {
      const std::string text = detail::printed_number(value).text();
      CHECK(message_of([&] { word.check(value, everywhere); }) == "gavel::f: x = " + text + ", " + word.rule);
      CHECK(message_of([&] { word.check(value, 3); }) == "gavel::f: x[3] = " + text + ", " + word.rule);
    }
    for (const double nan : {not_a_number, -not_a_number}) {
      CHECK(message_of([&] { word.check(nan, everywhere); }) == "domain: gavel::f: x = nan, " + word.rule);
      CHECK(message_of([&] { word.check(nan, 0); }) == "domain: gavel::f: x[0] = nan, " + word.rule);
    }
  }
}

TEST_CASE("check: the interval of check_unit_interval is closed unless told otherwise", "[core][check]") {
  CHECK(message_of([] { check_unit_interval("gavel::f", "x", 0.0); }) == "no exception");
  CHECK(message_of([] { check_unit_interval("gavel::f", "x", 1.0); }) == "no exception");
  CHECK(message_of([] { check_unit_interval("gavel::f", "x", 1.5); }) == "gavel::f: x = 1.5, must be in [0, 1]");
}

TEST_CASE("check: counts, indices and sizes", "[core][check]") {
  const std::size_t huge = std::numeric_limits<std::size_t>::max();
  CHECK(message_of([] { check_at_least("gavel::f", "n", std::size_t{0}, 1); }) == "gavel::f: n = 0, must be >= 1");
  CHECK(message_of([] { check_at_least("gavel::f", "n", -2, 0, 4); }) == "gavel::f: n[4] = -2, must be >= 0");
  CHECK(message_of([] { check_at_least("gavel::f", "n", std::size_t{1}, 1); }) == "no exception");
  CHECK(message_of([] { check_at_least("gavel::f", "n", std::size_t{0}, 0, std::size_t{1}); }) == "no exception");
  CHECK(message_of([&] { check_at_most("gavel::f", "n", huge, "trials", huge - 1); }) ==
        "gavel::f: n = 18446744073709551615, must be <= trials 18446744073709551614");
  CHECK(message_of([&] { check_at_most("gavel::f", "n", std::uint8_t{8}, 7); }) == "gavel::f: n = 8, must be <= 7");
  CHECK(message_of([&] { check_at_most("gavel::f", "n", huge, huge); }) == "no exception");
  CHECK(message_of([] { check_greater("gavel::f", "n", std::size_t{1}, 1, 2); }) == "gavel::f: n[2] = 1, must be > 1");
  CHECK(message_of([&] { check_greater("gavel::f", "n", huge - 1, "steps", huge); }) ==
        "gavel::f: n = 18446744073709551614, must be > steps 18446744073709551615");
  CHECK(message_of([&] { check_greater("gavel::f", "n", huge, huge - 1); }) == "no exception");
  CHECK(message_of([] { check_index("gavel::f", "tokens", 8, "vocabulary size", 8, 2); }) ==
        "gavel::f: tokens[2] = 8, must be < vocabulary size 8");
  CHECK(message_of([] { check_index("gavel::f", "row", 0, "rows", 0); }) == "gavel::f: row = 0, must be < rows 0");
  CHECK(message_of([] { check_index("gavel::f", "row", 7, "rows", 8); }) == "no exception");
  CHECK(message_of([] { check_size("gavel::f", "out.size()", 3, "q.size()", 4); }) == "gavel::f: out.size() = 3, must equal q.size() 4");
  CHECK(message_of([] { check_size("gavel::f", "out.size()", 5, "q.size()", 4); }) == "gavel::f: out.size() = 5, must equal q.size() 4");
  CHECK(message_of([] { check_size("gavel::f", "out.size()", 0, "q.size()", 0); }) == "no exception");
}

TEST_CASE("check: order of a sequence", "[core][check]") {
  const auto ascending = [](const std::vector<double>& x) { return message_of([&] { check_ascending("gavel::f", "x", x); }); };
  const auto level = [](const std::vector<double>& x) { return message_of([&] { check_not_descending("gavel::f", "x", x); }); };
  for (const std::vector<double>& fine : {std::vector<double>{}, {5.0}, {-infinite, 0.0, infinite}}) {
    CHECK(ascending(fine) == "no exception");
    CHECK(level(fine) == "no exception");
  }
  CHECK(ascending({1.0, 2.0, 2.0}) == "gavel::f: x[2] = 2, must be > the one before, 2");
  CHECK(level({1.0, 2.0, 2.0}) == "no exception");
  CHECK(ascending({1.0, 0.5, 2.0}) == "gavel::f: x[1] = 0.5, must be > the one before, 1");
  CHECK(level({1.0, 1.0, 0.5}) == "gavel::f: x[2] = 0.5, must be >= the one before, 1");
  CHECK(ascending({1.0, not_a_number}) == "domain: gavel::f: x[1] = nan, must be > the one before, 1");
  CHECK(level({1.0, not_a_number, 2.0}) == "domain: gavel::f: x[1] = nan, must be >= the one before, 1");
  for (const std::vector<double>& first : {std::vector<double>{not_a_number}, {not_a_number, 1.0}}) {
    CHECK(ascending(first) == "domain: gavel::f: x[0] = nan, must not be NaN");
    CHECK(level(first) == "domain: gavel::f: x[0] = nan, must not be NaN");
  }
  CHECK(message_of([] { check_ascending("gavel::f", "n", std::array<std::size_t, 2>{3, 3}); }) ==
        "gavel::f: n[1] = 3, must be > the one before, 3");
}

TEST_CASE("check: refuse picks the kind by NaN, in the value or in the bound", "[core][check]") {
  CHECK(message_of([] { refuse("gavel::f", "width", 4, "must be odd"); }) == "gavel::f: width = 4, must be odd");
  CHECK(message_of([] { refuse("gavel::f", "x", 2.0, "must be <= the last step,", 1.5, 6); }) ==
        "gavel::f: x[6] = 2, must be <= the last step, 1.5");
  CHECK(message_of([] { refuse("gavel::f", "path", {}, "must exist"); }) == "gavel::f: path, must exist");
  CHECK(message_of([] { refuse("gavel::f", "x", not_a_number, "must be odd"); }) == "domain: gavel::f: x = nan, must be odd");
  CHECK(message_of([] { refuse("gavel::f", "x", not_a_number, "must be odd", 3); }) == "domain: gavel::f: x = nan, must be odd 3");
  CHECK(message_of([] { check_at_most("gavel::f", "lower", 1.0, "upper", not_a_number); }) ==
        "domain: gavel::f: lower = 1, must be <= upper nan");
  CHECK(message_of([] { check_greater("gavel::f", "upper", 1.0, "lower", not_a_number); }) ==
        "domain: gavel::f: upper = 1, must be > lower nan");
}

}  // namespace check_test
