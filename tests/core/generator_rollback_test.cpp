// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <gavel/core/generator_rollback.hpp>
#include <gavel/core/philox.hpp>

#include <random>
#include <stdexcept>

namespace generator_rollback_test {

using gavel::generator_rollback;
using gavel::philox4x32;

namespace {

struct unique_generator : philox4x32 {
  using philox4x32::philox4x32;
  unique_generator(const unique_generator&) = delete;
  unique_generator& operator=(const unique_generator&) = delete;
};

template <class G>
void draw(G& rng, bool refuse) {
  generator_rollback<G> rollback(rng);
  (void)rng();
  if (refuse) throw std::runtime_error("refused");
  rollback.keep();
}

}  // namespace

TEMPLATE_TEST_CASE("generator_rollback: a call that throws leaves its generator where it was", "[core][generator_rollback]", philox4x32,
                   std::mt19937) {
  TestType rng(5), once(5);
  CHECK_THROWS(draw(rng, true));
  CHECK(rng == TestType(5));
  draw(rng, false);
  (void)once();
  CHECK(rng == once);
}

TEST_CASE("generator_rollback: one that cannot be copied stays advanced", "[core][generator_rollback]") {
  unique_generator rng(5);
  philox4x32 once(5);
  (void)once();
  CHECK_THROWS(draw(rng, true));
  CHECK(static_cast<const philox4x32&>(rng) == once);
}

}  // namespace generator_rollback_test
