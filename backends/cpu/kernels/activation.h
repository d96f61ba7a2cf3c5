// Activation functions of the feed-forward layers and their gradients, element by element. Outputs may be inputs.
// Error against the exact value: a few ulp of max(|x|, 1) · f'(x).
#pragma once

#include <cstdint>

#include "backends/cpu/kernels/rows.h"

namespace propane::cpu {

enum class Unary {
  relu2,      // max(x, 0)²
  gelu_tanh,  // x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))), GPT-2's
  gelu,       // x/2 · (1 + erf(x/√2))
  silu,       // x · sigmoid(x)
  sigmoid,
};

// y = f(x)
void unary(Unary f, int64_t count, const float* x, float* y);
// dx = dy · f'(x)
void unary_grad(Unary f, int64_t count, const float* x, const float* dy, float* dx);

// y = cap · tanh(x / cap), and its gradient.
void softcap(int64_t count, float cap, const float* x, float* y);
void softcap_grad(int64_t count, float cap, const float* x, const float* dy, float* dx);

// h = silu(gate) ∘ up (Shazeer 2020). gate and up may be the halves of packed rows.
struct Swiglu {
  int64_t rows = 0, dim = 0;
  Rows<const float> gate, up;
  Rows<float> h;
};
void swiglu(const Swiglu& args);

struct SwigluGrad {
  int64_t rows = 0, dim = 0;
  Rows<const float> gate, up, dh;
  Rows<float> dgate, dup;
};
void swiglu_grad(const SwigluGrad& args);

}  // namespace propane::cpu
