// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/numerics.hpp>
#include <gavel/solvers/cholesky.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

/// @file
/// Fitting a curve with a handful of parameters to data: nonlinear least squares inside a box, or its robust form that a few bad points
/// cannot spoil.

namespace gavel {

/// Huber's loss of a residual: r^2 / 2 for |r| < delta, else delta |r| - delta^2 / 2. Delta infinity: half the square.
[[nodiscard]] inline double huber_loss(double residual, double delta) noexcept {
  const double size = std::abs(residual);
  return size < delta ? 0.5 * residual * residual : delta * (size - 0.5 * delta);
}
/// Its slope divided by the residual: 1 in the quadratic zone, delta / |r| outside.
[[nodiscard]] inline double huber_weight(double residual, double delta) noexcept {
  const double size = std::abs(residual);
  return size < delta ? 1.0 : delta / size;
}

/// How a fit ended.
enum class levenberg_marquardt_status {
  converged,        ///< a step promises less than the tolerance, or no direction leads down in double precision
  iteration_limit,  ///< the best point so far
  undefined_start   ///< the objective is not finite at the start
};

/// What is minimised, and where.
template <std::size_t N>
struct levenberg_marquardt_options {
  std::array<double, N> lower = filled(-infinity);  ///< lower bounds, -infinity allowed
  std::array<double, N> upper = filled(infinity);   ///< upper bounds, >= lower
  double huber_delta = infinity;                    ///< delta > 0; infinity: least squares
  /// How residuals beyond delta enter the curvature: with a weight (robust from far away), or not at all, which is Newton's method and ends
  /// in a few steps near the minimum. Without effect on least squares.
  bool reweighted = true;
  double tolerance = 1e-12;          ///< stop when a step promises to lower the objective by at most this fraction; >= 0
  double absolute_tolerance = 0.0;   ///< or by at most this; >= 0
  std::size_t max_iterations = 100;  ///< steps at most

 private:
  static constexpr std::array<double, N> filled(double value) noexcept {
    std::array<double, N> all{};
    for (double& one : all) one = value;
    return all;
  }
};

/// What `levenberg_marquardt` found.
template <std::size_t N>
struct levenberg_marquardt_result {
  std::array<double, N> point{};  ///< inside the box
  double objective = 0.0;         ///< sum of Huber losses there; infinity for an undefined start
  std::size_t iterations = 0;     ///< steps taken
  levenberg_marquardt_status status = levenberg_marquardt_status::converged;
};

namespace detail {

/// The objective to second order about a point.
template <std::size_t N>
struct quadratic_model {
  std::array<double, N> gradient{};
  std::array<std::array<double, N>, N> curvature{};  // lower triangle
  std::array<double, N> scale{};                     // 1 / sqrt(curvature of the reweighted problem); 0 fixes a parameter

  quadratic_model(const std::array<double, N>& point, std::span<const double> residuals, std::span<const std::array<double, N>> slopes,
                  const levenberg_marquardt_options<N>& options) noexcept {
    std::array<double, N> diagonal{};
    for (std::size_t i = 0; i < residuals.size(); ++i) {
      const std::array<double, N>& slope = slopes[i];
      const double weight = huber_weight(residuals[i], options.huber_delta);
      const double curving = options.reweighted || weight == 1.0 ? weight : 0.0;
      for (std::size_t j = 0; j < N; ++j) {
        gradient[j] += weight * residuals[i] * slope[j];
        diagonal[j] += weight * slope[j] * slope[j];
        for (std::size_t l = 0; l <= j; ++l) curvature[j][l] += curving * slope[j] * slope[l];
      }
    }
    for (std::size_t j = 0; j < N; ++j) {  // held by a bound: the gradient points out of the box
      const bool held = (point[j] <= options.lower[j] && gradient[j] >= 0.0) || (point[j] >= options.upper[j] && gradient[j] <= 0.0);
      if (!held && diagonal[j] > 0.0) scale[j] = 1.0 / std::sqrt(diagonal[j]);
    }
  }

