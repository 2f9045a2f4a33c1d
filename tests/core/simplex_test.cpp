// SPDX-License-Identifier: MIT
#include <gavel/core/philox.hpp>
#include <gavel/core/simplex.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/core/variates.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <Eigen/Core>

#include <cmath>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace simplex_test {

using gavel::testing::message_of;
using gavel::testing::not_a_number;
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();

std::vector<double> random_row(gavel::philox4x32& rng, std::size_t n) {
  std::vector<double> row(n);
  for (double& weight : row) weight = gavel::exponential(rng);
  gavel::normalize(row);
  return row;
}

}  // namespace

TEMPLATE_TEST_CASE("scan_weights: the sum, and suspicion of every sign bit wherever it stands", "[core][simplex]", float, double) {
  using T = TestType;
  for (std::size_t n = 0; n <= 40; ++n) {
    std::vector<T> row(n);
    for (std::size_t i = 0; i < n; ++i) row[i] = static_cast<T>(i + 1);
    const gavel::weight_scan clean = gavel::scan_weights(row.data(), n);
    CHECK(clean.sum == 0.5 * static_cast<double>(n * (n + 1)));
    CHECK_FALSE(clean.suspect);
    for (std::size_t i = 0; i < n; ++i) {
      const T kept = std::exchange(row[i], T(-0.0));
      CHECK(gavel::scan_weights(row.data(), n).suspect);
      row[i] = std::numeric_limits<T>::quiet_NaN();
      CHECK(std::isnan(gavel::scan_weights(row.data(), n).sum));
      row[i] = kept;
    }
  }
}

TEMPLATE_TEST_CASE("check_distribution: what passes", "[core][simplex]", float, double) {
  using T = TestType;
  using row = std::vector<T>;
  CHECK_NOTHROW(gavel::check_distribution("gavel::f", "q", row{T(1)}));
  CHECK_NOTHROW(gavel::check_distribution("gavel::f", "q", row{T(0.25), T(0), T(-0.0), T(0.75)}));
  CHECK_NOTHROW(gavel::check_distribution("gavel::f", "q", std::span<const T>(row{T(0.5), T(0.5)})));
  CHECK_NOTHROW(gavel::check_distribution("gavel::f", "q", Eigen::Matrix<T, 4, 1>::Constant(T(0.25)).eval()));
  CHECK_NOTHROW(gavel::check_distribution("gavel::f", "q", row{T(0.5), T(0.4)}, 0.11));
  for (std::size_t n = 1; n < 70; ++n) {  // every remainder of the blocks of 16
    row uniform(n, T(1.0 / static_cast<double>(n)));
    CHECK_NOTHROW(gavel::check_distribution("gavel::f", "q", uniform));
  }
}

TEMPLATE_TEST_CASE("check_distribution: every bad element at every place is named", "[core][simplex]", float, double) {
  using T = TestType;
  struct bad_value {
    T value;
    const char* text;
  };
  const bad_value bad[] = {{T(not_a_number), "nan"}, {-T(not_a_number), "nan"}, {T(inf), "inf"}, {T(-inf), "-inf"}, {T(-0.5), "-0.5"}};
  for (const std::size_t n : {std::size_t{1}, std::size_t{15}, std::size_t{16}, std::size_t{17}, std::size_t{50}}) {
    for (std::size_t i = 0; i < n; ++i) {
      for (const auto& [value, text] : bad) {
        std::vector<T> row(n, T(1.0 / static_cast<double>(n)));
        row[i] = value;
        if (i + 1 < n) row[n - 1] = T(-1);  // the first culprit is the one that counts
        CHECK(message_of([&] { gavel::check_distribution("gavel::f", "q", row); }) ==
              "domain: gavel::f: q[" + std::to_string(i) + "] = " + text + ", must be finite and >= 0");
      }
    }
  }
  // negative values that leave the sum at one, in every lane of the blocks
  for (std::size_t i = 0; i < 100; ++i) {
    std::vector<T> row(100, T(0));
    row[i] = T(-0.5);
    row[(i + 37) % 100] = T(1.5);
    CHECK(message_of([&] { gavel::check_distribution("gavel::f", "q", row); }) ==
          "domain: gavel::f: q[" + std::to_string(i) + "] = -0.5, must be finite and >= 0");
    CHECK(message_of([&] { (void)gavel::normalize(row); }) ==
          "domain: gavel::normalize: weights[" + std::to_string(i) + "] = -0.5, must be finite and >= 0");
  }
  CHECK(message_of([&] { gavel::check_distribution("gavel::f", "q", std::vector<T>{T(1.5), T(-0.5)}); }) ==
        "domain: gavel::f: q[1] = -0.5, must be finite and >= 0");
}

