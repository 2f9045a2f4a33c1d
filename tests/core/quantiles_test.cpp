// SPDX-License-Identifier: MIT
#include <gavel/core/quantiles.hpp>

#include "support/catch.hpp"

#include <gavel/core/random.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace quantiles_test {

using gavel::quantile_of_sorted;
using gavel::upper_median;

TEST_CASE("quantile_of_sorted: the ends, every order statistic, and between two of them", "[core][quantiles]") {
  const std::vector<double> x{-3.0, 1.0, 2.0, 10.0, 50.0};  // no two gaps alike
  for (std::size_t n = 1; n <= x.size(); ++n) {
    const std::vector<double> sample(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(n));
    CHECK(quantile_of_sorted(sample, 0.0) == sample.front());
    CHECK(quantile_of_sorted(sample, 1.0) == sample.back());
    for (std::size_t k = 0; k + 1 < n; ++k) {
      for (const double part : {0.0, 0.25, 0.5, 0.75}) {
        const double p = (static_cast<double>(k) + part) / static_cast<double>(n - 1);
        CHECK(quantile_of_sorted(sample, p) == Approx(sample[k] + part * (sample[k + 1] - sample[k])).epsilon(1e-14));
      }
    }
  }
  CHECK(quantile_of_sorted(std::vector{7.0}, 0.5) == 7.0);
  CHECK(quantile_of_sorted(std::vector{2.0, 4.0}, 0.5) == 3.0);
  // Published values of definition 7 (R, quantile(1:10, c(.05, .25, .9))).
  const std::vector<double> ten{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  CHECK(quantile_of_sorted(ten, 0.05) == Approx(1.45));
  CHECK(quantile_of_sorted(ten, 0.25) == Approx(3.25));
  CHECK(quantile_of_sorted(ten, 0.90) == Approx(9.1));
}

TEST_CASE("upper_median: the element that sorting puts at n / 2", "[core][quantiles]") {
  gavel::philox4x32 rng(5);
  for (const std::size_t n : {1U, 2U, 3U, 4U, 5U, 16U, 17U, 1000U, 1001U}) {
    for (const double levels : {3.0, 1e6}) {  // many ties, hardly any
      std::vector<double> values(n);
      for (double& value : values) value = static_cast<double>(static_cast<int>(levels * gavel::uniform(rng)));
      std::vector<double> sorted = values;
      std::sort(sorted.begin(), sorted.end());
      CHECK(upper_median(values) == sorted[n / 2]);
      std::sort(values.begin(), values.end());
      CHECK(values == sorted);  // rearranged, nothing lost
    }
  }
}

}  // namespace quantiles_test
