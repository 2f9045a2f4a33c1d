// SPDX-License-Identifier: MIT
#include <gavel/core/philox.hpp>
#include <gavel/core/variates.hpp>
#include <gavel/speculative/draft_sampler.hpp>
#include <gavel/speculative/optimal_acceptance.hpp>

#include "reference_cases_acceptance.hpp"
#include "speculative/laws.hpp"
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

namespace optimal_acceptance_test {

namespace {

using namespace gavel::speculative;
using gavel::testing::message_of;
using gavel::testing::not_a_number;
using row = std::vector<double>;

constexpr std::array all_laws = {draft_law::iid, draft_law::without_replacement, draft_law::greedy, draft_law::top_n, draft_law::hub_pair};

row normalized(row weights) {
  long double sum = 0.0L;
  for (const double w : weights) sum += static_cast<long double>(w);
  for (double& w : weights) w = static_cast<double>(static_cast<long double>(w) / sum);
  return weights;
}

// Exponential weights to a power: flat at 0.2, a few dominating tokens at 4.
row random_row(gavel::philox4x32& rng, std::size_t size, double power, double zeros = 0.0) {
  row weights(size);
  do {
    for (double& w : weights) w = gavel::uniform(rng) < zeros ? 0.0 : std::pow(gavel::exponential(rng), power);
  } while (*std::max_element(weights.begin(), weights.end()) == 0.0);
  return normalized(weights);
}

// The exact distribution of sets drawn without replacement, by dynamic programming over subsets: f(S) = Pr(the first |S| draws are S).
double exact_all_inside(const row& q, std::size_t n, std::size_t inside) {
  std::vector<double> f(std::size_t{1} << q.size(), 0.0);
  f[0] = 1.0;
  double total = 0.0;
  for (std::size_t set = 0; set < f.size(); ++set) {
    const auto size = static_cast<std::size_t>(__builtin_popcountll(set));
    if (size == n && (set & ~inside) == 0) total += f[set];
    if (size >= n || f[set] == 0.0) continue;
    double left = 0.0;
    for (std::size_t x = 0; x < q.size(); ++x) left += (set >> x & 1) != 0 ? 0.0 : q[x];
    for (std::size_t x = 0; x < q.size(); ++x) {
      if ((set >> x & 1) == 0) f[set | std::size_t{1} << x] += f[set] * q[x] / left;
    }
  }
  return total;
}

struct sorted_token {
  double ratio, p, q;
};

std::vector<sorted_token> sorted_support(const row& p, const row& q) {
  std::vector<sorted_token> tokens;
  for (std::size_t x = 0; x < q.size(); ++x) {
    if (q[x] > 0.0) tokens.push_back({p[x] / q[x], p[x], q[x]});
  }
  std::sort(tokens.begin(), tokens.end(), [](const sorted_token& a, const sorted_token& b) { return a.ratio < b.ratio; });
  return tokens;
}

// Sorts everything, scans every prefix, in long double.
double sorted_iid(const row& p, const row& q, std::size_t n) {
  long double best = 1.0L, target = 0.0L, inside = 0.0L;
  for (const sorted_token& token : sorted_support(p, q)) {
    target += static_cast<long double>(token.p);
    inside += static_cast<long double>(token.q);
    best = std::min(best, 1.0L + target - std::pow(std::min(inside, 1.0L), static_cast<long double>(n)));
  }
  return static_cast<double>(best);
}

// The same without replacement: the recurrence for every token at every node, finer nodes, no shortcut of the header.
double sorted_without_replacement(const row& p, const row& q, std::size_t n) {
  row descending = q;
  std::sort(descending.begin(), descending.end(), std::greater<>());
  double rest = 0.0;
  for (std::size_t i = descending.size(); i-- > n - 1;) rest += descending[i];
  std::vector<double> t, weight;
  for (double u = -3.7; u < std::log((50.0 + 3.0 * static_cast<double>(n)) / rest) + 0.2; u += 0.11) {
    t.push_back(std::exp(u - std::exp(-u)));
    weight.push_back(0.11 * t.back() * (1.0 + std::exp(-u)));
  }
  const std::vector<sorted_token> tokens = sorted_support(p, q);
  std::vector<double> outside(tokens.size() + 1, 0.0);
  for (std::size_t i = tokens.size(); i-- > 0;) outside[i] = outside[i + 1] + tokens[i].q;
  std::vector<std::vector<double>> count(t.size(), std::vector<double>(n, 0.0));
  for (auto& at : count) at[0] = 1.0;
  double best = 1.0, target = 0.0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    target += tokens[i].p;
    double escape = 0.0;
    for (std::size_t m = 0; m < t.size(); ++m) {
      const double stay = std::exp(-tokens[i].q * t[m]), ring = -std::expm1(-tokens[i].q * t[m]);
      double at_most = 0.0;
      for (std::size_t k = n; k-- > 0;) {
        count[m][k] = count[m][k] * stay + (k > 0 ? count[m][k - 1] * ring : 0.0);
        at_most += count[m][k];
      }
      escape += weight[m] * std::exp(-outside[i + 1] * t[m]) * at_most;
    }
    best = std::min(best, target + outside[i + 1] * escape);
  }
  return best;
}

double oracle(draft_law law, const row& p, const row& q, std::size_t n) {
  return law == draft_law::iid ? sorted_iid(p, q, n) : sorted_without_replacement(p, q, n);
}

// The result must be consistent in itself: the set it names has the masses it reports.
void check_set(const row& p, const row& q, draft_law law, std::size_t n, const optimal_acceptance_result& result, double tolerance) {
  std::vector<std::uint8_t> member(p.size(), 9);
  fill_minimizing_set(p, q, result, member);
  double target = 0.0, draft = 0.0;
  for (std::size_t x = 0; x < p.size(); ++x) {
    REQUIRE(member[x] <= 1);
    if (member[x] == 0) continue;
    REQUIRE((q[x] > 0.0 || result.n_always > 0));
    target += p[x];
    draft += q[x];
  }
  CHECK(std::abs(target - result.target_mass) < tolerance);
  CHECK(std::abs(draft - result.draft_mass) < tolerance);
  CHECK(std::abs(all_inside_probability(q, member, law, n) - result.all_inside) < tolerance);
  CHECK(std::abs(1.0 + result.target_mass - result.all_inside - result.acceptance_rate) < tolerance);
}

// Rows that are hard on a histogram. Each has `size` tokens.
struct named_rows {
  std::string name;
  row p, q;
};

std::vector<named_rows> adversarial_rows(std::size_t size) {
  gavel::philox4x32 rng(99);
  std::vector<named_rows> rows;
  auto from = [&](const char* name, auto&& p_of, auto&& q_of) {
    row p(size), q(size);
    for (std::size_t x = 0; x < size; ++x) {
      q[x] = q_of(x);
      p[x] = p_of(x, q[x]);
    }
    rows.push_back({name, normalized(p), normalized(q)});
  };
  auto any = [&](std::size_t) { return gavel::exponential(rng) + 1e-3; };
  from("p equals q", [](std::size_t, double q) { return q; }, any);
  from("uniform and equal", [](std::size_t, double) { return 1.0; }, [](std::size_t) { return 1.0; });
  from("ratios within 1e-9 of one", [&](std::size_t, double q) { return q * (1.0 + 1e-9 * gavel::uniform(rng)); }, any);
  from("two ratios", [&](std::size_t x, double q) { return q * (x % 2 == 0 ? 0.5 : 1.5); }, any);
  from(
      "clusters of ratios", [&](std::size_t x, double q) { return q * (static_cast<double>(x % 5) + 0.2 + 1e-7 * gavel::uniform(rng)); },
      any);
  from(
      "ratios over 60 orders of magnitude", [&](std::size_t, double q) { return q * std::pow(10.0, 60.0 * gavel::uniform(rng) - 40.0); },
      any);
  from("all tiny ratios but one token", [&](std::size_t x, double q) { return x == 3 ? 1e9 : q * 1e-12 * gavel::uniform(rng); }, any);
  from("half of p zero", [&](std::size_t x, double) { return x % 2 == 0 ? 0.0 : gavel::exponential(rng); }, any);
  from(
      "half of q zero", [&](std::size_t, double) { return gavel::exponential(rng); },
      [&](std::size_t x) { return x % 2 == 0 ? 0.0 : gavel::exponential(rng); });
  from(
      "disjoint", [&](std::size_t x, double) { return x % 2 == 0 ? gavel::exponential(rng) : 0.0; },
      [&](std::size_t x) { return x % 2 == 0 ? 0.0 : gavel::exponential(rng); });
  from("one-hot target", [](std::size_t x, double) { return x == 7 ? 1.0 : 0.0; }, any);
  from(
      "peaked draft", [&](std::size_t, double) { return gavel::exponential(rng); },
      [&](std::size_t x) { return x < 3 ? 1.0 : 1e-9 * (1.0 + gavel::uniform(rng)); });
  from(
      "very peaked draft", [&](std::size_t, double) { return gavel::exponential(rng); },
      [&](std::size_t x) { return x < 2 ? 1.0 : std::pow(10.0, -30.0 - 20.0 * gavel::uniform(rng)); });
  from(
      "geometric draft", [&](std::size_t, double) { return gavel::exponential(rng); },
      [](std::size_t x) { return std::pow(0.7, static_cast<double>(x % 40)) + 1e-8; });
  return rows;
}

}  // namespace

