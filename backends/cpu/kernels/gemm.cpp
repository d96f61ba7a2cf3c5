#include "backends/cpu/kernels/gemm.h"

#include <algorithm>

#include "backends/cpu/kernels/gemm_blocking.h"
#include "backends/cpu/kernels/gemm_kernels.h"
#include "backends/cpu/kernels/select.h"
#include "base/error.h"

namespace propane::cpu {

PROPANE_DISPATCH(GemmKernels, gemm_kernels)

namespace {

constexpr int64_t kAlignment = 128;  // bytes: two cache lines, which some processors fetch together

int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t aligned_floats(int64_t floats) { return div_up(floats * 4, kAlignment) * kAlignment / 4; }

// Below this many multiply-adds, waking the other threads costs more than they save.
constexpr int64_t kWorthThreads = 1 << 18;

// The threads of a call: a pool's, or the caller alone.
struct Workers {
  ThreadPool* pool;

  int count() const { return pool ? pool->size() : 1; }
  template <typename Body>
  void run(Body&& body) const {
    if (pool) pool->run(body);
    else body(0);
  }
};

bool identity(const Epilogue& e) {
  return e.scale == 1 && !e.row_scale && !e.bias && e.activation == Activation::none && !e.pre_activation &&
         !e.residual;
}

// The epilogue of the block that starts at [i, j].
Epilogue block_of(Epilogue e, int64_t i, int64_t j) {
  if (e.row_scale) e.row_scale += i;
  if (e.bias) e.bias += j;
  if (e.pre_activation) e.pre_activation += i * e.ld_pre_activation + j;
  if (e.residual) e.residual += i * e.ld_residual + j;
  return e;
}

const float* element(const Matrix& matrix, int64_t i, int64_t j) {
  return matrix.data + (matrix.transposed ? j * matrix.stride + i : i * matrix.stride + j);
}

GemmShape shape_of(const Linears& l, const GemmKernels& kernels) {
  GemmShape shape{.m = l.m, .k = l.k, .panels = 0, .rows = kernels.rows, .cols = kernels.cols};
  shape.packs = false;
  for (const LinearOutput& o : l.outputs) {
    shape.panels += div_up(o.n, kernels.cols);
    shape.packs |= !o.packed_b;
    shape.whole_sum |= l.swiglu && !o.c;
  }
  shape.unit = l.swiglu ? 2 : 1;
  return shape;
}

// Where everything lies in the scratch memory, in floats.
struct Layout {
  Layout(const GemmShape& shape, const Blocking& blocking)
      : chunk(shape.packs ? aligned_floats(blocking.chunk_panels * blocking.chunk_k * shape.cols) : 0),
        strip(aligned_floats(shape.rows * blocking.kc) + kPanelSlack),
        block(aligned_floats(strip * blocking.block_strips)),
        tile(aligned_floats(shape.rows * shape.cols)),
        own(block + 2 * tile) {}

  size_t bytes(int threads) const { return static_cast<size_t>((chunk + threads * own) * 4 + kAlignment); }

  int64_t chunk;  // packed B, for all threads
  int64_t strip;  // a packed strip of A; not a multiple of the cache's sets apart, whatever kc
  int64_t block;  // the strips that a thread has packed
  int64_t tile;   // a thread's tile of a gate or an up that has no other place
  int64_t own;    // all of a thread's
};

// What products of these sizes need at most, wherever their operands lie and whatever is packed.
size_t scratch_bytes(const Linears& l, int threads) {
  GemmShape shape = shape_of(l, gemm_kernels());
  size_t bytes = 0;
  for (bool packs : {false, true})
    for (bool whole_sum : {false, true})
      for (int unit : {1, 2}) {
        shape.packs = packs, shape.whole_sum = whole_sum, shape.unit = unit;
        if (unit == 2 && l.outputs.size() != 2) continue;
        if (whole_sum && unit == 1) continue;
        bytes = std::max(bytes, Layout(shape, gemm_blocking(shape)).bytes(threads));
      }
  return bytes;
}

class Product {
 public:
  Product(const Linears& l, bool symmetric)
      : l_(l),
        kernels_(gemm_kernels()),
        shape_(shape_of(l, kernels_)),
        blocking_(gemm_blocking(shape_)),
        layout_(shape_, blocking_),
        upper_(symmetric) {}

