// Rates of the CPU backend's own kernels, one JSON object a line:
//   fused_kernels attention BATCH SEQ HEADS KV_HEADS HEAD_DIM WINDOW   causal; forward and backward, GFLOP/s
//   fused_kernels decode BATCH CONTEXT HEADS KV_HEADS HEAD_DIM         one query a row; GB/s of keys and values
// FLOPs count the unmasked part only: 4 · head_dim a visible pair forward, 10 · head_dim backward.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <string_view>
#include <vector>

#include "backends/cpu/kernels/attention.h"
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
  fmt::print("{{\"kernel\": \"attention\", \"target\": \"{}\", \"threads\": {}, \"batch\": {}, \"seq\": {}, \"heads\": {}, "
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
  const double seconds =
      median_seconds([&] { attention(args, {o.data(), heads * dim, heads * dim, dim}, nullptr, scratch.span()); });
  fmt::print("{{\"kernel\": \"decode\", \"target\": \"{}\", \"threads\": {}, \"batch\": {}, \"context\": {}, \"heads\": {}, "
             "\"kv_heads\": {}, \"head_dim\": {}, \"microseconds\": {:.2f}, \"gb_s\": {:.2f}}}\n",
             name(selected_target()), threads().size(), batch, context, heads, kv_heads, dim, seconds * 1e6,
             2.0 * sizeof(float) * batch * context * row / seconds / 1e9);
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
  } else {
    fmt::print(stderr, "usage: fused_kernels attention BATCH SEQ HEADS KV_HEADS HEAD_DIM WINDOW\n"
                       "       fused_kernels decode BATCH CONTEXT HEADS KV_HEADS HEAD_DIM\n");
    return 2;
  }
}
