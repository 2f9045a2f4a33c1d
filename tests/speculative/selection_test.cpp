// SPDX-License-Identifier: MIT
#include <gavel/speculative/selection.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"
#include "speculative/verifier_checks.hpp"

#include <cmath>
#include <span>
#include <vector>

namespace selection_test {

using namespace gavel;
using namespace gavel::speculative;
using namespace gavel::testing;

namespace {

std::vector<double> random_weights(test_engine& rng, std::size_t size, double range) {
  std::vector<double> weights(size);
  for (double& w : weights) w = std::exp(range * (unit(rng) - 0.5));
  return weights;
}

// A_y by the definition: every tuple, every draft of it.
std::vector<double> marginals_by_enumeration(std::span<const double> q, std::span<const double> weights, draft_law law, std::size_t n) {
  std::vector<double> picked(q.size(), 0.0);
  for_each_drafts(law, q, n, [&](std::span<const token_id> drafts, double probability) {
    double sum = 0.0;
    for (const token_id x : drafts) sum += weights[x];
    for (const token_id x : drafts) picked[x] += probability * weights[x] / sum;
  });
  return picked;
}

template <class Q>
std::vector<double> marginals(const Q& q, const std::vector<double>& weights, draft_law law, std::size_t n) {
  std::vector<double> picked(q.size(), not_a_number);
  selection_marginals(q, weights, law, n, std::span<double>(picked));
  return picked;
}

}  // namespace

TEST_CASE("selection marginals equal the enumeration for any weights", "[speculative][selection]") {
  test_engine rng(1);
  for (const draft_law law : {draft_law::iid, draft_law::without_replacement}) {
    for (std::size_t size = 1; size <= 7; ++size) {
      for (std::size_t n = 1; n <= 4; ++n) {
        for (const double range : {0.0, 1.0, 6.0, 25.0}) {
          const std::vector<double> q = random_row(rng, size, size % 2 == 0 ? 0.2 : 0.0, range > 5.0 ? 4.0 : 1.5);
          if (!law_exists(law, q, n)) continue;
          const std::vector<double> weights = random_weights(rng, size, range);
          CAPTURE(static_cast<int>(law), q, weights, n);
          REQUIRE(largest_difference(marginals(q, weights, law, n), marginals_by_enumeration(q, weights, law, n)) <= 1e-14);
        }
      }
    }
  }
}

TEST_CASE("selection marginals sum to one for all sizes, numbers of drafts and spans of weights", "[speculative][selection]") {
  test_engine rng(2);
  for (const std::size_t size : {10u, 300u, 5000u}) {
    const std::vector<double> q = random_row(rng, size, 0.1, 2.0);
    for (const std::size_t n : {1u, 2u, 5u, 8u, 16u, 32u}) {
      for (const double range : {0.0, 10.0, 60.0}) {
        const std::vector<double> weights = random_weights(rng, size, range);
        for (const draft_law law : {draft_law::iid, draft_law::without_replacement}) {
          if (law == draft_law::without_replacement && (n > 16 || n > support_size(q) || size > 300)) continue;
          double sum = 0.0;
          for (const double a : marginals(q, weights, law, n)) sum += a;
          CAPTURE(size, n, range, static_cast<int>(law));
          REQUIRE(std::abs(sum - 1.0) <= 2e-13);
        }
      }
    }
  }
}

TEST_CASE("selection marginals: cases known in closed form", "[speculative][selection]") {
  test_engine rng(3);
  const std::vector<double> q = random_row(rng, 50);
  const std::vector<double> weights = random_weights(rng, 50, 8.0);
  const std::vector<double> same(50, 0.3);
  for (const draft_law law : {draft_law::iid, draft_law::without_replacement}) {
    REQUIRE(largest_difference(marginals(q, weights, law, 1), q) <= 1e-14);  // one draft is always picked
    std::vector<double> scaled = weights;
    for (double& w : scaled) w *= 1e200;
    REQUIRE(largest_difference(marginals(q, weights, law, 3), marginals(q, scaled, law, 3)) <= 1e-14);
  }
  REQUIRE(largest_difference(marginals(q, same, draft_law::iid, 4), q) <= 1e-14);
  // As many drafts as tokens: all are drafted, the weights decide alone.
  const std::vector<double> few = random_row(rng, 4);
  const std::vector<double> w{0.1, 0.4, 0.3, 0.2};
  REQUIRE(largest_difference(marginals(few, w, draft_law::without_replacement, 4), w) <= 1e-14);
}

TEST_CASE("selection marginals take float rows and rows that are off by rounding", "[speculative][selection]") {
  test_engine rng(4);
  const std::vector<double> q = dyadic_row(rng, 6);
  const std::vector<double> weights = random_weights(rng, 6, 4.0);
  std::vector<double> off = q;
  for (double& x : off) x *= 1.0 + 8e-7;
  for (const draft_law law : {draft_law::iid, draft_law::without_replacement}) {
    REQUIRE(marginals(row_as<float>(q), weights, law, 2) == marginals(q, weights, law, 2));
    REQUIRE(largest_difference(marginals(off, weights, law, 2), marginals(q, weights, law, 2)) <= 1e-14);
  }
}

TEST_CASE("the kernels of the i.i.d. marginals visit every node and none beyond", "[speculative][selection]") {
  // Behind the last node stand more numbers, and guards where results would go.
  namespace parts = gavel::speculative::detail;
  constexpr std::size_t groups = 5, spare = parts::node_block, nodes = 2 * spare, used = nodes - 5;
  auto numbers = [](std::size_t count, double scale) {
    std::vector<double> row(count);
    for (std::size_t i = 0; i < count; ++i) row[i] = scale * (1.0 + std::sin(static_cast<double>(i)));
    return row;
  };
  std::vector<double> s(nodes + spare, 0.7);
  for (std::size_t m = 0; m < nodes; ++m) s[m] = m < used ? 60.0 * static_cast<double>(m + 1) / used : 0.0;
  const std::vector<double> masses{0.1, 0.2, 0.3, 0.25, 0.15}, weights{0.01, 0.3, 1.0, 0.5, 0.7};
  std::vector<double> decay(groups * nodes + spare, 7.0), laplace(nodes + spare, 0.5);
  const double *const at = s.data(), *const mass = masses.data(), *const weight = weights.data();
  kernels::dispatch<parts::decay_kernel>(at, used, nodes, mass, weight, groups, decay.data(), laplace.data());
  for (std::size_t m = 0; m < used; ++m) {
    double sum = 0.5;
    for (std::size_t k = 0; k < groups; ++k) {
      const double exact = std::exp(-weights[k] * s[m]);
      CHECK(decay[k * nodes + m] == Approx(exact).epsilon(1e-14).margin(3e-20));
      sum += masses[k] * exact;
    }
    CHECK(laplace[m] == Approx(sum).epsilon(1e-14));
  }
  for (std::size_t i = 0; i < spare; ++i) CHECK((decay[groups * nodes + i] == 7.0 && laplace[nodes + i] == 0.5));

  decay = numbers(groups * nodes + spare, 1.0);
  const double* const rows = decay.data();
  const std::vector<double> a = numbers(nodes + spare, 0.3), b = numbers(nodes + spare, -2.0);
  std::vector<double> dot_a(groups + 1, 7.0), dot_b(groups + 1, 7.0), sums(nodes + spare, 0.5);
  kernels::dispatch<parts::two_dots_kernel>(rows, nodes, groups, a.data(), b.data(), dot_a.data(), dot_b.data());
  const std::vector<double> factors{0.5, 0.0, -1.0, 2.0, 0.25};
  kernels::dispatch<parts::accumulate_kernel>(rows, nodes, groups, factors.data(), sums.data());
  std::vector<double> expected(nodes, 0.5);
  for (std::size_t k = 0; k < groups; ++k) {
    double with_a = 0.0, with_b = 0.0;
    for (std::size_t m = 0; m < nodes; ++m) {
      with_a += decay[k * nodes + m] * a[m];
      with_b += decay[k * nodes + m] * b[m];
      expected[m] += factors[k] * decay[k * nodes + m];
    }
    CHECK(dot_a[k] == Approx(with_a).epsilon(1e-13));
    CHECK(dot_b[k] == Approx(with_b).epsilon(1e-13));
  }
  CHECK((dot_a[groups] == 7.0 && dot_b[groups] == 7.0));
  for (std::size_t m = 0; m < nodes; ++m) CHECK(sums[m] == Approx(expected[m]).epsilon(1e-13));
  for (std::size_t m = nodes; m < sums.size(); ++m) CHECK(sums[m] == 0.5);

  std::vector<double> scratch(parts::gram_kernel::batch * nodes + spare, 7.0), gram(nodes * nodes + spare, 0.25);
  kernels::dispatch<parts::gram_kernel>(rows, nodes, groups, factors.data(), a.data(), scratch.data(), gram.data());
  for (std::size_t i = 0; i < nodes; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = 0.25;
      for (std::size_t k = 0; k < groups; ++k) sum += factors[k] * (a[i] * decay[k * nodes + i]) * (a[j] * decay[k * nodes + j]);
      CHECK(gram[i * nodes + j] == Approx(sum).epsilon(1e-13).margin(1e-15));
    }
  }
  for (std::size_t i = 0; i < spare; ++i) CHECK((gram[nodes * nodes + i] == 0.25 && scratch[scratch.size() - 1 - i] == 7.0));
}

