// The linear family, on kernels/gemm.h, and with quantized weights on kernels/quant_linear.h.

#include <algorithm>

#include "backends/cpu/kernels/elementwise.h"
#include "backends/cpu/kernels/gemm.h"
#include "backends/cpu/kernels/norm.h"
#include "backends/cpu/kernels/quant_linear.h"
#include "backends/cpu/ops/op.h"
#include "base/error.h"

namespace propane::cpu {

namespace {

int64_t rows_of(const StepView& s, int slot) { return s.shape(slot).rows(); }

// A weight [out, in] as the product's right side x·wᵀ.
struct Weight {
  int slot;
  int64_t out, in;
  DType type;
  bool packed;
  Matrix matrix(const Memory& m) const { return packed ? Matrix{} : Matrix{m.f32(slot), in, true}; }
  const float* panels(const Memory& m) const { return packed ? m.f32(slot) : nullptr; }
  QuantWeight blocks(const Memory& m) const { return {type, out, in, m.at<std::byte>(slot)}; }
};

Weight weight(const StepView& s, int slot) {
  const Type& type = s.type(slot);
  if (is_quantized(type.dtype) && !s.is_packed(slot))
    fail("cpu: {} of a {} weight needs a plan that prepares its weights", s.step.op->name, dtype_name(type.dtype));
  return {slot, type.shape[0], type.shape[1], type.dtype, s.is_packed(slot)};
}

// linears over x (or over what a norm writes into scratch), one output a weight.
constexpr int kMostOutputs = 8;

struct LinearsCall {
  int64_t m, k;
  int count;
  Weight weights[kMostOutputs];
  int outputs[kMostOutputs];
  int bias = -1;    // quantized: of a single output
  int swiglu = -1;  // gated: the slot of h, outputs being gate and up or −1

  void run(const Memory& memory, const float* x, Scratch scratch) const {
    if (is_quantized(weights[0].type)) return run_quantized(memory, x, scratch);
    LinearOutput list[kMostOutputs];
    for (int i = 0; i < count; ++i) {
      list[i].n = weights[i].out;
      list[i].b = weights[i].matrix(memory);
      list[i].packed_b = weights[i].panels(memory);
      list[i].c = memory.f32(outputs[i]);
      list[i].ldc = weights[i].out;
    }
    Linears call;
    call.m = m, call.k = k;
    call.a = {x, k};
    call.outputs = {list, static_cast<size_t>(count)};
    if (swiglu >= 0) {
      call.swiglu = memory.f32(swiglu);
      call.ld_swiglu = weights[0].out;
    }
    linears(call, scratch);
  }

  void run_quantized(const Memory& memory, const float* x, Scratch scratch) const {
    QuantOutput list[kMostOutputs];
    for (int i = 0; i < count; ++i) {
      list[i].weight = weights[i].blocks(memory);
      list[i].y = memory.f32(outputs[i]);
      list[i].ldy = weights[i].out;
      list[i].epilogue.bias = memory.f32(bias);
    }
    QuantLinears call = quantized_shape(list);
    call.x = x;
    if (swiglu >= 0) call.swiglu = memory.f32(swiglu);
    quant_linears(call, scratch);
  }

  size_t scratch_bytes() const {
    if (is_quantized(weights[0].type)) {
      QuantOutput list[kMostOutputs];
      for (int i = 0; i < count; ++i)
        list[i].weight = {weights[i].type, weights[i].out, weights[i].in, nullptr}, list[i].ldy = weights[i].out;
      float some = 0;  // that there is a swiglu counts, not where
      QuantLinears call = quantized_shape(list);
      if (swiglu >= 0) call.swiglu = &some;
      return quant_linears_scratch_bytes(call, threads().size());
    }
    LinearOutput list[kMostOutputs];
    for (int i = 0; i < count; ++i) list[i].n = weights[i].out, list[i].ldc = weights[i].out;
    Linears call;
    call.m = m, call.k = k;
    call.outputs = {list, static_cast<size_t>(count)};
    call.ld_swiglu = weights[0].out;
    return linears_scratch_bytes(call, threads().size());
  }

