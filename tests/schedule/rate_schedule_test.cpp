// SPDX-License-Identifier: MIT
#include <gavel/schedule/rate_schedule.hpp>

#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/schedule/combinators.hpp>
#include <gavel/schedule/horizon_free.hpp>
#include <gavel/schedule/sequence.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace rate_schedule_test {

using gavel::testing::not_a_number;
using namespace gavel::schedule;
using gavel::infinity;
using gavel::testing::message_of;

namespace {

struct next_rate {
  double rate(std::uint64_t step) { return static_cast<double>(++calls + step); }  // has state: not random access
  std::uint64_t calls = 0;
};
struct rate_of_nothing {
  double rate() const { return 1.0; }
};
struct rate_text {
  std::string rate(std::uint64_t) const { return ""; }
};
struct own_schedule {
  float rate(std::uint64_t) const { return 0.5F; }
};

using plain = profile_schedule<rex>;
static_assert(rate_schedule<plain> && finite_rate_schedule<plain> && std::copyable<plain> && std::equality_comparable<plain>);
static_assert(rate_schedule<profile_schedule<warmup<gavel::schedule::floor<cosine>>, milestones, interior>>);
static_assert(rate_schedule<own_schedule> && !finite_rate_schedule<own_schedule>);
static_assert(!rate_schedule<next_rate> && !rate_schedule<rate_of_nothing> && !rate_schedule<rate_text> && !rate_schedule<double>);

// A promise: a schedule built from literals is a constant expression, whatever it is made of.
constexpr auto warmed = stretch(warmup(0.25, rex{}), {.steps = 8, .base_rate = 3.0, .minimum_rate = 1.0}, every(2), right{});
static_assert(warmed.rate(0) == 2.0 && warmed.rate(1) == 2.0 && warmed.rate(8) == 1.0);
static_assert(warmed.steps() == 8 && warmed.base_rate() == 3.0 && warmed.minimum_rate() == 1.0);
static_assert(warmed == stretch(warmup(0.25, rex{}), {.steps = 8, .base_rate = 3.0, .minimum_rate = 1.0}, every(2), right{}));
static_assert(stretch(constant{}, {.steps = 4}).rate(2) == 1.0);
static_assert(stretch(linear{}, {.steps = 4}).rate(2) == 0.5);
static_assert(stretch(cosine{}, {.steps = 4}).rate(4) == 0.0);
static_assert(stretch(polynomial{2.0}, {.steps = 4}).rate(2) == 0.25);
static_assert(stretch(one_minus_sqrt{}, {.steps = 4}).rate(1) == 0.5);
static_assert(stretch(exponential{}, {.steps = 4}).rate(0) == 1.0);
static_assert(stretch(exponential_to_zero{}, {.steps = 4}).rate(4) == 0.0);
static_assert(stretch(reflected_exponential{}, {.steps = 4}).rate(4) == 0.0);
static_assert(stretch(geometric{0.25}, {.steps = 4}).rate(4) == 0.25);
static_assert(stretch(inverse_linear{4.0}, {.steps = 4}).rate(1) == 0.5);
static_assert(stretch(hyperbolic_tangent{-1.0, 1.0}, {.steps = 4}).rate(2) == 0.5);
static_assert(stretch(step_decay{0.5, {0.5}}, {.steps = 4}).rate(2) == 0.5);
static_assert(stretch(one_cycle{}, {.steps = 10}).rate(3) == 1.0);
static_assert(stretch(delayed(0.5, linear{}), {.steps = 4}).rate(3) == 0.5);
static_assert(stretch(concat(linear{}, 0.5, linear{}), {.steps = 4}).rate(2) == 1.0);
static_assert(stretch(restart(2.0, linear{}), {.steps = 4}).rate(1) == 0.5);
static_assert(stretch(powered(2.0, linear{}), {.steps = 4}).rate(2) == 0.25);
static_assert(stretch(bent(2.0, linear{}), {.steps = 4}).rate(2) == 0.75);
static_assert(stretch(wsd(), {.steps = 4}).rate(2) == 1.0);
static_assert(stretch(rex{}, {.steps = 4}, milestones{0.5, 0.75}, inclusive{}).rate(2) == rex{}(0.5));
static_assert(stretch([](double z) { return z; }, {.steps = 4}).rate(1) == 0.25);

consteval double sum_of_filled() {
  double rates[4] = {};
  fill(stretch(linear{}, {.steps = 4}), rates);
  return rates[0] + rates[1] + rates[2] + rates[3];
}
static_assert(sum_of_filled() == 2.5);

// Every combination of a sampling rate and a convention.
template <class F>
void with_each_reading(F check) {
  const auto with = [&](auto sampling) {
    check(sampling, left{});
    check(sampling, right{});
    check(sampling, inclusive{});
    check(sampling, interior{});
  };
  with(every_step{});
  with(every(1));
  with(every(3));
  with(every(7));
  with(milestones{0.5, 0.75});
}

}  // namespace

