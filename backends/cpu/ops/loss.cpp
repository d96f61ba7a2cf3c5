// Losses, on kernels/cross_entropy.h, and the head that never holds all logits.

#include <algorithm>

#include "backends/cpu/kernels/activation.h"
#include "backends/cpu/kernels/cross_entropy.h"
#include "backends/cpu/kernels/gemm.h"
#include "backends/cpu/ops/op.h"

namespace propane::cpu {

namespace {

Compiled compile_softcap(const StepView& s) {
  const int x = s.in(0), y = s.out(0);
  const int64_t n = s.shape(x).count();
  const auto cap = static_cast<float>(s.real("cap"));
  return {[=](const Memory& m) { softcap(n, cap, m.f32(x), m.f32(y)); }};
}

// From softcap's output: 1 − (y/cap)².
Compiled compile_softcap_grad(const StepView& s) {
  const int y = s.in(0), dy = s.in(1), dx = s.out(0);
  const int64_t n = s.shape(y).count();
  const auto inverse = static_cast<float>(1.0 / s.real("cap"));
  return {[=](const Memory& m) {
    const float *from = m.f32(y), *d = m.f32(dy);
    float* out = m.f32(dx);
    threads().parallel_for(n, 4096, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const float t = from[i] * inverse;
        out[i] = d[i] * (1.0f - t * t);
      }
    });
  }};
}

Compiled compile_cross_entropy(const StepView& s) {
  const int logits = s.in(0), targets = s.in(1), nats = s.out(0);
  const int64_t vocab = s.shape(logits).dim(-1), rows = s.shape(logits).rows();
  return {[=](const Memory& m) { cross_entropy({rows, vocab, vocab, m.i32(targets), 0, m.f32(nats)}, m.f32(logits)); }};
}

Compiled compile_cross_entropy_grad(const StepView& s) {
  const int logits = s.in(0), targets = s.in(1), dnats = s.in(2), dlogits = s.out(0);
  const int64_t vocab = s.shape(logits).dim(-1), rows = s.shape(logits).rows();
  return {[=](const Memory& m) {
    const float* from = m.f32(logits);
    float* to = m.f32(dlogits);
    if (from != to)
      threads().parallel_for(rows * vocab, 4096,
                             [&](int64_t begin, int64_t end) { std::copy(from + begin, from + end, to + begin); });
    cross_entropy_grad({rows, vocab, vocab, m.i32(targets), 0, nullptr}, to, m.f32(dnats), 1);
  }};
}

Compiled compile_masked_mean(const StepView& s) {
  const int nats = s.in(0), targets = s.in(1), mean = s.out(0);
  const int64_t n = s.shape(nats).count();
  return {[=](const Memory& m) {
    double sum = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < n; ++i) {
      if (m.i32(targets)[i] < 0) continue;
      sum += m.f32(nats)[i];
      ++count;
    }
    *m.f64(mean) = count > 0 ? sum / static_cast<double>(count) : 0.0;
  }};
}

Compiled compile_masked_mean_grad(const StepView& s) {
  const int targets = s.in(0), dloss = s.in(1), dnats = s.out(0);
  const int64_t n = s.shape(targets).count();
  return {[=](const Memory& m) {
    const int32_t* t = m.i32(targets);
    const int64_t count = std::count_if(t, t + n, [](int32_t target) { return target >= 0; });
    const auto each = static_cast<float>(count > 0 ? *m.f64(dloss) / static_cast<double>(count) : 0.0);
    for (int64_t i = 0; i < n; ++i) m.f32(dnats)[i] = t[i] >= 0 ? each : 0.0f;
  }};
}

// The head's operands and its blocks of rows: a block's logits are all that is ever held.
struct Head {
  int x, w, targets;
  int64_t rows, dim, vocab, block;
  float cap;
  bool packed;

  explicit Head(const StepView& s)
      : x(s.in(0)),
        w(s.in(1)),
        targets(s.in(2)),
        rows(s.shape(x).rows()),
        dim(s.shape(x).dim(-1)),
        vocab(s.shape(w)[0]),
        block(std::clamp<int64_t>(kBlockBytes / 4 / vocab / 16 * 16, 64, rows)),
        cap(static_cast<float>(s.real("cap"))),
        packed(s.is_packed(w)) {}

  // Large enough to keep the products near their peak, small enough to stay near the caches.
  static constexpr int64_t kBlockBytes = int64_t{24} << 20;

  size_t logits_bytes() const { return static_cast<size_t>(block * vocab) * sizeof(float); }

