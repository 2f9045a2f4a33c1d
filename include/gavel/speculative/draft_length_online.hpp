// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/speculative/draft_length.hpp>
#include <gavel/speculative/draft_length_optimum.hpp>

#include <array>
#include <cstddef>

/// @file
/// A draft-length rule that needs no trained head and no tuning: it learns, while it decodes, how acceptance follows from the draft
/// model's confidence, and plugs running averages into the optimal one-step look-ahead rule.

namespace gavel::speculative {

/// What an online rule has seen: overlaps sum_x min(p(x), q(x)) by draft confidence, and the totals of the rounds. Sums only, so shards
/// (threads, requests) are combined with `merge`, which is associative and commutative up to rounding.
struct acceptance_statistics {
  static constexpr std::size_t buckets = 16;  ///< equal intervals of the confidence max_x q(x)

  std::array<double, buckets> count{};        ///< positions seen per bucket
  std::array<double, buckets> overlap_sum{};  ///< sum of their overlaps
  speculation_counts rounds;                  ///< tokens, discarded drafts, target calls

  /// Bucket of a confidence in [0, 1]; the last one is closed.
  [[nodiscard]] static std::size_t bucket_of(double top_prob) noexcept {
    const auto bucket = static_cast<std::size_t>(top_prob * static_cast<double>(buckets));
    return bucket < buckets ? bucket : buckets - 1;
  }

  /// Enters one verified position.
  /// @param top_prob max_x q(x) of its draft distribution, in [0, 1]
  /// @param overlap  sum_x min(p(x), q(x)) there (the acceptance probability before the draft is drawn), in [0, 1]; one realised
  ///                 min(1, p(Y)/q(Y)) is an unbiased stand-in
  /// @throws std::domain_error if either is NaN, std::invalid_argument if it is outside [0, 1]
  void add_overlap(double top_prob, double overlap) {
    constexpr const char* function = "gavel::speculative::acceptance_statistics::add_overlap";
    check_unit_interval(function, "top_prob", top_prob);
    check_unit_interval(function, "overlap", overlap);
    const std::size_t bucket = bucket_of(top_prob);
    count[bucket] += 1.0;
    overlap_sum[bucket] += overlap;
  }

  void merge(const acceptance_statistics& other) noexcept {
    for (std::size_t i = 0; i < buckets; ++i) {
      count[i] += other.count[i];
      overlap_sum[i] += other.overlap_sum[i];
    }
    rounds.merge(other.rounds);
  }

  friend bool operator==(const acceptance_statistics&, const acceptance_statistics&) = default;
};

/// The statistics of two shards together.
[[nodiscard]] inline acceptance_statistics merge(acceptance_statistics a, const acceptance_statistics& b) noexcept {
  a.merge(b);
  return a;
}

/// Settings of `online_rule`.
struct online_rule_options {
  speculation_cost cost{};          ///< time of a draft step and of a target call
  std::size_t max_length = 20;      ///< drafts after which a round always ends, >= 1
  std::size_t probe_interval = 16;  ///< when no draft seems to pay, every so many rounds draft one token anyway, to notice a change; >= 1
  double prior_acceptance = 0.7;    ///< assumed before anything is seen, in [0, 1]
  double prior_weight = 4.0;        ///< positions that the prior counts for, finite, > 0; also shrinks each bucket to the overall mean

  friend bool operator==(const online_rule_options&, const online_rule_options&) = default;
};

/// Continues while c_k > t_d / (g m), with every quantity estimated: c_k is the product of predicted acceptances (mean overlap of the
/// token's confidence bucket), m the mean overlap over all positions, g the running time per token. As g falls, longer rounds stop paying
/// and the rule settles at the fixed point that `optimal_draft_length` computes.
///
/// Feed `add_overlap(top_prob, overlap)` once per verified position, up to and including the first rejected one (later positions follow a
/// text that the target did not write), and call `end_round`. O(1) per token plus one sum over the buckets per round; no allocation.
/// @par Source
/// The one-step look-ahead form of the threshold theorem of Huang, Guo, Wang, 2024, arXiv 2405.19715.
class online_rule {
 public:
  online_rule() { refresh(); }
  /// @param statistics what earlier requests have learnt
  /// @throws std::invalid_argument or std::domain_error for a field of @p options outside its range
  explicit online_rule(const online_rule_options& options, const acceptance_statistics& statistics = {})
      : options_(options), statistics_(statistics) {
    constexpr const char* function = "gavel::speculative::online_rule";
    detail::check_cost(function, options.cost);
    check_at_least(function, "max_length", options.max_length, 1);
    check_at_least(function, "probe_interval", options.probe_interval, 1);
    check_unit_interval(function, "prior_acceptance", options.prior_acceptance);
    check_positive(function, "prior_weight", options.prior_weight);
    refresh();
  }

