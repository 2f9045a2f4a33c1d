// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/reset_on_move.hpp>
#include <gavel/core/views.hpp>
#include <gavel/speculative/tree.hpp>
#include <gavel/speculative/verifier.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

/// @file
/// How many drafts, and in which arrangement, should one target call verify? Answered ahead of time from acceptance chances and times; a
/// tree that follows the draft model's beliefs while drafting is `tree_expansion`.

namespace gavel::speculative {

enum class tree_shape_status {
  converged,  ///< no tree of this size and depth yields more
  infeasible  ///< no tree has this many nodes within these levels and branches
};

/// A tree of drafts without its tokens.
struct tree_shape {
  tree_shape_status status = tree_shape_status::infeasible;
  std::size_t levels = 0;           ///< the levels it was planned for, root's included; it may use fewer
  double expected_tokens = 0.0;     ///< tokens per target call, the one after the accepted path included
  double call_time = 0.0;           ///< of one round in the caller's unit; 0 where no times were given
  std::vector<node_index> parents;  ///< [nodes] breadth first, siblings in draw order; entry 0, the root's, is `draft_tree::no_node`

  [[nodiscard]] std::size_t nodes() const noexcept { return parents.size(); }
  /// Seconds, milliseconds or whatever the times were given in, per emitted token.
  [[nodiscard]] double time_per_token() const noexcept { return expected_tokens > 0.0 ? call_time / expected_tokens : 0.0; }
};

/// Best tree shapes for every number of nodes and levels at once (Sequoia's dynamic programme).
///
/// The model: at every node child b (in draw order) is the accepted one with chance `child_acceptance[b]`, whatever the node; a tree then
/// yields the sum over its nodes of the product of chances on the way from the root. With T(m, l, b) the best for m nodes within l levels
/// when the root has exactly its first b children,
///
///     T(1, l, 0) = 1,   T(m, l, b) = max_{y < m} T(y, l, b-1) + chance[b] * max_{b'} T(m-y, l-1, b').
///
/// The chances of a verifier are the means of `conditional_law`'s acceptances over positions of real text.
///
/// @note Regular value. Ties go to fewer children, then to the smaller number of nodes under the earlier children.
/// @par Source
/// Chen, May, Svirschevski, Huang, Ryabinin, Jia, Chen, "Sequoia: scalable, robust, and hardware-aware speculative decoding", 2024,
/// arXiv 2402.12374, section 4.1.
class tree_shape_table {
 public:
  /// @param child_acceptance [branches] chance that child b is accepted, each in [0, 1]; a verifier's sum to at most 1 (not enforced:
  ///                         estimates may stray)
  /// @param max_nodes        nodes of the largest tree, root included, >= 1
  /// @param max_levels       levels of the deepest tree, root's included, >= 1
  /// @throws std::invalid_argument for no chances, chances outside [0, 1] or zero sizes; std::domain_error for NaN
  /// @note O(nodes^2 levels branches / 2) time, O(nodes levels branches) memory: 64 nodes, 8 levels, 16 branches take well under 1 ms.
  tree_shape_table(vector_view<const double> child_acceptance, std::size_t max_nodes, std::size_t max_levels);

  [[nodiscard]] std::size_t max_nodes() const noexcept { return nodes_; }
  [[nodiscard]] std::size_t max_levels() const noexcept { return levels_; }

  /// Expected tokens per target call of the best tree with exactly @p nodes nodes within @p levels levels; empty if there is none.
  /// Non-decreasing in levels, and in nodes wherever a tree exists.
  /// @throws std::invalid_argument outside the table
  [[nodiscard]] std::optional<double> expected_tokens(std::size_t nodes, std::size_t levels) const;

  /// That tree.
  /// @throws std::invalid_argument outside the table
  /// @note O(nodes), allocates the result.
  [[nodiscard]] tree_shape shape(std::size_t nodes, std::size_t levels) const;

  /// The tree with the most tokens per time over the whole table; ties to fewer nodes, then fewer levels.
  /// @param call_time (nodes, levels) -> time of one round, > 0; infinity rules a size out
  /// @return status `infeasible` if every size is ruled out
  /// @throws std::invalid_argument for a time <= 0, std::domain_error for NaN
  template <class F>
    requires std::invocable<F&, std::size_t, std::size_t>
  [[nodiscard]] tree_shape fastest(F&& call_time) const;

