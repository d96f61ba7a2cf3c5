#include "backends/cpu/kernels/rope.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "backends/cpu/kernels/every_target.h"
#include "backends/cpu/kernels/test_data.h"
#include "base/error.h"
#include "base/half.h"

namespace propane::cpu {
namespace {

class RopeTest : public EveryTarget {};
PROPANE_EVERY_TARGET(RopeTest);

// Tokens with random positions below 50, their heads packed in longer rows.
struct Problem {
  Problem(int64_t n_tokens, int64_t heads, int64_t dim, int64_t rotary)
      : cos(50 * rotary / 2), sin(50 * rotary / 2), positions(n_tokens), stride(heads * dim + 3) {
    fill_rope_table({.positions = 50, .rotary_dim = rotary}, cos.data(), sin.data());
    for (int64_t t = 0; t < n_tokens; ++t) positions[t] = static_cast<int32_t>((t * 31 + 7) % 50);
    x = random_floats(n_tokens * stride, 1);
    y = poison(n_tokens * stride);
    args.tokens = n_tokens;
    args.n_head = heads;
    args.head_dim = dim;
    args.rotary_dim = rotary;
    args.x = {x.data(), stride, heads};
    args.y = {y.data(), stride, heads};
    args.positions = positions.data();
    args.cos = cos.data();
    args.sin = sin.data();
  }

  // The rotated rows [tokens · heads · dim] in double.
  std::vector<double> rotated() const {
    const int64_t half = args.rotary_dim / 2, dim = args.head_dim;
    std::vector<double> out;
    for (int64_t row = 0; row < args.tokens * args.n_head; ++row) {
      const float* in = args.x.at(row, dim);
      std::vector<double> head(in, in + dim);
      for (int64_t i = 0; i < half; ++i) {
        const int64_t a = args.interleaved ? 2 * i : i, b = args.interleaved ? 2 * i + 1 : i + half;
        const double angle = positions[row / args.n_head] * std::pow(10000.0, -2.0 * i / args.rotary_dim);
        const double s = args.inverse ? -std::sin(angle) : std::sin(angle);
        head[a] = in[a] * std::cos(angle) - in[b] * s;
        head[b] = in[b] * std::cos(angle) + in[a] * s;
      }
      out.insert(out.end(), head.begin(), head.end());
    }
    return out;
  }

  std::vector<float> heads(Rows<const float> rows) const {
    std::vector<float> out;
    for (int64_t row = 0; row < args.tokens * args.n_head; ++row)
      out.insert(out.end(), rows.at(row, args.head_dim), rows.at(row, args.head_dim) + args.head_dim);
    return out;
  }
  std::vector<float> output() const { return heads({y.data(), stride, args.n_head}); }

