// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/config.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

/// @file
/// The words every header of `speculative` shares: token ids, draft laws, verdicts, and the concept that all verifiers satisfy.
/// @par Source The problem: Leviathan, Kalman, Matias, "Fast Inference from Transformers via Speculative Decoding", 2022, arXiv 2211.17192;
///             Chen et al., "Accelerating Large Language Model Decoding with Speculative Sampling", 2023, arXiv 2302.01318.

namespace gavel::speculative {

/// Index of a token in the vocabulary.
using token_id = std::uint32_t;

/// How the n drafted tokens of one position are drawn from the draft distribution q.
enum class draft_law {
  iid,                  ///< n independent draws, repeats possible: prod q(x_i)
  without_replacement,  ///< n distinct draws: prod q(x_i) / (1 - sum_{j<i} q(x_j))
  greedy,               ///< the n-1 most probable tokens, then one draw from the rest of q
  top_n,                ///< the n most probable tokens, no randomness
  hub_pair              ///< SpecHub pairs, n = 2: with a = argmax q, (i, a) with probability q_i, (a, i) with q_a q_i / (1 - q_a), i != a
};

/// What a verifier decides for the drafts of one position.
struct verdict {
  /// Value of `draft_index` when the token is none of the drafts.
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  token_id token = 0;              ///< the token to emit: distributed exactly as the target
  std::size_t draft_index = none;  ///< position of `token` among the drafts, or `none`

  [[nodiscard]] constexpr bool accepted() const noexcept { return draft_index != none; }
  friend constexpr bool operator==(const verdict&, const verdict&) = default;
};

/// Type of `trusted`.
struct trusted_t {};

/// Last argument of a verifier's `prepare(p, q, n, trusted)`: the rows come from a softmax of this program, skip the checks that read them
/// (probabilities, sum, support; O(V)). Sizes, n and the drafts are still checked. Rows that are not distributions then give a wrong
/// law, never a wrong memory access.
inline constexpr trusted_t trusted{};

namespace detail {
struct any_bits {  // an archetype: the least a random generator offers
  using result_type = std::uint32_t;
  static constexpr result_type(min)() { return 0; }
  static constexpr result_type(max)() { return 0xffffffffu; }
  result_type operator()() { return 0; }
};
}  // namespace detail

/// A rule that turns drafts into one token whose law is exactly the target's.
///
/// `prepare(p, q, n)` borrows the target and draft rows (they must outlive the last call that follows) and does the work that does not
/// depend on the drafts; `verify(drafts, rng)` decides. The two diagnostics describe the same decision exactly, which is how exactness is
/// proved by enumeration: given the drafts, draft i is accepted with probability `acceptance[i]`, and with the remaining probability the
/// token is drawn from `residual`. For every prepared pair and the verifier's draft law D,
///
///     sum over tuples x of D(x) * (sum_i acceptance_i(x) [x_i = y] + (1 - sum_i acceptance_i(x)) residual_y(x)) = p_y.
///
/// `max_uniforms()` bounds the uniforms one call of `verify` draws.
template <class V>
concept verifier = std::copyable<V> && std::default_initializable<V> &&
                   requires(V v, const V& c, std::span<const typename V::scalar> row, std::size_t n, std::span<const token_id> drafts,
                            std::span<double> out, detail::any_bits& rng) {
                     { V::law } -> std::convertible_to<draft_law>;
                     v.prepare(row, row, n);
                     { v.verify(drafts, rng) } -> std::same_as<verdict>;
                     v.conditional_law(drafts, out, out);  // acceptance [n], residual [V]
                     { c.max_uniforms() } -> std::convertible_to<std::size_t>;
                   };

/// A verifier whose acceptance marginals A_y = Pr(the output is y and was accepted as a draft) have a closed form.
template <class V>
concept verifier_with_marginals = verifier<V> && requires(V v, std::span<double> out) {
  v.acceptance_marginals(out);                             // [V]
  { v.acceptance_rate() } -> std::convertible_to<double>;  // sum of A_y
};

}  // namespace gavel::speculative
