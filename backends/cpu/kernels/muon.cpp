#include "backends/cpu/kernels/muon.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "backends/cpu/kernels/gemm.h"
#include "backends/cpu/kernels/muon_kernels.h"
#include "backends/cpu/kernels/select.h"
#include "base/error.h"
#include "base/threads.h"

namespace propane::cpu {

PROPANE_DISPATCH(MuonKernels, muon_kernels)

namespace {

// X ← (a + bA + cA²)X with A = XXᵀ, five times (for a tall X the same from the right, with A = XᵀX); the coefficients
// of Polar Express as autoresearch has them.
struct Coefficients {
  float a, b, c;
};
constexpr Coefficients kSteps[] = {{8.156554524902461f, -22.48329292557795f, 15.878769915207462f},
                                   {4.042929935166739f, -2.808917465908714f, 0.5000178451051316f},
                                   {3.8916678022926607f, -2.772484153217685f, 0.5060648178503393f},
                                   {3.285753657755655f, -2.3681294933425376f, 0.46449024233003106f},
                                   {2.3465413258596377f, -1.7097828382687081f, 0.42323551169305323f}};

constexpr size_t kMostTogether = 64;
constexpr int64_t kPart = 16384;  // elements, about, of the rows that a thread takes at a time

int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t aligned(int64_t floats) { return div_up(floats, 16) * 16; }

// One matrix's working memory.
struct Workspace {
  double* squares;   // [parts]
  float *x, *next;   // [rows, cols]
  float *gram, *q;   // [side, side]
  float *p, *spare;  // [side, side], null unless the iteration works on the Gram matrix
  float factor;
};

// How matrices of one shape are worked on.
struct Scheme {
  Scheme(int64_t rows_, int64_t cols_, size_t count)
      : rows(rows_),
        cols(cols_),
        side(std::min(rows, cols)),
        length(std::max(rows, cols)),
        part_rows(std::max<int64_t>(1, kPart / cols)),
        parts(div_up(rows, part_rows)),
        // All the steps' polynomials are of the same matrix and commute, so several can be multiplied together before X
        // is, with A carried along as p(A)²A; that is cheaper the longer X is. A knows the small singular values by
        // their squares only, which rounding soon swallows, hence a fresh A = XXᵀ after two steps have raised them.
        from_gram(2 * length >= 3 * side),
        // As many side by side as there are threads, when one is too small to be worth dividing.
        together(side >= 1024 ? 1 : std::min({count, static_cast<size_t>(threads().size()), kMostTogether})) {}

  int64_t floats() const {
    return aligned(2 * parts) + 2 * aligned(rows * cols) + (from_gram ? 4 : 2) * aligned(side * side);
  }
  size_t held_bytes() const { return together * static_cast<size_t>(floats()) * sizeof(float); }

  Workspace workspace(std::byte* memory, size_t index) const {
    float* at = reinterpret_cast<float*>(memory) + static_cast<int64_t>(index) * floats();
    const auto take = [&](int64_t count) { return std::exchange(at, at + aligned(count)); };
    Workspace w{};
    w.squares = reinterpret_cast<double*>(take(2 * parts));
    w.x = take(rows * cols);
    w.next = take(rows * cols);
    w.gram = take(side * side);
    w.q = take(side * side);
    if (!from_gram) return w;
    w.p = take(side * side);
    w.spare = take(side * side);
    return w;
  }

  // Each is C of products whose other operands lie where the caller says.
  Gemm square_product(const float* a, const float* b, float* c) const {
    Gemm g{.m = side, .n = side, .k = side, .a = {a, side}, .b = {b, side}, .c = c, .ldc = side};
    g.symmetric = true;
    return g;
  }
  Gemm gram_product(const float* x, float* gram) const {
    const bool tall = rows > cols;
    Gemm g{.m = side, .n = side, .k = length, .a = {x, cols, tall}, .b = {x, cols, !tall}, .c = gram, .ldc = side};
    g.symmetric = true;
    return g;
  }
  Gemm long_product(const float* q, const float* x, float* next) const {
    const Matrix square{q, side}, oblong{x, cols};
    const bool tall = rows > cols;
    return {.m = rows,
            .n = cols,
            .k = side,
            .a = tall ? oblong : square,
            .b = tall ? square : oblong,
            .c = next,
            .ldc = cols};
  }

