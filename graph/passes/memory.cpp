#include <algorithm>
#include <numeric>

#include "graph/passes/passes.h"

namespace propane {

MemoryLayout plan_memory(std::span<const Lifetime> blocks) {
  constexpr size_t kAlign = 64;
  MemoryLayout layout;
  layout.offsets.resize(blocks.size());
  std::vector<size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return blocks[a].bytes > blocks[b].bytes; });

  std::vector<size_t> placed;  // by offset
  for (size_t i : order) {
    const size_t bytes = (blocks[i].bytes + kAlign - 1) / kAlign * kAlign;
    size_t offset = 0;
    for (size_t other : placed) {
      const bool together = blocks[other].first <= blocks[i].last && blocks[i].first <= blocks[other].last;
      if (!together) continue;
      if (layout.offsets[other] >= offset + bytes) break;  // the gap before it is wide enough
      const size_t end = layout.offsets[other] + (blocks[other].bytes + kAlign - 1) / kAlign * kAlign;
      offset = std::max(offset, end);
    }
    layout.offsets[i] = offset;
    layout.bytes = std::max(layout.bytes, offset + bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), i,
                                   [&](size_t a, size_t b) { return layout.offsets[a] < layout.offsets[b]; }),
                  i);
  }
  return layout;
}

}  // namespace propane
