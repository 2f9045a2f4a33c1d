// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

namespace gavel::testing {

/// Calls of operator new so far in this program. A program that uses it links allocation_counter.cpp, which replaces the operator.
[[nodiscard]] std::size_t allocation_count() noexcept;

}  // namespace gavel::testing
