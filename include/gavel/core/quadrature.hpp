// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>

#include <cmath>
#include <cstddef>
#include <span>

/// @file
/// Integrals over (0, inf) whose integrand lives on many scales at once: nodes spaced evenly on a logarithmic axis.

namespace gavel {

/// One node of a quadrature rule: the integral is about the sum of `weight * f(t)`.
struct quadrature_node {
  double t = 0.0;
  double weight = 0.0;
};

/// Integrates smooth functions that are analytic round the positive axis and die out beyond a known point, such as products of
/// exponentials with rates from 1e-9 to 1: the trapezoid rule in u after t = scale * exp(u - exp(-u)),
///
///     int_0^inf f(t) dt  ~  sum_m h t_m (1 + exp(-u_m)) f(t_m),     u_m = -3.6 + h m.
///
/// The substitution falls double-exponentially at the left (t = 3.5e-18 scale at the first node) and grows like exp(u) at the right, so the
/// error falls like exp(-c / h): h = 0.2 gives about 1e-14 for exponential-clock integrals of up to 8 arrivals, h = 0.15 for 16.
///
/// A rule is three numbers. It is copied freely and owns no memory: ask for single nodes or let it fill yours.
///
/// @par Source
/// Hidetosi Takahasi and Masatake Mori (1974), "Double exponential formulas for numerical integration": the one-sided substitution for
/// integrands with exponential decay.
class log_axis_rule {
 public:
  static constexpr double first_u = -3.6;

  /// An empty rule: no nodes.
  constexpr log_axis_rule() noexcept = default;

  /// @param last_u the nodes reach at least t = scale * exp(last_u - exp(-last_u)), about scale * exp(last_u); finite, at most 1e4
  /// @param step   spacing h in u, in [1e-3, 1]
  /// @param scale  unit of t, in (0, 1e300]
  /// @throws std::invalid_argument outside these ranges, std::domain_error for NaN
  explicit log_axis_rule(double last_u, double step = 0.2, double scale = 1.0) : step_(step), scale_(scale) {
    constexpr const char* function = "gavel::log_axis_rule";
    check_at_least(function, "last_u", last_u, -1e4);
    check_at_most(function, "last_u", last_u, 1e4);
    check_at_least(function, "step", step, 1e-3);
    check_at_most(function, "step", step, 1.0);
    check_positive(function, "scale", scale);
    check_at_most(function, "scale", scale, 1e300);
    const double intervals = std::ceil((last_u - first_u) / step - 1e-9);
    size_ = 1 + (intervals > 0.0 ? static_cast<std::size_t>(intervals) : 0);
  }

  /// The rule that reaches t = @p t_max (> 0): beyond it the integrand must be negligible.
  /// @throws std::invalid_argument if `t_max` is not a positive finite number, or for a bad step; std::domain_error for NaN
  [[nodiscard]] static log_axis_rule up_to(double t_max, double step = 0.2) {
    check_positive("gavel::log_axis_rule::up_to", "t_max", t_max);
    return log_axis_rule(std::log(t_max), step);
  }

  /// Number of nodes.
  [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
  [[nodiscard]] constexpr double step() const noexcept { return step_; }
  [[nodiscard]] constexpr double scale() const noexcept { return scale_; }

  /// Node @p index, ascending in t; index < size(), unchecked. Two exponentials.
  [[nodiscard]] quadrature_node operator[](std::size_t index) const noexcept {
    const double u = first_u + step_ * static_cast<double>(index);
    const double down = std::exp(-u);
    const double t = scale_ * std::exp(u - down);
    return {t, step_ * t * (1.0 + down)};
  }

  /// Writes all nodes into caller memory.
  /// @param t,weights at least size() elements each; elements beyond size() stay as they are
  /// @throws std::invalid_argument if one is too short
  void fill(std::span<double> t, std::span<double> weights) const {
    constexpr const char* function = "gavel::log_axis_rule::fill";
    check_at_least(function, "t.size()", t.size(), "number of nodes", size_);
    check_at_least(function, "weights.size()", weights.size(), "number of nodes", size_);
    for (std::size_t m = 0; m < size_; ++m) {
      const quadrature_node node = (*this)[m];
      t[m] = node.t;
      weights[m] = node.weight;
    }
  }

  /// The integral of @p f, called once per node in ascending t.
  template <class F>
  [[nodiscard]] double integrate(F&& f) const {
    double sum = 0.0;
    for (std::size_t m = 0; m < size_; ++m) {
      const quadrature_node node = (*this)[m];
      sum += node.weight * f(node.t);
    }
    return sum;
  }

 private:
  double step_ = 0.2;
  double scale_ = 1.0;
  std::size_t size_ = 0;
};

}  // namespace gavel
