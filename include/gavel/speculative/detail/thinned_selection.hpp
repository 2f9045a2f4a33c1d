// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/reset_on_move.hpp>
#include <gavel/core/simplex.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/kernels/sample.hpp>
#include <gavel/speculative/detail/verification.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// @file
/// Select, then thin: the decision that both optimal verifiers share once they have weights, and their calls.

namespace gavel::speculative::detail {

/// Pick draft i with probability w(x_i) / sum_j w(x_j), accept its token y with probability min(1, p_y / A_y), A_y = Pr(y is picked), else
/// draw from norm((p - A)+). The output is exactly p for any weights, as long as A belongs to them.
///
/// Tokens sit in slots that share a weight; slots from `first_outside` on lie outside the minimizing set, and a draft inside is picked only
/// if all drafts are. A_y = q_y phi(slot of y). The last slot holds the tokens that are never drafted.
template <class T>
class thinned_selection {
 public:
  prepared_rows<T> rows;
  std::vector<std::uint32_t> slot_of;  ///< [V]
  std::vector<double> weight;          ///< [slots], 0 in the last one
  std::vector<double> phi;             ///< [slots], 0 in the last one
  std::size_t first_outside = 0;

  /// Borrows the rows; both are divided by their sums, so that a sum that is off by rounding does not bias the output. Rows without such a
  /// sum are refused, trusted or not: they have been read anyway, and no weights could be fitted to them.
  void begin(const char* function, std::span<const T> p, std::span<const T> q, std::size_t n) {
    const double p_sum = check_weights(function, "p", p);
    const double q_sum = check_weights(function, "q", q);
    rows = {p, q, n};
    p_scale_ = 1.0 / p_sum;
    q_scale_ = 1.0 / q_sum;
  }
  /// After slots, weights and phi are set. Where rounding leaves nothing of (p - A)+ (A = p everywhere: the residual is reached with
  /// probability about 1e-16) it is p.
  void finish() {
    residual_.resize(rows.p.size());
    double mass = 0.0;
    for (std::size_t y = 0; y < residual_.size(); ++y) {
      const double left = target(y) - picked(y);
      mass += residual_[y] = left > 0.0 ? left : 0.0;
    }
    if (!(mass > 0.0)) {
      for (std::size_t y = 0; y < residual_.size(); ++y) residual_[y] = target(y);
    }
  }

  [[nodiscard]] double p_scale() const noexcept { return p_scale_; }
  [[nodiscard]] double q_scale() const noexcept { return q_scale_; }
  [[nodiscard]] double target(std::size_t y) const noexcept { return real(rows.p[y]) * p_scale_; }
  [[nodiscard]] double picked(std::size_t y) const noexcept { return real(rows.q[y]) * q_scale_ * phi[slot_of[y]]; }
  [[nodiscard]] double accepted(std::size_t y) const noexcept { return picked(y) < target(y) ? picked(y) : target(y); }

  template <random_bits G>
  [[nodiscard]] verdict decide(std::span<const token_id> drafts, G& rng) const {
    const double u = uniform(rng);
    const choice among = weigh(drafts);
    double below = 0.0;
    for (std::size_t i = 0; i < drafts.size(); ++i) {
      below += acceptance(among, drafts[i]);
      if (u < below) return {drafts[i], i};
    }
    const std::size_t token = kernels::sample(residual_.data(), residual_.size(), uniform(rng));
    return {token_or_first(token, residual_.size()), verdict::none};
  }

  void describe(std::span<const token_id> drafts, std::span<double> acceptances, std::span<double> residual) const {
    const choice among = weigh(drafts);
    for (std::size_t i = 0; i < drafts.size(); ++i) acceptances[i] = acceptance(among, drafts[i]);
    double total = 0.0;
    for (std::size_t y = 0; y < residual.size(); ++y) total += residual[y] = residual_[y];
    for (double& value : residual) value /= total;
  }

 private:
  struct choice {
    double sum = 0.0;  // of the weights that take part
    bool outside = false;
  };

  [[nodiscard]] choice weigh(std::span<const token_id> drafts) const noexcept {
    choice among;
    for (const token_id x : drafts) {
      const std::size_t slot = slot_of[x];
      const bool outside = slot >= first_outside;
      if (outside && !among.outside) among = {0.0, true};
      if (outside == among.outside) among.sum += weight[slot];
    }
    return among;
  }

  [[nodiscard]] double acceptance(const choice& among, token_id x) const noexcept {
    const std::size_t slot = slot_of[x];
    if ((slot >= first_outside) != among.outside) return 0.0;
    return weight[slot] / among.sum * share(target(x), picked(x));
  }

  double p_scale_ = 1.0, q_scale_ = 1.0;
  std::vector<double> residual_;  // [V] weights
};

/// The calls of an optimal verifier `Derived`, which has `law`, `max_drafts`, the `names` of the calls, the weights of a pair
/// (`fit_weights(state, p, q, n)`) and what they reached (`fit()`).
template <class Derived, class T>
class optimal_verifier : drafts_first {
 public:
  using drafts_first::verify;

  void prepare(kept_view<const T> p, kept_view<const T> q, std::size_t n) {
    check_at_most(Derived::names::prepare, "n", n, Derived::max_drafts);
    prepared_rows<T>::check(Derived::names::prepare, Derived::law, p, q, n);
    self().fit_weights(state_, p, q, n);
  }
  void prepare(kept_view<const T> p, kept_view<const T> q, std::size_t n, trusted_t) {
    check_at_most(Derived::names::prepare, "n", n, Derived::max_drafts);
    prepared_rows<T>::check(Derived::names::prepare, Derived::law, p, q, n, trusted);
    self().fit_weights(state_, p, q, n);
  }

  template <random_bits G>
  [[nodiscard]] verdict verify(vector_view<const token_id> drafts, G& rng) const {
    state_.rows.check_drafts(Derived::names::verify, Derived::law, drafts);
    return state_.decide(drafts, rng);
  }

  void conditional_law(vector_view<const token_id> drafts, std::span<double> acceptance, std::span<double> residual) const {
    state_.rows.check_drafts(Derived::names::conditional_law, Derived::law, drafts);
    state_.rows.check_outputs(Derived::names::conditional_law, acceptance, residual);
    state_.describe(drafts, acceptance, residual);
  }

  /// min(A_y, p_y).
  void acceptance_marginals(std::span<double> out) const {
    state_.rows.check_marginals(Derived::names::acceptance_marginals, out);
    for (std::size_t y = 0; y < out.size(); ++y) out[y] = state_.accepted(y);
  }
  /// A_y = Pr(y is picked), before thinning; errors and cost as for `acceptance_marginals`.
  void selection_marginals(std::span<double> out) const {
    state_.rows.check_marginals(Derived::names::selection_marginals, out);
    for (std::size_t y = 0; y < out.size(); ++y) out[y] = state_.picked(y);
  }
  /// @note O(1).
  [[nodiscard]] double acceptance_rate() const {
    state_.rows.check_prepared(Derived::names::acceptance_rate);
    return static_cast<const Derived&>(*this).fit().acceptance_rate;
  }

  [[nodiscard]] static constexpr std::size_t max_uniforms() noexcept { return 2; }

 private:
  [[nodiscard]] Derived& self() noexcept { return static_cast<Derived&>(*this); }

  thinned_selection<T> state_;
};

}  // namespace gavel::speculative::detail
