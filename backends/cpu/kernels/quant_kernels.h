// What the products with quantized weights are made of, per instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backends/cpu/kernels/quant_layout.h"

namespace propane::cpu {

// 32 columns of `Rows` rows of activations, x = scale · q, with what the offsets and minimums of weights need: sums of q
// over the block and over its halves, negated, and the same times the scale.
template <int Rows>
struct QuantizedBlock {
  int8_t q[Rows][kQuantBlock];
  float scale[Rows];
  int32_t minus_sum[Rows];
  float sum[Rows];
  int32_t minus_half_sum[2][Rows];
  float half_sum[2][Rows];
};

// The numbers of rows that there are tiles for. Rows up to the next of them are computed and thrown away.
constexpr int kTileWidths[] = {1, 2, 3, 4, 6, 8, 16};
constexpr int kTileWidthCount = 7;

// Rows of activations as a tile reads them: QuantizedBlock<width>s, or for weights of single numbers [k][width] floats;
// rows beyond `rows` are zero.
struct ActivationRows {
  const float* x;
  int64_t ldx;
  int64_t k;
  int rows;
  int width;
  std::byte* to;
};

// y[rows, columns] = x·wᵀ for the panels from `packed` on.
struct QuantTile {
  int64_t k;
  const std::byte* x;
  const std::byte* packed;
  int rows;         // 1 .. the tile's width
  int64_t columns;  // all that the panels have, less what the last one was filled up with
  float* y;
  int64_t ldy;
};

using QuantTileFunction = void (*)(const QuantTile&);
struct QuantTileFunctions {
  QuantTileFunction by_width[kTileWidthCount];  // null for a width that this target has no tile for
};

struct QuantKernels {
  void (*quantize)(const ActivationRows&);
  void (*interleave)(const ActivationRows&);
  const QuantTileFunctions& (*tiles)(quant::BlockType);
};

// The selected target's.
const QuantKernels& quant_kernels();

}  // namespace propane::cpu
