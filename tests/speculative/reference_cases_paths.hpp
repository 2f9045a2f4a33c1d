// SPDX-License-Identifier: MIT
#pragma once

#include "support/reference.hpp"

#include <gavel/core/views.hpp>
#include <gavel/speculative/block_verification.hpp>
#include <gavel/speculative/traversal_verification.hpp>
#include <gavel/speculative/tree.hpp>
#include <gavel/speculative/tree_shape.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

// Handlers of the reference cases about paths and trees: kinds "block", "traversal" and "tree_budget_dp".

namespace gavel::testing {

namespace reference_paths {

using rows = std::vector<std::vector<double>>;
using path = std::vector<speculative::token_id>;

inline std::vector<double> flat(const rows& values) {
  std::vector<double> all;
  for (const auto& row : values) all.insert(all.end(), row.begin(), row.end());
  return all;
}

// Below this mass a conditional law is a quotient of rounding errors: its digits are nobody's to check.
inline constexpr double least_mass = 1e-5;

}  // namespace reference_paths

inline void check_block_case(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"target_rows", "draft_rows", "path"});
  require_keys(expected, {"p_i", "h_i", "prob_accepted_length", "next_token_distribution_by_length"});
  const auto target = inputs.at("target_rows").get<reference_paths::rows>();
  const auto draft = inputs.at("draft_rows").get<reference_paths::rows>();
  const auto path = inputs.at("path").get<reference_paths::path>();
  const std::vector<double> p = reference_paths::flat(target);
  const std::vector<double> q = reference_paths::flat(draft);
  const std::size_t vocabulary = target.at(0).size();
  const speculative::block_law law =
      speculative::block_verification_law(matrix_view<const double>(p, vocabulary), matrix_view<const double>(q, vocabulary), path);
  check_close(law.prefix_weight, expected.at("p_i").get<std::vector<double>>(), tolerance, "p_i");
  check_close(law.stop_probs, expected.at("h_i").get<std::vector<double>>(), tolerance, "h_i");
  check_close(law.length_probs, expected.at("prob_accepted_length").get<std::vector<double>>(), tolerance, "prob_accepted_length");
  const json& next = expected.at("next_token_distribution_by_length");
  REQUIRE(next.size() == path.size() + 1);
  for (std::size_t i = 0; i <= path.size(); ++i) {
    double mass = i == path.size() ? 1.0 : 0.0;
    for (std::size_t y = 0; i < path.size() && y < vocabulary; ++y)
      mass += (std::max)(0.0, law.prefix_weight[i] * target[i][y] - draft[i][y]);
    if (mass < reference_paths::least_mass) continue;
    const auto first = law.next_token_probs.begin() + static_cast<std::ptrdiff_t>(i * vocabulary);
    check_close(std::vector<double>(first, first + static_cast<std::ptrdiff_t>(vocabulary)), next.at(i).get<std::vector<double>>(),
                tolerance, "next token after " + std::to_string(i));
  }
}

inline void check_traversal_case(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"nodes", "target_rows", "inner_nodes", "draft_rows", "children_in_draw_order", "sampling"});
  require_keys(expected, {"stops"});
  REQUIRE(inputs.at("sampling").get<std::string>() == "siblings drawn without replacement");
  const auto nodes = inputs.at("nodes").get<std::vector<reference_paths::path>>();
  const auto inner = inputs.at("inner_nodes").get<std::vector<reference_paths::path>>();
  const auto target = inputs.at("target_rows").get<reference_paths::rows>();
  const auto draft = inputs.at("draft_rows").get<reference_paths::rows>();
  const auto children = inputs.at("children_in_draw_order").get<std::vector<reference_paths::path>>();
  REQUIRE(target.size() == nodes.size());
  REQUIRE(draft.size() == inner.size());
  REQUIRE(children.size() == inner.size());
  const auto position = [](const std::vector<reference_paths::path>& list, const reference_paths::path& wanted) {
    return static_cast<std::size_t>(std::find(list.begin(), list.end(), wanted) - list.begin());
  };

  // Nodes are named by their paths; breadth first over the children in draw order numbers them, whatever the order of the lists.
  speculative::draft_tree tree;
  std::vector<reference_paths::path> paths{{}};
  reference_paths::rows target_rows;
  reference_paths::rows draft_rows;
  for (std::size_t node = 0; node < paths.size(); ++node) {
    target_rows.push_back(target.at(position(nodes, paths[node])));
    const std::size_t at = position(inner, paths[node]);
    if (at == inner.size()) continue;
    draft_rows.push_back(draft[at]);
    for (const speculative::token_id token : children[at]) {
      tree.add_node(node, token);
      reference_paths::path longer = paths[node];
      longer.push_back(token);
      paths.push_back(std::move(longer));
    }
  }
  REQUIRE(paths.size() == nodes.size());
  const std::vector<double> p = reference_paths::flat(target_rows);
  const std::vector<double> q = reference_paths::flat(draft_rows);
  const std::size_t vocabulary = target_rows.at(0).size();

  speculative::traversal_verifier<double> traversal;
  std::map<reference_paths::path, speculative::tree_stop> found;
  for (const speculative::tree_stop& stop :
       traversal.stop_law(tree, matrix_view<const double>(p, vocabulary), matrix_view<const double>(q, vocabulary))) {
    found[paths[stop.node]] = stop;
  }
  double total = 0.0;
  for (const json& stop : expected.at("stops")) {
    require_keys(stop, {"accepted_path", "probability", "next_token_distribution"});
    const auto path = stop.at("accepted_path").get<reference_paths::path>();
    const double probability = stop.at("probability").get<double>();
    const auto at = found.find(path);
    check_close(at == found.end() ? 0.0 : at->second.probability, probability, tolerance, "probability of an end");
    total += probability;
    if (probability < reference_paths::least_mass) continue;
    check_close(at->second.next_token_probs, stop.at("next_token_distribution").get<std::vector<double>>(), tolerance, "next token");
    found.erase(at);
  }
  check_close(total, 1.0, json{{"abs", 1e-9}}, "sum of the expected ends");
  for (const auto& [path, stop] : found) {
    if (stop.probability >= reference_paths::least_mass)
      FAIL_CHECK("an end of probability " << stop.probability << " that is not expected");
  }
}

inline void check_tree_budget_case(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"accept_prob_of_bth_child", "node_budget", "max_depth_levels"});
  require_keys(expected, {"best_expected_tokens_by_depth"});
  const auto chances = inputs.at("accept_prob_of_bth_child").get<std::vector<double>>();
  const auto budget = inputs.at("node_budget").get<std::size_t>();
  const auto levels = inputs.at("max_depth_levels").get<std::size_t>();
  const json& best = expected.at("best_expected_tokens_by_depth");
  REQUIRE(best.size() == levels);
  const speculative::tree_shape_table table(chances, budget, levels);
  for (std::size_t l = 1; l <= levels; ++l) {
    const std::optional<double> tokens = table.expected_tokens(budget, l);
    REQUIRE(tokens.has_value() == !best.at(l - 1).is_null());
    if (!tokens) continue;
    check_close(*tokens, best.at(l - 1).get<double>(), tolerance, "levels " + std::to_string(l));
    const speculative::tree_shape shape = table.shape(budget, l);
    REQUIRE(shape.nodes() == budget);
    const std::vector<speculative::token_id> tokens_of_nodes(budget, 0);
    check_close(speculative::expected_tree_tokens(speculative::draft_tree::from_parents(shape.parents, tokens_of_nodes), chances),
                best.at(l - 1).get<double>(), tolerance, "value of the tree itself");
  }
}

}  // namespace gavel::testing
