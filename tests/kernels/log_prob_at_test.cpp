// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "kernels/scalar_kernels.hpp"

#include <gavel/kernels/log_prob_at.hpp>

#include <cmath>
#include <limits>
#include <vector>

namespace log_prob_at_test {

using namespace gavel;
using namespace gavel::testing;

TEMPLATE_TEST_CASE("log_prob_at picks the entries of the log-softmax", "[kernels][log_prob_at]", float, double, half, bfloat16) {
  const double bound = sizeof(compute_type<TestType>) == 4 ? 1e-6 : 1e-14;
  for (const std::size_t n : {1u, 64u, 65u, 2048u, 5003u}) {
    const auto x = random_logits<TestType>(n, n + 3);
    const auto expected = twin_softmax(wide(x), 0.6L);
    std::vector<std::uint32_t> tokens = {0u, static_cast<std::uint32_t>(n - 1), static_cast<std::uint32_t>(n / 2), 0u};
    std::vector<double> log_probs(tokens.size());
    kernels::log_prob_at(x.data(), n, tokens.data(), tokens.size(), log_probs.data(), 0.6);
    for (std::size_t k = 0; k < tokens.size(); ++k) {
      const auto e = static_cast<double>(std::log(expected[tokens[k]]));
      REQUIRE(std::fabs(log_probs[k] - e) <= bound * (1.0 + std::fabs(e)));
      REQUIRE(kernels::log_prob_at(x.data(), n, tokens[k], 0.6) == log_probs[k]);
    }
  }
}

TEST_CASE("the temperature of a log-probability is 1 unless given", "[kernels][log_prob_at]") {
  const std::vector<double> x = {0.0, std::log(3.0)};
  const std::vector<std::uint32_t> tokens = {1, 0};
  std::vector<double> log_probs(2);
  kernels::log_prob_at(x.data(), 2, tokens.data(), 2, log_probs.data());
  REQUIRE(log_probs[0] == Approx(std::log(0.75)));
  REQUIRE(log_probs[1] == Approx(std::log(0.25)));
  REQUIRE(kernels::log_prob_at(x.data(), 2, std::size_t{1}) == log_probs[0]);
}

TEST_CASE("a masked token has log-probability -inf", "[kernels][log_prob_at]") {
  const std::vector<float> x = {0.0f, -std::numeric_limits<float>::infinity()};
  REQUIRE(kernels::log_prob_at(x.data(), 2, std::size_t{1}) == -std::numeric_limits<double>::infinity());
  REQUIRE(kernels::log_prob_at(x.data(), 2, std::size_t{0}) == 0.0);
}

TEST_CASE("the largest of large logits is not more likely than one", "[kernels][log_prob_at]") {
  for (const float largest : {1e6f, 1e30f, 3e38f}) {
    const std::vector<float> x = {largest, -3e38f, 0.0f};
    for (const double temperature : {1e-30, 0.3, 0.7, 1.0, 3.0}) {
      INFO("largest " << largest << ", temperature " << temperature);
      REQUIRE(kernels::log_prob_at(x.data(), 3, std::size_t{0}, temperature) == 0.0);
      REQUIRE(kernels::log_prob_at(x.data(), 3, std::size_t{2}, temperature) ==
              Approx(-static_cast<double>(largest) / temperature).epsilon(1e-15));
    }
  }
}

TEST_CASE("a row without a distribution has NaN for log-probabilities", "[kernels][log_prob_at]") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), inf, -inf}) {
    const std::vector<float> x = {bad == -inf ? bad : 1.0f, bad};
    for (const std::size_t token : {std::size_t{0}, std::size_t{1}}) REQUIRE(std::isnan(kernels::log_prob_at(x.data(), 2, token)));
  }
}

}  // namespace log_prob_at_test
