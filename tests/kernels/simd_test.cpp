// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <gavel/kernels/simd.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

namespace simd_test {

using namespace gavel;

namespace {
struct sum_block_kernel {
  template <class Isa, class T>
  static GAVEL_ALWAYS_INLINE double run(const T* x) {
    typename Isa::template vec<T> block[Isa::vectors];
    for (std::size_t j = 0; j < Isa::vectors; ++j) kernels::load<Isa>(block[j], x + j * Isa::template lanes<T>);
    return kernels::sum_block<Isa, T>(block);
  }
};
struct max_block_kernel {
  template <class Isa, class T>
  static GAVEL_ALWAYS_INLINE T run(const T* x) {
    typename Isa::template vec<T> block[Isa::vectors];
    for (std::size_t j = 0; j < Isa::vectors; ++j) kernels::load<Isa>(block[j], x + j * Isa::template lanes<T>);
    return kernels::max_block<Isa, T>(block);
  }
};
struct widen_kernel {
  template <class Isa, class S>
  static GAVEL_ALWAYS_INLINE int run(const S* x, float* out, std::size_t count) {
    typename Isa::template vec<float> v;
    if (count == 0) kernels::load<Isa>(v, x);
    else kernels::load<Isa>(v, x, count, -1.0f);
    kernels::store(out, v);
    return static_cast<int>(Isa::template lanes<float>);
  }
};
struct fma_kernel {
  template <class Isa, class T>
  static GAVEL_ALWAYS_INLINE T run(T a, T b, T c) {
    typename Isa::template vec<T> x;
    typename Isa::template vec<T> y;
    typename Isa::template vec<T> z;
    kernels::fill(x, a);
    kernels::fill(y, b);
    kernels::fill(z, c);
    Isa::fma(x, x, y, z);
    return x[0];
  }
};

/// The documented order: halves onto halves until 64 bytes are left, then in double.
template <class T>
double documented_sum(std::vector<T> lanes) {
  while (lanes.size() * sizeof(T) > 64) {
    const std::size_t half = lanes.size() / 2;
    for (std::size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    lanes.resize(half);
  }
  std::vector<double> wide(lanes.begin(), lanes.end());
  while (wide.size() > 1) {
    const std::size_t half = wide.size() / 2;
    for (std::size_t i = 0; i < half; ++i) wide[i] += wide[i + half];
    wide.resize(half);
  }
  return wide[0];
}
}  // namespace

TEST_CASE("a block is summed in the documented tree on every path, bit for bit", "[kernels][simd]") {
  std::vector<float> x(kernels::block_size<float>);
  std::vector<double> y(kernels::block_size<double>);
  std::uint32_t state = 5;
  for (int repeat = 0; repeat < 200; ++repeat) {
    for (float& v : x) v = std::ldexp(static_cast<float>(state = state * 1664525u + 1013904223u), -28);
    for (double& v : y) v = std::ldexp(static_cast<double>(state = state * 1664525u + 1013904223u), -30) / 3.0;
    REQUIRE(kernels::dispatch<sum_block_kernel>(x.data()) == documented_sum(x));
    REQUIRE(kernels::dispatch<sum_block_kernel>(y.data()) == documented_sum(y));
    REQUIRE(kernels::dispatch<max_block_kernel>(x.data()) == *std::max_element(x.begin(), x.end()));
    REQUIRE(kernels::dispatch<max_block_kernel>(y.data()) == *std::max_element(y.begin(), y.end()));
  }
}

TEST_CASE("16-bit loads widen exactly, special values included", "[kernels][simd]") {
  for (std::uint32_t base = 0; base < 65536; base += 16) {
    std::array<half, 16> h;
    std::array<bfloat16, 16> b;
    for (std::uint32_t i = 0; i < 16; ++i) {
      h[i].bits = static_cast<std::uint16_t>(base + i);
      b[i].bits = static_cast<std::uint16_t>(base + i);
    }
    std::array<float, 16> out{};
    const int lanes = kernels::dispatch<widen_kernel>(h.data(), out.data(), std::size_t{0});
    for (std::size_t i = 0; i < static_cast<std::size_t>(lanes); ++i) {
      REQUIRE((std::isnan(widen(h[i])) ? std::isnan(out[i]) : out[i] == widen(h[i])));
    }
    (void)kernels::dispatch<widen_kernel>(b.data(), out.data(), std::size_t{0});
    for (std::size_t i = 0; i < static_cast<std::size_t>(lanes); ++i) {
      REQUIRE((std::isnan(widen(b[i])) ? std::isnan(out[i]) : out[i] == widen(b[i])));
    }
  }
}

TEST_CASE("a partial load pads", "[kernels][simd]") {
  const std::array<float, 16> x = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  std::array<float, 16> out{};
  const auto lanes = static_cast<std::size_t>(kernels::dispatch<widen_kernel>(x.data(), out.data(), std::size_t{3}));
  for (std::size_t i = 0; i < lanes; ++i) REQUIRE(out[i] == (i < 3 ? x[i] : -1.0f));
}

TEST_CASE("fma rounds once where the path fuses", "[kernels][simd]") {
  const float a = 1.0f + 0x1p-12f;
  const float fused = kernels::dispatch<fma_kernel>(a, a, -1.0f - 0x1p-11f);
  const double b = 1.0 + 0x1p-27;
  const double fused_double = kernels::dispatch<fma_kernel>(b, b, -1.0 - 0x1p-26);
  if (kernels::active_path() == kernels::simd_path::portable) {
    REQUIRE((fused == 0.0f || fused == 0x1p-24f));  // a base flag with FMA may fuse the portable path
  } else {
    REQUIRE(fused == 0x1p-24f);
    REQUIRE(fused_double == 0x1p-54);
  }
}

}  // namespace simd_test
