// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/numerics.hpp>
#include <gavel/core/ordering.hpp>
#include <gavel/core/views.hpp>
#include <gavel/schedule/detail/law_fit.hpp>
#include <gavel/schedule/detail/multi_power_problem.hpp>
#include <gavel/schedule/detail/rate_changes.hpp>
#include <gavel/schedule/multi_power_law.hpp>
#include <gavel/schedule/rate_source.hpp>
#include <gavel/solvers/levenberg_marquardt.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

/// @file
/// From a few training curves to the parameters of the multi-power law, with a verdict on what the curves can tell.
/// @par Source
/// Luo, Wen, Hu, Sun, Liu, Sun, Lyu, Chen, "A Multi-Power Law for Loss Curve Prediction Across Learning Rate Schedules", ICLR 2025, arXiv
/// 2503.12811: the law and its Huber objective on log losses.

namespace gavel::schedule {

/// Losses measured along training runs, with the rates of the runs folded up once for all evaluations of the law.
class multi_power_observations {
 public:
  multi_power_observations() = default;
  /// @param warmup_area S_W of all runs: rates summed over warm-up steps that the tables of rates leave out; finite, >= 0
  /// @throws std::invalid_argument if it is not, std::domain_error if it is NaN
  explicit multi_power_observations(double warmup_area) : warmup_area_(warmup_area) {
    check_not_negative("gavel::schedule::multi_power_observations", "warmup_area", warmup_area);
  }

  /// Appends a run. A rising warm-up would count as negative annealing: leave it out, or say how long it is.
  /// @param rates  a `rate_source`: the schedule of the run, the rate of every step from 0 on, or a log of rates; read up to the last of
  ///        @p steps
  /// @param steps  `[n]` at which losses were measured, strictly ascending, >= @p warmup_steps
  /// @param losses `[n]` finite, > 0
  /// @param warmup_steps W: steps 0..W count with the rate of step W, as in `loss_prediction_options`
  /// @throws std::invalid_argument for sizes and steps, a source that is empty, not in order or too short, a rate or loss out of range, a
  ///         loss of the warm-up, and if S_1 + S_W is 0 at the first step or infinite at the last; std::domain_error for NaN. Nothing is appended then.
  /// @note O(last step). Keeps 8 bytes per step and about 120 per change of the rate.
  template <rate_source R>
  void add_curve(const R& rates, vector_view<const std::uint64_t> steps, vector_view<const double> losses, std::uint64_t warmup_steps = 0) {
    constexpr const char* function = "gavel::schedule::multi_power_observations::add_curve";
    check_size(function, "losses.size()", losses.size(), "steps.size()", steps.size());
    for (std::size_t i = 0; i < losses.size(); ++i) check_positive(function, "losses", losses[i], i);
    if (steps.empty()) return;
    const detail::source_reader<R> source(function, rates, warmup_steps);
    detail::check_read_steps(function, steps, source.last_step());
    detail::check_after_warmup(function, steps, warmup_steps);
    detail::rate_changes changes = detail::changes_until(source, steps[steps.size() - 1]);
    detail::check_total_area(function, steps[0], changes.area(steps[0]) + warmup_area_);
    check_finite(function, "S_1 + warmup_area", changes.area(steps[steps.size() - 1]) + warmup_area_);
    for (std::size_t i = 0; i < steps.size(); ++i) points_.push_back({curves_.size(), steps[i], losses[i]});
    curves_.push_back(std::move(changes));
  }

  [[nodiscard]] std::size_t size() const noexcept { return points_.size(); }  ///< measured losses
  [[nodiscard]] double warmup_area() const noexcept { return warmup_area_; }  ///< S_W
  /// Runs and points as the fit reads them.
  [[nodiscard]] const std::vector<detail::rate_changes>& curves() const noexcept { return curves_; }
  [[nodiscard]] const std::vector<detail::multi_power_point>& points() const noexcept { return points_; }

