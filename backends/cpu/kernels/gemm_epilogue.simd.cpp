#include "backends/cpu/kernels/gemm_tile.h"
#include "backends/cpu/kernels/vector_math.h"

namespace propane::cpu::PROPANE_TARGET {

namespace {

PROPANE_INLINE Vec silu(Vec x) { return x * sigmoid(x); }

PROPANE_INLINE Vec activate(Activation activation, Vec x) {
  switch (activation) {
    case Activation::none: return x;
    case Activation::relu: return max(x, Vec{});
    case Activation::relu2: return max(x, Vec{}) * max(x, Vec{});
    case Activation::gelu_tanh: {
      const Vec inner = 0.7978845608028654f * (x + 0.044715f * x * x * x);
      return 0.5f * x * (1.0f + tanh(inner));
    }
    case Activation::silu: return silu(x);
  }
  return x;
}

// `columns` columns of one row, from the tile's column j on. Whole vectors when Whole.
template <bool Whole>
PROPANE_INLINE void finish_vector(const EpilogueTile& t, int i, int j, float row_scale, int columns) {
  const Epilogue& e = t.epilogue;
  const auto get = [&](const float* p) { return Whole ? load(p) : load_part(p, columns); };
  const auto put = [&](float* p, Vec v) {
    if (Whole) store(p, v);
    else store_part(p, v, columns);
  };
  float* const c = t.c + i * t.ldc + j;
  Vec x = get(c) * row_scale;
  if (e.bias) x = x + get(e.bias + j);
  if (e.pre_activation) put(e.pre_activation + i * e.ld_pre_activation + j, x);
  x = activate(e.activation, x);
  if (e.residual) x = fma(broadcast(e.residual_scale), get(e.residual + i * e.ld_residual + j), x);
  put(c, x);
}

}  // namespace

void apply_epilogue(const EpilogueTile& t) {
  for (int i = 0; i < t.rows; ++i) {
    const float row_scale = t.epilogue.row_scale ? t.epilogue.scale * t.epilogue.row_scale[i] : t.epilogue.scale;
    int j = 0;
    for (; j + kLanes <= t.cols; j += kLanes) finish_vector<true>(t, i, j, row_scale, kLanes);
    if (j < t.cols) finish_vector<false>(t, i, j, row_scale, t.cols - j);
  }
}

void apply_swiglu(const SwigluTile& t) {
  for (int i = 0; i < t.rows; ++i) {
    const float* gate = t.gate + i * t.ld_gate;
    const float* up = t.up + i * t.ld_up;
    float* h = t.h + i * t.ldh;
    int j = 0;
    for (; j + kLanes <= t.cols; j += kLanes) store(h + j, silu(load(gate + j)) * load(up + j));
    if (j < t.cols) {
      const int rest = t.cols - j;
      store_part(h + j, silu(load_part(gate + j, rest)) * load_part(up + j, rest), rest);
    }
  }
}

}  // namespace propane::cpu::PROPANE_TARGET
