// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/speculative/detail/iid_selection.hpp>
#include <gavel/speculative/detail/rows.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// @file
/// Tokens in ascending order of p/q, the set that limits the acceptance of i.i.d. drafts, and groups of neighbours that can share a weight.

namespace gavel::speculative::detail {

/// Tokens with q > 0, ascending by p/q, with P(H) - q(H)^n for every prefix H.
class ratio_order {
 public:
  struct token {
    double ratio = 0.0;  ///< p/q
    double p = 0.0;
    double q = 0.0;
    std::uint32_t id = 0;
  };

  /// Sorts (radix sort of the bit patterns) and scans all prefixes. O(V).
  template <class T>
  void build(std::span<const T> p, std::span<const T> q, double p_scale, double q_scale, std::size_t n) {
    entries_.clear();
    for (std::size_t y = 0; y < q.size(); ++y) {
      if (!drawable(q[y])) continue;
      const double ratio = real(p[y]) * p_scale / (real(q[y]) * q_scale);
      entries_.push_back({ratio > 0.0 ? std::bit_cast<std::uint64_t>(ratio) : 0, static_cast<std::uint32_t>(y)});
    }
    tokens_.resize(entries_.size());
    auto token_of = [&](const entry& one) {
      return token{std::bit_cast<double>(one.bits), real(p[one.id]) * p_scale, real(q[one.id]) * q_scale, one.id};
    };
    // The upper halves first: six digits of the ratio. What they leave unsorted is usually next to its place; where it is not (p = q up to
    // rounding) the lower halves get sorted as well.
    sort_entries(4);
    std::size_t budget = 4 * entries_.size() + 64;
    for (std::size_t i = 0; i < entries_.size() && budget > 0; ++i) {
      const token one = token_of(entries_[i]);
      std::size_t hole = i;
      for (; hole > 0 && one.ratio < tokens_[hole - 1].ratio && budget > 0; --hole, --budget) tokens_[hole] = tokens_[hole - 1];
      tokens_[hole] = one;
    }
    if (budget == 0) {
      sort_entries(0);
      for (std::size_t i = 0; i < entries_.size(); ++i) tokens_[i] = token_of(entries_[i]);
    }
    scan(n);
  }

  [[nodiscard]] std::span<const token> tokens() const noexcept { return tokens_; }
  /// The first `split()` tokens are the minimizing set H*.
  [[nodiscard]] std::size_t split() const noexcept { return split_; }
  /// q(H*).
  [[nodiscard]] double inside_mass() const noexcept { return inside_mass_; }
  /// 1 + P(H*) - q(H*)^n, the highest acceptance rate any verifier can reach.
  [[nodiscard]] double optimum() const noexcept { return 1.0 + least_; }
  /// P(H) - q(H)^n for the prefix of `count` tokens, minus its minimum: what may be given away between H* and there.
  [[nodiscard]] double slack(std::size_t count) const noexcept { return slack_[count]; }

 private:
  struct entry {
    std::uint64_t bits;  // of the ratio: non-negative doubles and their bit patterns have the same order
    std::uint32_t id;
  };

  // Stable, by the bytes from @p first_byte up; bytes that are the same everywhere cost one pass of counting.
  void sort_entries(unsigned first_byte) {
    other_.resize(entries_.size());
    for (unsigned byte = first_byte; byte < 8; ++byte) {
      const unsigned shift = 8 * byte;
      std::size_t start[257] = {};
      for (const entry& one : entries_) ++start[(one.bits >> shift & 255u) + 1];
      if (entries_.empty() || start[(entries_[0].bits >> shift & 255u) + 1] == entries_.size()) continue;
      for (std::size_t b = 0; b < 256; ++b) start[b + 1] += start[b];
      for (const entry& one : entries_) other_[start[one.bits >> shift & 255u]++] = one;
      entries_.swap(other_);
    }
  }

