// The storage formats of weights that Propane computes with: three of single numbers, the rest of blocks along a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/dtype.h"

namespace propane::quant {

using BlockType = DType;

inline constexpr int kBlockTypes = 16;

// All of them: F32, F16, BF16, then the blocks in the order of the enumeration.
std::span<const BlockType> all_block_types();

// As GGML spells it: "F32", "Q4_K", "MXFP4".
std::string_view block_type_name(BlockType type);

// The reverse of block_type_name, in upper or lower case; empty for a name that is none.
std::optional<BlockType> block_type_from_name(std::string_view name);

using propane::block_bytes;
using propane::block_elements;
using propane::row_bytes;

}  // namespace propane::quant
