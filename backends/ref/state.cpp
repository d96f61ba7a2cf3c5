#include "backends/ref/kernels.h"

namespace propane::ref {

namespace {

void run_kv_write(const Operands& o) {
  const Tensor cache = o.in(0), rows = o.in(1), positions = o.in(2);
  const int64_t kv_max = cache.shape[1], len = rows.shape[1], size = cache.shape[2] * cache.shape[3];
  for (int64_t t = 0; t < positions.count(); ++t) {
    if (positions[t] < 0.0) continue;
    const int64_t place = t / len * kv_max + positions.index(t, kv_max, "kv_write");
    for (int64_t i = 0; i < size; ++i) cache[place * size + i] = rows[t * size + i];
  }
}

}  // namespace

std::span<const RefOp> state_ops() {
  static constexpr RefOp kOps[] = {{.name = "kv_write", .kernel = run_kv_write}};
  return kOps;
}

}  // namespace propane::ref
