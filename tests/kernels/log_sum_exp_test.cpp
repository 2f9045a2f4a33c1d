// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "kernels/scalar_kernels.hpp"
#include "support/numbers.hpp"

#include <gavel/kernels/log_sum_exp.hpp>

#include <cmath>
#include <limits>
#include <vector>

namespace log_sum_exp_test {

using namespace gavel;
using namespace gavel::testing;

TEMPLATE_TEST_CASE("log_sum_exp agrees with its scalar twin at every length and temperature", "[kernels][log_sum_exp]", float, double, half,
                   bfloat16) {
  // Each weight carries an error of about one epsilon, the sums average over them; a row of one is exact to the logarithm.
  const double bound = sizeof(compute_type<TestType>) == 4 ? 6e-7 : 2e-15;
  for (const std::size_t n : awkward_lengths()) {
    const auto x = random_logits<TestType>(n, n);
    for (const double temperature : {0.3, 1.0, 1.7}) {
      INFO("n " << n << ", temperature " << temperature);
      const double exact = static_cast<double>(twin_log_sum_exp(wide(x), static_cast<long double>(temperature)));
      REQUIRE(std::fabs(kernels::log_sum_exp(x.data(), n, temperature) - exact) <= bound * (1.0 + std::fabs(exact)));
    }
  }
}

TEST_CASE("log_sum_exp does not overflow, and shifts with its input", "[kernels][log_sum_exp]") {
  std::vector<float> x = random_logits<float>(5000, 3);
  const double before = kernels::log_sum_exp(x.data(), x.size());
  for (float& v : x) v += 16384.0f;
  REQUIRE(kernels::log_sum_exp(x.data(), x.size()) == Approx(before + 16384.0).margin(2e-3));  // the logits themselves round at 2^-10
  const std::vector<float> extreme = {-1e30f, 3e38f, -3e38f};
  REQUIRE(kernels::log_sum_exp(extreme.data(), 3) == static_cast<double>(3e38f));
}

TEST_CASE("a misaligned row gives the same bits", "[kernels][log_sum_exp]") {
  const auto x = random_logits<float>(4097, 17);
  const double expected = kernels::log_sum_exp(x.data(), x.size());
  for (std::size_t shift = 1; shift < 17; ++shift) {
    std::vector<float> moved(x.size() + shift, 9.0f);
    std::copy(x.begin(), x.end(), moved.begin() + static_cast<std::ptrdiff_t>(shift));
    REQUIRE(kernels::log_sum_exp(moved.data() + shift, x.size()) == expected);
  }
}

TEST_CASE("special logits", "[kernels][log_sum_exp]") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  for (const std::size_t n : {1u, 65u, 5000u}) {
    std::vector<float> x(n, -inf);
    REQUIRE(kernels::log_sum_exp(x.data(), n) == -static_cast<double>(inf));
    x[n - 1] = 2.0f;
    REQUIRE(kernels::log_sum_exp(x.data(), n) == 2.0);
    REQUIRE(kernels::summarize(x.data(), n).sum == 1.0);
    x[n / 2] = inf;
    REQUIRE_FALSE(std::isfinite(kernels::log_sum_exp(x.data(), n)));
    x[n / 2] = std::numeric_limits<float>::quiet_NaN();
    REQUIRE(std::isnan(kernels::log_sum_exp(x.data(), n)));
    x[n / 2] = std::bit_cast<float>(0xffc00123u);  // a NaN with sign and payload must not pass for a number
    REQUIRE(std::isnan(kernels::log_sum_exp(x.data(), n)));
  }
  REQUIRE(kernels::log_sum_exp(static_cast<const float*>(nullptr), 0) == -std::numeric_limits<double>::infinity());
}

TEST_CASE("a cutoff hides smaller logits", "[kernels][log_sum_exp]") {
  const auto x = random_logits<float>(3000, 4);
  for (const float cutoff : {-3.0f, 0.0f, 5.0f}) {
    std::vector<long double> kept;
    for (const float v : x) {
      if (v >= cutoff) kept.push_back(static_cast<long double>(v));
    }
    REQUIRE(kernels::summarize(x.data(), x.size(), 0.7, static_cast<double>(cutoff)).log_normalizer ==
            Approx(static_cast<double>(twin_log_sum_exp(kept, 0.7L))).epsilon(1e-6));
  }
}

TEST_CASE("a row longer than the chunk table", "[kernels][log_sum_exp]") {
  const std::size_t n = 2048 * 512 + 777;
  const auto x = random_logits<float>(n, 8);
  REQUIRE(kernels::log_sum_exp(x.data(), n) == Approx(static_cast<double>(twin_log_sum_exp(wide(x)))).epsilon(1e-6));
}

