// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/quadrature.hpp>
#include <gavel/kernels/elementary.hpp>
#include <gavel/speculative/detail/draft_clocks.hpp>
#include <gavel/speculative/detail/prefix_scan.hpp>

#include <cstddef>
#include <span>
#include <vector>

/// @file
/// Q(H) for drafts without replacement. Give every token a clock that rings at T_x ~ Exp(q_x): the order of ringing is a draw without
/// replacement. With lam = 1 - q(H) and N_H(t) the number of clocks in H that have rung by t,
///
///     1 - Q_n(H) = lam * int_0^inf exp(-lam t) Pr(N_H(t) <= n-1) dt.
///
/// At every quadrature node t the state is S_k = exp(-t * light mass outside H) * Pr(N_H(t) = k), k < n. A light token (q t small at every
/// node) multiplies the generating function sum_k S_k z^k by 1 + y z, y = exp(q t) - 1: all terms positive, no exponential needed, and the
/// factor of any set of light tokens follows from the power sums of their q, which do not depend on t. A heavy token multiplies by
/// exp(-q t) + (1 - exp(-q t)) z.

GAVEL_VECTOR_CODE_BEGIN

namespace gavel::speculative::detail {
inline namespace GAVEL_BASE_ISA {

inline constexpr std::size_t clock_nodes_per_step = 8;  // nodes come in multiples of the widest vector
inline constexpr std::size_t clock_moments = 20;

/// What the kernels below see: rows of `nodes` numbers, `nodes` a multiple of `clock_nodes_per_step`.
struct clock_rows {
  double* state;         // [n][nodes] S_k
  double* heavy_factor;  // [nodes] exp(-t * heavy mass outside H)
  const double* t;       // [nodes]; 0 beyond the last real node
  const double* weight;  // [nodes]; 0 beyond the last real node
  std::size_t nodes;
  std::size_t n;
};

/// Start: H is empty.
struct clock_reset {
  template <class Isa>
  static GAVEL_ALWAYS_INLINE void run(const clock_rows& rows, double light_mass, double heavy_mass) {
    using real = typename Isa::template vec<double>;
    constexpr std::size_t step = Isa::template lanes<double>;
    for (std::size_t m = 0; m < rows.nodes; m += step) {
      real t;
      kernels::load<Isa>(t, rows.t + m);
      real light = t * -light_mass;
      real heavy = t * -heavy_mass;
      kernels::exp_in_place<Isa>(light);
      kernels::exp_in_place<Isa>(heavy);
      kernels::store(rows.state + m, light);
      kernels::store(rows.heavy_factor + m, heavy);
      for (std::size_t k = 1; k < rows.n; ++k) kernels::store(rows.state + k * rows.nodes + m, real{});
    }
  }
};

/// exp(x) - 1 for |x| <= 1/8, as x (1 + x/2 + x^2/6 + ...): the difference would lose digits.
template <class Isa>
GAVEL_ALWAYS_INLINE void small_expm1(typename Isa::template vec<double>& y, const typename Isa::template vec<double>& x) {
  constexpr double inverse_factorials[] = {1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0};
  kernels::fill(y, 1.0 / 3628800);
  for (const double coefficient : inverse_factorials) {
    typename Isa::template vec<double> c;
    kernels::fill(c, coefficient);
    Isa::fma(y, y, x, c);
  }
  y *= x;
}

/// One light token: S_k += S_{k-1} (exp(q t) - 1), with q t <= 1/8.
struct clock_include_light {
  template <class Isa>
  static GAVEL_ALWAYS_INLINE void run(const clock_rows& rows, double q) {
    using real = typename Isa::template vec<double>;
    constexpr std::size_t step = Isa::template lanes<double>;
    for (std::size_t m = 0; m < rows.nodes; m += step) {
      real t;
      kernels::load<Isa>(t, rows.t + m);
      const real x = t * q;
      real y;
      small_expm1<Isa>(y, x);
      real below;
      kernels::load<Isa>(below, rows.state + m);
      for (std::size_t k = 1; k < rows.n; ++k) {
        real now;
        kernels::load<Isa>(now, rows.state + k * rows.nodes + m);
        real next;
        Isa::fma(next, below, y, now);
        kernels::store(rows.state + k * rows.nodes + m, next);
        below = now;
      }
    }
  }
};

/// One heavy token: S_k <- S_k e + S_{k-1} (1 - e), e = exp(-q t); the heavy mass outside H falls to @p outside.
struct clock_include_heavy {
  template <class Isa>
  static GAVEL_ALWAYS_INLINE void run(const clock_rows& rows, double q, double outside) {
    using real = typename Isa::template vec<double>;
    constexpr std::size_t step = Isa::template lanes<double>;
    for (std::size_t m = 0; m < rows.nodes; m += step) {
      real t;
      kernels::load<Isa>(t, rows.t + m);
      const real x = t * -q;
      real small;
      small_expm1<Isa>(small, x);
      real stay = x;
      kernels::exp_in_place<Isa>(stay);
      const real large = 1.0 - stay;
      const real rings = x > -0.125 ? -small : large;
      real heavy = t * -outside;
      kernels::exp_in_place<Isa>(heavy);
      kernels::store(rows.heavy_factor + m, heavy);
      real below = {};
      for (std::size_t k = 0; k < rows.n; ++k) {
        real now;
        kernels::load<Isa>(now, rows.state + k * rows.nodes + m);
        const real kept = now * stay;
        real next;
        Isa::fma(next, below, rings, kept);
        kernels::store(rows.state + k * rows.nodes + m, next);
        below = now;
      }
    }
  }
};

/// Many light tokens at once, from the power sums M_i = sum v^i of v = q / q_limit. With a = q_limit t <= 1/8 the power sums of y are
/// p_j = sum_i C_ji a^i, C_ji = (j! Stirling2(i, j) / i!) M_i, and Newton's identities turn them into the elementary symmetric e_k.
struct clock_include_block {
  /// @param coefficients [n-1][clock_moments] row j-1: C_ji / a power shared, for i = j.. (the first clock_moments - j + 1 are used)
  template <class Isa>
  static GAVEL_ALWAYS_INLINE void run(const clock_rows& rows, const double* coefficients, double limit) {
    const std::size_t n = rows.n < max_clock_drafts ? rows.n : max_clock_drafts;  // known to hold; g++ -O3 warns of an overflow otherwise
    using real = typename Isa::template vec<double>;
    constexpr std::size_t step = Isa::template lanes<double>;
    for (std::size_t m = 0; m < rows.nodes; m += step) {
      real a;
      kernels::load<Isa>(a, rows.t + m);
      a *= limit;
      real power_sum[max_clock_drafts];  // (-1)^(j-1) p_j
      real power = a;
      for (std::size_t j = 1; j < n; ++j) {
        const double* const row = coefficients + (j - 1) * clock_moments;
        real sum;
        kernels::fill(sum, row[clock_moments - j]);
        for (std::size_t i = clock_moments - j; i-- > 0;) {
          real c;
          kernels::fill(c, row[i]);
          Isa::fma(sum, sum, a, c);
        }
        power_sum[j] = sum * power;
        power *= -a;
      }
      real elementary[max_clock_drafts];
      kernels::fill(elementary[0], 1.0);
      for (std::size_t k = 1; k < n; ++k) {
        real sum = power_sum[k];
        for (std::size_t j = 1; j < k; ++j) Isa::fma(sum, power_sum[j], elementary[k - j], sum);
        elementary[k] = sum * (1.0 / static_cast<double>(k));
      }
      real old[max_clock_drafts];
      for (std::size_t k = 0; k < n; ++k) kernels::load<Isa>(old[k], rows.state + k * rows.nodes + m);
      for (std::size_t k = 1; k < n; ++k) {
        real sum = old[k];
        for (std::size_t j = 1; j <= k; ++j) Isa::fma(sum, elementary[j], old[k - j], sum);
        kernels::store(rows.state + k * rows.nodes + m, sum);
      }
    }
  }
};

/// sum over nodes of weight * heavy_factor * sum_k S_k: the integral without its factor lam.
struct clock_integral {
  template <class Isa>
  static GAVEL_ALWAYS_INLINE double run(const clock_rows& rows) {
    using real = typename Isa::template vec<double>;
    constexpr std::size_t step = Isa::template lanes<double>;
    double total = 0.0;
    for (std::size_t m = 0; m < rows.nodes; m += clock_nodes_per_step) {
      double lanes[clock_nodes_per_step];
      for (std::size_t part = 0; part < clock_nodes_per_step; part += step) {
        const std::size_t at = m + part;
        real sum;
        kernels::load<Isa>(sum, rows.state + at);
        for (std::size_t k = 1; k < rows.n; ++k) {
          real next;
          kernels::load<Isa>(next, rows.state + k * rows.nodes + at);
          sum += next;
        }
        real weight;
        real factor;
        kernels::load<Isa>(weight, rows.weight + at);
        kernels::load<Isa>(factor, rows.heavy_factor + at);
        const real product = sum * factor * weight;
        kernels::store(lanes + part, product);
      }
      total += ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
    }
    return total;
  }
};

/// Adds the powers v, v^2, ... of v = q * scale to @p moments, for every token.
struct clock_measure {
  template <class Isa>
  static GAVEL_ALWAYS_INLINE void run(const ratio_token* tokens, std::size_t count, double scale, double* moments) {
    using real = typename Isa::template vec<double>;
    constexpr std::size_t step = Isa::template lanes<double>;
    constexpr std::size_t vectors = clock_nodes_per_step / step;
    real sums[clock_moments * vectors] = {};
    for (std::size_t i = 0; i < count; i += clock_nodes_per_step) {
      double lanes[clock_nodes_per_step];
      double largest = 0.0;
      for (std::size_t l = 0; l < clock_nodes_per_step; ++l) {
        const double v = i + l < count ? tokens[i + l].q * scale : 0.0;
        lanes[l] = v < 1e-40 ? 0.0 : v;  // the powers would be subnormal
        largest = v > largest ? v : largest;
      }
      // v^m / v < 2^-60 does not show in any sum
      const std::size_t last = largest < 0x1p-15 ? 4 : largest < 0x1p-8 ? 8 : largest < 0x1p-5 ? 12 : clock_moments;
      real v[vectors];
      real power[vectors];
      for (std::size_t j = 0; j < vectors; ++j) {
        kernels::load<Isa>(v[j], lanes + j * step);
        power[j] = v[j];
      }
      for (std::size_t k = 0; k < last; ++k) {
        for (std::size_t j = 0; j < vectors; ++j) {
          sums[k * vectors + j] += power[j];
          kernels::rounded(power[j]);
          power[j] *= v[j];
        }
      }
    }
    for (std::size_t k = 0; k < clock_moments; ++k) {
      double lanes[clock_nodes_per_step];
      for (std::size_t j = 0; j < vectors; ++j) kernels::store(lanes + j * step, sums[k * vectors + j]);
      moments[k] += ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
    }
  }
};

}  // namespace GAVEL_BASE_ISA
}  // namespace gavel::speculative::detail

