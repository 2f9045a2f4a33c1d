// SPDX-License-Identifier: MIT
#include <gavel/schedule/pytorch.hpp>

#include "schedule/preset_laws.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace pytorch_test {

namespace pytorch = gavel::schedule::pytorch;
using namespace gavel::testing;
using gavel::schedule::rate_schedule;

namespace {

constexpr double pi = 3.14159265358979323846;
using strategy = pytorch::one_cycle_lr_options::strategy;
using shape = pytorch::cyclic_lr_options::shape;

// Each preset is a constant expression; the values are the ones that off-by-one conventions decide.
static_assert(pytorch::constant_lr({.base_lr = 0.4, .factor = 0.5, .total_iters = 4}).rate(3) == 0.2);
static_assert(pytorch::constant_lr({.base_lr = 0.4, .factor = 0.5, .total_iters = 4}).rate(4) == 0.4);
static_assert(pytorch::linear_lr({.base_lr = 0.4, .start_factor = 0.25, .total_iters = 5}).rate(0) == 0.1);
static_assert(pytorch::linear_lr({.base_lr = 0.4, .start_factor = 0.25, .total_iters = 5}).rate(5) == 0.4);
static_assert(near(pytorch::linear_lr({.base_lr = 0.4, .start_factor = 0.25, .total_iters = 5}).rate(4), 0.34));
static_assert(near(pytorch::polynomial_lr({.base_lr = 0.4, .total_iters = 10, .power = 2.0}).rate(9), 0.004));
static_assert(pytorch::polynomial_lr({.base_lr = 0.4, .total_iters = 10, .power = 2.0}).rate(10) == 0.0);
static_assert(near(pytorch::exponential_lr({.base_lr = 0.4, .gamma = 0.9}).rate(2), 0.324));
static_assert(pytorch::step_lr({.base_lr = 0.5, .step_size = 6, .gamma = 0.5}).rate(5) == 0.5);
static_assert(near(pytorch::step_lr({.base_lr = 0.5, .step_size = 6, .gamma = 0.5}).rate(6), 0.25));
static_assert(pytorch::multi_step_lr({.base_lr = 0.5, .milestones = {8, 16}, .gamma = 0.5}).rate(7) == 0.5);
static_assert(near(pytorch::multi_step_lr({.base_lr = 0.5, .milestones = {8, 16}, .gamma = 0.5}).rate(8), 0.25));
static_assert(near(pytorch::cosine_annealing_lr({.base_lr = 0.4, .t_max = 12, .eta_min = 0.01}).rate(12), 0.01));
static_assert(near(pytorch::cosine_annealing_lr_rebounding({.base_lr = 0.4, .t_max = 12, .eta_min = 0.01}).rate(24), 0.4));
static_assert(pytorch::cosine_annealing_warm_restarts({.base_lr = 0.4, .t_0 = 4, .t_mult = 2}).rate(12) == 0.4);
static_assert(near(pytorch::one_cycle_lr({.max_lr = 1.0, .total_steps = 10}).rate(9), 4e-6, 1e-9));
static_assert(pytorch::cyclic_lr({.base_lr = 0.1, .max_lr = 0.5, .step_size_up = 4}).rate(4) == 0.5);
static_assert(pytorch::sequential_lr(pytorch::exponential_lr({.gamma = 0.5}), 3, pytorch::exponential_lr({.gamma = 0.5})).rate(3) == 1.0);
static_assert(near(pytorch::chained_scheduler(pytorch::exponential_lr({.base_lr = 0.5, .gamma = 0.5}), pytorch::constant_lr({})).rate(5),
                   0.5 / 32.0));
static_assert(pytorch::lambda_lr(0.5, [](std::uint64_t t) { return 1.0 / (1.0 + static_cast<double>(t)); }).rate(1) == 0.25);
static_assert(rate_schedule<pytorch::lambda_schedule<double (*)(std::uint64_t)>>);

}  // namespace

