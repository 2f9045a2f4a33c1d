// SPDX-License-Identifier: MIT
#include <gavel/core/elementary.hpp>

#include "support/catch.hpp"
#include "support/numbers.hpp"

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

namespace elementary_test {

using gavel::infinity;
using gavel::testing::not_a_number;
using gavel::testing::ulps;
namespace elementary = gavel::elementary;

namespace {

constexpr double largest = (std::numeric_limits<double>::max)();
constexpr double smallest = std::numeric_limits<double>::denorm_min();
constexpr double smallest_normal = (std::numeric_limits<double>::min)();

constexpr bool is_nan(double x) { return x != x; }

// A grid that does not sit on round numbers, from low to high, evaluated at compile time.
template <std::size_t N>
constexpr std::array<double, N> grid(double low, double high) {
  std::array<double, N> points{};
  for (std::size_t i = 0; i < N; ++i) points[i] = low + (high - low) * (static_cast<double>(i) + 0.37) / static_cast<double>(N);
  return points;
}

// low 2^0, low 2^1, ... with a mantissa that wanders: many magnitudes.
template <std::size_t N>
constexpr std::array<double, N> magnitudes(double low, double ratio) {
  std::array<double, N> points{};
  double x = low;
  for (std::size_t i = 0; i < N; ++i, x *= ratio) points[i] = x;
  return points;
}

template <std::size_t N, class F>
constexpr std::array<double, N> map(const std::array<double, N>& points, F f) {
  std::array<double, N> values{};
  for (std::size_t i = 0; i < N; ++i) values[i] = f(points[i]);
  return values;
}

template <std::size_t N, class F>
void check_values(const std::array<double, N>& points, const std::array<double, N>& at_compile_time, F f, std::uint64_t allowed) {
  for (std::size_t i = 0; i < N; ++i) {
    const double expected = f(points[i]);
    INFO("x = " << points[i] << ": " << at_compile_time[i] << " at compile time, " << expected << " at run time");
    CHECK(ulps(at_compile_time[i], expected) <= allowed);
  }
}

// Compile-time and run-time values of one function over one set of points.
#define CHECK_SERIES_WITHIN(allowed, points, name)                                            \
  do {                                                                                        \
    static constexpr auto values = map(points, [](double x) { return elementary::name(x); }); \
    check_values(points, values, [](double x) { return std::name(x); }, allowed);             \
  } while (false)
#define CHECK_SERIES(points, name) CHECK_SERIES_WITHIN(2, points, name)

}  // namespace

TEST_CASE("Exponentials at compile time agree with those at run time", "[core][elementary]") {
  static constexpr auto middle = grid<200>(-3.0, 3.0);
  static constexpr auto wide = grid<300>(-745.0, 709.7);
  static constexpr auto tiny = magnitudes<60>(1e-18, 2.3);
  CHECK_SERIES(middle, exp);
  CHECK_SERIES(wide, exp);
  CHECK_SERIES(tiny, exp);
  CHECK_SERIES(middle, expm1);
  CHECK_SERIES(wide, expm1);
  CHECK_SERIES(tiny, expm1);
  static constexpr auto negative = map(tiny, [](double x) { return -x; });
  CHECK_SERIES(negative, expm1);
}

TEST_CASE("Logarithms and roots at compile time agree with those at run time", "[core][elementary]") {
  static constexpr auto near_one = grid<200>(0.5, 2.0);
  static constexpr auto wide = magnitudes<50>(smallest * 12345.0, 2.7e12);  // 1e-320 to 1e301
  static constexpr auto just_around_one =
      std::array{1.0 + 0x1p-52, 1.0 - 0x1p-53, 1.0 + 0x1p-40, 1.0 - 0x1p-30, 0.75, 1.5, 1.5000000000000002};
  CHECK_SERIES(near_one, log);
  CHECK_SERIES(wide, log);
  CHECK_SERIES(just_around_one, log);
  CHECK_SERIES_WITHIN(0, near_one, sqrt);  // correctly rounded
  CHECK_SERIES_WITHIN(0, wide, sqrt);
  STATIC_REQUIRE(elementary::sqrt(2.25) == 1.5);
  STATIC_REQUIRE(elementary::sqrt(1e300) == 1e150);
  STATIC_REQUIRE(elementary::log(1.0) == 0.0);
}

TEST_CASE("Cosines at compile time agree with those at run time, near their zeros too", "[core][elementary]") {
  static constexpr auto turns = grid<300>(-13.0, 13.0);
  static constexpr auto far = grid<100>(1e6, 1e9);
  static constexpr auto zeros = std::array{elementary::pi / 2,
                                           3 * elementary::pi / 2,
                                           5 * elementary::pi / 2,
                                           -elementary::pi / 2,
                                           elementary::pi,
                                           elementary::pi / 4,
                                           1.5707963267948966,
                                           1.5707963267948968,
                                           11.0,
                                           -11.0};
  CHECK_SERIES(turns, cos);
  CHECK_SERIES(far, cos);
  CHECK_SERIES(zeros, cos);
  STATIC_REQUIRE(elementary::cos(0.0) == 1.0);
  STATIC_REQUIRE(elementary::cos(elementary::pi) == -1.0);
}

TEST_CASE("The raised cosine is exact at whole numbers and keeps its digits next to its zeros", "[core][elementary]") {
  constexpr long double pi = 3.141592653589793238462643383279502884L;
  STATIC_REQUIRE(elementary::raised_cosine(0.0) == 1.0);
  STATIC_REQUIRE(elementary::raised_cosine(1.0) == 0.0);
  STATIC_REQUIRE(elementary::raised_cosine(2.0) == 1.0);
  STATIC_REQUIRE(elementary::raised_cosine(7.0) == 0.0);
  STATIC_REQUIRE(elementary::raised_cosine(1e15) == 1.0);
  const auto exact = [&](double x) {  // x in [0, 1]: the complement to 1 is exact where the value is small
    const long double sine = std::sin(0.5L * pi * (1.0L - static_cast<long double>(x)));
    return static_cast<double>(sine * sine);
  };
  double before = 1.0;
  for (int i = 0; i <= 100'000; ++i) {
    const double x = i / 100'000.0;
    const double value = elementary::raised_cosine(x);
    INFO("x = " << x);
    REQUIRE(value == Approx(exact(x)).epsilon(1e-15).margin(0.0));
    REQUIRE(value <= before);
    REQUIRE(value >= 0.0);
    before = value;
    if (i % 100 == 0) {
      REQUIRE(std::abs(elementary::raised_cosine(2.0 - x) - value) <= 4e-16);
      REQUIRE(std::abs(elementary::raised_cosine(6.0 + x) - value) <= 2e-15);
    }
  }
  for (double rest = 0x1p-53; rest < 0.01; rest *= 3.0) {
    REQUIRE(elementary::raised_cosine(1.0 - rest) == Approx(exact(1.0 - rest)).epsilon(1e-15).margin(0.0));
  }
  static constexpr auto points = grid<100>(0.0, 9.0);
  static constexpr auto values = map(points, [](double x) { return elementary::raised_cosine(x); });
  check_values(points, values, [](double x) { return elementary::raised_cosine(x); }, 2);
}

TEST_CASE("Hyperbolic tangents at compile time agree with those at run time, near 0 too", "[core][elementary]") {
  static constexpr auto middle = grid<300>(-23.0, 23.0);
  static constexpr auto tiny = magnitudes<60>(1e-20, 2.1);
  static constexpr auto around_half = std::array{0.5, 0.49999999999999994, 0.5000000000000001, -0.5, 22.0, 22.1, -22.1};
  CHECK_SERIES(middle, tanh);
  CHECK_SERIES(tiny, tanh);
  CHECK_SERIES(around_half, tanh);
}

TEST_CASE("Powers at compile time agree with those at run time", "[core][elementary]") {
  static constexpr auto bases = magnitudes<120>(1e-12, 1.7);
  static constexpr auto check = [](auto power) {
    static constexpr double y = decltype(power){}();
    static constexpr auto values = map(bases, [](double x) { return elementary::pow(x, y); });
    check_values(bases, values, [](double x) { return std::pow(x, y); }, 2);
  };
  check([] { return 0.5; });
  check([] { return 0.9; });
  check([] { return 2.0; });
  check([] { return -0.5; });
  check([] { return 10.3; });
  check([] { return -17.7; });
  STATIC_REQUIRE(elementary::pow(0.5, 10.0) == 1.0 / 1024.0);
  STATIC_REQUIRE(elementary::pow(4.0, 0.5) == 2.0);
}

TEST_CASE("Special values at compile time are those of the standard library", "[core][elementary]") {
  STATIC_REQUIRE(elementary::exp(0.0) == 1.0);
  STATIC_REQUIRE(elementary::exp(infinity) == infinity);
  STATIC_REQUIRE(elementary::exp(-infinity) == 0.0);
  STATIC_REQUIRE(elementary::exp(709.7827128933841) == infinity);  // just above the largest: no overflow that would not compile
  STATIC_REQUIRE(elementary::exp(709.7827128933840) < infinity);
  STATIC_REQUIRE(elementary::exp(-745.2) == 0.0);
  STATIC_REQUIRE(elementary::exp(-745.0) == smallest);
  STATIC_REQUIRE(elementary::exp(1e300) == infinity);
  STATIC_REQUIRE(is_nan(elementary::exp(not_a_number)));
  STATIC_REQUIRE(elementary::expm1(0.0) == 0.0);
  STATIC_REQUIRE(elementary::expm1(infinity) == infinity);
  STATIC_REQUIRE(elementary::expm1(-infinity) == -1.0);
  STATIC_REQUIRE(elementary::expm1(-1e300) == -1.0);
  STATIC_REQUIRE(elementary::expm1(709.7827128933841) == infinity);
  STATIC_REQUIRE(is_nan(elementary::expm1(not_a_number)));

  STATIC_REQUIRE(elementary::log(0.0) == -infinity);
  STATIC_REQUIRE(elementary::log(infinity) == infinity);
  STATIC_REQUIRE(is_nan(elementary::log(-1.0)));
  STATIC_REQUIRE(is_nan(elementary::log(-infinity)));
  STATIC_REQUIRE(is_nan(elementary::log(not_a_number)));
  STATIC_REQUIRE(elementary::sqrt(0.0) == 0.0);
  STATIC_REQUIRE(elementary::sqrt(infinity) == infinity);
  STATIC_REQUIRE(is_nan(elementary::sqrt(-smallest)));
  STATIC_REQUIRE(is_nan(elementary::sqrt(not_a_number)));

  STATIC_REQUIRE(is_nan(elementary::cos(infinity)));
  STATIC_REQUIRE(is_nan(elementary::cos(-infinity)));
  STATIC_REQUIRE(is_nan(elementary::cos(not_a_number)));
  STATIC_REQUIRE(elementary::tanh(infinity) == 1.0);
  STATIC_REQUIRE(elementary::tanh(-infinity) == -1.0);
  STATIC_REQUIRE(is_nan(elementary::tanh(not_a_number)));

  STATIC_REQUIRE(elementary::pow(0.0, 0.0) == 1.0);
  STATIC_REQUIRE(elementary::pow(not_a_number, 0.0) == 1.0);
  STATIC_REQUIRE(elementary::pow(1.0, not_a_number) == 1.0);
  STATIC_REQUIRE(elementary::pow(1.0, infinity) == 1.0);
  STATIC_REQUIRE(elementary::pow(0.0, 2.0) == 0.0);
  STATIC_REQUIRE(elementary::pow(0.0, -2.0) == infinity);
  STATIC_REQUIRE(elementary::pow(infinity, 0.5) == infinity);
  STATIC_REQUIRE(elementary::pow(infinity, -0.5) == 0.0);
  STATIC_REQUIRE(elementary::pow(0.5, infinity) == 0.0);
  STATIC_REQUIRE(elementary::pow(2.0, infinity) == infinity);
  STATIC_REQUIRE(elementary::pow(0.5, -infinity) == infinity);
  STATIC_REQUIRE(elementary::pow(2.0, -infinity) == 0.0);
  STATIC_REQUIRE(elementary::pow(2.0, 1024.0) == infinity);
  STATIC_REQUIRE(elementary::pow(2.0, 1023.0) == 0x1p1023);
  STATIC_REQUIRE(elementary::pow(2.0, -1074.0) == smallest);
  STATIC_REQUIRE(elementary::pow(0.1, 400.0) == 0.0);
  STATIC_REQUIRE(elementary::pow(largest, 1.0) == largest);
  STATIC_REQUIRE(elementary::pow(0.3, 1.0) == 0.3);
  STATIC_REQUIRE(is_nan(elementary::pow(not_a_number, 2.0)));
  STATIC_REQUIRE(is_nan(elementary::pow(2.0, not_a_number)));
  STATIC_REQUIRE(is_nan(elementary::pow(0.0, not_a_number)));
  STATIC_REQUIRE(is_nan(elementary::pow(-1.0, 0.5)));
  STATIC_REQUIRE(elementary::sqrt(smallest_normal) == 0x1p-511);
}

TEST_CASE("The largest whole number below, at compile time and at run time", "[core][elementary]") {
  static constexpr auto points = std::array{0.0,
                                            0.5,
                                            -0.5,
                                            1.0,
                                            -1.0,
                                            1.9999999999999998,
                                            -1.0000000000000002,
                                            -smallest,
                                            smallest,
                                            0x1p51 + 0.5,
                                            -0x1p51 - 0.5,
                                            0x1p52,
                                            -0x1p52,
                                            0x1p53 + 2.0,
                                            0x1p62,
                                            0x1p63,
                                            -0x1p63,
                                            1e300,
                                            -largest,
                                            infinity,
                                            -infinity};
  static constexpr auto values = map(points, [](double x) { return elementary::floor(x); });
  for (std::size_t i = 0; i < points.size(); ++i) {
    INFO("x = " << points[i]);
    CHECK(values[i] == std::floor(points[i]));
    CHECK(elementary::floor(points[i]) == std::floor(points[i]));
  }
  STATIC_REQUIRE(elementary::floor(-0.5) == -1.0);
  STATIC_REQUIRE(is_nan(elementary::floor(not_a_number)));
}

TEST_CASE("At run time they are the standard library's functions, to the bit", "[core][elementary]") {
  for (double x = 0.013; x < 20.0; x *= 1.17) {
    CHECK(elementary::exp(x) == std::exp(x));
    CHECK(elementary::expm1(-x) == std::expm1(-x));
    CHECK(elementary::log(x) == std::log(x));
    CHECK(elementary::sqrt(x) == std::sqrt(x));
    CHECK(elementary::cos(x) == std::cos(x));
    CHECK(elementary::tanh(x) == std::tanh(x));
    CHECK(elementary::pow(x, 1.3) == std::pow(x, 1.3));
  }
}

}  // namespace elementary_test
