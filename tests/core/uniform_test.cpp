// SPDX-License-Identifier: MIT
#include <gavel/core/goodness_of_fit.hpp>
#include <gavel/core/philox.hpp>
#include <gavel/core/uniform.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace uniform_test {

using gavel::philox4x32;
using gavel::testing::message_of;
using gavel::testing::not_a_number;

static_assert(gavel::random_bits<philox4x32>);
static_assert(gavel::random_bits<std::mt19937>);
static_assert(gavel::random_bits<std::mt19937_64>);
static_assert(!gavel::random_bits<std::minstd_rand>, "a range that is not a power of two");
static_assert(!gavel::random_bits<std::ranlux24_base>, "24 bits");
static_assert(!gavel::random_bits<int>);

namespace {

// Plays back prepared outputs and counts them.
template <class Word>
struct script {
  using result_type = Word;
  static constexpr Word min() { return 0; }
  static constexpr Word max() { return (std::numeric_limits<Word>::max)(); }
  std::vector<Word> outputs;
  std::size_t used = 0;
  Word operator()() { return outputs.at(used++); }
};
using script32 = script<std::uint32_t>;
using script64 = script<std::uint64_t>;

template <class Draw>
auto several(std::size_t count, Draw&& draw) {
  std::vector<decltype(draw())> result;
  for (std::size_t i = 0; i < count; ++i) result.push_back(draw());
  return result;
}

}  // namespace

TEST_CASE("uniform: extremes, bits and draws", "[core][uniform]") {
  script64 words{{0, ~std::uint64_t{0}, 0x0123456789abcdefU, 0x7ffU, 0x800U}};
  CHECK(gavel::uniform(words) == 0.0);
  CHECK(gavel::uniform(words) == 1.0 - 0x1p-53);
  CHECK(gavel::uniform(words) == static_cast<double>(0x0123456789abcdefU >> 11) * 0x1p-53);
  CHECK(gavel::uniform(words) == 0.0);
  CHECK(gavel::uniform(words) == 0x1p-53);
  CHECK(words.used == 5);
  script32 halves{{0x01234567U, 0x89abcdefU, 0x80000000U, 0}};
  CHECK(gavel::uniform(halves) == static_cast<double>(0x0123456789abcdefU >> 11) * 0x1p-53);  // the first output is the upper half
  CHECK(gavel::uniform(halves) == 0.5);
  CHECK(halves.used == 4);

  script64 open{{0, ~std::uint64_t{0}, std::uint64_t{1} << 63, (std::uint64_t{1} << 63) - 1}};
  CHECK(gavel::uniform_open(open) == 0x1p-53);
  CHECK(gavel::uniform_open(open) == 1.0 - 0x1p-53);
  CHECK(gavel::uniform_open(open) == 0.5 + 0x1p-53);
  CHECK(gavel::uniform_open(open) == 0.5 - 0x1p-53);
}

TEST_CASE("uniform: golden values", "[core][uniform]") {
  philox4x32 philox(42, 7);
  std::mt19937 small;
  std::mt19937_64 large;
  CHECK(several(4, [&] { return gavel::uniform(philox); }) ==
        std::vector{0x1.9fb9bcb395504p-2, 0x1.b1fb28d555ce6p-2, 0x1.cbbbd280c01ecp-1, 0x1.1f9bf1e2591dbp-1});
  CHECK(several(4, [&] { return gavel::uniform(small); }) ==
        std::vector{0x1.a12376b8455d3p-1, 0x1.cfc3f5ddab863p-1, 0x1.0411a967c03d8p-3, 0x1.d3a6000a712b5p-1});
  CHECK(several(4, [&] { return gavel::uniform(large); }) ==
        std::vector{0x1.92da3239eded5p-1, 0x1.007deb1e2f202p-2, 0x1.6bdd196d57c8ap-1, 0x1.e4b1a45a9b722p-1});
  philox = philox4x32(42, 7);
  CHECK(several(4, [&] { return gavel::uniform_open(philox); }) ==
        std::vector{0x1.9fb9bcb395506p-2, 0x1.b1fb28d555ce6p-2, 0x1.cbbbd280c01edp-1, 0x1.1f9bf1e2591dbp-1});
}

TEST_CASE("uniform_index: golden values", "[core][uniform]") {
  using list = std::vector<std::uint64_t>;
  const auto draw = [](auto rng, std::size_t count, std::uint64_t n) {
    return several(count, [&] { return gavel::uniform_index(rng, n); });
  };
  const philox4x32 philox(42, 7);
  CHECK(draw(philox, 12, 10) == list{4, 8, 4, 3, 8, 3, 5, 1, 1, 9, 3, 8});
  CHECK(draw(std::mt19937(), 12, 10) == list{8, 1, 9, 8, 1, 9, 9, 2, 6, 3, 0, 5});
  CHECK(draw(std::mt19937_64(), 12, 10) == list{7, 2, 7, 9, 0, 4, 2, 0, 5, 3, 2, 5});
  CHECK(draw(philox, 8, 3000000000U) == list{1217945904, 2687441968, 1271428979, 1001385359, 2693752035, 1685209919, 522163907, 432723360});
  CHECK(draw(std::mt19937(), 8, 3000000000U) ==
        list{2444171075, 406431012, 2717375802, 2505025769, 380960435, 2740127566, 663102128, 1897077749});
  CHECK(draw(philox, 3, 18446744073709551557U) == list{7489045468980449460U, 7817908333577476281U, 16563651467237351777U});
  CHECK(draw(philox, 6, std::uint64_t{3} << 62) == list{5863431250183107230U, 12422738600428013872U, 7771659024275808810U,
                                                        1995584274954223641U, 4707310220932627167U, 7310996030321975002U});
  CHECK(draw(std::mt19937_64(), 6, std::uint64_t{3} << 62) == list{10885713589708587772U, 13097203985361325741U, 5601844680239945248U,
                                                                   3476996601361231896U, 314227906994399908U, 4768533694537435051U});
}

