// Element types of tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace propane {

enum class DType : uint8_t {
  f64,
  f32,
  bf16,
  f16,
  i64,
  i32,
  u16,
  u8,
  // Blocks along a row, as GGML stores quantized weights (quant/blocks.h has their bytes): only weights that are read.
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
inline constexpr int kDTypes = 21;

constexpr bool is_block(DType type) { return type >= DType::q4_0; }
constexpr bool is_float(DType type) { return type <= DType::f16; }

// Consecutive elements of a row that are stored together: 32 or 256 of a block type, else 1.
int block_elements(DType type);
// Bytes of one block; of one element where there are no blocks.
int block_bytes(DType type);

// Bytes of one element. Throws Error for a block type, whose elements have none of their own.
size_t dtype_size(DType type);

// Bytes of `columns` consecutive elements. Throws Error unless they fill whole blocks.
size_t row_bytes(DType type, int64_t columns);

// "f32", "bf16", "q4_k", ...
std::string_view dtype_name(DType type);

// The reverse of dtype_name; throws Error on an unknown name.
DType dtype_from_name(std::string_view name);

}  // namespace propane
