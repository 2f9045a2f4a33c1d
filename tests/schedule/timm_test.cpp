// SPDX-License-Identifier: MIT
#include <gavel/schedule/timm.hpp>

#include "schedule/preset_laws.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>

namespace timm_test {

namespace timm = gavel::schedule::timm;
using namespace gavel::testing;

namespace {

constexpr double pi = 3.14159265358979323846;

// Each preset is a constant expression; the values are the ones that off-by-one conventions decide.
static_assert(timm::cosine({.base_lr = 0.5, .t_initial = 10}).rate(0) == 0.5);
static_assert(near(timm::cosine({.base_lr = 0.5, .t_initial = 10, .warmup_t = 4}).rate(5), 0.25));
static_assert(near(timm::cosine({.base_lr = 0.5, .t_initial = 10, .warmup_t = 4, .warmup_prefix = true}).rate(9), 0.25));
static_assert(timm::cosine({.base_lr = 0.5, .t_initial = 10, .lr_min = 0.125}).rate(10) == 0.125);
static_assert(near(timm::poly({.base_lr = 0.5, .t_initial = 16}).rate(12), 0.25));
static_assert(near(timm::tanh({.base_lr = 0.5, .t_initial = 10, .lb = -1.0, .ub = 1.0}).rate(5), 0.25));
static_assert(near(timm::step({.base_lr = 0.5, .decay_t = 4.0, .decay_rate = 0.5}).rate(3), 0.5));
static_assert(near(timm::step({.base_lr = 0.5, .decay_t = 4.0, .decay_rate = 0.5}).rate(4), 0.25));
static_assert(near(timm::multistep({.base_lr = 0.5, .decay_t = {6, 11}, .decay_rate = 0.5}).rate(5), 0.5));
static_assert(near(timm::multistep({.base_lr = 0.5, .decay_t = {6, 11}, .decay_rate = 0.5}).rate(6), 0.25));
static_assert(near(timm::multistep({.base_lr = 0.5, .decay_t = {6, 11}, .decay_rate = 0.5, .drop_early = true}).rate(5), 0.25));

static_assert(timm::wsd({.base_lr = 0.5, .t_initial = 20, .decay_t = 8, .warmup_t = 4}).rate(16) == 0.5);
static_assert(timm::wsd({.base_lr = 0.5, .t_initial = 20, .decay_t = 8, .warmup_t = 4}).rate(18) == 0.25);
static_assert(timm::wsd({.base_lr = 0.5, .t_initial = 20, .decay_t = 8, .warmup_t = 4}).steps() == 24);

// timm's cycles with the cycle found by adding lengths.
struct cycles {
  double length, ratio, decay;
  double limit;
  double base, minimum;
  std::function<double(double)> shape;

