// SPDX-License-Identifier: MIT
#include <gavel/schedule/last_iterate_bound.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/core/random.hpp>
#include <gavel/schedule/refinement.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace last_iterate_bound_test {

using gavel::testing::not_a_number;
using namespace gavel::schedule;
using gavel::testing::message_of;

namespace {

using doubles = std::vector<double>;
constexpr double infinite = std::numeric_limits<double>::infinity();

// The formula with every sum written out.
double by_definition(const doubles& eta, const doubles& norms, double distance) {
  const std::size_t n = eta.size();
  const auto rates_from = [&](std::size_t k) {
    double sum = 0.0;
    for (std::size_t t = k; t < n; ++t) sum += eta[t];
    return sum;
  };
  const auto squares_from = [&](std::size_t k) {
    double sum = 0.0;
    for (std::size_t t = k; t < n; ++t) sum += eta[t] * eta[t] * norms[t] * norms[t];
    return sum;
  };
  double bound = (distance * distance + squares_from(0)) / (2.0 * rates_from(0));
  for (std::size_t k = 0; k + 1 < n; ++k) bound += 0.5 * eta[k] / rates_from(k + 1) * squares_from(k) / rates_from(k);
  return bound;
}

doubles random_positive(std::size_t n, double spread, gavel::philox4x32& rng) {
  doubles values(n);
  for (double& v : values) v = std::exp(spread * gavel::normal(rng));
  return values;
}

template <class Profile>
doubles sampled(std::size_t n, Profile&& profile) {
  doubles rates(n);
  for (std::size_t t = 0; t < n; ++t) rates[t] = profile(static_cast<double>(t) / static_cast<double>(n));
  return rates;
}

struct listed {
  doubles rates;
  [[nodiscard]] double rate(std::uint64_t step) const { return rates[step]; }
};

double best(const doubles& shape) { return best_base_rate(shape, doubles(shape.size(), 1.0), 1.0).bound; }

}  // namespace

TEST_CASE("The bound equals its definition", "[schedule][last_iterate_bound]") {
  gavel::philox4x32 rng(1);
  for (std::size_t n = 1; n <= 60; ++n) {
    const doubles eta = random_positive(n, 1.5, rng), norms = random_positive(n, 1.0, rng);
    const double distance = 0.2 + gavel::uniform(rng), expected = by_definition(eta, norms, distance);
    CHECK(last_iterate_bound(eta, norms, distance) == Approx(expected).epsilon(1e-13));
    doubles gradient(n);
    CHECK(last_iterate_bound(eta, norms, distance, gradient) == Approx(expected).epsilon(1e-13));
    CHECK(bound(listed{eta}, norms, distance) == last_iterate_bound(eta, norms, distance));
  }
  // One step: (D^2 + eta^2 g^2) / (2 eta).
  CHECK(last_iterate_bound(doubles{0.5}, doubles{3.0}, 2.0) == Approx(6.25));
}

TEST_CASE("The gradient agrees with differences in every rate", "[schedule][last_iterate_bound]") {
  gavel::philox4x32 rng(2);
  for (std::size_t n = 1; n <= 25; ++n) {
    const doubles eta = random_positive(n, 0.7, rng), norms = random_positive(n, 0.7, rng);
    doubles gradient(n);
    (void)last_iterate_bound(eta, norms, 1.3, gradient);
    double size = 0.0;
    for (const double slope : gradient) size = (std::max)(size, std::abs(slope));
    for (std::size_t j = 0; j < n; ++j) {
      const double h = 1e-5 * eta[j];
      doubles up = eta, down = eta;
      up[j] += h, down[j] -= h;
      const double slope = (by_definition(up, norms, 1.3) - by_definition(down, norms, 1.3)) / (2.0 * h);
      CHECK(gradient[j] == Approx(slope).epsilon(1e-7).margin(1e-8 * size));
    }
  }
}

TEST_CASE("The gradient holds at a zero inside the sequence", "[schedule][last_iterate_bound]") {
  const doubles eta = {0.4, 0.0, 0.3, 0.2}, norms = {1.0, 2.0, 0.5, 1.5};
  doubles gradient(4);
  const double value = last_iterate_bound(eta, norms, 1.0, gradient);
  doubles up = eta;
  up[1] = 1e-7;
  CHECK(gradient[1] == Approx((by_definition(up, norms, 1.0) - value) / 1e-7).epsilon(1e-5));
}

