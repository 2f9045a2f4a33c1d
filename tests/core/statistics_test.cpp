// SPDX-License-Identifier: MIT
#include <gavel/core/categorical.hpp>
#include <gavel/core/philox.hpp>
#include <gavel/core/statistics.hpp>
#include <gavel/core/variates.hpp>

#include "support/catch.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

using Catch::Matchers::Message;
using gavel::moments;

namespace {
constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
}  // namespace

TEST_CASE("moments: values, and values that are undefined", "[core][statistics]") {
  moments seen;
  CHECK_FALSE(seen.mean().has_value());
  CHECK_FALSE(seen.variance().has_value());
  CHECK(seen.sum() == 0.0);
  seen.add(4.0);
  CHECK(seen.mean() == 4.0);
  CHECK_FALSE(seen.variance().has_value());
  CHECK_FALSE(seen.standard_error().has_value());
  for (const double value : {7.0, 13.0, 16.0}) seen.add(value);
  CHECK(seen.count == 4);
  CHECK(seen.mean() == 10.0);
  CHECK(seen.sum() == 40.0);
  CHECK(*seen.variance() == Approx(30.0).epsilon(1e-15));
  CHECK(*seen.standard_error() == Approx(std::sqrt(7.5)).epsilon(1e-15));
  const moments before = seen;
  CHECK_THROWS_MATCHES(seen.add(not_a_number), std::domain_error, Message("gavel::moments::add: value = nan, must be finite"));
  CHECK_THROWS_MATCHES(seen.add(-inf), std::domain_error, Message("gavel::moments::add: value = -inf, must be finite"));
  CHECK(seen == before);
}

TEST_CASE("moments: no cancellation far from zero", "[core][statistics]") {
  moments seen;
  for (const double value : {4.0, 7.0, 13.0, 16.0}) seen.add(1e9 + value);
  CHECK(*seen.variance() == Approx(30.0).epsilon(1e-12));  // sums of squares would give 29.3 or nothing at all
}

TEST_CASE("moments: merging shards in any grouping", "[core][statistics]") {
  gavel::philox4x32 rng(1);
  moments whole, a, b, c;
  for (int i = 0; i < 3000; ++i) {
    const double value = 5.0 + gavel::normal(rng);
    whole.add(value);
    (i < 10 ? a : i % 3 == 0 ? b : c).add(value);
  }
  for (const moments& merged : {merge(merge(a, b), c), merge(a, merge(b, c)), merge(c, merge(a, b))}) {
    CHECK(merged.count == 3000);
    CHECK(*merged.mean() == Approx(*whole.mean()).epsilon(1e-14));
    CHECK(*merged.variance() == Approx(*whole.variance()).epsilon(1e-12));
  }
  CHECK(merge(whole, moments{}) == whole);
  CHECK(merge(moments{}, whole) == whole);
  CHECK(*whole.standard_error() == Approx(std::sqrt(*whole.variance() / 3000.0)));
}

TEST_CASE("wilson_interval: published values, edges, coverage", "[core][statistics]") {
  // Newcombe (1998), Statistics in Medicine 17, table I, method 3
  CHECK(gavel::wilson_interval(81, 263).lower == Approx(0.2553).margin(5e-5));
  CHECK(gavel::wilson_interval(81, 263).upper == Approx(0.3662).margin(5e-5));
  CHECK(gavel::wilson_interval(15, 148).lower == Approx(0.0624).margin(5e-5));
  CHECK(gavel::wilson_interval(15, 148).upper == Approx(0.1605).margin(5e-5));
  CHECK(gavel::wilson_interval(0, 20).upper == Approx(0.1611).margin(5e-5));
  CHECK(gavel::wilson_interval(1, 29).lower == Approx(0.0061).margin(5e-5));
  CHECK(gavel::wilson_interval(1, 29).upper == Approx(0.1718).margin(5e-5));
  CHECK(gavel::wilson_interval(0, 20).lower == 0.0);
  CHECK(gavel::wilson_interval(20, 20).upper == 1.0);
  CHECK(gavel::wilson_interval(0, 0) == gavel::interval{0.0, 1.0});
  const auto narrow = gavel::wilson_interval(30, 100, 0.8);
  const auto wide = gavel::wilson_interval(30, 100, 0.999);
  CHECK(wide.lower < narrow.lower);
  CHECK(wide.upper > narrow.upper);
  gavel::philox4x32 rng(8);
  int covered = 0;
  for (int repetition = 0; repetition < 2000; ++repetition) {
    std::uint64_t successes = 0;
    for (int i = 0; i < 50; ++i) successes += gavel::bernoulli(rng, 0.2) ? 1U : 0U;
    const auto [lower, upper] = gavel::wilson_interval(successes, 50);
    covered += lower <= 0.2 && 0.2 <= upper ? 1 : 0;
  }
  CHECK(covered > 1860);
  CHECK(covered < 1960);
  CHECK_THROWS_MATCHES(gavel::wilson_interval(3, 2), std::invalid_argument,
                       Message("gavel::wilson_interval: successes = 3, must be <= trials 2"));
  CHECK_THROWS_MATCHES(gavel::wilson_interval(1, 2, 1.0), std::invalid_argument,
                       Message("gavel::wilson_interval: confidence = 1, must be in (0, 1)"));
}

