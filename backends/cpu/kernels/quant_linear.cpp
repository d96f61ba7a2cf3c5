#include "backends/cpu/kernels/quant_linear.h"

#include <algorithm>
#include <atomic>
#include <iterator>

#include "backends/cpu/kernels/gemm_kernels.h"
#include "backends/cpu/kernels/quant_kernels.h"
#include "backends/cpu/kernels/select.h"
#include "base/error.h"

namespace propane::cpu {

PROPANE_DISPATCH_QUANT(QuantKernels, quant_kernels)

namespace {

using quant::BlockType;

constexpr int64_t kAlignment = 128;

int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

// Below this many multiply-adds, waking the other threads costs more than they save.
constexpr int64_t kWorthThreads = 1 << 18;

// Up to this many rows each thread makes its own copy of the activations, for which nobody has to wait.
constexpr int64_t kFewRows = 8;

// Bytes of weights that one task reads: with few rows little enough for all threads to end together, with many little
// enough for the second-level cache to keep them while the rows pass.
constexpr int64_t kFewRowsTask = 2048 << 10, kManyRowsTask = 256 << 10;
constexpr int64_t kSwigluColumns = 256;  // at most, of a task that has both gate and up

bool identity(const Epilogue& e) {
  return e.scale == 1 && !e.row_scale && !e.bias && e.activation == Activation::none && !e.pre_activation &&
         !e.residual;
}

Epilogue block_of(Epilogue e, int64_t i, int64_t j) {
  if (e.row_scale) e.row_scale += i;
  if (e.bias) e.bias += j;
  if (e.pre_activation) e.pre_activation += i * e.ld_pre_activation + j;
  if (e.residual) e.residual += i * e.ld_residual + j;
  return e;
}

// The rows of activations in one of their two forms, in tiles of `width` rows, the last one narrower.
struct Form {
  Form(bool quantized, bool used, int64_t m_, int64_t k, const QuantTileFunctions& tiles) : m(m_) {
    if (!used || m == 0) return;
    row_bytes = quantized ? static_cast<size_t>(k / kQuantBlock) * sizeof(QuantizedBlock<1>)
                          : static_cast<size_t>(k) * sizeof(float);
    int most = kTileWidthCount - 1;
    while (!tiles.by_width[most]) --most;
    whole = most;
    while (whole > 0 && kTileWidths[whole - 1] >= m) --whole;
    width = kTileWidths[whole];
    count = div_up(m, width);
    last = whole;
    while (last > 0 && kTileWidths[last - 1] >= m - (count - 1) * width) --last;
    tile_bytes = aligned(row_bytes * static_cast<size_t>(width));
  }

  size_t bytes() const { return static_cast<size_t>(count) * tile_bytes; }
  int width_index(int64_t tile) const { return tile + 1 < count ? whole : last; }
  int rows(int64_t tile) const { return static_cast<int>(std::min<int64_t>(width, m - tile * width)); }

  int64_t m;
  size_t row_bytes = 0;
  int width = 0;               // of all tiles but the last
  int whole = 0, last = 0;     // the widths' places in kTileWidths
  int64_t count = 0;           // tiles
  size_t tile_bytes = 0;       // from one to the next
};

class Products {
 public:
  explicit Products(const QuantLinears& l)
      : l_(l),
        kernels_(quant_kernels()),
        quantized_(true, uses(true), l.m, l.k, kernels_.tiles(BlockType::q8_0)),
        single_(false, uses(false), l.m, l.k, kernels_.tiles(BlockType::f32)) {}

  size_t scratch_bytes(int threads) const {
    const size_t copies = l_.m <= kFewRows ? static_cast<size_t>(threads) : 1;
    return copies * activation_bytes() + static_cast<size_t>(threads) * own_bytes() + kAlignment;
  }

