// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/speculative/detail/iid_selection.hpp>
#include <gavel/speculative/detail/projected_newton.hpp>
#include <gavel/speculative/detail/ratio_groups.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

/// @file
/// Selection weights for i.i.d. drafts, by groups of tokens with similar p/q.

namespace gavel::speculative::detail {

/// One level: groups with a mass under q, a wanted phi (picked / q) and a log-weight each. Outside the minimizing set phi should not exceed
/// what is wanted, inside it should not fall short. The model of `projected_newton`.
class iid_level {
 public:
  void clear(bool outside, double idle, std::size_t n, double step) {
    outside_ = outside;
    idle_ = idle;
    total_ = idle;
    n_ = n;
    step_ = step;
    masses_.clear();
    wanted_.clear();
    theta_.clear();
  }
  void add(double mass, double wanted) {
    const double unreachable = 2.0 * static_cast<double>(n_);  // phi stays below n
    masses_.push_back(mass);
    wanted_.push_back(wanted < unreachable ? wanted : unreachable);
    theta_.push_back(0.0);
    total_ += mass;
  }
  [[nodiscard]] std::size_t size() const noexcept { return masses_.size(); }
  [[nodiscard]] std::span<const double> masses() const noexcept { return masses_; }
  [[nodiscard]] std::span<const double> log_weights() const noexcept { return theta_; }
  [[nodiscard]] bool outside() const noexcept { return outside_; }
  [[nodiscard]] double idle() const noexcept { return idle_; }

  /// Fits the log-weights until at most @p tolerance of acceptance is lost.
  /// @return evaluations used
  std::size_t fit(projected_newton& newton, double tolerance, std::size_t max_iterations) {
    if (size() == 0 || n_ == 1) return 0;  // a single draft is always picked
    target_.resize(size());
    for (std::size_t k = 0; k < size(); ++k) target_[k] = masses_[k] * wanted_[k];
    std::size_t used = fixed_point(tolerance, max_iterations);
    if (loss_ > tolerance && used < max_iterations) used += newton.minimize(*this, outside_, theta_, tolerance, max_iterations - used);
    return used;
  }

  void evaluate(std::span<const double> theta) {
    weights_.resize(theta.size());
    for (std::size_t k = 0; k < theta.size(); ++k) weights_[k] = std::exp(theta[k]);
    selection_.evaluate(masses_, weights_, idle_, n_, step_, true);
    picked_.resize(theta.size());
    for (std::size_t k = 0; k < theta.size(); ++k) picked_[k] = masses_[k] * selection_.phi()[k];
  }
  [[nodiscard]] std::span<const double> picked() const noexcept { return picked_; }
  [[nodiscard]] std::span<const double> target() const noexcept { return target_; }
  [[nodiscard]] double potential() const noexcept { return selection_.potential(); }
  bool newton_step(std::span<const double> gradient, const std::vector<char>& free, std::span<double> step) {
    return selection_.newton_step(masses_, weights_, gradient, free, step);
  }

  /// phi and d phi / d theta at the current log-weights.
  void refresh() { evaluate(theta_); }
  [[nodiscard]] std::span<const double> phi() const noexcept { return selection_.phi(); }
  [[nodiscard]] std::span<const double> slope() const noexcept { return selection_.slope(); }

 private:
  static constexpr std::size_t max_rounds = 17;

  // Each weight moves to where its own phi meets what is wanted while the others stand still: one Newton step in the logit of phi between
  // its limits, which is nearly straight in log w. A few rounds suffice where there is slack; where progress is slow the problem is tight
  // and Newton takes over.
  std::size_t fixed_point(double tolerance, std::size_t max_iterations) {
    const double low = static_cast<double>(n_) * integer_power(idle_, n_ - 1);    // phi of weight 0
    const double high = static_cast<double>(n_) * integer_power(total_, n_ - 1);  // phi of weight infinity
    double history[3] = {HUGE_VAL, HUGE_VAL, HUGE_VAL};
    loss_ = HUGE_VAL;
    for (std::size_t round = 0;; ++round) {
      evaluate(theta_);
      const double loss = lost_acceptance(outside_, picked_, target_);
      if (loss < loss_) {
        loss_ = loss;
        best_ = theta_;
      }
      const bool slow = loss > 0.2 * history[round % 3];
      history[round % 3] = loss;
      if (loss <= tolerance || slow || round + 1 >= max_iterations || round + 1 >= max_rounds) {
        theta_.swap(best_);
        return round + 1;
      }
      for (std::size_t k = 0; k < size(); ++k) theta_[k] = clip_log_weight(outside_, theta_[k] + move(k, low, high));
    }
  }

