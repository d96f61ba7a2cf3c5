#include <gmock/gmock.h>

#include "backends/ref/ref_device.h"
#include "tests/op_cases.h"

namespace propane::op_testing {
namespace {

using ::testing::ElementsAre;

TEST(RefLoss, CrossEntropyOfEqualLogitsIsTheLogOfTheirNumber) {
  CaseBuilder b(DType::f64);
  const Val logits = b.given("logits", {DType::f64, {2, 5}}, numbers(10, 1000.0));
  b.output("nats", cross_entropy(b.graph, logits, b.index("targets", {2}, {3, -1})));
  const auto nats = b.run(*make_ref_device()).at("nats").data;
  EXPECT_NEAR(nats[0], std::log(5.0), 1e-12);
  EXPECT_EQ(nats[1], 0.0);
}

TEST(RefLoss, MaskedMeanLeavesOutRowsWithoutATarget) {
  CaseBuilder b(DType::f32);
  const Val nats = b.given("nats", {DType::f32, {2, 2}}, {1, 100, 2, 4.5});
  b.output("loss", masked_mean(b.graph, nats, b.index("targets", {2, 2}, {0, -1, 7, 7})));
  EXPECT_THAT(b.run(*make_ref_device()).at("loss").data, ElementsAre(2.5));
}

// A fused op against the plain ops that it stands for.
class RefFused : public ::testing::Test {
 protected:
  RefFused() : x_(b_.input("x", {2, 3, 5})), w_(b_.weight("w", {7, 5})), u_(b_.weight("u", {7, 5})) {}

  void expect_same() {
    const Tensors out = b_.run(*make_ref_device());
    for (size_t i = 0; i < pairs_; ++i)
      EXPECT_EQ(relative_error(out.at("fused" + std::to_string(i)), out.at("plain" + std::to_string(i))), 0.0) << i;
  }
  void pair(Val fused, Val plain) {
    b_.output("fused" + std::to_string(pairs_), fused);
    b_.output("plain" + std::to_string(pairs_), plain);
    ++pairs_;
  }

  CaseBuilder b_{DType::f64};
  Graph& g_ = b_.graph;
  Val x_, w_, u_;
  size_t pairs_ = 0;
};

TEST_F(RefFused, LinearsAreLinears) {
  const auto y = linears(g_, x_, std::vector{w_, u_});
  pair(y[0], linear(g_, x_, w_));
  pair(y[1], linear(g_, x_, u_));
  expect_same();
}

TEST_F(RefFused, GatedLinearIsSwigluOfLinears) {
  const auto [h, gate, up] = gated_linear(g_, x_, w_, u_, true);
  const Val plain_gate = linear(g_, x_, w_), plain_up = linear(g_, x_, u_);
  pair(h, swiglu(g_, plain_gate, plain_up));
  pair(gate, plain_gate);
  pair(up, plain_up);
  expect_same();
}

TEST_F(RefFused, NormLinearsAreLinearsOfRmsNorm) {
  const Val gain = b_.weight("gain", {5});
  pair(norm_linears(g_, x_, gain, 1e-5, {&w_, 1})[0], linear(g_, rms_norm(g_, x_, gain, 1e-5), w_));
  pair(norm_linears(g_, x_, {}, 1e-5, {&u_, 1})[0], linear(g_, rms_norm(g_, x_, {}, 1e-5), u_));
  expect_same();
}

TEST_F(RefFused, HeadLossIsCrossEntropyOfSoftcapOfLinear) {
  const Val targets = b_.index("targets", {2, 3}, {2, -1, 0, 6, -1, 3});
  pair(g_.add("head_loss", {x_, w_, targets}, {{"cap", 3.0}})[0],
       cross_entropy(g_, softcap(g_, linear(g_, x_, w_), 3.0), targets));
  pair(g_.add("head_loss", {x_, w_, targets}, {{"cap", 0.0}})[0], cross_entropy(g_, linear(g_, x_, w_), targets));
  expect_same();
}

TEST_F(RefFused, HeadLossTrainReturnsItsGradientsOrAddsTheWeightsIntoState) {
  const Val targets = b_.index("targets", {2, 3}, {2, -1, 0, 6, -1, 3}), seed = b_.input("seed", {2, 3});
  const Val logits = softcap(g_, linear(g_, x_, w_), 3.0), nats = cross_entropy(g_, logits, targets);
  const Seed from{nats, seed};
  const auto parts = gradients(g_, {&from, 1}, std::vector{x_, w_});
  const auto fused = g_.add("head_loss_train", {x_, w_, targets, seed}, {{"cap", 3.0}});
  pair(fused[0], nats);
  pair(fused[1], parts[0][0]);
  pair(fused[2], parts[1][0]);
  const Val fused_into = b_.state("into", {DType::f64, {7, 5}}, numbers(35, 0.5));
  const Val plain_into = b_.state("plain into", {DType::f64, {7, 5}}, numbers(35, 0.5));
  accumulate(g_, plain_into, parts[1][0]);
  g_.add("head_loss_train", {x_, w_, targets, seed, fused_into}, {{"cap", 3.0}});
  pair(scale(g_, fused_into, 1), scale(g_, plain_into, 1));
  expect_same();
}

}  // namespace
}  // namespace propane::op_testing
