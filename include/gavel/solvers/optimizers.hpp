// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/reset_on_move.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

/// @file
/// Gradient optimisers as values over one flat parameter vector: SGD with momentum and Adam(W), the updates of PyTorch. A learning-rate
/// schedule is not built in; the rate that it gives for the step is the last argument of `step`:
/// `optimizer.step(parameters, gradient, schedule.rate(t))`. Momentum and weight decay may have schedules of their own, which are read the same
/// way; PyTorch's OneCycleLR, for one, swings momentum against the rate:
///
///     const one_cycle shape({.peak_at = (0.3 * T - 1.0) / (T - 1.0), .start_divisor = infinity, .final_divisor = 1.0});
///     const auto cycle = stretch(shape, {.steps = T}, every_step{}, inclusive{});  // from 0 over 1 to 0
///     optimizer.step(parameters, gradient, {.rate = rates.rate(t), .momentum = 0.95 - (0.95 - 0.85) * cycle.rate(t)});

namespace gavel {

/// Anything that moves parameters against their gradient: `step(parameters, gradient, rate)` takes one step of size @p rate that lowers the
/// loss, both spans of the size the optimiser was made for. Regular, so that a run can be copied, compared and resumed.
template <class O, class T>
concept gradient_optimizer =
    std::floating_point<T> && std::regular<O> && requires(O& optimizer, std::span<T> parameters, std::span<const T> gradient, double rate) {
      optimizer.step(parameters, gradient, rate);
    };

/// What the `step` of an optimiser of @p size parameters refuses before it changes anything: other sizes, a rate that is not finite and
/// >= 0. Errors as in check.hpp.
inline void check_optimizer_step(const char* function, std::size_t parameters, std::size_t gradient, std::size_t size, double rate) {
  check_size(function, "parameters.size()", parameters, "size", size);
  check_size(function, "gradient.size()", gradient, "size", size);
  check_not_negative(function, "rate", rate);
}

/// What one step takes instead of the settings that the optimiser was made with.
struct optimizer_step_options {
  double rate = 0.0;                                  ///< step size, finite, >= 0
  std::optional<double> momentum = std::nullopt;      ///< in [0, 1): mu of `sgd`, which must have been made with momentum; beta1 of `adam`
  std::optional<double> weight_decay = std::nullopt;  ///< finite, >= 0

  friend bool operator==(const optimizer_step_options&, const optimizer_step_options&) = default;
};

/// What a `step` with settings of its own refuses, besides the above.
inline void check_optimizer_step(const char* function, std::size_t parameters, std::size_t gradient, std::size_t size,
                                 const optimizer_step_options& now) {
  check_optimizer_step(function, parameters, gradient, size, now.rate);
  if (now.momentum) check_unit_interval(function, "momentum", *now.momentum, unit_ends::zero_only);
  if (now.weight_decay) check_not_negative(function, "weight_decay", *now.weight_decay);
}

/// Settings of `sgd`.
struct sgd_options {
  double learning_rate = 1e-3;  ///< step size where `step` gets none, finite, >= 0
  double momentum = 0.0;        ///< mu: what is left of the velocity after a step, in [0, 1); 0: none, and no memory for it
  bool nesterov = false;        ///< look ahead along the velocity; needs momentum > 0
  double weight_decay = 0.0;    ///< coupled decay: weight_decay * p is added to the gradient (an L2 penalty), finite, >= 0

  friend bool operator==(const sgd_options&, const sgd_options&) = default;
};

/// All that changes in an `sgd`: store it with a checkpoint, give it to `restore`.
struct sgd_state {
  std::vector<double> velocity{};  ///< m, [size]; empty without momentum
  std::size_t steps = 0;           ///< steps taken

  friend bool operator==(const sgd_state&, const sgd_state&) = default;
};

/// Gradient descent with momentum (the heavy ball), as a value: the velocity of one flat parameter vector. Minimises. With gradient g,
/// parameters p, velocity m (0 at first), weight decay w and rate eta,
///
///     d = g + w p,   m <- mu m + d,   p <- p - eta m           (Nesterov: p <- p - eta (d + mu m)).
///
/// The numbers of `torch.optim.SGD` with `dampening=0`: the rate multiplies the velocity and is not inside it, so a schedule acts at once.
/// @tparam T float or double, the parameters' type; the velocity and all arithmetic are double
/// @par Source
/// Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and momentum in deep learning", ICML 2013, with the rate outside
/// the velocity, as PyTorch writes it.
template <std::floating_point T = double>
class sgd {
 public:
  sgd() = default;
  /// @param size number of parameters
  /// @throws std::invalid_argument for an option outside its range, std::domain_error for NaN
  explicit sgd(std::size_t size, const sgd_options& options = {}) : options_(options), size_(size) {
    constexpr const char* function = "gavel::sgd";
    check_not_negative(function, "learning_rate", options.learning_rate);
    check_unit_interval(function, "momentum", options.momentum, unit_ends::zero_only);
    if (options.nesterov && options.momentum == 0.0) refuse(function, "momentum", options.momentum, "must be > 0 for Nesterov's step");
    check_not_negative(function, "weight_decay", options.weight_decay);
    if (options.momentum > 0.0) state_.velocity.resize(size);
  }

