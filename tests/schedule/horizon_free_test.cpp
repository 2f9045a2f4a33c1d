// SPDX-License-Identifier: MIT
#include <gavel/schedule/horizon_free.hpp>

#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace horizon_free_test {

using gavel::testing::not_a_number;
using namespace gavel::schedule;
using gavel::infinity;
using gavel::testing::message_of;

namespace {

constexpr std::uint64_t last_step = (std::numeric_limits<std::uint64_t>::max)();

template <class S>
constexpr bool regular_schedule = rate_schedule<S> && std::copyable<S> && std::equality_comparable<S> && !finite_rate_schedule<S>;
static_assert(regular_schedule<exponential_decay> && regular_schedule<inverse_time> && regular_schedule<inverse_sqrt> &&
              regular_schedule<transformer> && regular_schedule<piecewise_constant> && regular_schedule<cosine_wave> &&
              regular_schedule<cyclic> && regular_schedule<warm_restarts<>> && regular_schedule<warm_restarts<rex>>);

// A promise: each is a constant expression when it is built from literals.
static_assert(exponential_decay({.factor = 0.5, .period = 2.0}).rate(4) == 0.25);
static_assert(exponential_decay({.factor = 0.5, .period = 2.0, .staircase = true}).rate(5) == 0.25);
static_assert(inverse_time({.factor = 1.0, .period = 2.0}).rate(2) == 0.5);
static_assert(inverse_sqrt({.warmup_steps = 4}).rate(16) == 0.5);
static_assert(transformer({.model_width = 4, .warmup_steps = 4}).rate(15) == 0.125);
static_assert(piecewise_constant({2, 5}, {3.0, 2.0, 1.0}).rate(4) == 2.0);
static_assert(cosine_wave({.half_wave = 4.0}).rate(4) == 0.0);
static_assert(cyclic({.base_rate = 0.0, .peak_rate = 1.0, .rising_steps = 4, .falling_steps = 2}).rate(5) == 0.5);
static_assert(warm_restarts({.first_steps = 4.0, .length_ratio = 2.0}).rate(12) == 1.0);
static_assert(warm_restarts<linear>({.first_steps = 4.0}).rate(2) == 0.5);

// The cycle of a step by summing whole lengths, each the last one times numerator / denominator.
struct cycle_position {
  std::uint64_t cycle = 0;
  std::uint64_t begin = 0;
  std::uint64_t length = 0;
};
cycle_position summed(std::uint64_t step, std::uint64_t first, std::uint64_t numerator, std::uint64_t denominator) {
  cycle_position at{0, 0, first};
  while (step - at.begin >= at.length) {
    at.begin += at.length;
    at.length = at.length / denominator * numerator;
    ++at.cycle;
  }
  return at;
}

}  // namespace

TEST_CASE("Exponential and inverse-time decays have their formulas, with and without stairs", "[schedule][horizon_free]") {
  const horizon_free_decay_options smooth{.base_rate = 0.3, .factor = 0.7, .period = 6.0};
  const horizon_free_decay_options stairs{.base_rate = 0.3, .factor = 0.7, .period = 6.0, .staircase = true};
  for (std::uint64_t t = 0; t < 100; ++t) {
    const double x = static_cast<double>(t);
    CHECK(exponential_decay(smooth).rate(t) == Approx(0.3 * std::pow(0.7, x / 6.0)).epsilon(1e-14));
    CHECK(exponential_decay(stairs).rate(t) == Approx(0.3 * std::pow(0.7, static_cast<double>(t / 6))).epsilon(1e-14));
    CHECK(inverse_time(smooth).rate(t) == Approx(0.3 / (1.0 + 0.7 * x / 6.0)).epsilon(1e-14));
    CHECK(inverse_time(stairs).rate(t) == Approx(0.3 / (1.0 + 0.7 * static_cast<double>(t / 6))).epsilon(1e-14));
  }
  CHECK(exponential_decay(smooth).rate(0) == 0.3);
  CHECK(inverse_time(smooth).rate(0) == 0.3);
  CHECK(exponential_decay({.factor = 0.5, .period = 2.5, .staircase = true}).rate(2) == 1.0);
  CHECK(exponential_decay({.factor = 0.5, .period = 2.5, .staircase = true}).rate(3) == 0.5);
  CHECK(exponential_decay({.factor = 2.0}).rate(3) == 8.0);  // growth: a rate finder
  CHECK(exponential_decay(smooth) != exponential_decay(stairs));
  CHECK(inverse_time(smooth) == inverse_time(smooth));
}