  void check() const {
    for (const QuantOutput& o : l_.outputs)
      if (o.weight.k != l_.k || l_.k % quant::block_elements(o.weight.type) != 0)
        fail("A product with a weight [{}, {}] in {}: expected k = {} and whole blocks of {}.", o.weight.n, o.weight.k,
             quant::block_type_name(o.weight.type), l_.k, quant::block_elements(o.weight.type));
    if (l_.swiglu && (l_.outputs.size() != 2 || l_.outputs[0].weight.n != l_.outputs[1].weight.n))
      fail("swiglu joins two outputs of equal n, a gate and an up.");
  }

  void run(Scratch scratch, ThreadPool& pool) {
    int64_t work = 0;
    for (const QuantOutput& o : l_.outputs) work += l_.m * o.weight.n * l_.k;
    const bool alone = work < kWorthThreads || pool.size() == 1;
    const int threads = alone ? 1 : pool.size();
    if (const size_t needed = scratch_bytes(threads); scratch.size() < needed)
      fail("Quantized products of {} rows with k = {} on {} threads need {} bytes of scratch, found {}.", l_.m, l_.k,
           threads, needed, scratch.size());
    const auto address = reinterpret_cast<uintptr_t>(scratch.data());
    base_ = scratch.data() + (kAlignment - address % kAlignment) % kAlignment;

    plan(threads);
    if (tasks_ == 0) return;
    const bool few = l_.m <= kFewRows;
    if (!few) {
      const int64_t tiles = quantized_.count + single_.count;
      if (alone) for (int64_t t = 0; t < tiles; ++t) prepare(t, base_);
      else pool.parallel_tasks(tiles, [&](int64_t t, int) { prepare(t, base_); });
    }
    std::atomic<int64_t> next{0};
    const auto body = [&](int thread) {
      std::byte* own = base_ + (few ? threads : 1) * activation_bytes() + static_cast<size_t>(thread) * own_bytes();
      std::byte* activations = base_;
      if (few) {
        activations += static_cast<size_t>(thread) * activation_bytes();
        for (int64_t t = 0; t < quantized_.count + single_.count; ++t) prepare(t, activations);
      }
      for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks_;)
        do_task(task, activations, reinterpret_cast<float*>(own));
    };
    if (alone) body(0);
    else pool.run(body);
  }

 private:
  bool uses(bool quantized) const {
    return std::any_of(l_.outputs.begin(), l_.outputs.end(),
                       [&](const QuantOutput& o) { return meets_quantized(o.weight.type) == quantized; });
  }
  const Form& form(const QuantOutput& o) const { return meets_quantized(o.weight.type) ? quantized_ : single_; }
  size_t activation_bytes() const { return quantized_.bytes() + single_.bytes(); }
  // A thread's gate and up.
  size_t own_bytes() const {
    return l_.swiglu ? aligned(2 * 16 * kSwigluColumns * sizeof(float)) : 0;
  }

  // Tile `t` of the activations, the quantized ones first.
  void prepare(int64_t t, std::byte* to) const {
    const bool quantized = t < quantized_.count;
    const Form& f = quantized ? quantized_ : single_;
    if (!quantized) t -= quantized_.count, to += quantized_.bytes();
    (quantized ? kernels_.quantize : kernels_.interleave)({l_.x + t * f.width * l_.ldx, l_.ldx, l_.k, f.rows(t),
                                                           kTileWidths[f.width_index(t)],
                                                           to + static_cast<size_t>(t) * f.tile_bytes});
  }

  size_t panel_bytes(const QuantOutput& o) const {
    return static_cast<size_t>(l_.k / group_columns(o.weight.type)) *
           static_cast<size_t>(group_layout(o.weight.type).bytes());
  }

