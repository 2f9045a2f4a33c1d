// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/ordering.hpp>
#include <gavel/core/views.hpp>

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

/// @file
/// Minimising a function of a few variables from its values alone: no gradient, kinks and undefined regions allowed.

namespace gavel {

/// How a search ended. Whatever it says, the result is the best point met.
enum class nelder_mead_status {
  converged,        ///< the last simplex is as small and as level as asked; not a proof of a minimum (see `restarts`)
  iteration_limit,  ///< `max_evaluations` are used up
  unbounded,        ///< the objective is -infinity at `x`
  no_finite_value   ///< the objective is NaN or infinity wherever it was tried: `x` is the start
};

/// Where and how long `nelder_mead` looks. Tolerances are relative to values above 1 in size and absolute below; both must be met.
struct nelder_mead_options {
  /// Two variables take some hundred to the default tolerances, ten some thousand.
  std::size_t max_evaluations = 10000;  ///< calls of the objective at most, >= 1
  /// Around a smooth minimum f is flat: its values in doubles do not tell x to better than about 1e-8, so smaller tolerances only cost.
  double x_tolerance = 1e-8;   ///< largest |x_i - best_i| / max(1, |best_i|) over the corners of a simplex that counts as small, >= 0
  double f_tolerance = 1e-12;  ///< largest (f - best) / max(1, |best|) over the corners of a simplex that counts as level, >= 0
  /// About the distance to the minimum: much smaller wastes evaluations on growing, much larger may jump over the valley that was meant.
  double initial_step = 0.1;  ///< edge of the first simplex along coordinate i, times max(1, |start_i|); finite, > 0
  /// 0 trusts the first collapse of the simplex. They share `max_evaluations` and stop with it.
  std::size_t restarts = 1;  ///< fresh simplexes built around a converged point while they lower it
};

/// What `nelder_mead` found.
struct nelder_mead_result {
  std::vector<double> x{};      ///< the best point, [n]
  double value = 0.0;           ///< the objective there; infinity with `no_finite_value`
  std::size_t evaluations = 0;  ///< calls of the objective
  nelder_mead_status status = nelder_mead_status::converged;
};

namespace detail {

/// n + 1 corners in the order of their values, and the moves of one iteration. Corners stay where they are in memory; their order is
/// sorted.
template <class F>
class simplex_search {
 public:
  simplex_search(vector_view<const double> start, F& f, const nelder_mead_options& options)
      : f_(f),
        options_(options),
        n_(start.size()),
        corners_((n_ + 1) * n_),
        values_(n_ + 1, infinity),
        order_(n_ + 1),
        center_(n_),
        reflection_(n_),
        other_(n_) {
    // One variable would shrink by 1 - 1/n = 0, onto a point: it takes the constants of two, which are the classical ones.
    const double n = n_ > 1 ? static_cast<double>(n_) : 2.0;
    expansion_ = 1.0 + 2.0 / n;
    contraction_ = 0.75 - 0.5 / n;
    shrinkage_ = 1.0 - 1.0 / n;
    for (std::size_t i = 0; i <= n_; ++i) order_[i] = i;
    for (std::size_t j = 0; j < n_; ++j) corner(0)[j] = start[j];
    values_[0] = evaluate(corner(0));
  }

  nelder_mead_result run() {
    for (std::size_t round = 0;; ++round) {
      const double before = best_value();
      build(round % 2 == 0 ? options_.initial_step : -options_.initial_step);  // turned, or a restart could repeat the collapse
      while (!finished() && !small_and_level()) move();
      if (finished() || round == options_.restarts) break;
      if (round > 0 && !(best_value() < before - tolerance(before))) break;
    }
    const double* x = corner(order_[0]);
    return {std::vector<double>(x, x + n_), best_value(), evaluations_, status()};
  }

 private:
  static constexpr double infinity = std::numeric_limits<double>::infinity();

  [[nodiscard]] static double at_least_one(double x) noexcept { return std::abs(x) > 1.0 ? std::abs(x) : 1.0; }
  [[nodiscard]] double tolerance(double value) const noexcept { return options_.f_tolerance * at_least_one(value); }
  [[nodiscard]] double* corner(std::size_t index) noexcept { return corners_.data() + index * n_; }
  [[nodiscard]] double best_value() const noexcept { return values_[order_[0]]; }
  [[nodiscard]] bool finished() const noexcept { return exhausted_ || best_value() == -infinity; }

  [[nodiscard]] nelder_mead_status status() const noexcept {
    if (best_value() == -infinity) return nelder_mead_status::unbounded;
    if (best_value() == infinity) return nelder_mead_status::no_finite_value;
    return exhausted_ ? nelder_mead_status::iteration_limit : nelder_mead_status::converged;
  }

  // Without budget every point is infinitely bad: no move replaces the best corner, and the search ends after the one under way.
  double evaluate(const double* x) {
    if (evaluations_ == options_.max_evaluations) {
      exhausted_ = true;
      return infinity;
    }
    ++evaluations_;
    const double value = static_cast<double>(f_(std::span<const double>(x, n_)));
    return std::isnan(value) ? infinity : value;
  }

  // Ties to the lower index: the corner that a simplex was built or shrunk around stays first.
  void sort() {
    sort_values(order_.data(), order_.size(),
                [this](std::size_t a, std::size_t b) { return values_[a] < values_[b] || (values_[a] == values_[b] && a < b); });
  }

  // A simplex with edges along the axes at the best point so far.
  void build(double step) {
    for (std::size_t j = 0; j < n_; ++j) center_[j] = corner(order_[0])[j];
    values_[0] = best_value();
    for (std::size_t i = 0; i <= n_; ++i) {
      double* const x = corner(i);
      for (std::size_t j = 0; j < n_; ++j) x[j] = center_[j];
      if (i > 0) {
        x[i - 1] += step * at_least_one(x[i - 1]);
        values_[i] = evaluate(x);
      }
    }
    sort();
  }

