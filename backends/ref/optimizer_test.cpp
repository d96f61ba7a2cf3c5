#include <gmock/gmock.h>

#include "backends/ref/ref_device.h"
#include "tests/op_cases.h"

namespace propane::op_testing {
namespace {

using ::testing::ElementsAre;

class RefOptimizer : public ::testing::Test {
 protected:
  Tensors run() { return b_.run(*make_ref_device()); }
  CaseBuilder b_{DType::f64};
  Graph& g_ = b_.graph;
};

TEST_F(RefOptimizer, SumSquaresAddsOverAllTensors) {
  const Val x = b_.given("x", {DType::f32, {2}}, {1, -2}), y = b_.given("y", {DType::f64, {1, 1}}, {3});
  b_.output("sum", sum_squares(g_, std::vector{x, y}));
  EXPECT_THAT(run().at("sum").data, ElementsAre(14));
}

struct Clip {
  const char* name;
  double squares, max_norm, unscale;
  std::vector<double> expected;
};

TEST(RefClipScale, MultipliesByUnscaleAndClipsAtTheNormAndSkipsWhatIsNotFinite) {
  for (const Clip& c :
       {Clip{"clipped to 1", 25, 1, 1, {0.2, 0}}, Clip{"below the limit", 0.25, 1, 1, {1, 0}},
        Clip{"no limit", 25, 0, 0.5, {0.5, 0}}, Clip{"unscaled norm is 2.5", 25, 1, 0.5, {0.2, 0}},
        Clip{"unscaled norm is 1", 4, 1, 0.5, {0.5, 0}}, Clip{"zero", 0, 1, 1, {1, 0}},
        Clip{"overflow", INFINITY, 1, 1, {0, 1}}, Clip{"overflow without a limit", INFINITY, 0, 1, {1, 1}},
        Clip{"not a number", kNaN, 1, 1, {1, 1}}}) {
    CaseBuilder b(DType::f64);
    b.output("scale",
             clip_scale(b.graph, b.scalars("squares", {c.squares}), b.scalars("limits", {c.max_norm, c.unscale})));
    EXPECT_EQ(b.run(*make_ref_device()).at("scale").data, c.expected) << c.name;
  }
}

// From zero moments the bias corrections make m/(1−β1) the gradient and v/(1−β2) its square: a step of lr·sign(g).
TEST_F(RefOptimizer, AdamWsFirstStepIsTheSignOfTheGradient) {
  const Type type{DType::f64, {3}};
  const ParamGroup group{{b_.state("p", type, {1, 2, 3})},
                         {b_.given("g", type, {5, -0.25, 0})},
                         {b_.state("m", type, {0, 0, 0})},
                         {b_.state("v", type, {0, 0, 0})}};
  adamw(g_, group, b_.scalars("grad_scale", {2, 0}), b_.scalars("hyper", {0.1, 0.9, 0.99, 1e-12, 0.5, 1}));
  const Tensors out = run();
  const double kept = 1 - 0.1 * 0.5;
  EXPECT_NEAR(out.at("p").data[0], 1 * kept - 0.1, 1e-12);
  EXPECT_NEAR(out.at("p").data[1], 2 * kept + 0.1, 1e-12);
  EXPECT_NEAR(out.at("p").data[2], 3 * kept, 1e-12);
  EXPECT_NEAR(out.at("m").data[0], 0.1 * 10, 1e-12);
  EXPECT_NEAR(out.at("v").data[0], 0.01 * 100, 1e-12);
}

TEST_F(RefOptimizer, AdamWKeepsBf16ParametersAndMomentsInBf16) {
  const Type type{DType::bf16, {1}};
  const ParamGroup group{{b_.state("p", type, {1})},
                         {b_.given("g", {DType::f32, {1}}, {1})},
                         {b_.state("m", type, {0})},
                         {b_.state("v", type, {0})}};
  adamw(g_, group, b_.scalars("grad_scale", {1, 0}), b_.scalars("hyper", {0.1, 0.9, 0.99, 0, 0, 1}));
  const Tensors out = run();
  EXPECT_EQ(out.at("p").data[0], 0.8984375);  // 0.9 in bf16
  EXPECT_EQ(out.at("m").data[0], 0.10009765625);
  EXPECT_EQ(out.at("v").data[0], 0.010009765625);
}

TEST_F(RefOptimizer, ASkippedStepLeavesEverythingAsItIs) {
  for (const OpCase& op_case : op_cases()) {
    if (!op_case.name.ends_with("_skipped")) continue;
    CaseBuilder b = op_case.built(DType::f32);
    for (auto& [name, values] : b.values)
      if (name[0] == 'g' && name != "grad_scale") std::fill(values.data.begin(), values.data.end(), kNaN);
    const Tensors out = b.run(*make_ref_device());
    EXPECT_FALSE(out.empty());
    for (const auto& [name, values] : out)
      EXPECT_EQ(values.data, b.values.at(name).data) << op_case.name << " " << name;
  }
}

// Whatever the gradient's singular values are, the update's are all near 1 before the rows are evened out; a matrix of
// one row has only one, and evening out one row changes nothing.
TEST_F(RefOptimizer, MuonsStepOfAOneRowMatrixIsItsDirectionOfNearUnitNorm) {
  const Type type{DType::f64, {1, 2}};
  const ParamGroup group{{b_.state("p", type, {0, 0})},
                         {b_.given("g", type, {3e-3, 4e-3})},
                         {b_.state("m", type, {0, 0})},
                         {b_.state("v", {DType::f64, {2}}, {0, 0})}};
  muon(g_, group, b_.scalars("grad_scale", {1, 0}), b_.scalars("hyper", {1, 0, 0, 0}));
  const auto p = run().at("p").data;
  EXPECT_NEAR(std::hypot(p[0], p[1]), 1.0, 0.2);
  EXPECT_NEAR(p[0], p[1], 1e-9);  // a wide matrix is evened out by column: both columns, to the same size
  EXPECT_LT(p[0], 0);
}

TEST_F(RefOptimizer, MuonDecaysOnlyWeightsThatTheUpdateShrinks) {
  const Type type{DType::f64, {1, 2}};
  const ParamGroup group{{b_.state("p", type, {10, -10})},
                         {b_.given("g", type, {1, 1})},
                         {b_.state("m", type, {0, 0})},
                         {b_.state("v", {DType::f64, {2}}, {0, 0})}};
  muon(g_, group, b_.scalars("grad_scale", {1, 0}), b_.scalars("hyper", {0.5, 0, 0, 0.1}));
  const auto p = run().at("p").data;
  const double step = -10 - p[1];
  EXPECT_GT(step, 0);
  EXPECT_NEAR(p[0], 10 - step - 0.5 * 0.1 * 10, 1e-12);
}

TEST_F(RefOptimizer, AccumulateKeepsAPartOfTheOldOrNeverReadsIt) {
  const Type type{DType::f64, {2}};
  const Val value = b_.given("value", type, {1, 2});
  accumulate(g_, b_.state("all", type, {10, 20}), value);
  accumulate(g_, b_.state("half", type, {10, 20}), value, b_.scalars("keep half", {0.5}));
  accumulate(g_, b_.state("none", type, {kNaN, INFINITY}), value, b_.scalars("keep none", {0}));
  const Tensors out = run();
  EXPECT_THAT(out.at("all").data, ElementsAre(11, 22));
  EXPECT_THAT(out.at("half").data, ElementsAre(6, 12));
  EXPECT_THAT(out.at("none").data, ElementsAre(1, 2));
}

}  // namespace
}  // namespace propane::op_testing
