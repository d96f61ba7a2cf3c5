#include "backends/cpu/kernels/gemm_blocking.h"

#include <algorithm>

#include "backends/cpu/kernels/cache_sizes.h"

namespace propane::cpu {

namespace {

int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return div_up(a, b) * b; }

// How deep a block is at most. Deep ones make reading and writing C, once a block, cheap; a strip and a panel must
// still be a small part of the L2 cache.
int64_t block_depth(const CacheSizes& cache, const GemmShape& shape) {
  return std::clamp<int64_t>(cache.l2 / 7 / ((shape.rows + shape.cols) * 4), 256, 768);
}

// The width at which packing a strip of A costs little against using it.
constexpr int64_t kLeastPanels = 32;

// What a thread of a group of `panels` columns and `threads` threads does, in tiles: computing them, packing the strips
// that it touches and fetching the panels. The weights are measured, and rough.
double share_cost(int64_t strips, int64_t panels, int64_t threads) {
  const double tiles = static_cast<double>(div_up(strips * panels, threads));
  const double touched = static_cast<double>(std::min(strips, div_up(strips, threads) + (strips % threads ? 1 : 0)));
  return tiles + 0.2 * touched + 0.3 * static_cast<double>(panels);
}

// How many column groups the threads form; a divisor of their number.
int64_t column_groups(const Tiles& tiles, int64_t units, int64_t threads) {
  if (tiles.upper) return 1;
  int64_t best = 1;
  double least = share_cost(tiles.strips, units, threads);
  for (int64_t groups = 2; groups <= std::min(threads, units); ++groups) {
    if (threads % groups) continue;
    const double cost = share_cost(tiles.strips, div_up(units, groups), threads / groups);
    if (cost < least) {
      least = cost;
      best = groups;
    }
  }
  return best;
}

// The tile at which `count` tiles of the column group [begin, end) have been passed, strip by strip.
struct Position {
  int64_t strip, panel;
};
Position position_after(const Tiles& tiles, int64_t begin, int64_t end, int64_t count) {
  int64_t strip = 0;
  for (; strip < tiles.strips; ++strip) {
    const int64_t first = std::max(begin, tiles.first_panel(strip));
    const int64_t here = std::max<int64_t>(end - first, 0) / tiles.unit;
    if (count < here) return {strip, first + count * tiles.unit};
    count -= here;
  }
  return {strip, begin};
}

}  // namespace

Blocking gemm_blocking(const GemmShape& shape) {
  const CacheSizes& cache = cache_sizes();
  Blocking b;
  b.strips = div_up(shape.m, shape.rows);
  b.chunk_k = std::max<int64_t>(shape.k, 1);
  b.chunk_panels = std::max<int64_t>(shape.panels, 1);
  if (shape.packs) {  // a chunk takes half of the L3 cache that the threads share, within reason
    const int64_t floats = std::clamp<int64_t>(cache.l3 / 2, 4 << 20, 16 << 20) / 4;
    const int64_t least_panels = std::min(b.chunk_panels, kLeastPanels);
    if (!shape.whole_sum) b.chunk_k = std::min(b.chunk_k, std::max<int64_t>(floats / (least_panels * shape.cols), 1));
    b.chunk_panels = std::clamp<int64_t>(floats / (b.chunk_k * shape.cols), 1, b.chunk_panels);
    b.chunk_panels = std::min(round_up(b.chunk_panels, shape.unit), round_up(shape.panels, shape.unit));
  }
  // A single strip uses every panel once, in order: nothing is gained by cutting them.
  const bool whole = b.strips <= 1 || shape.whole_sum;
  b.kc = whole ? b.chunk_k
               : std::min(b.chunk_k, round_up(div_up(b.chunk_k, div_up(b.chunk_k, block_depth(cache, shape))), 8));
  const int64_t floats = cache.l2 * 3 / 8 / 4;
  b.block_strips = std::clamp<int64_t>(floats / (b.kc * shape.rows), 1, std::max<int64_t>(b.strips, 1));
  b.block_panels = std::max(floats / (b.kc * shape.cols) / shape.unit * shape.unit, shape.unit);
  return b;
}

int64_t Tiles::first_panel(int64_t strip) const {
  return upper ? std::max(panel_begin, strip * rows / cols) : panel_begin;
}

Share thread_share(const Tiles& tiles, int thread, int threads) {
  const int64_t units = (tiles.panel_end - tiles.panel_begin) / tiles.unit;
  const int64_t groups = column_groups(tiles, units, threads);
  const int64_t members = threads / groups;
  const int64_t group = thread / members, member = thread % members;
  Share share;
  share.panel_begin = tiles.panel_begin + units * group / groups * tiles.unit;
  share.panel_end = tiles.panel_begin + units * (group + 1) / groups * tiles.unit;

  int64_t total = 0;
  for (int64_t strip = 0; strip < tiles.strips; ++strip)
    total += std::max<int64_t>(share.panel_end - std::max(share.panel_begin, tiles.first_panel(strip)), 0) / tiles.unit;
  const int64_t begin = total * member / members, end = total * (member + 1) / members;
  if (begin == end) return {0, 0, share.panel_begin, share.panel_end, 0, 0};
  const Position from = position_after(tiles, share.panel_begin, share.panel_end, begin);
  const Position last = position_after(tiles, share.panel_begin, share.panel_end, end - 1);
  share.strip_begin = from.strip;
  share.first_panel = from.panel;
  share.strip_end = last.strip + 1;
  share.last_panel = last.panel + tiles.unit;
  return share;
}

}  // namespace propane::cpu
