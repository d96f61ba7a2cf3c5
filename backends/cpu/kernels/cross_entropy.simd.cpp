#include "backends/cpu/kernels/cross_entropy_kernels.h"
#include "backends/cpu/kernels/row_loop.h"

namespace propane::cpu::PROPANE_TARGET {

namespace {

// Elements whose largest is found and whose exponentials are summed before the next ones are read.
constexpr int64_t kBlock = 1024;

// e^x for an x that is hardly above 0.
PROPANE_INLINE Vec exp_below(Vec x) { return exp2(x * 1.44269504f); }

// What the exponentials need of a row: z = scale · v, where v is the logit itself or, capped, its tanh.
struct Row {
  float scale;
  double log_sum;  // ln Σ exp(z)
};

// Reads a row of logits once. Capped, the tanh values go to `values` + c for the element c, or, if that is null, to a
// buffer that is forgotten.
template <bool kCapped>
Row read_row(const float* logits, int64_t vocab, float cap, float* values) {
  float buffer[kBlock];
  const float scale = kCapped ? cap : 1.0f;
  double largest = -__builtin_inf(), total = 0;
  for (int64_t first = 0; first < vocab; first += kBlock) {
    const int64_t count = vocab - first < kBlock ? vocab - first : kBlock;
    const float* in = logits + first;
    float* out = values ? values + first : buffer;
    Vec block_max = broadcast(-__builtin_inff());
    over(0, count, [&](int64_t c, auto size) {
      Vec v = load(in + c, size);
      if constexpr (kCapped) {
        v = tanh(v * (1.0f / cap));
        store(out + c, v, size);
      }
      block_max = max(block_max, keep(v, block_max, size));
    });
    const float top = max_lane(block_max) * scale;
    if (top == -__builtin_inff()) continue;  // nothing here has any probability
    const float* v = kCapped ? out : in;
    Vec sums{};
    over(0, count, [&](int64_t c, auto size) {
      sums += keep(exp_below(fma(load(v + c, size), broadcast(scale), broadcast(-top))), Vec{}, size);
    });
    if (top > largest) {
      total *= __builtin_exp(largest - top);
      largest = top;
    }
    total += sum(sums) * __builtin_exp(top - largest);
  }
  return {scale, largest + __builtin_log(total)};
}

PROPANE_INLINE Row read(const float* logits, int64_t vocab, float cap, float* values) {
  return cap > 0 ? read_row<true>(logits, vocab, cap, values) : read_row<false>(logits, vocab, cap, values);
}

PROPANE_INLINE float capped(float logit, float cap) { return cap > 0 ? cap * tanh(broadcast(logit / cap))[0] : logit; }

void forward(const CrossEntropy& args, const float* logits, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    args.nats[r] = 0;
    if (args.targets[r] < 0) continue;
    const float* row = logits + r * args.stride;
    const double log_sum = read(row, args.vocab, args.cap, nullptr).log_sum;
    args.nats[r] = static_cast<float>(log_sum - capped(row[args.targets[r]], args.cap));
  }
}

// dz = (exp(z − log_sum) − [c = target]) · factor, and d logits = dz · (1 − tanh²) under a cap.
template <bool kCapped>
void write_grad(float* values, int64_t vocab, const Row& row, int32_t target, float factor) {
  const auto grad = [&](Vec v, float one) {
    const Vec z = v * row.scale;
    // The logarithm in two floats: a large one would lose what the difference needs.
    const float high = static_cast<float>(row.log_sum), low = static_cast<float>(row.log_sum - high);
    const Vec dz = (exp_below(z - high - low) - one) * factor;
    return kCapped ? dz * (1.0f - v * v) : dz;
  };
  const float at_target = grad(broadcast(values[target]), 1.0f)[0];
  over(0, vocab, [&](int64_t c, auto size) { store(values + c, grad(load(values + c, size), 0.0f), size); });
  values[target] = at_target;
}

void grad(const CrossEntropy& args, float* logits, const float* dnats, int64_t dnats_stride, int64_t begin,
          int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    float* row = logits + r * args.stride;
    const int32_t target = args.targets[r];
    if (target < 0) {
      if (args.nats) args.nats[r] = 0;
      std::memset(row, 0, static_cast<size_t>(args.vocab) * sizeof(float));
      continue;
    }
    const float z = capped(row[target], args.cap), factor = dnats[r * dnats_stride];
    const Row read_in = read(row, args.vocab, args.cap, row);
    if (args.nats) args.nats[r] = static_cast<float>(read_in.log_sum - z);
    if (args.cap > 0) write_grad<true>(row, args.vocab, read_in, target, factor);
    else write_grad<false>(row, args.vocab, read_in, target, factor);
  }
}

void log_softmax(int64_t vocab, int64_t stride, float cap, float* logits, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    float* row = logits + r * stride;
    const Row read_in = read(row, vocab, cap, row);
    const float log_sum = static_cast<float>(read_in.log_sum);
    over(0, vocab, [&](int64_t c, auto size) {
      store(row + c, fma(load(row + c, size), broadcast(read_in.scale), broadcast(-log_sum)), size);
    });
  }
}

void argmax(int64_t vocab, int64_t stride, const float* logits, int32_t* out, int64_t begin, int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    const float* row = logits + r * stride;
    // Each lane's largest so far and where it was; strictly larger only, so that the first of equals stays.
    Vec best = broadcast(-__builtin_inff());
    IVec where = broadcast_int(INT32_MAX);
    over(0, vocab, [&](int64_t c, auto size) {
      const Vec v = keep(load(row + c, size), broadcast(-__builtin_inff()), size);
      const IVec larger = v > best;
      best = select(larger, v, best);
      where = larger ? iota() + static_cast<int32_t>(c) : where;
    });
    const float top = max_lane(best);
    int32_t first = INT32_MAX;
    for (int i = 0; i < kLanes; ++i)
      if (best[i] == top && where[i] < first) first = where[i];
    out[r] = first == INT32_MAX ? 0 : first;
  }
}

}  // namespace

const CrossEntropyKernels& cross_entropy_kernels() {
  static constexpr CrossEntropyKernels kKernels = {forward, grad, log_softmax, argmax};
  return kKernels;
}

}  // namespace propane::cpu::PROPANE_TARGET