TEST_CASE("The bound holds on random convex problems", "[schedule][last_iterate_bound]") {
  // f(x) = max_i (a_i . x - b_i) + |x| in the plane, minimised on a fine grid of u: f(x_T) - f(u) is bounded for every u.
  gavel::philox4x32 rng(3);
  for (int problem = 0; problem < 300; ++problem) {
    const std::size_t n = 1 + static_cast<std::size_t>(problem) % 30;
    doubles a(8), b(4);
    for (double& v : a) v = gavel::normal(rng);
    for (double& v : b) v = gavel::normal(rng);
    const auto f = [&](double x, double y, double& gx, double& gy) {
      double value = -infinite;
      for (std::size_t i = 0; i < 4; ++i) {
        const double piece = a[2 * i] * x + a[2 * i + 1] * y - b[i];
        if (piece > value) value = piece, gx = a[2 * i], gy = a[2 * i + 1];
      }
      const double r = std::hypot(x, y);
      if (r > 0.0) gx += x / r, gy += y / r;
      return value + r;
    };
    doubles eta = random_positive(n, 1.0, rng), norms(n);
    for (double& rate : eta) rate *= 0.3;
    if (n > 3) eta[n / 2] = 0.0;                                   // a zero inside is as good as any rate
    if (problem % 4 == 0 && n > 3) eta[n - 1] = eta[n - 2] = 0.0;  // and at the end: x_T is where the last used gradient was taken
    double x = 2.0 * gavel::normal(rng), y = 2.0 * gavel::normal(rng), gx = 0.0, gy = 0.0, last = 0.0;
    const double x0 = x, y0 = y;
    for (std::size_t t = 0; t < n; ++t) {
      const double value = f(x, y, gx, gy);
      norms[t] = std::hypot(gx, gy);
      if (eta[t] > 0.0) last = value;
      x -= eta[t] * gx, y -= eta[t] * gy;
    }
    for (int trial = 0; trial < 40; ++trial) {
      const double ux = 2.0 * gavel::normal(rng), uy = 2.0 * gavel::normal(rng);
      const double distance = std::hypot(x0 - ux, y0 - uy);
      CHECK(last - f(ux, uy, gx, gy) <= last_iterate_bound(eta, norms, distance) * (1.0 + 1e-12));
    }
  }
}

TEST_CASE("Zero rates count for nothing, wherever they stand", "[schedule][last_iterate_bound]") {
  const doubles norms = {1.0, 2.0, 0.5, 1.5, 3.0}, eta = {0.4, 0.0, 0.3, 0.2, 0.0};
  const double expected = by_definition({0.4, 0.3, 0.2}, {1.0, 0.5, 1.5}, 1.2);
  CHECK(last_iterate_bound(eta, norms, 1.2) == Approx(expected).epsilon(1e-14));
  CHECK(bound(listed{eta}, norms, 1.2) == Approx(expected).epsilon(1e-14));
  // What rounding leaves of a zero is a zero.
  doubles rounded = eta;
  rounded[4] = 6e-17;
  CHECK(last_iterate_bound(rounded, norms, 1.2) == Approx(expected).epsilon(1e-14));
  rounded[4] = 1e-9;  // a rate, though a bad one
  CHECK(last_iterate_bound(rounded, norms, 1.2) > 1e6);
  CHECK(last_iterate_bound(doubles(3, 0.0), doubles(3, 1.0), 1.0) == infinite);
  CHECK(bound(listed{doubles(3, 0.0)}, doubles(3, 1.0), 1.0) == infinite);
  // A refined schedule, whose last rate is 0, is judged as it stands.
  const auto refined = refine(doubles(60, 1.0), {.distance = 1.0});
  CHECK(bound(refined, doubles(60, 1.0), 1.0) == Approx(best(sampled(59, [](double z) { return 1.0 - z; }))).epsilon(0.02));
}

