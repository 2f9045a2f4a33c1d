// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "kernels/scalar_kernels.hpp"

#include <gavel/core/goodness_of_fit.hpp>
#include <gavel/kernels/sample.hpp>
#include <gavel/kernels/softmax.hpp>

#include <cmath>
#include <limits>
#include <vector>

namespace sample_test {

using namespace gavel;
using namespace gavel::testing;

TEMPLATE_TEST_CASE("a draw is the inverse CDF of the scalar twin", "[kernels][sample]", float, double, half, bfloat16) {
  philox4x32 rng(3);
  const long double blurred =
      sizeof(compute_type<TestType>) == 4 ? 1e-5L : 1e-13L;  // a uniform this close to a boundary may fall either way
  std::size_t compared = 0;
  for (const std::size_t n : awkward_lengths()) {
    const auto logits = random_logits<TestType>(n, n, 1.0);
    const auto probs = twin_softmax(wide(logits), 0.8L);
    std::vector<TestType> weights;
    for (const long double p : probs) weights.push_back(row_maker<TestType>::make(static_cast<double>(17.0L * p)));
    const auto stored = wide(weights);
    for (int repeat = 0; repeat < 40; ++repeat) {
      const double u = uniform(rng);
      const twin_draw twin = twin_sample(probs, static_cast<long double>(u));
      const twin_draw of_weights = twin_sample(stored, static_cast<long double>(u));
      if (twin.margin < blurred || of_weights.margin < blurred) continue;
      ++compared;
      INFO("n " << n << ", u " << u);
      REQUIRE(kernels::sample_logits(logits.data(), n, u, 0.8) == twin.index);
      REQUIRE(kernels::sample(weights.data(), n, u) == of_weights.index);
    }
  }
  REQUIRE(compared > 500);
}

TEST_CASE("zero weights and masked logits are never drawn, the last uniform included", "[kernels][sample]") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  const double last = 1.0 - 0x1p-53;
  for (const std::size_t n : {1u, 2u, 64u, 65u, 5000u}) {
    std::vector<float> weights(n, 0.0f);
    std::vector<float> logits(n, -inf);
    const std::size_t only = n / 2;
    weights[only] = 0.3f;
    logits[only] = -4.0f;
    for (const double u : {0.0, 0.5, last}) {
      REQUIRE(kernels::sample(weights.data(), n, u) == only);
      REQUIRE(kernels::sample_logits(logits.data(), n, u) == only);
    }
  }
  std::vector<float> equal(4500, 1.0f);
  equal[0] = 0.0f;
  equal.back() = 0.0f;
  REQUIRE(kernels::sample(equal.data(), equal.size(), 0.0) == 1);
  REQUIRE(kernels::sample(equal.data(), equal.size(), last) == equal.size() - 2);
}

TEST_CASE("nothing to draw", "[kernels][sample]") {
  const std::vector<float> zero(100, 0.0f);
  REQUIRE(kernels::sample(zero.data(), zero.size(), 0.5) == kernels::not_found);
  std::vector<float> bad(100, 1.0f);
  bad[70] = std::numeric_limits<float>::quiet_NaN();
  REQUIRE(kernels::sample(bad.data(), bad.size(), 0.5) == kernels::not_found);
  REQUIRE(kernels::sample_logits(bad.data(), bad.size(), 0.5) == kernels::not_found);
  std::vector<float> late(5000, 1.0f);
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    late[4000] = value;  // in another chunk than the one a small uniform points to
    for (const double u : {0.0, 0.01, 0.9}) REQUIRE(kernels::sample_logits(late.data(), late.size(), u) == kernels::not_found);
  }
  REQUIRE(kernels::sample_logits(late.data(), 0, 0.5) == kernels::not_found);
  REQUIRE(kernels::sample(late.data(), 0, 0.5) == kernels::not_found);
  const std::vector<float> masked(100, -std::numeric_limits<float>::infinity());
  REQUIRE(kernels::sample_logits(masked.data(), masked.size(), 0.5) == kernels::not_found);
}

TEST_CASE("draws from logits follow the softmax (G-test)", "[kernels][sample]") {
  const std::size_t n = 3000;
  const auto logits = random_logits<float>(n, 21, 1.5);
  const auto twin = twin_softmax(wide(logits), 1.3L);
  const std::vector<double> probs(twin.begin(), twin.end());
  std::vector<std::uint64_t> counts(n, 0);
  philox4x32 rng(5);
  for (int i = 0; i < 200000; ++i) ++counts[kernels::sample_logits(logits.data(), n, uniform(rng), 1.3)];
  const auto test = g_test(counts, probs);
  REQUIRE(test.p_value > 1e-6);
}

TEST_CASE("a cutoff removes tokens and renormalises the rest", "[kernels][sample]") {
  const auto logits = random_logits<float>(200, 22);
  std::vector<long double> kept = twin_softmax(wide(logits));
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (logits[i] < 1.0f) kept[i] = 0.0L;
  }
  philox4x32 rng(6);
  for (int i = 0; i < 500; ++i) {
    const double u = uniform(rng);
    const twin_draw twin = twin_sample(kept, static_cast<long double>(u));
    if (twin.margin > 1e-5L) REQUIRE(kernels::sample_logits(logits.data(), logits.size(), u, 1.0, 1.0) == twin.index);
  }
}

TEST_CASE("a uniform on a boundary between equal logits belongs to the next index", "[kernels][sample]") {
  for (const std::size_t n : {2u, 128u, 4096u, 8192u}) {
    const std::vector<float> x(n, -7.5f);
    for (const std::size_t eighth : {0u, 1u, 4u, 7u}) {
      if (n * eighth % 8 == 0) REQUIRE(kernels::sample_logits(x.data(), n, static_cast<double>(eighth) / 8.0) == n * eighth / 8);
    }
  }
}

TEST_CASE("sample_logits: the temperature is 1 unless given", "[kernels][sample]") {
  const std::vector<double> x = {0.0, std::log(3.0)};  // 1/4, 3/4
  REQUIRE(kernels::sample_logits(x.data(), 2, 0.24) == 0);
  REQUIRE(kernels::sample_logits(x.data(), 2, 0.26) == 1);
}

TEST_CASE("the last uniform does not run into masked chunks", "[kernels][sample]") {
  std::vector<float> x(5 * 2048, -std::numeric_limits<float>::infinity());
  for (std::size_t i = 2000; i < 2200; ++i) x[i] = 0.1f * static_cast<float>(i % 7);
  REQUIRE(kernels::sample_logits(x.data(), x.size(), 1.0 - 0x1p-53) == 2199);
  REQUIRE(kernels::sample_logits(x.data(), x.size(), 1.0) == 2199);  // outside the domain, as rounding may leave it
  REQUIRE(kernels::sample_logits(x.data(), x.size(), 0.0) == 2000);
}

}  // namespace sample_test