  Gemm logits(const Memory& m, int64_t begin, int64_t n, float* out) const {
    Gemm g;
    g.m = n, g.n = vocab, g.k = dim, g.ldc = vocab;
    g.a = {m.f32(x) + begin * dim, dim};
    g.b = packed ? Matrix{} : Matrix{m.f32(w), dim, true};
    g.packed_b = packed ? m.f32(w) : nullptr;
    g.c = out;
    return g;
  }
  Gemm dx(const Memory& m, int64_t begin, int64_t n, const float* dlogits, float* out) const {
    Gemm g;
    g.m = n, g.n = dim, g.k = vocab, g.ldc = dim;
    g.a = {dlogits, vocab};
    g.b = {m.f32(w), dim, false};
    g.c = out + begin * dim;
    return g;
  }
  Gemm dw(const Memory& m, int64_t begin, int64_t n, const float* dlogits, float* out, bool accumulate) const {
    Gemm g;
    g.m = vocab, g.n = dim, g.k = n, g.ldc = dim;
    g.a = {dlogits, vocab, true};
    g.b = {m.f32(x) + begin * dim, dim, false};
    g.c = out;
    g.accumulate = accumulate;
    return g;
  }
  size_t gemm_bytes(bool training) const {
    const int n = threads().size();
    Gemm shape;
    shape.m = block, shape.n = vocab, shape.k = dim, shape.ldc = vocab;
    size_t bytes = gemm_scratch_bytes(shape, n);
    if (!training) return bytes;
    shape.m = block, shape.n = dim, shape.k = vocab, shape.ldc = dim;
    bytes = std::max(bytes, gemm_scratch_bytes(shape, n));
    shape.m = vocab, shape.n = dim, shape.k = block, shape.ldc = dim;
    return std::max(bytes, gemm_scratch_bytes(shape, n));
  }
};

Compiled compile_head_loss(const StepView& s) {
  const Head h(s);
  const int nats = s.out(0);
  const size_t held = (h.logits_bytes() + 63) / 64 * 64;
  return {[=](const Memory& m) {
            float* logits = reinterpret_cast<float*>(m.scratch.data());
            for (int64_t begin = 0; begin < h.rows; begin += h.block) {
              const int64_t n = std::min(h.block, h.rows - begin);
              gemm(h.logits(m, begin, n, logits), m.scratch.subspan(held));
              cross_entropy({n, h.vocab, h.vocab, m.i32(h.targets) + begin, h.cap, m.f32(nats) + begin}, logits);
            }
          },
          held + h.gemm_bytes(false)};
}

Compiled compile_head_loss_train(const StepView& s) {
  const Head h(s);
  const int dnats = s.in(3), into = s.in(4), keep = s.in(5), nats = s.out(0), dx = s.out(1);
  const int dw = into >= 0 ? into : s.out(2);
  const size_t held = (h.logits_bytes() + 63) / 64 * 64;
  return {[=](const Memory& m) {
            float* logits = reinterpret_cast<float*>(m.scratch.data());
            const Scratch rest = m.scratch.subspan(held);
            bool accumulate = into >= 0 && (keep < 0 || *m.f64(keep) != 0.0);
            for (int64_t begin = 0; begin < h.rows; begin += h.block) {
              const int64_t n = std::min(h.block, h.rows - begin);
              gemm(h.logits(m, begin, n, logits), rest);
              cross_entropy_grad({n, h.vocab, h.vocab, m.i32(h.targets) + begin, h.cap, m.f32(nats) + begin}, logits,
                                 m.f32(dnats) + begin, 1);
              gemm(h.dw(m, begin, n, logits, m.f32(dw), accumulate), rest);
              gemm(h.dx(m, begin, n, logits, m.f32(dx)), rest);  // last: dx may lie where x does
              accumulate = true;
            }
          },
          held + h.gemm_bytes(true)};
}

}  // namespace

std::span<const OpEntry> loss_entries() {
  static const OpEntry entries[] = {{"softcap", compile_softcap},
                                    {"softcap_grad", compile_softcap_grad},
                                    {"cross_entropy", compile_cross_entropy},
                                    {"cross_entropy_grad", compile_cross_entropy_grad},
                                    {"masked_mean", compile_masked_mean},
                                    {"masked_mean_grad", compile_masked_mean_grad},
                                    {"head_loss", compile_head_loss},
                                    {"head_loss_train", compile_head_loss_train}};
  return entries;
}

}  // namespace propane::cpu