TEST_CASE("alpha* equals the minimum over all subsets for every law", "[speculative][optimal_acceptance]") {
  gavel::philox4x32 rng(11);
  optimal_acceptance_solver solver;
  double largest = 0.0;
  for (int repeat = 0; repeat < 12; ++repeat) {
    for (std::size_t v = 2; v <= 8; v += 2) {
      row p = random_row(rng, v, repeat % 3 + 0.3, repeat % 4 == 1 ? 0.4 : 0.0);
      row q = random_row(rng, v, (repeat + 1) % 3 + 0.3, repeat % 4 == 2 ? 0.4 : 0.0);
      if (repeat == 7) p = q;
      if (repeat == 8) std::reverse_copy(q.begin(), q.end(), p.begin());
      for (const draft_law law : all_laws) {
        for (std::size_t n = 1; n <= (v == 8 ? 4u : 5u); ++n) {
          if (law == draft_law::hub_pair && n != 2) continue;
          if (n > max_drafts(law, q)) continue;
          const double best = gavel::testing::optimum_by_subsets(law, p, q, n);
          const optimal_acceptance_result result = solver.solve(p, q, law, n);
          INFO("law " << static_cast<int>(law) << ", V " << v << ", n " << n << ", repeat " << repeat);
          largest = std::max(largest, std::abs(result.acceptance_rate - best));
          CHECK(std::abs(result.acceptance_rate - best) < 1e-12);
          check_set(p, q, law, n, result, 1e-12);
        }
      }
    }
  }
  std::printf("alpha* against all subsets: largest error %.2g\n", largest);
}

