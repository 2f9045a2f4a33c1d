// SPDX-License-Identifier: MIT
#include <gavel/schedule/keras.hpp>

#include "schedule/preset_laws.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

namespace keras_test {

namespace keras = gavel::schedule::keras;
using namespace gavel::testing;

namespace {

constexpr double pi = 3.14159265358979323846;

// Each preset is a constant expression; the values are the ones that off-by-one conventions decide.
static_assert(near(keras::exponential_decay({.initial_learning_rate = 0.5, .decay_steps = 6.0, .decay_rate = 0.5}).rate(12), 0.125));
static_assert(keras::inverse_time_decay({.initial_learning_rate = 0.5, .decay_steps = 4.0, .decay_rate = 1.0}).rate(4) == 0.25);
static_assert(keras::piecewise_constant_decay({.boundaries = {5, 11}, .values = {1.0, 0.5, 0.1}}).rate(5) == 1.0);
static_assert(keras::piecewise_constant_decay({.boundaries = {5, 11}, .values = {1.0, 0.5, 0.1}}).rate(6) == 0.5);
static_assert(keras::piecewise_constant_decay({.boundaries = {5, 11}, .values = {1.0, 0.5, 0.1}}).rate(12) == 0.1);
static_assert(near(keras::polynomial_decay({.decay_steps = 8, .end_learning_rate = 0.0, .power = 2.0}).rate(4), 0.25));
static_assert(near(keras::polynomial_decay({.decay_steps = 8, .end_learning_rate = 0.0, .cycle = true}).rate(12), 0.25));
static_assert(keras::polynomial_decay({.decay_steps = 8}).rate(8) == 1e-4);
static_assert(keras::cosine_decay({.initial_learning_rate = 0.5, .decay_steps = 14, .alpha = 0.25}).rate(14) == 0.125);
static_assert(keras::cosine_decay({.initial_learning_rate = 0.0, .decay_steps = 14, .warmup_target = 0.5, .warmup_steps = 4}).rate(4) ==
              0.5);
static_assert(keras::cosine_decay_restarts({.initial_learning_rate = 0.5, .first_decay_steps = 5}).rate(5) == 0.5);
static_assert(near(keras::cosine_decay_restarts({.initial_learning_rate = 0.5, .first_decay_steps = 5, .m_mul = 0.5}).rate(15), 0.125));

}  // namespace

TEST_CASE("Keras' schedules, transcribed", "[schedule][keras]") {
  const double initial = 0.3;
  for (const bool staircase : {false, true}) {
    const auto periods = [&](double t) { return staircase ? std::floor(t / 3.0) : t / 3.0; };
    check_against(
        keras::exponential_decay({.initial_learning_rate = initial, .decay_steps = 3.0, .decay_rate = 0.8, .staircase = staircase}), 60,
        [&](double t) { return initial * std::pow(0.8, periods(t)); });
    check_against(
        keras::inverse_time_decay({.initial_learning_rate = initial, .decay_steps = 3.0, .decay_rate = 0.8, .staircase = staircase}), 60,
        [&](double t) { return initial / (1.0 + 0.8 * periods(t)); });
  }
  for (const double power : {0.5, 1.0, 2.0}) {
    for (const bool cycle : {false, true}) {
      const auto schedule = keras::polynomial_decay(
          {.initial_learning_rate = initial, .decay_steps = 9, .end_learning_rate = 0.01, .power = power, .cycle = cycle});
      check_against(schedule, 60, [&](double t) {
        const double steps = cycle ? 9.0 * (t == 0.0 ? 1.0 : std::ceil(t / 9.0)) : 9.0;
        return (initial - 0.01) * std::pow(1.0 - std::min(t, steps) / steps, power) + 0.01;
      });
      if (!cycle) check_holds(schedule, 9, 0.01);
    }
  }
  for (const double alpha : {0.0, 0.2, 1.0}) {
    const auto wave = [&](double t) { return (1.0 - alpha) * 0.5 * (1.0 + std::cos(pi * std::min(t, 13.0) / 13.0)) + alpha; };
    check_against(keras::cosine_decay({.initial_learning_rate = initial, .decay_steps = 13, .alpha = alpha}), 40,
                  [&](double t) { return initial * wave(t); });
    const auto warm = keras::cosine_decay(
        {.initial_learning_rate = 0.02, .decay_steps = 13, .alpha = alpha, .warmup_target = initial, .warmup_steps = 6});
    check_against(warm, 40, [&](double t) { return t < 6.0 ? 0.02 + (initial - 0.02) * t / 6.0 : initial * wave(t - 6.0); });
    REQUIRE(warm.steps() == 19);  // decay_steps excludes the warm-up
    check_holds(warm, 19, initial * alpha);
    for (const double ratio : {1.0, 2.0, 1.5}) {
      const auto restarts = keras::cosine_decay_restarts(
          {.initial_learning_rate = initial, .first_decay_steps = 4, .t_mul = ratio, .m_mul = 0.9, .alpha = alpha});
      check_against(restarts, 100, [&](double t) {
        double cycle = 0.0, begin = 0.0, length = 4.0;
        for (; t >= begin + length; length *= ratio, cycle += 1.0) begin += length;
        const double wave_now = 0.5 * std::pow(0.9, cycle) * (1.0 + std::cos(pi * (t - begin) / length));
        return initial * ((1.0 - alpha) * wave_now + alpha);
      });
    }
  }
}

TEST_CASE("Keras drops a constant one step later than the others", "[schedule][keras]") {
  const auto schedule = keras::piecewise_constant_decay({.boundaries = {0, 3, 4}, .values = {0.4, 0.3, 0.2, 0.1}});
  check_against(schedule, 12, [](double t) { return t <= 0.0 ? 0.4 : t <= 3.0 ? 0.3 : t <= 4.0 ? 0.2 : 0.1; });
  REQUIRE(keras::piecewise_constant_decay({.values = {0.4}}).rate(9) == 0.4);
}

TEST_CASE("Keras' growing restarts stand at whole steps", "[schedule][keras]") {
  const auto schedule = keras::cosine_decay_restarts({.initial_learning_rate = 0.3, .first_decay_steps = 10, .t_mul = 3.0});
  for (const std::uint64_t boundary : {10U, 40U, 130U, 400U, 1210U, 3640U}) {
    REQUIRE(schedule.rate(boundary) == 0.3);
    REQUIRE(schedule.rate(boundary - 1) < 0.01);
  }
  const auto cycling = keras::polynomial_decay({.initial_learning_rate = 0.3, .decay_steps = 10, .cycle = true});
  REQUIRE(cycling.rate(10) == 1e-4);
  REQUIRE(near(cycling.rate(11), 1e-4 + (0.3 - 1e-4) * 9.0 / 20.0));
  REQUIRE(cycling.rate(20) == 1e-4);
}

TEST_CASE("Keras' presets keep twelve digits at the last steps of a million", "[schedule][keras]") {
  const std::uint64_t n = 1'000'000, w = 123'457;
  const auto poly = keras::polynomial_decay({.initial_learning_rate = 0.3, .decay_steps = n, .end_learning_rate = 0.0, .power = 0.5});
  const auto cycling =
      keras::polynomial_decay({.initial_learning_rate = 0.3, .decay_steps = n / 4, .end_learning_rate = 0.0, .cycle = true});
  const auto cosine =
      keras::cosine_decay({.initial_learning_rate = 0.0, .decay_steps = n - w, .alpha = 0.01, .warmup_target = 0.3, .warmup_steps = w});
  for (const std::uint64_t left : {1U, 2U, 17U, 200'000U}) {
    const long double share = static_cast<long double>(left) / static_cast<long double>(n);
    check_exact(poly.rate(n - left), 0.3L * std::sqrt(share));
    check_exact(cycling.rate(n - left), 0.3L * share);
    const long double half = std::sin(pi_exact * static_cast<long double>(left) / static_cast<long double>(n - w) / 2.0L);
    check_exact(cosine.rate(n - left), 0.3L * (0.01L + 0.99L * half * half));
  }
  for (const std::uint64_t step : {1U, 2U, 123'456U}) {
    check_exact(cosine.rate(step), 0.3L * static_cast<long double>(step) / static_cast<long double>(w));
  }
}

TEST_CASE("Every step a counter can hold has a Keras rate", "[schedule][keras]") {
  check_far(keras::exponential_decay({.decay_steps = 6.0, .decay_rate = 0.5}), 0.0, 0.0);
  check_far(keras::inverse_time_decay({.decay_steps = 6.0, .decay_rate = 0.5}), 0.0, 1e-14);
  check_far(keras::piecewise_constant_decay({.boundaries = {5}, .values = {1.0, 0.5}}), 0.5, 0.5);
  for (const std::uint64_t steps : {std::uint64_t{1}, std::uint64_t{10}, (std::uint64_t{1} << 53U) - 1, std::uint64_t{1} << 53U}) {
    for (const double power : {0.5, 1.0, 3.0}) {  // a stretched horizon grows with the step
      check_far(keras::polynomial_decay({.decay_steps = steps, .end_learning_rate = 0.1, .power = power, .cycle = true}), 0.1, 1.0);
    }
  }
  check_far(keras::polynomial_decay({.decay_steps = 10, .end_learning_rate = 0.1}), 0.1, 0.1);
  check_far(keras::cosine_decay({.decay_steps = 10, .alpha = 0.1}), 0.1, 0.1);
  check_far(keras::cosine_decay_restarts({.first_decay_steps = 10, .t_mul = 1.0, .alpha = 0.1}), 0.1, 1.0);
  check_far(keras::cosine_decay_restarts({.first_decay_steps = 10, .m_mul = 0.5, .alpha = 0.1}), 0.1, 1.0);
}

TEST_CASE("Keras' presets say what they refuse", "[schedule][keras]") {
  const std::string in = "gavel::schedule::keras::";
  CHECK(refused(keras::exponential_decay, {.decay_rate = 0.5}) == in + "exponential_decay: decay_steps = 0, must be finite and > 0");
  CHECK(refused(keras::exponential_decay, {.decay_steps = 5.0}) == in + "exponential_decay: decay_rate = 0, must be finite and > 0");
  CHECK(refused(keras::inverse_time_decay, {.initial_learning_rate = -1.0}) ==
        in + "inverse_time_decay: initial_learning_rate = -1, must be finite and >= 0");
  CHECK(refused(keras::piecewise_constant_decay, {.boundaries = {5}, .values = {1.0}}) ==
        in + "piecewise_constant_decay: values.size() = 1, must equal boundaries.size() + 1 = 2");
  CHECK(refused(keras::piecewise_constant_decay, {.boundaries = {5, 5}, .values = {1.0, 0.5, 0.1}}) ==
        in + "piecewise_constant_decay: boundaries[1] = 5, must be > the one before, 5");
  CHECK(refused(keras::piecewise_constant_decay, {.boundaries = {~std::uint64_t{0}}, .values = {1.0, 0.5}}) ==
        in + "piecewise_constant_decay: boundaries[0] = 18446744073709551615, must be <= 9007199254740992");
  CHECK(refused(keras::piecewise_constant_decay, {.boundaries = {5}, .values = {1.0, -0.5}}) ==
        in + "piecewise_constant_decay: values[1] = -0.5, must be finite and >= 0");
  CHECK(refused(keras::piecewise_constant_decay, {.boundaries = {5}, .values = {1.0, not_a_number}}) ==
        "domain: " + in + "piecewise_constant_decay: values[1] = nan, must be finite and >= 0");
  CHECK(refused(keras::polynomial_decay, {}) == in + "polynomial_decay: decay_steps = 0, must be >= 1");
  CHECK(refused(keras::polynomial_decay, {.initial_learning_rate = 1e-5, .decay_steps = 5}) ==
        in + "polynomial_decay: end_learning_rate = 0.0001, must be <= initial_learning_rate 1e-05");
  CHECK(refused(keras::polynomial_decay, {.decay_steps = 5, .power = 0.0}) == in + "polynomial_decay: power = 0, must be finite and > 0");
  CHECK(refused(keras::cosine_decay, {}) == in + "cosine_decay: decay_steps = 0, must be >= 1");
  CHECK(refused(keras::cosine_decay, {.decay_steps = 5, .alpha = -0.1}) == in + "cosine_decay: alpha = -0.1, must be in [0, 1]");
  CHECK(refused(keras::cosine_decay, {.decay_steps = 5, .warmup_steps = 4}) ==
        in + "cosine_decay: warmup_steps = 4, must be 0 without a warmup_target");
  CHECK(refused(keras::cosine_decay, {.decay_steps = 5, .warmup_target = -1.0, .warmup_steps = 4}) ==
        in + "cosine_decay: warmup_target = -1, must be finite and >= 0");
  CHECK(refused(keras::cosine_decay_restarts, {}) == in + "cosine_decay_restarts: first_decay_steps = 0, must be >= 1");
  CHECK(refused(keras::cosine_decay_restarts, {.first_decay_steps = 5, .t_mul = 0.5}) ==
        in + "cosine_decay_restarts: t_mul = 0.5, must be >= 1");
  CHECK(refused(keras::cosine_decay_restarts, {.first_decay_steps = 5, .m_mul = 0.0}) ==
        in + "cosine_decay_restarts: m_mul = 0, must be finite and > 0");
}

}  // namespace keras_test
