// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

/// @file
/// Solving f(x) = 0 inside a bracket, and inverting one monotone positive function many times through a table.

namespace gavel {

/// How a root search ended.
enum class root_status {
  converged,       ///< the bracket is as narrow as asked, or f(x) is within `value_tolerance` of 0
  not_bracketed,   ///< f has the same sign (or is NaN) at both ends: `x` is the end with the smaller |f|
  iteration_limit  ///< stopped early; `x` is the best point so far and lies in [low, high]
};

/// When a root search stops.
struct root_options {
  double x_tolerance = 0.0;          ///< absolute width of the bracket to stop at; 0: as narrow as doubles allow
  double value_tolerance = 0.0;      ///< stop as soon as |f(x)| <= this; 0: only at an exact zero
  std::size_t max_iterations = 200;  ///< evaluations of f after the two ends
};

/// What a root search found.
struct root_result {
  double x = 0.0;      ///< the end of the final bracket with the smaller |f|
  double value = 0.0;  ///< f(x)
  double low = 0.0;    ///< final bracket: f changes sign in [low, high]
  double high = 0.0;
  std::size_t iterations = 0;  ///< evaluations after the two ends
  root_status status = root_status::converged;
};

namespace detail {

inline void check_bracket(const char* function, double low, double high) {
  check_finite(function, "low", low);
  check_finite(function, "high", high);
  check_at_most(function, "low", low, "high", high);
}

// The bracket as two points, `best` being the one with the smaller |f|.
struct bracket {
  double best, best_value, other, other_value;

