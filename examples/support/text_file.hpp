// SPDX-License-Identifier: MIT
#pragma once

#include "support/exit_codes.hpp"

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <system_error>

/// @file
/// A whole file as text, and its lines.

namespace examples {

/// What a message calls a file; `-` is standard input.
[[nodiscard]] inline std::string file_name(const std::string& path) { return path == "-" ? "standard input" : path; }

/// The bytes of a file, or of standard input if @p path is `-`.
/// @throws input_error that names it
[[nodiscard]] inline std::string read_text(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) throw input_error(path + ": is a directory, must be a file");
  std::ifstream file;
  if (path != "-") file.open(path, std::ios::binary);
  if (!file) throw input_error(path + ": cannot be opened");
  std::istream& stream = path == "-" ? std::cin : file;
  std::string text;
  char block[1 << 14];
  while (stream.read(block, sizeof block) || stream.gcount() > 0) text.append(block, static_cast<std::size_t>(stream.gcount()));
  if (stream.bad()) throw input_error(file_name(path) + ": cannot be read");
  return text;
}

/// Without the blanks at its ends.
[[nodiscard]] inline std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n\v\f";
  const std::size_t first = text.find_first_not_of(blanks);
  return first == std::string_view::npos ? std::string_view() : text.substr(first, text.find_last_not_of(blanks) + 1 - first);
}

/// Calls @p visit with the place ("FILE:LINE") and the text of each line that holds more than blanks.
template <class Visit>
void for_each_line(const std::string& name, std::string_view text, Visit&& visit) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // the mark that spreadsheets put before UTF-8
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!trimmed(line).empty()) visit(name + ":" + std::to_string(number), line);
  }
}

}  // namespace examples
