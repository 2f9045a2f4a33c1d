// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/numerics.hpp>
#include <gavel/core/quadrature.hpp>
#include <gavel/solvers/cholesky.hpp>
#include <gavel/speculative/detail/decay_kernels.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

/// @file
/// Which of n i.i.d. drafts a weighted choice picks: the marginal of the picked token as a one-dimensional integral, for groups of tokens
/// that share a weight.

namespace gavel::speculative::detail {

/// Largest number of i.i.d. drafts of a weighted choice: `exact_step` is tested up to it.
inline constexpr std::size_t max_weighted_iid_drafts = 32;

/// Spacing of the nodes at which the marginals for n i.i.d. drafts are exact to about 1e-14 relative.
[[nodiscard]] constexpr double exact_step(std::size_t n) noexcept { return n <= 4 ? 0.22 : n <= 8 ? 0.2 : n <= 16 ? 0.17 : 0.15; }

inline namespace GAVEL_BASE_ISA {

/// The law of a weighted choice among n i.i.d. drafts, for tokens in groups that share a weight. With x_1..x_n ~ q and draft i picked with
/// probability w(x_i) / sum_j w(x_j), token y is picked with probability q_y phi(w(y)),
///
///     phi(w) = n int_0^inf w exp(-s w) L(s)^(n-1) ds,     L(s) = idle + sum_k mass_k exp(-s w_k),
///
/// because 1/(w + W) = int exp(-s (w + W)) ds. `idle` is the mass of tokens of weight zero: they are picked only if all drafts are idle,
/// which this integral does not count. The masses and `idle` may sum to less than one: then it counts only tuples without other tokens.
class iid_selection {
 public:
  /// Computes everything for these groups. Weights > 0, masses >= 0, n >= 1; @p step is the spacing of the nodes: 0.2 is exact to about
  /// 1e-15, 0.4 to 1e-10. Cost: groups x nodes exponentials, about (ln(largest / smallest weight) + 7.35) / step nodes. `keep` holds them
  /// all in memory, which `newton_step` needs; without it they are computed twice, a few groups at a time.
  void evaluate(std::span<const double> masses, std::span<const double> weights, double idle, std::size_t n, double step, bool keep) {
    groups_ = masses.size();
    idle_ = idle;
    n_ = n;
    phi_.resize(groups_);
    slope_.resize(groups_);
    if (groups_ == 0) return;
    double smallest = weights[0];
    largest_ = weights[0];
    total_ = idle;
    for (std::size_t k = 0; k < groups_; ++k) {
      largest_ = weights[k] > largest_ ? weights[k] : largest_;
      smallest = weights[k] < smallest ? weights[k] : smallest;
      total_ += masses[k];
    }
    place_nodes(log_axis_rule(std::log(largest_ / smallest) + 3.75, step, 1.0 / largest_));
    const std::size_t chunk = keep || groups_ <= chunk_size ? groups_ : chunk_size;
    decay_.resize(chunk * nodes_);
    for (double& value : laplace_) value = idle;
    for (std::size_t first = 0; first < groups_; first += chunk) fill_decay(masses, weights, first, chunk, laplace_);
    for (std::size_t m = 0; m < nodes_; ++m) {
      a_[m] = static_cast<double>(n) * node_weight_[m] * integer_power(laplace_[m], n - 1);
      b_[m] = a_[m] * s_[m];
    }
    const double* const a = a_.data();
    const double* const b = b_.data();
    for (std::size_t first = 0; first < groups_; first += chunk) {
      if (chunk < groups_) fill_decay(masses, weights, first, chunk, unused_);
      const std::size_t count = groups_ - first < chunk ? groups_ - first : chunk;
      const double* const decay = decay_.data();
      double* const phi = phi_.data() + first;
      double* const slope = slope_.data() + first;
      kernels::dispatch<two_dots_kernel>(decay, nodes_, count, a, b, phi, slope);
    }
    for (std::size_t k = 0; k < groups_; ++k) {
      phi_[k] *= weights[k];
      slope_[k] = phi_[k] - weights[k] * (weights[k] * slope_[k]);
    }
  }

  /// phi(w_k): the marginal of a token in group k is its probability times this.
  [[nodiscard]] std::span<const double> phi() const noexcept { return phi_; }
  /// d phi(w_k) / d log w_k while L stays as it is; > 0 for n > 1.
  [[nodiscard]] std::span<const double> slope() const noexcept { return slope_; }

  /// E[log sum of weights; not all drafts idle], the convex potential (in log w) whose gradient is mass_k phi_k.
  [[nodiscard]] double potential() const noexcept {
    if (groups_ == 0) return 0.0;
    const double none = integer_power(idle_, n_);
    const double some = integer_power(total_, n_) - none;
    double sum = 0.0;
    for (std::size_t m = 0; m < used_nodes_; ++m) {
      const double reference = std::exp(-s_[m] * largest_) * some;
      sum += node_weight_[m] / s_[m] * (reference - (integer_power(laplace_[m], n_) - none));
    }
    return sum + some * std::log(largest_);
  }

  /// Solves (H + ridge) step = -gradient on the groups with `free[k]`, H = Hessian of the potential = diag(mass slope) - U W U^T with one
  /// column of U per node; by the matrix inversion lemma, nodes x nodes. Returns false where H is not positive definite in rounding.
  bool newton_step(std::span<const double> masses, std::span<const double> weights, std::span<const double> gradient,
                   const std::vector<char>& free, std::span<double> step) {
    scale_.resize(groups_);
    column_.resize(nodes_);
    row_.resize(gram_kernel::batch * nodes_);
    gram_.assign(nodes_ * nodes_, 0.0);
    const double pairs = static_cast<double>(n_) * static_cast<double>(n_ - 1);
    for (std::size_t m = 0; m < nodes_; ++m) {  // sqrt(W_m) s_m; the rest of U sits in scale_
      column_[m] =
          n_ < 2 ? 0.0 : s_[m] * std::sqrt(pairs * integer_power(laplace_[m], n_ - 2) * (s_[m] > 0.0 ? node_weight_[m] / s_[m] : 0.0));
    }
    for (std::size_t k = 0; k < groups_; ++k) {
      const double diagonal = curvature(masses, k);
      const double u = masses[k] * weights[k];
      scale_[k] = free[k] ? u * u / diagonal : 0.0;
      step[k] = free[k] ? -gradient[k] / diagonal : 0.0;
    }
    const double* const decay = decay_.data();
    const double* const scale = scale_.data();
    const double* const column = column_.data();
    double* const row = row_.data();
    double* const gram = gram_.data();
    kernels::dispatch<gram_kernel>(decay, nodes_, groups_, scale, column, row, gram);
    // right hand side U^T D^-1 (-g), then (I - U^T D^-1 U) z = it, then step += D^-1 U z
    rhs_.assign(nodes_, 0.0);
    for (std::size_t k = 0; k < groups_; ++k) scale_[k] = masses[k] * weights[k] * step[k];
    double* const rhs = rhs_.data();
    kernels::dispatch<accumulate_kernel>(decay, nodes_, groups_, scale, rhs);
    for (std::size_t m = 0; m < nodes_; ++m) rhs_[m] *= column_[m];
    for (std::size_t i = 0; i < used_nodes_; ++i) {
      for (std::size_t j = 0; j <= i; ++j) gram_[i * nodes_ + j] = (i == j ? 1.0 : 0.0) - gram_[i * nodes_ + j];
    }
    if (!cholesky_solve(gram_, nodes_, std::span<double>(rhs_).first(used_nodes_))) return false;
    for (std::size_t m = 0; m < nodes_; ++m) rhs_[m] *= column_[m];
    dot_.resize(groups_);
    double* const dot = dot_.data();
    double* const unused = scale_.data();
    const double* const solution = rhs_.data();
    kernels::dispatch<two_dots_kernel>(decay, nodes_, groups_, solution, solution, dot, unused);
    for (std::size_t k = 0; k < groups_; ++k) {
      if (free[k]) step[k] += masses[k] * weights[k] * dot_[k] / curvature(masses, k);
    }
    return true;
  }

 private:
  // Diagonal of the Hessian's first part. The ridge keeps the flat direction (all weights times one factor) solvable.
  [[nodiscard]] double curvature(std::span<const double> masses, std::size_t k) const noexcept {
    return masses[k] * (slope_[k] > 0.0 ? slope_[k] : 0.0) + 1e-13;
  }

  // Whole blocks: the nodes that fill the last one up have weight zero and sit where every exponential is one.
  void place_nodes(const log_axis_rule& rule) {
    used_nodes_ = rule.size();
    nodes_ = (used_nodes_ + node_block - 1) / node_block * node_block;
    s_.assign(nodes_, 0.0);
    node_weight_.assign(nodes_, 0.0);
    laplace_.resize(nodes_);
    unused_.assign(nodes_, 0.0);
    a_.resize(nodes_);
    b_.resize(nodes_);
    rule.fill(s_, node_weight_);
  }

  void fill_decay(std::span<const double> masses, std::span<const double> weights, std::size_t first, std::size_t chunk,
                  std::vector<double>& sums) {
    const std::size_t count = groups_ - first < chunk ? groups_ - first : chunk;
    const double* const s = s_.data();
    const double* const mass = masses.data() + first;
    const double* const weight = weights.data() + first;
    double* const decay = decay_.data();
    double* const laplace = sums.data();
    kernels::dispatch<decay_kernel>(s, used_nodes_, nodes_, mass, weight, count, decay, laplace);
  }

  static constexpr std::size_t chunk_size = 256;  // groups: their decays stay in the second-level cache

  std::size_t groups_ = 0, nodes_ = 0, used_nodes_ = 0, n_ = 1;
  double idle_ = 0.0, total_ = 0.0, largest_ = 1.0;
  std::vector<double> s_, node_weight_, laplace_, unused_, a_, b_, decay_, phi_, slope_;
  std::vector<double> scale_, column_, row_, gram_, rhs_, dot_;  // Newton only
};

}  // namespace GAVEL_BASE_ISA
}  // namespace gavel::speculative::detail
