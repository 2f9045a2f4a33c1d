// SPDX-License-Identifier: MIT
#include <gavel/schedule/combinators.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/schedule/rate_schedule.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

namespace combinators_test {

using gavel::testing::not_a_number;
using namespace gavel::schedule;
using gavel::infinity;
using gavel::testing::message_of;

namespace {

static_assert(profile<delayed<linear>> && profile<warmup<linear>> && profile<concat<linear, cosine>> &&
              profile<gavel::schedule::floor<linear>> && profile<restart<linear>> && profile<powered<linear>> && profile<bent<linear>> &&
              profile<wsd<>> && profile<wsd<one_minus_sqrt, cosine>>);
static_assert(profile<warmup<gavel::schedule::floor<delayed<rex>>>>);

// A promise: profiles made of profiles are constant expressions when they are built from literals.
static_assert(delayed(0.5, linear{})(0.75) == 0.5);
static_assert(warmup(0.5, linear{})(0.25) == 0.5);
static_assert(warmup(0.5, linear{}, cosine{})(0.0) == 0.0);
static_assert(concat(linear{}, 0.5, constant{})(0.25) == 0.5);
static_assert(gavel::schedule::floor(0.5, linear{})(1.0) == 0.5);
static_assert(restart(2.0, linear{}, 0.5)(0.5) == 0.5);
static_assert(powered(2.0, linear{})(0.5) == 0.25);
static_assert(bent(2.0, linear{})(0.5) == 0.75);
static_assert(wsd({.warmup = 0.25, .decay = 0.5})(0.75) == 0.5);
static_assert(knee({.warmup = 0.25, .explore = 0.25})(0.75) == 0.5);
static_assert(warmup(0.05, gavel::schedule::floor(0.1, delayed(0.25, rex{})))(1.0) == 0.1);
static_assert(stretch(warmup(0.1, restart(5.0, cosine{})), {.steps = 100}).rate(46) == 1.0);
static_assert(stretch(restart(50.0, cosine{}), {.steps = 10'000}).rate(5'800) == 1.0);
static_assert(stretch(warmup(0.01, step_decay(0.1, {0.75})), {.steps = 400}).rate(301) == 0.1);

// Where a step stands, in whole numbers: an oracle that does not round.
struct fraction {
  std::int64_t numerator, denominator;

  constexpr fraction(std::int64_t n, std::int64_t d) : numerator(n / std::gcd(n, d)), denominator(d / std::gcd(n, d)) {}
  [[nodiscard]] constexpr bool below(fraction other) const { return numerator * other.denominator < other.numerator * denominator; }
  [[nodiscard]] constexpr fraction since(fraction other) const {
    return {numerator * other.denominator - other.numerator * denominator, denominator * other.denominator};
  }
  [[nodiscard]] constexpr fraction over(fraction other) const { return {numerator * other.denominator, denominator * other.numerator}; }
  [[nodiscard]] constexpr double value() const { return static_cast<double>(numerator) / static_cast<double>(denominator); }
};

// Shares are percents, cycles whole. A profile here is a call with a fraction, and its twin one of the library.
constexpr fraction percent(int share) { return {share, 100}; }

template <class P>
auto exact_part(int from, P inner) {
  return [=](fraction z) { return inner(z.since(percent(from)).over(percent(100 - from))); };
}
template <class P>
auto exact_restart(int cycles, P inner) {
  return [=](fraction z) {
    const fraction run = z.over({1, cycles});
    const std::int64_t cycle = run.numerator / run.denominator - (run.numerator == run.denominator * cycles ? 1 : 0);
    return inner(run.since({cycle, 1}));
  };
}

template <class Exact, class P>
void check_steps(const char* name, const Exact& exact, const P& shape) {
  INFO(name);
  for (const std::int64_t steps : {50, 60, 99, 100, 240, 400, 840, 1000}) {
    const auto rates = stretch(shape, {.steps = static_cast<std::uint64_t>(steps)});
    std::vector<std::int64_t> wrong;
    for (std::int64_t t = 0; t <= steps; ++t) {
      if (!(std::abs(rates.rate(static_cast<std::uint64_t>(t)) - exact(fraction(t, steps))) <= 1e-12)) wrong.push_back(t);
    }
    INFO(steps << " steps");
    CHECK(wrong.empty());
  }
}

// The points where a clamped function of progress can go wrong.
template <class A, class B>
void check_same(const char* name, const A& a, const B& b, double tolerance = 0.0) {
  INFO(name);
  double distance = 0.0;
  for (int i = 0; i <= 1000; ++i) distance = (std::max)(distance, std::abs(a(i / 1000.0) - b(i / 1000.0)));
  CHECK(distance <= tolerance);
  for (const double z : {-infinity, -1.0, -1e-300, -0.0, 0.0, 1e-300, 1.0, std::nextafter(1.0, 2.0), 2.0, infinity}) {
    INFO("z = " << z);
    CHECK(a(z) == b(z));
  }
}

// What no combinator may change: the range, and the value outside [0, 1] is the one at its nearer end.
template <class P>
void check_range(const char* name, const P& shape) {
  INFO(name);
  bool inside = true;
  for (int i = 0; i <= 10'000; ++i) inside = inside && shape(i / 10'000.0) >= 0.0 && shape(i / 10'000.0) <= 1.0;
  CHECK(inside);
  for (const double z : {-infinity, -1.0, -1e-300}) CHECK(shape(z) == shape(0.0));
  for (const double z : {1.0 + 0x1p-52, 2.0, infinity}) CHECK(shape(z) == shape(1.0));
}

// The largest change between neighbours a millionth apart.
template <class P>
double largest_jump(const P& shape, double low = 0.0, double high = 1.0) {
  double jump = 0.0;
  for (int i = 1; i <= 1000; ++i) {
    const double z = low + (high - low) * i / 1000.0;
    if (z + 1e-6 <= high) jump = (std::max)(jump, std::abs(shape(z + 1e-6) - shape(z)));
  }
  return jump;
}

}  // namespace

TEST_CASE("Combinators that do nothing change nothing", "[schedule][combinators]") {
  const auto identities = [](const char* name, const auto& shape) {
    check_same(name, delayed(0.0, shape), shape);
    check_same(name, warmup(0.0, shape), shape);
    check_same(name, gavel::schedule::floor(0.0, shape), shape);
    check_same(name, restart(1.0, shape), shape);
    check_same(name, powered(1.0, shape), shape);
    check_same(name, bent(1.0, shape), shape);
    check_same(name, gavel::schedule::floor(1.0, shape), constant{});
  };
  identities("constant", constant{});
  identities("linear", linear{});
  identities("rex", rex{});
  identities("cosine", cosine{});
  identities("polynomial", polynomial{0.5});
  identities("one_minus_sqrt", one_minus_sqrt{});
  identities("exponential", exponential{});
  identities("reflected_exponential", reflected_exponential{});
  identities("geometric", geometric{0.01});
  identities("inverse_linear", inverse_linear{4.0});
  identities("hyperbolic_tangent", hyperbolic_tangent{-7.0, 3.0});          // does not start at 1
  identities("step_decay", step_decay{0.5, {0.0, 0.5, 1.0}});               // nor does this
  identities("one_cycle", one_cycle{});                                     // starts low
  identities("wsd", wsd({.warmup = 0.1, .decay = 0.3}, one_minus_sqrt{}));  // starts at 0
  check_same("wsd without parts", wsd({.warmup = 0.0, .decay = 0.0}), constant{});
  check_same("wsd all decay", wsd({.warmup = 0.0, .decay = 1.0}, rex{}), rex{}, 3e-16);
  check_same("knee without parts", knee({.warmup = 0.0, .explore = 0.0}), linear{});
}

TEST_CASE("Joining the halves of a profile gives the profile", "[schedule][combinators]") {
  const auto first_half = [](double z) { return cosine{}(0.5 * z); };
  const auto second_half = [](double z) { return cosine{}(0.5 + 0.5 * z); };
  check_same("halves", concat(first_half, 0.5, second_half), cosine{});
  check_same("warm-up and decay", concat([](double z) { return z; }, 0.25, linear{}), warmup(0.25, linear{}));
  check_same("hold and decay", concat(constant{}, 0.25, rex{}), delayed(0.25, rex{}));
  check_same("two holds", delayed(0.5, delayed(0.5, linear{})), delayed(0.75, linear{}));
  check_same("restarts", restart(2.0, cosine{}), concat(cosine{}, 0.5, cosine{}));
  check_same("restarts of restarts", restart(2.0, restart(2.0, linear{})), restart(4.0, linear{}));
  check_same("powers of powers", powered(0.5, powered(2.0, linear{})), linear{});
  check_same("bends of bends", bent(0.5, bent(2.0, linear{})), linear{}, 3e-16);
  const concat jump(linear{}, 0.5, constant{});
  CHECK(jump(std::nextafter(0.5, 0.0)) <= 1e-15);
  CHECK(jump(0.5) == 1.0);  // the boundary belongs to the second part
}

TEST_CASE("Combinators keep the range and hold the ends", "[schedule][combinators]") {
  check_range("delayed", delayed(0.3, rex{}));
  check_range("delayed step", delayed(0.3, step_decay(0.5, {0.0, 1.0})));
  check_range("warmup", warmup(0.1, cosine{}));
  check_range("warmup sqrt", warmup(0.1, cosine{}, one_minus_sqrt{}));
  check_range("warmup exponential", warmup(0.1, cosine{}, exponential_to_zero{5.0}));
  check_range("concat", concat(one_cycle{}, 0.7, rex{}));
  check_range("floor", gavel::schedule::floor(0.1, exponential_to_zero{}));
  check_range("restart", restart(3.0, cosine{}, 0.5));
  check_range("restart 2.5", restart(2.5, cosine{}));
  check_range("powered", powered(1.7, cosine{}));
  check_range("bent", bent(1.7, cosine{}));
  check_range("wsd", wsd({.warmup = 0.1, .decay = 0.2}, one_minus_sqrt{}, cosine{}));
  check_range("wsd whole", wsd({.warmup = 0.3, .decay = 0.7}));
  check_range("knee", knee({.warmup = 0.1, .explore = 0.4}));
  // Callables that do not clamp see progress in [0, 1] only.
  double low = 1.0;
  double high = 0.0;
  const auto watch = [&](double z) {
    low = (std::min)(low, z);
    high = (std::max)(high, z);
    return 1.0;
  };
  for (const double z : {-3.0, 0.0, 0.1, 0.3, 0.5, std::nextafter(0.8, 1.0), 0.9, 1.0, 7.0}) {
    (void)delayed(0.3, watch)(z);
    (void)warmup(0.3, watch, watch)(z);
    (void)concat(watch, 0.3, watch)(z);
    (void)restart(3.0, watch)(z);
    (void)bent(2.0, watch)(z);
    (void)wsd({.warmup = 0.3, .decay = 0.2}, watch, watch)(z);
  }
  CHECK(low == 0.0);
  CHECK(high == 1.0);
}

TEST_CASE("Parts meet without a jump where they should", "[schedule][combinators]") {
  CHECK(largest_jump(delayed(0.25, linear{})) < 2e-6);
  CHECK(largest_jump(warmup(0.1, rex{})) < 2e-5);
  CHECK(largest_jump(warmup(0.1, rex{}, cosine{})) < 2e-5);
  CHECK(largest_jump(wsd({.warmup = 0.1, .decay = 0.2})) < 2e-5);
  for (const double at : {0.1, 0.8}) {
    const wsd shape({.warmup = 0.1, .decay = 0.2});
    CHECK(std::abs(shape(at - 1e-12) - shape(at + 1e-12)) < 1e-10);
  }
  CHECK(delayed(0.25, rex{})(0.25) == 1.0);
  CHECK(warmup(0.1, rex{})(0.1) == 1.0);
  CHECK(warmup(0.5, step_decay(0.25, {0.0}))(0.5) == 0.25);  // the boundary belongs to what follows the rise
}

TEST_CASE("Every warm-up rises from 0 to the peak and keeps the digits of its first steps", "[schedule][combinators]") {
  const auto rises = [](const auto& shape) {
    CHECK(shape(0.0) == 0.0);
    double before = 0.0;
    for (int i = 1; i <= 200; ++i) {
      const double value = shape(i / 1000.0);
      CHECK(value > before);
      before = value;
    }
    CHECK(before == 1.0);
  };
  rises(warmup(0.2, constant{}));
  rises(warmup(0.2, constant{}, cosine{}));
  rises(warmup(0.2, constant{}, one_minus_sqrt{}));
  rises(warmup(0.2, constant{}, polynomial{2.0}));
  rises(warmup(0.2, constant{}, exponential_to_zero{4.0}));
  rises(wsd({.warmup = 0.2, .decay = 0.2}));
  CHECK(warmup(0.5, constant{}, cosine{})(0.125) == Approx(0.5 * (1.0 - std::cos(gavel::elementary::pi / 4.0))).epsilon(1e-14));
  CHECK(warmup(0.5, constant{}, one_minus_sqrt{})(0.25) == Approx(1.0 - std::sqrt(0.5)).epsilon(1e-14));
  CHECK(warmup(0.5, constant{}, polynomial{3.0})(0.25) == 0.125);
  // Step 1 of a million: 1 - (1 - u) would keep ten digits.
  CHECK(warmup(0.5, constant{})(1e-6) == Approx(2e-6).epsilon(1e-15).margin(0.0));
  CHECK(wsd({.warmup = 0.5})(1e-6) == Approx(2e-6).epsilon(1e-15).margin(0.0));
}

TEST_CASE("A floor lifts the end and keeps the peak", "[schedule][combinators]") {
  for (const double minimum : {0.0, 1e-9, 0.1, 0.37, 0.5, 0.9, 1.0}) {
    const gavel::schedule::floor shape(minimum, linear{});
    CHECK(shape(0.0) == 1.0);
    CHECK(shape(1.0) == minimum);
    CHECK(shape(0.25) == Approx(minimum + (1.0 - minimum) * 0.75).epsilon(1e-15));
  }
}

TEST_CASE("Restarts begin at the peak and end at the end of the last cycle", "[schedule][combinators]") {
  const restart shape(4.0, cosine{}, 0.5);
  for (int cycle = 0; cycle < 4; ++cycle) {
    const double start = cycle / 4.0;
    CHECK(shape(start) == std::pow(0.5, cycle));
    CHECK(shape(start + 0.125) == Approx(std::pow(0.5, cycle) / 2.0).epsilon(1e-14));
    if (cycle > 0) CHECK(shape(std::nextafter(start, 0.0)) < 1e-15);
  }
  CHECK(shape(1.0) == 0.0);
  CHECK(shape(5.0) == 0.0);
  CHECK(restart(2.0, linear{}, 0.5)(0.75) == 0.25);
  CHECK(restart(2.5, linear{})(1.0) == 0.5);  // half a cycle is left
  CHECK(restart(2.5, linear{})(0.9) == Approx(0.75).epsilon(1e-14));
  CHECK(restart(3.0, exponential{})(1.0) == exponential{}(1.0));
}

TEST_CASE("A step that stands where a part, a cycle or a milestone begins does so in every nest", "[schedule][combinators]") {
  const auto fall = [](fraction z) { return 1.0 - z.value(); };
  const auto root = [](fraction z) { return 1.0 - std::sqrt(z.value()); };  // tells the first 1e-16 of a part
  const auto stairs = [](int milestone) { return [=](fraction z) { return z.below(percent(milestone)) ? 1.0 : 0.1; }; };
  for (int share = 1; share < 100; share += 3) {
    INFO("share " << share << " %");
    const double w = share / 100.0;
    const auto rise = [=](auto inner) {
      return [=](fraction z) { return z.below(percent(share)) ? z.over(percent(share)).value() : exact_part(share, inner)(z); };
    };
    const auto hold = [=](auto inner) { return [=](fraction z) { return z.below(percent(share)) ? 1.0 : exact_part(share, inner)(z); }; };
    const auto join = [=](auto first, auto second) {
      return [=](fraction z) { return z.below(percent(share)) ? first(z.over(percent(share))) : exact_part(share, second)(z); };
    };
    for (const int cycles : {2, 3, 5, 7, 9}) {
      INFO(cycles << " cycles");
      check_steps("restart under a warm-up", rise(exact_restart(cycles, fall)), warmup(w, restart(cycles, linear{})));
      check_steps("restart of 1 - sqrt after a hold", hold(exact_restart(cycles, root)), delayed(w, restart(cycles, one_minus_sqrt{})));
      check_steps("joined restarts", join(exact_restart(cycles, root), exact_restart(cycles, fall)),
                  concat(restart(cycles, one_minus_sqrt{}), w, restart(cycles, linear{})));
      check_steps("restart of restarts", rise(exact_restart(cycles, exact_restart(4, fall))),
                  warmup(w, restart(cycles, restart(4.0, linear{}))));
      check_steps("restart of a warm-up", exact_restart(cycles, rise(root)), restart(cycles, warmup(w, one_minus_sqrt{})));
      check_steps("restart of stairs", hold(exact_restart(cycles, stairs(50))), delayed(w, restart(cycles, step_decay(0.1, {0.5}))));
    }
    for (const int milestone : {5, 30, 60, 75, 90}) {
      const step_decay steps(0.1, {milestone / 100.0});
      check_steps("milestone under a warm-up", rise(stairs(milestone)), warmup(w, steps));
      check_steps("milestone under two", hold(rise(stairs(milestone))), delayed(w, warmup(w, steps)));
      check_steps("milestone of a first part", join(stairs(milestone), stairs(milestone)), concat(steps, w, steps));
    }
    check_steps("1 - sqrt at the end", hold(root), wsd({.decay = (100 - share) / 100.0}, one_minus_sqrt{}));
    check_steps("1 - sqrt under a hold", hold(hold(root)), delayed(w, delayed(w, one_minus_sqrt{})));
  }
  check_steps("hundreds of restarts", exact_restart(420, fall), restart(420.0, linear{}));
  check_steps(
      "bent stairs", [&](fraction z) { return stairs(36)(fraction(z.numerator * z.numerator, z.denominator * z.denominator)); },
      bent(2.0, step_decay(0.1, {0.36})));
  check_steps(
      "lifted and bent stairs", [&](fraction z) { return 0.5 + 0.5 * std::sqrt(exact_part(0, stairs(30))(z)); },
      gavel::schedule::floor(0.5, powered(0.5, step_decay(0.1, {0.3}))));
}

TEST_CASE("Rounding moves no milestone of a long run by a step", "[schedule][combinators]") {
  for (const std::uint64_t steps : {std::uint64_t{400}, std::uint64_t{4'000'000}, std::uint64_t{400'000'000'000'000}}) {
    const auto stairs = stretch(warmup(0.01, step_decay(0.1, {0.75})), {.steps = steps});
    const auto cycles = stretch(delayed(0.01, restart(4.0, linear{})), {.steps = steps});
    const std::uint64_t at = steps / 400 * 301;
    CHECK(stairs.rate(at - 1) == 1.0);
    CHECK(stairs.rate(at) == 0.1);
    CHECK(cycles.rate(at - 1) < 0.02);
    CHECK(cycles.rate(at) == 1.0);
    CHECK(cycles.rate(steps) == 0.0);
  }
}

TEST_CASE("Powers and bends have the values of their formulas", "[schedule][combinators]") {
  for (int i = 0; i <= 20; ++i) {
    const double z = i / 20.0;
    CHECK(powered(0.5, linear{})(z) == polynomial{0.5}(z));
    CHECK(bent(0.5, linear{})(z) == Approx(one_minus_sqrt{}(z)).margin(1e-15));
    CHECK(bent(3.0, cosine{})(z) == Approx(0.5 * (1.0 + std::cos(gavel::elementary::pi * z * z * z))).margin(1e-15));
    CHECK(powered(3.0, cosine{})(z) == Approx(std::pow(cosine{}(z), 3.0)).margin(1e-15));
  }
}

TEST_CASE("Warm-up, stable, decay has its three parts at their places", "[schedule][combinators]") {
  const wsd shape({.warmup = 0.1, .decay = 0.2}, one_minus_sqrt{});
  CHECK(shape(0.0) == 0.0);
  CHECK(shape(0.05) == Approx(0.5).epsilon(1e-14));
  CHECK(shape(0.1) == 1.0);
  CHECK(shape(0.5) == 1.0);
  CHECK(shape(0.8) == 1.0);
  CHECK(shape(0.85) == Approx(0.5).epsilon(1e-13));
  CHECK(shape(1.0) == 0.0);
  for (int i = 1; i < 100; ++i) CHECK(wsd({.decay = i / 100.0})(1.0) == 0.0);  // exactly, whatever 1 - (1 - decay) is
  CHECK(wsd({.warmup = 0.1, .decay = 0.0})(1.0) == 1.0);
  CHECK(wsd({.warmup = 0.5, .decay = 0.5 + 0x1p-52})(0.5) == Approx(1.0).epsilon(1e-15));  // a sum one rounding above 1 is 1
  CHECK(wsd({.warmup = 0.2, .decay = 0.4}, geometric{0.01}, cosine{})(0.8) == Approx(0.1).epsilon(1e-13));
  CHECK(wsd()(0.9) == Approx(0.5).epsilon(1e-13));
  const auto bend = knee({.warmup = 0.2, .explore = 0.4});
  CHECK(bend(0.1) == Approx(0.5).epsilon(1e-14));
  CHECK(bend(0.6) == 1.0);
  CHECK(bend(0.8) == Approx(0.5).epsilon(1e-13));
  CHECK(bend(1.0) == 0.0);
  for (int i = 0; i < 1000; ++i) {  // no share is lost to rounding
    CHECK(message_of([&] { (void)knee({.warmup = i / 1000.0, .explore = (1000 - i) / 1000.0}); }) == "no exception");
    CHECK(message_of([&] { (void)wsd({.warmup = i / 1000.0, .decay = (1000 - i) / 1000.0}); }) == "no exception");
  }
}

TEST_CASE("Combinators compare by their parts", "[schedule][combinators]") {
  CHECK(delayed(0.3, rex{}) == delayed(0.3, rex{}));
  CHECK(delayed(0.3, rex{}) != delayed(0.2, rex{}));
  CHECK(delayed(0.3, rex{}) != delayed(0.3, rex{0.9}));
  CHECK(warmup(0.3, rex{}) != warmup(0.2, rex{}));
  CHECK(warmup(0.3, rex{}, polynomial{2.0}) != warmup(0.3, rex{}, polynomial{3.0}));
  CHECK(concat(rex{}, 0.5, rex{}) != concat(rex{}, 0.5, rex{0.9}));
  CHECK(concat(rex{}, 0.5, rex{}) != concat(rex{0.9}, 0.5, rex{}));
  CHECK(gavel::schedule::floor(0.1, rex{}) != gavel::schedule::floor(0.2, rex{}));
  CHECK(restart(2.0, rex{}) != restart(2.0, rex{}, 0.5));
  CHECK(powered(2.0, rex{}) != powered(3.0, rex{}));
  CHECK(bent(2.0, rex{}) != bent(3.0, rex{}));
  CHECK(wsd({.decay = 0.1}) != wsd({.decay = 0.2}));
  CHECK(knee({.explore = 0.5}) == knee({}));
  CHECK(knee_options{} == knee_options{.warmup = 0.0, .explore = 0.5});
  auto copy = warmup(0.1, delayed(0.2, rex{}));
  copy = warmup(0.2, delayed(0.3, rex{0.9}));
  CHECK(copy == warmup(0.2, delayed(0.3, rex{0.9})));
}

TEST_CASE("Shares outside their range are refused", "[schedule][combinators]") {
  CHECK(message_of([] { (void)delayed(1.0, linear{}); }) == "gavel::schedule::delayed: delay = 1, must be in [0, 1)");
  CHECK(message_of([] { (void)delayed(-0.1, linear{}); }) == "gavel::schedule::delayed: delay = -0.1, must be in [0, 1)");
  CHECK(message_of([] { (void)delayed(not_a_number, linear{}); }) == "domain: gavel::schedule::delayed: delay = nan, must be in [0, 1)");
  CHECK(message_of([] { (void)warmup(1.0, linear{}); }) == "gavel::schedule::warmup: share = 1, must be in [0, 1)");
  CHECK(message_of([] { (void)concat(linear{}, 0.0, linear{}); }) == "gavel::schedule::concat: at = 0, must be in (0, 1)");
  CHECK(message_of([] { (void)concat(linear{}, 1.0, linear{}); }) == "gavel::schedule::concat: at = 1, must be in (0, 1)");
  CHECK(message_of([] { (void)gavel::schedule::floor(1.1, linear{}); }) == "gavel::schedule::floor: minimum = 1.1, must be in [0, 1]");
  CHECK(message_of([] { (void)gavel::schedule::floor(not_a_number, linear{}); }) ==
        "domain: gavel::schedule::floor: minimum = nan, must be in [0, 1]");
  CHECK(message_of([] { (void)restart(0.5, linear{}); }) == "gavel::schedule::restart: cycles = 0.5, must be in [1, 1e15)");
  CHECK(message_of([] { (void)restart(1e15, linear{}); }) == "gavel::schedule::restart: cycles = 1e+15, must be in [1, 1e15)");
  CHECK(message_of([] { (void)restart(2.0, linear{}, 0.0); }) == "gavel::schedule::restart: amplitude = 0, must be in (0, 1]");
  CHECK(message_of([] { (void)restart(2.0, linear{}, 1.5); }) == "gavel::schedule::restart: amplitude = 1.5, must be in (0, 1]");
  CHECK(message_of([] { (void)powered(0.0, linear{}); }) == "gavel::schedule::powered: exponent = 0, must be finite and > 0");
  CHECK(message_of([] { (void)bent(infinity, linear{}); }) == "gavel::schedule::bent: exponent = inf, must be finite and > 0");
  CHECK(message_of([] { (void)wsd({.warmup = 1.0, .decay = 0.0}); }) == "gavel::schedule::wsd: warmup = 1, must be in [0, 1)");
  CHECK(message_of([] { (void)wsd({.decay = 1.5}); }) == "gavel::schedule::wsd: decay = 1.5, must be in [0, 1]");
  CHECK(message_of([] { (void)wsd({.warmup = 0.5, .decay = 0.75}); }) == "gavel::schedule::wsd: warmup + decay = 1.25, must be <= 1");
  CHECK(message_of([] { (void)knee({.warmup = -0.5}); }) == "gavel::schedule::knee: warmup = -0.5, must be in [0, 1)");
  CHECK(message_of([] { (void)knee({.warmup = 0.5, .explore = 0.75}); }) ==
        "gavel::schedule::knee: explore = 0.75, must be in [0, 1 - warmup], and warmup is 0.5");
  CHECK(message_of([] { (void)knee({.explore = not_a_number}); }) ==
        "domain: gavel::schedule::knee: explore = nan, must be in [0, 1 - warmup], and warmup is 0");
}

}  // namespace combinators_test
