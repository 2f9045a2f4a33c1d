// SPDX-License-Identifier: MIT
// The data as callers have them: row-major Eigen matrices and vectors, ids as int, generators and results in vectors. Each call gives what
// the same call with views gives.
#include <gavel/core/npy.hpp>
#include <gavel/core/permutation.hpp>
#include <gavel/speculative/acceptance_loss.hpp>
#include <gavel/speculative/block_verification.hpp>
#include <gavel/speculative/chain.hpp>
#include <gavel/speculative/draft_sampler.hpp>
#include <gavel/speculative/optimal_acceptance.hpp>
#include <gavel/speculative/optimal_iid.hpp>
#include <gavel/speculative/reduced_vocabulary.hpp>
#include <gavel/speculative/single_draft.hpp>
#include <gavel/speculative/target_only.hpp>
#include <gavel/speculative/traversal_verification.hpp>
#include <gavel/speculative/tree_expansion.hpp>
#include <gavel/speculative/tree_walk.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"

#include <Eigen/Core>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace inputs_test {

using namespace gavel;
using namespace gavel::speculative;
using gavel::testing::message_of;

namespace {

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
constexpr std::size_t length = 3, vocabulary = 6;

// Target rows of 4 positions, draft rows of 3, in a block of a wider matrix, so that rows are further apart than they are long.
struct model {
  matrix wide = matrix::Zero(7, 10);
  std::vector<std::int32_t> ids{2, 0, 5};

  model() {
    for (Eigen::Index i = 0; i < wide.size(); ++i) wide.data()[i] = static_cast<float>((i * 37 % 11) + 1) * 0.25F;
  }
  [[nodiscard]] auto target() const { return wide.block(0, 1, 4, 6); }
  [[nodiscard]] auto draft() const { return wide.block(4, 1, 3, 6); }
  [[nodiscard]] matrix probs(const matrix& logits) const {
    matrix result = logits.array().exp().matrix();
    for (Eigen::Index i = 0; i < result.rows(); ++i) result.row(i) /= result.row(i).sum();
    return result;
  }
  [[nodiscard]] std::vector<token_id> tokens() const { return {2, 0, 5}; }
};

matrix_view<const float> view(const matrix& m) {
  return {m.data(), static_cast<std::size_t>(m.rows()), static_cast<std::size_t>(m.cols())};
}

}  // namespace

TEST_CASE("inputs: a chain from Eigen matrices, ids as int, generators in a vector", "[speculative][inputs]") {
  const model m;
  const matrix target = m.target(), draft = m.draft();
  philox4x32 rng(7), same(7);
  const chain_result expected = verify_chain(view(target), view(draft), m.tokens(), rng);
  CHECK(verify_chain(m.target(), m.draft(), m.ids, same) == expected);
  CHECK(rng == same);
  CHECK(message_of([&] { (void)verify_chain(m.target(), m.draft(), std::vector{2, -1, 5}, same); }) ==
        "gavel::speculative::verify_chain: draft_tokens[1] = 4294967295, must be < vocabulary size 6");

  const std::vector<std::int64_t> lengths{2, 1};
  const Eigen::VectorXi ids = Eigen::Map<const Eigen::VectorXi>(m.ids.data(), 3);
  const matrix all = m.wide.topRows(5);
  std::vector<philox4x32> rngs{philox4x32(1, 0), philox4x32(1, 1)}, others = rngs;
  std::vector<chain_result> results(2), wanted(2);
  CHECK(verify_chains(view(all), view(draft.leftCols(6)), m.tokens(), std::vector<std::size_t>{2, 1}, std::span(others),
                      std::span<chain_result>(wanted), {.draft = draft_form::point}) == 0);
  CHECK(verify_chains(all, m.draft(), ids, lengths, rngs, results, {.draft = draft_form::point}) == 0);
  CHECK(results == wanted);
  CHECK(rngs == others);
}

TEST_CASE("inputs: probabilities into whatever holds them", "[speculative][inputs]") {
  const model m;
  const std::vector<float> logits(m.wide.data(), m.wide.data() + vocabulary);
  std::array<float, vocabulary> expected{};
  probs_from_logits(std::span<const float>(logits), std::span<float>(expected), {.temperature = 0.7, .top_p = 0.9});
  std::vector<float> probs(vocabulary);
  probs_from_logits(logits, probs, {.temperature = 0.7, .top_p = 0.9});
  CHECK(std::vector<float>(expected.begin(), expected.end()) == probs);
  Eigen::MatrixXf columns = Eigen::MatrixXf::Zero(6, 2);
  probs_from_logits(logits, columns.col(1), {.temperature = 0.7, .top_p = 0.9});
  for (std::size_t i = 0; i < vocabulary; ++i) CHECK(columns(static_cast<Eigen::Index>(i), 1) == probs[i]);
  probs_from_logits(logits, probs, {.temperature = 0.0});
  CHECK(probs[kernels::argmax(logits.data(), vocabulary)] == 1.0F);
}

