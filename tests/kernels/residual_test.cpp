// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "kernels/scalar_kernels.hpp"

#include <gavel/kernels/residual.hpp>
#include <gavel/kernels/softmax.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace residual_test {

using namespace gavel;
using namespace gavel::testing;

namespace {
template <class T>
std::vector<long double> twin_residual(const std::vector<T>& p, const std::vector<T>& q, double scale, double floor) {
  std::vector<long double> weights;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const auto pi = static_cast<long double>(widen(p[i]));
    const auto qi = static_cast<long double>(widen(q[i]));
    weights.push_back(std::max(pi - static_cast<long double>(scale) * qi, static_cast<long double>(floor) * pi));
  }
  return weights;
}
}  // namespace

TEMPLATE_TEST_CASE("the residual is summed and sampled like its scalar twin", "[kernels][residual]", float, double, half, bfloat16) {
  const double bound = sizeof(compute_type<TestType>) == 4 ? 2e-6 : 1e-14;
  philox4x32 rng(9);
  std::size_t compared = 0;
  for (const std::size_t n : awkward_lengths()) {
    const auto p = random_probs<TestType>(n, n, 1.0);
    const auto q = random_probs<TestType>(n, n + 50, 1.0);
    for (const auto& [scale, floor] : {std::pair{1.0, 0.0}, std::pair{2.5, 0.0}, std::pair{1.0, 0.3}, std::pair{0.0, 0.0}}) {
      const auto weights = twin_residual(p, q, scale, floor);
      long double total = 0.0L;
      for (const long double w : weights) total += w;
      INFO("n " << n << ", scale " << scale << ", floor " << floor);
      REQUIRE(std::fabs(kernels::residual_sum(p.data(), q.data(), n, scale, floor) - static_cast<double>(total)) <= bound);
      if (total < 1e-3L) continue;
      for (int repeat = 0; repeat < 10; ++repeat) {
        const double u = uniform(rng);
        const twin_draw twin = twin_sample(weights, static_cast<long double>(u));
        if (twin.margin < 1e-4L) continue;
        ++compared;
        REQUIRE(kernels::residual_sample(p.data(), q.data(), n, u, scale, floor) == twin.index);
      }
    }
  }
  REQUIRE(compared > 100);
}

TEST_CASE("a residual of zero everywhere says so", "[kernels][residual]") {
  const auto p = random_probs<double>(300, 1);
  REQUIRE(kernels::residual_sum(p.data(), p.data(), p.size()) == 0.0);
  REQUIRE(kernels::residual_sample(p.data(), p.data(), p.size(), 0.5) == kernels::not_found);
}

TEST_CASE("q counts once and nothing is kept unless told otherwise", "[kernels][residual]") {
  const std::vector<double> p = {0.75, 0.25};
  const std::vector<double> q = {0.375, 0.625};
  REQUIRE(kernels::residual_sum(p.data(), q.data(), 2) == 0.375);
  const auto row = kernels::make_residual(kernels::weights_row<double>{p.data()}, kernels::weights_row<double>{q.data()});
  REQUIRE(kernels::row_sum(row, 2) == 0.375);
  const std::vector<double> half = {0.375, 0.0};  // leaves 3/8 and 1/4
  REQUIRE(kernels::residual_sample(p.data(), half.data(), 2, 0.59) == 0);
  REQUIRE(kernels::residual_sample(p.data(), half.data(), 2, 0.61) == 1);
}

TEST_CASE("residual of two rows of logits, and of logits and probabilities", "[kernels][residual]") {
  const std::size_t n = 4099;
  const auto x = random_logits<float>(n, 1, 2.0);
  const auto y = random_logits<float>(n, 2, 2.0);
  const auto p = twin_softmax(wide(x));
  const auto q = twin_softmax(wide(y));
  std::vector<float> q_written(n);
  kernels::write_row(kernels::softmax_row(y.data(), kernels::summarize(y.data(), n)), n, q_written.data());
  std::vector<long double> weights;
  long double total = 0.0L;
  for (std::size_t i = 0; i < n; ++i) {
    weights.push_back(std::max(p[i] - q[i], 0.0L));
    total += weights.back();
  }
  const auto px = kernels::softmax_row(x.data(), kernels::summarize(x.data(), n));
  const auto qy = kernels::softmax_row(y.data(), kernels::summarize(y.data(), n));
  const auto both = kernels::make_residual(px, qy);
  const auto mixed = kernels::make_residual(px, kernels::weights_row<float>{q_written.data()});
  REQUIRE(kernels::row_sum(both, n) == Approx(static_cast<double>(total)).epsilon(1e-5));
  REQUIRE(kernels::row_sum(mixed, n) == kernels::row_sum(both, n));  // writing the softmax and reading it back loses nothing
  philox4x32 rng(4);
  for (int repeat = 0; repeat < 300; ++repeat) {
    const double u = uniform(rng);
    const twin_draw twin = twin_sample(weights, static_cast<long double>(u));
    if (twin.margin > 1e-5L) REQUIRE(kernels::row_sample(both, n, u).index == twin.index);
  }
}

}  // namespace residual_test
