// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>

/// @file
/// A whole file as text, and the error of one that cannot be had.

namespace examples {

/// An input that cannot be read or is not what it must be: the message names the file and, where there is one, the place in it.
struct input_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The bytes of a file. @throws input_error that names it
[[nodiscard]] inline std::string read_text(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) throw input_error(path + ": is a directory, must be a file");
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw input_error(path + ": cannot be opened");
  std::string text;
  char block[1 << 14];
  while (stream.read(block, sizeof block) || stream.gcount() > 0) text.append(block, static_cast<std::size_t>(stream.gcount()));
  if (stream.bad()) throw input_error(path + ": cannot be read");
  return text;
}

}  // namespace examples
