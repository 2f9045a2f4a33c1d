// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "kernels/scalar_kernels.hpp"

#include <gavel/kernels/truncation.hpp>

#include <cmath>
#include <limits>
#include <vector>

namespace truncation_test {

using namespace gavel;
using namespace gavel::testing;

namespace {
/// Which tokens stay, by sorting: temperature, top-k (ties kept), top-p on the rest (ties kept), min-p.
template <class T>
std::vector<bool> twin_kept(const std::vector<T>& x, double temperature, const kernels::truncation& rule) {
  const auto order = twin_order(x);
  const auto probs = twin_softmax(wide(x), static_cast<long double>(temperature));
  std::size_t count = x.size();
  if (rule.top_k > 0 && rule.top_k < count) {
    count = rule.top_k;
    while (count < x.size() && widen(x[order[count]]) == widen(x[order[count - 1]])) ++count;
  }
  if (rule.top_p < 1.0) {
    long double total = 0.0L;
    for (std::size_t r = 0; r < count; ++r) total += probs[order[r]];
    long double mass = 0.0L;
    std::size_t r = 0;
    while (r < count && mass < static_cast<long double>(rule.top_p) * total) mass += probs[order[r++]];
    while (r < count && widen(x[order[r]]) == widen(x[order[r - 1]])) ++r;
    count = r;
  }
  std::vector<bool> kept(x.size(), false);
  for (std::size_t r = 0; r < count; ++r) {
    kept[order[r]] = probs[order[r]] >= static_cast<long double>(rule.min_p) * probs[order[0]];
  }
  return kept;
}
}  // namespace

TEMPLATE_TEST_CASE("the cutoff keeps what sorting keeps", "[kernels][truncation]", float, double, half, bfloat16) {
  const kernels::truncation rules[] = {{},
                                       {.top_k = 1},
                                       {.top_k = 40},
                                       {.top_p = 0.9},
                                       {.top_p = 0.123},
                                       {.top_p = 1e-9},
                                       {.min_p = 0.05},
                                       {.top_k = 50, .top_p = 0.8},
                                       {.top_k = 200, .top_p = 0.95, .min_p = 0.013}};
  for (const std::size_t n : {1u, 10u, 64u, 1000u, 5001u}) {
    const auto x = random_logits<TestType>(n, n + 9);
    for (const double temperature : {0.6, 1.0, 1.9}) {
      for (const auto& rule : rules) {
        INFO("n " << n << ", temperature " << temperature << ", k " << rule.top_k << ", p " << rule.top_p << ", min " << rule.min_p);
        const double cutoff = kernels::truncation_cutoff(x.data(), n, temperature, rule);
        const auto kept = twin_kept(x, temperature, rule);
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < n; ++i)
          wrong += (static_cast<double>(widen(x[i])) >= cutoff) != kept[i] ? std::size_t{1} : std::size_t{0};
        REQUIRE(wrong == 0);
      }
    }
  }
}

TEST_CASE("no rule keeps all, masked tokens do not come back", "[kernels][truncation]") {
  CHECK(kernels::truncation{} == kernels::truncation{.top_k = 0, .top_p = 1.0, .min_p = 0.0});
  constexpr float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> x = {1.0f, -inf, 0.0f, -inf};
  REQUIRE(kernels::truncation_cutoff(x.data(), 4, 1.0, {}) == -static_cast<double>(inf));
  REQUIRE(kernels::truncation_cutoff(x.data(), 4, 1.0, {.top_p = 0.9999999}) == 0.0);
  REQUIRE(kernels::truncation_cutoff(x.data(), 4, 1.0, {.top_k = 3}) == -static_cast<double>(inf));
  REQUIRE(kernels::truncation_cutoff(x.data(), 4, 1.0, {.min_p = 1.0}) == 1.0);
}

TEST_CASE("a tie at the edge of the nucleus is kept whole", "[kernels][truncation]") {
  const std::vector<float> x = {2.0f, 1.0f, 1.0f, 1.0f, -9.0f};
  REQUIRE(kernels::truncation_cutoff(x.data(), 5, 1.0, {.top_p = 0.6}) == 1.0);
  REQUIRE(kernels::truncation_cutoff(x.data(), 5, 1.0, {.top_k = 2}) == 1.0);
  REQUIRE(kernels::truncation_cutoff(x.data(), 5, 1.0, {.top_p = 0.3}) == 2.0);
}

TEST_CASE("min-p in float rounds towards keeping, by one step at most", "[kernels][truncation]") {
  const std::vector<float> x = {0.0f, -1.0f, -60.0f};
  for (int percent = 1; percent < 100; ++percent) {
    const double exact = std::log(percent / 100.0);
    const double cutoff = kernels::truncation_cutoff(x.data(), 3, 1.0, {.min_p = percent / 100.0});
    REQUIRE(cutoff <= exact);
    REQUIRE(cutoff > exact * (1.0 + 0x1p-23));
  }
}

TEST_CASE("the rules do not undo each other", "[kernels][truncation]") {
  const std::vector<double> x = {3.0, 2.0, 1.0, 0.0, -1.0};
  REQUIRE(kernels::truncation_cutoff(x.data(), 5, 1.0, {.top_k = 2, .min_p = 1e-6}) == 2.0);
  REQUIRE(kernels::truncation_cutoff(x.data(), 5, 1.0, {.top_k = 4, .top_p = 0.5, .min_p = 1e-6}) == 3.0);
  REQUIRE(kernels::truncation_cutoff(x.data(), 5, 1.0, {.top_k = 4, .min_p = 0.2}) == Approx(3.0 + std::log(0.2)));
}

}  // namespace truncation_test
