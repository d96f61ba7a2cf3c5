#include "backends/ref/kernels.h"
#include "graph/ops.h"

namespace propane::ref {

namespace {

// y = x·wᵀ + bias
void run_linear(const Operands& o) {
  const Tensor x = o.in(0), w = o.in(1), bias = o.in(2), y = o.out(0);
  for (int64_t r = 0; r < x.rows(); ++r)
    for (int64_t n = 0; n < w.rows(); ++n) {
      double sum = bias ? bias[n] : 0.0;
      for (int64_t k = 0; k < w.last(); ++k) sum += x.row(r)[k] * w.row(n)[k];
      y.row(r)[n] = sum;
    }
}

// dx = Σᵢ dyᵢ·wᵢ
void run_linears_grad_x(const Operands& o) {
  const Tensor dx = o.out(0);
  const size_t n = o.inputs.size() / 2;
  for (int64_t i = 0; i < dx.count(); ++i) dx[i] = 0.0;
  for (size_t i = 0; i < n; ++i) {
    const Tensor dy = o.in(i), w = o.in(n + i);
    for (int64_t r = 0; r < dy.rows(); ++r)
      for (int64_t out = 0; out < dy.last(); ++out)
        for (int64_t in = 0; in < w.last(); ++in) dx.row(r)[in] += dy.row(r)[out] * w.row(out)[in];
  }
}

// dw = dyᵀ·x
void run_linear_grad_w(const Operands& o) {
  const Tensor dy = o.in(0), x = o.in(1), into = o.in(2), keep = o.in(3);
  std::vector<double> dw(static_cast<size_t>(dy.last() * x.last()), 0.0);
  for (int64_t r = 0; r < dy.rows(); ++r)
    for (int64_t out = 0; out < dy.last(); ++out)
      for (int64_t in = 0; in < x.last(); ++in)
        dw[static_cast<size_t>(out * x.last() + in)] += dy.row(r)[out] * x.row(r)[in];
  if (into) return accumulate_into(into, keep, dw);
  std::copy(dw.begin(), dw.end(), o.out(0).data);
}

void run_column_sum(const Operands& o) {
  const Tensor dy = o.in(0), into = o.in(1), keep = o.in(2);
  std::vector<double> sum(static_cast<size_t>(dy.last()), 0.0);
  for (int64_t r = 0; r < dy.rows(); ++r)
    for (int64_t n = 0; n < dy.last(); ++n) sum[static_cast<size_t>(n)] += dy.row(r)[n];
  if (into) return accumulate_into(into, keep, sum);
  std::copy(sum.begin(), sum.end(), o.out(0).data);
}

std::vector<Val> expand_linears(Graph& g, const Attrs&, std::span<const Val> in) {
  std::vector<Val> y;
  for (Val w : in.subspan(1)) y.push_back(linear(g, in[0], w));
  return y;
}

std::vector<Val> expand_gated_linear(Graph& g, const Attrs& attrs, std::span<const Val> in) {
  const Val gate = linear(g, in[0], in[1]), up = linear(g, in[0], in[2]);
  const Val h = swiglu(g, gate, up);
  return attrs.integer("keep_parts") ? std::vector{h, gate, up} : std::vector{h};
}

std::vector<Val> expand_norm_linears(Graph& g, const Attrs& attrs, std::span<const Val> in) {
  const Val x = rms_norm(g, in[0], in[1], attrs.real("eps"));
  std::vector<Val> y;
  for (Val w : in.subspan(2)) y.push_back(linear(g, x, w));
  return y;
}

}  // namespace

std::span<const RefOp> linear_ops() {
  static constexpr RefOp kOps[] = {
      {.name = "linear", .kernel = run_linear},
      {.name = "linears", .expansion = expand_linears},
      {.name = "linears_grad_x", .kernel = run_linears_grad_x},
      {.name = "linear_grad_w", .kernel = run_linear_grad_w},
      {.name = "column_sum", .kernel = run_column_sum},
      {.name = "gated_linear", .expansion = expand_gated_linear},
      {.name = "norm_linears", .expansion = expand_norm_linears},
  };
  return kOps;
}

}  // namespace propane::ref
