// SPDX-License-Identifier: MIT
#include <gavel/schedule/explain.hpp>

#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"

#include <gavel/schedule/combinators.hpp>
#include <gavel/schedule/horizon_free.hpp>
#include <gavel/schedule/sequence.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace explain_test {

using namespace gavel::schedule;
using gavel::testing::message_of;

namespace {

// The same answer by looking at a stored table, one question at a time.
template <class S>
explanation by_hand(const S& schedule, std::uint64_t steps) {
  std::vector<double> rates;
  for (std::uint64_t t = 0; t <= steps; ++t) rates.push_back(schedule.rate(t));
  explanation result;
  result.steps = steps;
  result.first = {0, rates[0]};
  result.last = {steps - 1, rates[steps - 1]};
  result.end = {steps, rates[steps]};
  std::uint64_t top = 0;
  for (std::uint64_t t = 0; t < steps; ++t) {
    if (rates[t] > rates[top]) top = t;
  }
  result.peak = {top, rates[top]};
  std::uint64_t rise = 0;
  while (rise + 1 < steps && rates[rise + 1] >= rates[rise]) ++rise;
  while (rise > 0 && rates[rise - 1] == rates[rise]) --rise;  // back to where its top begins
  result.warmup_end = {rise, rates[rise]};
  long double area = 0.0L;
  for (std::uint64_t t = 0; t < steps; ++t) {
    area += static_cast<long double>(rates[t]);
    if (rates[t] == 0.0) ++result.zero_steps;
    if (rates[t] > 0.0 && rates[t] < 0x1p-52 * *std::max_element(rates.begin(), rates.begin() + static_cast<std::ptrdiff_t>(t) + 1)) {
      ++result.nearly_zero_steps;
    }
    std::uint64_t stair = t;  // where the rate before this step began
    while (stair > 1 && rates[stair - 2] == rates[t - 1]) --stair;
    if (t > 0 && rates[t] > rates[t - 1] && stair > 1 && rates[stair - 2] > rates[t - 1]) ++result.restarts;
  }
  result.area = static_cast<double>(area);
  result.mean = static_cast<double>(area / static_cast<long double>(steps));
  return result;
}

template <class S>
void check(const char* name, const S& schedule, std::uint64_t steps) {
  INFO(name << " over " << steps << " steps");
  const explanation found = explain(schedule, steps);
  const explanation expected = by_hand(schedule, steps);
  CHECK(found.steps == expected.steps);
  CHECK(found.first == expected.first);
  CHECK(found.warmup_end == expected.warmup_end);
  CHECK(found.peak == expected.peak);
  CHECK(found.last == expected.last);
  CHECK(found.end == expected.end);
  CHECK(found.zero_steps == expected.zero_steps);
  CHECK(found.nearly_zero_steps == expected.nearly_zero_steps);
  CHECK(found.restarts == expected.restarts);
  CHECK(found.area == Approx(expected.area).epsilon(1e-15).margin(0.0));
  CHECK(found.mean == Approx(expected.mean).epsilon(1e-15).margin(0.0));
}

}  // namespace

TEST_CASE("An explanation is what a table of the rates says", "[schedule][explain]") {
  for (const std::uint64_t steps : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{3}, std::uint64_t{50}, std::uint64_t{1001}}) {
    const horizon over{.steps = steps, .base_rate = 0.3};
    check("rex", stretch(rex{}, over), steps);
    check("rex, longer than it lasts", stretch(rex{}, over), 2 * steps);
    check("warm-up", stretch(warmup(0.1, cosine{}), over), steps);
    check("interior warm-up", stretch(warmup(0.1, cosine{}), over, every_step{}, interior{}), steps);
    check("constant", constant_rate(0.3), steps);
    check("zero", constant_rate(0.0), steps);
    check("only a ramp", ramp({.to = 1.0, .steps = 5000}), steps);
    check("one cycle", stretch(one_cycle{}, over, every_step{}, inclusive{}), steps);
    check("restarts", stretch(restart(3.0, linear{}), over), steps);
    check("cycles", cyclic({.base_rate = 0.0, .rising_steps = 4, .falling_steps = 3}), steps);
    check("held", stretch(warmup(0.2, linear{}), over, every(7)), steps);
    check("table", table(std::vector<double>{0.0, 0.1, 0.1, 0.5, 0.0, 0.5}), steps);
  }
}

TEST_CASE("An explanation finds the steps that schedules waste", "[schedule][explain]") {
  const auto schedule = sequence(ramp({.to = 0.5, .steps = 10}), 10, stretch(linear{}, {.steps = 90, .base_rate = 0.5}));
  const explanation found = explain(schedule);
  CHECK(found.steps == 100);
  CHECK(found.first == rate_at{0, 0.0});
  CHECK(found.zero_steps == 1);  // the first step trains with rate 0
  CHECK(found.warmup_end == rate_at{10, 0.5});
  CHECK(found.peak == rate_at{10, 0.5});
  CHECK(found.last.step == 99);
  CHECK(found.last.rate == Approx(0.5 / 90.0).epsilon(1e-12));  // and the last one does not reach 0
  CHECK(found.end == rate_at{100, 0.0});
  CHECK(found.area == Approx(0.5 * 4.5 + 0.5 * 45.5).epsilon(1e-14));
  CHECK(found.mean == found.area / 100.0);
  const explanation no_warmup = explain(stretch(linear{}, {.steps = 4}));
  CHECK(no_warmup.warmup_end == rate_at{0, 1.0});
  CHECK(no_warmup == explain(stretch(linear{}, {.steps = 4}), 4));
  CHECK(no_warmup != explain(stretch(linear{}, {.steps = 4}), 3));
}

