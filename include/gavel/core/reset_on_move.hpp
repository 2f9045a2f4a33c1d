// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/config.hpp>

#include <type_traits>
#include <utility>

/// @file
/// For classes whose moves are the default ones: vectors empty themselves when they are moved from, numbers do not, and a size that stays
/// behind without its vector is read out of bounds.

namespace gavel {

/// A member that is `T{}` again once it was moved from, so that what is left of its class behaves like a fresh object.
template <class T>
  requires std::is_nothrow_move_assignable_v<T>
class reset_on_move {
 public:
  constexpr reset_on_move() = default;
  constexpr reset_on_move(const T& value) : value_(value) {}  // implicit on purpose: stands for the value
  reset_on_move(const reset_on_move&) = default;
  reset_on_move& operator=(const reset_on_move&) = default;
  constexpr reset_on_move(reset_on_move&& other) noexcept : value_(std::exchange(other.value_, T{})) {}
  constexpr reset_on_move& operator=(reset_on_move&& other) noexcept {
    value_ = other.value_;
    other.value_ = T{};  // last, so that a move to itself resets too: it empties the vectors
    return *this;
  }
  ~reset_on_move() = default;

  [[nodiscard]] constexpr operator const T&() const noexcept { return value_; }
  [[nodiscard]] constexpr const T* operator->() const noexcept { return &value_; }

 private:
  T value_{};
};

}  // namespace gavel
