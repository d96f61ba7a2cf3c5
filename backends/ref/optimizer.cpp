#include <algorithm>
#include <cmath>

#include "backends/ref/kernels.h"

namespace propane::ref {

namespace {

double lerp(double from, double to, double weight) { return from + weight * (to - from); }

void run_sum_squares(const Operands& o) {
  double sum = 0.0;
  for (const Tensor& x : o.inputs)
    for (int64_t i = 0; i < x.count(); ++i) sum += x[i] * x[i];
  o.out(0)[0] = sum;
}

void run_clip_scale(const Operands& o) {
  const double max_norm = o.in(1)[0], unscale = o.in(1)[1];
  const double norm = unscale * std::sqrt(o.in(0)[0]);
  o.out(0)[0] = unscale * (max_norm > 0.0 && norm > max_norm ? max_norm / norm : 1.0);
  o.out(0)[1] = std::isfinite(norm) ? 0.0 : 1.0;
}

// The inputs of an optimizer op: n parameters, n gradients, n first and n second moments, grad_scale, hyper.
struct Group {
  explicit Group(const Operands& o)
      : operands(o), n(static_cast<size_t>(o.attrs.integer("n"))), grad_scale(o.in(4 * n)), hyper(o.in(4 * n + 1)) {}
  bool skip() const { return grad_scale[1] != 0.0; }
  Tensor param(size_t i) const { return operands.in(i); }
  Tensor grad(size_t i) const { return operands.in(n + i); }
  Tensor first(size_t i) const { return operands.in(2 * n + i); }
  Tensor second(size_t i) const { return operands.in(3 * n + i); }