TEST_CASE("The best base rate is the minimum over scales", "[schedule][last_iterate_bound]") {
  gavel::philox4x32 rng(4);
  for (std::size_t n = 1; n <= 30; ++n) {
    const doubles eta = random_positive(n, 1.0, rng), norms = random_positive(n, 1.0, rng);
    const best_base_rate_result r = best_base_rate(eta, norms, 0.7);
    CHECK(r.status == best_base_rate_status::converged);
    for (const double factor : {1.0, 0.9, 1.1, 0.5, 3.0}) {
      doubles scaled = eta;
      for (double& rate : scaled) rate *= r.base_rate * factor;
      const double value = last_iterate_bound(scaled, norms, 0.7);
      // B(c) = a / c + b c with equal halves at the minimum.
      CHECK(value == Approx(r.bound * 0.5 * (factor + 1.0 / factor)).epsilon(1e-12));
    }
    CHECK(best_base_rate(listed{eta}, norms, 0.7).bound == r.bound);
    CHECK(best_base_rate(listed{eta}, norms, 0.7).base_rate == r.base_rate);
  }
  CHECK(best_base_rate(doubles(3, 0.0), doubles(3, 1.0), 1.0).status == best_base_rate_status::no_positive_rate);
  CHECK(best_base_rate(doubles(3, 0.0), doubles(3, 1.0), 1.0).bound == infinite);
  CHECK(best_base_rate(doubles(3, 1.0), doubles(3, 0.0), 1.0).status == best_base_rate_status::zero_norms);
  CHECK(best_base_rate(doubles(3, 1.0), doubles(3, 0.0), 1.0).bound == 0.0);
  // Units far from 1: squares would overflow or vanish.
  for (const double level : {1e-200, 1e200}) {
    const best_base_rate_result r = best_base_rate(doubles(60, 1.0), doubles(60, level), 1.0);
    CHECK(r.bound / level == Approx(best(doubles(60, 1.0))).epsilon(1e-12));
    // The shape too comes in any scale, and the distance.
    const best_base_rate_result shape = best_base_rate(doubles(60, level), doubles(60, 1.0), 1.0);
    CHECK(shape.status == best_base_rate_status::converged);
    CHECK(shape.bound == Approx(best(doubles(60, 1.0))).epsilon(1e-12));
    CHECK(shape.base_rate * level == Approx(best_base_rate(doubles(60, 1.0), doubles(60, 1.0), 1.0).base_rate).epsilon(1e-12));
    const best_base_rate_result distance = best_base_rate(doubles(60, 1.0), doubles(60, 1.0), level);
    CHECK(distance.bound / level == Approx(shape.bound).epsilon(1e-12));
    CHECK(last_iterate_bound(doubles(60, distance.base_rate), doubles(60, 1.0), level) == Approx(distance.bound).epsilon(1e-12));
  }
  CHECK(best_base_rate(doubles{1.0, 0.0}, doubles{0.0, 1.0}, 1.0).status == best_base_rate_status::zero_norms);
}

TEST_CASE("The optimum for equal norms is linear decay in all but its ends", "[schedule][last_iterate_bound]") {
  struct row {
    std::size_t steps;
    double optimum, linear;
  };
  for (const row& expected : {row{20, 1.933, 2.095}, row{60, 1.994, 2.051}, row{200, 2.004, 2.022}}) {
    const std::size_t n = expected.steps;
    const double root = std::sqrt(static_cast<double>(n));
    const last_iterate_bound_minimum_result m = minimize_last_iterate_bound(doubles(n, 1.0), 1.0);
    CHECK(m.status == gavel::lbfgs_status::converged);
    CHECK(m.iterations < 25);
    CHECK(m.bound * root == Approx(expected.optimum).margin(6e-4));
    CHECK(m.bound == Approx(last_iterate_bound(m.rates, doubles(n, 1.0), 1.0)).epsilon(1e-12));
    CHECK(best(sampled(n, [](double z) { return 1.0 - z; })) * root == Approx(expected.linear).margin(6e-4));
    // Straight from a tenth to nine tenths of the run: no rate leaves the chord by more than 2 % of the largest.
    const std::size_t from = n / 10, to = n - n / 10;
    for (std::size_t t = from; t < to; ++t) {
      const double share = static_cast<double>(t - from) / static_cast<double>(to - 1 - from);
      const double chord = m.rates[from] + share * (m.rates[to - 1] - m.rates[from]);
      CHECK(std::abs(m.rates[t] - chord) < 0.02 * m.rates[0]);
    }
    for (std::size_t t = 1; t + 1 < n; ++t) CHECK(m.rates[t] < m.rates[t - 1]);
    CHECK(m.rates[n - 1] > m.rates[n - 2]);  // moves nothing that the bound sees
  }
}

