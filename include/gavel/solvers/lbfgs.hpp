// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/views.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

/// @file
/// Minimising a smooth function of many variables from its gradient, free or inside a box. For sums of squares with a handful of parameters
/// `levenberg_marquardt` needs fewer steps; without a gradient, or where f has kinks, take `nelder_mead`; for one equation see roots.hpp.

namespace gavel {

/// How a minimisation ended. Whatever it says, the result is the best point met: f never rises from step to step but by its rounding.
enum class lbfgs_status {
  converged,           ///< the projected gradient, or the progress of one step, is within its tolerance
  iteration_limit,     ///< stopped early
  line_search_failed,  ///< no step lowers f: a wrong or discontinuous gradient, or a tolerance below the rounding of f (see `gradient_norm`)
  undefined_start      ///< f or its gradient is not finite at the start
};

/// Where and how long `lbfgs` looks. Equal bounds fix a variable. A variable that must be positive, and whose size
/// is not known, is better minimised as its logarithm than with a bound at 0.
struct lbfgs_options {
  std::vector<double> lower{};  ///< lower bounds, [n], -infinity allowed; empty: none
  std::vector<double> upper{};  ///< upper bounds, [n], >= lower, infinity allowed; empty: none
  /// Absolute: where f is large, or known only to some digits, 1e-8 is never reached. Scale it with f, or set `value_tolerance`. 0 asks for
  /// a gradient of exactly 0.
  double gradient_tolerance = 1e-8;  ///< stop at max_i |x_i - clamp(x_i - g_i)| <= this (max |g_i| without bounds), in units of g; >= 0
  /// For noisy or expensive f: 1e-6, say, ends the search when steps no longer pay. One short step is enough for that, so it may be early.
  double value_tolerance = 0.0;       ///< stop also when a step lowers f by at most this times |f|; 0: never for that reason
  std::size_t max_iterations = 1000;  ///< steps at most; 0 evaluates the start and returns it
  std::size_t max_step_trials = 40;   ///< evaluations per step at most, >= 1
  /// 5 to 20 is the useful range: more helps in long curved valleys, and where n is small enough for it to span all directions.
  std::size_t history = 10;  ///< steps remembered, >= 1: memory is (2 history + 5) n numbers
};

/// What `lbfgs` found. Where it matters look at `status` and `gradient_norm`: `line_search_failed` with a small norm is a minimum to the
/// precision of f, with a large one most often a gradient that does not belong to f. Check that against (f(x + h) - f(x - h)) / 2h.
struct lbfgs_result {
  std::vector<double> x{};      ///< the minimiser found, [n], inside the box
  double value = 0.0;           ///< f(x); infinity for an undefined start
  double gradient_norm = 0.0;   ///< max_i |x_i - clamp(x_i - g_i)|: 0 at a stationary point of the box, infinity for an undefined start
  std::size_t iterations = 0;   ///< steps taken
  std::size_t evaluations = 0;  ///< calls of the function
  lbfgs_status status = lbfgs_status::converged;
};

namespace detail {

/// The last steps s and gradient changes y, and the quasi-Newton direction they define on a subset of the variables. A ring of @p capacity
/// slots: entering a step overwrites the oldest one.
class lbfgs_history {
 public:
  lbfgs_history(std::size_t n, std::size_t capacity)
      : n_(n), capacity_(capacity), steps_(n * capacity), changes_(n * capacity), curvature_(capacity), weight_(capacity) {}

  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  void clear() noexcept { count_ = 0; }

