// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/schedule/detail/preset_parts.hpp>
#include <gavel/schedule/horizon_free.hpp>
#include <gavel/schedule/plateau.hpp>
#include <gavel/schedule/rate_schedule.hpp>
#include <gavel/schedule/sequence.hpp>

#include <concepts>
#include <cstdint>
#include <vector>

/// @file
/// The schedulers of `torch.optim.lr_scheduler` by name, composed of native schedules: `rate(t)` is the rate of optimiser step t, counted from
/// 0, that PyTorch gives when `scheduler.step()` follows each `optimizer.step()`. Only the closed forms: the recursive forms drift by rounding
/// and go wrong when somebody edits the rate.
///
/// Where ours departs, on purpose:
/// - Past its end a schedule holds its end value. `CosineAnnealingLR` climbs again after T_max (`cosine_annealing_lr_rebounding` reproduces
///   it); `OneCycleLR` overshoots at step `total_steps` and raises one step later.
/// - What PyTorch divides by zero on, or takes silently, is refused: each function says what.
///
/// These are Python's schedulers: libtorch's C++ `torch::optim::StepLR` (1.13) drops every
/// time one step later, at t = step_size + 1, 2 step_size + 1, ...: it is `step_lr` read at t - 1.
///
/// Errors of every function: std::invalid_argument for an option outside its range, std::domain_error for NaN.
///
/// @par Source
/// PyTorch, torch/optim/lr_scheduler.py: the closed forms, which have not changed since 1.13.

namespace gavel::schedule::pytorch {

/// Parameters of `constant_lr`.
struct constant_lr_options {
  double base_lr = 1.0;           ///< rate of the optimiser; finite, >= 0
  double factor = 1.0 / 3.0;      ///< in [0, 1]
  std::uint64_t total_iters = 5;  ///< steps at the lower rate, at most 2^53

  friend bool operator==(const constant_lr_options&, const constant_lr_options&) = default;
};

/// `ConstantLR`: base factor for the steps before total_iters, then base.
[[nodiscard]] constexpr sequence<constant_rate, constant_rate> constant_lr(const constant_lr_options& options) {
  constexpr const char* function = "gavel::schedule::pytorch::constant_lr";
  check_not_negative(function, "base_lr", options.base_lr);
  check_unit_interval(function, "factor", options.factor);
  check_at_most(function, "total_iters", options.total_iters, max_steps);
  return {constant_rate(options.base_lr * options.factor), options.total_iters, constant_rate(options.base_lr)};
}

/// Parameters of `linear_lr`.
struct linear_lr_options {
  double base_lr = 1.0;             ///< rate of the optimiser; finite, >= 0
  double start_factor = 1.0 / 3.0;  ///< in (0, 1]
  double end_factor = 1.0;          ///< in [0, 1]
  std::uint64_t total_iters = 5;    ///< step that reaches end_factor, at most 2^53; 0 is there at once (PyTorch divides by zero)

  friend bool operator==(const linear_lr_options&, const linear_lr_options&) = default;
};

/// `LinearLR`: a straight ramp from base start_factor at step 0 to base end_factor at step total_iters.
[[nodiscard]] constexpr ramp<> linear_lr(const linear_lr_options& options) {
  constexpr const char* function = "gavel::schedule::pytorch::linear_lr";
  check_not_negative(function, "base_lr", options.base_lr);
  check_unit_interval(function, "start_factor", options.start_factor, unit_ends::one_only);
  check_unit_interval(function, "end_factor", options.end_factor);
  check_at_most(function, "total_iters", options.total_iters, max_steps);
  return ramp<>({.from = options.base_lr * options.start_factor, .to = options.base_lr * options.end_factor, .steps = options.total_iters});
}

/// Parameters of `polynomial_lr`.
struct polynomial_lr_options {
  double base_lr = 1.0;           ///< rate of the optimiser; finite, >= 0
  std::uint64_t total_iters = 5;  ///< step that reaches 0, in [1, 2^53]
  double power = 1.0;             ///< finite, > 0

