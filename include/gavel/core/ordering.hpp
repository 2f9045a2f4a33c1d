// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/config.hpp>

#include <cstddef>
#include <utility>

/// @file
/// Selection and sorting in place. `<algorithm>` would cost every user of a kernel some nine thousand preprocessed lines.

namespace gavel {

namespace detail {

/// Restores the heap property below @p root; the element that comes last in the order is on top.
template <class T, class Before>
constexpr void sift_down(T* values, std::size_t root, std::size_t size, Before& before) {
  while (2 * root + 1 < size) {
    std::size_t child = 2 * root + 1;
    if (child + 1 < size && before(values[child], values[child + 1])) ++child;
    if (!before(values[root], values[child])) return;
    std::swap(values[root], values[child]);
    root = child;
  }
}

}  // namespace detail

/// Sorts @p size values so that `before(a, b)` means a stands first. Not stable: give @p before a total order where ties matter.
/// @note Heap sort: O(size log size) always, no allocation; insertion sort for up to 32 values.
template <class T, class Before>
constexpr void sort_values(T* values, std::size_t size, Before before) {
  if (size <= 32) {
    for (std::size_t i = 1; i < size; ++i) {
      T value = std::move(values[i]);
      std::size_t at = i;
      for (; at > 0 && before(value, values[at - 1]); --at) values[at] = std::move(values[at - 1]);
      values[at] = std::move(value);
    }
    return;
  }
  for (std::size_t root = size / 2; root-- > 0;) detail::sift_down(values, root, size, before);
  for (std::size_t end = size - 1; end > 0; --end) {
    std::swap(values[0], values[end]);
    detail::sift_down(values, 0, end, before);
  }
}

/// Rearranges so that the @p count first values of the order, in any order, stand in front and `values[count - 1]` is the last of them.
/// @param count in [1, size]
/// @note Quickselect with the median of three: O(size) expected; rows that defeat it fall back to heap sort. No allocation.
template <class T, class Before>
constexpr void select_first(T* values, std::size_t size, std::size_t count, Before before) {
  std::size_t low = 0;
  std::size_t high = size;  // the wanted place count - 1 lies in [low, high)
  for (std::size_t rounds = 0; high - low > 32; ++rounds) {
    if (rounds > 64) break;
    T a = values[low];
    T b = values[low + (high - low) / 2];
    T c = values[high - 1];
    if (before(b, a)) std::swap(a, b);
    if (before(c, b)) std::swap(b, c);
    if (before(b, a)) std::swap(a, b);
    const T pivot = b;
    // Hoare partition: [low, i) does not come after the pivot, [i, high) does not come before it; equal values split evenly.
    std::size_t i = low;
    std::size_t j = high - 1;
    while (true) {
      while (before(values[i], pivot)) ++i;
      while (before(pivot, values[j])) --j;
      if (i >= j) break;
      std::swap(values[i], values[j]);
      ++i;
      --j;
    }
    const std::size_t split = j + 1;  // in (low, high)
    if (split == high) break;
    if (count - 1 < split) {
      high = split;
    } else {
      low = split;
    }
  }
  sort_values(values + low, high - low, before);
}

}  // namespace gavel
