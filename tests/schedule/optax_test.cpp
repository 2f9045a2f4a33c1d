// SPDX-License-Identifier: MIT
#include <gavel/schedule/optax.hpp>

#include "schedule/preset_laws.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

namespace optax_test {

namespace optax = gavel::schedule::optax;
using namespace gavel::testing;
using optax::interpolation;

namespace {

constexpr double pi = 3.14159265358979323846;

// Each preset is a constant expression; the values are the ones that off-by-one conventions decide.
static_assert(optax::constant_schedule(0.5).rate(7) == 0.5);
static_assert(optax::polynomial_schedule({.end_value = 0.25, .transition_steps = 4, .transition_begin = 3}).rate(3) == 1.0);
static_assert(optax::polynomial_schedule({.end_value = 0.0, .power = 2.0, .transition_steps = 4, .transition_begin = 3}).rate(5) == 0.25);
static_assert(optax::polynomial_schedule({.end_value = 0.25, .transition_steps = 4, .transition_begin = 3}).rate(7) == 0.25);
static_assert(optax::linear_schedule({.init_value = 0.0, .end_value = 1.0, .transition_steps = 4, .transition_begin = 1}).rate(2) == 0.25);
static_assert(optax::cosine_decay_schedule({.init_value = 0.5, .decay_steps = 8, .alpha = 0.25}).rate(8) == 0.125);
static_assert(near(optax::exponential_decay({.transition_steps = 5, .decay_rate = 0.5, .transition_begin = 2}).rate(7), 0.5));
static_assert(optax::exponential_decay({.transition_steps = 5, .decay_rate = 0.5, .end_value = 0.2}).rate(900) == 0.2);
static_assert(optax::piecewise_constant_schedule({.boundaries_and_scales = {{6, 0.5}, {12, 0.5}}}).rate(5) == 1.0);
static_assert(optax::piecewise_constant_schedule({.boundaries_and_scales = {{6, 0.5}, {12, 0.5}}}).rate(6) == 0.5);
static_assert(optax::piecewise_constant_schedule({.boundaries_and_scales = {{6, 0.5}, {12, 0.5}}}).rate(12) == 0.25);
static_assert(optax::piecewise_constant_schedule({.boundaries_and_scales = {{6, 0.5}}}).rate(6) == 0.5);
static_assert(optax::piecewise_interpolate_schedule({.boundaries_and_scales = {{4, 0.5}, {8, 0.5}}}).rate(6) == 0.375);
static_assert(optax::linear_onecycle_schedule({.transition_steps = 20}).rate(6) == 1.0);
static_assert(near(optax::cosine_onecycle_schedule({.transition_steps = 20}).rate(20), 4e-6));
static_assert(optax::warmup_constant_schedule({.warmup_steps = 4}).rate(3) == 0.75);
static_assert(optax::warmup_cosine_decay_schedule({.warmup_steps = 4, .decay_steps = 20, .end_value = 0.25}).rate(4) == 1.0);
static_assert(optax::warmup_cosine_decay_schedule({.warmup_steps = 4, .decay_steps = 20, .end_value = 0.25}).rate(20) == 0.25);
static_assert(near(optax::warmup_exponential_decay_schedule({.warmup_steps = 4, .transition_steps = 2, .decay_rate = 0.5}).rate(6), 0.5));
static_assert(optax::sgdr_schedule({{.decay_steps = 8}, {.peak_value = 0.5, .warmup_steps = 2, .decay_steps = 8}}).rate(10) == 0.5);
static_assert(optax::join_schedules(optax::constant_schedule(1.0), 3, optax::linear_schedule({.transition_steps = 4})).rate(4) == 0.75);

}  // namespace

TEST_CASE("optax's schedules, transcribed", "[schedule][optax]") {
  for (const double power : {0.5, 1.0, 3.0}) {
    for (const double end : {0.02, 0.9}) {
      check_against(
          optax::polynomial_schedule({.init_value = 0.3, .end_value = end, .power = power, .transition_steps = 11, .transition_begin = 4}),
          30, [&](double t) {
            const double share = 1.0 - std::clamp(t - 4.0, 0.0, 11.0) / 11.0;
            return (0.3 - end) * std::pow(share, power) + end;
          });
    }
    check_against(optax::cosine_decay_schedule({.init_value = 0.3, .decay_steps = 13, .alpha = 0.1, .exponent = power}), 30,
                  [&](double t) { return 0.3 * (0.9 * std::pow(0.5 * (1.0 + std::cos(pi * std::min(t, 13.0) / 13.0)), power) + 0.1); });
    check_against(optax::warmup_cosine_decay_schedule(
                      {.init_value = 0.01, .peak_value = 0.3, .warmup_steps = 5, .decay_steps = 18, .end_value = 0.03, .exponent = power}),
                  30, [&](double t) {
                    if (t < 5.0) return 0.01 + (0.3 - 0.01) * t / 5.0;
                    return 0.3 * (0.9 * std::pow(0.5 * (1.0 + std::cos(pi * std::min(t - 5.0, 13.0) / 13.0)), power) + 0.1);
                  });
  }
  REQUIRE(optax::linear_schedule({.init_value = 0.3, .end_value = 0.1, .transition_steps = 7, .transition_begin = 2}).rate(5) ==
          optax::polynomial_schedule({.init_value = 0.3, .end_value = 0.1, .transition_steps = 7, .transition_begin = 2}).rate(5));
  for (const bool staircase : {false, true}) {
    for (const double rate : {0.6, 1.3}) {
      for (const double end : {-1.0, 0.15, 0.5}) {
        const auto value = [&](double t) {
          const double periods = staircase ? std::floor(t / 4.0) : t / 4.0;
          const double decayed = t <= 0.0 ? 0.3 : 0.3 * std::pow(rate, periods);
          if (end < 0.0) return decayed;
          return rate < 1.0 ? std::max(decayed, end) : std::min(decayed, end);
        };
        const auto bound = end < 0.0 ? std::nullopt : std::optional<double>(end);
        check_against(optax::exponential_decay({.init_value = 0.3,
                                                .transition_steps = 4,
                                                .decay_rate = rate,
                                                .transition_begin = 3,
                                                .staircase = staircase,
                                                .end_value = bound}),
                      40, [&](double t) { return value(t - 3.0); });
        check_against(optax::warmup_exponential_decay_schedule({.init_value = 0.02,
                                                                .peak_value = 0.3,
                                                                .warmup_steps = 5,
                                                                .transition_steps = 4,
                                                                .decay_rate = rate,
                                                                .transition_begin = 3,
                                                                .staircase = staircase,
                                                                .end_value = bound}),
                      40, [&](double t) { return t < 5.0 ? 0.02 + 0.28 * t / 5.0 : value(t - 8.0); });
      }
    }
  }
}

TEST_CASE("optax bounds a decay rate of exactly 1 from above", "[schedule][optax]") {
  REQUIRE(optax::exponential_decay({.transition_steps = 5, .decay_rate = 1.0, .end_value = 0.5}).rate(3) == 0.5);
  REQUIRE(optax::exponential_decay({.transition_steps = 5, .decay_rate = 1.0, .end_value = 2.0}).rate(3) == 1.0);
}

TEST_CASE("optax's piecewise schedules switch at the boundary itself", "[schedule][optax]") {
  const optax::boundaries_and_scales_list list{{3, 0.5}, {4, 2.0}, {9, 0.0}};
  check_against(optax::piecewise_constant_schedule({.init_value = 0.4, .boundaries_and_scales = list}), 15, [](double t) {
    return t < 3.0 ? 0.4 : t < 4.0 ? 0.2 : t < 9.0 ? 0.4 : 0.0;
  });
  const double bounds[] = {0.0, 3.0, 4.0, 9.0}, values[] = {0.4, 0.2, 0.4, 0.0};
  for (const auto type : {interpolation::linear, interpolation::cosine}) {
    const auto schedule =
        optax::piecewise_interpolate_schedule({.interpolate_type = type, .init_value = 0.4, .boundaries_and_scales = list});
    check_against(schedule, 15, [&](double t) {
      for (std::size_t i = 0; i < 3; ++i) {
        if (t < bounds[i] || t >= bounds[i + 1]) continue;
        const double share = (t - bounds[i]) / (bounds[i + 1] - bounds[i]);
        return type == interpolation::linear ? (values[i + 1] - values[i]) * share + values[i]
                                             : values[i + 1] + (values[i] - values[i + 1]) / 2.0 * (std::cos(pi * share) + 1.0);
      }
      return 0.0;
    });
    check_holds(schedule, 9, 0.0);
  }
  REQUIRE(optax::piecewise_constant_schedule({.init_value = 0.4}).rate(100) == 0.4);
  REQUIRE(optax::piecewise_interpolate_schedule({.init_value = 0.4}).rate(100) == 0.4);
  const auto at_once = optax::piecewise_interpolate_schedule({.init_value = 0.4, .boundaries_and_scales = {{0, 0.5}, {4, 0.5}}});
  REQUIRE(at_once.rate(0) == 0.2);  // a boundary at 0 applies from the first count on
  REQUIRE(near(at_once.rate(2), 0.15));
}

TEST_CASE("optax's one-cycle schedules cut the phases down to whole counts", "[schedule][optax]") {
  // int(0.3 * 25) = 7, int(0.85 * 25) = 21
  const auto straight = optax::linear_onecycle_schedule({.transition_steps = 25, .peak_value = 0.8, .final_div_factor = 100.0});
  REQUIRE(near(straight.rate(0), 0.032));
  REQUIRE(near(straight.rate(7), 0.8));
  REQUIRE(straight.rate(6) < 0.8);
  REQUIRE(straight.rate(8) < 0.8);
  REQUIRE(near(straight.rate(21), 0.032));
  REQUIRE(straight.rate(22) < 0.032);
  REQUIRE(near(straight.rate(14), 0.8 + (0.032 - 0.8) * 0.5));
  check_holds(straight, 25, 0.032 / 100.0);
  const auto waved = optax::cosine_onecycle_schedule({.transition_steps = 25, .peak_value = 0.8, .final_div_factor = 100.0});
  REQUIRE(near(waved.rate(0), 0.032));
  REQUIRE(near(waved.rate(7), 0.8));
  REQUIRE(near(waved.rate(16), 0.5 * (0.8 + 0.032 / 100.0)));
  REQUIRE(waved.rate(24) > 0.032 / 100.0);
  check_holds(waved, 25, 0.032 / 100.0);
}

TEST_CASE("optax's decay steps include the warm-up, and cycles start anew", "[schedule][optax]") {
  const optax::warmup_cosine_decay_schedule_options first{.peak_value = 0.3, .warmup_steps = 4, .decay_steps = 10, .end_value = 0.01};
  const optax::warmup_cosine_decay_schedule_options second{.init_value = 0.02, .peak_value = 0.2, .warmup_steps = 2, .decay_steps = 15};
  const auto one = optax::warmup_cosine_decay_schedule(first), two = optax::warmup_cosine_decay_schedule(second);
  REQUIRE(one.steps() == 10);
  REQUIRE(near(one.rate(7), 0.5 * (0.3 + 0.01)));
  check_holds(one, 10, 0.01);
  const auto cycles = optax::sgdr_schedule({first, second, first});
  for (std::uint64_t t = 0; t < 60; ++t) {
    REQUIRE(cycles.rate(t) == (t < 10 ? one.rate(t) : t < 25 ? two.rate(t - 10) : one.rate(t - 25)));
  }
  check_holds(cycles, 35, 0.01);
  const auto joined = optax::join_schedules(one, 10, optax::join_schedules(two, 15, one));
  for (std::uint64_t t = 0; t < 60; ++t) REQUIRE(cycles.rate(t) == joined.rate(t));
  check_holds(optax::warmup_constant_schedule({.init_value = 0.1, .peak_value = 0.3, .warmup_steps = 5}), 5, 0.3);
  check_holds(optax::cosine_decay_schedule({.init_value = 0.3, .decay_steps = 9, .alpha = 0.5}), 9, 0.15);
  check_holds(optax::polynomial_schedule({.end_value = 0.1, .transition_steps = 9, .transition_begin = 3}), 12, 0.1);
}

TEST_CASE("optax's presets keep twelve digits at the last steps of a million", "[schedule][optax]") {
  const std::uint64_t n = 1'000'000, w = 123'457;
  const auto linear = optax::linear_schedule({.init_value = 0.3, .transition_steps = n - w, .transition_begin = w});
  const auto cube = optax::polynomial_schedule({.init_value = 0.3, .power = 3.0, .transition_steps = n - w, .transition_begin = w});
  const auto cosine = optax::warmup_cosine_decay_schedule({.peak_value = 0.3, .warmup_steps = w, .decay_steps = n, .end_value = 1e-3});
  const auto cycle = optax::linear_onecycle_schedule({.transition_steps = n, .peak_value = 0.3});
  for (const std::uint64_t left : {1U, 2U, 17U, 876'540U}) {
    const long double share = static_cast<long double>(left) / static_cast<long double>(n - w);
    const long double half = std::sin(pi_exact * share / 2.0L);
    check_exact(linear.rate(n - left), 0.3L * share);
    check_exact(cube.rate(n - left), 0.3L * share * share * share);
    check_exact(cosine.rate(n - left), 1e-3L + (0.3L - 1e-3L) * half * half);
  }
  check_exact(cycle.rate(n - 1), 0.012L / 1e4L + (0.012L - 0.012L / 1e4L) / 150'000.0L, 0.3L);
  for (const std::uint64_t step : {1U, 2U, 123'456U}) {
    check_exact(cosine.rate(step), 0.3L * static_cast<long double>(step) / static_cast<long double>(w));
  }
}

TEST_CASE("Every step a counter can hold has an optax rate", "[schedule][optax]") {
  check_far(optax::polynomial_schedule({.end_value = 0.1, .power = 0.5, .transition_steps = 9, .transition_begin = 3}), 0.1, 0.1);
  check_far(optax::cosine_decay_schedule({.decay_steps = 9, .alpha = 0.5}), 0.5, 0.5);
  check_far(optax::exponential_decay({.transition_steps = 4, .decay_rate = 0.5, .end_value = 0.1}), 0.1, 0.1);
  check_far(optax::exponential_decay({.transition_steps = 4, .decay_rate = 2.0, .end_value = 3.0}), 3.0, 3.0);
  check_far(optax::exponential_decay({.init_value = 0.0, .transition_steps = 4, .decay_rate = 2.0, .end_value = 3.0}), 0.0, 0.0);
  check_far(optax::piecewise_constant_schedule({.boundaries_and_scales = {{6, 0.5}, {~std::uint64_t{0}, 0.5}}}), 0.25, 0.5);
  check_far(optax::piecewise_interpolate_schedule({.boundaries_and_scales = {{6, 0.5}, {std::uint64_t{1} << 53U, 0.5}}}), 0.25, 0.25);
  check_far(optax::cosine_onecycle_schedule({.transition_steps = 20}), 4e-6 * (1.0 - 1e-14), 4e-6 * (1.0 + 1e-14));
  check_far(optax::sgdr_schedule({{.decay_steps = 8}, {.decay_steps = 8, .end_value = 0.1}}), 0.1, 0.1);
  check_far(optax::warmup_constant_schedule({.peak_value = 0.3, .warmup_steps = 5}), 0.3, 0.3);
  STATIC_REQUIRE(!gavel::schedule::finite_rate_schedule<decltype(optax::warmup_constant_schedule({.warmup_steps = 5}))>);
}

TEST_CASE("optax's presets say what they refuse", "[schedule][optax]") {
  const std::string in = "gavel::schedule::optax::";
  CHECK(message_of([] { static_cast<void>(optax::constant_schedule(-1.0)); }) ==
        in + "constant_schedule: value = -1, must be finite and >= 0");
  CHECK(refused(optax::polynomial_schedule, {}) == in + "polynomial_schedule: transition_steps = 0, must be >= 1");
  CHECK(refused(optax::polynomial_schedule, {.power = 0.0, .transition_steps = 4}) ==
        in + "polynomial_schedule: power = 0, must be finite and > 0");
  CHECK(refused(optax::linear_schedule, {.end_value = not_a_number, .transition_steps = 4}) ==
        "domain: " + in + "linear_schedule: end_value = nan, must be finite and >= 0");
  CHECK(refused(optax::linear_schedule, {}) == in + "linear_schedule: transition_steps = 0, must be >= 1");
  CHECK(refused(optax::cosine_decay_schedule, {}) == in + "cosine_decay_schedule: decay_steps = 0, must be >= 1");
  CHECK(refused(optax::cosine_decay_schedule, {.decay_steps = 4, .alpha = 1.5}) ==
        in + "cosine_decay_schedule: alpha = 1.5, must be in [0, 1]");
  CHECK(refused(optax::exponential_decay, {.transition_steps = 4}) == in + "exponential_decay: decay_rate = 0, must be finite and > 0");
  CHECK(refused(optax::exponential_decay, {.transition_steps = 4, .decay_rate = 0.5, .end_value = -1.0}) ==
        in + "exponential_decay: end_value = -1, must be finite and >= 0");
  CHECK(refused(optax::piecewise_constant_schedule, {.boundaries_and_scales = {{6, 0.1}, {6, 0.1}}}) ==
        in + "piecewise_constant_schedule: boundaries[1] = 6, must be > the one before, 6");
  CHECK(refused(optax::piecewise_constant_schedule, {.boundaries_and_scales = {{6, 0.1}, {7, -0.1}}}) ==
        in + "piecewise_constant_schedule: scales[1] = -0.1, must be finite and >= 0");
  const std::uint64_t far = ~std::uint64_t{0};
  CHECK(refused(optax::polynomial_schedule, {.transition_steps = 4, .transition_begin = far}) ==
        in + "polynomial_schedule: transition_begin = 18446744073709551615, must be <= 9007199254740992");
  CHECK(refused(optax::linear_schedule, {.transition_steps = 4, .transition_begin = far}) ==
        in + "linear_schedule: transition_begin = 18446744073709551615, must be <= 9007199254740992");
  CHECK(refused(optax::exponential_decay, {.transition_steps = 4, .decay_rate = 0.5, .transition_begin = far}) ==
        in + "exponential_decay: transition_begin = 18446744073709551615, must be <= 9007199254740992");
  CHECK(refused(optax::piecewise_interpolate_schedule, {.boundaries_and_scales = {{6, 0.5}, {far, 0.5}}}) ==
        in + "piecewise_interpolate_schedule: boundaries[1] = 18446744073709551615, must be <= 9007199254740992");
  CHECK(refused(optax::piecewise_interpolate_schedule, {.boundaries_and_scales = {{6, not_a_number}}}) ==
        "domain: " + in + "piecewise_interpolate_schedule: scales[0] = nan, must be finite and >= 0");
  CHECK(refused(optax::linear_onecycle_schedule, {}) == in + "linear_onecycle_schedule: transition_steps = 0, must be >= 1");
  CHECK(refused(optax::linear_onecycle_schedule, {.transition_steps = 3}) ==
        in + "linear_onecycle_schedule: pct_start * transition_steps = 0.9, must be >= 1");
  CHECK(refused(optax::linear_onecycle_schedule, {.transition_steps = 10, .pct_start = 1.0}) ==
        in + "linear_onecycle_schedule: pct_start = 1, must be in (0, 1)");
  CHECK(refused(optax::linear_onecycle_schedule, {.transition_steps = 10, .pct_start = 0.9}) ==
        in + "linear_onecycle_schedule: pct_final = 0.85, must be in (pct_start, 1)");
  CHECK(refused(optax::linear_onecycle_schedule, {.transition_steps = 10, .pct_start = 0.5, .pct_final = 0.55}) ==
        in + "linear_onecycle_schedule: floor(pct_final * transition_steps) = 5, must be > floor(pct_start * "
             "transition_steps) = 5");
  CHECK(refused(optax::cosine_onecycle_schedule, {.transition_steps = 10, .div_factor = 0.0}) ==
        in + "cosine_onecycle_schedule: div_factor = 0, must be finite and > 0");
  CHECK(refused(optax::warmup_constant_schedule, {}) == in + "warmup_constant_schedule: warmup_steps = 0, must be >= 1");
  CHECK(refused(optax::warmup_cosine_decay_schedule, {.warmup_steps = 10, .decay_steps = 10}) ==
        in + "warmup_cosine_decay_schedule: warmup_steps = 10, must be < decay_steps, which includes them, 10");
  CHECK(refused(optax::warmup_cosine_decay_schedule, {.decay_steps = 10, .end_value = 2.0}) ==
        in + "warmup_cosine_decay_schedule: end_value = 2, must be <= peak_value 1");
  CHECK(refused(optax::warmup_exponential_decay_schedule, {.warmup_steps = ~std::uint64_t{0}}) ==
        in + "warmup_exponential_decay_schedule: warmup_steps = 18446744073709551615, must be <= 9007199254740992");
  CHECK(refused(optax::sgdr_schedule, optax::sgdr_cycles{}) == in + "sgdr_schedule: cycles.size() = 0, must be >= 1");
  CHECK(refused(optax::sgdr_schedule, optax::sgdr_cycles{{.decay_steps = 10}, {}}) ==
        in + "warmup_cosine_decay_schedule: decay_steps = 0, must be >= 1");
}

}  // namespace optax_test
