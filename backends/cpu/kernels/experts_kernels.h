// What experts.cpp shares among threads and experts.simd.cpp computes.
#pragma once

#include "backends/cpu/kernels/experts.h"

namespace propane::cpu {

struct ExpertKernels {
  // Elements [begin, end) of all choices' outputs laid end to end.
  void (*linear)(const ExpertLinear&, int64_t begin, int64_t end);
  void (*sum)(int64_t begin, int64_t end, int64_t k, int64_t dim, const float* y, const float* weights, float* z);
  void (*clamped_swiglu)(float alpha, float limit, int64_t begin, int64_t end, const float* gate, const float* up,
                         float* h);
};

const ExpertKernels& expert_kernels();

}  // namespace propane::cpu
