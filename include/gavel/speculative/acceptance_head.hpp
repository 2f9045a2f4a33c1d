// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/generator_rollback.hpp>
#include <gavel/core/numerics.hpp>
#include <gavel/core/permutation.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/core/variates.hpp>
#include <gavel/core/views.hpp>
#include <gavel/solvers/network.hpp>
#include <gavel/speculative/acceptance_loss.hpp>

#include <Eigen/Core>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// @file
/// A small network on the draft model's hidden state that predicts whether the target will accept the drafted token: what
/// `threshold_rule` and `lookahead_rule` read. The draft model itself is frozen and no part of this.
/// @par Source
/// Huang, Guo, Wang, "SpecDec++", 2024, arXiv 2405.19715, acceptance prediction head.

namespace gavel::speculative {

/// Shape of an `acceptance_head`.
struct acceptance_head_options {
  std::size_t hidden = 1;     ///< width of a hidden state (or number of features), >= 1
  std::size_t layers = 3;     ///< residual blocks before the linear layer; 0 is logistic regression
  bool shared_blocks = true;  ///< all blocks use the same weights, as the published code does by repeating one module; false: own weights

  friend bool operator==(const acceptance_head_options&, const acceptance_head_options&) = default;
};

/// The two logits of one prediction.
struct acceptance_logits {
  double reject = 0.0;
  double accept = 0.0;

  /// s_1 = softmax(logits)_1. Trained with a rejection weight it is biased: see `unbiased_acceptance`.
  [[nodiscard]] double acceptance() const noexcept { return sigmoid(accept - reject); }
};

/// Residual blocks h + SiLU(W h + b), then a linear layer to (reject, accept) logits. A value: copies are independent networks.
/// @tparam T float (inference) or double
template <std::floating_point T = double>
class acceptance_head {
 public:
  /// All parameters zero: predicts 1/2 until `initialize`d, loaded or trained.
  /// @throws std::invalid_argument if hidden is 0
  /// @note Allocates `parameter_count()` numbers.
  explicit acceptance_head(const acceptance_head_options& options) : options_(options) {
    check_at_least("gavel::speculative::acceptance_head", "hidden", options.hidden, 1);
    parameters_.assign(block_size() * own_blocks() + final_size(), T(0));
  }
  // A move is a copy: a network without its parameters could not predict.
  acceptance_head(const acceptance_head&) = default;
  acceptance_head& operator=(const acceptance_head&) = default;

  [[nodiscard]] const acceptance_head_options& options() const noexcept { return options_; }
  [[nodiscard]] std::size_t parameter_count() const noexcept { return parameters_.size(); }
  /// W of the first block `[hidden, hidden]` column by column, its b `[hidden]`, the other blocks (none if shared), then the linear layer's W
  /// `[2, hidden]` column by column and its b `[2]`.
  [[nodiscard]] std::span<T> parameters() noexcept { return parameters_; }
  [[nodiscard]] std::span<const T> parameters() const noexcept { return parameters_; }

  /// Fresh parameters: blocks start as the identity (W = 0, b = 0), the linear layer's W is normal with variance 1 / hidden, its b zero.
  /// @note Draws: 2 * hidden uniforms.
  template <random_bits G>
  void initialize(G& rng) {
    const std::size_t first = block_size() * own_blocks();
    const double scale = 1.0 / std::sqrt(static_cast<double>(options_.hidden));
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const bool random = i >= first && i < first + 2 * options_.hidden;
      parameters_[i] = random ? static_cast<T>(scale * normal(rng)) : T(0);
    }
  }

  /// Numbers that `predict` needs to work in.
  [[nodiscard]] std::size_t scratch_size() const noexcept { return 2 * options_.hidden; }

