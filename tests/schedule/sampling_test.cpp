// SPDX-License-Identifier: MIT
#include <gavel/schedule/sampling.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace sampling_test {

using gavel::testing::not_a_number;
using namespace gavel::schedule;
using gavel::testing::message_of;

namespace {

constexpr std::uint64_t run_lengths[] = {1, 2, 3, 10, 12, 37};

struct whole_numbers {
  int operator()(double, double) const { return 0; }
};
struct one_argument {
  double operator()(double) const { return 0.0; }
};
struct no_progress {
  double read(std::uint64_t, std::uint64_t, const left&) const { return 0.0; }
};
struct text_progress {
  const char* progress(std::uint64_t, std::uint64_t, const left&) const { return ""; }
};

static_assert(progress_convention<left> && progress_convention<right> && progress_convention<inclusive> && progress_convention<interior>);
static_assert(!progress_convention<whole_numbers> && !progress_convention<one_argument> && !progress_convention<linear>);
static_assert(sampling_rate<every_step> && sampling_rate<every> && sampling_rate<milestones>);
static_assert(!sampling_rate<no_progress> && !sampling_rate<text_progress> && !sampling_rate<left> && !sampling_rate<std::uint64_t>);

static_assert(left{}(3.0, 4.0) == 0.75);
static_assert(right{}(3.0, 4.0) == 1.0);
static_assert(inclusive{}(3.0, 4.0) == 1.0);
static_assert(interior{}(3.0, 4.0) == 0.8);
static_assert(every_step{}.progress(3, 4, left{}) == 0.75);
static_assert(every(2).progress(3, 4, left{}) == 0.5);
static_assert(milestones{0.5, 0.75}.progress(3, 4, left{}) == 0.75);

// What a trainer would do: walk through the steps, and read again where it is time.
template <class Convention>
std::vector<double> walk_every(std::uint64_t period, std::uint64_t steps, const Convention& convention) {
  std::vector<double> held;
  double now = 0.0;
  std::uint64_t until_next = 0;
  for (std::uint64_t t = 0; t < steps; ++t, --until_next) {
    if (until_next == 0) {
      now = convention(static_cast<double>(t), static_cast<double>(steps));
      until_next = period;
    }
    held.push_back(now);
  }
  return held;
}

template <class Convention>
std::vector<double> walk_milestones(const std::vector<double>& points, std::uint64_t steps, const Convention& convention) {
  std::vector<double> held;
  double now = 0.0;
  std::size_t next = 0;
  for (std::uint64_t t = 0; t < steps; ++t) {
    const double reached = convention(static_cast<double>(t), static_cast<double>(steps));
    for (; next < points.size() && points[next] <= reached; ++next) now = points[next];
    held.push_back(now);
  }
  return held;
}

template <class F>
void with_each_convention(F check) {
  check(left{});
  check(right{});
  check(inclusive{});
  check(interior{});
}

}  // namespace

TEST_CASE("Conventions place the first and the last step where their table says", "[schedule][sampling]") {
  for (const double steps : {2.0, 3.0, 7.0, 1000.0, 0x1p53}) {
    INFO("T = " << steps);
    CHECK(left{}(0.0, steps) == 0.0);
    CHECK(left{}(steps - 1.0, steps) == (steps - 1.0) / steps);
    CHECK(right{}(0.0, steps) == 1.0 / steps);
    CHECK(right{}(steps - 1.0, steps) == 1.0);
    CHECK(inclusive{}(0.0, steps) == 0.0);
    CHECK(inclusive{}(steps - 1.0, steps) == 1.0);
    if (steps < 0x1p53) CHECK(interior{}(0.0, steps) == 1.0 / (steps + 1.0));
    if (steps < 0x1p53) CHECK(interior{}(steps - 1.0, steps) == steps / (steps + 1.0));
    with_each_convention([&](auto convention) { CHECK(convention(steps, steps) == 1.0); });  // the step after the last: the end
  }
  CHECK(left{}(0.0, 1.0) == 0.0);  // a run of one step
  CHECK(right{}(0.0, 1.0) == 1.0);
  CHECK(inclusive{}(0.0, 1.0) == 0.0);
  CHECK(inclusive{}(1.0, 1.0) == 1.0);
  CHECK(interior{}(0.0, 1.0) == 0.5);
}

