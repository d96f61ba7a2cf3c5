// What blocks stand for, as GGML's own code computes it: the reference that kernels are tested against.
#pragma once

#include <cstddef>
#include <span>

#include "quant/block_type.h"

namespace propane::quant {

// The numbers of consecutive blocks, in order; `blocks` may be unaligned. Products and sums are taken in float in
// GGML's order, so finite results have the same bits as `gguf.quants.dequantize` of the gguf package. Throws Error
// unless `blocks` are exactly the bytes of out.size() elements.
void dequantize(BlockType type, std::span<const std::byte> blocks, std::span<float> out);

}  // namespace propane::quant
