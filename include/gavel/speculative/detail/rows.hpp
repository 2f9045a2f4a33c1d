// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/error.hpp>
#include <gavel/core/simplex.hpp>
#include <gavel/core/views.hpp>
#include <gavel/kernels/residual.hpp>
#include <gavel/kernels/sample.hpp>
#include <gavel/speculative/types.hpp>

#include <concepts>
#include <cstddef>
#include <cstdio>  // snprintf
#include <span>
#include <type_traits>

/// @file
/// Small steps shared by the verifiers that read many rows: row checks that name the row, and draws from `(p - c q)+`.

namespace gavel::speculative::detail {

/// Target and draft rows of one floating type, const or not.
template <class P, class Q>
concept row_scalars = std::floating_point<std::remove_const_t<P>> && std::same_as<std::remove_const_t<P>, std::remove_const_t<Q>>;

// Overloads instead of casts: a cast of a double to double is a warning, an implicit float to double as well.
[[nodiscard]] constexpr double real(float value) noexcept { return static_cast<double>(value); }
[[nodiscard]] constexpr double real(double value) noexcept { return value; }

template <class T>
GAVEL_COLD inline void report_row(const char* function, const char* parameter, std::size_t row_index, std::span<const T> row) {
  char name[96] = {};
  std::snprintf(name, sizeof name, "%s.row(%zu)", parameter, row_index);
  check_distribution(function, name, row);
}

/// Refuses a row that is no distribution, as `check_distribution` does, under the name `parameter.row(index)`.
template <class T>
inline void check_row(const char* function, const char* parameter, matrix_view<const T> rows, std::size_t row_index) {
  const std::span<const T> row = rows.row(row_index);
  const auto scan = gavel::detail::scan_weights(row.data(), row.size());
  if (scan.suspect || !(scan.sum >= 1.0 - 1e-6 && scan.sum <= 1.0 + 1e-6)) [[unlikely]] report_row(function, parameter, row_index, row);
}

/// One token ~ p, one uniform.
template <class T>
[[nodiscard]] inline std::size_t draw_from(std::span<const T> p, double u) {
  return kernels::sample(p.data(), p.size(), u);
}

/// One token ~ norm((p - c q)+), one uniform. Where rounding has left nothing of the difference (p = q up to the last bits: an event of
/// probability about 1e-16), the token comes from p.
template <class T>
[[nodiscard]] inline std::size_t draw_from_difference(std::span<const T> p, std::span<const T> q, double c, double u) {
  const std::size_t token = kernels::residual_sample(p.data(), q.data(), p.size(), u, c);
  return token < p.size() ? token : draw_from(p, u);
}

/// The law that `draw_from_difference` samples, written to @p out.
template <class T>
inline void difference_law(std::span<const T> p, std::span<const T> q, double c, std::span<double> out) {
  double sum = 0.0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double difference = real(p[i]) - c * real(q[i]);
    out[i] = difference > 0.0 ? difference : 0.0;
    sum += out[i];
  }
  if (!(sum > 0.0)) {
    for (std::size_t i = 0; i < p.size(); ++i) sum += out[i] = real(p[i]);
  }
  for (std::size_t i = 0; i < p.size(); ++i) out[i] /= sum;
}

/// Refuses a drafted token that the draft law cannot have drawn, and probabilities that are none.
template <class T>
inline void check_drafted(const char* function, const char* parameter, std::size_t index, token_id token, T target, T draft) {
  if (!(target >= T(0) && target <= T(1.001))) domain_error_at(function, "target probability of draft", index, target, "must be in [0, 1]");
  if (!(draft >= T(0) && draft <= T(1.001))) domain_error_at(function, "draft probability of draft", index, draft, "must be in [0, 1]");
  if (!(draft > T(0))) invalid_argument_at(function, parameter, index, token, "must have draft probability > 0");
}

}  // namespace gavel::speculative::detail
