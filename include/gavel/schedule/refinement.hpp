// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/median_filter.hpp>
#include <gavel/core/quantiles.hpp>
#include <gavel/core/views.hpp>
#include <gavel/schedule/rate_source.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

/// @file
/// Turning the gradient norms of one run into a better schedule for the next: warm-up and final annealing come out of the log. Steps count
/// from 0; a schedule of T steps ends in a rate of exactly 0, so its last update moves nothing: ask for T + 1 steps to make all T count.
/// @par Source
/// Defazio, Cutkosky, Mehta, Mishchenko, 2023, arXiv 2310.07831.

namespace gavel::schedule {

/// What turns the averaged-iterate guarantee of an optimiser into the same guarantee for its *last* iterate: multiply update t by
///
///     factor_t = w_{t+1:T-1} / w_{0:T-1}    (sums of the weights after t, and of all).
///
/// If z_t is the base sequence, x_{t+1} = x_t + factor_t (z_{t+1} - z_t) and gradients are taken at x, then for every u
/// f(x_{T-1}) - f(u) <= sum_t w_t <g_t, z_t - u> / w_{0:T-1}. Constant weights give linear decay, factor_t = (T - 1 - t) / T.
/// @param weights w, [T], finite, >= 0, their sum positive and finite
/// @param out     [T], falls from below 1 to exactly 0; may be the memory of @p weights
/// @throws std::invalid_argument if T is 0, the sizes differ, a weight is negative or infinite, or the sum is 0 or overflows;
///         std::domain_error for NaN
/// @note O(T), no allocation. Sums run from the right and nothing is subtracted: tiny weights at the end keep their digits.
/// @par Source
/// arXiv 2310.07831, the reduction to a sum of weighted regrets.
inline void last_iterate_factors(vector_view<const double> weights, std::span<double> out) {
  constexpr const char* function = "gavel::schedule::last_iterate_factors";
  const std::size_t n = weights.size();
  check_at_least(function, "weights.size()", n, 1);
  check_size(function, "out.size()", out.size(), "weights.size()", n);
  double total = 0.0;
  for (std::size_t t = n; t-- > 0;) {
    check_not_negative(function, "weights", weights[t], t);
    total += weights[t];
  }
  check_positive(function, "sum of weights", total);
  double after = 0.0;
  for (std::size_t t = n; t-- > 0;) {
    const double weight = weights[t];
    out[t] = after / total;
    after += weight;
  }
}

/// Which norm of the gradients was logged, and with it which optimiser the schedule is for.
enum class gradient_norm {
  l2,  ///< Euclidean, for SGD: weights 1 / |g|^2
  l1   ///< sum of absolute values, for Adam and other coordinate-wise methods: weights 1 / |g|_1
};

/// The scale of a refined schedule.
struct refined_rates_options {
  gradient_norm norm = gradient_norm::l2;  ///< what was logged
  double distance = 0.0;                   ///< D, a bound on |x_0 - x*|, gives rates in absolute units; l2 only; 0: unknown
  double base_rate = 1.0;                  ///< without a distance: the largest rate, > 0, to be tuned like any base rate

