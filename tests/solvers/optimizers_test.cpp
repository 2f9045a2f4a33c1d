// SPDX-License-Identifier: MIT
#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/solvers/optimizers.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace optimizers_test {

using gavel::testing::message_of;
using gavel::testing::not_a_number;

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

static_assert(gavel::gradient_optimizer<gavel::sgd<double>, double>);
static_assert(gavel::gradient_optimizer<gavel::sgd<float>, float>);
static_assert(gavel::gradient_optimizer<gavel::adam<double>, double>);
static_assert(gavel::gradient_optimizer<gavel::adam<float>, float>);

// A user's own, and near misses.
struct sign_descent {
  void step(std::span<double> parameters, std::span<const double> gradient, double rate) const {
    for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i] -= std::copysign(rate, gradient[i]);
  }
  friend bool operator==(const sign_descent&, const sign_descent&) = default;
};
struct without_rate {
  void step(std::span<double>, std::span<const double>) const {}
  friend bool operator==(const without_rate&, const without_rate&) = default;
};
struct without_equality {
  void step(std::span<double>, std::span<const double>, double) const {}
};
static_assert(gavel::gradient_optimizer<sign_descent, double>);
static_assert(!gavel::gradient_optimizer<without_rate, double>);
static_assert(!gavel::gradient_optimizer<without_equality, double>);
static_assert(!gavel::gradient_optimizer<gavel::sgd<double>, float>);

// Trains on sum_i (i+1) (x_i - target_i)^2 / 2.
template <class T, gavel::gradient_optimizer<T> O>
std::vector<T> minimize_quadratic(O optimizer, std::size_t steps, double first_rate) {
  std::vector<T> x{T(3), T(-1), T(0.5)};
  const std::vector<T> target{T(1), T(2), T(-3)};
  std::vector<T> gradient(3);
  for (std::size_t t = 0; t < steps; ++t) {
    for (std::size_t i = 0; i < 3; ++i) gradient[i] = static_cast<T>(i + 1) * (x[i] - target[i]);
    optimizer.step(x, gradient, first_rate * (1.0 - static_cast<double>(t) / static_cast<double>(steps)));  // linear decay
  }
  for (std::size_t i = 0; i < 3; ++i) x[i] -= target[i];
  return x;
}

template <class T>
double largest(const std::vector<T>& values) {
  double most = 0.0;
  for (const T value : values) most = std::abs(static_cast<double>(value)) > most ? std::abs(static_cast<double>(value)) : most;
  return most;
}

// One parameter from 1 under the gradients 1, -2, 0.5: its value after each step.
std::vector<double> three_steps(const gavel::sgd_options& options) {
  gavel::sgd<double> optimizer(1, options);
  std::vector<double> x{1.0};
  std::vector<double> path;
  for (const double gradient : {1.0, -2.0, 0.5}) {
    optimizer.step(x, std::vector<double>{gradient});
    path.push_back(x[0]);
  }
  return path;
}

void check_path(const std::vector<double>& actual, const std::vector<double>& expected) {
  REQUIRE(actual.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(actual[i] == Approx(expected[i]).epsilon(1e-14));
}

}  // namespace

TEST_CASE("SGD's sequences, worked by hand as PyTorch defines them", "[solvers][optimizers]") {
  check_path(three_steps({.learning_rate = 0.1}), {0.9, 1.1, 1.05});
  // m = 1, -1.1, -0.49
  check_path(three_steps({.learning_rate = 0.1, .momentum = 0.9}), {0.9, 1.01, 1.059});
  // g + 0.9 m = 1.9, -2.99, 0.059
  check_path(three_steps({.learning_rate = 0.1, .momentum = 0.9, .nesterov = true}), {0.81, 1.109, 1.1031});
  // g + x/2 = 1.5, -1.575, 1.00375
  check_path(three_steps({.learning_rate = 0.1, .weight_decay = 0.5}), {0.85, 1.0075, 0.907125});
  // the decay goes through the velocity: g + x/2 = 1.5, -1.575, 0.96625; m = 1.5, -0.825, 0.55375
  check_path(three_steps({.learning_rate = 0.1, .momentum = 0.5, .weight_decay = 0.5}), {0.85, 0.9325, 0.877125});
}

