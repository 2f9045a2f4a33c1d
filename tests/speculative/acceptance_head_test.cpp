// SPDX-License-Identifier: MIT
#define EIGEN_RUNTIME_NO_MALLOC
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <gavel/core/philox.hpp>
#include <gavel/core/variates.hpp>
#include <gavel/speculative/acceptance_head.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace acceptance_head_test {

using namespace gavel::testing;
using namespace gavel::speculative;
using gavel::matrix_view;

namespace {

template <class T = double>
std::vector<T> normals(std::size_t n, std::uint64_t seed, double scale = 1.0) {
  gavel::philox4x32 rng(seed);
  std::vector<T> values(n);
  for (T& value : values) value = static_cast<T>(scale * gavel::normal(rng));
  return values;
}

template <class T>
void fill(acceptance_head<T>& head, std::uint64_t seed, double scale) {
  const std::vector<T> values = normals<T>(head.parameter_count(), seed, scale);
  for (std::size_t i = 0; i < values.size(); ++i) head.parameters()[i] = values[i];
}

// The head by plain loops, from the documented parameter layout.
std::vector<double> logits_by_loops(const acceptance_head<double>& head, std::vector<double> h) {
  const std::size_t d = h.size();
  const auto parameters = head.parameters();
  std::size_t offset = 0;
  for (std::size_t layer = 0; layer < head.options().layers; ++layer) {
    std::vector<double> next = h;
    for (std::size_t row = 0; row < d; ++row) {
      double x = parameters[offset + d * d + row];
      for (std::size_t col = 0; col < d; ++col) x += parameters[offset + col * d + row] * h[col];
      next[row] += x / (1.0 + std::exp(-x));
    }
    h = next;
    const bool last = layer + 1 == head.options().layers;
    if (!head.options().shared_blocks || last) offset += d * d + d;
  }
  std::vector<double> logits(2);
  for (std::size_t row = 0; row < 2; ++row) {
    logits[row] = parameters[offset + 2 * d + row];
    for (std::size_t col = 0; col < d; ++col) logits[row] += parameters[offset + col * 2 + row] * h[col];
  }
  return logits;
}

// Features in two clusters whose acceptance is known.
struct toy_data {
  std::vector<double> states;
  std::vector<double> labels;
};

toy_data two_clusters(std::size_t n, std::size_t width, std::uint64_t seed) {
  gavel::philox4x32 rng(seed);
  toy_data data;
  for (std::size_t i = 0; i < n; ++i) {
    const bool easy = gavel::bernoulli(rng, 0.6);
    for (std::size_t j = 0; j < width; ++j) data.states.push_back(0.0);
    data.states[i * width + (easy ? 0 : 1)] = 1.0;
    data.labels.push_back(easy ? 0.9 : 0.3);
  }
  return data;
}

}  // namespace

static_assert(acceptance_head_options{} == acceptance_head_options{.hidden = 1, .layers = 3, .shared_blocks = true});
static_assert(acceptance_head_training_options{} ==
              acceptance_head_training_options{
                  .loss = acceptance_loss_options{}, .optimizer = gavel::adam_options{}, .epochs = 10, .batch_size = 64});

TEST_CASE("head: values against plain loops, one state and batches, shared and unshared", "[speculative][acceptance_head]") {
  constexpr std::size_t width = 5;
  for (const bool shared : {true, false}) {
    for (std::size_t layers = 0; layers <= 3; ++layers) {
      acceptance_head<double> head({.hidden = width, .layers = layers, .shared_blocks = shared});
      const std::size_t blocks = shared && layers > 1 ? 1 : layers;
      CHECK(head.parameter_count() == blocks * (width * width + width) + 2 * width + 2);
      fill(head, 10 + layers, 0.4);
      constexpr std::size_t n = 4;
      constexpr std::size_t stride = width + 2;
      const std::vector<double> states = normals(n * stride, 20);
      const matrix_view<const double> view(states.data(), n, width, stride);
      acceptance_head<double>::workspace work;
      std::vector<double> logits(2 * n);
      head.forward(view, matrix_view<double>(logits.data(), n, 2), work);
      std::vector<double> scratch(head.scratch_size());
      for (std::size_t i = 0; i < n; ++i) {
        const auto row = view.row(i);
        const std::vector<double> expected = logits_by_loops(head, {row.begin(), row.end()});
        const acceptance_logits one = head.predict(row, scratch);
        INFO("layers " << layers << " shared " << shared);
        CHECK(one.reject == Approx(expected[0]).epsilon(1e-12));
        CHECK(one.accept == Approx(expected[1]).epsilon(1e-12));
        CHECK(one.acceptance() == Approx(1.0 / (1.0 + std::exp(expected[0] - expected[1]))).epsilon(1e-12));
        CHECK(logits[2 * i] == Approx(expected[0]).epsilon(1e-12));
        CHECK(logits[2 * i + 1] == Approx(expected[1]).epsilon(1e-12));
      }
    }
  }
}

