// SPDX-License-Identifier: MIT
#pragma once

#include "support/catch.hpp"
#include "support/numbers.hpp"

#include <gavel/core/goodness_of_fit.hpp>
#include <gavel/core/philox.hpp>
#include <gavel/speculative/verifier.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <utility>
#include <vector>

// Oracles for everything that drafts and verifies: draft laws by enumeration and by sampling, random rows, the output law of a verifier by
// enumeration, the optimum by all subsets. Written from the definitions, without the library's kernels or samplers.

namespace gavel::testing {

using speculative::draft_law;
using speculative::token_id;
using test_engine = std::mt19937_64;  // its output, unlike the standard distributions, is the same everywhere

/// Uniform in [0, 1) with 53 bits.
inline double unit(test_engine& rng) { return static_cast<double>(rng() >> 11) * 0x1p-53; }

/// A generator that counts its calls. One uniform of the library takes two calls of a 32-bit generator and one of a 64-bit one.
template <class Engine>
struct counting_generator {
  using result_type = typename Engine::result_type;
  Engine engine;
  std::size_t calls = 0;
  static constexpr result_type min() { return Engine::min(); }
  static constexpr result_type max() { return Engine::max(); }
  result_type operator()() {
    ++calls;
    return engine();
  }
};

// ---------------------------------------------------------------------------------------------------------------------------- rows

inline void normalize(std::vector<double>& row) {
  double sum = 0.0;
  for (const double x : row) sum += x;
  for (double& x : row) x /= sum;
}

/// Random probabilities: exp(spread * something normal-like), each token zeroed with probability `zero_chance`, at least one kept.
inline std::vector<double> random_row(test_engine& rng, std::size_t size, double zero_chance = 0.0, double spread = 1.5) {
  std::vector<double> row(size);
  for (double& x : row) {
    double z = -6.0;
    for (int k = 0; k < 12; ++k) z += unit(rng);
    x = unit(rng) < zero_chance ? 0.0 : std::exp(spread * z);
  }
  row[static_cast<std::size_t>(unit(rng) * static_cast<double>(size))] += 0.05;
  normalize(row);
  return row;
}

/// Random probabilities that are multiples of 2^-20 and sum to one exactly: the same numbers in float and in double.
inline std::vector<double> dyadic_row(test_engine& rng, std::size_t size, double zero_chance = 0.0) {
  std::vector<double> row = random_row(rng, size, zero_chance);
  const double unit_size = 0x1p-20;
  double sum = 0.0;
  for (double& x : row) {
    x = x > 0.0 ? (std::max)(unit_size, std::floor(x / unit_size) * unit_size) : 0.0;
    sum += x;
  }
  *std::max_element(row.begin(), row.end()) += 1.0 - sum;
  return row;
}

/// Random probabilities over all magnitudes from 1 down to 1e-300, with zeros.
inline std::vector<double> wild_row(test_engine& rng, std::size_t size) {
  std::vector<double> row(size);
  for (double& x : row) {
    const double kind = unit(rng);
    x = kind < 0.2 ? 0.0 : std::exp((kind < 0.5 ? -690.0 : kind < 0.8 ? -40.0 : -2.0) * unit(rng));
  }
  row[static_cast<std::size_t>(unit(rng) * static_cast<double>(size))] = 1.0;
  normalize(row);
  return row;
}

template <class T>
std::vector<T> row_as(std::span<const double> row) {
  std::vector<T> cast(row.size());
  for (std::size_t i = 0; i < row.size(); ++i) cast[i] = static_cast<T>(row[i]);
  return cast;
}

inline std::size_t support_size(std::span<const double> row) {
  return static_cast<std::size_t>(std::count_if(row.begin(), row.end(), [](double x) { return x > 0.0; }));
}

struct row_pair {
  std::vector<double> p, q;
};

/// Rows of every awkward shape at vocabulary size `size` >= 3: zeros, disjoint supports, (nearly) equal rows, one-hot p or q, ties.
inline std::vector<row_pair> edge_rows(test_engine& rng, std::size_t size) {
  std::vector<row_pair> rows;
  auto one_hot = [&](std::size_t at) {
    std::vector<double> row(size, 0.0);
    row[at] = 1.0;
    return row;
  };
  const std::vector<double> base = random_row(rng, size);
  rows.push_back({base, base});
  rows.push_back({random_row(rng, size, 0.4), random_row(rng, size, 0.4)});
  rows.push_back({random_row(rng, size, 0.6), random_row(rng, size)});
  rows.push_back({random_row(rng, size), random_row(rng, size, 0.3)});
  row_pair disjoint{random_row(rng, size), random_row(rng, size)};
  for (std::size_t i = 0; i < size; ++i) (i % 2 == 0 ? disjoint.p : disjoint.q)[i] = 0.0;
  normalize(disjoint.p);
  normalize(disjoint.q);
  rows.push_back(disjoint);
  row_pair near{base, base};
  near.q[0] *= 1.0 + 1e-13;
  rows.push_back(near);
  rows.push_back({one_hot(1), random_row(rng, size)});
  rows.push_back({random_row(rng, size), one_hot(1)});
  rows.push_back({one_hot(0), one_hot(0)});
  rows.push_back({one_hot(0), one_hot(2)});
  rows.push_back({base, std::vector<double>(size, 1.0 / static_cast<double>(size))});
  rows.push_back({std::vector<double>(size, 1.0 / static_cast<double>(size)), std::vector<double>(size, 1.0 / static_cast<double>(size))});
  row_pair tiny{base, random_row(rng, size)};
  tiny.q[0] = 1e-300;
  tiny.p[1] = 1e-300;
  normalize(tiny.p);
  normalize(tiny.q);
  rows.push_back(tiny);
  return rows;
}

// --------------------------------------------------------------------------------------------------------------------- draft laws

/// Tokens by probability, descending, ties to the lower id.
inline std::vector<token_id> descending(std::span<const double> q) {
  std::vector<token_id> ids(q.size());
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<token_id>(i);
  std::stable_sort(ids.begin(), ids.end(), [&](token_id a, token_id b) { return q[a] > q[b]; });
  return ids;
}

/// Whether the draft law with n drafts exists for q.
inline bool law_exists(draft_law law, std::span<const double> q, std::size_t n) {
  switch (law) {
    case draft_law::iid: return n >= 1;
    case draft_law::top_n: return n >= 1 && n <= q.size();
    case draft_law::hub_pair: return n == 2 && support_size(q) >= 2;
    case draft_law::without_replacement:
    case draft_law::greedy: break;
  }
  return n >= 1 && n <= support_size(q);
}

/// Calls `visit(drafts, probability)` for every tuple of drafts with positive probability.
template <class Visit>
void for_each_drafts(draft_law law, std::span<const double> q, std::size_t n, Visit&& visit) {
  std::vector<token_id> drafts;
  const std::vector<token_id> order = descending(q);
  if (law == draft_law::top_n) {
    drafts.assign(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n));
    visit(std::span<const token_id>(drafts), 1.0);
    return;
  }
  auto rest_without = [&](std::span<const token_id> gone) {
    double rest = 0.0;
    for (token_id x = 0; x < q.size(); ++x) {
      if (std::find(gone.begin(), gone.end(), x) == gone.end()) rest += q[x];
    }
    return rest;
  };
  if (law == draft_law::greedy) {
    drafts.assign(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n - 1));
    const double rest = rest_without(drafts);
    drafts.push_back(0);
    for (std::size_t k = n - 1; k < order.size(); ++k) {
      drafts.back() = order[k];
      if (q[order[k]] > 0.0) visit(std::span<const token_id>(drafts), q[order[k]] / rest);
    }
    return;
  }
  if (law == draft_law::hub_pair) {
    const token_id hub = order[0];
    const std::vector<token_id> only_hub{hub};
    const double rest = rest_without(only_hub);
    for (token_id x = 0; x < q.size(); ++x) {
      if (x == hub || !(q[x] > 0.0)) continue;
      drafts = {x, hub};
      visit(std::span<const token_id>(drafts), q[x]);
      drafts = {hub, x};
      visit(std::span<const token_id>(drafts), q[hub] * q[x] / rest);
    }
    return;
  }
  const std::function<void(double)> extend = [&](double probability) {
    if (drafts.size() == n) {
      visit(std::span<const token_id>(drafts), probability);
      return;
    }
    const double rest = law == draft_law::iid ? 1.0 : rest_without(drafts);
    for (token_id x = 0; x < q.size(); ++x) {
      if (!(q[x] > 0.0)) continue;
      if (law == draft_law::without_replacement && std::find(drafts.begin(), drafts.end(), x) != drafts.end()) continue;
      drafts.push_back(x);
      extend(probability * q[x] / rest);
      drafts.pop_back();
    }
  };
  extend(1.0);
}

