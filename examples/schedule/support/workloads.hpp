// SPDX-License-Identifier: MIT
#pragma once

#include "schedule/support/classifier.hpp"
#include "support/corpus.hpp"

#include <gavel/core/philox.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/core/variates.hpp>
#include <gavel/schedule/rate_schedule.hpp>
#include <gavel/schedule/schedule_free.hpp>
#include <gavel/solvers/optimizers.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// @file
/// What is trained under every schedule: a next-character predictor on text, a classifier on clusters with wrong labels, and a quadratic
/// with noisy gradients whose expected loss is computed exactly.

namespace examples {

/// A shape to compare; with `averaged` the optimiser is its schedule-free form and the shape its constant rate.
struct schedule_choice {
  std::string name;
  std::function<double(double)> shape;
  bool averaged = false;
};

/// One run: the shape stretched over `steps` at `base_rate`.
struct training_run {
  std::uint64_t steps = 1;
  double base_rate = 1.0;
  std::uint64_t seed = 0;  ///< initial parameters and order of the batches
  bool held_out = false;   ///< loss on the test split; else on the validation split
};

/// A model, its data and its optimiser.
struct workload {
  std::string name;
  std::string optimizer;
  std::uint64_t full_steps = 1;  ///< what 100 % of the budget means
  double first_rate = 1.0;       ///< where the search for the base rate starts
  double rate_ratio = 1.5;       ///< between neighbours on its grid
  double highest_rate = std::numeric_limits<double>::infinity();
  bool exact = false;                                                       ///< the loss is an expectation and has no seed
  std::function<double(const schedule_choice&, const training_run&)> loss;  ///< infinite if the run diverged; any thread may call it
};

struct split_data {
  dataset<float> train, validation, test;
  classifier_shape shape;
};

// --------------------------------------------------------------------------------------------------------------------------------------
// Data

/// The text as symbols: letters without case, every digit the same, blanks in one; what is rare is symbol 0.
[[nodiscard]] inline std::vector<std::uint8_t> text_symbols(const corpus& text, std::size_t alphabet) {
  std::string folded;
  for (const auto& document : text.documents) {
    for (const std::uint32_t token : document) {
      for (char c : text.vocabulary[token]) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        if (c >= '0' && c <= '9') c = '0';
        if (c == '\t' || c == '\r') c = ' ';
        if (c == ' ' && !folded.empty() && (folded.back() == ' ' || folded.back() == '\n')) continue;
        folded += c;
      }
    }
  }
  std::array<std::size_t, 256> counts{};
  for (const char c : folded) ++counts[static_cast<unsigned char>(c)];
  std::vector<std::size_t> bytes(256);
  std::iota(bytes.begin(), bytes.end(), std::size_t{0});
  std::stable_sort(bytes.begin(), bytes.end(), [&](std::size_t a, std::size_t b) { return counts[a] > counts[b]; });
  std::array<std::uint8_t, 256> symbol_of{};
  for (std::size_t i = 0; i + 1 < alphabet; ++i) symbol_of[bytes[i]] = static_cast<std::uint8_t>(i + 1);
  std::vector<std::uint8_t> symbols;
  for (const char c : folded) symbols.push_back(symbol_of[static_cast<unsigned char>(c)]);
  return symbols;
}

/// Next-character prediction. Of every ten blocks of 200 characters one is for validation and one for the test; no context reaches into
/// another block.
/// @throws input_error if a path does not exist, is no text, or the text is too short
[[nodiscard]] inline split_data text_data(std::span<const std::string> paths) {
  constexpr std::size_t block = 200;
  constexpr std::size_t most_held_out = 1500;
  split_data result;
  result.shape = {.symbols = 40, .context = 4, .embedding = 8, .hidden = 40, .classes = 40};
  const std::vector<std::uint8_t> symbols = text_symbols(read_corpus(paths), result.shape.symbols);
  if (symbols.size() < 10 * block) {
    throw input_error(joined(paths) + ": has " + std::to_string(symbols.size()) + " characters, at least " + std::to_string(10 * block) +
                      " are needed");
  }
  std::array<std::vector<std::size_t>, 3> places;  // train, validation, test
  for (std::size_t at = 0; at < symbols.size(); ++at) {
    const std::size_t number = at / block % 10;
    if (at % block >= result.shape.context) places[number < 8 ? 0 : number - 7].push_back(at);
  }
  const auto fill = [&](dataset<float>& part, const std::vector<std::size_t>& from, std::size_t most) {
    const std::size_t count = (std::min)(from.size(), most);
    part.symbols.resize(static_cast<Eigen::Index>(result.shape.context), static_cast<Eigen::Index>(count));
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t at = from[i * from.size() / count];
      for (std::size_t back = 0; back < result.shape.context; ++back) {
        part.symbols(static_cast<Eigen::Index>(back), static_cast<Eigen::Index>(i)) = symbols[at - 1 - back];
      }
      part.labels.push_back(symbols[at]);
    }
  };
  fill(result.train, places[0], places[0].size());
  fill(result.validation, places[1], most_held_out);
  fill(result.test, places[2], most_held_out);
  return result;
}

