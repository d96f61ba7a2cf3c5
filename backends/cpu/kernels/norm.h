// RMSNorm (Zhang and Sennrich 2019) and LayerNorm (Ba et al. 2016) over rows of `dim` floats, and their gradients.
// With rows = heads they are the per-head norms of q and k. Bits do not depend on the number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "backends/cpu/kernels/rows.h"

namespace propane::cpu {

// y = gain ∘ x / sqrt(mean(x²) + eps)
struct RmsNorm {
  int64_t rows = 0, dim = 0;
  float eps = 0;
  Rows<const float> x;
  const float* gain = nullptr;  // [dim]; null: 1
  Rows<float> y;                // may be x
  // With a residual, x + residual is what is normalised, and is written to sum, which may be x or residual.
  Rows<const float> residual;
  Rows<float> sum;
};
void rms_norm(const RmsNorm& args);

// y = gain ∘ (x − mean(x)) / sqrt(variance(x) + eps) + bias
struct LayerNorm {
  int64_t rows = 0, dim = 0;
  float eps = 0;
  Rows<const float> x;
  const float* gain = nullptr;  // [dim]; null: 1
  const float* bias = nullptr;  // [dim]; null: 0
  Rows<float> y;                // may be x
};
void layer_norm(const LayerNorm& args);

// The gradients of either. Null outputs are left out. Statistics are computed anew from x.
struct NormGrad {
  int64_t rows = 0, dim = 0;
  float eps = 0;
  Rows<const float> x;  // what was normalised
  const float* gain = nullptr;
  Rows<const float> dy;
  Rows<float> dx;  // may be dy, not x
  bool accumulate_dx = false;
  float* dgain = nullptr;  // [dim]
  float* dbias = nullptr;  // [dim], LayerNorm only
  bool accumulate_params = false;
};
void rms_norm_grad(const NormGrad& args, std::span<std::byte> scratch);
void layer_norm_grad(const NormGrad& args, std::span<std::byte> scratch);
// Scratch of either; throws Error if they are given less.
size_t norm_grad_scratch_bytes(int64_t rows, int64_t dim);

}  // namespace propane::cpu
