// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/numerics.hpp>
#include <gavel/solvers/optimizers.hpp>

#include <Eigen/Core>

#include <cstddef>
#include <span>
#include <type_traits>

/// @file
/// The few pieces of which small networks are made: a dense layer with its backward pass, and SiLU. Parameters of a whole network live in
/// one flat vector, so that an optimiser (`optimizers.hpp`), a gradient check or a file sees plain numbers; layers are views into it.

namespace gavel {

/// x sigmoid(x), the "sigmoid linear unit" (swish). Also for automatic-differentiation scalars.
/// @par Source
/// Elfwing, Uchibe, Doya, 2017, arXiv 1702.03118.
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
  dense_layer(kept_view<T> parameters, std::size_t outputs, std::size_t inputs)
      : data_(parameters.data()), outputs_(static_cast<index>(outputs)), inputs_(static_cast<index>(inputs)) {
    constexpr const char* function = "gavel::dense_layer";
    check_at_least(function, "outputs", outputs, 1);
    check_at_least(function, "inputs", inputs, 1);
    check_at_least(function, "parameters.size()", parameters.size(), parameter_count(outputs, inputs));
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

}  // namespace gavel
