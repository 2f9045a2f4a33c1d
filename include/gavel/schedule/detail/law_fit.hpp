// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/numerics.hpp>
#include <gavel/core/special_functions.hpp>
#include <gavel/core/views.hpp>
#include <gavel/solvers/levenberg_marquardt.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

/// @file
/// What the fits of both loss laws, L = floor + amplitude x power - annealing x area, share: the residual, the linear problem that is left
/// when the exponents are fixed, and what the data say about each parameter.

namespace gavel::schedule::detail {

struct log_residual {
  double value = 0.0;  ///< log(L_obs / L_pred)
  double scale = 0.0;  ///< derivative of log L_pred by L_pred
};

/// Below a tenth of the observed loss the logarithm goes on as its tangent, so that descents return from
/// starts far away, whose predictions are negative.
[[nodiscard]] inline log_residual log_residual_of(double predicted, double observed) noexcept {
  constexpr double low = 0.1;
  const double ratio = predicted / observed;
  if (ratio > low) return {-std::log(ratio), 1.0 / predicted};
  return {1.0 - std::log(low) - ratio / low, 1.0 / (low * observed)};
}

/// Least squares by modified Gram-Schmidt. Columns lie one after the other, @p n values each; they are overwritten by an orthogonal basis
/// and @p target by its residual. A column that the ones before it span (to nine digits) is left out with coefficient 0.
/// @return the squared norm of the residual
inline double solve_columns(double* columns, std::size_t n_columns, std::size_t n, double* target, double* coefficients) noexcept {
  constexpr std::size_t most = 3;
  std::array<std::array<double, most>, most> r{};
  std::array<double, most> y{};
  const auto dot = [n](const double* a, const double* b) {
    double sum = 0.0;
    for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
    return sum;
  };
  const auto remove = [n](double* from, double amount, const double* direction) {
    for (std::size_t i = 0; i < n; ++i) from[i] -= amount * direction[i];
  };
  for (std::size_t j = 0; j < n_columns; ++j) {
    double* const column = columns + j * n;
    const double size = std::sqrt(dot(column, column));
    for (std::size_t i = 0; i < j; ++i) {
      if (r[i][i] == 0.0) continue;
      r[i][j] = dot(columns + i * n, column);
      remove(column, r[i][j], columns + i * n);
    }
    const double left = std::sqrt(dot(column, column));
    if (!(left > 1e-9 * size)) continue;  // r[j][j] stays 0: left out
    r[j][j] = left;
    for (std::size_t i = 0; i < n; ++i) column[i] /= left;
    y[j] = dot(column, target);
    remove(target, y[j], column);
  }
  for (std::size_t j = n_columns; j-- > 0;) {
    double value = y[j];
    for (std::size_t l = j + 1; l < n_columns; ++l) value -= r[j][l] * coefficients[l];
    coefficients[j] = r[j][j] == 0.0 ? 0.0 : value / r[j][j];
  }
  return dot(target, target);
}

/// The linear parameters: floor, amplitude and factor of the area.
struct linear_terms {
  std::array<double, 3> values{};
  double objective = infinity;  ///< half the sum of (1 - L_pred / L_obs)^2
};

/// Those that minimise the relative squares, none negative: the best of the eight sets of active bounds.
/// @param power,area `[n]` factors of amplitude and -annealing
/// @param work scratch, grown to 4 n
[[nodiscard]] inline linear_terms fit_linear_terms(std::span<const double> power, std::span<const double> area,
                                                   vector_view<const double> loss, std::vector<double>& work) {
  const std::size_t n = loss.size();
  work.resize(4 * n);
  linear_terms best;
  for (unsigned active = 0; active < 8; ++active) {  // bit j: parameter j is 0
    std::array<std::size_t, 3> which{};
    std::size_t n_columns = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      if ((active >> j & 1U) == 0) which[n_columns++] = j;
    }
    double* const target = work.data() + 3 * n;
    for (std::size_t i = 0; i < n; ++i) {
      const std::array<double, 3> row{1.0 / loss[i], power[i] / loss[i], -area[i] / loss[i]};
      for (std::size_t c = 0; c < n_columns; ++c) work[c * n + i] = row[which[c]];
      target[i] = 1.0;
    }
    std::array<double, 3> coefficients{};
    const double objective = 0.5 * solve_columns(work.data(), n_columns, n, target, coefficients.data());
    linear_terms here{{}, objective};
    bool feasible = true;
    for (std::size_t c = 0; c < n_columns; ++c) {
      feasible = feasible && coefficients[c] >= 0.0;
      here.values[which[c]] = coefficients[c];
    }
    if (feasible && objective < best.objective) best = here;
    if (feasible && active == 0) break;  // the free optimum obeys the bounds
  }
  return best;
}

/// What is known about a parameter: the squared norm of its column of the Jacobian, and of what no other column spans. The latter is
/// 1 / (J'J)^-1_jj.
struct column_norms {
  double whole = 0.0;
  double alone = 0.0;
};

