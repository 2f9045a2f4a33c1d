// SPDX-License-Identifier: MIT
#include <gavel/schedule/annealing_areas.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

namespace annealing_areas_test {

using gavel::schedule::annealing_areas;
using gavel::schedule::annealing_areas_options;
using gavel::schedule::areas_at;
using gavel::schedule::fill_areas;
using gavel::schedule::rate_interpolation;
using gavel::schedule::rate_log;
using gavel::testing::message_of;
using gavel::testing::not_a_number;

namespace {

// Linear warm-up to the peak at step `warmup`, then a cosine to zero at step `last`.
struct warm_cosine {
  double peak = 2e-4;
  std::uint64_t warmup = 50;
  std::uint64_t last = 2000;

  [[nodiscard]] double rate(std::uint64_t step) const {
    if (step < warmup) return peak * static_cast<double>(step) / static_cast<double>(warmup);
    const double z = static_cast<double>(step - warmup) / static_cast<double>(last - warmup);
    return 0.5 * peak * (1.0 + std::cos(std::numbers::pi * z));
  }
};

std::vector<double> bumpy_rates(std::size_t n) {
  std::vector<double> rates(n);
  for (std::size_t i = 0; i < n; ++i)
    rates[i] = 1e-3 * (1.0 + 0.5 * std::sin(0.37 * static_cast<double>(i)) - 0.001 * static_cast<double>(i));
  return rates;
}

struct plain_areas {
  long double forward = 0.0L, annealing = 0.0L, momentum = 0.0L;
};

// The definition, in extended precision.
plain_areas by_definition(const std::vector<double>& rates, double decay_factor) {
  plain_areas a;
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const long double fall = i == 0 ? 0.0L : static_cast<long double>(rates[i - 1]) - static_cast<long double>(rates[i]);
    a.momentum = static_cast<long double>(decay_factor) * a.momentum + fall;
    a.forward += static_cast<long double>(rates[i]);
    a.annealing += a.momentum;
  }
  return a;
}

void check_areas(const annealing_areas& actual, const plain_areas& expected, double scale = 1e-13) {
  CHECK(actual.forward() == Approx(static_cast<double>(expected.forward)).epsilon(1e-14));
  CHECK(std::abs(actual.annealing() - static_cast<double>(expected.annealing)) <= scale * std::abs(actual.forward()));
  CHECK(std::abs(actual.momentum() - static_cast<double>(expected.momentum)) <= scale);
}

}  // namespace

TEST_CASE("The areas follow their recursion and its closed form", "[schedule][annealing]") {
  const auto rates = bumpy_rates(300);
  for (const double decay_factor : {0.0, 0.5, 0.9, 0.999, 0.9999, 1.0}) {
    annealing_areas areas(decay_factor);
    for (std::size_t s = 0; s < rates.size(); ++s) {
      areas.update(rates[s]);
      CHECK(areas.steps() == s + 1);
      CHECK(areas.last_rate() == rates[s]);
    }
    check_areas(areas, by_definition(rates, decay_factor));
    // S_2 = sum_k (eta_{k-1} - eta_k) (1 - lambda^{s-k+1}) / (1 - lambda); weights s - k + 1 for lambda = 1.
    double closed = 0.0;
    for (std::size_t k = 1; k < rates.size(); ++k) {
      const auto n = static_cast<double>(rates.size() - k);
      closed += (rates[k - 1] - rates[k]) * (decay_factor == 1.0 ? n : (1.0 - std::pow(decay_factor, n)) / (1.0 - decay_factor));
    }
    CHECK(areas.annealing() == Approx(closed).epsilon(1e-11).margin(1e-16));
  }
  annealing_areas no_memory(0.0);
  for (const double rate : rates) no_memory.update(rate);
  CHECK(no_memory.annealing() == Approx(rates.front() - rates.back()).epsilon(1e-13));
}