  [[nodiscard]] bool small_and_level() noexcept {
    const double best = best_value();
    if (values_[order_[n_]] > best + tolerance(best)) return false;
    const double* const x = corner(order_[0]);
    for (std::size_t i = 0; i <= n_; ++i) {
      for (std::size_t j = 0; j < n_; ++j) {
        if (!(std::abs(corner(i)[j] - x[j]) <= options_.x_tolerance * at_least_one(x[j]))) return false;
      }
    }
    return true;
  }

  // The value at centre + t (centre - worst), whose coordinates go to `x`.
  double probe(double t, std::vector<double>& x) {
    const double* const worst = corner(order_[n_]);
    for (std::size_t j = 0; j < n_; ++j) x[j] = center_[j] + t * (center_[j] - worst[j]);
    return evaluate(x.data());
  }

  void replace_worst(const std::vector<double>& x, double value) noexcept {
    for (std::size_t j = 0; j < n_; ++j) corner(order_[n_])[j] = x[j];
    values_[order_[n_]] = value;
  }

  void shrink() {
    const double* const best = corner(order_[0]);
    for (std::size_t rank = 1; rank <= n_; ++rank) {
      double* const x = corner(order_[rank]);
      for (std::size_t j = 0; j < n_; ++j) x[j] = best[j] + shrinkage_ * (x[j] - best[j]);
      values_[order_[rank]] = evaluate(x);
    }
  }

  // One iteration: reflect the worst corner through the centre of the others; go further if that is the best, back if it is no help.
  void move() {
    for (std::size_t j = 0; j < n_; ++j) {
      double sum = 0.0;
      for (std::size_t rank = 0; rank < n_; ++rank) sum += corner(order_[rank])[j];
      center_[j] = sum / static_cast<double>(n_);
    }
    const double worst = values_[order_[n_]];
    const double reflected = probe(1.0, reflection_);
    if (reflected < best_value()) {
      const double expanded = probe(expansion_, other_);
      if (expanded < reflected) replace_worst(other_, expanded);
      else replace_worst(reflection_, reflected);
    } else if (reflected < values_[order_[n_ - 1]]) {
      replace_worst(reflection_, reflected);
    } else {
      const bool outside = reflected < worst;
      const double contracted = probe(outside ? contraction_ : -contraction_, other_);
      if (outside ? contracted <= reflected : contracted < worst) replace_worst(other_, contracted);
      else shrink();
    }
    sort();
  }

  F& f_;
  const nelder_mead_options& options_;
  std::size_t n_;
  std::vector<double> corners_;     // [n + 1, n]
  std::vector<double> values_;      // [n + 1]
  std::vector<std::size_t> order_;  // corners, best first
  std::vector<double> center_, reflection_, other_;
  double expansion_ = 0.0, contraction_ = 0.0, shrinkage_ = 0.0;
  std::size_t evaluations_ = 0;
  bool exhausted_ = false;
};

}  // namespace detail

/// Minimises f by moving a simplex of n + 1 points downhill: for a handful of variables, where no gradient is known or f has kinks. The
/// simplex reflects by 1, expands by 1 + 2/n, contracts by 3/4 - 1/(2n) and shrinks by 1 - 1/n, which keeps it from collapsing as n grows
/// (n = 1 takes the constants of n = 2).
///
/// It can stop at a point that is no minimum; a restart from there is the usual test and is made once unless `restarts` says otherwise.
/// With a gradient, `lbfgs` is faster and certain of more. Variables of very different size should be scaled to about 1 first: the edge of
/// the first simplex is `initial_step` itself along a coordinate that starts below 1 in size.
///
///     const auto kink = [](std::span<const double> x) { return std::abs(x[0] - 2.0) + std::abs(x[1] + 1.0); };
///     const nelder_mead_result best = nelder_mead(kink, std::vector{0.0, 0.0});  // x = (2, -1)
///
/// @param f     objective, called as `double f(std::span<const double> x)`; NaN counts as +infinity, so constraints can be such returns
/// @param start [n], n >= 1, finite: the first corner
/// @param options tolerances, budget and size of the first simplex
/// @return the best point met with a status; never worse than the start
/// @throws std::invalid_argument for an empty start, an infinite coordinate of it or an option out of range; std::domain_error for NaN
/// @note O(n^2) per iteration besides one or two evaluations of f (n + 2 where it shrinks); allocates n^2 + O(n) numbers once. No draws.
/// @par Source
/// Nelder, Mead, The Computer Journal 7(4), 1965, with the acceptance rules of Lagarias, Reeds, Wright, Wright, SIAM Journal on Optimization
/// 9(1), 1998, and the dimension-dependent constants of Gao, Han, Computational Optimization and Applications 51(1), 2012, eq. 4.1.
template <class F>
[[nodiscard]] nelder_mead_result nelder_mead(F&& f, vector_view<const double> start, const nelder_mead_options& options = {}) {
  constexpr const char* function = "gavel::nelder_mead";
  check_at_least(function, "start.size()", start.size(), 1);
  for (std::size_t i = 0; i < start.size(); ++i) check_finite(function, "start", start[i], i);
  check_at_least(function, "max_evaluations", options.max_evaluations, 1);
  check_at_least(function, "x_tolerance", options.x_tolerance, 0.0);
  check_at_least(function, "f_tolerance", options.f_tolerance, 0.0);
  check_positive(function, "initial_step", options.initial_step);
  return detail::simplex_search(start, f, options).run();
}

}  // namespace gavel
