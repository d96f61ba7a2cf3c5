// What the forward and the backward of attention share (*.simd.cpp files only).
#pragma once

#include "backends/cpu/kernels/attention_kernels.h"
#include "backends/cpu/kernels/attention_tiles.h"

namespace propane::cpu::PROPANE_TARGET {

constexpr float kLog2E = 1.44269504f, kLn2 = 0.693147182f;

// The next `count` floats of a piece of scratch memory.
PROPANE_INLINE float* take(float*& memory, int64_t count) {
  float* p = memory;
  memory += count;
  return p;
}

PROPANE_INLINE KeyRange within(KeyRange range, int64_t begin, int64_t end) {
  if (range.begin < begin) range.begin = begin;
  if (range.end > end) range.end = end;
  return range.begin < range.end ? range : KeyRange{begin, begin};
}

// The smallest range that holds the parts of all ranges within [begin, end).
PROPANE_INLINE KeyRange hull(const KeyRange* ranges, int count, int64_t begin, int64_t end) {
  KeyRange all{end, begin};
  for (int i = 0; i < count; ++i) {
    const KeyRange one = within(ranges[i], begin, end);
    if (one.begin == one.end) continue;
    if (one.begin < all.begin) all.begin = one.begin;
    if (one.end > all.end) all.end = one.end;
  }
  return all.begin < all.end ? all : KeyRange{begin, begin};
}

// A mask of the lanes of the vector at column c that lie in [begin, end).
PROPANE_INLINE IVec lanes_within(int64_t c, int64_t begin, int64_t end) {
  const IVec column = iota() + static_cast<int32_t>(c);
  return (column >= static_cast<int32_t>(begin)) & (column < static_cast<int32_t>(end));
}

// Defined in attention_backward.simd.cpp; see AttentionKernels.
size_t attention_grad_scratch_bytes(const AttentionArgs& args);
void attention_row_dots(const AttentionArgs& args, const AttentionGrads& grads, int64_t b, int64_t h, float* row_dots);
void attention_grad_block(const AttentionArgs& args, const AttentionGrads& grads, const AttentionGradBlock& block,
                          const float* row_dots, void* scratch);

}  // namespace propane::cpu::PROPANE_TARGET
