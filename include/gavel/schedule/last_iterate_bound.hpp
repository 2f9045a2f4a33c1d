// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/views.hpp>
#include <gavel/schedule/rate_schedule.hpp>
#include <gavel/solvers/lbfgs.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

/// @file
/// Comparing learning-rate schedules without training: a bound on the last iterate of subgradient descent under *any* sequence of rates,
/// its best base rate in closed form, its gradient, and the sequence that minimises it.
///
///     B(eta) = (D^2 + Q_1) / (2 S_1) + 1/2 sum_{k=1}^{T-1} (eta_k / S_{k+1}) (Q_k / S_k),
///     S_k = sum_{t >= k} eta_t,   Q_k = sum_{t >= k} eta_t^2 |g_t|^2,
///
/// bounds f(x_T) - f* for every convex f whose gradient at x_t has norm |g_t|, with |x_1 - x*| <= D; for stochastic gradients, in
/// expectation. x_T is where the last gradient is taken. A rate of 0 contributes nothing, wherever it stands: the bound is that of the
/// sequence without it, and trailing zeros move x_T forward to the last gradient that was used. B is *not* continuous there, a last rate
/// of 1e-17 makes it enormous; trailing rates up to 1e-12 of the largest, which a formula leaves where it means 0, therefore count as 0.
/// @par Source
/// Defazio, Cutkosky, Mehta, Mishchenko, 2023, arXiv 2310.07831; the bound follows Zamani, Glineur, 2023, arXiv 2307.11134,
/// and predicts the loss curves of language models in Schaipp et al., 2025, arXiv 2501.18965.

