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
PROPANE_INLINE Vec broadcast(float x) { return Vec{} + x; }
PROPANE_INLINE IVec broadcast_int(int32_t x) { return IVec{} + x; }

// The first n lanes of p, the rest zero (0 <= n <= kLanes); reads nothing beyond them.
PROPANE_INLINE Vec load_part(const float* p, int n) {
  Vec v{};
  for (int i = 0; i < n; ++i) v[i] = p[i];
  return v;
}
PROPANE_INLINE void store_part(float* p, Vec v, int n) {
  for (int i = 0; i < n; ++i) p[i] = v[i];
}

PROPANE_INLINE Vec select(IVec mask, Vec yes, Vec no) { return mask ? yes : no; }
PROPANE_INLINE Vec max(Vec a, Vec b) { return a > b ? a : b; }
PROPANE_INLINE Vec min(Vec a, Vec b) { return a < b ? a : b; }

// The sum of the lanes, always in the same order: halves folded onto each other.
PROPANE_INLINE float sum(Vec v) {
  float lane[kLanes];
  store(lane, v);
  for (int n = kLanes / 2; n > 0; n /= 2)
    for (int i = 0; i < n; ++i) lane[i] += lane[i + n];
  return lane[0];
}
PROPANE_INLINE float max_lane(Vec v) {
  float lane[kLanes];
  store(lane, v);
  float m = lane[0];
  for (int i = 1; i < kLanes; ++i) m = lane[i] > m ? lane[i] : m;
  return m;
}

}  // namespace propane::cpu::PROPANE_TARGET
