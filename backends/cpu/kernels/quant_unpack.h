// The parts of a body (quant_layout.h) into vectors of bytes, for *.simd.cpp files.
#pragma once

#include "backends/cpu/kernels/quant_simd.h"

namespace propane::cpu::PROPANE_TARGET {

PROPANE_INLINE void unpack_nibbles(const std::byte* body, int part, UVec (&w)[8]) {
#pragma GCC unroll 4
  for (int g = 0; g < 4; ++g) {
    const UVec both = load_unit(body, g, part);
    w[g] = both & 15 * kOnes;
    w[g + 4] = (both >> 4) & 15 * kOnes;
  }
}

// Bits from `From` to bit `To` of each byte.
template <int From, int To, uint32_t Mask>
PROPANE_INLINE UVec moved(UVec v) {
  if constexpr (From > To) return (v >> (From - To)) & (Mask << To) * kOnes;
  else if constexpr (From < To) return (v << (To - From)) & (Mask << To) * kOnes;
  else return v & (Mask << To) * kOnes;
}

// Sets bit To of each byte from the single bits.
template <int To>
PROPANE_INLINE void add_bits(const std::byte* bits, int part, UVec (&w)[8]) {
  const UVec all = load_unit(bits, 0, part);
  w[0] |= moved<0, To, 1>(all);
  w[1] |= moved<1, To, 1>(all);
  w[2] |= moved<2, To, 1>(all);
  w[3] |= moved<3, To, 1>(all);
  w[4] |= moved<4, To, 1>(all);
  w[5] |= moved<5, To, 1>(all);
  w[6] |= moved<6, To, 1>(all);
  w[7] |= moved<7, To, 1>(all);
}

// The pairs of bits, as bits To and To + 1.
template <int To>
PROPANE_INLINE void unpack_pairs(const std::byte* pairs, int part, UVec (&w)[8]) {
#pragma GCC unroll 2
  for (int h = 0; h < 2; ++h) {
    const UVec all = load_unit(pairs, h, part);
    w[4 * h] = moved<0, To, 3>(all);
    w[4 * h + 1] = moved<2, To, 3>(all);
    w[4 * h + 2] = moved<4, To, 3>(all);
    w[4 * h + 3] = moved<6, To, 3>(all);
  }
}

// Nibbles as the sixteen numbers of IQ4_NL, with 128 added.
PROPANE_INLINE void unpack_non_linear(const std::byte* body, int part, UVec (&w)[8]) {
  static constexpr uint8_t kTable[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
  unpack_nibbles(body, part, w);
#pragma GCC unroll 8
  for (int g = 0; g < 8; ++g) w[g] = look_up(kTable, w[g]);
}

}  // namespace propane::cpu::PROPANE_TARGET
