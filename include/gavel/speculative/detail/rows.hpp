// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/simplex.hpp>
#include <gavel/core/views.hpp>
#include <gavel/kernels/sample.hpp>
#include <gavel/speculative/verifier.hpp>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

/// @file
/// Small steps shared by everything that reads rows: which draft probabilities count, row checks that name the row.

namespace gavel::speculative::detail {

/// Target and draft rows of one floating type, const or not.
template <class P, class Q>
concept row_scalars = std::floating_point<std::remove_const_t<P>> && std::same_as<std::remove_const_t<P>, std::remove_const_t<Q>>;

// Overloads instead of casts: a cast of a double to double is a warning, an implicit float to double as well.
[[nodiscard]] constexpr double real(float value) noexcept { return static_cast<double>(value); }
[[nodiscard]] constexpr double real(double value) noexcept { return value; }

/// Draft probabilities below this count as zero, everywhere in `speculative`: their inverses, and the quotients p / q, would leave the range
/// of T or of the quadrature nodes of a draft law. In messages it stands in words.
template <class T>
inline constexpr double least_draft_prob = sizeof(T) < sizeof(double) ? 0x1p-100 : 0x1p-1000;
template <class T>
inline constexpr const char* drawable_rule =
    sizeof(T) < sizeof(double) ? "must have draft probability >= 2^-100" : "must have draft probability >= 2^-1000";
template <class T>
inline constexpr const char* support_name =
    sizeof(T) < sizeof(double) ? "number of tokens with q >= 2^-100, which is" : "number of tokens with q >= 2^-1000, which is";

/// Whether a token of draft probability @p q can be drafted.
template <class T>
[[nodiscard]] constexpr bool drawable(T q) noexcept {
  return real(q) >= least_draft_prob<T>;
}

/// A draft row without the tokens that cannot be drafted.
template <class T>
inline void copy_drawable(std::span<const T> q, std::vector<T>& out) {
  out.assign(q.begin(), q.end());
  for (T& prob : out) prob = drawable(prob) ? prob : T(0);
}

/// Tokens too improbable to be drafted are part of a row, and weigh only once the drafts hold all but a trace of it: where no more than
/// @p mass is left, @p trimmed becomes a copy of the row without them. Allocates only then.
/// @return whether it became one by this call
template <class T>
[[nodiscard]] inline bool trim_draft_row(std::span<const T> q, double mass, std::vector<T>& trimmed) {
  constexpr double trace = sizeof(T) < sizeof(double) ? 0x1p-50 : 0x1p-900;
  if (mass >= trace || !trimmed.empty()) return false;
  copy_drawable(q, trimmed);
  return true;
}

/// How far the sum of a row may be from one, the default of `check_distribution`.
inline constexpr double row_tolerance = 1e-6;

/// So a probability may be that much above 1.
inline constexpr double largest_prob = 1.0 + row_tolerance;

/// `parameter`, or `parameter.row(index)`.
[[nodiscard]] GAVEL_COLD inline std::string row_name(const char* parameter, std::size_t index) {
  return index == no_index ? parameter : std::string(parameter) + ".row(" + std::to_string(index) + ")";
}

template <class T>
GAVEL_COLD inline void report_row(const char* function, const char* parameter, std::span<const T> row, std::size_t index) {
  check_distribution(function, row_name(parameter, index).c_str(), row);
}

/// Whether `check_distribution` would accept a row; @p sum receives its sum.
template <class T>
[[nodiscard]] inline bool is_distribution(std::span<const T> row, double& sum) noexcept {
  const weight_scan scan = scan_weights(row.data(), row.size());
  sum = scan.sum;
  if (!(std::fabs(sum - 1.0) <= row_tolerance)) return false;
  for (std::size_t i = 0; scan.suspect && i < row.size(); ++i) {
    if (row[i] < T(0)) return false;
  }
  return true;
}

/// Refuses a row that is no distribution, as `check_distribution` does, under the name `parameter` or `parameter.row(index)`.
/// @return its sum
template <class T>
inline double check_row(const char* function, const char* parameter, std::span<const T> row, std::size_t index = no_index) {
  double sum = 0.0;
  if (!is_distribution(row, sum)) [[unlikely]]
    report_row(function, parameter, row, index);
  return sum;
}
template <class T>
inline double check_row(const char* function, const char* parameter, matrix_view<const T> rows, std::size_t index) {
  return check_row(function, parameter, rows.row(index), index);
}

/// Refuses a call that needs a `prepare` before it.
inline void check_prepared(const char* function, bool prepared) {
  if (!prepared) refuse(function, "prepare", {}, "must be called first");
}

/// Refuses a token that is in @p parameter for the second time.
[[noreturn]] GAVEL_COLD inline void refuse_repeated(const char* function, const char* parameter, token_id token, std::size_t index) {
  refuse(function, parameter, token, (std::string("must differ from the ") + parameter + " before it").c_str(), {}, index);
}

/// One token ~ p, one uniform.
template <class T>
[[nodiscard]] inline std::size_t draw_from(std::span<const T> p, double u) {
  return kernels::sample(p.data(), p.size(), u);
}

/// A sampler's index as a token; token 0 where it found no weight, which only rows that are no distributions (trusted wrongly) can do.
[[nodiscard]] constexpr token_id token_or_first(std::size_t index, std::size_t vocabulary_size) noexcept {
  return index < vocabulary_size ? static_cast<token_id>(index) : token_id{0};
}

/// Refuses an entry of a row of probabilities that is none.
inline void check_prob(const char* function, const char* parameter, double prob, std::size_t index = no_index) {
  if (prob >= 0.0 && prob <= largest_prob) return;
  if (index == no_index) domain_error(function, parameter, prob, "must be in [0, 1]");
  domain_error_at(function, parameter, index, prob, "must be in [0, 1]");
}

/// Refuses a drafted token that the draft law cannot have drawn, and probabilities that are none.
template <class T>
inline void check_drafted(const char* function, const char* parameter, std::size_t index, token_id token, T target, T draft) {
  check_prob(function, "target probability of draft", real(target), index);
  check_prob(function, "draft probability of draft", real(draft), index);
  if (!drawable(draft)) refuse(function, parameter, token, drawable_rule<T>, {}, index);
}

}  // namespace gavel::speculative::detail
