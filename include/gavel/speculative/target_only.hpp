// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/kernels/top_k.hpp>
#include <gavel/speculative/detail/verification.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

/// @file
/// Verification that never looks at draft probabilities.

namespace gavel::speculative {

/// The drafts are of any origin, their probabilities may be unknown: emit a token that follows p exactly, hoping that it is a draft.
///
/// As if y ~ p were drawn and counted as accepted when it is among the drafts: draft x_i is accepted with probability p(x_i) (a repeated
/// draft at its first position), the residual is p without the drafts. Optimal for deterministic drafts (`draft_law::top_n`), where no rule
/// accepts more than P(drafts); poor for sampled ones, because it ignores q. Marginals, by the law of the drafts:
///
///     iid       A_y = p_y (1 - (1 - q_y)^n)
///     top_n     A_y = p_y on the n most probable tokens of q, else 0
///     greedy    A_y = p_y on the n - 1 most probable tokens T of q, else p_y q_y / (1 - q(T))
///     hub_pair  A_a = p_a for a = argmax q, else p_y q_y / (1 - q_a)
///
/// Without replacement the chance that y is drafted has no closed form: the class then offers no marginals.
///
/// @tparam T scalar of the rows, float or double; the law is exact up to rounding in T, about 1e-7 for float and 1e-15 for double
/// @tparam Law how the drafts were drawn; `verify` is exact for every law, Law decides which arguments are checked and the marginals
/// @par Source
/// Miao et al., "SpecInfer: accelerating large language model serving with tree-based speculative inference and verification", 2024,
/// arXiv 2305.09781 (naive sampling).
template <class T = float, draft_law Law = draft_law::iid>
class target_only : detail::drafts_first {
 public:
  using scalar = T;
  using detail::drafts_first::verify;
  static constexpr draft_law law = Law;

  /// The calls of the concept `verifier`.
  /// @note Cost of `verify`: O(n^2) to accept, O(V) to reject.
  void prepare(kept_view<const T> p, kept_view<const T> q, std::size_t n) {
    rows::check(prepare_name, law, p, q, n);
    adopt(p, q, n);
  }
  void prepare(kept_view<const T> p, kept_view<const T> q, std::size_t n, trusted_t) {
    rows::check(prepare_name, law, p, q, n, trusted);
    adopt(p, q, n);
  }
  /// Where draft probabilities are unknown: drafts may be any tokens, and there are no marginals.
  /// @throws std::invalid_argument also from the marginals
  void prepare(kept_view<const T> p, std::size_t n) {
    rows::check(prepare_name, law, p, p, n, trusted);
    check_distribution(prepare_name, "p", p);
    adopt(p, {}, n);
  }
  void prepare(kept_view<const T> p, std::size_t n, trusted_t) {
    rows::check(prepare_name, law, p, p, n, trusted);
    adopt(p, {}, n);
  }

  template <random_bits G>
  [[nodiscard]] verdict verify(vector_view<const token_id> drafts, G& rng) {
    rows_.check_drafts("gavel::speculative::target_only::verify", law, drafts);
    return detail::decide(rule{rows_, drafts, seen_}, drafts, rng);
  }

  void conditional_law(vector_view<const token_id> drafts, std::span<double> acceptance, std::span<double> residual) {
    rows_.check_drafts("gavel::speculative::target_only::conditional_law", law, drafts);
    rows_.check_outputs("gavel::speculative::target_only::conditional_law", acceptance, residual);
    detail::describe(rule{rows_, drafts, seen_}, acceptance, residual);
  }

  /// @note Cost: O(V), with a logarithm and an exponential per token for iid drafts; the other laws allocate n ids.
  void acceptance_marginals(std::span<double> out)
    requires(Law != draft_law::without_replacement)
  {
    constexpr const char* function = "gavel::speculative::target_only::acceptance_marginals";
    check_has_q(function);
    rows_.check_marginals(function, out);
    for_each_marginal([&](std::size_t y, double a) { out[y] = a; });
  }
  [[nodiscard]] double acceptance_rate()
    requires(Law != draft_law::without_replacement)
  {
    check_has_q("gavel::speculative::target_only::acceptance_rate");
    double rate = 0.0;
    for_each_marginal([&](std::size_t, double a) { rate += a; });
    return rate;
  }

  [[nodiscard]] static constexpr std::size_t max_uniforms() noexcept { return 2; }

 private:
  using rows = detail::prepared_rows<T>;
  static constexpr const char* prepare_name = "gavel::speculative::target_only::prepare";

  struct rule : detail::tests_in_draft_order {
    rule(const rows& r, std::span<const token_id> d, detail::sorted_tokens& s) : prepared(r), drafts(d), seen(s) { seen.clear(); }
    const rows& prepared;
    std::span<const token_id> drafts;
    detail::sorted_tokens& seen;
    double left = 1.0;  // p outside the drafts tested so far

    [[nodiscard]] double test(std::size_t k) {
      const std::size_t before = seen.ids().size();
      seen.insert(drafts[k]);
      if (seen.ids().size() == before) return 0.0;
      const double mass = detail::real(prepared.p[drafts[k]]);
      const double chance = detail::share(mass, left);
      left -= mass;
      return chance;
    }
    [[nodiscard]] detail::residual_weights<T> residual() const { return {prepared.p, prepared.p, 0.0, 0.0, seen.ids()}; }
  };

  void check_has_q(const char* function) const {
    rows_.check_prepared(function);
    if (rows_.q.empty()) refuse(function, "q", {}, "must have been given to prepare");
  }

  void adopt(std::span<const T> p, std::span<const T> q, std::size_t n) {
    seen_.reserve(n);
    rows_ = {p, q, n};
  }

  // Calls visit(y, A_y) for every token in index order.
  template <class Visit>
  void for_each_marginal(Visit&& visit) {
    const std::size_t n = rows_.n;
    const std::size_t sure = Law == draft_law::top_n ? n : Law == draft_law::iid ? 0 : n - 1;  // always drafted
    if (sure > 0) {
      std::vector<token_id> top(sure);
      kernels::top_k(rows_.q.data(), rows_.q.size(), sure, top.data());
      seen_.assign(top);
    } else {
      seen_.clear();
    }
    const std::span<const token_id> top = seen_.ids();
    const double rest = detail::mass_outside(rows_.q, top);
    std::size_t next = 0;
    for (std::size_t y = 0; y < rows_.p.size(); ++y) {
      const double p = detail::real(rows_.p[y]);
      const double q = detail::real(rows_.q[y]);
      if (next < top.size() && top[next] == y) {
        ++next;
        visit(y, p);
      } else if constexpr (Law == draft_law::iid) {
        visit(y, q < 1.0 ? p * -std::expm1(static_cast<double>(n) * std::log1p(-q)) : p);
      } else {
        visit(y, Law == draft_law::top_n ? 0.0 : p * detail::share(q, rest));
      }
    }
  }

  rows rows_;
  detail::sorted_tokens seen_;
};

}  // namespace gavel::speculative
