// What attention.cpp shares among threads and attention_*.simd.cpp computes.
#pragma once

#include "backends/cpu/kernels/attention.h"

namespace propane::cpu {

constexpr int64_t kKeyTile = 128;     // keys that share a softmax; part of the result's definition
constexpr int64_t kQueryBlock = 192;  // queries of a forward task at most
constexpr int64_t kQueryTile = 96;    // queries of a backward step

// The keys [begin, end) that a query sees; empty if begin == end.
struct KeyRange {
  int64_t begin = 0, end = 0;
};

[[gnu::always_inline]] inline KeyRange visible_keys(const AttentionArgs& args, int64_t b, int64_t i) {
  const int64_t pos = args.q_pos ? args.q_pos[b * args.q_len + i] : i;
  int64_t begin = args.doc_start ? args.doc_start[b * args.q_len + i] : 0;
  if (args.window > 0 && begin < pos - args.window + 1) begin = pos - args.window + 1;
  if (begin < 0) begin = 0;
  int64_t end = args.kv_len ? args.kv_len[b] : args.kv_max;
  if (end > args.kv_max) end = args.kv_max;
  if (end > pos + 1) end = pos + 1;
  return {begin, end < begin ? begin : end};
}

// The smallest range that holds what the queries [q_begin, q_end) see.
[[gnu::always_inline]] inline KeyRange visible_keys(const AttentionArgs& args, int64_t b, int64_t q_begin,
                                                    int64_t q_end) {
  KeyRange all{INT64_MAX, 0};
  for (int64_t i = q_begin; i < q_end; ++i) {
    const KeyRange one = visible_keys(args, b, i);
    if (one.begin == one.end) continue;
    if (one.begin < all.begin) all.begin = one.begin;
    if (one.end > all.end) all.end = one.end;
  }
  return all.end == 0 ? KeyRange{} : all;
}

// The batch row of k and v that belongs to a batch row of q.
[[gnu::always_inline]] inline int64_t kv_row(const AttentionArgs& args, int64_t b) {
  return args.kv_slot ? args.kv_slot[b] : b;
}

// A task of the forward pass: some queries of all the heads that share a key head, and a range of key tiles.
struct AttentionBlock {
  int64_t b, kv_head;
  int64_t q_begin, q_end;
  int64_t tile_begin, tile_end;  // in key tiles
};

// A task of the backward pass: one key head, ranges of key tiles and of query tiles.
struct AttentionGradBlock {
  int64_t b, kv_head;
  int64_t tile_begin, tile_end;      // in key tiles
  int64_t q_tile_begin, q_tile_end;  // in query tiles
  bool write_dq, write_dkv;
};

struct AttentionKernels {
  // Bytes of scratch that one thread needs in `accumulate` or in `grad`.
  size_t (*scratch_bytes)(const AttentionArgs&);
  size_t (*grad_scratch_bytes)(const AttentionArgs&);

  // The state of a block: for each of its rows the unnormalised output, the largest score and the denominator.
  size_t (*state_bytes)(const AttentionArgs&, int64_t q_count);
  // state = the block's tiles merged in order.
  void (*accumulate)(const AttentionArgs&, const AttentionBlock&, void* state, void* scratch);
  // state = state merged with `next`, the state of later tiles.
  void (*merge)(const AttentionArgs&, int64_t q_count, void* state, const void* next);
  void (*finish)(const AttentionArgs&, const AttentionBlock&, const void* state, HeadRows<float> o, float* lse);

  // row_dots[i] = d_o[b,i,h]·o[b,i,h] for all i.
  void (*row_dots)(const AttentionArgs&, const AttentionGrads&, int64_t b, int64_t h, float* row_dots);
  // `row_dots` is [batch, n_head, q_len].
  void (*grad)(const AttentionArgs&, const AttentionGrads&, const AttentionGradBlock&, const float* row_dots,
               void* scratch);
};

const AttentionKernels& attention_kernels();

}  // namespace propane::cpu