  friend bool operator==(const refined_rates_options&, const refined_rates_options&) = default;
};

namespace detail {

inline void check_scale(const char* function, gradient_norm norm, double distance, double base_rate) {
  check_not_negative(function, "distance", distance);
  if (distance > 0.0 && norm == gradient_norm::l1) {
    refuse(function, "distance", distance, "must be 0 (unknown) with l1 norms: the guarantee is for l2");
  }
  check_positive(function, "base_rate", base_rate);
}

/// A rate that leaves the range of doubles is the largest of them.
inline double capped(double value) noexcept {
  constexpr double largest = (std::numeric_limits<double>::max)();
  return value < largest ? value : largest;
}

/// w_t w_{t+1:T-1} / w_{0:T-1} in the scale that the options ask for; `typical` is any positive number in the middle of the norms, which
/// keeps the squares of very large and very small ones inside the range of doubles. Norms and `out` may be the same memory.
inline double write_refined_rates(vector_view<const double> norms, double typical, std::span<double> out,
                                  const refined_rates_options& options) noexcept {
  const auto weight = [&](std::size_t t) {
    const double relative = norms[t] < 1e150 * typical ? typical / norms[t] : 1e-150;  // weights are never 0
    return options.norm == gradient_norm::l2 ? relative * relative : relative;
  };
  double total = 0.0;
  for (std::size_t t = norms.size(); t-- > 0;) total += weight(t);
  double after = 0.0, largest = 0.0;
  for (std::size_t t = norms.size(); t-- > 0;) {
    const double here = weight(t);
    out[t] = here * (after / total);
    after += here;
    if (out[t] > largest) largest = out[t];
  }
  if (options.distance > 0.0) {
    const double scale = options.distance / (typical * std::sqrt(total));
    for (double& rate : out) rate = rate > 0.0 ? capped(rate * scale) : 0.0;
    return options.distance * typical / std::sqrt(total);
  }
  if (largest > 0.0) {
    for (double& rate : out) rate = options.base_rate * (rate / largest);
  }
  return 0.0;
}

inline double median_of(vector_view<const double> values) {
  std::vector<double> scratch(values.begin(), values.end());
  return upper_median(scratch);
}

}  // namespace detail

/// The schedule with the best last-iterate guarantee for known gradient norms,
///
///     rate_t = lambda w_t w_{t+1:T-1} / w_{0:T-1},   w_t = |g_t|_2^-2 (SGD) or 1 / |g_t|_1 (Adam),
///
/// as the log stands: `refine` smooths, resamples and checks it first. With D known, lambda = D / sqrt(sum_t |g_t|^-2), else the largest
/// rate is the base rate. Equal norms give linear decay with D / (G sqrt T) (T - 1 - t) / T.
/// @param gradient_norms norms, [T], finite, > 0
/// @param out            rates, [T], the last one 0; may be the memory of @p gradient_norms
/// @return the guarantee on f(x_{T-1}) - f*, D / sqrt(sum_t |g_t|^-2), for convex f whose gradients have these norms; 0 without a distance
/// @throws std::invalid_argument if T is 0, the sizes differ, an option is out of range, or a norm is not finite and > 0 or below 1e-150 of
///         their median (its weight would leave the range of doubles); std::domain_error for NaN
/// @note O(T), one copy of the norms. With a distance, a rate above the largest double is the largest double.
/// @par Source
/// arXiv 2310.07831, the refined weights for SGD and their l1 form for coordinate-wise methods.
inline double refined_rates(vector_view<const double> gradient_norms, std::span<double> out, const refined_rates_options& options = {}) {
  constexpr const char* function = "gavel::schedule::refined_rates";
  const std::size_t n = gradient_norms.size();
  check_at_least(function, "gradient_norms.size()", n, 1);
  check_size(function, "out.size()", out.size(), "gradient_norms.size()", n);
  for (std::size_t t = 0; t < n; ++t) check_positive(function, "gradient_norms", gradient_norms[t], t);
  detail::check_scale(function, options.norm, options.distance, options.base_rate);
  const double typical = detail::median_of(gradient_norms);
  for (std::size_t t = 0; t < n; ++t) {
    if (gradient_norms[t] / typical < 1e-150) {
      refuse(function, "gradient_norms", gradient_norms[t], "must be >= 1e-150 of their median,", typical, t);
    }
  }
  return detail::write_refined_rates(gradient_norms, typical, out, options);
}

/// Stretches a record of one run over another number of steps: linear interpolation in progress, so that warm-up keeps its *share* of the
/// run. Sample i of N stands at progress i / (N - 1), entry t of the result at t / (T - 1).
/// @param values [N], N >= 1
/// @param out [T], any size, not overlapping @p values; T = 1 takes the first sample
/// @throws std::invalid_argument if N is 0
/// @note O(T), no allocation; a plain copy for N = T.
inline void resample(vector_view<const double> values, std::span<double> out) {
  const std::size_t n = values.size(), steps = out.size();
  check_at_least("gavel::schedule::resample", "values.size()", n, 1);
  for (std::size_t t = 0; t < steps; ++t) {
    const double at = steps == 1 ? 0.0 : static_cast<double>(t) * static_cast<double>(n - 1) / static_cast<double>(steps - 1);
    auto left = static_cast<std::size_t>(at);
    if (n == steps || left >= n - 1) left = n == steps ? t : n - 1;
    const double share = n == steps || left == n - 1 ? 0.0 : at - static_cast<double>(left);
    out[t] = share > 0.0 ? values[left] + share * (values[left + 1] - values[left]) : values[left];
  }
}

/// The same for a record of some steps only: sample i stands at progress (steps_i - steps_0) / (steps_{N-1} - steps_0).
/// @param steps [N], strictly ascending
/// @throws std::invalid_argument if N is 0, the sizes differ or steps do not ascend
/// @note O(N + T), no allocation.
inline void resample(vector_view<const std::uint64_t> steps, vector_view<const double> values, std::span<double> out) {
  constexpr const char* function = "gavel::schedule::resample";
  const std::size_t n = values.size();
  check_at_least(function, "values.size()", n, 1);
  check_size(function, "steps.size()", steps.size(), "values.size()", n);
  check_ascending(function, "steps", steps);
  const auto since_start = [&](std::size_t i) { return static_cast<double>(steps[i] - steps[0]); };
  std::size_t right = 0;  // the first sample that is not before the place
  for (std::size_t t = 0; t < out.size(); ++t) {
    const double at = t == 0 ? 0.0 : static_cast<double>(t) * since_start(n - 1) / static_cast<double>(out.size() - 1);
    while (right + 1 < n && since_start(right) < at) ++right;
    const double left_of = right > 0 ? since_start(right) - at : 0.0;
    out[t] = left_of > 0.0
                 ? values[right] - left_of / static_cast<double>(steps[right] - steps[right - 1]) * (values[right] - values[right - 1])
                 : values[right];
  }
}

/// What `refine` made of a log.
enum class refinement_status {
  refined,             ///< the refined schedule
  floored_zero_norms,  ///< the refined schedule, some norms having been raised: see `floored_norms`
  interpolating,       ///< linear decay instead: norms that fall to almost 0 would put the whole rate on the last steps
  zero_norms,          ///< linear decay from the base rate instead: no norm is positive, whatever the distance
  too_short            ///< one full step: the closed form of a single step is 0
};

/// How a log is read and for which run.
struct refinement_options {
  gradient_norm norm = gradient_norm::l2;  ///< what was logged
  std::size_t steps = 0;                   ///< T of the next run; 0: as many as were logged, with their steps last - first + 1
  double distance = 0.0;                   ///< D, a bound on |x_0 - x*|, gives rates in absolute units; l2 only; 0: unknown
  double base_rate = 1.0;                  ///< without a distance: the largest rate, > 0
  double smoothing = 0.1;                  ///< share of the run that the median window covers, in [0, 1]; 0: none
  std::size_t smoothing_width = 0;         ///< the window in samples, odd; 0: 2 floor(smoothing N / 2) + 1. At most N (odd) is used
  std::size_t drop_ends = 0;               ///< samples left out at either end (the authors' code leaves out 2)
  bool drop_non_finite = false;            ///< leave out NaN and infinity instead of refusing them; without steps the others close up
  bool force = false;                      ///< refine interpolating logs all the same

