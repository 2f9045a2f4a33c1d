// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/numerics.hpp>
#include <gavel/kernels/simd.hpp>
#include <gavel/speculative/detail/prefix_scan.hpp>
#include <gavel/speculative/detail/rows.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>  // memcpy
#include <limits>
#include <span>
#include <vector>

/// @file
/// The masses of p and q by bins of p/q in one streaming pass, and the exact best prefix for independent drafts from them.

GAVEL_VECTOR_CODE_BEGIN

namespace gavel::speculative::detail {
inline namespace GAVEL_BASE_ISA {

/// Bins of a ratio: the upper bits of its float pattern between two limits. Everything below `low` shares bin 0; everything from `high` on,
/// and every token with q = 0, shares the last bin.
struct ratio_bins {
  static constexpr int shift = 18;  // 5 fraction bits: 32 bins per factor of two
  std::int32_t low = 0;             // patterns, multiples of 2^shift
  std::int32_t high = 0;

  [[nodiscard]] std::size_t count() const noexcept { return static_cast<std::size_t>((high - low) >> shift) + 1; }
};

/// keys[i] = bin of p[i] / q[i] for i < n, n <= max_count; may write up to index `padded`.
struct ratio_keys {
  static constexpr std::size_t max_count = 512;
  static constexpr std::size_t padded = max_count + 16;

  template <class Isa, class T>
  static GAVEL_ALWAYS_INLINE void run(const T* p, const T* q, std::size_t n, const ratio_bins& bins, std::int32_t* keys) {
    constexpr std::size_t step = Isa::template lanes<T>;
    using pattern = typename kernels::vector_of<std::int32_t, static_cast<int>(step * sizeof(std::int32_t))>::type;
    pattern low;  // outside the loop: `keys` might alias `bins` for all the compiler knows
    pattern high;
    kernels::fill(low, bins.low);
    kernels::fill(high, bins.high);
    typename Isa::template vec<T> a;
    typename Isa::template vec<T> b;
    std::size_t i = 0;
    for (; i + step <= n; i += step) {
      kernels::load<Isa>(a, p + i);
      kernels::load<Isa>(b, q + i);
      bin_of<Isa, T>(a, b, low, high, keys + i);
    }
    if (i == n) return;
    kernels::load<Isa>(a, p + i, n - i, T(0));
    kernels::load<Isa>(b, q + i, n - i, T(0));
    bin_of<Isa, T>(a, b, low, high, keys + i);
  }

 private:
  template <class Isa, class T, class Pattern>
  static GAVEL_ALWAYS_INLINE void bin_of(const typename Isa::template vec<T>& p, const typename Isa::template vec<T>& q, const Pattern& low,
                                         const Pattern& high, std::int32_t* keys) {
    using real = typename Isa::template vec<T>;
    using narrow = typename kernels::vector_of<float, static_cast<int>(Isa::template lanes<T> * sizeof(float))>::type;
    real never;
    kernels::fill(never, std::numeric_limits<T>::infinity());
    const real quotient = p / q;
    const real ratio = q > T(0) ? quotient : never;  // 0/0 must not become a NaN with a sign of its own
    const Pattern bits = __builtin_bit_cast(Pattern, __builtin_convertvector(ratio, narrow));
    const Pattern raised = bits > low ? bits : low;  // signed: -0 and negative ratios go to bin 0
    const Pattern clamped = raised < high ? raised : high;
    kernels::store(keys, (clamped - low) >> ratio_bins::shift);
  }
};

}  // namespace GAVEL_BASE_ISA
}  // namespace gavel::speculative::detail

namespace gavel::speculative::detail {

/// Q(H) = q(H)^n, as `prefix_scan` wants it.
class independent_draws {
 public:
  struct block {
    void merge(const block&) noexcept {}
  };
  void prepare(std::size_t n) noexcept { n_ = n; }
  void measure(std::span<const ratio_token>, block&) const noexcept {}
  void include(std::span<const ratio_token>) const noexcept {}
  void include(const block&) const noexcept {}
  void include_heavy(const ratio_token&, double) const noexcept {}
  [[nodiscard]] double escape(double inside, double outside) const noexcept {
    return outside > 0.0 ? 1.0 - integer_power(inside < 1.0 ? inside : 1.0, n_) : 0.0;
  }
  void save(std::size_t) const noexcept {}
  void restore(std::size_t) const noexcept {}

