#include "backends/cpu/kernels/peak.h"

#include "backends/cpu/kernels/simd.h"

namespace propane::cpu::PROPANE_TARGET {

namespace {

// Enough chains to fill two units of four to six cycles' latency.
constexpr int kChains = 12;

float fma_loop(int64_t iterations) {
  Vec sums[kChains];
  for (int i = 0; i < kChains; ++i) sums[i] = broadcast(static_cast<float>(i + 1));
  const Vec factor = broadcast(0.9999f), term = broadcast(1e-3f);
  for (int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 4
    for (int round = 0; round < 4; ++round) {
#pragma GCC unroll 16
      for (int i = 0; i < kChains; ++i) sums[i] = fma(sums[i], factor, term);
    }
  }
  Vec total{};
  for (int i = 0; i < kChains; ++i) total = total + sums[i];
  return sum(total);
}

float read(const float* p, int64_t n) {
  constexpr int kStep = 8;
  Vec sums[kStep] = {};
  for (int64_t i = 0; i < n; i += kStep * kLanes) {
#pragma GCC unroll 8
    for (int j = 0; j < kStep; ++j) sums[j] = sums[j] + load(p + i + j * kLanes);
  }
  Vec total{};
  for (int j = 0; j < kStep; ++j) total = total + sums[j];
  return sum(total);
}

constexpr PeakKernels kKernels = {fma_loop, int64_t{4} * kChains* kLanes * 2, read};

}  // namespace

const PeakKernels& peak_kernels();
const PeakKernels& peak_kernels() { return kKernels; }

}  // namespace propane::cpu::PROPANE_TARGET
