#include <gmock/gmock.h>

#include <thread>

#include "backends/ref/ref_device.h"
#include "tests/op_cases.h"

namespace propane::op_testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr int kRanks = 3;

// The output of every rank; rank r holds x [3, 2] with values r·100 + 0 ... 5.
std::vector<std::vector<double>> run_ranks(const std::function<Val(Graph&, Val)>& op) {
  const auto group = local_ranks(kRanks);
  std::vector<std::vector<double>> outputs(kRanks);
  std::vector<std::thread> threads;
  for (int r = 0; r < kRanks; ++r)
    threads.emplace_back([&, r] {
      CaseBuilder b(DType::f32);
      std::vector<double> x = positions(1, 6, 100 * r);
      b.output("y", op(b.graph, b.given("x", {DType::f32, {3, 2}}, x)));
      outputs[static_cast<size_t>(r)] = b.run(*make_ref_device(group[static_cast<size_t>(r)])).at("y").data;
    });
  for (auto& thread : threads) thread.join();
  return outputs;
}

TEST(RefCollective, AllReduceGivesEveryRankTheSum) {
  for (const auto& y : run_ranks(all_reduce)) EXPECT_THAT(y, ElementsAre(300, 303, 306, 309, 312, 315));
}

TEST(RefCollective, ReduceScatterGivesEachRankItsShareOfTheSum) {
  const auto y = run_ranks([](Graph& g, Val x) { return reduce_scatter(g, x, kRanks); });
  EXPECT_THAT(y[0], ElementsAre(300, 303));
  EXPECT_THAT(y[1], ElementsAre(306, 309));
  EXPECT_THAT(y[2], ElementsAre(312, 315));
}

TEST(RefCollective, AllGatherJoinsTheSharesInRankOrder) {
  for (const auto& y : run_ranks([](Graph&g, Val x) { return all_gather(g, slice_last(g, x, 0, 1), kRanks); }))
    EXPECT_THAT(y, ElementsAre(0, 2, 4, 100, 102, 104, 200, 202, 204));
}

TEST(RefCollective, ASumIsGatheredFromItsShares) {
  const auto whole = run_ranks(all_reduce);
  const auto parts = run_ranks([](Graph& g, Val x) { return all_gather(g, reduce_scatter(g, x, kRanks), kRanks); });
  EXPECT_EQ(parts, whole);
}

TEST(RefCollective, AGraphForAnotherNumberOfRanksIsAnError) {
  CaseBuilder b(DType::f32);
  b.output("y", all_gather(b.graph, b.input("x", {2}), 4));
  EXPECT_THAT([&] { b.run(*make_ref_device()); }, ThrowsMessage<Error>(HasSubstr("made for 4 ranks, the run has 1")));
}

}  // namespace
}  // namespace propane::op_testing
