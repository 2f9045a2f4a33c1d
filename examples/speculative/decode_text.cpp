// SPDX-License-Identifier: MIT
// test-arguments: --positions 6 --verdicts 5 --tokens 60 --csv demo.csv --svg demo.svg --json demo.json
//
// How many drafted tokens does each verifier accept on real text, how far is that from the best possible, and is the output still exactly
// the target's? Two n-gram models trained in memory on text files, or the exported logits of any two language models.

#include "speculative/support/compare_verifiers.hpp"
#include "speculative/support/decode.hpp"
#include "speculative/support/distinct_drafts.hpp"
#include "speculative/support/inputs.hpp"
#include "speculative/support/position_rates.hpp"
#include "speculative/support/report.hpp"
#include "support/corpus.hpp"
#include "support/gnuplot.hpp"
#include "support/output.hpp"
#include "support/run_main.hpp"

#include <gavel/core/version.hpp>
#include <gavel/speculative/greedy_drafts.hpp>
#include <gavel/speculative/hub_pair.hpp>
#include <gavel/speculative/k_sequence.hpp>
#include <gavel/speculative/optimal_iid.hpp>
#include <gavel/speculative/optimal_without_replacement.hpp>
#include <gavel/speculative/recursive_rejection.hpp>
#include <gavel/speculative/sampling.hpp>
#include <gavel/speculative/single_draft.hpp>
#include <gavel/speculative/target_only.hpp>
#include <gavel/speculative/tree_walk.hpp>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