TEST_CASE("A rate is the base rate times the profile, above the minimum", "[schedule][rate_schedule]") {
  const auto rates = stretch(rex{}, {.steps = 10, .base_rate = 0.3, .minimum_rate = 0.01});
  for (std::uint64_t t = 0; t <= 10; ++t) {
    const double z = static_cast<double>(t) / 10.0;
    CHECK(rates.progress(t) == z);
    CHECK(rates.rate(t) == Approx(0.01 + 0.29 * 2.0 * (1.0 - z) / (2.0 - z)).epsilon(1e-15));
  }
  CHECK(rates.shape() == rex{});
  CHECK(rates.rate(10) == 0.01);
  CHECK(stretch(rex{}, {.steps = 10, .base_rate = 0.3, .minimum_rate = 0.3}).rate(7) == 0.3);
  CHECK(stretch(rex{}, {.steps = 10, .base_rate = 0.0}).rate(3) == 0.0);
}

TEST_CASE("Runs of one, two and three steps have their rates", "[schedule][rate_schedule]") {
  const auto rate = [](std::uint64_t steps, std::uint64_t t) { return stretch(rex{}, {.steps = steps}).rate(t); };
  CHECK(rate(1, 0) == 1.0);
  CHECK(rate(2, 0) == 1.0);
  CHECK(rate(2, 1) == Approx(2.0 / 3.0).epsilon(1e-15));
  CHECK(rate(3, 0) == 1.0);
  CHECK(rate(3, 1) == Approx(0.8).epsilon(1e-15));
  CHECK(rate(3, 2) == Approx(0.5).epsilon(1e-15));
  CHECK(stretch(linear{}, {.steps = 1}, every_step{}, right{}).rate(0) == 0.0);
  CHECK(stretch(linear{}, {.steps = 1}, every_step{}, inclusive{}).rate(0) == 1.0);
  CHECK(stretch(linear{}, {.steps = 1}, every_step{}, interior{}).rate(0) == 0.5);
}

TEST_CASE("Past the end the rate of the end is held", "[schedule][rate_schedule]") {
  with_each_reading([](auto sampling, auto convention) {
    const auto check = [&](const auto& shape) {
      const auto rates = stretch(shape, {.steps = 20, .base_rate = 0.5, .minimum_rate = 0.1}, sampling, convention);
      for (const std::uint64_t t : {std::uint64_t{21}, std::uint64_t{40}, max_steps, max_steps + 1, std::uint64_t{1} << 63,
                                    (std::numeric_limits<std::uint64_t>::max)()}) {
        CHECK(rates.rate(t) == rates.rate(20));
        CHECK(rates.progress(t) <= 1.0);
      }
    };
    check(rex{});
    check(cosine{});                // upstream cosines rise again
    check(restart(3.0, cosine{}));  // and restarts start over
    check(one_cycle{});
  });
}

TEST_CASE("Another budget stretches the schedule, it does not shift it", "[schedule][rate_schedule]") {
  const auto check = [](const auto& shape) {
    const auto shorter = stretch(shape, {.steps = 12, .base_rate = 0.7});
    const auto longer = stretch(shape, {.steps = 12 * 64, .base_rate = 0.7});
    for (std::uint64_t t = 0; t <= 12; ++t) CHECK(longer.rate(64 * t) == shorter.rate(t));
    const auto epochs = stretch(shape, {.steps = 12 * 64, .base_rate = 0.7}, every(64));
    for (std::uint64_t t = 0; t < 12 * 64; ++t) REQUIRE(epochs.rate(t) == shorter.rate(t / 64));  // a scheduler per epoch
  };
  check(rex{});
  check(warmup(0.25, cosine{}));
  check(step_decay(0.1, {0.3, 0.6, 0.9}));
  check(restart(3.0, linear{}));
  check(wsd({.warmup = 0.1}));
}