namespace gavel::speculative::detail {

/// Q for drafts without replacement, as `prefix_scan` wants it; also usable alone for one set.
class exponential_clock {
 public:
  /// Largest number of drafts.
  static constexpr std::size_t max_drafts = max_clock_drafts;

  struct block {
    double moments[clock_moments] = {};
    void merge(const block& other) noexcept {
      for (std::size_t i = 0; i < clock_moments; ++i) moments[i] += other.moments[i];
    }
  };

  /// @param n    number of drafts, 1..max_drafts
  /// @param rest mass of q outside its n - 1 most probable tokens, > 0: no integrand reaches beyond `last_ring`, whatever H is
  void prepare(std::size_t n, double rest) {
    n_ = n;
    const log_axis_rule rule = log_axis_rule::up_to(last_ring(n, rest), clock_step(n));
    constexpr std::size_t step = clock_nodes_per_step;
    nodes_ = (rule.size() + step - 1) / step * step;
    t_.assign(nodes_, 0.0);
    weight_.assign(nodes_, 0.0);
    rule.fill(t_, weight_);
    state_.resize((n + 1) * nodes_);
    double largest_t = 0.0;
    for (const double t : t_) largest_t = t > largest_t ? t : largest_t;
    limit_ = 0.125 / largest_t;
  }

