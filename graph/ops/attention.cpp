#include <fmt/ranges.h>

#include <charconv>

#include "base/error.h"
#include "graph/op.h"
#include "graph/ops.h"

namespace propane {

namespace {

std::vector<Type> infer_rope(const OpCall& call) {
  call.arity(2, 2);
  const Shape& x = call.shape(0);
  call.require(x.rank() == 4 && x[3] % 2 == 0, "x must be [batch, seq, heads, head_dim] with an even head_dim");
  call.index_type(1);
  call.expect_shape(1, {x[0], x[1]});
  const Attrs& attrs = call.node.attrs;
  call.require(attrs.integer("max_position") > 0, "max_position must be positive");
  const int64_t rotary = attrs.integer("rotary_dim", x[3]);
  call.require(rotary > 0 && rotary % 2 == 0 && rotary <= x[3], "rotary_dim must be even and at most head_dim");
  const auto count = static_cast<int64_t>(rope_factors(attrs).size());
  call.require(count == 0 || count == rotary / 2, "factors must be one number a pair");
  return {call.type(0)};
}

std::vector<Val> grad_rope(GradientCall& call) {
  Attrs attrs = call.node.attrs;  // a rotation's gradient is the rotation back
  attrs.set("transposed_sign", int64_t{attrs.integer("transposed_sign") == 0});
  return {call.graph.add("rope", {call.d(0), call.in(1)}, std::move(attrs))[0], {}};
}

void check_attention(const OpCall& call, int q_pos, int kv_len, int doc_start) {
  const Shape &q = call.shape(0), &k = call.shape(1), &v = call.shape(2);
  call.require(q.rank() == 4 && k.rank() == 4 && k == v,
               "q, k, v must be [batch, len, heads, head_dim], k and v alike");
  call.require(q[0] == k[0] && q[3] == k[3], "q and k must have the same batch and head_dim");
  call.require(k[2] > 0 && q[2] % k[2] == 0, "the number of query heads must be a multiple of the key heads");
  call.index_type(q_pos);
  call.expect_shape(q_pos, {q[0], q[1]});
  call.index_type(kv_len);
  call.expect_shape(kv_len, {q[0]});
  if (call.has(doc_start)) {
    call.index_type(doc_start);
    call.expect_shape(doc_start, {q[0], q[1]});
  }
  call.require(call.node.attrs.integer("window") >= 0, "window must be 0 (all keys) or the number of visible keys");
}

std::vector<Type> infer_attention(const OpCall& call) {
  call.arity(5, 7);
  check_attention(call, 3, 4, 5);
  const Shape& q = call.shape(0);
  if (call.has(6)) call.expect_shape(6, {q[2]});
  call.require(call.node.attrs.real("softcap", 0) >= 0, "softcap must not be negative");
  return {call.type(0), {call.type(0).dtype, {q[0], q[2], q[1]}}};
}

std::vector<Val> grad_attention(GradientCall& call) {
  if (call.in(6) || call.node.attrs.has("softcap"))
    fail("attention: sinks and softcap are for inference; no gradient is known for them");
  if (call.d(1) || !call.d(0)) fail("attention: no gradient passes through lse, the sum that it keeps for its own");
  auto d = call.graph.add(
      "attention_grad",
      {call.in(0), call.in(1), call.in(2), call.out(0), call.out(1), call.d(0), call.in(3), call.in(4), call.in(5)},
      call.node.attrs);
  d.resize(call.node.inputs.size());
  return d;
}

std::vector<Type> infer_attention_grad(const OpCall& call) {
  call.arity(8, 9);
  check_attention(call, 6, 7, 8);
  const Shape& q = call.shape(0);
  call.same_shape(0, 3);
  call.expect_shape(4, {q[0], q[2], q[1]});
  call.same_shape(0, 5);
  return {call.type(0), call.type(1), call.type(2)};
}

}  // namespace

std::span<const OpDef> attention_ops() {
  static const OpDef ops[] = {
      {.name = "rope",
       .doc =
           "Rotary positions (Su et al. 2021): x [batch, seq, heads, head_dim], positions i32 [batch, seq] -> like x. "
           "Pair j turns by position·theta^(−2j/head_dim): y1 = x1·cos − x2·sin, y2 = x2·cos + x1·sin. Attributes: "
           "theta; "
           "interleaved (pairs 2j, 2j+1; else j, j + head_dim/2); transposed_sign (autoresearch: the angle negated); "
           "max_position (positions are below it; a negative one, padding, counts as 0); Llama-3 frequency scaling by "
           "scaling_factor (0: none), "
           "low_freq_factor, high_freq_factor, original_max_position; rotary_dim (left out: head_dim), the elements of "
           "a "
           "head that turn, the rest is copied; factors, one number a pair, separated by spaces, that its frequency is "
           "divided by; amplitude (left out: 1), which multiplies cos and sin.",
       .infer = infer_rope,
       .gradient = grad_rope,
       .may_share = {{0, 0}}},
      {.name = "attention",
       .doc =
           "Softmax attention: q [batch, q_len, n_head, head_dim], k, v [batch, kv_max, n_kv_head, head_dim], q_pos "
           "i32 "
           "[batch, q_len], kv_len i32 [batch], doc_start i32 [batch, q_len] (optional), sinks [n_head] (optional) -> "
           "o like q, lse [batch, "
           "n_head, "
           "q_len] (log of the sum of exponentials, for the gradient). Query i of row b sees key j where j < "
           "kv_len[b], j "
           "<= q_pos[b, i], j > q_pos[b, i] − window (window 0: no limit; it counts the query's own key) and j >= "
           "doc_start[b, i]; a query that sees nothing gives 0. Head h reads key head h / (n_head / n_kv_head). "
           "Attributes window, scale, softcap (left out: none). Inference only: with softcap a scaled score s becomes "
           "softcap·tanh(s/softcap) (Gemma 2), and sinks are each head's score of one more key, seen by every query, "
           "whose value is 0 (gpt-oss). Forward and gradient after Dao 2023 (FlashAttention-2).",
       .infer = infer_attention,
       .gradient = grad_attention},
      {.name = "attention_grad",
       .doc = "q, k, v, o, lse, do, q_pos, kv_len, doc_start (optional) -> dq, dk, dv.",
       .infer = infer_attention_grad},
  };
  return ops;
}

Val rope(Graph& g, Val x, Val positions, const RopeOptions& o) {
  Attrs attrs{{"theta", o.theta},
              {"interleaved", int64_t{o.interleaved}},
              {"transposed_sign", int64_t{o.transposed_sign}},
              {"max_position", o.max_position},
              {"scaling_factor", o.scaling_factor},
              {"low_freq_factor", o.low_freq_factor},
              {"high_freq_factor", o.high_freq_factor},
              {"original_max_position", o.original_max_position}};
  if (o.rotary_dim > 0) attrs.set("rotary_dim", o.rotary_dim);
  if (!o.factors.empty()) attrs.set("factors", fmt::format("{}", fmt::join(o.factors, " ")));
  if (o.amplitude != 1.0) attrs.set("amplitude", o.amplitude);
  return g.add("rope", {x, positions}, std::move(attrs))[0];
}

std::vector<double> rope_factors(const Attrs& attrs) {
  std::vector<double> factors;
  if (!attrs.has("factors")) return factors;
  const std::string& text = attrs.text("factors");
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at < end; ++at) {
    double factor = 0;
    const auto [next, error] = std::from_chars(at, end, factor);
    if (error != std::errc{} || (next != end && *next != ' ') || !(factor > 0))
      fail("rope: factors must be positive numbers separated by spaces, found '{}'", text);
    factors.push_back(factor);
    at = next;
  }
  return factors;
}

Val attention(Graph& g, const AttentionInputs& in, int64_t window, double scale, double softcap) {
  std::vector<Val> inputs{in.q, in.k, in.v, in.q_pos, in.kv_len};
  if (in.doc_start || in.sinks) inputs.push_back(in.doc_start);
  if (in.sinks) inputs.push_back(in.sinks);
  Attrs attrs{{"window", window}, {"scale", scale}};
  if (softcap > 0) attrs.set("softcap", softcap);
  return g.add("attention", std::move(inputs), std::move(attrs))[0];
}

}  // namespace propane
