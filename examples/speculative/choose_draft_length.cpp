// SPDX-License-Identifier: MIT
// test-arguments: --tokens 20000 --csv lengths.csv --svg lengths.svg
//
// How many tokens should the draft model propose before the target model checks them? Compares rules for stopping a round of speculation:
// first on models of independent token difficulty, where the optimum is known exactly, then end to end on a pair of bigram models with a
// trained acceptance head, where the text of every rule is tested against the target's distribution.
//
//   choose_draft_length [--tokens N] [--draft-time T] [--target-time T] [--csv FILE] [--svg FILE]
#include "support/gnuplot.hpp"
#include "support/output.hpp"
#include "support/run_main.hpp"

#include <gavel/core/goodness_of_fit.hpp>
#include <gavel/core/philox.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/core/variates.hpp>
#include <gavel/core/views.hpp>
#include <gavel/kernels/overlap.hpp>
#include <gavel/kernels/sample.hpp>
#include <gavel/kernels/softmax.hpp>
#include <gavel/speculative/acceptance_head.hpp>
#include <gavel/speculative/draft_length.hpp>
#include <gavel/speculative/draft_length_online.hpp>
#include <gavel/speculative/draft_length_optimum.hpp>
#include <gavel/speculative/draft_length_simulation.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <span>
#include <string>
#include <vector>

using namespace gavel::speculative;

namespace {

struct settings {
  std::size_t tokens = 60'000;
  std::size_t vocabulary = 48;
  speculation_cost cost{1.0, 10.0};
  std::uint64_t seed = 1;
  std::string csv, svg;
};

struct report {
  examples::progress_line progress;
  examples::csv_writer csv{"part,rule,time_per_token,standard_error,expected,discard_rate,verification_rate,law_p_value"};
  std::string bars, names, values;  // of the figure: the rules of the second part, from above
  std::size_t n_bars = 0;

  void add_bar(const std::string& rule, double time_per_token) {
    char value[32];
    std::snprintf(value, sizeof value, "%.2f", time_per_token);
    const std::string at = std::to_string(n_bars++);
    bars += at + " " + examples::real(time_per_token) + "\n";
    names += (names.empty() ? "" : ", ") + examples::gnuplot_quoted(rule) + " " + at;
    values += "set label '" + std::string(value) + "' at " + examples::real(time_per_token) + "," + at + " left offset 0.6,0\n";
  }

