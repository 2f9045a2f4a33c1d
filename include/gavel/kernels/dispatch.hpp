// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/error.hpp>

#include <cstdlib>
#include <stdexcept>
#include <string>

/// @file
/// One body per kernel, compiled for several instruction sets and chosen once at run time, so that a program built with plain `-O2` still
/// runs AVX2 or AVX-512 code. A kernel is a struct with an always-inline `template <class Isa> static R run(args...)`; `dispatch<Kernel>`
/// calls it through a wrapper that carries the `target` attribute.

#if defined(__x86_64__)
#define GAVEL_X86 1
#define GAVEL_TARGET_AVX2 __attribute__((target("avx2,fma")))
#define GAVEL_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
#else
#define GAVEL_X86 0
#endif

// Translation units built with different -m flags must not share kernels: the linker keeps one copy of an inline function, and it might
// be the one that the other unit's machine cannot run. The flags are therefore part of the name.
#if defined(__AVX512F__)
#define GAVEL_BASE_ISA base_avx512
#elif defined(__FMA__)
#define GAVEL_BASE_ISA base_fma
#elif defined(__AVX__)
#define GAVEL_BASE_ISA base_avx
#else
#define GAVEL_BASE_ISA base
#endif

// Around code on vector types. g++ warns that they would cross calls differently with other flags; here they never cross a real call,
// everything is inlined.
#if defined(__clang__)
#define GAVEL_VECTOR_CODE_BEGIN
#define GAVEL_VECTOR_CODE_END
#else
#define GAVEL_VECTOR_CODE_BEGIN _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wpsabi\"")
#define GAVEL_VECTOR_CODE_END _Pragma("GCC diagnostic pop")
#endif

// The library gavel::compiled holds the kernels of the usual scalars, compiled once. A program that links it defines GAVEL_COMPILED (the CMake
// target does) and only declares them; each header lists its own at its end. Files with other -m flags or without exceptions, and
// other scalars, are compiled in place as ever. src/gavel.cpp defines GAVEL_COMPILED_SOURCE.
#if defined(GAVEL_COMPILED_SOURCE) && (defined(__AVX__) || !GAVEL_HAS_EXCEPTIONS)
#error "gavel: compile src/gavel.cpp with exceptions and with -mno-avx; the kernels choose AVX2 or AVX-512 at run time."
#elif defined(GAVEL_COMPILED_SOURCE)
#define GAVEL_INSTANCE template
#elif defined(GAVEL_COMPILED) && !defined(__AVX__) && GAVEL_HAS_EXCEPTIONS
#define GAVEL_INSTANCE extern template
#endif
#define GAVEL_FOR_EACH_STORAGE(list) list(float) list(double) list(::gavel::half) list(::gavel::bfloat16)

namespace gavel::kernels {

/// The instruction sets a kernel is compiled for.
enum class simd_path { portable, avx2, avx512 };

namespace detail {

[[nodiscard]] inline bool cpu_supports(simd_path path) noexcept {
#if GAVEL_X86
  if (path == simd_path::avx512) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
  }
  if (path == simd_path::avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
  return path == simd_path::portable;
}

[[nodiscard]] GAVEL_COLD inline simd_path choose_path() {
  const char* const forced = std::getenv("GAVEL_SIMD");
  if (forced == nullptr || *forced == '\0') {
    if (cpu_supports(simd_path::avx512)) return simd_path::avx512;
    return cpu_supports(simd_path::avx2) ? simd_path::avx2 : simd_path::portable;
  }
  const std::string name = forced;
  const simd_path path = name == "avx512" ? simd_path::avx512 : name == "avx2" ? simd_path::avx2 : simd_path::portable;
  if (path == simd_path::portable && name != "portable") {
    gavel::detail::raise<std::invalid_argument>("gavel::kernels::active_path: environment variable GAVEL_SIMD = \"" + name +
                                                "\", must be portable, avx2 or avx512");
  }
  if (!cpu_supports(path)) {
    gavel::detail::raise<std::invalid_argument>("gavel::kernels::active_path: environment variable GAVEL_SIMD = \"" + name +
                                                "\", but this processor does not support it");
  }
  return path;
}

}  // namespace detail

/// The path in use: the best the processor has, or the one that the environment variable `GAVEL_SIMD` (`portable`, `avx2`, `avx512`)
/// forces. Decided at the first call of any kernel and kept.
/// @throws std::invalid_argument if GAVEL_SIMD holds another word, or names a set that the processor lacks
[[nodiscard]] inline simd_path active_path() {
  static const simd_path path = detail::choose_path();
  return path;
}

}  // namespace gavel::kernels
