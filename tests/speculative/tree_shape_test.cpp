// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"
#include "speculative/laws.hpp"

#include <gavel/speculative/tree_shape.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace tree_shape_test {

using namespace gavel;
using namespace gavel::speculative;
using namespace gavel::testing;

namespace {

std::vector<double> random_chances(test_engine& rng, std::size_t branches, bool sorted) {
  std::vector<double> chances = random_row(rng, branches + 1, 0.1);  // the last cell is "none accepted"
  chances.pop_back();
  if (sorted) std::sort(chances.rbegin(), chances.rend());
  return chances;
}

// All trees of `nodes` nodes as parent arrays; best value within `levels` levels, no node with more children than there are chances.
std::optional<double> best_by_enumeration(const std::vector<double>& chances, std::size_t nodes, std::size_t levels) {
  std::optional<double> best;
  std::vector<std::size_t> depth{1};
  std::vector<std::size_t> children{0};
  std::vector<double> reach{1.0};
  const std::function<void()> grow = [&] {
    if (reach.size() == nodes) {
      double sum = 0.0;
      for (const double r : reach) sum += r;
      best = (std::max)(best.value_or(0.0), sum);
      return;
    }
    for (std::size_t parent = 0; parent < reach.size(); ++parent) {
      if (depth[parent] == levels || children[parent] == chances.size()) continue;
      reach.push_back(reach[parent] * chances[children[parent]++]);
      depth.push_back(depth[parent] + 1);
      children.push_back(0);
      grow();
      children.pop_back();
      depth.pop_back();
      reach.pop_back();
      --children[parent];
    }
  };
  grow();
  return best;
}

draft_tree as_tree(const tree_shape& shape) {
  const std::vector<token_id> tokens(shape.nodes(), 0);
  return draft_tree::from_parents(shape.parents, tokens);
}

}  // namespace

TEST_CASE("tree_shape_table is the best of all trees, and its shape is such a tree", "[speculative][tree_shape]") {
  test_engine rng(301);
  for (int repeat = 0; repeat < 12; ++repeat) {
    const std::vector<double> chances = random_chances(rng, 1 + rng() % 4, repeat % 3 != 0);
    const tree_shape_table table(chances, 7, 5);
    CHECK(table.max_nodes() == 7);
    CHECK(table.max_levels() == 5);
    for (std::size_t m = 1; m <= 7; ++m) {
      for (std::size_t l = 1; l <= 5; ++l) {
        const std::optional<double> best = best_by_enumeration(chances, m, l);
        const std::optional<double> found = table.expected_tokens(m, l);
        INFO(m << " nodes, " << l << " levels, " << chances.size() << " branches");
        REQUIRE(found.has_value() == best.has_value());
        const tree_shape shape = table.shape(m, l);
        REQUIRE((shape.status == tree_shape_status::converged) == best.has_value());
        REQUIRE(shape.levels == l);
        if (!best) {
          REQUIRE(shape.parents.empty());
          continue;
        }
        REQUIRE(std::abs(*found - *best) <= 1e-12);
        REQUIRE(shape.expected_tokens == *found);
        REQUIRE(shape.nodes() == m);
        const draft_tree tree = as_tree(shape);
        REQUIRE(tree.max_depth() + 1 <= l);
        REQUIRE(std::abs(expected_tree_tokens(tree, chances) - *best) <= 1e-12);
        REQUIRE(std::is_sorted(shape.parents.begin() + 1, shape.parents.end()));  // breadth first
        for (std::size_t node = 0; node < m; ++node) REQUIRE(tree.child_count(node) <= chances.size());
      }
    }
  }
}

TEST_CASE("more levels, more nodes and better chances never yield less", "[speculative][tree_shape]") {
  test_engine rng(302);
  for (int repeat = 0; repeat < 10; ++repeat) {
    const std::vector<double> chances = random_chances(rng, 6, true);
    std::vector<double> worse = chances;
    for (double& c : worse) c *= 0.9;
    const tree_shape_table table(chances, 40, 8);
    const tree_shape_table poor(worse, 40, 8);
    for (std::size_t m = 1; m <= 40; ++m) {
      for (std::size_t l = 1; l <= 8; ++l) {
        const double here = table.expected_tokens(m, l).value_or(0.0);
        if (l > 1) REQUIRE(here >= table.expected_tokens(m, l - 1).value_or(0.0));
        if (m > 1 && here > 0.0) REQUIRE(here >= table.expected_tokens(m - 1, l).value_or(0.0));
        REQUIRE(here >= poor.expected_tokens(m, l).value_or(0.0));
        // The bound of accepting all of the chances at every level.
        double bound = 0.0;
        double sum = 0.0;
        for (const double c : chances) sum += c;
        for (std::size_t d = 0; d < l; ++d) bound += std::pow(sum, static_cast<double>(d));
        REQUIRE(here <= bound + 1e-12);
      }
    }
  }
}

