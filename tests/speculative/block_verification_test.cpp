// SPDX-License-Identifier: MIT
#include "speculative/tree_models.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/speculative/block_verification.hpp>
#include <gavel/speculative/single_draft.hpp>
#include <gavel/speculative/tree.hpp>
#include <gavel/speculative/tree_walk.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace block_verification_test {

using namespace gavel;
using namespace gavel::speculative;
using namespace gavel::testing;

namespace {

std::vector<node_index> chain_of(std::size_t length) {
  std::vector<node_index> parents{draft_tree::no_node};
  for (std::size_t i = 0; i < length; ++i) parents.push_back(static_cast<node_index>(i));
  return parents;
}

// A path is a tree of one branch: the ends of a block verification as ends of a tree.
std::vector<tree_stop> block_stops(const draft_tree& tree, matrix_view<const double> p, matrix_view<const double> q, double* prefix_sum) {
  const std::vector<token_id> path = path_of(tree, tree.size() - 1);
  const block_law law = block_verification_law(p, q.middle_rows(0, path.size()), path);
  std::vector<tree_stop> stops;
  for (std::size_t i = 0; i <= path.size(); ++i) {
    const auto first = law.next_token_probs.begin() + static_cast<std::ptrdiff_t>(i * p.cols());
    stops.push_back(
        {static_cast<node_index>(i), law.length_probs[i], std::vector<double>(first, first + static_cast<std::ptrdiff_t>(p.cols()))});
    if (i > 0) *prefix_sum += law.prefix_weight[i];
  }
  return stops;
}

}  // namespace

TEST_CASE("block verification emits the target's joint law, with sum E[P_i] tokens, never fewer than token-wise",
          "[speculative][block_verification]") {
  test_engine rng(101);
  bool strictly_better = false;
  for (std::size_t repeat = 0; repeat < 24; ++repeat) {
    const std::size_t vocabulary = 2 + repeat % 3;
    const std::size_t length = repeat % 4 == 3 ? 1 : 2 + repeat % 2;
    const table_model target(rng, vocabulary, length + 1, repeat % 3 == 1 ? 0.35 : 0.0, 1);
    const table_model drafts(rng, vocabulary, length, repeat % 3 == 2 ? 0.35 : 0.0, 1);
    const std::vector<node_index> shape = chain_of(length);
    double expected_length = 0.0;
    const emission block = emitted_law(shape, draft_law::iid, target, drafts,
                                       [&](const draft_tree& tree, matrix_view<const double> p, matrix_view<const double> q) {
                                         double prefix_sum = 0.0;
                                         std::vector<tree_stop> stops = block_stops(tree, p, q, &prefix_sum);
                                         double chance = 1.0;
                                         for (std::size_t i = 0; i < length; ++i) chance *= q(i, tree.token(i + 1));
                                         expected_length += chance * prefix_sum;
                                         return stops;
                                       });
    single_draft<double> single;
    const emission token_wise = emitted_law(shape, draft_law::iid, target, drafts,
                                            [&](const draft_tree& tree, matrix_view<const double> p, matrix_view<const double> q) {
                                              return tree_walk_law(tree, p, q, single);
                                            });
    CHECK(largest_difference(block.joint, target_joint(target, length + 1)) <= 1e-12);
    CHECK(std::abs(block.accepted_length - expected_length) <= 1e-12);
    CHECK(block.accepted_length >= token_wise.accepted_length - 1e-12);
    if (block.accepted_length > token_wise.accepted_length + 1e-3) strictly_better = true;
  }
  CHECK(strictly_better);
}

TEST_CASE("block verification: rows of every awkward shape stay exact", "[speculative][block_verification]") {
  test_engine rng(102);
  const std::size_t vocabulary = 3;
  for (const row_pair& first : edge_rows(rng, vocabulary)) {
    for (const row_pair& second : edge_rows(rng, vocabulary)) {
      table_model target(rng, vocabulary, 3, 0.0, 1);
      table_model drafts(rng, vocabulary, 2, 0.0, 1);
      target.row({}) = first.p;
      drafts.row({}) = first.q;
      for (token_id x = 0; x < vocabulary; ++x) {
        const std::vector<token_id> prefix{x};
        target.row(prefix) = second.p;
        drafts.row(prefix) = second.q;
      }
      double unused = 0.0;
      const emission block = emitted_law(chain_of(2), draft_law::iid, target, drafts,
                                         [&](const draft_tree& tree, matrix_view<const double> p, matrix_view<const double> q) {
                                           return block_stops(tree, p, q, &unused);
                                         });
      REQUIRE(std::isfinite(block.accepted_length));
      REQUIRE(largest_difference(block.joint, target_joint(target, 3)) <= 1e-12);
    }
  }
}

