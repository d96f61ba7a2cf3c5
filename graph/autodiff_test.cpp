#include "graph/autodiff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "graph/op.h"
#include "graph/ops.h"

namespace propane {
namespace {

using testing::HasSubstr;
using testing::SizeIs;
using testing::ThrowsMessage;

// Numbers are held to central differences in backends/ref/; this is about which nodes are made.
class Autodiff : public testing::Test {
 protected:
  std::vector<std::vector<Val>> gradients_of(Val y, const std::vector<Val>& wanted) {
    const Seed seed{y, g_.input("dy", g_.type(y))};
    forward_nodes_ = g_.nodes().size();
    return gradients(g_, {&seed, 1}, wanted);
  }
  std::vector<std::string> made() const {
    std::vector<std::string> names;
    for (size_t i = forward_nodes_; i < g_.nodes().size(); ++i) names.emplace_back(g_.nodes()[i].op->name);
    return names;
  }

  Graph g_;
  size_t forward_nodes_ = 0;
  Val x_ = g_.input("x", {DType::f32, {2, 3}});
  Val w_ = g_.state("w", {DType::f32, {3, 3}});
};

TEST_F(Autodiff, ComputesOnlyWhatIsWanted) {
  const Val y = linear(g_, x_, w_);
  EXPECT_THAT(gradients_of(y, {w_}), testing::ElementsAre(SizeIs(1)));
  EXPECT_THAT(made(), testing::ElementsAre("linear_grad_w"));
}

TEST_F(Autodiff, ReturnsOneContributionForEachUseOfAWantedValue) {
  const Val y = linear(g_, linear(g_, x_, w_), w_);
  EXPECT_THAT(gradients_of(y, {w_}), testing::ElementsAre(SizeIs(2)));
}

TEST_F(Autodiff, AddsUpWhatArrivesAtAValueBeforeItFlowsOn) {
  const Val h = scale(g_, x_, 2.0);
  const Val a = scale(g_, h, 3.0), b = activation(g_, h, "silu");
  gradients_of(add(g_, a, b), {x_});
  EXPECT_THAT(made(), testing::ElementsAre("activation_grad", "scale", "add", "scale"));
}

TEST_F(Autodiff, GivesNothingForAValueThatNothingDependsOn) {
  const Val other = g_.input("other", {DType::f32, {2, 3}});
  EXPECT_THAT(gradients_of(scale(g_, x_, 2.0), {other, x_}), testing::ElementsAre(SizeIs(0), SizeIs(1)));
}

TEST_F(Autodiff, TheGradientOfTheSeedsValueIsTheSeed) {
  const auto parts = gradients_of(x_, {x_});
  EXPECT_EQ(parts[0], std::vector{g_.find("dy")});
  EXPECT_TRUE(made().empty());
}

TEST_F(Autodiff, MarksTheScopeOfGradientNodes) {
  g_.set_scope("layers.0");
  const Val y = scale(g_, x_, 2.0);
  g_.set_scope("loss");
  gradients_of(y, {x_});
  EXPECT_EQ(g_.nodes().back().scope, "layers.0/grad");
  EXPECT_EQ(g_.scope(), "loss");
}

TEST_F(Autodiff, AnOpWithoutAGradientIsAnErrorOnlyWhereOneMustPass) {
  const Val rows = g_.input("rows", {DType::f32, {2, 3, 3}});
  const Val y = gather_rows(g_, scale(g_, rows, 2.0), g_.input("index", {DType::i32, {2}}));
  EXPECT_THAT([&] { gradients_of(y, {rows}); },
              ThrowsMessage<Error>(HasSubstr("no gradient passes through the op 'gather_rows'")));
  EXPECT_THAT(gradients_of(linear(g_, y, w_), {w_}), testing::ElementsAre(SizeIs(1)));
}

TEST_F(Autodiff, AttentionsSumOfExponentialsHasNone) {
  const Val q = g_.input("q", {DType::f32, {1, 2, 1, 4}});
  const auto out =
      g_.add("attention", {q, q, q, g_.input("at", {DType::i32, {1, 2}}), g_.input("len", {DType::i32, {1}})},
             {{"window", int64_t{0}}, {"scale", 1.0}});
  EXPECT_THAT([&] { gradients_of(out[1], {q}); }, ThrowsMessage<Error>(HasSubstr("attention: no gradient passes")));
}

}  // namespace
}  // namespace propane
