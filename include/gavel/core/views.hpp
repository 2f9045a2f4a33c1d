// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>

#include <concepts>
#include <cstddef>
#include <span>  // data, size too
#include <type_traits>
#include <utility>

/// @file
/// How data enters and leaves: one-dimensional data is anything with `data()` and `size()` and unit stride (`std::vector`, `std::array`, an
/// array, `std::span`, a dense Eigen vector, a row of a row-major Eigen matrix), two-dimensional data a `matrix_view` or a row-major Eigen
/// matrix. Nothing is copied. A view that lives longer than the call it is passed to is never made of a temporary.

namespace gavel {

namespace detail {

template <class C>
concept has_data_and_size = requires(C& c) {
  { *std::data(c) };
  { std::size(c) } -> std::convertible_to<std::size_t>;
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
consteval auto element_probe() {
  if constexpr (requires(C& c) { *std::data(c); })
    return std::type_identity<std::remove_reference_t<decltype(*std::data(std::declval<C&>()))>>{};
  else if constexpr (is_eigen<C>) return std::type_identity<const typename C::Scalar>{};  // an expression, which has no memory
}
template <class C>
using element_of = typename decltype(element_probe<C>())::type;

/// Elements of type E can be read, and if T is not const written, as T. An unsigned view also takes the signed integers of its width, which
/// callers have: a negative one is a huge one, and no valid index.
template <class E, class T>
concept viewable_as =
    std::convertible_to<E (*)[], T (*)[]> || ((std::is_const_v<T> || !std::is_const_v<E>) && std::unsigned_integral<std::remove_cv_t<T>> &&
                                              std::same_as<std::remove_cv_t<E>, std::make_signed_t<std::remove_cv_t<T>>>);

/// What a forwarding reference C&& refers to outlives the call: it has a name, or is itself a view (`std::span`, an `Eigen::Map`, a row).
template <class C>
consteval bool outlives_call() {
  using type = std::remove_cvref_t<C>;
  if constexpr (std::is_lvalue_reference_v<C>) return true;
  else if constexpr (is_eigen<C>) return !std::same_as<typename type::PlainObject, type>;
  else return std::ranges::enable_borrowed_range<type>;
}

template <class C>
constexpr void refuse_temporary() noexcept {
  static_assert(outlives_call<C>(),
                "gavel: a view of a temporary would dangle. Keep the values in a variable that lives as long as the view, and pass that.");
}

}  // namespace detail

/// A contiguous one-dimensional sequence: `data()`, `size()`, unit stride.
template <class C>
concept dense_vector = detail::has_data_and_size<C> && detail::unit_stride<C>();

/// The scalar of a dense vector or matrix without const.
template <class C>
using scalar_of = std::remove_cv_t<detail::element_of<C>>;

/// A `std::span` over any dense vector. Temporaries, views of strided memory and unevaluated Eigen expressions are rejected at compile time:
/// call `.eval()` on the expression, or take a row of a row-major matrix.
template <class C>
[[nodiscard]] constexpr auto as_span(C&& sequence) noexcept {
  using type = std::remove_reference_t<C>;
  static_assert(detail::has_data_and_size<type>,
                "gavel: this type has no data() and size(). An Eigen expression must be evaluated first (call .eval()).");
  if constexpr (detail::has_data_and_size<type>) {
    static_assert(detail::unit_stride<C>(),
                  "gavel: a one-dimensional view needs unit stride. Take a row of a row-major matrix or a column of a "
                  "column-major one, or copy the values into a vector.");
    detail::refuse_temporary<C>();
    return std::span<detail::element_of<type>>(std::data(sequence), static_cast<std::size_t>(std::size(sequence)));
  }
}

/// Something that receives results: a dense vector that can be written to.
template <class C>
concept dense_output = dense_vector<std::remove_reference_t<C>> && !std::is_const_v<detail::element_of<std::remove_reference_t<C>>>;

/// A parameter type: a contiguous sequence of `T` borrowed for the call, implicitly made from any dense vector of `T`; converts to
/// `std::span`. Unsigned integers may also come as signed ones of their width: a negative one reads as 2^width more.
template <class T>
class vector_view {
 public:
  constexpr vector_view() noexcept = default;
  constexpr vector_view(T* data, std::size_t size) noexcept : data_(data), size_(size) {}
  template <class C>
    requires(!std::derived_from<std::remove_cvref_t<C>, vector_view>) && dense_vector<std::remove_reference_t<C>> &&
            detail::viewable_as<detail::element_of<std::remove_reference_t<C>>, T>
  constexpr vector_view(C&& sequence) noexcept : size_(static_cast<std::size_t>(std::size(sequence))) {
    if constexpr (std::convertible_to<decltype(std::data(sequence)), T*>) data_ = std::data(sequence);
    else data_ = reinterpret_cast<T*>(std::data(sequence));  // the signed twin of T, which may be read through T
  }

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

/// A parameter type: a `vector_view` that is kept beyond the call. Made of a temporary it would dangle, so that does not compile.
template <class T>
class kept_view : public vector_view<T> {
 public:
  constexpr kept_view() noexcept = default;
  constexpr kept_view(T* data, std::size_t size) noexcept : vector_view<T>(data, size) {}
  template <class C>
    requires(!std::same_as<std::remove_cvref_t<C>, kept_view>) && std::convertible_to<C, vector_view<T>>
  constexpr kept_view(C&& sequence) noexcept : vector_view<T>(sequence) {
    detail::refuse_temporary<C>();
  }
};

/// A borrowed row-major matrix: `rows` x `cols` values of `T`, consecutive rows `row_stride` elements apart. Made from a pointer and sizes,
/// from a dense vector, or implicitly from a row-major Eigen object with a name; a temporary is refused at compile time.
/// @note A column-major matrix behind a pointer cannot be told from a row-major one: pass the Eigen object, whose order is checked.
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
  constexpr matrix_view(C&& values, std::size_t cols) : data_(std::data(values)), cols_(cols), row_stride_(cols) {
    detail::refuse_temporary<C>();
    const std::size_t size = static_cast<std::size_t>(std::size(values));
    rows_ = cols == 0 ? 0 : size / cols;
    if (rows_ * cols_ != size) refuse("gavel::matrix_view", "values.size()", size, "must be a multiple of cols", cols);
  }

