// SPDX-License-Identifier: MIT
#include <gavel/schedule/warmup_power_fit.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/core/random.hpp>
#include <gavel/schedule/combinators.hpp>
#include <gavel/schedule/profile.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

namespace warmup_power_fit_test {

using namespace gavel::schedule;
using gavel::testing::message_of;
using gavel::testing::not_a_number;

namespace {

std::vector<double> shape(std::size_t n, double warmup, double power, double peak) {
  std::vector<double> rates(n);
  for (std::size_t t = 0; t < n; ++t) {
    const double z = static_cast<double>(t) / static_cast<double>(n - 1);
    rates[t] = peak * (z < warmup ? z / warmup : std::pow((1.0 - z) / (1.0 - warmup), power));
  }
  return rates;
}

}  // namespace

TEST_CASE("The numbers that made a schedule come back", "[schedule][warmup_power_fit]") {
  for (const double warmup : {0.0, 0.013, 0.1, 0.4, 0.75}) {
    for (const double power : {0.3, 1.0, 1.7, 3.0}) {
      for (const std::size_t n : {std::size_t{401}, std::size_t{5000}}) {
        const warmup_power_fit fit = fit_warmup_power(shape(n, warmup, power, 3e-4));
        INFO("warmup " << warmup << " power " << power << " n " << n);
        CHECK(fit.status == warmup_power_fit_status::converged);
        CHECK(fit.warmup == Approx(warmup).margin(2e-3));
        CHECK(fit.power == Approx(power).epsilon(0.01));
        CHECK(fit.peak == Approx(3e-4).epsilon(0.01));
        CHECK(fit.rms_error < 3e-3);
        CHECK(fit.peak * gavel::schedule::warmup(fit.warmup, polynomial(fit.power))(0.8) ==
              Approx(shape(6, warmup, power, 3e-4)[4]).epsilon(0.02));
      }
    }
  }
}

TEST_CASE("Refined schedules decay early or late as their norms rise or fall", "[schedule][warmup_power_fit]") {
  const auto fitted = [](double end) {
    std::vector<double> norms(2000);
    for (std::size_t t = 0; t < norms.size(); ++t) {
      const double z = static_cast<double>(t) / 1999.0;
      norms[t] = z < 0.1 ? 1.0 + 5.0 * (0.1 - z) / 0.1 : 1.0 + (end - 1.0) * (z - 0.1) / 0.9;
    }
    return fit_warmup_power(refine(norms, {.smoothing = 0.0}).rates);
  };
  const warmup_power_fit flat = fitted(1.0), rising = fitted(2.0), falling = fitted(0.7);
  CHECK(flat.power == Approx(1.0).epsilon(0.05));
  CHECK(flat.warmup == Approx(0.1).margin(0.06));
  CHECK(rising.power > 2.0);
  CHECK(falling.power < 0.7);
  const warmup_power_fit linear = fit_warmup_power(refine(std::vector<double>(1000, 2.0), {.base_rate = 0.5}).rates);
  CHECK(linear.warmup == Approx(0.0).margin(1e-6));
  CHECK(linear.power == Approx(1.0).epsilon(1e-5));
  CHECK(linear.peak == Approx(0.5).epsilon(1e-5));
}

TEST_CASE("What no such shape describes is said", "[schedule][warmup_power_fit]") {
  CHECK(fit_warmup_power(std::vector<double>{}).status == warmup_power_fit_status::undefined);
  CHECK(fit_warmup_power(std::vector<double>{1.0, 0.0}).status == warmup_power_fit_status::undefined);
  CHECK(fit_warmup_power(std::vector<double>(10, 0.0)).status == warmup_power_fit_status::undefined);
  CHECK(fit_warmup_power(std::vector<double>(100, 1.0)).status == warmup_power_fit_status::power_limit);
  for (const auto& open : {std::vector<double>{0.0, 1.0, 0.0}, std::vector<double>{0.0, 0.0, 1.0, 0.0}}) {  // any power would do
    CHECK(fit_warmup_power(open).status == warmup_power_fit_status::undefined);
  }
  const warmup_power_fit shortest = fit_warmup_power(std::vector<double>{0.0, 1.0, 0.5, 0.0});  // the peak is a rate of the table
  CHECK(shortest.status == warmup_power_fit_status::converged);
  CHECK(shortest.warmup == Approx(1.0 / 3.0));
  CHECK(shortest.power == Approx(1.0));
  CHECK(shortest.peak == Approx(1.0));
  CHECK(fit_warmup_power(std::vector<double>{2.0, 1.0, 0.0}).power == Approx(1.0));
  CHECK(fit_warmup_power(std::vector<double>{0.0, 0.5, 1.0, 0.5, 0.0}).warmup == Approx(0.5));
  // Noise shows in the error and moves the numbers little.
  gavel::philox4x32 rng(3);
  std::vector<double> noisy = shape(1000, 0.1, 1.5, 1.0);
  for (double& rate : noisy) rate *= std::exp(0.1 * gavel::normal(rng));
  const warmup_power_fit fit = fit_warmup_power(noisy);
  CHECK(fit.rms_error == Approx(0.05).margin(0.03));
  CHECK(fit.power == Approx(1.5).epsilon(0.1));
  CHECK(message_of([] { (void)fit_warmup_power(std::vector<double>{1.0, -1.0, 0.0}); }) ==
        "gavel::schedule::fit_warmup_power: rates[1] = -1, must be finite and >= 0");
  CHECK(message_of([] { (void)fit_warmup_power(std::vector<double>{1.0, 1.0, not_a_number}); }) ==
        "domain: gavel::schedule::fit_warmup_power: rates[2] = nan, must be finite and >= 0");
}

}  // namespace warmup_power_fit_test
