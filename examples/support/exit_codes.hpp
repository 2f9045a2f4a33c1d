// SPDX-License-Identifier: MIT
#pragma once

#include <stdexcept>
#include <string>

/// @file
/// How every program ends: one table of exit codes, and the exceptions that stand for them. `run_main` catches them.

namespace examples {

/// An exception with the exit code of a program that it ends.
struct program_error : std::runtime_error {
  program_error(int code, const std::string& message) : std::runtime_error(message), exit_code(code) {}
  int exit_code;
};

template <int Code>
struct program_error_of : program_error {
  explicit program_error_of(const std::string& message) : program_error(Code, message) {}
};

inline constexpr int exit_usage = 1, exit_input = 2;
/// An input that cannot be read or is not what it must be: the message names the file and, where there is one, the place in it.
using input_error = program_error_of<exit_input>;
/// A file that cannot be written, or a figure that cannot be drawn.
using output_error = program_error_of<3>;
/// The program ran, and a result is not the one that is known or follows from theory.
using check_error = program_error_of<4>;
/// The input is right, but does not determine an answer.
using no_answer = program_error_of<5>;

/// The table as `--help` shows it.
inline constexpr const char* exit_codes_help =
    "Exit status: 0 success, 1 wrong usage, 2 bad input (the message names the file and the place), 3 output not written,\n"
    "4 a result is not the known one, 5 no answer: the input leaves it open (the message says why).";

}  // namespace examples