 private:
  double warmup_area_ = 0.0;
  std::vector<detail::rate_changes> curves_;
  std::vector<detail::multi_power_point> points_;
};

/// How a fit ended; of several findings the last of this list is reported.
enum class multi_power_fit_status {
  converged,        ///< a minimum, and every parameter is determined
  iteration_limit,  ///< the best point so far
  unexplained,      ///< the losses are as well described by one number: noise, or a curve that does not move (likelihood ratio, 1 %)
  not_identified,   ///< the curves leave parameters open, see `identified`: predictions hold for schedules like theirs, not for others
  no_points         ///< nothing was fitted
};

struct multi_power_fit_options {
  double huber_delta = 1e-3;         ///< of log losses, > 0
  double relative_error = 1e-7;      ///< of annealing sums, in (0, 1): below what losses are measured to
  std::size_t max_iterations = 300;  ///< of the last descent, >= 1
  std::size_t starts = 6;            ///< descents from the best points of a grid, in [1, 36]

  friend bool operator==(const multi_power_fit_options&, const multi_power_fit_options&) = default;
};

/// Which parameters the data determine: moving the others cannot make up for moving this one.
struct multi_power_identified {
  bool loss_floor = false;
  bool amplitude = false;
  bool annealing = false;
  bool alpha = false;
  bool scale = false;
  bool beta = false;
  bool gamma = false;

  [[nodiscard]] bool all() const noexcept { return loss_floor && amplitude && annealing && alpha && scale && beta && gamma; }
  friend bool operator==(const multi_power_identified&, const multi_power_identified&) = default;
};

/// A number for each fitted parameter of the law.
struct multi_power_parameters {
  double loss_floor = 0.0;  ///< of L_0
  double amplitude = 0.0;   ///< of A
  double annealing = 0.0;   ///< of B
  double alpha = 0.0;       ///< of alpha
  double scale = 0.0;       ///< of C
  double beta = 0.0;        ///< of beta
  double gamma = 0.0;       ///< of gamma

