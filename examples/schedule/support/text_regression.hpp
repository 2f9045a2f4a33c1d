// SPDX-License-Identifier: MIT
#pragma once

#include "support/text_file.hpp"

#include <gavel/core/philox.hpp>
#include <gavel/core/uniform.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

/// @file
/// A convex problem on real data, small enough to be trained hundreds of times: softmax regression of the next character of a text on the
/// three before it, by SGD. Far more text than steps, so gradients stay noisy.

namespace examples {

/// Text as classes 0..96 (printable ASCII, newline, all else), cut into a training and a held-out part.
struct character_text {
  static constexpr std::size_t context = 3, classes = 97;
  std::vector<std::uint8_t> symbols;
  std::vector<std::uint32_t> training, held_out;  ///< positions of characters to predict

  /// @param path a file, or a directory whose .hpp files are read in the order of their names
  /// @throws input_error if it cannot be read or is short
  [[nodiscard]] static character_text read(const std::string& path) {
    namespace fs = std::filesystem;
    std::vector<fs::path> files;
    if (fs::is_directory(path)) {
      for (const auto& entry : fs::directory_iterator(path)) {
        if (entry.path().extension() == ".hpp") files.push_back(entry.path());
      }
      std::sort(files.begin(), files.end());
    } else {
      files.emplace_back(path);
    }
    character_text result;
    for (const fs::path& file : files) {
      for (const char c : read_text(file.string())) {
        result.symbols.push_back(static_cast<std::uint8_t>(c == '\n' ? 95 : c >= ' ' && c <= '~' ? c - ' ' : 96));
      }
    }
    constexpr std::size_t block = 200;
    for (std::size_t i = context; i < result.symbols.size(); ++i) {
      (i / block % 10 == 9 ? result.held_out : result.training).push_back(static_cast<std::uint32_t>(i));
    }
    if (result.held_out.size() < block) throw input_error(path + ": has too little text, at least 2000 characters are needed");
    return result;
  }
};

/// Softmax regression: logits are a bias and one row of weights per preceding character. The loss is convex in the parameters.
class text_regression {
 public:
  static constexpr std::size_t classes = character_text::classes, context = character_text::context;
  struct norms {
    double l2 = 0.0, l1 = 0.0;
  };

  explicit text_regression(const character_text& text)
      : text_(text), parameters_((1 + context * classes) * classes, 0.0), gradient_(parameters_.size(), 0.0) {}

  /// One step of SGD on @p batch training characters, drawn by @p rng.
  /// @return the norms of its gradient
  norms step(double rate, std::size_t batch, gavel::philox4x32& rng) {
    touched_.clear();
    for (std::size_t b = 0; b < batch; ++b) {
      const std::size_t at = text_.training[gavel::uniform_index(rng, text_.training.size())];
      const auto rows = rows_of(at);
      auto slopes = probabilities(rows);
      slopes[text_.symbols[at]] -= 1.0;
      for (const std::size_t row : rows) {
        touched_.push_back(row);
        double* const out = gradient_.data() + row * classes;
        for (std::size_t k = 0; k < classes; ++k) out[k] += slopes[k] / static_cast<double>(batch);
      }
    }
    std::sort(touched_.begin(), touched_.end());
    touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
    norms result;
    for (const std::size_t row : touched_) {
      for (std::size_t i = row * classes; i < (row + 1) * classes; ++i) {
        result.l2 += gradient_[i] * gradient_[i];
        result.l1 += std::fabs(gradient_[i]);
        parameters_[i] -= rate * gradient_[i];
        gradient_[i] = 0.0;
      }
    }
    result.l2 = std::sqrt(result.l2);
    return result;
  }

  /// All parameters, to read or to replace.
  [[nodiscard]] std::vector<double>& parameters() noexcept { return parameters_; }

  /// Mean loss in nats over up to @p most held-out characters.
  [[nodiscard]] double held_out_loss(std::size_t most = 3000) const {
    const std::size_t n = (std::min)(most, text_.held_out.size());
    double sum = 0.0;
    for (std::size_t j = 0; j < n; ++j) {
      const std::size_t at = text_.held_out[j * text_.held_out.size() / n];
      sum -= std::log(probabilities(rows_of(at))[text_.symbols[at]]);
    }
    return sum / static_cast<double>(n);
  }

 private:
  [[nodiscard]] std::array<std::size_t, 1 + context> rows_of(std::size_t at) const {
    std::array<std::size_t, 1 + context> rows{};
    for (std::size_t k = 0; k < context; ++k) rows[1 + k] = 1 + k * classes + text_.symbols[at - 1 - k];
    return rows;
  }
  [[nodiscard]] std::array<double, classes> probabilities(const std::array<std::size_t, 1 + context>& rows) const {
    std::array<double, classes> p{};
    for (const std::size_t row : rows) {
      const double* const weights = parameters_.data() + row * classes;
      for (std::size_t k = 0; k < classes; ++k) p[k] += weights[k];
    }
    const double largest = *std::max_element(p.begin(), p.end());
    double sum = 0.0;
    for (double& x : p) sum += x = std::exp(x - largest);
    for (double& x : p) x /= sum;
    return p;
  }

  const character_text& text_;
  std::vector<double> parameters_, gradient_;
  std::vector<std::size_t> touched_;
};

}  // namespace examples