TEST_CASE("Q of every set equals the enumeration for every law", "[speculative][optimal_acceptance]") {
  gavel::philox4x32 rng(12);
  for (int repeat = 0; repeat < 6; ++repeat) {
    const row q = random_row(rng, 6, repeat + 0.3, repeat % 2 == 0 ? 0.0 : 0.3);
    for (const draft_law law : all_laws) {
      for (std::size_t n = 1; n <= 4; ++n) {
        if ((law == draft_law::hub_pair && n != 2) || n > max_drafts(law, q)) continue;
        const std::vector<double> inside = gavel::testing::all_inside_by_enumeration(law, q, n);
        for (std::size_t set = 0; set < inside.size(); ++set) {
          std::vector<std::uint8_t> member(6);
          for (std::size_t x = 0; x < 6; ++x) member[x] = static_cast<std::uint8_t>(set >> x & 1);
          INFO("law " << static_cast<int>(law) << ", n " << n << ", set " << set);
          CHECK(std::abs(all_inside_probability(q, member, law, n) - inside[set]) < 1e-12);
        }
      }
    }
  }
}

TEST_CASE("The quadrature without replacement is accurate up to 16 drafts", "[speculative][optimal_acceptance]") {
  gavel::philox4x32 rng(13);
  double largest = 0.0;
  for (const double power : {0.2, 1.0, 3.0, 8.0, 20.0}) {
    const row q = random_row(rng, 17, power);
    for (const std::size_t n : {2u, 3u, 5u, 8u, 9u, 12u, 15u, 16u}) {
      for (int repeat = 0; repeat < 2; ++repeat) {
        std::size_t set = 0;
        std::vector<std::uint8_t> member(q.size());
        for (std::size_t x = 0; x < q.size(); ++x) {
          member[x] = gavel::uniform(rng) < (n < 9 ? 0.7 : 0.95) ? 1 : 0;
          set |= std::size_t{member[x]} << x;
        }
        const double exact = exact_all_inside(q, n, set);
        const double found = all_inside_probability(q, member, draft_law::without_replacement, n);
        INFO("power " << power << ", n " << n << ": " << found << " for " << exact);
        CHECK(std::abs(found - exact) < 1e-13);
        largest = std::max(largest, std::abs(found - exact));
      }
    }
  }
  std::printf("Q without replacement, V = 17, n <= 16: largest error %.2g\n", largest);
}

TEST_CASE("Two drafts without replacement have a closed form", "[speculative][optimal_acceptance]") {
  gavel::philox4x32 rng(14);
  const row q = random_row(rng, 5000, 2.0);
  std::vector<std::uint8_t> member(q.size());
  double inside = 0.0, outside = 0.0;
  for (std::size_t x = 0; x < q.size(); ++x) {
    member[x] = gavel::uniform(rng) < 0.8 ? 1 : 0;
    if (member[x] != 0) inside += q[x] / (1.0 - q[x]);
    else outside += q[x];
  }
  CHECK(std::abs(all_inside_probability(q, member, draft_law::without_replacement, 2) - (1.0 - outside * (1.0 + inside))) < 1e-13);
}

