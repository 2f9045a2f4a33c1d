// SPDX-License-Identifier: MIT
#include <gavel/core/npy.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace npy_test {

using gavel::testing::message_of;
using gavel::testing::not_a_number;
namespace {

using gavel::npy_scalar;

std::vector<std::byte> bytes_of(const std::string& text) {
  std::vector<std::byte> bytes;
  for (const char c : text) bytes.push_back(static_cast<std::byte>(c));
  return bytes;
}

// Built apart from the library: magic, version, length, dictionary, padding to 64, newline, data.
std::string file(const std::string& dictionary, const std::string& data, char major = 1) {
  const std::size_t prefix = major == 1 ? 10 : 12;
  std::string header = dictionary;
  while ((prefix + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string result = "\x93NUMPY";
  result += major;
  result += '\0';
  result += static_cast<char>(header.size() & 255u);
  result += static_cast<char>(header.size() >> 8);
  if (major != 1) result += std::string(2, '\0');
  return result + header + data;
}

std::string dictionary(const std::string& descr, const std::string& shape, const std::string& order = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
}

std::string file_error(const std::string& content) {
  return message_of([bytes = bytes_of(content)] { (void)gavel::parse_npy(bytes, "a.npy"); });
}

std::string header_error(const std::string& text) { return file_error(file(text, "")); }

// 1.0f, -2.5f, 0.0f, 3.0f, -inf, 65504.0f
const std::string six_floats(
    "\x00\x00\x80\x3f"
    "\x00\x00\x20\xc0"
    "\x00\x00\x00\x00"
    "\x00\x00\x40\x40"
    "\x00\x00\x80\xff"
    "\x00\xe0\x7f\x47",
    24);
const std::string six_halves(
    "\x00\x3c"
    "\x00\xc1"
    "\x00\x00"
    "\x00\x42"
    "\x00\xfc"
    "\xff\x7b",
    12);
const double six[6] = {1.0, -2.5, 0.0, 3.0, -std::numeric_limits<double>::infinity(), 65504.0};

}  // namespace

template <class Array>
concept viewable = requires { std::declval<Array>().view(); };
static_assert(viewable<const gavel::npy_array&> && !viewable<gavel::npy_array> && !viewable<const gavel::npy_array>,
              "a view of a temporary array would dangle");

TEST_CASE("npy: the bytes that numpy.save writes are read, for every version, order and element type", "[core][npy]") {
  for (const char major : {'\1', '\2', '\3'}) {
    const auto bytes = bytes_of(file(dictionary("<f4", "(2, 3)"), six_floats, major));
    const auto array = gavel::parse_npy(bytes, "a.npy");
    CHECK(array.rows() == 2);
    CHECK(array.cols() == 3);
    CHECK(array.header().dimensions == 2);
    CHECK(array.header().data_offset == 128);
    CHECK(array.header().scalar == npy_scalar::float32);
    for (std::size_t i = 0; i < 6; ++i) CHECK(array(i / 3, i % 3) == six[i]);
  }
  const auto halves = bytes_of(file(dictionary("<f2", "(2, 3)"), six_halves));
  const auto columns = bytes_of(file(dictionary("<f4", "(3, 2)", "True"), six_floats));
  const auto vector = bytes_of(file(dictionary("<f4", "(6,)"), six_floats));
  const auto python2 = bytes_of(file(dictionary("<f4", "(2L, 3L)"), six_floats));
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(gavel::parse_npy(halves, "a.npy")(i / 3, i % 3) == six[i]);
    CHECK(gavel::parse_npy(columns, "a.npy")(i % 3, i / 3) == six[i]);
    CHECK(gavel::parse_npy(vector, "a.npy")(0, i) == six[i]);
    CHECK(gavel::parse_npy(python2, "a.npy")(i / 3, i % 3) == six[i]);
  }
  CHECK(gavel::parse_npy(vector, "a.npy").header().dimensions == 1);
  CHECK(gavel::parse_npy(vector, "a.npy").rows() == 1);
  CHECK(gavel::parse_npy(columns, "a.npy").header().fortran_order);

  const auto wide = bytes_of(file(dictionary("<f8", "(1, 1)"), std::string("\x9a\x99\x99\x99\x99\x99\xb9\x3f", 8)));
  CHECK(gavel::parse_npy(wide, "a.npy")(0, 0) == 0.1);
  const auto reordered = bytes_of(file("{\"shape\":(1,1),'fortran_order':False,\"descr\":'<f4'}", six_floats.substr(0, 4)));
  CHECK(gavel::parse_npy(reordered, "a.npy")(0, 0) == 1.0);
  const auto empty = bytes_of(file(dictionary("<f4", "(0, 3)"), ""));
  CHECK(gavel::parse_npy(empty, "a.npy").rows() == 0);
}

TEST_CASE("npy: rows are copied as float or double", "[core][npy]") {
  const auto bytes = bytes_of(file(dictionary("<f2", "(2, 3)"), six_halves));
  const auto array = gavel::parse_npy(bytes, "a.npy");
  std::vector<double> row(3);
  array.read_row(1, row);
  CHECK(row == std::vector<double>(six + 3, six + 6));
  std::vector<float> narrow(3);
  array.read_row(0, std::span<float>(narrow));
  CHECK(narrow == std::vector<float>{1.0f, -2.5f, 0.0f});
  CHECK(message_of([&] { array.read_row(2, std::span<double>(row)); }) == "gavel::npy_view::read_row: row = 2, must be < rows 2");
  CHECK(message_of([&] { array.read_row(0, std::span<double>(row).first(2)); }) ==
        "gavel::npy_view::read_row: out.size() = 2, must equal cols 3");
}

TEST_CASE("npy: the writer produces what numpy.save produces", "[core][npy]") {
  const std::vector<double> values(six, six + 6);
  const gavel::matrix_view<const double> matrix(values.data(), 2, 3);
  CHECK(gavel::encode_npy(matrix, npy_scalar::float32) == bytes_of(file(dictionary("<f4", "(2, 3)"), six_floats)));
  CHECK(gavel::encode_npy(matrix, npy_scalar::float16) == bytes_of(file(dictionary("<f2", "(2, 3)"), six_halves)));
  const auto wide = gavel::encode_npy(matrix, npy_scalar::float64);
  for (std::size_t i = 0; i < 6; ++i) CHECK(gavel::parse_npy(wide, "a.npy")(i / 3, i % 3) == six[i]);

  const std::string path = "gavel_npy_test.npy";
  gavel::write_npy(path.c_str(), matrix, npy_scalar::float32);
  const auto back = gavel::read_npy(path.c_str());
  CHECK(back.bytes == gavel::encode_npy(matrix, npy_scalar::float32));
  CHECK(back.view()(1, 2) == 65504.0);
  std::remove(path.c_str());
}

TEST_CASE("npy: all 65,536 half-precision values survive the round trip", "[core][npy]") {
  std::string data;
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    data += static_cast<char>(bits & 255u);
    data += static_cast<char>(bits >> 8);
  }
  const auto bytes = bytes_of(file(dictionary("<f2", "(64, 1024)"), data));
  const auto array = gavel::parse_npy(bytes, "a.npy");
  std::vector<double> values(65536);
  for (std::size_t row = 0; row < 64; ++row) array.read_row(row, std::span<double>(values).subspan(row * 1024, 1024));
  // The format itself: sign, five bits of exponent with bias 15, ten of fraction.
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const int exponent = static_cast<int>((bits >> 10) & 31u);
    const double fraction = (bits & 1023u) / 1024.0;
    const double sign = bits >> 15 ? -1.0 : 1.0;
    INFO(bits);
    if (exponent == 31 && fraction > 0.0) {
      REQUIRE(std::isnan(values[bits]));
    } else if (exponent == 31) {
      REQUIRE(values[bits] == sign * std::numeric_limits<double>::infinity());
    } else {
      REQUIRE(values[bits] == sign * (exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1.0 + fraction, exponent - 15)));
    }
  }
  const auto written = gavel::encode_npy(gavel::matrix_view<const double>(values.data(), 64, 1024), npy_scalar::float16);
  REQUIRE(written.size() == bytes.size());
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    INFO(bits);
    if (!std::isnan(values[bits]))
      REQUIRE(std::equal(written.begin() + 128 + 2 * bits, written.begin() + 130 + 2 * bits, bytes.begin() + 128 + 2 * bits));
  }
  CHECK(std::equal(written.begin(), written.begin() + 128, bytes.begin()));
}

