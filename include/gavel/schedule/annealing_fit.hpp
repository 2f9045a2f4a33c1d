// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/schedule/annealing_areas.hpp>
#include <gavel/schedule/annealing_law.hpp>
#include <gavel/schedule/detail/annealing_problem.hpp>
#include <gavel/schedule/detail/law_fit.hpp>

#include <gavel/core/check.hpp>
#include <gavel/core/numerics.hpp>
#include <gavel/core/views.hpp>
#include <gavel/solvers/levenberg_marquardt.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

/// @file
/// From one or two training curves to the parameters of the scaling law with learning-rate annealing, with standard errors and a verdict on
/// what the curves can tell. `annealing_bootstrap.hpp` turns the fit into intervals for what it predicts.
/// @par Source
/// Tissue, Wang, Wang, "Scaling Law with Learning Rate Annealing", 2024, arXiv 2408.11029: the law, the Huber objective and its grid of
/// starts. Golub, Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables separate" (1973):
/// variable projection.

namespace gavel::schedule {

/// Losses and the areas at which they were measured; curves stand one after the other.
///
/// Curves under a constant rate, however many, leave C open; one constant and one decaying curve determine everything. Annealing areas of
/// 1e-12 of the forward areas are what rounding makes of a constant rate and count as 0.
struct annealing_observations {
  double decay_factor = 0.999;               ///< lambda of every annealing area here, in [0, 1]
  std::vector<double> forward = {};          ///< `[n]` S_1 > 0
  std::vector<double> annealing = {};        ///< `[n]` S_2
  std::vector<double> loss = {};             ///< `[n]` > 0; validation losses fit best
  std::vector<std::size_t> curve_ends = {};  ///< one past the last point of each curve; the last one is n

  [[nodiscard]] std::size_t size() const noexcept { return loss.size(); }

  /// Appends a measured curve.
  /// @param rates  any `rate_source`: the schedule of the run, the rate of every step, or a log of rates
  /// @param steps  `[n]` at which the loss was measured, strictly ascending, >= @p warmup_steps
  /// @param losses `[n]` finite, > 0
  /// @param warmup_steps W, as in `annealing_areas_options`
  /// @throws as `areas_at`; std::invalid_argument if the sizes differ, a loss is not finite and > 0 or one of the warm-up, or a forward area
  ///         is 0. Nothing is appended then.
  template <rate_source R>
  void add_curve(const R& rates, vector_view<const std::uint64_t> steps, vector_view<const double> losses, std::uint64_t warmup_steps = 0) {
    check_losses("steps.size()", steps.size(), losses);
    std::vector<double> s1(steps.size()), s2(steps.size());
    detail::areas_at(add_name, rates, steps, s1, s2, {.decay_factor = decay_factor, .warmup_steps = warmup_steps});
    detail::check_after_warmup(add_name, steps, warmup_steps);
    if (!s1.empty() && s1[0] == 0.0) refuse(add_name, "S_1", s1[0], "must be > 0 at step", steps[0]);
    append(s1, s2, losses);
  }
  /// Appends a curve whose areas are known.
  /// @throws std::invalid_argument if the sizes differ or a value is out of range; std::domain_error for NaN. Nothing is appended then.
  void add_curve(vector_view<const double> forward_areas, vector_view<const double> annealing_areas, vector_view<const double> losses) {
    check_losses("forward_areas.size()", forward_areas.size(), losses);
    check_size(add_name, "annealing_areas.size()", annealing_areas.size(), "losses.size()", losses.size());
    append(forward_areas, annealing_areas, losses);
  }

  [[nodiscard]] friend bool operator==(const annealing_observations&, const annealing_observations&) = default;

 private:
  static constexpr const char* add_name = "gavel::schedule::annealing_observations::add_curve";

  static void check_losses(const char* other, std::size_t size, vector_view<const double> losses) {
    check_size(add_name, "losses.size()", losses.size(), other, size);
    for (std::size_t i = 0; i < losses.size(); ++i) check_positive(add_name, "losses", losses[i], i);
  }
  void append(vector_view<const double> s1, vector_view<const double> s2, vector_view<const double> losses) {
    for (std::size_t i = 0; i < s1.size(); ++i) {
      check_positive(add_name, "forward_areas", s1[i], i);
      check_finite(add_name, "annealing_areas", s2[i], i);
    }
    forward.insert(forward.end(), s1.begin(), s1.end());
    annealing.insert(annealing.end(), s2.begin(), s2.end());
    loss.insert(loss.end(), losses.begin(), losses.end());
    curve_ends.push_back(loss.size());
  }
};

/// A number for each parameter of the law.
struct annealing_parameters {
  double loss_floor = 0.0;  ///< of L_0
  double amplitude = 0.0;   ///< of A
  double annealing = 0.0;   ///< of C
  double alpha = 0.0;       ///< of alpha

