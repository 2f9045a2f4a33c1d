// SPDX-License-Identifier: MIT
#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "kernels/scalar_kernels.hpp"
#include "support/scripted_generator.hpp"

#include <gavel/core/goodness_of_fit.hpp>
#include <gavel/speculative/chain.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace chain_test {

using namespace gavel;
using namespace gavel::testing;
using namespace gavel::speculative;

namespace {

template <class T>
struct chain_rows {
  std::size_t vocabulary = 0;
  std::size_t length = 0;
  std::vector<T> target;  // logits, [length + 1, vocabulary]
  std::vector<T> draft;   // logits, [length, vocabulary]

  [[nodiscard]] matrix_view<const T> target_view() const { return {target.data(), length + 1, vocabulary}; }
  [[nodiscard]] matrix_view<const T> draft_view() const { return {draft.data(), length, vocabulary}; }
  [[nodiscard]] std::vector<long double> p(std::size_t row, long double temperature = 1.0L) const {
    return twin_softmax(wide(std::vector<T>(target.begin() + static_cast<std::ptrdiff_t>(row * vocabulary),
                                            target.begin() + static_cast<std::ptrdiff_t>((row + 1) * vocabulary))),
                        temperature);
  }
  [[nodiscard]] std::vector<long double> q(std::size_t row, long double temperature = 1.0L) const {
    return twin_softmax(wide(std::vector<T>(draft.begin() + static_cast<std::ptrdiff_t>(row * vocabulary),
                                            draft.begin() + static_cast<std::ptrdiff_t>((row + 1) * vocabulary))),
                        temperature);
  }
};

template <class T>
chain_rows<T> random_chain(std::size_t vocabulary, std::size_t length, std::uint64_t seed, double spread = 1.5) {
  return {vocabulary, length, random_logits<T>((length + 1) * vocabulary, seed, spread),
          random_logits<T>(length * vocabulary, seed + 1, spread)};
}

/// The published algorithm in long double, and how near its closest decision was.
struct twin_outcome {
  chain_result result;
  long double margin = 1.0L;
};
template <class T>
twin_outcome twin_chain(const chain_rows<T>& rows, const std::vector<token_id>& tokens, const std::vector<double>& u,
                        long double temperature) {
  twin_outcome outcome;
  for (std::size_t i = 0; i < rows.length; ++i) {
    const auto p = rows.p(i, temperature);
    const auto q = rows.q(i, temperature);
    const long double ratio = p[tokens[i]] / q[tokens[i]];
    outcome.margin = std::min(outcome.margin, std::fabs(static_cast<long double>(u[i]) - ratio));
    if (static_cast<long double>(u[i]) < ratio) continue;
    std::vector<long double> rest;
    for (std::size_t y = 0; y < p.size(); ++y) rest.push_back(std::max(p[y] - q[y], 0.0L));
    const twin_draw draw = twin_sample(rest, static_cast<long double>(u[i + 1]));
    outcome.result = {i, static_cast<token_id>(draw.index)};
    outcome.margin = std::min(outcome.margin, draw.margin);
    return outcome;
  }
  const twin_draw draw = twin_sample(rows.p(rows.length, temperature), static_cast<long double>(u[rows.length]));
  outcome.result = {rows.length, static_cast<token_id>(draw.index)};
  outcome.margin = std::min(outcome.margin, draw.margin);
  return outcome;
}

}  // namespace

TEMPLATE_TEST_CASE("every decision is that of the published algorithm, uniform by uniform", "[speculative][chain]", float, double, half,
                   bfloat16) {
  philox4x32 rng(1);
  std::size_t compared = 0;
  std::size_t refused = 0;
  for (int repeat = 0; repeat < 120; ++repeat) {
    const auto rows = random_chain<TestType>(70, 3, static_cast<std::uint64_t>(repeat) * 2, 1.0);
    const double temperature = repeat % 3 == 0 ? 0.7 : 1.0;
    std::vector<token_id> tokens;
    for (std::size_t i = 0; i < 3; ++i) {
      tokens.push_back(static_cast<token_id>(kernels::sample_logits(rows.draft.data() + 70 * i, 70, uniform(rng), temperature)));
    }
    std::vector<double> u;
    for (int i = 0; i < 4; ++i) u.push_back(uniform(rng) * (i < 3 ? 0.9 : 1.0));
    const twin_outcome twin = twin_chain(rows, tokens, u, static_cast<long double>(temperature));
    if (twin.margin < 1e-5L) continue;
    ++compared;
    refused += twin.result.accepted < 3 ? 1 : 0;
    scripted_generator script(u);
    REQUIRE(verify_chain(rows.target_view(), rows.draft_view(), tokens, script, {.sampling = {.temperature = temperature}}) == twin.result);
    REQUIRE(script.used() == twin.result.accepted + (twin.result.accepted < 3 ? 2 : 1));
    // the same draft handed over as probabilities
    std::vector<compute_type<TestType>> probs(rows.draft.size());
    for (std::size_t i = 0; i < 3; ++i) kernels::softmax(rows.draft.data() + 70 * i, 70, probs.data() + 70 * i, temperature);
    scripted_generator again(u);
    REQUIRE(verify_chain(rows.target_view(), matrix_view(probs.data(), 3, 70), tokens, again,
                         {.sampling = {.temperature = temperature}, .draft = draft_form::probs}) == twin.result);
  }
  REQUIRE(compared > 100);
  REQUIRE(refused > 20);
}

