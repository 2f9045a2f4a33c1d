// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/numerics.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/core/views.hpp>
#include <gavel/speculative/detail/rows.hpp>
#include <gavel/speculative/verifier.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

/// @file
/// Training data and loss for a predictor of acceptance: soft labels from two models' probabilities, token mixing, the rejection-weighted
/// cross-entropy with its gradient, the bias it causes and how to undo it. No linear algebra: bring any network (`acceptance_head` is one).
/// @par Source
/// Huang, Guo, Wang, "SpecDec++", 2024, arXiv 2405.19715, training of the acceptance prediction head.

namespace gavel::speculative {

/// Probability that the target accepts a drafted token: min(1, p(Y) / q(Y)).
/// @param target_prob p(Y) in [0, 1] (1e-6 above is rounding and accepted, here and below)
/// @param draft_prob  q(Y) in (0, 1]: a token that was drafted has positive draft probability
/// @throws std::domain_error if either is NaN, std::invalid_argument if it is outside its range
[[nodiscard]] inline double soft_label(double target_prob, double draft_prob) {
  constexpr const char* function = "gavel::speculative::soft_label";
  if (!(target_prob >= 0.0 && target_prob <= detail::largest_prob)) refuse(function, "target_prob", target_prob, "must be in [0, 1]");
  if (!(draft_prob > 0.0 && draft_prob <= detail::largest_prob)) refuse(function, "draft_prob", draft_prob, "must be in (0, 1]");
  return target_prob >= draft_prob ? 1.0 : target_prob / draft_prob;
}

/// The soft label of every draft of a round. The drafts are one sequence, so one bad row refuses them all.
/// @param target_rows `[>= K, V]` p at the position of each draft (a row for the bonus token may follow)
/// @param draft_rows  `[K, V]` q
/// @param drafts      `[K]` drafted tokens, < V
/// @param labels      `[K]` receives min(1, p_i(Y_i) / q_i(Y_i))
/// @throws std::invalid_argument for shapes that differ, a token id out of range or a draft of draft probability 0; std::domain_error for a
///         number that is read and is no probability. @p labels is then untouched
/// @note O(K); no allocation.
template <dense_matrix P, dense_matrix Q>
  requires std::floating_point<scalar_of<P>> && std::floating_point<scalar_of<Q>>
void soft_labels(const P& target_rows, const Q& draft_rows, vector_view<const token_id> drafts, std::span<double> labels) {
  constexpr const char* function = "gavel::speculative::soft_labels";
  const matrix_view<const scalar_of<P>> target(target_rows);
  const matrix_view<const scalar_of<Q>> draft(draft_rows);
  const std::size_t length = drafts.size();
  check_at_most(function, "drafts.size()", length, "target_rows.rows()", target.rows());
  check_size(function, "draft_rows.rows()", draft.rows(), "drafts.size()", length);
  check_size(function, "labels.size()", labels.size(), "drafts.size()", length);
  check_size(function, "draft_rows.cols()", draft.cols(), "target_rows.cols()", target.cols());
  for (std::size_t i = 0; i < length; ++i) {
    check_index(function, "drafts", drafts[i], "vocabulary size", target.cols(), i);
    const double draft_prob = detail::real(draft(i, drafts[i]));
    detail::check_prob(function, "target probability of draft", detail::real(target(i, drafts[i])), i);
    detail::check_prob(function, "draft probability of draft", draft_prob, i);
    check_greater(function, "draft probability of draft", draft_prob, 0.0, i);
  }
  for (std::size_t i = 0; i < length; ++i) {
    labels[i] = soft_label(detail::real(target(i, drafts[i])), detail::real(draft(i, drafts[i])));
  }
}

/// Builds a training sequence whose prefixes look like speculated ones: each position carries the target's token with probability
/// @p target_rate, else the token the draft model sampled there. Train on the positions that carry a draft.
/// @param target_tokens `[n]` X, the target's continuation
/// @param draft_tokens  `[n]` Y, the draft model's sample after the same target prefix
/// @param rng           source of bits; one uniform per position
/// @param mixed_tokens  `[n]` receives Z
/// @param is_draft      `[n]` receives 1 where Z carries Y (the loss counts there), else 0
/// @param target_rate   r in [0, 1]; the source uses 0.15
/// @throws std::invalid_argument if sizes differ or the rate is outside [0, 1]; std::domain_error if the rate is NaN
template <random_bits G>
void mix_tokens(vector_view<const token_id> target_tokens, vector_view<const token_id> draft_tokens, G& rng,
                vector_view<token_id> mixed_tokens, std::span<std::uint8_t> is_draft, double target_rate = 0.15) {
  constexpr const char* function = "gavel::speculative::mix_tokens";
  const std::size_t n = target_tokens.size();
  check_size(function, "draft_tokens.size()", draft_tokens.size(), "target_tokens.size()", n);
  check_size(function, "mixed_tokens.size()", mixed_tokens.size(), "target_tokens.size()", n);
  check_size(function, "is_draft.size()", is_draft.size(), "target_tokens.size()", n);
  check_unit_interval(function, "target_rate", target_rate);
  for (std::size_t i = 0; i < n; ++i) {
    const bool keep_target = uniform(rng) < target_rate;
    mixed_tokens[i] = keep_target ? target_tokens[i] : draft_tokens[i];
    is_draft[i] = keep_target ? 0 : 1;
  }
}

/// Settings of the acceptance loss.
struct acceptance_loss_options {
  double rejection_weight = 6.0;  ///< w, finite, > 0: how much more a rejection counts than an acceptance

