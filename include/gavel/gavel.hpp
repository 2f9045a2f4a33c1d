// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Every topic of the library. Prefer the header you need: this one is the sum of all compile times.

#include <gavel/schedule.hpp>
#include <gavel/solvers.hpp>
#include <gavel/speculative.hpp>