TEST_CASE("verify_block draws what block_verification_law says", "[speculative][block_verification]") {
  test_engine rng(103);
  const std::size_t vocabulary = 4;
  for (int repeat = 0; repeat < 4; ++repeat) {
    std::vector<double> p;
    std::vector<double> q;
    std::vector<float> p_float;
    std::vector<float> q_float;
    for (int i = 0; i < 4; ++i) {
      for (const double x : dyadic_row(rng, vocabulary)) p.push_back(x), p_float.push_back(static_cast<float>(x));
      if (i == 3) break;
      for (const double x : dyadic_row(rng, vocabulary)) q.push_back(x), q_float.push_back(static_cast<float>(x));
    }
    const std::vector<token_id> path{static_cast<token_id>(rng() % 4), static_cast<token_id>(rng() % 4), static_cast<token_id>(rng() % 4)};
    const matrix_view<const double> target(p, vocabulary);
    const matrix_view<const double> draft(q, vocabulary);
    const block_law law = block_verification_law(target, draft, path);
    const block_law narrow = block_verification_law(matrix_view<float>(p_float, vocabulary), matrix_view<float>(q_float, vocabulary), path);
    CHECK(largest_difference(law.length_probs, narrow.length_probs) <= 1e-6);  // p - c q is rounded in single precision
    CHECK(largest_difference(law.next_token_probs, narrow.next_token_probs) <= 1e-12);

    std::vector<double> cells;
    for (std::size_t i = 0; i <= path.size(); ++i) {
      for (std::size_t y = 0; y < vocabulary; ++y) cells.push_back(law.length_probs[i] * law.next_token_probs[i * vocabulary + y]);
    }
    std::vector<std::size_t> counts(cells.size(), 0);
    double mean = 0.0;
    const std::size_t draws = 100000;
    test_engine sampler(7);
    for (std::size_t k = 0; k < draws; ++k) {
      const path_verdict one = verify_block(target, draft, path, sampler);
      mean += static_cast<double>(one.accepted_length) / static_cast<double>(draws);
      ++counts[one.accepted_length * vocabulary + one.next_token];
    }
    CHECK(g_test_p_value(counts, cells) > 1e-6);
    CHECK(std::abs(mean - law.expected_length()) < 0.03);
  }
}

TEST_CASE("block verification at the edges", "[speculative][block_verification]") {
  counting_generator<test_engine> rng{test_engine(9)};
  const std::vector<double> same{0.2, 0.3, 0.5, 0.2, 0.3, 0.5, 0.2, 0.3, 0.5};
  const matrix_view<const double> rows(same, 3);
  const std::vector<token_id> path{2, 0};

  SECTION("p = q: all of the path, one uniform for the length and one for the token") {
    const block_law law = block_verification_law(rows, rows.middle_rows(0, 2), path);
    CHECK(law.prefix_weight == std::vector<double>{1, 1, 1});
    CHECK(law.stop_probs == std::vector<double>{1, 1, 1});
    CHECK(law.length_probs == std::vector<double>{0, 0, 1});
    for (const double x : law.next_token_probs) CHECK(std::isfinite(x));
    for (int i = 0; i < 100; ++i) {
      rng.calls = 0;
      REQUIRE(verify_block(rows, rows.middle_rows(0, 2), path, rng).accepted_length == 2);
      REQUIRE(rng.calls == 2);
    }
  }
  SECTION("empty path: a token of the target, one uniform, draft rows absent") {
    const path_verdict one = verify_block(rows.middle_rows(0, 1), matrix_view<const double>(), {}, rng);
    CHECK(one.accepted_length == 0);
    CHECK(rng.calls == 1);
    CHECK(block_verification_law(rows.middle_rows(0, 1), matrix_view<const double>(), {}).length_probs == std::vector<double>{1});
  }
  SECTION("P_1 = 0: nothing can be accepted, no division by zero, L + 1 uniforms") {
    const std::vector<double> p{0.5, 0.5, 0.0, 0.2, 0.3, 0.5, 0.2, 0.3, 0.5};
    const matrix_view<const double> target(p, 3);
    const block_law law = block_verification_law(target, rows.middle_rows(0, 2), path);
    CHECK(law.prefix_weight == std::vector<double>{1, 0, 0});
    CHECK(law.length_probs == std::vector<double>{1, 0, 0});
    for (const double x : law.next_token_probs) CHECK(std::isfinite(x));
    for (int i = 0; i < 100; ++i) {
      rng.calls = 0;
      const path_verdict one = verify_block(target, rows.middle_rows(0, 2), path, rng);
      REQUIRE(one.accepted_length == 0);
      REQUIRE(one.next_token != 2);
      REQUIRE(rng.calls == 3);
    }
  }
  SECTION("a small P_1 is a small chance, not none") {
    const std::vector<double> p{1e-6, 1.0 - 1e-6, 0.5, 0.5, 0.5, 0.5};
    const std::vector<double> q{0.5, 0.5, 1.0, 0.0};
    const std::vector<token_id> unlikely{0, 0};
    const block_law law = block_verification_law(matrix_view<const double>(p, 2), matrix_view<const double>(q, 2), unlikely);
    CHECK(law.prefix_weight[1] == Approx(2e-6).epsilon(1e-14));
    CHECK(law.stop_probs[1] == Approx(1e-6 / (1.0 - 1e-6)).epsilon(1e-12));  // S_1 = P_1 / 2, the part of p that q never drafts
    CHECK(law.stop_probs[2] == Approx(1e-6).epsilon(1e-14));
  }
  SECTION("a draft probability so small that p / q is infinite counts as zero: 0 * inf must not accept an impossible path") {
    const std::vector<double> p{0.0, 1.0, 0.5, 0.5, 0.5, 0.5};
    std::vector<double> q{0.5, 0.5, 1e-320, 1.0};
    const std::vector<token_id> impossible{0, 0};
    CHECK(message_of([&] { (void)block_verification_law(matrix_view<const double>(p, 2), matrix_view<const double>(q, 2), impossible); }) ==
          "gavel::speculative::block_verification_law: path[1] = 0, must have draft probability >= 2^-1000");
    q[2] = 1e-300;
    CHECK(block_verification_law(matrix_view<const double>(p, 2), matrix_view<const double>(q, 2), impossible).length_probs ==
          std::vector<double>{1, 0, 0});
  }
  SECTION("a strong second token carries a weak first one") {
    const std::vector<double> p{0.5, 0.5, 0.9, 0.1, 0.5, 0.5};
    const std::vector<double> q{0.9, 0.1, 0.5, 0.5};
    const std::vector<token_id> weak_then_strong{0, 0};
    const block_law law = block_verification_law(matrix_view<const double>(p, 2), matrix_view<const double>(q, 2), weak_then_strong);
    CHECK(law.length_probs[2] == Approx(1.0));  // 0.5 / 0.9 * 0.9 / 0.5; token-wise 0.5556
  }
}

