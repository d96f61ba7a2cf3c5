#include "backends/cpu/ops/muon.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "backends/cpu/kernels/gemm.h"

namespace propane::cpu {

namespace {

// Polar Express (Amsel et al. 2025), the coefficients of autoresearch.
struct Coefficients {
  double a, b, c;
};
constexpr Coefficients kPolarExpress[] = {{8.156554524902461, -22.48329292557795, 15.878769915207462},
                                          {4.042929935166739, -2.808917465908714, 0.5000178451051316},
                                          {3.8916678022926607, -2.772484153217685, 0.5060648178503393},
                                          {3.285753657755655, -2.3681294933425376, 0.46449024233003106},
                                          {2.3465413258596377, -1.7097828382687081, 0.42323551169305323}};

constexpr size_t kMostTogether = 64;

size_t aligned(int64_t floats) { return (static_cast<size_t>(floats) + 15) / 16 * 16; }

// How many matrices go through the iteration side by side: as many as there are threads when one is too small to be
// worth dividing.
size_t together(int64_t rows, int64_t cols, size_t count) {
  if (std::min(rows, cols) >= 1024) return 1;
  return std::min({count, static_cast<size_t>(threads().size()), kMostTogether});
}

// Working memory of one matrix.
struct Workspace {
  float *x, *next, *gram, *polynomial;
};

size_t workspace_floats(int64_t rows, int64_t cols) {
  const int64_t side = std::min(rows, cols);
  return 2 * aligned(rows * cols) + 2 * aligned(side * side);
}

Workspace workspace(std::byte* memory, size_t index, int64_t rows, int64_t cols) {
  const int64_t side = std::min(rows, cols);
  float* at = reinterpret_cast<float*>(memory) + index * workspace_floats(rows, cols);
  Workspace w;
  w.x = at;
  w.next = w.x + aligned(rows * cols);
  w.gram = w.next + aligned(rows * cols);
  w.polynomial = w.gram + aligned(side * side);
  return w;
}

// The gradient's momentum, and Nesterov's look ahead normalised into x.
void begin(const MuonMatrix& matrix, const MuonStep& step, const Workspace& w) {
  const int64_t n = step.rows * step.cols;
  const auto mu = static_cast<float>(step.momentum), scale = static_cast<float>(step.grad_scale);
  double squares = 0;
  for (int64_t block = 0; block < n; block += 1024) {
    float sum = 0;
    const int64_t end = std::min(n, block + 1024);
    for (int64_t i = block; i < end; ++i) {
      const float g = matrix.grad[i] * scale;
      const float m = matrix.momentum[i] + (1.0f - mu) * (g - matrix.momentum[i]);
      matrix.momentum[i] = m;
      const float u = g + mu * (m - g);
      w.x[i] = u;
      sum += u * u;
    }
    squares += sum;
  }
  const auto inverse = static_cast<float>(1.0 / (std::sqrt(squares) * 1.02 + 1e-6));
  for (int64_t i = 0; i < n; ++i) w.x[i] *= inverse;
}

// NorMuon's scale of rows (columns if wide), and the cautious step.
void finish(const MuonMatrix& matrix, const MuonStep& step, const float* u, float* column_squares) {
  const int64_t rows = step.rows, cols = step.cols;
  const bool tall = rows >= cols;
  const auto beta2 = static_cast<float>(step.beta2);
  if (!tall) std::fill(column_squares, column_squares + cols, 0.0f);
  double before = 0, after = 0;
  for (int64_t r = 0; r < rows; ++r) {
    float sum = 0;
    for (int64_t c = 0; c < cols; ++c) {
      const float square = u[r * cols + c] * u[r * cols + c];
      sum += square;
      if (!tall) column_squares[c] += square;
    }
    before += sum;
    if (!tall) continue;
    const float mean = sum / static_cast<float>(cols);
    matrix.second[r] += (1.0f - beta2) * (mean - matrix.second[r]);
    after += sum / std::max(matrix.second[r], 1e-10f);
  }
  if (!tall)
    for (int64_t c = 0; c < cols; ++c) {
      const float mean = column_squares[c] / static_cast<float>(rows);
      matrix.second[c] += (1.0f - beta2) * (mean - matrix.second[c]);
      after += column_squares[c] / std::max(matrix.second[c], 1e-10f);
    }
  // The Frobenius norm stays what it was: only the relative sizes change.
  const auto restore = static_cast<float>(std::sqrt(before) / std::max(std::sqrt(after), 1e-10));
  const auto lr = static_cast<float>(step.lr), decay = static_cast<float>(step.lr * step.weight_decay);
  if (!tall)
    for (int64_t c = 0; c < cols; ++c) column_squares[c] = restore / std::sqrt(std::max(matrix.second[c], 1e-10f));
  for (int64_t r = 0; r < rows; ++r) {
    const float row_scale = tall ? restore / std::sqrt(std::max(matrix.second[r], 1e-10f)) : 0.0f;
    for (int64_t c = 0; c < cols; ++c) {
      const int64_t i = r * cols + c;
      const float g = u[i] * (tall ? row_scale : column_squares[c]);
      const float p = matrix.param[i];
      matrix.param[i] = p - lr * g - (g * p >= 0 ? decay * p : 0.0f);
    }
  }
}

}  // namespace

size_t muon_scratch_bytes(int64_t rows, int64_t cols, size_t count) {
  const size_t n = together(rows, cols, count);
  const int64_t side = std::min(rows, cols);
  Gemm big;
  big.m = rows, big.n = cols, big.k = side, big.ldc = cols;
  Gemm gram;
  gram.m = side, gram.n = side, gram.k = std::max(rows, cols), gram.ldc = side;
  size_t products = 0;
  for (const Gemm& g : {big, gram}) {
    const std::vector<Gemm> batch(n, g);
    products = std::max(
        products, n == 1 ? gemm_scratch_bytes(g, threads().size()) : gemm_batch_scratch_bytes(batch, threads().size()));
  }
  return n * workspace_floats(rows, cols) * sizeof(float) + products;
}

void muon_step(std::span<const MuonMatrix> matrices, const MuonStep& step, std::span<std::byte> scratch) {
  const int64_t rows = step.rows, cols = step.cols, side = std::min(rows, cols);
  const bool tall = rows > cols;
  const size_t n = together(rows, cols, matrices.size());
  const size_t held = n * workspace_floats(rows, cols) * sizeof(float);
  const Scratch rest = scratch.subspan(held);
  Workspace spaces[kMostTogether];
  Gemm batch[kMostTogether];
  const auto run = [&](size_t count) {
    if (n == 1) gemm(batch[0], rest);
    else gemm_batch({batch, count}, rest);
  };
  for (size_t first = 0; first < matrices.size(); first += n) {
    const size_t count = std::min(n, matrices.size() - first);
    for (size_t i = 0; i < count; ++i) spaces[i] = workspace(scratch.data(), i, rows, cols);
    threads().parallel_tasks(static_cast<int64_t>(count),
                             [&](int64_t i, int) { begin(matrices[first + static_cast<size_t>(i)], step, spaces[i]); });
    for (const Coefficients& k : kPolarExpress) {
      for (size_t i = 0; i < count; ++i) {  // A = XXᵀ, or XᵀX if tall
        Gemm& g = batch[i] = {};
        g.m = g.n = g.ldc = side;
        g.k = std::max(rows, cols);
        g.a = {spaces[i].x, cols, tall};
        g.b = {spaces[i].x, cols, !tall};
        g.c = spaces[i].gram;
        g.symmetric = true;
      }
      run(count);
      for (size_t i = 0; i < count; ++i) {  // B = bA + cA²
        Gemm& g = batch[i] = {};
        g.m = g.n = g.k = g.ldc = side;
        g.a = {spaces[i].gram, side};
        g.b = {spaces[i].gram, side};
        g.c = spaces[i].polynomial;
        g.symmetric = true;
        g.epilogue.scale = static_cast<float>(k.c);
        g.epilogue.residual = spaces[i].gram;
        g.epilogue.ld_residual = side;
        g.epilogue.residual_scale = static_cast<float>(k.b);
      }
      run(count);
      for (size_t i = 0; i < count; ++i) {  // X ← aX + BX, or aX + XB if tall
        Gemm& g = batch[i] = {};
        g.m = rows, g.n = cols, g.k = side, g.ldc = cols;
        if (tall) {
          g.a = {spaces[i].x, cols};
          g.b = {spaces[i].polynomial, side};
        } else {
          g.a = {spaces[i].polynomial, side};
          g.b = {spaces[i].x, cols};
        }
        g.c = spaces[i].next;
        g.epilogue.residual = spaces[i].x;
        g.epilogue.ld_residual = cols;
        g.epilogue.residual_scale = static_cast<float>(k.a);
        std::swap(spaces[i].x, spaces[i].next);
      }
      run(count);
    }
    threads().parallel_tasks(static_cast<int64_t>(count), [&](int64_t i, int) {
      finish(matrices[first + static_cast<size_t>(i)], step, spaces[i].x, spaces[i].next);
    });
  }
}

}  // namespace propane::cpu
