// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Numerical methods that several topics need. Minima: one step at a time against noisy gradients (SGD, Adam, any rate schedule), from exact
/// gradients inside a box (L-BFGS), from the residuals of a fit (Levenberg-Marquardt), or from values alone (Nelder-Mead). Linear systems:
/// Cholesky. `network.hpp`, small dense networks, needs Eigen and is included by itself.

#include <gavel/solvers/cholesky.hpp>
#include <gavel/solvers/lbfgs.hpp>
#include <gavel/solvers/levenberg_marquardt.hpp>
#include <gavel/solvers/nelder_mead.hpp>
#include <gavel/solvers/optimizers.hpp>