  /// One step against @p gradient at `options().learning_rate`.
  void step(std::span<T> parameters, std::span<const T> gradient) { step(parameters, gradient, options_.learning_rate); }

  /// One step against @p gradient.
  /// @param parameters [size], moved in place
  /// @param gradient   [size], dloss/dparameters; what is not finite spreads to the parameters
  /// @param rate       step size, finite, >= 0, usually a schedule's value; 0 still feeds the velocity
  /// @throws std::invalid_argument if a size differs from the one given at construction, or for a rate out of range
  /// @throws std::domain_error for a rate of NaN; nothing changes where a call throws
  /// @note O(size); no allocation.
  void step(std::span<T> parameters, std::span<const T> gradient, double rate) { step(parameters, gradient, {.rate = rate}); }

  /// One step with a momentum and a weight decay of its own.
  /// @throws as above for what @p now sets, and std::invalid_argument for momentum > 0 where there is no memory for a velocity
  void step(std::span<T> parameters, std::span<const T> gradient, const optimizer_step_options& now) {
    constexpr const char* function = "gavel::sgd::step";
    check_optimizer_step(function, parameters.size(), gradient.size(), size_, now);
    const double momentum = now.momentum.value_or(options_.momentum);
    const double weight_decay = now.weight_decay.value_or(options_.weight_decay);
    if (momentum > 0.0 && options_.momentum == 0.0) refuse(function, "momentum", momentum, "must be 0 in an optimiser made without it");
    for (std::size_t i = 0; i < size_; ++i) {
      const auto value = static_cast<double>(parameters[i]);
      const double slope = static_cast<double>(gradient[i]) + weight_decay * value;
      double direction = slope;
      if (!state_.velocity.empty()) {
        double& velocity = state_.velocity[i];
        velocity = momentum * velocity + slope;
        direction = options_.nesterov ? slope + momentum * velocity : velocity;
      }
      parameters[i] = static_cast<T>(value - now.rate * direction);
    }
    ++state_.steps;
  }

  [[nodiscard]] std::size_t steps_taken() const noexcept { return state_.steps; }
  [[nodiscard]] const sgd_state& state() const noexcept { return state_; }
  [[nodiscard]] const sgd_options& options() const noexcept { return options_; }

  /// Continues from a stored state.
  /// @throws std::invalid_argument if the velocity has another size than this optimiser's or is not finite, std::domain_error if it is NaN;
  ///         nothing changes then
  void restore(const sgd_state& state) {
    constexpr const char* function = "gavel::sgd::restore";
    check_size(function, "state.velocity.size()", state.velocity.size(), "state().velocity.size()", state_.velocity.size());
    for (std::size_t i = 0; i < state.velocity.size(); ++i) check_finite(function, "state.velocity", state.velocity[i], i);
    state_ = state;
  }

  friend bool operator==(const sgd&, const sgd&) = default;

 private:
  sgd_options options_{};
  reset_on_move<std::size_t> size_;
  sgd_state state_;
};

/// Settings of `adam`.
struct adam_options {
  double learning_rate = 1e-3;  ///< step size where `step` gets none, finite, >= 0
  double beta1 = 0.9;           ///< decay of the mean gradient, in [0, 1)
  double beta2 = 0.999;         ///< decay of the mean square, in [0, 1)
  double epsilon = 1e-8;        ///< added to the root of the mean square, finite, > 0
  double weight_decay = 0.0;    ///< decoupled decay (AdamW): parameters shrink by rate * weight_decay * p per step, finite, >= 0

  friend bool operator==(const adam_options&, const adam_options&) = default;
};

/// All that changes in an `adam`: store it with a checkpoint, give it to `restore`.
struct adam_state {
  std::vector<double> mean{};    ///< m, [size]
  std::vector<double> square{};  ///< v, [size]
  std::size_t steps = 0;         ///< steps taken, t

