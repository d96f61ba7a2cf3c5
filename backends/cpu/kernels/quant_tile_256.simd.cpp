// Types whose blocks are 256 columns: Q2_K to Q6_K and IQ4_XS.
#include "backends/cpu/kernels/quant_tile.h"
#include "backends/cpu/kernels/quant_unpack.h"

namespace propane::cpu::PROPANE_TARGET {

namespace {

using quant::BlockType;

// A header of d and a signed byte for each sub-block.
template <BlockType Type, bool Halves>
struct SignedScales {
  static constexpr BlockType kType = Type;
  static constexpr bool kHalves = Halves;
  static constexpr bool kMinimum = false;
  struct Header {
    explicit Header(const std::byte* group) : scales(group + kRowHalves) {
#pragma GCC unroll 4
      for (int part = 0; part < kParts; ++part) d[part] = load_halves(group, part);
    }
    const std::byte* scales;
    Vec d[kParts];
  };
  PROPANE_INLINE Vec scale(const Header& h, int sub, int part) {
    return h.d[part] * load_bytes<int8_t>(h.scales + kPanelRows * sub, part);
  }
};

struct Q3K : SignedScales<BlockType::q3_k, true> {
  static constexpr int kWeightBits = 3;
  PROPANE_INLINE void weights(const std::byte* body, int part, UVec (&w)[8]) {
    unpack_pairs<0>(body, part, w);
    add_bits<2>(body + kPairs, part, w);
  }
};

struct Q6K : SignedScales<BlockType::q6_k, true> {
  static constexpr int kWeightBits = 6;
  PROPANE_INLINE void weights(const std::byte* body, int part, UVec (&w)[8]) {
    UVec upper[8];
    unpack_nibbles(body, part, w);
    unpack_pairs<4>(body + kNibbles, part, upper);
#pragma GCC unroll 8
    for (int g = 0; g < 8; ++g) w[g] |= upper[g];
  }
};

struct IQ4XS : SignedScales<BlockType::iq4_xs, false> {
  static constexpr int kWeightBits = 8;
  PROPANE_INLINE void weights(const std::byte* body, int part, UVec (&w)[8]) { unpack_non_linear(body, part, w); }
};

// A header of d and dmin, whose scales and minimums are unpacked to a byte for each sub-block and row.
struct BytePairs {
  PROPANE_INLINE Vec scale(const Vec d, const uint8_t* bytes, int part) {
    return d * load_bytes<uint8_t>(reinterpret_cast<const std::byte*>(bytes), part);
  }
};

template <int SubBlocks>
struct PairHeader {
  explicit PairHeader(const std::byte* group) {
#pragma GCC unroll 4
    for (int part = 0; part < kParts; ++part) {
      d[part] = load_halves(group, part);
      minus_dmin[part] = -load_halves(group + kRowHalves, part);
    }
  }
  Vec d[kParts], minus_dmin[kParts];
  alignas(64) uint8_t scales[SubBlocks][kPanelRows];
  alignas(64) uint8_t minimums[SubBlocks][kPanelRows];
};

// Four sub-blocks' bytes of a part of the rows at a time.
PROPANE_INLINE void put(uint8_t (*to)[kPanelRows], int part, UVec v) {
  std::memcpy(reinterpret_cast<std::byte*>(to) + 4 * kLanes * part, &v, sizeof v);
}

// Sub-blocks of 32 with six bits each.
template <BlockType Type>
struct SixBits {
  static constexpr BlockType kType = Type;
  static constexpr bool kHalves = false;
  static constexpr bool kMinimum = true;
  struct Header : PairHeader<8> {
    explicit Header(const std::byte* group) : PairHeader<8>(group) {
      const std::byte* packed = group + 2 * kRowHalves;
#pragma GCC unroll 4
      for (int part = 0; part < kParts; ++part) {
        const UVec a = load_unit(packed, 0, part), b = load_unit(packed, 1, part), c = load_unit(packed, 2, part);
        put(scales, part, a & 63 * kOnes);
        put(minimums, part, b & 63 * kOnes);
        put(scales + 4, part, (c & 15 * kOnes) | ((a >> 2) & 48 * kOnes));
        put(minimums + 4, part, ((c >> 4) & 15 * kOnes) | ((b >> 2) & 48 * kOnes));
      }
    }
  };
  PROPANE_INLINE Vec scale(const Header& h, int sub, int part) {
    return BytePairs::scale(h.d[part], h.scales[sub], part);
  }
  PROPANE_INLINE Vec minimum(const Header& h, int sub, int part) {
    return BytePairs::scale(h.minus_dmin[part], h.minimums[sub], part);
  }
};

struct Q4K : SixBits<BlockType::q4_k> {
  static constexpr int kWeightBits = 4;
  PROPANE_INLINE void weights(const std::byte* body, int part, UVec (&w)[8]) { unpack_nibbles(body, part, w); }
};

struct Q5K : SixBits<BlockType::q5_k> {
  static constexpr int kWeightBits = 5;
  PROPANE_INLINE void weights(const std::byte* body, int part, UVec (&w)[8]) {
    unpack_nibbles(body, part, w);
    add_bits<4>(body + kNibbles, part, w);
  }
};

// Sub-blocks of 16 with four bits each.
struct Q2K {
  static constexpr BlockType kType = BlockType::q2_k;
  static constexpr int kWeightBits = 2;
  static constexpr bool kHalves = true;
  static constexpr bool kMinimum = true;
  struct Header : PairHeader<16> {
    explicit Header(const std::byte* group) : PairHeader<16>(group) {
#pragma GCC unroll 4
      for (int unit = 0; unit < 4; ++unit)
#pragma GCC unroll 4
        for (int part = 0; part < kParts; ++part) {
          const UVec both = load_unit(group + 2 * kRowHalves, unit, part);
          put(scales + 4 * unit, part, both & 15 * kOnes);
          put(minimums + 4 * unit, part, (both >> 4) & 15 * kOnes);
        }
    }
  };
  PROPANE_INLINE void weights(const std::byte* body, int part, UVec (&w)[8]) { unpack_pairs<0>(body, part, w); }
  PROPANE_INLINE Vec scale(const Header& h, int sub, int part) {
    return BytePairs::scale(h.d[part], h.scales[sub], part);
  }
  PROPANE_INLINE Vec minimum(const Header& h, int sub, int part) {
    return BytePairs::scale(h.minus_dmin[part], h.minimums[sub], part);
  }
};

}  // namespace

const QuantTileFunctions* super_block_tiles(BlockType type) {
  static constexpr QuantTileFunctions kQ2_K = quant_tiles<Q2K>();
  static constexpr QuantTileFunctions kQ3_K = quant_tiles<Q3K>();
  static constexpr QuantTileFunctions kQ4_K = quant_tiles<Q4K>();
  static constexpr QuantTileFunctions kQ5_K = quant_tiles<Q5K>();
  static constexpr QuantTileFunctions kQ6_K = quant_tiles<Q6K>();
  static constexpr QuantTileFunctions kIQ4_XS = quant_tiles<IQ4XS>();
  switch (type) {
    case BlockType::q2_k: return &kQ2_K;
    case BlockType::q3_k: return &kQ3_K;
    case BlockType::q4_k: return &kQ4_K;
    case BlockType::q5_k: return &kQ5_K;
    case BlockType::q6_k: return &kQ6_K;
    case BlockType::iq4_xs: return &kIQ4_XS;
    default: return nullptr;
  }
}

}  // namespace propane::cpu::PROPANE_TARGET
