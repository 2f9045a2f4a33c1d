// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/kernels/log_sum_exp.hpp>

#include <cstddef>
#include <limits>

/// @file
/// One draw from a row, by inverse CDF in index order from one uniform: of probabilities or any unnormalised weights, and of a row of
/// logits directly, without writing the softmax.

namespace gavel::kernels {
inline namespace GAVEL_BASE_ISA {
namespace detail {

struct sample_logits_kernel {
  template <class Isa, stored_scalar S>
  static GAVEL_ALWAYS_INLINE std::size_t run(const S* x, std::size_t n, double u, double inverse_temperature, double cutoff) {
    using T = compute_type<S>;
    const std::size_t size = chunk_size<T>(n);
    chunk_summary chunks[max_chunks];
    double scales[max_chunks];
    std::size_t count = 0;
    for (std::size_t begin = 0; begin < n; begin += size) {
      chunks[count++] = summarize_chunk<Isa>(x, begin, n - begin < size ? n : begin + size, inverse_temperature, cutoff);
    }
    const logits_summary row = join<Isa>(chunks, count, inverse_temperature, scales);
    if (!(row.sum > 0.0)) return not_found;
    double left = u * row.sum;
    rounded(left);
    double target = 0.0;
    std::size_t chosen = 0;  // the chunk that holds the target, else (rounding) the last one with weight
    for (std::size_t c = 0; c < count; ++c) {
      double weight = chunks[c].sum * scales[c];
      rounded(weight);
      if (weight > 0.0) {
        chosen = c;
        target = left;
        if (left < weight) break;
      }
      left -= weight;
    }
    const std::size_t begin = chosen * size;
    const logits_row<S> weights{x, static_cast<T>(chunks[chosen].maximum), static_cast<T>(inverse_temperature), T{1},
                                static_cast<T>(cutoff)};
    return locate<Isa>(weights, begin, n - begin < size ? n : begin + size, target / scales[chosen]);
  }
};

}  // namespace detail

/// Draws index i with probability weights_i / sum of weights.
/// @param weights [n], finite and >= 0, in any scale whose sum is finite in the row's type; an index of zero weight is never returned
/// @param u       one uniform in [0, 1)
/// @return the smallest i whose cumulative weight exceeds u times the total; `not_found` if no weight is positive or one is NaN
template <stored_scalar S>
[[nodiscard]] std::size_t sample(const S* weights, std::size_t n, double u) {
  return row_sample(weights_row<S>{weights}, n, u).index;
}

/// Draws index i with probability softmax(x / temperature)_i, straight from the logits: one read of the row and a second look at one chunk.
/// @param logits      [n]; finite or -inf
/// @param u           one uniform in [0, 1)
/// @param temperature > 0 (see `summarize` for its effective range)
/// @param cutoff      a number of the row's type: logits below it are never drawn (see `truncation_cutoff`)
/// @return the index; `not_found` if every logit is -inf, or one is NaN or +inf
template <stored_scalar S>
[[nodiscard]] std::size_t sample_logits(const S* logits, std::size_t n, double u, double temperature = 1.0,
                                        double cutoff = -std::numeric_limits<double>::infinity()) {
  return dispatch<detail::sample_logits_kernel>(logits, n, u, detail::inverse_temperature_of<S>(temperature), cutoff);
}

}  // namespace GAVEL_BASE_ISA
}  // namespace gavel::kernels
