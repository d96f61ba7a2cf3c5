// The vector type of the instruction set that a *.simd.cpp file is being compiled for.
//
// Such a file is compiled once a target with PROPANE_TARGET set to the target's name, and puts everything into
// namespace propane::cpu::PROPANE_TARGET. It must not instantiate or include anything inline that others use too (no
// standard containers or algorithms): the linker could pick a copy full of instructions that the processor lacks.
#pragma once

#include <cstdint>
#include <cstring>

#ifndef PROPANE_TARGET
#error "simd.h is for *.simd.cpp files only"
#endif

#if defined(PROPANE_TARGET_avx512) || defined(PROPANE_TARGET_avx2)
#include <immintrin.h>
#elif defined(PROPANE_TARGET_neon)
#include <arm_neon.h>
#endif

#define PROPANE_INLINE static inline __attribute__((always_inline))

namespace propane::cpu::PROPANE_TARGET {

#if defined(PROPANE_TARGET_avx512)
constexpr int kLanes = 16;
#elif defined(PROPANE_TARGET_avx2)
constexpr int kLanes = 8;
#else  // NEON, and the portable fallback that any compiler turns into what it has
constexpr int kLanes = 4;
#endif

typedef float Vec __attribute__((vector_size(kLanes * 4)));
typedef int32_t IVec __attribute__((vector_size(kLanes * 4)));

PROPANE_INLINE Vec load(const float* p) {
  Vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
PROPANE_INLINE void store(float* p, Vec v) { std::memcpy(p, &v, sizeof v); }
#if defined(PROPANE_TARGET_avx512)
PROPANE_INLINE Vec broadcast(float x) { return _mm512_set1_ps(x); }
#elif defined(PROPANE_TARGET_avx2)
PROPANE_INLINE Vec broadcast(float x) { return _mm256_set1_ps(x); }
#else
PROPANE_INLINE Vec broadcast(float x) { return Vec{x, x, x, x}; }
#endif
PROPANE_INLINE IVec broadcast_int(int32_t x) { return IVec{} + x; }

// load_part: the first n lanes of p, the rest zero (0 <= n <= kLanes). Neither touches memory beyond them.
#if defined(PROPANE_TARGET_avx512)
PROPANE_INLINE __mmask16 first_lanes(int n) {
  return static_cast<__mmask16>(_bzhi_u32(0xffff, static_cast<unsigned>(n)));
}
PROPANE_INLINE Vec load_part(const float* p, int n) { return _mm512_maskz_loadu_ps(first_lanes(n), p); }
PROPANE_INLINE void store_part(float* p, Vec v, int n) { _mm512_mask_storeu_ps(p, first_lanes(n), v); }
#elif defined(PROPANE_TARGET_avx2)
PROPANE_INLINE __m256i first_lanes(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
PROPANE_INLINE Vec load_part(const float* p, int n) { return _mm256_maskload_ps(p, first_lanes(n)); }
PROPANE_INLINE void store_part(float* p, Vec v, int n) { _mm256_maskstore_ps(p, first_lanes(n), v); }
#else
PROPANE_INLINE Vec load_part(const float* p, int n) {
  Vec v{};
  for (int i = 0; i < n; ++i) v[i] = p[i];
  return v;
}
PROPANE_INLINE void store_part(float* p, Vec v, int n) {
  for (int i = 0; i < n; ++i) p[i] = v[i];
}
#endif

// fma: a·b + c, rounded once (but for the portable target where the processor has no such instruction).
// max, min: b where a lane holds a NaN on x86; the NaN on NEON.
#if defined(PROPANE_TARGET_avx512)
PROPANE_INLINE Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
PROPANE_INLINE Vec max(Vec a, Vec b) { return _mm512_max_ps(a, b); }
PROPANE_INLINE Vec min(Vec a, Vec b) { return _mm512_min_ps(a, b); }
PROPANE_INLINE Vec sqrt(Vec v) { return _mm512_sqrt_ps(v); }
#elif defined(PROPANE_TARGET_avx2)
PROPANE_INLINE Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
PROPANE_INLINE Vec max(Vec a, Vec b) { return _mm256_max_ps(a, b); }
PROPANE_INLINE Vec min(Vec a, Vec b) { return _mm256_min_ps(a, b); }
PROPANE_INLINE Vec sqrt(Vec v) { return _mm256_sqrt_ps(v); }
#elif defined(PROPANE_TARGET_neon)
PROPANE_INLINE Vec fma(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
PROPANE_INLINE Vec max(Vec a, Vec b) { return vmaxq_f32(a, b); }
PROPANE_INLINE Vec min(Vec a, Vec b) { return vminq_f32(a, b); }
PROPANE_INLINE Vec sqrt(Vec v) { return vsqrtq_f32(v); }
#else
PROPANE_INLINE Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
PROPANE_INLINE Vec max(Vec a, Vec b) { return a > b ? a : b; }
PROPANE_INLINE Vec min(Vec a, Vec b) { return a < b ? a : b; }
PROPANE_INLINE Vec sqrt(Vec v) {
  for (int i = 0; i < kLanes; ++i) v[i] = __builtin_sqrtf(v[i]);
  return v;
}
#endif

PROPANE_INLINE Vec select(IVec mask, Vec yes, Vec no) { return mask ? yes : no; }

// The sum and the largest of the lanes, always in the same order: halves folded onto each other.
typedef float Quad __attribute__((vector_size(16)));
template <typename Fold>
PROPANE_INLINE float fold_lanes(Vec v, Fold fold) {
#if defined(PROPANE_TARGET_avx512)
  const auto half = fold(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7),
                         __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15));
#else
  const Vec half = v;
#endif
#if defined(PROPANE_TARGET_avx512) || defined(PROPANE_TARGET_avx2)
  const Quad quad =
      fold(__builtin_shufflevector(half, half, 0, 1, 2, 3), __builtin_shufflevector(half, half, 4, 5, 6, 7));
#else
  const Quad quad = half;
#endif
  const Quad pair = fold(quad, __builtin_shufflevector(quad, quad, 2, 3, 2, 3));
  return fold(pair, __builtin_shufflevector(pair, pair, 1, 1, 1, 1))[0];
}
PROPANE_INLINE float sum(Vec v) {
  return fold_lanes(v, [](auto a, auto b) { return a + b; });
}
PROPANE_INLINE float max_lane(Vec v) {
  return fold_lanes(v, [](auto a, auto b) { return a > b ? a : b; });
}

}  // namespace propane::cpu::PROPANE_TARGET