namespace {
/// Counts of the first two emitted tokens, completing a chain that stops at once by a draw from the target's second row. The rows do not
/// depend on the tokens, so the joint law is the product of the two target rows.
template <class Draft>
double joint_p_value(const chain_rows<float>& rows, const chain_options& options, Draft&& draft, const std::vector<double>& first,
                     const std::vector<double>& second, int trials) {
  const std::size_t v = rows.vocabulary;
  std::vector<std::uint64_t> counts(v * v, 0);
  philox4x32 rng(77);
  for (int t = 0; t < trials; ++t) {
    const std::vector<token_id> tokens = draft(rng);
    const chain_result result = verify_chain(rows.target_view(), rows.draft_view(), tokens, rng, options);
    const std::size_t a = result.accepted >= 1 ? tokens[0] : result.next_token;
    std::size_t b = result.accepted >= 2 ? tokens[1] : result.next_token;
    if (result.accepted == 0) b = kernels::sample(second.data(), v, uniform(rng));
    ++counts[a * v + b];
  }
  std::vector<double> expected;
  for (const double a : first) {
    for (const double b : second) expected.push_back(a * b);
  }
  return g_test(counts, expected).p_value;
}
}  // namespace

TEST_CASE("the joint law of the emitted tokens is the target's (G-test), for every draft form and truncation", "[speculative][chain]") {
  const std::size_t v = 7;
  const auto rows = random_chain<float>(v, 2, 50, 1.2);
  const auto test = [&](const chain_options& options, const sampling_options& draft_sampling, bool fixed) {
    std::vector<double> first(v);
    std::vector<double> second(v);
    const std::span<const float> target(rows.target);
    probs_from_logits(target.subspan(0, v), std::span<double>(first), options.sampling);
    probs_from_logits(target.subspan(v, v), std::span<double>(second), options.sampling);
    std::vector<std::vector<double>> q(2, std::vector<double>(v));
    for (std::size_t i = 0; i < 2; ++i)
      probs_from_logits(std::span<const float>(rows.draft).subspan(i * v, v), std::span<double>(q[i]), draft_sampling);
    const double p_value = joint_p_value(
        rows, options,
        [&](philox4x32& rng) {
          if (fixed) return std::vector<token_id>{2, 5};
          return std::vector<token_id>{static_cast<token_id>(kernels::sample(q[0].data(), v, uniform(rng))),
                                       static_cast<token_id>(kernels::sample(q[1].data(), v, uniform(rng)))};
        },
        first, second, 100000);
    REQUIRE(p_value > 1e-6);
  };
  test({}, {}, false);
  test({.sampling = {.temperature = 0.6}}, {.temperature = 0.6}, false);
  test({.sampling = {.top_k = 4}}, {.top_k = 4}, false);
  test({.sampling = {.temperature = 0.8, .top_p = 0.85}}, {.temperature = 0.8, .top_p = 0.85}, false);
  test({.sampling = {.min_p = 0.1}, .draft_sampling = sampling_options{.temperature = 2.0}}, {.temperature = 2.0}, false);
  test({.draft_sampling = sampling_options{.temperature = 0.0}}, {.temperature = 0.0}, false);
  test({.draft = draft_form::point}, {}, true);
}

TEST_CASE("the wrong draft law is noticed by the same test", "[speculative][chain]") {
  // Drafts sampled at another temperature than the rows are said to have: the output law must drift.
  const std::size_t v = 7;
  const auto rows = random_chain<float>(v, 2, 50, 1.2);
  std::vector<double> first(v);
  std::vector<double> second(v);
  const std::span<const float> target(rows.target);
  probs_from_logits(target.subspan(0, v), std::span<double>(first));
  probs_from_logits(target.subspan(v, v), std::span<double>(second));
  const double p_value = joint_p_value(
      rows, {},
      [&](philox4x32& rng) {
        return std::vector<token_id>{static_cast<token_id>(kernels::sample_logits(rows.draft.data(), v, uniform(rng), 0.5)),
                                     static_cast<token_id>(kernels::sample_logits(rows.draft.data() + v, v, uniform(rng), 0.5))};
      },
      first, second, 100000);
  REQUIRE(p_value < 1e-6);
}