  /// Scores one hidden state.
  /// @param state   `[hidden]`
  /// @param scratch at least `scratch_size()` numbers, overwritten; keep one per thread
  /// @throws std::invalid_argument for a wrong size or an infinite logit, std::domain_error if a logit is NaN: a bad state or bad
  ///         parameters cannot pass as a prediction
  /// @note O(layers * hidden^2); no allocation.
  [[nodiscard]] acceptance_logits predict(vector_view<const T> state, std::span<T> scratch) const {
    constexpr const char* function = "gavel::speculative::acceptance_head::predict";
    check_size(function, "state.size()", state.size(), "hidden", options_.hidden);
    check_at_least(function, "scratch.size()", scratch.size(), scratch_size());
    const auto width = static_cast<Eigen::Index>(options_.hidden);
    Eigen::Map<column> activation(scratch.data(), width);
    Eigen::Map<column> inner(scratch.data() + options_.hidden, width);
    activation = Eigen::Map<const column>(state.data(), width);
    for (std::size_t layer = 0; layer < options_.layers; ++layer) {
      block(std::span<const T>(parameters_), layer).forward(activation, inner);
      activation.array() += inner.array().unaryExpr([](T x) { return silu(x); });
    }
    Eigen::Matrix<T, 2, 1> logits;
    final_layer(std::span<const T>(parameters_)).forward(activation, logits);
    const acceptance_logits result{detail::real(logits(0)), detail::real(logits(1))};
    check_finite(function, "logits", result.reject, 0);
    check_finite(function, "logits", result.accept, 1);
    return result;
  }

  /// Intermediate results of a batch. Reused between calls; grows to the largest batch.
  struct workspace {
    using matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;
    std::vector<matrix> activations;  // input of each block and of the linear layer, [hidden, n]
    std::vector<matrix> inner;        // W h + b of each block
    matrix logits, logit_slopes, slopes, inner_slopes;
  };

  /// Logits of a batch.
  /// @param states `[n, hidden]`
  /// @param logits `[n, 2]`, overwritten
  /// @throws std::invalid_argument for shapes that do not fit
  void forward(matrix_view<const T> states, matrix_view<T> logits, workspace& work) const {
    constexpr const char* function = "gavel::speculative::acceptance_head::forward";
    check_states(function, states);
    check_size(function, "logits.rows()", logits.rows(), "states.rows()", states.rows());
    check_size(function, "logits.cols()", logits.cols(), "one for reject and one for accept,", 2);
    run_forward(states, work);
    for (std::size_t i = 0; i < logits.rows(); ++i) {
      for (std::size_t j = 0; j < 2; ++j) logits(i, j) = work.logits(static_cast<Eigen::Index>(j), static_cast<Eigen::Index>(i));
    }
  }

  /// `acceptance_loss` of a batch and its gradient with respect to all parameters; a shared block's gradient is the sum over its uses.
  /// @param states   `[n, hidden]`
  /// @param labels   `[n]`, as in `acceptance_loss`
  /// @param gradient `[parameter_count()]`, overwritten
  /// @param work     intermediate results
  /// @param mask     `[n]` or empty, as in `acceptance_loss`
  /// @param options  rejection weight
  /// @return the loss
  /// @throws as `acceptance_loss`, and std::invalid_argument for shapes that do not fit; @p gradient is then untouched
  double loss_gradient(matrix_view<const T> states, vector_view<const double> labels, std::span<T> gradient, workspace& work,
                       vector_view<const std::uint8_t> mask = {}, const acceptance_loss_options& options = {}) const {
    constexpr const char* function = "gavel::speculative::acceptance_head::loss_gradient";
    check_states(function, states);
    check_size(function, "gradient.size()", gradient.size(), "parameter_count()", parameters_.size());
    run_forward(states, work);
    work.logit_slopes.resize(2, work.logits.cols());
    const double loss = acceptance_loss_gradient<T>(matrix_view<const T>(work.logits.data(), states.rows(), 2), labels,
                                                    matrix_view<T>(work.logit_slopes.data(), states.rows(), 2), mask, options);
    for (T& slope : gradient) slope = T(0);
    const auto last = final_layer(std::span<const T>(parameters_));
    last.accumulate_gradient(work.activations[options_.layers], work.logit_slopes, final_layer(gradient));
    work.slopes.resize(static_cast<Eigen::Index>(options_.hidden), work.logits.cols());
    last.backward(work.logit_slopes, work.slopes);
    for (std::size_t layer = options_.layers; layer-- > 0;) {
      work.inner_slopes = work.slopes.array() * work.inner[layer].array().unaryExpr([](T x) { return silu_slope(x); });
      const auto here = block(std::span<const T>(parameters_), layer);
      here.accumulate_gradient(work.activations[layer], work.inner_slopes, block(gradient, layer));
      work.slopes.noalias() += here.weights().transpose() * work.inner_slopes;
    }
    return loss;
  }

