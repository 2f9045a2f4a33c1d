// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/schedule/annealing_areas.hpp>
#include <gavel/schedule/annealing_law.hpp>

#include <gavel/core/check.hpp>
#include <gavel/core/ordering.hpp>
#include <gavel/core/views.hpp>

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

/// @file
/// Choosing a schedule before paying for it: which of these ends lowest, which member of a family does, and when to begin to cool down.
/// @par Source
/// Tissue, Wang, Wang, "Scaling Law with Learning Rate Annealing", 2024, arXiv 2408.11029: the law that is asked.

namespace gavel::schedule {

/// A law that predicts the loss after a step of a schedule: `annealing_law`, or `multi_power_law` with its header.
template <class L, class R>
concept loss_law_for = requires(const L& law, const R& rates, std::uint64_t step, const loss_prediction_options& options) {
  { predict_at(law, rates, step, options) } -> std::convertible_to<double>;
};

/// One schedule among several.
struct ranked_schedule {
  std::size_t index = 0;  ///< its place among the arguments
  double loss = 0.0;      ///< predicted after the last step
  /// The law falls to 0 or below here and `loss` is its clamp, which says nothing: the rates are far from those of the fit, perhaps in another
  /// unit. Such schedules rank last.
  bool below_zero = false;

  [[nodiscard]] friend bool operator==(const ranked_schedule&, const ranked_schedule&) = default;
};

namespace detail {

/// Whether a prediction is the value at which its law is cut off.
template <class Law>
[[nodiscard]] bool below_zero(double loss) noexcept {
  if constexpr (requires { Law::smallest_loss; }) {
    return loss <= Law::smallest_loss;
  } else {
    return false;  // a law of the caller's own may have any values
  }
}

/// Predictions before values that are none, then by the loss.
template <class Choice>
[[nodiscard]] bool better(const Choice& a, const Choice& b) noexcept {
  return a.below_zero == b.below_zero ? a.loss < b.loss : b.below_zero;
}

}  // namespace detail

/// Ranks schedules of any types by the loss they are predicted to end with.
/// @param law       either law, or the caller's own
/// @param horizon   the last step, T: rates of steps 0..T count
/// @param schedules any number of `rate_source`s
/// @return best first; equals in the order given
/// @throws as `predict_at`
/// @note O(T) per schedule. No allocation.
template <class Law, rate_source... R>
  requires(loss_law_for<Law, R> && ...)
[[nodiscard]] std::array<ranked_schedule, sizeof...(R)> compare_schedules(const Law& law, std::uint64_t horizon,
                                                                          const loss_prediction_options& options, const R&... schedules) {
  std::array<ranked_schedule, sizeof...(R)> ranking{};
  std::size_t at = 0;
  ((ranking[at] = {at, predict_at(law, schedules, horizon, options)}, ++at), ...);
  for (ranked_schedule& one : ranking) one.below_zero = detail::below_zero<Law>(one.loss);
  sort_values(ranking.data(), ranking.size(), [](const ranked_schedule& a, const ranked_schedule& b) {
    return detail::better(a, b) || (!detail::better(b, a) && a.index < b.index);
  });
  return ranking;
}

/// The best member of a family of schedules.
struct family_choice {
  std::size_t index = 0;    ///< place in the grid, the first among equals
  double parameter = 0.0;   ///< grid value
  double loss = 0.0;        ///< predicted after the last step
  bool below_zero = false;  ///< as in `ranked_schedule`: then so is every member

