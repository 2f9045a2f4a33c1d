// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/config.hpp>
#include <gavel/core/generator_rollback.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/core/views.hpp>
#include <gavel/speculative/detail/rows.hpp>
#include <gavel/speculative/tree.hpp>
#include <gavel/speculative/verifier.hpp>

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// @file
/// A drafted tree verified node by node, from the root down, with any verifier of one position.

namespace gavel::speculative {

namespace detail {

template <class Verifier>
concept needs_no_draft_row = requires(Verifier v, std::span<const typename Verifier::scalar> p, std::size_t n) { v.prepare(p, n); };

/// A verifier over a vocabulary of its own (`on_reduced_vocabulary`): its draft rows are narrower than the target's, and it checks them itself.
template <class Verifier>
concept has_own_vocabulary = requires(Verifier v, std::span<const token_id> ids, std::size_t size) { v.use_vocabulary(ids, size); };

template <verifier Verifier>
void prepare_node(const draft_tree& tree, matrix_view<const typename Verifier::scalar> target_rows,
                  matrix_view<const typename Verifier::scalar> draft_rows, Verifier& node_verifier, std::size_t node) {
  const std::size_t children = tree.child_count(node);
  if constexpr (needs_no_draft_row<Verifier>) {
    if (draft_rows.rows() == 0) return node_verifier.prepare(target_rows.row(node), children);
  }
  const bool inner_rows = draft_rows.rows() != tree.size();
  node_verifier.prepare(target_rows.row(node), draft_rows.row(inner_rows ? tree.inner_index(node) : node), children);
}

[[nodiscard]] GAVEL_COLD inline std::string at_node(const char* function, std::size_t node, const char* message) {
  return std::string(function) + ": node " + std::to_string(node) + ": " + message;
}

/// What the verifier does at a node; what it refuses there names the node. (Without exceptions the message is the verifier's own.)
template <class Decide>
decltype(auto) decide_at(const char* function, std::size_t node, Decide&& decide) {
#if GAVEL_HAS_EXCEPTIONS
  try {
    return decide();
  } catch (const std::domain_error& error) {
    throw std::domain_error(at_node(function, node, error.what()));
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(at_node(function, node, error.what()));
  }
#else
  (void)function, (void)node;
  return decide();
#endif
}

template <verifier Verifier>
void add_walk_stops(const draft_tree& tree, matrix_view<const typename Verifier::scalar> target_rows,
                    matrix_view<const typename Verifier::scalar> draft_rows, Verifier& node_verifier, std::size_t node, double reach,
                    std::vector<tree_stop>& stops) {
  constexpr const char* function = "gavel::speculative::tree_walk_law";
  const std::size_t vocabulary = target_rows.cols();
  tree_stop stop{static_cast<node_index>(node), reach, std::vector<double>(vocabulary)};
  if (tree.is_leaf(node)) {
    check_row(function, "target_rows", target_rows, node);
    for (std::size_t i = 0; i < vocabulary; ++i) stop.next_token_probs[i] = real(target_rows(node, i));
    stops.push_back(std::move(stop));
    return;
  }
  const std::size_t k = tree.child_count(node);
  std::vector<double> acceptance(k);
  decide_at(function, node, [&] {
    prepare_node(tree, target_rows, draft_rows, node_verifier, node);
    node_verifier.conditional_law(tree.child_tokens(node), std::span<double>(acceptance), std::span<double>(stop.next_token_probs));
  });
  for (const double a : acceptance) stop.probability -= reach * a;
  if (stop.probability > 0.0) stops.push_back(std::move(stop));
  for (std::size_t i = 0; i < k; ++i) {
    if (acceptance[i] > 0.0) {
      add_walk_stops(tree, target_rows, draft_rows, node_verifier, tree.children(node)[i], reach * acceptance[i], stops);
    }
  }
}

}  // namespace detail

/// Verifies a drafted tree node by node (SpecInfer, Sequoia, EAGLE): which drafted tokens may be emitted, and what comes after them?
///
/// At each node the verifier decides among its children in draw order; the walk moves into the accepted child or stops with the
/// verifier's token from the residual. A leaf that is reached yields one token ~ p(leaf). If at each node the children were drawn by the
/// verifier's law from the node's draft row, their number being fixed before they were drawn, the emitted tokens follow the target's law.
/// (Trees whose shape depends on the sampled values, by pruning for example, break that premise for every verifier but `target_only`,
/// which is exact for drafts of any origin.)
///
/// @param tree            drafted tokens, node 0 the last committed one
/// @param target_rows     [nodes, V] target probabilities after each node
/// @param draft_rows      [nodes, V], or [inner nodes, V] in node order: what each node's children were drawn from; or without
///                        rows for a verifier that can do without (one with `prepare(p, n)`, as `target_only` has); [.., m] over the ids
///                        of an `on_reduced_vocabulary` verifier that was told its vocabulary
/// @param node_verifier   any `verifier`; each visited inner node calls `prepare(p, q, k)` with its own number of children k, so one object
///                        serves nodes of every width, whatever it was prepared for before; a verifier made for one n only (SpecHub: 2)
///                        throws its own error at a node of another width
/// @param rng             generator; each visited inner node takes the verifier's draws, a reached leaf one uniform
/// @param accepted_tokens out, size >= `tree.max_depth()`: the first `accepted_length` entries are written
/// @param accepted_nodes  out, empty or as above: the same path as nodes (which key-value entries to keep)
/// @throws std::invalid_argument for shapes, token ids, repeated siblings under a law without repeats; std::domain_error for a row that is
///         read and not a distribution; what the verifier throws, with the node before it. Outputs and generator (if it can be copied) are
///         untouched then.
/// @note Cost: one verifier call per accepted token plus one; rows off the path are not read. Allocates nothing of its own.
/// @par Source
/// Miao et al. 2024, "SpecInfer", arXiv 2305.09781, algorithm 2; Chen et al. 2024, "Sequoia", arXiv 2402.12374, algorithm 2.
template <verifier Verifier, random_bits G>
tree_verdict walk_tree(const draft_tree& tree, matrix_view<const typename Verifier::scalar> target_rows,
                       matrix_view<const typename Verifier::scalar> draft_rows, Verifier& node_verifier, G& rng,
                       vector_view<token_id> accepted_tokens, vector_view<node_index> accepted_nodes = {}) {
  constexpr const char* function = "gavel::speculative::walk_tree";
  detail::check_tree_rows(function, tree, target_rows, draft_rows, detail::needs_no_draft_row<Verifier>,
                          detail::has_own_vocabulary<Verifier>);
  detail::check_tree_outputs(function, tree, accepted_tokens.size(), accepted_nodes.size());
  detail::check_tree(function, tree, Verifier::law, target_rows.cols());

  generator_rollback<G> rollback(rng);
  tree_verdict result;
  std::size_t node = 0;
  for (;;) {
    if (tree.is_leaf(node)) {
      detail::check_row(function, "target_rows", target_rows, node);
      result.next_token = static_cast<token_id>(detail::draw_from(target_rows.row(node), uniform(rng)));
      break;
    }
    const auto drafts = tree.child_tokens(node);
    const verdict decision = detail::decide_at(function, node, [&] {
      detail::prepare_node(tree, target_rows, draft_rows, node_verifier, node);
      return node_verifier.verify(drafts, rng);
    });
    if (!decision.accepted()) {
      result.next_token = decision.token;
      break;
    }
    node = tree.children(node)[decision.draft_index];
  }
  result.accepted_length = tree.depth(node);
  result.last_node = static_cast<node_index>(node);
  detail::write_path(tree, node, accepted_tokens, accepted_nodes);
  rollback.keep();
  return result;
}

/// Every end that `walk_tree` can have on a fixed tree, with its probability and the law of the next token: exact, for tests and for
/// planning trees (expected accepted length = sum of `probability * tree.depth(node)`).
/// @return ends of positive probability in depth-first order; probabilities sum to one
/// @throws as `walk_tree`
/// @note O(inner nodes) calls of `prepare` and `conditional_law`; allocates.
template <verifier Verifier>
[[nodiscard]] std::vector<tree_stop> tree_walk_law(const draft_tree& tree, matrix_view<const typename Verifier::scalar> target_rows,
                                                   matrix_view<const typename Verifier::scalar> draft_rows, Verifier& node_verifier) {
  constexpr const char* function = "gavel::speculative::tree_walk_law";
  detail::check_tree_rows(function, tree, target_rows, draft_rows, detail::needs_no_draft_row<Verifier>,
                          detail::has_own_vocabulary<Verifier>);
  detail::check_tree(function, tree, Verifier::law, target_rows.cols());
  std::vector<tree_stop> stops;
  detail::add_walk_stops(tree, target_rows, draft_rows, node_verifier, 0, 1.0, stops);
  return stops;
}

}  // namespace gavel::speculative
