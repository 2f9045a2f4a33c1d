// SPDX-License-Identifier: MIT
#include <gavel/core/roots.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace roots_test {

using gavel::testing::message_of;
using gavel::testing::not_a_number;

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("Both methods find simple roots to the last digits", "[core][roots]") {
  auto check = [](auto&& f, double low, double high, double root) {
    for (const gavel::root_result& r : {gavel::bisect(f, low, high), gavel::brent(f, low, high)}) {
      CHECK(r.status == gavel::root_status::converged);
      CHECK(std::abs(r.x - root) <= 4e-15 * (1.0 + std::abs(root)));
      CHECK(r.low <= r.x);
      CHECK(r.x <= r.high);
      CHECK(r.value == f(r.x));
      CHECK((std::signbit(f(r.low)) != std::signbit(f(r.high)) || r.value == 0.0));
    }
  };
  check([](double x) { return std::exp(x) - 5.0; }, 0.0, 10.0, std::log(5.0));
  check([](double x) { return 5.0 - std::exp(x); }, 0.0, 10.0, std::log(5.0));
  check([](double x) { return std::cos(x) - x; }, 0.0, 1.0, 0.7390851332151607);
  check([](double x) { return x - 1.0; }, 1.0, 2.0, 1.0);  // the root is an end
  check([](double x) { return x - 2.0; }, 1.0, 2.0, 2.0);
}

TEST_CASE("Brent's idea needs few evaluations where f is smooth", "[core][roots]") {
  std::size_t calls = 0;
  const gavel::root_result r = gavel::brent([&](double x) { return ++calls, std::exp(x) - 5.0; }, 0.0, 10.0);
  CHECK(r.status == gavel::root_status::converged);
  CHECK(calls == r.iterations + 2);
  CHECK(r.iterations <= 15);
  CHECK(gavel::bisect([](double x) { return std::exp(x) - 5.0; }, 0.0, 10.0).iterations > 45);
}

TEST_CASE("A jump is located, and bad curvature does not stall", "[core][roots]") {
  auto jump = [](double x) { return x < 0.3 ? -1.0 : 2.0; };
  for (const gavel::root_result& r : {gavel::bisect(jump, -1.0, 10.0), gavel::brent(jump, -1.0, 10.0)}) {
    CHECK(r.status == gavel::root_status::converged);
    CHECK(std::abs(r.x - 0.3) < 1e-15);
  }
  // Flat almost everywhere: secant steps alone would creep.
  const gavel::root_result r = gavel::brent([](double x) { return std::pow(x, 19.0) - 1e-12; }, 0.0, 4.0);
  CHECK(r.status == gavel::root_status::converged);
  CHECK(r.x == Approx(std::pow(1e-12, 1.0 / 19.0)).epsilon(1e-13));
  CHECK(r.iterations < 120);
}

TEST_CASE("What is not bracketed, and what is cut short, is a status", "[core][roots]") {
  auto f = [](double x) { return x * x + 1.0; };
  for (const gavel::root_result& r : {gavel::bisect(f, -1.0, 2.0), gavel::brent(f, -1.0, 2.0)}) {
    CHECK(r.status == gavel::root_status::not_bracketed);
    CHECK(r.x == -1.0);
    CHECK(r.iterations == 0);
  }
  CHECK(gavel::brent([](double) { return not_a_number; }, 0.0, 1.0).status == gavel::root_status::not_bracketed);
  const gavel::root_result cut = gavel::bisect([](double x) { return x - 0.3; }, 0.0, 1.0, {.max_iterations = 4});
  CHECK(cut.status == gavel::root_status::iteration_limit);
  CHECK(cut.iterations == 4);
  CHECK(cut.high - cut.low == 1.0 / 16.0);
  CHECK(gavel::bisect([](double x) { return x - 0.3; }, 0.0, 1.0, {.x_tolerance = 0.2}).iterations == 3);
  CHECK(gavel::bisect([](double x) { return x - 0.3; }, 0.0, 1.0, {.value_tolerance = 0.06}).iterations == 2);
  CHECK(gavel::brent([](double x) { return x; }, 0.0, 0.0).status == gavel::root_status::converged);
}

