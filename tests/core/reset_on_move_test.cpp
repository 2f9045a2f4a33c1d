// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <gavel/core/reset_on_move.hpp>

#include <cstddef>
#include <utility>
#include <vector>

namespace reset_on_move_test {

using gavel::reset_on_move;

namespace {

struct counted {
  std::vector<int> values;
  reset_on_move<std::size_t> size = values.size();
};

}  // namespace

TEST_CASE("reset_on_move: a class with default moves leaves an object like a fresh one", "[core][reset_on_move]") {
  counted source{{1, 2, 3}};
  const counted copy = source;
  REQUIRE(source.size == 3u);
  REQUIRE(copy.size == 3u);
  counted heir = std::move(source);
  REQUIRE(heir.size == 3u);
  REQUIRE(source.size == source.values.size());
  source = std::move(heir);
  REQUIRE(source.size == 3u);
  REQUIRE(heir.size == 0u);
  counted& same = source;
  source = std::move(same);
  REQUIRE(source.size <= source.values.size());
}

TEST_CASE("reset_on_move: goes back to what its type starts with", "[core][reset_on_move]") {
  struct scales {
    double target = 1.0;
    double draft = 0.5;
  };
  reset_on_move<scales> source = scales{3.0, 4.0};
  const reset_on_move<scales> heir = std::move(source);
  REQUIRE(heir->target == 3.0);
  REQUIRE(heir->draft == 4.0);
  REQUIRE(source->target == 1.0);
  REQUIRE(source->draft == 0.5);
  STATIC_REQUIRE([] {
    reset_on_move<int> one = 7;
    const reset_on_move<int> other = std::move(one);
    return one == 0 && other == 7;
  }());
}

}  // namespace reset_on_move_test
