// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/error.hpp>
#include <gavel/core/numerics.hpp>

#include <Eigen/Core>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

/// @file
/// The few pieces of which small networks are made: a dense layer with its backward pass, SiLU, and Adam. Parameters of a whole network
/// live in one flat vector, so that an optimiser, a gradient check or a file sees plain numbers; layers are views into it.

namespace gavel {

/// x sigmoid(x), the "sigmoid linear unit" (swish). Also for automatic-differentiation scalars.
template <class T>
[[nodiscard]] inline T silu(const T& x) {
  return x * sigmoid(x);
}

/// Its derivative: s + x s (1 - s) with s = sigmoid(x).
template <class T>
[[nodiscard]] inline T silu_slope(const T& x) {
  return sigmoid(x) + x * sigmoid_slope(x);
}

/// A dense layer y = W x + b as a view of `parameter_count(outputs, inputs)` numbers: W `[outputs, inputs]` column by column, then b.
/// Batches are matrices whose columns are samples, the layout of row-major `[samples, features]` memory.
/// @tparam T float or double; `const T` for a view that is only read
template <class T>
class dense_layer {
 public:
  using scalar = std::remove_const_t<T>;
  using index = Eigen::Index;
  using matrix = Eigen::Matrix<scalar, Eigen::Dynamic, Eigen::Dynamic>;
  using vector = Eigen::Matrix<scalar, Eigen::Dynamic, 1>;
  template <class M>
  using mapped = Eigen::Map<std::conditional_t<std::is_const_v<T>, const M, M>>;

  [[nodiscard]] static constexpr std::size_t parameter_count(std::size_t outputs, std::size_t inputs) noexcept {
    return outputs * inputs + outputs;
  }

  /// @param parameters at least `parameter_count(outputs, inputs)` numbers that outlive the view; the first ones are used
  /// @throws std::invalid_argument if there are fewer, or outputs or inputs is 0
  dense_layer(std::span<T> parameters, std::size_t outputs, std::size_t inputs)
      : data_(parameters.data()), outputs_(static_cast<index>(outputs)), inputs_(static_cast<index>(inputs)) {
    constexpr const char* function = "gavel::dense_layer";
    if (outputs == 0) invalid_argument(function, "outputs", outputs, "must be >= 1");
    if (inputs == 0) invalid_argument(function, "inputs", inputs, "must be >= 1");
    if (parameters.size() < parameter_count(outputs, inputs)) {
      invalid_argument(function, "parameters.size()", parameters.size(), "must be >=", parameter_count(outputs, inputs));
    }
  }

  [[nodiscard]] mapped<matrix> weights() const noexcept { return {data_, outputs_, inputs_}; }
  [[nodiscard]] mapped<vector> bias() const noexcept { return {data_ + outputs_ * inputs_, outputs_}; }
  [[nodiscard]] std::size_t outputs() const noexcept { return static_cast<std::size_t>(outputs_); }
  [[nodiscard]] std::size_t inputs() const noexcept { return static_cast<std::size_t>(inputs_); }

  /// y = W x + b for every column.
  /// @param x `[inputs, n]`
  /// @param y `[outputs, n]`, overwritten; may not overlap @p x
  /// @note No allocation for n = 1 with contiguous columns; larger products may use Eigen's blocking buffers. Sizes are unchecked.
  template <class X, class Y>
  void forward(const X& x, Y&& y) const {
    y.noalias() = weights() * x;
    y.colwise() += bias();
  }

  /// Adds dL/dW and dL/db to @p gradient, a view of the same shape (adding is what shared weights and several losses need).
  /// @param x       `[inputs, n]` what `forward` read
  /// @param y_slope `[outputs, n]` dL/dy
  template <class X, class Y>
  static void accumulate_gradient(const X& x, const Y& y_slope, const dense_layer<scalar>& gradient) {
    gradient.weights().noalias() += y_slope * x.transpose();
    gradient.bias() += y_slope.rowwise().sum();
  }

