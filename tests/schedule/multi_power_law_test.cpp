// SPDX-License-Identifier: MIT
#include <gavel/core/philox.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/schedule/multi_power_law.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

namespace multi_power_law_test {

using gavel::schedule::multi_power_law;
using gavel::schedule::multi_power_loss;
using gavel::schedule::predict;
using gavel::testing::message_of;
using gavel::testing::not_a_number;

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr double pi = 3.14159265358979323846;

// The parameters printed for the 25M model.
const multi_power_law small_model{
    .loss_floor = 3.04, .amplitude = 0.525, .annealing = 363.8, .alpha = 0.508, .scale = 2.066, .beta = 0.583, .gamma = 0.641};

// The formula as it stands, from t to k to tau.
double restated(const multi_power_law& law, const std::vector<double>& rates, std::size_t t) {
  double area = law.warmup_area, annealing = 0.0;
  for (std::size_t i = 0; i <= t; ++i) area += rates[i];
  for (std::size_t k = 1; k <= t; ++k) {
    double since = 0.0;
    for (std::size_t tau = k; tau <= t; ++tau) since += rates[tau];
    const double argument = since == 0.0 ? 0.0 : law.scale * std::pow(rates[k], -law.gamma) * since;
    annealing += (rates[k - 1] - rates[k]) * (1.0 - std::pow(1.0 + argument, -law.beta));
  }
  return std::fmax(law.loss_floor + law.amplitude * std::pow(area, -law.alpha) - law.annealing * annealing, 1e-10);
}

struct named_rates {
  const char* name;
  std::vector<double> rates;
};

std::vector<named_rates> schedules(std::size_t last, double peak) {
  std::vector<named_rates> all = {{"cosine", {}},    {"cosine to zero", {}},    {"linear to zero", {}},     {"WSD", {}},
                                  {"multistep", {}}, {"two cosine cycles", {}}, {"inverse square root", {}}};
  for (std::size_t i = 0; i <= last; ++i) {
    const double z = static_cast<double>(i) / static_cast<double>(last);
    const double wave = 0.5 * (1.0 + std::cos(pi * z));
    all[0].rates.push_back(peak * (0.1 + 0.9 * wave));
    all[1].rates.push_back(i == last ? 0.0 : peak * wave);
    all[2].rates.push_back(peak * (1.0 - z));
    all[3].rates.push_back(peak * (z < 0.8 ? 1.0 : std::pow(0.01, (z - 0.8) / 0.2)));
    all[4].rates.push_back(peak * (z < 0.5 ? 1.0 : z < 0.75 ? 0.316 : 0.1));
    all[5].rates.push_back(peak * (0.55 + 0.45 * std::cos(2.0 * pi * std::fmod(2.0 * z, 1.0) * 0.5)));
    all[6].rates.push_back(peak / std::sqrt(1.0 + 0.01 * static_cast<double>(i)));
  }
  return all;
}

std::vector<double> predicted(const multi_power_law& law, const std::vector<double>& rates, const std::vector<std::uint64_t>& steps,
                              double relative_error) {
  std::vector<double> out(steps.size());
  predict(law, rates, steps, out, {.relative_error = relative_error});
  return out;
}

}  // namespace