TEST_CASE("Equal draft probabilities without replacement are a hypergeometric distribution", "[speculative][optimal_acceptance]") {
  double largest = 0.0;
  for (const std::size_t v : {17u, 200u, 700u, 1200u, 5000u, 40000u}) {
    const row q(v, 1.0 / static_cast<double>(v));
    for (const std::size_t n : {2u, 7u, 8u, 16u}) {
      for (const double share : {0.5, 0.9, 0.99}) {
        const auto inside = static_cast<std::size_t>(share * static_cast<double>(v));
        std::vector<std::uint8_t> member(v, 0);
        std::fill_n(member.begin(), inside, std::uint8_t{1});
        double exact = 1.0;
        for (std::size_t i = 0; i < n; ++i) {
          exact *= i < inside ? static_cast<double>(inside - i) / static_cast<double>(v - i) : 0.0;
        }
        const double found = all_inside_probability(q, member, draft_law::without_replacement, n);
        INFO("V " << v << ", n " << n << ", inside " << inside << ": " << found << " for " << exact);
        CHECK(std::abs(found - exact) < 5e-14);
        largest = std::max(largest, std::abs(found - exact));
      }
    }
  }
  std::printf("Q without replacement, equal probabilities up to V = 40000: largest error %.2g\n", largest);
}

TEST_CASE("The kernels of the clock visit every node and none beyond", "[speculative][optimal_acceptance]") {
  // Behind the last node stand more times and weights, and guards where results would go.
  namespace parts = gavel::speculative::detail;
  constexpr std::size_t n = 3, spare = parts::clock_nodes_per_step, nodes = 2 * spare;
  std::vector<double> t(nodes + spare), weight(nodes + spare), factor(nodes + spare, 7.0), state(n * nodes + spare, 7.0);
  for (std::size_t m = 0; m < t.size(); ++m) {
    t[m] = 0.125 * static_cast<double>(m + 1);
    weight[m] = 1.0 / t[m];
  }
  const parts::clock_rows rows{state.data(), factor.data(), t.data(), weight.data(), nodes, n};
  std::vector<double> expected(n * nodes, 0.0), expected_factor(nodes);
  auto include = [&](auto&& stay, auto&& enter) {
    for (std::size_t m = 0; m < nodes; ++m) {
      for (std::size_t k = n; k-- > 0;) {
        expected[k * nodes + m] = expected[k * nodes + m] * stay(t[m]) + (k > 0 ? expected[(k - 1) * nodes + m] * enter(t[m]) : 0.0);
      }
    }
  };
  auto include_light = [&](double q) { include([](double) { return 1.0; }, [&](double at) { return std::expm1(q * at); }); };
  auto check = [&] {
    for (std::size_t i = 0; i < n * nodes; ++i) CHECK(state[i] == Approx(expected[i]).epsilon(1e-14));
    for (std::size_t m = 0; m < nodes; ++m) CHECK(factor[m] == Approx(expected_factor[m]).epsilon(1e-14));
    for (std::size_t i = 0; i < spare; ++i) CHECK((state[n * nodes + i] == 7.0 && factor[nodes + i] == 7.0));
  };

  gavel::kernels::dispatch<parts::clock_reset>(rows, 0.3, 0.5);
  for (std::size_t m = 0; m < nodes; ++m) {
    expected[m] = std::exp(-0.3 * t[m]);
    expected_factor[m] = std::exp(-0.5 * t[m]);
  }
  check();
  gavel::kernels::dispatch<parts::clock_include_light>(rows, 0.04);
  include_light(0.04);
  check();
  gavel::kernels::dispatch<parts::clock_include_heavy>(rows, 0.4, 0.1);  // q t on both sides of 1/8
  include([](double at) { return std::exp(-0.4 * at); }, [](double at) { return -std::expm1(-0.4 * at); });
  for (std::size_t m = 0; m < nodes; ++m) expected_factor[m] = std::exp(-0.1 * t[m]);
  check();

  // A block of three light tokens: C_ji = (coefficient of x^i in (e^x - 1)^j) times the power sum of order i.
  constexpr std::size_t orders = parts::clock_moments;
  constexpr double limit = 0.04;
  std::vector<double> coefficients((n - 1) * orders);
  std::vector<double> series(orders + 1, 0.0);
  series[0] = 1.0;
  for (std::size_t j = 1; j < n; ++j) {
    std::vector<double> next(orders + 1, 0.0);
    for (std::size_t i = 1; i <= orders; ++i) {
      for (std::size_t l = 1; l <= i; ++l) next[i] += series[i - l] / std::tgamma(static_cast<double>(l + 1));
    }
    series = next;
    for (std::size_t i = j; i <= orders; ++i) {
      double moment = 0.0;
      for (const double q : {0.01, 0.02, 0.03}) moment += std::pow(q / limit, static_cast<double>(i));
      coefficients[(j - 1) * orders + i - j] = series[i] * moment;
    }
  }
  const double* const first = coefficients.data();
  gavel::kernels::dispatch<parts::clock_include_block>(rows, first, limit);
  for (const double q : {0.01, 0.02, 0.03}) include_light(q);
  check();

  double integral = 0.0;
  for (std::size_t m = 0; m < nodes; ++m) {
    integral += weight[m] * expected_factor[m] * (expected[m] + expected[nodes + m] + expected[2 * nodes + m]);
  }
  CHECK(gavel::kernels::dispatch<parts::clock_integral>(rows) == Approx(integral).epsilon(1e-14));

  // Power sums: a group of tiny tokens, whose high powers do not show, then one that is not full.
  std::vector<parts::ratio_token> tokens(spare + 5);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i].q = i < spare ? 0x1p-18 : 0.1 + 0.01 * static_cast<double>(i);
  std::vector<double> moments(orders, 0.5);
  const parts::ratio_token* const some = tokens.data();
  double* const out = moments.data();
  gavel::kernels::dispatch<parts::clock_measure>(some, tokens.size(), 2.0, out);
  for (std::size_t k = 0; k < orders; ++k) {
    double sum = 0.5;
    for (const parts::ratio_token& token : tokens) sum += std::pow(2.0 * token.q, static_cast<double>(k + 1));
    CHECK(moments[k] == Approx(sum).epsilon(1e-14));
  }
}

