// Elementwise ops, on kernels/elementwise.h and kernels/activation.h.

#include "backends/cpu/kernels/elementwise.h"

#include <cstring>

#include "backends/cpu/kernels/activation.h"
#include "backends/cpu/ops/op.h"
#include "base/error.h"
#include "base/half.h"

namespace propane::cpu {

namespace {

Compiled compile_add(const StepView& s) {
  const int x = s.in(0), y = s.in(1), out = s.out(0);
  const int64_t n = s.shape(x).count();
  const auto alpha = static_cast<float>(s.step.attrs.real("alpha", 1.0));
  return {[=](const Memory& m) { add(n, m.f32(x), alpha, m.f32(y), m.f32(out)); }};
}

Compiled compile_scale(const StepView& s) {
  const int x = s.in(0), out = s.out(0);
  const int64_t n = s.shape(x).count();
  const auto factor = static_cast<float>(s.real("factor"));
  return {[=](const Memory& m) { scale(n, factor, m.f32(x), m.f32(out)); }};
}

Compiled compile_multiply(const StepView& s) {
  const int x = s.in(0), y = s.in(1), out = s.out(0);
  const int64_t n = s.shape(x).count();
  return {[=](const Memory& m) { multiply(n, m.f32(x), m.f32(y), m.f32(out)); }};
}

Compiled compile_mix(const StepView& s) {
  const int x = s.in(0), a = s.in(1), y = s.in(2), b = s.in(3), out = s.out(0);
  const int64_t n = s.shape(x).count();
  return {[=](const Memory& m) { mix(n, m.f32(a), m.f32(x), m.f32(b), m.f32(y), m.f32(out)); }};
}

Compiled compile_mix_grad(const StepView& s) {
  const int x = s.in(0), a = s.in(1), y = s.in(2), b = s.in(3), d = s.in(4);
  const int dx = s.out(0), da = s.out(1), dy = s.out(2), db = s.out(3);
  const int64_t n = s.shape(x).count();
  return {[=](const Memory& m) {
    MixGrad g;
    g.count = n;
    g.d = m.f32(d);
    g.a = m.f32(a), g.x = m.f32(x);
    g.b = m.f32(b), g.y = m.f32(y);
    g.dx = m.f32(dx), g.dy = m.f32(dy);
    g.da = m.f32(da), g.db = m.f32(db);
    mix_grad(g);
  }};
}

Unary unary_kind(const StepView& s) {
  const std::string& kind = s.step.attrs.text("kind");
  if (kind == "relu2") return Unary::relu2;
  if (kind == "gelu_tanh") return Unary::gelu_tanh;
  if (kind == "gelu") return Unary::gelu;
  if (kind == "silu") return Unary::silu;
  return Unary::sigmoid;  // the shape rule lets nothing else through
}

Compiled compile_activation(const StepView& s) {
  const int x = s.in(0), y = s.out(0);
  const int64_t n = s.shape(x).count();
  const Unary kind = unary_kind(s);
  return {[=](const Memory& m) { unary(kind, n, m.f32(x), m.f32(y)); }};
}

Compiled compile_activation_grad(const StepView& s) {
  const int x = s.in(0), dy = s.in(1), dx = s.out(0);
  const int64_t n = s.shape(x).count();
  const Unary kind = unary_kind(s);
  return {[=](const Memory& m) { unary_grad(kind, n, m.f32(x), m.f32(dy), m.f32(dx)); }};
}

Compiled compile_swiglu(const StepView& s) {
  const int gate = s.in(0), up = s.in(1), h = s.out(0);
  const int64_t dim = s.shape(gate).dim(-1), rows = s.shape(gate).rows();
  return {[=](const Memory& m) { swiglu({rows, dim, {m.f32(gate), dim}, {m.f32(up), dim}, {m.f32(h), dim}}); }};
}

Compiled compile_swiglu_grad(const StepView& s) {
  const int gate = s.in(0), up = s.in(1), dh = s.in(2), dgate = s.out(0), dup = s.out(1);
  const int64_t dim = s.shape(gate).dim(-1), rows = s.shape(gate).rows();
  return {[=](const Memory& m) {
    swiglu_grad(
        {rows, dim, {m.f32(gate), dim}, {m.f32(up), dim}, {m.f32(dh), dim}, {m.f32(dgate), dim}, {m.f32(dup), dim}});
  }};
}

// [..., heads, head_dim] as a row for each head.
struct Heads {
  int64_t tokens, n_head, head_dim;
  template <typename T>
  Rows<T> rows(T* data) const {
    return {data, n_head * head_dim, n_head};
  }
};

Heads heads_of(const Shape& shape) { return {shape.rows() / shape.dim(-2), shape.dim(-2), shape.dim(-1)}; }

Compiled compile_value_gate(const StepView& s) {
  const int v = s.in(0), ve = s.in(1), gate = s.in(2), out = s.out(0);
  const Heads h = heads_of(s.shape(v));
  return {[=](const Memory& m) {
    value_gate({h.tokens, h.n_head, h.head_dim, h.rows<const float>(m.f32(v)), h.rows<const float>(m.f32(ve)),
                m.f32(gate), h.rows(m.f32(out))});
  }};
}

Compiled compile_value_gate_grad(const StepView& s) {
  const int ve = s.in(0), gate = s.in(1), d = s.in(2), dve = s.out(0), dgate = s.out(1);
  const Heads h = heads_of(s.shape(ve));
  return {[=](const Memory& m) {
    value_gate_grad({h.tokens, h.n_head, h.head_dim, h.rows<const float>(m.f32(d)), h.rows<const float>(m.f32(ve)),
                     m.f32(gate), h.rows(m.f32(dve)), m.f32(dgate)});
  }};
}

Compiled compile_slice(const StepView& s) {
  const int x = s.in(0), y = s.out(0);
  const int64_t rows = s.shape(x).rows(), full = s.shape(x).dim(-1), begin = s.integer("begin"),
                size = s.integer("size");
  return {[=](const Memory& m) { copy_rows(rows, size, {m.f32(x) + begin, full}, {m.f32(y), size}); }};
}

Compiled compile_slice_grad(const StepView& s) {
  const int dy = s.in(0), dx = s.out(0);
  const int64_t rows = s.shape(dy).rows(), size = s.shape(dy).dim(-1), begin = s.integer("begin"),
                full = s.integer("full");
  return {[=](const Memory& m) {
    fill(rows * full, 0.0f, m.f32(dx));
    copy_rows(rows, size, {m.f32(dy), size}, {m.f32(dx) + begin, full});
  }};
}

Compiled compile_cast(const StepView& s) {
  const int x = s.in(0), y = s.out(0);
  const DType from = s.type(x).dtype, to = s.type(y).dtype;
  const int64_t n = s.shape(x).count();
  const auto read = [](const Memory& m, int slot, DType type, int64_t i) -> double {
    switch (type) {
      case DType::f64: return m.f64(slot)[i];
      case DType::f32: return m.f32(slot)[i];
      case DType::bf16: return bf16_to_float(m.at<uint16_t>(slot)[i]);
      case DType::i32: return m.i32(slot)[i];
      default: fail("cpu: cast from {} is not known", dtype_name(type));
    }
  };
  return {[=](const Memory& m) {
    threads().parallel_for(n, 4096, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const double value = read(m, x, from, i);
        switch (to) {
          case DType::f64: m.f64(y)[i] = value; break;
          case DType::f32: m.f32(y)[i] = static_cast<float>(value); break;
          case DType::bf16: m.at<uint16_t>(y)[i] = float_to_bf16(static_cast<float>(value)); break;
          case DType::i32: m.i32(y)[i] = static_cast<int32_t>(value); break;
          default: fail("cpu: cast to {} is not known", dtype_name(to));
        }
      }
    });
  }};
}

}  // namespace

std::span<const OpEntry> elementwise_entries() {
  static const OpEntry entries[] = {{"add", compile_add},
                                    {"scale", compile_scale},
                                    {"multiply", compile_multiply},
                                    {"mix", compile_mix},
                                    {"mix_grad", compile_mix_grad},
                                    {"activation", compile_activation},
                                    {"activation_grad", compile_activation_grad},
                                    {"swiglu", compile_swiglu},
                                    {"swiglu_grad", compile_swiglu_grad},
                                    {"value_gate", compile_value_gate},
                                    {"value_gate_grad", compile_value_gate_grad},
                                    {"slice", compile_slice},
                                    {"slice_grad", compile_slice_grad},
                                    {"cast", compile_cast}};
  return entries;
}

}  // namespace propane::cpu
