// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>  // isatty

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>

/// @file
/// What the programs leave behind: files, figures drawn by gnuplot, and a line of progress on a terminal.

namespace examples {

/// A file that cannot be written, or a figure that cannot be drawn.
struct output_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Creates or replaces a file. @throws output_error
inline void write_text(const std::string& path, const std::string& text) {
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  if (!stream) throw output_error(path + ": cannot be opened for writing");
  stream << text;
  stream.close();
  if (!stream) throw output_error(path + ": cannot be written");
}

/// A text as gnuplot reads it: a quote inside quotes is doubled.
[[nodiscard]] inline std::string gnuplot_quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("''") : std::string(1, c);
  return result + "'";
}

/// Starts gnuplot as a process and gives it a script that draws @p file.
/// @return false if there is no gnuplot on this machine
/// @throws output_error if gnuplot fails
[[nodiscard]] inline bool run_gnuplot(const std::string& file, const std::string& script) {
  if (std::system("command -v gnuplot >/dev/null 2>&1") != 0) return false;
  std::FILE* const gnuplot = popen("gnuplot >/dev/null", "w");
  if (gnuplot == nullptr) throw output_error(file + ": gnuplot cannot be started");
  const bool written = std::fwrite(script.data(), 1, script.size(), gnuplot) == script.size();
  if (pclose(gnuplot) != 0 || !written) throw output_error(file + ": gnuplot could not write the figure");
  return true;
}

/// Draws @p file, or says on stderr that there is no gnuplot and leaves no file.
/// @throws output_error if the file cannot be written or gnuplot fails
inline void draw_or_note(const std::string& file, const std::string& script) {
  write_text(file, "");  // says "cannot be written" before gnuplot does it in its own words
  if (run_gnuplot(file, script)) return;
  std::remove(file.c_str());
  std::fprintf(stderr, "note: gnuplot not found, %s not drawn (Debian: apt-get install gnuplot-nox)\n", file.c_str());
}

/// One line on a terminal's stderr that is overwritten; nothing in a log file.
class progress_line {
 public:
  void show(const std::string& text) {
    if (!terminal_) return;
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
    std::fflush(stderr);
  }
  ~progress_line() {
    if (terminal_) std::fprintf(stderr, "\r\033[K");
  }

 private:
  bool terminal_ = isatty(STDERR_FILENO) != 0;
};

}  // namespace examples
