// SPDX-License-Identifier: MIT
// The program as a user meets it: its table as a file, and its exit status.
#include "support/catch.hpp"
#include "support/program.hpp"

#include <string>

namespace shape_a_tree_test {

#ifdef GAVEL_SHAPE_A_TREE

TEST_CASE("shape_a_tree: exit status tells usage, output and no answer apart", "[examples][shape_a_tree]") {
  const gavel::testing::scratch_directory folder;
  const auto run = [&](const std::string& arguments) { return gavel::testing::run_program(GAVEL_SHAPE_A_TREE, folder, arguments); };
  CHECK(run("--help").out.find("5 no answer") != std::string::npos);
  CHECK(run("--budgets 1,2 --verify-times 3,4,5").status == 1);
  for (const char* wrong : {"--draft-time nan", "--draft-time inf", "--draft-time -1", "--verify-slope -1", "--acceptance 0.5,nan",
                            "--levels -1", "--csv a --svg a"}) {
    INFO(wrong);
    CHECK(run(wrong).status == 1);
  }
  CHECK(run("--draft-time -1").err == "--draft-time: Value -1 must be >= 0\nRun with --help for more information.\n");
  const auto output = run("--csv no/such/folder/a");
  CHECK(output.status == 3);
  CHECK(output.out.empty());
  CHECK(output.err == "shape_a_tree: no/such/folder/a: cannot be opened for writing\n");
  const auto none = run("--acceptance 0.8 --budgets 4 --levels 2");
  CHECK(none.status == 5);
  CHECK(none.err == "shape_a_tree: no tree of any budget fits within 2 levels and 1 child\n");
  REQUIRE(run("--acceptance 0.5 --budgets 1,2 --levels 2 --csv a.csv").status == 0);
  CHECK(folder.read("a.csv") ==
        "nodes,levels,expected_tokens,call_time,time_per_token\n1,1,1,20.08,20.08\n1,2,1,20.08,20.08\n2,2,1.5,22.16,14.7733333333\n");
}

#else
TEST_CASE("shape_a_tree: the program was not built", "[examples][shape_a_tree]") { SUCCEED(); }
#endif

}  // namespace shape_a_tree_test