TEMPLATE_TEST_CASE("the largest logit may stand anywhere", "[kernels][log_sum_exp]", float, double, half, bfloat16) {
  // Chunks are of 2,048 elements (1,024 doubles); each looks ahead at the next, unless that is short or was reached over a masked one.
  const TestType high = row_maker<TestType>::make(200.0);
  const TestType masked = row_maker<TestType>::make(-std::numeric_limits<double>::infinity());
  const TestType nan = row_maker<TestType>::make(not_a_number);
  for (const std::size_t n : {2048u, 4096u, 6144u, 6215u}) {
    for (std::size_t at = 0; at < n; at += 61) {
      INFO("n " << n << ", at " << at);
      std::vector<TestType> x(n, row_maker<TestType>::make(1.0));
      if (at % 2 == 0) std::fill(x.begin() + 1024, x.begin() + 2048, masked);
      x[at] = high;
      REQUIRE(kernels::summarize(x.data(), n).maximum == 200.0);
      REQUIRE(kernels::summarize(x.data(), n).sum == Approx(1.0));
      REQUIRE(kernels::summarize(x.data(), n, 1.0, 150.0).sum == 1.0);
      x[at] = nan;
      REQUIRE(std::isnan(kernels::log_sum_exp(x.data(), n)));
      REQUIRE(std::isnan(kernels::summarize(x.data(), n, 1.0, 150.0).sum));
    }
  }
}

TEST_CASE("NaN wins over +inf wherever they stand", "[kernels][log_sum_exp]") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  for (const std::size_t n : {2u, 70u, 9000u}) {
    for (const bool nan_first : {false, true}) {
      std::vector<float> x(n, 1.0f);
      x[nan_first ? 0 : n - 1] = std::numeric_limits<float>::quiet_NaN();
      x[nan_first ? n - 1 : 0] = inf;
      REQUIRE(std::isnan(kernels::log_sum_exp(x.data(), n)));
      x[nan_first ? 0 : n - 1] = 0.0f;
      REQUIRE(kernels::log_sum_exp(x.data(), n) == static_cast<double>(inf));
      REQUIRE(std::isnan(kernels::summarize(x.data(), n).sum));
    }
  }
}

TEMPLATE_TEST_CASE("no temperature makes NaN of a good row", "[kernels][log_sum_exp]", float, double) {
  // Two equal largest logits, others far below at small temperatures and just as likely at large ones, one masked.
  const std::vector<TestType> x = {1, 2, 3, 3, -std::numeric_limits<TestType>::infinity()};
  for (const double temperature : {5e-324, 1e-310, 1e-300, 1e-40, 1e-30, 1e-6}) {
    INFO("temperature " << temperature);
    REQUIRE(kernels::summarize(x.data(), x.size(), temperature).sum == 2.0);
  }
  for (const double temperature : {1e20, 1e40, 1e45, 1e46, 1e300}) {
    INFO("temperature " << temperature);
    REQUIRE(kernels::summarize(x.data(), x.size(), temperature).sum == 4.0);
    REQUIRE(kernels::log_sum_exp(x.data(), x.size(), temperature) == Approx(std::log(4.0)));
  }
}

TEST_CASE("summarize: the temperature is 1 unless given", "[kernels][log_sum_exp]") {
  const std::vector<double> x = {0.0, std::log(3.0)};
  const auto row = kernels::summarize(x.data(), 2);
  REQUIRE(row.sum == Approx(4.0 / 3.0));
  REQUIRE(row.log_normalizer == Approx(std::log(4.0)));
  REQUIRE(kernels::log_sum_exp(x.data(), 2) == Approx(std::log(4.0)));
}

TEST_CASE("a summary reports the maximum, the sum and nothing below a cutoff", "[kernels][log_sum_exp]") {
  // The maximum of each chunk differs: the join must rescale, and a chunk under the cutoff must add nothing.
  std::vector<double> x(3 * 1024, -3.0);
  x[5] = 2.0;
  x[1500] = 1.0;
  const auto all = kernels::summarize(x.data(), x.size(), 2.0);
  REQUIRE(all.maximum == 2.0);
  REQUIRE(all.sum == Approx(1.0 + std::exp(-0.5) + 3070.0 * std::exp(-2.5)).epsilon(1e-14));
  REQUIRE(all.log_normalizer == Approx(1.0 + std::log(all.sum)).epsilon(1e-14));
  const auto kept = kernels::summarize(x.data(), x.size(), 2.0, 1.0);
  REQUIRE(kept.sum == Approx(1.0 + std::exp(-0.5)).epsilon(1e-15));
  REQUIRE(kernels::summarize(x.data(), x.size(), 2.0, 2.5).log_normalizer == -std::numeric_limits<double>::infinity());
}

}  // namespace log_sum_exp_test
