// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

/// @file
/// The libtorch half of drive_optimizer, seen from C++20: libtorch's own headers stay in torch_run.cpp, because those of 1.13 are C++17 only
/// under clang++. With a libtorch whose headers your compiler takes as C++20, no such split is needed.

namespace examples {

/// Next-character prediction: each example is `context` characters and the one that follows, as class numbers.
struct character_examples {
  std::int64_t context = 0;
  std::int64_t classes = 0;
  std::vector<std::int64_t> contexts;  ///< [n, context], row by row
  std::vector<std::int64_t> next;      ///< [n]
};

/// A small network and its torch::optim::AdamW. Movable; all randomness is in the seed and in the batches it is given.
class torch_run {
 public:
  torch_run(const character_examples& training, const character_examples& held_out, std::uint64_t seed);
  torch_run(torch_run&&) noexcept;
  ~torch_run();

  /// One step of AdamW at @p rate on the examples @p batch.
  /// @return the loss of the batch before it
  double step(double rate, const std::vector<std::int64_t>& batch);
  /// Mean loss in nats per character over the held-out text.
  [[nodiscard]] double held_out_loss();

  /// Hands the rate to torch::optim::StepLR from here on: `step_with_scheduler` then takes the place of `step`.
  void attach_step_lr(double base_rate, unsigned step_size, double gamma);
  double step_with_scheduler(const std::vector<std::int64_t>& batch);
  /// The rate that the optimiser would use now.
  [[nodiscard]] double rate() const;

  /// A checkpoint as torch writes it: parameters, moments and the rate of the moment. No schedule, and no count of a scheduler's steps.
  [[nodiscard]] std::string save() const;
  void load(const std::string& checkpoint);

 private:
  struct parts;
  std::unique_ptr<parts> parts_;
};

/// The version of libtorch.
[[nodiscard]] std::string torch_version();

}  // namespace examples