TEST_CASE("block verification names what is wrong", "[speculative][block_verification]") {
  std::vector<double> p{0.2, 0.8, 0.6, 0.4, 0.5, 0.5};
  std::vector<double> q{0.5, 0.5, 0.5, 0.5};
  std::vector<token_id> path{0, 1};
  test_engine rng(1);
  auto message = [&](std::size_t p_rows, std::size_t q_rows, std::size_t q_cols = 2, std::size_t p_cols = 2) {
    return message_of([&] {
      (void)verify_block(matrix_view<const double>(p.data(), p_rows, p_cols), matrix_view<const double>(q.data(), q_rows, q_cols), path,
                         rng);
    });
  };
  const std::string name = "gavel::speculative::verify_block: ";
  CHECK(message(2, 2) == name + "target_rows.rows() = 2, must equal path.size() + 1 = 3");
  CHECK(message(3, 1) == name + "draft_rows.rows() = 1, must equal path.size() 2");
  CHECK(message(3, 2, 1) == name + "draft_rows.cols() = 1, must equal target_rows.cols() 2");
  CHECK(message(3, 2, 0, 0) == name + "target_rows.cols() = 0, must be >= 1");
  path[1] = 2;
  CHECK(message(3, 2) == name + "path[1] = 2, must be < vocabulary size 2");
  path[1] = 1;
  q = {0.5, 0.5, 1.0, 0.0};
  CHECK(message(3, 2) == name + "path[1] = 1, must have draft probability >= 2^-1000");
  q = {0.5, 0.5, 0.5, not_a_number};
  CHECK(message(3, 2) == "domain: " + name + "draft probability of draft[1] = nan, must be in [0, 1]");
  q = {0.5, 0.5, 0.5, 0.5};
  p[0] = -0.1;
  CHECK(message(3, 2) == "domain: " + name + "target probability of draft[0] = -0.1, must be in [0, 1]");
  p = {0.0, 1.0, 0.6, 0.4, 0.5, 0.5};
  q = {0.5, 0.75, 0.5, 0.5};
  CHECK(message(3, 2) == "domain: " + name + "sum of draft_rows.row(0) = 1.25, must be 1 within 1e-06");
  q = {0.5, 0.5, 0.5, 0.5};
  p = {1.0, 0.0, 1.0, 0.0, -0.25, 1.25};
  path = {0, 0};
  const test_engine unmoved = rng;
  CHECK(message(3, 2) == "domain: " + name + "target_rows.row(2)[0] = -0.25, must be finite and >= 0");
  CHECK(rng == unmoved);  // a uniform was drawn before that row was read
  // The law reads, and checks, every row.
  CHECK(message_of([&] {
          (void)block_verification_law(matrix_view<const double>(p.data(), 3, 2), matrix_view<const double>(q.data(), 2, 2), path);
        }) == "domain: gavel::speculative::block_verification_law: target_rows.row(2)[0] = -0.25, must be finite and >= 0");
}

}  // namespace block_verification_test
