// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/error.hpp>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

/// @file
/// The header of a `.npy` file; `gavel/core/npy.hpp` is what users include.

namespace gavel {

/// Element type of a file.
enum class npy_scalar { float16, float32, float64 };

/// Bytes per element.
[[nodiscard]] constexpr std::size_t npy_scalar_size(npy_scalar scalar) noexcept {
  return scalar == npy_scalar::float16 ? 2 : scalar == npy_scalar::float32 ? 4 : 8;
}

/// What a file says about its array.
struct npy_header {
  npy_scalar scalar = npy_scalar::float64;
  std::size_t dimensions = 2;   ///< 1 or 2; a vector is one row
  std::size_t rows = 0;         ///< 1 for a vector
  std::size_t cols = 0;         ///< elements of a vector
  bool fortran_order = false;   ///< columns are contiguous
  std::size_t data_offset = 0;  ///< bytes before the first element
};

namespace detail {

inline constexpr unsigned char npy_magic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

[[nodiscard]] GAVEL_COLD inline std::string npy_text(std::size_t count) { return printed_number(count).text(); }

[[noreturn]] GAVEL_COLD inline void npy_error(const char* function, const char* name, const std::string& what) {
  raise<std::invalid_argument>(std::string(function) + ": " + name + ": " + what);
}

// File contents end up in error messages and those on terminals: only printable ASCII, and not much of it.
[[nodiscard]] GAVEL_COLD inline std::string npy_quoted(std::string_view text) {
  constexpr std::size_t longest = 40;
  std::string safe = "'";
  for (std::size_t i = 0; i < text.size() && i < longest; ++i) safe += text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
  return safe + (text.size() > longest ? "...'" : "'");
}

/// Reads the Python dictionary literal of a header; refuses what `numpy.save` never writes.
class npy_header_parser {
 public:
  npy_header_parser(const char* name, std::string_view text, std::size_t offset) : name_(name), text_(text), offset_(offset) {}

  [[nodiscard]] npy_header parse() {
    skip_space();
    expect('{', "must be '{', the start of the header dictionary");
    skip_space();
    while (!take('}')) {
      read_entry();
      skip_space();
      if (take(',')) {
        skip_space();
      } else if (position_ >= text_.size() || text_[position_] != '}') {
        fail("must be ',' or '}' after a header entry");
      }
    }
    skip_space();
    if (position_ != text_.size()) fail("must be white space after the header dictionary");
    if (!has_descr_) missing("descr");
    if (!has_order_) missing("fortran_order");
    if (!has_shape_) missing("shape");
    return header_;
  }

 private:
  static constexpr const char* function = "gavel::parse_npy";

  [[noreturn]] GAVEL_COLD void fail(const char* rule) const {
    const std::string found = position_ < text_.size() ? "found " + npy_quoted(text_.substr(position_, 1)) : std::string("header ends");
    npy_error(function, name_, "byte " + npy_text(offset_ + position_) + ": " + found + ", " + rule);
  }
  [[noreturn]] GAVEL_COLD void missing(const char* field) const {
    npy_error(function, name_, std::string("header field '") + field + "' is missing");
  }

  void skip_space() noexcept {
    while (position_ < text_.size() &&
           (text_[position_] == ' ' || text_[position_] == '\n' || text_[position_] == '\t' || text_[position_] == '\r')) {
      ++position_;
    }
  }
  [[nodiscard]] bool take(char wanted) noexcept {
    if (position_ >= text_.size() || text_[position_] != wanted) return false;
    ++position_;
    return true;
  }
  void expect(char wanted, const char* rule) {
    if (!take(wanted)) fail(rule);
  }

  [[nodiscard]] std::string_view quoted_string(const char* rule) {
    const char quote = position_ < text_.size() ? text_[position_] : '\0';
    if (quote != '\'' && quote != '"') fail(rule);
    const std::size_t first = ++position_;
    while (position_ < text_.size() && text_[position_] != quote) ++position_;
    if (position_ >= text_.size()) fail("must be the closing quote of a string");
    return text_.substr(first, position_++ - first);
  }

