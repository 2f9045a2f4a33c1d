// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/numerics.hpp>
#include <gavel/core/ordering.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

/// @file
/// The exact minimum of P(H) + 1 - Q(H) over the prefixes H of the tokens in ascending order of p/q, without sorting them: bins of the
/// ratio, a lower bound per bin, and a closer look only where the bound allows a better prefix.

namespace gavel::speculative::detail {

/// One token of the draft support. `ratio` is p/q of the numbers as handed in; `p` and `q` are divided by the sums of their rows.
struct ratio_token {
  double ratio = 0.0;
  double p = 0.0;
  double q = 0.0;
};

struct masses {
  double p = 0.0;
  double q = 0.0;
};

/// Sums in runs of 64, the runs compensated: many equal terms would make the rounding errors of a plain sum add up.
[[nodiscard]] inline masses sum_masses(std::span<const ratio_token> tokens) noexcept {
  constexpr std::size_t run = 64;
  compensated_sum p, q;
  for (std::size_t start = 0; start < tokens.size(); start += run) {
    masses part;
    const std::size_t end = tokens.size() - start < run ? tokens.size() : start + run;
    for (std::size_t i = start; i < end; ++i) {
      part.p += tokens[i].p;
      part.q += tokens[i].q;
    }
    p += part.p;
    q += part.q;
  }
  return {p.value(), q.value()};
}

/// A prefix of the ratio order: all tokens with ratio <= threshold.
struct prefix {
  double value = 1.0;        ///< P(H) + 1 - Q(H); the empty prefix has 1
  double escape = 1.0;       ///< 1 - Q(H): some draft is outside
  double target_mass = 0.0;  ///< P(H)
  double outside = 1.0;      ///< 1 - q(H)
  double threshold = -1.0;
};

/// Ascending by ratio, in place; equal ratios by q, so that sums over them do not depend on how the sort moves them.
inline void sort_by_ratio(std::span<ratio_token> tokens) noexcept {
  sort_values(tokens.data(), tokens.size(),
              [](const ratio_token& a, const ratio_token& b) { return a.ratio != b.ratio ? a.ratio < b.ratio : a.q < b.q; });
}

/// Lower bound of P - Q inside a stretch of the order, from what is known at its two ends. In s = q(H) both P and Q are convex along the
/// order (ratios ascend; Q is a "q-convex" set function), so P lies above its two end tangents and Q below its chord, and P - Q is least at
/// the crossing of the tangents.
/// @param value at the start of the stretch
/// @param dp,dq,ds growth of P, Q and q(H) over the stretch
/// @param low,high slopes dP/ds of the first and last token
/// @return the bound; at most the smaller end value up to rounding
[[nodiscard]] inline double stretch_bound(double value, double dp, double dq, double ds, double low, double high) noexcept {
  if (!(high > low) || !(ds > 0.0)) return value < value + dp - dq ? value : value + dp - dq;
  double x = (high * ds - dp) / (high - low);
  x = x > 0.0 ? x : 0.0;
  x = x < ds ? x : ds;
  return value + low * x - dq * (x / ds);
}

/// A prefix that improves by less than this is not looked for: the minimum returned is exact to this.
inline constexpr double scan_resolution = 1e-14;

/// The search. `Law` knows Q:
///   measure(span of tokens, block&)   what it needs to include many tokens at once (`block` is additive through `merge`)
///   include(block) / include(tokens)  adds tokens to H
///   include_heavy(token, outside)     adds one token of the heavy list; `outside` is the heavy mass left outside H
///   escape(inside, outside)           1 - Q(H)
///   save(depth), restore(depth)       a stack of states
/// Heavy tokens are those that a law has to include one by one. They come sorted, with the suffix sums of their masses.
template <class Law>
class prefix_scan {
 public:
  /// One piece of the order: light tokens in any order (small pieces get sorted), heavy tokens sorted, and where the piece lies.
  struct piece {
    std::span<ratio_token> light;
    std::size_t first_heavy = 0;
    std::size_t last_heavy = 0;
    double target_mass = 0.0;    ///< P of everything before the piece
    double draft_mass = 0.0;     ///< q of everything before the piece
    double light_outside = 0.0;  ///< q of the light tokens after the piece
  };

  /// @param slope_scale turns a ratio into dP/ds: sum of q over sum of p
  void begin(Law& law, double slope_scale, std::span<const ratio_token> heavy) {
    law_ = &law;
    slope_scale_ = slope_scale;
    heavy_ = heavy;
    heavy_outside_.resize(heavy.size() + 1);
    heavy_outside_[heavy.size()] = 0.0;
    for (std::size_t i = heavy.size(); i-- > 0;) heavy_outside_[i] = heavy_outside_[i + 1] + heavy[i].q;
  }