TEST_CASE("chi_square_survival: table values and edges", "[core][statistics]") {
  CHECK(gavel::chi_square_survival(3.841458820694124, 1) == Approx(0.05).epsilon(1e-13));
  CHECK(gavel::chi_square_survival(18.307038053275146, 10) == Approx(0.05).epsilon(1e-13));
  CHECK(gavel::chi_square_survival(6.634896601021213, 1) == Approx(0.01).epsilon(1e-12));
  CHECK(gavel::chi_square_survival(8.0, 2) == Approx(std::exp(-4.0)).epsilon(1e-14));
  CHECK(gavel::chi_square_survival(1400.0, 2) == Approx(std::exp(-700.0)).epsilon(1e-12));
  CHECK(gavel::chi_square_survival(0.0, 5) == 1.0);
  CHECK(gavel::chi_square_survival(inf, 5) == 0.0);
  CHECK(gavel::chi_square_survival(0.0, 0) == 1.0);
  CHECK(gavel::chi_square_survival(0.1, 0) == 0.0);
  CHECK_THROWS_MATCHES(gavel::chi_square_survival(-1.0, 1), std::domain_error,
                       Message("gavel::chi_square_survival: statistic = -1, must be >= 0"));
  CHECK_THROWS_MATCHES(gavel::chi_square_survival(1.0, -1), std::domain_error,
                       Message("gavel::chi_square_survival: degrees_of_freedom = -1, must be finite and >= 0"));
  CHECK_THROWS_MATCHES(gavel::chi_square_survival(not_a_number, 1), std::domain_error,
                       Message("gavel::chi_square_survival: statistic = nan, must be >= 0"));
}

TEST_CASE("g_test and chi_square_test: Mendel's peas", "[core][statistics]") {
  const std::vector<int> peas{315, 108, 101, 32};
  const std::vector<double> law{9.0 / 16, 3.0 / 16, 3.0 / 16, 1.0 / 16};
  const auto pearson = gavel::chi_square_test(peas, law);
  CHECK(pearson.statistic == Approx(0.470024).epsilon(1e-6));
  CHECK(pearson.degrees_of_freedom == 3);
  CHECK(pearson.p_value == Approx(0.925426).epsilon(1e-6));
  const auto g = gavel::g_test(peas, law);
  double direct = 0.0;
  for (std::size_t i = 0; i < 4; ++i) direct += 2.0 * peas[i] * std::log(peas[i] / (556.0 * law[i]));
  CHECK(g.statistic == Approx(direct).epsilon(1e-11));
  CHECK(g.degrees_of_freedom == 3);
}

TEST_CASE("g_test and chi_square_test: pooling", "[core][statistics]") {
  const auto cells = [](const std::vector<int>& counts, const std::vector<double>& law, double minimum = 5.0) {
    return gavel::chi_square_test(counts, law, {.minimum_expectation = minimum});
  };
  // 100 counts: expectations 40 2 2 2 50 4 -> cells 40, {2,2,2} = 6, 50, and the 4 left over joins the group of 6
  auto test = cells({40, 1, 5, 2, 49, 3}, {0.4, 0.02, 0.02, 0.02, 0.5, 0.04});
  CHECK(test.degrees_of_freedom == 2);
  CHECK(test.statistic == Approx(0.0 + 1.0 / 10.0 + 1.0 / 50.0).epsilon(1e-12));  // 8 and 3 observed, 10 expected together
  // no group: the left-over joins the smallest cell that stands alone
  test = cells({40, 3, 57}, {0.4, 0.02, 0.58});
  CHECK(test.degrees_of_freedom == 1);
  CHECK(test.statistic == Approx(1.0 / 42.0 + 1.0 / 58.0).epsilon(1e-12));
  // all cells small: groups only
  test = cells(std::vector<int>(50, 2), std::vector<double>(50, 0.02));
  CHECK(test.degrees_of_freedom == 15);  // 16 groups of 3, the last with the two left over
  CHECK(test.statistic == Approx(0.0).margin(1e-12));
  CHECK(cells(std::vector<int>(50, 2), std::vector<double>(50, 0.02), 0.0).degrees_of_freedom == 49);
  CHECK(cells(std::vector<int>(50, 2), std::vector<double>(50, 0.02), 51.0).degrees_of_freedom == 0);
  // a group closed earlier is a cell of its own
  CHECK(cells({3, 3, 94, 3, 3, 94}, {0.015, 0.015, 0.47, 0.015, 0.015, 0.47}).degrees_of_freedom == 3);
}

