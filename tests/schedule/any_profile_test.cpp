// SPDX-License-Identifier: MIT
#include <gavel/schedule/any_profile.hpp>

#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"

#include <gavel/schedule/rate_schedule.hpp>
#include <gavel/schedule/sequence.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace any_profile_test {

using namespace gavel::schedule;
using gavel::testing::message_of;

namespace {

static_assert(profile<any_profile> && std::copyable<any_profile> && std::equality_comparable<any_profile>);
static_assert(!std::constructible_from<any_profile, step_decay> && !std::constructible_from<any_profile, double>);
static_assert(profile_named("rex")(0.5) == rex{}(0.5) && profile_named("wsd") == any_profile(wsd<>{}));
static_assert(stretch(profile_named("linear"), {.steps = 4}).rate(2) == 0.5);

template <class P>
void check_named(const char* name, const P& expected) {
  const any_profile shape = profile_named(name);
  INFO(name);
  CHECK(std::get<P>(shape.held()) == expected);
  for (int i = 0; i <= 100; ++i) CHECK(shape(i / 100.0) == expected(i / 100.0));
}

}  // namespace

TEST_CASE("Every name gives its profile with default parameters", "[schedule][any_profile]") {
  check_named("constant", constant{});
  check_named("linear", linear{});
  check_named("rex", rex{});
  check_named("cosine", cosine{});
  check_named("sqrt", polynomial(0.5));
  check_named("one_minus_sqrt", one_minus_sqrt{});
  check_named("exponential", exponential{});
  check_named("exponential_to_zero", exponential_to_zero{});
  check_named("reflected_exponential", reflected_exponential{});
  check_named("one_cycle", one_cycle{});
  check_named("wsd", wsd<>{});
  check_named("wsd_one_minus_sqrt", wsd<one_minus_sqrt>{});
  CHECK(std::size(named_profiles) == 12);
  const std::string message = message_of([] { (void)profile_named("Cosine"); });
  CHECK(message.starts_with("gavel::schedule::profile_named: name = \"Cosine\", must be one of constant linear rex cosine "));
  CHECK(message.ends_with(" wsd wsd_one_minus_sqrt"));
}

TEST_CASE("A profile chosen at run time composes like any other, without a table", "[schedule][any_profile]") {
  any_profile shape = profile_named("wsd");
  shape = wsd({.decay = 0.5});  // with parameters of its own
  const auto rates = stretch(warmup(0.1, shape), {.steps = 100, .base_rate = 0.5});
  const auto typed = stretch(warmup(0.1, wsd({.decay = 0.5})), {.steps = 100, .base_rate = 0.5});
  const std::size_t before = gavel::testing::allocation_count();
  double sum = 0.0;
  for (std::uint64_t t = 0; t <= 100; ++t) sum += std::abs(rates.rate(t) - typed.rate(t));
  CHECK(gavel::testing::allocation_count() == before);
  CHECK(sum == 0.0);
  CHECK(any_profile(rex{}) != any_profile(rex{0.9}));
  CHECK(any_profile(rex{}) != any_profile(linear{}));
  // A nest moves the place of a step by rounding; the held profile is told by how much, as the one by its own type is.
  for (std::uint64_t steps = 100; steps < 1'000; steps += 7) {
    const auto held = stretch(restart(3.0, warmup(0.1, any_profile(wsd({.decay = 0.3}, one_minus_sqrt{})))), {.steps = steps});
    const auto direct = stretch(restart(3.0, warmup(0.1, wsd({.decay = 0.3}, one_minus_sqrt{}))), {.steps = steps});
    for (std::uint64_t t = 0; t <= steps; ++t) REQUIRE(held.rate(t) == direct.rate(t));
  }
}

TEST_CASE("What has no name of its own is one line", "[schedule][any_profile]") {
  for (const double z : {0.0, 0.2, 0.7, 1.0}) CHECK(bent(3.0, linear{})(z) == Approx(1.0 - z * z * z));
  const auto straight_in_log = warmup(0.5, rex{}, geometric(1e-3));
  CHECK(straight_in_log(0.0) == 1e-3);
  CHECK(straight_in_log(0.25) == Approx(std::sqrt(1e-3)));
  CHECK(straight_in_log(0.5) == 1.0);
  const auto logarithmic = warmup(0.5, rex{}, [](double z) { return std::log(10.0 - 9.0 * z) / std::log(10.0); });
  CHECK(logarithmic(0.0) == 0.0);
  CHECK(logarithmic(0.25) == Approx(std::log(5.5) / std::log(10.0)));
  CHECK(logarithmic(0.5) == 1.0);
}

}  // namespace any_profile_test
