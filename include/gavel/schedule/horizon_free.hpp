// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/schedule/rate_schedule.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>

/// @file
/// Schedules that need no budget: they are functions of the step alone and go on forever. Inverse powers, exponentials, piecewise constants,
/// cycles and warm restarts. All pure, random-access and usable in constant expressions.

namespace gavel::schedule {

/// Parameters of `exponential_decay` and `inverse_time`.
struct horizon_free_decay_options {
  double base_rate = 1.0;  ///< rate of step 0; finite, >= 0
  double factor = 0.5;     ///< exponential: multiplier per period, > 0; inverse time: growth of the divisor per period, > 0
  double period = 1.0;     ///< steps, > 0; may be fractional
  bool staircase = false;  ///< hold the rate within a period

  friend bool operator==(const horizon_free_decay_options&, const horizon_free_decay_options&) = default;
};

namespace detail {

constexpr void check_decay(const char* function, const horizon_free_decay_options& options) {
  check_not_negative(function, "base_rate", options.base_rate);
  check_positive(function, "factor", options.factor);
  check_positive(function, "period", options.period);
}

/// base ratio^exponent; what starts at 0 stays there, also where the power overflows.
[[nodiscard]] constexpr double scaled(double base, double ratio, double exponent) noexcept {
  return base == 0.0 ? 0.0 : base * elementary::pow(ratio, exponent);
}

[[nodiscard]] constexpr double periods(const horizon_free_decay_options& options, std::uint64_t step) noexcept {
  const double elapsed = static_cast<double>(step) / options.period;
  return options.staircase ? elementary::floor(elapsed) : elapsed;
}

}  // namespace detail

/// rate(t) = base factor^(t / period). A factor above 1 ends in infinity, which no optimiser takes: stop such a search for a rate in time.
class exponential_decay {
 public:
  /// @throws std::invalid_argument for an option outside its range; std::domain_error for NaN
  constexpr explicit exponential_decay(const horizon_free_decay_options& options) : options_(options) {
    detail::check_decay("gavel::schedule::exponential_decay", options);
  }
  [[nodiscard]] constexpr double rate(std::uint64_t step) const noexcept {
    return detail::scaled(options_.base_rate, options_.factor, detail::periods(options_, step));
  }
  friend bool operator==(const exponential_decay&, const exponential_decay&) = default;

 private:
  horizon_free_decay_options options_;
};

/// rate(t) = base / (1 + factor t / period): halved after period / factor steps, then ever slower. Its sum over all steps is infinite, so
/// unlike `exponential_decay` it never stops a run from moving on.
class inverse_time {
 public:
  /// @throws std::invalid_argument for an option outside its range; std::domain_error for NaN
  constexpr explicit inverse_time(const horizon_free_decay_options& options) : options_(options) {
    detail::check_decay("gavel::schedule::inverse_time", options);
  }
  [[nodiscard]] constexpr double rate(std::uint64_t step) const noexcept {
    return options_.base_rate / (1.0 + options_.factor * detail::periods(options_, step));
  }
  friend bool operator==(const inverse_time&, const inverse_time&) = default;

 private:
  horizon_free_decay_options options_;
};

/// Parameters of `inverse_sqrt`.
struct inverse_sqrt_options {
  double base_rate = 1.0;          ///< the peak; finite, >= 0
  std::uint64_t warmup_steps = 0;  ///< W: the rate rises linearly from 0 at step 0 to the peak at step W
  double timescale = 0.0;          ///< s, steps, > 0; 0 means W, or 10,000 where W is 0

  friend bool operator==(const inverse_sqrt_options&, const inverse_sqrt_options&) = default;
};

/// A linear rise, then base sqrt(s / (t - W + s)): the inverse square root, continuous at the end of the rise.
/// @par Source
/// Vaswani et al., "Attention Is All You Need", 2017, arXiv 1706.03762, section 5.3, with the time scale made a parameter.
class inverse_sqrt {
 public:
  /// @throws std::invalid_argument for an option outside its range; std::domain_error for NaN
  constexpr explicit inverse_sqrt(const inverse_sqrt_options& options) : options_(options) {
    constexpr const char* function = "gavel::schedule::inverse_sqrt";
    check_not_negative(function, "base_rate", options.base_rate);
    check_at_most(function, "warmup_steps", options.warmup_steps, max_steps);
    if (options_.timescale == 0.0) options_.timescale = options.warmup_steps > 0 ? detail::real(options.warmup_steps) : 10000.0;
    check_positive(function, "timescale", options_.timescale);
  }
  [[nodiscard]] constexpr double rate(std::uint64_t step) const noexcept {
    if (step < options_.warmup_steps) return options_.base_rate * (detail::real(step) / detail::real(options_.warmup_steps));
    const auto since = static_cast<double>(step - options_.warmup_steps);
    return options_.base_rate / elementary::sqrt((since + options_.timescale) / options_.timescale);
  }
  friend bool operator==(const inverse_sqrt&, const inverse_sqrt&) = default;

