// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/reset_on_move.hpp>
#include <gavel/core/roots.hpp>
#include <gavel/kernels/overlap.hpp>
#include <gavel/speculative/detail/verification.hpp>

#include <cstddef>
#include <span>

/// @file
/// K-SEQ: every draft is tested against the same thinned target.

namespace gavel::speculative {

/// n tokens were drafted independently from q: emit one of them or another token, so that the output follows p exactly.
///
/// Accepts the first draft that passes a test with probability min(1, p_x / (g q_x)). With b(g) = sum_y min(q_y, p_y / g), the chance that
/// one draft passes, and c = (1 - (1 - b)^n) / b, the residual is norm(p - c min(q, p / g)), which needs c <= g:
///
///     g b(g) >= 1 - (1 - b(g))^n.
///
/// The left side rises with g and the right side falls, so the best g is the root of equality in [1, n]. The residual weights are
/// max(p - c q, (1 - c / g) p). A_y = c min(q_y, p_y / g), acceptance rate 1 - (1 - b)^n, at least 1 - 1/e of the optimum.
///
/// @tparam T scalar of the rows, float or double; the law is exact up to rounding in T, about 1e-7 for float and 1e-15 for double
/// @par Source
/// Sun, Suresh, Ro, Beirami, Jain, Yu, "SpecTr: fast speculative decoding via optimal transport", 2023, arXiv 2310.15141
/// (K-SEQ).
template <class T = float>
class k_sequence : detail::drafts_first {
 public:
  using scalar = T;
  using detail::drafts_first::verify;
  static constexpr draft_law law = draft_law::iid;

  /// The calls of the concept `verifier`; `prepare` searches g.
  /// @note Cost: `prepare`, for n > 1, about 10 passes over both rows more; `verify` O(n) to accept, O(V) to reject.
  void prepare(kept_view<const T> p, kept_view<const T> q, std::size_t n) {
    rows::check(prepare_name, law, p, q, n);
    adopt(p, q, n);
  }
  void prepare(kept_view<const T> p, kept_view<const T> q, std::size_t n, trusted_t) {
    rows::check(prepare_name, law, p, q, n, trusted);
    adopt(p, q, n);
  }

  template <random_bits G>
  [[nodiscard]] verdict verify(vector_view<const token_id> drafts, G& rng) const {
    rows_.check_drafts("gavel::speculative::k_sequence::verify", law, drafts);
    return detail::decide(rule{*this, drafts}, drafts, rng);
  }

  void conditional_law(vector_view<const token_id> drafts, std::span<double> acceptance, std::span<double> residual) const {
    rows_.check_drafts("gavel::speculative::k_sequence::conditional_law", law, drafts);
    rows_.check_outputs("gavel::speculative::k_sequence::conditional_law", acceptance, residual);
    detail::describe(rule{*this, drafts}, acceptance, residual);
  }

  void acceptance_marginals(std::span<double> out) const {
    rows_.check_marginals("gavel::speculative::k_sequence::acceptance_marginals", out);
    for (std::size_t y = 0; y < out.size(); ++y) {
      const double thinned = detail::real(rows_.p[y]) / thinning_->gamma;
      const double q = detail::real(rows_.q[y]);
      out[y] = thinning_->scale * (thinned < q ? thinned : q);
    }
  }
  /// @note O(1).
  [[nodiscard]] double acceptance_rate() const {
    rows_.check_prepared("gavel::speculative::k_sequence::acceptance_rate");
    return thinning_->scale * thinning_->pass_rate;
  }

  /// The thinning factor g of the prepared pair, in [1, n].
  [[nodiscard]] double gamma() const noexcept { return thinning_->gamma; }
  /// b(g), the chance that one draft passes its test.
  [[nodiscard]] double pass_rate() const noexcept { return thinning_->pass_rate; }

  [[nodiscard]] static constexpr std::size_t max_uniforms() noexcept { return 2; }

 private:
  using rows = detail::prepared_rows<T>;
  static constexpr const char* prepare_name = "gavel::speculative::k_sequence::prepare";

  struct rule : detail::tests_in_draft_order {
    rule(const k_sequence& v, std::span<const token_id> d) : owner(v), drafts(d) {}
    const k_sequence& owner;
    std::span<const token_id> drafts;

    [[nodiscard]] double test(std::size_t k) const {
      const token_id x = drafts[k];
      return detail::share(detail::real(owner.rows_.p[x]), owner.thinning_->gamma * detail::real(owner.rows_.q[x]));
    }
    [[nodiscard]] detail::residual_weights<T> residual() const {
      const double floor = 1.0 - owner.thinning_->scale / owner.thinning_->gamma;
      return {owner.rows_.p, owner.rows_.q, owner.thinning_->scale, floor > 0.0 ? floor : 0.0};
    }
  };

  [[nodiscard]] static double pass_rate_at(std::span<const T> p, std::span<const T> q, double g) {
    const double b = kernels::overlap(q.data(), p.data(), p.size(), 1.0 / g);
    return b < 1.0 ? b : 1.0;
  }

  void set_gamma(double g) {
    const double b = pass_rate_at(rows_.p, rows_.q, g);
    thinning_ = thinning{g, b, detail::geometric_sum(b, rows_.n)};
  }

  void adopt(std::span<const T> p, std::span<const T> q, std::size_t n) {
    rows_ = {p, q, n};
    set_gamma(1.0);
    if (!(thinning_->scale > 1.0 && thinning_->pass_rate > 0.0))
      return;  // one draft, equal rows; or rows so disjoint that every g is as good
    // g - c(g) has the sign of the condition: negative at 1, not negative at n. The law is exact only where the condition holds, so g is
    // the upper end of the final bracket, not its best point.
    const root_result root = brent([&](double g) { return g - detail::geometric_sum(pass_rate_at(p, q, g), n); }, 1.0,
                                   static_cast<double>(n), {.x_tolerance = 1e-12});
    set_gamma(root.value >= 0.0 ? root.x : root.high);
  }

  struct thinning {
    double gamma = 1.0;
    double pass_rate = 0.0;
    double scale = 1.0;  // c
  };

  rows rows_;
  reset_on_move<thinning> thinning_;
};

}  // namespace gavel::speculative
