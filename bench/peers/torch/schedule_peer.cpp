// SPDX-License-Identifier: MIT
// libtorch's own scheduler, as a trainer calls it: one `step()` and one read of the rate for each training step. It offers StepLR alone, so
// the peer of every schedule here is that one.
#include <torch/optim/schedulers/step_lr.h>
#include <torch/optim/sgd.h>
#include <torch/types.h>

#include <benchmark/benchmark.h>

#include <vector>

namespace {

void step_lr(benchmark::State& state) {
  torch::optim::SGD optimizer(std::vector<torch::Tensor>{torch::zeros({1})}, torch::optim::SGDOptions(0.1));
  torch::optim::StepLR scheduler(optimizer, 300'000, 0.1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(static_cast<const torch::optim::SGDOptions&>(optimizer.param_groups()[0].options()).lr());
    scheduler.step();
  }
}

const bool registered = [] {
  benchmark::RegisterBenchmark("schedule/rate_step_decay/double/1000000/torch", step_lr);
  return true;
}();

}  // namespace
