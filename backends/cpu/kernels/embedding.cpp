#include "backends/cpu/kernels/embedding.h"

#include <algorithm>
#include <cstring>

#include "backends/cpu/kernels/embedding_kernels.h"
#include "backends/cpu/kernels/select.h"
#include "base/error.h"
#include "base/threads.h"

namespace propane::cpu {

PROPANE_DISPATCH(EmbeddingKernels, embedding_kernels)

namespace {

void check_ids(const int32_t* ids, int64_t tokens, int64_t vocab) {
  for (int64_t t = 0; t < tokens; ++t)
    if (ids[t] < 0 || ids[t] >= vocab)
      fail("embedding: expected ids from 0 to {}, found {} at token {}", vocab - 1, ids[t], t);
}

int64_t row_grain(int64_t dim) { return std::max<int64_t>(1, 4096 / std::max<int64_t>(1, dim)); }

}  // namespace

void embedding(const Embedding& args) {
  check_ids(args.ids, args.tokens, args.vocab);
  threads().parallel_for(args.tokens, row_grain(args.dim),
                         [&](int64_t begin, int64_t end) { embedding_kernels().gather(args, begin, end); });
}

size_t embedding_grad_scratch_bytes(int64_t tokens, int64_t vocab) {
  return static_cast<size_t>(vocab + 1 + tokens) * sizeof(int32_t);
}

void embedding_grad(const EmbeddingGrad& args, std::span<std::byte> scratch) {
  const size_t needed = embedding_grad_scratch_bytes(args.tokens, args.vocab);
  if (scratch.size() < needed) fail("embedding: expected {} bytes of scratch memory, found {}", needed, scratch.size());
  check_ids(args.ids, args.tokens, args.vocab);
  // A counting sort of the tokens by id: afterwards start[id] is where the id's tokens begin in `order`.
  int32_t* start = reinterpret_cast<int32_t*>(scratch.data());
  int32_t* order = start + args.vocab + 1;
  std::fill(start, start + args.vocab + 1, 0);
  for (int64_t t = 0; t < args.tokens; ++t) ++start[args.ids[t]];
  int32_t sum = 0;
  for (int64_t id = 0; id <= args.vocab; ++id) {
    sum += start[id];
    start[id] = sum;
  }
  for (int64_t t = args.tokens; t-- > 0;) order[--start[args.ids[t]]] = static_cast<int32_t>(t);

  // Threads own ranges of ids with about equal work: an id costs one row for itself and one for each of its tokens.
  const auto work_before = [&](int64_t id) { return id + start[id]; };
  const int64_t total = args.vocab + args.tokens, parts = threads().size();
  const auto range_begin = [&](int64_t part) {
    int64_t low = 0, high = args.vocab;
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (work_before(middle) < total * part / parts) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  threads().run([&](int thread) {
    embedding_kernels().scatter(args, start, order, range_begin(thread),
                                thread + 1 == parts ? args.vocab : range_begin(thread + 1));
  });
}

void kv_write(const KvWrite& args) {
  for (int64_t i = 0; i < args.batch * args.count; ++i)
    if (args.positions[i] >= args.cache_rows)
      fail("kv_write: expected positions below the cache's {} rows, found {}", args.cache_rows, args.positions[i]);
  const int64_t grain = row_grain(args.n_kv_head * args.head_dim);
  threads().parallel_for(args.batch * args.count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / args.count, position = args.positions[i];
      if (position < 0) continue;
      for (int64_t h = 0; h < args.n_kv_head; ++h)
        std::memcpy(args.cache.at(args.slot ? args.slot[b] : b, position, h), args.rows.at(b, i % args.count, h),
                    static_cast<size_t>(args.head_dim) * sizeof(float));
    }
  });
}

}  // namespace propane::cpu
