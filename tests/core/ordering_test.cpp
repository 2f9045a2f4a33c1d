// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <gavel/core/ordering.hpp>
#include <gavel/core/random.hpp>

#include <algorithm>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

namespace ordering_test {

using namespace gavel;

namespace {
std::vector<std::vector<int>> shapes(std::size_t size) {
  philox4x32 rng(size);
  std::vector<std::vector<int>> rows(7, std::vector<int>(size));
  for (std::size_t i = 0; i < size; ++i) {
    rows[0][i] = static_cast<int>(rng() & 0xffffff);
    rows[1][i] = static_cast<int>(rng() & 3);  // many ties
    rows[2][i] = static_cast<int>(i);
    rows[3][i] = static_cast<int>(size - i);
    rows[4][i] = 5;
    rows[5][i] = static_cast<int>(i % 2 == 0 ? i : size - i);
    rows[6][i] = static_cast<int>(i < size / 2 ? i : size - i);  // organ pipe
  }
  return rows;
}
}  // namespace

TEST_CASE("sort_values sorts", "[core][ordering]") {
  for (const std::size_t size : {0u, 1u, 2u, 3u, 31u, 32u, 33u, 100u, 4096u}) {
    for (const auto& row : shapes(size)) {
      auto values = row;
      auto expected = row;
      sort_values(values.data(), size, std::greater<>());
      std::sort(expected.begin(), expected.end(), std::greater<>());
      REQUIRE(values == expected);
    }
  }
}

TEST_CASE("select_first puts the first ones in front and the last of them in place", "[core][ordering]") {
  for (const std::size_t size : {1u, 2u, 33u, 64u, 100u, 1000u, 5000u}) {
    for (const auto& row : shapes(size)) {
      auto sorted = row;
      std::sort(sorted.begin(), sorted.end(), std::greater<>());
      for (const std::size_t count : {std::size_t{1}, std::size_t{2}, size / 3, size / 2, size - 1, size}) {
        if (count < 1 || count > size) continue;
        auto values = row;
        select_first(values.data(), size, count, std::greater<>());
        INFO("size " << size << ", count " << count);
        REQUIRE(values[count - 1] == sorted[count - 1]);
        std::sort(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(count), std::greater<>());
        REQUIRE(std::equal(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(count), values.begin()));
        std::sort(values.begin(), values.end(), std::greater<>());
        REQUIRE(values == sorted);
      }
    }
  }
}

TEST_CASE("both work in constant expressions and on types that move", "[core][ordering]") {
  constexpr int third = [] {
    int values[] = {5, 1, 4, 2, 3};
    select_first(values, 5, 3, [](int a, int b) { return a < b; });
    return values[2];
  }();
  static_assert(third == 3);
  std::vector<std::string> words = {"pear", "fig", "apple"};
  sort_values(words.data(), words.size(), std::less<>());
  REQUIRE(words == std::vector<std::string>{"apple", "fig", "pear"});
}

}  // namespace ordering_test
