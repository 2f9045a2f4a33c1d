// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/schedule/rate_source.hpp>

#include <gavel/core/check.hpp>
#include <gavel/core/numerics.hpp>
#include <gavel/core/views.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

/// @file
/// The two numbers through which a learning-rate schedule enters the annealing scaling law: how far training has moved (the forward area)
/// and how much the rate has been annealed, with a delay (the annealing area). With eta_i the rate of step i and lambda the decay factor,
///
///     S_1(s) = sum_{i <= s} eta_i,      m_0 = 0,  m_i = lambda m_{i-1} + (eta_{i-1} - eta_i),      S_2(s) = sum_{i <= s} m_i.
///
/// A falling rate adds to S_2 over the next 1 / (1 - lambda) steps; a rising one (a re-warm-up) takes away from it.
/// @par Source
/// Tissue, Wang, Wang, "Scaling Law with Learning Rate Annealing", 2024, arXiv 2408.11029: the areas, and the rule for the warm-up.

namespace gavel::schedule {

namespace detail {

/// What n steps do to a momentum: lambda^n, sum_{i < n} lambda^i, and the sum of the latter sums for 1..n.
struct geometric_sums {
  double count = 0.0;
  double power = 1.0;
  double sum = 0.0;
  double double_sum = 0.0;
};

// By doubling, bit by bit of n: only positive numbers are added, so nothing cancels for lambda near 1, and lambda = 1 is no special case.
[[nodiscard]] inline geometric_sums sum_powers(double lambda, std::uint64_t n) noexcept {
  geometric_sums s;
  for (auto bit = std::bit_width(n); bit-- > 0;) {
    s.double_sum += s.count * s.sum + s.power * s.double_sum;
    s.sum += s.power * s.sum;
    s.power *= s.power;
    s.count += s.count;
    if ((n >> bit & 1) != 0) {
      s.sum += s.power;
      s.double_sum += s.sum;
      s.power *= lambda;
      s.count += 1.0;
    }
  }
  return s;
}

}  // namespace detail

/// The areas of the steps seen so far: a small value that advances step by step, or over many steps of a constant or straight rate at once.
/// Copy it to branch: the copy is a checkpoint from which any continuation of the schedule can be tried.
/// @note Sums are compensated: a million steps cost no digits. No allocation.
class annealing_areas {
 public:
  /// Nothing seen, lambda = 0.999.
  annealing_areas() = default;
  /// @param decay_factor lambda in [0, 1]. 0.99 to 0.9999 is the useful range; 0 makes S_2 the total fall of the rate; 1 never forgets
  /// @throws std::invalid_argument if it is outside, std::domain_error if it is NaN
  explicit annealing_areas(double decay_factor) : decay_factor_(decay_factor) {
    check_unit_interval("gavel::schedule::annealing_areas", "decay_factor", decay_factor);
  }

  /// Enters one step.
  /// @param rate eta of that step, finite, >= 0
  /// @throws std::invalid_argument if it is not, std::domain_error if it is NaN; nothing is changed then
  void update(double rate) {
    check_not_negative("gavel::schedule::annealing_areas::update", "rate", rate);
    if (steps_ == 0) first_rate_ = last_rate_ = rate;
    set_momentum(decay_factor_ * momentum_ + (last_rate_ - rate), rate);
    forward_ += rate;
    annealing_ += momentum_;
    last_rate_ = rate;
    ++steps_;
  }

  /// Enters @p steps steps of the same @p rate.
  /// @throws as `update`
  /// @note O(log steps).
  void hold(double rate, std::uint64_t steps) {
    check_not_negative("gavel::schedule::annealing_areas::hold", "rate", rate);
    if (steps == 0) return;
    update(rate);
    straight(rate, detail::sum_powers(decay_factor_, steps - 1), steps - 1);
  }

  /// Enters @p steps steps along a straight line from the last rate, which is already in, to @p rate, which is reached at the last of them.
  /// Before the first step there is no line to follow: then as `hold`.
  /// @throws as `update`
  /// @note O(log steps).
  void ramp(double rate, std::uint64_t steps) {
    check_not_negative("gavel::schedule::annealing_areas::ramp", "rate", rate);
    if (steps_ == 0) return hold(rate, steps);
    straight(rate, detail::sum_powers(decay_factor_, steps), steps);
  }

