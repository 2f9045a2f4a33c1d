// SPDX-License-Identifier: MIT
#include <gavel/core/goodness_of_fit.hpp>
#include <gavel/core/philox.hpp>
#include <gavel/core/variates.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace variates_test {

using gavel::philox4x32;
using gavel::testing::message_of;
using gavel::testing::not_a_number;
using gavel::testing::ulps;

namespace {

// Draws must fall into the cells of equal probability, as the distribution function says they do.
template <class Draw, class Cdf>
double p_value(Draw&& draw, Cdf&& cdf, int count = 100000) {
  std::vector<int> cells(100);
  bool inside = true;
  for (int i = 0; i < count; ++i) {
    const double u = cdf(draw());
    inside = inside && u >= 0.0 && u <= 1.0;
    if (inside) ++cells[(std::min)(static_cast<std::size_t>(u * 100.0), std::size_t{99})];
  }
  CHECK(inside);
  return gavel::g_test(cells, std::vector<double>(100, 0.01)).p_value;
}

template <class Draw>
void check_golden(const char* what, std::initializer_list<double> expected, Draw&& draw, std::uint64_t tolerance = 4) {
  philox4x32 rng(42, 7);
  for (const double value : expected) {
    const double drawn = draw(rng);
    INFO(what << ": " << drawn << " instead of " << value);
    CHECK(ulps(drawn, value) <= tolerance);
  }
}

// Number of 32-bit outputs that a draw takes.
template <class Draw>
std::size_t outputs_of(Draw&& draw) {
  philox4x32 rng(42, 7);
  philox4x32 same = rng;
  draw(rng);
  std::size_t used = 0;
  for (; !(same == rng); ++used) same();
  return used;
}

struct constant_bits {
  using result_type = std::uint64_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return ~result_type{0}; }
  result_type value;
  result_type operator()() { return value; }
};

}  // namespace

TEST_CASE("variates: golden values", "[core][variates]") {
  using G = philox4x32;
  check_golden("exponential", {0.9014465332593796, 0.8584708396893028, 0.10767725806363718},
               [](G& rng) { return gavel::exponential(rng); });
  check_golden("gumbel", {0.10375454673943392, 0.1526025658035427, 2.2286168771577235}, [](G& rng) { return gavel::gumbel(rng); });
  check_golden("normal", {-0.2378931909985773, -0.19215688157086774, 1.2697735373283183, 0.15537369548738433},
               [](G& rng) { return gavel::normal(rng); });
  // Independent recomputation of the same algorithm; a handful of roundings separate the two.
  check_golden(
      "gamma 0.3", {0.5246091327889888, 0.031007573692288223, 0.6367418269617122}, [](G& rng) { return gavel::gamma(rng, 0.3); }, 32);
  check_golden(
      "gamma 1", {0.49068137972521814, 2.3337408733038196, 0.12130562759173714}, [](G& rng) { return gavel::gamma(rng, 1.0); }, 32);
  check_golden("gamma 2.5", {1.835023005608482, 4.624677573982305, 0.9497161304899358}, [](G& rng) { return gavel::gamma(rng, 2.5); }, 32);
  check_golden("gamma 100", {97.31051739613771, 112.88825830971956, 89.4409287651564}, [](G& rng) { return gavel::gamma(rng, 100.0); }, 32);
  check_golden(
      "beta 2 3", {0.20561110478244143, 0.17489324001215548, 0.8043189168622772}, [](G& rng) { return gavel::beta(rng, 2.0, 3.0); },

      32);
  check_golden(
      "beta 1/2 1/2", {0.8280070361416763, 0.8487136296835204, 0.9916835080163513}, [](G& rng) { return gavel::beta(rng, 0.5, 0.5); }, 32);
}

TEST_CASE("variates: draws", "[core][variates]") {
  CHECK(outputs_of([](auto& rng) { return gavel::exponential(rng); }) == 2);
  CHECK(outputs_of([](auto& rng) { return gavel::gumbel(rng); }) == 2);
  CHECK(outputs_of([](auto& rng) { return gavel::normal(rng); }) == 2);
  CHECK(outputs_of([](auto& rng) { return gavel::gamma(rng, 1.0); }) == 4);
  CHECK(outputs_of([](auto& rng) { return gavel::gamma(rng, 0.3); }) == 6);
  CHECK(outputs_of([](auto& rng) { return gavel::beta(rng, 2.0, 0.5); }) == 10);
  // the expected number of attempts, at the shape where it is largest
  CHECK(outputs_of([](auto& rng) {
          for (int i = 0; i < 100000; ++i) static_cast<void>(gavel::gamma(rng, 1.0));
          return 0;
        }) < 4 * 106000);
}

