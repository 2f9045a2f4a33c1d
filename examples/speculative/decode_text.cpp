// SPDX-License-Identifier: MIT
// test-arguments: --positions 6 --verdicts 5 --tokens 60 --csv demo.csv --svg demo.svg --json demo.json
//
// How many drafted tokens does each verifier accept on real text, how far is that from the best possible, and is the output still exactly
// the target's? Two n-gram models trained in memory on text files, or the exported logits of any two language models.

#include "speculative/support/compare_verifiers.hpp"
#include "speculative/support/corpus.hpp"
#include "speculative/support/decode.hpp"
#include "speculative/support/ngram_model.hpp"
#include "speculative/support/report.hpp"

#include <gavel/core/npy.hpp>
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

#include <CLI/CLI.hpp>

#include <unistd.h>  // isatty

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#ifndef GAVEL_SOURCE_DIR
#define GAVEL_SOURCE_DIR "."
#endif

namespace {

namespace speculative = gavel::speculative;
using examples::draft_law;
using examples::table_row;
using examples::token_id;

constexpr int exit_usage = 1;
constexpr int exit_input = 2;
constexpr int exit_output = 3;

constexpr const char* help_text =
    "Measures speculative-decoding verifiers on real text.\n\n"
    "Input: two n-gram models (interpolated Kneser-Ney) trained on text files, by default gavel's own sources and documents, and compared\n"
    "on text held out from training; or, with --target-logits and --draft-logits, the logits that two language models gave after the same\n"
    "prefixes (.npy, [positions, vocabulary], float16, float32 or float64, -inf allowed for masked tokens).\n\n"
    "Columns: accepted = measured share of positions whose token was one of the n drafts (when decoding: accepted drafts over the depth);\n"
    "exact = the same from the closed form, where there is one; optimum = the best any exact verifier can do with such drafts; gap =\n"
    "optimum - exact (~: minus the exact acceptance of the drafts that were drawn); tokens/call = tokens emitted per call of the target\n"
    "model; us/token = microseconds of processor time that verification takes per token, models and draft sampling not counted.\n\n"
    "p-value: is the output law the target's? With the tokens of a position ordered by draft over target probability, an output y of\n"
    "target law p becomes u = (mass of the tokens before y) + v p_y, v uniform. If the verifier is exact, u is uniform on [0, 1) at every\n"
    "position, whatever the position's law, and successive ones are independent; a G-test over 20 equal cells judges the u of all\n"
    "positions together. The control at the end of the table emits its first draft unverified, to show what the test says about a wrong\n"
    "law.\n\n"
    "Exit status: 0 success, 1 wrong usage, 2 bad input (the message names the file and the place), 3 output not written.";

struct arguments {
  std::vector<std::string> corpus;
  std::string target_logits;
  std::string draft_logits;
  speculative::sampling_options sampling;
  std::size_t order = 5;
  std::size_t draft_order = 2;
  std::size_t positions = 100;
  std::size_t max_drafts = 8;
  std::size_t verdicts = 20;
  std::size_t tokens = 2500;
  std::uint64_t seed = 1;
  bool json_to_stdout = false;
  std::string json;
  std::string csv;
  std::string svg;
};

/// One line on a terminal's stderr that is overwritten; nothing in a log file.
class progress_line {
 public:
  void show(const std::string& text) {
    if (!terminal_) return;
    std::fprintf(stderr, "\r\033[K%s", text.c_str());
    std::fflush(stderr);
  }
  ~progress_line() {
    if (terminal_) std::fprintf(stderr, "\r\033[K");
  }