  void add(const char* part, const std::string& rule, const draft_length_simulation_result& r, double expected, double p_value) {
    using examples::real;
    csv.row(part, examples::quoted(rule), real(r.time_per_token.value), real(r.time_per_token.standard_error, 3), real(expected),
            real(r.discard_rate.value), real(r.verification_rate.value), real(p_value, 6));
  }
};

// ---------------------------------------------------------------------------------------------------------------------------------------
// Part 1: independent difficulties.

struct difficulty_model {
  const char* name;
  std::vector<double> acceptance, probs;
  speculation_cost cost;
  double known_optimum, known_fixed;  // independently computed: optimal time per token, and that of the best fixed length
};

bool independent_part(const settings& run, report& out) {
  const std::vector<difficulty_model> models{
      {"{.95: .75, .30: .25}, 8:1", {0.95, 0.3}, {0.75, 0.25}, {1.0, 8.0}, 3.208529, 3.627748},
      {"{.99: .6, .8: .25, .2: .15}, 12:1", {0.99, 0.8, 0.2}, {0.6, 0.25, 0.15}, {1.0, 12.0}, 3.691840, 4.246504},
      {"{.9: .6, .45: .4}, 6:1", {0.9, 0.45}, {0.6, 0.4}, {1.0, 6.0}, 3.300772, 3.446100},
      {"constant .8, 10:1", {0.8}, {1.0}, {1.0, 10.0}, 4.049173, 4.049173},
      {"{.2: .5, .05: .5}, 1.2:1", {0.2, 0.05}, {0.5, 0.5}, {1.0, 1.2}, 1.2, 1.2},
  };
  std::printf(
      "1. Independent token difficulties: time per token in draft steps. Claim: continuing while P(all accepted) > t_d / (g m) is the\n"
      "   optimum, beats every fixed length K, and reduces to the best K when difficulty is constant.\n\n");
  std::printf("%-34s %9s %9s %9s %18s %18s %9s %6s %8s\n", "levels {a: share}, t_t:t_d", "known", "solver", "h*", "simulated",
              "learnt online", "best K", "K", "gain");
  bool ok = true;
  double microseconds = 0.0;
  for (const difficulty_model& model : models) {
    out.progress.show(model.name);
    const auto before = std::chrono::steady_clock::now();
    const draft_length_optimum_result optimum = optimal_draft_length(model.acceptance, model.probs, model.cost);
    microseconds = std::max(microseconds, std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - before).count());
    const draft_length_simulation_options options{.tokens = 4 * run.tokens, .seed = run.seed, .cost = model.cost};
    lookahead_rule best(optimum);
    online_rule online({.cost = model.cost, .max_length = 40});
    fixed_length_rule fixed(optimum.best_fixed.length);
    const auto results = compare_length_rules(independent_levels(model.acceptance, model.probs), options, best, online, fixed);
    ok = ok && std::abs(optimum.time_per_token - model.known_optimum) < 1e-6 &&
         std::abs(optimum.best_fixed.time_per_token - model.known_fixed) < 1e-6 &&
         std::abs(results[0].time_per_token.value - optimum.time_per_token) <= 5.0 * results[0].time_per_token.standard_error + 1e-12;
    out.progress.show("");
    std::printf("%-34s %9.4f %9.4f %9.3f %9.4f +- %.4f %9.4f +- %.4f %9.4f %6zu %7.1f%%\n", model.name, model.known_optimum,
                optimum.time_per_token, optimum.rejection_threshold, results[0].time_per_token.value,
                results[0].time_per_token.standard_error, results[1].time_per_token.value, results[1].time_per_token.standard_error,
                optimum.best_fixed.time_per_token, optimum.best_fixed.length, 100.0 * optimum.gain_over_best_fixed);
    out.add("independent", std::string("optimum ") + model.name, results[0], optimum.time_per_token, 1.0);
    out.add("independent", std::string("online ") + model.name, results[1], optimum.time_per_token, 1.0);
    out.add("independent", std::string("best fixed ") + model.name, results[2], optimum.best_fixed.time_per_token, 1.0);
  }
  std::printf("\n   Slowest solve: %.0f microseconds. %s\n\n", microseconds,
              ok ? "Solver and simulation agree with the known values." : "DISAGREEMENT with the known values.");
  return ok;
}

// ---------------------------------------------------------------------------------------------------------------------------------------
// Part 2: a target and a draft model that agree well after some tokens and badly after others.

class bigram_pair {
 public:
  bigram_pair(std::size_t vocabulary, std::uint64_t seed)
      : vocabulary_(vocabulary), p_(vocabulary * vocabulary), q_(vocabulary * vocabulary) {
    gavel::philox4x32 rng(seed, 1000);
    std::vector<double> target(vocabulary);
    std::vector<double> draft(vocabulary);
    for (std::size_t context = 0; context < vocabulary; ++context) {
      const double noise = gavel::bernoulli(rng, 0.7) ? 0.2 : 2.5;
      for (std::size_t x = 0; x < vocabulary; ++x) {
        target[x] = 2.0 * gavel::normal(rng);
        draft[x] = target[x] + noise * gavel::normal(rng);
      }
      gavel::kernels::softmax(target.data(), vocabulary, p_.data() + context * vocabulary);
      gavel::kernels::softmax(draft.data(), vocabulary, q_.data() + context * vocabulary);
    }
  }
  [[nodiscard]] std::size_t vocabulary() const { return vocabulary_; }
  [[nodiscard]] std::span<const double> p(std::size_t context) const { return {p_.data() + context * vocabulary_, vocabulary_}; }
  [[nodiscard]] std::span<const double> q(std::size_t context) const { return {q_.data() + context * vocabulary_, vocabulary_}; }

 private:
  std::size_t vocabulary_;
  std::vector<double> p_, q_;
};

// What the head sees: largest probability and entropy of the draft distribution, and the last token.
void write_features(std::size_t last, std::span<const double> q, std::span<double> features) {
  const draft_observation seen = observe_draft(q);
  std::fill(features.begin(), features.end(), 0.0);
  features[0] = seen.top_prob;
  features[1] = seen.entropy / std::log(static_cast<double>(q.size()));
  features[2 + last] = 1.0;
}