  [[nodiscard]] double move(std::size_t k, double low, double high) const {
    constexpr double longest = 4.0;
    const double phi = selection_.phi()[k];
    const double above = phi - low;
    const double below = high - phi;
    if (!(wanted_[k] < high) || !(above > 0.0)) return longest;
    if (!(wanted_[k] > low) || !(below > 0.0)) return -longest;
    const double logit_gap = std::log((wanted_[k] - low) / above * (below / (high - wanted_[k])));
    const double move = logit_gap / (selection_.slope()[k] * (1.0 / above + 1.0 / below));
    if (!(move < longest)) return longest;
    return move > -longest ? move : -longest;
  }

  bool outside_ = true;
  double idle_ = 0.0, total_ = 0.0, step_ = 0.2, loss_ = 0.0;
  std::size_t n_ = 1;
  std::vector<double> masses_, wanted_, theta_, target_, weights_, picked_, best_;
  iid_selection selection_;
};

/// The whole fit. Afterwards every group has a weight and the exact phi of that weight, whatever the fit reached.
class iid_fit {
 public:
  struct limits {
    double tolerance;
    std::size_t max_groups;
    std::size_t max_iterations;
  };

  /// Fits weights for the tokens of @p order, which it does not keep.
  void run(const ratio_order& order, std::size_t n, const limits& limit) {
    order_ = &order;
    optimum_ = order.optimum();
    n_ = n;
    limit_ = limit;
    iterations_ = 0;
    // Groups that waste only slack lose nothing. If there is too little slack for that, groups aim at their mean and are as small as the
    // limit allows.
    const bool few = order.tokens().size() <= 256;
    if (!few) {
      groups_.build(order, 2e-3, 0.0);
      if (groups_.size() <= 2 * limit.max_groups) fit_groups(false);
    }
    if (few || groups_.size() > 2 * limit.max_groups || gap() > limit.tolerance) {
      const double negligible = (limit.tolerance > 1e-15 ? limit.tolerance : 1e-15) / (4.0 * static_cast<double>(limit.max_groups));
      groups_.build(order, 0.0, negligible);
      for (double allowance = negligible; groups_.size() > limit.max_groups; groups_.build(order, 0.0, allowance)) {
        const double excess = static_cast<double>(groups_.size()) / static_cast<double>(limit.max_groups);
        allowance *= 1.1 * excess * excess;  // the number of groups falls with the root of the allowance
      }
      fit_groups(true);
      if (gap() > limit.tolerance && groups_.size() < order.tokens().size()) separate();
    }
  }

  [[nodiscard]] double rate() const noexcept { return rate_; }
  [[nodiscard]] double gap() const noexcept { return optimum_ > rate_ ? optimum_ - rate_ : 0.0; }
  [[nodiscard]] std::size_t iterations() const noexcept { return iterations_; }
  [[nodiscard]] const ratio_groups& groups() const noexcept { return groups_; }
  /// Of each group.
  [[nodiscard]] std::span<const double> weights() const noexcept { return weights_; }
  [[nodiscard]] std::span<const double> phi() const noexcept { return phi_; }

 private:
  void fit_groups(bool aim_at_mean) {
    const std::span<const ratio_order::token> tokens = order_->tokens();
    const double step = exact_step(n_) * (limit_.tolerance < 1e-9 ? 1.2 : 1.45);
    levels_[0].clear(false, 0.0, n_, step);
    levels_[1].clear(true, order_->inside_mass(), n_, step);
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const bool outside = g >= groups_.inside();
      const std::size_t begin = groups_.first(g);
      const std::size_t end = groups_.first(g + 1);
      double p = 0.0;
      double q = 0.0;
      for (std::size_t i = begin; i < end; ++i) {
        p += tokens[i].p;
        q += tokens[i].q;
      }
      const double safe = outside ? tokens[begin].ratio : tokens[end - 1].ratio;
      levels_[outside ? 1 : 0].add(q, aim_at_mean && end - begin > 1 ? p / q : safe);
    }
    for (iid_level& level : levels_) iterations_ += level.fit(newton_, 0.25 * limit_.tolerance, limit_.max_iterations);
    thetas_.clear();
    for (const iid_level& level : levels_) thetas_.insert(thetas_.end(), level.log_weights().begin(), level.log_weights().end());
    evaluate();
  }