TEST_CASE("a vocabulary of 1,000 through logits (G-test)", "[speculative][chain]") {
  const std::size_t v = 1000;
  auto rows = random_chain<float>(v, 1, 60, 1.0);
  for (std::size_t y = 0; y < v; ++y) rows.draft[y] = rows.target[y] + 0.7f * rows.draft[y];
  const auto twin = rows.p(0);
  const std::vector<double> p(twin.begin(), twin.end());
  std::vector<std::uint64_t> counts(v, 0);
  philox4x32 rng(5);
  for (int t = 0; t < 100000; ++t) {
    const std::vector<token_id> tokens = {static_cast<token_id>(kernels::sample_logits(rows.draft.data(), v, uniform(rng)))};
    const chain_result result = verify_chain(rows.target_view(), rows.draft_view(), tokens, rng);
    ++counts[result.accepted == 1 ? tokens[0] : result.next_token];
  }
  REQUIRE(g_test(counts, p).p_value > 1e-6);
}

TEST_CASE("greedy decoding accepts exactly the argmax", "[speculative][chain]") {
  const auto rows = random_chain<float>(50, 3, 70);
  std::vector<token_id> best;
  for (std::size_t i = 0; i < 4; ++i) best.push_back(static_cast<token_id>(kernels::argmax(rows.target.data() + 50 * i, 50)));
  philox4x32 rng(1);
  const chain_options greedy = {.sampling = {.temperature = 0.0}};
  std::vector<token_id> tokens(best.begin(), best.begin() + 3);
  REQUIRE(verify_chain(rows.target_view(), rows.draft_view(), tokens, rng, greedy) == chain_result{3, best[3]});
  tokens[1] = (best[1] + 1) % 50;
  REQUIRE(verify_chain(rows.target_view(), rows.draft_view(), tokens, rng, greedy) == chain_result{1, best[1]});
}

static_assert(chain_options{}.sampling == sampling_options{} && !chain_options{}.draft_sampling &&
              chain_options{}.draft == draft_form::logits);

TEST_CASE("no drafts: one token from the target", "[speculative][chain]") {
  const auto rows = random_chain<float>(50, 0, 80);
  scripted_generator script({0.4});
  const auto draw = twin_sample(rows.p(0), 0.4L);
  REQUIRE(verify_chain(rows.target_view(), rows.draft_view(), std::vector<token_id>{}, script) ==
          chain_result{0, static_cast<token_id>(draw.index)});
  scripted_generator again({0.4});  // nothing to hand over
  REQUIRE(verify_chain(rows.target_view(), matrix_view<const float>(), std::vector<token_id>{}, again) ==
          chain_result{0, static_cast<token_id>(draw.index)});
}

TEST_CASE("p = q accepts every draft", "[speculative][chain]") {
  auto rows = random_chain<float>(500, 4, 90);
  rows.draft.assign(rows.target.begin(), rows.target.begin() + 4 * 500);
  philox4x32 rng(3);
  for (int t = 0; t < 300; ++t) {
    std::vector<token_id> tokens;
    for (std::size_t i = 0; i < 4; ++i)
      tokens.push_back(static_cast<token_id>(kernels::sample_logits(rows.draft.data() + 500 * i, 500, uniform(rng))));
    REQUIRE(verify_chain(rows.target_view(), rows.draft_view(), tokens, rng).accepted == 4);
  }
}

TEST_CASE("disjoint supports refuse the first draft and draw from the target", "[speculative][chain]") {
  constexpr float masked = -std::numeric_limits<float>::infinity();
  const std::vector<float> target = {0.0f, 1.0f, masked, masked, 0.0f, 1.0f, masked, masked};
  const std::vector<float> draft = {masked, masked, 0.0f, 0.5f};
  philox4x32 rng(4);
  std::vector<std::uint64_t> counts(2, 0);
  for (int t = 0; t < 20000; ++t) {
    const chain_result result =
        verify_chain(matrix_view(target.data(), 2, 4), matrix_view(draft.data(), 1, 4), std::vector<token_id>{2}, rng);
    REQUIRE(result.accepted == 0);
    REQUIRE(result.next_token < 2);
    ++counts[result.next_token];
  }
  const double p1 = std::exp(1.0) / (1.0 + std::exp(1.0));
  REQUIRE(g_test(counts, std::vector<double>{1.0 - p1, p1}).p_value > 1e-6);
}

TEST_CASE("work stops at the first refusal: later rows are not read", "[speculative][chain]") {
  auto rows = random_chain<float>(40, 3, 100);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (std::size_t y = 0; y < 40; ++y)
    rows.target[40 + y] = rows.target[80 + y] = rows.target[120 + y] = rows.draft[40 + y] = rows.draft[80 + y] = nan;
  rows.target[7] = -std::numeric_limits<float>::infinity();
  philox4x32 rng(5);
  REQUIRE(verify_chain(rows.target_view(), rows.draft_view(), std::vector<token_id>{7, 1, 2}, rng).accepted == 0);
}