  /// dL/dx = W' dL/dy, overwritten; may not overlap @p y_slope.
  template <class Y, class X>
  void backward(const Y& y_slope, X&& x_slope) const {
    x_slope.noalias() = weights().transpose() * y_slope;
  }

 private:
  T* data_;
  index outputs_;
  index inputs_;
};

/// Settings of `adam`.
struct adam_options {
  double learning_rate = 1e-3;  ///< step size, finite, >= 0
  double beta1 = 0.9;           ///< decay of the mean gradient, in [0, 1)
  double beta2 = 0.999;         ///< decay of the mean square, in [0, 1)
  double epsilon = 1e-8;        ///< added to the root of the mean square, > 0
  double weight_decay = 0.0;    ///< decoupled decay (AdamW): parameters shrink by learning_rate * weight_decay per step, >= 0

  friend bool operator==(const adam_options&, const adam_options&) = default;
};

/// Adam with bias correction, as a value: the moments of one flat parameter vector. Minimises.
/// @par Source Kingma, Ba, "Adam: A Method for Stochastic Optimization", 2014, arXiv 1412.6980, algorithm 1; decoupled weight decay as in
///             Loshchilov, Hutter, 2017, arXiv 1711.05101.
template <std::floating_point T = double>
class adam {
 public:
  adam() = default;
  /// @param size number of parameters
  /// @throws std::invalid_argument for an option outside its range (NaN included)
  explicit adam(std::size_t size, const adam_options& options = {}) : options_(options), mean_(size), square_(size) {
    constexpr const char* function = "gavel::adam";
    const auto decay_ok = [](double beta) { return beta >= 0.0 && beta < 1.0; };
    if (!(options.learning_rate >= 0.0 && std::isfinite(options.learning_rate))) {
      invalid_argument(function, "learning_rate", options.learning_rate, "must be finite and >= 0");
    }
    if (!decay_ok(options.beta1)) invalid_argument(function, "beta1", options.beta1, "must be in [0, 1)");
    if (!decay_ok(options.beta2)) invalid_argument(function, "beta2", options.beta2, "must be in [0, 1)");
    if (!(options.epsilon > 0.0)) invalid_argument(function, "epsilon", options.epsilon, "must be > 0");
    if (!(options.weight_decay >= 0.0)) invalid_argument(function, "weight_decay", options.weight_decay, "must be >= 0");
  }

  /// One step against @p gradient.
  /// @throws std::invalid_argument if a size differs from the one given at construction; nothing is changed then
  /// @note O(size); no allocation.
  void step(std::span<T> parameters, std::span<const T> gradient) {
    constexpr const char* function = "gavel::adam::step";
    if (parameters.size() != mean_.size()) invalid_argument(function, "parameters.size()", parameters.size(), "must be", mean_.size());
    if (gradient.size() != mean_.size()) invalid_argument(function, "gradient.size()", gradient.size(), "must be", mean_.size());
    ++steps_;
    const auto time = static_cast<double>(steps_);
    const double mean_correction = 1.0 - std::pow(options_.beta1, time);
    const double square_correction = 1.0 - std::pow(options_.beta2, time);
    for (std::size_t i = 0; i < mean_.size(); ++i) {
      const auto slope = static_cast<double>(gradient[i]);
      mean_[i] = options_.beta1 * mean_[i] + (1.0 - options_.beta1) * slope;
      square_[i] = options_.beta2 * square_[i] + (1.0 - options_.beta2) * slope * slope;
      const double direction = mean_[i] / mean_correction / (std::sqrt(square_[i] / square_correction) + options_.epsilon);
      const auto value = static_cast<double>(parameters[i]);
      parameters[i] = static_cast<T>(value - options_.learning_rate * (direction + options_.weight_decay * value));
    }
  }

  [[nodiscard]] std::size_t steps() const noexcept { return steps_; }
  [[nodiscard]] const adam_options& options() const noexcept { return options_; }

  friend bool operator==(const adam&, const adam&) = default;

 private:
  adam_options options_{};
  std::vector<double> mean_;
  std::vector<double> square_;
  std::size_t steps_ = 0;
};

}  // namespace gavel
