// SPDX-License-Identifier: MIT
#include <gavel/solvers/lbfgs.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/core/random.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

namespace lbfgs_test {

using gavel::lbfgs;
using gavel::lbfgs_result;
using gavel::lbfgs_status;
using gavel::testing::message_of;
using gavel::testing::not_a_number;

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

double rosenbrock(std::span<const double> x, std::span<double> g) {
  double value = 0.0;
  for (double& slope : g) slope = 0.0;
  for (std::size_t i = 0; i + 1 < x.size(); ++i) {
    const double a = x[i + 1] - x[i] * x[i], b = 1.0 - x[i];
    value += 100.0 * a * a + b * b;
    g[i] += -400.0 * a * x[i] - 2.0 * b;
    g[i + 1] += 200.0 * a;
  }
  return value;
}

// sum_ij (x - c)_i A_ij (x - c)_j / 2 with A = B B^T + I.
struct quadratic {
  std::size_t n;
  std::vector<double> a, c;

  quadratic(std::size_t size, std::size_t seed) : n(size), a(size * size), c(size) {
    gavel::philox4x32 rng(seed);
    std::vector<double> b(n * n);
    for (double& v : b) v = 2.0 * gavel::uniform(rng) - 1.0;
    for (double& v : c) v = 4.0 * gavel::uniform(rng) - 2.0;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        for (std::size_t k = 0; k < n; ++k) a[i * n + j] += b[i * n + k] * b[j * n + k];
      }
      a[i * n + i] += 0.1;
    }
  }
  double operator()(std::span<const double> x, std::span<double> g) const {
    double value = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      g[i] = 0.0;
      for (std::size_t j = 0; j < n; ++j) g[i] += a[i * n + j] * (x[j] - c[j]);
      value += 0.5 * g[i] * (x[i] - c[i]);
    }
    return value;
  }
};

}  // namespace

TEST_CASE("Quadratics are solved to the last digits", "[solvers][lbfgs]") {
  for (std::size_t seed = 1; seed <= 20; ++seed) {
    const quadratic f(1 + seed, seed);
    const lbfgs_result r = lbfgs(std::vector<double>(f.n, 0.0), f, {.gradient_tolerance = 1e-11});
    CHECK(r.status == lbfgs_status::converged);
    CHECK(r.gradient_norm <= 1e-11);
    CHECK(r.iterations <= 25 * f.n);
    CHECK(r.evaluations >= r.iterations + 1);
    for (std::size_t i = 0; i < f.n; ++i) CHECK(r.x[i] == Approx(f.c[i]).margin(1e-8));
  }
}

TEST_CASE("A curved valley needs few evaluations", "[solvers][lbfgs]") {
  std::size_t calls = 0;
  auto f = [&](std::span<const double> x, std::span<double> g) { return ++calls, rosenbrock(x, g); };
  const lbfgs_result r = lbfgs(std::array{-1.2, 1.0}, f, {.gradient_tolerance = 1e-10});
  CHECK(r.status == lbfgs_status::converged);
  CHECK(r.x[0] == Approx(1.0).epsilon(1e-9));
  CHECK(r.x[1] == Approx(1.0).epsilon(1e-9));
  CHECK(r.value < 1e-18);
  CHECK(calls == r.evaluations);
  CHECK(calls < 80);

  std::vector<double> start(100);
  for (std::size_t i = 0; i < start.size(); ++i) start[i] = i % 2 == 0 ? -1.2 : 1.0;
  const lbfgs_result large = lbfgs(start, rosenbrock);
  CHECK(large.status == lbfgs_status::converged);
  CHECK(large.gradient_norm <= 1e-8);
  CHECK(large.evaluations < 1000);
}

