// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <gavel/kernels/elementary.hpp>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace elementary_test {

using namespace gavel;

namespace {
struct exp_float_kernel {
  template <class Isa>
  static GAVEL_ALWAYS_INLINE float run(float x) {
    typename Isa::template vec<float> v;
    kernels::fill(v, x);
    kernels::exp_in_place<Isa>(v);
    return v[0];
  }
};
struct exp_of_product_kernel {
  template <class Isa>
  static GAVEL_ALWAYS_INLINE float run(float x, float factor) {
    typename Isa::template vec<float> v;
    kernels::fill(v, x);
    kernels::exp_of_product<Isa>(v, factor);
    return v[0];
  }
};
double ulps(double actual, long double expected, int digits) {
  return static_cast<double>(std::fabs(static_cast<long double>(actual) - expected) / std::ldexp(1.0L, std::ilogb(expected) - digits));
}
}  // namespace

TEST_CASE("float exp stays within 1.1 ulp and flushes below -87.7", "[kernels][elementary]") {
  double worst = 0.0;
  for (int i = 0; i <= 40000; ++i) {
    const float x = -87.3f + 175.3f * static_cast<float>(i) / 40000.0f;
    worst = std::max(worst, ulps(static_cast<double>(kernels::dispatch<exp_float_kernel>(x)), std::exp(static_cast<long double>(x)), 23));
  }
  REQUIRE(worst < 1.1);
  REQUIRE(kernels::dispatch<exp_float_kernel>(0.0f) == 1.0f);
  REQUIRE(kernels::dispatch<exp_float_kernel>(-87.7f) == 0.0f);
  REQUIRE(kernels::dispatch<exp_float_kernel>(-std::numeric_limits<float>::infinity()) == 0.0f);
  for (const std::uint32_t bits : {0x7fc00000u, 0xffc00000u, 0x7fc001ffu, 0xffffffffu, 0x7fc12345u}) {
    REQUIRE(std::isnan(kernels::dispatch<exp_float_kernel>(std::bit_cast<float>(bits))));
  }
}

TEST_CASE("float exp of a product loses the rounding of the product and 1.2 ulp", "[kernels][elementary]") {
  const auto value = [](float x, float factor) { return kernels::dispatch<exp_of_product_kernel>(x, factor); };
  for (const float factor : {1.0f, 0.7f, 3.0f}) {
    for (int i = 0; i <= 40000; ++i) {
      const float d = -87.3f + 175.3f * static_cast<float>(i) / 40000.0f;
      const long double exact = static_cast<long double>(d / factor) * static_cast<long double>(factor);
      const double error = static_cast<double>(std::fabs(static_cast<long double>(value(d / factor, factor)) / std::exp(exact) - 1.0L));
      REQUIRE(error <= (1.2 + static_cast<double>(std::fabs(exact))) * 0x1p-23);
    }
    REQUIRE(value(0.0f, factor) == 1.0f);
    REQUIRE(value(-87.7f / factor, factor) == 0.0f);
    REQUIRE(value(-std::numeric_limits<float>::infinity(), factor) == 0.0f);
    REQUIRE(std::isnan(value(std::bit_cast<float>(0xffc00123u), factor)));
  }
  REQUIRE(value(0.0f, 1.7e38f) == 1.0f);
  REQUIRE(value(-1.0f, 1.7e38f) == 0.0f);
}

TEST_CASE("double exp stays within 1.1 ulp and flushes below -708.8", "[kernels][elementary]") {
  double worst = 0.0;
  for (int i = 0; i <= 40000; ++i) {
    const double x = -708.0 + 1416.0 * i / 40000.0;
    worst = std::max(worst, ulps(kernels::exp(x), std::exp(static_cast<long double>(x)), 52));
  }
  REQUIRE(worst < 1.1);
  REQUIRE(kernels::exp(0.0) == 1.0);
  REQUIRE(kernels::exp(-708.9) == 0.0);
  REQUIRE(kernels::exp(-1e300) == 0.0);
  REQUIRE(kernels::exp(-std::numeric_limits<double>::infinity()) == 0.0);
  for (const std::uint64_t bits : {0x7ff8000000000000u, 0xfff80000000003ffu, 0xffffffffffffffffu}) {
    REQUIRE(std::isnan(kernels::exp(std::bit_cast<double>(bits))));
  }
}

TEST_CASE("log is within 1.1 ulp away from 1 and within 1e-16 near it", "[kernels][elementary]") {
  double worst = 0.0;
  for (int i = 0; i < 40000; ++i) {
    const double x = std::ldexp(1.0 + i / 40000.0, i % 2040 - 1020);
    const long double exact = std::log(static_cast<long double>(x));
    if (std::fabs(exact) > 0.5L) worst = std::max(worst, ulps(kernels::log(x), exact, 52));
  }
  REQUIRE(worst < 1.1);
  for (int i = 0; i <= 20000; ++i) {
    const double x = 0.6 + 0.8 * i / 20000.0;
    REQUIRE(std::fabs(static_cast<long double>(kernels::log(x)) - std::log(static_cast<long double>(x))) < 1e-16L);
  }
  REQUIRE(kernels::log(1.0) == 0.0);
  REQUIRE(kernels::log(std::numeric_limits<double>::min()) == Approx(-708.3964185322641).epsilon(1e-15));
}

}  // namespace elementary_test
