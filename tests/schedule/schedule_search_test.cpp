// SPDX-License-Identifier: MIT
#include <gavel/schedule/multi_power_law.hpp>
#include <gavel/schedule/schedule_search.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <vector>

namespace schedule_search_test {

using gavel::schedule::annealing_areas;
using gavel::schedule::annealing_law;
using gavel::schedule::best_cooldown;
using gavel::schedule::best_of;
using gavel::schedule::compare_schedules;
using gavel::schedule::cool_down;
using gavel::schedule::cooldown_choice;
using gavel::schedule::predict_at;
using gavel::testing::message_of;

namespace own {

// A law that prefers large rates.
struct longest_first {};
template <class R>
double predict_at(const longest_first&, const R& rates, std::uint64_t step, const gavel::schedule::loss_prediction_options&) {
  return -rates.rate(step);
}

}  // namespace own

namespace {

// The fit of the published curves.
constexpr annealing_law published{
    .loss_floor = 2.6278, .amplitude = 0.42967, .annealing = 0.41077, .alpha = 0.54985, .decay_factor = 0.999};

struct constant_rate {
  double value = 2e-4;
  [[nodiscard]] double rate(std::uint64_t) const { return value; }
};

constexpr auto linear_shape = [](double z) { return 1.0 - z; };
constexpr auto root_shape = [](double z) { return 1.0 - std::sqrt(z); };
constexpr auto cosine_shape = [](double z) { return 0.5 + 0.5 * std::cos(std::numbers::pi * z); };

// Base rate, then the cooldown over the last `steps` of `horizon`, as a schedule of its own.
template <class Shape>
struct cooled {
  double peak;
  std::uint64_t horizon, steps;
  Shape shape;
  double final_fraction = 0.0;