  /// Enters the step from (x, g) to (next_x, next_g) unless its curvature is lost in rounding: H stays positive definite only with s.y > 0,
  /// which a step cut off by a bound or by the last trial need not have.
  void push(const double* x, const double* next_x, const double* g, const double* next_g) noexcept {
    double* s = steps_.data() + newest_next() * n_;
    double* y = changes_.data() + newest_next() * n_;
    double sy = 0.0, ss = 0.0, yy = 0.0;
    for (std::size_t i = 0; i < n_; ++i) {
      s[i] = next_x[i] - x[i];
      y[i] = next_g[i] - g[i];
      sy += s[i] * y[i], ss += s[i] * s[i], yy += y[i] * y[i];
    }
    if (!(sy > 1e-14 * std::sqrt(ss) * std::sqrt(yy))) return;  // a full ring has overwritten its oldest pair by this one and still uses it
    newest_ = newest_next();
    if (count_ < capacity_) ++count_;
  }

  /// d = -H g over the variables with `free[i]`, 0 elsewhere: the two loops of Nocedal with every inner product restricted to them.
  /// Pairs without positive curvature on that subset are passed over, so d descends. Returns the scale of H, 1 if nothing is remembered.
  /// O(n) per remembered step, no allocation.
  double direction(const double* g, const unsigned char* free, double* d) noexcept {
    for (std::size_t i = 0; i < n_; ++i) d[i] = free[i] != 0 ? -g[i] : 0.0;
    double scale = 0.0;
    for (std::size_t age = 0; age < count_; ++age) {  // newest first
      const double *s = steps_.data() + slot(age) * n_, *y = changes_.data() + slot(age) * n_;
      const double sy = dot(s, y, free), yy = dot(y, y, free);
      curvature_[age] = sy > std::numeric_limits<double>::epsilon() * yy * scale ? sy : 0.0;  // 0: says nothing about this subset
      if (!(curvature_[age] > 0.0)) continue;
      if (scale == 0.0) scale = sy / yy;
      weight_[age] = dot(s, d, free) / sy;
      add(-weight_[age], y, free, d);
    }
    if (scale == 0.0) scale = 1.0;
    for (std::size_t i = 0; i < n_; ++i) d[i] *= scale;
    for (std::size_t age = count_; age-- > 0;) {
      if (!(curvature_[age] > 0.0)) continue;
      const double *s = steps_.data() + slot(age) * n_, *y = changes_.data() + slot(age) * n_;
      add(weight_[age] - dot(y, d, free) / curvature_[age], s, free, d);
    }
    return scale;
  }

 private:
  [[nodiscard]] std::size_t newest_next() const noexcept { return count_ == 0 ? 0 : (newest_ + 1) % capacity_; }
  [[nodiscard]] std::size_t slot(std::size_t age) const noexcept { return (newest_ + capacity_ - age) % capacity_; }
  [[nodiscard]] double dot(const double* a, const double* b, const unsigned char* free) const noexcept {
    double sum = 0.0;
    for (std::size_t i = 0; i < n_; ++i) sum += free[i] != 0 ? a[i] * b[i] : 0.0;
    return sum;
  }
  void add(double weight, const double* a, const unsigned char* free, double* to) const noexcept {
    for (std::size_t i = 0; i < n_; ++i) to[i] += free[i] != 0 ? weight * a[i] : 0.0;
  }

  std::size_t n_, capacity_, count_ = 0, newest_ = 0;
  std::vector<double> steps_, changes_, curvature_, weight_;
};

/// One minimisation: the point, its gradient, the direction and the trial point. All memory is taken by the constructor; `run` is called
/// once and gives the result away.
template <class F>
class lbfgs_search {
 public:
  lbfgs_search(vector_view<const double> x0, F& f, const lbfgs_options& options)
      : f_(f),
        options_(options),
        n_(x0.size()),
        gradient_(n_),
        next_x_(n_),
        next_gradient_(n_),
        direction_(n_),
        free_(n_, 1),
        history_(n_, options.history) {
    result_.x.assign(x0.begin(), x0.end());
    for (std::size_t i = 0; i < n_; ++i) result_.x[i] = clamp(i, result_.x[i]);
  }

