// The storage formats of weights that Propane computes with: three of single numbers, the rest of blocks along a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace propane::quant {

enum class BlockType : uint8_t {
  f32,
  f16,
  bf16,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  iq4_xs,
  mxfp4,
};

inline constexpr int kBlockTypes = 16;

// All of them, in the order of the enumeration.
std::span<const BlockType> all_block_types();

// As GGML spells it: "F32", "Q4_K", "MXFP4".
std::string_view block_type_name(BlockType type);

// The reverse of block_type_name, in upper or lower case; empty for a name that is none.
std::optional<BlockType> block_type_from_name(std::string_view name);

// Consecutive elements of a row that one block holds: 1, 32 or 256.
int block_elements(BlockType type);

// Bytes of one block.
int block_bytes(BlockType type);

// Bytes of `columns` elements. Throws Error unless they fill whole blocks.
size_t row_bytes(BlockType type, int64_t columns);

}  // namespace propane::quant