TEST_CASE("uniform_index: no bias, by enumeration of the rejection rule", "[core][uniform]") {
  // Of 2^32 words, exactly floor(2^32 / n) must lead to each result; the words next to each boundary show whether they do.
  for (const std::uint64_t n :
       {std::uint64_t{3}, std::uint64_t{6}, std::uint64_t{1000}, std::uint64_t{3000000000U}, std::uint64_t{0xffffffffU}}) {
    const std::uint64_t per_result = (std::uint64_t{1} << 32) / n;
    for (const std::uint64_t result : {std::uint64_t{0}, std::uint64_t{1}, n / 2, n - 2, n - 1}) {
      // words w with floor(w n / 2^32) == result run from ceil(result 2^32 / n); those with a low half below 2^32 mod n are rejected
      const std::uint64_t first = ((result << 32) + n - 1) / n;
      const std::uint64_t last = (((result + 1) << 32) + n - 1) / n - 1;
      std::uint64_t accepted = last - first + 1;
      script32 word{{static_cast<std::uint32_t>(first), 0xffffffffU}};
      const std::uint64_t value = gavel::uniform_index(word, n);
      if (word.used == 2) --accepted;  // the first word of the range was refused; no other one can be
      else CHECK(value == result);
      CHECK(accepted == per_result);
      script32 next{{static_cast<std::uint32_t>(last), 0U}};
      if (last > first) {
        CHECK(gavel::uniform_index(next, n) == result);
        CHECK(next.used == 1);
      }
    }
  }
  script64 wide{{(std::uint64_t{1} << 62) + 5, 0, 1, 2}};  // n = 3 * 2^62: word w gives floor(3 w / 4), refused if 4 divides w
  CHECK(gavel::uniform_index(wide, std::uint64_t{3} << 62) == (std::uint64_t{3} << 60) + 3);
  CHECK(gavel::uniform_index(wide, std::uint64_t{3} << 62) == 0);
  CHECK(wide.used == 3);
}

TEST_CASE("uniform_index: edges", "[core][uniform]") {
  script32 words{{0xffffffffU, 0xffffffffU, 1, 2, 3}};
  CHECK(gavel::uniform_index(words, 1) == 0);
  CHECK(words.used == 1);
  CHECK(gavel::uniform_index(words, std::uint64_t{1} << 32) == 0xffffffffU);
  CHECK(words.used == 2);
  CHECK(gavel::uniform_index(words, (std::uint64_t{1} << 32) + 1) == 1);  // 64 bits from here on
  CHECK(words.used == 4);
  script64 upper{{0x80000000ffffffffU}};
  CHECK(gavel::uniform_index(upper, 2) == 1);  // the upper half decides
  CHECK(message_of([&] { (void)gavel::uniform_index(words, 0); }) == "gavel::uniform_index: n = 0, must be >= 1");
  CHECK(words.used == 4);
}

TEST_CASE("uniform and uniform_index: distributions", "[core][uniform]") {
  philox4x32 rng(2024);
  const std::vector<double> flat(101, 1.0 / 101);
  std::vector<int> reals(101), integers(101);
  for (int i = 0; i < 200000; ++i) {
    ++reals[static_cast<std::size_t>(gavel::uniform(rng) * 101.0)];
    ++integers[gavel::uniform_index(rng, 101)];
  }
  CHECK(gavel::g_test(reals, flat).p_value > 1e-6);
  CHECK(gavel::g_test(integers, flat).p_value > 1e-6);
}

TEST_CASE("bernoulli: distribution, edges, errors", "[core][uniform]") {
  philox4x32 rng(42, 7);
  const std::vector<bool> golden{0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1};
  CHECK(several(16, [&] { return gavel::bernoulli(rng, 0.3); }) == golden);
  script64 words{{0, ~std::uint64_t{0}, 0, ~std::uint64_t{0}}};
  CHECK_FALSE(gavel::bernoulli(words, 0.0));
  CHECK_FALSE(gavel::bernoulli(words, 0.0));
  CHECK(gavel::bernoulli(words, 1.0));
  CHECK(gavel::bernoulli(words, 1.0));
  CHECK(words.used == 4);
  int hits[2] = {};
  for (int i = 0; i < 100000; ++i) ++hits[gavel::bernoulli(rng, 0.3) ? 1 : 0];
  CHECK(gavel::g_test(std::vector{hits[0], hits[1]}, std::vector{0.7, 0.3}).p_value > 1e-6);
  CHECK(message_of([&] { (void)gavel::bernoulli(rng, 1.5); }) == "gavel::bernoulli: p = 1.5, must be in [0, 1]");
  CHECK(message_of([&] { (void)gavel::bernoulli(rng, -0.25); }) == "gavel::bernoulli: p = -0.25, must be in [0, 1]");
  CHECK(message_of([&] { (void)gavel::bernoulli(rng, not_a_number); }) == "domain: gavel::bernoulli: p = nan, must be in [0, 1]");
  CHECK(message_of([&] { (void)gavel::bernoulli(rng, -not_a_number); }) == "domain: gavel::bernoulli: p = nan, must be in [0, 1]");
}

}  // namespace uniform_test
