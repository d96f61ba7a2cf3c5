// Rotary position embedding (Su et al. 2021): every pair of a head's first `rotary_dim` elements turns by an angle that
// grows with the position. The pairs are (i, i + rotary_dim/2), Hugging Face's "rotate_half", or, interleaved,
// (2i, 2i+1), the paper's and GGUF llama's.
//
//   (y1, y2) = (x1·cos − x2·sin, x2·cos + x1·sin)
//
// The inverse turns the other way: it is the gradient, and also what autoresearch calls its rope
// (y1 = x1·cos + x2·sin, y2 = −x1·sin + x2·cos), whose gradient is then the plain one.
#pragma once

#include <cstdint>

#include "backends/cpu/kernels/rows.h"

namespace propane::cpu {

struct Rope {
  int64_t tokens = 0, n_head = 0, head_dim = 0;
  int64_t rotary_dim = 0;  // even, at most head_dim; elements beyond it are copied
  bool interleaved = false;
  bool inverse = false;
  Rows<const float> x;                 // [tokens, n_head, head_dim], a row for each head: run = n_head
  Rows<float> y;                       // the same; may be x
  const int32_t* positions = nullptr;  // [tokens]; negative ones count as 0
  const float* cos = nullptr;          // [positions, rotary_dim / 2]
  const float* sin = nullptr;
};
void rope(const Rope& args);

// y = x / sqrt(mean(x²) + eps) of every head after its rotation, as autoresearch does with q and k.
void rope_rms_norm(const Rope& args, float eps);

// The gradient: dx from dy, with the args of the forward pass (y is not used). dx may be dy, not x.
void rope_rms_norm_grad(const Rope& args, float eps, Rows<const float> dy, Rows<float> dx);

struct RopeTable {
  int64_t positions = 0, rotary_dim = 0;
  double theta = 10000.0;
  // Llama 3's stretching of the long wavelengths; factor 0: none.
  double scaling_factor = 0, low_freq_factor = 1, high_freq_factor = 4, original_max_position = 8192;
  const double* factors = nullptr;  // [rotary_dim / 2] what each pair's frequency is divided by; null: 1
  double amplitude = 1.0;           // multiplies cos and sin
  bool round_to_bf16 = false;       // as autoresearch's tables are
};
// Writes cos and sin, [positions, rotary_dim / 2] each.
void fill_rope_table(const RopeTable& table, float* cos, float* sin);

}  // namespace propane::cpu
