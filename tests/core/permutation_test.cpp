// SPDX-License-Identifier: MIT
#include <gavel/core/goodness_of_fit.hpp>
#include <gavel/core/permutation.hpp>
#include <gavel/core/philox.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace permutation_test {

using gavel::philox4x32;
using gavel::testing::message_of;

namespace {

using list = std::vector<std::size_t>;
const std::vector<double> weights{0, 1, 2, 0, 3, 4, 0};

template <class G>
list weighted(G& rng, const std::vector<double>& row, std::size_t k) {
  list out(k);
  gavel::weighted_sample_without_replacement(rng, row, std::span<std::size_t>(out));
  return out;
}

// Counts of every ordered outcome against its probability.
template <class Draw, class Probability>
double p_value(std::size_t n, std::size_t k, int count, Draw&& draw, Probability&& probability) {
  std::map<list, std::size_t> cell;
  std::vector<double> probs;
  list all(n);
  std::iota(all.begin(), all.end(), std::size_t{0});
  do {
    const list head(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(k));
    if (cell.emplace(head, probs.size()).second) probs.push_back(probability(head));
  } while (std::next_permutation(all.begin(), all.end()));
  std::vector<int> counts(probs.size());
  for (int i = 0; i < count; ++i) ++counts[cell.at(draw())];
  return gavel::g_test(counts, probs).p_value;
}

template <class G>
std::size_t outputs_between(G from, const G& to) {
  std::size_t used = 0;
  for (; !(from == to); ++used) from();
  return used;
}

}  // namespace

TEST_CASE("permutation: golden values", "[core][permutation]") {
  philox4x32 philox(42, 7);
  std::mt19937 small;
  std::mt19937_64 large;
  CHECK(gavel::permutation(philox, 10) == list{4, 9, 5, 2, 1, 6, 8, 7, 3, 0});
  CHECK(outputs_between(philox4x32(42, 7), philox) == 9);
  CHECK(gavel::permutation(small, 10) == list{8, 2, 9, 0, 4, 1, 5, 7, 6, 3});
  CHECK(gavel::permutation(large, 10) == list{7, 3, 0, 9, 4, 2, 5, 6, 1, 8});
  philox = philox4x32(42, 7);
  CHECK(gavel::sample_without_replacement(philox, 100, 8) == list{40, 89, 43, 35, 90, 0, 58, 23});
  CHECK(outputs_between(philox4x32(42, 7), philox) == 8);
  philox = philox4x32(42, 7);
  CHECK(weighted(philox, weights, 4) == list{2, 5, 4, 1});
  CHECK(outputs_between(philox4x32(42, 7), philox) == 14);  // one uniform per index
  small = std::mt19937();
  large = std::mt19937_64();
  CHECK(weighted(small, weights, 4) == list{1, 4, 5, 2});
  CHECK(weighted(large, weights, 4) == list{2, 5, 4, 1});
}