TEST_CASE("SGD: the rate multiplies the velocity and is not kept in it", "[solvers][optimizers]") {
  gavel::sgd<double> optimizer(1, {.learning_rate = 7.0, .momentum = 0.5});
  std::vector<double> x{0.0};
  const std::vector<double> one{1.0};
  optimizer.step(x, one, 0.0);  // moves nothing, but m = 1
  CHECK(x[0] == 0.0);
  optimizer.step(x, one, 1.0);  // m = 1.5
  CHECK(x[0] == -1.5);
  optimizer.step(x, one, 0.25);  // m = 1.75
  CHECK(x[0] == -1.9375);
  optimizer.step(x, one);  // m = 1.875 at the option's 7
  CHECK(x[0] == -15.0625);
  CHECK(optimizer.steps_taken() == 4);
  CHECK(optimizer.options().momentum == 0.5);
}

TEST_CASE("Adam follows the published recursion", "[solvers][optimizers]") {
  gavel::adam<double> optimizer(2, {.learning_rate = 0.1});
  std::vector<double> parameters{1.0, -2.0};
  double m[2] = {};
  double v[2] = {};
  std::vector<double> expected = parameters;
  for (int t = 1; t <= 20; ++t) {
    const std::vector<double> gradient{2.0 * parameters[0], std::sin(parameters[1])};
    optimizer.step(parameters, gradient);
    for (std::size_t i = 0; i < 2; ++i) {
      m[i] = 0.9 * m[i] + 0.1 * gradient[i];
      v[i] = 0.999 * v[i] + 0.001 * gradient[i] * gradient[i];
      expected[i] -= 0.1 * (m[i] / (1.0 - std::pow(0.9, t))) / (std::sqrt(v[i] / (1.0 - std::pow(0.999, t))) + 1e-8);
      CHECK(parameters[i] == Approx(expected[i]).epsilon(1e-12));
    }
  }
  CHECK(optimizer.steps_taken() == 20);
  // The first step has the size of the learning rate, whatever the gradient's scale.
  for (const double scale : {1e-4, 1.0, 1e4}) {
    gavel::adam<float> first(1, {.learning_rate = 0.01});
    std::vector<float> x{0.0f};
    first.step(x, std::vector<float>{static_cast<float>(scale)});
    CHECK(x[0] == Approx(-0.01).epsilon(1e-3));
  }
  // Decoupled decay shrinks a parameter that has no gradient, by the rate of the step.
  gavel::adam<double> decaying(1, {.learning_rate = 0.1, .weight_decay = 0.5});
  std::vector<double> x{2.0};
  decaying.step(x, std::vector<double>{0.0});
  CHECK(x[0] == Approx(1.9).epsilon(1e-14));
  decaying.step(x, std::vector<double>{0.0}, 0.2);
  CHECK(x[0] == Approx(1.71).epsilon(1e-14));
}

TEST_CASE("Adam at a given rate is Adam with that learning rate", "[solvers][optimizers]") {
  gavel::adam<double> fixed(2, {.learning_rate = 0.03, .weight_decay = 0.1});
  gavel::adam<double> driven(2, {.learning_rate = 9.0, .weight_decay = 0.1});
  std::vector<double> a{1.0, -2.0};
  std::vector<double> b = a;
  for (int t = 0; t < 10; ++t) {
    const std::vector<double> gradient{a[0], std::cos(a[1])};
    fixed.step(a, gradient);
    driven.step(b, gradient, 0.03);
    CHECK(a == b);
  }
}

TEST_CASE("The optimisers reach the minimum of a quadratic under a schedule", "[solvers][optimizers]") {
  CHECK(largest(minimize_quadratic<double>(gavel::sgd<double>(3), 300, 0.3)) < 1e-9);
  CHECK(largest(minimize_quadratic<double>(gavel::sgd<double>(3, {.momentum = 0.9}), 600, 0.05)) < 1e-9);
  CHECK(largest(minimize_quadratic<double>(gavel::sgd<double>(3, {.momentum = 0.9, .nesterov = true}), 600, 0.05)) < 1e-9);
  CHECK(largest(minimize_quadratic<float>(gavel::sgd<float>(3, {.momentum = 0.5}), 300, 0.1)) < 1e-5);
  CHECK(largest(minimize_quadratic<double>(gavel::adam<double>(3), 2000, 0.05)) < 1e-6);
  CHECK(largest(minimize_quadratic<float>(gavel::adam<float>(3), 2000, 0.05)) < 1e-5);
  CHECK(largest(minimize_quadratic<double>(sign_descent{}, 2000, 0.05)) < 1e-3);
}

