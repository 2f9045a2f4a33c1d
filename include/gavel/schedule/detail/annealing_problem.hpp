// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/views.hpp>
#include <gavel/schedule/annealing_law.hpp>
#include <gavel/schedule/detail/law_fit.hpp>
#include <gavel/solvers/levenberg_marquardt.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <vector>

/// @file
/// The numerics under `annealing_fit.hpp`: residuals of the annealing law with their derivatives, and the linear problem that is left when
/// alpha is fixed.

namespace gavel::schedule::detail {

inline constexpr std::size_t n_annealing = 4;
/// L_0, A, C, alpha: the order of the paper. A counts forward areas in units of their geometric mean, A_law = A mean^alpha: powers of tiny
/// areas stay in the range of doubles, and A and alpha hardly compensate each other.
using annealing_vector = std::array<double, n_annealing>;
inline constexpr std::size_t alpha_index = 3;
using annealing_descent = levenberg_marquardt_result<n_annealing>;

/// One data set and one objective: half the sum of squared relative residuals, 1 - L_pred / L_obs, or the sum of Huber losses of the log
/// residuals, log(L_obs / L_pred).
class annealing_problem {
 public:
  /// @param huber_delta infinity: relative least squares
  annealing_problem(vector_view<const double> forward, vector_view<const double> annealing, vector_view<const double> loss,
                    double huber_delta, double min_alpha, double max_alpha)
      : annealing_(annealing.begin(), annealing.end()),
        loss_(loss),
        delta_(huber_delta),
        lower_{0.0, 0.0, 0.0, min_alpha},
        upper_{infinity, infinity, infinity, max_alpha},
        log_forward_(forward.size()),
        power_(forward.size()) {
    const auto n = static_cast<double>(size());
    for (std::size_t i = 0; i < size(); ++i) {
      log_forward_[i] = std::log(forward[i]);
      mean_log_forward_ += log_forward_[i] / n;
      // What rounding makes of a constant rate is no annealing.
      anneals_ = anneals_ || std::abs(annealing[i]) > 1e-12 * forward[i];
    }
    for (double& area : annealing_) area = anneals_ ? area : 0.0;
    for (double& area : log_forward_) area -= mean_log_forward_;
  }

  /// The same areas with other losses.
  void set_losses(vector_view<const double> loss) noexcept { loss_ = loss; }
  [[nodiscard]] std::size_t size() const noexcept { return log_forward_.size(); }
  /// Whether any annealing area is more than rounding.
  [[nodiscard]] bool anneals() const noexcept { return anneals_; }
  [[nodiscard]] double huber_delta() const noexcept { return delta_; }

  /// An amplitude A, or an error of it, in the unit of the law; the largest double where that overflows.
  [[nodiscard]] double to_law(double amplitude, double alpha) const noexcept {
    if (amplitude == 0.0) return 0.0;
    const double converted = std::exp(std::log(amplitude) + alpha * mean_log_forward_);
    return converted <= (std::numeric_limits<double>::max)() ? converted : (std::numeric_limits<double>::max)();
  }
  [[nodiscard]] annealing_law law(const annealing_vector& p, double decay_factor) const noexcept {
    return {p[0], to_law(p[1], p[alpha_index]), p[2], p[alpha_index], decay_factor};
  }
  [[nodiscard]] annealing_vector point(const annealing_law& law) const noexcept {
    return {law.loss_floor, law.power_term(std::exp(mean_log_forward_)), law.annealing, law.alpha};
  }
  /// Whether a parameter is held by a bound.
  [[nodiscard]] bool at_bound(const annealing_vector& p, std::size_t j) const noexcept { return p[j] <= lower_[j] || p[j] >= upper_[j]; }

  /// Residuals and, unless the span is empty, their slopes.
  void operator()(const annealing_vector& p, std::span<double> residuals, std::span<annealing_vector> slopes) const noexcept {
    for (std::size_t i = 0; i < size(); ++i) {
      const double power = power_of(p[alpha_index], i), predicted = p[0] + p[1] * power - p[2] * annealing_[i];
      const log_residual r =
          delta_ == infinity ? log_residual{1.0 - predicted / loss_[i], 1.0 / loss_[i]} : log_residual_of(predicted, loss_[i]);
      residuals[i] = r.value;
      if (!slopes.empty()) {
        slopes[i] = {-r.scale, -r.scale * power, r.scale * annealing_[i], r.scale * p[1] * power * log_forward_[i]};
      }
    }
  }
  /// Slopes by the parameters of the law itself, but A in its unit: turns those of `operator()` at @p p.
  void naturalize(const annealing_vector& p, std::span<annealing_vector> slopes) const noexcept {
    for (annealing_vector& slope : slopes) slope[alpha_index] -= mean_log_forward_ * p[1] * slope[1];
  }

  /// Goes down from a point; the last three parameters as in `levenberg_marquardt_options`.
  [[nodiscard]] annealing_descent descend(const annealing_vector& start, bool reweighted, double tolerance,
                                          std::size_t max_iterations) const {
    return levenberg_marquardt<n_annealing>(start, size(), *this,
                                            {.lower = lower_,
                                             .upper = upper_,
                                             .huber_delta = delta_,
                                             .reweighted = reweighted,
                                             .tolerance = tolerance,
                                             .absolute_tolerance = 1e-28 * static_cast<double>(size()),
                                             .max_iterations = max_iterations});
  }

  /// L_0, A, C that minimise the relative squares at a given alpha, none negative.
  [[nodiscard]] annealing_descent project(double alpha) {
    for (std::size_t i = 0; i < size(); ++i) power_[i] = power_of(alpha, i);
    const linear_terms terms = fit_linear_terms(power_, annealing_, loss_, work_);
    annealing_descent best;
    best.point = {terms.values[0], terms.values[1], terms.values[2], alpha};
    best.objective = terms.objective;
    return best;
  }

 private:
  [[nodiscard]] double power_of(double alpha, std::size_t i) const noexcept {
    const double exponent = -alpha * log_forward_[i];
    return std::exp(exponent < 300.0 ? exponent : 300.0);
  }

  std::vector<double> annealing_;
  vector_view<const double> loss_;
  double delta_;
  annealing_vector lower_, upper_;
  std::vector<double> log_forward_;  // less its mean
  double mean_log_forward_ = 0.0;
  bool anneals_ = false;
  std::vector<double> power_, work_;
};

}  // namespace gavel::schedule::detail
