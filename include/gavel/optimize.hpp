// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Finding a minimum: one step at a time against noisy gradients (SGD, Adam, any rate schedule), from exact gradients inside a box (L-BFGS),
/// from the residuals of a fit (Levenberg-Marquardt), or from values alone (Nelder-Mead).

#include <gavel/core/lbfgs.hpp>
#include <gavel/core/levenberg_marquardt.hpp>
#include <gavel/core/nelder_mead.hpp>
#include <gavel/core/optimizers.hpp>