TEST_CASE("A run that is made longer keeps all but its length", "[schedule][rate_schedule]") {
  with_each_reading([](auto sampling, auto convention) {
    const horizon over{.steps = 50, .base_rate = 0.3, .minimum_rate = 0.1};
    const auto rates = stretch(warmup(0.1, rex{}), over, sampling, convention);
    const horizon longer{.steps = 80, .base_rate = 0.3, .minimum_rate = 0.1};
    CHECK(rates.with_steps(80) == stretch(warmup(0.1, rex{}), longer, sampling, convention));
    CHECK(rates.with_steps(80).with_steps(50) == rates);
  });
  CHECK(message_of([] { (void)stretch(rex{}, {.steps = 5}).with_steps(0); }) == "gavel::schedule::stretch: steps = 0, must be >= 1");
  STATIC_REQUIRE(stretch(linear{}, {.steps = 4}).with_steps(8).rate(4) == 0.5);
}

TEST_CASE("The longest run there is keeps its digits", "[schedule][rate_schedule]") {
  const auto rates = stretch(linear{}, {.steps = max_steps});
  CHECK(rates.rate(max_steps - 1) == 0x1p-53);
  CHECK(rates.rate(max_steps / 2) == 0.5);
  CHECK(rates.rate(max_steps) == 0.0);
  CHECK(rates.rate(max_steps + 5) == 0.0);
}

TEST_CASE("fill writes what rate returns, from any step on", "[schedule][rate_schedule]") {
  with_each_reading([](auto sampling, auto convention) {
    const auto rates = stretch(warmup(0.1, rex{}), {.steps = 50, .base_rate = 0.3, .minimum_rate = 0.1}, sampling, convention);
    for (const std::uint64_t first : {std::uint64_t{0}, std::uint64_t{17}, std::uint64_t{45}, std::uint64_t{1000}}) {
      std::vector<double> table(20, -1.0);
      fill(rates, table, first);
      for (std::size_t i = 0; i < table.size(); ++i) REQUIRE(table[i] == rates.rate(first + i));
    }
  });
  std::vector<double> none;
  fill(stretch(rex{}, {.steps = 5}), none);
  std::vector<double> halves(3);
  fill(own_schedule{}, halves);
  CHECK(halves == std::vector<double>{0.5, 0.5, 0.5});
}

TEST_CASE("Rates are pure: resuming needs the step and nothing else", "[schedule][rate_schedule]") {
  const auto rates = stretch(restart(3.0, rex{}, 0.5), {.steps = 30, .base_rate = 0.3}, every(2), interior{});
  std::vector<double> forward(31);
  fill(rates, forward);
  const auto copy = rates;
  CHECK(copy == rates);
  for (std::uint64_t t = 31; t-- > 0;) CHECK(copy.rate(t) == forward[t]);
}

TEST_CASE("A lambda with captures is stretched like any profile", "[schedule][rate_schedule]") {
  const double power = 3.0;
  const auto rates = stretch([power](double z) { return std::pow(1.0 - z, power); }, {.steps = 4, .base_rate = 2.0});
  CHECK(rates.rate(2) == 0.25);
  const double offset = 0.5;
  const auto shifted =
      stretch(linear{}, {.steps = 4}, every_step{}, [offset](double step, double steps) { return (step + offset) / steps; });
  CHECK(shifted.rate(0) == 0.875);
}

