// What norm.cpp shares among threads and norm.simd.cpp computes: rows [begin, end) of the operations of norm.h.
#pragma once

#include "backends/cpu/kernels/norm.h"

namespace propane::cpu {

struct NormKernels {
  void (*rms_norm)(const RmsNorm&, int64_t begin, int64_t end);
  void (*layer_norm)(const LayerNorm&, int64_t begin, int64_t end);
  // Write dx and add to dgain and dbias [dim], which may be null.
  void (*rms_norm_grad)(const NormGrad&, int64_t begin, int64_t end, float* dgain, float* dbias);
  void (*layer_norm_grad)(const NormGrad&, int64_t begin, int64_t end, float* dgain, float* dbias);
  // out[c] = Σ parts[p·stride + c] over p < count in order, plus out[c] if `accumulate`, for c in [begin, end).
  void (*sum_parts)(const float* parts, int64_t count, int64_t stride, int64_t begin, int64_t end, float* out,
                    bool accumulate);
};

const NormKernels& norm_kernels();

}  // namespace propane::cpu
