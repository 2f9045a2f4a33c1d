// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/goodness_of_fit.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

/// @file
/// Is what a decoder emits really distributed as the target says, when each position has a distribution of its own? One test for all.

namespace examples {

/// Tests emitted tokens against the distributions they should follow, one per token.
///
/// A token y that follows p is turned into u = (mass of the tokens ordered before y) + v p_y with an independent uniform v: u is then
/// exactly uniform on [0, 1), whatever p is, and for successive tokens of a text, each given the text before it, the u are independent
/// (Rosenblatt 1952; for discrete ones Brockwell 2007). So counts of u in equal cells from any number of positions are multinomial, and a
/// G-test judges them. The tokens of a position are ordered by q_x / p_x, largest first: a verifier that accepts too much moves mass from
/// the end of this order to its beginning, so mistakes of all positions add up instead of averaging out.
class output_law_test {
 public:
  static constexpr std::size_t cells = 20;

  /// @param p,q   what target and draft model say at this position
  /// @param token what was emitted
  /// @param v     a uniform that nothing else uses
  /// O(vocabulary).
  void add(std::span<const double> p, std::span<const double> q, std::size_t token, double v) {
    const auto key = [](double target, double draft) { return target > 0.0 ? draft / target : std::numeric_limits<double>::infinity(); };
    const double own = key(p[token], q[token]);
    double before = 0.0;
    for (std::size_t x = 0; x < p.size(); ++x) {
      const double other = key(p[x], q[x]);
      before += other > own || (other == own && x < token) ? p[x] : 0.0;
    }
    const double u = before + v * p[token];
    const auto cell = static_cast<std::size_t>(u * static_cast<double>(cells));
    ++counts_[cell < cells ? cell : cells - 1];  // u = 1 by rounding
    impossible_ = impossible_ || !(p[token] > 0.0);
  }

  /// 0 if a token of target probability zero was emitted.
  [[nodiscard]] double p_value() const {
    std::array<double, cells> uniform;
    uniform.fill(1.0 / static_cast<double>(cells));
    return impossible_ ? 0.0 : gavel::g_test(counts_, uniform).p_value;
  }

 private:
  std::array<std::uint64_t, cells> counts_{};
  bool impossible_ = false;
};

}  // namespace examples