  friend bool operator==(const refinement_options&, const refinement_options&) = default;
};

/// A schedule made from a log, ready to use, and how it came about.
struct refined_schedule {
  std::vector<double> rates{};  ///< one per step, [T]
  refinement_status status = refinement_status::refined;
  double guarantee = 0.0;           ///< bound on f(x_{T-1}) - f* if the smoothed norms hold again; 0 without a distance
  double end_ratio = 1.0;           ///< median smoothed norm of the last quarter, over that of the middle half; below 1/3: interpolating
  std::size_t smoothing_width = 1;  ///< window used, 1: none
  std::size_t floored_norms = 0;    ///< smoothed norms raised to epsilon times the median of the positive ones
  std::size_t dropped_norms = 0;    ///< samples left out
  std::size_t repeated_norms = 0;   ///< samples that do not count, since a later one stands at the same step
  std::vector<double> norms{};      ///< what the rates were made from: the norms smoothed, raised and stretched, [T]

  /// The rate of update @p step, counted from 0; beyond the end the last rate, 0 without any.
  [[nodiscard]] double rate(std::uint64_t step) const noexcept {
    if (rates.empty()) return 0.0;
    return step < rates.size() ? rates[step] : rates.back();
  }
  /// T.
  [[nodiscard]] std::size_t steps() const noexcept { return rates.size(); }

