#include "backends/ref/ref_device.h"

#include <gmock/gmock.h>

#include "tests/op_cases.h"

namespace propane::op_testing {
namespace {

TEST(RefDevice, TakesEveryFloatTypeButNoOtherElementsThanI32) {
  const auto ref = make_ref_device();
  Graph g;
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::f16, DType::i32, DType::i64, DType::u8})
    scale(g, g.input(std::string(dtype_name(dtype)), {dtype, {2}}), 2.0);
  std::vector<bool> taken;
  for (const Node& node : g.nodes()) taken.push_back(ref->takes(g, node));
  EXPECT_THAT(taken, ::testing::ElementsAre(true, true, true, true, true, false, false));
}

TEST(RefDevice, LeavesTransfersToThePlan) {
  Graph g;
  transfer(g, g.input("x", {DType::f32, {2}}));
  EXPECT_FALSE(make_ref_device()->takes(g, g.nodes()[0]));
}

TEST(RefDevice, CompilesEqualSegmentsOnce) {
  const auto ref = make_ref_device();
  CaseBuilder a(DType::f32), b(DType::f32), other(DType::f32);
  for (auto* builder : {&a, &b}) builder->output("y", scale(builder->graph, builder->input("x", {2}), 2.0));
  other.output("y", scale(other.graph, other.input("x", {2}), 3.0));
  a.run(*ref), b.run(*ref);
  EXPECT_EQ(ref->compile_count(), 1);
  other.run(*ref);
  EXPECT_EQ(ref->compile_count(), 2);
}

TEST(RefDevice, ReadsAndWritesSixteenBitTensorsThroughDoubles) {
  for (const DType dtype : {DType::bf16, DType::f16}) {
    CaseBuilder b(dtype);
    b.output("y", add(b.graph, b.input("x", {5, 7}), b.input("z", {5, 7})));
    const Values y = b.run(*make_ref_device()).at("y");
    Values expected{y.type, b.values.at("x").data};
    for (size_t i = 0; i < expected.data.size(); ++i) expected.data[i] += b.values.at("z").data[i];
    EXPECT_EQ(y.data, Values::decode(y.type, expected.encode()).data);
  }
}

}  // namespace
}  // namespace propane::op_testing