TEST_CASE("g_test and chi_square_test: impossible and empty observations", "[core][statistics]") {
  const std::vector<double> law{0.5, 0.0, 0.5};
  auto test = gavel::g_test(std::vector{10, 1, 10}, law);
  CHECK(test.p_value == 0.0);
  CHECK(test.statistic == inf);
  test = gavel::g_test(std::vector{10, 0, 10}, law);
  CHECK(test.p_value == 1.0);
  CHECK(test.degrees_of_freedom == 1);
  test = gavel::g_test(std::vector{0, 0, 0}, law);  // nothing observed, nothing to test
  CHECK(test == gavel::goodness_of_fit{});
  CHECK(gavel::chi_square_test(std::vector{7}, std::vector{1.0f}) == gavel::goodness_of_fit{});
  test = gavel::g_test(std::vector{100, 0}, std::vector{0.5, 0.5});
  CHECK(test.statistic == Approx(200.0 * std::log(2.0)).epsilon(1e-13));
}

TEST_CASE("g_test and chi_square_test: p-values are uniform under the law and tiny beside it", "[core][statistics]") {
  gavel::philox4x32 rng(77);
  const std::vector<float> law{0.05f, 0.3f, 0.15f, 0.4f, 0.1f};
  const std::vector<double> other{0.07, 0.28, 0.15, 0.4, 0.1};
  std::vector<int> p_of_g(10), p_of_pearson(10);
  for (int repetition = 0; repetition < 3000; ++repetition) {
    std::vector<std::uint32_t> counts(5);
    for (int i = 0; i < 500; ++i) ++counts[gavel::categorical(rng, law)];
    const auto bin = [](double p) { return static_cast<std::size_t>(std::fmin(p * 10.0, 9.0)); };
    ++p_of_g[bin(gavel::g_test(counts, law).p_value)];
    ++p_of_pearson[bin(gavel::chi_square_test(counts, law).p_value)];
  }
  CHECK(gavel::g_test(p_of_g, std::vector<double>(10, 0.1)).p_value > 1e-6);
  CHECK(gavel::g_test(p_of_pearson, std::vector<double>(10, 0.1)).p_value > 1e-6);
  std::vector<std::uint32_t> counts(5);
  for (int i = 0; i < 20000; ++i) ++counts[gavel::categorical(rng, law)];
  CHECK(gavel::g_test(counts, other).p_value < 1e-6);
  CHECK(gavel::chi_square_test(counts, other).p_value < 1e-6);
}

TEST_CASE("g_test and chi_square_test: errors", "[core][statistics]") {
  const std::vector<double> law{0.5, 0.5};
  CHECK_THROWS_MATCHES(gavel::g_test(std::vector{1}, law), std::invalid_argument,
                       Message("gavel::g_test: observed.size() = 1, must equal expected.size() 2"));
  CHECK_THROWS_MATCHES(gavel::g_test(std::vector{1, -2}, law), std::domain_error, Message("gavel::g_test: observed[1] = -2, must be >= 0"));
  CHECK_THROWS_MATCHES(gavel::chi_square_test(std::vector{1, 2}, std::vector{0.5, 0.6}), std::domain_error,
                       Message("gavel::chi_square_test: sum of expected = 1.1, must be 1 within 1e-06"));
  CHECK_THROWS_MATCHES(gavel::chi_square_test(std::vector{1, 2}, law, {.minimum_expectation = -1.0}), std::invalid_argument,
                       Message("gavel::chi_square_test: options.minimum_expectation = -1, must be >= 0"));
  CHECK_THROWS_MATCHES(gavel::g_test(std::vector<int>{}, std::vector<double>{}), std::invalid_argument,
                       Message("gavel::g_test: expected.size() = 0, must be >= 1"));
}