// Trains on a continuation by the target, draft samples beside it and soft labels; token mixing says which positions count.
acceptance_head<double> train_head(const bigram_pair& pair, std::uint64_t seed, acceptance_head_training_result& trained) {
  const std::size_t vocabulary = pair.vocabulary();
  const std::size_t width = vocabulary + 2;
  constexpr std::size_t n = 12'000;
  gavel::philox4x32 rng(seed, 2000);
  std::vector<double> states(n * width);
  std::vector<double> labels(n);
  std::vector<token_id> target_tokens(n), draft_tokens(n), mixed(n);
  std::vector<std::uint8_t> is_draft(n);
  std::size_t last = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const auto q = pair.q(last);
    const std::size_t drafted = gavel::kernels::sample(q.data(), vocabulary, gavel::uniform(rng));
    labels[i] = soft_label(pair.p(last)[drafted], q[drafted]);
    write_features(last, q, std::span(states).subspan(i * width, width));
    draft_tokens[i] = static_cast<token_id>(drafted);
    last = gavel::kernels::sample(pair.p(last).data(), vocabulary, gavel::uniform(rng));
    target_tokens[i] = static_cast<token_id>(last);
  }
  mix_tokens(target_tokens, draft_tokens, rng, mixed, is_draft);
  acceptance_head<double> head({.hidden = width, .layers = 1});
  head.initialize(rng);
  trained = train_acceptance_head<double>(head, gavel::matrix_view<const double>(states.data(), n, width), labels, rng,
                                          {.optimizer = {.learning_rate = 3e-3}, .epochs = 8, .batch_size = 64}, is_draft);
  return head;
}

double p_value_of_text(std::span<const token_id> text, const bigram_pair& pair) {
  const std::size_t vocabulary = pair.vocabulary();
  std::vector<std::uint64_t> counts(vocabulary * vocabulary);
  for (std::size_t i = 1; i < text.size(); ++i) ++counts[text[i - 1] * vocabulary + text[i]];
  double statistic = 0.0;
  double freedom = 0.0;
  for (std::size_t context = 0; context < vocabulary; ++context) {
    const gavel::goodness_of_fit_result fit =
        gavel::chi_square_test(std::span(counts).subspan(context * vocabulary, vocabulary), pair.p(context));
    statistic += fit.statistic;
    freedom += static_cast<double>(fit.degrees_of_freedom);
  }
  return gavel::chi_square_survival(statistic, freedom);
}

class decoder {
 public:
  decoder(const bigram_pair& pair, const acceptance_head<double>& head, const speculation_cost& cost) : pair_(pair), cost_(cost) {
    // The draft model is a table here, so the head's answer per context is one too.
    std::vector<double> features(pair.vocabulary() + 2);
    std::vector<double> scratch(head.scratch_size());
    for (std::size_t context = 0; context < pair.vocabulary(); ++context) {
      write_features(context, pair.q(context), features);
      score_.push_back(head.predict(features, scratch).acceptance());
    }
  }

  struct outcome {
    draft_length_simulation_result result;
    double p_value = 1.0;
  };
  // `unbiased`: undo the bias of the rejection weight before the rule sees a prediction.
  template <length_rule R>
  [[nodiscard]] outcome decode(R rule, std::size_t tokens, std::uint64_t seed, bool unbiased = false) const {
    const auto rows = [this](std::span<const token_id> text, std::span<double> p, std::span<double> q) {
      std::copy_n(pair_.p(text.back()).data(), p.size(), p.data());
      std::copy_n(pair_.q(text.back()).data(), q.size(), q.data());
    };
    const auto predict = [this, unbiased](std::span<const token_id> text, std::span<const double>, token_id) {
      const double score = score_[text.back()];
      return unbiased ? unbiased_acceptance(score, acceptance_loss_options{}.rejection_weight) : score;
    };
    row_source source(pair_.vocabulary(), std::vector<token_id>{0}, rows, predict);
    outcome done;
    done.result = simulate_length_rule(source, rule, {.tokens = tokens, .seed = seed, .cost = cost_, .max_length = 40});
    done.p_value = p_value_of_text(source.text(), pair_);
    return done;
  }

 private:
  const bigram_pair& pair_;
  speculation_cost cost_;
  std::vector<double> score_;
};