TEST_CASE("Optimisers are values", "[solvers][optimizers]") {
  const auto check = [](auto optimizer) {
    std::vector<double> x{3.0, -1.0, 0.5};
    const std::vector<double> gradient{1.0, -1.0, 2.0};
    optimizer.step(x, gradient, 0.1);
    auto copy = optimizer;
    std::vector<double> y = x;
    CHECK(copy == optimizer);
    copy.step(y, gradient, 0.1);
    CHECK_FALSE(copy == optimizer);
    optimizer.step(x, gradient, 0.1);
    CHECK(copy == optimizer);
    CHECK(x == y);
  };
  check(gavel::sgd<double>(3));
  check(gavel::sgd<double>(3, {.momentum = 0.9}));
  check(gavel::adam<double>(3));
  CHECK(sign_descent{} == sign_descent{});
  CHECK(without_rate{} == without_rate{});
  std::vector<double> none;
  gavel::sgd<double>().step(none, none);
  gavel::adam<double>().step(none, none);
}

TEST_CASE("Optimisers resume from their stored state", "[solvers][optimizers]") {
  const auto check = [](const auto& fresh, std::size_t cut) {
    auto whole = fresh;
    std::vector<double> x{3.0, -1.0, 0.5};
    const auto train = [](auto& optimizer, std::vector<double>& parameters, std::size_t steps) {
      for (std::size_t t = 0; t < steps; ++t) {
        const std::vector<double> gradient{parameters[0], std::sin(parameters[1]), 2.0 * parameters[2]};
        optimizer.step(parameters, gradient, 0.1);
      }
    };
    train(whole, x, cut);
    auto resumed = fresh;
    const auto stored = whole.state();
    resumed.restore(stored);
    CHECK(resumed == whole);
    CHECK(resumed.steps_taken() == cut);
    std::vector<double> y = x;
    train(whole, x, 5);
    train(resumed, y, 5);
    CHECK(x == y);
    CHECK(resumed == whole);
  };
  for (const std::size_t cut : {std::size_t{0}, std::size_t{1}, std::size_t{7}}) {
    check(gavel::sgd<double>(3), cut);
    check(gavel::sgd<double>(3, {.momentum = 0.9, .nesterov = true}), cut);
    check(gavel::adam<double>(3, {.weight_decay = 0.1}), cut);
  }
  gavel::sgd<double> plain(3);
  CHECK(message_of([&] { plain.restore({.velocity = {1.0}}); }) ==
        "gavel::sgd::restore: state.velocity.size() = 1, must equal state().velocity.size() 0");
  gavel::sgd<double> heavy(3, {.momentum = 0.9});
  CHECK(message_of([&] { heavy.restore({}); }) == "gavel::sgd::restore: state.velocity.size() = 0, must equal state().velocity.size() 3");
  gavel::adam<double> adaptive(2);
  CHECK(message_of([&] { adaptive.restore({.mean = {1.0}, .square = {1.0, 1.0}}); }) ==
        "gavel::adam::restore: state.mean.size() = 1, must equal size 2");
  CHECK(message_of([&] { adaptive.restore({.mean = {1.0, 1.0}, .square = {1.0}}); }) ==
        "gavel::adam::restore: state.square.size() = 1, must equal size 2");
  CHECK(message_of([&] { heavy.restore({.velocity = {1.0, not_a_number, 1.0}}); }) ==
        "domain: gavel::sgd::restore: state.velocity[1] = nan, must be finite");
  CHECK(message_of([&] { adaptive.restore({.mean = {1.0, not_a_number}, .square = {1.0, 1.0}}); }) ==
        "domain: gavel::adam::restore: state.mean[1] = nan, must be finite");
  CHECK(message_of([&] { adaptive.restore({.mean = {1.0, 1.0}, .square = {1.0, -1.0}}); }) ==
        "gavel::adam::restore: state.square[1] = -1, must be finite and >= 0");
  CHECK(adaptive == gavel::adam<double>(2));
}

TEST_CASE("Steps allocate nothing", "[solvers][optimizers]") {
  gavel::sgd<double> heavy(1000, {.momentum = 0.9});
  gavel::adam<double> adaptive(1000);
  std::vector<double> x(1000, 1.0);
  const std::vector<double> gradient(1000, 0.5);
  const std::size_t before = gavel::testing::allocation_count();
  heavy.step(x, gradient);
  adaptive.step(x, gradient, 0.1);
  CHECK(gavel::testing::allocation_count() == before);
}

