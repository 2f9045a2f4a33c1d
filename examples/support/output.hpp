// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>  // isatty

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <system_error>

/// @file
/// What the programs leave behind: files, figures drawn by gnuplot, and a line of progress on a terminal.

namespace examples {

/// A file that cannot be written, or a figure that cannot be drawn.
struct output_error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Refuses files that cannot be written before any work is done for them. What is in them stays; what was not there is not left behind.
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

/// The head of a gnuplot script that draws @p panels side by side, of one size, with their keys below them where they hide nothing.
/// @param key_rows  entries of the longest key
[[nodiscard]] inline std::string panels_above_keys(const std::string& svg, int panels, std::size_t key_rows) {
  const std::size_t key_height = 20 * key_rows + 70, height = 400 + key_height;  // with the labels of the axis
  char layout[320];
  std::snprintf(layout, sizeof layout,
                "set terminal svg size %d,%zu dynamic background rgb 'white' font 'sans,12'\n"
                "set multiplot layout 1,%d margins screen %.3f,0.98,%.3f,%.3f spacing screen 0.1\n"
                "set key below center maxcols 1 Left reverse noenhanced\n",
                550 * panels, height, panels, 0.15 / panels, static_cast<double>(key_height) / static_cast<double>(height),
                1.0 - 40.0 / static_cast<double>(height));
  return "set output " + gnuplot_quoted(svg) + "\n" + layout;
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
