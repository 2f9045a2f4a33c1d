// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/reset_on_move.hpp>
#include <gavel/core/simplex.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/kernels/overlap.hpp>
#include <gavel/speculative/detail/residual_weights.hpp>
#include <gavel/speculative/detail/rows.hpp>
#include <gavel/speculative/detail/top_set.hpp>
#include <gavel/speculative/verifier.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

/// @file
/// What the verifiers of one position share. A verifier is a *rule* for given drafts: `test(k)` is the probability that the k-th test
/// accepts, given that the tests before it did not; `index(k)` is the draft it tests; `residual()` are the weights of the token that is
/// drawn when no test accepts. `decide` applies a rule with at most two uniforms and `describe` writes down its law; both walk through the
/// same `walk_tests` and the same `residual_weights`, so that an enumeration of `describe` is a statement about `decide`.
/// @par Source
/// Accept or draw from what is left: Leviathan, Kalman, Matias, 2022, arXiv 2211.17192. Each rule names its own source.

namespace gavel::speculative::detail {

/// @p part / @p whole as a probability: within [0, 1], and 0 for 0 / 0.
[[nodiscard]] constexpr double share(double part, double whole) noexcept {
  if (!(part > 0.0)) return 0.0;
  return part < whole ? part / whole : 1.0;
}

/// c with sum_{i<n} (1 - b)^i = c, so that 1 - (1 - b)^n = c b: without cancellation, and n for b = 0.
[[nodiscard]] inline double geometric_sum(double b, std::size_t n) noexcept {
  if (!(b > 0.0)) return static_cast<double>(n);
  return b < 1.0 ? -std::expm1(static_cast<double>(n) * std::log1p(-b)) / b : 1.0;
}

/// Ascending ids without repetition, in memory that is kept between positions.
class sorted_tokens {
 public:
  void reserve(std::size_t count) { ids_.reserve(count); }
  void clear() noexcept { ids_.clear(); }
  /// Inserts @p id unless it is there. O(size): meant for the few drafts of a position.
  void insert(token_id id) {
    std::size_t at = ids_.size();
    while (at > 0 && ids_[at - 1] > id) --at;
    if (at > 0 && ids_[at - 1] == id) return;
    ids_.insert(ids_.begin() + static_cast<std::ptrdiff_t>(at), id);
  }
  void assign(std::span<const token_id> ids) {
    clear();
    for (const token_id id : ids) insert(id);
  }
  [[nodiscard]] std::span<const token_id> ids() const noexcept { return ids_; }

 private:
  std::vector<token_id> ids_;
};

/// Mass of @p row outside the ascending @p tokens. While these hold no more than half of it, the difference from one is as good as the sum
/// and costs O(tokens); beyond, the rest is summed, because the difference would inherit the error of a row's sum many times enlarged.
template <class T>
[[nodiscard]] double mass_outside(std::span<const T> row, std::span<const token_id> tokens) {
  double inside = 0.0;
  for (const token_id x : tokens) inside += real(row[x]);
  return inside <= 0.5 ? 1.0 - inside : residual_weights<T>{row, row, 0.0, 0.0, tokens}.sum();
}

/// sum of min(p_y, c q_y) over the tokens outside the ascending @p tokens.
template <class T>
[[nodiscard]] double overlap_outside(std::span<const T> p, std::span<const T> q, double c, std::span<const token_id> tokens) {
  double total = 0.0;
  std::size_t begin = 0;
  for (std::size_t k = 0; k <= tokens.size(); ++k) {
    const std::size_t end = k < tokens.size() ? std::size_t{tokens[k]} : p.size();
    if (end > begin) total += kernels::overlap(p.data() + begin, q.data() + begin, end - begin, c);
    begin = end + 1;
  }
  return total;
}

// --------------------------------------------------------------------------------------------------------------- borrowed rows

/// Refuses drafts that the law cannot have drawn; `can_be_drawn(token)` tells whether a token of the vocabulary has a draft probability.
template <class T, class CanBeDrawn>
void check_drafts(const char* function, draft_law law, std::span<const token_id> drafts, std::size_t n, std::size_t vocabulary_size,
                  CanBeDrawn&& can_be_drawn) {
  check_size(function, "drafts.size()", drafts.size(), "n", n);
  for (std::size_t i = 0; i < n; ++i) {
    check_index(function, "drafts", drafts[i], "vocabulary size", vocabulary_size, i);
    if (!can_be_drawn(drafts[i])) refuse(function, "drafts", drafts[i], drawable_rule<T>, {}, i);
    for (std::size_t j = 0; law != draft_law::iid && j < i; ++j) {
      if (drafts[j] == drafts[i]) refuse_repeated(function, "drafts", drafts[i], i);
    }
  }
}

/// The rows and the number of drafts a verifier was prepared with, and the checks of its arguments.
template <class T>
struct prepared_rows {
  std::span<const T> p;               // target [V]
  std::span<const T> q;               // draft [V]
  reset_on_move<std::size_t> n = {};  // drafts; 0: nothing is prepared
  std::vector<T> trimmed = {};