TEST_CASE("The inverse square root is continuous at the end of its warm-up", "[schedule][horizon_free]") {
  const inverse_sqrt rates({.base_rate = 0.3, .warmup_steps = 100});
  CHECK(rates.rate(0) == 0.0);
  CHECK(rates.rate(50) == 0.15);
  CHECK(rates.rate(99) == Approx(0.297).epsilon(1e-15));
  CHECK(rates.rate(100) == 0.3);
  CHECK(rates.rate(101) == Approx(0.3 * std::sqrt(100.0 / 101.0)).epsilon(1e-15));
  CHECK(rates.rate(400) == 0.15);
  CHECK(inverse_sqrt({.base_rate = 0.3}).rate(0) == 0.3);  // no warm-up: the time scale is 10,000
  CHECK(inverse_sqrt({.base_rate = 0.3}).rate(30'000) == 0.15);
  CHECK(inverse_sqrt({.base_rate = 0.3, .warmup_steps = 100, .timescale = 25.0}).rate(175) == 0.15);
  CHECK(inverse_sqrt({.warmup_steps = 100}) == inverse_sqrt({.warmup_steps = 100, .timescale = 100.0}));
  CHECK(inverse_sqrt({.warmup_steps = 1'000'000'000}).rate(1) == 1e-9);
  CHECK(inverse_sqrt({.warmup_steps = max_steps}).rate(max_steps) == 1.0);
}

TEST_CASE("The transformer's schedule peaks at the end of its warm-up", "[schedule][horizon_free]") {
  for (const std::uint64_t warmup : {std::uint64_t{1}, std::uint64_t{7}, std::uint64_t{4000}}) {
    const transformer rates({.scale = 2.0, .model_width = 512, .warmup_steps = warmup});
    const double peak = 2.0 / std::sqrt(512.0 * static_cast<double>(warmup));
    CHECK(rates.rate(warmup - 1) == Approx(peak).epsilon(1e-14));
    CHECK(rates.rate(warmup) < rates.rate(warmup - 1));
    if (warmup > 1) CHECK(rates.rate(warmup - 2) < rates.rate(warmup - 1));
    CHECK(rates.rate(0) == Approx(peak / static_cast<double>(warmup)).epsilon(1e-14));  // the first step is not wasted
    CHECK(rates.rate(4 * warmup - 1) == Approx(peak / 2.0).epsilon(1e-14));
  }
  CHECK(transformer{}.rate(3999) == Approx(6.987712429686843e-4).epsilon(1e-14));
  CHECK(transformer{} != transformer({.model_width = 256}));
}

TEST_CASE("Piecewise constants change at their boundaries", "[schedule][horizon_free]") {
  const piecewise_constant rates({3, 7, 8}, {0.4, 0.3, 0.2, 0.1});
  const double expected[] = {0.4, 0.4, 0.4, 0.3, 0.3, 0.3, 0.3, 0.2, 0.1, 0.1};
  for (std::uint64_t t = 0; t < 10; ++t) CHECK(rates.rate(t) == expected[t]);
  CHECK(rates.rate(last_step) == 0.1);
  CHECK(piecewise_constant({}, {0.4}).rate(9) == 0.4);
  CHECK(piecewise_constant({0}, {0.4, 0.3}).rate(0) == 0.3);
  CHECK(piecewise_constant({last_step}, {0.4, 0.3}).rate(last_step - 1) == 0.4);
  CHECK(piecewise_constant({last_step}, {0.4, 0.3}).rate(last_step) == 0.3);
  std::vector<std::uint64_t> boundaries;
  std::vector<double> steps_down{32.0};
  for (std::uint64_t i = 1; i <= max_milestones; ++i) {
    boundaries.push_back(10 * i);
    steps_down.push_back(32.0 - static_cast<double>(i));
  }
  const piecewise_constant full(boundaries, steps_down);
  for (std::uint64_t t = 0; t < 400; ++t) CHECK(full.rate(t) == 32.0 - static_cast<double>((std::min)(t / 10, std::uint64_t{32})));
  CHECK(piecewise_constant({3}, {0.4, 0.3}) != piecewise_constant({4}, {0.4, 0.3}));
  CHECK(piecewise_constant({3}, {0.4, 0.3}) != piecewise_constant({3}, {0.4, 0.2}));
}

TEST_CASE("A cosine wave falls, rises, and stays itself far out", "[schedule][horizon_free]") {
  const cosine_wave rates({.base_rate = 0.5, .minimum_rate = 0.1, .half_wave = 10.0});
  CHECK(rates.rate(0) == 0.5);
  CHECK(rates.rate(5) == Approx(0.3).epsilon(1e-14));
  CHECK(rates.rate(10) == 0.1);
  CHECK(rates.rate(15) == Approx(0.3).epsilon(1e-14));
  CHECK(rates.rate(20) == 0.5);
  for (const std::uint64_t wave : {std::uint64_t{1}, std::uint64_t{1'000'000}, std::uint64_t{1'000'000'000'000}}) {
    const double rounding = 0x1p-52 * 4.0 * static_cast<double>(wave);  // of the number of waves
    for (std::uint64_t t = 0; t < 20; ++t) CHECK(std::abs(rates.rate(20 * wave + t) - rates.rate(t)) <= 1e-14 + rounding);
    CHECK(rates.rate(20 * wave) == 0.5);
    CHECK(rates.rate(20 * wave + 10) == 0.1);
  }
  CHECK(cosine_wave({.half_wave = 2.5}).rate(5) == 1.0);
  for (const double half_wave : {1.0, 3.0, 1000.0}) {  // whole half waves: the same phase far away, to the last bit
    const cosine_wave whole({.half_wave = half_wave});
    const std::uint64_t wave = 2 * static_cast<std::uint64_t>(half_wave);
    for (const std::uint64_t far : {std::uint64_t{1} << 31U, std::uint64_t{1} << 53U, ~std::uint64_t{0} - 5000}) {
      for (std::uint64_t t = 0; t < 5; ++t) CHECK(whole.rate(far / wave * wave + t) == whole.rate(t));
    }
  }
  CHECK(cosine_wave({.half_wave = 2.5}) != cosine_wave({.half_wave = 3.5}));
}

TEST_CASE("A cosine wave that is shorter than any step stays between its rates", "[schedule][horizon_free]") {
  const cosine_wave wave({.base_rate = 1.0, .minimum_rate = 0.25, .half_wave = 1e-300});
  CHECK(wave.rate(0) == 1.0);
  for (const std::uint64_t step : {std::uint64_t{1}, last_step / 2, last_step}) {  // 1e300 waves, and more than a double counts
    CHECK(wave.rate(step) >= 0.25);
    CHECK(wave.rate(step) <= 1.0);
  }
}

TEST_CASE("Cycles are triangles of the published formula", "[schedule][horizon_free]") {
  using amplitude = cyclic_options::amplitude;
  for (const amplitude mode : {amplitude::triangular, amplitude::triangular2, amplitude::exp_range}) {
    const cyclic rates({.base_rate = 0.1, .peak_rate = 0.5, .rising_steps = 4, .falling_steps = 3, .mode = mode, .gamma = 0.95});
    CHECK(rates.cycle_steps() == 7);
    for (std::uint64_t t = 0; t < 50; ++t) {
      const double cycle = std::floor(1.0 + static_cast<double>(t) / 7.0);
      const double x = 1.0 + static_cast<double>(t) / 7.0 - cycle;
      const double ratio = 4.0 / 7.0;
      const double height = x <= ratio ? x / ratio : (x - 1.0) / (ratio - 1.0);
      const double scale = mode == amplitude::triangular    ? 1.0
                           : mode == amplitude::triangular2 ? std::pow(2.0, 1.0 - cycle)
                                                            : std::pow(0.95, static_cast<double>(t));
      CHECK(rates.rate(t) == Approx(0.1 + 0.4 * height * scale).epsilon(1e-13));
    }
    CHECK(rates.rate(0) == 0.1);
    CHECK(rates.rate(7 * std::uint64_t{1'000'000'000}) == 0.1);
  }
  const cyclic triangle({.base_rate = 0.0, .peak_rate = 1.0, .rising_steps = 4, .falling_steps = 1});
  CHECK(triangle.rate(4) == 1.0);
  CHECK(triangle.rate(5) == 0.0);
  CHECK(triangle.rate(3) == 0.75);
  CHECK(cyclic({.rising_steps = 4}) != cyclic({.rising_steps = 5}));
  CHECK(cyclic({.rising_steps = max_steps, .falling_steps = max_steps}).rate(max_steps) == 1.0);
}

TEST_CASE("Equal cycles of fractional length restart at every whole step that they should", "[schedule][horizon_free]") {
  std::vector<std::string> wrong;
  for (int steps = 20; steps <= 400; steps += 7) {
    for (int cycles = 2; cycles < 20; ++cycles) {
      const warm_restarts<linear> rates({.first_steps = static_cast<double>(steps) / cycles});
      for (int k = 1; k <= 3 * cycles; ++k) {
        if (k * steps % cycles != 0) continue;
        const auto start = static_cast<std::uint64_t>(k * steps / cycles);
        const double before = static_cast<double>(cycles) / steps;  // a step before the end of a cycle
        if (rates.rate(start) == 1.0 && rates.rate(start - 1) == Approx(before).epsilon(1e-11)) continue;
        wrong.push_back(std::to_string(k) + " * " + std::to_string(steps) + " / " + std::to_string(cycles));
      }
    }
  }
  CHECK(wrong == std::vector<std::string>{});
}

TEST_CASE("Warm restarts begin their cycles where whole lengths add up, far out too", "[schedule][horizon_free]") {
  struct growth {
    std::uint64_t first, numerator, denominator, cycles;
  };
  const growth cases[] = {{10, 1, 1, 60}, {1, 1, 1, 60}, {10, 2, 1, 48}, {1, 2, 1, 52}, {7, 3, 1, 30}, {std::uint64_t{1} << 20, 3, 2, 20},
                          {3, 10, 1, 14}};
  REQUIRE(warm_restarts<linear>({.first_steps = 1000.0}).rate(5'000'000'000'000'000 - 1) == Approx(1e-3));
  for (const growth& g : cases) {
    const double ratio = static_cast<double>(g.numerator) / static_cast<double>(g.denominator);
    INFO("first " << g.first << ", ratio " << ratio);
    const warm_restarts<linear> rates({.first_steps = static_cast<double>(g.first), .length_ratio = ratio, .height_ratio = 0.5});
    std::uint64_t begin = 0;
    std::uint64_t length = g.first;
    for (std::uint64_t cycle = 0; cycle < g.cycles; ++cycle) {
      const double top = std::pow(0.5, static_cast<double>(cycle));
      REQUIRE(rates.rate(begin) == top);
      const std::uint64_t middle = begin + length / 2;
      const cycle_position at = summed(middle, g.first, g.numerator, g.denominator);
      REQUIRE(at.cycle == cycle);
      REQUIRE(at.begin == begin);
      REQUIRE(rates.rate(middle) == Approx(top * (1.0 - static_cast<double>(middle - begin) / static_cast<double>(length))).epsilon(1e-13));
      const std::uint64_t last = begin + length - 1;
      REQUIRE(std::abs(rates.rate(last) - top / static_cast<double>(length)) <= 0x1p-52 * top);  // not yet the next cycle
      begin += length;
      length = length / g.denominator * g.numerator;
    }
  }
  // Equal lengths far out, where steps have 50 bits.
  const warm_restarts<linear> rates({.first_steps = 7.0});
  for (std::uint64_t k = (std::uint64_t{1} << 50) / 7 - 20; k < (std::uint64_t{1} << 50) / 7; ++k) {
    REQUIRE(rates.rate(7 * k) == 1.0);
    REQUIRE(rates.rate(7 * k + 6) == Approx(1.0 / 7.0).epsilon(1e-14));
  }
}

TEST_CASE("Warm restarts keep their minimum, heights and number of cycles", "[schedule][horizon_free]") {
  const warm_restarts rates({.base_rate = 0.5, .minimum_rate = 0.1, .first_steps = 4.0, .length_ratio = 2.0, .cycles = 2});
  CHECK(rates.rate(0) == 0.5);
  CHECK(rates.rate(2) == Approx(0.3).epsilon(1e-14));
  CHECK(rates.rate(4) == 0.5);
  CHECK(rates.rate(8) == Approx(0.3).epsilon(1e-14));
  CHECK(rates.rate(11) > 0.1);
  CHECK(rates.rate(12) == 0.1);
  CHECK(rates.rate(last_step) == 0.1);
  const warm_restarts<rex> shaped({.base_rate = 0.5, .minimum_rate = 0.1, .first_steps = 3.0, .height_ratio = 0.5}, rex{0.9});
  for (std::uint64_t t = 0; t < 6; ++t) {
    const double top = t < 3 ? 0.5 : 0.25;
    CHECK(shaped.rate(t) == Approx(0.1 + (top - 0.1) * rex{0.9}(static_cast<double>(t % 3) / 3.0)).epsilon(1e-14));
  }
  CHECK(warm_restarts({.first_steps = 2.5}).rate(5) == 1.0);  // a fractional length
  CHECK(warm_restarts({.first_steps = 2.0, .cycles = last_step}).rate(1'000'000) == 1.0);
  CHECK(warm_restarts({.first_steps = 4.0}) == warm_restarts({.first_steps = 4.0}));
  CHECK(warm_restarts({.first_steps = 4.0}) != warm_restarts({.first_steps = 4.0, .length_ratio = 2.0}));
}

TEST_CASE("Warm restarts whose tops sink below the minimum rise to it", "[schedule][horizon_free]") {
  const warm_restarts<linear> rates({.base_rate = 0.4, .minimum_rate = 0.1, .first_steps = 4.0, .height_ratio = 0.5});
  CHECK(rates.rate(8) == Approx(0.1));    // 0.4 / 4 is the minimum
  CHECK(rates.rate(12) == Approx(0.05));  // 0.4 / 8 is below it, as in timm
  CHECK(rates.rate(14) == Approx(0.075));
  const warm_restarts<linear> sunk({.base_rate = 0.4, .minimum_rate = 0.1, .first_steps = 4.0, .height_ratio = 1e-9});
  CHECK(sunk.rate(last_step - 3) >= 0.0);
}

TEST_CASE("Growing schedules end in infinity, not in NaN", "[schedule][horizon_free]") {
  CHECK(exponential_decay({.factor = 2.0}).rate(5000) == infinity);
  CHECK(exponential_decay({.base_rate = 0.0, .factor = 2.0}).rate(last_step) == 0.0);
  const cyclic triangles({.base_rate = 0.1,
                          .peak_rate = 0.5,
                          .rising_steps = 4,
                          .falling_steps = 4,
                          .mode = cyclic_options::amplitude::exp_range,
                          .gamma = 2.0});
  CHECK(triangles.rate(8'000) == 0.1);  // the height is 0 there
  CHECK(triangles.rate(8'001) == infinity);
  CHECK(cyclic({.base_rate = 0.1, .peak_rate = 0.1, .mode = cyclic_options::amplitude::exp_range, .gamma = 2.0}).rate(last_step) == 0.1);
  const auto bottom = [](double z) { return z < 0.5 ? 1.0 : 0.0; };
  const warm_restarts grown({.base_rate = 0.5, .minimum_rate = 0.1, .first_steps = 4.0, .height_ratio = 2.0}, bottom);
  CHECK(grown.rate(8'000) == infinity);
  CHECK(grown.rate(8'002) == 0.1);
  CHECK(warm_restarts({.base_rate = 0.0, .first_steps = 4.0, .height_ratio = 2.0}).rate(last_step) == 0.0);
}

TEST_CASE("Warm restarts of a ratio next to 1 find their cycle without walking through all of them", "[schedule][horizon_free]") {
  // 13,000 cycles: the sum and the closed form agree where both can be had.
  const warm_restarts<linear> rates({.first_steps = 3.0, .length_ratio = 1.001, .height_ratio = 0.999});
  double begin = 0.0;
  double length = 3.0;
  for (int cycle = 0; cycle < 13'000; ++cycle) {
    const double middle = std::ceil(begin + 0.25 * length);
    const double expected = std::pow(0.999, cycle) * (1.0 - (middle - begin) / length);
    if (middle < begin + 0.9 * length) REQUIRE(rates.rate(static_cast<std::uint64_t>(middle)) == Approx(expected).epsilon(1e-8));
    begin += length;
    length *= 1.001;
  }
  // By walking these would take minutes, or for ever where a length no longer changes the sum.
  for (const double ratio : {1.0 + 0x1p-52, 1.0 + 1e-12, 1.0 + 1e-9, 1.0 + 1e-6, 1.04}) {
    const warm_restarts<linear> near({.first_steps = 1.0, .length_ratio = ratio});
    for (const std::uint64_t t : {std::uint64_t{1'000'000'000}, max_steps, std::uint64_t{1} << 60, last_step}) {
      CHECK(near.rate(t) >= 0.0);
      CHECK(near.rate(t) <= 1.0);
    }
  }
}

TEST_CASE("Every step a counter can hold has a rate", "[schedule][horizon_free]") {
  const auto sane = [](const auto& schedule, double ceiling) {
    for (const std::uint64_t t :
         {max_steps, max_steps + 1, (std::uint64_t{1} << 63) - 1, std::uint64_t{1} << 63, last_step - 1, last_step}) {
      INFO("step " << t);
      const double rate = schedule.rate(t);
      CHECK(rate >= 0.0);
      CHECK(rate <= ceiling);
    }
  };
  sane(exponential_decay({.factor = 0.5, .period = 1e18}), 1.0);
  CHECK(exponential_decay({.factor = 0.5}).rate(last_step) == 0.0);
  sane(inverse_time({.factor = 1.0}), 1e-15);
  sane(inverse_sqrt({.warmup_steps = 100}), 1e-5);
  sane(transformer{}, 1e-8);
  sane(piecewise_constant({5}, {1.0, 0.5}), 0.5);
  sane(cosine_wave({.half_wave = 100.0}), 1.0);
  sane(cyclic({}), 1.0);
  sane(cyclic({.mode = cyclic_options::amplitude::exp_range, .gamma = 0.9}), 0.1 + 1e-12);
  sane(cyclic({.mode = cyclic_options::amplitude::triangular2}), 0.1 + 1e-12);
  sane(warm_restarts({.first_steps = 10.0}), 1.0);
  sane(warm_restarts({.first_steps = 10.0, .length_ratio = 1.5}), 1.0);
}

TEST_CASE("No rate of a schedule without horizon allocates", "[schedule][horizon_free]") {
  const piecewise_constant pieces({3, 7}, {0.3, 0.2, 0.1});
  const warm_restarts restarts({.first_steps = 3.0, .length_ratio = 1.5});
  const cyclic cycles({});
  std::vector<double> out(100);
  const std::size_t before = gavel::testing::allocation_count();
  fill(pieces, out);
  fill(restarts, out);
  fill(cycles, out);
  CHECK(gavel::testing::allocation_count() == before);
  CHECK(out[1] == cycles.rate(1));
}

TEST_CASE("Options of schedules without horizon are checked", "[schedule][horizon_free]") {
  const std::string in = "gavel::schedule::";
  CHECK(message_of([] { (void)exponential_decay({.base_rate = -1.0}); }) ==
        in + "exponential_decay: base_rate = -1, must be finite and >= 0");
  CHECK(message_of([] { (void)exponential_decay({.base_rate = not_a_number}); }) ==
        "domain: " + in + "exponential_decay: base_rate = nan, must be finite and >= 0");
  CHECK(message_of([] { (void)exponential_decay({.factor = 0.0}); }) == in + "exponential_decay: factor = 0, must be finite and > 0");
  CHECK(message_of([] { (void)inverse_time({.factor = not_a_number}); }) ==
        "domain: " + in + "inverse_time: factor = nan, must be finite and > 0");
  CHECK(message_of([] { (void)inverse_time({.period = 0.0}); }) == in + "inverse_time: period = 0, must be finite and > 0");
  CHECK(message_of([] { (void)inverse_sqrt({.base_rate = infinity}); }) == in + "inverse_sqrt: base_rate = inf, must be finite and >= 0");
  CHECK(message_of([] { (void)inverse_sqrt({.warmup_steps = max_steps + 1}); }) ==
        in + "inverse_sqrt: warmup_steps = 9007199254740993, must be <= 9007199254740992");
  CHECK(message_of([] { (void)inverse_sqrt({.timescale = -1.0}); }) == in + "inverse_sqrt: timescale = -1, must be finite and > 0");
  CHECK(message_of([] { (void)transformer({.scale = -1.0}); }) == in + "transformer: scale = -1, must be finite and >= 0");
  CHECK(message_of([] { (void)transformer({.model_width = 0}); }) == in + "transformer: model_width = 0, must be >= 1");
  CHECK(message_of([] { (void)transformer({.warmup_steps = 0}); }) == in + "transformer: warmup_steps = 0, must be >= 1");
  CHECK(message_of([] { (void)cosine_wave({.base_rate = 0.1, .minimum_rate = 0.2}); }) ==
        in + "cosine_wave: minimum_rate = 0.2, must be <= base_rate 0.1");
  CHECK(message_of([] { (void)cosine_wave({.half_wave = 0.0}); }) == in + "cosine_wave: half_wave = 0, must be finite and > 0");
  CHECK(message_of([] { (void)cyclic({.base_rate = 0.5, .peak_rate = 0.1}); }) == in + "cyclic: base_rate = 0.5, must be <= peak_rate 0.1");
  CHECK(message_of([] { (void)cyclic({.rising_steps = 0}); }) == in + "cyclic: rising_steps = 0, must be >= 1");
  CHECK(message_of([] { (void)cyclic({.falling_steps = max_steps + 1}); }) ==
        in + "cyclic: falling_steps = 9007199254740993, must be <= 9007199254740992");
  CHECK(message_of([] { (void)cyclic({.gamma = -1.0}); }) == in + "cyclic: gamma = -1, must be finite and > 0");
  CHECK(message_of([] { (void)cyclic({.gamma = 0.0}); }) == in + "cyclic: gamma = 0, must be finite and > 0");
}

TEST_CASE("Piecewise constants and warm restarts check their parts", "[schedule][horizon_free]") {
  const std::string in_warm_restarts = "gavel::schedule::warm_restarts: ";
  CHECK(message_of([] { (void)piecewise_constant({5}, {0.1}); }) ==
        "gavel::schedule::piecewise_constant: rates.size() = 1, must equal boundaries.size() + 1 = 2");
  CHECK(message_of([] { (void)piecewise_constant({}, {}); }) ==
        "gavel::schedule::piecewise_constant: rates.size() = 0, must equal boundaries.size() + 1 = 1");
  CHECK(message_of([] { (void)piecewise_constant({5, 5}, {0.1, 0.2, 0.3}); }) ==
        "gavel::schedule::piecewise_constant: boundaries[1] = 5, must be > the one before, 5");
  CHECK(message_of([] { (void)piecewise_constant({5}, {0.1, -0.2}); }) ==
        "gavel::schedule::piecewise_constant: rates[1] = -0.2, must be finite and >= 0");
  CHECK(message_of([] { (void)piecewise_constant({5}, {not_a_number, 0.2}); }) ==
        "domain: gavel::schedule::piecewise_constant: rates[0] = nan, must be finite and >= 0");
  CHECK(message_of([] { (void)piecewise_constant(std::vector<std::uint64_t>(33, 1), std::vector<double>(33, 0.1)); }) ==
        "gavel::schedule::milestone_list: size = 33, must be <= capacity 32");
  CHECK(message_of([] { (void)warm_restarts({.minimum_rate = 2.0}); }) == in_warm_restarts + "minimum_rate = 2, must be <= base_rate 1");
  CHECK(message_of([] { (void)warm_restarts({.first_steps = 0.5}); }) == in_warm_restarts + "first_steps = 0.5, must be >= 1");
  CHECK(message_of([] { (void)warm_restarts({.first_steps = not_a_number}); }) ==
        "domain: " + in_warm_restarts + "first_steps = nan, must be finite");
  CHECK(message_of([] { (void)warm_restarts({.length_ratio = 0.5}); }) == in_warm_restarts + "length_ratio = 0.5, must be >= 1");
  CHECK(message_of([] { (void)warm_restarts({.length_ratio = infinity}); }) == in_warm_restarts + "length_ratio = inf, must be finite");
  CHECK(message_of([] { (void)warm_restarts({.height_ratio = 0.0}); }) == in_warm_restarts + "height_ratio = 0, must be finite and > 0");
}

}  // namespace horizon_free_test
