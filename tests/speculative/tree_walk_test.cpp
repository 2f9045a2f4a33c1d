// SPDX-License-Identifier: MIT
#include "speculative/tree_models.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/speculative/greedy_drafts.hpp>
#include <gavel/speculative/hub_pair.hpp>
#include <gavel/speculative/k_sequence.hpp>
#include <gavel/speculative/optimal_iid.hpp>
#include <gavel/speculative/optimal_without_replacement.hpp>
#include <gavel/speculative/recursive_rejection.hpp>
#include <gavel/speculative/reduced_vocabulary.hpp>
#include <gavel/speculative/single_draft.hpp>
#include <gavel/speculative/target_only.hpp>
#include <gavel/speculative/tree.hpp>
#include <gavel/speculative/tree_walk.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace tree_walk_test {

using namespace gavel;
using namespace gavel::speculative;
using namespace gavel::testing;

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

TEST_CASE("walk_tree emits the target's joint law: drafts drawn independently", "[speculative][tree_walk]") {
  check_walk<recursive_rejection<double>>(draft_law::iid, 3, 2, 6, 21, 6);
  check_walk<k_sequence<double>>(draft_law::iid, 3, 2, 6, 22, 6);
  check_walk<target_only<double>>(draft_law::iid, 3, 2, 6, 23, 6);
  check_walk<recursive_rejection<double>>(draft_law::iid, 2, 3, 6, 24, 4);
  check_walk<single_draft<double>>(draft_law::iid, 4, 1, 4, 25, 4);
  check_walk<optimal_iid<double>>(draft_law::iid, 3, 2, 5, 26, 4);
}

TEST_CASE("walk_tree emits the target's joint law: siblings without replacement, greedy and most probable", "[speculative][tree_walk]") {
  check_walk<recursive_rejection<double, draft_law::without_replacement>>(draft_law::without_replacement, 3, 3, 8, 31, 8);
  check_walk<target_only<double, draft_law::without_replacement>>(draft_law::without_replacement, 3, 3, 8, 32, 6);
  check_walk<optimal_without_replacement<double>>(draft_law::without_replacement, 3, 2, 5, 35, 4);
  check_walk<greedy_drafts<double>>(draft_law::greedy, 3, 3, 8, 36, 8);
  check_walk<target_only<double, draft_law::greedy>>(draft_law::greedy, 3, 3, 8, 33, 6);
  check_walk<target_only<double, draft_law::top_n>>(draft_law::top_n, 4, 3, 10, 34, 6);
}

TEST_CASE("walk_tree with a verifier for pairs only: exact on pairs, its own error elsewhere", "[speculative][tree_walk]") {
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
        }) == "gavel::speculative::walk_tree: node 0: gavel::speculative::hub_pair::prepare: n = 1, must be 2 for draft_law::hub_pair");
  CHECK(out[0] == 77);
}

TEST_CASE("walk_tree emits what tree_walk_law says", "[speculative][tree_walk]") {
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

TEST_CASE("walk_tree at the edges: root alone, sure paths, uniforms", "[speculative][tree_walk]") {
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
    const tree_verdict one =
        walk_tree(path, matrix_view<const double>(rows, 2), matrix_view<const double>(rows, 2), rejection, rng, std::span<token_id>(out));
    REQUIRE(one.accepted_length == 2);
    REQUIRE(rng.calls <= 2 * rejection.max_uniforms() + 1);
  }
  CHECK(out == std::vector<token_id>{1, 0});
  // Ends that cannot be are not listed: none but the last here, none but the root where the target excludes every draft.
  CHECK(tree_walk_law(path, matrix_view<const double>(rows, 2), matrix_view<const double>(rows, 2), rejection).size() == 1);
  const std::vector<double> other{1.0, 0.0, 1.0, 0.0, 1.0, 0.0};
  CHECK(tree_walk_law(path, matrix_view<const double>(other, 2), matrix_view<const double>(rows, 2), rejection).size() == 1);

  // Float rows, mutable views, a verifier of another type.
  std::vector<float> f{0.25F, 0.75F, 0.25F, 0.75F, 0.25F, 0.75F};
  target_only<float> only;
  const tree_verdict any = walk_tree(path, matrix_view<float>(f, 2), matrix_view<float>(f, 2), only, rng, std::span<token_id>(out));
  CHECK(any.next_token < 2);
}

TEST_CASE("walk_tree names what is wrong and leaves the outputs alone", "[speculative][tree_walk]") {
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
  CHECK(walk(tree, target.middle_rows(0, 3), draft, 2, 2) == name + "target_rows.rows() = 3, must equal the number of nodes 4");
  CHECK(walk(tree, target, draft.middle_rows(0, 3), 2, 2) ==
        name + "draft_rows.rows() = 3, must equal the number of nodes or of inner nodes, which is 2");
  CHECK(walk(tree, target, {}, 2, 2) == name + "draft_rows.rows() = 0, must equal the number of nodes or of inner nodes, which is 2");
  CHECK(walk(tree, target, matrix_view<const double>(q, 2).middle_rows(0, 4), 2, 2) ==
        name + "draft_rows.cols() = 2, must equal target_rows.cols() 3");
  CHECK(walk(tree, matrix_view<const double>(p.data(), 4, 0), draft, 2, 2) == name + "target_rows.cols() = 0, must be >= 1");
  CHECK(walk(tree, target, draft, 1, 2) == name + "tree.max_depth() = 2, must be <= accepted_tokens.size() 1");
  CHECK(walk(tree, target, draft, 2, 1) == name + "tree.max_depth() = 2, must be <= accepted_nodes.size() 1");
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
  p[9] = not_a_number;
  p[0] = p[2] = p[3] = p[4] = 0.0;
  p[1] = p[5] = 1.0;
  CHECK(message_of([&] { walk_tree(tree, target, draft, rejection, rng, std::span<token_id>(out), std::span<node_index>(nodes)); }) ==
        "domain: " + name + "target_rows.row(3)[0] = nan, must be finite and >= 0");
  p[9] = 0.5;
  CHECK(message_of([&] { walk_tree(tree, target, draft, rejection, rng, std::span<token_id>(out), std::span<node_index>(nodes)); }) ==
        "domain: " + name + "sum of target_rows.row(3) = 1.16666667, must be 1 within 1e-06");
  CHECK(out == std::vector<token_id>(2, 77));
  CHECK(nodes == std::vector<node_index>(2, 77));
}