  [[nodiscard]] bool is_heavy(double q) const noexcept { return q > limit_; }

  void reset(double light_mass, double heavy_mass) { kernels::dispatch<clock_reset>(rows(), light_mass, heavy_mass); }

  void measure(std::span<const ratio_token> tokens, block& out) const {
    constexpr std::size_t run = 512;  // the first power sum must match the masses, which are summed just as carefully
    for (std::size_t start = 0; start < tokens.size(); start += run) {
      const std::size_t count = tokens.size() - start < run ? tokens.size() - start : run;
      kernels::dispatch<clock_measure>(tokens.data() + start, count, 1.0 / limit_, &out.moments[0]);
    }
  }

  void include(std::span<const ratio_token> tokens) {
    for (const ratio_token& token : tokens) kernels::dispatch<clock_include_light>(rows(), token.q);
  }

  void include(const block& tokens) {
    constexpr std::size_t moments = clock_moments;
    double coefficients[(max_drafts - 1) * moments];
    for (std::size_t j = 1; j < n_; ++j) {
      for (std::size_t i = j; i <= moments; ++i) coefficients[(j - 1) * moments + i - j] = series().c[j][i] * tokens.moments[i - 1];
    }
    const double* const first = coefficients;
    kernels::dispatch<clock_include_block>(rows(), first, limit_);
  }