TEST_CASE("Badly scaled variables and far starts converge", "[solvers][lbfgs]") {
  auto f = [](std::span<const double> x, std::span<double> g) {
    double value = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double weight = std::pow(10.0, static_cast<double>(i));
      value += 0.5 * weight * (x[i] - 1.0) * (x[i] - 1.0);
      g[i] = weight * (x[i] - 1.0);
    }
    return value;
  };
  const lbfgs_result r = lbfgs(std::vector<double>(7, 1e4), f, {.gradient_tolerance = 1e-7});
  CHECK(r.status == lbfgs_status::converged);
  for (const double x : r.x) CHECK(x == Approx(1.0).epsilon(1e-6));
  // A constant far above the changes of f: the last digits come from the gradient alone.
  auto lifted = [&](std::span<const double> x, std::span<double> g) { return 1e6 + rosenbrock(x, g); };
  const lbfgs_result high = lbfgs(std::array{-1.2, 1.0}, lifted, {.gradient_tolerance = 1e-7});
  CHECK(high.status == lbfgs_status::converged);
  CHECK(high.x[0] == Approx(1.0).epsilon(1e-6));
  CHECK(high.gradient_norm <= 1e-7);
}

TEST_CASE("On a box the optimality conditions hold", "[solvers][lbfgs]") {
  std::size_t at_a_bound = 0;
  for (std::size_t seed = 1; seed <= 60; ++seed) {
    const quadratic f(2 + seed % 12, seed);
    std::vector<double> lower(f.n, -0.5), upper(f.n, 0.75), start(f.n, 5.0), g(f.n);
    if (seed % 3 == 0) upper.assign(f.n, infinite);
    if (seed % 5 == 0) lower[0] = upper[0] = 0.25;
    auto inside = [&](std::span<const double> x, std::span<double> gradient) {
      for (std::size_t i = 0; i < f.n; ++i) CHECK((x[i] >= lower[i] && x[i] <= upper[i]));
      return f(x, gradient);
    };
    const lbfgs_result r = lbfgs(start, inside, {.lower = lower, .upper = upper, .gradient_tolerance = 1e-10});
    CHECK(r.status == lbfgs_status::converged);
    (void)f(r.x, g);
    for (std::size_t i = 0; i < f.n; ++i) {
      const bool low = r.x[i] == lower[i], high = r.x[i] == upper[i];
      at_a_bound += low || high ? 1 : 0;
      if (!low) CHECK(g[i] <= 1e-9);
      if (!high) CHECK(g[i] >= -1e-9);
    }
  }
  CHECK(at_a_bound > 100);
}

TEST_CASE("The bounded valley ends where its constraint says", "[solvers][lbfgs]") {
  const lbfgs_result r = lbfgs(std::array{-1.2, 1.0}, rosenbrock, {.upper = {0.5, infinite}, .gradient_tolerance = 1e-9});
  CHECK(r.status == lbfgs_status::converged);
  CHECK(r.x[0] == 0.5);
  CHECK(r.x[1] == Approx(0.25).epsilon(1e-8));
  CHECK(r.value == Approx(0.25).epsilon(1e-12));
  CHECK(lbfgs(std::array{7.0}, [](std::span<const double> x, std::span<double> g) { return g[0] = 1.0, x[0]; }, {.lower = {3.0}}).x[0] ==
        3.0);
}

TEST_CASE("Where f is undefined the step is shortened", "[solvers][lbfgs]") {
  auto f = [](std::span<const double> x, std::span<double> g) {  // minimum at 2, NaN below 0
    g[0] = 1.0 - 2.0 / x[0];
    return x[0] - 2.0 * std::log(x[0]);
  };
  for (const double start : {1e-3, 0.1, 1.0, 50.0}) {
    const lbfgs_result r = lbfgs(std::array{start}, f, {.gradient_tolerance = 1e-12});
    CHECK(r.status == lbfgs_status::converged);
    CHECK(r.x[0] == Approx(2.0).epsilon(1e-10));
    // With the bound where f becomes infinite.
    const lbfgs_result boxed = lbfgs(std::array{start}, f, {.lower = {0.0}, .gradient_tolerance = 1e-12});
    CHECK(boxed.status == lbfgs_status::converged);
    CHECK(boxed.x[0] == Approx(2.0).epsilon(1e-10));
  }
  auto undefined = [](std::span<const double>, std::span<double> g) { return g[0] = 0.0, infinite; };
  const lbfgs_result r = lbfgs(std::array{1.0}, undefined);
  CHECK(r.status == lbfgs_status::undefined_start);
  CHECK(r.x[0] == 1.0);
  CHECK(r.value == infinite);
  CHECK(r.gradient_norm == infinite);
  CHECK(r.evaluations == 1);
  auto bad_slope = [](std::span<const double> x, std::span<double> g) { return g[0] = not_a_number, x[0]; };
  CHECK(lbfgs(std::array{1.0}, bad_slope).status == lbfgs_status::undefined_start);
}

