#include "backends/cpu/kernels/elementwise_kernels.h"
#include "backends/cpu/kernels/row_loop.h"

namespace propane::cpu::PROPANE_TARGET {

namespace {

void fill(int64_t begin, int64_t end, float value, float* out) {
  over(begin, end, [&](int64_t c, auto size) { store(out + c, broadcast(value), size); });
}

void add(int64_t begin, int64_t end, const float* x, float alpha, const float* y, float* out) {
  over(begin, end, [&](int64_t c, auto size) {
    store(out + c, fma(broadcast(alpha), load(y + c, size), load(x + c, size)), size);
  });
}

void multiply(int64_t begin, int64_t end, const float* x, const float* y, float* out) {
  over(begin, end, [&](int64_t c, auto size) { store(out + c, load(x + c, size) * load(y + c, size), size); });
}

void scale(int64_t begin, int64_t end, float factor, const float* x, float* out) {
  over(begin, end, [&](int64_t c, auto size) { store(out + c, factor * load(x + c, size), size); });
}

void accumulate(int64_t begin, int64_t end, float keep, const float* value, float* into) {
  if (keep == 0.0f) return scale(begin, end, 1.0f, value, into);
  over(begin, end, [&](int64_t c, auto size) {
    store(into + c, fma(broadcast(keep), load(into + c, size), load(value + c, size)), size);
  });
}

void mix(int64_t begin, int64_t end, float a, const float* x, float b, const float* y, float* out) {
  over(begin, end, [&](int64_t c, auto size) {
    store(out + c, fma(broadcast(a), load(x + c, size), b * load(y + c, size)), size);
  });
}

MixSums mix_grad(const MixGrad& args, int64_t begin, int64_t end) {
  LongSum da, db;
  over(begin, end, [&](int64_t c, auto size) {
    const Vec d = load(args.d + c, size);
    // The products first: dx may be x.
    if (args.da) da.add(d * load(args.x + c, size));
    if (args.db) db.add(d * load(args.y + c, size));
    const auto write = [&](float* out, float factor, bool add_to) {
      store(out + c, add_to ? fma(d, broadcast(factor), load(out + c, size)) : d * factor, size);
    };
    if (args.dx) write(args.dx, *args.a, args.accumulate_dx);
    if (args.dy) write(args.dy, *args.b, args.accumulate_dy);
  });
  return {da.total(), db.total()};
}

PROPANE_INLINE float twice_sigmoid(float x) { return 2.0f * sigmoid(broadcast(x))[0]; }

void value_gate(const ValueGate& args, int64_t begin, int64_t end) {
  for (int64_t row = begin * args.n_head; row < end * args.n_head; ++row) {
    const float *v = args.v.at(row, args.head_dim), *ve = args.ve.at(row, args.head_dim);
    float* out = args.out.at(row, args.head_dim);
    const Vec factor = broadcast(twice_sigmoid(args.gate[row]));
    over(0, args.head_dim,
         [&](int64_t c, auto size) { store(out + c, fma(factor, load(ve + c, size), load(v + c, size)), size); });
  }
}

void value_gate_grad(const ValueGateGrad& args, int64_t begin, int64_t end) {
  for (int64_t row = begin * args.n_head; row < end * args.n_head; ++row) {
    const float *d = args.d.at(row, args.head_dim), *ve = args.ve.at(row, args.head_dim);
    float* dve = args.dve.at(row, args.head_dim);
    const float factor = twice_sigmoid(args.gate[row]);
    Vec dots{};
    over(0, args.head_dim, [&](int64_t c, auto size) {
      const Vec gradient = load(d + c, size);
      dots = fma(gradient, load(ve + c, size), dots);
      store(dve + c, gradient * factor, size);
    });
    args.dgate[row] = sum(dots) * factor * (1.0f - 0.5f * factor);  // (2s)' = 2s · (1 − s)
  }
}

void copy_rows(int64_t begin, int64_t end, int64_t dim, Rows<const float> from, Rows<float> to, bool add_to) {
  for (int64_t r = begin; r < end; ++r) {
    const float* source = from.at(r, dim);
    float* target = to.at(r, dim);
    over(0, dim, [&](int64_t c, auto size) {
      const Vec v = load(source + c, size);
      store(target + c, add_to ? load(target + c, size) + v : v, size);
    });
  }
}

void column_sum(int64_t begin, int64_t end, int64_t rows, Rows<const float> x, float* out, bool accumulate_out) {
  over(begin, end, [&](int64_t c, auto size) {
    Vec total = accumulate_out ? load(out + c, size) : Vec{};
    for (int64_t r = 0; r < rows; ++r) total += load(x.at(r, 0) + c, size);
    store(out + c, total, size);
  });
}

}  // namespace

const ElementwiseKernels& elementwise_kernels() {
  static constexpr ElementwiseKernels kKernels = {fill,     add,        multiply,        scale,     accumulate, mix,
                                                  mix_grad, value_gate, value_gate_grad, copy_rows, column_sum};
  return kKernels;
}

}  // namespace propane::cpu::PROPANE_TARGET
