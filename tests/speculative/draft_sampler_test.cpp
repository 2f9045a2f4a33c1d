// SPDX-License-Identifier: MIT
#include <gavel/core/philox.hpp>
#include <gavel/core/goodness_of_fit.hpp>
#include <gavel/speculative/draft_sampler.hpp>

#include "speculative/laws.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace draft_sampler_test {

using gavel::testing::message_of;
using gavel::testing::not_a_number;

namespace {

using gavel::speculative::draft_law;
using gavel::speculative::draft_probability;
using gavel::speculative::draft_sampler;
using gavel::speculative::draw_drafts;
using gavel::speculative::token_id;

constexpr std::array all_laws = {draft_law::iid, draft_law::without_replacement, draft_law::greedy, draft_law::top_n, draft_law::hub_pair};

// All tuples of n tokens, as digits of one counter.
std::vector<std::vector<token_id>> tuples(std::size_t vocabulary, std::size_t n) {
  std::size_t count = 1;
  for (std::size_t i = 0; i < n; ++i) count *= vocabulary;
  std::vector<std::vector<token_id>> result(count, std::vector<token_id>(n));
  for (std::size_t t = 0; t < count; ++t) {
    std::size_t digits = t;
    for (std::size_t i = 0; i < n; ++i, digits /= vocabulary) result[t][i] = static_cast<token_id>(digits % vocabulary);
  }
  return result;
}

using counting_rng = gavel::testing::counting_generator<gavel::philox4x32>;

const std::vector<double> row = {0.05, 0.4, 0.0, 0.3, 0.1, 0.15};

}  // namespace

TEST_CASE("Tuple probabilities of every law sum to one", "[speculative][draft_law]") {
  for (const draft_law law : all_laws) {
    for (std::size_t n = 1; n <= 4; ++n) {
      if (law == draft_law::hub_pair && n != 2) continue;
      double sum = 0.0;
      for (const auto& tuple : tuples(row.size(), n)) sum += draft_probability(law, row, tuple);
      INFO("law " << static_cast<int>(law) << ", n " << n);
      CHECK(std::abs(sum - 1.0) < 1e-14);
    }
  }
}

TEST_CASE("Tuple probabilities by hand", "[speculative][draft_law]") {
  auto prob = [](draft_law law, std::vector<token_id> drafts) { return draft_probability(law, row, drafts); };
  CHECK(prob(draft_law::iid, {1, 1, 4}) == Approx(0.4 * 0.4 * 0.1).epsilon(1e-14));
  CHECK(prob(draft_law::without_replacement, {1, 3, 4}) == Approx(0.4 * 0.3 / 0.6 * 0.1 / 0.3).epsilon(1e-14));
  CHECK(prob(draft_law::without_replacement, {1, 3, 1}) == 0.0);
  CHECK(prob(draft_law::without_replacement, {1, 2}) == 0.0);
  CHECK(prob(draft_law::greedy, {1, 3, 5}) == Approx(0.15 / 0.3).epsilon(1e-14));
  CHECK(prob(draft_law::greedy, {3, 1, 5}) == 0.0);
  CHECK(prob(draft_law::greedy, {5}) == Approx(0.15).epsilon(1e-14));
  CHECK(prob(draft_law::top_n, {1, 3, 5}) == 1.0);
  CHECK(prob(draft_law::top_n, {1, 3, 4}) == 0.0);
  CHECK(prob(draft_law::hub_pair, {3, 1}) == Approx(0.3).epsilon(1e-14));
  CHECK(prob(draft_law::hub_pair, {1, 3}) == Approx(0.4 * 0.3 / 0.6).epsilon(1e-14));
  CHECK(prob(draft_law::hub_pair, {3, 4}) == 0.0);
  CHECK(prob(draft_law::hub_pair, {1, 1}) == 0.0);
}

TEST_CASE("A conditional probability keeps its digits where little mass is left", "[speculative][draft_law]") {
  const std::vector<double> peaked = {1.0 - 3e-13, 1e-13, 2e-13};
  CHECK(draft_probability(draft_law::without_replacement, peaked, std::vector<token_id>{0, 1}) == Approx(1.0 / 3.0).epsilon(1e-12));
  CHECK(draft_probability(draft_law::greedy, peaked, std::vector<token_id>{0, 2}) == Approx(2.0 / 3.0).epsilon(1e-12));
}

