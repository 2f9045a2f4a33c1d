// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/numerics.hpp>
#include <gavel/core/views.hpp>

#include <cmath>
#include <cstddef>
#include <vector>

/// @file
/// The changes of a learning rate, folded up so that a sum over all changes before a step costs O(log T) instead of O(T).
///
/// The summand of the multi-power law depends on change k through one smooth number only, v = log C - gamma log eta_k + log S_k(t). Changes
/// whose v lie close together are one block with a mean and second and third moments, and the summand is expanded round the mean. Blocks
/// double in size; a query takes the largest ones that are narrow enough *for its step*: large ones long ago, single changes just before t.

namespace gavel::schedule::detail {

/// A change of the rate: at step k the rate falls from eta_{k-1} to eta_k.
struct rate_change {
  std::size_t step = 0;      ///< k
  double fall = 0.0;         ///< eta_{k-1} - eta_k; negative for a rise
  double rate = 0.0;         ///< eta_k
  double log_rate = 0.0;     ///< -infinity for a rate of zero
  double area_before = 0.0;  ///< u_k = sum_{i < k} eta_i, so that S_k(t) = S_1(t) - u_k
};

/// Consecutive changes. The moments are those of x = log eta_k and u = u_k about their means, weighted by the fall and not normalised.
struct change_block {
  double fall = 0.0;        ///< total
  double log_rate = 0.0;    ///< mean of x
  double area = 0.0;        ///< mean of u
  double last_area = 0.0;   ///< largest u
  double area_width = 0.0;  ///< largest u - smallest u
  double min_log_rate = 0.0;
  double max_log_rate = 0.0;
  bool mixed = false;  ///< holds falls and rises, or a rate of zero: means say nothing, never to be taken as a whole
  double xx = 0.0, xu = 0.0, uu = 0.0;
  double xxx = 0.0, xxu = 0.0, xuu = 0.0, uuu = 0.0;

  [[nodiscard]] static change_block of(const rate_change& c) noexcept {
    change_block b;
    b.fall = c.fall;
    b.log_rate = b.min_log_rate = b.max_log_rate = c.log_rate;
    b.area = b.last_area = c.area_before;
    b.mixed = !(c.rate > 0.0);
    return b;
  }

  /// This block followed by @p next.
  [[nodiscard]] change_block joined(const change_block& next) const noexcept {
    change_block b;
    b.fall = fall + next.fall;
    b.last_area = next.last_area;
    b.area_width = next.last_area - (last_area - area_width);
    b.min_log_rate = min_log_rate < next.min_log_rate ? min_log_rate : next.min_log_rate;
    b.max_log_rate = max_log_rate > next.max_log_rate ? max_log_rate : next.max_log_rate;
    b.mixed = mixed || next.mixed || (fall > 0.0) != (next.fall > 0.0);
    if (b.mixed) return b;
    const double share = next.fall / b.fall;
    b.log_rate = log_rate + share * (next.log_rate - log_rate);
    b.area = area + share * (next.area - area);
    b.add_moments(*this);
    b.add_moments(next);
    return b;
  }

 private:
  // Moves the moments of a part to the means of the whole.
  void add_moments(const change_block& part) noexcept {
    const double x = part.log_rate - log_rate, u = part.area - area;
    xx += part.xx + part.fall * x * x;
    xu += part.xu + part.fall * x * u;
    uu += part.uu + part.fall * u * u;
    xxx += part.xxx + 3.0 * x * part.xx + part.fall * x * x * x;
    xxu += part.xxu + 2.0 * x * part.xu + u * part.xx + part.fall * x * x * u;
    xuu += part.xuu + 2.0 * u * part.xu + x * part.uu + part.fall * x * u * u;
    uuu += part.uuu + 3.0 * u * part.uu + part.fall * u * u * u;
  }
};

/// The exponents of the annealing sum.
struct annealing_shape {
  double log_scale = 0.0;  ///< log C
  double beta = 0.0;
  double gamma = 0.0;
};

/// sum_k (eta_{k-1} - eta_k) (1 - (1 + C eta_k^-gamma S_k)^-beta) and its derivatives.
struct annealing_sum {
  double value = 0.0;
  double by_log_scale = 0.0;
  double by_beta = 0.0;
  double by_gamma = 0.0;
};

/// v = log(C eta^-gamma S); +infinity for a rate of zero. S > 0.
[[nodiscard]] inline double log_argument(const annealing_shape& shape, double log_rate, double area) noexcept {
  return shape.log_scale + std::log(area) - (shape.gamma > 0.0 ? shape.gamma * log_rate : 0.0);
}

/// 1 - (1 + C eta^-gamma S)^-beta: how much of a change has taken effect after an area S has been trained since. 0 without an area.
[[nodiscard]] inline double effect(const annealing_shape& shape, double log_rate, double area) noexcept {
  if (!(shape.beta > 0.0 && area > 0.0) || shape.log_scale == -infinity) return 0.0;
  return -std::expm1(-shape.beta * softplus(log_argument(shape, log_rate, area)));
}

/// A table of rates with its changes, single and in blocks of 4, 8, 16, ...
class rate_changes {
 public:
  rate_changes() = default;

