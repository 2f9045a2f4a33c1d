// SPDX-License-Identifier: MIT
#include <gavel/schedule/transformers.hpp>

#include "schedule/preset_laws.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

namespace transformers_test {

namespace hf = gavel::schedule::transformers;
using namespace gavel::testing;
using hf::wsd_type;

namespace {

constexpr double pi = 3.14159265358979323846;

// Each preset is a constant expression; the values are the ones that off-by-one conventions decide.
static_assert(hf::constant({.base_lr = 0.5}).rate(0) == 0.5);
static_assert(hf::constant_with_warmup({.base_lr = 0.5, .num_warmup_steps = 4}).rate(0) == 0.0);
static_assert(hf::constant_with_warmup({.base_lr = 0.5, .num_warmup_steps = 4}).rate(3) == 0.375);
static_assert(hf::linear({.base_lr = 0.5, .num_training_steps = 20, .num_warmup_steps = 4}).rate(4) == 0.5);
static_assert(hf::linear({.base_lr = 0.5, .num_training_steps = 20, .num_warmup_steps = 4}).rate(19) == 0.5 / 16.0);
static_assert(hf::linear({.base_lr = 0.5, .num_training_steps = 20, .num_warmup_steps = 4}).rate(20) == 0.0);
static_assert(hf::cosine({.num_training_steps = 20, .num_warmup_steps = 4}).rate(4) == 1.0);
static_assert(hf::cosine({.num_training_steps = 20, .num_warmup_steps = 4}).rate(20) == 0.0);
static_assert(near(hf::cosine_rebounding({.num_training_steps = 20, .num_warmup_steps = 4}).rate(36), 1.0));
static_assert(hf::cosine_with_restarts({.num_training_steps = 20, .num_warmup_steps = 4, .num_cycles = 4}).rate(8) == 1.0);
static_assert(hf::cosine_with_restarts({.num_training_steps = 20, .num_warmup_steps = 4, .num_cycles = 4}).rate(20) == 0.0);
static_assert(hf::polynomial({.base_lr = 0.5, .num_training_steps = 20}).rate(20) == 1e-7);
static_assert(near(hf::inverse_sqrt({.base_lr = 0.5, .num_warmup_steps = 4}).rate(16), 0.25));
static_assert(hf::cosine_with_min_lr({.num_training_steps = 20, .min_lr_rate = 0.1}).rate(20) == 0.1);
static_assert(near(hf::cosine_with_min_lr_rebounding({.num_training_steps = 20, .min_lr = 0.1}).rate(40), 1.0));
static_assert(hf::cosine_warmup_with_min_lr({.num_training_steps = 20, .num_warmup_steps = 4, .min_lr_rate = 0.1}).rate(0) == 0.25);
static_assert(hf::cosine_warmup_with_min_lr({.num_training_steps = 20, .num_warmup_steps = 4, .min_lr_rate = 0.1}).rate(19) == 0.1);
static_assert(near(hf::cosine_warmup_with_min_lr_rebounding({.num_training_steps = 20, .num_warmup_steps = 4, .min_lr_rate = 0.1}).rate(35),
                   1.0));
static_assert(hf::warmup_stable_decay({.num_decay_steps = 6, .num_warmup_steps = 4, .num_training_steps = 20}).rate(14) == 1.0);
static_assert(hf::warmup_stable_decay({.num_decay_steps = 6, .num_warmup_steps = 4, .num_stable_steps = 10}).rate(20) == 0.0);

}  // namespace

TEST_CASE("transformers' multipliers, transcribed", "[schedule][transformers]") {
  const double base = 0.3;
  for (const std::uint64_t w : {0U, 1U, 2U, 7U, 29U, 30U}) {
    const std::uint64_t n = 30;
    const double warm = static_cast<double>(w), total = static_cast<double>(n), left = std::max(1.0, total - warm);
    const auto warmup = [&](double t) { return t / std::max(1.0, warm); };
    INFO("W = " << w);
    check_against(hf::constant_with_warmup({.base_lr = base, .num_warmup_steps = w}), 50,
                  [&](double t) { return base * (t < warm ? warmup(t) : 1.0); });
    check_against(hf::linear({.base_lr = base, .num_training_steps = n, .num_warmup_steps = w}), 50,
                  [&](double t) { return base * (t < warm ? warmup(t) : std::max(0.0, (total - t) / left)); });
    for (const double cycles : {0.5, 1.0, 1.5, 0.3}) {
      const auto wave = [&](double t) { return 0.5 * (1.0 + std::cos(pi * cycles * 2.0 * ((t - warm) / left))); };
      check_against(
          hf::cosine_rebounding({.base_lr = base, .num_training_steps = n, .num_warmup_steps = w, .num_cycles = cycles}), 80,
          [&](double t) { return base * (t < warm ? warmup(t) : std::max(0.0, wave(t))); }, 1e-11);
      const hf::cosine_with_min_lr_options minimum{
          .base_lr = base, .num_training_steps = n, .num_warmup_steps = w, .min_lr = 0.03, .num_cycles = cycles};
      check_against(
          hf::cosine_with_min_lr_rebounding(minimum), 80, [&](double t) { return base * (t < warm ? warmup(t) : wave(t) * 0.9 + 0.1); },
          1e-11);
      for (const double first : {-1.0, 0.2}) {
        const hf::cosine_warmup_with_min_lr_options early{.base_lr = base,
                                                          .num_training_steps = n,
                                                          .num_warmup_steps = w,
                                                          .min_lr_rate = 0.1,
                                                          .warmup_lr_rate = first < 0.0 ? std::nullopt : std::optional<double>(first),
                                                          .num_cycles = cycles};
        check_against(
            hf::cosine_warmup_with_min_lr_rebounding(early), 80,
            [&](double t) {
              if (t < warm && first < 0.0) return base * (t + 1.0) / std::max(1.0, warm);
              if (t < warm) return base * (first + (1.0 - first) * t / std::max(1.0, warm - 1.0));
              return base * (wave(t + 1.0) * 0.9 + 0.1);
            },
            1e-11);
        const auto held = hf::cosine_warmup_with_min_lr(early);
        const auto rebounding = hf::cosine_warmup_with_min_lr_rebounding(early);
        for (std::uint64_t t = 0; t < n; ++t) REQUIRE(near(held.rate(t), rebounding.rate(t), 1e-11));
        if (w < n) check_holds(held, n - 1, held.rate(n - 1));
      }
    }
    check_against(hf::polynomial({.base_lr = base, .num_training_steps = n, .num_warmup_steps = w, .lr_end = 0.01, .power = 1.5}), 50,
                  [&](double t) {
                    if (t < warm) return base * warmup(t);
                    if (t >= total) return 0.01;
                    return (base - 0.01) * std::pow(1.0 - (t - warm) / (total - warm), 1.5) + 0.01;
                  });
    check_against(hf::inverse_sqrt({.base_lr = base, .num_warmup_steps = w}), 50, [&](double t) {
      const double scale = w == 0 ? 10000.0 : warm;
      return t < warm ? base * warmup(t) : base / std::sqrt((t + scale - warm) / scale);
    });
  }
}

TEST_CASE("transformers' hard restarts stand at whole steps", "[schedule][transformers]") {
  for (const std::uint64_t cycles : {1U, 3U, 5U, 100U}) {
    const auto schedule =
        hf::cosine_with_restarts({.base_lr = 0.3, .num_training_steps = 10'507, .num_warmup_steps = 7, .num_cycles = cycles});
    const std::uint64_t length = 10'500 / cycles;
    check_against(schedule, 10'600, [&](double t) {
      if (t < 7.0) return 0.3 * t / 7.0;
      if (t >= 10'507.0) return 0.0;
      return 0.15 * (1.0 + std::cos(pi * std::fmod(t - 7.0, static_cast<double>(length)) / static_cast<double>(length)));
    });
  }
  // Where the number of cycles does not divide the steps, restarts fall between them.
  const auto schedule = hf::cosine_with_restarts({.num_training_steps = 20, .num_warmup_steps = 4, .num_cycles = 3});
  REQUIRE(near(schedule.rate(10), 0.5 * (1.0 + std::cos(pi * 0.125))));
  check_holds(schedule, 20, 0.0);
  // 100 * (2900 / 10000) is 28.999999999999996 in double: upstream trains that step with rate 0 instead of 1.
  REQUIRE(hf::cosine_with_restarts({.num_training_steps = 10'000, .num_cycles = 100}).rate(2900) == 1.0);
}

TEST_CASE("transformers' hard restarts are exact where cycles do not divide the steps", "[schedule][transformers]") {
  for (std::uint64_t steps = 1; steps <= 60; ++steps) {
    for (std::uint64_t cycles = 1; cycles <= steps; ++cycles) {
      const auto schedule = hf::cosine_with_restarts({.num_training_steps = steps, .num_cycles = cycles});
      for (std::uint64_t t = 0; t < steps; ++t) {
        const double share = static_cast<double>(t * cycles % steps) / static_cast<double>(steps);
        REQUIRE(std::abs(schedule.rate(t) - 0.5 * (1.0 + std::cos(pi * share))) <= 1e-15);
      }
    }
  }
  // 2^53 - 1 = 6361 * 69431 * 20394401 steps: products have 106 bits.
  constexpr std::uint64_t steps = (std::uint64_t{1} << 53U) - 1;
  const auto schedule = hf::cosine_with_restarts({.num_training_steps = steps, .num_cycles = 2 * std::uint64_t{6361} * 69431});
  for (const std::uint64_t k : {std::uint64_t{1}, std::uint64_t{12345}, std::uint64_t{6361} * 69431 - 1}) {
    REQUIRE(schedule.rate(k * 20394401) == 1.0);
    REQUIRE(near(schedule.rate(k * 20394401 + 1), 0.5 * (1.0 + std::cos(pi * 2.0 / 20394401.0))));
    REQUIRE(schedule.rate(k * 20394401 - 1) < 1e-13);
  }
  STATIC_REQUIRE(hf::cosine_with_restarts({.num_training_steps = 18, .num_cycles = 14}).rate(9) == 1.0);
  // The last step before a restart, where the quotient in double rounds up to the next cycle.
  const auto rounded_up = hf::cosine_with_restarts({.num_training_steps = 8'757'208'318'859'427, .num_cycles = 6'088'240'165'009'516});
  REQUIRE(rounded_up.rate(7'929'578'914'491'572) < 1e-30);
}

TEST_CASE("Every step a counter can hold has a transformers rate", "[schedule][transformers]") {
  check_far(hf::constant_with_warmup({.base_lr = 0.3, .num_warmup_steps = 5}), 0.3, 0.3);
  check_far(hf::linear({.num_training_steps = 30, .num_warmup_steps = 5}), 0.0, 0.0);
  check_far(hf::cosine({.num_training_steps = 30}), 0.0, 0.0);
  check_far(hf::cosine_rebounding({.num_training_steps = 30}), 0.0, 1.0);
  check_far(hf::cosine_with_restarts({.num_training_steps = 30, .num_cycles = 4}), 0.0, 0.0);
  check_far(hf::polynomial({.num_training_steps = 30, .power = 0.5}), 1e-7, 1e-7);
  check_far(hf::inverse_sqrt({.num_warmup_steps = 5}), 0.0, 1e-7);
  check_far(hf::cosine_with_min_lr({.num_training_steps = 30, .min_lr_rate = 0.1}), 0.1, 0.1);
  check_far(hf::cosine_with_min_lr_rebounding({.num_training_steps = 30, .min_lr_rate = 0.1}), 0.1, 1.0);
  check_far(hf::cosine_warmup_with_min_lr({.num_training_steps = 30, .min_lr_rate = 0.1}), 0.1, 0.1);
  check_far(hf::warmup_stable_decay({.num_decay_steps = 5, .num_stable_steps = 5, .min_lr_ratio = 0.1}), 0.1, 0.1);
  const hf::cosine_warmup_with_min_lr_options wave{.num_training_steps = 30, .min_lr_rate = 0.1};
  check_far(hf::cosine_warmup_with_min_lr_rebounding(wave), 0.1, 1.0);
  constexpr std::uint64_t last = ~std::uint64_t{0};  // reading one step ahead does not come back to the start
  const auto long_wave = hf::cosine_warmup_with_min_lr_rebounding({.num_training_steps = std::uint64_t{3} << 51U, .min_lr_rate = 0.1});
  REQUIRE(near(long_wave.rate(last), 0.325));
  REQUIRE(long_wave.rate(last) == long_wave.rate(last - 1));
}

TEST_CASE("transformers' schedules know the length of their run where it has one", "[schedule][transformers]") {
  REQUIRE(hf::linear({.num_training_steps = 30, .num_warmup_steps = 5}).steps() == 30);
  REQUIRE(hf::cosine({.num_training_steps = 30, .num_warmup_steps = 5}).steps() == 30);
  REQUIRE(hf::cosine_with_restarts({.num_training_steps = 30, .num_warmup_steps = 5, .num_cycles = 3}).steps() == 30);
  REQUIRE(hf::polynomial({.num_training_steps = 30, .num_warmup_steps = 5}).steps() == 30);
  REQUIRE(hf::cosine_warmup_with_min_lr({.num_training_steps = 30, .num_warmup_steps = 5, .min_lr = 0.1}).steps() == 30);
  // A warm-up to a constant is not over when the warm-up is.
  STATIC_REQUIRE(!gavel::schedule::finite_rate_schedule<decltype(hf::constant_with_warmup({}))>);
}

TEST_CASE("transformers' warmup_stable_decay in every pair of shapes", "[schedule][transformers]") {
  const auto rise = [](wsd_type type, double u) {
    return type == wsd_type::linear ? u : type == wsd_type::cosine ? 0.5 * (1.0 - std::cos(pi * u)) : 1.0 - std::sqrt(1.0 - u);
  };
  const auto fall = [](wsd_type type, double u, double cycles) {
    return type == wsd_type::linear   ? 1.0 - u
           : type == wsd_type::cosine ? 0.5 * (1.0 + std::cos(pi * cycles * 2.0 * u))
                                      : 1.0 - std::sqrt(u);
  };
  for (const auto up : {wsd_type::linear, wsd_type::cosine, wsd_type::one_minus_sqrt}) {
    for (const auto down : {wsd_type::linear, wsd_type::cosine, wsd_type::one_minus_sqrt}) {
      for (const double cycles : {0.5, 1.0}) {
        const auto schedule = hf::warmup_stable_decay({.base_lr = 0.3,
                                                       .num_decay_steps = 8,
                                                       .num_warmup_steps = 5,
                                                       .num_training_steps = 20,
                                                       .num_stable_steps = 7,
                                                       .warmup_type = up,
                                                       .decay_type = down,
                                                       .min_lr_ratio = 0.05,
                                                       .num_cycles = cycles});
        check_against(schedule, 30, [&](double t) {
          if (t < 5.0) return 0.3 * (rise(up, t / 5.0) * 0.95 + 0.05);
          if (t < 12.0) return 0.3;
          if (t < 20.0) return 0.3 * (fall(down, (t - 12.0) / 8.0, cycles) * 0.95 + 0.05);
          return 0.3 * 0.05;
        });
        check_holds(schedule, 20, 0.015);
        REQUIRE(schedule.steps() == 20);
      }
    }
  }
  // the stable phase is what T leaves, and either phase before the decay may be empty
  REQUIRE(hf::warmup_stable_decay({.num_decay_steps = 6, .num_warmup_steps = 4, .num_training_steps = 20}) ==
          hf::warmup_stable_decay({.num_decay_steps = 6, .num_warmup_steps = 4, .num_stable_steps = 10}));
  REQUIRE(near(hf::warmup_stable_decay({.num_decay_steps = 4, .num_training_steps = 4, .decay_type = wsd_type::linear}).rate(1), 0.75));
}

TEST_CASE("transformers' schedules hold their end, and W = T is defined", "[schedule][transformers]") {
  const hf::cosine_options options{.base_lr = 0.3, .num_training_steps = 30, .num_warmup_steps = 5};
  for (std::uint64_t t = 0; t <= 30; ++t) REQUIRE(near(hf::cosine(options).rate(t), hf::cosine_rebounding(options).rate(t), 1e-11));
  check_holds(hf::cosine(options), 30, 0.0);
  REQUIRE(hf::cosine_rebounding(options).rate(31) > 0.0);
  check_holds(hf::cosine({.base_lr = 0.3, .num_training_steps = 30, .num_cycles = 1.0}), 30, 0.3);  // whole waves end at the top
  check_holds(hf::linear({.base_lr = 0.3, .num_training_steps = 30, .num_warmup_steps = 5}), 30, 0.0);
  check_holds(hf::polynomial({.base_lr = 0.3, .num_training_steps = 30, .num_warmup_steps = 5}), 30, 1e-7);
  const hf::cosine_with_min_lr_options minimum{.base_lr = 0.3, .num_training_steps = 30, .num_warmup_steps = 5, .min_lr = 0.01};
  for (std::uint64_t t = 0; t <= 30; ++t) {
    REQUIRE(near(hf::cosine_with_min_lr(minimum).rate(t), hf::cosine_with_min_lr_rebounding(minimum).rate(t), 1e-11));
  }
  check_holds(hf::cosine_with_min_lr(minimum), 30, 0.01);
  check_holds(hf::constant_with_warmup({.base_lr = 0.3, .num_warmup_steps = 5}), 5, 0.3);

  REQUIRE(hf::linear({.num_training_steps = 8, .num_warmup_steps = 8}).rate(8) == 0.0);
  REQUIRE(hf::polynomial({.num_training_steps = 8, .num_warmup_steps = 8}).rate(8) == 1e-7);
  // Upstream's rate of step T, held: its waves would go on for one step more.
  check_holds(hf::cosine({.num_training_steps = 8, .num_warmup_steps = 8}), 8, 1.0);
  check_holds(hf::cosine_with_restarts({.num_training_steps = 8, .num_warmup_steps = 8}), 8, 1.0);
  check_holds(hf::cosine_with_min_lr({.num_training_steps = 8, .num_warmup_steps = 8, .min_lr_rate = 0.1}), 8, 1.0);
  check_holds(hf::cosine_warmup_with_min_lr({.num_training_steps = 8, .num_warmup_steps = 8, .min_lr_rate = 0.1}), 8, 0.1);
  REQUIRE(hf::cosine_with_restarts({.num_training_steps = 8, .num_warmup_steps = 8}).steps() == 8);
}

TEST_CASE("transformers' schedules join without a jump", "[schedule][transformers]") {
  const std::uint64_t n = 100'000, w = 1000;
  const auto joins = [&](const auto& schedule, double top, std::uint64_t at) {
    REQUIRE(near(schedule.rate(at), top));
    REQUIRE(std::abs(schedule.rate(at - 1) - schedule.rate(at)) < 2e-3);
    REQUIRE(std::abs(schedule.rate(at + 1) - schedule.rate(at)) < 2e-3);
  };
  joins(hf::linear({.num_training_steps = n, .num_warmup_steps = w}), 1.0, w);
  joins(hf::cosine({.num_training_steps = n, .num_warmup_steps = w}), 1.0, w);
  joins(hf::cosine_with_restarts({.num_training_steps = n, .num_warmup_steps = w}), 1.0, w);
  joins(hf::polynomial({.num_training_steps = n, .num_warmup_steps = w, .power = 2.0}), 1.0, w);
  joins(hf::inverse_sqrt({.num_warmup_steps = w}), 1.0, w);
  joins(hf::cosine_with_min_lr({.num_training_steps = n, .num_warmup_steps = w, .min_lr_rate = 0.1}), 1.0, w);
  joins(hf::cosine_warmup_with_min_lr({.num_training_steps = n, .num_warmup_steps = w, .min_lr_rate = 0.1}), 1.0, w - 1);
  joins(hf::warmup_stable_decay({.num_decay_steps = w, .num_warmup_steps = w, .num_training_steps = n}), 1.0, w);
  joins(hf::warmup_stable_decay({.num_decay_steps = w, .num_warmup_steps = w, .num_training_steps = n}), 1.0, n - w);
}

TEST_CASE("transformers' presets keep twelve digits at both ends of a million steps", "[schedule][transformers]") {
  const std::uint64_t n = 1'000'000, w = 123'457;
  const long double decay = static_cast<long double>(n - w);
  const auto linear = hf::linear({.base_lr = 0.3, .num_training_steps = n, .num_warmup_steps = w});
  const auto square = hf::polynomial({.base_lr = 0.3, .num_training_steps = n, .num_warmup_steps = w, .lr_end = 0.0, .power = 2.0});
  const auto cosine = hf::cosine({.base_lr = 0.3, .num_training_steps = n, .num_warmup_steps = w});
  const auto minimum = hf::cosine_with_min_lr({.base_lr = 0.3, .num_training_steps = n, .num_warmup_steps = w, .min_lr = 1e-3});
  const auto early = hf::cosine_warmup_with_min_lr({.base_lr = 0.3, .num_training_steps = n, .num_warmup_steps = w, .min_lr = 1e-3});
  const auto wsd = hf::warmup_stable_decay({.base_lr = 0.3, .num_decay_steps = n - w, .num_warmup_steps = w, .num_stable_steps = 0});
  const auto wave = [&](std::uint64_t left) {
    const long double half = std::sin(pi_exact * static_cast<long double>(left) / decay / 2.0L);
    return half * half;
  };
  for (const std::uint64_t left : {1U, 2U, 17U, 876'540U, 876'542U}) {
    const std::uint64_t step = n - left;
    const long double share = static_cast<long double>(left) / decay;
    check_exact(linear.rate(step), 0.3L * share);
    check_exact(square.rate(step), 0.3L * share * share);
    check_exact(minimum.rate(step), 1e-3L + (0.3L - 1e-3L) * wave(left));
    check_exact(early.rate(step), 1e-3L + (0.3L - 1e-3L) * wave(left - 1));
    check_exact(cosine.rate(step), 0.3L * wave(left), 0.3L);  // of the peak: 1 + cos cancels here as it does upstream
    check_exact(wsd.rate(step), 0.3L * wave(left), 0.3L);
  }
  for (const std::uint64_t step : {1U, 2U, 123'456U}) {
    const long double share = static_cast<long double>(step) / static_cast<long double>(w);
    check_exact(linear.rate(step), 0.3L * share);
    check_exact(cosine.rate(step), 0.3L * share);
    check_exact(early.rate(step), 0.3L * (static_cast<long double>(step) + 1.0L) / static_cast<long double>(w));
    check_exact(wsd.rate(step), 0.3L * share, 0.3L);
  }
}

TEST_CASE("transformers' presets say what they refuse", "[schedule][transformers]") {
  const std::string in = "gavel::schedule::transformers::";
  CHECK(refused(hf::constant, {.base_lr = -1.0}) == in + "constant: base_lr = -1, must be finite and >= 0");
  CHECK(refused(hf::constant_with_warmup, {.num_warmup_steps = ~std::uint64_t{0}}) ==
        in + "constant_with_warmup: num_warmup_steps = 18446744073709551615, must be <= 9007199254740992");
  CHECK(refused(hf::linear, {}) == in + "linear: num_training_steps = 0, must be >= 1");
  CHECK(refused(hf::linear, {.num_training_steps = 10, .num_warmup_steps = 11}) ==
        in + "linear: num_warmup_steps = 11, must be <= num_training_steps 10");
  CHECK(refused(hf::linear, {.base_lr = not_a_number, .num_training_steps = 10}) ==
        "domain: " + in + "linear: base_lr = nan, must be finite and >= 0");
  CHECK(refused(hf::cosine, {.num_training_steps = 10, .num_cycles = 0.0}) == in + "cosine: num_cycles = 0, must be finite and > 0");
  CHECK(refused(hf::cosine, {.num_training_steps = 10, .num_cycles = 2e6}) == in + "cosine: num_cycles = 2000000, must be <= 1000000");
  CHECK(refused(hf::cosine_rebounding, {.num_training_steps = 10, .num_cycles = 1e308}) ==
        in + "cosine_rebounding: num_cycles = 1e+308, must be <= 1000000");
  CHECK(refused(hf::cosine_rebounding, {}) == in + "cosine_rebounding: num_training_steps = 0, must be >= 1");
  CHECK(refused(hf::cosine_with_restarts, {.num_training_steps = 10, .num_cycles = 0}) ==
        in + "cosine_with_restarts: num_cycles = 0, must be >= 1");
  CHECK(refused(hf::cosine_with_restarts, {.num_training_steps = 10, .num_warmup_steps = 5, .num_cycles = 6}) ==
        in + "cosine_with_restarts: num_cycles = 6, must be <= the steps after the warm-up, 5");
  CHECK(refused(hf::polynomial, {.base_lr = 1e-7, .num_training_steps = 10}) == in + "polynomial: base_lr = 1e-07, must be > lr_end 1e-07");
  CHECK(refused(hf::polynomial, {.num_training_steps = 10, .power = -1.0}) == in + "polynomial: power = -1, must be finite and > 0");
  CHECK(refused(hf::inverse_sqrt, {.timescale = ~std::uint64_t{0}}) ==
        in + "inverse_sqrt: timescale = 18446744073709551615, must be <= 9007199254740992");
  CHECK(refused(hf::cosine_with_min_lr, {.num_training_steps = 10}) ==
        in + "cosine_with_min_lr: min_lr, min_lr_rate, exactly one of them must be set");
  CHECK(refused(hf::cosine_with_min_lr, {.num_training_steps = 10, .min_lr = 0.1, .min_lr_rate = 0.1}) ==
        in + "cosine_with_min_lr: min_lr, min_lr_rate, exactly one of them must be set");
  CHECK(refused(hf::cosine_with_min_lr, {.num_training_steps = 10, .min_lr = 2.0}) ==
        in + "cosine_with_min_lr: min_lr = 2, must be <= base_lr 1");
  CHECK(refused(hf::cosine_with_min_lr_rebounding, {.num_training_steps = 10, .min_lr_rate = 1.5}) ==
        in + "cosine_with_min_lr_rebounding: min_lr_rate = 1.5, must be in [0, 1]");
  CHECK(refused(hf::cosine_warmup_with_min_lr, {.num_training_steps = 10, .min_lr_rate = 0.1, .warmup_lr_rate = -0.1}) ==
        in + "cosine_warmup_with_min_lr: warmup_lr_rate = -0.1, must be in [0, 1]");
  CHECK(refused(hf::cosine_warmup_with_min_lr_rebounding, {.num_training_steps = 10}) ==
        in + "cosine_warmup_with_min_lr_rebounding: min_lr, min_lr_rate, exactly one of them must be set");
  CHECK(refused(hf::warmup_stable_decay, {.num_training_steps = 20}) == in + "warmup_stable_decay: num_decay_steps = 0, must be >= 1");
  CHECK(refused(hf::warmup_stable_decay, {.num_decay_steps = 5}) ==
        in + "warmup_stable_decay: num_training_steps, num_stable_steps, at least one of them must be set");
  CHECK(refused(hf::warmup_stable_decay, {.num_decay_steps = 5, .num_warmup_steps = 4, .num_training_steps = 20, .num_stable_steps = 10}) ==
        in + "warmup_stable_decay: num_warmup_steps + num_stable_steps + num_decay_steps = 19, must equal "
             "num_training_steps 20");
  CHECK(refused(hf::warmup_stable_decay, {.num_decay_steps = 15, .num_warmup_steps = 6, .num_training_steps = 20}) ==
        in + "warmup_stable_decay: num_warmup_steps + num_decay_steps = 21, must be <= num_training_steps 20");
  CHECK(refused(hf::warmup_stable_decay, {.num_decay_steps = 5, .num_training_steps = ~std::uint64_t{0}}) ==
        in + "warmup_stable_decay: num_training_steps = 18446744073709551615, must be <= 9007199254740992");
  CHECK(refused(hf::warmup_stable_decay, {.num_decay_steps = 5, .num_stable_steps = ~std::uint64_t{0}}) ==
        in + "warmup_stable_decay: num_stable_steps = 18446744073709551615, must be <= 9007199254740992");
  CHECK(refused(hf::warmup_stable_decay, {.num_decay_steps = 5, .num_training_steps = 20, .num_cycles = -1.0}) ==
        in + "warmup_stable_decay: num_cycles = -1, must be finite and > 0");
  CHECK(refused(hf::warmup_stable_decay, {.num_decay_steps = 5, .num_training_steps = 20, .min_lr_ratio = 2.0}) ==
        in + "warmup_stable_decay: min_lr_ratio = 2, must be in [0, 1]");
}

}  // namespace transformers_test
