// SPDX-License-Identifier: MIT
// Owns the precompiled test headers: the main program's own file cannot, since Catch2 2.13 must see its first include there.
#include "support/catch.hpp"