namespace {

namespace speculative = gavel::speculative;
using examples::distinct_rates_memory;
using examples::draft_law;
using examples::input;
using examples::law_difference;
using examples::optimum_memory;
using examples::progress_line;
using examples::table_row;
using examples::token_id;

constexpr const char* help_text =
    "Measures speculative-decoding verifiers on real text.\n\n"
    "Input: two n-gram models (interpolated Kneser-Ney) trained on text files, by default examples/data/sources.txt, a copy\n"
    "of some of this project's headers that never changes, and compared on text held out from training; or, with\n"
    "--target-logits and --draft-logits, the logits that two language models gave after the same prefixes (.npy,\n"
    "[positions, vocabulary], float16, float32 or float64, -inf allowed for masked tokens).\n\n"
    "Columns: accepted = measured share of positions whose token was one of the n drafts (when decoding: accepted drafts\n"
    "over the depth); exact = the same from the closed form, or (~) where there is none the mean acceptance given the\n"
    "drafts before the last, which are drawn; optimum = the best any exact verifier can do with such drafts; gap =\n"
    "optimum - exact; tokens/call = tokens emitted per call of the target model; us/token = microseconds of processor time\n"
    "that verification takes per token, models and draft sampling not counted.\n\n"
    "p-value: is the output law the target's? With the tokens of a position ordered by draft over target probability, an\n"
    "output y of target law p becomes u = (mass of the tokens before y) + v p_y, v uniform. If the verifier is exact, u is\n"
    "uniform on [0, 1) at every position, whatever the position's law, and successive ones are independent;\n"
    "a G-test over 20 equal cells judges the u of all positions together. The control at the end of the table emits its first draft\n"
    "unverified, to show what the test says about a wrong law.";

struct arguments {
  examples::input_options input;
  std::size_t max_drafts = 8;
  std::size_t verdicts = 20;
  std::size_t tokens = 2500;
  std::uint64_t seed = 1;
  bool json_to_stdout = false;
  std::string json;
  std::string csv;
  std::string svg;
};

struct measurements {
  std::vector<table_row> rows;
  std::vector<law_difference> differences;
};

/// What would happen if nobody verified: shows that the p-value can fail.
struct unverified {
  using scalar = double;
  static constexpr draft_law law = draft_law::iid;
  void prepare(std::span<const double>, std::span<const double>, std::size_t) {}
  template <class G>
  speculative::verdict verify(std::span<const token_id> drafts, G&) const {
    return {drafts[0], 0};
  }
  void conditional_law(std::span<const token_id>, std::span<double> acceptance, std::span<double> residual) const {
    std::fill(acceptance.begin(), acceptance.end(), 0.0);
    std::fill(residual.begin(), residual.end(), 0.0);
    acceptance[0] = 1.0;
  }
  [[nodiscard]] static std::size_t max_uniforms() { return 0; }
};

constexpr std::size_t short_draft_tokens = 32;

const std::string independent = "independent";
const std::string distinct = "without replacement";
const std::string distinct_short = "without replacement, top 32";
const std::string most_likely_then_one = "n-1 most likely, then one";
const std::string most_likely = "n most likely";
const std::string pairs = "SpecHub pairs";

[[nodiscard]] std::vector<examples::comparison> all_comparisons(const arguments& args, optimum_memory& memory,
                                                                distinct_rates_memory& distinct_rates) {
  using namespace gavel::speculative;
  std::vector<examples::comparison> all;
  examples::comparison_options options;
  options.verdicts = args.verdicts;
  options.seed = args.seed;
  const auto add = [&](auto verifier, const std::string& law, const char* name, std::size_t n, const examples::comparison_options& how,
                       const examples::rate_function& rate = {}) {
    constexpr draft_law kind = decltype(verifier)::law;
    examples::rate_function optimum = [&memory](std::span<const double> p, std::span<const double> q, std::size_t drafts) {
      return memory(kind, p, q, drafts);
    };
    if constexpr (std::is_same_v<decltype(verifier), unverified>) optimum = nullptr;  // a wrong verifier has no best
    all.push_back(examples::compare(law, name, n, all.size(), how, optimum, rate, verifier));
  };
  const auto each_n = [&](auto verifier, const std::string& law, const char* name, const examples::comparison_options& how,
                          const examples::rate_function& rate = {}) {
    for (std::size_t n = 1; n <= args.max_drafts; ++n) add(verifier, law, name, n, how, rate);
  };
  const examples::rate_function distinct_recursive = [&](std::span<const double> p, std::span<const double> q, std::size_t n) {
    return distinct_rates.recursive_rejection(p, q, n);
  };
  const examples::rate_function distinct_target_only = [&](std::span<const double> p, std::span<const double> q, std::size_t n) {
    return distinct_rates.target_only(p, q, n);
  };
  add(single_draft<double>{}, independent, "single draft", 1, options);
  each_n(target_only<double, draft_law::iid>{}, independent, "target only", options);
  each_n(recursive_rejection<double, draft_law::iid>{}, independent, "recursive rejection", options);
  each_n(k_sequence<double>{}, independent, "K-SEQ", options);
  each_n(optimal_iid<double>{}, independent, "optimal", options);
  each_n(target_only<double, draft_law::without_replacement>{}, distinct, "target only", options, distinct_target_only);
  each_n(recursive_rejection<double, draft_law::without_replacement>{}, distinct, "recursive rejection", options, distinct_recursive);
  examples::comparison_options cut = options;
  cut.short_draft = true;
  each_n(recursive_rejection<double, draft_law::without_replacement>{}, distinct_short, "recursive rejection", cut, distinct_recursive);
  each_n(optimal_without_replacement<double>{}, distinct_short, "optimal", cut);
  each_n(target_only<double, draft_law::greedy>{}, most_likely_then_one, "target only", options);
  each_n(greedy_drafts<double>{}, most_likely_then_one, "greedy", options);
  each_n(target_only<double, draft_law::top_n>{}, most_likely, "target only", options);
  if (args.max_drafts >= 2) {
    add(target_only<double, draft_law::hub_pair>{}, pairs, "target only", 2, options);
    add(hub_pair<double>{}, pairs, "SpecHub", 2, options);
  }
  add(unverified{}, independent, "none (control)", 1, options);
  return all;
}

[[nodiscard]] measurements compare_all(const input& source, const arguments& args, progress_line& progress) {
  optimum_memory memory;
  distinct_rates_memory distinct_rates(args.max_drafts, args.seed);
  std::vector<examples::comparison> all = all_comparisons(args, memory, distinct_rates);
  measurements result;
  for (const std::size_t n : {std::size_t{2}, std::size_t{4}, std::size_t{8}}) {
    if (n > args.max_drafts) continue;
    result.differences.push_back({"without replacement", draft_law::without_replacement, "independent", draft_law::iid, n});
    result.differences.push_back({"greedy", draft_law::greedy, "without replacement", draft_law::without_replacement, n});
  }
  const std::size_t vocabulary = source.models.vocabulary;
  std::vector<double> p(vocabulary);
  std::vector<double> q(vocabulary);
  std::vector<double> cut(vocabulary);
  speculative::sampling_options top;
  top.top_k = short_draft_tokens;
  std::vector<double> logits(vocabulary);
  for (std::size_t i = 0; i < source.contexts.size(); ++i) {
    progress.show("comparing verifiers: position " + std::to_string(i + 1) + " of " + std::to_string(source.contexts.size()));
    source.models.predict(source.contexts[i], p, q);
    for (std::size_t x = 0; x < vocabulary; ++x) logits[x] = std::log(q[x]);
    speculative::probs_from_logits(logits, std::span<double>(cut), top);
    memory.next_position();
    distinct_rates.next_position();
    for (examples::comparison& one : all) one.measure({p, q, cut});
    for (law_difference& one : result.differences) one.add(p, q, memory);
  }
  for (const examples::comparison& one : all) {
    if (one.positions() > 0) result.rows.push_back(one.finish());
  }
  result.rows.back().kind = "control";
  std::erase_if(result.differences, [](const law_difference& one) { return one.positions == 0; });
  return result;
}

[[nodiscard]] std::vector<table_row> decode_all(const input& source, const arguments& args, progress_line& progress) {
  using namespace gavel::speculative;
  examples::decoding_options options;
  options.tokens = args.tokens;
  options.seed = args.seed;
  const std::vector<std::size_t> path{1, 1, 1, 1};
  const std::vector<std::size_t> tree{3, 2, 1, 1};
  std::vector<table_row> rows;
  const auto add = [&](const char* shape, const char* name, const std::vector<std::size_t>& widths, draft_law law, auto&& verify) {
    progress.show(std::string("decoding: ") + shape + ", " + name);
    table_row names;
    names.law = shape;
    names.verifier = name;
    rows.push_back(examples::decode(source.models, names, widths, law, 1000 + rows.size(), options, verify));
  };
  const auto walk = [](auto verifier) {
    return [verifier](const examples::drafted_tree& drafted, auto& rng, std::span<token_id> tokens, std::span<node_index> nodes) mutable {
      return walk_tree(drafted.tree(), drafted.target_rows(), drafted.draft_rows(), verifier, rng, tokens, nodes);
    };
  };
  add("path of 4", "token by token", path, draft_law::iid, walk(single_draft<double>{}));
  add("path of 4", "block", path, draft_law::iid,
      [](const examples::drafted_tree& drafted, auto& rng, std::span<token_id> tokens, std::span<node_index> nodes) {
        const std::size_t length = drafted.tree().size() - 1;
        const auto verdict =
            verify_block(drafted.target_rows(), drafted.draft_rows().middle_rows(0, length), drafted.tree().tokens().subspan(1), rng);
        for (std::size_t i = 0; i < verdict.accepted_length; ++i) {
          nodes[i] = static_cast<node_index>(i + 1);
          tokens[i] = drafted.tree().token(i + 1);
        }
        return tree_verdict{verdict.accepted_length, verdict.next_token, static_cast<node_index>(verdict.accepted_length)};
      });
  add("tree 3-2-1-1, independent", "walk, recursive rejection", tree, draft_law::iid, walk(recursive_rejection<double, draft_law::iid>{}));
  add("tree 3-2-1-1, independent", "walk, optimal", tree, draft_law::iid, walk(optimal_iid<double>{}));
  add("tree 3-2-1-1, distinct", "walk, recursive rejection", tree, draft_law::without_replacement,
      walk(recursive_rejection<double, draft_law::without_replacement>{}));
  add("tree 3-2-1-1, distinct", "traversal", tree, draft_law::without_replacement,
      [verifier = traversal_verifier<double>(tree.size())](const examples::drafted_tree& drafted, auto& rng, std::span<token_id> tokens,
                                                           std::span<node_index> nodes) mutable {
        return verifier.verify(drafted.tree(), drafted.target_rows(), drafted.draft_rows(), rng, tokens, nodes);
      });
  add("tree 3-2-1-1, greedy", "walk, greedy", tree, draft_law::greedy, walk(greedy_drafts<double>{}));
  return rows;
}

/// The rows a reader wants to see; CSV and JSON have all.
[[nodiscard]] std::vector<table_row> printed(const std::vector<table_row>& rows) {
  std::vector<table_row> few;
  for (const table_row& row : rows) {
    if (row.kind != "position" || row.drafts == 1 || row.drafts == 2 || row.drafts == 4 || row.drafts == 8) few.push_back(row);
  }
  return few;
}

struct exactness {
  std::size_t tests = 0;
  double smallest = 1.0;
  [[nodiscard]] double chance() const { return -std::expm1(static_cast<double>(tests) * std::log1p(-smallest)); }
};

[[nodiscard]] exactness smallest_p_value(const std::vector<table_row>& rows) {
  exactness result;
  for (const table_row& row : rows) {
    if (row.kind == "control") continue;
    ++result.tests;
    result.smallest = (std::min)(result.smallest, row.p_value);
  }
  return result;
}

/// One line per pair of draft laws.
void print_differences(const std::vector<law_difference>& differences) {
  for (const law_difference& first : differences) {
    if (&first != &differences.front() && &first != &differences.front() + 1) break;
    std::printf("optimum, %s minus %s:\n ", first.better, first.than);
    std::size_t positions = 0, above = 0;
    double least = std::numeric_limits<double>::infinity();
    for (const law_difference& one : differences) {
      if (one.law != first.law) continue;
      std::printf(" %s%s at n = %zu,", one.mean() < 0.0 ? "" : "+", examples::cell_text(one.mean(), 4).c_str(), one.n);
      positions += one.positions;
      above += one.above;
      least = (std::min)(least, one.least);
    }
    std::printf(" > 0 in %zu of %zu, least %s\n", above, positions, examples::cell_text(least, 4).c_str());
  }
}

void print_table(const input& source, const arguments& args, const measurements& measured, double seconds) {
  const std::vector<table_row>& rows = measured.rows;
  const speculative::sampling_options& sampling = args.input.sampling;
  std::printf("%s\nsampling of both models: temperature %g, top-k %s, top-p %g, min-p %g\n%s per position and verifier, seed %llu\n\n",
              source.headline.c_str(), sampling.temperature, sampling.top_k == 0 ? "off" : std::to_string(sampling.top_k).c_str(),
              sampling.top_p, sampling.min_p, examples::counted(args.verdicts, "verdict").c_str(),
              static_cast<unsigned long long>(args.seed));
  examples::print_rows(printed(rows));
  std::printf("\n");
  print_differences(measured.differences);
  const exactness all = smallest_p_value(rows);
  std::printf(
      "p-value: the probability that an exact verifier strays at least that far from the target's law.\n"
      "Small ones occur: of %zu exact rows (n = 1..%zu) the smallest is %.2g, and so many have one as small\n"
      "with probability %.2g. Below 1e-6 the law is wrong, as in the control.\n"
      "measured shares have a standard error of up to %.4f; %.1f s\n",
      all.tests, args.max_drafts, all.smallest, all.chance(), 0.5 / std::sqrt(static_cast<double>(source.contexts.size() * args.verdicts)),
      seconds);
}

[[nodiscard]] nlohmann::json report(const input& source, const arguments& args, const measurements& measured, double seconds) {
  nlohmann::json result = {{"gavel", GAVEL_VERSION_STRING},
                           {"input", source.description},
                           {"sampling",
                            {{"temperature", args.input.sampling.temperature},
                             {"top_k", args.input.sampling.top_k},
                             {"top_p", args.input.sampling.top_p},
                             {"min_p", args.input.sampling.min_p}}},
                           {"positions", source.contexts.size()},
                           {"verdicts_per_position", args.verdicts},
                           {"seed", args.seed},
                           {"seconds", seconds},
                           {"rows", nlohmann::json::array()},
                           {"optimum_differences", nlohmann::json::array()}};
  for (const table_row& row : measured.rows) result["rows"].push_back(examples::to_json(row));
  for (const law_difference& one : measured.differences) {
    result["optimum_differences"].push_back({{"law", one.better},
                                             {"minus", one.than},
                                             {"n", one.n},
                                             {"mean", one.mean()},
                                             {"least", one.least},
                                             {"positions", one.positions},
                                             {"positions_above_zero", one.above}});
  }
  const exactness all = smallest_p_value(measured.rows);
  result["exactness"] = {{"tests", all.tests}, {"smallest_p_value", all.smallest}, {"probability_of_one_as_small", all.chance()}};
  return result;
}

void run(const arguments& args) {
  const auto start = std::chrono::steady_clock::now();
  const input source = args.input.target_logits.empty() ? examples::input_from_corpus(args.input) : examples::input_from_logits(args.input);
  measurements measured;
  std::vector<table_row>& rows = measured.rows;
  {
    progress_line progress;
    measured = compare_all(source, args, progress);
    const table_row control = rows.back();
    rows.pop_back();
    for (table_row& row : decode_all(source, args, progress)) rows.push_back(std::move(row));
    rows.push_back(control);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (args.json_to_stdout) {
    std::printf("%s\n", report(source, args, measured, seconds).dump(2).c_str());
  } else {
    print_table(source, args, measured, seconds);
  }
  if (!args.json.empty()) examples::write_text(args.json, report(source, args, measured, seconds).dump(2) + "\n");
  if (!args.csv.empty()) examples::write_text(args.csv, examples::to_csv(rows));
  if (!args.svg.empty()) {
    const examples::figure_line optimal{"optimal", "#0072b2"}, k_seq{"K-SEQ", "#e69f00"}, recursive{"recursive rejection", "#009e73"},
        target_only{"target only", "#cc79a7"}, greedy{"greedy", "#d55e00"};
    const std::vector<examples::figure_panel> panels{{independent, {optimal, k_seq, recursive, target_only}},
                                                     {distinct, {recursive, target_only}},
                                                     {distinct_short, {optimal, recursive}},
                                                     {most_likely_then_one, {greedy, target_only}}};
    examples::draw_or_note(args.svg, examples::figure_script(args.svg, rows, panels, "Acceptance against the number of drafts"));
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{help_text, "decode_text"};
  arguments args;
  std::string json_option;
  const std::string default_corpus = GAVEL_SOURCE_DIR "/examples/data/sources.txt";
  app.add_option("--corpus", args.input.corpus,
                 "text files, or directories: every text below them, whatever its ending, but hidden files and build folders")
      ->default_str(default_corpus);
  auto* const target = app.add_option("--target-logits", args.input.target_logits, "target model, .npy [positions, vocabulary]");
  auto* const draft = app.add_option("--draft-logits", args.input.draft_logits, "draft model, same shape");
  target->needs(draft);
  draft->needs(target);
  app.add_option("--temperature", args.input.sampling.temperature, "sampling temperature of both models; 0 takes the most probable token")
      ->check(CLI::Range(0.0, 1000.0))
      ->capture_default_str();
  app.add_option("--top-k", args.input.sampling.top_k, "keep the k most probable tokens of both models, 0 = all")->capture_default_str();
  app.add_option("--top-p", args.input.sampling.top_p, "keep the most probable tokens that hold this mass")
      ->check(CLI::Range(1e-9, 1.0))
      ->capture_default_str();
  app.add_option("--min-p", args.input.sampling.min_p, "keep tokens with this fraction of the largest probability")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--order", args.input.order, "n-gram order of the target")->check(CLI::Range(1, 9))->capture_default_str();
  app.add_option("--draft-order", args.input.draft_order, "n-gram order of the draft model")
      ->check(CLI::Range(1, 9))
      ->capture_default_str();
  app.add_option("--positions", args.input.positions, "positions compared, 0 = all")->capture_default_str();
  app.add_option("--drafts", args.max_drafts, "largest number of drafts per position")->check(CLI::Range(1, 8))->capture_default_str();
  app.add_option("--verdicts", args.verdicts, "drafts drawn and judged per position and verifier")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  app.add_option("--tokens", args.tokens, "tokens decoded with each path and tree verifier")
      ->check(CLI::Range(1, 100000000))
      ->capture_default_str();
  app.add_option("--seed", args.seed, "random seed; the same seed gives the same table")->capture_default_str();
  auto* const json = app.add_option("--json", json_option, "results as JSON: to FILE, or to standard output in place of the table")
                         ->type_name("[FILE]")
                         ->expected(0, 1);
  app.add_option("--csv", args.csv, "results as CSV, every number of drafts")->type_name("FILE");
  app.add_option("--svg", args.svg, "figure: acceptance against the number of drafts, by gnuplot")->type_name("FILE");
  return examples::run_main(app, argc, argv, [&] {
    if (!args.input.target_logits.empty() && !args.input.corpus.empty())
      throw CLI::ValidationError("--corpus", "cannot be combined with --target-logits");
    if (args.input.corpus.empty()) args.input.corpus.push_back(default_corpus);
    args.json_to_stdout = json->count() > 0 && json_option.empty();
    args.json = json_option;
    run(args);
  });
}
