// SPDX-License-Identifier: MIT
#pragma once

// What windows.h does to a program. The standard headers come first: libstdc++ would undefine the macros, and does not once it is included.
#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>
#if defined(GAVEL_HOSTILE_WITH_EIGEN)
#include <Eigen/Core>
#endif

#define min(a, b) this_macro_stands_for_the_one_of_windows_h
#define max(a, b) this_macro_stands_for_the_one_of_windows_h