TEST_CASE("head: gradient of all parameters against central differences", "[speculative][acceptance_head]") {
  constexpr std::size_t width = 4;
  constexpr std::size_t n = 6;
  const std::vector<double> states = normals(n * width, 30);
  const std::vector<double> labels{0.0, 1.0, 0.4, 0.7, 0.2, 0.95};
  const std::vector<std::uint8_t> mask{1, 1, 0, 1, 1, 1};
  const matrix_view<const double> view(states.data(), n, width);
  for (const bool shared : {true, false}) {
    for (std::size_t layers = 0; layers <= 3; ++layers) {
      acceptance_head<double> head({.hidden = width, .layers = layers, .shared_blocks = shared});
      fill(head, 40 + layers, 0.5);
      acceptance_head<double>::workspace work;
      std::vector<double> gradient(head.parameter_count(), 7.0);
      std::vector<double> logits(2 * n);
      const double loss = head.loss_gradient(view, labels, gradient, work, mask);
      const auto loss_now = [&] {
        head.forward(view, matrix_view<double>(logits.data(), n, 2), work);
        return acceptance_loss<double>(matrix_view<const double>(logits.data(), n, 2), labels, mask);
      };
      CHECK(loss == Approx(loss_now()).epsilon(1e-14));
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        const double kept = head.parameters()[i];
        const double step = 1e-5;
        head.parameters()[i] = kept + step;
        const double above = loss_now();
        head.parameters()[i] = kept - step;
        const double below = loss_now();
        head.parameters()[i] = kept;
        INFO("layers " << layers << " shared " << shared << " parameter " << i);
        CHECK(gradient[i] == Approx((above - below) / (2.0 * step)).epsilon(1e-6).margin(1e-9));
      }
    }
  }
}

TEST_CASE("head: a shared block's gradient is the sum over its uses", "[speculative][acceptance_head]") {
  constexpr std::size_t width = 6;
  constexpr std::size_t layers = 3;
  constexpr std::size_t block = width * width + width;
  acceptance_head<double> shared({.hidden = width, .layers = layers, .shared_blocks = true});
  acceptance_head<double> unshared({.hidden = width, .layers = layers, .shared_blocks = false});
  fill(shared, 50, 0.4);
  for (std::size_t i = 0; i < unshared.parameter_count(); ++i) {
    unshared.parameters()[i] = i < layers * block ? shared.parameters()[i % block] : shared.parameters()[i - (layers - 1) * block];
  }
  const std::vector<double> states = normals(10 * width, 51);
  const std::vector<double> labels(10, 0.35);
  const matrix_view<const double> view(states.data(), 10, width);
  acceptance_head<double>::workspace work;
  std::vector<double> together(shared.parameter_count());
  std::vector<double> apart(unshared.parameter_count());
  CHECK(shared.loss_gradient(view, labels, together, work) == Approx(unshared.loss_gradient(view, labels, apart, work)).epsilon(1e-14));
  for (std::size_t i = 0; i < block; ++i) {
    CHECK(together[i] == Approx(apart[i] + apart[block + i] + apart[2 * block + i]).epsilon(1e-11).margin(1e-14));
  }
  for (std::size_t i = block; i < together.size(); ++i) CHECK(together[i] == Approx(apart[i + 2 * block]).epsilon(1e-11).margin(1e-14));
}

TEST_CASE("head: one prediction takes no allocation", "[speculative][acceptance_head]") {
  acceptance_head<float> head({.hidden = 128, .layers = 3, .shared_blocks = false});
  fill(head, 60, 0.05);
  const std::vector<float> state = normals<float>(128, 61);
  std::vector<float> scratch(head.scratch_size());
  Eigen::internal::set_is_malloc_allowed(false);
  const double first = head.predict(state, scratch).acceptance();
  Eigen::internal::set_is_malloc_allowed(true);
  CHECK(first == head.predict(state, scratch).acceptance());
  CHECK(first > 0.0);
  CHECK(first < 1.0);
}

