// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/kernels/overlap.hpp>
#include <gavel/kernels/residual.hpp>
#include <gavel/speculative/detail/verification.hpp>

#include <cstddef>
#include <span>
#include <vector>

/// @file
/// Recursive rejection sampling of several drafts, drawn with or without replacement.

namespace gavel::speculative {

/// n tokens were drafted from q, all for the same position: emit one of them or another token, so that the output follows p exactly.
///
/// Tests the drafts one after the other, each against what rejecting the ones before has left of p. With p_1 = p, q_1 = q the draft x_i is
/// accepted with probability min(1, p_i(x_i) / q_i(x_i)); on rejection p_{i+1} = norm((p_i - q_i)+), and without replacement q_{i+1} is q_i
/// without x_i, renormalized. The residual is p_{n+1}. None of these rows is ever built, because with scalars c_i, Z_i and m_i
///
///     p_i = (p - c_i q)+ / Z_i,   Z_i = sum (p - c_i q)+,   m_i = 1 - q(rejected drafts)  (1 with replacement),
///     c_1 = 0,   c_{i+1} = c_i + Z_i / m_i;
///
/// a rejected token has p < c_{i+1} q and so never returns. With replacement A_y = min(p_y, c_{n+1} q_y), acceptance rate 1 - Z_{n+1}.
/// Without replacement the scalars depend on which drafts were rejected: the class then offers no marginals.
///
/// @tparam T scalar of the rows, float or double; the law is exact up to rounding in T, about 1e-7 for float and 1e-15 for double
/// @tparam Law `draft_law::iid` or `draft_law::without_replacement`: how the drafts were drawn
/// @par Source
/// Miao et al., "SpecInfer", 2024, arXiv 2305.09781 (multi-step speculative sampling, drafts with replacement); Chen et al.,
/// "Sequoia: scalable, robust, and hardware-aware speculative decoding", 2024, arXiv 2402.12374 (without replacement).
template <class T = float, draft_law Law = draft_law::iid>
class recursive_rejection : detail::drafts_first {
  static_assert(Law == draft_law::iid || Law == draft_law::without_replacement,
                "gavel: recursive rejection is exact for drafts with or without replacement only");

 public:
  using scalar = T;
  using detail::drafts_first::verify;
  static constexpr draft_law law = Law;

  /// The calls of the concept `verifier`.
  /// @note Cost of `verify`: O(1) if the first draft is accepted, one pass over the rows for every further draft that is tested (with
  ///       replacement only once per prepared pair), and one for the residual. It copies q once where the drafts hold all but a trace of it.
  void prepare(kept_view<const T> p, kept_view<const T> q, std::size_t n) {
    rows::check(prepare_name, law, p, q, n);
    adopt(p, q, n);
  }
  void prepare(kept_view<const T> p, kept_view<const T> q, std::size_t n, trusted_t) {
    rows::check(prepare_name, law, p, q, n, trusted);
    adopt(p, q, n);
  }

  template <random_bits G>
  [[nodiscard]] verdict verify(vector_view<const token_id> drafts, G& rng) {
    rows_.check_drafts("gavel::speculative::recursive_rejection::verify", law, drafts);
    return detail::decide(rule{*this, drafts}, drafts, rng);
  }

  void conditional_law(vector_view<const token_id> drafts, std::span<double> acceptance, std::span<double> residual) {
    rows_.check_drafts("gavel::speculative::recursive_rejection::conditional_law", law, drafts);
    rows_.check_outputs("gavel::speculative::recursive_rejection::conditional_law", acceptance, residual);
    detail::describe(rule{*this, drafts}, acceptance, residual);
  }

  /// min(p_y, c_{n+1} q_y).
  /// @note Cost: at most n + 1 passes over the rows; `acceptance_rate` alike.
  void acceptance_marginals(std::span<double> out)
    requires(Law == draft_law::iid)
  {
    rows_.check_marginals("gavel::speculative::recursive_rejection::acceptance_marginals", out);
    const double c = step_of(rows_.n).scale;
    for (std::size_t y = 0; y < out.size(); ++y) {
      const double p = detail::real(rows_.p[y]);
      const double drafted = c * detail::real(rows_.q[y]);
      out[y] = p < drafted ? p : drafted;
    }
  }
  [[nodiscard]] double acceptance_rate()
    requires(Law == draft_law::iid)
  {
    rows_.check_prepared("gavel::speculative::recursive_rejection::acceptance_rate");
    return kernels::overlap(rows_.p.data(), rows_.q.data(), rows_.p.size(), step_of(rows_.n).scale);
  }

  [[nodiscard]] static constexpr std::size_t max_uniforms() noexcept { return 2; }

 private:
  using rows = detail::prepared_rows<T>;
  static constexpr const char* prepare_name = "gavel::speculative::recursive_rejection::prepare";

  // Where the recursion stands: c, and Z once a test has asked for it.
  struct step {
    double scale = 0.0;
    double mass = 1.0;
    bool has_mass = true;
  };

  struct rule : detail::tests_in_draft_order {
    rule(recursive_rejection& v, std::span<const token_id> d) : owner(v), drafts(d) { owner.rejected_.clear(); }
    recursive_rejection& owner;
    std::span<const token_id> drafts;
    std::size_t tested = 0;
    step now;             // without replacement
    double q_mass = 1.0;  // m

    [[nodiscard]] double test(std::size_t k) {
      const step at = step_before(k, true);
      tested = k + 1;
      const token_id x = drafts[k];
      const double q = detail::real(owner.rows_.q[x]);
      const double p = detail::positive_part(detail::real(owner.rows_.p[x]), q, at.scale);
      return detail::share(p * q_mass, at.mass * q);
    }
    [[nodiscard]] detail::residual_weights<T> residual() {
      const double scale = step_before(tested, false).scale;
      return {owner.rows_.p, owner.rows_.draft(), scale};
    }

    // The step after the first k drafts were rejected.
    step step_before(std::size_t k, bool with_mass) {
      if constexpr (Law == draft_law::iid) {
        return with_mass ? owner.step_with_mass(k) : owner.step_of(k);
      } else {
        if (k > 0) {  // walks forward only: k is the number of drafts tested so far
          now = {now.scale + now.mass / q_mass, 0.0, false};
          if (with_mass) {
            owner.rejected_.insert(drafts[k - 1]);
            q_mass = owner.rows_.mass_outside(owner.rejected_.ids());
            now.mass = owner.mass_at(now.scale);
          }
        }
        return now;
      }
    }
  };

  [[nodiscard]] double mass_at(double c) const { return kernels::residual_sum(rows_.p.data(), rows_.draft().data(), rows_.p.size(), c); }

  // With replacement the steps are the same for all drafts: they are computed when a test needs them, and kept.
  const step& step_of(std::size_t k) {
    while (steps_.size() <= k) {
      const step& last = step_with_mass(steps_.size() - 1);
      steps_.push_back({last.scale + last.mass, 0.0, false});
    }
    return steps_[k];
  }
  const step& step_with_mass(std::size_t k) {
    step_of(k);
    step& at = steps_[k];
    if (!at.has_mass) {
      at.mass = mass_at(at.scale);
      at.has_mass = true;
    }
    return at;
  }

  void adopt(std::span<const T> p, std::span<const T> q, std::size_t n) {
    steps_.reserve(n + 1);
    rejected_.reserve(n);
    steps_.assign(1, step{});
    rows_ = {p, q, n};
  }

  rows rows_;
  std::vector<step> steps_;
  detail::sorted_tokens rejected_;
};

}  // namespace gavel::speculative
