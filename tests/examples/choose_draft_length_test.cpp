// SPDX-License-Identifier: MIT
// The exit status of the program; that its results are those of the theory is its own last check.
#include "support/catch.hpp"
#include "support/program.hpp"

#include <string>

namespace choose_draft_length_test {

#ifdef GAVEL_CHOOSE_DRAFT_LENGTH

TEST_CASE("choose_draft_length: exit status tells usage and output apart", "[examples][choose_draft_length]") {
  const gavel::testing::scratch_directory folder;
  const auto run = [&](const std::string& arguments) { return gavel::testing::run_program(GAVEL_CHOOSE_DRAFT_LENGTH, folder, arguments); };
  CHECK(run("--help").out.find("4 a result is not the known one") != std::string::npos);
  CHECK(run("--tokens 10").status == 1);
  const auto output = run("--csv no/such/folder/a");  // before anything is decoded
  CHECK(output.status == 3);
  CHECK(output.out.empty());
  CHECK(output.err == "choose_draft_length: no/such/folder/a: cannot be opened for writing\n");
}

#else
TEST_CASE("choose_draft_length: the program was not built", "[examples][choose_draft_length]") { SUCCEED(); }
#endif

}  // namespace choose_draft_length_test
