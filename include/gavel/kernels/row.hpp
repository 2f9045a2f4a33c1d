// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/kernels/elementary.hpp>

#include <cstddef>
#include <limits>

/// @file
/// Rows of weights as the kernels read them, without ever writing them: probabilities as they lie in memory, the softmax of a row of
/// logits, the residual of two rows. A row is a small value with `load<Isa>(vector, index, count)`, which gives the first `count` weights from
/// an index on; summing and sampling are written once, here, for all of them.
///
/// A row is cut into chunks that fit the first-level cache. Inside a chunk lanes add in their own type (at most 32 additions each in rows
/// of up to 16,384 blocks, growing with the row beyond), chunks add in double, in index order.

GAVEL_VECTOR_CODE_BEGIN

namespace gavel::kernels {

/// Returned by the samplers when no weight is positive.
inline constexpr std::size_t not_found = static_cast<std::size_t>(-1);

/// What one pass over a row tells a sampler: the drawn index and the sum of the weights.
struct row_draw {
  std::size_t index = not_found;
  double total = 0.0;
};

inline namespace GAVEL_BASE_ISA {

namespace detail {
/// A row that takes no exponentials says `plain = true`: then the walk waits for memory alone.
template <class Row>
inline constexpr bool is_plain = [] {
  if constexpr (requires { Row::plain; }) return Row::plain;
  return false;
}();
}  // namespace detail

/// Weights as they lie in memory.
template <stored_scalar T>
struct weights_row {
  using compute = compute_type<T>;
  static constexpr bool plain = true;
  const T* data = nullptr;

  template <class Isa>
  GAVEL_ALWAYS_INLINE void load(typename Isa::template vec<compute>& v, std::size_t i, std::size_t count) const {
    kernels::load<Isa>(v, data + i, count, compute{0});
  }
};

/// scale * exp((x - shift) * inverse_temperature) for the logits x. With shift the largest logit and scale the inverse of the sum this is
/// the softmax. A truncated row is 0 for logits below the cutoff.
template <stored_scalar T, bool Truncated = true>
struct logits_row {
  using compute = compute_type<T>;
  const T* data = nullptr;
  compute shift = 0;
  compute inverse_temperature = 1;
  compute scale = 1;
  compute cutoff = -std::numeric_limits<compute>::infinity();

  template <class Isa>
  GAVEL_ALWAYS_INLINE void load(typename Isa::template vec<compute>& v, std::size_t i, std::size_t count) const {
    using vec = typename Isa::template vec<compute>;
    kernels::load<Isa>(v, data + i, count, -std::numeric_limits<compute>::infinity());
    vec x = v - shift;
    exp_of_product<Isa>(x, inverse_temperature);
    x *= scale;
    rounded(x);
    if constexpr (Truncated) {
      v = v < cutoff ? vec{} : x;
    } else {
      v = x;
    }
  }
};

/// max(p - q_scale * q, floor * p): what is left of the target p when the drafts have covered q_scale * q. floor = 0 gives the positive
/// part. Both rows are computed in the type of P.
template <class P, class Q>
struct residual_row {
  using compute = typename P::compute;
  static_assert(sizeof(compute) == sizeof(typename Q::compute), "gavel: both rows of a residual must compute in the same type");
  static constexpr bool plain = detail::is_plain<P> && detail::is_plain<Q>;
  P p;
  Q q;
  compute q_scale = 1;
  compute floor = 0;

  template <class Isa>
  GAVEL_ALWAYS_INLINE void load(typename Isa::template vec<compute>& v, std::size_t i, std::size_t count) const {
    using vec = typename Isa::template vec<compute>;
    vec q_values;
    p.template load<Isa>(v, i, count);
    q.template load<Isa>(q_values, i, count);
    vec minus_scale;
    fill(minus_scale, -q_scale);
    vec left;
    Isa::fma(left, minus_scale, q_values, v);
    vec least = v * floor;
    rounded(least);
    v = left > least ? left : least;
  }
};

/// min(p, q_scale * q).
template <class P, class Q>
struct overlap_row {
  using compute = typename P::compute;
  static_assert(sizeof(compute) == sizeof(typename Q::compute), "gavel: both rows of an overlap must compute in the same type");
  static constexpr bool plain = detail::is_plain<P> && detail::is_plain<Q>;
  P p;
  Q q;
  compute q_scale = 1;

  template <class Isa>
  GAVEL_ALWAYS_INLINE void load(typename Isa::template vec<compute>& v, std::size_t i, std::size_t count) const {
    typename Isa::template vec<compute> scaled;
    p.template load<Isa>(v, i, count);
    q.template load<Isa>(scaled, i, count);
    scaled *= q_scale;
    rounded(scaled);
    v = v < scaled ? v : scaled;
  }
};

namespace detail {

/// Elements per chunk for a row of n: 32 blocks, or more where a row would have more than `max_chunks` of them.
inline constexpr std::size_t max_chunks = 512;
template <class T>
[[nodiscard]] constexpr std::size_t chunk_size(std::size_t n) noexcept {
  const std::size_t blocks = (n + block_size<T> - 1) / block_size<T>;
  const std::size_t blocks_per_chunk = blocks <= 32 * max_chunks ? 32 : (blocks + max_chunks - 1) / max_chunks;
  return blocks_per_chunk * block_size<T>;
}

/// Writes the weights [i, i + count) of a row, zero beyond, to a block.
struct block_kernel {
  template <class Isa, class Row>
  static GAVEL_ALWAYS_INLINE int run(const Row& row, std::size_t i, std::size_t count, typename Row::compute* block) {
    using vec = typename Isa::template vec<typename Row::compute>;
    constexpr std::size_t lanes = Isa::template lanes<typename Row::compute>;
    for (std::size_t offset = 0; offset < block_size<typename Row::compute>; offset += lanes) {
      vec v = {};
      if (offset < count) row.template load<Isa>(v, i + offset, count - offset);
      store(block + offset, v);
    }
    return 0;
  }
};

struct no_visit {
  template <class V>
  GAVEL_ALWAYS_INLINE void operator()(const V&, std::size_t, std::size_t, std::size_t) const {}
};

/// The sum of the weights [begin, end): a walk over the cached chunk for every few vectors of a block, whose sums stay in registers. Each
/// vector of weights is also handed to `visit(v, k, i, count)`: it is number k of those taken together, its first `count` lanes stand at i.
template <class Isa, class Row, class Visit = no_visit>
GAVEL_ALWAYS_INLINE double sum_range(const Row& row, std::size_t begin, std::size_t end, const Visit& visit = {}) {
  using T = typename Row::compute;
  using vec = typename Isa::template vec<T>;
  constexpr std::size_t lanes = Isa::template lanes<T>;
  constexpr std::size_t at_once = is_plain<Row> ? (Isa::vectors < 8 ? Isa::vectors : 8) : Isa::at_once;
  const std::size_t whole = end - (end - begin) % block_size<T>;
  vec sums[Isa::vectors];
  for (std::size_t j = 0; j < Isa::vectors; j += at_once) {
    vec part[at_once];
    for (vec& sum : part) sum = vec{};
    for (std::size_t i = begin + j * lanes; i < whole; i += block_size<T>) {
#pragma GCC unroll 8
      for (std::size_t k = 0; k < at_once; ++k) {
        vec v;
        row.template load<Isa>(v, i + k * lanes, lanes);
        part[k] += v;
        visit(v, k, i + k * lanes, lanes);
      }
    }
    for (std::size_t k = 0; k < at_once; ++k) sums[j + k] = part[k];
  }
  if (whole < end) {
    T rest[block_size<T>];
    (void)Isa::template call<block_kernel>(row, whole, end - whole, static_cast<T*>(rest));
    for (std::size_t j = 0; j < Isa::vectors; ++j) {
      vec v;
      kernels::load<Isa>(v, rest + j * lanes);
      sums[j] += v;
      const std::size_t i = whole + j * lanes;
      if (i < end) visit(v, j % at_once, i, end - i < lanes ? end - i : lanes);
    }
  }
  return sum_block<Isa, T>(sums);
}

/// The index in [begin, end) where the cumulative weight first exceeds @p target; rounding at the end gives the last positive weight;
/// `not_found` if there is none.
template <class Isa, class Row>
GAVEL_ALWAYS_INLINE std::size_t locate(const Row& row, std::size_t begin, std::size_t end, double target) {
  using T = typename Row::compute;
  std::size_t last_positive = not_found;
  for (std::size_t i = begin; i < end; i += block_size<T>) {
    const std::size_t count = end - i < block_size<T> ? end - i : block_size<T>;
    T values[block_size<T>];
    (void)Isa::template call<block_kernel>(row, i, count, static_cast<T*>(values));
    typename Isa::template vec<T> block[Isa::vectors];
    std::memcpy(block, values, sizeof block);
    const double sum = sum_block<Isa, T>(block);
    if (sum > 0.0) {
      if (target < sum) {
        double cumulative = 0.0;
        for (std::size_t k = 0; k < count; ++k) {
          if (values[k] > T{0}) {
            last_positive = i + k;
            cumulative += static_cast<double>(values[k]);
            if (target < cumulative) return last_positive;
          }
        }
        return last_positive;
      }
      for (std::size_t k = count; k-- > 0;) {
        if (values[k] > T{0}) {
          last_positive = i + k;
          break;
        }
      }
    }
    target -= sum;
  }
  return last_positive;
}

struct row_sum_kernel {
  template <class Isa, class Row>
  static GAVEL_ALWAYS_INLINE double run(const Row& row, std::size_t n) {
    const std::size_t size = chunk_size<typename Row::compute>(n);
    double total = 0.0;
    for (std::size_t begin = 0; begin < n; begin += size) total += sum_range<Isa>(row, begin, n - begin < size ? n : begin + size);
    return total;
  }
};

struct row_sample_kernel {
  template <class Isa, class Row>
  static GAVEL_ALWAYS_INLINE row_draw run(const Row& row, std::size_t n, double u) {
    const std::size_t size = chunk_size<typename Row::compute>(n);
    double sums[max_chunks];
    row_draw draw;
    std::size_t chunks = 0;
    for (std::size_t begin = 0; begin < n; begin += size, ++chunks) {
      sums[chunks] = sum_range<Isa>(row, begin, n - begin < size ? n : begin + size);
      draw.total += sums[chunks];
    }
    if (!(draw.total > 0.0)) return draw;
    double left = u * draw.total;
    rounded(left);
    double target = 0.0;
    std::size_t chosen = 0;  // the chunk that holds the target, else (rounding) the last one with weight
    for (std::size_t c = 0; c < chunks; ++c) {
      if (sums[c] > 0.0) {
        chosen = c;
        target = left;
        if (left < sums[c]) break;
      }
      left -= sums[c];
    }
    const std::size_t begin = chosen * size;
    draw.index = locate<Isa>(row, begin, n - begin < size ? n : begin + size, target);
    return draw;
  }
};

}  // namespace detail

/// The sum of a row of @p n weights: one pass, nothing written or allocated. n = 0 gives 0, NaN or infinity among them shows in the sum.
template <class Row>
[[nodiscard]] double row_sum(const Row& row, std::size_t n) {
  return dispatch<detail::row_sum_kernel>(row, n);
}

/// Draws an index with probability proportional to the row's weights from one uniform @p u in [0, 1), by inverse CDF in index order.
/// @param row finite weights >= 0, the total finite in the row's type
/// @return the index and the total; `not_found` when no weight is positive or one is NaN
/// @note One pass over the row and a second look at one chunk. No allocation, 4 KiB of stack.
template <class Row>
[[nodiscard]] row_draw row_sample(const Row& row, std::size_t n, double u) {
  return dispatch<detail::row_sample_kernel>(row, n, u);
}

#if defined(GAVEL_INSTANCE)
#define GAVEL_INSTANCES(S)                                                                                      \
  GAVEL_INSTANCE double row_sum(const weights_row<S>&, std::size_t);                                            \
  GAVEL_INSTANCE row_draw row_sample(const weights_row<S>&, std::size_t, double);                               \
  GAVEL_INSTANCE double row_sum(const logits_row<S>&, std::size_t);                                             \
  GAVEL_INSTANCE row_draw row_sample(const logits_row<S>&, std::size_t, double);                                \
  GAVEL_INSTANCE double row_sum(const residual_row<weights_row<S>, weights_row<S>>&, std::size_t);              \
  GAVEL_INSTANCE row_draw row_sample(const residual_row<weights_row<S>, weights_row<S>>&, std::size_t, double); \
  GAVEL_INSTANCE double row_sum(const residual_row<logits_row<S>, logits_row<S>>&, std::size_t);                \
  GAVEL_INSTANCE row_draw row_sample(const residual_row<logits_row<S>, logits_row<S>>&, std::size_t, double);   \
  GAVEL_INSTANCE double row_sum(const residual_row<logits_row<S>, weights_row<S>>&, std::size_t);               \
  GAVEL_INSTANCE row_draw row_sample(const residual_row<logits_row<S>, weights_row<S>>&, std::size_t, double);  \
  GAVEL_INSTANCE double row_sum(const overlap_row<weights_row<S>, weights_row<S>>&, std::size_t);               \
  GAVEL_INSTANCE double row_sum(const overlap_row<logits_row<S>, logits_row<S>>&, std::size_t);
GAVEL_FOR_EACH_STORAGE(GAVEL_INSTANCES)
#undef GAVEL_INSTANCES
#endif

}  // namespace GAVEL_BASE_ISA
}  // namespace gavel::kernels

GAVEL_VECTOR_CODE_END
