// The transpose of a square of kLanes vectors in registers, for *.simd.cpp files.
#pragma once

#include "backends/cpu/kernels/simd.h"

namespace propane::cpu::PROPANE_TARGET {

// In every 128-bit part of a, b, c, d: the transpose of its four rows of four.
PROPANE_INLINE void transpose_quads(Vec& a, Vec& b, Vec& c, Vec& d) {
#if defined(PROPANE_TARGET_avx512)
  const Vec ab_low = _mm512_unpacklo_ps(a, b), ab_high = _mm512_unpackhi_ps(a, b);
  const Vec cd_low = _mm512_unpacklo_ps(c, d), cd_high = _mm512_unpackhi_ps(c, d);
  a = _mm512_shuffle_ps(ab_low, cd_low, 0x44);
  b = _mm512_shuffle_ps(ab_low, cd_low, 0xee);
  c = _mm512_shuffle_ps(ab_high, cd_high, 0x44);
  d = _mm512_shuffle_ps(ab_high, cd_high, 0xee);
#elif defined(PROPANE_TARGET_avx2)
  const Vec ab_low = _mm256_unpacklo_ps(a, b), ab_high = _mm256_unpackhi_ps(a, b);
  const Vec cd_low = _mm256_unpacklo_ps(c, d), cd_high = _mm256_unpackhi_ps(c, d);
  a = _mm256_shuffle_ps(ab_low, cd_low, 0x44);
  b = _mm256_shuffle_ps(ab_low, cd_low, 0xee);
  c = _mm256_shuffle_ps(ab_high, cd_high, 0x44);
  d = _mm256_shuffle_ps(ab_high, cd_high, 0xee);
#else
  const Vec ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const Vec cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  a = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
  b = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
  c = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
  d = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
#endif
}

// v[i][j] becomes v[j][i].
PROPANE_INLINE void transpose(Vec (&v)[kLanes]) {
#pragma GCC unroll 4
  for (int i = 0; i < kLanes; i += 4) transpose_quads(v[i], v[i + 1], v[i + 2], v[i + 3]);
    // Now the 128-bit parts, as elements of the vectors that are four apart, are to be transposed.
#if defined(PROPANE_TARGET_avx512)
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const Vec low01 = _mm512_shuffle_f32x4(v[i], v[i + 4], 0x44), high01 = _mm512_shuffle_f32x4(v[i], v[i + 4], 0xee);
    const Vec low23 = _mm512_shuffle_f32x4(v[i + 8], v[i + 12], 0x44);
    const Vec high23 = _mm512_shuffle_f32x4(v[i + 8], v[i + 12], 0xee);
    v[i] = _mm512_shuffle_f32x4(low01, low23, 0x88);
    v[i + 4] = _mm512_shuffle_f32x4(low01, low23, 0xdd);
    v[i + 8] = _mm512_shuffle_f32x4(high01, high23, 0x88);
    v[i + 12] = _mm512_shuffle_f32x4(high01, high23, 0xdd);
  }
#elif defined(PROPANE_TARGET_avx2)
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const Vec low = _mm256_permute2f128_ps(v[i], v[i + 4], 0x20), high = _mm256_permute2f128_ps(v[i], v[i + 4], 0x31);
    v[i] = low;
    v[i + 4] = high;
  }
#endif
}

}  // namespace propane::cpu::PROPANE_TARGET
