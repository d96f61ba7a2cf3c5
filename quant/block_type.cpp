#include "quant/block_type.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "quant/blocks.h"

namespace propane::quant {

namespace {

struct Format {
  BlockType type;
  std::string_view name;
  int elements;
  int bytes;
};

template <typename Block>
constexpr Format blocks_of(BlockType type, std::string_view name) {
  return {type, name, Block::kElements, sizeof(Block)};
}

constexpr std::array<Format, kBlockTypes> kFormats = {{
    {BlockType::f32, "F32", 1, 4},
    {BlockType::f16, "F16", 1, 2},
    {BlockType::bf16, "BF16", 1, 2},
    blocks_of<Q4_0>(BlockType::q4_0, "Q4_0"),
    blocks_of<Q4_1>(BlockType::q4_1, "Q4_1"),
    blocks_of<Q5_0>(BlockType::q5_0, "Q5_0"),
    blocks_of<Q5_1>(BlockType::q5_1, "Q5_1"),
    blocks_of<Q8_0>(BlockType::q8_0, "Q8_0"),
    blocks_of<Q2_K>(BlockType::q2_k, "Q2_K"),
    blocks_of<Q3_K>(BlockType::q3_k, "Q3_K"),
    blocks_of<Q4_K>(BlockType::q4_k, "Q4_K"),
    blocks_of<Q5_K>(BlockType::q5_k, "Q5_K"),
    blocks_of<Q6_K>(BlockType::q6_k, "Q6_K"),
    blocks_of<IQ4_NL>(BlockType::iq4_nl, "IQ4_NL"),
    blocks_of<IQ4_XS>(BlockType::iq4_xs, "IQ4_XS"),
    blocks_of<MXFP4>(BlockType::mxfp4, "MXFP4"),
}};

constexpr auto kTypes = [] {
  std::array<BlockType, kBlockTypes> types{};
  for (size_t i = 0; i < types.size(); ++i) types[i] = kFormats[i].type;
  return types;
}();

static_assert([] {
  for (size_t i = 0; i < kFormats.size(); ++i)
    if (static_cast<size_t>(kFormats[i].type) != i) return false;
  return true;
}());

const Format& format(BlockType type) { return kFormats[static_cast<size_t>(type)]; }

constexpr char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

}  // namespace

std::span<const BlockType> all_block_types() { return kTypes; }

std::string_view block_type_name(BlockType type) { return format(type).name; }

std::optional<BlockType> block_type_from_name(std::string_view name) {
  for (const Format& candidate : kFormats) {
    if (std::ranges::equal(candidate.name, name, {}, {}, upper)) return candidate.type;
  }
  return std::nullopt;
}

int block_elements(BlockType type) { return format(type).elements; }

int block_bytes(BlockType type) { return format(type).bytes; }

size_t row_bytes(BlockType type, int64_t columns) {
  const Format& f = format(type);
  if (columns < 0 || columns % f.elements != 0) {
    fail("{}: expected rows of a multiple of {} elements, found {}", f.name, f.elements, columns);
  }
  return static_cast<size_t>(columns / f.elements) * static_cast<size_t>(f.bytes);
}

}  // namespace propane::quant
