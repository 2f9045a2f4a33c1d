// SPDX-License-Identifier: MIT
#include <gavel/core/npy.hpp>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <vector>

// Any bytes: either one clear error that names the file, or an array whose shape fits the bytes and whose elements can be read.

namespace {

void require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "npy_fuzz: %s\n", what);
  std::abort();
}

bool is_clear(std::string_view message, std::string_view prefix) {
  if (!message.starts_with(prefix) || message.size() <= prefix.size() || message.size() > 400) return false;
  for (const char c : message) {
    if (c < ' ' || c > '~') return false;
  }
  return true;
}

void check_array(const gavel::npy_view& array, std::span<const std::byte> bytes) {
  const gavel::npy_header& header = array.header();
  require(header.dimensions == 1 || header.dimensions == 2, "dimensions");
  require(header.dimensions == 2 || header.rows == 1, "a vector is one row");
  require(header.rows == 0 || header.cols <= bytes.size() / header.rows, "more elements than bytes");
  require(header.data_offset + header.rows * header.cols * gavel::npy_scalar_size(header.scalar) == bytes.size(), "byte count");

  // A billion empty rows fit in an empty file: read a bounded number.
  const std::size_t rows = header.cols == 0 ? 0 : header.rows;
  std::vector<double> values(header.rows * header.cols);
  for (std::size_t row = 0; row < rows; ++row) array.read_row(row, std::span<double>(values).subspan(row * header.cols, header.cols));
  if (header.cols == 0 && header.rows > 1024) return;
  try {
    gavel::check_npy_logits(array, "fuzz.npy");
    for (const double value : values) require(value < HUGE_VAL, "a checked value is NaN or +inf");
  } catch (const std::domain_error& error) {
    require(is_clear(error.what(), "gavel::check_npy_logits: fuzz.npy: row "), error.what());
  }

  // What is written is read back as it was.
  const std::vector<std::byte> written =
      gavel::encode_npy(gavel::matrix_view<const double>(values.data(), header.rows, header.cols), header.scalar);
  const gavel::npy_view again = gavel::parse_npy(written, "fuzz.npy");
  require(again.rows() == header.rows && again.cols() == header.cols && again.header().scalar == header.scalar, "round trip of the shape");
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t col = 0; col < header.cols; ++col) {
      const double value = array(row, col);
      require(again(row, col) == value || (std::isnan(value) && std::isnan(again(row, col))), "round trip of a value");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    check_array(gavel::parse_npy(bytes, "fuzz.npy"), bytes);
  } catch (const std::invalid_argument& error) {
    require(is_clear(error.what(), "gavel::parse_npy: fuzz.npy: "), error.what());
  }
  return 0;
}