TEST_CASE("PyTorch's recursive forms give the closed ones", "[schedule][pytorch]") {
  const double base = 0.3;
  SECTION("ConstantLR multiplies once and divides once") {
    double lr = 0.0;
    check_against(pytorch::constant_lr({.base_lr = base, .factor = 0.2, .total_iters = 7}), 20, [&](double t) {
      if (t == 0.0) lr = base * 0.2;
      else if (t == 7.0) lr *= 1.0 / 0.2;
      return lr;
    });
  }
  SECTION("LinearLR, rising and falling") {
    for (const double end : {1.0, 0.05, 0.0}) {
      const double start = 0.4, total = 9.0;
      double lr = 0.0;
      check_against(
          pytorch::linear_lr({.base_lr = base, .start_factor = start, .end_factor = end, .total_iters = 9}), 20,
          [&](double t) {
            if (t == 0.0) lr = base * start;
            else if (t <= total) lr *= 1.0 + (end - start) / (total * start + (t - 1.0) * (end - start));
            return lr;
          },
          1e-12, 1e-14);
    }
  }
  SECTION("PolynomialLR") {
    double lr = base;
    check_against(
        pytorch::polynomial_lr({.base_lr = base, .total_iters = 12, .power = 1.7}), 20,
        [&](double t) {
          if (t > 0.0 && t <= 12.0) lr *= std::pow((1.0 - t / 12.0) / (1.0 - (t - 1.0) / 12.0), 1.7);
          return lr;
        },
        1e-11);
  }
  SECTION("ExponentialLR, StepLR and MultiStepLR with a milestone that stands twice") {
    double exponential = base, step = base, multi = base;
    check_against(pytorch::exponential_lr({.base_lr = base, .gamma = 0.97}), 100, [&](double t) {
      if (t > 0.0) exponential *= 0.97;
      return exponential;
    });
    check_against(pytorch::step_lr({.base_lr = base, .step_size = 7, .gamma = 0.3}), 100, [&](double t) {
      if (t > 0.0 && std::fmod(t, 7.0) == 0.0) step *= 0.3;
      return step;
    });
    check_against(pytorch::multi_step_lr({.base_lr = base, .milestones = {0, 5, 5, 9}, .gamma = 0.3}), 20, [&](double t) {
      for (const double milestone : {0.0, 5.0, 5.0, 9.0}) multi *= t == milestone ? 0.3 : 1.0;
      return multi;
    });
  }
  SECTION("CosineAnnealingLR, over the end") {
    const double minimum = 0.02, length = 11.0;
    double lr = base;
    check_against(
        pytorch::cosine_annealing_lr_rebounding({.base_lr = base, .t_max = 11, .eta_min = minimum}), 60,
        [&](double t) {
          if (t == 0.0) return lr;
          if (std::fmod(t - 1.0 - length, 2.0 * length) == 0.0) {
            lr += (base - minimum) * (1.0 - std::cos(pi / length)) / 2.0;
          } else {
            lr = (1.0 + std::cos(pi * t / length)) / (1.0 + std::cos(pi * (t - 1.0) / length)) * (lr - minimum) + minimum;
          }
          return lr;
        },
        1e-11);
  }
  SECTION("CosineAnnealingWarmRestarts") {
    double current = 0.0, length = 3.0;
    check_against(pytorch::cosine_annealing_warm_restarts({.base_lr = base, .t_0 = 3, .t_mult = 3, .eta_min = 0.01}), 500, [&](double t) {
      if (t > 0.0) current += 1.0;
      if (current >= length) current -= length, length *= 3.0;
      return 0.01 + (base - 0.01) * (1.0 + std::cos(pi * current / length)) / 2.0;
    });
  }
}