  void run(Scratch scratch, Workers workers) {
    if (l_.m == 0 || shape_.panels == 0) return;
    const size_t needed = layout_.bytes(workers.count());
    if (scratch.size() < needed)
      fail("A product of {} rows with k = {} on {} threads needs {} bytes of scratch, found {}.", l_.m, l_.k,
           workers.count(), needed, scratch.size());
    const auto address = reinterpret_cast<uintptr_t>(scratch.data());
    chunk_ = reinterpret_cast<float*>(scratch.data() + (kAlignment - address % kAlignment) % kAlignment);
    own_ = chunk_ + layout_.chunk;

    Chunk chunk;
    for (chunk.begin = 0; chunk.begin < shape_.panels; chunk.begin += blocking_.chunk_panels) {
      chunk.end = std::min(chunk.begin + blocking_.chunk_panels, shape_.panels);
      for (chunk.k = 0; chunk.k == 0 || chunk.k < l_.k; chunk.k += blocking_.chunk_k) {
        chunk.depth = std::min(blocking_.chunk_k, l_.k - chunk.k);
        if (shape_.packs) workers.run([&](int thread) { pack(chunk, thread, workers.count()); });
        workers.run([&](int thread) { compute(chunk, thread, workers.count()); });
      }
    }
    if (upper_) workers.run([&](int thread) { mirror(thread, workers.count()); });
  }

 private:
  // Panels [begin, end) of B, rows [k, k + depth).
  struct Chunk {
    int64_t begin, end;
    int64_t k, depth;
  };

  struct Panel {
    int output;
    int64_t column;  // in its output
    int cols;
  };

  Panel panel(int64_t index) const {
    int output = 0;
    if (l_.swiglu) {
      output = index & 1;
      index >>= 1;
    } else {
      for (int64_t count; index >= (count = div_up(l_.outputs[output].n, kernels_.cols)); ++output) index -= count;
    }
    const int64_t column = index * kernels_.cols;
    return {output, column, static_cast<int>(std::min<int64_t>(kernels_.cols, l_.outputs[output].n - column))};
  }

  // Row k (absolute) of a panel of the chunk.
  float* chunk_row(const Chunk& chunk, int64_t index, int64_t k) const {
    return chunk_ + ((index - chunk.begin) * chunk.depth + k - chunk.k) * kernels_.cols;
  }

  // The thread's part of packing a chunk, in pieces of a few panels and a part of their depth, so that a narrow B keeps
  // many threads busy too.
  void pack(const Chunk& chunk, int thread, int threads) const {
    constexpr int64_t kPanels = 8, kDepth = 128;
    const int64_t down = div_up(chunk.depth, kDepth), total = div_up(chunk.end - chunk.begin, kPanels) * down;
    for (int64_t i = total * thread / threads; i < total * (thread + 1) / threads; ++i) {
      const int64_t begin = chunk.begin + i / down * kPanels, end = std::min(begin + kPanels, chunk.end);
      const int64_t k = chunk.k + i % down * kDepth, depth = std::min(kDepth, chunk.k + chunk.depth - k);
      for (int64_t index = begin; index < end;) index = pack_panels(chunk, index, end, k, depth);
    }
  }

  // Panels from `index` on that belong to one output; returns the first that is left.
  int64_t pack_panels(const Chunk& chunk, int64_t index, int64_t end, int64_t k, int64_t depth) const {
    const Panel p = panel(index);
    const LinearOutput& o = l_.outputs[p.output];
    const int64_t rest = div_up(o.n - p.column, kernels_.cols);
    const int64_t count = l_.swiglu ? 1 : std::min(end - index, rest);
    if (!o.packed_b) {
      const int64_t columns = std::min(count * kernels_.cols, o.n - p.column);
      (o.b.transposed ? kernels_.transpose_panels
                      : kernels_.copy_panels)({element(o.b, k, p.column), o.b.stride, depth, columns, kernels_.cols,
                                               chunk_row(chunk, index, k), chunk.depth * kernels_.cols});
    }
    return index + count;
  }

  // The thread's tiles of a chunk.
  void compute(const Chunk& chunk, int thread, int threads) const {
    const Tiles tiles{.strips = blocking_.strips,
                      .panel_begin = chunk.begin,
                      .panel_end = chunk.end,
                      .unit = shape_.unit,
                      .upper = upper_,
                      .rows = kernels_.rows,
                      .cols = kernels_.cols};
    const Share share = thread_share(tiles, thread, threads);
    float* const own = own_ + thread * layout_.own;
    for (int64_t k = 0; k == 0 || k < chunk.depth; k += blocking_.kc) {
      for (int64_t strip = share.strip_begin; strip < share.strip_end; strip += blocking_.block_strips) {
        Block block{strip,       std::min(strip + blocking_.block_strips, share.strip_end),
                    0,           0,
                    chunk.k + k, std::min(blocking_.kc, chunk.depth - k)};
        const float* strips = pack_strips(block, own);
        for (int64_t panel = share.panel_begin; panel < share.panel_end; panel += blocking_.block_panels) {
          block.panel_begin = panel;
          block.panel_end = std::min(panel + blocking_.block_panels, share.panel_end);
          compute_block(chunk, block, tiles, share, strips, own);
        }
      }
    }
  }

