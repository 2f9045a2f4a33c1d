// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/reference.hpp"
#include "support/scripted_generator.hpp"

#include <gavel/kernels/residual.hpp>
#include <gavel/speculative/acceptance_loss.hpp>
#include <gavel/speculative/draft_length.hpp>
#include <gavel/speculative/draft_length_optimum.hpp>
#include <gavel/speculative/chain.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace draft_length_reference_test {

using namespace gavel::speculative;
using gavel::matrix_view;
using gavel::testing::check_close;
using gavel::testing::json;
using gavel::testing::require_keys;

namespace {

std::vector<double> flat(const json& rows) {
  std::vector<double> values;
  for (const auto& row : rows) {
    for (const auto& value : row) values.push_back(value.get<double>());
  }
  return values;
}

// An expected zero has no relative error: it is compared absolutely.
void policy(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"acceptance_values", "probabilities", "draft_time", "target_time"});
  require_keys(expected, {"optimal_time_per_token", "stop_when_prob_of_a_rejection_at_least", "mean_drafted_per_round",
                          "mean_accepted_per_round", "fixed_length_time_per_token", "best_fixed_length", "gain_over_best_fixed"});
  const auto acceptance = inputs.at("acceptance_values").get<std::vector<double>>();
  const auto probs = inputs.at("probabilities").get<std::vector<double>>();
  const speculation_cost cost{inputs.at("draft_time").get<double>(), inputs.at("target_time").get<double>()};
  const draft_length_optimum_result found = optimal_draft_length(acceptance, probs, cost);
  const auto close = [&](double actual, const char* key) {
    const auto value = expected.at(key).get<double>();
    if (value == 0.0) {
      INFO(key);
      REQUIRE(std::abs(actual) <= 1e-12);
    } else {
      check_close(actual, value, tolerance, key);
    }
  };
  close(found.time_per_token, "optimal_time_per_token");
  close(found.rejection_threshold, "stop_when_prob_of_a_rejection_at_least");
  close(found.mean_drafted, "mean_drafted_per_round");
  close(found.mean_accepted, "mean_accepted_per_round");
  close(found.gain_over_best_fixed, "gain_over_best_fixed");
  REQUIRE(found.best_fixed.length == expected.at("best_fixed_length").get<std::size_t>());
  const auto fixed = expected.at("fixed_length_time_per_token").get<std::vector<double>>();
  for (std::size_t length = 0; length < fixed.size(); ++length) {
    check_close(fixed_length_time_per_token(found.mean_acceptance, length, cost), fixed[length], tolerance,
                "fixed " + std::to_string(length));
  }
  REQUIRE((found.status == draft_length_optimum_status::never_speculate) == (expected.at("mean_drafted_per_round").get<double>() == 0.0));
}

void head_loss(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"logits_reject_accept", "soft_labels", "weight_of_rejection"});
  require_keys(expected, {"loss", "gradient", "mean_binary_kl"});
  const std::vector<double> logits = flat(inputs.at("logits_reject_accept"));
  const auto labels = inputs.at("soft_labels").get<std::vector<double>>();
  const acceptance_loss_options options{.rejection_weight = inputs.at("weight_of_rejection").get<double>()};
  std::vector<double> gradient(logits.size());
  const matrix_view<const double> view(logits.data(), labels.size(), 2);
  const double loss = acceptance_loss_gradient<double>(view, labels, matrix_view<double>(gradient.data(), labels.size(), 2), {}, options);
  check_close(loss, expected.at("loss").get<double>(), tolerance, "loss");
  check_close(acceptance_loss<double>(view, labels, {}, options), expected.at("loss").get<double>(), tolerance, "loss");
  check_close(gradient, flat(expected.at("gradient")), tolerance, "gradient");
  check_close(mean_binary_kl<double>(view, labels), expected.at("mean_binary_kl").get<double>(), tolerance, "mean_binary_kl");
}

