// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/views.hpp>
#include <gavel/speculative/verifier.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

/// @file
/// Trees of drafts: several continuations of one text, verified by one call of the target model. `draft_tree` holds the tokens; here are
/// also what every verification of a tree returns and checks. `walk_tree` and `traversal_verifier` decide.
/// @par Source
/// Drafts as a tree of tokens: Miao et al., "SpecInfer", 2023, arXiv 2305.09781.

namespace gavel::speculative {

/// Position of a node in a draft tree; rows of target and draft probabilities are numbered alike.
using node_index = std::uint32_t;

/// The drafted continuations of one text as a tree: node 0 is the last committed token, every other node one drafted token.
///
/// A regular value. Parents come before their children, and the children of a node are kept in the order they were drawn, contiguous, so
/// that a verifier reads them as a span. After `reserve` or `clear` building allocates nothing.
class draft_tree {
 public:
  /// The parent of the root.
  static constexpr node_index no_node = static_cast<node_index>(-1);

  /// A tree of the root alone.
  /// @param root_token the last committed token; no verifier reads it
  explicit draft_tree(token_id root_token = 0) : parents_{no_node}, tokens_{root_token}, depths_{0}, child_begin_{0, 0} {}

  draft_tree(const draft_tree&) = default;
  draft_tree& operator=(const draft_tree&) = default;
  /// Leaves a tree of the root alone, for which it allocates.
  draft_tree(draft_tree&& other) noexcept : draft_tree() { swap(other); }
  /// Leaves a tree of the root alone, in the memory that this one had.
  draft_tree& operator=(draft_tree&& other) noexcept {
    swap(other);
    if (this != &other) other.clear();
    return *this;
  }
  ~draft_tree() = default;

  /// The tree of a parent array, as engines keep it.
  /// @param parents [nodes] any integer type; entry 0 stands for the root and is not read (engines write -1 or 0), entry i must be < i
  /// @param tokens  [nodes] any integer type, entry 0 the last committed token; siblings count as drawn in index order
  /// @throws std::invalid_argument for an empty array, different sizes, a parent that does not come first, a token that is no 32-bit id
  /// @note O(nodes).
  template <dense_vector Parents, dense_vector Tokens>
    requires std::integral<scalar_of<Parents>> && std::integral<scalar_of<Tokens>>
  [[nodiscard]] static draft_tree from_parents(const Parents& parents, const Tokens& tokens);

  /// Appends a drafted token as the last child of @p parent.
  /// @return the new node's index (the old `size()`)
  /// @throws std::invalid_argument if @p parent is no node yet
  /// @note O(nodes - parent); O(1) plus the move of nothing in breadth-first order.
  node_index add_node(std::size_t parent, token_id token);

  /// Makes room for @p nodes nodes, root included.
  void reserve(std::size_t nodes);

  /// Back to the root alone, keeping the memory.
  void clear(token_id root_token = 0);

  /// Number of nodes, root included; at least 1.
  [[nodiscard]] std::size_t size() const noexcept { return parents_.size(); }
  /// Number of nodes with children.
  [[nodiscard]] std::size_t inner_size() const noexcept { return inner_size_; }
  /// Tokens on the longest path, root not counted: how many drafts one walk can accept at most.
  [[nodiscard]] std::size_t max_depth() const noexcept { return max_depth_; }

  // Unchecked: node < size().
  [[nodiscard]] token_id token(std::size_t node) const noexcept { return tokens_[node]; }
  [[nodiscard]] node_index parent(std::size_t node) const noexcept { return parents_[node]; }
  [[nodiscard]] std::size_t depth(std::size_t node) const noexcept { return depths_[node]; }
  [[nodiscard]] std::size_t child_count(std::size_t node) const noexcept { return child_begin_[node + 1] - child_begin_[node]; }
  [[nodiscard]] bool is_leaf(std::size_t node) const noexcept { return child_count(node) == 0; }
  /// The children of a node in draw order.
  [[nodiscard]] std::span<const node_index> children(std::size_t node) const noexcept {
    return {child_nodes_.data() + child_begin_[node], child_count(node)};
  }
  /// Their tokens.
  [[nodiscard]] std::span<const token_id> child_tokens(std::size_t node) const noexcept {
    return {child_tokens_.data() + child_begin_[node], child_count(node)};
  }
  /// Number of inner nodes before @p node: its row where only inner nodes have draft rows. O(node).
  [[nodiscard]] std::size_t inner_index(std::size_t node) const noexcept {
    std::size_t count = 0;
    for (std::size_t i = 0; i < node; ++i) count += is_leaf(i) ? 0u : 1u;
    return count;
  }

  [[nodiscard]] std::span<const token_id> tokens() const noexcept { return tokens_; }      ///< [nodes]
  [[nodiscard]] std::span<const node_index> parents() const noexcept { return parents_; }  ///< [nodes], `no_node` first

  friend bool operator==(const draft_tree&, const draft_tree&) = default;

