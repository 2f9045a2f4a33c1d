// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Loops over a vocabulary: pointers and counts in, numbers out, vectorised and dispatched at run time. Normalisers, softmax, draws,
/// truncation, overlaps and residuals, entropies; the same bits on every instruction set that has fused multiply-add.

#include <gavel/kernels/dispatch.hpp>
#include <gavel/kernels/divergence.hpp>
#include <gavel/kernels/elementary.hpp>
#include <gavel/kernels/gumbel_top_n.hpp>
#include <gavel/kernels/log_prob_at.hpp>
#include <gavel/kernels/log_sum_exp.hpp>
#include <gavel/kernels/overlap.hpp>
#include <gavel/kernels/residual.hpp>
#include <gavel/kernels/row.hpp>
#include <gavel/kernels/sample.hpp>
#include <gavel/kernels/simd.hpp>
#include <gavel/kernels/softmax.hpp>
#include <gavel/kernels/top_k.hpp>
#include <gavel/kernels/truncation.hpp>
