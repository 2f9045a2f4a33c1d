// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/storage.hpp>
#include <gavel/core/views.hpp>
#include <gavel/kernels/divergence.hpp>
#include <gavel/speculative/detail/rows.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <vector>

/// @file
/// When to stop drafting and call the target model: rules that watch one sequence while it is speculated. Each rule is a small regular
/// value, so a batch is a vector of them. The engine's loop is the same for all (see `length_rule`).
/// @par Source
/// Huang, Guo, Wang, "SpecDec++: Boosting Speculative Decoding via Adaptive Candidate Lengths", 2024, arXiv 2405.19715.

namespace gavel::speculative {

/// What a rule may look at after one more token was drafted. An engine fills the fields that its rule reads (`observe_draft` fills two).
struct draft_observation {
  /// Predicted probability in [0, 1] that the target accepts the token just scored, given that it accepted all before it.
  double predicted_acceptance = 1.0;
  /// max_x q(x) of the distribution the token was drawn from. Hugging Face passes q(token); with greedy drafting these are the same.
  double top_prob = 1.0;
  double entropy = 0.0;          ///< entropy of that distribution in nats
  bool end_of_sequence = false;  ///< the drafted token ends the sequence: every rule stops here
};

/// A rule for the length of a round. Regular value type; no call allocates; all are O(1) per token.
///
///     std::size_t drafted = 0;
///     for (bool more = rule.begin_round(); more; more = rule.keep_drafting(observation)) {
///       observation = draft_one_token(); ++drafted;
///     }
///     rule.end_round(verify(), drafted);
///
/// `begin_round()` is false where the rule drafts nothing in this round; `keep_drafting` is called once per drafted token;
/// `end_round(accepted, drafted)` takes what the verifier said (the extra token of the round is not counted in `accepted`).
template <class R>
concept length_rule = std::regular<R> && requires(R rule, const draft_observation& observation, std::size_t count) {
  { rule.begin_round() } -> std::same_as<bool>;
  { rule.keep_drafting(observation) } -> std::same_as<bool>;
  { rule.end_round(count, count) } -> std::same_as<void>;
};

/// The two statistics of a draft distribution that the untrained rules read.
/// @param probs draft distribution, `[V]`, float, double or 16-bit storage; entries in [0, 1] (1e-6 above is rounding and accepted); its
///              sum is not tested
/// @return an observation with `top_prob` and `entropy` (nats, 0 log 0 = 0) set
/// @throws std::invalid_argument if @p probs is empty; std::domain_error if an entry is NaN or outside [0, 1]
/// @note O(V): two reads of the row; no allocation.
template <dense_vector C>
  requires stored_scalar<scalar_of<C>>
[[nodiscard]] draft_observation observe_draft(const C& probs) {
  constexpr const char* function = "gavel::speculative::observe_draft";
  const auto row = as_span(probs);
  check_at_least(function, "probs.size()", row.size(), 1);
  draft_observation observation{.top_prob = 0.0};
  for (std::size_t token = 0; token < row.size(); ++token) {
    const auto prob = static_cast<double>(widen(row[token]));
    detail::check_prob(function, "probs", prob, token);
    if (prob > observation.top_prob) observation.top_prob = prob < 1.0 ? prob : 1.0;
  }
  const double entropy = kernels::entropy(row.data(), row.size());
  observation.entropy = entropy > 0.0 ? entropy : 0.0;
  return observation;
}

/// Settings of `threshold_rule`; the defaults are those of the published code.
struct threshold_rule_options {
  /// h in [0, 1]: stop once the predicted probability of a rejection exceeds it. Larger = longer rounds; 1 never stops before
  /// `max_length`, 0 stops at the first predicted risk. A tuned number when the predictor is biased, see `unbiased_acceptance`.
  double threshold = 0.3;
  std::size_t min_length = 2;   ///< drafts before the threshold is consulted, <= max_length; 0 and 1 are the same
  std::size_t max_length = 20;  ///< drafts after which a round always ends, >= 1
  /// 0: the prediction passed after drafting token t is for token t. 1: it is for token t - 1, because a head that reads the hidden state
  /// of the last input token is one token behind; the value passed after the first token is then ignored.
  std::size_t lag = 1;