 private:
  bool terminal_ = isatty(STDERR_FILENO) != 0;
};

/// The two models, the rows to compare verifiers on, and where they came from.
struct input {
  examples::model_pair models;
  std::vector<std::vector<token_id>> contexts;  // texts whose next token is a position of the comparison
  nlohmann::json description;
  std::string headline;
};

[[nodiscard]] input input_from_corpus(const arguments& args) {
  std::vector<std::string> paths = args.corpus;
  if (paths.empty()) paths.emplace_back(GAVEL_SOURCE_DIR);
  const examples::corpus text = examples::read_corpus(paths);
  const examples::corpus_split split = examples::split_corpus(text);
  const std::size_t vocabulary = text.vocabulary.size();

  struct models {
    examples::ngram_model target;
    examples::ngram_model draft;
  };
  const auto both =
      std::make_shared<const models>(models{{split.train, vocabulary, args.order}, {split.train, vocabulary, args.draft_order}});

  input result;
  result.models.vocabulary = vocabulary;
  const bool reshape = args.sampling != speculative::sampling_options{};
  result.models.predict = [both, reshape, options = args.sampling, logits = std::vector<double>(vocabulary)](
                              std::span<const token_id> history, std::span<double> target, std::span<double> draft) mutable {
    const auto fill = [&](const examples::ngram_model& model, std::span<double> probs) {
      model.predict(history, probs);
      if (!reshape) return;
      for (std::size_t i = 0; i < probs.size(); ++i) logits[i] = std::log(probs[i]);
      speculative::probs_from_logits(logits, probs, options);
    };
    fill(both->target, target);
    fill(both->draft, draft);
  };

  // Contexts spread evenly over the held-out text, each with at least as many tokens before it as the target looks back.
  std::vector<std::pair<std::size_t, std::size_t>> places;
  for (std::size_t block = 0; block < split.held_out.size(); ++block) {
    for (std::size_t at = args.order - 1; at < split.held_out[block].size(); ++at) places.emplace_back(block, at);
  }
  if (places.empty())
    throw examples::input_error("the corpus has " + std::to_string(text.token_count()) +
                                " tokens, too few to hold any out; at least 5000 are needed");
  const std::size_t count = args.positions == 0 ? places.size() : (std::min)(args.positions, places.size());
  for (std::size_t i = 0; i < count; ++i) {
    const auto [block, at] = places[i * places.size() / count];
    const auto& source = split.held_out[block];
    result.contexts.emplace_back(source.begin(), source.begin() + static_cast<std::ptrdiff_t>(at));
  }
  result.models.prefixes = result.contexts;

  const auto perplexity = [&](const examples::ngram_model& model) {
    std::vector<double> probs(vocabulary);
    double sum = 0.0;
    std::size_t scored = 0;
    for (std::size_t i = 0; i < places.size(); i += 1 + places.size() / 1000) {
      const auto& source = split.held_out[places[i].first];
      model.predict(std::span(source).first(places[i].second), probs);
      sum -= std::log(probs[source[places[i].second]]);
      ++scored;
    }
    return std::exp(sum / static_cast<double>(scored));
  };
  const double target_perplexity = perplexity(both->target);
  const double draft_perplexity = perplexity(both->draft);
  result.description = {
      {"kind", "corpus"},
      {"paths", paths},
      {"files", text.documents.size()},
      {"tokens", text.token_count()},
      {"vocabulary", vocabulary},
      {"held_out_positions", places.size()},
      {"target", {{"model", "interpolated modified Kneser-Ney"}, {"order", args.order}, {"perplexity", target_perplexity}}},
      {"draft", {{"model", "interpolated modified Kneser-Ney"}, {"order", args.draft_order}, {"perplexity", draft_perplexity}}}};
  char line[320];
  std::snprintf(
      line, sizeof line,
      "corpus: %zu files, %zu tokens, %zu distinct; target: Kneser-Ney order %zu (held-out perplexity %.1f), draft: order %zu (%.1f); "
      "%zu of %zu held-out positions",
      text.documents.size(), text.token_count(), vocabulary, args.order, target_perplexity, args.draft_order, draft_perplexity, count,
      places.size());
  result.headline = line;
  return result;
}

[[nodiscard]] gavel::npy_array read_logits(const std::string& path) {
  gavel::npy_array array = gavel::read_npy(path.c_str());
  if (array.header.dimensions != 2)
    throw examples::input_error(path + ": header field 'shape' has 1 dimension, must be [positions, vocabulary]");
  if (array.header.rows == 0 || array.header.cols < 2) {
    throw examples::input_error(path + ": header field 'shape' = (" + std::to_string(array.header.rows) + ", " +
                                std::to_string(array.header.cols) + "), must have >= 1 positions and >= 2 tokens");
  }
  gavel::check_npy_logits(array.view(), path.c_str());
  return array;
}

[[nodiscard]] input input_from_logits(const arguments& args) {
  struct files {
    gavel::npy_array target;
    gavel::npy_array draft;
  };
  const auto both = std::make_shared<const files>(files{read_logits(args.target_logits), read_logits(args.draft_logits)});
  const gavel::npy_header& t = both->target.header;
  const gavel::npy_header& d = both->draft.header;
  if (t.rows != d.rows || t.cols != d.cols) {
    throw examples::input_error(args.draft_logits + ": header field 'shape' = (" + std::to_string(d.rows) + ", " + std::to_string(d.cols) +
                                "), must be that of " + args.target_logits + ", (" + std::to_string(t.rows) + ", " +
                                std::to_string(t.cols) + ")");
  }
  input result;
  result.models.vocabulary = t.cols;
  // Files know positions, not texts: the law after a text is that of row (its length), round and round. Decoding then continues any row by
  // the next one, which is a legitimate pair of models, if not the one that wrote the files.
  result.models.predict = [both, options = args.sampling, logits = std::vector<double>(t.cols)](
                              std::span<const token_id> history, std::span<double> target, std::span<double> draft) mutable {
    const std::size_t row = history.size() % both->target.header.rows;
    both->target.view().read_row(row, std::span<double>(logits));
    speculative::probs_from_logits(logits, target, options);
    both->draft.view().read_row(row, std::span<double>(logits));
    speculative::probs_from_logits(logits, draft, options);
  };
  const std::size_t count = args.positions == 0 ? t.rows : (std::min)(args.positions, t.rows);
  for (std::size_t i = 0; i < count; ++i) result.contexts.emplace_back(i * t.rows / count, token_id{0});
  result.models.prefixes = result.contexts;
  result.description = {
      {"kind", "logits"}, {"target", args.target_logits}, {"draft", args.draft_logits}, {"positions", t.rows}, {"vocabulary", t.cols}};
  result.headline = "logits: " + args.target_logits + " and " + args.draft_logits + ", " + std::to_string(count) + " of " +
                    std::to_string(t.rows) + " positions, vocabulary " + std::to_string(t.cols);
  return result;
}

/// The best acceptance of each law at the present position; several verifiers share one.
class optimum_memory {
 public:
  void next_position() { known_.clear(); }
  double operator()(draft_law law, std::span<const double> p, std::span<const double> q, std::size_t n) {
    for (const entry& e : known_) {
      if (e.law == law && e.draft == q.data() && e.n == n) return e.value;
    }
    known_.push_back({law, q.data(), n, solver_.solve(p, q, law, n).acceptance_rate});
    return known_.back().value;
  }

