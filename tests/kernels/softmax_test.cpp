// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "kernels/scalar_kernels.hpp"

#include <gavel/kernels/softmax.hpp>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

namespace softmax_test {

using namespace gavel;
using namespace gavel::testing;

TEMPLATE_TEST_CASE("softmax and log_softmax agree with their scalar twins", "[kernels][softmax]", float, double, half, bfloat16) {
  using T = compute_type<TestType>;
  const double bound = sizeof(T) == 4 ? 2e-6 : 4e-15;
  for (const std::size_t n : awkward_lengths()) {
    const auto x = random_logits<TestType>(n, n + 1);
    for (const double temperature : {0.5, 1.0, 2.0}) {
      INFO("n " << n << ", temperature " << temperature);
      const auto expected = twin_softmax(wide(x), static_cast<long double>(temperature));
      std::vector<T> probs(n);
      std::vector<T> log_probs(n);
      kernels::softmax(x.data(), n, probs.data(), temperature);
      kernels::log_softmax(x.data(), n, log_probs.data(), temperature);
      long double sum = 0.0L;
      for (std::size_t i = 0; i < n; ++i) {
        const auto e = static_cast<double>(expected[i]);
        // an exponent of size |d| carries |d| epsilon of absolute error
        REQUIRE(std::fabs(static_cast<double>(probs[i]) - e) <= bound * e * (1.0 + std::fabs(std::log(e))) + 1e-37);
        REQUIRE(std::fabs(static_cast<double>(log_probs[i]) - static_cast<double>(std::log(expected[i]))) <=
                bound * (1.0 + std::fabs(std::log(e))));
        sum += static_cast<long double>(probs[i]);
      }
      REQUIRE(static_cast<double>(std::fabs(sum - 1.0L)) <= bound);
    }
  }
}

TEMPLATE_TEST_CASE("in place gives the bits of out of place", "[kernels][softmax]", float, double) {
  for (const std::size_t n : awkward_lengths()) {
    auto x = random_logits<TestType>(n, n);
    auto y = x;
    std::vector<TestType> out(n);
    kernels::softmax(x.data(), n, out.data(), 0.8);
    kernels::softmax(x.data(), n, x.data(), 0.8);
    REQUIRE(x == out);
    kernels::log_softmax(y.data(), n, out.data(), 0.8);
    kernels::log_softmax(y.data(), n, y.data(), 0.8);
    REQUIRE(y == out);
  }
}

TEST_CASE("float logits write double probabilities", "[kernels][softmax]") {
  const auto x = random_logits<float>(1000, 2);
  std::vector<float> narrow(1000);
  std::vector<double> broad(1000);
  kernels::softmax(x.data(), 1000, narrow.data());
  kernels::softmax(x.data(), 1000, broad.data());
  for (std::size_t i = 0; i < 1000; ++i) REQUIRE(broad[i] == Approx(static_cast<double>(narrow[i])).epsilon(1e-6));
}

TEST_CASE("a softmax row has temperature 1 unless given", "[kernels][softmax]") {
  const std::vector<double> x = {0.0, std::log(3.0)};
  double probs[2];
  kernels::write_row(kernels::softmax_row(x.data(), kernels::summarize(x.data(), 2)), 2, probs);
  REQUIRE(probs[0] == Approx(0.25));
}

TEST_CASE("masked logits get probability zero and log-probability -inf", "[kernels][softmax]") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  std::vector<float> x = {1.0f, -inf, 2.0f, -inf};
  std::vector<float> out(4);
  kernels::softmax(x.data(), 4, out.data());
  REQUIRE(out[1] == 0.0f);
  REQUIRE(static_cast<double>(out[2]) == Approx(1.0 / (1.0 + std::exp(-1.0))));
  kernels::log_softmax(x.data(), 4, out.data());
  REQUIRE(out[3] == -inf);
  REQUIRE(static_cast<double>(out[2]) == Approx(-std::log(1.0 + std::exp(-1.0))));
  x[0] = std::numeric_limits<float>::quiet_NaN();
  kernels::softmax(x.data(), 4, out.data());
  for (const std::size_t i : {0u, 2u}) REQUIRE(std::isnan(out[i]));
}

