#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "backends/ref/kernels.h"
#include "graph/ops.h"

namespace propane::ref {

namespace {

// The angle that pair j turns per position, with Llama-3's scaling: slow pairs (few turns over the context that the
// model was first trained on) are slowed by scaling_factor, fast ones are left, those between are blended.
double rope_frequency(const Attrs& attrs, const std::vector<double>& factors, int64_t j, int64_t rotary_dim) {
  const double plain = std::pow(attrs.real("theta"), -2.0 * static_cast<double>(j) / static_cast<double>(rotary_dim));
  const double frequency = factors.empty() ? plain : plain / factors[static_cast<size_t>(j)];
  const double factor = attrs.real("scaling_factor", 0.0);
  if (factor == 0.0) return frequency;
  const double low = attrs.real("low_freq_factor"), high = attrs.real("high_freq_factor");
  const double turns = attrs.real("original_max_position") * frequency / (2.0 * std::numbers::pi);
  if (turns < low) return frequency / factor;
  if (turns > high) return frequency;
  const double blend = (turns - low) / (high - low);
  return (1.0 - blend) * frequency / factor + blend * frequency;
}

// Angles, sines and cosines in double. (autoresearch rounds its tables to bf16; that is not modelled.)
void run_rope(const Operands& o) {
  const Tensor x = o.in(0), positions = o.in(1), y = o.out(0);
  const int64_t heads = x.shape[2], head_dim = x.shape[3];
  const int64_t rotary_dim = o.attrs.integer("rotary_dim", head_dim), half = rotary_dim / 2;
  const std::vector<double> factors = rope_factors(o.attrs);
  const double amplitude = o.attrs.real("amplitude", 1.0);
  const bool interleaved = o.attrs.integer("interleaved", 0) != 0;
  const double sign = o.attrs.integer("transposed_sign", 0) != 0 ? -1.0 : 1.0;
  for (int64_t t = 0; t < positions.count(); ++t) {
    const double position = std::max(positions[t], 0.0);  // padding counts as 0
    if (position >= static_cast<double>(o.attrs.integer("max_position")))
      fail("rope: position {} is not below max_position {}", position, o.attrs.integer("max_position"));
    for (int64_t j = 0; j < half; ++j) {
      const double angle = sign * position * rope_frequency(o.attrs, factors, j, rotary_dim);
      const double c = amplitude * std::cos(angle), s = amplitude * std::sin(angle);
      const int64_t first = interleaved ? 2 * j : j, second = interleaved ? 2 * j + 1 : j + half;
      for (int64_t h = 0; h < heads; ++h) {
        const double *from = x.row(t * heads + h), x1 = from[first], x2 = from[second];
        double* to = y.row(t * heads + h);
        to[first] = x1 * c - x2 * s;
        to[second] = x2 * c + x1 * s;
      }
    }
    for (int64_t h = 0; h < heads; ++h)
      std::copy(x.row(t * heads + h) + rotary_dim, x.row(t * heads + h) + head_dim, y.row(t * heads + h) + rotary_dim);
  }
}

// The operands that attention and its gradient share, and which key a query sees.
struct Setting {
  Tensor q, k, v, q_pos, kv_len, doc_start;
  int64_t window;
  double scale;
  double softcap = 0;

  int64_t batch() const { return q.shape[0]; }
  int64_t q_len() const { return q.shape[1]; }
  int64_t heads() const { return q.shape[2]; }
  int64_t head_dim() const { return q.shape[3]; }
  int64_t keys() const { return k.shape[1]; }

  // Index of [b, position, head] among the rows of a tensor shaped like q, or of the key head that it reads among k's.
  int64_t q_row(int64_t b, int64_t i, int64_t h) const { return (b * q_len() + i) * heads() + h; }
  int64_t k_row(int64_t b, int64_t j, int64_t h) const {
    return (b * keys() + j) * k.shape[2] + h / (heads() / k.shape[2]);
  }

  bool sees(int64_t b, int64_t i, int64_t j) const {
    const int64_t place = b * q_len() + i;
    const auto position = static_cast<int64_t>(q_pos[place]);
    return static_cast<double>(j) < kv_len[b] && j <= position && (window == 0 || j > position - window) &&
           (!doc_start || static_cast<double>(j) >= doc_start[place]);
  }

