// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/config.hpp>

#include <concepts>

/// @file
/// For calls that find out while they draw that they have to refuse.

namespace gavel {

/// Puts a generator back to where it was when it goes out of scope, unless it was told to `keep` what was drawn.
///
///     generator_rollback rollback(rng);
///     ...                                // draws, and throws for a row that it finds to be bad
///     rollback.keep();
///
/// @tparam G any generator; one that cannot be copied stays advanced, as does a handle to a state that its copies share
/// @note Copies the generator once.
template <class G>
class generator_rollback {
 public:
  explicit generator_rollback(G& rng) : rng_(rng), before_(rng) {}
  generator_rollback(const generator_rollback&) = delete;
  generator_rollback& operator=(const generator_rollback&) = delete;
  ~generator_rollback() {
    if (!kept_) rng_ = before_;
  }
  void keep() noexcept { kept_ = true; }

 private:
  G& rng_;
  G before_;
  bool kept_ = false;
};

template <class G>
  requires(!std::copyable<G>)
class generator_rollback<G> {
 public:
  explicit generator_rollback(G&) noexcept {}
  void keep() noexcept {}
};

}  // namespace gavel
