// vector_math.h applied to arrays, so that its test reaches every target's functions.
#pragma once

#include <cstdint>

namespace propane::cpu {

struct VectorMathProbe {
  using Function = void (*)(const float* x, float* y, int64_t count);  // count is a multiple of 16
  Function exp2, exp, log, sigmoid, tanh, normal_cdf, bf16_round_trip;
};

const VectorMathProbe& vector_math_probe();

}  // namespace propane::cpu
