// SPDX-License-Identifier: MIT
#include <gavel/schedule.hpp>

#include <gavel/core/median_filter.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <limits>
#include <span>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

// Any bytes as logs, options, shapes and steps of the schedule topic: either a clear error that names its function, or a result that keeps
// what the documentation promises. Nothing is NaN, rates are neither negative nor above their base, refined rates end in 0, fits have valid
// statuses and laws, logs with gaps agree with the loop over every step, and the running median agrees with sorting.
//
// Input: what is checked (0..7), then the numbers and steps that it takes, see `byte_reader`. Where the bytes end, zeros follow.

namespace {

namespace schedule = gavel::schedule;

constexpr double largest = (std::numeric_limits<double>::max)();

void require(bool condition, const char* what, double value = 0.0) {
  if (condition) return;
  std::fprintf(stderr, "schedule_fuzz: %s (%.17g)\n", what, value);
  std::abort();
}

class byte_reader {
 public:
  byte_reader(const unsigned char* data, std::size_t size) : data_(data), size_(size) {}
  unsigned next() { return size_ == 0 ? 0u : (--size_, *data_++); }
  bool next_bool() { return next() % 2 != 0; }
  std::uint64_t next_word() {
    unsigned char bytes[sizeof(std::uint64_t)];
    for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(next());
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    return word;
  }
  // A byte says how the number is written: most are ordinary, some are powers of two from end to end of the range, some any double.
  double next_number() {
    const unsigned style = next();
    if (style < 96) return static_cast<double>(style) / 64.0;
    if (style < 160) return (1.0 + static_cast<double>(next())) / 256.0;
    if (style < 208) return static_cast<double>(next());
    if (style < 232) return std::ldexp(1.0 + static_cast<double>(style) / 256.0, static_cast<int>(next()) * 8 - 1074);
    switch (style) {
      case 232: return largest;
      case 233: return std::numeric_limits<double>::denorm_min();
      case 234: return 1.0 - std::numeric_limits<double>::epsilon() / 2.0;
      case 235: return std::numeric_limits<double>::infinity();
      case 236: return std::numeric_limits<double>::quiet_NaN();
      case 237: return -1.0;
      default: break;
    }
    const std::uint64_t word = next_word();
    double value = 0.0;
    std::memcpy(&value, &word, sizeof value);
    return value;
  }
  // Steps: small ones, and those around 2^53, any power of two and 2^64 - 1.
  std::uint64_t next_step() {
    const unsigned style = next();
    if (style < 160) return style;
    if (style < 192) return schedule::max_steps - 128 + next();
    if (style < 216) return ~std::uint64_t{0} - next();
    if (style < 240) return (std::uint64_t{1} << (next() % 64)) - style % 2;
    return next_word();
  }
  std::vector<double> next_numbers(std::size_t n) {
    std::vector<double> numbers(n);
    for (double& x : numbers) x = next_number();
    return numbers;
  }

 private:
  const unsigned char* data_;
  std::size_t size_;
};

void check_message(const std::exception& error) {
  const std::string_view message = error.what();
  require(message.starts_with("gavel::") && message.find(": ") != std::string_view::npos && message.size() < 300, error.what());
}

/// Whether the call went through; anything but the two documented exceptions escapes and stops the program.
template <class Call>
bool attempt(const Call& call) {
  try {
    call();
    return true;
  } catch (const std::invalid_argument& error) {
    check_message(error);
  } catch (const std::domain_error& error) {
    check_message(error);
  }
  return false;
}

bool all_untouched(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double x) { return x == -7.0; });
}

/// Small and large numbers whose squares, products and sums stay far inside the range of doubles.
bool is_modest(double x) { return x == 0.0 || (x >= 1e-30 && x <= 1e30); }
bool all_modest(const std::vector<double>& values) { return std::all_of(values.begin(), values.end(), is_modest); }

bool is_close(double a, double b, double tolerance) { return std::fabs(a - b) <= tolerance * (std::max)(std::fabs(a), std::fabs(b)); }

// --- 0: refinement -------------------------------------------------------------------------------------------------------------------

