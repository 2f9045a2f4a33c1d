// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/numerics.hpp>
#include <gavel/core/views.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>  // memcpy
#include <span>
#include <string>
#include <type_traits>

/// @file
/// Probability vectors: is it one, make it one, how far apart are two of them, and the exponential tilt towards a reward.

namespace gavel {

/// What one pass over a row of weights says about them: a suspicion costs a second look, no suspicion is certain.
struct weight_scan {
  double sum = 0.0;      ///< NaN or infinite if an element is
  bool suspect = false;  ///< some sign bit is set: a negative number, a negative NaN or a harmless -0
};

/// Sums n weights and looks for bad ones in the same pass: 16 running sums in double (a fixed order, so a fixed result) and the sign bits of
/// everything seen. Any NaN or infinity shows in the sum, any negative number in the sign bits: no comparison per element is needed.
/// @param weights [n], float or double
/// @note O(n), no allocation. For `check_distribution` of rows that a caller has to sum anyway.
template <std::floating_point T>
[[nodiscard]] inline weight_scan scan_weights(const T* weights, std::size_t n) noexcept {
  using integer = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;
  typedef T values __attribute__((vector_size(4 * sizeof(T))));
  typedef integer bits __attribute__((vector_size(4 * sizeof(T))));
  typedef double sums __attribute__((vector_size(4 * sizeof(double))));
  sums partial[4] = {};
  bits signs{};
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (std::size_t lane = 0; lane < 4; ++lane) {
      values block;
      std::memcpy(&block, weights + i + 4 * lane, sizeof block);
      bits raw;
      std::memcpy(&raw, &block, sizeof raw);
      signs |= raw;
      partial[lane] += __builtin_convertvector(block, sums);
    }
  }
  const sums total = (partial[0] + partial[1]) + (partial[2] + partial[3]);
  weight_scan result{(total[0] + total[1]) + (total[2] + total[3]), (signs[0] | signs[1] | signs[2] | signs[3]) < 0};
  for (; i < n; ++i) {
    result.sum += static_cast<double>(weights[i]);
    result.suspect |= std::signbit(weights[i]);
  }
  return result;
}

namespace detail {

/// The same from sums of four floats in single precision, whose additions in double follow: a third of the conversions, which are what
/// the pass above spends its time on. The sum is off by at most 1.3e-7 of itself if all weights are >= 0.
[[nodiscard]] inline weight_scan scan_weights_roughly(const float* weights, std::size_t n) noexcept {
  typedef float values __attribute__((vector_size(16)));
  typedef std::int32_t bits __attribute__((vector_size(16)));
  typedef double sums __attribute__((vector_size(32)));
  sums partial[2] = {};
  bits signs{};
  std::size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    for (std::size_t half = 0; half < 2; ++half) {
      values block[4];
      std::memcpy(block, weights + i + 16 * half, sizeof block);
      bits raw[4];
      std::memcpy(raw, block, sizeof raw);
      signs |= (raw[0] | raw[1]) | (raw[2] | raw[3]);
      partial[half] += __builtin_convertvector((block[0] + block[1]) + (block[2] + block[3]), sums);
    }
  }
  const sums total = partial[0] + partial[1];
  weight_scan rest = scan_weights(weights + i, n - i);
  rest.sum += (total[0] + total[1]) + (total[2] + total[3]);
  rest.suspect |= (signs[0] | signs[1] | signs[2] | signs[3]) < 0;
  return rest;
}

/// Finds and names what is wrong; returns if nothing is (the suspicion was a -0).
template <std::floating_point T>
GAVEL_COLD inline void report_bad_weights(const char* function, const char* parameter, const T* weights, std::size_t n) {
  check_at_least(function, (std::string(parameter) + ".size()").c_str(), n, 1);
  for (std::size_t i = 0; i < n; ++i) {
    if (!(weights[i] >= T(0) && std::isfinite(weights[i]))) {
      domain_error_at(function, parameter, i, weights[i], "must be finite and >= 0");
    }
  }
}

[[noreturn]] GAVEL_COLD inline void report_bad_sum(const char* function, const char* parameter, double sum, const char* rule,
                                                   printed_number bound = {}) {
  domain_error(function, (std::string("sum of ") + parameter).c_str(), sum, rule, bound);
}

}  // namespace detail

/// Refuses unnormalised weights that are not all finite and >= 0 with a finite sum > 0, on behalf of the function that received them.
/// @param function  the caller's full name, for the message
/// @param parameter the caller's name of the weights, for the message
/// @param weights   `[n]`, float or double
/// @return their sum
/// @throws std::invalid_argument if there are none; std::domain_error for the first bad one, else for the sum
/// @note One pass; more only if something looks wrong.
template <std::floating_point T>
inline double check_weights(const char* function, const char* parameter, std::span<const T> weights) {
  const weight_scan scan = scan_weights(weights.data(), weights.size());
  const bool usable = scan.sum > 0.0 && std::isfinite(scan.sum);
  if (scan.suspect || !usable) detail::report_bad_weights(function, parameter, weights.data(), weights.size());
  if (!usable) detail::report_bad_sum(function, parameter, scan.sum, "must be finite and > 0");
  return scan.sum;
}

