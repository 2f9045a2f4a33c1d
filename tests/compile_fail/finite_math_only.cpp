// SPDX-License-Identifier: MIT
// fails-with: gavel does not support -ffast-math, -Ofast or -ffinite-math-only
// fails-with-flags: -ffinite-math-only
#include <gavel/core/config.hpp>

int main() { return 0; }