  [[nodiscard]] friend bool operator==(const family_choice&, const family_choice&) = default;
};

/// Tries every member of a family: cosine cycles of several lengths, exponents of a polynomial decay, peak rates...
/// @param law     either law, or the caller's own
/// @param family  callable, `family(double parameter)` returns a `rate_source`
/// @param grid    `[n]` parameters, n >= 1
/// @param horizon the last step, T
/// @param losses  `[n]` receives the loss of each, or empty
/// @throws as `predict_at`; std::invalid_argument if the grid is empty or @p losses has another size. If a member is refused, losses of
///         the members before it have been written.
/// @note O(n T) and one schedule alive at a time. For cooldowns `best_cooldown` is far cheaper.
template <class Law, std::invocable<double> Family>
  requires loss_law_for<Law, std::remove_cvref_t<std::invoke_result_t<Family, double>>>
[[nodiscard]] family_choice best_of(const Law& law, Family&& family, vector_view<const double> grid, std::uint64_t horizon,
                                    std::span<double> losses = {}, const loss_prediction_options& options = {}) {
  constexpr const char* function = "gavel::schedule::best_of";
  check_at_least(function, "grid.size()", grid.size(), 1);
  if (!losses.empty()) check_size(function, "losses.size()", losses.size(), "grid.size()", grid.size());
  family_choice best;
  for (std::size_t k = 0; k < grid.size(); ++k) {
    const double loss = predict_at(law, family(grid[k]), horizon, options);
    if (!losses.empty()) losses[k] = loss;
    const family_choice here{k, grid[k], loss, detail::below_zero<std::remove_cvref_t<Law>>(loss)};
    if (k == 0 || detail::better(here, best)) best = here;
  }
  return best;
}

/// How a cooldown is followed.
struct cooldown_prediction_options {
  double final_fraction = 0.0;     ///< rate at the end as a fraction of the rate at the start of the cooldown, in [0, 1]
  std::uint64_t warmup_steps = 0;  ///< W of the base schedule, as in `annealing_areas_options`
  /// A cooldown of more steps than this is followed along so many straight pieces, each in closed form, so that its cost does not depend
  /// on its length. The error falls with the square of the number. A linear cooldown is one piece, exactly: 1 is then enough.
  std::uint64_t pieces = 1024;

  friend bool operator==(const cooldown_prediction_options&, const cooldown_prediction_options&) = default;
};

namespace detail {

inline void check_cooldown(const char* function, const cooldown_prediction_options& options) {
  check_unit_interval(function, "final_fraction", options.final_fraction);
  check_at_least(function, "pieces", options.pieces, 1);
}

template <class Shape>
annealing_areas follow_cooldown(const char* function, annealing_areas areas, const Shape& shape, std::uint64_t steps,
                                const cooldown_prediction_options& options, std::uint64_t pieces) {
  if (steps == 0) return areas;
  const std::uint64_t n = pieces < steps ? pieces : steps;
  const std::uint64_t length = steps / n, longer = steps % n;  // the first `longer` pieces are one step longer
  const geometric_sums sums = sum_powers(areas.decay_factor(), length), longer_sums = sum_powers(areas.decay_factor(), length + 1);
  const double start_rate = areas.last_rate();
  std::uint64_t passed = 0;
  for (std::uint64_t k = 0; k < n; ++k) {
    const bool is_longer = k < longer;
    passed += is_longer ? length + 1 : length;
    const double z = static_cast<double>(passed) / static_cast<double>(steps);
    const double rate = start_rate * (options.final_fraction + (1.0 - options.final_fraction) * static_cast<double>(shape(z)));
    check_not_negative(function, "rate from shape(z)", rate);
    areas.straight(rate, is_longer ? longer_sums : sums, is_longer ? length + 1 : length);
  }
  return areas;
}

}  // namespace detail

/// Where a run would be after cooling down from where it is now: rates eta (f + (1 - f) P(j / n)), j = 1..n, from its last rate eta.
/// @param areas   of the run so far, at least one step; a copy is advanced
/// @param shape   P, any profile with P(0) = 1 and P(1) = 0, called with z in (0, 1]
/// @param steps   n >= 0
/// @throws std::invalid_argument if the run has no step yet, an option is out of range or @p shape gives no rate; std::domain_error for NaN
/// @note O(min(n, pieces)). No allocation.
template <std::invocable<double> Shape>
[[nodiscard]] annealing_areas cool_down(const annealing_areas& areas, const Shape& shape, std::uint64_t steps,
                                        const cooldown_prediction_options& options = {}) {
  constexpr const char* function = "gavel::schedule::cool_down";
  detail::check_cooldown(function, options);
  check_at_least(function, "areas.steps()", areas.steps(), 1);
  return detail::follow_cooldown(function, areas, shape, steps, options, options.pieces);
}

/// When to begin the cooldown.
struct cooldown_choice {
  std::size_t index = 0;         ///< place among the candidates, the first among equals
  double fraction = 0.0;         ///< of the horizon spent cooling down
  std::uint64_t start_step = 0;  ///< last step at the base schedule's rate, T - round(fraction T)
  double loss = 0.0;             ///< predicted after step T, every step of the cooldown followed
  bool below_zero = false;       ///< as in `ranked_schedule`: then so is every candidate

