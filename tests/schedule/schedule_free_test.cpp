// SPDX-License-Identifier: MIT
#include <gavel/schedule/rate_schedule.hpp>
#include <gavel/schedule/schedule_free.hpp>

#include <gavel/solvers/optimizers.hpp>

#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace schedule_free_test {

using gavel::schedule::averaging_weight;
using gavel::schedule::schedule_free_adamw;
using gavel::schedule::schedule_free_adamw_options;
using gavel::schedule::schedule_free_sgd;
using gavel::schedule::schedule_free_sgd_options;
using gavel::testing::message_of;
using gavel::testing::not_a_number;

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

static_assert(gavel::gradient_optimizer<schedule_free_sgd<double>, double>);
static_assert(gavel::gradient_optimizer<schedule_free_sgd<float>, float>);
static_assert(gavel::gradient_optimizer<schedule_free_adamw<double>, double>);
static_assert(gavel::gradient_optimizer<schedule_free_adamw<float>, float>);
static_assert(gavel::schedule::rate_schedule<schedule_free_sgd<>> && gavel::schedule::rate_schedule<schedule_free_adamw<>>);
static_assert(!gavel::schedule::finite_rate_schedule<schedule_free_sgd<>> && !gavel::schedule::finite_rate_schedule<schedule_free_adamw<>>);

// The published programs, transcribed with their own algebra: y and z are kept, y is moved by an interpolation and a scaled step, x is
// recovered from both. Weights are summed as they are.
struct transcription {
  std::vector<double> y, z, v;
  double learning_rate, beta1, beta2, epsilon, decay, r, power;
  std::uint64_t warmup;
  bool adam;
  std::uint64_t k = 0;
  double lr_max = -1.0, weight_sum = 0.0, ckp1 = 0.0;

  void step(const std::vector<double>& gradient) {
    const double sched = k < warmup ? static_cast<double>(k + 1) / static_cast<double>(warmup) : 1.0;
    const double bias_correction2 = 1.0 - std::pow(beta2, static_cast<double>(k + 1));
    const double lr = learning_rate * sched;
    lr_max = lr > lr_max ? lr : lr_max;
    const double weight = std::pow(static_cast<double>(k + 1), r) * std::pow(lr_max, power);
    weight_sum += weight;
    ckp1 = weight_sum > 0.0 ? weight / weight_sum : 0.0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      double g = gradient[i];
      if (adam) {
        v[i] = beta2 * v[i] + (1.0 - beta2) * g * g;
        g /= std::sqrt(v[i] / bias_correction2) + epsilon;
      }
      g += decay * y[i];
      y[i] += ckp1 * (z[i] - y[i]);
      y[i] += lr * (beta1 * (1.0 - ckp1) - 1.0) * g;
      z[i] -= lr * g;
    }
    ++k;
  }
  [[nodiscard]] double x(std::size_t i) const { return y[i] + (1.0 - 1.0 / beta1) * (z[i] - y[i]); }
};

// A bumpy loss of three parameters that are coupled.
std::vector<double> bumpy_gradient(const std::vector<double>& y) {
  return {2.0 * y[0] + std::sin(3.0 * y[1]), 40.0 * (y[1] - 0.5) + 0.1 * y[2], 0.01 * y[2] * y[2] * y[2] + y[0]};
}

template <class O>
void compare(O optimizer, std::vector<double> y, transcription other, int steps) {
  for (int t = 0; t < steps; ++t) {
    CHECK(optimizer.rate(static_cast<std::uint64_t>(t)) ==
          Approx(other.learning_rate * (static_cast<std::uint64_t>(t) < other.warmup ? (t + 1.0) / static_cast<double>(other.warmup) : 1.0))
              .epsilon(1e-15));
    const std::vector<double> gradient = bumpy_gradient(y);
    optimizer.step(y, gradient);
    other.step(gradient);
    REQUIRE(optimizer.coefficient() == Approx(other.ckp1).epsilon(1e-12));
    for (std::size_t i = 0; i < y.size(); ++i) {
      INFO("step " << t << ", parameter " << i);
      REQUIRE(y[i] == Approx(other.y[i]).epsilon(1e-10).margin(1e-12));
      REQUIRE(optimizer.base()[i] == Approx(other.z[i]).epsilon(1e-10).margin(1e-12));
      REQUIRE(optimizer.average()[i] == Approx(other.x(i)).epsilon(1e-10).margin(1e-12));
    }
  }
  CHECK(optimizer.steps_taken() == static_cast<std::size_t>(steps));
}

}  // namespace

