// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/error.hpp>

#include <concepts>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <type_traits>

/// @file
/// The vocabulary of argument checks: one word per rule, one exception per kind of mistake, one phrase for sizes.
///
///     check_positive(function, "temperature", options.temperature);      // f: temperature = 0, must be finite and > 0
///     check_at_least(function, "drafts.size()", drafts.size(), 1);       // f: drafts.size() = 0, must be >= 1
///     check_size(function, "out.size()", out.size(), "q.size()", n);     // f: out.size() = 3, must equal q.size() 4
///     check_index(function, "draft_tokens", token, "vocabulary size", v, i);  // f: draft_tokens[2] = 9, must be < vocabulary size 8
///
/// One rule for NaN: it is a `std::domain_error` wherever a number is asked for; every other number out of range is a
/// `std::invalid_argument`. (What is no distribution is a `std::domain_error` too: see `check_distribution` in simplex.hpp.)
///
/// Parameters that all of them share: `function`, the caller's full name; `parameter`, the name as the caller's signature spells it;
/// `index`, the place of the number in a sequence, printed as `parameter[index]`. All are usable in constant expressions, cost a compare
/// and a branch, and leave the message to cold code.

namespace gavel {

/// Value of `index` for a number that stands alone.
inline constexpr std::size_t no_index = detail::no_index;

/// Refuses @p value by the rule for NaN: `std::domain_error` if it or the bound is NaN, else `std::invalid_argument`. For the rules that
/// have no word below.
/// @param rule  what must hold, for example "must be odd" or, followed by @p bound, "must be <= the last step of the rates,"
[[noreturn]] GAVEL_COLD inline void refuse(const char* function, const char* parameter, detail::printed_number value, const char* rule,
                                           detail::printed_number bound = {}, std::size_t index = no_index) {
  const std::string message = detail::error_message(function, parameter, index, value, rule, bound);
  if (value.real != value.real || bound.real != bound.real) detail::raise<std::domain_error>(message);
  detail::raise<std::invalid_argument>(message);
}

namespace detail {

/// A name in words; no null pointer, and no literal 0, which is a bound.
template <class Name>
concept bound_name = std::convertible_to<Name, const char*> && !std::same_as<Name, std::nullptr_t>;

template <class T>
[[nodiscard]] constexpr bool finite(T value) noexcept {
  return value - value == T{0};
}

[[noreturn]] GAVEL_COLD inline void refuse_relation(const char* function, const char* parameter, printed_number value, const char* relation,
                                                    const char* name, printed_number bound, std::size_t index) {
  refuse(function, parameter, value, (std::string(relation) + " " + name).c_str(), bound, index);
}

}  // namespace detail

/// Any number but NaN, infinities included.
constexpr void check_not_nan(const char* function, const char* parameter, double value, std::size_t index = no_index) {
  if (value != value) refuse(function, parameter, value, "must not be NaN", {}, index);
}

/// -inf < value < inf.
constexpr void check_finite(const char* function, const char* parameter, double value, std::size_t index = no_index) {
  if (!detail::finite(value)) refuse(function, parameter, value, "must be finite", {}, index);
}

/// 0 < value < inf.
constexpr void check_positive(const char* function, const char* parameter, double value, std::size_t index = no_index) {
  if (!(value > 0.0 && detail::finite(value))) refuse(function, parameter, value, "must be finite and > 0", {}, index);
}

/// 0 <= value < inf.
constexpr void check_not_negative(const char* function, const char* parameter, double value, std::size_t index = no_index) {
  if (!(value >= 0.0 && detail::finite(value))) refuse(function, parameter, value, "must be finite and >= 0", {}, index);
}

/// Which ends of the unit interval are allowed.
enum class unit_ends {
  closed,     ///< [0, 1]
  open,       ///< (0, 1)
  zero_only,  ///< [0, 1)
  one_only    ///< (0, 1]
};

/// 0 <= value <= 1, less the ends that @p ends excludes: probabilities, shares, decay factors.
constexpr void check_unit_interval(const char* function, const char* parameter, double value, unit_ends ends = unit_ends::closed,
                                   std::size_t index = no_index) {
  const bool zero = ends == unit_ends::closed || ends == unit_ends::zero_only;
  const bool one = ends == unit_ends::closed || ends == unit_ends::one_only;
  if ((zero ? value >= 0.0 : value > 0.0) && (one ? value <= 1.0 : value < 1.0)) return;
  constexpr const char* rules[] = {"must be in (0, 1)", "must be in (0, 1]", "must be in [0, 1)", "must be in [0, 1]"};
  refuse(function, parameter, value, rules[(zero ? 2 : 0) + (one ? 1 : 0)], {}, index);
}

/// value >= bound, for counts and real numbers alike; @p name, if given, says what the bound is: "must be >= cols 7".
template <class T, detail::bound_name Name>
constexpr void check_at_least(const char* function, const char* parameter, T value, Name name, std::type_identity_t<T> bound,
                              std::size_t index = no_index) {
  if (!(value >= bound)) detail::refuse_relation(function, parameter, value, "must be >=", name, bound, index);
}
template <class T>
constexpr void check_at_least(const char* function, const char* parameter, T value, std::type_identity_t<T> bound,
                              std::size_t index = no_index) {
  if (!(value >= bound)) refuse(function, parameter, value, "must be >=", bound, index);
}

/// value <= bound; @p name, if given, says what the bound is: "must be <= trials 7".
template <class T, detail::bound_name Name>
constexpr void check_at_most(const char* function, const char* parameter, T value, Name name, std::type_identity_t<T> bound,
                             std::size_t index = no_index) {
  if (!(value <= bound)) detail::refuse_relation(function, parameter, value, "must be <=", name, bound, index);
}
template <class T>
constexpr void check_at_most(const char* function, const char* parameter, T value, std::type_identity_t<T> bound,
                             std::size_t index = no_index) {
  if (!(value <= bound)) refuse(function, parameter, value, "must be <=", bound, index);
}

/// value > bound; @p name, if given, says what the bound is: "must be > x_low 7".
template <class T, detail::bound_name Name>
constexpr void check_greater(const char* function, const char* parameter, T value, Name name, std::type_identity_t<T> bound,
                             std::size_t index = no_index) {
  if (!(value > bound)) detail::refuse_relation(function, parameter, value, "must be >", name, bound, index);
}
template <class T>
constexpr void check_greater(const char* function, const char* parameter, T value, std::type_identity_t<T> bound,
                             std::size_t index = no_index) {
  if (!(value > bound)) refuse(function, parameter, value, "must be >", bound, index);
}

/// value < size: token ids, nodes, rows. @p name says what the size is.
constexpr void check_index(const char* function, const char* parameter, std::size_t value, const char* name, std::size_t size,
                           std::size_t index = no_index) {
  if (value >= size) detail::refuse_relation(function, parameter, value, "must be <", name, size, index);
}

/// size == expected; @p parameter and @p name are written out, as "out.size()" and "q.size()", "draft.cols()" and "vocabulary size".
constexpr void check_size(const char* function, const char* parameter, std::size_t size, const char* name, std::size_t expected) {
  if (size != expected) detail::refuse_relation(function, parameter, size, "must equal", name, expected, no_index);
}

/// Each element greater than the one before it. @p values: anything with `size()` and `[]`.
template <class Values>
constexpr void check_ascending(const char* function, const char* parameter, const Values& values) {
  if (values.size() > 0) check_not_nan(function, parameter, static_cast<double>(values[0]), 0);
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (!(values[i] > values[i - 1])) refuse(function, parameter, values[i], "must be > the one before,", values[i - 1], i);
  }
}

/// No element smaller than the one before it.
template <class Values>
constexpr void check_not_descending(const char* function, const char* parameter, const Values& values) {
  if (values.size() > 0) check_not_nan(function, parameter, static_cast<double>(values[0]), 0);
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (!(values[i] >= values[i - 1])) refuse(function, parameter, values[i], "must be >= the one before,", values[i - 1], i);
  }
}

}  // namespace gavel
