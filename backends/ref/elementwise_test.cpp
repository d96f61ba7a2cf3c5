#include <gmock/gmock.h>

#include "backends/ref/ref_device.h"
#include "tests/op_cases.h"

namespace propane::op_testing {
namespace {

using ::testing::ElementsAre;

std::vector<double> run_one(CaseBuilder& b, Val y) {
  b.output("y", y);
  return b.run(*make_ref_device()).at("y").data;
}

TEST(RefElementwise, AddTakesAMultipleOfItsSecond) {
  CaseBuilder b(DType::f64);
  const Val x = b.given("x", {DType::f64, {3}}, {1, 2, 3}), y = b.given("y", {DType::f64, {3}}, {10, 0, -4});
  EXPECT_THAT(run_one(b, add(b.graph, x, y, 0.5)), ElementsAre(6, 2, 1));
}

TEST(RefElementwise, MixWeighsBothByParameters) {
  CaseBuilder b(DType::f64);
  const Val x = b.given("x", {DType::f64, {2}}, {1, 2}), y = b.given("y", {DType::f64, {2}}, {10, 20});
  EXPECT_THAT(run_one(b, mix(b.graph, x, b.scalars("a", {3}), y, b.scalars("b", {-1}))), ElementsAre(-7, -14));
}

TEST(RefElementwise, SquaredReluIsZeroAtAndBelowZero) {
  CaseBuilder b(DType::f64);
  EXPECT_THAT(run_one(b, activation(b.graph, b.given("x", {DType::f64, {4}}, {-2, -0.0, 0, 3}), "relu2")),
              ElementsAre(0, 0, 0, 9));
}

TEST(RefElementwise, ValueGateIsOnePerHeadAndOneAtZero) {
  CaseBuilder b(DType::f64);
  const Type values{DType::f64, {2, 2}};
  const Val v = b.given("v", values, {1, 2, 3, 4}), ve = b.given("ve", values, {10, 20, 30, 40});
  const Val gate = b.given("gate", {DType::f64, {2}}, {0, std::log(3.0)});  // 2·sigmoid: 1 and 1.5
  const auto y = run_one(b, value_gate(b.graph, v, ve, gate));
  const std::vector<double> expected = {11, 22, 48, 64};
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(y[i], expected[i], 1e-14);
}

TEST(RefElementwise, SliceTakesPartOfEachRow) {
  CaseBuilder b(DType::f64);
  EXPECT_THAT(run_one(b, slice_last(b.graph, b.given("x", {DType::f64, {2, 3}}, {1, 2, 3, 4, 5, 6}), 1, 2)),
              ElementsAre(2, 3, 5, 6));
}

TEST(RefElementwise, ReshapeKeepsTheOrder) {
  CaseBuilder b(DType::f32);
  const Val y = reshape(b.graph, b.given("x", {DType::f32, {2, 3}}, {1, 2, 3, 4, 5, 6}), {3, 2});
  EXPECT_THAT(run_one(b, slice_last(b.graph, y, 1, 1)), ElementsAre(2, 4, 6));
}

TEST(RefElementwise, CastRoundsToNearestEven) {
  CaseBuilder b(DType::f64);
  const std::vector<double> x = {1 + 0x1p-8, 1 + 3 * 0x1p-8, 1 + 0x1p-8 + 0x1p-40, -0.0};
  EXPECT_THAT(run_one(b, cast(b.graph, b.given("x", {DType::f64, {4}}, x), DType::bf16)),
              ElementsAre(1, 1 + 0x1p-6, 1 + 0x1p-7, 0));
}

TEST(RefElementwise, TheGradientOfACastIsCastBack) {
  CaseBuilder b(DType::f64);
  b.output("y", cast(b.graph, b.given("x", {DType::f64, {1}}, {0.1}), DType::bf16));
  add_gradients(b);
  b.values["d_y"].data = {0.75};
  EXPECT_THAT(b.run(*make_ref_device()).at("grad_x").data, ElementsAre(0.75));
}

}  // namespace
}  // namespace propane::op_testing
