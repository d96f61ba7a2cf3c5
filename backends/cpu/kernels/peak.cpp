#include "backends/cpu/kernels/peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

#include "backends/cpu/kernels/gemm.h"
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

double sgemm_flops_per_second(ThreadPool& pool, double seconds) {
  constexpr int64_t n = 2048;
  const std::vector<float> a(n * n, 0.5f), b(n * n, 0.25f);
  std::vector<float> c(n * n);
  const Gemm product{.m = n, .n = n, .k = n, .a = {a.data(), n}, .b = {b.data(), n}, .c = c.data(), .ldc = n};
  const size_t bytes = gemm_scratch_bytes(product, pool.size());
  const auto scratch = std::make_unique_for_overwrite<std::byte[]>(bytes);
  double best = 0;
  for (const double start = now(); best == 0 || now() - start < seconds;) {
    const double begin = now();
    gemm(product, {scratch.get(), bytes}, pool);
    best = std::max(best, 2.0 * n * n * n / (now() - begin));
  }
  sink.store(c[0], std::memory_order_relaxed);
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