namespace gavel::schedule {

namespace detail {

// B(c eta) = D^2 inverse / c + c slope, for norms and rates in units of the largest ones.
struct bound_terms {
  double inverse = 0.0;  // 1 / (2 S_1)
  double slope = 0.0;
};

/// The largest norm: dividing by it keeps squares in range.
inline double checked_norm_scale(const char* function, vector_view<const double> norms) {
  check_at_least(function, "gradient_norms.size()", norms.size(), 1);
  double largest = 0.0;
  for (std::size_t t = 0; t < norms.size(); ++t) {
    check_not_negative(function, "gradient_norms", norms[t], t);
    if (norms[t] > largest) largest = norms[t];
  }
  return largest;
}

/// The rates that count: how many remain when the trailing zeros are gone, and the largest of them.
struct used_rates {
  std::size_t steps = 0;
  double largest = 0.0;
};

template <class Rate>
used_rates used_steps(const char* function, const char* parameter, std::size_t steps, const Rate& rate_of) {
  double largest = 0.0;
  for (std::size_t t = 0; t < steps; ++t) {
    const double rate = rate_of(t);
    check_not_negative(function, parameter, rate, t);
    if (rate > largest) largest = rate;
  }
  while (steps > 0 && !(rate_of(steps - 1) > 1e-12 * largest)) --steps;
  return {steps, largest};
}

template <class Rate>
bound_terms walk_bound(const used_rates& used, const Rate& rate_of, vector_view<const double> norms, double norm_scale) noexcept {
  double rates = 0.0, squares = 0.0, ratios = 0.0;
  for (std::size_t t = used.steps; t-- > 0;) {
    const double rate = rate_of(t) / used.largest, after = rates, move = norm_scale > 0.0 ? rate * (norms[t] / norm_scale) : 0.0;
    rates += rate;
    squares += move * move;
    if (after > 0.0) ratios += rate / after * (squares / rates);
  }
  return {0.5 / rates, squares / (2.0 * rates) + 0.5 * ratios};
}

inline auto rate_reader(vector_view<const double> rates) {
  return [rates](std::size_t t) { return rates[t]; };
}

template <class Rate>
double bound_value(const char* function, const char* parameter, const Rate& rate_of, vector_view<const double> norms, double distance) {
  check_positive(function, "distance", distance);
  const double scale = checked_norm_scale(function, norms);
  const used_rates used = used_steps(function, parameter, norms.size(), rate_of);
  if (used.steps == 0) return std::numeric_limits<double>::infinity();
  const bound_terms terms = walk_bound(used, rate_of, norms, scale);
  const double start = distance * (distance / used.largest) * terms.inverse;
  return terms.slope > 0.0 ? start + scale * (scale * used.largest) * terms.slope : start;  // the factor of a slope of 0 may be infinite
}

}  // namespace detail

/// The bound B of a sequence of rates (see the top of this file).
/// @param rates          eta, [T], finite, >= 0
/// @param gradient_norms |g_t|, [T], T >= 1, finite, >= 0: a log, or one constant
/// @param distance       D > 0, a bound on |x_1 - x*|
/// @return the bound, in units of f; infinity if no rate is positive
/// @throws std::invalid_argument for sizes that differ or a rate, norm or distance out of range, std::domain_error for NaN
/// @note O(T), no allocation.
[[nodiscard]] inline double last_iterate_bound(vector_view<const double> rates, vector_view<const double> gradient_norms, double distance) {
  constexpr const char* function = "gavel::schedule::last_iterate_bound";
  check_size(function, "rates.size()", rates.size(), "gradient_norms.size()", gradient_norms.size());
  return detail::bound_value(function, "rates", detail::rate_reader(rates), gradient_norms, distance);
}

/// Whether a schedule has a best base rate.
enum class best_base_rate_status {
  converged,         ///< yes
  no_positive_rate,  ///< the shape is 0 throughout: bound infinite, rate 0
  zero_norms         ///< no gradient at a rate that counts: the larger the better, bound 0, rate infinite
};

/// A shape at its best scale.
struct best_base_rate_result {
  double base_rate = 0.0;  ///< c: the factor on the whole shape that minimises the bound
  double bound = 0.0;      ///< B(c shape): compare schedules by this
  best_base_rate_status status = best_base_rate_status::converged;
};

namespace detail {

template <class Rate>
best_base_rate_result best_scale(const char* function, const char* parameter, const Rate& rate_of, vector_view<const double> norms,
                                 double distance) {
  check_positive(function, "distance", distance);
  const double scale = checked_norm_scale(function, norms);
  const used_rates used = used_steps(function, parameter, norms.size(), rate_of);
  if (used.steps == 0) return {0.0, std::numeric_limits<double>::infinity(), best_base_rate_status::no_positive_rate};
  const bound_terms terms = walk_bound(used, rate_of, norms, scale);
  if (!(terms.slope > 0.0)) return {std::numeric_limits<double>::infinity(), 0.0, best_base_rate_status::zero_norms};
  const double inverse = std::sqrt(terms.inverse), slope = std::sqrt(terms.slope);  // roots first: a quotient of them is finite
  return {distance / scale / used.largest * (inverse / slope), 2.0 * (inverse * slope) * scale * distance,
          best_base_rate_status::converged};
}

}  // namespace detail

/// The base rate at which a shape has its best bound. Scaling all rates by c gives B(c) = a / c + b c, so c* = sqrt(a / b) and
/// B* = 2 sqrt(a b): no search.
/// @param rates          the shape, [T], in any scale; finite, >= 0
/// @param gradient_norms,distance as for `last_iterate_bound`
/// @return scale, bound and status
/// @throws as `last_iterate_bound`
/// @note O(T), no allocation.
[[nodiscard]] inline best_base_rate_result best_base_rate(vector_view<const double> rates, vector_view<const double> gradient_norms,
                                                          double distance) {
  constexpr const char* function = "gavel::schedule::best_base_rate";
  check_size(function, "rates.size()", rates.size(), "gradient_norms.size()", gradient_norms.size());
  return detail::best_scale(function, "rates", detail::rate_reader(rates), gradient_norms, distance);
}

/// Any schedule as a comparer reads it: its rates of updates 0, 1, ..., T - 1 at their best common scale.
/// @param schedule       anything with `double rate(std::uint64_t step) const`
/// @param gradient_norms |g_t|, [T]: T is the horizon judged
/// @param distance       D > 0
/// @throws as `last_iterate_bound`
/// @note O(T) calls of `rate`, no allocation.
template <class Schedule>
  requires requires(const Schedule& s, std::uint64_t step) {
    { s.rate(step) } -> std::convertible_to<double>;
  }
[[nodiscard]] best_base_rate_result best_base_rate(const Schedule& schedule, vector_view<const double> gradient_norms, double distance) {
  const auto rate_of = [&schedule](std::size_t t) { return static_cast<double>(schedule.rate(t)); };
  return detail::best_scale("gavel::schedule::best_base_rate", "rate", rate_of, gradient_norms, distance);
}

/// The bound of any schedule as it stands, base rate included; everything else as for `best_base_rate`.
template <class Schedule>
  requires requires(const Schedule& s, std::uint64_t step) {
    { s.rate(step) } -> std::convertible_to<double>;
  }
[[nodiscard]] double bound(const Schedule& schedule, vector_view<const double> gradient_norms, double distance) {
  const auto rate_of = [&schedule](std::size_t t) { return static_cast<double>(schedule.rate(t)); };
  return detail::bound_value("gavel::schedule::bound", "rate", rate_of, gradient_norms, distance);
}

namespace detail {

/// B and its gradient for rates >= 0, the last one > 0. `suffix` is [T] scratch. One walk from the right leaves S_k in `suffix` and Q_k in
/// `gradient`; one from the left turns Q_k into the slope, with the sums over k <= j running along.
inline double bound_with_gradient(std::span<const double> rates, vector_view<const double> norms, double distance, std::span<double> suffix,
                                  std::span<double> gradient) noexcept {
  const std::size_t n = rates.size();
  double sum = 0.0, squares = 0.0, ratios = 0.0;
  for (std::size_t t = n; t-- > 0;) {
    const double after = sum, move = rates[t] * norms[t];
    suffix[t] = sum += rates[t];
    gradient[t] = squares += move * move;
    if (t + 1 < n) ratios += rates[t] / after * (squares / sum);
  }
  const double first = (distance * distance + squares) / (2.0 * sum);
  double weights = 0.0;       // sum_{k <= j} eta_k / (S_{k+1} S_k)
  double own_changes = 0.0;   // 1/2 sum_{k <= j} eta_k Q_k / (S_{k+1} S_k^2)
  double next_changes = 0.0;  // 1/2 sum_{k < j} eta_k Q_k / (S_{k+1}^2 S_k)
  for (std::size_t j = 0; j < n; ++j) {
    const double here = gradient[j], mine = suffix[j];
    double slope = rates[j] * norms[j] * norms[j] / sum - first / sum - next_changes;
    if (j + 1 < n) {
      const double next = suffix[j + 1], weight = rates[j] / next / mine;
      slope += 0.5 * here / next / mine;
      weights += weight;
      own_changes += 0.5 * weight * here / mine;
      next_changes += 0.5 * weight * here / next;
    }
    gradient[j] = slope + weights * rates[j] * norms[j] * norms[j] - own_changes;
  }
  return first + 0.5 * ratios;
}

}  // namespace detail

/// The bound together with its slope in every rate.
/// @param rates    eta, [T], finite, >= 0, the last one not a trailing zero: B has no slope there, so leave those out
/// @param gradient receives dB / d eta_t, [T]; must not overlap the inputs
/// @return B; the other parameters and errors are those of the overload without a gradient
/// @note O(T), T numbers of scratch. Needs squares of norms and rates within the range of doubles.
inline double last_iterate_bound(vector_view<const double> rates, vector_view<const double> gradient_norms, double distance,
                                 std::span<double> gradient) {
  constexpr const char* function = "gavel::schedule::last_iterate_bound";
  check_size(function, "rates.size()", rates.size(), "gradient_norms.size()", gradient_norms.size());
  check_size(function, "gradient.size()", gradient.size(), "rates.size()", rates.size());
  check_positive(function, "distance", distance);
  (void)detail::checked_norm_scale(function, gradient_norms);
  const detail::used_rates used = detail::used_steps(function, "rates", rates.size(), detail::rate_reader(rates));
  if (used.steps < rates.size()) {
    const std::size_t last = rates.size() - 1;
    refuse(function, "rates", rates[last], "must be > 1e-12 of the largest where a gradient is asked for", {}, last);
  }
  std::vector<double> suffix(rates.size());
  return detail::bound_with_gradient({rates.data(), rates.size()}, gradient_norms, distance, suffix, gradient);
}

/// How far `minimize_last_iterate_bound` goes.
struct last_iterate_bound_minimum_options {
  double tolerance = 1e-6;           ///< stop when no rate's logarithm has a slope above this times B / T; > 0
  std::size_t max_iterations = 500;  ///< quasi-Newton steps at most
  std::size_t history = 10;          ///< steps remembered, >= 1: memory is (2 history + 7) T numbers

