// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/moments.hpp>
#include <gavel/core/philox.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/core/variates.hpp>
#include <gavel/solvers/optimizers.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace gavel::testing {

/// Softmax regression on ten clusters in sixteen dimensions by mini-batches of SGD or Adam. With wrong labels (a fifth of them) the gradient
/// noise stays; without them the problem interpolates: gradients vanish with the loss.
class softmax_regression {
 public:
  static constexpr std::size_t dimension = 16, classes = 10, examples = 600, batch = 16;

  softmax_regression(bool wrong_labels, bool use_adam) : adam_(use_adam) {
    philox4x32 rng(5);
    std::vector<double> centers(classes * dimension);
    for (double& v : centers) v = normal(rng);
    for (std::size_t i = 0; i < examples; ++i) {
      const std::size_t label = i % classes;
      for (std::size_t d = 0; d < dimension; ++d) inputs_.push_back(centers[label * dimension + d] + normal(rng));
      const bool wrong = uniform(rng) < 0.2;
      const auto other = static_cast<std::size_t>(uniform(rng) * classes);
      labels_.push_back(wrong && wrong_labels ? other : label);
    }
  }

  /// The training loss after the updates base_rate * shape[t].
  /// @param norms receives those of the gradients, if asked for: l1 for Adam, l2 for SGD
  [[nodiscard]] double loss_after(const std::vector<double>& shape, double base_rate, std::uint64_t seed,
                                  std::vector<double>* norms = nullptr) const {
    philox4x32 rng(seed);
    std::vector<double> weights(classes * dimension, 0.0), gradient(weights.size());
    sgd<double> plain(weights.size());
    adam<double> adaptive(weights.size());
    for (const double rate : shape) {
      std::fill(gradient.begin(), gradient.end(), 0.0);
      for (std::size_t k = 0; k < batch; ++k) {
        add_gradient(weights.data(), static_cast<std::size_t>(uniform(rng) * examples), 1.0 / batch, gradient.data());
      }
      if (norms != nullptr) {
        double sum = 0.0, squares = 0.0;
        for (const double g : gradient) {
          sum += std::abs(g);
          squares += g * g;
        }
        norms->push_back(adam_ ? sum : std::sqrt(squares));
      }
      if (adam_) adaptive.step(weights, gradient, base_rate * rate);
      else plain.step(weights, gradient, base_rate * rate);
    }
    double loss = 0.0;
    for (std::size_t i = 0; i < examples; ++i) loss += add_gradient(weights.data(), i, 0.0, nullptr) / examples;
    return loss;
  }

  struct tuned {
    moments loss;  ///< of five seeds
    double base_rate = 0.0;
  };
  /// At the best of nine base rates, a factor 2.5 apart, as three other seeds choose it.
  [[nodiscard]] tuned best(const std::vector<double>& shape) const {
    tuned result;
    double least = std::numeric_limits<double>::infinity();
    for (int k = 0; k < 9; ++k) {
      const double rate = (adam_ ? 4.0 : 64.0) * std::pow(2.5, -k);
      double sum = 0.0;
      for (std::uint64_t seed = 100; seed < 103; ++seed) sum += loss_after(shape, rate, seed);
      if (sum < least) {
        least = sum;
        result.base_rate = rate;
      }
    }
    for (std::uint64_t seed = 1; seed <= 5; ++seed) result.loss.add(loss_after(shape, result.base_rate, seed));
    return result;
  }

 private:
  // Adds the gradient of one example's loss, times `weight`, unless that is 0; returns the loss.
  double add_gradient(const double* weights, std::size_t i, double weight, double* gradient) const {
    double logit[classes];
    const double* x = inputs_.data() + i * dimension;
    double largest = -std::numeric_limits<double>::infinity(), sum = 0.0;
    for (std::size_t c = 0; c < classes; ++c) {
      logit[c] = 0.0;
      for (std::size_t d = 0; d < dimension; ++d) logit[c] += weights[c * dimension + d] * x[d];
      largest = (std::max)(largest, logit[c]);
    }
    const std::size_t label = labels_[i];
    const double own = logit[label] - largest;
    for (std::size_t c = 0; c < classes; ++c) sum += logit[c] = std::exp(logit[c] - largest);
    if (weight != 0.0) {
      for (std::size_t c = 0; c < classes; ++c) {
        const double slope = weight * (logit[c] / sum - (c == label ? 1.0 : 0.0));
        for (std::size_t d = 0; d < dimension; ++d) gradient[c * dimension + d] += slope * x[d];
      }
    }
    return std::log(sum) - own;
  }

  std::vector<double> inputs_;
  std::vector<std::size_t> labels_;
  bool adam_;
};

}  // namespace gavel::testing