  // Strips × panels of C, and positions [k, k + depth) of their sums.
  struct Block {
    int64_t strip_begin, strip_end;
    int64_t panel_begin, panel_end;
    int64_t k, depth;
  };

  int rows_of(int64_t strip) const {
    return static_cast<int>(std::min<int64_t>(kernels_.rows, l_.m - strip * kernels_.rows));
  }

  // The block's strips of A as panels in the thread's scratch: the whole ones, then the last one of the matrix, whose
  // panel is as narrow as it is. A single row is a panel already.
  const float* pack_strips(const Block& block, float* own) const {
    const auto pack = l_.a.transposed ? kernels_.copy_panels : kernels_.transpose_panels;
    const int64_t row = block.strip_begin * kernels_.rows;
    const int64_t rows = std::min(block.strip_end * kernels_.rows, l_.m) - row, whole = rows / kernels_.rows;
    const int rest = static_cast<int>(rows % kernels_.rows);
    const float* from = element(l_.a, row, block.k);
    if (rows == 1 && !l_.a.transposed) return from;
    pack({from, l_.a.stride, block.depth, whole * kernels_.rows, kernels_.rows, own, layout_.strip});
    if (rest) {
      from = element(l_.a, row + whole * kernels_.rows, block.k);
      pack({from, l_.a.stride, block.depth, rest, rest, own + whole * layout_.strip, layout_.strip});
    }
    return own;
  }

  void compute_block(const Chunk& chunk, const Block& block, const Tiles& tiles, const Share& share,
                     const float* strips, float* own) const {
    for (int64_t strip = block.strip_begin; strip < block.strip_end; ++strip) {
      int64_t begin = std::max(block.panel_begin, tiles.first_panel(strip)), end = block.panel_end;
      if (strip == share.strip_begin) begin = std::max(begin, share.first_panel);
      if (strip == share.strip_end - 1) end = std::min(end, share.last_panel);
      const float* a = strips + (strip - block.strip_begin) * layout_.strip;
      for (int64_t index = begin; index < end; ++index) compute_tile(chunk, block, strip, index, a, own);
    }
  }

  void compute_tile(const Chunk& chunk, const Block& block, int64_t strip, int64_t index, const float* a,
                    float* own) const {
    const Panel p = panel(index);
    const LinearOutput& o = l_.outputs[p.output];
    const int64_t row = strip * kernels_.rows;
    const int rows = rows_of(strip);
    const float* b =
        o.packed_b ? o.packed_b + p.column * l_.k + block.k * kernels_.cols : chunk_row(chunk, index, block.k);
    float* c = o.c ? o.c + row * o.ldc + p.column : spare_tile(own, p.output);
    const int64_t ldc = o.c ? o.ldc : kernels_.cols;
    kernels_.tile({rows, p.cols, block.depth, a, b, c, ldc, block.k > 0 || o.accumulate});
    if (block.k + block.depth < l_.k) return;
    if (!identity(o.epilogue)) kernels_.epilogue({block_of(o.epilogue, row, p.column), rows, p.cols, c, ldc});
    if (l_.swiglu && p.output == 1) finish_swiglu(row, rows, p, own);
  }

  float* spare_tile(float* own, int output) const { return own + layout_.block + output * layout_.tile; }

  void finish_swiglu(int64_t row, int rows, const Panel& p, float* own) const {
    const LinearOutput &gate = l_.outputs[0], &up = l_.outputs[1];
    const auto at = [&](const LinearOutput& o) { return o.c + row * o.ldc + p.column; };
    const int64_t width = kernels_.cols;
    const SwigluTile tile{rows,
                          p.cols,
                          gate.c ? at(gate) : spare_tile(own, 0),
                          gate.c ? gate.ldc : width,
                          up.c ? at(up) : spare_tile(own, 1),
                          up.c ? up.ldc : width,
                          l_.swiglu + row * l_.ld_swiglu + p.column,
                          l_.ld_swiglu};
    kernels_.swiglu(tile);
  }