TEST_CASE("Drawn tuples follow the law", "[speculative][draft_law]") {
  gavel::philox4x32 rng(20250311);
  draft_sampler<double> sampler;
  for (const draft_law law : all_laws) {
    for (std::size_t n = 1; n <= 3; ++n) {
      if (law == draft_law::hub_pair && n != 2) continue;
      const auto cells = tuples(row.size(), n);
      std::vector<double> expected(cells.size());
      for (std::size_t c = 0; c < cells.size(); ++c) expected[c] = draft_probability(law, row, cells[c]);
      std::vector<std::uint64_t> counts(cells.size());
      std::vector<token_id> drafts(n);
      for (int draw = 0; draw < 40000; ++draw) {
        sampler.draw(law, std::span<const double>(row), drafts, rng);
        std::size_t cell = 0;
        for (std::size_t i = n; i-- > 0;) cell = cell * row.size() + drafts[i];
        REQUIRE(expected[cell] > 0.0);
        ++counts[cell];
      }
      if (law == draft_law::top_n) continue;  // one cell, checked above
      INFO("law " << static_cast<int>(law) << ", n " << n);
      CHECK(gavel::g_test(counts, expected).p_value > 1e-6);
    }
  }
}

TEST_CASE("Floats, logits, temperature and reduced vocabularies draw from the same law", "[speculative][draft_law]") {
  std::vector<double> logits, probs(row.size());
  double sum = 0.0;
  for (std::size_t x = 0; x < row.size(); ++x) {
    logits.push_back(row[x] > 0.0 ? 0.7 * std::log(row[x]) + 3.0 : -std::numeric_limits<double>::infinity());
    sum += row[x];
  }
  gavel::philox4x32 a(5), b(5), c(5), d(5);
  draft_sampler<double> sampler;
  draft_sampler<float> single;
  const std::vector<float> row_f(row.begin(), row.end());
  const std::vector<token_id> ids = {900, 17, 3, 0, 31999, 5};
  for (const draft_law law : all_laws) {
    std::vector<token_id> plain(2), from_logits(2), reduced(2), from_float(2);
    for (int draw = 0; draw < 200; ++draw) {
      draw_drafts(law, row, plain, a);
      sampler.draw_from_logits(law, std::span<const double>(logits), 0.7, from_logits, b);
      draw_drafts(law, ids, row, reduced, c);
      single.draw(law, std::span<const float>(row_f), from_float, d);
      CHECK(plain == from_logits);
      CHECK(plain == from_float);
      CHECK(reduced == std::vector<token_id>{ids[plain[0]], ids[plain[1]]});
    }
  }
  REQUIRE(sampler.probs().size() == row.size());
  for (std::size_t x = 0; x < row.size(); ++x) CHECK(sampler.probs()[x] == Approx(row[x] / sum).margin(1e-15));
}

TEST_CASE("The number of uniforms is what is promised", "[speculative][draft_law]") {
  for (const draft_law law : all_laws) {
    for (std::size_t n = 1; n <= 5; ++n) {
      if (law == draft_law::hub_pair && n != 2) continue;
      counting_rng rng{gavel::philox4x32(7)};
      std::vector<token_id> drafts(n);
      draw_drafts(law, row, drafts, rng);
      CHECK(rng.calls == 2 * gavel::speculative::uniforms_per_draw(law, n));  // two 32-bit outputs each
    }
  }
}

TEST_CASE("The largest number of drafts", "[speculative][draft_law]") {
  using gavel::speculative::max_drafts;
  CHECK(max_drafts(draft_law::iid, row) == std::numeric_limits<std::size_t>::max());
  CHECK(max_drafts(draft_law::without_replacement, row) == 5);
  CHECK(max_drafts(draft_law::greedy, row) == 5);
  CHECK(max_drafts(draft_law::top_n, row) == 5);
  CHECK(max_drafts(draft_law::hub_pair, row) == 2);
  const std::vector<float> one_hot = {0.0f, 1.0f};
  CHECK(max_drafts(draft_law::hub_pair, one_hot) == 0);
  CHECK(max_drafts(draft_law::greedy, one_hot) == 1);
  // All of the support, in every order that has positive probability.
  gavel::philox4x32 rng(1);
  std::vector<token_id> drafts(5);
  for (int draw = 0; draw < 50; ++draw) {
    draw_drafts(draft_law::without_replacement, row, drafts, rng);
    std::array<int, 6> seen{};
    for (const token_id x : drafts) ++seen[x];
    CHECK(seen == std::array<int, 6>{1, 1, 0, 1, 1, 1});
    draw_drafts(draft_law::greedy, row, drafts, rng);
    CHECK(drafts == std::vector<token_id>{1, 3, 5, 4, 0});
  }
}

