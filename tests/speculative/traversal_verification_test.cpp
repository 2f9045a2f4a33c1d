// SPDX-License-Identifier: MIT
#include "speculative/tree_models.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/speculative/block_verification.hpp>
#include <gavel/speculative/recursive_rejection.hpp>
#include <gavel/speculative/traversal_verification.hpp>
#include <gavel/speculative/tree_walk.hpp>

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace traversal_verification_test {

using namespace gavel;
using namespace gavel::speculative;
using namespace gavel::testing;

namespace {

// The algorithm as published: rows are rewritten, leaves deleted from child lists.
std::vector<tree_stop> traversal_by_rewriting(const draft_tree& tree, matrix_view<const double> target_rows,
                                              matrix_view<const double> draft_rows) {
  const std::size_t vocabulary = target_rows.cols();
  std::vector<std::vector<double>> p(tree.size());
  std::vector<std::vector<double>> q(tree.size());
  std::vector<std::vector<node_index>> children(tree.size());
  std::vector<double> r(tree.size(), 1.0);
  for (std::size_t i = 0; i < tree.size(); ++i) {
    p[i].assign(target_rows.row(i).begin(), target_rows.row(i).end());
    q[i].assign(draft_rows.row(i).begin(), draft_rows.row(i).end());
    children[i].assign(tree.children(i).begin(), tree.children(i).end());
  }
  std::vector<tree_stop> stops;
  double reach = 1.0;
  for (std::size_t guard = 0; guard < tree.size() && reach > 0.0; ++guard) {
    std::size_t node = 0;
    r[0] = 1.0;
    while (!children[node].empty()) {
      const std::size_t child = children[node][0];
      // r of a child that has lost children of its own is what the deletions made of it
      if (children[child].size() == tree.child_count(child)) {
        r[child] = (std::min)(1.0, r[node] * p[node][tree.token(child)] / q[node][tree.token(child)]);
      }
      node = child;
    }
    if (reach * r[node] > 0.0) stops.push_back({static_cast<node_index>(node), reach * r[node], p[node]});
    reach *= 1.0 - r[node];
    if (node == 0) break;
    const std::size_t parent = tree.parent(node);
    double sum = 0.0;
    std::vector<double> d(vocabulary);
    for (std::size_t y = 0; y < vocabulary; ++y) sum += d[y] = (std::max)(0.0, r[parent] * p[parent][y] - q[parent][y]);
    r[parent] = sum + (1.0 - r[parent]) > 0.0 ? sum / (sum + (1.0 - r[parent])) : 1.0;
    if (sum > 0.0) {
      normalize(d);
      p[parent] = d;
    }
    q[parent][tree.token(node)] = 0.0;
    if (support_size(q[parent]) > 0) normalize(q[parent]);
    children[parent].erase(children[parent].begin());
  }
  return stops;
}

struct drawn {
  draft_tree tree;
  std::vector<double> p;
  std::vector<double> q;
};

drawn draw_tree(test_engine& rng, const std::vector<node_index>& shape, const table_model& target, const table_model& drafts) {
  draft_tree tree;
  const std::vector<token_id> none(shape.size(), 0);
  const draft_tree bare = draft_tree::from_parents(shape, none);
  std::vector<token_id> tokens(shape.size(), 0);
  for (std::size_t node = 0; node < shape.size(); ++node) {
    std::vector<token_id> prefix(bare.depth(node));
    for (std::size_t at = node, i = prefix.size(); i-- > 0; at = shape[at]) prefix[i] = tokens[at];
    const std::vector<token_id> children = draw_drafts(draft_law::without_replacement, drafts.row(prefix), bare.child_count(node), rng);
    for (std::size_t i = 0; i < children.size(); ++i) tokens[bare.children(node)[i]] = children[i];
  }
  tree = draft_tree::from_parents(shape, tokens);
  return {tree, node_rows(target, tree), node_rows(drafts, tree)};
}

}  // namespace

TEST_CASE("traversal verification emits the target's joint law and accepts no fewer tokens than recursive rejection",
          "[speculative][traversal_verification]") {
  test_engine rng(201);
  int strictly_better = 0;
  for (int repeat = 0; repeat < 20; ++repeat) {
    const std::size_t vocabulary = 3;
    const std::vector<node_index> shape = random_shape(rng, 4 + rng() % 5, 3, 3);
    const table_model target(rng, vocabulary, 4, repeat % 4 == 1 ? 0.35 : 0.0, 1);
    const table_model drafts(rng, vocabulary, 3, 0.0, 3);
    traversal_verifier<double> traversal;
    recursive_rejection<double, draft_law::without_replacement> rejection;
    const emission upwards = emitted_law(
        shape, draft_law::without_replacement, target, drafts,
        [&](const draft_tree& tree, matrix_view<const double> p, matrix_view<const double> q) { return traversal.stop_law(tree, p, q); });
    const emission downwards = emitted_law(shape, draft_law::without_replacement, target, drafts,
                                           [&](const draft_tree& tree, matrix_view<const double> p, matrix_view<const double> q) {
                                             return tree_walk_law(tree, p, q, rejection);
                                           });
    const std::vector<token_id> none(shape.size(), 0);
    const std::size_t length = draft_tree::from_parents(shape, none).max_depth() + 1;
    REQUIRE(std::isfinite(upwards.accepted_length));
    CHECK(largest_difference(upwards.joint, target_joint(target, length)) <= 1e-12);
    CHECK(upwards.accepted_length >= downwards.accepted_length - 1e-12);
    if (upwards.accepted_length > downwards.accepted_length + 1e-3) ++strictly_better;
  }
  CHECK(strictly_better >= 10);
}

TEST_CASE("traversal verification: rows of every awkward shape stay exact", "[speculative][traversal_verification]") {
  test_engine rng(202);
  const std::size_t vocabulary = 3;
  traversal_verifier<double> traversal(2);
  for (const row_pair& first : edge_rows(rng, vocabulary)) {
    for (const row_pair& second : edge_rows(rng, vocabulary)) {
      // root with a children, the first of which has b; as many as the rows allow
      const std::size_t a = (std::min)(std::size_t{2}, support_size(first.q));
      const std::size_t b = (std::min)(std::size_t{3}, support_size(second.q));
      std::vector<node_index> shape{draft_tree::no_node};
      for (std::size_t i = 0; i < a; ++i) shape.push_back(0);
      for (std::size_t i = 0; i < b; ++i) shape.push_back(1);
      if (a == 2) shape.push_back(2);
      table_model target(rng, vocabulary, 3, 0.0, 1);
      table_model drafts(rng, vocabulary, 2, 0.0, 1);
      target.row({}) = first.p;
      drafts.row({}) = first.q;
      for (token_id x = 0; x < vocabulary; ++x) {
        const std::vector<token_id> prefix{x};
        target.row(prefix) = second.p;
        drafts.row(prefix) = second.q;
      }
      const emission emitted = emitted_law(
          shape, draft_law::without_replacement, target, drafts,
          [&](const draft_tree& tree, matrix_view<const double> p, matrix_view<const double> q) { return traversal.stop_law(tree, p, q); });
      REQUIRE(std::isfinite(emitted.accepted_length));
      REQUIRE(largest_difference(emitted.joint, target_joint(target, 3)) <= 1e-12);
    }
  }
}

TEST_CASE("one scalar per node says the same as rewriting the rows", "[speculative][traversal_verification]") {
  test_engine rng(203);
  traversal_verifier<double> traversal;
  for (int repeat = 0; repeat < 200; ++repeat) {
    const std::size_t vocabulary = 5;
    const std::vector<node_index> shape = random_shape(rng, 2 + rng() % 14, 5, 4);
    const table_model target(rng, vocabulary, 4, repeat % 2 == 0 ? 0.0 : 0.3, 1);
    const table_model drafts(rng, vocabulary, 4, 0.0, 5);
    const drawn one = draw_tree(rng, shape, target, drafts);
    const std::vector<tree_stop> fast =
        traversal.stop_law(one.tree, matrix_view<const double>(one.p, vocabulary), matrix_view<const double>(one.q, vocabulary));
    const std::vector<tree_stop> slow =
        traversal_by_rewriting(one.tree, matrix_view<const double>(one.p, vocabulary), matrix_view<const double>(one.q, vocabulary));
    std::vector<double> a(one.tree.size() * vocabulary, 0.0);
    std::vector<double> b(a.size(), 0.0);
    for (const tree_stop& stop : fast) {
      for (std::size_t y = 0; y < vocabulary; ++y) a[stop.node * vocabulary + y] += stop.probability * stop.next_token_probs[y];
    }
    for (const tree_stop& stop : slow) {
      for (std::size_t y = 0; y < vocabulary; ++y) b[stop.node * vocabulary + y] += stop.probability * stop.next_token_probs[y];
    }
    REQUIRE(largest_difference(a, b) <= 1e-12);
  }
}

TEST_CASE("on a path traversal is block verification", "[speculative][traversal_verification]") {
  test_engine rng(204);
  traversal_verifier<double> traversal;
  for (int repeat = 0; repeat < 50; ++repeat) {
    const std::size_t vocabulary = 4;
    const std::vector<node_index> shape{draft_tree::no_node, 0, 1, 2};
    const table_model target(rng, vocabulary, 3, 0.0, 1);
    const table_model drafts(rng, vocabulary, 3, 0.0, 1);
    const drawn one = draw_tree(rng, shape, target, drafts);
    const matrix_view<const double> p(one.p, vocabulary);
    const matrix_view<const double> q(one.q, vocabulary);
    const block_law block = block_verification_law(p, q.middle_rows(0, 3), path_of(one.tree, 3));
    std::vector<double> lengths(4, 0.0);
    for (const tree_stop& stop : traversal.stop_law(one.tree, p, q)) {
      lengths[stop.node] += stop.probability;
      const std::span<const double> next = std::span<const double>(block.next_token_probs).subspan(stop.node * vocabulary, vocabulary);
      if (stop.probability > 1e-3) REQUIRE(largest_difference(stop.next_token_probs, next) <= 1e-12);
    }
    REQUIRE(largest_difference(lengths, block.length_probs) <= 1e-14);
  }
}

TEST_CASE("traversal verify draws what stop_law says, in float as in double", "[speculative][traversal_verification]") {
  test_engine rng(205);
  const std::size_t vocabulary = 4;
  const std::vector<node_index> shape{draft_tree::no_node, 0, 0, 0, 1, 1, 2, 4};
  drawn one;
  std::vector<tree_stop> stops;
  while (stops.size() < 5) {  // a tree with many ends, its rows exact in float
    const table_model target(rng, vocabulary, 4, 0.0, 1);
    const table_model drafts(rng, vocabulary, 4, 0.0, 4);
    one = draw_tree(rng, shape, target, drafts);
    for (std::size_t i = 0; i < one.tree.size(); ++i) {
      const std::vector<double> p = dyadic_row(rng, vocabulary);
      const std::vector<double> q = dyadic_row(rng, vocabulary);
      for (std::size_t y = 0; y < vocabulary; ++y) one.p[i * vocabulary + y] = p[y], one.q[i * vocabulary + y] = q[y];
    }
    stops = traversal_verifier<double>().stop_law(one.tree, matrix_view<const double>(one.p, vocabulary),
                                                  matrix_view<const double>(one.q, vocabulary));
  }
  const matrix_view<const double> p(one.p, vocabulary);
  const matrix_view<const double> q(one.q, vocabulary);
  traversal_verifier<double> traversal(one.tree.max_depth());
  CHECK(draws_against_stops(one.tree, stops, vocabulary, 200000, 3,
                            [&](test_engine& draw, std::span<token_id> out, std::span<node_index> nodes) {
                              return traversal.verify(one.tree, p, q, draw, out, nodes);
                            }) > 1e-6);

  const std::vector<float> p_float = row_as<float>(one.p);
  const std::vector<float> q_float = row_as<float>(one.q);
  traversal_verifier<float> narrow;
  const std::vector<tree_stop> narrow_stops =
      narrow.stop_law(one.tree, matrix_view<const float>(p_float, vocabulary), matrix_view<const float>(q_float, vocabulary));
  REQUIRE(narrow_stops.size() == stops.size());
  for (std::size_t i = 0; i < stops.size(); ++i) {
    CHECK(narrow_stops[i].node == stops[i].node);
    CHECK(narrow_stops[i].probability == Approx(stops[i].probability).margin(1e-6));
    CHECK(largest_difference(narrow_stops[i].next_token_probs, stops[i].next_token_probs) <= 1e-5);
  }

  // Rows for inner nodes only, and a copy of the verifier: the same decisions.
  std::vector<double> inner;
  for (std::size_t node = 0; node < one.tree.size(); ++node) {
    if (!one.tree.is_leaf(node)) inner.insert(inner.end(), q.row(node).begin(), q.row(node).end());
  }
  traversal_verifier<double> copy = traversal;
  std::vector<token_id> out(one.tree.max_depth());
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    test_engine first(seed);
    test_engine second(seed);
    REQUIRE(traversal.verify(one.tree, p, q, first, std::span<token_id>(out)) ==
            copy.verify(one.tree, p, matrix_view<const double>(inner, vocabulary), second, std::span<token_id>(out)));
    REQUIRE(first == second);
  }
}