TEST_CASE("the kernels of the marginals without replacement visit every node and none beyond", "[speculative][selection]") {
  // Two drafts, two tokens x and y, and a base of tokens without a weight: few enough terms to write down.
  namespace parts = gavel::speculative::detail;
  constexpr std::size_t spare = parts::set_tables::stride, nodes = 2 * spare, n = 2;
  auto numbers = [&](std::size_t count, double scale) {
    std::vector<double> row(count);
    for (std::size_t i = 0; i < count; ++i) row[i] = scale * (1.5 + std::sin(static_cast<double>(i)));
    return row;
  };
  const std::vector<double> in = numbers(2 * nodes + spare, 0.2), out = numbers(2 * nodes + spare, 0.3),
                            at = numbers(2 * nodes + spare, 0.1), e = numbers(n * nodes + spare, 0.4), f = numbers(n * nodes + spare, 0.15),
                            weight = numbers(nodes + spare, 0.5);
  const std::vector<double> z{0.8, 0.3};
  std::vector<double> suffix(3 * 2 * n * spare);
  parts::set_tables tables;
  tables.in = in.data(), tables.out = out.data(), tables.at = at.data(), tables.base_e = e.data(), tables.base_f = f.data();
  tables.weight = weight.data(), tables.z = z.data(), tables.suffix = suffix.data(), tables.tokens = 2, tables.nodes = nodes, tables.n = n;
  std::vector<double> picked(2 * spare + spare, 0.0), total(2 * spare, 0.0), pairs(4 * spare + spare, 0.0);
  kernels::dispatch<parts::set_marginals_kernel>(tables, 3.0, picked.data(), total.data());
  kernels::dispatch<parts::set_pairs_kernel>(tables, 5.0, pairs.data());
  double expected[2] = {}, expected_total = 0.0, expected_pair = 0.0;
  for (std::size_t m = 0; m < nodes; ++m) {
    for (std::size_t x = 0; x < 2; ++x) {
      const std::size_t mine = x * nodes + m, other = (1 - x) * nodes + m;
      const double e_1 = e[nodes + m] * out[other] + e[m] * in[other] * z[1 - x], f_0 = f[m] * out[other] + e[m] * at[other] * z[1 - x];
      expected[x] += 3.0 * z[x] * weight[m] * (in[mine] * f_0 + at[mine] * e_1);
      if (x == 1) continue;
      const double f_1 = f[nodes + m] * out[other] + f[m] * in[other] * z[1 - x] + e[nodes + m] * at[other] * z[1 - x];
      expected_total += weight[m] * (f_1 * out[mine] + f_0 * in[mine] * z[x] + e_1 * at[mine] * z[x]);
      expected_pair += 5.0 * z[0] * z[1] * weight[m] * e[m] * (at[mine] * in[other] + in[mine] * at[other]);
    }
  }
  CHECK(parts::sum_lanes(picked.data()) == Approx(expected[0]).epsilon(1e-13));
  CHECK(parts::sum_lanes(picked.data() + spare) == Approx(expected[1]).epsilon(1e-13));
  CHECK(parts::sum_lanes(total.data()) == Approx(expected_total).epsilon(1e-13));
  CHECK(parts::sum_lanes(pairs.data() + spare) == Approx(expected_pair).epsilon(1e-13));  // x before y
  for (const std::size_t place : {std::size_t{0}, 2 * spare, 3 * spare, 4 * spare}) CHECK(parts::sum_lanes(pairs.data() + place) == 0.0);
  CHECK((parts::sum_lanes(picked.data() + 2 * spare) == 0.0 && parts::sum_lanes(total.data() + spare) == 0.0));
}

