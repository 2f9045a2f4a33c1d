// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/schedule/combinators.hpp>
#include <gavel/schedule/detail/preset_parts.hpp>
#include <gavel/schedule/horizon_free.hpp>
#include <gavel/schedule/sequence.hpp>

#include <cstdint>

/// @file
/// The schedulers of timm (PyTorch Image Models) by the names of its `--sched` option, composed of native schedules. `rate(t)` takes timm's t,
/// which counts EPOCHS by default (`t_in_epochs`): to train step by step with a rate per epoch, ask for `rate(step / steps_per_epoch)`.
///
/// All have a linear warm-up from warmup_lr_init at t = 0. Without `warmup_prefix` the decay counts from t = 0, so that its first W values are
/// never seen and the rate jumps down where the warm-up ends; with it the decay starts at t = W from the top.
///
/// As in timm, a `cycle_decay` < 1 takes the tops of late cycles below lr_min, and such a cycle rises to it.
///
/// Where ours departs, on purpose: noise on the rate is left out; the cycle of a growing restart is found by adding lengths, since timm's
/// logarithm is off by one at some boundaries; cycle_mul < 1, cycle_limit = 0 and a minimum above the base are refused. `plateau` is PyTorch's:
/// `pytorch::reduce_lr_on_plateau`.
///
/// Errors of every function: std::invalid_argument for an option outside its range, std::domain_error for NaN.
///
/// @par Source
/// timm, timm/scheduler: cosine_lr.py, poly_lr.py, tanh_lr.py, step_lr.py, multistep_lr.py, wsd_lr.py, as of 1.0.29. Earlier releases differ in
/// `multistep` alone, see `drop_early`.

namespace gavel::schedule::detail {

constexpr void check_timm_warmup(const char* function, double base_lr, std::uint64_t warmup_t, double warmup_lr_init) {
  check_not_negative(function, "base_lr", base_lr);
  check_at_most(function, "warmup_t", warmup_t, max_steps);
  check_not_negative(function, "warmup_lr_init", warmup_lr_init);
}

template <class Options>
constexpr void check_timm_cycles(const char* function, const Options& options) {
  check_timm_warmup(function, options.base_lr, options.warmup_t, options.warmup_lr_init);
  check_steps(function, "t_initial", options.t_initial);
  check_minimum(function, "lr_min", options.lr_min, "base_lr", options.base_lr);
  check_finite(function, "cycle_mul", options.cycle_mul);
  check_at_least(function, "cycle_mul", options.cycle_mul, 1.0);
  check_positive(function, "cycle_decay", options.cycle_decay);
  check_at_least(function, "cycle_limit", options.cycle_limit, 1);
}

template <class Options>
[[nodiscard]] constexpr warm_restarts_options timm_cycles(const Options& options) {
  return {.base_rate = options.base_lr,
          .minimum_rate = options.lr_min,
          .first_steps = real(options.t_initial),
          .length_ratio = options.cycle_mul,
          .height_ratio = options.cycle_decay,
          .cycles = options.cycle_limit};
}

/// Warm-up to @p target, then the main schedule from its start (prefix) or from where it is at t = W.
template <class Options, rate_schedule Main>
[[nodiscard]] constexpr sequence<ramp<>, ahead<Main>> timm_warmup(const Options& options, double target, Main main) {
  return {ramp<>({.from = options.warmup_lr_init, .to = target, .steps = options.warmup_t}), options.warmup_t,
          ahead<Main>(options.warmup_prefix ? 0 : options.warmup_t, main)};
}

}  // namespace gavel::schedule::detail

namespace gavel::schedule::timm {

/// Parameters of `cosine`.
struct cosine_options {
  double base_lr = 1.0;           ///< rate of the optimiser; finite, >= 0
  std::uint64_t t_initial = 0;    ///< required; length of the first cycle, in [1, 2^53]
  double lr_min = 0.0;            ///< in [0, base_lr]
  double cycle_mul = 1.0;         ///< each cycle is so many times as long as the one before, >= 1
  double cycle_decay = 1.0;       ///< base_lr is multiplied by this from cycle to cycle, > 0
  std::uint64_t cycle_limit = 1;  ///< after so many cycles lr_min is held, >= 1
  std::uint64_t warmup_t = 0;     ///< W
  double warmup_lr_init = 0.0;    ///< rate at t = 0 where there is a warm-up; finite, >= 0
  bool warmup_prefix = false;     ///< the decay starts after the warm-up, not under it
  double k_decay = 1.0;           ///< exponent on the progress within a cycle, finite, > 0