 private:
  void swap(draft_tree& other) noexcept {
    parents_.swap(other.parents_);
    tokens_.swap(other.tokens_);
    depths_.swap(other.depths_);
    child_begin_.swap(other.child_begin_);
    child_nodes_.swap(other.child_nodes_);
    child_tokens_.swap(other.child_tokens_);
    std::swap(inner_size_, other.inner_size_);
    std::swap(max_depth_, other.max_depth_);
  }

  std::vector<node_index> parents_;
  std::vector<token_id> tokens_;
  std::vector<std::uint32_t> depths_;
  std::vector<std::uint32_t> child_begin_;  // [nodes + 1]: children of node i are entries child_begin_[i] .. child_begin_[i + 1] - 1
  std::vector<node_index> child_nodes_;     // [nodes - 1]
  std::vector<token_id> child_tokens_;      // [nodes - 1]
  std::size_t inner_size_ = 0;
  std::size_t max_depth_ = 0;
};

/// Refuses a tree that no draft law of this kind over this vocabulary can have drawn.
/// @param tree            the drafts
/// @param law             siblings must differ under every law but `draft_law::iid`
/// @param vocabulary_size every drafted token must be smaller (the root's token is not read)
/// @throws std::invalid_argument that names the node
/// @note O(sum over nodes of children^2), no allocation.
void check_tree(const draft_tree& tree, draft_law law, std::size_t vocabulary_size);

/// The accepted path and the token after it.
struct tree_verdict {
  std::size_t accepted_length = 0;  ///< number of drafted tokens accepted
  token_id next_token = 0;          ///< the token after them; never part of the tree's path
  node_index last_node = 0;         ///< node of the last accepted token, 0 if none: the row that `next_token` came from

