// SPDX-License-Identifier: MIT
// libtorch on one thread, without autograd: the operations a torch engine would call.
#include "inputs.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

namespace {

at::Tensor tensor(const std::vector<float>& values, std::int64_t rows, std::int64_t cols) {
  return at::from_blob(const_cast<float*>(values.data()), {rows, cols}, at::kFloat).clone();
}

template <class Body>
void add(const std::string& name, Body body) {
  benchmark::RegisterBenchmark((name + "/torch").c_str(), [body](benchmark::State& state) {
    at::set_num_threads(1);
    const c10::InferenceMode inference;
    at::manual_seed(1);
    body(state);
  })->Unit(benchmark::kMicrosecond);
}

at::Tensor one_row() {
  const auto input = bench::logits(bench::vocabulary, 1);
  return tensor(input, 1, static_cast<std::int64_t>(input.size()));
}

/// The published algorithm in torch operations: softmax of all rows, gather, one vector of uniforms, then the residual of the first refusal.
void chain(benchmark::State& state, bool draft_as_logits) {
  const bench::chain& c = bench::chain_input();
  const auto v = static_cast<std::int64_t>(bench::chain_vocabulary);
  const auto length = static_cast<std::int64_t>(bench::chain_length);
  const at::Tensor target = tensor(c.target, length + 1, v);
  const at::Tensor draft = tensor(draft_as_logits ? c.draft_logits : c.draft_probs, length, v);
  const std::vector<std::int64_t> ids(c.tokens.begin(), c.tokens.end());
  const at::Tensor tokens = at::from_blob(const_cast<std::int64_t*>(ids.data()), {length, 1}, at::kLong).clone();
  for (auto _ : state) {
    const at::Tensor p = at::softmax(target, -1);
    const at::Tensor q = draft_as_logits ? at::softmax(draft, -1) : draft;
    const at::Tensor ratio = p.narrow(0, 0, length).gather(1, tokens) / q.gather(1, tokens);
    const at::Tensor refused = at::rand({length, 1}) >= ratio;
    const at::Tensor counted = at::cat({refused.squeeze(1), at::ones({1}, at::kBool)}).to(at::kInt);
    const auto accepted = counted.argmax().item<std::int64_t>();
    at::Tensor rest = p[accepted];
    if (accepted < length) rest = at::clamp_min(rest - q[accepted], 0.0);
    benchmark::DoNotOptimize(at::multinomial(rest, 1).item<std::int64_t>());
  }
}

[[maybe_unused]] const bool registered = [] {
  const std::string size = "/float/" + std::to_string(bench::vocabulary);
  add("kernels/log_sum_exp" + size, [](benchmark::State& state) {
    const at::Tensor x = one_row();
    for (auto _ : state) benchmark::DoNotOptimize(at::logsumexp(x, -1));
  });
  add("kernels/softmax" + size, [](benchmark::State& state) {
    const at::Tensor x = one_row();
    at::Tensor out = at::empty_like(x);
    for (auto _ : state) benchmark::DoNotOptimize(at::softmax_out(out, x, -1));
  });
  add("kernels/sample_logits" + size, [](benchmark::State& state) {
    const at::Tensor x = one_row();
    for (auto _ : state) benchmark::DoNotOptimize(at::multinomial(at::softmax(x, -1), 1));
  });
  add("kernels/top_k50" + size, [](benchmark::State& state) {
    const at::Tensor x = one_row();
    for (auto _ : state) benchmark::DoNotOptimize(at::topk(x, 50));
  });
  const std::string chain_size = "/float/" + std::to_string(bench::chain_vocabulary);
  add("speculative/verify_chain5_logits" + chain_size, [](benchmark::State& state) { chain(state, true); });
  add("speculative/verify_chain5_probs" + chain_size, [](benchmark::State& state) { chain(state, false); });
  return true;
}();

}  // namespace