TEST_CASE("a batch of different lengths equals its sequences one by one", "[speculative][chain]") {
  const std::vector<std::size_t> lengths = {3, 0, 1, 5};
  const std::size_t v = 90;
  const auto target = random_logits<float>((9 + 4) * v, 1, 1.0);
  const auto draft = random_logits<float>(9 * v, 2, 1.0);
  philox4x32 drafting(6);
  std::vector<token_id> tokens;
  for (std::size_t i = 0; i < 9; ++i)
    tokens.push_back(static_cast<token_id>(kernels::sample_logits(draft.data() + v * i, v, uniform(drafting))));
  std::vector<philox4x32> streams;
  for (std::uint64_t b = 0; b < 4; ++b) streams.emplace_back(9, b);
  auto copies = streams;
  std::vector<chain_result> results(4);
  REQUIRE(verify_chains(matrix_view(target.data(), 13, v), matrix_view(draft.data(), 9, v), tokens, lengths, std::span<philox4x32>(streams),
                        std::span<chain_result>(results)) == 0);
  std::size_t first = 0;
  for (std::size_t b = 0; b < 4; ++b) {
    const std::vector<token_id> own(tokens.begin() + static_cast<std::ptrdiff_t>(first),
                                    tokens.begin() + static_cast<std::ptrdiff_t>(first + lengths[b]));
    const chain_result alone = verify_chain(matrix_view(target.data() + (first + b) * v, lengths[b] + 1, v),
                                            matrix_view(draft.data() + first * v, lengths[b], v), own, copies[b]);
    REQUIRE(results[b] == alone);
    REQUIRE(streams[b] == copies[b]);
    first += lengths[b];
  }
}

TEST_CASE("nothing is allocated", "[speculative][chain]") {
  const auto rows = random_chain<float>(5000, 3, 110, 0.5);
  philox4x32 rng(7);
  std::vector<token_id> tokens(3);
  for (const chain_options& options : {chain_options{}, chain_options{.sampling = {.top_k = 50, .top_p = 0.9, .min_p = 0.01}},
                                       chain_options{.draft = draft_form::point}}) {
    const sampling_options sampling = options.sampling;
    for (std::size_t i = 0; i < 3; ++i) {
      const double cutoff = kernels::truncation_cutoff(rows.draft.data() + 5000 * i, 5000, sampling.temperature, sampling.truncation());
      tokens[i] =
          static_cast<token_id>(kernels::sample_logits(rows.draft.data() + 5000 * i, 5000, uniform(rng), sampling.temperature, cutoff));
    }
    const std::size_t before = allocation_count();
    std::size_t accepted = 0;
    for (int t = 0; t < 50; ++t) accepted += verify_chain(rows.target_view(), rows.draft_view(), tokens, rng, options).accepted;
    const std::size_t after = allocation_count();
    REQUIRE(after == before);
    REQUIRE(accepted <= 150);
  }
}

TEST_CASE("bad chains are refused with the exact reason", "[speculative][chain]") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  constexpr float inf = std::numeric_limits<float>::infinity();
  const std::size_t v = 4;
  std::vector<float> target = {0, 1, 2, 3, 0, 1, 2, 3};
  std::vector<float> draft = {3, 2, 1, 0};
  philox4x32 rng(8);
  const auto call = [&](std::vector<token_id> tokens, const chain_options& options = {}, std::size_t rows = 2, std::size_t cols = 4) {
    (void)verify_chain(matrix_view(target.data(), rows, cols), matrix_view(draft.data(), 1, v), tokens, rng, options);
  };
  const std::string where = "gavel::speculative::verify_chain: ";
  REQUIRE(message_of([&] { call({4}); }) == where + "draft_tokens[0] = 4, must be < vocabulary size 4");
  REQUIRE(message_of([&] { call({0}, {}, 1); }) == where + "target_logits.rows() = 1, must equal draft_tokens.size() + 1 = 2");
  REQUIRE(message_of([&] { call({}, {}, 1); }) == where + "draft.rows() = 1, must equal draft_tokens.size() 0");
  REQUIRE(message_of([&] { call({0}, {}, 2, 3); }) == where + "draft.cols() = 4, must equal target_logits.cols() 3");
  REQUIRE(message_of([&] { call({0}, {}, 2, 0); }) == where + "target_logits.cols() = 0, must be >= 1");
  REQUIRE(message_of([&] { call({0}, {.sampling = {.temperature = -0.5}}); }) == where + "temperature = -0.5, must be finite and >= 0");
  REQUIRE(message_of([&] { call({0}, {.draft_sampling = sampling_options{.top_p = 2.0}}); }) == where + "top_p = 2, must be in (0, 1]");
  REQUIRE(message_of([&] { call({3}, {.draft_sampling = sampling_options{.top_k = 2}}); }) ==
          where + "draft_tokens[0] = 3, must have draft probability >= 2^-100");
  REQUIRE(message_of([&] { call({0}, {.draft = draft_form::probs}); }) ==
          "domain: " + where + "sum of draft.row(0) = 6, must be 1 within 0.0001");
  draft = {0.5f, 0.5f, 0.0f, 0.0f};
  REQUIRE(message_of([&] { call({2}, {.draft = draft_form::probs}); }) ==
          where + "draft_tokens[0] = 2, must have draft probability >= 2^-100");
  draft = {0.5f, 0.25f, 0.0f, 0.0f};
  REQUIRE(message_of([&] { call({0}, {.draft = draft_form::probs}); }) ==
          "domain: " + where + "sum of draft.row(0) = 0.75, must be 1 within 0.0001");
  draft = {1.5f, 0.25f, -0.75f, 0.0f};  // sums to one
  REQUIRE(message_of([&] { call({0}, {.draft = draft_form::probs}); }) ==
          std::string("domain: ") + where + "draft.row(0)[2] = -0.75, must be finite and >= 0");
  draft = {nan, 0.5f, 0.5f, 0.0f};
  REQUIRE(message_of([&] { call({1}, {.draft = draft_form::probs}); }) ==
          "domain: " + where + "draft.row(0)[0] = nan, must be finite and >= 0");
  const std::string rule = ", must be finite or -inf";
  REQUIRE(message_of([&] { call({1}); }) == "domain: " + where + "draft.row(0)[0] = nan" + rule);
  draft = {3, 2, 1, 0};
  target[1] = inf;
  REQUIRE(message_of([&] { call({1}); }) == "domain: " + where + "target_logits.row(0)[1] = inf" + rule);
  target = {0, 1, 2, 3, 0, nan, 2, 3};
  REQUIRE(message_of([&] { call({3}); }) == "domain: " + where + "target_logits.row(1)[1] = nan" + rule);
  target = {0, 1, 2, 3, -inf, -inf, -inf, -inf};
  REQUIRE(message_of([&] { call({3}); }) == "domain: " + where + "target_logits.row(1), must hold a finite number");
  REQUIRE(rng == philox4x32(8));  // whatever was drawn before the bad row was found
}