// Of the last column, by modified Gram-Schmidt. The rows are overwritten.
template <std::size_t N>
[[nodiscard]] column_norms regress_last_column(std::vector<std::array<double, N>>& rows) noexcept {
  column_norms norms;
  const auto dot = [&](std::size_t a, std::size_t b) {
    double sum = 0.0;
    for (const std::array<double, N>& row : rows) sum += row[a] * row[b];
    return sum;
  };
  for (std::size_t c = 0; c < N; ++c) {
    norms.whole = dot(c, c);
    for (int pass = 0; pass < 2; ++pass) {  // twice is enough where columns nearly depend on each other
      for (std::size_t b = 0; b < c; ++b) {
        const double along = dot(b, c);
        for (std::array<double, N>& row : rows) row[c] -= along * row[b];
      }
    }
    norms.alone = dot(c, c);
    const double scale = norms.alone > 1e-18 * norms.whole ? 1.0 / std::sqrt(norms.alone) : 0.0;
    for (std::array<double, N>& row : rows) row[c] *= scale;
  }
  return norms;
}

/// Norms for each parameter of a Jacobian.
/// @param held parameters at a bound, which do not adapt when the others move
template <std::size_t N>
[[nodiscard]] std::array<column_norms, N> parameter_norms(const std::vector<std::array<double, N>>& slopes,
                                                          const std::array<bool, N>& held) {
  std::array<column_norms, N> norms;
  std::vector<std::array<double, N>> rows(slopes.size());
  for (std::size_t j = 0; j < N; ++j) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      rows[i] = slopes[i];
      for (std::size_t l = 0; l < N; ++l) {
        if (l != j && held[l]) rows[i][l] = 0.0;
      }
      std::swap(rows[i][j], rows[i][N - 1]);
    }
    norms[j] = regress_last_column(rows);
  }
  return norms;
}

/// What the residuals say about the variance of the noise, as it enters the standard errors of parameters fitted by Huber's loss (infinite
/// delta: least squares): the mean squared slope over the square of the share in the quadratic zone. Infinite if no point is left over.
[[nodiscard]] inline double noise_variance(std::span<const double> residuals, double delta, std::size_t n_free) noexcept {
  const std::size_t n = residuals.size();
  double squares = 0.0, quadratic = 0.0;
  for (const double residual : residuals) {
    const double weight = huber_weight(residual, delta);
    squares += weight * weight * residual * residual;
    quadratic += weight == 1.0 ? 1.0 : 0.0;
  }
  const double share = quadratic / static_cast<double>(n);
  return n > n_free && share > 0.0 ? squares / static_cast<double>(n - n_free) / (share * share) : infinity;
}

/// Whether a fit leaves less than one loss for all points would, beyond what chance gives its parameters: the likelihood ratio of the sums of
/// Huber losses of the log residuals, at 1 %.
/// @param extra parameters besides the constant
[[nodiscard]] inline bool explains(vector_view<const double> observed, std::span<const double> predicted, double delta, double extra) {
  const auto n = static_cast<double>(observed.size());
  double left = 0.0, constant = 0.0;
  for (std::size_t i = 0; i < observed.size(); ++i) {
    left += huber_loss(std::log(observed[i] / predicted[i]), delta);
    constant += std::log(observed[i]) / n;
  }
  double of_constant = 0.0;
  for (int round = 0; round < 50; ++round) {  // reweighted means; a finite delta needs several
    double weights = 0.0, sum = 0.0;
    of_constant = 0.0;
    for (const double loss : observed) {
      const double residual = std::log(loss) - constant, weight = huber_weight(residual, delta);
      of_constant += huber_loss(residual, delta);
      weights += weight;
      sum += weight * residual;
    }
    constant += sum / weights;
    if (delta == infinity) break;
  }
  if (!(of_constant > 1e-28 * n) || left == 0.0) return true;  // nothing to explain, or nothing left
  const double ratio = n * std::log(of_constant / left);
  return ratio > 0.0 && regularized_gamma_q(0.5 * extra, 0.5 * ratio) < 0.01;
}

/// Fills R^2 and the relative errors of a fit.
template <class Fit>
void describe_errors(vector_view<const double> observed, std::span<const double> predicted, Fit& result) noexcept {
  const auto n = static_cast<double>(observed.size());
  double mean = 0.0, residual_squares = 0.0, total_squares = 0.0;
  for (const double loss : observed) mean += loss / n;
  for (std::size_t i = 0; i < observed.size(); ++i) {
    const double residual = observed[i] - predicted[i], relative = std::abs(residual / observed[i]);
    residual_squares += residual * residual;
    total_squares += (observed[i] - mean) * (observed[i] - mean);
    result.mean_relative_error += relative / n;
    result.max_relative_error = (std::fmax)(result.max_relative_error, relative);
  }
  if (total_squares > 1e-28 * n * mean * mean) result.r_squared = 1.0 - residual_squares / total_squares;
}

}  // namespace gavel::schedule::detail