  friend bool operator==(const polynomial_lr_options&, const polynomial_lr_options&) = default;
};

/// `PolynomialLR`: base (1 - t / total_iters)^power, then 0.
[[nodiscard]] constexpr detail::power_decay polynomial_lr(const polynomial_lr_options& options) {
  constexpr const char* function = "gavel::schedule::pytorch::polynomial_lr";
  check_not_negative(function, "base_lr", options.base_lr);
  detail::check_steps(function, "total_iters", options.total_iters);
  check_positive(function, "power", options.power);
  return detail::power_decay({.from = options.base_lr, .to = 0.0, .steps = options.total_iters, .power = options.power});
}

/// Parameters of `exponential_lr`.
struct exponential_lr_options {
  double base_lr = 1.0;  ///< rate of the optimiser; finite, >= 0
  double gamma = 0.0;    ///< required, > 0

  friend bool operator==(const exponential_lr_options&, const exponential_lr_options&) = default;
};

/// `ExponentialLR`: base gamma^t.
[[nodiscard]] constexpr exponential_decay exponential_lr(const exponential_lr_options& options) {
  constexpr const char* function = "gavel::schedule::pytorch::exponential_lr";
  check_not_negative(function, "base_lr", options.base_lr);
  check_positive(function, "gamma", options.gamma);
  return exponential_decay({.base_rate = options.base_lr, .factor = options.gamma, .period = 1.0});
}

/// Parameters of `step_lr`.
struct step_lr_options {
  double base_lr = 1.0;         ///< rate of the optimiser; finite, >= 0
  std::uint64_t step_size = 0;  ///< required, in [1, 2^53]
  double gamma = 0.1;           ///< > 0

  friend bool operator==(const step_lr_options&, const step_lr_options&) = default;
};

/// `StepLR`: base gamma^floor(t / step_size).
[[nodiscard]] constexpr exponential_decay step_lr(const step_lr_options& options) {
  constexpr const char* function = "gavel::schedule::pytorch::step_lr";
  check_not_negative(function, "base_lr", options.base_lr);
  detail::check_steps(function, "step_size", options.step_size);
  check_positive(function, "gamma", options.gamma);
  return exponential_decay(
      {.base_rate = options.base_lr, .factor = options.gamma, .period = detail::real(options.step_size), .staircase = true});
}

/// Parameters of `multi_step_lr`.
struct multi_step_lr_options {
  double base_lr = 1.0;                           ///< rate of the optimiser; finite, >= 0
  piecewise_constant::step_list milestones = {};  ///< required; at most 32, not decreasing; one that stands twice counts twice
  double gamma = 0.1;                             ///< > 0

  friend bool operator==(const multi_step_lr_options&, const multi_step_lr_options&) = default;
};

/// `MultiStepLR`: base gamma^(number of milestones <= t), so the step of a milestone already has the new rate. PyTorch sorts the milestones;
/// ours refuses them unsorted.
[[nodiscard]] constexpr piecewise_constant multi_step_lr(const multi_step_lr_options& options) {
  constexpr const char* function = "gavel::schedule::pytorch::multi_step_lr";
  check_not_negative(function, "base_lr", options.base_lr);
  check_positive(function, "gamma", options.gamma);
  return detail::multi_step(function, "milestones", options.base_lr, options.gamma, options.milestones);
}

/// Parameters of `cosine_annealing_lr` and `cosine_annealing_lr_rebounding`.
struct cosine_annealing_lr_options {
  double base_lr = 1.0;     ///< rate of the optimiser; finite, >= 0
  std::uint64_t t_max = 0;  ///< required; step that reaches eta_min, in [1, 2^53]
  double eta_min = 0.0;     ///< in [0, base_lr]