TEST_CASE("check_distribution: sums and sizes", "[core][simplex]") {
  using row = std::vector<double>;
  CHECK(message_of([&] { gavel::check_distribution("gavel::f", "q", row{}); }) == "gavel::f: q.size() = 0, must be >= 1");
  CHECK(message_of([&] { gavel::check_distribution("gavel::f", "q", row{0.5, 0.49}); }) ==
        "domain: gavel::f: sum of q = 0.99, must be 1 within 1e-06");
  CHECK(message_of([&] { gavel::check_distribution("gavel::f", "draft_probs", row{0.5, 0.52}, 1e-3); }) ==
        "domain: gavel::f: sum of draft_probs = 1.02, must be 1 within 0.001");
  CHECK(message_of([&] { gavel::check_distribution("gavel::f", "q", row{0.0, 0.0}); }) ==
        "domain: gavel::f: sum of q = 0, must be 1 within 1e-06");
  CHECK(message_of([&] { gavel::check_distribution("gavel::f", "q", row{1e308, 1e308}); }) ==
        "domain: gavel::f: sum of q = inf, must be 1 within 1e-06");
  CHECK_NOTHROW(gavel::check_distribution("gavel::f", "q", row{0.5, 0.5 + 0.9e-6}));
  CHECK(message_of([&] { gavel::check_distribution("gavel::f", "q", row{0.5, 0.5 + 1.1e-6}); }) ==
        "domain: gavel::f: sum of q = 1.0000011, must be 1 within 1e-06");
  CHECK(message_of([&] { gavel::check_distribution("gavel::f", "q", row{0.5, 0.5 - 1.1e-6}); }) ==
        "domain: gavel::f: sum of q = 0.9999989, must be 1 within 1e-06");
  // The sum is accumulated in double: a million floats add up although a float accumulator would not see the last ones.
  CHECK_NOTHROW(gavel::check_distribution("gavel::f", "q", std::vector<float>(1 << 20, 0x1p-20f)));
  std::vector<float> million(1000000, 1e-6f);
  CHECK_NOTHROW(gavel::check_distribution("gavel::f", "q", million));
}

TEST_CASE("check_distribution: the tolerance is exact although most float rows are summed quickly", "[core][simplex]") {
  gavel::philox4x32 rng(15);
  int accepted = 0;
  for (int repetition = 0; repetition < 2000; ++repetition) {
    std::vector<float> row(33 + gavel::uniform_index(rng, 500));
    for (float& weight : row) weight = static_cast<float>(gavel::exponential(rng));
    const double target = 1.0 + 1.2e-6 * (2.0 * gavel::uniform(rng) - 1.0);
    const double scale = target / gavel::accurate_sum(row);
    for (float& weight : row) weight = static_cast<float>(static_cast<double>(weight) * scale);
    const bool expected = std::fabs(gavel::accurate_sum(row) - 1.0) <= 1e-6;
    bool passed = true;
    try {
      gavel::check_distribution("gavel::f", "q", row);
    } catch (const std::domain_error&) {
      passed = false;
    }
    CHECK(passed == expected);
    accepted += passed ? 1 : 0;
  }
  CHECK(accepted > 1000);
  CHECK(accepted < 1900);
}

TEST_CASE("normalize", "[core][simplex]") {
  std::vector<double> weights{1, 0, 3};
  CHECK(gavel::normalize(weights) == 4.0);
  CHECK(weights == std::vector{0.25, 0.0, 0.75});
  Eigen::VectorXf eigen = Eigen::VectorXf::Constant(4, 2.0f);
  CHECK(gavel::normalize(eigen) == 8.0);
  CHECK(eigen(3) == 0.25f);
  CHECK(gavel::normalize(std::span<double>(weights).subspan(1)) == 0.75);
  std::vector<double> tiny{std::numeric_limits<double>::denorm_min(), 0.0};
  gavel::normalize(tiny);
  CHECK(tiny == std::vector{1.0, 0.0});

  std::vector<double> bad{1.0, -1.0, 2.0};
  CHECK(message_of([&] { (void)gavel::normalize(bad); }) == "domain: gavel::normalize: weights[1] = -1, must be finite and >= 0");
  CHECK(bad == std::vector{1.0, -1.0, 2.0});
  std::vector<double> zero{0.0, 0.0};
  CHECK(message_of([&] { (void)gavel::normalize(zero); }) == "domain: gavel::normalize: sum of weights = 0, must be finite and > 0");
  std::vector<float> none;
  CHECK(message_of([&] { (void)gavel::normalize(none); }) == "gavel::normalize: weights.size() = 0, must be >= 1");
}

