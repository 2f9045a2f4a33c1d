// SPDX-License-Identifier: MIT
#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/solvers/nelder_mead.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace nelder_mead_test {

using gavel::nelder_mead;
using gavel::nelder_mead_result;
using gavel::nelder_mead_status;
using gavel::testing::message_of;
using gavel::testing::not_a_number;

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

using point = std::span<const double>;

double rosenbrock(point x) {
  const double valley = x[1] - x[0] * x[0];
  return 100.0 * valley * valley + (1.0 - x[0]) * (1.0 - x[0]);
}

// The method as the papers state it, without any economy: returns the points at which f was called, in order.
template <class F>
std::vector<std::vector<double>> textbook(F&& f, const std::vector<double>& start, std::size_t budget) {
  using vertex = std::pair<double, std::vector<double>>;
  const std::size_t n = start.size();
  const double size = n == 1 ? 2.0 : static_cast<double>(n);
  std::vector<std::vector<double>> called;
  const auto at = [&](const std::vector<double>& x) {
    called.push_back(x);
    return vertex{f(point(x)), x};
  };
  const auto along = [](const std::vector<double>& from, const std::vector<double>& to, double t) {
    std::vector<double> x(from);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = from[i] + t * (to[i] - from[i]);
    return x;
  };
  std::vector<vertex> simplex{at(start)};
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> x = start;
    x[i] += 0.1 * std::max(1.0, std::abs(x[i]));
    simplex.push_back(at(x));
  }
  while (called.size() < budget) {
    std::stable_sort(simplex.begin(), simplex.end(), [](const vertex& a, const vertex& b) { return a.first < b.first; });
    std::vector<double> center(n, 0.0);
    for (std::size_t k = 0; k < n; ++k) {
      for (std::size_t i = 0; i < n; ++i) center[i] += simplex[k].second[i] / static_cast<double>(n);
    }
    vertex& worst = simplex[n];
    const vertex r = at(along(center, worst.second, -1.0));
    bool shrink = false;
    if (simplex[0].first <= r.first && r.first < simplex[n - 1].first) {
      worst = r;
    } else if (r.first < simplex[0].first) {
      const vertex e = at(along(center, r.second, 1.0 + 2.0 / size));
      worst = e.first < r.first ? e : r;
    } else if (r.first < worst.first) {
      const vertex c = at(along(center, r.second, 0.75 - 1.0 / (2.0 * size)));
      if (c.first <= r.first) worst = c;
      else shrink = true;
    } else {
      const vertex c = at(along(center, worst.second, 0.75 - 1.0 / (2.0 * size)));
      if (c.first < worst.first) worst = c;
      else shrink = true;
    }
    for (std::size_t k = 1; shrink && k <= n; ++k) simplex[k] = at(along(simplex[0].second, simplex[k].second, 1.0 - 1.0 / size));
  }
  called.resize(budget);
  return called;
}

}  // namespace

TEST_CASE("The moves are those of the papers", "[solvers][nelder_mead]") {
  const auto smooth = [](point x) {
    double sum = std::sin(x[0]);
    for (std::size_t i = 0; i < x.size(); ++i) sum += std::pow(x[i] - static_cast<double>(i) + 0.3 * x[0], 4.0) + 0.01 * x[i];
    return sum;
  };
  const auto rough = [&](point x) {
    double sum = smooth(x);
    for (std::size_t i = 0; i < x.size(); ++i) sum += 0.3 * std::sin(40.0 * x[i] + static_cast<double>(i));  // makes it shrink
    return sum;
  };
  const auto check = [](auto&& f, std::size_t n) {
    const std::size_t budget = 90;
    std::vector<double> start(n, -1.5);
    start[n - 1] = 2.5;
    const std::vector<std::vector<double>> expected = textbook(f, start, budget);
    std::vector<std::vector<double>> called;
    const auto recorded = [&](point x) {
      called.emplace_back(x.begin(), x.end());
      return f(x);
    };
    (void)nelder_mead(recorded, start, {.max_evaluations = budget, .x_tolerance = 0.0, .f_tolerance = 0.0, .restarts = 0});
    REQUIRE(called.size() <= budget);
    REQUIRE(called.size() >= 40);
    for (std::size_t k = 0; k < called.size(); ++k) {
      for (std::size_t i = 0; i < n; ++i) {
        INFO("n " << n << ", call " << k);
        REQUIRE(called[k][i] == Approx(expected[k][i]).epsilon(1e-7).margin(1e-9));
      }
    }
  };
  for (const std::size_t n : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{5}}) {
    check(smooth, n);
    check(rough, n);
  }
}

