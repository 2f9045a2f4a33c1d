// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/views.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

/// @file
/// The numerics under `annealing_fit.hpp`: residuals of the annealing law with their derivatives, a damped Gauss-Newton method inside the
/// bounds, and the linear problem that is left when alpha is fixed.

namespace gavel::schedule::detail {

/// L_0, A, C, alpha: the order of the paper.
using fit_vector = std::array<double, 4>;
inline constexpr std::size_t n_fit_parameters = 4;
inline constexpr std::size_t alpha_index = 3;

/// Least squares by modified Gram-Schmidt. Columns lie one after the other, @p n values each; they are overwritten by an orthogonal basis
/// and @p target by its residual. A column that the ones before it span (to nine digits) is left out with coefficient 0.
/// @return the squared norm of the residual
inline double solve_columns(double* columns, std::size_t n_columns, std::size_t n, double* target, double* coefficients) noexcept {
  constexpr std::size_t most = n_fit_parameters;
  std::array<std::array<double, most>, most> r{};
  std::array<double, most> y{};
  const auto dot = [n](const double* a, const double* b) {
    double sum = 0.0;
    for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
    return sum;
  };
  const auto remove = [n](double* from, double amount, const double* direction) {
    for (std::size_t i = 0; i < n; ++i) from[i] -= amount * direction[i];
  };
  for (std::size_t j = 0; j < n_columns; ++j) {
    double* const column = columns + j * n;
    const double size = std::sqrt(dot(column, column));
    for (std::size_t i = 0; i < j; ++i) {
      if (r[i][i] == 0.0) continue;
      r[i][j] = dot(columns + i * n, column);
      remove(column, r[i][j], columns + i * n);
    }
    const double left = std::sqrt(dot(column, column));
    if (!(left > 1e-9 * size)) continue;  // r[j][j] stays 0: left out
    r[j][j] = left;
    for (std::size_t i = 0; i < n; ++i) column[i] /= left;
    y[j] = dot(column, target);
    remove(target, y[j], column);
  }
  for (std::size_t j = n_columns; j-- > 0;) {
    double value = y[j];
    for (std::size_t l = j + 1; l < n_columns; ++l) value -= r[j][l] * coefficients[l];
    coefficients[j] = r[j][j] == 0.0 ? 0.0 : value / r[j][j];
  }
  return dot(target, target);
}

/// Where a descent ended.
struct fit_descent {
  fit_vector point{};
  double objective = 0.0;
  std::size_t iterations = 0;
  bool converged = false;
};

/// One data set and one objective: half the sum of squared relative residuals, 1 - L_pred / L_obs, or the sum of Huber losses of the log
/// residuals, log(L_obs / L_pred).
class annealing_problem {
 public:
  /// @param huber_delta 0: relative least squares
  annealing_problem(vector_view<const double> forward, vector_view<const double> annealing, vector_view<const double> loss,
                    double huber_delta, double min_alpha, double max_alpha)
      : annealing_(annealing), loss_(loss), delta_(huber_delta), lower_{0.0, 0.0, 0.0, min_alpha}, max_alpha_(max_alpha) {
    log_forward_.reserve(forward.size());
    for (const double area : forward) {
      log_forward_.push_back(std::log(area));
      mean_log_forward_ += log_forward_.back() / static_cast<double>(forward.size());
    }
    work_.resize(n_fit_parameters * forward.size());
  }

  /// The same areas with other losses.
  void set_losses(vector_view<const double> loss) noexcept { loss_ = loss; }
  [[nodiscard]] std::size_t size() const noexcept { return log_forward_.size(); }

  [[nodiscard]] double objective(const fit_vector& p) const noexcept {
    double sum = 0.0;
    visit(p, [&](std::size_t, double residual, double, double) { sum += value_of(residual); });
    return sum;
  }

  /// Whether a parameter is held by a bound.
  [[nodiscard]] bool at_bound(const fit_vector& p, std::size_t j) const noexcept {
    return p[j] <= lower_[j] || (j == alpha_index && p[j] >= max_alpha_);
  }

  /// The derivatives of the residuals (up to sign) by one parameter, one per point: column @p j of the Jacobian.
  void jacobian_column(const fit_vector& p, std::size_t j, double* out) const noexcept {
    visit(p, [&](std::size_t i, double, double scale, double shape) { out[i] = row(p, i, scale, shape)[j]; });
  }
  /// Sum of squared slopes of the objective per residual and number of residuals in its quadratic zone: what standard errors need.
  struct slope_sums {
    double squares = 0.0;
    double quadratic = 0.0;
  };
  [[nodiscard]] slope_sums slopes(const fit_vector& p) const noexcept {
    slope_sums sums;
    visit(p, [&](std::size_t, double residual, double, double) {
      const double slope = residual * weight_of(residual);
      sums.squares += slope * slope;
      sums.quadratic += inside(residual) ? 1.0 : 0.0;
    });
    return sums;
  }

