// SPDX-License-Identifier: MIT
#include <gavel/schedule/profile.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

namespace profile_test {

using gavel::testing::not_a_number;
using namespace gavel::schedule;
using gavel::infinity;
using gavel::testing::message_of;

namespace {

constexpr double pi = gavel::elementary::pi;

struct returns_text {
  std::string operator()(double) const { return "1"; }
};
struct needs_two {
  double operator()(double, double) const { return 1.0; }
};
struct changes_itself {
  double operator()(double) { return 1.0; }
};
struct cannot_be_copied {
  cannot_be_copied() = default;
  cannot_be_copied(const cannot_be_copied&) = delete;
  double operator()(double) const { return 1.0; }
};

static_assert(profile<constant> && profile<linear> && profile<rex> && profile<cosine> && profile<polynomial> && profile<one_minus_sqrt> &&
              profile<exponential> && profile<exponential_to_zero> && profile<reflected_exponential> && profile<geometric> &&
              profile<inverse_linear> && profile<hyperbolic_tangent> && profile<step_decay> && profile<one_cycle>);
static_assert(profile<double (*)(double)>);
static_assert(!profile<returns_text> && !profile<needs_two> && !profile<changes_itself> && !profile<cannot_be_copied> && !profile<double>);

// A promise: a profile built from literals is a constant expression.
static_assert(constant{}(0.3) == 1.0);
static_assert(linear{}(0.25) == 0.75);
static_assert(rex{}(0.5) == 0.5 / 0.75);
static_assert(rex{}.slope(0.0) == -0.5 && rex{}.slope(1.0) == -2.0);
static_assert(rex{}.area() > 0.6137056388801093 && rex{}.area() < 0.6137056388801096);
static_assert(cosine{}(0.0) == 1.0 && cosine{}(1.0) == 0.0);
static_assert(polynomial{2.0}(0.5) == 0.25);
static_assert(one_minus_sqrt{}(0.25) == 0.5);
static_assert(exponential{}(0.0) == 1.0);
static_assert(exponential_to_zero{}(0.0) == 1.0 && exponential_to_zero{}(1.0) == 0.0);
static_assert(reflected_exponential{}(0.0) == 1.0 && reflected_exponential{}(1.0) == 0.0);
static_assert(geometric{0.01}(1.0) == 0.01);
static_assert(inverse_linear{3.0}(1.0) == 0.25);
static_assert(hyperbolic_tangent{-4.0, 4.0}(0.5) == 0.5);
static_assert(step_decay{0.5, {0.25, 0.5, 0.75}}(0.6) == 0.25);
static_assert(one_cycle{}(0.3) == 1.0);

struct both_ways {
  exponential_to_zero to_zero{};
  reflected_exponential reflected{};
};

// What every falling profile keeps: in [0, 1], the documented ends, never rising, no jump larger than its steepest slope allows, clamped.
template <class P>
void check_decay(const char* name, const P& shape, double first, double last, double end_tolerance, double largest_step) {
  INFO(name);
  CHECK(std::abs(shape(0.0) - first) <= end_tolerance);
  CHECK(std::abs(shape(1.0) - last) <= end_tolerance);
  double before = shape(0.0);
  bool inside = true;
  bool falling = true;
  double jump = 0.0;
  for (int i = 0; i <= 10'000; ++i) {
    const double value = shape(i / 10'000.0);
    inside = inside && value >= 0.0 && value <= 1.0;
    falling = falling && value <= before + 0x1p-52;  // one rounding
    jump = (std::max)(jump, before - value);
    before = value;
  }
  CHECK(inside);
  CHECK(falling);
  CHECK(jump <= largest_step);
  CHECK(shape(-1.0) == shape(0.0));
  CHECK(shape(-infinity) == shape(0.0));
  CHECK(shape(2.0) == shape(1.0));
  CHECK(shape(infinity) == shape(1.0));
  const P copy = shape;
  CHECK(copy == shape);
}

double integral(const rex& shape) {  // Simpson on a mesh refined towards 1
  double sum = 0.0;
  constexpr int n = 20'000;
  const auto z = [](int i) { return 1.0 - std::pow(1.0 - i / double{n}, 4.0); };
  for (int i = 0; i < n; ++i) {
    const double a = z(i);
    const double b = z(i + 1);
    sum += (b - a) / 6.0 * (shape(a) + 4.0 * shape(0.5 * (a + b)) + shape(b));
  }
  return sum;
}

}  // namespace

TEST_CASE("Every falling profile keeps its ends, its range and its direction", "[schedule][profile]") {
  check_decay("constant", constant{}, 1.0, 1.0, 0.0, 0.0);
  check_decay("linear", linear{}, 1.0, 0.0, 0.0, 1.001e-4);
  check_decay("rex", rex{}, 1.0, 0.0, 0.0, 2.01e-4);
  check_decay("rex 0", rex{0.0}, 1.0, 0.0, 0.0, 1.001e-4);
  check_decay("rex 0.9", rex{rex::ported_beta}, 1.0, 0.0, 0.0, 1.01e-3);
  check_decay("rex -4", rex{-4.0}, 1.0, 0.0, 0.0, 5.01e-4);
  check_decay("rex -1e300", rex{-1e300}, 1.0, 0.0, 0.0, 1.0);
  check_decay("rex just below 1", rex{1.0 - 0x1p-53}, 1.0, 0.0, 0.0, 1.0);
  check_decay("cosine", cosine{}, 1.0, 0.0, 0.0, 1.6e-4);
  check_decay("quarter cosine", cosine{0.25}, 1.0, 0.5, 2e-16, 1.6e-4);
  check_decay("polynomial 2", polynomial{2.0}, 1.0, 0.0, 0.0, 2.01e-4);
  check_decay("polynomial 1/2", polynomial{0.5}, 1.0, 0.0, 0.0, 1.001e-2);
  check_decay("one_minus_sqrt", one_minus_sqrt{}, 1.0, 0.0, 0.0, 1.001e-2);
  check_decay("exponential", exponential{}, 1.0, std::exp(-3.0), 0.0, 3.01e-4);
  check_decay("exponential 1e300", exponential{1e300}, 1.0, 0.0, 0.0, 1.0);
  for (const double decay : {1e-300, 1e-17, 1e-6, 0.5, 3.0, 40.0, 700.0}) {
    check_decay("exponential_to_zero", exponential_to_zero{decay}, 1.0, 0.0, 0.0, 1.0);
    check_decay("reflected_exponential", reflected_exponential{decay}, 1.0, 0.0, 0.0, 1.0);
  }
  check_decay("geometric", geometric{0.01}, 1.0, 0.01, 0.0, 4.7e-4);
  check_decay("geometric 1", geometric{1.0}, 1.0, 1.0, 0.0, 0.0);
  check_decay("inverse_linear", inverse_linear{4.0}, 1.0, 0.2, 0.0, 4.01e-4);
  check_decay("hyperbolic_tangent", hyperbolic_tangent{-7.0, 3.0}, 1.0 - 8.3152803e-7, 2.4726232e-3, 1e-9, 5.01e-4);
  check_decay("step_decay", step_decay{0.1, {0.3, 0.6, 0.9}}, 1.0, 1e-3, 1e-18, 0.91);
  check_decay("step_decay at the ends", step_decay{0.5, {0.0, 1.0}}, 0.5, 0.25, 0.0, 0.25);
}

TEST_CASE("The ends hold for profiles built at compile time and called at run time", "[schedule][profile]") {
  // Constants of the two times may differ in their last bit: rates must not become negative, nor exceed the peak.
  static constexpr auto shapes = [] {
    std::array<both_ways, 200> made{};
    for (std::size_t i = 0; i < made.size(); ++i) {
      const double decay = 0.1 + 0.37 * static_cast<double>(i);
      made[i] = {exponential_to_zero{decay}, reflected_exponential{decay}};
    }
    return made;
  }();
  volatile double start = 0.0;
  volatile double end = 1.0;
  for (const auto& [to_zero, reflected] : shapes) {
    CHECK(to_zero(end) == 0.0);
    CHECK(to_zero(start) <= 1.0);
    CHECK(to_zero(start) >= 1.0 - 0x1p-51);
    CHECK(reflected(end) == 0.0);
    CHECK(reflected(start) <= 1.0);
    CHECK(reflected(start) >= 1.0 - 0x1p-51);
  }
}

TEST_CASE("Profiles have the values of their formulas", "[schedule][profile]") {
  for (int i = 0; i <= 64; ++i) {
    const double z = i / 64.0;
    INFO("z = " << z);
    CHECK(std::abs(rex{}(z)-2.0 * (1.0 - z) / (2.0 - z)) <= 2e-16);
    CHECK(std::abs(rex{0.9}(z) - (1.0 - z) / (0.1 + 0.9 * (1.0 - z))) <= 1e-15);
    CHECK(rex{0.0}(z) == linear{}(z));
    CHECK(std::abs(cosine{}(z)-0.5 * (1.0 + std::cos(pi * z))) <= 3e-16);
    CHECK(std::abs(cosine{1.5}(z)-0.5 * (1.0 + std::cos(3.0 * pi * z))) <= 1e-15);
    CHECK(polynomial{1.0}(z) == linear{}(z));
    CHECK(std::abs(polynomial{0.5}(z)-std::sqrt(1.0 - z)) <= 2e-16);
    CHECK(std::abs(one_minus_sqrt{}(z) - (1.0 - std::sqrt(z))) <= 1e-16);
    CHECK(std::abs(exponential{2.0}(z)-std::exp(-2.0 * z)) <= 2e-16);
    CHECK(std::abs(exponential_to_zero{2.0}(z) - (std::exp(-2.0 * z) - std::exp(-2.0)) / (1.0 - std::exp(-2.0))) <= 4e-16);
    CHECK(std::abs(reflected_exponential{2.0}(z) - (1.0 - std::exp(-2.0 * (1.0 - z))) / (1.0 - std::exp(-2.0))) <= 4e-16);
    CHECK(std::abs(reflected_exponential{2.0}(z) + exponential_to_zero{2.0}(1.0 - z) - 1.0) <= 4e-16);  // mirror images
    CHECK(std::abs(geometric{0.05}(z)-std::exp(z * std::log(0.05))) <= 4e-16);
    CHECK(std::abs(inverse_linear{3.0}(z)-1.0 / (1.0 + 3.0 * z)) <= 2e-16);
    CHECK(std::abs(hyperbolic_tangent{-7.0, 3.0}(z)-0.5 * (1.0 - std::tanh(-7.0 * (1.0 - z) + 3.0 * z))) <= 2e-16);
    CHECK(std::abs(exponential_to_zero{1e-9}(z)-linear{}(z)) <= 1e-9);  // the limit of a vanishing decay, without cancellation
    CHECK(std::abs(reflected_exponential{1e-9}(z)-linear{}(z)) <= 1e-9);
    // What is held longest is highest.
    CHECK(rex{0.9}(z) >= rex{0.5}(z));
    CHECK(rex{0.5}(z) >= rex{0.1}(z));
    CHECK(rex{-1.0}(z) <= linear{}(z));
  }
  CHECK(exponential_to_zero{3.0}(1.0 - 1e-12) == Approx(1e-12 * 3.0 / std::expm1(3.0)).epsilon(1e-4).margin(0.0));
}

TEST_CASE("Slopes of REX are derivatives and its area is its integral", "[schedule][profile]") {
  for (const double beta : {-30.0, -1.0, -0.1, -0.05, -1e-9, 0.0, 1e-9, 0.05, 0.1, 0.2499999, 0.25, 0.3, 0.5, 0.9, 0.99}) {
    INFO("beta = " << beta);
    const rex shape(beta);
    CHECK(shape.beta() == beta);
    CHECK(shape.area() == Approx(integral(shape)).epsilon(1e-10).margin(0.0));
    CHECK(shape.slope(0.0) == -(1.0 - beta));
    CHECK(shape.slope(1.0) == Approx(-1.0 / (1.0 - beta)).epsilon(1e-14));
    CHECK(shape.slope(-1.0) == shape.slope(0.0));
    CHECK(shape.slope(2.0) == shape.slope(1.0));
    for (const double z : {0.1, 0.5, 0.8}) {
      CHECK(shape.slope(z) == Approx((shape(z + 1e-6) - shape(z - 1e-6)) / 2e-6).epsilon(1e-6));
    }
  }
  CHECK(rex{0.0}.area() == 0.5);
  CHECK(rex{}.area() == Approx(2.0 * (1.0 - std::log(2.0))).epsilon(1e-15));
  CHECK(rex{std::nextafter(0.25, 0.0)}.area() == Approx(rex{0.25}.area()).epsilon(4e-15));  // the two formulas meet
  CHECK(rex{-std::nextafter(0.25, 0.0)}.area() == Approx(rex{-0.25}.area()).epsilon(4e-15));
  CHECK(rex{-1e300}.area() == Approx((std::log(1e300) - 1.0) / 1e300).epsilon(1e-14).margin(0.0));  // no overflow of beta^2
  CHECK(rex{1.0 - 0x1p-53}.area() == Approx(1.0).epsilon(1e-14));
}

TEST_CASE("A step decay drops at its milestones, and twice where one stands twice", "[schedule][profile]") {
  const step_decay shape(0.1, {0.3, 0.6, 0.9});
  CHECK(shape(std::nextafter(0.3, 0.0)) == 1.0);
  CHECK(shape(0.3) == 0.1);
  CHECK(shape(std::nextafter(0.6, 0.0)) == 0.1);
  CHECK(shape(0.6) == Approx(0.01).epsilon(1e-15));
  CHECK(shape(0.9) == Approx(0.001).epsilon(1e-15));
  CHECK(step_decay(0.5, {0.5, 0.5})(0.5) == 0.25);
  // A full list, in a constant expression: one index past its end would not compile.
  constexpr gavel::fixed_list<double, 32> full{.1, .1, .1, .1, .1, .1, .1, .1, .1, .1, .1, .1, .1, .1, .1, .1,
                                               .1, .1, .1, .1, .1, .1, .1, .1, .1, .1, .1, .1, .1, .1, .1, .1};
  static_assert(step_decay(0.5, full)(0.05) == 1.0 && step_decay(0.5, full)(1.0) == 0x1p-32);
  CHECK(step_decay(0.5, {})(1.0) == 1.0);
  CHECK(step_decay(1.0, {0.5})(0.7) == 1.0);
  CHECK(step_decay(0.5, {0.0})(-1.0) == 0.5);  // z is clamped before it is compared
  CHECK(step_decay(0.5, std::vector<double>{0.25, 0.75})(0.8) == 0.25);
  const std::vector<double> many(max_milestones, 0.5);
  CHECK(step_decay(0.5, many)(infinity) == std::pow(0.5, max_milestones));
  CHECK(step_decay(0.5, many)(0.4) == 1.0);
  CHECK(step_decay(0.5, {0.5}) != step_decay(0.5, {0.25}));
  CHECK(step_decay(0.5, {0.5}) != step_decay(0.25, {0.5}));
  CHECK(step_decay(0.5, {0.5}) != step_decay(0.5, {0.5, 0.5}));
}

TEST_CASE("One cycle goes up to the peak and down to its last rate, in two or three phases", "[schedule][profile]") {
  using curve = one_cycle_options::curve;
  for (const curve anneal : {curve::cosine, curve::linear}) {
    for (const bool three : {false, true}) {
      const one_cycle shape({.peak_at = 0.3, .start_divisor = 10.0, .final_divisor = 100.0, .anneal = anneal, .three_phase = three});
      INFO("three phases " << three << ", cosine " << (anneal == curve::cosine));
      CHECK(shape(0.0) == Approx(0.1).epsilon(1e-15));
      CHECK(shape(0.3) == 1.0);
      CHECK(shape(1.0) == 0.001);
      CHECK(shape(-1.0) == shape(0.0));
      CHECK(shape(2.0) == shape(1.0));
      CHECK(shape(0.15) == Approx(0.55).epsilon(1e-14));
      if (three) CHECK(shape(0.6) == Approx(0.1).epsilon(1e-14));
      if (three) CHECK(shape(0.8) == Approx(0.0505).epsilon(1e-13));
      if (!three) CHECK(shape(0.65) == Approx(0.5005).epsilon(1e-14));
      double before = shape(0.0);
      bool right_way = true;
      double jump = 0.0;
      double peak = 0.0;
      for (int i = 1; i <= 1000; ++i) {
        const double value = shape(i / 1000.0);
        right_way = right_way && (i <= 300 ? value >= before : value <= before);
        jump = (std::max)(jump, std::abs(value - before));
        peak = (std::max)(peak, value);
        before = value;
      }
      CHECK(right_way);
      CHECK(jump < 5e-3);
      CHECK(peak <= 1.0);
    }
  }
  // The last rate keeps its digits where it is tiny beside the peak.
  CHECK(one_cycle({.start_divisor = 25.0, .final_divisor = 1e9, .anneal = curve::linear})(1.0) == 1.0 / 25.0 / 1e9);
  CHECK(one_cycle({.start_divisor = infinity})(0.0) == 0.0);
  CHECK(one_cycle({.final_divisor = infinity})(1.0) == 0.0);
  const one_cycle late({.peak_at = 0.2, .three_phase = true, .back_at = 0.9});
  CHECK(late(0.9) == Approx(0.04).epsilon(1e-14));
  CHECK(late != one_cycle({.peak_at = 0.2, .three_phase = true}));
  CHECK(one_cycle({.peak_at = 0.2, .three_phase = true, .back_at = 0.4}) == one_cycle({.peak_at = 0.2, .three_phase = true}));
  CHECK(one_cycle{} == one_cycle{});
  // A peak at an end, or before the run.
  for (const bool three : {false, true}) CHECK(one_cycle({.peak_at = 0.0, .three_phase = three})(0.0) == (three ? 0.04 : 1.0));
  CHECK(one_cycle({.peak_at = 1.0})(1.0) == 1.0);
  const one_cycle past({.peak_at = -1.0, .start_divisor = 2.0, .final_divisor = 2.0, .anneal = curve::linear});
  CHECK(past(0.0) == 0.625);  // half way from 1 to 1/4
  CHECK(past(1.0) == 0.25);
  const one_cycle past_both({.peak_at = -0.5, .start_divisor = 2.0, .final_divisor = 2.0, .anneal = curve::linear, .three_phase = true});
  CHECK(past_both(0.0) == 0.375);  // half way from 1/2 to 1/4
}

TEST_CASE("Profiles with other parameters are not equal", "[schedule][profile]") {
  CHECK(rex{0.5} == rex{});
  CHECK(rex{0.5} != rex{0.9});
  CHECK(cosine{0.5} != cosine{1.0});
  CHECK(polynomial{0.5} != polynomial{1.0});
  CHECK(exponential{3.0} != exponential{2.0});
  CHECK(exponential_to_zero{3.0} != exponential_to_zero{2.0});
  CHECK(reflected_exponential{3.0} != reflected_exponential{2.0});
  CHECK(geometric{0.3} != geometric{0.2});
  CHECK(inverse_linear{3.0} != inverse_linear{2.0});
  CHECK(hyperbolic_tangent{-7.0, 3.0} != hyperbolic_tangent{-7.0, 4.0});
  CHECK(hyperbolic_tangent{-7.0, 3.0} != hyperbolic_tangent{-6.0, 3.0});
}

TEST_CASE("A lambda is a profile, with captures too", "[schedule][profile]") {
  const double power = 3.0;
  const auto cube = [power](double z) { return std::pow(1.0 - z, power); };
  STATIC_REQUIRE(profile<decltype(cube)>);
  CHECK(cube(0.5) == 0.125);
}

TEST_CASE("Parameters outside their range are refused", "[schedule][profile]") {
  CHECK(message_of([] { (void)rex(1.0); }) == "gavel::schedule::rex: beta = 1, must be finite and < 1");
  CHECK(message_of([] { (void)rex(-infinity); }) == "gavel::schedule::rex: beta = -inf, must be finite and < 1");
  CHECK(message_of([] { (void)rex(not_a_number); }) == "domain: gavel::schedule::rex: beta = nan, must be finite and < 1");
  CHECK(message_of([] { (void)rex(-1e300); }) == "no exception");
  CHECK(message_of([] { (void)cosine(0.0); }) == "gavel::schedule::cosine: waves = 0, must be finite and > 0");
  CHECK(message_of([] { (void)cosine(1.1e6); }) == "gavel::schedule::cosine: waves = 1100000, must be <= 1000000");
  CHECK(message_of([] { (void)cosine(not_a_number); }) == "domain: gavel::schedule::cosine: waves = nan, must be finite and > 0");
  CHECK(message_of([] { (void)polynomial(0.0); }) == "gavel::schedule::polynomial: power = 0, must be finite and > 0");
  CHECK(message_of([] { (void)polynomial(infinity); }) == "gavel::schedule::polynomial: power = inf, must be finite and > 0");
  CHECK(message_of([] { (void)exponential(-1.0); }) == "gavel::schedule::exponential: decay = -1, must be finite and > 0");
  CHECK(message_of([] { (void)exponential_to_zero(0.0); }) == "gavel::schedule::exponential_to_zero: decay = 0, must be finite and > 0");
  CHECK(message_of([] { (void)exponential_to_zero(701.0); }) == "gavel::schedule::exponential_to_zero: decay = 701, must be <= 700");
  CHECK(message_of([] { (void)reflected_exponential(not_a_number); }) ==
        "domain: gavel::schedule::reflected_exponential: decay = nan, must be finite and > 0");
  CHECK(message_of([] { (void)geometric(0.0); }) == "gavel::schedule::geometric: end = 0, must be in (0, 1]");
  CHECK(message_of([] { (void)geometric(1.5); }) == "gavel::schedule::geometric: end = 1.5, must be in (0, 1]");
  CHECK(message_of([] { (void)inverse_linear(0.0); }) == "gavel::schedule::inverse_linear: slope = 0, must be finite and > 0");
  CHECK(message_of([] { (void)hyperbolic_tangent(-infinity, 3.0); }) ==
        "gavel::schedule::hyperbolic_tangent: lower = -inf, must be finite");
  CHECK(message_of([] { (void)hyperbolic_tangent(3.0, 3.0); }) == "gavel::schedule::hyperbolic_tangent: upper = 3, must be > lower 3");
  CHECK(message_of([] { (void)hyperbolic_tangent(3.0, not_a_number); }) ==
        "domain: gavel::schedule::hyperbolic_tangent: upper = nan, must be finite");
  CHECK(message_of([] { (void)step_decay(0.0, {0.5}); }) == "gavel::schedule::step_decay: factor = 0, must be in (0, 1]");
  CHECK(message_of([] { (void)step_decay(1.1, {0.5}); }) == "gavel::schedule::step_decay: factor = 1.1, must be in (0, 1]");
  CHECK(message_of([] { (void)step_decay(0.5, {0.2, 1.5}); }) == "gavel::schedule::step_decay: milestones[1] = 1.5, must be in [0, 1]");
  CHECK(message_of([] { (void)step_decay(0.5, {-0.1}); }) == "gavel::schedule::step_decay: milestones[0] = -0.1, must be in [0, 1]");
  CHECK(message_of([] { (void)step_decay(0.5, {not_a_number}); }) ==
        "domain: gavel::schedule::step_decay: milestones[0] = nan, must be in [0, 1]");
  CHECK(message_of([] { (void)step_decay(0.5, {0.5, 0.4}); }) ==
        "gavel::schedule::step_decay: milestones[1] = 0.4, must be >= the one before, 0.5");
  CHECK(message_of([] { (void)step_decay(0.5, std::vector<double>(33, 0.5)); }) ==
        "gavel::schedule::milestone_list: size = 33, must be <= capacity 32");
}

TEST_CASE("One cycle refuses what would divide by zero or turn round", "[schedule][profile]") {
  CHECK(message_of([] { (void)one_cycle({.peak_at = 1.1}); }) == "gavel::schedule::one_cycle: peak_at = 1.1, must be <= 1");
  CHECK(message_of([] { (void)one_cycle({.peak_at = -1e308, .three_phase = true}); }) ==
        "gavel::schedule::one_cycle: back_at = -inf, must be in (peak_at, 1)");
  CHECK(message_of([] { (void)one_cycle({.peak_at = -infinity}); }) == "gavel::schedule::one_cycle: peak_at = -inf, must be finite");
  CHECK(message_of([] { (void)one_cycle({.peak_at = not_a_number}); }) ==
        "domain: gavel::schedule::one_cycle: peak_at = nan, must be finite");
  CHECK(message_of([] { (void)one_cycle({.start_divisor = 0.5}); }) == "gavel::schedule::one_cycle: start_divisor = 0.5, must be >= 1");
  CHECK(message_of([] { (void)one_cycle({.final_divisor = not_a_number}); }) ==
        "domain: gavel::schedule::one_cycle: final_divisor = nan, must be >= 1");
  CHECK(message_of([] { (void)one_cycle({.peak_at = 0.5, .three_phase = true}); }) ==
        "gavel::schedule::one_cycle: back_at = 1, must be in (peak_at, 1)");
  CHECK(message_of([] { (void)one_cycle({.peak_at = 0.4, .three_phase = true, .back_at = 0.4}); }) ==
        "gavel::schedule::one_cycle: back_at = 0.4, must be in (peak_at, 1)");
  CHECK(message_of([] { (void)one_cycle({.peak_at = 0.6}); }) == "no exception");  // back_at matters to three phases only
}

}  // namespace profile_test
