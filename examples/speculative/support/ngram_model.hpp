// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

/// @file
/// A language model that trains in a second: interpolated Kneser-Ney with three discounts per order. Its rows are what a verifier
/// meets in practice: real next-token distributions, peaked after a long known context and flat after an unseen one.

namespace examples {

/// Interpolated modified Kneser-Ney n-gram model over a closed vocabulary.
///
///     P(w | h) = (c(h w) - D(c(h w))) / c(h .) + gamma(h) P(w | h without its first token),    gamma(h) = sum_w D(c(h w)) / c(h .)
///
/// c is the plain count at the highest order and, below it, the number of distinct tokens that precede the n-gram; D has one value each for
/// counts 1, 2 and >= 3; the recursion ends in the uniform distribution. Every row is positive and sums to 1.
///
/// @par Source
/// S. F. Chen and J. Goodman, "An empirical study of smoothing techniques for language modeling", Computer Speech & Language 13 (1999).
class ngram_model {
 public:
  ngram_model() = default;

  /// @param text       training tokens, ids below @p vocabulary
  /// @param vocabulary number of token ids, >= 1
  /// @param order      longest n-gram, >= 1
  ngram_model(std::span<const std::uint32_t> text, std::size_t vocabulary, std::size_t order) : vocabulary_(vocabulary), levels_(order) {
    for (std::size_t length = order; length >= 1; --length) {
      level& current = levels_[length - 1];
      current.length = length;
      if (length == order) {
        count_windows(text, current);
      } else {
        count_suffixes(levels_[length], current);
      }
      current.estimate_discounts();
    }
    unigram_.assign(vocabulary, 1.0 / static_cast<double>(vocabulary));
    if (order >= 1) levels_[0].interpolate({}, unigram_);
  }

  [[nodiscard]] std::size_t vocabulary() const noexcept { return vocabulary_; }
  [[nodiscard]] std::size_t order() const noexcept { return levels_.size(); }
  [[nodiscard]] std::size_t ngram_count() const noexcept {
    std::size_t count = 0;
    for (const level& l : levels_) count += l.counts.size();
    return count;
  }

  /// The distribution of the token that follows @p history, written to @p probs `[vocabulary]`. O(vocabulary * order).
  void predict(std::span<const std::uint32_t> history, std::span<double> probs) const {
    std::copy(unigram_.begin(), unigram_.end(), probs.begin());
    for (std::size_t length = 2; length <= levels_.size() && length - 1 <= history.size(); ++length) {
      // A context that never occurred has no longer context that did.
      if (!levels_[length - 1].interpolate(history.last(length - 1), probs)) break;
    }
    double sum = 0.0;  // 1 up to rounding; the rows of both models leave here as close to 1 as double allows
    for (const double p : probs) sum += p;
    for (double& p : probs) p /= sum;
  }

 private:
  struct level {
    std::size_t length = 1;
    std::vector<std::uint32_t> grams;  // [count * length], sorted, distinct
    std::vector<std::uint32_t> counts;
    double discounts[3] = {0.5, 0.75, 0.9};

    [[nodiscard]] const std::uint32_t* gram(std::size_t index) const noexcept { return grams.data() + index * length; }

    void estimate_discounts() {
      double n[5] = {};
      for (const std::uint32_t count : counts) n[(std::min)(count, std::uint32_t{5}) % 5] += 1.0;  // n[0] holds the counts above 4
      if (n[1] == 0.0 || n[2] == 0.0 || n[3] == 0.0) return;  // too little text to estimate: keep the usual values
      const double y = n[1] / (n[1] + 2.0 * n[2]);
      for (std::size_t i = 0; i < 3; ++i) {
        const double k = static_cast<double>(i + 1);
        discounts[i] = std::clamp(k - (k + 1.0) * y * n[i + 2] / n[i + 1], 0.0, k);
      }
    }

    bool interpolate(std::span<const std::uint32_t> context, std::span<double> probs) const {
      std::size_t first = lower(context, false);
      const std::size_t last = lower(context, true);
      if (first == last) return false;
      double total = 0.0;
      double removed = 0.0;
      for (std::size_t i = first; i < last; ++i) {
        total += counts[i];
        removed += discounts[(std::min)(counts[i], std::uint32_t{3}) - 1];
      }
      const double back_off = removed / total;
      for (double& p : probs) p *= back_off;
      for (; first < last; ++first) {
        probs[gram(first)[length - 1]] += (counts[first] - discounts[(std::min)(counts[first], std::uint32_t{3}) - 1]) / total;
      }
      return true;
    }

    // First n-gram whose context is >= @p context, or > it.
    [[nodiscard]] std::size_t lower(std::span<const std::uint32_t> context, bool after) const {
      std::size_t first = 0;
      std::size_t count = counts.size();
      while (count > 0) {
        const std::size_t half = count / 2;
        const std::uint32_t* const candidate = gram(first + half);
        const auto [a, b] = std::mismatch(context.begin(), context.end(), candidate);
        const bool before = a == context.end() ? after : *b < *a;
        if (before) {
          first += half + 1;
          count -= half + 1;
        } else {
          count = half;
        }
      }
      return first;
    }
  };

  // Sorts windows of @p length tokens that start at the given places and counts equal ones.
  static void count_sorted(const std::uint32_t* text, std::vector<std::size_t>& starts, level& result) {
    const std::size_t length = result.length;
    const auto compare = [&](std::size_t a, std::size_t b) {
      return std::lexicographical_compare(text + a, text + a + length, text + b, text + b + length);
    };
    std::sort(starts.begin(), starts.end(), compare);
    for (std::size_t i = 0; i < starts.size(); ++i) {
      if (i == 0 || compare(starts[i - 1], starts[i])) {
        result.grams.insert(result.grams.end(), text + starts[i], text + starts[i] + length);
        result.counts.push_back(0);
      }
      ++result.counts.back();
    }
  }

  static void count_windows(std::span<const std::uint32_t> text, level& result) {
    std::vector<std::size_t> starts(text.size() < result.length ? 0 : text.size() - result.length + 1);
    std::iota(starts.begin(), starts.end(), std::size_t{0});
    count_sorted(text.data(), starts, result);
  }

  static void count_suffixes(const level& longer, level& result) {
    std::vector<std::size_t> starts(longer.counts.size());
    for (std::size_t i = 0; i < starts.size(); ++i) starts[i] = i * longer.length + 1;
    count_sorted(longer.grams.data(), starts, result);
  }

  std::size_t vocabulary_ = 0;
  std::vector<level> levels_;
  std::vector<double> unigram_;
};

}  // namespace examples
