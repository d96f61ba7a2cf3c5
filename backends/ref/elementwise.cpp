#include <cmath>
#include <numbers>

#include "backends/ref/kernels.h"

namespace propane::ref {

namespace {

// out[i] = formula(i)
template <typename Formula>
void each(const Tensor& out, Formula formula) {
  for (int64_t i = 0; i < out.count(); ++i) out[i] = formula(i);
}

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }
double silu(double x) { return x * sigmoid(x); }
double silu_slope(double x) { return sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x))); }

// A function and its derivative.
struct Curve {
  std::string_view kind;
  double (*value)(double);
  double (*slope)(double);
};

double gelu_tanh_inner(double x) { return std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x); }

constexpr Curve kCurves[] = {
    {"relu2", [](double x) { return x > 0.0 ? x * x : 0.0; }, [](double x) { return x > 0.0 ? 2.0 * x : 0.0; }},
    {"gelu_tanh", [](double x) { return 0.5 * x * (1.0 + std::tanh(gelu_tanh_inner(x))); },
     [](double x) {
       const double t = std::tanh(gelu_tanh_inner(x));
       const double inner_slope = std::sqrt(2.0 / std::numbers::pi) * (1.0 + 3.0 * 0.044715 * x * x);
       return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner_slope;
     }},
    {"gelu", [](double x) { return 0.5 * x * (1.0 + std::erf(x / std::numbers::sqrt2)); },
     [](double x) {
       const double density = std::exp(-0.5 * x * x) / std::sqrt(2.0 * std::numbers::pi);
       return 0.5 * (1.0 + std::erf(x / std::numbers::sqrt2)) + x * density;
     }},
    {"silu", silu, silu_slope},
    {"sigmoid", sigmoid, [](double x) { return sigmoid(x) * (1.0 - sigmoid(x)); }},
};

const Curve& find_curve(const Attrs& attrs) {
  for (const Curve& curve : kCurves)
    if (curve.kind == attrs.text("kind")) return curve;
  fail("activation: there is no kind '{}'", attrs.text("kind"));
}

void run_add(const Operands& o) {
  const Tensor x = o.in(0), y = o.in(1);
  const double alpha = o.attrs.real("alpha", 1.0);
  each(o.out(0), [&](int64_t i) { return x[i] + alpha * y[i]; });
}

void run_scale(const Operands& o) {
  const Tensor x = o.in(0);
  const double factor = o.attrs.real("factor");
  each(o.out(0), [&](int64_t i) { return factor * x[i]; });
}

void run_multiply(const Operands& o) {
  const Tensor x = o.in(0), y = o.in(1);
  each(o.out(0), [&](int64_t i) { return x[i] * y[i]; });
}

void run_mix(const Operands& o) {
  const Tensor x = o.in(0), a = o.in(1), y = o.in(2), b = o.in(3);
  each(o.out(0), [&](int64_t i) { return a[0] * x[i] + b[0] * y[i]; });
}

void run_mix_grad(const Operands& o) {
  const Tensor x = o.in(0), a = o.in(1), y = o.in(2), b = o.in(3), dz = o.in(4);
  const Tensor dx = o.out(0), da = o.out(1), dy = o.out(2), db = o.out(3);
  da[0] = db[0] = 0.0;
  for (int64_t i = 0; i < dz.count(); ++i) {
    dx[i] = a[0] * dz[i];
    dy[i] = b[0] * dz[i];
    da[0] += x[i] * dz[i];
    db[0] += y[i] * dz[i];
  }
}

void run_activation(const Operands& o) {
  const Tensor x = o.in(0);
  const Curve& curve = find_curve(o.attrs);
  each(o.out(0), [&](int64_t i) { return curve.value(x[i]); });
}

void run_activation_grad(const Operands& o) {
  const Tensor x = o.in(0), dy = o.in(1);
  const Curve& curve = find_curve(o.attrs);
  each(o.out(0), [&](int64_t i) { return dy[i] * curve.slope(x[i]); });
}

void run_swiglu(const Operands& o) {
  const Tensor gate = o.in(0), up = o.in(1);
  each(o.out(0), [&](int64_t i) { return silu(gate[i]) * up[i]; });
}

void run_swiglu_grad(const Operands& o) {
  const Tensor gate = o.in(0), up = o.in(1), dh = o.in(2);
  each(o.out(0), [&](int64_t i) { return dh[i] * up[i] * silu_slope(gate[i]); });
  each(o.out(1), [&](int64_t i) { return dh[i] * silu(gate[i]); });
}

void run_value_gate(const Operands& o) {
  const Tensor v = o.in(0), ve = o.in(1), gate = o.in(2);
  each(o.out(0), [&](int64_t i) { return v[i] + 2.0 * sigmoid(gate[i / v.last()]) * ve[i]; });
}

void run_value_gate_grad(const Operands& o) {
  const Tensor ve = o.in(0), gate = o.in(1), dout = o.in(2), dve = o.out(0), dgate = o.out(1);
  for (int64_t head = 0; head < gate.count(); ++head) {
    const double s = sigmoid(gate[head]);
    dgate[head] = 0.0;
    for (int64_t c = 0; c < ve.last(); ++c) {
      dve.row(head)[c] = 2.0 * s * dout.row(head)[c];
      dgate[head] += 2.0 * s * (1.0 - s) * ve.row(head)[c] * dout.row(head)[c];
    }
  }
}

void run_slice(const Operands& o) {
  const Tensor x = o.in(0), y = o.out(0);
  const int64_t begin = o.attrs.integer("begin");
  for (int64_t r = 0; r < y.rows(); ++r)
    for (int64_t c = 0; c < y.last(); ++c) y.row(r)[c] = x.row(r)[begin + c];
}

void run_slice_grad(const Operands& o) {
  const Tensor dy = o.in(0), dx = o.out(0);
  const int64_t begin = o.attrs.integer("begin");
  each(dx, [](int64_t) { return 0.0; });
  for (int64_t r = 0; r < dy.rows(); ++r)
    for (int64_t c = 0; c < dy.last(); ++c) dx.row(r)[begin + c] = dy.row(r)[c];
}

// The rounding is the store's.
void run_cast(const Operands& o) {
  const Tensor x = o.in(0);
  each(o.out(0), [&](int64_t i) { return x[i]; });
}

}  // namespace

std::span<const RefOp> elementwise_ops() {
  static constexpr RefOp kOps[] = {
      {.name = "add", .kernel = run_add},
      {.name = "scale", .kernel = run_scale},
      {.name = "multiply", .kernel = run_multiply},
      {.name = "mix", .kernel = run_mix},
      {.name = "mix_grad", .kernel = run_mix_grad},
      {.name = "activation", .kernel = run_activation},
      {.name = "activation_grad", .kernel = run_activation_grad},
      {.name = "swiglu", .kernel = run_swiglu},
      {.name = "swiglu_grad", .kernel = run_swiglu_grad},
      {.name = "value_gate", .kernel = run_value_gate},
      {.name = "value_gate_grad", .kernel = run_value_gate_grad},
      {.name = "slice", .kernel = run_slice},
      {.name = "slice_grad", .kernel = run_slice_grad},
      {.name = "cast", .kernel = run_cast},
  };
  return kOps;
}

}  // namespace propane::ref
