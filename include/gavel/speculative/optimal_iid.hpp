// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/speculative/detail/iid_fit.hpp>
#include <gavel/speculative/detail/ratio_groups.hpp>
#include <gavel/speculative/detail/thinned_selection.hpp>
#include <gavel/speculative/verifier_fit.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

/// @file
/// The verifier for i.i.d. drafts that no other verifier beats.

namespace gavel::speculative {

/// How much work `optimal_iid` may spend on a row. No setting affects exactness, only the acceptance rate.
struct optimal_iid_options {
  double tolerance = 1e-6;          ///< gap to the optimal acceptance rate to stop at; > 0, finite. Below 1e-13 rounding decides
  std::size_t max_groups = 512;     ///< tokens with similar p/q share a weight while fitting: at most this many groups (a row with slack
                                    ///< may use twice as many); >= 2. Time grows about linearly
  std::size_t max_iterations = 60;  ///< evaluations of all marginals, for each of the two sides of the minimizing set; >= 1
};

/// n tokens were drafted independently from q: emit one of them or another token, so that the output follows p exactly and a draft is
/// accepted as often as any verifier can.
///
/// Picks one draft with probability proportional to a weight w of its token, then accepts it with probability min(1, p_y / A_y), where
///
///     A_y = Pr(y is picked) = q_y n int_0^inf w_y exp(-s w_y) L(s)^(n-1) ds,     L(s) = sum_x q_x exp(-s w_x),
///
/// and otherwise draws from norm((p - A)+). This is exact for every w. The best w follows from the set H that limits the acceptance rate,
/// alpha* = 1 + P(H) - q(H)^n: drafts in H are picked only if all drafts are in H; outside H the weights make A <= p, inside A >= p. A
/// depends on a token through q and w alone, so each weight solves one equation in one unknown while the others rest; a few rounds of that
/// suffice unless alpha* is close to one, where projected Newton on a convex potential finishes. Tokens with similar p/q share a weight
/// while fitting; that costs nothing while there is slack, and where it would, every token gets its own weight in the end.
///
/// The gap to alpha* that remains is part of the result (`fit()`). The calls are those of the concept `verifier_with_marginals`, with n in
/// [1, 32] and both rows divided by their sums, and `selection_marginals(out)`, which writes A.
///
/// @tparam T scalar of the rows, float or double; all arithmetic is in double
/// @note Cost: `prepare` sorts the tokens by p/q and scans them, O(V); then groups x nodes exponentials per iteration, 40 to 150 nodes. With
///       slack (alpha* < 1) a few hundred groups; near alpha* = 1 up to `max_groups`, and V x nodes once. `verify` O(n) to accept, O(V) to
///       reject. Memory grows with the largest V seen (about 100 bytes per token) and is kept: no allocation in `verify`, none in `prepare`
///       at sizes seen before.
/// @par Source
/// Optimum: Zhengmian Hu et al., "Towards optimal multi-draft speculative decoding", 2025, arXiv 2502.18779, sections 3 and 4.
/// Selecting one draft and testing it as a single one: Khisti, Ebrahimi, Dbouk, Behboodi, Memisevic, Louizos, "Multi-draft speculative
/// sampling: canonical architectures and theoretical limits", 2024, arXiv 2410.18234, theorem 1. The weight rule, its integral and the fit
/// are this library's.
template <class T = float>
class optimal_iid : public detail::optimal_verifier<optimal_iid<T>, T> {
 public:
  using scalar = T;
  static constexpr draft_law law = draft_law::iid;
  static constexpr std::size_t max_drafts = detail::max_weighted_iid_drafts;

  optimal_iid() = default;
  /// @throws std::invalid_argument for options out of range; std::domain_error for a tolerance that is NaN
  explicit optimal_iid(const optimal_iid_options& options) : options_(options) {
    constexpr const char* function = "gavel::speculative::optimal_iid";
    check_positive(function, "options.tolerance", options.tolerance);
    check_at_least(function, "options.max_groups", options.max_groups, 2);
    check_at_least(function, "options.max_iterations", options.max_iterations, 1);
  }

  /// What the fit reached.
  [[nodiscard]] const verifier_fit_result& fit() const noexcept { return fit_; }

 private:
  friend class detail::optimal_verifier<optimal_iid, T>;

  struct names {
    static constexpr const char* prepare = "gavel::speculative::optimal_iid::prepare";
    static constexpr const char* verify = "gavel::speculative::optimal_iid::verify";
    static constexpr const char* conditional_law = "gavel::speculative::optimal_iid::conditional_law";
    static constexpr const char* acceptance_marginals = "gavel::speculative::optimal_iid::acceptance_marginals";
    static constexpr const char* selection_marginals = "gavel::speculative::optimal_iid::selection_marginals";
    static constexpr const char* acceptance_rate = "gavel::speculative::optimal_iid::acceptance_rate";
  };

  void fit_weights(detail::thinned_selection<T>& state, std::span<const T> p, std::span<const T> q, std::size_t n) {
    state.begin(names::prepare, p, q, n);
    order_.build(p, q, state.p_scale(), state.q_scale(), n);
    fitter_.run(order_, n, {options_.tolerance, options_.max_groups, options_.max_iterations});
    const detail::ratio_groups& groups = fitter_.groups();
    const std::size_t never = groups.size();
    state.weight.assign(fitter_.weights().begin(), fitter_.weights().end());
    state.phi.assign(fitter_.phi().begin(), fitter_.phi().end());
    state.weight.push_back(0.0);
    state.phi.push_back(0.0);
    state.first_outside = groups.inside();
    state.slot_of.assign(p.size(), static_cast<std::uint32_t>(never));
    for (std::size_t g = 0; g < groups.size(); ++g) {
      for (std::size_t i = groups.first(g); i < groups.first(g + 1); ++i) {
        state.slot_of[order_.tokens()[i].id] = static_cast<std::uint32_t>(g);
      }
    }
    state.finish();
    fit_ = detail::make_verifier_fit_result(fitter_.rate(), order_.optimum(), options_.tolerance, fitter_.iterations(), groups.size());
  }

  optimal_iid_options options_;
  reset_on_move<verifier_fit_result> fit_;
  detail::ratio_order order_;
  detail::iid_fit fitter_;
};

}  // namespace gavel::speculative
