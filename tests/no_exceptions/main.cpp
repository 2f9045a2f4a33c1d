// SPDX-License-Identifier: MIT
// Built with -fno-exceptions -fno-rtti. What is right works; the first bad argument reaches the handler with the sentence that an exception
// would have carried. With an argument no handler is installed, or one that returns: the program aborts, says nothing, and leaves the
// sentence where a debugger looks.
#include <gavel/core/random.hpp>
#include <gavel/core/views.hpp>
#include <gavel/kernels/log_sum_exp.hpp>
#include <gavel/schedule/annealing_fit.hpp>
#include <gavel/schedule/pytorch.hpp>
#include <gavel/schedule/refinement.hpp>
#include <gavel/speculative/chain.hpp>
#include <gavel/speculative/single_draft.hpp>

#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

static const char* const expected = "gavel::matrix_view: values.size() = 7, must be a multiple of cols 3";

static void expect_message(const char* message) {
  const bool same = std::strcmp(message, expected) == 0;
  std::printf("%s: %s\n", same ? "handler called" : "wrong message", message);
  std::exit(same ? 0 : 1);
}

static void returns(const char*) {}

static void expect_abort(int) {
  const char* const message = gavel::abort_message;
  std::_Exit(message != nullptr && std::strcmp(message, expected) == 0 ? 0 : 1);
}

int main(int count, char**) {
  const std::vector<double> values(7, 1.0);
  const gavel::matrix_view<const double> good(values.data(), 2, 3);
  if (good.row(1).size() != 3) return 1;
  if (!(std::abs(gavel::kernels::log_sum_exp(values.data(), values.size()) - (1.0 + std::log(7.0))) < 1e-12)) return 1;

  const std::vector<double> target = {0.5, 0.25, 0.25};
  const std::vector<double> draft = {0.25, 0.5, 0.25};
  const std::vector<gavel::speculative::token_id> drafted = {1};
  gavel::speculative::single_draft<double> verifier;
  verifier.prepare(target, draft, 1);
  gavel::philox4x32 rng(1);
  if (verifier.verify(drafted, rng).token > 2) return 1;

  const auto rates = gavel::schedule::pytorch::cosine_annealing_lr({.base_lr = 0.4, .t_max = 12});
  if (!(rates.rate(0) == 0.4 && rates.rate(12) == 0.0)) return 1;
  if (gavel::schedule::refine(values).rate(0) <= 0.0) return 1;
  if (gavel::schedule::fit_annealing_law({}).status != gavel::schedule::annealing_fit_status::too_few_points) return 1;

  if (gavel::abort_message != nullptr) return 1;
  if (count > 1) std::signal(SIGABRT, expect_abort);
  if (count != 2 && gavel::set_error_handler(count > 1 ? returns : expect_message) != nullptr) return 1;

  // A batch leaves out a bad row without any of that: two sequences without drafts, two tokens.
  const std::vector<float> logits = {0.0f, 0.0f, 0.0f, std::nanf("")};
  const std::vector<std::size_t> lengths(2, 0);
  std::vector<gavel::philox4x32> rngs(2);
  std::vector<gavel::speculative::chain_result> results(2);
  const std::size_t left_out =
      gavel::speculative::verify_chains(gavel::matrix_view(logits.data(), 2, 2), gavel::matrix_view<const float>(),
                                        std::span<const gavel::speculative::token_id>(), lengths, std::span(rngs), std::span(results));
  if (left_out != 1 || results[1].status != gavel::speculative::chain_status::bad_target || results[1].column != 1) return 1;

  const gavel::matrix_view<const double> bad(values, 3);
  std::printf("a bad argument went through: %zu rows\n", bad.rows());
  return 1;
}
