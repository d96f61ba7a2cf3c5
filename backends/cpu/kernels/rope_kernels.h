// What rope.cpp shares among threads and rope.simd.cpp computes: tokens [begin, end).
#pragma once

#include "backends/cpu/kernels/rope.h"

namespace propane::cpu {

struct RopeKernels {
  void (*rope)(const Rope&, int64_t begin, int64_t end);
  void (*rope_rms_norm)(const Rope&, float eps, int64_t begin, int64_t end);
  void (*rope_rms_norm_grad)(const Rope&, float eps, Rows<const float> dy, Rows<float> dx, int64_t begin, int64_t end);
};

const RopeKernels& rope_kernels();

}  // namespace propane::cpu
