// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/views.hpp>
#include <gavel/kernels/top_k.hpp>
#include <gavel/speculative/detail/exponential_clock.hpp>
#include <gavel/speculative/detail/prefix_scan.hpp>
#include <gavel/speculative/detail/ratio_histogram.hpp>
#include <gavel/speculative/detail/top_set.hpp>
#include <gavel/speculative/verifier.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

/// @file
/// How good can verification get? For a target row p and n drafts drawn from q by a given law, no verifier whose output is exactly p
/// accepts a draft more often than
///
///     alpha* = 1 + min over sets H of [ P(H) - Q(H) ],     P(H) = sum_{x in H} p_x,   Q(H) = Pr(every draft lies in H).
///
/// The minimizing H names the tokens where acceptance is lost: the drafts fall into H more often than the target does. It is a prefix of
/// the tokens in ascending order of p/q (after the tokens that a law drafts always), so one threshold describes it.
///
/// @par Source
/// Zhengmian Hu et al. (2025), "Towards Optimal Multi-draft Speculative Decoding", arXiv 2502.18779: the dual problem and the prefix
/// property. Drafts without replacement go through exponential clocks instead (detail/exponential_clock.hpp).

namespace gavel::speculative {

/// The optimal acceptance rate and the set that proves it.
struct optimal_acceptance_result {
  double acceptance_rate = 0.0;  ///< alpha* = 1 + target_mass - all_inside, in [0, 1]
  double target_mass = 0.0;      ///< P(H)
  double draft_mass = 0.0;       ///< q(H)
  double all_inside = 0.0;       ///< Q(H): probability that every draft lies in H

  // H = the n_always most probable draft tokens and every token with q > 0 and p / q <= ratio_threshold.
  double ratio_threshold = -1.0;  ///< negative: no token enters by its ratio
  std::size_t n_always = 0;       ///< greedy: n - 1, hub_pair: 1, top_n: n, others 0; 0 as well if H is empty (alpha* = 1)
};

/// Solves for many rows with one workspace: after the largest problem has been seen, no call allocates.
///
/// Every `solve` takes rows p and q of one floating type (float or double), each summing to 1 within 1e-6 and then divided by its sum.
/// Sums and results are double; alpha* is the exact minimum to about 1e-13.
/// @note Cost, V tokens: iid two streaming passes; without replacement one bucket pass plus quadrature for the few prefixes that can be
///       best; greedy, top_n and hub_pair a top-k and one pass. No randomness. A solver is a value; use one per thread.
class optimal_acceptance_solver {
 public:
  /// @param p [V] target distribution
  /// @param q [V] draft distribution
  /// @param law how the drafts are drawn
  /// @param n number of drafts: >= 1; without replacement <= 16; hub_pair exactly 2; all laws but iid: at most the number of tokens with
  ///        q > 0 (below 2^-1000 for double, 2^-100 for float counts as 0)
  /// @throws std::domain_error for a row with NaN, a negative number or a wrong sum
  /// @throws std::invalid_argument for empty rows, different sizes or a bad n
  template <dense_vector P, dense_vector Q>
    requires detail::row_scalars<scalar_of<P>, scalar_of<Q>>
  [[nodiscard]] optimal_acceptance_result solve(const P& p, const Q& q, draft_law law, std::size_t n) {
    constexpr const char* function = "gavel::speculative::optimal_acceptance";
    const std::span<const scalar_of<P>> target = as_span(p), draft = as_span(q);
    check_size(function, "q.size()", draft.size(), "p.size()", target.size());
    const double p_sum = detail::check_row(function, "p", target), q_sum = detail::check_row(function, "q", draft);
    return solve_checked(function, target, draft, p_sum, q_sum, law, n);
  }

  /// The same for a draft model with a reduced vocabulary: q lives on some token ids, all others have q = 0. Nothing is densified.
  /// @param p [V]
  /// @param ids [m] distinct token ids < V
  /// @param q [m] their draft probabilities
  /// @throws std::invalid_argument also for an id >= V or one that appears twice
  template <dense_vector P, dense_vector Q>
    requires detail::row_scalars<scalar_of<P>, scalar_of<Q>>
  [[nodiscard]] optimal_acceptance_result solve(const P& p, vector_view<const token_id> ids, const Q& q, draft_law law, std::size_t n) {
    using T = scalar_of<P>;
    constexpr const char* function = "gavel::speculative::optimal_acceptance";
    const std::span<const T> target = as_span(p), draft = as_span(q);
    check_size(function, "ids.size()", ids.size(), "q.size()", draft.size());
    const double p_sum = detail::check_row(function, "p", target), q_sum = detail::check_row(function, "q", draft);
    check_ids(function, ids, target.size());
    std::vector<T>& part = gathered<T>();
    part.resize(draft.size());
    for (std::size_t i = 0; i < draft.size(); ++i) part[i] = target[ids[i]];
    return solve_checked(function, std::span<const T>(part), draft, p_sum, q_sum, law, n);
  }

