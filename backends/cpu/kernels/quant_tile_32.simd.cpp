// Types whose blocks are 32 columns: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL and MXFP4.
#include "backends/cpu/kernels/quant_tile.h"
#include "backends/cpu/kernels/quant_unpack.h"

namespace propane::cpu::PROPANE_TARGET {

namespace {

using quant::BlockType;

// A header of halves: d, and the minimum where there is one.
struct Halves {
  explicit Halves(const std::byte* group) : p(group) {}
  const std::byte* p;
};

template <BlockType Type, bool Minimum>
struct Simple {
  static constexpr BlockType kType = Type;
  static constexpr bool kHalves = false;
  static constexpr bool kMinimum = Minimum;
  using Header = Halves;
  PROPANE_INLINE Vec scale(const Header& h, int, int part) { return load_halves(h.p, part); }
  PROPANE_INLINE Vec minimum(const Header& h, int, int part) { return load_halves(h.p + kRowHalves, part); }
};

template <BlockType Type, bool Minimum>
struct FourBits : Simple<Type, Minimum> {
  static constexpr int kWeightBits = 4;
  PROPANE_INLINE void weights(const std::byte* body, int part, UVec (&w)[8]) { unpack_nibbles(body, part, w); }
};

template <BlockType Type, bool Minimum>
struct FiveBits : Simple<Type, Minimum> {
  static constexpr int kWeightBits = 5;
  PROPANE_INLINE void weights(const std::byte* body, int part, UVec (&w)[8]) {
    unpack_nibbles(body, part, w);
    add_bits<4>(body + kNibbles, part, w);
  }
};

struct EightBits : Simple<BlockType::q8_0, false> {
  static constexpr int kWeightBits = 8;
  PROPANE_INLINE void weights(const std::byte* body, int part, UVec (&w)[8]) {
#pragma GCC unroll 8
    for (int g = 0; g < 8; ++g) w[g] = load_unit(body, g, part);
  }
};

struct NonLinear : Simple<BlockType::iq4_nl, false> {
  static constexpr int kWeightBits = 8;
  PROPANE_INLINE void weights(const std::byte* body, int part, UVec (&w)[8]) { unpack_non_linear(body, part, w); }
};

struct Micro : Simple<BlockType::mxfp4, false> {
  static constexpr int kWeightBits = 5;
  PROPANE_INLINE void weights(const std::byte* body, int part, UVec (&w)[8]) {
    static constexpr uint8_t kTable[16] = {16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4};
    unpack_nibbles(body, part, w);
#pragma GCC unroll 8
    for (int g = 0; g < 8; ++g) w[g] = look_up(kTable, w[g]);
  }
  // 2^(exponent - 128), whose two smallest are subnormal.
  PROPANE_INLINE Vec scale(const Header& h, int, int part) {
    typedef uint8_t ByteVec __attribute__((vector_size(kLanes)));
    ByteVec bytes;
    std::memcpy(&bytes, h.p + kLanes * part, sizeof bytes);
    const UVec exponent = __builtin_convertvector(bytes, UVec);
    const UVec small = exponent == 0u ? UVec{} + 0x00200000u : UVec{} + 0x00400000u;
    return from_bits(exponent < 2u ? small : (exponent - 1u) << 23);
  }
};

}  // namespace

const QuantTileFunctions* simple_block_tiles(BlockType type) {
  static constexpr QuantTileFunctions kQ4_0 = quant_tiles<FourBits<BlockType::q4_0, false>>();
  static constexpr QuantTileFunctions kQ4_1 = quant_tiles<FourBits<BlockType::q4_1, true>>();
  static constexpr QuantTileFunctions kQ5_0 = quant_tiles<FiveBits<BlockType::q5_0, false>>();
  static constexpr QuantTileFunctions kQ5_1 = quant_tiles<FiveBits<BlockType::q5_1, true>>();
  static constexpr QuantTileFunctions kQ8_0 = quant_tiles<EightBits>();
  static constexpr QuantTileFunctions kIQ4_NL = quant_tiles<NonLinear>();
  static constexpr QuantTileFunctions kMXFP4 = quant_tiles<Micro>();
  switch (type) {
    case BlockType::q4_0: return &kQ4_0;
    case BlockType::q4_1: return &kQ4_1;
    case BlockType::q5_0: return &kQ5_0;
    case BlockType::q5_1: return &kQ5_1;
    case BlockType::q8_0: return &kQ8_0;
    case BlockType::iq4_nl: return &kIQ4_NL;
    case BlockType::mxfp4: return &kMXFP4;
    default: return nullptr;
  }
}

}  // namespace propane::cpu::PROPANE_TARGET
