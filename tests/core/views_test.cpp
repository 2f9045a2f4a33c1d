// SPDX-License-Identifier: MIT
#include <gavel/core/views.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"

#include <Eigen/Core>

#include <array>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <list>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace views_test {

using gavel::as_span;
using gavel::dense_vector;
using gavel::matrix_view;
using gavel::vector_view;
using gavel::testing::message_of;

namespace {

using row_major = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using column_major = Eigen::MatrixXd;
using row_of_row_major = decltype(std::declval<row_major&>().row(0));
using column_of_row_major = decltype(std::declval<row_major&>().col(0));
using row_of_column_major = decltype(std::declval<column_major&>().row(0));
using column_of_column_major = decltype(std::declval<column_major&>().col(0));
using segment = decltype(std::declval<Eigen::VectorXd&>().segment(0, 1));
using sum = decltype(std::declval<Eigen::VectorXd&>() + std::declval<Eigen::VectorXd&>());

// what is dense
static_assert(dense_vector<std::vector<double>> && dense_vector<const std::vector<float>> && dense_vector<std::array<int, 3>>);
static_assert(dense_vector<std::span<const double>> && dense_vector<vector_view<const float>> && dense_vector<std::string_view>);
static_assert(dense_vector<Eigen::VectorXd> && dense_vector<const Eigen::RowVectorXf> && dense_vector<Eigen::Vector3d> &&
              dense_vector<Eigen::ArrayXd>);
static_assert(dense_vector<Eigen::Map<const Eigen::VectorXd>> && dense_vector<segment>);
static_assert(dense_vector<row_of_row_major> && dense_vector<column_of_column_major>);
// what would read the wrong numbers, or nothing at all
static_assert(!dense_vector<column_of_row_major> && !dense_vector<row_of_column_major>);
static_assert(!dense_vector<Eigen::Map<Eigen::VectorXd, 0, Eigen::InnerStride<2>>>);
static_assert(!dense_vector<Eigen::Map<Eigen::VectorXd, 0, Eigen::InnerStride<>>>);
static_assert(!dense_vector<column_major> && !dense_vector<row_major>, "a matrix is not a vector");
static_assert(!dense_vector<sum>, "an expression has no memory");
static_assert(!dense_vector<std::list<double>> && !dense_vector<int> && !dense_vector<double*>);
static_assert(dense_vector<double[3]> && dense_vector<const int[2]>);
static_assert(!dense_vector<std::vector<bool>>, "packed bits have no element addresses");

static_assert(std::same_as<gavel::scalar_of<const std::vector<float>>, float>);
static_assert(std::same_as<gavel::scalar_of<std::span<const double>>, double>);
static_assert(std::same_as<gavel::scalar_of<Eigen::VectorXf>, float>);

// conversions of parameters
static_assert(std::convertible_to<std::vector<double>&, vector_view<const double>>);
static_assert(std::convertible_to<const std::vector<double>&, vector_view<const double>>);
static_assert(std::convertible_to<Eigen::VectorXd&, vector_view<double>>);
static_assert(std::convertible_to<vector_view<double>, vector_view<const double>>);
static_assert(!std::convertible_to<const std::vector<double>&, vector_view<double>>, "const data stays const");
static_assert(!std::convertible_to<std::vector<float>&, vector_view<const double>>, "no silent conversion of elements");
static_assert(!std::convertible_to<row_of_column_major, vector_view<const double>>);
static_assert(std::convertible_to<std::vector<std::int32_t>&, vector_view<std::uint32_t>>, "ids as engines keep them");
static_assert(std::convertible_to<const std::vector<std::int32_t>&, vector_view<const std::uint32_t>>);
static_assert(!std::convertible_to<const std::vector<std::int32_t>&, vector_view<std::uint32_t>>, "const data stays const");
static_assert(!std::convertible_to<std::vector<std::uint32_t>&, vector_view<const std::int32_t>>);
static_assert(!std::convertible_to<std::vector<std::int64_t>&, vector_view<const std::uint32_t>>);
static_assert(!std::convertible_to<std::vector<bool>&, vector_view<const bool>>);
// what outlives a call (what does not is refused: tests/compile_fail)
static_assert(gavel::detail::outlives_call<std::vector<double>&>() && gavel::detail::outlives_call<const row_major&>());
static_assert(gavel::detail::outlives_call<std::span<double>>() && gavel::detail::outlives_call<vector_view<double>>() &&
              gavel::detail::outlives_call<gavel::kept_view<double>>() && gavel::detail::outlives_call<std::string_view>());
static_assert(gavel::detail::outlives_call<Eigen::Map<row_major>>() && gavel::detail::outlives_call<row_of_row_major>());
static_assert(!gavel::detail::outlives_call<std::vector<double>>() && !gavel::detail::outlives_call<const std::vector<double>>());
static_assert(!gavel::detail::outlives_call<std::array<double, 2>>() && !gavel::detail::outlives_call<row_major>() &&
              !gavel::detail::outlives_call<double[2]>() && !gavel::detail::outlives_call<std::initializer_list<double>>());
// outputs
static_assert(gavel::dense_output<std::vector<float>&> && gavel::dense_output<std::span<float>> && gavel::dense_output<Eigen::VectorXf&>);
static_assert(!gavel::dense_output<const std::vector<float>&> && !gavel::dense_output<std::span<const float>>);
// matrices
static_assert(gavel::dense_matrix<row_major> && gavel::dense_matrix<matrix_view<const float>> && !gavel::dense_matrix<std::vector<float>>);
static_assert(std::same_as<gavel::scalar_of<row_major>, double> && std::same_as<gavel::scalar_of<matrix_view<const float>>, float>);
static_assert(!std::convertible_to<const row_major&, matrix_view<double>> && std::convertible_to<row_major&, matrix_view<double>>);
static_assert(std::convertible_to<matrix_view<double>, matrix_view<const double>>);
static_assert(!std::convertible_to<matrix_view<const double>, matrix_view<double>>);
static_assert(std::is_trivially_copyable_v<vector_view<double>> && std::is_trivially_copyable_v<matrix_view<double>>);

double total(vector_view<const double> values) {
  double result = 0.0;
  for (const double value : values) result += value;
  return result;
}

}  // namespace