  /// Goes down from a point inside the bounds. With @p reweighted every residual keeps a weight (robust far away); without, those outside
  /// the quadratic zone count by their gradient alone, which is Newton's method and ends in a few steps.
  /// @param tolerance stop once a step promises less than this fraction of the objective
  [[nodiscard]] fit_descent descend(fit_vector point, bool reweighted, double tolerance, std::size_t max_iterations) const noexcept {
    for (std::size_t j = 0; j < n_fit_parameters; ++j) point[j] = clamp(point[j], j);
    fit_descent now{point, objective(point), 0, false};
    double damping = 1e-3;
    while (now.iterations < max_iterations) {
      ++now.iterations;
      const model local = quadratic_model(now.point, reweighted);
      const double negligible = tolerance * now.objective + 1e-28 * static_cast<double>(size());
      bool improved = false;
      for (; damping < 1e12 && !improved; damping *= improved ? 0.1 : 8.0) {
        fit_vector next = now.point;
        const double promised = step(local, damping, next);
        if (promised < 0.0) continue;  // not positive definite yet
        const double reached = objective(next);
        if (promised <= negligible && damping <= 1.0) {
          if (reached < now.objective) now.point = next, now.objective = reached;
          now.converged = true;
          return now;
        }
        if (reached < now.objective) {
          now.point = next, now.objective = reached;
          improved = true;
        }
      }
      if (!improved) {  // no direction leads down in double precision
        now.converged = true;
        return now;
      }
      if (damping < 1e-12) damping = 1e-12;
    }
    return now;
  }

  /// L_0, A, C that minimise the relative squares at a given alpha, none negative: the best of the eight sets of active bounds.
  [[nodiscard]] fit_descent project(double alpha) noexcept {
    fit_descent best;
    best.objective = -1.0;
    const double unit = std::exp(alpha * mean_log_forward_);  // the power column is built in units of the mean forward area
    for (unsigned active = 0; active < 8; ++active) {         // bit j: parameter j is 0
      const std::size_t n = size();
      std::array<std::size_t, 3> which{};
      std::size_t n_columns = 0;
      for (std::size_t j = 0; j < 3; ++j) {
        if ((active >> j & 1U) == 0) which[n_columns++] = j;
      }
      double* const target = work_.data() + 3 * n;
      for (std::size_t i = 0; i < n; ++i) {
        const double scale = 1.0 / loss_[i];
        const double shape = std::exp(alpha * (mean_log_forward_ - log_forward_[i]));
        const std::array<double, 3> all{scale, scale * shape, -scale * annealing_[i]};
        for (std::size_t c = 0; c < n_columns; ++c) work_[c * n + i] = all[which[c]];
        target[i] = 1.0;
      }
      std::array<double, 3> coefficients{};
      const double squares = solve_columns(work_.data(), n_columns, n, target, coefficients.data());
      fit_vector point{0.0, 0.0, 0.0, alpha};
      bool feasible = true;
      for (std::size_t c = 0; c < n_columns; ++c) {
        feasible = feasible && coefficients[c] >= 0.0;
        point[which[c]] = coefficients[c];
      }
      if (!feasible || (best.objective >= 0.0 && !(0.5 * squares < best.objective))) continue;
      point[1] *= unit;
      best.point = point;
      best.objective = 0.5 * squares;
      if (active == 0) break;  // the free optimum obeys the bounds
    }
    return best;
  }

 private:
  struct model {
    fit_vector gradient{};
    std::array<fit_vector, n_fit_parameters> curvature{};
    fit_vector diagonal{};  // of the reweighted curvature: the scale of the damping
  };