TEST_CASE("head: initialisation starts blocks as the identity", "[speculative][acceptance_head]") {
  acceptance_head<double> head({.hidden = 400, .layers = 2});
  CHECK(head == acceptance_head<double>({.hidden = 400, .layers = 2}));
  gavel::philox4x32 rng(1);
  head.initialize(rng);
  gavel::philox4x32 twin(1);
  for (int i = 0; i < 800; ++i) (void)gavel::uniform(twin);
  CHECK(rng == twin);
  const std::size_t first = 400 * 400 + 400;
  double squares = 0.0;
  bool zero_elsewhere = true;
  for (std::size_t i = 0; i < head.parameter_count(); ++i) {
    const double value = head.parameters()[i];
    if (i < first || i >= first + 800) zero_elsewhere = zero_elsewhere && value == 0.0;
    else squares += value * value;
  }
  CHECK(zero_elsewhere);
  CHECK(squares == Approx(2.0).epsilon(0.15));  // 800 numbers of variance 1 / 400
}

TEST_CASE("training reaches the biased optimum, and unbiasing it the labels", "[speculative][acceptance_head]") {
  const toy_data data = two_clusters(2000, 3, 70);
  const matrix_view<const double> states(data.states.data(), 2000, 3);
  for (const double weight : {1.0, 6.0}) {
    for (const std::size_t layers : {std::size_t{0}, std::size_t{2}}) {
      acceptance_head<double> head({.hidden = 3, .layers = layers});
      gavel::philox4x32 rng(71);
      head.initialize(rng);
      const acceptance_head_training_result trained = train_acceptance_head<double>(
          head, states, data.labels, rng, {.loss = {weight}, .optimizer = {.learning_rate = 0.02}, .epochs = 40, .batch_size = 50});
      CHECK(trained.steps == 1600);
      REQUIRE(trained.epoch_loss.size() == 40);
      CHECK(trained.epoch_loss.back() < trained.epoch_loss.front());
      CHECK(trained.final_loss < trained.initial_loss);
      std::vector<double> scratch(head.scratch_size());
      for (const double label : {0.9, 0.3}) {
        const double s = head.predict(label > 0.5 ? std::vector{1.0, 0.0, 0.0} : std::vector{0.0, 1.0, 0.0}, scratch).acceptance();
        INFO("weight " << weight << " layers " << layers << " label " << label);
        CHECK(s == Approx(label / (label + weight * (1.0 - label))).margin(0.01));
        CHECK(unbiased_acceptance(s, weight) == Approx(label).margin(0.02));
      }
      if (weight == 1.0) CHECK(trained.final_kl < 1e-3);
      else CHECK(trained.final_kl > 0.1);
    }
  }
}

TEST_CASE("training: masked positions do not matter, seeds repeat, float works", "[speculative][acceptance_head]") {
  toy_data data = two_clusters(300, 3, 80);
  std::vector<std::uint8_t> mask(300, 1);
  for (std::size_t i = 0; i < 300; i += 4) {
    mask[i] = 0;
    data.labels[i] = not_a_number;
  }
  const matrix_view<const double> states(data.states.data(), 300, 3);
  const acceptance_head_training_options options{.epochs = 3, .batch_size = 32};
  std::vector<acceptance_head<double>> heads(3, acceptance_head<double>({.hidden = 3, .layers = 1}));
  for (std::size_t i = 0; i < 3; ++i) {
    gavel::philox4x32 rng(i == 2 ? 82 : 81);
    heads[i].initialize(rng);
    const auto trained = train_acceptance_head<double>(heads[i], states, data.labels, rng, options, mask);
    CHECK(trained.steps == 3 * 8);  // 225 positions in batches of 32
  }
  CHECK(heads[0] == heads[1]);
  CHECK_FALSE(heads[0] == heads[2]);

  const std::vector<float> floats(data.states.begin(), data.states.end());
  acceptance_head<float> small({.hidden = 3, .layers = 2});
  gavel::philox4x32 rng(83);
  small.initialize(rng);
  const auto trained = train_acceptance_head<float>(small, matrix_view<const float>(floats.data(), 300, 3), data.labels, rng,
                                                    {.optimizer = {.learning_rate = 0.02}, .epochs = 30}, mask);
  CHECK(trained.final_loss < 0.8 * trained.initial_loss);
}

