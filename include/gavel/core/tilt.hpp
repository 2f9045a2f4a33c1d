// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/roots.hpp>
#include <gavel/core/simplex.hpp>
#include <gavel/core/views.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <limits>
#include <span>

/// @file
/// Move a distribution towards a reward without going too far from it: q_i proportional to p_i exp(r_i / beta), the best distribution at a given price
/// of divergence, and the search for the price at which a KL budget is used up.

namespace gavel {

/// What a tilted distribution is like.
struct tilt_result {
  double kl = 0.0;               ///< KL(q || p), nats
  double expected_reward = 0.0;  ///< sum_i q_i r_i, reward units
  double free_energy = 0.0;      ///< beta log sum_i p_i exp(r_i / beta) = max over q of E_q[r] - beta KL(q || p), reward units
};

/// How the search for a budget ended.
enum class tilt_to_budget_status {
  converged,       ///< the budget is used up: kl <= budget, and no more than the tolerance below it
  not_binding,     ///< even the largest rewards alone cost no more than the budget: q is p restricted to them, beta = 0
  iteration_limit  ///< `kl` is farther from the budget, on either side
};

/// When `tilt_to_budget` stops.
struct tilt_to_budget_options {
  double relative_tolerance = 1e-10;  ///< the part of the budget that may be left over, in (0, 1); never less than 2e-14 nats
  std::size_t max_iterations = 200;   ///< evaluations of the divergence inside the bracket, >= 1
};

/// What `tilt_to_budget` found.
struct tilt_to_budget_result {
  double beta = 0.0;             ///< the multiplier of the budget, reward units per nat; infinity for a budget of 0
  double kl = 0.0;               ///< KL(q || p), nats
  double expected_reward = 0.0;  ///< E_q[r]
  double upper_bound = 0.0;  ///< no distribution within the budget has a larger expected reward: beta budget + beta log E_p exp(r / beta)
  std::size_t iterations = 0;
  tilt_to_budget_status status = tilt_to_budget_status::converged;
};

namespace detail {

/// Inputs of a tilt, read as doubles, with the extremes of the reward over the support of p.
template <class P, class R>
class tilt_problem {
 public:
  tilt_problem(const char* function, const P& p, const R& rewards, std::span<double> out) : p_(as_span(p)), reward_(as_span(rewards)) {
    check_size(function, "reward.size()", reward_.size(), "p.size()", p_.size());
    check_size(function, "out.size()", out.size(), "p.size()", p_.size());
    check_distribution(function, "p", p);
    bool first = true;
    for (std::size_t i = 0; i < p_.size(); ++i) {
      check_finite(function, "reward", reward(i), i);
      mass_ += prob(i);
      if (prob(i) <= 0.0) continue;
      if (first || reward(i) > best_) best_ = reward(i);
      if (first || reward(i) < worst_) worst_ = reward(i);
      first = false;
    }
    check_finite(function, "max(reward) - min(reward)", range());
    for (std::size_t i = 0; i < p_.size(); ++i) best_mass_ += reward(i) == best_ ? prob(i) : 0.0;
  }

  [[nodiscard]] std::size_t size() const { return p_.size(); }
  [[nodiscard]] double prob(std::size_t i) const { return static_cast<double>(p_[i]); }
  [[nodiscard]] double reward(std::size_t i) const { return static_cast<double>(reward_[i]); }
  [[nodiscard]] double best() const { return best_; }
  [[nodiscard]] double range() const { return best_ - worst_; }
  /// KL of the distribution that keeps the best rewards only: no tilt costs more.
  [[nodiscard]] double largest_kl() const { return -std::log((std::fmin)(best_mass_ / mass_, 1.0)); }
  [[nodiscard]] double weight(std::size_t i, double slope) const {
    return prob(i) <= 0.0 ? 0.0 : prob(i) * std::exp(slope * (reward(i) - best_));
  }

  struct sums {
    double partition = 0.0;  // E_p exp(slope (r - best)), in (0, 1]
    double shortfall = 0.0;  // E_q[best - r]
    double kl = 0.0;
  };
  [[nodiscard]] sums at(double slope) const {
    double partition = 0.0;
    double moment = 0.0;
    for (std::size_t i = 0; i < size(); ++i) {
      const double w = weight(i, slope);
      partition += w;
      if (w > 0.0) moment += w * (best_ - reward(i));
    }
    sums result;
    result.partition = (std::fmin)(partition / mass_, 1.0);
    result.shortfall = moment / partition;
    result.kl = (std::fmax)(-slope * result.shortfall - std::log(result.partition), 0.0);
    return result;
  }
  void write(double slope, std::span<double> out) const {
    const double scale = at(slope).partition * mass_;
    for (std::size_t i = 0; i < size(); ++i) out[i] = weight(i, slope) / scale;
  }
  void write_best(std::span<double> out) const {
    for (std::size_t i = 0; i < size(); ++i) out[i] = reward(i) == best_ ? prob(i) / best_mass_ : 0.0;
  }