  friend bool operator==(const cosine_options&, const cosine_options&) = default;
};

/// `cosine`: warm-up to base_lr, then cycles lr_min + (base_lr cycle_decay^i - lr_min) (1 + cos(pi (t_i / T_i)^k)) / 2, then lr_min.
[[nodiscard]] constexpr sequence<ramp<>, detail::ahead<warm_restarts<bent<schedule::cosine>>>> cosine(const cosine_options& options) {
  constexpr const char* function = "gavel::schedule::timm::cosine";
  detail::check_timm_cycles(function, options);
  check_positive(function, "k_decay", options.k_decay);
  const bent<schedule::cosine> shape(options.k_decay, schedule::cosine{});
  return detail::timm_warmup(options, options.base_lr, warm_restarts<bent<schedule::cosine>>(detail::timm_cycles(options), shape));
}

/// Parameters of `poly`.
struct poly_options {
  double base_lr = 1.0;           ///< rate of the optimiser; finite, >= 0
  std::uint64_t t_initial = 0;    ///< required; length of the first cycle, in [1, 2^53]
  double power = 0.5;             ///< finite, > 0
  double lr_min = 0.0;            ///< in [0, base_lr]
  double cycle_mul = 1.0;         ///< each cycle is so many times as long as the one before, >= 1
  double cycle_decay = 1.0;       ///< base_lr is multiplied by this from cycle to cycle, > 0
  std::uint64_t cycle_limit = 1;  ///< after so many cycles lr_min is held, >= 1
  std::uint64_t warmup_t = 0;     ///< W
  double warmup_lr_init = 0.0;    ///< rate at t = 0 where there is a warm-up; finite, >= 0
  bool warmup_prefix = false;     ///< the decay starts after the warm-up, not under it
  double k_decay = 1.0;           ///< exponent on the progress within a cycle, finite, > 0

  friend bool operator==(const poly_options&, const poly_options&) = default;
};

/// `poly`: as `cosine` with the shape (1 - (t_i / T_i)^k)^power.
[[nodiscard]] constexpr sequence<ramp<>, detail::ahead<warm_restarts<bent<polynomial>>>> poly(const poly_options& options) {
  constexpr const char* function = "gavel::schedule::timm::poly";
  detail::check_timm_cycles(function, options);
  check_positive(function, "power", options.power);
  check_positive(function, "k_decay", options.k_decay);
  const bent<polynomial> shape(options.k_decay, polynomial(options.power));
  return detail::timm_warmup(options, options.base_lr, warm_restarts<bent<polynomial>>(detail::timm_cycles(options), shape));
}

/// Parameters of `tanh`.
struct tanh_options {
  double base_lr = 1.0;           ///< rate of the optimiser; finite, >= 0
  std::uint64_t t_initial = 0;    ///< required; length of the first cycle, in [1, 2^53]
  double lb = -7.0;               ///< lower end of the curve, finite
  double ub = 3.0;                ///< upper end, finite, > lb
  double lr_min = 0.0;            ///< in [0, base_lr]
  double cycle_mul = 1.0;         ///< each cycle is so many times as long as the one before, >= 1
  double cycle_decay = 1.0;       ///< base_lr is multiplied by this from cycle to cycle, > 0
  std::uint64_t cycle_limit = 1;  ///< after so many cycles lr_min is held, >= 1
  std::uint64_t warmup_t = 0;     ///< W
  double warmup_lr_init = 0.0;    ///< rate at t = 0 where there is a warm-up; finite, >= 0
  bool warmup_prefix = false;     ///< the decay starts after the warm-up, not under it