TEST_CASE("Both tolerances must be met", "[solvers][nelder_mead]") {
  const auto f = [](point x) { return 1e4 * x[0] * x[0] + 1e4 * x[1] * x[1]; };
  const std::vector<double> start{1.0, 1.0};
  const nelder_mead_result level = nelder_mead(f, start, {.x_tolerance = infinite, .f_tolerance = 1e-6, .restarts = 0});
  CHECK(level.status == nelder_mead_status::converged);
  CHECK(level.value < 1e-5);
  const nelder_mead_result small = nelder_mead(f, start, {.x_tolerance = 1e-9, .f_tolerance = infinite, .restarts = 0});
  CHECK(small.status == nelder_mead_status::converged);
  CHECK(std::abs(small.x[0]) < 1e-8);
  CHECK(small.evaluations > level.evaluations);
  CHECK(nelder_mead(f, start, {.x_tolerance = infinite, .f_tolerance = infinite, .restarts = 0}).evaluations == 3);
}

TEST_CASE("The simplex walks Rosenbrock's valley", "[solvers][nelder_mead]") {
  for (const std::vector<double>& start : {std::vector<double>{-1.2, 1.0}, std::vector<double>{5.0, -3.0}, std::vector<double>{0.0, 0.0}}) {
    std::size_t calls = 0;
    const nelder_mead_result r = nelder_mead([&](point x) { return ++calls, rosenbrock(x); }, start);
    CHECK(r.status == nelder_mead_status::converged);
    CHECK(r.x[0] == Approx(1.0).margin(1e-6));
    CHECK(r.x[1] == Approx(1.0).margin(1e-6));
    CHECK(r.value == rosenbrock(r.x));
    CHECK(r.evaluations == calls);
    CHECK(calls < 1000);
  }
}

TEST_CASE("The simplex finds a skewed quadratic's minimum in four dimensions", "[solvers][nelder_mead]") {
  const std::vector<double> target{1.0, -2.0, 300.0, 0.25};
  const auto f = [&](point x) {
    double sum = 7.0;
    for (std::size_t i = 0; i < 4; ++i) {
      const double mixed = (x[i] - target[i]) + 0.5 * (i > 0 ? x[i - 1] - target[i - 1] : 0.0);
      sum += std::pow(10.0, static_cast<double>(i)) * mixed * mixed;
    }
    return sum;
  };
  const nelder_mead_result r = nelder_mead(f, std::vector<double>{0.0, 0.0, 0.0, 0.0});
  CHECK(r.status == nelder_mead_status::converged);
  CHECK(r.value == Approx(7.0).epsilon(1e-12));
  for (std::size_t i = 0; i < 4; ++i) CHECK(r.x[i] == Approx(target[i]).margin(1e-5));
}

TEST_CASE("The simplex stays alive in ten dimensions", "[solvers][nelder_mead]") {
  const auto f = [](point x) {
    double sum = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) sum += static_cast<double>(i + 1) * (x[i] - 1.0) * (x[i] - 1.0);
    return sum;
  };
  const nelder_mead_result r = nelder_mead(f, std::vector<double>(10, -3.0));
  CHECK(r.status == nelder_mead_status::converged);
  CHECK(r.value < 1e-9);
}

