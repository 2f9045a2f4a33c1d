// SPDX-License-Identifier: MIT
#pragma once

#include "support/exit_codes.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <exception>
#include <string>

namespace examples {

/// Parses the arguments, runs the program, and turns what it throws into a message and an exit code.
/// @param app  the options; `--help` ends with the exit codes
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
