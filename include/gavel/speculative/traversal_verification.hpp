// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/generator_rollback.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/core/views.hpp>
#include <gavel/kernels/residual.hpp>
#include <gavel/speculative/detail/residual_weights.hpp>
#include <gavel/speculative/detail/rows.hpp>
#include <gavel/speculative/tree.hpp>
#include <gavel/speculative/verifier.hpp>

#include <concepts>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

/// @file
/// Traversal verification: a drafted tree judged from its leaves upwards, so that whole paths compete and a weak first token can be
/// carried by strong later ones. What block verification is for a path, this is for a tree of drafts without replacement.

namespace gavel::speculative {

/// Verifies trees whose siblings were drawn without replacement: which path of the tree may be emitted, and what comes after it?
///
/// Depth first to the leftmost leaf, every node carries r(root) = 1, r(child) = min(1, r(parent) p(child) / q(child)). At a leaf stop with
/// probability r: its path is accepted and the next token is drawn from its p. Otherwise the leaf is deleted and at its parent
///
///     d = (r p - q)+,  S = sum d,  r <- S / (S + 1 - r),  p <- d / S,  q <- q without the leaf's token, renormalised,
///
/// then the next sibling is tried; a parent whose children are all gone is a leaf itself. If each node's children were drawn without
/// replacement from its draft row, their number being fixed before, the emitted tokens follow the target's law; on a path the rule is block
/// verification, and on trees it accepts at least as many tokens in expectation as recursive rejection node by node on every tree tried.
///
/// No row is ever rewritten: the updated p of a node is (p - c q)+ / Z with one number c, and d = (r / Z) (p - (c + Z / (r m)) q)+, where m
/// is the draft mass not yet drawn; drawn tokens that failed have p < c q and stay at zero.
///
/// @tparam T scalar of the rows, float or double; all decisions are in double, the differences p - c q of float rows round like their
///         entries (about 1e-7)
/// @note A regular value that holds one small record per tree level; construction with the depth of the deepest tree means no allocation
///       in `verify`. One object serves one call at a time.
/// @par Source
/// Weng, Hu, Chen, Liu, Mei, Qiu, Tian, Shi, "Traversal verification for speculative tree decoding", 2025, arXiv 2505.12398.
template <std::floating_point T>
class traversal_verifier {
 public:
  using scalar = T;
  /// How the children of a node must have been drawn.
  static constexpr draft_law law = draft_law::without_replacement;

  /// @param max_depth depth of the deepest tree to come (root not counted); deeper ones allocate once
  explicit traversal_verifier(std::size_t max_depth = 0) : levels_(max_depth + 1) {}

  /// Verifies one tree.
  /// @param tree            drafted tokens, siblings distinct and in the order drawn, node 0 the last committed token
  /// @param target_rows     [nodes, V] target probabilities after each node
  /// @param draft_rows      [nodes, V], or [inner nodes, V] in node order: what each node's children were drawn from
  /// @param rng             generator: one uniform for each node at which stopping is neither certain nor impossible (each at most once),
  ///                        then one for the next token; so between 1 and `tree.size()`
  /// @param accepted_tokens out, size >= `tree.max_depth()`: the first `accepted_length` entries are written
  /// @param accepted_nodes  out, empty or as above: the same path as nodes
  /// @throws std::invalid_argument for shapes, token ids, repeated siblings, a drafted token of draft probability zero that is reached;
  ///         std::domain_error for NaN or a negative probability of a token that is reached, and for a row that is read as a whole and is
  ///         no distribution. Outputs and generator (if it can be copied) are untouched then.
  /// @note Cost: one pass over two rows for each deleted leaf whose parent can still stop, plus the draw of the token; subtrees that
  ///       cannot be accepted are skipped. No allocation once the object has seen the depth.
  template <random_bits G>
  tree_verdict verify(const draft_tree& tree, matrix_view<const T> target_rows, matrix_view<const T> draft_rows, G& rng,
                      vector_view<token_id> accepted_tokens, vector_view<node_index> accepted_nodes = {}) {
    const call now = begin("gavel::speculative::traversal_verifier::verify", tree, target_rows, draft_rows);
    detail::check_tree_outputs(now.function, tree, accepted_tokens.size(), accepted_nodes.size());
    generator_rollback<G> rollback(rng);
    const level stop = traverse(now, [&](const level& leaf) { return leaf.stop >= 1.0 || uniform(rng) < leaf.stop; });
    tree_verdict result;
    result.next_token = static_cast<token_id>(draw(now, stop, uniform(rng)));
    result.accepted_length = tree.depth(stop.node);
    result.last_node = static_cast<node_index>(stop.node);
    detail::write_path(tree, stop.node, accepted_tokens, accepted_nodes);
    rollback.keep();
    return result;
  }

