#include "backends/cpu/kernels/cross_entropy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "backends/cpu/kernels/every_target.h"
#include "backends/cpu/kernels/test_data.h"
#include "base/error.h"

namespace propane::cpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Expected {
  std::vector<double> nats, grad;
};

Expected reference(int64_t rows, int64_t vocab, const std::vector<float>& logits, int64_t stride,
                   const std::vector<int32_t>& targets, double cap, const std::vector<float>& dnats) {
  Expected out{std::vector<double>(rows), std::vector<double>(rows * vocab)};
  for (int64_t r = 0; r < rows; ++r) {
    if (targets[r] < 0) continue;
    std::vector<double> z(vocab), slope(vocab, 1.0);
    for (int64_t c = 0; c < vocab; ++c) {
      z[c] = logits[r * stride + c];
      if (cap == 0) continue;
      z[c] = cap * std::tanh(z[c] / cap);
      slope[c] = 1 / std::pow(std::cosh(logits[r * stride + c] / cap), 2);
    }
    const double top = *std::max_element(z.begin(), z.end());
    double total = 0;
    for (double v : z) total += std::exp(v - top);
    out.nats[r] = top + std::log(total) - z[targets[r]];
    for (int64_t c = 0; c < vocab; ++c)
      out.grad[r * vocab + c] = dnats[r] * slope[c] * (std::exp(z[c] - top) / total - (c == targets[r] ? 1 : 0));
  }
  return out;
}

class CrossEntropyTest : public EveryTarget {};
PROPANE_EVERY_TARGET(CrossEntropyTest);

TEST_P(CrossEntropyTest, NatsAndGradientMatchDouble) {
  for (int64_t vocab : {2, 5, 64, 1023, 1025, 5003})
    for (float cap : {0.0f, 15.0f}) {
      SCOPED_TRACE(testing::Message() << "vocab " << vocab << " cap " << cap);
      const int64_t rows = 7, stride = vocab + 3;
      auto logits = random_floats(rows * stride, 1);
      for (float& v : logits) v *= 6;
      const auto dnats = random_floats(rows, 2);
      std::vector<int32_t> targets;
      for (int64_t r = 0; r < rows; ++r) targets.push_back(r == 3 ? -1 : static_cast<int32_t>(r * 7919 % vocab));
      const Expected want = reference(rows, vocab, logits, stride, targets, cap, dnats);
      auto nats = poison(rows), fused_nats = poison(rows);
      CrossEntropy args{
          .rows = rows, .vocab = vocab, .stride = stride, .targets = targets.data(), .cap = cap, .nats = nats.data()};
      const auto before = logits;
      cross_entropy(args, logits.data());
      EXPECT_EQ(logits, before);
      EXPECT_LT(relative_error(nats, want.nats), 5e-7);
      args.nats = fused_nats.data();
      cross_entropy_grad(args, logits.data(), dnats.data(), 1);
      EXPECT_EQ(fused_nats, nats);
      std::vector<float> grad;
      for (int64_t r = 0; r < rows; ++r) {
        grad.insert(grad.end(), &logits[r * stride], &logits[r * stride] + vocab);
        for (int64_t c = vocab; c < stride; ++c) EXPECT_EQ(logits[r * stride + c], before[r * stride + c]);
      }
      EXPECT_LT(relative_error(grad, want.grad), 2e-6);
    }
}

TEST_P(CrossEntropyTest, OneGradientServesAllRowsAtStrideZero) {
  const auto logits = random_floats(4 * 10, 1);
  const std::vector<int32_t> targets = {1, 2, 3, 4};
  const std::vector<float> each(4, 0.25f);
  const CrossEntropy args{.rows = 4, .vocab = 10, .stride = 10, .targets = targets.data()};
  auto a = logits, b = logits;
  cross_entropy_grad(args, a.data(), each.data(), 1);
  cross_entropy_grad(args, b.data(), each.data(), 0);
  EXPECT_EQ(a, b);
}

