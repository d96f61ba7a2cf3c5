// What activation.cpp shares among threads and activation.simd.cpp computes.
#pragma once

#include "backends/cpu/kernels/activation.h"

namespace propane::cpu {

struct ActivationKernels {
  void (*unary)(Unary f, int64_t begin, int64_t end, const float* x, float* y);
  void (*unary_grad)(Unary f, int64_t begin, int64_t end, const float* x, const float* dy, float* dx);
  void (*softcap)(float cap, int64_t begin, int64_t end, const float* x, float* y);
  void (*softcap_grad)(float cap, int64_t begin, int64_t end, const float* x, const float* dy, float* dx);
  void (*swiglu)(const Swiglu&, int64_t begin, int64_t end);
  void (*swiglu_grad)(const SwigluGrad&, int64_t begin, int64_t end);
};

const ActivationKernels& activation_kernels();

}  // namespace propane::cpu
