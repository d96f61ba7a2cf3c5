#include <gmock/gmock.h>

#include "backends/ref/ref_device.h"
#include "tests/op_cases.h"

namespace propane::op_testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(RefEmbedding, ReadsRowsOfABf16TableAsF32) {
  CaseBuilder b(DType::f32);
  const Val table = b.state("table", {DType::bf16, {3, 2}}, {1, 2, 3, 4, 5, 6.0625});
  b.output("y", embedding(b.graph, table, b.index("ids", {2}, {2, 0})));
  const Values y = b.run(*make_ref_device()).at("y");
  EXPECT_EQ(y.type.dtype, DType::f32);
  EXPECT_THAT(y.data, ElementsAre(5, 6.0625, 1, 2));
}

TEST(RefEmbedding, GradientAddsTheRowsOfATokenThatOccursTwice) {
  CaseBuilder b(DType::f64);
  const Val ids = b.index("ids", {3}, {1, 0, 1}), dy = b.given("dy", {DType::f64, {3, 2}}, {1, 2, 10, 20, 100, 200});
  b.output("d", b.graph.add("embedding_grad", {ids, dy}, {{"vocab", int64_t{3}}})[0]);
  EXPECT_THAT(b.run(*make_ref_device()).at("d").data, ElementsAre(10, 20, 101, 202, 0, 0));
}

TEST(RefEmbedding, AnIdOutsideTheTableIsAnErrorThatNamesIt) {
  CaseBuilder b(DType::f64);
  b.output("y", embedding(b.graph, b.weight("table", {3, 2}), b.index("ids", {2}, {0, 3})));
  EXPECT_THAT([&] { b.run(*make_ref_device()); }, ThrowsMessage<Error>(HasSubstr("embedding: index 3 lies outside")));
}

TEST(RefEmbedding, GatherTakesOneRowOfEachSequence) {
  CaseBuilder b(DType::f64);
  const Val x = b.given("x", {DType::f64, {2, 3, 1}}, {1, 2, 3, 4, 5, 6});
  b.output("y", gather_rows(b.graph, x, b.index("index", {2}, {2, 0})));
  EXPECT_THAT(b.run(*make_ref_device()).at("y").data, ElementsAre(3, 4));
}

TEST(RefState, KvWritePutsRowsAtTheirPositionsAndPassesPaddingOver) {
  CaseBuilder b(DType::f32);
  const Val cache = b.state("cache", {DType::f32, {2, 3, 1, 2}}, {1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6});
  const Val rows = b.given("rows", {DType::f32, {2, 2, 1, 2}}, {10, 11, 20, 21, 30, 31, 40, 41});
  kv_write(b.graph, cache, rows, b.index("positions", {2, 2}, {2, 0, -1, 1}));
  EXPECT_THAT(b.run(*make_ref_device()).at("cache").data, ElementsAre(20, 21, 2, 2, 10, 11, 4, 4, 40, 41, 6, 6));
}

TEST(RefState, KvWriteBeyondTheCacheIsAnError) {
  CaseBuilder b(DType::f32);
  kv_write(b.graph, b.weight("cache", {1, 3, 1, 2}), b.input("rows", {1, 1, 1, 2}), b.index("positions", {1, 1}, {3}));
  EXPECT_THAT([&] { b.run(*make_ref_device()); }, ThrowsMessage<Error>(HasSubstr("kv_write: index 3 lies outside")));
}

}  // namespace
}  // namespace propane::op_testing