 private:
  inverse_sqrt_options options_;
};

/// Parameters of `transformer`.
struct transformer_options {
  double scale = 1.0;                 ///< multiplies everything; finite, >= 0
  std::uint64_t model_width = 512;    ///< d, >= 1
  std::uint64_t warmup_steps = 4000;  ///< W, >= 1

  friend bool operator==(const transformer_options&, const transformer_options&) = default;
};

/// scale d^-1/2 min((t+1)^-1/2, (t+1) W^-3/2), steps counted from 0. Peaks at step W - 1 with scale / sqrt(d W): 7.0e-4 by default. To set
/// the peak itself, use `inverse_sqrt`.
/// @par Source
/// Vaswani et al., "Attention Is All You Need", 2017, arXiv 1706.03762, equation 3.
class transformer {
 public:
  /// @throws std::invalid_argument for an option outside its range; std::domain_error for NaN
  constexpr explicit transformer(const transformer_options& options = {}) : options_(options) {
    constexpr const char* function = "gavel::schedule::transformer";
    check_not_negative(function, "scale", options.scale);
    detail::check_steps(function, "model_width", options.model_width);
    detail::check_steps(function, "warmup_steps", options.warmup_steps);
  }
  [[nodiscard]] constexpr double rate(std::uint64_t step) const noexcept {
    const double now = static_cast<double>(step) + 1.0;
    const double warmup = detail::real(options_.warmup_steps);
    const double falling = 1.0 / elementary::sqrt(now);
    const double rising = now / (warmup * elementary::sqrt(warmup));
    return options_.scale / elementary::sqrt(detail::real(options_.model_width)) * (rising < falling ? rising : falling);
  }
  friend bool operator==(const transformer&, const transformer&) = default;

 private:
  transformer_options options_;
};

namespace detail {

struct rate_list_name {
  static constexpr const char* value = "gavel::schedule::piecewise_constant::rate_list";
};

}  // namespace detail

/// The i-th rate from its boundary on: rate_i for the steps in [boundary_{i-1}, boundary_i), without a multiplication.
class piecewise_constant {
 public:
  using step_list = milestone_list<std::uint64_t>;
  using rate_list = fixed_list<double, max_milestones + 1, detail::rate_list_name>;
  /// @param boundaries first steps of the second, third, ... rate; strictly increasing
  /// @param rates      one more than boundaries; finite, >= 0
  /// @throws std::invalid_argument, std::domain_error otherwise, or for more than `max_milestones` boundaries
  constexpr piecewise_constant(const step_list& boundaries, const rate_list& rates) : boundaries_(boundaries), rates_(rates) {
    constexpr const char* function = "gavel::schedule::piecewise_constant";
    check_size(function, "rates.size()", rates.size(), "boundaries.size() + 1 =", boundaries.size() + 1);
    check_ascending(function, "boundaries", boundaries);
    for (std::size_t i = 0; i < rates.size(); ++i) check_not_negative(function, "rates", rates[i], i);
  }
  [[nodiscard]] constexpr double rate(std::uint64_t step) const noexcept {
    std::size_t piece = 0;
    while (piece < boundaries_.size() && step >= boundaries_[piece]) ++piece;
    return rates_[piece];
  }
  friend bool operator==(const piecewise_constant&, const piecewise_constant&) = default;

 private:
  step_list boundaries_;
  rate_list rates_;
};

/// Parameters of `cosine_wave`.
struct cosine_wave_options {
  double base_rate = 1.0;     ///< rate of step 0; finite, >= 0
  double minimum_rate = 0.0;  ///< rate half a wave later; in [0, base_rate]
  double half_wave = 1.0;     ///< steps from top to bottom, > 0