TEST_CASE("The averaging coefficient is each step's share of the weights so far", "[schedule][schedule_free]") {
  const std::vector<double> rates{0.1, 0.3, 0.2, 0.5, 0.5, 0.0, 0.4};
  for (const double step_power : {0.0, 1.0, 2.5}) {
    for (const double rate_power : {0.0, 1.0, 2.0}) {
      averaging_weight weight({.step_power = step_power, .rate_power = rate_power});
      double sum = 0.0;
      double largest = 0.0;
      for (std::size_t t = 0; t < rates.size(); ++t) {
        largest = rates[t] > largest ? rates[t] : largest;
        const double now = std::pow(static_cast<double>(t + 1), step_power) * std::pow(largest, rate_power);
        sum += now;
        CHECK(weight.update(rates[t]) == Approx(now / sum).epsilon(1e-14));
        CHECK(weight.coefficient() == Approx(now / sum).epsilon(1e-14));
      }
      CHECK(weight.steps_taken() == rates.size());
    }
  }
}

TEST_CASE("A constant rate averages plainly", "[schedule][schedule_free]") {
  averaging_weight weight;
  for (std::size_t t = 1; t <= 1000; ++t) CHECK(weight.update(0.3) == 1.0 / static_cast<double>(t));
}

TEST_CASE("The averaging coefficient survives rates and powers of any size", "[schedule][schedule_free]") {
  CHECK(averaging_weight().coefficient() == 0.0);
  averaging_weight weight;
  CHECK(weight.update(0.0) == 0.0);  // nothing has moved: no weight
  CHECK(weight.update(0.0) == 0.0);
  CHECK(weight.update(0.1) == 1.0);
  CHECK(weight.update(0.1) == 0.5);
  averaging_weight unweighted({.rate_power = 0.0});
  CHECK(unweighted.update(0.0) == 1.0);
  CHECK(unweighted.update(0.1) == 0.5);
  for (const double rate : {1e-300, 1e300}) {  // the square of neither is a double
    averaging_weight extreme({.step_power = 100.0});
    double last = 1.0;
    for (int t = 0; t < 5000; ++t) {
      const double now = extreme.update(rate);
      CHECK(now <= last);
      CHECK(now > 0.0);
      last = now;
    }
    CHECK(last == Approx(101.0 / 5000.0).epsilon(0.02));  // the sum of t^100 is t^101 / 101
  }
}

TEST_CASE("Schedule-free SGD equals the published program", "[schedule][schedule_free]") {
  const std::vector<double> start{1.0, -0.7, 3.0};
  for (const std::uint64_t warmup : {0u, 1u, 7u, 1000u}) {
    for (const double decay : {0.0, 0.2}) {
      for (const double r : {0.0, 1.5}) {
        for (const double beta : {0.9, 0.5, 1.0}) {
          compare(schedule_free_sgd<double>(start, {.learning_rate = 0.03,
                                                    .warmup_steps = warmup,
                                                    .beta = beta,
                                                    .weight_decay = decay,
                                                    .averaging = {.step_power = r, .rate_power = 2.0}}),
                  start, transcription{start, start, {0, 0, 0}, 0.03, beta, 0.0, 0.0, decay, r, 2.0, warmup, false}, 60);
        }
      }
    }
  }
}

TEST_CASE("Schedule-free AdamW equals the published program", "[schedule][schedule_free]") {
  const std::vector<double> start{1.0, -0.7, 3.0};
  for (const std::uint64_t warmup : {0u, 7u}) {
    for (const double decay : {0.0, 0.2}) {
      for (const double beta2 : {0.0, 0.95, 0.999}) {
        for (const double power : {0.0, 2.0}) {
          compare(schedule_free_adamw<double>(start, {.learning_rate = 0.02,
                                                      .warmup_steps = warmup,
                                                      .beta1 = 0.9,
                                                      .beta2 = beta2,
                                                      .epsilon = 1e-3,
                                                      .weight_decay = decay,
                                                      .averaging = {.step_power = 0.5, .rate_power = power}}),
                  start, transcription{start, start, {0, 0, 0}, 0.02, 0.9, beta2, 1e-3, decay, 0.5, power, warmup, true}, 80);
        }
      }
    }
  }
}

