// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Every topic of the library with the kernels and solvers under them, but for the headers that need Eigen. Prefer the header you need: this
/// one is the sum of all compile times.

#include <gavel/kernels.hpp>
#include <gavel/schedule.hpp>
#include <gavel/solvers.hpp>
#include <gavel/speculative.hpp>
