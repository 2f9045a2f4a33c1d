// SPDX-License-Identifier: MIT
#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "speculative/laws.hpp"

#include <gavel/core/philox.hpp>
#include <gavel/speculative.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace allocation_test {

// Serving code calls these once per token: once their memory has grown, they must not touch the heap.

using namespace gavel;
using namespace gavel::speculative;
using gavel::testing::allocation_count;
using gavel::testing::test_engine;

namespace {

template <class F>
std::size_t allocations_of(F&& call) {
  const std::size_t before = allocation_count();
  call();
  return allocation_count() - before;
}

template <class T>
struct pair_of_rows {
  std::vector<T> p, q;
};

// Draft rows with `support` positive tokens in a vocabulary of `size`; the spread differs from pair to pair.
template <class T>
std::vector<pair_of_rows<T>> random_pairs(std::size_t count, std::size_t size, std::size_t support) {
  test_engine rng(77);
  std::vector<pair_of_rows<T>> pairs;
  for (std::size_t i = 0; i < count; ++i) {
    const double spread = 0.5 + 0.5 * static_cast<double>(i % 5);
    std::vector<double> q(size, 0.0);
    const std::vector<double> drafted = testing::random_row(rng, support, 0.0, spread);
    for (std::size_t x = 0; x < support; ++x) q[x * (size / support)] = drafted[x];
    pairs.push_back({testing::row_as<T>(testing::random_row(rng, size, 0.0, spread)), testing::row_as<T>(q)});
  }
  return pairs;
}

// What has to happen before: one token, or every pair once, for workspaces whose size depends on the numbers in the rows.
enum class warm_up { one_token, all_pairs };

// Draw, prepare and verify as a decoding loop does, every pair twice.
template <class V, class Prepare>
void check_token_loop(V& v, const std::vector<pair_of_rows<typename V::scalar>>& pairs, std::span<const token_id> names, std::size_t n,
                      warm_up first, Prepare&& prepare) {
  draft_sampler<typename V::scalar> sampler;
  std::vector<token_id> drafts(n);
  philox4x32 rng(5);
  std::size_t accepted = 0;
  const auto one_token = [&](const pair_of_rows<typename V::scalar>& rows) {
    if (names.empty()) sampler.draw(V::law, rows.q, drafts, rng);
    else sampler.draw(V::law, names, rows.q, drafts, rng);
    prepare(rows);
    accepted += v.verify(std::span<const token_id>(drafts), rng).accepted() ? 1u : 0u;
  };
  const auto one_pass = [&] {
    for (const auto& rows : pairs) one_token(rows);
  };
  if (first == warm_up::one_token) one_token(pairs.front());
  else one_pass();
  accepted = 0;
  const std::size_t allocations = allocations_of([&] {
    one_pass();
    one_pass();
  });
  CHECK(allocations == 0);
  CHECK(accepted > 0);
  CHECK(accepted < 2 * pairs.size());  // so residual tokens were drawn as well
}

template <class V>
void check_verifier(std::size_t n, std::size_t size = 700, std::size_t support = 700, warm_up first = warm_up::one_token) {
  using T = typename V::scalar;
  const auto pairs = random_pairs<T>(40, size, support);
  {
    INFO("rows are checked");
    V v;
    check_token_loop(v, pairs, {}, n, first, [&](const pair_of_rows<T>& rows) { v.prepare(rows.p, rows.q, n); });
  }
  {
    INFO("rows are trusted");
    V v;
    check_token_loop(v, pairs, {}, n, first, [&](const pair_of_rows<T>& rows) { v.prepare(rows.p, rows.q, n, trusted); });
  }
}

// A draft vocabulary of `m` ids; the ids come anew with every position.
template <class V>
void check_reduced(std::size_t n, std::size_t size, std::size_t m) {
  using T = typename V::scalar;
  std::vector<pair_of_rows<T>> pairs = random_pairs<T>(40, size, m);
  std::vector<token_id> ids;
  for (std::size_t k = 0; k < m; ++k) ids.push_back(static_cast<token_id>(k * (size / m)));
  for (auto& rows : pairs) {
    std::vector<T> q;
    for (const token_id id : ids) q.push_back(rows.q[id]);
    rows.q = q;
  }
  on_reduced_vocabulary<V> v;
  check_token_loop(v, pairs, ids, n, warm_up::all_pairs, [&](const pair_of_rows<T>& rows) { v.prepare(rows.p, ids, rows.q, n); });
  check_token_loop(v, pairs, ids, n, warm_up::all_pairs, [&](const pair_of_rows<T>& rows) { v.prepare(rows.p, ids, rows.q, n, trusted); });
}

}  // namespace