TEST_CASE("A warm-up ends where its top begins, in stairs, after a pause or from zero", "[schedule][explain]") {
  const horizon over{.steps = 1000, .base_rate = 0.5};
  CHECK(explain(stretch(warmup(0.1, linear{}), over, every(20))).warmup_end == rate_at{100, 0.5});  // per epoch: flat between readings
  CHECK(explain(stretch(wsd({.warmup = 0.1, .decay = 0.2}), over)).warmup_end == rate_at{100, 0.5});
  CHECK(explain(sequence(constant_rate(0.0), 5, ramp({.to = 0.5, .steps = 10})), 100).warmup_end == rate_at{15, 0.5});
  CHECK(explain(sequence(constant_rate(0.1), 5, constant_rate(0.5)), 100).warmup_end == rate_at{5, 0.5});
  CHECK(explain(sequence(constant_rate(0.5), 5, constant_rate(0.1)), 100).warmup_end == rate_at{0, 0.5});
  CHECK(explain(stretch(restart(3.0, linear{}), over)).warmup_end == rate_at{0, 0.5});  // later rises are no warm-up
  CHECK(explain(cyclic({.base_rate = 0.1, .peak_rate = 0.5, .rising_steps = 4}), 100).warmup_end == rate_at{4, 0.5});
  CHECK(explain(stretch(one_cycle{}, over)).warmup_end == rate_at{300, 0.5});
  CHECK(explain(ramp({.to = 1.0, .steps = 4}), 3).warmup_end == rate_at{2, 0.5});  // cut off while it rises
  CHECK(explain(table(std::vector<double>{0.1, 0.1, 0.2, 0.2, 0.1, 0.5})).warmup_end == rate_at{2, 0.2});
}

TEST_CASE("Restarts are counted, and what rounding leaves of a rate of 0", "[schedule][explain]") {
  for (const double cycles : {1.0, 2.0, 5.0}) {
    const explanation found = explain(stretch(warmup(0.1, restart(cycles, cosine{})), {.steps = 100}));
    CHECK(found.restarts == static_cast<std::uint64_t>(cycles) - 1);
    CHECK(found.nearly_zero_steps == 0);
    CHECK(found.peak == rate_at{10, 1.0});
  }
  // A profile of the caller that misses the starts of two cycles by rounding: 5 (0.46 - 0.1) / 0.9 < 2.
  const auto missing = [](double z) { return warmup(0.1, [](double u) { return restart(5.0, cosine{})(u); })(z); };
  const explanation missed = explain(stretch(missing, {.steps = 100}));
  CHECK(missed.nearly_zero_steps == 2);
  CHECK(missed.zero_steps == 1);
  CHECK(explain(table({1.0, 0.5, 0.5, 0.7, 0.7, 0.2, 0.3, 0.4})).restarts == 2);
  CHECK(explain(table({0.1, 0.1, 0.5, 0.5, 0.6})).restarts == 0);                 // a warm-up is none
  CHECK(explain(table({1.0, 0.5, 0.1, 0.1 + 0x1p-56, 1.0, 0.5})).restarts == 1);  // nor is a rounding at the bottom, which hides no restart
  CHECK(explain(table({1e-30, 1.0, 1e-15, 1e-16, 0.0})).nearly_zero_steps == 1);
}

TEST_CASE("The first of several peaks is reported", "[schedule][explain]") {
  CHECK(explain(table(std::vector<double>{0.1, 0.5, 0.3, 0.5})).peak == rate_at{1, 0.5});
  CHECK(explain(table(std::vector<double>{0.0, 1e-300, 0.0, 0.5})).zero_steps == 2);  // tiny is not zero
  CHECK(explain(constant_rate(0.2), 10).peak == rate_at{0, 0.2});
  CHECK(explain(constant_rate(0.2), 10).warmup_end == rate_at{0, 0.2});
}

TEST_CASE("The area of a long run does not lose its last digits", "[schedule][explain]") {
  const explanation found = explain(constant_rate(0.1), 3'000'001);
  CHECK(found.area == 0.1 * 3'000'001);  // plain addition is off by 1e-10 relatively
  CHECK(found.mean == 0.1);
}

TEST_CASE("Explaining does not allocate, and needs a step", "[schedule][explain]") {
  const auto schedule = stretch(rex{}, {.steps = 100});
  const std::size_t before = gavel::testing::allocation_count();
  const explanation found = explain(schedule);
  CHECK(gavel::testing::allocation_count() == before);
  CHECK(found.first.rate == 1.0);
  CHECK(message_of([&] { (void)explain(schedule, 0); }) == "gavel::schedule::explain: steps = 0, must be >= 1");
  CHECK(message_of([&] { (void)explain(schedule, max_steps + 1); }) ==
        "gavel::schedule::explain: steps = 9007199254740993, must be <= 9007199254740992");
}

}  // namespace explain_test