void stop_traces(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"predicted_acceptance"});
  require_keys(expected, {"rows"});
  const auto predicted = inputs.at("predicted_acceptance").get<std::vector<double>>();
  REQUIRE(!expected.at("rows").empty());
  for (const json& row : expected.at("rows")) {
    require_keys(row, {"threshold", "min", "max", "lag", "drafted", "product"});
    threshold_rule rule({.threshold = row.at("threshold").get<double>(),
                         .min_length = row.at("min").get<std::size_t>(),
                         .max_length = row.at("max").get<std::size_t>(),
                         .lag = row.at("lag").get<std::size_t>()});
    std::size_t drafted = 0;
    draft_observation observation;
    for (bool more = rule.begin_round(); more; more = rule.keep_drafting(observation)) {
      ++drafted;
      if (drafted > rule.lag()) observation.predicted_acceptance = predicted.at(drafted - 1 - rule.lag());
    }
    INFO("row " << row.dump());
    REQUIRE(drafted == row.at("drafted").get<std::size_t>());
    check_close(rule.product(), row.at("product").get<double>(), tolerance, "product");
  }
}

void verify_round(const json& inputs, const json& expected, const json& tolerance) {
  require_keys(inputs, {"p", "q", "draft"});
  require_keys(expected, {"soft_labels", "rounds"});
  const std::vector<double> p = flat(inputs.at("p"));
  const std::vector<double> q = flat(inputs.at("q"));
  const auto draft = inputs.at("draft").get<std::vector<token_id>>();
  const std::size_t vocabulary = inputs.at("p").at(0).size();
  std::vector<double> logits(p.size());
  for (std::size_t i = 0; i < p.size(); ++i) logits[i] = std::log(p[i]);
  const matrix_view<const double> target(p, vocabulary);
  const matrix_view<const double> drafts(q, vocabulary);
  std::vector<double> labels(draft.size());
  soft_labels(target, drafts, draft, labels);
  check_close(labels, expected.at("soft_labels").get<std::vector<double>>(), tolerance, "soft_labels");
  REQUIRE(!expected.at("rounds").empty());
  for (const json& round : expected.at("rounds")) {
    require_keys(round, {"u", "u_next", "accepted", "next_distribution", "next_token_inverse_cdf"});
    const auto u = round.at("u").get<std::vector<double>>();
    const auto u_next = round.at("u_next").get<double>();
    const auto accepted = round.at("accepted").get<std::size_t>();
    INFO("round " << round.dump());
    // The uniforms in the order of use: one per draft looked at, then one for the next token.
    std::vector<double> uniforms(u.begin(), u.begin() + static_cast<std::ptrdiff_t>(std::min(accepted + 1, u.size())));
    uniforms.push_back(u_next);
    gavel::testing::scripted_generator bits(uniforms);
    const chain_result verified =
        verify_chain(matrix_view<const double>(logits, vocabulary), drafts, draft, bits, {.draft = draft_form::probs});
    REQUIRE(verified.accepted == accepted);
    REQUIRE(verified.next_token == round.at("next_token_inverse_cdf").get<token_id>());
    REQUIRE(bits.used() == uniforms.size());

    const auto row = target.row(accepted);
    std::vector<double> next(row.begin(), row.end());
    if (accepted < draft.size()) {
      const double total = gavel::kernels::residual_sum(row.data(), drafts.row(accepted).data(), vocabulary);
      for (std::size_t x = 0; x < vocabulary; ++x) next[x] = std::max(0.0, next[x] - drafts(accepted, x)) / total;
    }
    check_close(next, round.at("next_distribution").get<std::vector<double>>(), tolerance, "next_distribution");
  }
}

}  // namespace

TEST_CASE("reference 03: draft length", "[speculative][draft_length][reference]") {
  gavel::testing::reference_file("03-specdec-plus-plus")
      .run({{"easy_hard", policy},
            {"three_levels", policy},
            {"constant", policy},
            {"never_speculate", policy},
            {"head_loss", head_loss},
            {"stop_traces", stop_traces},
            {"verify_round", verify_round}});
}

}  // namespace draft_length_reference_test