 private:
  QuantLinears quantized_shape(std::span<const QuantOutput> list) const {
    QuantLinears call;
    call.m = m, call.k = k, call.ldx = k;
    call.outputs = list.first(static_cast<size_t>(count));
    call.ld_swiglu = weights[0].out;
    return call;
  }
};

LinearsCall linears_call(const StepView& s, int first_weight, int count) {
  LinearsCall call{};
  if (count > kMostOutputs) fail("cpu: {} takes at most {} weights, found {}", s.step.op->name, kMostOutputs, count);
  const int x = s.in(0);
  call.m = rows_of(s, x), call.k = s.shape(x).dim(-1), call.count = count;
  for (int i = 0; i < count; ++i) call.weights[i] = weight(s, s.in(first_weight + i));
  return call;
}

Compiled compile_linear(const StepView& s) {
  const int x = s.in(0), bias = s.in(2), y = s.out(0);
  const Weight w = weight(s, s.in(1));
  if (is_quantized(w.type)) {
    LinearsCall call = linears_call(s, 1, 1);
    call.outputs[0] = y;
    call.bias = bias;
    return {[=](const Memory& m) { call.run(m, m.f32(x), m.scratch); }, call.scratch_bytes()};
  }
  Gemm shape;
  shape.m = rows_of(s, x), shape.n = w.out, shape.k = w.in, shape.ldc = w.out;
  return {[=](const Memory& m) {
            Gemm g = shape;
            g.a = {m.f32(x), w.in};
            g.b = w.matrix(m);
            g.packed_b = w.panels(m);
            g.c = m.f32(y);
            g.epilogue.bias = m.f32(bias);
            gemm(g, m.scratch);
          },
          gemm_scratch_bytes(shape, threads().size())};
}

Compiled compile_linears(const StepView& s) {
  LinearsCall call = linears_call(s, 1, s.outputs());
  for (int i = 0; i < call.count; ++i) call.outputs[i] = s.out(i);
  const int x = s.in(0);
  return {[=](const Memory& m) { call.run(m, m.f32(x), m.scratch); }, call.scratch_bytes()};
}

Compiled compile_gated_linear(const StepView& s) {
  LinearsCall call = linears_call(s, 1, 2);
  call.outputs[0] = s.out(1);
  call.outputs[1] = s.out(2);
  call.swiglu = s.out(0);
  const int x = s.in(0);
  return {[=](const Memory& m) { call.run(m, m.f32(x), m.scratch); }, call.scratch_bytes()};
}

Compiled compile_linears_grad_x(const StepView& s) {
  const int n = s.inputs() / 2, dx = s.out(0);
  struct Term {
    int dy;
    Weight w;
  };
  std::vector<Term> terms;
  for (int i = 0; i < n; ++i)
    terms.push_back({s.in(i), {s.in(n + i), s.shape(s.in(n + i))[0], s.shape(s.in(n + i))[1], DType::f32, false}});
  const int64_t rows = rows_of(s, s.in(0));
  size_t bytes = 0;
  for (const Term& term : terms) {
    Gemm shape;
    shape.m = rows, shape.n = term.w.in, shape.k = term.w.out, shape.ldc = term.w.in;
    bytes = std::max(bytes, gemm_scratch_bytes(shape, threads().size()));
  }
  return {[=](const Memory& m) {
            for (size_t i = 0; i < terms.size(); ++i) {
              const Weight& w = terms[i].w;
              Gemm g;
              g.m = rows, g.n = w.in, g.k = w.out, g.ldc = w.in;
              g.a = {m.f32(terms[i].dy), w.out};
              g.b = {m.f32(w.slot), w.in, false};
              g.c = m.f32(dx);
              g.accumulate = i > 0;
              gemm(g, m.scratch);
            }
          },
          bytes};
}

// keep: absent means 1.
bool keeps(const Memory& m, int keep) { return keep < 0 || *m.f64(keep) != 0.0; }

Compiled compile_linear_grad_w(const StepView& s) {
  const int dy = s.in(0), x = s.in(1), into = s.in(2), keep = s.in(3);
  const int dw = into >= 0 ? into : s.out(0);
  Gemm shape;
  shape.m = s.shape(dy).dim(-1), shape.n = s.shape(x).dim(-1), shape.k = rows_of(s, x), shape.ldc = shape.n;
  return {[=](const Memory& m) {
            Gemm g = shape;
            g.a = {m.f32(dy), g.m, true};
            g.b = {m.f32(x), g.n, false};
            g.c = m.f32(dw);
            g.accumulate = into >= 0 && keeps(m, keep);
            gemm(g, m.scratch);
          },
          gemm_scratch_bytes(shape, threads().size())};
}

Compiled compile_column_sum(const StepView& s) {
  const int dy = s.in(0), into = s.in(1), keep = s.in(2);
  const int out = into >= 0 ? into : s.out(0);
  const int64_t rows = rows_of(s, dy), columns = s.shape(dy).dim(-1);
  return {[=](const Memory& m) {
    column_sum(rows, columns, {m.f32(dy), columns}, m.f32(out), into >= 0 && keeps(m, keep));
  }};
}

// The normalised rows live in scratch, before what the products need.
Compiled compile_norm_linears(const StepView& s) {
  LinearsCall call = linears_call(s, 2, s.outputs());
  for (int i = 0; i < call.count; ++i) call.outputs[i] = s.out(i);
  const int x = s.in(0), gain = s.in(1);
  const auto eps = static_cast<float>(s.real("eps"));
  const size_t rows_bytes = (static_cast<size_t>(call.m * call.k) * sizeof(float) + 63) / 64 * 64;
  return {[=](const Memory& m) {
            float* normalised = reinterpret_cast<float*>(m.scratch.data());
            RmsNorm norm;
            norm.rows = call.m, norm.dim = call.k, norm.eps = eps;
            norm.x = {m.f32(x), call.k};
            norm.gain = m.f32(gain);
            norm.y = {normalised, call.k};
            rms_norm(norm);
            call.run(m, normalised, m.scratch.subspan(rows_bytes));
          },
          rows_bytes + call.scratch_bytes()};
}

}  // namespace

std::pair<int, int> weight_inputs(std::string_view op, size_t inputs) {
  const int n = static_cast<int>(inputs);
  if (op == "linear" || op == "head_loss") return {1, 2};
  if (op == "linears" || op == "gated_linear") return {1, n};
  if (op == "norm_linears") return {2, n};
  return {0, 0};
}

bool is_quantized(DType type) { return is_block(type) || type == DType::f16 || type == DType::bf16; }

std::span<const OpEntry> linear_entries() {
  static const OpEntry entries[] = {{"linear", compile_linear},
                                    {"linears", compile_linears},
                                    {"gated_linear", compile_gated_linear},
                                    {"linears_grad_x", compile_linears_grad_x},
                                    {"linear_grad_w", compile_linear_grad_w},
                                    {"column_sum", compile_column_sum},
                                    {"norm_linears", compile_norm_linears}};
  return entries;
}

}  // namespace propane::cpu