TEST_CASE("Constant and straight stretches cost one call and equal the loop", "[schedule][annealing]") {
  for (const double decay_factor : {0.0, 0.3, 0.99, 0.9999, 1.0}) {
    for (const std::uint64_t n : {1u, 2u, 3u, 7u, 64u, 1000u, 4097u}) {
      std::vector<double> rates = {0.5, 0.75, 0.25};
      annealing_areas areas(decay_factor);
      for (const double rate : rates) areas.update(rate);
      areas.hold(0.6, n);
      rates.insert(rates.end(), n, 0.6);
      areas.ramp(0.1, n);
      for (std::uint64_t j = 1; j <= n; ++j) rates.push_back(0.6 - 0.5 * static_cast<double>(j) / static_cast<double>(n));
      CHECK(areas.steps() == rates.size());
      CHECK(areas.last_rate() == 0.1);
      check_areas(areas, by_definition(rates, decay_factor), 3e-13);
    }
  }
  annealing_areas nothing;
  nothing.hold(1.0, 0);
  nothing.ramp(1.0, 0);
  CHECK(nothing == annealing_areas{});
  nothing.ramp(2.0, 5);  // no line to follow yet
  CHECK(nothing.forward() == 10.0);
  CHECK(nothing.annealing() == 0.0);
}

TEST_CASE("The effect of a drop comes late: it is complete after some multiples of 1 / (1 - lambda)", "[schedule][annealing]") {
  for (const double decay_factor : {0.9, 0.99, 0.999}) {
    const double delay = 1.0 / (1.0 - decay_factor);
    annealing_areas areas(decay_factor);
    areas.hold(1.0, 100);
    areas.update(0.25);
    CHECK(areas.annealing() == Approx(0.75).epsilon(1e-12));  // only the drop itself
    areas.hold(0.25, static_cast<std::uint64_t>(std::lround(delay)) - 1);
    CHECK(areas.annealing() / (0.75 * delay) == Approx(1.0 - std::exp(-1.0)).epsilon(0.06));
    areas.hold(0.25, static_cast<std::uint64_t>(40.0 * delay));
    CHECK(areas.annealing() == Approx(0.75 * delay).epsilon(1e-11));
  }
}

TEST_CASE("A re-warm-up takes annealing away", "[schedule][annealing]") {
  annealing_areas areas(0.99);
  areas.hold(1.0, 10);
  areas.ramp(0.1, 50);
  annealing_areas stays = areas;
  stays.hold(0.1, 500);
  areas.hold(1.0, 500);
  CHECK(areas.annealing() < stays.annealing());
  annealing_areas up(0.99);
  up.update(0.1);
  up.hold(1.0, 20);
  CHECK(up.annealing() < 0.0);
}

TEST_CASE("Millions of steps lose no digits", "[schedule][annealing]") {
  const std::uint64_t n = 2'000'000;
  for (const double decay_factor : {0.999, 0.9999, 1.0}) {
    annealing_areas step_by_step(decay_factor);
    long double forward = 0.0L;
    for (std::uint64_t i = 0; i < n; ++i) {
      const double rate = 2e-4 * (1.0 - static_cast<double>(i) / static_cast<double>(n - 1));
      step_by_step.update(rate);
      forward += static_cast<long double>(rate);
    }
    annealing_areas at_once(decay_factor);
    at_once.update(2e-4);
    at_once.ramp(0.0, n - 1);
    CHECK(step_by_step.forward() == Approx(static_cast<double>(forward)).epsilon(1e-15));
    CHECK(at_once.forward() == Approx(static_cast<double>(forward)).epsilon(2e-15));
    CHECK(step_by_step.annealing() == Approx(at_once.annealing()).epsilon(1e-11));
    CHECK(step_by_step.momentum() == Approx(at_once.momentum()).epsilon(1e-11));
  }
}

TEST_CASE("The warm-up counts with the peak", "[schedule][annealing]") {
  const warm_cosine schedule;
  const std::uint64_t n = schedule.last + 1;
  std::vector<double> rates(n);
  for (std::uint64_t i = 0; i < n; ++i) rates[i] = schedule.rate(i < 50 ? 50 : i);
  std::vector<double> forward(n), annealing(n), same_forward(n), same_annealing(n);
  fill_areas(schedule, forward, annealing, {.warmup_steps = 50});
  fill_areas(rates, same_forward, same_annealing);
  for (std::size_t i = 0; i < n; ++i) {
    CHECK(forward[i] == Approx(same_forward[i]).epsilon(1e-14));
    CHECK(annealing[i] == Approx(same_annealing[i]).epsilon(1e-12));
  }
  CHECK(forward[50] == Approx(51 * 2e-4).epsilon(1e-14));
  CHECK(annealing[50] == 0.0);
  // At chosen steps, some inside the warm-up, and one by one.
  const std::vector<std::uint64_t> steps = {0, 10, 49, 50, 51, 700, 2000};
  std::vector<double> some_forward(steps.size()), some_annealing(steps.size());
  areas_at(schedule, steps, some_forward, some_annealing, {.warmup_steps = 50});
  for (std::size_t j = 0; j < steps.size(); ++j) {
    CHECK(some_forward[j] == Approx(forward[steps[j]]).epsilon(1e-14));
    CHECK(some_annealing[j] == Approx(annealing[steps[j]]).epsilon(1e-13));
    CHECK(areas_at(schedule, steps[j], {.warmup_steps = 50}).forward() == Approx(forward[steps[j]]).epsilon(1e-14));
  }
  // Without the rule the warm-up is negative annealing.
  CHECK(areas_at(schedule, 60).annealing() < 0.0);
}

