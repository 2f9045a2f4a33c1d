// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "kernels/scalar_kernels.hpp"

#include <gavel/core/goodness_of_fit.hpp>
#include <gavel/kernels/gumbel_top_n.hpp>

#include <cmath>
#include <limits>
#include <map>
#include <vector>

namespace gumbel_top_n_test {

using namespace gavel;
using namespace gavel::testing;

TEMPLATE_TEST_CASE("ordered pairs follow the law of draws without replacement (G-test)", "[kernels][gumbel_top_n]", float, double, half,
                   bfloat16) {
  std::vector<TestType> x;
  for (const double logit : {0.3, -1.0, 1.2, 0.0, -0.5, 0.9}) x.push_back(row_maker<TestType>::make(logit));
  const double temperature = 0.8;
  const auto twin = twin_softmax(wide(x), static_cast<long double>(temperature));
  const std::vector<double> p(twin.begin(), twin.end());
  std::vector<double> expected;
  for (std::size_t a = 0; a < p.size(); ++a) {
    for (std::size_t b = 0; b < p.size(); ++b) {
      if (a != b) expected.push_back(p[a] * p[b] / (1.0 - p[a]));
    }
  }
  std::vector<std::uint64_t> counts(expected.size(), 0);
  philox4x32 rng(12);
  std::uint32_t ids[2];
  double keys[2];
  for (int i = 0; i < 100000; ++i) {
    REQUIRE(kernels::gumbel_top_n(x.data(), x.size(), 2, ids, keys, rng, temperature) == 2);
    REQUIRE(keys[0] > keys[1]);
    ++counts[ids[0] * 5 + ids[1] - (ids[1] > ids[0] ? 1 : 0)];
  }
  REQUIRE(g_test(counts, expected).p_value > 1e-6);
}

TEST_CASE("across many chunks the first draw follows the softmax and the top key is Gumbel", "[kernels][gumbel_top_n]") {
  const std::size_t n = 9001;
  auto x = random_logits<float>(n, 31, 1.0);
  for (std::size_t i = 0; i < n; ++i)
    x[i] += static_cast<float>(i / 2048 * 3 % 5);  // heavier and lighter chunks in turn: entries must be replaced
  const double temperature = 1.4;
  const auto twin = twin_softmax(wide(x), static_cast<long double>(temperature));
  const double log_normalizer = static_cast<double>(twin_log_sum_exp(wide(x), static_cast<long double>(temperature)));
  std::vector<double> groups(90, 0.0);
  for (std::size_t i = 0; i < n; ++i) groups[std::min<std::size_t>(i / 101, 89)] += static_cast<double>(twin[i]);
  std::vector<std::uint64_t> first(90, 0);
  std::vector<std::uint64_t> quantiles(20, 0);
  philox4x32 rng(13);
  std::uint32_t ids[4];
  double keys[4];
  for (int i = 0; i < 20000; ++i) {
    REQUIRE(kernels::gumbel_top_n(x.data(), n, 4, ids, keys, rng, temperature) == 4);
    ++first[std::min<std::size_t>(ids[0] / 101, 89)];
    const double cdf = std::exp(-std::exp(-(keys[0] - log_normalizer)));
    ++quantiles[std::min<std::size_t>(static_cast<std::size_t>(cdf * 20.0), 19)];
  }
  REQUIRE(g_test(first, groups).p_value > 1e-6);
  REQUIRE(g_test(quantiles, std::vector<double>(20, 0.05)).p_value > 1e-6);
}

TEST_CASE("the set of draws has the right inclusion probabilities in a long row", "[kernels][gumbel_top_n]") {
  // Two heavy tokens far apart among many light ones: both must be in a sample of 3 with the exact chance.
  const std::size_t n = 6000;
  std::vector<double> x(n, std::log(0.5 / 5998.0));
  x[17] = std::log(0.25);
  x[5555] = std::log(0.25);
  // Pr(17 not among the first 3 draws) by the light tokens being exchangeable and infinitesimal to 1e-4:
  // enumerate the order of heavy (H) and light (L) arrivals: LLL, LLH', LH'L, H'LL without token 17.
  const double light = 0.5;
  const double lll = light * light * light;
  const double one_other = 0.25 * (0.5 / 0.75) * (0.5 / 0.75) + 0.5 * 0.25 * (0.5 / 0.75) + 0.5 * 0.5 * 0.25;
  const double missing = lll + one_other;
  philox4x32 rng(14);
  std::uint32_t ids[3];
  double keys[3];
  std::uint64_t in = 0;
  const std::uint64_t draws = 40000;
  for (std::uint64_t i = 0; i < draws; ++i) {
    (void)kernels::gumbel_top_n(x.data(), n, 3, ids, keys, rng);
    for (const std::uint32_t id : ids) in += id == 17 ? 1 : 0;
  }
  const std::vector<std::uint64_t> counts = {in, draws - in};
  REQUIRE(g_test(counts, std::vector<double>{1.0 - missing, missing}).p_value > 1e-6);
}

TEST_CASE("fewer positive tokens than draws, and rows that cannot be drawn from", "[kernels][gumbel_top_n]") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  std::vector<float> x(5000, -inf);
  x[4] = 1.0f;
  x[4999] = 0.0f;
  philox4x32 rng(15);
  std::uint32_t ids[5];
  double keys[5];
  REQUIRE(kernels::gumbel_top_n(x.data(), x.size(), 5, ids, keys, rng) == 2);
  REQUIRE(((ids[0] == 4 && ids[1] == 4999) || (ids[0] == 4999 && ids[1] == 4)));
  REQUIRE(kernels::gumbel_top_n(x.data(), x.size(), 5, ids, keys, rng, 1.0, 0.5) == 1);
  REQUIRE(ids[0] == 4);
  x[9] = std::numeric_limits<float>::quiet_NaN();
  REQUIRE(kernels::gumbel_top_n(x.data(), x.size(), 5, ids, keys, rng) == 0);
}

