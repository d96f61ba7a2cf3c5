// The best block for the numbers of one: what quantize.h does for each block of a row.
#pragma once

#include <algorithm>

#include "base/half.h"
#include "quant/blocks.h"

namespace propane::quant {

// `x` and `importance` hold Block::kElements numbers; `importance` may be null, which weighs all alike.
void fit(const float* x, const float* importance, Q4_0& block);
void fit(const float* x, const float* importance, Q4_1& block);
void fit(const float* x, const float* importance, Q5_0& block);
void fit(const float* x, const float* importance, Q5_1& block);
void fit(const float* x, const float* importance, Q8_0& block);
void fit(const float* x, const float* importance, Q4_K& block);
void fit(const float* x, const float* importance, Q5_K& block);
void fit(const float* x, const float* importance, Q6_K& block);

// A scale as a block holds it: a fit may reach a little beyond the numbers, and so beyond the largest half.
inline Half saturated_half(float x) { return float_to_f16(std::clamp(x, -65504.0f, 65504.0f)); }

// `count` weights for a fit, from importances that may all be zero; the largest becomes 1, so that sums of them neither
// vanish nor overflow, and none becomes so small that its number might turn into anything.
inline void scale_weights(const float* importance, int count, float* weights) {
  constexpr float kLeast = 1e-6f;
  const float largest = importance ? *std::max_element(importance, importance + count) : 0;
  for (int i = 0; i < count; ++i) weights[i] = largest > 0 ? std::max(importance[i] / largest, kLeast) : 1;
}

}  // namespace propane::quant
