// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/kernels/elementary.hpp>

#include <cstddef>

/// @file
/// Loops over groups of tokens and quadrature nodes, behind `iid_selection`.

GAVEL_VECTOR_CODE_BEGIN

namespace gavel::speculative::detail {

inline namespace GAVEL_BASE_ISA {

inline constexpr std::size_t node_block = kernels::block_size<double>;

// decay[k][m] = exp(-w_k s_m) and laplace[m] += mass_k decay[k][m]; `nodes` is a multiple of `node_block`, s ascends over the used ones.
// Beyond w s = 45 the decay (below 3e-20) counts as zero.
struct decay_kernel {
  static constexpr std::size_t stride = 8;  // the widest vector

  template <class Isa>
  static GAVEL_ALWAYS_INLINE void run(const double* s, std::size_t used, std::size_t nodes, const double* masses, const double* weights,
                                      std::size_t groups, double* decay, double* laplace) {
    using real = typename Isa::template vec<double>;
    constexpr std::size_t lanes = Isa::template lanes<double>;
    for (std::size_t k = 0; k < groups; ++k) {
      double* const row = decay + k * nodes;
      std::size_t end = (used + stride - 1) / stride * stride;
      while (end > stride && weights[k] * s[end - stride] > 45.0) end -= stride;
      real mass;
      kernels::fill(mass, masses[k]);
      for (std::size_t m = 0; m < end; m += lanes) {
        real x;
        kernels::load<Isa>(x, s + m);
        x = x * -weights[k];
        kernels::rounded(x);
        kernels::exp_in_place<Isa>(x);
        kernels::store(row + m, x);
        real sum;
        kernels::load<Isa>(sum, laplace + m);
        Isa::fma(sum, mass, x, sum);
        kernels::store(laplace + m, sum);
      }
      const real zero = {};
      for (std::size_t m = end; m < nodes; m += lanes) kernels::store(row + m, zero);
    }
  }
};

// Two dot products of every row of `decay`: with a and with b.
struct two_dots_kernel {
  template <class Isa>
  static GAVEL_ALWAYS_INLINE void run(const double* decay, std::size_t nodes, std::size_t groups, const double* a, const double* b,
                                      double* dot_a, double* dot_b) {
    using real = typename Isa::template vec<double>;
    constexpr std::size_t lanes = Isa::template lanes<double>;
    for (std::size_t k = 0; k < groups; ++k) {
      real sums_a[Isa::vectors] = {};
      real sums_b[Isa::vectors] = {};
      for (std::size_t m = 0; m < nodes; m += node_block) {
        for (std::size_t j = 0; j < Isa::vectors; ++j) {
          real x;
          real factor;
          kernels::load<Isa>(x, decay + k * nodes + m + j * lanes);
          kernels::load<Isa>(factor, a + m + j * lanes);
          Isa::fma(sums_a[j], factor, x, sums_a[j]);
          kernels::load<Isa>(factor, b + m + j * lanes);
          Isa::fma(sums_b[j], factor, x, sums_b[j]);
        }
      }
      dot_a[k] = kernels::sum_block<Isa, double>(sums_a);
      dot_b[k] = kernels::sum_block<Isa, double>(sums_b);
    }
  }
};

// sums[m] += factor_k decay[k][m].
struct accumulate_kernel {
  template <class Isa>
  static GAVEL_ALWAYS_INLINE void run(const double* decay, std::size_t nodes, std::size_t groups, const double* factors, double* sums) {
    using real = typename Isa::template vec<double>;
    constexpr std::size_t lanes = Isa::template lanes<double>;
    for (std::size_t k = 0; k < groups; ++k) {
      if (factors[k] == 0.0) continue;
      real factor;
      kernels::fill(factor, factors[k]);
      for (std::size_t m = 0; m < nodes; m += lanes) {
        real x;
        real sum;
        kernels::load<Isa>(x, decay + k * nodes + m);
        kernels::load<Isa>(sum, sums + m);
        Isa::fma(sum, factor, x, sum);
        kernels::store(sums + m, sum);
      }
    }
  }
};

// gram[i][j] += sum over rows k with scale_k != 0 of scale_k u_ki u_kj, u_km = column_m decay_km; the lower triangle, in whole vectors.
// Four rows at a time: the triangle is read and written once for all four.
struct gram_kernel {
  static constexpr std::size_t batch = 4;

  template <class Isa>
  static GAVEL_ALWAYS_INLINE void run(const double* decay, std::size_t nodes, std::size_t groups, const double* scale, const double* column,
                                      double* rows, double* gram) {
    using real = typename Isa::template vec<double>;
    constexpr std::size_t lanes = Isa::template lanes<double>;
    std::size_t k = 0;
    while (k < groups) {
      double factors[batch] = {};
      for (std::size_t r = 0; r < batch; ++r) {
        while (k < groups && scale[k] == 0.0) ++k;
        const bool any = k < groups;
        factors[r] = any ? scale[k] : 0.0;
        for (std::size_t m = 0; m < nodes; m += lanes) {
          real x = {};
          if (any) {
            real factor;
            kernels::load<Isa>(x, decay + k * nodes + m);
            kernels::load<Isa>(factor, column + m);
            x = x * factor;
          }
          kernels::store(rows + r * nodes + m, x);
        }
        k += any ? 1u : 0u;
      }
      for (std::size_t i = 0; i < nodes; ++i) {
        real coefficients[batch];
        for (std::size_t r = 0; r < batch; ++r) kernels::fill(coefficients[r], factors[r] * rows[r * nodes + i]);
        for (std::size_t j = 0; j <= i; j += lanes) {
          real sum;
          kernels::load<Isa>(sum, gram + i * nodes + j);
          for (std::size_t r = 0; r < batch; ++r) {
            real x;
            kernels::load<Isa>(x, rows + r * nodes + j);
            Isa::fma(sum, coefficients[r], x, sum);
          }
          kernels::store(gram + i * nodes + j, sum);
        }
      }
    }
  }
};

}  // namespace GAVEL_BASE_ISA
}  // namespace gavel::speculative::detail

GAVEL_VECTOR_CODE_END
