// SPDX-License-Identifier: MIT
// The conventions and restarts that schedulers get wrong.
#include "support/catch.hpp"
#include "schedule/noisy_quadratic.hpp"

#include <gavel/schedule/combinators.hpp>
#include <gavel/schedule/explain.hpp>
#include <gavel/schedule/horizon_free.hpp>
#include <gavel/schedule/sequence.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace conventions_test {

using namespace gavel::schedule;
using gavel::testing::noisy_quadratic;

TEST_CASE("The recursion of expected losses is the closed product", "[schedule][conventions]") {
  const noisy_quadratic problem{{0.7}, {2.0}, 0.04};
  const auto schedule = stretch(rex{}, {.steps = 6, .base_rate = 0.9});
  double kept = 1.0;
  double noise = 0.0;
  for (std::uint64_t t = 6; t-- > 0;) {  // what is left of each step's noise, from the last step back
    noise += kept * schedule.rate(t) * schedule.rate(t) * 0.04;
    kept *= (1.0 - 0.7 * schedule.rate(t)) * (1.0 - 0.7 * schedule.rate(t));
  }
  CHECK(gavel::testing::expected_loss(problem, schedule, 6) == Approx(0.35 * (2.0 * kept + noise)).epsilon(1e-14));
}

TEST_CASE("A warm-up from zero wastes its first step under left, and not under right or interior", "[schedule][conventions]") {
  const horizon over{.steps = 100, .base_rate = 0.3};
  const auto shape = warmup(0.1, linear{});
  CHECK(explain(stretch(shape, over)).zero_steps == 1);
  CHECK(explain(stretch(shape, over)).last.rate > 0.0);
  CHECK(explain(stretch(shape, over, every_step{}, right{})).first.rate > 0.0);
  CHECK(explain(stretch(shape, over, every_step{}, right{})).zero_steps == 1);  // the last: its minimum is reached
  CHECK(explain(stretch(shape, over, every_step{}, inclusive{})).zero_steps == 2);
  CHECK(explain(stretch(shape, over, every_step{}, interior{})).zero_steps == 0);
}

TEST_CASE("Past the end no schedule rebounds or restarts", "[schedule][conventions]") {
  // The plain cosine formula rises again after its last step, and the popular port of REX starts over.
  const std::uint64_t steps = 10;
  const auto falling = stretch(cosine{}, {.steps = steps});
  const auto rex_rates = stretch(rex{}, {.steps = steps});
  const cosine_wave wave({.half_wave = 10.0});
  CHECK(wave.rate(15) > 0.4);
  for (std::uint64_t t = steps; t < 5 * steps; ++t) {
    CHECK(falling.rate(t) == 0.0);
    CHECK(rex_rates.rate(t) == 0.0);
  }
}

TEST_CASE("The closed form of the restart index is off by one at exact boundaries, the sum of lengths is not", "[schedule][conventions]") {
  std::size_t wrong = 0;
  for (const double ratio : {2.0, 3.0, 5.0, 10.0}) {
    for (const double first : {1.0, 3.0, 10.0}) {
      const warm_restarts<linear> schedule({.first_steps = first, .length_ratio = ratio, .height_ratio = 0.5});
      double begin = 0.0;
      double length = first;
      for (int cycle = 0; begin < 1e13; ++cycle) {
        REQUIRE(schedule.rate(static_cast<std::uint64_t>(begin)) == std::pow(0.5, cycle));
        const double closed = std::floor(std::log(1.0 - begin / first * (1.0 - ratio)) / std::log(ratio));
        if (static_cast<int>(closed) != cycle) ++wrong;
        begin += length;
        length *= ratio;
      }
    }
  }
  INFO(wrong << " boundaries where the logarithm is off by one");
  CHECK(wrong > 0);
}

TEST_CASE("A step schedule is any decay read at a few milestones", "[schedule][conventions]") {
  // 30-60-90 as a profile of its own, and as the exponential 10^(-10 z / 3) read at its milestones.
  const auto steps = stretch(step_decay(0.1, {0.3, 0.6, 0.9}), {.steps = 100});
  const auto read = stretch(geometric(std::pow(10.0, -10.0 / 3.0)), {.steps = 100}, milestones{0.3, 0.6, 0.9});
  for (std::uint64_t t = 0; t <= 100; ++t) CHECK(steps.rate(t) == Approx(read.rate(t)).epsilon(1e-12));
}

TEST_CASE("A run without a horizon can be cooled down from any checkpoint", "[schedule][conventions]") {
  const auto run = sequence(ramp({.to = 0.3, .steps = 10}), 10, constant_rate(0.3));
  const auto short_run = cooldown(run, {.start = 80, .steps = 20});
  const auto long_run = cooldown(run, {.start = 160, .steps = 40});
  for (std::uint64_t t = 0; t < 80; ++t) REQUIRE(short_run.rate(t) == long_run.rate(t));  // one run serves both
  CHECK(explain(short_run).end.rate == 0.0);
  // It is the warm-up, stable, decay schedule stretched to the length that was decided on late.
  const auto planned = stretch(wsd({.warmup = 0.1, .decay = 0.2}, one_minus_sqrt{}), {.steps = 100, .base_rate = 0.3});
  for (std::uint64_t t = 0; t <= 100; ++t) CHECK(short_run.rate(t) == Approx(planned.rate(t)).margin(1e-8));
}

}  // namespace conventions_test
