// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/messages.hpp"

#include <gavel/kernels/dispatch.hpp>

#include <cstdlib>
#include <string>

namespace dispatch_test {

using namespace gavel;
using gavel::testing::message_of;

namespace {
/// Sets GAVEL_SIMD for one scope.
class forced_path {
 public:
  explicit forced_path(const char* value) {
    if (const char* old = std::getenv("GAVEL_SIMD")) old_ = old;
    ::setenv("GAVEL_SIMD", value, 1);
  }
  ~forced_path() {
    if (old_.empty()) ::unsetenv("GAVEL_SIMD");
    else ::setenv("GAVEL_SIMD", old_.c_str(), 1);
  }
  forced_path(const forced_path&) = delete;
  forced_path& operator=(const forced_path&) = delete;

 private:
  std::string old_;
};
}  // namespace

TEST_CASE("GAVEL_SIMD forces a path the processor has", "[kernels][dispatch]") {
  using kernels::simd_path;
  {
    forced_path force("portable");
    REQUIRE(kernels::detail::choose_path() == simd_path::portable);
  }
  for (const auto& [name, path] : {std::pair{"avx2", simd_path::avx2}, std::pair{"avx512", simd_path::avx512}}) {
    forced_path force(name);
    if (kernels::detail::cpu_supports(path)) {
      REQUIRE(kernels::detail::choose_path() == path);
    } else {
      REQUIRE(message_of([&] { (void)kernels::detail::choose_path(); }) ==
              std::string("gavel::kernels::active_path: environment variable GAVEL_SIMD = \"") + name +
                  "\", but this processor does not support it");
    }
  }
}

TEST_CASE("GAVEL_SIMD with another word is refused", "[kernels][dispatch]") {
  forced_path force("sse9");
  REQUIRE(message_of([&] { (void)kernels::detail::choose_path(); }) ==
          "gavel::kernels::active_path: environment variable GAVEL_SIMD = \"sse9\", must be portable, avx2 or avx512");
}

TEST_CASE("the path in use is the forced one, else the best", "[kernels][dispatch]") {
  REQUIRE(kernels::active_path() == kernels::detail::choose_path());
  forced_path none("");
  const auto best = kernels::detail::choose_path();
  REQUIRE(kernels::detail::cpu_supports(best));
  if (kernels::detail::cpu_supports(kernels::simd_path::avx512)) REQUIRE(best == kernels::simd_path::avx512);
}

}  // namespace dispatch_test
