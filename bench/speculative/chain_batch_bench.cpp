// SPDX-License-Identifier: MIT
// A batch of sequences verified in one call: 1 to 256 sequences, K = 5 drafts each, V = 32,000, both sides as logits. Every draft stands,
// so that each sequence costs the same and only the size of the batch changes: a batch of one finds its 1.4 MB of rows in a cache, a batch
// of 256 streams 360 MB.
#include "inputs.hpp"

#include <gavel/speculative/chain.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <span>
#include <string>
#include <vector>

namespace {

using namespace gavel::speculative;

constexpr std::size_t vocabulary = 32000;
constexpr std::size_t length = bench::chain_length;
constexpr std::size_t batches[] = {1, 16, 64, 256};

struct batch {
  std::vector<float> target;         // [sequences * (K + 1), V]
  std::vector<float> draft;          // [sequences * K, V]
  std::vector<token_id> tokens;      // [sequences * K]
  std::vector<std::size_t> lengths;  // [sequences]
};

// A few kinds of sequences, each copied to its own place: a call reads the bytes that a real one would.
batch make_batch(std::size_t sequences) {
  constexpr std::size_t kinds = 4;
  batch kind[kinds];
  for (std::size_t s = 0; s < kinds; ++s) {
    batch& one = kind[s];
    one.target = bench::logits((length + 1) * vocabulary, 10 + s);
    one.draft = bench::noisy(std::vector<float>(one.target.begin(), one.target.begin() + length * vocabulary), 20 + s, 0.05f);
    for (std::size_t k = 0; k < length; ++k) {  // the target likes the drafted token better than the draft does
      const float* const row = one.draft.data() + k * vocabulary;
      const auto best = static_cast<std::size_t>(std::max_element(row, row + vocabulary) - row);
      one.tokens.push_back(static_cast<token_id>(best));
      one.target[k * vocabulary + best] = row[best] + 2.0f;
    }
  }
  batch made;
  made.target.reserve(sequences * (length + 1) * vocabulary);
  made.draft.reserve(sequences * length * vocabulary);
  for (std::size_t s = 0; s < sequences; ++s) {
    const batch& one = kind[s % kinds];
    made.target.insert(made.target.end(), one.target.begin(), one.target.end());
    made.draft.insert(made.draft.end(), one.draft.begin(), one.draft.end());
    made.tokens.insert(made.tokens.end(), one.tokens.begin(), one.tokens.end());
    made.lengths.push_back(length);
  }
  return made;
}

void verify_batch(benchmark::State& state, std::size_t sequences) {
  static const batch all = make_batch(*std::max_element(std::begin(batches), std::end(batches)));
  const gavel::matrix_view target(all.target.data(), sequences * (length + 1), vocabulary);
  const gavel::matrix_view draft(all.draft.data(), sequences * length, vocabulary);
  const std::span<const token_id> tokens(all.tokens.data(), sequences * length);
  const std::span<const std::size_t> lengths(all.lengths.data(), sequences);
  std::vector<gavel::philox4x32> rngs;
  for (std::size_t s = 0; s < sequences; ++s) rngs.emplace_back(1, s);
  std::vector<chain_result> results(sequences);
  for (auto _ : state) {
    benchmark::DoNotOptimize(verify_chains(target, draft, tokens, lengths, std::span(rngs), std::span(results)));
    benchmark::DoNotOptimize(results.data());
    benchmark::ClobberMemory();
  }
  double accepted = 0.0;
  for (const chain_result& one : results) accepted += static_cast<double>(one.accepted);
  state.counters["accepted"] = accepted / static_cast<double>(sequences);
  state.counters["sequences"] = static_cast<double>(sequences);
  const std::size_t elements = sequences * (2 * length + 1) * vocabulary;
  bench::count_work(state, elements * sizeof(float), elements);
}

[[maybe_unused]] const bool registered = [] {
  for (const std::size_t sequences : batches) {
    const std::string size = std::to_string(vocabulary) + "x" + std::to_string(sequences) + (sequences == 1 ? "sequence" : "sequences");
    benchmark::RegisterBenchmark(("speculative/verify_chains5_logits/float/" + size + "/gavel").c_str(), verify_batch, sequences)
        ->Unit(benchmark::kMicrosecond);
  }
  return true;
}();

}  // namespace
