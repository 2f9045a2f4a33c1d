// SPDX-License-Identifier: MIT
// Prints one line `name bits` per kernel result, for inputs made of integers only. run.sh compares the output over compilers, optimisation
// levels and instruction sets.

#include <gavel/kernels.hpp>
#include <gavel/speculative/chain.hpp>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

using namespace gavel;

void print(const std::string& name, double value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  std::printf("%s %016llx\n", name.c_str(), static_cast<unsigned long long>(bits));
}
void print(const std::string& name, std::size_t value) { std::printf("%s %zu\n", name.c_str(), value); }

/// One hash for a whole row.
template <class T>
void print_row(const std::string& name, const std::vector<T>& row) {
  std::uint64_t hash = 1469598103934665603ull;
  for (const T& x : row) {
    unsigned char bytes[sizeof(T)];
    std::memcpy(bytes, &x, sizeof(T));
    for (const unsigned char byte : bytes) hash = (hash ^ byte) * 1099511628211ull;
  }
  std::printf("%s #%016llx\n", name.c_str(), static_cast<unsigned long long>(hash));
}

template <class T>
T from(double x);
template <>
float from<float>(double x) {
  return static_cast<float>(x);
}
template <>
double from<double>(double x) {
  return x;
}
template <>
half from<half>(double x) {
  return to_half(static_cast<float>(x));
}
template <>
bfloat16 from<bfloat16>(double x) {
  return to_bfloat16(static_cast<float>(x));
}

/// Logits between -16 and 16, the sum of three 10-bit integers, exact in every format but bfloat16.
template <class T>
std::vector<T> logits(std::size_t n, std::uint32_t seed) {
  philox4x32 rng(seed, 3);
  std::vector<T> row(n);
  for (T& x : row) {
    const std::uint32_t bits = rng();
    x = from<T>(static_cast<double>((bits & 1023u) + ((bits >> 10) & 1023u) + ((bits >> 20) & 1023u)) / 96.0 - 16.0);
  }
  return row;
}

