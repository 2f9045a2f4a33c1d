// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/speculative/detail/iid_fit.hpp>
#include <gavel/speculative/detail/ratio_groups.hpp>
#include <gavel/speculative/detail/thinned_selection.hpp>
#include <gavel/speculative/selection.hpp>

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
  std::size_t max_iterations = 60;  ///< evaluations of all marginals, for each of the two sides of the minimising set; >= 1
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
/// The gap to alpha* that remains is part of the result (`fit()`).
///
/// @tparam T scalar of the rows, float or double; all arithmetic is in double
/// @note Copies of a prepared verifier read the same borrowed rows. Memory grows with the largest V seen (about 100 bytes per token) and is
///       kept: no allocation in `verify`, none in `prepare` at sizes seen before.
/// @par Source
/// Optimum: Zhengmian Hu et al., "Towards optimal multi-draft speculative decoding", 2025, arXiv 2502.18779, sections 3 and 4.
/// Selecting one draft and testing it as a single one: Khisti, Ebrahimi, Dbouk, Behboodi, Memisevic, Louizos, "Multi-draft speculative
/// sampling: canonical architectures and theoretical limits", 2024, arXiv 2410.18234, theorem 1. The weight rule, its integral and the fit
/// are this library's.
template <class T = float>
class optimal_iid {
 public:
  using scalar = T;
  static constexpr draft_law law = draft_law::iid;
  static constexpr std::size_t max_drafts = detail::max_weighted_iid_drafts;

  optimal_iid() = default;
  /// @throws std::invalid_argument for options out of range
  explicit optimal_iid(const optimal_iid_options& options) : options_(options) {
    constexpr const char* function = "gavel::speculative::optimal_iid";
    detail::check_fit_options(function, options.tolerance, options.max_iterations);
    if (options.max_groups < 2) invalid_argument(function, "options.max_groups", options.max_groups, "must be >= 2");
  }

  /// Borrows the rows and fits the weights.
  /// @param p [V] target probabilities, q [V] draft probabilities: non-negative, each sum within 1e-6 of one, then divided by its sum
  /// @param n number of drafts, in [1, 32]
  /// @throws std::invalid_argument for empty rows, different sizes or a bad n; std::domain_error if a row is not a distribution
  /// @note Cost: a sort of the tokens by p/q and a scan, O(V); then groups x nodes exponentials per iteration, 40 to 150 nodes. With slack
  ///       (alpha* < 1) a few hundred groups; near alpha* = 1 up to `max_groups`, and V x nodes once.
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

  /// Decides. @param drafts [n] tokens with q > 0
  /// @return `draft_index` is that of the picked draft if it was accepted. A token of the residual counts as none of the drafts
  /// @throws std::invalid_argument if drafts has another size, or a token is out of range or has q = 0
  /// @note Draws: one uniform, and a second one if the picked draft is not accepted. Cost: O(n) to accept, O(V) to reject.
  template <random_bits G>
  [[nodiscard]] verdict verify(std::span<const token_id> drafts, G& rng) const {
    state_.rows.check_drafts("gavel::speculative::optimal_iid::verify", law, drafts);
    return state_.decide(drafts, rng);
  }

  /// The exact law of `verify` given @p drafts. @param acceptance [n] @param residual [V] law of the token if no draft is accepted
  /// @throws as `verify`, and std::invalid_argument for outputs of another size
  void conditional_law(std::span<const token_id> drafts, std::span<double> acceptance, std::span<double> residual) const {
    state_.rows.check_drafts("gavel::speculative::optimal_iid::conditional_law", law, drafts);
    state_.rows.check_outputs("gavel::speculative::optimal_iid::conditional_law", acceptance, residual);
    state_.describe(drafts, acceptance, residual);
  }

  /// min(A_y, p_y) = Pr(the output is y and was accepted). @param out [V]
  /// @throws std::invalid_argument if out has another size or nothing is prepared  @note Cost: O(V). No randomness.
  void acceptance_marginals(std::span<double> out) const {
    state_.rows.check_marginals("gavel::speculative::optimal_iid::acceptance_marginals", out);
    for (std::size_t y = 0; y < out.size(); ++y) out[y] = state_.accepted(y);
  }
  /// A_y = Pr(y is picked), before thinning. @param out [V]
  /// @throws std::invalid_argument if out has another size or nothing is prepared  @note Cost: O(V). No randomness.
  void selection_marginals(std::span<double> out) const {
    state_.rows.check_marginals("gavel::speculative::optimal_iid::selection_marginals", out);
    for (std::size_t y = 0; y < out.size(); ++y) out[y] = state_.picked(y);
  }
  /// Probability that a draft is accepted. O(1).
  [[nodiscard]] double acceptance_rate() const {
    state_.rows.check_prepared("gavel::speculative::optimal_iid::acceptance_rate");
    return fit_.acceptance_rate;
  }

  [[nodiscard]] static constexpr std::size_t max_uniforms() noexcept { return 2; }

 private:
  using rows = detail::prepared_rows<T>;
  static constexpr const char* prepare_name = "gavel::speculative::optimal_iid::prepare";

  static void check_shape(std::span<const T> p, std::span<const T> q, std::size_t n) {
    rows::check_shape(prepare_name, law, p, q, n);
    if (n > max_drafts) invalid_argument(prepare_name, "n", n, "must be <=", max_drafts);
  }

  void adopt(std::span<const T> p, std::span<const T> q, std::size_t n) {
    state_.begin(p, q, n);
    order_.build(p, q, state_.p_scale(), state_.q_scale(), n);
    fitter_.run(order_, n, {options_.tolerance, options_.max_groups, options_.max_iterations});
    const detail::ratio_groups& groups = fitter_.groups();
    const std::size_t never = groups.size();
    state_.weight.assign(fitter_.weights().begin(), fitter_.weights().end());
    state_.phi.assign(fitter_.phi().begin(), fitter_.phi().end());
    state_.weight.push_back(0.0);
    state_.phi.push_back(0.0);
    state_.first_outside = groups.inside();
    state_.slot_of.assign(p.size(), static_cast<std::uint32_t>(never));
    for (std::size_t g = 0; g < groups.size(); ++g) {
      for (std::size_t i = groups.first(g); i < groups.first(g + 1); ++i) {
        state_.slot_of[order_.tokens()[i].id] = static_cast<std::uint32_t>(g);
      }
    }
    state_.finish();
    fit_ = detail::make_fit_result(fitter_.rate(), order_.optimum(), options_.tolerance, fitter_.iterations(), groups.size());
  }

  optimal_iid_options options_;
  fit_result fit_;
  detail::thinned_selection<T> state_;
  detail::ratio_order order_;
  detail::iid_fit fitter_;
};

}  // namespace gavel::speculative
