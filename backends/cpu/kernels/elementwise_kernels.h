// What elementwise.cpp shares among threads and elementwise.simd.cpp computes: elements, tokens, rows or columns
// [begin, end) of the operations of elementwise.h.
#pragma once

#include "backends/cpu/kernels/elementwise.h"

namespace propane::cpu {

struct MixSums {
  double da, db;
};

struct ElementwiseKernels {
  void (*fill)(int64_t begin, int64_t end, float value, float* out);
  void (*add)(int64_t begin, int64_t end, const float* x, float alpha, const float* y, float* out);
  void (*multiply)(int64_t begin, int64_t end, const float* x, const float* y, float* out);
  void (*scale)(int64_t begin, int64_t end, float factor, const float* x, float* out);
  void (*accumulate)(int64_t begin, int64_t end, float keep, const float* value, float* into);
  void (*mix)(int64_t begin, int64_t end, float a, const float* x, float b, const float* y, float* out);
  MixSums (*mix_grad)(const MixGrad&, int64_t begin, int64_t end);
  void (*value_gate)(const ValueGate&, int64_t begin, int64_t end);
  void (*value_gate_grad)(const ValueGateGrad&, int64_t begin, int64_t end);
  void (*copy_rows)(int64_t begin, int64_t end, int64_t dim, Rows<const float> from, Rows<float> to, bool add);
  void (*column_sum)(int64_t begin, int64_t end, int64_t rows, Rows<const float> x, float* out, bool accumulate);
};

const ElementwiseKernels& elementwise_kernels();

}  // namespace propane::cpu