TEST_CASE("Failure is a status", "[solvers][lbfgs]") {
  const lbfgs_result cut = lbfgs(std::array{-1.2, 1.0}, rosenbrock, {.max_iterations = 3});
  CHECK(cut.status == lbfgs_status::iteration_limit);
  CHECK(cut.iterations == 3);
  CHECK(cut.value < 24.2);
  CHECK(lbfgs(std::array{1.0, 1.0}, rosenbrock, {.max_iterations = 0}).status == lbfgs_status::converged);
  // The gradient points the wrong way.
  auto wrong = [](std::span<const double> x, std::span<double> g) { return g[0] = -2.0 * x[0], x[0] * x[0]; };
  const lbfgs_result lost = lbfgs(std::array{1.0}, wrong);
  CHECK(lost.status == lbfgs_status::line_search_failed);
  CHECK(lost.x[0] == 1.0);
  // No minimum: f falls forever.
  auto falling = [](std::span<const double> x, std::span<double> g) { return g[0] = -1.0, -x[0]; };
  const lbfgs_result fell = lbfgs(std::array{0.0}, falling, {.max_iterations = 5});
  CHECK(fell.status != lbfgs_status::converged);
  CHECK(fell.value < -1e6);
  const lbfgs_result rough = lbfgs(std::array{-1.2, 1.0}, rosenbrock, {.gradient_tolerance = 0.0, .value_tolerance = 1e-3});
  CHECK(rough.status == lbfgs_status::converged);
}

TEST_CASE("The line search goes step by step as written", "[solvers][lbfgs]") {
  std::vector<double> tried;
  const auto trace = [&](double start, auto&& f, const gavel::lbfgs_options& options = {}) {
    tried.clear();
    return lbfgs(
        std::array{start}, [&](std::span<const double> x, std::span<double> g) { return tried.push_back(x[0]), f(x[0], g[0]); }, options);
  };
  const auto parabola = [](double half_curvature) {
    return [=](double x, double& g) { return g = 2.0 * half_curvature * x, half_curvature * x * x; };
  };
  // The first step follows the gradient, cut to length 1; the second knows the curvature and ends at the minimum.
  CHECK(trace(0.5, parabola(0.5)).iterations == 1);
  CHECK(tried == std::vector{0.5, 0.0});
  CHECK(trace(3.0, parabola(0.5)).iterations == 2);
  CHECK(tried == std::vector{3.0, 2.0, 0.0});
  // Too far: next comes the minimum of the parabola through both ends, which here is that of f, or a tenth of the way at least.
  CHECK(trace(0.25, parabola(2.0)).iterations == 1);
  CHECK(tried == std::vector{0.25, -0.75, 0.0});
  const lbfgs_result failed = trace(1.0 / 64.0, parabola(32.0), {.max_step_trials = 2});
  CHECK(tried == std::vector{1.0 / 64.0, -63.0 / 64.0, 1.0 / 64.0 - 0.1});
  CHECK(failed.status == lbfgs_status::line_search_failed);
  CHECK(failed.x[0] == 1.0 / 64.0);
  CHECK(failed.gradient_norm == 1.0);
  // Undefined there: a quarter of the way.
  CHECK(trace(0.5, [](double x, double& g) { return g = 1.0, x < 0.0 ? not_a_number : x; }, {.max_iterations = 1, .max_step_trials = 2})
            .x[0] == 0.25);
  CHECK(tried == std::vector{0.5, -0.5, 0.25, 0.25});
  // Still steep: four times as far, and the parabola then starts from the last steep point.
  const auto wall = [](double x, double& g) {
    const double beyond = x > 1.0 ? x - 1.0 : 0.0;
    return g = -1.0 + 28.0 / 9.0 * beyond, -x + 14.0 / 9.0 * beyond * beyond;
  };
  CHECK(trace(0.0, wall).iterations == 1);
  REQUIRE(tried.size() == 4);
  CHECK(tried[1] == 1.0);
  CHECK(tried[2] == 4.0);
  CHECK(tried[3] == Approx(1.0 + 9.0 / 28.0).epsilon(1e-15));
  // What is low enough and flat enough, to the last digit: f lower by 1e-4 of the promise, a tenth of the slope lost.
  const auto after_one_step = [&](double value, double slope) {
    const auto f = [=](double x, double& g) { return g = x == 0.0 ? -1.0 : slope, x == 0.0 ? 0.0 : value; };
    (void)trace(0.0, f, {.max_iterations = 1, .max_step_trials = 2});
    return tried;
  };
  CHECK(after_one_step(-1e-4, 0.0) == std::vector{0.0, 1.0});
  CHECK(after_one_step(-0.99e-4, 0.0)[2] == Approx(0.5 / (1.0 - 0.99e-4)).epsilon(1e-14));
  CHECK(after_one_step(-1.0, -0.9) == std::vector{0.0, 1.0});
  CHECK(after_one_step(-1.0, -0.91)[2] == 4.0);
  // Without trials left the steep point is taken if it is lower.
  const lbfgs_result steep = trace(0.0, wall, {.max_iterations = 1, .max_step_trials = 1});
  CHECK(steep.x[0] == 1.0);
  CHECK(steep.value == -1.0);
  CHECK(steep.iterations == 1);
  CHECK(steep.evaluations == 3);
}