  [[nodiscard]] double rate(std::uint64_t step) const {
    const std::uint64_t start = horizon - steps;
    if (step <= start) return peak;
    const double z = static_cast<double>(step - start) / static_cast<double>(steps);
    return peak * (final_fraction + (1.0 - final_fraction) * shape(z));
  }
};

template <class Shape>
cooled(double, std::uint64_t, std::uint64_t, Shape) -> cooled<Shape>;

std::vector<double> fraction_grid(std::size_t n) {
  std::vector<double> fractions(n);
  for (std::size_t k = 0; k < n; ++k) fractions[k] = static_cast<double>(k) / static_cast<double>(n - 1);
  return fractions;
}

}  // namespace

TEST_CASE("Schedules are ranked by the loss they end with", "[schedule][search]") {
  const cooled linear{2e-4, 20000, 20000, linear_shape};
  const cooled wsd{2e-4, 20000, 4000, root_shape};
  const std::vector<double> stored(20001, 2e-4);
  const auto ranking = compare_schedules(published, 20000, {}, constant_rate{}, linear, stored, wsd);
  REQUIRE(ranking.size() == 4);
  CHECK(ranking[0].index == 3);
  CHECK(ranking[0].loss == predict_at(published, wsd, 20000));
  CHECK(ranking[1].index == 0);  // early in training the constant rate is still ahead of a decay over the whole run
  CHECK(ranking[2].index == 2);  // the same loss: in the order given
  CHECK(ranking[1].loss == ranking[2].loss);
  CHECK(ranking[3].index == 1);
  CHECK(ranking[2].loss <= ranking[3].loss);
}

TEST_CASE("Rates in units of a thousand are no tie", "[schedule][search]") {
  const cooled linear{0.2, 20000, 20000, linear_shape};
  const cooled wsd{0.2, 20000, 4000, root_shape};
  const cooled sane{2e-4, 20000, 4000, root_shape};
  const auto ranking = compare_schedules(published, 20000, {}, linear, wsd, sane);
  CHECK(ranking[0].index == 2);
  CHECK_FALSE(ranking[0].below_zero);
  CHECK((ranking[1].below_zero && ranking[2].below_zero));
  const auto family = [](double peak) { return cooled{peak, 20000, 4000, root_shape}; };
  CHECK(best_of(published, family, std::vector<double>{0.2, 2e-4, 0.1}, 20000).index == 1);
  CHECK_FALSE(best_of(published, family, std::vector<double>{0.2, 2e-4, 0.1}, 20000).below_zero);
  CHECK(best_of(published, family, std::vector<double>{0.2, 0.1}, 20000).below_zero);
  const cooldown_choice mixed = best_cooldown(published, constant_rate{0.2}, 20000, std::vector<double>{0.0, 0.5, 1.0}, linear_shape);
  CHECK(mixed.index == 0);  // the constant rate alone has a loss
  CHECK_FALSE(mixed.below_zero);
  CHECK(best_cooldown(published, constant_rate{0.2}, 20000, std::vector<double>{0.5, 1.0}, linear_shape).below_zero);
  const gavel::schedule::multi_power_law other{
      .loss_floor = 3.04, .amplitude = 0.525, .annealing = 363.8, .alpha = 0.508, .scale = 2.066, .beta = 0.583, .gamma = 0.641};
  CHECK(compare_schedules(other, 20000, {}, linear)[0].below_zero);
}

TEST_CASE("Both laws rank, and so does one of the user's own", "[schedule][search]") {
  const gavel::schedule::multi_power_law other{
      .loss_floor = 3.04, .amplitude = 0.525, .annealing = 363.8, .alpha = 0.508, .scale = 2.066, .beta = 0.583, .gamma = 0.641};
  const cooled wsd{2e-4, 20000, 4000, root_shape};
  const cooled linear{2e-4, 20000, 20000, linear_shape};
  const auto ranking = compare_schedules(other, 20000, {.warmup_steps = 100}, linear, constant_rate{}, wsd);
  CHECK(ranking[0].index == 2);
  CHECK(ranking[0].loss == predict_at(other, wsd, 20000, {.warmup_steps = 100}));
  CHECK(ranking[1].loss < ranking[2].loss);
  CHECK(ranking[1].loss == predict_at(other, constant_rate{}, 20000, {.warmup_steps = 100}));
  // The warm-up rule reaches the laws.
  std::vector<double> warmed(20001, 2e-4);
  for (std::size_t t = 0; t < 100; ++t) warmed[t] = 2e-6 * static_cast<double>(t + 1);
  const auto counted = compare_schedules(other, 20000, {.warmup_steps = 100}, warmed, constant_rate{});
  const auto also = compare_schedules(published, 20000, {.warmup_steps = 100}, warmed, constant_rate{});
  CHECK(counted[0].loss == Approx(counted[1].loss).epsilon(1e-13));
  CHECK(also[0].loss == Approx(also[1].loss).epsilon(1e-13));
  CHECK(compare_schedules(other, 20000, {}, warmed, constant_rate{})[0].index == 1);
  const std::vector<double> decays = {500, 2000, 4000, 16000};
  const auto family = [](double steps) { return cooled{2e-4, 20000, static_cast<std::uint64_t>(steps), root_shape}; };
  std::vector<double> losses(4);
  const auto best = best_of(other, family, decays, 20000, losses);
  for (std::size_t k = 0; k < 4; ++k) CHECK(losses[k] == predict_at(other, family(decays[k]), 20000));
  CHECK(best.loss == losses[best.index]);
  const auto mine = compare_schedules(own::longest_first{}, 10, {}, constant_rate{1.0}, constant_rate{2.0});
  CHECK(mine[0].index == 1);
}

TEST_CASE("The best cooldown equals trying every schedule in full", "[schedule][search]") {
  const std::uint64_t horizon = 3000;
  const auto fractions = fraction_grid(41);
  const auto check = [&](auto shape, double final_fraction) {
    std::vector<double> losses(fractions.size());
    const cooldown_choice best =
        best_cooldown(published, constant_rate{}, horizon, fractions, shape, losses, {.final_fraction = final_fraction, .pieces = 100000});
    std::size_t lowest = 0;
    for (std::size_t k = 0; k < fractions.size(); ++k) {
      const auto steps = static_cast<std::uint64_t>(std::lround(fractions[k] * 3000.0));
      const double loss = predict_at(published, cooled<decltype(shape)>{2e-4, horizon, steps, shape, final_fraction}, horizon);
      CHECK(losses[k] == Approx(loss).epsilon(1e-13));
      if (losses[k] < losses[lowest]) lowest = k;
    }
    CHECK(best.index == lowest);
    CHECK(best.fraction == fractions[lowest]);
    CHECK(best.start_step == horizon - static_cast<std::uint64_t>(std::lround(best.fraction * 3000.0)));
    CHECK(best.loss == losses[lowest]);
    CHECK(losses[0] == Approx(predict_at(published, constant_rate{}, horizon)).epsilon(1e-14));
  };
  check(linear_shape, 0.0);
  check(root_shape, 0.0);
  check(cosine_shape, 0.1);
}

TEST_CASE("A base with warm-up and re-warm-up keeps its own history", "[schedule][search]") {
  std::vector<double> base(1001);
  for (std::size_t i = 0; i < base.size(); ++i) {
    base[i] = i < 20 ? 1e-4 * static_cast<double>(i) / 20.0 : i < 300 ? 1e-4 : i < 500 ? 2e-5 : 1e-4;
  }
  const std::vector<double> fractions = {0.0, 0.25, 0.6, 0.9};
  std::vector<double> losses(4);
  (void)best_cooldown(published, base, 1000, fractions, linear_shape, losses, {.warmup_steps = 20});
  for (std::size_t k = 0; k < fractions.size(); ++k) {
    std::vector<double> whole = base;
    const auto start = static_cast<std::size_t>(1000 - std::lround(1000.0 * fractions[k]));
    for (std::size_t i = start + 1; i <= 1000; ++i) {
      whole[i] = base[start] * (1.0 - static_cast<double>(i - start) / static_cast<double>(1000 - start));
    }
    CHECK(losses[k] == Approx(predict_at(published, whole, 1000, {.warmup_steps = 20})).epsilon(1e-13));
  }
}

TEST_CASE("A linear cooldown is one closed form, and pieces converge to any shape", "[schedule][search]") {
  annealing_areas run(0.999);
  run.hold(2e-4, 5000);
  const annealing_areas steps = cool_down(run, linear_shape, 20000, {.pieces = 20000});
  const annealing_areas closed = cool_down(run, linear_shape, 20000, {.pieces = 1});
  CHECK(closed.steps() == 25000);
  CHECK(closed.forward() == Approx(steps.forward()).epsilon(1e-13));
  CHECK(closed.annealing() == Approx(steps.annealing()).epsilon(1e-11));
  const annealing_areas exact = cool_down(run, cosine_shape, 20000, {.pieces = 20000});
  double last_error = 1.0;
  for (const std::uint64_t pieces : {16u, 64u, 256u, 1024u}) {
    const double error = std::abs(cool_down(run, cosine_shape, 20000, {.pieces = pieces}).annealing() / exact.annealing() - 1.0);
    CHECK(error < last_error / 10.0);
    last_error = error;
  }
  CHECK(last_error < 1e-6);
  CHECK(cool_down(run, cosine_shape, 0) == run);
  const annealing_areas rough = cool_down(run, root_shape, 20000), fine = cool_down(run, root_shape, 20000, {.pieces = 20000});
  CHECK(published.loss(rough) == Approx(published.loss(fine)).epsilon(2e-6));  // vertical at the start: the hardest shape
}

TEST_CASE("Thousands of candidates over a million steps walk the base once", "[schedule][search]") {
  static std::size_t base_calls, shape_calls;
  base_calls = shape_calls = 0;
  struct counting {
    [[nodiscard]] double rate(std::uint64_t) const { return ++base_calls, 2e-4; }
  };
  const auto shape = [](double z) { return ++shape_calls, 1.0 - z; };
  const std::uint64_t horizon = 1'000'000;
  const auto fractions = fraction_grid(2001);
  std::vector<double> losses(fractions.size());
  const cooldown_choice best = best_cooldown(published, counting{}, horizon, fractions, shape, losses, {.pieces = 64});
  CHECK(base_calls <= horizon + 2);
  CHECK(shape_calls <= 2001 * 64 + horizon);
  CHECK(best.loss == Approx(losses[best.index]).epsilon(1e-10));
  for (const double loss : losses) CHECK(losses[best.index] <= loss);
}

TEST_CASE("What the law says about cooldowns", "[schedule][search]") {
  const auto fractions = fraction_grid(201);
  // The optimal fraction falls as the run gets longer.
  double last_fraction = 1.0;
  for (const std::uint64_t horizon : {20'000u, 100'000u, 500'000u}) {
    const cooldown_choice best = best_cooldown(published, constant_rate{}, horizon, fractions, linear_shape, {}, {.pieces = 1});
    CHECK(best.fraction < last_fraction);
    CHECK(best.fraction > 0.0);
    last_fraction = best.fraction;
  }
  // A concave cooldown beats a linear one, slightly.
  const double linear_end = best_cooldown(published, constant_rate{}, 100'000, fractions, linear_shape).loss;
  const double root_end = best_cooldown(published, constant_rate{}, 100'000, fractions, root_shape).loss;
  CHECK(root_end < linear_end);
  CHECK(root_end > 0.998 * linear_end);
  // Until its cooldown WSD is behind cosine (compared at the same step), in the end it is ahead.
  const cooled wsd{2e-4, 20000, 4000, root_shape};
  const cooled cosine{2e-4, 20000, 20000, cosine_shape};
  CHECK(predict_at(published, wsd, 16000) > predict_at(published, cosine, 16000));
  CHECK(predict_at(published, wsd, 20000) < predict_at(published, cosine, 20000));
  // A constant rate beats cosine early and loses late in training, if the run is long enough.
  CHECK(predict_at(published, constant_rate{}, 5000) < predict_at(published, cosine, 5000));
  const cooled longer{2e-4, 100000, 100000, cosine_shape};
  CHECK(predict_at(published, constant_rate{}, 100000) > predict_at(published, longer, 100000));
}

TEST_CASE("The cosine cycle should be as long as a long run", "[schedule][search]") {
  const std::uint64_t horizon = 200000;
  struct cosine_cycle {
    double length;
    [[nodiscard]] double rate(std::uint64_t step) const {
      const double z = static_cast<double>(step) / length;
      return 2e-4 * (z < 1.0 ? 0.5 + 0.5 * std::cos(std::numbers::pi * z) : 0.0);
    }
  };
  const std::vector<double> lengths = {60000, 100000, 150000, 200000, 300000, 600000};
  std::vector<double> losses(lengths.size());
  const auto best = best_of(published, [](double length) { return cosine_cycle{length}; }, lengths, horizon, losses);
  CHECK(best.parameter == 200000.0);
  CHECK(best.index == 3);
  CHECK(best.loss == losses[3]);
  for (std::size_t k = 0; k < lengths.size(); ++k) CHECK(losses[k] == predict_at(published, cosine_cycle{lengths[k]}, horizon));
}

TEST_CASE("Bad searches are named", "[schedule][search]") {
  const std::string in = "gavel::schedule::";
  const std::vector<double> short_base(100, 1e-4), one = {0.5}, none;
  std::vector<double> three(3);
  const auto refuse = [&](const std::vector<double>& fractions, std::uint64_t horizon,
                          gavel::schedule::cooldown_prediction_options options) {
    return message_of([&] { (void)best_cooldown(published, short_base, horizon, fractions, linear_shape, {}, options); });
  };
  CHECK(refuse(one, 0, {}) == in + "best_cooldown: horizon = 0, must be >= 1");
  CHECK(refuse(none, 99, {}) == in + "best_cooldown: fractions.size() = 0, must be >= 1");
  CHECK(refuse({0.5, 0.5}, 99, {}) == in + "best_cooldown: fractions[1] = 0.5, must be > the one before, 0.5");
  CHECK(refuse({-0.1}, 99, {}) == in + "best_cooldown: fractions[0] = -0.1, must be in [0, 1]");
  CHECK(refuse({0.95}, 100, {.warmup_steps = 20}) == in + "best_cooldown: fractions[0] = 0.95, must begin after the warm-up, at step 20");
  CHECK(refuse({0.2}, 1000, {}) == in + "best_cooldown: fractions[0] = 0.2, must begin by the last step of the base, 99");
  CHECK(refuse({0.95}, 1000, {}) == "no exception");  // the base need not reach the horizon
  CHECK(refuse(one, 99, {.final_fraction = 1.5}) == in + "best_cooldown: final_fraction = 1.5, must be in [0, 1]");
  CHECK(refuse(one, 99, {.pieces = 0}) == in + "best_cooldown: pieces = 0, must be >= 1");
  CHECK(message_of([&] { (void)best_cooldown(published, short_base, 99, one, linear_shape, three); }) ==
        in + "best_cooldown: losses.size() = 3, must equal fractions.size() 1");
  CHECK(message_of([&] { (void)best_cooldown(published, short_base, 99, one, [](double z) { return 1.0 - 2.0 * z; }); }) ==
        in + "best_cooldown: rate from shape(z) = -4e-06, must be finite and >= 0");
  CHECK(message_of([] { (void)cool_down(annealing_areas{}, linear_shape, 3); }) == in + "cool_down: areas.steps() = 0, must be >= 1");
  const auto family = [](double value) { return constant_rate{value}; };
  CHECK(message_of([&] { (void)best_of(published, family, none, 10); }) == in + "best_of: grid.size() = 0, must be >= 1");
  CHECK(message_of([&] { (void)best_of(published, family, one, 10, three); }) ==
        in + "best_of: losses.size() = 3, must equal grid.size() 1");
  const std::vector<double> zero = {0.0};
  CHECK(message_of([&] { (void)best_of(published, family, zero, 10); }) == in + "predict_at: rates[0] = 0, must be > 0: S_1 would be 0");
}

}  // namespace schedule_search_test