void check_refined(const std::vector<double>& rates, double base_rate, double distance, bool modest) {
  for (const double rate : rates) {
    require(rate >= 0.0, "a refined rate is negative or NaN", rate);
    require(rate < gavel::infinity || (distance > 0.0 && !modest), "a refined rate is infinite", rate);
    require(distance > 0.0 || rate <= base_rate * (1.0 + 1e-12), "a refined rate is above its base", rate / base_rate);
  }
}

void check_refinement(byte_reader& input) {
  const std::vector<double> norms = input.next_numbers(input.next() % 40);
  schedule::refinement_options options{.norm = input.next_bool() ? schedule::gradient_norm::l1 : schedule::gradient_norm::l2,
                                       .steps = input.next() % 80,
                                       .distance = input.next_bool() ? 0.0 : input.next_number(),
                                       .base_rate = input.next_number(),
                                       .smoothing = input.next_number()};
  options.smoothing_width = input.next_bool() ? 0 : input.next_step();
  options.drop_ends = input.next_bool() ? 0 : input.next_step();
  options.drop_non_finite = input.next_bool();
  options.force = input.next_bool();
  attempt([&] {
    const schedule::refined_schedule result = schedule::refine(norms, options);
    const bool modest = all_modest(norms) && is_modest(options.distance);
    require(result.steps() == (options.steps == 0 ? norms.size() : options.steps), "number of rates");
    check_refined(result.rates, options.base_rate, options.distance, modest);
    require(result.steps() == 1 || result.rates.back() == 0.0, "the last rate is not 0", result.rates.back());
    require(result.rate(~std::uint64_t{0}) == result.rates.back(), "the last rate is not held");
    require(result.guarantee >= 0.0 && (result.guarantee < gavel::infinity || !modest), "guarantee", result.guarantee);
    require(result.end_ratio >= 0.0, "end_ratio", result.end_ratio);
    require(result.status <= schedule::refinement_status::too_short, "status");
    require((result.status == schedule::refinement_status::too_short) == (result.steps() == 1), "status of a single step");
    require(result.smoothing_width % 2 == 1 && result.floored_norms + result.dropped_norms <= norms.size(), "counts");
  });
  std::vector<std::uint64_t> steps;
  for (std::size_t i = 0; i < norms.size(); ++i) steps.push_back(input.next_step());
  options.steps = 20;
  attempt([&] {
    const schedule::refined_schedule result = schedule::refine(steps, norms, options);
    require(result.steps() == 20 && result.norms.size() == 20, "number of rates");
    check_refined(result.rates, options.base_rate, options.distance, all_modest(norms) && is_modest(options.distance));
    require(result.repeated_norms + result.dropped_norms < norms.size(), "counts");
  });
  std::vector<double> rates(norms.size(), -7.0);
  double guarantee = 0.0;
  const bool done = attempt([&] {
    guarantee = schedule::refined_rates(norms, rates, {.norm = options.norm, .distance = options.distance, .base_rate = options.base_rate});
  });
  if (!done) return require(all_untouched(rates), "refined_rates threw after it had written");
  check_refined(rates, options.base_rate, options.distance, all_modest(norms) && is_modest(options.distance));
  require(rates.back() == 0.0, "the last rate is not 0", rates.back());
  require(guarantee >= 0.0, "guarantee", guarantee);
}

// --- 1: the bound on the last iterate ------------------------------------------------------------------------------------------------