/// Six classes of three clusters each in twelve dimensions; a fifth of all labels is drawn at random.
[[nodiscard]] inline split_data cluster_data() {
  constexpr std::size_t classes = 6;
  constexpr std::size_t clusters = 3;
  constexpr std::size_t features = 12;
  split_data result;
  result.shape = {.features = features, .hidden = 32, .classes = classes};
  gavel::philox4x32 rng(20, 1);
  Eigen::MatrixXf centers(features, classes * clusters);
  for (Eigen::Index i = 0; i < centers.size(); ++i) centers.data()[i] = static_cast<float>(gavel::normal(rng));
  const auto fill = [&](dataset<float>& part, std::size_t count) {
    part.features.resize(features, static_cast<Eigen::Index>(count));
    for (std::size_t i = 0; i < count; ++i) {
      const auto cluster = static_cast<Eigen::Index>(gavel::uniform_index(rng, classes * clusters));
      for (Eigen::Index j = 0; j < centers.rows(); ++j) {
        part.features(j, static_cast<Eigen::Index>(i)) = centers(j, cluster) + static_cast<float>(0.8 * gavel::normal(rng));
      }
      const bool wrong = gavel::bernoulli(rng, 0.2);
      part.labels.push_back(
          static_cast<std::uint8_t>(wrong ? gavel::uniform_index(rng, classes) : static_cast<std::uint64_t>(cluster) % classes));
    }
  };
  fill(result.train, 1000);
  fill(result.validation, 1000);
  fill(result.test, 2000);
  return result;
}

// --------------------------------------------------------------------------------------------------------------------------------------
// Training a network

/// Epoch after epoch, each in a new random order.
class batch_source {
 public:
  batch_source(std::size_t samples, std::size_t batch, const gavel::philox4x32& rng) : rng_(rng), order_(samples), batch_(batch) {
    std::iota(order_.begin(), order_.end(), std::uint32_t{0});
  }
  [[nodiscard]] std::span<const std::uint32_t> next() {
    for (std::uint32_t& chosen : batch_) {
      if (at_ == order_.size()) at_ = 0;
      std::swap(order_[at_], order_[at_ + gavel::uniform_index(rng_, order_.size() - at_)]);
      chosen = order_[at_++];
    }
    return batch_;
  }

 private:
  gavel::philox4x32 rng_;
  std::vector<std::uint32_t> order_;
  std::vector<std::uint32_t> batch_;
  std::size_t at_ = 0;
};

/// Mean loss over all samples.
[[nodiscard]] inline double mean_loss(classifier<float>& model, std::span<const float> parameters, const dataset<float>& data) {
  std::vector<std::uint32_t> all(data.size());
  std::iota(all.begin(), all.end(), std::uint32_t{0});
  const double loss = model.loss(parameters, data, all);
  return std::isfinite(loss) ? loss : std::numeric_limits<double>::infinity();
}

/// One training run from a seed.
/// @param make_optimizer  called with the initial parameters
template <class MakeOptimizer>
[[nodiscard]] double train(const split_data& data, std::size_t batch, const schedule_choice& choice, const training_run& run,
                           const MakeOptimizer& make_optimizer) {
  classifier<float> model(data.shape);
  std::vector<float> parameters(model.parameter_count());
  std::vector<float> gradient(parameters.size());
  gavel::philox4x32 start(run.seed, 0);
  model.initialize(start, parameters);
  batch_source batches(data.train.size(), batch, gavel::philox4x32(run.seed, 1));
  auto optimizer = make_optimizer(std::span<const float>(parameters));
  const auto schedule = gavel::schedule::stretch(choice.shape, {.steps = run.steps, .base_rate = run.base_rate});
  for (std::uint64_t t = 0; t < run.steps; ++t) {
    const double loss = model.loss_and_gradient(parameters, data.train, batches.next(), gradient);
    if (!std::isfinite(loss)) return std::numeric_limits<double>::infinity();
    optimizer.step(parameters, gradient, schedule.rate(t));
  }
  if constexpr (requires { optimizer.evaluation_point(std::span<float>(parameters)); }) optimizer.evaluation_point(parameters);
  return mean_loss(model, parameters, run.held_out ? data.test : data.validation);
}

struct network_options {
  std::uint64_t full_steps = 1000;
  std::size_t batch = 16;
  double rate_ratio = 1.5;
};

