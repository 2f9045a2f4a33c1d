// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/ordering.hpp>
#include <gavel/core/quadrature.hpp>
#include <gavel/speculative/detail/set_tables.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

/// @file
/// Which of n drafts without replacement a weighted choice picks. Give every token a clock that rings at T_x ~ Exp(q_x): the first n to
/// ring are the drafts. With t the time of the n-th ring and 1/W = int exp(-s W) ds for the sum W of the drafts' weights, the marginals
/// become double integrals of coefficients of products over the tokens. All terms are positive: nothing cancels.

namespace gavel::speculative::detail {

[[nodiscard]] inline double sum_lanes(const double* lanes) noexcept {
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

/// Mass outside the @p count largest entries, summed from the smallest up.
/// @param ascending receives the entries in that order
[[nodiscard]] inline double mass_outside_top(std::span<const double> masses, std::size_t count, std::vector<double>& ascending) {
  ascending.assign(masses.begin(), masses.end());
  sort_values(ascending.data(), ascending.size(), [](double a, double b) { return a < b; });
  double rest = 0.0;
  for (std::size_t i = 0; i + count < ascending.size(); ++i) rest += ascending[i];
  return rest;
}

inline namespace GAVEL_BASE_ISA {

/// Tokens of a clock at the nodes of a rule in t.
class set_clock {
 public:
  static constexpr std::size_t stride = set_tables::stride;

  /// @param active q of the tokens with a weight
  /// @param idle q of tokens that may be drafted but have weight 0
  /// @param blocked q of all tokens that must not be drafted: tuples with one of them do not count
  /// @param last_time beyond it n tokens have rung, but for a probability of about 1e-20
  void build(std::span<const double> active, std::span<const double> idle, double blocked, std::size_t n, double last_time, double step) {
    const log_axis_rule rule = log_axis_rule::up_to(last_time, step);
    n_ = n;
    tokens_ = active.size();
    nodes_ = (rule.size() + stride - 1) / stride * stride;
    t_.assign(nodes_, 0.0);
    weight_.assign(nodes_, 0.0);
    rule.fill(t_, weight_);
    in_.resize(tokens_ * nodes_);
    out_.resize(tokens_ * nodes_);
    at_.resize(tokens_ * nodes_);
    for (std::size_t x = 0; x < tokens_; ++x) {
      for (std::size_t m = 0; m < nodes_; ++m) {
        const double in = -std::expm1(-active[x] * t_[m]);
        in_[x * nodes_ + m] = in;
        out_[x * nodes_ + m] = std::exp(-active[x] * t_[m]);
        at_[x * nodes_ + m] = active[x] * out_[x * nodes_ + m];
      }
    }
    base_e_.assign(n * nodes_, 0.0);
    base_f_.assign(n * nodes_, 0.0);
    for (std::size_t m = 0; m < nodes_; ++m) base_e_[m] = std::exp(-blocked * t_[m]);
    for (const double q : idle) {
      for (std::size_t m = 0; m < nodes_; ++m) include_clock(q, t_[m], n, nodes_, base_e_.data() + m, base_f_.data() + m);
    }
    // Pr(all drafts are idle): the n-th ring is idle and no active token has rung.
    double rest = 0.0;
    for (const double q : active) rest += q;
    all_idle_ = 0.0;
    for (std::size_t m = 0; m < nodes_; ++m) all_idle_ += weight_[m] * base_f_[(n - 1) * nodes_ + m] * std::exp(-rest * t_[m]);
  }

  [[nodiscard]] set_tables tables() const noexcept {
    set_tables view;
    view.in = in_.data();
    view.out = out_.data();
    view.at = at_.data();
    view.base_e = base_e_.data();
    view.base_f = base_f_.data();
    view.weight = weight_.data();
    view.tokens = tokens_;
    view.nodes = nodes_;
    view.n = n_;
    return view;
  }
  [[nodiscard]] double all_idle() const noexcept { return all_idle_; }

 private:
  std::size_t n_ = 0, tokens_ = 0, nodes_ = 0;
  double all_idle_ = 0.0;
  std::vector<double> t_, weight_, in_, out_, at_, base_e_, base_f_;
};

/// Marginals of the pick, their potential and its Hessian for given weights. Tokens and n as the clock was built with.
class set_selection {
 public:
  /// picked()[x] = Pr(x is picked; not all drafts idle) for weights > 0. @p step spacing in s; 0.25 is exact to about 1e-15.
  void evaluate(const set_clock& clock, std::span<const double> weights, double step) {
    set_tables tables = clock.tables();
    prepare(tables, weights, step);
    picked_.assign(tables.tokens, 0.0);
    lanes_.assign(tables.tokens * set_tables::stride, 0.0);
    totals_.resize(rule_.size());  // E[exp(-s W); not all idle] at each s
    for (std::size_t m = 0; m < rule_.size(); ++m) {
      const quadrature_node s = rule_[m];
      for (std::size_t x = 0; x < tables.tokens; ++x) z_[x] = std::exp(-s.t * weights[x]);
      double total[set_tables::stride] = {};
      double* const picked = lanes_.data();
      double* const total_lanes = total;
      kernels::dispatch<set_marginals_kernel>(tables, s.weight, picked, total_lanes);
      totals_[m] = sum_lanes(total) - clock.all_idle();
    }
    double mass = 0.0;
    for (std::size_t x = 0; x < tables.tokens; ++x) {
      picked_[x] = weights[x] * sum_lanes(lanes_.data() + x * set_tables::stride);
      mass += picked_[x];
    }
    // log W = int (exp(-s) - exp(-s W)) / s ds
    double potential = 0.0;
    for (std::size_t m = 0; m < rule_.size(); ++m) {
      const quadrature_node s = rule_[m];
      potential += s.weight / s.t * (std::exp(-s.t * largest_) * mass - totals_[m]);
    }
    potential_ = potential + mass * std::log(largest_);
  }

  [[nodiscard]] std::span<const double> picked() const noexcept { return picked_; }
  /// E[log of the summed weights; not all drafts idle].
  [[nodiscard]] double potential() const noexcept { return potential_; }

  /// hessian[x][y] of the potential in log-weights, a graph Laplacian: what flows from x to y, and rows that sum to zero.
  void fill_hessian(const set_clock& clock, std::span<const double> weights, double step, std::vector<double>& hessian) {
    set_tables tables = clock.tables();
    prepare(tables, weights, step);
    const std::size_t size = tables.tokens;
    hessian.assign(size * size, 0.0);
    if (tables.n < 2) return;
    lanes_.assign(size * size * set_tables::stride, 0.0);
    for (std::size_t m = 0; m < rule_.size(); ++m) {
      const quadrature_node s = rule_[m];
      for (std::size_t x = 0; x < size; ++x) z_[x] = std::exp(-s.t * weights[x]);
      double* const pairs = lanes_.data();
      const double factor = s.weight * s.t;
      kernels::dispatch<set_pairs_kernel>(tables, factor, pairs);
    }
    for (std::size_t x = 0; x < size; ++x) {
      for (std::size_t y = x + 1; y < size; ++y) {
        const double flow = weights[x] * weights[y] * sum_lanes(lanes_.data() + (x * size + y) * set_tables::stride);
        hessian[x * size + y] = hessian[y * size + x] = -flow;
        hessian[x * size + x] += flow;
        hessian[y * size + y] += flow;
      }
    }
  }

 private:
  // The sum of the weights of a tuple lies between the smallest weight and n times the largest.
  void prepare(set_tables& tables, std::span<const double> weights, double step) {
    double smallest = weights[0];
    largest_ = weights[0];
    for (const double w : weights) {
      smallest = w < smallest ? w : smallest;
      largest_ = w > largest_ ? w : largest_;
    }
    const double scale = static_cast<double>(tables.n) * largest_;
    rule_ = log_axis_rule(std::log(scale / smallest) + 3.75, step, 1.0 / scale);
    z_.resize(tables.tokens);
    suffix_.resize((tables.tokens + 1) * 2 * tables.n * set_tables::stride);
    tables.z = z_.data();
    tables.suffix = suffix_.data();
  }

  log_axis_rule rule_;
  double largest_ = 1.0, potential_ = 0.0;
  std::vector<double> z_, suffix_, lanes_, picked_, totals_;
};

}  // namespace GAVEL_BASE_ISA
}  // namespace gavel::speculative::detail
