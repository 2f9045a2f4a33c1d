// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "kernels/scalar_kernels.hpp"

#include <gavel/kernels/top_k.hpp>

#include <limits>
#include <vector>

namespace top_k_test {

using namespace gavel;
using namespace gavel::testing;

TEMPLATE_TEST_CASE("top_k, kth_largest and argmax agree with a stable sort", "[kernels][top_k]", float, double, half, bfloat16) {
  for (const std::size_t n : {1u, 5u, 64u, 100u, 4096u, 4097u, 33001u, 140000u}) {
    const auto x = random_logits<TestType>(n, n);  // 16-bit rows tie often
    const auto order = twin_order(x);
    REQUIRE(kernels::argmax(x.data(), n) == order[0]);
    for (const std::size_t k :
         {std::size_t{1}, std::size_t{2}, std::size_t{50}, std::size_t{1000}, std::size_t{4096}, std::size_t{5000}, n / 2, n}) {
      if (k == 0 || k > n) continue;
      INFO("n " << n << ", k " << k);
      std::vector<std::uint32_t> ids(k);
      REQUIRE(kernels::top_k(x.data(), n, k, ids.data()) == k);
      REQUIRE(std::equal(ids.begin(), ids.end(), order.begin()));
      REQUIRE(kernels::kth_largest(x.data(), n, k) == widen(x[order[k - 1]]));
    }
  }
}

TEST_CASE("ties go to the lower index even when a whole row ties", "[kernels][top_k]") {
  for (const std::size_t n : {100u, 5000u, 50000u}) {
    std::vector<float> x(n, 1.5f);
    x[n - 1] = 2.0f;
    std::vector<std::uint32_t> ids(5);
    REQUIRE(kernels::top_k(x.data(), n, 5, ids.data()) == 5);
    REQUIRE(ids == std::vector<std::uint32_t>{static_cast<std::uint32_t>(n - 1), 0, 1, 2, 3});
    REQUIRE(kernels::kth_largest(x.data(), n, 2) == 1.5f);
    REQUIRE(kernels::argmax(x.data(), n) == n - 1);
    x[n - 1] = 1.5f;
    REQUIRE(kernels::argmax(x.data(), n) == 0);
  }
}

TEST_CASE("negative, infinite and signed-zero elements order as numbers", "[kernels][top_k]") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  std::vector<float> x(6000, -inf);
  x[10] = -0.0f;
  x[20] = 0.0f;
  x[30] = -1.0f;
  x[40] = inf;
  std::vector<std::uint32_t> ids(5);
  REQUIRE(kernels::top_k(x.data(), x.size(), 5, ids.data()) == 5);
  REQUIRE(ids == std::vector<std::uint32_t>{40, 10, 20, 30, 0});
  REQUIRE(kernels::kth_largest(x.data(), x.size(), 5500) == -inf);
}

TEST_CASE("NaN is missing", "[kernels][top_k]") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x = {nan, 3.0f, nan, 4.0f};
  std::vector<std::uint32_t> ids(4, 77);
  REQUIRE(kernels::top_k(x.data(), 4, 4, ids.data()) == 2);
  REQUIRE(ids[0] == 3);
  REQUIRE(ids[1] == 1);
  REQUIRE(ids[2] == 77);
  REQUIRE(kernels::argmax(x.data(), 4) == 3);
  REQUIRE(kernels::kth_largest(x.data(), 4, 2) == 3.0f);
  REQUIRE(kernels::kth_largest(x.data(), 4, 3) == 3.0f);  // only two are there: the smallest of them
  std::vector<float> sparse(9000, nan);
  for (std::size_t i = 0; i < sparse.size(); i += 90) sparse[i] = static_cast<float>(i);
  std::vector<std::uint32_t> many(200);
  REQUIRE(kernels::top_k(sparse.data(), sparse.size(), 200, many.data()) == 100);
  REQUIRE(many[0] == 8910);
  REQUIRE(many[99] == 0);
  REQUIRE(kernels::kth_largest(sparse.data(), sparse.size(), 200) == 0.0f);
  const std::vector<float> none(5000, nan);
  REQUIRE(kernels::argmax(none.data(), none.size()) == 0);
  REQUIRE(kernels::top_k(none.data(), none.size(), 4, ids.data()) == 0);
}

TEST_CASE("an empty row has no largest element", "[kernels][top_k]") {
  REQUIRE(kernels::argmax(static_cast<const float*>(nullptr), 0) == 0);
}

}  // namespace top_k_test
