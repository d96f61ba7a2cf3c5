// Numbers into blocks, with the least squared error that a search of scales finds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "quant/block_type.h"

namespace propane::quant {

// Whether `quantize` writes this format: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K and Q6_K.
bool can_quantize(BlockType type);

// Writes the blocks of a matrix's rows to `out`, row after row.
//
// `values` are rows of `columns` numbers; `importance`, empty or one number a column, weighs the squared error of the
// column (the mean square of the activation that meets it, say: what llama.cpp calls an importance matrix). Without it
// the plain squared error is what is made small. Blocks are spread over the process's threads; the result does not
// depend on how many there are.
//
// Throws Error for a format that cannot be written, a row that is not a number of whole blocks, spans that do not fit
// `columns`, a number that is not finite or, for all but F32 and BF16, above 65504 in magnitude (no scale of a block
// reaches further), and for an importance that is negative or not finite.
void quantize(BlockType type, std::span<const float> values, int64_t columns, std::span<const float> importance,
              std::span<std::byte> out);

}  // namespace propane::quant
