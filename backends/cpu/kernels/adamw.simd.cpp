#include "backends/cpu/kernels/adamw_kernels.h"
#include "backends/cpu/kernels/row_loop.h"

namespace propane::cpu::PROPANE_TARGET {

namespace {

struct Element {
  Vec param, first, second;
};

PROPANE_INLINE Element updated(Element e, Vec grad, const AdamWFactors& f) {
  const Vec g = grad * f.grad_scale;
  e.first = fma(broadcast(f.first_rate), g - e.first, e.first);
  e.second = fma(broadcast(f.second_rate), fma(g, g, -e.second), e.second);
  const Vec denominator = fma(sqrt(e.second), broadcast(f.root_factor), broadcast(f.eps));
  e.param = fma(broadcast(-f.decay), e.param, e.param);
  e.param = fma(broadcast(-f.step_size), e.first / denominator, e.param);
  return e;
}

// 16 random bits for each of the elements index, index + 1, ...: a multiply-xorshift mix of the counter and the key.
PROPANE_INLINE UVec random_bits(uint32_t key, int64_t index) {
  UVec x = ((UVec)iota() + static_cast<uint32_t>(index)) * 0x9e3779b9u;
  x ^= (UVec{} + key) + static_cast<uint32_t>(index >> 32);
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x >> 16;
}

// x rounded up or down to bf16 with probabilities in proportion to its nearness, still as floats.
PROPANE_INLINE Vec stochastically_rounded(Vec x, UVec noise) {
  const UVec bits = (UVec)x;
  const UVec rounded = (bits + noise) & 0xffff0000u;
  return (Vec)((bits & 0x7f800000u) == 0x7f800000u ? bits : rounded);  // infinities and NaNs stay
}

template <typename T>
void update_elements(const AdamWTensor& t, const AdamWFactors& factors, uint32_t key, int64_t begin, int64_t end) {
  T *param = static_cast<T*>(t.param), *first = static_cast<T*>(t.first), *second = static_cast<T*>(t.second);
  over(begin, end, [&](int64_t c, auto size) {
    Element e{load(param + c, size), load(first + c, size), load(second + c, size)};
    e = updated(e, load(t.grad + c, size), factors);
    if constexpr (sizeof(T) == 2)
      if (factors.stochastic) e.param = stochastically_rounded(e.param, random_bits(key, c));
    store(param + c, e.param, size);
    store(first + c, e.first, size);
    store(second + c, e.second, size);
  });
}

void update(const AdamWTensor& t, const AdamWFactors& factors, uint32_t key, int64_t begin, int64_t end) {
  if (t.is_bf16) update_elements<uint16_t>(t, factors, key, begin, end);
  else update_elements<float>(t, factors, key, begin, end);
}

double sum_squares(const float* x, int64_t begin, int64_t end) {
  Doubles low{}, high{};
  over(begin, end, [&](int64_t c, auto size) {
    const Widened v = widen(load(x + c, size));
    low += v.low * v.low;
    high += v.high * v.high;
  });
  return sum(low + high);
}

}  // namespace

const AdamWKernels& adamw_kernels() {
  static constexpr AdamWKernels kKernels = {update, sum_squares};
  return kKernels;
}

}  // namespace propane::cpu::PROPANE_TARGET