TEST_CASE("traversal verification at the edges", "[speculative][traversal_verification]") {
  counting_generator<test_engine> rng{test_engine(5)};
  traversal_verifier<double> traversal;
  std::vector<token_id> out(3, 99);

  SECTION("root alone") {
    const std::vector<double> row{0.25, 0.75};
    const tree_verdict one = traversal.verify(draft_tree(4), matrix_view<const double>(row, 2), {}, rng, {});
    CHECK(one.accepted_length == 0);
    CHECK(rng.calls == 1);
    CHECK(traversal.stop_law(draft_tree(4), matrix_view<const double>(row, 2), {}).at(0).next_token_probs == row);
  }
  SECTION("p = q: the leftmost path with certainty, one uniform") {
    const std::vector<int> shape{-1, 0, 0, 1, 1};
    const std::vector<int> ids{0, 2, 1, 0, 2};
    const draft_tree tree = draft_tree::from_parents(shape, ids);
    std::vector<double> rows;
    for (int i = 0; i < 5; ++i) rows.insert(rows.end(), {0.2, 0.3, 0.5});
    for (int i = 0; i < 50; ++i) {
      rng.calls = 0;
      const tree_verdict one =
          traversal.verify(tree, matrix_view<const double>(rows, 3), matrix_view<const double>(rows, 3), rng, std::span<token_id>(out));
      REQUIRE(one.last_node == 3);
      REQUIRE(rng.calls == 1);
    }
    CHECK(out[0] == 2);
    CHECK(out[1] == 0);
    CHECK(out[2] == 99);
  }
  SECTION("disjoint supports: nothing accepted, no uniform for impossible stops") {
    const std::vector<int> shape{-1, 0, 0, 1};
    const std::vector<int> ids{0, 0, 1, 0};
    const draft_tree tree = draft_tree::from_parents(shape, ids);
    std::vector<double> p;
    std::vector<double> q;
    for (int i = 0; i < 4; ++i) p.insert(p.end(), {0.0, 0.0, 1.0}), q.insert(q.end(), {0.5, 0.5, 0.0});
    const tree_verdict one =
        traversal.verify(tree, matrix_view<const double>(p, 3), matrix_view<const double>(q, 3), rng, std::span<token_id>(out));
    CHECK(one.accepted_length == 0);
    CHECK(one.next_token == 2);
    CHECK(rng.calls == 1);
  }
  SECTION("draft mass left far below the rounding of one") {
    // After the sure token 0 the others have 1e-18 each of the draft mass: 1 - q would leave nothing to divide.
    const std::vector<int> shape{-1, 0, 0};
    const std::vector<int> ids{0, 0, 1};
    const draft_tree tree = draft_tree::from_parents(shape, ids);
    const std::vector<double> p{0.5, 0.25, 0.25};
    const std::vector<double> q{1.0, 1e-18, 1e-18};
    std::vector<double> p_rows;
    std::vector<double> q_rows;
    for (int i = 0; i < 3; ++i) {
      p_rows.insert(p_rows.end(), p.begin(), p.end());
      q_rows.insert(q_rows.end(), q.begin(), q.end());
    }
    const std::vector<tree_stop> stops =
        traversal.stop_law(tree, matrix_view<const double>(p_rows, 3), matrix_view<const double>(q_rows, 3));
    REQUIRE(stops.size() == 2);  // token 0 half of the time; else token 1, which is half of what is left in both models: sure
    CHECK(stops[0].probability == Approx(0.5));
    CHECK(stops[1].node == 2);
    CHECK(stops[1].probability == Approx(0.5));
  }
}