  friend bool operator==(const threshold_rule_options&, const threshold_rule_options&) = default;
};

/// Stops as soon as the predicted probability that some drafted token is rejected exceeds a threshold:
///
///     stop after token t  iff  t >= max_length, or t >= min_length and 1 - prod_{i <= t - lag} a_i > threshold.
///
/// The optimal rule has this form (the threshold theorem of the source). The product is accumulated as a logarithm, so that long rounds do
/// not underflow.
/// @par Source
/// Huang, Guo, Wang, 2024, arXiv 2405.19715, threshold theorem and the stopping rule of the published code.
class threshold_rule {
 public:
  threshold_rule() = default;
  /// @throws std::invalid_argument if the threshold is outside [0, 1], max_length < 1, min_length > max_length or lag > 1;
  ///         std::domain_error if the threshold is NaN
  explicit threshold_rule(const threshold_rule_options& options) : options_(options) {
    constexpr const char* function = "gavel::speculative::threshold_rule";
    check_unit_interval(function, "threshold", options.threshold);
    check_at_least(function, "max_length", options.max_length, 1);
    check_at_most(function, "min_length", options.min_length, "max_length", options.max_length);
    check_at_most(function, "lag", options.lag, 1);
  }

  [[nodiscard]] bool begin_round() noexcept {
    drafted_ = 0;
    log_product_ = 0.0;
    return true;
  }

  /// Reads `predicted_acceptance` and `end_of_sequence`.
  /// @throws std::domain_error if a prediction that counts is NaN, std::invalid_argument if it is outside [0, 1]; the rule is then unchanged
  [[nodiscard]] bool keep_drafting(const draft_observation& observation) {
    if (drafted_ >= options_.lag) {
      check_unit_interval("gavel::speculative::threshold_rule::keep_drafting", "predicted_acceptance", observation.predicted_acceptance);
      log_product_ += std::log(observation.predicted_acceptance);
    }
    ++drafted_;
    if (observation.end_of_sequence || drafted_ >= options_.max_length) return false;
    return drafted_ < options_.min_length || !(rejection_prob() > options_.threshold);
  }

  void end_round(std::size_t, std::size_t) noexcept {}

  /// Predicted probability that all scored tokens of this round are accepted.
  [[nodiscard]] double product() const noexcept { return std::exp(log_product_); }
  /// Its complement, without cancellation.
  [[nodiscard]] double rejection_prob() const noexcept { return -std::expm1(log_product_); }
  [[nodiscard]] std::size_t lag() const noexcept { return options_.lag; }
  [[nodiscard]] const threshold_rule_options& options() const noexcept { return options_; }

  friend bool operator==(const threshold_rule&, const threshold_rule&) = default;

 private:
  threshold_rule_options options_{};
  std::size_t drafted_ = 0;
  double log_product_ = 0.0;
};

/// The same number of drafts in every round: the baseline that every adaptive rule has to beat. Length 0 never drafts.
class fixed_length_rule {
 public:
  fixed_length_rule() = default;
  explicit fixed_length_rule(std::size_t length) noexcept : length_(length) {}

  [[nodiscard]] bool begin_round() noexcept {
    drafted_ = 0;
    return length_ > 0;
  }
  /// Reads `end_of_sequence`.
  [[nodiscard]] bool keep_drafting(const draft_observation& observation) noexcept {
    return ++drafted_ < length_ && !observation.end_of_sequence;
  }
  void end_round(std::size_t, std::size_t) noexcept {}

  friend bool operator==(const fixed_length_rule&, const fixed_length_rule&) = default;

 private:
  std::size_t length_ = 5;
  std::size_t drafted_ = 0;
};

/// Settings of `heuristic_rule`; the defaults are those of Hugging Face transformers.
struct heuristic_rule_options {
  std::size_t initial_length = 5;                         ///< drafts of the first round, in [1, max_length]
  std::size_t increase = 2;                               ///< added after a round whose drafts were all accepted
  std::size_t decrease = 1;                               ///< taken away after any other round; never below 1
  std::size_t max_length = static_cast<std::size_t>(-1);  ///< upper end, >= 1; unbounded by default, as in transformers