  // A bare word such as True; used for the order flag, and to show what stands where a string was expected.
  [[nodiscard]] std::string_view word() noexcept {
    const std::size_t first = position_;
    while (position_ < text_.size() && text_[position_] != ',' && text_[position_] != '}' && text_[position_] != ' ' &&
           text_[position_] != '\n') {
      ++position_;
    }
    return text_.substr(first, position_ - first);
  }

  void read_entry() {
    const std::string_view key = quoted_string("must be a quoted header field or '}'");
    skip_space();
    expect(':', "must be ':' after a header field");
    skip_space();
    if (key == "descr") {
      once(has_descr_, "descr");
      read_descr();
    } else if (key == "fortran_order") {
      once(has_order_, "fortran_order");
      const std::string_view value = word();
      if (value != "True" && value != "False") {
        npy_error(function, name_, "header field 'fortran_order' = " + npy_quoted(value) + ", must be True or False");
      }
      header_.fortran_order = value == "True";
    } else if (key == "shape") {
      once(has_shape_, "shape");
      read_shape();
    } else {
      npy_error(function, name_, "header field " + npy_quoted(key) + " is unknown, must be 'descr', 'fortran_order' or 'shape'");
    }
  }

  void once(bool& seen, const char* field) const {
    if (seen) npy_error(function, name_, std::string("header field '") + field + "' stands twice");
    seen = true;
  }

  void read_descr() {
    constexpr const char* rule = ", must be '<f2', '<f4' or '<f8' (little-endian float16, float32 or float64)";
    const bool is_string = position_ < text_.size() && (text_[position_] == '\'' || text_[position_] == '"');
    const std::string_view value = is_string ? quoted_string("must be a string") : word();
    if (is_string && value == "<f2") {
      header_.scalar = npy_scalar::float16;
    } else if (is_string && value == "<f4") {
      header_.scalar = npy_scalar::float32;
    } else if (is_string && value == "<f8") {
      header_.scalar = npy_scalar::float64;
    } else {
      npy_error(function, name_, "header field 'descr' = " + npy_quoted(value) + rule);
    }
  }

  [[nodiscard]] std::size_t count() {
    if (position_ >= text_.size() || text_[position_] < '0' || text_[position_] > '9') fail("must be a digit of 'shape'");
    std::size_t value = 0;
    for (; position_ < text_.size() && text_[position_] >= '0' && text_[position_] <= '9'; ++position_) {
      const std::size_t digit = static_cast<std::size_t>(text_[position_] - '0');
      if (__builtin_mul_overflow(value, std::size_t{10}, &value) || __builtin_add_overflow(value, digit, &value)) {
        npy_error(function, name_, "header field 'shape' has a dimension that overflows 64 bits");
      }
    }
    if (position_ < text_.size() && text_[position_] == 'L') ++position_;  // Python 2 wrote long integers as 3L
    return value;
  }

  void read_shape() {
    expect('(', "must be '(', the start of 'shape'");
    skip_space();
    std::size_t sizes[2] = {0, 0};
    std::size_t dimensions = 0;
    bool comma = true;
    while (!take(')')) {
      if (!comma) fail("must be ',' or ')' in 'shape'");
      const std::size_t size = count();
      if (dimensions < 2) sizes[dimensions] = size;
      ++dimensions;
      skip_space();
      comma = take(',');
      skip_space();
    }
    if (dimensions == 1 && !comma)
      npy_error(function, name_, "header field 'shape' is a number in brackets, must be a tuple such as (3,) or (2, 3)");
    if (dimensions < 1 || dimensions > 2) {
      npy_error(function, name_, "header field 'shape' has " + npy_text(dimensions) + " dimensions, must have 1 or 2");
    }
    header_.dimensions = dimensions;
    header_.rows = dimensions == 2 ? sizes[0] : 1;
    header_.cols = dimensions == 2 ? sizes[1] : sizes[0];
  }

  const char* name_;
  std::string_view text_;
  std::size_t offset_;
  std::size_t position_ = 0;
  npy_header header_;
  bool has_descr_ = false;
  bool has_order_ = false;
  bool has_shape_ = false;
};

[[nodiscard]] inline std::uint64_t little_endian(const std::byte* bytes, std::size_t count) noexcept {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  return value;
}

}  // namespace detail

}  // namespace gavel
