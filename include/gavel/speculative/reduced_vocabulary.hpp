// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/reset_on_move.hpp>
#include <gavel/core/simplex.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/kernels/sample.hpp>
#include <gavel/speculative/detail/rows.hpp>
#include <gavel/speculative/detail/verification.hpp>
#include <gavel/speculative/verifier.hpp>

#include <cstddef>
#include <span>
#include <vector>

/// @file
/// Verification when the draft model knows only part of the vocabulary.

namespace gavel::speculative {

/// The draft law is given on a subset of the vocabulary (a draft head with a reduced vocabulary, or the top-k of a draft row): run any
/// verifier on that subset, with the output still distributed exactly as the full target row.
///
/// The target is gathered at the ids into a row of m + 1 entries, the last of which is the mass of p outside the ids (draft probability 0);
/// the inner verifier decides on this row; if its token is the last entry, one token is drawn from p restricted to the tokens outside. The
/// draft row is never spread over the vocabulary. A_y is that of the inner verifier on the ids, and 0 outside.
///
/// Where the inner verifier breaks ties by the lower id, here the earlier position among the ids counts.
///
/// @tparam V a verifier, for example `single_draft<float>`
/// @note The ids, p and q are borrowed until the last call that follows `prepare`. Memory: one token id and one scalar per vocabulary
///       entry, a few scalars per draft id; it grows with the largest sizes seen and is kept. Copying a prepared adapter prepares its inner
///       verifier again.
/// @par Source
/// Reduced draft vocabularies: Li, Wei, Zhang, Zhang, "EAGLE-3: scaling up inference acceleration of large language models via
/// training-time test", 2025, arXiv 2503.01840. The merged entry is elementary: a rule that is exact for the law of a function of the
/// token stays exact when the token is then drawn from p given that function.
template <verifier V>
class on_reduced_vocabulary : detail::drafts_first {
 public:
  using scalar = typename V::scalar;
  using detail::drafts_first::verify;
  static constexpr draft_law law = V::law;

  on_reduced_vocabulary() = default;
  on_reduced_vocabulary(on_reduced_vocabulary&&) = default;
  on_reduced_vocabulary& operator=(on_reduced_vocabulary&&) = default;
  ~on_reduced_vocabulary() = default;
  on_reduced_vocabulary(const on_reduced_vocabulary& other)
      : ids_(other.ids_),
        vocabulary_size_(other.vocabulary_size_),
        slots_(other.slots_),
        p_(other.p_),
        n_(other.n_),
        compact_p_(other.compact_p_),
        compact_q_(other.compact_q_),
        draft_slots_(other.draft_slots_),
        compact_out_(other.compact_out_),
        outside_(other.outside_),
        outside_known_(other.outside_known_),
        inner_(other.inner_) {
    if (prepared()) prepare_inner(n_);  // the copied inner verifier still reads the compact rows of the other adapter
  }
  on_reduced_vocabulary& operator=(const on_reduced_vocabulary& other) { return *this = on_reduced_vocabulary(other); }

  /// Sets the tokens that drafts are drawn from, for all `prepare(p, q, n)` that follow.
  /// @param ids [m] distinct tokens, in any order; borrowed
  /// @param vocabulary_size V, the size of the target rows
  /// @throws std::invalid_argument for no ids, repeated ids, ids >= vocabulary_size; no vocabulary is set then
  /// @note Cost: O(m), the first time O(V).
  void use_vocabulary(kept_view<const token_id> ids, std::size_t vocabulary_size) {
    set_vocabulary("gavel::speculative::on_reduced_vocabulary::use_vocabulary", ids, vocabulary_size);
  }

