// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace gavel::testing {

/// A generator that plays given uniforms, each on the grid of 2^-53, and counts them; running out is an error.
class scripted_generator {
 public:
  using result_type = std::uint64_t;
  explicit scripted_generator(std::vector<double> uniforms) : uniforms_(std::move(uniforms)) {}
  static constexpr result_type(min)() { return 0; }
  static constexpr result_type(max)() { return ~result_type{0}; }
  result_type operator()() {
    if (used_ == uniforms_.size()) throw std::logic_error("scripted_generator: no uniform left");
    return static_cast<result_type>(uniforms_[used_++] * 0x1p53) << 11;
  }
  [[nodiscard]] std::size_t used() const noexcept { return used_; }

 private:
  std::vector<double> uniforms_;
  std::size_t used_ = 0;
};

}  // namespace gavel::testing
