// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/views.hpp>
#include <gavel/speculative/detail/rows.hpp>
#include <gavel/speculative/tree.hpp>
#include <gavel/speculative/verifier.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

/// @file
/// Trees that grow while drafting, towards the continuations the draft model believes in, and the pruning of trees drafted too large. The
/// best shape known ahead of time is `tree_shape_table`.

namespace gavel::speculative {

namespace detail {

// A heap of (weight, order): largest weight first, ties to the lower order.
class best_first_queue {
 public:
  struct entry {
    double weight;
    std::uint32_t order;
  };

  [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
  void clear() noexcept { heap_.clear(); }
  void push(entry one) {
    std::size_t i = heap_.size();
    heap_.push_back(one);
    for (; i > 0 && before(one, heap_[(i - 1) / 2]); i = (i - 1) / 2) heap_[i] = heap_[(i - 1) / 2];
    heap_[i] = one;
  }
  entry pop() {
    const entry top = heap_.front();
    const entry last = heap_.back();
    heap_.pop_back();
    if (heap_.empty()) return top;
    std::size_t i = 0;
    for (std::size_t child = 1; child < heap_.size(); child = 2 * i + 1) {
      if (child + 1 < heap_.size() && before(heap_[child + 1], heap_[child])) ++child;
      if (!before(heap_[child], last)) break;
      heap_[i] = heap_[child];
      i = child;
    }
    heap_[i] = last;
    return top;
  }

 private:
  static bool before(const entry& a, const entry& b) noexcept { return a.weight != b.weight ? a.weight > b.weight : a.order < b.order; }
  std::vector<entry> heap_;
};

}  // namespace detail

/// Grows a draft tree best first: always the candidate with the largest product of draft probabilities from the root joins next, until a
/// node budget (EAGLE-2's value of a node; its layer-wise beam with re-ranking approximates this order).
///
///     tree_expansion grow(64, last_token);
///     while (const auto node = grow.pop()) if (!grow.full()) grow.push(*node, tokens, probs);   // draft at *node; or grow_tree(...)
///
/// Several nodes may be popped before their children are pushed, so that one draft pass serves them together. Products only fall along a
/// path: the tree is the `node_budget` largest of everything pushed in time.
///
/// @note Which verifiers stay exact: pushing each node's most probable tokens makes siblings the top k of q by size, which is
///       `draft_law::top_n` once the budget cuts the tail, so verify with `target_only`, exact for drafts of any origin. Pushing *sampled*
///       tokens and letting the budget choose among them changes their distribution; verifiers that divide by q are then not exact.
/// @note Regular value; ties go to the candidate pushed first. O(log candidates) per operation, no allocation after `reset`.
/// @par Source
/// Li, Wei, Zhang, Zhang, "EAGLE-2: faster inference of language models with dynamic draft trees", 2024, arXiv 2406.16858, section 4.
class tree_expansion {
 public:
  /// @param node_budget nodes of the finished tree, root included, >= 1
  /// @param root_token  the last committed token
  /// @throws std::invalid_argument if `node_budget == 0`
  explicit tree_expansion(std::size_t node_budget, token_id root_token = 0);
  // A move is a copy: without its root there is nothing to expand.
  tree_expansion(const tree_expansion&) = default;
  tree_expansion& operator=(const tree_expansion&) = default;

  /// Starts over with the same budget, keeping the memory.
  void reset(token_id root_token = 0);

  /// Moves the best candidate into the tree (first of all the root).
  /// @return its index in `tree()`; empty when the budget is used up or no candidate is left
  std::optional<node_index> pop();

  /// Offers continuations of a popped node.
  /// @param node   index in `tree()`
  /// @param tokens [k]
  /// @param probs  [k] draft probabilities of the tokens after @p node, in [0, 1]; those that are 0 are dropped
  /// @throws std::invalid_argument for a node not popped yet, different sizes or a probability outside [0, 1]; std::domain_error for NaN
  template <dense_vector P>
    requires std::floating_point<scalar_of<P>>
  void push(std::size_t node, vector_view<const token_id> tokens, const P& probs);

  /// Whether the budget is used up: drafting at further nodes would be wasted.
  [[nodiscard]] bool full() const noexcept { return popped_ && tree_.size() == budget_; }
  /// The nodes popped so far, the root from the start.
  [[nodiscard]] const draft_tree& tree() const noexcept { return tree_; }
  /// [nodes] product of draft probabilities from the root, 1 at the root; non-increasing in node order when pushed one by one.
  [[nodiscard]] std::span<const double> path_probs() const noexcept { return path_probs_; }

 private:
  struct candidate {
    node_index parent;
    token_id token;
  };