TEST_CASE("a draft probability counts as zero below one limit, that of every verifier", "[speculative][chain]") {
  const std::vector<double> target(8, 0.0);
  const std::vector<float> narrow_target(8, 0.0f);
  philox4x32 rng(1);
  const auto accepts = [&](const auto& logits, const auto& row, const chain_options& options) {
    return message_of([&] {
             (void)verify_chain(matrix_view(logits.data(), 2, 4), matrix_view(row.data(), 1, 4), std::vector<token_id>{3}, rng, options);
           }) == "no exception";
  };
  const chain_options probs = {.draft = draft_form::probs};
  CHECK(accepts(narrow_target, std::vector<float>{0.5f, 0.25f, 0.25f, 0x1p-100f}, probs));
  CHECK_FALSE(accepts(narrow_target, std::vector<float>{0.5f, 0.25f, 0.25f, 0x1p-101f}, probs));
  CHECK(accepts(narrow_target, std::vector<float>{0.0f, 0.0f, 0.0f, -68.0f}, {}));
  CHECK_FALSE(accepts(narrow_target, std::vector<float>{0.0f, 0.0f, 0.0f, -69.0f}, {}));
  CHECK(accepts(target, std::vector<double>{0.5, 0.25, 0.25, 0x1p-1000}, probs));
  CHECK_FALSE(accepts(target, std::vector<double>{0.5, 0.25, 0.25, 0x1p-1001}, probs));
}

TEST_CASE("a generator that cannot be copied is taken too", "[speculative][chain]") {
  struct unique_generator : philox4x32 {
    using philox4x32::philox4x32;
    unique_generator(const unique_generator&) = delete;
    unique_generator& operator=(const unique_generator&) = delete;
  };
  const auto rows = random_chain<float>(40, 2, 150);
  unique_generator unique(3);
  philox4x32 rng(3);
  const std::vector<token_id> tokens = {1, 2};
  REQUIRE(verify_chain(rows.target_view(), rows.draft_view(), tokens, unique) ==
          verify_chain(rows.target_view(), rows.draft_view(), tokens, rng));
}