void check_bound(byte_reader& input) {
  const std::size_t n = input.next() % 24;
  const std::vector<double> rates = input.next_numbers(n), norms = input.next_numbers(n);
  const double distance = input.next_number();
  const bool modest = all_modest(rates) && all_modest(norms) && is_modest(distance);
  double bound = -1.0;
  if (attempt([&] { bound = schedule::last_iterate_bound(rates, norms, distance); })) require(bound >= 0.0, "bound", bound);
  attempt([&] {
    const schedule::best_base_rate_result best = schedule::best_base_rate(rates, norms, distance);
    require(best.status <= schedule::best_base_rate_status::zero_norms, "status");
    require(best.base_rate >= 0.0 && best.bound >= 0.0, "best_base_rate", best.base_rate);
    require((best.status == schedule::best_base_rate_status::no_positive_rate) == (best.bound == gavel::infinity) || !modest,
            "infinite bound", best.bound);
    if (modest) require(best.bound <= bound * (1.0 + 1e-9), "the best bound is above the bound by", best.bound - bound);
  });
  std::vector<double> gradient(n, -7.0);
  double with_gradient = 0.0;
  const bool done = attempt([&] { with_gradient = schedule::last_iterate_bound(rates, norms, distance, gradient); });
  if (!done) return require(all_untouched(gradient), "last_iterate_bound threw after it had written");
  if (!modest) return;
  require(is_close(with_gradient, bound, 1e-9), "the bounds with and without a gradient differ", with_gradient - bound);
  for (const double slope : gradient) require(std::isfinite(slope), "slope", slope);
}

// --- 2 and 3: laws of the loss -------------------------------------------------------------------------------------------------------------

std::vector<std::uint64_t> read_ascending(byte_reader& input, std::size_t n, unsigned gap) {
  std::vector<std::uint64_t> steps(n);
  std::uint64_t step = input.next() % gap;
  for (std::uint64_t& s : steps) {
    s = step;
    step += 1 + input.next() % gap;
  }
  return steps;
}

void check_fit(const schedule::annealing_fit& fit, bool fitted) {
  fit.law.check("schedule_fuzz: fitted law");  // would escape: its message names no function of the library
  require(fit.status <= schedule::annealing_fit_status::too_few_points, "status");
  require((fit.status == schedule::annealing_fit_status::too_few_points) == !fitted, "too_few_points");
  require(fit.objective >= 0.0, "objective", fit.objective);
  require(fit.agreeing <= fit.starts, "agreeing");
  require(fit.mean_relative_error >= 0.0 && fit.max_relative_error >= 0.0, "relative errors", fit.mean_relative_error);
  const auto& e = fit.standard_errors;
  require(e.loss_floor >= 0.0 && e.amplitude >= 0.0 && e.annealing >= 0.0 && e.alpha >= 0.0, "standard errors");
  const bool known = fit.identified.loss_floor && fit.identified.amplitude && fit.identified.annealing && fit.identified.alpha;
  require(known == (fit.status <= schedule::annealing_fit_status::unexplained), "identified and status disagree");
}

template <class Law>
void check_prediction(const Law& law, const std::vector<double>& rates, std::uint64_t warmup) {
  std::vector<double> losses(rates.size(), -7.0);
  const bool done = attempt([&] { schedule::predict(law, rates, std::span<double>(losses), {.warmup_steps = warmup}); });
  if (!done) return require(all_untouched(losses), "predict threw after it had written");
  for (const double loss : losses) require(loss >= Law::smallest_loss && loss <= largest, "predicted loss", loss);
  attempt([&] {
    const double last = schedule::predict_at(law, rates, rates.size() - 1, {.warmup_steps = warmup});
    require(last >= Law::smallest_loss && last <= largest, "predicted loss", last);
  });
}

void check_annealing_law(byte_reader& input) {
  schedule::annealing_observations observations{.decay_factor = input.next_number()};
  std::vector<double> rates;
  std::uint64_t warmup = 0;
  for (unsigned curves = 1 + input.next() % 2; curves > 0; --curves) {
    rates = input.next_numbers(input.next() % 24);
    const std::vector<std::uint64_t> steps = read_ascending(input, input.next() % 8, 6);
    const std::vector<double> losses = input.next_numbers(steps.size());
    warmup = input.next_bool() ? 0 : input.next_step();
    const std::size_t before = observations.size();
    const bool added = attempt([&] { observations.add_curve(rates, steps, losses, warmup); });
    require(observations.size() == before + (added ? steps.size() : 0), "number of points");
  }
  schedule::annealing_fit_options options{.max_iterations = input.next() % 60};
  if (input.next_bool()) options.huber_delta = input.next_number();
  if (input.next_bool()) options.min_alpha = input.next_number();
  if (input.next_bool()) options.max_alpha = input.next_number();
  for (const auto method : {schedule::annealing_fit_method::least_squares, schedule::annealing_fit_method::huber}) {
    options.method = method;
    attempt([&] {
      const schedule::annealing_fit fit = schedule::fit_annealing_law(observations, options);
      check_fit(fit, observations.size() >= 4);
      check_prediction(fit.law, rates, warmup);
    });
  }
  const schedule::annealing_law any{.loss_floor = input.next_number(),
                                    .amplitude = input.next_number(),
                                    .annealing = input.next_number(),
                                    .alpha = input.next_number(),
                                    .decay_factor = input.next_number()};
  check_prediction(any, rates, warmup);
}

