// What muon.cpp shares among threads and muon.simd.cpp computes, beside the products of gemm.h.
#pragma once

#include "backends/cpu/kernels/muon.h"

namespace propane::cpu {

struct MuonSums {
  double before, after;  // Σ u² before and after the division by the moving root mean squares
};

struct MuonKernels {
  // Elements [begin, end): the momentum, and Nesterov's look ahead into x. Returns Σ x², in double.
  double (*look_ahead)(const MuonMatrix&, const MuonStep&, float* x, int64_t begin, int64_t end);
  void (*multiply)(float* x, float factor, int64_t begin, int64_t end);
  // Sums of squares over rows [begin, end) of u[rows, cols]: each row's into sums[row], or each column's into
  // sums[column].
  void (*row_squares)(const float* u, int64_t cols, int64_t begin, int64_t end, float* sums);
  void (*column_squares)(const float* u, int64_t cols, int64_t begin, int64_t end, float* sums);
  // For each of `lines` rows or columns of `length` elements, whose sum of squares is that of parts[p·lines + line]
  // over p < count in order: updates second[line]; scale[line] = 1 / sqrt(second[line]). scale may be parts.
  MuonSums (*line_scales)(const float* parts, int64_t count, int64_t lines, int64_t length, float rate, float* second,
                          float* scale);
  // Rows [begin, end) of the parameter: the step along u, whose lines `scale` is for, all times `factor`.
  void (*update)(const MuonMatrix&, const MuonStep&, const float* u, const float* scale, float factor, int64_t begin,
                 int64_t end);
};

const MuonKernels& muon_kernels();

}  // namespace propane::cpu