TEST_CASE("A token costs no allocation: verifiers that test draft by draft", "[speculative][allocation]") {
  check_verifier<single_draft<float>>(1);
  check_verifier<single_draft<double>>(1);
  check_verifier<recursive_rejection<float>>(4);
  check_verifier<recursive_rejection<double>>(16);
  check_verifier<recursive_rejection<float, draft_law::without_replacement>>(4);
  check_verifier<recursive_rejection<double, draft_law::without_replacement>>(16);
  check_verifier<k_sequence<float>>(4);
  check_verifier<k_sequence<double>>(16);
  check_verifier<hub_pair<float>>(2);
  check_verifier<greedy_drafts<float>>(4);
  check_verifier<greedy_drafts<double>>(16);
  check_verifier<target_only<float>>(4, 12, 12);
  check_verifier<target_only<float, draft_law::without_replacement>>(4, 12, 12);
  check_verifier<target_only<float, draft_law::greedy>>(4, 12, 12);
  check_verifier<target_only<double, draft_law::top_n>>(4, 12, 12);
}

TEST_CASE("A token costs no allocation: optimal verifiers", "[speculative][allocation]") {
  check_verifier<optimal_iid<float>>(4, 700, 700, warm_up::all_pairs);
  check_verifier<optimal_iid<double>>(2, 700, 700, warm_up::all_pairs);
  check_verifier<optimal_without_replacement<float>>(2, 700, 20, warm_up::all_pairs);
  check_verifier<optimal_without_replacement<double>>(4, 240, 12, warm_up::all_pairs);
}

TEST_CASE("A token costs no allocation: reduced draft vocabularies", "[speculative][allocation]") {
  check_reduced<single_draft<float>>(1, 700, 100);
  check_reduced<recursive_rejection<float, draft_law::without_replacement>>(4, 700, 100);
  check_reduced<k_sequence<double>>(4, 700, 100);
  check_reduced<optimal_iid<float>>(4, 700, 100);
  check_reduced<optimal_without_replacement<float>>(2, 700, 14);
}

TEST_CASE("Drawing drafts costs no allocation", "[speculative][allocation]") {
  const auto pairs = random_pairs<float>(10, 3000, 3000);
  std::vector<float> logits;
  for (const float q : pairs.front().q) logits.push_back(std::log(q));
  for (const draft_law law : {draft_law::iid, draft_law::without_replacement, draft_law::greedy, draft_law::top_n, draft_law::hub_pair}) {
    INFO("law " << static_cast<int>(law));
    draft_sampler<float> sampler;
    std::vector<token_id> drafts(law == draft_law::hub_pair ? 2 : 8);
    philox4x32 rng(6);
    const auto draw_all = [&] {
      for (const auto& rows : pairs) sampler.draw(law, rows.q, drafts, rng);
      sampler.draw_from_logits(law, std::span<const float>(logits), 0.8, drafts, rng);
    };
    draw_all();
    CHECK(allocations_of(draw_all) == 0);
  }
}

