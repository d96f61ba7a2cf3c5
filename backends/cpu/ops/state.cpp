// Writes into KV caches.

#include "backends/cpu/kernels/embedding.h"
#include "backends/cpu/ops/op.h"

namespace propane::cpu {

namespace {

Compiled compile_kv_write(const StepView& s) {
  const int cache = s.in(0), rows = s.in(1), positions = s.in(2);
  const Shape &c = s.shape(cache), &r = s.shape(rows);
  KvWrite call;
  call.batch = r[0], call.count = r[1], call.n_kv_head = r[2], call.head_dim = r[3], call.cache_rows = c[1];
  return {[=](const Memory& m) {
    KvWrite args = call;
    const int64_t row = call.n_kv_head * call.head_dim;
    args.rows = {m.f32(rows), call.count * row, row, call.head_dim};
    args.cache = {m.f32(cache), call.cache_rows * row, row, call.head_dim};
    args.positions = m.i32(positions);
    kv_write(args);
  }};
}

}  // namespace

std::span<const OpEntry> state_entries() {
  static const OpEntry entries[] = {{"kv_write", compile_kv_write}};
  return entries;
}

}  // namespace propane::cpu
