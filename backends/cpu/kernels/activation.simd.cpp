#include "backends/cpu/kernels/activation_kernels.h"
#include "backends/cpu/kernels/row_loop.h"

namespace propane::cpu::PROPANE_TARGET {

namespace {

constexpr float kRoot2OverPi = 0.797884561f, kCubic = 0.044715f;
constexpr float kInverseRoot2Pi = 0.398942280f;

// Each function with its derivative.
struct Relu2 {
  static Vec value(Vec x) { return max(x, Vec{}) * max(x, Vec{}); }
  static Vec slope(Vec x) { return 2.0f * max(x, Vec{}); }
};
struct GeluTanh {
  static Vec inner(Vec x) { return kRoot2OverPi * x * (1.0f + kCubic * x * x); }
  static Vec value(Vec x) { return 0.5f * x * (1.0f + tanh(inner(x))); }
  static Vec slope(Vec x) {
    const Vec t = tanh(inner(x));
    return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * (kRoot2OverPi * (1.0f + 3.0f * kCubic * x * x));
  }
};
struct Gelu {
  static Vec value(Vec x) { return x * normal_cdf(x); }
  static Vec slope(Vec x) { return fma(x, kInverseRoot2Pi * exp(-0.5f * x * x), normal_cdf(x)); }
};
struct Silu {
  static Vec value(Vec x) { return x * sigmoid(x); }
  static Vec slope(Vec x) {
    const Vec s = sigmoid(x);
    return s * (1.0f + x * (1.0f - s));
  }
};
struct Sigmoid {
  static Vec value(Vec x) { return sigmoid(x); }
  static Vec slope(Vec x) {
    const Vec s = sigmoid(x);
    return s * (1.0f - s);
  }
};

template <typename Body>
PROPANE_INLINE void with_function(Unary f, Body body) {
  switch (f) {
    case Unary::relu2: return body(Relu2{});
    case Unary::gelu_tanh: return body(GeluTanh{});
    case Unary::gelu: return body(Gelu{});
    case Unary::silu: return body(Silu{});
    case Unary::sigmoid: return body(Sigmoid{});
  }
}

void unary(Unary f, int64_t begin, int64_t end, const float* x, float* y) {
  with_function(f, [&](auto function) {
    over(begin, end, [&](int64_t c, auto size) { store(y + c, function.value(load(x + c, size)), size); });
  });
}

void unary_grad(Unary f, int64_t begin, int64_t end, const float* x, const float* dy, float* dx) {
  with_function(f, [&](auto function) {
    over(begin, end,
         [&](int64_t c, auto size) { store(dx + c, load(dy + c, size) * function.slope(load(x + c, size)), size); });
  });
}

void softcap(float cap, int64_t begin, int64_t end, const float* x, float* y) {
  over(begin, end, [&](int64_t c, auto size) { store(y + c, cap * tanh(load(x + c, size) * (1.0f / cap)), size); });
}

void softcap_grad(float cap, int64_t begin, int64_t end, const float* x, const float* dy, float* dx) {
  over(begin, end, [&](int64_t c, auto size) {
    const Vec t = tanh(load(x + c, size) * (1.0f / cap));
    store(dx + c, load(dy + c, size) * (1.0f - t * t), size);
  });
}

void swiglu(const Swiglu& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const float *gate = args.gate.at(r, args.dim), *up = args.up.at(r, args.dim);
    float* h = args.h.at(r, args.dim);
    over(0, args.dim,
         [&](int64_t c, auto size) { store(h + c, Silu::value(load(gate + c, size)) * load(up + c, size), size); });
  }
}

void swiglu_grad(const SwigluGrad& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const float *gate = args.gate.at(r, args.dim), *up = args.up.at(r, args.dim), *dh = args.dh.at(r, args.dim);
    float *dgate = args.dgate.at(r, args.dim), *dup = args.dup.at(r, args.dim);
    over(0, args.dim, [&](int64_t c, auto size) {
      const Vec g = load(gate + c, size), s = sigmoid(g), d = load(dh + c, size), u = load(up + c, size);
      store(dgate + c, d * u * (s * (1.0f + g * (1.0f - s))), size);
      store(dup + c, d * (g * s), size);
    });
  }
}

}  // namespace

const ActivationKernels& activation_kernels() {
  static constexpr ActivationKernels kKernels = {unary, unary_grad, softcap, softcap_grad, swiglu, swiglu_grad};
  return kKernels;
}

}  // namespace propane::cpu::PROPANE_TARGET
