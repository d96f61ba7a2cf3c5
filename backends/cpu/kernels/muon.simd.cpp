#include "backends/cpu/kernels/muon_kernels.h"
#include "backends/cpu/kernels/row_loop.h"

namespace propane::cpu::PROPANE_TARGET {

namespace {

double look_ahead(const MuonMatrix& matrix, const MuonStep& step, float* x, int64_t begin, int64_t end) {
  const auto mu = static_cast<float>(step.momentum), rate = static_cast<float>(1 - step.momentum);
  const auto grad_scale = static_cast<float>(step.grad_scale);
  Doubles low{}, high{};
  over(begin, end, [&](int64_t c, auto size) {
    const Vec g = load(matrix.grad + c, size) * grad_scale, before = load(matrix.momentum + c, size);
    const Vec m = fma(broadcast(rate), g - before, before);
    const Vec u = fma(broadcast(mu), m - g, g);
    store(matrix.momentum + c, m, size);
    store(x + c, u, size);
    const Widened wide = widen(u);
    low += wide.low * wide.low;
    high += wide.high * wide.high;
  });
  return sum(low + high);
}

void multiply(float* x, float factor, int64_t begin, int64_t end) {
  over(begin, end, [&](int64_t c, auto size) { store(x + c, load(x + c, size) * factor, size); });
}

void row_squares(const float* u, int64_t cols, int64_t begin, int64_t end, float* sums) {
  for (int64_t r = begin; r < end; ++r) {
    Vec squares{};
    over(0, cols, [&](int64_t c, auto size) {
      const Vec v = load(u + r * cols + c, size);
      squares = fma(v, v, squares);
    });
    sums[r] = sum(squares);
  }
}

void column_squares(const float* u, int64_t cols, int64_t begin, int64_t end, float* sums) {
  over(0, cols, [&](int64_t c, auto size) {
    Vec squares{};
    for (int64_t r = begin; r < end; ++r) {
      const Vec v = load(u + r * cols + c, size);
      squares = fma(v, v, squares);
    }
    store(sums + c, squares, size);
  });
}

MuonSums line_scales(const float* parts, int64_t count, int64_t lines, int64_t length, float rate, float* second,
                     float* scale) {
  const float inverse_length = 1.0f / static_cast<float>(length);
  Doubles before{}, after{};
  over(0, lines, [&](int64_t c, auto size) {
    Vec squares{};
    for (int64_t p = 0; p < count; ++p) squares += load(parts + p * lines + c, size);
    const Vec old = load(second + c, size);
    const Vec mean_square = fma(broadcast(rate), squares * inverse_length - old, old);
    const Vec bounded = max(mean_square, broadcast(1e-10f));
    store(second + c, mean_square, size);
    store(scale + c, broadcast(1.0f) / sqrt(bounded), size);
    const Widened wide = widen(squares), divided = widen(squares / bounded);
    before += wide.low + wide.high;
    after += divided.low + divided.high;
  });
  return {sum(before), sum(after)};
}

// Elements c, c + 1, ... of a row.
template <typename Size>
PROPANE_INLINE void step_along(float* param, const float* u, Vec scale, Vec lr, Vec decay, int64_t c, Size size) {
  const Vec along = load(u + c, size) * scale, p = load(param + c, size);
  const Vec decayed = fma(-decay, p, p);
  store(param + c, fma(-lr, along, select(along * p >= 0.0f, decayed, p)), size);
}

void update(const MuonMatrix& matrix, const MuonStep& step, const float* u, const float* scale, float factor,
            int64_t begin, int64_t end) {
  const Vec lr = broadcast(static_cast<float>(step.lr));
  const Vec decay = broadcast(static_cast<float>(step.lr * step.weight_decay));
  for (int64_t r = begin; r < end; ++r) {
    float* const param = matrix.param + r * step.cols;
    const float* const row = u + r * step.cols;
    if (step.rows >= step.cols) {
      const Vec all = broadcast(scale[r] * factor);
      over(0, step.cols, [&](int64_t c, auto size) { step_along(param, row, all, lr, decay, c, size); });
    } else {
      over(0, step.cols,
           [&](int64_t c, auto size) { step_along(param, row, load(scale + c, size) * factor, lr, decay, c, size); });
    }
  }
}

}  // namespace

const MuonKernels& muon_kernels() {
  static constexpr MuonKernels kKernels = {look_ahead, multiply, row_squares, column_squares, line_scales, update};
  return kKernels;
}

}  // namespace propane::cpu::PROPANE_TARGET