TEST_CASE("The optimal acceptance rate costs no allocation in a solver that has seen the size", "[speculative][allocation]") {
  const auto pairs = random_pairs<double>(12, 2000, 2000);
  std::vector<token_id> ids(2000);
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<token_id>(i);
  for (const draft_law law : {draft_law::iid, draft_law::without_replacement, draft_law::greedy, draft_law::top_n, draft_law::hub_pair}) {
    INFO("law " << static_cast<int>(law));
    const std::size_t n = law == draft_law::hub_pair ? 2 : 4;
    optimal_acceptance_solver solver;
    std::vector<double> rates(1);
    double sum = 0.0;
    const auto solve_all = [&] {
      for (const auto& rows : pairs) {
        sum += solver.solve(rows.p, rows.q, law, n).acceptance_rate;
        sum += solver.solve(rows.p, ids, rows.q, law, n).acceptance_rate;
        const matrix_view<const double> p(rows.p.data(), 1, 2000), q(rows.q.data(), 1, 2000);
        solver.solve_rows(p, q, law, n, rates);
      }
    };
    solve_all();
    CHECK(allocations_of(solve_all) == 0);
    CHECK(sum > 0.0);
  }
}

TEST_CASE("Trees and blocks cost no allocation", "[speculative][allocation]") {
  constexpr std::size_t vocabulary = 300;
  const std::vector<node_index> parents{0, 0, 0, 0, 1, 1, 2, 4, 4, 5};  // widths 3, 2, 1, 0, 2, 1, 0, 0, 0, 0
  const auto pairs = random_pairs<float>(parents.size(), vocabulary, vocabulary);
  std::vector<float> p, q;
  for (const auto& rows : pairs) {
    p.insert(p.end(), rows.p.begin(), rows.p.end());
    q.insert(q.end(), rows.q.begin(), rows.q.end());
  }
  const matrix_view<const float> target(p, vocabulary), draft(q, vocabulary);
  draft_tree tree;
  draft_sampler<float> sampler;
  philox4x32 rng(8);
  std::array<token_id, 3> drafts{};
  const std::array<std::size_t, 10> widths{3, 2, 1, 0, 2, 1, 0, 0, 0, 0};
  const auto grow = [&] {
    tree.clear();
    for (std::size_t node = 0; node < widths.size(); ++node) {
      const std::span<token_id> children(drafts.data(), widths[node]);
      if (!children.empty()) sampler.draw(draft_law::without_replacement, draft.row(node), children, rng);
      for (const token_id child : children) tree.add_node(node, child);
    }
  };
  grow();
  REQUIRE(tree.size() == parents.size());
  CHECK(std::equal(parents.begin() + 1, parents.end(), tree.parents().begin() + 1));

  std::vector<token_id> tokens(tree.max_depth());
  std::vector<node_index> nodes(tree.max_depth());
  std::size_t accepted = 0;
  recursive_rejection<float, draft_law::without_replacement> verifier;
  verifier.prepare(target.row(0), draft.row(0), 3);  // the widest node
  CHECK(allocations_of([&] {
          for (int repeat = 0; repeat < 100; ++repeat) {
            grow();
            accepted += walk_tree(tree, target, draft, verifier, rng, tokens, nodes).accepted_length;
          }
        }) == 0);
  CHECK(accepted > 0);

  traversal_verifier<float> traversal(tree.max_depth());
  accepted = 0;
  CHECK(allocations_of([&] {
          for (int repeat = 0; repeat < 100; ++repeat) {
            grow();
            accepted += traversal.verify(tree, target, draft, rng, tokens, nodes).accepted_length;
          }
        }) == 0);
  CHECK(accepted > 0);

  std::vector<token_id> path(4);
  accepted = 0;
  CHECK(allocations_of([&] {
          for (int repeat = 0; repeat < 100; ++repeat) {
            for (std::size_t i = 0; i < path.size(); ++i) {
              sampler.draw(draft_law::iid, draft.row(i), std::span<token_id>(path).subspan(i, 1), rng);
            }
            accepted += verify_block(matrix_view<const float>(p.data(), 5, vocabulary), matrix_view<const float>(q.data(), 4, vocabulary),
                                     path, rng)
                            .accepted_length;
          }
        }) == 0);
  CHECK(accepted > 0);
}

}  // namespace allocation_test