/// One token by inverse CDF over weights, those in `gone` counted as zero.
inline token_id draw_token(test_engine& rng, std::span<const double> weights, std::span<const token_id> gone = {}) {
  auto weight = [&](token_id x) { return std::find(gone.begin(), gone.end(), x) == gone.end() ? weights[x] : 0.0; };
  double total = 0.0;
  for (token_id x = 0; x < weights.size(); ++x) total += weight(x);
  double left = unit(rng) * total;
  token_id last = 0;
  for (token_id x = 0; x < weights.size(); ++x) {
    if (!(weight(x) > 0.0)) continue;
    last = x;
    left -= weight(x);
    if (left < 0.0) break;
  }
  return last;
}

/// Drafts drawn by the definition of each law; `order` is descending(q), for callers who draw often.
inline std::vector<token_id> draw_drafts(draft_law law, std::span<const double> q, std::size_t n, test_engine& rng,
                                         const std::vector<token_id>& order) {
  std::vector<token_id> drafts;
  switch (law) {
    case draft_law::iid:
      while (drafts.size() < n) drafts.push_back(draw_token(rng, q));
      break;
    case draft_law::without_replacement:
      while (drafts.size() < n) drafts.push_back(draw_token(rng, q, drafts));
      break;
    case draft_law::top_n: drafts.assign(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n)); break;
    case draft_law::greedy:
      drafts.assign(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n - 1));
      drafts.push_back(draw_token(rng, q, drafts));
      break;
    case draft_law::hub_pair: {
      const std::vector<token_id> hub{order[0]};
      const token_id first = draw_token(rng, q);
      drafts = first == hub[0] ? std::vector<token_id>{first, draw_token(rng, q, hub)} : std::vector<token_id>{first, hub[0]};
      break;
    }
  }
  return drafts;
}

