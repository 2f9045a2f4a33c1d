// SPDX-License-Identifier: MIT
#include "support/catch.hpp"
#include "support/messages.hpp"
#include "support/numbers.hpp"
#include "support/scripted_generator.hpp"

#include <gavel/core/philox.hpp>
#include <gavel/core/variates.hpp>
#include <gavel/speculative/acceptance_loss.hpp>

#include <Eigen/Core>
#include <unsupported/Eigen/AutoDiff>

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

namespace acceptance_loss_test {

using namespace gavel::testing;
using namespace gavel::speculative;
using gavel::matrix_view;

namespace {

struct batch {
  std::vector<double> logits;
  std::vector<double> labels;
  std::vector<std::uint8_t> mask;
};

batch random_batch(std::size_t n, std::uint64_t seed) {
  gavel::philox4x32 rng(seed);
  batch made;
  for (std::size_t i = 0; i < n; ++i) {
    made.logits.push_back(2.0 * gavel::normal(rng));
    made.logits.push_back(2.0 * gavel::normal(rng));
    made.labels.push_back(i == 0 ? 0.0 : i == 1 ? 1.0 : gavel::uniform(rng));
    made.mask.push_back(i % 3 == 2 ? 0 : 1);
  }
  return made;
}

}  // namespace

TEST_CASE("soft labels", "[speculative][acceptance_loss]") {
  CHECK(soft_label(0.3, 0.2) == 1.0);
  CHECK(soft_label(0.2, 0.2) == 1.0);
  CHECK(soft_label(0.1, 0.4) == Approx(0.25));
  CHECK(soft_label(0.0, 0.4) == 0.0);
  CHECK(soft_label(1e-310, 1e-300) == Approx(1e-10));
  CHECK(soft_label(1.0 + 1e-6, 1.0 + 1e-6) == 1.0);
  const std::string one = "gavel::speculative::soft_label: ";
  CHECK(message_of([] { (void)soft_label(0.1, 0.0); }) == one + "draft_prob = 0, must be in (0, 1]");
  CHECK(message_of([] { (void)soft_label(0.1, 1.00001); }) == one + "draft_prob = 1.00001, must be in (0, 1]");
  CHECK(message_of([] { (void)soft_label(-0.1, 0.5); }) == one + "target_prob = -0.1, must be in [0, 1]");
  CHECK(message_of([] { (void)soft_label(1.00001, 0.5); }) == one + "target_prob = 1.00001, must be in [0, 1]");
  CHECK(message_of([] { (void)soft_label(not_a_number, 0.5); }) == "domain: " + one + "target_prob = nan, must be in [0, 1]");
  CHECK(message_of([] { (void)soft_label(0.5, not_a_number); }) == "domain: " + one + "draft_prob = nan, must be in (0, 1]");

  const std::vector<double> p{0.5, 0.3, 0.2, 0.1, 0.1, 0.8, 0.2, 0.2, 0.6};  // one row more than drafts: the bonus position
  const std::vector<float> q{0.25f, 0.5f, 0.25f, 0.0f, 0.5f, 0.5f};
  std::vector<double> labels(2, -1.0);
  soft_labels(matrix_view<const double>(p.data(), 3, 3), matrix_view<const float>(q.data(), 2, 3), std::vector<token_id>{1, 1}, labels);
  CHECK(labels[0] == Approx(0.6));
  CHECK(labels[1] == Approx(0.2));
  const auto call = [&](std::vector<token_id> drafts, std::size_t target_rows) {
    return message_of([&] {
      soft_labels(matrix_view<const double>(p.data(), target_rows, 3), matrix_view<const float>(q.data(), 2, 3), drafts, labels);
    });
  };
  const std::vector<double> kept = labels;
  const std::string rows = "gavel::speculative::soft_labels: ";
  CHECK(call({0, 0}, 3) == rows + "draft probability of draft[1] = 0, must be > 0");
  CHECK(call({0, 3}, 3) == rows + "drafts[1] = 3, must be < vocabulary size 3");
  CHECK(call({0, 1}, 1) == rows + "drafts.size() = 2, must be <= target_rows.rows() 1");
  CHECK(call({0, 1}, 2) == "no exception");
  CHECK(call({0}, 3) == rows + "draft_rows.rows() = 2, must equal drafts.size() 1");
  labels = kept;
  const auto one_row = [&](double target, float draft) {
    return message_of([&] {
      soft_labels(matrix_view<const double>(&target, 1, 1), matrix_view<const float>(&draft, 1, 1), std::vector<token_id>{0},
                  std::span<double>(labels).first(1));
    });
  };
  CHECK(one_row(not_a_number, 0.5f) == "domain: " + rows + "target probability of draft[0] = nan, must be in [0, 1]");
  CHECK(one_row(-0.25, 0.5f) == "domain: " + rows + "target probability of draft[0] = -0.25, must be in [0, 1]");
  CHECK(one_row(0.5, 1.5f) == "domain: " + rows + "draft probability of draft[0] = 1.5, must be in [0, 1]");
  CHECK(labels == kept);
  labels.pop_back();
  CHECK(call({0, 1}, 3) == rows + "labels.size() = 1, must equal drafts.size() 2");
}

TEST_CASE("token mixing: one uniform per position, the mask marks drafts", "[speculative][acceptance_loss]") {
  constexpr std::size_t n = 20'000;
  std::vector<token_id> x(n, 7);
  std::vector<token_id> y(n, 9);
  std::vector<token_id> z(n);
  std::vector<std::uint8_t> mask(n);
  gavel::philox4x32 rng(5);
  mix_tokens(x, y, rng, z, mask);
  gavel::philox4x32 twin(5);
  std::size_t targets = 0;
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const bool target = gavel::uniform(twin) < 0.15;
    wrong += (z[i] == 7) == target && (mask[i] == 0) == target ? std::size_t{0} : std::size_t{1};
    targets += target ? 1 : 0;
  }
  CHECK(wrong == 0);
  CHECK(rng == twin);
  CHECK(static_cast<double>(targets) / n == Approx(0.15).margin(0.01));
  mix_tokens(x, y, rng, z, mask, 0.0);
  CHECK(z == y);
  gavel::testing::scripted_generator zero({0.0});
  std::vector<token_id> one(1);
  std::vector<std::uint8_t> drafted(1);
  mix_tokens(std::vector<token_id>{7}, std::vector<token_id>{8}, zero, one, drafted, 0.0);  // the uniform 0 is not below a rate of 0
  CHECK(one[0] == 8);
  mix_tokens(x, y, rng, z, mask, 1.0);
  CHECK(z == x);
  CHECK(message_of([&] { mix_tokens(x, y, rng, z, mask, 1.5); }) == "gavel::speculative::mix_tokens: target_rate = 1.5, must be in [0, 1]");
  y.pop_back();
  CHECK(message_of([&] { mix_tokens(x, y, rng, z, mask); }) ==
        "gavel::speculative::mix_tokens: draft_tokens.size() = 19999, must equal target_tokens.size() 20000");
}