TEST_CASE("multi-power law: single values and predictions are the formula on any schedule", "[schedule][multi_power]") {
  gavel::philox4x32 rng(20);
  for (int round = 0; round < 60; ++round) {
    const std::size_t n = 2 + static_cast<std::size_t>(gavel::uniform(rng) * 60.0);
    std::vector<double> rates(n);
    for (std::size_t i = 0; i < n; ++i) {  // jumps up and down, plateaus, stretches of zero
      const double u = gavel::uniform(rng);
      rates[i] = i > 0 && u < 0.4 ? rates[i - 1] : u < 0.5 && i > 0 ? 0.0 : 3e-4 * std::pow(gavel::uniform(rng), 3.0);
    }
    rates[0] += 1e-6;
    const multi_power_law law{.loss_floor = 2.0 * gavel::uniform(rng),
                              .amplitude = gavel::uniform(rng),
                              .annealing = 300.0 * gavel::uniform(rng),
                              .alpha = gavel::uniform(rng),
                              .scale = 4.0 * gavel::uniform(rng),
                              .beta = 2.0 * gavel::uniform(rng),
                              .gamma = 0.9 * gavel::uniform(rng),
                              .warmup_area = round % 2 == 0 ? 0.0 : 0.01};
    std::vector<std::uint64_t> steps;
    for (std::size_t t = 0; t < n; ++t) steps.push_back(t);
    const std::vector<double> exact = predicted(law, rates, steps, 0.0), fast = predicted(law, rates, steps, 1e-7);
    for (std::size_t t = 0; t < n; ++t) {
      const double expected = restated(law, rates, t);
      REQUIRE(multi_power_loss(law, rates, t) == Approx(expected).epsilon(1e-11));
      REQUIRE(exact[t] == Approx(expected).epsilon(1e-11));
      REQUIRE(fast[t] == Approx(expected).epsilon(1e-7));
    }
  }
}

TEST_CASE("multi-power law: folded sums keep their promise on 20,000 steps", "[schedule][multi_power]") {
  using namespace gavel::schedule::detail;
  const std::size_t last = 20000;
  std::vector<std::uint64_t> steps;
  for (std::uint64_t t = 1; t <= last; t += t < 20 ? 1 : 797) steps.push_back(t);
  steps.push_back(last);
  double slow = 0.0, fast = 0.0;
  for (const named_rates& one : schedules(last, 3e-4)) {
    const rate_changes changes(one.rates);
    for (const double gamma : {0.0, 0.3, 0.641, 1.2}) {
      for (const double beta : {0.2, 0.583, 3.0}) {
        for (const double scale : {0.02, 2.066, 200.0}) {
          const annealing_shape shape{std::log(scale), beta, gamma};
          for (const std::uint64_t t : steps) {
            const double exact = changes.sum(shape, t, 0.0);
            double magnitude = 0.0;  // of the terms: falls and rises may cancel
            for (std::size_t k = 1; k <= t; ++k) {
              if (one.rates[k] <= one.rates[k - 1]) continue;
              magnitude += one.rates[k] - one.rates[k - 1];
            }
            for (const double relative_error : {1e-4, 1e-6, 1e-8}) {
              INFO(one.name << ", gamma " << gamma << ", beta " << beta << ", C " << scale << ", step " << t);
              REQUIRE(std::abs(changes.sum(shape, t, block_width(relative_error)) - exact) <= relative_error * (exact + 2.0 * magnitude));
            }
          }
        }
      }
    }
    const auto begin = std::chrono::steady_clock::now();
    const std::vector<double> exact = predicted(small_model, one.rates, steps, 0.0);
    const auto middle = std::chrono::steady_clock::now();
    const std::vector<double> folded = predicted(small_model, one.rates, steps, 1e-6);
    const auto end = std::chrono::steady_clock::now();
    slow += std::chrono::duration<double>(middle - begin).count();
    fast += std::chrono::duration<double>(end - middle).count();
    for (std::size_t j = 0; j < steps.size(); ++j) {
      CHECK(exact[j] == Approx(multi_power_loss(small_model, one.rates, steps[j])).epsilon(1e-10));
      CHECK(folded[j] == Approx(exact[j]).epsilon(1e-6));
    }
  }
  std::printf("multi-power law, 7 schedules of 20000 steps, %zu points each: plain sum %.1f ms, folded %.1f ms\n", steps.size(), 1e3 * slow,
              1e3 * fast);
}

TEST_CASE("multi-power law: a whole curve of 20,000 points", "[schedule][multi_power]") {
  const std::vector<double> rates = schedules(20000, 3e-4)[0].rates;
  std::vector<std::uint64_t> steps;
  for (std::uint64_t t = 0; t < rates.size(); ++t) steps.push_back(t);
  const auto begin = std::chrono::steady_clock::now();
  const std::vector<double> curve = predicted(small_model, rates, steps, 1e-7);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  for (std::size_t t = 0; t < rates.size(); t += 499) {
    CHECK(curve[t] == Approx(multi_power_loss(small_model, rates, t)).epsilon(1e-7));
  }
  std::printf("multi-power law, cosine of 20000 steps, loss at every step: %.0f ms\n", 1e3 * seconds);
}