template <class T>
void run(const std::string& type) {
  using C = compute_type<T>;
  for (const std::size_t n : {1u, 63u, 64u, 65u, 1000u, 4097u, 33001u}) {
    const std::string at = type + "/" + std::to_string(n) + "/";
    const auto x = logits<T>(n, 1);
    const auto y = logits<T>(n, 2);
    for (const double temperature : {1.0, 0.7}) {
      const std::string name = at + std::to_string(temperature) + "/";
      print(name + "log_sum_exp", kernels::log_sum_exp(x.data(), n, temperature));
      print(name + "log_prob_at", kernels::log_prob_at(x.data(), n, n / 2, temperature));
      print(name + "entropy", kernels::entropy_of_logits(x.data(), n, temperature));
      print(name + "kl", kernels::kl_divergence_of_logits(x.data(), y.data(), n, temperature));
      std::vector<C> p(n);
      std::vector<C> q(n);
      std::vector<C> log_p(n);
      kernels::softmax(x.data(), n, p.data(), temperature);
      kernels::softmax(y.data(), n, q.data(), temperature);
      kernels::log_softmax(x.data(), n, log_p.data(), temperature);
      print_row(name + "softmax", p);
      print_row(name + "log_softmax", log_p);
      print(name + "overlap", kernels::overlap(p.data(), q.data(), n, 1.25));
      print(name + "residual_sum", kernels::residual_sum(p.data(), q.data(), n, 1.25, 0.125));
      print(name + "entropy_of_probs", kernels::entropy(p.data(), n));
      const auto px = kernels::softmax_row(x.data(), kernels::summarize(x.data(), n, temperature), temperature);
      const auto qy = kernels::softmax_row(y.data(), kernels::summarize(y.data(), n, temperature), temperature);
      print(name + "residual_of_logits", kernels::row_sum(kernels::make_residual(px, qy), n));
      print(name + "top_p", kernels::truncation_cutoff(x.data(), n, temperature, {.top_p = 0.9}));
      print(name + "kl_of_probs", kernels::kl_divergence(p.data(), q.data(), n));
      print(name + "all_rules", kernels::truncation_cutoff(x.data(), n, temperature, {.top_k = 300, .top_p = 0.8, .min_p = 0.05}));
      const std::uint32_t tokens[] = {0, static_cast<std::uint32_t>(n / 3), static_cast<std::uint32_t>(n - 1)};
      std::vector<double> log_probs(3);
      kernels::log_prob_at(x.data(), n, tokens, 3, log_probs.data(), temperature);
      print_row(name + "log_prob_at_many", log_probs);
      std::vector<T> stored_p;
      std::vector<T> stored_q;
      for (std::size_t i = 0; i < n; ++i) {
        stored_p.push_back(from<T>(static_cast<double>(p[i])));
        stored_q.push_back(from<T>(static_cast<double>(q[i])));
      }
      print(name + "stored_overlap", kernels::overlap(stored_p.data(), stored_q.data(), n));
      print(name + "stored_residual", kernels::residual_sum(stored_p.data(), stored_q.data(), n, 0.75));
      print(name + "stored_draw", kernels::sample(stored_p.data(), n, 0.625));
      print(name + "min_p", kernels::truncation_cutoff(x.data(), n, temperature, {.min_p = 0.3}));
      philox4x32 rng(9);
      std::vector<std::size_t> drawn;
      for (int i = 0; i < 50; ++i) {
        const double u = uniform(rng);
        drawn.push_back(kernels::sample_logits(x.data(), n, u, temperature));
        drawn.push_back(kernels::sample(p.data(), n, u));
        drawn.push_back(kernels::residual_sample(p.data(), q.data(), n, u));
        drawn.push_back(kernels::row_sample(kernels::make_residual(px, qy), n, u).index);
        std::uint32_t ids[4] = {};
        double keys[4] = {};
        drawn.push_back(kernels::gumbel_top_n(x.data(), n, 4, ids, keys, rng, temperature));
        drawn.insert(drawn.end(), ids, ids + 4);
      }
      print_row(name + "draws", drawn);
    }
    print(at + "argmax", kernels::argmax(x.data(), n));
    print(at + "kth_largest", static_cast<double>(kernels::kth_largest(x.data(), n, (n + 1) / 2)));
    std::vector<std::uint32_t> ids(n < 50 ? n : 50);
    kernels::top_k(x.data(), n, ids.size(), ids.data());
    print_row(at + "top_k", ids);
  }
}

void run_chain() {
  const std::size_t vocabulary = 5000;
  const std::size_t length = 4;
  const auto target = logits<float>((length + 1) * vocabulary, 5);
  auto draft = target;
  const auto noise = logits<float>(length * vocabulary, 6);
  draft.resize(length * vocabulary);
  for (std::size_t i = 0; i < draft.size(); ++i) draft[i] += 0.0625f * noise[i];
  philox4x32 rng(10);
  std::vector<std::size_t> outcomes;
  for (int i = 0; i < 100; ++i) {
    std::vector<speculative::token_id> tokens;
    for (std::size_t k = 0; k < length; ++k) {
      tokens.push_back(static_cast<speculative::token_id>(kernels::sample_logits(draft.data() + k * vocabulary, vocabulary, uniform(rng))));
    }
    const auto result = speculative::verify_chain(matrix_view(target.data(), length + 1, vocabulary),
                                                  matrix_view(draft.data(), length, vocabulary), tokens, rng);
    outcomes.push_back(result.accepted);
    outcomes.push_back(result.next_token);
  }
  print_row("chain", outcomes);
}

}  // namespace

int main() {
  for (int i = -40; i <= 40; ++i) {
    print("exp/" + std::to_string(i), kernels::exp(static_cast<double>(i) * 17.0 / 3.0 / 2.0));
    if (i > 0) print("log/" + std::to_string(i), kernels::log(static_cast<double>(i) * 17.0 / 3.0));
  }
  run<float>("float");
  run<double>("double");
  run<half>("half");
  run<bfloat16>("bfloat16");
  run_chain();
  return 0;
}
