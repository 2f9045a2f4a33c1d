// SPDX-License-Identifier: MIT
#include <gavel/core/categorical.hpp>
#include <gavel/core/intervals.hpp>
#include <gavel/core/philox.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace intervals_test {

using gavel::testing::message_of;
using gavel::testing::not_a_number;
namespace {}  // namespace

TEST_CASE("wilson_interval: published values, edges, coverage", "[core][intervals]") {
  // Newcombe (1998), Statistics in Medicine 17, table I, method 3
  CHECK(gavel::wilson_interval(81, 263).lower == Approx(0.2553).margin(5e-5));
  CHECK(gavel::wilson_interval(81, 263).upper == Approx(0.3662).margin(5e-5));
  CHECK(gavel::wilson_interval(15, 148).lower == Approx(0.0624).margin(5e-5));
  CHECK(gavel::wilson_interval(15, 148).upper == Approx(0.1605).margin(5e-5));
  CHECK(gavel::wilson_interval(0, 20).upper == Approx(0.1611).margin(5e-5));
  CHECK(gavel::wilson_interval(1, 29).lower == Approx(0.0061).margin(5e-5));
  CHECK(gavel::wilson_interval(1, 29).upper == Approx(0.1718).margin(5e-5));
  CHECK(gavel::wilson_interval(0, 20).lower == 0.0);
  CHECK(gavel::wilson_interval(20, 20).upper == 1.0);
  CHECK(gavel::wilson_interval(0, 0) == gavel::interval{0.0, 1.0});
  const auto narrow = gavel::wilson_interval(30, 100, 0.8);
  const auto wide = gavel::wilson_interval(30, 100, 0.999);
  CHECK(wide.lower < narrow.lower);
  CHECK(wide.upper > narrow.upper);
  gavel::philox4x32 rng(8);
  int covered = 0;
  for (int repetition = 0; repetition < 2000; ++repetition) {
    std::uint64_t successes = 0;
    for (int i = 0; i < 50; ++i) successes += gavel::bernoulli(rng, 0.2) ? 1U : 0U;
    const auto [lower, upper] = gavel::wilson_interval(successes, 50);
    covered += lower <= 0.2 && 0.2 <= upper ? 1 : 0;
  }
  CHECK(covered > 1860);
  CHECK(covered < 1960);
  CHECK(message_of([&] { (void)gavel::wilson_interval(3, 2); }) == "gavel::wilson_interval: successes = 3, must be <= trials 2");
  CHECK(message_of([&] { (void)gavel::wilson_interval(1, 2, 1.0); }) == "gavel::wilson_interval: confidence = 1, must be in (0, 1)");
  CHECK(message_of([&] { (void)gavel::wilson_interval(1, 2, not_a_number); }) ==
        "domain: gavel::wilson_interval: confidence = nan, must be in (0, 1)");
}

}  // namespace intervals_test