TEST_CASE("A token whose ratio lies between two floats stays on its side of the threshold", "[speculative][optimal_acceptance]") {
  // The best prefix ends at a bin of the histogram; the next token sits half an ulp below the bin's end, where it rounds up out of it.
  const double half_way = 1.0 + 1.0 / 32 - 0x1p-24;
  const row q = {0.5, 0x1p-8, 0x1p-12, 0.5 - 0x1p-8 - 0x1p-12};
  row p = {0.1, 0x1p-8, 0x1p-12 * half_way, 0.0};
  p[3] = 1.0 - p[0] - p[1] - p[2];
  const optimal_acceptance_result result = optimal_acceptance(p, q, draft_law::iid, 2);
  std::vector<std::uint8_t> member(4);
  fill_minimizing_set(p, q, result, member);
  CHECK(member == std::vector<std::uint8_t>{1, 1, 0, 0});
  check_set(p, q, draft_law::iid, 2, result, 1e-14);
}

TEST_CASE("The search without a sort finds what the full sort finds", "[speculative][optimal_acceptance]") {
  gavel::philox4x32 rng(15);
  optimal_acceptance_solver solver;
  auto check = [&](const std::string& name, const row& p, const row& q, draft_law law, std::size_t n) {
    if (n > max_drafts(draft_law::without_replacement, q)) return;
    const optimal_acceptance_result result = solver.solve(p, q, law, n);
    const double expected = oracle(law, p, q, n);
    INFO(name << ", V " << p.size() << ", law " << static_cast<int>(law) << ", n " << n << ": " << result.acceptance_rate << " for "
              << expected);
    CHECK(std::abs(result.acceptance_rate - expected) < 1e-12);
    check_set(p, q, law, n, result, 1e-12);
  };
  for (const auto& [name, p, q] : adversarial_rows(1500)) {
    for (const std::size_t n : {1u, 2u, 4u, 16u}) check(name, p, q, draft_law::iid, n);
    for (const std::size_t n : {2u, 4u, 9u}) check(name, p, q, draft_law::without_replacement, n);
  }
  for (const std::size_t v : {49u, 300u, 1000u, 4001u}) {
    for (const double power : {0.3, 1.0, 3.0}) {
      const row p = random_row(rng, v, power, 0.1), q = random_row(rng, v, power, 0.1);
      for (const std::size_t n : {1u, 3u, 8u}) check("random", p, q, draft_law::iid, n);
      check("random", p, q, draft_law::iid, 1000);
      for (const std::size_t n : {2u, 8u}) check("random", p, q, draft_law::without_replacement, n);
    }
    const row flat = random_row(rng, v, 0.02);  // p close to q: nearly all ratios in one bin
    const row near = random_row(rng, v, 0.02);
    check("nearly flat", flat, near, draft_law::iid, 4);
    check("nearly flat", flat, near, draft_law::without_replacement, 4);
  }
  const row p = random_row(rng, 32000, 2.0), q = random_row(rng, 32000, 2.0);
  check("large", p, q, draft_law::iid, 4);
  check("large", p, q, draft_law::without_replacement, 8);
}

