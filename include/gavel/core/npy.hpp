// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/detail/npy_header.hpp>
#include <gavel/core/check.hpp>
#include <gavel/core/storage.hpp>
#include <gavel/core/views.hpp>

#include <bit>     // bit_cast
#include <cerrno>  // errno
#include <cmath>   // isfinite, isnan
#include <cstddef>
#include <cstdint>
#include <cstdio>   // fopen, fread, fwrite
#include <cstring>  // strerror, memcmp
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// @file
/// NumPy `.npy` files: read logits that a model exported with `numpy.save`, write results that `numpy.load` opens. Formats 1.0, 2.0
/// and 3.0, one or two dimensions, little-endian float16, float32 and float64, C or Fortran order. Everything else is refused with one
/// sentence that names the file and the byte or header field, so that a wrong export is found in seconds. The bytes are untrusted: nothing
/// is read beyond them and nothing is allocated by what the header claims.
///
/// @par Source
/// NumPy Enhancement Proposal 1, "A simple file format for NumPy arrays" (R. Kern, 2007), and `numpy.lib.format`.

namespace gavel {

/// A parsed array over bytes that somebody else owns.
class npy_view {
 public:
  npy_view() = default;
  /// @param data the elements, `rows * cols * npy_scalar_size(scalar)` bytes; made by `parse_npy`
  npy_view(const npy_header& header, kept_view<const std::byte> data) noexcept : header_(header), data_(data) {}

  [[nodiscard]] const npy_header& header() const noexcept { return header_; }
  [[nodiscard]] std::size_t rows() const noexcept { return header_.rows; }
  [[nodiscard]] std::size_t cols() const noexcept { return header_.cols; }

  /// One element, exact in double; unchecked.
  [[nodiscard]] double operator()(std::size_t row, std::size_t col) const noexcept {
    const std::size_t width = npy_scalar_size(header_.scalar);
    const std::size_t index = header_.fortran_order ? col * header_.rows + row : row * header_.cols + col;
    const std::uint64_t bits = detail::little_endian(data_.data() + index * width, width);
    switch (header_.scalar) {
      case npy_scalar::float16: return static_cast<double>(widen(half{static_cast<std::uint16_t>(bits)}));
      case npy_scalar::float32: return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
      case npy_scalar::float64: break;
    }
    return std::bit_cast<double>(bits);
  }

  /// Copies row @p row into @p out, one conversion per element.
  /// @throws std::invalid_argument if the row does not exist or `out.size() != cols()`
  template <dense_output Out>
    requires std::floating_point<scalar_of<Out>>
  void read_row(std::size_t row, Out&& out) const {
    const auto to = as_span(std::forward<Out>(out));
    check_index("gavel::npy_view::read_row", "row", row, "rows", rows());
    check_size("gavel::npy_view::read_row", "out.size()", to.size(), "cols", cols());
    for (std::size_t col = 0; col < cols(); ++col) to[col] = static_cast<scalar_of<Out>>((*this)(row, col));
  }

 private:
  npy_header header_;
  std::span<const std::byte> data_;
};

/// An array together with the bytes of its file.
struct npy_array {
  std::vector<std::byte> bytes;  ///< the whole file
  npy_header header;

