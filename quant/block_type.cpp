#include "quant/block_type.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace propane::quant {

namespace {

struct Format {
  BlockType type;
  std::string_view name;
};

constexpr std::array<Format, kBlockTypes> kFormats = {{
    {BlockType::f32, "F32"},
    {BlockType::f16, "F16"},
    {BlockType::bf16, "BF16"},
    {BlockType::q4_0, "Q4_0"},
    {BlockType::q4_1, "Q4_1"},
    {BlockType::q5_0, "Q5_0"},
    {BlockType::q5_1, "Q5_1"},
    {BlockType::q8_0, "Q8_0"},
    {BlockType::q2_k, "Q2_K"},
    {BlockType::q3_k, "Q3_K"},
    {BlockType::q4_k, "Q4_K"},
    {BlockType::q5_k, "Q5_K"},
    {BlockType::q6_k, "Q6_K"},
    {BlockType::iq4_nl, "IQ4_NL"},
    {BlockType::iq4_xs, "IQ4_XS"},
    {BlockType::mxfp4, "MXFP4"},
}};

constexpr auto kTypes = [] {
  std::array<BlockType, kBlockTypes> types{};
  for (size_t i = 0; i < types.size(); ++i) types[i] = kFormats[i].type;
  return types;
}();

constexpr char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

}  // namespace

std::span<const BlockType> all_block_types() { return kTypes; }

std::string_view block_type_name(BlockType type) {
  for (const Format& candidate : kFormats)
    if (candidate.type == type) return candidate.name;
  fail("{} is no storage format of weights", dtype_name(type));
}

std::optional<BlockType> block_type_from_name(std::string_view name) {
  for (const Format& candidate : kFormats) {
    if (std::ranges::equal(candidate.name, name, {}, {}, upper)) return candidate.type;
  }
  return std::nullopt;
}

}  // namespace propane::quant