TEST_CASE("a single chance makes chains, and the best chain is the closed form", "[speculative][tree_shape]") {
  const double a = 0.8;
  const std::vector<double> chances{a};
  const tree_shape_table table(chances, 20, 20);
  for (std::size_t k = 1; k <= 20; ++k) {
    CHECK(*table.expected_tokens(k, k) == Approx((1.0 - std::pow(a, static_cast<double>(k))) / (1.0 - a)));
    if (k > 1) CHECK_FALSE(table.expected_tokens(k, k - 1).has_value());
  }
  // Fixed draft length K: (draft_time K + verify_time) over (1 - a^(K+1)) / (1 - a) tokens; here without the pass for the last level.
  const tree_shape best = table.fastest([](std::size_t, std::size_t levels) { return static_cast<double>(levels - 1) + 8.0; });
  double least = HUGE_VAL;
  for (double k = 0.0; k <= 19.0; k += 1.0) least = (std::min)(least, (k + 8.0) * (1.0 - a) / (1.0 - std::pow(a, k + 1.0)));
  CHECK(best.time_per_token() == Approx(least).epsilon(1e-13));
  CHECK(best.nodes() == best.levels);
}

TEST_CASE("fastest finds the best rate of the table, ties to the smaller tree", "[speculative][tree_shape]") {
  test_engine rng(303);
  for (int repeat = 0; repeat < 20; ++repeat) {
    const std::vector<double> chances = random_chances(rng, 4, true);
    const tree_shape_table table(chances, 24, 7);
    const double draft_time = unit(rng);
    auto verify_time = [&](std::size_t nodes) { return 3.0 + 0.05 * static_cast<double>(nodes * nodes); };
    const tree_shape best = table.fastest(draft_time, verify_time);
    REQUIRE(best.status == tree_shape_status::converged);
    CHECK(best.call_time == (best.nodes() > 1 ? draft_time * static_cast<double>(best.levels) : 0.0) + verify_time(best.nodes()));
    double highest = 0.0;
    for (std::size_t m = 1; m <= 24; ++m) {
      for (std::size_t l = 1; l <= 7; ++l) {
        const double draft = m > 1 ? draft_time * static_cast<double>(l) : 0.0;
        const double rate = table.expected_tokens(m, l).value_or(0.0) / (draft + verify_time(m));
        highest = (std::max)(highest, rate);
      }
    }
    CHECK(1.0 / best.time_per_token() == Approx(highest).epsilon(1e-14));
  }
  // Drafts that are never accepted and cost nothing: the root alone.
  const std::vector<double> none{0.0, 0.0};
  const tree_shape alone = tree_shape_table(none, 8, 4).fastest(0.0, [](std::size_t) { return 1.0; });
  CHECK(alone.nodes() == 1);
  CHECK(alone.levels == 1);
  CHECK(alone.expected_tokens == 1.0);
  // A draft pass that costs more than it yields: decoding without drafts, which pays for none.
  const std::vector<double> poor{0.1};
  const tree_shape plain = tree_shape_table(poor, 8, 8).fastest(1.0, [](std::size_t) { return 5.0; });
  CHECK(plain.nodes() == 1);
  CHECK(plain.time_per_token() == 5.0);
  // Batch sizes that the target's kernels do not offer are ruled out by an infinite time; all of them: infeasible.
  const std::vector<double> chances{0.7, 0.2};
  const tree_shape even =
      tree_shape_table(chances, 8, 4).fastest(0.1, [](std::size_t m) { return m == 4 ? 1.0 : std::numeric_limits<double>::infinity(); });
  CHECK(even.nodes() == 4);
  const tree_shape nothing =
      tree_shape_table(chances, 8, 4).fastest(0.1, [](std::size_t) { return std::numeric_limits<double>::infinity(); });
  CHECK(nothing.status == tree_shape_status::infeasible);
  CHECK(nothing.parents.empty());
  CHECK(nothing.time_per_token() == 0.0);
}

