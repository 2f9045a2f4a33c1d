// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/views.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>

/// @file
/// Scalar formulas that lose everything when written down naively: logarithms of sums and complements, logistic functions, sums of many
/// terms. The templates take `float`, `double` and automatic-differentiation scalars (anything with `exp`, `log` and comparisons found by
/// argument-dependent lookup). Without a `log1p` those scalars are accurate to about 1e-13, derivatives included.

namespace gavel {

inline constexpr double infinity = std::numeric_limits<double>::infinity();
inline constexpr double log_2pi = 1.83787706640934548356;      ///< log(2 pi)
inline constexpr double euler_gamma = 0.57721566490153286061;  ///< mean of a standard Gumbel variable

namespace detail {

/// log(1 + x) for |x| <= 1, also for scalars that only know exp and log.
template <class T>
[[nodiscard]] inline T log_one_plus(const T& x) {
  using std::log;
  if constexpr (std::floating_point<T>) {
    return std::log1p(x);
  } else {
    if (x < T(1e-3) && x > T(-1e-3)) {  // log(1 + x) would drop the digits of a small x
      T series = T(0.25) - x * T(0.2);
      series = T(1.0 / 3) - x * series;
      series = T(0.5) - x * series;
      return x - x * x * series;
    }
    return log(T(1) + x);
  }
}

/// 1 - exp(x) for x <= 0.
template <class T>
[[nodiscard]] inline T one_minus_exp(const T& x) {
  using std::exp;
  if constexpr (std::floating_point<T>) {
    return -std::expm1(x);
  } else {
    if (x > T(-1e-3)) {
      T series = T(1.0 / 24) + x * T(1.0 / 120);
      series = T(1.0 / 6) + x * series;
      series = T(0.5) + x * series;
      return -x - x * x * series;
    }
    return T(1) - exp(x);
  }
}

}  // namespace detail

/// log(1 + exp(x)) without overflow: x for large x, exp(x) for very negative x.
template <class T>
[[nodiscard]] inline T softplus(const T& x) {
  using std::exp;
  if (x > T(0)) {
    const T small = exp(-x);
    return x + detail::log_one_plus(small);
  }
  const T small = exp(x);
  return detail::log_one_plus(small);
}

/// log(1 / (1 + exp(-x))), finite for every finite x.
template <class T>
[[nodiscard]] inline T log_sigmoid(const T& x) {
  const T negated = -x;
  return -softplus(negated);
}

/// 1 / (1 + exp(-x)), with full relative accuracy for negative x.
template <class T>
[[nodiscard]] inline T sigmoid(const T& x) {
  using std::exp;
  if (x < T(0)) {
    const T small = exp(x);
    return small / (T(1) + small);
  }
  const T small = exp(-x);
  return T(1) / (T(1) + small);
}

/// s (1 - s) with s = sigmoid(x): the slope of the sigmoid and the variance of its coin, without the cancellation of 1 - s.
template <class T>
[[nodiscard]] inline T sigmoid_slope(const T& x) {
  using std::exp;
  T magnitude = x;
  if (x < T(0)) magnitude = -x;
  const T small = exp(-magnitude);
  const T denominator = T(1) + small;
  return small / (denominator * denominator);
}

/// log(1 - exp(x)) for x <= 0: the log-probability of the complement. 0 gives -infinity, positive x NaN.
/// @par Source
/// Maechler, "Accurately computing log(1 - exp(-|a|))" (2012), equation 7.
template <class T>
[[nodiscard]] inline T log1m_exp(const T& x) {
  using std::exp;
  using std::log;
  if (x > T(-0.693147180559945309)) {
    const T complement = detail::one_minus_exp(x);
    return log(complement);
  }
  const T negated = -exp(x);
  return detail::log_one_plus(negated);
}

/// log(exp(a) + exp(b)) without overflow; -infinity is the logarithm of zero, so `log_add_exp(-inf, b) == b`.
template <class T>
[[nodiscard]] inline T log_add_exp(const T& a, const T& b) {
  using std::exp;
  const bool a_first = a > b;
  const T difference = a_first ? T(b - a) : T(a - b);
  if (!(difference <= T(0))) return a + b;  // equal infinities, or NaN
  const T small = exp(difference);
  return (a_first ? a : b) + detail::log_one_plus(small);
}

/// log(exp(a) - exp(b)) for a >= b: removes a probability from a sum of probabilities. Equal values give -infinity, a < b NaN.
template <class T>
[[nodiscard]] inline T log_sub_exp(const T& a, const T& b) {
  if constexpr (std::floating_point<T>) {
    if (a == b && !(a > T(0) && std::isinf(a))) return -std::numeric_limits<T>::infinity();
  }
  const T difference = b - a;
  return a + log1m_exp(difference);
}

/// x log(y), with 0 log(y) = 0 for every y >= 0, zero and infinity included: what entropies need.
template <class T>
[[nodiscard]] inline T xlogy(const T& x, const T& y) {
  using std::log;
  if (x == T(0) && y >= T(0)) return T(0);
  return x * log(y);
}

/// x^n by squaring: 1 for n = 0, a relative error of n / 2 roundings, the same on every standard library.
[[nodiscard]] constexpr double integer_power(double x, std::size_t n) noexcept {
  double result = 1.0;
  for (; n != 0; n >>= 1) {
    if ((n & 1) != 0) result *= x;
    x *= x;
  }
  return result;
}

/// A running sum whose error does not grow with the number of terms: correct to about 2 units in the last place plus 1e-32 times the sum
/// of absolute values.
/// @note 16 bytes, 7 additions per term. Mergeable: shards of a sum combine with `+=`.
/// @par Source
/// Neumaier, "Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen" (1974), method IV.
class compensated_sum {
 public:
  constexpr compensated_sum() noexcept = default;

  constexpr compensated_sum& operator+=(double term) noexcept {
    const double total = sum_ + term;
    const double sum_magnitude = sum_ < 0.0 ? -sum_ : sum_;
    const double term_magnitude = term < 0.0 ? -term : term;
    correction_ += sum_magnitude >= term_magnitude ? (sum_ - total) + term : (term - total) + sum_;
    sum_ = total;
    return *this;
  }
  constexpr compensated_sum& operator+=(const compensated_sum& other) noexcept {
    *this += other.sum_;
    correction_ += other.correction_;
    return *this;
  }
  /// The sum so far; infinite terms and overflow give what plain addition gives.
  [[nodiscard]] constexpr double value() const noexcept {
    const double corrected = sum_ + correction_;
    return corrected == corrected ? corrected : sum_;
  }
  [[nodiscard]] friend constexpr bool operator==(const compensated_sum&, const compensated_sum&) noexcept = default;

 private:
  double sum_ = 0.0;
  double correction_ = 0.0;
};

/// The compensated sum of a whole sequence; 0 for an empty one.
template <dense_vector C>
  requires std::floating_point<scalar_of<C>>
[[nodiscard]] inline double accurate_sum(const C& values) noexcept {  // not constexpr: g++ 12 then rejects some ordinary calls
  compensated_sum sum;
  for (const auto value : as_span(values)) sum += static_cast<double>(value);
  return sum.value();
}

}  // namespace gavel
