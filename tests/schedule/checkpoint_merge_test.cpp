// SPDX-License-Identifier: MIT
#include <gavel/schedule/checkpoint_merge.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/core/random.hpp>
#include <gavel/schedule/combinators.hpp>
#include <gavel/solvers/optimizers.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace checkpoint_merge_test {

using namespace gavel::schedule;
using gavel::testing::message_of;
using gavel::testing::not_a_number;

namespace {

template <class P>
std::vector<double> weights_of(const P& shape, std::size_t checkpoints) {
  std::vector<double> weights(checkpoints);
  merge_weights(shape, weights);
  return weights;
}

constexpr std::array<double, 4> average = [] {
  std::array<double, 4> weights{};
  merge_weights(linear{}, weights);
  return weights;
}();
static_assert(average == std::array{0.25, 0.25, 0.25, 0.25});

}  // namespace

TEST_CASE("A linear decay is the plain average, a stable rate the last checkpoint", "[schedule][checkpoint_merge]") {
  for (const double weight : weights_of(linear{}, 10)) CHECK(weight == Approx(0.1).epsilon(1e-14));
  CHECK(weights_of(constant{}, 3) == std::vector{0.0, 0.0, 1.0});
  CHECK(weights_of(cosine{}, 1) == std::vector{1.0});
  CHECK(weights_of(gavel::schedule::floor(0.5, linear{}), 2) == std::vector{0.25, 0.75});  // what is left at the end goes to the last one
  const std::vector<double> early = weights_of(one_minus_sqrt{}, 4);  // differences of the roots of 0, 1/4, 1/2, 3/4, 1
  CHECK(early[0] == 0.5);
  CHECK(early[1] == Approx(std::sqrt(0.5) - 0.5));
  CHECK(early[3] == Approx(1.0 - std::sqrt(0.75)));
}

TEST_CASE("From a decay to weights and back", "[schedule][checkpoint_merge]") {
  gavel::philox4x32 rng(3);
  for (std::size_t k = 0; k < 40; ++k) {
    std::vector<double> decay(k), weights(k + 1), back(k);
    double now = 1.0;
    for (double& share : decay) share = now *= gavel::uniform(rng);
    merge_weights(decay, weights);
    double sum = 0.0;
    for (const double weight : weights) {
      CHECK(weight >= 0.0);
      sum += weight;
    }
    CHECK(sum == Approx(1.0).epsilon(1e-14));
    merge_decay(weights, back);
    for (std::size_t j = 0; j < k; ++j) CHECK(back[j] == Approx(decay[j]).margin(1e-15));
  }
  std::vector<double> decay(3), back(4);  // weights that add up to more than 1, as after float arithmetic, and none on the first checkpoint
  merge_decay(std::vector{0.0, 0.25, 0.25, 0.5 + 1e-7}, decay);
  CHECK(decay == std::vector{1.0, 0.25 + (0.5 + 1e-7), 0.5 + 1e-7});
  merge_weights(decay, back);
  CHECK(back[0] == 0.0);
}

TEST_CASE("Merged checkpoints are the run that decayed, where the updates are the same", "[schedule][checkpoint_merge]") {
  // A loss that is linear in the parameters: its gradients do not depend on where they are taken.
  constexpr std::size_t interval = 5, size = 3, checkpoints = 8;
  const auto gradient_of = [](std::size_t step) {
    gavel::philox4x32 rng(7, step);
    std::vector<double> gradient(size);
    for (double& slope : gradient) slope = gavel::normal(rng);
    return gradient;
  };
  const auto check = [&](const auto& shape) {
    const std::vector<double> weights = weights_of(shape, checkpoints);
    std::vector<double> decay(checkpoints - 1), merged(size);
    merge_decay(weights, decay);
    gavel::sgd<double> stable(size), decayed(size);
    std::vector<double> at(size, 1.0), with_decay(size, 1.0);
    for (std::size_t i = 0; i < size; ++i) merged[i] = weights[0] * at[i];
    for (std::size_t step = 0; step < interval * (checkpoints - 1); ++step) {
      stable.step(at, gradient_of(step), 0.1);
      decayed.step(with_decay, gradient_of(step), 0.1 * decay[step / interval]);
      if ((step + 1) % interval != 0) continue;
      for (std::size_t i = 0; i < size; ++i) merged[i] += weights[(step + 1) / interval] * at[i];
    }
    for (std::size_t i = 0; i < size; ++i) CHECK(merged[i] == Approx(with_decay[i]).margin(1e-13));
    CHECK(decay[3] == Approx(shape(4.0 / 8.0)).margin(1e-15));
  };
  check(linear{});
  check(one_minus_sqrt{});
  check(cosine{});
  check(exponential{2.0});
}

TEST_CASE("Merges that are no decay are refused", "[schedule][checkpoint_merge]") {
  const std::string in = "gavel::schedule::merge_weights: ", back = "gavel::schedule::merge_decay: ";
  std::vector<double> none, two(2, 0.5), three(3, 0.25);
  const std::vector<double> before = three;
  CHECK(message_of([&] { merge_weights(linear{}, none); }) == in + "weights.size() = 0, must be >= 1");
  CHECK(message_of([&] { merge_weights([](double z) { return z; }, three); }) ==
        in + "shape[1] = 0.666666667, must be <= the one before, 0.333333333");
  CHECK(message_of([&] { merge_weights([](double) { return 1.5; }, three); }) == in + "shape[0] = 1.5, must be in [0, 1]");
  CHECK(message_of([&] { merge_weights([](double) { return not_a_number; }, three); }) ==
        "domain: " + in + "shape[0] = nan, must be in [0, 1]");
  CHECK(message_of([&] { merge_weights(std::vector{0.5}, three); }) == in + "weights.size() = 3, must equal decay.size() + 1 = 2");
  CHECK(message_of([&] { merge_weights(std::vector{0.5, 0.75}, three); }) == in + "decay[1] = 0.75, must be <= the one before, 0.5");
  CHECK(message_of([&] { merge_weights(std::vector{0.5, -0.25}, three); }) == in + "decay[1] = -0.25, must be in [0, 1]");
  CHECK(message_of([&] { merge_decay(std::vector{0.5, 0.5}, two); }) == back + "decay.size() = 2, must equal weights.size() - 1 = 1");
  CHECK(message_of([&] { merge_decay(std::vector{0.5, 0.25}, two); }) ==
        "domain: " + back + "sum of weights = 0.75, must be 1 within 1e-06");
  CHECK(message_of([&] { merge_decay(none, two); }).starts_with(back));
  CHECK(three == before);
}

}  // namespace checkpoint_merge_test
