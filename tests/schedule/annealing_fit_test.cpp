// SPDX-License-Identifier: MIT
#include <gavel/schedule/annealing_fit.hpp>

#include <gavel/core/permutation.hpp>
#include <gavel/core/philox.hpp>
#include <gavel/core/variates.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

namespace annealing_fit_test {

using gavel::testing::not_a_number;
using namespace gavel::schedule;
using gavel::testing::message_of;

namespace {

constexpr annealing_law truth{.loss_floor = 2.6, .amplitude = 0.45, .annealing = 0.4, .alpha = 0.52, .decay_factor = 0.999};
constexpr std::array both_methods = {annealing_fit_method::least_squares, annealing_fit_method::huber};

// Linear warm-up, then the named decay to zero: the schedules of the comparison.
struct named_schedule {
  std::string name;
  double peak = 2e-4;
  std::uint64_t last = 20000;
  std::uint64_t warmup = 500;

  [[nodiscard]] double rate(std::uint64_t step) const {
    if (step < warmup) return peak * static_cast<double>(step) / static_cast<double>(warmup);
    const double z = static_cast<double>(step - warmup) / static_cast<double>(last - warmup);
    if (name == "cosine") return 0.5 * peak * (1.0 + std::cos(std::numbers::pi * z));
    return peak;  // constant
  }
};

std::vector<std::uint64_t> multiples(std::uint64_t stride, std::uint64_t last) {
  std::vector<std::uint64_t> steps;
  for (std::uint64_t step = stride; step <= last; step += stride) steps.push_back(step);
  return steps;
}

// A constant and a cosine curve of 20 points each, as in the paper, with losses of the law times exp(noise).
annealing_observations two_curves(const annealing_law& law, double noise, gavel::philox4x32& rng) {
  annealing_observations observations;
  observations.decay_factor = law.decay_factor;
  for (const char* name : {"cosine", "constant"}) {
    const auto steps = multiples(1000, 20000);
    std::vector<double> losses(steps.size());
    predict(law, named_schedule{name}, steps, losses, {.warmup_steps = 500});
    for (double& loss : losses) loss *= std::exp(noise * gavel::normal(rng));
    observations.add_curve(named_schedule{name}, steps, losses, 500);
  }
  return observations;
}

annealing_observations of_law(const annealing_law& law, const std::vector<double>& s1, const std::vector<double>& s2) {
  annealing_observations observations;
  observations.decay_factor = law.decay_factor;
  std::vector<double> losses(s1.size());
  for (std::size_t i = 0; i < s1.size(); ++i) losses[i] = law.loss(s1[i], s2[i]);
  observations.add_curve(s1, s2, losses);
  return observations;
}

void check_law(const annealing_law& actual, const annealing_law& expected, double relative) {
  CHECK(actual.loss_floor == Approx(expected.loss_floor).epsilon(relative));
  CHECK(actual.amplitude == Approx(expected.amplitude).epsilon(relative));
  CHECK(actual.alpha == Approx(expected.alpha).epsilon(relative));
  CHECK(actual.annealing == Approx(expected.annealing).epsilon(relative));
  CHECK(actual.decay_factor == expected.decay_factor);
}

}  // namespace

TEST_CASE("The fit finds the law behind exact curves", "[schedule][annealing]") {
  gavel::philox4x32 rng(1);
  for (const annealing_law& law : {truth, annealing_law{.loss_floor = 1.1, .amplitude = 3.0, .annealing = 2.0, .alpha = 1.7},
                                   annealing_law{.loss_floor = 0.0, .amplitude = 2.0, .annealing = 0.8, .alpha = 0.1},
                                   annealing_law{.loss_floor = 3.0, .amplitude = 0.2, .annealing = 0.0, .alpha = 0.4}}) {
    const annealing_observations observations = two_curves(law, 0.0, rng);
    for (const annealing_fit_method method : both_methods) {
      const annealing_fit fit = fit_annealing_law(observations, {.method = method});
      CHECK(fit.status == annealing_fit_status::converged);
      CHECK(fit.law.loss_floor == Approx(law.loss_floor).epsilon(1e-5).margin(1e-5));
      CHECK(fit.law.amplitude == Approx(law.amplitude).epsilon(1e-5));
      CHECK(fit.law.alpha == Approx(law.alpha).epsilon(1e-5));
      CHECK(fit.law.annealing == Approx(law.annealing).epsilon(1e-5).margin(1e-6));
      CHECK(fit.max_relative_error < 1e-8);
      CHECK(*fit.r_squared == Approx(1.0).epsilon(1e-12));
    }
  }
}

TEST_CASE("With noise the errors are those of the method, and both methods agree within them", "[schedule][annealing]") {
  // Over many data sets: (estimate - truth) / standard error has variance about 1.
  const int n_sets = 100;
  for (const annealing_fit_method method : both_methods) {
    gavel::philox4x32 rng(7);
    std::array<double, 4> squares{};
    for (int set = 0; set < n_sets; ++set) {
      const annealing_fit fit = fit_annealing_law(two_curves(truth, 1e-3, rng), {.method = method});
      CHECK(fit.status == annealing_fit_status::converged);
      const annealing_parameters& error = fit.standard_errors;
      squares[0] += std::pow((fit.law.loss_floor - truth.loss_floor) / error.loss_floor, 2) / n_sets;
      squares[1] += std::pow((fit.law.amplitude - truth.amplitude) / error.amplitude, 2) / n_sets;
      squares[2] += std::pow((fit.law.annealing - truth.annealing) / error.annealing, 2) / n_sets;
      squares[3] += std::pow((fit.law.alpha - truth.alpha) / error.alpha, 2) / n_sets;
      CHECK(fit.law.alpha == Approx(truth.alpha).epsilon(0.1));
    }
    for (const double variance : squares) {
      CHECK(variance > 0.6);
      CHECK(variance < 1.6);
    }
  }
}

TEST_CASE("Standard errors are those of the parameters themselves, whatever the unit of the rates", "[schedule][annealing]") {
  // sqrt(s^2 (J'J)^-1_jj) in L_0, A, C and alpha as the law has them, the inverse by elimination.
  for (const double unit : {1.0, 1e-4, 1e3}) {
    gavel::philox4x32 rng(29);
    annealing_observations observations = two_curves(truth, 1e-3, rng);
    for (double& area : observations.forward) area *= unit;
    for (double& area : observations.annealing) area *= unit;
    const annealing_fit fit = fit_annealing_law(observations);
    std::array<std::array<double, 8>, 4> system{};
    double squares = 0.0;
    for (std::size_t i = 0; i < observations.size(); ++i) {
      const double s1 = observations.forward[i], s2 = observations.annealing[i], loss = observations.loss[i];
      const double power = std::pow(s1, -fit.law.alpha);
      const std::array<double, 4> row{1.0 / loss, power / loss, -s2 / loss, -fit.law.amplitude * power * std::log(s1) / loss};
      squares += std::pow(1.0 - fit.law.loss(s1, s2) / loss, 2);
      for (std::size_t j = 0; j < 4; ++j) {
        for (std::size_t l = 0; l < 4; ++l) system[j][l] += row[j] * row[l];
      }
    }
    for (std::size_t j = 0; j < 4; ++j) system[j][4 + j] = 1.0;
    for (std::size_t j = 0; j < 4; ++j) {
      for (std::size_t l = 0; l < 4; ++l) {
        const double factor = l == j ? 0.0 : system[l][j] / system[j][j];
        for (std::size_t k = 0; k < 8; ++k) system[l][k] -= factor * system[j][k];
      }
    }
    const auto error = [&](std::size_t j) { return std::sqrt(squares / 36.0 * system[j][4 + j] / system[j][j]); };
    INFO("unit " << unit);
    CHECK(fit.standard_errors.loss_floor == Approx(error(0)).epsilon(1e-5));
    CHECK(fit.standard_errors.amplitude == Approx(error(1)).epsilon(1e-5));
    CHECK(fit.standard_errors.annealing == Approx(error(2)).epsilon(1e-5));
    CHECK(fit.standard_errors.alpha == Approx(error(3)).epsilon(1e-5));
  }
}

TEST_CASE("Variable projection finds the minimum: no neighbour is lower", "[schedule][annealing]") {
  gavel::philox4x32 rng(3);
  const annealing_observations observations = two_curves(truth, 2e-3, rng);
  const auto objective = [&](const annealing_law& law) {
    double sum = 0.0;
    for (std::size_t i = 0; i < observations.size(); ++i) {
      const double residual = 1.0 - law.loss(observations.forward[i], observations.annealing[i]) / observations.loss[i];
      sum += 0.5 * residual * residual;
    }
    return sum;
  };
  const annealing_fit fit = fit_annealing_law(observations);
  CHECK(objective(fit.law) == Approx(fit.objective).epsilon(1e-10));
  for (const double change : {-1e-4, 1e-4}) {
    annealing_law near = fit.law;
    near.loss_floor *= 1.0 + change;
    CHECK(objective(near) > fit.objective);
    near = fit.law, near.amplitude *= 1.0 + change;
    CHECK(objective(near) > fit.objective);
    near = fit.law, near.annealing *= 1.0 + change;
    CHECK(objective(near) > fit.objective);
    near = fit.law, near.alpha *= 1.0 + change;
    CHECK(objective(near) > fit.objective);
  }
  const annealing_fit robust = fit_annealing_law(observations, {.method = annealing_fit_method::huber});
  const huber_value bottom = huber_objective(robust.law, observations);
  CHECK(robust.starts == 55);
  CHECK(robust.agreeing > 20);
  CHECK(std::abs(bottom.gradient.loss_floor) < 1e-9);
  CHECK(std::abs(bottom.gradient.amplitude) < 1e-9);
  CHECK(std::abs(bottom.gradient.annealing) < 1e-9);
  CHECK(std::abs(bottom.gradient.alpha) < 1e-9);
  CHECK(bottom.value <= huber_objective(fit.law, observations).value);
}

TEST_CASE("A descent never goes up, and a projection is the best of its alpha", "[schedule][annealing]") {
  gavel::philox4x32 rng(19);
  const annealing_observations o = two_curves(truth, 1e-3, rng);
  const auto objective = [&](const annealing_law& law, bool robust) {
    double sum = 0.0;
    for (std::size_t i = 0; i < o.size(); ++i) {
      const double loss = law.loss(o.forward[i], o.annealing[i]);
      sum += robust ? gavel::huber_loss(std::log(o.loss[i] / loss), 1e-3) : 0.5 * std::pow(1.0 - loss / o.loss[i], 2);
    }
    return sum;
  };
  const gavel::schedule::detail::annealing_problem robust(o.forward, o.annealing, o.loss, 1e-3, 1e-3, 8.0);
  for (const bool reweighted : {true, false}) {
    for (const annealing_law& start : {annealing_law{0.1, 22.0, 22.0, 0.8}, annealing_law{2.1, 1.0, 1.0, 0.4}}) {
      CHECK(robust.law(robust.point(start), 0.999).amplitude == Approx(start.amplitude).epsilon(1e-13));
      double last = gavel::infinity;
      for (std::size_t steps = 1; steps < 40; ++steps) {
        const auto end = robust.descend(robust.point(start), reweighted, 1e-12, steps);
        CHECK(end.objective <= last);
        if (steps > 20) CHECK(end.objective == Approx(objective(robust.law(end.point, 0.999), true)).epsilon(1e-9));
        last = end.objective;
      }
    }
  }
  gavel::schedule::detail::annealing_problem squares(o.forward, o.annealing, o.loss, gavel::infinity, 1e-3, 8.0);
  for (const double alpha : {0.01, 0.3, 0.5, 2.0, 6.0}) {
    const auto best = squares.project(alpha);
    CHECK(best.point[3] == alpha);
    CHECK(objective(squares.law(best.point, 0.999), false) == Approx(best.objective).epsilon(1e-9));
    for (std::size_t j = 0; j < 3; ++j) {
      CHECK(best.point[j] >= 0.0);
      for (const double change : {-1e-5, 1e-5}) {
        auto near = best.point;
        near[j] += change;
        if (near[j] >= 0.0) CHECK(objective(squares.law(near, 0.999), false) > best.objective);
      }
    }
  }
}

TEST_CASE("The Huber objective has the gradient it reports", "[schedule][annealing]") {
  gavel::philox4x32 rng(5);
  const annealing_observations observations = two_curves(truth, 3e-3, rng);
  annealing_law law = truth;
  law.amplitude *= 1.002;
  const huber_value at = huber_objective(law, observations);
  const auto slope = [&](double annealing_law::* parameter) {
    annealing_law up = law, down = law;
    const double h = 1e-7 * law.*parameter;
    up.*parameter += h;
    down.*parameter -= h;
    return (huber_objective(up, observations).value - huber_objective(down, observations).value) / (2.0 * h);
  };
  CHECK(at.gradient.loss_floor == Approx(slope(&annealing_law::loss_floor)).epsilon(1e-5));
  CHECK(at.gradient.amplitude == Approx(slope(&annealing_law::amplitude)).epsilon(1e-5));
  CHECK(at.gradient.annealing == Approx(slope(&annealing_law::annealing)).epsilon(1e-5));
  CHECK(at.gradient.alpha == Approx(slope(&annealing_law::alpha)).epsilon(1e-5));
}

TEST_CASE("A few bad points do the Huber fit no harm", "[schedule][annealing]") {
  gavel::philox4x32 rng(11);
  annealing_observations observations = two_curves(truth, 1e-4, rng);
  observations.loss[7] *= 1.3;
  observations.loss[31] *= 0.8;
  const annealing_fit robust = fit_annealing_law(observations, {.method = annealing_fit_method::huber});
  check_law(robust.law, truth, 0.02);
  const annealing_fit squares = fit_annealing_law(observations);
  CHECK(std::abs(squares.law.alpha - truth.alpha) > 10.0 * std::abs(robust.law.alpha - truth.alpha));
}

TEST_CASE("The order of the points does not matter", "[schedule][annealing]") {
  gavel::philox4x32 rng(13);
  const annealing_observations observations = two_curves(truth, 1e-3, rng);
  const auto order = gavel::permutation(rng, observations.size());
  std::vector<double> s1, s2, losses;
  for (const std::size_t i : order) {
    s1.push_back(observations.forward[i]);
    s2.push_back(observations.annealing[i]);
    losses.push_back(observations.loss[i]);
  }
  annealing_observations shuffled;
  shuffled.add_curve(s1, s2, losses);
  for (const annealing_fit_method method : both_methods) {
    const annealing_fit a = fit_annealing_law(observations, {.method = method}), b = fit_annealing_law(shuffled, {.method = method});
    check_law(a.law, b.law, 1e-6);
    CHECK(a.objective == Approx(b.objective).epsilon(1e-10));
  }
}

TEST_CASE("What the curves cannot tell is a status", "[schedule][annealing]") {
  const std::vector<double> spread = {0.2, 0.4, 0.8, 1.2, 1.6, 2.4, 3.2, 4.0}, none(8, 0.0);
  const std::vector<double> some = {0.0, 0.01, 0.02, 0.05, 0.04, 0.1, 0.11, 0.2};
  for (const annealing_fit_method method : both_methods) {
    const annealing_fit_options options{.method = method};
    // Constant rates only: C is open, the rest is not.
    const annealing_fit constant = fit_annealing_law(of_law(truth, spread, none), options);
    CHECK(constant.status == annealing_fit_status::annealing_not_identified);
    CHECK(constant.identified == annealing_identified{true, true, false, true});
    CHECK(constant.law.annealing == 0.0);
    CHECK(std::isinf(constant.standard_errors.annealing));
    CHECK(constant.law.alpha == Approx(truth.alpha).epsilon(1e-6));
    // What rounding makes of a constant rate is no annealing; a fit of it would find a C of 1e16.
    const std::vector<double> rounding = {0.0, 1e-16, -1e-16, 2e-16, 1e-16, 3e-16, -2e-16, 1e-16};
    gavel::philox4x32 noise(3);
    annealing_observations rounded = of_law(truth, spread, none);
    for (std::size_t i = 0; i < 8; ++i) {
      rounded.annealing[i] = rounding[i];
      rounded.loss[i] *= std::exp(1e-3 * gavel::normal(noise));
    }
    const annealing_fit jittered = fit_annealing_law(rounded, options);
    CHECK(jittered.status == annealing_fit_status::annealing_not_identified);
    CHECK(jittered.law.annealing == 0.0);
    CHECK(std::isinf(jittered.standard_errors.annealing));
    // Many points, but three different ones.
    const annealing_fit repeated =
        fit_annealing_law(of_law(truth, {0.2, 0.4, 0.8, 0.2, 0.4, 0.8, 0.2, 0.4}, {0.0, 0.1, 0.1, 0.0, 0.1, 0.1, 0.0, 0.1}), options);
    CHECK(repeated.status == annealing_fit_status::power_not_identified);
    CHECK(repeated.identified == annealing_identified{});
    // Annealing in step with the power law, and with the floor.
    std::vector<double> in_step, level(8, 0.3);
    for (const double area : spread) in_step.push_back(0.3 * std::pow(area, -truth.alpha));
    const annealing_fit stepped = fit_annealing_law(of_law(truth, spread, in_step), options);
    CHECK_FALSE(stepped.identified.annealing);
    CHECK(stepped.status != annealing_fit_status::converged);
    const annealing_fit levelled = fit_annealing_law(of_law(truth, spread, level), options);
    CHECK(levelled.identified == annealing_identified{false, true, false, true});
    CHECK(levelled.law.alpha == Approx(truth.alpha).epsilon(1e-6));
    // One forward area: nothing separates floor, amplitude and power.
    const annealing_fit flat = fit_annealing_law(of_law(truth, std::vector<double>(8, 1.0), some), options);
    CHECK(flat.status == annealing_fit_status::power_not_identified);
    CHECK_FALSE(flat.identified.amplitude);
    CHECK(flat.identified.annealing);
    CHECK(flat.law.annealing == Approx(truth.annealing).epsilon(1e-6));
    CHECK(flat.max_relative_error < 1e-9);
    // Losses that do not move: the power has nothing to explain.
    const annealing_fit still = fit_annealing_law(of_law({.loss_floor = 3.0, .amplitude = 0.0, .alpha = 1.0}, spread, some), options);
    CHECK(still.status == annealing_fit_status::power_not_identified);
    CHECK_FALSE(still.identified.alpha);
    CHECK_FALSE(still.r_squared.has_value());
    CHECK(still.max_relative_error < 1e-6);
    // Three points.
    const annealing_fit few = fit_annealing_law(of_law(truth, {0.2, 0.4, 0.8}, {0.0, 0.1, 0.1}), options);
    CHECK(few.status == annealing_fit_status::too_few_points);
    CHECK(few.identified == annealing_identified{});
    CHECK(std::isinf(few.standard_errors.alpha));
    // Four points fit without a residual: there is no estimate of the noise.
    const annealing_fit four = fit_annealing_law(of_law(truth, {0.2, 0.4, 0.8, 1.6}, {0.0, 0.1, 0.05, 0.2}), options);
    CHECK(four.status == annealing_fit_status::converged);
    CHECK(std::isinf(four.standard_errors.alpha));
    CHECK(fit_annealing_law({}, options).status == annealing_fit_status::too_few_points);
  }
  gavel::philox4x32 rng(17);
  const annealing_observations noisy = two_curves(truth, 1e-2, rng);
  const annealing_fit cut = fit_annealing_law(noisy, {.method = annealing_fit_method::huber, .max_iterations = 1});
  CHECK(cut.status == annealing_fit_status::iteration_limit);
}

TEST_CASE("A fit of noise does not converge to a law", "[schedule][annealing]") {
  int called_laws = 0;
  for (const std::uint64_t seed : {1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U, 9U, 10U}) {
    gavel::philox4x32 rng(seed);
    annealing_observations noise, real = two_curves(truth, 1e-2, rng);
    for (const char* name : {"cosine", "constant"}) {
      const auto steps = multiples(500, 20000);
      std::vector<double> losses(steps.size());
      for (double& loss : losses) loss = 3.0 + 0.1 * gavel::normal(rng);
      noise.add_curve(named_schedule{name}, steps, losses, 500);
    }
    for (const annealing_fit_method method : both_methods) {
      const annealing_fit fit = fit_annealing_law(noise, {.method = method});
      called_laws += fit.status <= annealing_fit_status::iteration_limit ? 1 : 0;
      if (fit.status <= annealing_fit_status::iteration_limit) CHECK(fit.r_squared.value() > 0.1);
      CHECK(fit_annealing_law(real, {.method = method}).status == annealing_fit_status::converged);
    }
  }
  CHECK(called_laws == 0);
}

TEST_CASE("Below a tenth of the loss a log residual goes on as its tangent", "[schedule][annealing]") {
  for (const double observed : {1.0, 3.0}) {
    for (const double ratio : {2.0, 0.5, 0.100001, 0.1, 0.05, 0.0, -2.0}) {
      INFO("observed " << observed << ", ratio " << ratio);
      const detail::log_residual residual = detail::log_residual_of(ratio * observed, observed);
      CHECK(residual.value == Approx(ratio > 0.1 ? -std::log(ratio) : std::log(10.0) + 1.0 - 10.0 * ratio).margin(1e-14));
      CHECK(residual.scale == Approx(1.0 / (std::fmax(ratio, 0.1) * observed)));
    }
  }
}

TEST_CASE("What is too small to be seen, on both sides of each threshold", "[schedule][annealing]") {
  const std::vector<double> pairs = {0.2, 0.2, 0.8, 0.8, 1.6, 1.6, 4.0, 4.0}, other = {0.0, 0.1, 0.0, 0.2, 0.1, 0.0, 0.2, 0.0};
  for (const bool seen : {false, true}) {
    INFO("seen " << seen);
    // alpha: the slopes of the losses have a relative size of 1e-9.
    annealing_law tiny{.loss_floor = 3.0, .amplitude = 1.0, .annealing = 0.4, .alpha = 0.5};
    double squares = 0.0;
    for (const double area : pairs) squares += std::pow(std::log(area) / std::sqrt(area) / tiny.loss_floor, 2) / 8.0;
    tiny.amplitude = (seen ? 1.3e-9 : 0.7e-9) / std::sqrt(squares);
    const annealing_fit power = fit_annealing_law(of_law(tiny, pairs, other));
    CHECK(power.identified.alpha == seen);
    CHECK(power.identified.annealing);
    // C: all but 1e-12 of the squares of its slopes are those of another parameter.
    std::vector<double> nearly_level(8, 0.3);
    for (std::size_t i = 0; i < 8; ++i) nearly_level[i] += (i % 2 == 0 ? 0.3 : -0.3) * (seen ? 1.2e-6 : 0.8e-6);
    CHECK(fit_annealing_law(of_law(truth, pairs, nearly_level)).identified.annealing == seen);
    // An annealing area of 1e-12 of the forward area.
    std::vector<double> rounding(8, 0.0);
    rounding[7] = seen ? -4.1e-12 : -3.9e-12;
    CHECK(detail::annealing_problem(pairs, rounding, pairs, gavel::infinity, 1e-3, 8.0).anneals() == seen);
    // R^2: losses that differ by 1e-14 of their size.
    annealing_fit fit;
    const std::vector<double> losses = {4.0, 4.0 * (1.0 + (seen ? 2.4e-14 : 1.6e-14))};
    detail::describe_errors(losses, losses, fit);
    CHECK(fit.r_squared.has_value() == seen);
  }
}

TEST_CASE("Bounds hold where the free optimum is outside", "[schedule][annealing]") {
  // Losses rise with annealing: the best C >= 0 is 0.
  annealing_observations observations;
  std::vector<double> s1 = {0.2, 0.4, 0.8, 1.2, 1.6, 2.4, 3.2, 4.0}, s2 = {0.0, 0.01, 0.02, 0.0, 0.04, 0.1, 0.0, 0.2}, losses(8);
  for (std::size_t i = 0; i < 8; ++i) losses[i] = truth.loss(s1[i], 0.0) + 0.5 * s2[i];
  observations.add_curve(s1, s2, losses);
  for (const annealing_fit_method method : both_methods) {
    const annealing_fit fit = fit_annealing_law(observations, {.method = method});
    CHECK(fit.law.annealing == 0.0);
    CHECK(fit.standard_errors.annealing == 0.0);
    CHECK(fit.identified.annealing);
    CHECK(fit.law.loss_floor >= 0.0);
    CHECK(fit.law.amplitude > 0.0);
  }
  // A logarithm has no floor and no power: alpha runs to the end of its range.
  for (std::size_t i = 0; i < 8; ++i) losses[i] = 2.0 - 0.3 * std::log(s1[i]);
  annealing_observations logarithm;
  logarithm.add_curve(s1, s2, losses);
  const annealing_fit fit = fit_annealing_law(logarithm, {.min_alpha = 0.2});
  CHECK(fit.law.alpha == 0.2);
  CHECK_FALSE(fit.identified.alpha);
  CHECK(fit.status == annealing_fit_status::power_not_identified);
}

TEST_CASE("Tiny areas and steep powers do not overflow", "[schedule][annealing]") {
  const annealing_law steep{.loss_floor = 1.0, .amplitude = 1e-40, .annealing = 0.3, .alpha = 6.0};
  std::vector<double> s1, s2;
  for (int i = 0; i < 12; ++i) {
    s1.push_back(1e-7 * (1.0 + 0.3 * i));
    s2.push_back(i % 2 == 0 ? 0.0 : 0.1 * i);
  }
  for (const annealing_fit_method method : both_methods) {
    const annealing_fit fit = fit_annealing_law(of_law(steep, s1, s2), {.method = method});
    CHECK(fit.law.alpha == Approx(6.0).epsilon(1e-3));
    CHECK(fit.max_relative_error < 1e-5);
  }
}

TEST_CASE("Powers of far smaller areas than doubles hold are fitted, and a narrow range of areas to the end", "[schedule][annealing]") {
  const annealing_law tiny{.loss_floor = 2.0, .amplitude = 1e-147, .annealing = 4e19, .alpha = 7.0};
  std::vector<double> s1, s2;
  for (int i = 0; i < 16; ++i) {
    s1.push_back(1e-21 * (1.0 + 0.2 * i));
    s2.push_back(i % 3 == 0 ? 0.0 : 1e-22 * i);
  }
  for (const annealing_fit_method method : both_methods) {
    const annealing_fit fit = fit_annealing_law(of_law(tiny, s1, s2), {.method = method});
    CHECK(fit.status == annealing_fit_status::converged);
    CHECK(fit.law.alpha == Approx(7.0).epsilon(1e-6));
    CHECK(fit.law.amplitude == Approx(1e-147).epsilon(1e-3));
    CHECK(fit.max_relative_error < 1e-9);
  }
  // Two per cent of S_1: the three columns of the power law nearly depend on each other.
  std::vector<double> near, alternating;
  for (int i = 1; i <= 20; ++i) {
    near.push_back(1.0 + 1e-3 * i);
    alternating.push_back(0.3 * (i % 2));
  }
  const annealing_fit narrow = fit_annealing_law(of_law(truth, near, alternating));
  CHECK(narrow.status == annealing_fit_status::converged);
  check_law(narrow.law, truth, 1e-6);
}

TEST_CASE("Bad observations and options are named", "[schedule][annealing]") {
  annealing_observations o;
  const std::vector<double> rates = {1.0, 1.0, 0.5}, from_zero = {0.0, 1.0, 0.5}, two = {2.0, 1.9}, bad = {2.0, -1.0},
                            worse = {not_a_number, 1.0};
  const std::vector<std::uint64_t> steps = {0, 2}, same = {1, 1};
  const std::string where = "gavel::schedule::annealing_observations::add_curve: ";
  CHECK(message_of([&] { o.add_curve(rates, steps, bad); }) == where + "losses[1] = -1, must be finite and > 0");
  CHECK(message_of([&] { o.add_curve(rates, steps, worse); }) == "domain: " + where + "losses[0] = nan, must be finite and > 0");
  CHECK(message_of([&] { o.add_curve(rates, steps, rates); }) == where + "losses.size() = 3, must equal steps.size() 2");
  CHECK(message_of([&] { o.add_curve(two, rates, rates); }) == where + "losses.size() = 3, must equal forward_areas.size() 2");
  CHECK(message_of([&] { o.add_curve(two, rates, two); }) == where + "annealing_areas.size() = 3, must equal losses.size() 2");
  CHECK(message_of([&] { o.add_curve(rates, same, two); }) == where + "steps[1] = 1, must be > the one before, 1");
  CHECK(message_of([&] { o.add_curve(from_zero, steps, two); }) == where + "S_1 = 0, must be > 0 at step 0");
  CHECK(message_of([&] { o.add_curve(from_zero, rates, rates); }) == where + "forward_areas[0] = 0, must be finite and > 0");
  CHECK(message_of([&] { o.add_curve(two, worse, two); }) == "domain: " + where + "annealing_areas[0] = nan, must be finite");
  CHECK(message_of([&] { o.add_curve(rates, steps, two, 1); }) ==
        where + "steps[0] = 0, must leave out losses of the warm-up, >= warmup_steps 1");
  CHECK(o == annealing_observations{});
  annealing_observations from_peak;
  from_peak.add_curve(rates, std::vector<std::uint64_t>{1, 2}, two, 1);  // step W has the peak
  CHECK(from_peak.size() == 2);

  o.add_curve(rates, steps, two);
  const auto refuse = [&](auto&& change) {
    annealing_observations changed = o;
    change(changed);
    return message_of([&] { (void)fit_annealing_law(changed); });
  };
  const std::string fit = "gavel::schedule::fit_annealing_law: ";
  CHECK(refuse([](auto& c) { c.forward.pop_back(); }) == fit + "observations.forward.size() = 1, must equal observations.loss.size() 2");
  CHECK(refuse([](auto& c) { c.annealing.clear(); }) == fit + "observations.annealing.size() = 0, must equal observations.loss.size() 2");
  CHECK(refuse([](auto& c) { c.forward[0] = 0.0; }) == fit + "observations.forward[0] = 0, must be finite and > 0");
  CHECK(refuse([](auto& c) { c.annealing[1] = not_a_number; }) == "domain: " + fit + "observations.annealing[1] = nan, must be finite");
  CHECK(refuse([](auto& c) { c.loss[1] = 0.0; }) == fit + "observations.loss[1] = 0, must be finite and > 0");
  CHECK(refuse([](auto& c) { c.decay_factor = 1.1; }) == fit + "observations.decay_factor = 1.1, must be in [0, 1]");
  const auto refuse_options = [&](const annealing_fit_options& options) {
    return message_of([&] { (void)fit_annealing_law(o, options); });
  };
  CHECK(refuse_options({.huber_delta = 0.0}) == fit + "huber_delta = 0, must be finite and > 0");
  CHECK(refuse_options({.min_alpha = 0.0}) == fit + "min_alpha = 0, must be finite and > 0");
  CHECK(refuse_options({.min_alpha = 2.0, .max_alpha = 1.0}) == fit + "max_alpha = 1, must be > min_alpha 2");
  CHECK(refuse_options({.max_alpha = 200.0}) == fit + "max_alpha = 200, must be <= 100");
  CHECK(refuse_options({.max_iterations = 0}) == fit + "max_iterations = 0, must be >= 1");
  CHECK(message_of([&] { (void)huber_objective(truth, o, 0.0); }) == "gavel::schedule::huber_objective: delta = 0, must be finite and > 0");
}

}  // namespace annealing_fit_test