void check_multi_power_law(byte_reader& input) {
  schedule::multi_power_observations observations;
  attempt([&] { observations = schedule::multi_power_observations(input.next_number()); });
  const std::vector<double> rates = input.next_numbers(input.next() % 24);
  const std::vector<std::uint64_t> steps = read_ascending(input, input.next() % 8, 5);
  const std::vector<double> losses = input.next_numbers(steps.size());
  const std::uint64_t warmup = input.next_bool() ? 0 : input.next_step();
  attempt([&] { observations.add_curve(rates, steps, losses, warmup); });
  attempt([&] {
    schedule::multi_power_fit_options options{.max_iterations = input.next() % 12, .starts = input.next() % 3};
    if (input.next_bool()) options.huber_delta = input.next_number();
    if (input.next_bool()) options.relative_error = input.next_number();
    const schedule::multi_power_fit fit = schedule::fit_multi_power_law(observations, options);
    require(fit.status <= schedule::multi_power_fit_status::no_points, "status");
    require((fit.status == schedule::multi_power_fit_status::no_points) == (observations.size() == 0), "no_points");
    require(fit.objective >= 0.0 && fit.mean_relative_error >= 0.0 && fit.max_relative_error >= 0.0, "objective", fit.objective);
    const auto& e = fit.relative_errors;
    for (const double error : {e.loss_floor, e.amplitude, e.annealing, e.alpha, e.scale, e.beta, e.gamma}) {
      require(error >= 0.0, "relative error of a parameter", error);
    }
    const auto& law = fit.law;
    for (const double x : {law.loss_floor, law.amplitude, law.annealing, law.alpha, law.scale, law.beta, law.gamma, law.warmup_area}) {
      require(x >= 0.0 && x <= largest, "fitted parameter", x);
    }
    check_prediction(law, rates, warmup);
  });
  const schedule::multi_power_law any{.loss_floor = input.next_number(),
                                      .amplitude = input.next_number(),
                                      .annealing = input.next_number(),
                                      .alpha = input.next_number(),
                                      .scale = input.next_number(),
                                      .beta = input.next_number(),
                                      .gamma = input.next_number(),
                                      .warmup_area = input.next_number()};
  check_prediction(any, rates, warmup);
}

// --- 4 and 5: shapes, combinators, samplings and presets -----------------------------------------------------------------------------------

using any_profile = std::function<double(double)>;

struct any_schedule {
  std::function<double(std::uint64_t)> of;
  [[nodiscard]] double rate(std::uint64_t step) const { return of(step); }
};