TEST_CASE("Sparse logs are integrated with step widths", "[schedule][annealing]") {
  const std::vector<std::uint64_t> at = {3, 4, 10, 25, 26, 400, 1000};
  const std::vector<double> values = {1.0, 0.9, 0.5, 0.7, 0.1, 0.05, 0.0};
  for (const rate_interpolation between : {rate_interpolation::constant, rate_interpolation::linear}) {
    const rate_log log{at, values, between};
    std::vector<double> dense(1001);
    for (std::uint64_t i = 0; i < dense.size(); ++i) {
      std::size_t k = 0;
      while (k + 1 < at.size() && at[k + 1] <= i) ++k;
      if (i <= at[0]) dense[i] = values[0];
      else if (between == rate_interpolation::constant || at[k] == i) dense[i] = values[k];
      else dense[i] = values[k] + (values[k + 1] - values[k]) * static_cast<double>(i - at[k]) / static_cast<double>(at[k + 1] - at[k]);
      CHECK(log.rate(i) == Approx(dense[i]).margin(1e-16));
    }
    CHECK(log.rate(5000) == 0.0);
    for (const double decay_factor : {0.0, 0.9, 0.999, 1.0}) {
      for (const std::uint64_t warmup : {0u, 2u, 4u, 7u, 25u, 500u, 1000u}) {
        const annealing_areas_options options{decay_factor, warmup};
        std::vector<double> forward(1001), annealing(1001), dense_forward(1001), dense_annealing(1001);
        fill_areas(log, forward, annealing, options);
        fill_areas(dense, dense_forward, dense_annealing, options);
        double worst = 0.0;
        for (std::size_t i = 0; i < dense.size(); ++i) {
          worst = std::fmax(worst, std::abs(forward[i] / dense_forward[i] - 1.0));
          worst = std::fmax(worst, std::abs(annealing[i] - dense_annealing[i]) / dense_forward[i]);
        }
        CHECK(worst < 1e-12);
        // Big strides over whole gaps and parts of them.
        const std::vector<std::uint64_t> steps = {0, 3, 12, 18, 26, 300, 301, 900, 1000};
        std::vector<double> some_forward(steps.size()), some_annealing(steps.size());
        areas_at(log, steps, some_forward, some_annealing, options);
        for (std::size_t j = 0; j < steps.size(); ++j) {
          CHECK(some_forward[j] == Approx(dense_forward[steps[j]]).epsilon(1e-13));
          CHECK(some_annealing[j] == Approx(dense_annealing[steps[j]]).epsilon(1e-12).margin(1e-13));
        }
        CHECK(areas_at(log, 1000, options).annealing() == Approx(dense_annealing[1000]).epsilon(1e-12).margin(1e-13));
      }
    }
  }
}

TEST_CASE("Copies are checkpoints", "[schedule][annealing]") {
  const auto rates = bumpy_rates(200);
  annealing_areas trunk(0.99);
  for (std::size_t i = 0; i < 120; ++i) trunk.update(rates[i]);
  annealing_areas branch = trunk;
  CHECK(branch == trunk);
  for (std::size_t i = 120; i < 200; ++i) branch.update(rates[i]);
  CHECK(branch == areas_at(rates, 199, {.decay_factor = 0.99}));
  CHECK_FALSE(branch == trunk);
}

