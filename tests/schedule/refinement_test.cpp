// SPDX-License-Identifier: MIT
#include <gavel/schedule/refinement.hpp>

#include "schedule/norm_gallery.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/core/median_filter.hpp>
#include <gavel/core/random.hpp>
#include <gavel/schedule/rate_schedule.hpp>
#include <gavel/schedule/warmup_power_fit.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace refinement_test {

using gavel::testing::gallery;
using gavel::testing::not_a_number;
using namespace gavel::schedule;
using gavel::testing::message_of;

namespace {

using doubles = std::vector<double>;
constexpr double infinite = std::numeric_limits<double>::infinity();

static_assert(finite_rate_schedule<refined_schedule>);

doubles factors(const doubles& weights) {
  doubles out(weights.size());
  last_iterate_factors(weights, out);
  return out;
}

double dot(const doubles& a, const doubles& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// max_i (a_i . x - b_i), convex, not smooth; its subgradient is the active row.
struct max_affine {
  std::vector<doubles> rows;
  doubles offsets;
  std::size_t active = 0;

  max_affine(std::size_t pieces, std::size_t dimension, gavel::philox4x32& rng) {
    for (std::size_t i = 0; i < pieces; ++i) {
      doubles row(dimension);
      for (double& v : row) v = gavel::normal(rng);
      rows.push_back(row);
      offsets.push_back(gavel::normal(rng));
    }
  }
  double operator()(const doubles& x) {
    double value = -infinite;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double piece = dot(rows[i], x) - offsets[i];
      if (piece > value) value = piece, active = i;
    }
    return value;
  }
};

doubles noisy(std::size_t n, double start, double end, std::uint64_t seed) {
  gavel::philox4x32 rng(seed);
  doubles norms(n);
  for (std::size_t t = 0; t < n; ++t) {
    const double z = static_cast<double>(t) / static_cast<double>(n);
    norms[t] = (start + (end - start) * z) * std::exp(0.3 * gavel::normal(rng));
  }
  return norms;
}

double largest(const doubles& values) { return *std::max_element(values.begin(), values.end()); }

}  // namespace

TEST_CASE("Constant weights are linear decay, to the last bit", "[schedule][refinement]") {
  for (const std::size_t n : {std::size_t{1}, std::size_t{2}, std::size_t{9}, std::size_t{1000}}) {
    const doubles f = factors(doubles(n, 1.0));
    for (std::size_t t = 0; t < n; ++t) CHECK(f[t] == static_cast<double>(n - 1 - t) / static_cast<double>(n));
  }
  CHECK(factors({1.0, 0.0, 3.0, 0.0}) == doubles{0.75, 0.75, 0.0, 0.0});
  doubles in_place = {1.0, 2.0, 5.0};
  last_iterate_factors(in_place, in_place);
  CHECK(in_place == doubles{7.0 / 8.0, 5.0 / 8.0, 0.0});
}

TEST_CASE("Tiny weights at the end keep their digits", "[schedule][refinement]") {
  const doubles f = factors({1.0, 1e-30, 1e-30, 1e-30});
  CHECK(f[0] == Approx(3e-30).epsilon(1e-15));
  CHECK(f[1] == Approx(2e-30).epsilon(1e-15));
  CHECK(f[2] == Approx(1e-30).epsilon(1e-15));
}

TEST_CASE("The last iterate of the reduction is as good as the weighted average", "[schedule][refinement]") {
  gavel::philox4x32 rng(7);
  std::size_t tight = 0;
  for (int problem = 0; problem < 400; ++problem) {
    const std::size_t dimension = 1 + static_cast<std::size_t>(problem) % 4, steps = 2 + static_cast<std::size_t>(problem) % 23;
    max_affine f(2 + static_cast<std::size_t>(problem) % 5, dimension, rng);
    doubles weights(steps), x(dimension), u(dimension);
    for (double& w : weights) w = problem % 3 == 0 ? 1.0 : -std::log(gavel::uniform_open(rng));
    if (problem % 7 == 0) weights[steps / 2] = 0.0;
    if (dot(weights, weights) == 0.0) weights[0] = 1.0;
    const doubles factor = factors(weights);
    for (double& v : x) v = 2.0 * gavel::normal(rng);
    for (double& v : u) v = 2.0 * gavel::normal(rng);
    // Any base sequence will do: a gradient step with a random rate and a random kick.
    doubles z = x;
    double right = 0.0, total = 0.0, value = 0.0;
    for (std::size_t t = 0; t < steps; ++t) {
      value = f(x);
      const doubles g = f.rows[f.active];
      for (std::size_t i = 0; i < dimension; ++i) right += weights[t] * g[i] * (z[i] - u[i]);
      total += weights[t];
      const double rate = gavel::uniform(rng);
      for (std::size_t i = 0; i < dimension; ++i) {
        const double change = -rate * g[i] + 0.2 * gavel::normal(rng);
        z[i] += change;
        x[i] += factor[t] * change;
      }
    }
    const double gap = right / total - (value - f(u));
    CHECK(gap >= -1e-12 * (1.0 + std::abs(value)));
    tight += gap < 0.5 ? 1 : 0;
  }
  CHECK(tight > 10);  // the inequality is not vacuous
}

