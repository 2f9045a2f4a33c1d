// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// The version of the library. `scripts/test` checks that every other file that states it agrees.

#define GAVEL_VERSION_MAJOR 0
#define GAVEL_VERSION_MINOR 2
#define GAVEL_VERSION_PATCH 0
#define GAVEL_VERSION_STRING "0.2.0"