  void order() noexcept {
    if (std::abs(other_value) < std::abs(best_value)) {
      const double x = best, value = best_value;
      best = other, best_value = other_value;
      other = x, other_value = value;
    }
  }
  [[nodiscard]] bool done(const root_options& options) const noexcept {
    const double resolution = 2.0 * std::numeric_limits<double>::epsilon() * std::abs(best);
    return std::abs(best_value) <= options.value_tolerance ||
           std::abs(other - best) <= (options.x_tolerance > resolution ? options.x_tolerance : resolution);
  }
  // Replaces the end whose sign the new point shares.
  void insert(double x, double value) noexcept {
    if (std::signbit(value) == std::signbit(other_value)) other = x, other_value = value;
    else best = x, best_value = value;
    order();
  }
  [[nodiscard]] root_result result(std::size_t iterations, root_status status) const noexcept {
    return {best, best_value, best < other ? best : other, best < other ? other : best, iterations, status};
  }
};

template <class F, class Step>
root_result solve_in_bracket(F& f, double low, double high, const root_options& options, Step&& step) {
  const double low_value = f(low), high_value = f(high);
  bracket now{low, low_value, high, high_value};
  now.order();
  if (now.best_value == 0.0) return now.result(0, root_status::converged);
  const bool comparable = !std::isnan(now.best_value) && !std::isnan(now.other_value);
  if (!comparable || std::signbit(now.best_value) == std::signbit(now.other_value)) return now.result(0, root_status::not_bracketed);
  for (std::size_t used = 0;; ++used) {
    if (now.done(options)) return now.result(used, root_status::converged);
    if (used == options.max_iterations) return now.result(used, root_status::iteration_limit);
    const double x = step(now);
    now.insert(x, f(x));
  }
}

}  // namespace detail

/// Halves a bracket until it is as narrow as asked: slow (one bit per evaluation), but nothing about f matters besides its sign, so
/// discontinuous and flat functions are fine.
/// @param f    continuous or at least of one sign on each side of the root; called with doubles in [low, high]
/// @param low,high finite, low <= high
/// @return the root with a status; `not_bracketed` if f(low) and f(high) have the same sign
/// @throws std::invalid_argument for an unordered or infinite bracket, std::domain_error for NaN
/// @note 2 + `iterations` evaluations, at most about 60 for a bracket of one binade; no allocation.
template <class F>
[[nodiscard]] root_result bisect(F&& f, double low, double high, const root_options& options = {}) {
  detail::check_bracket("gavel::bisect", low, high);
  return detail::solve_in_bracket(f, low, high, options,
                                  [](const detail::bracket& now) { return now.best + 0.5 * (now.other - now.best); });
}

/// Finds a root of a smooth function in about ten evaluations: inverse interpolation while it converges, halving when it does not.
/// Arguments, result and errors as for `bisect`.
/// @par Source
/// Tirupathi R. Chandrupatla (1997), Advances in Engineering Software 28(3), 145-149: Brent's idea with a simpler test of when inverse
/// quadratic interpolation can be trusted.
template <class F>
[[nodiscard]] root_result brent(F&& f, double low, double high, const root_options& options = {}) {
  detail::check_bracket("gavel::brent", low, high);
  bool have_third = false;
  double third = 0.0, third_value = 0.0;  // the point that left the bracket last
  double last_best = 0.0, last_best_value = 0.0, last_other = 0.0, last_other_value = 0.0;
  auto step = [&](const detail::bracket& now) {
    if (last_best != last_other) {  // one of the two old ends is gone
      const bool best_stayed = now.best == last_best || now.other == last_best;
      third = best_stayed ? last_other : last_best;
      third_value = best_stayed ? last_other_value : last_best_value;
      have_third = third != now.best && third != now.other;
    }
    last_best = now.best, last_best_value = now.best_value, last_other = now.other, last_other_value = now.other_value;
    double fraction = 0.5;  // of the way from best to other
    if (have_third) {
      const double xi = (now.best - now.other) / (third - now.other);
      const double phi = (now.best_value - now.other_value) / (third_value - now.other_value);
      if (phi * phi < xi && (1.0 - phi) * (1.0 - phi) < 1.0 - xi) {
        const double a = now.best_value / (now.other_value - now.best_value) * third_value / (now.other_value - third_value);
        const double b = (third - now.best) / (now.other - now.best) * now.best_value / (third_value - now.best_value) * now.other_value /
                         (third_value - now.other_value);
        fraction = a + b;
      }
    }
    // Stay a resolvable distance away from both ends, or the bracket would stop shrinking.
    const double resolution = std::numeric_limits<double>::epsilon() * std::abs(now.best) + 0.5 * options.x_tolerance;
    double least = resolution / std::abs(now.other - now.best);
    if (!(least <= 0.5)) least = 0.5;
    if (!(fraction >= least)) fraction = least;
    if (fraction > 1.0 - least) fraction = 1.0 - least;
    return now.best + fraction * (now.other - now.best);
  };
  return detail::solve_in_bracket(f, low, high, options, step);
}

/// What became of the knots of a `monotone_inverse_table`.
enum class monotone_inverse_table_status {
  ready,         ///< the table answers
  not_positive,  ///< some x or y is not a positive finite number: the table is empty
  not_monotone   ///< y does not run in one direction, or takes fewer than two distinct values: the table is empty
};

/// Inverts one monotone function for many arguments: y = f(x) is tabulated once, then each x = f^{-1}(y) costs a search among the knots
/// and one cubic. Both axes are logarithmic, so x and y may span many orders of magnitude; the interpolant is monotone, hence so is the
/// inverse, and it reproduces the knots.
/// @note Keeps its memory between calls of `tabulate` and `assign`: no allocation once it has seen its largest table.
/// @par Source
/// Fred N. Fritsch and Judy Butland (1984), SIAM J. Sci. Stat. Comput. 5(2): slopes that keep a cubic monotone.
class monotone_inverse_table {
 public:
  /// Tabulates f at @p n_knots log-spaced points from @p x_low to @p x_high.
  /// @param f positive and monotone (either direction) on [x_low, x_high]; stretches where rounding makes it flat are skipped
  /// @throws std::invalid_argument unless 0 < x_low < x_high < inf and n_knots >= 2; std::domain_error for NaN
  template <class F>
  monotone_inverse_table_status tabulate(F&& f, double x_low, double x_high, std::size_t n_knots) {
    constexpr const char* function = "gavel::monotone_inverse_table::tabulate";
    check_positive(function, "x_low", x_low);
    check_finite(function, "x_high", x_high);
    check_greater(function, "x_high", x_high, "x_low", x_low);
    check_at_least(function, "n_knots", n_knots, 2);
    log_x_.resize(n_knots);
    log_y_.resize(n_knots);
    const double first = std::log(x_low), width = std::log(x_high) - first;
    for (std::size_t k = 0; k < n_knots; ++k) {
      const double log_x = first + width * (static_cast<double>(k) / static_cast<double>(n_knots - 1));
      const double x = k == 0 ? x_low : k + 1 == n_knots ? x_high : std::exp(log_x);
      log_x_[k] = log_x;
      log_y_[k] = std::log(f(x));
    }
    return finish();
  }