static_assert(acceptance_loss_options{} == acceptance_loss_options{.rejection_weight = 6.0});

TEST_CASE("loss: by its definition, with and without a mask", "[speculative][acceptance_loss]") {
  const batch data = random_batch(30, 1);
  for (const double w : {1.0, 6.0, 0.25}) {
    for (const bool masked : {false, true}) {
      double sum = 0.0;
      double denominator = 0.0;
      double kl = 0.0;
      double count = 0.0;
      for (std::size_t i = 0; i < 30; ++i) {
        if (masked && data.mask[i] == 0) continue;
        const double y = data.labels[i];
        const double s1 = 1.0 / (1.0 + std::exp(data.logits[2 * i] - data.logits[2 * i + 1]));
        sum += -w * (1.0 - y) * std::log(1.0 - s1) - y * std::log(s1);
        denominator += w * (1.0 - y) + y;
        kl += (y > 0.0 ? y * std::log(y / s1) : 0.0) + (y < 1.0 ? (1.0 - y) * std::log((1.0 - y) / (1.0 - s1)) : 0.0);
        count += 1.0;
      }
      const std::vector<std::uint8_t> mask = masked ? data.mask : std::vector<std::uint8_t>{};
      const matrix_view<const double> logits(data.logits.data(), 30, 2);
      CHECK(acceptance_loss<double>(logits, data.labels, mask, {w}) == Approx(sum / denominator).epsilon(1e-13));
      CHECK(mean_binary_kl<double>(logits, data.labels, mask) == Approx(kl / count).epsilon(1e-12));
    }
  }
}

