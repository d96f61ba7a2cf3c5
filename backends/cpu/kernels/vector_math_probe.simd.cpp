#include "backends/cpu/kernels/vector_math_probe.h"

#include "backends/cpu/kernels/vector_math.h"

namespace propane::cpu::PROPANE_TARGET {

namespace {

template <auto kFunction>
void apply(const float* x, float* y, int64_t count) {
  for (int64_t i = 0; i < count; i += kLanes) store(y + i, kFunction(load(x + i)));
}

Vec bf16_round_trip(Vec x) {
  uint16_t half[kLanes];
  store_bf16(half, x);
  return load_bf16(half);
}

}  // namespace

const VectorMathProbe& vector_math_probe() {
  static constexpr VectorMathProbe kProbe = {apply<[](Vec x) { return exp2(x); }>,
                                             apply<[](Vec x) { return exp(x); }>,
                                             apply<[](Vec x) { return log(x); }>,
                                             apply<[](Vec x) { return sigmoid(x); }>,
                                             apply<[](Vec x) { return tanh(x); }>,
                                             apply<[](Vec x) { return normal_cdf(x); }>,
                                             apply<[](Vec x) { return bf16_round_trip(x); }>};
  return kProbe;
}

}  // namespace propane::cpu::PROPANE_TARGET
