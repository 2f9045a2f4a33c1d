// SPDX-License-Identifier: MIT
#pragma once

// The scalar twin of every kernel: plain loops in long double, nothing shared with the library.

#include "support/catch.hpp"

#include <gavel/core/random.hpp>
#include <gavel/core/storage.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

namespace gavel::testing {

/// Lengths around every block, chunk and vector boundary.
inline std::vector<std::size_t> awkward_lengths() {
  return {1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 1000, 2047, 2048, 2049, 4095, 4096, 4097, 5000, 33001};
}

template <class T>
struct row_maker;
template <>
struct row_maker<float> {
  static float make(double x) { return static_cast<float>(x); }
};
template <>
struct row_maker<double> {
  static double make(double x) { return x; }
};
template <>
struct row_maker<half> {
  static half make(double x) { return to_half(static_cast<float>(x)); }
};
template <>
struct row_maker<bfloat16> {
  static bfloat16 make(double x) { return to_bfloat16(static_cast<float>(x)); }
};

/// Logits like a language model's: a few large, many small.
template <class T>
std::vector<T> random_logits(std::size_t n, std::uint64_t seed, double spread = 4.0) {
  philox4x32 rng(seed, 7);
  std::vector<T> row(n);
  for (T& x : row) x = row_maker<T>::make(spread * normal(rng));
  return row;
}

template <class T>
std::vector<T> random_probs(std::size_t n, std::uint64_t seed, double spread = 2.0) {
  philox4x32 rng(seed, 11);
  std::vector<double> row(n);
  double sum = 0.0;
  for (double& x : row) sum += x = std::exp(spread * normal(rng));
  std::vector<T> probs(n);
  for (std::size_t i = 0; i < n; ++i) probs[i] = row_maker<T>::make(row[i] / sum);
  return probs;
}

template <class T>
std::vector<long double> wide(const std::vector<T>& row) {
  std::vector<long double> result;
  for (const T& x : row) result.push_back(static_cast<long double>(widen(x)));
  return result;
}

inline long double twin_log_sum_exp(const std::vector<long double>& x, long double temperature = 1.0L) {
  const long double largest = *std::max_element(x.begin(), x.end());
  if (!std::isfinite(largest)) return largest;
  long double sum = 0.0L;
  for (const long double v : x) sum += std::exp((v - largest) / temperature);
  return largest / temperature + std::log(sum);
}

inline std::vector<long double> twin_softmax(const std::vector<long double>& x, long double temperature = 1.0L) {
  const long double normalizer = twin_log_sum_exp(x, temperature);
  std::vector<long double> probs;
  for (const long double v : x) probs.push_back(std::exp(v / temperature - normalizer));
  return probs;
}

/// The index an inverse CDF gives, and how close the uniform came to a boundary (in units of total mass).
struct twin_draw {
  std::size_t index = 0;
  long double margin = 0.0L;
};
inline twin_draw twin_sample(const std::vector<long double>& weights, long double u) {
  const long double total = std::accumulate(weights.begin(), weights.end(), 0.0L);
  long double before = 0.0L;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const long double after = before + weights[i];
    if (u * total < after) return {i, std::min(u * total - before, after - u * total) / total};
    before = after;
  }
  return {weights.size(), 0.0L};
}

/// Stable order: larger value first, lower index on ties.
template <class T>
std::vector<std::uint32_t> twin_order(const std::vector<T>& x) {
  std::vector<std::uint32_t> order(x.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return widen(x[a]) != widen(x[b]) ? widen(x[a]) > widen(x[b]) : a < b; });
  return order;
}

}  // namespace gavel::testing