  [[nodiscard]] friend bool operator==(const annealing_parameters&, const annealing_parameters&) = default;
};

namespace detail {

inline void check_observations(const char* function, const annealing_observations& observations) {
  const std::size_t n = observations.size();
  check_unit_interval(function, "observations.decay_factor", observations.decay_factor);
  check_size(function, "observations.forward.size()", observations.forward.size(), "observations.loss.size()", n);
  check_size(function, "observations.annealing.size()", observations.annealing.size(), "observations.loss.size()", n);
  for (std::size_t i = 0; i < n; ++i) {
    check_positive(function, "observations.forward", observations.forward[i], i);
    check_finite(function, "observations.annealing", observations.annealing[i], i);
    check_positive(function, "observations.loss", observations.loss[i], i);
  }
}

}  // namespace detail

/// The paper's objective and its gradient.
struct huber_value {
  double value = 0.0;
  annealing_parameters gradient;  ///< derivatives by the parameters
};

/// sum_i Huber_delta(r_i), r_i = log L_obs,i - log L_pred,i, with Huber_delta(r) = r^2 / 2 for |r| < delta, else delta |r| - delta^2 / 2:
/// what the paper's fit minimises. Predictions are clamped from below at `annealing_law::smallest_loss`.
/// @param delta > 0
/// @throws std::invalid_argument if a parameter of the law, an observation, a size or @p delta is out of range; std::domain_error for NaN
/// @note O(n), no allocation.
[[nodiscard]] inline huber_value huber_objective(const annealing_law& law, const annealing_observations& observations,
                                                 double delta = 1e-3) {
  constexpr const char* function = "gavel::schedule::huber_objective";
  law.check(function);
  detail::check_observations(function, observations);
  check_positive(function, "delta", delta);
  huber_value result;
  for (std::size_t i = 0; i < observations.size(); ++i) {
    const double s1 = observations.forward[i], s2 = observations.annealing[i];
    const double predicted = law.unchecked_loss(s1, s2);
    const double residual = std::log(observations.loss[i]) - std::log(predicted);
    result.value += huber_loss(residual, delta);
    const double scale = -residual * huber_weight(residual, delta) / predicted;
    const double shape = annealing_law{.amplitude = 1.0, .alpha = law.alpha}.power_term(s1);
    result.gradient.loss_floor += scale;
    result.gradient.amplitude += scale * shape;
    result.gradient.annealing -= scale * s2;
    result.gradient.alpha -= scale * law.amplitude * shape * std::log(s1);
  }
  return result;
}

/// What is minimised. Objectives of different methods cannot be compared with each other.
enum class annealing_fit_method {
  least_squares,  ///< minimises half the sum of (1 - L_pred / L_obs)^2 by variable projection: a grid over alpha, no starting values
  huber           ///< minimises `huber_objective` from the paper's 54 starts and the least-squares solution: robust to a few bad points
};

/// How a fit ended; of several findings the last of this list is reported.
enum class annealing_fit_status {
  converged,        ///< a minimum, and every parameter is determined
  iteration_limit,  ///< the best point so far
  unexplained,      ///< the losses are as well described by one number: noise, or a curve that does not move (likelihood ratio, 1 %)
  annealing_not_identified,  ///< C: no curve anneals (C is 0 then), or only in step with the rest of the law
  power_not_identified,      ///< L_0, A, alpha cannot be told apart: too short a range of S_1, A = 0, or alpha at an end of its range
  too_few_points             ///< fewer than four: nothing was fitted
};

/// How the law is fitted.
struct annealing_fit_options {
  annealing_fit_method method = annealing_fit_method::least_squares;
  double huber_delta = 1e-3;         ///< of log losses, > 0
  double min_alpha = 1e-3;           ///< range of alpha, 0 < min_alpha < max_alpha
  double max_alpha = 8.0;            ///< at most 100
  std::size_t max_iterations = 200;  ///< of the last descent, >= 1

  friend bool operator==(const annealing_fit_options&, const annealing_fit_options&) = default;
};

/// Which parameters the data determine.
struct annealing_identified {
  bool loss_floor = false;
  bool amplitude = false;
  bool annealing = false;
  bool alpha = false;

