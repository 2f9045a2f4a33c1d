// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/kernels/overlap.hpp>
#include <gavel/speculative/detail/verification.hpp>

#include <cstddef>
#include <span>

/// @file
/// Speculative sampling of one drafted token.

namespace gavel::speculative {

/// One token was drafted from q: emit it or another one, so that the emitted token follows p exactly.
///
/// Accepts the draft x with probability min(1, p_x / q_x), otherwise draws from norm((p - q)+). No rule for one draft accepts more often.
/// A_y = min(p_y, q_y), acceptance rate sum_y min(p_y, q_y).
///
/// @tparam T scalar of the rows, float or double; the law is exact up to rounding in T, about 1e-7 for float and 1e-15 for double
/// @par Source
/// Leviathan, Kalman, Matias, "Fast inference from transformers via speculative decoding", 2023, arXiv 2211.17192, algorithm 1;
/// Chen, Borgeaud, Irving, Lespiau, Sifre, Jumper, "Accelerating large language model decoding with speculative sampling", 2023,
/// arXiv 2302.01318, algorithm 2.
template <class T = float>
class single_draft : detail::drafts_first {
 public:
  using scalar = T;
  using detail::drafts_first::verify;
  static constexpr draft_law law = draft_law::iid;

  /// The calls of the concept `verifier`, with n = 1.
  /// @note Cost of `verify`: O(1) to accept, O(V) to reject.
  void prepare(kept_view<const T> p, kept_view<const T> q, std::size_t n) {
    check_one(n);
    rows::check(prepare_name, law, p, q, n);
    rows_ = {p, q, n};
  }
  void prepare(kept_view<const T> p, kept_view<const T> q, std::size_t n, trusted_t) {
    check_one(n);
    rows::check(prepare_name, law, p, q, n, trusted);
    rows_ = {p, q, n};
  }

  template <random_bits G>
  [[nodiscard]] verdict verify(vector_view<const token_id> drafts, G& rng) const {
    rows_.check_drafts("gavel::speculative::single_draft::verify", law, drafts);
    return detail::decide(rule{rows_, drafts}, drafts, rng);
  }

  void conditional_law(vector_view<const token_id> drafts, std::span<double> acceptance, std::span<double> residual) const {
    rows_.check_drafts("gavel::speculative::single_draft::conditional_law", law, drafts);
    rows_.check_outputs("gavel::speculative::single_draft::conditional_law", acceptance, residual);
    detail::describe(rule{rows_, drafts}, acceptance, residual);
  }

  void acceptance_marginals(std::span<double> out) const {
    rows_.check_marginals("gavel::speculative::single_draft::acceptance_marginals", out);
    for (std::size_t y = 0; y < out.size(); ++y) out[y] = detail::real(rows_.p[y] < rows_.q[y] ? rows_.p[y] : rows_.q[y]);
  }
  [[nodiscard]] double acceptance_rate() const {
    rows_.check_prepared("gavel::speculative::single_draft::acceptance_rate");
    return kernels::overlap(rows_.p.data(), rows_.q.data(), rows_.p.size());
  }

  [[nodiscard]] static constexpr std::size_t max_uniforms() noexcept { return 2; }

 private:
  using rows = detail::prepared_rows<T>;
  static constexpr const char* prepare_name = "gavel::speculative::single_draft::prepare";

  struct rule : detail::tests_in_draft_order {
    rule(const rows& r, std::span<const token_id> d) : prepared(r), drafts(d) {}
    const rows& prepared;
    std::span<const token_id> drafts;

    [[nodiscard]] double test(std::size_t k) const {
      const token_id x = drafts[k];
      return detail::share(detail::real(prepared.p[x]), detail::real(prepared.q[x]));
    }
    [[nodiscard]] detail::residual_weights<T> residual() const { return {prepared.p, prepared.q}; }
  };

  static void check_one(std::size_t n) {
    if (n != 1) refuse(prepare_name, "n", n, "must be 1");
  }

  rows rows_;
};

}  // namespace gavel::speculative