TEST_CASE("Floats, reduced vocabularies and batches agree with the plain call", "[speculative][optimal_acceptance]") {
  gavel::philox4x32 rng(16);
  optimal_acceptance_solver solver;
  for (const draft_law law : all_laws) {
    const std::size_t n = law == draft_law::hub_pair ? 2 : 3;
    const std::size_t v = 700;
    std::vector<float> p(3 * v), q(3 * v);
    std::vector<double> rates(3), one_by_one(3);
    for (std::size_t r = 0; r < 3; ++r) {
      const row p_row = random_row(rng, v, 2.0), q_row = random_row(rng, v, 2.0, 0.5);
      for (std::size_t x = 0; x < v; ++x) {
        p[r * v + x] = static_cast<float>(p_row[x]);
        q[r * v + x] = static_cast<float>(q_row[x]);
      }
      const std::span<const float> pf(p.data() + r * v, v), qf(q.data() + r * v, v);
      one_by_one[r] = solver.solve(pf, qf, law, n).acceptance_rate;
      const row pd(pf.begin(), pf.end()), qd(qf.begin(), qf.end());
      CHECK(std::abs(optimal_acceptance(pd, qd, law, n).acceptance_rate - one_by_one[r]) < 1e-14);
      CHECK(std::abs(optimal_acceptance(normalized(pd), normalized(qd), law, n).acceptance_rate - one_by_one[r]) < 1e-12);

      std::vector<token_id> ids;
      std::vector<float> q_part;
      for (std::size_t x = v; x-- > 0;) {  // any order of ids
        if (qf[x] == 0.0f && x % 3 != 0) continue;
        ids.push_back(static_cast<token_id>(x));
        q_part.push_back(qf[x]);
      }
      REQUIRE(ids.size() < v);
      const optimal_acceptance_result reduced = solver.solve(pf, ids, q_part, law, n);
      CHECK(std::abs(reduced.acceptance_rate - one_by_one[r]) < 1e-13);
      CHECK(optimal_acceptance(pf, ids, q_part, law, n).acceptance_rate == reduced.acceptance_rate);
    }
    solver.solve_rows(gavel::matrix_view<const float>(p.data(), 3, v), gavel::matrix_view<const float>(q.data(), 3, v), law, n, rates);
    CHECK(rates == one_by_one);
    optimal_acceptance(gavel::matrix_view<float>(p.data(), 3, v), gavel::matrix_view<float>(q.data(), 3, v), law, n, rates);
    CHECK(rates == one_by_one);
  }
}

TEST_CASE("A bad row of a batch has no acceptance rate and stops no other", "[speculative][optimal_acceptance]") {
  const row good = {0.5, 0.25, 0.25}, draft = {0.25, 0.5, 0.25};
  row p, q;
  const auto add = [&](const row& p_row, const row& q_row) {
    p.insert(p.end(), p_row.begin(), p_row.end());
    q.insert(q.end(), q_row.begin(), q_row.end());
  };
  add(good, draft);
  add({0.5, not_a_number, 0.5}, draft);
  add(good, {0.5, 0.25, 0.125});
  add(good, {1.0, -0.25, 0.25});
  add(good, {1.0, 0.0, 0.0});
  add(good, {0.5, -0.0, 0.5});
  add(good, draft);
  row rates(7, 7.0);
  const gavel::matrix_view<const double> target(p.data(), 7, 3), drafted(q.data(), 7, 3);
  for (const draft_law law : {draft_law::iid, draft_law::without_replacement}) {
    optimal_acceptance(target, drafted, law, 2, rates);
    const double expected = optimal_acceptance(good, draft, law, 2).acceptance_rate;
    CHECK((rates[0] == expected && rates[6] == expected));
    for (const std::size_t bad : {1u, 2u, 3u}) CHECK(std::isnan(rates[bad]));
    CHECK(std::isnan(rates[4]) == (law == draft_law::without_replacement));  // one token cannot give two distinct drafts
    CHECK_FALSE(std::isnan(rates[5]));
  }
}

TEST_CASE("One draft is accepted with the overlap, and more drafts never hurt", "[speculative][optimal_acceptance]") {
  gavel::philox4x32 rng(17);
  for (const double power : {0.5, 1.5, 4.0}) {
    const row p = random_row(rng, 400, power), q = random_row(rng, 400, power);
    double overlap = 0.0;
    for (std::size_t x = 0; x < p.size(); ++x) overlap += std::min(p[x], q[x]);
    for (const draft_law law : {draft_law::iid, draft_law::without_replacement, draft_law::greedy}) {
      CHECK(optimal_acceptance(p, q, law, 1).acceptance_rate == Approx(overlap).epsilon(1e-13));
    }
    double last_iid = 0.0, last_without = 0.0;
    for (std::size_t n = 1; n <= 16; ++n) {
      const double iid = optimal_acceptance(p, q, draft_law::iid, n).acceptance_rate;
      const double without = optimal_acceptance(p, q, draft_law::without_replacement, n).acceptance_rate;
      CHECK(without >= iid - 1e-13);
      CHECK(iid >= last_iid - 1e-13);
      CHECK(without >= last_without - 1e-13);
      last_iid = iid;
      last_without = without;
    }
    CHECK(optimal_acceptance(p, q, draft_law::greedy, 2).acceptance_rate ==
          optimal_acceptance(p, q, draft_law::hub_pair, 2).acceptance_rate);
  }
}