  [[nodiscard]] double forward() const noexcept { return forward_.value(); }      ///< S_1: rate times steps
  [[nodiscard]] double annealing() const noexcept { return annealing_.value(); }  ///< S_2: rate times steps; negative after a re-warm-up
  [[nodiscard]] double momentum() const noexcept { return momentum_; }            ///< m of the last step
  [[nodiscard]] double last_rate() const noexcept { return last_rate_; }          ///< 0 before the first step
  [[nodiscard]] double decay_factor() const noexcept { return decay_factor_; }    ///< lambda
  [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }           ///< rates seen; the last one was that of step steps() - 1
  [[nodiscard]] friend bool operator==(const annealing_areas&, const annealing_areas&) = default;

  /// `ramp` with the sums of powers computed before, for callers that take many ramps of one length.
  /// @param sums `detail::sum_powers(decay_factor(), steps)`; at least one step has been seen and @p rate is valid: unchecked
  void straight(double rate, const detail::geometric_sums& sums, std::uint64_t steps) noexcept {
    if (steps == 0) return;
    const double fall = (last_rate_ - rate) / sums.count;  // per step
    forward_ += sums.count * rate;
    forward_ += 0.5 * (sums.count - 1.0) * (last_rate_ - rate);
    annealing_ += momentum_ * (decay_factor_ * sums.sum);
    annealing_ += fall * sums.double_sum;
    set_momentum(sums.power * momentum_ + fall * sums.sum, rate);
    last_rate_ = rate;
    steps_ += steps;
  }

 private:
  // For lambda = 1 the momentum telescopes; recomputing it keeps a million roundings out.
  void set_momentum(double recursion, double rate) noexcept { momentum_ = decay_factor_ == 1.0 ? first_rate_ - rate : recursion; }

  double decay_factor_ = 0.999;
  compensated_sum forward_;
  compensated_sum annealing_;
  double momentum_ = 0.0;
  double first_rate_ = 0.0;
  double last_rate_ = 0.0;
  std::uint64_t steps_ = 0;
};

/// How a schedule is turned into areas.
struct annealing_areas_options {
  double decay_factor = 0.999;  ///< lambda, in [0, 1]
  /// W: steps 0..W count with the rate of step W, the peak, whatever rate they were trained with: a warm-up is not negative annealing.
  /// 0: no warm-up.
  std::uint64_t warmup_steps = 0;

  friend bool operator==(const annealing_areas_options&, const annealing_areas_options&) = default;
};

namespace detail {

/// Reads a source forwards and keeps its areas: O(1) per step, O(log gap) per gap of a log.
template <class R>
class areas_walk {
 public:
  areas_walk(const char* function, const R& source, const annealing_areas_options& options)
      : rates_(function, source, options.warmup_steps) {
    check_unit_interval(function, "decay_factor", options.decay_factor);
    areas_ = annealing_areas(options.decay_factor);
  }

  [[nodiscard]] std::uint64_t last_step() const noexcept { return rates_.last_step(); }
  [[nodiscard]] double first_rate() const noexcept { return rates_.first_rate(); }
  [[nodiscard]] const annealing_areas& areas() const noexcept { return areas_; }
  void check_rates(std::uint64_t step) const { rates_.check_rates(step); }

  /// The areas after step @p step, which is at most `last_step()` and not before the one of the last call.
  const annealing_areas& advance_to(std::uint64_t step) {
    const std::uint64_t warmup = rates_.warmup_steps();
    if (areas_.steps() <= warmup && areas_.steps() <= step) {
      areas_.hold(rates_.first_rate(), (step < warmup ? step : warmup) + 1 - areas_.steps());
    }
    while (areas_.steps() <= step) {
      if constexpr (source_reader<R>::is_log) follow_log(step);
      else areas_.update(rates_.rate(areas_.steps()));
    }
    return areas_;
  }

