// How fast this machine can be at most, measured: what the other figures are held against.
#pragma once

#include <cstdint>

#include "base/threads.h"

namespace propane::cpu {

// FLOP/s of multiply-adds that never leave the registers, with the selected target, on all threads of the pool
// together: the best of short runs over about `seconds`.
double fma_flops_per_second(ThreadPool& pool = threads(), double seconds = 0.2);

// FLOP/s of the product of two 2048 × 2048 matrices with gemm.h, on all threads of the pool together: the best of
// products over about `seconds`. Allocates 48 MiB and the product's scratch.
double sgemm_flops_per_second(ThreadPool& pool = threads(), double seconds = 0.5);

// Bytes a second read from memory by all threads of the pool together: the best of several passes over a buffer of
// `bytes`, which should be many times the last cache's size; it is allocated and written first.
double read_bytes_per_second(ThreadPool& pool = threads(), int64_t bytes = int64_t{1} << 30);

struct PeakKernels {
  // Runs `iterations` rounds of multiply-adds, each of `flops_per_iteration`, and returns a number that depends on all.
  float (*fma_loop)(int64_t iterations);
  int64_t flops_per_iteration;
  // The sum of p[0, n), n a multiple of 256, in no particular order.
  float (*read)(const float* p, int64_t n);
};
const PeakKernels& peak_kernels();

}  // namespace propane::cpu
