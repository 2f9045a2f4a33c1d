// SPDX-License-Identifier: MIT
#include "speculative/tree_models.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"

#include <gavel/speculative/tree.hpp>

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace tree_test {

using namespace gavel;
using namespace gavel::speculative;
using namespace gavel::testing;

namespace {

// root -> {0: token 5, 1: token 7}, node 1 -> {token 5, token 6}, node 2 -> {token 1}, node 4 -> {token 2}
const std::vector<int> parents{-1, 0, 0, 1, 1, 2, 4};
const std::vector<int> tokens{9, 5, 7, 5, 6, 1, 2};

}  // namespace

TEST_CASE("draft_tree keeps children in draw order", "[speculative][tree]") {
  const draft_tree tree = draft_tree::from_parents(parents, tokens);
  CHECK(tree.size() == 7);
  CHECK(tree.inner_size() == 4);
  CHECK(tree.max_depth() == 3);
  CHECK(std::vector<node_index>(tree.children(0).begin(), tree.children(0).end()) == std::vector<node_index>{1, 2});
  CHECK(std::vector<node_index>(tree.children(1).begin(), tree.children(1).end()) == std::vector<node_index>{3, 4});
  CHECK(std::vector<token_id>(tree.child_tokens(1).begin(), tree.child_tokens(1).end()) == std::vector<token_id>{5, 6});
  CHECK(tree.children(3).empty());
  CHECK(tree.is_leaf(6));
  CHECK(tree.parent(0) == draft_tree::no_node);
  CHECK(tree.parent(6) == 4);
  CHECK(tree.token(6) == 2);
  CHECK(tree.depth(6) == 3);
  CHECK(tree.inner_index(0) == 0);
  CHECK(tree.inner_index(2) == 2);
  CHECK(tree.inner_index(4) == 3);
  CHECK(path_of(tree, 6) == std::vector<token_id>{5, 6, 2});
  CHECK(tree.tokens().size() == 7);
  CHECK(tree.parents()[5] == 2);
}

TEST_CASE("draft_tree is the same however it is built", "[speculative][tree]") {
  test_engine rng(11);
  for (int repeat = 0; repeat < 50; ++repeat) {
    const std::vector<node_index> shape = random_shape(rng, 1 + rng() % 40, 5, 6);
    std::vector<std::int64_t> ids(shape.size());
    for (auto& id : ids) id = static_cast<std::int64_t>(rng() % 1000);
    draft_tree grown(static_cast<token_id>(ids[0]));
    for (std::size_t i = 1; i < shape.size(); ++i) REQUIRE(grown.add_node(shape[i], static_cast<token_id>(ids[i])) == i);
    const draft_tree whole = draft_tree::from_parents(shape, ids);
    REQUIRE(grown == whole);
    const draft_tree copy = grown;
    grown.clear(3);
    REQUIRE(grown == draft_tree(3));
    REQUIRE(copy == whole);
    for (std::size_t i = 1; i < shape.size(); ++i) grown.add_node(shape[i], static_cast<token_id>(ids[i]));
    REQUIRE((grown == whole) == (ids[0] == 3));
    std::size_t seen = 1;
    for (std::size_t node = 0; node < whole.size(); ++node) {
      for (const node_index child : whole.children(node)) {
        REQUIRE(whole.parent(child) == node);
        ++seen;
      }
    }
    REQUIRE(seen == whole.size());
  }
}

TEST_CASE("draft_tree: a tree that was moved from is the root alone and grows again", "[speculative][tree]") {
  const draft_tree whole = draft_tree::from_parents(parents, tokens);
  draft_tree source = whole;
  draft_tree heir = std::move(source);
  CHECK(heir == whole);
  CHECK(source == draft_tree());
  source.clear(7);
  CHECK(source == draft_tree(7));
  CHECK(source.parent(0) == draft_tree::no_node);
  CHECK(source.add_node(0, 3) == 1);
  source = std::move(heir);
  CHECK(source == whole);
  CHECK(heir == draft_tree());
  draft_tree& same = source;
  source = std::move(same);
  CHECK(source == whole);
  STATIC_REQUIRE(std::is_nothrow_move_constructible_v<draft_tree>);
}

TEST_CASE("draft_tree refuses what is no tree", "[speculative][tree]") {
  draft_tree tree(1);
  CHECK(message_of([&] { tree.add_node(1, 5); }) == "gavel::speculative::draft_tree::add_node: parent = 1, must be < number of nodes 1");
  CHECK(tree == draft_tree(1));
  auto build = [](std::vector<int> above, std::vector<long long> ids) {
    return message_of([&] { (void)draft_tree::from_parents(above, ids); });
  };
  const std::string name = "gavel::speculative::draft_tree::from_parents: ";
  CHECK(build({}, {}) == name + "parents.size() = 0, must be >= 1");
  CHECK(build({-1, 0}, {1}) == name + "tokens.size() = 1, must equal parents.size() 2");
  CHECK(build({-1, 0, 2}, {1, 2, 3}) == name + "parents[2] = 2, must be >= 0 and < the node's own index 2");
  CHECK(build({-1, -1}, {1, 2}) == name + "parents[1] = -1, must be >= 0 and < the node's own index 1");
  CHECK(build({-1, 0}, {-1, 2}) == name + "tokens[0] = -1, must be >= 0 and <= 4294967295");
  CHECK(build({-1, 0}, {1, 4294967296}) == name + "tokens[1] = 4294967296, must be >= 0 and <= 4294967295");
  CHECK(build({77, 0}, {1, 4294967295}) == "no exception");
}

TEST_CASE("check_tree: ids in the vocabulary, siblings distinct where the law says so", "[speculative][tree]") {
  draft_tree tree(1000);  // the root's token is not read
  tree.add_node(0, 4);
  tree.add_node(0, 6);
  tree.add_node(1, 6);
  tree.add_node(0, 4);
  CHECK_NOTHROW(check_tree(tree, draft_law::iid, 7));
  CHECK(message_of([&] { check_tree(tree, draft_law::iid, 6); }) ==
        "gavel::speculative::check_tree: tree.token[2] = 6, must be < vocabulary size 6");
  for (const draft_law law : {draft_law::without_replacement, draft_law::greedy, draft_law::top_n, draft_law::hub_pair}) {
    CHECK(message_of([&] { check_tree(tree, law, 7); }) ==
          "gavel::speculative::check_tree: tree.token[4] = 4, must differ from its earlier sibling, node 1");
  }
}

}  // namespace tree_test
