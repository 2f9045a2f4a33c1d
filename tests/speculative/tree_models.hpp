// SPDX-License-Identifier: MIT
#pragma once

#include "speculative/laws.hpp"
#include "support/numbers.hpp"

#include <gavel/core/views.hpp>
#include <gavel/speculative/tree.hpp>

#include <cstddef>
#include <span>
#include <vector>

// Small language models as tables, all trees that a draft law can draw from one, and the joint law of the tokens that a verification of
// them emits: the oracles for paths and trees. Everything by enumeration and from the definitions.

namespace gavel::testing {

using speculative::draft_tree;
using speculative::node_index;
using speculative::tree_stop;

/// Next-token rows for every prefix of up to `depth` tokens.
class table_model {
 public:
  table_model(test_engine& rng, std::size_t vocabulary, std::size_t depth, double zero_chance, std::size_t least_support)
      : vocabulary_(vocabulary) {
    std::size_t prefixes = 0;
    std::size_t level = 1;
    for (std::size_t d = 0; d <= depth; ++d, level *= vocabulary) prefixes += level;
    while (rows_.size() < prefixes) {
      std::vector<double> row = random_row(rng, vocabulary, zero_chance);
      if (support_size(row) >= least_support) rows_.push_back(std::move(row));
    }
  }
  [[nodiscard]] std::size_t vocabulary() const { return vocabulary_; }
  [[nodiscard]] const std::vector<double>& row(std::span<const token_id> prefix) const { return rows_.at(index(prefix)); }
  [[nodiscard]] std::vector<double>& row(std::span<const token_id> prefix) { return rows_.at(index(prefix)); }

 private:
  [[nodiscard]] std::size_t index(std::span<const token_id> prefix) const {
    std::size_t number = 0;
    for (const token_id x : prefix) number = number * vocabulary_ + x + 1;  // a bijection of all prefixes onto 0, 1, 2, ...
    return number;
  }
  std::size_t vocabulary_;
  std::vector<std::vector<double>> rows_;
};

/// Joint probabilities of the first `length` tokens.
class joint_law {
 public:
  joint_law(const table_model& model, std::size_t length) : model_(model), length_(length) {
    std::size_t size = 1;
    for (std::size_t i = 0; i < length; ++i) size *= model.vocabulary();
    probs_.assign(size, 0.0);
  }
  /// Adds `mass` to sequences that begin with `prefix`, continued by the model itself.
  void add(std::vector<token_id> prefix, double mass) {
    if (mass == 0.0) return;
    if (prefix.size() == length_) {
      std::size_t at = 0;
      for (const token_id x : prefix) at = at * model_.vocabulary() + x;
      probs_[at] += mass;
      return;
    }
    const std::vector<double>& row = model_.row(prefix);
    prefix.push_back(0);
    for (token_id y = 0; y < row.size(); ++y) {
      prefix.back() = y;
      add(prefix, mass * row[y]);
    }
  }
  [[nodiscard]] const std::vector<double>& probs() const { return probs_; }