  friend bool operator==(const tanh_options&, const tanh_options&) = default;
};

/// `tanh`: as `cosine` with the shape (1 - tanh(lb (1 - u) + ub u)) / 2. Without `warmup_prefix` its warm-up aims at the decay's rate at t = W,
/// so here alone nothing jumps.
[[nodiscard]] constexpr sequence<ramp<>, detail::ahead<warm_restarts<hyperbolic_tangent>>> tanh(const tanh_options& options) {
  constexpr const char* function = "gavel::schedule::timm::tanh";
  detail::check_timm_cycles(function, options);
  check_finite(function, "lb", options.lb);
  check_finite(function, "ub", options.ub);
  check_greater(function, "ub", options.ub, "lb", options.lb);
  const warm_restarts<hyperbolic_tangent> main(detail::timm_cycles(options), hyperbolic_tangent(options.lb, options.ub));
  return detail::timm_warmup(options, options.warmup_prefix ? options.base_lr : main.rate(options.warmup_t), main);
}

/// Parameters of `step`.
struct step_options {
  double base_lr = 1.0;         ///< rate of the optimiser; finite, >= 0
  double decay_t = 0.0;         ///< required; period, > 0
  double decay_rate = 1.0;      ///< > 0
  std::uint64_t warmup_t = 0;   ///< W
  double warmup_lr_init = 0.0;  ///< rate at t = 0 where there is a warm-up; finite, >= 0
  bool warmup_prefix = true;    ///< the decay starts after the warm-up, not under it

  friend bool operator==(const step_options&, const step_options&) = default;
};

/// `step`: warm-up, then base_lr decay_rate^floor(t / decay_t).
[[nodiscard]] constexpr sequence<ramp<>, detail::ahead<exponential_decay>> step(const step_options& options) {
  constexpr const char* function = "gavel::schedule::timm::step";
  detail::check_timm_warmup(function, options.base_lr, options.warmup_t, options.warmup_lr_init);
  check_positive(function, "decay_t", options.decay_t);
  check_positive(function, "decay_rate", options.decay_rate);
  const exponential_decay main({.base_rate = options.base_lr, .factor = options.decay_rate, .period = options.decay_t, .staircase = true});
  return detail::timm_warmup(options, options.base_lr, main);
}

/// Parameters of `multistep`.
struct multistep_options {
  double base_lr = 1.0;                        ///< rate of the optimiser; finite, >= 0
  piecewise_constant::step_list decay_t = {};  ///< required; milestones, not decreasing, at most 32; one that stands twice counts twice
  double decay_rate = 1.0;                     ///< > 0
  std::uint64_t warmup_t = 0;                  ///< W
  double warmup_lr_init = 0.0;                 ///< rate at t = 0 where there is a warm-up; finite, >= 0
  bool warmup_prefix = true;                   ///< the decay starts after the warm-up, not under it
  bool drop_early = false;                     ///< drop one t before each milestone, as timm did up to 1.0.28

  friend bool operator==(const multistep_options&, const multistep_options&) = default;
};

/// `multistep`: warm-up, then base_lr decay_rate^(number of milestones <= t), so the t of a milestone already has the new rate, as in PyTorch.
/// To go on with a run of timm 1.0.28 or before, set `drop_early`: there the milestones counted were those <= t + 1.
[[nodiscard]] constexpr sequence<ramp<>, detail::ahead<piecewise_constant>> multistep(const multistep_options& options) {
  constexpr const char* function = "gavel::schedule::timm::multistep";
  detail::check_timm_warmup(function, options.base_lr, options.warmup_t, options.warmup_lr_init);
  check_positive(function, "decay_rate", options.decay_rate);
  return detail::timm_warmup(
      options, options.base_lr,
      detail::multi_step(function, "decay_t", options.base_lr, options.decay_rate, options.decay_t, options.drop_early ? 1 : 0));
}

/// What `wsd` does between its warm-up and its decay.
enum class stable_fn {
  constant,  ///< base_lr
  rsqrt,     ///< base_lr (1 + t / timescale)^-1/2
  power      ///< base_lr (1 + t / timescale)^-stable_power
};

/// How `wsd` falls, over u in [0, 1].
enum class decay_fn {
  linear,          ///< 1 - u
  one_minus_sqrt,  ///< 1 - sqrt(u), timm's `1-sqrt`
  cosine,          ///< (1 + cos(pi u)) / 2
  power,           ///< 1 - u^decay_power
  exp              ///< (r^u - r) / (1 - r) with r = decay_ratio
};

/// Parameters of `wsd`.
struct wsd_options {
  double base_lr = 1.0;                                ///< rate of the optimiser; finite, >= 0
  std::uint64_t t_initial = 0;                         ///< required; length of the stable and the decay phase together, in [1, 2^53]
  std::uint64_t decay_t = 0;                           ///< required; the last of them that fall, in [1, t_initial]
  double lr_min = 0.0;                                 ///< in [0, base_lr]
  timm::stable_fn stable_fn = stable_fn::constant;     ///< shape of the stable phase, which goes on under the decay
  double stable_timescale = 0.0;                       ///< of `rsqrt` and `power`, > 0; 0 means warmup_t
  double stable_power = 0.5;                           ///< of `power`, finite, > 0
  timm::decay_fn decay_fn = decay_fn::one_minus_sqrt;  ///< shape of the decay; for one of your own see `cooldown`
  double decay_power = 0.5;                            ///< of `power`, finite, > 0
  double decay_ratio = 0.1;                            ///< of `exp`, in (0, 1)
  std::uint64_t warmup_t = 0;                          ///< W, before t_initial
  double warmup_lr_init = 0.0;                         ///< rate at t = 0 where there is a warm-up; finite, >= 0

