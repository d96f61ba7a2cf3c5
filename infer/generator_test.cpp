#include "infer/generator.h"

#include <gtest/gtest.h>

#include <numeric>

#include "backends/cpu/cpu_device.h"
#include "backends/ref/ref_device.h"
#include "base/random.h"
#include "graph/ops.h"
#include "models/model.h"

namespace propane {
namespace {

ModelConfig small(Family family) {
  ModelConfig m;
  m.family = family;
  m.n_layer = 3, m.dim = 48, m.n_head = 3, m.n_kv_head = family == Family::llama ? 1 : 3, m.head_dim = 16,
  m.hidden = 64;
  m.vocab = 61, m.seq = 96, m.softcap = family == Family::gpt ? 15 : 0, m.tied = family != Family::gpt;
  m.window_pattern = "SL", m.short_window = 13;
  return m;
}

void initialize_randomly(const ModelConfig& m, State& state, Device& device) {
  for (const Param& p : parameters(m)) {
    std::vector<float> values(static_cast<size_t>(p.shape.count()));
    const Random random(11, stream_id(p.name));
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(0.2 * random.normal(i));
    state.get(p.name, {p.dtype, p.shape}, device);
    state.set(p.name, values.data());
  }
}

std::vector<int32_t> text(int64_t n) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < n; ++i) tokens.push_back(static_cast<int32_t>(i * i * 7 % 61));
  return tokens;
}

class Decoding : public testing::TestWithParam<Family> {};

// A cache fed in chunks of any length gives the logits of the whole text at once, without a cache.
TEST_P(Decoding, OverACacheGivesTheLogitsOfTheWholeText) {
  const ModelConfig m = small(GetParam());
  const auto device = make_cpu_device();
  State state;
  initialize_randomly(m, state, *device);
  const auto tokens = text(90);

  Graph g;
  const Trunk trunk = build_trunk(g, m, {1, 90, 0, false});
  g.output("logits", build_logits(g, m, trunk.x, trunk.head));
  Plan whole(std::move(g), state, {{device.get()}});
  std::vector<int32_t> positions(90);
  std::iota(positions.begin(), positions.end(), 0);
  whole.set("tokens", tokens);
  whole.set("positions", positions);
  whole.set("kv_len", std::vector<int32_t>{90});
  whole.run();
  std::vector<float> all(static_cast<size_t>(90 * m.vocab));
  whole.read("logits", std::span<float>(all));
  const auto expect_row = [&](std::span<const float> got, int64_t row) {
    double difference = 0, size = 0;
    for (int64_t i = 0; i < m.vocab; ++i) {
      const double want = all[static_cast<size_t>(row * m.vocab + i)];
      difference += (got[static_cast<size_t>(i)] - want) * (got[static_cast<size_t>(i)] - want);
      size += want * want;
    }
    EXPECT_LT(std::sqrt(difference / size), 1e-5) << "after token " << row;
  };

  Generator generator(m, state, *device, 96);
  expect_row(generator.feed(std::span(tokens).first(77)), 76);  // chunks of 64, 8 and 1
  for (int64_t i = 77; i < 90; ++i) expect_row(generator.feed(std::span(tokens).subspan(static_cast<size_t>(i), 1)), i);
  generator.reset();
  expect_row(generator.feed(std::span(tokens).first(1)), 0);
}

TEST_P(Decoding, ChunkedAndSingleTokensGiveTheSameBits) {
  const ModelConfig m = small(GetParam());
  const auto device = make_cpu_device();
  State state;
  initialize_randomly(m, state, *device);
  const auto tokens = text(8);
  Generator generator(m, state, *device, 16);
  const auto chunk = generator.feed(tokens);
  const std::vector<float> together(chunk.begin(), chunk.end());
  generator.reset();
  std::span<const float> last;
  for (int32_t token : tokens) last = generator.feed(std::span(&token, 1));
  for (size_t i = 0; i < together.size(); ++i) EXPECT_EQ(last[i], together[i]);
}