TEST_CASE("padding with draft mass: probabilities show it, logits stay exact over the columns of the view", "[speculative][chain]") {
  // Three tokens in rows of four entries: a fifth of the draft's mass lies in the padding.
  const std::vector<float> p = {0.2f, 0.3f, 0.5f}, q = {0.3f, 0.2f, 0.3f, 0.2f};
  std::vector<float> target(8, 9.0f), draft(4);
  for (std::size_t y = 0; y < 3; ++y) target[y] = target[4 + y] = std::log(p[y]);
  for (std::size_t y = 0; y < 4; ++y) draft[y] = std::log(q[y]);
  philox4x32 rng(10);
  REQUIRE(message_of([&] {
            (void)verify_chain(matrix_view(target.data(), 2, 3, 4), matrix_view(q.data(), 1, 3, 4), std::vector<token_id>{0}, rng,
                               {.draft = draft_form::probs});
          }) == "domain: gavel::speculative::verify_chain: sum of draft.row(0) = 0.800000027, must be 1 within 0.0001");
  std::vector<std::uint64_t> counts(3, 0);
  std::size_t in_padding = 0;
  for (int t = 0; t < 50000; ++t) {
    const std::vector<token_id> tokens = {static_cast<token_id>(kernels::sample(q.data(), 4, uniform(rng)))};
    const auto verify = [&] { return verify_chain(matrix_view(target.data(), 2, 3, 4), matrix_view(draft.data(), 1, 3, 4), tokens, rng); };
    if (tokens[0] == 3) {
      if (in_padding++ == 0) {
        REQUIRE(message_of([&] { (void)verify(); }) ==
                "gavel::speculative::verify_chain: draft_tokens[0] = 3, must be < vocabulary size 3");
      }
      continue;
    }
    const chain_result result = verify();
    ++counts[result.accepted == 1 ? tokens[0] : result.next_token];
  }
  REQUIRE(in_padding > 9000);
  REQUIRE(g_test(counts, std::vector<double>{0.2, 0.3, 0.5}).p_value > 1e-6);
}

TEST_CASE("bad sequences of a batch are left out by row and column, the others are verified", "[speculative][chain]") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::size_t v = 4, sequences = 8;
  const std::vector<std::size_t> lengths(sequences, 2);
  std::vector<float> target(3 * sequences * v, 0.0f), draft(2 * sequences * v, 0.0f), probs(2 * sequences * v, 0.25f);
  std::vector<token_id> tokens(2 * sequences, 1);
  const auto entry = [&](std::vector<float>& rows, std::size_t b, std::size_t row, std::size_t column) -> float& {
    return rows[(b * (rows.size() / sequences / v) + row) * v + column];
  };
  entry(target, 1, 1, 2) = nan;
  entry(target, 2, 2, 3) = inf;
  for (std::size_t y = 0; y < v; ++y) entry(target, 3, 0, y) = -inf;
  entry(draft, 4, 1, 0) = inf;
  entry(probs, 4, 1, 0) = -0.25f;
  entry(draft, 5, 1, 1) = -inf;  // the drafted token
  entry(probs, 5, 1, 1) = 0.0f;
  entry(probs, 5, 1, 2) = 0.5f;
  tokens[2 * 6 + 1] = 4;
  for (const draft_form form : {draft_form::logits, draft_form::probs}) {
    std::vector<philox4x32> rngs;
    for (std::uint64_t b = 0; b < sequences; ++b) rngs.emplace_back(9, b);
    const std::vector<philox4x32> before = rngs;
    std::vector<chain_result> results(sequences, chain_result{9, 9});
    const std::vector<float>& rows = form == draft_form::logits ? draft : probs;
    const std::size_t left_out =
        verify_chains(matrix_view(target.data(), 3 * sequences, v), matrix_view(rows.data(), 2 * sequences, v), tokens, lengths,
                      std::span<philox4x32>(rngs), std::span<chain_result>(results), {.draft = form});
    CHECK(left_out == 6);
    const auto refused = [&](chain_status status, std::size_t row, std::size_t column) {
      return chain_result{.status = status, .row = row, .column = column};
    };
    CHECK(results[1] == refused(chain_status::bad_target, 1, 2));
    CHECK(results[2] == refused(chain_status::bad_target, 2, 3));
    CHECK(results[3] == refused(chain_status::bad_target, 0, chain_result::whole_row));
    CHECK(results[4] == refused(chain_status::bad_draft, 1, 0));
    CHECK(results[5] == refused(chain_status::bad_draft_token, 1, 1));
    CHECK(results[6] == refused(chain_status::bad_draft_token, 1, 4));
    for (std::size_t b = 0; b < sequences; ++b) {
      const bool good = b == 0 || b == 7;
      CHECK((results[b].status == chain_status::verified) == good);
      CHECK((rngs[b] == before[b]) == !good);
      if (good) CHECK(results[b].accepted == 2);  // equal rows
    }
  }
}