TEST_CASE("Optimisers: bad options are named", "[solvers][optimizers][errors]") {
  CHECK(message_of([] { gavel::adam<double>(1, {.learning_rate = -1.0}); }) == "gavel::adam: learning_rate = -1, must be finite and >= 0");
  CHECK(message_of([] { gavel::adam<double>(1, {.learning_rate = not_a_number}); }) ==
        "domain: gavel::adam: learning_rate = nan, must be finite and >= 0");
  CHECK(message_of([] { gavel::adam<double>(1, {.beta1 = 1.0}); }) == "gavel::adam: beta1 = 1, must be in [0, 1)");
  CHECK(message_of([] { gavel::adam<double>(1, {.beta2 = -0.5}); }) == "gavel::adam: beta2 = -0.5, must be in [0, 1)");
  CHECK(message_of([] { gavel::adam<double>(1, {.epsilon = 0.0}); }) == "gavel::adam: epsilon = 0, must be finite and > 0");
  CHECK(message_of([] { gavel::adam<double>(1, {.epsilon = infinite}); }) == "gavel::adam: epsilon = inf, must be finite and > 0");
  CHECK(message_of([] { gavel::adam<double>(1, {.weight_decay = -0.5}); }) == "gavel::adam: weight_decay = -0.5, must be finite and >= 0");
  CHECK(message_of([] { gavel::sgd<double>(1, {.learning_rate = infinite}); }) ==
        "gavel::sgd: learning_rate = inf, must be finite and >= 0");
  CHECK(message_of([] { gavel::sgd<double>(1, {.momentum = 1.0}); }) == "gavel::sgd: momentum = 1, must be in [0, 1)");
  CHECK(message_of([] { gavel::sgd<double>(1, {.momentum = not_a_number}); }) == "domain: gavel::sgd: momentum = nan, must be in [0, 1)");
  CHECK(message_of([] { gavel::sgd<double>(1, {.nesterov = true}); }) == "gavel::sgd: momentum = 0, must be > 0 for Nesterov's step");
  CHECK(message_of([] { gavel::sgd<double>(1, {.weight_decay = -1.0}); }) == "gavel::sgd: weight_decay = -1, must be finite and >= 0");
}

TEST_CASE("sgd_options and adam_options: defaults", "[solvers][optimizers]") {
  CHECK(gavel::sgd_options{} == gavel::sgd_options{.learning_rate = 1e-3, .momentum = 0.0, .nesterov = false, .weight_decay = 0.0});
  CHECK(gavel::adam_options{} ==
        gavel::adam_options{.learning_rate = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8, .weight_decay = 0.0});
}

TEST_CASE("Optimisers: a step that throws changes nothing", "[solvers][optimizers][errors]") {
  const auto check = [](auto optimizer, const std::string& name) {
    const auto before = optimizer;
    std::vector<double> two(2, 1.0);
    const std::vector<double> one(1);
    CHECK(message_of([&] { optimizer.step(std::span<double>(two).first(1), two); }) == name + ": parameters.size() = 1, must equal size 2");
    CHECK(message_of([&] { optimizer.step(two, one); }) == name + ": gradient.size() = 1, must equal size 2");
    CHECK(message_of([&] { optimizer.step(two, two, -1.0); }) == name + ": rate = -1, must be finite and >= 0");
    CHECK(message_of([&] { optimizer.step(two, two, not_a_number); }) == "domain: " + name + ": rate = nan, must be finite and >= 0");
    CHECK(message_of([&] { optimizer.step(two, two, infinite); }) == name + ": rate = inf, must be finite and >= 0");
    CHECK(optimizer == before);
    CHECK(two == std::vector<double>{1.0, 1.0});
  };
  check(gavel::sgd<double>(2, {.momentum = 0.9}), "gavel::sgd::step");
  check(gavel::adam<double>(2), "gavel::adam::step");
}

