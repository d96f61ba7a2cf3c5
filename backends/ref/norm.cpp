#include <cmath>

#include "backends/ref/kernels.h"

namespace propane::ref {

namespace {

// mean(f(i)) over 0 <= i < n
template <typename Term>
double mean(int64_t n, Term term) {
  double sum = 0.0;
  for (int64_t i = 0; i < n; ++i) sum += term(i);
  return sum / static_cast<double>(n);
}

void run_rms_norm(const Operands& o) {
  const Tensor x = o.in(0), gain = o.in(1), y = o.out(0);
  const double eps = o.attrs.real("eps");
  for (int64_t r = 0; r < x.rows(); ++r) {
    const double* xr = x.row(r);
    const double root = std::sqrt(mean(x.last(), [&](int64_t i) { return xr[i] * xr[i]; }) + eps);
    for (int64_t i = 0; i < x.last(); ++i) y.row(r)[i] = xr[i] / root * (gain ? gain[i] : 1.0);
  }
}

void run_rms_norm_grad(const Operands& o) {
  const Tensor x = o.in(0), gain = o.in(1), dy = o.in(2), dx = o.out(0);
  const double eps = o.attrs.real("eps");
  const int64_t dim = x.last();
  if (gain) std::fill_n(o.out(1).data, dim, 0.0);
  for (int64_t row = 0; row < x.rows(); ++row) {
    const double *xr = x.row(row), *dyr = dy.row(row);
    auto u = [&](int64_t i) { return dyr[i] * (gain ? gain[i] : 1.0); };
    const double r = 1.0 / std::sqrt(mean(dim, [&](int64_t i) { return xr[i] * xr[i]; }) + eps);
    const double ux = mean(dim, [&](int64_t i) { return u(i) * xr[i]; });
    for (int64_t i = 0; i < dim; ++i) {
      dx.row(row)[i] = r * (u(i) - xr[i] * r * r * ux);
      if (gain) o.out(1)[i] += dyr[i] * xr[i] * r;
    }
  }
}

// The mean of a row and 1/sqrt(var + eps).
struct Moments {
  double mean, inverse_deviation;
};
Moments moments(const double* x, int64_t dim, double eps) {
  const double m = mean(dim, [&](int64_t i) { return x[i]; });
  const double variance = mean(dim, [&](int64_t i) { return (x[i] - m) * (x[i] - m); });
  return {m, 1.0 / std::sqrt(variance + eps)};
}

void run_layer_norm(const Operands& o) {
  const Tensor x = o.in(0), gain = o.in(1), bias = o.in(2), y = o.out(0);
  for (int64_t r = 0; r < x.rows(); ++r) {
    const Moments m = moments(x.row(r), x.last(), o.attrs.real("eps"));
    for (int64_t i = 0; i < x.last(); ++i)
      y.row(r)[i] = (x.row(r)[i] - m.mean) * m.inverse_deviation * gain[i] + (bias ? bias[i] : 0.0);
  }
}

// With n = (x − mean)·r and u = dy·gain: dx = r·(u − mean(u) − n·mean(u·n)).
void run_layer_norm_grad(const Operands& o) {
  const Tensor x = o.in(0), gain = o.in(1), dy = o.in(2), dx = o.out(0), dgain = o.out(1), dbias = o.out(2);
  const int64_t dim = x.last();
  std::fill_n(dgain.data, dim, 0.0);
  std::fill_n(dbias.data, dim, 0.0);
  for (int64_t row = 0; row < x.rows(); ++row) {
    const Moments m = moments(x.row(row), dim, o.attrs.real("eps"));
    auto n = [&](int64_t i) { return (x.row(row)[i] - m.mean) * m.inverse_deviation; };
    auto u = [&](int64_t i) { return dy.row(row)[i] * gain[i]; };
    const double mean_u = mean(dim, u), mean_un = mean(dim, [&](int64_t i) { return u(i) * n(i); });
    for (int64_t i = 0; i < dim; ++i) {
      dx.row(row)[i] = m.inverse_deviation * (u(i) - mean_u - n(i) * mean_un);
      dgain[i] += dy.row(row)[i] * n(i);
      dbias[i] += dy.row(row)[i];
    }
  }
}

}  // namespace

std::span<const RefOp> norm_ops() {
  static constexpr RefOp kOps[] = {
      {.name = "rms_norm", .kernel = run_rms_norm},
      {.name = "rms_norm_grad", .kernel = run_rms_norm_grad},
      {.name = "layer_norm", .kernel = run_layer_norm},
      {.name = "layer_norm_grad", .kernel = run_layer_norm_grad},
  };
  return kOps;
}

}  // namespace propane::ref
