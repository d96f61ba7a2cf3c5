#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "backends/cpu/kernels/every_target.h"
#include "backends/cpu/kernels/vector_math_probe.h"
#include "base/half.h"

namespace propane::cpu {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class VectorMathTest : public EveryTarget {
 protected:
  static std::vector<float> apply(VectorMathProbe::Function function, std::vector<float> x) {
    const size_t count = x.size();
    x.resize((count + 15) / 16 * 16);
    std::vector<float> y(x.size());
    function(x.data(), y.data(), static_cast<int64_t>(x.size()));
    y.resize(count);
    return y;
  }

  // The largest error in units of the exact value's last place, over floats spread evenly from low to high.
  static double worst_ulp(VectorMathProbe::Function function, const std::function<double(double)>& exact, double low,
                          double high) {
    constexpr int kPoints = 100000;
    std::vector<float> x;
    for (int i = 0; i <= kPoints; ++i) x.push_back(static_cast<float>(low + (high - low) * i / kPoints));
    const std::vector<float> y = apply(function, x);
    double worst = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const double want = exact(x[i]);
      int exponent;
      std::frexp(want, &exponent);
      const double ulp = std::ldexp(1.0, std::max(exponent, -125) - 24);
      const double error = std::abs(y[i] - want) / ulp;
      if (!(error <= worst)) worst = error;
    }
    return worst;
  }
};
PROPANE_EVERY_TARGET(VectorMathTest);

TEST_P(VectorMathTest, FunctionsAreWithinAFewUlp) {
  const VectorMathProbe& f = vector_math_probe();
  const auto exp2 = [](double x) { return std::exp2(x); };
  const auto exp = [](double x) { return std::exp(x); };
  const auto log = [](double x) { return std::log(x); };
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  const auto tanh = [](double x) { return std::tanh(x); };
  EXPECT_LT(worst_ulp(f.exp2, exp2, -124.9, 126.9), 1.5);
  EXPECT_LT(worst_ulp(f.exp2, exp2, -1, 1), 1.5);
  EXPECT_LT(worst_ulp(f.exp, exp, -86.6, 88.7), 1.5);
  EXPECT_LT(worst_ulp(f.exp, exp, -1, 1), 1.5);
  EXPECT_LT(worst_ulp(f.log, log, 1e-37, 1e-30), 1.5);
  EXPECT_LT(worst_ulp(f.log, log, 0.3, 3), 2);
  EXPECT_LT(worst_ulp(f.log, log, 3, 1e9), 1.5);
  EXPECT_LT(worst_ulp(f.sigmoid, sigmoid, -85, 30), 3);
  EXPECT_LT(worst_ulp(f.sigmoid, sigmoid, -2, 2), 3);
  EXPECT_LT(worst_ulp(f.tanh, tanh, -10, 10), 4);
  EXPECT_LT(worst_ulp(f.tanh, tanh, -0.7, 0.7), 4);
  EXPECT_LT(worst_ulp(f.tanh, tanh, -1e-6, 1e-6), 2);
}

TEST_P(VectorMathTest, TheNormalDistributionFunctionIsAccurateInItsTailsToo) {
  const auto exact = [](double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; };
  EXPECT_LT(worst_ulp(vector_math_probe().normal_cdf, exact, -1, 8), 4);
  EXPECT_LT(worst_ulp(vector_math_probe().normal_cdf, exact, -5.6, -1), 80);
  for (float y : apply(vector_math_probe().normal_cdf, {-5.7f, -10.0f, -1e30f, -kInfinity})) EXPECT_EQ(y, 0.0f);
}

TEST_P(VectorMathTest, LimitsAndNansAreRespected) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const VectorMathProbe& f = vector_math_probe();
  EXPECT_EQ(apply(f.exp2, {-126, -1e30f, -kInfinity, 0, 1, -3}), (std::vector<float>{0, 0, 0, 1, 2, 0.125f}));
  EXPECT_EQ(apply(f.exp, {89, 1e30f, kInfinity, -87, -1e30f, -kInfinity, 0}),
            (std::vector<float>{kInfinity, kInfinity, kInfinity, 0, 0, 0, 1}));
  EXPECT_EQ(apply(f.sigmoid, {kInfinity, 1e30f, -1e30f, -kInfinity, 0}), (std::vector<float>{1, 1, 0, 0, 0.5f}));
  EXPECT_EQ(apply(f.tanh, {kInfinity, 1e30f, -1e30f, -kInfinity, 0}), (std::vector<float>{1, 1, -1, -1, 0}));
  EXPECT_EQ(apply(f.log, {0, 1}), (std::vector<float>{-kInfinity, 0}));
  for (auto function : {f.exp2, f.exp, f.sigmoid, f.tanh, f.normal_cdf})
    EXPECT_TRUE(std::isnan(apply(function, {nan})[0]));
}

TEST_P(VectorMathTest, Bf16RoundsToNearestEvenAsTheScalarDoes) {
  std::vector<float> x;
  for (uint32_t bits = 0; bits < 0xffff0000u; bits += 0x1357u) x.push_back(std::bit_cast<float>(bits));
  for (uint32_t bits : {0x3f808000u, 0x3f818000u, 0x3f808001u, 0x7f7fffffu, 0x7f800000u, 0x7fc00001u, 0x7f800001u})
    x.push_back(std::bit_cast<float>(bits));
  const std::vector<float> y = apply(vector_math_probe().bf16_round_trip, x);
  for (size_t i = 0; i < x.size(); ++i)
    ASSERT_EQ(std::bit_cast<uint32_t>(y[i]), std::bit_cast<uint32_t>(bf16_to_float(float_to_bf16(x[i])))) << x[i];
}

}  // namespace
}  // namespace propane::cpu