  [[nodiscard]] friend bool operator==(const annealing_identified&, const annealing_identified&) = default;
};

/// A fitted law and how far to trust it.
struct annealing_fit {
  annealing_law law;
  /// Asymptotic, for independent errors of equal relative size. Infinite where nothing can be said (a parameter that is not identified; all
  /// of them if no point is left over to show the noise), 0 for a parameter that sits on its bound 0.
  annealing_parameters standard_errors;
  annealing_identified identified;
  double objective = 0.0;            ///< what the method minimised, at the solution
  std::optional<double> r_squared;   ///< 1 - SS_res / SS_tot on the losses; empty if all losses are equal
  double mean_relative_error = 0.0;  ///< of |L_pred / L_obs - 1|
  double max_relative_error = 0.0;
  std::size_t iterations = 0;  ///< steps of all descents
  std::size_t starts = 0;      ///< descents begun
  std::size_t agreeing = 0;    ///< of them, those that came within 1 % of the best objective
  annealing_fit_status status = annealing_fit_status::converged;
};

namespace detail {

inline void check_fit_options(const char* function, const annealing_fit_options& options) {
  check_positive(function, "huber_delta", options.huber_delta);
  check_positive(function, "min_alpha", options.min_alpha);
  check_greater(function, "max_alpha", options.max_alpha, "min_alpha", options.min_alpha);
  check_at_most(function, "max_alpha", options.max_alpha, 100.0);
  check_at_least(function, "max_iterations", options.max_iterations, 1);
}

[[nodiscard]] inline annealing_problem make_problem(const annealing_observations& observations, const annealing_fit_options& options,
                                                    annealing_fit_method method) {
  return {observations.forward, observations.annealing,
          observations.loss,    method == annealing_fit_method::huber ? options.huber_delta : infinity,
          options.min_alpha,    options.max_alpha};
}

// Variable projection: what is left is one-dimensional. A grid in log alpha finds the best valley, ever smaller steps lead down into
// it, and the joint descent of all four parameters finishes.
[[nodiscard]] inline annealing_descent fit_least_squares(annealing_problem& problem, const annealing_fit_options& options) {
  constexpr int n_grid = 40;
  const double first = std::log(options.min_alpha), width = (std::log(options.max_alpha) - first) / n_grid;
  annealing_descent best = problem.project(options.min_alpha);
  double center = first;
  const auto better = [&](double log_alpha) {
    const annealing_descent here = problem.project(std::exp(log_alpha));
    if (!(here.objective < best.objective)) return false;
    best = here;
    center = log_alpha;
    return true;
  };
  for (int k = 1; k <= n_grid; ++k) better(first + width * k);
  for (double reach = 0.5 * width; reach > 1e-3; reach *= 0.5) {
    const double from = center;
    if (!better(from - reach)) better(from + reach);
  }
  return problem.descend(best.point, true, 1e-13, options.max_iterations);
}

// From each start robustly into the valley; from the best of those ends by Newton's method to the bottom.
[[nodiscard]] inline annealing_descent fit_huber(const annealing_problem& problem, const annealing_observations& observations,
                                                 const annealing_fit_options& options, annealing_fit& result) {
  constexpr std::size_t n_starts = 55;
  std::array<double, n_starts> reached{};
  annealing_descent best;
  const auto try_start = [&](const annealing_vector& start) {
    const annealing_descent end = problem.descend(start, true, 1e-3, 60);
    result.iterations += end.iterations;
    reached[result.starts++] = end.objective;
    if (result.starts == 1 || end.objective < best.objective) best = end;
  };
  annealing_problem squares = make_problem(observations, options, annealing_fit_method::least_squares);
  try_start(fit_least_squares(squares, options).point);
  for (const double loss_floor : {0.1, 2.1}) {
    for (const double amplitude : {1.0, 11.5, 22.0}) {
      for (const double annealing : {1.0, 11.5, 22.0}) {
        for (const double alpha : {0.0, 0.4, 0.8}) {
          try_start(problem.point({.loss_floor = loss_floor, .amplitude = amplitude, .annealing = annealing, .alpha = alpha}));
        }
      }
    }
  }
  const std::size_t before = result.iterations;
  best = problem.descend(best.point, true, 1e-8, options.max_iterations);
  result.iterations += best.iterations;
  best = problem.descend(best.point, false, 1e-13, options.max_iterations);
  best.iterations += before;
  for (const double objective : reached) result.agreeing += objective <= best.objective * 1.01 + 1e-24 ? 1U : 0U;
  return best;
}

// What is left of a column of the Jacobian when the others have explained what they can is what the data say about its parameter alone.
inline void describe_parameters(const annealing_problem& problem, const annealing_vector& p, annealing_fit& result) {
  std::array<bool, n_annealing> held{}, known{};
  std::array<double, n_annealing> errors{};
  std::size_t n_free = 0;
  for (std::size_t j = 0; j < n_annealing; ++j) {
    held[j] = problem.at_bound(p, j);
    n_free += held[j] ? 0U : 1U;
  }
  std::vector<double> residuals(problem.size());
  std::vector<annealing_vector> slopes(problem.size());
  problem(p, residuals, slopes);
  problem.naturalize(p, slopes);
  const double variance = noise_variance(residuals, problem.huber_delta(), n_free);
  const auto norms = parameter_norms(slopes, held);
  for (std::size_t j = 0; j < n_annealing; ++j) {
    // No power is known of a term that is too small to be seen (rms of its slopes), nor one at an end of its range.
    const bool visible = j != alpha_index || (norms[j].whole > 1e-18 * static_cast<double>(problem.size()) && !held[j]);
    known[j] = norms[j].alone > 1e-12 * norms[j].whole && visible;
    errors[j] = !known[j] ? infinity : held[j] ? 0.0 : std::sqrt(variance / norms[j].alone);
  }
  if (known[1] && std::isfinite(errors[1])) errors[1] = problem.to_law(errors[1], p[alpha_index]);
  result.identified = {known[0], known[1], known[2], known[3]};
  result.standard_errors = {errors[0], errors[1], errors[2], errors[3]};
}

}  // namespace detail

/// Fits the law to measured curves. Start with least squares, which needs no starting values; take Huber for logs with outliers, or to
/// reproduce published fits. The decay factor is not fitted: it is that of the observations. To choose it, enter the
/// curves with several (0.99, 0.999, 0.9995) and compare `objective`.
/// @param observations at least four points; a constant and a decaying curve of 20 points each are enough
/// @return the law with errors and status; data that cannot tell something are a status, never an exception
/// @throws std::invalid_argument for sizes, options, a loss or forward area that is not finite and > 0, or an annealing area that is not
///         finite; std::domain_error for NaN
/// @note Least squares: about 60 linear problems of n rows and some ten steps after them. Huber: 55 descents of some twenty steps. A step
///       costs two exponentials (Huber: and two logarithms) per point. A few allocations of n doubles.
[[nodiscard]] inline annealing_fit fit_annealing_law(const annealing_observations& observations,
                                                     const annealing_fit_options& options = {}) {
  constexpr const char* function = "gavel::schedule::fit_annealing_law";
  detail::check_observations(function, observations);
  detail::check_fit_options(function, options);
  annealing_fit result;
  result.law = {.loss_floor = 0.0, .amplitude = 0.0, .annealing = 0.0, .alpha = 0.0, .decay_factor = observations.decay_factor};
  if (observations.size() < 4) {
    result.standard_errors = {infinity, infinity, infinity, infinity};
    result.status = annealing_fit_status::too_few_points;
    return result;
  }
  detail::annealing_problem problem = detail::make_problem(observations, options, options.method);
  detail::annealing_descent end;
  if (options.method == annealing_fit_method::huber) {
    end = detail::fit_huber(problem, observations, options, result);
  } else {
    end = detail::fit_least_squares(problem, options);
    result.starts = result.agreeing = 1;
  }
  if (!problem.anneals()) end.point[2] = 0.0;
  result.law = problem.law(end.point, observations.decay_factor);
  result.objective = end.objective;
  result.iterations = end.iterations;
  detail::describe_parameters(problem, end.point, result);
  std::vector<double> predicted(observations.size());
  for (std::size_t i = 0; i < predicted.size(); ++i) {
    predicted[i] = result.law.unchecked_loss(observations.forward[i], observations.annealing[i]);
  }
  detail::describe_errors(observations.loss, predicted, result);
  const annealing_identified& known = result.identified;
  if (!known.loss_floor || !known.amplitude || !known.alpha) result.status = annealing_fit_status::power_not_identified;
  else if (!known.annealing) result.status = annealing_fit_status::annealing_not_identified;
  else if (!detail::explains(observations.loss, predicted, problem.huber_delta(), 3.0)) result.status = annealing_fit_status::unexplained;
  else if (end.status == levenberg_marquardt_status::iteration_limit) result.status = annealing_fit_status::iteration_limit;
  return result;
}

}  // namespace gavel::schedule
