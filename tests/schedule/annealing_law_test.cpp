// SPDX-License-Identifier: MIT
#include <gavel/schedule/annealing_law.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace annealing_law_test {

using gavel::schedule::annealing_areas;
using gavel::schedule::annealing_law;
using gavel::schedule::model_size_law;
using gavel::schedule::predict;
using gavel::schedule::predict_at;
using gavel::schedule::rate_log;
using gavel::testing::message_of;
using gavel::testing::not_a_number;

namespace {

constexpr annealing_law published{
    .loss_floor = 2.6278, .amplitude = 0.42967, .annealing = 0.41077, .alpha = 0.54985, .decay_factor = 0.999};

}  // namespace

TEST_CASE("The loss is floor, power and annealing", "[schedule][annealing]") {
  CHECK(published.loss(1.3, 0.2) == Approx(2.6278 + 0.42967 * std::pow(1.3, -0.54985) - 0.41077 * 0.2).epsilon(1e-15));
  CHECK(published.loss(1.3, -0.2) > published.loss(1.3, 0.0));
  CHECK(annealing_law{.loss_floor = 2.0, .amplitude = 0.0, .alpha = 3.0}.loss(1e-300, 0.0) == 2.0);
  CHECK(annealing_law{.loss_floor = 2.0, .amplitude = 1.5, .alpha = 0.0}.loss(7.0, 0.0) == 3.5);
}

TEST_CASE("Predictions neither cross zero nor overflow", "[schedule][annealing]") {
  const annealing_law steep{.loss_floor = 1.0, .amplitude = 1e-200, .annealing = 1.0, .alpha = 60.0};
  CHECK(steep.loss(1.0, 5.0) == annealing_law::smallest_loss);
  CHECK(steep.loss(1e-4, 0.0) == Approx(1e40).epsilon(1e-11));  // the power alone is 1e240, at 1e-6 it would be 1e360
  CHECK(steep.loss(1e-6, 0.0) == Approx(1e160).epsilon(1e-11));
  CHECK(steep.loss(1e-30, 0.0) == (std::numeric_limits<double>::max)());
}

TEST_CASE("A whole curve, some steps and one step agree", "[schedule][annealing]") {
  std::vector<double> rates(400);
  for (std::size_t i = 0; i < rates.size(); ++i)
    rates[i] = i < 20 ? 1e-3 * static_cast<double>(i) / 20.0 : 1e-3 / (1.0 + 0.01 * static_cast<double>(i - 20));
  std::vector<double> curve(400);
  predict(published, rates, curve, {.warmup_steps = 20});
  const std::vector<std::uint64_t> steps = {0, 5, 20, 21, 399};
  std::vector<double> some(5);
  predict(published, rates, steps, some, {.warmup_steps = 20});
  for (std::size_t j = 0; j < steps.size(); ++j) {
    CHECK(some[j] == Approx(curve[steps[j]]).epsilon(1e-14));
    CHECK(predict_at(published, rates, steps[j], {.warmup_steps = 20}) == Approx(curve[steps[j]]).epsilon(1e-14));
  }
  CHECK(curve[0] == Approx(published.loss(1e-3, 0.0)).epsilon(1e-14));
  annealing_areas areas(0.999);
  areas.hold(1e-3, 20);
  for (std::size_t i = 20; i < rates.size(); ++i) areas.update(rates[i]);
  CHECK(published.loss(areas) == Approx(curve.back()).epsilon(1e-14));
  // A log with every line is the table.
  std::vector<std::uint64_t> every(400);
  for (std::size_t i = 0; i < every.size(); ++i) every[i] = i;
  CHECK(predict_at(published, rate_log{every, rates}, 399, {.warmup_steps = 20}) == Approx(curve.back()).epsilon(1e-14));
}

TEST_CASE("A constant rate follows the slope; annealing pays late; a re-warm-up costs", "[schedule][annealing]") {
  annealing_areas areas(0.999);
  areas.hold(2e-4, 10000);
  annealing_areas longer = areas;
  longer.hold(2e-4, 100);
  const double middle = 0.5 * (areas.forward() + longer.forward());
  CHECK((published.loss(longer) - published.loss(areas)) / 100.0 == Approx(published.slope_at_constant_rate(middle, 2e-4)).epsilon(1e-4));
  CHECK(published.slope_at_constant_rate(middle, 2e-4) < 0.0);

  annealing_areas dropped = areas;
  dropped.update(0.0);
  const double at_once = published.loss(areas) - published.loss(dropped);
  dropped.hold(0.0, 20000);  // no forward area any more: all of this is the delayed effect of the drop
  const double in_the_end = published.loss(areas) - published.loss(dropped);
  CHECK(at_once == Approx(0.41077 * 2e-4).epsilon(1e-9));
  CHECK(in_the_end == Approx(0.41077 * 2e-4 / (1.0 - 0.999)).epsilon(1e-6));

  annealing_areas rewarmed = dropped;
  rewarmed.hold(2e-4, 10);
  CHECK(published.loss(rewarmed) > published.loss(dropped));
}

