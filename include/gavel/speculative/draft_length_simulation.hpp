// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/philox.hpp>
#include <gavel/core/reset_on_move.hpp>
#include <gavel/core/simplex.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/core/views.hpp>
#include <gavel/kernels/overlap.hpp>
#include <gavel/kernels/sample.hpp>
#include <gavel/speculative/acceptance_loss.hpp>
#include <gavel/speculative/draft_length.hpp>
#include <gavel/speculative/draft_length_optimum.hpp>
#include <gavel/speculative/detail/residual_weights.hpp>
#include <gavel/speculative/verifier.hpp>

#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

/// @file
/// Which draft-length rule is best for a pair of models and a machine? Simulated decoding of the same text under each rule with common
/// random numbers, so that rules differ by what they decide and not by luck.

namespace gavel::speculative {

/// One drafted token as a simulation sees it.
struct simulated_draft {
  draft_observation observation;  ///< what the rule may see; `predicted_acceptance` is for this token (the simulation applies a rule's lag)
  double acceptance = 1.0;        ///< probability in [0, 1] that the target accepts it, given that it accepted the ones before
  double overlap = 1.0;           ///< sum_x min(p, q) at its position, in [0, 1]: what a learning rule is told after verification
};

/// Where simulated drafts come from. `draft(rng)` extends the speculated text by one token; `commit(accepted, rng)` keeps the first
/// `accepted` tokens of it, forgets the others and adds the round's extra token.
template <class S>
concept draft_source = std::copy_constructible<S> && requires(S source, philox4x32& rng, std::size_t accepted) {
  { source.draft(rng) } -> std::same_as<simulated_draft>;
  source.commit(accepted, rng);
};

/// Tokens of independent difficulty: every position's acceptance probability is drawn from a few levels. The prediction shown to rules is
/// exact, and so is the confidence (both are the level); the entropy is zero, which says nothing. The setting of `optimal_draft_length`.
class independent_levels {
 public:
  /// @param acceptance acceptance probability of each level, `[L]`, in [0, 1]
  /// @param probs      probability of each level, `[L]`, sums to one
  /// @throws std::invalid_argument if empty, sizes differ or a level is outside [0, 1]; std::domain_error for NaN or if @p probs is not a
  ///         distribution
  /// @note Copies both.
  independent_levels(vector_view<const double> acceptance, vector_view<const double> probs)
      : acceptance_(acceptance.begin(), acceptance.end()), probs_(probs.begin(), probs.end()) {
    detail::check_levels("gavel::speculative::independent_levels", acceptance, probs);
  }

  // A move is a copy: no levels is no distribution.
  independent_levels(const independent_levels&) = default;
  independent_levels& operator=(const independent_levels&) = default;

  /// @note Draws: one uniform.
  [[nodiscard]] simulated_draft draft(philox4x32& rng) const {
    const double level = acceptance_[kernels::sample(probs_.data(), probs_.size(), uniform(rng))];
    return {.observation = {.predicted_acceptance = level, .top_prob = level}, .acceptance = level, .overlap = level};
  }
  void commit(std::size_t, philox4x32&) const noexcept {}

 private:
  std::vector<double> acceptance_;
  std::vector<double> probs_;
};

/// The default predictor of `row_source`: no prediction.
struct no_prediction {
  [[nodiscard]] double operator()(std::span<const token_id>, std::span<const double>, token_id) const noexcept { return 1.0; }
};

/// Real decoding with a user's pair of models: drafts are sampled from q, verified against p, and the extra token comes from the residual
/// or from p, so the text written has exactly the target's law.
/// @tparam Rows      `rows(text, p, q)`: writes the next-token distributions `[V]` that follow @p text (a span of token ids)
/// @tparam Predictor `predictor(text, q, token)`: predicted acceptance in [0, 1] of @p token drafted from @p q after @p text
template <class Rows, class Predictor = no_prediction>
  requires std::invocable<Rows&, std::span<const token_id>, std::span<double>, std::span<double>> &&
           std::is_invocable_r_v<double, Predictor&, std::span<const token_id>, std::span<const double>, token_id>
class row_source {
 public:
  /// @param vocabulary V >= 1
  /// @param prompt     text to start from; may be empty if @p rows accepts an empty text
  /// @throws std::invalid_argument if @p vocabulary is 0
  row_source(std::size_t vocabulary, vector_view<const token_id> prompt, Rows rows, Predictor predictor = {})
      : vocabulary_(vocabulary),
        text_(prompt.begin(), prompt.end()),
        committed_(prompt.size()),
        rows_(std::move(rows)),
        predictor_(std::move(predictor)) {
    check_at_least("gavel::speculative::row_source", "vocabulary", vocabulary, 1);
  }