 private:
  std::size_t n_ = 1;
};

/// The best prefix for independent drafts.
class ratio_histogram {
 public:
  /// @param p,q rows of equal length, checked
  /// @param p_sum,q_sum their sums (p_sum: of the whole target row, if p is a part of it)
  /// @note Two streaming passes (the second one only if some bin might hold a better prefix than the bin ends) and a sort of the tokens of
  ///       those bins. No allocation once the largest problem has been seen.
  template <class T>
  [[nodiscard]] prefix search(std::span<const T> p, std::span<const T> q, double p_sum, double q_sum, std::size_t n) {
    independent_draws law;
    law.prepare(n);
    // Adding a token of ratio r > n to H changes P - q(H)^n by more than (n - n) q = 0, so the minimum needs none of them. The margin
    // covers row sums that are off by their tolerance.
    const float most = static_cast<float>(n < (std::size_t{1} << 60) ? static_cast<double>(n) * 1.1 : 0x1p60);
    bins_ = {least_pattern, (std::bit_cast<std::int32_t>(most) | 0x3ffff) + 1};
    fill(p, q, p_sum, q_sum);
    prefix best;
    sweep(law, best);
    if (list_candidates(q_sum / p_sum, best) == 0) return best;
    gather(p, q, p_sum, q_sum);
    scan_.begin(law, q_sum / p_sum, {});
    for (const candidate& one : candidates_) {
      scan_.search({std::span(tokens_).subspan(one.first, one.count), 0, 0, one.target_mass, one.draft_mass, one.outside}, best, 1);
    }
    return best;
  }

 private:
  static constexpr std::int32_t least_pattern = std::bit_cast<std::int32_t>(0x1p-24f);
  static constexpr std::size_t copies = 4;  // neighbouring tokens often share a bin: separate copies keep their additions independent
  static constexpr std::size_t run_size = 16384;
  typedef double pair __attribute__((vector_size(16)));

  struct bin {
    double p = 0.0, q = 0.0;
    double target_mass = 0.0, draft_mass = 0.0, outside = 0.0;  // before the bin; `outside`: beyond it
    double value = 0.0, growth = 0.0;                           // before the bin; Q gained by it
  };
  struct candidate {
    std::size_t bin = 0;
    std::size_t first = 0, count = 0;
    double target_mass = 0.0, draft_mass = 0.0, outside = 0.0;
  };

  template <class T, class Visit>
  void for_each_key(std::span<const T> p, std::span<const T> q, Visit&& visit) const {
    std::int32_t keys[ratio_keys::padded];
    std::int32_t* const first_key = keys;
    for (std::size_t start = 0; start < p.size(); start += ratio_keys::max_count) {
      const std::size_t left = p.size() - start;
      const std::size_t count = left < ratio_keys::max_count ? left : ratio_keys::max_count;
      kernels::dispatch<ratio_keys>(p.data() + start, q.data() + start, count, bins_, first_key);
      visit(start, count, first_key);
    }
  }

  // In runs of tokens, each summed on its own: the rounding errors of many equal additions do not add up.
  template <class T>
  void fill(std::span<const T> p, std::span<const T> q, double p_sum, double q_sum) {
    table_.assign(bins_.count(), bin{});
    for (std::size_t start = 0; start < p.size(); start += run_size) {
      const std::size_t count = p.size() - start < run_size ? p.size() - start : run_size;
      fill_run(p.subspan(start, count), q.subspan(start, count));
      for (std::size_t b = 0; b < table_.size(); ++b) {
        bin& one = table_[b];
        const double* const at = sums_.data() + 2 * b;
        const std::size_t step = 2 * table_.size();
        one.p += (at[0] + at[step]) + (at[2 * step] + at[3 * step]);
        one.q += (at[1] + at[step + 1]) + (at[2 * step + 1] + at[3 * step + 1]);
      }
    }
    for (bin& one : table_) {
      one.p /= p_sum;
      one.q /= q_sum;
    }
  }

