// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/numerics.hpp>
#include <gavel/schedule/detail/law_fit.hpp>
#include <gavel/schedule/detail/rate_changes.hpp>
#include <gavel/schedule/multi_power_law.hpp>
#include <gavel/solvers/levenberg_marquardt.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

/// @file
/// The numerics under `multi_power_fit.hpp`: log residuals of the multi-power law with their derivatives, and starting points by the linear
/// problem that is left when the exponents are fixed.

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

using multi_power_descent = levenberg_marquardt_result<n_multi_power>;

class multi_power_problem {
 public:
  /// @param curves,points borrowed
  multi_power_problem(const std::vector<rate_changes>& curves, const std::vector<multi_power_point>& points, double warmup_area,
                      double huber_delta, double relative_error)
      : curves_(curves), points_(points), warmup_area_(warmup_area), delta_(huber_delta), width_(block_width(relative_error)) {
    double peak = 0.0;
    for (const multi_power_point& point : points) {
      const rate_changes& curve = curves[point.curve];
      loss_.push_back(point.loss);
      log_area_.push_back(std::log(curve.area(point.step) + warmup_area));
      units_.log_area += log_area_.back() / static_cast<double>(points.size());
      // The mean rate of a run stands for its rates: only the order of magnitude matters.
      const double mean_rate = curve.area(point.step) / static_cast<double>(point.step + 1);
      if (mean_rate > peak) peak = mean_rate;
    }
    units_.log_rate = peak > 0.0 ? std::log(peak) : 0.0;
    // What rounding makes of a constant rate is no annealing.
    const annealing_shape middle{5.0 + 0.6 * units_.log_rate - units_.log_area, 0.6, 0.6};
    for (const multi_power_point& point : points) {
      anneals_ = anneals_ || std::abs(curves[point.curve].sum(middle, point.step, width_)) > 1e-10 * peak;
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return points_.size(); }
  [[nodiscard]] double huber_delta() const noexcept { return delta_; }
  [[nodiscard]] const std::vector<double>& losses() const noexcept { return loss_; }
  /// The same problem with sums so exact that slopes which depend on each other are seen to.
  [[nodiscard]] multi_power_problem finer() const {
    multi_power_problem same = *this;
    same.width_ = block_width(1e-12);
    return same;
  }

  [[nodiscard]] multi_power_law law(const multi_power_vector& p) const noexcept {
    multi_power_law result;
    result.loss_floor = p[index_floor];
    result.alpha = std::exp(p[index_alpha]);
    result.beta = std::exp(p[index_beta]);
    result.gamma = std::exp(p[index_gamma]);
    result.amplitude = finite_exp(p[index_amplitude] + result.alpha * units_.log_area);
    result.annealing = finite_exp(p[index_annealing] - units_.log_rate);
    result.scale = finite_exp(p[index_scale] + result.gamma * units_.log_rate - units_.log_area);
    result.warmup_area = warmup_area_;
    return result;
  }

  /// Residuals log(L_obs / L_pred) and, unless the span is empty, their slopes.
  void operator()(const multi_power_vector& p, std::span<double> residuals, std::span<multi_power_vector> slopes) const noexcept {
    const multi_power_law now = law(p);
    const annealing_shape shape = shape_of(now);
    for (std::size_t i = 0; i < size(); ++i) {
      const rate_changes& curve = curves_[points_[i].curve];
      const double amplitude = std::exp(p[index_amplitude] + now.alpha * (units_.log_area - log_area_[i]));
      annealing_sum annealing;
      if (now.annealing > 0.0) {
        if (slopes.empty()) annealing.value = curve.sum(shape, points_[i].step, width_);
        else annealing = curve.sum_and_slopes(shape, points_[i].step, width_);
      }
      const log_residual r = log_residual_of(p[index_floor] + amplitude - now.annealing * annealing.value, loss_[i]);
      residuals[i] = r.value;
      if (slopes.empty()) continue;
      // gamma turns the curves about the unit of the rate here, about the rate 1 in the law.
      const double by_gamma = annealing.by_gamma + units_.log_rate * annealing.by_log_scale;
      slopes[i] = {-r.scale,
                   -r.scale * amplitude,
                   r.scale * now.annealing * annealing.value,
                   r.scale * amplitude * now.alpha * (log_area_[i] - units_.log_area),
                   r.scale * now.annealing * annealing.by_log_scale,
                   r.scale * now.annealing * annealing.by_beta * now.beta,
                   r.scale * now.annealing * by_gamma * now.gamma};
    }
  }
  /// Slopes by L_0 and the logarithms of the parameters of the law itself: turns those of `operator()` at @p p.
  void naturalize(const multi_power_vector& p, std::span<multi_power_vector> slopes) const noexcept {
    for (multi_power_vector& slope : slopes) {
      slope[index_alpha] -= units_.log_area * std::exp(p[index_alpha]) * slope[index_amplitude];
      slope[index_gamma] -= units_.log_rate * std::exp(p[index_gamma]) * slope[index_scale];
    }
  }
  /// The losses of the law at the points.
  [[nodiscard]] std::vector<double> predictions(const multi_power_vector& p) const {
    const multi_power_law now = law(p);
    const annealing_shape shape = shape_of(now);
    std::vector<double> losses;
    for (const multi_power_point& point : points_) {
      const rate_changes& curve = curves_[point.curve];
      losses.push_back(loss_from_sums(now, curve.area(point.step), curve.sum(shape, point.step, width_)));
    }
    return losses;
  }
  /// Whether a parameter sits within 1 % of an end of its range: where the slope is small, a descent stops before it.
  [[nodiscard]] static bool at_bound(const multi_power_vector& p, std::size_t j) noexcept {
    return p[j] < -200.0 || p[j] <= lower[j] + (j == index_floor ? 0.0 : 0.01) || p[j] >= upper[j] - 0.01;
  }

  /// Goes down from a point; the last three parameters as in `levenberg_marquardt_options`.
  [[nodiscard]] multi_power_descent descend(const multi_power_vector& start, bool reweighted, double tolerance,
                                            std::size_t max_iterations) const {
    return levenberg_marquardt<n_multi_power>(start, size(), *this,
                                              {.lower = lower,
                                               .upper = upper,
                                               .huber_delta = delta_,
                                               .reweighted = reweighted,
                                               .tolerance = tolerance,
                                               .absolute_tolerance = 1e-26 * static_cast<double>(size()),
                                               .max_iterations = max_iterations});
  }

  /// L_0, A, B that minimise the relative squares for given exponents, none negative, for the best alpha of a short list.
  /// @param scale log C in the units of the fit
  [[nodiscard]] multi_power_descent project(double scale, double beta, double gamma) {
    const annealing_shape shape{scale + gamma * units_.log_rate - units_.log_area, beta, gamma};
    std::vector<double> power(size()), annealing(size());
    constexpr double coarse = 0.5;
    for (std::size_t i = 0; i < size() && anneals_; ++i) {
      annealing[i] = curves_[points_[i].curve].sum(shape, points_[i].step, coarse) * std::exp(-units_.log_rate);
    }
    multi_power_descent best;
    best.objective = infinity;
    for (const double alpha : {0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.5}) {
      for (std::size_t i = 0; i < size(); ++i) power[i] = std::exp(alpha * (units_.log_area - log_area_[i]));
      const linear_terms terms = fit_linear_terms(power, annealing, loss_, work_);
      if (!(terms.objective < best.objective)) continue;
      best.objective = terms.objective;
      best.point = {terms.values[0], std::log(terms.values[1]), std::log(terms.values[2]), std::log(alpha), scale, std::log(beta),
                    std::log(gamma)};
    }
    return best;
  }

 private:
  // Rates or areas near the ends of the range of doubles ask for factors beyond them; a law is finite.
  [[nodiscard]] static double finite_exp(double exponent) noexcept {
    constexpr double largest = (std::numeric_limits<double>::max)();
    const double value = std::exp(exponent);
    return value <= largest ? value : largest;
  }

  // alpha in [0.001, 8], beta in [0.01, 10], gamma in [0.01, 2]: powers beyond have no shape left that losses could show. log A and log B
  // may be -infinity: a term that is absent, and stays so, for it has no slope.
  static constexpr multi_power_vector lower{
      0.0, -infinity, -infinity, -6.90775527898213705, -30.0, -4.60517018598809137, -4.60517018598809137};
  static constexpr multi_power_vector upper{1e300, 200.0, 200.0, 2.07944154167983593, 30.0, 2.30258509299404568, 0.69314718055994531};

  const std::vector<rate_changes>& curves_;
  const std::vector<multi_power_point>& points_;
  double warmup_area_;
  double delta_;
  double width_;
  fit_units units_;
  bool anneals_ = false;
  std::vector<double> loss_, log_area_, work_;
};

}  // namespace gavel::schedule::detail