  /// @param rates finite and >= 0; unchecked
  explicit rate_changes(vector_view<const double> rates) {
    area_.resize(rates.size());
    compensated_sum area;
    double before = 0.0;
    for (std::size_t k = 0; k < rates.size(); ++k) {
      if (k > 0 && rates[k] != rates[k - 1]) changes_.push_back({k, rates[k - 1] - rates[k], rates[k], std::log(rates[k]), before});
      area += rates[k];
      before = area_[k] = area.value();
    }
    build_blocks();
  }

  /// S_1(step), step < number of rates.
  [[nodiscard]] double area(std::size_t step) const noexcept { return area_[step]; }
  /// Changes at steps <= @p step. O(log T).
  [[nodiscard]] std::size_t count(std::size_t step) const noexcept {
    std::size_t low = 0;
    for (std::size_t high = changes_.size(); low < high;) {
      const std::size_t middle = low + (high - low) / 2;
      if (changes_[middle].step <= step) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /// The annealing sum at @p step.
  /// @param width how far v may spread in a block; 0: every change by itself
  [[nodiscard]] double sum(const annealing_shape& shape, std::size_t step, double width) const noexcept {
    if (!(shape.beta > 0.0) || shape.log_scale == -infinity) return 0.0;
    const double now = area_[step];
    compensated_sum total;
    visit(
        shape, step, width, [&](const rate_change& c, double since) { total += c.fall * effect(shape, c.log_rate, since); },
        [&](const change_block& b) { total += expand<false>(shape, b, now - b.area).value; });
    return total.value();
  }

  /// The annealing sum with its derivatives; beta > 0 and C > 0.
  [[nodiscard]] annealing_sum sum_and_slopes(const annealing_shape& shape, std::size_t step, double width) const noexcept {
    const double now = area_[step];
    annealing_sum total;
    auto add = [&](const annealing_sum& term) {
      total.value += term.value;
      total.by_log_scale += term.by_log_scale;
      total.by_beta += term.by_beta;
      total.by_gamma += term.by_gamma;
    };
    visit(
        shape, step, width,
        [&](const rate_change& c, double since) {
          if (c.rate > 0.0) add(expand<true>(shape, change_block::of(c), since));
          else if (since > 0.0) total.value += c.fall * effect(shape, c.log_rate, since);  // the full fall, whatever the exponents
        },
        [&](const change_block& b) { add(expand<true>(shape, b, now - b.area)); });
    return total;
  }

 private:
  static constexpr std::size_t smallest_block = 4;

  void build_blocks() {
    std::vector<change_block> level;
    for (std::size_t first = 0; first + smallest_block <= changes_.size(); first += smallest_block) {
      change_block b = change_block::of(changes_[first]);
      for (std::size_t i = 1; i < smallest_block; ++i) b = b.joined(change_block::of(changes_[first + i]));
      level.push_back(b);
    }
    while (!level.empty()) {
      levels_.push_back(level);
      const std::vector<change_block>& below = levels_.back();
      level.clear();
      for (std::size_t i = 0; i + 1 < below.size(); i += 2) level.push_back(below[i].joined(below[i + 1]));
    }
  }

  // Splits the changes up to `step` into single ones, with S_k, and blocks narrow enough.
  template <class Change, class Block>
  void visit(const annealing_shape& shape, std::size_t step, double width, Change&& change, Block&& block) const {
    const double now = area_[step];
    const std::size_t end = count(step);
    std::size_t level = levels_.size();  // one above the level to try; 0: single changes
    for (std::size_t i = 0; i < end;) {
      if (level < levels_.size() && i % (smallest_block << level) == 0) ++level;
      const change_block* taken = nullptr;
      for (; level > 0; --level) {
        const std::size_t size = smallest_block << (level - 1);
        if (i % size != 0 || i + size > end) continue;
        const change_block& b = levels_[level - 1][i / size];
        // The spread of v: that of gamma log eta_k and, at most, that of log S_k.
        const double since = now - b.last_area;
        if (b.mixed || !(shape.gamma * (b.max_log_rate - b.min_log_rate) * since + b.area_width <= width * since)) continue;
        taken = &b;
        i += size;
        break;
      }
      if (taken != nullptr) {
        block(*taken);
        continue;
      }
      const std::size_t group_end = i + smallest_block < end ? i + smallest_block : end;
      for (; i < group_end; ++i) {
        // A tiny rate drowns in the total area: S_k is at least eta_k.
        const double since = now - changes_[i].area_before;
        change(changes_[i], since > changes_[i].rate ? since : changes_[i].rate);
      }
    }
  }

  // The summand f(v) = 1 - (1 + e^v)^-beta over a block, to third order in y = v - v_0 = -gamma x + log(1 - z), z = u / S, with x and u
  // counted from their means. With sigma = 1 / (1 + e^-v): f' = beta q sigma, q = (1 + e^v)^-beta, and each further derivative maps
  // sigma^n to n sigma^n - (n + beta) sigma^(n + 1).
  template <bool Slopes>
  [[nodiscard]] static annealing_sum expand(const annealing_shape& shape, const change_block& b, double since) noexcept {
    const double beta = shape.beta, gamma = shape.gamma;
    const double v = log_argument(shape, b.log_rate, since);
    const double log_base = softplus(v), q = std::exp(-beta * log_base), f = -std::expm1(-beta * log_base);
    const double s = std::exp(v - log_base);  // sigma
    const double p2 = s - (1.0 + beta) * s * s;
    const double p3 = s - (1.0 + beta) * s * s * (3.0 - (2.0 + beta) * s);
    const double h = 1.0 / since;
    const double uu = b.uu * h * h, uuu = b.uuu * h * h * h, xu = b.xu * h, xuu = b.xuu * h * h, xxu = b.xxu * h;
    const double y1 = -0.5 * uu - uuu / 3.0;  // sums of y, y^2, y^3
    const double y2 = gamma * (gamma * b.xx + 2.0 * xu + xuu) + uu + uuu;
    const double y3 = -(gamma * (gamma * (gamma * b.xxx + 3.0 * xxu) + 3.0 * xuu) + uuu);
    const double bq = beta * q;
    annealing_sum sum;
    sum.value = b.fall * f + bq * (s * y1 + 0.5 * p2 * y2 + p3 * y3 / 6.0);
    if constexpr (Slopes) {
      const double p4 = s - (1.0 + beta) * s * s * (7.0 - (2.0 + beta) * s * (6.0 - (3.0 + beta) * s));
      const double xy = -gamma * b.xx - xu - 0.5 * xuu, xyy = gamma * (gamma * b.xxx + 2.0 * xxu) + xuu;  // sums of x y, x y^2
      sum.by_log_scale = bq * (b.fall * s + p2 * y1 + 0.5 * p3 * y2 + p4 * y3 / 6.0);
      sum.by_gamma = -b.log_rate * sum.by_log_scale - bq * (p2 * xy + 0.5 * p3 * xyy);
      const double left = 1.0 - beta * log_base;
      const double p2_by_beta = -s * s, p3_by_beta = -s * s * (3.0 - (3.0 + 2.0 * beta) * s);
      sum.by_beta = q * (b.fall * log_base + left * (s * y1 + 0.5 * p2 * y2 + p3 * y3 / 6.0) +
                         beta * (0.5 * p2_by_beta * y2 + p3_by_beta * y3 / 6.0));
    }
    return sum;
  }

  std::vector<double> area_;
  std::vector<rate_change> changes_;
  std::vector<std::vector<change_block>> levels_;
};

}  // namespace gavel::schedule::detail