TEST_CASE("bad batches are refused before anything is written", "[speculative][chain]") {
  const std::vector<float> target(5 * 4, 0.0f);
  const std::vector<float> draft(3 * 4, 0.0f);
  std::vector<philox4x32> rngs(2);
  std::vector<chain_result> results(2, chain_result{9, 9});
  const auto call = [&](std::vector<token_id> tokens, std::vector<std::size_t> lengths, std::size_t target_rows, std::size_t generators,
                        std::size_t outputs, std::size_t draft_rows = 1, double temperature = 1.0) {
    (void)verify_chains(matrix_view(target.data(), target_rows, 4), matrix_view(draft.data(), draft_rows, 4), tokens, lengths,
                        std::span<philox4x32>(rngs).first(generators), std::span<chain_result>(results).first(outputs),
                        {.sampling = {.temperature = temperature}});
  };
  const std::string where = "gavel::speculative::verify_chains: ";
  REQUIRE(message_of([&] { call({0, 0}, {1, 0}, 3, 2, 2); }) == where + "draft_tokens.size() = 2, must equal the sum of lengths 1");
  REQUIRE(message_of([&] { call({0}, {1, 0}, 2, 2, 2); }) == where + "target_logits.rows() = 2, must equal the sum of lengths + 1 = 3");
  REQUIRE(message_of([&] { call({0}, {1, 0}, 3, 2, 2, 0); }) == where + "draft.rows() = 0, must equal the sum of lengths 1");
  REQUIRE(message_of([&] { call({0}, {1, 0}, 3, 1, 2); }) == where + "rngs.size() = 1, must equal lengths.size() 2");
  REQUIRE(message_of([&] { call({0}, {1, 0}, 3, 2, 2, 1, -1.0); }) == where + "temperature = -1, must be finite and >= 0");
  REQUIRE(message_of([&] { call({0}, {1, 0}, 3, 2, 1); }) == where + "results.size() = 1, must equal lengths.size() 2");
  constexpr std::size_t most = static_cast<std::size_t>(-1);
  REQUIRE(message_of([&] { call({0}, {most, 2}, 3, 2, 2); }) ==
          where + "lengths[1] = 2, must be <= what is left of the range of std::size_t, 0");
  REQUIRE(results == std::vector<chain_result>(2, chain_result{9, 9}));
}

TEST_CASE("greedy decoding takes the documented uniforms and refuses bad rows", "[speculative][chain]") {
  const std::vector<float> target = {0, 2, 1, 5, 4, 5};  // greedy: 1, then 0, the lower of a tie
  const std::vector<float> draft = {0, 1, 0};
  const chain_options greedy = {.sampling = {.temperature = 0.0}};
  for (const auto& [token, used] : {std::pair{1u, std::size_t{2}}, std::pair{0u, std::size_t{2}}}) {
    scripted_generator script({0.1, 0.99, 0.3});
    const chain_result expected = token == 1 ? chain_result{1, 0} : chain_result{0, 1};
    REQUIRE(verify_chain(matrix_view(target.data(), 2, 3), matrix_view(draft.data(), 1, 3), std::vector<token_id>{token}, script, greedy) ==
            expected);
    REQUIRE(script.used() == used);
  }
}