  friend bool operator==(const last_iterate_bound_minimum_options&, const last_iterate_bound_minimum_options&) = default;
};

/// The schedule with the smallest bound.
struct last_iterate_bound_minimum_result {
  std::vector<double> rates{};  ///< eta, [T], > 0
  double bound = 0.0;           ///< B(eta); infinity where the norms span more than the range of doubles
  std::size_t iterations = 0;   ///< quasi-Newton steps taken
  lbfgs_status status = lbfgs_status::converged;
};

/// The numerical refinement: rates that minimise the bound for given gradient norms, over log eta by L-BFGS from linear decay, to which the
/// optimum for equal norms stays close; the closed form of `refined_rates` minimises a simpler bound at no cost. The last rate is only the
/// weight of the last gradient in the bound: the update it scales comes after x_T.
/// @param gradient_norms |g_t|, [T], T >= 1, finite, > 0 (a gradient of 0 would call for an infinite rate)
/// @param distance       D > 0
/// @return rates and bound with the status of the search; the rates are the best met in any case
/// @throws std::invalid_argument if T is 0, for a norm that is not finite and > 0, a bad distance or option; std::domain_error for NaN
/// @note O(history T) per step beside one exponential per rate.
/// @par Source
/// arXiv 2310.07831, the numerically optimised schedule.
[[nodiscard]] inline last_iterate_bound_minimum_result minimize_last_iterate_bound(vector_view<const double> gradient_norms,
                                                                                   double distance,
                                                                                   const last_iterate_bound_minimum_options& options = {}) {
  constexpr const char* function = "gavel::schedule::minimize_last_iterate_bound";
  const std::size_t n = gradient_norms.size();
  check_at_least(function, "gradient_norms.size()", n, 1);
  double log_scale = 0.0;
  for (std::size_t t = 0; t < n; ++t) {
    check_positive(function, "gradient_norms", gradient_norms[t], t);
    log_scale += std::log(gradient_norms[t]) / static_cast<double>(n);
  }
  check_positive(function, "distance", distance);
  check_greater(function, "tolerance", options.tolerance, 0.0);
  check_at_least(function, "history", options.history, 1);

  // In units where D = 1 and the geometric mean of the norms is 1.
  const double scale = std::exp(log_scale);
  std::vector<double> norms(n), rates(n), suffix(n), start(n);
  for (std::size_t t = 0; t < n; ++t) {
    norms[t] = gradient_norms[t] / scale;
    rates[t] = static_cast<double>(n - t);
  }
  const best_base_rate_result scaled = best_base_rate(rates, norms, 1.0);
  for (std::size_t t = 0; t < n; ++t) start[t] = std::log(rates[t] * scaled.base_rate);
  const auto bound_of = [&](std::span<const double> log_rates, std::span<double> gradient) {
    for (std::size_t t = 0; t < n; ++t) rates[t] = std::exp(log_rates[t]);
    const double value = detail::bound_with_gradient(rates, norms, 1.0, suffix, gradient);
    for (std::size_t t = 0; t < n; ++t) gradient[t] *= rates[t];
    return value;
  };
  lbfgs_result found = lbfgs(start, bound_of,
                             {.gradient_tolerance = options.tolerance * scaled.bound / static_cast<double>(n),
                              .max_iterations = options.max_iterations,
                              .history = options.history});
  last_iterate_bound_minimum_result result{std::move(found.x), found.value * distance * scale, found.iterations, found.status};
  for (double& rate : result.rates) rate = std::exp(rate) * (distance / scale);
  return result;
}

}  // namespace gavel::schedule
