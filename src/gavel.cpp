// SPDX-License-Identifier: MIT
// The library gavel::compiled: what each header lists for the usual scalars, instantiated once.
#define GAVEL_COMPILED_SOURCE
#include <gavel/kernels.hpp>
#include <gavel/speculative/chain.hpp>