TEST_CASE("No schedule beats the minimum, in any unit", "[schedule][last_iterate_bound]") {
  gavel::philox4x32 rng(6);
  for (std::size_t n = 1; n <= 40; n += 3) {
    const doubles norms = random_positive(n, 0.8, rng);
    const last_iterate_bound_minimum_result m = minimize_last_iterate_bound(norms, 2.5);
    CHECK(m.status == gavel::lbfgs_status::converged);
    CHECK(m.iterations < 200);
    doubles closed(n), gradient(n);
    (void)refined_rates(norms, closed);
    closed.back() = n > 1 ? closed[n - 2] : 1.0;
    CHECK(m.bound <= best_base_rate(closed, norms, 2.5).bound * (1.0 + 1e-9));
    CHECK(m.bound <= best_base_rate(doubles(n, 1.0), norms, 2.5).bound * (1.0 + 1e-9));
    (void)last_iterate_bound(m.rates, norms, 2.5, gradient);
    for (std::size_t t = 0; t < n; ++t) CHECK(std::abs(gradient[t] * m.rates[t]) < 1e-5 * m.bound);
    for (int trial = 0; trial < 20; ++trial) {
      doubles other = m.rates;
      for (double& rate : other) rate *= std::exp(0.1 * gavel::normal(rng));
      CHECK(last_iterate_bound(other, norms, 2.5) >= m.bound * (1.0 - 1e-9));
    }
    doubles scaled = norms;
    for (double& norm : scaled) norm *= 1e180;
    CHECK(minimize_last_iterate_bound(scaled, 2.5).bound / 1e180 == Approx(m.bound).epsilon(1e-7));
  }
  const last_iterate_bound_minimum_result one = minimize_last_iterate_bound(doubles{4.0}, 2.0);
  CHECK(one.rates[0] == Approx(0.5));
  CHECK(one.bound == Approx(8.0));
  for (const double span : {1e100, 1e150, 1e300}) {  // whatever doubles can do, and never NaN
    const last_iterate_bound_minimum_result m = minimize_last_iterate_bound(doubles{1.0 / span, span, 1.0}, 1.0);
    CHECK(m.bound > 0.0);
    CHECK((m.status != gavel::lbfgs_status::converged || std::isfinite(m.bound)));
    for (const double rate : m.rates) CHECK(rate >= 0.0);
  }
  const last_iterate_bound_minimum_result cut = minimize_last_iterate_bound(doubles(100, 1.0), 1.0, {.max_iterations = 2});
  CHECK(cut.status == gavel::lbfgs_status::iteration_limit);
  CHECK(cut.bound < best(doubles(100, 1.0)));
}

TEST_CASE("Long runs stay accurate", "[schedule][last_iterate_bound]") {
  // For linear decay the bound tends to 2 D G / sqrt T.
  const std::size_t n = 1000000;
  const doubles shape = sampled(n, [](double z) { return 1.0 - z; });
  CHECK(best(shape) * 1000.0 == Approx(2.0).margin(1e-4));
}

TEST_CASE("A gradient of 0 adds nothing, however large the units", "[schedule][last_iterate_bound]") {
  const std::vector<double> rates{0.0, 1e300}, norms{1e300, 0.0};  // the only rate meets no gradient
  CHECK(last_iterate_bound(rates, norms, 1.0) == Approx(0.5e-300));
  // Next to nothing: D / |g| rounds to 0, and the square of the one move is subnormal.
  const best_base_rate_result best = best_base_rate(std::vector<double>{1e-160, 1.0}, std::vector<double>{1e200, 0.0}, 1e-200);
  CHECK(best.status == best_base_rate_status::converged);
  CHECK(best.base_rate == 0.0);
  CHECK(best.bound == Approx(1e-160).epsilon(1e-3));
}

