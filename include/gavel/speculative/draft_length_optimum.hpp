// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/simplex.hpp>
#include <gavel/core/views.hpp>
#include <gavel/speculative/draft_length.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

/// @file
/// What a round of speculation costs, and the best possible stopping rule when the difficulties of successive tokens are independent
/// draws from a few levels: the yardstick for every draft-length rule.
/// @par Source
/// Huang, Guo, Wang, 2024, arXiv 2405.19715 (cost decomposition, threshold theorem); the closed form for independent difficulties is the
/// one-step look-ahead rule of a monotone stopping problem.

namespace gavel::speculative {

/// Time of one forward pass of each model, in any one unit. Only the ratio matters to a rule.
struct speculation_cost {
  double draft_time = 1.0;   ///< t_d: one draft step, finite, >= 0
  double target_time = 8.0;  ///< t_t: one target call, whatever the number of drafts it verifies; finite, > 0

  /// False where a draft step takes as long as a target call: then speculation cannot pay, however good the drafts.
  [[nodiscard]] constexpr bool speculation_can_pay() const noexcept { return draft_time < target_time; }

  friend bool operator==(const speculation_cost&, const speculation_cost&) = default;
};

namespace detail {

inline void check_cost(const char* function, const speculation_cost& cost) {
  check_not_negative(function, "draft_time", cost.draft_time);
  check_positive(function, "target_time", cost.target_time);
}

inline void check_levels(const char* function, vector_view<const double> acceptance, vector_view<const double> probs) {
  check_at_least(function, "acceptance.size()", acceptance.size(), 1);
  check_size(function, "probs.size()", probs.size(), "acceptance.size()", acceptance.size());
  for (std::size_t i = 0; i < acceptance.size(); ++i) check_unit_interval(function, "acceptance", acceptance[i], unit_ends::closed, i);
  check_distribution(function, "probs", probs);
}

}  // namespace detail

/// The totals of a decoding run: tokens N, discarded drafts N_disc and target calls N_target say everything about its time,
///
///     drafts = N - N_target + N_disc,   time = t_d N + t_d N_disc + (t_t - t_d) N_target,
///
/// so a discarded draft costs t_d and a target call t_t - t_d. Counts add up: `merge` is associative.
struct speculation_counts {
  std::size_t tokens = 0;     ///< N: tokens emitted
  std::size_t discarded = 0;  ///< N_disc: drafts that were not emitted
  std::size_t rounds = 0;     ///< N_target: target calls

  /// Enters one round, which emits its accepted drafts and one more token.
  /// @throws std::invalid_argument if accepted > drafted
  void add_round(std::size_t accepted, std::size_t drafted) {
    check_at_most("gavel::speculative::speculation_counts::add_round", "accepted", accepted, "drafted", drafted);
    tokens += accepted + 1;
    discarded += drafted - accepted;
    rounds += 1;
  }
  void merge(const speculation_counts& other) noexcept {
    tokens += other.tokens;
    discarded += other.discarded;
    rounds += other.rounds;
  }

  [[nodiscard]] std::size_t drafted() const noexcept { return tokens - rounds + discarded; }
  /// N_disc / N, 0 before the first token.
  [[nodiscard]] double discard_rate() const noexcept { return ratio(discarded); }
  /// N_target / N, 0 before the first token. Plain decoding has 1.
  [[nodiscard]] double verification_rate() const noexcept { return ratio(rounds); }
  /// Time per emitted token, 0 before the first token.
  /// @throws as `optimal_draft_length` for a bad @p cost
  [[nodiscard]] double time_per_token(const speculation_cost& cost) const {
    detail::check_cost("gavel::speculative::speculation_counts::time_per_token", cost);
    if (tokens == 0) return 0.0;
    return cost.draft_time * (1.0 + discard_rate()) + (cost.target_time - cost.draft_time) * verification_rate();
  }

  friend bool operator==(const speculation_counts&, const speculation_counts&) = default;