  /// Every end that `verify` can have on this tree, with its probability and the law of the next token: exact, by the same steps.
  /// @return ends of positive probability in the order they are tried; probabilities sum to one
  /// @throws as `verify`
  /// @note At most one pass over two rows per node; allocates the result.
  [[nodiscard]] std::vector<tree_stop> stop_law(const draft_tree& tree, matrix_view<const T> target_rows, matrix_view<const T> draft_rows) {
    const call now = begin("gavel::speculative::traversal_verifier::stop_law", tree, target_rows, draft_rows);
    std::vector<tree_stop> stops;
    double reach = 1.0;
    traverse(now, [&](const level& leaf) {
      tree_stop end{static_cast<node_index>(leaf.node), reach * leaf.stop, std::vector<double>(target_rows.cols())};
      if (leaf.scale > 0.0) {
        detail::residual_weights<T>{target_rows.row(leaf.node), now.draft_row(leaf), leaf.scale}.law(end.next_token_probs);
      } else {
        detail::check_row(now.function, "target_rows", target_rows, leaf.node);
        for (std::size_t y = 0; y < target_rows.cols(); ++y) end.next_token_probs[y] = detail::real(target_rows(leaf.node, y));
      }
      if (end.probability > 0.0) stops.push_back(std::move(end));  // many sure leaves before it can take its probability to zero
      reach *= 1.0 - leaf.stop;
      return leaf.stop >= 1.0;
    });
    return stops;
  }

 private:
  // A node on the path under trial: its current target is (p - scale q)+ / mass, its draft is q without the drawn tokens, over `left`.
  struct level {
    std::size_t node = 0;
    std::size_t next_child = 0;   // children before it are deleted
    double stop = 1.0;            // r
    double scale = 0.0;           // c
    double mass = 1.0;            // Z
    double left = 1.0;            // m
    std::vector<T> trimmed = {};  // what `trim_draft_row` has left of the draft row
  };

  struct call {
    const char* function;
    const draft_tree& tree;
    matrix_view<const T> target_rows;
    matrix_view<const T> draft_rows;
    bool inner_rows;

    [[nodiscard]] std::size_t draft_index(std::size_t node) const noexcept { return inner_rows ? tree.inner_index(node) : node; }
    [[nodiscard]] std::span<const T> draft_row(const level& at) const noexcept {
      return at.trimmed.empty() ? draft_rows.row(draft_index(at.node)) : std::span<const T>(at.trimmed);
    }
  };

  // No uniform of 53 bits but 0 is smaller. And rows of T are multiplied in T: infinity times q = 0 would be no number.
  static constexpr double least_stop = 1e-30;
  static constexpr double largest_scale = detail::real((std::numeric_limits<T>::max)()) / 16.0;

  call begin(const char* function, const draft_tree& tree, matrix_view<const T> target_rows, matrix_view<const T> draft_rows) {
    const bool inner_rows = detail::check_tree_rows(function, tree, target_rows, draft_rows);
    detail::check_tree(function, tree, law, target_rows.cols());
    if (levels_.size() <= tree.max_depth()) levels_.resize(tree.max_depth() + 1);
    return {function, tree, target_rows, draft_rows, inner_rows};
  }

