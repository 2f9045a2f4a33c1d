// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

/// @file
/// How data enters and leaves: one-dimensional input is anything with `data()` and `size()` and unit stride (`std::vector`, `std::array`,
/// `std::span`, a dense Eigen vector, a row of a row-major Eigen matrix); two-dimensional input is a `matrix_view`. Nothing is copied.

namespace gavel {

namespace detail {

template <class C>
concept has_data_and_size = requires(C& c) {
  { *c.data() };
  { c.size() } -> std::convertible_to<std::size_t>;
};

// Eigen types carry their strides at compile time; a view over memory with gaps would read the wrong numbers.
template <class C>
concept is_eigen = requires { std::remove_cvref_t<C>::InnerStrideAtCompileTime; };

template <class C>
consteval bool unit_stride() {
  using type = std::remove_cvref_t<C>;
  if constexpr (is_eigen<C>) {
    return bool(type::IsVectorAtCompileTime) && type::InnerStrideAtCompileTime == 1;
  } else {
    return true;
  }
}

template <class C>
using element_of = std::remove_reference_t<decltype(*std::declval<C&>().data())>;

}  // namespace detail

/// A contiguous one-dimensional sequence: `data()`, `size()`, unit stride.
template <class C>
concept dense_vector = detail::has_data_and_size<C> && detail::unit_stride<C>();

/// The scalar of a dense vector without const.
template <class C>
using scalar_of = std::remove_cv_t<detail::element_of<C>>;

/// A `std::span` over any dense vector. Views of strided memory and unevaluated Eigen expressions are rejected at compile time: call
/// `.eval()` on the expression, or take a row of a row-major matrix.
template <class C>
[[nodiscard]] constexpr auto as_span(C&& sequence) noexcept {
  static_assert(detail::has_data_and_size<std::remove_reference_t<C>>,
                "gavel: this type has no data() and size(). An Eigen expression must be evaluated first (call .eval()).");
  if constexpr (detail::has_data_and_size<std::remove_reference_t<C>>) {
    static_assert(detail::unit_stride<C>(),
                  "gavel: a one-dimensional view needs unit stride. Take a row of a row-major matrix or a column of a "
                  "column-major one, or copy the values into a vector.");
    return std::span<detail::element_of<std::remove_reference_t<C>>>(sequence.data(), static_cast<std::size_t>(sequence.size()));
  }
}

/// A parameter type: a borrowed contiguous sequence of `T`, implicitly made from any dense vector of `T`; converts to `std::span`.
template <class T>
class vector_view {
 public:
  constexpr vector_view() noexcept = default;
  constexpr vector_view(T* data, std::size_t size) noexcept : data_(data), size_(size) {}
  template <class C>
    requires(!std::same_as<std::remove_cvref_t<C>, vector_view>) && dense_vector<std::remove_reference_t<C>> &&
                std::convertible_to<detail::element_of<std::remove_reference_t<C>> (*)[], T (*)[]>
  constexpr vector_view(C&& sequence) noexcept : data_(sequence.data()), size_(static_cast<std::size_t>(sequence.size())) {}

  [[nodiscard]] constexpr T* data() const noexcept { return data_; }
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] constexpr T* begin() const noexcept { return data_; }
  [[nodiscard]] constexpr T* end() const noexcept { return data_ + size_; }
  [[nodiscard]] constexpr T& operator[](std::size_t index) const noexcept { return data_[index]; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

/// A borrowed row-major matrix: `rows` x `cols` values of `T`, consecutive rows `row_stride` elements apart.
template <class T>
class matrix_view {
 public:
  constexpr matrix_view() noexcept = default;

  /// @throws std::invalid_argument if `row_stride < cols` while there is more than one row
  constexpr matrix_view(T* data, std::size_t rows, std::size_t cols, std::size_t row_stride)
      : data_(data), rows_(rows), cols_(cols), row_stride_(row_stride) {
    if (rows > 1) check_at_least("gavel::matrix_view", "row_stride", row_stride, "cols", cols);
  }
  constexpr matrix_view(T* data, std::size_t rows, std::size_t cols) noexcept : data_(data), rows_(rows), cols_(cols), row_stride_(cols) {}

  /// The whole of @p values as rows of @p cols elements.
  /// @throws std::invalid_argument if the size is not a multiple of @p cols
  template <class C>
    requires dense_vector<std::remove_reference_t<C>>
  constexpr matrix_view(C&& values, std::size_t cols)
      : data_(values.data()), rows_(cols == 0 ? 0 : static_cast<std::size_t>(values.size()) / cols), cols_(cols), row_stride_(cols) {
    if (rows_ * cols_ != static_cast<std::size_t>(values.size())) {
      refuse("gavel::matrix_view", "values.size()", static_cast<std::size_t>(values.size()), "must be a multiple of cols", cols);
    }
  }

  /// A mutable view converts to a const one.
  template <class U>
    requires std::same_as<const U, T>
  constexpr matrix_view(const matrix_view<U>& other) noexcept
      : data_(other.data()), rows_(other.rows()), cols_(other.cols()), row_stride_(other.row_stride()) {}

  [[nodiscard]] constexpr T* data() const noexcept { return data_; }
  [[nodiscard]] constexpr std::size_t rows() const noexcept { return rows_; }
  [[nodiscard]] constexpr std::size_t cols() const noexcept { return cols_; }
  [[nodiscard]] constexpr std::size_t row_stride() const noexcept { return row_stride_; }
  /// Row @p index; unchecked.
  [[nodiscard]] constexpr std::span<T> row(std::size_t index) const noexcept { return {data_ + index * row_stride_, cols_}; }
  /// Rows `[first, first + count)`; unchecked.
  [[nodiscard]] constexpr matrix_view middle_rows(std::size_t first, std::size_t count) const noexcept {
    matrix_view part = *this;
    part.data_ = data_ + first * row_stride_;
    part.rows_ = count;
    return part;
  }
  [[nodiscard]] constexpr T& operator()(std::size_t row, std::size_t col) const noexcept { return data_[row * row_stride_ + col]; }

 private:
  T* data_ = nullptr;
  std::size_t rows_ = 0;
  std::size_t cols_ = 0;
  std::size_t row_stride_ = 0;
};

template <class C>
matrix_view(C&&, std::size_t) -> matrix_view<detail::element_of<std::remove_reference_t<C>>>;

}  // namespace gavel

// A view owns nothing: what it points at outlives it.
template <class T>
inline constexpr bool std::ranges::enable_borrowed_range<gavel::vector_view<T>> = true;
template <class T>
inline constexpr bool std::ranges::enable_view<gavel::vector_view<T>> = true;