  friend bool operator==(const refined_schedule&, const refined_schedule&) = default;
};

namespace detail {

inline constexpr const char* refine_name = "gavel::schedule::refine";

inline void check_refine(vector_view<const double> norms, const refinement_options& options) {
  check_at_least(refine_name, "gradient_norms.size()", norms.size(), 1);
  for (std::size_t t = 0; t < norms.size(); ++t) {
    if (!options.drop_non_finite || norms[t] < 0.0) check_not_negative(refine_name, "gradient_norms", norms[t], t);
  }
  check_scale(refine_name, options.norm, options.distance, options.base_rate);
  check_unit_interval(refine_name, "smoothing", options.smoothing);
  if (options.smoothing_width != 0 && options.smoothing_width % 2 == 0) {
    refuse(refine_name, "smoothing_width", options.smoothing_width, "must be odd, or 0 for the width that smoothing gives");
  }
}

/// A log as it is refined: at even distances, with the samples that count.
struct even_log {
  std::vector<double> norms{};
  std::size_t steps = 0;  // of the run
  std::size_t dropped = 0, repeated = 0;
};

/// @param places of the samples that count, in the order of their steps
inline std::vector<std::size_t> kept_places(const std::vector<std::size_t>& places, vector_view<const double> norms,
                                            const refinement_options& options) {
  const std::size_t n = places.size();
  if (options.drop_ends >= n - n / 2) {
    refuse(refine_name, "drop_ends", options.drop_ends, "must leave a sample of gradient_norms.size()", n);
  }
  std::vector<std::size_t> kept;
  kept.reserve(n);
  for (std::size_t i = options.drop_ends; i < n - options.drop_ends; ++i) {
    if (std::isfinite(norms[places[i]])) kept.push_back(places[i]);
  }
  check_at_least(refine_name, "finite gradient_norms", kept.size(), 1);
  return kept;
}

[[nodiscard]] inline std::vector<double> values_at(const std::vector<std::size_t>& places, vector_view<const double> values) {
  std::vector<double> result(places.size());
  for (std::size_t i = 0; i < places.size(); ++i) result[i] = values[places[i]];
  return result;
}

[[nodiscard]] inline even_log read_norms(vector_view<const double> norms, const refinement_options& options) {
  std::vector<std::size_t> places(norms.size());
  for (std::size_t i = 0; i < places.size(); ++i) places[i] = i;
  const std::vector<std::size_t> kept = kept_places(places, norms, options);
  return {.norms = values_at(kept, norms), .steps = norms.size(), .dropped = norms.size() - kept.size()};
}

/// Samples at uneven distances are put on a grid as fine as the closest of them, so that the window and the schedule see the run as it passed.
[[nodiscard]] inline even_log read_norms(vector_view<const std::uint64_t> steps, vector_view<const double> norms,
                                         const refinement_options& options) {
  constexpr std::uint64_t most = std::uint64_t{1} << 20;
  const std::vector<std::size_t> places = last_readings(steps);
  check_at_most(refine_name, "last step - first step", steps[places.back()] - steps[places.front()], max_steps);
  const std::vector<std::size_t> kept = kept_places(places, norms, options);
  even_log result{.norms = values_at(kept, norms),
                  .steps = steps[places.back()] - steps[places.front()] + 1,
                  .dropped = places.size() - kept.size(),
                  .repeated = steps.size() - places.size()};
  std::vector<std::uint64_t> at(kept.size());
  for (std::size_t i = 0; i < kept.size(); ++i) at[i] = steps[kept[i]];
  std::uint64_t closest = ~std::uint64_t{0};
  for (std::size_t i = 1; i < at.size(); ++i) closest = at[i] - at[i - 1] < closest ? at[i] - at[i - 1] : closest;
  const std::uint64_t intervals = (at.back() - at.front() + (closest - 1)) / closest, limit = at.size() < most ? most : at.size();
  if (intervals + 1 != at.size()) {
    std::vector<double> even(intervals < limit ? intervals + 1 : limit);
    resample(at, result.norms, even);
    result.norms.swap(even);
  }
  return result;
}

inline std::size_t window_width(std::size_t n, const refinement_options& options) noexcept {
  const std::size_t width = options.smoothing_width != 0
                                ? options.smoothing_width
                                : 2 * static_cast<std::size_t>(options.smoothing * static_cast<double>(n) / 2.0) + 1;
  return width <= n ? width : n - (n + 1) % 2;
}

/// The last quarter over the middle half; 1 where the log is too short to have quarters, 0 where the middle is 0.
inline double end_ratio(const std::vector<double>& norms) {
  const std::size_t n = norms.size(), quarter = n / 4;
  if (quarter == 0) return 1.0;
  const double end = median_of({norms.data() + (n - quarter), quarter});
  const double mid = median_of({norms.data() + quarter, n - 2 * quarter});
  return mid > 0.0 ? end / mid : 0.0;
}

/// The median of the positive norms, 0 if there is none.
inline double typical_norm(const std::vector<double>& norms) {
  std::vector<double> positive;
  positive.reserve(norms.size());
  for (const double norm : norms) {
    if (norm > 0.0) positive.push_back(norm);
  }
  return positive.empty() ? 0.0 : upper_median(positive);
}

/// The other choice of weights, w_t = lambda for all t: linear decay, with the guarantee D rms(norms) / sqrt T.
inline double write_linear_decay(const std::vector<double>& norms, std::span<double> out, const refinement_options& options) noexcept {
  const auto steps = static_cast<double>(out.size());
  double largest = 0.0, squares = 0.0;  // squares in units of the largest stay in range
  for (const double norm : norms) largest = norm > largest ? norm : largest;
  const bool absolute = options.distance > 0.0 && largest > 0.0;
  for (const double norm : norms) squares += absolute ? norm / largest * (norm / largest) : 0.0;
  const double root = std::sqrt(squares);
  const double first = absolute ? capped(options.distance / (largest * root) * ((steps - 1.0) / steps)) : options.base_rate;
  for (std::size_t t = 0; t < out.size(); ++t) out[t] = first * ((steps - 1.0 - static_cast<double>(t)) / (steps - 1.0));
  return absolute ? options.distance * (largest * (root / steps)) : 0.0;
}

[[nodiscard]] inline refined_schedule refine_log(even_log log, const refinement_options& options) {
  refined_schedule result{.dropped_norms = log.dropped, .repeated_norms = log.repeated};
  std::vector<double>& norms = log.norms;
  result.smoothing_width = window_width(norms.size(), options);
  if (result.smoothing_width > 1) {
    std::vector<double> smoothed(norms.size());
    median_filter(norms, smoothed, {.width = result.smoothing_width, .right = edge_padding::reflect});
    norms.swap(smoothed);
  }
  result.end_ratio = end_ratio(norms);
  const double typical = typical_norm(norms);
  double floor = std::numeric_limits<double>::epsilon() * typical;
  if (typical > 0.0 && floor == 0.0) floor = std::numeric_limits<double>::denorm_min();
  for (double& norm : norms) {
    if (norm < floor) norm = floor, ++result.floored_norms;
  }

  const std::size_t steps = options.steps == 0 ? log.steps : options.steps;
  result.rates.resize(steps);
  if (steps != norms.size()) {
    resample(norms, result.rates);
    norms = result.rates;
  }
  if (typical == 0.0) result.status = refinement_status::zero_norms;
  else if (result.end_ratio < 1.0 / 3.0 && !options.force) result.status = refinement_status::interpolating;
  else if (result.floored_norms > 0) result.status = refinement_status::floored_zero_norms;

  if (steps == 1) {
    result.status = refinement_status::too_short;
    const bool absolute = options.distance > 0.0 && typical > 0.0;
    result.rates[0] = absolute ? capped(options.distance / norms[0]) : options.base_rate;
    result.guarantee = absolute ? options.distance * norms[0] : 0.0;
  } else if (result.status == refinement_status::interpolating || result.status == refinement_status::zero_norms) {
    result.guarantee = write_linear_decay(norms, result.rates, options);
  } else {
    result.guarantee = write_refined_rates(norms, typical, result.rates,
                                           {.norm = options.norm, .distance = options.distance, .base_rate = options.base_rate});
  }
  result.norms.swap(norms);
  return result;
}

}  // namespace detail

/// Makes the schedule of the next run from the gradient norms of the last one. The log is smoothed by a running median (first sample
/// repeated before the start, reflected at the end), stretched to the next horizon in progress, and put through the closed form of
/// `refined_rates`: where norms were large the rate is small, which is how warm-up arises, and the end decays to 0.
///
/// The recipe needs noisy gradients, whose norms level off. Where the model interpolates its data they shrink towards 0, the weights pile
/// up on the last steps and the schedule degenerates into one long warm-up; if the smoothed norms of the last quarter are below a third of
/// those of the middle half, the result is linear decay, the best schedule without a log, and says so.
/// @param gradient_norms [N], N >= 1, >= 0, of every step or at even distances: Euclidean for SGD, l1 for Adam (`options.norm`); before
///                       any clipping
/// @return rates [T] with a status. A single step gets one full rate, D / |g| or the base rate
/// @throws std::invalid_argument for a negative norm, an infinite one unless `drop_non_finite`, if no sample is left or an option is out of
///         range; std::domain_error for NaN, in the norms unless `drop_non_finite`
/// @note O(N log w + T) for a window of w samples; a handful of arrays of N or T numbers, allocated once.
/// @par Source
/// arXiv 2310.07831, schedule refinement with its smoothing; the test for interpolation and the fall-back are this library's.
[[nodiscard]] inline refined_schedule refine(vector_view<const double> gradient_norms, const refinement_options& options = {}) {
  detail::check_refine(gradient_norms, options);
  return detail::refine_log(detail::read_norms(gradient_norms, options), options);
}

/// The same for a log that names its steps, as one that is dense at first and sparse later: without them its first part would be taken for a
/// large share of the run. Between samples norms run straight; the run goes from the first step in the log to the last.
/// @param steps          [N], step of each sample, in the order they were logged; of a step that stands more than once, as after a run was
///                       resumed, the last sample counts (`last_readings`)
/// @param gradient_norms [N], as above. Those left out by `drop_ends` and `drop_non_finite` leave a gap
/// @return `options.steps` of 0 gives the steps of the run, last - first + 1. For steps at even distances the schedule of the norms alone
/// @throws as above; std::invalid_argument if the sizes differ
/// @note The window is one over an even log: at the closest distance of two samples, with at most 2^20 samples or as many as were logged.
///       O(M log w + T), and O(N log N) where steps do not ascend.
[[nodiscard]] inline refined_schedule refine(vector_view<const std::uint64_t> steps, vector_view<const double> gradient_norms,
                                             const refinement_options& options = {}) {
  check_size(detail::refine_name, "gradient_norms.size()", gradient_norms.size(), "steps.size()", steps.size());
  detail::check_refine(gradient_norms, options);
  return detail::refine_log(detail::read_norms(steps, gradient_norms, options), options);
}

}  // namespace gavel::schedule
