// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/config.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

/// @file
/// Fits the selection weights of one level of an optimal verifier: picked marginals at most p outside the minimizing set, at least p
/// inside.

namespace gavel::speculative::detail {

/// Log-weights lie in [-range, 0] outside the minimizing set and in [0, range] inside: beyond it nothing is gained.
inline constexpr double log_weight_range = 36.0;

[[nodiscard]] constexpr double clip_log_weight(bool outside, double log_weight) noexcept {
  const double low = outside ? -log_weight_range : 0.0;
  const double high = low + log_weight_range;
  return log_weight < low ? low : log_weight > high ? high : log_weight;
}

/// Acceptance lost by a level: outside what is picked beyond p and thinned away, inside what p could take and does not get.
[[nodiscard]] inline double lost_acceptance(bool outside, std::span<const double> picked, std::span<const double> target) noexcept {
  double sum = 0.0;
  for (std::size_t k = 0; k < picked.size(); ++k) {
    const double wrong = outside ? picked[k] - target[k] : target[k] - picked[k];
    if (wrong > 0.0) sum += wrong;
  }
  return sum;
}

/// Minimizes E[log of the summed weights] - sum_k target_k theta_k over theta = log weights in their box, by Newton steps on the
/// coordinates that are free to move. The gradient is picked - target, so a minimum inside the box meets every target, and at a bound the
/// rest of the slack is on the harmless side.
///
/// A model offers evaluate(theta), picked(), target(), potential() (the expectation) and newton_step(gradient, free, step), which solves
/// the Hessian system on the free coordinates and returns false where rounding makes it indefinite.
class projected_newton {
 public:
  /// Improves @p theta until the lost acceptance is <= @p tolerance; on return theta holds the best point seen.
  /// @return evaluations used
  template <class Model>
  std::size_t minimize(Model& model, bool outside, std::vector<double>& theta, double tolerance, std::size_t max_iterations) {
    const std::size_t size = theta.size();
    gradient_.resize(size);
    step_.resize(size);
    free_.resize(size);
    trial_.resize(size);
    model.evaluate(theta);
    best_ = theta;
    loss_ = lost_acceptance(outside, model.picked(), model.target());
    double value = objective(model, theta);
    std::size_t used = 1;
    for (std::size_t round = 0; round < max_iterations && loss_ > tolerance; ++round) {
      set_direction(model, outside, theta);
      double longest = 0.0;
      for (const double move : step_) longest = std::abs(move) > longest ? std::abs(move) : longest;
      double length = longest > longest_step ? longest_step / longest : 1.0;
      bool accepted = false;
      for (int halving = 0; halving < 12 && !accepted; ++halving, length *= 0.5) {
        double promised = 0.0;
        for (std::size_t k = 0; k < size; ++k) {
          trial_[k] = clip_log_weight(outside, theta[k] + length * step_[k]);
          promised += gradient_[k] * (trial_[k] - theta[k]);
        }
        model.evaluate(trial_);
        ++used;
        const double loss = lost_acceptance(outside, model.picked(), model.target());
        const double trial_value = objective(model, trial_);
        accepted = loss < loss_ || trial_value <= value + 1e-4 * promised;
        if (loss < loss_) {
          loss_ = loss;
          best_ = trial_;
        }
        if (accepted) value = trial_value;
      }
      if (!accepted) break;
      theta.swap(trial_);
    }
    theta = best_;
    return used;
  }

 private:
  static constexpr double longest_step = 3.0;

  // A coordinate at a bound stays there while the objective falls outwards.
  template <class Model>
  void set_direction(Model& model, bool outside, const std::vector<double>& theta) {
    const std::span<const double> picked = model.picked();
    const std::span<const double> target = model.target();
    for (std::size_t k = 0; k < theta.size(); ++k) {
      gradient_[k] = picked[k] - target[k];
      const double low = outside ? -log_weight_range : 0.0;
      free_[k] = gradient_[k] < 0.0 ? theta[k] < low + log_weight_range : theta[k] > low;
    }
    // The potential grows by a constant along the direction that scales all weights: where nothing is held yet, hold the outermost weight.
    bool all_free = true;
    std::size_t outermost = 0;
    for (std::size_t k = 0; k < theta.size(); ++k) {
      all_free = all_free && free_[k];
      if (outside ? theta[k] > theta[outermost] : theta[k] < theta[outermost]) outermost = k;
    }
    if (all_free) free_[outermost] = 0;
    if (!model.newton_step(gradient_, free_, step_)) {
      for (std::size_t k = 0; k < theta.size(); ++k) step_[k] = free_[k] ? -gradient_[k] / (picked[k] + 1e-13) : 0.0;
    }
  }

  template <class Model>
  [[nodiscard]] static double objective(const Model& model, const std::vector<double>& theta) {
    const std::span<const double> target = model.target();
    double value = model.potential();
    for (std::size_t k = 0; k < theta.size(); ++k) value -= target[k] * theta[k];
    return value;
  }

  double loss_ = 0.0;
  std::vector<double> gradient_, step_, best_, trial_;
  std::vector<char> free_;
};

}  // namespace gavel::speculative::detail
