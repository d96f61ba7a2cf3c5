#include <gmock/gmock.h>

#include <numbers>

#include "backends/ref/ref_device.h"
#include "tests/op_cases.h"

namespace propane::op_testing {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// One row per query, one column per key.
using Table = std::vector<std::vector<double>>;

// Softmax attention of one head of one batch row as matrices: exp(scores) under a 0/1 mask, no maximum taken out.
struct NaiveHead {
  Table q, k, v, mask;
  double scale;

  Table weights() const {
    Table w = mask;
    for (size_t i = 0; i < q.size(); ++i)
      for (size_t j = 0; j < k.size(); ++j)
        w[i][j] *= std::exp(scale * std::inner_product(q[i].begin(), q[i].end(), k[j].begin(), 0.0));
    return w;
  }
};

class RefAttention : public ::testing::TestWithParam<AttentionSetting> {
 protected:
  std::shared_ptr<Device> ref_ = make_ref_device();
};
std::string setting_name(const ::testing::TestParamInfo<AttentionSetting>& tested) { return tested.param.name; }
INSTANTIATE_TEST_SUITE_P(Attention, RefAttention, ::testing::ValuesIn(attention_settings()), setting_name);

TEST_P(RefAttention, IsANaiveMaskedSoftmax) {
  const AttentionSetting& s = GetParam();
  CaseBuilder b(DType::f64, s.name);
  const AttentionInputs in = attention_inputs(b, s);
  std::vector<Val> inputs{in.q, in.k, in.v, in.q_pos, in.kv_len};
  if (in.doc_start) inputs.push_back(in.doc_start);
  const auto outputs = b.graph.add("attention", inputs, {{"window", s.window}, {"scale", 0.625}});
  b.output("o", outputs[0]);
  b.output("lse", outputs[1]);
  const Tensors out = b.run(*ref_);

  auto rows_of = [&](const char* name, int64_t len, int64_t heads, int64_t batch, int64_t head) {
    Table rows;
    for (int64_t t = 0; t < len; ++t) {
      const auto from = b.values.at(name).data.begin() + ((batch * len + t) * heads + head) * s.head_dim;
      rows.emplace_back(from, from + s.head_dim);
    }
    return rows;
  };
  for (int64_t batch = 0; batch < s.batch; ++batch)
    for (int64_t head = 0; head < s.heads; ++head) {
      const int64_t kv_head = head * s.kv_heads / s.heads;
      NaiveHead naive{rows_of("q", s.q_len, s.heads, batch, head),
                      rows_of("k", s.keys, s.kv_heads, batch, kv_head),
                      rows_of("v", s.keys, s.kv_heads, batch, kv_head),
                      {},
                      0.625};
      for (int64_t i = 0; i < s.q_len; ++i) {
        const auto at = static_cast<size_t>(batch * s.q_len + i);
        const double position = b.values.at("q_pos").data[at];
        double first = s.window ? position - static_cast<double>(s.window) + 1 : 0;
        if (!s.doc_start.empty()) first = std::max(first, s.doc_start[at]);
        const double end = std::min(position + 1, b.values.at("kv_len").data[static_cast<size_t>(batch)]);
        naive.mask.emplace_back();
        for (int64_t j = 0; j < s.keys; ++j)
          naive.mask.back().push_back(static_cast<double>(j) >= first && static_cast<double>(j) < end ? 1.0 : 0.0);
      }
      const Table weights = naive.weights();
      for (int64_t i = 0; i < s.q_len; ++i) {
        const auto& row = weights[static_cast<size_t>(i)];
        const double sum = std::accumulate(row.begin(), row.end(), 0.0);
        const double lse = out.at("lse").data[static_cast<size_t>((batch * s.heads + head) * s.q_len + i)];
        EXPECT_TRUE(sum > 0.0 ? std::fabs(lse - std::log(sum)) < 1e-13 : lse == -INFINITY) << lse;
        for (int64_t c = 0; c < s.head_dim; ++c) {
          double expected = 0.0;
          for (size_t j = 0; j < row.size(); ++j) expected += row[j] * naive.v[j][static_cast<size_t>(c)];
          if (sum > 0.0) expected /= sum;
          EXPECT_NEAR(out.at("o").data[static_cast<size_t>(((batch * s.q_len + i) * s.heads + head) * s.head_dim + c)],
                      expected, 1e-13);
        }
      }
    }
}

TEST(RefAttentionMask, AWindowOfOneReadsTheQuerysOwnValue) {
  CaseBuilder b(DType::f64);
  b.output("o", attention(b.graph, attention_inputs(b, {.name = ""}), 1, 1.0));
  EXPECT_EQ(b.run(*make_ref_device()).at("o").data, b.values.at("v").data);
}

TEST(RefAttentionMask, AQueryThatSeesNothingGivesZeroAndNoGradient) {
  CaseBuilder b(DType::f64);
  b.output("o", attention(b.graph, attention_inputs(b, {.name = "", .kv_len = {0, 0}}), 0, 1.0));
  add_gradients(b);
  for (const auto& [name, values] : b.run(*make_ref_device())) EXPECT_THAT(values.data, Each(0.0)) << name;
}

// Keys beyond kv_len are never read: whatever a cache holds there.
TEST(RefAttentionMask, UnusedKeysMayHoldAnything) {
  CaseBuilder b(DType::f64);
  b.output("o",
           attention(b.graph, attention_inputs(b, {.name = "", .q_pos = positions(2, 5), .kv_len = {2, 3}}), 0, 1));
  add_gradients(b);
  const Tensors clean = b.run(*make_ref_device());
  for (const char* name : {"k", "v"}) {
    auto& data = b.values.at(name).data;
    std::fill(data.begin() + 2 * 8, data.begin() + 5 * 8, kNaN);
    std::fill(data.begin() + 8 * 8, data.end(), kNaN);
  }
  expect_close(b.run(*make_ref_device()), clean, 0.0);
}

std::vector<double> rotated(RopeOptions options, double position, std::vector<double> x) {
  CaseBuilder b(DType::f64);
  options.max_position = 1000;
  const auto head_dim = static_cast<int64_t>(x.size());
  const Val rows = b.given("x", {DType::f64, {1, 1, 1, head_dim}}, std::move(x));
  b.output("y", rope(b.graph, rows, b.index("positions", {1, 1}, {position}), options));
  return b.run(*make_ref_device()).at("y").data;
}

void expect_near(const std::vector<double>& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-14) << i;
}

