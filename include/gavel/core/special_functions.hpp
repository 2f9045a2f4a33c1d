// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>

#include <cmath>
#include <cstddef>
#include <limits>

/// @file
/// The few special functions behind random variates, intervals and p-values: normal cumulative distribution and quantile, log-gamma, the
/// regularized incomplete gamma functions. Pure functions: safe in any number of threads (`std::lgamma` is not).

namespace gavel {

/// Probability that a standard normal variable is at most @p x. Accurate in both tails; -infinity gives 0, infinity 1, NaN stays NaN.
[[nodiscard]] inline double normal_cdf(double x) { return 0.5 * std::erfc(x * -0.70710678118654752440); }

namespace detail {

/// a[0] + a[1] x + ... + a[N-1] x^(N-1)
template <std::size_t N>
[[nodiscard]] constexpr double polynomial(const double (&a)[N], double x) {
  double value = a[N - 1];
  for (std::size_t i = N - 1; i-- > 0;) value = value * x + a[i];
  return value;
}

/// The quantile for 0 < p < 1, unchecked.
[[nodiscard]] inline double normal_quantile_inside(double p) {
  const double q = p - 0.5;
  if (std::fabs(q) <= 0.425) {
    constexpr double a[] = {3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3, 1.3731693765509461125e+4,
                            4.5921953931549871457e+4, 6.7265770927008700853e+4, 3.3430575583588128105e+4, 2.5090809287301226727e+3};
    constexpr double b[] = {1.0,
                            4.2313330701600911252e+1,
                            6.8718700749205790830e+2,
                            5.3941960214247511077e+3,
                            2.1213794301586595867e+4,
                            3.9307895800092710610e+4,
                            2.8729085735721942674e+4,
                            5.2264952788528545610e+3};
    const double r = 0.180625 - q * q;
    return q * polynomial(a, r) / polynomial(b, r);
  }
  double r = std::sqrt(-std::log(q < 0.0 ? p : 1.0 - p));
  double magnitude = 0.0;
  if (r <= 5.0) {
    constexpr double c[] = {1.42343711074968357734e0, 4.63033784615654529590e0,  5.76949722146069140550e0,  3.64784832476320460504e0,
                            1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4};
    constexpr double d[] = {1.0,
                            2.05319162663775882187e0,
                            1.67638483018380384940e0,
                            6.89767334985100004550e-1,
                            1.48103976427480074590e-1,
                            1.51986665636164571966e-2,
                            5.47593808499534494600e-4,
                            1.05075007164441684324e-9};
    r -= 1.6;
    magnitude = polynomial(c, r) / polynomial(d, r);
  } else {
    constexpr double e[] = {6.65790464350110377720e0,  5.46378491116411436990e0,  1.78482653991729133580e0,  2.96560571828504891230e-1,
                            2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7};
    constexpr double f[] = {1.0,
                            5.99832206555887937690e-1,
                            1.36929880922735805310e-1,
                            1.48753612908506148525e-2,
                            7.86869131145613259100e-4,
                            1.84631831751005468180e-5,
                            1.42151175831644588870e-7,
                            2.04426310338993978564e-15};
    r -= 5.0;
    magnitude = polynomial(e, r) / polynomial(f, r);
  }
  return q < 0.0 ? -magnitude : magnitude;
}

/// The remainder of Stirling's formula, log Gamma(x + 1) - (x + 1/2) log x + x - log(2 pi)/2, for x >= 10 to full precision.
[[nodiscard]] inline double stirling_remainder(double x) {
  constexpr double c[] = {1.0 / 12, -1.0 / 360, 1.0 / 1260, -1.0 / 1680, 1.0 / 1188, -691.0 / 360360, 1.0 / 156};
  return polynomial(c, 1.0 / (x * x)) / x;
}

}  // namespace detail

/// The standard normal quantile: the x with `normal_cdf(x) == p`, to about 16 digits.
/// @param p in [0, 1]; 0 gives -infinity and 1 infinity
/// @throws std::invalid_argument if @p p is outside [0, 1], std::domain_error if it is NaN
/// @par Source
/// Wichura, "Algorithm AS 241: the percentage points of the normal distribution" (1988), PPND16.
[[nodiscard]] inline double normal_quantile(double p) {
  check_unit_interval("gavel::normal_quantile", "p", p);
  if (p == 0.0) return -std::numeric_limits<double>::infinity();
  if (p == 1.0) return std::numeric_limits<double>::infinity();
  return detail::normal_quantile_inside(p);
}

/// log Gamma(x) for x > 0, absolute error below 1e-14 for x <= 10 and relative error of a few units in the last place above.
/// @throws std::invalid_argument if @p x is not finite and positive, std::domain_error if it is NaN
[[nodiscard]] inline double log_gamma(double x) {
  check_positive("gavel::log_gamma", "x", x);
  double factor = 1.0;  // Gamma(x) = Gamma(x + n) / (x (x + 1) ... (x + n - 1))
  while (x < 10.0) {
    factor *= x;
    x += 1.0;
  }
  constexpr double half_log_2pi = 0.91893853320467274178;
  return (x - 0.5) * std::log(x) - x + half_log_2pi + detail::stirling_remainder(x) - std::log(factor);
}

namespace detail {

/// x^a exp(-x) / Gamma(a + 1), without the cancellation of three large logarithms when a is large.
[[nodiscard]] inline double poisson_density(double a, double x) {
  if (a < 10.0) return std::exp(a * std::log(x) - x - log_gamma(a + 1.0));
  const double distance = (x - a) / a;
  const double deviance = a * (distance - std::log1p(distance));
  return std::exp(-deviance - stirling_remainder(a)) / std::sqrt(6.28318530717958647693 * a);
}

struct incomplete_gamma {
  double lower = 0.0;  // P(a, x)
  double upper = 1.0;  // Q(a, x)
};

/// Both tails; the smaller one is computed, the other is its complement. O(sqrt(a)) steps near x = a, a few elsewhere.
[[nodiscard]] inline incomplete_gamma regularized_gamma(const char* function, double a, double x) {
  constexpr double largest = (std::numeric_limits<double>::max)();
  check_positive(function, "a", a);
  check_at_least(function, "x", x, 0.0);
  if (x == 0.0) return {0.0, 1.0};
  if (x > largest) return {1.0, 0.0};
  constexpr double epsilon = std::numeric_limits<double>::epsilon();
  const double density = poisson_density(a, x);
  if (x < a + 1.0) {  // P = density * (1 + x/(a+1) + x^2/((a+1)(a+2)) + ...)
    double term = 1.0;
    double sum = 1.0;
    for (double n = a + 1.0; term > sum * epsilon * 0.25; n += 1.0) {
      term *= x / n;
      sum += term;
    }
    const double lower = (std::fmin)(density * sum, 1.0);
    return {lower, 1.0 - lower};
  }
  // Q = density * a * continued fraction, evaluated by the modified Lentz method
  double b = x + 1.0 - a;
  double c = largest;
  double d = 1.0 / b;
  double fraction = d;
  for (double n = 1.0;; n += 1.0) {
    const double numerator = -n * (n - a);
    b += 2.0;
    d = numerator * d + b;
    c = b + numerator / c;
    constexpr double tiny = 1e-300;
    if (std::fabs(d) < tiny) d = tiny;
    if (std::fabs(c) < tiny) c = tiny;
    d = 1.0 / d;
    const double factor = d * c;
    fraction *= factor;
    if (std::fabs(factor - 1.0) <= epsilon * 2.0 || n > 1e7) break;
  }
  const double upper = (std::fmin)(density * a * fraction, 1.0);
  return {1.0 - upper, upper};
}

}  // namespace detail

/// Regularized lower incomplete gamma function P(a, x): the probability that a gamma variable of shape @p a is at most @p x.
/// @param a finite, > 0
/// @param x >= 0, infinity allowed
/// @throws std::invalid_argument if a parameter is outside its domain, std::domain_error for NaN
[[nodiscard]] inline double regularized_gamma_p(double a, double x) {
  return detail::regularized_gamma("gavel::regularized_gamma_p", a, x).lower;
}

/// Its complement Q(a, x) = 1 - P(a, x), accurate where it is small.
/// @throws std::invalid_argument if a parameter is outside its domain, std::domain_error for NaN
[[nodiscard]] inline double regularized_gamma_q(double a, double x) {
  return detail::regularized_gamma("gavel::regularized_gamma_q", a, x).upper;
}

}  // namespace gavel