  /// alpha* of every row of a batch.
  /// @param target_rows,draft_rows [B, V]
  /// @param rates [B] receives alpha*, NaN for a row that `solve` would refuse (which then says why), so that it stops no other
  /// @throws std::invalid_argument for sizes, and an n that the law excludes for every row; `rates` is untouched then
  template <dense_matrix P, dense_matrix Q>
    requires detail::row_scalars<scalar_of<P>, scalar_of<Q>>
  void solve_rows(const P& target_rows, const Q& draft_rows, draft_law law, std::size_t n, std::span<double> rates) {
    using S = scalar_of<P>;
    constexpr const char* function = "gavel::speculative::optimal_acceptance";
    const matrix_view<const S> target(target_rows), draft(draft_rows);
    const std::size_t rows = target.rows();
    check_size(function, "draft_rows.rows()", draft.rows(), "target_rows.rows()", rows);
    check_size(function, "draft_rows.cols()", draft.cols(), "target_rows.cols()", target.cols());
    check_size(function, "rates.size()", rates.size(), "target_rows.rows()", rows);
    check_count(function, law, n);
    for (std::size_t r = 0; r < rows; ++r) {
      const std::span<const S> p = target.row(r), q = draft.row(r);
      double p_sum = 0.0, q_sum = 0.0;
      const bool good = detail::is_distribution(p, p_sum) && detail::is_distribution(q, q_sum) &&
                        (law == draft_law::iid || detail::support_up_to(n, q) == n);
      rates[r] = good ? solve_checked(function, p, q, p_sum, q_sum, law, n).acceptance_rate : std::numeric_limits<double>::quiet_NaN();
    }
  }

  /// Q(H): the probability that all n drafts lie in a set H of your choice, for example to see how much of a failing draft falls where.
  /// @param q [V] draft distribution
  /// @param member [V] nonzero: the token is in H
  /// @return to about 1e-14 absolute (iid: relative)
  /// @throws as `solve`
  template <dense_vector Q>
    requires std::floating_point<scalar_of<Q>>
  [[nodiscard]] double all_inside_probability(const Q& q, vector_view<const std::uint8_t> member, draft_law law, std::size_t n) {
    using T = scalar_of<Q>;
    constexpr const char* function = "gavel::speculative::all_inside_probability";
    const std::span<const T> draft = as_span(q);
    check_size(function, "member.size()", member.size(), "q.size()", draft.size());
    const double q_sum = detail::check_row(function, "q", draft);
    check_count(function, law, draft, n);
    if (law == draft_law::without_replacement) return clock_probability(draft, member, q_sum, n);
    const detail::top_set always = detail::find_top_set(draft, always_drafted(law, n), ids_);
    double inside = 0.0, outside = 0.0;
    detail::top_set::reader is_top = always.read();
    for (std::size_t x = 0; x < draft.size(); ++x) {
      if (is_top(draft[x])) {
        if (member[x] == 0) return 0.0;
      } else {
        (member[x] != 0 ? inside : outside) += detail::real(draft[x]);
      }
    }
    if (law == draft_law::top_n || outside == 0.0) return 1.0;
    if (law != draft_law::iid) return inside / (inside + outside);
    return std::exp(static_cast<double>(n) * std::log1p(-outside / (inside + outside)));
  }

 private:
  void check_ids(const char* function, vector_view<const token_id> ids, std::size_t vocabulary) {
    seen_.assign((vocabulary + 63) / 64, 0);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      check_index(function, "ids", ids[i], "vocabulary size", vocabulary, i);
      std::uint64_t& word = seen_[ids[i] / 64];
      const std::uint64_t bit = std::uint64_t{1} << (ids[i] % 64);
      if ((word & bit) != 0) detail::refuse_repeated(function, "ids", ids[i], i);
      word |= bit;
    }
  }

  static void check_count(const char* function, draft_law law, std::size_t n) {
    detail::check_draft_count(function, law, n);
    if (law == draft_law::without_replacement) check_at_most(function, "n", n, detail::exponential_clock::max_drafts);
  }
  template <class T>
  static void check_count(const char* function, draft_law law, std::span<const T> q, std::size_t n) {
    detail::check_draft_count(function, law, q, n);
    check_count(function, law, n);
  }

  // How many of the most probable tokens every tuple of the law contains.
  [[nodiscard]] static std::size_t always_drafted(draft_law law, std::size_t n) noexcept {
    switch (law) {
      case draft_law::greedy: return n - 1;
      case draft_law::top_n: return n;
      case draft_law::hub_pair: return 1;
      default: return 0;
    }
  }