  friend bool operator==(const cosine_wave_options&, const cosine_wave_options&) = default;
};

/// min + (base - min) (1 + cos(pi t / half wave)) / 2 forever: falls, rises and falls again. With a whole half wave the phase is exact at every
/// step; with a fractional one it is off by some 2^-53 of the half waves that have passed. A run that goes on past its half wave so gets
/// a rising rate; `stretch(cosine{}, ...)` holds the last one instead.
class cosine_wave {
 public:
  /// @throws std::invalid_argument for an option outside its range; std::domain_error for NaN
  constexpr explicit cosine_wave(const cosine_wave_options& options) : options_(options) {
    constexpr const char* function = "gavel::schedule::cosine_wave";
    check_not_negative(function, "base_rate", options.base_rate);
    detail::check_minimum(function, "minimum_rate", options.minimum_rate, "base_rate", options.base_rate);
    check_positive(function, "half_wave", options.half_wave);
  }
  [[nodiscard]] constexpr double rate(std::uint64_t step) const noexcept {
    constexpr double largest = (std::numeric_limits<double>::max)();  // an infinite phase has no cosine
    if (options_.half_wave <= detail::real(max_steps)) {              // whole half waves lose nothing, however many have passed
      const auto half_wave = static_cast<std::uint64_t>(options_.half_wave);
      if (half_wave > 0 && detail::real(half_wave) == options_.half_wave) step %= 2 * half_wave;
    }
    const double elapsed = static_cast<double>(step) / options_.half_wave;
    const double half_waves = elapsed < largest ? elapsed : largest;
    return options_.minimum_rate + (options_.base_rate - options_.minimum_rate) * elementary::raised_cosine(half_waves);
  }
  friend bool operator==(const cosine_wave&, const cosine_wave&) = default;

 private:
  cosine_wave_options options_;
};

/// Parameters of `cyclic`.
struct cyclic_options {
  enum class amplitude {
    triangular,   ///< every cycle reaches the peak
    triangular2,  ///< the height halves from cycle to cycle
    exp_range     ///< the height is scaled by gamma^t
  };
  double base_rate = 0.1;           ///< rate at both ends of a cycle; finite, >= 0
  double peak_rate = 1.0;           ///< rate at its top; finite, >= base_rate
  std::uint64_t rising_steps = 1;   ///< steps up, in [1, 2^53]
  std::uint64_t falling_steps = 1;  ///< steps down, in [1, 2^53]
  amplitude mode = amplitude::triangular;
  double gamma = 1.0;  ///< exp_range only: > 0; above 1 the triangles grow forever, in the end to infinity

  friend bool operator==(const cyclic_options&, const cyclic_options&) = default;
};

/// Triangles: linear up, linear down, forever.
/// @par Source
/// Smith, "Cyclical Learning Rates for Training Neural Networks", 2015, arXiv 1506.01186.
class cyclic {
 public:
  /// @throws std::invalid_argument for an option outside its range; std::domain_error for NaN
  constexpr explicit cyclic(const cyclic_options& options) : options_(options) {
    constexpr const char* function = "gavel::schedule::cyclic";
    check_not_negative(function, "peak_rate", options.peak_rate);
    detail::check_minimum(function, "base_rate", options.base_rate, "peak_rate", options.peak_rate);
    detail::check_steps(function, "rising_steps", options.rising_steps);
    detail::check_steps(function, "falling_steps", options.falling_steps);
    check_positive(function, "gamma", options.gamma);
  }
  [[nodiscard]] constexpr double rate(std::uint64_t step) const noexcept {
    const std::uint64_t length = options_.rising_steps + options_.falling_steps;
    const std::uint64_t cycle = step / length;
    const std::uint64_t at = step % length;
    const double height = at <= options_.rising_steps ? detail::real(at) / detail::real(options_.rising_steps)
                                                      : detail::real(length - at) / detail::real(options_.falling_steps);
    const double above = (options_.peak_rate - options_.base_rate) * height;
    return above == 0.0 ? options_.base_rate : options_.base_rate + above * scale(step, cycle);  // the scale may be infinite
  }
  [[nodiscard]] constexpr std::uint64_t cycle_steps() const noexcept { return options_.rising_steps + options_.falling_steps; }
  friend bool operator==(const cyclic&, const cyclic&) = default;

 private:
  [[nodiscard]] constexpr double scale(std::uint64_t step, std::uint64_t cycle) const noexcept {
    switch (options_.mode) {
      case cyclic_options::amplitude::triangular2: return elementary::pow(0.5, static_cast<double>(cycle));
      case cyclic_options::amplitude::exp_range: return elementary::pow(options_.gamma, static_cast<double>(step));
      case cyclic_options::amplitude::triangular: break;
    }
    return 1.0;
  }
  cyclic_options options_;
};

/// Parameters of `warm_restarts`.
struct warm_restarts_options {
  double base_rate = 1.0;     ///< top of the first cycle; finite, >= 0
  double minimum_rate = 0.0;  ///< rate that every cycle runs to; in [0, base_rate]
  double first_steps = 1.0;   ///< T_0, length of the first cycle in steps, >= 1
  double length_ratio = 1.0;  ///< T_mult, each cycle is so many times as long as the one before, >= 1
  double height_ratio = 1.0;  ///< base_rate is multiplied by this from cycle to cycle, > 0; above 1 without bound, in the end to infinity
  std::uint64_t cycles = 0;   ///< after so many the minimum rate is held; 0: never

