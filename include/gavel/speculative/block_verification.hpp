// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/generator_rollback.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/core/views.hpp>
#include <gavel/kernels/residual.hpp>
#include <gavel/speculative/detail/residual_weights.hpp>
#include <gavel/speculative/detail/rows.hpp>
#include <gavel/speculative/verifier.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

/// @file
/// Block verification: one drafted path judged as a whole instead of token by token. Never accepts fewer tokens in expectation, and needs
/// nothing that token-wise verification does not have.

namespace gavel::speculative {

/// How much of a drafted path is accepted, and the token after it.
struct path_verdict {
  std::size_t accepted_length = 0;  ///< the first `accepted_length` drafted tokens are accepted
  token_id next_token = 0;          ///< the token after them

  friend constexpr bool operator==(const path_verdict&, const path_verdict&) = default;
};

/// The exact law of one `verify_block` call on a given path.
struct block_law {
  std::vector<double> prefix_weight;     ///< [L+1] P_i: running min(1, P_{i-1} p/q), P_0 = 1
  std::vector<double> stop_probs;        ///< [L+1] h_i: chance that length i is taken, given that no longer one was; h_0 = 1
  std::vector<double> length_probs;      ///< [L+1] probability of each accepted length
  std::vector<double> next_token_probs;  ///< [(L+1) * V] row i: law of the next token when i drafts are accepted

  /// Expected number of accepted drafts on this path; its mean over paths drawn from the draft model is sum_i E[P_i], i >= 1.
  [[nodiscard]] double expected_length() const noexcept {
    double mean = 0.0;
    for (std::size_t i = 0; i < length_probs.size(); ++i) mean += static_cast<double>(i) * length_probs[i];
    return mean;
  }
};

namespace detail {

// 1 / P_i multiplies the draft row. Below this P_i no uniform of 53 bits can be smaller than h_i <= P_i but 0 itself.
inline constexpr double least_prefix_weight = 1e-30;

template <class T>
struct block_rows {
  matrix_view<const T> target;  // [L + 1, V]
  matrix_view<const T> draft;   // [L, V]
  std::span<const token_id> path;