// The setting with the least time per token on a shorter run with other random numbers.
template <class Make>
double tune(const decoder& models, std::size_t tokens, std::uint64_t seed, const std::vector<double>& candidates, Make make) {
  double best = candidates.front();
  double least = std::numeric_limits<double>::infinity();
  for (const double candidate : candidates) {
    const double time = models.decode(make(candidate), tokens, seed).result.time_per_token.value;
    if (time < least) {
      least = time;
      best = candidate;
    }
  }
  return best;
}

bool end_to_end_part(const settings& run, report& out) {
  const bigram_pair pair(run.vocabulary, run.seed);
  out.progress.show("training the acceptance head");
  acceptance_head_training_result trained;
  const acceptance_head<double> head = train_head(pair, run.seed, trained);
  out.progress.show("");
  std::printf(
      "2. End to end: bigram target and draft, %zu tokens, t_t:t_d = %g:%g. Draft = target logits plus noise, little after 70%% of the\n"
      "   tokens and much after the others. Head: loss %.4f -> %.4f in %zu steps (w = 6).\n",
      run.vocabulary, run.cost.target_time, run.cost.draft_time, trained.initial_loss, trained.final_loss, trained.steps);
  if (!run.cost.speculation_can_pay())
    std::printf("   A draft step takes as long as a target call: speculation cannot pay, whatever the rule.\n");
  std::printf(
      "   Claim: adaptive lengths need less time per token than the best fixed K, and the text keeps the target's law.\n"
      "   Published (7B drafting for 70B): 7.2%% (Alpaca), 9.4%% (GSM8K), 11.1%% (HumanEval) over the best fixed K.\n\n");

  const decoder models(pair, head, run.cost);
  const std::size_t short_run = std::max<std::size_t>(run.tokens / 3, 1640);
  out.progress.show("tuning");
  const std::uint64_t tuning_seed = run.seed + 77;
  const auto fixed_of = [](double k) { return fixed_length_rule(static_cast<std::size_t>(k)); };
  const auto confidence_of = [](double threshold) { return confidence_rule({.threshold = threshold}); };
  const auto entropy_of = [](double threshold) { return entropy_rule({.threshold = threshold}); };
  const auto threshold_of = [](double threshold) { return threshold_rule({.threshold = threshold, .min_length = 1, .lag = 0}); };
  const double k = tune(models, short_run, tuning_seed, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14}, fixed_of);
  const double confidence = tune(models, short_run, tuning_seed, {0.1, 0.2, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6}, confidence_of);
  const double entropy = tune(models, short_run, tuning_seed, {0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6}, entropy_of);
  const double threshold = tune(models, short_run, tuning_seed, {0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99}, threshold_of);

  // The independent-difficulty optimum for the overlaps that the target's text meets, in eight levels of equal weight.
  std::vector<double> overlaps;
  gavel::philox4x32 rng(run.seed, 3000);
  for (std::size_t i = 0, last = 0; i < 8192; ++i) {
    overlaps.push_back(std::min(1.0, gavel::kernels::overlap(pair.p(last).data(), pair.q(last).data(), run.vocabulary)));
    last = gavel::kernels::sample(pair.p(last).data(), run.vocabulary, gavel::uniform(rng));
  }
  std::sort(overlaps.begin(), overlaps.end());
  std::vector<double> levels(8);
  for (std::size_t i = 0; i < overlaps.size(); ++i) levels[i / 1024] += overlaps[i] / 1024.0;
  const draft_length_optimum_result optimum = optimal_draft_length(levels, std::vector<double>(8, 0.125), run.cost, {.max_length = 40});

  struct row {
    std::string name;
    decoder::outcome outcome;
  };
  char label[96];
  std::vector<row> rows;
  const auto add = [&](const char* name, const auto& rule, bool unbiased = false) {
    out.progress.show(name);
    rows.push_back({name, models.decode(rule, run.tokens, run.seed, unbiased)});
  };
  std::snprintf(label, sizeof label, "fixed K = %g (best)", k);
  add(label, fixed_of(k));
  add("fixed K = 5", fixed_length_rule(5));
  add("no speculation", fixed_length_rule(0));
  add("heuristic 5 / +2 / -1", heuristic_rule());
  std::snprintf(label, sizeof label, "confidence < %g (tuned)", confidence);
  add(label, confidence_of(confidence));
  add("confidence < 0.4", confidence_rule());
  std::snprintf(label, sizeof label, "entropy bound < %g (tuned)", entropy);
  add(label, entropy_of(entropy));
  std::snprintf(label, sizeof label, "head, threshold %g (tuned)", threshold);
  add(label, threshold_of(threshold));
  std::snprintf(label, sizeof label, "head unbiased, look-ahead h* = %.3f", optimum.rejection_threshold);
  add(label, lookahead_rule(optimum, 40), true);
  add("online, no head", online_rule({.cost = run.cost, .max_length = 40}));
  out.progress.show("");

  std::printf("%-38s %20s %22s %9s %9s %9s\n", "rule", "time per token", "below best fixed K", "discard", "verify", "law p");
  bool ok = true;
  const draft_length_simulation_result& fixed = rows.front().outcome.result;
  for (const row& r : rows) {
    const draft_length_simulation_result& result = r.outcome.result;
    const estimate difference = paired_difference(fixed, result);
    const double base = fixed.time_per_token.value;
    std::printf("%-38s %11.4f +- %.4f %11.2f%% +- %.2f%% %9.4f %9.4f %9.3g\n", r.name.c_str(), result.time_per_token.value,
                result.time_per_token.standard_error, 100.0 * difference.value / base, 100.0 * difference.standard_error / base,
                result.discard_rate.value, result.verification_rate.value, r.outcome.p_value);
    out.add("bigram", r.name, result, 0.0, r.outcome.p_value);
    out.add_bar(r.name, result.time_per_token.value);
    ok = ok && r.outcome.p_value > 1e-6;
  }
  std::printf("\n   %s\n", ok ? "Every text follows the target's law (chi-square over all contexts, p > 1e-6)."
                              : "A text DEPARTS from the target's law.");
  return ok;
}

