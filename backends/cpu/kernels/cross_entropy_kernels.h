// What cross_entropy.cpp shares among threads and cross_entropy.simd.cpp computes: rows [begin, end).
#pragma once

#include "backends/cpu/kernels/cross_entropy.h"

namespace propane::cpu {

struct CrossEntropyKernels {
  void (*forward)(const CrossEntropy&, const float* logits, int64_t begin, int64_t end);
  void (*grad)(const CrossEntropy&, float* logits, const float* dnats, int64_t dnats_stride, int64_t begin,
               int64_t end);
  void (*log_softmax)(int64_t vocab, int64_t stride, float cap, float* logits, int64_t begin, int64_t end);
  void (*argmax)(int64_t vocab, int64_t stride, const float* logits, int32_t* out, int64_t begin, int64_t end);
};

const CrossEntropyKernels& cross_entropy_kernels();

}  // namespace propane::cpu