  void scan(std::size_t n) {
    const std::size_t size = tokens_.size();
    slack_.resize(size + 1);
    slack_[0] = 0.0;
    least_ = 0.0;
    split_ = 0;
    inside_mass_ = 0.0;
    double target = 0.0;
    double draft = 0.0;
    for (std::size_t i = 0; i < size; ++i) {
      target += tokens_[i].p;
      draft += tokens_[i].q;
      const double mass = draft < 1.0 ? draft : 1.0;
      slack_[i + 1] = target - integer_power(mass, n);
      const bool tied = i + 1 < size && tokens_[i + 1].ratio == tokens_[i].ratio;  // the minimum never splits equal ratios
      if (!tied && slack_[i + 1] < least_) {
        least_ = slack_[i + 1];
        split_ = i + 1;
        inside_mass_ = mass;
      }
    }
    // The smallest slack from here on away from the split, and no less than zero.
    for (double& value : slack_) value = value > least_ ? value - least_ : 0.0;
    for (std::size_t i = size; i-- > split_;) slack_[i] = slack_[i + 1] < slack_[i] ? slack_[i + 1] : slack_[i];
    for (std::size_t i = 1; i <= split_; ++i) slack_[i] = slack_[i - 1] < slack_[i] ? slack_[i - 1] : slack_[i];
  }

  std::vector<entry> entries_, other_;
  std::vector<token> tokens_;
  std::vector<double> slack_;
  std::size_t split_ = 0;
  double inside_mass_ = 0.0, least_ = 0.0;
};

/// Neighbours in the order that share a weight: group g holds the tokens [first(g), first(g + 1)).
///
/// A group aims at its lowest ratio outside the minimizing set and at its highest inside, so that none of its tokens is on the wrong side.
/// That wastes (p(group) - q(group) ratio) of what p could give; the waste costs no acceptance as long as it stays below the slack of every
/// prefix, so a group may grow while it wastes less than `share` of the slack at its far end, plus `allowance`.
class ratio_groups {
 public:
  void build(const ratio_order& order, double share, double allowance) {
    const std::span<const ratio_order::token> tokens = order.tokens();
    const std::size_t split = order.split();
    bounds_.clear();
    // inside, from the split downwards
    for (std::size_t end = split; end > 0;) {
      std::size_t begin = end - 1;
      double p = tokens[begin].p;
      double q = tokens[begin].q;
      const double ratio = tokens[begin].ratio;  // the highest
      for (; begin > 0; --begin) {
        p += tokens[begin - 1].p;
        q += tokens[begin - 1].q;
        const bool same = tokens[begin - 1].ratio == ratio;
        if (!same && q * ratio - p > share * order.slack(begin - 1) + allowance) break;
      }
      bounds_.push_back(end);
      end = begin;
    }
    for (std::size_t i = 0; i < bounds_.size() / 2; ++i) {
      const std::size_t bound = bounds_[i];
      bounds_[i] = bounds_[bounds_.size() - 1 - i];
      bounds_[bounds_.size() - 1 - i] = bound;
    }
    inside_ = bounds_.size();
    bounds_.insert(bounds_.begin(), 0);
    for (std::size_t begin = split; begin < tokens.size();) {
      std::size_t end = begin + 1;
      double p = tokens[begin].p;
      double q = tokens[begin].q;
      const double ratio = tokens[begin].ratio;  // the lowest
      for (; end < tokens.size(); ++end) {
        p += tokens[end].p;
        q += tokens[end].q;
        const bool same = tokens[end].ratio == ratio;
        if (!same && p - q * ratio > share * order.slack(end + 1) + allowance) break;
      }
      bounds_.push_back(end);
      begin = end;
    }
  }

  /// One token per group.
  void separate(const ratio_order& order) {
    bounds_.resize(order.tokens().size() + 1);
    for (std::size_t i = 0; i < bounds_.size(); ++i) bounds_[i] = i;
    inside_ = order.split();
  }

  [[nodiscard]] std::size_t size() const noexcept { return bounds_.size() - 1; }
  /// Groups [0, inside()) make up the minimizing set.
  [[nodiscard]] std::size_t inside() const noexcept { return inside_; }
  [[nodiscard]] std::size_t first(std::size_t group) const noexcept { return bounds_[group]; }

 private:
  std::vector<std::size_t> bounds_{0};
  std::size_t inside_ = 0;
};

}  // namespace gavel::speculative::detail