inline std::vector<token_id> draw_drafts(draft_law law, std::span<const double> q, std::size_t n, test_engine& rng) {
  return draw_drafts(law, q, n, rng, descending(q));
}

/// Q(H) = Pr(all drafts in H) for all 2^V sets H, the draft law by enumeration. V <= 12.
inline std::vector<double> all_inside_by_enumeration(draft_law law, std::span<const double> q, std::size_t n) {
  const std::size_t sets = std::size_t{1} << q.size();
  std::vector<double> inside(sets, 0.0);  // probability that the drafts form exactly this set, then of a subset of it
  for_each_drafts(law, q, n, [&](std::span<const token_id> drafts, double probability) {
    std::size_t set = 0;
    for (const token_id x : drafts) set |= std::size_t{1} << x;
    inside[set] += probability;
  });
  for (std::size_t x = 0; x < q.size(); ++x) {
    for (std::size_t set = 0; set < sets; ++set) {
      if ((set >> x) & 1u) inside[set] += inside[set ^ (std::size_t{1} << x)];
    }
  }
  return inside;
}

/// alpha* = 1 + min over all sets H of P(H) - Q(H).
inline double optimum_by_subsets(draft_law law, std::span<const double> p, std::span<const double> q, std::size_t n) {
  const std::vector<double> inside = all_inside_by_enumeration(law, q, n);
  double least = 0.0;
  for (std::size_t set = 0; set < inside.size(); ++set) {
    double mass = 0.0;
    for (std::size_t x = 0; x < p.size(); ++x) mass += ((set >> x) & 1u) ? p[x] : 0.0;
    least = (std::min)(least, mass - inside[set]);
  }
  return 1.0 + least;
}

// ---------------------------------------------------------------------------------------------------------------------- verifiers

/// The vocabulary kernels round each term of a sum over float rows to float.
template <class T>
inline constexpr double law_tolerance = sizeof(T) < sizeof(double) ? 3e-7 : 1e-12;

/// A verifier behind plain numbers: everything that enumerates, counts or checks is compiled once, not for each rule and scalar.
class any_verifier {
 public:
  using wide_bits = counting_generator<test_engine>;
  using narrow_bits = counting_generator<philox4x32>;

  any_verifier(draft_law the_law, double the_tolerance, bool marginals)
      : law(the_law), tolerance(the_tolerance), has_marginals(marginals) {}
  virtual ~any_verifier() = default;
  any_verifier(const any_verifier&) = delete;
  any_verifier& operator=(const any_verifier&) = delete;

