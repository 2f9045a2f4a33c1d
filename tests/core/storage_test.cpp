// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <gavel/core/storage.hpp>

#include <Eigen/Core>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace storage_test {

using namespace gavel;

TEST_CASE("every binary16 widens to the float Eigen makes of it", "[core][storage]") {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const half h{static_cast<std::uint16_t>(bits)};
    const Eigen::half e = Eigen::half_impl::raw_uint16_to_half(static_cast<std::uint16_t>(bits));
    const float expected = static_cast<float>(e);
    const float actual = widen(h);
    if (std::isnan(expected)) {
      REQUIRE(std::isnan(actual));
    } else {
      REQUIRE(std::bit_cast<std::uint32_t>(actual) == std::bit_cast<std::uint32_t>(expected));
      REQUIRE(to_half(actual) == h);
    }
    REQUIRE((std::isnan(expected) || widen(e) == expected));
  }
}

TEST_CASE("rounding to 16 bits agrees with Eigen, ties and overflow included", "[core][storage]") {
  std::uint32_t state = 1;
  for (int i = 0; i < 200000; ++i) {
    state = state * 1664525u + 1013904223u;
    const float x = std::bit_cast<float>(state);
    if (std::isnan(x)) continue;
    INFO(x);
    REQUIRE(to_half(x).bits == Eigen::half(x).x);
    REQUIRE(to_bfloat16(x).bits == Eigen::bfloat16(x).value);
  }
  for (const float x : {65504.0f, 65519.0f, 65520.0f, 1e10f, 6e-8f, 2.98e-8f, 2.9e-8f, 6.1e-5f, 0.0f, -0.0f,
                        std::numeric_limits<float>::infinity(), 1.00048828125f, 1.00146484375f}) {
    INFO(x);
    REQUIRE(to_half(x).bits == Eigen::half(x).x);
    REQUIRE(to_half(-x).bits == Eigen::half(-x).x);
  }
  REQUIRE(std::isnan(widen(to_half(std::numeric_limits<float>::quiet_NaN()))));
  REQUIRE(std::isnan(widen(to_bfloat16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST_CASE("bfloat16 is the upper half of a float", "[core][storage]") {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const float actual = widen(bfloat16{static_cast<std::uint16_t>(bits)});
    REQUIRE(std::bit_cast<std::uint32_t>(actual) == bits << 16);
  }
}

TEST_CASE("traits tell storage from computation", "[core][storage]") {
  static_assert(std::is_same_v<compute_type<half>, float> && std::is_same_v<compute_type<Eigen::bfloat16>, float>);
  static_assert(std::is_same_v<compute_type<double>, double>);
  static_assert(!stored_scalar<int> && !real_scalar<half>);
  static_assert(sizeof(half) == 2 && sizeof(bfloat16) == 2);
  REQUIRE(widen(2.5) == 2.5);
}

}  // namespace storage_test