TEST_P(CrossEntropyTest, HugeAndMinusInfiniteLogitsAreSafe) {
  const int64_t vocab = 2100;
  std::vector<float> logits(2 * vocab, -kInfinity);
  logits[5] = 30000;
  logits[2050] = 29990;
  std::fill(logits.begin() + vocab, logits.end(), -1e30f);
  logits[vocab + 7] = 1e30f;
  const std::vector<int32_t> targets = {2050, 7};
  auto nats = poison(2);
  const float one = 1;
  cross_entropy_grad({.rows = 2, .vocab = vocab, .stride = vocab, .targets = targets.data(), .nats = nats.data()},
                     logits.data(), &one, 0);
  EXPECT_NEAR(nats[0], 10 + std::log1p(std::exp(-10.0)), 1e-5);
  EXPECT_EQ(nats[1], 0);
  EXPECT_NEAR(logits[5], 1, 1e-3);
  EXPECT_NEAR(logits[2050], -1, 1e-3);
  EXPECT_EQ(logits[6], 0);
  for (int64_t c = vocab; c < 2 * vocab; ++c) EXPECT_EQ(logits[c], 0);
}

TEST_P(CrossEntropyTest, ANanShowsInTheLoss) {
  std::vector<float> logits(40, 0.5f);
  logits[33] = NAN;
  const int32_t target = 1;
  for (float cap : {0.0f, 10.0f}) {
    float nats = 0;
    cross_entropy({.rows = 1, .vocab = 40, .stride = 40, .targets = &target, .cap = cap, .nats = &nats}, logits.data());
    EXPECT_TRUE(std::isnan(nats));
  }
}

TEST_P(CrossEntropyTest, LogSoftmaxSumsToOneAndAgreesWithTheLoss) {
  for (float cap : {0.0f, 5.0f}) {
    const int64_t rows = 3, vocab = 1500;
    auto logits = random_floats(rows * vocab, 1);
    const std::vector<int32_t> targets = {0, 700, 1499};
    auto nats = poison(rows);
    cross_entropy(
        {.rows = rows, .vocab = vocab, .stride = vocab, .targets = targets.data(), .cap = cap, .nats = nats.data()},
        logits.data());
    log_softmax(rows, vocab, vocab, cap, logits.data());
    for (int64_t r = 0; r < rows; ++r) {
      double total = 0;
      for (int64_t c = 0; c < vocab; ++c) total += std::exp(double(logits[r * vocab + c]));
      EXPECT_NEAR(total, 1, 1e-6);
      EXPECT_NEAR(logits[r * vocab + targets[r]], -nats[r], 2e-6);
    }
  }
}

TEST_P(CrossEntropyTest, ArgmaxTakesTheFirstOfEqualsAndPassesOverNans) {
  for (int64_t vocab : {1, 3, 16, 17, 1001}) {
    auto logits = random_floats(5 * vocab, 1);
    std::vector<int32_t> want, out(5, -1);
    for (int64_t r = 0; r < 5; ++r) {
      if (vocab > 20) logits[r * vocab + 3 + r] = logits[r * vocab + 900] = 10.0f + r;
      if (vocab > 20) logits[r * vocab + 19] = NAN;
      int64_t best = 0;
      for (int64_t c = 1; c < vocab; ++c)
        if (logits[r * vocab + c] > logits[r * vocab + best]) best = c;
      want.push_back(static_cast<int32_t>(best));
    }
    argmax(5, vocab, vocab, logits.data(), out.data());
    EXPECT_EQ(out, want);
  }
}

TEST_P(CrossEntropyTest, ATargetBeyondTheVocabularyIsAnError) {
  const std::vector<float> logits(10);
  const int32_t target = 10;
  float nats;
  EXPECT_THROW(cross_entropy({.rows = 1, .vocab = 10, .stride = 10, .targets = &target, .nats = &nats}, logits.data()),
               Error);
}

}  // namespace
}  // namespace propane::cpu
