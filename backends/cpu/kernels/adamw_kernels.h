// What adamw.cpp shares among threads and adamw.simd.cpp computes.
#pragma once

#include "backends/cpu/kernels/adamw.h"

namespace propane::cpu {

// The constants of a step, as its formulas use them.
struct AdamWFactors {
  float first_rate;   // 1 − beta1
  float second_rate;  // 1 − beta2
  float decay;        // lr · weight_decay
  float step_size;    // lr / (1 − beta1^step)
  float root_factor;  // 1 / sqrt(1 − beta2^step)
  float eps, grad_scale;
  bool stochastic;
};

struct AdamWKernels {
  // Elements [begin, end); `key` makes the random numbers of stochastic rounding.
  void (*update)(const AdamWTensor&, const AdamWFactors&, uint32_t key, int64_t begin, int64_t end);
  double (*sum_squares)(const float* x, int64_t begin, int64_t end);
};

const AdamWKernels& adamw_kernels();

}  // namespace propane::cpu