  template <class T>
  [[nodiscard]] std::vector<T>& gathered() noexcept {
    if constexpr (std::same_as<T, float>) return gathered_float_;
    else return gathered_double_;
  }

  [[nodiscard]] static optimal_acceptance_result make_result(const detail::prefix& best, std::size_t n_always) noexcept {
    optimal_acceptance_result result;
    const double rate = best.value;
    result.acceptance_rate = rate < 1.0 ? (rate > 0.0 ? rate : 0.0) : 1.0;
    if (!(rate < 1.0)) return result;  // H is empty
    result.target_mass = best.target_mass;
    result.draft_mass = 1.0 - best.outside;
    result.all_inside = 1.0 - best.escape;
    result.ratio_threshold = best.threshold;
    result.n_always = n_always;
    return result;
  }

  template <class T>
  [[nodiscard]] optimal_acceptance_result solve_checked(const char* function, std::span<const T> p, std::span<const T> q, double p_sum,
                                                        double q_sum, draft_law law, std::size_t n) {
    check_count(function, law, q, n);
    // One draft without replacement is an independent one.
    if (law == draft_law::iid || (law == draft_law::without_replacement && n == 1)) {
      return make_result(histogram_.search(p, q, p_sum, q_sum, n), 0);
    }
    if (law == draft_law::without_replacement) return make_result(clock_search(p, q, p_sum, q_sum, n), 0);
    const std::size_t n_always = always_drafted(law, n);
    return make_result(top_search(p, q, p_sum, q_sum, law, n_always), n_always);
  }

  // greedy and hub_pair: Q(H) = q(H without the top) / q(all but the top) if the top is inside, else 0. H takes every other token whose p
  // is below its share of the last draft. top_n: the tuple is fixed.
  template <class T>
  [[nodiscard]] detail::prefix top_search(std::span<const T> p, std::span<const T> q, double p_sum, double q_sum, draft_law law,
                                          std::size_t n_always) {
    const detail::top_set always = detail::find_top_set(q, n_always, ids_);
    const double rest = always.mass_outside(q);
    const double threshold = law == draft_law::top_n ? -1.0 : p_sum / rest;
    double p_top = 0.0, p_inside = 0.0, q_outside = 0.0;
    detail::top_set::reader is_top = always.read();
    for (std::size_t x = 0; x < q.size(); ++x) {
      const double px = detail::real(p[x]), qx = detail::real(q[x]);
      if (is_top(q[x])) {
        p_top += px;
      } else if (qx > 0.0 && px / qx <= threshold) {
        p_inside += px;
      } else {
        q_outside += qx;
      }
    }
    detail::prefix best;
    best.target_mass = (p_top + p_inside) / p_sum;
    best.escape = law == draft_law::top_n ? 0.0 : q_outside / rest;
    best.value = best.target_mass + best.escape;
    best.outside = q_outside / q_sum;
    best.threshold = threshold;
    return best;
  }

  // The light and heavy tokens of a clock whose nodes suit q.
  template <class T, class Ratio>
  void load_clock(std::span<const T> q, double q_sum, std::size_t n, Ratio&& token_of) {
    const detail::top_set head = detail::find_top_set(q, n - 1, ids_);
    clock_.prepare(n, head.mass_outside(q) / q_sum);
    light_.clear();
    heavy_.clear();
    for (std::size_t x = 0; x < q.size(); ++x) {
      if (!detail::drawable(q[x])) continue;
      const double share = detail::real(q[x]) / q_sum;
      (clock_.is_heavy(share) ? heavy_ : light_).push_back(token_of(x, share));
    }
  }

  template <class T>
  [[nodiscard]] detail::prefix clock_search(std::span<const T> p, std::span<const T> q, double p_sum, double q_sum, std::size_t n) {
    load_clock(q, q_sum, n, [&](std::size_t x, double share) {
      return detail::ratio_token{detail::real(p[x]) / detail::real(q[x]), detail::real(p[x]) / p_sum, share};
    });
    detail::sort_by_ratio(heavy_);
    clock_.reset(detail::sum_masses(light_).q, detail::sum_masses(heavy_).q);
    clock_scan_.begin(clock_, q_sum / p_sum, heavy_);
    detail::prefix best;
    clock_scan_.search({light_, 0, heavy_.size(), 0.0, 0.0, 0.0}, best);
    return best;
  }