  // Calls visit(i, residual, scale, S_1^-alpha) for each point, -scale * dL_pred being the derivative of the residual.
  template <class Visit>
  void visit(const fit_vector& p, Visit&& visit_point) const noexcept {
    constexpr double low = 0.1;  // of the observed loss; below it the logarithm goes on as its tangent, so that far starts find back
    for (std::size_t i = 0; i < log_forward_.size(); ++i) {
      const double exponent = -p[alpha_index] * log_forward_[i];
      const double shape = std::exp(exponent < 300.0 ? exponent : 300.0);
      const double ratio = (p[0] + p[1] * shape - p[2] * annealing_[i]) / loss_[i];
      if (delta_ == 0.0) visit_point(i, 1.0 - ratio, 1.0 / loss_[i], shape);
      else if (ratio > low) visit_point(i, -std::log(ratio), 1.0 / (ratio * loss_[i]), shape);
      else visit_point(i, 1.0 - std::log(low) - ratio / low, 1.0 / (low * loss_[i]), shape);
    }
  }
  [[nodiscard]] fit_vector row(const fit_vector& p, std::size_t i, double scale, double shape) const noexcept {
    return {scale, scale * shape, -scale * annealing_[i], -scale * p[1] * shape * log_forward_[i]};
  }
  [[nodiscard]] bool inside(double residual) const noexcept { return delta_ == 0.0 || std::abs(residual) < delta_; }
  [[nodiscard]] double weight_of(double residual) const noexcept { return inside(residual) ? 1.0 : delta_ / std::abs(residual); }
  [[nodiscard]] double value_of(double residual) const noexcept {
    return inside(residual) ? 0.5 * residual * residual : delta_ * (std::abs(residual) - 0.5 * delta_);
  }
  [[nodiscard]] double clamp(double value, std::size_t j) const noexcept {
    if (!(value > lower_[j])) return lower_[j];
    return j == alpha_index && value > max_alpha_ ? max_alpha_ : value;
  }

  [[nodiscard]] model quadratic_model(const fit_vector& p, bool reweighted) const noexcept {
    model local;
    visit(p, [&](std::size_t i, double residual, double scale, double shape) {
      const fit_vector slope = row(p, i, scale, shape);
      const double weight = weight_of(residual);
      const double curving = reweighted || inside(residual) ? weight : 0.0;
      for (std::size_t j = 0; j < n_fit_parameters; ++j) {
        local.gradient[j] -= weight * residual * slope[j];
        local.diagonal[j] += weight * slope[j] * slope[j];
        for (std::size_t l = 0; l <= j; ++l) local.curvature[j][l] += curving * slope[j] * slope[l];
      }
    });
    for (std::size_t j = 0; j < n_fit_parameters; ++j) {  // held by a bound: the gradient points out of the box
      const bool held =
          (p[j] <= lower_[j] && local.gradient[j] >= 0.0) || (j == alpha_index && p[j] >= max_alpha_ && local.gradient[j] <= 0.0);
      if (held || !(local.diagonal[j] > 0.0)) local.diagonal[j] = 0.0;
    }
    return local;
  }

  // Moves `point` by the damped Newton step of the free parameters, cut at the bounds; returns the decrease it promises, or -1 where the
  // damped curvature is not positive definite.
  [[nodiscard]] double step(const model& local, double damping, fit_vector& point) const noexcept {
    std::array<fit_vector, n_fit_parameters> factor{};  // Cholesky, scaled to a unit diagonal
    fit_vector solution{}, unit{};
    for (std::size_t j = 0; j < n_fit_parameters; ++j) unit[j] = local.diagonal[j] > 0.0 ? 1.0 / std::sqrt(local.diagonal[j]) : 0.0;
    for (std::size_t j = 0; j < n_fit_parameters; ++j) {
      for (std::size_t l = 0; l <= j; ++l) {
        double value = local.curvature[j][l] * unit[j] * unit[l];
        if (j == l) value += unit[j] == 0.0 ? 1.0 : damping;
        for (std::size_t k = 0; k < l; ++k) value -= factor[j][k] * factor[l][k];
        if (j != l) factor[j][l] = value / factor[l][l];
        else if (value > 1e-15) factor[j][j] = std::sqrt(value);
        else return -1.0;
      }
      solution[j] = -local.gradient[j] * unit[j];
      for (std::size_t k = 0; k < j; ++k) solution[j] -= factor[j][k] * solution[k];
      solution[j] /= factor[j][j];
    }
    double promised = 0.0;
    for (const double part : solution) promised += 0.5 * part * part;
    for (std::size_t j = n_fit_parameters; j-- > 0;) {
      for (std::size_t k = j + 1; k < n_fit_parameters; ++k) solution[j] -= factor[k][j] * solution[k];
      solution[j] /= factor[j][j];
      point[j] = clamp(point[j] + solution[j] * unit[j], j);
    }
    return promised;
  }

  vector_view<const double> annealing_;
  vector_view<const double> loss_;
  double delta_;
  fit_vector lower_;
  double max_alpha_;
  std::vector<double> log_forward_;
  double mean_log_forward_ = 0.0;
  std::vector<double> work_;
};

}  // namespace gavel::schedule::detail
