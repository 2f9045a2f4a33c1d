// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/numerics.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

/// @file
/// Square root, exponential, logarithm, power, cosine, hyperbolic tangent and rounding that also work in constant expressions, where the
/// standard library's do not (before C++26). At run time each is the standard library's function and costs the same; at compile time a
/// series in `long double`, which agrees with it to two units in the last place (where `long double` is wider than `double`), NaN and the
/// infinities included.
///
///     constexpr double decay = elementary::exp(-0.1);  // std::exp is no constant expression before C++26
///
///     struct halving {  // a profile of your own, which schedules at compile time can be built from
///       constexpr double operator()(double z) const { return elementary::pow(0.5, 4.0 * z); }
///     };
///
/// The last bits of a value may so differ between compile time and run time: do not ask whether the two are equal. `raised_cosine` alone is
/// the same code at both. Nothing here throws or allocates; a compile-time call is some hundred steps of the compiler's evaluator.
/// @note Call them as `elementary::exp(x)`: with all of this namespace in scope the names are ambiguous with those of the C library.

namespace gavel::elementary {

namespace detail {

/// log 2 with more digits than any long double holds.
inline constexpr long double ln_2 = 0.693147180559945309417232121458176568L;
/// pi/2 in three parts: twice 33 bits, whose small multiples are exact, and the rest.
inline constexpr long double half_pi_high = 0x1.921fb544p+0L;
inline constexpr long double half_pi_middle = 0x1.0b4611a600000p-34L;
inline constexpr long double half_pi_low = 2.022266248795950732399684620095e-21L;

/// Beyond these e^x is above the largest double, or rounds to 0.
inline constexpr long double exp_overflow = 709.782712893383996732L;
inline constexpr long double exp_underflow = -745.133219101941207623L;

/// x 2^exponent by repeated squaring: no loss but at the ends of the range. A result below the smallest normal number rounds only when it
/// becomes a double, since long double reaches further (where it is wider).
[[nodiscard]] constexpr long double scale(long double x, int exponent) noexcept {
  long double base = exponent < 0 ? 0.5L : 2.0L;
  for (unsigned count = exponent < 0 ? 0U - static_cast<unsigned>(exponent) : static_cast<unsigned>(exponent); count != 0; count >>= 1U) {
    if ((count & 1U) != 0U) x *= base;
    base *= base;
  }
  return x;
}

/// e^x for x between `exp_underflow` and `exp_overflow`, as 2^k times the series of what is left.
[[nodiscard]] constexpr long double exp_series(long double x) noexcept {
  const int exponent = static_cast<int>(x / ln_2 + (x < 0.0L ? -0.5L : 0.5L));
  const long double rest = x - static_cast<long double>(exponent) * ln_2;  // |rest| <= 0.35: 24 terms leave 1e-35
  long double sum = 1.0L;
  long double term = 1.0L;
  for (int i = 1; i <= 24; ++i) {
    term *= rest / static_cast<long double>(i);
    sum += term;
  }
  return scale(sum, exponent);
}

/// e^x - 1 for |x| <= 1, without the digits that the subtraction drops.
[[nodiscard]] constexpr long double expm1_series(long double x) noexcept {
  long double sum = 0.0L;
  long double term = 1.0L;
  for (int i = 1; i <= 24; ++i) {
    term *= x / static_cast<long double>(i);
    sum += term;
  }
  return sum;
}

/// The series of the sine (@p first = 1) or the cosine (@p first = 0) for |x| <= 0.8, half a quarter turn; the first term left out is
/// below 1e-27.
[[nodiscard]] constexpr long double sine_series(long double x, int first) noexcept {
  long double term = first == 1 ? x : 1.0L;
  long double sum = term;
  for (int i = first + 1; i <= 23; i += 2) {
    term *= -x * x / (static_cast<long double>(i) * static_cast<long double>(i + 1));
    sum += term;
  }
  return sum;
}

/// log x for finite x > 0 as k ln 2 + 2 atanh((m - 1) / (m + 1)), with x = m 2^k and m in [0.75, 1.5]. Next to 1 k is 0, so that nothing
/// cancels there.
[[nodiscard]] constexpr long double log_series(long double x) noexcept {
  int exponent = 0;
  for (; x > 1.5L; x *= 0.5L) ++exponent;
  for (; x < 0.75L; x *= 2.0L) --exponent;
  const long double ratio = (x - 1.0L) / (x + 1.0L);  // |ratio| <= 0.2
  long double sum = 0.0L;
  long double power = ratio;
  for (int i = 1; i <= 61; i += 2) {
    sum += power / static_cast<long double>(i);
    power *= ratio * ratio;
  }
  return static_cast<long double>(exponent) * ln_2 + 2.0L * sum;
}

}  // namespace detail

/// pi, rounded to double.
inline constexpr double pi = 3.14159265358979323846;

/// The largest integer <= x; x itself beyond 2^52, infinite or NaN. The zero of a constant expression has no sign.
[[nodiscard]] constexpr double floor(double x) noexcept {
  if (!std::is_constant_evaluated()) return std::floor(x);
  if (!(x > -0x1p52 && x < 0x1p52)) return x;  // whole already, infinite or NaN
  const auto whole = static_cast<double>(static_cast<std::int64_t>(x));
  return whole > x ? whole - 1.0 : whole;
}

/// sqrt(x); NaN for x < 0. At compile time by Newton's steps from exp(log(x) / 2).
[[nodiscard]] constexpr double sqrt(double x) noexcept {
  if (!std::is_constant_evaluated()) return std::sqrt(x);
  if (x != x || x < 0.0) return std::numeric_limits<double>::quiet_NaN();
  if (x == 0.0 || x == infinity) return x;
  const auto wide = static_cast<long double>(x);
  long double root = detail::exp_series(0.5L * detail::log_series(wide));
  for (int i = 0; i < 3; ++i) root = 0.5L * (root + wide / root);
  return static_cast<double>(root);
}

/// e^x: infinity above 709.78, 0 below -745.13, denormal from -708.4 down. For e^x - 1 near 0 take `expm1`.
[[nodiscard]] constexpr double exp(double x) noexcept {
  if (!std::is_constant_evaluated()) return std::exp(x);
  if (x != x) return x;
  const auto wide = static_cast<long double>(x);
  if (wide > detail::exp_overflow) return infinity;
  if (wide < detail::exp_underflow) return 0.0;
  return static_cast<double>(detail::exp_series(wide));
}

/// e^x - 1, accurate near 0, where exp(x) - 1 cancels; -1 at -infinity. The share 1 - e^-x that has decayed after x is -expm1(-x).
[[nodiscard]] constexpr double expm1(double x) noexcept {
  if (!std::is_constant_evaluated()) return std::expm1(x);
  if (x != x) return x;
  const auto wide = static_cast<long double>(x);
  if (wide > detail::exp_overflow) return infinity;
  if (x < -50.0) return -1.0;
  return static_cast<double>(x > -1.0 && x < 1.0 ? detail::expm1_series(wide) : detail::exp_series(wide) - 1.0L);
}

/// Natural logarithm; -infinity at 0, NaN below. Accurate around 1 as well, as far as x is: for log(1 + u) with small u, forming 1 + u has
/// dropped digits before.
[[nodiscard]] constexpr double log(double x) noexcept {
  if (!std::is_constant_evaluated()) return std::log(x);
  if (x != x || x < 0.0) return std::numeric_limits<double>::quiet_NaN();
  if (x == 0.0) return -infinity;
  if (x == infinity) return x;
  return static_cast<double>(detail::log_series(static_cast<long double>(x)));
}

/// x^y for x >= 0, with 0^0 = 1; 0^y is 0 for y > 0 and infinity for y < 0. y = 1 gives x itself for the price of a comparison.
/// @note A negative x is outside the domain: constant expressions give NaN unless y is 0, std::pow a number where y is whole.
[[nodiscard]] constexpr double pow(double x, double y) noexcept {
  if (!std::is_constant_evaluated()) return y == 1.0 ? x : std::pow(x, y);  // an exponent that is switched off costs a comparison
  if (y == 0.0 || x == 1.0) return 1.0;
  if (x != x || y != y || x < 0.0) return std::numeric_limits<double>::quiet_NaN();
  if (y == 1.0) return x;
  if (x == 0.0 || x == infinity) return (x == 0.0) == (y > 0.0) ? 0.0 : infinity;
  const long double exponent = static_cast<long double>(y) * detail::log_series(static_cast<long double>(x));
  if (exponent > detail::exp_overflow) return infinity;
  if (exponent < detail::exp_underflow) return 0.0;
  return static_cast<double>(detail::exp_series(exponent));
}

/// cos(x), x in radians; in constant expressions for |x| < 10^9. NaN for an infinite x. For the half wave of a schedule take
/// `raised_cosine`, which has no pi to round.
[[nodiscard]] constexpr double cos(double x) noexcept {
  if (!std::is_constant_evaluated()) return std::cos(x);
  if (!(x > -infinity && x < infinity)) return std::numeric_limits<double>::quiet_NaN();
  const auto wide = static_cast<long double>(x < 0.0 ? -x : x);
  const auto quarters = static_cast<std::int64_t>(wide / detail::half_pi_high + 0.5L);
  const auto count = static_cast<long double>(quarters);
  const long double rest = wide - count * detail::half_pi_high - count * detail::half_pi_middle - count * detail::half_pi_low;
  switch (quarters % 4) {
    case 0: return static_cast<double>(detail::sine_series(rest, 0));
    case 1: return static_cast<double>(-detail::sine_series(rest, 1));
    case 2: return static_cast<double>(-detail::sine_series(rest, 0));
    default: return static_cast<double>(detail::sine_series(rest, 1));
  }
}

/// (1 + cos(pi x)) / 2 for x >= 0: exactly 1 and 0 at whole x, and next to its zeros every digit is right, where the plain formula cancels.
/// Without the C library, so its bits depend on no version of it, only on whether the compiler fuses multiplications with additions.
/// @param x half waves since the top, >= 0: 1 at 0, 1/2 at 1/2, 0 at 1, and up again. NaN for NaN and infinity
/// @return in [0, 1]; a cosine from a down to b is b + (a - b) raised_cosine(t / T)
/// @note Some twenty multiplications and additions; above 1 also a `floor`.
[[nodiscard]] constexpr double raised_cosine(double x) noexcept {
  if (x > 1.0) [[unlikely]] {
    x -= 2.0 * floor(0.5 * x);
    if (x > 1.0) x = 2.0 - x;
  }
  // The value is 1 - sin^2(pi x / 2) = sin^2(pi (1 - x) / 2): take the sine of the smaller angle, u = x or 1 - x <= 1/2, by the Taylor series
  // sin(pi u / 2) = u (c0 + c1 u^2 + ... + c8 u^16), whose next term is below 1e-19.
  constexpr double c[] = {1.5707963267948966,    -0.6459640975062463,    0.07969262624616705,
                          -0.004681754135318688, 0.00016044118478735983, -3.598843235212085e-06,
                          5.692172921967927e-08, -6.688035109811468e-10, 6.0669357311061955e-12};
  const bool upper = x < 0.5;
  const double u = upper ? x : 1.0 - x;
  const double y = u * u;
  const double y2 = y * y;
  const double even = c[0] + y2 * (c[2] + y2 * (c[4] + y2 * (c[6] + y2 * c[8])));
  const double odd = c[1] + y2 * (c[3] + y2 * (c[5] + y2 * c[7]));
  const double sine = even + y * odd;
  const double square = y * sine * sine;
  return upper ? 1.0 - square : square;
}

/// tanh(x): accurate near 0, -1 or 1 where |x| > 22. Its distance to 1 is not: 1 - tanh(x) cancels for large x, where
/// 2 / (1 + exp(2 x)) does not.
[[nodiscard]] constexpr double tanh(double x) noexcept {
  if (!std::is_constant_evaluated()) return std::tanh(x);
  if (x != x) return x;
  if (x > 22.0) return 1.0;
  if (x < -22.0) return -1.0;
  const long double twice = -2.0L * static_cast<long double>(x < 0.0 ? -x : x);
  const long double shrunk = twice > -1.0L ? detail::expm1_series(twice) : detail::exp_series(twice) - 1.0L;  // exp(-2 |x|) - 1
  const auto size = static_cast<double>(-shrunk / (2.0L + shrunk));
  return x < 0.0 ? -size : size;
}

}  // namespace gavel::elementary
