// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>

/// @file
/// From random bits to uniform numbers. The results depend on the engine's outputs alone, never on the standard library.

namespace gavel {

/// A generator of 32 or 64 independent uniform bits per call: `philox4x32`, `std::mt19937`, `std::mt19937_64`, any
/// `std::uniform_random_bit_generator` whose range is the whole of 32 or 64 bits. Others (`std::minstd_rand`, ranlux) do not compile.
template <class G>
concept random_bits = requires(G& rng) {
  { rng() } -> std::unsigned_integral;
  { (G::min)() } -> std::unsigned_integral;
  { (G::max)() } -> std::unsigned_integral;
  requires(G::min)() == 0;
  requires(G::max)() == 0xffffffffU || (G::max)() == 0xffffffffffffffffU;
};

namespace detail {

__extension__ typedef unsigned __int128 uint128;

template <class G>
inline constexpr bool makes_64_bits = (G::max)() > 0xffffffffU;

/// 32 bits from one output; of a 64-bit output the upper half.
template <random_bits G>
[[nodiscard]] constexpr std::uint32_t bits32(G& rng) {
  if constexpr (makes_64_bits<G>) return static_cast<std::uint32_t>(rng() >> 32);
  else return static_cast<std::uint32_t>(rng());
}

/// 64 bits from one 64-bit output or two 32-bit outputs, the first of which is the upper half.
template <random_bits G>
[[nodiscard]] constexpr std::uint64_t bits64(G& rng) {
  if constexpr (makes_64_bits<G>) {
    return std::uint64_t{rng()};
  } else {
    const std::uint64_t upper = rng();
    const std::uint64_t lower = rng();
    return upper << 32 | lower;
  }
}

// The detour over a signed integer is exact here and one instruction on x86, which has no unsigned conversion before AVX-512.
[[nodiscard]] constexpr double to_double(std::uint64_t below_2_to_63) {
  return static_cast<double>(static_cast<std::int64_t>(below_2_to_63));
}

}  // namespace detail

/// A uniform number in [0, 1): a multiple of 2^-53, each equally likely.
/// @return `floor(bits / 2^11) / 2^53`; 0 is possible, 1 is not
/// @note Draws: one 64-bit or two 32-bit engine outputs (the first is the upper half). This is what "one uniform" means everywhere else.
template <random_bits G>
[[nodiscard]] constexpr double uniform(G& rng) {
  return detail::to_double(detail::bits64(rng) >> 11) * 0x1p-53;
}

/// A uniform number in the open interval (0, 1), symmetric about 1/2: what a logarithm or a quantile function needs.
/// @return `(floor(bits / 2^12) + 1/2) / 2^52`, so from 2^-53 to 1 - 2^-53
/// @note Draws: one uniform.
template <random_bits G>
[[nodiscard]] constexpr double uniform_open(G& rng) {
  return (detail::to_double(detail::bits64(rng) >> 12) + 0.5) * 0x1p-52;
}

/// A uniform integer in {0, ..., n - 1}, without bias.
/// @param n number of outcomes, >= 1
/// @throws std::invalid_argument if `n == 0`
/// @note Draws: for `n <= 2^32` words of 32 bits (one engine output each), above that words of 64 bits; one word with probability
///       >= `1 - n / 2^32` (or `1 - n / 2^64`), in expectation fewer than two. One division at most, and only when a word is doubtful.
/// @par Source
/// Lemire, "Fast random integer generation in an interval" (2019), arXiv:1805.10941, algorithm 5.
template <random_bits G>
[[nodiscard]] constexpr std::uint64_t uniform_index(G& rng, std::uint64_t n) {
  check_at_least("gavel::uniform_index", "n", n, 1);
  constexpr std::uint64_t two_to_32 = std::uint64_t{1} << 32;
  if (n <= two_to_32) {
    std::uint64_t product = std::uint64_t{detail::bits32(rng)} * n;
    if ((product & 0xffffffffU) < n) {
      const std::uint64_t threshold = two_to_32 % n;
      while ((product & 0xffffffffU) < threshold) product = std::uint64_t{detail::bits32(rng)} * n;
    }
    return product >> 32;
  }
  auto product = detail::uint128{detail::bits64(rng)} * n;
  if (static_cast<std::uint64_t>(product) < n) {
    const std::uint64_t threshold = (0 - n) % n;  // 2^64 mod n
    while (static_cast<std::uint64_t>(product) < threshold) product = detail::uint128{detail::bits64(rng)} * n;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

/// True with probability @p p.
/// @param p in [0, 1]; 0 is never true, 1 always
/// @throws std::invalid_argument if @p p is outside [0, 1], std::domain_error if it is NaN
/// @note Draws: one uniform, whatever @p p is.
template <random_bits G>
[[nodiscard]] constexpr bool bernoulli(G& rng, double p) {
  check_unit_interval("gavel::bernoulli", "p", p);
  return uniform(rng) < p;
}

}  // namespace gavel
