// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/kernels/top_k.hpp>
#include <gavel/speculative/detail/verification.hpp>

#include <cstddef>
#include <span>
#include <vector>

/// @file
/// Drafts that are the most probable tokens but for the last one, and the verifier that is optimal for them.

namespace gavel::speculative {

/// The n - 1 most probable tokens of q were drafted and one token from the rest of q: emit one of them or another token, so that the
/// output follows p exactly and the drafts are rejected as rarely as possible.
///
/// With T the top tokens and q' = norm(q outside T), the last draft x is accepted with probability min(1, p_x / q'_x); on rejection
/// y ~ norm((p - q')+) is drawn, and counts as an accepted draft if it lies in T. So A_y = p_y on T and min(p_y, q'_y) elsewhere,
/// acceptance rate P(T) + sum_{y not in T} min(p_y, q'_y): the optimum of this draft law. Any fixed choice of T keeps the law exact.
///
/// @tparam T scalar of the rows, float or double; the law is exact up to rounding in T, about 1e-7 for float and 1e-15 for double
/// @par Source
/// Hu, Zheng, Viswanathan, Chen, Rossi, Wu, Manocha, Huang, "Towards optimal multi-draft speculative decoding", 2025, arXiv 2502.18779
/// (greedy draft sampling and its verification).
template <class T = float>
class greedy_drafts : detail::drafts_first {
 public:
  using scalar = T;
  using detail::drafts_first::verify;
  static constexpr draft_law law = draft_law::greedy;

  /// The calls of the concept `verifier`. The first n - 1 drafts are the most probable tokens in any order (ties as they were broken by
  /// whoever drafted, always in the same way), the last one is the sampled one.
  /// @note Cost: `prepare` also searches the top tokens; `verify` O(n^2) if the last draft is accepted (and a pass over q if q(T) > 1/2),
  ///       else O(V).
  void prepare(kept_view<const T> p, kept_view<const T> q, std::size_t n) {
    rows::check(prepare_name, law, p, q, n);
    adopt(p, q, n);
    find_top();
    checks_top_ = true;
  }
  /// Without reading the rows: `verify` then takes the first n - 1 drafts for T whatever they are.
  void prepare(kept_view<const T> p, kept_view<const T> q, std::size_t n, trusted_t) {
    rows::check(prepare_name, law, p, q, n, trusted);
    adopt(p, q, n);
  }

  template <random_bits G>
  [[nodiscard]] verdict verify(vector_view<const token_id> drafts, G& rng) {
    check_drafts("gavel::speculative::greedy_drafts::verify", drafts);
    return detail::decide(rule{*this, drafts}, drafts, rng);
  }

  void conditional_law(vector_view<const token_id> drafts, std::span<double> acceptance, std::span<double> residual) {
    check_drafts("gavel::speculative::greedy_drafts::conditional_law", drafts);
    rows_.check_outputs("gavel::speculative::greedy_drafts::conditional_law", acceptance, residual);
    detail::describe(rule{*this, drafts}, acceptance, residual);
  }

  /// Ties for the top tokens go to the lower id.
  void acceptance_marginals(std::span<double> out) {
    rows_.check_marginals("gavel::speculative::greedy_drafts::acceptance_marginals", out);
    find_top();
    rows_.last_draft_marginals(rows_.mass_outside(top_.ids()), out);
    for (const token_id x : top_.ids()) out[x] = detail::real(rows_.p[x]);
  }
  [[nodiscard]] double acceptance_rate() {
    rows_.check_prepared("gavel::speculative::greedy_drafts::acceptance_rate");
    find_top();
    const double rest = rows_.mass_outside(top_.ids());
    double rate = detail::overlap_outside(rows_.p, rows_.draft(), 1.0 / rest, top_.ids());
    for (const token_id x : top_.ids()) rate += detail::real(rows_.p[x]);
    return rate;
  }

  [[nodiscard]] static constexpr std::size_t max_uniforms() noexcept { return 2; }

 private:
  using rows = detail::prepared_rows<T>;
  static constexpr const char* prepare_name = "gavel::speculative::greedy_drafts::prepare";

  struct rule {
    rule(greedy_drafts& v, std::span<const token_id> d) : owner(v), drafts(d), top(d.first(d.size() - 1)) {
      owner.top_.assign(top);
      q_rest = owner.rows_.mass_outside(owner.top_.ids());
    }
    greedy_drafts& owner;
    std::span<const token_id> drafts;
    std::span<const token_id> top;
    double q_rest = 1.0;       // 1 - q(T)
    double outside_sum = 0.0;  // weight of the residual outside T

    // The sampled draft is tested first.
    [[nodiscard]] std::size_t index(std::size_t k) const noexcept { return k == 0 ? top.size() : k - 1; }

    // A top token's share of what is left of norm((p - q')+) after the top tokens before it.
    [[nodiscard]] double test(std::size_t k) {
      const token_id x = drafts[index(k)];
      const double p = detail::real(owner.rows_.p[x]);
      if (k == 0) return detail::share(p * q_rest, detail::real(owner.rows_.q[x]));
      if (k == 1) outside_sum = residual().sum();
      double left = outside_sum;
      for (std::size_t j = top.size(); j + 1 > k; --j) left += detail::real(owner.rows_.p[top[j - 1]]);
      return detail::share(p, left);
    }

    [[nodiscard]] detail::residual_weights<T> residual() const {
      return {owner.rows_.p, owner.rows_.draft(), 1.0 / q_rest, 0.0, owner.top_.ids()};
    }
  };

  void check_drafts(const char* function, std::span<const token_id> drafts) const {
    rows_.check_drafts(function, law, drafts);
    if (!checks_top_) return;
    for (std::size_t i = 0; i + 1 < drafts.size(); ++i) {
      if (rows_.q[drafts[i]] < least_top_) {
        refuse(function, "drafts", drafts[i], "must be one of the n - 1 most probable tokens of q", {}, i);
      }
    }
    if (drafts.size() > 1 && rows_.q[drafts.back()] > least_top_) {
      refuse(function, "drafts", drafts.back(), "must not be one of the n - 1 most probable tokens of q", {}, drafts.size() - 1);
    }
  }

  void adopt(std::span<const T> p, std::span<const T> q, std::size_t n) {
    top_.reserve(n);
    order_.reserve(n);
    rows_ = {p, q, n};
    least_top_ = T(0);
    known_top_ = false;
    checks_top_ = false;
  }

  // The top tokens in top_, and the smallest of their probabilities.
  void find_top() {
    if (!known_top_) {
      order_.resize(rows_.n - 1);
      if (!order_.empty()) {
        kernels::top_k(rows_.q.data(), rows_.q.size(), order_.size(), order_.data());
        least_top_ = rows_.q[order_.back()];
      }
      known_top_ = true;
    }
    top_.assign(order_);
  }

  rows rows_;
  detail::sorted_tokens top_;
  std::vector<token_id> order_;
  T least_top_ = T(0);
  bool known_top_ = false;
  bool checks_top_ = false;
};

}  // namespace gavel::speculative
