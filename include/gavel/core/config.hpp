// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// What the compiler offers and what the library refuses. Every other header but `version.hpp` includes this one, before it says anything.

// The include that does not exist ends the compilation here: after an #error alone hundreds of others would follow.
#if __cplusplus < 202002L
#error "gavel needs C++20: compile with -std=c++20 (CMake: target_compile_features(your_target PRIVATE cxx_std_20))."
#include <gavel-needs-cxx20>
#endif

#if !defined(__GNUC__) && !defined(__clang__)
#error "gavel needs g++ 12 or clang++ 14 or newer: its kernels use their vector extensions."
#endif

// Under -ffast-math NaN checks vanish and the exponent tricks of the kernels are optimised away: results would be silently wrong.
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error \
    "gavel does not support -ffast-math, -Ofast or -ffinite-math-only: NaN checks and exact exponents would be optimised away. \
Build the files that include gavel without these flags; the kernels are vectorised either way."
#endif

#if defined(__cpp_exceptions) && __cpp_exceptions
#define GAVEL_HAS_EXCEPTIONS 1
#else
#define GAVEL_HAS_EXCEPTIONS 0
#endif

#define GAVEL_ALWAYS_INLINE __attribute__((always_inline)) inline
#define GAVEL_NOINLINE __attribute__((noinline))
#define GAVEL_COLD __attribute__((noinline, cold))
