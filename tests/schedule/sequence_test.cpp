// SPDX-License-Identifier: MIT
#include <gavel/schedule/sequence.hpp>

#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/schedule/combinators.hpp>
#include <gavel/schedule/horizon_free.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace sequence_test {

using gavel::testing::not_a_number;
using namespace gavel::schedule;
using gavel::infinity;
using gavel::testing::message_of;

namespace {

constexpr std::uint64_t last_step = (std::numeric_limits<std::uint64_t>::max)();

using stretched = profile_schedule<linear>;
static_assert(rate_schedule<constant_rate> && rate_schedule<ramp<>> && rate_schedule<ramp<cosine>> && rate_schedule<table> &&
              rate_schedule<sequence<ramp<>, stretched>> && rate_schedule<product<ramp<>, stretched>> &&
              rate_schedule<at_least<stretched>> && rate_schedule<cooldown<constant_rate>>);
static_assert(!finite_rate_schedule<constant_rate> && finite_rate_schedule<ramp<>> && finite_rate_schedule<table> &&
              finite_rate_schedule<cooldown<constant_rate>>);
static_assert(finite_rate_schedule<sequence<ramp<>, stretched>> && !finite_rate_schedule<sequence<stretched, constant_rate>>);
static_assert(finite_rate_schedule<product<constant_rate, stretched>> && finite_rate_schedule<product<stretched, constant_rate>> &&
              !finite_rate_schedule<product<constant_rate, constant_rate>>);
static_assert(finite_rate_schedule<at_least<stretched>> && !finite_rate_schedule<at_least<constant_rate>>);
static_assert(std::copyable<table> && std::equality_comparable<table>);

// A promise: schedules built from literals are constant expressions (a table owns memory, so it is not among them).
static_assert(constant_rate{0.5}.rate(7) == 0.5);
static_assert(ramp({.from = 1.0, .to = 3.0, .steps = 4}).rate(1) == 1.5);
static_assert(sequence(ramp({.to = 1.0, .steps = 4}), 4, stretch(linear{}, {.steps = 8})).rate(8) == 0.5);
static_assert(sequence(ramp({.to = 1.0, .steps = 4}), 4, stretch(linear{}, {.steps = 8})).steps() == 12);
static_assert(product(constant_rate{0.5}, stretch(linear{}, {.steps = 8})).rate(4) == 0.25);
static_assert(at_least(0.25, stretch(linear{}, {.steps = 8})).rate(7) == 0.25);
static_assert(cooldown(constant_rate{2.0}, {.start = 10, .steps = 4}).rate(11) == 1.0);
static_assert(cooldown(constant_rate{2.0}, {.start = 10, .steps = 4}).steps() == 14);

struct counts_steps {
  double rate(std::uint64_t step) const { return static_cast<double>(step); }
};

}  // namespace

TEST_CASE("A constant rate is the same at every step", "[schedule][sequence]") {
  CHECK(constant_rate(0.3).rate(0) == 0.3);
  CHECK(constant_rate(0.3).rate(last_step) == 0.3);
  CHECK(constant_rate(0.3) == constant_rate(0.3));
  CHECK(constant_rate(0.3) != constant_rate(0.2));
}

