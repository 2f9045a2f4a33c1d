// SPDX-License-Identifier: MIT
#define EIGEN_RUNTIME_NO_MALLOC
#include "support/catch.hpp"
#include "support/messages.hpp"

#include <gavel/core/network.hpp>
#include <gavel/core/philox.hpp>
#include <gavel/core/variates.hpp>

#include <Eigen/Core>
#include <unsupported/Eigen/AutoDiff>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

using gavel::testing::message_of;

using Catch::Matchers::Message;

namespace {

std::vector<double> normals(std::size_t n, std::uint64_t seed) {
  gavel::philox4x32 rng(seed);
  std::vector<double> values(n);
  for (double& value : values) value = gavel::normal(rng);
  return values;
}

using layer = gavel::dense_layer<double>;
using const_layer = gavel::dense_layer<const double>;

}  // namespace

TEST_CASE("SiLU and its slope", "[core][network]") {
  CHECK(gavel::silu(0.0) == 0.0);
  CHECK(gavel::silu(1.0) == Approx(1.0 / (1.0 + std::exp(-1.0))).epsilon(1e-15));
  CHECK(gavel::silu(-800.0) == Approx(0.0).margin(1e-300));
  CHECK(gavel::silu(800.0) == 800.0);
  CHECK(gavel::silu_slope(0.0) == 0.5);
  using scalar = Eigen::AutoDiffScalar<Eigen::Matrix<double, 1, 1>>;
  for (double x = -30.0; x <= 30.0; x += 0.37) {
    const scalar value = gavel::silu(scalar(x, 1, 0));
    CHECK(gavel::silu(x) == Approx(value.value()).epsilon(1e-14));
    CHECK(gavel::silu_slope(x) == Approx(value.derivatives()(0)).epsilon(1e-12).margin(1e-14));
    const double step = 1e-5;
    CHECK(gavel::silu_slope(x) == Approx((gavel::silu(x + step) - gavel::silu(x - step)) / (2.0 * step)).margin(1e-9));
  }
  CHECK(gavel::silu(1.5f) == Approx(gavel::silu(1.5)).epsilon(1e-6));
}

TEST_CASE("dense layer: values against plain loops", "[core][network]") {
  constexpr std::size_t outputs = 3;
  constexpr std::size_t inputs = 4;
  constexpr std::size_t samples = 5;
  REQUIRE(layer::parameter_count(outputs, inputs) == 15);
  const std::vector<double> parameters = normals(15, 1);
  const const_layer dense(parameters, outputs, inputs);
  CHECK(dense.outputs() == outputs);
  CHECK(dense.inputs() == inputs);
  const std::vector<double> x = normals(inputs * samples, 2);
  Eigen::MatrixXd y(3, 5);
  dense.forward(Eigen::Map<const Eigen::MatrixXd>(x.data(), 4, 5), y);
  for (std::size_t s = 0; s < samples; ++s) {
    for (std::size_t o = 0; o < outputs; ++o) {
      double sum = parameters[outputs * inputs + o];
      for (std::size_t i = 0; i < inputs; ++i) sum += parameters[i * outputs + o] * x[s * inputs + i];  // W column by column
      CHECK(y(static_cast<Eigen::Index>(o), static_cast<Eigen::Index>(s)) == Approx(sum).epsilon(1e-14));
    }
  }
}

TEST_CASE("dense layer: backward pass against central differences", "[core][network]") {
  std::vector<double> parameters = normals(15, 3);
  Eigen::MatrixXd x = Eigen::Map<const Eigen::MatrixXd>(normals(20, 4).data(), 4, 5);
  const Eigen::MatrixXd slope = Eigen::Map<const Eigen::MatrixXd>(normals(15, 5).data(), 3, 5);
  const auto loss = [&] {
    Eigen::MatrixXd y(3, 5);
    layer(parameters, 3, 4).forward(x, y);
    return (y.array() * slope.array()).sum();
  };
  std::vector<double> gradient(15, 0.25);  // adds to what is there
  layer::accumulate_gradient(x, slope, layer(gradient, 3, 4));
  const double step = 1e-5;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const double kept = parameters[i];
    parameters[i] = kept + step;
    const double above = loss();
    parameters[i] = kept - step;
    const double below = loss();
    parameters[i] = kept;
    CHECK(gradient[i] - 0.25 == Approx((above - below) / (2.0 * step)).margin(1e-8));
  }
  Eigen::MatrixXd x_slope(4, 5);
  layer(parameters, 3, 4).backward(slope, x_slope);
  for (Eigen::Index i = 0; i < x.size(); ++i) {
    const double kept = x(i);
    x(i) = kept + step;
    const double above = loss();
    x(i) = kept - step;
    const double below = loss();
    x(i) = kept;
    CHECK(x_slope(i) == Approx((above - below) / (2.0 * step)).margin(1e-8));
  }
}