  double rate(double t) const {
    double cycle = 0.0, begin = 0.0, now = length;
    for (; t >= begin + now; now *= ratio, cycle += 1.0) begin += now;
    if (cycle >= limit) return minimum;
    return minimum + (base * std::pow(decay, cycle) - minimum) * shape((t - begin) / now);
  }
};

template <class Options>
Options with_cycles(double ratio, std::uint64_t limit, bool prefix, std::uint64_t warmup) {
  Options options;
  options.base_lr = 0.5;
  options.t_initial = 6;
  options.lr_min = 0.01;
  options.cycle_mul = ratio;
  options.cycle_decay = 0.7;
  options.cycle_limit = limit;
  options.warmup_t = warmup;
  options.warmup_lr_init = 0.02;
  options.warmup_prefix = prefix;
  return options;
}

}  // namespace

TEST_CASE("timm's schedules with cycles, transcribed", "[schedule][timm]") {
  for (const double ratio : {1.0, 2.0, 1.5}) {
    for (const std::uint64_t limit : {1U, 3U}) {
      for (const bool prefix : {false, true}) {
        for (const std::uint64_t warmup : {0U, 4U, 9U}) {
          INFO("cycle_mul " << ratio << ", cycle_limit " << limit << ", prefix " << prefix << ", warmup_t " << warmup);
          cycles upstream{6.0, ratio, 0.7, static_cast<double>(limit), 0.5, 0.01, {}};
          const double w = static_cast<double>(warmup);
          const auto transcribed = [&](double t) {
            const double target = 0.5;
            return t < w ? 0.02 + t * (target - 0.02) / w : upstream.rate(prefix ? t - w : t);
          };
          for (const double k : {1.0, 1.7}) {
            upstream.shape = [&](double u) { return 0.5 * (1.0 + std::cos(pi * std::pow(u, k))); };
            auto cosine = with_cycles<timm::cosine_options>(ratio, limit, prefix, warmup);
            cosine.k_decay = k;
            check_against(timm::cosine(cosine), 80, transcribed);
            upstream.shape = [&](double u) { return std::pow(1.0 - std::pow(u, k), 0.8); };
            auto poly = with_cycles<timm::poly_options>(ratio, limit, prefix, warmup);
            poly.k_decay = k;
            poly.power = 0.8;
            check_against(timm::poly(poly), 80, transcribed);
          }
          upstream.shape = [](double u) { return 0.5 * (1.0 - std::tanh(-6.0 * (1.0 - u) + 2.0 * u)); };
          auto tanh = with_cycles<timm::tanh_options>(ratio, limit, prefix, warmup);
          tanh.lb = -6.0;
          tanh.ub = 2.0;
          const double target = prefix ? 0.5 : upstream.rate(w);  // here alone the warm-up aims at the decay
          check_against(timm::tanh(tanh), 80,
                        [&](double t) { return t < w ? 0.02 + t * (target - 0.02) / w : upstream.rate(prefix ? t - w : t); });
        }
      }
    }
  }
}

TEST_CASE("timm's step and multistep, with the early drop and without", "[schedule][timm]") {
  for (const bool prefix : {false, true}) {
    const auto late = [&](double t) { return prefix ? t - 4.0 : t; };
    check_against(
        timm::step({.base_lr = 0.5, .decay_t = 3.5, .decay_rate = 0.3, .warmup_t = 4, .warmup_lr_init = 0.02, .warmup_prefix = prefix}), 60,
        [&](double t) { return t < 4.0 ? 0.02 + t * 0.48 / 4.0 : 0.5 * std::pow(0.3, std::floor(late(t) / 3.5)); });
    for (const bool early : {false, true}) {
      const auto schedule = timm::multistep({.base_lr = 0.5,
                                             .decay_t = {0, 1, 7, 7, 12},
                                             .decay_rate = 0.3,
                                             .warmup_t = 4,
                                             .warmup_lr_init = 0.02,
                                             .warmup_prefix = prefix,
                                             .drop_early = early});
      check_against(schedule, 60, [&](double t) {
        if (t < 4.0) return 0.02 + t * 0.48 / 4.0;
        double passed = 0.0;
        for (const double milestone : {0.0, 1.0, 7.0, 7.0, 12.0}) passed += milestone <= late(t) + (early ? 1.0 : 0.0) ? 1.0 : 0.0;
        return 0.5 * std::pow(0.3, passed);
      });
    }
  }
  REQUIRE(timm::step_options{}.warmup_prefix);  // timm's own defaults differ from one scheduler to the next
  REQUIRE(timm::multistep_options{}.warmup_prefix);
  REQUIRE(!timm::cosine_options{}.warmup_prefix);
}

TEST_CASE("timm's warm-up, stable, decay in every pair of shapes, transcribed", "[schedule][timm]") {
  using timm::decay_fn;
  using timm::stable_fn;
  for (const auto stable : {stable_fn::constant, stable_fn::rsqrt, stable_fn::power}) {
    for (const auto decay : {decay_fn::linear, decay_fn::one_minus_sqrt, decay_fn::cosine, decay_fn::power, decay_fn::exp}) {
      for (const double timescale : {0.0, 3.0}) {
        for (const std::uint64_t decay_t : {1U, 7U, 25U}) {
          for (const double minimum : {0.0, 0.1}) {  // the higher one is reached by the stable phase itself
            const auto schedule = timm::wsd({.base_lr = 0.3,
                                             .t_initial = 25,
                                             .decay_t = decay_t,
                                             .lr_min = minimum,
                                             .stable_fn = stable,
                                             .stable_timescale = timescale,
                                             .stable_power = 1.3,
                                             .decay_fn = decay,
                                             .decay_power = 1.7,
                                             .decay_ratio = 0.05,
                                             .warmup_t = 5,
                                             .warmup_lr_init = 0.01});
            check_against(schedule, 40, [&](double t) {
              if (t < 5.0) return 0.01 + t * (0.3 - 0.01) / 5.0;
              const double t_s = t - 5.0, scale = timescale == 0.0 ? 5.0 : timescale;
              const double power = stable == stable_fn::constant ? 0.0 : stable == stable_fn::rsqrt ? 0.5 : 1.3;
              const double top = std::max(0.3 * std::pow(1.0 + t_s / scale, -power), minimum);
              const double t_decay = t_s - (25.0 - static_cast<double>(decay_t));
              if (t_decay <= 0.0) return top;
              const double u = std::min(t_decay / static_cast<double>(decay_t), 1.0);
              const double factor = decay == decay_fn::linear           ? 1.0 - u
                                    : decay == decay_fn::one_minus_sqrt ? 1.0 - std::sqrt(u)
                                    : decay == decay_fn::cosine         ? 0.5 * (1.0 + std::cos(pi * u))
                                    : decay == decay_fn::power          ? 1.0 - std::pow(u, 1.7)
                                                                        : (std::pow(0.05, u) - 0.05) / 0.95;
              return minimum + (top - minimum) * factor;
            });
            check_holds(schedule, 30, minimum);
            check_far(schedule, minimum, minimum);
            REQUIRE(schedule.steps() == 30);
          }
        }
      }
    }
  }
  // Without a warm-up, and with a decay that keeps its digits to the last step.
  const auto plain = timm::wsd({.base_lr = 0.3, .t_initial = 1'000'000, .decay_t = 900'000, .decay_fn = decay_fn::linear});
  REQUIRE(plain.rate(0) == 0.3);
  check_exact(plain.rate(999'999), 0.3L / 900'000.0L);
}

TEST_CASE("timm's warm-up without prefix jumps where it ends, tanh alone does not", "[schedule][timm]") {
  const auto cosine = timm::cosine({.base_lr = 0.5, .t_initial = 100, .warmup_t = 20});
  REQUIRE(cosine.rate(19) == 0.475);
  REQUIRE(near(cosine.rate(20), 0.25 * (1.0 + std::cos(0.2 * pi))));  // 0.452, as if the decay had gone on under the warm-up
  const auto shifted = timm::cosine({.base_lr = 0.5, .t_initial = 100, .warmup_t = 20, .warmup_prefix = true});
  REQUIRE(shifted.rate(20) == 0.5);
  REQUIRE(near(shifted.rate(70), 0.25));
  check_holds(shifted, 120, 0.0);
  check_holds(cosine, 100, 0.0);
  const auto tanh = timm::tanh({.base_lr = 0.5, .t_initial = 100, .lb = -2.0, .warmup_t = 40});
  REQUIRE(std::abs(tanh.rate(40) - tanh.rate(39)) < 0.013);
  // a cycle boundary at which floor(log_3(1 + 2 t / t_initial)) is off by one in double: 1 + 2 * 1210 / 10 = 243 = 3^5
  const auto growing = timm::cosine({.base_lr = 0.5, .t_initial = 10, .cycle_mul = 3.0, .cycle_limit = 9});
  REQUIRE(growing.rate(1210) == 0.5);
  REQUIRE(growing.rate(1209) < 0.001);
}

TEST_CASE("timm's presets keep twelve digits at the last steps of a million", "[schedule][timm]") {
  const std::uint64_t n = 1'000'000, w = 123'457;
  const auto cosine = timm::cosine({.base_lr = 0.3, .t_initial = n - w, .lr_min = 1e-3, .warmup_t = w, .warmup_prefix = true});
  const auto poly = timm::poly({.base_lr = 0.3, .t_initial = n - w, .lr_min = 1e-3, .warmup_t = w, .warmup_prefix = true});
  for (const std::uint64_t left : {1U, 2U, 17U, 876'540U}) {
    const long double share = static_cast<long double>(left) / static_cast<long double>(n - w);
    const long double half = std::sin(pi_exact * share / 2.0L);
    check_exact(cosine.rate(n - left), 1e-3L + (0.3L - 1e-3L) * half * half);
    check_exact(poly.rate(n - left), 1e-3L + (0.3L - 1e-3L) * std::sqrt(share),
                0.3L);  // of the peak: 1 - z cancels here as it does in timm
  }
  for (const std::uint64_t step : {1U, 2U, 123'456U}) {
    check_exact(cosine.rate(step), 0.3L * static_cast<long double>(step) / static_cast<long double>(w));
  }
}

TEST_CASE("timm's late cycles rise to lr_min once their tops have sunk below it", "[schedule][timm]") {
  cycles upstream{6.0, 1.0, 0.1, 5.0, 0.5, 0.01, [](double u) { return 0.5 * (1.0 + std::cos(pi * u)); }};
  check_against(timm::cosine({.base_lr = 0.5, .t_initial = 6, .lr_min = 0.01, .cycle_decay = 0.1, .cycle_limit = 5}), 40,
                [&](double t) { return upstream.rate(t); });
  REQUIRE(upstream.rate(18.0) < 0.01);
}

TEST_CASE("Every step a counter can hold has a timm rate", "[schedule][timm]") {
  constexpr std::uint64_t forever = ~std::uint64_t{0};
  check_far(timm::cosine({.base_lr = 0.5, .t_initial = 6, .lr_min = 0.01, .warmup_t = 3}), 0.01, 0.01);
  for (const double ratio : {1.0, 1.0001, 2.0}) {
    check_far(timm::cosine({.t_initial = 6, .lr_min = 0.01, .cycle_mul = ratio, .cycle_limit = forever, .warmup_t = 3}), 0.01, 1.0);
    check_far(timm::poly({.t_initial = 6, .lr_min = 0.01, .cycle_mul = ratio, .cycle_limit = forever}), 0.01, 1.0);
    check_far(timm::tanh({.t_initial = 6, .lr_min = 0.01, .cycle_mul = ratio, .cycle_limit = forever}), 0.01, 1.0);
  }
  check_far(timm::step({.base_lr = 0.5, .decay_t = 3.0, .decay_rate = 0.5}), 0.0, 0.0);
  check_far(timm::multistep({.base_lr = 0.5, .decay_t = {3, forever}, .decay_rate = 0.5, .warmup_prefix = false}), 0.125, 0.25);
}

TEST_CASE("timm's presets say what they refuse", "[schedule][timm]") {
  const std::string in = "gavel::schedule::timm::";
  CHECK(refused(timm::cosine, {}) == in + "cosine: t_initial = 0, must be >= 1");
  CHECK(refused(timm::cosine, {.base_lr = not_a_number, .t_initial = 5}) ==
        "domain: " + in + "cosine: base_lr = nan, must be finite and >= 0");
  CHECK(refused(timm::cosine, {.base_lr = 0.1, .t_initial = 5, .lr_min = 0.2}) == in + "cosine: lr_min = 0.2, must be <= base_lr 0.1");
  CHECK(refused(timm::cosine, {.t_initial = 5, .cycle_mul = 0.5}) == in + "cosine: cycle_mul = 0.5, must be >= 1");
  CHECK(refused(timm::cosine, {.t_initial = 5, .cycle_decay = 0.0}) == in + "cosine: cycle_decay = 0, must be finite and > 0");
  CHECK(refused(timm::cosine, {.t_initial = 5, .cycle_limit = 0}) == in + "cosine: cycle_limit = 0, must be >= 1");
  CHECK(refused(timm::cosine, {.t_initial = 5, .k_decay = 0.0}) == in + "cosine: k_decay = 0, must be finite and > 0");
  CHECK(refused(timm::cosine, {.t_initial = 5, .warmup_lr_init = -1.0}) == in + "cosine: warmup_lr_init = -1, must be finite and >= 0");
  CHECK(refused(timm::cosine, {.t_initial = 5, .warmup_t = ~std::uint64_t{0}}) ==
        in + "cosine: warmup_t = 18446744073709551615, must be <= 9007199254740992");
  CHECK(refused(timm::poly, {.t_initial = 5, .power = 0.0}) == in + "poly: power = 0, must be finite and > 0");
  CHECK(refused(timm::tanh, {.t_initial = 5, .lb = 3.0}) == in + "tanh: ub = 3, must be > lb 3");
  CHECK(refused(timm::step, {}) == in + "step: decay_t = 0, must be finite and > 0");
  CHECK(refused(timm::step, {.decay_t = 3.0, .decay_rate = 0.0}) == in + "step: decay_rate = 0, must be finite and > 0");
  CHECK(refused(timm::wsd, {}) == in + "wsd: t_initial = 0, must be >= 1");
  CHECK(refused(timm::wsd, {.t_initial = 5}) == in + "wsd: decay_t = 0, must be >= 1");
  CHECK(refused(timm::wsd, {.t_initial = 5, .decay_t = 6}) == in + "wsd: decay_t = 6, must be <= t_initial 5");
  CHECK(refused(timm::wsd, {.t_initial = 5, .decay_t = 2, .lr_min = 2.0}) == in + "wsd: lr_min = 2, must be <= base_lr 1");
  CHECK(refused(timm::wsd, {.t_initial = 5, .decay_t = 2, .stable_fn = timm::stable_fn::rsqrt}) ==
        in + "wsd: stable_timescale = 0, must be finite and > 0");
  CHECK(refused(timm::wsd,
                {.t_initial = 5, .decay_t = 2, .stable_fn = timm::stable_fn::power, .stable_timescale = 1.0, .stable_power = 0.0}) ==
        in + "wsd: stable_power = 0, must be finite and > 0");
  CHECK(refused(timm::wsd, {.t_initial = 5, .decay_t = 2, .decay_power = 0.0}) == in + "wsd: decay_power = 0, must be finite and > 0");
  CHECK(refused(timm::wsd, {.t_initial = 5, .decay_t = 2, .decay_ratio = 1.0}) == in + "wsd: decay_ratio = 1, must be in (0, 1)");
  CHECK(refused(timm::multistep, {.decay_t = {6, 5}}) == in + "multistep: decay_t[1] = 5, must be >= the one before, 6");
}

}  // namespace timm_test
