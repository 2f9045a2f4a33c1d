// SPDX-License-Identifier: MIT
#pragma once

#include "speculative/support/output_law.hpp"
#include "speculative/support/report.hpp"

#include <gavel/core/philox.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/speculative/draft_sampler.hpp>
#include <gavel/speculative/optimal_acceptance.hpp>
#include <gavel/speculative/verifier.hpp>

#include <time.h>  // clock_gettime

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// @file
/// Every verifier on the same positions: what it accepts, what it could accept at best, what it costs, and whether its outputs are the
/// target's.

namespace examples {

using gavel::speculative::draft_law;
using gavel::speculative::token_id;

/// Processor time of this thread: what a verifier costs does not depend on who else uses the machine.
[[nodiscard]] inline double processor_microseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

/// One position of a text: what both models say about the next token.
struct position {
  std::span<const double> target;
  std::span<const double> draft;
  std::span<const double> short_draft;  ///< the draft model cut to its most probable tokens
};

/// A row of the table while it is being measured.
class comparison {
 public:
  using step_function = std::function<void(const position&, comparison&)>;

  comparison(table_row names, std::uint64_t seed, std::uint64_t stream, step_function step)
      : row_(std::move(names)), rng_(seed, 2 * stream), test_rng_(seed, 2 * stream + 1), step_(std::move(step)) {}

  void measure(const position& here) { step_(here, *this); }

  gavel::philox4x32& rng() noexcept { return rng_; }
  [[nodiscard]] std::size_t positions() const noexcept { return row_.positions; }

  void add_prepare(double microseconds) { prepare_us_ += microseconds; }
  void add_exact(double rate) { exact_.push_back(rate); }
  void add_given_drafts(double rate) { given_drafts_.push_back(rate); }
  void add_optimum(double rate) { optimum_.push_back(rate); }
  void add_position() { ++row_.positions; }
  void add_verdict(const position& here, token_id token, bool accepted, double microseconds) {
    verify_us_ += microseconds;
    accepted_ += accepted ? 1 : 0;
    ++row_.samples;
    test_.add(here.target, here.draft, token, gavel::uniform(test_rng_));
  }

  [[nodiscard]] table_row finish() const {
    const auto mean = [](const std::vector<double>& values) -> std::optional<double> {
      if (values.empty()) return std::nullopt;
      double sum = 0.0;
      for (const double value : values) sum += value;
      return sum / static_cast<double>(values.size());
    };
    table_row row = row_;
    const double samples = static_cast<double>(row.samples);
    row.acceptance = static_cast<double>(accepted_) / samples;
    // Given the positions, verdicts are independent, and no set of rates has more variance than equal ones.
    row.acceptance_error = std::sqrt(row.acceptance * (1.0 - row.acceptance) / samples);
    row.acceptance_exact = mean(exact_);
    row.acceptance_given_drafts = mean(given_drafts_);
    row.optimum = mean(optimum_);
    row.tokens_per_call = 1.0 + row.best_acceptance();  // an accepted draft brings its successor along
    row.prepare_us = prepare_us_ / static_cast<double>(row.positions);
    row.verify_us = verify_us_ / samples;
    row.us_per_token = row.prepare_us + row.verify_us;
    row.p_value = test_.p_value();
    return row;
  }

 private:
  table_row row_;
  gavel::philox4x32 rng_;
  gavel::philox4x32 test_rng_;
  step_function step_;
  std::vector<double> exact_;
  std::vector<double> given_drafts_;
  std::vector<double> optimum_;
  double prepare_us_ = 0.0;
  double verify_us_ = 0.0;
  std::uint64_t accepted_ = 0;
  output_law_test test_;
};

struct comparison_options {
  std::size_t verdicts = 20;  ///< drafts drawn and judged per position
  std::uint64_t seed = 1;
  bool short_draft = false;  ///< draft from the cut distribution
};

/// An acceptance rate from (target, draft, n).
using rate_function = std::function<double(std::span<const double>, std::span<const double>, std::size_t)>;

/// The comparison for one verifier and one number of drafts.
/// @param optimum the best acceptance under the draft law, or empty if the verifier claims nothing
/// @param rate    acceptance of a verifier without closed form, exact for one draft, or empty if unknown
template <gavel::speculative::verifier Verifier>
[[nodiscard]] comparison compare(std::string law, std::string name, std::size_t n, std::uint64_t stream, const comparison_options& options,
                                 rate_function optimum, rate_function rate, Verifier verifier = {}) {
  const auto step = [n, options, optimum, rate, verifier, drafts = std::vector<token_id>(n),
                     sampler = gavel::speculative::draft_sampler<double>()](const position& here, comparison& result) mutable {
    const std::span<const double> q = options.short_draft ? here.short_draft : here.draft;
    if (gavel::speculative::max_drafts(Verifier::law, q) < n) return;  // masks and top-p can leave fewer tokens than drafts
    const double start = processor_microseconds();
    verifier.prepare(here.target, q, n);
    result.add_prepare(processor_microseconds() - start);
    result.add_position();
    if constexpr (gavel::speculative::verifier_with_marginals<Verifier>) {
      result.add_exact(verifier.acceptance_rate());
    } else if (rate && n == 1) {
      result.add_exact(rate(here.target, q, n));
    } else if (rate) {
      result.add_given_drafts(rate(here.target, q, n));
    }
    if (optimum) result.add_optimum(optimum(here.target, q, n));
    for (std::size_t i = 0; i < options.verdicts; ++i) {
      sampler.draw(Verifier::law, q, std::span<token_id>(drafts), result.rng());
      const double begin = processor_microseconds();
      const auto verdict = verifier.verify(drafts, result.rng());
      result.add_verdict({here.target, q, q}, verdict.token, verdict.accepted(), processor_microseconds() - begin);
    }
  };
  table_row names;
  names.kind = "position";
  names.law = std::move(law);
  names.verifier = std::move(name);
  names.drafts = n;
  return {std::move(names), options.seed, stream, step};
}

}  // namespace examples