TEST_CASE("a uniform of zero does not accept what the target excludes", "[speculative][chain]") {
  constexpr float masked = -std::numeric_limits<float>::infinity();
  const std::vector<float> target = {masked, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
  const std::vector<float> draft = {0.0f, 0.0f, 0.0f};
  const std::vector<float> probs = {0.5f, 0.25f, 0.25f};
  const std::vector<token_id> tokens = {0};
  for (const draft_form form : {draft_form::logits, draft_form::probs, draft_form::point}) {
    for (const double u : {0.0, 1.0 - 0x1p-53}) {
      scripted_generator script({0.0, u});
      const auto& rows = form == draft_form::probs ? probs : draft;
      const chain_result result =
          verify_chain(matrix_view(target.data(), 2, 3), matrix_view(rows.data(), 1, 3), tokens, script, {.draft = form});
      REQUIRE(result.accepted == 0);
      REQUIRE(result.next_token == (u == 0.0 ? 1 : 2));
    }
  }
}

TEST_CASE("a refused point draft never comes back, wherever it stands in the row", "[speculative][chain]") {
  for (const std::size_t v : {1u, 2u, 15u, 16u, 64u, 100u, 2100u}) {
    const auto rows = random_chain<float>(v, 1, 120 + v, 0.5);
    for (std::size_t token = 0; token < v; token += v > 100 ? 37 : 1) {
      const auto p = rows.p(0);
      std::vector<long double> rest = p;
      rest[token] = 0.0L;
      for (const double u : {0.0, 0.3, 0.77, 1.0 - 0x1p-53}) {
        scripted_generator script({1.0 - 0x1p-53, u, 0.5});
        const chain_result result = verify_chain(rows.target_view(), rows.draft_view(), std::vector<token_id>{static_cast<token_id>(token)},
                                                 script, {.draft = draft_form::point});
        if (v == 1) {
          REQUIRE(result == chain_result{1, 0});
          continue;
        }
        REQUIRE(result.accepted == 0);
        const twin_draw twin = twin_sample(rest, static_cast<long double>(u));
        REQUIRE(result.next_token != token);
        if (twin.margin > 1e-6L) REQUIRE(result.next_token == twin.index);
      }
    }
  }
}

TEST_CASE("a residual of nothing falls back to the target", "[speculative][chain]") {
  const std::vector<float> p = {0.25f, 0.5f, 0.25f};
  const kernels::weights_row<float> row{p.data()};
  REQUIRE(speculative::detail::draw_residual(kernels::make_residual(row, row), row, 3, 0.6) == 1);
}

TEST_CASE("draft probabilities that miss one by their storage are renormalised", "[speculative][chain]") {
  // q sums to 1 + 2^-8: the accepted share of token 0 and the residual are those of q / sum.
  const std::vector<float> target = {std::log(0.5f), std::log(0.25f), std::log(0.25f), 0.0f, 0.0f, 0.0f};
  const std::vector<half> draft = {to_half(0.75f), to_half(0.25f + 0x1p-8f), to_half(0.0f)};
  const double sum = 1.0 + 0x1p-8;
  const double threshold = 0.5 / (0.75 / sum);
  const std::vector<token_id> tokens = {0};
  for (const double offset : {-1e-5, 1e-5}) {
    scripted_generator script({threshold + offset, 0.5, 0.5});
    REQUIRE(verify_chain(matrix_view(target.data(), 2, 3), matrix_view(draft.data(), 1, 3), tokens, script, {.draft = draft_form::probs})
                .accepted == (offset < 0.0 ? 1 : 0));
  }
  // From here on the sum is 1 - 2^-8 and the residual (p - q / sum)+ is [0, r1, 1/4].
  const std::vector<half> low = {to_half(0.75f), to_half(0.25f - 0x1p-8f), to_half(0.0f)};  // sum 1 - 2^-8
  const double low_sum = 1.0 - 0x1p-8;
  const double r1 = 0.25 - (0.25 - 0x1p-8) / low_sum;
  for (const double offset : {-1e-5, 1e-5}) {
    scripted_generator script({0.9, r1 / (r1 + 0.25) + offset, 0.5});
    const auto result =
        verify_chain(matrix_view(target.data(), 2, 3), matrix_view(low.data(), 1, 3), tokens, script, {.draft = draft_form::probs});
    REQUIRE(result == chain_result{0, offset < 0.0 ? 1u : 2u});
  }
  // 16-bit rows may miss by a percent, float rows by a tenth of a per mille.
  const std::vector<half> far = {to_half(0.75f), to_half(0.27f), to_half(0.0f)};
  philox4x32 rng(9);
  const std::string sum_of_row = "gavel::speculative::verify_chain: sum of draft.row(0) = ";
  REQUIRE(message_of([&] {
            (void)verify_chain(matrix_view(target.data(), 2, 3), matrix_view(far.data(), 1, 3), tokens, rng, {.draft = draft_form::probs});
          }) == std::string("domain: ") + sum_of_row + "1.02001953, must be 1 within 0.01");
  const std::vector<float> near = {0.75f, 0.25f + 0x1p-8f, 0.0f};
  REQUIRE(message_of([&] {
            (void)verify_chain(matrix_view(target.data(), 2, 3), matrix_view(near.data(), 1, 3), tokens, rng, {.draft = draft_form::probs});
          }) == std::string("domain: ") + sum_of_row + "1.00390625, must be 1 within 0.0001");
}

TEST_CASE("the token after the last draft obeys the sampling options", "[speculative][chain]") {
  const auto rows = random_chain<float>(300, 0, 130, 1.0);
  for (const sampling_options& sampling :
       {sampling_options{.temperature = 0.5}, sampling_options{.temperature = 1.5, .top_k = 7}, sampling_options{.top_p = 0.5},
        sampling_options{.min_p = 0.2}, sampling_options{.temperature = 0.0}}) {
    std::vector<double> probs(300);
    probs_from_logits(rows.target, std::span<double>(probs), sampling);
    const std::vector<long double> wide_probs(probs.begin(), probs.end());
    for (int i = 0; i < 50; ++i) {
      const double u = (i + 0.5) / 50.0;
      scripted_generator script({u});
      const chain_result result =
          verify_chain(rows.target_view(), rows.draft_view(), std::vector<token_id>{}, script, {.sampling = sampling});
      const twin_draw twin = twin_sample(wide_probs, static_cast<long double>(u));
      if (twin.margin > 1e-5L) REQUIRE(result.next_token == twin.index);
      REQUIRE(script.used() == 1);
    }
  }
}

TEST_CASE("a batch of point drafts needs no rows", "[speculative][chain]") {
  const std::vector<std::size_t> lengths = {1, 2};
  const auto target = random_logits<float>(5 * 30, 140, 1.0);
  const std::vector<token_id> tokens = {4, 29, 0};
  std::vector<philox4x32> rngs = {philox4x32(1), philox4x32(2)};
  auto copies = rngs;
  std::vector<chain_result> results(2);
  const matrix_view<const float> none;
  REQUIRE(verify_chains(matrix_view(target.data(), 5, 30), none, tokens, lengths, std::span<philox4x32>(rngs),
                        std::span<chain_result>(results), {.draft = draft_form::point}) == 0);
  REQUIRE(results[0] ==
          verify_chain(matrix_view(target.data(), 2, 30), none, std::vector<token_id>{4}, copies[0], {.draft = draft_form::point}));
  REQUIRE(results[1] == verify_chain(matrix_view(target.data() + 60, 3, 30), none, std::vector<token_id>{29, 0}, copies[1],
                                     {.draft = draft_form::point}));
}

}  // namespace chain_test
