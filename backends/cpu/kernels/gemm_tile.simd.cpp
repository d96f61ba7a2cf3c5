#include "backends/cpu/kernels/gemm_tile.h"

#include <utility>

namespace propane::cpu::PROPANE_TARGET {

namespace {

// One tile of Rows × Vectors vectors. The last vector has `last` columns.
template <int Rows, int Vectors>
void tile_of(const Tile& t) {
  const int last = t.cols - (Vectors - 1) * kLanes;
  const int64_t ldc = t.ldc;
  float* const c = t.c;
  Vec sums[Rows][Vectors];
  if (t.accumulate) {
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 2
      for (int j = 0; j < Vectors - 1; ++j) sums[i][j] = load(c + i * ldc + j * kLanes);
      const float* tail = c + i * ldc + (Vectors - 1) * kLanes;
      sums[i][Vectors - 1] = last == kLanes ? load(tail) : load_part(tail, last);
    }
  } else {
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 2
      for (int j = 0; j < Vectors; ++j) sums[i][j] = Vec{};
  }
  // The tile to the right is likely the next: its lines of C arrive while this one is summed.
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < kTileCols * 4; j += 64) __builtin_prefetch(c + i * ldc + kTileCols + j / 4, 1);

  const float* a = t.a;
  const float* b = t.b;
  // A few rows wait for memory, not for arithmetic: B is asked into the L2 cache well before it is needed, across the
  // panel's end, behind which the next one lies.
  constexpr int64_t kAhead = (16 << 10) / 4;
  for (int64_t p = 0; p < t.depth; ++p) {
    if constexpr (Rows <= 4)
#pragma GCC unroll 2
      for (int j = 0; j < kTileCols * 4; j += 64) __builtin_prefetch(b + kAhead + j / 4, 0, 2);
    Vec row[Vectors];
#pragma GCC unroll 2
    for (int j = 0; j < Vectors; ++j) row[j] = load(b + j * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const Vec element = broadcast(a[i]);
#pragma GCC unroll 2
      for (int j = 0; j < Vectors; ++j) sums[i][j] = fma(element, row[j], sums[i][j]);
    }
    a += Rows;
    b += kTileCols;
  }

#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < Vectors - 1; ++j) store(c + i * ldc + j * kLanes, sums[i][j]);
    float* tail = c + i * ldc + (Vectors - 1) * kLanes;
    if (last == kLanes) store(tail, sums[i][Vectors - 1]);
    else store_part(tail, sums[i][Vectors - 1], last);
  }
}

using TileFunction = void (*)(const Tile&);
struct TileFunctions {
  TileFunction by_size[kTileRows][kTileVectors];  // [rows - 1][vectors - 1]
};

template <int... Row>
constexpr TileFunctions tile_functions(std::integer_sequence<int, Row...>) {
  return {{{tile_of<Row + 1, 1>, tile_of<Row + 1, 2>}...}};
}
constexpr TileFunctions kTiles = tile_functions(std::make_integer_sequence<int, kTileRows>());

void tile(const Tile& t) { kTiles.by_size[t.rows - 1][(t.cols - 1) / kLanes](t); }

constexpr GemmKernels kKernels = {kTileRows, kTileCols,      copy_panels,  transpose_panels,
                                  tile,      apply_epilogue, apply_swiglu, mirror};

}  // namespace

const GemmKernels& gemm_kernels();
const GemmKernels& gemm_kernels() { return kKernels; }

}  // namespace propane::cpu::PROPANE_TARGET
