// Elementary functions of vectors, for *.simd.cpp files: within about 2 ulp of the exact value unless said.
//
// The polynomials are minimax fits of tools/fit_vector_math.py. No function branches: each lane costs the same
// whatever its value, and its result never depends on its neighbours.
#pragma once

#include <utility>

#include "backends/cpu/kernels/simd.h"

namespace propane::cpu::PROPANE_TARGET {

// Bits are counted with unsigned numbers, which may wrap.
typedef uint32_t UVec __attribute__((vector_size(kLanes * 4)));
PROPANE_INLINE UVec bits_of(Vec x) { return (UVec)x; }
PROPANE_INLINE Vec from_bits(UVec bits) { return (Vec)bits; }
PROPANE_INLINE Vec abs(Vec x) { return from_bits(bits_of(x) & 0x7fffffffu); }
// |magnitude| with the sign of `sign`; magnitude must not be negative.
PROPANE_INLINE Vec with_sign(Vec magnitude, Vec sign) {
  return from_bits(bits_of(magnitude) | (bits_of(sign) & 0x80000000u));
}

// {0, 1, 2, ...}
PROPANE_INLINE IVec iota() {
  IVec v;
  for (int i = 0; i < kLanes; ++i) v[i] = i;
  return v;
}

// coefficients[0] + coefficients[1]·x + ...
template <int N>
PROPANE_INLINE Vec polynomial(Vec x, const float (&coefficients)[N]) {
  Vec p = broadcast(coefficients[N - 1]);
  for (int i = N - 2; i >= 0; --i) p = fma(p, x, broadcast(coefficients[i]));
  return p;
}

// x rounded to the nearest integer n, |x| < 2^22, and the float 2^n · y by adding n to y's exponent.
constexpr float kRounder = 0x1.8p23f;
struct Rounded {
  Vec value;
  UVec integer;  // modulo 2^32
};
PROPANE_INLINE Rounded round_to_int(Vec x) {
  const Vec shifted = x + kRounder;
  return {shifted - kRounder, bits_of(shifted) - bits_of(broadcast(kRounder))};
}
PROPANE_INLINE Vec scale_by_power(Vec y, UVec n) { return from_bits(bits_of(y) + (n << 23)); }

// 2^x for x < 127 only; 0 below 2^-125, NaN for NaN.
PROPANE_INLINE Vec exp2(Vec x) {
  static constexpr float kPoly[] = {1.0f,           0.693147182f,   0.240226462f,   0.0555032864f,
                                    0.00961848907f, 0.00133999309f, 0.000153458212f};
  const Rounded n = round_to_int(x);
  const Vec y = scale_by_power(polynomial(x - n.value, kPoly), n.integer);
  return select(x < -125.0f, Vec{}, y);
}

// e^x; 0 below 2^-125, infinity from 2^128 on, NaN for NaN.
PROPANE_INLINE Vec exp(Vec x) {
  static constexpr float kPoly[] = {1.0f,          1.0f,           0.499999911f,  0.166664109f,
                                    0.0416682884f, 0.00837564468f, 0.00138358108f};
  constexpr float kOverflow = 88.72284f, kUnderflow = -86.64340f;  // 128·ln 2 and −125·ln 2
  const Vec bounded = select(x > kOverflow, broadcast(kOverflow), x);
  const Rounded n = round_to_int(bounded * 1.44269504f);
  // ln 2 in two parts: n times the first is exact.
  const Vec f = (bounded - n.value * 0.693359375f) + n.value * 2.12194440e-4f;
  const Vec y = scale_by_power(polynomial(f, kPoly), n.integer);
  return select(x < kUnderflow, Vec{}, select(x > kOverflow, broadcast(__builtin_inff()), y));
}

// ln x for normal positive x; −infinity for 0.
PROPANE_INLINE Vec log(Vec x) {
  static constexpr float kPoly[] = {0.333333105f,  -0.249999866f, 0.200022265f, -0.16669251f, 0.142186657f,
                                    -0.123843476f, 0.118729271f,  -0.11789792f, 0.0691545084f};
  // x = 2^n · m with m in [√½, √2).
  const UVec shifted = bits_of(x) - 0x3f3504f3u;
  const Vec n = __builtin_convertvector((IVec)shifted >> 23, Vec);
  const Vec u = from_bits((shifted & 0x7fffffu) + 0x3f3504f3u) - 1.0f;
  const Vec u2 = u * u;
  Vec y = u2 * u * polynomial(u, kPoly) - n * 2.12194440e-4f;
  y = y - 0.5f * u2 + u + n * 0.693359375f;
  return select(x == 0.0f, broadcast(-__builtin_inff()), y);
}

// 1 / (1 + e^-x)
PROPANE_INLINE Vec sigmoid(Vec x) { return 1.0f / (1.0f + exp(-x)); }

// Within 4 ulp. With m = e^2x − 1, tanh x = m / (m + 2). m = 2^n·(e^f − 1) + (2^n − 1) loses nothing near 0, where n = 0.
PROPANE_INLINE Vec tanh(Vec x) {
  static constexpr float kPoly[] = {1.0f, 0.499999911f, 0.166664109f, 0.0416682884f, 0.00837564468f, 0.00138358108f};
  const Vec bounded = min(broadcast(10.0f), max(broadcast(-10.0f), x));  // tanh(10) rounds to 1
  const Rounded n = round_to_int(bounded * 2.88539008f);                 // 2 / ln 2
  const Vec f = (bounded * 2.0f - n.value * 0.693359375f) + n.value * 2.12194440e-4f;
  const Vec power = scale_by_power(broadcast(1.0f), n.integer);
  const Vec m = fma(power, f * polynomial(f, kPoly), power - 1.0f);
  return m / (m + 2.0f);
}

// The standard normal distribution function, (1 + erf(x/√2)) / 2: to a relative error of 5e-6 down to x = −5.6, below
// which, where it is less than 1e-8, 0.
PROPANE_INLINE Vec normal_cdf(Vec x) {
  // erf(t) / t over t², and log(erfc(t)).
  static constexpr float kNear[] = {1.12837923f,    -0.376126319f,    0.112836726f,   -0.0268581044f,
                                    0.00519779744f, -0.000810596626f, 8.21542781e-05f};
  static constexpr float kFar[] = {0.000320642546f, -1.13025153f,    -0.631761014f,   -0.110183187f,
                                   0.0265123695f,   -0.00480864197f, 0.000613208918f, -4.93955558e-05f,
                                   2.01552689e-06f, -1.8333667e-08f};
  const Vec t = abs(x) * 0.707106781f;
  const Vec near = 0.5f + 0.5f * with_sign(t * polynomial(t * t, kNear), x);
  const Vec tail = select(t > 4.0f, Vec{}, 0.5f * exp(polynomial(t, kFar)));
  return select(t < 0.95f, near, select(x < 0.0f, tail, 1.0f - tail));
}

// bf16, the upper half of a float: reading, and writing rounded to nearest even.
typedef uint16_t HalfVec __attribute__((vector_size(kLanes * 2)));
PROPANE_INLINE Vec load_bf16(const uint16_t* p) {
  HalfVec v;
  std::memcpy(&v, p, sizeof v);
  return (Vec)(__builtin_convertvector(v, UVec) << 16);
}
PROPANE_INLINE void store_bf16(uint16_t* p, Vec x) {
  const UVec bits = (UVec)x;
  const UVec nan = (bits >> 16) | 0x40u;
  const UVec rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const HalfVec v = __builtin_convertvector((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded, HalfVec);
  std::memcpy(p, &v, sizeof v);
}

}  // namespace propane::cpu::PROPANE_TARGET
