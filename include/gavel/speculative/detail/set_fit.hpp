// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/solvers/cholesky.hpp>
#include <gavel/speculative/detail/projected_newton.hpp>
#include <gavel/speculative/detail/set_selection.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

/// @file
/// Selection weights for drafts without replacement, one per token of a small support.

namespace gavel::speculative::detail {

/// The prefix of the order by p/q that limits the acceptance rate: 1 + P(H) - Pr(all drafts are in H) is least there.
class set_optimum {
 public:
  /// @param mass,target q and p of the support, ascending by p/q
  /// @param tied [i] whether token i has the ratio of token i - 1
  void search(std::span<const double> mass, std::span<const double> target, const std::vector<char>& tied, std::size_t n,
              double last_time) {
    const log_axis_rule rule = log_axis_rule::up_to(last_time, clock_step(n));
    rate_ = 1.0;
    inside_ = 0;
    nodes_.resize(rule.size());
    for (std::size_t m = 0; m < rule.size(); ++m) nodes_[m] = rule[m];
    e_.assign(n * nodes_.size(), 0.0);
    f_.assign(n * nodes_.size(), 0.0);
    for (std::size_t m = 0; m < nodes_.size(); ++m) e_[m * n] = 1.0;
    rest_.assign(mass.size() + 1, 0.0);
    for (std::size_t x = mass.size(); x-- > 0;) rest_[x] = rest_[x + 1] + mass[x];
    double inside_target = 0.0;
    for (std::size_t x = 0; x < mass.size(); ++x) {
      inside_target += target[x];
      double all_inside = 0.0;
      for (std::size_t m = 0; m < nodes_.size(); ++m) {
        include_clock(mass[x], nodes_[m].t, n, 1, e_.data() + m * n, f_.data() + m * n);
        all_inside += nodes_[m].weight * f_[m * n + n - 1] * std::exp(-rest_[x + 1] * nodes_[m].t);
      }
      const bool splits_tie = x + 1 < mass.size() && tied[x + 1];  // the minimum never does
      if (!splits_tie && 1.0 + inside_target - all_inside < rate_) {
        rate_ = 1.0 + inside_target - all_inside;
        inside_ = x + 1;
      }
    }
    if (rate_ < 0.0) rate_ = 0.0;
  }
  [[nodiscard]] double rate() const noexcept { return rate_; }
  /// Size of the prefix.
  [[nodiscard]] std::size_t inside() const noexcept { return inside_; }

 private:
  double rate_ = 1.0;
  std::size_t inside_ = 0;
  std::vector<quadrature_node> nodes_;
  std::vector<double> e_, f_, rest_;
};

/// One level: the tokens outside the minimizing set, picked whenever one of them is drafted (the others idle), or the tokens inside,
/// picked when all drafts are inside (the others blocked). The model of `projected_newton`.
class set_level {
 public:
  /// @param active,target q and p of the level's tokens
  /// @param others q of the other tokens of the support
  void begin(bool outside, std::span<const double> active, std::span<const double> target, std::span<const double> others, std::size_t n,
             double last_time, bool fine) {
    outside_ = outside;
    n_ = n;
    target_.assign(target.begin(), target.end());
    theta_.assign(target.size(), 0.0);
    if (target.empty()) return;
    double blocked = 0.0;
    for (const double q : others) blocked += outside ? 0.0 : q;
    const std::span<const double> idle = outside ? others : std::span<const double>{};
    s_step_ = fine ? 0.25 : 0.33;
    fitting_.build(active, idle, blocked, n, last_time, clock_step(n) * (fine ? 1.0 : 1.3));
    exact_.build(active, idle, blocked, n, last_time, clock_step(n));
    rough_.build(active, idle, blocked, n, last_time, 0.55);  // for the Hessian: 1e-4 relative is plenty
  }

  /// @return evaluations used
  std::size_t fit(projected_newton& newton, double tolerance, std::size_t max_iterations) {
    if (target_.empty() || n_ == 1) return 0;  // a single draft is always picked
    return newton.minimize(*this, outside_, theta_, tolerance, max_iterations);
  }

  void evaluate(std::span<const double> theta) {
    set_weights(theta);
    selection_.evaluate(fitting_, weights_, s_step_);
  }
  [[nodiscard]] std::span<const double> picked() const noexcept { return selection_.picked(); }
  [[nodiscard]] std::span<const double> target() const noexcept { return target_; }
  [[nodiscard]] double potential() const noexcept { return selection_.potential(); }

  bool newton_step(std::span<const double> gradient, const std::vector<char>& free, std::span<double> step) {
    const std::size_t size = target_.size();
    hessian_selection_.fill_hessian(rough_, weights_, 0.75, hessian_);
    places_.clear();
    for (std::size_t x = 0; x < size; ++x) {
      step[x] = 0.0;
      if (free[x]) places_.push_back(x);
    }
    const std::size_t count = places_.size();
    matrix_.resize(count * count);
    rhs_.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t j = 0; j <= i; ++j) matrix_[i * count + j] = hessian_[places_[i] * size + places_[j]];
      matrix_[i * count + i] += 1e-13 + 1e-12 * matrix_[i * count + i];
      rhs_[i] = -gradient[places_[i]];
    }
    if (!cholesky_solve(matrix_, count, rhs_)) return false;
    for (std::size_t i = 0; i < count; ++i) step[places_[i]] = rhs_[i];
    return true;
  }

  /// Exact marginals of the weights found.
  void finish() {
    if (target_.empty()) return;
    set_weights(theta_);
    selection_.evaluate(exact_, weights_, 0.25);
  }
  [[nodiscard]] std::span<const double> weights() const noexcept { return weights_; }

 private:
  void set_weights(std::span<const double> theta) {
    weights_.resize(theta.size());
    for (std::size_t x = 0; x < theta.size(); ++x) weights_[x] = std::exp(theta[x]);
  }

  bool outside_ = true;
  std::size_t n_ = 1;
  double s_step_ = 0.25;
  std::vector<double> target_, theta_, weights_, hessian_, matrix_, rhs_;
  std::vector<std::size_t> places_;
  set_clock fitting_, exact_, rough_;
  set_selection selection_, hessian_selection_;
};

}  // namespace gavel::speculative::detail