  /// The elements; valid while this object lives and keeps its bytes.
  [[nodiscard]] npy_view view() const& noexcept { return {header, std::span<const std::byte>(bytes).subspan(header.data_offset)}; }
  npy_view view() const&& = delete;  // of a temporary it would dangle: give the array a name
};

/// Reads a `.npy` file that is already in memory, without copying it.
/// @param bytes the whole file, any content; must outlive the result
/// @param name  how error messages call it, usually the path
/// @return a view whose shape and byte count have been checked against each other
/// @throws std::invalid_argument `gavel::parse_npy: NAME: PLACE..., RULE` where PLACE is a byte offset or a header field: no magic bytes,
///         unknown format version, malformed header, element type that is not a little-endian float, 0 or more than 2 dimensions, a shape
///         whose size overflows, fewer or more bytes than the shape needs
/// @note O(header); allocates for error messages only. Safe on hostile bytes.
[[nodiscard]] inline npy_view parse_npy(kept_view<const std::byte> bytes, const char* name) {
  constexpr const char* function = "gavel::parse_npy";
  const auto ends_in = [&](const char* part) {
    detail::npy_error(function, name, "byte " + detail::npy_text(bytes.size()) + ": file ends in the " + part);
  };
  if (bytes.size() < 6) ends_in("magic bytes, must start with \\x93NUMPY");
  if (std::memcmp(bytes.data(), detail::npy_magic, sizeof detail::npy_magic) != 0)
    detail::npy_error(function, name, "byte 0: not a NumPy file, must start with \\x93NUMPY");
  if (bytes.size() < 8) ends_in("format version");
  const unsigned major = std::to_integer<unsigned>(bytes[6]);
  const unsigned minor = std::to_integer<unsigned>(bytes[7]);
  if (major < 1 || major > 3 || minor != 0) {
    detail::npy_error(function, name,
                      "byte 6: format version " + detail::npy_text(major) + "." + detail::npy_text(minor) + ", must be 1.0, 2.0 or 3.0");
  }
  const std::size_t length_size = major == 1 ? 2 : 4;
  if (bytes.size() < 8 + length_size) ends_in("header length");
  const std::size_t header_offset = 8 + length_size;
  const std::size_t header_size = detail::little_endian(bytes.data() + 8, length_size);
  if (bytes.size() - header_offset < header_size) {
    detail::npy_error(function, name,
                      "byte " + detail::npy_text(bytes.size()) + ": file ends in the header, byte 8 says that it has " +
                          detail::npy_text(header_size) + " bytes");
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()) + header_offset, header_size);
  npy_header header = detail::npy_header_parser(name, text, header_offset).parse();
  header.data_offset = header_offset + header_size;

  const std::string shape = header.dimensions == 1 ? "(" + detail::npy_text(header.cols) + ",)"
                                                   : "(" + detail::npy_text(header.rows) + ", " + detail::npy_text(header.cols) + ")";
  std::size_t needed = 0;
  if (__builtin_mul_overflow(header.rows, header.cols, &needed) ||
      __builtin_mul_overflow(needed, npy_scalar_size(header.scalar), &needed)) {
    detail::npy_error(function, name, "header field 'shape' = " + shape + ", its size in bytes overflows 64 bits");
  }
  const std::size_t available = bytes.size() - header.data_offset;
  if (available < needed) {
    detail::npy_error(function, name,
                      "byte " + detail::npy_text(bytes.size()) + ": file ends in the data, shape " + shape + " needs " +
                          detail::npy_text(needed) + " bytes from byte " + detail::npy_text(header.data_offset) + ", found " +
                          detail::npy_text(available));
  }
  if (available > needed) {
    detail::npy_error(function, name,
                      "byte " + detail::npy_text(header.data_offset + needed) + ": " + detail::npy_text(available - needed) +
                          " bytes follow the data, shape " + shape + " needs " + detail::npy_text(needed));
  }
  return {header, std::span<const std::byte>(bytes).subspan(header.data_offset)};
}

/// Reads a `.npy` file from disk.
/// @param path a file, or anything else that can be opened and read to its end
/// @throws std::invalid_argument `gavel::read_npy: PATH: ...` if it cannot be opened or read; whatever `parse_npy` throws
/// @note Memory: the file once, up to twice while it grows. Elements are converted when they are read, not here.
[[nodiscard]] inline npy_array read_npy(const char* path) {
  struct closer {
    std::FILE* file;
    ~closer() {
      if (file != nullptr) std::fclose(file);
    }
  };
  const closer input{std::fopen(path, "rb")};
  if (input.file == nullptr) detail::npy_error("gavel::read_npy", path, std::string("cannot be opened: ") + std::strerror(errno));
  npy_array array;
  std::size_t used = 0;
  do {
    array.bytes.resize(used + (used / 2 < (std::size_t{1} << 16) ? std::size_t{1} << 16 : used / 2));
    used += std::fread(array.bytes.data() + used, 1, array.bytes.size() - used, input.file);
  } while (used == array.bytes.size());
  if (std::ferror(input.file) != 0) {
    const int reason = errno;
    detail::npy_error("gavel::read_npy", path, "cannot be read at byte " + detail::npy_text(used) + ": " + std::strerror(reason));
  }
  array.bytes.resize(used);
  array.header = parse_npy(array.bytes, path).header();
  return array;
}

