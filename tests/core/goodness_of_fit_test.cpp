// SPDX-License-Identifier: MIT
#include <gavel/core/categorical.hpp>
#include <gavel/core/goodness_of_fit.hpp>
#include <gavel/core/philox.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace goodness_of_fit_test {

using gavel::testing::message_of;
using gavel::testing::not_a_number;
namespace {
constexpr double inf = std::numeric_limits<double>::infinity();
}  // namespace

TEST_CASE("chi_square_survival: table values and edges", "[core][goodness_of_fit]") {
  CHECK(gavel::chi_square_survival(3.841458820694124, 1) == Approx(0.05).epsilon(1e-13));
  CHECK(gavel::chi_square_survival(18.307038053275146, 10) == Approx(0.05).epsilon(1e-13));
  CHECK(gavel::chi_square_survival(6.634896601021213, 1) == Approx(0.01).epsilon(1e-12));
  CHECK(gavel::chi_square_survival(8.0, 2) == Approx(std::exp(-4.0)).epsilon(1e-14));
  CHECK(gavel::chi_square_survival(1400.0, 2) == Approx(std::exp(-700.0)).epsilon(1e-12));
  CHECK(gavel::chi_square_survival(0.0, 5) == 1.0);
  CHECK(gavel::chi_square_survival(inf, 5) == 0.0);
  CHECK(gavel::chi_square_survival(0.0, 0) == 1.0);
  CHECK(gavel::chi_square_survival(0.1, 0) == 0.0);
  CHECK(message_of([&] { (void)gavel::chi_square_survival(-1.0, 1); }) == "gavel::chi_square_survival: statistic = -1, must be >= 0");
  CHECK(message_of([&] { (void)gavel::chi_square_survival(1.0, -1); }) ==
        "gavel::chi_square_survival: degrees_of_freedom = -1, must be finite and >= 0");
  CHECK(message_of([&] { (void)gavel::chi_square_survival(not_a_number, 1); }) ==
        "domain: gavel::chi_square_survival: statistic = nan, must be >= 0");
}

TEST_CASE("g_test and chi_square_test: Mendel's peas", "[core][goodness_of_fit]") {
  const std::vector<int> peas{315, 108, 101, 32};
  const std::vector<double> probs{9.0 / 16, 3.0 / 16, 3.0 / 16, 1.0 / 16};
  const auto pearson = gavel::chi_square_test(peas, probs);
  CHECK(pearson.statistic == Approx(0.470024).epsilon(1e-6));
  CHECK(pearson.degrees_of_freedom == 3);
  CHECK(pearson.p_value == Approx(0.925426).epsilon(1e-6));
  const auto g = gavel::g_test(peas, probs);
  double direct = 0.0;
  for (std::size_t i = 0; i < 4; ++i) direct += 2.0 * peas[i] * std::log(peas[i] / (556.0 * probs[i]));
  CHECK(g.statistic == Approx(direct).epsilon(1e-11));
  CHECK(g.degrees_of_freedom == 3);
}

TEST_CASE("g_test and chi_square_test: pooling", "[core][goodness_of_fit]") {
  const auto cells = [](const std::vector<int>& counts, const std::vector<double>& probs, double minimum = 5.0) {
    return gavel::chi_square_test(counts, probs, {.minimum_expectation = minimum});
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

TEST_CASE("g_test and chi_square_test: impossible and empty observations", "[core][goodness_of_fit]") {
  const std::vector<double> probs{0.5, 0.0, 0.5};
  auto test = gavel::g_test(std::vector{10, 1, 10}, probs);
  CHECK(test.p_value == 0.0);
  CHECK(test.statistic == inf);
  test = gavel::g_test(std::vector{10, 0, 10}, probs);
  CHECK(test.p_value == 1.0);
  CHECK(test.degrees_of_freedom == 1);
  test = gavel::g_test(std::vector{0, 0, 0}, probs);  // nothing observed, nothing to test
  CHECK(test == gavel::goodness_of_fit_result{});
  CHECK(gavel::chi_square_test(std::vector{7}, std::vector{1.0f}) == gavel::goodness_of_fit_result{});
  test = gavel::g_test(std::vector{100, 0}, std::vector{0.5, 0.5});
  CHECK(test.statistic == Approx(200.0 * std::log(2.0)).epsilon(1e-13));
}

TEST_CASE("g_test and chi_square_test: p-values are uniform under the probs and tiny beside it", "[core][goodness_of_fit]") {
  gavel::philox4x32 rng(77);
  const std::vector<float> probs{0.05f, 0.3f, 0.15f, 0.4f, 0.1f};
  const std::vector<double> other{0.07, 0.28, 0.15, 0.4, 0.1};
  std::vector<int> p_of_g(10), p_of_pearson(10);
  for (int repetition = 0; repetition < 3000; ++repetition) {
    std::vector<std::uint32_t> counts(5);
    for (int i = 0; i < 500; ++i) ++counts[gavel::categorical(rng, probs)];
    const auto bin = [](double p) { return static_cast<std::size_t>(std::fmin(p * 10.0, 9.0)); };
    ++p_of_g[bin(gavel::g_test(counts, probs).p_value)];
    ++p_of_pearson[bin(gavel::chi_square_test(counts, probs).p_value)];
  }
  CHECK(gavel::g_test(p_of_g, std::vector<double>(10, 0.1)).p_value > 1e-6);
  CHECK(gavel::g_test(p_of_pearson, std::vector<double>(10, 0.1)).p_value > 1e-6);
  std::vector<std::uint32_t> counts(5);
  for (int i = 0; i < 20000; ++i) ++counts[gavel::categorical(rng, probs)];
  CHECK(gavel::g_test(counts, other).p_value < 1e-6);
  CHECK(gavel::chi_square_test(counts, other).p_value < 1e-6);
}

TEST_CASE("g_test and chi_square_test: errors", "[core][goodness_of_fit]") {
  const std::vector<double> probs{0.5, 0.5};
  CHECK(message_of([&] { (void)gavel::g_test(std::vector{1}, probs); }) ==
        "gavel::g_test: observed.size() = 1, must equal expected.size() 2");
  CHECK(message_of([&] { (void)gavel::g_test(std::vector{1, -2}, probs); }) == "gavel::g_test: observed[1] = -2, must be >= 0");
  CHECK(message_of([&] { (void)gavel::chi_square_test(std::vector{1, 2}, std::vector{0.5, 0.6}); }) ==
        "domain: gavel::chi_square_test: sum of expected = 1.1, must be 1 within 1e-06");
  CHECK(message_of([&] { (void)gavel::chi_square_test(std::vector{1, 2}, probs, {.minimum_expectation = -1.0}); }) ==
        "gavel::chi_square_test: options.minimum_expectation = -1, must be >= 0");
  CHECK(message_of([&] { (void)gavel::g_test(std::vector{1, 2}, probs, {.minimum_expectation = not_a_number}); }) ==
        "domain: gavel::g_test: options.minimum_expectation = nan, must be >= 0");
  CHECK(gavel::goodness_of_fit_options{}.minimum_expectation == 5.0);
  CHECK(message_of([&] { (void)gavel::g_test(std::vector<int>{}, std::vector<double>{}); }) ==
        "gavel::g_test: expected.size() = 0, must be >= 1");
}

}  // namespace goodness_of_fit_test
