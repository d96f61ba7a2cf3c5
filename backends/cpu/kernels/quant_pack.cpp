// From the rows of a GGUF file to packed panels and back to numbers.
#include <algorithm>

#include "backends/cpu/kernels/quant_layout.h"
#include "backends/cpu/kernels/quant_linear.h"
#include "backends/cpu/kernels/quant_words.h"
#include "base/error.h"
#include "base/half.h"

namespace propane::cpu {

namespace {

using quant::BlockType;

// Row `row` of a panel, in a header or a body.
void put_word(std::byte* part, int unit, int row, uint32_t word) {
  std::memcpy(part + 64 * unit + 4 * row, &word, sizeof word);
}
uint32_t get_word(const std::byte* part, int unit, int row) { return word_at(part + 64 * unit, row); }
void put_half(std::byte* part, int row, uint16_t half) { std::memcpy(part + 2 * row, &half, sizeof half); }
float get_half(const std::byte* part, int row) {
  uint16_t half;
  std::memcpy(&half, part + 2 * row, sizeof half);
  return f16_to_float(half);
}
void put_byte(std::byte* part, int index, int row, int value) { part[kPanelRows * index + row] = std::byte(value); }
int get_byte(const std::byte* part, int index, int row) { return static_cast<int>(part[kPanelRows * index + row]); }
int get_signed(const std::byte* part, int index, int row) {
  return static_cast<int8_t>(part[kPanelRows * index + row]);
}

void put_nibbles(std::byte* body, int row, const Words& q) {
  for (int g = 0; g < 4; ++g) put_word(body, g, row, (q.w[g] & 15 * kEachByte) | (q.w[g + 4] & 15 * kEachByte) << 4);
}
void put_pairs(std::byte* part, int row, const Words& q, int from) {
  for (int h = 0; h < 2; ++h) {
    uint32_t word = 0;
    for (int t = 0; t < 4; ++t) word |= ((q.w[4 * h + t] >> from) & 3 * kEachByte) << (2 * t);
    put_word(part, h, row, word);
  }
}
void put_bits(std::byte* part, int row, const Words& q, int from) {
  uint32_t word = 0;
  for (int g = 0; g < 8; ++g) word |= ((q.w[g] >> from) & kEachByte) << g;
  put_word(part, 0, row, word);
}

// What of the numbers lies in which part of a body: `nibbles`, `pairs` and `bits` say at which bit of the numbers such a
// part begins, -1 where there is none.
struct BodyParts {
  int nibbles, pairs, bits;
};
constexpr BodyParts body_parts(BlockType type) {
  using enum BlockType;
  switch (type) {
    case q5_0: return {0, -1, 4};
    case q5_1: return {0, -1, 4};
    case q5_k: return {0, -1, 4};
    case q6_k: return {0, 4, -1};
    case q2_k: return {-1, 0, -1};
    case q3_k: return {-1, 0, 2};
    case q8_0: return {-1, -1, -1};
    default: return {0, -1, -1};
  }
}

void put_body(BlockType type, std::byte* body, int row, const Words& q) {
  const BodyParts parts = body_parts(type);
  if (type == BlockType::q8_0)
    for (int g = 0; g < 8; ++g) put_word(body, g, row, q.w[g]);
  if (parts.nibbles >= 0) put_nibbles(body, row, q), body += kNibbles;
  if (parts.pairs >= 0) put_pairs(body, row, q, parts.pairs), body += kPairs;
  if (parts.bits >= 0) put_bits(body, row, q, parts.bits);
}

Words get_body(BlockType type, const std::byte* body, int row) {
  const BodyParts parts = body_parts(type);
  Words q{};
  if (type == BlockType::q8_0)
    for (int g = 0; g < 8; ++g) q.w[g] = get_word(body, g, row);
  if (parts.nibbles >= 0) {
    for (int g = 0; g < 8; ++g) q.w[g] = (get_word(body, g % 4, row) >> (g / 4 * 4)) & 15 * kEachByte;
    body += kNibbles;
  }
  if (parts.pairs >= 0) {
    for (int g = 0; g < 8; ++g)
      q.w[g] |= ((get_word(body, g / 4, row) >> (g % 4 * 2)) & 3 * kEachByte) << parts.pairs;
    body += kPairs;
  }
  if (parts.bits >= 0)
    for (int g = 0; g < 8; ++g) q.w[g] |= ((get_word(body, 0, row) >> g) & kEachByte) << parts.bits;
  return q;
}

// Headers.
template <typename Block>
void put_header(const Block& b, std::byte* to, int row) {
  put_half(to, row, b.d);
}
void put_header(const quant::Q4_1& b, std::byte* to, int row) {
  put_half(to, row, b.d);
  put_half(to + kRowHalves, row, b.m);
}
void put_header(const quant::Q5_1& b, std::byte* to, int row) {
  put_half(to, row, b.d);
  put_half(to + kRowHalves, row, b.m);
}
void put_header(const quant::MXFP4& b, std::byte* to, int row) { put_byte(to, 0, row, b.exponent); }
template <typename Block, size_t Size>
void put_pair_header(const Block& b, const uint8_t (&scales)[Size], std::byte* to, int row) {
  put_half(to, row, b.d);
  put_half(to + kRowHalves, row, b.dmin);
  for (size_t i = 0; i < Size; ++i) put_byte(to + 2 * kRowHalves, static_cast<int>(i), row, scales[i]);
}
void put_header(const quant::Q2_K& b, std::byte* to, int row) { put_pair_header(b, b.scales, to, row); }
void put_header(const quant::Q4_K& b, std::byte* to, int row) { put_pair_header(b, b.scales, to, row); }
void put_header(const quant::Q5_K& b, std::byte* to, int row) { put_pair_header(b, b.scales, to, row); }
void put_header(const quant::Q6_K& b, std::byte* to, int row) {
  put_half(to, row, b.d);
  for (int s = 0; s < 16; ++s) put_byte(to + kRowHalves, s, row, b.scales[s]);
}
void put_header(const quant::Q3_K& b, std::byte* to, int row) {
  put_half(to, row, b.d);
  for (int s = 0; s < 16; ++s) {
    const int low = s < 8 ? b.scales[s] & 15 : b.scales[s - 8] >> 4;
    put_byte(to + kRowHalves, s, row, (low | ((b.scales[8 + s % 4] >> (s / 4 * 2)) & 3) << 4) - 32);
  }
}
void put_header(const quant::IQ4_XS& b, std::byte* to, int row) {
  put_half(to, row, b.d);
  for (int s = 0; s < 8; ++s) {
    const int low = (b.scales_low[s / 2] >> (s % 2 * 4)) & 15, high = (b.scales_high >> (2 * s)) & 3;
    put_byte(to + kRowHalves, s, row, (low | high << 4) - 32);
  }
}

// The panel's `valid` rows, `stride` bytes apart; the rest of the panel is zero already.
template <typename Block, BlockType Type>
void pack_panel(const std::byte* rows, size_t stride, int valid, int64_t k, std::byte* panel) {
  constexpr GroupLayout kLayout = group_layout(Type);
  for (int64_t b = 0; b < k / Block::kElements; ++b) {
    for (int row = 0; row < valid; ++row) {
      Block block;
      std::memcpy(&block, rows + static_cast<size_t>(row) * stride + static_cast<size_t>(b) * sizeof block,
                  sizeof block);
      put_header(block, panel, row);
      for (int s = 0; s < kLayout.blocks; ++s)
        put_body(Type, panel + kLayout.header + s * kLayout.body, row, words_of(block, s));
    }
    panel += kLayout.bytes();
  }
}

template <size_t Size>
void pack_numbers(const std::byte* rows, size_t stride, int valid, int64_t k, std::byte* panel) {
  for (int row = 0; row < valid; ++row)
    for (int64_t i = 0; i < k; ++i)
      std::memcpy(panel + (static_cast<size_t>(i) * kPanelRows + static_cast<size_t>(row)) * Size,
                  rows + static_cast<size_t>(row) * stride + static_cast<size_t>(i) * Size, Size);
}

using PackPanel = void (*)(const std::byte*, size_t, int, int64_t, std::byte*);
PackPanel pack_panel_of(BlockType type) {
  using enum BlockType;
  switch (type) {
    case f32: return pack_numbers<4>;
    case f16: return pack_numbers<2>;
    case bf16: return pack_numbers<2>;
    case q4_0: return pack_panel<quant::Q4_0, q4_0>;
    case q4_1: return pack_panel<quant::Q4_1, q4_1>;
    case q5_0: return pack_panel<quant::Q5_0, q5_0>;
    case q5_1: return pack_panel<quant::Q5_1, q5_1>;
    case q8_0: return pack_panel<quant::Q8_0, q8_0>;
    case q2_k: return pack_panel<quant::Q2_K, q2_k>;
    case q3_k: return pack_panel<quant::Q3_K, q3_k>;
    case q4_k: return pack_panel<quant::Q4_K, q4_k>;
    case q5_k: return pack_panel<quant::Q5_K, q5_k>;
    case q6_k: return pack_panel<quant::Q6_K, q6_k>;
    case iq4_nl: return pack_panel<quant::IQ4_NL, iq4_nl>;
    case iq4_xs: return pack_panel<quant::IQ4_XS, iq4_xs>;
    case mxfp4: return pack_panel<quant::MXFP4, mxfp4>;
    default: return nullptr;
  }
}

size_t panel_bytes(BlockType type, int64_t k) {
  return static_cast<size_t>(k / group_columns(type)) * static_cast<size_t>(group_layout(type).bytes());
}

// x = scale · q + minimum for 16 columns.
struct Scale {
  float scale, minimum;
};

Scale scale_of(BlockType type, const std::byte* header, int sixteenth, int row) {
  using enum BlockType;
  const int s = sixteenth / 2;
  const std::byte* rest = header + kRowHalves;
  const float d = type == mxfp4 ? 0 : get_half(header, row);
  switch (type) {
    case q4_1: return {d, get_half(rest, row)};
    case q5_1: return {d, get_half(rest, row)};
    case mxfp4: {
      const auto exponent = static_cast<uint32_t>(get_byte(header, 0, row));
      return {std::bit_cast<float>(exponent < 2 ? 0x00200000u << exponent : (exponent - 1u) << 23), 0};
    }
    case q2_k: {
      const int packed = get_byte(rest + kRowHalves, sixteenth, row);
      return {d * static_cast<float>(packed & 15), -(get_half(rest, row) * static_cast<float>(packed >> 4))};
    }
    case q4_k:
    case q5_k: {
      uint8_t packed[12];
      for (int i = 0; i < 12; ++i) packed[i] = static_cast<uint8_t>(get_byte(rest + kRowHalves, i, row));
      const auto pairs = quant::SixBitPairs::unpack(packed);
      return {d * pairs.scale[s], -(get_half(rest, row) * pairs.min[s])};
    }
    case q3_k:
    case q6_k: return {d * static_cast<float>(get_signed(rest, sixteenth, row)), 0};
    case iq4_xs: return {d * static_cast<float>(get_signed(rest, s, row)), 0};
    default: return {d, 0};
  }
}

int number_of(BlockType type, uint32_t q) {
  using enum BlockType;
  switch (type) {
    case iq4_nl:
    case iq4_xs: return quant::kNonLinear4[q];
    case mxfp4: return quant::kE2M1Twice[q];
    default: return static_cast<int>(q) - (offset_bits(type) ? 1 << offset_bits(type) : 0);
  }
}

float single_number(BlockType type, const std::byte* panel, int64_t column, int row) {
  const size_t index = static_cast<size_t>(column) * kPanelRows + static_cast<size_t>(row);
  if (type == BlockType::f32) {
    float value;
    std::memcpy(&value, panel + 4 * index, sizeof value);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, panel + 2 * index, sizeof bits);
  return type == BlockType::f16 ? f16_to_float(bits) : bf16_to_float(bits);
}

}  // namespace

size_t packed_quant_bytes(BlockType type, int64_t n, int64_t k) {
  if (k % quant::block_elements(type) != 0)
    fail("A weight in {}: expected a multiple of {} columns, found {}.", quant::block_type_name(type),
         quant::block_elements(type), k);
  return static_cast<size_t>((n + kPanelRows - 1) / kPanelRows) * panel_bytes(type, k);
}

void pack_quant_weight(BlockType type, int64_t n, int64_t k, const void* rows, void* packed, ThreadPool& pool) {
  const size_t stride = quant::row_bytes(type, k), bytes = panel_bytes(type, k);
  const PackPanel pack = pack_panel_of(type);
  pool.parallel_for((n + kPanelRows - 1) / kPanelRows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const auto valid = static_cast<int>(std::min<int64_t>(kPanelRows, n - p * kPanelRows));
      std::byte* to = static_cast<std::byte*>(packed) + static_cast<size_t>(p) * bytes;
      if (valid < kPanelRows) std::memset(to, 0, bytes);
      pack(static_cast<const std::byte*>(rows) + static_cast<size_t>(p * kPanelRows) * stride, stride, valid, k, to);
    }
  });
}

