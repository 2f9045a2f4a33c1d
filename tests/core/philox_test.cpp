// SPDX-License-Identifier: MIT
#include <gavel/core/philox.hpp>

#include "support/catch.hpp"

#include <concepts>
#include <cstdint>
#include <random>
#include <set>
#include <vector>

namespace philox_test {

using gavel::philox4x32;

static_assert(std::uniform_random_bit_generator<philox4x32>);
static_assert(std::regular<philox4x32>);
static_assert(philox4x32::block({0, 0, 0, 0}, {0, 0})[0] == 0x6627e8d5U, "usable at compile time");

TEST_CASE("philox: the published known answers of Random123", "[core][philox]") {
  using words = philox4x32::words;
  CHECK(philox4x32::block({0, 0, 0, 0}, {0, 0}) == words{0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U});
  CHECK(philox4x32::block({0xffffffffU, 0xffffffffU, 0xffffffffU, 0xffffffffU}, {0xffffffffU, 0xffffffffU}) ==
        words{0x408f276dU, 0x41c83b0eU, 0xa20bc7c6U, 0x6d5451fdU});
  CHECK(philox4x32::block({0x243f6a88U, 0x85a308d3U, 0x13198a2eU, 0x03707344U}, {0xa4093822U, 0x299f31d0U}) ==
        words{0xd16cfe09U, 0x94fdcceb, 0x5001e420U, 0x24126ea1U});
}

TEST_CASE("philox: golden outputs of a stream", "[core][philox]") {
  philox4x32 rng(42, 7);
  for (const std::uint32_t expected :
       {0x67ee6f2cU, 0xe55410ccU, 0x6c7eca35U, 0x557398d3U, 0xe5dde940U, 0x600f6196U, 0x8fcdf8f1U, 0x2c8ed839U}) {
    CHECK(rng() == expected);
  }
  CHECK(rng.seed() == 42);
  CHECK(rng.stream() == 7);
  // both halves of seed and stream reach the block
  philox4x32 wide(0x0123456789abcdefU, 0xfedcba9876543210U);
  CHECK(wide() == philox4x32::block({0, 0, 0x76543210U, 0xfedcba98U}, {0x89abcdefU, 0x01234567U})[0]);
  wide.discard((std::uint64_t{5} << 34) + 1);
  CHECK(wide() == philox4x32::block({0, 5, 0x76543210U, 0xfedcba98U}, {0x89abcdefU, 0x01234567U})[2]);
}

TEST_CASE("philox: discard is the same as drawing", "[core][philox]") {
  for (std::uint64_t before = 0; before < 9; ++before) {
    for (std::uint64_t count = 0; count < 23; ++count) {
      philox4x32 drawn(3, 4);
      philox4x32 skipped(3, 4);
      for (std::uint64_t i = 0; i < before; ++i) CHECK(drawn() == skipped());
      for (std::uint64_t i = 0; i < count; ++i) drawn();
      skipped.discard(count);
      CHECK(drawn == skipped);
      for (int i = 0; i < 9; ++i) REQUIRE(drawn() == skipped());
      CHECK(drawn == skipped);
    }
  }
  philox4x32 far(42, 7);
  far.discard(1000003);
  CHECK(far() == 0xd752bebaU);
  philox4x32 once(1);
  philox4x32 twice(1);
  once.discard(~std::uint64_t{0});
  twice.discard(std::uint64_t{1} << 63);
  twice.discard((std::uint64_t{1} << 63) - 1);
  CHECK(once == twice);
  CHECK(once() == twice());
}

TEST_CASE("philox: equality, copies and streams", "[core][philox]") {
  philox4x32 a(1, 2);
  philox4x32 b = a;
  CHECK(a == b);
  a();
  CHECK(a != b);
  b();
  CHECK(a == b);
  CHECK(philox4x32(1, 2) != philox4x32(1, 3));
  CHECK(philox4x32(1, 2) != philox4x32(2, 2));
  CHECK(philox4x32() == philox4x32(0, 0));
  std::set<std::uint64_t> starts;
  for (std::uint64_t stream = 0; stream < 100; ++stream) {
    philox4x32 rng(5, stream);
    const std::uint64_t upper = rng();
    starts.insert(upper << 32 | rng());
  }
  CHECK(starts.size() == 100);
}

}  // namespace philox_test