/// The same data and network under momentum SGD and AdamW.
inline void add_network(std::vector<workload>& all, const std::string& name, split_data data, const network_options& options) {
  using namespace gavel::schedule;
  const auto shared = std::make_shared<const split_data>(std::move(data));
  const std::size_t batch = options.batch;
  const auto with_momentum = [shared, batch](const schedule_choice& choice, const training_run& run) {
    if (choice.averaged) {
      return train(*shared, batch, choice, run, [](std::span<const float> start) { return schedule_free_sgd<float>(start, {}); });
    }
    return train(*shared, batch, choice, run,
                 [](std::span<const float> start) { return gavel::sgd<float>(start.size(), {.momentum = 0.9}); });
  };
  const auto with_adamw = [shared, batch](const schedule_choice& choice, const training_run& run) {
    constexpr double decay = 0.01;
    if (choice.averaged) {
      return train(*shared, batch, choice, run,
                   [](std::span<const float> start) { return schedule_free_adamw<float>(start, {.weight_decay = decay}); });
    }
    return train(*shared, batch, choice, run,
                 [](std::span<const float> start) { return gavel::adam<float>(start.size(), {.weight_decay = decay}); });
  };
  workload work;
  work.name = name;
  work.full_steps = options.full_steps;
  work.rate_ratio = options.rate_ratio;
  work.optimizer = "momentum SGD";
  work.first_rate = 0.1;
  work.loss = with_momentum;
  all.push_back(work);
  work.optimizer = "AdamW";
  work.first_rate = 0.01;
  work.loss = with_adamw;
  all.push_back(work);
}

// --------------------------------------------------------------------------------------------------------------------------------------
// The noisy quadratic

/// f(x) = 1/2 sum_i lambda_i x_i^2 with 20 curvatures from 1 to 0.01 in equal ratios, x_i = 1 at the start, and SGD whose gradients carry
/// noise of variance noise^2: E x_i^2 <- (1 - eta lambda_i)^2 E x_i^2 + eta^2 noise^2, so the expected final loss is exact.
[[nodiscard]] inline double quadratic_loss(const schedule_choice& choice, const training_run& run, double noise) {
  constexpr int dimensions = 20;
  const auto schedule = gavel::schedule::stretch(choice.shape, {.steps = run.steps, .base_rate = run.base_rate});
  gavel::schedule::averaging_weight weight;
  constexpr double beta = 0.9;  // schedule-free: gradients are taken at y = beta x + (1 - beta) z
  std::array<double, dimensions> curvatures{};
  for (std::size_t i = 0; i < dimensions; ++i) curvatures[i] = std::pow(0.01, static_cast<double>(i) / (dimensions - 1));
  std::array<double, dimensions> base{};     // E z^2, or E x^2 without averaging
  std::array<double, dimensions> cross{};    // E z x
  std::array<double, dimensions> average{};  // E x^2
  base.fill(1.0);
  cross.fill(1.0);
  average.fill(1.0);
  for (std::uint64_t t = 0; t < run.steps; ++t) {
    const double rate = schedule.rate(t);
    const double c = choice.averaged ? weight.update(rate) : 0.0;
    const double disturbance = rate * rate * noise * noise;
    for (std::size_t i = 0; i < dimensions; ++i) {
      const double curvature = curvatures[i];
      if (!choice.averaged) {
        base[i] = (1.0 - rate * curvature) * (1.0 - rate * curvature) * base[i] + disturbance;
        continue;
      }
      // z' = a z - b x + noise, x' = (1 - c) x + c z'
      const double a = 1.0 - rate * curvature * (1.0 - beta);
      const double b = rate * curvature * beta;
      const double next_base = a * a * base[i] - 2.0 * a * b * cross[i] + b * b * average[i] + disturbance;
      const double base_with_old_average = a * cross[i] - b * average[i];
      average[i] = (1.0 - c) * (1.0 - c) * average[i] + 2.0 * c * (1.0 - c) * base_with_old_average + c * c * next_base;
      cross[i] = (1.0 - c) * base_with_old_average + c * next_base;
      base[i] = next_base;
    }
  }
  double loss = 0.0;
  for (std::size_t i = 0; i < dimensions; ++i) {
    loss += 0.5 * curvatures[i] * (choice.averaged ? average[i] : base[i]);
  }
  return std::isfinite(loss) ? loss : std::numeric_limits<double>::infinity();
}

/// SGD is unstable above a rate of 2 over the largest curvature: the grid ends at 1.9, but for averaging, which is stable beyond.
inline void add_quadratic(std::vector<workload>& all, const std::string& name, double noise) {
  all.push_back({.name = name,
                 .optimizer = "SGD",
                 .full_steps = 1000,
                 .first_rate = 1.9 / 3.0,
                 .rate_ratio = std::sqrt(3.0),
                 .highest_rate = 1.9 * (1.0 + 1e-12),
                 .exact = true,
                 .loss = [noise](const schedule_choice& choice, const training_run& run) { return quadratic_loss(choice, run, noise); }});
}

}  // namespace examples
