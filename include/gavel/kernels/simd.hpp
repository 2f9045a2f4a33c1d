// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/storage.hpp>
#include <gavel/kernels/dispatch.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>  // memcpy

/// @file
/// The vector layer under the kernels: compiler vector types of the width of each instruction set, explicit fused multiply-add, loads that
/// widen 16-bit storage, and fixed-order sums.
///
/// Same bits everywhere: every kernel works on blocks of 256 bytes (64 floats, 32 doubles) whatever the register width, so that lane i of a
/// block always sees the same additions in the same order. Multiplications that feed an addition are written as `Isa::fma` and nothing else
/// may be contracted: a product that must round on its own before an addition goes through `rounded`. The portable path has no fused
/// multiply-add and gives its own bits.

GAVEL_VECTOR_CODE_BEGIN

namespace gavel::kernels {

/// Elements of T in one block.
template <class T>
inline constexpr std::size_t block_size = 256 / sizeof(T);

inline namespace GAVEL_BASE_ISA {

#if GAVEL_X86 && !defined(__clang__)
// g++ makes the builtins of an instruction set known when it first meets a function that targets it.
GAVEL_TARGET_AVX2 void declare_avx2_builtins();
GAVEL_TARGET_AVX512 void declare_avx512_builtins();
#endif

template <class T, int Bytes>
struct vector_of {
  typedef T type __attribute__((vector_size(Bytes)));
};

template <int Bytes>
struct vector_types {
  static constexpr int bytes = Bytes;
  template <class T>
  using vec = typename vector_of<T, Bytes>::type;
  template <class T>
  static constexpr std::size_t lanes = Bytes / sizeof(T);
  /// Vectors per block.
  static constexpr std::size_t vectors = 256 / Bytes;
  /// Vectors of a block that a walk takes together: as many as the registers hold with their sums and the constants of an exponential.
  static constexpr std::size_t at_once = Bytes == 64 ? 4 : 2;
};

// Each instruction set also runs a kernel, `call<Kernel>(args...)` = `Kernel::run<Isa>(args...)`, as a function of its own that carries the
// `target` attribute: what several kernels need only at the end of a row is compiled once that way instead of into each of them.

/// Vectors of 16 bytes (SSE2, NEON or whatever the compiler makes of them), product and sum rounded separately.
struct portable_isa : vector_types<16> {
  template <class Kernel, class... Args>
  static GAVEL_NOINLINE auto call(const Args&... args) {
    return Kernel::template run<portable_isa>(args...);
  }
  template <class V>
  static GAVEL_ALWAYS_INLINE void fma(V& result, const V& a, const V& b, const V& c) {
    const V product = a * b;
    result = product + c;
  }
};

#if GAVEL_X86
#if defined(__clang__)
template <int Bytes>
struct fused_types : vector_types<Bytes> {
  template <class V>
  static GAVEL_ALWAYS_INLINE void fma(V& result, const V& a, const V& b, const V& c) {
#pragma clang fp contract(on)
    result = a * b + c;  // one expression: clang emits a fused multiply-add, at -O0 as well, where the target has one
  }
};
#else
template <int Bytes>
struct fused_types;
template <>
struct fused_types<32> : vector_types<32> {
  static GAVEL_ALWAYS_INLINE void fma(vec<float>& result, const vec<float>& a, const vec<float>& b, const vec<float>& c) {
    result = __builtin_ia32_vfmaddps256(a, b, c);
  }
  static GAVEL_ALWAYS_INLINE void fma(vec<double>& result, const vec<double>& a, const vec<double>& b, const vec<double>& c) {
    result = __builtin_ia32_vfmaddpd256(a, b, c);
  }
};
template <>
struct fused_types<64> : vector_types<64> {
  static constexpr int current_rounding = 4;
  static GAVEL_ALWAYS_INLINE void fma(vec<float>& result, const vec<float>& a, const vec<float>& b, const vec<float>& c) {
    result = __builtin_ia32_vfmaddps512_mask(a, b, c, -1, current_rounding);
  }
  static GAVEL_ALWAYS_INLINE void fma(vec<double>& result, const vec<double>& a, const vec<double>& b, const vec<double>& c) {
    result = __builtin_ia32_vfmaddpd512_mask(a, b, c, 0xff, current_rounding);
  }
};
#endif

struct avx2_isa : fused_types<32> {
  template <class Kernel, class... Args>
  static GAVEL_TARGET_AVX2 GAVEL_NOINLINE auto call(const Args&... args) {
    return Kernel::template run<avx2_isa>(args...);
  }
};
struct avx512_isa : fused_types<64> {
  template <class Kernel, class... Args>
  static GAVEL_TARGET_AVX512 GAVEL_NOINLINE auto call(const Args&... args) {
    return Kernel::template run<avx512_isa>(args...);
  }
};
#endif

/// Keeps g++ from fusing the product in @p value into a later addition; clang fuses inside one expression only, so a product that is a
/// statement of its own is safe there. Costs no instruction.
template <class V>
GAVEL_ALWAYS_INLINE void rounded([[maybe_unused]] V& value) {
#if GAVEL_X86 && !defined(__clang__)
  asm("" : "+x"(value));
#endif
}

template <class V, class T>
GAVEL_ALWAYS_INLINE void fill(V& result, T value) {
  result = V{} + value;
}

/// Loads one vector of `Isa::lanes<compute_type<T>>` numbers, widened exactly; @p from needs the alignment of T only.
template <class Isa, stored_scalar T>
GAVEL_ALWAYS_INLINE void load(typename Isa::template vec<compute_type<T>>& result, const T* from) {
  using C = compute_type<T>;
  constexpr storage_format format = storage_traits<T>::format;
  if constexpr (format == storage_format::float32 || format == storage_format::float64) {
    std::memcpy(&result, from, sizeof result);
  } else {
    using wide = typename Isa::template vec<std::uint32_t>;
    typename vector_of<std::uint16_t, Isa::bytes / 2>::type narrow;
    std::memcpy(&narrow, from, sizeof narrow);
    const wide bits = __builtin_convertvector(narrow, wide);
    if constexpr (format == storage_format::bfloat16) {
      result = __builtin_bit_cast(typename Isa::template vec<C>, bits << 16);
    } else {  // see gavel::widen
      const wide magnitude = (bits & 0x7fffu) << 13;
      const typename Isa::template vec<C> scaled = __builtin_bit_cast(typename Isa::template vec<C>, magnitude) * 0x1p112f;
      const wide finite = __builtin_bit_cast(wide, scaled);
      const wide special = magnitude | 0x7f800000u;
      const wide chosen = magnitude >= 0x0f800000u ? special : finite;
      result = __builtin_bit_cast(typename Isa::template vec<C>, chosen | (bits & 0x8000u) << 16);
    }
  }
}

/// The same for the first @p count numbers, at least one; the other lanes hold @p padding.
template <class Isa, stored_scalar T>
GAVEL_ALWAYS_INLINE void load(typename Isa::template vec<compute_type<T>>& result, const T* from, std::size_t count,
                              compute_type<T> padding) {
  constexpr std::size_t lanes = Isa::template lanes<compute_type<T>>;
  if (count >= lanes) {
    load<Isa>(result, from);
    return;
  }
  compute_type<T> values[lanes];
  for (std::size_t i = 0; i < lanes; ++i) values[i] = i < count ? widen(from[i]) : padding;
  std::memcpy(&result, values, sizeof result);
}

template <class V, class T>
GAVEL_ALWAYS_INLINE void store(T* to, const V& value) {
  std::memcpy(to, &value, sizeof value);
}

/// The lanes of one vector joined in a fixed tree: lane l of the upper half with lane l of the lower half, until one is left.
template <class T, class V, class Join>
GAVEL_ALWAYS_INLINE T fold(const V& v, const Join& join) {
  constexpr std::size_t count = sizeof(V) / sizeof(T);
  T lanes[count];
  std::memcpy(lanes, &v, sizeof lanes);
#pragma GCC unroll 4
  for (std::size_t half = count / 2; half != 0; half /= 2) {
#pragma GCC unroll 8
    for (std::size_t i = 0; i < half; ++i) lanes[i] = join(lanes[i], lanes[i + half]);
  }
  return lanes[0];
}

/// The sum of one block in a fixed tree: lane l of the upper half is added to lane l of the lower half, until 64 bytes are left; those are
/// widened to double and summed by the same rule.
template <class Isa, class T>
GAVEL_ALWAYS_INLINE double sum_block(typename Isa::template vec<T> (&block)[Isa::vectors]) {
  for (std::size_t half = Isa::vectors / 2; half * Isa::bytes >= 64; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) block[j] += block[j + half];
  }
  constexpr std::size_t count = 64 / sizeof(T) / Isa::template lanes<double>;
  typename Isa::template vec<double> wide[count];
  typename vector_of<T, Isa::bytes * sizeof(T) / sizeof(double)>::type narrow[count];
  std::memcpy(narrow, block, sizeof narrow);
  for (std::size_t j = 0; j < count; ++j) wide[j] = __builtin_convertvector(narrow[j], typename Isa::template vec<double>);
  for (std::size_t half = count / 2; half != 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) wide[j] += wide[j + half];
  }
  return fold<double>(wide[0], [](double a, double b) { return a + b; });
}