  void include_heavy(const ratio_token& token, double heavy_outside) {
    kernels::dispatch<clock_include_heavy>(rows(), token.q, heavy_outside);
  }

  /// 1 - Q(H).
  /// @param outside 1 - q(H), summed from the tokens outside: a difference would lose all digits of a small one
  [[nodiscard]] double escape(double /*inside*/, double outside) const {
    if (!(outside > 0.0)) return 0.0;
    const double value = outside * kernels::dispatch<clock_integral>(rows());
    return value < 1.0 ? value : 1.0;
  }

  void save(std::size_t depth) {
    if (saved_.size() <= depth) saved_.resize(depth + 1);
    saved_[depth] = state_;
  }
  void restore(std::size_t depth) { state_ = saved_[depth]; }

 private:
  // c[j][i] = j! Stirling2(i, j) / i!: the coefficient of x^i in (e^x - 1)^j.
  struct series_table {
    double c[max_drafts][clock_moments + 1] = {};
    constexpr series_table() {
      double exponential[clock_moments + 1] = {};
      double factorial = 1.0;
      for (std::size_t i = 1; i <= clock_moments; ++i) {
        factorial *= static_cast<double>(i);
        exponential[i] = 1.0 / factorial;
      }
      c[0][0] = 1.0;
      for (std::size_t j = 1; j < max_drafts; ++j) {
        for (std::size_t i = j; i <= clock_moments; ++i) {
          for (std::size_t l = 1; l <= i; ++l) c[j][i] += exponential[l] * c[j - 1][i - l];
        }
      }
    }
  };
  [[nodiscard]] static const series_table& series() noexcept {
    static constexpr series_table table{};
    return table;
  }

  [[nodiscard]] clock_rows rows() const noexcept {
    double* const state = const_cast<double*>(state_.data());  // the kernels that write are called from non-const members only
    return {state, state + n_ * nodes_, t_.data(), weight_.data(), nodes_, n_};
  }

  std::size_t n_ = 0;
  std::size_t nodes_ = 0;
  double limit_ = 0.0;  // tokens above it are heavy
  std::vector<double> t_, weight_;
  std::vector<double> state_;  // [n][nodes] counts, then [nodes] the heavy factor
  std::vector<std::vector<double>> saved_;
};

}  // namespace gavel::speculative::detail

GAVEL_VECTOR_CODE_END
