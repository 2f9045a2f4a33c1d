// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/ordering.hpp>
#include <gavel/kernels/log_sum_exp.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>

/// @file
/// The largest elements of a row: argmax, the k-th largest value, the k largest in order. One vectorised pass finds a bound from lane-wise
/// maxima that only a few elements reach; those are sorted.

GAVEL_VECTOR_CODE_BEGIN

namespace gavel::kernels {
inline namespace GAVEL_BASE_ISA {
namespace detail {

/// Lane-wise maxima kept by the first pass, and candidates by the second.
inline constexpr std::size_t max_groups = 4096;

/// Splits a row into segments of whole blocks; lane l of a segment forms one group. Writes the maximum of every group; returns the number
/// of elements per segment.
struct group_maxima_kernel {
  template <class Isa, stored_scalar S>
  static GAVEL_ALWAYS_INLINE std::size_t run(const S* x, std::size_t n, compute_type<S>* maxima) {
    using T = compute_type<S>;
    constexpr std::size_t lanes = Isa::template lanes<T>;
    constexpr std::size_t max_segments = max_groups / block_size<T>;
    const std::size_t blocks = (n + block_size<T> - 1) / block_size<T>;
    const std::size_t segment = (blocks + max_segments - 1) / max_segments * block_size<T>;
    for (std::size_t begin = 0; begin < n; begin += segment, maxima += block_size<T>) {
      typename Isa::template vec<T> largest[Isa::vectors];
      max_lanes<Isa>(largest, x, begin, n - begin < segment ? n : begin + segment);
      for (std::size_t j = 0; j < Isa::vectors; ++j) store(maxima + j * lanes, largest[j]);
    }
    return segment;
  }
};

template <class T>
struct candidate {
  T value;
  std::uint32_t id;
};

/// Better first: larger value, then lower index.
struct better {
  template <class T>
  constexpr bool operator()(const candidate<T>& a, const candidate<T>& b) const noexcept {
    return a.value != b.value ? a.value > b.value : a.id < b.id;
  }
};

/// Collects at least min(k, n) elements, among them the k best. Returns their number, or 0 when they do not fit: many ties, or k too large.
template <stored_scalar S>
[[nodiscard]] std::size_t collect_candidates(const S* x, std::size_t n, std::size_t k, candidate<compute_type<S>>* found) {
  using T = compute_type<S>;
  if (n <= max_groups) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const T value = widen(x[i]);
      if (value == value) found[count++] = {value, static_cast<std::uint32_t>(i)};
    }
    return count;
  }
  T maxima[max_groups];
  T ordered[max_groups] = {};
  const std::size_t segment = dispatch<group_maxima_kernel>(x, n, static_cast<T*>(maxima));
  const std::size_t groups = (n + segment - 1) / segment * block_size<T>;
  if (k > groups) return 0;
  for (std::size_t g = 0; g < groups; ++g) ordered[g] = maxima[g];
  select_first(static_cast<T*>(ordered), groups, k, [](T a, T b) { return a > b; });
  const T bound = ordered[k - 1];  // k groups reach it, so the k-th largest element does
  std::size_t count = 0;
  for (std::size_t g = 0; g < groups; ++g) {
    if (!(maxima[g] >= bound)) continue;
    const std::size_t begin = g / block_size<T> * segment;
    const std::size_t end = n - begin < segment ? n : begin + segment;
    for (std::size_t i = begin + g % block_size<T>; i < end; i += block_size<T>) {
      const T value = widen(x[i]);
      if (value >= bound) {
        if (count == max_groups) return 0;
        found[count++] = {value, static_cast<std::uint32_t>(i)};
      }
    }
  }
  return count;
}

/// An unsigned key that orders like the number it encodes.
[[nodiscard]] constexpr std::uint32_t ordered_key(float value) noexcept {
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, value == 0.0f ? 0.0f : value);
  return bits ^ ((bits >> 31) != 0 ? 0xffffffffu : 0x80000000u);
}
[[nodiscard]] constexpr std::uint64_t ordered_key(double value) noexcept {
  const std::uint64_t bits = __builtin_bit_cast(std::uint64_t, value == 0.0 ? 0.0 : value);
  return bits ^ ((bits >> 63) != 0 ? 0xffffffffffffffffu : 0x8000000000000000u);
}
[[nodiscard]] constexpr float value_of_key(std::uint32_t key) noexcept {
  return __builtin_bit_cast(float, key ^ ((key >> 31) != 0 ? 0x80000000u : 0xffffffffu));
}
[[nodiscard]] constexpr double value_of_key(std::uint64_t key) noexcept {
  return __builtin_bit_cast(double, key ^ ((key >> 63) != 0 ? 0x8000000000000000u : 0xffffffffffffffffu));
}

