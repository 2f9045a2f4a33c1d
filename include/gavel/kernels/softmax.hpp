// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/kernels/log_sum_exp.hpp>

#include <cstddef>
#include <limits>

/// @file
/// softmax and log-softmax of a row of logits with temperature, in place or into another row.

GAVEL_VECTOR_CODE_BEGIN

namespace gavel::kernels {
inline namespace GAVEL_BASE_ISA {
namespace detail {

/// Writes the first @p count lanes, converted to the output's type.
template <class T, class V, real_scalar Out>
GAVEL_ALWAYS_INLINE void write_vector(Out* out, const V& v, std::size_t count) {
  constexpr std::size_t lanes = sizeof(V) / sizeof(T);
  if (sizeof(Out) == sizeof(T) && count == lanes) {
    store(out, v);
    return;
  }
  T values[lanes];
  store(values, v);
  for (std::size_t k = 0; k < count; ++k) out[k] = static_cast<Out>(values[k]);
}

/// Writes a row of weights.
struct write_row_kernel {
  template <class Isa, class Row, real_scalar Out>
  static GAVEL_ALWAYS_INLINE int run(const Row& row, std::size_t n, Out* out) {
    using T = typename Row::compute;
    constexpr std::size_t lanes = Isa::template lanes<T>;
    std::size_t i = 0;
    for (; i < n; i += lanes) {
      const std::size_t left = n - i < lanes ? n - i : lanes;
      typename Isa::template vec<T> v;
      row.template load<Isa>(v, i, left);
      write_vector<T>(out + i, v, left);
    }
    return 0;
  }
};

/// Takes every exponential once: a chunk is written relative to its own maximum while it is summed; when the whole row is known, a second
/// walk scales each chunk. A chunk is read before it is written, so the row may be overwritten in place.
struct softmax_kernel {
  template <class Isa, stored_scalar S, real_scalar Out>
  static GAVEL_ALWAYS_INLINE int run(const S* x, std::size_t n, Out* out, double inverse_temperature) {
    using T = compute_type<S>;
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const std::size_t size = chunk_size<T>(n);
    chunk_summary chunks[max_chunks];
    double scales[max_chunks];
    std::size_t count = 0;
    T peak = std::numeric_limits<T>::quiet_NaN();
    for (std::size_t begin = 0; begin < n; begin += size, ++count) {
      const std::size_t end = n - begin < size ? n : begin + size;
      const auto write = [&](const typename Isa::template vec<T>& v, std::size_t, std::size_t i, std::size_t left)
                             __attribute__((always_inline)) { write_vector<T>(out + i, v, left); };
      chunks[count] = summarize_chunk<Isa>(x, n, begin, end, inverse_temperature, -infinity, peak, write);
      if (!(chunks[count].sum > 0.0)) {  // all masked, or NaN: perhaps nothing was written
        for (std::size_t i = begin; i < end; ++i) out[i] = Out{0};
      }
    }
    const logits_summary row = join<Isa>(chunks, count, inverse_temperature, scales);
    for (std::size_t c = 0; c < count; ++c) {
      const std::size_t begin = c * size;
      const double scale = row.sum > 0.0 ? scales[c] / row.sum : std::numeric_limits<double>::quiet_NaN();
      scale_range<Isa>(out + begin, n - begin < size ? n - begin : size, static_cast<Out>(scale));
    }
    return 0;
  }

 private:
  template <class Isa, real_scalar Out>
  static GAVEL_ALWAYS_INLINE void scale_range(Out* out, std::size_t n, Out scale) {
    using vec = typename Isa::template vec<Out>;
    constexpr std::size_t lanes = Isa::template lanes<Out>;
    std::size_t i = 0;
    for (; i + lanes <= n; i += lanes) {
      vec v;
      kernels::load<Isa>(v, out + i);
      v *= scale;
      store(out + i, v);
    }
    for (; i < n; ++i) out[i] *= scale;
  }
};

/// (x - maximum) * inverse_temperature - log_sum, as a row.
template <stored_scalar S>
struct log_softmax_row {
  using compute = compute_type<S>;
  const S* data = nullptr;
  compute maximum = 0;
  compute inverse_temperature = 1;
  compute log_sum = 0;

  template <class Isa>
  GAVEL_ALWAYS_INLINE void load(typename Isa::template vec<compute>& v, std::size_t i, std::size_t count) const {
    typename Isa::template vec<compute> factor;
    typename Isa::template vec<compute> minus;
    kernels::load<Isa>(v, data + i, count, compute{0});
    fill(factor, inverse_temperature);
    fill(minus, -log_sum);
    v -= maximum;
    Isa::fma(v, v, factor, minus);
  }
};

}  // namespace detail

/// Writes the weights of any row (see row.hpp) to @p out, which may be the row's own memory when the element sizes agree.
/// @param n   length of the row; 0 writes nothing
/// @param out [n]
template <class Row, real_scalar Out>
void write_row(const Row& row, std::size_t n, Out* out) {
  (void)dispatch<detail::write_row_kernel>(row, n, out);
}

/// probs_i = exp(x_i / temperature) / sum_j exp(x_j / temperature). `probs` may be `logits` (in place).
/// @param logits      [n]; finite or -inf. A row with NaN or +inf, or of -inf only, gives NaN everywhere.
/// @param probs       [n]; probabilities under about 1e-38 (float) or 1e-308 (double) are 0 or have few digits
/// @param temperature > 0 (see `summarize` for its effective range)
/// @note One exponential per element, two walks over the row, no allocation, 12 KiB of stack.
template <stored_scalar S, real_scalar Out>
void softmax(const S* logits, std::size_t n, Out* probs, double temperature = 1.0) {
  (void)dispatch<detail::softmax_kernel>(logits, n, probs, detail::inverse_temperature_of<S>(temperature));
}

/// log_probs_i = x_i / temperature - log sum_j exp(x_j / temperature). `log_probs` may be `logits` (in place). -inf stays -inf.
/// @param logits      [n]; finite or -inf. A row with NaN or +inf, or of -inf only, gives NaN everywhere.
/// @param log_probs   [n]; adding a constant to all logits does not change them beyond its rounding
/// @param temperature > 0 (see `summarize` for its effective range)
/// @note Two reads of the row, no allocation.
template <stored_scalar S, real_scalar Out>
void log_softmax(const S* logits, std::size_t n, Out* log_probs, double temperature = 1.0) {
  using T = compute_type<S>;
  const logits_summary summary = summarize(logits, n, temperature);
  write_row(
      detail::log_softmax_row<S>{logits, static_cast<T>(summary.maximum), static_cast<T>(detail::inverse_temperature_of<S>(temperature)),
                                 static_cast<T>(detail::log_sum(summary))},
      n, log_probs);
}

#if defined(GAVEL_INSTANCE)
#define GAVEL_INSTANCES(S)                                                            \
  GAVEL_INSTANCE void write_row(const logits_row<S>&, std::size_t, compute_type<S>*); \
  GAVEL_INSTANCE void softmax(const S*, std::size_t, compute_type<S>*, double);       \
  GAVEL_INSTANCE void log_softmax(const S*, std::size_t, compute_type<S>*, double);
GAVEL_FOR_EACH_STORAGE(GAVEL_INSTANCES)
#undef GAVEL_INSTANCES
#endif

}  // namespace GAVEL_BASE_ISA
}  // namespace gavel::kernels

GAVEL_VECTOR_CODE_END