  [[nodiscard]] bool begin_round() noexcept {
    drafted_ = 0;
    product_ = 1.0;
    return product_ > product_floor_ || statistics_.rounds.rounds % options_.probe_interval == 0;
  }

  /// Reads `top_prob` and `end_of_sequence`.
  /// @throws std::domain_error if `top_prob` is NaN, std::invalid_argument if it is outside [0, 1]; the rule is then unchanged
  [[nodiscard]] bool keep_drafting(const draft_observation& observation) {
    check_unit_interval("gavel::speculative::online_rule::keep_drafting", "top_prob", observation.top_prob);
    ++drafted_;
    product_ *= predicted_acceptance(observation.top_prob);  // an underflow to zero stops the round, which is right
    return !observation.end_of_sequence && drafted_ < options_.max_length && product_ > product_floor_;
  }

  /// See `acceptance_statistics::add_overlap`. Takes effect on thresholds at the next `end_round`.
  void add_overlap(double top_prob, double overlap) { statistics_.add_overlap(top_prob, overlap); }

  /// @throws std::invalid_argument if accepted > drafted
  void end_round(std::size_t accepted, std::size_t drafted) {
    check_at_most("gavel::speculative::online_rule::end_round", "accepted", accepted, "drafted", drafted);
    statistics_.rounds.add_round(accepted, drafted);
    refresh();
  }

  /// Mean overlap of the bucket of @p top_prob, shrunk to the overall mean by `prior_weight` positions.
  [[nodiscard]] double predicted_acceptance(double top_prob) const noexcept {
    const std::size_t bucket = acceptance_statistics::bucket_of(top_prob);
    return (statistics_.overlap_sum[bucket] + options_.prior_weight * mean_acceptance_) /
           (statistics_.count[bucket] + options_.prior_weight);
  }
  /// Estimate of m.
  [[nodiscard]] double mean_acceptance() const noexcept { return mean_acceptance_; }
  /// Estimate of g; one round of plain decoding counts as seen, so it starts at the target's time.
  [[nodiscard]] double time_per_token() const noexcept { return time_per_token_; }
  /// The present stopping threshold on P(some draft is rejected), 1 - t_d / (g m), clamped at 0.
  [[nodiscard]] double rejection_threshold() const noexcept { return product_floor_ < 1.0 ? 1.0 - product_floor_ : 0.0; }
  [[nodiscard]] const acceptance_statistics& statistics() const noexcept { return statistics_; }
  [[nodiscard]] const online_rule_options& options() const noexcept { return options_; }

  friend bool operator==(const online_rule&, const online_rule&) = default;

 private:
  void refresh() noexcept {
    double count = options_.prior_weight;
    double overlap = options_.prior_weight * options_.prior_acceptance;
    for (std::size_t i = 0; i < acceptance_statistics::buckets; ++i) {
      count += statistics_.count[i];
      overlap += statistics_.overlap_sum[i];
    }
    mean_acceptance_ = overlap / count;
    speculation_counts seen = statistics_.rounds;
    seen.tokens += 1;
    seen.rounds += 1;
    const auto tokens = static_cast<double>(seen.tokens);
    const auto rounds = static_cast<double>(seen.rounds);
    time_per_token_ = (static_cast<double>(seen.drafted()) * options_.cost.draft_time + rounds * options_.cost.target_time) / tokens;
    // m = 0 leaves nothing to gain from any draft.
    product_floor_ = mean_acceptance_ > 0.0 ? options_.cost.draft_time / (time_per_token_ * mean_acceptance_) : 1.0;
  }

  online_rule_options options_{};
  acceptance_statistics statistics_{};
  double mean_acceptance_ = 0.0;
  double time_per_token_ = 0.0;
  double product_floor_ = 1.0;
  std::size_t drafted_ = 0;
  double product_ = 1.0;
};

}  // namespace gavel::speculative
