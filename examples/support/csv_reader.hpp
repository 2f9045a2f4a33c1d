// SPDX-License-Identifier: MIT
#pragma once

#include "support/text_file.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// @file
/// Numbers out of a table that some trainer wrote: comma, semicolon or tab between cells, a header or none, quotes, empty lines and `#`
/// comments.

namespace examples {

/// A table of text cells that knows from which line each row came. Every error names the file and, where there is one, line and column.
class csv_table {
 public:
  /// @param path a file, or `-` for standard input
  /// @throws input_error if it cannot be read or is empty, or rows differ in their number of cells
  [[nodiscard]] static csv_table read(const std::string& path) {
    csv_table table;
    table.name_ = file_name(path);
    table.parse(read_text(path));
    return table;
  }

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::size_t rows() const noexcept { return rows_.size(); }
  [[nodiscard]] std::size_t columns() const noexcept { return n_columns_; }

  /// What a message calls a column.
  [[nodiscard]] std::string label(std::size_t column) const {
    return header_.empty() ? "column " + std::to_string(column + 1) : "column '" + header_[column] + "'";
  }

  /// The column with this name or number, counted from 1. A name beats a number.
  [[nodiscard]] std::optional<std::size_t> find(std::string_view wanted) const {
    for (std::size_t k = 0; k < header_.size(); ++k) {
      if (header_[k] == wanted) return k;
    }
    std::size_t number = 0;
    for (const char c : wanted) {
      if (c < '0' || c > '9' || number > n_columns_) return std::nullopt;
      number = number * 10 + static_cast<std::size_t>(c - '0');
    }
    if (number < 1 || number > n_columns_) return std::nullopt;
    return number - 1;
  }
  /// The column that a user asked for, or else the first of the usual names that there is.
  /// @param wanted  what the user gave as @p option, or empty
  /// @param what    the column holds
  /// @throws input_error that lists what there is
  [[nodiscard]] std::size_t column(const std::string& wanted, std::initializer_list<std::string> usual, const std::string& what,
                                   const std::string& option) const {
    if (!wanted.empty()) {
      if (const auto found = find(wanted)) return *found;
      fail_with_columns("has no column '" + wanted + "'");
    }
    for (const std::string& name : usual) {
      if (const auto found = find(name)) return *found;
    }
    fail_with_columns("name the one that holds " + what + " with " + option);
  }

  /// The column of training steps that a user asked for, or else one with a usual name; empty if there is none.
  /// @throws input_error if the one asked for does not exist
  [[nodiscard]] std::optional<std::size_t> step_column(const std::string& wanted, const std::string& option) const {
    if (!wanted.empty()) return column(wanted, {}, "the step", option);
    for (const char* name : {"step", "global_step", "iteration", "iter"}) {
      if (const auto found = find(name)) return found;
    }
    return std::nullopt;
  }

  [[nodiscard]] const std::string& text(std::size_t row, std::size_t column) const { return rows_[row].cells[column]; }
  /// The number in a cell; `nan` and `inf` are numbers.
  /// @throws input_error otherwise
  [[nodiscard]] double number(std::size_t row, std::size_t column) const {
    const auto value = to_number(text(row, column));
    if (!value) fail(row, column, "must be a number");
    return *value;
  }
  /// The training step in a cell.
  /// @param largest  at most 2^53, and how a message writes it
  /// @throws input_error unless it is a whole number in [0, largest]
  [[nodiscard]] std::uint64_t step(std::size_t row, std::size_t column, double largest, const std::string& largest_text) const {
    const double value = number(row, column);
    if (value >= 0.0 && value <= largest && value == std::floor(value)) return static_cast<std::uint64_t>(value);
    fail(row, column, "must be a whole number in [0, " + largest_text + "]");
  }
  [[noreturn]] void fail(std::size_t row, std::size_t column, const std::string& rule) const {
    throw input_error(rows_[row].place + ": " + label(column) + " is '" + text(row, column) + "', " + rule);
  }

 private:
  struct numbered_row {
    std::string place;
    std::vector<std::string> cells;
  };

  [[noreturn]] void fail_with_columns(const std::string& what) const {
    std::string message = name_ + ": " + what + "; it has " + std::to_string(n_columns_) + (n_columns_ == 1 ? " column" : " columns");
    for (std::size_t k = 0; k < header_.size(); ++k) message += (k == 0 ? ": " : ", ") + header_[k];
    throw input_error(message);
  }
  [[nodiscard]] static std::optional<double> to_number(const std::string& cell) {
    if (cell.empty()) return std::nullopt;
    char* end = nullptr;
    const double value = std::strtod(cell.c_str(), &end);
    if (*end != '\0') return std::nullopt;
    return value;
  }
  [[nodiscard]] static std::vector<std::string> split(std::string_view line, char separator) {
    std::vector<std::string> cells;
    std::string cell;
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (line[i] == '"') {
        if (quoted && i + 1 < line.size() && line[i + 1] == '"') cell += line[++i];
        else quoted = !quoted;
      } else if (line[i] == separator && !quoted) {
        cells.emplace_back(trimmed(cell));
        cell.clear();
      } else {
        cell += line[i];
      }
    }
    cells.emplace_back(trimmed(cell));
    return cells;
  }

  void parse(std::string_view text) {
    char separator = '\0';
    for_each_line(name_, text, [&](const std::string& place, std::string_view line) {
      if (trimmed(line)[0] == '#') return;
      if (line.find('\0') != std::string_view::npos) throw input_error(place + ": is not text");
      if (separator == '\0') {
        separator = ',';
        for (const char candidate : {'\t', ';'}) {
          if (trimmed(line).find(candidate) != std::string_view::npos) separator = candidate;
        }
      }
      std::vector<std::string> cells = split(line, separator);
      if (n_columns_ == 0) {
        n_columns_ = cells.size();
        bool numbers = true;
        for (const std::string& cell : cells) numbers = numbers && (cell.empty() || to_number(cell));
        if (!numbers) {
          header_ = std::move(cells);
          return;
        }
      }
      if (cells.size() != n_columns_) {
        throw input_error(place + ": has " + std::to_string(cells.size()) + " cells, the first row has " + std::to_string(n_columns_));
      }
      rows_.push_back({place, std::move(cells)});
    });
    if (rows_.empty()) throw input_error(name_ + ": has no row of numbers");
  }

  std::string name_;
  std::size_t n_columns_ = 0;
  std::vector<std::string> header_;
  std::vector<numbered_row> rows_;
};

}  // namespace examples
