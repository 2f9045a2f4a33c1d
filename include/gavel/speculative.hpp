// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Speculative decoding, exact: which drafted tokens to keep so that the output is distributed as if the target model had sampled it. Draft
/// laws, the provable optimum of their acceptance, verifiers for one position (up to the optimal ones), for paths and for trees, the call
/// an engine makes on logits, how long to draft, and which tree to draft. `acceptance_head.hpp`, which trains a small network, needs Eigen
/// and is included by itself.

#include <gavel/speculative/acceptance_loss.hpp>
#include <gavel/speculative/block_verification.hpp>
#include <gavel/speculative/chain.hpp>
#include <gavel/speculative/draft_length.hpp>
#include <gavel/speculative/draft_length_online.hpp>
#include <gavel/speculative/draft_length_optimum.hpp>
#include <gavel/speculative/draft_length_simulation.hpp>
#include <gavel/speculative/draft_sampler.hpp>
#include <gavel/speculative/greedy_drafts.hpp>
#include <gavel/speculative/hub_pair.hpp>
#include <gavel/speculative/k_sequence.hpp>
#include <gavel/speculative/optimal_acceptance.hpp>
#include <gavel/speculative/optimal_iid.hpp>
#include <gavel/speculative/optimal_without_replacement.hpp>
#include <gavel/speculative/recursive_rejection.hpp>
#include <gavel/speculative/reduced_vocabulary.hpp>
#include <gavel/speculative/sampling.hpp>
#include <gavel/speculative/selection.hpp>
#include <gavel/speculative/single_draft.hpp>
#include <gavel/speculative/target_only.hpp>
#include <gavel/speculative/traversal_verification.hpp>
#include <gavel/speculative/tree.hpp>
#include <gavel/speculative/tree_expansion.hpp>
#include <gavel/speculative/tree_shape.hpp>
#include <gavel/speculative/tree_walk.hpp>
#include <gavel/speculative/verifier.hpp>
#include <gavel/speculative/verifier_fit.hpp>