// Of four dimensions, the second pair turns theta^(−1/2) as fast as the first.
TEST(RefRope, TurnsPairsByTheirFrequencies) {
  const double a = 3.0, b = 3.0 * 0.1;  // theta 100
  expect_near(rotated({.theta = 100}, 3, {1, 1, 0, 0}), {std::cos(a), std::cos(b), std::sin(a), std::sin(b)});
  expect_near(rotated({.theta = 100, .interleaved = true}, 3, {1, 0, 1, 0}),
              {std::cos(a), std::sin(a), std::cos(b), std::sin(b)});
  expect_near(rotated({.theta = 100}, 3, {0, 0, 1, 1}), {-std::sin(a), -std::sin(b), std::cos(a), std::cos(b)});
}

TEST(RefRope, TransposedSignIsAutoresearchsRotation) {
  const double a = 3.0;
  const auto y = rotated({.theta = 100, .transposed_sign = true}, 3, {2, 0, 5, 0});
  expect_near(y, {2 * std::cos(a) + 5 * std::sin(a), 0, -2 * std::sin(a) + 5 * std::cos(a), 0});
}

TEST(RefRope, LeavesPositionZeroAndPaddingAsTheyAre) {
  expect_near(rotated({}, 0, {1, 2, 3, 4}), {1, 2, 3, 4});
  expect_near(rotated({}, -1, {1, 2, 3, 4}), {1, 2, 3, 4});
}

// A pair of wavelength above original_max_position / low_freq_factor is slowed by the factor, one below
// original_max_position / high_freq_factor is not, one between is blended by its number of turns.
TEST(RefRope, Llama3ScalingSlowsTheSlowPairs) {
  auto angle_of_pair_0 = [](double original) {
    const auto y = rotated({.scaling_factor = 8, .original_max_position = original}, 1, {1, 0});
    return std::atan2(y[1], y[0]);
  };
  const double turn = 2 * std::numbers::pi;  // pair 0 turns one radian a position: its wavelength
  EXPECT_NEAR(angle_of_pair_0(turn * 4.001), 1.0, 1e-14);
  EXPECT_NEAR(angle_of_pair_0(turn * 0.999), 1.0 / 8, 1e-14);
  EXPECT_NEAR(angle_of_pair_0(turn * 2.5), 0.5 * 1.0 / 8 + 0.5, 1e-14);
}

TEST(RefRope, APositionBeyondTheTablesIsAnError) {
  EXPECT_THAT([] { rotated({}, 1000, {1, 2}); }, ThrowsMessage<Error>(HasSubstr("position 1000 is not below")));
}

}  // namespace
}  // namespace propane::op_testing