  lbfgs_result run() {
    result_.value = evaluate(result_.x, gradient_);
    if (!std::isfinite(result_.value)) {
      result_.value = result_.gradient_norm = std::numeric_limits<double>::infinity();
      return finish(lbfgs_status::undefined_start);
    }
    while (true) {
      result_.gradient_norm = projected_gradient();
      if (result_.gradient_norm <= options_.gradient_tolerance) return finish(lbfgs_status::converged);
      if (result_.iterations == options_.max_iterations) return finish(lbfgs_status::iteration_limit);
      const double before = result_.value;
      bool moved = !history_.empty() && step();
      if (!moved) {  // what is remembered misleads, or there is nothing: start afresh from the plain gradient
        history_.clear();
        moved = step();
      }
      if (!moved) return finish(lbfgs_status::line_search_failed);
      ++result_.iterations;
      if (options_.value_tolerance > 0.0 && before - result_.value <= options_.value_tolerance * std::abs(result_.value)) {
        result_.gradient_norm = projected_gradient();
        return finish(lbfgs_status::converged);
      }
    }
  }

 private:
  struct trial {
    double value = 0.0;      // NaN: not finite there
    double slope = 0.0;      // d f / d length along the path, variables that have met their bound standing still
    double predicted = 0.0;  // g . (x(length) - x): the first-order change
  };

  [[nodiscard]] double low(std::size_t i) const noexcept {
    return options_.lower.empty() ? -std::numeric_limits<double>::infinity() : options_.lower[i];
  }
  [[nodiscard]] double high(std::size_t i) const noexcept {
    return options_.upper.empty() ? std::numeric_limits<double>::infinity() : options_.upper[i];
  }
  [[nodiscard]] double clamp(std::size_t i, double x) const noexcept { return x < low(i) ? low(i) : x > high(i) ? high(i) : x; }

  lbfgs_result finish(lbfgs_status status) {
    result_.status = status;
    return std::move(result_);
  }

  // NaN unless the value and all slopes are finite.
  double evaluate(const std::vector<double>& x, std::vector<double>& gradient) {
    ++result_.evaluations;
    const double value = f_(std::span<const double>(x), std::span<double>(gradient));
    bool finite = std::isfinite(value);
    for (const double slope : gradient) finite = finite && std::isfinite(slope);
    return finite ? value : std::numeric_limits<double>::quiet_NaN();
  }

  [[nodiscard]] double projected_gradient() const noexcept {
    double norm = 0.0;
    for (std::size_t i = 0; i < n_; ++i) {
      const double x = result_.x[i],
                   move = options_.lower.empty() && options_.upper.empty() ? gradient_[i] : x - clamp(i, x - gradient_[i]);
      if (std::abs(move) > norm) norm = std::abs(move);
    }
    return norm;
  }

  // Quasi-Newton over the variables away from their bounds; those at a bound follow the plain gradient, so that no coupling can
  // turn them around. Returns the slope along the path, negative if it descends.
  double choose_direction() {
    for (std::size_t i = 0; i < n_; ++i) {
      double near = 1e-8 * (1.0 + std::abs(result_.x[i]));
      if (result_.gradient_norm < near) near = result_.gradient_norm;
      const bool held = (gradient_[i] > 0.0 && result_.x[i] - low(i) <= near) || (gradient_[i] < 0.0 && high(i) - result_.x[i] <= near);
      free_[i] = held ? 0 : 1;
    }
    const double scale = history_.direction(gradient_.data(), free_.data(), direction_.data());
    double slope = 0.0;
    for (std::size_t i = 0; i < n_; ++i) {
      if (free_[i] == 0) {
        direction_[i] = -scale * gradient_[i];
        continue;
      }
      const bool blocked = (direction_[i] < 0.0 && result_.x[i] <= low(i)) || (direction_[i] > 0.0 && result_.x[i] >= high(i));
      if (blocked) direction_[i] = 0.0;
      slope += gradient_[i] * direction_[i];
    }
    return slope;
  }