TEST_CASE("What the bound refuses", "[schedule][last_iterate_bound]") {
  const doubles good = {1.0, 2.0}, three = {1.0, 1.0, 1.0};
  CHECK(message_of([&] { (void)last_iterate_bound(three, good, 1.0); }) ==
        "gavel::schedule::last_iterate_bound: rates.size() = 3, must equal gradient_norms.size() 2");
  CHECK(message_of([&] { (void)last_iterate_bound(doubles{}, doubles{}, 1.0); }) ==
        "gavel::schedule::last_iterate_bound: gradient_norms.size() = 0, must be >= 1");
  CHECK(message_of([&] { (void)last_iterate_bound(good, good, 0.0); }) ==
        "gavel::schedule::last_iterate_bound: distance = 0, must be finite and > 0");
  CHECK(message_of([&] { (void)last_iterate_bound(good, good, not_a_number); }) ==
        "domain: gavel::schedule::last_iterate_bound: distance = nan, must be finite and > 0");
  CHECK(message_of([&] { (void)last_iterate_bound(doubles{1.0, -1.0}, good, 1.0); }) ==
        "gavel::schedule::last_iterate_bound: rates[1] = -1, must be finite and >= 0");
  CHECK(message_of([&] { (void)last_iterate_bound(good, doubles{1.0, infinite}, 1.0); }) ==
        "gavel::schedule::last_iterate_bound: gradient_norms[1] = inf, must be finite and >= 0");
  doubles gradient(2, -7.0), short_gradient(1);
  CHECK(message_of([&] { (void)last_iterate_bound(good, good, 1.0, short_gradient); }) ==
        "gavel::schedule::last_iterate_bound: gradient.size() = 1, must equal rates.size() 2");
  CHECK(message_of([&] { (void)last_iterate_bound(doubles{1.0, 0.0}, good, 1.0, gradient); }) ==
        "gavel::schedule::last_iterate_bound: rates[1] = 0, must be > 1e-12 of the largest where a gradient is asked for");
  CHECK(message_of([&] {
          (void)last_iterate_bound(doubles{1.0, 6e-17}, good, 1.0, gradient);  // counts as 0 in the value too
        }) == "gavel::schedule::last_iterate_bound: rates[1] = 6e-17, must be > 1e-12 of the largest where a gradient is asked for");
  CHECK(gradient == doubles(2, -7.0));
  CHECK(message_of([&] { (void)best_base_rate(three, good, 1.0); }) ==
        "gavel::schedule::best_base_rate: rates.size() = 3, must equal gradient_norms.size() 2");
  CHECK(message_of([&] { (void)best_base_rate(listed{{1.0, not_a_number}}, good, 1.0); }) ==
        "domain: gavel::schedule::best_base_rate: rate[1] = nan, must be finite and >= 0");
  CHECK(message_of([&] { (void)bound(listed{{1.0, -2.0}}, good, 1.0); }) ==
        "gavel::schedule::bound: rate[1] = -2, must be finite and >= 0");
  CHECK(message_of([&] { (void)minimize_last_iterate_bound(doubles{}, 1.0); }) ==
        "gavel::schedule::minimize_last_iterate_bound: gradient_norms.size() = 0, must be >= 1");
  CHECK(message_of([&] { (void)minimize_last_iterate_bound(doubles{1.0, 0.0}, 1.0); }) ==
        "gavel::schedule::minimize_last_iterate_bound: gradient_norms[1] = 0, must be finite and > 0");
  CHECK(message_of([&] { (void)minimize_last_iterate_bound(good, infinite); }) ==
        "gavel::schedule::minimize_last_iterate_bound: distance = inf, must be finite and > 0");
  CHECK(message_of([&] { (void)minimize_last_iterate_bound(good, 1.0, {.tolerance = 0.0}); }) ==
        "gavel::schedule::minimize_last_iterate_bound: tolerance = 0, must be > 0");
  CHECK(message_of([&] { (void)minimize_last_iterate_bound(good, 1.0, {.history = 0}); }) ==
        "gavel::schedule::minimize_last_iterate_bound: history = 0, must be >= 1");
}

}  // namespace last_iterate_bound_test