  [[nodiscard]] double prefix_weight(std::size_t length) const noexcept {
    double weight = 1.0;
    for (std::size_t i = 0; i < length; ++i) {
      const double ratio = real(target(i, path[i])) / real(draft(i, path[i]));
      weight = weight * ratio < 1.0 ? weight * ratio : 1.0;
    }
    return weight;
  }
};

template <class T>
block_rows<T> checked_block(const char* function, matrix_view<const T> target_rows, matrix_view<const T> draft_rows,
                            std::span<const token_id> path) {
  check_size(function, "target_rows.rows()", target_rows.rows(), "path.size() + 1 =", path.size() + 1);
  check_at_least(function, "target_rows.cols()", target_rows.cols(), 1);
  check_size(function, "draft_rows.rows()", draft_rows.rows(), "path.size()", path.size());
  if (!path.empty()) check_size(function, "draft_rows.cols()", draft_rows.cols(), "target_rows.cols()", target_rows.cols());
  for (std::size_t i = 0; i < path.size(); ++i) {
    check_index(function, "path", path[i], "vocabulary size", target_rows.cols(), i);
    check_drafted(function, "path", i, path[i], target_rows(i, path[i]), draft_rows(i, path[i]));
  }
  return {target_rows, draft_rows, path};
}

// Offers the lengths from the whole path downwards to decide(length, P, h) until one is taken. Longest first, because the largest length
// whose test passes wins: the rows of shorter prefixes are then never read.
template <class T, class Decide>
std::size_t choose_length(const char* function, const block_rows<T>& block, Decide&& decide) {
  const std::size_t length = block.path.size();
  for (std::size_t i = length; i > 0; --i) {
    const double weight = block.prefix_weight(i);
    double stop = weight;
    if (i < length && weight < 1.0) {  // at P = 1 h is 1, the 0/0 of equal rows included
      stop = 0.0;
      if (weight > least_prefix_weight) {
        check_row(function, "target_rows", block.target, i);
        check_row(function, "draft_rows", block.draft, i);
        const std::size_t n = block.target.cols();
        const double rest = weight * kernels::residual_sum(block.target.row(i).data(), block.draft.row(i).data(), n, 1.0 / weight);
        stop = rest / (rest + (1.0 - weight));
      }
    }
    if (decide(i, weight, stop)) return i;
  }
  decide(std::size_t{0}, 1.0, 1.0);
  return 0;
}

}  // namespace detail

/// Verifies one drafted path as a block: how many of its tokens may be emitted, and what comes after them?
///
/// With P_0 = 1, P_i = min(1, P_{i-1} p(x_i) / q(x_i)), and for i < L
///
///     S_i = sum_y (P_i p(y | x_1..x_i) - q(y | x_1..x_i))+,   h_i = S_i / (S_i + 1 - P_i),   h_L = P_L,
///
/// the accepted length is the largest i with U_i < h_i (0 if none), and the next token is drawn from norm((P_i p - q)+), or from p after
/// the whole path. The emitted tokens, continued by the target itself, have the target's joint law, and the expected length sum_i E[P_i]
/// is the largest that any rule for one path reaches; token-wise verification never has more.
///
/// @param target_rows [L+1, V] target probabilities before each drafted token and after the last
/// @param draft_rows  [L, V] the distributions that path was drawn from; may have no rows for an empty path
/// @param path        [L] drafted tokens, each with positive draft probability
/// @param rng         generator: one uniform for each length tried, from L downwards to the accepted one (length 0 needs none), then one
///                    for the next token; so between 1 (empty path) and L + 1
/// @throws std::invalid_argument for shapes, token ids and drafts of draft probability zero; std::domain_error for NaN or a negative
///         probability of a drafted token, and for a row that is read as a whole and is no distribution. The generator is untouched then
///         (if it can be copied).
/// @note Cost: O(L^2) scalar steps, and one pass over two rows for each length below L that was tried (none when everything is accepted),
///       plus the draw of the token. No allocation.
/// @par Source
/// Sun, Mendlovic, Leviathan, Aharoni, Ro, Beirami, Suresh, "Block verification accelerates speculative decoding", 2024, arXiv 2403.10444,
/// algorithm 2.
template <dense_matrix P, dense_matrix Q, random_bits G>
  requires detail::row_scalars<scalar_of<P>, scalar_of<Q>>
[[nodiscard]] path_verdict verify_block(const P& target_rows, const Q& draft_rows, vector_view<const token_id> path, G& rng) {
  constexpr const char* function = "gavel::speculative::verify_block";
  const matrix_view<const scalar_of<P>> target(target_rows);
  const matrix_view<const scalar_of<Q>> draft(draft_rows);
  const auto block = detail::checked_block(function, target, draft, path);
  generator_rollback<G> rollback(rng);
  double weight = 1.0;
  path_verdict result;
  result.accepted_length = detail::choose_length(function, block, [&](std::size_t length, double prefix_weight, double stop) {
    weight = prefix_weight;
    return length == 0 || uniform(rng) < stop;
  });
  const std::size_t i = result.accepted_length;
  detail::check_row(function, "target_rows", target, i);
  if (i == path.size()) {
    result.next_token = static_cast<token_id>(detail::draw_from(target.row(i), uniform(rng)));
  } else {
    detail::check_row(function, "draft_rows", draft, i);
    const detail::residual_weights<scalar_of<P>> residual{target.row(i), draft.row(i), 1.0 / weight};
    result.next_token = residual.sample(uniform(rng));
  }
  rollback.keep();
  return result;
}

/// The same decision as probabilities, by the same steps: for exact tests, and to see where a path loses its length.
/// @param target_rows,draft_rows,path as `verify_block`; every row is read and checked
/// @return P_i, h_i, the probability of each accepted length, and the law of the next token for each length (also for lengths that
///         cannot occur)
/// @throws as `verify_block`
/// @note O(L V), allocates the result.
template <dense_matrix P, dense_matrix Q>
  requires detail::row_scalars<scalar_of<P>, scalar_of<Q>>
[[nodiscard]] block_law block_verification_law(const P& target_rows, const Q& draft_rows, vector_view<const token_id> path) {
  constexpr const char* function = "gavel::speculative::block_verification_law";
  const matrix_view<const scalar_of<P>> target(target_rows);
  const matrix_view<const scalar_of<Q>> draft(draft_rows);
  const auto block = detail::checked_block(function, target, draft, path);
  for (std::size_t i = 0; i <= path.size(); ++i) {
    detail::check_row(function, "target_rows", target, i);
    if (i < path.size()) detail::check_row(function, "draft_rows", draft, i);
  }
  const std::size_t lengths = path.size() + 1;
  const std::size_t n = target.cols();
  block_law law{std::vector<double>(lengths), std::vector<double>(lengths), std::vector<double>(lengths), std::vector<double>(lengths * n)};
  double left = 1.0;
  detail::choose_length(function, block, [&](std::size_t length, double prefix_weight, double stop) {
    law.prefix_weight[length] = prefix_weight;
    law.stop_probs[length] = stop;
    law.length_probs[length] = left * stop;
    left *= 1.0 - stop;
    const std::span<double> next = std::span<double>(law.next_token_probs).subspan(length * n, n);
    if (length == path.size()) {
      for (std::size_t y = 0; y < n; ++y) next[y] = detail::real(target(length, y));
    } else {
      const double scale = prefix_weight > detail::least_prefix_weight ? 1.0 / prefix_weight : 1.0 / detail::least_prefix_weight;
      detail::residual_weights<scalar_of<P>>{target.row(length), draft.row(length), scale}.law(next);
    }
    return false;
  });
  return law;
}

}  // namespace gavel::speculative
