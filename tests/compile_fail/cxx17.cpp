// SPDX-License-Identifier: MIT
// fails-with: gavel needs C++20: compile with -std=c++20
// fails-with-flags: -std=c++17
// fails-with-errors: 2
#include <gavel/core/views.hpp>

int main() { return 0; }
