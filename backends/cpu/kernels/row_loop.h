// Loops over the elements of a row by vectors, the last one in part (*.simd.cpp files only).
#pragma once

#include "backends/cpu/kernels/vector_math.h"

namespace propane::cpu::PROPANE_TARGET {

// How much of a vector there is; load() of a part fills the rest with zeros, store() leaves the rest alone.
struct Whole {};
struct Part {
  int count;
};

PROPANE_INLINE Vec load(const float* p, Whole) { return load(p); }
PROPANE_INLINE Vec load(const float* p, Part part) { return load_part(p, part.count); }
PROPANE_INLINE void store(float* p, Vec v, Whole) { store(p, v); }
PROPANE_INLINE void store(float* p, Vec v, Part part) { store_part(p, v, part.count); }

PROPANE_INLINE Vec load(const uint16_t* p, Whole) { return load_bf16(p); }
PROPANE_INLINE Vec load(const uint16_t* p, Part part) {
  uint16_t whole[kLanes] = {};
  for (int i = 0; i < part.count; ++i) whole[i] = p[i];
  return load_bf16(whole);
}
PROPANE_INLINE void store(uint16_t* p, Vec v, Whole) { store_bf16(p, v); }
PROPANE_INLINE void store(uint16_t* p, Vec v, Part part) {
  uint16_t whole[kLanes];
  store_bf16(whole, v);
  for (int i = 0; i < part.count; ++i) p[i] = whole[i];
}

// v with the lanes that a part lacks taken from `other`.
PROPANE_INLINE Vec keep(Vec v, Vec, Whole) { return v; }
PROPANE_INLINE Vec keep(Vec v, Vec other, Part part) { return select(iota() < part.count, v, other); }

// body(c, size) for c = begin, begin + kLanes, ... below end; size is Whole or, for the last, a Part.
template <typename Body>
PROPANE_INLINE void over(int64_t begin, int64_t end, Body body) {
  int64_t c = begin;
  for (; c + kLanes <= end; c += kLanes) body(c, Whole{});
  if (c < end) body(c, Part{static_cast<int>(end - c)});
}

// The lanes of a Vec in double precision.
typedef double Doubles __attribute__((vector_size(kLanes * 4)));
struct Widened {
  Doubles low, high;
};
template <size_t... I>
PROPANE_INLINE Widened widen(Vec v, std::index_sequence<I...>) {
  return {__builtin_convertvector(__builtin_shufflevector(v, v, static_cast<int>(I)...), Doubles),
          __builtin_convertvector(__builtin_shufflevector(v, v, static_cast<int>(I + kLanes / 2)...), Doubles)};
}
PROPANE_INLINE Widened widen(Vec v) { return widen(v, std::make_index_sequence<kLanes / 2>()); }
PROPANE_INLINE double sum(Doubles v) {
  double total = 0;
  for (int i = 0; i < kLanes / 2; ++i) total += v[i];
  return total;
}

// A sum of many floats: in single precision for a while, then in double.
class LongSum {
 public:
  [[gnu::always_inline]] void add(Vec v) {
    near_ += v;
    if (++count_ == kFlush) flush();
  }
  [[gnu::always_inline]] double total() {
    flush();
    return sum(far_);
  }

 private:
  static constexpr int kFlush = 32;
  [[gnu::always_inline]] void flush() {
    const Widened wide = widen(near_);
    far_ += wide.low + wide.high;
    near_ = Vec{};
    count_ = 0;
  }
  Vec near_{};
  Doubles far_{};
  int count_ = 0;
};

}  // namespace propane::cpu::PROPANE_TARGET
