#include "backends/cpu/kernels/experts_kernels.h"
#include "backends/cpu/kernels/row_loop.h"

namespace propane::cpu::PROPANE_TARGET {

namespace {

constexpr int kRows = 4;  // of a weight at once: one chain of sums alone would wait for itself

template <int N>
PROPANE_INLINE void dot_rows(const float* w, const float* x, int64_t in, const float* bias, float* y) {
  Vec sums[N] = {};
  over(0, in, [&](int64_t c, auto size) {
    const Vec v = load(x + c, size);
#pragma GCC unroll 4
    for (int i = 0; i < N; ++i) sums[i] = fma(load(w + i * in + c, size), v, sums[i]);
  });
  for (int i = 0; i < N; ++i) y[i] = sum(sums[i]) + (bias ? bias[i] : 0.0f);
}

void linear(const ExpertLinear& a, int64_t begin, int64_t end) {
  for (int64_t at = begin; at < end;) {
    const int64_t choice = at / a.out, row = at % a.out, first = a.ids[choice] * a.out + row;
    const float *w = a.w + first * a.in, *x = a.x + choice / a.shared * a.in, *bias = a.bias ? a.bias + first : nullptr;
    const int64_t left = a.out - row < end - at ? a.out - row : end - at;
    if (left >= kRows) {
      dot_rows<kRows>(w, x, a.in, bias, a.y + at);
      at += kRows;
    } else {
      dot_rows<1>(w, x, a.in, bias, a.y + at);
      ++at;
    }
  }
}

void sum_choices(int64_t begin, int64_t end, int64_t k, int64_t dim, const float* y, const float* weights, float* z) {
  for (int64_t t = begin; t < end; ++t)
    over(0, dim, [&](int64_t c, auto size) {
      Vec total{};
      for (int64_t j = 0; j < k; ++j)
        total = fma(broadcast(weights[t * k + j]), load(y + (t * k + j) * dim + c, size), total);
      store(z + t * dim + c, total, size);
    });
}

void clamped_swiglu(float alpha, float limit, int64_t begin, int64_t end, const float* gate, const float* up,
                    float* h) {
  const Vec most = broadcast(limit);
  over(begin, end, [&](int64_t c, auto size) {
    const Vec g = min(load(gate + c, size), most), u = max(min(load(up + c, size), most), -most);
    store(h + c, (u + 1.0f) * g * sigmoid(alpha * g), size);
  });
}

}  // namespace

const ExpertKernels& expert_kernels() {
  static constexpr ExpertKernels kKernels = {linear, sum_choices, clamped_swiglu};
  return kKernels;
}

}  // namespace propane::cpu::PROPANE_TARGET