  friend bool operator==(const cosine_annealing_lr_options&, const cosine_annealing_lr_options&) = default;
};

/// `CosineAnnealingLR`: half a cosine wave from base at step 0 to eta_min at step T_max, and eta_min from there on. With T_max the length of
/// the run, its last step T_max - 1 is not at eta_min yet.
[[nodiscard]] constexpr profile_schedule<cosine> cosine_annealing_lr(const cosine_annealing_lr_options& options) {
  constexpr const char* function = "gavel::schedule::pytorch::cosine_annealing_lr";
  check_not_negative(function, "base_lr", options.base_lr);
  detail::check_steps(function, "t_max", options.t_max);
  detail::check_minimum(function, "eta_min", options.eta_min, "base_lr", options.base_lr);
  return stretch(cosine{}, {.steps = options.t_max, .base_rate = options.base_lr, .minimum_rate = options.eta_min});
}

/// `CosineAnnealingLR` as PyTorch goes on after T_max: up again to base at 2 T_max, and so on forever. To port a run that trained past T_max.
[[nodiscard]] constexpr cosine_wave cosine_annealing_lr_rebounding(const cosine_annealing_lr_options& options) {
  constexpr const char* function = "gavel::schedule::pytorch::cosine_annealing_lr_rebounding";
  check_not_negative(function, "base_lr", options.base_lr);
  detail::check_steps(function, "t_max", options.t_max);
  detail::check_minimum(function, "eta_min", options.eta_min, "base_lr", options.base_lr);
  return cosine_wave({.base_rate = options.base_lr, .minimum_rate = options.eta_min, .half_wave = detail::real(options.t_max)});
}

/// Parameters of `cosine_annealing_warm_restarts`.
struct cosine_annealing_warm_restarts_options {
  double base_lr = 1.0;      ///< rate of the optimiser; finite, >= 0
  std::uint64_t t_0 = 0;     ///< required; length of the first cycle, in [1, 2^53]
  std::uint64_t t_mult = 1;  ///< each cycle is so many times as long as the one before, >= 1
  double eta_min = 0.0;      ///< in [0, base_lr]

  friend bool operator==(const cosine_annealing_warm_restarts_options&, const cosine_annealing_warm_restarts_options&) = default;
};

/// `CosineAnnealingWarmRestarts`: cycles of T_0 T_mult^i steps from base towards eta_min, which no step trains with: step T_0 restarts.
[[nodiscard]] constexpr warm_restarts<cosine> cosine_annealing_warm_restarts(const cosine_annealing_warm_restarts_options& options) {
  constexpr const char* function = "gavel::schedule::pytorch::cosine_annealing_warm_restarts";
  check_not_negative(function, "base_lr", options.base_lr);
  detail::check_steps(function, "t_0", options.t_0);
  detail::check_steps(function, "t_mult", options.t_mult);
  detail::check_minimum(function, "eta_min", options.eta_min, "base_lr", options.base_lr);
  return warm_restarts<cosine>({.base_rate = options.base_lr,
                                .minimum_rate = options.eta_min,
                                .first_steps = detail::real(options.t_0),
                                .length_ratio = detail::real(options.t_mult)});
}

/// Parameters of `one_cycle_lr`.
struct one_cycle_lr_options {
  using strategy = one_cycle_options::curve;
  double max_lr = 1.0;                          ///< rate at the peak; finite, >= 0
  std::uint64_t total_steps = 0;                ///< required, T, in [1, 2^53]; epochs times steps per epoch
  double pct_start = 0.3;                       ///< share of the steps that rise, in [0, 1]; the peak stands at step pct_start T - 1
  strategy anneal_strategy = strategy::cosine;  ///< `strategy::cosine` or `strategy::linear`
  double div_factor = 25.0;                     ///< the first rate is max_lr / div_factor, >= 1
  double final_div_factor = 1e4;                ///< the last rate is the first / final_div_factor, >= 1
  bool three_phase = false;                     ///< back to the first rate, at step 2 pct_start T - 2, before the last phase