TEST_CASE("ties go to fewer children and to fewer nodes under the earlier ones", "[speculative][tree_shape]") {
  const std::vector<double> sure{1.0, 0.0};
  const tree_shape chain = tree_shape_table(sure, 4, 4).shape(4, 4);
  CHECK(chain.parents == std::vector<node_index>{draft_tree::no_node, 0, 1, 2});
  const std::vector<double> none{0.0, 0.0};
  const tree_shape flat = tree_shape_table(none, 4, 4).shape(4, 4);  // everything yields 1: one child each
  CHECK(flat.parents == std::vector<node_index>{draft_tree::no_node, 0, 1, 2});
  const std::vector<double> equal{0.25, 0.25};
  const tree_shape late = tree_shape_table(equal, 4, 3).shape(4, 3);  // the fourth node may go below either child
  CHECK(late.parents == std::vector<node_index>{draft_tree::no_node, 0, 0, 2});
  // Children beyond the chances count as never accepted.
  CHECK(expected_tree_tokens(as_tree(late), std::span<const double>(equal).first(1)) == 1.25);
}

TEST_CASE("a tree_shape_table that was moved from is empty", "[speculative][tree_shape]") {
  const std::vector<double> chances{0.5};
  tree_shape_table source(chances, 4, 3);
  const tree_shape_table heir = std::move(source);
  CHECK(heir.expected_tokens(2, 2) == 1.5);
  CHECK(source.max_nodes() == 0);
  CHECK(message_of([&] { (void)source.expected_tokens(1, 1); }) ==
        "gavel::speculative::tree_shape_table::expected_tokens: nodes = 1, must be <= max_nodes 0");
}

TEST_CASE("tree_shape_table names what is wrong", "[speculative][tree_shape]") {
  const std::string name = "gavel::speculative::tree_shape_table: ";
  auto build = [](std::vector<double> chances, std::size_t nodes, std::size_t levels) {
    return message_of([&] { (void)tree_shape_table(chances, nodes, levels); });
  };
  CHECK(build({}, 4, 4) == name + "child_acceptance.size() = 0, must be >= 1");
  CHECK(build({0.5}, 0, 4) == name + "max_nodes = 0, must be >= 1");
  CHECK(build({0.5}, 4, 0) == name + "max_levels = 0, must be >= 1");
  CHECK(build({0.5, -0.1}, 4, 4) == name + "child_acceptance[1] = -0.1, must be in [0, 1]");
  CHECK(build({not_a_number}, 4, 4) == "domain: " + name + "child_acceptance[0] = nan, must be in [0, 1]");
  CHECK(build({0.5, 1.1}, 4, 4) == name + "child_acceptance[1] = 1.1, must be in [0, 1]");
  CHECK(build({0.5, 0.5}, 1, 1) == "no exception");
  const std::vector<double> chances{0.5};
  const tree_shape_table table(chances, 4, 3);
  CHECK(message_of([&] { (void)table.expected_tokens(5, 1); }) ==
        "gavel::speculative::tree_shape_table::expected_tokens: nodes = 5, must be <= max_nodes 4");
  CHECK(message_of([&] { (void)table.expected_tokens(0, 1); }) ==
        "gavel::speculative::tree_shape_table::expected_tokens: nodes = 0, must be >= 1");
  CHECK(message_of([&] { (void)table.shape(1, 4); }) == "gavel::speculative::tree_shape_table::shape: levels = 4, must be <= max_levels 3");
  CHECK(message_of([&] { (void)table.shape(1, 0); }) == "gavel::speculative::tree_shape_table::shape: levels = 0, must be >= 1");
  CHECK(message_of([&] { (void)table.fastest(-1.0, [](std::size_t) { return 1.0; }); }) ==
        "gavel::speculative::tree_shape_table::fastest: draft_time = -1, must be >= 0");
  CHECK(message_of([&] { (void)table.fastest(1.0, [](std::size_t) { return -2.0; }); }) ==
        "gavel::speculative::tree_shape_table::fastest: time of one call = -2, must be > 0");
  CHECK(message_of([&] { (void)table.fastest([](std::size_t, std::size_t) { return not_a_number; }); }) ==
        "domain: gavel::speculative::tree_shape_table::fastest: time of one call = nan, must be > 0");
}

}  // namespace tree_shape_test
