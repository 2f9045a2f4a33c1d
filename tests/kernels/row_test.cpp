// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "kernels/scalar_kernels.hpp"

#include <gavel/kernels/row.hpp>
#include <gavel/kernels/softmax.hpp>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace row_test {

using namespace gavel;
using namespace gavel::testing;

TEMPLATE_TEST_CASE("row_sum adds every element once", "[kernels][row]", float, double) {
  for (const std::size_t n : awkward_lengths()) {
    std::vector<TestType> x(n);
    std::iota(x.begin(), x.end(), TestType{1});  // integers: every partial sum below 2^24 is exact in float
    if (n <= 2048) {
      REQUIRE(kernels::row_sum(kernels::weights_row<TestType>{x.data()}, n) == 0.5 * static_cast<double>(n) * static_cast<double>(n + 1));
    }
    std::vector<TestType> one(n, TestType{0});
    for (const std::size_t i : {std::size_t{0}, n / 3, n - 1}) {
      one[i] = TestType{1};
      REQUIRE(kernels::row_sum(kernels::weights_row<TestType>{one.data()}, n) == 1.0);
      REQUIRE(kernels::row_sample(kernels::weights_row<TestType>{one.data()}, n, 0.999).index == i);
      one[i] = TestType{0};
    }
  }
}

TEST_CASE("long rows of equal weights keep their sum in double", "[kernels][row]") {
  const std::size_t n = 1 << 21;
  const std::vector<float> x(n, 0.1f);
  REQUIRE(kernels::row_sum(kernels::weights_row<float>{x.data()}, n) ==
          Approx(static_cast<double>(0.1f) * static_cast<double>(n)).epsilon(1e-6));
}

TEST_CASE("a draw reports the total it was made from", "[kernels][row]") {
  const auto p = random_probs<double>(4100, 2);
  const auto draw = kernels::row_sample(kernels::weights_row<double>{p.data()}, p.size(), 0.25);
  REQUIRE(draw.total == kernels::row_sum(kernels::weights_row<double>{p.data()}, p.size()));
  REQUIRE(kernels::row_sample(kernels::weights_row<double>{p.data()}, 0, 0.25).index == kernels::not_found);
}

TEST_CASE("the rounding gap at the end of a row falls on the last positive weight", "[kernels][row]") {
  // Chunks of equal weights followed by chunks of zeros: the largest uniform must not run past the weights.
  for (const std::size_t n : {2048u * 3u, 2048u * 3u + 5u}) {
    std::vector<float> x(n, 0.0f);
    for (std::size_t i = 0; i < 2050; ++i) x[i] = 0.1f;
    REQUIRE(kernels::row_sample(kernels::weights_row<float>{x.data()}, n, 1.0 - 0x1p-53).index == 2049);
    REQUIRE(kernels::row_sample(kernels::weights_row<float>{x.data()}, n, 1.0).index == 2049);
    REQUIRE(kernels::row_sample(kernels::weights_row<float>{x.data()}, n, 0.0).index == 0);
  }
}

TEST_CASE("a truncated softmax row is zero below the cutoff", "[kernels][row]") {
  const std::vector<float> x = {0.0f, 1.0f, 2.0f, 3.0f};
  const auto summary = kernels::summarize(x.data(), 4, 1.0, 1.5);
  std::vector<float> out(4);
  kernels::write_row(kernels::softmax_row(x.data(), summary, 1.0, 1.5), 4, out.data());
  REQUIRE(out[0] == 0.0f);
  REQUIRE(out[1] == 0.0f);
  REQUIRE(static_cast<double>(out[2]) == Approx(1.0 / (1.0 + std::exp(1.0))));
  REQUIRE(static_cast<double>(out[3]) == Approx(1.0 / (1.0 + std::exp(-1.0))));
}

TEST_CASE("a uniform on a boundary belongs to the next index, in blocks and across chunks", "[kernels][row]") {
  // Equal weights 1: u * n is exact, and the cumulative weight must exceed it.
  for (const std::size_t n : {2u, 128u, 4096u, 8192u}) {
    const std::vector<float> ones(n, 1.0f);
    const std::vector<double> wide_ones(n, 1.0);
    for (const std::size_t eighth : {0u, 1u, 2u, 4u, 7u}) {
      if (n * eighth % 8 != 0) continue;
      const double u = static_cast<double>(eighth) / 8.0;
      REQUIRE(kernels::row_sample(kernels::weights_row<float>{ones.data()}, n, u).index == n * eighth / 8);
      REQUIRE(kernels::row_sample(kernels::weights_row<double>{wide_ones.data()}, n, u).index == n * eighth / 8);
    }
  }
}

TEST_CASE("weights that are all subnormal are drawn in proportion", "[kernels][row]") {
  std::vector<float> tiny(400, 1e-45f);
  tiny[100] = 0.0f;
  for (std::size_t i = 0; i < 400; ++i) {
    if (i == 100) continue;
    const double u = (static_cast<double>(i > 100 ? i - 1 : i) + 0.5) / 399.0;
    REQUIRE(kernels::row_sample(kernels::weights_row<float>{tiny.data()}, 400, u).index == i);
  }
  const std::vector<double> least(3, 5e-324);  // u times the total rounds up to the total
  REQUIRE(kernels::row_sample(kernels::weights_row<double>{least.data()}, 3, 1.0 - 0x1p-53).index == 2);
  REQUIRE(kernels::row_sample(kernels::weights_row<double>{least.data()}, 3, 0.0).index == 0);
}

TEST_CASE("a row longer than the chunk table is drawn from to its end", "[kernels][row]") {
  for (const std::size_t n : {std::size_t{2048 * 512 + 1}, std::size_t{2048 * 1000}, std::size_t{2048 * 512 * 2 + 3000}}) {
    std::vector<float> x(n, 0.0f);
    for (const std::size_t i : {std::size_t{0}, n / 2, n - 1}) x[i] = 1.0f;
    REQUIRE(kernels::row_sample(kernels::weights_row<float>{x.data()}, n, 0.2).index == 0);
    REQUIRE(kernels::row_sample(kernels::weights_row<float>{x.data()}, n, 0.5).index == n / 2);
    REQUIRE(kernels::row_sample(kernels::weights_row<float>{x.data()}, n, 1.0 - 0x1p-53).index == n - 1);
  }
}

}  // namespace row_test
