// Looking rows up in a table, and the gradient of that: adding rows up by id. And writing rows into a KV cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "backends/cpu/kernels/rows.h"

namespace propane::cpu {

// out[t] = table[ids[t]]. Throws Error on an id outside the table, as embedding_grad does.
struct Embedding {
  int64_t tokens = 0, vocab = 0, dim = 0;
  const int32_t* ids = nullptr;  // [tokens]
  const void* table = nullptr;   // [vocab, dim], float32 or bf16
  bool table_is_bf16 = false;
  Rows<float> out;  // [tokens, dim]
};
void embedding(const Embedding& args);

// dtable[id] = Σ dy[t] over the tokens t with that id, in ascending order; with `accumulate` += .
struct EmbeddingGrad {
  int64_t tokens = 0, vocab = 0, dim = 0;
  const int32_t* ids = nullptr;
  Rows<const float> dy;     // [tokens, dim]
  float* dtable = nullptr;  // [vocab, dim]
  bool accumulate = false;  // otherwise ids without a token get zeros
};
void embedding_grad(const EmbeddingGrad& args, std::span<std::byte> scratch);
size_t embedding_grad_scratch_bytes(int64_t tokens, int64_t vocab);

// cache[slot[b], positions[b,t], h] = rows[b,t,h]. A negative position leaves its row out; a position at or beyond
// cache_rows throws Error.
struct KvWrite {
  int64_t batch = 0, count = 0;  // rows to write for each batch row
  int64_t n_kv_head = 0, head_dim = 0;
  int64_t cache_rows = 0;              // for each slot
  HeadRows<const float> rows;          // [batch, count, n_kv_head, head_dim]
  HeadRows<float> cache;               // [slots, cache_rows, n_kv_head, head_dim]
  const int32_t* positions = nullptr;  // [batch, count]
  const int32_t* slot = nullptr;       // [batch]; null: b
};
void kv_write(const KvWrite& args);

}  // namespace propane::cpu
