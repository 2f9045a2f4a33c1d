// SPDX-License-Identifier: MIT
// Drafted trees of 8 to 64 nodes verified: traversal, the node-by-node walk, and block verification of a path. The models are close
// (acceptance about 0.7), siblings are drawn without replacement. `none_accepted` makes every draft fail: the most work a call can have.
#include "inputs.hpp"

#include <gavel/core/random.hpp>
#include <gavel/kernels/sample.hpp>
#include <gavel/kernels/softmax.hpp>
#include <gavel/speculative/block_verification.hpp>
#include <gavel/speculative/recursive_rejection.hpp>
#include <gavel/speculative/target_only.hpp>
#include <gavel/speculative/traversal_verification.hpp>
#include <gavel/speculative/tree.hpp>
#include <gavel/speculative/tree_shape.hpp>
#include <gavel/speculative/tree_walk.hpp>

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace {

namespace speculative = gavel::speculative;
using speculative::draft_tree;

// Rows at the nodes of a shape, and trees drawn from them: calls take turns through the trees, so that the accepted length is a mean over
// drafts. A few kinds of rows are made and copied to the nodes, each to its own place: a call reads the bytes that a real one would.
struct workload {
  std::vector<draft_tree> trees;
  std::size_t vocabulary = 0;
  std::vector<float> target;
  std::vector<float> draft;

  gavel::matrix_view<const float> target_rows() const { return {target.data(), trees[0].size(), vocabulary}; }
  gavel::matrix_view<const float> draft_rows() const { return {draft.data(), trees[0].size(), vocabulary}; }
};

enum class agreement { usual, none };

// Logits of a long-tailed model and of a draft model near it; with `none` the draft proposes tokens that the target excludes.
void make_rows(std::size_t vocabulary, agreement kind, gavel::philox4x32& rng, std::vector<float>& p, std::vector<float>& q) {
  std::vector<float> a(vocabulary);
  std::vector<float> b(vocabulary);
  for (std::size_t y = 0; y < vocabulary; ++y) {
    const double base = -1.1 * std::log(static_cast<double>(y + 1)) + 2.0 * gavel::normal(rng);
    a[y] = static_cast<float>(base);
    b[y] = static_cast<float>(base + 0.7 * gavel::normal(rng));
    if (kind == agreement::none) (y % 2 == 0 ? a : b)[y] = -INFINITY;
  }
  p.resize(vocabulary);
  q.resize(vocabulary);
  gavel::kernels::softmax(a.data(), vocabulary, p.data());
  gavel::kernels::softmax(b.data(), vocabulary, q.data());
}

std::shared_ptr<const workload> make_workload(std::size_t nodes, std::size_t vocabulary, agreement kind, bool path) {
  auto work = std::make_shared<workload>();
  work->vocabulary = vocabulary;
  gavel::philox4x32 rng(nodes, vocabulary);
  const std::vector<double> chances =
      path ? std::vector<double>{0.7} : std::vector<double>{0.62, 0.13, 0.06, 0.035, 0.022, 0.015, 0.011, 0.008};
  const std::vector<speculative::node_index> shape =
      speculative::tree_shape_table(chances, nodes, path ? nodes : 10).shape(nodes, path ? nodes : 10).parents;
  std::vector<speculative::token_id> tokens(nodes, 0);
  const draft_tree bare = draft_tree::from_parents(shape, tokens);
  constexpr std::size_t kinds = 4;
  std::vector<float> p[kinds];
  std::vector<float> q[kinds];
  for (std::size_t i = 0; i < kinds; ++i) make_rows(vocabulary, kind, rng, p[i], q[i]);
  for (std::size_t node = 0; node < nodes; ++node) {
    work->target.insert(work->target.end(), p[node % kinds].begin(), p[node % kinds].end());
    work->draft.insert(work->draft.end(), q[node % kinds].begin(), q[node % kinds].end());
  }
  std::vector<float> left;
  for (int tree = 0; tree < 64; ++tree) {
    for (std::size_t node = 0; node < nodes; ++node) {
      if (bare.is_leaf(node)) continue;
      left = q[node % kinds];
      for (const speculative::node_index child : bare.children(node)) {
        tokens[child] = static_cast<speculative::token_id>(gavel::kernels::sample(left.data(), vocabulary, gavel::uniform(rng)));
        left[tokens[child]] = 0.0F;
      }
    }
    work->trees.push_back(draft_tree::from_parents(shape, tokens));
  }
  return work;
}

template <class Call>
void add(const std::string& name, std::size_t nodes, std::size_t vocabulary, agreement kind, bool path, Call call) {
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    const std::shared_ptr<const workload> work = make_workload(nodes, vocabulary, kind, path);
    std::vector<speculative::token_id> accepted(work->trees[0].max_depth());
    gavel::philox4x32 rng(1);
    double length = 0.0;
    auto prepared = call;
    std::size_t turn = 0;
    for (auto _ : state) {
      const std::size_t one = prepared(*work, work->trees[turn++ % work->trees.size()], rng, accepted);
      benchmark::DoNotOptimize(accepted.data());
      length += static_cast<double>(one);
    }
    state.counters["accepted"] = length / static_cast<double>(state.iterations());
  })->Unit(benchmark::kMicrosecond);
}

