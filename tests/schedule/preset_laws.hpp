// SPDX-License-Identifier: MIT
#pragma once

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/schedule/rate_schedule.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace gavel::testing {

/// What a preset says of options that it refuses.
template <class Schedule, class Options>
std::string refused(Schedule (*preset)(const Options&), const std::type_identity_t<Options>& options) {
  return message_of([&] { static_cast<void>(preset(options)); });
}

/// Usable in a static_assert.
[[nodiscard]] constexpr bool near(double actual, double expected, double relative = 1e-12) {
  const double difference = actual < expected ? expected - actual : actual - expected;
  const double size = expected < 0.0 ? -expected : expected;
  return difference <= relative * size;
}

/// |actual - exact| <= 1e-12 of @p scale (of the exact value where no scale is given).
inline void check_exact(double actual, long double exact, long double scale = 0.0L) {
  INFO("actual " << actual << ", exact " << static_cast<double>(exact));
  const long double size = scale > 0.0L ? scale : std::abs(exact);
  REQUIRE(std::abs(static_cast<long double>(actual) - exact) <= 1e-12L * size);
}

/// From @p end on the rate is @p value, however far away.
template <schedule::rate_schedule S>
void check_holds(const S& schedule, std::uint64_t end, double value, double relative = 1e-12) {
  for (const std::uint64_t step :
       {end, end + 1, end + 2, 2 * end + 1, 3 * end, end + 1000, std::uint64_t{1} << 40, std::uint64_t{1} << 53}) {
    INFO("step " << step << ": " << schedule.rate(step) << ", held value " << value);
    REQUIRE(near(schedule.rate(step), value, relative));
  }
}

/// Every step that a counter can hold has a rate in [@p low, @p high].
template <schedule::rate_schedule S>
void check_far(const S& schedule, double low, double high) {
  for (const std::uint64_t step : {std::uint64_t{1} << 53U, (std::uint64_t{1} << 53U) + 1, (std::uint64_t{1} << 62U) + 7,
                                   (std::uint64_t{1} << 63U) - 1, std::uint64_t{1} << 63U, ~std::uint64_t{1}, ~std::uint64_t{0}}) {
    INFO("step " << step << ": " << schedule.rate(step) << ", must be in [" << low << ", " << high << "]");
    REQUIRE(schedule.rate(step) >= low * (1.0 - 1e-15));
    REQUIRE(schedule.rate(step) <= high * (1.0 + 1e-15));
  }
}

/// The rates are those of @p upstream, a transcription of the upstream's own code that is called for t = 0, 1, 2, ... in order, and reading
/// them backwards gives the same bits.
template <schedule::rate_schedule S, class Upstream>
void check_against(const S& schedule, std::size_t steps, Upstream&& upstream, double relative = 1e-12, double absolute = 1e-15) {
  std::vector<double> forwards(steps);
  schedule::fill(schedule, forwards);
  for (std::size_t t = 0; t < steps; ++t) {
    const double expected = upstream(static_cast<double>(t));
    INFO("step " << t << ": actual " << forwards[t] << ", upstream " << expected);
    REQUIRE(std::abs(forwards[t] - expected) <= relative * std::abs(expected) + absolute);
  }
  for (std::size_t t = steps; t-- > 0;) REQUIRE(schedule.rate(t) == forwards[t]);
}

inline constexpr long double pi_exact = 3.141592653589793238462643383279502884L;

}  // namespace gavel::testing