  /// A row-major Eigen matrix, array, map, reference or block.
  template <class M>
    requires detail::is_eigen<M> && std::convertible_to<detail::element_of<std::remove_reference_t<M>> (*)[], T (*)[]>
  constexpr matrix_view(M&& matrix) {
    using type = std::remove_cvref_t<M>;
    constexpr bool has_memory = detail::has_data_and_size<std::remove_reference_t<M>>;
    static_assert(has_memory, "gavel: an Eigen expression must be evaluated first, into a row-major matrix.");
    static_assert(type::IsRowMajor || !has_memory,
                  "gavel: this Eigen matrix is column-major, rows must lie in memory one after the other. Declare it with "
                  "Eigen::RowMajor, or pass its transpose() if its columns are the rows.");
    static_assert(type::InnerStrideAtCompileTime == 1 || !has_memory, "gavel: the elements of a row must lie next to each other.");
    detail::refuse_temporary<M>();
    if constexpr (has_memory) {
      *this = matrix_view(matrix.data(), static_cast<std::size_t>(matrix.rows()), static_cast<std::size_t>(matrix.cols()),
                          static_cast<std::size_t>(matrix.outerStride()));
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
template <detail::is_eigen M>
matrix_view(M&&) -> matrix_view<detail::element_of<std::remove_reference_t<M>>>;

/// What a function takes as a matrix: a `matrix_view`, or an Eigen object that `matrix_view` accepts or refuses with a reason.
template <class M>
concept dense_matrix = requires(const M& matrix) { matrix_view(matrix); };

}  // namespace gavel

// A view owns nothing: what it points at outlives it.
template <class T>
inline constexpr bool std::ranges::enable_borrowed_range<gavel::vector_view<T>> = true;
template <class T>
inline constexpr bool std::ranges::enable_view<gavel::vector_view<T>> = true;
template <class T>
inline constexpr bool std::ranges::enable_borrowed_range<gavel::kept_view<T>> = true;
template <class T>
inline constexpr bool std::ranges::enable_view<gavel::kept_view<T>> = true;