TEST_CASE("divergences: closed forms and edges", "[core][simplex]") {
  const std::vector<double> p{0.5, 0.25, 0.25, 0.0};
  const std::vector<double> q{0.25, 0.25, 0.0, 0.5};
  const std::vector<float> uniform(4, 0.25f);
  CHECK(gavel::kl_divergence(p, uniform) == Approx(0.5 * std::log(2.0)).epsilon(1e-15));
  CHECK(gavel::kl_divergence(p, p) == 0.0);
  CHECK(gavel::kl_divergence(p, q) == inf);  // p has mass where q has none
  CHECK(gavel::kl_divergence(std::vector{1.0, 0.0}, std::vector{0.125, 0.875}) == Approx(std::log(8.0)).epsilon(1e-15));
  CHECK(gavel::total_variation(p, q) == 0.5);
  CHECK(gavel::total_variation(p, uniform) == 0.25);
  CHECK(gavel::total_variation(std::vector{1.0, 0.0}, std::vector{0.0, 1.0}) == 1.0);
  CHECK(gavel::jensen_shannon_divergence(std::vector{1.0, 0.0}, std::vector{0.0, 1.0}) == Approx(std::log(2.0)).epsilon(1e-15));
  CHECK(gavel::jensen_shannon_divergence(p, p) == 0.0);
  CHECK(gavel::entropy(uniform) == Approx(std::log(4.0)).epsilon(1e-15));
  CHECK(gavel::entropy(std::vector{0.0, 1.0, 0.0}) == 0.0);
  CHECK(gavel::entropy(p) == Approx(1.5 * std::log(2.0)).epsilon(1e-15));
}

TEST_CASE("divergences: inequalities on random rows", "[core][simplex]") {
  gavel::philox4x32 rng(6);
  for (int repetition = 0; repetition < 200; ++repetition) {
    const auto p = random_row(rng, 37);
    const auto q = random_row(rng, 37);
    const double kl = gavel::kl_divergence(p, q);
    const double tv = gavel::total_variation(p, q);
    const double js = gavel::jensen_shannon_divergence(p, q);
    double plain = 0.0;
    for (std::size_t i = 0; i < p.size(); ++i) plain += p[i] * std::log(p[i] / q[i]);
    CHECK(kl == Approx(plain).epsilon(1e-12));
    CHECK(kl >= 2.0 * tv * tv);  // Pinsker
    CHECK(js <= std::log(2.0) * tv);
    CHECK(js == Approx(gavel::jensen_shannon_divergence(q, p)).epsilon(1e-13));
    std::vector<double> middle(37);
    for (std::size_t i = 0; i < 37; ++i) middle[i] = 0.5 * (p[i] + q[i]);
    CHECK(js == Approx(gavel::entropy(middle) - 0.5 * (gavel::entropy(p) + gavel::entropy(q))).epsilon(1e-10));
  }
  // A row and its single-precision copy: sums differ by rounding, the divergence must not turn negative.
  for (int repetition = 0; repetition < 100; ++repetition) {
    const auto p = random_row(rng, 50);
    const std::vector<float> rounded(p.begin(), p.end());
    CHECK(gavel::kl_divergence(p, rounded) >= 0.0);
    CHECK(gavel::kl_divergence(p, rounded) < 1e-13);
    CHECK(gavel::kl_divergence(rounded, p) >= 0.0);
  }
}

TEST_CASE("divergences: errors", "[core][simplex]") {
  const std::vector<double> p{0.5, 0.5};
  CHECK(message_of([&] { (void)gavel::kl_divergence(p, std::vector{1.0}); }) ==
        "gavel::kl_divergence: q.size() = 1, must equal p.size() 2");
  CHECK(message_of([&] { (void)gavel::kl_divergence(p, std::vector{0.5, 0.6}); }) ==
        "domain: gavel::kl_divergence: sum of q = 1.1, must be 1 within 1e-06");
  CHECK(message_of([&] { (void)gavel::total_variation(std::vector{not_a_number, 1.0}, p); }) ==
        "domain: gavel::total_variation: p[0] = nan, must be finite and >= 0");
  CHECK(message_of([&] { (void)gavel::jensen_shannon_divergence(p, std::vector{-0.5, 1.5}); }) ==
        "domain: gavel::jensen_shannon_divergence: q[0] = -0.5, must be finite and >= 0");
  CHECK(message_of([&] { (void)gavel::entropy(std::vector<double>{}); }) == "gavel::entropy: p.size() = 0, must be >= 1");
}

}  // namespace simplex_test