TEST_CASE("Bad rates, steps and sizes are named", "[schedule][annealing]") {
  const std::string in = "gavel::schedule::";
  const std::string in_areas_at = "gavel::schedule::areas_at: ";
  const std::vector<double> rates = {1.0, 0.5, 0.25};
  const std::vector<std::uint64_t> steps = {0, 2};
  std::array<double, 2> two{7.0, 7.0}, other{7.0, 7.0};
  std::array<double, 4> four{}, four_more{};
  CHECK(message_of([] { (void)annealing_areas(1.5); }) == in + "annealing_areas: decay_factor = 1.5, must be in [0, 1]");
  CHECK(message_of([] { (void)annealing_areas(not_a_number); }) ==
        "domain: " + in + "annealing_areas: decay_factor = nan, must be in [0, 1]");
  CHECK(message_of([&] { (void)areas_at(rates, 1, {.decay_factor = -0.1}); }) == in_areas_at + "decay_factor = -0.1, must be in [0, 1]");
  annealing_areas areas;
  CHECK(message_of([&] { areas.update(-1.0); }) == in + "annealing_areas::update: rate = -1, must be finite and >= 0");
  CHECK(message_of([&] { areas.hold(not_a_number, 3); }) == "domain: " + in + "annealing_areas::hold: rate = nan, must be finite and >= 0");
  CHECK(message_of([&] { areas.ramp(gavel::infinity, 3); }) == in + "annealing_areas::ramp: rate = inf, must be finite and >= 0");
  CHECK(areas == annealing_areas{});
  CHECK(message_of([&] { (void)areas_at(rates, 3); }) == in_areas_at + "step = 3, must be <= the last step of the rates, 2");
  CHECK(message_of([&] { (void)areas_at(std::vector<double>{}, 0); }) == in_areas_at + "rates.size() = 0, must be >= 1");
  CHECK(message_of([&] { (void)areas_at(rates, 1, {.warmup_steps = 3}); }) ==
        in_areas_at + "warmup_steps = 3, must be <= the last step of the rates, 2");
  CHECK(message_of([&] { fill_areas(rates, four, four_more); }) ==
        in + "fill_areas: forward.size() = 4, must be <= the steps of the rates, 3");
  CHECK(message_of([&] { fill_areas(rates, two, four); }) == in + "fill_areas: annealing.size() = 4, must equal forward.size() 2");
  CHECK(message_of([&] { areas_at(rates, steps, four, two); }) == in_areas_at + "forward.size() = 4, must equal steps.size() 2");
  CHECK(message_of([&] { areas_at(rates, steps, two, four); }) == in_areas_at + "annealing.size() = 4, must equal steps.size() 2");
  CHECK(message_of([&] { areas_at(rates, std::vector<std::uint64_t>{1, 1}, two, other); }) ==
        in_areas_at + "steps[1] = 1, must be > the one before, 1");
  CHECK(message_of([&] { areas_at(rates, std::vector<std::uint64_t>{2, 1}, two, other); }) ==
        in_areas_at + "steps[1] = 1, must be > the one before, 2");
  CHECK(message_of([&] { areas_at(rates, std::vector<std::uint64_t>{1, 9}, two, other); }) ==
        in_areas_at + "steps[1] = 9, must be <= the last step of the rates, 2");
  // The bad rate comes last: nothing is written before it is found.
  const std::vector<double> bad = {1.0, 0.5, -0.5};
  CHECK(message_of([&] { areas_at(bad, steps, two, other); }) == in_areas_at + "rates[2] = -0.5, must be finite and >= 0");
  CHECK(two == std::array{7.0, 7.0});
  CHECK(other == std::array{7.0, 7.0});
  CHECK(message_of([&] { (void)areas_at(bad, 2); }) == in_areas_at + "rates[2] = -0.5, must be finite and >= 0");
  CHECK(message_of([&] { (void)areas_at(bad, 1); }) == "no exception");
}

TEST_CASE("Bad logs are named", "[schedule][annealing]") {
  const std::vector<double> rates = {1.0, 0.5, 0.25};
  const std::vector<std::uint64_t> ascending = {0, 5, 9}, unsorted = {5, 0, 9};
  const auto refuse = [&](const rate_log& log, std::uint64_t step) { return message_of([&] { (void)areas_at(log, step); }); };
  CHECK(refuse({unsorted, rates}, 0) == "gavel::schedule::areas_at: rates.steps[1] = 0, must be > the one before, 5");
  CHECK(refuse({ascending, rates}, 10) == "gavel::schedule::areas_at: step = 10, must be <= the last step of the rates, 9");
  CHECK(refuse({ascending, rates}, 9) == "no exception");
}

}  // namespace annealing_areas_test