  trial try_length(double length) {
    trial at;
    for (std::size_t i = 0; i < n_; ++i) {
      next_x_[i] = clamp(i, result_.x[i] + length * direction_[i]);
      at.predicted += gradient_[i] * (next_x_[i] - result_.x[i]);
    }
    at.value = evaluate(next_x_, next_gradient_);
    for (std::size_t i = 0; i < n_; ++i) {
      const bool moving = next_x_[i] > low(i) && next_x_[i] < high(i);
      if (moving && free_[i] != 0) at.slope += next_gradient_[i] * direction_[i];
    }
    return at;
  }

  void accept(const trial& at) {
    history_.push(result_.x.data(), next_x_.data(), gradient_.data(), next_gradient_.data());
    result_.x.swap(next_x_);
    gradient_.swap(next_gradient_);
    result_.value = at.value;
  }

  // Brackets a length along x(length) = clamp(x + length d) that lowers f enough and has lost a tenth of the slope (weak Wolfe), then
  // takes it. False if no length lowers f.
  bool step() {
    constexpr double enough = 1e-4, flattened = 0.9;
    const double slope = choose_direction();
    if (!(slope < 0.0) && !history_.empty()) return false;
    double steepest = 0.0;
    for (const double d : direction_) steepest += d * d;
    double length = history_.empty() && steepest > 1.0 ? 1.0 / std::sqrt(steepest) : 1.0;
    const double resolution = 100.0 * std::numeric_limits<double>::epsilon() * std::abs(result_.value);
    double short_length = 0.0, short_value = result_.value, short_slope = slope;
    double long_length = std::numeric_limits<double>::infinity(), long_value = long_length;
    for (std::size_t k = 0; k < options_.max_step_trials; ++k) {
      const trial at = try_length(length);
      const bool lowers = at.predicted < 0.0 && at.value <= result_.value + enough * at.predicted;
      // Differences of f below its rounding decide nothing; there the slope tells whether the minimum along the path was overshot.
      const bool flat = at.predicted < 0.0 && std::abs(at.value - result_.value) <= resolution && at.slope <= (2.0 * enough - 1.0) * slope;
      if (!lowers && !flat) {
        long_length = length, long_value = at.value;
      } else if (at.slope >= flattened * slope) {
        accept(at);
        return true;
      } else {
        short_length = length, short_value = at.value, short_slope = at.slope;
      }
      const double width = long_length - short_length;
      if (std::isinf(width)) {
        length *= 4.0;
      } else {  // the minimum of the parabola through both ends, kept away from them
        const double excess = long_value - short_value - short_slope * width;
        double fraction = std::isfinite(long_value) ? -0.5 * short_slope * width / excess : 0.25;
        if (!(fraction >= 0.1)) fraction = 0.1;
        if (fraction > 0.9) fraction = 0.9;
        length = short_length + fraction * width;
        if (!(length > short_length && length < long_length)) break;
      }
    }
    if (!(short_value < result_.value)) return false;
    accept(try_length(short_length));  // low enough, though still steep
    return true;
  }