  friend bool operator==(const acceptance_loss_options&, const acceptance_loss_options&) = default;
};

namespace detail {

// Checks shapes and values; returns w sum(1 - y) + sum y over the positions that count, which is positive for w > 0.
template <class T>
double check_acceptance_data(const char* function, const matrix_view<const T>& logits, const vector_view<const double>& labels,
                             const vector_view<const std::uint8_t>& mask, double weight) {
  check_size(function, "logits.cols()", logits.cols(), "one for reject and one for accept,", 2);
  check_size(function, "labels.size()", labels.size(), "logits.rows()", logits.rows());
  if (!mask.empty()) check_size(function, "mask.size()", mask.size(), "0 or logits.rows()", logits.rows());
  check_positive(function, "rejection_weight", weight);
  double denominator = 0.0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (!mask.empty() && mask[i] == 0) continue;
    check_unit_interval(function, "labels", labels[i], unit_ends::closed, i);
    if constexpr (std::floating_point<T>) {
      for (std::size_t j = 0; j < 2; ++j) check_finite(function, "logits", real(logits(i, j)), 2 * i + j);
    }
    denominator += weight * (1.0 - labels[i]) + labels[i];
  }
  if (!(denominator > 0.0)) refuse(function, "mask", {}, "must keep at least one position");
  return denominator;
}

}  // namespace detail

/// Rejection-weighted cross-entropy of a two-way classifier against soft labels: with s = softmax(logits),
///
///     sum_i [ w (1 - y_i) (-log s_i0) + y_i (-log s_i1) ] / (w sum_i (1 - y_i) + sum_i y_i).
///
/// @tparam T float, double or an automatic-differentiation scalar
/// @param logits `[n, 2]`, finite: column 0 reject, column 1 accept
/// @param labels `[n]` y in [0, 1], see `soft_label`
/// @param mask   `[n]` zero where a position does not count, or empty: all count
/// @throws std::invalid_argument for shapes, a weight, a label or a logit out of range, or if no position counts; std::domain_error for NaN
/// @note O(n); no allocation. Finite for every finite logit.
template <class T>
[[nodiscard]] T acceptance_loss(matrix_view<const T> logits, vector_view<const double> labels, vector_view<const std::uint8_t> mask = {},
                                const acceptance_loss_options& options = {}) {
  const double weight = options.rejection_weight;
  const double denominator = detail::check_acceptance_data("gavel::speculative::acceptance_loss", logits, labels, mask, weight);
  using accumulator = std::conditional_t<std::floating_point<T>, double, T>;
  accumulator sum(0.0);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (!mask.empty() && mask[i] == 0) continue;
    const accumulator margin = accumulator(logits(i, 1)) - accumulator(logits(i, 0));
    const accumulator negated = -margin;
    const accumulator reject = softplus(margin);   // -log s_0
    const accumulator accept = softplus(negated);  // -log s_1
    sum += accumulator(weight * (1.0 - labels[i])) * reject + accumulator(labels[i]) * accept;
  }
  return static_cast<T>(sum / accumulator(denominator));
}

