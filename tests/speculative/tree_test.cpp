// SPDX-License-Identifier: MIT
#include "speculative/tree_models.hpp"
#include "support/catch.hpp"

#include <gavel/speculative/greedy_drafts.hpp>
#include <gavel/speculative/hub_pair.hpp>
#include <gavel/speculative/k_sequence.hpp>
#include <gavel/speculative/optimal_iid.hpp>
#include <gavel/speculative/optimal_without_replacement.hpp>
#include <gavel/speculative/recursive_rejection.hpp>
#include <gavel/speculative/single_draft.hpp>
#include <gavel/speculative/target_only.hpp>
#include <gavel/speculative/tree.hpp>

#include <array>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

using namespace gavel;
using namespace gavel::speculative;
using namespace gavel::testing;

namespace {

template <class Exception = std::invalid_argument, class F>
std::string message_of(F&& call) {
  try {
    call();
  } catch (const Exception& error) {
    return error.what();
  }
  return "no exception of the expected type";
}

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

TEST_CASE("draft_tree refuses what is no tree", "[speculative][tree]") {
  draft_tree tree(1);
  CHECK(message_of([&] { tree.add_node(1, 5); }) == "gavel::speculative::draft_tree::add_node: parent = 1, must be < number of nodes 1");
  CHECK(tree == draft_tree(1));
  auto build = [](std::vector<int> above, std::vector<long long> ids) {
    return message_of([&] { (void)draft_tree::from_parents(above, ids); });
  };
  CHECK(build({}, {}) == "gavel::speculative::draft_tree::from_parents: parents.size() = 0, must be >= 1, the root");
  CHECK(build({-1, 0}, {1}) == "gavel::speculative::draft_tree::from_parents: tokens.size() = 1, must be parents.size() 2");
  CHECK(build({-1, 0, 2}, {1, 2, 3}) ==
        "gavel::speculative::draft_tree::from_parents: parents[2] = 2, must be >= 0 and < the node's own index 2");
  CHECK(build({-1, -1}, {1, 2}) ==
        "gavel::speculative::draft_tree::from_parents: parents[1] = -1, must be >= 0 and < the node's own index 1");
  CHECK(build({-1, 0}, {1, -2}) == "gavel::speculative::draft_tree::from_parents: tokens[1] = -2, must be >= 0 and <= 4294967295");
  CHECK(build({-1, 0}, {1, 4294967296}) ==
        "gavel::speculative::draft_tree::from_parents: tokens[1] = 4294967296, must be >= 0 and <= 4294967295");
  CHECK(build({77, 0}, {1, 4294967295}) == "no exception of the expected type");
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

namespace {

// The tree walk with one verifier type, over shapes and models drawn at random: exact joint law of the emitted tokens.
template <class Verifier>
void check_walk(draft_law law, std::size_t vocabulary, std::size_t most_children, std::size_t nodes, std::uint64_t seed, int repeats,
                const std::vector<node_index>& fixed_shape = {}) {
  test_engine rng(seed);
  for (int repeat = 0; repeat < repeats; ++repeat) {
    const std::vector<node_index> shape = fixed_shape.empty() ? random_shape(rng, nodes, most_children, 3) : fixed_shape;
    const table_model target(rng, vocabulary, 4, repeat % 2 == 0 ? 0.0 : 0.3, 1);
    const table_model drafts(rng, vocabulary, 3, repeat % 3 == 1 ? 0.3 : 0.0, law == draft_law::iid ? 1 : most_children);
    Verifier verifier;
    const emission emitted =
        emitted_law(shape, law, target, drafts, [&](const draft_tree& tree, matrix_view<const double> p, matrix_view<const double> q) {
          return tree_walk_law(tree, p, q, verifier);
        });
    const std::vector<node_index> no_tokens(shape.size(), 0);
    const std::size_t length = draft_tree::from_parents(shape, no_tokens).max_depth() + 1;
    REQUIRE(std::isfinite(emitted.accepted_length));
    REQUIRE(largest_difference(emitted.joint, target_joint(target, length)) <= 1e-12);
  }
}

}  // namespace

TEST_CASE("walk_tree emits the target's joint law: drafts drawn independently", "[speculative][tree]") {
  check_walk<recursive_rejection<double>>(draft_law::iid, 3, 2, 6, 21, 6);
  check_walk<k_sequence<double>>(draft_law::iid, 3, 2, 6, 22, 6);
  check_walk<target_only<double>>(draft_law::iid, 3, 2, 6, 23, 6);
  check_walk<recursive_rejection<double>>(draft_law::iid, 2, 3, 6, 24, 4);
  check_walk<single_draft<double>>(draft_law::iid, 4, 1, 4, 25, 4);
  check_walk<optimal_iid<double>>(draft_law::iid, 3, 2, 5, 26, 4);
}

TEST_CASE("walk_tree emits the target's joint law: siblings without replacement, greedy and most probable", "[speculative][tree]") {
  check_walk<recursive_rejection<double, draft_law::without_replacement>>(draft_law::without_replacement, 3, 3, 8, 31, 8);
  check_walk<target_only<double, draft_law::without_replacement>>(draft_law::without_replacement, 3, 3, 8, 32, 6);
  check_walk<optimal_without_replacement<double>>(draft_law::without_replacement, 3, 2, 5, 35, 4);
  check_walk<greedy_drafts<double>>(draft_law::greedy, 3, 3, 8, 36, 8);
  check_walk<target_only<double, draft_law::greedy>>(draft_law::greedy, 3, 3, 8, 33, 6);
  check_walk<target_only<double, draft_law::top_n>>(draft_law::top_n, 4, 3, 10, 34, 6);
}

TEST_CASE("walk_tree with a verifier for pairs only: exact on pairs, its own error elsewhere", "[speculative][tree]") {
  check_walk<hub_pair<double>>(draft_law::hub_pair, 3, 2, 7, 37, 6, {draft_tree::no_node, 0, 0, 1, 1, 2, 2});
  const std::vector<int> chain{-1, 0};
  const std::vector<int> ids{0, 1};
  const std::vector<double> rows{0.25, 0.75, 0.25, 0.75};
  hub_pair<double> pairs;
  test_engine rng(1);
  std::vector<token_id> out(1, 77);
  CHECK(message_of([&] {
          walk_tree(draft_tree::from_parents(chain, ids), matrix_view<const double>(rows, 2), matrix_view<const double>(rows, 2), pairs,
                    rng, std::span<token_id>(out));
        }) == "gavel::speculative::hub_pair::prepare: n = 1, must be 2");
  CHECK(out[0] == 77);
}

TEST_CASE("walk_tree emits what tree_walk_law says", "[speculative][tree]") {
  test_engine rng(41);
  const std::size_t vocabulary = 4;
  const table_model target(rng, vocabulary, 3, 0.0, 1);
  const table_model drafts(rng, vocabulary, 3, 0.0, 1);
  const std::vector<int> shape{-1, 0, 0, 1, 1, 2, 0};
  const std::vector<int> ids{0, 2, 1, 0, 3, 1, 3};
  const draft_tree tree = draft_tree::from_parents(shape, ids);
  const std::vector<double> p = node_rows(target, tree);
  const std::vector<double> q = node_rows(drafts, tree);
  const matrix_view<const double> target_rows(p, vocabulary);
  const matrix_view<const double> draft_rows(q, vocabulary);

  recursive_rejection<double, draft_law::without_replacement> rejection;
  const std::vector<tree_stop> stops = tree_walk_law(tree, target_rows, draft_rows, rejection);
  CHECK(
      draws_against_stops(tree, stops, vocabulary, 100000, 5, [&](test_engine& draw, std::span<token_id> out, std::span<node_index> nodes) {
        return walk_tree(tree, target_rows, draft_rows, rejection, draw, out, nodes);
      }) > 1e-6);

  // Rows for inner nodes only are the same rows.
  std::vector<double> inner;
  for (std::size_t node = 0; node < tree.size(); ++node) {
    if (!tree.is_leaf(node)) inner.insert(inner.end(), draft_rows.row(node).begin(), draft_rows.row(node).end());
  }
  const std::vector<tree_stop> again = tree_walk_law(tree, target_rows, matrix_view<const double>(inner, vocabulary), rejection);
  REQUIRE(again.size() == stops.size());
  for (std::size_t i = 0; i < stops.size(); ++i) {
    CHECK(again[i].node == stops[i].node);
    CHECK(again[i].probability == stops[i].probability);
    CHECK(again[i].next_token_probs == stops[i].next_token_probs);
  }
  std::vector<token_id> one(tree.max_depth());
  std::vector<token_id> other(tree.max_depth());
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    test_engine first(seed);
    test_engine second(seed);
    CHECK(walk_tree(tree, target_rows, draft_rows, rejection, first, std::span<token_id>(one)) ==
          walk_tree(tree, target_rows, matrix_view<const double>(inner, vocabulary), rejection, second, std::span<token_id>(other)));
    CHECK(one == other);
  }

  // Draft probabilities unknown: a verifier that needs none walks without them.
  target_only<double, draft_law::without_replacement> only;
  CHECK(draws_against_stops(tree, tree_walk_law(tree, target_rows, {}, only), vocabulary, 100000, 6,
                            [&](test_engine& draw, std::span<token_id> out, std::span<node_index> nodes) {
                              return walk_tree(tree, target_rows, {}, only, draw, out, nodes);
                            }) > 1e-6);
}

TEST_CASE("walk_tree at the edges: root alone, sure paths, uniforms", "[speculative][tree]") {
  const std::vector<double> row{0.25, 0.75};
  recursive_rejection<double, draft_law::without_replacement> rejection;
  const draft_tree root(0);
  counting_generator<test_engine> rng{test_engine(3)};
  const tree_verdict alone = walk_tree(root, matrix_view<const double>(row, 2), {}, rejection, rng, {});
  CHECK(alone.accepted_length == 0);
  CHECK(alone.last_node == 0);
  CHECK(alone.next_token < 2);
  CHECK(rng.calls == 1);  // the leaf's token
  const std::vector<tree_stop> law = tree_walk_law(root, matrix_view<const double>(row, 2), {}, rejection);
  REQUIRE(law.size() == 1);
  CHECK(law[0].probability == 1.0);
  CHECK(law[0].next_token_probs == row);

  // p = q: everything on the first path is accepted, whatever the uniforms.
  const std::vector<int> chain{-1, 0, 1};
  const std::vector<int> ids{0, 1, 0};
  const draft_tree path = draft_tree::from_parents(chain, ids);
  const std::vector<double> rows{0.25, 0.75, 0.25, 0.75, 0.25, 0.75};
  std::vector<token_id> out(2, 99);
  for (int i = 0; i < 200; ++i) {
    rng.calls = 0;
    const tree_verdict one = walk_tree(path, matrix_view<const double>(rows, 2), matrix_view<const double>(rows, 2), rejection, rng,
                                       std::span<token_id>(out));
    REQUIRE(one.accepted_length == 2);
    REQUIRE(rng.calls <= 2 * rejection.max_uniforms() + 1);
  }
  CHECK(out == std::vector<token_id>{1, 0});

  // Float rows, mutable views, a verifier of another type.
  std::vector<float> f{0.25F, 0.75F, 0.25F, 0.75F, 0.25F, 0.75F};
  target_only<float> only;
  const tree_verdict any = walk_tree(path, matrix_view<float>(f, 2), matrix_view<float>(f, 2), only, rng, std::span<token_id>(out));
  CHECK(any.next_token < 2);
}

TEST_CASE("walk_tree names what is wrong and leaves the outputs alone", "[speculative][tree]") {
  const std::vector<int> shape{-1, 0, 0, 1};
  const std::vector<int> ids{0, 1, 2, 2};
  const draft_tree tree = draft_tree::from_parents(shape, ids);
  std::vector<double> p(12, 1.0 / 3.0);
  std::vector<double> q(12, 1.0 / 3.0);
  recursive_rejection<double, draft_law::without_replacement> rejection;
  std::vector<token_id> out(2, 77);
  std::vector<node_index> nodes(2, 77);
  test_engine rng(1);
  auto walk = [&](const draft_tree& t, matrix_view<const double> a, matrix_view<const double> b, std::size_t size, std::size_t node_size) {
    return message_of(
        [&] { walk_tree(t, a, b, rejection, rng, std::span<token_id>(out).first(size), std::span<node_index>(nodes).first(node_size)); });
  };
  const matrix_view<const double> target(p, 3);
  const matrix_view<const double> draft(q, 3);
  const std::string name = "gavel::speculative::walk_tree: ";
  CHECK(walk(tree, target.middle_rows(0, 3), draft, 2, 2) == name + "target_rows.rows() = 3, must be the number of nodes 4");
  CHECK(walk(tree, target, draft.middle_rows(0, 3), 2, 2) ==
        name + "draft_rows.rows() = 3, must be the number of nodes or of inner nodes, which is 2");
  CHECK(walk(tree, target, {}, 2, 2) == name + "draft_rows.rows() = 0, must be the number of nodes or of inner nodes, which is 2");
  CHECK(walk(tree, target, matrix_view<const double>(q, 2).middle_rows(0, 4), 2, 2) ==
        name + "draft_rows.cols() = 2, must be target_rows.cols() 3");
  CHECK(walk(tree, matrix_view<const double>(p.data(), 4, 0), draft, 2, 2) == name + "target_rows.cols() = 0, must be >= 1");
  CHECK(walk(tree, target, draft, 1, 2) == name + "accepted_tokens.size() = 1, must be >= depth of the tree 2");
  CHECK(walk(tree, target, draft, 2, 1) == name + "accepted_nodes.size() = 1, must be 0 or >= depth of the tree 2");
  draft_tree wide = tree;
  wide.add_node(1, 3);
  const std::vector<double> five(15, 1.0 / 3.0);
  CHECK(walk(wide, matrix_view<const double>(five, 3), matrix_view<const double>(five, 3), 2, 2) ==
        name + "tree.token[4] = 3, must be < vocabulary size 3");
  draft_tree repeated = tree;
  repeated.add_node(1, 2);
  CHECK(walk(repeated, matrix_view<const double>(five, 3), matrix_view<const double>(five, 3), 2, 2) ==
        name + "tree.token[4] = 2, must differ from its earlier sibling, node 3");

  // A leaf's row is read only when the leaf is reached; the path so far has not been written then.
  p[9] = std::numeric_limits<double>::quiet_NaN();
  p[0] = p[2] = p[3] = p[4] = 0.0;
  p[1] = p[5] = 1.0;
  CHECK(message_of<std::domain_error>([&] {
          walk_tree(tree, target, draft, rejection, rng, std::span<token_id>(out), std::span<node_index>(nodes));
        }) == name + "target_rows.row(3)[0] = nan, must be finite and >= 0");
  p[9] = 0.5;
  CHECK(message_of<std::domain_error>([&] {
          walk_tree(tree, target, draft, rejection, rng, std::span<token_id>(out), std::span<node_index>(nodes));
        }) == name + "sum of target_rows.row(3) = 1.16666667, must be 1 within 1e-06");
  CHECK(out == std::vector<token_id>(2, 77));
  CHECK(nodes == std::vector<node_index>(2, 77));
}
