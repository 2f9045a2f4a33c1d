// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/views.hpp>

#include <concepts>
#include <cstddef>
#include <initializer_list>

/// @file
/// A short list that lives inside its owner, so that the owner stays a value that literals can build at compile time. For the parameters of
/// such values (milestones, boundaries); where the length is data, take a std::vector, where it is fixed, a std::array.
///
///     constexpr fixed_list<double, 8> milestones{0.3, 0.6, 0.9};
///     static_assert(milestones.size() == 3 && milestones[2] == 0.9);

namespace gavel {

/// What a `fixed_list` that has no name of its own calls itself when it is given too many values.
struct fixed_list_name {
  static constexpr const char* value = "gavel::fixed_list";
};

/// Up to @p Capacity values of a trivial type, in the order given. Read-only: to change it, assign another list.
/// @note Takes the room of Capacity values whatever it holds, and copies all of it; never allocates. Everything works in constant
///       expressions, where too many values are an error of compilation.
/// @tparam Name what the message for too many values begins with, `Name::value`: the owner's word for the list
template <class T, std::size_t Capacity, class Name = fixed_list_name>
class fixed_list {
 public:
  constexpr fixed_list() = default;
  /// @throws std::invalid_argument if there are more than Capacity values
  constexpr fixed_list(std::initializer_list<T> values) : fixed_list(vector_view<const T>(values.begin(), values.size())) {}
  /// From a std::vector, std::array or another dense container of T, whose values are copied.
  /// @throws std::invalid_argument if there are more than Capacity values
  template <class C>
    requires dense_vector<C> && std::convertible_to<const C&, vector_view<const T>>
  constexpr fixed_list(const C& values) : fixed_list(vector_view<const T>(values)) {}
  /// From a view, whose values are copied.
  /// @throws std::invalid_argument if there are more than Capacity values
  constexpr fixed_list(vector_view<const T> values) {
    check_at_most(Name::value, "size", values.size(), "capacity", Capacity);
    while (size_ < values.size() && size_ < Capacity)
      values_[size_] = values[size_], ++size_;  // g++ 12 warns of a bound that it cannot see
  }

  [[nodiscard]] static constexpr std::size_t capacity() noexcept { return Capacity; }
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] constexpr const T* data() const noexcept { return values_; }
  [[nodiscard]] constexpr const T* begin() const noexcept { return values_; }
  [[nodiscard]] constexpr const T* end() const noexcept { return values_ + size_; }
  /// Unchecked: index < size().
  [[nodiscard]] constexpr const T& operator[](std::size_t index) const noexcept { return values_[index]; }

  /// Same length and values; NaN equals nothing.
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
