// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/kernels/log_sum_exp.hpp>

#include <cstddef>
#include <limits>

/// @file
/// Entropy of a row and Kullback-Leibler divergence of two, in nats, computed in double whatever the storage: of probabilities, of softmax
/// rows of logits, or of one of each (see row.hpp).

GAVEL_VECTOR_CODE_BEGIN

namespace gavel::kernels {
inline namespace GAVEL_BASE_ISA {
namespace detail {

/// Widens the weights of one block to double.
template <class Isa, class Row>
GAVEL_ALWAYS_INLINE void load_wide(const Row& row, std::size_t i, std::size_t count, double (&wide)[block_size<typename Row::compute>]) {
  using T = typename Row::compute;
  T values[block_size<T>];
  (void)Isa::template call<block_kernel>(row, i, count, static_cast<T*>(values));
  for (std::size_t k = 0; k < block_size<T>; ++k) wide[k] = static_cast<double>(values[k]);
}

inline constexpr double smallest_normal = (std::numeric_limits<double>::min)();

/// sum_i p_i (log p_i - log q_i) with 0 log 0 = 0; without a second row, sum_i p_i log p_i.
template <bool TwoRows>
struct relative_entropy_kernel {
  template <class Isa, class P, class Q>
  static GAVEL_ALWAYS_INLINE double run(const P& p, const Q& q, std::size_t n) {
    using vec = typename Isa::template vec<double>;
    constexpr std::size_t block = block_size<typename P::compute>;
    constexpr std::size_t lanes = Isa::template lanes<double>;
    vec sums[Isa::vectors];
    for (std::size_t j = 0; j < Isa::vectors; ++j) sums[j] = vec{};
    bool outside = false;  // p > 0 where q = 0
    for (std::size_t i = 0; i < n; i += block) {
      const std::size_t count = n - i < block ? n - i : block;
      double p_wide[block];
      double q_wide[block];
      load_wide<Isa>(p, i, count, p_wide);
      if constexpr (TwoRows) {
        load_wide<Isa>(q, i, count, q_wide);
        for (std::size_t k = 0; k < block; ++k) outside |= p_wide[k] >= smallest_normal && !(q_wide[k] >= smallest_normal);
      }
      for (std::size_t k = 0; k < block; k += lanes) {
        vec weight;
        std::memcpy(&weight, p_wide + k, sizeof weight);
        vec ratio = weight < smallest_normal ? vec{} + 1.0 : weight;
        log_in_place<Isa>(ratio);
        if constexpr (TwoRows) {
          vec log_q;
          std::memcpy(&log_q, q_wide + k, sizeof log_q);
          log_q = log_q < smallest_normal ? vec{} + 1.0 : log_q;
          log_in_place<Isa>(log_q);
          ratio -= log_q;
        }
        weight = weight < smallest_normal ? vec{} : weight;
        vec& sum = sums[k / lanes % Isa::vectors];
        Isa::fma(sum, weight, ratio, sum);
      }
    }
    return outside ? std::numeric_limits<double>::infinity() : sum_block<Isa, double>(sums);
  }
};

/// sum_i p_i (log p_i - log q_i) of two softmax rows, the logarithms from the logits: finite where q_i is too small to be written.
struct logits_divergence_kernel {
  template <class Isa, stored_scalar S>
  static GAVEL_ALWAYS_INLINE double run(const logits_row<S>& p, const S* x, const S* y, std::size_t n, double inverse_temperature,
                                        double gap, double log_ratio) {
    using vec = typename Isa::template vec<double>;
    constexpr std::size_t block = block_size<compute_type<S>>;
    constexpr std::size_t lanes = Isa::template lanes<double>;
    vec sums[Isa::vectors];
    for (std::size_t j = 0; j < Isa::vectors; ++j) sums[j] = vec{};
    for (std::size_t i = 0; i < n; i += block) {
      const std::size_t count = n - i < block ? n - i : block;
      double p_wide[block];
      double x_wide[block];
      double y_wide[block];
      load_wide<Isa>(p, i, count, p_wide);
      load_wide<Isa>(weights_row<S>{x}, i, count, x_wide);
      load_wide<Isa>(weights_row<S>{y}, i, count, y_wide);
      for (std::size_t k = 0; k < block; k += lanes) {
        vec weight;
        vec ratio;
        vec right;
        vec factor;
        vec constant;
        std::memcpy(&weight, p_wide + k, sizeof weight);
        std::memcpy(&ratio, x_wide + k, sizeof ratio);
        std::memcpy(&right, y_wide + k, sizeof right);
        fill(factor, inverse_temperature);
        fill(constant, log_ratio);
        ratio = ratio - right - gap;
        Isa::fma(ratio, ratio, factor, constant);
        ratio = weight == 0.0 ? vec{} : ratio;  // a masked token: 0 log 0 = 0
        vec& sum = sums[k / lanes % Isa::vectors];
        Isa::fma(sum, weight, ratio, sum);
      }
    }
    return sum_block<Isa, double>(sums);
  }
};

}  // namespace detail

/// -sum_i p_i log p_i of a row (see row.hpp) of @p n probabilities, in nats, with 0 log 0 = 0. One read, no allocation.
template <class P>
  requires requires { typename P::compute; }
[[nodiscard]] double entropy(const P& p, std::size_t n) {
  return 0.0 - dispatch<detail::relative_entropy_kernel<false>>(p, p, n);
}

/// The entropy of an array of probabilities.
/// @param probs [n], finite, >= 0, summing to 1
template <stored_scalar S>
[[nodiscard]] double entropy(const S* probs, std::size_t n) {
  return entropy(weights_row<S>{probs}, n);
}

/// The entropy of softmax(logits / temperature), in nats. Two reads of the row, no allocation.
/// @param logits      [n]; finite or -inf, at least one finite; else NaN
/// @param temperature > 0 (see `summarize` for its effective range)
template <stored_scalar S>
[[nodiscard]] double entropy_of_logits(const S* logits, std::size_t n, double temperature = 1.0) {
  return entropy(softmax_row(logits, summarize(logits, n, temperature), temperature), n);
}

/// KL(p || q) = sum_i p_i (log p_i - log q_i) of two rows, in nats; infinite if q is zero somewhere that p is not.
template <class P, class Q>
  requires requires {
    typename P::compute;
    typename Q::compute;
  }
[[nodiscard]] double kl_divergence(const P& p, const Q& q, std::size_t n) {
  static_assert(sizeof(typename P::compute) == sizeof(typename Q::compute), "gavel: both rows must compute in the same type");
  return dispatch<detail::relative_entropy_kernel<true>>(p, q, n);
}

/// KL of two arrays of probabilities.
/// @param p, q [n], finite, >= 0, summing to 1
template <stored_scalar P, stored_scalar Q>
[[nodiscard]] double kl_divergence(const P* p, const Q* q, std::size_t n) {
  return kl_divergence(weights_row<P>{p}, weights_row<Q>{q}, n);
}

/// KL(softmax(x / temperature) || softmax(y / temperature)) of two rows of logits. Logits far below the maximum of y count in full,
/// although their probability cannot be written; infinite only if y masks (-inf) a token that x does not.
/// @param x, y        [n]; finite or -inf. NaN for a row with NaN or +inf, or of -inf only.
/// @param temperature > 0 (see `summarize` for its effective range)
template <stored_scalar S>
[[nodiscard]] double kl_divergence_of_logits(const S* x, const S* y, std::size_t n, double temperature = 1.0) {
  const logits_summary p = summarize(x, n, temperature);
  const logits_summary q = summarize(y, n, temperature);
  return dispatch<detail::logits_divergence_kernel>(softmax_row(x, p, temperature), x, y, n, detail::inverse_temperature_of<S>(temperature),
                                                    p.maximum - q.maximum, detail::log_sum(q) - detail::log_sum(p));
}

#if defined(GAVEL_INSTANCE)
#define GAVEL_INSTANCES(S)                                                                        \
  GAVEL_INSTANCE double entropy(const weights_row<S>&, std::size_t);                              \
  GAVEL_INSTANCE double entropy(const logits_row<S>&, std::size_t);                               \
  GAVEL_INSTANCE double kl_divergence(const weights_row<S>&, const weights_row<S>&, std::size_t); \
  GAVEL_INSTANCE double kl_divergence_of_logits(const S*, const S*, std::size_t, double);
GAVEL_FOR_EACH_STORAGE(GAVEL_INSTANCES)
#undef GAVEL_INSTANCES
#endif

}  // namespace GAVEL_BASE_ISA
}  // namespace gavel::kernels

GAVEL_VECTOR_CODE_END
