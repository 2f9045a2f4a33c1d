// SPDX-License-Identifier: MIT
#include <gavel/core/median_filter.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/core/random.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace median_filter_test {

using gavel::edge_padding;
using gavel::median_filter;
using gavel::running_median;
using gavel::testing::message_of;
using gavel::testing::not_a_number;

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

// The definition, sample by sample.
std::vector<double> by_sorting(const std::vector<double>& x, const gavel::median_filter_options& options) {
  const auto n = static_cast<std::ptrdiff_t>(x.size()), half = static_cast<std::ptrdiff_t>(options.width / 2);
  std::vector<double> out;
  for (std::ptrdiff_t t = 0; t < n; ++t) {
    std::vector<double> window;
    for (std::ptrdiff_t k = t - half; k <= t + half; ++k) {
      std::ptrdiff_t at = k;
      if (k < 0) at = options.left == edge_padding::reflect ? -k : 0;
      if (k >= n) at = options.right == edge_padding::reflect ? 2 * (n - 1) - k : n - 1;
      window.push_back(x[static_cast<std::size_t>(at)]);
    }
    std::sort(window.begin(), window.end());
    out.push_back(window[static_cast<std::size_t>(half)]);
  }
  return out;
}

std::vector<double> filtered(const std::vector<double>& x, const gavel::median_filter_options& options) {
  std::vector<double> out(x.size());
  median_filter(x, out, options);
  return out;
}

}  // namespace

TEST_CASE("The filter equals its definition for every width and padding, ties included", "[core][median_filter]") {
  gavel::philox4x32 rng(5);
  for (std::size_t n = 1; n <= 40; ++n) {
    for (const double levels : {2.0, 4.0, 1e9}) {
      std::vector<double> x(n);
      for (double& v : x) v = std::floor(levels * gavel::uniform(rng));
      if (levels == 4.0) x[n / 2] = infinite, x[n / 3] = -infinite;
      for (std::size_t width = 1; width <= n; width += 2) {
        for (const edge_padding left : {edge_padding::replicate, edge_padding::reflect}) {
          for (const edge_padding right : {edge_padding::replicate, edge_padding::reflect}) {
            const gavel::median_filter_options options{.width = width, .left = left, .right = right};
            INFO("n " << n << " width " << width);
            CHECK(filtered(x, options) == by_sorting(x, options));
          }
        }
      }
    }
  }
}

TEST_CASE("Long signals with trends and runs are filtered exactly", "[core][median_filter]") {
  gavel::philox4x32 rng(6);
  std::vector<double> rising, falling, walk;
  double at = 0.0;
  for (std::size_t t = 0; t < 3000; ++t) {
    rising.push_back(static_cast<double>(t));
    falling.push_back(-std::sqrt(static_cast<double>(t)));
    walk.push_back(at += std::floor(3.0 * gavel::uniform(rng)) - 1.0);
  }
  for (const auto& x : {rising, falling, walk}) {
    for (const std::size_t width : {std::size_t{3}, std::size_t{64 + 1}, std::size_t{301}, std::size_t{2999}}) {
      const gavel::median_filter_options options{.width = width, .right = edge_padding::reflect};
      CHECK(filtered(x, options) == by_sorting(x, options));
    }
  }
  CHECK(filtered({5.0, 1.0, 9.0}, {.width = 1}) == std::vector<double>{5.0, 1.0, 9.0});
  CHECK(filtered({5.0, 1.0, 9.0}, {}) == std::vector<double>{5.0, 5.0, 9.0});
  CHECK(filtered({5.0, 1.0, 9.0}, {.right = edge_padding::reflect}) == std::vector<double>{5.0, 5.0, 1.0});
  CHECK(filtered({5.0, 1.0, 9.0}, {.left = edge_padding::reflect}) == std::vector<double>{1.0, 5.0, 9.0});
}

TEST_CASE("A running median forgets the oldest value", "[core][median_filter]") {
  running_median median(std::array{3.0, 1.0, 2.0});
  CHECK(median.width() == 3);
  CHECK(median.median() == 2.0);
  median.push(5.0);  // 1 2 5
  CHECK(median.median() == 2.0);
  median.push(4.0);  // 2 5 4
  CHECK(median.median() == 4.0);
  const running_median copy = median;
  CHECK(copy == median);
  median.push(-infinite);  // 5 4 -inf
  CHECK(median.median() == 4.0);
  CHECK_FALSE(copy == median);
  running_median last(std::array{7.0});
  CHECK(last.median() == 7.0);
  last.push(1.0);
  CHECK(last.median() == 1.0);
}

TEST_CASE("The filter refuses what has no median", "[core][median_filter]") {
  const std::vector<double> x = {1.0, 2.0, 3.0};
  std::vector<double> out(3, -7.0), two(2);
  CHECK(gavel::median_filter_options{} ==
        gavel::median_filter_options{.width = 3, .left = gavel::edge_padding::replicate, .right = gavel::edge_padding::replicate});
  CHECK(message_of([&] { median_filter(std::vector<double>{}, {}); }) == "gavel::median_filter: values.size() = 0, must be >= 1");
  CHECK(message_of([&] { median_filter(x, two); }) == "gavel::median_filter: out.size() = 2, must equal values.size() 3");
  CHECK(message_of([&] { median_filter(x, out, {.width = 2}); }) == "gavel::median_filter: width = 2, must be odd");
  CHECK(message_of([&] { median_filter(x, out, {.width = 0}); }) == "gavel::median_filter: width = 0, must be odd");
  CHECK(message_of([&] { median_filter(x, out, {.width = 5}); }) == "gavel::median_filter: width = 5, must be <= values.size() 3");
  CHECK(message_of([&] { median_filter(std::vector<double>{1.0, 2.0, not_a_number}, out); }) ==
        "domain: gavel::median_filter: values[2] = nan, must not be NaN");
  CHECK(out == std::vector<double>(3, -7.0));
  CHECK(message_of([&] { (void)running_median(std::array{1.0, 2.0}); }) == "gavel::running_median: window.size() = 2, must be odd");
  CHECK(message_of([&] { (void)running_median(std::array{1.0, not_a_number, 2.0}); }) ==
        "domain: gavel::running_median: window[1] = nan, must not be NaN");
  running_median median(std::array{1.0});
  CHECK(message_of([&] { median.push(not_a_number); }) == "domain: gavel::running_median::push: value = nan, must not be NaN");
  CHECK(median.median() == 1.0);
}

TEST_CASE("running_median: what was moved from still has its window", "[core][median_filter]") {
  running_median source(std::array{1.0, 5.0, 3.0});
  const running_median heir = std::move(source);
  CHECK(heir.median() == 3.0);
  source.push(7.0);
  CHECK(source.median() == 5.0);
}

}  // namespace median_filter_test
