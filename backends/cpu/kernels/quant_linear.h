// Products with quantized weights: y[m, n] = x[m, k]·wᵀ for w[n, k] in the block formats of quant/blocks.h.
//
// The weight stays in as few bits as its file has; x is quantized as it comes, to eight bits with a scale for each 32
// columns, and the products are sums of integers (as GGML does; its scales for the K types are one for 256). Weights of
// F32, F16 and BF16 meet x as it is, in single precision.
//
// A row of y is one chain over the blocks of k in ascending order: its bits do not depend on the other rows, on how many
// there are, or on the number of threads, so a token has the same logits alone, in
// a batch, and among guesses to be verified. They depend on the target (kernels/select.h).
//
// Nothing here allocates; scratch is as for gemm.h. Errors: propane::Error if sizes do not fit the type's blocks or one
// another, or the scratch is too small. y must not overlap x or a residual.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "backends/cpu/kernels/epilogue.h"
#include "backends/cpu/kernels/gemm.h"
#include "base/threads.h"
#include "quant/block_type.h"

namespace propane::cpu {

// A weight [n, k] that pack_quant_weight has packed.
struct QuantWeight {
  quant::BlockType type = quant::BlockType::f32;
  int64_t n = 0, k = 0;
  const std::byte* packed = nullptr;
};

// Bytes of the packed weight: those of the file, for n rounded up to 16 (Q3_K and IQ4_XS: 3.6 and 1.5 % more). k must be
// whole blocks of the type.
size_t packed_quant_bytes(quant::BlockType type, int64_t n, int64_t k);

// Packs rows as they lie in a GGUF file: `rows`, n times row_bytes(type, k), unaligned. The result is the same for every
// target, so it may be kept in a file; it should be aligned to 64 bytes.
void pack_quant_weight(quant::BlockType type, int64_t n, int64_t k, const void* rows, void* packed,
                       ThreadPool& pool = threads());

// Row `row` of a packed weight as numbers, out[k]: the lookup of a token's embedding, in a table that the output layer
// reads too. The numbers are those of quant::dequantize.
void dequantize_packed_row(const QuantWeight& weight, int64_t row, float* out);

struct QuantOutput {
  QuantWeight weight = {};
  float* y = nullptr;  // [m, n]
  int64_t ldy = 0;
  Epilogue epilogue = {};
};

// Several products with the same x, which is quantized once: q, k and v; gate and up.
struct QuantLinears {
  int64_t m = 0, k = 0;
  const float* x = nullptr;  // [m, k]
  int64_t ldx = 0;
  std::span<const QuantOutput> outputs = {};
  // If set, outputs are the gate and the up projection, of equal n, and swiglu[m, n] = silu(gate) · up. Their values are
  // not kept: their own `y` is not used, and their epilogues have no pre_activation.
  float* swiglu = nullptr;
  int64_t ld_swiglu = 0;
};

// Looks at the sizes and types only.
size_t quant_linears_scratch_bytes(const QuantLinears& linears, int threads);
void quant_linears(const QuantLinears& linears, Scratch scratch, ThreadPool& pool = threads());

}  // namespace propane::cpu
