// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/kernels/elementary.hpp>
#include <gavel/speculative/detail/draft_clocks.hpp>

#include <cstddef>

/// @file
/// Products over tokens for weighted choices among drafts without replacement, one token or two left out at a time.

GAVEL_VECTOR_CODE_BEGIN

namespace gavel::speculative::detail {

inline namespace GAVEL_BASE_ISA {

/// What the kernels see. Rows over t hold `nodes` numbers, a multiple of `stride`.
///
/// E_k = sum over sets of k tokens of Pr(exactly these rang by t) prod exp(-s w); F_k = the same for k tokens before t and one more at t
/// (a density). A token multiplies by out = exp(-q t), or moves up one place by in exp(-s w) with in = 1 - out, or rings at t:
///
///     F_k <- F_k out + F_(k-1) in z + E_k at z,    E_k <- E_k out + E_(k-1) in z,    at = q out, z = exp(-s w).
struct set_tables {
  static constexpr std::size_t stride = 8;  // the widest vector; sums run over this many lanes whatever the instruction set

  const double* in = nullptr;      // [tokens][nodes]
  const double* out = nullptr;     // [tokens][nodes]
  const double* at = nullptr;      // [tokens][nodes]
  const double* base_e = nullptr;  // [n][nodes] E and F of the tokens that may be drafted but have no weight
  const double* base_f = nullptr;  // [n][nodes]
  const double* weight = nullptr;  // [nodes] of the rule in t
  const double* z = nullptr;       // [tokens] at the current s
  double* suffix = nullptr;        // [tokens + 1][2 n][lanes] scratch
  std::size_t tokens = 0, nodes = 0, n = 0;
};

template <class Isa>
struct set_state {
  using real = typename Isa::template vec<double>;
  real e[max_clock_drafts];
  real f[max_clock_drafts];

  GAVEL_ALWAYS_INLINE void start(std::size_t n) {
    for (std::size_t k = 0; k < n; ++k) e[k] = f[k] = real{};
    kernels::fill(e[0], 1.0);
  }
  // Highest place first, so that the lower ones are still the old ones.
  GAVEL_ALWAYS_INLINE void include(std::size_t n, const real& in_z, const real& out, const real& at_z) {
    for (std::size_t k = n; k-- > 0;) {
      real moved = e[k] * at_z;
      if (k > 0) Isa::fma(moved, f[k - 1], in_z, moved);
      Isa::fma(f[k], f[k], out, moved);
      moved = k > 0 ? e[k - 1] * in_z : real{};
      kernels::rounded(moved);
      Isa::fma(e[k], e[k], out, moved);
    }
  }
  // The tokens without a weight.
  GAVEL_ALWAYS_INLINE void load_base(const set_tables& tables, std::size_t m) {
    for (std::size_t k = 0; k < tables.n; ++k) {
      kernels::load<Isa>(e[k], tables.base_e + k * tables.nodes + m);
      kernels::load<Isa>(f[k], tables.base_f + k * tables.nodes + m);
    }
  }
  GAVEL_ALWAYS_INLINE void store(double* to, std::size_t n) const {
    for (std::size_t k = 0; k < n; ++k) {
      kernels::store(to + k * Isa::template lanes<double>, e[k]);
      kernels::store(to + (n + k) * Isa::template lanes<double>, f[k]);
    }
  }
  // Adds E_(count-1) and F_(count-2) of these tokens and those of the state that `store` has left in @p after.
  GAVEL_ALWAYS_INLINE void join(const double* after, std::size_t n, std::size_t count, real& others_e, real& others_f) const {
    constexpr std::size_t lanes = Isa::template lanes<double>;
    real later_e, later_f;
    for (std::size_t k = 0; k < count; ++k) {
      kernels::load<Isa>(later_e, after + (count - 1 - k) * lanes);
      Isa::fma(others_e, e[k], later_e, others_e);
    }
    for (std::size_t k = 0; k + 1 < count; ++k) {
      kernels::load<Isa>(later_e, after + (count - 2 - k) * lanes);
      kernels::load<Isa>(later_f, after + (n + count - 2 - k) * lanes);
      Isa::fma(others_f, f[k], later_e, others_f);
      Isa::fma(others_f, e[k], later_f, others_f);
    }
  }
};

// Loads in z, out and at z of one token.
template <class Isa>
GAVEL_ALWAYS_INLINE void load_token(const set_tables& tables, std::size_t x, std::size_t m, typename Isa::template vec<double>& in_z,
                                    typename Isa::template vec<double>& out, typename Isa::template vec<double>& at_z) {
  kernels::load<Isa>(in_z, tables.in + x * tables.nodes + m);
  kernels::load<Isa>(out, tables.out + x * tables.nodes + m);
  kernels::load<Isa>(at_z, tables.at + x * tables.nodes + m);
  in_z = in_z * tables.z[x];
  at_z = at_z * tables.z[x];
  kernels::rounded(in_z);
  kernels::rounded(at_z);
}

// Fills tables.suffix: entry x holds the state of the tokens after x.
template <class Isa>
GAVEL_ALWAYS_INLINE void fill_suffix(const set_tables& tables, std::size_t m) {
  using real = typename Isa::template vec<double>;
  constexpr std::size_t lanes = Isa::template lanes<double>;
  set_state<Isa> state;
  state.start(tables.n);
  for (std::size_t x = tables.tokens; x-- > 0;) {
    state.store(tables.suffix + x * 2 * tables.n * lanes, tables.n);
    if (x == 0) break;
    real in_z, out, at_z;
    load_token<Isa>(tables, x, m, in_z, out, at_z);
    state.include(tables.n, in_z, out, at_z);
  }
}

// picked[x][lane] += factor z_x sum over the nodes of weight (in F_(n-2) + at E_(n-1)) of the other tokens;
// total[lane] += sum over the nodes of weight F_(n-1) of all tokens.
struct set_marginals_kernel {
  template <class Isa>
  static GAVEL_ALWAYS_INLINE void run(const set_tables& tables, double factor, double* picked, double* total) {
    using real = typename Isa::template vec<double>;
    constexpr std::size_t lanes = Isa::template lanes<double>;
    const std::size_t n = tables.n;
    for (std::size_t m = 0; m < tables.nodes; m += lanes) {
      fill_suffix<Isa>(tables, m);
      const std::size_t lane = m % set_tables::stride;
      real weight;
      real scale;
      kernels::load<Isa>(weight, tables.weight + m);
      kernels::fill(scale, factor);
      set_state<Isa> before;
      before.load_base(tables, m);
      for (std::size_t x = 0; x < tables.tokens; ++x) {
        real in_z, out, at_z;
        load_token<Isa>(tables, x, m, in_z, out, at_z);
        const double* const after = tables.suffix + x * 2 * n * lanes;
        real others_e = {};
        real others_f = {};
        before.join(after, n, n, others_e, others_f);
        real sum = others_e * at_z;
        Isa::fma(sum, others_f, in_z, sum);
        sum = sum * weight;  // first, because a density times its step is no large number, but a long step times the factor may be
        real so_far;
        kernels::load<Isa>(so_far, picked + x * set_tables::stride + lane);
        Isa::fma(so_far, sum, scale, so_far);
        kernels::store(picked + x * set_tables::stride + lane, so_far);
        before.include(n, in_z, out, at_z);
      }
      real so_far;
      kernels::load<Isa>(so_far, total + lane);
      Isa::fma(so_far, before.f[n - 1], weight, so_far);
      kernels::store(total + lane, so_far);
    }
  }
};

// pairs[x][y][lane] += factor z_x z_y sum over the nodes of weight (in in F_(n-3) + (at in + in at) E_(n-2)) of the others, x < y; n >= 2.
struct set_pairs_kernel {
  template <class Isa>
  static GAVEL_ALWAYS_INLINE void run(const set_tables& tables, double factor, double* pairs) {
    using real = typename Isa::template vec<double>;
    constexpr std::size_t lanes = Isa::template lanes<double>;
    const std::size_t n = tables.n;
    for (std::size_t m = 0; m < tables.nodes; m += lanes) {
      fill_suffix<Isa>(tables, m);
      const std::size_t lane = m % set_tables::stride;
      real weight;
      real scale;
      kernels::load<Isa>(weight, tables.weight + m);
      kernels::fill(scale, factor);
      set_state<Isa> before;
      before.load_base(tables, m);
      for (std::size_t x = 0; x < tables.tokens; ++x) {
        real in_x, out_x, at_x;
        load_token<Isa>(tables, x, m, in_x, out_x, at_x);
        set_state<Isa> without = before;  // the tokens up to y, without x
        for (std::size_t y = x + 1; y < tables.tokens; ++y) {
          real in_y, out_y, at_y;
          load_token<Isa>(tables, y, m, in_y, out_y, at_y);
          const double* const after = tables.suffix + y * 2 * n * lanes;
          real others_e = {};
          real others_f = {};
          without.join(after, n, n - 1, others_e, others_f);
          real both = in_x * in_y;
          kernels::rounded(both);
          real one = at_x * in_y;
          Isa::fma(one, in_x, at_y, one);
          real sum = both * others_f;
          Isa::fma(sum, one, others_e, sum);
          sum = sum * weight;
          double* const place = pairs + (x * tables.tokens + y) * set_tables::stride + lane;
          real so_far;
          kernels::load<Isa>(so_far, place);
          Isa::fma(so_far, sum, scale, so_far);
          kernels::store(place, so_far);
          without.include(n, in_y, out_y, at_y);
        }
        before.include(n, in_x, out_x, at_x);
      }
    }
  }
};

}  // namespace GAVEL_BASE_ISA
}  // namespace gavel::speculative::detail

GAVEL_VECTOR_CODE_END
