#include "backends/cpu/kernels/norm_kernels.h"
#include "backends/cpu/kernels/row_loop.h"

namespace propane::cpu::PROPANE_TARGET {

namespace {

PROPANE_INLINE float inverse_root(float mean_square, float eps) { return 1.0f / __builtin_sqrtf(mean_square + eps); }

// gain[c] or 1.
template <typename Size>
PROPANE_INLINE Vec gain_at(const float* gain, int64_t c, Size size) {
  return gain ? load(gain + c, size) : broadcast(1.0f);
}

template <typename Size>
PROPANE_INLINE void add_to(float* p, Vec v, Size size) {
  store(p, load(p, size) + v, size);
}

PROPANE_INLINE float mean_square(const float* x, int64_t dim) {
  Vec squares{};
  over(0, dim, [&](int64_t c, auto size) {
    const Vec v = load(x + c, size);
    squares = fma(v, v, squares);
  });
  return sum(squares) / static_cast<float>(dim);
}

void rms_norm(const RmsNorm& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const float* x = args.x.at(r, args.dim);
    if (args.residual.data) {
      const float* residual = args.residual.at(r, args.dim);
      float* total = args.sum.at(r, args.dim);
      over(0, args.dim,
           [&](int64_t c, auto size) { store(total + c, load(x + c, size) + load(residual + c, size), size); });
      x = total;
    }
    const float scale = inverse_root(mean_square(x, args.dim), args.eps);
    float* y = args.y.at(r, args.dim);
    over(0, args.dim,
         [&](int64_t c, auto size) { store(y + c, load(x + c, size) * scale * gain_at(args.gain, c, size), size); });
  }
}

struct Moments {
  float mean, scale;  // scale = 1 / standard deviation
};

PROPANE_INLINE Moments moments(const float* x, int64_t dim, float eps) {
  Vec total{}, squares{};
  over(0, dim, [&](int64_t c, auto size) { total += load(x + c, size); });
  const float mean = sum(total) / static_cast<float>(dim);
  over(0, dim, [&](int64_t c, auto size) {
    const Vec v = keep(load(x + c, size) - mean, Vec{}, size);
    squares = fma(v, v, squares);
  });
  return {mean, inverse_root(sum(squares) / static_cast<float>(dim), eps)};
}

void layer_norm(const LayerNorm& args, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const float* x = args.x.at(r, args.dim);
    float* y = args.y.at(r, args.dim);
    const Moments m = moments(x, args.dim, args.eps);
    over(0, args.dim, [&](int64_t c, auto size) {
      const Vec normal = (load(x + c, size) - m.mean) * m.scale;
      const Vec bias = args.bias ? load(args.bias + c, size) : Vec{};
      store(y + c, fma(normal, gain_at(args.gain, c, size), bias), size);
    });
  }
}

template <typename Size>
PROPANE_INLINE void write_dx(const NormGrad& args, float* dx, Vec v, Size size) {
  store(dx, args.accumulate_dx ? load(dx, size) + v : v, size);
}

// With n = x·scale and g = gain ∘ dy: dx = scale · (g − n · mean(g ∘ n)), dgain = Σ dy ∘ n.
void rms_norm_grad(const NormGrad& args, int64_t begin, int64_t end, float* dgain, float*) {
  for (int64_t r = begin; r < end; ++r) {
    const float *x = args.x.at(r, args.dim), *dy = args.dy.at(r, args.dim);
    float* dx = args.dx.at(r, args.dim);
    const float scale = inverse_root(mean_square(x, args.dim), args.eps);
    Vec dots{};
    over(0, args.dim, [&](int64_t c, auto size) {
      const Vec normal = load(x + c, size) * scale, d = load(dy + c, size);
      if (dgain) add_to(dgain + c, d * normal, size);
      dots = fma(d * gain_at(args.gain, c, size), normal, dots);
    });
    if (!args.dx.data) continue;
    const float mean = sum(dots) / static_cast<float>(args.dim);
    over(0, args.dim, [&](int64_t c, auto size) {
      const Vec normal = load(x + c, size) * scale, g = load(dy + c, size) * gain_at(args.gain, c, size);
      write_dx(args, dx + c, (g - normal * mean) * scale, size);
    });
  }
}

// As above with n = (x − mean(x))·scale: dx = scale · (g − mean(g) − n · mean(g ∘ n)), dbias = Σ dy.
void layer_norm_grad(const NormGrad& args, int64_t begin, int64_t end, float* dgain, float* dbias) {
  for (int64_t r = begin; r < end; ++r) {
    const float *x = args.x.at(r, args.dim), *dy = args.dy.at(r, args.dim);
    float* dx = args.dx.at(r, args.dim);
    const Moments m = moments(x, args.dim, args.eps);
    Vec dots{}, total{};
    over(0, args.dim, [&](int64_t c, auto size) {
      const Vec normal = (load(x + c, size) - m.mean) * m.scale, d = load(dy + c, size);
      if (dgain) add_to(dgain + c, d * normal, size);
      if (dbias) add_to(dbias + c, d, size);
      const Vec g = d * gain_at(args.gain, c, size);
      dots = fma(g, normal, dots);
      total += g;
    });
    if (!args.dx.data) continue;
    const float mean_dot = sum(dots) / static_cast<float>(args.dim), mean = sum(total) / static_cast<float>(args.dim);
    over(0, args.dim, [&](int64_t c, auto size) {
      const Vec normal = (load(x + c, size) - m.mean) * m.scale, g = load(dy + c, size) * gain_at(args.gain, c, size);
      write_dx(args, dx + c, (g - mean - normal * mean_dot) * m.scale, size);
    });
  }
}

void sum_parts(const float* parts, int64_t count, int64_t stride, int64_t begin, int64_t end, float* out,
               bool accumulate) {
  over(begin, end, [&](int64_t c, auto size) {
    Vec total = accumulate ? load(out + c, size) : Vec{};
    for (int64_t p = 0; p < count; ++p) total += load(parts + p * stride + c, size);
    store(out + c, total, size);
  });
}

}  // namespace

const NormKernels& norm_kernels() {
  static constexpr NormKernels kKernels = {rms_norm, layer_norm, rms_norm_grad, layer_norm_grad, sum_parts};
  return kKernels;
}

}  // namespace propane::cpu::PROPANE_TARGET