 private:
  [[nodiscard]] double ratio(std::size_t count) const noexcept {
    return tokens == 0 ? 0.0 : static_cast<double>(count) / static_cast<double>(tokens);
  }
};

/// The totals of two runs together.
[[nodiscard]] inline speculation_counts merge(speculation_counts a, const speculation_counts& b) noexcept {
  a.merge(b);
  return a;
}

/// Expected time per token when every round drafts @p length tokens and each is accepted with the mean probability @p acceptance
/// (independent difficulties enter only through their mean):
///
///     (K t_d + t_t) (1 - a) / (1 - a^{K+1}),   (K t_d + t_t) / (K + 1) for a = 1.
///
/// @param acceptance a in [0, 1]
/// @param length     K >= 0
/// @throws std::domain_error for NaN, std::invalid_argument for an acceptance or a time out of range
/// @note O(1).
[[nodiscard]] inline double fixed_length_time_per_token(double acceptance, std::size_t length, const speculation_cost& cost) {
  constexpr const char* function = "gavel::speculative::fixed_length_time_per_token";
  check_unit_interval(function, "acceptance", acceptance);
  detail::check_cost(function, cost);
  const auto drafts = static_cast<double>(length);
  // expm1 keeps the digits that 1 - a^{K+1} loses near a = 1.
  const double tokens = acceptance == 1.0 ? drafts + 1.0 : std::expm1((drafts + 1.0) * std::log(acceptance)) / (acceptance - 1.0);
  return (drafts * cost.draft_time + cost.target_time) / tokens;
}

/// The best constant number of drafts.
struct best_fixed_length_result {
  std::size_t length = 0;       ///< K, the smallest among equals; 0 = do not speculate
  double time_per_token = 0.0;  ///< its expected time per token
};

/// The best fixed length for a mean acceptance; for constant acceptance it is the best of all rules.
/// @param acceptance mean acceptance a in [0, 1]
/// @param max_length largest K considered; reached only for a close to 1 or a draft that costs nothing
/// @throws as `fixed_length_time_per_token`
/// @note O(best K): the time per token falls, then rises.
[[nodiscard]] inline best_fixed_length_result best_fixed_length(double acceptance, const speculation_cost& cost,
                                                                std::size_t max_length = 256) {
  best_fixed_length_result best{0, fixed_length_time_per_token(acceptance, 0, cost)};
  for (std::size_t length = 1; length <= max_length; ++length) {
    const double time = fixed_length_time_per_token(acceptance, length, cost);
    if (!(time < best.time_per_token)) break;
    best = {length, time};
  }
  return best;
}

/// How `optimal_draft_length` ended.
enum class draft_length_optimum_status {
  converged,        ///< the optimum, to rounding
  never_speculate,  ///< drafting cannot pay: t_d >= g m, in particular whenever t_d >= t_t; the optimum is plain decoding
  state_limit       ///< too many states within the limit given: the answer is the best fixed length, which the optimum can only beat
};

/// Limits of `optimal_draft_length`.
struct draft_length_optimum_options {
  std::size_t max_length = 256;        ///< drafts per round at most, >= 1. Binds only for levels very close to 1
  std::size_t max_states = 1'000'000;  ///< states summed per iteration at most, >= 1

  friend bool operator==(const draft_length_optimum_options&, const draft_length_optimum_options&) = default;
};

/// The optimal stopping rule for independent difficulties and what it achieves.
struct draft_length_optimum_result {
  double time_per_token = 0.0;          ///< g
  double mean_acceptance = 0.0;         ///< m
  double rejection_threshold = 0.0;     ///< h* = 1 - t_d / (g m), clamped at 0: stop once P(some draft is rejected) >= h*
  double mean_drafted = 0.0;            ///< drafts per round
  double mean_accepted = 0.0;           ///< accepted drafts per round; the round emits one token more
  best_fixed_length_result best_fixed;  ///< the best fixed length for the same difficulties
  double gain_over_best_fixed = 0.0;    ///< best_fixed.time_per_token / time_per_token - 1
  std::size_t iterations = 0;           ///< fixed-point steps taken
  draft_length_optimum_status status = draft_length_optimum_status::converged;
};

namespace detail {

// Sums over the states in which an optimal round goes on. A state is the number of drafts seen of each level, n_1..n_L; its product
// c = prod a_i^{n_i} does not depend on their order and every prefix of a state has a larger c, so *all* orders lead through continuing
// states only and the state is visited with the multinomial probability k! / prod n_i! * prod pi_i^{n_i}. No recursion over time is needed.
class level_walk {
 public:
  static constexpr std::size_t max_levels = 16;