any_profile read_profile(byte_reader& input, int depth) {
  const unsigned kind = input.next() % (depth > 0 ? 22u : 13u);
  if (kind >= 13) {
    const any_profile inner = read_profile(input, depth - 1);
    switch (kind) {
      case 13: return schedule::delayed(input.next_number(), inner);
      case 14: return schedule::warmup(input.next_number(), inner);
      case 15: return schedule::warmup(input.next_number(), inner, schedule::one_minus_sqrt{});
      case 16: return schedule::concat(inner, input.next_number(), read_profile(input, depth - 1));
      case 17: return schedule::floor(input.next_number(), inner);
      case 18: {
        const double cycles = input.next_number();
        return schedule::restart(cycles, inner, input.next_number());
      }
      case 19: return schedule::powered(input.next_number(), inner);
      case 20: return schedule::bent(input.next_number(), inner);
      default: {
        const double warmup = input.next_number();
        return schedule::wsd({.warmup = warmup, .decay = input.next_number()}, inner);
      }
    }
  }
  switch (kind) {
    case 0: return schedule::rex(input.next_number());
    case 1: return schedule::rex(-input.next_number());
    case 2: return schedule::cosine(input.next_number());
    case 3: return schedule::polynomial(input.next_number());
    case 4: return schedule::one_minus_sqrt{};
    case 5: return schedule::exponential(input.next_number());
    case 6: return schedule::exponential_to_zero(input.next_number());
    case 7: return schedule::reflected_exponential(input.next_number());
    case 8: return schedule::geometric(input.next_number());
    case 9: return schedule::inverse_linear(input.next_number());
    case 10: {
      const double lower = -input.next_number();
      return schedule::hyperbolic_tangent(lower, input.next_number());
    }
    case 11: {
      const double factor = input.next_number();
      return schedule::step_decay(factor, input.next_numbers(input.next() % 5));
    }
    default: {
      schedule::one_cycle_options options{.peak_at = input.next_number(), .start_divisor = input.next_number()};
      options.final_divisor = input.next_number();
      if (input.next_bool()) options.anneal = schedule::one_cycle_options::curve::linear;
      options.three_phase = input.next_bool();
      options.back_at = input.next_bool() ? 0.0 : input.next_number();
      return schedule::one_cycle(options);
    }
  }
}

/// @param end the rate is held from here on
template <schedule::rate_schedule S>
void check_rates(byte_reader& input, const S& rates, double top, std::uint64_t end) {
  const double last = rates.rate(end);
  const std::array<std::uint64_t, 10> steps{0,
                                            1,
                                            end / 2,
                                            end == 0 ? 0 : end - 1,
                                            end,
                                            input.next_step(),
                                            input.next_step(),
                                            schedule::max_steps - 1,
                                            schedule::max_steps + 1,
                                            ~std::uint64_t{0}};
  for (const std::uint64_t step : steps) {
    const double rate = rates.rate(step);
    require(rate >= 0.0, "a rate is negative or NaN", rate);
    require(rate <= top * (1.0 + 1e-12), "a rate is above the highest one", rate);
    require(step < end || rate == last, "a rate after the end is not held", rate);
  }
}

constexpr std::uint64_t no_end = ~std::uint64_t{0};

template <class Sampling, class Convention>
void check_stretch(byte_reader& input, const any_profile& shape, const Sampling& sampling, const Convention& convention) {
  schedule::horizon over{.steps = input.next_step(), .base_rate = input.next_number()};
  if (input.next_bool()) over.minimum_rate = input.next_number();
  const auto rates = schedule::stretch(shape, over, sampling, convention);
  for (const std::uint64_t step : {std::uint64_t{0}, over.steps - 1, over.steps, ~std::uint64_t{0}}) {
    const double z = rates.progress(step);
    require(z >= 0.0 && z <= 1.0, "progress", z);
  }
  check_rates(input, rates, over.base_rate, over.steps);
  attempt([&] {
    const std::uint64_t start = input.next_step();
    const double height = rates.rate(start);
    const auto cooled = schedule::cooldown(rates, {.start = start, .steps = input.next_step(), .minimum_rate = input.next_number()});
    check_rates(input, cooled, over.base_rate, cooled.steps());
    require(cooled.rate(start) == height || is_close(cooled.rate(start), height, 1e-12), "a cooldown starts with a jump");
  });
  attempt([&] {
    const double from = input.next_number();
    const schedule::ramp<any_profile> ramp({.from = from, .to = over.base_rate, .steps = input.next_step()}, shape);
    const auto rising = schedule::sequence(ramp, ramp.steps(), rates);
    check_rates(input, rising, (std::max)(from, over.base_rate), no_end);
  });
}

template <class Convention>
void check_sampling(byte_reader& input, const any_profile& shape, const Convention& convention) {
  switch (input.next() % 3) {
    case 0: return check_stretch(input, shape, schedule::every_step{}, convention);
    case 1: return check_stretch(input, shape, schedule::every(input.next_step()), convention);
    default: return check_stretch(input, shape, schedule::milestones(input.next_numbers(input.next() % 5)), convention);
  }
}

