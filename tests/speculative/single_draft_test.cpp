// SPDX-License-Identifier: MIT
#include <gavel/speculative/single_draft.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "speculative/verifier_checks.hpp"

#include <vector>

namespace single_draft_test {

using namespace gavel;
using namespace gavel::speculative;
using namespace gavel::testing;

TEST_CASE("single_draft emits exactly the target and accepts as often as possible", "[speculative][single_draft]") {
  check_exact_law<single_draft<double>>({1}, optimality::reached);
}

TEST_CASE("single_draft: verify follows its law and the target", "[speculative][single_draft]") {
  check_frequencies<single_draft<double>>(1);
  check_outputs_on_large_vocabulary<single_draft<double>>(1);
  check_draws_and_copies<single_draft<double>>(1);
}

TEST_CASE("single_draft: the numbers of a small pair", "[speculative][single_draft]") {
  const std::vector<double> p{0.5, 0.25, 0.25};
  const std::vector<double> q{0.25, 0.5, 0.25};
  single_draft<double> v;
  v.prepare(p, q, 1);
  std::vector<double> acceptance(1), residual(3);
  const std::vector<token_id> draft{1};
  v.conditional_law(draft, acceptance, residual);
  CHECK(acceptance[0] == 0.5);
  CHECK(residual == std::vector<double>{1.0, 0.0, 0.0});
  CHECK(v.acceptance_rate() == 0.75);
  CHECK(v.max_uniforms() == 2);
}

TEST_CASE("single_draft refuses bad input", "[speculative][single_draft]") {
  check_shared_messages<single_draft<double>>("single_draft", 1);
  const std::vector<double> row{0.5, 0.5};
  single_draft<double> v;
  CHECK(message_of([&] { v.prepare(row, row, 0); }) == "gavel::speculative::single_draft::prepare: n = 0, must be 1");
  CHECK(message_of([&] { v.prepare(row, row, 2); }) == "gavel::speculative::single_draft::prepare: n = 2, must be 1");
  CHECK(message_of([&] { v.prepare(row, row, 2, trusted); }) == "gavel::speculative::single_draft::prepare: n = 2, must be 1");
}

}  // namespace single_draft_test
