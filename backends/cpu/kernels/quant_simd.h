// Vectors of the quantized products, for *.simd.cpp files: a lane is a row of the weight.
#pragma once

#include "backends/cpu/kernels/quant_layout.h"
#include "backends/cpu/kernels/vector_math.h"

namespace propane::cpu::PROPANE_TARGET {

constexpr int kParts = kPanelRows / kLanes;  // vectors that hold a number of each row of a panel
constexpr uint32_t kOnes = 0x01010101u;      // a number for each byte of a word, times this

// Unit `unit` of a body, the rows of part `part`.
PROPANE_INLINE UVec load_unit(const std::byte* body, int unit, int part) {
  UVec v;
  std::memcpy(&v, body + 64 * unit + 4 * kLanes * part, sizeof v);
  return v;
}

// Halves, bytes and signed bytes, one a row, as floats.
PROPANE_INLINE Vec load_halves(const std::byte* p, int part) {
  p += 2 * kLanes * part;
#if defined(PROPANE_TARGET_avx512)
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
#elif defined(PROPANE_TARGET_avx2)
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#elif defined(PROPANE_TARGET_neon)
  return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(reinterpret_cast<const uint8_t*>(p))));
#else
  HalfVec halves;
  std::memcpy(&halves, p, sizeof halves);
  const UVec bits = __builtin_convertvector(halves, UVec), magnitude = (bits & 0x7fffu) << 13;
  // As a float, a half's exponent is 112 too small, also that of a subnormal; infinities and NaN keep the top exponent.
  const UVec finite = bits_of(from_bits(magnitude) * 0x1p112f);
  const UVec rest = magnitude | 0x7f800000u;
  return from_bits(((bits & 0x7c00u) == 0x7c00u ? rest : finite) | (bits & 0x8000u) << 16);
#endif
}
template <typename Byte>
PROPANE_INLINE Vec load_bytes(const std::byte* p, [[maybe_unused]] int part) {
#if defined(PROPANE_TARGET_avx512)
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm512_cvtepi32_ps(Byte(-1) < 0 ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes));
#elif defined(PROPANE_TARGET_avx2)
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + kLanes * part));
  return _mm256_cvtepi32_ps(Byte(-1) < 0 ? _mm256_cvtepi8_epi32(bytes) : _mm256_cvtepu8_epi32(bytes));
#else
  typedef Byte ByteVec __attribute__((vector_size(kLanes)));
  ByteVec v;
  std::memcpy(&v, p + kLanes * part, sizeof v);
  return __builtin_convertvector(__builtin_convertvector(v, IVec), Vec);
#endif
}

PROPANE_INLINE Vec to_floats(IVec v) {
#if defined(PROPANE_TARGET_avx512)
  return _mm512_cvtepi32_ps((__m512i)v);
#elif defined(PROPANE_TARGET_avx2)
  return _mm256_cvtepi32_ps((__m256i)v);
#else
  return __builtin_convertvector(v, Vec);
#endif
}

// Each byte of v, 0..15, replaced by the table's.
PROPANE_INLINE UVec look_up(const uint8_t (&table)[16], UVec v) {
#if defined(PROPANE_TARGET_avx512)
  const __m128i quarter = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
  return (UVec)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(quarter), (__m512i)v);
#elif defined(PROPANE_TARGET_avx2)
  const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
  return (UVec)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(half), (__m256i)v);
#elif defined(PROPANE_TARGET_neon)
  return (UVec)vqtbl1q_u8(vld1q_u8(table), (uint8x16_t)v);
#else
  uint8_t bytes[sizeof v];
  std::memcpy(bytes, &v, sizeof v);
  for (uint8_t& byte : bytes) byte = table[byte];
  std::memcpy(&v, bytes, sizeof v);
  return v;
#endif
}

// Products of bytes summed by fours into a lane. Weights are unsigned, of at most `Bits` bits, activations signed and
// never -128. Some instruction sets want numbers of eight bits signed: weights() are made so by prepare(), and then no
// offset is to be taken off their sum (kSignedBytes).
#if defined(PROPANE_DOT_VNNI)
constexpr bool kSignedBytes = false;
#elif defined(PROPANE_TARGET_avx2) || defined(PROPANE_TARGET_avx512) || defined(PROPANE_DOT_NEON)
constexpr bool kSignedBytes = true;
#else
constexpr bool kSignedBytes = false;
#endif

template <int Bits>
PROPANE_INLINE UVec prepare(UVec w) {
  return Bits == 8 && kSignedBytes ? w ^ 0x80808080u : w;
}

PROPANE_INLINE int32_t word(const int8_t* p) {
  int32_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

#if !defined(PROPANE_DOT_VNNI) && (defined(PROPANE_TARGET_avx2) || defined(PROPANE_TARGET_avx512))
// Pairs of products are summed in 16 bits: as many of them as cannot overflow, before they are widened. 2·127·15·8 and
// 2·127·31·4 and 2·127·63·2 stay below 2^15.
#if defined(PROPANE_TARGET_avx512)
#define PROPANE_MM(name) _mm512_##name
typedef __m512i MVec;
#else
#define PROPANE_MM(name) _mm256_##name
typedef __m256i MVec;
#endif
template <int Bits, int Count>
PROPANE_INLINE IVec dot(IVec sum, const UVec* w, const int8_t* a) {
  constexpr int kRun = Bits <= 4 ? 8 : Bits == 5 ? 4 : Bits == 6 ? 2 : 1;
  const MVec one = PROPANE_MM(set1_epi16)(1);
  MVec total = (MVec)sum;
#pragma GCC unroll 8
  for (int g = 0; g < Count; g += kRun) {
    MVec pairs{};
    for (int i = g; i < Count && i < g + kRun; ++i) {
      MVec x = PROPANE_MM(set1_epi32)(word(a + 4 * i)), v = (MVec)w[i];
      if constexpr (Bits == 8) {  // |w| · (x with w's sign)
#if defined(PROPANE_TARGET_avx512)
        x = _mm512_mask_sub_epi8(x, _mm512_movepi8_mask(v), MVec{}, x);
#else
        x = _mm256_sign_epi8(x, v);
#endif
        v = PROPANE_MM(abs_epi8)(v);
      }
      const MVec products = PROPANE_MM(maddubs_epi16)(v, x);
      pairs = i == g ? products : PROPANE_MM(add_epi16)(pairs, products);
    }
    total = PROPANE_MM(add_epi32)(total, PROPANE_MM(madd_epi16)(pairs, one));
  }
  return (IVec)total;
}
#undef PROPANE_MM
#else
template <int Bits, int Count>
PROPANE_INLINE IVec dot(IVec sum, const UVec* w, const int8_t* a) {
#pragma GCC unroll 8
  for (int g = 0; g < Count; ++g) {
#if defined(PROPANE_DOT_VNNI) && defined(PROPANE_TARGET_avx512)
    sum = (IVec)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)w[g], _mm512_set1_epi32(word(a + 4 * g)));
#elif defined(PROPANE_DOT_VNNI)
    sum = (IVec)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)w[g], _mm256_set1_epi32(word(a + 4 * g)));
#elif defined(PROPANE_DOT_NEON)
    const int8x16_t x = vreinterpretq_s8_s32(vdupq_n_s32(word(a + 4 * g)));
    sum = (IVec)vdotq_s32((int32x4_t)sum, (int8x16_t)w[g], x);
#else
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) sum += (IVec)((w[g] >> (8 * j)) & 0xffu) * a[4 * g + j];
#endif
  }
  return sum;
}
#endif

}  // namespace propane::cpu::PROPANE_TARGET
