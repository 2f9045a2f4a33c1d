// SPDX-License-Identifier: MIT
#include <gavel/core/categorical.hpp>
#include <gavel/core/goodness_of_fit.hpp>
#include <gavel/core/intervals.hpp>
#include <gavel/core/philox.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <concepts>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace categorical_test {

using gavel::alias_table;
using gavel::philox4x32;
using gavel::testing::message_of;
using gavel::testing::not_a_number;

static_assert(std::regular<alias_table>);

namespace {

const std::vector<double> weights{0, 1, 2, 0, 3, 4, 0};
using list = std::vector<std::size_t>;

template <class Draw>
list several(std::size_t count, Draw&& draw) {
  list result;
  for (std::size_t i = 0; i < count; ++i) result.push_back(draw());
  return result;
}

struct constant_bits {
  using result_type = std::uint64_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return ~result_type{0}; }
  result_type value = 0;
  result_type operator()() { return value; }
};

template <class Draw>
double p_value(const std::vector<double>& probs, Draw&& draw, int count) {
  std::vector<int> counts(probs.size());
  for (int i = 0; i < count; ++i) ++counts.at(draw());
  return gavel::g_test(counts, probs).p_value;
}

// Long-tailed weights with every third weight zero.
std::vector<double> long_tail(std::size_t n) {
  std::vector<double> probs(n);
  for (std::size_t i = 0; i < n; ++i) probs[i] = i % 3 == 1 ? 0.0 : 1.0 / static_cast<double>(1 + (i * 7919) % n);
  gavel::normalize(probs);
  return probs;
}

}  // namespace

TEST_CASE("categorical: golden values", "[core][categorical]") {
  philox4x32 philox(42, 7);
  std::mt19937 small;
  std::mt19937_64 large;
  CHECK(several(16, [&] { return gavel::categorical(philox, weights); }) == list{4, 4, 5, 4, 2, 4, 4, 4, 5, 4, 1, 4, 1, 4, 5, 2});
  CHECK(several(16, [&] { return gavel::categorical(small, weights); }) == list{5, 5, 2, 5, 5, 1, 2, 4, 5, 5, 2, 5, 5, 4, 5, 2});
  CHECK(several(16, [&] { return gavel::categorical(large, weights); }) == list{5, 2, 5, 5, 1, 4, 2, 1, 4, 4, 2, 4, 2, 4, 4, 5});
  philox4x32 same(42, 7);
  for (int i = 0; i < 32; ++i) same();
  CHECK(philox == same);  // one uniform each
  philox = philox4x32(42, 7);
  CHECK(several(16, [&] { return gavel::categorical(philox, std::vector<float>{0, 1, 2, 0, 3, 4, 0}); }) ==
        list{4, 4, 5, 4, 2, 4, 4, 4, 5, 4, 1, 4, 1, 4, 5, 2});
}

TEST_CASE("categorical: distribution and zero weights", "[core][categorical]") {
  const auto probs = long_tail(300);
  philox4x32 rng(9);
  std::mt19937_64 other(9);
  CHECK(p_value(probs, [&] { return gavel::categorical(rng, probs); }, 60000) > 1e-6);
  CHECK(p_value(probs, [&] { return gavel::categorical(other, probs); }, 60000) > 1e-6);
  // The ends of the unit interval hit the first and the last positive weight, whatever the rounding of the sum.
  for (std::size_t n = 3; n < 200; ++n) {
    std::vector<double> row(n, 0.1);
    row.front() = row.back() = 0.0;
    constant_bits lowest{0};
    constant_bits highest{~std::uint64_t{0}};
    CHECK(gavel::categorical(lowest, row) == 1);
    CHECK(gavel::categorical(highest, row) == n - 2);
  }
  const double tiny = std::numeric_limits<double>::denorm_min();
  constant_bits highest{~std::uint64_t{0}};
  CHECK(gavel::categorical(highest, std::vector{0.0, tiny, 0.0}) == 1);
  CHECK(gavel::categorical(highest, std::vector{1e308, 0.0}) == 0);
}

TEST_CASE("categorical: errors", "[core][categorical]") {
  philox4x32 rng(1);
  const philox4x32 before = rng;
  CHECK(message_of([&] { (void)gavel::categorical(rng, std::vector<double>{}); }) ==
        "gavel::categorical: weights.size() = 0, must be >= 1");
  CHECK(message_of([&] { (void)gavel::categorical(rng, std::vector{1.0, -0.5}); }) ==
        "domain: gavel::categorical: weights[1] = -0.5, must be finite and >= 0");
  CHECK(message_of([&] { (void)gavel::categorical(rng, std::vector{1.0f, 2.0f, static_cast<float>(not_a_number)}); }) ==
        "domain: gavel::categorical: weights[2] = nan, must be finite and >= 0");
  CHECK(message_of([&] { (void)gavel::categorical(rng, std::vector{1.0, HUGE_VAL}); }) ==
        "domain: gavel::categorical: weights[1] = inf, must be finite and >= 0");
  CHECK(message_of([&] { (void)gavel::categorical(rng, std::vector{0.0, 0.0}); }) ==
        "domain: gavel::categorical: sum of weights = 0, must be finite and > 0");
  CHECK(message_of([&] { (void)gavel::categorical(rng, std::vector{1e308, 1e308}); }) ==
        "domain: gavel::categorical: sum of weights = inf, must be finite and > 0");
  CHECK(rng == before);
}

