// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/config.hpp>

#include <concepts>
#include <cstddef>
#include <cstdio>   // snprintf
#include <cstdlib>  // abort
#include <stdexcept>
#include <string>
#include <type_traits>

/// @file
/// How every function of the library refuses bad input: one sentence that names the function, the parameter, the offending value, its
/// index and the rule. Throwing code is cold and out of line, so that a check costs a compare and a branch.
///
///     gavel::speculative::verify_chain: draft_tokens[2] = 50258, must be < vocabulary size 50257
///
/// Without exceptions (`-fno-exceptions`) the sentence goes to a handler. The default one prints nothing and aborts; a debugger finds the
/// sentence in the core dump with `print gavel::abort_message`.
///
/// Build all files of a program that include gavel with exceptions, or all without. Functions of headers are merged by the linker, which
/// keeps one body of each for the whole program: in a mixed program a refusal may throw into code that cannot unwind (no destructors run,
/// or std::terminate), or abort where a caller waits to catch. Where both kinds must meet, keep gavel inside a shared library with
/// `-fvisibility=hidden -fvisibility-inlines-hidden`, and let no exception leave it.

namespace gavel {

/// Called with the full message instead of a throw where exceptions are disabled (`-fno-exceptions`). Must not return; if it does, the
/// program aborts. It never runs in a program built with exceptions.
using error_handler = void (*)(const char* message);

/// What the program aborts for, null before; for debuggers and for handlers of SIGABRT.
inline const char* volatile abort_message = nullptr;

namespace detail {

inline error_handler& current_error_handler() noexcept {
  static error_handler handler = nullptr;
  return handler;
}

/// A number in an error message: integers print whole, reals with up to nine significant digits.
struct printed_number {
  enum class kind { none, integer, count, real };
  kind type = kind::none;
  long long integer = 0;
  unsigned long long count = 0;
  double real = 0.0;

  constexpr printed_number() = default;
  template <class T>
    requires std::integral<T> || std::floating_point<T>
  constexpr printed_number(T value) {  // implicit on purpose: call sites pass plain numbers
    if constexpr (std::floating_point<T>) {
      type = kind::real;
      real = static_cast<double>(value);
    } else if constexpr (std::is_signed_v<T>) {
      type = kind::integer;
      integer = value;
    } else {
      type = kind::count;
      count = value;
    }
  }

  [[nodiscard]] std::string text() const {
    char buffer[48] = {};
    switch (type) {
      case kind::none: break;
      case kind::integer: std::snprintf(buffer, sizeof buffer, "%lld", integer); break;
      case kind::count: std::snprintf(buffer, sizeof buffer, "%llu", count); break;
      case kind::real: std::snprintf(buffer, sizeof buffer, "%.9g", real != real ? __builtin_nan("") : real); break;  // never "-nan"
    }
    return buffer;
  }
};

inline constexpr std::size_t no_index = static_cast<std::size_t>(-1);

[[nodiscard]] GAVEL_COLD inline std::string error_message(const char* function, const char* parameter, std::size_t index,
                                                          printed_number value, const char* rule, printed_number bound) {
  std::string message = std::string(function) + ": " + parameter;
  if (index != no_index) message += "[" + printed_number(index).text() + "]";
  if (value.type != printed_number::kind::none) message += " = " + value.text();
  message += std::string(", ") + rule;
  if (bound.type != printed_number::kind::none) message += " " + bound.text();
  return message;
}

template <class Exception>
[[noreturn]] GAVEL_COLD inline void raise(const std::string& message) {
#if GAVEL_HAS_EXCEPTIONS
  throw Exception(message);
#else
  if (current_error_handler() != nullptr) current_error_handler()(message.c_str());
  abort_message = message.c_str();
  std::abort();
#endif
}

}  // namespace detail

/// Installs the handler for builds without exceptions; returns the previous one (null: abort).
/// @note Not synchronised: call it once, before other threads use the library.
inline error_handler set_error_handler(error_handler handler) noexcept {
  const error_handler previous = detail::current_error_handler();
  detail::current_error_handler() = handler;
  return previous;
}

/// Refuses an argument of the wrong shape, range or kind.
/// @param function  full name, `gavel::topic::function`
/// @param parameter name as the signature spells it; for several values at once, their names
/// @param value     what was passed
/// @param rule      what must hold, for example "must be >= 1" or, followed by @p bound, "must be < vocabulary size"
/// @throws std::invalid_argument always
[[noreturn]] GAVEL_COLD inline void invalid_argument(const char* function, const char* parameter, detail::printed_number value,
                                                     const char* rule, detail::printed_number bound = {}) {
  detail::raise<std::invalid_argument>(detail::error_message(function, parameter, detail::no_index, value, rule, bound));
}

/// The same for element @p index of a sequence.
[[noreturn]] GAVEL_COLD inline void invalid_argument_at(const char* function, const char* parameter, std::size_t index,
                                                        detail::printed_number value, const char* rule, detail::printed_number bound = {}) {
  detail::raise<std::invalid_argument>(detail::error_message(function, parameter, index, value, rule, bound));
}

/// Refuses a number outside the mathematical domain: NaN, a negative probability, a row that does not sum to one.
/// @throws std::domain_error always
[[noreturn]] GAVEL_COLD inline void domain_error(const char* function, const char* parameter, detail::printed_number value,
                                                 const char* rule, detail::printed_number bound = {}) {
  detail::raise<std::domain_error>(detail::error_message(function, parameter, detail::no_index, value, rule, bound));
}

/// The same for element @p index of a sequence.
[[noreturn]] GAVEL_COLD inline void domain_error_at(const char* function, const char* parameter, std::size_t index,
                                                    detail::printed_number value, const char* rule, detail::printed_number bound = {}) {
  detail::raise<std::domain_error>(detail::error_message(function, parameter, index, value, rule, bound));
}

}  // namespace gavel