  /// The draft row that the sampler drew from: `q`, or what `trim_draft_row` has left of it.
  [[nodiscard]] std::span<const T> draft() const noexcept { return trimmed.empty() ? q : std::span<const T>(trimmed); }

  /// Mass of the draft row outside the ascending @p tokens.
  [[nodiscard]] double mass_outside(std::span<const token_id> tokens) {
    const double mass = detail::mass_outside(draft(), tokens);
    return trim_draft_row(q, mass, trimmed) ? detail::mass_outside(draft(), tokens) : mass;
  }

  /// The checks of `prepare` that cost nothing: sizes and n.
  static void check(const char* function, draft_law law, std::span<const T> p, std::span<const T> q, std::size_t n, trusted_t) {
    check_at_least(function, "p.size()", p.size(), 1);
    check_size(function, "q.size()", q.size(), "p.size()", p.size());
    check_draft_count(function, law, n);
    if (law != draft_law::iid) check_at_most(function, "n", n, "vocabulary size", p.size());
  }

  /// And those that read the rows: both are distributions, and the law can draw n tokens from q.
  static void check(const char* function, draft_law law, std::span<const T> p, std::span<const T> q, std::size_t n) {
    check(function, law, p, q, n, trusted);
    check_distribution(function, "p", p);
    check_distribution(function, "q", q);
    if (law != draft_law::iid && law != draft_law::top_n) check_support(function, q, n);
  }

  void check_prepared(const char* function) const { detail::check_prepared(function, n != 0); }

  void check_drafts(const char* function, draft_law law, std::span<const token_id> drafts) const {
    check_prepared(function);
    detail::check_drafts<T>(function, law, drafts, n, p.size(),
                            [&](token_id x) { return law == draft_law::top_n || q.empty() || drawable(q[x]); });
  }

  void check_outputs(const char* function, std::span<double> acceptance, std::span<double> residual) const {
    check_size(function, "acceptance.size()", acceptance.size(), "n", n);
    check_size(function, "residual.size()", residual.size(), "vocabulary size", p.size());
  }

  /// min(p_y, q_y / rest), y outside the tokens that are always drafted: the marginals of a last draft from the rest of q.
  void last_draft_marginals(double rest, std::span<double> out) const {
    for (std::size_t y = 0; y < out.size(); ++y) {
      const double target = real(p[y]), drafted = real(draft()[y]) / rest;
      out[y] = target < drafted ? target : drafted;
    }
  }

  void check_marginals(const char* function, std::span<double> out) const {
    check_prepared(function);
    check_size(function, "out.size()", out.size(), "vocabulary size", p.size());
  }
};

// ------------------------------------------------------------------------------------------------------------------- the decision

/// Base of a rule whose k-th test is that of draft k.
struct tests_in_draft_order {
  [[nodiscard]] static constexpr std::size_t index(std::size_t k) noexcept { return k; }
};

/// Runs the tests of a rule in order and calls `visit(index, before, after)` with the probability that no test accepted before and after
/// this one; stops when it returns true. The sequence starts at 1, falls by the factor `1 - test(k)`, and is 0 exactly after a sure test.
template <class Rule, class Visit>
void walk_tests(Rule& rule, std::size_t n, Visit&& visit) {
  double surviving = 1.0;
  for (std::size_t k = 0; k < n; ++k) {
    const double before = surviving;
    surviving *= 1.0 - rule.test(k);
    if (visit(rule.index(k), before, surviving)) return;
  }
}

/// Applies a rule: one uniform u for all tests together, test k accepts if u lies in [after, before); one more for the residual.
template <class Rule, random_bits G>
[[nodiscard]] verdict decide(Rule&& rule, std::span<const token_id> drafts, G& rng) {
  const double u = uniform(rng);
  verdict result;
  walk_tests(rule, drafts.size(), [&](std::size_t index, double, double after) {
    if (u < after) return false;
    result = {drafts[index], index};
    return true;
  });
  if (!result.accepted()) result.token = rule.residual().sample(uniform(rng));
  return result;
}

/// Writes the law of `decide`.
template <class Rule>
void describe(Rule&& rule, std::span<double> acceptance, std::span<double> residual) {
  walk_tests(rule, acceptance.size(), [&](std::size_t index, double before, double after) {
    acceptance[index] = before - after;
    return false;
  });
  rule.residual().law(residual);
}

}  // namespace gavel::speculative::detail