  // Visits the leaves in order, deleted ones turning their parents into leaves, until decide(leaf) stops. Leaves with r = 0 are not
  // offered.
  template <class Decide>
  level traverse(const call& now, Decide&& decide) {
    std::size_t depth = 0;
    levels_[0] = level{};
    for (;;) {
      level& here = levels_[depth];
      const auto children = now.tree.children(here.node);
      if (here.next_child < children.size() && here.stop > 0.0) {
        const double stop = child_stop(now, here, children[here.next_child]);
        if (stop > 0.0) {
          levels_[++depth] = level{.node = children[here.next_child], .stop = stop};
        } else {
          delete_child(now, here);
        }
        continue;
      }
      if (here.stop > 0.0 && decide(std::as_const(here))) return here;
      if (depth == 0) return here;  // only if decide refuses the certain stop
      delete_child(now, levels_[--depth]);
    }
  }

  // r(child) = min(1, r p(x) / q(x)) with the current p and q of the parent.
  [[nodiscard]] double child_stop(const call& now, const level& parent, node_index child) const {
    const token_id token = now.tree.token(child);
    const T p = now.target_rows(parent.node, token);
    const T q = now.draft_rows(now.draft_index(parent.node), token);
    detail::check_drafted(now.function, "tree.token", child, token, p, q);
    const double target = detail::real(p) - parent.scale * detail::real(q);
    if (!(target > 0.0)) return 0.0;
    const double stop = parent.stop * (target / parent.mass) * (parent.left / detail::real(q));
    return stop < 1.0 ? (stop > least_stop ? stop : 0.0) : 1.0;
  }

  void delete_child(const call& now, level& parent) const {
    const auto children = now.tree.children(parent.node);
    const std::span<const T> p = now.target_rows.row(parent.node);
    const std::span<const T> q = now.draft_row(parent);
    if (parent.scale <= 0.0) {
      detail::check_row(now.function, "target_rows", now.target_rows, parent.node);
      detail::check_row(now.function, "draft_rows", now.draft_rows, now.draft_index(parent.node));
    }
    const double exact_scale = parent.scale + parent.mass / (parent.stop * parent.left);
    const double scale = exact_scale < largest_scale ? exact_scale : largest_scale;
    const double mass = kernels::residual_sum(p.data(), q.data(), p.size(), scale);
    if (mass > 0.0) {
      const double rest = parent.stop * (mass / parent.mass);
      parent.stop = rest / (rest + (1.0 - parent.stop));
      if (!(parent.stop > least_stop)) parent.stop = 0.0;
      parent.scale = scale;
      parent.mass = mass;
    } else if (parent.stop < 1.0) {
      parent.stop = 0.0;
    }  // else 0/0: p equals q up to rounding, the child stopped with certainty but for rounding; p stays what it was
    const std::size_t deleted = ++parent.next_child;
    if (deleted < children.size()) {
      parent.left -= detail::real(q[now.tree.token(children[deleted - 1])]);
      const auto drawn = now.tree.child_tokens(parent.node).first(deleted);
      if (parent.left < 0.01) parent.left = mass_without(q, drawn);
      if (detail::trim_draft_row(q, parent.left, parent.trimmed)) parent.left = mass_without(now.draft_row(parent), drawn);
    }
  }

  // Sum of a row but for the tokens drawn, added up rather than subtracted: what is left can be far smaller than the rounding of 1 - q.
  [[nodiscard]] static double mass_without(std::span<const T> row, std::span<const token_id> drawn) noexcept {
    double sum = 0.0;
    for (std::size_t from = 0; from < row.size();) {
      std::size_t to = row.size();
      for (const token_id x : drawn) {
        if (x >= from && x < to) to = x;
      }
      for (std::size_t y = from; y < to; ++y) sum += detail::real(row[y]);
      from = to + 1;
    }
    return sum;
  }

  [[nodiscard]] std::size_t draw(const call& now, const level& stop, double u) const {
    const std::span<const T> p = now.target_rows.row(stop.node);
    if (stop.scale > 0.0) return detail::residual_weights<T>{p, now.draft_row(stop), stop.scale}.sample(u);
    detail::check_row(now.function, "target_rows", now.target_rows, stop.node);
    return detail::draw_from(p, u);
  }

  std::vector<level> levels_;
};

}  // namespace gavel::speculative