TEST_CASE("OneCycleLR takes its phases from fractional steps", "[schedule][pytorch]") {
  struct phase {
    double end, from, to;
  };
  for (const bool three : {false, true}) {
    for (const auto anneal : {strategy::cosine, strategy::linear}) {
      for (const auto& [pct, total] : std::vector<std::pair<double, std::uint64_t>>{
               {0.23, 37}, {0.31, 37}, {0.5, 37}, {0.0, 37}, {0.3, 1}, {0.3, 2}, {0.3, 3}, {0.8, 1}, {0.3, 4}}) {
        const double steps = static_cast<double>(total), first = 0.8 / 20.0, last = first / 500.0;
        INFO("pct_start " << pct << ", total_steps " << total);
        const std::vector<phase> phases =
            three ? std::vector<phase>{{pct * steps - 1.0, first, 0.8}, {2.0 * pct * steps - 2.0, 0.8, first}, {steps - 1.0, first, last}}
                  : std::vector<phase>{{pct * steps - 1.0, first, 0.8}, {steps - 1.0, 0.8, last}};
        const auto schedule = pytorch::one_cycle_lr({.max_lr = 0.8,
                                                     .total_steps = total,
                                                     .pct_start = pct,
                                                     .anneal_strategy = anneal,
                                                     .div_factor = 20.0,
                                                     .final_div_factor = 500.0,
                                                     .three_phase = three});
        check_against(schedule, total, [&](double t) {
          double begin = 0.0;
          for (const phase& now : phases) {
            if (t <= now.end || now.end == steps - 1.0) {
              const double share = (t - begin) / (now.end - begin);
              return anneal == strategy::linear ? (now.to - now.from) * share + now.from
                                                : now.to + (now.from - now.to) / 2.0 * (std::cos(pi * share) + 1.0);
            }
            begin = now.end;
          }
          return not_a_number;
        });
        check_holds(schedule, total - 1, last, 1e-9);
        if (pct * steps > 1.0) REQUIRE(near(schedule.rate(0), first));
      }
    }
  }
  REQUIRE(pytorch::one_cycle_lr({.max_lr = 0.8, .total_steps = 4, .pct_start = 0.25}).rate(0) == 0.8);  // upstream divides by zero
  REQUIRE(near(pytorch::one_cycle_lr({.max_lr = 0.8, .total_steps = 10, .pct_start = 1.0}).rate(9), 0.8));
  // the peak stands at a whole step where pct_start total_steps is whole
  REQUIRE(near(pytorch::one_cycle_lr({.max_lr = 0.8, .total_steps = 40, .pct_start = 0.25}).rate(9), 0.8));
}

TEST_CASE("CyclicLR follows its own formula in all three modes", "[schedule][pytorch]") {
  for (const auto mode : {shape::triangular, shape::triangular2, shape::exp_range}) {
    const double up = 5.0, down = 3.0;
    const auto schedule =
        pytorch::cyclic_lr({.base_lr = 0.01, .max_lr = 0.2, .step_size_up = 5, .step_size_down = 3, .mode = mode, .gamma = 0.98});
    check_against(
        schedule, 200,
        [&](double t) {
          const double cycle = std::floor(1.0 + t / (up + down)), x = 1.0 + t / (up + down) - cycle, ratio = up / (up + down);
          const double scale = x <= ratio ? x / ratio : (x - 1.0) / (ratio - 1.0);
          const double factor = mode == shape::triangular    ? 1.0
                                : mode == shape::triangular2 ? 1.0 / std::pow(2.0, cycle - 1.0)
                                                             : std::pow(0.98, t);
          return 0.01 + (0.2 - 0.01) * scale * factor;
        },
        1e-11);
  }
  const auto even = pytorch::cyclic_lr({.base_lr = 0.0, .max_lr = 1.0, .step_size_up = 4});
  REQUIRE(even.cycle_steps() == 8);
  REQUIRE(pytorch::cyclic_lr({.base_lr = 0.0, .max_lr = 1.0}).rate(2000) == 1.0);
}

TEST_CASE("PyTorch presets hold their end and rebound only by that name", "[schedule][pytorch]") {
  const pytorch::cosine_annealing_lr_options options{.base_lr = 0.4, .t_max = 10, .eta_min = 0.04};
  const auto held = pytorch::cosine_annealing_lr(options);
  const auto wave = pytorch::cosine_annealing_lr_rebounding(options);
  for (std::uint64_t t = 0; t <= 10; ++t) REQUIRE(near(held.rate(t), wave.rate(t)));
  REQUIRE(held.rate(9) > 0.04 * 1.2);  // the last step of a run of T_max steps is not at the minimum
  check_holds(held, 10, 0.04);
  REQUIRE(near(wave.rate(11), wave.rate(9)));
  REQUIRE(near(wave.rate(20), 0.4));
  REQUIRE(near(wave.rate(2'000'010), 0.04));  // far away the wave is still in phase
  check_holds(pytorch::polynomial_lr({.base_lr = 0.4, .total_iters = 10, .power = 0.5}), 10, 0.0);
  check_holds(pytorch::linear_lr({.base_lr = 0.4, .end_factor = 0.5, .total_iters = 10}), 10, 0.2);
  check_holds(pytorch::linear_lr({.base_lr = 0.4, .total_iters = 0}), 0, 0.4);
  check_holds(pytorch::constant_lr({.base_lr = 0.4, .total_iters = 0}), 0, 0.4);
  check_holds(pytorch::multi_step_lr({.base_lr = 0.4, .milestones = {}, .gamma = 0.1}), 0, 0.4);
}