TEST_CASE("alias_table: golden values", "[core][categorical]") {
  const alias_table table(weights);
  philox4x32 philox(42, 7);
  std::mt19937 small;
  std::mt19937_64 large;
  CHECK(several(16, [&] { return table.sample(philox); }) == list{2, 2, 5, 5, 1, 2, 4, 5, 4, 5, 4, 2, 4, 2, 5, 1});
  CHECK(several(16, [&] { return table.sample(small); }) == list{5, 5, 4, 5, 4, 4, 4, 5, 5, 5, 1, 5, 5, 5, 5, 4});
  CHECK(several(16, [&] { return table.sample(large); }) == list{5, 4, 2, 5, 4, 2, 4, 4, 5, 2, 4, 5, 4, 5, 5, 4});
  philox4x32 same(42, 7);
  for (int i = 0; i < 32; ++i) same();
  CHECK(philox == same);  // one 64-bit word each
}

TEST_CASE("alias_table: the table holds the normalised weights", "[core][categorical]") {
  philox4x32 rng(17);
  for (std::size_t n = 1; n < 400; n += n < 20 ? 1 : 37) {
    for (int shape = 0; shape < 4; ++shape) {
      std::vector<double> row(n);
      for (double& weight : row) {
        const double u = gavel::uniform(rng);
        weight = shape == 0 ? 0.1 : shape == 1 ? u : shape == 2 ? (u < 0.5 ? 0.0 : u) : 1.0 / (1e-9 + u * u * u);
      }
      if (shape == 2) row[n / 2] = 0.75;
      const auto held = alias_table(row).probs();
      gavel::normalize(row);
      for (std::size_t i = 0; i < n; ++i) {
        CHECK(held[i] == Approx(row[i]).margin(1e-13));
        if (row[i] == 0.0) CHECK(held[i] == 0.0);
      }
    }
  }
}

TEST_CASE("alias_table: distribution, zero weights, value semantics", "[core][categorical]") {
  const auto probs = long_tail(1000);
  const alias_table table(probs);
  philox4x32 rng(23);
  std::mt19937_64 other(23);
  CHECK(p_value(probs, [&] { return table.sample(rng); }, 400000) > 1e-6);
  CHECK(p_value(probs, [&] { return table.sample(other); }, 400000) > 1e-6);
  // Rounding must not turn a zero weight into an outcome: every cell, lowest and highest fraction.
  for (std::size_t n = 2; n < 120; ++n) {
    std::vector<double> row(n, 0.1);
    for (std::size_t i = 0; i < n; i += 2) row[i] = 0.0;
    const alias_table cells(row);
    for (std::size_t cell = 0; cell < n; ++cell) {
      const std::uint64_t start = cell * (~std::uint64_t{0} / n + 1);
      constant_bits low{start};
      CHECK(row[cells.sample(low)] > 0.0);
      constant_bits high{start + (~std::uint64_t{0} / n) - 1};
      CHECK(row[cells.sample(high)] > 0.0);
    }
  }
  alias_table copy = table;
  CHECK(copy == table);
  CHECK(copy.size() == 1000);
  copy = alias_table(std::vector{1.0f});
  CHECK(copy != table);
  CHECK(copy.sample(rng) == 0);
}

TEST_CASE("alias_table: errors", "[core][categorical]") {
  philox4x32 rng(1);
  CHECK(alias_table().empty());
  CHECK(message_of([&] { (void)alias_table().sample(rng); }) == "gavel::alias_table::sample: size() = 0, must be >= 1");
  CHECK(message_of([&] { (void)alias_table(std::vector<float>{}); }) == "gavel::alias_table: weights.size() = 0, must be >= 1");
  CHECK(message_of([&] { (void)alias_table(std::vector{1.0, not_a_number}); }) ==
        "domain: gavel::alias_table: weights[1] = nan, must be finite and >= 0");
  CHECK(message_of([&] { (void)alias_table(std::vector{0.0}); }) ==
        "domain: gavel::alias_table: sum of weights = 0, must be finite and > 0");
}

}  // namespace categorical_test