TEST_CASE("Ties go to the lowest index", "[speculative][draft_law]") {
  const std::vector<double> tied = {0.1, 0.3, 0.1, 0.3, 0.1, 0.1};
  gavel::philox4x32 rng(3);
  std::vector<token_id> top(4);
  draw_drafts(draft_law::top_n, tied, top, rng);
  CHECK(top == std::vector<token_id>{1, 3, 0, 2});
  CHECK(draft_probability(draft_law::top_n, tied, top) == 1.0);
  std::vector<token_id> pair(2);
  for (int draw = 0; draw < 50; ++draw) {
    draw_drafts(draft_law::hub_pair, tied, pair, rng);
    CHECK((pair[0] == 1) != (pair[1] == 1));
  }
}

TEST_CASE("Draft laws: what a verifier takes for zero is never drawn, and does not count", "[speculative][draft_law]") {
  const std::vector<float> q{0.0f, 1.0f, 2e-30f, 7e-31f, 1e-40f};
  counting_rng rng{gavel::philox4x32(7)};
  std::vector<token_id> drafts(2);
  for (const draft_law law : {draft_law::without_replacement, draft_law::greedy, draft_law::top_n, draft_law::hub_pair}) {
    CAPTURE(static_cast<int>(law));
    CHECK(max_drafts(law, q) == 2);
    for (int repeat = 0; repeat < 50; ++repeat) {  // the second draft would be token 3 every fourth time
      draw_drafts(law, q, drafts, rng);
      REQUIRE(drafts[0] + drafts[1] == 3);
      REQUIRE(drafts[0] * drafts[1] == 2);
    }
    CHECK(draft_probability(law, q, std::vector<token_id>{1, 2}) == 1.0);
    CHECK(draft_probability(law, q, std::vector<token_id>{1, 3}) == 0.0);
  }
  CHECK(max_drafts(draft_law::without_replacement, std::vector<double>{1.0, 1e-300, 1e-302}) == 2);
}

TEST_CASE("Draft laws refuse bad input and leave output and generator alone", "[speculative][draft_law]") {
  const std::vector<double> one_hot = {0.0, 1.0, 0.0};
  counting_rng rng{gavel::philox4x32(7)};
  std::vector<token_id> drafts(2, 77), none, three(3, 77);
  auto draw = [&](draft_law law, const std::vector<double>& q, std::vector<token_id>& out) {
    return message_of([&] { draw_drafts(law, q, out, rng); });
  };
  CHECK(draw(draft_law::iid, row, none) == "gavel::speculative::draw_drafts: n = 0, must be >= 1");
  for (const draft_law law : {draft_law::without_replacement, draft_law::greedy, draft_law::top_n, draft_law::hub_pair}) {
    CHECK(draw(law, one_hot, drafts) ==
          "gavel::speculative::draw_drafts: n = 2, must be <= number of tokens with q >= 2^-1000, which is 1");
  }
  CHECK(draw(draft_law::hub_pair, row, three) == "gavel::speculative::draw_drafts: n = 3, must be 2 for draft_law::hub_pair");
  CHECK(draw(draft_law::iid, {0.5, not_a_number}, drafts) ==
        "domain: gavel::speculative::draw_drafts: q[1] = nan, must be finite and >= 0");
  CHECK(draw(draft_law::iid, {1.5, -0.5}, drafts) == "domain: gavel::speculative::draw_drafts: q[1] = -0.5, must be finite and >= 0");
  CHECK(draw(draft_law::iid, {0.5, 0.4}, drafts) == "domain: gavel::speculative::draw_drafts: sum of q = 0.9, must be 1 within 1e-06");
  CHECK(draw(draft_law::iid, {}, drafts) == "gavel::speculative::draw_drafts: q.size() = 0, must be >= 1");
  CHECK(message_of([&] { draw_drafts(draft_law::iid, std::vector<token_id>{1}, row, drafts, rng); }) ==
        "gavel::speculative::draw_drafts: ids.size() = 1, must equal q.size() 6");
  draft_sampler<float> sampler;
  auto from_logits = [&](std::vector<float> logits, double temperature) {
    return message_of([&] { sampler.draw_from_logits(draft_law::iid, std::span<const float>(logits), temperature, drafts, rng); });
  };
  constexpr float inf = std::numeric_limits<float>::infinity();
  CHECK(from_logits({0.0f, std::numeric_limits<float>::quiet_NaN()}, 1.0) ==
        "domain: gavel::speculative::draw_drafts: logits[1] = nan, must be finite or -inf");
  CHECK(from_logits({inf, 0.0f}, 1.0) == "domain: gavel::speculative::draw_drafts: logits[0] = inf, must be finite or -inf");
  CHECK(from_logits({-inf, -inf}, 1.0) == "domain: gavel::speculative::draw_drafts: logits, must hold a finite number");
  CHECK(from_logits({}, 1.0) == "gavel::speculative::draw_drafts: logits.size() = 0, must be >= 1");
  CHECK(from_logits({0.0f}, 0.0) == "gavel::speculative::draw_drafts: temperature = 0, must be finite and > 0");
  CHECK(from_logits({0.0f}, not_a_number) == "domain: gavel::speculative::draw_drafts: temperature = nan, must be finite and > 0");
  CHECK(rng.calls == 0);
  CHECK(drafts == std::vector<token_id>{77, 77});
  CHECK(message_of([&] { (void)draft_probability(draft_law::iid, row, std::vector<token_id>{6}); }) ==
        "gavel::speculative::draft_probability: drafts[0] = 6, must be < vocabulary size 6");
  // One draft from a one-hot row is certain under every law that needs no second token.
  std::vector<token_id> one(1);
  for (const draft_law law : {draft_law::iid, draft_law::without_replacement, draft_law::greedy, draft_law::top_n}) {
    draw_drafts(law, one_hot, one, rng);
    CHECK(one[0] == 1);
  }
}