/// The largest lane of one vector; NaN lanes lose.
template <class Isa, class T>
GAVEL_ALWAYS_INLINE T max_lane(const typename Isa::template vec<T>& v) {
  return fold<T>(v, [](T a, T b) { return a > b ? a : b; });
}

/// The largest element of one block. Exact, so the order does not matter; NaN lanes lose.
template <class Isa, class T>
GAVEL_ALWAYS_INLINE T max_block(typename Isa::template vec<T> (&block)[Isa::vectors]) {
  for (std::size_t half = Isa::vectors / 2; half != 0; half /= 2) {
    for (std::size_t j = 0; j < half; ++j) block[j] = block[j] > block[j + half] ? block[j] : block[j + half];
  }
  return max_lane<Isa, T>(block[0]);
}

/// Runs `Kernel::run<Isa>(args...)` for the instruction set in use.
template <class Kernel, class... Args>
GAVEL_ALWAYS_INLINE auto dispatch(const Args&... args) {
#if GAVEL_X86
  switch (active_path()) {
    case simd_path::avx512: return avx512_isa::call<Kernel>(args...);
    case simd_path::avx2: return avx2_isa::call<Kernel>(args...);
    case simd_path::portable: break;
  }
#endif
  return portable_isa::call<Kernel>(args...);
}

}  // namespace GAVEL_BASE_ISA
}  // namespace gavel::kernels

GAVEL_VECTOR_CODE_END