TEST_CASE("shuffle: any dense vector, any movable element", "[core][permutation]") {
  philox4x32 rng(42, 7);
  std::array<std::string, 10> words{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  gavel::shuffle(rng, words);
  CHECK(words == std::array<std::string, 10>{"4", "9", "5", "2", "1", "6", "8", "7", "3", "0"});
  std::vector<std::unique_ptr<int>> owners;
  for (int i = 0; i < 5; ++i) owners.push_back(std::make_unique<int>(i));
  gavel::shuffle(rng, owners);
  int sum = 0;
  for (const auto& owner : owners) sum += *owner;
  CHECK(sum == 10);
  const philox4x32 before = rng;
  std::vector<int> none, one{7};
  gavel::shuffle(rng, none);
  gavel::shuffle(rng, one);
  CHECK(one == std::vector{7});
  CHECK(gavel::permutation(rng, 0).empty());
  CHECK(gavel::permutation(rng, 1) == list{0});
  CHECK(rng == before);
}

TEST_CASE("permutation and sample_without_replacement: every order is equally likely", "[core][permutation]") {
  philox4x32 rng(31);
  std::mt19937_64 other(31);
  const auto flat = [](double outcomes) { return [outcomes](const list&) { return 1.0 / outcomes; }; };
  CHECK(p_value(5, 5, 60000, [&] { return gavel::permutation(rng, 5); }, flat(120)) > 1e-6);
  CHECK(p_value(5, 5, 60000, [&] { return gavel::permutation(other, 5); }, flat(120)) > 1e-6);
  CHECK(p_value(6, 3, 60000, [&] { return gavel::sample_without_replacement(rng, 6, 3); }, flat(120)) > 1e-6);
  CHECK(p_value(4, 4, 60000, [&] { return gavel::sample_without_replacement(rng, 4, 4); }, flat(24)) > 1e-6);
}

TEST_CASE("sample_without_replacement: the first elements of a permutation, whatever the method", "[core][permutation]") {
  for (const std::size_t n : {std::size_t{1}, std::size_t{70}, std::size_t{200}, std::size_t{5000}}) {
    philox4x32 full(77, n);
    const list order = gavel::permutation(full, n);
    for (const std::size_t k : {std::size_t{0}, std::size_t{1}, std::size_t{64}, std::size_t{65}, std::size_t{70}, std::size_t{71}, n}) {
      if (k > n) continue;
      philox4x32 rng(77, n);
      const list sample = gavel::sample_without_replacement(rng, n, k);
      CHECK(std::equal(sample.begin(), sample.end(), order.begin()));
      philox4x32 again(77, n);
      std::vector<std::uint16_t> narrow(k);
      gavel::sample_without_replacement(again, n, std::span<std::uint16_t>(narrow));
      CHECK(std::equal(sample.begin(), sample.end(), narrow.begin(), narrow.end()));
    }
  }
  philox4x32 rng(1);
  std::array<std::uint8_t, 256> bytes{};
  gavel::permutation(rng, std::span<std::uint8_t>(bytes));  // the largest size that the type can index
  std::sort(bytes.begin(), bytes.end());
  for (std::size_t i = 0; i < 256; ++i) CHECK(bytes[i] == i);
}

TEST_CASE("weighted_sample_without_replacement: successive draws proportional to what remains", "[core][permutation]") {
  const std::vector<double> row{0.5, 3.0, 1.0, 0.25, 2.0};
  const auto successive = [&](const list& order) {
    double left = 6.75;
    double probability = 1.0;
    for (const std::size_t i : order) {
      probability *= row[i] / left;
      left -= row[i];
    }
    return probability;
  };
  philox4x32 rng(41);
  std::mt19937 other(41);
  for (const std::size_t k : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{5}}) {
    INFO("k = " << k);
    CHECK(p_value(5, k, 60000, [&] { return weighted(rng, row, k); }, successive) > 1e-6);
    CHECK(p_value(5, k, 60000, [&] { return weighted(other, row, k); }, successive) > 1e-6);
  }
}

TEST_CASE("weighted_sample_without_replacement: the heap keeps the earliest, in order", "[core][permutation]") {
  philox4x32 values(3);
  std::vector<float> row(1000);
  for (float& weight : row) weight = static_cast<float>(gavel::uniform(values) < 0.3 ? 0.0 : gavel::exponential(values));
  for (const std::size_t k : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{17}, std::size_t{500}}) {
    philox4x32 rng(8, k);
    philox4x32 same = rng;
    std::vector<std::uint32_t> out(k);
    gavel::weighted_sample_without_replacement(rng, row, std::span<std::uint32_t>(out));
    std::vector<std::pair<double, std::uint32_t>> clocks;
    for (std::uint32_t i = 0; i < 1000; ++i) {
      const double clock = gavel::exponential(same);
      if (row[i] > 0) clocks.emplace_back(clock / static_cast<double>(row[i]), i);
    }
    std::sort(clocks.begin(), clocks.end());
    for (std::size_t i = 0; i < k; ++i) CHECK(out[i] == clocks[i].second);
    CHECK(rng == same);
  }
}

TEST_CASE("permutation: errors leave the output and the generator alone", "[core][permutation]") {
  philox4x32 rng(1);
  const philox4x32 before = rng;
  std::vector<std::uint32_t> out{9, 9, 9};
  const std::span<std::uint32_t> target(out);
  CHECK(message_of([&] { gavel::sample_without_replacement(rng, 2, target); }) ==
        "gavel::sample_without_replacement: out.size() = 3, must be <= population size 2");
  CHECK(message_of([&] { (void)gavel::sample_without_replacement(rng, 2, 3); }) ==
        "gavel::sample_without_replacement: k = 3, must be <= population size 2");
  CHECK(message_of([&] { gavel::weighted_sample_without_replacement(rng, std::vector{1.0, 0.0, 2.0}, target); }) ==
        "gavel::weighted_sample_without_replacement: out.size() = 3, must be <= number of positive weights 2");
  CHECK(message_of([&] { gavel::weighted_sample_without_replacement(rng, std::vector{1.0, -1.0, 2.0}, target); }) ==
        "domain: gavel::weighted_sample_without_replacement: weights[1] = -1, must be finite and >= 0");
  std::vector<std::uint8_t> narrow(257);
  CHECK(message_of([&] { gavel::permutation(rng, std::span<std::uint8_t>(narrow)); }) ==
        "gavel::permutation: n = 257, must be <= 1 + largest index 255");
  CHECK(out == std::vector<std::uint32_t>{9, 9, 9});
  CHECK(rng == before);
}

}  // namespace permutation_test