TEST_CASE("A schedule over a lambda with captures can be assigned, and its NaN is seen", "[schedule][rate_schedule]") {
  const auto of = [](double power) {
    return stretch(warmup(0.5, [power](double z) { return z < 0.9 ? std::pow(1.0 - z, power) : std::pow(0.9 - z, 0.5); }), {.steps = 20});
  };
  auto rates = of(1.0);
  static_assert(std::copyable<decltype(rates)> && finite_rate_schedule<decltype(rates)>);
  const auto squares = of(2.0);
  rates = squares;
  CHECK(rates.rate(15) == 0.25);
  const auto& same = rates;
  rates = same;
  CHECK(rates.rate(15) == 0.25);
  CHECK(rates.with_steps(40).rate(30) == 0.25);
  CHECK(rates.shape()(0.75) == 0.25);
  const std::string in = "domain: gavel::schedule::";
  CHECK(message_of([&] { (void)rates.rate(20); }) == in + "profile_schedule::rate: shape(z) = nan, must not be NaN");

  const auto hole = [at = 0.5](double z) { return z == at ? not_a_number : 1.0 - z; };
  ramp down({.from = 1.0, .to = 0.0, .steps = 10}, hole);
  cooldown late(constant_rate(1.0), {.start = 10, .steps = 10}, hole);
  warm_restarts cycles({.first_steps = 10.0}, hole);
  CHECK(message_of([&] { (void)down.rate(5); }) == in + "ramp::rate: shape(u) = nan, must not be NaN");
  CHECK(message_of([&] { (void)late.rate(15); }) == in + "cooldown::rate: shape(u) = nan, must not be NaN");
  CHECK(message_of([&] { (void)cycles.rate(5); }) == in + "warm_restarts::rate: shape(u) = nan, must not be NaN");
  static_assert(std::copyable<decltype(down)> && std::copyable<decltype(late)> && std::copyable<decltype(cycles)>);

  // A lambda without captures and a shape with a name compare too.
  struct named {
    double power;
    double operator()(double z) const { return std::pow(1.0 - z, power); }
    bool operator==(const named&) const = default;
  };
  const auto plain = stretch([](double z) { return 1.0 - z; }, {.steps = 4});
  const auto copy = plain;
  CHECK(copy == plain);
  CHECK(stretch(named{2.0}, {.steps = 4}) == stretch(named{2.0}, {.steps = 4}));
  CHECK(stretch(named{2.0}, {.steps = 4}) != stretch(named{3.0}, {.steps = 4}));
}

TEST_CASE("Neither rate nor fill allocates", "[schedule][rate_schedule]") {
  const auto rates = stretch(warmup(0.1, step_decay(0.1, {0.3, 0.6})), {.steps = 1000, .base_rate = 0.3}, milestones{0.05, 0.5, 0.75});
  std::vector<double> table(1000);
  const std::size_t before = gavel::testing::allocation_count();
  fill(rates, table);
  double sum = 0.0;
  for (std::uint64_t t = 0; t < 1000; ++t) sum += rates.rate(t);
  CHECK(gavel::testing::allocation_count() == before);
  CHECK(sum > 0.0);
}

TEST_CASE("Schedules compare by everything they are made of", "[schedule][rate_schedule]") {
  const horizon over{.steps = 10, .base_rate = 0.3, .minimum_rate = 0.1};
  CHECK(stretch(rex{}, over) == stretch(rex{}, over));
  CHECK(stretch(rex{}, over) != stretch(rex{0.9}, over));
  CHECK(stretch(rex{}, over) != stretch(rex{}, {.steps = 11, .base_rate = 0.3, .minimum_rate = 0.1}));
  CHECK(stretch(rex{}, over) != stretch(rex{}, {.steps = 10, .base_rate = 0.4, .minimum_rate = 0.2}));  // the same span
  CHECK(stretch(rex{}, over, every(2)) != stretch(rex{}, over, every(3)));
  CHECK(over == horizon{.steps = 10, .base_rate = 0.3, .minimum_rate = 0.1});
}

TEST_CASE("Budgets and rates that make no sense are refused", "[schedule][rate_schedule]") {
  const auto refused = [](const horizon& over) { return message_of([&] { (void)stretch(rex{}, over); }); };
  CHECK(refused({}) == "gavel::schedule::stretch: steps = 0, must be >= 1");
  CHECK(refused({.steps = max_steps}) == "no exception");
  CHECK(refused({.steps = max_steps + 1}) == "gavel::schedule::stretch: steps = 9007199254740993, must be <= 9007199254740992");
  CHECK(refused({.steps = 5, .base_rate = -0.1}) == "gavel::schedule::stretch: base_rate = -0.1, must be finite and >= 0");
  CHECK(refused({.steps = 5, .base_rate = infinity}) == "gavel::schedule::stretch: base_rate = inf, must be finite and >= 0");
  CHECK(refused({.steps = 5, .base_rate = not_a_number}) == "domain: gavel::schedule::stretch: base_rate = nan, must be finite and >= 0");
  CHECK(refused({.steps = 5, .minimum_rate = -1.0}) == "gavel::schedule::stretch: minimum_rate = -1, must be finite and >= 0");
  CHECK(refused({.steps = 5, .minimum_rate = not_a_number}) ==
        "domain: gavel::schedule::stretch: minimum_rate = nan, must be finite and >= 0");
  CHECK(refused({.steps = 5, .base_rate = 0.1, .minimum_rate = 0.2}) ==
        "gavel::schedule::stretch: minimum_rate = 0.2, must be <= base_rate 0.1");
}

}  // namespace rate_schedule_test