  friend constexpr bool operator==(const tree_verdict&, const tree_verdict&) = default;
};

/// One of the ends that a verification of a fixed tree can have.
struct tree_stop {
  node_index node = 0;                   ///< last accepted node; its path from the root is the accepted path
  double probability = 0.0;              ///< of ending there
  std::vector<double> next_token_probs;  ///< [V] law of the token after the path, given this end
};

namespace detail {
template <std::integral To, std::integral From>
[[nodiscard]] constexpr To narrow(From value) noexcept {  // a cast to the same type would be a warning
  if constexpr (std::same_as<To, From>) return value;
  else return static_cast<To>(value);
}
}  // namespace detail

// ---------------------------------------------------------------------------------------------------------------------------------------

template <dense_vector Parents, dense_vector Tokens>
  requires std::integral<scalar_of<Parents>> && std::integral<scalar_of<Tokens>>
draft_tree draft_tree::from_parents(const Parents& parents, const Tokens& tokens) {
  constexpr const char* function = "gavel::speculative::draft_tree::from_parents";
  const auto above = as_span(parents);
  const auto ids = as_span(tokens);
  const std::size_t n = above.size();
  check_at_least(function, "parents.size()", n, 1);
  check_size(function, "tokens.size()", ids.size(), "parents.size()", n);
  for (std::size_t i = 0; i < n; ++i) {
    if (i > 0 && (std::cmp_less(above[i], 0) || std::cmp_greater_equal(above[i], i))) {
      refuse(function, "parents", above[i], "must be >= 0 and < the node's own index", i, i);
    }
    if (!std::in_range<token_id>(ids[i])) refuse(function, "tokens", ids[i], "must be >= 0 and <=", static_cast<token_id>(-1), i);
  }
  draft_tree tree(detail::narrow<token_id>(ids[0]));
  tree.parents_.resize(n, no_node);
  tree.tokens_.resize(n);
  tree.depths_.resize(n);
  tree.child_begin_.assign(n + 1, 0);
  tree.child_nodes_.resize(n - 1);
  tree.child_tokens_.resize(n - 1);
  for (std::size_t i = 1; i < n; ++i) {
    const node_index parent = detail::narrow<node_index>(above[i]);
    tree.parents_[i] = parent;
    tree.tokens_[i] = detail::narrow<token_id>(ids[i]);
    tree.depths_[i] = tree.depths_[parent] + 1;
    if (tree.depths_[i] > tree.max_depth_) tree.max_depth_ = tree.depths_[i];
    if (tree.child_begin_[parent + 1]++ == 0) ++tree.inner_size_;
  }
  for (std::size_t i = 0; i < n; ++i) tree.child_begin_[i + 1] += tree.child_begin_[i];
  for (std::size_t i = n; i-- > 1;) {  // backwards: each parent's end moves down to its begin
    const std::uint32_t at = --tree.child_begin_[tree.parents_[i] + 1];
    tree.child_nodes_[at] = static_cast<node_index>(i);
    tree.child_tokens_[at] = tree.tokens_[i];
  }
  // child_begin_[i + 1] now holds the begin of node i: shift by one place.
  for (std::size_t i = 0; i < n; ++i) tree.child_begin_[i] = tree.child_begin_[i + 1];
  tree.child_begin_[n] = static_cast<std::uint32_t>(n - 1);
  return tree;
}

inline node_index draft_tree::add_node(std::size_t parent, token_id token) {
  check_index("gavel::speculative::draft_tree::add_node", "parent", parent, "number of nodes", size());
  const node_index node = static_cast<node_index>(size());
  const std::uint32_t depth = depths_[parent] + 1;
  reserve(size() + 1);  // all memory first: nothing below can fail half way
  if (is_leaf(parent)) ++inner_size_;
  const auto at = static_cast<std::ptrdiff_t>(child_begin_[parent + 1]);
  child_nodes_.insert(child_nodes_.begin() + at, node);
  child_tokens_.insert(child_tokens_.begin() + at, token);
  for (std::size_t i = parent + 1; i < child_begin_.size(); ++i) ++child_begin_[i];
  child_begin_.push_back(child_begin_.back());
  parents_.push_back(static_cast<node_index>(parent));
  tokens_.push_back(token);
  depths_.push_back(depth);
  if (depth > max_depth_) max_depth_ = depth;
  return node;
}

inline void draft_tree::reserve(std::size_t nodes) {
  if (nodes + 1 <= child_begin_.capacity() && nodes <= parents_.capacity() && nodes <= tokens_.capacity() && nodes <= depths_.capacity() &&
      nodes <= child_nodes_.capacity() + 1 && nodes <= child_tokens_.capacity() + 1) {
    return;
  }
  const std::size_t room = nodes > 2 * size() ? nodes : 2 * size();
  parents_.reserve(room);
  tokens_.reserve(room);
  depths_.reserve(room);
  child_begin_.reserve(room + 1);
  child_nodes_.reserve(room);
  child_tokens_.reserve(room);
}

inline void draft_tree::clear(token_id root_token) {
  parents_.resize(1);
  tokens_.assign(1, root_token);
  depths_.resize(1);
  child_begin_.assign(2, 0);
  child_nodes_.clear();
  child_tokens_.clear();
  inner_size_ = 0;
  max_depth_ = 0;
}

namespace detail {

inline void check_tree(const char* function, const draft_tree& tree, draft_law law, std::size_t vocabulary_size) {
  for (std::size_t node = 1; node < tree.size(); ++node) {
    check_index(function, "tree.token", tree.token(node), "vocabulary size", vocabulary_size, node);
  }
  if (law == draft_law::iid) return;
  for (std::size_t node = 0; node < tree.size(); ++node) {
    const auto drafts = tree.child_tokens(node);
    for (std::size_t i = 1; i < drafts.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (drafts[i] == drafts[j]) {
          refuse(function, "tree.token", drafts[i], "must differ from its earlier sibling, node", tree.children(node)[j],
                 tree.children(node)[i]);
        }
      }
    }
  }
}

// The shapes of one verification call; returns whether draft rows exist for inner nodes only.
template <class T>
inline bool check_tree_rows(const char* function, const draft_tree& tree, matrix_view<const T> target_rows, matrix_view<const T> draft_rows,
                            bool may_be_absent = false, bool own_columns = false) {
  check_size(function, "target_rows.rows()", target_rows.rows(), "the number of nodes", tree.size());
  check_at_least(function, "target_rows.cols()", target_rows.cols(), 1);
  if (draft_rows.rows() == 0 && may_be_absent) return true;
  if (draft_rows.rows() != tree.size() && draft_rows.rows() != tree.inner_size()) {
    check_size(function, "draft_rows.rows()", draft_rows.rows(), "the number of nodes or of inner nodes, which is", tree.inner_size());
  }
  if (draft_rows.rows() != 0 && !own_columns) {
    check_size(function, "draft_rows.cols()", draft_rows.cols(), "target_rows.cols()", target_rows.cols());
  }
  return draft_rows.rows() != tree.size();
}

inline void check_tree_outputs(const char* function, const draft_tree& tree, std::size_t tokens, std::size_t nodes) {
  check_at_most(function, "tree.max_depth()", tree.max_depth(), "accepted_tokens.size()", tokens);
  if (nodes != 0) check_at_most(function, "tree.max_depth()", tree.max_depth(), "accepted_nodes.size()", nodes);
}

// The path is written only when the decision is complete, from its end: a call that throws leaves the outputs alone.
inline void write_path(const draft_tree& tree, std::size_t last, std::span<token_id> tokens, std::span<node_index> nodes) {
  for (std::size_t node = last, i = tree.depth(last); i-- > 0; node = tree.parent(node)) {
    tokens[i] = tree.token(node);
    if (!nodes.empty()) nodes[i] = static_cast<node_index>(node);
  }
}

}  // namespace detail

inline void check_tree(const draft_tree& tree, draft_law law, std::size_t vocabulary_size) {
  detail::check_tree("gavel::speculative::check_tree", tree, law, vocabulary_size);
}

}  // namespace gavel::speculative