  [[nodiscard]] friend bool operator==(const cooldown_choice&, const cooldown_choice&) = default;
};

/// Recommends how much of a run to spend cooling down: the base schedule is walked once, and at every candidate's start its areas branch
/// off into that cooldown. Thousands of candidates over a million steps take about as long as the steps themselves.
/// @param base      `rate_source` of the run without cooldown, usually warm-up and a constant rate
/// @param horizon   the last step, T >= 1
/// @param fractions `[n]` candidates, n >= 1, strictly ascending in [0, 1]; 0 is the base schedule itself
/// @param shape     P of the cooldown, any profile with P(0) = 1 and P(1) = 0
/// @param losses    `[n]` receives the loss of each candidate (along `pieces`), or empty
/// @throws std::invalid_argument for an empty, unsorted or out-of-range candidate, one that begins inside the warm-up or after the end of
///         the base, a size, an option or a @p shape that gives no rate; both as `predict`. If @p base or @p shape is found bad on the way,
///         some losses have been written.
/// @note O(T + n min(T, pieces)): one evaluation of @p base per step, at most `pieces` of @p shape per candidate. No allocation.
template <rate_source Base, std::invocable<double> Shape>
[[nodiscard]] cooldown_choice best_cooldown(const annealing_law& law, const Base& base, std::uint64_t horizon,
                                            vector_view<const double> fractions, const Shape& shape, std::span<double> losses = {},
                                            const cooldown_prediction_options& options = {}) {
  constexpr const char* function = "gavel::schedule::best_cooldown";
  detail::check_cooldown(function, options);
  check_at_least(function, "horizon", horizon, 1);
  check_at_least(function, "fractions.size()", fractions.size(), 1);
  if (!losses.empty()) check_size(function, "losses.size()", losses.size(), "fractions.size()", fractions.size());
  auto walk = detail::start_prediction(function, law, base, {.warmup_steps = options.warmup_steps});
  const auto start_of = [&](double fraction) {
    const auto steps = static_cast<std::uint64_t>(std::floor(fraction * static_cast<double>(horizon) + 0.5));
    return steps < horizon ? horizon - steps : 0;
  };
  for (std::size_t k = 0; k < fractions.size(); ++k) {
    check_unit_interval(function, "fractions", fractions[k], unit_ends::closed, k);
    const std::uint64_t start = start_of(fractions[k]);
    if (start < options.warmup_steps)
      refuse(function, "fractions", fractions[k], "must begin after the warm-up, at step", options.warmup_steps, k);
    if (start > walk.last_step())
      refuse(function, "fractions", fractions[k], "must begin by the last step of the base,", walk.last_step(), k);
  }
  check_ascending(function, "fractions", fractions);
  cooldown_choice best;
  annealing_areas branch;                             // where the best cooldown leaves the base schedule
  for (std::size_t k = fractions.size(); k-- > 0;) {  // the longest cooldown leaves first
    const std::uint64_t start = start_of(fractions[k]);
    const annealing_areas& here = walk.advance_to(start);
    const annealing_areas end = detail::follow_cooldown(function, here, shape, horizon - start, options, options.pieces);
    const double loss = law.unchecked_loss(end.forward(), end.annealing());
    if (!losses.empty()) losses[k] = loss;
    const cooldown_choice choice{k, fractions[k], start, loss, detail::below_zero<annealing_law>(loss)};
    if (k + 1 == fractions.size() || !detail::better(best, choice)) {
      best = choice;
      branch = here;
    }
  }
  const std::uint64_t steps = horizon - best.start_step;
  if (steps > options.pieces) {
    const annealing_areas end = detail::follow_cooldown(function, branch, shape, steps, options, steps);
    best.loss = law.unchecked_loss(end.forward(), end.annealing());
    best.below_zero = detail::below_zero<annealing_law>(best.loss);
  }
  return best;
}

}  // namespace gavel::schedule