  F& f_;
  const lbfgs_options& options_;  // outlives this object, which lives inside one call
  std::size_t n_;
  std::vector<double> gradient_, next_x_, next_gradient_, direction_;
  std::vector<unsigned char> free_;
  lbfgs_history history_;
  lbfgs_result result_;
};

/// Sizes, finite numbers and options; bounds are checked against each other, not against the start, which is clamped.
inline void check_lbfgs(vector_view<const double> x0, const lbfgs_options& options) {
  constexpr const char* function = "gavel::lbfgs";
  constexpr double infinite = std::numeric_limits<double>::infinity();
  const std::size_t n = x0.size();
  check_at_least(function, "x0.size()", n, 1);
  for (std::size_t i = 0; i < n; ++i) check_finite(function, "x0", x0[i], i);
  const std::vector<double>&lower = options.lower, &upper = options.upper;
  if (!lower.empty()) check_size(function, "lower.size()", lower.size(), "x0.size()", n);
  if (!upper.empty()) check_size(function, "upper.size()", upper.size(), "x0.size()", n);
  for (std::size_t i = 0; i < lower.size(); ++i) {
    if (!(lower[i] < infinite)) refuse(function, "lower", lower[i], "must be < infinity", {}, i);
  }
  for (std::size_t i = 0; i < upper.size(); ++i) {
    if (!(upper[i] > -infinite)) refuse(function, "upper", upper[i], "must be > -infinity", {}, i);
    if (!lower.empty()) check_at_most(function, "lower", lower[i], "upper", upper[i], i);
  }
  check_at_least(function, "gradient_tolerance", options.gradient_tolerance, 0.0);
  check_at_least(function, "value_tolerance", options.value_tolerance, 0.0);
  check_at_least(function, "max_step_trials", options.max_step_trials, 1);
  check_at_least(function, "history", options.history, 1);
}

}  // namespace detail

/// Finds a local minimum of a smooth function from its gradient, without a matrix of second derivatives: each step follows
///
///     x <- clamp(x - length H g),    H from the last `history` steps and gradient changes (L-BFGS),
///
/// over the variables away from their bounds, with a length that satisfies the weak Wolfe conditions along the clamped path. A value or
/// slope that is NaN or infinite rejects the trial point, so f may be undefined on part of the space.
///
///     const auto rosenbrock = [](std::span<const double> x, std::span<double> gradient) {
///       const double a = 1.0 - x[0], b = x[1] - x[0] * x[0];
///       gradient[0] = -2.0 * a - 400.0 * x[0] * b;
///       gradient[1] = 200.0 * b;
///       return a * a + 100.0 * b * b;
///     };
///     const lbfgs_result free = lbfgs(std::vector{-1.2, 1.0}, rosenbrock);                        // x = (1, 1)
///     const lbfgs_result boxed = lbfgs(std::vector{-1.2, 1.0}, rosenbrock, {.upper = {0.5, 2.0}});  // x = (0.5, 0.25), f = 0.25
///
/// The minimum is the one of the valley that the descent falls into: where there may be several, start from several points. Give the
/// variables units in which a change by 1 matters about equally; the method does not find them out where they differ by many orders. An f
/// without a lower bound ends as `line_search_failed` or `iteration_limit` with a huge negative value. Kinks, as of |x|, can stop the
/// descent early: smooth them, or take `nelder_mead` where there are few variables.
/// @param x0                 start, [n], n >= 1, finite; clamped into the box
/// @param value_and_gradient `double f(std::span<const double> x, std::span<double> gradient)`: writes all n slopes, returns f(x); called
///                           only inside the box. What it throws passes through. Minimise -f to maximise
/// @param options            the box and when to stop
/// @return the best point with a status; nothing about f is an exception
/// @throws std::invalid_argument if n is 0, a start is infinite, the size of a bound differs from n, a lower bound exceeds its upper bound
///         or an option is out of range
/// @throws std::domain_error for NaN in @p x0, a bound or an option
/// @note O(history n) per step beside the evaluations, mostly one per step; memory is allocated once, before the first of them. No draws:
///       the same call gives the same bits. Not usable in constant expressions.
/// @par Source
/// Jorge Nocedal (1980), Mathematics of Computation 35(151), the two loops; Dimitri Bertsekas (1982), SIAM J. Control and Optimization
/// 20(2), projected steps on a box; Adrian Lewis and Michael Overton (2013), Mathematical Programming 141, the line search; William Hager
/// and Hongchao Zhang (2005), SIAM J. Optimization 16(1), the test below the rounding of f.
template <class F>
[[nodiscard]] lbfgs_result lbfgs(vector_view<const double> x0, F&& value_and_gradient, const lbfgs_options& options = {}) {
  detail::check_lbfgs(x0, options);
  return detail::lbfgs_search<std::remove_reference_t<F>>(x0, value_and_gradient, options).run();
}

}  // namespace gavel