TEST_CASE("Variables that lean on a bound follow the plain gradient", "[solvers][lbfgs]") {
  for (const double side : {1.0, -1.0}) {  // a bound below, a bound above, 2.5e-8 away: too far for the small gradient, near beside 3
    std::vector<double> moved;             // of the second variable, towards its bound
    const auto f = [&](std::span<const double> x, std::span<double> g) {
      moved.push_back(3.0 - side * x[1]);
      g[0] = 0.5 * x[0], g[1] = side * 1e-9;
      return 0.25 * x[0] * x[0] + side * 1e-9 * x[1];
    };
    const std::vector<double> bounds{-side * infinite, side * (3.0 - 2.5e-8)}, none;
    (void)lbfgs(std::array{1.0, side * 3.0}, f, {.lower = side > 0.0 ? bounds : none, .upper = side > 0.0 ? none : bounds});
    REQUIRE(moved.size() == 3);
    CHECK(moved[1] == Approx(1e-9).epsilon(1e-5));
    CHECK(moved[2] == Approx(3e-9).epsilon(1e-5));  // the first step has shown the scale 2; a free variable would go to 4e-9
  }
}

TEST_CASE("Without a slope what is remembered is dropped unsearched", "[solvers][lbfgs]") {
  // After the first step the only variable leans on its bound, 1e-9 away; on the bound f is higher, against its gradient.
  const auto f = [](std::span<const double> x, std::span<double> g) {
    return g[0] = x[0] == 1.0 ? 1.0 - 1e-9 : 0.5, x[0] > 0.0 ? x[0] : 2.0;
  };
  const lbfgs_result r = lbfgs(std::array{1.0}, f, {.lower = {0.0}, .gradient_tolerance = 0.0, .max_step_trials = 3});
  CHECK(r.status == lbfgs_status::line_search_failed);
  CHECK(r.iterations == 1);
  CHECK(r.evaluations == 5);  // the start, the step, and three trials of the plain gradient alone
}

