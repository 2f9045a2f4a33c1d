// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/config.hpp>

#include <bit>
#include <cstdint>
#include <type_traits>

/// @file
/// Number formats as they lie in memory. Rows of logits and probabilities come as float, double, or one of the two 16-bit formats; the
/// 16-bit ones are storage only: kernels widen them to float (exactly) as they load.

namespace Eigen {
struct half;      // declared here so that rows of Eigen::half and Eigen::bfloat16 work without including Eigen
struct bfloat16;  // neither is used unless the program includes Eigen itself
}  // namespace Eigen

namespace gavel {

/// IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits.
struct half {
  std::uint16_t bits = 0;
  friend constexpr bool operator==(half, half) = default;
};

/// The upper half of a float: 1 sign, 8 exponent, 7 fraction bits.
struct bfloat16 {
  std::uint16_t bits = 0;
  friend constexpr bool operator==(bfloat16, bfloat16) = default;
};

enum class storage_format { float32, float64, binary16, bfloat16 };

/// Tells the kernels how to read a type; specialise it for a two-byte type of your own (`format` is all they need).
template <class T>
struct storage_traits {};
template <>
struct storage_traits<float> {
  static constexpr storage_format format = storage_format::float32;
};
template <>
struct storage_traits<double> {
  static constexpr storage_format format = storage_format::float64;
};
template <>
struct storage_traits<half> {
  static constexpr storage_format format = storage_format::binary16;
};
template <>
struct storage_traits<bfloat16> {
  static constexpr storage_format format = storage_format::bfloat16;
};
template <>
struct storage_traits<Eigen::half> {
  static constexpr storage_format format = storage_format::binary16;
};
template <>
struct storage_traits<Eigen::bfloat16> {
  static constexpr storage_format format = storage_format::bfloat16;
};

/// float, double, or a 16-bit storage format.
template <class T>
concept stored_scalar = requires { storage_traits<T>::format; };

/// float or double: what results are written as.
template <class T>
concept real_scalar = std::is_same_v<T, float> || std::is_same_v<T, double>;

/// The type a stored scalar is computed in: double for double, else float.
template <stored_scalar T>
using compute_type = std::conditional_t<storage_traits<T>::format == storage_format::float64, double, float>;

/// Widens one stored number; exact.
template <stored_scalar T>
[[nodiscard]] constexpr compute_type<T> widen(const T& value) noexcept {
  constexpr storage_format format = storage_traits<T>::format;
  if constexpr (format == storage_format::float32 || format == storage_format::float64) {
    return value;
  } else {
    const std::uint32_t bits = __builtin_bit_cast(std::uint16_t, value);
    if constexpr (format == storage_format::bfloat16) {
      return std::bit_cast<float>(bits << 16);
    } else {
      // The fraction and exponent move into place; 2^112 corrects the bias and is exact for subnormals as well.
      const std::uint32_t magnitude = (bits & 0x7fffu) << 13;
      const float scaled = std::bit_cast<float>(magnitude) * 0x1p112f;
      const std::uint32_t finite = std::bit_cast<std::uint32_t>(scaled);
      const std::uint32_t special = magnitude | 0x7f800000u;  // infinity and NaN
      return std::bit_cast<float>((magnitude >= 0x0f800000u ? special : finite) | (bits & 0x8000u) << 16);
    }
  }
}

/// Rounds to the nearest binary16, ties to even; overflow becomes infinity, NaN stays NaN.
[[nodiscard]] constexpr half to_half(float value) noexcept {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  std::uint32_t result = 0;
  if (magnitude > 0x7f800000u) {
    result = 0x7e00u;
  } else if (magnitude >= 0x477ff000u) {  // 65520 and above round to infinity
    result = 0x7c00u;
  } else if (magnitude < 0x38800000u) {  // subnormal or zero: let the float adder round at 2^-24
    result = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3f000000u;
  } else {
    result = (magnitude - 0x38000000u + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  }
  return half{static_cast<std::uint16_t>(sign | result)};
}

/// Rounds to the nearest bfloat16, ties to even; NaN stays NaN.
[[nodiscard]] constexpr bfloat16 to_bfloat16(float value) noexcept {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return bfloat16{static_cast<std::uint16_t>((bits >> 16) | 0x40u)};
  return bfloat16{static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
}

}  // namespace gavel
