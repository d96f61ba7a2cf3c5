// Sums, products and copies, element by element. Outputs may be inputs unless said; `count` is in elements.
#pragma once

#include <cstdint>

#include "backends/cpu/kernels/rows.h"

namespace propane::cpu {

void fill(int64_t count, float value, float* out);
// out = x + alpha · y
void add(int64_t count, const float* x, float alpha, const float* y, float* out);
// out = x ∘ y
void multiply(int64_t count, const float* x, const float* y, float* out);
// out = factor · x
void scale(int64_t count, float factor, const float* x, float* out);
// into = keep · into + value; with keep = 0, `into` is not read.
void accumulate(int64_t count, float keep, const float* value, float* into);

// out = a · x + b · y, with a and b read where they live (autoresearch's resid_lambda and x0_lambda).
void mix(int64_t count, const float* a, const float* x, const float* b, const float* y, float* out);

// The gradients of mix; null outputs are left out. da = Σ d·x and db = Σ d·y are summed in double, in parts that
// depend on `count` alone.
struct MixGrad {
  int64_t count = 0;
  const float* d = nullptr;  // of out
  const float *a = nullptr, *x = nullptr;
  const float *b = nullptr, *y = nullptr;
  float *dx = nullptr, *dy = nullptr;
  float *da = nullptr, *db = nullptr;
  bool accumulate_dx = false, accumulate_dy = false;
  bool accumulate_scalars = false;
};
void mix_grad(const MixGrad& args);

// out[t,h] = v[t,h] + 2 · sigmoid(gate[t,h]) · ve[t,h] over heads of head_dim elements (autoresearch's value
// embeddings).
struct ValueGate {
  int64_t tokens = 0, n_head = 0, head_dim = 0;
  Rows<const float> v, ve;      // a row for each head: run = n_head
  const float* gate = nullptr;  // [tokens, n_head]
  Rows<float> out;              // may be v
};
void value_gate(const ValueGate& args);

// dve = 2 · sigmoid(gate) · d and dgate; the gradient of v is d itself.
struct ValueGateGrad {
  int64_t tokens = 0, n_head = 0, head_dim = 0;
  Rows<const float> d, ve;
  const float* gate = nullptr;
  Rows<float> dve;         // may be d or ve
  float* dgate = nullptr;  // [tokens, n_head]
};
void value_gate_grad(const ValueGateGrad& args);

// to[r, :dim] = from[r, :dim]; with `add`, +=. Must not overlap.
void copy_rows(int64_t rows, int64_t dim, Rows<const float> from, Rows<float> to, bool add = false);

// out[c] = Σ_r x[r, c], plus out[c] with `accumulate`: a bias's gradient. Rows are added in order.
void column_sum(int64_t rows, int64_t columns, Rows<const float> x, float* out, bool accumulate = false);

}  // namespace propane::cpu
