#include "backends/cpu/kernels/attention.h"

#include <algorithm>

#include "backends/cpu/kernels/attention_kernels.h"
#include "backends/cpu/kernels/select.h"
#include "base/error.h"
#include "base/threads.h"

namespace propane::cpu {

PROPANE_DISPATCH(AttentionKernels, attention_kernels)

namespace {

// Below this many multiply-adds, waking the other threads costs more than they save.
constexpr int64_t kSmall = 1 << 15;

// Up to here a block's keys may be split over threads; a longer one has tasks enough in its queries.
constexpr int64_t kDecodeRows = 8;

int64_t tiles(int64_t n, int64_t tile) { return (n + tile - 1) / tile; }

void check(const AttentionArgs& args) {
  if (args.n_kv_head <= 0 || args.n_head % args.n_kv_head != 0)
    fail("attention: expected n_kv_head to divide n_head, found {} key heads and {} query heads", args.n_kv_head,
         args.n_head);
  if (!(args.scale > 0)) fail("attention: expected a positive scale, found {}", args.scale);
  if (args.window < 0) fail("attention: expected a window of at least 1 key, or 0 for none, found {}", args.window);
  if (args.head_dim <= 0) fail("attention: expected a positive head_dim, found {}", args.head_dim);
}

void check_scratch(std::span<std::byte> scratch, size_t needed) {
  if (scratch.size() < needed) fail("attention: expected {} bytes of scratch memory, found {}", needed, scratch.size());
}

// Queries of a task: fewer if several heads share its keys, in whole strips of registers.
int64_t query_block(const AttentionArgs& args) {
  const int64_t group = args.n_head / args.n_kv_head;
  return std::min(args.q_len, std::clamp<int64_t>(2 * kQueryBlock / group / 6 * 6, 24, kQueryBlock));
}

// How the forward pass is cut into tasks: batch × key heads × query blocks, and key tiles if those are few.
struct Partition {
  int64_t queries;  // a block
  int64_t blocks;   // of queries
  int64_t tasks;    // without a split over keys
  bool split;
};

Partition partition_of(const AttentionArgs& args) {
  Partition p;
  p.queries = query_block(args);
  p.blocks = tiles(args.q_len, p.queries);
  p.tasks = args.batch * args.n_kv_head * p.blocks;
  p.split = args.q_len <= kDecodeRows && p.tasks < 2 * threads().size() && args.kv_max > kKeyTile;
  return p;
}

size_t aligned(size_t bytes) { return (bytes + 63) / 64 * 64; }

// The block of a task. The blocks of a key head follow one another, so that they find its keys in the cache; the last
// queries come first, since under a causal mask they have the most to do.
AttentionBlock block_of(const AttentionArgs& args, const Partition& p, int64_t task) {
  const int64_t pair = task / p.blocks;
  const int64_t q_begin = (p.blocks - 1 - task % p.blocks) * p.queries;
  AttentionBlock block{
      pair / args.n_kv_head, pair % args.n_kv_head, q_begin, std::min(args.q_len, q_begin + p.queries), 0, 0};
  const KeyRange seen = visible_keys(args, block.b, block.q_begin, block.q_end);
  block.tile_begin = seen.begin / kKeyTile;
  block.tile_end = std::max(block.tile_begin, tiles(seen.end, kKeyTile));
  return block;
}

template <typename Body>
void for_tasks(int64_t count, bool small, Body&& body) {
  if (!small) return threads().parallel_tasks(count, body);
  for (int64_t task = 0; task < count; ++task) body(task, 0);
}

}  // namespace

size_t attention_scratch_bytes(const AttentionArgs& args) {
  const AttentionKernels& kernels = attention_kernels();
  const Partition p = partition_of(args);
  const size_t state = aligned(kernels.state_bytes(args, p.queries));
  const size_t thread = state + aligned(kernels.scratch_bytes(args));
  const int64_t split_states = p.split ? p.tasks * tiles(args.kv_max, kKeyTile) : 0;
  return static_cast<size_t>(threads().size()) * thread + static_cast<size_t>(split_states) * state;
}

void attention(const AttentionArgs& args, HeadRows<float> o, float* lse, std::span<std::byte> scratch) {
  check(args);
  check_scratch(scratch, attention_scratch_bytes(args));
  if (args.batch == 0 || args.q_len == 0) return;
  const AttentionKernels& kernels = attention_kernels();
  const Partition p = partition_of(args);
  const size_t state_size = aligned(kernels.state_bytes(args, p.queries));
  const size_t thread_size = state_size + aligned(kernels.scratch_bytes(args));
  std::byte* memory = scratch.data();
  const auto thread_state = [&](int thread) { return memory + static_cast<size_t>(thread) * thread_size; };

  int64_t longest = 0;  // tiles of any block
  int64_t tile_count = 0;
  for (int64_t task = 0; task < p.tasks; ++task) {
    const AttentionBlock block = block_of(args, p, task);
    longest = std::max(longest, block.tile_end - block.tile_begin);
    tile_count += block.tile_end - block.tile_begin;
  }
  const bool small = tile_count * kKeyTile * args.head_dim * p.queries * (args.n_head / args.n_kv_head) < kSmall;

  if (!p.split || longest <= 1) {
    for_tasks(p.tasks, small, [&](int64_t task, int thread) {
      const AttentionBlock block = block_of(args, p, task);
      std::byte* state = thread_state(thread);
      kernels.accumulate(args, block, state, state + state_size);
      kernels.finish(args, block, state, o, lse);
    });
    return;
  }
  std::byte* states = memory + static_cast<size_t>(threads().size()) * thread_size;
  const auto tile_state = [&](int64_t task, int64_t tile) {
    return states + static_cast<size_t>(task * longest + tile) * state_size;
  };
  for_tasks(p.tasks * longest, small, [&](int64_t part, int thread) {
    AttentionBlock block = block_of(args, p, part / longest);
    block.tile_begin += part % longest;
    if (block.tile_begin >= block.tile_end) return;
    block.tile_end = block.tile_begin + 1;
    kernels.accumulate(args, block, tile_state(part / longest, part % longest), thread_state(thread) + state_size);
  });
  for (int64_t task = 0; task < p.tasks; ++task) {
    AttentionBlock block = block_of(args, p, task);
    const int64_t count = block.tile_end - block.tile_begin;
    block.tile_end = block.tile_begin;
    std::byte* state = thread_state(0);
    kernels.accumulate(args, block, state, state + state_size);  // of no tiles
    for (int64_t tile = 0; tile < count; ++tile)
      kernels.merge(args, block.q_end - block.q_begin, state, tile_state(task, tile));
    kernels.finish(args, block, state, o, lse);
  }
}

size_t attention_grad_scratch_bytes(const AttentionArgs& args) {
  const size_t dots = aligned(static_cast<size_t>(args.batch * args.n_head * args.q_len) * sizeof(float));
  return dots + static_cast<size_t>(threads().size()) * aligned(attention_kernels().grad_scratch_bytes(args));
}

void attention_grad(const AttentionArgs& args, const AttentionGrads& grads, std::span<std::byte> scratch) {
  check(args);
  check_scratch(scratch, attention_grad_scratch_bytes(args));
  if (args.kv_slot) fail("attention: a cache with slots has no gradient");
  const AttentionKernels& kernels = attention_kernels();
  float* dots = reinterpret_cast<float*>(scratch.data());
  std::byte* memory =
      scratch.data() + aligned(static_cast<size_t>(args.batch * args.n_head * args.q_len) * sizeof(float));
  const size_t thread_size = aligned(kernels.grad_scratch_bytes(args));
  const auto thread_scratch = [&](int thread) { return memory + static_cast<size_t>(thread) * thread_size; };

  threads().parallel_for(args.batch * args.n_head, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      kernels.row_dots(args, grads, i / args.n_head, i % args.n_head, dots + i * args.q_len);
  });

