// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>

#include <cmath>
#include <cstdint>
#include <optional>

/// @file
/// Count, mean and spread of a stream of numbers. What is undefined (the mean of nothing, the variance of one number) is an empty optional,
/// never NaN.

namespace gavel {

/// Count, mean and spread of a stream of numbers, in constant memory; shards are combined with `merge`.
///
/// An aggregate: store the three fields and you have stored everything.
/// @par Source
/// Welford, "Note on a method for calculating corrected sums of squares and products" (1962); the merge by Chan, Golub, LeVeque,
/// "Updating formulae and a pairwise algorithm for computing sample variances" (1979), equation 2.1.
struct moments {
  std::uint64_t count = 0;          ///< numbers seen
  double center = 0.0;              ///< their mean; 0 if none
  double squared_deviations = 0.0;  ///< sum of squared distances to the mean

  /// Adds one number.
  /// @throws std::invalid_argument if @p value is infinite, std::domain_error if it is NaN; nothing is changed then
  void add(double value) {
    check_finite("gavel::moments::add", "value", value);
    ++count;
    const double distance = value - center;
    center += distance / static_cast<double>(count);
    squared_deviations += distance * (value - center);
  }

  /// Adds everything that @p other has seen: up to rounding the same as adding its numbers one by one, in any grouping.
  void merge(const moments& other) {
    if (other.count == 0) return;
    if (count == 0) {
      *this = other;
      return;
    }
    const double mine = static_cast<double>(count);
    const double theirs = static_cast<double>(other.count);
    const double distance = other.center - center;
    count += other.count;
    center += distance * (theirs / (mine + theirs));
    squared_deviations += other.squared_deviations + distance * distance * (mine * (theirs / (mine + theirs)));
  }

  [[nodiscard]] double sum() const { return center * static_cast<double>(count); }
  /// Empty if nothing was added.
  [[nodiscard]] std::optional<double> mean() const {
    if (count == 0) return std::nullopt;
    return center;
  }
  /// The unbiased sample variance (divided by count - 1); empty below two numbers.
  [[nodiscard]] std::optional<double> variance() const {
    if (count < 2) return std::nullopt;
    return squared_deviations / static_cast<double>(count - 1);
  }
  /// The standard error of the mean, sqrt(variance / count); empty below two numbers.
  [[nodiscard]] std::optional<double> standard_error() const {
    if (count < 2) return std::nullopt;
    return std::sqrt(squared_deviations / static_cast<double>(count - 1) / static_cast<double>(count));
  }
  [[nodiscard]] friend bool operator==(const moments&, const moments&) = default;
};

/// The combination of two shards.
[[nodiscard]] inline moments merge(moments a, const moments& b) {
  a.merge(b);
  return a;
}

}  // namespace gavel
