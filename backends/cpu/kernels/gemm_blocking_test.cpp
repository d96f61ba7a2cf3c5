#include "backends/cpu/kernels/gemm_blocking.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace propane::cpu {
namespace {

// The tiles of each thread; fails if two threads share one or one is left out.
std::vector<int64_t> tiles_per_thread(const Tiles& tiles, int threads) {
  std::vector<std::vector<int>> taken(static_cast<size_t>(tiles.strips),
                                      std::vector<int>(static_cast<size_t>(tiles.panel_end)));
  std::vector<int64_t> counts;
  for (int thread = 0; thread < threads; ++thread) {
    const Share share = thread_share(tiles, thread, threads);
    int64_t count = 0;
    for (int64_t s = share.strip_begin; s < share.strip_end; ++s) {
      int64_t begin = std::max(share.panel_begin, tiles.first_panel(s)), end = share.panel_end;
      if (s == share.strip_begin) begin = std::max(begin, share.first_panel);
      if (s == share.strip_end - 1) end = std::min(end, share.last_panel);
      for (int64_t p = begin; p < end; ++p, ++count) ++taken[s][p];
      EXPECT_EQ(std::max<int64_t>(end - begin, 0) % tiles.unit, 0);
    }
    counts.push_back(count);
  }
  for (int64_t s = 0; s < tiles.strips; ++s)
    for (int64_t p = 0; p < tiles.panel_end; ++p) EXPECT_EQ(taken[s][p], p >= tiles.first_panel(s)) << s << ' ' << p;
  return counts;
}

TEST(GemmBlocking, EveryTileBelongsToOneThread) {
  for (int threads : {1, 2, 3, 4, 7, 16, 64})
    for (int64_t strips : {1, 2, 13, 55, 147})
      for (int64_t begin : {0, 6})
        for (int64_t width : {1, 5, 24}) {
          tiles_per_thread({.strips = strips, .panel_begin = begin, .panel_end = begin + width}, threads);
          tiles_per_thread({.strips = strips, .panel_begin = begin, .panel_end = begin + 2 * width, .unit = 2},
                           threads);
        }
}

TEST(GemmBlocking, EveryTileOfATriangleBelongsToOneThread) {
  for (int threads : {1, 2, 3, 16, 64})
    for (int64_t n : {14, 100, 768, 1000})
      tiles_per_thread({.strips = (n + 13) / 14,
                        .panel_begin = 0,
                        .panel_end = (n + 31) / 32,
                        .upper = true,
                        .rows = 14,
                        .cols = 32},
                       threads);
}

// 1,024 tokens through a 768-wide layer: 74 strips of 14 rows, 24 panels of 32 columns.
TEST(GemmBlocking, ThreadsAreWithinATenthOfBalance) {
  for (int threads : {2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64}) {
    const std::vector<int64_t> counts = tiles_per_thread({.strips = 74, .panel_begin = 0, .panel_end = 24}, threads);
    EXPECT_LE(static_cast<double>(*std::max_element(counts.begin(), counts.end())), 1.1 * 74 * 24 / threads + 1)
        << threads << " threads";
  }
}

TEST(GemmBlocking, ATriangleIsBalancedToOneTile) {
  const Tiles tiles{.strips = 55, .panel_begin = 0, .panel_end = 24, .upper = true, .rows = 14, .cols = 32};
  for (int threads : {2, 5, 16, 64}) {
    const std::vector<int64_t> counts = tiles_per_thread(tiles, threads);
    const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
    EXPECT_LE(*most - *least, 1) << threads << " threads";
  }
}

TEST(GemmBlocking, BlocksAndChunksStayWithinTheProductAndTheirMemory) {
  for (int64_t m : {1, 100, 5000})
    for (int64_t k : {0, 1, 64, 3000, 100000})
      for (int64_t panels : {1, 24, 1572})
        for (bool whole_sum : {false, true}) {
          const Blocking b =
              gemm_blocking({.m = m, .k = k, .panels = panels, .rows = 14, .cols = 32, .whole_sum = whole_sum});
          EXPECT_GE(b.kc, 1);
          EXPECT_LE(b.kc, b.chunk_k);
          EXPECT_LE(b.chunk_k, std::max<int64_t>(k, 1));
          EXPECT_GE(b.chunk_panels, 1);
          EXPECT_LE(b.chunk_panels, panels);
          EXPECT_GE(b.block_panels, 1);
          EXPECT_GE(b.block_strips, 1);
          EXPECT_LE(b.block_strips, b.strips);
          EXPECT_LE(b.chunk_panels * 32 * b.chunk_k * 4, std::max<int64_t>(16 << 20, 32 * b.chunk_k * 4));
          if (whole_sum) {
            EXPECT_EQ(b.kc, std::max<int64_t>(k, 1));
          }
        }
}

}  // namespace
}  // namespace propane::cpu
