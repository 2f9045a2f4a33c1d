// SPDX-License-Identifier: MIT
#pragma once

#include "support/exit_codes.hpp"

#include <unistd.h>  // isatty

#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

/// @file
/// What the programs leave behind: files, tables as CSV, and a line of progress on a terminal.

namespace examples {

/// Refuses files that cannot be written before any work is done for them. What is in them stays; what was not there is not left behind.
/// `run_main` does it for the outputs of every program.
/// @param paths  empty ones are options that were not given
/// @throws output_error that names the first that cannot be opened
inline void require_writable(std::initializer_list<std::string> paths) {
  namespace fs = std::filesystem;
  for (const std::string& path : paths) {
    std::error_code ignored;
    if (path.empty() || fs::is_other(path, ignored)) continue;  // a reader at the end of a pipe would see it close
    const bool is_there = fs::exists(fs::symlink_status(path, ignored));
    if (!std::ofstream(path, std::ios::binary | std::ios::app)) throw output_error(path + ": cannot be opened for writing");
    if (!is_there) std::remove(path.c_str());
  }
}

/// Creates or replaces a file.
/// @throws output_error
inline void write_text(const std::string& path, const std::string& text) {
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  if (!stream) throw output_error(path + ": cannot be opened for writing");
  stream << text;
  stream.close();
  if (!stream) throw output_error(path + ": cannot be written");
}

/// A number with up to @p digits significant digits; nothing without a value.
[[nodiscard]] inline std::string real(std::optional<double> value, int digits = 9) {
  char text[32] = "";
  if (value) std::snprintf(text, sizeof text, "%.*g", digits, *value);
  return text;
}

/// A number of things in words: "1 file", "2 files".
/// @param many  where it is not @p one with an s
[[nodiscard]] inline std::string counted(std::size_t n, const std::string& one, const std::string& many = "") {
  return std::to_string(n) + " " + (n == 1 ? one : many.empty() ? one + "s" : many);
}

/// A text as a CSV cell that may hold commas and quotes.
[[nodiscard]] inline std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) result += c == '"' ? std::string("\"\"") : std::string(1, c);
  return result + "\"";
}

/// A CSV row by row.
class csv_writer {
 public:
  /// @param header names of the columns, with their commas
  explicit csv_writer(std::string header) : text_(std::move(header) + "\n") {}

  /// @param cells whole numbers, and texts that are taken as they are: see `real` and `quoted`
  template <class... Cells>
  void row(const Cells&... cells) {
    const char* separator = "";
    const auto add = [&](const auto& cell) {
      text_ += separator;
      if constexpr (std::is_integral_v<std::decay_t<decltype(cell)>>) text_ += std::to_string(cell);
      else text_ += cell;
      separator = ",";
    };
    (add(cells), ...);
    text_ += "\n";
  }
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
};

/// One line on a terminal's stderr that is overwritten; nothing in a log file.
class progress_line {
 public:
  void show(const std::string& text) {
    if (!terminal_) return;
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
    std::fflush(stderr);
  }
  ~progress_line() { show(""); }

 private:
  bool terminal_ = isatty(STDERR_FILENO) != 0;
};

}  // namespace examples