  int64_t rows, cols, side, length;
  int64_t part_rows, parts;
  bool from_gram;
  size_t together;
};

// The update of `together` matrices or, at the end, fewer.
class Update {
 public:
  Update(const Scheme& scheme, std::span<const MuonMatrix> matrices, const MuonStep& step, Scratch scratch)
      : scheme_(scheme), matrices_(matrices), step_(step), rest_(scratch.subspan(scheme.held_bytes())) {
    for (size_t i = 0; i < matrices.size(); ++i) spaces_[i] = scheme.workspace(scratch.data(), i);
  }

  void run() {
    begin();
    if (scheme_.from_gram) {
      multiply_by(std::span(kSteps).first(2));
      multiply_by(std::span(kSteps).subspan(2));
    } else {
      for (const Coefficients& step : kSteps) multiply_by({&step, 1});
    }
    finish();
  }

 private:
  // body(matrix, workspace, part, first row, row behind the last) for all parts of all matrices.
  template <typename Body>
  void for_parts(Body&& body) {
    const int64_t parts = scheme_.parts;
    threads().parallel_for(static_cast<int64_t>(matrices_.size()) * parts, 1, [&](int64_t first, int64_t last) {
      for (int64_t task = first; task < last; ++task) {
        const auto i = static_cast<size_t>(task / parts);
        const int64_t part = task % parts, row = part * scheme_.part_rows;
        body(matrices_[i], spaces_[i], part, row, std::min(scheme_.rows, row + scheme_.part_rows));
      }
    });
  }

  // One product for each matrix: make(workspace).
  template <typename Make>
  void products(Make&& make) {
    const size_t count = matrices_.size();
    for (size_t i = 0; i < count; ++i) batch_[i] = make(spaces_[i]);
    if (scheme_.together == 1) gemm(batch_[0], rest_);
    else gemm_batch({batch_, count}, rest_);
  }

  void begin() {
    const MuonKernels& kernels = muon_kernels();
    const int64_t cols = scheme_.cols;
    for_parts([&](const MuonMatrix& matrix, Workspace& w, int64_t part, int64_t from, int64_t to) {
      w.squares[part] = kernels.look_ahead(matrix, step_, w.x, from * cols, to * cols);
    });
    for (size_t i = 0; i < matrices_.size(); ++i) {
      double squares = 0;
      for (int64_t part = 0; part < scheme_.parts; ++part) squares += spaces_[i].squares[part];
      spaces_[i].factor = static_cast<float>(1.0 / (std::sqrt(squares) * 1.02 + 1e-6));
    }
    for_parts([&](const MuonMatrix&, Workspace& w, int64_t, int64_t from, int64_t to) {
      kernels.multiply(w.x, w.factor, from * cols, to * cols);
    });
  }

