#include "backends/cpu/kernels/cross_entropy.h"

#include "backends/cpu/kernels/cross_entropy_kernels.h"
#include "backends/cpu/kernels/select.h"
#include "base/error.h"
#include "base/threads.h"

namespace propane::cpu {

PROPANE_DISPATCH(CrossEntropyKernels, cross_entropy_kernels)

namespace {

void check(const CrossEntropy& args) {
  if (args.cap < 0) fail("cross_entropy: expected a cap of at least 0, found {}", args.cap);
  for (int64_t r = 0; r < args.rows; ++r)
    if (args.targets[r] >= args.vocab)
      fail("cross_entropy: expected target ids below the vocabulary's {}, found {} in row {}", args.vocab,
           args.targets[r], r);
}

}  // namespace

void cross_entropy(const CrossEntropy& args, const float* logits) {
  check(args);
  threads().parallel_for(
      args.rows, 1, [&](int64_t begin, int64_t end) { cross_entropy_kernels().forward(args, logits, begin, end); });
}

void cross_entropy_grad(const CrossEntropy& args, float* logits, const float* dnats, int64_t dnats_stride) {
  check(args);
  threads().parallel_for(args.rows, 1, [&](int64_t begin, int64_t end) {
    cross_entropy_kernels().grad(args, logits, dnats, dnats_stride, begin, end);
  });
}

void log_softmax(int64_t rows, int64_t vocab, int64_t stride, float cap, float* logits) {
  threads().parallel_for(rows, 1, [&](int64_t begin, int64_t end) {
    cross_entropy_kernels().log_softmax(vocab, stride, cap, logits, begin, end);
  });
}

void argmax(int64_t rows, int64_t vocab, int64_t stride, const float* logits, int32_t* out) {
  threads().parallel_for(rows, 1, [&](int64_t begin, int64_t end) {
    cross_entropy_kernels().argmax(vocab, stride, logits, out, begin, end);
  });
}

}  // namespace propane::cpu