void check_shape(byte_reader& input) {
  attempt([&] {
    const any_profile shape = read_profile(input, 3);
    for (const double z : {0.0, 1.0, 0.5, std::fabs(input.next_number())}) {
      if (std::isnan(z)) continue;
      const double share = shape(z);
      require(share >= 0.0 && share <= 1.0 + 1e-12, "share", share);
    }
    switch (input.next() % 4) {
      case 0: return check_sampling(input, shape, schedule::left{});
      case 1: return check_sampling(input, shape, schedule::right{});
      case 2: return check_sampling(input, shape, schedule::inclusive{});
      default: return check_sampling(input, shape, schedule::interior{});
    }
  });
}

void check_preset(byte_reader& input) {
  const unsigned kind = input.next() % 13;
  const double base = input.next_number(), x = input.next_number(), y = input.next_number();
  const std::uint64_t t = input.next_step(), u = input.next_step();
  const bool flag = input.next_bool();
  attempt([&] {
    switch (kind) {
      case 0: {
        const schedule::horizon_free_decay_options options{.base_rate = base, .factor = x, .period = y, .staircase = flag};
        check_rates(input, schedule::exponential_decay(options), x > 1.0 ? gavel::infinity : base, no_end);
        return check_rates(input, schedule::inverse_time(options), base, no_end);
      }
      case 1: return check_rates(input, schedule::inverse_sqrt({.base_rate = base, .warmup_steps = t, .timescale = x}), base, no_end);
      case 2: return check_rates(input, schedule::transformer({.scale = base, .model_width = t, .warmup_steps = u}), base, no_end);
      case 3: return check_rates(input, schedule::cosine_wave({.base_rate = base, .minimum_rate = x, .half_wave = y}), base, no_end);
      case 4: {
        const schedule::cyclic_options options{.base_rate = x,
                                               .peak_rate = base,
                                               .rising_steps = t,
                                               .falling_steps = u,
                                               .mode = static_cast<schedule::cyclic_options::amplitude>(input.next() % 3),
                                               .gamma = y};
        return check_rates(input, schedule::cyclic(options), y > 1.0 ? gavel::infinity : base, no_end);
      }
      case 5: {
        const schedule::warm_restarts_options options{.base_rate = base,
                                                      .minimum_rate = x,
                                                      .first_steps = y,
                                                      .length_ratio = 1.0 + input.next_number(),
                                                      .height_ratio = 1.0,
                                                      .cycles = t};
        return check_rates(input, schedule::warm_restarts(options), base, no_end);
      }
      case 6: return check_rates(input, schedule::pytorch::cosine_annealing_lr({.base_lr = base, .t_max = t, .eta_min = x}), base, t);
      case 7: return check_rates(input, schedule::pytorch::polynomial_lr({.base_lr = base, .total_iters = t, .power = x}), base, t);
      case 8: {
        const auto rates =
            schedule::pytorch::one_cycle_lr({.max_lr = base, .total_steps = t, .pct_start = x, .div_factor = y, .three_phase = flag});
        return check_rates(input, rates, base, t);
      }
      case 9: {
        const auto rates = schedule::pytorch::cosine_annealing_warm_restarts({.base_lr = base, .t_0 = t, .t_mult = u, .eta_min = x});
        return check_rates(input, rates, base, no_end);
      }
      case 10:
        return check_rates(input, schedule::pytorch::step_lr({.base_lr = base, .step_size = t, .gamma = x}),
                           x > 1.0 ? gavel::infinity : base, no_end);
      case 11: {
        const auto rates = schedule::optax::warmup_cosine_decay_schedule({.init_value = x,
                                                                          .peak_value = base,
                                                                          .warmup_steps = t,
                                                                          .decay_steps = u,
                                                                          .end_value = y,
                                                                          .exponent = 1.0 + input.next_number()});
        return check_rates(input, rates, (std::max)(x, base), u);
      }
      default: {
        const auto rates = schedule::timm::cosine({.base_lr = base,
                                                   .t_initial = t,
                                                   .lr_min = x,
                                                   .cycle_mul = 1.0 + input.next_number(),
                                                   .cycle_limit = input.next(),
                                                   .warmup_t = u,
                                                   .warmup_lr_init = y,
                                                   .warmup_prefix = flag});
        return check_rates(input, rates, (std::max)(y, base), no_end);
      }
    }
  });
}