TEST_CASE("Kinks and single variables are no obstacle", "[solvers][nelder_mead]") {
  const nelder_mead_result kink = nelder_mead([](point x) { return std::abs(x[0] - 0.7); }, std::vector<double>{-40.0});
  CHECK(kink.status == nelder_mead_status::converged);
  CHECK(kink.x[0] == Approx(0.7).margin(1e-8));
  const nelder_mead_result kinks =
      nelder_mead([](point x) { return std::abs(x[0] - 2.0) + 3.0 * std::abs(x[0] + x[1]); }, std::vector<double>{0.0, 5.0});
  CHECK(kinks.status == nelder_mead_status::converged);
  CHECK(kinks.x[0] == Approx(2.0).margin(1e-6));
  CHECK(kinks.x[1] == Approx(-2.0).margin(1e-6));
  // The start may be the minimum already.
  CHECK(nelder_mead([](point x) { return std::abs(x[0]); }, std::vector<double>{0.0}).x[0] == 0.0);
}

TEST_CASE("A constraint can be a NaN or an infinity", "[solvers][nelder_mead]") {
  // x - log x is NaN for x < 0.
  const auto f = [](point x) { return x[0] - std::log(x[0]) + (x[1] + 1.0) * (x[1] + 1.0); };
  const nelder_mead_result r = nelder_mead(f, std::vector<double>{0.05, 3.0});
  CHECK(r.status == nelder_mead_status::converged);
  CHECK(r.x[0] == Approx(1.0).margin(1e-6));
  CHECK(r.x[1] == Approx(-1.0).margin(1e-6));
  // Also where the start itself is forbidden but a neighbour is not.
  const auto half = [](point x) { return x[0] < 0.05 ? not_a_number : (x[0] - 0.5) * (x[0] - 0.5); };
  CHECK(nelder_mead(half, std::vector<double>{0.0}).x[0] == Approx(0.5).margin(1e-6));
}

TEST_CASE("A restart leaves a point where the simplex had collapsed", "[solvers][nelder_mead]") {
  // McKinnon, SIAM Journal on Optimization 9(1), 1998: from the corners (0, 0), (1, 1) and (l, m) every move contracts towards (0, 0),
  // where the slope is not 0. Coordinates are chosen so that these corners are the first simplex. The minimum is at (0, -1/2).
  const auto f = [](point u) {
    const double l = (1.0 + std::sqrt(33.0)) / 8.0, m = (1.0 - std::sqrt(33.0)) / 8.0;
    const double x = u[0] + l * u[1], y = u[0] + m * u[1];
    return (x <= 0.0 ? 360.0 : 6.0) * x * x + y + y * y;
  };
  const std::vector<double> start{0.0, 0.0};
  const nelder_mead_result stuck = nelder_mead(f, start, {.initial_step = 1.0, .restarts = 0});
  CHECK(stuck.status == nelder_mead_status::converged);
  CHECK(std::abs(stuck.value) < 1e-9);
  CHECK(nelder_mead(f, start, {.initial_step = 1.0}).value == Approx(-0.25).margin(1e-9));
  // Restarts only ever improve, and stop when they no longer do.
  const std::vector<double> remote{-1.2, 1.0};
  const nelder_mead_result none = nelder_mead(rosenbrock, remote, {.x_tolerance = 0.05, .f_tolerance = 0.05, .restarts = 0});
  const nelder_mead_result some = nelder_mead(rosenbrock, remote, {.x_tolerance = 0.05, .f_tolerance = 0.05, .restarts = 3});
  const nelder_mead_result many = nelder_mead(rosenbrock, remote, {.restarts = 1000});
  CHECK(none.value > some.value);
  CHECK(none.evaluations < some.evaluations);
  CHECK(many.evaluations < 2000);
}

