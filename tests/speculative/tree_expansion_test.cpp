// SPDX-License-Identifier: MIT
#include "speculative/tree_models.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/speculative/tree_expansion.hpp>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <vector>

namespace tree_expansion_test {

using namespace gavel;
using namespace gavel::speculative;
using namespace gavel::testing;

namespace {

// Offers every token of the vocabulary at every node that is not at the end of the model.
struct whole_rows {
  const table_model& model;
  std::size_t depth;
  std::size_t* calls = nullptr;
  void operator()(tree_expansion& grow, node_index node) const {
    if (calls != nullptr) ++*calls;
    if (grow.tree().depth(node) == depth) return;
    const std::vector<double>& row = model.row(path_of(grow.tree(), node));
    std::vector<token_id> tokens(row.size());
    std::iota(tokens.begin(), tokens.end(), token_id{0});
    grow.push(node, tokens, std::span<const double>(row));
  }
};

}  // namespace

TEST_CASE("best-first growth holds the largest products of all continuations", "[speculative][tree_expansion]") {
  test_engine rng(401);
  for (int repeat = 0; repeat < 10; ++repeat) {
    const std::size_t vocabulary = 3;
    const std::size_t depth = 6;
    const table_model model(rng, vocabulary, depth, 0.0, 1);
    // All products of paths up to `depth` tokens, by enumeration.
    std::vector<double> products;
    const std::function<void(std::vector<token_id>, double)> visit = [&](std::vector<token_id> prefix, double product) {
      products.push_back(product);
      if (prefix.size() == depth) return;
      const std::vector<double> row = model.row(prefix);
      prefix.push_back(0);
      for (token_id y = 0; y < vocabulary; ++y) {
        prefix.back() = y;
        visit(prefix, product * row[y]);
      }
    };
    visit({}, 1.0);
    std::sort(products.rbegin(), products.rend());

    const std::size_t budget = 10;
    tree_expansion grow(budget, 7);
    std::size_t calls = 0;
    grow_tree(grow, whole_rows{model, depth, &calls});
    REQUIRE(grow.full());
    REQUIRE(calls == budget - 1);  // nothing is drafted at the last node
    REQUIRE(grow.tree().size() == budget);
    REQUIRE(grow.tree().token(0) == 7);
    REQUIRE(std::is_sorted(grow.path_probs().rbegin(), grow.path_probs().rend()));
    for (std::size_t i = 0; i < budget; ++i) {
      REQUIRE(grow.path_probs()[i] == Approx(products[i]).epsilon(1e-13));
      double product = 1.0;
      const std::vector<token_id> path = path_of(grow.tree(), i);
      for (std::size_t d = 0; d < path.size(); ++d) product *= model.row(std::span<const token_id>(path).first(d))[path[d]];
      REQUIRE(grow.path_probs()[i] == Approx(product).epsilon(1e-13));
    }
    CHECK_NOTHROW(check_tree(grow.tree(), draft_law::top_n, vocabulary));
    // Children are the most probable tokens of their parent, in order: the draft law top_n.
    for (std::size_t node = 0; node < budget; ++node) {
      const std::vector<token_id> order = descending(model.row(path_of(grow.tree(), node)));
      const auto drafts = grow.tree().child_tokens(node);
      REQUIRE(std::equal(drafts.begin(), drafts.end(), order.begin()));
    }
    // A second life grows the same tree.
    const draft_tree first = grow.tree();
    grow.reset(7);
    grow_tree(grow, whole_rows{model, depth});
    CHECK(grow.tree() == first);
  }
}

TEST_CASE("ties go to the candidate pushed first, zeros are dropped, an exhausted draft ends the tree", "[speculative][tree_expansion]") {
  tree_expansion grow(10);
  CHECK(grow.pop() == node_index{0});
  const std::vector<token_id> tokens{5, 3, 4, 9};
  const std::vector<float> probs{0.25F, 0.5F, 0.25F, 0.0F};
  grow.push(0, tokens, std::span<const float>(probs));
  CHECK(grow.pop() == node_index{1});
  CHECK(grow.pop() == node_index{2});
  CHECK(grow.pop() == node_index{3});
  CHECK_FALSE(grow.pop().has_value());
  CHECK_FALSE(grow.full());
  CHECK(std::vector<token_id>(grow.tree().child_tokens(0).begin(), grow.tree().child_tokens(0).end()) == std::vector<token_id>{3, 5, 4});
  // More may be offered later; candidates of several nodes compete.
  const std::vector<token_id> more{1};
  const std::vector<double> one{1.0};
  grow.push(1, more, std::span<const double>(one));
  grow.push(2, more, std::span<const double>(one));
  CHECK(grow.pop() == node_index{4});
  CHECK(grow.tree().parent(4) == 1);
  CHECK(grow.path_probs()[4] == 0.5);

  tree_expansion alone(1, 4);
  CHECK_FALSE(alone.full());
  CHECK(alone.pop() == node_index{0});
  CHECK(alone.full());
  CHECK_FALSE(alone.pop().has_value());
  CHECK(alone.tree() == draft_tree(4));
}

TEST_CASE("select_top_nodes keeps the tree closed and, for falling weights, the heaviest nodes", "[speculative][tree_expansion]") {
  test_engine rng(402);
  for (int repeat = 0; repeat < 100; ++repeat) {
    const std::size_t nodes = 1 + rng() % 20;
    const std::vector<node_index> shape = random_shape(rng, nodes, 4, 5);
    const std::vector<token_id> tokens = [&] {
      std::vector<token_id> ids(shape.size());
      for (token_id& id : ids) id = static_cast<token_id>(rng() % 50);
      return ids;
    }();
    const draft_tree tree = draft_tree::from_parents(shape, tokens);
    std::vector<double> weights(tree.size(), 1.0);
    const bool falling = repeat % 2 == 0;
    for (std::size_t i = 1; i < tree.size(); ++i) {
      const double factor = static_cast<double>(rng() % 4 + 1) / 4.0;  // ties are frequent
      weights[i] = falling ? weights[tree.parent(i)] * factor : factor;
    }
    for (std::size_t count = 1; count <= tree.size() + 1; ++count) {
      const std::vector<node_index> kept = select_top_nodes(tree, weights, count);
      REQUIRE(kept.size() == (std::min)(count, tree.size()));
      REQUIRE(kept[0] == 0);
      REQUIRE(std::is_sorted(kept.begin(), kept.end()));
      const draft_tree part = keep_nodes(tree, kept);  // throws unless closed under parents
      REQUIRE(part.size() == kept.size());
      for (std::size_t i = 1; i < kept.size(); ++i) {
        REQUIRE(part.token(i) == tree.token(kept[i]));
        REQUIRE(kept[part.parent(i)] == tree.parent(kept[i]));
      }
      if (falling) {
        std::vector<node_index> order(tree.size());
        std::iota(order.begin(), order.end(), node_index{0});
        std::stable_sort(order.begin(), order.end(), [&](node_index a, node_index b) { return weights[a] > weights[b]; });
        order.resize(kept.size());
        std::vector<double> expected;
        std::vector<double> found;
        for (const node_index node : order) expected.push_back(weights[node]);
        for (const node_index node : kept) found.push_back(weights[node]);
        std::sort(found.rbegin(), found.rend());
        REQUIRE(found == expected);
      }
      // One node more keeps what was there.
      if (count > 1) {
        const std::vector<node_index> smaller = select_top_nodes(tree, weights, count - 1);
        REQUIRE(std::includes(kept.begin(), kept.end(), smaller.begin(), smaller.end()));
      }
    }
  }
  const std::vector<int> flat{-1, 0, 0, 0};
  const std::vector<int> ids{0, 1, 2, 3};
  const std::vector<double> equal(4, 0.5);
  CHECK(select_top_nodes(draft_tree::from_parents(flat, ids), equal, 3) == std::vector<node_index>{0, 1, 2});
}

TEST_CASE("a tree_expansion that was moved from still has its root", "[speculative][tree_expansion]") {
  const std::vector<token_id> tokens{1, 2};
  const std::vector<double> probs{0.25, 0.5};
  tree_expansion source(4);
  const tree_expansion heir = std::move(source);
  REQUIRE(source.pop() == node_index{0});
  source.push(0, tokens, std::span<const double>(probs));
  REQUIRE(source.pop() == node_index{1});
  CHECK(source.tree().token(1) == 2);
  CHECK(heir.tree().size() == 1);
}

TEST_CASE("tree_expansion and the selection name what is wrong", "[speculative][tree_expansion]") {
  CHECK(message_of([] { tree_expansion(0); }) == "gavel::speculative::tree_expansion: node_budget = 0, must be >= 1");
  tree_expansion grow(4);
  const std::vector<token_id> tokens{1, 2};
  const std::vector<double> probs{0.5, 0.5};
  const std::string push = "gavel::speculative::tree_expansion::push: ";
  CHECK(message_of([&] { grow.push(0, tokens, std::span<const double>(probs)); }) == push + "node = 0, must be < number of nodes popped 0");
  (void)grow.pop();
  CHECK(message_of([&] { grow.push(1, tokens, std::span<const double>(probs)); }) == push + "node = 1, must be < number of nodes popped 1");
  CHECK(message_of([&] { grow.push(0, tokens, std::span<const double>(probs).first(1)); }) ==
        push + "probs.size() = 1, must equal tokens.size() 2");
  const std::vector<double> bad{0.5, 1.5};
  CHECK(message_of([&] { grow.push(0, tokens, std::span<const double>(bad)); }) == push + "probs[1] = 1.5, must be in [0, 1]");
  CHECK_FALSE(grow.pop().has_value());  // nothing of a refused push remains

  const std::vector<int> shape{-1, 0, 1};
  const std::vector<int> ids{0, 1, 2};
  const draft_tree tree = draft_tree::from_parents(shape, ids);
  const std::string select = "gavel::speculative::select_top_nodes: ";
  CHECK(message_of([&] { (void)select_top_nodes(tree, probs, 2); }) == select + "weights.size() = 2, must equal the number of nodes 3");
  const std::vector<double> weights{not_a_number, 0.5, not_a_number};  // the root's is not read
  CHECK(message_of([&] { (void)select_top_nodes(tree, weights, 2); }) == "domain: " + select + "weights[2] = nan, must not be NaN");
  const std::vector<double> good{1.0, 0.5, 0.25};
  CHECK(message_of([&] { (void)select_top_nodes(tree, good, 0); }) == select + "count = 0, must be >= 1");
  const std::string keep = "gavel::speculative::keep_nodes: ";
  auto keeping = [&](std::vector<node_index> nodes) { return message_of([&] { (void)keep_nodes(tree, nodes); }); };
  CHECK(keeping({}) == keep + "nodes.size() = 0, must be >= 1");
  CHECK(keeping({1}) == keep + "nodes[0] = 1, must be 0, the root");
  CHECK(keeping({0, 3}) == keep + "nodes[1] = 3, must be < number of nodes 3");
  CHECK(keeping({0, 1, 1}) == keep + "nodes[2] = 1, must be > the one before, 1");
  CHECK(keeping({0, 2}) == keep + "nodes[1] = 2, must come with its parent, node 1");
  CHECK(keeping({0, 1, 2}) == "no exception");
}

}  // namespace tree_expansion_test
