#include "backends/cpu/kernels/attention_simd.h"

namespace propane::cpu::PROPANE_TARGET {

namespace {

// Below every score that a finite query and key have; the largest score of no keys.
constexpr float kNoScore = -1e30f;

// The rows of a block, head by head: rows of output, then each row's largest score (in units of log2) and denominator.
struct State {
  float* output;
  float* largest;
  float* denominator;
  int64_t ld;
};

int64_t block_rows(const AttentionArgs& args, int64_t q_count) { return args.n_head / args.n_kv_head * q_count; }

State state_of(const AttentionArgs& args, int64_t q_count, void* memory) {
  const int64_t rows = block_rows(args, q_count), ld = tile_ld(args.head_dim);
  float* output = static_cast<float*>(memory);
  return {output, output + rows * ld, output + rows * ld + rows, ld};
}

size_t state_bytes(const AttentionArgs& args, int64_t q_count) {
  const int64_t rows = block_rows(args, q_count);
  return static_cast<size_t>(round_up(rows * tile_ld(args.head_dim) + 2 * rows, 16)) * sizeof(float);
}

struct Scratch {
  float* keys;    // [head_dim, kKeyTile] the tile's keys, transposed
  float* values;  // [kKeyTile, head_dim]
  float* scores;  // [kRows, kKeyTile]
  float* sums;    // [kRows, head_dim] probabilities · values
};

Scratch scratch_of(const AttentionArgs& args, void* memory) {
  const int64_t ld = tile_ld(args.head_dim), key_ld = tile_ld(kKeyTile);
  float* p = static_cast<float*>(memory);
  Scratch s;
  s.keys = take(p, args.head_dim * key_ld);
  s.values = take(p, kKeyTile * ld);
  s.scores = take(p, kRows * key_ld);
  s.sums = take(p, kRows * ld);
  return s;
}

size_t scratch_bytes(const AttentionArgs& args) {
  const int64_t ld = tile_ld(args.head_dim), key_ld = tile_ld(kKeyTile);
  return static_cast<size_t>((args.head_dim + kRows) * key_ld + (kKeyTile + kRows) * ld) * sizeof(float);
}

// Adds a tile's unnormalised output to a row's. With fma() spelt out, so that every caller gets the same bits.
void merge_row(float* output, float& largest, float& denominator, const float* next_output, float next_largest,
               float next_denominator, int64_t columns) {
  const float m = largest > next_largest ? largest : next_largest;
  const Vec keep = exp2(broadcast(largest - m)), take_next = exp2(broadcast(next_largest - m));
  for (int64_t c = 0; c < columns; c += kLanes)
    store(output + c, fma(load(output + c), keep, load(next_output + c) * take_next));
  denominator = fma(broadcast(denominator), keep, next_denominator * take_next)[0];
  largest = m;
}

struct Softmax {
  float largest;  // in units of log2
  float denominator;
};

// Turns the scores [begin, end) of a row into exponentials, and the others of its whole vectors in [from, to) into 0.
template <bool kPartial>
PROPANE_INLINE Softmax exponentials(float* scores, float log2_scale, int64_t from, int64_t to, int64_t begin,
                                    int64_t end) {
  Vec largest = broadcast(-__builtin_inff());
  for (int64_t c = from; c < to; c += kLanes) {
    Vec s = load(scores + c);
    if constexpr (kPartial) s = select(lanes_within(c, begin, end), s, broadcast(-__builtin_inff()));
    largest = max(largest, s);
  }
  largest = broadcast(max_lane(largest) * log2_scale);
  Vec total{};
  for (int64_t c = from; c < to; c += kLanes) {
    Vec p = exp2(fma(load(scores + c), broadcast(log2_scale), -largest));
    if constexpr (kPartial) p = select(lanes_within(c, begin, end), p, Vec{});
    store(scores + c, p);
    total += p;
  }
  return {largest[0], sum(total)};
}

// Capped scores are kept in the units of q·k, so that what follows scales them as it scales any.
PROPANE_INLINE void cap_scores(float* scores, float scale, float softcap, int64_t from, int64_t to) {
  for (int64_t c = from; c < to; c += kLanes)
    store(scores + c, (softcap / scale) * tanh(load(scores + c) * (scale / softcap)));
}

// One strip of rows against one tile of keys.
void strip_forward(const AttentionArgs& args, const Scratch& s, const float* queries, const float* values,
                   int64_t value_ld, const KeyRange* seen, int rows, int64_t tile, const State& state, int64_t row) {
  const int64_t columns = round_up(args.head_dim, kLanes), key_ld = tile_ld(kKeyTile);
  const KeyRange all = hull(seen, rows, tile, tile + kKeyTile);
  if (all.begin == all.end) return;
  const int64_t from = (all.begin - tile) / kLanes * kLanes, end = all.end - tile, to = round_up(end, kLanes);
  strip_product(rows, to - from, args.head_dim, queries, args.q.row, 1, s.keys + from, key_ld, s.scores + from, key_ld,
                false);
  Softmax softmax[kRows];
  const float log2_scale = args.scale * kLog2E;
  for (int r = 0; r < rows; ++r) {
    float* scores = s.scores + r * key_ld;
    if (args.softcap > 0) cap_scores(scores, args.scale, args.softcap, from, to);
    const KeyRange own = within(seen[r], tile, tile + kKeyTile);
    if (own.begin == own.end) {
      for (int64_t c = from; c < to; c += kLanes) store(scores + c, Vec{});
    } else if (own.begin - tile == from && own.end - tile == to) {
      softmax[r] = exponentials<false>(scores, log2_scale, from, to, from, to);
    } else {
      softmax[r] = exponentials<true>(scores, log2_scale, from, to, own.begin - tile, own.end - tile);
    }
  }
  strip_product(rows, columns, end - from, s.scores + from, key_ld, 1, values + from * value_ld, value_ld, s.sums,
                state.ld, false);
  for (int r = 0; r < rows; ++r) {
    const KeyRange own = within(seen[r], tile, tile + kKeyTile);
    if (own.begin == own.end) continue;
    merge_row(state.output + (row + r) * state.ld, state.largest[row + r], state.denominator[row + r],
              s.sums + r * state.ld, softmax[r].largest, softmax[r].denominator, columns);
  }
}

void accumulate(const AttentionArgs& args, const AttentionBlock& block, void* state_memory, void* scratch_memory) {
  const int64_t group = args.n_head / args.n_kv_head, count = block.q_end - block.q_begin, rows = group * count;
  const int64_t kv_b = kv_row(args, block.b);
  const State state = state_of(args, count, state_memory);
  const Scratch s = scratch_of(args, scratch_memory);
  std::memset(state.output, 0, static_cast<size_t>(rows * state.ld) * sizeof(float));
  std::memset(state.denominator, 0, static_cast<size_t>(rows) * sizeof(float));
  for (int64_t r = 0; r < rows; ++r) state.largest[r] = kNoScore;

  KeyRange seen[kQueryBlock];
  for (int64_t i = 0; i < count; ++i) seen[i] = visible_keys(args, block.b, block.q_begin + i);
  const int64_t ld = tile_ld(args.head_dim);
  // A few rows, as in decoding, read the values in place: a copy would cost more than it saves.
  const bool copy_values = rows > 4 * kRows || args.head_dim % kLanes != 0;
  for (int64_t tile = block.tile_begin * kKeyTile; tile < block.tile_end * kKeyTile; tile += kKeyTile) {
    const KeyRange all = hull(seen, static_cast<int>(count), tile, tile + kKeyTile);
    if (all.begin == all.end) continue;
    const int64_t from = (all.begin - tile) / kLanes * kLanes, keys = all.end - tile - from;
    transpose_tile(args.k.at(kv_b, tile + from, block.kv_head), args.k.row, keys, args.head_dim, s.keys + from,
                   tile_ld(kKeyTile));
    const float* values = args.v.at(kv_b, tile, block.kv_head);
    int64_t value_ld = args.v.row;
    if (copy_values) {
      copy_tile(values + from * args.v.row, args.v.row, keys, args.head_dim, s.values + from * ld, ld);
      values = s.values;
      value_ld = ld;
    }
    // While this tile is computed the next one comes in, some rows with every strip: their stride defeats the hardware.
    const KeyRange next = hull(seen, static_cast<int>(count), tile + kKeyTile, tile + 2 * kKeyTile);
    const int64_t share = (next.end - next.begin) / (group * ((count + kRows - 1) / kRows)) + 1;
    int64_t coming = next.begin;
    for (int64_t h = 0; h < group; ++h) {
      const float* queries = args.q.at(block.b, block.q_begin, block.kv_head * group + h);
      for (int64_t i = 0; i < count; i += kRows) {
        const int strip = count - i < kRows ? static_cast<int>(count - i) : kRows;
        const int64_t ahead = next.end - coming < share ? next.end - coming : share;
        prefetch_rows(args.k.at(kv_b, coming, block.kv_head), args.k.row, ahead, args.head_dim);
        prefetch_rows(args.v.at(kv_b, coming, block.kv_head), args.v.row, ahead, args.head_dim);
        coming += ahead;
        strip_forward(args, s, queries + i * args.q.row, values, value_ld, seen + i, strip, tile, state, h * count + i);
      }
    }
  }
}

void merge(const AttentionArgs& args, int64_t q_count, void* state_memory, const void* next_memory) {
  const State state = state_of(args, q_count, state_memory);
  const State next = state_of(args, q_count, const_cast<void*>(next_memory));
  for (int64_t r = 0; r < block_rows(args, q_count); ++r)
    merge_row(state.output + r * state.ld, state.largest[r], state.denominator[r], next.output + r * next.ld,
              next.largest[r], next.denominator[r], round_up(args.head_dim, kLanes));
}

void finish(const AttentionArgs& args, const AttentionBlock& block, const void* state_memory, HeadRows<float> o,
            float* lse) {
  const int64_t group = args.n_head / args.n_kv_head, count = block.q_end - block.q_begin;
  const State state = state_of(args, count, const_cast<void*>(state_memory));
  for (int64_t r = 0; r < group * count; ++r) {
    const int64_t head = block.kv_head * group + r / count, i = block.q_begin + r % count;
    float largest = state.largest[r], denominator = state.denominator[r];
    Vec inverse = broadcast(denominator == 0.0f ? 0.0f : 1.0f / denominator);
    if (args.sinks) {
      const float sink = args.sinks[head] * kLog2E, m = largest > sink ? largest : sink;
      const float keep = exp2(broadcast(largest - m))[0];
      denominator = denominator * keep + exp2(broadcast(sink - m))[0];
      inverse = broadcast(keep / denominator);
      largest = m;
    }
    const float* from = state.output + r * state.ld;
    float* to = o.at(block.b, i, head);
    int64_t c = 0;
    for (; c + kLanes <= args.head_dim; c += kLanes) store(to + c, load(from + c) * inverse);
    if (c < args.head_dim) store_part(to + c, load(from + c) * inverse, static_cast<int>(args.head_dim - c));
    if (lse) {
      lse[(block.b * args.n_head + head) * args.q_len + i] =
          denominator == 0.0f ? -__builtin_inff() : largest * kLn2 + log(broadcast(denominator))[0];
    }
  }
}

}  // namespace

const AttentionKernels& attention_kernels() {
  static constexpr AttentionKernels kKernels = {
      scratch_bytes, attention_grad_scratch_bytes, state_bytes,         accumulate, merge,
      finish,        attention_row_dots,           attention_grad_block};
  return kKernels;
}

}  // namespace propane::cpu::PROPANE_TARGET
