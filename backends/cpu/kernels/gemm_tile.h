// The register tile of the matrix products, for *.simd.cpp files: kTileRows × kTileVectors vectors of sums, a row of B
// and one broadcast element of A fill the registers.
#pragma once

#include "backends/cpu/kernels/gemm_kernels.h"
#include "backends/cpu/kernels/simd.h"

namespace propane::cpu::PROPANE_TARGET {

#if defined(PROPANE_TARGET_avx512)
constexpr int kTileRows = 14;  // 28 sums of 32 registers
#elif defined(PROPANE_TARGET_avx2)
constexpr int kTileRows = 6;  // 12 of 16
#elif defined(PROPANE_TARGET_neon)
constexpr int kTileRows = 12;  // 24 of 32
#else
constexpr int kTileRows = 4;  // 8 of SSE2's 16
#endif
constexpr int kTileVectors = 2;
constexpr int kTileCols = kTileVectors * kLanes;

// The kernels of the other gemm_*.simd.cpp files; gemm_tile.simd.cpp gathers them into gemm_kernels().
void copy_panels(const PanelCopy& copy);
void transpose_panels(const PanelCopy& copy);
void mirror(float* c, int64_t ldc, int64_t begin, int64_t end);
void apply_epilogue(const EpilogueTile& tile);
void apply_swiglu(const SwigluTile& tile);

}  // namespace propane::cpu::PROPANE_TARGET