TEST_CASE("Schedule-free AdamW's first step has the size of the rate", "[schedule][schedule_free]") {
  for (const double scale : {1e-4, 1.0, 1e4}) {
    std::vector<double> y{2.0};
    schedule_free_adamw<double> optimizer(y, {.learning_rate = 0.01});
    optimizer.step(y, std::vector<double>{scale});
    CHECK(y[0] == Approx(1.99).epsilon(1e-6));
    CHECK(optimizer.base()[0] == Approx(1.99).epsilon(1e-6));
  }
  // The decay alone: gamma_t * weight_decay * y.
  std::vector<double> y{2.0};
  schedule_free_adamw<double> optimizer(y, {.learning_rate = 0.1, .weight_decay = 0.5});
  optimizer.step(y, std::vector<double>{0.0});
  CHECK(y[0] == Approx(1.9).epsilon(1e-14));
}

TEST_CASE("The ends of the interpolation: gradients at the base or at the average", "[schedule][schedule_free]") {
  std::vector<double> y{1.0};
  schedule_free_sgd<double> at_base(y, {.learning_rate = 0.25, .beta = 0.0});
  double sum = 0.0;
  double z = 1.0;
  for (int t = 1; t <= 20; ++t) {
    at_base.step(y, std::vector<double>{y[0]});
    z -= 0.25 * z;
    sum += z;
    CHECK(y[0] == Approx(z).epsilon(1e-13));
    CHECK(at_base.average()[0] == Approx(sum / t).epsilon(1e-13));  // Polyak's average
  }
  std::vector<double> x{1.0};
  schedule_free_sgd<double> at_average(x, {.learning_rate = 0.25, .beta = 1.0});
  for (int t = 1; t <= 20; ++t) {
    at_average.step(x, std::vector<double>{x[0]});
    CHECK(x[0] == at_average.average()[0]);
  }
}

TEST_CASE("Any rate can be given per step", "[schedule][schedule_free]") {
  const std::vector<double> start{1.0, -2.0};
  schedule_free_sgd<double> built_in(start, {.learning_rate = 0.2, .warmup_steps = 5});
  schedule_free_sgd<double> driven(start, {.learning_rate = 0.2, .warmup_steps = 5});
  std::vector<double> a = start;
  std::vector<double> b = start;
  for (std::uint64_t t = 0; t < 12; ++t) {
    const std::vector<double> gradient{a[0], std::cos(a[1])};
    built_in.step(a, gradient);
    driven.step(b, gradient, driven.rate(t));
    CHECK(built_in == driven);
    CHECK(a == b);
  }
  // At rate 0 nothing moves, and the step has no weight before the first that does.
  std::vector<double> y = start;
  schedule_free_adamw<double> waiting(start);
  waiting.step(y, std::vector<double>{1.0, 1.0}, 0.0);
  CHECK(y == start);
  CHECK(waiting.coefficient() == 0.0);
  waiting.step(y, std::vector<double>{1.0, 1.0}, 0.1);
  CHECK(waiting.coefficient() == 1.0);
  CHECK(waiting.rate(0) == 0.0025);
}

TEST_CASE("The average reaches the minimum at a constant rate where the base keeps moving", "[schedule][schedule_free]") {
  // |x - 1| + |x + 2 y|: plain steps of constant size never settle.
  std::vector<double> y{4.0, 5.0};
  schedule_free_sgd<double> optimizer(y, {.learning_rate = 0.1});
  for (int t = 0; t < 20000; ++t) {
    const double first = y[0] > 1.0 ? 1.0 : -1.0;
    const double second = y[0] + 2.0 * y[1] > 0.0 ? 1.0 : -1.0;
    optimizer.step(y, std::vector<double>{first + second, 2.0 * second});
  }
  std::vector<double> x(2);
  optimizer.evaluation_point(x);
  CHECK(x[0] == Approx(1.0).margin(0.02));
  CHECK(x[1] == Approx(-0.5).margin(0.02));
  // In float the average is kept in double.
  std::vector<float> u{4.0f};
  schedule_free_adamw<float> single(u, {.learning_rate = 0.01});
  for (int t = 0; t < 20000; ++t) single.step(u, std::vector<float>{u[0] - 1.0f});
  std::vector<float> average(1);
  single.evaluation_point(average);
  CHECK(average[0] == Approx(1.0).margin(0.01));
}

