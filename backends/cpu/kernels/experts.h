// The products of a mixture of experts in float32. A token's bits depend on its own operands alone.
#pragma once

#include <cstdint>

namespace propane::cpu {

// y[i] = w[ids[i]] · x[i / shared] + bias[ids[i]] for every choice i.
struct ExpertLinear {
  int64_t choices = 0, experts = 0, out = 0, in = 0;
  int64_t shared = 1;            // choices in a row that read the same x
  const float* x = nullptr;      // [choices / shared, in]
  const float* w = nullptr;      // [experts, out, in]
  const int32_t* ids = nullptr;  // [choices]
  const float* bias = nullptr;   // [experts, out]; null: none
  float* y = nullptr;            // [choices, out]
};
// Throws Error if an id names no expert.
void expert_linear(const ExpertLinear& args);

// z[t] = Σ_j weights[t, j] · y[t, j], in the order of j.
void expert_sum(int64_t tokens, int64_t k, int64_t dim, const float* y, const float* weights, float* z);

// h = (clamp(up, ±limit) + 1) · g · sigmoid(alpha · g) with g = min(gate, limit). h may be gate or up.
void clamped_swiglu(int64_t count, float alpha, float limit, const float* gate, const float* up, float* h);

}  // namespace propane::cpu