// A bar for each rule.
std::string figure(const settings& run, const report& out) {
  examples::gnuplot_data data;
  const std::string bars = data.add(out.bars);
  return examples::figure_head(run.svg, 830, 90 + 30 * out.n_bars, 13) + data.text() +
         "set border 1\nset tics nomirror out\nset key off\nset style fill solid 0.9 noborder\nset xrange [0:*]\nset rmargin 6\n"
         "set xlabel 'time per token, in draft steps'\nset yrange [" +
         std::to_string(out.n_bars) + "-0.5:-0.6]\nset ytics scale 0 noenhanced (" + out.names + ")\n" + out.values + "plot " + bars +
         " using (0):1:(0):2:($1-0.35):($1+0.35) with boxxyerror lc rgb '#0072b2'\n";
}

}  // namespace

int main(int argc, char** argv) {
  settings run;
  CLI::App app{"Compares rules that decide how many tokens a draft model proposes before the target model checks them.",
               "choose_draft_length"};
  app.add_option("--tokens", run.tokens, "tokens to decode per rule")->check(CLI::Range(20'000, 10'000'000))->capture_default_str();
  app.add_option("--vocabulary", run.vocabulary, "tokens of the bigram pair")->check(CLI::Range(2, 1024))->capture_default_str();
  app.add_option("--draft-time", run.cost.draft_time, "time of a draft step")->check(CLI::Range(1e-6, 1e6))->capture_default_str();
  app.add_option("--target-time", run.cost.target_time, "time of a target call")->check(CLI::Range(1e-6, 1e6))->capture_default_str();
  app.add_option("--seed", run.seed, "random seed")->capture_default_str();
  app.add_option("--csv", run.csv, "the results as CSV (default: not written)")->type_name("FILE");
  app.add_option("--svg", run.svg, "figure: time per token under each rule, by gnuplot (default: not drawn)")->type_name("FILE");
  return examples::run_main(app, argc, argv, [&] {
    report out;
    const bool independent = independent_part(run, out);
    const bool end_to_end = end_to_end_part(run, out);
    if (!run.csv.empty()) {
      examples::write_text(run.csv, out.csv.text());
      std::printf("   Wrote %s.\n", run.csv.c_str());
    }
    if (!run.svg.empty()) examples::draw_or_note(run.svg, figure(run, out));
    if (!independent || !end_to_end) throw examples::check_error("a result contradicts the theory");
  });
}