TEST_CASE("inputs: verifiers of a position", "[speculative][inputs]") {
  const model m;
  const matrix target = m.probs(m.target()), draft = m.probs(m.draft());
  const std::vector<float> p(target.data(), target.data() + vocabulary), q(draft.data(), draft.data() + vocabulary);
  const auto decide = [](auto verifier, const auto& rows_p, const auto& rows_q, const auto& drafts) {
    philox4x32 rng(3);
    verifier.prepare(rows_p, rows_q, 1);
    return verifier.verify(drafts, rng);
  };
  const int drafted[] = {5};
  const Eigen::VectorXf column_p = target.row(0).transpose();
  CHECK(decide(single_draft<float>(), column_p, draft.row(0), drafted) == decide(single_draft<float>(), p, q, std::vector<token_id>{5}));
  CHECK(decide(optimal_iid<float>(), column_p, draft.row(0), drafted) == decide(optimal_iid<float>(), p, q, std::vector<token_id>{5}));

  on_reduced_vocabulary<single_draft<float>> reduced;
  const std::vector<float> three(3, 1.0F / 3.0F);
  reduced.prepare(p, m.ids, three, 1);
  philox4x32 rng(3);
  CHECK(reduced.verify(std::vector<int>{5}, rng).token < vocabulary);
  CHECK(message_of([&] { (void)reduced.verify(std::vector<int>{-5}, rng); }) ==
        "gavel::speculative::on_reduced_vocabulary::verify: drafts[0] = 4294967291, must be < vocabulary size 6");
}

TEST_CASE("inputs: draws into vectors of int", "[speculative][inputs]") {
  const model m;
  const matrix draft = m.probs(m.draft());
  const std::vector<float> q(draft.data(), draft.data() + vocabulary);
  std::vector<int> ids(2);
  std::vector<token_id> expected(2);
  philox4x32 rng(9), same(9);
  draw_drafts(draft_law::without_replacement, q, expected, rng);
  draw_drafts(draft_law::without_replacement, draft.row(0), ids, same);
  CHECK(std::vector<token_id>(ids.begin(), ids.end()) == expected);
  draft_sampler<float> sampler;
  sampler.draw_from_logits(draft_law::without_replacement, m.wide.row(4).segment(1, 6), 1.0, ids, same = philox4x32(9));
  CHECK(std::vector<token_id>(ids.begin(), ids.end()) == expected);
  sampler.draw_from_logits(draft_law::top_n, m.ids, std::span(q).first(3), sampling_options{}, ids, same);
  CHECK((ids[0] == 2 || ids[0] == 0 || ids[0] == 5));

  std::vector<int> mixed(3);
  std::vector<std::uint8_t> is_draft(3);
  mix_tokens(m.ids, std::vector<int>{1, 1, 1}, rng, mixed, is_draft, 1.0);
  CHECK(mixed == m.ids);
  std::vector<std::uint32_t> order(5);
  permutation(rng, order);
  sample_without_replacement(rng, 9, order);
  weighted_sample_without_replacement(rng, std::vector<double>(7, 1.0), order);
  for (const std::uint32_t i : order) CHECK(i < 7);
}

TEST_CASE("inputs: rows of paths, trees and batches", "[speculative][inputs]") {
  const model m;
  const matrix target = m.probs(m.target()), draft = m.probs(m.draft());
  philox4x32 rng(5), same(5);
  CHECK(verify_block(target, draft, m.ids, same) == verify_block(view(target), view(draft), m.tokens(), rng));
  CHECK(block_verification_law(target, draft, m.ids).length_probs ==
        block_verification_law(view(target), view(draft), m.tokens()).length_probs);

  std::vector<double> labels(length), rates(length);
  soft_labels(target, draft, m.ids, labels);
  CHECK(labels[1] == soft_label(static_cast<double>(target(1, 0)), static_cast<double>(draft(1, 0))));
  optimal_acceptance(target.topRows(3), draft, draft_law::iid, 2, rates);
  CHECK(rates[0] == optimal_acceptance(target.row(0), draft.row(0), draft_law::iid, 2).acceptance_rate);

  tree_expansion expansion(4);
  for (std::size_t node = 0; auto popped = expansion.pop(); ++node) {
    expansion.push(*popped, std::vector<int>{static_cast<int>(node), static_cast<int>(node) + 1}, std::vector<float>{0.5F, 0.25F});
  }
  const draft_tree& tree = expansion.tree();
  REQUIRE(tree.size() == 4);
  CHECK(keep_nodes(tree, std::vector<int>{0, 1}).size() == 2);
  const matrix rows = m.probs(m.wide.block(0, 0, 4, 6));
  single_draft<float> verifier;
  target_only<float> any;
  std::vector<int> tokens(4), nodes(4);
  std::vector<token_id> expected_tokens(4);
  std::vector<node_index> expected_nodes(4);
  rng = same = philox4x32(2);
  CHECK(walk_tree(tree, rows, rows, any, same, tokens, nodes) ==
        walk_tree(tree, view(rows), view(rows), any, rng, expected_tokens, expected_nodes));
  CHECK(std::vector<token_id>(tokens.begin(), tokens.end()) == expected_tokens);
  traversal_verifier<float> traversal;
  CHECK(traversal.verify(tree, rows, rows, same, tokens) == traversal.verify(tree, view(rows), view(rows), rng, expected_tokens));

  CHECK(encode_npy(m.draft(), npy_scalar::float32) == encode_npy(view(m.draft()), npy_scalar::float32));
}

}  // namespace inputs_test