  std::size_t budget_;
  bool popped_ = false;  // the root has been handed out
  draft_tree tree_;
  std::vector<double> path_probs_;
  std::vector<candidate> candidates_;
  detail::best_first_queue queue_;
};

/// Runs a `tree_expansion` to the end of its budget.
/// @param expansion fresh or reset
/// @param expand    (tree_expansion&, node_index): drafts at that node and pushes what comes after it; not called for the last node
template <class F>
  requires std::invocable<F&, tree_expansion&, node_index>
void grow_tree(tree_expansion& expansion, F&& expand) {
  while (const std::optional<node_index> node = expansion.pop()) {
    if (!expansion.full()) expand(expansion, *node);
  }
}

/// The nodes worth verifying of a tree that was drafted too large: @p count nodes by largest weight, every one with all its ancestors.
///
/// Best first from the root: the heaviest node whose parent is already chosen joins next. Where weights do not grow along a path (products
/// of probabilities), these are simply the heaviest nodes.
/// @param tree    the drafts
/// @param weights [nodes] for example `tree_expansion::path_probs()`; the root's is not read; not NaN
/// @param count   nodes to keep, root included, >= 1; all of them if larger than the tree
/// @return kept nodes in ascending order, so that entry i is the old index of node i of `keep_nodes`; ties went to the lower index
/// @throws std::invalid_argument for sizes, std::domain_error for NaN
/// @note O(nodes log nodes), allocates.
[[nodiscard]] std::vector<node_index> select_top_nodes(const draft_tree& tree, vector_view<const double> weights, std::size_t count);

/// The part of a tree that consists of the given nodes.
/// @param tree  the drafts
/// @param nodes [kept] ascending, 0 first, each with its parent among them
/// @throws std::invalid_argument if one of these does not hold
/// @note O(nodes log kept), allocates the result.
[[nodiscard]] draft_tree keep_nodes(const draft_tree& tree, vector_view<const node_index> nodes);

// ---------------------------------------------------------------------------------------------------------------------------------------

inline tree_expansion::tree_expansion(std::size_t node_budget, token_id root_token) : budget_(node_budget) {
  check_at_least("gavel::speculative::tree_expansion", "node_budget", node_budget, 1);
  tree_.reserve(node_budget);
  path_probs_.reserve(node_budget);
  reset(root_token);
}

inline void tree_expansion::reset(token_id root_token) {
  popped_ = false;
  tree_.clear(root_token);
  path_probs_.assign(1, 1.0);
  candidates_.clear();
  queue_.clear();
}

inline std::optional<node_index> tree_expansion::pop() {
  if (!popped_) {
    popped_ = true;
    return node_index{0};
  }
  if (full() || queue_.empty()) return std::nullopt;
  const detail::best_first_queue::entry best = queue_.pop();
  const candidate& one = candidates_[best.order];
  path_probs_.push_back(best.weight);
  return tree_.add_node(one.parent, one.token);
}

template <dense_vector P>
  requires std::floating_point<scalar_of<P>>
void tree_expansion::push(std::size_t node, vector_view<const token_id> tokens, const P& probs) {
  constexpr const char* function = "gavel::speculative::tree_expansion::push";
  const std::span<const scalar_of<P>> row = as_span(probs);
  check_index(function, "node", node, "number of nodes popped", popped_ ? tree_.size() : 0);
  check_size(function, "probs.size()", row.size(), "tokens.size()", tokens.size());
  for (std::size_t i = 0; i < row.size(); ++i) check_unit_interval(function, "probs", detail::real(row[i]), unit_ends::closed, i);
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (!(row[i] > 0)) continue;
    const auto order = static_cast<std::uint32_t>(candidates_.size());
    candidates_.push_back({static_cast<node_index>(node), tokens[i]});
    queue_.push({path_probs_[node] * detail::real(row[i]), order});
  }
}

inline std::vector<node_index> select_top_nodes(const draft_tree& tree, vector_view<const double> weights, std::size_t count) {
  constexpr const char* function = "gavel::speculative::select_top_nodes";
  check_size(function, "weights.size()", weights.size(), "the number of nodes", tree.size());
  check_at_least(function, "count", count, 1);
  for (std::size_t i = 1; i < tree.size(); ++i) check_not_nan(function, "weights", weights[i], i);
  std::vector<unsigned char> chosen(tree.size(), 0);
  detail::best_first_queue queue;
  std::size_t node = 0;
  std::size_t kept = 0;
  for (;;) {
    chosen[node] = 1;
    if (++kept == count) break;
    for (const node_index child : tree.children(node)) queue.push({weights[child], child});
    if (queue.empty()) break;
    node = queue.pop().order;
  }
  std::vector<node_index> result;
  result.reserve(kept);
  for (std::size_t i = 0; i < tree.size(); ++i) {
    if (chosen[i] != 0) result.push_back(static_cast<node_index>(i));
  }
  return result;
}

inline draft_tree keep_nodes(const draft_tree& tree, vector_view<const node_index> nodes) {
  constexpr const char* function = "gavel::speculative::keep_nodes";
  check_at_least(function, "nodes.size()", nodes.size(), 1);
  if (nodes[0] != 0) refuse(function, "nodes", nodes[0], "must be 0, the root", {}, 0);
  check_ascending(function, "nodes", nodes);
  draft_tree part(tree.token(0));
  part.reserve(nodes.size());
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    check_index(function, "nodes", nodes[i], "number of nodes", tree.size(), i);
    const node_index parent = tree.parent(nodes[i]);
    std::size_t low = 0;  // the parent comes earlier: binary search among nodes[0, i)
    for (std::size_t high = i; high - low > 1;) {
      const std::size_t middle = low + (high - low) / 2;
      (nodes[middle] <= parent ? low : high) = middle;
    }
    if (nodes[low] != parent) refuse(function, "nodes", nodes[i], "must come with its parent, node", parent, i);
    part.add_node(low, tree.token(nodes[i]));
  }
  return part;
}

}  // namespace gavel::speculative
