// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/ordering.hpp>
#include <gavel/speculative/detail/set_fit.hpp>
#include <gavel/speculative/detail/thinned_selection.hpp>
#include <gavel/speculative/verifier_fit.hpp>

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
  std::size_t max_iterations = 40;  ///< Newton iterations, for each of the two sides of the minimizing set; >= 1
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
/// The calls are those of the concept `verifier_with_marginals`, with n in [1, 16], both rows divided by their sums and at most 256 tokens
/// with q > 0, and `selection_marginals(out)`, which writes A. Truncate the draft row (top-k, top-p) before drafting, not afterwards: q must
/// be the law of the drafts.
///
/// @tparam T scalar of the rows, float or double; all arithmetic is in double
/// @note Cost: `prepare` O(V) once; for a support of S tokens S * n * nodes^2 / 2 multiply-adds per evaluation and S times that per Newton
///       step (on a coarser grid), 40 to 100 nodes, usually 3 to 10 steps. `verify` O(n) to accept, O(V) to reject. Memory is kept: no
///       allocation in `verify`, none in `prepare` at sizes seen before.
/// @par Source
/// Optimum: Zhengmian Hu et al., "Towards optimal multi-draft speculative decoding", 2025, arXiv 2502.18779, sections 3 and 4.
/// Selecting one draft and testing it as a single one: Khisti, Ebrahimi, Dbouk, Behboodi, Memisevic, Louizos, "Multi-draft speculative
/// sampling: canonical architectures and theoretical limits", 2024, arXiv 2410.18234, theorem 1 (i.i.d. drafts). The rule without
/// replacement, its integral and the fit are this library's.
template <class T = float>
class optimal_without_replacement : public detail::optimal_verifier<optimal_without_replacement<T>, T> {
 public:
  using scalar = T;
  static constexpr draft_law law = draft_law::without_replacement;
  static constexpr std::size_t max_drafts = detail::max_clock_drafts;
  /// Tokens with q > 0 that `prepare` accepts, a bound and no advice: its cost grows with about their square and with n. At n = 4 some 5 ms
  /// for 32 tokens, 13 ms for 64, 0.2 s for 256; at n = 16 20 ms, 65 ms and 0.5 to 2 s; on slow machines or awkward rows ten times that.
  static constexpr std::size_t max_support = 256;

  optimal_without_replacement() = default;
  /// @throws std::invalid_argument for options out of range; std::domain_error for a tolerance that is NaN
  explicit optimal_without_replacement(const optimal_without_replacement_options& options) : options_(options) {
    constexpr const char* function = "gavel::speculative::optimal_without_replacement";
    check_positive(function, "options.tolerance", options.tolerance);
    check_at_least(function, "options.max_iterations", options.max_iterations, 1);
  }

  /// What the fit reached.
  [[nodiscard]] const verifier_fit_result& fit() const noexcept { return fit_; }

 private:
  friend class detail::optimal_verifier<optimal_without_replacement, T>;

  struct names {
    static constexpr const char* prepare = "gavel::speculative::optimal_without_replacement::prepare";
    static constexpr const char* verify = "gavel::speculative::optimal_without_replacement::verify";
    static constexpr const char* conditional_law = "gavel::speculative::optimal_without_replacement::conditional_law";
    static constexpr const char* acceptance_marginals = "gavel::speculative::optimal_without_replacement::acceptance_marginals";
    static constexpr const char* selection_marginals = "gavel::speculative::optimal_without_replacement::selection_marginals";
    static constexpr const char* acceptance_rate = "gavel::speculative::optimal_without_replacement::acceptance_rate";
  };

  void fit_weights(detail::thinned_selection<T>& state, std::span<const T> p, std::span<const T> q, std::size_t n) {
    const std::size_t support = detail::support_size(q);
    check_at_most(names::prepare, "number of tokens with q > 0", support, max_support);
    detail::check_support<T>(names::prepare, support, n);  // trusted rows were not looked at yet
    state.begin(names::prepare, p, q, n);
    order_support(state);
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
    publish(state, inside);
    double rate = 0.0;
    for (const token_id y : ids_) rate += state.accepted(y);
    fit_ = detail::make_verifier_fit_result(rate, optimum_.rate(), options_.tolerance, iterations, ids_.size());
  }

  // The support, ascending by p/q.
  void order_support(const detail::thinned_selection<T>& state) {
    const std::span<const T> q = state.rows.q;
    auto ratio = [&](token_id y) { return state.target(y) / (detail::real(q[y]) * state.q_scale()); };
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
      mass_.push_back(detail::real(q[ids_[i]]) * state.q_scale());
      target_.push_back(state.target(ids_[i]));
      tied_.push_back(i > 0 && ratio(ids_[i]) == ratio(ids_[i - 1]));
    }
  }

  void publish(detail::thinned_selection<T>& state, std::size_t inside) {
    const std::size_t never = ids_.size();
    state.weight.assign(never + 1, 0.0);
    state.phi.assign(never + 1, 0.0);
    state.first_outside = inside;
    state.slot_of.assign(state.rows.p.size(), static_cast<std::uint32_t>(never));
    for (std::size_t i = 0; i < never; ++i) {
      const detail::set_level& level = levels_[i < inside ? 0 : 1];
      const std::size_t place = i < inside ? i : i - inside;
      state.weight[i] = level.weights()[place];
      state.phi[i] = level.picked()[place] / mass_[i];
      state.slot_of[ids_[i]] = static_cast<std::uint32_t>(i);
    }
    state.finish();
  }

  optimal_without_replacement_options options_;
  reset_on_move<verifier_fit_result> fit_;
  detail::set_optimum optimum_;
  detail::set_level levels_[2];
  detail::projected_newton newton_;
  std::vector<token_id> ids_;
  std::vector<double> mass_, target_, ascending_;
  std::vector<char> tied_;
};

}  // namespace gavel::speculative
