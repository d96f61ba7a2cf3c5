// Rates of the CPU backend's own kernels, one JSON object a line:
//   fused_kernels attention BATCH SEQ HEADS KV_HEADS HEAD_DIM WINDOW   causal; forward and backward, GFLOP/s
//   fused_kernels decode BATCH CONTEXT HEADS KV_HEADS HEAD_DIM         one query a row; GB/s of keys and values
//   fused_kernels memory ROWS DIM                                      the memory-bound kernels; GB/s read and written
// FLOPs count the unmasked part only: 4 · head_dim a visible pair forward, 10 · head_dim backward.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <vector>

#include "backends/cpu/kernels/activation.h"
#include "backends/cpu/kernels/adamw.h"
#include "backends/cpu/kernels/attention.h"
#include "backends/cpu/kernels/cross_entropy.h"
#include "backends/cpu/kernels/elementwise.h"
#include "backends/cpu/kernels/embedding.h"
#include "backends/cpu/kernels/norm.h"
#include "backends/cpu/kernels/rope.h"
#include "backends/cpu/kernels/select.h"
#include "base/random.h"
#include "base/threads.h"

namespace propane::cpu {
namespace {

// The median of some runs that together take about a second.
double median_seconds(const std::function<void()>& body) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> times;
  body();
  for (double total = 0; (total < 1.0 && times.size() < 200) || times.size() < 5;) {
    const auto start = Clock::now();
    body();
    times.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    total += times.back();
  }
  std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
  return times[times.size() / 2];
}

std::vector<float> random_floats(int64_t count, uint64_t seed) {
  const Random random(seed, stream_id("bench"));
  std::vector<float> values(count);
  for (int64_t i = 0; i < count; ++i) values[i] = static_cast<float>(random.uniform(i)) - 0.5f;
  return values;
}

struct Aligned {
  explicit Aligned(size_t size) : bytes((size + 63) / 64 * 64), data(std::aligned_alloc(64, bytes)) {}
  ~Aligned() { std::free(data); }
  std::span<std::byte> span() { return {static_cast<std::byte*>(data), bytes}; }
  size_t bytes;
  void* data;
};

void attention_rates(int64_t batch, int64_t seq, int64_t heads, int64_t kv_heads, int64_t dim, int64_t window) {
  const int64_t row = (heads + 2 * kv_heads) * dim, o_row = heads * dim;
  const auto qkv = random_floats(batch * seq * row, 1), d_o = random_floats(batch * seq * o_row, 2);
  std::vector<float> o(batch * seq * o_row), lse(batch * heads * seq), grads(qkv.size());
  AttentionArgs args;
  args.batch = batch;
  args.q_len = args.kv_max = seq;
  args.n_head = heads;
  args.n_kv_head = kv_heads;
  args.head_dim = dim;
  args.scale = 1.0f / static_cast<float>(dim);
  args.window = window;
  const auto slice = [&](auto* data, int64_t head) { return HeadRows{data + head * dim, seq * row, row, dim}; };
  args.q = slice(qkv.data(), 0);
  args.k = slice(qkv.data(), heads);
  args.v = slice(qkv.data(), heads + kv_heads);
  const HeadRows<float> out{o.data(), seq * o_row, o_row, dim};
  AttentionGrads g;
  g.o = {o.data(), seq * o_row, o_row, dim};
  g.lse = lse.data();
  g.d_o = {d_o.data(), seq * o_row, o_row, dim};
  g.dq = slice(grads.data(), 0);
  g.dk = slice(grads.data(), heads);
  g.dv = slice(grads.data(), heads + kv_heads);
  Aligned scratch(std::max(attention_scratch_bytes(args), attention_grad_scratch_bytes(args)));
  const double forward = median_seconds([&] { attention(args, out, lse.data(), scratch.span()); });
  const double backward = median_seconds([&] { attention_grad(args, g, scratch.span()); });
  double pairs = 0;
  for (int64_t i = 0; i < seq; ++i) pairs += window ? std::min(window, i + 1) : i + 1;
  const double flops = 4.0 * pairs * dim * heads * batch;
  fmt::print(
      "{{\"kernel\": \"attention\", \"target\": \"{}\", \"threads\": {}, \"batch\": {}, \"seq\": {}, \"heads\": {}, "
      "\"kv_heads\": {}, \"head_dim\": {}, \"window\": {}, \"forward_ms\": {:.3f}, \"backward_ms\": {:.3f}, "
      "\"forward_gflops\": {:.1f}, \"backward_gflops\": {:.1f}}}\n",
      name(selected_target()), threads().size(), batch, seq, heads, kv_heads, dim, window, forward * 1e3,
      backward * 1e3, flops / forward / 1e9, 2.5 * flops / backward / 1e9);
}

void decode_rates(int64_t batch, int64_t context, int64_t heads, int64_t kv_heads, int64_t dim) {
  const int64_t row = kv_heads * dim;
  const auto q = random_floats(batch * heads * dim, 1), k = random_floats(batch * context * row, 2);
  const auto v = random_floats(batch * context * row, 3);
  std::vector<float> o(q.size());
  const std::vector<int32_t> pos(batch, static_cast<int32_t>(context - 1));
  AttentionArgs args;
  args.batch = batch;
  args.q_len = 1;
  args.kv_max = context;
  args.n_head = heads;
  args.n_kv_head = kv_heads;
  args.head_dim = dim;
  args.scale = 1.0f / static_cast<float>(dim);
  args.q = {q.data(), heads * dim, heads * dim, dim};
  args.k = {k.data(), context * row, row, dim};
  args.v = {v.data(), context * row, row, dim};
  args.q_pos = pos.data();
  Aligned scratch(attention_scratch_bytes(args));
  const double seconds = median_seconds([&] {
    attention(args, {o.data(), heads * dim, heads * dim, dim}, nullptr, scratch.span());
  });
  fmt::print(
      "{{\"kernel\": \"decode\", \"target\": \"{}\", \"threads\": {}, \"batch\": {}, \"context\": {}, \"heads\": {}, "
      "\"kv_heads\": {}, \"head_dim\": {}, \"microseconds\": {:.2f}, \"gb_s\": {:.2f}}}\n",
      name(selected_target()), threads().size(), batch, context, heads, kv_heads, dim, seconds * 1e6,
      2.0 * sizeof(float) * batch * context * row / seconds / 1e9);
}

// `floats` is how many are read and written by the operation, each once.
void memory_rate(const char* operation, double floats, const std::function<void()>& body) {
  const double seconds = median_seconds(body);
  fmt::print(
      "{{\"kernel\": \"{}\", \"target\": \"{}\", \"threads\": {}, \"microseconds\": {:.1f}, \"gb_s\": {:.2f}}}\n",
      operation, name(selected_target()), threads().size(), seconds * 1e6, floats * sizeof(float) / seconds / 1e9);
}

void memory_rates(int64_t rows, int64_t dim) {
  const int64_t count = rows * dim;
  const auto a = random_floats(count, 1), b = random_floats(count, 2), gain = random_floats(dim, 3);
  std::vector<float> c(count), d(count), e(count), dgain(dim), nats(rows);
  std::vector<int32_t> ids(rows);
  for (int64_t r = 0; r < rows; ++r) ids[r] = static_cast<int32_t>(r * 7919 % dim);
  const double n = static_cast<double>(count);
  const Rows<const float> x{a.data(), dim}, dy{b.data(), dim};
  const Rows<float> y{c.data(), dim}, dx{d.data(), dim};
  Aligned scratch(std::max(norm_grad_scratch_bytes(rows, dim), embedding_grad_scratch_bytes(rows, dim)));
  std::vector<float> cos(rows * dim / 2, 0.6f), sin(rows * dim / 2, 0.8f);
  std::vector<int32_t> positions(rows);
  for (int64_t r = 0; r < rows; ++r) positions[r] = static_cast<int32_t>(r % 1024);

  memory_rate("copy", 2 * n, [&] { copy_rows(rows, dim, x, y); });
  memory_rate("sum_squares", n, [&] {
    const FloatSpan span{a.data(), count};
    c[0] = static_cast<float>(sum_squares({&span, 1}));
  });
  memory_rate("rms_norm", 2 * n, [&] {
    rms_norm({.rows = rows, .dim = dim, .eps = 1e-6f, .x = x, .gain = gain.data(), .y = y, .residual = {}, .sum = {}});
  });
  memory_rate("rms_norm_grad", 3 * n, [&] {
    rms_norm_grad({.rows = rows,
                   .dim = dim,
                   .eps = 1e-6f,
                   .x = x,
                   .gain = gain.data(),
                   .dy = dy,
                   .dx = dx,
                   .dgain = dgain.data()},
                  scratch.span());
  });
  memory_rate("layer_norm", 2 * n, [&] {
    layer_norm({.rows = rows, .dim = dim, .eps = 1e-6f, .x = x, .gain = gain.data(), .bias = gain.data(), .y = y});
  });
  const int64_t heads = std::max<int64_t>(1, dim / 64), head_dim = dim / heads / 2 * 2;
  const Rope turn{.tokens = rows,
                  .n_head = heads,
                  .head_dim = head_dim,
                  .rotary_dim = head_dim,
                  .x = {a.data(), dim, heads},
                  .y = {c.data(), dim, heads},
                  .positions = positions.data(),
                  .cos = cos.data(),
                  .sin = sin.data()};
  memory_rate("rope", 2 * n, [&] { rope(turn); });
  memory_rate("rope_rms_norm", 2 * n, [&] { rope_rms_norm(turn, 1e-6f); });
  memory_rate("relu2", 2 * n, [&] { unary(Unary::relu2, count, a.data(), c.data()); });
  memory_rate("gelu_tanh", 2 * n, [&] { unary(Unary::gelu_tanh, count, a.data(), c.data()); });
  memory_rate("gelu_tanh_grad", 3 * n, [&] { unary_grad(Unary::gelu_tanh, count, a.data(), b.data(), c.data()); });
  memory_rate("gelu", 2 * n, [&] { unary(Unary::gelu, count, a.data(), c.data()); });
  memory_rate("swiglu", 3 * n, [&] { swiglu({.rows = rows, .dim = dim, .gate = x, .up = dy, .h = y}); });
  memory_rate("swiglu_grad", 5 * n, [&] {
    swiglu_grad({.rows = rows, .dim = dim, .gate = x, .up = dy, .dh = {e.data(), dim}, .dgate = y, .dup = dx});
  });
  const float one = 1;
  for (float cap : {0.0f, 15.0f}) {
    const CrossEntropy loss{
        .rows = rows, .vocab = dim, .stride = dim, .targets = ids.data(), .cap = cap, .nats = nats.data()};
    memory_rate(cap > 0 ? "cross_entropy (cap)" : "cross_entropy", n, [&] { cross_entropy(loss, a.data()); });
    memory_rate(cap > 0 ? "cross_entropy_grad (cap)" : "cross_entropy_grad", 2 * n,
                [&] { cross_entropy_grad(loss, c.data(), &one, 0); });
  }
  memory_rate("embedding", 2 * n, [&] {
    embedding({.tokens = rows, .vocab = dim, .dim = dim, .ids = ids.data(), .table = a.data(), .out = y});
  });
  memory_rate("embedding_grad", n + static_cast<double>(dim * dim), [&] {
    embedding_grad(
        {.tokens = rows, .vocab = std::min(dim, rows), .dim = dim, .ids = ids.data(), .dy = dy, .dtable = c.data()},
        scratch.span());
  });
  const AdamWTensor tensor{.count = count, .grad = a.data(), .param = c.data(), .first = d.data(), .second = e.data()};
  std::fill(e.begin(), e.end(), 1.0f);
  memory_rate("adamw", 7 * n, [&] { adamw({&tensor, 1}, {.lr = 1e-6}); });
}

}  // namespace
}  // namespace propane::cpu

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  const auto number = [&](int i) { return std::atoll(argv[i]); };
  if (what == "attention" && argc == 8) {
    propane::cpu::attention_rates(number(2), number(3), number(4), number(5), number(6), number(7));
  } else if (what == "decode" && argc == 7) {
    propane::cpu::decode_rates(number(2), number(3), number(4), number(5), number(6));
  } else if (what == "memory" && argc == 4 && number(2) >= number(3)) {
    propane::cpu::memory_rates(number(2), number(3));
  } else {
    fmt::print(stderr,
               "usage: fused_kernels attention BATCH SEQ HEADS KV_HEADS HEAD_DIM WINDOW\n"
               "       fused_kernels decode BATCH CONTEXT HEADS KV_HEADS HEAD_DIM\n"
               "       fused_kernels memory ROWS DIM (at most ROWS)\n");
    return 2;
  }
}