TEST_CASE("Edge rows", "[speculative][optimal_acceptance]") {
  const row one_hot = {0.0, 1.0, 0.0}, other = {0.2, 0.3, 0.5};
  const optimal_acceptance_result same = optimal_acceptance(other, other, draft_law::iid, 3);
  CHECK(same.acceptance_rate == 1.0);
  CHECK(same.target_mass == 0.0);
  CHECK(same.all_inside == 0.0);
  CHECK(same.ratio_threshold == -1.0);
  std::vector<std::uint8_t> member(3, 9);
  fill_minimizing_set(other, other, same, member);
  CHECK(member == std::vector<std::uint8_t>{0, 0, 0});

  const optimal_acceptance_result certain = optimal_acceptance(other, one_hot, draft_law::iid, 5);
  CHECK(certain.acceptance_rate == Approx(0.3).epsilon(1e-15));
  CHECK(certain.all_inside == 1.0);
  CHECK(certain.target_mass == Approx(0.3).epsilon(1e-15));
  CHECK(optimal_acceptance(row{1.0, 0.0, 0.0}, one_hot, draft_law::iid, 5).acceptance_rate == 0.0);
  CHECK(optimal_acceptance(other, row{-0.0, 1.0, -0.0}, draft_law::iid, 5).acceptance_rate == Approx(0.3).epsilon(1e-15));
  CHECK(optimal_acceptance(row{-0.0, 1.0, -0.0}, other, draft_law::iid, 1).acceptance_rate == Approx(0.3).epsilon(1e-15));
  // q = -0 must not count as a low ratio beside a token that has one.
  CHECK(optimal_acceptance(row{0.3, 0.0, 0.7}, row{-0.0, 0.5, 0.5}, draft_law::iid, 1).acceptance_rate == Approx(0.5).epsilon(1e-15));
  CHECK(optimal_acceptance(other, other, draft_law::top_n, 3).acceptance_rate == 1.0);
  CHECK(optimal_acceptance(other, other, draft_law::top_n, 2).acceptance_rate == Approx(0.8).epsilon(1e-15));
  // All of the support without replacement is a fixed set.
  CHECK(optimal_acceptance(row{0.5, 0.25, 0.25}, row{0.9, 0.1, 0.0}, draft_law::without_replacement, 2).acceptance_rate ==
        Approx(0.75).epsilon(1e-14));
  CHECK(optimal_acceptance(row{0.5, 0.25, 0.25}, row{1.0 - 1e-200, 1e-200, 0.0}, draft_law::without_replacement, 2).acceptance_rate ==
        Approx(0.75).epsilon(1e-13));
}