TEST_CASE("PyTorch's multiplicative rates are a table of their product, and factors may capture", "[schedule][pytorch]") {
  const double ratio = 0.95;
  const auto factor = [ratio](std::uint64_t t) { return t % 3 == 0 ? ratio * ratio : ratio; };
  double lr = 0.3;
  check_against(pytorch::multiplicative_lr(0.3, 40, factor), 40, [&](double t) {
    if (t > 0.0) lr *= factor(static_cast<std::uint64_t>(t));
    return lr;
  });
  REQUIRE(pytorch::multiplicative_lr(0.3, 40, factor).steps() == 40);
  check_holds(pytorch::multiplicative_lr(0.3, 40, factor), 39, lr);
  REQUIRE(pytorch::multiplicative_lr(0.3, 1, [](std::uint64_t) { return not_a_number; }).rate(0) == 0.3);  // step 0 is not asked
  REQUIRE(pytorch::lambda_lr(0.3, factor).rate(4) == 0.3 * 0.95);
  auto halving = pytorch::lambda_lr(0.3, [at = 5.0](std::uint64_t t) { return static_cast<double>(t) < at ? 1.0 : not_a_number; });
  const auto copy = halving;
  halving = copy;
  REQUIRE(halving.rate(4) == 0.3);
  REQUIRE(message_of([&] { (void)halving.rate(5); }) == "domain: gavel::schedule::pytorch::lambda_lr: factor(t) = nan, must not be NaN");
  REQUIRE(message_of([&] { static_cast<void>(pytorch::multiplicative_lr(0.3, 0, factor)); }) ==
          "gavel::schedule::pytorch::multiplicative_lr: steps = 0, must be >= 1");
  REQUIRE(message_of([&] { static_cast<void>(pytorch::multiplicative_lr(-1.0, 4, factor)); }) ==
          "gavel::schedule::pytorch::multiplicative_lr: base_lr = -1, must be finite and >= 0");
  REQUIRE(message_of([&] { static_cast<void>(pytorch::multiplicative_lr(0.5, 4, [](std::uint64_t) { return -1.0; })); }) ==
          "gavel::schedule::table: rates[1] = -0.5, must be finite and >= 0");
}

TEST_CASE("Every step a counter can hold has a PyTorch rate", "[schedule][pytorch]") {
  check_far(pytorch::constant_lr({.base_lr = 0.4}), 0.4, 0.4);
  check_far(pytorch::linear_lr({.base_lr = 0.4}), 0.4, 0.4);
  check_far(pytorch::polynomial_lr({.base_lr = 0.4, .power = 0.5}), 0.0, 0.0);
  check_far(pytorch::exponential_lr({.base_lr = 0.4, .gamma = 0.9}), 0.0, 0.0);
  check_far(pytorch::exponential_lr({.base_lr = 0.4, .gamma = 1.0}), 0.4, 0.4);
  check_far(pytorch::step_lr({.base_lr = 0.4, .step_size = 1U << 30U}), 0.0, 0.0);
  check_far(pytorch::multi_step_lr({.base_lr = 0.5, .milestones = {5, ~std::uint64_t{0}}, .gamma = 0.5}), 0.125, 0.25);
  check_far(pytorch::cosine_annealing_lr({.base_lr = 0.4, .t_max = 7, .eta_min = 0.1}), 0.1, 0.1);
  check_far(pytorch::cosine_annealing_lr_rebounding({.base_lr = 0.4, .t_max = 7, .eta_min = 0.1}), 0.1, 0.4);
  for (const std::uint64_t ratio : {1U, 2U, 7U}) {
    check_far(pytorch::cosine_annealing_warm_restarts({.base_lr = 0.4, .t_0 = 7, .t_mult = ratio, .eta_min = 0.1}), 0.1, 0.4);
  }
  check_far(pytorch::one_cycle_lr({.max_lr = 0.4, .total_steps = 100}), 0.4 / 25e4, 0.4 / 25e4);
  check_far(pytorch::cyclic_lr({.base_lr = 0.1, .max_lr = 0.4}), 0.1, 0.4);
  check_far(pytorch::cyclic_lr({.base_lr = 0.1, .max_lr = 0.4, .mode = shape::triangular2}), 0.1, 0.4);
  check_far(pytorch::cyclic_lr({.base_lr = 0.1, .max_lr = 0.4, .mode = shape::exp_range, .gamma = 0.99}), 0.1, 0.4);
}