TEST_CASE("npy: a file that is not one is refused at the byte where it fails", "[core][npy][errors]") {
  const std::string good = file(dictionary("<f4", "(2, 3)"), six_floats);
  CHECK(file_error(good) == "no exception");
  CHECK(file_error("") == "gavel::parse_npy: a.npy: byte 0: file ends in the magic bytes, must start with \\x93NUMPY");
  CHECK(file_error(good.substr(0, 5)) == "gavel::parse_npy: a.npy: byte 5: file ends in the magic bytes, must start with \\x93NUMPY");
  CHECK(file_error("PK\3\4 a zip archive") == "gavel::parse_npy: a.npy: byte 0: not a NumPy file, must start with \\x93NUMPY");
  CHECK(file_error(good.substr(0, 7)) == "gavel::parse_npy: a.npy: byte 7: file ends in the format version");
  CHECK(file_error(good.substr(0, 9)) == "gavel::parse_npy: a.npy: byte 9: file ends in the header length");
  CHECK(file_error(std::string("\x93NUMPY\4\0", 8)) == "gavel::parse_npy: a.npy: byte 6: format version 4.0, must be 1.0, 2.0 or 3.0");
  CHECK(file_error(std::string("\x93NUMPY\1\1", 8)) == "gavel::parse_npy: a.npy: byte 6: format version 1.1, must be 1.0, 2.0 or 3.0");
  CHECK(file_error(good.substr(0, 100)) == "gavel::parse_npy: a.npy: byte 100: file ends in the header, byte 8 says that it has 118 bytes");
  CHECK(file_error(good.substr(0, 127)) == "gavel::parse_npy: a.npy: byte 127: file ends in the header, byte 8 says that it has 118 bytes");
  CHECK(file_error(good.substr(0, 151)) ==
        "gavel::parse_npy: a.npy: byte 151: file ends in the data, shape (2, 3) needs 24 bytes from byte 128, found 23");
  CHECK(file_error(good + "x") == "gavel::parse_npy: a.npy: byte 152: 1 bytes follow the data, shape (2, 3) needs 24");
  CHECK(file_error(good + "xy") == "gavel::parse_npy: a.npy: byte 152: 2 bytes follow the data, shape (2, 3) needs 24");
  CHECK(file_error(file(dictionary("<f4", "(7,)"), six_floats)) ==
        "gavel::parse_npy: a.npy: byte 152: file ends in the data, shape (7,) needs 28 bytes from byte 128, found 24");
  for (std::size_t size = 0; size < good.size(); ++size) {
    INFO(size);
    REQUIRE(file_error(good.substr(0, size)) != "no exception");
  }
}