/// Refuses a row that is not a probability distribution, on behalf of the function that received it.
/// @param function  the caller's full name, for the message
/// @param parameter the caller's name of the row, for the message
/// @param probs     `[n]`, float or double
/// @param tolerance how far the sum (accumulated in double) may be from 1; the default suits rows normalised in single precision
/// @throws std::invalid_argument if the row is empty: `f: q.size() = 0, must be >= 1`
/// @throws std::domain_error for the first element that is NaN, infinite or negative (`f: q[3] = nan, must be finite and >= 0`), else if
///         the sum is off (`f: sum of q = 0.99, must be 1 within 1e-06`). -0 is accepted.
/// @note One streaming pass without a comparison per element; a second and third one, to check again and to name the bad element, only if
///       something looks wrong.
template <std::floating_point T>
inline void check_distribution(const char* function, const char* parameter, std::span<const T> probs, double tolerance = 1e-6) {
  if constexpr (std::same_as<T, float>) {
    const weight_scan rough = detail::scan_weights_roughly(probs.data(), probs.size());
    // Only what is certain is accepted here: the outcome is that of the exact pass.
    if (!rough.suspect && !probs.empty() && std::fabs(rough.sum - 1.0) <= tolerance - 1.4e-7) return;
  }
  const weight_scan scan = scan_weights(probs.data(), probs.size());
  const bool sums_to_one = !probs.empty() && std::fabs(scan.sum - 1.0) <= tolerance;
  if (sums_to_one && !scan.suspect) return;
  detail::report_bad_weights(function, parameter, probs.data(), probs.size());
  if (!sums_to_one) detail::report_bad_sum(function, parameter, scan.sum, "must be 1 within", tolerance);
}

/// The same for any dense vector.
template <dense_vector C>
  requires std::floating_point<scalar_of<C>>
inline void check_distribution(const char* function, const char* parameter, const C& probs, double tolerance = 1e-6) {
  check_distribution(function, parameter, std::span<const scalar_of<C>>(as_span(probs)), tolerance);
}

/// Divides non-negative weights by their sum, in place.
/// @param weights `[n]`, finite, >= 0, not all zero, with a finite sum
/// @return the sum they had
/// @throws std::invalid_argument if empty; std::domain_error if a weight or the sum breaks the rule (nothing is changed then)
template <dense_vector C>
  requires std::floating_point<scalar_of<C>>
inline double normalize(C&& weights) {
  using T = scalar_of<C>;
  const auto span = as_span(weights);
  const double sum = check_weights<T>("gavel::normalize", "weights", span);
  for (auto& weight : span) weight = static_cast<T>(static_cast<double>(weight) / sum);
  return sum;
}

namespace detail {

template <dense_vector P, dense_vector Q>
inline void check_pair(const char* function, const P& p, const Q& q) {
  check_size(function, "q.size()", as_span(q).size(), "p.size()", as_span(p).size());
  check_distribution(function, "p", p);
  check_distribution(function, "q", q);
}

/// p log(p/q) - p + q: non-negative term by term, and sums to the divergence because both sides sum to one.
[[nodiscard]] inline double divergence_term(double p, double q) {
  if (p <= 0.0) return q;
  if (q <= 0.0) return infinity;
  return (std::fmax)(p * std::log(p / q) - p + q, 0.0);
}

}  // namespace detail

/// How many nats are lost by coding samples of @p p with @p q: KL(p || q) = sum_i p_i log(p_i / q_i).
/// @param p,q `[n]` distributions (sum 1 within 1e-6), float or double
/// @return >= 0 even under rounding; 0 for equal rows; infinity if p has mass where q has none
/// @throws std::invalid_argument if sizes differ or are 0; std::domain_error if a row is not a distribution
/// @note O(n), no allocation. KL(q || p) by swapping the arguments.
template <dense_vector P, dense_vector Q>
[[nodiscard]] inline double kl_divergence(const P& p, const Q& q) {
  detail::check_pair("gavel::kl_divergence", p, q);
  double sum = 0.0;
  for (std::size_t i = 0; i < as_span(p).size(); ++i) {
    sum += detail::divergence_term(static_cast<double>(as_span(p)[i]), static_cast<double>(as_span(q)[i]));
  }
  return sum;
}

/// Jensen-Shannon divergence, the mean KL divergence of both rows to their midpoint: symmetric, always finite, at most log 2.
/// @param p,q as for `kl_divergence`; throws alike
template <dense_vector P, dense_vector Q>
[[nodiscard]] inline double jensen_shannon_divergence(const P& p, const Q& q) {
  detail::check_pair("gavel::jensen_shannon_divergence", p, q);
  double sum = 0.0;
  for (std::size_t i = 0; i < as_span(p).size(); ++i) {
    const double a = static_cast<double>(as_span(p)[i]);
    const double b = static_cast<double>(as_span(q)[i]);
    const double middle = 0.5 * (a + b);
    sum += detail::divergence_term(a, middle) + detail::divergence_term(b, middle);
  }
  return 0.5 * sum;
}

/// The largest difference in the probability of any event: (1/2) sum_i |p_i - q_i|, in [0, 1] for exact rows.
/// @param p,q as for `kl_divergence`; throws alike
template <dense_vector P, dense_vector Q>
[[nodiscard]] inline double total_variation(const P& p, const Q& q) {
  detail::check_pair("gavel::total_variation", p, q);
  double sum = 0.0;
  for (std::size_t i = 0; i < as_span(p).size(); ++i) {
    sum += std::fabs(static_cast<double>(as_span(p)[i]) - static_cast<double>(as_span(q)[i]));
  }
  return 0.5 * sum;
}

/// The average surprise of a sample in nats: -sum_i p_i log p_i, between 0 (one-hot) and log n (uniform).
/// @param p `[n]` distribution; throws as `check_distribution`
template <dense_vector P>
[[nodiscard]] inline double entropy(const P& p) {
  check_distribution("gavel::entropy", "p", p);
  double sum = 0.0;
  for (const auto prob : as_span(p)) {
    const double value = static_cast<double>(prob);
    sum -= xlogy(value, value);
  }
  return (std::fmax)(sum, 0.0);
}

}  // namespace gavel