  friend bool operator==(const acceptance_head&, const acceptance_head&) = default;

 private:
  using column = Eigen::Matrix<T, Eigen::Dynamic, 1>;

  [[nodiscard]] std::size_t block_size() const noexcept { return dense_layer<T>::parameter_count(options_.hidden, options_.hidden); }
  [[nodiscard]] std::size_t final_size() const noexcept { return dense_layer<T>::parameter_count(2, options_.hidden); }
  [[nodiscard]] std::size_t own_blocks() const noexcept { return options_.shared_blocks && options_.layers > 1 ? 1 : options_.layers; }

  template <class U>
  [[nodiscard]] dense_layer<U> block(std::span<U> parameters, std::size_t layer) const {
    return {parameters.subspan(options_.shared_blocks ? 0 : layer * block_size()), options_.hidden, options_.hidden};
  }
  template <class U>
  [[nodiscard]] dense_layer<U> final_layer(std::span<U> parameters) const {
    return {parameters.subspan(own_blocks() * block_size()), 2, options_.hidden};
  }

  void check_states(const char* function, const matrix_view<const T>& states) const {
    check_size(function, "states.cols()", states.cols(), "hidden", options_.hidden);
  }

  void run_forward(const matrix_view<const T>& states, workspace& work) const {
    using input = Eigen::Map<const typename workspace::matrix, 0, Eigen::OuterStride<>>;
    const auto width = static_cast<Eigen::Index>(options_.hidden);
    const auto count = static_cast<Eigen::Index>(states.rows());
    work.activations.resize(options_.layers + 1);
    work.inner.resize(options_.layers);
    // A row-major [n, hidden] view is a column-major [hidden, n] matrix: one sample per column.
    work.activations[0] = input(states.data(), width, count, Eigen::OuterStride<>(static_cast<Eigen::Index>(states.row_stride())));
    for (std::size_t layer = 0; layer < options_.layers; ++layer) {
      work.inner[layer].resize(width, count);
      block(std::span<const T>(parameters_), layer).forward(work.activations[layer], work.inner[layer]);
      work.activations[layer + 1] = work.activations[layer].array() + work.inner[layer].array().unaryExpr([](T x) { return silu(x); });
    }
    work.logits.resize(2, count);
    final_layer(std::span<const T>(parameters_)).forward(work.activations[options_.layers], work.logits);
  }

  acceptance_head_options options_;
  std::vector<T> parameters_;
};

/// Settings of `train_acceptance_head`.
struct acceptance_head_training_options {
  acceptance_loss_options loss{};  ///< rejection weight
  adam_options optimizer{};        ///< step size and decays
  std::size_t epochs = 10;         ///< passes over the data
  std::size_t batch_size = 64;     ///< positions per step, >= 1; the last batch of an epoch may be smaller

  friend bool operator==(const acceptance_head_training_options&, const acceptance_head_training_options&) = default;
};