  // The thread's rows of the part below the diagonal: as many elements for each thread.
  void mirror(int thread, int threads) const {
    const LinearOutput& o = l_.outputs[0];
    const auto row_after = [&](int part) {  // rows so that part/threads of the triangle lies above them
      int64_t row = 0;
      while (row < o.n && row * row * threads < o.n * o.n * part) row += 16;
      return std::min(row, o.n);
    };
    kernels_.mirror(o.c, o.ldc, row_after(thread), thread + 1 == threads ? o.n : row_after(thread + 1));
  }

  const Linears& l_;
  const GemmKernels& kernels_;
  GemmShape shape_;
  Blocking blocking_;
  Layout layout_;
  bool upper_;
  float* chunk_ = nullptr;
  float* own_ = nullptr;
};

// A plain product as Linears of one output.
struct Single {
  explicit Single(const Gemm& g)
      : output{g.n, g.b, g.packed_b, g.c, g.ldc, g.accumulate, g.epilogue},
        linears{.m = g.m, .k = g.k, .a = g.a, .outputs = {&output, 1}} {
    if (g.symmetric && g.m != g.n) fail("A symmetric product must be square, found {} × {}.", g.m, g.n);
  }
  Single(const Single&) = delete;
  LinearOutput output;
  Linears linears;
};

Workers workers_for(int64_t multiply_adds, ThreadPool& pool) {
  return {multiply_adds < kWorthThreads ? nullptr : &pool};
}

void gemm_on(const Gemm& g, Scratch scratch, Workers workers) {
  const Single single(g);
  Product(single.linears, g.symmetric).run(scratch, workers);
}

}  // namespace

size_t gemm_scratch_bytes(const Gemm& g, int threads) {
  const Single single(g);
  return scratch_bytes(single.linears, threads);
}

void gemm(const Gemm& g, Scratch scratch, ThreadPool& pool) { gemm_on(g, scratch, workers_for(g.m * g.n * g.k, pool)); }

size_t linears_scratch_bytes(const Linears& l, int threads) { return scratch_bytes(l, threads); }

void linears(const Linears& l, Scratch scratch, ThreadPool& pool) {
  int64_t n = 0;
  for (const LinearOutput& o : l.outputs) n += o.n;
  if (l.swiglu && (l.outputs.size() != 2 || l.outputs[0].n != l.outputs[1].n))
    fail("swiglu joins two outputs of equal n, a gate and an up.");
  Product(l, false).run(scratch, workers_for(l.m * n * l.k, pool));
}

size_t gemm_batch_scratch_bytes(std::span<const Gemm> batch, int threads) {
  size_t bytes = 0;
  for (const Gemm& g : batch) {
    const size_t alone = gemm_scratch_bytes(g, 1) / kAlignment * kAlignment + kAlignment;
    bytes = std::max({bytes, alone * static_cast<size_t>(threads), gemm_scratch_bytes(g, threads)});
  }
  return bytes;
}

void gemm_batch(std::span<const Gemm> batch, Scratch scratch, ThreadPool& pool) {
  const auto threads = static_cast<size_t>(pool.size());
  if (scratch.size() < gemm_batch_scratch_bytes(batch, pool.size()))
    fail("A batch of {} products needs {} bytes of scratch, found {}.", batch.size(),
         gemm_batch_scratch_bytes(batch, pool.size()), scratch.size());
  // Whole rounds of a product a thread; what is left over, with all threads on each.
  const size_t alone = batch.size() / threads * threads;
  const size_t part = scratch.size() / threads;
  pool.run([&](int thread) {
    for (auto i = static_cast<size_t>(thread); i < alone; i += threads)
      gemm_on(batch[i], scratch.subspan(static_cast<size_t>(thread) * part, part), {nullptr});
  });
  for (size_t i = alone; i < batch.size(); ++i) gemm(batch[i], scratch, pool);
}

size_t packed_weight_bytes(int64_t out, int64_t in) {
  const int64_t width = gemm_kernels().cols;
  return static_cast<size_t>(div_up(out, width) * width * in) * 4;
}

void pack_weight(const float* weight, int64_t stride, int64_t out, int64_t in, float* packed, ThreadPool& pool) {
  const GemmKernels& kernels = gemm_kernels();
  const int64_t width = kernels.cols;
  pool.parallel_for(div_up(out, width), 1, [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const int valid = static_cast<int>(std::min(width, out - p * width));
      kernels.transpose_panels(
          {weight + p * width * stride, stride, in, valid, kernels.cols, packed + p * width * in, 0});
    }
  });
}

}  // namespace propane::cpu
