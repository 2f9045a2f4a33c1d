// SPDX-License-Identifier: MIT
#pragma once

#include "support/exit_codes.hpp"
#include "support/output.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

/// @file
/// What all programs have in common: options that are checked by one rule before any work, and one way to end.

namespace examples {

/// CLI11's own two say "not in range 0.0000 to" and the largest double in full.
inline const CLI::Validator positive_number(
    [](const std::string& value) { return std::strtod(value.c_str(), nullptr) > 0.0 ? "" : "Value " + value + " must be > 0"; },
    "POSITIVE");
inline const CLI::Validator not_negative_number(
    [](const std::string& value) { return std::strtod(value.c_str(), nullptr) >= 0.0 ? "" : "Value " + value + " must be >= 0"; },
    "NONNEGATIVE");

namespace detail {

/// A file that the program writes, by the name that such options have in every program.
[[nodiscard]] inline bool is_output(const CLI::Option& option) {
  return option.check_lname("csv") || option.check_lname("json") || option.check_lname("svg") || option.check_lname("out") ||
         option.check_lname("save-log");
}

/// Numbers are finite, and counts are not negative: CLI11 turns "-1" into a huge count and lets NaN pass every range.
inline void check_numbers(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  for (const std::string& value : option.results()) {
    if (type.starts_with("UINT") && value.starts_with('-')) {
      throw CLI::ValidationError(option.get_name(), "Value " + value + " must not be negative");
    }
    if (type.starts_with("FLOAT") && !std::isfinite(std::strtod(value.c_str(), nullptr))) {
      throw CLI::ValidationError(option.get_name(), "Value " + value + " must be a finite number");
    }
  }
}

/// The values that may be paths: what was given, or else the default.
[[nodiscard]] inline std::vector<std::string> texts_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  if (type.starts_with("UINT") || type.starts_with("INT") || type.starts_with("FLOAT")) return {};
  return option.count() > 0 ? option.results() : std::vector<std::string>{option.get_default_str()};
}

/// No output replaces an input, whole or inside a folder that is read, and no two outputs are one file.
inline void check_outputs(const CLI::App& app) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  std::vector<std::string> outputs, places;
  for (const CLI::Option* const option : app.get_options()) {
    if (!is_output(*option)) continue;
    for (const std::string& path : option->results()) {
      if (path.empty() || path == "-" || fs::is_other(path, ignored)) continue;
      const std::string name = option->get_name();
      const fs::path place = fs::weakly_canonical(fs::absolute(path), ignored);
      if (std::find(places.begin(), places.end(), place.string()) != places.end()) {
        throw CLI::ValidationError(name, path + " is also written by another option");
      }
      outputs.push_back(path);
      places.push_back(place.string());
      if (!fs::exists(path, ignored)) continue;
      for (const CLI::Option* const other : app.get_options()) {
        if (is_output(*other)) continue;
        for (const std::string& input : texts_of(*other)) {
          if (input.empty() || !fs::exists(input, ignored)) continue;
          const fs::path source = fs::canonical(input, ignored);
          const bool within = std::mismatch(source.begin(), source.end(), place.begin(), place.end()).first == source.end();
          if (within || fs::equivalent(path, input, ignored)) {
            throw CLI::ValidationError(name, path + " is there and would be read as input, from " + input);
          }
        }
      }
    }
  }
  for (const std::string& path : outputs) require_writable({path});
}

}  // namespace detail

/// Parses the arguments, checks them, runs the program, and turns what it throws into a message and an exit code.
/// @param app  the options; `--help` ends with the exit codes. Files that are written are `--csv`, `--json`, `--svg`, `--out`, `--save-log`
/// @param run  called once the arguments are parsed; arguments that do not go together are its CLI::ValidationError
/// @return what main returns
template <class Run>
[[nodiscard]] int run_main(CLI::App& app, int argc, char** argv, Run&& run) {
  const std::string footer = app.get_footer();
  app.footer(footer + (footer.empty() ? "" : "\n\n") + exit_codes_help);
  const auto end = [&app](int code, const std::exception& error) {
    std::fflush(stdout);  // the message comes last
    std::fprintf(stderr, "%s: %s\n", app.get_name().c_str(), error.what());
    return code;
  };
  try {
    app.parse(argc, argv);
    for (const CLI::Option* const option : app.get_options()) detail::check_numbers(*option);
    detail::check_outputs(app);
    run();
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) throw output_error("standard output: cannot be written");
    return 0;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : exit_usage;
  } catch (const program_error& error) {
    return end(error.exit_code, error);
  } catch (const std::exception& error) {  // what the library says about its arguments
    return end(exit_input, error);
  }
}

}  // namespace examples
