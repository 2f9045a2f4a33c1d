// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/kernels/row.hpp>

#include <cstddef>
#include <limits>

/// @file
/// The normaliser of a row of logits: log sum_i exp(x_i / temperature), in one pass over memory.

GAVEL_VECTOR_CODE_BEGIN

namespace gavel::kernels {

/// What one pass over a row of logits finds. The weights exp((x_i - maximum) / temperature) sum to `sum`.
struct logits_summary {
  double maximum = -std::numeric_limits<double>::infinity();  ///< largest logit at or above the cutoff; NaN if any logit is NaN
  /// of the weights; 0 when every logit is -inf, NaN unless the maximum is finite
  double sum = 0.0;
  double log_normalizer = -std::numeric_limits<double>::infinity();  ///< log sum_i exp(x_i / temperature); inf beyond the doubles
};

inline namespace GAVEL_BASE_ISA {
namespace detail {

/// 1 / temperature, kept finite and positive in the row's type, with room for / ln 2: infinity would turn the maximum, zero a masked logit
/// into NaN.
template <stored_scalar S>
[[nodiscard]] constexpr double inverse_temperature_of(double temperature) noexcept {
  constexpr double least = static_cast<double>(std::numeric_limits<compute_type<S>>::denorm_min());
  constexpr double most = static_cast<double>((std::numeric_limits<compute_type<S>>::max)()) / 2;
  const double inverse = 1.0 / temperature;
  return inverse < least ? least : inverse > most ? most : inverse;
}

/// Largest logit and sum of exp((x - largest) / temperature) of one chunk: -inf and 0 without a weight. Tables of it are not cleared.
struct chunk_summary {
  double maximum;
  double sum;
};

/// The largest element of every lane of the blocks in [begin, end), NaN skipped.
template <class Isa, stored_scalar S>
GAVEL_ALWAYS_INLINE void max_lanes(typename Isa::template vec<compute_type<S>> (&largest)[Isa::vectors], const S* x, std::size_t begin,
                                   std::size_t end) {
  using T = compute_type<S>;
  using vec = typename Isa::template vec<T>;
  constexpr std::size_t lanes = Isa::template lanes<T>;
  constexpr T least = -std::numeric_limits<T>::infinity();
  const std::size_t whole = end - (end - begin) % block_size<T>;
  for (std::size_t j = 0; j < Isa::vectors; j += Isa::at_once) {
    vec part[Isa::at_once];
    for (vec& lane : part) fill(lane, least);
    for (std::size_t i = begin + j * lanes; i < whole; i += block_size<T>) {
#pragma GCC unroll 4
      for (std::size_t k = 0; k < Isa::at_once; ++k) {
        vec v;
        kernels::load<Isa>(v, x + i + k * lanes);
        part[k] = v > part[k] ? v : part[k];
      }
    }
    for (std::size_t k = 0; k < Isa::at_once; ++k) largest[j + k] = part[k];
  }
  for (std::size_t i = whole, j = 0; i < end; i += lanes, ++j) {
    vec v;
    kernels::load<Isa>(v, x + i, end - i, least);
    largest[j] = v > largest[j] ? v : largest[j];
  }
}

struct max_kernel {
  template <class Isa, stored_scalar S>
  static GAVEL_ALWAYS_INLINE compute_type<S> run(const S* x, std::size_t begin, std::size_t end) {
    typename Isa::template vec<compute_type<S>> largest[Isa::vectors];
    max_lanes<Isa>(largest, x, begin, end);
    return max_block<Isa, compute_type<S>>(largest);
  }
};

template <stored_scalar S>
[[nodiscard]] GAVEL_NOINLINE bool has_nan(const S* x, std::size_t begin, std::size_t end) {
  bool found = false;
  for (std::size_t i = begin; i < end; ++i) found |= widen(x[i]) != widen(x[i]);
  return found;
}

/// The summary of [begin, end) in a row of n; `visit` sees the weights as in `sum_range`. While they are taken, the walk also reads the same
/// places of the next chunk, if that is whole, for its largest logit: a row is read once and walked once.
/// @param peak in: the largest logit of this chunk, out: of the next, NaN while unknown
template <class Isa, stored_scalar S, class Visit = no_visit>
GAVEL_ALWAYS_INLINE chunk_summary summarize_chunk(const S* x, std::size_t n, std::size_t begin, std::size_t end, double inverse_temperature,
                                                  double cutoff, compute_type<S>& peak, const Visit& visit = {}) {
  using T = compute_type<S>;
  using vec = typename Isa::template vec<T>;
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const T largest = peak == peak ? peak : Isa::template call<max_kernel>(x, begin, end);
  peak = std::numeric_limits<T>::quiet_NaN();
  chunk_summary result{static_cast<double>(largest), 0.0};
  if (result.maximum == -infinity || result.maximum < cutoff) {  // no weight here, but NaN must not hide
    result.maximum = -infinity;
    if (has_nan(x, begin, end)) result.maximum = result.sum = std::numeric_limits<double>::quiet_NaN();
    return result;
  }
  const bool whole = n - end >= end - begin;
  const S* const next = whole ? x + (end - begin) : x;  // else this chunk again, for nothing
  vec peaks[Isa::at_once];
  for (vec& v : peaks) fill(v, -std::numeric_limits<T>::infinity());
  const auto look_ahead = [&](const vec& weights, std::size_t k, std::size_t i, std::size_t count) __attribute__((always_inline)) {
    if (count == Isa::template lanes<T>) {
      vec v;
      kernels::load<Isa>(v, next + i);
      peaks[k] = v > peaks[k] ? v : peaks[k];
    }
    visit(weights, k, i, count);
  };
  if (cutoff == -infinity) {
    result.sum = sum_range<Isa>(logits_row<S, false>{x, largest, static_cast<T>(inverse_temperature), T{1}}, begin, end, look_ahead);
  } else {
    result.sum = sum_range<Isa>(logits_row<S>{x, largest, static_cast<T>(inverse_temperature), T{1}, static_cast<T>(cutoff)}, begin, end,
                                look_ahead);
  }
  if (whole) {
    for (const vec& v : peaks) peaks[0] = v > peaks[0] ? v : peaks[0];
    peak = max_lane<Isa, T>(peaks[0]);
  }
  // NaN and +inf both make the sum NaN; NaN passes into the maximum, +inf without it stays there.
  if (result.sum != result.sum && (result.maximum != infinity || has_nan(x, begin, end))) result.maximum = result.sum;
  return result;
}

/// Joins chunk summaries into that of the row; @p scales receives exp((chunk maximum - maximum) / temperature).
template <class Isa>
GAVEL_ALWAYS_INLINE logits_summary join(const chunk_summary* chunks, std::size_t count, double inverse_temperature, double* scales) {
  logits_summary row;
  for (std::size_t c = 0; c < count; ++c) {
    if (chunks[c].maximum != chunks[c].maximum) row.maximum = chunks[c].maximum;
    if (chunks[c].maximum > row.maximum) row.maximum = chunks[c].maximum;
  }
  if (row.maximum - row.maximum != 0.0) {
    if (!(row.maximum < 0.0)) {
      row.sum = std::numeric_limits<double>::quiet_NaN();
      row.log_normalizer = row.maximum;
    }
    return row;
  }
  for (std::size_t c = 0; c < count; ++c) {
    const double gap = (chunks[c].maximum - row.maximum) * inverse_temperature;
    scales[c] = gap < -1e4 ? -1e4 : gap;
  }
  for (std::size_t c = 0; c < count; c += Isa::template lanes<double>) {
    typename Isa::template vec<double> v;
    kernels::load<Isa>(v, scales + c, count - c, 0.0);
    exp_in_place<Isa>(v);
    store(scales + c, v);
  }
  for (std::size_t c = 0; c < count; ++c) {
    double part = chunks[c].sum * scales[c];
    rounded(part);
    row.sum += part;
  }
  double shift = row.maximum * inverse_temperature;
  rounded(shift);
  row.log_normalizer = shift + log_of<Isa>(row.sum);
  return row;
}

/// The summary of a row and, for u >= 0, an index drawn from its softmax: one kernel, so that programs which need both carry one.
struct logits_draw {
  logits_summary row;
  std::size_t index = not_found;
};

struct summarize_kernel {
  template <class Isa, stored_scalar S>
  static GAVEL_ALWAYS_INLINE logits_draw run(const S* x, std::size_t n, double inverse_temperature, double cutoff, double u) {
    using T = compute_type<S>;
    const std::size_t size = chunk_size<T>(n);
    chunk_summary chunks[max_chunks];
    double scales[max_chunks];
    std::size_t count = 0;
    T peak = std::numeric_limits<T>::quiet_NaN();
    for (std::size_t begin = 0; begin < n; begin += size) {
      chunks[count++] = summarize_chunk<Isa>(x, n, begin, n - begin < size ? n : begin + size, inverse_temperature, cutoff, peak);
    }
    logits_draw draw{join<Isa>(chunks, count, inverse_temperature, scales)};
    if (!(u >= 0.0) || !(draw.row.sum > 0.0)) return draw;
    double left = u * draw.row.sum;
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
    draw.index = locate<Isa>(weights, begin, n - begin < size ? n : begin + size, target / scales[chosen]);
    return draw;
  }
};

inline constexpr double no_draw = -1.0;

}  // namespace detail

/// One pass over a row of logits: its largest element, the sum of exp((x_i - max) / temperature) and the log-normaliser.
/// @param logits      [n]; finite or -inf (a masked token). NaN or +inf anywhere gives a `log_normalizer` that is not finite. A logit
///                    further below the maximum than the row's type can say counts as -inf.
/// @param temperature > 0; float and 16-bit rows take one outside [6e-39, 7e44], double rows one below 2e-308, for the nearest inside
/// @param cutoff      a number of the row's type: logits below it count as -inf (see `truncation_cutoff`)
/// @note No allocation, 12 KiB of stack. Time: two walks over each cache-resident chunk, one read of memory.
template <stored_scalar S>
[[nodiscard]] logits_summary summarize(const S* logits, std::size_t n, double temperature = 1.0,
                                       double cutoff = -std::numeric_limits<double>::infinity()) {
  return dispatch<detail::summarize_kernel>(logits, n, detail::inverse_temperature_of<S>(temperature), cutoff, detail::no_draw).row;
}

/// log sum_i exp(x_i / temperature), without overflow.
/// @param logits      [n]; finite or -inf
/// @param temperature > 0 (see `summarize` for its effective range)
/// @return -inf for an empty row or one of -inf only; NaN if any element is NaN, else +inf if any is +inf
/// @note One read of the row, no allocation.
template <stored_scalar S>
[[nodiscard]] double log_sum_exp(const S* logits, std::size_t n, double temperature = 1.0) {
  return summarize(logits, n, temperature).log_normalizer;
}

namespace detail {
/// log sum_i exp((x_i - maximum) / temperature): what a log-probability needs beside the distance to the maximum. Both stay small where the
/// logits are large, so nothing cancels. NaN for a row without a distribution.
[[nodiscard]] inline double log_sum(const logits_summary& summary) {
  return summary.sum > 0.0 ? kernels::log(summary.sum) : std::numeric_limits<double>::quiet_NaN();
}
}  // namespace detail

/// The softmax of a summarised row, as a row of weights that other kernels read without writing it.
/// @param logits      [n] of @p summary; borrowed
/// @param summary     from `summarize` with the same temperature and cutoff
template <stored_scalar S>
[[nodiscard]] logits_row<S> softmax_row(const S* logits, const logits_summary& summary, double temperature = 1.0,
                                        double cutoff = -std::numeric_limits<double>::infinity()) {
  using T = compute_type<S>;
  return {logits, static_cast<T>(summary.maximum), static_cast<T>(detail::inverse_temperature_of<S>(temperature)),
          static_cast<T>(1.0 / summary.sum), static_cast<T>(cutoff)};
}

#if defined(GAVEL_INSTANCE)
#define GAVEL_INSTANCES(S) GAVEL_INSTANCE logits_summary summarize(const S*, std::size_t, double, double);
GAVEL_FOR_EACH_STORAGE(GAVEL_INSTANCES)
#undef GAVEL_INSTANCES
#endif

}  // namespace GAVEL_BASE_ISA
}  // namespace gavel::kernels

GAVEL_VECTOR_CODE_END
