// What a matrix product does with its result while it is still in the cache.
#pragma once

#include <cstdint>

namespace propane::cpu {

enum class Activation {
  none,
  relu,
  relu2,      // max(x, 0)²
  gelu_tanh,  // x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³)))
  silu,       // x / (1 + e^-x)
};

// y = activation(scale · row_scale[i] · x + bias[j]) + residual_scale · residual[i, j], for x = the product's element
// [i, j] of [m, n]. Null pointers are left out. No pointer may overlap the result.
struct Epilogue {
  float scale = 1;
  const float* row_scale = nullptr;  // [m]
  const float* bias = nullptr;       // [n]
  Activation activation = Activation::none;
  float* pre_activation = nullptr;  // out [m, n]: what the activation was applied to, for the backward pass
  int64_t ld_pre_activation = 0;
  const float* residual = nullptr;  // [m, n]
  int64_t ld_residual = 0;
  float residual_scale = 1;
};

}  // namespace propane::cpu