TEST_CASE("A step that lowers f by no more than the tolerance is the last", "[solvers][lbfgs]") {
  for (const double shift : {0.0, -1.0}) {  // the step from 1 to 0.5 lowers f by 0.1875
    const auto f = [=](std::span<const double> x, std::span<double> g) { return g[0] = 0.5 * x[0], 0.25 * x[0] * x[0] + shift; };
    const double share = 0.1875 / std::abs(0.0625 + shift);
    const lbfgs_result last = lbfgs(std::array{1.0}, f, {.value_tolerance = share});
    CHECK(last.status == lbfgs_status::converged);
    CHECK(last.x[0] == 0.5);
    CHECK(last.gradient_norm == 0.25);
    CHECK(lbfgs(std::array{1.0}, f, {.value_tolerance = 0.999 * share}).x[0] == 0.0);
    CHECK(lbfgs(std::array{1.0}, f).x[0] == 0.0);
  }
  // With a tolerance of 0 the gradient alone decides, even where no step changes f in double precision.
  const auto lifted = [](std::span<const double> x, std::span<double> g) { return g[0] = 0.3 * x[0], 1e16 + 0.15 * x[0] * x[0]; };
  CHECK(lbfgs(std::array{1.0}, lifted).x[0] == 0.0);
}

TEST_CASE("The direction is that of a dense quasi-Newton matrix made of the last steps", "[solvers][lbfgs]") {
  gavel::philox4x32 rng(3);
  const auto normals = [&](std::size_t n) {
    std::vector<double> values(n);
    for (double& value : values) value = gavel::normal(rng);
    return values;
  };
  constexpr std::size_t n = 6;
  for (const std::size_t capacity : {1U, 3U, 8U}) {
    gavel::detail::lbfgs_history history(n, capacity);
    const quadratic f(n, capacity);
    std::vector<std::vector<double>> steps, changes;
    const std::vector<unsigned char> all(n, 1);
    std::vector<double> d(n);
    CHECK(history.empty());
    for (std::size_t round = 0; round < 12; ++round) {
      const std::vector<double> x = normals(n), next = normals(n);
      std::vector<double> g(n), next_g(n), step(n), change(n);
      (void)f(x, g), (void)f(next, next_g);
      for (std::size_t i = 0; i < n; ++i) step[i] = next[i] - x[i], change[i] = next_g[i] - g[i];
      history.push(x.data(), next.data(), g.data(), next_g.data());
      // Curvature of the wrong sign is passed over. (Where the ring is full it costs the oldest step.)
      if (round + 1 < capacity) history.push(x.data(), next.data(), next_g.data(), g.data());
      steps.push_back(step), changes.push_back(change);
      // H <- (I - s y' / s.y) H (I - y s' / s.y) + s s' / s.y, oldest step first, from the scale of the newest.
      const auto dot = [&](const std::vector<double>& a, const std::vector<double>& b) {
        double sum = 0.0;
        for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
        return sum;
      };
      const double scale = dot(step, change) / dot(change, change);
      std::vector<double> h(n * n);
      for (std::size_t i = 0; i < n; ++i) h[i * n + i] = scale;
      for (std::size_t k = steps.size() < capacity ? 0 : steps.size() - capacity; k < steps.size(); ++k) {
        const std::vector<double>&s = steps[k], &y = changes[k];
        const double sy = dot(s, y);
        std::vector<double> hy(n);
        for (std::size_t i = 0; i < n; ++i) {
          for (std::size_t j = 0; j < n; ++j) hy[i] += h[i * n + j] * y[j];
        }
        const double grown = (1.0 + dot(y, hy) / sy) / sy;
        for (std::size_t i = 0; i < n; ++i) {
          for (std::size_t j = 0; j < n; ++j) h[i * n + j] += grown * s[i] * s[j] - (hy[i] * s[j] + s[i] * hy[j]) / sy;
        }
      }
      const std::vector<double> gradient = normals(n);
      CHECK(history.direction(gradient.data(), all.data(), d.data()) == Approx(scale).epsilon(1e-13));
      for (std::size_t i = 0; i < n; ++i) {
        double expected = 0.0;
        for (std::size_t j = 0; j < n; ++j) expected -= h[i * n + j] * gradient[j];
        CHECK(d[i] == Approx(expected).epsilon(1e-8).margin(1e-8));
      }
    }
    CHECK_FALSE(history.empty());
    // Variables that are not free stand still; the others descend.
    const std::vector<unsigned char> some{1, 0, 1, 1, 0, 0};
    const std::vector<double> gradient = normals(n);
    (void)history.direction(gradient.data(), some.data(), d.data());
    double slope = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      if (some[i] == 0) CHECK(d[i] == 0.0);
      slope += d[i] * gradient[i];
    }
    CHECK(slope < 0.0);
    history.clear();
    CHECK(history.empty());
    CHECK(history.direction(gradient.data(), all.data(), d.data()) == 1.0);
    for (std::size_t i = 0; i < n; ++i) CHECK(d[i] == -gradient[i]);
  }
}

