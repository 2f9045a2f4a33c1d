// SPDX-License-Identifier: MIT
#pragma once

/// @file
/// Learning-rate schedules through one idea, rate = base x profile(progress(sampling(t))): every mainstream shape, sampling and warm-up as
/// composable values, chosen while compiling or by name; presets that reproduce PyTorch, transformers, optax, timm and Keras; plateau and
/// schedule-free rates; averages of checkpoints that stand for a decay; refinement of a schedule from the gradient norms of a run, with a bound
/// that compares schedules; and laws that predict a loss curve under a schedule that was never run.

#include <gavel/schedule/annealing_areas.hpp>
#include <gavel/schedule/annealing_bootstrap.hpp>
#include <gavel/schedule/annealing_fit.hpp>
#include <gavel/schedule/annealing_law.hpp>
#include <gavel/schedule/any_profile.hpp>
#include <gavel/schedule/checkpoint_merge.hpp>
#include <gavel/schedule/combinators.hpp>
#include <gavel/schedule/explain.hpp>
#include <gavel/schedule/horizon_free.hpp>
#include <gavel/schedule/keras.hpp>
#include <gavel/schedule/last_iterate_bound.hpp>
#include <gavel/schedule/multi_power_fit.hpp>
#include <gavel/schedule/multi_power_law.hpp>
#include <gavel/schedule/optax.hpp>
#include <gavel/schedule/plateau.hpp>
#include <gavel/schedule/profile.hpp>
#include <gavel/schedule/pytorch.hpp>
#include <gavel/schedule/rate_schedule.hpp>
#include <gavel/schedule/rate_source.hpp>
#include <gavel/schedule/refinement.hpp>
#include <gavel/schedule/sampling.hpp>
#include <gavel/schedule/schedule_free.hpp>
#include <gavel/schedule/schedule_search.hpp>
#include <gavel/schedule/sequence.hpp>
#include <gavel/schedule/timm.hpp>
#include <gavel/schedule/transformers.hpp>
#include <gavel/schedule/warmup_power_fit.hpp>