TEST_CASE("npy: a header field that cannot be read is named", "[core][npy][errors]") {
  CHECK(header_error(dictionary(">f4", "(2, 3)")) ==
        "gavel::parse_npy: a.npy: header field 'descr' = '>f4', must be '<f2', '<f4' or '<f8' (little-endian float16, float32 or float64)");
  CHECK(header_error(dictionary("<i8", "(2, 3)")) ==
        "gavel::parse_npy: a.npy: header field 'descr' = '<i8', must be '<f2', '<f4' or '<f8' (little-endian float16, float32 or float64)");
  CHECK(
      header_error("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2, 3), }") ==
      "gavel::parse_npy: a.npy: header field 'descr' = '[('x'', must be '<f2', '<f4' or '<f8' (little-endian float16, float32 or float64)");
  CHECK(header_error(dictionary(std::string(60, 'a') + "\033[2J", "(2, 3)")) ==
        "gavel::parse_npy: a.npy: header field 'descr' = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...', must be '<f2', '<f4' or '<f8' "
        "(little-endian float16, float32 or float64)");
  CHECK(
      header_error(dictionary("\033[2J", "(2, 3)")) ==
      "gavel::parse_npy: a.npy: header field 'descr' = '?[2J', must be '<f2', '<f4' or '<f8' (little-endian float16, float32 or float64)");
  CHECK(header_error(dictionary("<f4", "(2, 3)", "0")) ==
        "gavel::parse_npy: a.npy: header field 'fortran_order' = '0', must be True or False");
  CHECK(header_error(dictionary("<f4", "()")) == "gavel::parse_npy: a.npy: header field 'shape' has 0 dimensions, must have 1 or 2");
  CHECK(header_error(dictionary("<f4", "(1, 2, 3)")) == "gavel::parse_npy: a.npy: header field 'shape' has 3 dimensions, must have 1 or 2");
  CHECK(header_error(dictionary("<f4", "(3)")) ==
        "gavel::parse_npy: a.npy: header field 'shape' is a number in brackets, must be a tuple such as (3,) or (2, 3)");
  CHECK(header_error(dictionary("<f4", "(99999999999999999999, 1)")) ==
        "gavel::parse_npy: a.npy: header field 'shape' has a dimension that overflows 64 bits");
  CHECK(header_error(dictionary("<f4", "(4294967296, 4294967296)")) ==
        "gavel::parse_npy: a.npy: header field 'shape' = (4294967296, 4294967296), its size in bytes overflows 64 bits");
  CHECK(header_error(dictionary("<f4", "(4611686018427387904, 1)")) ==
        "gavel::parse_npy: a.npy: header field 'shape' = (4611686018427387904, 1), its size in bytes overflows 64 bits");
  CHECK(header_error("{'descr': '<f4', 'fortran_order': False, }") == "gavel::parse_npy: a.npy: header field 'shape' is missing");
  CHECK(header_error("{'descr': '<f4', 'shape': (1,), }") == "gavel::parse_npy: a.npy: header field 'fortran_order' is missing");
  CHECK(header_error("{}") == "gavel::parse_npy: a.npy: header field 'descr' is missing");
  CHECK(header_error("{'descr': '<f4', 'descr': '<f4'}") == "gavel::parse_npy: a.npy: header field 'descr' stands twice");
  CHECK(header_error("{'order': 'C'}") ==
        "gavel::parse_npy: a.npy: header field 'order' is unknown, must be 'descr', 'fortran_order' or 'shape'");
}