TEMPLATE_TEST_CASE("16-bit logits give the draws of the same numbers in float", "[kernels][gumbel_top_n]", half, bfloat16) {
  const auto narrow = random_logits<TestType>(9001, 32);
  std::vector<float> x;
  for (const TestType logit : narrow) x.push_back(widen(logit));
  philox4x32 rng(19);
  philox4x32 twin(19);
  std::uint32_t ids[2][6];
  double keys[2][6];
  for (const double temperature : {0.5, 1.0}) {
    REQUIRE(kernels::gumbel_top_n(narrow.data(), narrow.size(), 6, ids[0], keys[0], rng, temperature) == 6);
    REQUIRE(kernels::gumbel_top_n(x.data(), x.size(), 6, ids[1], keys[1], twin, temperature) == 6);
    REQUIRE(std::equal(ids[0], ids[0] + 6, ids[1]));
    REQUIRE(std::equal(keys[0], keys[0] + 6, keys[1]));
    REQUIRE(rng == twin);
  }
}

TEST_CASE("the same seed gives the same draws", "[kernels][gumbel_top_n]") {
  const auto x = random_logits<float>(20000, 3);
  std::uint32_t ids[2][8];
  double keys[2][8];
  for (int r = 0; r < 2; ++r) {
    philox4x32 rng(99);
    (void)kernels::gumbel_top_n(x.data(), x.size(), 8, ids[r], keys[r], rng);
  }
  REQUIRE(std::equal(ids[0], ids[0] + 8, ids[1]));
  REQUIRE(std::equal(keys[0], keys[0] + 8, keys[1]));
}

TEST_CASE("equal logits are drawn equally often at tiny temperatures and under large logits", "[kernels][gumbel_top_n]") {
  // Keys of size x / temperature would swallow the Gumbel noise.
  std::vector<float> x(5000, 0.0f);
  for (const std::size_t i : {3u, 700u, 2100u, 4999u}) x[i] = 3e38f;
  x[10] = 1e30f;
  philox4x32 rng(16);
  std::uint32_t ids[3];
  double keys[3];
  for (const double temperature : {1e-40, 1e-30, 1.0}) {
    std::vector<std::uint64_t> counts(4, 0);
    for (int i = 0; i < 4000; ++i) {
      REQUIRE(kernels::gumbel_top_n(x.data(), x.size(), 3, ids, keys, rng, temperature) == 3);
      ++counts[ids[0] == 3 ? 0 : ids[0] == 700 ? 1 : ids[0] == 2100 ? 2 : 3];
      for (const std::uint32_t id : ids) REQUIRE(x[id] == 3e38f);
    }
    REQUIRE(g_test(counts, std::vector<double>(4, 0.25)).p_value > 1e-6);
  }
}

TEST_CASE("no draws wanted", "[kernels][gumbel_top_n]") {
  const std::vector<float> x = {1.0f, 2.0f};
  philox4x32 rng(17);
  const philox4x32 before = rng;
  REQUIRE(kernels::gumbel_top_n(x.data(), 2, 0, static_cast<std::uint32_t*>(nullptr), static_cast<double*>(nullptr), rng) == 0);
  REQUIRE(rng == before);
}

namespace {
/// Two 32-bit outputs make one uniform.
philox4x32 after(philox4x32 rng, std::uint64_t uniforms) {
  rng.discard(2 * uniforms);
  return rng;
}
}  // namespace

TEST_CASE("the draws taken are the documented ones", "[kernels][gumbel_top_n]") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  const std::vector<float> x = {0.0f, -inf, 1.0f, 2.0f, -inf};
  std::uint32_t ids[4];
  double keys[4];
  philox4x32 rng(18);
  philox4x32 before = rng;
  REQUIRE(kernels::gumbel_top_n(x.data(), 5, 4, ids, keys, rng) == 3);  // the list never fills: one uniform per positive token
  REQUIRE(rng == after(before, 3));
  before = rng;
  REQUIRE(kernels::gumbel_top_n(x.data(), 5, 3, ids, keys, rng) == 3);  // it fills: one more
  REQUIRE(rng == after(before, 4));
  REQUIRE(keys[0] >= keys[1]);
  REQUIRE(keys[1] >= keys[2]);
}

}  // namespace gumbel_top_n_test
