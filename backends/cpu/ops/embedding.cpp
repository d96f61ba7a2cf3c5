// Lookups, on kernels/embedding.h.

#include "backends/cpu/kernels/embedding.h"

#include <algorithm>

#include "backends/cpu/ops/op.h"
#include "base/error.h"
#include "quant/dequantize.h"

namespace propane::cpu {

namespace {

// Rows of a table in the blocks of a file, as they lie there.
Compiled compile_block_embedding(const StepView& s) {
  const int table = s.in(0), ids = s.in(1), out = s.out(0);
  const DType type = s.type(table).dtype;
  const int64_t tokens = s.shape(ids).count(), vocab = s.shape(table)[0], dim = s.shape(table)[1];
  const size_t row = row_bytes(type, dim);
  return {[=](const Memory& m) {
    for (int64_t t = 0; t < tokens; ++t) {
      const int32_t id = m.i32(ids)[t];
      if (id < 0 || id >= vocab) fail("embedding: token {} is outside the table of {}", id, vocab);
      quant::dequantize(type, {m.at<std::byte>(table) + static_cast<size_t>(id) * row, row},
                        {m.f32(out) + t * dim, static_cast<size_t>(dim)});
    }
  }};
}

Compiled compile_embedding(const StepView& s) {
  const int table = s.in(0), ids = s.in(1), out = s.out(0);
  if (is_block(s.type(table).dtype) || s.type(table).dtype == DType::f16) return compile_block_embedding(s);
  Embedding call;
  call.tokens = s.shape(ids).count(), call.vocab = s.shape(table)[0], call.dim = s.shape(table)[1];
  call.table_is_bf16 = s.type(table).dtype == DType::bf16;
  return {[=](const Memory& m) {
    Embedding args = call;
    args.ids = m.i32(ids);
    args.table = m.at<void>(table);
    args.out = {m.f32(out), call.dim};
    embedding(args);
  }};
}

Compiled compile_embedding_grad(const StepView& s) {
  const int ids = s.in(0), dy = s.in(1), into = s.in(2), keep = s.in(3);
  const int out = into >= 0 ? into : s.out(0);
  EmbeddingGrad call;
  call.tokens = s.shape(ids).count(), call.vocab = s.integer("vocab"), call.dim = s.shape(dy).dim(-1);
  return {[=](const Memory& m) {
            EmbeddingGrad args = call;
            args.ids = m.i32(ids);
            args.dy = {m.f32(dy), call.dim};
            args.dtable = m.f32(out);
            args.accumulate = into >= 0 && (keep < 0 || *m.f64(keep) != 0.0);
            embedding_grad(args, m.scratch);
          },
          embedding_grad_scratch_bytes(call.tokens, call.vocab)};
}

Compiled compile_gather_rows(const StepView& s) {
  const int x = s.in(0), index = s.in(1), y = s.out(0);
  const int64_t batch = s.shape(x)[0], len = s.shape(x)[1], dim = s.shape(x)[2];
  return {[=](const Memory& m) {
    for (int64_t b = 0; b < batch; ++b) {
      const int32_t at = m.i32(index)[b];
      if (at < 0 || at >= len) fail("gather_rows: row {} is outside the sequence of {}", at, len);
      std::copy_n(m.f32(x) + (b * len + at) * dim, dim, m.f32(y) + b * dim);
    }
  }};
}

}  // namespace

std::span<const OpEntry> embedding_entries() {
  static const OpEntry entries[] = {{"embedding", compile_embedding},
                                    {"embedding_grad", compile_embedding_grad},
                                    {"gather_rows", compile_gather_rows}};
  return entries;
}

}  // namespace propane::cpu