  template <class T>
  void fill_run(std::span<const T> p, std::span<const T> q) {
    const std::size_t count = bins_.count();
    sums_.assign(2 * copies * count, 0.0);
    double* const sums = sums_.data();
    for_each_key(p, q, [&](std::size_t start, std::size_t n, const std::int32_t* keys) {
      const T* const some_p = p.data() + start;
      const T* const some_q = q.data() + start;
      auto add = [&](std::size_t i, std::size_t copy) {
        double* const at = sums + 2 * (copy * count + static_cast<std::size_t>(keys[i]));
        pair sum;
        std::memcpy(&sum, at, sizeof sum);
        sum += pair{real(some_p[i]), real(some_q[i])};
        std::memcpy(at, &sum, sizeof sum);
      };
      std::size_t i = 0;
      for (; i + copies <= n; i += copies) {
        for (std::size_t c = 0; c < copies; ++c) add(i + c, c);
      }
      for (; i < n; ++i) add(i, 0);
    });
  }

  // Largest double below every ratio that rounds to the float of bin @p b + 1 or above; exactly half way rounds to its even pattern.
  [[nodiscard]] double upper_edge(std::size_t b) const noexcept {
    const std::int32_t next = bins_.low + static_cast<std::int32_t>((b + 1) << ratio_bins::shift);
    const double above = real(std::bit_cast<float>(next)), below = real(std::bit_cast<float>(next - 1));
    return std::bit_cast<double>(std::bit_cast<std::int64_t>(0.5 * (above + below)) - 1);
  }

  void sweep(const independent_draws& law, prefix& best) {
    const std::size_t count = bins_.count();
    for (std::size_t b = count - 1; b-- > 0;) table_[b].outside = table_[b + 1].outside + table_[b + 1].q;
    double target_mass = 0.0, draft_mass = 0.0, escape = 1.0;
    for (std::size_t b = 0; b + 1 < count; ++b) {  // the last bin is never in H
      bin& one = table_[b];
      one.target_mass = target_mass;
      one.draft_mass = draft_mass;
      one.value = target_mass + escape;
      if (one.q == 0.0) continue;
      target_mass += one.p;
      draft_mass += one.q;
      const double after = law.escape(draft_mass, one.outside);
      one.growth = escape - after;
      escape = after;
      if (target_mass + escape < best.value - 0.1 * scan_resolution) {
        best = {target_mass + escape, escape, target_mass, one.outside, upper_edge(b)};
      }
    }
  }

  std::size_t list_candidates(double slope_scale, const prefix& best) {
    candidates_.clear();
    slots_.assign(bins_.count(), 0);
    for (std::size_t b = 0; b + 1 < bins_.count(); ++b) {
      const bin& one = table_[b];
      if (one.q == 0.0) continue;
      const double low = b == 0 ? 0.0 : upper_edge(b - 1);
      if (!(stretch_bound(one.value, one.p, one.growth, one.q, low * slope_scale, upper_edge(b) * slope_scale) <
            best.value - scan_resolution)) {
        continue;
      }
      candidates_.push_back({b, 0, 0, one.target_mass, one.draft_mass, one.outside});
      slots_[b] = static_cast<std::uint32_t>(candidates_.size());  // 0: not a candidate
    }
    return candidates_.size();
  }

  // Collects the tokens of the candidate bins, bin after bin.
  template <class T>
  void gather(std::span<const T> p, std::span<const T> q, double p_sum, double q_sum) {
    found_.clear();
    for_each_key(p, q, [&](std::size_t start, std::size_t n, const std::int32_t* keys) {
      for (std::size_t i = 0; i < n; ++i) {
        const std::uint32_t slot = slots_[static_cast<std::size_t>(keys[i])];
        if (slot == 0) continue;
        found_.push_back({start + i, slot - 1});
        ++candidates_[slot - 1].count;
      }
    });
    std::size_t first = 0;
    for (candidate& one : candidates_) {
      one.first = first;
      first += one.count;
      one.count = 0;
    }
    tokens_.resize(found_.size());
    for (const auto& [index, which] : found_) {
      candidate& one = candidates_[which];
      const double a = real(p[index]), b = real(q[index]);
      tokens_[one.first + one.count++] = {a / b, a / p_sum, b / q_sum};
    }
  }

  struct located {
    std::size_t index;
    std::uint32_t which;
  };

  ratio_bins bins_;
  std::vector<double> sums_;  // [copies][bins] pairs of masses
  std::vector<bin> table_;
  std::vector<candidate> candidates_;
  std::vector<std::uint32_t> slots_;
  std::vector<located> found_;
  std::vector<ratio_token> tokens_;
  prefix_scan<independent_draws> scan_;
};

}  // namespace gavel::speculative::detail

GAVEL_VECTOR_CODE_END