TEST_CASE("dense layer: one sample takes no allocation", "[core][network]") {
  const std::vector<double> parameters = normals(64 * 64 + 64, 6);
  const Eigen::VectorXd x = Eigen::Map<const Eigen::VectorXd>(normals(64, 7).data(), 64);
  Eigen::VectorXd y(64);
  Eigen::internal::set_is_malloc_allowed(false);
  const_layer(parameters, 64, 64).forward(x, y);
  Eigen::internal::set_is_malloc_allowed(true);
  CHECK(y.allFinite());
}

TEST_CASE("Adam follows the published recursion", "[core][network]") {
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
  CHECK(optimizer.steps() == 20);
  // The first step has the size of the learning rate, whatever the gradient's scale.
  for (const double scale : {1e-4, 1.0, 1e4}) {
    gavel::adam<float> first(1, {.learning_rate = 0.01});
    std::vector<float> x{0.0f};
    first.step(x, std::vector<float>{static_cast<float>(scale)});
    CHECK(x[0] == Approx(-0.01).epsilon(1e-3));
  }
  // Decoupled decay shrinks a parameter that has no gradient.
  gavel::adam<double> decaying(1, {.learning_rate = 0.1, .weight_decay = 0.5});
  std::vector<double> x{2.0};
  decaying.step(x, std::vector<double>{0.0});
  CHECK(x[0] == Approx(1.9).epsilon(1e-14));
}

TEST_CASE("Adam reaches the minimum of a quadratic, and is a value", "[core][network]") {
  gavel::adam<double> optimizer(3, {.learning_rate = 0.05});
  std::vector<double> x{3.0, -1.0, 0.5};
  const std::vector<double> target{1.0, 2.0, -3.0};
  for (int t = 0; t < 2000; ++t) {
    std::vector<double> gradient(3);
    for (std::size_t i = 0; i < 3; ++i) gradient[i] = static_cast<double>(i + 1) * (x[i] - target[i]);
    optimizer.step(x, gradient);
  }
  for (std::size_t i = 0; i < 3; ++i) CHECK(x[i] == Approx(target[i]).margin(1e-3));
  gavel::adam<double> copy = optimizer;
  std::vector<double> y = x;
  const std::vector<double> gradient{1.0, -1.0, 2.0};
  copy.step(y, gradient);
  CHECK_FALSE(copy == optimizer);
  optimizer.step(x, gradient);
  CHECK(copy == optimizer);
  CHECK(x == y);
}

TEST_CASE("network pieces: bad input is named", "[core][network][errors]") {
  std::vector<double> parameters(14);
  CHECK(message_of([&] { layer(parameters, 3, 4); }) == "gavel::dense_layer: parameters.size() = 14, must be >= 15");
  CHECK(message_of([&] { layer(parameters, 0, 4); }) == "gavel::dense_layer: outputs = 0, must be >= 1");
  CHECK(message_of([&] { layer(parameters, 3, 0); }) == "gavel::dense_layer: inputs = 0, must be >= 1");
  CHECK(message_of([] { gavel::adam<double>(1, {.learning_rate = -1.0}); }) == "gavel::adam: learning_rate = -1, must be finite and >= 0");
  CHECK(message_of([] { gavel::adam<double>(1, {.beta1 = 1.0}); }) == "gavel::adam: beta1 = 1, must be in [0, 1)");
  CHECK(message_of([] { gavel::adam<double>(1, {.beta2 = -0.5}); }) == "gavel::adam: beta2 = -0.5, must be in [0, 1)");
  CHECK(message_of([] { gavel::adam<double>(1, {.epsilon = 0.0}); }) == "gavel::adam: epsilon = 0, must be > 0");
  CHECK(message_of([] { gavel::adam<double>(1, {.weight_decay = -0.5}); }) == "gavel::adam: weight_decay = -0.5, must be >= 0");
  CHECK_THROWS_MATCHES(gavel::adam<double>(1, {.learning_rate = std::numeric_limits<double>::quiet_NaN()}), std::invalid_argument,
                       Message("gavel::adam: learning_rate = nan, must be finite and >= 0"));
  gavel::adam<double> optimizer(2);
  const gavel::adam<double> before = optimizer;
  std::vector<double> two(2, 1.0);
  const std::vector<double> one(1);
  CHECK(message_of([&] { optimizer.step(std::span<double>(two).first(1), two); }) == "gavel::adam::step: parameters.size() = 1, must be 2");
  CHECK(message_of([&] { optimizer.step(two, one); }) == "gavel::adam::step: gradient.size() = 1, must be 2");
  CHECK(optimizer == before);
}
