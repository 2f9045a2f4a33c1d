// SPDX-License-Identifier: MIT
// C++17: see torch_run.hpp.
#include "torch_run.hpp"

#include <torch/torch.h>

#include <sstream>
#include <utility>

namespace examples {

namespace {

struct network_parts : torch::nn::Module {
  explicit network_parts(const character_examples& training)
      : embedding(register_module("embedding", torch::nn::Embedding(training.classes, 16))),
        hidden(register_module("hidden", torch::nn::Linear(16 * training.context, 96))),
        output(register_module("output", torch::nn::Linear(96, training.classes))) {}
  torch::Tensor forward(const torch::Tensor& contexts) { return output(torch::relu(hidden(embedding(contexts).flatten(1)))); }

  torch::nn::Embedding embedding;
  torch::nn::Linear hidden, output;
};

torch::Tensor to_tensor(const std::vector<std::int64_t>& values) { return torch::tensor(values, torch::kInt64); }

// All that it takes to drive a libtorch optimiser by a schedule. Groups that need rates of their own get a multiple here.
void set_rate(torch::optim::Optimizer& optimizer, double rate) {
  for (auto& group : optimizer.param_groups()) group.options().set_lr(rate);
}

}  // namespace

struct torch_run::parts {
  parts(const character_examples& training, const character_examples& held_out)
      : contexts(to_tensor(training.contexts).view({-1, training.context})),
        next(to_tensor(training.next)),
        held_out_contexts(to_tensor(held_out.contexts).view({-1, held_out.context})),
        held_out_next(to_tensor(held_out.next)),
        network(std::make_shared<network_parts>(training)),
        optimizer(network->parameters(), torch::optim::AdamWOptions(0.0).weight_decay(0.01)) {}

  double step(const std::vector<std::int64_t>& batch) {
    const torch::Tensor rows = to_tensor(batch);
    optimizer.zero_grad();
    const torch::Tensor loss = torch::nn::functional::cross_entropy(network->forward(contexts.index({rows})), next.index({rows}));
    loss.backward();
    optimizer.step();
    return loss.item<double>();
  }

  torch::Tensor contexts, next, held_out_contexts, held_out_next;
  std::shared_ptr<network_parts> network;
  torch::optim::AdamW optimizer;
  std::unique_ptr<torch::optim::StepLR> scheduler;
};

torch_run::torch_run(const character_examples& training, const character_examples& held_out, std::uint64_t seed) {
  torch::set_num_threads(1);  // one order of summation, one result
  torch::manual_seed(seed);
  parts_ = std::make_unique<parts>(training, held_out);
}
torch_run::torch_run(torch_run&&) noexcept = default;
torch_run::~torch_run() = default;

double torch_run::step(double rate, const std::vector<std::int64_t>& batch) {
  set_rate(parts_->optimizer, rate);
  return parts_->step(batch);
}

double torch_run::held_out_loss() {
  const torch::NoGradGuard no_gradients;
  return torch::nn::functional::cross_entropy(parts_->network->forward(parts_->held_out_contexts), parts_->held_out_next).item<double>();
}

void torch_run::attach_step_lr(double base_rate, unsigned step_size, double gamma) {
  set_rate(parts_->optimizer, base_rate);
  parts_->scheduler = std::make_unique<torch::optim::StepLR>(parts_->optimizer, step_size, gamma);
}
double torch_run::step_with_scheduler(const std::vector<std::int64_t>& batch) {
  const double loss = parts_->step(batch);
  parts_->scheduler->step();
  return loss;
}
double torch_run::rate() const { return parts_->optimizer.param_groups().front().options().get_lr(); }

std::string torch_run::save() const {
  std::ostringstream stream;
  torch::serialize::OutputArchive archive, network, optimizer;
  parts_->network->save(network);
  parts_->optimizer.save(optimizer);
  archive.write("network", network);
  archive.write("optimizer", optimizer);
  archive.save_to(stream);
  return stream.str();
}
void torch_run::load(const std::string& checkpoint) {
  std::istringstream stream(checkpoint);
  torch::serialize::InputArchive archive, network, optimizer;
  archive.load_from(stream);
  archive.read("network", network);
  archive.read("optimizer", optimizer);
  parts_->network->load(network);
  parts_->optimizer.load(optimizer);
}

std::string torch_version() { return TORCH_VERSION; }

}  // namespace examples
