// SPDX-License-Identifier: MIT
#include <gavel/speculative/draft_sampler.hpp>
#include <gavel/speculative/greedy_drafts.hpp>
#include <gavel/speculative/hub_pair.hpp>
#include <gavel/speculative/k_sequence.hpp>
#include <gavel/speculative/optimal_acceptance.hpp>
#include <gavel/speculative/optimal_iid.hpp>
#include <gavel/speculative/optimal_without_replacement.hpp>
#include <gavel/speculative/recursive_rejection.hpp>
#include <gavel/speculative/single_draft.hpp>
#include <gavel/speculative/target_only.hpp>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <vector>

// Any bytes as rows p and q, a number of drafts, drafts and a choice of verifier: either a clear error that names its function, or a
// verifier whose output law, added up over all draft tuples, is p, and which never accepts more than the optimum.
//
// Input: verifier, vocabulary size 1..6, drafts 1..4, how the rows are written (see `read_row`), rows p and q, then drafts.

namespace {

namespace speculative = gavel::speculative;
using speculative::draft_law;
using speculative::token_id;

void require(bool condition, const char* what, double value = 0.0) {
  if (condition) return;
  std::fprintf(stderr, "verifier_fuzz: %s (%.17g)\n", what, value);
  std::abort();
}

class byte_reader {
 public:
  byte_reader(const unsigned char* data, std::size_t size) : data_(data), size_(size) {}
  unsigned next() { return size_ == 0 ? 0u : (--size_, *data_++); }
  double next_double() {
    unsigned char bytes[sizeof(double)];
    for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(next());
    double value = 0.0;
    std::memcpy(&value, bytes, sizeof value);
    return value;
  }

 private:
  const unsigned char* data_;
  std::size_t size_;
};

enum class row_style { integers, powers_of_two, any_double, normalized_doubles };

std::vector<double> read_row(byte_reader& input, std::size_t size, row_style style) {
  std::vector<double> row(size);
  double sum = 0.0;
  for (double& x : row) {
    switch (style) {
      case row_style::integers: x = input.next(); break;
      case row_style::powers_of_two: {
        const int exponent = static_cast<int>(input.next());
        x = exponent == 255 ? 0.0 : std::ldexp(1.0, -exponent);
        break;
      }
      case row_style::any_double: x = input.next_double(); break;
      case row_style::normalized_doubles: x = std::fabs(input.next_double()); break;
    }
    sum += x;
  }
  if (style != row_style::any_double) {
    for (double& x : row) x /= sum;  // 0 / 0 stays for the library to refuse
  }
  return row;
}

// A generator that counts: the low bits do not matter here, the number of calls does.
struct counting_bits {
  using result_type = std::uint64_t;
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return 0xffffffffffffffffu; }
  std::uint64_t state = 1;
  std::size_t calls = 0;
  result_type operator()() {
    ++calls;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state ^ (state >> 29) ^ (state << 32);
  }
};

void check_message(const std::exception& error) {
  const std::string_view message = error.what();
  require(message.starts_with("gavel::speculative::") && message.find(": ") != std::string_view::npos && message.size() < 300,
          error.what());
}

struct fuzz_case {
  std::vector<double> p;
  std::vector<double> q;
  std::size_t n = 1;
  std::vector<token_id> drafts;
};

template <speculative::verifier Verifier>
void check_any_drafts(Verifier& verifier, const fuzz_case& given) {
  try {
    counting_bits rng{given.drafts[0] + 7u, 0};
    const speculative::verdict verdict = verifier.verify(given.drafts, rng);
    require(rng.calls <= verifier.max_uniforms(), "more uniforms than max_uniforms()", static_cast<double>(rng.calls));
    require(verdict.token < given.p.size(), "token outside the vocabulary", verdict.token);
    if (verdict.accepted()) {
      require(verdict.draft_index < given.drafts.size(), "draft_index");
      require(given.drafts[verdict.draft_index] == verdict.token, "the accepted draft is not the token");
    }
  } catch (const std::invalid_argument& error) {
    check_message(error);
  }
}