TEST_CASE("traversal stop_law lists no end whose probability has vanished", "[speculative][traversal_verification]") {
  // The first child of each node stops but for a rounding of 2^-53, the second goes on for sure: in double 2^-53k is zero beyond k = 20.
  draft_tree tree(0);
  std::vector<double> p{1.0, std::nextafter(0x1p-66, 0.0)}, q{1.0, 0x1p-66};
  std::size_t node = 0;
  for (int depth = 1; depth <= 25; ++depth) {
    tree.add_node(node, 1);
    node = tree.add_node(node, 0);
    for (int child = 0; child < 2; ++child) p.insert(p.end(), {p[0], p[1]}), q.insert(q.end(), {q[0], q[1]});
  }
  const std::vector<tree_stop> stops =
      traversal_verifier<double>().stop_law(tree, matrix_view<const double>(p, 2), matrix_view<const double>(q, 2));
  CHECK(stops.size() == 21);
  for (const tree_stop& stop : stops) CHECK(stop.probability > 0.0);
}

TEST_CASE("traversal verification names what is wrong and leaves the outputs alone", "[speculative][traversal_verification]") {
  const std::vector<int> shape{-1, 0, 0, 1};
  const std::vector<int> ids{0, 1, 2, 2};
  const draft_tree tree = draft_tree::from_parents(shape, ids);
  std::vector<double> p(12, 1.0 / 3.0);
  std::vector<double> q(12, 1.0 / 3.0);
  const matrix_view<const double> target(p, 3);
  const matrix_view<const double> draft(q, 3);
  traversal_verifier<double> traversal;
  std::vector<token_id> out(2, 77);
  std::vector<node_index> nodes(2, 77);
  test_engine rng(1);
  auto verify = [&](const draft_tree& t, matrix_view<const double> a, matrix_view<const double> b, std::size_t size = 2,
                    std::size_t node_size = 2) {
    return message_of(
        [&] { traversal.verify(t, a, b, rng, std::span<token_id>(out).first(size), std::span<node_index>(nodes).first(node_size)); });
  };
  const std::string name = "gavel::speculative::traversal_verifier::verify: ";
  CHECK(verify(tree, target.middle_rows(0, 3), draft) == name + "target_rows.rows() = 3, must equal the number of nodes 4");
  CHECK(verify(tree, target, draft.middle_rows(0, 1)) ==
        name + "draft_rows.rows() = 1, must equal the number of nodes or of inner nodes, which is 2");
  CHECK(verify(tree, target, draft, 1) == name + "tree.max_depth() = 2, must be <= accepted_tokens.size() 1");
  CHECK(verify(tree, target, draft, 2, 1) == name + "tree.max_depth() = 2, must be <= accepted_nodes.size() 1");
  const std::vector<int> twice{0, 1, 1, 2};
  CHECK(verify(draft_tree::from_parents(shape, twice), target, draft) ==
        name + "tree.token[2] = 1, must differ from its earlier sibling, node 1");
  const std::vector<int> unknown{0, 1, 2, 3};
  CHECK(verify(draft_tree::from_parents(shape, unknown), target, draft) == name + "tree.token[3] = 3, must be < vocabulary size 3");
  q[5] = 0.0;
  CHECK(verify(tree, target, draft) == name + "tree.token[3] = 2, must have draft probability >= 2^-1000");
  q[5] = not_a_number;
  CHECK(verify(tree, target, draft) == "domain: " + name + "draft probability of draft[3] = nan, must be in [0, 1]");
  q[5] = 1.0 / 3.0;
  p[5] = -1.0;
  CHECK(verify(tree, target, draft) == "domain: " + name + "target probability of draft[3] = -1, must be in [0, 1]");
  p[5] = 0.0;  // node 3 cannot be accepted; node 1's rows are then read as a whole
  CHECK(verify(tree, target, draft) == "domain: " + name + "sum of target_rows.row(1) = 0.666666667, must be 1 within 1e-06");
  p[3] = 2.0 / 3.0;
  q[3] = 1.0;
  CHECK(verify(tree, target, draft) == "domain: " + name + "sum of draft_rows.row(1) = 1.66666667, must be 1 within 1e-06");
  p[3] = q[3] = 1.0 / 3.0;
  p[5] = 1.0 / 3.0;
  p[9] = -0.5;
  CHECK(verify(tree, target, draft) == "domain: " + name + "target_rows.row(3)[0] = -0.5, must be finite and >= 0");
  p[0] = q[0] = 0.1, p[1] = q[1] = 0.8, p[2] = q[2] = 0.1, p[5] = 0.3, p[3] = 0.4;  // node 3 stops with probability 0.9: a draw
  const test_engine unmoved = rng;
  bool reached = false;
  for (int k = 0; k < 20 && !reached; ++k) {
    reached = verify(tree, target, draft) == "domain: " + name + "target_rows.row(3)[0] = -0.5, must be finite and >= 0";
    if (reached) CHECK(rng == unmoved);
  }
  CHECK(reached);
  CHECK(message_of([&] { (void)traversal.stop_law(tree, target, draft); }) ==
        "domain: gavel::speculative::traversal_verifier::stop_law: target_rows.row(3)[0] = -0.5, must be finite and >= 0");
  CHECK(out == std::vector<token_id>(2, 77));
  CHECK(nodes == std::vector<node_index>(2, 77));
}