 private:
  const table_model& model_;
  std::size_t length_;
  std::vector<double> probs_;
};

inline std::vector<double> target_joint(const table_model& model, std::size_t length) {
  joint_law law(model, length);
  law.add({}, 1.0);
  return law.probs();
}

inline std::vector<token_id> path_of(const draft_tree& tree, std::size_t node) {
  std::vector<token_id> path(tree.depth(node));
  for (std::size_t i = path.size(); i-- > 0; node = tree.parent(node)) path[i] = tree.token(node);
  return path;
}

/// Rows of a model at the nodes of a tree, row-major [nodes, V].
inline std::vector<double> node_rows(const table_model& model, const draft_tree& tree) {
  std::vector<double> rows;
  for (std::size_t node = 0; node < tree.size(); ++node) {
    const std::vector<double>& row = model.row(path_of(tree, node));
    rows.insert(rows.end(), row.begin(), row.end());
  }
  return rows;
}

/// Random shape: parents only, at most `most_children` children and `most_depth` levels below the root.
inline std::vector<node_index> random_shape(test_engine& rng, std::size_t nodes, std::size_t most_children, std::size_t most_depth) {
  std::vector<node_index> parents{draft_tree::no_node};
  std::vector<std::size_t> depth{0};
  std::vector<std::size_t> children{0};
  for (std::size_t tries = 0; parents.size() < nodes && tries < 10000; ++tries) {
    const auto parent = static_cast<std::size_t>(unit(rng) * static_cast<double>(parents.size()));
    if (children[parent] == most_children || depth[parent] == most_depth) continue;
    ++children[parent];
    parents.push_back(static_cast<node_index>(parent));
    depth.push_back(depth[parent] + 1);
    children.push_back(0);
  }
  return parents;
}

/// Calls `visit(tree, probability)` for every tree of this shape that `law` can draw from the draft model.
template <class Visit>
void for_each_drawn_tree(const std::vector<node_index>& parents, draft_law law, const table_model& drafts, Visit&& visit) {
  std::vector<token_id> tokens(parents.size(), 0);
  const draft_tree shape = draft_tree::from_parents(parents, tokens);
  const std::function<void(std::size_t, double)> draw = [&](std::size_t node, double probability) {
    if (node == parents.size()) {
      visit(draft_tree::from_parents(parents, tokens), probability);
      return;
    }
    if (shape.is_leaf(node)) return draw(node + 1, probability);
    std::vector<token_id> prefix(shape.depth(node));
    for (std::size_t at = node, i = prefix.size(); i-- > 0; at = parents[at]) prefix[i] = tokens[at];
    for_each_drafts(law, drafts.row(prefix), shape.child_count(node), [&](std::span<const token_id> drawn, double chance) {
      for (std::size_t i = 0; i < drawn.size(); ++i) tokens[shape.children(node)[i]] = drawn[i];
      draw(node + 1, probability * chance);
    });
  };
  draw(0, 1.0);
}

/// What a verification emits, averaged over all drawn trees: the joint law of max depth + 1 tokens and the expected accepted length.
struct emission {
  std::vector<double> joint;
  double accepted_length = 0.0;
};

/// @param stops (tree, target rows, draft rows) -> ends of the verification of that tree
template <class Stops>
emission emitted_law(const std::vector<node_index>& parents, draft_law law, const table_model& target, const table_model& drafts,
                     Stops&& stops) {
  const std::vector<token_id> none(parents.size(), 0);
  joint_law joint(target, draft_tree::from_parents(parents, none).max_depth() + 1);
  emission result;
  for_each_drawn_tree(parents, law, drafts, [&](const draft_tree& tree, double probability) {
    const std::vector<double> p = node_rows(target, tree);
    const std::vector<double> q = node_rows(drafts, tree);
    double total = 0.0;
    for (const tree_stop& stop :
         stops(tree, matrix_view<const double>(p, target.vocabulary()), matrix_view<const double>(q, target.vocabulary()))) {
      total += stop.probability;
      std::vector<token_id> emitted = path_of(tree, stop.node);
      result.accepted_length += probability * stop.probability * static_cast<double>(emitted.size());
      emitted.push_back(0);
      for (token_id y = 0; y < stop.next_token_probs.size(); ++y) {
        emitted.back() = y;
        joint.add(emitted, probability * stop.probability * stop.next_token_probs[y]);
      }
    }
    if (!(std::abs(total - 1.0) <= 1e-12)) result.accepted_length = not_a_number;
  });
  result.joint = joint.probs();
  return result;
}

/// p-value of `draws` calls of verify(rng, tokens, nodes) -> tree_verdict on a fixed tree against its exact ends; cells are end x next
/// token.
template <class Verify>
double draws_against_stops(const draft_tree& tree, const std::vector<tree_stop>& stops, std::size_t vocabulary, std::size_t draws,
                           std::uint64_t seed, Verify&& verify) {
  std::vector<double> probs(tree.size() * vocabulary, 0.0);
  for (const tree_stop& stop : stops) {
    for (std::size_t y = 0; y < vocabulary; ++y) probs[stop.node * vocabulary + y] = stop.probability * stop.next_token_probs[y];
  }
  std::vector<std::size_t> counts(probs.size(), 0);
  std::vector<token_id> tokens(tree.max_depth());
  std::vector<node_index> nodes(tree.max_depth());
  test_engine rng(seed);
  for (std::size_t i = 0; i < draws; ++i) {
    const speculative::tree_verdict one = verify(rng, std::span<token_id>(tokens), std::span<node_index>(nodes));
    const std::vector<token_id> path = path_of(tree, one.last_node);
    REQUIRE(one.accepted_length == path.size());
    REQUIRE(std::equal(path.begin(), path.end(), tokens.begin()));
    if (!path.empty()) REQUIRE(nodes[path.size() - 1] == one.last_node);
    ++counts[one.last_node * vocabulary + one.next_token];
  }
  return g_test_p_value(counts, probs);
}

}  // namespace gavel::testing
