// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/simplex.hpp>
#include <gavel/core/views.hpp>
#include <gavel/speculative/detail/iid_selection.hpp>
#include <gavel/speculative/detail/rows.hpp>
#include <gavel/speculative/detail/set_selection.hpp>
#include <gavel/speculative/detail/top_set.hpp>
#include <gavel/speculative/verifier.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

/// @file
/// Select, then thin: pick one of n drafts with probability proportional to a weight of its token, then accept it as often as its marginal
/// allows. Exact for any weights; the optimal verifiers are this rule with fitted ones. Here are its closed forms for weights of your own.

namespace gavel::speculative {

/// The probability A_y that y is picked when n drafts are drawn from q and draft i is picked with probability w(x_i) / sum_j w(x_j); a
/// token drafted twice counts twice.
///
///     i.i.d.:  A_y = q_y n int_0^inf w_y exp(-s w_y) L(s)^(n-1) ds,     L(s) = sum_x q_x exp(-s w_x);
///     without replacement: two integrals, see `optimal_without_replacement`.
///
/// @param q [V] draft probabilities, divided by their sum
/// @param weights [V] finite and > 0 wherever q > 0; their common scale does not matter, the largest may be up to 1e30 times the smallest
/// @param law `iid` or `without_replacement`
/// @param n number of drafts: in [1, 32] i.i.d.; in [1, 16] and at most the number of tokens with q > 0 without replacement
/// @param out [V] receives A; sums to one. Absolute error about 1e-15, relative 1e-13
/// @throws std::domain_error if q is not a distribution or a weight that is needed is NaN; std::invalid_argument for empty rows, different
///         sizes, another law, a bad n, a weight out of range, or weights that span more than 1e30; `out` is untouched then
/// @note Cost: V x nodes exponentials i.i.d.; V n nodes^2 multiply-adds without replacement. Allocates workspace. No randomness.
/// @par Source
/// This library's; the i.i.d. rule is a case of the canonical decomposition of Khisti et al., 2024, arXiv 2410.18234.
template <dense_vector Q>
  requires std::floating_point<scalar_of<Q>>
void selection_marginals(const Q& q, vector_view<const double> weights, draft_law law, std::size_t n, std::span<double> out) {
  constexpr const char* function = "gavel::speculative::selection_marginals";
  const std::span<const scalar_of<Q>> row = as_span(q);
  check_distribution(function, "q", row);
  check_size(function, "weights.size()", weights.size(), "q.size()", row.size());
  check_size(function, "out.size()", out.size(), "q.size()", row.size());
  const bool iid = law == draft_law::iid;
  if (!iid && law != draft_law::without_replacement) refuse(function, "law", static_cast<int>(law), "must be iid or without_replacement");
  check_at_least(function, "n", n, 1);
  check_at_most(function, "n", n, iid ? detail::max_weighted_iid_drafts : detail::max_clock_drafts);

  std::vector<double> masses;
  std::vector<double> picked_weights;
  double sum = 0.0;
  double smallest = HUGE_VAL;
  double largest = 0.0;
  for (std::size_t y = 0; y < row.size(); ++y) {
    if (!detail::drawable(row[y])) continue;
    const double w = weights[y];
    check_positive(function, "weights", w, y);
    smallest = w < smallest ? w : smallest;
    largest = w > largest ? w : largest;
    masses.push_back(detail::real(row[y]));
    picked_weights.push_back(w);
    sum += masses.back();
  }
  check_at_most(function, "largest / smallest weight", largest / smallest, 1e30);
  if (!iid) detail::check_support<scalar_of<Q>>(function, masses.size(), n);
  for (double& mass : masses) mass /= sum;
  for (double& w : picked_weights) w /= largest;

  std::span<const double> picked;
  detail::iid_selection one;
  detail::set_clock clock;
  detail::set_selection many;
  if (iid) {
    one.evaluate(masses, picked_weights, 0.0, n, detail::exact_step(n), false);
    picked = one.phi();
  } else {
    std::vector<double> ascending;
    clock.build(masses, {}, 0.0, n, detail::last_ring(n, detail::mass_outside_top(masses, n - 1, ascending)), detail::clock_step(n));
    many.evaluate(clock, picked_weights, 0.25);
    picked = many.picked();
  }
  for (std::size_t y = 0, k = 0; y < row.size(); ++y) {
    out[y] = 0.0;
    if (!detail::drawable(row[y])) continue;
    out[y] = iid ? masses[k] * picked[k] : picked[k];
    ++k;
  }
}

namespace detail {

template <class T>
inline void check_marginals(const char* function, std::span<const T> p, vector_view<const double> marginals) {
  check_distribution(function, "p", p);
  check_distribution(function, "marginals", marginals);
  check_size(function, "marginals.size()", marginals.size(), "p.size()", p.size());
}

}  // namespace detail

/// sum_y min(p_y, A_y): how often the picked draft is accepted when it is thinned with probability min(1, p_y / A_y).
/// @param p [V] target probabilities
/// @param marginals [V] A from `selection_marginals`
/// @throws std::domain_error if either is not a distribution, std::invalid_argument if the sizes differ
template <dense_vector P>
  requires std::floating_point<scalar_of<P>>
[[nodiscard]] double thinned_acceptance_rate(const P& p, vector_view<const double> marginals) {
  const std::span<const scalar_of<P>> row = as_span(p);
  detail::check_marginals("gavel::speculative::thinned_acceptance_rate", row, marginals);
  double rate = 0.0;
  for (std::size_t y = 0; y < marginals.size(); ++y) {
    const double target = detail::real(row[y]);
    rate += target < marginals[y] ? target : marginals[y];
  }
  return rate;
}

/// norm((p - A)+): the law of the token when the picked draft is not accepted. p where nothing is left, as for A = p.
/// @param p,marginals as for `thinned_acceptance_rate`, errors alike
/// @param out [V]
template <dense_vector P>
  requires std::floating_point<scalar_of<P>>
void thinned_residual(const P& p, vector_view<const double> marginals, std::span<double> out) {
  constexpr const char* function = "gavel::speculative::thinned_residual";
  const std::span<const scalar_of<P>> row = as_span(p);
  detail::check_marginals(function, row, marginals);
  check_size(function, "out.size()", out.size(), "p.size()", row.size());
  double total = 0.0;
  for (std::size_t y = 0; y < out.size(); ++y) {
    const double left = detail::real(row[y]) - marginals[y];
    total += out[y] = left > 0.0 ? left : 0.0;
  }
  if (!(total > 0.0)) {
    for (std::size_t y = 0; y < out.size(); ++y) total += out[y] = detail::real(row[y]);
  }
  for (double& value : out) value /= total;
}

}  // namespace gavel::speculative
