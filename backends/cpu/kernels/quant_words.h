// Blocks of GGUF files as sub-blocks of 32 columns: eight words of four numbers each, which is how packed weights hold
// them (quant_layout.h).
#pragma once

#include <cstring>

#include "quant/blocks.h"

namespace propane::cpu {

constexpr uint32_t kEachByte = 0x01010101u;  // times a number: that number in each byte of a word

// Byte j of word g is element 4·g + j, unsigned.
struct Words {
  uint32_t w[8];
};

inline uint32_t word_at(const void* bytes, int word) {
  uint32_t v;
  std::memcpy(&v, static_cast<const std::byte*>(bytes) + 4 * word, sizeof v);
  return v;
}

inline Words nibble_words(const uint8_t (&nibbles)[16]) {
  Words out;
  for (int g = 0; g < 4; ++g) {
    out.w[g] = word_at(nibbles, g) & 15 * kEachByte;
    out.w[g + 4] = (word_at(nibbles, g) >> 4) & 15 * kEachByte;
  }
  return out;
}

inline Words five_bit_words(const uint8_t (&nibbles)[16], const uint8_t (&high)[4]) {
  Words out = nibble_words(nibbles);
  // Bits 4·g .. 4·g + 3 to the lowest bits of the four bytes: copies 7 bits apart, so that bit j arrives at bit 8·j.
  for (int g = 0; g < 8; ++g)
    out.w[g] |= (((word_at(high, 0) >> (4 * g)) & 15u) * 0x00204081u & kEachByte) << 4;
  return out;
}

inline Words words_of(const quant::Q4_0& b, int) { return nibble_words(b.nibbles); }
inline Words words_of(const quant::Q4_1& b, int) { return nibble_words(b.nibbles); }
inline Words words_of(const quant::IQ4_NL& b, int) { return nibble_words(b.nibbles); }
inline Words words_of(const quant::MXFP4& b, int) { return nibble_words(b.nibbles); }
inline Words words_of(const quant::Q5_0& b, int) { return five_bit_words(b.nibbles, b.high); }
inline Words words_of(const quant::Q5_1& b, int) { return five_bit_words(b.nibbles, b.high); }
inline Words words_of(const quant::Q8_0& b, int) {
  Words out;
  for (int g = 0; g < 8; ++g) out.w[g] = word_at(b.q, g) ^ 128 * kEachByte;  // with 128 added
  return out;
}

// Bits `shift` .. of the bytes of eight words from word `first` on.
inline Words shifted_words(const void* bytes, int first, int shift, uint32_t mask) {
  Words out;
  for (int g = 0; g < 8; ++g) out.w[g] = (word_at(bytes, first + g) >> shift) & mask * kEachByte;
  return out;
}

inline Words merged(Words low, const Words& high, int shift) {
  for (int g = 0; g < 8; ++g) low.w[g] |= high.w[g] << shift;
  return low;
}

// Of the K types, sub-block `s` of the eight.
inline Words words_of(const quant::Q2_K& b, int s) { return shifted_words(b.pairs, s / 4 * 8, s % 4 * 2, 3); }
inline Words words_of(const quant::Q3_K& b, int s) {
  return merged(shifted_words(b.pairs, s / 4 * 8, s % 4 * 2, 3), shifted_words(b.high, 0, s, 1), 2);
}
inline Words words_of(const quant::Q4_K& b, int s) { return shifted_words(b.nibbles, s / 2 * 8, s % 2 * 4, 15); }
inline Words words_of(const quant::Q5_K& b, int s) {
  return merged(shifted_words(b.nibbles, s / 2 * 8, s % 2 * 4, 15), shifted_words(b.high, 0, s, 1), 4);
}
inline Words words_of(const quant::Q6_K& b, int s) {
  const int h = s / 4, j = s % 4;
  return merged(shifted_words(b.low, 16 * h + 8 * (j % 2), j / 2 * 4, 15), shifted_words(b.high, 8 * h, 2 * j, 3), 4);
}
inline Words words_of(const quant::IQ4_XS& b, int s) {
  uint8_t nibbles[16];
  std::memcpy(nibbles, b.nibbles + 16 * s, sizeof nibbles);
  return nibble_words(nibbles);
}

}  // namespace propane::cpu