TEMPLATE_TEST_CASE("log_softmax keeps its digits under large logits, small temperatures and both", "[kernels][softmax]", float, double) {
  using T = TestType;
  const double bound = sizeof(T) == 4 ? 1e-7 : 2e-16;
  const double log_half = -0.6931471805599453;
  std::vector<T> out(2);
  for (const T shift : {T(0), T(1e5), T(-1e5), T(1e30), T(3e38)}) {
    const std::vector<T> x = {shift, shift};
    for (const double temperature : {1e-40, 1e-30, 1e-6, 0.7, 1.0, 1e6, 1e40, 1e46}) {
      INFO("shift " << shift << ", temperature " << temperature);
      kernels::log_softmax(x.data(), 2, out.data(), temperature);
      REQUIRE(std::fabs(static_cast<double>(out[0]) - log_half) <= bound);
      REQUIRE(out[1] == out[0]);
      kernels::softmax(x.data(), 2, out.data(), temperature);
      REQUIRE(out == std::vector<T>{T(0.5), T(0.5)});
    }
  }
  const std::vector<T> apart = {T(20000), T(20001)};
  kernels::log_softmax(apart.data(), 2, out.data());
  REQUIRE(static_cast<double>(out[0]) == Approx(-1.3132616875182228).epsilon(bound));
  REQUIRE(static_cast<double>(out[1]) == Approx(-0.31326168751822286).epsilon(bound));
}

TEST_CASE("a row without a distribution gives NaN everywhere, an empty one nothing", "[kernels][softmax]") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  for (const std::size_t n : {1u, 67u, 5000u}) {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), inf, -inf}) {
      std::vector<float> x(n, bad == -inf ? bad : 1.0f);
      x[n / 2] = bad;
      std::vector<float> out(n);
      kernels::softmax(x.data(), n, out.data());
      for (const float p : out) REQUIRE(std::isnan(p));
      kernels::log_softmax(x.data(), n, out.data());
      for (const float p : out) REQUIRE(std::isnan(p));
    }
  }
  std::vector<float> hidden(5000, -inf);  // the NaN stands among masked logits, in another chunk than the rest
  hidden[0] = 1.0f;
  hidden[4000] = std::numeric_limits<float>::quiet_NaN();
  REQUIRE(std::isnan(kernels::log_sum_exp(hidden.data(), hidden.size())));
  kernels::softmax(hidden.data(), hidden.size(), hidden.data());
  for (const float p : hidden) REQUIRE(std::isnan(p));
  float untouched = 7.0f;
  kernels::softmax(&untouched, 0, &untouched);
  kernels::log_softmax(&untouched, 0, &untouched);
  REQUIRE(untouched == 7.0f);
}

TEST_CASE("chunks far apart are scaled to the row's maximum, masked ones to zero", "[kernels][softmax]") {
  const std::size_t n = 4 * 2048 + 3;
  std::vector<float> x(n, -20.0f);
  for (std::size_t i = 2048; i < 4096; ++i) x[i] = -std::numeric_limits<float>::infinity();
  x[n - 1] = 30.0f;
  x[0] = 29.0f;
  std::vector<float> out(n);
  kernels::softmax(x.data(), n, out.data());
  REQUIRE(static_cast<double>(out[n - 1]) == Approx(1.0 / (1.0 + std::exp(-1.0))));
  REQUIRE(static_cast<double>(out[0]) == Approx(1.0 / (1.0 + std::exp(1.0))));
  REQUIRE(static_cast<double>(out[1]) == Approx(std::exp(-50.0) / (1.0 + std::exp(-1.0))));
  REQUIRE(out[3000] == 0.0f);
  for (float& p : x) p = p == -20.0f ? -120.0f : p;  // 150 below: under the smallest float
  kernels::softmax(x.data(), n, out.data());
  REQUIRE(out[5000] == 0.0f);
  kernels::softmax(x.data(), n, x.data());  // in place a masked chunk must not leave 0 * -inf behind
  REQUIRE(x == out);
}

}  // namespace softmax_test