TEST_CASE("PyTorch presets nest", "[schedule][pytorch]") {
  const auto warm = pytorch::linear_lr({.base_lr = 0.4, .start_factor = 0.1, .total_iters = 5});
  const auto fall = pytorch::cosine_annealing_lr({.base_lr = 0.4, .t_max = 15});
  const auto both = pytorch::sequential_lr(warm, 5, pytorch::sequential_lr(fall, 15, pytorch::constant_lr({.base_lr = 0.001})));
  REQUIRE(both.rate(4) == warm.rate(4));
  REQUIRE(both.rate(5) == fall.rate(0));
  REQUIRE(both.rate(19) == fall.rate(14));
  REQUIRE(near(both.rate(20), 0.001 / 3.0));
  REQUIRE(both.rate(25) == 0.001);
  REQUIRE(pytorch::chained_scheduler(warm, pytorch::polynomial_lr({.total_iters = 100})).steps() == 100);
  const auto chain = pytorch::chained_scheduler(warm, pytorch::exponential_lr({.gamma = 0.9}));
  REQUIRE(near(chain.rate(3), warm.rate(3) * 0.729));
}

TEST_CASE("PyTorch presets keep twelve digits at the last steps of a million", "[schedule][pytorch]") {
  const std::uint64_t steps = 1'000'000;
  const auto total = static_cast<long double>(steps);
  const auto linear = pytorch::polynomial_lr({.base_lr = 0.3, .total_iters = steps});
  const auto root = pytorch::polynomial_lr({.base_lr = 0.3, .total_iters = steps, .power = 0.5});
  const auto ramp = pytorch::linear_lr({.base_lr = 0.3, .start_factor = 1.0, .end_factor = 0.0, .total_iters = steps});
  const auto cosine = pytorch::cosine_annealing_lr({.base_lr = 0.3, .t_max = steps, .eta_min = 1e-3});
  const auto to_zero = pytorch::cosine_annealing_lr({.base_lr = 0.3, .t_max = steps});
  const auto wave = pytorch::cosine_annealing_lr_rebounding({.base_lr = 0.3, .t_max = steps, .eta_min = 1e-3});
  for (const std::uint64_t left : {1U, 2U, 3U, 1000U, 999'999U}) {
    const std::uint64_t step = steps - left;
    const long double share = static_cast<long double>(left) / total;
    check_exact(linear.rate(step), 0.3L * share);
    check_exact(ramp.rate(step), 0.3L * share);
    check_exact(root.rate(step), 0.3L * std::sqrt(share));
    const long double half = std::sin(pi_exact * share / 2.0L);
    check_exact(cosine.rate(step), 1e-3L + (0.3L - 1e-3L) * half * half);
    check_exact(wave.rate(step), 1e-3L + (0.3L - 1e-3L) * half * half);
    check_exact(to_zero.rate(step), 0.3L * half * half, 0.3L);  // of the peak: 1 + cos cancels here as it does upstream
  }
  const auto one_cycle = pytorch::one_cycle_lr({.max_lr = 0.3, .total_steps = steps});
  check_exact(one_cycle.rate(steps - 1), 0.3L / 25.0L / 1e4L);
  check_exact(one_cycle.rate(299'999), 0.3L);
}

TEST_CASE("PyTorch presets say what they refuse", "[schedule][pytorch]") {
  const std::string in = "gavel::schedule::pytorch::";
  CHECK(refused(pytorch::constant_lr, {.factor = 1.5}) == in + "constant_lr: factor = 1.5, must be in [0, 1]");
  CHECK(refused(pytorch::constant_lr, {.base_lr = -1.0}) == in + "constant_lr: base_lr = -1, must be finite and >= 0");
  CHECK(refused(pytorch::constant_lr, {.base_lr = not_a_number}) ==
        "domain: " + in + "constant_lr: base_lr = nan, must be finite and >= 0");
  CHECK(refused(pytorch::constant_lr, {.total_iters = ~std::uint64_t{0}}) ==
        in + "constant_lr: total_iters = 18446744073709551615, must be <= 9007199254740992");
  CHECK(refused(pytorch::linear_lr, {.total_iters = ~std::uint64_t{0}}) ==
        in + "linear_lr: total_iters = 18446744073709551615, must be <= 9007199254740992");
  CHECK(refused(pytorch::linear_lr, {.start_factor = 0.0}) == in + "linear_lr: start_factor = 0, must be in (0, 1]");
  CHECK(refused(pytorch::linear_lr, {.end_factor = -0.5}) == in + "linear_lr: end_factor = -0.5, must be in [0, 1]");
  CHECK(refused(pytorch::polynomial_lr, {.total_iters = 0}) == in + "polynomial_lr: total_iters = 0, must be >= 1");
  CHECK(refused(pytorch::polynomial_lr, {.power = 0.0}) == in + "polynomial_lr: power = 0, must be finite and > 0");
  CHECK(refused(pytorch::exponential_lr, {}) == in + "exponential_lr: gamma = 0, must be finite and > 0");
  CHECK(refused(pytorch::step_lr, {}) == in + "step_lr: step_size = 0, must be >= 1");
  CHECK(refused(pytorch::step_lr, {.step_size = 3, .gamma = -1.0}) == in + "step_lr: gamma = -1, must be finite and > 0");
  CHECK(refused(pytorch::multi_step_lr, {.milestones = {5, 3}}) == in + "multi_step_lr: milestones[1] = 3, must be >= the one before, 5");
  CHECK(refused(pytorch::multi_step_lr, {.milestones = {5}, .gamma = 0.0}) == in + "multi_step_lr: gamma = 0, must be finite and > 0");
  CHECK(refused(pytorch::cosine_annealing_lr, {}) == in + "cosine_annealing_lr: t_max = 0, must be >= 1");
  CHECK(refused(pytorch::cosine_annealing_lr, {.base_lr = 0.1, .t_max = 5, .eta_min = 0.2}) ==
        in + "cosine_annealing_lr: eta_min = 0.2, must be <= base_lr 0.1");
  CHECK(refused(pytorch::cosine_annealing_lr_rebounding, {}) == in + "cosine_annealing_lr_rebounding: t_max = 0, must be >= 1");
  CHECK(refused(pytorch::cosine_annealing_warm_restarts, {}) == in + "cosine_annealing_warm_restarts: t_0 = 0, must be >= 1");
  CHECK(refused(pytorch::cosine_annealing_warm_restarts, {.t_0 = 5, .t_mult = 0}) ==
        in + "cosine_annealing_warm_restarts: t_mult = 0, must be >= 1");
  CHECK(refused(pytorch::one_cycle_lr, {}) == in + "one_cycle_lr: total_steps = 0, must be >= 1");
  CHECK(refused(pytorch::one_cycle_lr, {.total_steps = 10, .pct_start = -0.1}) == in + "one_cycle_lr: pct_start = -0.1, must be in [0, 1]");
  CHECK(refused(pytorch::one_cycle_lr, {.total_steps = 10, .pct_start = 1.1}) == in + "one_cycle_lr: pct_start = 1.1, must be in [0, 1]");
  CHECK(refused(pytorch::one_cycle_lr, {.total_steps = 10, .pct_start = not_a_number}) ==
        "domain: " + in + "one_cycle_lr: pct_start = nan, must be in [0, 1]");
  CHECK(refused(pytorch::one_cycle_lr, {.total_steps = 10, .pct_start = 0.6, .three_phase = true}) ==
        in + "one_cycle_lr: 2 * pct_start * total_steps = 12, must be < total_steps + 1 = 11");
  CHECK(refused(pytorch::one_cycle_lr, {.total_steps = 10, .div_factor = 0.5}) == in + "one_cycle_lr: div_factor = 0.5, must be >= 1");
  CHECK(refused(pytorch::one_cycle_lr, {.total_steps = 10, .final_div_factor = 0.5}) ==
        in + "one_cycle_lr: final_div_factor = 0.5, must be >= 1");
  CHECK(refused(pytorch::cyclic_lr, {.base_lr = 0.2, .max_lr = 0.1}) == in + "cyclic_lr: base_lr = 0.2, must be <= max_lr 0.1");
  CHECK(refused(pytorch::cyclic_lr, {.max_lr = 0.1, .step_size_up = 0}) == in + "cyclic_lr: step_size_up = 0, must be >= 1");
  CHECK(refused(pytorch::cyclic_lr, {.max_lr = 0.1, .step_size_down = ~std::uint64_t{0}}) ==
        in + "cyclic_lr: step_size_down = 18446744073709551615, must be <= 4503599627370496");
  CHECK(refused(pytorch::cyclic_lr, {.max_lr = 0.1, .gamma = 0.0}) == in + "cyclic_lr: gamma = 0, must be finite and > 0");
  CHECK(message_of([] { static_cast<void>(pytorch::lambda_lr(-1.0, [](std::uint64_t) { return 1.0; })); }) ==
        in + "lambda_lr: base_lr = -1, must be finite and >= 0");
}

}  // namespace pytorch_test
