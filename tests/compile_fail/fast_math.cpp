// SPDX-License-Identifier: MIT
// fails-with: gavel does not support -ffast-math
// fails-with-flags: -ffast-math
#include <gavel/core/config.hpp>

int main() { return 0; }
