// SPDX-License-Identifier: MIT
#include <gavel/schedule/rate_source.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/core/numerics.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace rate_source_test {

using gavel::schedule::rate_interpolation;
using gavel::schedule::rate_log;
using gavel::schedule::rate_source;
using gavel::testing::message_of;
using gavel::testing::not_a_number;

namespace {

struct rising {
  [[nodiscard]] double rate(std::uint64_t step) const { return 1e-3 * static_cast<double>(step); }
};

static_assert(rate_source<rising>);
static_assert(rate_source<rate_log>);
static_assert(rate_source<std::vector<double>>);
static_assert(rate_source<std::array<double, 3>>);
static_assert(!rate_source<std::vector<std::uint64_t>>);
static_assert(!rate_source<double>);

template <class R>
std::vector<double> read(const R& source, std::uint64_t warmup, std::uint64_t n) {
  const gavel::schedule::detail::source_reader<R> reader("f", source, warmup);
  std::vector<double> rates;
  for (std::uint64_t t = 0; t < n; ++t) rates.push_back(reader.rate(t));
  return rates;
}

}  // namespace

TEST_CASE("The last reading of each step counts", "[schedule][rate_source]") {
  using places = std::vector<std::size_t>;
  const auto of = [](std::vector<std::uint64_t> steps) { return gavel::schedule::last_readings(steps); };
  CHECK(of({}) == places{});
  CHECK(of({3, 5, 9}) == places{0, 1, 2});
  CHECK(of({0, 10, 20, 30, 20, 30, 40}) == places{0, 1, 4, 5, 6});
  CHECK(of({7, 7, 7}) == places{2});
  CHECK(of({9, 5, 3, 5}) == places{2, 3, 0});
  std::vector<std::uint64_t> many;
  for (std::uint64_t i = 0; i < 1000; ++i) many.push_back(i * 7919 % 97);
  const places found = of(many);
  REQUIRE(found.size() == 97);
  for (std::size_t step = 0; step < 97; ++step) {
    CHECK(many[found[step]] == step);
    for (std::size_t i = found[step] + 1; i < many.size(); ++i) REQUIRE(many[i] != step);
  }
}

TEST_CASE("Schedules, tables and logs are read alike, the warm-up at its peak", "[schedule][rate_source]") {
  const std::vector<double> table = {0.0, 1e-3, 2e-3, 3e-3, 4e-3};
  const std::vector<std::uint64_t> lines = {0, 4};
  const std::vector<double> ends = {0.0, 4e-3};
  const rate_log straight{lines, ends, rate_interpolation::linear};
  for (const std::uint64_t warmup : {0u, 2u, 4u}) {
    const std::vector<double> from_table = read(table, warmup, 5), from_schedule = read(rising{}, warmup, 5),
                              from_log = read(straight, warmup, 5);
    for (std::uint64_t t = 0; t < 5; ++t) {
      const double expected = 1e-3 * static_cast<double>(t < warmup ? warmup : t);
      CHECK(from_table[t] == Approx(expected).epsilon(1e-15));
      CHECK(from_schedule[t] == Approx(expected).epsilon(1e-15));
      CHECK(from_log[t] == Approx(expected).epsilon(1e-15));
    }
  }
  CHECK(gavel::schedule::detail::source_reader("f", table, 0).last_step() == 4);
  CHECK(gavel::schedule::detail::source_reader("f", straight, 0).last_step() == 4);
  CHECK(gavel::schedule::detail::source_reader("f", rising{}, 0).last_step() > 1'000'000'000'000);
}

TEST_CASE("Between its lines a log holds its rate or runs straight", "[schedule][rate_source]") {
  const std::vector<std::uint64_t> lines = {10, 20, 24};
  const std::vector<double> rates = {1.0, 0.5, 0.1};
  const rate_log held{lines, rates}, straight{lines, rates, rate_interpolation::linear};
  for (const rate_log& log : {held, straight}) {
    CHECK(log.rate(0) == 1.0);  // before the first line: its rate
    CHECK(log.rate(10) == 1.0);
    CHECK(log.rate(20) == 0.5);
    CHECK(log.rate(24) == 0.1);
    CHECK(log.rate(1'000'000) == 0.1);
  }
  CHECK(held.rate(19) == 1.0);
  CHECK(held.rate(23) == 0.5);
  CHECK(straight.rate(15) == Approx(0.75).epsilon(1e-15));
  CHECK(straight.rate(23) == Approx(0.2).epsilon(1e-15));
}

TEST_CASE("The steps of a log can be counted", "[schedule][rate_source]") {
  const std::vector<double> rates = {1.0, 0.5};
  std::vector<std::uint64_t> steps = {0, ~std::uint64_t{0} - 1};
  const gavel::schedule::detail::source_reader<rate_log> reader("f", rate_log{steps, rates}, 0);
  CHECK(reader.last_step() == ~std::uint64_t{0} - 1);
  ++steps[1];  // the number of steps up to this one is 2^64
  CHECK(message_of([&] { read(rate_log{steps, rates}, 0, 1); }) ==
        "f: rates.steps[1] = 18446744073709551615, must be <= 2^64 - 2 = 18446744073709551614");
}

TEST_CASE("Bad sources are named", "[schedule][rate_source]") {
  const std::vector<double> rates = {1.0, 0.5, 0.25}, bad = {1.0, not_a_number, 0.25}, none;
  const std::vector<std::uint64_t> ascending = {0, 5, 9}, duplicated = {0, 5, 5}, unsorted = {5, 0, 9};
  const auto refuse = [](const auto& source, std::uint64_t warmup, std::uint64_t n) {
    return message_of([&] { (void)read(source, warmup, n); });
  };
  CHECK(refuse(rate_log{{}, {}}, 0, 1) == "f: rates.steps.size() = 0, must be >= 1");
  CHECK(refuse(rate_log{ascending, {rates.data(), 2}}, 0, 1) == "f: rates.rates.size() = 2, must equal rates.steps.size() 3");
  CHECK(refuse(rate_log{duplicated, rates}, 0, 1) == "f: rates.steps[2] = 5, must be > the one before, 5");
  CHECK(refuse(rate_log{unsorted, rates}, 0, 1) == "f: rates.steps[1] = 0, must be > the one before, 5");
  CHECK(refuse(rate_log{ascending, bad}, 0, 1) == "domain: f: rates.rates[1] = nan, must be finite and >= 0");
  CHECK(refuse(rate_log{ascending, rates}, 10, 1) == "f: warmup_steps = 10, must be <= the last step of the rates, 9");
  CHECK(refuse(none, 0, 1) == "f: rates.size() = 0, must be >= 1");
  CHECK(refuse(rates, 3, 1) == "f: warmup_steps = 3, must be <= the last step of the rates, 2");
  CHECK(refuse(bad, 0, 2) == "domain: f: rates[1] = nan, must be finite and >= 0");
  CHECK(refuse(bad, 0, 1) == "no exception");  // read no further
  CHECK(refuse(bad, 1, 1) == "domain: f: rates[1] = nan, must be finite and >= 0");
  CHECK(refuse(bad, 2, 3) == "no exception");  // the warm-up counts with its peak
  const std::vector<std::uint64_t> same = {1, 1}, late = {1, 3};
  CHECK(message_of([&] { gavel::schedule::detail::check_read_steps("f", same, 2); }) == "f: steps[1] = 1, must be > the one before, 1");
  CHECK(message_of([&] { gavel::schedule::detail::check_read_steps("f", late, 2); }) ==
        "f: steps[1] = 3, must be <= the last step of the rates, 2");
}

}  // namespace rate_source_test