/// The largest value v such that the weights of the elements >= v reach @p target: a radix search over the keys, 11 bits a pass, no
/// allocation. `weights(begin, count, out)` writes the weights of a chunk in double. Rounding short of the target gives the smallest
/// element of positive weight.
template <stored_scalar S, class Weights>
[[nodiscard]] compute_type<S> weighted_select(const S* x, std::size_t n, double target, Weights&& weights) {
  using T = compute_type<S>;
  using key_type = decltype(ordered_key(T{0}));
  constexpr int key_bits = static_cast<int>(8 * sizeof(key_type));
  constexpr std::size_t chunk = 2048;
  key_type prefix = 0;
  double above = 0.0;  // weight of the elements whose key exceeds the prefix range
  for (int high = key_bits; high > 0;) {
    const int low = high > 11 ? high - 11 : 0;
    const key_type mask = static_cast<key_type>((key_type{1} << (high - low)) - 1);
    double histogram[2048] = {};
    for (std::size_t begin = 0; begin < n; begin += chunk) {
      const std::size_t count = n - begin < chunk ? n - begin : chunk;
      double w[chunk];
      weights(begin, count, w);
      for (std::size_t i = 0; i < count; ++i) {
        const T value = widen(x[begin + i]);
        const key_type key = ordered_key(value);
        const bool inside = high == key_bits || (key >> high) == (prefix >> high);
        if (inside && w[i] > 0.0 && value == value) histogram[(key >> low) & mask] += w[i];
      }
    }
    std::size_t chosen = 0;
    double reached = above;
    for (std::size_t bin = static_cast<std::size_t>(mask) + 1; bin-- > 0;) {
      if (histogram[bin] > 0.0) {
        chosen = bin;
        above = reached;
        reached += histogram[bin];
        if (reached >= target) break;
      }
    }
    prefix |= static_cast<key_type>(static_cast<key_type>(chosen) << low);
    high = low;
  }
  return value_of_key(prefix);
}

}  // namespace detail

/// The k-th largest value of a row, counting ties. NaN counts as missing; with fewer than k numbers, the smallest.
/// @param x [n]
/// @param k in [1, n]
/// @note No allocation, up to 130 KiB of stack. One vectorised pass and a selection among about k elements; for k above 4,096, or when more
///      than 4,096 elements tie, a
///       radix search of three passes (six for double).
template <stored_scalar S>
[[nodiscard]] compute_type<S> kth_largest(const S* x, std::size_t n, std::size_t k) {
  detail::candidate<compute_type<S>> found[detail::max_groups];
  const std::size_t count = k <= detail::max_groups ? detail::collect_candidates(x, n, k, found) : 0;
  if (count >= k) {
    select_first(static_cast<detail::candidate<compute_type<S>>*>(found), count, k, detail::better());
    return found[k - 1].value;
  }
  return detail::weighted_select(x, n, static_cast<double>(k), [](std::size_t, std::size_t m, double* w) {
    for (std::size_t i = 0; i < m; ++i) w[i] = 1.0;
  });
}

/// The indices of the k largest elements, largest first, ties to the lower index.
/// @param x   [n], n <= 2^32; -0 ties with 0
/// @param k   in [1, n]
/// @param ids [k]
/// @return the number written: k, or the number of elements that are not NaN when that is smaller
/// @note Cost as `kth_largest`, and O(k log k) for the order. No allocation, up to 170 KiB of stack.
template <stored_scalar S>
std::size_t top_k(const S* x, std::size_t n, std::size_t k, std::uint32_t* ids) {
  using T = compute_type<S>;
  detail::candidate<T> found[detail::max_groups];
  const std::size_t count = k <= detail::max_groups ? detail::collect_candidates(x, n, k, found) : 0;
  if (count != 0) {
    const std::size_t wanted = k < count ? k : count;
    select_first(static_cast<detail::candidate<T>*>(found), count, wanted, detail::better());
    sort_values(static_cast<detail::candidate<T>*>(found), wanted, detail::better());
    for (std::size_t i = 0; i < wanted; ++i) ids[i] = found[i].id;
    return wanted;
  }
  const T bound = kth_largest(x, n, k);
  std::size_t written = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (widen(x[i]) > bound) ids[written++] = static_cast<std::uint32_t>(i);
  }
  for (std::size_t i = 0; i < n && written < k; ++i) {
    if (widen(x[i]) == bound) ids[written++] = static_cast<std::uint32_t>(i);
  }
  sort_values(ids, written, [x](std::uint32_t a, std::uint32_t b) {
    return detail::better()(detail::candidate<T>{widen(x[a]), a}, detail::candidate<T>{widen(x[b]), b});
  });
  return written;
}

/// The index of the largest element, the lowest on ties; 0 for a row of NaN only, or an empty one. One read of the row.
template <stored_scalar S>
[[nodiscard]] std::size_t argmax(const S* x, std::size_t n) {
  using T = compute_type<S>;
  if (n == 0) return 0;
  T maxima[detail::max_groups];
  const std::size_t segment = dispatch<detail::group_maxima_kernel>(x, n, static_cast<T*>(maxima));
  const std::size_t segments = (n + segment - 1) / segment;
  T largest = -std::numeric_limits<T>::infinity();
  std::size_t first = 0;
  for (std::size_t s = 0; s < segments; ++s) {
    for (std::size_t lane = 0; lane < block_size<T>; ++lane) {
      if (maxima[s * block_size<T> + lane] > largest) {
        largest = maxima[s * block_size<T> + lane];
        first = s;
      }
    }
  }
  const std::size_t begin = first * segment;
  for (std::size_t i = begin; i < n; ++i) {
    if (widen(x[i]) == largest) return i;
  }
  return 0;
}

#if defined(GAVEL_INSTANCE)
#define GAVEL_INSTANCES(S)                                                              \
  GAVEL_INSTANCE compute_type<S> kth_largest(const S*, std::size_t, std::size_t);       \
  GAVEL_INSTANCE std::size_t top_k(const S*, std::size_t, std::size_t, std::uint32_t*); \
  GAVEL_INSTANCE std::size_t argmax(const S*, std::size_t);
GAVEL_FOR_EACH_STORAGE(GAVEL_INSTANCES)
#undef GAVEL_INSTANCES
#endif

}  // namespace GAVEL_BASE_ISA
}  // namespace gavel::kernels

GAVEL_VECTOR_CODE_END