  friend bool operator==(const one_cycle_lr_options&, const one_cycle_lr_options&) = default;
};

/// `OneCycleLR`: from max_lr / div_factor at step 0 over max_lr at step pct_start T - 1, which need not be whole, down to the least rate at the
/// last step T - 1, held from there on.
///
/// With pct_start T < 1, as in runs of 1 to 3 steps, the peak stands before step 0 and the run starts on the way down, a run of one step at its
/// end. PyTorch divides by zero for pct_start T = 1, where ours starts at the peak, or with three phases at the first rate; at step T it
/// extrapolates back up. Momentum is not cycled: see solvers/optimizers.hpp.
/// @throws std::invalid_argument also for three phases if 2 pct_start T >= T + 1
[[nodiscard]] constexpr profile_schedule<one_cycle, every_step, inclusive> one_cycle_lr(const one_cycle_lr_options& options) {
  constexpr const char* function = "gavel::schedule::pytorch::one_cycle_lr";
  check_not_negative(function, "max_lr", options.max_lr);
  detail::check_steps(function, "total_steps", options.total_steps);
  check_unit_interval(function, "pct_start", options.pct_start);
  check_finite(function, "div_factor", options.div_factor);
  check_at_least(function, "div_factor", options.div_factor, 1.0);
  check_finite(function, "final_div_factor", options.final_div_factor);
  check_at_least(function, "final_div_factor", options.final_div_factor, 1.0);
  const double steps = detail::real(options.total_steps);
  const double rise = options.pct_start * steps;
  if (options.three_phase && !(2.0 * rise < steps + 1.0)) {
    refuse(function, "2 * pct_start * total_steps", 2.0 * rise, "must be < total_steps + 1 =", steps + 1.0);
  }
  const bool one_step = options.total_steps == 1;
  const one_cycle shape({.peak_at = one_step ? 0.0 : (rise - 1.0) / (steps - 1.0),
                         .start_divisor = options.div_factor,
                         .final_divisor = options.final_div_factor,
                         .anneal = options.anneal_strategy,
                         .three_phase = options.three_phase});
  const double last = one_step ? options.max_lr / options.div_factor / options.final_div_factor : 0.0;
  return stretch(shape, {.steps = options.total_steps, .base_rate = one_step ? last : options.max_lr, .minimum_rate = last}, every_step{},
                 inclusive{});
}

/// Parameters of `cyclic_lr`.
struct cyclic_lr_options {
  using shape = cyclic_options::amplitude;
  double base_lr = 0.0;               ///< required; rate at both ends of a cycle; finite, >= 0
  double max_lr = 0.0;                ///< required; rate at its top; finite, >= base_lr
  std::uint64_t step_size_up = 2000;  ///< steps up, in [1, 2^52]
  std::uint64_t step_size_down = 0;   ///< steps down, at most 2^52; 0 means step_size_up
  shape mode = shape::triangular;     ///< `triangular`, `triangular2` or `exp_range`
  double gamma = 1.0;                 ///< exp_range only, > 0; above 1 the triangles grow forever

  friend bool operator==(const cyclic_lr_options&, const cyclic_lr_options&) = default;
};

/// `CyclicLR`: triangles, base_lr at step 0, max_lr at step step_size_up. Whole step sizes only; no scale function of your own and no momentum.
[[nodiscard]] constexpr cyclic cyclic_lr(const cyclic_lr_options& options) {
  constexpr const char* function = "gavel::schedule::pytorch::cyclic_lr";
  constexpr std::uint64_t longest = max_steps / 2;
  check_not_negative(function, "max_lr", options.max_lr);
  detail::check_minimum(function, "base_lr", options.base_lr, "max_lr", options.max_lr);
  check_at_least(function, "step_size_up", options.step_size_up, 1);
  check_at_most(function, "step_size_up", options.step_size_up, longest);
  check_at_most(function, "step_size_down", options.step_size_down, longest);
  check_positive(function, "gamma", options.gamma);
  return cyclic({.base_rate = options.base_lr,
                 .peak_rate = options.max_lr,
                 .rising_steps = options.step_size_up,
                 .falling_steps = options.step_size_down == 0 ? options.step_size_up : options.step_size_down,
                 .mode = options.mode,
                 .gamma = options.gamma});
}

/// Parameters of `reduce_lr_on_plateau`.
struct reduce_lr_on_plateau_options {
  using goal = plateau_goal;
  double base_lr = 1.0;         ///< rate of the optimiser; finite, >= 0
  goal mode = goal::minimize;   ///< which way the metric improves
  double factor = 0.1;          ///< in [0, 1)
  std::uint64_t patience = 10;  ///< readings in a row without improvement that are forgiven
  double threshold = 1e-4;      ///< finite, >= 0; relative minimising: < 1
  bool relative = true;         ///< threshold_mode: "rel", or "abs"
  std::uint64_t cooldown = 0;   ///< readings after a reduction that are not counted against it
  double min_lr = 0.0;          ///< in [0, base_lr]
  double eps = 1e-8;            ///< a reduction by no more than this is not made; finite, >= 0

