// Types of single numbers: F32, F16 and BF16, read as they are; the arithmetic is in single precision.
#include "backends/cpu/kernels/quant_tile.h"

namespace propane::cpu::PROPANE_TARGET {

namespace {

using quant::BlockType;

template <BlockType Type>
PROPANE_INLINE Vec load_numbers(const std::byte* p, int part) {
  if constexpr (Type == BlockType::f16) return load_halves(p, part);
  else if constexpr (Type == BlockType::bf16) return load_bf16(reinterpret_cast<const uint16_t*>(p) + kLanes * part);
  else return load(reinterpret_cast<const float*>(p) + kLanes * part);
}

// Even and odd columns have sums of their own, so that a single row waits less for its last multiply-add. Sixteen rows
// would not leave registers for that.
template <BlockType Type, int Rows>
void single_tile(const QuantTile& t) {
  constexpr int kSize = group_layout(Type).bytes();
  constexpr int kChains = 2;
  const std::byte* p = t.packed;
  for (int64_t column = 0; column < t.columns; column += kPanelRows) {
    const auto* x = reinterpret_cast<const float*>(t.x);
    Vec sums[kParts][kChains][Rows];
#pragma GCC unroll 4
    for (int part = 0; part < kParts; ++part)
#pragma GCC unroll 2
      for (int chain = 0; chain < kChains; ++chain)
#pragma GCC unroll 16
        for (int i = 0; i < Rows; ++i) sums[part][chain][i] = Vec{};
    const auto add = [&](int chain) __attribute__((always_inline)) {
#pragma GCC unroll 4
      for (int part = 0; part < kParts; ++part) {
        const Vec w = load_numbers<Type>(p, part);
#pragma GCC unroll 16
        for (int i = 0; i < Rows; ++i) sums[part][chain][i] = fma(broadcast(x[i]), w, sums[part][chain][i]);
      }
      p += kSize;
      x += Rows;
    };
    int64_t k = 0;
    for (; k + 4 <= t.k; k += 4) {
      prefetch<4 * kSize>(p + kQuantAhead);
      add(0);
      add(1);
      add(0);
      add(1);
    }
    for (; k < t.k; ++k) add(0);
    Vec totals[kParts][Rows];
#pragma GCC unroll 4
    for (int part = 0; part < kParts; ++part)
#pragma GCC unroll 16
      for (int i = 0; i < Rows; ++i) totals[part][i] = sums[part][0][i] + sums[part][1][i];
    store_panel(totals, t.rows, t.columns - column, t.y + column, t.ldy);
  }
}

template <BlockType Type>
constexpr QuantTileFunctions single_tiles() {
  return {{single_tile<Type, 1>, single_tile<Type, 2>, single_tile<Type, 3>, single_tile<Type, 4>, single_tile<Type, 6>,
           single_tile<Type, 8>, nullptr}};
}

}  // namespace

const QuantTileFunctions* single_number_tiles(BlockType type) {
  static constexpr QuantTileFunctions kF32 = single_tiles<BlockType::f32>();
  static constexpr QuantTileFunctions kF16 = single_tiles<BlockType::f16>();
  static constexpr QuantTileFunctions kBF16 = single_tiles<BlockType::bf16>();
  switch (type) {
    case BlockType::f32: return &kF32;
    case BlockType::f16: return &kF16;
    case BlockType::bf16: return &kBF16;
    default: return nullptr;
  }
}

}  // namespace propane::cpu::PROPANE_TARGET
