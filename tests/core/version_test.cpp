// SPDX-License-Identifier: MIT
#include <gavel/core/version.hpp>

#include "support/catch.hpp"

#include <string>

namespace version_test {

TEST_CASE("version: the text and the numbers agree", "[core][version]") {
  const std::string numbers =
      std::to_string(GAVEL_VERSION_MAJOR) + "." + std::to_string(GAVEL_VERSION_MINOR) + "." + std::to_string(GAVEL_VERSION_PATCH);
  CHECK(numbers == GAVEL_VERSION_STRING);
}

TEST_CASE("version: the preprocessor can compare it", "[core][version]") {
#if GAVEL_VERSION_MAJOR > 0 || GAVEL_VERSION_MINOR >= 1
  SUCCEED();
#else
  FAIL("the first version was 0.1.0");
#endif
}

}  // namespace version_test
