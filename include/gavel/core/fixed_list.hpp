// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/error.hpp>
#include <gavel/core/views.hpp>

#include <concepts>
#include <cstddef>
#include <initializer_list>

/// @file
/// A short list that lives inside its owner, so that the owner stays a value that literals can build at compile time.

namespace gavel {

/// Up to @p Capacity values of a trivial type, in the order given.
template <class T, std::size_t Capacity>
class fixed_list {
 public:
  constexpr fixed_list() = default;
  /// @throws std::invalid_argument if there are more than Capacity values
  constexpr fixed_list(std::initializer_list<T> values) : fixed_list(vector_view<const T>(values.begin(), values.size())) {}
  /// @throws std::invalid_argument if there are more than Capacity values
  template <class C>
  requires dense_vector<C> && std::convertible_to<const C&, vector_view<const T>>
  constexpr fixed_list(const C& values) : fixed_list(vector_view<const T>(values)) {}
  constexpr fixed_list(vector_view<const T> values) {
    if (values.size() > Capacity) invalid_argument("gavel::fixed_list", "size", values.size(), "must be <= capacity", Capacity);
    for (const T& value : values) values_[size_++] = value;
  }

  [[nodiscard]] static constexpr std::size_t capacity() noexcept { return Capacity; }
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] constexpr const T* data() const noexcept { return values_; }
  [[nodiscard]] constexpr const T* begin() const noexcept { return values_; }
  [[nodiscard]] constexpr const T* end() const noexcept { return values_ + size_; }
  /// Unchecked.
  [[nodiscard]] constexpr const T& operator[](std::size_t index) const noexcept { return values_[index]; }

  friend constexpr bool operator==(const fixed_list& a, const fixed_list& b) noexcept {
    if (a.size_ != b.size_) return false;
    for (std::size_t i = 0; i < a.size_; ++i) {
      if (!(a.values_[i] == b.values_[i])) return false;
    }
    return true;
  }

 private:
  T values_[Capacity] = {};
  std::size_t size_ = 0;
};

}  // namespace gavel
