// Scaled dot-product attention, exact, in tiles: training, prefill and decoding in one operation.
//
//   o[b,i,h] = Σ_j softmax_j(scale · q[b,i,h]·k[b,j,h']) · v[b,j,h']      h' = h · n_kv_head / n_head
//
// over the keys j that query i sees: max(0, doc_start[b,i], pos − window + 1) <= j < min(pos + 1, kv_len[b]), with
// pos = q_pos[b,i]. Tiles that no query sees are neither read nor computed. All is float32.
//
// A query's output bits depend on its own q, k and v rows alone: not on q_len, the batch, the other queries or the
// number of threads. So a decoded token attends exactly as it did, or would, in a prefill.
//
// After FlashAttention-2 (Dao 2023), with one difference: every tile of 128 keys has its own softmax, and the tiles
// are merged in ascending order, so that a long cache may be split over threads without a change of bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "backends/cpu/kernels/rows.h"

namespace propane::cpu {

struct AttentionArgs {
  int64_t batch = 0;
  int64_t q_len = 0;
  int64_t kv_max = 0;  // rows that k and v hold for a batch row
  int64_t n_head = 0;
  int64_t n_kv_head = 0;  // divides n_head
  int64_t head_dim = 0;
  float scale = 1.0f;    // > 0
  float softcap = 0.0f;  // scaled scores become softcap·tanh(score/softcap); 0: they are left. Forward only.
  int64_t window = 0;    // how many keys a query sees at most, its own included; 0: no limit

  HeadRows<const float> q;  // [batch, q_len, n_head, head_dim]
  HeadRows<const float> k;  // [batch, kv_max, n_kv_head, head_dim]
  HeadRows<const float> v;  // the same shape

  const float* sinks = nullptr;  // [n_head] the score of one more key, seen by all, whose value is 0. Forward only.

  const int32_t* q_pos = nullptr;      // [batch, q_len] the position of each query; null: its index
  const int32_t* doc_start = nullptr;  // [batch, q_len] the first position of the query's document; null: 0
  const int32_t* kv_len = nullptr;     // [batch] rows of k and v in use; null: kv_max. Later rows are never read.
  const int32_t* kv_slot = nullptr;    // [batch] which batch row of k and v to take; null: the same. Forward only.
};

struct AttentionGrads {
  HeadRows<const float> o;     // what the forward pass wrote
  const float* lse = nullptr;  // its lse
  HeadRows<const float> d_o;   // the gradient of o
  HeadRows<float> dq, dk, dv;  // overwritten in whole, unseen keys' rows with 0
};

// Writes o [batch, q_len, n_head, head_dim] and, unless null, lse [batch, n_head, q_len]: the natural logarithm of the
// softmax's denominator. A query that sees no key gets o = 0 and lse = −infinity.
// `scratch` holds attention_scratch_bytes(args) bytes, aligned to 64.
// Throws Error on impossible shapes or too small a scratch, as attention_grad does.
void attention(const AttentionArgs& args, HeadRows<float> o, float* lse, std::span<std::byte> scratch);
size_t attention_scratch_bytes(const AttentionArgs& args);

// The gradients of q, k and v.
void attention_grad(const AttentionArgs& args, const AttentionGrads& grads, std::span<std::byte> scratch);
size_t attention_grad_scratch_bytes(const AttentionArgs& args);

}  // namespace propane::cpu
