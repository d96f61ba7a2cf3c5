#include "models/builder.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"

namespace propane {

Builder::Builder(Graph& graph, const ModelConfig& config, const BuildOptions& options)
    : g(graph), c(config), o(options) {
  tokens = g.input("tokens", {DType::i32, {o.batch, o.len}});
  positions = g.input("positions", {DType::i32, {o.batch, o.len}});
  kv_len = g.input("kv_len", {DType::i32, {o.batch}});
  if (o.documents) doc_start = g.input("doc_start", {DType::i32, {o.batch, o.len}});
}

Val Builder::param(const std::string& name, Shape shape) {
  const State::Tensor* stored = o.stored ? o.stored->find(name) : nullptr;
  return g.state(name, {stored ? stored->type.dtype : c.dtype, std::move(shape)});
}

Val Builder::attend(int64_t i, Val q, Val k, Val v, int64_t window, Val sinks) {
  if (o.kv_max > 0) {
    const Type cache{c.dtype, {o.batch, o.kv_max, c.n_kv_head, c.head_dim}};
    const Val k_cache = g.state(fmt::format("kv.{}.k", i), cache), v_cache = g.state(fmt::format("kv.{}.v", i), cache);
    kv_write(g, k_cache, k, positions);
    kv_write(g, v_cache, v, positions);
    k = k_cache;
    v = v_cache;
  }
  const double factor = c.attention_scale > 0 ? c.attention_scale : 1.0 / std::sqrt(static_cast<double>(c.head_dim));
  const Val y = attention(g, {q, k, v, positions, kv_len, doc_start, sinks}, window, factor, c.attention_softcap);
  return reshape(g, y, {o.batch, o.len, c.q_dim()});
}

Val Builder::rotate(int64_t i, Val x, bool transposed_sign) {
  if (c.layer_kind(i) == 'n') return x;
  RopeOptions rope_options;
  rope_options.theta = c.rope_theta;
  rope_options.interleaved = c.rope_interleaved;
  rope_options.transposed_sign = transposed_sign;
  rope_options.max_position = o.kv_max > 0 ? o.kv_max : c.seq;
  if (c.longest_context > 0 && rope_options.max_position > c.longest_context)
    fail(
        "the model's rotary positions hold for {} tokens, its long-context factors are not known here; {} were asked "
        "for",
        c.longest_context, rope_options.max_position);
  rope_options.rotary_dim = c.rotary_dim;
  if (c.local_rope_theta > 0 && c.layer_kind(i) == 'l') {
    rope_options.theta = c.local_rope_theta;
    return rope(g, x, positions, rope_options);
  }
  rope_options.factors = c.rope_factors;
  rope_options.amplitude = c.rope_amplitude;
  rope_options.scaling_factor = c.rope_scaling_factor;
  rope_options.low_freq_factor = c.rope_low_freq_factor;
  rope_options.high_freq_factor = c.rope_high_freq_factor;
  rope_options.original_max_position = c.rope_original_max_position;
  return rope(g, x, positions, rope_options);
}

Trunk build_trunk(Graph& graph, const ModelConfig& config, const BuildOptions& options) {
  switch (config.family) {
    case Family::gpt: return build_gpt(graph, config, options);
    case Family::llama: return build_llama(graph, config, options);
    case Family::gpt2: return build_gpt2(graph, config, options);
  }
  return {};
}

Val build_logits(Graph& graph, const ModelConfig& config, Val x, Val head) {
  const Val logits = linear(graph, x, head);
  return config.softcap > 0 ? softcap(graph, logits, config.softcap) : logits;
}

}  // namespace propane