TEST_CASE("On |x| linear decay keeps its promise of D G / sqrt T", "[schedule][refinement]") {
  for (const std::size_t n : {std::size_t{2}, std::size_t{9}, std::size_t{50}, std::size_t{1000}}) {
    const double slope = 3.0, distance = 2.0;
    const refined_schedule schedule = refine(doubles(n, slope), {.distance = distance});
    const double promise = distance * slope / std::sqrt(static_cast<double>(n));
    CHECK(schedule.status == refinement_status::refined);
    CHECK(schedule.guarantee == Approx(promise).epsilon(1e-13));
    for (const double start : {distance, -distance, 0.3, 0.0}) {
      double x = start;
      for (std::size_t t = 0; t + 1 < n; ++t) x -= schedule.rate(t) * slope * (x > 0.0 ? 1.0 : -1.0);
      CHECK(slope * std::abs(x) <= promise * (1.0 + 1e-12));
    }
  }
}

TEST_CASE("Equal norms give linear decay in either norm and any scale", "[schedule][refinement]") {
  for (const double level : {1e-150, 0.3, 1.0, 1e150}) {
    for (const gradient_norm norm : {gradient_norm::l2, gradient_norm::l1}) {
      const refined_schedule s = refine(doubles(50, level), {.norm = norm, .base_rate = 0.25});
      CHECK(s.status == refinement_status::refined);
      CHECK(s.end_ratio == 1.0);
      for (std::size_t t = 0; t < 50; ++t) CHECK(s.rates[t] == Approx(0.25 * static_cast<double>(49 - t) / 49.0).epsilon(1e-15));
    }
  }
}

TEST_CASE("The refined guarantee is never above that of linear decay", "[schedule][refinement]") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const doubles norms = noisy(40, 3.0, 1.0, seed);
    doubles out(norms.size());
    const double guarantee = refined_rates(norms, out, {.distance = 1.5});
    const double n = static_cast<double>(norms.size());
    CHECK(guarantee <= 1.5 * std::sqrt(dot(norms, norms)) / n);
    doubles weights;
    for (const double g : norms) weights.push_back(1.0 / (g * g));
    CHECK(guarantee == Approx(1.5 / std::sqrt(dot(weights, doubles(norms.size(), 1.0)))).epsilon(1e-13));
    CHECK(out.back() == 0.0);
  }
}

TEST_CASE("Norms falling early make a warm-up, and their end bends the decay", "[schedule][refinement]") {
  struct shape {
    double end;
    doubles rates;
  };
  const doubles progress = {0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9};
  for (const shape& expected :
       {shape{1.0, {0.039, 0.352, 1.0, 0.833, 0.555, 0.277, 0.111}}, shape{2.0, {0.040, 0.363, 1.0, 0.525, 0.184, 0.054, 0.016}},
        shape{0.7, {0.038, 0.348, 1.0, 0.972, 0.853, 0.577, 0.281}}}) {
    const doubles norms = gallery(2000, expected.end);
    const refined_schedule s = refine(norms, {.smoothing = 0.0});
    CHECK(s.status == refinement_status::refined);
    CHECK(s.smoothing_width == 1);
    for (std::size_t k = 0; k < progress.size(); ++k) {
      CHECK(std::abs(s.rate(static_cast<std::uint64_t>(2000.0 * progress[k])) - expected.rates[k]) <= 6e-4);
    }
  }
}