TEST_CASE("Bad input is refused with its place", "[speculative][optimal_acceptance]") {
  const row good = {0.5, 0.25, 0.25};
  auto solve = [&](const row& p, const row& q, draft_law law, std::size_t n) {
    return message_of([&] { (void)optimal_acceptance(p, q, law, n); });
  };
  const std::string name = "gavel::speculative::optimal_acceptance: ";
  CHECK(solve(good, good, draft_law::iid, 0) == name + "n = 0, must be >= 1");
  CHECK(solve(good, good, draft_law::hub_pair, 3) == name + "n = 3, must be 2 for draft_law::hub_pair");
  CHECK(solve(good, {0.5, 0.5, 0.0}, draft_law::without_replacement, 3) ==
        name + "n = 3, must be <= number of tokens with q >= 2^-1000, which is 2");
  CHECK(solve(good, {1.0, 1e-302, 0.0}, draft_law::without_replacement, 2) ==
        name + "n = 2, must be <= number of tokens with q >= 2^-1000, which is 1");
  CHECK(solve(good, {1.0, 0.0, 0.0}, draft_law::hub_pair, 2) == name + "n = 2, must be <= number of tokens with q >= 2^-1000, which is 1");
  CHECK(solve(good, {0.5, 0.5}, draft_law::iid, 2) == name + "q.size() = 2, must equal p.size() 3");
  CHECK(solve({}, {}, draft_law::iid, 2) == name + "p.size() = 0, must be >= 1");
  CHECK(solve(good, {0.5, not_a_number, 0.5}, draft_law::iid, 2) == "domain: " + name + "q[1] = nan, must be finite and >= 0");
  CHECK(solve({-0.5, 1.0, 0.5}, good, draft_law::iid, 2) == "domain: " + name + "p[0] = -0.5, must be finite and >= 0");
  CHECK(solve({0.5, 0.5, 0.5}, good, draft_law::greedy, 2) == "domain: " + name + "sum of p = 1.5, must be 1 within 1e-06");
  const row q17(20, 0.05);
  CHECK(solve(q17, q17, draft_law::without_replacement, 17) == name + "n = 17, must be <= 16");
  const std::vector<token_id> twice = {1, 1}, far = {0, 3}, ids = {0, 2};
  const row half = {0.5, 0.5};
  CHECK(message_of([&] { (void)optimal_acceptance(good, twice, half, draft_law::iid, 1); }) ==
        name + "ids[1] = 1, must differ from the ids before it");
  CHECK(message_of([&] { (void)optimal_acceptance(good, far, half, draft_law::iid, 1); }) ==
        name + "ids[1] = 3, must be < vocabulary size 3");
  CHECK(message_of([&] { (void)optimal_acceptance(good, ids, good, draft_law::iid, 1); }) ==
        name + "ids.size() = 2, must equal q.size() 3");
  row p2 = {0.5, 0.5, 0.5, 0.6}, q2 = {0.5, 0.5, 0.5, 0.5}, rates = {7.0, 7.0};
  const gavel::matrix_view<const double> pm(p2.data(), 2, 2), qm(q2.data(), 2, 2);
  CHECK(message_of([&] { optimal_acceptance(pm, qm, draft_law::iid, 0, rates); }) == name + "n = 0, must be >= 1");
  CHECK(message_of([&] { optimal_acceptance(pm, qm, draft_law::without_replacement, 17, rates); }) == name + "n = 17, must be <= 16");
  CHECK(rates == row{7.0, 7.0});
  CHECK(message_of([&] { optimal_acceptance(pm, qm, draft_law::iid, 1, std::span(rates).first(1)); }) ==
        name + "rates.size() = 1, must equal target_rows.rows() 2");
  const gavel::matrix_view<const double> one_row(q2.data(), 1, 2), one_column(q2.data(), 2, 1);
  CHECK(message_of([&] { optimal_acceptance(pm, one_row, draft_law::iid, 1, rates); }) ==
        name + "draft_rows.rows() = 1, must equal target_rows.rows() 2");
  CHECK(message_of([&] { optimal_acceptance(pm, one_column, draft_law::iid, 1, rates); }) ==
        name + "draft_rows.cols() = 1, must equal target_rows.cols() 2");
  auto fill = [&](const row& q, std::size_t members, std::size_t n_always) {
    std::vector<std::uint8_t> member(members, 9);
    return message_of([&] { fill_minimizing_set(good, q, {.n_always = n_always}, member); });
  };
  CHECK(fill(half, 3, 0) == "gavel::speculative::fill_minimizing_set: q.size() = 2, must equal p.size() 3");
  CHECK(fill(good, 2, 0) == "gavel::speculative::fill_minimizing_set: member.size() = 2, must equal p.size() 3");
  CHECK(fill(good, 3, 4) == "gavel::speculative::fill_minimizing_set: result.n_always = 4, must be <= q.size() 3");
  CHECK(fill(good, 3, 3) == "no exception");
  CHECK(message_of([&] { (void)all_inside_probability(good, std::vector<std::uint8_t>{1}, draft_law::iid, 1); }) ==
        "gavel::speculative::all_inside_probability: member.size() = 1, must equal q.size() 3");
}

TEST_CASE("Acceptance rates of the reference cases", "[speculative][optimal_acceptance][reference]") {
  using namespace gavel::testing;
  auto ignore = [](const json&, const json&, const json&) {};
  reference_file("01-optimal-multi-draft")
      .run({{"iid", check_acceptance_iid},
            {"wor", check_acceptance_wor},
            {"wor_big", check_acceptance_wor_big},
            {"greedy", check_acceptance_greedy},
            {"spechub", check_acceptance_spechub},
            {"selection", check_acceptance_selection},
            {"edges", check_acceptance_edges},
            {"selection_wor", ignore},
            {"block", ignore},
            {"traversal", ignore},
            {"tree_budget_dp", ignore}});
}

TEST_CASE("Optimal acceptance without replacement: right down to the smallest draft probability that counts",
          "[speculative][optimal_acceptance]") {
  // Token 0 is always among the two drafts, 2 three times as often as 1: H = {0, 2} holds both drafts with probability 3/4.
  const std::vector<double> p{0.2, 0.3, 0.5}, q{1.0, 1e-301, 3e-301};
  const optimal_acceptance_result best = optimal_acceptance(p, q, draft_law::without_replacement, 2);
  CHECK(best.acceptance_rate == Approx(0.95).epsilon(1e-13));
  CHECK(best.all_inside == Approx(0.75).epsilon(1e-13));
  // Below it a token is no draft: only {0, 2} is left.
  const std::vector<double> less{1.0, 1e-303, 3e-301};
  CHECK(optimal_acceptance(p, less, draft_law::without_replacement, 2).acceptance_rate == Approx(0.7).epsilon(1e-13));
}

}  // namespace optimal_acceptance_test