  /// Improves @p best by the prefixes that end inside the piece or at its end. The law stands at the start of the piece, before and after.
  void search(const piece& where, prefix& best, std::size_t depth = 0) {
    if (where.light.size() <= leaf_size) return search_leaf(where, best, depth);
    if (levels_.size() <= depth) levels_.resize(depth + 1);
    split(where, depth);
    law_->save(depth);
    sweep(where, best, depth);
    refine(where, best, depth);
    law_->restore(depth);
  }

 private:
  static constexpr std::size_t leaf_size = 48;

  struct bin {
    std::size_t first = 0, count = 0;  // of the light tokens
    std::size_t first_heavy = 0, last_heavy = 0;
    double p = 0.0, q = 0.0, light_q = 0.0;
    double low = 0.0, high = 0.0;      // ratios
    double light_outside = 0.0;        // light mass beyond this bin
    double start = 0.0, growth = 0.0;  // value before the bin; Q gained by it
    typename Law::block block{};

    void add(std::span<const ratio_token> tokens) noexcept {
      const masses sums = sum_masses(tokens);
      p += sums.p;
      q += sums.q;
      for (const ratio_token& token : tokens) {
        low = token.ratio < low ? token.ratio : low;
        high = token.ratio > high ? token.ratio : high;
      }
    }
  };

  struct level {
    std::vector<ratio_token> tokens;  // the light tokens of the piece, grouped by bin
    std::vector<bin> bins;            // only those that hold tokens, ascending
    std::vector<std::uint32_t> start;
    std::vector<std::uint16_t> key;
  };

  // At the top eight bins per factor of two; deeper an even division of the bit pattern, which any bracket of positive doubles survives.
  struct bin_map {
    std::uint64_t base = 0;
    int shift = 0;
    std::uint32_t count = 0;

    [[nodiscard]] std::uint32_t operator()(double ratio) const noexcept {
      const std::uint64_t bits = std::bit_cast<std::uint64_t>(ratio);
      const std::uint64_t step = bits > base ? (bits - base) >> shift : 0;
      return static_cast<std::uint32_t>(step < count - 1 ? step : count - 1);
    }
  };

  [[nodiscard]] static bin_map make_map(const piece& where, std::size_t depth, std::span<const ratio_token> heavy) noexcept {
    if (depth == 0) return {std::bit_cast<std::uint64_t>(0x1p-20), 49, 8 * 40 + 1};
    double low = where.light[0].ratio, high = low;
    auto widen = [&](double ratio) {
      low = ratio < low ? ratio : low;
      high = ratio > high ? ratio : high;
    };
    for (const ratio_token& token : where.light) widen(token.ratio);
    for (std::size_t i = where.first_heavy; i < where.last_heavy; ++i) widen(heavy[i].ratio);
    const std::uint64_t base = std::bit_cast<std::uint64_t>(low), range = std::bit_cast<std::uint64_t>(high) - base;
    const int width = static_cast<int>(std::bit_width(range));
    return {base, width > 6 ? width - 6 : 0, 64};
  }

  // Groups the light tokens by bin (a counting sort) and lists the bins that hold anything.
  void split(const piece& where, std::size_t depth) {
    level& here = levels_[depth];
    const bin_map map = make_map(where, depth, heavy_);
    const std::size_t n = where.light.size();
    here.start.assign(map.count + 1, 0);
    here.key.resize(n);
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint32_t key = map(where.light[i].ratio);
      here.key[i] = static_cast<std::uint16_t>(key);
      ++here.start[key + 1];
    }
    for (std::size_t k = 0; k < map.count; ++k) here.start[k + 1] += here.start[k];
    if (here.tokens.size() < n) here.tokens.resize(n);
    for (std::size_t i = 0; i < n; ++i) here.tokens[here.start[here.key[i]]++] = where.light[i];  // start[k] becomes the end of bin k
    const std::span<const ratio_token> light = here.tokens;

    here.bins.clear();
    std::size_t h = where.first_heavy;
    for (std::size_t k = 0; k < map.count; ++k) {
      const std::size_t first = k == 0 ? 0 : here.start[k - 1], last = here.start[k];
      bin one{.first = first, .count = last - first, .first_heavy = h};
      while (h < where.last_heavy && map(heavy_[h].ratio) == k) ++h;
      one.last_heavy = h;
      if (one.count == 0 && one.first_heavy == one.last_heavy) continue;
      one.low = one.high = one.count != 0 ? light[first].ratio : heavy_[one.first_heavy].ratio;
      one.add(light.subspan(first, one.count));
      one.light_q = one.q;
      one.add(heavy_.subspan(one.first_heavy, h - one.first_heavy));
      law_->measure(light.subspan(first, one.count), one.block);
      here.bins.push_back(one);
    }
    double outside = where.light_outside;
    for (std::size_t b = here.bins.size(); b-- > 0;) {
      here.bins[b].light_outside = outside;
      outside += here.bins[b].light_q;
    }
  }