TEST_CASE("Smoothing takes a tenth of the run unless told otherwise", "[schedule][refinement]") {
  const doubles norms = noisy(61, 3.0, 2.0, 4);
  CHECK(refine(norms).smoothing_width == 7);
  CHECK(refine(norms, {.smoothing = 0.5}).smoothing_width == 31);
  CHECK(refine(norms, {.smoothing = 1.0}).smoothing_width == 61);
  CHECK(refine(norms, {.smoothing_width = 9}).smoothing_width == 9);
  CHECK(refine(norms, {.smoothing_width = 1001}).smoothing_width == 61);
  CHECK(refine(doubles(60, 1.0), {.smoothing_width = 1001}).smoothing_width == 59);
  CHECK(refine(doubles(60, 1.0), {.smoothing = 1.0}).smoothing_width == 59);
  CHECK(refine({norms.data(), 5}).smoothing_width == 1);
  // An outlier in the middle leaves no trace.
  doubles spiked = norms;
  spiked[30] = 1e9;
  CHECK(refine(spiked).rates[30] > 0.5 * refine(norms).rates[30]);
  CHECK(refine(spiked, {.smoothing = 0.0}).rates[30] < 1e-15);
}

TEST_CASE("A log stretches over another horizon in progress", "[schedule][refinement]") {
  // Cubic in progress: the interpolation error falls with the square of the spacing, and a straight line is exact.
  const auto curve = [](double z) { return 1.0 + z - 2.0 * z * z + 3.0 * z * z * z; };
  for (const std::size_t steps : {std::size_t{2}, std::size_t{37}, std::size_t{101}, std::size_t{5000}}) {
    doubles cubic(101), straight(101), out(steps), line(steps);
    for (std::size_t i = 0; i < 101; ++i) {
      cubic[i] = curve(static_cast<double>(i) / 100.0);
      straight[i] = 5.0 - 3.0 * static_cast<double>(i) / 100.0;
    }
    resample(cubic, out);
    resample(straight, line);
    for (std::size_t t = 0; t < steps; ++t) {
      const double z = static_cast<double>(t) / static_cast<double>(steps - 1);
      CHECK(out[t] == Approx(curve(z)).margin(14.0 * 1e-4 / 8.0));
      CHECK(line[t] == Approx(5.0 - 3.0 * z).epsilon(1e-13));
    }
    CHECK(out.front() == cubic.front());
    CHECK(out.back() == cubic.back());
    if (steps == 101) CHECK(out == cubic);
  }
  doubles one(1), four(4);
  resample(doubles{2.0, 3.0}, one);
  CHECK(one == doubles{2.0});
  resample(doubles{2.0}, four);
  CHECK(four == doubles{2.0, 2.0, 2.0, 2.0});

  // The warm-up keeps its share of the run.
  const doubles norms = gallery(2000, 1.0);
  for (const std::size_t steps : {std::size_t{300}, std::size_t{20000}}) {
    const refined_schedule s = refine(norms, {.steps = steps, .smoothing = 0.0});
    REQUIRE(s.steps() == steps);
    const auto peak = static_cast<double>(std::max_element(s.rates.begin(), s.rates.end()) - s.rates.begin());
    CHECK(peak / static_cast<double>(steps) == Approx(0.1).margin(0.004));
    CHECK(s.rate(steps / 2) == Approx(0.555).margin(2e-3));
    CHECK(s.rates.back() == 0.0);
  }
}

TEST_CASE("An extreme first norm neither underflows nor flattens the rest", "[schedule][refinement]") {
  doubles norms(50, 2.0);
  norms[0] = 1e150;
  doubles out(50);
  (void)refined_rates(norms, out);
  CHECK(out[0] > 0.0);
  CHECK(out[0] == Approx(4e-300).epsilon(0.05));
  CHECK(out[1] == Approx(1.0).epsilon(1e-13));
  CHECK(out[25] == Approx(24.0 / 48.0).epsilon(1e-13));
  const refined_schedule s = refine(norms, {.distance = 1.0, .smoothing = 0.0});
  CHECK(s.rates[0] > 0.0);
  CHECK(s.guarantee == Approx(2.0 / 7.0).epsilon(1e-13));
  CHECK(s.status == refinement_status::refined);

  norms[0] = 1e-149;
  (void)refined_rates(norms, out);
  CHECK(out[0] == Approx(1.0).epsilon(1e-15));
  for (std::size_t t = 1; t + 1 < 50; ++t) CHECK(out[t] * 1e298 == Approx(0.25 * static_cast<double>(49 - t) / 49.0).epsilon(1e-12));
  (void)refined_rates(norms, out, {.distance = 1.0});
  CHECK(out[0] == Approx(1e-149 * 49.0 / 4.0).epsilon(1e-12));
  const refined_schedule floored = refine(norms, {.distance = 1.0, .smoothing = 0.0});
  CHECK(floored.floored_norms == 1);
  for (std::size_t t = 0; t + 1 < 50; ++t) CHECK((floored.rates[t] > 0.0 && floored.rates[t] < 1.0));
  // All tiny or all huge together: squares would leave the range of doubles.
  for (const double level : {1e-200, 1e200}) {
    doubles extreme = gallery(100, 2.0), plain(100);
    (void)refined_rates(extreme, plain);
    for (double& v : extreme) v *= level;
    doubles scaled(100);
    (void)refined_rates(extreme, scaled);
    for (std::size_t t = 0; t < 100; ++t) CHECK(scaled[t] == Approx(plain[t]).epsilon(1e-12));
  }
}

