// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"
#include "kernels/scalar_kernels.hpp"

#include <gavel/speculative/sampling.hpp>

#include <cmath>
#include <limits>
#include <span>
#include <vector>

namespace sampling_test {

using namespace gavel;
using namespace gavel::testing;
using speculative::probs_from_logits;
using speculative::sampling_options;

namespace {
template <class T>
std::vector<double> probs_of(const std::vector<T>& logits, const sampling_options& options) {
  std::vector<double> probs(logits.size(), -1.0);
  probs_from_logits(logits, std::span<double>(probs), options);
  return probs;
}
}  // namespace

TEMPLATE_TEST_CASE("the options give the distribution that sorting gives", "[speculative][sampling]", float, double, half) {
  const std::size_t n = 300;
  const auto logits = random_logits<TestType>(n, 5);
  const auto order = twin_order(logits);
  for (const sampling_options& options :
       {sampling_options{}, sampling_options{.temperature = 0.6}, sampling_options{.top_k = 20}, sampling_options{.top_p = 0.8},
        sampling_options{.min_p = 0.05}, sampling_options{.temperature = 1.4, .top_k = 60, .top_p = 0.7, .min_p = 0.02}}) {
    const auto base = twin_softmax(wide(logits), static_cast<long double>(options.temperature));
    std::size_t count = options.top_k > 0 ? options.top_k : n;
    while (count < n && widen(logits[order[count]]) == widen(logits[order[count - 1]])) ++count;
    long double total = 0.0L;
    for (std::size_t r = 0; r < count; ++r) total += base[order[r]];
    if (options.top_p < 1.0) {
      long double mass = 0.0L;
      std::size_t r = 0;
      while (mass < static_cast<long double>(options.top_p) * total) mass += base[order[r++]];
      while (r < count && widen(logits[order[r]]) == widen(logits[order[r - 1]])) ++r;
      count = r;
    }
    while (count > 1 && base[order[count - 1]] < static_cast<long double>(options.min_p) * base[order[0]]) --count;
    long double kept = 0.0L;
    for (std::size_t r = 0; r < count; ++r) kept += base[order[r]];
    const auto probs = probs_of(logits, options);
    double sum = 0.0;
    for (std::size_t r = 0; r < n; ++r) {
      const double expected = r < count ? static_cast<double>(base[order[r]] / kept) : 0.0;
      REQUIRE(probs[order[r]] == Approx(expected).epsilon(sizeof(TestType) == 8 ? 1e-12 : 2e-5));
      sum += probs[order[r]];
    }
    REQUIRE(sum == Approx(1.0).epsilon(1e-6));
  }
}

static_assert(sampling_options{} == sampling_options{.temperature = 1.0, .top_k = 0, .top_p = 1.0, .min_p = 0.0});

TEST_CASE("temperature zero puts all mass on the first largest logit", "[speculative][sampling]") {
  const std::vector<float> logits = {1.0f, 3.0f, 3.0f, -std::numeric_limits<float>::infinity()};
  REQUIRE(probs_of(logits, {.temperature = 0.0}) == std::vector<double>{0.0, 1.0, 0.0, 0.0});
}

TEST_CASE("in place", "[speculative][sampling]") {
  auto row = random_logits<float>(100, 1);
  const auto copy = row;
  std::vector<float> expected(100);
  probs_from_logits(copy, std::span<float>(expected), {.temperature = 0.5, .top_k = 10});
  probs_from_logits(row, std::span<float>(row), {.temperature = 0.5, .top_k = 10});
  REQUIRE(row == expected);
}

TEST_CASE("bad input names the parameter and leaves the output alone", "[speculative][sampling]") {
  constexpr float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> probs(3, 7.0f);
  const auto call = [&](std::vector<float> logits, const sampling_options& options) {
    probs_from_logits(logits, std::span<float>(probs), options);
  };
  const std::string where = "gavel::speculative::probs_from_logits: ";
  REQUIRE(message_of([&] { call({1, 2, 3}, {.temperature = -1.0}); }) == where + "temperature = -1, must be finite and >= 0");
  REQUIRE(message_of([&] { call({1, 2, 3}, {.temperature = not_a_number}); }) ==
          "domain: " + where + "temperature = nan, must be finite and >= 0");
  REQUIRE(message_of([&] { call({1, 2, 3}, {.temperature = static_cast<double>(inf)}); }) ==
          where + "temperature = inf, must be finite and >= 0");
  REQUIRE(message_of([&] { call({1, 2, 3}, {.top_p = 0.0}); }) == where + "top_p = 0, must be in (0, 1]");
  REQUIRE(message_of([&] { call({1, 2, 3}, {.min_p = 1.5}); }) == where + "min_p = 1.5, must be in [0, 1]");
  REQUIRE(message_of([&] { call({}, {}); }) == where + "logits.size() = 0, must be >= 1");
  REQUIRE(message_of([&] { call({1, 2}, {}); }) == where + "probs.size() = 3, must equal logits.size() 2");
  const std::string rule = ", must be finite or -inf";
  REQUIRE(message_of([&] { call({1, nan, 3}, {}); }) == "domain: " + where + "logits[1] = nan" + rule);
  REQUIRE(message_of([&] { call({1, inf, 3}, {}); }) == "domain: " + where + "logits[1] = inf" + rule);
  REQUIRE(message_of([&] { call({-inf, -inf, -inf}, {}); }) == "domain: " + where + "logits, must hold a finite number");
  REQUIRE(message_of([&] { call({1, nan, 3}, {.temperature = 0.0}); }) == "domain: " + where + "logits[1] = nan" + rule);
  REQUIRE(message_of([&] { call({1, nan, 3}, {.top_k = 1, .top_p = 0.5, .min_p = 0.1}); }) ==
          std::string("domain: ") + where + "logits[1] = nan" + rule);
  REQUIRE(probs == std::vector<float>(3, 7.0f));
}

TEST_CASE("temperatures and logits at the edge of their types still give a distribution", "[speculative][sampling]") {
  const std::vector<float> x = {1.0f, 3.0f, 3.0f, -std::numeric_limits<float>::infinity()};
  for (const double temperature : {5e-324, 1e-300, 1e-40, 1e-6}) {
    REQUIRE(probs_of(x, {.temperature = temperature}) == std::vector<double>{0.0, 0.5, 0.5, 0.0});
    REQUIRE(probs_of(x, {.temperature = temperature, .top_k = 3, .top_p = 0.9, .min_p = 0.1}) == std::vector<double>{0.0, 0.5, 0.5, 0.0});
  }
  const double third = static_cast<double>(1.0f / 3.0f);
  REQUIRE(probs_of(x, {.temperature = 1e46}) == std::vector<double>{third, third, third, 0.0});
  const std::vector<double> extreme = {1.7e308, -1.7e308, 1.7e308};
  REQUIRE(probs_of(extreme, {.temperature = 0.5}) == std::vector<double>{0.5, 0.0, 0.5});
  REQUIRE(probs_of(std::vector<float>{-3e38f}, {.temperature = 1e-30}) == std::vector<double>{1.0});
}

TEST_CASE("a single token's probability is the one of the written row", "[speculative][sampling]") {
  const auto logits = random_logits<double>(500, 8);
  const sampling_options options = {.temperature = 0.7, .top_k = 50, .top_p = 0.95, .min_p = 0.01};
  const auto probs = probs_of(logits, options);
  const auto row = speculative::detail::make_sampled_row<double>(logits, options);
  for (std::size_t i = 0; i < logits.size(); ++i) REQUIRE(row.prob(i) == Approx(probs[i]).epsilon(1e-13));
}

}  // namespace sampling_test