  /// Prepares for one position: p of the full vocabulary, [V], and q of the ids, [m].
  /// @throws std::invalid_argument also for what the inner verifier refuses; the adapter is unprepared then
  /// @note Cost: O(m) and what the inner verifier does with m + 1 entries; the check of p reads it once, which `trusted` saves.
  void prepare(kept_view<const scalar> p, kept_view<const scalar> q, std::size_t n) {
    check_shape(p, q, n);
    check_distribution(prepare_name, "p", p);
    check_distribution(prepare_name, "q", q);
    gather(p, q, n);
    inner_.prepare(std::span<const scalar>(compact_p_), std::span<const scalar>(compact_q_), n);
    n_ = n;
  }
  void prepare(kept_view<const scalar> p, kept_view<const scalar> q, std::size_t n, trusted_t) {
    check_shape(p, q, n);
    gather(p, q, n);
    prepare_inner(n);
    n_ = n;
  }
  /// The same with ids for this position, as after a top-k truncation of the draft: `use_vocabulary(ids, p.size())`, then
  /// `prepare(p, q, n)`.
  void prepare(kept_view<const scalar> p, kept_view<const token_id> ids, kept_view<const scalar> q, std::size_t n) {
    set_vocabulary(prepare_name, ids, p.size());
    prepare(p, q, n);
  }
  void prepare(kept_view<const scalar> p, kept_view<const token_id> ids, kept_view<const scalar> q, std::size_t n, trusted_t) {
    set_vocabulary(prepare_name, ids, p.size());
    prepare(p, q, n, trusted);
  }

  /// The drafts are tokens of the full vocabulary, of which the inner verifier sees the positions among the ids: what it refuses, it names
  /// by those.
  /// @note Draws: what the inner verifier draws, and one more if its token is the mass outside the ids. Cost: the inner verifier's on m + 1
  ///       entries, and O(V) for a token outside.
  template <random_bits G>
  [[nodiscard]] verdict verify(vector_view<const token_id> drafts, G& rng) {
    map_drafts("gavel::speculative::on_reduced_vocabulary::verify", drafts);
    verdict result = inner_.verify(std::span<const token_id>(draft_slots_), rng);
    if (result.accepted()) {
      result.token = drafts[result.draft_index];
    } else if (result.token < ids_.size()) {
      result.token = ids_[result.token];
    } else {
      const std::span<const scalar> outside = outside_weights();
      const double u = uniform(rng);
      std::size_t token = kernels::sample(outside.data(), outside.size(), u);
      if (token >= outside.size()) token = kernels::sample(p_.data(), p_.size(), u);  // the mass outside was a rounding error
      result.token = detail::token_or_first(token, p_.size());
    }
    return result;
  }

  void conditional_law(vector_view<const token_id> drafts, std::span<double> acceptance, std::span<double> residual) {
    constexpr const char* function = "gavel::speculative::on_reduced_vocabulary::conditional_law";
    map_drafts(function, drafts);
    check_size(function, "acceptance.size()", acceptance.size(), "n", n_);
    check_size(function, "residual.size()", residual.size(), "vocabulary size", p_.size());
    inner_.conditional_law(std::span<const token_id>(draft_slots_), acceptance, std::span<double>(compact_out_));
    std::span<const scalar> outside = outside_weights();
    double total = 0.0;
    for (const scalar w : outside) total += detail::real(w);
    if (!(total > 0.0)) {
      outside = p_;
      for (const scalar w : outside) total += detail::real(w);
    }
    const double outside_mass = compact_out_[ids_.size()];
    for (std::size_t y = 0; y < residual.size(); ++y) residual[y] = outside_mass * (detail::real(outside[y]) / total);
    for (std::size_t slot = 0; slot < ids_.size(); ++slot) residual[ids_[slot]] += compact_out_[slot];
  }

  void acceptance_marginals(std::span<double> out)
    requires verifier_with_marginals<V>
  {
    constexpr const char* function = "gavel::speculative::on_reduced_vocabulary::acceptance_marginals";
    detail::check_prepared(function, prepared());
    check_size(function, "out.size()", out.size(), "vocabulary size", p_.size());
    inner_.acceptance_marginals(std::span<double>(compact_out_));
    for (double& a : out) a = 0.0;
    for (std::size_t slot = 0; slot < ids_.size(); ++slot) out[ids_[slot]] = compact_out_[slot];
  }
  [[nodiscard]] double acceptance_rate()
    requires verifier_with_marginals<V>
  {
    detail::check_prepared("gavel::speculative::on_reduced_vocabulary::acceptance_rate", prepared());
    return inner_.acceptance_rate();
  }

  /// One more than the inner verifier's.
  [[nodiscard]] std::size_t max_uniforms() const { return inner_.max_uniforms() + 1; }

  /// The inner verifier, for diagnostics of its own. Its tokens are positions among the ids; position m is the mass outside.
  [[nodiscard]] const V& inner() const noexcept { return inner_; }

 private:
  static constexpr const char* prepare_name = "gavel::speculative::on_reduced_vocabulary::prepare";