 private:
  struct entry {
    draft_law law;
    const double* draft;
    std::size_t n;
    double value;
  };
  speculative::optimal_acceptance_solver solver_;
  std::vector<entry> known_;
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

[[nodiscard]] std::vector<examples::comparison> all_comparisons(const arguments& args, optimum_memory& memory) {
  using namespace gavel::speculative;
  std::vector<examples::comparison> all;
  examples::comparison_options options;
  options.verdicts = args.verdicts;
  options.seed = args.seed;
  const auto add = [&](auto verifier, const std::string& law, const char* name, std::size_t n, const examples::comparison_options& how) {
    constexpr draft_law kind = decltype(verifier)::law;
    all.push_back(examples::compare(
        law, name, n, all.size(), how,
        [&memory](std::span<const double> p, std::span<const double> q, std::size_t drafts) { return memory(kind, p, q, drafts); },
        verifier));
  };
  const auto each_n = [&](auto verifier, const std::string& law, const char* name, std::size_t largest,
                          const examples::comparison_options& how) {
    for (std::size_t n = 1; n <= (std::min)(largest, args.max_drafts); ++n) add(verifier, law, name, n, how);
  };
  add(single_draft<double>{}, independent, "single draft", 1, options);
  each_n(target_only<double, draft_law::iid>{}, independent, "target only", 8, options);
  each_n(recursive_rejection<double, draft_law::iid>{}, independent, "recursive rejection", 8, options);
  each_n(k_sequence<double>{}, independent, "K-SEQ", 8, options);
  each_n(optimal_iid<double>{}, independent, "optimal", 8, options);
  each_n(target_only<double, draft_law::without_replacement>{}, distinct, "target only", 8, options);
  each_n(recursive_rejection<double, draft_law::without_replacement>{}, distinct, "recursive rejection", 8, options);
  examples::comparison_options cut = options;
  cut.short_draft = true;
  each_n(recursive_rejection<double, draft_law::without_replacement>{}, distinct_short, "recursive rejection", 8, cut);
  each_n(optimal_without_replacement<double>{}, distinct_short, "optimal", 8, cut);
  each_n(greedy_drafts<double>{}, most_likely_then_one, "greedy", 8, options);
  each_n(target_only<double, draft_law::top_n>{}, most_likely, "target only", 8, options);
  if (args.max_drafts >= 2) add(hub_pair<double>{}, pairs, "SpecHub", 2, options);
  add(unverified{}, independent, "none (control)", 1, options);
  return all;
}

[[nodiscard]] std::vector<table_row> compare_all(const input& source, const arguments& args, progress_line& progress) {
  optimum_memory memory;
  std::vector<examples::comparison> all = all_comparisons(args, memory);
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
    for (examples::comparison& one : all) one.measure({p, q, cut});
  }
  std::vector<table_row> rows;
  for (const examples::comparison& one : all) {
    if (one.positions() > 0) rows.push_back(one.finish());
  }
  rows.back().kind = "control";
  return rows;
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

void print_table(const input& source, const arguments& args, const std::vector<table_row>& rows, double seconds) {
  const speculative::sampling_options& sampling = args.sampling;
  std::printf("%s\nsampling of both models: temperature %g, top-k %s, top-p %g, min-p %g; %zu verdicts per position, seed %llu\n\n",
              source.headline.c_str(), sampling.temperature, sampling.top_k == 0 ? "off" : std::to_string(sampling.top_k).c_str(),
              sampling.top_p, sampling.min_p, args.verdicts, static_cast<unsigned long long>(args.seed));
  examples::print_rows(printed(rows));
  const exactness all = smallest_p_value(rows);
  std::printf(
      "\n%zu rows tested against the target's law (n = 1..%zu): smallest p-value %.2g, which %zu exact verifiers show with probability "
      "%.2g\n"
      "measured shares have a standard error of up to %.4f; %.1f s\n",
      all.tests, args.max_drafts, all.smallest, all.tests, all.chance(),
      0.5 / std::sqrt(static_cast<double>(source.contexts.size() * args.verdicts)), seconds);
}

[[nodiscard]] nlohmann::json report(const input& source, const arguments& args, const std::vector<table_row>& rows, double seconds) {
  nlohmann::json result = {{"gavel", GAVEL_VERSION_STRING},
                           {"input", source.description},
                           {"sampling",
                            {{"temperature", args.sampling.temperature},
                             {"top_k", args.sampling.top_k},
                             {"top_p", args.sampling.top_p},
                             {"min_p", args.sampling.min_p}}},
                           {"positions", source.contexts.size()},
                           {"verdicts_per_position", args.verdicts},
                           {"seed", args.seed},
                           {"seconds", seconds},
                           {"rows", nlohmann::json::array()}};
  for (const table_row& row : rows) result["rows"].push_back(examples::to_json(row));
  const exactness all = smallest_p_value(rows);
  result["exactness"] = {{"tests", all.tests}, {"smallest_p_value", all.smallest}, {"probability_of_one_as_small", all.chance()}};
  return result;
}

void run(const arguments& args) {
  const auto start = std::chrono::steady_clock::now();
  const input source = args.target_logits.empty() ? input_from_corpus(args) : input_from_logits(args);
  std::vector<table_row> rows;
  {
    progress_line progress;
    rows = compare_all(source, args, progress);
    const table_row control = rows.back();
    rows.pop_back();
    for (table_row& row : decode_all(source, args, progress)) rows.push_back(std::move(row));
    rows.push_back(control);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (args.json_to_stdout) {
    std::printf("%s\n", report(source, args, rows, seconds).dump(2).c_str());
  } else {
    print_table(source, args, rows, seconds);
  }
  if (std::fflush(stdout) != 0) throw examples::output_error("standard output: cannot be written");
  if (!args.json.empty()) examples::write_text(args.json, report(source, args, rows, seconds).dump(2) + "\n");
  if (!args.csv.empty()) examples::write_text(args.csv, examples::to_csv(rows));
  if (!args.svg.empty()) {
    examples::write_text(args.svg, "");  // says "cannot be written" before gnuplot does it in its own words
    const examples::figure_line optimal{"optimal", "#0072b2"}, k_seq{"K-SEQ", "#e69f00"}, recursive{"recursive rejection", "#009e73"},
        target_only{"target only", "#cc79a7"}, greedy{"greedy", "#d55e00"};
    const std::vector<examples::figure_panel> panels{{independent, {optimal, k_seq, recursive, target_only}},
                                                     {distinct, {recursive, target_only}},
                                                     {distinct_short, {optimal, recursive}},
                                                     {most_likely_then_one, {greedy}}};
    if (!examples::draw_figure(args.svg, rows, panels, "Acceptance against the number of drafts")) {
      std::error_code ignored;
      std::filesystem::remove(args.svg, ignored);
      std::fprintf(stderr, "note: gnuplot not found, %s not drawn (Debian: apt-get install gnuplot-nox)\n", args.svg.c_str());
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{help_text, "decode_text"};
  arguments args;
  std::string json_option;
  app.add_option("--corpus", args.corpus, "text files, or directories whose sources and documents are read (default: gavel's own)");
  auto* const target = app.add_option("--target-logits", args.target_logits, "target model, .npy [positions, vocabulary]");
  auto* const draft = app.add_option("--draft-logits", args.draft_logits, "draft model, same shape");
  target->needs(draft);
  draft->needs(target);
  app.add_option("--temperature", args.sampling.temperature, "sampling temperature of both models; 0 takes the most probable token")
      ->check(CLI::Range(0.0, 1000.0))
      ->capture_default_str();
  app.add_option("--top-k", args.sampling.top_k, "keep the k most probable tokens of both models, 0 = all")->capture_default_str();
  app.add_option("--top-p", args.sampling.top_p, "keep the most probable tokens that hold this mass")
      ->check(CLI::Range(1e-9, 1.0))
      ->capture_default_str();
  app.add_option("--min-p", args.sampling.min_p, "keep tokens with this fraction of the largest probability")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--order", args.order, "n-gram order of the target")->check(CLI::Range(1, 9))->capture_default_str();
  app.add_option("--draft-order", args.draft_order, "n-gram order of the draft model")->check(CLI::Range(1, 9))->capture_default_str();
  app.add_option("--positions", args.positions, "positions compared, 0 = all")->capture_default_str();
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
  try {
    app.parse(argc, argv);
    if (!args.target_logits.empty() && !args.corpus.empty())
      throw CLI::ValidationError("--corpus", "cannot be combined with --target-logits");
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : exit_usage;
  }
  args.json_to_stdout = json->count() > 0 && json_option.empty();
  args.json = json_option;
  try {
    run(args);
  } catch (const examples::output_error& error) {
    std::fprintf(stderr, "decode_text: %s\n", error.what());
    return exit_output;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "decode_text: %s\n", error.what());
    return exit_input;
  }
  return 0;
}
