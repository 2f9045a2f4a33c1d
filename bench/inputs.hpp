// SPDX-License-Identifier: MIT
#pragma once

// Inputs that every rival of a benchmark shares. C++17 only: peers are built with the standard their headers want.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bench {

/// The vocabulary of the tables; the growth figures run over `growth_sizes`.
inline constexpr std::size_t vocabulary = 131072;
inline constexpr std::size_t chain_vocabulary = 128256;
inline constexpr std::size_t chain_length = 5;
inline constexpr std::size_t growth_sizes[] = {4096, 16384, 32000, 131072, 262144, 1048576};

/// What a call cannot do without: the bytes of its input, each read once, and its exponentials. The report puts the time beside them.
template <class State>
void count_work(State& state, std::size_t bytes, std::size_t exponentials = 0) {
  state.counters["bytes"] = static_cast<double>(bytes);
  if (exponentials > 0) state.counters["exps"] = static_cast<double>(exponentials);
}

/// Logits like a language model's: 3 N(0, 1) by the sum of uniforms, plus a few that stand out.
inline std::vector<float> logits(std::size_t n, std::uint64_t seed) {
  std::uint64_t state = 0x9e3779b97f4a7c15ull * (seed + 1);
  const auto next = [&state] {
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return static_cast<double>((state * 0x2545f4914f6cdd1dull) >> 11) * 0x1p-53;
  };
  std::vector<float> row(n);
  for (float& x : row) {
    double sum = -6.0;
    for (int i = 0; i < 12; ++i) sum += next();
    x = static_cast<float>(3.0 * sum);
  }
  for (std::size_t i = 0; i < n; i += 8192) row[(i * 7 + seed) % n] += 9.0f;
  return row;
}

/// A draft's logits: the target's with some noise.
inline std::vector<float> noisy(const std::vector<float>& row, std::uint64_t seed, float scale) {
  std::vector<float> noise = logits(row.size(), seed);
  for (std::size_t i = 0; i < row.size(); ++i) noise[i] = row[i] + scale * noise[i];
  return noise;
}

inline std::vector<float> softmax(const float* x, std::size_t n) {
  double largest = static_cast<double>(x[0]);
  for (std::size_t i = 0; i < n; ++i) largest = std::fmax(largest, static_cast<double>(x[i]));
  double sum = 0.0;
  for (std::size_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(x[i]) - largest);
  std::vector<float> probs(n);
  for (std::size_t i = 0; i < n; ++i) probs[i] = static_cast<float>(std::exp(static_cast<double>(x[i]) - largest) / sum);
  return probs;
}

/// One verification of a chain: K+1 target rows, K draft rows, as logits and as probabilities, and K tokens per trial that every rival
/// accepts or refuses alike: `accepting` are the draft's own likeliest tokens under a target that agrees with it.
struct chain {
  std::vector<float> target, draft_logits, draft_probs;
  std::vector<std::uint32_t> tokens;
};
inline const chain& chain_input() {
  static const chain made = [] {
    chain c;
    const std::size_t v = chain_vocabulary;
    c.target = logits((chain_length + 1) * v, 1);
    c.draft_logits = std::vector<float>(c.target.begin(), c.target.begin() + static_cast<std::ptrdiff_t>(chain_length * v));
    c.draft_logits = noisy(c.draft_logits, 2, 0.05f);
    for (std::size_t k = 0; k < chain_length; ++k) {
      // The target likes the drafted token better than the draft does, so every test passes and all K + 1 rows are read.
      std::size_t best = 0;
      for (std::size_t i = 0; i < v; ++i) best = c.draft_logits[k * v + i] > c.draft_logits[k * v + best] ? i : best;
      c.tokens.push_back(static_cast<std::uint32_t>(best));
      c.target[k * v + best] = c.draft_logits[k * v + best] + 2.0f;
      const std::vector<float> probs = softmax(c.draft_logits.data() + k * v, v);
      c.draft_probs.insert(c.draft_probs.end(), probs.begin(), probs.end());
    }
    return c;
  }();
  return made;
}

}  // namespace bench
