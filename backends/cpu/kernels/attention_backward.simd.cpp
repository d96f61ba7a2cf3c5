// With p = softmax(scale·q·kᵀ) recomputed from the log-sum-exp, and D[i] = d_o[i]·o[i]:
//   dv = pᵀ·d_o     ds = p ∘ (d_o·vᵀ − D)     dk = scale · dsᵀ·q     dq = scale · ds·k
//
// Every element of dq sums over key tiles in ascending order, every element of dk and dv over query tiles and within
// one over heads: which block of tiles a task takes changes no bit.
#include "backends/cpu/kernels/attention_simd.h"

namespace propane::cpu::PROPANE_TARGET {

namespace {

struct Scratch {
  float* keys_t;    // [head_dim, kKeyTile]
  float* values_t;  // [head_dim, kKeyTile]
  float* keys;      // [kKeyTile, head_dim]
  float* dk;        // [kKeyTile, head_dim], not yet times scale
  float* dv;        // [kKeyTile, head_dim]
  float* queries;   // [kQueryTile, head_dim]
  float* d_o;       // [kQueryTile, head_dim]
  float* p;         // [kQueryTile, kKeyTile]
  float* ds;        // [kQueryTile, kKeyTile]
  float* dq;        // [kRows, head_dim], not yet times scale
};

Scratch scratch_of(const AttentionArgs& args, void* memory) {
  const int64_t ld = tile_ld(args.head_dim), key_ld = tile_ld(kKeyTile);
  float* at = static_cast<float*>(memory);
  Scratch s;
  s.keys_t = take(at, args.head_dim * key_ld);
  s.values_t = take(at, args.head_dim * key_ld);
  s.keys = take(at, kKeyTile * ld);
  s.dk = take(at, kKeyTile * ld);
  s.dv = take(at, kKeyTile * ld);
  s.queries = take(at, kQueryTile * ld);
  s.d_o = take(at, kQueryTile * ld);
  s.p = take(at, kQueryTile * key_ld);
  s.ds = take(at, kQueryTile * key_ld);
  s.dq = take(at, kRows * ld);
  return s;
}

PROPANE_INLINE void zero_columns(float* row, int64_t from, int64_t to) {
  for (int64_t c = from; c < to; c += kLanes) store(row + c, Vec{});
}

// to = scale · from, or to += scale · from.
template <bool kAdd>
PROPANE_INLINE void write_row(const float* from, float scale, int64_t n, float* to) {
  int64_t c = 0;
  for (; c + kLanes <= n; c += kLanes) store(to + c, load(from + c) * scale + (kAdd ? load(to + c) : Vec{}));
  if (c == n) return;
  const int left = static_cast<int>(n - c);
  store_part(to + c, load(from + c) * scale + (kAdd ? load_part(to + c, left) : Vec{}), left);
}

// p and ds of one strip of queries against one tile of keys, 0 where unseen, in whole rows of the tile.
void strip_scores(const AttentionArgs& args, const Scratch& s, const float* lse, const float* row_dots,
                  const KeyRange* seen, int64_t first, int rows, int64_t tile) {
  const int64_t ld = tile_ld(args.head_dim), key_ld = tile_ld(kKeyTile);
  const float* queries = s.queries + first * ld;
  const float* d_o = s.d_o + first * ld;
  float *p = s.p + first * key_ld, *ds = s.ds + first * key_ld;
  const KeyRange all = hull(seen + first, rows, tile, tile + kKeyTile);
  const int64_t from = (all.begin - tile) / kLanes * kLanes, to = round_up(all.end - tile, kLanes);
  if (from < to) {
    strip_product(rows, to - from, args.head_dim, queries, ld, 1, s.keys_t + from, key_ld, p + from, key_ld, false);
    strip_product(rows, to - from, args.head_dim, d_o, ld, 1, s.values_t + from, key_ld, ds + from, key_ld, false);
  }
  const float log2_scale = args.scale * kLog2E;
  for (int r = 0; r < rows; ++r, p += key_ld, ds += key_ld) {
    const KeyRange own = within(seen[first + r], tile, tile + kKeyTile);
    const int64_t own_from = own.begin - tile, own_to = own.end - tile;
    const float log2_lse = lse[first + r] * kLog2E, dot = row_dots[first + r];
    const int64_t begin = own_from == own_to ? 0 : own_from / kLanes * kLanes;
    const int64_t end = own_from == own_to ? 0 : round_up(own_to, kLanes);
    zero_columns(p, 0, begin);
    zero_columns(ds, 0, begin);
    const bool partial = begin != own_from || end != own_to;
    for (int64_t c = begin; c < end; c += kLanes) {
      Vec probability = exp2(load(p + c) * log2_scale - log2_lse);
      Vec gradient = probability * (load(ds + c) - dot);
      if (partial) {
        const IVec mask = lanes_within(c, own_from, own_to);
        probability = select(mask, probability, Vec{});
        gradient = select(mask, gradient, Vec{});
      }
      store(p + c, probability);
      store(ds + c, gradient);
    }
    zero_columns(p, end, kKeyTile);
    zero_columns(ds, end, kKeyTile);
  }
}

// dk and dv of the tile's `keys` keys from one tile of `count` queries.
void add_key_grads(const AttentionArgs& args, const Scratch& s, const KeyRange* seen, int64_t count, int64_t tile,
                   int64_t keys) {
  const int64_t ld = tile_ld(args.head_dim), key_ld = tile_ld(kKeyTile), columns = round_up(args.head_dim, kLanes);
  for (int64_t j = 0; j < keys; j += kRows) {
    const int rows = keys - j < kRows ? static_cast<int>(keys - j) : kRows;
    // The queries from the first to the last that sees any of these keys.
    int64_t begin = 0, end = count;
    const auto sees = [&](int64_t i) { return seen[i].begin < tile + j + rows && seen[i].end > tile + j; };
    while (begin < end && !sees(begin)) ++begin;
    while (begin < end && !sees(end - 1)) --end;
    if (begin == end) continue;
    strip_product(rows, columns, end - begin, s.p + begin * key_ld + j, 1, key_ld, s.d_o + begin * ld, ld,
                  s.dv + j * ld, ld, true);
    strip_product(rows, columns, end - begin, s.ds + begin * key_ld + j, 1, key_ld, s.queries + begin * ld, ld,
                  s.dk + j * ld, ld, true);
  }
}

// dq of one tile of queries from one tile of keys, the first of which that any query sees is `first_key`.
void add_query_grads(const AttentionArgs& args, const Scratch& s, const KeyRange* seen, int64_t count, int64_t tile,
                     int64_t first_key, HeadRows<float> dq, int64_t b, int64_t i, int64_t head) {
  const int64_t ld = tile_ld(args.head_dim), key_ld = tile_ld(kKeyTile), columns = round_up(args.head_dim, kLanes);
  for (int64_t r = 0; r < count; r += kRows) {
    const int rows = count - r < kRows ? static_cast<int>(count - r) : kRows;
    const KeyRange all = hull(seen + r, rows, tile, tile + kKeyTile);
    if (all.begin == all.end) continue;
    const int64_t from = all.begin - tile;
    strip_product(rows, columns, all.end - all.begin, s.ds + r * key_ld + from, key_ld, 1,
                  s.keys + (all.begin - first_key) * ld, ld, s.dq, ld, false);
    for (int k = 0; k < rows; ++k) write_row<true>(s.dq + k * ld, args.scale, args.head_dim, dq.at(b, i + r + k, head));
  }
}

}  // namespace

size_t attention_grad_scratch_bytes(const AttentionArgs& args) {
  const int64_t ld = tile_ld(args.head_dim), key_ld = tile_ld(kKeyTile);
  return static_cast<size_t>(2 * (args.head_dim + kQueryTile) * key_ld + (3 * kKeyTile + 2 * kQueryTile + kRows) * ld) *
         sizeof(float);
}

void attention_row_dots(const AttentionArgs& args, const AttentionGrads& grads, int64_t b, int64_t h, float* row_dots) {
  for (int64_t i = 0; i < args.q_len; ++i) {
    const float *o = grads.o.at(b, i, h), *d_o = grads.d_o.at(b, i, h);
    Vec total{};
    int64_t c = 0;
    for (; c + kLanes <= args.head_dim; c += kLanes) total = fma(load(o + c), load(d_o + c), total);
    const int left = static_cast<int>(args.head_dim - c);
    if (left) total = fma(load_part(o + c, left), load_part(d_o + c, left), total);
    row_dots[i] = sum(total);
  }
}

void attention_grad_block(const AttentionArgs& args, const AttentionGrads& grads, const AttentionGradBlock& block,
                          const float* row_dots, void* scratch_memory) {
  const int64_t group = args.n_head / args.n_kv_head, ld = tile_ld(args.head_dim), key_ld = tile_ld(kKeyTile);
  const Scratch s = scratch_of(args, scratch_memory);
  const int64_t q_first = block.q_tile_begin * kQueryTile;
  const int64_t q_last = block.q_tile_end * kQueryTile < args.q_len ? block.q_tile_end * kQueryTile : args.q_len;
  if (block.write_dq) {
    for (int64_t i = q_first; i < q_last; ++i)
      for (int64_t h = 0; h < group; ++h)
        std::memset(grads.dq.at(block.b, i, block.kv_head * group + h), 0,
                    static_cast<size_t>(args.head_dim) * sizeof(float));
  }
  const KeyRange any = visible_keys(args, block.b, q_first, q_last);
  for (int64_t tile = block.tile_begin * kKeyTile; tile < block.tile_end * kKeyTile; tile += kKeyTile) {
    const int64_t rows = args.kv_max - tile < kKeyTile ? args.kv_max - tile : kKeyTile;
    // Keys in use, from a whole vector's first on: the others' contents may be anything.
    const KeyRange used = within(any, tile, tile + kKeyTile);
    const int64_t first = used.begin / kLanes * kLanes, keys = used.end - first;
    if (block.write_dkv) {
      std::memset(s.dk, 0, static_cast<size_t>(kKeyTile * ld) * sizeof(float));
      std::memset(s.dv, 0, static_cast<size_t>(kKeyTile * ld) * sizeof(float));
    }
    if (used.begin < used.end) {
      const float* k = args.k.at(block.b, first, block.kv_head);
      const float* v = args.v.at(block.b, first, block.kv_head);
      transpose_tile(k, args.k.row, keys, args.head_dim, s.keys_t + (first - tile), key_ld);
      transpose_tile(v, args.v.row, keys, args.head_dim, s.values_t + (first - tile), key_ld);
      if (block.write_dq) copy_tile(k, args.k.row, keys, args.head_dim, s.keys, ld);
    }
    for (int64_t i = q_first; i < q_last; i += kQueryTile) {
      const int64_t count = q_last - i < kQueryTile ? q_last - i : kQueryTile;
      KeyRange seen[kQueryTile];
      for (int64_t r = 0; r < count; ++r) seen[r] = visible_keys(args, block.b, i + r);
      const KeyRange all = hull(seen, static_cast<int>(count), tile, tile + kKeyTile);
      if (all.begin == all.end) continue;
      for (int64_t h = 0; h < group; ++h) {
        const int64_t head = block.kv_head * group + h, at = (block.b * args.n_head + head) * args.q_len + i;
        copy_tile(args.q.at(block.b, i, head), args.q.row, count, args.head_dim, s.queries, ld);
        copy_tile(grads.d_o.at(block.b, i, head), grads.d_o.row, count, args.head_dim, s.d_o, ld);
        // The queries that come next (this head's following tile) are fetched while these are computed.
        const int64_t next = i + count < q_last ? i + count : i;
        for (int64_t r = 0; r < count; r += kRows) {
          const int strip = count - r < kRows ? static_cast<int>(count - r) : kRows;
          const int64_t ahead = next + r + strip < q_last ? strip : 0;
          prefetch_rows(args.q.at(block.b, next + r, head), args.q.row, ahead, args.head_dim);
          prefetch_rows(grads.d_o.at(block.b, next + r, head), grads.d_o.row, ahead, args.head_dim);
          strip_scores(args, s, grads.lse + at, row_dots + at, seen, r, strip, tile);
        }
        if (block.write_dkv) add_key_grads(args, s, seen, count, tile, all.end - tile);
        if (block.write_dq) add_query_grads(args, s, seen, count, tile, first, grads.dq, block.b, i, head);
      }
    }
    if (block.write_dkv) {
      for (int64_t j = 0; j < rows; ++j) {
        write_row<false>(s.dk + j * ld, args.scale, args.head_dim, grads.dk.at(block.b, tile + j, block.kv_head));
        write_row<false>(s.dv + j * ld, 1.0f, args.head_dim, grads.dv.at(block.b, tile + j, block.kv_head));
      }
    }
  }
}

}  // namespace propane::cpu::PROPANE_TARGET
