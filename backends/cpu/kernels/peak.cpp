#include "backends/cpu/kernels/peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>

#include "backends/cpu/kernels/select.h"

namespace propane::cpu {

PROPANE_DISPATCH(PeakKernels, peak_kernels)

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Results that must not be optimised away end here.
std::atomic<float> sink;

}  // namespace

double fma_flops_per_second(ThreadPool& pool, double seconds) {
  const PeakKernels& kernels = peak_kernels();
  constexpr int64_t kIterations = 20'000;
  const double flops = static_cast<double>(kIterations * kernels.flops_per_iteration * pool.size());
  double best = 0;
  for (const double start = now(); now() - start < seconds;) {
    const double begin = now();
    pool.run([&](int) { sink.store(kernels.fma_loop(kIterations), std::memory_order_relaxed); });
    best = std::max(best, flops / (now() - begin));
  }
  return best;
}

double read_bytes_per_second(ThreadPool& pool, int64_t bytes) {
  const PeakKernels& kernels = peak_kernels();
  constexpr int64_t kGrain = 1 << 18;
  const int64_t floats = std::max<int64_t>(bytes / 4 / kGrain, 1) * kGrain;
  const auto buffer = std::make_unique_for_overwrite<float[]>(static_cast<size_t>(floats));
  pool.parallel_for(floats, kGrain,
                    [&](int64_t begin, int64_t end) { std::fill(&buffer[0] + begin, &buffer[0] + end, 1.0f); });
  double best = 0;
  for (int pass = 0; pass < 8; ++pass) {
    const double begin = now();
    pool.parallel_for(floats, kGrain, [&](int64_t from, int64_t to) {
      sink.store(kernels.read(&buffer[0] + from, to - from), std::memory_order_relaxed);
    });
    best = std::max(best, static_cast<double>(floats * 4) / (now() - begin));
  }
  return best;
}

}  // namespace propane::cpu
