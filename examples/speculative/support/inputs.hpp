// SPDX-License-Identifier: MIT
#pragma once

#include "speculative/support/compare_verifiers.hpp"
#include "speculative/support/decode.hpp"
#include "speculative/support/ngram_model.hpp"
#include "support/corpus.hpp"
#include "support/output.hpp"

#include <gavel/core/npy.hpp>
#include <gavel/speculative/sampling.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// @file
/// Where two models come from: trained here on text, or read as the logits of models that ran elsewhere.

namespace examples {

struct input_options {
  std::vector<std::string> corpus;  ///< files and directories
  std::string target_logits;
  std::string draft_logits;
  gavel::speculative::sampling_options sampling;
  std::size_t order = 5;        ///< of the target, trained on the corpus
  std::size_t draft_order = 2;  ///< of the draft model
  std::size_t positions = 100;  ///< positions to compare verifiers on, 0 = all
};

/// The two models, the rows to compare verifiers on, and where they came from.
struct input {
  model_pair models;
  std::vector<std::vector<token_id>> contexts;  ///< texts whose next token is a position of the comparison
  nlohmann::json description;
  std::string headline;
};

/// Two n-gram models of one text; positions from the part that neither was trained on.
/// @throws input_error
[[nodiscard]] inline input input_from_corpus(const input_options& options) {
  const corpus text = read_corpus(options.corpus);
  const corpus_split split = split_corpus(text);
  const std::size_t vocabulary = text.vocabulary.size();

  struct models {
    ngram_model target;
    ngram_model draft;
  };
  const auto both =
      std::make_shared<const models>(models{{split.train, vocabulary, options.order}, {split.train, vocabulary, options.draft_order}});

  input result;
  result.models.vocabulary = vocabulary;
  const bool reshape = options.sampling != gavel::speculative::sampling_options{};
  result.models.predict = [both, reshape, sampling = options.sampling, logits = std::vector<double>(vocabulary)](
                              std::span<const token_id> history, std::span<double> target, std::span<double> draft) mutable {
    const auto fill = [&](const ngram_model& model, std::span<double> probs) {
      model.predict(history, probs);
      if (!reshape) return;
      for (std::size_t i = 0; i < probs.size(); ++i) logits[i] = std::log(probs[i]);
      gavel::speculative::probs_from_logits(logits, probs, sampling);
    };
    fill(both->target, target);
    fill(both->draft, draft);
  };

  // Contexts spread evenly over the held-out text, each with at least as many tokens before it as the target looks back.
  std::vector<std::pair<std::size_t, std::size_t>> places;
  for (std::size_t block = 0; block < split.held_out.size(); ++block) {
    for (std::size_t at = options.order - 1; at < split.held_out[block].size(); ++at) places.emplace_back(block, at);
  }
  if (places.empty())
    throw input_error("the corpus has " + std::to_string(text.token_count()) +
                      " tokens, too few to hold any out; at least 5000 are needed");
  const std::size_t count = options.positions == 0 ? places.size() : (std::min)(options.positions, places.size());
  for (std::size_t i = 0; i < count; ++i) {
    const auto [block, at] = places[i * places.size() / count];
    const auto& source = split.held_out[block];
    result.contexts.emplace_back(source.begin(), source.begin() + static_cast<std::ptrdiff_t>(at));
  }
  result.models.prefixes = result.contexts;

  const auto perplexity = [&](const ngram_model& model) {
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
      {"paths", options.corpus},
      {"files", text.documents.size()},
      {"tokens", text.token_count()},
      {"vocabulary", vocabulary},
      {"held_out_positions", places.size()},
      {"target", {{"model", "interpolated modified Kneser-Ney"}, {"order", options.order}, {"perplexity", target_perplexity}}},
      {"draft", {{"model", "interpolated modified Kneser-Ney"}, {"order", options.draft_order}, {"perplexity", draft_perplexity}}}};
  char line[320];
  std::snprintf(line, sizeof line,
                "corpus: %s, %zu tokens, %zu distinct; %zu of %zu held-out positions\n"
                "target: Kneser-Ney order %zu (held-out perplexity %.1f), draft: order %zu (%.1f)",
                counted(text.documents.size(), "file").c_str(), text.token_count(), vocabulary, count, places.size(), options.order,
                target_perplexity, options.draft_order, draft_perplexity);
  result.headline = line;
  return result;
}

[[nodiscard]] inline gavel::npy_array read_logits(const std::string& path) {
  gavel::npy_array array = gavel::read_npy(path.c_str());
  if (array.header.dimensions != 2) throw input_error(path + ": header field 'shape' has 1 dimension, must be [positions, vocabulary]");
  if (array.header.rows == 0 || array.header.cols < 2) {
    throw input_error(path + ": header field 'shape' = (" + std::to_string(array.header.rows) + ", " + std::to_string(array.header.cols) +
                      "), must have >= 1 positions and >= 2 tokens");
  }
  gavel::check_npy_logits(array.view(), path.c_str());
  return array;
}

/// The logits of two language models at the same positions.
/// @throws input_error, std::exception from reading the files
[[nodiscard]] inline input input_from_logits(const input_options& options) {
  struct files {
    gavel::npy_array target;
    gavel::npy_array draft;
  };
  const auto both = std::make_shared<const files>(files{read_logits(options.target_logits), read_logits(options.draft_logits)});
  const gavel::npy_header& t = both->target.header;
  const gavel::npy_header& d = both->draft.header;
  if (t.rows != d.rows || t.cols != d.cols) {
    throw input_error(options.draft_logits + ": header field 'shape' = (" + std::to_string(d.rows) + ", " + std::to_string(d.cols) +
                      "), must be that of " + options.target_logits + ", (" + std::to_string(t.rows) + ", " + std::to_string(t.cols) + ")");
  }
  input result;
  result.models.vocabulary = t.cols;
  // Files know positions, not texts: a text is continued by the row of its length, modulo the number of rows. So decoding goes from any
  // row to the next one, which is a legitimate pair of models, if not the one that wrote the files.
  result.models.predict = [both, sampling = options.sampling, logits = std::vector<double>(t.cols)](
                              std::span<const token_id> history, std::span<double> target, std::span<double> draft) mutable {
    const std::size_t row = history.size() % both->target.header.rows;
    both->target.view().read_row(row, std::span<double>(logits));
    gavel::speculative::probs_from_logits(logits, target, sampling);
    both->draft.view().read_row(row, std::span<double>(logits));
    gavel::speculative::probs_from_logits(logits, draft, sampling);
  };
  const std::size_t count = options.positions == 0 ? t.rows : (std::min)(options.positions, t.rows);
  for (std::size_t i = 0; i < count; ++i) result.contexts.emplace_back(i * t.rows / count, token_id{0});
  result.models.prefixes = result.contexts;
  result.description = {{"kind", "logits"},
                        {"target", options.target_logits},
                        {"draft", options.draft_logits},
                        {"positions", t.rows},
                        {"vocabulary", t.cols}};
  result.headline = "logits: " + options.target_logits + " and " + options.draft_logits + ", " + std::to_string(count) + " of " +
                    std::to_string(t.rows) + " positions, vocabulary " + std::to_string(t.cols);
  return result;
}

}  // namespace examples
