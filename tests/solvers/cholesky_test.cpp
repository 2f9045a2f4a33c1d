// SPDX-License-Identifier: MIT
#include <gavel/solvers/cholesky.hpp>

#include "support/catch.hpp"
#include "support/numbers.hpp"

#include <gavel/core/random.hpp>

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

namespace cholesky_test {

using gavel::testing::not_a_number;

namespace {

constexpr double poison = 1e300;  // what stands where nothing may be read or written

// A = B B' + n I / 10 and b = A x for a random x, the triangle above the diagonal and the gaps between rows poisoned.
struct problem {
  std::size_t size, stride;
  std::vector<double> matrix, full, x, b;

  problem(std::size_t n, std::size_t row_stride, std::size_t seed)
      : size(n), stride(row_stride), matrix(n * row_stride, poison), full(n * n), x(n), b(n) {
    gavel::philox4x32 rng(seed);
    std::vector<double> root(n * n);
    for (double& value : root) value = gavel::normal(rng);
    for (double& value : x) value = gavel::normal(rng);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        for (std::size_t k = 0; k < n; ++k) full[i * n + j] += root[i * n + k] * root[j * n + k];
        if (i == j) full[i * n + j] += 0.1 * static_cast<double>(n);
        b[i] += full[i * n + j] * x[j];
        if (j <= i) matrix[i * stride + j] = full[i * n + j];
      }
    }
  }
};

}  // namespace

TEST_CASE("cholesky: the factor times its transpose is the matrix, and the solution solves", "[solvers][cholesky]") {
  for (std::size_t n = 0; n <= 12; ++n) {
    for (const std::size_t gap : {0U, 1U, 5U}) {
      const problem given(n, n + gap, 1 + n);
      std::vector<double> factor = given.matrix;
      REQUIRE(gavel::cholesky_factor(factor, given.stride, n));
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j <= i; ++j) {
          double product = 0.0;
          for (std::size_t k = 0; k <= j; ++k) product += factor[i * given.stride + k] * factor[j * given.stride + k];
          CHECK(product == Approx(given.full[i * n + j]).margin(1e-12 * static_cast<double>(n)));
        }
        CHECK(factor[i * given.stride + i] > 0.0);
        for (std::size_t j = i + 1; j < given.stride; ++j) CHECK(factor[i * given.stride + j] == poison);
      }

      std::vector<double> matrix = given.matrix, solution = given.b;
      REQUIRE(gavel::cholesky_solve(matrix, given.stride, solution));
      CHECK(matrix == factor);
      for (std::size_t i = 0; i < n; ++i) CHECK(solution[i] == Approx(given.x[i]).margin(1e-10));

      std::vector<double> half = given.b;  // |y|^2 = b' A^-1 b = b' x
      gavel::cholesky_forward(factor, given.stride, half);
      double squared = 0.0, form = 0.0;
      for (std::size_t i = 0; i < n; ++i) squared += half[i] * half[i], form += given.b[i] * given.x[i];
      CHECK(squared == Approx(form).epsilon(1e-11).margin(1e-300));
      gavel::cholesky_backward(factor, given.stride, half);
      CHECK(half == solution);
    }
  }
}

TEST_CASE("cholesky: a matrix that is not positive definite is refused and b stays", "[solvers][cholesky]") {
  for (const std::vector<double>& bad : {std::vector<double>{0.0},
                                         {-1.0},
                                         {not_a_number},
                                         {1.0, poison, 2.0, 4.0},
                                         {1.0, poison, 2.0, 3.0},
                                         {1.0, poison, not_a_number, 3.0}}) {
    std::vector<double> matrix = bad, b(bad.size() == 1 ? 1 : 2, 7.0);
    const std::vector<double> before = b;
    CHECK_FALSE(gavel::cholesky_solve(matrix, b.size(), b));
    CHECK(b == before);
  }
}

TEST_CASE("cholesky: a pivot must exceed the threshold, 0 unless given", "[solvers][cholesky]") {
  const auto factors = [](double pivot, double least) {  // [[1, 1], [1, 1 + pivot]]
    std::vector<double> matrix{1.0, poison, 1.0, 1.0 + pivot};
    return gavel::cholesky_factor(matrix, 2, 2, least);
  };
  CHECK(factors(0.25, 0.0));
  CHECK(factors(0.25, 0.125));
  CHECK_FALSE(factors(0.25, 0.25));
  CHECK_FALSE(factors(0.25, 0.5));
  std::vector<double> singular{1.0, poison, 1.0, 1.0}, tiny{1e-300};
  CHECK_FALSE(gavel::cholesky_factor(singular, 2, 2));
  CHECK(gavel::cholesky_factor(tiny, 1, 1));
}

}  // namespace cholesky_test
