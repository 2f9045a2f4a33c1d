// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/kernels/softmax.hpp>
#include <gavel/kernels/top_k.hpp>

#include <cmath>  // nextafter
#include <cstddef>
#include <limits>

/// @file
/// Top-k, top-p (nucleus) and min-p truncation as one number: the smallest logit that is kept. Every kernel on logits takes it as `cutoff`,
/// so a truncated distribution costs no extra row. Tokens that tie with the last kept one are kept: the result does not depend on the order
/// of the vocabulary.

namespace gavel::kernels {

/// Which tokens may be drawn. Applied in the order of the fields, each on the renormalised rest of the one before.
struct truncation {
  std::size_t top_k = 0;  ///< keep the k largest logits; 0 keeps all
  double top_p = 1.0;     ///< keep the smallest set of largest probabilities that reaches this mass, in (0, 1]; 1 keeps all
  double min_p = 0.0;     ///< keep tokens with at least this fraction of the largest probability, in [0, 1]; 0 keeps all

  friend constexpr bool operator==(const truncation&, const truncation&) = default;
};

inline namespace GAVEL_BASE_ISA {

/// The smallest logit kept by @p rule after the temperature; -inf when the rule keeps all.
/// @param logits      [n]; finite or -inf, at least one finite
/// @param temperature > 0 (see `summarize` for its effective range)
/// @note No allocation, up to 130 KiB of stack. top_k: see `kth_largest`; top_p: one more read for the masses and two or three short
///      passes; min_p: one read.
template <stored_scalar S>
[[nodiscard]] double truncation_cutoff(const S* logits, std::size_t n, double temperature, const truncation& rule) {
  using T = compute_type<S>;
  double cutoff = -std::numeric_limits<double>::infinity();
  if (rule.top_k > 0 && rule.top_k < n) cutoff = static_cast<double>(kth_largest(logits, n, rule.top_k));
  if (rule.top_p < 1.0) {
    const logits_summary summary = summarize(logits, n, temperature, cutoff);
    const double unscaled = rule.top_p * summary.sum;
    const auto weights = [&](std::size_t begin, std::size_t count, double* out) {
      write_row(logits_row<S>{logits + begin, static_cast<T>(summary.maximum),
                              static_cast<T>(detail::inverse_temperature_of<S>(temperature)), T{1}, static_cast<T>(cutoff)},
                count, out);
    };
    const double nucleus = static_cast<double>(detail::weighted_select(logits, n, unscaled, weights));
    cutoff = nucleus > cutoff ? nucleus : cutoff;
  }
  if (rule.min_p > 0.0) {
    double below = temperature * kernels::log(rule.min_p);
    rounded(below);
    const double floor = summarize(logits, n, temperature).maximum + below;
    T kept = static_cast<T>(floor);  // compared in the row's own type: round towards keeping
    if (static_cast<double>(kept) > floor) kept = std::nextafter(kept, -std::numeric_limits<T>::infinity());
    cutoff = static_cast<double>(kept) > cutoff ? static_cast<double>(kept) : cutoff;
  }
  return cutoff;
}

#if defined(GAVEL_INSTANCE)
#define GAVEL_INSTANCES(S) GAVEL_INSTANCE double truncation_cutoff(const S*, std::size_t, double, const truncation&);
GAVEL_FOR_EACH_STORAGE(GAVEL_INSTANCES)
#undef GAVEL_INSTANCES
#endif

}  // namespace GAVEL_BASE_ISA
}  // namespace gavel::kernels