TEST_CASE("variates: distributions with a 32-bit and a 64-bit engine", "[core][variates]") {
  const auto check = [](auto rng) {
    CHECK(p_value([&] { return gavel::exponential(rng); }, [](double x) { return -std::expm1(-x); }) > 1e-6);
    CHECK(p_value([&] { return gavel::normal(rng); }, [](double x) { return gavel::normal_cdf(x); }) > 1e-6);
    CHECK(p_value([&] { return gavel::gumbel(rng); }, [](double x) { return std::exp(-std::exp(-x)); }) > 1e-6);
    for (const double shape : {0.05, 0.5, 0.999, 1.0, 1.001, 3.7, 250.0, 1e6}) {
      INFO("shape " << shape);
      CHECK(p_value([&] { return gavel::gamma(rng, shape); }, [&](double x) { return gavel::regularized_gamma_p(shape, x); }, 40000) >
            1e-6);
    }
    // beta numbers with an elementary distribution function
    CHECK(p_value([&] { return gavel::beta(rng, 0.5, 0.5); }, [](double x) { return std::asin(std::sqrt(x)) * 0.63661977236758134; }) >
          1e-6);
    CHECK(p_value([&] { return gavel::beta(rng, 3.0, 1.0); }, [](double x) { return x * x * x; }) > 1e-6);
    CHECK(p_value([&] { return gavel::beta(rng, 2.0, 2.0); }, [](double x) { return x * x * (3.0 - 2.0 * x); }) > 1e-6);
    CHECK(p_value([&] { return gavel::beta(rng, 1.0, 40.0); }, [](double x) { return 1.0 - std::pow(1.0 - x, 40.0); }) > 1e-6);
    CHECK(p_value([&] { return gavel::beta(rng, 0.05, 1.0); }, [](double x) { return std::pow(x, 0.05); }) > 1e-6);
  };
  check(philox4x32(11, 3));
  check(std::mt19937(12));
  check(std::mt19937_64(13));
}

TEST_CASE("variates: the ends of the range are finite", "[core][variates]") {
  for (const std::uint64_t bits : {std::uint64_t{0}, ~std::uint64_t{0}}) {
    constant_bits rng{bits};
    CHECK(std::isfinite(gavel::exponential(rng)));
    CHECK(std::isfinite(gavel::normal(rng)));
    CHECK(std::isfinite(gavel::gumbel(rng)));
    CHECK(gavel::exponential(rng) > 0.0);
  }
  constant_bits lowest{0};
  CHECK(gavel::normal(lowest) == Approx(-8.2095361516).epsilon(1e-9));
  constant_bits highest{~std::uint64_t{0}};
  CHECK(gavel::normal(highest) == -gavel::normal(lowest));
}

TEST_CASE("variates: extreme shapes", "[core][variates]") {
  philox4x32 rng(5);
  int ones = 0;
  for (int i = 0; i < 4000; ++i) {
    const double x = gavel::beta(rng, 1e-300, 3e-300);  // a coin with probability 1/4
    REQUIRE((x == 0.0 || x == 1.0));
    ones += x == 1.0 ? 1 : 0;
    REQUIRE(std::isfinite(gavel::beta(rng, std::numeric_limits<double>::denorm_min(), 1.0)));
    REQUIRE(gavel::gamma(rng, 1e-300) >= 0.0);
    REQUIRE(gavel::beta(rng, 1e300, 1e300) == Approx(0.5));
  }
  CHECK(gavel::g_test(std::vector{ones, 4000 - ones}, std::vector{0.25, 0.75}).p_value > 1e-6);
  CHECK(gavel::gamma(rng, 1e300) == Approx(1e300));
}

TEST_CASE("variates: errors", "[core][variates]") {
  philox4x32 rng(1);
  const philox4x32 before = rng;
  CHECK(message_of([&] { (void)gavel::gamma(rng, 0.0); }) == "gavel::gamma: shape = 0, must be finite and > 0");
  CHECK(message_of([&] { (void)gavel::gamma(rng, not_a_number); }) == "domain: gavel::gamma: shape = nan, must be finite and > 0");
  CHECK(message_of([&] { (void)gavel::gamma(rng, HUGE_VAL); }) == "gavel::gamma: shape = inf, must be finite and > 0");
  CHECK(message_of([&] { (void)gavel::beta(rng, -1.0, 1.0); }) == "gavel::beta: a = -1, must be finite and > 0");
  CHECK(message_of([&] { (void)gavel::beta(rng, 1.0, 0.0); }) == "gavel::beta: b = 0, must be finite and > 0");
  CHECK(rng == before);
}

}  // namespace variates_test