/// The same loss with its gradient: d/dlogit_0 = (w (1 - y)(s_0 - 1) + y s_0) / den, d/dlogit_1 = (w (1 - y) s_1 + y (s_1 - 1)) / den.
/// @param gradient `[n, 2]` overwritten; zero where the mask is zero. May not overlap @p logits
/// @return the loss
/// @throws as `acceptance_loss`, and std::invalid_argument for a gradient of another shape; @p gradient is then untouched
template <std::floating_point T>
double acceptance_loss_gradient(matrix_view<const T> logits, vector_view<const double> labels, matrix_view<T> gradient,
                                vector_view<const std::uint8_t> mask = {}, const acceptance_loss_options& options = {}) {
  constexpr const char* function = "gavel::speculative::acceptance_loss_gradient";
  const double weight = options.rejection_weight;
  const double denominator = detail::check_acceptance_data(function, logits, labels, mask, weight);
  check_size(function, "gradient.rows()", gradient.rows(), "logits.rows()", logits.rows());
  check_size(function, "gradient.cols()", gradient.cols(), "logits.cols()", 2);
  double sum = 0.0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    double slope = 0.0;
    if (mask.empty() || mask[i] != 0) {
      const double margin = static_cast<double>(logits(i, 1)) - static_cast<double>(logits(i, 0));
      const double rejected = weight * (1.0 - labels[i]);
      sum += rejected * softplus(margin) + labels[i] * softplus(-margin);
      // The two columns are opposite, because softmax does not see a common shift; 1 - s_1 as s_0 keeps the digits of a sure prediction.
      slope = (rejected * sigmoid(margin) - labels[i] * sigmoid(-margin)) / denominator;
    }
    gradient(i, 0) = static_cast<T>(-slope);
    gradient(i, 1) = static_cast<T>(slope);
  }
  return sum / denominator;
}

/// What a perfectly trained classifier answers for label y: s_1 = y / (y + w (1 - y)), below y for w > 1.
/// @param label            y in [0, 1]
/// @param rejection_weight w, finite, > 0
/// @throws std::invalid_argument for values outside these ranges, std::domain_error for NaN
[[nodiscard]] inline double biased_acceptance(double label, double rejection_weight) {
  constexpr const char* function = "gavel::speculative::biased_acceptance";
  check_unit_interval(function, "label", label);
  check_positive(function, "rejection_weight", rejection_weight);
  return label / (label + rejection_weight * (1.0 - label));
}

/// Its inverse: the acceptance probability behind a weighted classifier's answer, y = w s / (1 - s + w s). Feed it to rules that compare
/// with costs; a tuned threshold may use s itself.
/// @param predicted        s_1 in [0, 1]
/// @param rejection_weight w used in training, finite, > 0
/// @throws std::invalid_argument for values outside these ranges, std::domain_error for NaN
[[nodiscard]] inline double unbiased_acceptance(double predicted, double rejection_weight) {
  constexpr const char* function = "gavel::speculative::unbiased_acceptance";
  check_unit_interval(function, "predicted", predicted);
  check_positive(function, "rejection_weight", rejection_weight);
  return rejection_weight * predicted / (1.0 - predicted + rejection_weight * predicted);
}

/// How far predictions are from the labels: the mean over positions that count of KL(Bernoulli(y) || Bernoulli(s_1)), in nats, with
/// 0 log 0 = 0.
/// @param logits `[n, 2]`, as in `acceptance_loss`
/// @param labels `[n]`
/// @param mask   `[n]` or empty
/// @throws as `acceptance_loss`
template <std::floating_point T>
[[nodiscard]] double mean_binary_kl(matrix_view<const T> logits, vector_view<const double> labels,
                                    vector_view<const std::uint8_t> mask = {}) {
  detail::check_acceptance_data("gavel::speculative::mean_binary_kl", logits, labels, mask, 1.0);
  double sum = 0.0;
  double count = 0.0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (!mask.empty() && mask[i] == 0) continue;
    const double y = labels[i];
    const double margin = static_cast<double>(logits(i, 1)) - static_cast<double>(logits(i, 0));
    sum += xlogy(y, y) + xlogy(1.0 - y, 1.0 - y) + (1.0 - y) * softplus(margin) + y * softplus(-margin);
    count += 1.0;
  }
  return sum / count;
}

}  // namespace gavel::speculative
