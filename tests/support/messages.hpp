// SPDX-License-Identifier: MIT
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace gavel::testing {

/// What a call refuses, by kind and text: the message of a std::invalid_argument, "domain: " and the message of a std::domain_error. Any
/// other exception leaves the test.
template <class F>
std::string message_of(F&& call) {
  try {
    std::forward<F>(call)();
  } catch (const std::domain_error& error) {
    return std::string("domain: ") + error.what();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "no exception";
}

}  // namespace gavel::testing