TEST_CASE("loss: gradient against automatic differentiation and central differences", "[speculative][acceptance_loss]") {
  constexpr std::size_t n = 9;
  const batch data = random_batch(n, 2);
  for (const double w : {1.0, 6.0}) {
    std::vector<double> gradient(2 * n, -1.0);
    const matrix_view<const double> logits(data.logits.data(), n, 2);
    const double loss = acceptance_loss_gradient<double>(logits, data.labels, matrix_view<double>(gradient.data(), n, 2), data.mask, {w});
    CHECK(loss == Approx(acceptance_loss<double>(logits, data.labels, data.mask, {w})).epsilon(1e-14));

    using scalar = Eigen::AutoDiffScalar<Eigen::VectorXd>;
    std::vector<scalar> variables;
    for (std::size_t i = 0; i < 2 * n; ++i) variables.emplace_back(data.logits[i], static_cast<int>(2 * n), static_cast<int>(i));
    const scalar automatic = acceptance_loss<scalar>(matrix_view<const scalar>(variables.data(), n, 2), data.labels, data.mask, {w});
    CHECK(automatic.value() == Approx(loss).epsilon(1e-13));
    for (std::size_t i = 0; i < 2 * n; ++i) {
      CHECK(gradient[i] == Approx(automatic.derivatives()(static_cast<Eigen::Index>(i))).epsilon(1e-11).margin(1e-15));
      std::vector<double> moved = data.logits;
      const double step = 1e-5;
      moved[i] += step;
      const double above = acceptance_loss<double>(matrix_view<const double>(moved.data(), n, 2), data.labels, data.mask, {w});
      moved[i] -= 2.0 * step;
      const double below = acceptance_loss<double>(matrix_view<const double>(moved.data(), n, 2), data.labels, data.mask, {w});
      CHECK(gradient[i] == Approx((above - below) / (2.0 * step)).margin(1e-9));
      if (data.mask[i / 2] == 0) CHECK(gradient[i] == 0.0);
    }
  }
}

TEST_CASE("loss: extreme logits stay finite", "[speculative][acceptance_loss]") {
  const std::vector<float> logits{1000.0f, -1000.0f, -1000.0f, 1000.0f};
  const std::vector<double> labels{1.0, 0.0};
  std::vector<float> gradient(4);
  const double loss =
      acceptance_loss_gradient<float>(matrix_view<const float>(logits.data(), 2, 2), labels, matrix_view<float>(gradient.data(), 2, 2));
  CHECK(loss == Approx(2000.0));
  CHECK(gradient[0] == Approx(1.0 / 7.0));
  CHECK(gradient[3] == Approx(6.0 / 7.0));
  const std::vector<double> right{0.0, 1.0};
  CHECK(acceptance_loss<float>(matrix_view<const float>(logits.data(), 2, 2), right) == 0.0f);
  CHECK(mean_binary_kl<float>(matrix_view<const float>(logits.data(), 2, 2), right) == 0.0);
}