TEST_P(Decoding, ResumingKeepsTheCommonBeginningAndGivesTheSameBits) {
  const ModelConfig m = small(GetParam());
  const auto device = make_cpu_device();
  State state;
  initialize_randomly(m, state, *device);
  Generator generator(m, state, *device, 32);
  auto tokens = text(20);
  generator.feed(tokens);
  EXPECT_EQ(generator.common_prefix(tokens), 19);  // the last is fed again, for its logits
  tokens[12] = (tokens[12] + 1) % static_cast<int32_t>(m.vocab);
  tokens.resize(17);
  EXPECT_EQ(generator.common_prefix(tokens), 12);
  const auto resumed = generator.resume(tokens);
  const std::vector<float> got(resumed.begin(), resumed.end());
  EXPECT_TRUE(std::equal(tokens.begin(), tokens.end(), generator.tokens().begin(), generator.tokens().end()));
  generator.reset();
  const auto afresh = generator.feed(tokens);
  for (size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], afresh[i]);
}

INSTANTIATE_TEST_SUITE_P(Families, Decoding, testing::Values(Family::gpt, Family::llama, Family::gpt2),
                         [](const auto& test) { return family_name(test.param); });

TEST(Generator, RefusesWhatDoesNotFit) {
  const ModelConfig m = small(Family::gpt2);
  const auto device = make_cpu_device();
  State state;
  initialize_randomly(m, state, *device);
  EXPECT_ANY_THROW(Generator(m, state, *device, 97));  // learned positions end at 96
  Generator generator(m, state, *device, 4);
  EXPECT_ANY_THROW(generator.feed(std::vector<int32_t>{61}));
  EXPECT_ANY_THROW(generator.feed(text(5)));
  generator.feed(text(4));
  EXPECT_ANY_THROW(generator.feed(text(1)));
}

TEST(Sampler, GreedyTakesTheLargestAndTheLowerIdOfEquals) {
  Sampler sampler({.temperature = 0}, 4);
  EXPECT_EQ(sampler.sample(std::vector<float>{1, 3, 3, 2}, {}, 0), 1);
}

TEST(Sampler, DrawsWithTheSoftmaxProbabilities) {
  const std::vector<float> logits{0, 1, 2};
  Sampler sampler({.temperature = 1, .seed = 5}, 3);
  std::vector<int> counts(3);
  for (uint64_t i = 0; i < 30000; ++i) ++counts[static_cast<size_t>(sampler.sample(logits, {}, i))];
  const double sum = 1 + std::exp(1) + std::exp(2);
  for (size_t k = 0; k < 3; ++k) EXPECT_NEAR(counts[k] / 30000.0, std::exp(static_cast<double>(k)) / sum, 0.01);
}

TEST(Sampler, TopKTopPAndMinPCutTheTail) {
  const std::vector<float> logits{5, 4, 1, 0, -1};
  const auto most = [&](SamplingOptions options) {
    options.temperature = 1;
    Sampler sampler(options, 5);
    int32_t largest = 0;
    for (uint64_t i = 0; i < 5000; ++i) largest = std::max(largest, sampler.sample(logits, {}, i));
    return largest;
  };
  EXPECT_EQ(most({}), 4);
  EXPECT_EQ(most({.top_k = 2}), 1);
  EXPECT_EQ(most({.top_p = 0.9}), 1);
  EXPECT_EQ(most({.min_p = 0.1}), 1);
  EXPECT_EQ(most({.top_k = 1}), 0);
}

TEST(Sampler, ThePenaltyAppliesToTokensSeen) {
  Sampler sampler({.temperature = 0, .repetition_penalty = 2}, 2);
  const std::vector<int32_t> seen{0};
  EXPECT_EQ(sampler.sample(std::vector<float>{3, 2}, {}, 0), 0);
  EXPECT_EQ(sampler.sample(std::vector<float>{3, 2}, seen, 0), 1);
  EXPECT_EQ(sampler.sample(std::vector<float>{-1, -1.5f}, seen, 0), 1);
}

TEST(Sampler, RefusesOptionsThatCannotBe) {
  EXPECT_ANY_THROW(Sampler({.temperature = -1}, 4));
  EXPECT_ANY_THROW(Sampler({.top_p = 0}, 4));
  EXPECT_ANY_THROW(Sampler({.min_p = 1}, 4));
  EXPECT_ANY_THROW(Sampler({.repetition_penalty = 0}, 4));
}

}  // namespace
}  // namespace propane