  /// @throws std::domain_error if @p rows wrote something that is not a pair of distributions
  /// @note Draws: one uniform. O(V) plus the user's rows.
  [[nodiscard]] simulated_draft draft(philox4x32& rng) {
    const std::size_t drafted = text_.size() - committed_;
    if (pairs_.size() < (drafted + 1) * 2 * vocabulary_) pairs_.resize((drafted + 1) * 2 * vocabulary_);
    const std::span<double> p = row(2 * drafted);
    const std::span<double> q = row(2 * drafted + 1);
    fill(p, q);
    const auto token = static_cast<token_id>(kernels::sample(q.data(), vocabulary_, uniform(rng)));
    simulated_draft result{.observation = observe_draft(q), .acceptance = soft_label(p[token], q[token])};
    const double overlap = kernels::overlap(p.data(), q.data(), vocabulary_);
    result.overlap = overlap < 1.0 ? overlap : 1.0;
    result.observation.predicted_acceptance = predictor_(std::span<const token_id>(text_), std::span<const double>(q), token);
    text_.push_back(token);
    return result;
  }

  /// @note Draws: one uniform.
  void commit(std::size_t accepted, philox4x32& rng) {
    const bool rejected = accepted < text_.size() - committed_;
    text_.resize(committed_ + accepted);
    if (rejected) {
      text_.push_back(detail::residual_weights<double>{row(2 * accepted), row(2 * accepted + 1)}.sample(uniform(rng)));
    } else {
      if (pairs_.size() < 2 * vocabulary_) pairs_.resize(2 * vocabulary_);
      fill(row(0), row(1));
      text_.push_back(static_cast<token_id>(kernels::sample(row(0).data(), vocabulary_, uniform(rng))));
    }
    committed_ = text_.size();
  }

  /// Prompt and all tokens written so far (between rounds), plus the present drafts (inside a round).
  [[nodiscard]] std::span<const token_id> text() const noexcept { return text_; }

 private:
  [[nodiscard]] std::span<double> row(std::size_t index) noexcept { return {pairs_.data() + index * vocabulary_, vocabulary_}; }
  void fill(std::span<double> p, std::span<double> q) {
    rows_(std::span<const token_id>(text_), p, q);
    check_distribution("gavel::speculative::row_source", "p", p);
    check_distribution("gavel::speculative::row_source", "q", q);
  }

  std::size_t vocabulary_;
  std::vector<token_id> text_;
  reset_on_move<std::size_t> committed_;
  Rows rows_;
  Predictor predictor_;
  std::vector<double> pairs_;  // p and q of each draft of the round
};

/// Settings of `simulate_length_rule`.
struct draft_length_simulation_options {
  std::size_t tokens = 100'000;  ///< tokens to emit at least, >= batches * (max_length + 1), so that every batch starts a round
  std::uint64_t seed = 1;        ///< equal seeds give all rules the same random numbers
  speculation_cost cost{};       ///< time of a draft step and of a target call
  std::size_t max_length = 256;  ///< a round ends here whatever the rule says, >= 1

  friend bool operator==(const draft_length_simulation_options&, const draft_length_simulation_options&) = default;
};

/// A mean with its standard error.
struct estimate {
  double value = 0.0;
  double standard_error = 0.0;
};

/// What a rule achieved.
struct draft_length_simulation_result {
  static constexpr std::size_t batches = 40;  ///< equal stretches of the text whose means give the standard errors

