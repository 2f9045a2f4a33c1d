// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/categorical.hpp>  // IWYU pragma: export
#include <gavel/core/permutation.hpp>  // IWYU pragma: export
#include <gavel/core/philox.hpp>       // IWYU pragma: export
#include <gavel/core/uniform.hpp>      // IWYU pragma: export
#include <gavel/core/variates.hpp>     // IWYU pragma: export

/// @file
/// Everything random: the engine `philox4x32`, the concept `random_bits`, uniform numbers, continuous distributions, categorical draws,
/// permutations and samples without replacement. The generator is always the first argument of these primitives and never stored, and every
/// function documents how many engine outputs it takes: a seed gives the same draws with every standard library.
