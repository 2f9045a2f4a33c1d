// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/views.hpp>
#include <gavel/schedule/detail/rate_changes.hpp>
#include <gavel/schedule/multi_power_law.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

/// @file
/// The numerics under `multi_power_fit.hpp`: log residuals of the multi-power law with their derivatives, a damped Gauss-Newton method
/// inside a box, and starting points by the linear problem that is left when the exponents are fixed.

namespace gavel::schedule::detail {

/// A measured loss: step of a curve, the curve being one of a list.
struct multi_power_point {
  std::size_t curve = 0;
  std::size_t step = 0;
  double loss = 0.0;
};

inline constexpr std::size_t n_multi_power = 7;
/// L_0, log A, log B, log alpha, log C, log beta, log gamma in the order of the enumerators, each measured in the units of `fit_units`.
using multi_power_vector = std::array<double, n_multi_power>;
enum multi_power_index : std::size_t { index_floor, index_amplitude, index_annealing, index_alpha, index_scale, index_beta, index_gamma };

/// Where the powers are anchored. Counting rates and areas from the middle of the data keeps A apart from alpha and C apart from gamma.
struct fit_units {
  double log_rate = 0.0;
  double log_area = 0.0;
};

struct multi_power_descent {
  multi_power_vector point{};
  double objective = 0.0;
  std::size_t iterations = 0;
  bool converged = false;
};

class multi_power_problem {
 public:
  multi_power_problem(const std::vector<rate_changes>& curves, const std::vector<multi_power_point>& points, double warmup_area,
                      double huber_delta, double relative_error)
      : curves_(curves), points_(points), warmup_area_(warmup_area), delta_(huber_delta), width_(block_width(relative_error)) {
    double peak = 0.0;
    for (const multi_power_point& point : points) {
      const rate_changes& curve = curves[point.curve];
      log_area_.push_back(std::log(curve.area(point.step) + warmup_area));
      units_.log_area += log_area_.back() / static_cast<double>(points.size());
      // The mean rate of a run stands for its rates: only the order of magnitude matters.
      const double mean_rate = curve.area(point.step) / static_cast<double>(point.step + 1);
      if (mean_rate > peak) peak = mean_rate;
    }
    units_.log_rate = peak > 0.0 ? std::log(peak) : 0.0;
    slopes_.resize(points.size());
    residuals_.resize(points.size());
  }

  [[nodiscard]] std::size_t size() const noexcept { return points_.size(); }

  [[nodiscard]] multi_power_law law(const multi_power_vector& p) const noexcept {
    multi_power_law result;
    result.loss_floor = p[index_floor];
    result.alpha = std::exp(p[index_alpha]);
    result.beta = std::exp(p[index_beta]);
    result.gamma = std::exp(p[index_gamma]);
    result.amplitude = std::exp(p[index_amplitude] + result.alpha * units_.log_area);
    result.annealing = std::exp(p[index_annealing] - units_.log_rate);
    result.scale = std::exp(p[index_scale] + result.gamma * units_.log_rate - units_.log_area);
    result.warmup_area = warmup_area_;
    return result;
  }

  /// The objective, sum of Huber losses of log(L_obs / L_pred).
  [[nodiscard]] double objective(const multi_power_vector& p) const noexcept {
    const multi_power_law now = law(p);
    const annealing_shape shape = shape_of(now);
    double sum = 0.0;
    for (std::size_t i = 0; i < size(); ++i) {
      const multi_power_point& point = points_[i];
      const double annealing = now.annealing > 0.0 ? curves_[point.curve].sum(shape, point.step, width_) : 0.0;
      sum += value_of(residual_at(i, predicted(p, i, annealing)).value);
    }
    return sum;
  }

  /// The same; keeps residuals and slopes for `residual` and `slope`.
  double linearise(const multi_power_vector& p) noexcept {
    const multi_power_law now = law(p);
    const annealing_shape shape = shape_of(now);
    double sum = 0.0;
    for (std::size_t i = 0; i < size(); ++i) {
      const multi_power_point& point = points_[i];
      const annealing_sum annealing =
          now.annealing > 0.0 ? curves_[point.curve].sum_and_slopes(shape, point.step, width_) : annealing_sum{};
      const double amplitude = power_term(p, i);
      const log_residual r = residual_at(i, p[index_floor] + amplitude - now.annealing * annealing.value);
      // gamma turns the curves about the unit of the rate here, about the rate 1 in the law.
      const double by_gamma = annealing.by_gamma + units_.log_rate * annealing.by_log_scale;
      slopes_[i] = {r.scale,
                    r.scale * amplitude,
                    -r.scale * now.annealing * annealing.value,
                    -r.scale * amplitude * now.alpha * (log_area_[i] - units_.log_area),
                    -r.scale * now.annealing * annealing.by_log_scale,
                    -r.scale * now.annealing * annealing.by_beta * now.beta,
                    -r.scale * now.annealing * by_gamma * now.gamma};
      residuals_[i] = r.value;
      sum += value_of(r.value);
    }
    return sum;
  }
  /// log(L_obs / L_pred) of a point where `linearise` was called last.
  [[nodiscard]] double residual(std::size_t i) const noexcept { return residuals_[i]; }
  /// Slopes of log L_pred there.
  [[nodiscard]] const multi_power_vector& slope(std::size_t i) const noexcept { return slopes_[i]; }
  /// Slopes by L_0 and the logarithms of the parameters of @p law, the law of that point.
  [[nodiscard]] multi_power_vector natural_slope(std::size_t i, const multi_power_law& law) const noexcept {
    multi_power_vector slope = slopes_[i];
    slope[index_alpha] -= units_.log_area * law.alpha * slope[index_amplitude];
    slope[index_gamma] -= units_.log_rate * law.gamma * slope[index_scale];
    return slope;
  }
  /// Whether a parameter sits within 1 % of an end of its range: where hardly anything pulls, a descent stops short of it.
  [[nodiscard]] static bool at_bound(const multi_power_vector& p, std::size_t j) noexcept {
    return p[j] <= lower[j] + (j == index_floor ? 0.0 : 0.01) || p[j] >= upper[j] - 0.01;
  }