  virtual void prepare(std::span<const double> p, std::span<const double> q, std::size_t n, bool is_trusted = false) = 0;
  virtual speculative::verdict verify(std::span<const token_id> drafts, wide_bits& rng) = 0;
  virtual speculative::verdict verify(std::span<const token_id> drafts, narrow_bits& rng) = 0;
  virtual void conditional_law(std::span<const token_id> drafts, std::span<double> acceptance, std::span<double> residual) = 0;
  virtual void acceptance_marginals(std::span<double> out) = 0;
  [[nodiscard]] virtual double acceptance_rate() = 0;
  [[nodiscard]] virtual std::size_t max_uniforms() = 0;
  /// A copy that borrows the same rows, one that is moved from this, and one without rows.
  [[nodiscard]] virtual std::unique_ptr<any_verifier> copy() = 0;
  [[nodiscard]] virtual std::unique_ptr<any_verifier> move() = 0;
  [[nodiscard]] virtual std::unique_ptr<any_verifier> fresh() = 0;

  const draft_law law;
  const double tolerance;
  const bool has_marginals;
};

/// A verifier of its own, or an existing object that need not be all of a verifier: a rule for drafts that it has been given.
template <class V>
class erased final : public any_verifier {
  using T = typename V::scalar;
  static constexpr bool marginals = speculative::verifier_with_marginals<V>;

 public:
  erased()
    requires speculative::verifier<V>
      : any_verifier(V::law, law_tolerance<T>, marginals), v_(&own_) {}
  explicit erased(V& existing) : any_verifier(law_of(), law_tolerance<T>, marginals), v_(&existing) {}

  void prepare(std::span<const double> p, std::span<const double> q, std::size_t n, bool is_trusted) override {
    if constexpr (speculative::verifier<V>) {
      std::vector<T> p_row = row_as<T>(p), q_row = row_as<T>(q);
      const std::span<const T> p_view(p_row), q_view(q_row);
      if (is_trusted) v_->prepare(p_view, q_view, n, speculative::trusted);
      else v_->prepare(p_view, q_view, n);
      p_ = std::move(p_row), q_ = std::move(q_row);  // moved vectors keep their memory, so the borrowed rows stay
    } else {
      FAIL("no verifier to prepare");
    }
  }
  speculative::verdict verify(std::span<const token_id> drafts, wide_bits& rng) override { return v_->verify(drafts, rng); }
  speculative::verdict verify(std::span<const token_id> drafts, narrow_bits& rng) override { return v_->verify(drafts, rng); }
  void conditional_law(std::span<const token_id> drafts, std::span<double> acceptance, std::span<double> residual) override {
    v_->conditional_law(drafts, acceptance, residual);
  }
  void acceptance_marginals([[maybe_unused]] std::span<double> out) override {
    if constexpr (marginals) v_->acceptance_marginals(out);
  }
  double acceptance_rate() override {
    if constexpr (marginals) return v_->acceptance_rate();
    else return not_a_number;
  }
  std::size_t max_uniforms() override { return v_->max_uniforms(); }
  std::unique_ptr<any_verifier> copy() override {
    auto other = std::make_unique<erased>(own_);
    other->own_ = *v_;
    other->v_ = &other->own_;
    return other;
  }
  std::unique_ptr<any_verifier> move() override {
    auto other = std::make_unique<erased>(own_);
    other->own_ = std::move(*v_);
    other->v_ = &other->own_;
    other->p_ = std::move(p_), other->q_ = std::move(q_);
    return other;
  }
  std::unique_ptr<any_verifier> fresh() override {
    if constexpr (speculative::verifier<V>) return std::make_unique<erased>();
    else return nullptr;
  }

 private:
  static constexpr draft_law law_of() {
    if constexpr (requires { V::law; }) return V::law;
    else return draft_law::iid;
  }
  V own_;
  V* v_;
  std::vector<T> p_, q_;
};

/// What a prepared verifier does, averaged over all drafts.
struct output_law {
  std::vector<double> token;     ///< law of the emitted token [V]
  std::vector<double> accepted;  ///< Pr(emitted token is y and was accepted as a draft) [V]
  double acceptance_rate = 0.0;
};