TEST_CASE("views: every kind of vector gives a span over its own memory", "[core][views]") {
  std::vector<double> owned{1, 2, 3};
  const std::vector<double> fixed{4, 5};
  std::array<float, 2> array{6, 7};
  Eigen::VectorXd eigen = Eigen::VectorXd::LinSpaced(4, 1, 4);
  CHECK(as_span(owned).data() == owned.data());
  CHECK(as_span(owned).size() == 3);
  static_assert(std::same_as<decltype(as_span(owned)), std::span<double>>);
  static_assert(std::same_as<decltype(as_span(fixed)), std::span<const double>>);
  static_assert(std::same_as<decltype(as_span(array)), std::span<float>>);
  as_span(eigen)[1] = 20.0;
  CHECK(eigen(1) == 20.0);
  CHECK(as_span(std::span<double>{}).empty());
  const double plain[] = {1, 2};
  CHECK(as_span(plain).data() == plain);
  CHECK(as_span(plain).size() == 2);

  row_major matrix(2, 3);
  matrix << 1, 2, 3, 4, 5, 6;
  CHECK(as_span(matrix.row(1))[2] == 6.0);
  CHECK(as_span(matrix.row(1)).data() == matrix.data() + 3);
  CHECK(as_span(eigen.segment(2, 2)).data() == eigen.data() + 2);
}

TEST_CASE("views: a vector_view parameter takes them all without a copy", "[core][views]") {
  std::vector<double> owned{1, 2, 3};
  const std::array<double, 2> array{4, 5};
  row_major matrix(2, 3);
  matrix << 1, 2, 3, 4, 5, 6;
  CHECK(total(owned) == 6.0);
  CHECK(total(array) == 9.0);
  CHECK(total(std::span<const double>(owned).subspan(1)) == 5.0);
  CHECK(total(Eigen::VectorXd::Constant(3, 2.0).eval()) == 6.0);
  CHECK(total(matrix.row(1)) == 15.0);
  CHECK(total({owned.data(), 2}) == 3.0);
  CHECK(total({}) == 0.0);
  const vector_view<double> view(owned);
  view[0] = 10.0;
  CHECK(owned[0] == 10.0);
  CHECK(view.data() == owned.data());
  CHECK(view.size() == 3);
  CHECK_FALSE(view.empty());
  CHECK(vector_view<double>().empty());
  const std::span<double> span = view;
  CHECK(span.data() == owned.data());
  CHECK(total(view) == 15.0);
}

TEST_CASE("views: an unsigned view reads and writes the signed integers of its width", "[core][views]") {
  std::vector<std::int32_t> ids{3, -1, 7};
  const vector_view<std::uint32_t> view(ids);
  CHECK(static_cast<void*>(view.data()) == static_cast<void*>(ids.data()));
  CHECK(view[0] == 3U);
  CHECK(view[1] == 0xffffffffU);
  view[1] = 12;
  CHECK(ids[1] == 12);
  const int plain[] = {4, 5};
  CHECK(gavel::kept_view<const std::uint32_t>(plain)[1] == 5U);
}

TEST_CASE("views: a kept view is a view of what stays", "[core][views]") {
  const std::vector<double> owned{1, 2, 3};
  const gavel::kept_view<const double> kept(owned);
  CHECK(kept.data() == owned.data());
  CHECK(gavel::kept_view<const double>(std::span<const double>(owned).subspan(1)).size() == 2);
  CHECK(gavel::kept_view<const double>(vector_view<const double>(owned)).data() == owned.data());
  const std::span<const double> span = kept;
  CHECK(span.size() == 3);
  CHECK(total(kept) == 6.0);
  CHECK(gavel::kept_view<const double>().empty());
}

