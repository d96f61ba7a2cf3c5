#include "backends/cpu/kernels/adamw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "backends/cpu/kernels/every_target.h"
#include "backends/cpu/kernels/test_data.h"
#include "base/half.h"
#include "base/threads.h"

namespace propane::cpu {
namespace {

class AdamWTest : public EveryTarget {};
PROPANE_EVERY_TARGET(AdamWTest);

struct Reference {
  std::vector<double> param, first, second;

  void step(const std::vector<float>& grad, const AdamWStep& s) {
    for (size_t i = 0; i < param.size(); ++i) {
      const double g = grad[i] * s.grad_scale;
      first[i] = s.beta1 * first[i] + (1 - s.beta1) * g;
      second[i] = s.beta2 * second[i] + (1 - s.beta2) * g * g;
      const double m = first[i] / (1 - std::pow(s.beta1, s.step)), v = second[i] / (1 - std::pow(s.beta2, s.step));
      param[i] -= s.lr * s.weight_decay * param[i];
      param[i] -= s.lr * m / (std::sqrt(v) + s.eps);
    }
  }
};

TEST_P(AdamWTest, TenStepsOverSeveralTensorsMatchDouble) {
  const std::vector<int64_t> counts = {1, 1000, 0, 40003, 16384};
  std::vector<std::vector<float>> param, first, second, grad;
  std::vector<Reference> want;
  std::vector<AdamWTensor> tensors;
  for (size_t k = 0; k < counts.size(); ++k) {
    param.push_back(random_floats(counts[k], k + 1));
    first.emplace_back(counts[k]);
    second.emplace_back(counts[k]);
    grad.emplace_back(counts[k]);
    want.push_back({to_double(param[k]), std::vector<double>(counts[k]), std::vector<double>(counts[k])});
  }
  for (size_t k = 0; k < counts.size(); ++k)
    tensors.push_back({.count = counts[k],
                       .grad = grad[k].data(),
                       .param = param[k].data(),
                       .first = first[k].data(),
                       .second = second[k].data()});
  for (int64_t step = 1; step <= 10; ++step) {
    const AdamWStep s{.lr = 0.01 / step,
                      .beta1 = 0.8,
                      .beta2 = 0.95,
                      .eps = 1e-10,
                      .weight_decay = 0.1,
                      .step = step,
                      .grad_scale = 0.5};
    for (size_t k = 0; k < counts.size(); ++k) {
      const auto fresh = random_floats(counts[k], 100 * step + k);
      std::copy(fresh.begin(), fresh.end(), grad[k].begin());
      want[k].step(grad[k], s);
    }
    adamw(tensors, s);
  }
  for (size_t k = 0; k < counts.size(); ++k) {
    EXPECT_LT(relative_error(param[k], want[k].param), 1e-6);
    EXPECT_LT(relative_error(first[k], want[k].first), 1e-6);
    EXPECT_LT(relative_error(second[k], want[k].second), 1e-6);
  }
}

TEST_P(AdamWTest, ASmallDecayIsNotLostToRounding) {
  std::vector<float> param(64, 1.0f), zero(64), first(64), second(64);
  const AdamWTensor tensor{
      .count = 64, .grad = zero.data(), .param = param.data(), .first = first.data(), .second = second.data()};
  for (int64_t step = 1; step <= 1000; ++step) adamw({&tensor, 1}, {.lr = 1e-3, .weight_decay = 1e-2, .step = step});
  EXPECT_NEAR(param[0], std::pow(1 - 1e-5, 1000), 3e-5);  // rounding of param itself: 1000 · 2^-25
}

TEST_P(AdamWTest, Bf16StateIsRoundedToNearest) {
  const int64_t count = 1003;
  const auto start = random_floats(count, 1), grad = random_floats(count, 2);
  std::vector<uint16_t> param, first(count), second(count);
  std::vector<double> want;
  const AdamWStep s{.lr = 0.1, .beta1 = 0.8, .beta2 = 0.95, .eps = 1e-10};
  Reference exact;
  for (float v : start) param.push_back(float_to_bf16(v));
  for (uint16_t v : param) exact.param.push_back(bf16_to_float(v));
  exact.first.resize(count);
  exact.second.resize(count);
  exact.step(grad, s);
  const AdamWTensor tensor{.count = count,
                           .grad = grad.data(),
                           .param = param.data(),
                           .first = first.data(),
                           .second = second.data(),
                           .is_bf16 = true};
  adamw({&tensor, 1}, s);
  for (int64_t i = 0; i < count; ++i) {
    const double half_ulp = std::ldexp(1.0, std::ilogb(exact.param[i]) - 8);
    EXPECT_LE(std::abs(bf16_to_float(param[i]) - exact.param[i]), half_ulp * 1.0001);
    EXPECT_NEAR(bf16_to_float(first[i]), exact.first[i], std::abs(exact.first[i]) * 0x1.01p-8);
    EXPECT_NEAR(bf16_to_float(second[i]), exact.second[i], std::abs(exact.second[i]) * 0x1.01p-8);
  }
}

// A step far below half a unit in the last place is lost by rounding to nearest, but not on average by chance.
TEST_P(AdamWTest, StochasticRoundingKeepsSmallStepsOnAverageAndRepeats) {
  const int64_t count = 100000;
  const std::vector<float> grad(count, 1.0f);
  const auto mean_after = [&](bool stochastic, uint64_t seed) {
    std::vector<uint16_t> param(count, float_to_bf16(1.0f)), first(count), second(count);
    const AdamWTensor tensor{.count = count,
                             .grad = grad.data(),
                             .param = param.data(),
                             .first = first.data(),
                             .second = second.data(),
                             .is_bf16 = true,
                             .stream = 9};
    adamw({&tensor, 1}, {.lr = 1e-4, .step = 1, .stochastic_rounding = stochastic, .seed = seed});
    double sum = 0;
    for (uint16_t v : param) sum += bf16_to_float(v);
    return sum / count;
  };
  EXPECT_EQ(mean_after(false, 1), 1.0);
  // A unit in the last place below 1 is 2^-8; 1e-4 of it is taken with probability 0.0256, so σ = 2e-6 of the mean.
  EXPECT_NEAR(mean_after(true, 1), 1 - 1e-4, 1e-5);
  EXPECT_EQ(mean_after(true, 1), mean_after(true, 1));
  EXPECT_NE(mean_after(true, 1), mean_after(true, 2));
}

TEST_P(AdamWTest, ASkippedStepChangesNothing) {
  auto param = random_floats(100, 1), first = random_floats(100, 2), second = random_floats(100, 3);
  const auto before_param = param, before_first = first, before_second = second;
  const std::vector<float> grad(100, NAN);
  const AdamWTensor tensor{
      .count = 100, .grad = grad.data(), .param = param.data(), .first = first.data(), .second = second.data()};
  adamw({&tensor, 1}, {.lr = 1, .skip = true});
  EXPECT_EQ(param, before_param);
  EXPECT_EQ(first, before_first);
  EXPECT_EQ(second, before_second);
}

TEST_P(AdamWTest, SumOfSquaresMatchesDoubleForAnyNumberOfThreads) {
  const auto a = random_floats(100003, 1), b = random_floats(7, 2);
  const std::vector<FloatSpan> spans = {{a.data(), 100003}, {nullptr, 0}, {b.data(), 7}};
  double want = 0;
  for (float v : a) want += double(v) * v;
  for (float v : b) want += double(v) * v;
  const int before = threads().size();
  std::vector<double> sums;
  for (int count : {1, 2, 5}) {
    set_thread_count(count);
    sums.push_back(sum_squares(spans));
  }
  set_thread_count(before);
  EXPECT_NEAR(sums[0], want, 1e-12 * want);
  EXPECT_EQ(sums[0], sums[1]);
  EXPECT_EQ(sums[0], sums[2]);
}

TEST_P(AdamWTest, SumOfSquaresIsFiniteExactlyIfEveryElementIs) {
  std::vector<float> x(5000, 3e38f);
  const FloatSpan span{x.data(), 5000};
  EXPECT_TRUE(std::isfinite(sum_squares({&span, 1})));
  for (float bad : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), NAN})
    for (int64_t at : {0, 17, 4999}) {
      x[at] = bad;
      EXPECT_FALSE(std::isfinite(sum_squares({&span, 1})));
      x[at] = 0;
    }
  EXPECT_EQ(sum_squares({}), 0);
}

}  // namespace
}  // namespace propane::cpu