  /// Goes down from a point inside the box.
  /// @param reweighted every residual keeps a weight (robust far away); without, those outside the quadratic zone count by their gradient
  ///        alone, which is Newton's method and ends in a few steps
  /// @param tolerance stop once a step promises less than this fraction of the objective
  [[nodiscard]] multi_power_descent descend(const multi_power_vector& start, bool reweighted, double tolerance,
                                            std::size_t max_iterations) noexcept {
    multi_power_descent now{start, 0.0, 0, false};
    double damping = 1e-3;
    while (now.iterations < max_iterations) {
      ++now.iterations;
      now.objective = linearise(now.point);
      const model local = quadratic_model(now.point, reweighted);
      const double negligible = tolerance * now.objective + 1e-26 * static_cast<double>(size());
      bool improved = false;
      for (; damping < 1e12 && !improved; damping *= improved ? 0.1 : 8.0) {
        multi_power_vector next = now.point;
        const double promised = step(local, damping, next);
        if (promised < 0.0) continue;  // not positive definite yet
        const double reached = objective(next);
        improved = reached < now.objective;
        if (improved) now.point = next, now.objective = reached;
        if (promised <= negligible && damping <= 1.0) {
          now.converged = true;
          return now;
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

  /// L_0, A, B that minimise the relative squares for given exponents, none negative, for the best alpha of a short list.
  /// @param scale log C in the units of the fit
  [[nodiscard]] multi_power_descent project(double scale, double beta, double gamma) const {
    const annealing_shape shape{scale + gamma * units_.log_rate - units_.log_area, beta, gamma};
    std::vector<double> annealing(size());
    constexpr double coarse = 0.5;
    for (std::size_t i = 0; i < size(); ++i) {
      annealing[i] = curves_[points_[i].curve].sum(shape, points_[i].step, coarse) * std::exp(-units_.log_rate);
    }
    multi_power_descent best;
    best.objective = infinity;
    for (const double alpha : {0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.5}) {
      std::array<std::array<double, 3>, 3> squares{};
      std::array<double, 3> sums{};
      for (std::size_t i = 0; i < size(); ++i) {
        const double weight = 1.0 / points_[i].loss;
        const std::array<double, 3> row{weight, weight * std::exp(alpha * (units_.log_area - log_area_[i])), -weight * annealing[i]};
        for (std::size_t j = 0; j < 3; ++j) {
          sums[j] += row[j];
          for (std::size_t l = 0; l < 3; ++l) squares[j][l] += row[j] * row[l];
        }
      }
      for (unsigned kept = 7; kept > 0; --kept) {  // bit j: parameter j is not 0
        std::array<double, 3> solution{};
        const double gain = solve_subset(squares, sums, kept, solution);
        const double objective = 0.5 * (static_cast<double>(size()) - gain);
        if (gain < 0.0 || !(objective < best.objective)) continue;
        best.objective = objective;
        best.point = {solution[0], std::log(solution[1]), std::log(solution[2]), std::log(alpha), scale, std::log(beta), std::log(gamma)};
        if (kept == 7) break;  // the free optimum obeys the bounds
      }
    }
    return best;
  }

 private:
  // alpha in [0.001, 8], beta in [0.01, 10], gamma in [0.01, 2]: powers beyond have no shape left that losses could show. log A and log B
  // may be -infinity: a term that is absent.
  static constexpr multi_power_vector lower{0.0, -200.0, -200.0, -6.90775527898213705, -30.0, -4.60517018598809137, -4.60517018598809137};
  static constexpr multi_power_vector upper{1e300, 200.0, 200.0, 2.07944154167983593, 30.0, 2.30258509299404568, 0.69314718055994531};

  struct log_residual {
    double value;
    double scale;  // derivative of log L_pred by L_pred
  };
  struct model {
    multi_power_vector gradient{};
    std::array<multi_power_vector, n_multi_power> curvature{};
    multi_power_vector diagonal{};  // of the reweighted curvature: the scale of the damping; 0 holds a parameter
  };

  [[nodiscard]] double power_term(const multi_power_vector& p, std::size_t i) const noexcept {
    return std::exp(p[index_amplitude] + std::exp(p[index_alpha]) * (units_.log_area - log_area_[i]));
  }
  [[nodiscard]] double predicted(const multi_power_vector& p, std::size_t i, double annealing) const noexcept {
    return p[index_floor] + power_term(p, i) - std::exp(p[index_annealing] - units_.log_rate) * annealing;
  }
  [[nodiscard]] log_residual residual_at(std::size_t i, double predicted_loss) const noexcept {
    constexpr double low = 0.1;  // of the observed loss; below it the logarithm goes on as its tangent, so that far starts find back
    const double loss = points_[i].loss, ratio = predicted_loss / loss;
    if (ratio > low) return {-std::log(ratio), 1.0 / predicted_loss};
    return {1.0 - std::log(low) - ratio / low, 1.0 / (low * loss)};
  }
  [[nodiscard]] double value_of(double r) const noexcept {
    return std::abs(r) < delta_ ? 0.5 * r * r : delta_ * (std::abs(r) - 0.5 * delta_);
  }

  [[nodiscard]] model quadratic_model(const multi_power_vector& p, bool reweighted) const noexcept {
    model local;
    for (std::size_t i = 0; i < size(); ++i) {
      const multi_power_vector& slope = slopes_[i];
      const bool inside = std::abs(residuals_[i]) < delta_;
      const double weight = inside ? 1.0 : delta_ / std::abs(residuals_[i]);
      const double curving = reweighted || inside ? weight : 0.0;
      for (std::size_t j = 0; j < n_multi_power; ++j) {
        local.gradient[j] -= weight * residuals_[i] * slope[j];
        local.diagonal[j] += weight * slope[j] * slope[j];
        for (std::size_t l = 0; l <= j; ++l) local.curvature[j][l] += curving * slope[j] * slope[l];
      }
    }
    for (std::size_t j = 0; j < n_multi_power; ++j) {  // held by a bound: the gradient points out of the box
      const bool held = (p[j] <= lower[j] && local.gradient[j] >= 0.0) || (p[j] >= upper[j] && local.gradient[j] <= 0.0);
      if (held || !(local.diagonal[j] > 0.0)) local.diagonal[j] = 0.0;
    }
    return local;
  }

  // Moves `point` by the damped Newton step of the free parameters, cut at the box; returns the decrease it promises, or -1 where the
  // damped curvature is not positive definite.
  [[nodiscard]] static double step(const model& local, double damping, multi_power_vector& point) noexcept {
    std::array<multi_power_vector, n_multi_power> factor{};  // Cholesky, scaled to a unit diagonal
    multi_power_vector solution{}, unit{};
    for (std::size_t j = 0; j < n_multi_power; ++j) unit[j] = local.diagonal[j] > 0.0 ? 1.0 / std::sqrt(local.diagonal[j]) : 0.0;
    for (std::size_t j = 0; j < n_multi_power; ++j) {
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
    for (std::size_t j = n_multi_power; j-- > 0;) {
      for (std::size_t k = j + 1; k < n_multi_power; ++k) solution[j] -= factor[k][j] * solution[k];
      solution[j] /= factor[j][j];
      if (unit[j] == 0.0) continue;
      const double next = point[j] + solution[j] * unit[j];
      point[j] = next > upper[j] ? upper[j] : next > lower[j] ? next : lower[j];
    }
    return promised;
  }

  // Solves the normal equations of the kept unknowns; returns what they explain of the squares, or -1 if one of them is negative or the
  // columns depend on each other.
  [[nodiscard]] static double solve_subset(std::array<std::array<double, 3>, 3> a, std::array<double, 3> b, unsigned kept,
                                           std::array<double, 3>& solution) noexcept {
    const std::array<double, 3> sums = b;
    for (std::size_t j = 0; j < 3; ++j) {
      const double whole = a[j][j];
      if ((kept >> j & 1U) == 0) continue;
      for (std::size_t l = 0; l < j; ++l) {
        if ((kept >> l & 1U) == 0) continue;
        const double factor = a[j][l] / a[l][l];
        for (std::size_t k = l; k < 3; ++k) a[j][k] -= factor * a[l][k];
        b[j] -= factor * b[l];
      }
      if (!(a[j][j] > 1e-13 * whole)) return -1.0;
    }
    double explained = 0.0;
    for (std::size_t j = 3; j-- > 0;) {
      solution[j] = 0.0;
      if ((kept >> j & 1U) == 0) continue;
      double value = b[j];
      for (std::size_t l = j + 1; l < 3; ++l) value -= a[j][l] * solution[l];
      solution[j] = value / a[j][j];
      if (!(solution[j] >= 0.0)) return -1.0;
      explained += solution[j] * sums[j];
    }
    return explained;
  }

  const std::vector<rate_changes>& curves_;
  const std::vector<multi_power_point>& points_;
  double warmup_area_;
  double delta_;
  double width_;
  fit_units units_;
  std::vector<double> log_area_;
  std::vector<double> residuals_;
  std::vector<multi_power_vector> slopes_;
};

}  // namespace gavel::schedule::detail