/// What `train_acceptance_head` did.
struct acceptance_head_training_result {
  double initial_loss = 0.0;  ///< loss on all data before the first step
  double final_loss = 0.0;    ///< and after the last one
  double final_kl = 0.0;      ///< `mean_binary_kl` after the last step, against the labels themselves: not zero for a weight other than 1
  std::vector<double> epoch_loss;  ///< `[epochs]` mean of the batch losses of each epoch, as met before each step
  std::size_t steps = 0;           ///< optimizer steps
};

/// Trains a head with shuffled mini-batches and Adam. The head goes on from its present parameters (`initialize` fresh ones).
/// @param head   is changed
/// @param states `[n, hidden]` hidden states, finite
/// @param labels `[n]` soft labels in [0, 1]
/// @param rng    source of bits; `uniform_index` draws of one shuffle of the m positions that count per epoch
/// @param mask   `[n]` zero where a position does not count (see `mix_tokens`), or empty: all count
/// @throws std::invalid_argument for shapes, options, labels outside [0, 1], states that make a logit infinite, or if no position counts;
///         std::domain_error for NaN. Data are checked before the first step; a divergence later (too large a step size) throws the same
///         two and leaves the head as it was before the call, and the generator if it can be copied
/// @note O(epochs * n * layers * hidden^2); allocates batch buffers once. Same generator state and data, same result on one machine.
template <std::floating_point T, random_bits G>
acceptance_head_training_result train_acceptance_head(acceptance_head<T>& head, matrix_view<const T> states,
                                                      vector_view<const double> labels, G& rng,
                                                      const acceptance_head_training_options& options = {},
                                                      vector_view<const std::uint8_t> mask = {}) {
  constexpr const char* function = "gavel::speculative::train_acceptance_head";
  check_at_least(function, "batch_size", options.batch_size, 1);
  check_size(function, "states.cols()", states.cols(), "hidden", head.options().hidden);
  acceptance_head<T> trained = head;
  typename acceptance_head<T>::workspace work;
  std::vector<T> logits(2 * states.rows());
  const matrix_view<T> all_logits(logits.data(), states.rows(), 2);

  acceptance_head_training_result result;
  trained.forward(states, all_logits, work);
  result.initial_loss = static_cast<double>(acceptance_loss<T>(all_logits, labels, mask, options.loss));  // checks labels, mask and states

  generator_rollback<G> rollback(rng);
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (mask.empty() || mask[i] != 0) order.push_back(i);
  }
  adam<T> optimizer(trained.parameter_count(), options.optimizer);
  std::vector<T> gradient(trained.parameter_count());
  std::vector<T> batch_states;
  std::vector<double> batch_labels;
  for (std::size_t epoch = 0; epoch < options.epochs; ++epoch) {
    shuffle(rng, order);
    double sum = 0.0;
    std::size_t batches = 0;
    for (std::size_t first = 0; first < order.size(); first += options.batch_size) {
      const std::size_t size = order.size() - first < options.batch_size ? order.size() - first : options.batch_size;
      batch_states.clear();
      batch_labels.clear();
      for (std::size_t i = first; i < first + size; ++i) {
        const auto row = states.row(order[i]);
        batch_states.insert(batch_states.end(), row.begin(), row.end());
        batch_labels.push_back(labels[order[i]]);
      }
      sum += trained.loss_gradient(matrix_view<const T>(batch_states.data(), size, states.cols()), batch_labels, gradient, work, {},
                                   options.loss);
      optimizer.step(trained.parameters(), gradient);
      ++batches;
    }
    result.epoch_loss.push_back(sum / static_cast<double>(batches));
  }
  result.steps = optimizer.steps_taken();
  trained.forward(states, all_logits, work);
  result.final_loss = static_cast<double>(acceptance_loss<T>(all_logits, labels, mask, options.loss));
  result.final_kl = mean_binary_kl<T>(all_logits, labels, mask);
  head = trained;
  rollback.keep();
  return result;
}

}  // namespace gavel::speculative