TEST_CASE("A ramp starts and ends where it should, up and down", "[schedule][sequence]") {
  const ramp up({.from = 0.1, .to = 0.5, .steps = 4});
  CHECK(up.rate(0) == 0.1);
  CHECK(up.rate(1) == Approx(0.2).epsilon(1e-15));
  CHECK(up.rate(3) == Approx(0.4).epsilon(1e-15));
  CHECK(up.rate(4) == 0.5);
  CHECK(up.rate(last_step) == 0.5);
  CHECK(up.steps() == 4);
  const ramp down({.from = 0.5, .to = 0.1, .steps = 4});
  for (std::uint64_t t = 0; t <= 5; ++t) CHECK(down.rate(t) == Approx(up.rate(t < 4 ? 4 - t : 0)).epsilon(1e-15));
  CHECK(ramp({.from = 0.1, .to = 0.5, .steps = 0}).rate(0) == 0.5);
  CHECK(ramp({.to = 1.0, .steps = 1}).rate(0) == 0.0);
  CHECK(ramp({.to = 1.0, .steps = 1}).rate(1) == 1.0);
  // Small rates keep their digits at both ends.
  CHECK(ramp({.to = 1.0, .steps = 1'000'000'000}).rate(1) == 1e-9);
  CHECK(ramp({.from = 1.0, .to = 0.0, .steps = 1'000'000'000}).rate(999'999'999) == 1e-9);
  CHECK(ramp({.to = 1.0, .steps = max_steps}).rate(max_steps - 1) == 1.0 - 0x1p-53);
}

TEST_CASE("A shaped ramp falls along its profile and rises by running it backwards", "[schedule][sequence]") {
  const auto check = [](const auto& shape) {
    const ramp down({.from = 1.0, .to = 0.2, .steps = 10}, shape);
    const ramp up({.from = 0.2, .to = 1.0, .steps = 10}, shape);
    const warmup rise(0.5, constant{}, shape);  // the same warm-up inside a profile
    for (std::uint64_t t = 0; t <= 10; ++t) {
      const double u = static_cast<double>(t) / 10.0;
      CHECK(down.rate(t) == Approx(0.2 + 0.8 * shape(u)).epsilon(1e-14));
      CHECK(up.rate(t) == Approx(0.2 + 0.8 * rise(0.5 * u)).epsilon(1e-14));
    }
  };
  check(linear{});
  check(cosine{});
  check(one_minus_sqrt{});
  check(polynomial{2.0});
  CHECK(ramp<polynomial>({.from = 1.0, .to = 0.0, .steps = 4}, polynomial{2.0}).rate(2) == 0.25);
  CHECK(ramp<polynomial>({.to = 1.0, .steps = 4}, polynomial{2.0}).rate(1) == 0.0625);  // u^2
  CHECK(ramp<one_minus_sqrt>({.to = 1.0, .steps = 4}).rate(3) == 0.5);                  // 1 - sqrt(1 - u): slow first
  CHECK(ramp<polynomial>({.steps = 4}, polynomial{2.0}) != ramp<polynomial>({.steps = 4}, polynomial{3.0}));
}

TEST_CASE("A sequence changes at its boundary and restarts the count there", "[schedule][sequence]") {
  const sequence both(counts_steps{}, 5, counts_steps{});
  CHECK(both.rate(0) == 0.0);
  CHECK(both.rate(4) == 4.0);
  CHECK(both.rate(5) == 0.0);
  CHECK(both.rate(9) == 4.0);
  CHECK(both.boundary() == 5);
  const sequence nested(counts_steps{}, 3, sequence(counts_steps{}, 4, counts_steps{}));
  for (std::uint64_t t = 0; t < 30; ++t) CHECK(nested.rate(t) == static_cast<double>(t < 3 ? t : t < 7 ? t - 3 : t - 7));
  const sequence nested_left(sequence(counts_steps{}, 3, counts_steps{}), 7, counts_steps{});
  for (std::uint64_t t = 0; t < 30; ++t) CHECK(nested_left.rate(t) == nested.rate(t));
  CHECK(sequence(constant_rate(1.0), 0, constant_rate(0.5)).rate(0) == 0.5);
  CHECK(sequence(constant_rate(1.0), max_steps, constant_rate(0.5)).rate(max_steps - 1) == 1.0);
  CHECK(sequence(constant_rate(1.0), max_steps, constant_rate(0.5)).rate(last_step) == 0.5);
  CHECK(sequence(constant_rate(1.0), 5, constant_rate(0.5)) != sequence(constant_rate(1.0), 6, constant_rate(0.5)));
  CHECK(sequence(constant_rate(1.0), 5, stretch(linear{}, {.steps = 7})).steps() == 12);
}

TEST_CASE("Warm-up by a sequence equals warm-up inside the profile", "[schedule][sequence]") {
  const auto in_steps = sequence(ramp({.to = 0.3, .steps = 16}), 16, stretch(rex{}, {.steps = 48, .base_rate = 0.3}));
  const auto in_progress = stretch(warmup(0.25, rex{}), {.steps = 64, .base_rate = 0.3});
  for (std::uint64_t t = 0; t <= 70; ++t) CHECK(in_steps.rate(t) == Approx(in_progress.rate(t)).epsilon(1e-14));
}

TEST_CASE("A product multiplies and a least rate holds", "[schedule][sequence]") {
  const product scaled(counts_steps{}, constant_rate(0.5));
  for (std::uint64_t t = 0; t < 5; ++t) CHECK(scaled.rate(t) == 0.5 * static_cast<double>(t));
  CHECK(product(stretch(linear{}, {.steps = 7}), constant_rate(0.5)).steps() == 7);
  CHECK(product(constant_rate(0.5), stretch(linear{}, {.steps = 7})).steps() == 7);
  CHECK(product(ramp({.to = 1.0, .steps = 5}), stretch(linear{}, {.steps = 7})).steps() == 7);  // not over when the warm-up is
  CHECK(product(stretch(linear{}, {.steps = 7}), ramp({.to = 1.0, .steps = 5})).steps() == 7);
  CHECK(product(constant_rate(0.5), constant_rate(2.0)) != product(constant_rate(0.5), constant_rate(3.0)));
  const at_least held(2.5, counts_steps{});
  CHECK(held.rate(2) == 2.5);
  CHECK(held.rate(3) == 3.0);
  CHECK(at_least(0.1, stretch(linear{}, {.steps = 7})).steps() == 7);
  CHECK(at_least(0.1, constant_rate(1.0)) != at_least(0.2, constant_rate(1.0)));
}

TEST_CASE("A cooldown from any checkpoint leaves what was before it untouched", "[schedule][sequence]") {
  const auto check = [](const auto& run, const auto& shape) {
    for (const std::uint64_t start : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{13}, std::uint64_t{40}, std::uint64_t{90}}) {
      for (const std::uint64_t steps : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{20}}) {
        const double minimum = 0.25 * run.rate(start);
        const cooldown cooled(run, {.start = start, .steps = steps, .minimum_rate = minimum}, shape);
        for (std::uint64_t t = 0; t < start; ++t) REQUIRE(cooled.rate(t) == run.rate(t));
        CHECK(cooled.rate(start) == Approx(run.rate(start)).epsilon(1e-15).margin(1e-300));
        for (std::uint64_t s = 0; s <= steps; ++s) {
          const double share = static_cast<double>(s) / static_cast<double>(steps);
          REQUIRE(cooled.rate(start + s) == Approx(minimum + (run.rate(start) - minimum) * shape(share)).epsilon(1e-14).margin(1e-300));
        }
        CHECK(cooled.rate(start + steps) == minimum);
        CHECK(cooled.rate(start + steps + 1) == minimum);
        CHECK(cooled.rate(last_step) == minimum);
        CHECK(cooled.steps() == start + steps);
      }
    }
  };
  check(constant_rate(0.3), one_minus_sqrt{});
  check(sequence(ramp({.to = 0.3, .steps = 10}), 10, constant_rate(0.3)), linear{});  // at 0 it has nothing to decay from
  check(inverse_sqrt({.base_rate = 0.3, .warmup_steps = 10}), cosine{});
  check(stretch(rex{}, {.steps = 50, .base_rate = 0.3}), linear{});
  CHECK(cooldown(constant_rate(2.0), {.start = 4, .steps = 4}).rate(5) == 1.0);  // 1 - sqrt is the default shape
  CHECK(cooldown(constant_rate(2.0), {.start = 4, .steps = 4}) != cooldown(constant_rate(2.0), {.start = 5, .steps = 4}));
  CHECK(cooldown(constant_rate(1.0), {.start = max_steps - 1, .steps = 1}).rate(max_steps) == 0.0);
}

TEST_CASE("A table copies its rates and holds the last one", "[schedule][sequence]") {
  std::vector<double> source{0.1, 0.3, 0.2};
  const table rates(source);
  source[1] = 9.0;
  CHECK(rates.rate(0) == 0.1);
  CHECK(rates.rate(1) == 0.3);
  CHECK(rates.rate(2) == 0.2);
  CHECK(rates.rate(3) == 0.2);
  CHECK(rates.rate(last_step) == 0.2);
  CHECK(rates.steps() == 3);
  CHECK(rates.rates() == std::vector<double>{0.1, 0.3, 0.2});
  CHECK(rates == table(std::vector<double>{0.1, 0.3, 0.2}));
  CHECK(rates == table{0.1, 0.3, 0.2});
  CHECK(rates != table({0.1, 0.3}));
  table moved_from = rates;
  const table heir = std::move(moved_from);
  CHECK(heir == rates);
  CHECK(moved_from.rate(2) == 0.2);
  const auto formula = stretch(warmup(0.1, rex{}), {.steps = 100, .base_rate = 0.3});
  const table stored(formula, formula.steps() + 1);
  for (std::uint64_t t = 0; t <= 200; ++t) CHECK(stored.rate(t) == formula.rate(t));
  CHECK(table(counts_steps{}, 1).rate(5) == 0.0);
}

TEST_CASE("A schedule chosen by name at run time is a table", "[schedule][sequence]") {
  const auto choose = [](const std::string& name, const horizon& over) {
    if (name == "rex") return table(stretch(rex{}, over), over.steps);
    if (name == "cosine") return table(stretch(warmup(0.1, cosine{}), over), over.steps);
    return table(constant_rate(over.base_rate), over.steps);
  };
  const horizon over{.steps = 40, .base_rate = 0.3};
  for (std::uint64_t t = 0; t < 40; ++t) {
    CHECK(choose("rex", over).rate(t) == stretch(rex{}, over).rate(t));
    CHECK(choose("cosine", over).rate(t) == stretch(warmup(0.1, cosine{}), over).rate(t));
    CHECK(choose("constant", over).rate(t) == 0.3);
  }
}

TEST_CASE("Neither rate nor fill allocates, tables included", "[schedule][sequence]") {
  const auto rates = product(sequence(ramp({.to = 1.0, .steps = 10}), 10, cooldown(constant_rate(1.0), {.start = 50, .steps = 40})),
                             at_least(0.1, stretch(rex{}, {.steps = 100})));
  const table stored(rates, 100);
  std::vector<double> out(100);
  const std::size_t before = gavel::testing::allocation_count();
  fill(rates, out);
  fill(stored, out, 3);
  CHECK(gavel::testing::allocation_count() == before);
  for (std::uint64_t t = 0; t < 97; ++t) CHECK(out[t] == rates.rate(t + 3));
}

TEST_CASE("Parts that make no sense are refused", "[schedule][sequence]") {
  const std::string in = "gavel::schedule::";
  const std::string in_cooldown = "gavel::schedule::cooldown: ";
  CHECK(message_of([] { (void)constant_rate(-1.0); }) == in + "constant_rate: rate = -1, must be finite and >= 0");
  CHECK(message_of([] { (void)constant_rate(infinity); }) == in + "constant_rate: rate = inf, must be finite and >= 0");
  CHECK(message_of([] { (void)constant_rate(not_a_number); }) == "domain: " + in + "constant_rate: rate = nan, must be finite and >= 0");
  CHECK(message_of([] { (void)ramp({.from = -1.0}); }) == in + "ramp: from = -1, must be finite and >= 0");
  CHECK(message_of([] { (void)ramp({.to = infinity}); }) == in + "ramp: to = inf, must be finite and >= 0");
  CHECK(message_of([] { (void)ramp({.to = not_a_number}); }) == "domain: " + in + "ramp: to = nan, must be finite and >= 0");
  CHECK(message_of([] { (void)ramp({.steps = max_steps + 1}); }) == in + "ramp: steps = 9007199254740993, must be <= 9007199254740992");
  CHECK(message_of([] { (void)sequence(constant_rate(1.0), max_steps + 1, constant_rate(1.0)); }) ==
        in + "sequence: boundary = 9007199254740993, must be <= 9007199254740992");
  CHECK(message_of([] { (void)at_least(-0.5, constant_rate(1.0)); }) == in + "at_least: minimum = -0.5, must be finite and >= 0");
  CHECK(message_of([] { (void)at_least(not_a_number, constant_rate(1.0)); }) ==
        "domain: " + in + "at_least: minimum = nan, must be finite and >= 0");
  const auto cooled = [](const cooldown_options& options) { return message_of([&] { (void)cooldown(constant_rate(0.5), options); }); };
  CHECK(cooled({}) == in_cooldown + "steps = 0, must be >= 1");
  CHECK(cooled({.steps = max_steps + 1}) == in_cooldown + "steps = 9007199254740993, must be <= 9007199254740992");
  CHECK(cooled({.start = max_steps, .steps = 1}) == in_cooldown + "start = 9007199254740992, must be <= 2^53 - steps = 9007199254740991");
  CHECK(cooled({.start = last_step, .steps = 1}) ==
        in_cooldown + "start = 18446744073709551615, must be <= 2^53 - steps = 9007199254740991");
  CHECK(cooled({.steps = 1, .minimum_rate = -1.0}) == in_cooldown + "minimum_rate = -1, must be finite and >= 0");
  CHECK(cooled({.steps = 1, .minimum_rate = not_a_number}) == "domain: " + in_cooldown + "minimum_rate = nan, must be finite and >= 0");
  const auto growing = exponential_decay({.factor = 2.0});
  CHECK(message_of([&] { (void)cooldown(growing, {.start = 5000, .steps = 1}); }) ==
        in_cooldown + "rate(start) = inf, must be finite and >= 0");
  CHECK(cooled({.steps = 1, .minimum_rate = 0.75}) == in_cooldown + "minimum_rate = 0.75, must be <= the rate at the start, 0.5");
}

TEST_CASE("Tables refuse rates that are not rates", "[schedule][sequence]") {
  CHECK(message_of([] { (void)table(std::vector<double>{}); }) == "gavel::schedule::table: rates.size() = 0, must be >= 1");
  CHECK(message_of([] { (void)table(std::vector<double>{0.1, -0.1}); }) ==
        "gavel::schedule::table: rates[1] = -0.1, must be finite and >= 0");
  CHECK(message_of([] { (void)table(std::vector<double>{infinity}); }) ==
        "gavel::schedule::table: rates[0] = inf, must be finite and >= 0");
  CHECK(message_of([] { (void)table(std::vector<double>{0.1, not_a_number}); }) ==
        "domain: gavel::schedule::table: rates[1] = nan, must be finite and >= 0");
  CHECK(message_of([] { (void)table(counts_steps{}, 0); }) == "gavel::schedule::table: steps = 0, must be >= 1");
}

TEST_CASE("A warm-up of so many steps keeps the length of the run", "[schedule][sequence]") {
  const auto rates = warmup_by_steps(300, stretch(rex{}, {.steps = 1'000, .base_rate = 0.3, .minimum_rate = 0.1}, every(10), inclusive{}));
  const auto rest = stretch(rex{}, {.steps = 700, .base_rate = 0.3, .minimum_rate = 0.1}, every(10), inclusive{});
  CHECK(rates.steps() == 1'000);
  CHECK(rates.rate(0) == 0.0);
  CHECK(rates.rate(150) == Approx(0.15));
  for (std::uint64_t t = 300; t <= 1'100; ++t) CHECK(rates.rate(t) == rest.rate(t - 300));
  CHECK(warmup_by_steps(100, stretch(linear{}, {.steps = 200}), cosine{}).rate(50) == Approx(0.5));
  const auto whole = stretch(linear{}, {.steps = 200});
  for (std::uint64_t t = 0; t < 200; ++t) CHECK(warmup_by_steps(0, whole).rate(t) == whole.rate(t));
  static_assert(warmup_by_steps(1, stretch(linear{}, {.steps = 5})).rate(3) == 0.5);
  CHECK(message_of([&] { (void)warmup_by_steps(200, whole); }) ==
        "gavel::schedule::warmup_by_steps: steps = 200, must be < rates.steps() 200");
}

}  // namespace sequence_test
