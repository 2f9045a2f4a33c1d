// SPDX-License-Identifier: MIT
#pragma once

#include "support/text_file.hpp"

#include <cctype>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// @file
/// Numbers out of a table that some trainer wrote: comma, semicolon or tab between cells, a header or none, quotes, empty lines and `#`
/// comments.

namespace examples {

/// A table that cannot be read: the message names file, line and cell.
struct table_error : input_error {
  using input_error::input_error;
};

/// A table of text cells that knows from which line each row came.
class text_table {
 public:
  /// @param path a file, or `-` for standard input
  /// @throws input_error if it cannot be read
  /// @throws table_error if it is empty, or rows differ in their number of cells
  [[nodiscard]] static text_table read(const std::string& path) {
    text_table table;
    table.name_ = path == "-" ? "standard input" : path;
    std::string text;
    if (path == "-") {
      text.assign(std::istreambuf_iterator<char>(std::cin), {});
    } else {
      text = read_text(path);
    }
    table.parse(text);
    return table;
  }

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::size_t rows() const noexcept { return rows_.size(); }
  [[nodiscard]] std::size_t columns() const noexcept { return n_columns_; }
  [[nodiscard]] std::size_t line(std::size_t row) const { return lines_[row]; }

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
  /// @throws table_error that lists what there is
  [[nodiscard]] std::size_t require(std::string_view wanted) const {
    if (const auto column = find(wanted)) return *column;
    fail_with_columns("has no column '" + std::string(wanted) + "'");
  }
  [[noreturn]] void fail_with_columns(const std::string& what) const {
    std::string message = name_ + ": " + what + "; it has " + std::to_string(n_columns_) + (n_columns_ == 1 ? " column" : " columns");
    for (std::size_t k = 0; k < header_.size(); ++k) message += (k == 0 ? ": " : ", ") + header_[k];
    throw table_error(message);
  }

  [[nodiscard]] bool is_empty(std::size_t row, std::size_t column) const { return rows_[row][column].empty(); }

  /// The number in a cell; `nan` and `inf` are numbers.
  /// @throws table_error otherwise
  [[nodiscard]] double number(std::size_t row, std::size_t column) const {
    const auto value = to_number(rows_[row][column]);
    if (!value) fail(row, column, "must be a number");
    return *value;
  }
  [[noreturn]] void fail(std::size_t row, std::size_t column, const std::string& rule) const {
    throw table_error(name_ + ":" + std::to_string(lines_[row]) + ": " + label(column) + " is '" + rows_[row][column] + "', " + rule);
  }

 private:
  [[nodiscard]] static std::optional<double> to_number(const std::string& cell) {
    if (cell.empty()) return std::nullopt;
    char* end = nullptr;
    const double value = std::strtod(cell.c_str(), &end);
    if (*end != '\0') return std::nullopt;
    return value;
  }
  [[nodiscard]] static std::string trimmed(std::string_view text) {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
    return std::string(text);
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
        cells.push_back(trimmed(cell));
        cell.clear();
      } else {
        cell += line[i];
      }
    }
    cells.push_back(trimmed(cell));
    return cells;
  }

  void parse(std::string_view text) {
    if (text.substr(0, 3) == "\xef\xbb\xbf") text.remove_prefix(3);  // the mark that spreadsheets put before UTF-8
    char separator = '\0';
    for (std::size_t number = 1; !text.empty(); ++number) {
      const std::size_t end = text.find('\n');
      const std::string line = trimmed(text.substr(0, end));
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
      if (line.empty() || line[0] == '#') continue;
      if (line.find('\0') != std::string::npos) throw table_error(name_ + ":" + std::to_string(number) + ": is not text");
      if (separator == '\0') {
        separator = ',';
        for (const char candidate : {'\t', ';'}) {
          if (line.find(candidate) != std::string::npos) separator = candidate;
        }
      }
      std::vector<std::string> cells = split(line, separator);
      if (n_columns_ == 0) {
        n_columns_ = cells.size();
        bool numbers = true;
        for (const std::string& cell : cells) numbers = numbers && (cell.empty() || to_number(cell));
        if (!numbers) {
          header_ = std::move(cells);
          continue;
        }
      }
      if (cells.size() != n_columns_) {
        throw table_error(name_ + ":" + std::to_string(number) + ": has " + std::to_string(cells.size()) + " cells, the first row has " +
                          std::to_string(n_columns_));
      }
      rows_.push_back(std::move(cells));
      lines_.push_back(number);
    }
    if (rows_.empty()) throw table_error(name_ + ": has no row of numbers");
  }

  std::string name_;
  std::size_t n_columns_ = 0;
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> lines_;
};

}  // namespace examples
