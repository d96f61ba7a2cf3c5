// Cross-entropy of logits [rows, vocab] against target ids, with an optional soft cap, and related row operations.
//
//   z = cap · tanh(logits / cap)  (cap 0: z = logits)      nats[r] = ln Σ_c exp(z[r,c]) − z[r, targets[r]]
//
// A row is read from memory once; the largest value is taken out before any exponential, and sums of blocks are added
// in double. Rows are independent of each other and of the number of threads, bit for bit.
#pragma once

#include <cstdint>

namespace propane::cpu {

struct CrossEntropy {
  int64_t rows = 0, vocab = 0;
  int64_t stride = 0;                // from one row of logits to the next, in elements
  const int32_t* targets = nullptr;  // [rows]; a negative target means that the row does not count
  float cap = 0;
  float* nats = nullptr;  // out [rows], 0 where the row does not count; may be null in cross_entropy_grad
};

// Writes nats. Throws Error if a target is beyond the vocabulary, as cross_entropy_grad does.
void cross_entropy(const CrossEntropy& args, const float* logits);

// Writes nats, and turns logits into their gradient: dnats[r] · d nats[r] / d logits[r], 0 where the row does not
// count. dnats is [rows], or one number for all rows if dnats_stride is 0.
void cross_entropy_grad(const CrossEntropy& args, float* logits, const float* dnats, int64_t dnats_stride);

// Turns logits into log-probabilities z − ln Σ exp(z), in place.
void log_softmax(int64_t rows, int64_t vocab, int64_t stride, float cap, float* logits);

// out[r] = the index of the row's largest value, the first of equals; NaNs are passed over.
void argmax(int64_t rows, int64_t vocab, int64_t stride, const float* logits, int32_t* out);

}  // namespace propane::cpu
