#include "backends/cpu/kernels/rope_kernels.h"
#include "backends/cpu/kernels/row_loop.h"

namespace propane::cpu::PROPANE_TARGET {

namespace {

// The elements of even and of odd index of two vectors, and the reverse.
template <size_t... I>
PROPANE_INLINE Vec evens(Vec a, Vec b, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, static_cast<int>(2 * I)...);
}
template <size_t... I>
PROPANE_INLINE Vec odds(Vec a, Vec b, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, static_cast<int>(2 * I + 1)...);
}
template <size_t... I>
PROPANE_INLINE Vec interleave_low(Vec a, Vec b, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, static_cast<int>(I / 2 + I % 2 * kLanes)...);
}
template <size_t... I>
PROPANE_INLINE Vec interleave_high(Vec a, Vec b, std::index_sequence<I...>) {
  return __builtin_shufflevector(a, b, static_cast<int>(I / 2 + kLanes / 2 + I % 2 * kLanes)...);
}

struct Pair {
  Vec first, second;
};
PROPANE_INLINE Pair turn(Pair x, Vec cos, Vec sin) {
  return {fma(x.first, cos, -(x.second * sin)), fma(x.second, cos, x.first * sin)};
}

PROPANE_INLINE void turn_halves(const float* x, float* y, const float* cos, const float* sin, float sign,
                                int64_t half) {
  over(0, half, [&](int64_t c, auto size) {
    const Pair turned =
        turn({load(x + c, size), load(x + half + c, size)}, load(cos + c, size), load(sin + c, size) * sign);
    store(y + c, turned.first, size);
    store(y + half + c, turned.second, size);
  });
}

PROPANE_INLINE void turn_neighbours(const float* x, float* y, const float* cos, const float* sin, float sign,
                                    int64_t half) {
  constexpr auto kAll = std::make_index_sequence<kLanes>();
  int64_t c = 0;
  for (; c + kLanes <= half; c += kLanes) {
    const Vec a = load(x + 2 * c), b = load(x + 2 * c + kLanes);
    const Pair turned = turn({evens(a, b, kAll), odds(a, b, kAll)}, load(cos + c), load(sin + c) * sign);
    store(y + 2 * c, interleave_low(turned.first, turned.second, kAll));
    store(y + 2 * c + kLanes, interleave_high(turned.first, turned.second, kAll));
  }
  for (; c < half; ++c) {
    const float first = x[2 * c], second = x[2 * c + 1], s = sin[c] * sign;
    y[2 * c] = first * cos[c] - second * s;
    y[2 * c + 1] = second * cos[c] + first * s;
  }
}

PROPANE_INLINE void turn_head(const Rope& args, bool inverse, int64_t token, const float* x, float* y) {
  const int64_t half = args.rotary_dim / 2, position = args.positions[token] > 0 ? args.positions[token] : 0;
  const float *cos = args.cos + position * half, *sin = args.sin + position * half;
  const float sign = inverse ? -1.0f : 1.0f;
  if (args.interleaved) turn_neighbours(x, y, cos, sin, sign, half);
  else turn_halves(x, y, cos, sin, sign, half);
  if (x != y)
    over(args.rotary_dim, args.head_dim, [&](int64_t c, auto size) { store(y + c, load(x + c, size), size); });
}

PROPANE_INLINE float inverse_root_mean_square(const float* x, int64_t dim, float eps) {
  Vec squares{};
  over(0, dim, [&](int64_t c, auto size) {
    const Vec v = load(x + c, size);
    squares = fma(v, v, squares);
  });
  return 1.0f / __builtin_sqrtf(sum(squares) / static_cast<float>(dim) + eps);
}

void rope(const Rope& args, int64_t begin, int64_t end) {
  for (int64_t row = begin * args.n_head; row < end * args.n_head; ++row)
    turn_head(args, args.inverse, row / args.n_head, args.x.at(row, args.head_dim), args.y.at(row, args.head_dim));
}

void rope_rms_norm(const Rope& args, float eps, int64_t begin, int64_t end) {
  for (int64_t row = begin * args.n_head; row < end * args.n_head; ++row) {
    float* y = args.y.at(row, args.head_dim);
    const float* x = args.x.at(row, args.head_dim);
    // A rotation keeps the length, so the norm need not wait for it; y may be x, so it comes first.
    const float scale = inverse_root_mean_square(x, args.head_dim, eps);
    turn_head(args, args.inverse, row / args.n_head, x, y);
    over(0, args.head_dim, [&](int64_t c, auto size) { store(y + c, load(y + c, size) * scale, size); });
  }
}

// The rotation R has R⁻¹R x = x, so with u = R⁻¹·dy the gradient is that of the norm of x itself:
// dx = scale · (u − n · mean(u ∘ n)), n = x · scale.
void rope_rms_norm_grad(const Rope& args, float eps, Rows<const float> dy, Rows<float> dx_rows, int64_t begin,
                        int64_t end) {
  for (int64_t row = begin * args.n_head; row < end * args.n_head; ++row) {
    const float* x = args.x.at(row, args.head_dim);
    float* dx = dx_rows.at(row, args.head_dim);
    turn_head(args, !args.inverse, row / args.n_head, dy.at(row, args.head_dim), dx);
    const float scale = inverse_root_mean_square(x, args.head_dim, eps);
    Vec dots{};
    over(0, args.head_dim,
         [&](int64_t c, auto size) { dots = fma(load(dx + c, size), load(x + c, size) * scale, dots); });
    const float mean = sum(dots) / static_cast<float>(args.head_dim);
    over(0, args.head_dim, [&](int64_t c, auto size) {
      store(dx + c, (load(dx + c, size) - load(x + c, size) * scale * mean) * scale, size);
    });
  }
}

}  // namespace

const RopeKernels& rope_kernels() {
  static constexpr RopeKernels kKernels = {rope, rope_rms_norm, rope_rms_norm_grad};
  return kKernels;
}

}  // namespace propane::cpu::PROPANE_TARGET