/// Enumerates `law` over q and sums the verifier's conditional laws; checks that each of them is a law.
inline output_law law_of(any_verifier& prepared, draft_law law, std::span<const double> q, std::size_t n) {
  output_law result{std::vector<double>(q.size(), 0.0), std::vector<double>(q.size(), 0.0), 0.0};
  std::vector<double> acceptance(n);
  std::vector<double> residual(q.size());
  double worst = 0.0;
  for_each_drafts(law, q, n, [&](std::span<const token_id> drafts, double probability) {
    std::fill(acceptance.begin(), acceptance.end(), not_a_number);
    std::fill(residual.begin(), residual.end(), not_a_number);
    prepared.conditional_law(drafts, std::span<double>(acceptance), std::span<double>(residual));
    double accepted = 0.0;
    for (std::size_t i = 0; i < n; ++i) {
      worst = acceptance[i] >= 0.0 ? worst : HUGE_VAL;
      accepted += acceptance[i];
      result.token[drafts[i]] += probability * acceptance[i];
      result.accepted[drafts[i]] += probability * acceptance[i];
      result.acceptance_rate += probability * acceptance[i];
    }
    worst = (std::max)(worst, accepted - 1.0);
    double total = 0.0;
    for (std::size_t y = 0; y < q.size(); ++y) {
      worst = residual[y] >= 0.0 ? worst : HUGE_VAL;
      total += residual[y];
      result.token[y] += probability * (1.0 - accepted) * residual[y];
    }
    worst = (std::max)(worst, std::abs(total - 1.0));
  });
  INFO("every conditional law must be non-negative, accept at most once, and have a residual that sums to one");
  REQUIRE(worst <= 1e-12);
  return result;
}

template <class A, class B>
double largest_difference(const A& a, const B& b) {
  REQUIRE(std::size(a) == std::size(b));
  double largest = 0.0;
  for (std::size_t i = 0; i < std::size(a); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    largest = difference <= largest ? largest : difference;
    if (std::isnan(difference)) return HUGE_VAL;
  }
  return largest;
}

// ------------------------------------------------------------------------------------------------------------------------- G-test

/// p-value of the G-test that `counts` were drawn from `probs`.
inline double g_test_p_value(const std::vector<std::size_t>& counts, std::span<const double> probs) {
  return g_test(counts, probs).p_value;
}

/// `draws` calls of verify() on the same drafts against conditional_law(): p-value over the cells "draft i accepted" and
/// "residual token y".
inline double verify_p_value(any_verifier& prepared, std::span<const token_id> drafts, std::size_t vocabulary, std::size_t draws,
                             std::uint64_t seed) {
  std::vector<double> acceptance(drafts.size());
  std::vector<double> residual(vocabulary);
  prepared.conditional_law(drafts, std::span<double>(acceptance), std::span<double>(residual));
  std::vector<double> probs = acceptance;
  double none = 1.0;
  for (const double a : acceptance) none -= a;
  for (const double r : residual) probs.push_back((none < 1e-15 ? 0.0 : none) * r);
  std::vector<std::size_t> counts(probs.size(), 0);
  any_verifier::wide_bits rng{test_engine(seed)};
  for (std::size_t k = 0; k < draws; ++k) {
    const speculative::verdict one = prepared.verify(drafts, rng);
    if (one.accepted()) {
      REQUIRE(one.draft_index < drafts.size());
      REQUIRE(one.token == drafts[one.draft_index]);
      ++counts[one.draft_index];
    } else {
      REQUIRE(one.token < vocabulary);
      ++counts[drafts.size() + one.token];
    }
  }
  return g_test_p_value(counts, probs);
}

/// Drafts drawn by `law`, verified, `draws` times: p-value of the test that the emitted tokens follow p.
inline double output_p_value(any_verifier& prepared, draft_law law, std::span<const double> p, std::span<const double> q, std::size_t n,
                             std::size_t draws, std::uint64_t seed) {
  any_verifier::wide_bits rng{test_engine(seed)};
  std::vector<std::size_t> counts(p.size(), 0);
  const std::vector<token_id> order = descending(q);
  for (std::size_t k = 0; k < draws; ++k) {
    const std::vector<token_id> drafts = draw_drafts(law, q, n, rng.engine, order);
    const speculative::verdict one = prepared.verify(std::span<const token_id>(drafts), rng);
    REQUIRE(one.token < p.size());
    ++counts[one.token];
  }
  return g_test_p_value(counts, p);
}

// The same for a verifier as it is.
template <class V>
output_law law_by_enumeration(V& prepared, draft_law law, std::span<const double> q, std::size_t n) {
  erased<V> one(prepared);
  return law_of(one, law, q, n);
}
template <class V>
double verify_against_conditional_law(V& prepared, std::span<const token_id> drafts, std::size_t vocabulary, std::size_t draws,
                                      std::uint64_t seed) {
  erased<V> one(prepared);
  return verify_p_value(one, drafts, vocabulary, draws, seed);
}
template <class V>
double outputs_against_target(V& prepared, draft_law law, std::span<const double> p, std::span<const double> q, std::size_t n,
                              std::size_t draws, std::uint64_t seed) {
  erased<V> one(prepared);
  return output_p_value(one, law, p, q, n, draws, seed);
}

}  // namespace gavel::testing
