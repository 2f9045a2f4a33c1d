// SPDX-License-Identifier: MIT
#pragma once

#include "support/output.hpp"

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>

/// @file
/// Figures, drawn by gnuplot as a process of its own where it is installed.

namespace examples {

/// A text as gnuplot reads it: a quote inside quotes is doubled.
[[nodiscard]] inline std::string gnuplot_quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("''") : std::string(1, c);
  return result + "'";
}

/// A line of a data block.
[[nodiscard]] inline std::string point(double x, double y) { return real(x) + " " + real(y) + "\n"; }

/// The data blocks of a script.
class gnuplot_data {
 public:
  /// @param points lines made by `point`
  /// @return what a plot calls the block
  std::string add(const std::string& points) {
    const std::string name = "$data" + std::to_string(n_blocks_++);
    text_ += name + " << EOD\n" + points + "EOD\n";
    return name;
  }
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
  std::size_t n_blocks_ = 0;
};

/// The beginning of a script.
/// @param svg            file that it draws
/// @param width, height  pixels
[[nodiscard]] inline std::string figure_head(const std::string& svg, std::size_t width, std::size_t height, int font_size = 12) {
  return "set terminal svg size " + std::to_string(width) + "," + std::to_string(height) + " dynamic background rgb 'white' font 'sans," +
         std::to_string(font_size) + "'\nset output " + gnuplot_quoted(svg) + "\n";
}

/// The beginning of a script that draws @p panels side by side, of one size, with their keys below them where they hide nothing.
/// @param key_rows  entries of the longest key
[[nodiscard]] inline std::string panels_above_keys(const std::string& svg, std::size_t panels, std::size_t key_rows) {
  const std::size_t key_height = 20 * key_rows + 70, height = 400 + key_height;  // with the labels of the axis
  char layout[200];
  std::snprintf(layout, sizeof layout,
                "set multiplot layout 1,%zu margins screen %.3f,0.965,%.3f,%.3f spacing screen 0.12\n"
                "set key bmargin center maxcols 1 Left reverse noenhanced samplen 2 font ',11'\n",
                panels, 0.18 / static_cast<double>(panels), static_cast<double>(key_height) / static_cast<double>(height),
                1.0 - 40.0 / static_cast<double>(height));
  return figure_head(svg, 415 * panels, height) + layout;
}

/// Draws @p svg, or says on stderr that there is no gnuplot and leaves no file.
/// @throws output_error if the file cannot be written or gnuplot fails
inline void draw_or_note(const std::string& svg, const std::string& script) {
  write_text(svg, "");  // says "cannot be written" before gnuplot does it in its own words
  if (std::system("command -v gnuplot >/dev/null 2>&1") != 0) {
    std::remove(svg.c_str());
    std::fflush(stdout);  // the note comes after the tables
    std::fprintf(stderr, "note: gnuplot not found, %s not drawn (Debian: apt-get install gnuplot-nox)\n", svg.c_str());
    return;
  }
  std::FILE* const gnuplot = popen("gnuplot >/dev/null", "w");
  if (gnuplot == nullptr) throw output_error(svg + ": gnuplot cannot be started");
  const bool written = std::fwrite(script.data(), 1, script.size(), gnuplot) == script.size();
  if (pclose(gnuplot) != 0 || !written) throw output_error(svg + ": gnuplot could not write the figure");
}

}  // namespace examples