TEST_CASE("views: row-major Eigen objects are matrices", "[core][views]") {
  row_major matrix(3, 4);
  matrix << 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11;
  const matrix_view whole(matrix);
  static_assert(std::same_as<decltype(whole), const matrix_view<double>>);
  CHECK(whole.data() == matrix.data());
  CHECK(whole.rows() == 3);
  CHECK(whole.cols() == 4);
  whole(1, 2) = 60.0;
  CHECK(matrix(1, 2) == 60.0);

  const matrix_view<const double> block(matrix.block(1, 1, 2, 2));
  CHECK(block.row_stride() == 4);
  CHECK(block(1, 0) == 9.0);
  const matrix_view turned(std::as_const(matrix).topRows(2));
  static_assert(std::same_as<decltype(turned), const matrix_view<const double>>);
  CHECK(turned.rows() == 2);

  const column_major columns = matrix;  // its columns are the rows of the transposed
  const matrix_view<const double> rows(columns.transpose());
  CHECK(rows.rows() == 4);
  CHECK(rows(2, 1) == 60.0);

  const Eigen::Map<const Eigen::Array<double, 2, 2, Eigen::RowMajor>, 0, Eigen::OuterStride<>> map(matrix.data(), Eigen::OuterStride<>(4));
  CHECK(matrix_view(map)(1, 1) == 5.0);
  const Eigen::Ref<const row_major> reference(matrix);
  CHECK(matrix_view(reference)(2, 3) == 11.0);
  const Eigen::RowVectorXd one = Eigen::RowVectorXd::LinSpaced(3, 1, 3);
  CHECK(matrix_view(one)(0, 2) == 3.0);
  const Eigen::Map<const row_major, 0, Eigen::OuterStride<>> folded(matrix.data(), 2, 4, Eigen::OuterStride<>(2));
  CHECK(message_of([&] { (void)matrix_view(folded); }) == "gavel::matrix_view: row_stride = 2, must be >= cols 4");
}

TEST_CASE("views: rows of a matrix", "[core][views]") {
  std::vector<double> values{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  const matrix_view<double> whole(values, 3);
  CHECK(whole.rows() == 4);
  CHECK(whole.cols() == 3);
  CHECK(whole.row_stride() == 3);
  CHECK(whole(2, 1) == 7.0);
  CHECK(whole.row(3)[0] == 9.0);
  CHECK(whole.row(3).size() == 3);

  const matrix_view<double> padded(values.data(), 3, 2, 4);  // two columns out of four
  CHECK(padded(0, 1) == 1.0);
  CHECK(padded(2, 0) == 8.0);
  CHECK(padded.row(1)[1] == 5.0);
  const auto part = padded.middle_rows(1, 2);
  CHECK(part.rows() == 2);
  CHECK(part.row_stride() == 4);
  CHECK(part(1, 1) == 9.0);
  part(0, 0) = 40.0;
  CHECK(values[4] == 40.0);

  const matrix_view<const double> read_only = padded;
  CHECK(read_only(1, 0) == 40.0);
  CHECK(read_only.row_stride() == 4);
  const matrix_view deduced(std::as_const(values), 6);
  static_assert(std::same_as<decltype(deduced), const matrix_view<const double>>);
  CHECK(deduced.rows() == 2);

  row_major matrix(2, 3);
  matrix << 1, 2, 3, 4, 5, 6;
  const matrix_view<const double> of_eigen(matrix.data(), 2, 3);
  CHECK(of_eigen(1, 0) == 4.0);
}

TEST_CASE("views: empty and one-row matrices", "[core][views]") {
  std::vector<double> values{1, 2, 3};
  CHECK(matrix_view<double>().rows() == 0);
  CHECK(matrix_view<double>(values.data(), 1, 3, 0).row(0)[2] == 3.0);  // the stride of a single row does not matter
  CHECK(matrix_view<double>(std::span<double>(), 0).rows() == 0);
  CHECK(matrix_view<double>(std::span<double>(), 5).rows() == 0);
}

TEST_CASE("views: errors", "[core][views]") {
  std::vector<double> values(12);
  CHECK(message_of([&] { (void)matrix_view<double>(values.data(), 2, 6, 5); }) == "gavel::matrix_view: row_stride = 5, must be >= cols 6");
  CHECK(message_of([&] { (void)matrix_view<double>(values, 5); }) ==
        "gavel::matrix_view: values.size() = 12, must be a multiple of cols 5");
  CHECK(message_of([&] { (void)matrix_view<double>(values, 0); }) ==
        "gavel::matrix_view: values.size() = 12, must be a multiple of cols 0");
}

}  // namespace views_test