  template <class T>
  [[nodiscard]] double clock_probability(std::span<const T> q, vector_view<const std::uint8_t> member, double q_sum, std::size_t n) {
    // The ratio serves as the flag here: 0 inside, 1 outside.
    load_clock(q, q_sum, n, [&](std::size_t x, double share) { return detail::ratio_token{member[x] != 0 ? 0.0 : 1.0, 0.0, share}; });
    clock_.reset(detail::sum_masses(light_).q, detail::sum_masses(heavy_).q);
    compensated_sum outside_light;
    double outside_heavy = 0.0;
    std::size_t kept = 0;
    for (const detail::ratio_token& token : light_) {
      if (token.ratio > 0.0) outside_light += token.q;
      else light_[kept++] = token;
    }
    detail::exponential_clock::block inside;
    clock_.measure(std::span<const detail::ratio_token>(light_).first(kept), inside);
    clock_.include(inside);
    for (const detail::ratio_token& token : heavy_) {
      if (token.ratio > 0.0) outside_heavy += token.q;
    }
    for (const detail::ratio_token& token : heavy_) {
      if (token.ratio == 0.0) clock_.include_heavy(token, outside_heavy);
    }
    return 1.0 - clock_.escape(0.0, outside_light.value() + outside_heavy);
  }

  detail::ratio_histogram histogram_;
  detail::exponential_clock clock_;
  detail::prefix_scan<detail::exponential_clock> clock_scan_;
  std::vector<detail::ratio_token> light_, heavy_;
  std::vector<token_id> ids_;
  std::vector<std::uint64_t> seen_;
  std::vector<float> gathered_float_;
  std::vector<double> gathered_double_;
};

/// One-shot form of `optimal_acceptance_solver::solve`; allocates its workspace.
///
///     const double best = gavel::speculative::optimal_acceptance(p, q, gavel::speculative::draft_law::iid, 4).acceptance_rate;
template <dense_vector P, dense_vector Q>
  requires detail::row_scalars<scalar_of<P>, scalar_of<Q>>
[[nodiscard]] optimal_acceptance_result optimal_acceptance(const P& p, const Q& q, draft_law law, std::size_t n) {
  return optimal_acceptance_solver().solve(p, q, law, n);
}

/// One-shot form for a reduced draft vocabulary.
template <dense_vector P, dense_vector Q>
  requires detail::row_scalars<scalar_of<P>, scalar_of<Q>>
[[nodiscard]] optimal_acceptance_result optimal_acceptance(const P& p, vector_view<const token_id> ids, const Q& q, draft_law law,
                                                           std::size_t n) {
  return optimal_acceptance_solver().solve(p, ids, q, law, n);
}

/// One-shot form for a batch.
template <dense_matrix P, dense_matrix Q>
  requires detail::row_scalars<scalar_of<P>, scalar_of<Q>>
void optimal_acceptance(const P& target_rows, const Q& draft_rows, draft_law law, std::size_t n, std::span<double> rates) {
  optimal_acceptance_solver().solve_rows(target_rows, draft_rows, law, n, rates);
}

/// One-shot form of `optimal_acceptance_solver::all_inside_probability`.
template <dense_vector Q>
  requires std::floating_point<scalar_of<Q>>
[[nodiscard]] double all_inside_probability(const Q& q, vector_view<const std::uint8_t> member, draft_law law, std::size_t n) {
  return optimal_acceptance_solver().all_inside_probability(q, member, law, n);
}

/// Writes the minimizing set of a result.
/// @param p,q [V] the rows the result was computed from (reduced vocabulary: p at the ids, and q)
/// @param member [V] receives 1 for tokens of H, else 0
/// @throws std::invalid_argument if the sizes differ
/// @note O(V), or O(V log V) where some tokens are always drafted; allocates only in that case.
template <dense_vector P, dense_vector Q>
  requires detail::row_scalars<scalar_of<P>, scalar_of<Q>>
void fill_minimizing_set(const P& p, const Q& q, const optimal_acceptance_result& result, std::span<std::uint8_t> member) {
  constexpr const char* function = "gavel::speculative::fill_minimizing_set";
  const std::span<const scalar_of<P>> target = as_span(p), draft = as_span(q);
  check_size(function, "q.size()", draft.size(), "p.size()", target.size());
  check_size(function, "member.size()", member.size(), "p.size()", target.size());
  check_at_most(function, "result.n_always", result.n_always, "q.size()", draft.size());
  std::vector<token_id> ids;
  const detail::top_set always = detail::find_top_set(draft, result.n_always, ids);
  detail::top_set::reader is_top = always.read();
  for (std::size_t x = 0; x < draft.size(); ++x) {
    const double px = detail::real(target[x]), qx = detail::real(draft[x]);
    const bool top = is_top(draft[x]);
    member[x] = top || (qx > 0.0 && px / qx <= result.ratio_threshold) ? 1 : 0;
  }
}

}  // namespace gavel::speculative
