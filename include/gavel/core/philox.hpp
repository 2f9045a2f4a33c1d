// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/config.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

/// @file
/// The library's own random engine: counter based, so that every worker gets a stream of its own and results do not depend on how many
/// workers there are.

namespace gavel {

/// Philox 4x32-10: the output is a keyed bijection of a block counter, so a stream is random access and streams share no state.
///
/// Output number `k` of stream `(seed, stream)` is word `k mod 4` of `block({j, j >> 32, stream, stream >> 32}, {seed, seed >> 32})` with
/// `j = k / 4` (low 32 bits first). Streams with a different seed or a different stream number never overlap; each has 2^66 outputs.
/// It satisfies `std::uniform_random_bit_generator`. Not for cryptography.
///
/// @note 64 bytes, no allocation, no global state; copies are independent; a const engine may be read by many threads.
/// @par Source
/// Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011), section 4 (Philox) and the Random123 known answers.
class philox4x32 {
 public:
  using result_type = std::uint32_t;
  using words = std::array<std::uint32_t, 4>;
  using key_words = std::array<std::uint32_t, 2>;

  /// The start of a stream.
  /// @param seed   any number: the experiment
  /// @param stream any number: the worker, row or repetition
  explicit constexpr philox4x32(std::uint64_t seed = 0, std::uint64_t stream = 0) noexcept : seed_(seed), stream_(stream) {}

  [[nodiscard]] static constexpr result_type(min)() noexcept { return 0; }
  [[nodiscard]] static constexpr result_type(max)() noexcept { return 0xffffffffU; }

  /// The next 32 random bits.
  constexpr result_type operator()() noexcept {
    if (used_ == 4) {
      ++block_;
      refill();
      used_ = 0;
    }
    return buffer_[used_++];
  }

  /// Skips @p count outputs in constant time.
  constexpr void discard(std::uint64_t count) noexcept {
    // The position inside a block runs from 1 to 4 (never 0), so that equal positions have equal representations.
    std::uint64_t blocks = count / 4;
    std::uint32_t used = used_ + static_cast<std::uint32_t>(count % 4);
    if (used > 4) {
      used -= 4;
      ++blocks;
    }
    used_ = used;
    if (blocks == 0) return;
    block_ += blocks;
    if (used_ < 4) refill();
  }

  [[nodiscard]] constexpr std::uint64_t seed() const noexcept { return seed_; }
  [[nodiscard]] constexpr std::uint64_t stream() const noexcept { return stream_; }

  /// Equal engines produce equal outputs from here on.
  [[nodiscard]] friend constexpr bool operator==(const philox4x32& a, const philox4x32& b) noexcept {
    return a.seed_ == b.seed_ && a.stream_ == b.stream_ && a.block_ == b.block_ && a.used_ == b.used_;
  }

  /// The bijection itself: four words from a counter and a key, ten rounds.
  [[nodiscard]] static constexpr words block(words counter, key_words key) noexcept {
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t even = std::uint64_t{0xD2511F53U} * counter[0];
      const std::uint64_t odd = std::uint64_t{0xCD9E8D57U} * counter[2];
      counter = {high(odd) ^ counter[1] ^ key[0], low(odd), high(even) ^ counter[3] ^ key[1], low(even)};
      key = {key[0] + 0x9E3779B9U, key[1] + 0xBB67AE85U};  // golden ratio and sqrt(3) - 1: the Weyl sequence of round keys
    }
    return counter;
  }

 private:
  static constexpr std::uint32_t low(std::uint64_t value) noexcept { return static_cast<std::uint32_t>(value); }
  static constexpr std::uint32_t high(std::uint64_t value) noexcept { return static_cast<std::uint32_t>(value >> 32); }

  constexpr void refill() noexcept { buffer_ = block({low(block_), high(block_), low(stream_), high(stream_)}, {low(seed_), high(seed_)}); }

  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t block_ = ~std::uint64_t{0};  // the block in the buffer; the first one to be made is 0
  words buffer_{};
  std::uint32_t used_ = 4;
};

}  // namespace gavel