TEST_CASE("multi-power law: slopes of the folded sums", "[schedule][multi_power]") {
  using namespace gavel::schedule::detail;
  for (const named_rates& one : schedules(3000, 3e-4)) {
    const rate_changes changes(one.rates);
    for (const std::size_t t : {std::size_t{7}, std::size_t{900}, std::size_t{2700}, std::size_t{3000}}) {
      for (const double width : {0.0, block_width(1e-7)}) {
        INFO(one.name << ", step " << t << ", width " << width);
        const annealing_shape at{std::log(1.3), 0.583, 0.641};
        const annealing_sum sum = changes.sum_and_slopes(at, t, width);
        CHECK(sum.value == Approx(changes.sum(at, t, width)).epsilon(1e-12).margin(1e-300));
        const double h = 1e-5;
        auto slope = [&](double annealing_shape::* which) {
          annealing_shape up = at, down = at;
          up.*which += h;
          down.*which -= h;
          return (changes.sum(up, t, 0.0) - changes.sum(down, t, 0.0)) / (2.0 * h);
        };
        const double tolerance = width > 0.0 ? 2e-6 : 1e-8;
        auto close = [&](double actual, double expected) {
          CHECK(std::abs(actual - expected) <= tolerance * (std::abs(expected) + std::abs(sum.value)));
        };
        close(sum.by_log_scale, slope(&annealing_shape::log_scale));
        close(sum.by_beta, slope(&annealing_shape::beta));
        close(sum.by_gamma, slope(&annealing_shape::gamma));
      }
    }
  }
}

TEST_CASE("multi-power law: the error of a block is of fourth order in its width", "[schedule][multi_power]") {
  using namespace gavel::schedule::detail;
  // Four uneven falls, then a tail so long that the four together span a width of about epsilon.
  auto lump = [](double epsilon) {
    std::vector<double> rates = {1.0};
    const std::array<double, 4> drop = {0.1, 0.25, 0.9, 1.0};
    const std::array<std::size_t, 4> steps = {64, 320, 128, static_cast<std::size_t>(512.0 / epsilon)};
    for (std::size_t j = 0; j < 4; ++j) rates.insert(rates.end(), steps[j], std::exp(-epsilon * drop[j]));
    return rates;
  };
  auto total_errors = [&](double epsilon) {  // of the sum and its slopes, relative to the sum, over several laws
    std::array<double, 4> errors{};
    const std::vector<double> rates = lump(epsilon);
    const rate_changes changes(rates);
    for (const double beta : {0.4, 1.7}) {
      for (const double gamma : {0.3, 2.5}) {
        for (const double log_scale : {-8.0, -6.5, -5.0}) {
          const annealing_shape shape{log_scale, beta, gamma};
          const annealing_sum exact = changes.sum_and_slopes(shape, rates.size() - 1, 0.0);
          const annealing_sum folded = changes.sum_and_slopes(shape, rates.size() - 1, 10.0);
          errors[0] += std::abs(folded.value / exact.value - 1.0);
          errors[1] += std::abs(folded.by_log_scale - exact.by_log_scale) / exact.value;
          errors[2] += std::abs(folded.by_beta - exact.by_beta) / exact.value;
          errors[3] += std::abs(folded.by_gamma - exact.by_gamma) / exact.value;
        }
      }
    }
    return errors;
  };
  const std::array<double, 4> wide = total_errors(0.1), narrow = total_errors(0.05);
  for (std::size_t j = 0; j < 4; ++j) {
    INFO("number " << j << ": " << wide[j] << " falls to " << narrow[j]);
    CHECK(wide[j] < 1.0 * std::pow(0.1, 4.0));
    CHECK(wide[j] > 14.0 * narrow[j]);
    CHECK(narrow[j] > 0.0);  // folded, not summed one by one
  }
}

