// SPDX-License-Identifier: MIT
#include <gavel/core/random.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace random_test {

using gavel::philox4x32;

TEST_CASE("random: one include gives the engine and every distribution", "[core][random]") {
  philox4x32 rng(7, 1);
  const std::vector<float> weights{1.0f, 2.0f, 3.0f};
  CHECK(gavel::uniform(rng) < 1.0);
  CHECK(gavel::uniform_index(rng, 3) < 3);
  CHECK(gavel::bernoulli(rng, 1.0));
  CHECK(gavel::exponential(rng) > 0.0);
  CHECK(gavel::normal(rng) < 9.0);
  CHECK(gavel::gumbel(rng) < 40.0);
  CHECK(gavel::gamma(rng, 2.0) > 0.0);
  CHECK(gavel::beta(rng, 2.0, 2.0) < 1.0);
  CHECK(gavel::categorical(rng, weights) < 3);
  CHECK(gavel::alias_table(weights).sample(rng) < 3);
  CHECK(gavel::permutation(rng, 3).size() == 3);
  CHECK(gavel::sample_without_replacement(rng, 3, 2).size() == 2);
}

TEST_CASE("random: streams give the same work whoever does it", "[core][random]") {
  // Four workers with two streams each, or two with four: the numbers belong to the stream, not to the worker.
  const auto work = [](std::size_t workers) {
    std::vector<double> results(8);
    for (std::size_t worker = 0; worker < workers; ++worker) {
      for (std::size_t stream = worker; stream < 8; stream += workers) {
        philox4x32 rng(99, stream);
        results[stream] = gavel::gamma(rng, 0.7) + gavel::normal(rng);
      }
    }
    return results;
  };
  CHECK(work(2) == work(4));
  CHECK(work(1) == work(8));
}

}  // namespace random_test
