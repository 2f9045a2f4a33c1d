// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/ordering.hpp>
#include <gavel/speculative/detail/set_fit.hpp>
#include <gavel/speculative/detail/thinned_selection.hpp>
#include <gavel/speculative/selection.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// @file
/// The verifier for drafts without replacement that no other verifier beats.

namespace gavel::speculative {

/// How much work `optimal_without_replacement` may spend on a row. No setting affects exactness, only the acceptance rate.
struct optimal_without_replacement_options {
  double tolerance = 1e-6;          ///< gap to the optimal acceptance rate to stop at; > 0, finite. Below 1e-12 rounding decides
  std::size_t max_iterations = 40;  ///< Newton iterations, for each of the two sides of the minimising set; >= 1
};

/// n distinct tokens were drafted from q without replacement, q being truncated to a few dozen tokens: emit one of them or another token,
/// so that the output follows p exactly and a draft is accepted as often as any verifier can.
///
/// Picks one draft with probability proportional to a weight w of its token, then accepts it with probability min(1, p_y / A_y) where
/// A_y = Pr(y is picked), and otherwise draws from norm((p - A)+); exact for every w. With exponential clocks (token x rings at rate q_x,
/// the first n to ring are the drafts) and 1 / sum_j w(x_j) = int exp(-s sum_j w(x_j)) ds,
///
///     A_y = w_y int ds int dt exp(-s w_y) [ (1 - exp(-q_y t)) F_(n-2) + q_y exp(-q_y t) E_(n-1) ],
///
/// E_k and F_k running over the sets of k other tokens that have rung by t (F: and one more that rings at t), from prefix and suffix
/// tables: sums of positive terms, exact to about 1e-14. The best w, as for i.i.d. drafts, treats the set H that limits the acceptance
/// rate apart: drafts in H are picked only if all drafts are; outside H the weights make A <= p, inside A >= p. Projected Newton on a
/// convex potential, with its Hessian by the same tables, finds them. The gap that remains is part of the result (`fit()`).
///
/// @tparam T scalar of the rows, float or double; all arithmetic is in double
/// @note Copies of a prepared verifier read the same borrowed rows. Memory is kept: no allocation in `verify`, none in `prepare` at sizes
///       seen before.
/// @par Source
/// Optimum: Zhengmian Hu et al., "Towards optimal multi-draft speculative decoding", 2025, arXiv 2502.18779, sections 3 and 4.
/// Selecting one draft and testing it as a single one: Khisti, Ebrahimi, Dbouk, Behboodi, Memisevic, Louizos, "Multi-draft speculative
/// sampling: canonical architectures and theoretical limits", 2024, arXiv 2410.18234, theorem 1 (i.i.d. drafts). The rule without
/// replacement, its integral and the fit are this library's.
template <class T = float>
class optimal_without_replacement {
 public:
  using scalar = T;
  static constexpr draft_law law = draft_law::without_replacement;
  static constexpr std::size_t max_drafts = detail::max_clock_drafts;
  /// Tokens with q > 0 that `prepare` accepts: its cost grows with their square.
  static constexpr std::size_t max_support = 256;

  optimal_without_replacement() = default;
  /// @throws std::invalid_argument for options out of range
  explicit optimal_without_replacement(const optimal_without_replacement_options& options) : options_(options) {
    detail::check_fit_options("gavel::speculative::optimal_without_replacement", options.tolerance, options.max_iterations);
  }

  /// Borrows the rows and fits the weights.
  /// @param p [V] target probabilities, q [V] draft probabilities, at most 256 of them > 0: non-negative, each sum within 1e-6 of one, then
  ///        divided by its sum. Truncate the draft row (top-k, top-p) before drafting, not afterwards: q must be the law of the drafts
  /// @param n number of drafts, in [1, 16] and at most the number of tokens with q > 0
  /// @throws std::invalid_argument for empty rows, different sizes, a bad n or too many tokens with q > 0; std::domain_error if a row is
  ///         not a distribution
  /// @note Cost: O(V) once; for a support of S tokens S * n * nodes^2 / 2 multiply-adds per evaluation and S times that per Newton step (on
  ///       a coarser grid), 40 to 100 nodes, usually 3 to 10 steps
  void prepare(std::span<const T> p, std::span<const T> q, std::size_t n) {
    check_shape(p, q, n);
    rows::check_rows(prepare_name, law, p, q, n);
    adopt(p, q, n);
  }
  /// The same without checking the rows.
  void prepare(std::span<const T> p, std::span<const T> q, std::size_t n, trusted_t) {
    check_shape(p, q, n);
    adopt(p, q, n);
  }

  /// What the fit reached.
  [[nodiscard]] const fit_result& fit() const noexcept { return fit_; }

  /// Decides. @param drafts [n] distinct tokens with q > 0
  /// @return `draft_index` is that of the picked draft if it was accepted. A token of the residual counts as none of the drafts
  /// @throws std::invalid_argument if drafts has another size, or a token is out of range, repeated or has q = 0
  /// @note Draws: one uniform, and a second one if the picked draft is not accepted. Cost: O(n) to accept, O(V) to reject.
  template <random_bits G>
  [[nodiscard]] verdict verify(std::span<const token_id> drafts, G& rng) const {
    state_.rows.check_drafts("gavel::speculative::optimal_without_replacement::verify", law, drafts);
    return state_.decide(drafts, rng);
  }