using out = std::vector<speculative::token_id>;

void add_size(std::size_t nodes, std::size_t vocabulary, agreement kind) {
  const std::string size = (kind == agreement::none ? "_none_accepted/float/" : "/float/") + std::to_string(vocabulary) + "x" +
                           std::to_string(nodes) + "nodes/gavel";
  add("speculative/traversal" + size, nodes, vocabulary, kind, false,
      [verifier = speculative::traversal_verifier<float>(64)](const workload& work, const draft_tree& tree, gavel::philox4x32& rng,
                                                              out& accepted) mutable {
        return verifier.verify(tree, work.target_rows(), work.draft_rows(), rng, std::span(accepted)).accepted_length;
      });
  add("speculative/walk_recursive_rejection" + size, nodes, vocabulary, kind, false,
      [verifier = speculative::recursive_rejection<float, speculative::draft_law::without_replacement>()](
          const workload& work, const draft_tree& tree, gavel::philox4x32& rng, out& accepted) mutable {
        return speculative::walk_tree(tree, work.target_rows(), work.draft_rows(), verifier, rng, std::span(accepted)).accepted_length;
      });
  add("speculative/walk_target_only" + size, nodes, vocabulary, kind, false,
      [verifier = speculative::target_only<float, speculative::draft_law::without_replacement>()](
          const workload& work, const draft_tree& tree, gavel::philox4x32& rng, out& accepted) mutable {
        return speculative::walk_tree(tree, work.target_rows(), {}, verifier, rng, std::span(accepted)).accepted_length;
      });
}

void add_path(std::size_t length, std::size_t vocabulary) {
  add("speculative/block/float/" + std::to_string(vocabulary) + "x" + std::to_string(length) + "drafts/gavel", length + 1, vocabulary,
      agreement::usual, true, [](const workload& work, const draft_tree& tree, gavel::philox4x32& rng, out&) {
        return speculative::verify_block(work.target_rows(), work.draft_rows().middle_rows(0, tree.size() - 1), tree.tokens().subspan(1),
                                         rng)
            .accepted_length;
      });
}

[[maybe_unused]] const bool registered = [] {
  for (const std::size_t nodes : {std::size_t{8}, std::size_t{16}, std::size_t{32}, std::size_t{64}}) {
    add_size(nodes, 32000, agreement::usual);
  }
  add_size(64, bench::chain_vocabulary, agreement::usual);
  add_size(64, 32000, agreement::none);
  for (const std::size_t vocabulary : {std::size_t{32000}, bench::chain_vocabulary}) {
    add_path(5, vocabulary);
    add_path(15, vocabulary);
  }
  return true;
}();

}  // namespace