TEST_CASE("tokens too improbable to be drawn do not weigh in a node whose children hold all but a trace",
          "[speculative][traversal_verification]") {
  // As in recursive rejection: one sure child, one of probability 1e-30, and many tokens that float drafting never draws.
  const std::size_t vocabulary = 1000;
  std::vector<float> p(3 * vocabulary, 0.0f);
  for (std::size_t node = 0; node < 3; ++node) {
    p[node * vocabulary] = 0.9f;
    p[node * vocabulary + 1] = 0.04f;
    p[node * vocabulary + 2] = 0.06f;
  }
  std::vector<float> q(vocabulary, 7e-31f);
  q[0] = 1.0f;
  q[1] = 1e-30f;
  gavel::speculative::draft_tree tree(0);
  const auto first = tree.add_node(0, 0);
  const auto second = tree.add_node(0, 1);
  gavel::speculative::traversal_verifier<float> verifier(2);
  const auto stops = verifier.stop_law(tree, gavel::matrix_view<const float>(p.data(), 3, vocabulary),
                                       gavel::matrix_view<const float>(q.data(), 1, vocabulary));
  std::vector<double> law(vocabulary, 0.0);
  for (const auto& stop : stops) {
    if (stop.node == first) law[0] += stop.probability;
    else if (stop.node == second) law[1] += stop.probability;
    else
      for (std::size_t y = 0; y < vocabulary; ++y) law[y] += stop.probability * stop.next_token_probs[y];
  }
  REQUIRE(law[0] == Approx(0.9).margin(1e-6));
  REQUIRE(law[1] == Approx(0.04).margin(1e-6));
  REQUIRE(law[2] == Approx(0.06).margin(1e-6));
}

}  // namespace traversal_verification_test