  /// Moves @p point by the damped step of the free parameters, cut at the bounds; returns the decrease it promises, or -1 where the damped
  /// curvature is not positive definite.
  double step(double damping, const levenberg_marquardt_options<N>& options, std::array<double, N>& point) const noexcept {
    std::array<double, N * N> factor{};  // scaled to a unit diagonal
    std::array<double, N> solution{};
    for (std::size_t j = 0; j < N; ++j) {
      for (std::size_t l = 0; l <= j; ++l) factor[j * N + l] = curvature[j][l] * scale[j] * scale[l];
      factor[j * N + j] += scale[j] == 0.0 ? 1.0 : damping;
      solution[j] = -gradient[j] * scale[j];
    }
    if (!cholesky_factor(factor, N, N, 1e-15)) return -1.0;
    cholesky_forward(factor, N, solution);
    double promised = 0.0;
    for (const double part : solution) promised += 0.5 * part * part;
    for (std::size_t j = N; j-- > 0;) {  // not cholesky_backward: its order of additions would change the last bits of every fit
      for (std::size_t k = j + 1; k < N; ++k) solution[j] -= factor[k * N + j] * solution[k];
      solution[j] /= factor[j * N + j];
      if (scale[j] == 0.0) continue;
      const double next = point[j] + solution[j] * scale[j];
      point[j] = next > options.upper[j] ? options.upper[j] : next > options.lower[j] ? next : options.lower[j];
    }
    return promised;
  }
};

template <std::size_t N>
void check_levenberg_marquardt(const std::array<double, N>& start, std::size_t n_residuals, const levenberg_marquardt_options<N>& options) {
  constexpr const char* function = "gavel::levenberg_marquardt";
  check_at_least(function, "n_residuals", n_residuals, 1);
  for (std::size_t j = 0; j < N; ++j) {
    check_not_nan(function, "start", start[j], j);
    check_at_most(function, "lower", options.lower[j], "upper", options.upper[j], j);
  }
  check_greater(function, "huber_delta", options.huber_delta, 0.0);
  check_at_least(function, "tolerance", options.tolerance, 0.0);
  check_at_least(function, "absolute_tolerance", options.absolute_tolerance, 0.0);
}

}  // namespace detail

/// Minimises sum_i Huber_delta(r_i(x)) over a box, each step solving
///
///     (J' W J + damping diag(J' W J)) step = -J' W r
///
/// for the parameters that no bound holds. A residual that is not finite rejects a trial point; slopes are finite where residuals are.
/// Fitting a exp(-b t) to measurements y at times t:
///
///     const auto fit = levenberg_marquardt<2>({1.0, 1.0}, t.size(), [&](const auto& x, auto r, auto slopes) {
///       for (std::size_t i = 0; i < r.size(); ++i) {
///         const double decay = std::exp(-x[1] * t[i]);
///         r[i] = x[0] * decay - y[i];
///         if (!slopes.empty()) slopes[i] = {decay, -t[i] * x[0] * decay};
///       }
///     });
///
/// @param start       x, clamped into the box
/// @param n_residuals n >= 1
/// @param residuals   `void f(const std::array<double, N>& x, std::span<double> r, std::span<std::array<double, N>> slopes)`: writes the n
///                    residuals and, unless that span is empty, dr_i / dx_j
/// @return the best point with a status; nothing about the fit is an exception
/// @throws std::invalid_argument for n = 0, a lower bound above its upper one or an option out of range
/// @throws std::domain_error for NaN in @p start, a bound or an option
/// @note O(n N^2 + N^3) per step beside the evaluations; (N + 1) n numbers, allocated once.
/// @par Source
/// Marquardt, "An algorithm for least-squares estimation of nonlinear parameters" (1963). Huber, "Robust estimation of a location
/// parameter" (1964).
template <std::size_t N, class F>
[[nodiscard]] levenberg_marquardt_result<N> levenberg_marquardt(const std::array<double, N>& start, std::size_t n_residuals, F&& residuals,
                                                                const levenberg_marquardt_options<N>& options = {}) {
  detail::check_levenberg_marquardt(start, n_residuals, options);
  std::vector<double> r(n_residuals);
  std::vector<std::array<double, N>> slopes(n_residuals);
  const auto objective = [&](const std::array<double, N>& x, std::span<std::array<double, N>> to) {
    residuals(x, std::span<double>(r), to);
    double sum = 0.0;
    for (const double one : r) sum += huber_loss(one, options.huber_delta);
    return sum;
  };
  levenberg_marquardt_result<N> now{start};
  for (std::size_t j = 0; j < N; ++j) {
    if (!(now.point[j] > options.lower[j])) now.point[j] = options.lower[j];
    if (now.point[j] > options.upper[j]) now.point[j] = options.upper[j];
  }
  now.objective = objective(now.point, {});
  if (!std::isfinite(now.objective)) {
    now.objective = infinity;
    now.status = levenberg_marquardt_status::undefined_start;
    return now;
  }
  constexpr double least = 1e-12, most = 1e12;
  for (double damping = 1e-3; now.iterations < options.max_iterations;) {
    ++now.iterations;
    (void)objective(now.point, slopes);
    const detail::quadratic_model<N> local(now.point, r, slopes, options);
    const double negligible = options.tolerance * now.objective + options.absolute_tolerance;
    bool improved = false, undamped = false;
    for (; damping < most && !improved; damping *= improved ? 0.1 : 8.0) {
      std::array<double, N> next = now.point;
      const double promised = local.step(damping, options, next);
      if (promised < 0.0) continue;                    // not positive definite yet
      if (promised <= negligible && damping <= 1.0) {  // unless damping hides a narrow valley, this is the end
        std::array<double, N> far = now.point;
        if (undamped || damping <= least || local.step(least, options, far) <= negligible) {
          const double reached = objective(next, {});
          if (reached < now.objective) now.point = next, now.objective = reached;
          return now;
        }
        undamped = true;
        damping = least / 8.0;
        continue;
      }
      const double reached = objective(next, {});
      improved = reached < now.objective;
      if (improved) now.point = next, now.objective = reached;
    }
    if (!improved) return now;  // no direction leads down
    if (damping < least) damping = least;
  }
  now.status = levenberg_marquardt_status::iteration_limit;
  return now;
}

}  // namespace gavel