  friend bool operator==(const reduce_lr_on_plateau_options&, const reduce_lr_on_plateau_options&) = default;
};

/// `ReduceLROnPlateau` with PyTorch's thresholds. With a relative one a metric below 0 (a log-likelihood) may worsen and still count as better,
/// so that a constant one never lowers the rate, and a rate of `eps` stays where it is: `plateau` mends both. Feed it by `update(metric)`.
/// @throws as the constructor of `plateau`, by its names
[[nodiscard]] constexpr plateau reduce_lr_on_plateau(const reduce_lr_on_plateau_options& options) {
  return plateau(options.base_lr, {.goal = options.mode,
                                   .factor = options.factor,
                                   .patience = options.patience,
                                   .threshold = options.threshold,
                                   .threshold_mode = options.relative ? plateau_threshold::signed_relative : plateau_threshold::absolute,
                                   .cooldown = options.cooldown,
                                   .minimum_rate = options.min_lr,
                                   .least_change = 0.0,
                                   .least_absolute_change = options.eps});
}

/// `SequentialLR` of two: the first before @p milestone, then the second from its own step 0. It is `sequence` by PyTorch's name and nests for
/// more parts.
template <rate_schedule First, rate_schedule Second>
[[nodiscard]] constexpr sequence<First, Second> sequential_lr(First first, std::uint64_t milestone, Second second) {
  return {first, milestone, second};
}

/// `ChainedScheduler` of two: their factors multiply. It is `product` by PyTorch's name: give base_lr to one of them and leave it 1 in the
/// others, else it counts twice. Only for the schedulers that PyTorch defines by factors (constant, linear, polynomial, exponential, step,
/// multi-step, lambda), not for those with a minimum rate.
template <rate_schedule First, rate_schedule Second>
[[nodiscard]] constexpr product<First, Second> chained_scheduler(First first, Second second) {
  return {first, second};
}

/// A factor that a function of yours gives for a step: `double(std::uint64_t)`.
template <class F>
concept step_factor = std::copy_constructible<F> && requires(const F& factor, std::uint64_t step) {
  { factor(step) } -> std::convertible_to<double>;
};

/// Any factor of the step, times a base rate.
template <step_factor Factor>
class lambda_schedule {
 public:
  constexpr lambda_schedule(double base_lr, Factor factor) : base_lr_(base_lr), factor_(factor) {
    check_not_negative("gavel::schedule::pytorch::lambda_lr", "base_lr", base_lr);
  }
  /// @throws std::domain_error for a factor that is NaN
  [[nodiscard]] constexpr double rate(std::uint64_t step) const {
    return base_lr_ * schedule::detail::checked("gavel::schedule::pytorch::lambda_lr", "factor(t)", static_cast<double>(factor_(step)));
  }
  friend bool operator==(const lambda_schedule&, const lambda_schedule&) = default;

 private:
  double base_lr_;
  schedule::detail::stored<Factor> factor_;
};

/// `LambdaLR`: base_lr factor(t).
/// @param base_lr rate of the optimiser; finite, >= 0
/// @param factor  of the step; a lambda, with captures or without
template <step_factor Factor>
[[nodiscard]] constexpr lambda_schedule<Factor> lambda_lr(double base_lr, Factor factor) {
  return {base_lr, factor};
}

/// `MultiplicativeLR`: base_lr factor(1) factor(2) ... factor(t). The product has no closed form, so this is a table of the first @p steps
/// rates, the last of which is held.
/// @param base_lr rate of the optimiser; finite, >= 0
/// @param steps   how many rates to compute, >= 1
/// @param factor  of the step, never asked for step 0
/// @throws std::invalid_argument, std::domain_error also for a product that is negative, infinite or NaN
/// @note O(steps) once; allocates the table.
template <step_factor Factor>
[[nodiscard]] table multiplicative_lr(double base_lr, std::uint64_t steps, Factor factor) {
  constexpr const char* function = "gavel::schedule::pytorch::multiplicative_lr";
  check_not_negative(function, "base_lr", base_lr);
  detail::check_steps(function, "steps", steps);
  std::vector<double> rates(steps, base_lr);
  for (std::size_t t = 1; t < rates.size(); ++t) rates[t] = rates[t - 1] * static_cast<double>(factor(std::uint64_t{t}));
  return table(rates);
}

}  // namespace gavel::schedule::pytorch
