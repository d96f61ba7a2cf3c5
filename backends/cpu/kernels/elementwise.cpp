#include "backends/cpu/kernels/elementwise.h"

#include <algorithm>

#include "backends/cpu/kernels/elementwise_kernels.h"
#include "backends/cpu/kernels/select.h"
#include "base/threads.h"

namespace propane::cpu {

PROPANE_DISPATCH(ElementwiseKernels, elementwise_kernels)

namespace {

constexpr int64_t kGrain = 8192;  // elements a thread takes at least
constexpr int64_t kColumns = 64;  // columns a thread takes at least
constexpr int64_t kParts = 64;    // of a sum over all elements

int64_t row_grain(int64_t dim) { return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, dim)); }

// The part of `count` elements that part p of `parts` begins with, at a whole cache line.
int64_t part_begin(int64_t count, int64_t p, int64_t parts) {
  return std::min(count, (count * p / parts + 15) / 16 * 16);
}

}  // namespace

void fill(int64_t count, float value, float* out) {
  threads().parallel_for(count, kGrain,
                         [&](int64_t begin, int64_t end) { elementwise_kernels().fill(begin, end, value, out); });
}

void add(int64_t count, const float* x, float alpha, const float* y, float* out) {
  threads().parallel_for(count, kGrain,
                         [&](int64_t begin, int64_t end) { elementwise_kernels().add(begin, end, x, alpha, y, out); });
}

void multiply(int64_t count, const float* x, const float* y, float* out) {
  threads().parallel_for(count, kGrain,
                         [&](int64_t begin, int64_t end) { elementwise_kernels().multiply(begin, end, x, y, out); });
}

void scale(int64_t count, float factor, const float* x, float* out) {
  threads().parallel_for(count, kGrain,
                         [&](int64_t begin, int64_t end) { elementwise_kernels().scale(begin, end, factor, x, out); });
}

void accumulate(int64_t count, float keep, const float* value, float* into) {
  threads().parallel_for(count, kGrain, [&](int64_t begin, int64_t end) {
    elementwise_kernels().accumulate(begin, end, keep, value, into);
  });
}

void mix(int64_t count, const float* a, const float* x, const float* b, const float* y, float* out) {
  threads().parallel_for(count, kGrain,
                         [&](int64_t begin, int64_t end) { elementwise_kernels().mix(begin, end, *a, x, *b, y, out); });
}

void mix_grad(const MixGrad& args) {
  MixSums sums[kParts];
  const int64_t parts = std::clamp<int64_t>(args.count / kGrain, 1, kParts);
  threads().parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p)
      sums[p] =
          elementwise_kernels().mix_grad(args, part_begin(args.count, p, parts), part_begin(args.count, p + 1, parts));
  });
  double da = 0, db = 0;
  for (int64_t p = 0; p < parts; ++p) {
    da += sums[p].da;
    db += sums[p].db;
  }
  if (args.da) *args.da = static_cast<float>(da) + (args.accumulate_scalars ? *args.da : 0.0f);
  if (args.db) *args.db = static_cast<float>(db) + (args.accumulate_scalars ? *args.db : 0.0f);
}

void value_gate(const ValueGate& args) {
  threads().parallel_for(args.tokens, row_grain(args.n_head * args.head_dim),
                         [&](int64_t begin, int64_t end) { elementwise_kernels().value_gate(args, begin, end); });
}

void value_gate_grad(const ValueGateGrad& args) {
  threads().parallel_for(args.tokens, row_grain(args.n_head * args.head_dim),
                         [&](int64_t begin, int64_t end) { elementwise_kernels().value_gate_grad(args, begin, end); });
}

void copy_rows(int64_t rows, int64_t dim, Rows<const float> from, Rows<float> to, bool add) {
  threads().parallel_for(rows, row_grain(dim), [&](int64_t begin, int64_t end) {
    elementwise_kernels().copy_rows(begin, end, dim, from, to, add);
  });
}

void column_sum(int64_t rows, int64_t columns, Rows<const float> x, float* out, bool accumulate) {
  threads().parallel_for(columns, kColumns, [&](int64_t begin, int64_t end) {
    elementwise_kernels().column_sum(begin, end, rows, x, out, accumulate);
  });
}

}  // namespace propane::cpu