  friend bool operator==(const wsd_options&, const wsd_options&) = default;
};

/// The stable and the decay phase of `wsd`, t counted from the end of the warm-up.
class stable_decay {
 public:
  constexpr explicit stable_decay(const wsd_options& options) : options_(options) {}
  [[nodiscard]] constexpr double rate(std::uint64_t step) const noexcept {
    const double level = options_.base_lr * stable(static_cast<double>(step));
    const double top = level > options_.lr_min ? level : options_.lr_min;
    const std::uint64_t start = options_.t_initial - options_.decay_t;
    if (step <= start) return top;
    if (step >= options_.t_initial) return options_.lr_min;
    return options_.lr_min + (top - options_.lr_min) * decay(step - start);
  }
  [[nodiscard]] constexpr std::uint64_t steps() const noexcept { return options_.t_initial; }
  friend bool operator==(const stable_decay&, const stable_decay&) = default;

 private:
  [[nodiscard]] constexpr double stable(double elapsed) const noexcept {
    if (options_.stable_fn == stable_fn::constant) return 1.0;
    return elementary::pow(1.0 + elapsed / options_.stable_timescale,
                           options_.stable_fn == stable_fn::rsqrt ? -0.5 : -options_.stable_power);
  }
  [[nodiscard]] constexpr double decay(std::uint64_t passed) const noexcept {
    const double length = detail::real(options_.decay_t);
    const double u = detail::real(passed) / length;
    switch (options_.decay_fn) {
      case decay_fn::one_minus_sqrt: return schedule::one_minus_sqrt{}(u);
      case decay_fn::cosine: return schedule::cosine{}(u);
      case decay_fn::power: return 1.0 - elementary::pow(u, options_.decay_power);
      case decay_fn::exp: return (elementary::pow(options_.decay_ratio, u) - options_.decay_ratio) / (1.0 - options_.decay_ratio);
      case decay_fn::linear: break;
    }
    return detail::real(options_.decay_t - passed) / length;
  }
  wsd_options options_;
};

/// `wsd`: warm-up to base_lr, then lr_min + (max(base_lr stable(t), lr_min) - lr_min) decay(u) with u over the last decay_t of t_initial, and
/// lr_min from t = warmup_t + t_initial on. The warm-up is always a prefix here.
/// @par Source
/// Zhai et al., "Scaling Vision Transformers", 2021, arXiv 2106.04560 (rsqrt); Haegele et al., 2024, arXiv 2405.18392 (1 - sqrt).
[[nodiscard]] constexpr sequence<ramp<>, stable_decay> wsd(const wsd_options& options) {
  constexpr const char* function = "gavel::schedule::timm::wsd";
  detail::check_timm_warmup(function, options.base_lr, options.warmup_t, options.warmup_lr_init);
  detail::check_steps(function, "t_initial", options.t_initial);
  check_at_least(function, "decay_t", options.decay_t, 1);
  check_at_most(function, "decay_t", options.decay_t, "t_initial", options.t_initial);
  detail::check_minimum(function, "lr_min", options.lr_min, "base_lr", options.base_lr);
  wsd_options checked = options;
  if (options.stable_timescale == 0.0) checked.stable_timescale = detail::real(options.warmup_t);
  if (options.stable_fn != stable_fn::constant) {
    check_positive(function, "stable_timescale", checked.stable_timescale);
    check_positive(function, "stable_power", options.stable_power);
  }
  check_positive(function, "decay_power", options.decay_power);
  check_unit_interval(function, "decay_ratio", options.decay_ratio, unit_ends::open);
  return {ramp<>({.from = options.warmup_lr_init, .to = options.base_lr, .steps = options.warmup_t}), options.warmup_t,
          stable_decay(checked)};
}

}  // namespace gavel::schedule::timm