  level_walk(vector_view<const double> acceptance, vector_view<const double> probs, double total_prob,
             const draft_length_optimum_options& options)
      : options_(options) {
    for (std::size_t i = 0; i < acceptance.size(); ++i) {
      if (!(probs[i] > 0.0) || !(acceptance[i] > 0.0)) continue;  // never met, or ends every product
      log_acceptance_[levels_] = std::log(acceptance[i]);
      log_probs_[levels_] = std::log(probs[i] / total_prob);
      ++levels_;
    }
  }

  struct sums {
    double drafts = 0.0;   // E[number of drafts] = sum of visits
    double product = 0.0;  // sum of visits * c; times m it is E[accepted drafts]
    std::size_t states = 0;
    bool complete = true;
  };

  [[nodiscard]] sums operator()(double log_floor) const {
    sums total;
    visit(0, 0, 0.0, 0.0, log_floor, total);
    return total;
  }

 private:
  void visit(std::size_t level, std::size_t drafted, double log_visits, double log_product, double log_floor, sums& total) const {
    if (level == levels_) {
      if (++total.states > options_.max_states) total.complete = false;
      const double visits = std::exp(log_visits);
      total.drafts += visits;
      total.product += visits * std::exp(log_product);
      return;
    }
    for (std::size_t count = 0; total.complete; ++count) {
      visit(level + 1, drafted, log_visits, log_product, log_floor, total);
      ++drafted;
      log_product += log_acceptance_[level];
      if (drafted >= options_.max_length || !(log_product > log_floor)) break;
      log_visits += log_probs_[level] + std::log(static_cast<double>(drafted) / static_cast<double>(count + 1));
    }
  }