  speculation_counts counts;                               ///< the totals of the whole run
  estimate discard_rate;                                   ///< N_disc / N
  estimate verification_rate;                              ///< N_target / N
  estimate time_per_token;                                 ///< in the unit of the costs
  std::array<speculation_counts, batches> batch_counts{};  ///< the totals of each stretch
  std::array<double, batches> batch_times{};               ///< time per token of each stretch
};

namespace detail {

// Mean and standard error of per-batch values; the value reported comes from the totals, which have less bias than the mean of ratios.
template <class Value>
[[nodiscard]] estimate batch_estimate(double value, Value&& value_of) {
  constexpr auto count = static_cast<double>(draft_length_simulation_result::batches);
  double mean = 0.0;
  for (std::size_t b = 0; b < draft_length_simulation_result::batches; ++b) mean += value_of(b) / count;
  double squares = 0.0;
  for (std::size_t b = 0; b < draft_length_simulation_result::batches; ++b) squares += (value_of(b) - mean) * (value_of(b) - mean);
  return {value, std::sqrt(squares / (count - 1.0) / count)};
}

}  // namespace detail

/// Decodes `options.tokens` tokens under a rule and counts tokens, discarded drafts and target calls.
///
/// Random numbers belong to positions of the text, not to rounds: whether the draft at position n is accepted, what is drafted there and
/// what replaces it come from streams of their own, `philox4x32(seed, 2 n)` and `(seed, 2 n + 1)`. Rules run with one seed therefore meet
/// the same text difficulty and the same luck, and their difference has a small error (`paired_difference`). Each round is still
/// distributed as with fresh random numbers, because where it starts depends only on positions before; this needs a rule whose decisions do not depend on
/// drafts that earlier rounds discarded. `online_rule` counts those, an effect of the order of 1 / tokens.
/// @param source where drafts come from; a copy is decoded unless an lvalue is passed, which then holds the text
/// @param rule   is changed; an `online_rule` (any rule with `add_overlap`) is told the overlaps of the verified positions, up to and
///               including the first rejected one; a rule with `lag()` gets predictions that many tokens late
/// @return rates, time per token and their standard errors from batch means
/// @throws std::invalid_argument for an option out of range; whatever the source and the rule throw
/// @note Draws per position: one uniform for acceptance, then what `draft` takes; for the extra token what `commit` takes.
/// @par Source
/// Huang, Guo, Wang, 2024, arXiv 2405.19715, discard rate and verification rate.
template <class S, length_rule R>
  requires draft_source<std::remove_cvref_t<S>>
[[nodiscard]] draft_length_simulation_result simulate_length_rule(S&& source, R& rule,
                                                                  const draft_length_simulation_options& options = {}) {
  constexpr const char* function = "gavel::speculative::simulate_length_rule";
  constexpr std::size_t batches = draft_length_simulation_result::batches;
  check_at_least(function, "max_length", options.max_length, 1);
  if (options.tokens / batches <= options.max_length) {
    refuse(function, "tokens", options.tokens, "must be >= batches * (max_length + 1) =", batches * (options.max_length + 1));
  }
  detail::check_cost(function, options.cost);

  draft_length_simulation_result result;
  std::vector<std::pair<double, double>> verified;  // confidence and overlap of the positions that the target's text reached
  while (result.counts.tokens < options.tokens) {
    const std::size_t start = result.counts.tokens;
    std::size_t drafted = 0;
    std::size_t accepted = 0;
    double previous_prediction = 1.0;
    verified.clear();
    bool more = rule.begin_round();
    while (more) {
      philox4x32 rng(options.seed, 2 * (start + drafted));
      const double u = uniform(rng);
      simulated_draft token = source.draft(rng);
      if (accepted == drafted) {
        verified.emplace_back(token.observation.top_prob, token.overlap);
        if (u < token.acceptance) ++accepted;
      }
      ++drafted;
      if constexpr (requires { rule.lag(); }) {
        if (rule.lag() == 1) std::swap(previous_prediction, token.observation.predicted_acceptance);
      }
      more = rule.keep_drafting(token.observation) && drafted < options.max_length;
    }
    philox4x32 rng(options.seed, 2 * (start + accepted) + 1);
    source.commit(accepted, rng);
    if constexpr (requires { rule.add_overlap(1.0, 1.0); }) {
      for (const auto& [top_prob, overlap] : verified) rule.add_overlap(top_prob, overlap);
    }
    rule.end_round(accepted, drafted);
    result.counts.add_round(accepted, drafted);
    result.batch_counts[start * batches / options.tokens].add_round(accepted, drafted);
  }

  const auto& parts = result.batch_counts;
  for (std::size_t b = 0; b < batches; ++b) result.batch_times[b] = parts[b].time_per_token(options.cost);
  result.discard_rate = detail::batch_estimate(result.counts.discard_rate(), [&](std::size_t b) { return parts[b].discard_rate(); });
  result.verification_rate =
      detail::batch_estimate(result.counts.verification_rate(), [&](std::size_t b) { return parts[b].verification_rate(); });
  result.time_per_token =
      detail::batch_estimate(result.counts.time_per_token(options.cost), [&](std::size_t b) { return result.batch_times[b]; });
  return result;
}

/// The same for several rules: one result per rule, from the same source, seed and random numbers. Rules are changed.
template <draft_source S, length_rule... R>
[[nodiscard]] std::array<draft_length_simulation_result, sizeof...(R)> compare_length_rules(const S& source,
                                                                                            const draft_length_simulation_options& options,
                                                                                            R&... rules) {
  return {simulate_length_rule(S(source), rules, options)...};
}

/// How much more time per token @p a takes than @p b, with the standard error of the *difference*. For results of one seed it is far
/// smaller than the errors of the two times.
[[nodiscard]] inline estimate paired_difference(const draft_length_simulation_result& a, const draft_length_simulation_result& b) {
  return detail::batch_estimate(a.time_per_token.value - b.time_per_token.value,
                                [&](std::size_t batch) { return a.batch_times[batch] - b.batch_times[batch]; });
}

}  // namespace gavel::speculative