  friend bool operator==(const heuristic_rule_options&, const heuristic_rule_options&) = default;
};

/// Lengthens the next round after a full success and shortens it after a rejection.
/// @par Source
/// The `heuristic` schedule of Hugging Face transformers' assisted generation (J. Gante, 2023).
class heuristic_rule {
 public:
  heuristic_rule() = default;
  /// @throws std::invalid_argument if max_length < 1 or initial_length is outside [1, max_length]
  explicit heuristic_rule(const heuristic_rule_options& options) : options_(options), length_(options.initial_length) {
    constexpr const char* function = "gavel::speculative::heuristic_rule";
    check_at_least(function, "max_length", options.max_length, 1);
    check_at_least(function, "initial_length", options.initial_length, 1);
    check_at_most(function, "initial_length", options.initial_length, "max_length", options.max_length);
  }

  [[nodiscard]] bool begin_round() noexcept {
    drafted_ = 0;
    return true;
  }
  /// Reads `end_of_sequence`.
  [[nodiscard]] bool keep_drafting(const draft_observation& observation) noexcept {
    return ++drafted_ < length_ && !observation.end_of_sequence;
  }
  /// @throws std::invalid_argument if accepted > drafted
  void end_round(std::size_t accepted, std::size_t drafted) {
    check_at_most("gavel::speculative::heuristic_rule::end_round", "accepted", accepted, "drafted", drafted);
    if (accepted == drafted) {
      const std::size_t room = options_.max_length - length_;
      length_ += options_.increase < room ? options_.increase : room;
    } else {
      length_ = length_ > options_.decrease ? length_ - options_.decrease : 1;
    }
  }

  /// Drafts of the next round.
  [[nodiscard]] std::size_t length() const noexcept { return length_; }

  friend bool operator==(const heuristic_rule&, const heuristic_rule&) = default;

 private:
  heuristic_rule_options options_{};
  std::size_t length_ = 5;
  std::size_t drafted_ = 0;
};

/// Settings of `confidence_rule`; the defaults are those of Hugging Face transformers.
struct confidence_rule_options {
  double threshold = 0.4;       ///< in [0, 1]: stop once the draft model's largest probability is below it (strictly)
  std::size_t min_length = 1;   ///< drafts before the threshold is consulted, <= max_length
  std::size_t max_length = 20;  ///< drafts after which a round always ends, >= 1

  friend bool operator==(const confidence_rule_options&, const confidence_rule_options&) = default;
};

/// Stops when the draft model itself is unsure: max_x q(x) < threshold.
/// @par Source
/// Mamou et al., "Dynamic Speculation Lookahead Accelerates Speculative Decoding of Large Language Models", 2024, arXiv 2405.04304;
/// `assistant_confidence_threshold` of Hugging Face transformers.
class confidence_rule {
 public:
  confidence_rule() = default;
  /// @throws std::invalid_argument if the threshold is outside [0, 1], max_length < 1 or min_length > max_length;
  ///         std::domain_error if the threshold is NaN
  explicit confidence_rule(const confidence_rule_options& options) : options_(options) {
    constexpr const char* function = "gavel::speculative::confidence_rule";
    check_unit_interval(function, "threshold", options.threshold);
    check_at_least(function, "max_length", options.max_length, 1);
    check_at_most(function, "min_length", options.min_length, "max_length", options.max_length);
  }

  [[nodiscard]] bool begin_round() noexcept {
    drafted_ = 0;
    return true;
  }
  /// Reads `top_prob` and `end_of_sequence`.
  /// @throws std::domain_error if `top_prob` is NaN, std::invalid_argument if it is outside [0, 1]; the rule is then unchanged
  [[nodiscard]] bool keep_drafting(const draft_observation& observation) {
    check_unit_interval("gavel::speculative::confidence_rule::keep_drafting", "top_prob", observation.top_prob);
    ++drafted_;
    if (observation.end_of_sequence || drafted_ >= options_.max_length) return false;
    return drafted_ < options_.min_length || !(observation.top_prob < options_.threshold);
  }
  void end_round(std::size_t, std::size_t) noexcept {}