TEST_CASE("Schedule-free optimisers resume from their stored state", "[schedule][schedule_free]") {
  const std::vector<double> start{1.0, -0.7, 3.0};
  const auto check = [&](const auto& fresh, std::size_t cut) {
    const auto train = [](auto& optimizer, std::vector<double>& y, std::size_t steps) {
      for (std::size_t t = 0; t < steps; ++t) optimizer.step(y, bumpy_gradient(y));
    };
    auto whole = fresh;
    std::vector<double> y = start;
    train(whole, y, cut);
    auto resumed = fresh;
    const gavel::schedule::schedule_free_state stored = whole.state();
    resumed.restore(stored);
    CHECK(resumed == whole);
    CHECK(resumed.state() == stored);
    std::vector<double> w = y;
    train(whole, y, 9);
    train(resumed, w, 9);
    CHECK(w == y);
    CHECK(resumed == whole);
  };
  for (const std::size_t cut : {std::size_t{0}, std::size_t{1}, std::size_t{12}}) {
    check(schedule_free_sgd<double>(start, {.learning_rate = 0.01, .warmup_steps = 5, .averaging = {.step_power = 1.0}}), cut);
    check(schedule_free_adamw<double>(start, {.learning_rate = 0.01, .warmup_steps = 5, .weight_decay = 0.1}), cut);
  }
  schedule_free_sgd<double> sgd(start);
  schedule_free_adamw<double> adamw(start);
  const schedule_free_sgd<double> sgd_before = sgd;
  const schedule_free_adamw<double> adamw_before = adamw;
  const auto refused = [&](auto& optimizer, const gavel::schedule::schedule_free_state& state) {
    return message_of([&] { optimizer.restore(state); });
  };
  CHECK(refused(sgd, {.base = {1.0}, .average = start}) ==
        "gavel::schedule::schedule_free_sgd::restore: state.base.size() = 1, must equal size 3");
  CHECK(refused(sgd, {.base = start}) == "gavel::schedule::schedule_free_sgd::restore: state.average.size() = 0, must equal size 3");
  CHECK(refused(sgd, adamw.state()) == "gavel::schedule::schedule_free_sgd::restore: state.square.size() = 3, must equal that of SGD, 0");
  CHECK(refused(adamw, sgd.state()) == "gavel::schedule::schedule_free_adamw::restore: state.square.size() = 0, must equal size 3");
  CHECK(refused(sgd, {.base = start, .average = start, .weight = {.largest_rate = -1.0}}) ==
        "gavel::schedule::averaging_weight::restore: state.largest_rate = -1, must be finite and >= 0");
  CHECK(refused(adamw, {.base = start, .average = start, .square = {1.0, 1.0, 1.0}, .weight = {.sum = not_a_number}}) ==
        "domain: gavel::schedule::averaging_weight::restore: state.sum = nan, must be finite and >= 0");
  CHECK(refused(sgd, {.base = start, .average = start, .weight = {.coefficient = not_a_number}}) ==
        "domain: gavel::schedule::averaging_weight::restore: state.coefficient = nan, must be in [0, 1]");
  const std::vector<double> holed{1.0, not_a_number, 1.0};
  CHECK(refused(sgd, {.base = holed, .average = start}) ==
        "domain: gavel::schedule::schedule_free_sgd::restore: state.base[1] = nan, must be finite");
  CHECK(refused(sgd, {.base = start, .average = holed}) ==
        "domain: gavel::schedule::schedule_free_sgd::restore: state.average[1] = nan, must be finite");
  CHECK(refused(adamw, {.base = start, .average = start, .square = holed}) ==
        "domain: gavel::schedule::schedule_free_adamw::restore: state.square[1] = nan, must be finite and >= 0");
  CHECK(sgd == sgd_before);
  CHECK(adamw == adamw_before);
}

TEST_CASE("Schedule-free optimisers are values whose steps allocate nothing", "[schedule][schedule_free]") {
  const auto check = [](auto optimizer) {
    std::vector<double> y(100, 1.0);
    const std::vector<double> gradient(100, 0.5);
    const std::size_t before = gavel::testing::allocation_count();
    optimizer.step(y, gradient);
    CHECK(gavel::testing::allocation_count() == before);
    auto copy = optimizer;
    CHECK(copy == optimizer);
    std::vector<double> w = y;
    copy.step(w, gradient);
    CHECK_FALSE(copy == optimizer);
    optimizer.step(y, gradient);
    CHECK(copy == optimizer);
    CHECK(w == y);
  };
  const std::vector<double> start(100, 1.0);
  check(schedule_free_sgd<double>(start));
  check(schedule_free_adamw<double>(start));
  std::vector<double> none;
  schedule_free_sgd<double>().step(none, none);
  schedule_free_adamw<double>().step(none, none);
}

