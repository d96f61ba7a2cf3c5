// The tile of the quantized products, for *.simd.cpp files: some rows of activations with panels of weights of one type.
//
// A block of 32 columns is unpacked into eight vectors of bytes and then meets every row. A row's sum is one chain over
// the blocks in ascending order, of the same operations whatever the number of rows, so its bits do not depend on it.
//
// A type is a struct with
//   kType      its BlockType
//   kWeightBits  of the unpacked numbers
//   kHalves    whether each 16 columns, not each 32, have a scale of their own
//   kMinimum   whether x = scale · q + minimum
//   Header     what is unpacked once a group, made from the group's first byte
//   weights(body, part, w)            the eight vectors
//   scale(header, half, part)         of sub-block `half` of the panel's rows; minimum(...) likewise
#pragma once

#include "backends/cpu/kernels/quant_kernels.h"
#include "backends/cpu/kernels/quant_simd.h"

namespace propane::cpu::PROPANE_TARGET {

// Few rows wait for memory, not for arithmetic: weights are asked into the cache well before they are needed, across
// the panel's end, behind which the next one lies.
constexpr int64_t kQuantAhead = 4096;

template <int Bytes>
PROPANE_INLINE void prefetch(const std::byte* p) {
#pragma GCC unroll 8
  for (int i = 0; i < Bytes; i += 64) __builtin_prefetch(p + i, 0, 3);
}

// What a row's sum of integers starts from so that the weights' offset is taken off.
template <typename Type>
PROPANE_INLINE IVec start(int32_t minus_sum) {
  constexpr int kOffset = offset_bits(Type::kType);
  if constexpr (kOffset == 0 || (Type::kWeightBits == 8 && kSignedBytes)) return IVec{};
  else return broadcast_int(minus_sum) << kOffset;
}

template <typename Type, int Rows>
PROPANE_INLINE void add_block(const std::byte* body, const typename Type::Header& header, int block, int part,
                              const QuantizedBlock<Rows>& x, Vec (&sums)[Rows]) {
  constexpr int kBits = Type::kWeightBits;
  UVec w[8];
  Type::weights(body, part, w);
#pragma GCC unroll 8
  for (int g = 0; g < 8; ++g) w[g] = prepare<kBits>(w[g]);
  if constexpr (Type::kHalves) {
    const Vec scale0 = Type::scale(header, 2 * block, part), scale1 = Type::scale(header, 2 * block + 1, part);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const IVec first = dot<kBits, 4>(start<Type>(x.minus_half_sum[0][i]), w, x.q[i]);
      const IVec second = dot<kBits, 4>(start<Type>(x.minus_half_sum[1][i]), w + 4, x.q[i] + 16);
      const Vec both = fma(to_floats(second), scale1, to_floats(first) * scale0);
      sums[i] = fma(both, broadcast(x.scale[i]), sums[i]);
    }
    if constexpr (Type::kMinimum) {
      const Vec min0 = Type::minimum(header, 2 * block, part), min1 = Type::minimum(header, 2 * block + 1, part);
#pragma GCC unroll 16
      for (int i = 0; i < Rows; ++i)
        sums[i] =
            fma(min1, broadcast(x.half_sum[1][i]), fma(min0, broadcast(x.half_sum[0][i]), sums[i]));
    }
  } else {
    const Vec scale = Type::scale(header, block, part);
    Vec minimum{};
    if constexpr (Type::kMinimum) minimum = Type::minimum(header, block, part);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const Vec product = to_floats(dot<kBits, 8>(start<Type>(x.minus_sum[i]), w, x.q[i])) * scale;
      sums[i] = fma(product, broadcast(x.scale[i]), sums[i]);
      if constexpr (Type::kMinimum) sums[i] = fma(minimum, broadcast(x.sum[i]), sums[i]);
    }
  }
}

// A panel's sums to y, `columns` of them.
template <int Rows>
PROPANE_INLINE void store_panel(const Vec (&sums)[kParts][Rows], int rows, int64_t columns, float* y, int64_t ldy) {
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
    if (i >= rows) break;
#pragma GCC unroll 4
    for (int part = 0; part < kParts; ++part) {
      const int64_t rest = columns - part * kLanes;
      if (rest >= kLanes) store(y + i * ldy + part * kLanes, sums[part][i]);
      else if (rest > 0) store_part(y + i * ldy + part * kLanes, sums[part][i], static_cast<int>(rest));
    }
  }
}

template <typename Type, int Rows>
void quant_tile(const QuantTile& t) {
  constexpr GroupLayout kLayout = group_layout(Type::kType);
  const std::byte* p = t.packed;
  for (int64_t column = 0; column < t.columns; column += kPanelRows) {
    const auto* x = reinterpret_cast<const QuantizedBlock<Rows>*>(t.x);
    Vec sums[kParts][Rows];
#pragma GCC unroll 4
    for (int part = 0; part < kParts; ++part)
#pragma GCC unroll 16
      for (int i = 0; i < Rows; ++i) sums[part][i] = Vec{};
    for (int64_t k = 0; k < t.k; k += group_columns(Type::kType)) {
      const typename Type::Header header(p);
      prefetch<kLayout.header>(p + kQuantAhead);
      p += kLayout.header;
      for (int block = 0; block < kLayout.blocks; ++block) {
        prefetch<kLayout.body>(p + kQuantAhead);
#pragma GCC unroll 4
        for (int part = 0; part < kParts; ++part) add_block<Type, Rows>(p, header, block, part, *x, sums[part]);
        p += kLayout.body;
        ++x;
      }
    }
    store_panel(sums, t.rows, t.columns - column, t.y + column, t.ldy);
  }
}

template <typename Type>
constexpr QuantTileFunctions quant_tiles() {
  static_assert(kTileWidthCount == 7 && kTileWidths[6] == 16);
  return {{quant_tile<Type, 1>, quant_tile<Type, 2>, quant_tile<Type, 3>, quant_tile<Type, 4>, quant_tile<Type, 6>,
           quant_tile<Type, 8>,
#if defined(PROPANE_TARGET_avx512)
           quant_tile<Type, 16>
#else
           nullptr  // more sums than registers
#endif
  }};
}

// The tiles of the files quant_tile_*.simd.cpp; null for a type that a file does not know.
const QuantTileFunctions* simple_block_tiles(quant::BlockType type);
const QuantTileFunctions* super_block_tiles(quant::BlockType type);
const QuantTileFunctions* single_number_tiles(quant::BlockType type);

}  // namespace propane::cpu::PROPANE_TARGET
