// AdamW (Loshchilov and Hutter 2019) over many tensors at once, and the global norm of gradients.
// Bits do not depend on the number of threads.
#pragma once

#include <cstdint>
#include <span>

namespace propane::cpu {

// A parameter with its moments, float32, or bf16 all three (the gradient is float32 always).
struct AdamWTensor {
  int64_t count = 0;
  const float* grad = nullptr;
  void* param = nullptr;
  void* first = nullptr;   // moving mean of the gradient
  void* second = nullptr;  // of its square
  bool is_bf16 = false;
  uint64_t stream = 0;  // names the tensor to stochastic rounding (base/random.h)
};

// With g = grad_scale · grad, m and v the moments:
//   m += (1 − beta1)·(g − m)      v += (1 − beta2)·(g² − v)
//   param += −lr·weight_decay·param − lr/(1 − beta1^step) · m / (sqrt(v / (1 − beta2^step)) + eps)
// as torch.optim.AdamW, in float32; bf16 values are rounded to nearest even as they are stored.
struct AdamWStep {
  double lr = 0, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  int64_t step = 1;  // counts from 1
  double grad_scale = 1;
  bool skip = false;                 // leave everything as it is
  bool stochastic_rounding = false;  // of bf16 parameters: up or down by chance, so that small updates add up
  uint64_t seed = 0;
};
void adamw(std::span<const AdamWTensor> tensors, const AdamWStep& step);

struct FloatSpan {
  const float* data = nullptr;
  int64_t count = 0;
};

// Σ x² over all tensors, in double; not finite if and only if an element is not.
double sum_squares(std::span<const FloatSpan> tensors);

}  // namespace propane::cpu
