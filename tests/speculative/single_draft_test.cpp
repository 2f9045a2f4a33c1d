// SPDX-License-Identifier: MIT
#include <gavel/speculative/single_draft.hpp>

#include "support/catch.hpp"
#include "support/messages.hpp"
#include "speculative/verifier_checks.hpp"

#include <vector>

using namespace gavel;
using namespace gavel::speculative;
using namespace gavel::testing;

static_assert(verifier<single_draft<>> && verifier_with_marginals<single_draft<>>);
static_assert(verifier<single_draft<double>> && verifier_with_marginals<single_draft<double>>);

namespace {

// Near misses: a verifier whose verify tells only the token, and one without the exact law.
struct tells_only_the_token : single_draft<float> {
  template <class G>
  token_id verify(std::span<const token_id> drafts, G& rng) {
    return single_draft<float>::verify(drafts, rng).token;
  }
};
struct hides_its_law : single_draft<float> {
  void conditional_law(std::span<const token_id>) {}
};
static_assert(!verifier<tells_only_the_token>);
static_assert(!verifier<hides_its_law>);

}  // namespace

TEMPLATE_TEST_CASE("single_draft emits exactly the target and accepts as often as possible", "[speculative][single_draft]", float, double) {
  check_exact_law<single_draft<TestType>>({1}, optimality::reached);
}

TEMPLATE_TEST_CASE("single_draft: verify follows its law and the target", "[speculative][single_draft]", float, double) {
  check_frequencies<single_draft<TestType>>(1);
  check_outputs_on_large_vocabulary<single_draft<TestType>>(1);
  check_draws_and_copies<single_draft<TestType>>(1);
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

TEMPLATE_TEST_CASE("single_draft refuses bad input", "[speculative][single_draft]", float, double) {
  check_shared_messages<single_draft<TestType>>("single_draft", 1);
  const std::vector<TestType> row{TestType(0.5), TestType(0.5)};
  single_draft<TestType> v;
  CHECK(message_of([&] { (void)v.prepare(row, row, 0); }) == "gavel::speculative::single_draft::prepare: n = 0, must be >= 1");
  CHECK(message_of([&] { (void)v.prepare(row, row, 2); }) == "gavel::speculative::single_draft::prepare: n = 2, must be 1");
  CHECK(message_of([&] { (void)v.prepare(row, row, 2, trusted); }) == "gavel::speculative::single_draft::prepare: n = 2, must be 1");
}
