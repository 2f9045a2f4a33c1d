// SPDX-License-Identifier: MIT
#include <gavel/solvers/levenberg_marquardt.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/core/random.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace levenberg_marquardt_test {

using gavel::huber_loss;
using gavel::huber_weight;
using gavel::infinity;
using gavel::levenberg_marquardt;
using gavel::levenberg_marquardt_status;
using gavel::testing::message_of;
using gavel::testing::not_a_number;

namespace {

using pair = std::array<double, 2>;
using triple = std::array<double, 3>;

// a exp(-b t) + c at some times, with noise.
struct decay {
  std::vector<double> times, values;

  decay(std::size_t n, const triple& truth, double noise, gavel::philox4x32& rng) {
    for (std::size_t i = 0; i < n; ++i) {
      times.push_back(4.0 * static_cast<double>(i) / static_cast<double>(n));
      values.push_back(truth[0] * std::exp(-truth[1] * times[i]) + truth[2] + noise * gavel::normal(rng));
    }
  }
  void operator()(const triple& x, std::span<double> r, std::span<triple> slopes) const {
    for (std::size_t i = 0; i < times.size(); ++i) {
      const double power = std::exp(-x[1] * times[i]);
      r[i] = x[0] * power + x[2] - values[i];
      if (!slopes.empty()) slopes[i] = {power, -x[0] * times[i] * power, 1.0};
    }
  }
  [[nodiscard]] double objective(const triple& x, double delta = infinity) const {
    std::vector<double> r(times.size());
    (*this)(x, r, {});
    double sum = 0.0;
    for (const double one : r) sum += huber_loss(one, delta);
    return sum;
  }
  [[nodiscard]] triple gradient(const triple& x, double delta = infinity) const {
    std::vector<double> r(times.size());
    std::vector<triple> slopes(times.size());
    (*this)(x, r, slopes);
    triple sum{};
    for (std::size_t i = 0; i < r.size(); ++i) {
      for (std::size_t j = 0; j < 3; ++j) sum[j] += huber_weight(r[i], delta) * r[i] * slopes[i][j];
    }
    return sum;
  }
};

// Rosenbrock's function as two residuals.
void valley(const pair& x, std::span<double> r, std::span<pair> slopes) {
  r[0] = 10.0 * (x[1] - x[0] * x[0]), r[1] = 1.0 - x[0];
  if (!slopes.empty()) slopes[0] = {-20.0 * x[0], 10.0}, slopes[1] = {-1.0, 0.0};
}

}  // namespace

TEST_CASE("Huber's loss is a parabola with straight arms", "[solvers][levenberg_marquardt]") {
  CHECK(huber_loss(0.5, 1.0) == 0.125);
  CHECK(huber_loss(-3.0, 1.0) == 2.5);
  CHECK(huber_loss(-3.0, infinity) == 4.5);
  CHECK(huber_weight(0.5, 1.0) == 1.0);
  CHECK(huber_weight(-4.0, 1.0) == 0.25);
  CHECK(huber_weight(1e9, infinity) == 1.0);
  for (const double r : {-2.0, -0.3, 0.7, 5.0}) {  // the weight is the slope over the residual
    CHECK((huber_loss(r + 1e-6, 1.0) - huber_loss(r - 1e-6, 1.0)) / 2e-6 == Approx(huber_weight(r, 1.0) * r).epsilon(1e-8));
  }
}

TEST_CASE("A curved valley and a curve through its data", "[solvers][levenberg_marquardt]") {
  const auto found = levenberg_marquardt<2>({-1.2, 1.0}, 2, valley);
  CHECK(found.status == levenberg_marquardt_status::converged);
  CHECK(found.point[0] == Approx(1.0).epsilon(1e-12));
  CHECK(found.point[1] == Approx(1.0).epsilon(1e-12));
  CHECK(found.iterations < 40);
  gavel::philox4x32 rng(1);
  const triple truth = {2.0, 1.3, 0.5};
  const decay exact(30, truth, 0.0, rng);
  for (const triple& start : {triple{1.0, 1.0, 0.0}, triple{10.0, 0.1, -5.0}, triple{0.1, 4.0, 3.0}}) {
    const auto fit = levenberg_marquardt<3>(start, 30, exact);
    CHECK(fit.status == levenberg_marquardt_status::converged);
    for (std::size_t j = 0; j < 3; ++j) CHECK(fit.point[j] == Approx(truth[j]).epsilon(1e-9));
  }
}