  /// The same from given knots.
  /// @param x [k] strictly ascending, > 0
  /// @param y [k] f(x), > 0, monotone
  /// @throws std::invalid_argument if the sizes differ or are below 2, or x does not ascend; std::domain_error for NaN in x
  monotone_inverse_table_status assign(std::span<const double> x, std::span<const double> y) {
    constexpr const char* function = "gavel::monotone_inverse_table::assign";
    check_at_least(function, "x.size()", x.size(), 2);
    check_size(function, "y.size()", y.size(), "x.size()", x.size());
    check_ascending(function, "x", x);
    log_x_.resize(x.size());
    log_y_.resize(x.size());
    for (std::size_t k = 0; k < x.size(); ++k) {
      log_x_[k] = std::log(x[k]);
      log_y_[k] = std::log(y[k]);
    }
    return finish();
  }

  /// x with f(x) = @p y. Outside the table the nearest end is returned; y <= 0 counts as below the table. The table must be ready.
  [[nodiscard]] double operator()(double y) const noexcept { return std::exp(at_log(std::log(y > 0.0 ? y : 0.0))); }

  /// log x for a given log y: saves two transcendental functions where the caller keeps logarithms. Clamped; -inf and +inf are fine.
  [[nodiscard]] double at_log(double log_y) const noexcept {
    const std::size_t last = log_y_.size() - 1;
    if (!(log_y > log_y_[0])) return log_x_[0];
    if (!(log_y < log_y_[last])) return log_x_[last];
    std::size_t k = 0;  // log_y_[k] <= log_y < log_y_[k + span]
    for (std::size_t span = last; span > 1;) {
      const std::size_t half = span / 2;
      k = log_y_[k + half] <= log_y ? k + half : k;
      span -= half;
    }
    while (log_y_[k + 1] <= log_y) ++k;
    const double width = log_y_[k + 1] - log_y_[k], rise = log_x_[k + 1] - log_x_[k];
    const double a = (log_y - log_y_[k]) / width, b = 1.0 - a;
    return log_x_[k] + rise * a * a * (3.0 - 2.0 * a) + width * a * b * (b * slope_[k] - a * slope_[k + 1]);
  }

  [[nodiscard]] bool ready() const noexcept { return log_y_.size() >= 2; }
  /// Knots kept; 0 before the first successful `tabulate` or `assign`.
  [[nodiscard]] std::size_t size() const noexcept { return log_y_.size(); }

 private:
  using status = monotone_inverse_table_status;

  status cleared(status why) noexcept {
    log_x_.clear();
    log_y_.clear();
    slope_.clear();
    return why;
  }

  // Turns raw knots into an ascending table without flat stretches, then sets the slopes.
  status finish() {
    std::size_t n = log_y_.size();
    for (std::size_t k = 0; k < n; ++k) {
      if (!std::isfinite(log_x_[k]) || !std::isfinite(log_y_[k])) return cleared(status::not_positive);
    }
    if (log_y_[n - 1] < log_y_[0]) {
      for (std::size_t k = 0; k < n / 2; ++k) {
        const double x = log_x_[k], y = log_y_[k];
        log_x_[k] = log_x_[n - 1 - k], log_y_[k] = log_y_[n - 1 - k];
        log_x_[n - 1 - k] = x, log_y_[n - 1 - k] = y;
      }
    }
    // Rounding may turn a saturated end by a few units in the last place; more than that is a function that is not monotone.
    std::size_t kept = 1;
    for (std::size_t k = 1; k < n; ++k) {
      const double rise = log_y_[k] - log_y_[kept - 1];
      if (rise < -1e-12 * (1.0 + std::abs(log_y_[k]))) return cleared(status::not_monotone);
      if (rise <= 0.0) continue;
      log_x_[kept] = log_x_[k];
      log_y_[kept] = log_y_[k];
      ++kept;
    }
    if (kept < 2) return cleared(status::not_monotone);
    log_x_.resize(kept);
    log_y_.resize(kept);
    n = kept;
    slope_.resize(n);
    auto secant = [&](std::size_t k) { return (log_x_[k + 1] - log_x_[k]) / (log_y_[k + 1] - log_y_[k]); };
    slope_[0] = secant(0);
    slope_[n - 1] = secant(n - 2);
    for (std::size_t k = 1; k + 1 < n; ++k) {
      const double before = secant(k - 1), after = secant(k);
      const double w_before = log_y_[k] - log_y_[k - 1], w_after = log_y_[k + 1] - log_y_[k];
      // Weighted harmonic mean: never above three times the flatter neighbour.
      const double a = (w_before + 2.0 * w_after) / before, b = (2.0 * w_before + w_after) / after;
      slope_[k] = 3.0 * (w_before + w_after) / (a + b);
    }
    return status::ready;
  }

  std::vector<double> log_x_, log_y_, slope_;
};

}  // namespace gavel
