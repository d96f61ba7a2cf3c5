// The bytes of each block format, little-endian, as GGML defines them.
//
// Every structure is what lies in a file; a scale is an IEEE half (base/half.h). Blocks in a mapping may be unaligned
// for their halves, so copy a block out before reading its fields. In the formats of 32 elements the nibbles of byte j
// are the elements j (low) and j + 16 (high). The formats of 256 ("K") are divided into sub-blocks with small integer
// scales.
#pragma once

#include <cstdint>

namespace propane::quant {

using Half = uint16_t;  // the bits of an IEEE half

// x = d · (q - 8), q in 0..15
struct Q4_0 {
  static constexpr int kElements = 32;
  Half d;
  uint8_t nibbles[16];
};
static_assert(sizeof(Q4_0) == 18);

// x = d · q + m, q in 0..15
struct Q4_1 {
  static constexpr int kElements = 32;
  Half d;
  Half m;
  uint8_t nibbles[16];
};
static_assert(sizeof(Q4_1) == 20);

// x = d · (q - 16), q in 0..31; bit j of `high`, little-endian, is the fifth bit of element j
struct Q5_0 {
  static constexpr int kElements = 32;
  Half d;
  uint8_t high[4];
  uint8_t nibbles[16];
};
static_assert(sizeof(Q5_0) == 22);

// x = d · q + m, q in 0..31, `high` as in Q5_0
struct Q5_1 {
  static constexpr int kElements = 32;
  Half d;
  Half m;
  uint8_t high[4];
  uint8_t nibbles[16];
};
static_assert(sizeof(Q5_1) == 24);

// x = d · q
struct Q8_0 {
  static constexpr int kElements = 32;
  Half d;
  int8_t q[32];
};
static_assert(sizeof(Q8_0) == 34);

// Sub-block s of 16 elements: x = (d · scale) · q - (dmin · min), q in 0..3, with scale in the low and min in the high
// nibble of scales[s]. Element 128·h + 32·j + p has bits 2j of pairs[32·h + p].
struct Q2_K {
  static constexpr int kElements = 256;
  uint8_t scales[16];
  uint8_t pairs[64];
  Half d;
  Half dmin;
};
static_assert(sizeof(Q2_K) == 84);

// Sub-block s of 16: x = (d · scale) · q, q in -4..3, scale in -32..31. Two bits as in Q2_K; the third is bit 4·h + j
// of high[p], and where it is 0, 4 is subtracted. `scales` packs scale + 32: four bits each in bytes 0..7 (sub-blocks
// 0..7 low, 8..15 high), the upper two of sub-block s in byte 8 + s % 4 from bit 2 · (s / 4).
struct Q3_K {
  static constexpr int kElements = 256;
  uint8_t high[32];
  uint8_t pairs[64];
  uint8_t scales[12];
  Half d;
};
static_assert(sizeof(Q3_K) == 110);

// Sub-block s of 32: x = (d · scale) · q - (dmin · min), q in 0..15, with scale and min of six bits each (SixBitPairs).
// Sub-block 2c has the low and 2c + 1 the high nibbles of nibbles[32·c ..].
struct Q4_K {
  static constexpr int kElements = 256;
  Half d;
  Half dmin;
  uint8_t scales[12];
  uint8_t nibbles[128];
};
static_assert(sizeof(Q4_K) == 144);

// As Q4_K with q in 0..31: bit s of high[p] is the fifth bit of element p of sub-block s.
struct Q5_K {
  static constexpr int kElements = 256;
  Half d;
  Half dmin;
  uint8_t scales[12];
  uint8_t high[32];
  uint8_t nibbles[128];
};
static_assert(sizeof(Q5_K) == 176);

// Sub-block s of 16: x = (d · scales[s]) · q, q in -32..31, stored with 32 added. Element 128·h + 32·j + p has its low
// four bits in byte 64·h + 32·(j % 2) + p of `low`, in the high nibble from j = 2 on, and its upper two from bit 2j of
// high[32·h + p].
struct Q6_K {
  static constexpr int kElements = 256;
  uint8_t low[128];
  uint8_t high[64];
  int8_t scales[16];
  Half d;
};
static_assert(sizeof(Q6_K) == 210);

// The sixteen numbers that a nibble of IQ4_NL and IQ4_XS stands for.
inline constexpr int8_t kNonLinear4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// x = d · kNonLinear4[q]
struct IQ4_NL {
  static constexpr int kElements = 32;
  Half d;
  uint8_t nibbles[16];
};
static_assert(sizeof(IQ4_NL) == 18);

// Sub-block s of 32: x = (d · scale) · kNonLinear4[q], scale in -32..31, stored with 32 added: four bits in a nibble of
// scales_low[s / 2] (even s low), the upper two from bit 2s of `scales_high`. Each sub-block has 16 bytes of nibbles.
struct IQ4_XS {
  static constexpr int kElements = 256;
  Half d;
  uint16_t scales_high;
  uint8_t scales_low[4];
  uint8_t nibbles[128];
};
static_assert(sizeof(IQ4_XS) == 136);

// Twice the sixteen numbers of E2M1, the four-bit float of the OCP Microscaling formats (version 1.0, section 5.3.3).
inline constexpr int8_t kE2M1Twice[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// x = 2^(exponent - 127) · E2M1(q), computed as half that power times kE2M1Twice[q].
struct MXFP4 {
  static constexpr int kElements = 32;
  uint8_t exponent;
  uint8_t nibbles[16];
};
static_assert(sizeof(MXFP4) == 17);

// The eight scales and eight minimums of Q4_K and Q5_K, unpacked: of sub-blocks 0..3 the low six bits of bytes 0..3 and
// 4..7; of sub-blocks 4..7 the low (scale) and high (minimum) nibble of bytes 8..11 under the top two bits of bytes
// 0..3 and 4..7.
struct SixBitPairs {
  uint8_t scale[8];
  uint8_t min[8];

  static SixBitPairs unpack(const uint8_t (&packed)[12]) {
    SixBitPairs out;
    for (int s = 0; s < 4; ++s) {
      out.scale[s] = packed[s] & 63;
      out.min[s] = packed[s + 4] & 63;
      out.scale[s + 4] = static_cast<uint8_t>((packed[s + 8] & 15) | (packed[s] >> 6 << 4));
      out.min[s + 4] = static_cast<uint8_t>((packed[s + 8] >> 4) | (packed[s + 4] >> 6 << 4));
    }
    return out;
  }

  void pack(uint8_t (&packed)[12]) const {
    for (int s = 0; s < 4; ++s) {
      packed[s] = static_cast<uint8_t>(scale[s] | (scale[s + 4] >> 4 << 6));
      packed[s + 4] = static_cast<uint8_t>(min[s] | (min[s + 4] >> 4 << 6));
      packed[s + 8] = static_cast<uint8_t>((scale[s + 4] & 15) | (min[s + 4] << 4));
    }
  }
};

}  // namespace propane::quant
