// The switches that models for inference bring: sinks, capped scores, RoPE in part of a head and with divisors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "graph/autodiff.h"
#include "graph/ops.h"

namespace propane {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

class InferenceSwitches : public testing::Test {
 protected:
  AttentionInputs inputs(int64_t sinks) {
    const Val q = g_.input("q", {DType::f32, {1, 2, 4, 6}}), k = g_.input("k", {DType::f32, {1, 2, 2, 6}});
    AttentionInputs in{q, k, k, g_.input("at", {DType::i32, {1, 2}}), g_.input("len", {DType::i32, {1}}), {}, {}};
    if (sinks > 0) in.sinks = g_.state("sinks", {DType::f32, {sinks}});
    return in;
  }
  void differentiate(Val y, Val by) {
    const Seed seed{y, g_.input("dy", g_.type(y))};
    gradients(g_, {&seed, 1}, {&by, 1});
  }
  Graph g_;
  Val x_ = g_.input("x", {DType::f32, {1, 2, 4, 6}});
  Val at_ = g_.input("at", {DType::i32, {1, 2}});
};

TEST_F(InferenceSwitches, LeaveANodeAsItWasWhereTheyAreOff) {
  attention(g_, inputs(0), 3, 0.5);
  EXPECT_EQ(g_.nodes().back().attrs.str(), "{scale=0.5, window=3}");
  EXPECT_EQ(g_.nodes().back().inputs.size(), 5u);
  rope(g_, x_, at_, {.max_position = 8});
  EXPECT_FALSE(g_.nodes().back().attrs.has("factors"));
  EXPECT_TRUE(rope_factors(g_.nodes().back().attrs).empty());
}

TEST_F(InferenceSwitches, OfAttentionHaveNoGradient) {
  const AttentionInputs in = inputs(4);
  const Val y = attention(g_, in, 0, 1.0);
  EXPECT_THAT([&] { differentiate(y, in.q); }, ThrowsMessage<Error>(HasSubstr("sinks and softcap are for inference")));
  const AttentionInputs plain = inputs(0);
  const Val capped = attention(g_, plain, 0, 1.0, 30.0);
  EXPECT_THAT([&] { differentiate(capped, plain.k); },
              ThrowsMessage<Error>(HasSubstr("sinks and softcap are for inference")));
}

TEST_F(InferenceSwitches, WantOneSinkAHead) {
  EXPECT_THAT([&] { attention(g_, inputs(3), 0, 1.0); },
              ThrowsMessage<Error>(HasSubstr("attention: input 6 must have shape [4]")));
}

TEST_F(InferenceSwitches, GiveRopeOneDivisorAPair) {
  rope(g_, x_, at_, {.max_position = 8, .rotary_dim = 4, .factors = {1.0, 1.0 / 3}});
  EXPECT_THAT(rope_factors(g_.nodes().back().attrs), ElementsAre(1.0, 1.0 / 3));
  EXPECT_THAT(
      [&] {
        rope(g_, x_, at_, {.max_position = 8, .factors = {1.0, 2.0}});
      },
      ThrowsMessage<Error>(HasSubstr("rope: factors must be one number a pair")));
  EXPECT_THAT([&] { rope(g_, x_, at_, {.max_position = 8, .rotary_dim = 8}); },
              ThrowsMessage<Error>(HasSubstr("rope: rotary_dim must be even and at most head_dim")));
  EXPECT_THAT(
      [&] {
        rope(g_, x_, at_, {.max_position = 8, .factors = {1.0, -2.0, 3.0}});
      },
      ThrowsMessage<Error>(HasSubstr("factors must be positive numbers")));
}

}  // namespace
}  // namespace propane