TEST_CASE("Brackets are checked", "[core][roots]") {
  auto f = [](double x) { return x; };
  CHECK(message_of([&] { (void)gavel::bisect(f, 2.0, 1.0); }) == "gavel::bisect: low = 2, must be <= high 1");
  CHECK(message_of([&] { (void)gavel::brent(f, -infinite, 1.0); }) == "gavel::brent: low = -inf, must be finite");
  CHECK(message_of([&] { (void)gavel::brent(f, 0.0, not_a_number); }) == "domain: gavel::brent: high = nan, must be finite");
  const gavel::root_options defaults;
  CHECK(defaults.x_tolerance == 0.0);
  CHECK(defaults.value_tolerance == 0.0);
  CHECK(defaults.max_iterations == 200);
}

TEST_CASE("An inverse table inverts over many orders of magnitude", "[core][roots]") {
  using status = gavel::monotone_inverse_table_status;
  gavel::monotone_inverse_table table;
  CHECK_FALSE(table.ready());
  auto f = [](double w) { return w / (1.0 + w); };
  REQUIRE(table.tabulate(f, 1e-6, 1e6, 160) == status::ready);
  for (double w = 2e-6; w < 5e5; w *= 1.31) {
    CHECK(std::abs(f(table(f(w))) / f(w) - 1.0) < 2e-5);
    CHECK(table.at_log(std::log(f(w))) == Approx(std::log(table(f(w)))).margin(1e-12));
  }
  // The knots come back exactly, the ends are clamped.
  CHECK(table(f(1e-6)) == Approx(1e-6).epsilon(1e-12));
  CHECK(table(0.0) == Approx(1e-6).epsilon(1e-12));
  CHECK(table(-1.0) == Approx(1e-6).epsilon(1e-12));
  CHECK(table(2.0) == Approx(1e6).epsilon(1e-12));
  CHECK(table(infinite) == Approx(1e6).epsilon(1e-12));
}

TEST_CASE("Inverse tables are monotone and exact for powers", "[core][roots]") {
  using status = gavel::monotone_inverse_table_status;
  gavel::monotone_inverse_table table;
  REQUIRE(table.tabulate([](double x) { return 3.0 / (x * x); }, 1e-3, 1e3, 12) == status::ready);  // falling; a line in both logs
  for (double y = 1e-5; y < 1e5; y *= 1.7) CHECK(table(y) == Approx(std::sqrt(3.0 / y)).epsilon(1e-12));
  // Kinks and plateaus do not make it overshoot.
  const std::vector<double> x = {1, 2, 3, 4, 5, 6}, y = {1, 1.001, 1.001, 50, 50.5, 1000};
  REQUIRE(table.assign(x, y) == status::ready);
  CHECK(table.size() == 5);
  double last = 0.0;
  for (double v = 0.9; v < 1100; v *= 1.001) {
    const double now = table(v);
    CHECK(now >= last);
    last = now;
  }
  CHECK(table(50.0) == Approx(4.0).epsilon(1e-12));
}

TEST_CASE("Inverse tables refuse functions they cannot invert", "[core][roots]") {
  using status = gavel::monotone_inverse_table_status;
  gavel::monotone_inverse_table table;
  const std::vector<double> x = {1, 2, 3};
  CHECK(table.assign(x, std::vector<double>{1, 3, 2}) == status::not_monotone);
  CHECK(table.assign(x, std::vector<double>{2, 2, 2}) == status::not_monotone);
  CHECK(table.assign(x, std::vector<double>{0, 1, 2}) == status::not_positive);
  CHECK(table.assign(x, std::vector<double>{1, not_a_number, 2}) == status::not_positive);
  CHECK_FALSE(table.ready());
  CHECK(message_of([&] { (void)table.assign(x, std::vector<double>{1, 2}); }) ==
        "gavel::monotone_inverse_table::assign: y.size() = 2, must equal x.size() 3");
  CHECK(message_of([&] { (void)table.assign(std::vector<double>{1, 1}, std::vector<double>{1, 2}); }) ==
        "gavel::monotone_inverse_table::assign: x[1] = 1, must be > the one before, 1");
  CHECK(message_of([&] { (void)table.tabulate([](double w) { return w; }, 0.0, 1.0, 8); }) ==
        "gavel::monotone_inverse_table::tabulate: x_low = 0, must be finite and > 0");
  CHECK(message_of([&] { (void)table.tabulate([](double w) { return w; }, 2.0, 1.0, 8); }) ==
        "gavel::monotone_inverse_table::tabulate: x_high = 1, must be > x_low 2");
  CHECK(message_of([&] { (void)table.tabulate([](double w) { return w; }, 1.0, 2.0, 1); }) ==
        "gavel::monotone_inverse_table::tabulate: n_knots = 1, must be >= 2");
}

}  // namespace roots_test
