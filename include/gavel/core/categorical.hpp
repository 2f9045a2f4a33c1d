// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/simplex.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/core/views.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <vector>

/// @file
/// One outcome out of finitely many: by inverse distribution function for weights that change with every draw, by alias table for weights
/// that stay.

namespace gavel {

/// An index with probability proportional to its weight.
///
/// Inverse distribution function in index order: the first i with w_0 + ... + w_i > u * sum.
/// @param weights `[n]`, float or double, unnormalised, finite, >= 0, with a finite positive sum. A weight of zero is never returned.
/// @return index in [0, n)
/// @throws std::invalid_argument if there are no weights
/// @throws std::domain_error if a weight is NaN, infinite or negative, or if the sum is zero or overflows
/// @note Draws: one uniform. O(n), two passes, no allocation. Accumulates in double.
template <random_bits G, dense_vector C>
  requires std::floating_point<scalar_of<C>>
[[nodiscard]] inline std::size_t categorical(G& rng, const C& weights) {
  const auto span = as_span(weights);
  const double sum = check_weights<scalar_of<C>>("gavel::categorical", "weights", span);
  const double target = uniform(rng) * sum;
  double cumulative = 0.0;
  std::size_t last_positive = 0;
  for (std::size_t i = 0; i < span.size(); ++i) {
    const double weight = static_cast<double>(span[i]);
    if (weight <= 0.0) continue;
    cumulative += weight;
    last_positive = i;
    if (cumulative > target) break;
  }
  return last_positive;  // also if rounding left the running sum just below the target
}
template <dense_vector C, random_bits G>
std::size_t categorical(const C&, G&) {
  static_assert(!random_bits<G>, "gavel: the generator is the first argument: categorical(rng, weights).");
  return 0;
}

/// Draws from fixed weights in constant time.
///
/// Each of the n cells holds its own index and one alias; a draw picks a cell uniformly and one of its two indices by a threshold.
/// A regular value type; `sample` is const and may be called from many threads with a generator each.
/// @note 16 bytes per weight. The distribution differs from the weights by less than n / 2^64 per outcome, plus rounding in the construction.
/// @par Source
/// Walker, "An efficient method for generating discrete random variables with general distributions" (1977); linear construction by
/// Vose, "A linear algorithm for generating random numbers with a given distribution" (1991).
class alias_table {
 public:
  /// An empty table; sampling from it is refused.
  alias_table() = default;

  /// @param weights `[n]`, float or double, unnormalised, finite, >= 0, with a finite positive sum; 1 <= n <= 2^32. A weight of zero is
  ///        never returned.
  /// @throws std::invalid_argument if there are no weights or more than 2^32
  /// @throws std::domain_error if a weight is NaN, infinite or negative, or if the sum is zero or overflows
  /// @note O(n) time; allocates the table and 12 n bytes of scratch.
  template <dense_vector C>
    requires std::floating_point<scalar_of<C>>
  explicit alias_table(const C& weights) {
    const auto span = as_span(weights);
    const double sum = check_weights<scalar_of<C>>("gavel::alias_table", "weights", span);
    const std::size_t n = span.size();
    check_at_most("gavel::alias_table", "weights.size()", n, std::size_t{1} << 32);
    std::vector<double> heights(n);  // weights scaled to mean 1: what still has to be placed
    for (std::size_t i = 0; i < n; ++i) heights[i] = static_cast<double>(span[i]) / sum * static_cast<double>(n);
    build(heights);
  }

  [[nodiscard]] std::size_t size() const noexcept { return cells_.size(); }
  [[nodiscard]] bool empty() const noexcept { return cells_.empty(); }

  /// An index with probability proportional to its weight.
  /// @throws std::invalid_argument if the table is empty
  /// @note Draws: one 64-bit or two 32-bit engine outputs, always. O(1), no allocation.
  template <random_bits G>
  [[nodiscard]] std::size_t sample(G& rng) const {
    check_at_least("gavel::alias_table::sample", "size()", size(), 1);
    // The product's upper half is the cell, its lower half a uniform fraction inside the cell: one draw serves both.
    const detail::uint128 product = detail::uint128{detail::bits64(rng)} * cells_.size();
    const std::size_t index = static_cast<std::size_t>(product >> 64);
    const cell& chosen = cells_[index];
    return static_cast<std::uint64_t>(product) < chosen.threshold ? index : std::size_t{chosen.alias};
  }

  /// The distribution that the table holds, `[size()]`: the normalised weights up to rounding.
  /// @note O(n), allocates the result.
  [[nodiscard]] std::vector<double> probs() const {
    std::vector<double> result(cells_.size(), 0.0);
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      const double own = cells_[i].alias == i ? 1.0 : static_cast<double>(cells_[i].threshold) * 0x1p-64;
      result[i] += own;
      result[cells_[i].alias] += 1.0 - own;
    }
    for (double& prob : result) prob /= static_cast<double>(cells_.size());
    return result;
  }

  [[nodiscard]] friend bool operator==(const alias_table&, const alias_table&) = default;

 private:
  struct cell {
    std::uint64_t threshold = 0;  // fractions below it (of 2^64) mean the cell's own index
    std::uint32_t alias = 0;
    [[nodiscard]] friend bool operator==(const cell&, const cell&) = default;
  };

  void build(std::vector<double>& heights) {
    const std::size_t n = heights.size();
    cells_.resize(n);
    std::vector<std::uint32_t> order(n);  // indices below the mean grow from the front, the others from the back
    std::size_t small_end = 0;
    std::size_t large_begin = n;
    std::uint32_t heaviest = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (heights[i] > heights[heaviest]) heaviest = static_cast<std::uint32_t>(i);
      order[heights[i] < 1.0 ? small_end++ : --large_begin] = static_cast<std::uint32_t>(i);
    }
    while (small_end > 0 && large_begin < n) {
      const std::uint32_t low = order[--small_end];
      const std::uint32_t high = order[large_begin];
      cells_[low] = {static_cast<std::uint64_t>(heights[low] * 0x1p64), high};
      heights[high] -= 1.0 - heights[low];
      if (heights[high] < 1.0) {
        ++large_begin;
        order[small_end++] = high;
      }
    }
    // Whatever is left has height 1 up to rounding; but a zero weight must not be rounded up to it.
    const auto fill = [&](std::uint32_t index) { cells_[index] = {0, heights[index] > 0.0 ? index : heaviest}; };
    for (std::size_t i = 0; i < small_end; ++i) fill(order[i]);
    for (std::size_t i = large_begin; i < n; ++i) fill(order[i]);
  }

  std::vector<cell> cells_;
};

}  // namespace gavel
