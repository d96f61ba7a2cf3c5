#include "backends/cpu/kernels/activation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "backends/cpu/kernels/every_target.h"
#include "backends/cpu/kernels/test_data.h"

namespace propane::cpu {
namespace {

double exact(Unary f, double x) {
  switch (f) {
    case Unary::relu2: return x > 0 ? x * x : 0;
    case Unary::gelu_tanh: return x / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    case Unary::gelu: return x / 2 * std::erfc(-x / std::numbers::sqrt2);
    case Unary::silu: return x / (1 + std::exp(-x));
    case Unary::sigmoid: return 1 / (1 + std::exp(-x));
  }
  return NAN;
}

template <typename F>
double slope(F f, double x) {
  const double h = 1e-4;  // with the five-point rule: about 1e-12
  return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h);
}

class ActivationTest : public EveryTarget {};
PROPANE_EVERY_TARGET(ActivationTest);

const int64_t kCounts[] = {1, 15, 17, 1000, 20011};

TEST_P(ActivationTest, EveryFunctionAndItsDerivativeMatchDouble) {
  for (Unary f : {Unary::relu2, Unary::gelu_tanh, Unary::gelu, Unary::silu, Unary::sigmoid})
    for (int64_t count : kCounts) {
      SCOPED_TRACE(testing::Message() << "function " << static_cast<int>(f) << " of " << count);
      auto x = random_floats(count, 7);
      for (float& v : x) v *= 3;
      const auto dy = random_floats(count, 2);
      auto y = poison(count), dx = poison(count);
      unary(f, count, x.data(), y.data());
      unary_grad(f, count, x.data(), dy.data(), dx.data());
      std::vector<double> want_y, want_dx;
      for (int64_t i = 0; i < count; ++i) {
        want_y.push_back(exact(f, x[i]));
        want_dx.push_back(dy[i] * slope([&](double v) { return exact(f, v); }, x[i]));
      }
      EXPECT_LT(relative_error(y, want_y), 5e-7);
      EXPECT_LT(relative_error(dx, want_dx), 1e-6);
    }
}

TEST_P(ActivationTest, LargeInputsGiveTheLimits) {
  const std::vector<float> x = {-1e30f, -200, -50, 50, 200, 1e15f};
  for (Unary f : {Unary::relu2, Unary::gelu_tanh, Unary::gelu, Unary::silu, Unary::sigmoid}) {
    const std::vector<float> dy(6, 1.0f);
    auto y = poison(6), dx = poison(6);
    unary(f, 6, x.data(), y.data());
    unary_grad(f, 6, x.data(), dy.data(), dx.data());
    for (int i = 1; i < 5; ++i) {
      EXPECT_NEAR(y[i], exact(f, x[i]), 1e-5 * std::abs(exact(f, x[i])) + 1e-6);
      EXPECT_TRUE(std::isfinite(dx[i]));
    }
    EXPECT_NEAR(y[0], 0, 1e-5) << static_cast<int>(f);
  }
}

TEST_P(ActivationTest, SoftcapAndItsDerivativeMatchDouble) {
  for (int64_t count : kCounts) {
    auto x = random_floats(count, 1);
    for (float& v : x) v *= 10;
    const auto dy = random_floats(count, 2);
    auto y = poison(count), dx = poison(count);
    softcap(count, 15.0f, x.data(), y.data());
    softcap_grad(count, 15.0f, x.data(), dy.data(), dx.data());
    std::vector<double> want_y, want_dx;
    for (int64_t i = 0; i < count; ++i) {
      want_y.push_back(15 * std::tanh(x[i] / 15.0));
      want_dx.push_back(dy[i] * (1 - std::pow(std::tanh(x[i] / 15.0), 2)));
    }
    EXPECT_LT(relative_error(y, want_y), 5e-7);
    EXPECT_LT(relative_error(dx, want_dx), 1e-6);
  }
}

TEST_P(ActivationTest, SwigluOfPackedRowsMatchesDouble) {
  for (int64_t dim : {1, 13, 64, 345}) {
    const int64_t rows = 29, row = 2 * dim + 1;
    const auto packed = random_floats(rows * row, 1), dh = random_floats(rows * dim, 2);
    auto h = poison(rows * dim), dpacked = poison(rows * row);
    swiglu({.rows = rows,
            .dim = dim,
            .gate = {packed.data(), row},
            .up = {packed.data() + dim, row},
            .h = {h.data(), dim}});
    swiglu_grad({.rows = rows,
                 .dim = dim,
                 .gate = {packed.data(), row},
                 .up = {packed.data() + dim, row},
                 .dh = {dh.data(), dim},
                 .dgate = {dpacked.data(), row},
                 .dup = {dpacked.data() + dim, row}});
    std::vector<double> want_h, want_gate, want_up;
    std::vector<float> dgate, dup;
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < dim; ++c) {
        const double gate = packed[r * row + c], up = packed[r * row + dim + c], d = dh[r * dim + c];
        want_h.push_back(exact(Unary::silu, gate) * up);
        want_gate.push_back(d * up * slope([](double v) { return exact(Unary::silu, v); }, gate));
        want_up.push_back(d * exact(Unary::silu, gate));
        dgate.push_back(dpacked[r * row + c]);
        dup.push_back(dpacked[r * row + dim + c]);
      }
    EXPECT_LT(relative_error(h, want_h), 3e-7);
    EXPECT_LT(relative_error(dgate, want_gate), 5e-7);
    EXPECT_LT(relative_error(dup, want_up), 3e-7);
    for (int64_t r = 0; r < rows; ++r) EXPECT_TRUE(std::isnan(dpacked[r * row + 2 * dim]));
  }
}

}  // namespace
}  // namespace propane::cpu