  const int64_t pairs = args.batch * args.n_kv_head;
  const int64_t key_tiles = tiles(args.kv_max, kKeyTile), query_tiles = tiles(args.q_len, kQueryTile);
  const auto whole = [&](int64_t pair) {
    return AttentionGradBlock{pair / args.n_kv_head, pair % args.n_kv_head, 0, key_tiles, 0, query_tiles, true, true};
  };
  if (pairs >= 2 * threads().size() || pairs % threads().size() == 0) {
    threads().parallel_tasks(
        pairs, [&](int64_t pair, int thread) { kernels.grad(args, grads, whole(pair), dots, thread_scratch(thread)); });
    return;
  }
  // Too few heads to go round: dk and dv by key tiles, then dq by query tiles, 7 products instead of 5.
  threads().parallel_tasks(pairs * (key_tiles + query_tiles), [&](int64_t task, int thread) {
    AttentionGradBlock block = whole(task % pairs);
    const int64_t tile = task / pairs;
    if (tile < key_tiles) {
      block.write_dq = false;
      block.tile_begin = tile;
      block.tile_end = tile + 1;
    } else {
      block.write_dkv = false;
      block.q_tile_begin = tile - key_tiles;
      block.q_tile_end = block.q_tile_begin + 1;
    }
    kernels.grad(args, grads, block, dots, thread_scratch(thread));
  });
}

}  // namespace propane::cpu
