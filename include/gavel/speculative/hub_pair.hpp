// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/kernels/top_k.hpp>
#include <gavel/speculative/detail/verification.hpp>

#include <cstddef>
#include <span>

/// @file
/// SpecHub: pairs of drafts that share one likely token.

namespace gavel::speculative {

/// Two tokens were drafted, one of them always the most probable token a of q: emit one of them or another token, so that the output
/// follows p exactly and the pair is rejected as rarely as possible.
///
/// Drafts: (i, a) with probability Q_1(i) = q_i, (a, i) with Q_2(i) = q_a q_i / (1 - q_a), i != a; ties for a go to the lowest id. Token
/// i is served first, from both of its pairs: m_1 = min(p_i, Q_1(i)), m_2 = min(p_i - m_1, Q_2(i)). What is left of the pairs,
/// r_1 = sum (Q_1 - m_1) and r_2 = sum (Q_2 - m_2), serves a: g_2 = min(p_a, r_2), g_1 = min(p_a - g_2, r_1). Within a pair i is accepted
/// with probability m / Q, else a with g / r. Residual: norm((p - q / (1 - q_a))+) without a. A_i = min(p_i, q_i / (1 - q_a)),
/// A_a = g_1 + g_2: the optimum of this draft law.
///
/// @tparam T scalar of the rows, float or double; the law is exact up to rounding in T, about 1e-7 for float and 1e-15 for double
/// @par Source
/// Sun, Zhou, Chen, Sun, "SpecHub: provable acceleration to multi-draft speculative decoding", 2024, arXiv 2411.05289; here without the
/// thresholds that public implementations need.
template <class T = float>
class hub_pair : detail::drafts_first {
 public:
  using scalar = T;
  using detail::drafts_first::verify;
  static constexpr draft_law law = draft_law::hub_pair;

  /// The calls of the concept `verifier`, with n = 2 and at least two tokens with q > 0. One of the drafts is argmax q.
  /// @note Cost of `verify`: O(1) if i is accepted and q_a <= 1/2, else up to three passes over the rows, most of them once per prepared
  ///       pair. Allocates once.
  void prepare(kept_view<const T> p, kept_view<const T> q, std::size_t n) {
    rows::check(prepare_name, law, p, q, n);
    adopt(p, q, n);
    find_hub();
  }
  /// Without reading the rows: `verify` then takes the more probable of the two drafts for a.
  void prepare(kept_view<const T> p, kept_view<const T> q, std::size_t n, trusted_t) {
    rows::check(prepare_name, law, p, q, n, trusted);
    adopt(p, q, n);
  }

  template <random_bits G>
  [[nodiscard]] verdict verify(vector_view<const token_id> drafts, G& rng) {
    check_drafts("gavel::speculative::hub_pair::verify", drafts);
    return detail::decide(rule{*this, drafts}, drafts, rng);
  }

  void conditional_law(vector_view<const token_id> drafts, std::span<double> acceptance, std::span<double> residual) {
    check_drafts("gavel::speculative::hub_pair::conditional_law", drafts);
    rows_.check_outputs("gavel::speculative::hub_pair::conditional_law", acceptance, residual);
    detail::describe(rule{*this, drafts}, acceptance, residual);
  }

  void acceptance_marginals(std::span<double> out) {
    rows_.check_marginals("gavel::speculative::hub_pair::acceptance_marginals", out);
    if (!has_hub_) find_hub();
    rows_.last_draft_marginals(rest_mass(), out);
    const leftovers& left = leftover();
    out[hub_.ids()[0]] = left.hub_accepted_second + left.hub_accepted_first;
  }
  [[nodiscard]] double acceptance_rate() {
    rows_.check_prepared("gavel::speculative::hub_pair::acceptance_rate");
    if (!has_hub_) find_hub();
    const double rest = rest_mass();
    const double others = detail::overlap_outside(rows_.p, rows_.draft(), 1.0 / rest, hub_.ids());
    const leftovers& left = leftover();
    return others + left.hub_accepted_second + left.hub_accepted_first;
  }

  [[nodiscard]] static constexpr std::size_t max_uniforms() noexcept { return 2; }

 private:
  using rows = detail::prepared_rows<T>;
  static constexpr const char* prepare_name = "gavel::speculative::hub_pair::prepare";