  double score(int64_t b, int64_t i, int64_t j, int64_t h) const {
    const double *qr = q.row(q_row(b, i, h)), *kr = k.row(k_row(b, j, h));
    double dot = 0.0;
    for (int64_t c = 0; c < head_dim(); ++c) dot += qr[c] * kr[c];
    return softcap > 0 ? softcap * std::tanh(scale * dot / softcap) : scale * dot;
  }
};

template <typename Body>
void each_query(const Setting& s, Body body) {
  for (int64_t b = 0; b < s.batch(); ++b)
    for (int64_t h = 0; h < s.heads(); ++h)
      for (int64_t i = 0; i < s.q_len(); ++i) body(b, h, i);
}

void run_attention(const Operands& o_) {
  const Setting s{o_.in(0),
                  o_.in(1),
                  o_.in(2),
                  o_.in(3),
                  o_.in(4),
                  o_.in(5),
                  o_.attrs.integer("window"),
                  o_.attrs.real("scale"),
                  o_.attrs.real("softcap", 0.0)};
  const Tensor sinks = o_.in(6), o = o_.out(0), lse = o_.out(1);
  each_query(s, [&](int64_t b, int64_t h, int64_t i) {
    double* out = o.row(s.q_row(b, i, h));
    std::fill_n(out, s.head_dim(), 0.0);
    double largest = sinks ? sinks[h] : -std::numeric_limits<double>::infinity(), sum = 0.0;
    for (int64_t j = 0; j < s.keys(); ++j)
      if (s.sees(b, i, j)) largest = std::max(largest, s.score(b, i, j, h));
    if (sinks) sum = std::exp(sinks[h] - largest);
    for (int64_t j = 0; j < s.keys(); ++j) {
      if (!s.sees(b, i, j)) continue;
      const double weight = std::exp(s.score(b, i, j, h) - largest);
      const double* value = s.v.row(s.k_row(b, j, h));
      for (int64_t c = 0; c < s.head_dim(); ++c) out[c] += weight * value[c];
      sum += weight;
    }
    if (sum > 0.0)
      for (int64_t c = 0; c < s.head_dim(); ++c) out[c] /= sum;
    lse[(b * s.heads() + h) * s.q_len() + i] = largest + std::log(sum);  // −∞ for a query that sees nothing
  });
}

// With p = exp(score − lse): dv = Σ p·do, ds = p·(do·v − do·o), dq = scale·Σ ds·k, dk = scale·Σ ds·q.
void run_attention_grad(const Operands& o_) {
  const Setting s{
      o_.in(0), o_.in(1), o_.in(2), o_.in(6), o_.in(7), o_.in(8), o_.attrs.integer("window"), o_.attrs.real("scale")};
  const Tensor o = o_.in(3), lse = o_.in(4), d_o = o_.in(5), dq = o_.out(0), dk = o_.out(1), dv = o_.out(2);
  for (const Tensor& t : {dq, dk, dv}) std::fill_n(t.data, t.count(), 0.0);
  each_query(s, [&](int64_t b, int64_t h, int64_t i) {
    const int64_t query = s.q_row(b, i, h);
    for (int64_t j = 0; j < s.keys(); ++j) {
      if (!s.sees(b, i, j)) continue;
      const int64_t key = s.k_row(b, j, h);
      const double p = std::exp(s.score(b, i, j, h) - lse[(b * s.heads() + h) * s.q_len() + i]);
      double dot = 0.0;
      for (int64_t c = 0; c < s.head_dim(); ++c) dot += d_o.row(query)[c] * (s.v.row(key)[c] - o.row(query)[c]);
      const double ds = p * dot;
      for (int64_t c = 0; c < s.head_dim(); ++c) {
        dv.row(key)[c] += p * d_o.row(query)[c];
        dq.row(query)[c] += s.scale * ds * s.k.row(key)[c];
        dk.row(key)[c] += s.scale * ds * s.q.row(query)[c];
      }
    }
  });
}

}  // namespace

std::span<const RefOp> attention_ops() {
  static constexpr RefOp kOps[] = {
      {.name = "rope", .kernel = run_rope},
      {.name = "attention", .kernel = run_attention},
      {.name = "attention_grad", .kernel = run_attention_grad},
  };
  return kOps;
}

}  // namespace propane::ref