TEST_CASE("Schedule-free optimisers: bad options are named", "[schedule][schedule_free][errors]") {
  const std::vector<double> start{1.0};
  const auto sgd = [&](const schedule_free_sgd_options& options) {
    return message_of([&] { (void)schedule_free_sgd<double>(start, options); });
  };
  const auto adamw = [&](const schedule_free_adamw_options& options) {
    return message_of([&] { (void)schedule_free_adamw<double>(start, options); });
  };
  CHECK(sgd({.learning_rate = -1.0}) == "gavel::schedule::schedule_free_sgd: learning_rate = -1, must be finite and >= 0");
  CHECK(sgd({.beta = 1.5}) == "gavel::schedule::schedule_free_sgd: beta = 1.5, must be in [0, 1]");
  CHECK(sgd({.beta = not_a_number}) == "domain: gavel::schedule::schedule_free_sgd: beta = nan, must be in [0, 1]");
  CHECK(sgd({.weight_decay = -0.5}) == "gavel::schedule::schedule_free_sgd: weight_decay = -0.5, must be finite and >= 0");
  CHECK(sgd({.averaging = {.step_power = -1.0}}) == "gavel::schedule::averaging_weight: step_power = -1, must be finite and >= 0");
  CHECK(sgd({.averaging = {.rate_power = infinite}}) == "gavel::schedule::averaging_weight: rate_power = inf, must be finite and >= 0");
  CHECK(adamw({.learning_rate = not_a_number}) ==
        "domain: gavel::schedule::schedule_free_adamw: learning_rate = nan, must be finite and >= 0");
  CHECK(adamw({.beta1 = -0.5}) == "gavel::schedule::schedule_free_adamw: beta1 = -0.5, must be in [0, 1]");
  CHECK(adamw({.beta2 = 1.0}) == "gavel::schedule::schedule_free_adamw: beta2 = 1, must be in [0, 1)");
  CHECK(adamw({.epsilon = 0.0}) == "gavel::schedule::schedule_free_adamw: epsilon = 0, must be finite and > 0");
  CHECK(adamw({.weight_decay = infinite}) == "gavel::schedule::schedule_free_adamw: weight_decay = inf, must be finite and >= 0");
  const std::vector<double> bad{1.0, infinite};
  CHECK(message_of([&] { (void)schedule_free_sgd<double>(bad); }) == "gavel::schedule::schedule_free_sgd: start[1] = inf, must be finite");
  CHECK(message_of([&] { (void)schedule_free_adamw<double>(bad); }) ==
        "gavel::schedule::schedule_free_adamw: start[1] = inf, must be finite");
  averaging_weight weight;
  weight.update(0.5);
  const averaging_weight before = weight;
  CHECK(message_of([&] { weight.update(-1.0); }) == "gavel::schedule::averaging_weight::update: rate = -1, must be finite and >= 0");
  CHECK(weight == before);
}

TEST_CASE("Schedule-free optimisers: a call that throws changes nothing", "[schedule][schedule_free][errors]") {
  const auto check = [](auto optimizer, const std::string& name) {
    const auto before = optimizer;
    std::vector<double> two(2, 1.0);
    std::vector<double> one(1, 3.0);
    CHECK(message_of([&] { optimizer.step(one, two); }) == name + "::step: parameters.size() = 1, must equal size 2");
    CHECK(message_of([&] { optimizer.step(two, one); }) == name + "::step: gradient.size() = 1, must equal size 2");
    CHECK(message_of([&] { optimizer.step(two, two, -1.0); }) == name + "::step: rate = -1, must be finite and >= 0");
    CHECK(message_of([&] { optimizer.step(two, two, not_a_number); }) == "domain: " + name + "::step: rate = nan, must be finite and >= 0");
    CHECK(message_of([&] { optimizer.evaluation_point(one); }) == name + "::evaluation_point: out.size() = 1, must equal size 2");
    CHECK(optimizer == before);
    CHECK(two == std::vector<double>{1.0, 1.0});
    CHECK(one == std::vector<double>{3.0});
  };
  const std::vector<double> start{1.0, 1.0};
  check(schedule_free_sgd<double>(start), "gavel::schedule::schedule_free_sgd");
  check(schedule_free_adamw<double>(start), "gavel::schedule::schedule_free_adamw");
}

}  // namespace schedule_free_test
