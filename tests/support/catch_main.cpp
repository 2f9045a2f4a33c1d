// SPDX-License-Identifier: MIT
// Compiled once: with Catch2 2.13 the main program is generated here; Catch2 3.x links its own.
#define CATCH_CONFIG_MAIN
#include "support/catch.hpp"