 private:
  std::span<const scalar_of<P>> p_;
  std::span<const scalar_of<R>> reward_;
  double mass_ = 0.0;
  double best_ = 0.0;
  double worst_ = 0.0;
  double best_mass_ = 0.0;
};

}  // namespace detail

/// The distribution closest to @p p for the reward it earns: q_i = p_i exp(r_i / beta) / Z maximises E_q[r] - beta KL(q || p).
/// @param p      `[n]` distribution, float or double
/// @param reward `[n]` finite
/// @param beta   price of a nat in reward units, > 0; infinity gives p
/// @param out    `[n]` receives q; may be @p p itself
/// @throws std::invalid_argument if sizes differ or are 0, a reward or the range of the rewards is infinite, or beta is not > 0
/// @throws std::domain_error for NaN or if p is not a distribution
/// @note O(n), no allocation. No overflow for any reward: exponents are taken relative to the largest one.
template <dense_vector P, dense_vector R>
  requires std::floating_point<scalar_of<P>> && std::floating_point<scalar_of<R>>
inline tilt_result tilt(const P& p, const R& reward, double beta, std::span<double> out) {
  const detail::tilt_problem<P, R> problem("gavel::tilt", p, reward, out);
  check_greater("gavel::tilt", "beta", beta, 0.0);
  const double slope = (std::fmin)(1.0 / beta, (std::numeric_limits<double>::max)());
  const auto sums = problem.at(slope);
  const double expected_reward = problem.best() - sums.shortfall;
  problem.write(slope, out);
  return {sums.kl, expected_reward, std::isinf(beta) ? expected_reward : problem.best() + beta * std::log(sums.partition)};
}

/// The largest expected reward within a divergence budget: max E_q[r] subject to KL(q || p) <= budget.
///
/// The optimum is a tilt, and KL grows with 1/beta, so beta is the root of a monotone function; `upper_bound` is the dual value, which
/// proves how good the result is.
/// @param p      `[n]` distribution, float or double
/// @param reward `[n]` finite
/// @param budget nats, >= 0; 0 gives p
/// @param out    `[n]` receives q; may be @p p itself
/// @throws std::invalid_argument if sizes differ or are 0, or a reward, their range, the budget or an option is out of range
/// @throws std::domain_error for NaN or if p is not a distribution
/// @note O(n) per iteration, typically 10 to 30 of them; no allocation. Rounding hides divergences below about
///       1e-15, so budgets near that size are met approximately.
/// @par Source
/// Ben-Tal, den Hertog, De Waegenaere, Melenberg, Rennen, "Robust solutions of optimization problems affected by uncertain probabilities"
/// (2013), corollary 3 for the Kullback-Leibler divergence.
template <dense_vector P, dense_vector R>
  requires std::floating_point<scalar_of<P>> && std::floating_point<scalar_of<R>>
inline tilt_to_budget_result tilt_to_budget(const P& p, const R& reward, double budget, std::span<double> out,
                                            const tilt_to_budget_options& options = {}) {
  constexpr const char* name = "gavel::tilt_to_budget";
  const detail::tilt_problem<P, R> problem(name, p, reward, out);
  check_at_least(name, "budget", budget, 0.0);
  check_unit_interval(name, "options.relative_tolerance", options.relative_tolerance, unit_ends::open);
  check_at_least(name, "options.max_iterations", options.max_iterations, 1);
  if (budget >= problem.largest_kl()) {
    const double kl = problem.largest_kl();
    problem.write_best(out);
    return {0.0, kl, problem.best(), problem.best(), 0, tilt_to_budget_status::not_binding};
  }
  if (budget == 0.0) {
    const double expected_reward = problem.best() - problem.at(0.0).shortfall;
    problem.write(0.0, out);
    return {infinity, 0.0, expected_reward, expected_reward, 0, tilt_to_budget_status::converged};
  }
  // In units of 1/range: exp(-slope) weighs the worst against the best. Doubling ends at the latest when all but the best underflow.
  double high = (std::fmin)(1.0 / problem.range(), (std::numeric_limits<double>::max)() / 4.0);
  while (problem.at(high).kl < budget && high < (std::numeric_limits<double>::max)() / 4.0) high *= 2.0;
  // Aim below the budget by as much as the root may be off, and never ask for more than rounding lets the divergence show.
  const double slack = (std::fmin)((std::fmax)(0.5 * options.relative_tolerance * budget, 1e-14), 0.5 * budget);
  const root_result root = brent([&](double slope) { return problem.at(slope).kl - (budget - slack); }, 0.0, high,
                                 {.value_tolerance = slack, .max_iterations = options.max_iterations});
  const auto sums = problem.at(root.x);
  const double beta = 1.0 / root.x;
  problem.write(root.x, out);
  return {beta,
          sums.kl,
          problem.best() - sums.shortfall,
          problem.best() + beta * (budget + std::log(sums.partition)),
          root.iterations,
          root.status == root_status::iteration_limit ? tilt_to_budget_status::iteration_limit : tilt_to_budget_status::converged};
}

}  // namespace gavel