  draft_length_optimum_options options_;
  std::size_t levels_ = 0;
  std::array<double, max_levels> log_acceptance_{};
  std::array<double, max_levels> log_probs_{};
};

}  // namespace detail

/// The best stopping rule there is when each draft's acceptance probability is an independent draw from a few levels that the rule sees
/// as it drafts. With m the mean level, c_k the product of the first k acceptance probabilities and g the optimal time per token,
///
///     continue  iff  c_k > t_d / (g m),      g = (t_d E[k] + t_t) / (1 + E[sum_{i <= k} c_i]) under that rule,
///
/// because one more draft costs t_d and saves g with probability c_k m, and c_k only falls (one-step look-ahead is optimal). g is found by
/// iteration from the best fixed length, decreasing and superlinear.
/// @param acceptance acceptance probability of each level, `[L]`, in [0, 1], 1 <= L <= 16
/// @param probs      probability of each level, `[L]`, sums to one
/// @return optimum, threshold, expected round and the best fixed length; see `draft_length_optimum_status`
/// @throws std::invalid_argument if L is 0 or above 16, sizes differ, a level, a time or a limit is out of range; std::domain_error if
///         a level or a time is NaN or @p probs is not a distribution
/// @note O(states) per step, at most about ten steps, no allocation: far below 1 ms for three levels at realistic costs.
/// @par Source
/// Huang, Guo, Wang, 2024, arXiv 2405.19715, threshold theorem, specialised to independent difficulties.
[[nodiscard]] inline draft_length_optimum_result optimal_draft_length(vector_view<const double> acceptance, vector_view<const double> probs,
                                                                      const speculation_cost& cost,
                                                                      const draft_length_optimum_options& options = {}) {
  constexpr const char* function = "gavel::speculative::optimal_draft_length";
  check_at_most(function, "acceptance.size()", acceptance.size(), detail::level_walk::max_levels);
  detail::check_levels(function, acceptance, probs);
  detail::check_cost(function, cost);
  check_at_least(function, "max_length", options.max_length, 1);
  check_at_least(function, "max_states", options.max_states, 1);

  draft_length_optimum_result result;
  double total_prob = 0.0;
  for (std::size_t i = 0; i < acceptance.size(); ++i) {
    result.mean_acceptance += probs[i] * acceptance[i];
    total_prob += probs[i];
  }
  const double mean = result.mean_acceptance < total_prob ? result.mean_acceptance / total_prob : 1.0;
  result.mean_acceptance = mean;
  result.best_fixed = best_fixed_length(mean, cost, options.max_length);
  result.time_per_token = result.best_fixed.time_per_token;  // attainable, and closer than plain decoding

  const detail::level_walk walk(acceptance, probs, total_prob, options);
  while (cost.draft_time < result.time_per_token * mean) {
    const auto sums = walk(std::log(cost.draft_time / (result.time_per_token * mean)));
    if (!sums.complete) {
      const auto length = static_cast<double>(result.best_fixed.length);
      result.time_per_token = result.best_fixed.time_per_token;
      result.mean_drafted = length;
      result.mean_accepted = (length * cost.draft_time + cost.target_time) / result.time_per_token - 1.0;
      result.status = draft_length_optimum_status::state_limit;
      break;
    }
    result.mean_drafted = sums.drafts;
    result.mean_accepted = mean * sums.product;
    const double time = (cost.draft_time * sums.drafts + cost.target_time) / (1.0 + result.mean_accepted);
    ++result.iterations;
    // Finitely many rules, strictly better each time: the first step that does not improve (beyond rounding) has found the optimum.
    const bool improved = time < result.time_per_token * (1.0 - 4.0 * std::numeric_limits<double>::epsilon());
    if (time < result.time_per_token) result.time_per_token = time;
    if (!improved) break;
  }
  if (result.iterations == 0 && result.status == draft_length_optimum_status::converged)
    result.status = draft_length_optimum_status::never_speculate;
  if (result.status != draft_length_optimum_status::never_speculate) {
    const double threshold = 1.0 - cost.draft_time / (result.time_per_token * mean);
    result.rejection_threshold = threshold > 0.0 ? threshold : 0.0;
  }
  result.gain_over_best_fixed = result.best_fixed.time_per_token / result.time_per_token - 1.0;
  return result;
}

/// Drafts while the product of predicted acceptances is worth a draft step: continue iff c_k > t_d / (g m). The optimal rule when
/// difficulties are independent and predicted exactly; unlike `threshold_rule` it can decide to draft nothing.
class lookahead_rule {
 public:
  lookahead_rule() = default;
  /// The rule that attains @p optimum (for `state_limit`: the look-ahead at the best fixed length's time per token).
  /// @param max_length drafts after which a round always ends, >= 1
  /// @throws std::invalid_argument if @p max_length < 1
  explicit lookahead_rule(const draft_length_optimum_result& optimum, std::size_t max_length = 256)
      : log_floor_(optimum.status == draft_length_optimum_status::never_speculate ? 0.0 : std::log1p(-optimum.rejection_threshold)),
        max_length_(max_length) {
    check_at_least("gavel::speculative::lookahead_rule", "max_length", max_length, 1);
  }

  [[nodiscard]] bool begin_round() noexcept {
    drafted_ = 0;
    log_product_ = 0.0;
    return log_product_ > log_floor_;
  }
  /// Reads `predicted_acceptance` (of the token just drafted) and `end_of_sequence`.
  /// @throws std::domain_error if the prediction is NaN, std::invalid_argument if it is outside [0, 1]; the rule is then unchanged
  [[nodiscard]] bool keep_drafting(const draft_observation& observation) {
    check_unit_interval("gavel::speculative::lookahead_rule::keep_drafting", "predicted_acceptance", observation.predicted_acceptance);
    ++drafted_;
    log_product_ += std::log(observation.predicted_acceptance);
    return !observation.end_of_sequence && drafted_ < max_length_ && log_product_ > log_floor_;
  }
  void end_round(std::size_t, std::size_t) noexcept {}

  friend bool operator==(const lookahead_rule&, const lookahead_rule&) = default;

 private:
  double log_floor_ = 0.0;  // log(t_d / (g m)); 0 never drafts
  std::size_t max_length_ = 256;
  std::size_t drafted_ = 0;
  double log_product_ = 0.0;
};

}  // namespace gavel::speculative
