// SPDX-License-Identifier: MIT
// The program as a user meets it: what it prints, and its exit status.
#include "support/catch.hpp"
#include "support/program.hpp"

#include <string>

namespace merge_checkpoints_test {

#ifdef GAVEL_MERGE_CHECKPOINTS

TEST_CASE("merge_checkpoints: both losses of every decay stand side by side", "[examples][merge_checkpoints]") {
  const gavel::testing::scratch_directory folder;
  const auto run = [&](const std::string& arguments) { return gavel::testing::run_program(GAVEL_MERGE_CHECKPOINTS, folder, arguments); };
  const auto seen = run("--steps 200 --seeds 1 --checkpoints 5");
  CHECK(seen.status == 0);
  CHECK(seen.out.starts_with("Held-out loss of the next character after 200 steps, mean of 1 run; the decay is the last 20 %\n"));
  for (const char* line : {"constant rate", "trained     merged", "linear", "1 - sqrt", "cosine", "the average of 5 checkpoints"}) {
    INFO(line);
    CHECK(seen.out.find(line) != std::string::npos);
  }
  for (const char* wrong : {"--steps -1", "--decay nan", "--rate inf", "--seeds 0", "--steps 100 --checkpoints 100"}) {
    INFO(wrong);
    CHECK(run(wrong).status == 1);
  }
  CHECK(run("--text no/such/file").status == 2);
}

#else
TEST_CASE("merge_checkpoints: the program was not built", "[examples][merge_checkpoints]") { SUCCEED(); }
#endif

}  // namespace merge_checkpoints_test