TEST_CASE("multi-power law: rates that go up and down are never folded", "[schedule][multi_power]") {
  std::vector<double> rates;
  for (std::size_t i = 0; i < 64; ++i) rates.push_back(i % 2 == 0 ? 1e-3 : 0.999e-3);
  rates.insert(rates.end(), 20000, 1e-3);
  const std::vector<std::uint64_t> steps = {63, 10000, 20063};
  const std::vector<double> exact = predicted(small_model, rates, steps, 0.0), folded = predicted(small_model, rates, steps, 1e-4);
  for (std::size_t j = 0; j < steps.size(); ++j) CHECK(folded[j] == exact[j]);
}

TEST_CASE("multi-power law: limits", "[schedule][multi_power]") {
  const std::vector<double> rates = schedules(400, 3e-4)[0].rates;
  const std::vector<std::uint64_t> steps = {0, 1, 17, 399, 400};
  auto with = [](auto change) {
    multi_power_law law = small_model;
    change(law);
    return law;
  };
  auto check = [&](const multi_power_law& law, auto&& expected) {
    const std::vector<double> folded = predicted(law, rates, steps, 1e-8);
    for (std::size_t j = 0; j < steps.size(); ++j) {
      const double value = expected(steps[j]);
      CHECK(multi_power_loss(law, rates, steps[j]) == Approx(value).epsilon(1e-12));
      CHECK(folded[j] == Approx(value).epsilon(1e-7));
    }
  };
  auto power = [&](std::size_t t) {
    double area = 0.0;
    for (std::size_t i = 0; i <= t; ++i) area += rates[i];
    return small_model.loss_floor + small_model.amplitude * std::pow(area, -small_model.alpha);
  };
  // Without one of these there is no annealing.
  check(with([](multi_power_law& law) { law.annealing = 0.0; }), power);
  check(with([](multi_power_law& law) { law.beta = 0.0; }), power);
  check(with([](multi_power_law& law) { law.scale = 0.0; }), power);
  // A fall that takes effect at once: B times the fall in all.
  check(with([](multi_power_law& law) { law.scale = 1e300; }),
        [&](std::size_t t) { return power(t) - small_model.annealing * (rates[0] - rates[t]); });
  check(with([](multi_power_law& law) { law.beta = 1e6; }),
        [&](std::size_t t) { return power(t) - small_model.annealing * (rates[0] - rates[t]); });
  check(with([](multi_power_law& law) { law.amplitude = 0.0; }),
        [&](std::size_t t) { return multi_power_loss(small_model, rates, t) - power(t) + small_model.loss_floor; });
  check(with([](multi_power_law& law) { law.annealing = 1e15; }),
        [&](std::size_t t) { return t == 0 ? power(t) : multi_power_law::smallest_loss; });
  const std::vector<double> tiny(3, 1e-300);
  CHECK(multi_power_loss({.alpha = 3.0}, tiny, 2) == (std::numeric_limits<double>::max)());
}

TEST_CASE("multi-power law: a rate of zero", "[schedule][multi_power]") {
  const multi_power_law law{.loss_floor = 1.0, .amplitude = 0.0, .annealing = 10.0};
  // Nothing is trained after the fall: nothing has changed. Then training resumes, and both changes count.
  const std::vector<double> rates = {1e-2, 1e-2, 0.0, 0.0, 1e-3};
  for (const std::uint64_t t : {0U, 1U, 2U, 3U}) CHECK(multi_power_loss(law, rates, t) == 1.0);
  const double rise = -1e-3 * (1.0 - std::pow(1.0 + std::pow(1e-3, -0.5) * 1e-3, -0.5));
  CHECK(multi_power_loss(law, rates, 4) == Approx(1.0 - 10.0 * (1e-2 + rise)).epsilon(1e-14));
  CHECK(predicted(law, rates, {3, 4}, 1e-7)[0] == 1.0);
  CHECK(predicted(law, rates, {3, 4}, 1e-7)[1] == Approx(multi_power_loss(law, rates, 4)).epsilon(1e-14));
  // The limit of small rates.
  const std::vector<double> nearly = {1e-2, 1e-2, 1e-100, 1e-100, 1e-3};
  for (const std::uint64_t t : {2U, 3U, 4U})
    CHECK(multi_power_loss(law, nearly, t) == Approx(multi_power_loss(law, rates, t)).epsilon(1e-12));
}