TEST_CASE("Momentum and weight decay may differ from step to step", "[solvers][optimizers]") {
  const double momenta[] = {0.9, 0.0, 0.5, 0.8}, decays[] = {0.0, 0.1, 0.3, 0.2}, rates[] = {0.1, 0.2, 0.05, 0.3};
  const double gradients[] = {1.0, -2.0, 0.5, 3.0};
  for (const bool nesterov : {false, true}) {
    gavel::sgd<double> heavy(1, {.momentum = 0.7, .nesterov = nesterov, .weight_decay = 0.4});
    gavel::adam<double> adaptive(1, {.beta1 = 0.7, .weight_decay = 0.4});
    std::vector<double> p{2.0}, q{2.0};
    double value = 2.0, velocity = 0.0, other = 2.0, mean = 0.0, square = 0.0;
    for (std::size_t t = 0; t < 4; ++t) {
      const gavel::optimizer_step_options now{.rate = rates[t], .momentum = momenta[t], .weight_decay = decays[t]};
      heavy.step(p, std::span<const double>(gradients + t, 1), now);
      adaptive.step(q, std::span<const double>(gradients + t, 1), now);
      const double slope = gradients[t] + decays[t] * value;
      velocity = momenta[t] * velocity + slope;
      value -= rates[t] * (nesterov ? slope + momenta[t] * velocity : velocity);
      mean = momenta[t] * mean + (1.0 - momenta[t]) * gradients[t];
      square = 0.999 * square + 0.001 * gradients[t] * gradients[t];
      const double time = static_cast<double>(t + 1);
      const double direction = mean / (1.0 - std::pow(momenta[t], time)) / (std::sqrt(square / (1.0 - std::pow(0.999, time))) + 1e-8);
      other -= rates[t] * (direction + decays[t] * other);
      CHECK(p[0] == Approx(value).epsilon(1e-14));
      CHECK(q[0] == Approx(other).epsilon(1e-14));
    }
  }
  // What a step does not set is what the optimiser was made with.
  const std::vector<double> gradient{1.0, -1.0};
  const auto same = [&](auto by_rate) {
    auto by_options = by_rate;
    std::vector<double> a{1.0, 2.0}, b = a;
    for (int t = 0; t < 3; ++t) {
      by_rate.step(a, gradient, 0.1);
      by_options.step(b, gradient, {.rate = 0.1});
    }
    CHECK(a == b);
    CHECK(by_rate == by_options);
  };
  same(gavel::sgd<double>(2, {.momentum = 0.9, .weight_decay = 0.1}));
  same(gavel::adam<double>(2, {.beta1 = 0.8, .weight_decay = 0.1}));
  static_assert(gavel::optimizer_step_options{} == gavel::optimizer_step_options{0.0, std::nullopt, std::nullopt});

  gavel::sgd<double> plain(2), heavy(2, {.momentum = 0.9});
  gavel::adam<double> adaptive(2);
  std::vector<double> p{1.0, 2.0};
  const auto refused = [&](auto& optimizer, const gavel::optimizer_step_options& now) {
    const auto before = optimizer;
    const std::string message = message_of([&] { optimizer.step(p, gradient, now); });
    CHECK(optimizer == before);
    CHECK(p == std::vector<double>{1.0, 2.0});
    return message;
  };
  CHECK(refused(heavy, {.rate = 0.1, .momentum = 1.0}) == "gavel::sgd::step: momentum = 1, must be in [0, 1)");
  CHECK(refused(heavy, {.rate = 0.1, .weight_decay = -1.0}) == "gavel::sgd::step: weight_decay = -1, must be finite and >= 0");
  CHECK(refused(heavy, {.rate = -0.1}) == "gavel::sgd::step: rate = -0.1, must be finite and >= 0");
  CHECK(refused(plain, {.rate = 0.1, .momentum = 0.9}) == "gavel::sgd::step: momentum = 0.9, must be 0 in an optimiser made without it");
  CHECK(refused(adaptive, {.rate = 0.1, .momentum = not_a_number}) == "domain: gavel::adam::step: momentum = nan, must be in [0, 1)");
  CHECK(refused(adaptive, {.rate = 0.1, .weight_decay = infinite}) == "gavel::adam::step: weight_decay = inf, must be finite and >= 0");
}

TEST_CASE("optimizers that were moved from have no parameters, as fresh ones", "[solvers][optimizers]") {
  std::vector<double> parameters(2, 1.0);
  const auto check = [&](auto optimizer, const std::string& name) {
    optimizer.step(parameters, parameters);
    auto heir = std::move(optimizer);
    heir.step(parameters, parameters);
    CHECK(message_of([&] { optimizer.step(parameters, parameters); }) == name + ": parameters.size() = 2, must equal size 0");
  };
  check(gavel::sgd<double>(2, {.momentum = 0.9}), "gavel::sgd::step");
  check(gavel::adam<double>(2), "gavel::adam::step");
}

}  // namespace optimizers_test