  friend bool operator==(const warm_restarts_options&, const warm_restarts_options&) = default;
};

/// A profile that restarts: cycle i has length T_0 m^i and runs from base r^i to the minimum,
///
///     rate = minimum + (base r^i - minimum) P((t - begin_i) / (T_0 m^i)).
///
/// With r < 1 the tops sink towards 0, in the end past a minimum > 0: from then on cycles rise to the minimum from below, as timm's do.
/// `at_least(minimum, ...)` keeps such a schedule up.
/// @note O(1) for cycles of equal length, otherwise O(cycles before step t), at most 1000: the cycle is found by adding lengths, since its
///       closed form with a logarithm is off by one at exact boundaries; only beyond 1000 cycles, where m is within 5 % of 1 and lengths are
///       not whole, the closed form takes over. Boundaries are exact while lengths are whole or all the same.
/// @par Source
/// Loshchilov, Hutter, "SGDR", 2016, arXiv 1608.03983.
template <profile P = cosine>
class warm_restarts {
 public:
  /// @throws std::invalid_argument for an option outside its range; std::domain_error for NaN
  constexpr explicit warm_restarts(const warm_restarts_options& options, P shape = P{}) : options_(options), shape_(shape) {
    constexpr const char* function = "gavel::schedule::warm_restarts";
    check_not_negative(function, "base_rate", options.base_rate);
    detail::check_minimum(function, "minimum_rate", options.minimum_rate, "base_rate", options.base_rate);
    check_finite(function, "first_steps", options.first_steps);
    check_at_least(function, "first_steps", options.first_steps, 1.0);
    check_finite(function, "length_ratio", options.length_ratio);
    check_at_least(function, "length_ratio", options.length_ratio, 1.0);
    check_positive(function, "height_ratio", options.height_ratio);
  }
  [[nodiscard]] constexpr double rate(std::uint64_t step) const {
    const position now = locate(step);
    if (options_.cycles != 0 && now.cycle >= static_cast<double>(options_.cycles)) return options_.minimum_rate;
    const double share = detail::checked("gavel::schedule::warm_restarts::rate", "shape(u)", shape_(now.share));
    if (share == 0.0) return options_.minimum_rate;  // below a top that may be infinite
    const double top =
        options_.height_ratio == 1.0 ? options_.base_rate : detail::scaled(options_.base_rate, options_.height_ratio, now.cycle);
    return options_.minimum_rate + (top - options_.minimum_rate) * share;
  }
  friend bool operator==(const warm_restarts&, const warm_restarts&) = default;

 private:
  struct position {
    double cycle;
    double share;
  };
  [[nodiscard]] constexpr position locate(std::uint64_t step) const {
    const auto now = static_cast<double>(step);
    if (options_.length_ratio == 1.0) {
      const double nearest = elementary::floor(now / options_.first_steps + 0.5);
      const double since = now - nearest * options_.first_steps;
      const double rounding = now < 0x1p51 ? 0x1p-52 * now : 0.5;  // twice, and less than a step
      if (since < rounding && -since < rounding) return {nearest, 0.0};
      const double cycle = since < 0.0 ? nearest - 1.0 : nearest;
      return {cycle, detail::unit((now - cycle * options_.first_steps) / options_.first_steps)};
    }
    double cycle = 0.0;
    double begin = 0.0;
    double length = options_.first_steps;
    while (now >= begin + length) {
      if (cycle == most_added) return locate_far(now);
      begin += length;
      length *= options_.length_ratio;
      cycle += 1.0;
    }
    return {cycle, (now - begin) / length};
  }
  // begin_n = T_0 (m^n - 1) / (m - 1), solved for n: exact but for rounding, whatever the number of cycles.
  [[nodiscard]] constexpr position locate_far(double now) const {
    const double growth = options_.length_ratio - 1.0;
    const double log_ratio = elementary::log(options_.length_ratio);
    const double cycle = elementary::floor(elementary::log(1.0 + now * growth / options_.first_steps) / log_ratio);
    const double begin = options_.first_steps * elementary::expm1(cycle * log_ratio) / growth;
    return {cycle, detail::unit((now - begin) / (options_.first_steps * elementary::exp(cycle * log_ratio)))};
  }
  static constexpr double most_added = 1000.0;  // cycles
  warm_restarts_options options_;
  detail::stored<P> shape_;
};
warm_restarts(const warm_restarts_options&) -> warm_restarts<cosine>;

}  // namespace gavel::schedule
