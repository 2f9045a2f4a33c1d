// SPDX-License-Identifier: MIT
#include <gavel/core/moments.hpp>
#include <gavel/core/philox.hpp>
#include <gavel/core/variates.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace moments_test {

using gavel::moments;
using gavel::testing::message_of;
using gavel::testing::not_a_number;

namespace {
constexpr double inf = std::numeric_limits<double>::infinity();
}  // namespace

TEST_CASE("moments: values, and values that are undefined", "[core][moments]") {
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
  CHECK(message_of([&] { seen.add(not_a_number); }) == "domain: gavel::moments::add: value = nan, must be finite");
  CHECK(message_of([&] { seen.add(-inf); }) == "gavel::moments::add: value = -inf, must be finite");
  CHECK(seen == before);
}

TEST_CASE("moments: no cancellation far from zero", "[core][moments]") {
  moments seen;
  for (const double value : {4.0, 7.0, 13.0, 16.0}) seen.add(1e9 + value);
  CHECK(*seen.variance() == Approx(30.0).epsilon(1e-12));  // sums of squares would give 29.3 or nothing at all
}

TEST_CASE("moments: merging shards in any grouping", "[core][moments]") {
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

}  // namespace moments_test