TEST_CASE("Progress stays in [0, 1] and never goes back", "[schedule][sampling]") {
  with_each_convention([](auto convention) {
    for (std::uint64_t steps = 1; steps <= 40; ++steps) {
      const auto check = [&](const auto& sampling) {
        double before = 0.0;
        for (std::uint64_t t = 0; t <= steps; ++t) {
          const double z = sampling.progress(t, steps, convention);
          REQUIRE(z >= before);
          REQUIRE(z <= 1.0);
          before = z;
        }
      };
      check(every_step{});
      check(every(1));
      check(every(3));
      check(every(1'000));
      check(milestones{0.0, 0.3, 0.3, 0.6, 1.0});
    }
  });
}

TEST_CASE("Random access equals walking through the run, for every period", "[schedule][sampling]") {
  with_each_convention([](auto convention) {
    for (const std::uint64_t steps : run_lengths) {
      for (std::uint64_t period = 1; period <= steps + 2; ++period) {
        const std::vector<double> held = walk_every(period, steps, convention);
        for (std::uint64_t t = 0; t < steps; ++t) REQUIRE(every(period).progress(t, steps, convention) == held[t]);
      }
      const std::vector<double> plain = walk_every(1, steps, convention);
      for (std::uint64_t t = 0; t < steps; ++t) REQUIRE(every_step{}.progress(t, steps, convention) == plain[t]);
    }
  });
}

TEST_CASE("Random access equals walking through the run, for milestones", "[schedule][sampling]") {
  const std::vector<std::vector<double>> lists = {
      {}, {0.5}, {0.5, 0.75}, {1.0 / 3.0, 2.0 / 3.0}, {0.3, 0.6, 0.9}, {0.0, 1.0}, {0.5, 0.5}, std::vector<double>(max_milestones, 0.25)};
  with_each_convention([&](auto convention) {
    for (const auto& points : lists) {
      for (const std::uint64_t steps : run_lengths) {
        const std::vector<double> held = walk_milestones(points, steps, convention);
        for (std::uint64_t t = 0; t < steps; ++t) REQUIRE(milestones(points).progress(t, steps, convention) == held[t]);
      }
    }
  });
  CHECK(milestones{0.5, 0.75}.progress(19, 40, left{}) == 0.0);
  CHECK(milestones{0.5, 0.75}.progress(20, 40, left{}) == 0.5);
  CHECK(milestones{0.5, 0.75}.progress(30, 40, left{}) == 0.75);
  CHECK(milestones{}.progress(39, 40, right{}) == 0.0);
  CHECK(milestones{1.0}.progress(40, 40, left{}) == 1.0);
}

TEST_CASE("The longest run is exact at both ends", "[schedule][sampling]") {
  STATIC_REQUIRE(max_steps == std::uint64_t{1} << 53);
  CHECK(every_step{}.progress(max_steps - 1, max_steps, left{}) == 1.0 - 0x1p-53);
  CHECK(every_step{}.progress(max_steps - 1, max_steps, inclusive{}) == 1.0);
  CHECK(every_step{}.progress(max_steps - 2, max_steps, inclusive{}) < 1.0);
  CHECK(every_step{}.progress(max_steps - 2, max_steps, right{}) == 1.0 - 0x1p-53);
  CHECK(every(max_steps / 2).progress(max_steps - 1, max_steps, left{}) == 0.5);
  CHECK(every((std::numeric_limits<std::uint64_t>::max)()).progress(max_steps, max_steps, left{}) == 0.0);
}

TEST_CASE("Sampling rates compare by value", "[schedule][sampling]") {
  CHECK(every(3) == every(3));
  CHECK(every(3) != every(4));
  CHECK(milestones{0.5} == milestones(std::vector<double>{0.5}));
  CHECK(milestones{0.5} != milestones{0.25});
  const milestones points{0.5, 0.75};
  const milestones copy{points};
  CHECK(copy == points);
  CHECK(every_step{} == every_step{});
  CHECK(left{} == left{});
}

TEST_CASE("Periods of 0 and disordered milestones are refused", "[schedule][sampling]") {
  CHECK(message_of([] { (void)every(0); }) == "gavel::schedule::every: period = 0, must be >= 1");
  CHECK(message_of([] { (void)milestones{0.5, 1.5}; }) == "gavel::schedule::milestones: milestones[1] = 1.5, must be in [0, 1]");
  CHECK(message_of([] { (void)milestones{-0.5}; }) == "gavel::schedule::milestones: milestones[0] = -0.5, must be in [0, 1]");
  CHECK(message_of([] { (void)milestones{not_a_number}; }) ==
        "domain: gavel::schedule::milestones: milestones[0] = nan, must be in [0, 1]");
  CHECK(message_of([] { (void)milestones{0.75, 0.5}; }) ==
        "gavel::schedule::milestones: milestones[1] = 0.5, must be >= the one before, 0.75");
  CHECK(message_of([] { (void)milestones(std::vector<double>(33, 0.5)); }) ==
        "gavel::schedule::milestone_list: size = 33, must be <= capacity 32");
}

}  // namespace sampling_test