TEST_CASE("At the minimum the slope is 0, for squares and for Huber's loss either way", "[solvers][levenberg_marquardt]") {
  gavel::philox4x32 rng(2);
  std::size_t weighted_steps = 0, newton_steps = 0;
  for (int set = 0; set < 20; ++set) {
    decay data(40, {2.0, 1.3, 0.5}, 0.05, rng);
    data.values[7] += 3.0;  // beyond delta
    for (const double delta : {infinity, 0.05}) {
      for (const bool reweighted : {true, false}) {
        const auto rough = levenberg_marquardt<3>({1.0, 1.0, 0.0}, 40, data, {.huber_delta = delta});
        const auto fit =
            levenberg_marquardt<3>(rough.point, 40, data, {.huber_delta = delta, .reweighted = reweighted, .tolerance = 1e-15});
        CHECK(fit.status == levenberg_marquardt_status::converged);
        CHECK(fit.objective == Approx(data.objective(fit.point, delta)).epsilon(1e-13));
        for (const double slope : data.gradient(fit.point, delta)) CHECK(std::abs(slope) < 1e-6);
      }
    }
    const auto squares = levenberg_marquardt<3>({1.0, 1.0, 0.0}, 40, data);
    const auto robust = levenberg_marquardt<3>({1.0, 1.0, 0.0}, 40, data, {.huber_delta = 0.05});
    CHECK(std::abs(robust.point[1] - 1.3) < std::abs(squares.point[1] - 1.3));
    // With half of the residuals outside, weights creep where Newton's method runs.
    const auto near = levenberg_marquardt<3>(robust.point, 40, data, {.huber_delta = 0.03, .tolerance = 1e-4});
    const auto weighted = levenberg_marquardt<3>(near.point, 40, data, {.huber_delta = 0.03, .tolerance = 1e-14});
    const auto newton = levenberg_marquardt<3>(near.point, 40, data, {.huber_delta = 0.03, .reweighted = false, .tolerance = 1e-14});
    CHECK(newton.objective == Approx(weighted.objective).epsilon(1e-10));
    weighted_steps += weighted.iterations;
    newton_steps += newton.iterations;
  }
  INFO("steps: " << weighted_steps << " and " << newton_steps);
  CHECK(newton_steps < weighted_steps / 2);
}

TEST_CASE("Inside a box the optimality conditions hold", "[solvers][levenberg_marquardt]") {
  gavel::philox4x32 rng(3);
  const decay data(40, {2.0, 1.3, 0.5}, 0.05, rng);
  const auto below = levenberg_marquardt<3>({9.0, 9.0, 9.0}, 40, data, {.lower = {0.0, 0.0, 0.0}, .upper = {1.5, infinity, infinity}});
  CHECK(below.point[0] == 1.5);
  const triple slope = data.gradient(below.point);
  CHECK(slope[0] < 0.0);
  CHECK(std::abs(slope[1]) < 1e-5);
  CHECK(std::abs(slope[2]) < 1e-5);
  const auto fixed =
      levenberg_marquardt<3>({2.0, 1.0, 0.0}, 40, data, {.lower = {-infinity, 0.7, 0.6}, .upper = {infinity, 0.7, infinity}});
  CHECK(fixed.point[1] == 0.7);
  CHECK(std::abs(data.gradient(fixed.point)[0]) < 1e-5);
}

TEST_CASE("Every further step is no worse, and damping hides no narrow valley", "[solvers][levenberg_marquardt]") {
  gavel::philox4x32 rng(4);
  const decay data(40, {2.0, 1.3, 0.5}, 0.05, rng);
  double last = infinity;
  for (std::size_t steps = 0; steps < 15; ++steps) {
    const auto cut = levenberg_marquardt<3>({10.0, 0.1, -5.0}, 40, data, {.max_iterations = steps});
    CHECK(cut.iterations <= steps);
    CHECK(cut.objective <= last);
    last = cut.objective;
  }
  // Two columns that differ by 1e-4: with the first damping a step promises nothing, though the minimum is 2 % lower.
  const auto nearly = [](const pair& x, std::span<double> r, std::span<pair> slopes) {
    constexpr double rest[] = {1e-3, 0.0, 0.0, 0.0, -1e-3, -1e-3, 0.0, 0.0, 0.0, 1e-3};  // that no column explains
    for (std::size_t i = 0; i < 10; ++i) {
      const double other = 1.0 + 1e-5 * static_cast<double>(i);
      r[i] = (x[0] - 3.0) + (x[1] + 2.0) * other + rest[i];
      if (!slopes.empty()) slopes[i] = {1.0, other};
    }
  };
  const auto found = levenberg_marquardt<2>({0.0, 1.0}, 10, nearly, {.tolerance = 1e-4});
  CHECK(found.status == levenberg_marquardt_status::converged);
  CHECK(found.objective == Approx(2e-6).epsilon(1e-4));
}