  friend bool operator==(const adam_state&, const adam_state&) = default;
};

/// Adam with bias correction, as a value: the moments of one flat parameter vector. Minimises. With gradient g, parameters p, step number
/// t = 1, 2, ..., weight decay w and rate eta,
///
///     m <- b1 m + (1 - b1) g,   v <- b2 v + (1 - b2) g^2,
///     p <- p - eta (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon) + w p).
///
/// The numbers of `torch.optim.AdamW` (whose default weight decay is 0.01, not 0), and without decay of `torch.optim.Adam` (whose own
/// `weight_decay` is an L2 penalty on the gradient, which this class does not offer).
/// @tparam T float or double, the parameters' type; the moments and all arithmetic are double
/// @par Source
/// Kingma, Ba, "Adam: A Method for Stochastic Optimization", 2014, arXiv 1412.6980, algorithm 1; decoupled weight decay as in Loshchilov,
/// Hutter, 2017, arXiv 1711.05101.
template <std::floating_point T = double>
class adam {
 public:
  adam() = default;
  /// @param size number of parameters
  /// @throws std::invalid_argument for an option outside its range, std::domain_error for NaN
  explicit adam(std::size_t size, const adam_options& options = {})
      : options_(options), state_{std::vector<double>(size), std::vector<double>(size)} {
    constexpr const char* function = "gavel::adam";
    check_not_negative(function, "learning_rate", options.learning_rate);
    check_unit_interval(function, "beta1", options.beta1, unit_ends::zero_only);
    check_unit_interval(function, "beta2", options.beta2, unit_ends::zero_only);
    check_positive(function, "epsilon", options.epsilon);
    check_not_negative(function, "weight_decay", options.weight_decay);
  }

  /// One step against @p gradient at `options().learning_rate`.
  void step(std::span<T> parameters, std::span<const T> gradient) { step(parameters, gradient, options_.learning_rate); }

  /// One step against @p gradient.
  /// @param parameters [size], moved in place
  /// @param gradient   [size], dloss/dparameters; what is not finite spreads to the parameters
  /// @param rate       step size, finite, >= 0, usually a schedule's value; 0 still feeds the moments
  /// @throws std::invalid_argument if a size differs from the one given at construction, or for a rate out of range
  /// @throws std::domain_error for a rate of NaN; nothing changes where a call throws
  /// @note O(size); no allocation.
  void step(std::span<T> parameters, std::span<const T> gradient, double rate) { step(parameters, gradient, {.rate = rate}); }

  /// One step with a beta1 (`momentum`) and a weight decay of its own; the bias correction takes this step's beta1, as PyTorch's does.
  /// @throws as above for what @p now sets
  void step(std::span<T> parameters, std::span<const T> gradient, const optimizer_step_options& now) {
    check_optimizer_step("gavel::adam::step", parameters.size(), gradient.size(), state_.mean.size(), now);
    const double beta1 = now.momentum.value_or(options_.beta1);
    const double weight_decay = now.weight_decay.value_or(options_.weight_decay);
    const auto time = static_cast<double>(++state_.steps);
    const double mean_correction = 1.0 - std::pow(beta1, time);
    const double square_correction = 1.0 - std::pow(options_.beta2, time);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const auto slope = static_cast<double>(gradient[i]);
      double& mean = state_.mean[i];
      double& square = state_.square[i];
      mean = beta1 * mean + (1.0 - beta1) * slope;
      square = options_.beta2 * square + (1.0 - options_.beta2) * slope * slope;
      const double direction = mean / mean_correction / (std::sqrt(square / square_correction) + options_.epsilon);
      const auto value = static_cast<double>(parameters[i]);
      parameters[i] = static_cast<T>(value - now.rate * (direction + weight_decay * value));
    }
  }

  [[nodiscard]] std::size_t steps_taken() const noexcept { return state_.steps; }
  [[nodiscard]] const adam_state& state() const noexcept { return state_; }
  [[nodiscard]] const adam_options& options() const noexcept { return options_; }

  /// Continues from a stored state.
  /// @throws std::invalid_argument if a moment has another size than this optimiser's or is not finite, or a square is < 0; std::domain_error
  ///         for NaN; nothing changes then
  void restore(const adam_state& state) {
    constexpr const char* function = "gavel::adam::restore";
    check_size(function, "state.mean.size()", state.mean.size(), "size", state_.mean.size());
    check_size(function, "state.square.size()", state.square.size(), "size", state_.square.size());
    for (std::size_t i = 0; i < state.mean.size(); ++i) {
      check_finite(function, "state.mean", state.mean[i], i);
      check_not_negative(function, "state.square", state.square[i], i);
    }
    state_ = state;
  }

  friend bool operator==(const adam&, const adam&) = default;

 private:
  adam_options options_{};
  adam_state state_;
};

}  // namespace gavel
