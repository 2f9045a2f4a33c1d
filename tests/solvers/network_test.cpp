// SPDX-License-Identifier: MIT
#define EIGEN_RUNTIME_NO_MALLOC
#include "support/catch.hpp"
#include "support/messages.hpp"

#include <gavel/solvers/network.hpp>
#include <gavel/core/philox.hpp>
#include <gavel/core/variates.hpp>

#include <Eigen/Core>
#include <unsupported/Eigen/AutoDiff>

#include <cmath>
#include <string>
#include <vector>

namespace network_test {

using gavel::testing::message_of;

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

TEST_CASE("SiLU and its slope", "[solvers][network]") {
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

TEST_CASE("dense layer: values against plain loops", "[solvers][network]") {
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

TEST_CASE("dense layer: backward pass against central differences", "[solvers][network]") {
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

TEST_CASE("dense layer: one sample takes no allocation", "[solvers][network]") {
  const std::vector<double> parameters = normals(64 * 64 + 64, 6);
  const Eigen::VectorXd x = Eigen::Map<const Eigen::VectorXd>(normals(64, 7).data(), 64);
  Eigen::VectorXd y(64);
  Eigen::internal::set_is_malloc_allowed(false);
  const_layer(parameters, 64, 64).forward(x, y);
  Eigen::internal::set_is_malloc_allowed(true);
  CHECK(y.allFinite());
}

TEST_CASE("network pieces: bad input is named", "[solvers][network][errors]") {
  std::vector<double> parameters(14);
  CHECK(message_of([&] { layer(parameters, 3, 4); }) == "gavel::dense_layer: parameters.size() = 14, must be >= 15");
  CHECK(message_of([&] { layer(parameters, 0, 4); }) == "gavel::dense_layer: outputs = 0, must be >= 1");
  CHECK(message_of([&] { layer(parameters, 3, 0); }) == "gavel::dense_layer: inputs = 0, must be >= 1");
}

}  // namespace network_test