  std::vector<float> x, y, cos, sin;
  std::vector<int32_t> positions;
  int64_t stride;
  Rope args;
};

TEST_P(RopeTest, BothPairingsAndDirectionsMatchDouble) {
  for (bool interleaved : {false, true})
    for (bool inverse : {false, true})
      for (auto [dim, rotary] : {std::pair<int64_t, int64_t>{2, 2}, {6, 4}, {30, 30}, {64, 64}, {128, 128}, {80, 52}}) {
        SCOPED_TRACE(testing::Message() << "dim " << dim << " interleaved " << interleaved << " inverse " << inverse);
        Problem p(13, 3, dim, rotary);
        p.args.interleaved = interleaved;
        p.args.inverse = inverse;
        rope(p.args);
        EXPECT_LT(relative_error(p.output(), p.rotated()), 3e-7);
      }
}

TEST_P(RopeTest, TheInverseInPlaceBringsTheInputBack) {
  for (bool interleaved : {false, true}) {
    Problem p(9, 2, 36, 36);
    p.args.interleaved = interleaved;
    rope(p.args);
    Rope back = p.args;
    back.inverse = true;
    back.x = {p.y.data(), p.stride, 2};
    rope(back);
    EXPECT_LT(relative_error(p.output(), to_double(p.heads(p.args.x))), 3e-7);
  }
}

TEST_P(RopeTest, ItsInverseIsAutoresearchsFormula) {
  Problem p(5, 1, 8, 8);
  p.args.inverse = true;
  rope(p.args);
  for (int64_t t = 0; t < 5; ++t)
    for (int64_t i = 0; i < 4; ++i) {
      const float c = p.cos[p.positions[t] * 4 + i], s = p.sin[p.positions[t] * 4 + i];
      const float x1 = p.x[t * p.stride + i], x2 = p.x[t * p.stride + 4 + i];
      EXPECT_NEAR(p.y[t * p.stride + i], x1 * c + x2 * s, 1e-6);
      EXPECT_NEAR(p.y[t * p.stride + 4 + i], -x1 * s + x2 * c, 1e-6);
    }
}

TEST_P(RopeTest, NormAfterRopeAndItsGradientMatchDouble) {
  const double eps = 1e-3;
  for (bool interleaved : {false, true})
    for (int64_t dim : {6, 64, 100}) {
      Problem p(7, 2, dim, dim);
      p.args.interleaved = interleaved;
      p.args.inverse = true;
      const int64_t rows = 14;
      const auto normed = [&] {
        std::vector<double> z = p.rotated();
        for (int64_t r = 0; r < rows; ++r) {
          double square = 0;
          for (int64_t c = 0; c < dim; ++c) square += z[r * dim + c] * z[r * dim + c] / dim;
          for (int64_t c = 0; c < dim; ++c) z[r * dim + c] /= std::sqrt(square + eps);
        }
        return z;
      };
      rope_rms_norm(p.args, static_cast<float>(eps));
      EXPECT_LT(relative_error(p.output(), normed()), 5e-7);

      // Central differences in double of Σ dy·y; x is perturbed by exactly representable steps.
      const auto dy = random_floats(rows * dim, 5);
      auto dx = poison(rows * dim);
      rope_rms_norm_grad(p.args, static_cast<float>(eps), {dy.data(), 2 * dim, 2}, {dx.data(), 2 * dim, 2});
      std::vector<double> want;
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < dim; ++c) {
          float& at = p.x[r / 2 * p.stride + r % 2 * dim + c];
          const float before = at;
          double loss[2], place[2];
          for (int side : {0, 1}) {
            at = before + (side ? 0x1p-9f : -0x1p-9f);
            place[side] = at;
            const auto y = normed();
            loss[side] = 0;
            for (int64_t k = r * dim; k < (r + 1) * dim; ++k) loss[side] += y[k] * dy[k];
          }
          at = before;
          want.push_back((loss[1] - loss[0]) / (place[1] - place[0]));
        }
      EXPECT_LT(relative_error(dx, want), 2e-5);  // of the differences themselves: h² · f''' / 6
    }
}

TEST(RopeTable, Llama3ScalingStretchesOnlyLongWavelengths) {
  RopeTable table{.positions = 2, .rotary_dim = 128, .theta = 500000};
  std::vector<float> cos(128), sin(128), scaled_cos(128), scaled_sin(128);
  fill_rope_table(table, cos.data(), sin.data());
  table.scaling_factor = 8;
  fill_rope_table(table, scaled_cos.data(), scaled_sin.data());
  EXPECT_EQ(sin[64], scaled_sin[64]);                     // the shortest wavelength: 2π
  EXPECT_FLOAT_EQ(sin[127] / 8, scaled_sin[127]);         // the longest: 2.6 million
  EXPECT_NEAR(scaled_sin[64 + 32], 5.2484614e-4, 1e-10);  // in between: sine of the blended frequency
}

TEST(RopeTable, RoundsToBf16WhenAsked) {
  std::vector<float> cos(20), sin(20);
  fill_rope_table({.positions = 10, .rotary_dim = 4, .round_to_bf16 = true}, cos.data(), sin.data());
  for (float v : sin) EXPECT_EQ(v, bf16_to_float(float_to_bf16(v)));
  EXPECT_NEAR(sin[2], std::sin(1.0), 4e-3);
}

TEST_P(RopeTest, AnOddRotaryDimensionIsAnError) {
  Problem p(1, 1, 4, 4);
  p.args.rotary_dim = 3;
  EXPECT_THROW(rope(p.args), Error);
}

}  // namespace
}  // namespace propane::cpu
