// Attention and rotary positions, on kernels/attention.h and kernels/rope.h.

#include "backends/cpu/kernels/attention.h"

#include <map>
#include <memory>
#include <mutex>

#include "backends/cpu/kernels/rope.h"
#include "backends/cpu/ops/op.h"
#include "graph/ops.h"

namespace propane::cpu {

namespace {

template <typename T>
HeadRows<T> head_rows(T* data, const Shape& s) {
  return {data, s[1] * s[2] * s[3], s[2] * s[3], s[3]};
}

// The operands of attention and its gradient, by slot.
struct Operands {
  int q, k, v, q_pos, kv_len, doc_start, sinks;
  Shape q_shape, k_shape;
  AttentionArgs shape;

  AttentionArgs args(const Memory& m) const {
    AttentionArgs a = shape;
    a.q = head_rows<const float>(m.f32(q), q_shape);
    a.k = head_rows<const float>(m.f32(k), k_shape);
    a.v = head_rows<const float>(m.f32(v), k_shape);
    a.q_pos = m.i32(q_pos);
    a.kv_len = m.i32(kv_len);
    a.doc_start = m.i32(doc_start);
    a.sinks = m.f32(sinks);
    return a;
  }
};

Operands operands(const StepView& s, int first_index) {
  Operands o{s.in(0),
             s.in(1),
             s.in(2),
             s.in(first_index),
             s.in(first_index + 1),
             s.in(first_index + 2),
             s.in(first_index + 3),
             s.shape(s.in(0)),
             s.shape(s.in(1)),
             {}};
  o.shape.batch = o.q_shape[0], o.shape.q_len = o.q_shape[1], o.shape.n_head = o.q_shape[2],
  o.shape.head_dim = o.q_shape[3];
  o.shape.kv_max = o.k_shape[1], o.shape.n_kv_head = o.k_shape[2];
  o.shape.scale = static_cast<float>(s.real("scale"));
  o.shape.softcap = static_cast<float>(s.step.attrs.real("softcap", 0.0));
  o.shape.window = s.integer("window");
  return o;
}

Compiled compile_attention(const StepView& s) {
  const Operands o = operands(s, 3);
  const int y = s.out(0), lse = s.out(1);
  return {[=](const Memory& m) { attention(o.args(m), head_rows(m.f32(y), o.q_shape), m.f32(lse), m.scratch); },
          attention_scratch_bytes(o.shape)};
}

Compiled compile_attention_grad(const StepView& s) {
  const Operands o = operands(s, 6);
  const int y = s.in(3), lse = s.in(4), dy = s.in(5), dq = s.out(0), dk = s.out(1), dv = s.out(2);
  return {[=](const Memory& m) {
            AttentionGrads grads;
            grads.o = head_rows<const float>(m.f32(y), o.q_shape);
            grads.lse = m.f32(lse);
            grads.d_o = head_rows<const float>(m.f32(dy), o.q_shape);
            grads.dq = head_rows(m.f32(dq), o.q_shape);
            grads.dk = head_rows(m.f32(dk), o.k_shape);
            grads.dv = head_rows(m.f32(dv), o.k_shape);
            attention_grad(o.args(m), grads, m.scratch);
          },
          attention_grad_scratch_bytes(o.shape)};
}

// cos and sin by position; layers and plans with the same settings share one.
struct Table {
  std::vector<float> cos, sin;
};

std::shared_ptr<const Table> rope_table(const StepView& s, int64_t rotary_dim) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<const Table>> tables;
  RopeTable t;
  t.positions = s.integer("max_position");
  t.rotary_dim = rotary_dim;
  t.theta = s.real("theta");
  t.scaling_factor = s.real("scaling_factor");
  t.low_freq_factor = s.real("low_freq_factor");
  t.high_freq_factor = s.real("high_freq_factor");
  t.original_max_position = s.real("original_max_position");
  const std::vector<double> factors = rope_factors(s.step.attrs);
  t.factors = factors.empty() ? nullptr : factors.data();
  t.amplitude = s.step.attrs.real("amplitude", 1.0);
  Attrs same = s.step.attrs;
  same.set("interleaved", int64_t{0});
  same.set("transposed_sign", int64_t{0});
  same.set("rotary_dim", rotary_dim);
  std::lock_guard lock(mutex);
  auto& known = tables[same.str()];
  if (auto table = known.lock()) return table;
  auto table = std::make_shared<Table>();
  table->cos.resize(static_cast<size_t>(t.positions * rotary_dim / 2));
  table->sin.resize(table->cos.size());
  fill_rope_table(t, table->cos.data(), table->sin.data());
  known = table;
  return table;
}

Compiled compile_rope(const StepView& s) {
  const int x = s.in(0), positions = s.in(1), y = s.out(0);
  const Shape& shape = s.shape(x);
  Rope call;
  call.tokens = shape[0] * shape[1], call.n_head = shape[2], call.head_dim = shape[3];
  call.rotary_dim = s.step.attrs.integer("rotary_dim", call.head_dim);
  const auto table = rope_table(s, call.rotary_dim);
  call.interleaved = s.integer("interleaved") != 0;
  call.inverse = s.integer("transposed_sign") != 0;
  return {[=](const Memory& m) {
    Rope args = call;
    args.x = {m.f32(x), call.n_head * call.head_dim, call.n_head};
    args.y = {m.f32(y), call.n_head * call.head_dim, call.n_head};
    args.positions = m.i32(positions);
    args.cos = table->cos.data();
    args.sin = table->sin.data();
    rope(args);
  }};
}

}  // namespace

std::span<const OpEntry> attention_entries() {
  static const OpEntry entries[] = {
      {"attention", compile_attention}, {"attention_grad", compile_attention_grad}, {"rope", compile_rope}};
  return entries;
}

}  // namespace propane::cpu
