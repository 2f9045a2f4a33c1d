// SPDX-License-Identifier: MIT
// Every case of the reference vectors of optimal multi-draft decoding; each kind goes through all the headers that answer for it.
#include "speculative/reference_cases_acceptance.hpp"
#include "speculative/reference_cases_paths.hpp"
#include "speculative/reference_cases_selection.hpp"
#include "speculative/reference_cases_verifiers.hpp"
#include "support/catch.hpp"
#include "support/reference.hpp"

namespace optimal_multi_draft_reference_test {

using namespace gavel::testing;

TEST_CASE("reference vectors 01-optimal-multi-draft", "[speculative][reference]") {
  const auto both = [](auto first, auto second) {
    return [=](const json& inputs, const json& expected, const json& tolerance) {
      first(inputs, expected, tolerance);
      second(inputs, expected, tolerance);
    };
  };
  reference_file("01-optimal-multi-draft")
      .run({{"iid", both(check_acceptance_iid, reference_verifiers::check_iid)},
            {"wor", both(check_acceptance_wor, reference_verifiers::check_without_replacement)},
            {"wor_big", check_acceptance_wor_big},
            {"greedy", both(check_acceptance_greedy, reference_verifiers::check_greedy)},
            {"spechub", both(check_acceptance_spechub, reference_verifiers::check_hub_pair)},
            {"selection", both(check_acceptance_selection, check_selection)},
            {"selection_wor", check_selection_wor},
            {"block", check_block_case},
            {"traversal", check_traversal_case},
            {"tree_budget_dp", check_tree_budget_case},
            {"edges", check_acceptance_edges}});
}

}  // namespace optimal_multi_draft_reference_test