TEST_CASE("thinning turns marginals into acceptance and residual", "[speculative][selection]") {
  test_engine rng(5);
  std::vector<double> residual(8);
  for (int repeat = 0; repeat < 50; ++repeat) {
    const std::vector<double> p = random_row(rng, 8, 0.3);
    const std::vector<double> a = random_row(rng, 8, 0.3);
    const double rate = thinned_acceptance_rate(p, a);
    thinned_residual(p, a, residual);
    std::vector<double> output(8);
    for (std::size_t y = 0; y < 8; ++y) output[y] = (std::min)(p[y], a[y]) + (1.0 - rate) * residual[y];
    REQUIRE(largest_difference(output, p) <= 1e-15);
    REQUIRE(thinned_acceptance_rate(p, p) == Approx(1.0).epsilon(1e-15));
    thinned_residual(p, p, residual);
    REQUIRE(largest_difference(residual, p) <= 1e-15);
  }
}

TEST_CASE("selection: messages", "[speculative][selection]") {
  const std::vector<double> q{0.5, 0.25, 0.25, 0.0};
  std::vector<double> out(4, -7.0);
  auto call = [&](const std::vector<double>& row, const std::vector<double>& weights, draft_law law, std::size_t n,
                  std::size_t out_size = 4) {
    return [&, row, weights, law, n, out_size] { selection_marginals(row, weights, law, n, std::span<double>(out).first(out_size)); };
  };
  const std::vector<double> w{1.0, 2.0, 3.0, 0.0};
  const std::string name = "gavel::speculative::selection_marginals: ";
  constexpr draft_law iid = draft_law::iid;
  constexpr draft_law wor = draft_law::without_replacement;
  CHECK(message_of([&] { call({0.5, 0.75, -0.25, 0.0}, w, iid, 2)(); }) ==
        std::string("domain: ") + name + "q[2] = -0.25, must be finite and >= 0");
  CHECK(message_of([&] { call(q, {1.0}, iid, 2)(); }) == name + "weights.size() = 1, must equal q.size() 4");
  CHECK(message_of([&] { call(q, w, iid, 2, 3)(); }) == name + "out.size() = 3, must equal q.size() 4");
  CHECK(message_of([&] { call(q, w, draft_law::greedy, 2)(); }) == name + "law = 2, must be iid or without_replacement");
  CHECK(message_of([&] { call(q, w, iid, 0)(); }) == name + "n = 0, must be >= 1");
  CHECK(message_of([&] { call(q, w, iid, 33)(); }) == name + "n = 33, must be <= 32");
  CHECK(message_of([&] { call(q, w, wor, 17)(); }) == name + "n = 17, must be <= 16");
  CHECK(message_of([&] { call(q, w, wor, 4)(); }) == name + "n = 4, must be <= number of tokens with q >= 2^-1000, which is 3");
  CHECK(message_of([&] { call(q, {1.0, 0.0, 1.0, 1.0}, iid, 2)(); }) == name + "weights[1] = 0, must be finite and > 0");
  CHECK(message_of([&] { call(q, {1.0, HUGE_VAL, 1.0, 1.0}, iid, 2)(); }) == name + "weights[1] = inf, must be finite and > 0");
  CHECK(message_of([&] { call(q, {1.0, not_a_number, 1.0, 1.0}, iid, 2)(); }) ==
        std::string("domain: ") + name + "weights[1] = nan, must be finite and > 0");
  CHECK(message_of([&] { call(q, {1.0, 1e31, 1.0, 1.0}, iid, 2)(); }) == name + "largest / smallest weight = 1e+31, must be <= 1e+30");
  CHECK(message_of([&] { call(q, {1.0, 1e30, 1.0, 1.0}, iid, 1)(); }) == "no exception");
  out.assign(4, -7.0);
  CHECK(message_of([&] { call({1.0, 1e-310, 0.0, 0.0}, w, wor, 2)(); }) ==
        name + "n = 2, must be <= number of tokens with q >= 2^-1000, which is 1");
  CHECK(out == std::vector<double>(4, -7.0));

  CHECK(message_of([&] { (void)thinned_acceptance_rate(q, std::vector<double>{1.0}); }) ==
        "gavel::speculative::thinned_acceptance_rate: marginals.size() = 1, must equal p.size() 4");
  CHECK(message_of([&] { thinned_residual(q, std::vector<double>{0.5, 0.4, 0.0, 0.0}, out); }) ==
        "domain: gavel::speculative::thinned_residual: sum of marginals = 0.9, must be 1 within 1e-06");
  CHECK(message_of([&] { thinned_residual(q, q, std::span<double>(out).first(1)); }) ==
        "gavel::speculative::thinned_residual: out.size() = 1, must equal p.size() 4");
}

}  // namespace selection_test