TEST_CASE("multi-power law: loss falls with each step of a falling rate; re-warming raises it", "[schedule][multi_power]") {
  for (const named_rates& one : schedules(500, 3e-4)) {
    if (std::string(one.name) == "two cosine cycles") continue;
    double last = infinite;
    for (std::uint64_t t = 0; t <= 500; t += 5) {
      const double now = multi_power_loss(small_model, one.rates, t);
      CHECK(now <= last);
      last = now;
    }
  }
  std::vector<double> kept(200, 1e-4), warmed = kept;
  for (std::size_t i = 100; i < 200; ++i) warmed[i] = 3e-4;
  const multi_power_law annealing_only{.loss_floor = 3.0, .amplitude = 0.0, .annealing = 300.0};
  CHECK(multi_power_loss(annealing_only, kept, 199) == 3.0);
  CHECK(multi_power_loss(annealing_only, warmed, 199) > 3.0);
}

TEST_CASE("multi-power law: a schedule, a log and a table predict alike", "[schedule][multi_power]") {
  struct stepped {
    [[nodiscard]] double rate(std::uint64_t step) const {
      if (step < 10) return 1e-4 * static_cast<double>(step);
      return step < 300 ? 1e-3 : step < 700 ? 4e-4 : 1e-4;
    }
  };
  std::vector<double> dense, peak_first;
  for (std::uint64_t i = 0; i <= 1000; ++i) {
    dense.push_back(stepped{}.rate(i));
    peak_first.push_back(stepped{}.rate(i < 10 ? 10 : i));
  }
  const std::vector<std::uint64_t> lines = {10, 300, 700, 1000}, steps = {0, 5, 10, 299, 300, 1000};
  const std::vector<double> logged = {1e-3, 4e-4, 1e-4, 1e-4};
  const gavel::schedule::rate_log log{lines, logged};
  std::vector<double> expected(steps.size()), out(steps.size()), curve(1001);
  for (std::size_t j = 0; j < steps.size(); ++j) expected[j] = multi_power_loss(small_model, peak_first, steps[j]);
  const auto check = [&](const auto& source, std::uint64_t warmup) {
    predict(small_model, source, steps, out, {.relative_error = 0.0, .warmup_steps = warmup});
    predict(small_model, source, curve, {.relative_error = 0.0, .warmup_steps = warmup});
    for (std::size_t j = 0; j < steps.size(); ++j) {
      CHECK(out[j] == Approx(expected[j]).epsilon(1e-13));
      CHECK(curve[steps[j]] == out[j]);
      CHECK(gavel::schedule::predict_at(small_model, source, steps[j], {.warmup_steps = warmup}) == Approx(expected[j]).epsilon(1e-13));
    }
  };
  check(stepped{}, 10);
  check(dense, 10);
  check(peak_first, 0);
  check(log, 0);
  // To a horizon that no table reaches: a schedule has no end.
  std::vector<double> longer(5001);
  predict(small_model, stepped{}, longer, {.warmup_steps = 10});
  CHECK(longer[5000] < longer[1000]);
  CHECK(longer[1000] == Approx(curve[1000]).epsilon(1e-7));
  CHECK(message_of([&] { predict(small_model, dense, longer); }) ==
        "gavel::schedule::predict: out.size() = 5001, must be <= the steps of the rates, 1001");
  CHECK(message_of([&] { (void)gavel::schedule::predict_at(small_model, log, 1001); }) ==
        "gavel::schedule::predict_at: step = 1001, must be <= the last step of the rates, 1000");
  CHECK(message_of([&] { (void)gavel::schedule::predict_at(small_model, dense, 5, {.warmup_steps = 2000}); }) ==
        "gavel::schedule::predict_at: warmup_steps = 2000, must be <= the last step of the rates, 1000");
  CHECK(message_of([&] { (void)gavel::schedule::predict_at(small_model, std::vector<double>{0.0, 0.0}, 1); }) ==
        "gavel::schedule::predict_at: S_1 + warmup_area = 0, must be > 0 at step 1");
}