  [[nodiscard]] bool prepared() const noexcept { return n_ != 0; }

  // slots_[id] is the position of id among the ids; for other tokens it holds anything, which ids_[slots_[token]] == token finds out. So a
  // new vocabulary costs O(m): nothing has to be cleared.
  [[nodiscard]] bool has(token_id token) const noexcept { return slots_[token] < ids_.size() && ids_[slots_[token]] == token; }

  void set_vocabulary(const char* function, std::span<const token_id> ids, std::size_t vocabulary_size) {
    vocabulary_size_ = 0;
    n_ = 0;
    check_at_least(function, "ids.size()", ids.size(), 1);
    for (std::size_t i = 0; i < ids.size(); ++i) check_index(function, "ids", ids[i], "vocabulary size", vocabulary_size, i);
    if (slots_.size() < vocabulary_size) slots_.resize(vocabulary_size);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const std::size_t slot = slots_[ids[i]];
      if (slot < i && ids[slot] == ids[i]) detail::refuse_repeated(function, "ids", ids[i], i);
      slots_[ids[i]] = static_cast<token_id>(i);
    }
    ids_ = ids;
    vocabulary_size_ = vocabulary_size;
  }

  void check_shape(std::span<const scalar> p, std::span<const scalar> q, std::size_t n) const {
    if (vocabulary_size_ == 0) refuse(prepare_name, "use_vocabulary", {}, "must be called first");
    check_size(prepare_name, "p.size()", p.size(), "vocabulary size", vocabulary_size_);
    check_size(prepare_name, "q.size()", q.size(), "ids.size()", ids_.size());
    check_at_least(prepare_name, "n", n, 1);
    if (law != draft_law::iid) check_at_most(prepare_name, "n", n, "ids.size()", ids_.size());
  }

  // Leaves the adapter unprepared until the inner verifier has taken the rows.
  void gather(std::span<const scalar> p, std::span<const scalar> q, std::size_t n) {
    n_ = 0;
    p_ = p;
    outside_known_ = false;
    const std::size_t m = ids_.size();
    compact_p_.resize(m + 1);
    compact_q_.resize(m + 1);
    compact_out_.resize(m + 1);
    draft_slots_.resize(n);
    double inside = 0.0;
    for (std::size_t slot = 0; slot < m; ++slot) {
      compact_p_[slot] = p[ids_[slot]];
      compact_q_[slot] = q[slot];
      inside += detail::real(compact_p_[slot]);
    }
    compact_p_[m] = inside < 1.0 ? static_cast<scalar>(1.0 - inside) : scalar(0);
    compact_q_[m] = scalar(0);
  }

  void prepare_inner(std::size_t n) {
    const std::span<const scalar> p(compact_p_);
    const std::span<const scalar> q(compact_q_);
    if constexpr (requires { inner_.prepare(p, q, n, trusted); }) inner_.prepare(p, q, n, trusted);
    else inner_.prepare(p, q, n);
  }

  void map_drafts(const char* function, std::span<const token_id> drafts) {
    detail::check_prepared(function, prepared());
    detail::check_drafts<scalar>(function, law, drafts, n_, p_.size(), [&](token_id x) {
      return has(x) && (law == draft_law::top_n || detail::drawable(compact_q_[slots_[x]]));
    });
    for (std::size_t i = 0; i < n_; ++i) draft_slots_[i] = slots_[drafts[i]];
  }

  // p with zeros at the ids, written when a position first needs it.
  std::span<const scalar> outside_weights() {
    if (!outside_known_) {
      outside_.assign(p_.begin(), p_.end());
      for (const token_id id : ids_) outside_[id] = scalar(0);
      outside_known_ = true;
    }
    return outside_;
  }

  std::span<const token_id> ids_;
  reset_on_move<std::size_t> vocabulary_size_;  // 0: no vocabulary is set
  std::vector<token_id> slots_;
  std::span<const scalar> p_;
  reset_on_move<std::size_t> n_;  // 0: not prepared
  std::vector<scalar> compact_p_;
  std::vector<scalar> compact_q_;
  std::vector<token_id> draft_slots_;
  std::vector<double> compact_out_;
  std::vector<scalar> outside_;
  bool outside_known_ = false;
  V inner_;
};

}  // namespace gavel::speculative
