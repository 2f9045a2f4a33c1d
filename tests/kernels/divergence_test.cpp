// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "kernels/scalar_kernels.hpp"

#include <gavel/kernels/divergence.hpp>

#include <cmath>
#include <limits>
#include <vector>

namespace divergence_test {

using namespace gavel;
using namespace gavel::testing;

TEMPLATE_TEST_CASE("entropy and KL agree with their scalar twins", "[kernels][divergence]", float, double, half, bfloat16) {
  for (const std::size_t n : awkward_lengths()) {
    const auto p = random_probs<TestType>(n, n, 1.0);
    const auto q = random_probs<TestType>(n, n + 7, 1.0);
    long double h = 0.0L;
    long double kl = 0.0L;
    bool outside = false;
    for (std::size_t i = 0; i < n; ++i) {
      const auto pi = static_cast<long double>(widen(p[i]));
      const auto qi = static_cast<long double>(widen(q[i]));
      if (pi > 0.0L) {
        h -= pi * std::log(pi);
        if (qi > 0.0L) kl += pi * (std::log(pi) - std::log(qi));
        else outside = true;
      }
    }
    INFO("n " << n);
    REQUIRE(kernels::entropy(p.data(), n) == Approx(static_cast<double>(h)).epsilon(1e-13).margin(1e-14));
    if (outside) REQUIRE(kernels::kl_divergence(p.data(), q.data(), n) == std::numeric_limits<double>::infinity());
    else REQUIRE(kernels::kl_divergence(p.data(), q.data(), n) == Approx(static_cast<double>(kl)).epsilon(1e-12).margin(1e-13));
    REQUIRE(kernels::kl_divergence(p.data(), p.data(), n) == 0.0);
  }
}

TEMPLATE_TEST_CASE("of logits, with temperature", "[kernels][divergence]", float, double, half, bfloat16) {
  const double bound = sizeof(compute_type<TestType>) == 4 ? 1e-5 : 1e-12;
  for (const std::size_t n : awkward_lengths()) {
    const auto x = random_logits<TestType>(n, n + 5, 2.0);
    const auto y = random_logits<TestType>(n, n + 6, 2.0);
    const auto p = twin_softmax(wide(x), 0.7L);
    const auto q = twin_softmax(wide(y), 0.7L);
    long double h = 0.0L;
    long double kl = 0.0L;
    for (std::size_t i = 0; i < n; ++i) {
      h -= p[i] * std::log(p[i]);
      kl += p[i] * std::log(p[i] / q[i]);
    }
    INFO("n " << n);
    REQUIRE(kernels::entropy_of_logits(x.data(), n, 0.7) == Approx(static_cast<double>(h)).epsilon(bound).margin(bound));
    REQUIRE(kernels::kl_divergence_of_logits(x.data(), y.data(), n, 0.7) == Approx(static_cast<double>(kl)).epsilon(bound).margin(bound));
  }
}

TEST_CASE("divergence: the temperature is 1 unless given", "[kernels][divergence]") {
  const std::vector<double> x = {0.0, std::log(3.0)};  // 1/4, 3/4
  const std::vector<double> even = {0.0, 0.0};
  REQUIRE(kernels::entropy_of_logits(x.data(), 2) == Approx(0.25 * std::log(4.0) + 0.75 * std::log(4.0 / 3.0)));
  REQUIRE(kernels::kl_divergence_of_logits(even.data(), x.data(), 2) == Approx(0.5 * std::log(2.0) + 0.5 * std::log(2.0 / 3.0)));
}

TEST_CASE("zeros: 0 log 0 is 0, mass where q has none is infinite", "[kernels][divergence]") {
  const std::vector<double> p = {0.5, 0.0, 0.5};
  const std::vector<double> q = {0.25, 0.5, 0.25};
  REQUIRE(kernels::entropy(p.data(), 3) == Approx(std::log(2.0)));
  REQUIRE(kernels::kl_divergence(p.data(), q.data(), 3) == Approx(std::log(2.0)));
  REQUIRE(kernels::kl_divergence(q.data(), p.data(), 3) == std::numeric_limits<double>::infinity());
  const std::vector<double> even = {0.5, 0.5};
  const std::vector<double> tiny = {1.0, 1e-300};  // small is not zero
  REQUIRE(kernels::kl_divergence(even.data(), tiny.data(), 2) == Approx(-std::log(2.0) + 150.0 * std::log(10.0)));
  REQUIRE(kernels::kl_divergence(tiny.data(), even.data(), 2) == Approx(std::log(2.0)));
  const std::vector<double> one_hot = {0.0, 1.0, 0.0};
  REQUIRE(kernels::entropy(one_hot.data(), 3) == 0.0);
}

TEMPLATE_TEST_CASE("the KL divergence of logits is finite where q is too small to be written", "[kernels][divergence]", float, double) {
  const double inf = std::numeric_limits<double>::infinity();
  const TestType masked = -std::numeric_limits<TestType>::infinity();
  const std::vector<TestType> x = {0, 0, masked};
  const std::vector<TestType> y = {0, -1000, 0};
  REQUIRE(kernels::kl_divergence_of_logits(x.data(), y.data(), 3) == Approx(500.0).epsilon(1e-6));  // log 2 cancels
  REQUIRE(kernels::kl_divergence_of_logits(x.data(), y.data(), 3, 0.5) == Approx(1000.0).epsilon(1e-6));
  REQUIRE(kernels::kl_divergence_of_logits(y.data(), x.data(), 3) == inf);  // y has mass on the token that x masks
  REQUIRE(kernels::kl_divergence_of_logits(x.data(), x.data(), 3) == 0.0);
  const std::vector<TestType> none = {masked, masked, masked};
  REQUIRE(std::isnan(kernels::kl_divergence_of_logits(none.data(), x.data(), 3)));
  REQUIRE(std::isnan(kernels::kl_divergence_of_logits(x.data(), none.data(), 3)));
}

TEST_CASE("below the smallest normal number a probability is 0, from it on it counts", "[kernels][divergence]") {
  const double inf = std::numeric_limits<double>::infinity();
  const double least = std::numeric_limits<double>::min();  // its logarithm is -708.4
  const double none = 0.5 * least;
  const auto entropy = [](double p) { return kernels::entropy(&p, 1); };
  const auto kl = [](double p, double q) { return kernels::kl_divergence(&p, &q, 1); };
  CHECK(entropy(least) == Approx(-least * std::log(least)).epsilon(1e-12));
  CHECK(entropy(none) == 0.0);
  CHECK(kl(least, 1.0) == Approx(least * std::log(least)).epsilon(1e-12));
  CHECK(kl(none, 1.0) == 0.0);
  CHECK(kl(1.0, least) == Approx(-std::log(least)).epsilon(1e-14));
  CHECK(kl(least, least) == 0.0);
  CHECK(kl(1.0, none) == inf);
  CHECK(kl(least, none) == inf);
  CHECK(kl(least, 0.0) == inf);
  CHECK(kl(none, 0.0) == 0.0);
  CHECK(kl(none, least) == 0.0);
}

}  // namespace divergence_test
