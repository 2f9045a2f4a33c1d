// SPDX-License-Identifier: MIT
#include <gavel/core/fixed_list.hpp>

#include "support/allocation_counter.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <array>
#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

namespace fixed_list_test {

using gavel::fixed_list;
using gavel::vector_view;
using gavel::testing::message_of;
using gavel::testing::not_a_number;

static_assert(std::regular<fixed_list<double, 3>>);
static_assert(std::is_trivially_copyable_v<fixed_list<double, 3>>);
static_assert(gavel::dense_vector<fixed_list<double, 3>>);
static_assert(!std::constructible_from<fixed_list<double, 3>, std::vector<float>>);  // another element type is not reread as this one
static_assert(!std::constructible_from<fixed_list<double, 3>, double>);

TEST_CASE("A fixed list is a value that literals build at compile time", "[core][fixed_list]") {
  constexpr fixed_list<double, 4> list{0.5, 0.25, 2.0};
  STATIC_REQUIRE(list.size() == 3);
  STATIC_REQUIRE(list.capacity() == 4);
  STATIC_REQUIRE(!list.empty());
  STATIC_REQUIRE(list[0] == 0.5);
  STATIC_REQUIRE(list[2] == 2.0);
  STATIC_REQUIRE(list.end() - list.begin() == 3);
  STATIC_REQUIRE(list.data() == list.begin());
  constexpr fixed_list<double, 4> none;
  STATIC_REQUIRE(none.empty());
  STATIC_REQUIRE(none.size() == 0);
  constexpr fixed_list<std::uint64_t, 2> full{1, 2};
  STATIC_REQUIRE(full.size() == full.capacity());
}

TEST_CASE("A fixed list is made from anything contiguous, and owns its values", "[core][fixed_list]") {
  std::vector<double> source{1.0, 2.0, 3.0};
  fixed_list<double, 8> list = source;
  const std::array<double, 3> array{1.0, 2.0, 3.0};
  CHECK(list == fixed_list<double, 8>(array));
  CHECK(list == fixed_list<double, 8>(vector_view<const double>(source)));
  CHECK(list == fixed_list<double, 8>(fixed_list<double, 3>{1.0, 2.0, 3.0}));  // another capacity
  source[0] = 9.0;
  CHECK(list[0] == 1.0);
  fixed_list<double, 8> copy(list);  // from an object that is not const: still the copy constructor
  CHECK(copy == list);
  list = {4.0};
  CHECK(list.size() == 1);
  CHECK(copy.size() == 3);
  double sum = 0.0;
  for (const double value : copy) sum += value;
  CHECK(sum == 6.0);
}

TEST_CASE("Equality looks at the values in use and nothing else", "[core][fixed_list]") {
  using list = fixed_list<double, 4>;
  CHECK(list{1.0, 2.0} == list{1.0, 2.0});
  CHECK(list{1.0, 2.0} != list{1.0, 3.0});
  CHECK(list{1.0, 2.0} != list{2.0, 2.0});
  CHECK(list{1.0} != list{1.0, 0.0});  // the unused value is 0 too
  CHECK(list{} == list{});
  CHECK(list{not_a_number} != list{not_a_number});
}

TEST_CASE("More values than the capacity are refused", "[core][fixed_list]") {
  const std::string message = "gavel::fixed_list: size = 3, must be <= capacity 2";
  CHECK(message_of([] { (void)fixed_list<double, 2>{1.0, 2.0, 3.0}; }) == message);
  CHECK(message_of([] { (void)fixed_list<double, 2>(std::vector<double>{1.0, 2.0, 3.0}); }) == message);
  CHECK(message_of([] { (void)fixed_list<double, 2>(fixed_list<double, 3>{1.0, 2.0, 3.0}); }) == message);
  CHECK(message_of([] { (void)fixed_list<double, 2>{1.0, 2.0}; }) == "no exception");
}

TEST_CASE("A fixed list does not allocate", "[core][fixed_list]") {
  const std::size_t before = gavel::testing::allocation_count();
  fixed_list<double, 16> list{1.0, 2.0, 3.0};
  const fixed_list<double, 16> copy = list;
  list = copy;
  CHECK(gavel::testing::allocation_count() == before);
}

}  // namespace fixed_list_test