TEST_CASE("Interpolating problems fall back to linear decay and say so", "[schedule][refinement]") {
  doubles norms(200);
  for (std::size_t t = 0; t < norms.size(); ++t) norms[t] = std::exp(-6.0 * static_cast<double>(t) / 200.0);
  const refined_schedule s = refine(norms, {.base_rate = 2.0});
  CHECK(s.status == refinement_status::interpolating);
  CHECK(s.end_ratio < 1.0 / 3.0);
  for (std::size_t t = 0; t < 200; ++t) CHECK(s.rates[t] == Approx(2.0 * static_cast<double>(199 - t) / 199.0).epsilon(1e-14));

  const refined_schedule forced = refine(norms, {.force = true});
  CHECK(forced.status == refinement_status::refined);
  CHECK(forced.end_ratio == s.end_ratio);
  CHECK(std::max_element(forced.rates.begin(), forced.rates.end()) - forced.rates.begin() > 150);  // the long warm-up

  const refined_schedule absolute = refine(norms, {.distance = 3.0, .smoothing = 0.0});
  CHECK(absolute.status == refinement_status::interpolating);
  const double root = std::sqrt(dot(norms, norms));
  CHECK(absolute.guarantee == Approx(3.0 * root / 200.0).epsilon(1e-13));
  CHECK(absolute.rates[0] == Approx(3.0 / root * 199.0 / 200.0).epsilon(1e-13));

  // The threshold is a third of the middle half, and a slow fall is no reason.
  for (const double end : {0.32, 0.34}) {
    doubles level(200, 1.0);
    for (std::size_t t = 150; t < 200; ++t) level[t] = end;
    CHECK((refine(level, {.smoothing = 0.0}).status == refinement_status::interpolating) == (end < 1.0 / 3.0));
    CHECK(refine(level, {.smoothing = 0.0}).end_ratio == Approx(end));
  }
  CHECK(refine(noisy(400, 10.0, 4.0, 3)).status == refinement_status::refined);
  // A spike of small norms is smoothed away first.
  doubles dip(200, 1.0);
  for (std::size_t t = 180; t < 188; ++t) dip[t] = 1e-6;
  CHECK(refine(dip).status == refinement_status::refined);
}

TEST_CASE("Zero norms are floored, and a log of zeros has nothing to say", "[schedule][refinement]") {
  doubles norms(40, 2.0);
  norms[10] = 0.0;
  const refined_schedule s = refine(norms, {.smoothing = 0.0});
  CHECK(s.status == refinement_status::floored_zero_norms);
  CHECK(s.floored_norms == 1);
  for (const double rate : s.rates) CHECK(std::isfinite(rate));
  CHECK(largest(s.rates) == 1.0);
  CHECK(refine(norms).status == refinement_status::refined);  // smoothed away
  CHECK(refine(norms).floored_norms == 0);
  norms[10] = 1e-200;  // as good as zero, and treated alike
  CHECK(refine(norms, {.smoothing = 0.0}) == s);

  const refined_schedule none = refine(doubles(10, 0.0), {.distance = 2.0});
  CHECK(none.status == refinement_status::zero_norms);
  CHECK(none.guarantee == 0.0);
  CHECK(none.rates[0] == 1.0);  // from the base rate: no distance says how far to go without a gradient
  CHECK(none.rates[9] == 0.0);
  // More than half of it zero: the problem is solved along the way.
  doubles dying(40, 1.0);
  for (std::size_t t = 12; t < 40; ++t) dying[t] = 0.0;
  CHECK(refine(dying).status == refinement_status::interpolating);
  CHECK(refine(dying).floored_norms > 0);
  CHECK(refine(dying, {.force = true}).status == refinement_status::floored_zero_norms);
}