  /// The exact law of `verify` given @p drafts. @param acceptance [n] @param residual [V] law of the token if no draft is accepted
  /// @throws as `verify`, and std::invalid_argument for outputs of another size
  void conditional_law(std::span<const token_id> drafts, std::span<double> acceptance, std::span<double> residual) const {
    state_.rows.check_drafts("gavel::speculative::optimal_without_replacement::conditional_law", law, drafts);
    state_.rows.check_outputs("gavel::speculative::optimal_without_replacement::conditional_law", acceptance, residual);
    state_.describe(drafts, acceptance, residual);
  }

  /// min(A_y, p_y) = Pr(the output is y and was accepted). @param out [V]
  /// @throws std::invalid_argument if out has another size or nothing is prepared  @note Cost: O(V). No randomness.
  void acceptance_marginals(std::span<double> out) const {
    state_.rows.check_marginals("gavel::speculative::optimal_without_replacement::acceptance_marginals", out);
    for (std::size_t y = 0; y < out.size(); ++y) out[y] = state_.accepted(y);
  }
  /// A_y = Pr(y is picked), before thinning. @param out [V]
  /// @throws std::invalid_argument if out has another size or nothing is prepared  @note Cost: O(V). No randomness.
  void selection_marginals(std::span<double> out) const {
    state_.rows.check_marginals("gavel::speculative::optimal_without_replacement::selection_marginals", out);
    for (std::size_t y = 0; y < out.size(); ++y) out[y] = state_.picked(y);
  }
  /// Probability that a draft is accepted. O(1).
  [[nodiscard]] double acceptance_rate() const {
    state_.rows.check_prepared("gavel::speculative::optimal_without_replacement::acceptance_rate");
    return fit_.acceptance_rate;
  }

  [[nodiscard]] static constexpr std::size_t max_uniforms() noexcept { return 2; }

 private:
  using rows = detail::prepared_rows<T>;
  static constexpr const char* prepare_name = "gavel::speculative::optimal_without_replacement::prepare";

  static void check_shape(std::span<const T> p, std::span<const T> q, std::size_t n) {
    rows::check_shape(prepare_name, law, p, q, n);
    if (n > max_drafts) invalid_argument(prepare_name, "n", n, "must be <=", max_drafts);
  }

  void adopt(std::span<const T> p, std::span<const T> q, std::size_t n) {
    const std::size_t support = detail::support_size(q);
    if (support > max_support) invalid_argument(prepare_name, "number of tokens with q > 0", support, "must be <=", max_support);
    if (support < n) detail::refuse_draft_count(prepare_name, n, support);  // trusted rows were not looked at yet
    state_.begin(p, q, n);
    order_support();
    const double last_time = detail::last_ring(n, detail::mass_outside_top(mass_, n - 1, ascending_));
    optimum_.search(mass_, target_, tied_, n, last_time);
    const std::size_t inside = optimum_.inside();
    const std::span<const double> mass = mass_;
    const std::span<const double> target = target_;
    const bool fine = options_.tolerance < 1e-8;
    levels_[0].begin(false, mass.first(inside), target.first(inside), mass.subspan(inside), n, last_time, fine);
    levels_[1].begin(true, mass.subspan(inside), target.subspan(inside), mass.first(inside), n, last_time, fine);
    std::size_t iterations = 0;
    for (detail::set_level& level : levels_) {
      iterations += level.fit(newton_, 0.25 * options_.tolerance, options_.max_iterations);
      level.finish();
    }
    publish(p.size(), inside);
    double rate = 0.0;
    for (const token_id y : ids_) rate += state_.accepted(y);
    fit_ = detail::make_fit_result(rate, optimum_.rate(), options_.tolerance, iterations, ids_.size());
  }

  // The support, ascending by p/q.
  void order_support() {
    const std::span<const T> q = state_.rows.q;
    auto ratio = [&](token_id y) { return state_.target(y) / (detail::real(q[y]) * state_.q_scale()); };
    ids_.clear();
    for (std::size_t y = 0; y < q.size(); ++y) {
      if (detail::drawable(q[y])) ids_.push_back(static_cast<token_id>(y));
    }
    sort_values(ids_.data(), ids_.size(), [&](token_id a, token_id b) {
      const double ratio_a = ratio(a), ratio_b = ratio(b);
      return ratio_a != ratio_b ? ratio_a < ratio_b : a < b;
    });
    mass_.clear();
    target_.clear();
    tied_.clear();
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      mass_.push_back(detail::real(q[ids_[i]]) * state_.q_scale());
      target_.push_back(state_.target(ids_[i]));
      tied_.push_back(i > 0 && ratio(ids_[i]) == ratio(ids_[i - 1]));
    }
  }

  void publish(std::size_t vocabulary, std::size_t inside) {
    const std::size_t never = ids_.size();
    state_.weight.assign(never + 1, 0.0);
    state_.phi.assign(never + 1, 0.0);
    state_.first_outside = inside;
    state_.slot_of.assign(vocabulary, static_cast<std::uint32_t>(never));
    for (std::size_t i = 0; i < never; ++i) {
      const detail::set_level& level = levels_[i < inside ? 0 : 1];
      const std::size_t place = i < inside ? i : i - inside;
      state_.weight[i] = level.weights()[place];
      state_.phi[i] = level.picked()[place] / mass_[i];
      state_.slot_of[ids_[i]] = static_cast<std::uint32_t>(i);
    }
    state_.finish();
  }

  optimal_without_replacement_options options_;
  fit_result fit_;
  detail::thinned_selection<T> state_;
  detail::set_optimum optimum_;
  detail::set_level levels_[2];
  detail::projected_newton newton_;
  std::vector<token_id> ids_;
  std::vector<double> mass_, target_, ascending_;
  std::vector<char> tied_;
};

}  // namespace gavel::speculative
