// SPDX-License-Identifier: MIT
#include <gavel/core/error.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>

namespace error_test {

using gavel::testing::message_of;
using gavel::testing::not_a_number;
namespace {
[[noreturn]] void never_called(const char*) { std::abort(); }
}  // namespace

TEST_CASE("error: kinds and exact messages", "[core][error]") {
  CHECK(message_of([&] { gavel::invalid_argument("gavel::f", "k", 0, "must be >= 1"); }) == "gavel::f: k = 0, must be >= 1");
  CHECK(message_of([&] { gavel::invalid_argument("gavel::f", "k", std::size_t{12}, "must be <= vocabulary size", std::size_t{10}); }) ==
        "gavel::f: k = 12, must be <= vocabulary size 10");
  CHECK(message_of([&] {
          gavel::invalid_argument_at("gavel::speculative::verify_chain", "draft_tokens", 2, 50258U, "must be < vocabulary size", 50257);
        }) == "gavel::speculative::verify_chain: draft_tokens[2] = 50258, must be < vocabulary size 50257");
  CHECK(message_of([&] { gavel::domain_error("gavel::f", "p", -0.25, "must be in [0, 1]"); }) ==
        "domain: gavel::f: p = -0.25, must be in [0, 1]");
  CHECK(message_of([&] { gavel::domain_error_at("gavel::f", "q", 3, -1.5f, "must be >=", 0.5); }) ==
        "domain: gavel::f: q[3] = -1.5, must be >= 0.5");
  CHECK(message_of([&] { gavel::invalid_argument("gavel::f", "path", {}, "must exist"); }) == "gavel::f: path, must exist");
}

TEST_CASE("error: numbers print whole, short and never as -nan", "[core][error]") {
  using gavel::detail::printed_number;
  CHECK(printed_number(-7).text() == "-7");
  CHECK(printed_number(std::uint64_t{18446744073709551615U}).text() == "18446744073709551615");
  CHECK(printed_number(std::numeric_limits<std::int64_t>::min()).text() == "-9223372036854775808");
  CHECK(printed_number(true).text() == "1");
  CHECK(printed_number(0.1).text() == "0.1");
  CHECK(printed_number(1e-6).text() == "1e-06");
  CHECK(printed_number(123456789.25).text() == "123456789");
  CHECK(printed_number(not_a_number).text() == "nan");
  CHECK(printed_number(-not_a_number).text() == "nan");
  CHECK(printed_number(-std::numeric_limits<float>::infinity()).text() == "-inf");
  CHECK(printed_number().text().empty());
}

TEST_CASE("error: the handler is for builds without exceptions", "[core][error]") {
  CHECK(GAVEL_HAS_EXCEPTIONS == 1);
  CHECK(gavel::set_error_handler(never_called) == nullptr);
  CHECK(message_of([&] { gavel::domain_error("gavel::f", "x", 1, "must be 2"); }) ==
        "domain: gavel::f: x = 1, must be 2");  // thrown, not handed to the handler
  CHECK(gavel::set_error_handler(nullptr) == never_called);
}

}  // namespace error_test
