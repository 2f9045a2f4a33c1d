// SPDX-License-Identifier: MIT
#include <gavel/schedule.hpp>

#include "support/catch.hpp"

#include <optional>

namespace option_defaults_test {

// Every default value of the topic, written out: a changed default changes what a program without the option computes.

using namespace gavel::schedule;

TEST_CASE("Defaults of the native schedules, fits and searches", "[schedule][defaults]") {
  static_assert(annealing_areas_options{} == annealing_areas_options{0.999, 0});
  static_assert(annealing_bootstrap_options{} == annealing_bootstrap_options{200, 0, 0.9, true, {}});
  static_assert(annealing_fit_options{} == annealing_fit_options{annealing_fit_method::least_squares, 1e-3, 1e-3, 8.0, 200});
  static_assert(annealing_law{} == annealing_law{0.0, 1.0, 0.0, 0.5, 0.999});
  static_assert(wsd_options{} == wsd_options{0.0, 0.2});
  static_assert(knee_options{} == knee_options{0.0, 0.5});
  static_assert(horizon_free_decay_options{} == horizon_free_decay_options{1.0, 0.5, 1.0, false});
  static_assert(inverse_sqrt_options{} == inverse_sqrt_options{1.0, 0, 0.0});
  static_assert(transformer_options{} == transformer_options{1.0, 512, 4000});
  static_assert(cosine_wave_options{} == cosine_wave_options{1.0, 0.0, 1.0});
  static_assert(cyclic_options{} == cyclic_options{0.1, 1.0, 1, 1, cyclic_options::amplitude::triangular, 1.0});
  static_assert(warm_restarts_options{} == warm_restarts_options{1.0, 0.0, 1.0, 1.0, 1.0, 0});
  static_assert(last_iterate_bound_minimum_options{} == last_iterate_bound_minimum_options{1e-6, 500, 10});
  static_assert(multi_power_fit_options{} == multi_power_fit_options{1e-3, 1e-7, 300, 6});
  static_assert(multi_power_law{} == multi_power_law{0.0, 1.0, 0.0, 0.5, 1.0, 0.5, 0.5, 0.0});
  static_assert(multi_power_prediction_options{} == multi_power_prediction_options{1e-7, 0});
  static_assert(plateau_options{} ==
                plateau_options{plateau_goal::minimize, 0.1, 10, 1e-4, plateau_threshold::relative, 0, 0.0, 1e-8, 0.0});
  static_assert(plateau_state{} == plateau_state{0.0, 0.0, 0, 0});
  static_assert(one_cycle_options{} == one_cycle_options{0.3, 25.0, 1e4, one_cycle_options::curve::cosine, false, 0.0});
  static_assert(horizon{} == horizon{0, 1.0, 0.0});
  static_assert(loss_prediction_options{} == loss_prediction_options{0});
  static_assert(refined_rates_options{} == refined_rates_options{gradient_norm::l2, 0.0, 1.0});
  static_assert(refinement_options{} == refinement_options{gradient_norm::l2, 0, 0.0, 1.0, 0.1, 0, 0, false, false});
  static_assert(averaging_weight_options{} == averaging_weight_options{0.0, 2.0});
  static_assert(schedule_free_sgd_options{} == schedule_free_sgd_options{1.0, 0, 0.9, 0.0, {}});
  static_assert(schedule_free_adamw_options{} == schedule_free_adamw_options{0.0025, 0, 0.9, 0.999, 1e-8, 0.0, {}});
  static_assert(cooldown_prediction_options{} == cooldown_prediction_options{0.0, 0, 1024});
  static_assert(ramp_options{} == ramp_options{0.0, 1.0, 0});
  static_assert(cooldown_options{} == cooldown_options{0, 0, 0.0});
  static_assert(rex{} == rex(0.5));
  static_assert(cosine{} == cosine(0.5));
  static_assert(exponential{} == exponential(3.0));
  static_assert(exponential_to_zero{} == exponential_to_zero(3.0));
  static_assert(reflected_exponential{} == reflected_exponential(3.0));
  static_assert(restart(2.0, linear{}) == restart(2.0, linear{}, 1.0));
  CHECK(annealing_areas{} == annealing_areas(0.999));
  CHECK(annealing_observations{}.decay_factor == 0.999);
  CHECK(multi_power_observations{}.warmup_area() == 0.0);
  const annealing_observations far{.forward = {1.0}, .annealing = {0.0}, .loss = {2.0}};  // from the prediction 1: the value needs delta
  CHECK(huber_objective({}, far).value == huber_objective({}, far, 1e-3).value);
}

TEST_CASE("Defaults of the presets", "[schedule][defaults]") {
  constexpr double third = 1.0 / 3.0;
  static_assert(keras::decay_options{} == keras::decay_options{1.0, 0.0, 0.0, false});
  static_assert(keras::piecewise_constant_decay_options{} == keras::piecewise_constant_decay_options{{}, {}});
  static_assert(keras::polynomial_decay_options{} == keras::polynomial_decay_options{1.0, 0, 1e-4, 1.0, false});
  static_assert(keras::cosine_decay_options{} == keras::cosine_decay_options{1.0, 0, 0.0, std::nullopt, 0});
  static_assert(keras::cosine_decay_restarts_options{} == keras::cosine_decay_restarts_options{1.0, 0, 2.0, 1.0, 0.0});
  static_assert(optax::polynomial_schedule_options{} == optax::polynomial_schedule_options{1.0, 0.0, 1.0, 0, 0});
  static_assert(optax::linear_schedule_options{} == optax::linear_schedule_options{1.0, 0.0, 0, 0});
  static_assert(optax::cosine_decay_schedule_options{} == optax::cosine_decay_schedule_options{1.0, 0, 0.0, 1.0});
  static_assert(optax::exponential_decay_options{} == optax::exponential_decay_options{1.0, 0, 0.0, 0, false, std::nullopt});
  static_assert(optax::piecewise_constant_schedule_options{} == optax::piecewise_constant_schedule_options{1.0, {}});
  static_assert(optax::piecewise_interpolate_schedule_options{} ==
                optax::piecewise_interpolate_schedule_options{optax::interpolation::linear, 1.0, {}});
  static_assert(optax::linear_onecycle_schedule_options{} == optax::linear_onecycle_schedule_options{0, 1.0, 0.3, 0.85, 25.0, 1e4});
  static_assert(optax::cosine_onecycle_schedule_options{} == optax::cosine_onecycle_schedule_options{0, 1.0, 0.3, 25.0, 1e4});
  static_assert(optax::warmup_constant_schedule_options{} == optax::warmup_constant_schedule_options{0.0, 1.0, 0});
  static_assert(optax::warmup_cosine_decay_schedule_options{} == optax::warmup_cosine_decay_schedule_options{0.0, 1.0, 0, 0, 0.0, 1.0});
  static_assert(optax::warmup_exponential_decay_schedule_options{} ==
                optax::warmup_exponential_decay_schedule_options{0.0, 1.0, 0, 0, 0.0, 0, false, std::nullopt});
  static_assert(pytorch::constant_lr_options{} == pytorch::constant_lr_options{1.0, third, 5});
  static_assert(pytorch::linear_lr_options{} == pytorch::linear_lr_options{1.0, third, 1.0, 5});
  static_assert(pytorch::polynomial_lr_options{} == pytorch::polynomial_lr_options{1.0, 5, 1.0});
  static_assert(pytorch::exponential_lr_options{} == pytorch::exponential_lr_options{1.0, 0.0});
  static_assert(pytorch::step_lr_options{} == pytorch::step_lr_options{1.0, 0, 0.1});
  static_assert(pytorch::multi_step_lr_options{} == pytorch::multi_step_lr_options{1.0, {}, 0.1});
  static_assert(pytorch::cosine_annealing_lr_options{} == pytorch::cosine_annealing_lr_options{1.0, 0, 0.0});
  static_assert(pytorch::cosine_annealing_warm_restarts_options{} == pytorch::cosine_annealing_warm_restarts_options{1.0, 0, 1, 0.0});
  static_assert(pytorch::one_cycle_lr_options{} ==
                pytorch::one_cycle_lr_options{1.0, 0, 0.3, pytorch::one_cycle_lr_options::strategy::cosine, 25.0, 1e4, false});
  static_assert(pytorch::cyclic_lr_options{} ==
                pytorch::cyclic_lr_options{0.0, 0.0, 2000, 0, pytorch::cyclic_lr_options::shape::triangular, 1.0});
  static_assert(pytorch::reduce_lr_on_plateau_options{} ==
                pytorch::reduce_lr_on_plateau_options{1.0, plateau_goal::minimize, 0.1, 10, 1e-4, true, 0, 0.0, 1e-8});
  static_assert(timm::cosine_options{} == timm::cosine_options{1.0, 0, 0.0, 1.0, 1.0, 1, 0, 0.0, false, 1.0});
  static_assert(timm::poly_options{} == timm::poly_options{1.0, 0, 0.5, 0.0, 1.0, 1.0, 1, 0, 0.0, false, 1.0});
  static_assert(timm::tanh_options{} == timm::tanh_options{1.0, 0, -7.0, 3.0, 0.0, 1.0, 1.0, 1, 0, 0.0, false});
  static_assert(timm::step_options{} == timm::step_options{1.0, 0.0, 1.0, 0, 0.0, true});
  static_assert(timm::multistep_options{} == timm::multistep_options{1.0, {}, 1.0, 0, 0.0, true, false});
  static_assert(timm::wsd_options{} ==
                timm::wsd_options{1.0, 0, 0, 0.0, timm::stable_fn::constant, 0.0, 0.5, timm::decay_fn::one_minus_sqrt, 0.5, 0.1, 0, 0.0});
  static_assert(transformers::constant_options{} == transformers::constant_options{1.0});
  static_assert(transformers::constant_with_warmup_options{} == transformers::constant_with_warmup_options{1.0, 0});
  static_assert(transformers::linear_options{} == transformers::linear_options{1.0, 0, 0});
  static_assert(transformers::cosine_options{} == transformers::cosine_options{1.0, 0, 0, 0.5});
  static_assert(transformers::cosine_with_restarts_options{} == transformers::cosine_with_restarts_options{1.0, 0, 0, 1});
  static_assert(transformers::polynomial_options{} == transformers::polynomial_options{1.0, 0, 0, 1e-7, 1.0});
  static_assert(transformers::inverse_sqrt_options{} == transformers::inverse_sqrt_options{1.0, 0, 0});
  static_assert(transformers::cosine_with_min_lr_options{} ==
                transformers::cosine_with_min_lr_options{1.0, 0, 0, std::nullopt, std::nullopt, 0.5});
  static_assert(transformers::cosine_warmup_with_min_lr_options{} ==
                transformers::cosine_warmup_with_min_lr_options{1.0, 0, 0, std::nullopt, std::nullopt, std::nullopt, 0.5});
  static_assert(transformers::warmup_stable_decay_options{} ==
                transformers::warmup_stable_decay_options{1.0, 0, 0, std::nullopt, std::nullopt, transformers::wsd_type::linear,
                                                          transformers::wsd_type::cosine, 0.0, 0.5});
}

}  // namespace option_defaults_test
