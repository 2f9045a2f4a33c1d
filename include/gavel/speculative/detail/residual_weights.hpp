// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/kernels/residual.hpp>
#include <gavel/kernels/sample.hpp>
#include <gavel/speculative/detail/rows.hpp>
#include <gavel/speculative/verifier.hpp>

#include <cmath>
#include <cstddef>
#include <span>

/// @file
/// What every verifier draws from when it accepts nothing: the positive part of p - c q, never written down.

namespace gavel::speculative::detail {

/// max(0, p - c q), rounded once, whatever the compiler makes of products and sums.
[[nodiscard]] inline double positive_part(double p, double q, double c) noexcept {
  const double rest = std::fma(-c, q, p);
  return rest > 0.0 ? rest : 0.0;
}

/// The weights max(p_y - c q_y, f p_y), and 0 for the tokens of `excluded` (ascending): summed and sampled without being written.
template <class T>
struct residual_weights {
  std::span<const T> p;
  std::span<const T> q;
  double q_scale = 1.0;  // c
  double floor = 0.0;    // f
  std::span<const token_id> excluded = {};

  [[nodiscard]] double weight(std::size_t y) const noexcept {
    for (const token_id x : excluded) {
      if (x == y) return 0.0;
    }
    const double rest = positive_part(real(p[y]), real(q[y]), q_scale);
    const double least = floor * real(p[y]);
    return rest > least ? rest : least;
  }

  [[nodiscard]] double sum() const {
    double total = 0.0;
    for_each_piece([&](std::size_t begin, std::size_t end) { return total += sum_of(begin, end), false; });
    return total;
  }

  /// The token at cumulative weight `u * sum()` in index order. Where rounding left no weight at all (p = q up to the last bits: an event
  /// that is reached with about the probability of a rounding error) the token comes from p.
  [[nodiscard]] token_id sample(double u) const {
    std::size_t token = p.size();
    if (excluded.empty()) {
      token = kernels::residual_sample(p.data(), q.data(), p.size(), u, q_scale, floor);
    } else {
      double left = u * sum();
      for_each_piece([&](std::size_t begin, std::size_t end) {
        const double mass = sum_of(begin, end);
        if (!(mass > 0.0)) return false;
        const double position = left < mass ? left / mass : 1.0 - 0x1p-53;  // past the last piece by rounding: its last token
        const std::size_t found = kernels::residual_sample(p.data() + begin, q.data() + begin, end - begin, position, q_scale, floor);
        token = found < end - begin ? begin + found : token;
        left -= mass;
        return left < 0.0;
      });
    }
    if (token >= p.size() || !(weight(token) > 0.0)) token = kernels::sample(p.data(), p.size(), u);
    return token_or_first(token, p.size());
  }

  /// Writes the law of `sample` for uniform u.
  void law(std::span<double> out) const {
    double total = 0.0;
    for (std::size_t y = 0; y < p.size(); ++y) total += out[y] = weight(y);
    if (!(total > 0.0)) {
      for (std::size_t y = 0; y < p.size(); ++y) total += out[y] = real(p[y]);
    }
    for (std::size_t y = 0; y < p.size(); ++y) out[y] /= total;
  }

 private:
  // Calls piece(begin, end) for the stretches between excluded tokens until it returns true.
  template <class Piece>
  void for_each_piece(Piece&& piece) const {
    std::size_t begin = 0;
    for (const token_id x : excluded) {
      if (x > begin && piece(begin, std::size_t{x})) return;
      begin = std::size_t{x} + 1;
    }
    if (begin < p.size()) piece(begin, p.size());
  }
  [[nodiscard]] double sum_of(std::size_t begin, std::size_t end) const {
    return kernels::residual_sum(p.data() + begin, q.data() + begin, end - begin, q_scale, floor);
  }
};

}  // namespace gavel::speculative::detail
