// Which instruction set's kernels run: chosen once from what the processor has, or by PROPANE_CPU_TARGET.
//
// A family of kernels is a struct of function pointers, say `struct GemmKernels` in gemm_kernels.h. Its .simd.cpp is
// compiled once a target and defines `const GemmKernels& gemm_kernels();` in the target's namespace; one line in an
// ordinary .cpp, PROPANE_DISPATCH(GemmKernels, gemm_kernels), makes propane::cpu::gemm_kernels(), which returns the
// selected target's. Every target computes the same function; bits may differ between targets, never within one.
#pragma once

#include <span>
#include <string_view>

namespace propane::cpu {

// A target with dot products of bytes (avx2vnni, avx512vnni, neondot) has kernels of its own for quantized weights only;
// all others are those of the target that it extends.
enum class Target { portable, avx2, avx2vnni, avx512, avx512vnni, neon, neondot };

// The names of the targets that this build has and this processor runs, the best first, "portable" the last.
std::span<const std::string_view> available_targets();

// The target in use: PROPANE_CPU_TARGET's if set, else the best available. Throws UsageError if the variable names a
// target that is unknown or that this processor or build lacks.
Target selected_target();
std::string_view name(Target target);

// The target whose kernels all but those of quantized weights are: avx512 for avx512vnni, avx512 itself for avx512.
Target base_of(Target target);

// Makes `name` the selected target for the life of the object: for tests and benchmarks, while no kernel runs.
// Throws UsageError as selected_target does.
class ScopedTarget {
 public:
  explicit ScopedTarget(std::string_view name);
  ~ScopedTarget();
  ScopedTarget(const ScopedTarget&) = delete;
  ScopedTarget& operator=(const ScopedTarget&) = delete;

 private:
  Target before_;
};

}  // namespace propane::cpu

// Inside propane::cpu, in a .cpp of the cpu library: defines `const Kernels& function()`.
#define PROPANE_DISPATCH(Kernels, function)                          \
  PROPANE_EACH_TARGET(PROPANE_DECLARE_KERNELS, Kernels, function)    \
  const Kernels& function() {                                        \
    switch (base_of(selected_target())) {                            \
      PROPANE_EACH_TARGET(PROPANE_SELECT_KERNELS, Kernels, function) \
      default:                                                       \
        return portable::function();                                 \
    }                                                                \
  }
// The same for kernels in files named quant_*.simd.cpp, which the targets with dot products of bytes have too.
#define PROPANE_DISPATCH_QUANT(Kernels, function)                          \
  PROPANE_EACH_QUANT_TARGET(PROPANE_DECLARE_KERNELS, Kernels, function)    \
  const Kernels& function() {                                              \
    switch (selected_target()) {                                           \
      PROPANE_EACH_QUANT_TARGET(PROPANE_SELECT_KERNELS, Kernels, function) \
      default:                                                             \
        return portable::function();                                       \
    }                                                                      \
  }
#define PROPANE_DECLARE_KERNELS(target, Kernels, function) \
  namespace target {                                       \
  const Kernels& function();                               \
  }
#define PROPANE_SELECT_KERNELS(target, Kernels, function) \
  case Target::target:                                    \
    return target::function();

// do_it(target, ...) for each target of this build; cpu.cmake defines the PROPANE_HAS_ macros.
#if defined(PROPANE_HAS_avx512)
#define PROPANE_EACH_TARGET(do_it, ...) do_it(portable, __VA_ARGS__) do_it(avx2, __VA_ARGS__) do_it(avx512, __VA_ARGS__)
#define PROPANE_EACH_QUANT_TARGET(do_it, ...) \
  PROPANE_EACH_TARGET(do_it, __VA_ARGS__) do_it(avx2vnni, __VA_ARGS__) do_it(avx512vnni, __VA_ARGS__)
#elif defined(PROPANE_HAS_neon)
#define PROPANE_EACH_TARGET(do_it, ...) do_it(portable, __VA_ARGS__) do_it(neon, __VA_ARGS__)
#define PROPANE_EACH_QUANT_TARGET(do_it, ...) PROPANE_EACH_TARGET(do_it, __VA_ARGS__) do_it(neondot, __VA_ARGS__)
#else
#define PROPANE_EACH_TARGET(do_it, ...) do_it(portable, __VA_ARGS__)
#define PROPANE_EACH_QUANT_TARGET PROPANE_EACH_TARGET
#endif