TEST_CASE("head: bad input is named and changes nothing", "[speculative][acceptance_head][errors]") {
  const std::string prefix = "gavel::speculative::";
  CHECK(message_of([] { acceptance_head<double>({.hidden = 0}); }) == prefix + "acceptance_head: hidden = 0, must be >= 1");
  acceptance_head<double> head({.hidden = 2, .layers = 1});
  gavel::philox4x32 rng(90);
  head.initialize(rng);
  const acceptance_head<double> before = head;
  std::vector<double> scratch(4);
  CHECK(message_of([&] { (void)head.predict(std::vector{1.0}, scratch); }) ==
        prefix + "acceptance_head::predict: state.size() = 1, must equal hidden 2");
  CHECK(message_of([&] { (void)head.predict(std::vector{1.0, 2.0}, std::span<double>(scratch).first(3)); }) ==
        prefix + "acceptance_head::predict: scratch.size() = 3, must be >= 4");
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(message_of([&] { (void)head.predict(std::vector{infinity, 0.0}, scratch); }) ==
        "domain: " + prefix + "acceptance_head::predict: logits[0] = nan, must be finite");
  acceptance_head<double> linear({.hidden = 2, .layers = 0});
  linear.parameters()[5] = infinity;
  CHECK(message_of([&] { (void)linear.predict(std::vector{1.0, 1.0}, scratch); }) ==
        prefix + "acceptance_head::predict: logits[1] = inf, must be finite");

  std::vector<double> states{1.0, 2.0, 3.0, 4.0};
  std::vector<double> labels{0.5, 0.5};
  const matrix_view<const double> view(states.data(), 2, 2);
  acceptance_head<double>::workspace work;
  std::vector<double> gradient(head.parameter_count(), 3.0);
  CHECK(message_of([&] { head.loss_gradient(matrix_view<const double>(states.data(), 1, 3), labels, gradient, work); }) ==
        prefix + "acceptance_head::loss_gradient: states.cols() = 3, must equal hidden 2");
  CHECK(message_of([&] { head.loss_gradient(view, labels, std::span<double>(gradient).first(2), work); }) ==
        prefix + "acceptance_head::loss_gradient: gradient.size() = 2, must equal parameter_count() 12");
  CHECK(message_of([&] { head.loss_gradient(view, labels, gradient, work, std::vector<std::uint8_t>{0, 0}); }) ==
        prefix + "acceptance_loss_gradient: mask, must keep at least one position");
  CHECK(gradient == std::vector<double>(gradient.size(), 3.0));
  std::vector<double> logits(4);
  CHECK(message_of([&] { head.forward(view, matrix_view<double>(logits.data(), 1, 2), work); }) ==
        prefix + "acceptance_head::forward: logits.rows() = 1, must equal states.rows() 2");
  CHECK(message_of([&] { (void)train_acceptance_head<double>(head, view, labels, rng, {.batch_size = 0}); }) ==
        prefix + "train_acceptance_head: batch_size = 0, must be >= 1");
  CHECK(message_of([&] { (void)train_acceptance_head<double>(head, view, labels, rng, {}, std::vector<std::uint8_t>{0, 0}); }) ==
        prefix + "acceptance_loss: mask, must keep at least one position");
  labels[1] = -0.5;
  CHECK(message_of([&] { (void)train_acceptance_head<double>(head, view, labels, rng); }) ==
        prefix + "acceptance_loss: labels[1] = -0.5, must be in [0, 1]");
  labels[1] = 0.5;
  states[2] = infinity;
  CHECK(message_of([&] { (void)train_acceptance_head<double>(head, view, labels, rng); }) ==
        "domain: " + prefix + "acceptance_loss: logits[2] = nan, must be finite");
  states[2] = 3.0;
  const gavel::philox4x32 unmoved = rng;
  const gavel::adam_options large = {.learning_rate = 1e308};
  CHECK(message_of([&] { (void)train_acceptance_head<double>(head, view, labels, rng, {.optimizer = large}); }) != "no exception");
  CHECK(rng == unmoved);
  CHECK(head == before);
}

TEST_CASE("head: what was moved from is still a network", "[speculative][acceptance_head]") {
  acceptance_head<double> source({.hidden = 2, .layers = 1});
  source.parameters()[10] = 1.0;
  const acceptance_head<double> before = source;
  const acceptance_head<double> heir = std::move(source);
  CHECK(heir == before);
  CHECK(source == before);
}

}  // namespace acceptance_head_test