TEST_CASE("At one model size the size term is part of the floor", "[schedule][annealing]") {
  const model_size_law sizes{published, 400.0, 0.34};
  CHECK(sizes.at(1e8).loss(1.3, 0.2) == Approx(published.loss(1.3, 0.2) + 400.0 * std::pow(1e8, -0.34)).epsilon(1e-14));
  CHECK(sizes.at(1e9).loss_floor < sizes.at(1e8).loss_floor);
  CHECK(sizes.at(1e9).annealing == published.annealing);
  CHECK(message_of([&] { (void)sizes.at(0.0); }) == "gavel::schedule::model_size_law::at: n_parameters = 0, must be finite and > 0");
  CHECK(message_of([&] { (void)model_size_law{published, -1.0, 0.3}.at(1.0); }) ==
        "gavel::schedule::model_size_law::at: size_amplitude = -1, must be finite and >= 0");
}

TEST_CASE("Bad laws, areas and schedules are named", "[schedule][annealing]") {
  const std::vector<double> from_zero = {0.0, 1e-4, 2e-4}, good = {1e-4, 2e-4, 1e-4}, bad = {1e-4, 2e-4, -1.0};
  std::array<double, 3> out{5.0, 5.0, 5.0};
  std::array<double, 4> four{};
  CHECK(message_of([] { (void)published.loss(0.0, 0.0); }) == "gavel::schedule::annealing_law::loss: forward = 0, must be finite and > 0");
  CHECK(message_of([] { (void)published.loss(1.0, not_a_number); }) ==
        "domain: gavel::schedule::annealing_law::loss: annealing_area = nan, must be finite");
  CHECK(message_of([] { (void)published.loss(annealing_areas(0.9)); }) ==
        "gavel::schedule::annealing_law::loss: areas.decay_factor() = 0.9, must be the law's 0.999");
  CHECK(message_of([] { (void)published.slope_at_constant_rate(-1.0, 1.0); }) ==
        "gavel::schedule::annealing_law::slope_at_constant_rate: forward = -1, must be finite and > 0");
  CHECK(message_of([&] { predict(published, from_zero, out); }) == "gavel::schedule::predict: rates[0] = 0, must be > 0: S_1 would be 0");
  CHECK(message_of([&] { predict(published, from_zero, out, {.warmup_steps = 2}); }) == "no exception");  // the peak stands in
  out = {5.0, 5.0, 5.0};
  CHECK(message_of([&] { predict(published, bad, out); }) == "gavel::schedule::predict: rates[2] = -1, must be finite and >= 0");
  CHECK(out == std::array{5.0, 5.0, 5.0});
  CHECK(message_of([&] { predict(published, good, four); }) ==
        "gavel::schedule::predict: out.size() = 4, must be <= the steps of the rates, 3");
  CHECK(message_of([&] { predict(published, good, std::vector<std::uint64_t>{0, 1}, out); }) ==
        "gavel::schedule::predict: out.size() = 3, must equal steps.size() 2");
  CHECK(message_of([&] { predict(published, good, std::vector<std::uint64_t>{0, 2, 1}, out); }) ==
        "gavel::schedule::predict: steps[2] = 1, must be > the one before, 2");
  CHECK(message_of([&] { (void)predict_at(published, good, 3); }) ==
        "gavel::schedule::predict_at: step = 3, must be <= the last step of the rates, 2");
  const auto refuse = [&](const annealing_law& law) { return message_of([&] { (void)predict_at(law, good, 2); }); };
  CHECK(refuse({.loss_floor = -1.0}) == "gavel::schedule::predict_at: law.loss_floor = -1, must be finite and >= 0");
  CHECK(refuse({.amplitude = gavel::infinity}) == "gavel::schedule::predict_at: law.amplitude = inf, must be finite and >= 0");
  CHECK(refuse({.alpha = not_a_number}) == "domain: gavel::schedule::predict_at: law.alpha = nan, must be finite and >= 0");
  CHECK(refuse({.annealing = -0.5}) == "gavel::schedule::predict_at: law.annealing = -0.5, must be finite and >= 0");
  CHECK(refuse({.decay_factor = 2.0}) == "gavel::schedule::predict_at: law.decay_factor = 2, must be in [0, 1]");
}

}  // namespace annealing_law_test