TEST_CASE("walk_tree names the node of a bad row, and the generator stays where it was", "[speculative][tree_walk]") {
  draft_tree tree;
  tree.add_node(0, 1);
  tree.add_node(1, 2);
  std::vector<double> p(9, 1.0 / 3.0), q(6, 1.0 / 3.0);  // equal rows: the first draft is accepted
  single_draft<double> verifier;
  std::vector<token_id> out(2, 77);
  philox4x32 rng(3);
  const auto walk = [&] {
    return message_of([&] { walk_tree(tree, matrix_view(p.data(), 3, 3), matrix_view(q.data(), 2, 3), verifier, rng, out); });
  };
  const auto law = [&] {
    return message_of([&] { (void)tree_walk_law(tree, matrix_view(p.data(), 3, 3), matrix_view(q.data(), 2, 3), verifier); });
  };
  const std::string at = ": node 1: gavel::speculative::single_draft::", of = "gavel::speculative::walk_tree";
  p[4] = not_a_number;
  CHECK(walk() == "domain: " + of + at + "prepare: p[1] = nan, must be finite and >= 0");
  CHECK(law() == "domain: gavel::speculative::tree_walk_law" + at + "prepare: p[1] = nan, must be finite and >= 0");
  p[4] = 1.0 / 3.0;
  q[5] = 0.0, q[3] = 2.0 / 3.0;
  CHECK(walk() == of + at + "verify: drafts[0] = 2, must have draft probability >= 2^-1000");
  CHECK(rng == philox4x32(3));
  CHECK(out == std::vector<token_id>(2, 77));
  q[5] = q[3] = 1.0 / 3.0;
  p[8] = 0.0;  // the leaf, after two uniforms
  CHECK(walk() == "domain: " + of + ": sum of target_rows.row(2) = 0.666666667, must be 1 within 1e-06");
  CHECK(rng == philox4x32(3));
}

TEST_CASE("walk_tree takes draft rows over a reduced vocabulary and agrees with the rows written out", "[speculative][tree_walk]") {
  const std::vector<token_id> ids = {3, 0, 4};
  const std::size_t vocabulary = 5;
  test_engine rng(91);
  for (int repeat = 0; repeat < 30; ++repeat) {
    draft_tree tree(0);
    const std::size_t a = tree.add_node(0, ids[0]);
    tree.add_node(0, ids[2]);
    tree.add_node(a, ids[1]);
    tree.add_node(a, ids[0]);
    std::vector<double> target;
    std::vector<double> reduced;
    std::vector<double> full(2 * vocabulary, 0.0);
    for (std::size_t node = 0; node < tree.size(); ++node) {
      const auto row = random_row(rng, vocabulary);
      target.insert(target.end(), row.begin(), row.end());
    }
    for (std::size_t inner = 0; inner < 2; ++inner) {
      const auto row = random_row(rng, ids.size());
      reduced.insert(reduced.end(), row.begin(), row.end());
      for (std::size_t slot = 0; slot < ids.size(); ++slot) full[inner * vocabulary + ids[slot]] = row[slot];
    }
    recursive_rejection<double, draft_law::iid> wide;
    on_reduced_vocabulary<recursive_rejection<double, draft_law::iid>> narrow;
    narrow.use_vocabulary(ids, vocabulary);
    const matrix_view<const double> p(target.data(), tree.size(), vocabulary);
    const auto expected = tree_walk_law(tree, p, matrix_view<const double>(full.data(), 2, vocabulary), wide);
    const auto actual = tree_walk_law(tree, p, matrix_view<const double>(reduced.data(), 2, ids.size()), narrow);
    REQUIRE(actual.size() == expected.size());
    for (std::size_t i = 0; i < actual.size(); ++i) {
      REQUIRE(actual[i].node == expected[i].node);
      REQUIRE(actual[i].probability == Approx(expected[i].probability).margin(1e-13));
      for (std::size_t y = 0; y < vocabulary; ++y) {
        REQUIRE(actual[i].next_token_probs[y] == Approx(expected[i].next_token_probs[y]).margin(1e-12));
      }
    }
    std::vector<token_id> accepted(tree.max_depth());
    const auto outcome = walk_tree(tree, p, matrix_view<const double>(reduced.data(), 2, ids.size()), narrow, rng, accepted);
    REQUIRE(outcome.accepted_length <= tree.max_depth());
    REQUIRE(
        message_of([&] { walk_tree(tree, p, matrix_view<const double>(reduced.data(), 2, ids.size() - 1), narrow, rng, accepted); }) ==
        "gavel::speculative::walk_tree: node 0: gavel::speculative::on_reduced_vocabulary::prepare: q.size() = 2, must equal ids.size() 3");
  }
}

}  // namespace tree_walk_test