  // Evaluates the prefixes that end at a bin, and notes what the bound needs.
  void sweep(const piece& where, prefix& best, std::size_t depth) {
    double target_mass = where.target_mass, inside = where.draft_mass;
    const std::vector<bin>& bins = levels_[depth].bins;
    double outside = bins[0].light_outside + bins[0].light_q + heavy_outside_[where.first_heavy];
    double escape = law_->escape(inside, outside);
    for (bin& one : levels_[depth].bins) {
      one.start = target_mass + escape;
      include(one, depth);
      target_mass += one.p;
      inside += one.q;
      outside = one.light_outside + heavy_outside_[one.last_heavy];
      const double after = law_->escape(inside, outside);
      one.growth = escape - after;
      escape = after;
      offer({target_mass + escape, escape, target_mass, outside, one.high}, best);
    }
  }

  // Searches the bins that may still hold something better, passing over the others in one step.
  void refine(const piece& where, prefix& best, std::size_t depth) {
    law_->restore(depth);
    double target_mass = where.target_mass, inside = where.draft_mass;
    typename Law::block pending{};
    std::size_t done = 0;  // bins that the law has seen
    for (std::size_t b = 0; b < levels_[depth].bins.size(); ++b) {
      const bin one = levels_[depth].bins[b];
      const bool may_win = one.low < one.high && stretch_bound(one.start, one.p, one.growth, one.q, one.low * slope_scale_,
                                                               one.high * slope_scale_) < best.value - scan_resolution;
      if (may_win) {
        if (done < b) {
          law_->include(pending);
          for (std::size_t h = levels_[depth].bins[done].first_heavy; h < one.first_heavy; ++h) include_heavy(h);
        }
        search({std::span(levels_[depth].tokens).subspan(one.first, one.count), one.first_heavy, one.last_heavy, target_mass, inside,
                one.light_outside},
               best, depth + 1);
        pending = {};
        done = b;
      }
      pending.merge(one.block);
      target_mass += one.p;
      inside += one.q;
    }
  }

  // Token by token, equal ratios together: inside a group of equal ratios P - Q is concave, so only its ends count.
  void search_leaf(const piece& where, prefix& best, std::size_t depth) {
    law_->save(depth);
    sort_by_ratio(where.light);
    double after[leaf_size + 1];
    after[where.light.size()] = where.light_outside;
    for (std::size_t i = where.light.size(); i-- > 0;) after[i] = after[i + 1] + where.light[i].q;
    double target_mass = where.target_mass, inside = where.draft_mass;
    std::size_t i = 0, h = where.first_heavy;
    while (i < where.light.size() || h < where.last_heavy) {
      const bool light_next = h == where.last_heavy || (i < where.light.size() && where.light[i].ratio <= heavy_[h].ratio);
      const double ratio = light_next ? where.light[i].ratio : heavy_[h].ratio;
      const std::size_t first = i;
      for (; i < where.light.size() && where.light[i].ratio == ratio; ++i) {
        target_mass += where.light[i].p;
        inside += where.light[i].q;
      }
      law_->include(std::span<const ratio_token>(where.light.subspan(first, i - first)));
      for (; h < where.last_heavy && heavy_[h].ratio == ratio; ++h) {
        target_mass += heavy_[h].p;
        inside += heavy_[h].q;
        include_heavy(h);
      }
      const double outside = after[i] + heavy_outside_[h];
      const double escape = law_->escape(inside, outside);
      offer({target_mass + escape, escape, target_mass, outside, ratio}, best);
    }
    law_->restore(depth);
  }

  void include(const bin& one, std::size_t depth) {
    if (one.count <= 8) law_->include(std::span<const ratio_token>(levels_[depth].tokens).subspan(one.first, one.count));
    else law_->include(one.block);
    for (std::size_t h = one.first_heavy; h < one.last_heavy; ++h) include_heavy(h);
  }

  void include_heavy(std::size_t h) { law_->include_heavy(heavy_[h], heavy_outside_[h + 1]); }

  static void offer(const prefix& candidate, prefix& best) noexcept {
    if (candidate.value < best.value - 0.1 * scan_resolution) best = candidate;  // a tie in exact numbers must not be decided by rounding
  }

  Law* law_ = nullptr;
  double slope_scale_ = 1.0;
  std::span<const ratio_token> heavy_;
  std::vector<double> heavy_outside_;  // suffix sums of the heavy masses
  std::vector<level> levels_;          // by depth; a child's tokens lie in its parent's level
};

}  // namespace gavel::speculative::detail