 private:
  // Goes on to the next line of the log, or to `step` if that comes first. Line `line_` is the first one that has not been passed.
  void follow_log(std::uint64_t step) {
    const rate_log& log = rates_.source();
    const std::uint64_t next = areas_.steps();
    while (log.steps[line_] < next) ++line_;
    const std::uint64_t goal = step < log.steps[line_] ? step : log.steps[line_];
    if (log.between == rate_interpolation::linear) return areas_.ramp(log.rate(goal), goal - next + 1);
    if (goal > next) areas_.hold(log.rate(next), goal - next);
    areas_.update(log.rate(goal));
  }

  source_reader<R> rates_;
  annealing_areas areas_;
  std::size_t line_ = 0;
};

/// `areas_at` in the name of the function that was called.
template <class R>
void areas_at(const char* function, const R& rates, vector_view<const std::uint64_t> steps, std::span<double> forward,
              std::span<double> annealing, const annealing_areas_options& options) {
  check_size(function, "forward.size()", forward.size(), "steps.size()", steps.size());
  check_size(function, "annealing.size()", annealing.size(), "steps.size()", steps.size());
  areas_walk<R> walk(function, rates, options);
  check_read_steps(function, steps, walk.last_step());
  if (steps.empty()) return;
  walk.check_rates(steps[steps.size() - 1]);
  for (std::size_t j = 0; j < steps.size(); ++j) {
    const annealing_areas& areas = walk.advance_to(steps[j]);
    forward[j] = areas.forward();
    annealing[j] = areas.annealing();
  }
}

}  // namespace detail

/// The areas after one step of a schedule, ready to be continued.
/// @param rates a `rate_source`
/// @param step  s >= 0: rates of steps 0..s are in
/// @throws std::invalid_argument if the source is empty or a log with unsorted or duplicated steps, ends before @p step or before the
///         warm-up, or a rate or an option is out of range; std::domain_error for NaN
/// @note O(step), one evaluation of the schedule per step; O(lines log gap) for a log. No allocation.
template <rate_source R>
[[nodiscard]] annealing_areas areas_at(const R& rates, std::uint64_t step, const annealing_areas_options& options = {}) {
  constexpr const char* function = "gavel::schedule::areas_at";
  detail::areas_walk<R> walk(function, rates, options);
  check_at_most(function, "step", step, "the last step of the rates,", walk.last_step());
  return walk.advance_to(step);
}

/// The areas after some steps of a schedule, for instance those at which a loss was measured.
/// @param steps     `[n]`, strictly ascending
/// @param forward   `[n]` receives S_1
/// @param annealing `[n]` receives S_2
/// @throws as the single-step form; std::invalid_argument if @p steps does not ascend or an output has another size
/// @note One pass, after one that checks the rates.
template <rate_source R>
void areas_at(const R& rates, vector_view<const std::uint64_t> steps, std::span<double> forward, std::span<double> annealing,
              const annealing_areas_options& options = {}) {
  detail::areas_at("gavel::schedule::areas_at", rates, steps, forward, annealing, options);
}

/// The areas after every step: both tables in one pass.
/// @param forward   `[n]` receives S_1 of steps 0..n-1
/// @param annealing `[n]` receives S_2
/// @throws as `areas_at`; std::invalid_argument if the sizes differ or exceed the steps of the source
/// @note O(n), after one pass that checks the rates. No allocation.
template <rate_source R>
void fill_areas(const R& rates, std::span<double> forward, std::span<double> annealing, const annealing_areas_options& options = {}) {
  constexpr const char* function = "gavel::schedule::fill_areas";
  check_size(function, "annealing.size()", annealing.size(), "forward.size()", forward.size());
  detail::areas_walk<R> walk(function, rates, options);
  check_at_most(function, "forward.size()", forward.size(), "the steps of the rates,", walk.last_step() + 1);
  if (forward.empty()) return;
  walk.check_rates(forward.size() - 1);
  for (std::size_t i = 0; i < forward.size(); ++i) {
    const annealing_areas& areas = walk.advance_to(i);
    forward[i] = areas.forward();
    annealing[i] = areas.annealing();
  }
}

}  // namespace gavel::schedule