TEST_CASE("drafts from logits with the engine's options are drafts from the truncated distribution", "[speculative][draft_law]") {
  using namespace gavel::speculative;
  using gavel::philox4x32;
  const std::vector<float> logits = {0.3f, -1.0f, 2.0f, 1.1f, 0.9f, -0.2f, 1.9f, -std::numeric_limits<float>::infinity()};
  const std::vector<token_id> ids = {70, 10, 20, 60, 50, 40, 30, 0};
  for (const sampling_options& options : {sampling_options{}, sampling_options{.temperature = 0.6, .top_k = 5},
                                          sampling_options{.top_p = 0.9}, sampling_options{.min_p = 0.1}}) {
    std::vector<double> q(logits.size());
    probs_from_logits(logits, std::span<double>(q), options);
    for (const draft_law law : {draft_law::iid, draft_law::without_replacement, draft_law::greedy, draft_law::top_n, draft_law::hub_pair}) {
      for (std::uint64_t seed = 0; seed < 50; ++seed) {
        philox4x32 a(seed);
        philox4x32 b = a;
        philox4x32 c = a;
        std::vector<token_id> expected(2);
        std::vector<token_id> actual(2);
        std::vector<token_id> reduced(2);
        draft_sampler<double> sampler;
        sampler.draw(law, q, expected, a);
        sampler.draw_from_logits(law, std::span<const float>(logits), options, actual, b);
        REQUIRE(actual == expected);
        REQUIRE(std::equal(q.begin(), q.end(), sampler.probs().begin()));
        sampler.draw_from_logits(law, std::span<const token_id>(ids), std::span<const float>(logits), options, reduced, c);
        for (std::size_t i = 0; i < 2; ++i) REQUIRE(reduced[i] == ids[expected[i]]);
        REQUIRE(a == b);
        REQUIRE(a == c);
      }
    }
  }
  draft_sampler<double> sampler;
  philox4x32 rng(1);
  std::vector<token_id> drafts(3);
  REQUIRE(message_of([&] {
            sampler.draw_from_logits(draft_law::without_replacement, std::span<const float>(logits), sampling_options{.top_k = 2}, drafts,
                                     rng);
          }) == "gavel::speculative::draw_drafts: n = 3, must be <= number of tokens with q >= 2^-1000, which is 2");
  REQUIRE(message_of([&] {
            sampler.draw_from_logits(draft_law::iid, std::span<const token_id>(ids).first(3), std::span<const float>(logits),
                                     sampling_options{}, drafts, rng);
          }) == "gavel::speculative::draw_drafts: ids.size() = 3, must equal logits.size() 8");
}

}  // namespace draft_sampler_test