/// Makes sure that every row can be turned into probabilities: values are finite or -inf (a masked token), and each row has a finite one.
/// @param logits `[positions, vocabulary]`
/// @param name   how the message calls the file
/// @throws std::domain_error `gavel::check_npy_logits: NAME: row R, column C = nan, must be finite or -inf`, or `... row R, every value
///         is -inf, must have a finite value`
/// @note O(rows * cols), no allocation unless it throws.
inline void check_npy_logits(const npy_view& logits, const char* name) {
  const auto refuse = [&](const std::string& what) {
    detail::raise<std::domain_error>(std::string("gavel::check_npy_logits: ") + name + ": " + what);
  };
  for (std::size_t row = 0; row < logits.rows(); ++row) {
    bool has_finite = false;
    for (std::size_t col = 0; col < logits.cols(); ++col) {
      const double value = logits(row, col);
      if (std::isfinite(value)) {
        has_finite = true;
      } else if (!(value < 0.0)) {
        refuse("row " + detail::npy_text(row) + ", column " + detail::npy_text(col) + " = " + (std::isnan(value) ? "nan" : "inf") +
               ", must be finite or -inf");
      }
    }
    if (!has_finite) refuse("row " + detail::npy_text(row) + ", every value is -inf, must have a finite value");
  }
}

/// The bytes that `numpy.save` writes for this array (format 1.0, C order).
/// @param values `[rows, cols]`, float or double
/// @param scalar element type of the file; a narrower one rounds to nearest even (float16 by way of float32)
/// @return the whole file
template <dense_matrix M>
  requires std::floating_point<scalar_of<M>>
[[nodiscard]] std::vector<std::byte> encode_npy(const M& values, npy_scalar scalar) {
  const matrix_view<const scalar_of<M>> rows(values);
  std::string text = "{'descr': '";
  text += scalar == npy_scalar::float16 ? "<f2" : scalar == npy_scalar::float32 ? "<f4" : "<f8";
  text += "', 'fortran_order': False, 'shape': (" + detail::npy_text(rows.rows()) + ", " + detail::npy_text(rows.cols()) + "), }";
  // NumPy pads so that the data start at a multiple of 64 bytes.
  constexpr std::size_t prefix = 10;
  while ((prefix + text.size() + 1) % 64 != 0) text += ' ';
  text += '\n';

  const std::size_t width = npy_scalar_size(scalar);
  std::vector<std::byte> bytes;
  bytes.reserve(prefix + text.size() + rows.rows() * rows.cols() * width);
  for (const unsigned char byte : detail::npy_magic) bytes.push_back(std::byte{byte});
  bytes.push_back(std::byte{1});  // format version 1.0
  bytes.push_back(std::byte{0});
  bytes.push_back(static_cast<std::byte>(text.size() & 255u));
  bytes.push_back(static_cast<std::byte>(text.size() >> 8));
  for (const char letter : text) bytes.push_back(static_cast<std::byte>(letter));
  for (std::size_t row = 0; row < rows.rows(); ++row) {
    for (std::size_t col = 0; col < rows.cols(); ++col) {
      const double value = static_cast<double>(rows(row, col));
      const std::uint64_t bits = scalar == npy_scalar::float16   ? to_half(static_cast<float>(value)).bits
                                 : scalar == npy_scalar::float32 ? std::bit_cast<std::uint32_t>(static_cast<float>(value))
                                                                 : std::bit_cast<std::uint64_t>(value);
      for (std::size_t i = 0; i < width; ++i) bytes.push_back(static_cast<std::byte>((bits >> (8 * i)) & 255u));
    }
  }
  return bytes;
}

/// Writes an array so that `numpy.load` reads it.
/// @param path   file to create or replace
/// @param values `[rows, cols]`
/// @param scalar element type of the file
/// @throws std::invalid_argument `gavel::write_npy: PATH: ...` if it cannot be opened or written to the end
template <dense_matrix M>
  requires std::floating_point<scalar_of<M>>
void write_npy(const char* path, const M& values, npy_scalar scalar) {
  const std::vector<std::byte> bytes = encode_npy(values, scalar);
  std::FILE* const file = std::fopen(path, "wb");
  if (file == nullptr) detail::npy_error("gavel::write_npy", path, std::string("cannot be opened: ") + std::strerror(errno));
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  const bool closed = std::fclose(file) == 0;  // a full disk may show only here
  if (!written || !closed) detail::npy_error("gavel::write_npy", path, std::string("cannot be written: ") + std::strerror(errno));
}

}  // namespace gavel
