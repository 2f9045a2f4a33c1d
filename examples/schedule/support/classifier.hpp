// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/philox.hpp>
#include <gavel/core/variates.hpp>
#include <gavel/solvers/network.hpp>

#include <Eigen/Core>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

/// @file
/// The network that is trained: softmax(W2 silu(W1 x + b1) + b2), where x is a row of features, or the learnt embeddings of the last few
/// symbols of a text.

namespace examples {

/// Inputs and the classes they belong to. One of `features` and `symbols` is empty.
template <class T>
struct dataset {
  Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic> features;            ///< [inputs, n]
  Eigen::Matrix<std::uint8_t, Eigen::Dynamic, Eigen::Dynamic> symbols;  ///< [context, n], the symbols before the next one
  std::vector<std::uint8_t> labels;                                     ///< [n]

  [[nodiscard]] std::size_t size() const noexcept { return labels.size(); }
};

struct classifier_shape {
  std::size_t features = 0;   ///< inputs, if there are no symbols
  std::size_t symbols = 0;    ///< size of the alphabet; 0: the inputs are features
  std::size_t context = 0;    ///< symbols that are read
  std::size_t embedding = 0;  ///< numbers per symbol
  std::size_t hidden = 0;
  std::size_t classes = 0;

  [[nodiscard]] std::size_t inputs() const noexcept { return symbols == 0 ? features : context * embedding; }
};

/// Loss and gradient for parameters that live in one flat vector: embeddings, first layer, second layer. Holds only the activations of the
/// last batch, so every thread needs one of its own.
template <class T>
class classifier {
 public:
  using layer = gavel::dense_layer<const T>;
  using index = Eigen::Index;
  using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;

  explicit classifier(const classifier_shape& shape)
      : shape_(shape),
        first_at_(shape.symbols * shape.embedding),
        second_at_(first_at_ + layer::parameter_count(shape.hidden, shape.inputs())),
        size_(second_at_ + layer::parameter_count(shape.classes, shape.hidden)) {}

  [[nodiscard]] std::size_t parameter_count() const noexcept { return size_; }

  /// Normal weights with the variance that keeps activations at their size, biases 0; the last layer starts small, so that the first
  /// predictions are nearly uniform.
  void initialize(gavel::philox4x32& rng, std::span<T> parameters) const {
    const auto draw = [&](std::size_t from, std::size_t count, double deviation) {
      for (std::size_t i = 0; i < count; ++i) parameters[from + i] = static_cast<T>(deviation * gavel::normal(rng));
    };
    std::fill(parameters.begin(), parameters.end(), T(0));
    draw(0, first_at_, 1.0);
    draw(first_at_, shape_.hidden * shape_.inputs(), std::sqrt(2.0 / static_cast<double>(shape_.inputs())));
    draw(second_at_, shape_.classes * shape_.hidden, 0.1 / std::sqrt(static_cast<double>(shape_.hidden)));
  }

  /// Mean cross-entropy, in nats, over the samples @p chosen.
  [[nodiscard]] double loss(std::span<const T> parameters, const dataset<T>& data, std::span<const std::uint32_t> chosen) {
    forward(parameters, data, chosen);
    return softmax_loss(data, chosen);
  }

  /// The same, and its gradient.
  /// @param gradient [parameter_count()], overwritten
  double loss_and_gradient(std::span<const T> parameters, const dataset<T>& data, std::span<const std::uint32_t> chosen,
                           std::span<T> gradient) {
    forward(parameters, data, chosen);
    const double result = softmax_loss(data, chosen);
    for (std::size_t j = 0; j < chosen.size(); ++j) output_(data.labels[chosen[j]], static_cast<index>(j)) -= T(1);
    output_ /= static_cast<T>(chosen.size());  // now the slopes of the mean loss with respect to the logits

    std::fill(gradient.begin(), gradient.end(), T(0));
    layer::accumulate_gradient(hidden_, output_, {gradient.subspan(second_at_), shape_.classes, shape_.hidden});
    second(parameters).backward(output_, hidden_slope_);
    // silu'(a) = s + a s (1 - s), and hidden = a s
    hidden_slope_.array() *= gate_.array() + hidden_.array() * (T(1) - gate_.array());
    layer::accumulate_gradient(input_, hidden_slope_, {gradient.subspan(first_at_), shape_.hidden, shape_.inputs()});
    if (shape_.symbols > 0) {
      first(parameters).backward(hidden_slope_, input_slope_);
      Eigen::Map<matrix> embeddings(gradient.data(), signed_size(shape_.embedding), signed_size(shape_.symbols));
      for_each_symbol(data, chosen, [&](auto symbol, auto row, auto column) {
        embeddings.col(symbol) += input_slope_.col(column).segment(row, embeddings.rows());
      });
    }
    return result;
  }

 private:
  [[nodiscard]] static index signed_size(std::size_t size) noexcept { return static_cast<index>(size); }
  [[nodiscard]] layer first(std::span<const T> parameters) const { return {parameters.subspan(first_at_), shape_.hidden, shape_.inputs()}; }
  [[nodiscard]] layer second(std::span<const T> parameters) const {
    return {parameters.subspan(second_at_), shape_.classes, shape_.hidden};
  }

  template <class Visit>
  void for_each_symbol(const dataset<T>& data, std::span<const std::uint32_t> chosen, Visit&& visit) const {
    for (std::size_t j = 0; j < chosen.size(); ++j) {
      for (std::size_t place = 0; place < shape_.context; ++place) {
        visit(index{data.symbols(signed_size(place), index{chosen[j]})}, signed_size(place * shape_.embedding), signed_size(j));
      }
    }
  }

  void forward(std::span<const T> parameters, const dataset<T>& data, std::span<const std::uint32_t> chosen) {
    const index n = signed_size(chosen.size());
    input_.resize(signed_size(shape_.inputs()), n);
    if (shape_.symbols == 0) {
      for (index j = 0; j < n; ++j) input_.col(j) = data.features.col(index{chosen[static_cast<std::size_t>(j)]});
    } else {
      const Eigen::Map<const matrix> embeddings(parameters.data(), signed_size(shape_.embedding), signed_size(shape_.symbols));
      for_each_symbol(data, chosen, [&](auto symbol, auto row, auto column) {
        input_.col(column).segment(row, embeddings.rows()) = embeddings.col(symbol);
      });
    }
    hidden_.resize(signed_size(shape_.hidden), n);
    first(parameters).forward(input_, hidden_);
    gate_ = hidden_.array().logistic();
    hidden_.array() *= gate_.array();
    output_.resize(signed_size(shape_.classes), n);
    second(parameters).forward(hidden_, output_);
  }

  /// Turns the logits into probabilities.
  double softmax_loss(const dataset<T>& data, std::span<const std::uint32_t> chosen) {
    double sum = 0.0;
    output_.rowwise() -= output_.colwise().maxCoeff().eval();
    for (std::size_t j = 0; j < chosen.size(); ++j) sum -= static_cast<double>(output_(data.labels[chosen[j]], signed_size(j)));
    output_ = output_.array().exp();
    const auto totals = output_.colwise().sum().eval();
    for (index j = 0; j < totals.size(); ++j) sum += std::log(static_cast<double>(totals(j)));
    output_.array().rowwise() /= totals.array();
    return sum / static_cast<double>(chosen.size());
  }

  classifier_shape shape_;
  std::size_t first_at_;
  std::size_t second_at_;
  std::size_t size_;
  matrix input_, hidden_, gate_, output_, hidden_slope_, input_slope_;
};

}  // namespace examples
