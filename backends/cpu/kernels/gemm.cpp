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
    if (l.swiglu) shape.unit = 2;
    if (l.swiglu && !o.c) shape.whole_sum = true;
  }
  return shape;
}

class Product {
 public:
  explicit Product(const Linears& l, bool symmetric = false)
      : l_(l), kernels_(gemm_kernels()), shape_(shape_of(l, kernels_)), blocking_(gemm_blocking(shape_)) {
    chunk_floats_ =
        shape_.packs ? aligned_floats(blocking_.chunk_panels * blocking_.chunk_k * kernels_.cols + kPanelSlack) : 0;
    strip_floats_ = aligned_floats(kernels_.rows * blocking_.kc + kPanelSlack);
    tile_floats_ = aligned_floats(kernels_.rows * kernels_.cols);
    upper_ = symmetric;
  }

  size_t scratch_bytes(int threads) const {
    return static_cast<size_t>((chunk_floats_ + threads * own_floats()) * 4 + kAlignment);
  }

  void run(Scratch scratch, Workers workers) {
    if (l_.m == 0 || shape_.panels == 0) return;
    if (scratch.size() < scratch_bytes(workers.count()))
      fail("A product of {} rows with k = {} on {} threads needs {} bytes of scratch, found {}.", l_.m, l_.k,
           workers.count(), scratch_bytes(workers.count()), scratch.size());
    const auto address = reinterpret_cast<uintptr_t>(scratch.data());
    chunk_ = reinterpret_cast<float*>(scratch.data() + (kAlignment - address % kAlignment) % kAlignment);
    own_ = chunk_ + chunk_floats_;

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

  int64_t own_floats() const { return strip_floats_ + 2 * tile_floats_; }

  // Row k (absolute) of a panel of the chunk.
  float* chunk_row(const Chunk& chunk, int64_t index, int64_t k) const {
    return chunk_ + ((index - chunk.begin) * chunk.depth + k - chunk.k) * kernels_.cols;
  }

  // The thread's part of packing a chunk, in pieces of a panel's depth so that a few panels keep many threads busy.
  void pack(const Chunk& chunk, int thread, int threads) const {
    constexpr int64_t kPiece = 256;
    const int64_t pieces = div_up(chunk.depth, kPiece), total = (chunk.end - chunk.begin) * pieces;
    for (int64_t i = total * thread / threads; i < total * (thread + 1) / threads; ++i) {
      const int64_t index = chunk.begin + i / pieces, k = chunk.k + i % pieces * kPiece;
      const Panel p = panel(index);
      const LinearOutput& o = l_.outputs[p.output];
      if (o.packed_b) continue;
      const int64_t depth = std::min(kPiece, chunk.k + chunk.depth - k);
      const PanelCopy copy{element(o.b, k, p.column), o.b.stride, depth, p.cols, kernels_.cols,
                           chunk_row(chunk, index, k)};
      (o.b.transposed ? kernels_.transpose_panel : kernels_.copy_panel)(copy);
    }
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
    float* const own = own_ + thread * own_floats();
    for (int64_t k = 0; k == 0 || k < chunk.depth; k += blocking_.kc) {
      const int64_t depth = std::min(blocking_.kc, chunk.depth - k);
      for (int64_t block = share.panel_begin; block < share.panel_end; block += blocking_.block_panels) {
        const int64_t block_end = std::min(block + blocking_.block_panels, share.panel_end);
        for (int64_t s = share.strip_begin; s < share.strip_end; ++s) {
          const int64_t begin = std::max({block, tiles.first_panel(s), s == share.strip_begin ? share.first_panel : 0});
          const int64_t end = s == share.strip_end - 1 ? std::min(block_end, share.last_panel) : block_end;
          if (begin < end) compute_strip(chunk, {s, begin, end, chunk.k + k, depth}, own);
        }
      }
    }
  }

  // Panels [begin, end) of a strip, rows [k, k + depth) of B.
  struct Work {
    int64_t strip;
    int64_t begin, end;
    int64_t k, depth;
  };

  void compute_strip(const Chunk& chunk, const Work& w, float* own) const {
    const int64_t row = w.strip * kernels_.rows;
    const int rows = static_cast<int>(std::min<int64_t>(kernels_.rows, l_.m - row));
    const float* const a = strip(row, rows, w, own);
    const bool first = w.k == 0, last = w.k + w.depth >= l_.k;
    for (int64_t index = w.begin; index < w.end; ++index) {
      const Panel p = panel(index);
      const LinearOutput& o = l_.outputs[p.output];
      const float* b = o.packed_b ? o.packed_b + p.column * l_.k + w.k * kernels_.cols : chunk_row(chunk, index, w.k);
      float* c = o.c ? o.c + row * o.ldc + p.column : own + strip_floats_ + p.output * tile_floats_;
      const int64_t ldc = o.c ? o.ldc : kernels_.cols;
      kernels_.tile({rows, p.cols, w.depth, a, b, c, ldc, !first || o.accumulate});
      if (!last) continue;
      if (!identity(o.epilogue)) kernels_.epilogue({block_of(o.epilogue, row, p.column), rows, p.cols, c, ldc});
      if (l_.swiglu && p.output == 1) finish_swiglu(row, rows, p, own);
    }
  }

  // Rows [row, row + rows) of A as a panel.
  const float* strip(int64_t row, int rows, const Work& w, float* to) const {
    const float* from = element(l_.a, row, w.k);
    if (rows == 1 && !l_.a.transposed) return from;
    (l_.a.transposed ? kernels_.copy_panel : kernels_.transpose_panel)({from, l_.a.stride, w.depth, rows, rows, to});
    return to;
  }

  void finish_swiglu(int64_t row, int rows, const Panel& p, float* own) const {
    const LinearOutput &gate = l_.outputs[0], &up = l_.outputs[1];
    const auto at = [&](const LinearOutput& o) { return o.c + row * o.ldc + p.column; };
    float* const spare = own + strip_floats_;
    const int64_t width = kernels_.cols;
    const SwigluTile tile{rows,
                          p.cols,
                          gate.c ? at(gate) : spare,
                          gate.c ? gate.ldc : width,
                          up.c ? at(up) : spare + tile_floats_,
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
  bool upper_;
  int64_t chunk_floats_, strip_floats_, tile_floats_;
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
  return Product(single.linears, g.symmetric).scratch_bytes(threads);
}

void gemm(const Gemm& g, Scratch scratch, ThreadPool& pool) { gemm_on(g, scratch, workers_for(g.m * g.n * g.k, pool)); }

size_t linears_scratch_bytes(const Linears& l, int threads) { return Product(l).scratch_bytes(threads); }

void linears(const Linears& l, Scratch scratch, ThreadPool& pool) {
  int64_t n = 0;
  for (const LinearOutput& o : l.outputs) n += o.n;
  if (l.swiglu && (l.outputs.size() != 2 || l.outputs[0].n != l.outputs[1].n))
    fail("swiglu joins two outputs of equal n, a gate and an up.");
  Product(l).run(scratch, workers_for(l.m * n * l.k, pool));
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
      kernels.transpose_panel({weight + p * width * stride, stride, in, valid, kernels.cols, packed + p * width * in});
    }
  });
}

}  // namespace propane::cpu