void dequantize_packed_row(const QuantWeight& w, int64_t row, float* out) {
  if (row < 0 || row >= w.n) fail("A weight of {} rows has no row {}.", w.n, row);
  const std::byte* panel = w.packed + static_cast<size_t>(row / kPanelRows) * panel_bytes(w.type, w.k);
  const auto lane = static_cast<int>(row % kPanelRows);
  if (!meets_quantized(w.type)) {
    for (int64_t i = 0; i < w.k; ++i) out[i] = single_number(w.type, panel, i, lane);
    return;
  }
  const GroupLayout layout = group_layout(w.type);
  for (int64_t k = 0; k < w.k; k += group_columns(w.type), panel += layout.bytes())
    for (int s = 0; s < layout.blocks; ++s) {
      const Words q = get_body(w.type, panel + layout.header + s * layout.body, lane);
      for (int half = 0; half < 2; ++half) {
        const Scale scale = scale_of(w.type, panel, 2 * s + half, lane);
        for (int e = 16 * half; e < 16 * half + 16; ++e) {
          const int number = number_of(w.type, (q.w[e / 4] >> (e % 4 * 8)) & 255u);
          *out++ = scale.scale * static_cast<float>(number) + scale.minimum;
        }
      }
    }
}

}  // namespace propane::cpu
