// SPDX-License-Identifier: MIT
#pragma once

// The optimal acceptance rates of 01-optimal-multi-draft.json. Each function checks the keys it knows of one kind of case and leaves the
// others (verifier results) to the tests of the verifiers.

#include <gavel/speculative/optimal_acceptance.hpp>

#include "support/reference.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gavel::testing {

struct draft_case {
  std::vector<double> p, q;
  std::size_t n = 0;

  explicit draft_case(const json& inputs)
      : p(inputs.at("p").get<std::vector<double>>()), q(inputs.at("q").get<std::vector<double>>()), n(inputs.at("n").get<std::size_t>()) {}

  [[nodiscard]] double optimum(speculative::draft_law law) const { return speculative::optimal_acceptance(p, q, law, n).acceptance_rate; }
};

inline void check_acceptance_iid(const json& inputs, const json& expected, const json& tolerance) {
  check_close(draft_case(inputs).optimum(speculative::draft_law::iid), expected.at("alpha_star").get<double>(), tolerance, "alpha_star");
}

inline void check_acceptance_wor(const json& inputs, const json& expected, const json& tolerance) {
  const draft_case one(inputs);
  constexpr auto law = speculative::draft_law::without_replacement;
  check_close(one.optimum(law), expected.at("alpha_star").get<double>(), tolerance, "alpha_star");

  // The prefixes of the order by q/p are the sets {p/q <= threshold}: the same order must come out of the ratios.
  const auto order = inputs.at("order_by_q_over_p_descending").get<std::vector<std::size_t>>();
  REQUIRE(order.size() == one.p.size());
  for (std::size_t i = 1; i < order.size(); ++i) {
    REQUIRE(one.q[order[i - 1]] * one.p[order[i]] >= one.q[order[i]] * one.p[order[i - 1]]);
  }
  const auto prefixes = expected.at("Q_of_prefixes").get<std::vector<double>>();
  std::vector<std::uint8_t> member(one.p.size(), 0);
  // The list starts with the empty set or with the first token, whichever its length says.
  const std::size_t skipped = prefixes.size() == order.size() ? 1 : 0;
  REQUIRE(prefixes.size() + skipped == order.size() + 1);
  for (std::size_t size = 0; size <= order.size(); ++size) {
    if (size > 0) member[order[size - 1]] = 1;
    if (size < skipped) continue;
    check_close(speculative::all_inside_probability(one.q, member, law, one.n), prefixes[size - skipped], tolerance, "Q_of_prefixes");
  }
}

inline void check_acceptance_wor_big(const json& inputs, const json& expected, const json& tolerance) {
  draft_case one(inputs);
  constexpr auto law = speculative::draft_law::without_replacement;
  check_close(one.optimum(law), expected.at("alpha_star").get<double>(), tolerance, "alpha_star");
  one.n = 2;
  check_close(one.optimum(law), expected.at("alpha_star_n2").get<double>(), tolerance, "alpha_star_n2");
}

inline void check_acceptance_greedy(const json& inputs, const json& expected, const json& tolerance) {
  check_close(draft_case(inputs).optimum(speculative::draft_law::greedy), expected.at("alpha_star").get<double>(), tolerance, "alpha_star");
}

inline void check_acceptance_spechub(const json& inputs, const json& expected, const json& tolerance) {
  check_close(draft_case(inputs).optimum(speculative::draft_law::hub_pair), expected.at("alpha_star").get<double>(), tolerance,
              "alpha_star");
}

inline void check_acceptance_selection(const json& inputs, const json& expected, const json& tolerance) {
  draft_case one(inputs);
  check_close(one.optimum(speculative::draft_law::iid), expected.at("alpha_star_of_p").get<double>(), tolerance, "alpha_star_of_p");
  one.p = expected.at("selection_marginal").get<std::vector<double>>();
  check_close(one.optimum(speculative::draft_law::iid), expected.at("alpha_star_if_p_were_the_marginal_itself").get<double>(), tolerance,
              "alpha_star_if_p_were_the_marginal_itself");
}

inline void check_acceptance_edges(const json& inputs, const json& expected, const json& tolerance) {
  const json& rows = inputs.at("rows");
  const json& results = expected.at("rows");
  REQUIRE(rows.size() == results.size());
  for (std::size_t r = 0; r < rows.size(); ++r) {
    require_keys(results[r], {"name", "alpha_star_with_replacement", "alpha_star_without_replacement"});
    const std::string name = rows[r].at("name");
    REQUIRE(name == results[r].at("name").get<std::string>());
    const draft_case one(rows[r]);
    check_close(one.optimum(speculative::draft_law::iid), results[r].at("alpha_star_with_replacement").get<double>(), tolerance,
                name + ", with replacement");
    if (results[r].contains("alpha_star_without_replacement")) {
      check_close(one.optimum(speculative::draft_law::without_replacement), results[r].at("alpha_star_without_replacement").get<double>(),
                  tolerance, name + ", without replacement");
    }
  }
}

}  // namespace gavel::testing