// A run of 10,000 steps whose norms fall from 3 to 1 over its first tenth.
double falling_norm(std::uint64_t step) { return step < 1000 ? 3.0 - 2e-3 * static_cast<double>(step) : 1.0; }

TEST_CASE("The steps of a log say where in the run its norms stand", "[schedule][refinement]") {
  std::vector<std::uint64_t> uneven, even;
  for (std::uint64_t t = 0; t <= 10'000; t += t < 1000 ? 10 : 100) uneven.push_back(t);
  for (std::uint64_t t = 0; t <= 10'000; t += 10) even.push_back(t);
  const auto norms_at = [](const std::vector<std::uint64_t>& steps) {
    doubles norms;
    for (const std::uint64_t t : steps) norms.push_back(falling_norm(t));
    return norms;
  };
  const auto warmup_of = [](const refined_schedule& s) { return fit_warmup_power(s.rates).warmup; };
  CHECK(warmup_of(refine(uneven, norms_at(uneven), {.steps = 10'000})) == Approx(0.125).margin(0.005));
  CHECK(warmup_of(refine(norms_at(uneven), {.steps = 10'000})) > 0.5);  // what the norms alone look like
  const refined_schedule found = refine(uneven, norms_at(uneven)), expected = refine(even, norms_at(even));
  CHECK(found.steps() == 10'001);
  CHECK(found.smoothing_width == expected.smoothing_width);
  double distance = 0.0;
  for (std::size_t t = 0; t < found.steps(); ++t) distance = (std::max)(distance, std::abs(found.rates[t] - expected.rates[t]));
  CHECK(distance < 1e-12);  // straight between samples, as these norms run

  // At even distances, wherever the first step stands, the steps say nothing new.
  const doubles noisy = gallery(101, 1.0);
  std::vector<std::uint64_t> spaced;
  for (std::uint64_t t = 0; t < 101; ++t) spaced.push_back(500 + 50 * t);
  for (const refinement_options& options : {refinement_options{.steps = 300}, refinement_options{.steps = 70, .drop_ends = 2}}) {
    CHECK(refine(spaced, noisy, options) == refine(noisy, options));
  }
  CHECK(refine(spaced, noisy).steps() == 5001);
  CHECK(refine(std::vector<std::uint64_t>{7}, doubles{2.0}).status == refinement_status::too_short);
  // A single gap that is longer than the others, if only by half, is no even distance.
  const doubles straight = refine(std::vector<std::uint64_t>{0, 10, 25}, doubles{1.0, 11.0, 26.0}, {.smoothing = 0.0}).norms;
  CHECK(straight[10] == Approx(11.0));
}

TEST_CASE("Of a step that was logged twice the last norm counts", "[schedule][refinement]") {
  const std::vector<std::uint64_t> once{0, 10, 20, 30, 40, 50}, resumed{0, 10, 20, 30, 20, 30, 40, 50}, shuffled{50, 10, 30, 20, 40, 0};
  const doubles norms{5.0, 4.0, 3.0, 2.5, 2.0, 1.9}, seen{5.0, 4.0, 99.0, 98.0, 3.0, 2.5, 2.0, 1.9}, mixed{1.9, 4.0, 2.5, 3.0, 2.0, 5.0};
  const refinement_options options{.steps = 20, .smoothing = 0.0};
  const refined_schedule expected = refine(once, norms, options);
  refined_schedule found = refine(resumed, seen, options);
  CHECK(found.repeated_norms == 2);
  CHECK(found.dropped_norms == 0);
  found.repeated_norms = 0;
  CHECK(found == expected);
  CHECK(refine(shuffled, mixed, options) == expected);
  // What is left out leaves a gap: norms run straight over it.
  const refined_schedule holed = refine(once, doubles{5.0, 4.0, not_a_number, infinite, 2.0, 1.9}, {.drop_non_finite = true});
  CHECK(holed.dropped_norms == 2);
  CHECK(holed.steps() == 51);
  CHECK(holed.norms[20] == Approx(4.0 - 2.0 / 3.0).epsilon(1e-14));
}

TEST_CASE("A refined schedule carries the norms that it was made from", "[schedule][refinement]") {
  const doubles norms = gallery(200, 1.0);
  doubles smooth(200), stretched(70);
  gavel::median_filter(norms, smooth, {.width = 21, .right = gavel::edge_padding::reflect});
  resample(smooth, stretched);
  CHECK(refine(norms, {.steps = 70}).norms == stretched);
  CHECK(refine(norms).norms == smooth);
  const doubles zeros = refine(doubles{1.0, 0.0, 1.0}, {.smoothing = 0.0}).norms;
  CHECK(zeros == doubles{1.0, std::numeric_limits<double>::epsilon(), 1.0});
}

TEST_CASE("A record of some steps runs straight between them", "[schedule][refinement]") {
  doubles out(5), whole(5);
  const std::vector<std::uint64_t> steps{10, 20, 50};
  resample(steps, doubles{1.0, 2.0, 5.0}, out);
  CHECK(out == doubles{1.0, 2.0, 3.0, 4.0, 5.0});
  resample(std::vector<std::uint64_t>{3, 4, 5}, doubles{1.0, 4.0, 2.0}, out);
  resample(doubles{1.0, 4.0, 2.0}, whole);
  CHECK(out == whole);
  resample(std::vector<std::uint64_t>{9}, doubles{7.0}, out);
  CHECK(out == doubles(5, 7.0));
  doubles one(1);
  resample(steps, doubles{1.0, 2.0, 5.0}, one);
  CHECK(one == doubles{1.0});
  CHECK(message_of([&] { resample(steps, doubles{1.0, 2.0}, out); }) ==
        "gavel::schedule::resample: steps.size() = 3, must equal values.size() 2");
  CHECK(message_of([&] { resample(std::vector<std::uint64_t>{1, 1}, doubles{1.0, 2.0}, out); }) ==
        "gavel::schedule::resample: steps[1] = 1, must be > the one before, 1");
}

TEST_CASE("Samples can be left out", "[schedule][refinement]") {
  doubles norms = noisy(80, 2.0, 2.0, 5);
  const doubles clean = norms;
  norms.insert(norms.begin() + 40, not_a_number);
  norms.insert(norms.begin() + 20, infinite);
  const refined_schedule s = refine(norms, {.steps = 80, .drop_non_finite = true});
  CHECK(s.dropped_norms == 2);
  CHECK(s.rates == refine(clean).rates);
  CHECK(refine(norms, {.drop_non_finite = true}).steps() == 82);  // as many steps as were logged

  doubles framed = clean;
  framed.insert(framed.begin(), {1e6, 1e7});
  framed.insert(framed.end(), {1e-6, 1e-7});
  const refined_schedule inner = refine(framed, {.steps = 80, .drop_ends = 2});
  CHECK(inner.rates == refine(clean).rates);
  CHECK(inner.dropped_norms == 4);
}

TEST_CASE("Runs of one and two steps", "[schedule][refinement]") {
  const refined_schedule one = refine(doubles{2.0});
  CHECK(one.status == refinement_status::too_short);
  CHECK(one.rates == doubles{1.0});
  CHECK(one.guarantee == 0.0);
  const refined_schedule known = refine(doubles{2.0}, {.distance = 3.0});
  CHECK(known.rates == doubles{1.5});
  CHECK(known.guarantee == 6.0);
  CHECK(refine(doubles{0.0}, {.distance = 3.0}).rates == doubles{1.0});
  CHECK(refine(doubles(30, 1.0), {.steps = 1}).status == refinement_status::too_short);
  const refined_schedule two = refine(doubles{2.0, 1.0});
  CHECK(two.status == refinement_status::refined);
  CHECK(two.rates == doubles{1.0, 0.0});
  CHECK(refine(doubles{2.0}, {.steps = 4}).rates[1] == Approx(2.0 / 3.0));  // one sample: all equal
  doubles single(1, -1.0);
  CHECK(refined_rates(doubles{2.0}, single) == 0.0);
  CHECK(single == doubles{0.0});  // the closed form itself
}

TEST_CASE("A refined schedule is a schedule", "[schedule][refinement]") {
  const refined_schedule s = refine(noisy(30, 3.0, 2.0, 9));
  CHECK(s.steps() == 30);
  for (std::size_t t = 0; t < 30; ++t) CHECK(s.rate(t) == s.rates[t]);
  CHECK(s.rate(30) == 0.0);
  CHECK(s.rate(std::numeric_limits<std::uint64_t>::max()) == 0.0);
  CHECK(largest(s.rates) == 1.0);
  CHECK(refined_schedule{}.rate(3) == 0.0);
  const refined_schedule copy = s;
  CHECK(copy == s);
  const refined_schedule one = refine(doubles{2.0}, {.base_rate = 0.1});
  CHECK(one.rate(7) == 0.1);  // holds its end value
}

TEST_CASE("Logs and scales at the ends of the range of doubles give finite rates that end in 0", "[schedule][refinement]") {
  constexpr double tiny = std::numeric_limits<double>::denorm_min(), largest = (std::numeric_limits<double>::max)();
  // epsilon times the smallest positive norm is 0, and no floor.
  const refined_schedule floored = refine(doubles{tiny, tiny, 0.0, tiny}, {.smoothing = 0.0});
  CHECK(floored.status == refinement_status::floored_zero_norms);
  CHECK(floored.floored_norms == 1);
  for (std::size_t t = 0; t < 4; ++t) CHECK(floored.rates[t] == Approx(1.0 - static_cast<double>(t) / 3.0).margin(1e-12));

  // D / |g| is above the largest double: an infinite scale would turn the 0 at the end into NaN.
  const refined_schedule capped = refine(doubles{tiny, tiny, tiny}, {.distance = 1e10, .smoothing = 0.0});
  CHECK(capped.rates == doubles{largest, largest, 0.0});
  const refined_schedule falling = refine(doubles{1e-310, 1e-310, 1e-310, 1e-318}, {.distance = 1e10, .smoothing = 0.0});
  CHECK(falling.status == refinement_status::interpolating);
  CHECK(falling.rates.back() == 0.0);
  CHECK(falling.rates[0] == largest);
  CHECK(refine(doubles{tiny}, {.distance = 1e10}).rates[0] == largest);
  doubles rates(3);
  CHECK(refined_rates(doubles{1e-310, 1e-310, 1e-310}, rates, {.distance = 1e10}) == Approx(1e-300 / std::sqrt(3.0)));
  CHECK(rates == doubles{largest, largest, 0.0});

  // The largest base rate, and the smallest one, whose multiples round.
  CHECK(refined_rates(doubles{1.0, 1.0, 1.0}, rates, {.base_rate = largest}) == 0.0);
  CHECK(rates == doubles{largest, 0.5 * largest, 0.0});
  CHECK(refine(doubles{0.0, 0.0, 0.0}, {.base_rate = largest}).rates == doubles{largest, 0.5 * largest, 0.0});
  CHECK(refine(doubles(40, 0.0), {.base_rate = 40.0 * tiny}).rates[0] == 40.0 * tiny);

  // Two steps of a longer log are its ends, both far above its middle.
  const refined_schedule ends = refine(doubles{1e300, 1.0, 1.0, 1.0, 1e300}, {.steps = 2, .smoothing = 0.0});
  CHECK(ends.rates == doubles{1.0, 0.0});
}

TEST_CASE("What refinement refuses", "[schedule][refinement]") {
  const std::string in = "gavel::schedule::";
  const doubles good = {1.0, 2.0, 3.0};
  doubles out(3, -7.0), two(2);
  CHECK(message_of([&] { last_iterate_factors(doubles{}, {}); }) == in + "last_iterate_factors: weights.size() = 0, must be >= 1");
  CHECK(message_of([&] { last_iterate_factors(good, two); }) == in + "last_iterate_factors: out.size() = 2, must equal weights.size() 3");
  CHECK(message_of([&] { last_iterate_factors(doubles{1.0, -1.0, 1.0}, out); }) ==
        in + "last_iterate_factors: weights[1] = -1, must be finite and >= 0");
  CHECK(message_of([&] { last_iterate_factors(doubles{1.0, 1.0, infinite}, out); }) ==
        in + "last_iterate_factors: weights[2] = inf, must be finite and >= 0");
  CHECK(message_of([&] { last_iterate_factors(doubles(3, 0.0), out); }) ==
        in + "last_iterate_factors: sum of weights = 0, must be finite and > 0");
  CHECK(message_of([&] { last_iterate_factors(doubles(3, 1e308), out); }) ==
        in + "last_iterate_factors: sum of weights = inf, must be finite and > 0");

  CHECK(message_of([&] { (void)refined_rates(doubles{}, {}); }) == in + "refined_rates: gradient_norms.size() = 0, must be >= 1");
  CHECK(message_of([&] { (void)refined_rates(good, two); }) == in + "refined_rates: out.size() = 2, must equal gradient_norms.size() 3");
  CHECK(message_of([&] { (void)refined_rates(doubles{1.0, 0.0, 1.0}, out); }) ==
        in + "refined_rates: gradient_norms[1] = 0, must be finite and > 0");
  CHECK(message_of([&] { (void)refined_rates(doubles{1.0, 1.0, not_a_number}, out); }) ==
        "domain: " + in + "refined_rates: gradient_norms[2] = nan, must be finite and > 0");
  CHECK(message_of([&] { (void)refined_rates(doubles{1e-200, 2.0, 3.0}, out); }) ==
        in + "refined_rates: gradient_norms[0] = 1e-200, must be >= 1e-150 of their median, 2");
  CHECK(message_of([&] { (void)refined_rates(good, out, {.distance = -1.0}); }) ==
        in + "refined_rates: distance = -1, must be finite and >= 0");
  CHECK(message_of([&] { (void)refined_rates(good, out, {.distance = not_a_number}); }) ==
        "domain: " + in + "refined_rates: distance = nan, must be finite and >= 0");
  CHECK(message_of([&] { (void)refined_rates(good, out, {.norm = gradient_norm::l1, .distance = 1.0}); }) ==
        in + "refined_rates: distance = 1, must be 0 (unknown) with l1 norms: the guarantee is for l2");
  CHECK(out == doubles(3, -7.0));
  CHECK(message_of([&] { resample(doubles{}, out); }) == in + "resample: values.size() = 0, must be >= 1");

  CHECK(message_of([&] { (void)refine(doubles{}); }) == in + "refine: gradient_norms.size() = 0, must be >= 1");
  CHECK(message_of([&] { (void)refine(doubles{1.0, 1.0, -1.0}); }) == in + "refine: gradient_norms[2] = -1, must be finite and >= 0");
  CHECK(message_of([&] { (void)refine(doubles{1.0, -infinite}, {.drop_non_finite = true}); }) ==
        in + "refine: gradient_norms[1] = -inf, must be finite and >= 0");
  CHECK(message_of([&] { (void)refine(doubles{1.0, not_a_number}); }) ==
        "domain: " + in + "refine: gradient_norms[1] = nan, must be finite and >= 0");
  CHECK(message_of([&] { (void)refine(doubles{infinite}); }) == in + "refine: gradient_norms[0] = inf, must be finite and >= 0");
  CHECK(message_of([&] { (void)refine(doubles{infinite, not_a_number}, {.drop_non_finite = true}); }) ==
        in + "refine: finite gradient_norms = 0, must be >= 1");
  CHECK(message_of([&] { (void)refine(good, {.base_rate = 0.0}); }) == in + "refine: base_rate = 0, must be finite and > 0");
  CHECK(message_of([&] { (void)refine(good, {.base_rate = not_a_number}); }) ==
        "domain: " + in + "refine: base_rate = nan, must be finite and > 0");
  CHECK(message_of([&] { (void)refine(good, {.smoothing = 1.5}); }) == in + "refine: smoothing = 1.5, must be in [0, 1]");
  CHECK(message_of([&] { (void)refine(good, {.smoothing_width = 4}); }) ==
        in + "refine: smoothing_width = 4, must be odd, or 0 for the width that smoothing gives");
  CHECK(message_of([&] { (void)refine(std::vector<std::uint64_t>{1, 2}, good); }) ==
        in + "refine: gradient_norms.size() = 3, must equal steps.size() 2");
  CHECK(message_of([&] { (void)refine(std::vector<std::uint64_t>{1, 2, 1}, doubles{1.0, 2.0, -1.0}); }) ==
        in + "refine: gradient_norms[2] = -1, must be finite and >= 0");
  CHECK(message_of([&] { (void)refine(std::vector<std::uint64_t>{0, 1, ~std::uint64_t{0}}, good); }) ==
        in + "refine: last step - first step = 18446744073709551615, must be <= 9007199254740992");
  CHECK(message_of([&] { (void)refine(std::vector<std::uint64_t>{}, doubles{}); }) ==
        in + "refine: gradient_norms.size() = 0, must be >= 1");
  CHECK(message_of([&] { (void)refine(good, {.drop_ends = 2}); }) ==
        in + "refine: drop_ends = 2, must leave a sample of gradient_norms.size() 3");
  CHECK(refine(good, {.drop_ends = 1}).dropped_norms == 2);
  CHECK(message_of([&] { (void)refine(doubles{1.0, 2.0}, {.drop_ends = 1}); }) ==
        in + "refine: drop_ends = 1, must leave a sample of gradient_norms.size() 2");
}

}  // namespace refinement_test
