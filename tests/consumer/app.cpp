// SPDX-License-Identifier: MIT
// What every consumer project builds: the core, and one verifier of a topic.
#include <gavel/core/random.hpp>
#include <gavel/core/version.hpp>
#include <gavel/speculative/single_draft.hpp>

#include <cmath>
#include <cstdio>
#include <vector>

int main() {
  const std::vector<float> target = {0.5f, 0.25f, 0.25f};
  const std::vector<float> draft = {0.25f, 0.5f, 0.25f};
  gavel::speculative::single_draft<float> verifier;
  verifier.prepare(target, draft, 1);

  gavel::philox4x32 rng(7);
  const std::vector<gavel::speculative::token_id> drafted = {1};
  const gavel::speculative::verdict verdict = verifier.verify(drafted, rng);
  std::printf("gavel %s: token %u %s, acceptance rate %.3f\n", GAVEL_VERSION_STRING, static_cast<unsigned>(verdict.token),
              verdict.accepted() ? "accepted" : "instead", verifier.acceptance_rate());
  return std::abs(verifier.acceptance_rate() - 0.75) < 1e-12 ? 0 : 1;
}