TEST_CASE("One step solves the damped normal equations", "[solvers][levenberg_marquardt]") {
  // r = (x - 3, 2 y + 1, x + y): from (1, 2) J'r = (1, 13), J'J = [[2, 1], [1, 5]], its diagonal grown by the first damping, 1e-3.
  const auto linear = [](const pair& x, std::span<double> r, std::span<pair> slopes) {
    r[0] = x[0] - 3.0, r[1] = 2.0 * x[1] + 1.0, r[2] = x[0] + x[1];
    if (!slopes.empty()) slopes[0] = {1.0, 0.0}, slopes[1] = {0.0, 2.0}, slopes[2] = {1.0, 1.0};
  };
  const auto step = [&](double damping, const pair& from) {
    const double gx = (from[0] - 3.0) + (from[0] + from[1]), gy = 2.0 * (2.0 * from[1] + 1.0) + (from[0] + from[1]);
    const double a = 2.0 * (1.0 + damping), c = 5.0 * (1.0 + damping), det = a * c - 1.0;
    return pair{from[0] - (c * gx - gy) / det, from[1] - (a * gy - gx) / det};
  };
  pair at = {1.0, 2.0};
  for (const auto& [steps, damping] : {std::pair<std::size_t, double>{1, 1e-3}, {2, 1e-4}}) {  // a success divides it by 10
    at = step(damping, at);
    const auto now = levenberg_marquardt<2>({1.0, 2.0}, 3, linear, {.max_iterations = steps});
    CHECK(now.status == levenberg_marquardt_status::iteration_limit);
    CHECK(now.iterations == steps);
    for (std::size_t j = 0; j < 2; ++j) CHECK(now.point[j] == Approx(at[j]).epsilon(1e-12));
  }
  // The end: the promise of a step is at most the tolerance, relative to the objective or absolute.
  const auto end = levenberg_marquardt<2>({1.0, 2.0}, 3, linear);
  CHECK(end.point[0] == Approx(17.0 / 9.0).epsilon(1e-9));
  CHECK(end.point[1] == Approx(-7.0 / 9.0).epsilon(1e-9));
  CHECK(levenberg_marquardt<2>({1.0, 2.0}, 3, linear, {.tolerance = 0.0, .absolute_tolerance = 100.0}).iterations == 1);
  CHECK(levenberg_marquardt<2>({1.0, 2.0}, 3, linear, {.tolerance = 10.0}).iterations == 1);
  CHECK(levenberg_marquardt<2>(end.point, 3, linear).iterations == 1);
}

TEST_CASE("levenberg_marquardt_options: defaults", "[solvers][levenberg_marquardt]") {
  const gavel::levenberg_marquardt_options<2> defaults;
  CHECK(defaults.lower == pair{-infinity, -infinity});
  CHECK(defaults.upper == pair{infinity, infinity});
  CHECK(defaults.huber_delta == infinity);
  CHECK(defaults.reweighted);
  CHECK(defaults.tolerance == 1e-12);
  CHECK(defaults.absolute_tolerance == 0.0);
  CHECK(defaults.max_iterations == 100);
}

TEST_CASE("Where residuals are undefined the step is shortened", "[solvers][levenberg_marquardt]") {
  const auto root = [](const std::array<double, 1>& x, std::span<double> r, std::span<std::array<double, 1>> slopes) {
    r[0] = std::sqrt(x[0]) - 0.1;  // NaN below 0
    if (!slopes.empty()) slopes[0] = {0.5 / std::sqrt(x[0])};
  };
  const auto found = levenberg_marquardt<1>({9.0}, 1, root);
  CHECK(found.status == levenberg_marquardt_status::converged);
  CHECK(found.point[0] == Approx(0.01).epsilon(1e-9));
  const auto lost = levenberg_marquardt<1>({-1.0}, 1, root);
  CHECK(lost.status == levenberg_marquardt_status::undefined_start);
  CHECK(lost.objective == infinity);
  CHECK(lost.point[0] == -1.0);
  CHECK(levenberg_marquardt<2>({-1.2, 1.0}, 2, valley, {.max_iterations = 2}).status == levenberg_marquardt_status::iteration_limit);
}

TEST_CASE("Arguments of the fit are checked", "[solvers][levenberg_marquardt]") {
  const pair x{};
  CHECK(message_of([&] { (void)levenberg_marquardt<2>(x, 0, valley); }) == "gavel::levenberg_marquardt: n_residuals = 0, must be >= 1");
  CHECK(message_of([&] { (void)levenberg_marquardt<2>({0.0, not_a_number}, 2, valley); }) ==
        "domain: gavel::levenberg_marquardt: start[1] = nan, must not be NaN");
  CHECK(message_of([&] { (void)levenberg_marquardt<2>(x, 2, valley, {.lower = {0.0, 2.0}, .upper = {1.0, 1.0}}); }) ==
        "gavel::levenberg_marquardt: lower[1] = 2, must be <= upper 1");
  CHECK(message_of([&] { (void)levenberg_marquardt<2>(x, 2, valley, {.upper = {1.0, not_a_number}}); }) ==
        "domain: gavel::levenberg_marquardt: lower[1] = -inf, must be <= upper nan");
  CHECK(message_of([&] { (void)levenberg_marquardt<2>(x, 2, valley, {.huber_delta = 0.0}); }) ==
        "gavel::levenberg_marquardt: huber_delta = 0, must be > 0");
  CHECK(message_of([&] { (void)levenberg_marquardt<2>(x, 2, valley, {.tolerance = -1.0}); }) ==
        "gavel::levenberg_marquardt: tolerance = -1, must be >= 0");
  CHECK(message_of([&] { (void)levenberg_marquardt<2>(x, 2, valley, {.absolute_tolerance = not_a_number}); }) ==
        "domain: gavel::levenberg_marquardt: absolute_tolerance = nan, must be >= 0");
}

}  // namespace levenberg_marquardt_test
