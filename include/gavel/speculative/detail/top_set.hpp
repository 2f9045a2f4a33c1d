// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/kernels/top_k.hpp>
#include <gavel/speculative/detail/rows.hpp>
#include <gavel/speculative/verifier.hpp>

#include <cstddef>
#include <limits>
#include <span>
#include <vector>

/// @file
/// The most probable draft tokens as two numbers, and the rules on the number of drafts that every function of a draft law enforces.

namespace gavel::speculative::detail {

/// The k most probable tokens, ties to the lowest index: all above `least`, and the first `ties` that equal it.
struct top_set {
  double least = std::numeric_limits<double>::infinity();
  std::size_t ties = 0;

  /// Tells for one token after the other, in index order, whether it belongs.
  class reader {
   public:
    explicit constexpr reader(const top_set& set) noexcept : least_(set.least), ties_left_(set.ties) {}
    template <class T>
    [[nodiscard]] constexpr bool operator()(T q) noexcept {
      if (real(q) != least_) return real(q) > least_;
      if (ties_left_ == 0) return false;
      --ties_left_;
      return true;
    }

   private:
    double least_;
    std::size_t ties_left_;
  };

  [[nodiscard]] constexpr reader read() const noexcept { return reader(*this); }

  /// The mass of all other tokens, added up: one minus the mass inside would have no digits left for a peaked q.
  template <class T>
  [[nodiscard]] double mass_outside(std::span<const T> q) const noexcept {
    double sum = 0.0;
    reader inside = read();
    for (const T value : q) sum += inside(value) ? 0.0 : real(value);
    return sum;
  }
};

/// @param ids workspace
/// @param k at most q.size()
template <class T>
[[nodiscard]] inline top_set find_top_set(std::span<const T> q, std::size_t k, std::vector<token_id>& ids) {
  top_set set;
  if (k == 0) return set;
  ids.resize(k);
  kernels::top_k(q.data(), q.size(), k, ids.data());
  set.least = real(q[ids[k - 1]]);
  for (const token_id id : ids) set.ties += real(q[id]) == set.least ? 1u : 0u;
  return set;
}

/// Tokens that can be drafted.
template <class T>
[[nodiscard]] inline std::size_t support_size(std::span<const T> q) noexcept {
  std::size_t support = 0;
  for (const T value : q) support += drawable(value) ? 1u : 0u;
  return support;
}

/// Refuses more distinct drafts than q has tokens for.
template <class T>
inline void check_support(const char* function, std::size_t support, std::size_t n) {
  check_at_most(function, "n", n, support_name<T>, support);
}
/// Tokens that can be drafted, counted up to n: it stops as soon as enough are seen.
template <class T>
[[nodiscard]] inline std::size_t support_up_to(std::size_t n, std::span<const T> q) noexcept {
  std::size_t support = 0;
  for (std::size_t x = 0; x < q.size() && support < n; ++x) support += drawable(q[x]) ? 1u : 0u;
  return support;
}
template <class T>
inline void check_support(const char* function, std::span<const T> q, std::size_t n) {
  check_support<T>(function, support_up_to(n, q), n);
}

/// The rules on n that do not depend on q.
inline void check_draft_count(const char* function, draft_law law, std::size_t n) {
  if (law == draft_law::hub_pair && n != 2) refuse(function, "n", n, "must be 2 for draft_law::hub_pair");
  check_at_least(function, "n", n, 1);
}

/// All rules on n: at least one draft, exactly two for hub pairs, and enough tokens for distinct drafts.
template <class T>
inline void check_draft_count(const char* function, draft_law law, std::span<const T> q, std::size_t n) {
  check_draft_count(function, law, n);
  if (law != draft_law::iid) check_support(function, q, n);
}

}  // namespace gavel::speculative::detail
