// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/kernels/simd.hpp>

#include <cstdint>

/// @file
/// The library's own exp and log on vectors. Coefficients are Chebyshev interpolants on the reduced range, computed for this library in 60
/// digits; they and the fused steps are fixed, so the bits are the same with every compiler, flag and instruction set that fuses.

GAVEL_VECTOR_CODE_BEGIN

namespace gavel::kernels {
inline namespace GAVEL_BASE_ISA {

/// x <- exp(x) for x <= 88, lane by lane; 0 below -87.7 (the exact value is under 8.2e-39). Within 1.1 ulp of the exact value while that is
/// a normal number. NaN stays NaN.
template <class Isa>
GAVEL_ALWAYS_INLINE void exp_in_place(typename Isa::template vec<float>& x) {
  using real = typename Isa::template vec<float>;
  using bits = typename Isa::template vec<std::int32_t>;
  real c;
  fill(c, -88.0f);
  rounded(c);         // opaque: a constant here costs g++ a comparison and a blend
  x = c > x ? c : x;  // in this order, so that NaN passes
  // Adding 1.5 * 2^23 + 127 leaves n + 127, n = round(x / ln 2), in the low bits: the exponent field of 2^n. n = -127 gives 0.
  real shifted;
  real log2_e;
  fill(c, 0x1.8000fep23f);
  fill(log2_e, 0x1.715476p+0f);
  Isa::fma(shifted, x, log2_e, c);
  const real n = shifted - c;
  real r = x;
  fill(c, -0x1.62e400p-1f);  // ln 2 = high + low, n * high exact
  Isa::fma(r, n, c, r);
  fill(c, -0x1.7f7d1cp-20f);
  Isa::fma(r, n, c, r);
  real p;
  fill(p, 0.0013926184037700295f);
  fill(c, 0.008363178931176662f);
  Isa::fma(p, p, r, c);
  fill(c, 0.041666556149721146f);
  Isa::fma(p, p, r, c);
  fill(c, 0.16666576266288757f);
  Isa::fma(p, p, r, c);
  fill(c, 0.5f);
  Isa::fma(p, p, r, c);
  const real square = r * r;
  Isa::fma(p, p, square, r);
  const real power = __builtin_bit_cast(real, __builtin_bit_cast(bits, shifted) << 23);
  Isa::fma(x, p, power, power);
}

/// x <- exp(x * factor), 0 < factor < 2e38, lane by lane, for products up to 88; 0 below -87.7. It goes by powers of two, fewer steps than a
/// product and `exp_in_place`. Within 1.2 ulp of the exponential of a rounded product: one of size d costs d 2^-23 more. Exactly 1 at x = 0.
/// NaN stays NaN.
template <class Isa>
GAVEL_ALWAYS_INLINE void exp_of_product(typename Isa::template vec<float>& x, float factor) {
  using real = typename Isa::template vec<float>;
  using bits = typename Isa::template vec<std::int32_t>;
  constexpr float coefficients[] = {0.0013390863364671234f, 0.009618082557277855f, 0.05550357114219078f, 0.2402265076056813f,
                                    0.6931471880262288f};
  real c;
  fill(c, static_cast<float>(static_cast<double>(factor) * 0x1.71547652b82fep+0));  // over ln 2
  x *= c;
  fill(c, -127.0f);
  rounded(c);         // opaque: a constant here costs g++ a comparison and a blend
  x = c > x ? c : x;  // in this order, so that NaN passes
  // Adding 1.5 * 2^23 + 127 leaves n + 127, n = round(x), in the low bits: the exponent field of 2^n. n = -127 gives 0.
  const real shifted = x + 0x1.8000fep23f;
  x -= shifted - 0x1.8000fep23f;
  real p;
  fill(p, 0.0001545316294512069f);
#pragma GCC unroll 9
  for (const float coefficient : coefficients) {
    fill(c, coefficient);
    Isa::fma(p, p, x, c);
  }
  x *= p;
  const real power = __builtin_bit_cast(real, __builtin_bit_cast(bits, shifted) << 23);
  Isa::fma(x, x, power, power);
}

/// x <- exp(x) for x <= 709, lane by lane; 0 below -708.8 (the exact value is under 1.5e-308). Within 1.1 ulp of the exact value while that
/// is a normal number. NaN stays NaN.
template <class Isa>
GAVEL_ALWAYS_INLINE void exp_in_place(typename Isa::template vec<double>& x) {
  using real = typename Isa::template vec<double>;
  using bits = typename Isa::template vec<std::int64_t>;
  constexpr double coefficients[] = {2.7620088445409746e-07, 2.7557268459997064e-06, 2.4801521295954376e-05,
                                     0.00019841269863053618, 0.0013888888917213717,  0.008333333333330062,
                                     0.04166666666662413,    0.16666666666666669,    0.5000000000000001};
  real c;
  fill(c, -709.0);
  rounded(c);
  x = c > x ? c : x;
  real shifted;
  real log2_e;
  fill(c, 0x1.80000000003ffp52);  // 1.5 * 2^52 + 1023
  fill(log2_e, 0x1.71547652b82fep+0);
  Isa::fma(shifted, x, log2_e, c);
  const real n = shifted - c;
  real r = x;
  fill(c, -0x1.62e42feep-1);
  Isa::fma(r, n, c, r);
  fill(c, -0x1.a39ef35793c76p-33);
  Isa::fma(r, n, c, r);
  real p;
  fill(p, 2.510038549551032e-08);
#pragma GCC unroll 9
  for (const double coefficient : coefficients) {
    fill(c, coefficient);
    Isa::fma(p, p, r, c);
  }
  const real square = r * r;
  Isa::fma(p, p, square, r);
  const real power = __builtin_bit_cast(real, __builtin_bit_cast(bits, shifted) << 52);
  Isa::fma(x, p, power, power);
}

template <class Isa>
GAVEL_ALWAYS_INLINE void exp_of_product(typename Isa::template vec<double>& x, double factor) {
  x *= factor;
  exp_in_place<Isa>(x);
}

/// x <- log(x) for normal positive x (2.3e-308 and up), lane by lane. Within 1 ulp away from 1, absolute error below 1e-16 near it.
template <class Isa>
GAVEL_ALWAYS_INLINE void log_in_place(typename Isa::template vec<double>& x) {
  using real = typename Isa::template vec<double>;
  using bits = typename Isa::template vec<std::int64_t>;
  constexpr double coefficients[] = {0.13268759668560612, 0.15386240205813478, 0.18181795630884753, 0.2222222239180047,
                                     0.2857142857080323,  0.4000000000000088,  0.6666666666666666};
  // x = 2^k m with m in [sqrt(1/2), sqrt(2)); f = (m-1)/(m+1); log m = 2f + f^3 P(f^2) written as (m-1) - f (m-1 - f^2 P)
  const bits raw = __builtin_bit_cast(bits, x);
  const bits offset = raw - 0x3fe6a09e667f3bcd;
  const bits k = offset >> 52;
  const real m = __builtin_bit_cast(real, raw - (k << 52));
  // k to double exactly: k + 1.5 * 2^52 in the integer domain, subtracted in the real one
  const real k_real = __builtin_bit_cast(real, k + 0x4338000000000000) - 0x1.8p52;
  const real d = m - 1.0;
  const real f = d / (m + 1.0);
  const real s = f * f;
  real p;
  real c;
  fill(p, 0.13086767009948175);
#pragma GCC unroll 9
  for (const double coefficient : coefficients) {
    fill(c, coefficient);
    Isa::fma(p, p, s, c);
  }
  // log m = d - f (d - s p)
  const real minus_s = -s;
  real inner;
  Isa::fma(inner, minus_s, p, d);
  const real minus_f = -f;
  real low;
  fill(c, 0x1.a39ef35793c76p-33);
  const real zero = {};
  Isa::fma(low, k_real, c, zero);
  Isa::fma(low, minus_f, inner, low);
  low += d;
  fill(c, 0x1.62e42feep-1);
  Isa::fma(x, k_real, c, low);
}

namespace detail {
struct exp_kernel {
  template <class Isa>
  static GAVEL_ALWAYS_INLINE double run(double x) {
    typename Isa::template vec<double> v;
    fill(v, x);
    exp_in_place<Isa>(v);
    return v[0];
  }
};
struct log_kernel {
  template <class Isa>
  static GAVEL_ALWAYS_INLINE double run(double x) {
    typename Isa::template vec<double> v;
    fill(v, x);
    log_in_place<Isa>(v);
    return v[0];
  }
};
template <class Isa>
GAVEL_ALWAYS_INLINE double exp_of(double x) {
  return exp_kernel::run<Isa>(x);
}
template <class Isa>
GAVEL_ALWAYS_INLINE double log_of(double x) {
  return log_kernel::run<Isa>(x);
}
}  // namespace detail

/// exp(x) for x <= 709 by the kernels' own code: the same bits on every path that fuses. Zero below -708.8.
[[nodiscard]] inline double exp(double x) { return dispatch<detail::exp_kernel>(x); }

/// log(x) for normal positive x, likewise.
[[nodiscard]] inline double log(double x) { return dispatch<detail::log_kernel>(x); }

}  // namespace GAVEL_BASE_ISA
}  // namespace gavel::kernels

GAVEL_VECTOR_CODE_END
