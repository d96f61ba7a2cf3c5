#include <gtest/gtest.h>

#include "base/random.h"
#include "graph/passes/passes.h"

namespace propane {
namespace {

std::vector<Lifetime> random_blocks(uint64_t seed, int count) {
  const Random random(seed, 1);
  std::vector<Lifetime> blocks;
  for (int i = 0; i < count; ++i) {
    const auto w = random.words(static_cast<uint64_t>(i));
    const int first = static_cast<int>(w[0] % 50);
    blocks.push_back({w[1] % 10000 + 1, first, first + static_cast<int>(w[2] % 10)});
  }
  return blocks;
}

TEST(PlanMemory, BlocksAliveTogetherNeverOverlapAndStayInTheArena) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto blocks = random_blocks(seed, 80);
    const MemoryLayout layout = plan_memory(blocks);
    for (size_t a = 0; a < blocks.size(); ++a) {
      EXPECT_EQ(layout.offsets[a] % 64, 0u);
      EXPECT_LE(layout.offsets[a] + blocks[a].bytes, layout.bytes);
      for (size_t b = 0; b < a; ++b) {
        const bool together = blocks[a].first <= blocks[b].last && blocks[b].first <= blocks[a].last;
        const bool apart = layout.offsets[a] + blocks[a].bytes <= layout.offsets[b] ||
                           layout.offsets[b] + blocks[b].bytes <= layout.offsets[a];
        EXPECT_TRUE(!together || apart) << "seed " << seed << ": blocks " << a << " and " << b;
      }
    }
  }
}

TEST(PlanMemory, StaysWithinATenthOfTheLowerBoundOnRandomBlocks) {
  double planned = 0, bound = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto blocks = random_blocks(seed, 80);
    size_t most = 0;
    for (int step = 0; step < 60; ++step) {
      size_t alive = 0;
      for (const Lifetime& b : blocks)
        if (b.first <= step && step <= b.last) alive += (b.bytes + 63) / 64 * 64;
      most = std::max(most, alive);
    }
    planned += static_cast<double>(plan_memory(blocks).bytes);
    bound += static_cast<double>(most);
  }
  EXPECT_LT(planned, 1.1 * bound);
}

TEST(PlanMemory, BlocksOneAfterTheOtherShareTheirMemory) {
  const std::vector<Lifetime> blocks = {{1000, 0, 1}, {1000, 2, 3}, {1000, 4, 5}};
  EXPECT_EQ(plan_memory(blocks).bytes, 1024u);
}

}  // namespace
}  // namespace propane