TEST_CASE("What does not converge is a status", "[solvers][nelder_mead]") {
  const std::vector<double> start{-1.2, 1.0};
  for (std::size_t budget = 1; budget <= 60; ++budget) {
    std::size_t calls = 0;
    double best = infinite;
    const auto f = [&](point x) {
      ++calls;
      const double value = rosenbrock(x);
      best = value < best ? value : best;
      return value;
    };
    const nelder_mead_result r = nelder_mead(f, start, {.max_evaluations = budget});
    CHECK(r.status == nelder_mead_status::iteration_limit);
    CHECK(r.evaluations == budget);
    CHECK(calls == budget);
    CHECK(r.value == best);
    CHECK(r.value == rosenbrock(r.x));
  }
  const nelder_mead_result nowhere = nelder_mead([](point) { return not_a_number; }, start);
  CHECK(nowhere.status == nelder_mead_status::no_finite_value);
  CHECK(nowhere.x == start);
  CHECK(nowhere.value == infinite);
  CHECK(nelder_mead([](point) { return infinite; }, start, {.max_evaluations = 5}).status == nelder_mead_status::no_finite_value);
  const nelder_mead_result cliff = nelder_mead([](point x) { return x[0] > 3.0 ? -infinite : -x[0]; }, start);
  CHECK(cliff.status == nelder_mead_status::unbounded);
  CHECK(cliff.value == -infinite);
  CHECK(cliff.x[0] > 3.0);
  CHECK(cliff.evaluations < 100);
  // A flat function is level everywhere: the simplex shrinks onto the start.
  const nelder_mead_result flat = nelder_mead([](point) { return 2.0; }, start);
  CHECK(flat.status == nelder_mead_status::converged);
  CHECK(flat.x == start);
}

TEST_CASE("Iterations allocate nothing", "[solvers][nelder_mead]") {
  const std::vector<double> start(6, 2.0);
  const auto count = [&](std::size_t budget) {
    const std::size_t before = gavel::testing::allocation_count();
    const nelder_mead_result r = nelder_mead(
        [](point x) {
          double sum = 0.0;
          for (const double value : x) sum += value * value;
          return sum;
        },
        start, {.max_evaluations = budget});
    const std::size_t after = gavel::testing::allocation_count();
    CHECK(r.evaluations == budget);
    return after - before;
  };
  CHECK(count(200) == count(10));
}

TEST_CASE("nelder_mead_options: defaults", "[solvers][nelder_mead]") {
  const gavel::nelder_mead_options defaults;
  CHECK(defaults.max_evaluations == 10000);
  CHECK(defaults.x_tolerance == 1e-8);
  CHECK(defaults.f_tolerance == 1e-12);
  CHECK(defaults.initial_step == 0.1);
  CHECK(defaults.restarts == 1);
}

TEST_CASE("The simplex checks its arguments", "[solvers][nelder_mead][errors]") {
  const auto f = [](point x) { return x[0]; };
  const auto message = [&](const std::vector<double>& start, const gavel::nelder_mead_options& options = {}) {
    return message_of([&] { (void)nelder_mead(f, start, options); });
  };
  CHECK(message({}) == "gavel::nelder_mead: start.size() = 0, must be >= 1");
  CHECK(message({0.0, not_a_number}) == "domain: gavel::nelder_mead: start[1] = nan, must be finite");
  CHECK(message({-infinite}) == "gavel::nelder_mead: start[0] = -inf, must be finite");
  CHECK(message({0.0}, {.max_evaluations = 0}) == "gavel::nelder_mead: max_evaluations = 0, must be >= 1");
  CHECK(message({0.0}, {.x_tolerance = -1.0}) == "gavel::nelder_mead: x_tolerance = -1, must be >= 0");
  CHECK(message({0.0}, {.f_tolerance = not_a_number}) == "domain: gavel::nelder_mead: f_tolerance = nan, must be >= 0");
  CHECK(message({0.0}, {.initial_step = 0.0}) == "gavel::nelder_mead: initial_step = 0, must be finite and > 0");
  CHECK(message({0.0}, {.initial_step = infinite}) == "gavel::nelder_mead: initial_step = inf, must be finite and > 0");
}

}  // namespace nelder_mead_test
