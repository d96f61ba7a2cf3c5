#include "quant/dequantize.h"

#include <bit>
#include <cstring>

#include "base/error.h"
#include "base/half.h"
#include "quant/blocks.h"

namespace propane::quant {

namespace {

// Element j of 32 whose nibbles lie in 16 bytes: low ones first, then high ones.
int nibble(const uint8_t* bytes, int j) { return j < 16 ? bytes[j] & 15 : bytes[j - 16] >> 4; }

// Element j of 32 with a fifth bit.
int five_bits(const uint8_t* nibbles, const uint8_t* high, int j) {
  return nibble(nibbles, j) | ((high[j / 8] >> (j % 8)) & 1) << 4;
}

void expand(const Q4_0& b, float* out) {
  const float d = f16_to_float(b.d);
  for (int j = 0; j < 32; ++j) out[j] = d * static_cast<float>(nibble(b.nibbles, j) - 8);
}

void expand(const Q4_1& b, float* out) {
  const float d = f16_to_float(b.d), m = f16_to_float(b.m);
  for (int j = 0; j < 32; ++j) out[j] = d * static_cast<float>(nibble(b.nibbles, j)) + m;
}

void expand(const Q5_0& b, float* out) {
  const float d = f16_to_float(b.d);
  for (int j = 0; j < 32; ++j) out[j] = d * static_cast<float>(five_bits(b.nibbles, b.high, j) - 16);
}

void expand(const Q5_1& b, float* out) {
  const float d = f16_to_float(b.d), m = f16_to_float(b.m);
  for (int j = 0; j < 32; ++j) out[j] = d * static_cast<float>(five_bits(b.nibbles, b.high, j)) + m;
}

void expand(const Q8_0& b, float* out) {
  const float d = f16_to_float(b.d);
  for (int j = 0; j < 32; ++j) out[j] = d * static_cast<float>(b.q[j]);
}

// Bits 2j and 2j + 1 of the bytes of half h: the layout of Q2_K, Q3_K and of Q6_K's upper bits.
int pair(const uint8_t* bytes, int element) {
  return (bytes[element / 128 * 32 + element % 32] >> (element % 128 / 32 * 2)) & 3;
}

void expand(const Q2_K& b, float* out) {
  const float d = f16_to_float(b.d), dmin = f16_to_float(b.dmin);
  for (int i = 0; i < 256; ++i) {
    const uint8_t packed = b.scales[i / 16];
    const float scale = d * static_cast<float>(packed & 15), min = dmin * static_cast<float>(packed >> 4);
    out[i] = scale * static_cast<float>(pair(b.pairs, i)) - min;
  }
}

void expand(const Q3_K& b, float* out) {
  const float d = f16_to_float(b.d);
  for (int i = 0; i < 256; ++i) {
    const int s = i / 16;
    const int low = s < 8 ? b.scales[s] & 15 : b.scales[s - 8] >> 4;
    const int scale = low | ((b.scales[8 + s % 4] >> (s / 4 * 2)) & 3) << 4;
    const int third = (b.high[i % 32] >> (i / 32)) & 1;
    out[i] = d * static_cast<float>(scale - 32) * static_cast<float>(pair(b.pairs, i) - (third ? 0 : 4));
  }
}

void expand(const Q4_K& b, float* out) {
  const float d = f16_to_float(b.d), dmin = f16_to_float(b.dmin);
  const auto packed = SixBitPairs::unpack(b.scales);
  for (int i = 0; i < 256; ++i) {
    const int s = i / 32;
    const float scale = d * packed.scale[s], min = dmin * packed.min[s];
    const int q = (b.nibbles[s / 2 * 32 + i % 32] >> (s % 2 * 4)) & 15;
    out[i] = scale * static_cast<float>(q) - min;
  }
}

void expand(const Q5_K& b, float* out) {
  const float d = f16_to_float(b.d), dmin = f16_to_float(b.dmin);
  const auto packed = SixBitPairs::unpack(b.scales);
  for (int i = 0; i < 256; ++i) {
    const int s = i / 32;
    const float scale = d * packed.scale[s], min = dmin * packed.min[s];
    const int low = (b.nibbles[s / 2 * 32 + i % 32] >> (s % 2 * 4)) & 15;
    const int q = low | ((b.high[i % 32] >> s) & 1) << 4;
    out[i] = scale * static_cast<float>(q) - min;
  }
}

void expand(const Q6_K& b, float* out) {
  const float d = f16_to_float(b.d);
  for (int i = 0; i < 256; ++i) {
    const int h = i / 128, j = i % 128 / 32, p = i % 32;
    const int low = (b.low[64 * h + 32 * (j % 2) + p] >> (j / 2 * 4)) & 15;
    const int q = (low | pair(b.high, i) << 4) - 32;
    out[i] = d * static_cast<float>(b.scales[i / 16]) * static_cast<float>(q);
  }
}

void expand(const IQ4_NL& b, float* out) {
  const float d = f16_to_float(b.d);
  for (int j = 0; j < 32; ++j) out[j] = d * static_cast<float>(kNonLinear4[nibble(b.nibbles, j)]);
}

void expand(const IQ4_XS& b, float* out) {
  const float d = f16_to_float(b.d);
  for (int s = 0; s < 8; ++s) {
    const int low = (b.scales_low[s / 2] >> (s % 2 * 4)) & 15, high = (b.scales_high >> (2 * s)) & 3;
    const float scale = d * static_cast<float>((low | high << 4) - 32);
    for (int j = 0; j < 32; ++j) {
      out[32 * s + j] = scale * static_cast<float>(kNonLinear4[nibble(b.nibbles + 16 * s, j)]);
    }
  }
}

// 2^(exponent - 128), whose two smallest are subnormal floats. The format's NaN, 255, is 2^127 here as in GGML.
float half_power(uint8_t exponent) {
  return std::bit_cast<float>(exponent < 2 ? 0x00200000u << exponent : (exponent - 1u) << 23);
}

void expand(const MXFP4& b, float* out) {
  const float d = half_power(b.exponent);
  for (int j = 0; j < 32; ++j) out[j] = d * static_cast<float>(kE2M1Twice[nibble(b.nibbles, j)]);
}

template <typename Block>
void expand_all(const std::byte* bytes, std::span<float> out) {
  for (size_t i = 0; i < out.size(); i += Block::kElements, bytes += sizeof(Block)) {
    Block block;
    std::memcpy(&block, bytes, sizeof block);
    expand(block, &out[i]);
  }
}

template <typename Convert>
void convert_halves(const std::byte* bytes, std::span<float> out, Convert convert) {
  for (size_t i = 0; i < out.size(); ++i) {
    uint16_t bits;
    std::memcpy(&bits, bytes + 2 * i, sizeof bits);
    out[i] = convert(bits);
  }
}

}  // namespace

void dequantize(BlockType type, std::span<const std::byte> blocks, std::span<float> out) {
  if (const size_t expected = row_bytes(type, static_cast<int64_t>(out.size())); blocks.size() != expected) {
    fail("{}: expected {} bytes for {} elements, found {}", block_type_name(type), expected, out.size(), blocks.size());
  }
  if (out.empty()) return;
  const std::byte* bytes = blocks.data();
  switch (type) {
    case BlockType::f32: std::memcpy(out.data(), bytes, blocks.size()); return;
    case BlockType::f16: return convert_halves(bytes, out, f16_to_float);
    case BlockType::bf16: return convert_halves(bytes, out, bf16_to_float);
    case BlockType::q4_0: return expand_all<Q4_0>(bytes, out);
    case BlockType::q4_1: return expand_all<Q4_1>(bytes, out);
    case BlockType::q5_0: return expand_all<Q5_0>(bytes, out);
    case BlockType::q5_1: return expand_all<Q5_1>(bytes, out);
    case BlockType::q8_0: return expand_all<Q8_0>(bytes, out);
    case BlockType::q2_k: return expand_all<Q2_K>(bytes, out);
    case BlockType::q3_k: return expand_all<Q3_K>(bytes, out);
    case BlockType::q4_k: return expand_all<Q4_K>(bytes, out);
    case BlockType::q5_k: return expand_all<Q5_K>(bytes, out);
    case BlockType::q6_k: return expand_all<Q6_K>(bytes, out);
    case BlockType::iq4_nl: return expand_all<IQ4_NL>(bytes, out);
    case BlockType::iq4_xs: return expand_all<IQ4_XS>(bytes, out);
    case BlockType::mxfp4: return expand_all<MXFP4>(bytes, out);
    default: fail("{} is no storage format of weights", dtype_name(type));
  }
}

}  // namespace propane::quant
