// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/random.hpp>
#include <gavel/kernels/softmax.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

/// @file
/// Several draws without replacement from one row of logits in a single pass.

namespace gavel::kernels {
inline namespace GAVEL_BASE_ISA {
namespace detail {

/// Elements looked at together; their weights fit the first-level cache.
inline constexpr std::size_t walk_size = 2048;

struct summarize_chunk_kernel {
  template <class Isa, stored_scalar S>
  static GAVEL_ALWAYS_INLINE chunk_summary run(const S* x, std::size_t n, double inverse_temperature, double cutoff) {
    compute_type<S> peak = std::numeric_limits<compute_type<S>>::quiet_NaN();
    return summarize_chunk<Isa>(x, n, 0, n, inverse_temperature, cutoff, peak);
  }
};

/// The best `capacity` Gumbel keys so far, largest first, in the caller's arrays.
struct key_list {
  std::uint32_t* ids;
  double* keys;
  std::size_t capacity;
  std::size_t size = 0;

  [[nodiscard]] bool full() const noexcept { return size == capacity; }
  [[nodiscard]] double threshold() const noexcept { return keys[capacity - 1]; }
  void shift(double by) noexcept {
    for (std::size_t i = 0; i < size; ++i) keys[i] += by;
  }
  void insert(std::uint32_t id, double key) noexcept {
    std::size_t at = full() ? size - 1 : size++;
    for (; at > 0 && keys[at - 1] < key; --at) {
      keys[at] = keys[at - 1];
      ids[at] = ids[at - 1];
    }
    keys[at] = key;
    ids[at] = id;
  }
};

}  // namespace detail

/// The n largest of the perturbed logits x_i / temperature + G_i with independent standard Gumbel G_i, largest first: n draws without
/// replacement from softmax(x / temperature), in the order of drawing, with their keys. The law is the one of perturbing every logit, but
/// stretches of the row that cannot win are skipped: with weights w_i = exp(x_i / temperature) and threshold key k, token i beats k with
/// probability 1 - exp(-w_i exp(-k)), so one exponential variate tells how much weight to skip (exponential jumps).
/// @param logits      [size]; finite or -inf
/// @param n           number of draws; 0 draws nothing
/// @param ids         [n], receives the tokens
/// @param keys        [n], receives their keys, largest first (equal only by rounding)
/// @param temperature > 0 (see `summarize` for its effective range)
/// @param cutoff      a number of the row's type: logits below it are never drawn (see `truncation_cutoff`)
/// @return the number of tokens drawn: n, or the number of tokens of positive weight when that is smaller; 0 if a logit is NaN or +inf
/// @note One read of the row, no allocation, O(size + n * draws). Draws: one uniform for each of the first n tokens of positive weight,
///       one more once there are n, and two for each later token that enters the list (about 2 n ln(size / n) in expectation when weights
///       come in random order).
/// @par Source
/// Efraimidis, Spirakis, "Weighted random sampling with a reservoir", IPL 2006, algorithm A-ExpJ; Kool et al., "Stochastic beams and where
/// to find them", 2019, arXiv 1903.06059, section 2.
template <stored_scalar S, random_bits G>
std::size_t gumbel_top_n(const S* logits, std::size_t size, std::size_t n, std::uint32_t* ids, double* keys, G& rng,
                         double temperature = 1.0, double cutoff = -std::numeric_limits<double>::infinity()) {
  using T = compute_type<S>;
  detail::key_list best{ids, keys, n};
  if (n == 0) return 0;
  const double inverse_temperature = detail::inverse_temperature_of<S>(temperature);
  double jump = 0.0;  // weight times time that may still be skipped
  // Keys are kept relative to the largest logit so far: beside a large x / temperature their noise would round away.
  double reference = 0.0;
  bool started = false;
  for (std::size_t begin = 0; begin < size; begin += detail::walk_size) {
    const std::size_t count = size - begin < detail::walk_size ? size - begin : detail::walk_size;
    const detail::chunk_summary chunk = dispatch<detail::summarize_chunk_kernel>(logits + begin, count, inverse_temperature, cutoff);
    if (chunk.sum != chunk.sum) return 0;
    if (!(chunk.sum > 0.0)) continue;
    // Inside the chunk weights are relative to its maximum: a key k is an arrival at time exp(shift - k).
    if (!started || chunk.maximum > reference) {
      double up = (chunk.maximum - reference) * inverse_temperature;
      rounded(up);
      best.shift(-up);
      reference = chunk.maximum;
      started = true;
    }
    double shift = (chunk.maximum - reference) * inverse_temperature;
    rounded(shift);
    double time = best.full() ? std::exp(shift - best.threshold()) : 0.0;
    double hazard = time * chunk.sum;
    rounded(hazard);
    if (best.full() && jump > hazard) {
      jump -= hazard;
      continue;
    }
    T weights[detail::walk_size];
    write_row(
        logits_row<S>{logits + begin, static_cast<T>(chunk.maximum), static_cast<T>(inverse_temperature), T{1}, static_cast<T>(cutoff)},
        count, weights);
    for (std::size_t i = 0; i < count; ++i) {
      const double weight = static_cast<double>(weights[i]);
      if (!(weight > 0.0)) continue;
      double arrival = 0.0;
      hazard = weight * time;
      rounded(hazard);
      if (!best.full()) {
        arrival = exponential(rng) / weight;
      } else if (jump > hazard) {
        jump -= hazard;
        continue;
      } else {  // the arrival, given that it comes before `time`
        arrival = -std::log1p(uniform(rng) * std::expm1(-hazard)) / weight;
      }
      best.insert(static_cast<std::uint32_t>(begin + i), shift - std::log(arrival));
      if (best.full()) {
        time = std::exp(shift - best.threshold());
        jump = exponential(rng);
      }
    }
  }
  double base = reference * inverse_temperature;
  rounded(base);
  best.shift(base);
  return best.size;
}

}  // namespace GAVEL_BASE_ISA
}  // namespace gavel::kernels