  friend bool operator==(const multi_power_parameters&, const multi_power_parameters&) = default;
};

/// A fitted law and how well it fits.
struct multi_power_fit {
  multi_power_law law;  ///< a parameter that is not identified has some valid value, B without a change of the rate 0
  multi_power_identified identified;
  /// Standard error of each parameter divided by the parameter, for independent errors of equal relative size. Infinite where nothing can
  /// be said (or the parameter is 0); above about 1 the curves hardly determine the parameter, whatever `identified` says.
  multi_power_parameters relative_errors;
  double objective = 0.0;            ///< sum of Huber losses of log(L_obs / L_pred)
  std::optional<double> r_squared;   ///< 1 - SS_res / SS_tot on the losses; empty if all losses are equal
  double mean_relative_error = 0.0;  ///< of |L_pred / L_obs - 1|
  double max_relative_error = 0.0;
  std::size_t iterations = 0;  ///< steps of all descents
  std::size_t starts = 0;      ///< descents begun
  multi_power_fit_status status = multi_power_fit_status::converged;
};

namespace detail {

inline void check_fit_options(const char* function, const multi_power_fit_options& options) {
  check_positive(function, "huber_delta", options.huber_delta);
  check_unit_interval(function, "relative_error", options.relative_error, unit_ends::open);
  check_at_least(function, "max_iterations", options.max_iterations, 1);
  check_at_least(function, "starts", options.starts, 1);
  check_at_most(function, "starts", options.starts, 36);
}

// For fixed C, beta, gamma and alpha the law is linear: every point of the grid comes with its best L_0, A and B.
[[nodiscard]] inline std::array<multi_power_descent, 36> project_grid(multi_power_problem& problem) {
  std::array<multi_power_descent, 36> grid;
  std::size_t n = 0;
  for (const double scale : {0.0, 2.5, 5.0, 7.5}) {
    for (const double beta : {0.25, 0.6, 1.2}) {
      for (const double gamma : {0.2, 0.6, 1.0}) grid[n++] = problem.project(scale, beta, gamma);
    }
  }
  sort_values(grid.data(), grid.size(),
              [](const multi_power_descent& a, const multi_power_descent& b) { return a.objective < b.objective; });
  return grid;
}

// What is left of a column of the Jacobian when the others have explained what they can is what the data say about its parameter alone.
inline void describe_parameters(const multi_power_problem& problem, const multi_power_vector& p, multi_power_fit& result) {
  const std::size_t n = problem.size();
  std::vector<double> residuals(n);
  std::vector<multi_power_vector> slopes(n);
  problem.finer()(p, residuals, slopes);
  problem.naturalize(p, slopes);
  std::array<bool, n_multi_power> held{}, known{};
  std::array<double, n_multi_power> errors{};
  std::size_t n_free = 0;
  for (std::size_t j = 0; j < n_multi_power; ++j) {
    held[j] = multi_power_problem::at_bound(p, j);
    n_free += held[j] ? 0U : 1U;
  }
  const double variance = noise_variance(residuals, problem.huber_delta(), n_free);
  const auto norms = parameter_norms(slopes, held);
  for (std::size_t j = 0; j < n_multi_power; ++j) {
    // Nothing can be said about a term that is too small to be seen (rms of its slopes) or a power at the end of its range.
    const bool visible = norms[j].whole > 1e-18 * static_cast<double>(n) && !held[j];
    known[j] = norms[j].alone > 1e-12 * norms[j].whole && (j == index_floor || visible);
    errors[j] = known[j] ? std::sqrt(variance / norms[j].alone) : infinity;
  }
  if (known[index_floor]) errors[index_floor] = p[index_floor] > 0.0 ? errors[index_floor] / p[index_floor] : infinity;
  result.identified = {known[index_floor], known[index_amplitude], known[index_annealing], known[index_alpha],
                       known[index_scale], known[index_beta],      known[index_gamma]};
  result.relative_errors = {errors[index_floor], errors[index_amplitude], errors[index_annealing], errors[index_alpha],
                            errors[index_scale], errors[index_beta],      errors[index_gamma]};
}

}  // namespace detail

/// Fits the multi-power law to measured curves: minimises sum_i Huber(log L_obs,i - log L_pred,i) over L_0 >= 0, A, B >= 0 and alpha in
/// [0.001, 8], beta in [0.01, 10], gamma in [0.01, 2] and C > 0.
///
/// Exponents are started on a grid with the best L_0, A and B for each point (the law is linear in these), then all seven parameters go
/// down together by a damped Gauss-Newton method with exact slopes. Several combinations of C, beta and gamma usually predict the same losses:
/// judge a fit by its predictions, not by its parameters.
/// @param observations runs with different shapes of annealing. A constant rate says nothing about B, C, beta and gamma
/// @return the law with errors and status; a poor fit or open parameters are no exception
/// @throws std::invalid_argument for options out of range, std::domain_error if one is NaN
/// @note Some 200 evaluations of the law, O(log T) each per point: two runs of 20,000 steps with 20 points each take well under a second.
///       Allocates O(points).
[[nodiscard]] inline multi_power_fit fit_multi_power_law(const multi_power_observations& observations,
                                                         const multi_power_fit_options& options = {}) {
  detail::check_fit_options("gavel::schedule::fit_multi_power_law", options);
  multi_power_fit result;
  if (observations.size() == 0) {
    result.status = multi_power_fit_status::no_points;
    return result;
  }
  detail::multi_power_problem problem(observations.curves(), observations.points(), observations.warmup_area(), options.huber_delta,
                                      options.relative_error);
  const auto grid = detail::project_grid(problem);
  detail::multi_power_descent best;
  for (std::size_t s = 0; s < options.starts; ++s) {
    const detail::multi_power_descent end = problem.descend(grid[s].point, true, 1e-3, 40);
    result.iterations += end.iterations;
    if (result.starts++ == 0 || end.objective < best.objective) best = end;
  }
  for (const bool reweighted : {true, false}) {
    best = problem.descend(best.point, reweighted, reweighted ? 1e-7 : 1e-11, options.max_iterations);
    result.iterations += best.iterations;
  }
  result.law = problem.law(best.point);
  result.objective = best.objective;
  detail::describe_parameters(problem, best.point, result);
  const std::vector<double> predicted = problem.predictions(best.point);
  detail::describe_errors(problem.losses(), predicted, result);
  if (!result.identified.all()) result.status = multi_power_fit_status::not_identified;
  else if (!detail::explains(problem.losses(), predicted, options.huber_delta, 6.0)) result.status = multi_power_fit_status::unexplained;
  else if (best.status == levenberg_marquardt_status::iteration_limit) result.status = multi_power_fit_status::iteration_limit;
  return result;
}

}  // namespace gavel::schedule
