// SPDX-License-Identifier: MIT
// Every case of the reference vectors of rate schedules: what five upstream libraries compute, the native profiles and sampling rates, and the
// two rates that depend on what was measured.
#include "schedule/reference_cases_keras.hpp"
#include "schedule/reference_cases_native.hpp"
#include "schedule/reference_cases_optax.hpp"
#include "schedule/reference_cases_pytorch.hpp"
#include "schedule/reference_cases_stateful.hpp"
#include "schedule/reference_cases_timm.hpp"
#include "schedule/reference_cases_transformers.hpp"
#include "support/catch.hpp"
#include "support/reference.hpp"

namespace lr_schedules_reference_test {

using namespace gavel::testing;

TEST_CASE("reference vectors 00-lr-schedules", "[schedule][reference]") {
  reference_file("00-lr-schedules")
      .run({{"torch", check_pytorch},
            {"torch_plateau", check_plateau},
            {"transformers_get_scheduler", check_transformers},
            {"optax", check_optax},
            {"timm", check_timm},
            {"keras", check_keras},
            {"native_profiles", check_native_profiles},
            {"profile_x_sampling", check_profile_x_sampling},
            {"schedule_free_sgd", check_schedule_free_sgd}});
}

}  // namespace lr_schedules_reference_test
