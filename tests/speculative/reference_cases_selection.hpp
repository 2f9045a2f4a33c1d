// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/speculative/optimal_acceptance.hpp>
#include <gavel/speculative/selection.hpp>

#include "support/reference.hpp"

#include <cstddef>
#include <span>
#include <vector>

// Select-then-thin for given weights: the cases "selection" and "selection_wor" of `01-optimal-multi-draft.json`.

namespace gavel::testing {

inline std::vector<double> reference_marginals(const json& inputs, speculative::draft_law law) {
  const auto q = inputs.at("q").get<std::vector<double>>();
  const auto weights = inputs.at("w").get<std::vector<double>>();
  std::vector<double> picked(q.size());
  speculative::selection_marginals(q, weights, law, inputs.at("n").get<std::size_t>(), std::span<double>(picked));
  return picked;
}

inline void check_selection(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(expected,
               {"selection_marginal", "accept_after_thinning", "residual", "alpha_star_of_p", "alpha_star_if_p_were_the_marginal_itself"});
  const std::vector<double> picked = reference_marginals(inputs, speculative::draft_law::iid);
  const auto p = inputs.at("p").get<std::vector<double>>();
  const auto q = inputs.at("q").get<std::vector<double>>();
  const auto n = inputs.at("n").get<std::size_t>();
  check_close(picked, expected.at("selection_marginal").get<std::vector<double>>(), tolerance, "selection_marginal");
  check_close(speculative::thinned_acceptance_rate(p, picked), expected.at("accept_after_thinning").get<double>(), tolerance,
              "accept_after_thinning");
  std::vector<double> residual(p.size());
  speculative::thinned_residual(p, picked, std::span<double>(residual));
  check_close(residual, expected.at("residual").get<std::vector<double>>(), tolerance, "residual");
  constexpr auto iid = speculative::draft_law::iid;
  check_close(speculative::optimal_acceptance(p, q, iid, n).acceptance_rate, expected.at("alpha_star_of_p").get<double>(), tolerance,
              "alpha_star_of_p");
  check_close(speculative::optimal_acceptance(picked, q, iid, n).acceptance_rate,
              expected.at("alpha_star_if_p_were_the_marginal_itself").get<double>(), tolerance, "alpha_star_if_p_were_the_marginal_itself");
}

inline void check_selection_wor(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(expected, {"selection_marginal"});
  check_close(reference_marginals(inputs, speculative::draft_law::without_replacement),
              expected.at("selection_marginal").get<std::vector<double>>(), tolerance, "selection_marginal");
}

}  // namespace gavel::testing
