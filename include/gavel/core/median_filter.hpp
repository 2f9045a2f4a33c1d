// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/core/ordering.hpp>
#include <gavel/core/views.hpp>

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

/// @file
/// The exact median of a window that slides over a signal: removes spikes without moving edges.

namespace gavel {

/// The median of the last w values, w odd and fixed: `push` forgets the oldest value and costs O(log w).
///
/// The values stand in two heaps that share their root. Position 0 holds the median; positions 1..h a heap of what is larger, smallest on
/// top; positions -1..-h a heap of what is smaller, largest on top. A new value takes the place of the oldest and moves towards its
/// side, so neither heap ever changes its size and nothing is allocated after construction.
class running_median {
 public:
  /// @param window the first w values, oldest first, w odd
  /// @throws std::invalid_argument if w is even; std::domain_error for NaN (infinities are ordinary values)
  /// @note O(w log w), 24 w bytes.
  explicit running_median(vector_view<const double> window)
      : half_(static_cast<std::ptrdiff_t>(window.size() / 2)), nodes_(window.size()), position_(window.size()) {
    constexpr const char* function = "gavel::running_median";
    if (window.size() % 2 == 0) refuse(function, "window.size()", window.size(), "must be odd");
    for (std::size_t i = 0; i < window.size(); ++i) {
      check_not_nan(function, "window", window[i], i);
      nodes_[i] = {window[i], i};
    }
    // Sorted, so both halves are heaps already: away from the median values only grow, or only shrink.
    sort_values(nodes_.data(), nodes_.size(), [](const node& a, const node& b) { return a.value < b.value; });
    for (std::ptrdiff_t at = -half_; at <= half_; ++at) position_[node_at(at).slot] = at;
  }

  // A move is a copy: a window without its values has no median.
  running_median(const running_median&) = default;
  running_median& operator=(const running_median&) = default;

  /// The middle one of the w values in order.
  [[nodiscard]] double median() const noexcept { return value_at(0); }
  /// w.
  [[nodiscard]] std::size_t width() const noexcept { return nodes_.size(); }

  /// Replaces the oldest value.
  /// @throws std::domain_error for NaN
  void push(double value) {
    check_not_nan("gavel::running_median::push", "value", value);
    const std::ptrdiff_t at = position_[oldest_];
    node_at(at).value = value;
    settle(at);
    if (++oldest_ == nodes_.size()) oldest_ = 0;
  }

  friend bool operator==(const running_median&, const running_median&) = default;

 private:
  struct node {
    double value = 0.0;
    std::size_t slot = 0;  // which of the w places in time, reused in a circle
    friend bool operator==(const node&, const node&) = default;
  };

  [[nodiscard]] node& node_at(std::ptrdiff_t at) noexcept { return nodes_[static_cast<std::size_t>(at + half_)]; }
  [[nodiscard]] double value_at(std::ptrdiff_t at) const noexcept { return nodes_[static_cast<std::size_t>(at + half_)].value; }

  void exchange(std::ptrdiff_t a, std::ptrdiff_t b) noexcept {
    std::swap(node_at(a), node_at(b));
    position_[node_at(a).slot] = a;
    position_[node_at(b).slot] = b;
  }

  // Division truncates, so at / 2 is the parent on either side and the parent of 1 and -1 is the median.
  void settle(std::ptrdiff_t at) noexcept {
    while ((at > 0 && value_at(at) < value_at(at / 2)) || (at < 0 && value_at(at) > value_at(at / 2))) {
      exchange(at, at / 2);
      at /= 2;
    }
    if (at > 0 || (at == 0 && half_ > 0 && value_at(0) > value_at(1))) sink(at, 1);
    else if (at < 0 || (at == 0 && half_ > 0 && value_at(0) < value_at(-1))) sink(at, -1);
  }

  // Moves away from the median on one side (+1 or -1) for as long as a child belongs nearer to it.
  void sink(std::ptrdiff_t at, std::ptrdiff_t side) noexcept {
    const auto nearer = [&](std::ptrdiff_t a, std::ptrdiff_t b) {
      return side > 0 ? value_at(a) < value_at(b) : value_at(a) > value_at(b);
    };
    while (true) {
      std::ptrdiff_t child = at == 0 ? side : 2 * at;
      if (child * side > half_) return;
      if (at != 0 && (child + side) * side <= half_ && nearer(child + side, child)) child += side;
      if (!nearer(child, at)) return;
      exchange(at, child);
      at = child;
    }
  }

  std::ptrdiff_t half_ = 0;               // h = (w - 1) / 2
  std::vector<node> nodes_;               // by position + h
  std::vector<std::ptrdiff_t> position_;  // by slot
  std::size_t oldest_ = 0;                // slot of the oldest value
};

/// What a window sees beyond an end of the signal.
enum class edge_padding {
  replicate,  ///< the edge sample again and again:             c b a | a a a
  reflect     ///< the signal backwards, edge sample not twice:  c b a | b c d
};

struct median_filter_options {
  std::size_t width = 3;                         ///< w, odd, at most the length of the signal
  edge_padding left = edge_padding::replicate;   ///< before the first sample
  edge_padding right = edge_padding::replicate;  ///< after the last sample

  friend bool operator==(const median_filter_options&, const median_filter_options&) = default;
};

/// Replaces each sample by the median of the window around it,
///
///     out_t = median(x_{t-h}, ..., x_{t+h}),   h = (w - 1) / 2,
///
/// with the signal continued beyond its ends as the options say.
/// @param values signal x, [T], T >= 1; infinities are ordinary values
/// @param out    [T], must not overlap @p values
/// @throws std::invalid_argument if T is 0, the sizes differ, or the width is even or above T; std::domain_error for NaN
/// @note O(T log w) time, 32 w bytes, allocated once.
inline void median_filter(vector_view<const double> values, std::span<double> out, const median_filter_options& options = {}) {
  constexpr const char* function = "gavel::median_filter";
  const std::size_t n = values.size();
  check_at_least(function, "values.size()", n, 1);
  check_size(function, "out.size()", out.size(), "values.size()", n);
  if (options.width % 2 == 0) refuse(function, "width", options.width, "must be odd");
  check_at_most(function, "width", options.width, "values.size()", n);
  for (std::size_t i = 0; i < n; ++i) check_not_nan(function, "values", values[i], i);
  const std::size_t half = options.width / 2;  // < n, so one reflection is enough
  const auto after = [&](std::size_t t) { return values[t < n ? t : options.right == edge_padding::reflect ? 2 * (n - 1) - t : n - 1]; };
  std::vector<double> window(options.width);
  for (std::size_t k = 0; k < half; ++k) window[k] = values[options.left == edge_padding::reflect ? half - k : 0];
  for (std::size_t k = 0; k <= half; ++k) window[half + k] = after(k);
  running_median median(window);
  out[0] = median.median();
  for (std::size_t t = 1; t < n; ++t) {
    median.push(after(t + half));
    out[t] = median.median();
  }
}

}  // namespace gavel
