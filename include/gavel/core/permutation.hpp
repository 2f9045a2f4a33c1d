// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/simplex.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/core/variates.hpp>
#include <gavel/core/views.hpp>

#include <concepts>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

/// @file
/// Random orders and random subsets.

namespace gavel {

/// Puts the elements of a sequence into uniformly random order, in place.
/// @param values `[n]`, any dense vector of movable elements; 0 and 1 elements are left alone
/// @note Draws: `uniform_index(rng, m)` for m = n, n - 1, ..., 2. Fisher-Yates from the front. O(n), no allocation.
template <random_bits G, dense_vector C>
inline void shuffle(G& rng, C&& values) {
  const auto span = as_span(values);
  for (std::size_t i = 0; i + 1 < span.size(); ++i) {
    const std::size_t j = i + static_cast<std::size_t>(uniform_index(rng, span.size() - i));
    using std::swap;
    if (j != i) swap(span[i], span[j]);
  }
}
template <dense_vector C, random_bits G>
void shuffle(C&, G&) {
  static_assert(!random_bits<G>, "gavel: the generator is the first argument: shuffle(rng, values).");
}

namespace detail {

template <std::unsigned_integral Index>
inline void check_index_type(const char* function, std::size_t n) {
  if (n != 0 && n - 1 > (std::numeric_limits<Index>::max)()) {
    refuse(function, "n", n, "must be <= 1 + largest index", (std::numeric_limits<Index>::max)());
  }
}

/// The first out.size() steps of a Fisher-Yates shuffle of 0, ..., n-1 whose result is never stored: out[i] first holds the position that
/// step i swapped with, and the value there is found by walking back through the earlier steps.
template <random_bits G, std::unsigned_integral Index>
inline void sample_by_walking_back(G& rng, std::size_t n, std::span<Index> out) {
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<Index>(i + static_cast<std::size_t>(uniform_index(rng, n - i)));
  for (std::size_t i = out.size(); i-- > 0;) {
    Index position = out[i];
    for (std::size_t step = i; step-- > 0;) {
      if (out[step] == position) position = static_cast<Index>(step);
    }
    out[i] = position;
  }
}

}  // namespace detail

/// Fills @p out with 0, ..., out.size() - 1 in uniformly random order.
/// @throws std::invalid_argument if the index type is too small for the size
/// @note Draws and cost: those of `shuffle`.
template <random_bits G, dense_output Out>
  requires std::unsigned_integral<scalar_of<Out>>
inline void permutation(G& rng, Out&& out) {
  const auto order = as_span(std::forward<Out>(out));
  detail::check_index_type<scalar_of<Out>>("gavel::permutation", order.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<scalar_of<Out>>(i);
  shuffle(rng, order);
}

/// The same, allocated: a uniformly random order of n things.
template <random_bits G>
[[nodiscard]] inline std::vector<std::size_t> permutation(G& rng, std::size_t n) {
  std::vector<std::size_t> result(n);
  permutation(rng, result);
  return result;
}

/// A uniformly random subset of {0, ..., n - 1} in uniformly random order: k = out.size() draws without replacement.
/// @param n   size of the population
/// @param out `[k]`, k <= n; receives the indices
/// @throws std::invalid_argument if k > n or the index type is too small for n
/// @note Draws: `uniform_index(rng, m)` for m = n, n - 1, ..., n - k + 1, so the first k elements of a permutation. Up to 64 draws (and
///       whenever k^2 <= n): O(k^2) time, no allocation; else O(n) time and n indices of memory. The result does not depend on the way.
template <random_bits G, dense_output Out>
  requires std::unsigned_integral<scalar_of<Out>>
inline void sample_without_replacement(G& rng, std::size_t n, Out&& out) {
  using Index = scalar_of<Out>;
  const auto to = as_span(std::forward<Out>(out));
  constexpr const char* name = "gavel::sample_without_replacement";
  check_at_most(name, "out.size()", to.size(), "population size", n);
  detail::check_index_type<Index>(name, n);
  if (to.size() <= 64 || to.size() <= n / to.size()) return detail::sample_by_walking_back(rng, n, to);
  std::vector<Index> population(n);
  for (std::size_t i = 0; i < n; ++i) population[i] = static_cast<Index>(i);
  for (std::size_t i = 0; i < to.size(); ++i) {
    std::swap(population[i], population[i + static_cast<std::size_t>(uniform_index(rng, n - i))]);
    to[i] = population[i];
  }
}

/// The same, allocated.
template <random_bits G>
[[nodiscard]] inline std::vector<std::size_t> sample_without_replacement(G& rng, std::size_t n, std::size_t k) {
  check_at_most("gavel::sample_without_replacement", "k", k, "population size", n);
  std::vector<std::size_t> result(k);
  sample_without_replacement(rng, n, result);
  return result;
}

/// Successive weighted draws without replacement: the first index with probability proportional to its weight, the second proportional to
/// the weights that remain, and so on.
///
/// By exponential clocks: index i rings at time E_i / w_i; the first k = out.size() to ring, in the order of ringing.
/// @param weights `[n]`, float or double, unnormalised, finite, >= 0, with a finite positive sum. A weight of zero is never returned.
/// @param out     `[k]`, k <= number of positive weights; receives the indices in the order drawn
/// @throws std::invalid_argument if there are no weights, k exceeds the positive ones, or the index type is too small for n
/// @throws std::domain_error if a weight is NaN, infinite or negative, or if the sum is zero or overflows
/// @note Draws: n uniforms, one per index whatever its weight. O(n + k log k log(n/k)) expected; allocates 16 k bytes.
/// @par Source
/// Efraimidis, Spirakis, "Weighted random sampling with a reservoir" (2006), algorithm A.
template <random_bits G, dense_vector C, dense_output Out>
  requires std::floating_point<scalar_of<C>> && std::unsigned_integral<scalar_of<Out>>
inline void weighted_sample_without_replacement(G& rng, const C& weights, Out&& out) {
  using Index = scalar_of<Out>;
  const auto to = as_span(std::forward<Out>(out));
  constexpr const char* name = "gavel::weighted_sample_without_replacement";
  const auto span = as_span(weights);
  const double sum = check_weights<scalar_of<C>>(name, "weights", span);
  detail::check_index_type<Index>(name, span.size());
  std::size_t positive = 0;
  for (const auto weight : span) positive += weight > 0 ? 1 : 0;
  const std::size_t k = to.size();
  check_at_most(name, "out.size()", k, "number of positive weights", positive);

  struct ring {
    double time;
    Index index;
  };
  std::vector<ring> heap(k);  // the k earliest so far, the latest of them on top
  std::size_t size = 0;
  const auto sink = [&heap](std::size_t hole, std::size_t end, ring value) {
    for (std::size_t child = 2 * hole + 1; child < end; child = 2 * hole + 1) {
      if (child + 1 < end && heap[child + 1].time > heap[child].time) ++child;
      if (heap[child].time <= value.time) break;
      heap[hole] = heap[child];
      hole = child;
    }
    heap[hole] = value;
  };
  for (std::size_t i = 0; i < span.size(); ++i) {
    const double clock = exponential(rng);
    if (!(span[i] > 0) || k == 0) continue;
    const ring candidate{clock / (static_cast<double>(span[i]) / sum), static_cast<Index>(i)};
    if (size < k) {
      heap[size++] = candidate;
      if (size == k) {
        for (std::size_t root = k / 2; root-- > 0;) sink(root, k, heap[root]);
      }
    } else if (candidate.time < heap[0].time) {
      sink(0, k, candidate);
    }
  }
  for (std::size_t end = k; end-- > 0;) {  // take the latest off the top, last place first
    to[end] = heap[0].index;
    sink(0, end, heap[end]);
  }
}
template <dense_vector C, random_bits G, class Out>
void weighted_sample_without_replacement(const C&, G&, Out&&) {
  static_assert(!random_bits<G>, "gavel: the generator is the first argument: weighted_sample_without_replacement(rng, weights, out).");
}

}  // namespace gavel
