// SPDX-License-Identifier: MIT
#include <gavel/speculative/greedy_drafts.hpp>
#include <gavel/speculative/hub_pair.hpp>
#include <gavel/speculative/k_sequence.hpp>
#include <gavel/speculative/recursive_rejection.hpp>
#include <gavel/speculative/reduced_vocabulary.hpp>
#include <gavel/speculative/single_draft.hpp>
#include <gavel/speculative/target_only.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "speculative/verifier_checks.hpp"

#include <memory>
#include <vector>

namespace reduced_vocabulary_test {

using namespace gavel;
using namespace gavel::speculative;
using namespace gavel::testing;

using without_replacement = recursive_rejection<float, draft_law::without_replacement>;

namespace {

struct reduced_pair {
  std::vector<double> p, q;   // full rows, q is 0 outside the ids
  std::vector<token_id> ids;  // shuffled
  std::vector<double> compact_q;
};

reduced_pair random_pair(test_engine& rng, std::size_t size, std::size_t kept, double zero_chance = 0.0) {
  reduced_pair pair{dyadic_row(rng, size, zero_chance), std::vector<double>(size, 0.0), {}, dyadic_row(rng, kept)};
  std::vector<token_id> all(size);
  for (std::size_t i = 0; i < size; ++i) all[i] = static_cast<token_id>(i);
  for (std::size_t i = 0; i < kept; ++i) {
    std::swap(all[i], all[i + static_cast<std::size_t>(unit(rng) * static_cast<double>(size - i))]);
    pair.ids.push_back(all[i]);
    pair.q[all[i]] = pair.compact_q[i];
  }
  return pair;
}

template <class V>
void check_reduced(const std::vector<std::size_t>& draft_counts, optimality claim = optimality::bounded) {
  using T = typename V::scalar;
  test_engine rng(606);
  on_reduced_vocabulary<V> v;
  std::size_t checked = 0;
  for (const std::size_t n : draft_counts) {
    for (std::size_t size = 1; size <= 6; ++size) {
      for (std::size_t kept = 1; kept <= size; ++kept) {
        for (int repeat = 0; repeat < 4; ++repeat) {
          const reduced_pair pair = random_pair(rng, size, kept, repeat == 3 ? 0.4 : 0.0);
          if (!law_exists(V::law, pair.q, n) || (V::law != draft_law::iid && n > kept)) continue;
          CAPTURE(pair.ids);
          const std::vector<T> p = row_as<T>(pair.p), q = row_as<T>(pair.compact_q);
          v.prepare(std::span<const T>(p), std::span<const token_id>(pair.ids), std::span<const T>(q), n);
          check_prepared_exactly(v, {pair.p, pair.q}, n, claim);
          ++checked;
        }
      }
    }
  }
  REQUIRE(checked > 30);
}

// The adapter and the plain verifier with a row full of zeros decide alike: same marginals.
template <class V>
void check_against_dense(std::size_t n) {
  using T = typename V::scalar;
  test_engine rng(17);
  const reduced_pair pair = random_pair(rng, 200, 40);
  const std::vector<T> p = row_as<T>(pair.p), q = row_as<T>(pair.compact_q), dense_q = row_as<T>(pair.q);
  on_reduced_vocabulary<V> reduced;
  reduced.use_vocabulary(pair.ids, 200);
  prepare_with(reduced, p, q, n);
  V dense;
  prepare_with(dense, p, dense_q, n);
  std::vector<double> a(200), b(200);
  reduced.acceptance_marginals(a);
  dense.acceptance_marginals(b);
  REQUIRE(largest_difference(a, b) <= law_tolerance<T>);
}

}  // namespace

TEST_CASE("on_reduced_vocabulary keeps every verifier exact", "[speculative][reduced_vocabulary]") {
  check_reduced<single_draft<float>>({1}, optimality::reached);
  check_reduced<target_only<float>>({1, 2, 3});
  check_reduced<target_only<float, draft_law::top_n>>({1, 2}, optimality::reached);
  check_reduced<recursive_rejection<float>>({1, 2, 3});
  check_reduced<without_replacement>({1, 2, 3});
  check_reduced<k_sequence<float>>({1, 2, 3});
  check_reduced<hub_pair<float>>({2}, optimality::reached);
  check_reduced<greedy_drafts<float>>({1, 2, 3}, optimality::reached);
}

TEST_CASE("on_reduced_vocabulary accepts what the spread row would accept", "[speculative][reduced_vocabulary]") {
  check_against_dense<single_draft<double>>(1);
  check_against_dense<recursive_rejection<double>>(4);
  check_against_dense<k_sequence<double>>(4);
  check_against_dense<greedy_drafts<double>>(4);
  check_against_dense<hub_pair<double>>(2);
}

TEST_CASE("on_reduced_vocabulary: verify follows its law and the target, within its draws", "[speculative][reduced_vocabulary]") {
  test_engine rng(18);
  const reduced_pair small = random_pair(rng, 8, 4);
  const std::vector<float> p = row_as<float>(small.p), q = row_as<float>(small.compact_q);
  on_reduced_vocabulary<without_replacement> v;
  v.prepare(std::span<const float>(p), std::span<const token_id>(small.ids), std::span<const float>(q), 2);
  counting_generator<std::mt19937_64> counted{std::mt19937_64(3)};
  bool tokens_outside = false;
  REQUIRE(v.max_uniforms() == 3);
  for (int repeat = 0; repeat < 4; ++repeat) {
    const std::vector<token_id> drafts = draw_drafts(draft_law::without_replacement, small.q, 2, rng);
    REQUIRE(verify_against_conditional_law(v, drafts, 8, 20000, 5) > 1e-6);
    for (int k = 0; k < 500; ++k) {
      const std::size_t before = counted.calls;
      const verdict one = v.verify(drafts, counted);
      const bool outside = !(small.q[one.token] > 0.0);
      tokens_outside |= outside;
      REQUIRE(counted.calls - before == (one.accepted() ? 1u : outside ? 3u : 2u));
    }
  }
  REQUIRE(tokens_outside);
  const reduced_pair large = random_pair(rng, 1000, 300);
  const std::vector<float> p_large = row_as<float>(large.p), q_large = row_as<float>(large.compact_q);
  v.prepare(std::span<const float>(p_large), std::span<const token_id>(large.ids), std::span<const float>(q_large), 3, trusted);
  REQUIRE(outputs_against_target(v, draft_law::without_replacement, large.p, large.q, 3, 60000, 6) > 1e-6);
}

TEST_CASE("on_reduced_vocabulary: a copy outlives its source", "[speculative][reduced_vocabulary]") {
  test_engine rng(19);
  const reduced_pair pair = random_pair(rng, 8, 5);
  const std::vector<float> p = row_as<float>(pair.p), q = row_as<float>(pair.compact_q);
  on_reduced_vocabulary<k_sequence<float>> assigned;
  std::vector<verdict> expected;
  const std::vector<token_id> drafts{pair.ids[0], pair.ids[3]};
  {
    auto source = std::make_unique<on_reduced_vocabulary<k_sequence<float>>>();
    source->use_vocabulary(pair.ids, 8);
    source->prepare(std::span<const float>(p), std::span<const float>(q), 2);
    test_engine stream(4);
    for (int k = 0; k < 200; ++k) expected.push_back(source->verify(drafts, stream));
    const auto copy = *source;
    assigned = copy;
  }
  auto moved = std::move(assigned);
  test_engine stream(4);
  for (int k = 0; k < 200; ++k) REQUIRE(moved.verify(drafts, stream) == expected[static_cast<std::size_t>(k)]);
  CHECK(moved.inner().gamma() >= 1.0);
}

TEST_CASE("on_reduced_vocabulary refuses bad input", "[speculative][reduced_vocabulary]") {
  const std::string name = "gavel::speculative::on_reduced_vocabulary::";
  const std::vector<float> p{0.25F, 0.25F, 0.25F, 0.25F}, q{0.5F, 0.5F}, q_zero{1.0F, 0.0F};
  const std::vector<token_id> ids{3, 1};
  using reduced = on_reduced_vocabulary<without_replacement>;
  reduced v;
  test_engine rng(1);
  std::vector<double> acceptance(2, -7.0), residual(4, -7.0);
  auto verify = [&](const std::vector<token_id>& drafts) { return v.verify(drafts, rng); };
  const std::vector<token_id> none, beyond{1, 4}, twice{1, 0, 1};
  const std::vector<float> three_quarters{0.5F, 0.25F}, negative{0.5F, 0.5F, 0.5F, -0.5F};
  CHECK(message_of([&] { v.prepare(p, q, 2); }) == name + "prepare: use_vocabulary, must be called first");
  CHECK(message_of([&] { v.use_vocabulary(none, 4); }) == name + "use_vocabulary: ids.size() = 0, must be >= 1");
  CHECK(message_of([&] { v.use_vocabulary(beyond, 4); }) == name + "use_vocabulary: ids[1] = 4, must be < vocabulary size 4");
  CHECK(message_of([&] { v.use_vocabulary(twice, 4); }) == name + "use_vocabulary: ids[2] = 1, must differ from the ids before it");
  CHECK(message_of([&] { v.prepare(p, q, 2); }) == name + "prepare: use_vocabulary, must be called first");
  v.use_vocabulary(ids, 4);
  CHECK(message_of([&] { (void)verify({3, 1}); }) == name + "verify: prepare, must be called first");
  CHECK(message_of([&] { v.prepare(q, q, 2); }) == name + "prepare: p.size() = 2, must equal vocabulary size 4");
  CHECK(message_of([&] { v.prepare(p, p, 2); }) == name + "prepare: q.size() = 4, must equal ids.size() 2");
  CHECK(message_of([&] { v.prepare(p, q, 0); }) == name + "prepare: n = 0, must be >= 1");
  CHECK(message_of([&] { v.prepare(p, q, 3, trusted); }) == name + "prepare: n = 3, must be <= ids.size() 2");
  CHECK(message_of([&] { v.prepare(p, three_quarters, 2); }) ==
        std::string("domain: ") + name + "prepare: sum of q = 0.75, must be 1 within 1e-06");
  CHECK(message_of([&] { v.prepare(negative, q, 2); }) == std::string("domain: ") + name + "prepare: p[3] = -0.5, must be finite and >= 0");
  CHECK(message_of([&] { v.prepare(p, q_zero, 2); }) ==
        "gavel::speculative::recursive_rejection::prepare: n = 2, must be <= number of tokens with q >= 2^-100, which is 1");
  CHECK(message_of([&] { (void)verify({3, 1}); }) == name + "verify: prepare, must be called first");
  v.prepare(p, q, 2);
  CHECK_NOTHROW(verify({3, 1}));
  CHECK(message_of([&] { (void)verify({3}); }) == name + "verify: drafts.size() = 1, must equal n 2");
  CHECK(message_of([&] { (void)verify({3, 4}); }) == name + "verify: drafts[1] = 4, must be < vocabulary size 4");
  CHECK(message_of([&] { (void)verify({3, 0}); }) == name + "verify: drafts[1] = 0, must have draft probability >= 2^-100");
  CHECK(message_of([&] { (void)verify({3, 3}); }) == name + "verify: drafts[1] = 3, must differ from the drafts before it");
  const std::vector<token_id> drafts{1, 3};
  CHECK(message_of([&] { v.conditional_law(drafts, std::span<double>(acceptance).first(1), residual); }) ==
        name + "conditional_law: acceptance.size() = 1, must equal n 2");
  CHECK(message_of([&] { v.conditional_law(drafts, acceptance, std::span<double>(residual).first(2)); }) ==
        name + "conditional_law: residual.size() = 2, must equal vocabulary size 4");
  CHECK(acceptance == std::vector<double>(2, -7.0));
  CHECK(residual == std::vector<double>(4, -7.0));
  // What was moved from has no vocabulary, and takes the next one.
  v.prepare(p, q, 2);
  reduced heir = std::move(v);
  CHECK_NOTHROW(heir.verify(drafts, rng));
  CHECK(message_of([&] { (void)verify({3, 1}); }) == name + "verify: prepare, must be called first");
  CHECK(message_of([&] { v.prepare(p, q, 2); }) == name + "prepare: use_vocabulary, must be called first");
  v.use_vocabulary(ids, 4);
  v.prepare(p, q, 2);
  CHECK_NOTHROW(verify({3, 1}));
  v.prepare(p, q_zero, 2, trusted);
  CHECK(message_of([&] { (void)verify({3, 1}); }) == name + "verify: drafts[1] = 1, must have draft probability >= 2^-100");
}

}  // namespace reduced_vocabulary_test