TEST_CASE("bias of the weighted loss: optimum and inverse", "[speculative][acceptance_loss]") {
  for (const double w : {1.0, 6.0, 0.5}) {
    for (const double y : {0.0, 0.05, 0.3, 0.5, 0.9, 1.0}) {
      const double s = biased_acceptance(y, w);
      CHECK(s == Approx(y / (y + w * (1.0 - y))).margin(1e-300));
      CHECK(unbiased_acceptance(s, w) == Approx(y).margin(1e-15));
      if (y > 0.0 && y < 1.0) {  // the loss of one label has its minimum there
        std::vector<double> gradient(2);
        const std::vector<double> logits{std::log(1.0 - s), std::log(s)};
        acceptance_loss_gradient<double>(matrix_view<const double>(logits.data(), 1, 2), std::vector{y},
                                         matrix_view<double>(gradient.data(), 1, 2), {}, {w});
        CHECK(std::abs(gradient[0]) < 1e-15);
        CHECK(std::abs(gradient[1]) < 1e-15);
      }
    }
  }
  CHECK(biased_acceptance(0.8, 6.0) == Approx(0.4));
  CHECK(unbiased_acceptance(0.4, 6.0) == Approx(0.8));
  CHECK(message_of([] { (void)unbiased_acceptance(1.5, 6.0); }) ==
        "gavel::speculative::unbiased_acceptance: predicted = 1.5, must be in [0, 1]");
  CHECK(message_of([] { (void)biased_acceptance(0.5, 0.0); }) ==
        "gavel::speculative::biased_acceptance: rejection_weight = 0, must be finite and > 0");
}

TEST_CASE("loss: bad input is named and the gradient untouched", "[speculative][acceptance_loss][errors]") {
  const std::string prefix = "gavel::speculative::acceptance_loss_gradient: ";
  std::vector<double> logits{0.1, 0.2, 0.3, 0.4, 0.5, 0.6};
  std::vector<double> labels{0.5, 0.25, 1.0};
  std::vector<double> gradient(6, 42.0);
  const auto call = [&](std::vector<std::uint8_t> mask, double weight = 6.0) {
    return message_of([&] {
      acceptance_loss_gradient<double>(matrix_view<const double>(logits.data(), 3, 2), labels, matrix_view<double>(gradient.data(), 3, 2),
                                       mask, {weight});
    });
  };
  CHECK(call({0, 0, 0}) == prefix + "mask, must keep at least one position");
  CHECK(call({1, 1}) == prefix + "mask.size() = 2, must equal 0 or logits.rows() 3");
  CHECK(call({}, -1.0) == prefix + "rejection_weight = -1, must be finite and > 0");
  labels[1] = 1.25;
  CHECK(call({}) == prefix + "labels[1] = 1.25, must be in [0, 1]");
  labels[1] = not_a_number;
  CHECK(call({}) == "domain: " + prefix + "labels[1] = nan, must be in [0, 1]");
  labels[1] = 0.5;
  logits[3] = std::numeric_limits<double>::infinity();
  CHECK(call({}) == prefix + "logits[3] = inf, must be finite");
  CHECK(call({1, 0, 1}) == "no exception");  // a masked position may hold anything
  gradient.assign(6, 42.0);
  labels.pop_back();
  CHECK(call({}) == prefix + "labels.size() = 2, must equal logits.rows() 3");
  CHECK(gradient == std::vector<double>(6, 42.0));
  CHECK(message_of([] { (void)acceptance_loss<double>({}, std::vector<double>{}); }) ==
        "gavel::speculative::acceptance_loss: logits.cols() = 0, must equal one for reject and one for accept, 2");
  CHECK(message_of([&] { (void)acceptance_loss<double>(matrix_view<const double>(logits.data(), 0, 2), std::vector<double>{}); }) ==
        "gavel::speculative::acceptance_loss: mask, must keep at least one position");
  CHECK(message_of([&] { (void)mean_binary_kl<double>(matrix_view<const double>(logits.data(), 2, 3), labels); }) ==
        "gavel::speculative::mean_binary_kl: logits.cols() = 3, must equal one for reject and one for accept, 2");
}

}  // namespace acceptance_loss_test