TEST_CASE("npy: a malformed header is refused at its byte", "[core][npy][errors]") {
  CHECK(header_error("['descr']") == "gavel::parse_npy: a.npy: byte 10: found '[', must be '{', the start of the header dictionary");
  CHECK(header_error("{descr: 1}") == "gavel::parse_npy: a.npy: byte 11: found 'd', must be a quoted header field or '}'");
  CHECK(header_error("{'descr' '<f4'}") == "gavel::parse_npy: a.npy: byte 19: found ''', must be ':' after a header field");
  CHECK(header_error("{'descr': '<f4' 'shape': (1,)}") ==
        "gavel::parse_npy: a.npy: byte 26: found ''', must be ',' or '}' after a header entry");
  CHECK(header_error("{'descr") == "gavel::parse_npy: a.npy: byte 64: header ends, must be the closing quote of a string");
  CHECK(header_error("{'shape': [2, 3]}") == "gavel::parse_npy: a.npy: byte 20: found '[', must be '(', the start of 'shape'");
  CHECK(header_error("{'shape': (-2, 3)}") == "gavel::parse_npy: a.npy: byte 21: found '-', must be a digit of 'shape'");
  CHECK(header_error("{'shape': (2 3)}") == "gavel::parse_npy: a.npy: byte 23: found '3', must be ',' or ')' in 'shape'");
  CHECK(header_error(dictionary("<f4", "(1,)") + " #") ==
        "gavel::parse_npy: a.npy: byte 68: found '#', must be white space after the header dictionary");
  CHECK(file_error(std::string("\x93NUMPY\1\0\0\0", 10)) ==
        "gavel::parse_npy: a.npy: byte 10: header ends, must be '{', the start of the header dictionary");
}

TEST_CASE("npy: files that cannot be opened, read or written are named", "[core][npy][errors]") {
  CHECK(message_of([&] { (void)gavel::read_npy("no/such/file.npy"); }) ==
        "gavel::read_npy: no/such/file.npy: cannot be opened: No such file or directory");
  CHECK(message_of([&] { (void)gavel::read_npy("."); }) == "gavel::read_npy: .: cannot be read at byte 0: Is a directory");
  const double one = 1.0;
  const gavel::matrix_view<const double> matrix(&one, 1, 1);
  CHECK(message_of([&] { gavel::write_npy("no/such/file.npy", matrix, npy_scalar::float32); }) ==
        "gavel::write_npy: no/such/file.npy: cannot be opened: No such file or directory");
  if (std::FILE* full = std::fopen("/dev/full", "wb")) {
    std::fclose(full);
    CHECK(message_of([&] { gavel::write_npy("/dev/full", matrix, npy_scalar::float32); }) ==
          "gavel::write_npy: /dev/full: cannot be written: No space left on device");
  }
}

TEST_CASE("npy: logits may be -inf and nothing else that is not finite", "[core][npy][errors]") {
  const double inf = std::numeric_limits<double>::infinity();
  const auto check = [](std::vector<double> values) {
    const auto bytes = gavel::encode_npy(gavel::matrix_view<const double>(values.data(), 2, values.size() / 2), npy_scalar::float16);
    gavel::check_npy_logits(gavel::parse_npy(bytes, "t.npy"), "t.npy");
  };
  CHECK_NOTHROW(check({1.0, -inf, 2.0, 0.0, -inf, -inf}));
  CHECK(message_of([&] { check({1.0, 0.0, 2.0, 0.0, -inf, not_a_number}); }) ==
        "domain: gavel::check_npy_logits: t.npy: row 1, column 2 = nan, must be finite or -inf");
  CHECK(message_of([&] { check({1.0, inf, 2.0, 0.0}); }) ==
        "domain: gavel::check_npy_logits: t.npy: row 0, column 1 = inf, must be finite or -inf");
  CHECK(message_of([&] { check({1.0, 2.0, -inf, -inf}); }) ==
        "domain: gavel::check_npy_logits: t.npy: row 1, every value is -inf, must have a finite value");
}

}  // namespace npy_test
