#include "backends/cpu/kernels/norm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "backends/cpu/kernels/every_target.h"
#include "backends/cpu/kernels/test_data.h"
#include "base/error.h"
#include "base/threads.h"

namespace propane::cpu {
namespace {

struct Expected {
  std::vector<double> y, dx, dgain, dbias;
};

// In double; `centred` for LayerNorm. The analytic gradient is itself checked by TheReferenceIsTheDerivative.
Expected reference(int64_t rows, int64_t dim, double eps, bool centred, const std::vector<double>& x,
                   const std::vector<double>& gain, const std::vector<double>& bias, const std::vector<double>& dy) {
  Expected out{std::vector<double>(rows * dim), std::vector<double>(rows * dim), std::vector<double>(dim),
               std::vector<double>(dim)};
  for (int64_t r = 0; r < rows; ++r) {
    double mean = 0, square = 0, dots = 0, total = 0;
    for (int64_t c = 0; centred && c < dim; ++c) mean += x[r * dim + c] / dim;
    for (int64_t c = 0; c < dim; ++c) square += std::pow(x[r * dim + c] - mean, 2) / dim;
    const double scale = 1 / std::sqrt(square + eps);
    for (int64_t c = 0; c < dim; ++c) {
      const double n = (x[r * dim + c] - mean) * scale, g = gain[c] * dy[r * dim + c];
      out.y[r * dim + c] = n * gain[c] + bias[c];
      out.dgain[c] += dy[r * dim + c] * n;
      out.dbias[c] += dy[r * dim + c];
      dots += g * n / dim;
      total += centred ? g / dim : 0;
    }
    for (int64_t c = 0; c < dim; ++c)
      out.dx[r * dim + c] = scale * (gain[c] * dy[r * dim + c] - total - (x[r * dim + c] - mean) * scale * dots);
  }
  return out;
}

TEST(NormReference, IsTheDerivative) {
  const int64_t rows = 2, dim = 7;
  for (bool centred : {false, true}) {
    auto x = to_double(random_floats(rows * dim, 1));
    const auto gain = to_double(random_floats(dim, 2)), bias = to_double(random_floats(dim, 3)),
               dy = to_double(random_floats(rows * dim, 4));
    const Expected at = reference(rows, dim, 1e-3, centred, x, gain, bias, dy);
    for (int64_t i = 0; i < rows * dim; ++i) {
      const double h = 1e-5, before = x[i];
      double loss[2];
      for (int side : {0, 1}) {
        x[i] = before + (side ? h : -h);
        const Expected moved = reference(rows, dim, 1e-3, centred, x, gain, bias, dy);
        loss[side] = 0;
        for (int64_t k = 0; k < rows * dim; ++k) loss[side] += moved.y[k] * dy[k];
      }
      x[i] = before;
      EXPECT_NEAR((loss[1] - loss[0]) / (2 * h), at.dx[i], 1e-8);
    }
  }
}

class NormTest : public EveryTarget {};
PROPANE_EVERY_TARGET(NormTest);

struct Case {
  int64_t rows, dim;
};
const Case kCases[] = {{1, 2}, {3, 5}, {7, 16}, {50, 33}, {301, 64}, {40, 257}, {17, 768}};

TEST_P(NormTest, RmsNormAndItsGradientMatchDouble) {
  for (const auto& [rows, dim] : kCases) {
    SCOPED_TRACE(testing::Message() << rows << " x " << dim);
    const float eps = 1e-5f;
    const auto x = random_floats(rows * dim, 1), gain = random_floats(dim, 2), dy = random_floats(rows * dim, 3);
    for (bool with_gain : {false, true}) {
      const Expected want =
          reference(rows, dim, eps, false, to_double(x), with_gain ? to_double(gain) : std::vector<double>(dim, 1),
                    std::vector<double>(dim), to_double(dy));
      auto y = poison(rows * dim), dx = poison(rows * dim), dgain = poison(dim);
      rms_norm({.rows = rows,
                .dim = dim,
                .eps = eps,
                .x = {x.data(), dim},
                .gain = with_gain ? gain.data() : nullptr,
                .y = {y.data(), dim},
                .residual = {},
                .sum = {}});
      EXPECT_LT(relative_error(y, want.y), 5e-7);
      ScratchMemory scratch(norm_grad_scratch_bytes(rows, dim));
      NormGrad grad{.rows = rows,
                    .dim = dim,
                    .eps = eps,
                    .x = {x.data(), dim},
                    .gain = with_gain ? gain.data() : nullptr,
                    .dy = {dy.data(), dim},
                    .dx = {dx.data(), dim},
                    .dgain = dgain.data()};
      rms_norm_grad(grad, scratch.span());
      EXPECT_LT(relative_error(dx, want.dx), 5e-6);
      EXPECT_LT(relative_error(dgain, want.dgain), 1e-6);
      grad.accumulate_dx = grad.accumulate_params = true;
      rms_norm_grad(grad, scratch.span());
      auto twice = want;
      for (double& v : twice.dx) v *= 2;
      for (double& v : twice.dgain) v *= 2;
      EXPECT_LT(relative_error(dx, twice.dx), 5e-6);
      EXPECT_LT(relative_error(dgain, twice.dgain), 1e-6);
    }
  }
}

TEST_P(NormTest, LayerNormAndItsGradientMatchDouble) {
  for (const auto& [rows, dim] : kCases) {
    if (dim == 2) continue;  // two elements always become ±1: the gradient is all eps
    SCOPED_TRACE(testing::Message() << rows << " x " << dim);
    const float eps = 1e-5f;
    auto x = random_floats(rows * dim, 1);
    for (float& v : x) v += 3;
    const auto gain = random_floats(dim, 2), bias = random_floats(dim, 3), dy = random_floats(rows * dim, 4);
    const Expected want =
        reference(rows, dim, eps, true, to_double(x), to_double(gain), to_double(bias), to_double(dy));
    auto y = poison(rows * dim), dx = poison(rows * dim), dgain = poison(dim), dbias = poison(dim);
    layer_norm({.rows = rows,
                .dim = dim,
                .eps = eps,
                .x = {x.data(), dim},
                .gain = gain.data(),
                .bias = bias.data(),
                .y = {y.data(), dim}});
    EXPECT_LT(relative_error(y, want.y), 2e-6);
    ScratchMemory scratch(norm_grad_scratch_bytes(rows, dim));
    layer_norm_grad({.rows = rows,
                     .dim = dim,
                     .eps = eps,
                     .x = {x.data(), dim},
                     .gain = gain.data(),
                     .dy = {dy.data(), dim},
                     .dx = {dx.data(), dim},
                     .dgain = dgain.data(),
                     .dbias = dbias.data()},
                    scratch.span());
    EXPECT_LT(relative_error(dx, want.dx), 5e-6);
    EXPECT_LT(relative_error(dgain, want.dgain), 2e-6);
    EXPECT_LT(relative_error(dbias, want.dbias), 1e-6);
  }
}

TEST_P(NormTest, AResidualIsAddedFirstAndTheSumKept) {
  const int64_t rows = 9, dim = 37;
  auto x = random_floats(rows * dim, 1);
  const auto residual = random_floats(rows * dim, 2);
  auto total = poison(rows * dim), want = poison(rows * dim), y = poison(rows * dim);
  for (int64_t i = 0; i < rows * dim; ++i) total[i] = x[i] + residual[i];
  RmsNorm plain{.rows = rows,
                .dim = dim,
                .eps = 1e-5f,
                .x = {total.data(), dim},
                .gain = nullptr,
                .y = {want.data(), dim},
                .residual = {},
                .sum = {}};
  rms_norm(plain);
  rms_norm({.rows = rows,
            .dim = dim,
            .eps = 1e-5f,
            .x = {x.data(), dim},
            .gain = nullptr,
            .y = {y.data(), dim},
            .residual = {residual.data(), dim},
            .sum = {x.data(), dim}});
  EXPECT_EQ(x, total);
  EXPECT_EQ(y, want);
}

TEST_P(NormTest, HeadsOfAPackedRowAreNormalisedInPlaceAndTheRestIsLeftAlone) {
  const int64_t tokens = 5, heads = 3, dim = 20, row = 100;
  auto packed = random_floats(tokens * row, 1);
  const auto before = packed;
  const Rows<float> q{packed.data() + 7, row, heads};
  rms_norm({.rows = tokens * heads,
            .dim = dim,
            .eps = 1e-6f,
            .x = {q.data, row, heads},
            .gain = nullptr,
            .y = q,
            .residual = {},
            .sum = {}});
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t c = 0; c < row; ++c) {
      const bool inside = c >= 7 && c < 7 + heads * dim;
      if (!inside) {
        EXPECT_EQ(packed[t * row + c], before[t * row + c]);
      }
    }
  for (int64_t r = 0; r < tokens * heads; ++r) {
    double square = 0;
    for (int64_t c = 0; c < dim; ++c) square += std::pow(q.at(r, dim)[c], 2);
    EXPECT_NEAR(square / dim, 1, 1e-5);
  }
}

TEST_P(NormTest, ParameterGradientsDoNotDependOnTheNumberOfThreads) {
  const int64_t rows = 1003, dim = 40;
  const auto x = random_floats(rows * dim, 1), dy = random_floats(rows * dim, 2);
  const int before = threads().size();
  std::vector<std::vector<float>> results;
  for (int count : {1, 2, 7}) {
    set_thread_count(count);
    auto dgain = poison(2 * dim);
    ScratchMemory scratch(norm_grad_scratch_bytes(rows, dim));
    layer_norm_grad({.rows = rows,
                     .dim = dim,
                     .eps = 1e-5f,
                     .x = {x.data(), dim},
                     .dy = {dy.data(), dim},
                     .dx = {},
                     .dgain = dgain.data(),
                     .dbias = dgain.data() + dim},
                    scratch.span());
    results.push_back(dgain);
  }
  set_thread_count(before);
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST_P(NormTest, TooLittleScratchIsAnError) {
  std::vector<float> x(8), dgain(8);
  EXPECT_THROW(rms_norm_grad(
                   {.rows = 1, .dim = 8, .x = {x.data(), 8}, .dy = {x.data(), 8}, .dx = {}, .dgain = dgain.data()}, {}),
               Error);
}

}  // namespace
}  // namespace propane::cpu