  friend bool operator==(const confidence_rule&, const confidence_rule&) = default;

 private:
  confidence_rule_options options_{};
  std::size_t drafted_ = 0;
};

/// Settings of `entropy_rule`. Both numbers depend on the pair of models: tune them.
struct entropy_rule_options {
  double scale = 0.2;           ///< gamma >= 0, finite: how fast acceptance falls with the entropy of the draft
  double threshold = 0.4;       ///< tau in [0, 1]: stop once the bound is below it (strictly)
  std::size_t min_length = 1;   ///< drafts before the bound is consulted, <= max_length
  std::size_t max_length = 20;  ///< drafts after which a round always ends, >= 1

  friend bool operator==(const entropy_rule_options&, const entropy_rule_options&) = default;
};

/// Stops when a lower bound on the acceptance, 1 - sqrt(gamma H(q)) with the entropy H in nats, falls below a threshold.
/// @par Source
/// Agrawal, Jeon, Lee, "AdaEDL: Early Draft Stopping for Speculative Decoding of Large Language Models via an Entropy-based Lower Bound on
/// Token Acceptance Probability", 2024, arXiv 2410.18351; the same bound drives SVIP, Zhang et al., "Draft Model Knows When to Stop", 2024,
/// arXiv 2411.18462.
class entropy_rule {
 public:
  entropy_rule() = default;
  /// @throws std::invalid_argument if scale is negative or infinite, the threshold is outside [0, 1], max_length < 1 or
  ///         min_length > max_length; std::domain_error if scale or threshold is NaN
  explicit entropy_rule(const entropy_rule_options& options) : options_(options) {
    constexpr const char* function = "gavel::speculative::entropy_rule";
    check_not_negative(function, "scale", options.scale);
    check_unit_interval(function, "threshold", options.threshold);
    check_at_least(function, "max_length", options.max_length, 1);
    check_at_most(function, "min_length", options.min_length, "max_length", options.max_length);
  }

  [[nodiscard]] bool begin_round() noexcept {
    drafted_ = 0;
    return true;
  }
  /// Reads `entropy` and `end_of_sequence`.
  /// @throws std::domain_error if `entropy` is NaN, std::invalid_argument if it is negative; the rule is then unchanged
  [[nodiscard]] bool keep_drafting(const draft_observation& observation) {
    check_at_least("gavel::speculative::entropy_rule::keep_drafting", "entropy", observation.entropy, 0.0);
    ++drafted_;
    if (observation.end_of_sequence || drafted_ >= options_.max_length) return false;
    return drafted_ < options_.min_length || !(1.0 - std::sqrt(options_.scale * observation.entropy) < options_.threshold);
  }
  void end_round(std::size_t, std::size_t) noexcept {}

  friend bool operator==(const entropy_rule&, const entropy_rule&) = default;

 private:
  entropy_rule_options options_{};
  std::size_t drafted_ = 0;
};

/// A given length for each round: for oracles (the lengths that hindsight would choose) and for replaying a log.
class listed_length_rule {
 public:
  listed_length_rule() = default;
  /// @param lengths drafts of round 0, 1, ...; a zero means that the round drafts nothing. Copied.
  explicit listed_length_rule(vector_view<const std::size_t> lengths) : lengths_(lengths.begin(), lengths.end()) {}

  /// @throws std::invalid_argument once the list is used up: lengths made for other rounds say nothing about this one
  [[nodiscard]] bool begin_round() {
    check_index("gavel::speculative::listed_length_rule::begin_round", "round", round_, "lengths.size()", lengths_.size());
    drafted_ = 0;
    return lengths_[round_] > 0;
  }
  /// Reads `end_of_sequence`.
  [[nodiscard]] bool keep_drafting(const draft_observation& observation) noexcept {
    return ++drafted_ < lengths_[round_] && !observation.end_of_sequence;
  }
  void end_round(std::size_t, std::size_t) noexcept { ++round_; }

  friend bool operator==(const listed_length_rule&, const listed_length_rule&) = default;

 private:
  std::vector<std::size_t> lengths_;
  std::size_t round_ = 0;
  std::size_t drafted_ = 0;
};

}  // namespace gavel::speculative