template <speculative::verifier Verifier>
void check_law(Verifier& verifier, const fuzz_case& given) {
  const std::size_t size = given.p.size();
  std::vector<double> law(size), acceptance(given.n), residual(size);
  std::vector<token_id> tuple(given.n);
  double p_sum = 0.0, q_sum = 0.0, rate = 0.0;
  for (std::size_t x = 0; x < size; ++x) {
    p_sum += given.p[x];
    q_sum += given.q[x];
  }
  std::size_t tuples = 1;
  for (std::size_t i = 0; i < given.n; ++i) tuples *= size;
  for (std::size_t index = 0; index < tuples; ++index) {
    std::size_t rest = index;
    for (token_id& token : tuple) {
      token = static_cast<token_id>(rest % size);
      rest /= size;
    }
    const double chance = speculative::draft_probability(Verifier::law, given.q, tuple);
    if (!(chance > 0.0)) continue;
    verifier.conditional_law(tuple, acceptance, residual);
    double accepted = 0.0, mass = 0.0;
    for (std::size_t i = 0; i < given.n; ++i) {
      require(acceptance[i] >= 0.0 && acceptance[i] <= 1.0, "acceptance outside [0, 1]", acceptance[i]);
      accepted += acceptance[i];
      law[tuple[i]] += chance * acceptance[i];
    }
    require(accepted <= 1.0 + 1e-12, "acceptances sum to more than 1", accepted);
    for (std::size_t y = 0; y < size; ++y) {
      require(residual[y] >= 0.0, "residual is no probability", residual[y]);
      mass += residual[y];
      law[y] += chance * (1.0 - accepted) * residual[y];
    }
    require(std::fabs(mass - 1.0) < 1e-9, "residual does not sum to 1", mass);
    rate += chance * accepted;
  }
  // Rows may miss 1 by 1e-6, and the output by a few times as much.
  const double slack = 8.0 * (std::fabs(p_sum - 1.0) + std::fabs(q_sum - 1.0));
  for (std::size_t y = 0; y < size; ++y) {
    require(std::fabs(law[y] - given.p[y]) <= 1e-10 + slack, "output law is not p: error", law[y] - given.p[y]);
  }
  const double best = speculative::optimal_acceptance(given.p, given.q, Verifier::law, given.n).acceptance_rate;
  require(rate <= best + 1e-10 + slack, "acceptance above the optimum by", rate - best);
  if constexpr (speculative::verifier_with_marginals<Verifier>) {
    require(std::fabs(verifier.acceptance_rate() - rate) <= 1e-10 + slack, "acceptance_rate() is off by",
            verifier.acceptance_rate() - rate);
  }
}

template <speculative::verifier Verifier>
void check(const fuzz_case& given) {
  Verifier verifier;
  try {
    verifier.prepare(given.p, given.q, given.n);
  } catch (const std::invalid_argument& error) {
    return check_message(error);
  } catch (const std::domain_error& error) {
    return check_message(error);
  }
  check_any_drafts(verifier, given);
  // `target_only` also judges drafts that no law can have drawn; then there is nothing to add up.
  if (speculative::max_drafts(Verifier::law, given.q) >= given.n) check_law(verifier, given);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  byte_reader input(data, size);
  const unsigned kind = input.next() % 12;
  const std::size_t vocabulary = 1 + input.next() % 6;
  const std::size_t n = 1 + input.next() % 4;
  const auto style = static_cast<row_style>(input.next() % 4);
  fuzz_case given;
  given.p = read_row(input, vocabulary, style);
  given.q = read_row(input, vocabulary, style);
  given.n = n;
  for (std::size_t i = 0; i < n; ++i) given.drafts.push_back(static_cast<token_id>(input.next() % (vocabulary + 1)));  // or one too large
  switch (kind) {
    case 0: check<speculative::single_draft<double>>(given); break;
    case 1: check<speculative::target_only<double, draft_law::iid>>(given); break;
    case 2: check<speculative::target_only<double, draft_law::without_replacement>>(given); break;
    case 3: check<speculative::target_only<double, draft_law::greedy>>(given); break;
    case 4: check<speculative::target_only<double, draft_law::top_n>>(given); break;
    case 5: check<speculative::recursive_rejection<double, draft_law::iid>>(given); break;
    case 6: check<speculative::recursive_rejection<double, draft_law::without_replacement>>(given); break;
    case 7: check<speculative::k_sequence<double>>(given); break;
    case 8: check<speculative::greedy_drafts<double>>(given); break;
    case 9: check<speculative::hub_pair<double>>(given); break;
    case 10: check<speculative::optimal_iid<double>>(given); break;
    default: check<speculative::optimal_without_replacement<double>>(given); break;
  }
  return 0;
}