  const Operands& operands;
  size_t n;
  Tensor grad_scale, hyper;
};

void run_adamw(const Operands& o) {
  const Group group(o);
  if (group.skip()) return;
  const double lr = group.hyper[0], beta1 = group.hyper[1], beta2 = group.hyper[2], eps = group.hyper[3],
               weight_decay = group.hyper[4], step = group.hyper[5];
  const double correction1 = 1.0 - std::pow(beta1, step), correction2 = 1.0 - std::pow(beta2, step);
  for (size_t k = 0; k < group.n; ++k) {
    const Tensor p = group.param(k), m = group.first(k), v = group.second(k);
    for (int64_t i = 0; i < p.count(); ++i) {
      const double g = group.grad_scale[0] * group.grad(k)[i];
      p[i] *= 1.0 - lr * weight_decay;
      m[i] = lerp(m[i], g, 1.0 - beta1);
      v[i] = lerp(v[i], g * g, 1.0 - beta2);
      p[i] -= lr * (m[i] / correction1) / (std::sqrt(v[i] / correction2) + eps);
    }
  }
}

struct Matrix {
  Matrix(int64_t r, int64_t c) : rows(r), cols(c), data(static_cast<size_t>(r * c), 0.0) {}
  double& operator()(int64_t r, int64_t c) { return data[static_cast<size_t>(r * cols + c)]; }
  double operator()(int64_t r, int64_t c) const { return data[static_cast<size_t>(r * cols + c)]; }
  double frobenius() const {
    double sum = 0.0;
    for (double x : data) sum += x * x;
    return std::sqrt(sum);
  }
  int64_t rows, cols;
  std::vector<double> data;
};

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix out(a.rows, b.cols);
  for (int64_t r = 0; r < a.rows; ++r)
    for (int64_t k = 0; k < a.cols; ++k)
      for (int64_t c = 0; c < b.cols; ++c) out(r, c) += a(r, k) * b(k, c);
  return out;
}

Matrix transpose(const Matrix& a) {
  Matrix out(a.cols, a.rows);
  for (int64_t r = 0; r < a.rows; ++r)
    for (int64_t c = 0; c < a.cols; ++c) out(c, r) = a(r, c);
  return out;
}

// a·x + b·y
Matrix sum(double a, const Matrix& x, double b, const Matrix& y) {
  Matrix out(x.rows, x.cols);
  for (size_t i = 0; i < out.data.size(); ++i) out.data[i] = a * x.data[i] + b * y.data[i];
  return out;
}

// Drives every singular value of x towards 1: five steps of the quintic iteration with the coefficients of Polar
// Express (Amsel et al. 2025), as autoresearch has them; there in bf16, here in double. A tall matrix is worked on
// through the shorter of its two Gram matrices, which is to say, transposed.
Matrix orthogonalise(Matrix x) {
  constexpr double kSteps[5][3] = {{8.156554524902461, -22.48329292557795, 15.878769915207462},
                                   {4.042929935166739, -2.808917465908714, 0.5000178451051316},
                                   {3.8916678022926607, -2.772484153217685, 0.5060648178503393},
                                   {3.285753657755655, -2.3681294933425376, 0.46449024233003106},
                                   {2.3465413258596377, -1.7097828382687081, 0.42323551169305323}};
  if (x.rows > x.cols) return transpose(orthogonalise(transpose(x)));
  const double norm = x.frobenius() * 1.02 + 1e-6;
  for (double& value : x.data) value /= norm;
  for (const auto& [a, b, c] : kSteps) {
    const Matrix gram = product(x, transpose(x));
    const Matrix polynomial = sum(b, gram, c, product(gram, gram));
    x = sum(a, x, 1.0, product(polynomial, x));
  }
  return x;
}

// NorMuon (Li et al. 2025): each row (each column of a wide matrix) is divided by the root of its running mean square,
// then the whole is brought back to the Frobenius norm that it had.
void normalise(Matrix& u, const Tensor& second, double beta2) {
  const double before = u.frobenius();
  const bool by_row = u.rows >= u.cols;
  const int64_t lines = by_row ? u.rows : u.cols, length = by_row ? u.cols : u.rows;
  for (int64_t line = 0; line < lines; ++line) {
    auto at = [&](int64_t i) -> double& { return by_row ? u(line, i) : u(i, line); };
    double square = 0.0;
    for (int64_t i = 0; i < length; ++i) square += at(i) * at(i);
    second[line] = lerp(second[line], square / static_cast<double>(length), 1.0 - beta2);
    for (int64_t i = 0; i < length; ++i) at(i) /= std::sqrt(std::max(second[line], 1e-10));
  }
  const double back = before / std::max(u.frobenius(), 1e-10);
  for (double& value : u.data) value *= back;
}

void run_muon(const Operands& o) {
  const Group group(o);
  if (group.skip()) return;
  const double lr = group.hyper[0], momentum = group.hyper[1], beta2 = group.hyper[2], weight_decay = group.hyper[3];
  for (size_t k = 0; k < group.n; ++k) {
    const Tensor p = group.param(k), m = group.first(k);
    Matrix u(p.rows(), p.last());
    for (int64_t i = 0; i < p.count(); ++i) {
      const double g = group.grad_scale[0] * group.grad(k)[i];
      m[i] = lerp(m[i], g, 1.0 - momentum);
      u.data[static_cast<size_t>(i)] = lerp(g, m[i], momentum);
    }
    u = orthogonalise(std::move(u));
    normalise(u, group.second(k), beta2);
    for (int64_t i = 0; i < p.count(); ++i) {
      const double step = u.data[static_cast<size_t>(i)];
      p[i] -= lr * step + (step * p[i] >= 0.0 ? lr * weight_decay * p[i] : 0.0);
    }
  }
}

void run_accumulate(const Operands& o) {
  const Tensor value = o.in(1);
  accumulate_into(o.in(0), o.in(2), {value.data, static_cast<size_t>(value.count())});
}

}  // namespace

std::span<const RefOp> optimizer_ops() {
  static constexpr RefOp kOps[] = {
      {.name = "sum_squares", .kernel = run_sum_squares},
      {.name = "clip_scale", .kernel = run_clip_scale},
      {.name = "adamw", .kernel = run_adamw},
      {.name = "muon", .kernel = run_muon},
      {.name = "accumulate", .kernel = run_accumulate},
  };
  return kOps;
}

}  // namespace propane::ref
