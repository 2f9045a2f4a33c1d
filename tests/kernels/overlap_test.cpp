// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "kernels/scalar_kernels.hpp"

#include <gavel/kernels/overlap.hpp>
#include <gavel/kernels/softmax.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace overlap_test {

using namespace gavel;
using namespace gavel::testing;

TEMPLATE_TEST_CASE("overlap agrees with its scalar twin", "[kernels][overlap]", float, double, half, bfloat16) {
  const double bound = sizeof(compute_type<TestType>) == 4 ? 1e-6 : 1e-14;
  for (const std::size_t n : awkward_lengths()) {
    const auto p = random_probs<TestType>(n, n);
    const auto q = random_probs<TestType>(n, n + 50);
    for (const double scale : {0.0, 0.4, 1.0, 3.0}) {
      long double expected = 0.0L;
      for (std::size_t i = 0; i < n; ++i) {
        expected +=
            std::min(static_cast<long double>(widen(p[i])), static_cast<long double>(scale) * static_cast<long double>(widen(q[i])));
      }
      REQUIRE(std::fabs(kernels::overlap(p.data(), q.data(), n, scale) - static_cast<double>(expected)) <=
              bound * static_cast<double>(expected));
    }
    REQUIRE(kernels::overlap(p.data(), p.data(), n) == kernels::row_sum(kernels::weights_row<TestType>{p.data()}, n));
  }
}

TEST_CASE("q counts once unless told otherwise", "[kernels][overlap]") {
  const std::vector<double> p = {0.5, 0.5};
  const std::vector<double> q = {0.25, 0.75};
  REQUIRE(kernels::overlap(p.data(), q.data(), 2) == 0.75);
  REQUIRE(kernels::overlap(kernels::weights_row<double>{p.data()}, kernels::weights_row<double>{q.data()}, 2) == 0.75);
}

TEST_CASE("overlap of logits reads softmax rows without writing them", "[kernels][overlap]") {
  const std::size_t n = 5001;
  const auto x = random_logits<float>(n, 1);
  const auto y = random_logits<float>(n, 2);
  const auto p = twin_softmax(wide(x), 0.9L);
  const auto q = twin_softmax(wide(y), 0.9L);
  long double expected = 0.0L;
  for (std::size_t i = 0; i < n; ++i) expected += std::min(p[i], q[i]);
  const auto px = kernels::softmax_row(x.data(), kernels::summarize(x.data(), n, 0.9), 0.9);
  const auto qy = kernels::softmax_row(y.data(), kernels::summarize(y.data(), n, 0.9), 0.9);
  REQUIRE(kernels::overlap(px, qy, n) == Approx(static_cast<double>(expected)).epsilon(1e-5));
}

}  // namespace overlap_test