TEST_CASE("multi-power law: what is refused", "[schedule][multi_power]") {
  const std::vector<double> rates = {1e-3, 1e-3, 5e-4};
  const std::vector<std::uint64_t> steps = {0, 2};
  std::vector<double> out = {7.0, 7.0};
  const std::string direct = "gavel::schedule::multi_power_loss: ", whole = "gavel::schedule::predict: ";
  auto loss = [&](const multi_power_law& law, const std::vector<double>& table, std::uint64_t step) {
    return message_of([&] { (void)multi_power_loss(law, table, step); });
  };
  auto prediction = [&](const multi_power_law& law, const std::vector<double>& table, const std::vector<std::uint64_t>& at,
                        double relative_error = 1e-7) {
    return message_of([&] { predict(law, table, at, out, {.relative_error = relative_error}); });
  };
  const char* rule = ", must be finite and >= 0";
  CHECK(loss({.loss_floor = -1.0}, rates, 0) == direct + "law.loss_floor = -1" + rule);
  CHECK(loss({.amplitude = not_a_number}, rates, 0) == "domain: " + direct + "law.amplitude = nan" + rule);
  CHECK(loss({.alpha = infinite}, rates, 0) == direct + "law.alpha = inf" + rule);
  CHECK(loss({.annealing = -2.0}, rates, 0) == direct + "law.annealing = -2" + rule);
  CHECK(loss({.scale = -2.0}, rates, 0) == direct + "law.scale = -2" + rule);
  CHECK(loss({.beta = -2.0}, rates, 0) == direct + "law.beta = -2" + rule);
  CHECK(prediction({.gamma = -2.0}, rates, steps) == whole + "law.gamma = -2" + rule);
  CHECK(prediction({.warmup_area = -2.0}, rates, steps) == whole + "law.warmup_area = -2" + rule);
  CHECK(loss({}, rates, 3) == direct + "step = 3, must be < rates.size() 3");
  CHECK(loss({}, {}, 0) == direct + "step = 0, must be < rates.size() 0");
  CHECK(loss({}, {1e-3, -1e-3}, 1) == direct + "rates[1] = -0.001" + rule);
  CHECK(loss({}, {1e-3, -1e-3}, 0) == "no exception");  // later rates are not read
  CHECK(loss({}, {0.0, 0.0}, 1) == direct + "S_1 + warmup_area = 0, must be > 0 at step 1");
  CHECK(loss({.warmup_area = 1e-3}, {0.0, 0.0}, 1) == "no exception");
  CHECK(prediction({}, {1e-3, not_a_number, 0.0}, {0}) == whole + "out.size() = 2, must equal steps.size() 1");
  CHECK(prediction({}, {1e-3, not_a_number, 0.0}, steps) == "domain: " + whole + "rates[1] = nan" + rule);
  CHECK(prediction({}, {1e-3, infinite, 0.0}, steps) == whole + "rates[1] = inf" + rule);
  CHECK(prediction({}, {0.0, 1e-3, 0.0}, steps) == whole + "S_1 + warmup_area = 0, must be > 0 at step 0");
  CHECK(prediction({}, rates, {2, 2}) == whole + "steps[1] = 2, must be > the one before, 2");
  CHECK(prediction({}, rates, {1, 3}) == whole + "steps[1] = 3, must be <= the last step of the rates, 2");
  CHECK(prediction({}, {}, steps) == whole + "rates.size() = 0, must be >= 1");
  CHECK(prediction({}, rates, {1}) == whole + "out.size() = 2, must equal steps.size() 1");
  CHECK(prediction({}, rates, steps, 1.0) == whole + "relative_error = 1, must be in [0, 1)");
  CHECK(prediction({}, rates, steps, not_a_number) == "domain: " + whole + "relative_error = nan, must be in [0, 1)");
  CHECK(out == std::vector<double>{7.0, 7.0});
  predict(multi_power_law{}, std::vector<double>{}, std::vector<std::uint64_t>{}, {});  // nothing asked, nothing to do
  CHECK(multi_power_law{} == multi_power_law{});
  CHECK_FALSE(small_model == multi_power_law{});
}

}  // namespace multi_power_law_test
