// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/speculative/greedy_drafts.hpp>
#include <gavel/speculative/hub_pair.hpp>
#include <gavel/speculative/k_sequence.hpp>
#include <gavel/speculative/recursive_rejection.hpp>
#include <gavel/speculative/target_only.hpp>

#include "support/reference.hpp"
#include "speculative/laws.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

// What the verifiers of one position have to say about the cases of `01-optimal-multi-draft.json`. Each function reads the keys named after
// it; the optimum and the prefixes of the same cases are read elsewhere.

namespace gavel::testing::reference_verifiers {

struct case_rows {
  std::vector<double> p, q;
  std::size_t n = 0;

  explicit case_rows(const json& inputs) : p(inputs.at("p")), q(inputs.at("q")), n(inputs.at("n")) {}
};

// The closed forms and the enumeration of all drafts must both give the expected marginals and rate.
template <class V>
void check_marginals(V& v, const case_rows& rows, const json& expected_per_token, const json& expected_rate, const json& tolerance,
                     const std::string& what) {
  const output_law law = law_by_enumeration(v, V::law, rows.q, rows.n);
  std::vector<double> marginals(rows.p.size());
  double rate = law.acceptance_rate;
  if constexpr (speculative::verifier_with_marginals<V>) {
    v.acceptance_marginals(std::span<double>(marginals));
    rate = v.acceptance_rate();
    check_close(law.acceptance_rate, rate, json{{"abs", 1e-12}}, what + " by enumeration");
    check_close(law.accepted, marginals, json{{"abs", 1e-12}}, what + " per token by enumeration");
  } else {
    marginals = law.accepted;
  }
  if (!expected_rate.is_null()) check_close(rate, expected_rate.get<double>(), tolerance, what);
  if (!expected_per_token.is_null()) check_close(marginals, expected_per_token.get<std::vector<double>>(), tolerance, what + " per token");
}

template <class V>
V prepared(const case_rows& rows) {
  V v;
  v.prepare(std::span<const double>(rows.p), std::span<const double>(rows.q), rows.n);
  return v;
}

// The residual given the first drafts that can be rejected, for rules whose residual is the same for all drafts.
template <class V>
std::vector<double> residual_of(V& v, const case_rows& rows) {
  std::vector<double> acceptance(rows.n), residual(rows.q.size()), result;
  double most_rejected = -1.0;
  for_each_drafts(V::law, rows.q, rows.n, [&](std::span<const token_id> drafts, double) {
    v.conditional_law(drafts, std::span<double>(acceptance), std::span<double>(residual));
    double rejected = 1.0;
    for (const double a : acceptance) rejected -= a;
    if (rejected > most_rejected) most_rejected = rejected, result = residual;
  });
  return result;
}

/// Keys rrs, rrs_accept_per_token, naive, kseq, kseq_gamma, kseq_residual of the kind `iid`.
inline void check_iid(const json& inputs, const json& expected, const json& tolerance) {
  const case_rows rows(inputs);
  auto recursive = prepared<speculative::recursive_rejection<double>>(rows);
  check_marginals(recursive, rows, expected.at("rrs_accept_per_token"), expected.at("rrs"), tolerance, "recursive rejection");
  auto naive = prepared<speculative::target_only<double>>(rows);
  check_marginals(naive, rows, nullptr, expected.at("naive"), tolerance, "target only");
  auto sequence = prepared<speculative::k_sequence<double>>(rows);
  check_marginals(sequence, rows, nullptr, expected.at("kseq"), tolerance, "K-SEQ");
  check_close(sequence.gamma(), expected.at("kseq_gamma").get<double>(), tolerance, "K-SEQ gamma");
  check_close(residual_of(sequence, rows), expected.at("kseq_residual").get<std::vector<double>>(), tolerance, "K-SEQ residual");
}

/// Keys rrs_without_replacement, rrs_accept_per_token, naive of the kind `wor`, all by enumeration.
inline void check_without_replacement(const json& inputs, const json& expected, const json& tolerance) {
  using speculative::draft_law;
  const case_rows rows(inputs);
  auto recursive = prepared<speculative::recursive_rejection<double, draft_law::without_replacement>>(rows);
  check_marginals(recursive, rows, expected.at("rrs_accept_per_token"), expected.at("rrs_without_replacement"), tolerance,
                  "recursive rejection without replacement");
  auto naive = prepared<speculative::target_only<double, draft_law::without_replacement>>(rows);
  check_marginals(naive, rows, nullptr, expected.at("naive"), tolerance, "target only without replacement");
}

/// Keys alpha_star, accept_per_token, residual_over_all_tokens of the kind `greedy`. The expected residual counts the top tokens, which the
/// verifier reports as accepted drafts: put together again here, given that the sampled draft was refused.
inline void check_greedy(const json& inputs, const json& expected, const json& tolerance) {
  const case_rows rows(inputs);
  auto v = prepared<speculative::greedy_drafts<double>>(rows);
  check_marginals(v, rows, expected.at("accept_per_token"), expected.at("alpha_star"), tolerance, "greedy");
  std::vector<double> acceptance(rows.n), residual(rows.q.size()), result;
  double most_refused = -1.0;
  for_each_drafts(draft_law::greedy, rows.q, rows.n, [&](std::span<const token_id> drafts, double) {
    v.conditional_law(drafts, std::span<double>(acceptance), std::span<double>(residual));
    const double refused = 1.0 - acceptance.back();
    if (refused <= most_refused) return;
    most_refused = refused;
    double none = refused;
    for (std::size_t i = 0; i + 1 < rows.n; ++i) none -= acceptance[i];
    result = residual;
    for (double& y : result) y *= none / refused;
    for (std::size_t i = 0; i + 1 < rows.n; ++i) result[drafts[i]] += acceptance[i] / refused;
  });
  check_close(result, expected.at("residual_over_all_tokens").get<std::vector<double>>(), tolerance, "greedy residual over all tokens");
}

/// Keys alpha_star, accept_per_token, residual of the kind `spechub`.
inline void check_hub_pair(const json& inputs, const json& expected, const json& tolerance) {
  const case_rows rows(inputs);
  auto v = prepared<speculative::hub_pair<double>>(rows);
  check_marginals(v, rows, expected.at("accept_per_token"), expected.at("alpha_star"), tolerance, "SpecHub");
  check_close(residual_of(v, rows), expected.at("residual").get<std::vector<double>>(), tolerance, "SpecHub residual");
}

}  // namespace gavel::testing::reference_verifiers