TEST_CASE("lbfgs_options: defaults", "[solvers][lbfgs]") {
  const gavel::lbfgs_options defaults;
  CHECK(defaults.lower.empty());
  CHECK(defaults.upper.empty());
  CHECK(defaults.gradient_tolerance == 1e-8);
  CHECK(defaults.value_tolerance == 0.0);
  CHECK(defaults.max_iterations == 1000);
  CHECK(defaults.max_step_trials == 40);
  CHECK(defaults.history == 10);
}

TEST_CASE("Arguments of the minimiser are checked", "[solvers][lbfgs]") {
  const std::array<double, 2> x{0.0, 0.0};
  CHECK(message_of([&] { (void)lbfgs(std::vector<double>{}, rosenbrock); }) == "gavel::lbfgs: x0.size() = 0, must be >= 1");
  CHECK(message_of([&] { (void)lbfgs(std::array{0.0, not_a_number}, rosenbrock); }) == "domain: gavel::lbfgs: x0[1] = nan, must be finite");
  CHECK(message_of([&] { (void)lbfgs(x, rosenbrock, {.lower = {1.0}}); }) == "gavel::lbfgs: lower.size() = 1, must equal x0.size() 2");
  CHECK(message_of([&] { (void)lbfgs(x, rosenbrock, {.upper = {1.0}}); }) == "gavel::lbfgs: upper.size() = 1, must equal x0.size() 2");
  CHECK(message_of([&] { (void)lbfgs(x, rosenbrock, {.lower = {0.0, not_a_number}}); }) ==
        "domain: gavel::lbfgs: lower[1] = nan, must be < infinity");
  CHECK(message_of([&] { (void)lbfgs(x, rosenbrock, {.lower = {infinite, 0.0}}); }) == "gavel::lbfgs: lower[0] = inf, must be < infinity");
  CHECK(message_of([&] { (void)lbfgs(x, rosenbrock, {.upper = {not_a_number, 0.0}}); }) ==
        "domain: gavel::lbfgs: upper[0] = nan, must be > -infinity");
  CHECK(message_of([&] { (void)lbfgs(x, rosenbrock, {.upper = {0.0, -infinite}}); }) ==
        "gavel::lbfgs: upper[1] = -inf, must be > -infinity");
  CHECK(message_of([&] { (void)lbfgs(x, rosenbrock, {.lower = {0.0, 2.0}, .upper = {1.0, 1.0}}); }) ==
        "gavel::lbfgs: lower[1] = 2, must be <= upper 1");
  CHECK(message_of([&] { (void)lbfgs(std::array{infinite}, rosenbrock); }) == "gavel::lbfgs: x0[0] = inf, must be finite");
  CHECK(message_of([&] { (void)lbfgs(x, rosenbrock, {.value_tolerance = not_a_number}); }) ==
        "domain: gavel::lbfgs: value_tolerance = nan, must be >= 0");
  CHECK(message_of([&] { (void)lbfgs(x, rosenbrock, {.gradient_tolerance = -1.0}); }) ==
        "gavel::lbfgs: gradient_tolerance = -1, must be >= 0");
  CHECK(message_of([&] { (void)lbfgs(x, rosenbrock, {.value_tolerance = -1.0}); }) == "gavel::lbfgs: value_tolerance = -1, must be >= 0");
  CHECK(message_of([&] { (void)lbfgs(x, rosenbrock, {.max_step_trials = 0}); }) == "gavel::lbfgs: max_step_trials = 0, must be >= 1");
  CHECK(message_of([&] { (void)lbfgs(x, rosenbrock, {.history = 0}); }) == "gavel::lbfgs: history = 0, must be >= 1");
}

}  // namespace lbfgs_test
