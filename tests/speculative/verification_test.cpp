// SPDX-License-Identifier: MIT
#include <gavel/speculative/detail/verification.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"
#include "support/scripted_generator.hpp"
#include "speculative/laws.hpp"

#include <vector>

namespace verification_test {

using namespace gavel;
using namespace gavel::testing;
namespace parts = gavel::speculative::detail;

namespace {

struct fixed_rule : parts::tests_in_draft_order {
  std::vector<double> chances;
  parts::residual_weights<double> weights;
  [[nodiscard]] double test(std::size_t k) const { return chances[k]; }
  [[nodiscard]] parts::residual_weights<double> residual() const { return weights; }
};

}  // namespace

TEST_CASE("verification: decide plays exactly the law that describe writes", "[speculative][verification]") {
  const std::vector<double> p{0.5, 0.25, 0.125, 0.125}, q{0.25, 0.25, 0.25, 0.25};
  const std::vector<std::vector<double>> chances{{0.5, 0.5, 0.5}, {0.25, 0.0, 1.0}, {0.0, 0.0, 0.0}, {1.0, 0.5, 0.5}, {0.125, 0.75, 0.25}};
  const std::vector<token_id> drafts{2, 0, 2};
  for (const std::vector<double>& one : chances) {
    fixed_rule rule{{}, one, {p, q, 0.5, 0.25}};
    std::vector<double> acceptance(3), residual(4);
    parts::describe(rule, acceptance, residual);
    std::vector<double> accepted(3, 0.0), tokens(4, 0.0);
    double none = 0.0;
    const int grid = 4096;  // every boundary of these laws is a multiple of 1 / grid or lies inside a cell
    for (int i = 0; i < grid; ++i) {
      scripted_generator rng({(i + 0.5) / grid, 0.0});
      const speculative::verdict result = parts::decide(rule, std::span<const token_id>(drafts), rng);
      if (result.accepted()) {
        accepted[result.draft_index] += 1.0 / grid;
        REQUIRE(result.token == drafts[result.draft_index]);
        REQUIRE(rng.used() == 1);
      } else {
        none += 1.0 / grid;
        REQUIRE(rng.used() == 2);
      }
    }
    CHECK(accepted == acceptance);
    CHECK(none == 1.0 - acceptance[0] - acceptance[1] - acceptance[2]);
    for (int i = 0; i < grid; ++i) tokens[rule.weights.sample((i + 0.5) / grid)] += 1.0 / grid;
    CHECK(largest_difference(tokens, residual) <= 1.0 / grid);
  }
}

TEMPLATE_TEST_CASE("verification: residual weights are summed, sampled and written alike, with tokens left out",
                   "[speculative][verification]", float, double) {
  test_engine rng(40);
  for (int repeat = 0; repeat < 200; ++repeat) {
    const std::size_t size = 1 + static_cast<std::size_t>(unit(rng) * 12.0);
    const std::vector<TestType> p = row_as<TestType>(dyadic_row(rng, size, 0.3)), q = row_as<TestType>(dyadic_row(rng, size, 0.3));
    std::vector<token_id> excluded;
    for (token_id x = 0; x < size; ++x) {
      if (unit(rng) < 0.3) excluded.push_back(x);
    }
    const double c = repeat % 3 == 0 ? 0.0 : 2.0 * unit(rng);
    const double floor = repeat % 2 == 0 ? 0.0 : 0.1 * unit(rng);
    CAPTURE(p, q, excluded, c, floor);
    const parts::residual_weights<TestType> weights{p, q, c, floor, excluded};
    std::vector<double> expected(size, 0.0), law(size);
    double sum = 0.0;
    for (std::size_t y = 0; y < size; ++y) {
      if (std::find(excluded.begin(), excluded.end(), y) != excluded.end()) continue;
      const double target = static_cast<double>(p[y]);
      sum += expected[y] = (std::max)(target - c * static_cast<double>(q[y]), floor * target);
    }
    REQUIRE(weights.sum() == Approx(sum).margin(3e-7));
    weights.law(law);
    if (sum > 0.0) {
      for (double& y : expected) y /= sum;
    } else {
      expected.assign(p.begin(), p.end());
    }
    REQUIRE(largest_difference(law, expected) <= 1e-12);
    std::vector<double> sampled(size, 0.0);
    const int grid = 2000;
    for (int i = 0; i < grid; ++i) sampled[weights.sample((i + 0.5) / grid)] += 1.0 / grid;
    REQUIRE(largest_difference(sampled, expected) <= 1.5 / grid);
  }
}

TEST_CASE("verification: which draft probabilities count, and when those that do not leave the row", "[speculative][verification]") {
  CHECK((parts::drawable(0x1p-100F) && !parts::drawable(0x1.fffffep-101F)));
  CHECK((parts::drawable(0x1p-1000) && !parts::drawable(0x1.fffffffffffffp-1001)));
  const std::vector<double> q{1.0, 0x1p-1000, 1e-310};
  std::vector<double> trimmed;
  CHECK_FALSE(parts::trim_draft_row(std::span<const double>(q), 0x1p-900, trimmed));
  CHECK(trimmed.empty());
  CHECK(parts::trim_draft_row(std::span<const double>(q), 0x1.fffffffffffffp-901, trimmed));
  CHECK(trimmed == std::vector<double>{1.0, 0x1p-1000, 0.0});
  CHECK_FALSE(parts::trim_draft_row(std::span<const double>(q), 0.0, trimmed));  // once is enough
  const std::vector<float> single{1.0F, 0x1p-100F, 1e-40F};
  std::vector<float> kept;
  CHECK_FALSE(parts::trim_draft_row(std::span<const float>(single), 0x1p-50, kept));
  CHECK(parts::trim_draft_row(std::span<const float>(single), 0x1.fffffffffffffp-51, kept));
  CHECK(kept == std::vector<float>{1.0F, 0x1p-100F, 0.0F});
  parts::prepared_rows<double> rows{q, q, 2};
  CHECK(rows.mass_outside(std::vector<token_id>{0, 1}) == 0.0);  // 1e-310 of it cannot be drafted
  CHECK(rows.draft().data() == rows.trimmed.data());
}

TEST_CASE("verification: rows are refused by their name, and drafted tokens by theirs", "[speculative][verification]") {
  const std::vector<double> rows{0.5, 0.5, 0.5, 0.5 + 3e-6};
  const matrix_view<const double> view(rows.data(), 2, 2);
  CHECK(parts::check_row("f", "rows", view, 0) == 1.0);
  CHECK(message_of([&] { parts::check_row("f", "rows", view, 1); }) == "domain: f: sum of rows.row(1) = 1.000003, must be 1 within 1e-06");
  CHECK(message_of([&] { parts::check_row("f", "p", view.row(1)); }) == "domain: f: sum of p = 1.000003, must be 1 within 1e-06");
  auto drafted = [](double target, double draft) { return message_of([=] { parts::check_drafted("f", "path", 3, 9, target, draft); }); };
  CHECK(drafted(0.0, 1.0 + 1e-6) == "no exception");
  CHECK(drafted(1.0 + 1e-6, 0x1p-1000) == "no exception");
  CHECK(drafted(1.1, 0.5) == "domain: f: target probability of draft[3] = 1.1, must be in [0, 1]");
  CHECK(drafted(0.5, -0.5) == "domain: f: draft probability of draft[3] = -0.5, must be in [0, 1]");
  CHECK(drafted(0.5, 1e-310) == "f: path[3] = 9, must have draft probability >= 2^-1000");
}

TEST_CASE("verification: the last uniform below one and rows that are no distributions stay in range", "[speculative][verification]") {
  const std::vector<double> p{0.3, 0.0, 0.7}, zero(3, 0.0), nan(3, not_a_number);
  const std::vector<token_id> middle{1}, ends{0, 2}, all{0, 1, 2};
  const double last = 1.0 - 0x1p-53;
  CHECK(parts::residual_weights<double>{p, p, 0.0, 0.0, middle}.sample(last) == 2);
  CHECK(parts::residual_weights<double>{p, p, 0.0, 0.0, ends}.sample(last) == 2);  // nothing left: from p
  CHECK(parts::residual_weights<double>{p, p, 1.0}.sample(0.0) == 0);
  CHECK(parts::residual_weights<double>{p, p, 1.0, 0.0, all}.sample(0.5) == 2);
  CHECK(parts::residual_weights<double>{zero, zero}.sample(0.5) < 3);
  CHECK(parts::residual_weights<double>{nan, nan}.sample(0.5) < 3);
}

TEST_CASE("verification: the small steps", "[speculative][verification]") {
  CHECK(parts::share(0.5, 1.0) == 0.5);
  CHECK(parts::share(0.0, 0.0) == 0.0);
  CHECK(parts::share(1.0, 0.0) == 1.0);
  CHECK(parts::share(0.3, 0.3) == 1.0);
  CHECK(parts::positive_part(0.5, 0.25, 1.0) == 0.25);
  CHECK(parts::positive_part(0.25, 0.5, 1.0) == 0.0);
  CHECK(parts::geometric_sum(0.0, 5) == 5.0);
  CHECK(parts::geometric_sum(1.0, 5) == 1.0);
  CHECK(parts::geometric_sum(0.5, 3) == Approx(1.75).epsilon(1e-15));
  CHECK(parts::geometric_sum(1e-18, 4) == Approx(4.0).epsilon(1e-15));

  parts::sorted_tokens tokens;
  tokens.assign(std::vector<token_id>{5, 1, 5, 9, 3, 1});
  const std::vector<token_id> sorted(tokens.ids().begin(), tokens.ids().end());
  CHECK(sorted == std::vector<token_id>{1, 3, 5, 9});

  const std::vector<double> p{0.25, 0.5, 0.125, 0.125}, q{0.5, 0.125, 0.25, 0.125};
  const std::vector<token_id> one{1}, two{0, 1}, none;
  CHECK(parts::mass_outside(std::span<const double>(q), one) == 0.875);
  CHECK(parts::mass_outside(std::span<const double>(p), two) == 0.25);
  CHECK(parts::mass_outside(std::span<const double>(p), none) == 1.0);
  CHECK(parts::overlap_outside(std::span<const double>(p), std::span<const double>(q), 1.0, one) == 0.5);
  CHECK(parts::overlap_outside(std::span<const double>(p), std::span<const double>(q), 2.0, none) == 0.75);
  // The difference from one would be 2^-24 off here, as much as the rest itself.
  const std::vector<float> peaked{1.0F, 3e-8F, 1e-8F};
  const std::vector<token_id> top{0};
  CHECK(parts::mass_outside(std::span<const float>(peaked), top) == Approx(4e-8).epsilon(1e-6));
}

}  // namespace verification_test