  // X times the steps' polynomials, all of X's present Gram matrix.
  void multiply_by(std::span<const Coefficients> steps) {
    products([&](const Workspace& w) { return scheme_.gram_product(w.x, w.gram); });
    for (size_t s = 0; s < steps.size(); ++s) {
      float* Workspace::*const polynomial = s == 0 ? &Workspace::q : &Workspace::p;
      products([&](const Workspace& w) {
        Gemm g = scheme_.square_product(w.gram, w.gram, w.*polynomial);
        g.epilogue.scale = steps[s].c;
        g.epilogue.residual = w.gram;
        g.epilogue.ld_residual = scheme_.side;
        g.epilogue.residual_scale = steps[s].b;
        return g;
      });
      for (size_t i = 0; i < matrices_.size(); ++i)
        for (int64_t d = 0; d < scheme_.side; ++d) (spaces_[i].*polynomial)[d * (scheme_.side + 1)] += steps[s].a;
      if (s + 1 < steps.size()) {
        products([&](const Workspace& w) { return scheme_.square_product(w.gram, w.*polynomial, w.spare); });
        products([&](const Workspace& w) { return scheme_.square_product(w.spare, w.*polynomial, w.gram); });
      }
      if (s == 0) continue;
      products([&](const Workspace& w) { return scheme_.square_product(w.q, w.p, w.spare); });
      for (Workspace& w : spaces_) std::swap(w.q, w.spare);
    }
    products([&](const Workspace& w) { return scheme_.long_product(w.q, w.x, w.next); });
    for (Workspace& w : spaces_) std::swap(w.x, w.next);
  }

  // NorMuon's scales, in the memory that the iteration no longer needs, and the step.
  void finish() {
    const MuonKernels& kernels = muon_kernels();
    const int64_t cols = scheme_.cols;
    const bool by_row = scheme_.rows >= cols;
    for_parts([&](const MuonMatrix&, Workspace& w, int64_t part, int64_t from, int64_t to) {
      if (by_row) kernels.row_squares(w.x, cols, from, to, w.next);
      else kernels.column_squares(w.x, cols, from, to, w.next + part * cols);
    });
    const auto rate = static_cast<float>(1 - step_.beta2);
    threads().parallel_for(static_cast<int64_t>(matrices_.size()), 1, [&](int64_t first, int64_t last) {
      for (auto i = static_cast<size_t>(first); i < static_cast<size_t>(last); ++i) {
        Workspace& w = spaces_[i];
        const MuonSums sums = kernels.line_scales(w.next, by_row ? 1 : scheme_.parts, scheme_.length, scheme_.side,
                                                  rate, matrices_[i].second, w.next);
        w.factor = static_cast<float>(std::sqrt(sums.before) / std::max(std::sqrt(sums.after), 1e-10));
      }
    });
    for_parts([&](const MuonMatrix& matrix, Workspace& w, int64_t, int64_t from, int64_t to) {
      kernels.update(matrix, step_, w.x, w.next, w.factor, from, to);
    });
  }

  const Scheme& scheme_;
  const std::span<const MuonMatrix> matrices_;
  const MuonStep& step_;
  const Scratch rest_;  // for the products
  Workspace spaces_[kMostTogether] = {};
  Gemm batch_[kMostTogether];
};

}  // namespace

size_t muon_scratch_bytes(int64_t rows, int64_t cols, size_t count) {
  if (rows * cols == 0 || count == 0) return 0;
  const Scheme scheme(rows, cols, count);
  size_t products = 0;
  for (const Gemm& g :
       {scheme.square_product({}, {}, {}), scheme.gram_product({}, {}), scheme.long_product({}, {}, {})}) {
    const std::vector<Gemm> batch(scheme.together, g);
    products = std::max(products, scheme.together == 1 ? gemm_scratch_bytes(g, threads().size())
                                                       : gemm_batch_scratch_bytes(batch, threads().size()));
  }
  return scheme.held_bytes() + products;
}

void muon(std::span<const MuonMatrix> matrices, const MuonStep& step, std::span<std::byte> scratch) {
  if (step.rows * step.cols == 0 || matrices.empty()) return;
  const Scheme scheme(step.rows, step.cols, matrices.size());
  if (scratch.size() < scheme.held_bytes())
    fail("muon: expected {} bytes of scratch memory and what the products need, found {}", scheme.held_bytes(),
         scratch.size());
  for (size_t first = 0; first < matrices.size(); first += scheme.together)
    Update(scheme, matrices.subspan(first, std::min(scheme.together, matrices.size() - first)), step, scratch).run();
}

}  // namespace propane::cpu