  // Every token gets its own weight, read off the curve through the groups; one exact evaluation, no further fit.
  void separate() {
    finer_.clear();
    std::size_t group = 0;
    for (iid_level& level : levels_) {
      if (level.size() == 0) continue;
      level.refresh();
      for (std::size_t k = 0; k < level.size(); ++k, ++group) {
        const std::size_t end = groups_.first(group + 1);
        for (std::size_t i = groups_.first(group); i < end; ++i) finer_.push_back(log_weight_of(level, k, order_->tokens()[i].ratio));
      }
    }
    const double rate = rate_;
    kept_groups_ = groups_;
    groups_.separate(*order_);
    thetas_.swap(finer_);
    evaluate();
    if (rate_ < rate) {
      groups_ = kept_groups_;
      thetas_.swap(finer_);
      evaluate();
    }
  }

  // Cubic between group k and the neighbour on the side of the ratio. Groups at the bound stay there.
  [[nodiscard]] static double log_weight_of(const iid_level& level, std::size_t k, double ratio) {
    const std::span<const double> theta = level.log_weights();
    const double width_wanted = ratio - level.phi()[k];
    if (theta[k] == 0.0 || width_wanted == 0.0) return theta[k];
    std::size_t other = k;
    if (width_wanted > 0.0 && k + 1 < level.size()) other = k + 1;
    if (width_wanted < 0.0 && k > 0) other = k - 1;
    const double width = level.phi()[other] - level.phi()[k];
    double moved = width_wanted / level.slope()[k];
    if (theta[other] != 0.0 && width != 0.0) {
      const double a = width_wanted / width;
      const double b = 1.0 - a;
      moved = (theta[other] - theta[k]) * a * a * (3.0 - 2.0 * a) + width * a * b * (b / level.slope()[k] - a / level.slope()[other]);
    }
    const double result = theta[k] + moved;
    return std::isfinite(result) ? clip_log_weight(level.outside(), result) : theta[k];
  }

  // The exact marginals of the weights found.
  void evaluate() {
    const std::span<const ratio_order::token> tokens = order_->tokens();
    const std::size_t size = groups_.size();
    weights_.resize(size);
    phi_.resize(size);
    masses_.assign(size, 0.0);
    for (std::size_t g = 0; g < size; ++g) {
      weights_[g] = std::exp(thetas_[g]);
      for (std::size_t i = groups_.first(g); i < groups_.first(g + 1); ++i) masses_[g] += tokens[i].q;
    }
    auto part = [&](std::size_t first, std::size_t last, double idle) {
      selection_.evaluate(std::span<const double>(masses_).subspan(first, last - first),
                          std::span<const double>(weights_).subspan(first, last - first), idle, n_, exact_step(n_), false);
      for (std::size_t g = first; g < last; ++g) phi_[g] = selection_.phi()[g - first];
    };
    part(0, groups_.inside(), 0.0);
    part(groups_.inside(), size, order_->inside_mass());
    rate_ = 0.0;
    for (std::size_t g = 0; g < size; ++g) {
      for (std::size_t i = groups_.first(g); i < groups_.first(g + 1); ++i) {
        const double picked = tokens[i].q * phi_[g];
        rate_ += picked < tokens[i].p ? picked : tokens[i].p;
      }
    }
  }

  const ratio_order* order_ = nullptr;  // only while running
  std::size_t n_ = 1, iterations_ = 0;
  limits limit_{};
  double rate_ = 0.0, optimum_ = 0.0;
  ratio_groups groups_, kept_groups_;
  iid_level levels_[2];
  std::vector<double> thetas_, finer_, weights_, phi_, masses_;
  projected_newton newton_;
  iid_selection selection_;
};

}  // namespace gavel::speculative::detail
