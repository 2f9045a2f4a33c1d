// SPDX-License-Identifier: MIT
#pragma once

#include "speculative/support/compare_verifiers.hpp"
#include "speculative/support/output_law.hpp"
#include "speculative/support/report.hpp"

#include <gavel/core/philox.hpp>
#include <gavel/core/uniform.hpp>
#include <gavel/core/views.hpp>
#include <gavel/speculative/block_verification.hpp>
#include <gavel/speculative/draft_sampler.hpp>
#include <gavel/speculative/traversal_verification.hpp>
#include <gavel/speculative/tree.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

/// @file
/// Decoding as an engine does it: draft a path or a tree from the draft model, let one target call judge it, emit, go on from there.

namespace examples {

/// Target and draft as one function, and texts to continue.
struct model_pair {
  std::size_t vocabulary = 0;
  /// What both say about the token after a text.
  std::function<void(std::span<const token_id> text, std::span<double> target, std::span<double> draft)> predict;
  std::vector<std::vector<token_id>> prefixes;
};

struct decoding_options {
  std::size_t tokens = 2000;  ///< emitted per method, over all prefixes
  std::size_t tokens_per_prefix = 50;
  std::uint64_t seed = 1;
};

/// A drafted tree with the rows of both models at each of its nodes, filled level by level.
class drafted_tree {
 public:
  explicit drafted_tree(std::size_t vocabulary) : vocabulary_(vocabulary) {}

  /// Drafts below the end of @p text: every node of depth d gets `widths[d]` children, drawn by @p law from its own draft row.
  template <class G>
  void draw(const model_pair& models, const std::vector<token_id>& text, std::span<const std::size_t> widths, draft_law law, G& rng) {
    tree_.clear(text.empty() ? 0 : text.back());
    std::vector<token_id> path;
    std::vector<token_id> children;
    for (std::size_t node = 0; node < tree_.size(); ++node) {
      path = text;
      const std::size_t first = path.size();
      for (std::size_t at = node; at != 0; at = tree_.parent(at))
        path.insert(path.begin() + static_cast<std::ptrdiff_t>(first), tree_.token(at));
      if (target_.size() < (node + 1) * vocabulary_) {
        target_.resize((node + 1) * vocabulary_);
        draft_.resize((node + 1) * vocabulary_);
      }
      const std::span<double> q = std::span<double>(draft_).subspan(node * vocabulary_, vocabulary_);
      models.predict(path, std::span<double>(target_).subspan(node * vocabulary_, vocabulary_), q);
      if (tree_.depth(node) == widths.size()) continue;
      children.resize((std::min)(widths[tree_.depth(node)], gavel::speculative::max_drafts(law, q)));
      sampler_.draw(law, q, std::span<token_id>(children), rng);
      for (const token_id token : children) tree_.add_node(node, token);
    }
  }

  [[nodiscard]] const gavel::speculative::draft_tree& tree() const noexcept { return tree_; }
  [[nodiscard]] gavel::matrix_view<const double> target_rows() const noexcept { return {target_.data(), tree_.size(), vocabulary_}; }
  [[nodiscard]] gavel::matrix_view<const double> draft_rows() const noexcept { return {draft_.data(), tree_.size(), vocabulary_}; }

 private:
  std::size_t vocabulary_;
  gavel::speculative::draft_tree tree_;
  gavel::speculative::draft_sampler<double> sampler_;
  std::vector<double> target_;
  std::vector<double> draft_;
};

/// Decodes with one method and measures it.
/// @param names   draft law and verifier for the table
/// @param widths  children per node of each depth; all ones is a path
/// @param law     how siblings are drawn
/// @param verify  called with (tree, rng, accepted tokens, accepted nodes), gives a `tree_verdict`
template <class Verify>
[[nodiscard]] table_row decode(const model_pair& models, table_row names, std::span<const std::size_t> widths, draft_law law,
                               std::uint64_t stream, const decoding_options& options, Verify&& verify) {
  gavel::philox4x32 rng(options.seed, 2 * stream);
  gavel::philox4x32 test_rng(options.seed, 2 * stream + 1);
  output_law_test test;
  drafted_tree drafted(models.vocabulary);
  std::vector<token_id> accepted(widths.size());
  std::vector<gavel::speculative::node_index> nodes(widths.size());
  double microseconds = 0.0;
  std::size_t emitted = 0;
  std::size_t accepted_drafts = 0;
  double accepted_squared = 0.0;
  names.kind = "decoding";
  for (std::size_t prefix = 0; names.samples < options.tokens; ++prefix) {
    std::vector<token_id> text = models.prefixes[prefix % models.prefixes.size()];
    const std::size_t end = text.size() + options.tokens_per_prefix;
    while (text.size() < end) {
      drafted.draw(models, text, widths, law, rng);
      const double start = processor_microseconds();
      const gavel::speculative::tree_verdict verdict =
          verify(drafted, rng, std::span<token_id>(accepted), std::span<gavel::speculative::node_index>(nodes));
      microseconds += processor_microseconds() - start;
      ++names.positions;
      emitted += verdict.accepted_length + 1;
      accepted_drafts += verdict.accepted_length;
      accepted_squared += static_cast<double>(verdict.accepted_length * verdict.accepted_length);
      std::size_t node = 0;
      for (std::size_t i = 0; i <= verdict.accepted_length; ++i) {
        const token_id token = i < verdict.accepted_length ? accepted[i] : verdict.next_token;
        // A fixed number of tokens per text is tested: how many a call emits depends on what they are.
        if (text.size() < end) {
          test.add(drafted.target_rows().row(node), drafted.draft_rows().row(node), token, gavel::uniform(test_rng));
          ++names.samples;
        }
        text.push_back(token);
        if (i < verdict.accepted_length) node = nodes[i];
      }
    }
  }
  const double calls = static_cast<double>(names.positions);
  const double depth = static_cast<double>(widths.size());
  const double mean_length = static_cast<double>(accepted_drafts) / calls;
  names.drafts = 0;
  std::size_t level = 1;
  for (const std::size_t width : widths) names.drafts += level *= width;
  names.acceptance = mean_length / depth;
  names.acceptance_error = std::sqrt((accepted_squared / calls - mean_length * mean_length) / calls) / depth;
  names.tokens_per_call = static_cast<double>(emitted) / calls;
  names.verify_us = microseconds / calls;
  names.us_per_token = microseconds / static_cast<double>(emitted);
  names.p_value = test.p_value();
  return names;
}

}  // namespace examples
