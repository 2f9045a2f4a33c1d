// SPDX-License-Identifier: MIT
#pragma once

#include <gavel/core/check.hpp>
#include <gavel/schedule/combinators.hpp>
#include <gavel/schedule/profile.hpp>

#include <concepts>
#include <string>
#include <string_view>
#include <variant>

/// @file
/// A profile that is chosen while the program runs, by its name in a configuration or from parameters read there. It is a profile like every
/// other: stretch it, warm it up, lift it.
///
///     any_profile shape = profile_named(config.schedule);                    // "wsd", "cosine", ...
///     if (config.decay) shape = wsd({.decay = *config.decay});               // with parameters of its own
///     const auto rates = warmup_by_steps(500, stretch(shape, {.steps = 10'000, .base_rate = 3e-4}));
///
/// @par Source
/// None but the profiles it holds.

namespace gavel::schedule {

namespace detail {

template <class P, class Variant>
inline constexpr bool is_alternative = false;
template <class P, class... Alternatives>
inline constexpr bool is_alternative<P, std::variant<Alternatives...>> = (std::same_as<P, Alternatives> || ...);

}  // namespace detail

/// One of the profiles of profile.hpp or `wsd`; it holds the value itself, without a table and without an allocation. Of lists of milestones
/// there is none here, since every value would take their room: a `table` or a type of your own holds those.
/// @note A rate costs one jump more than that of the profile by its own type.
class any_profile {
 public:
  using variant = std::variant<constant, linear, rex, cosine, polynomial, one_minus_sqrt, exponential, exponential_to_zero,
                               reflected_exponential, geometric, inverse_linear, hyperbolic_tangent, one_cycle, wsd<>, wsd<one_minus_sqrt>>;

  template <class P>
    requires detail::is_alternative<P, variant>
  constexpr any_profile(P shape) : shape_(shape) {}
  [[nodiscard]] constexpr double operator()(double z) const {
    return std::visit([z](const auto& shape) { return shape(z); }, shape_);
  }
  /// As part of another profile, which knows how far rounding may have moved the place.
  [[nodiscard]] constexpr double at(const detail::position& z) const {
    return std::visit([&z](const auto& shape) { return detail::read(shape, z); }, shape_);
  }
  /// What it holds.
  [[nodiscard]] constexpr const variant& held() const noexcept { return shape_; }
  friend bool operator==(const any_profile&, const any_profile&) = default;

 private:
  variant shape_;
};

/// A profile and the name it is known by.
struct named_profile {
  std::string_view name;
  any_profile shape;
};

/// All profiles that need no parameter, by the names of their types with their default parameters; `sqrt` is `polynomial(0.5)`.
inline constexpr named_profile named_profiles[] = {{"constant", constant{}},
                                                   {"linear", linear{}},
                                                   {"rex", rex{}},
                                                   {"cosine", cosine{}},
                                                   {"sqrt", polynomial(0.5)},
                                                   {"one_minus_sqrt", one_minus_sqrt{}},
                                                   {"exponential", exponential{}},
                                                   {"exponential_to_zero", exponential_to_zero{}},
                                                   {"reflected_exponential", reflected_exponential{}},
                                                   {"one_cycle", one_cycle{}},
                                                   {"wsd", wsd<>{}},
                                                   {"wsd_one_minus_sqrt", wsd<one_minus_sqrt>{}}};

namespace detail {

[[noreturn]] GAVEL_COLD inline void refuse_name(std::string_view name) {
  std::string rule = "must be one of";
  for (const named_profile& one : named_profiles) rule += " " + std::string(one.name);
  refuse("gavel::schedule::profile_named", ("name = \"" + std::string(name) + "\"").c_str(), {}, rule.c_str());
}

}  // namespace detail

/// The profile of a name.
/// @param name one of `named_profiles`
/// @throws std::invalid_argument for another name; the message lists them
[[nodiscard]] constexpr any_profile profile_named(std::string_view name) {
  for (const named_profile& one : named_profiles) {
    if (one.name == name) return one.shape;
  }
  detail::refuse_name(name);
}

}  // namespace gavel::schedule