  /// The same with the times of the published search: `draft_time * levels + verify_time(nodes)`, one draft pass for every level (the
  /// root's pass produces its children; the pass for the last level is what keeps the draft model's cache in step). The root alone, which
  /// is decoding without drafts, is charged no draft pass, so that the answer can be not to speculate.
  /// @param draft_time  of one pass of the draft model over one level, >= 0
  /// @param verify_time (nodes) -> time of one target call over so many nodes
  template <class F>
    requires std::invocable<F&, std::size_t>
  [[nodiscard]] tree_shape fastest(double draft_time, F&& verify_time) const {
    check_at_least("gavel::speculative::tree_shape_table::fastest", "draft_time", draft_time, 0.0);
    return fastest([&](std::size_t nodes, std::size_t levels) {
      return (nodes > 1 ? draft_time * static_cast<double>(levels) : 0.0) + as_time(verify_time(nodes));
    });
  }

 private:
  static constexpr double infeasible = -1.0;  // feasible entries are >= 1

  // Times may come as any number type; a cast of a double to itself would be a warning.
  template <class N>
  [[nodiscard]] static constexpr double as_time(N time) noexcept {
    if constexpr (std::same_as<N, double>) return time;
    else return static_cast<double>(time);
  }

  [[nodiscard]] std::size_t at(std::size_t nodes, std::size_t levels) const noexcept { return (levels - 1) * nodes_ + nodes - 1; }
  [[nodiscard]] std::size_t at(std::size_t nodes, std::size_t levels, std::size_t children) const noexcept {
    return at(nodes, levels) * (branches_ + 1) + children;
  }
  void check_entry(const char* function, std::size_t nodes, std::size_t levels) const {
    check_at_least(function, "nodes", nodes, 1);
    check_at_most(function, "nodes", nodes, "max_nodes", nodes_);
    check_at_least(function, "levels", levels, 1);
    check_at_most(function, "levels", levels, "max_levels", levels_);
  }

