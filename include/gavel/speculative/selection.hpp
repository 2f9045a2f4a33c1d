// SPDX-License-Identifier: MIT
#pragma once

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

/// How far the fit of an optimal verifier came.
enum class fit_status {
  optimal,         ///< the gap to the optimum is within the tolerance
  above_tolerance  ///< it is not: acceptance is lost, exactness is not
};

/// Result of fitting an optimal verifier.
struct fit_result {
  double acceptance_rate = 0.0;  ///< of the weights found, exact
  double optimum = 0.0;          ///< the highest rate of any verifier for this draft law
  double gap = 0.0;              ///< optimum - acceptance_rate, 0 where rounding makes it negative
  std::size_t iterations = 0;    ///< evaluations of the marginals of one side of the minimising set, both sides together
  std::size_t groups = 0;        ///< distinct weights
  fit_status status = fit_status::optimal;
};

namespace detail {

inline void check_fit_options(const char* function, double tolerance, std::size_t max_iterations) {
  if (!(tolerance > 0.0) || std::isinf(tolerance)) invalid_argument(function, "options.tolerance", tolerance, "must be > 0 and finite");
  if (max_iterations < 1) invalid_argument(function, "options.max_iterations", max_iterations, "must be >= 1");
}

[[nodiscard]] inline fit_result make_fit_result(double rate, double optimum, double tolerance, std::size_t iterations, std::size_t groups) {
  fit_result result{rate, optimum, optimum > rate ? optimum - rate : 0.0, iterations, groups, fit_status::optimal};
  if (result.gap > tolerance) result.status = fit_status::above_tolerance;
  return result;
}

/// Largest number of i.i.d. drafts of a weighted choice: `exact_step` is tested up to it.
inline constexpr std::size_t max_weighted_iid_drafts = 32;

/// Spacing of the nodes at which the marginals for n i.i.d. drafts are exact to about 1e-14 relative.
[[nodiscard]] constexpr double exact_step(std::size_t n) noexcept { return n <= 4 ? 0.22 : n <= 8 ? 0.2 : n <= 16 ? 0.17 : 0.15; }

}  // namespace detail

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
/// @throws std::domain_error if q is not a distribution or a weight that is needed is not a positive finite number;
///         std::invalid_argument for empty rows, different sizes, another law, a bad n, or weights that span more than 1e30
/// @note Cost: V x nodes exponentials i.i.d.; V n nodes^2 multiply-adds without replacement. Allocates workspace. No randomness.
/// @par Source This library's; the i.i.d. rule is a case of the canonical decomposition of Khisti et al., 2024, arXiv 2410.18234.
template <dense_vector Q>
  requires std::floating_point<scalar_of<Q>>
void selection_marginals(const Q& q, vector_view<const double> weights, draft_law law, std::size_t n, std::span<double> out) {
  constexpr const char* function = "gavel::speculative::selection_marginals";
  const std::span<const scalar_of<Q>> draft = as_span(q);
  check_distribution(function, "q", draft);
  if (weights.size() != draft.size()) invalid_argument(function, "weights.size()", weights.size(), "must equal q.size() =", draft.size());
  if (out.size() != draft.size()) invalid_argument(function, "out.size()", out.size(), "must equal q.size() =", draft.size());
  const bool iid = law == draft_law::iid;
  if (!iid && law != draft_law::without_replacement) {
    invalid_argument(function, "law", static_cast<int>(law), "must be iid or without_replacement");
  }
  const std::size_t most = iid ? detail::max_weighted_iid_drafts : detail::max_clock_drafts;
  if (n < 1) invalid_argument(function, "n", n, "must be >= 1");
  if (n > most) invalid_argument(function, "n", n, "must be <=", most);

  std::vector<double> masses;
  std::vector<double> picked_weights;
  double sum = 0.0;
  double smallest = HUGE_VAL;
  double largest = 0.0;
  for (std::size_t y = 0; y < draft.size(); ++y) {
    if (!detail::drawable(draft[y])) continue;
    const double w = weights[y];
    if (!(w > 0.0) || std::isinf(w)) domain_error_at(function, "weights", y, w, "must be > 0 and finite where q > 0");
    smallest = w < smallest ? w : smallest;
    largest = w > largest ? w : largest;
    masses.push_back(detail::real(draft[y]));
    picked_weights.push_back(w);
    sum += masses.back();
  }
  if (!(largest / smallest <= 1e30)) invalid_argument(function, "largest / smallest weight", largest / smallest, "must be <=", 1e30);
  if (!iid && n > masses.size()) detail::refuse_draft_count(function, n, masses.size());
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
  for (std::size_t y = 0, k = 0; y < draft.size(); ++y) {
    out[y] = 0.0;
    if (!detail::drawable(draft[y])) continue;
    out[y] = iid ? masses[k] * picked[k] : picked[k];
    ++k;
  }
}

/// sum_y min(p_y, A_y): how often the picked draft is accepted when it is thinned with probability min(1, p_y / A_y).
/// @param p [V] target probabilities @param marginals [V] A from `selection_marginals`
/// @throws std::domain_error if either is not a distribution, std::invalid_argument if the sizes differ
template <dense_vector P>
  requires std::floating_point<scalar_of<P>>
[[nodiscard]] double thinned_acceptance_rate(const P& p, vector_view<const double> marginals) {
  constexpr const char* function = "gavel::speculative::thinned_acceptance_rate";
  check_distribution(function, "p", as_span(p));
  check_distribution(function, "marginals", marginals);
  if (marginals.size() != as_span(p).size()) {
    invalid_argument(function, "marginals.size()", marginals.size(), "must equal p.size() =", as_span(p).size());
  }
  double rate = 0.0;
  for (std::size_t y = 0; y < marginals.size(); ++y) {
    const double target = detail::real(as_span(p)[y]);
    rate += target < marginals[y] ? target : marginals[y];
  }
  return rate;
}

/// norm((p - A)+): the law of the token when the picked draft is not accepted. p where nothing is left, as for A = p.
/// @param p,marginals as for `thinned_acceptance_rate`, errors alike @param out [V]
template <dense_vector P>
  requires std::floating_point<scalar_of<P>>
void thinned_residual(const P& p, vector_view<const double> marginals, std::span<double> out) {
  constexpr const char* function = "gavel::speculative::thinned_residual";
  const std::span<const scalar_of<P>> target = as_span(p);
  check_distribution(function, "p", target);
  check_distribution(function, "marginals", marginals);
  if (marginals.size() != target.size()) {
    invalid_argument(function, "marginals.size()", marginals.size(), "must equal p.size() =", target.size());
  }
  if (out.size() != target.size()) invalid_argument(function, "out.size()", out.size(), "must equal p.size() =", target.size());
  double total = 0.0;
  for (std::size_t y = 0; y < out.size(); ++y) {
    const double left = detail::real(target[y]) - marginals[y];
    total += out[y] = left > 0.0 ? left : 0.0;
  }
  if (!(total > 0.0)) {
    for (std::size_t y = 0; y < out.size(); ++y) total += out[y] = detail::real(target[y]);
  }
  for (double& value : out) value /= total;
}

}  // namespace gavel::speculative