  // Tasks are pieces of the outputs' panels, by rows where there are many rows.
  void plan(int threads) {
    const int64_t bytes = l_.m <= kFewRows ? kFewRowsTask : kManyRowsTask;
    tasks_ = 0;
    int64_t total = 0;
    const size_t outputs = l_.swiglu ? 1 : l_.outputs.size();
    for (size_t i = 0; i < outputs; ++i) total += div_up(l_.outputs[i].weight.n, kPanelRows);
    largest_ = std::max<int64_t>(1, div_up(total, 4 * threads));
    if (l_.swiglu) largest_ = std::min(largest_, kSwigluColumns / kPanelRows);
    bytes_ = bytes;
    row_parts_ = std::clamp<int64_t>(div_up(4 * threads, std::max<int64_t>(total, 1)), 1, std::max<int64_t>(1, l_.m / 64));
    for (size_t i = 0; i < outputs; ++i) tasks_ += pieces(l_.outputs[i]) * row_parts_;
  }
  int64_t piece_panels(const QuantOutput& o) const {
    return std::clamp<int64_t>(bytes_ / static_cast<int64_t>(panel_bytes(o)), 1, largest_);
  }
  int64_t pieces(const QuantOutput& o) const {
    return l_.m == 0 ? 0 : div_up(div_up(o.weight.n, kPanelRows), piece_panels(o));
  }

  void do_task(int64_t task, const std::byte* activations, float* own) const {
    const int64_t part = task % row_parts_;
    task /= row_parts_;
    const QuantOutput* o = l_.outputs.data();
    for (int64_t count; !l_.swiglu && task >= (count = pieces(*o)); ++o) task -= count;
    const int64_t panels = piece_panels(*o), column = task * panels * kPanelRows;
    const int64_t columns = std::min(panels * kPanelRows, o->weight.n - column);
    const Form& f = form(*o);
    const int64_t begin = f.count * part / row_parts_, end = f.count * (part + 1) / row_parts_;
    // Each of a pair's outputs may want another form of the rows, and so other tiles: rows go by the narrower ones.
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t row = tile * f.width;
      if (l_.swiglu) pair(row, f.rows(tile), column, columns, activations, own);
      else output(*o, tile, column, columns, activations, o->y + row * o->ldy + column, o->ldy);
    }
  }

  // A tile of rows of an output, finished.
  void output(const QuantOutput& o, int64_t tile, int64_t column, int64_t columns, const std::byte* activations,
              float* y, int64_t ldy) const {
    const Form& f = form(o);
    const int64_t row = tile * f.width;
    if (&f == &single_) activations += quantized_.bytes();
    kernels_.tiles(o.weight.type)
        .by_width[f.width_index(tile)]({l_.k, activations + static_cast<size_t>(tile) * f.tile_bytes,
                                        o.weight.packed + static_cast<size_t>(column / kPanelRows) * panel_bytes(o),
                                        f.rows(tile), columns, y, ldy});
    if (!identity(o.epilogue))
      gemm_kernels().epilogue({block_of(o.epilogue, row, column), f.rows(tile), static_cast<int>(columns), y, ldy});
  }

  void pair(int64_t row, int rows, int64_t column, int64_t columns, const std::byte* activations, float* own) const {
    float* values[2] = {own, own + 16 * kSwigluColumns};
    for (int i = 0; i < 2; ++i) {
      const Form& f = form(l_.outputs[i]);
      for (int64_t tile = row / f.width; tile * f.width < row + rows; ++tile)
        output(l_.outputs[i], tile, column, columns, activations, values[i] + (tile * f.width - row) * kSwigluColumns,
               kSwigluColumns);
    }
    gemm_kernels().swiglu({rows, static_cast<int>(columns), values[0], kSwigluColumns, values[1], kSwigluColumns,
                           l_.swiglu + row * l_.ld_swiglu + column, l_.ld_swiglu});
  }

  const QuantLinears& l_;
  const QuantKernels& kernels_;
  Form quantized_, single_;
  std::byte* base_ = nullptr;
  int64_t tasks_ = 0, largest_ = 0, bytes_ = 0, row_parts_ = 1;
};

}  // namespace

size_t quant_linears_scratch_bytes(const QuantLinears& l, int threads) { return Products(l).scratch_bytes(threads); }

void quant_linears(const QuantLinears& l, Scratch scratch, ThreadPool& pool) {
  Products products(l);
  products.check();
  products.run(scratch, pool);
}

}  // namespace propane::cpu