  // What the pairs have left for the hub after the other tokens are served. "First": pairs (i, a), "second": pairs (a, i).
  struct leftovers {
    double first = 0.0;                // r_1
    double second = 0.0;               // r_2
    double hub_accepted_second = 0.0;  // g_2
    double hub_accepted_first = 0.0;   // g_1
    bool known = false;
  };

  struct rule {
    rule(hub_pair& v, std::span<const token_id> d) : owner(v), drafts(d) { hub_index = owner.hub_position(drafts); }
    hub_pair& owner;
    std::span<const token_id> drafts;
    std::size_t hub_index = 0;

    // Tests the other token before the hub.
    [[nodiscard]] std::size_t index(std::size_t k) const noexcept { return k == 0 ? 1 - hub_index : hub_index; }

    [[nodiscard]] double test(std::size_t k) {
      if (k == 1) {
        const leftovers& left = owner.leftover();
        return hub_index == 1 ? detail::share(left.hub_accepted_first, left.first) : detail::share(left.hub_accepted_second, left.second);
      }
      const token_id other = drafts[index(0)];
      const double p = detail::real(owner.rows_.p[other]);
      const double q = detail::real(owner.rows_.q[other]);
      if (hub_index == 1) return detail::share(p, q);
      // (p - q) / (q_a q / rest) as one quotient, which stays finite for tiny q
      return detail::share(detail::positive_part(p, q, 1.0) * owner.rest_mass(), detail::real(owner.rows_.q[drafts[hub_index]]) * q);
    }

    [[nodiscard]] detail::residual_weights<T> residual() {
      const double rest = owner.rest_mass();
      return {owner.rows_.p, owner.rows_.draft(), 1.0 / rest, 0.0, owner.hub_.ids()};
    }
  };

  void check_drafts(const char* function, std::span<const token_id> drafts) const {
    rows_.check_drafts(function, law, drafts);
    if (has_hub_ && drafts[0] != hub_.ids()[0] && drafts[1] != hub_.ids()[0]) {
      refuse(function, "drafts", {}, "must contain the most probable token of q,", hub_.ids()[0]);
    }
  }

  void adopt(std::span<const T> p, std::span<const T> q, std::size_t n) {
    hub_.reserve(1);
    rows_ = {p, q, n};
    has_hub_ = false;
    rest_ = -1.0;
    left_ = {};
  }

  void find_hub() { set_hub(static_cast<token_id>(kernels::argmax(rows_.q.data(), rows_.q.size()))); }

  void set_hub(token_id hub) {
    hub_.clear();
    hub_.insert(hub);
    has_hub_ = true;
  }

  [[nodiscard]] std::size_t hub_position(std::span<const token_id> drafts) {
    if (!has_hub_) {
      const T first = rows_.q[drafts[0]];
      const T second = rows_.q[drafts[1]];
      set_hub(first > second || (first == second && drafts[0] < drafts[1]) ? drafts[0] : drafts[1]);
    }
    return drafts[0] == hub_.ids()[0] ? 0 : 1;
  }

  // 1 - q_a
  double rest_mass() {
    if (rest_ < 0.0) rest_ = rows_.mass_outside(hub_.ids());
    return rest_;
  }

  // With s = 1 / (1 - q_a) and i != a: Q_1 + Q_2 = s q, so r_1 = sum (q - p)+ and r_1 + r_2 = sum (s q - p)+ = s sum (q - p / s)+.
  const leftovers& leftover() {
    if (!left_.known) {
      const double rest = rest_mass();
      const double first = detail::residual_weights<T>{rows_.draft(), rows_.p, 1.0, 0.0, hub_.ids()}.sum();
      const double both = detail::residual_weights<T>{rows_.draft(), rows_.p, rest, 0.0, hub_.ids()}.sum() / rest;
      const double second = both > first ? both - first : 0.0;
      const double hub = detail::real(rows_.p[hub_.ids()[0]]);
      const double accepted_second = hub < second ? hub : second;
      const double wanted = hub - accepted_second;
      left_ = {first, second, accepted_second, wanted < first ? wanted : first, true};
    }
    return left_;
  }

  rows rows_;
  detail::sorted_tokens hub_;
  bool has_hub_ = false;
  double rest_ = -1.0;
  leftovers left_;
};

}  // namespace gavel::speculative