// --- 6 and 7: the running median, and logs with gaps ---------------------------------------------------------------------------------------

void check_median(byte_reader& input) {
  const std::vector<double> values = input.next_numbers(input.next() % 24);
  gavel::median_filter_options options{.width = input.next() % 26};
  if (input.next_bool()) options.left = gavel::edge_padding::reflect;
  if (input.next_bool()) options.right = gavel::edge_padding::reflect;
  std::vector<double> out(values.size(), -7.0);
  if (!attempt([&] { gavel::median_filter(values, out, options); })) {
    return require(all_untouched(out), "median_filter threw after it had written");
  }
  const auto n = static_cast<std::ptrdiff_t>(values.size()), half = static_cast<std::ptrdiff_t>(options.width / 2);
  for (std::ptrdiff_t t = 0; t < n; ++t) {
    std::vector<double> window;
    for (std::ptrdiff_t i = t - half; i <= t + half; ++i) {
      std::ptrdiff_t at = i;
      if (i < 0) at = options.left == gavel::edge_padding::reflect ? -i : 0;
      if (i >= n) at = options.right == gavel::edge_padding::reflect ? 2 * (n - 1) - i : n - 1;
      window.push_back(values[static_cast<std::size_t>(at)]);
    }
    std::sort(window.begin(), window.end());
    require(out[static_cast<std::size_t>(t)] == window[options.width / 2], "median", out[static_cast<std::size_t>(t)]);
  }
}

void check_log(byte_reader& input) {
  const std::size_t n = input.next() % 8;
  const bool near = input.next_bool();  // gaps that a loop can cross
  std::vector<std::uint64_t> steps = read_ascending(input, n, 40);
  if (!near) {
    for (std::uint64_t& step : steps) step = input.next_step();
    if (input.next_bool()) std::sort(steps.begin(), steps.end());
  }
  const std::vector<double> rates = input.next_numbers(n);
  const schedule::rate_log log{
      .steps = steps,
      .rates = rates,
      .between = input.next_bool() ? schedule::rate_interpolation::linear : schedule::rate_interpolation::constant};
  const double decay_factor = input.next_number();
  const std::uint64_t warmup = input.next_bool() ? 0 : input.next_step(),
                      asked = input.next_bool() && n > 0 ? steps.back() : input.next_step();
  schedule::annealing_areas areas;
  if (!attempt([&] { areas = schedule::areas_at(log, asked, {.decay_factor = decay_factor, .warmup_steps = warmup}); })) return;
  require(areas.steps() == asked + 1, "steps of the areas");
  if (!near || !all_modest(rates)) return;
  schedule::annealing_areas dense(decay_factor);
  double scale = 0.0;  // what rounding is measured against: every rate may have fallen at every step
  for (std::uint64_t i = 0; i <= asked; ++i) {
    const double rate = log.rate(i < warmup ? warmup : i);
    dense.update(rate);
    scale = (std::max)(scale, rate);
  }
  const auto count = static_cast<double>(asked + 1);
  require(std::fabs(areas.forward() - dense.forward()) <= 1e-11 * scale * count, "forward area", areas.forward() - dense.forward());
  require(std::fabs(areas.annealing() - dense.annealing()) <= 1e-11 * scale * count, "annealing area",
          areas.annealing() - dense.annealing());
  require(std::fabs(areas.momentum() - dense.momentum()) <= 1e-11 * scale, "momentum", areas.momentum() - dense.momentum());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  byte_reader input(data, size);
  switch (input.next() % 8) {
    case 0: check_refinement(input); break;
    case 1: check_bound(input); break;
    case 2: check_annealing_law(input); break;
    case 3: check_multi_power_law(input); break;
    case 4: check_shape(input); break;
    case 5: check_preset(input); break;
    case 6: check_median(input); break;
    default: check_log(input); break;
  }
  return 0;
}