  reset_on_move<std::size_t> nodes_;
  reset_on_move<std::size_t> levels_;
  std::size_t branches_ = 0;
  std::vector<double> best_;                  // [levels, nodes]
  std::vector<std::uint32_t> best_children_;  // [levels, nodes]: b of the best
  std::vector<std::uint32_t> split_;          // [levels, nodes, branches + 1]: y, the nodes left when the last child's subtree is cut off
};

/// Expected tokens per target call of any tree under the same model: sum over nodes of the product of chances on the way to it.
/// @param tree             children in draw order; tokens are not read
/// @param child_acceptance [branches] as `tree_shape_table`; children beyond its end count as never accepted
/// @note O(nodes), allocates one number per node.
[[nodiscard]] double expected_tree_tokens(const draft_tree& tree, vector_view<const double> child_acceptance);

// ---------------------------------------------------------------------------------------------------------------------------------------

inline tree_shape_table::tree_shape_table(vector_view<const double> child_acceptance, std::size_t max_nodes, std::size_t max_levels)
    : nodes_(max_nodes), levels_(max_levels) {
  constexpr const char* function = "gavel::speculative::tree_shape_table";
  check_at_least(function, "child_acceptance.size()", child_acceptance.size(), 1);
  check_at_least(function, "max_nodes", max_nodes, 1);
  check_at_least(function, "max_levels", max_levels, 1);
  for (std::size_t b = 0; b < child_acceptance.size(); ++b) {
    check_unit_interval(function, "child_acceptance", child_acceptance[b], unit_ends::closed, b);
  }

  branches_ = child_acceptance.size() < max_nodes - 1 ? child_acceptance.size() : max_nodes - 1;
  best_.assign(max_levels * max_nodes, infeasible);
  best_children_.assign(max_levels * max_nodes, 0);
  split_.assign(max_levels * max_nodes * (branches_ + 1), 0);
  std::vector<double> with_children(max_nodes * (branches_ + 1));  // T(., l, .) of the current l
  for (std::size_t l = 1; l <= max_levels; ++l) {
    with_children.assign(max_nodes * (branches_ + 1), infeasible);
    with_children[0] = best_[at(1, l)] = 1.0;
    for (std::size_t m = 2; l >= 2 && m <= max_nodes; ++m) {
      for (std::size_t b = 1; b <= branches_ && b < m; ++b) {
        double& best = with_children[(m - 1) * (branches_ + 1) + b];
        for (std::size_t y = b; y < m; ++y) {
          const double others = with_children[(y - 1) * (branches_ + 1) + b - 1];
          const double below = best_[at(m - y, l - 1)];
          if (others < 0.0 || below < 0.0) continue;
          const double tokens = others + child_acceptance[b - 1] * below;
          if (tokens > best) {
            best = tokens;
            split_[at(m, l, b)] = static_cast<std::uint32_t>(y);
          }
        }
        if (best > best_[at(m, l)]) {
          best_[at(m, l)] = best;
          best_children_[at(m, l)] = static_cast<std::uint32_t>(b);
        }
      }
    }
  }
}

inline std::optional<double> tree_shape_table::expected_tokens(std::size_t nodes, std::size_t levels) const {
  check_entry("gavel::speculative::tree_shape_table::expected_tokens", nodes, levels);
  const double tokens = best_[at(nodes, levels)];
  return tokens < 0.0 ? std::nullopt : std::optional<double>(tokens);
}

inline tree_shape tree_shape_table::shape(std::size_t nodes, std::size_t levels) const {
  check_entry("gavel::speculative::tree_shape_table::shape", nodes, levels);
  tree_shape result;
  result.levels = levels;
  if (best_[at(nodes, levels)] < 0.0) return result;
  result.status = tree_shape_status::converged;
  result.expected_tokens = best_[at(nodes, levels)];
  // Each node knows how many nodes and levels its own subtree has; working through them in order numbers the tree breadth first.
  struct subtree {
    std::size_t nodes;
    std::size_t levels;
  };
  std::vector<subtree> subtrees{{nodes, levels}};
  subtrees.reserve(nodes);
  result.parents.reserve(nodes);
  result.parents.push_back(draft_tree::no_node);
  for (std::size_t node = 0; node < subtrees.size(); ++node) {
    const subtree own = subtrees[node];
    const std::size_t children = best_children_[at(own.nodes, own.levels)];
    const std::size_t first = subtrees.size();
    subtrees.resize(first + children);
    result.parents.resize(first + children, static_cast<node_index>(node));
    std::size_t left = own.nodes;
    for (std::size_t b = children; b > 0; --b) {
      const std::size_t others = split_[at(left, own.levels, b)];
      subtrees[first + b - 1] = {left - others, own.levels - 1};
      left = others;
    }
  }
  return result;
}

template <class F>
  requires std::invocable<F&, std::size_t, std::size_t>
tree_shape tree_shape_table::fastest(F&& call_time) const {
  double best_rate = 0.0;
  double best_time = 0.0;
  std::size_t best_nodes = 0;
  std::size_t best_levels = 0;
  for (std::size_t m = 1; m <= nodes_; ++m) {
    for (std::size_t l = 1; l <= levels_; ++l) {
      const double tokens = best_[at(m, l)];
      if (tokens < 0.0) continue;
      const double time = as_time(call_time(m, l));
      check_greater("gavel::speculative::tree_shape_table::fastest", "time of one call", time, 0.0);
      if (tokens / time > best_rate) {
        best_rate = tokens / time;
        best_time = time;
        best_nodes = m;
        best_levels = l;
      }
    }
  }
  if (best_nodes == 0) return {};
  tree_shape result = shape(best_nodes, best_levels);
  result.call_time = best_time;
  return result;
}

inline double expected_tree_tokens(const draft_tree& tree, vector_view<const double> child_acceptance) {
  std::vector<double> reach(tree.size(), 0.0);
  reach[0] = 1.0;
  double sum = 0.0;
  for (std::size_t node = 0; node < tree.size(); ++node) {
    sum += reach[node];
    const auto children = tree.children(node);
    for (std::size_t b = 0; b < children.size() && b < child_acceptance.size(); ++b) reach[children[b]] = reach[node] * child_acceptance[b];
  }
  return sum;
}

}  // namespace gavel::speculative
