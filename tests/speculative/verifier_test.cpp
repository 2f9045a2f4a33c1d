// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <gavel/speculative.hpp>

#include <cstddef>
#include <span>
#include <string>

namespace verifier_test {

using namespace gavel::speculative;

namespace {

/// The least a verifier needs, and what it looks like with one thing missing.
struct least {
  using scalar = double;
  static constexpr draft_law law = draft_law::iid;
  void prepare(std::span<const double>, std::span<const double>, std::size_t) {}
  template <class G>
  verdict verify(std::span<const token_id>, G&) {
    return {};
  }
  void conditional_law(std::span<const token_id>, std::span<double>, std::span<double>) {}
  [[nodiscard]] std::size_t max_uniforms() const { return 0; }
};
struct without_law : least {
  static constexpr const char* law = "iid";
};
struct without_conditional_law : least {
  void conditional_law() = delete;
};
struct returns_a_token : least {
  template <class G>
  token_id verify(std::span<const token_id>, G&) {
    return 0;
  }
};
struct not_const : least {
  std::size_t max_uniforms() { return 0; }
};
struct not_copyable : least {
  not_copyable() = default;
  not_copyable(const not_copyable&) = delete;
};
struct with_marginals : least {
  void acceptance_marginals(std::span<double>) {}
  [[nodiscard]] double acceptance_rate() const { return 0.0; }
};

}  // namespace

TEST_CASE("the verifier concept takes what is whole and refuses what lacks one thing", "[speculative][types]") {
  STATIC_REQUIRE(verifier<least>);
  STATIC_REQUIRE_FALSE(verifier<without_law>);
  STATIC_REQUIRE_FALSE(verifier<without_conditional_law>);
  STATIC_REQUIRE_FALSE(verifier<returns_a_token>);
  STATIC_REQUIRE_FALSE(verifier<not_const>);
  STATIC_REQUIRE_FALSE(verifier<not_copyable>);
  STATIC_REQUIRE_FALSE(verifier_with_marginals<least>);
  STATIC_REQUIRE(verifier_with_marginals<with_marginals>);
}

TEMPLATE_TEST_CASE("every verifier of the library satisfies it", "[speculative][types]", float, double) {
  using T = TestType;
  STATIC_REQUIRE(verifier_with_marginals<single_draft<T>>);
  STATIC_REQUIRE(verifier_with_marginals<target_only<T, draft_law::iid>>);
  STATIC_REQUIRE(verifier_with_marginals<target_only<T, draft_law::top_n>>);
  STATIC_REQUIRE(verifier_with_marginals<target_only<T, draft_law::greedy>>);
  STATIC_REQUIRE(verifier_with_marginals<target_only<T, draft_law::hub_pair>>);
  STATIC_REQUIRE(verifier<target_only<T, draft_law::without_replacement>>);
  STATIC_REQUIRE_FALSE(verifier_with_marginals<target_only<T, draft_law::without_replacement>>);
  STATIC_REQUIRE(verifier_with_marginals<recursive_rejection<T, draft_law::iid>>);
  STATIC_REQUIRE(verifier<recursive_rejection<T, draft_law::without_replacement>>);
  STATIC_REQUIRE_FALSE(verifier_with_marginals<recursive_rejection<T, draft_law::without_replacement>>);
  STATIC_REQUIRE(verifier_with_marginals<k_sequence<T>>);
  STATIC_REQUIRE(verifier_with_marginals<hub_pair<T>>);
  STATIC_REQUIRE(verifier_with_marginals<greedy_drafts<T>>);
  STATIC_REQUIRE(verifier_with_marginals<optimal_iid<T>>);
  STATIC_REQUIRE(verifier_with_marginals<optimal_without_replacement<T>>);
  STATIC_REQUIRE(verifier_with_marginals<on_reduced_vocabulary<optimal_iid<T>>>);
  STATIC_REQUIRE(verifier<on_reduced_vocabulary<recursive_rejection<T, draft_law::without_replacement>>>);
  STATIC_REQUIRE_FALSE(verifier_with_marginals<on_reduced_vocabulary<recursive_rejection<T, draft_law::without_replacement>>>);
}

TEST_CASE("a verdict knows whether it took a draft", "[speculative][types]") {
  REQUIRE(verdict{7, 2}.accepted());
  REQUIRE_FALSE(verdict{7, verdict::none}.accepted());
  REQUIRE_FALSE(verdict{}.accepted());
  REQUIRE(verdict{7, 2} == verdict{7, 2});
  REQUIRE_FALSE(verdict{7, 2} == verdict{7, 1});
}

}  // namespace verifier_test
