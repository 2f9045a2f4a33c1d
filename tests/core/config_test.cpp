// SPDX-License-Identifier: MIT
// That -ffast-math is refused is shown by tests/compile_fail, that the library works without exceptions by tests/no_exceptions.
#include <gavel/core/config.hpp>

#include "support/catch.hpp"

namespace config_test {

namespace {

GAVEL_ALWAYS_INLINE int inlined(int x) { return x + 1; }
GAVEL_NOINLINE int called(int x) { return x + 2; }
GAVEL_COLD int rare(int x) { return x + 3; }

}  // namespace

TEST_CASE("config: exceptions are seen when the compiler has them on", "[core][config]") {
#if defined(__cpp_exceptions)
  CHECK(GAVEL_HAS_EXCEPTIONS == 1);
#else
  CHECK(GAVEL_HAS_EXCEPTIONS == 0);
#endif
}

TEST_CASE("config: the attributes keep a function's meaning", "[core][config]") {
  CHECK(inlined(1) == 2);
  CHECK(called(1) == 3);
  CHECK(rare(1) == 4);
}

}  // namespace config_test
