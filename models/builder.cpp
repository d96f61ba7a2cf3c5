#include "models/builder.h"

#include <fmt/format.h>

#include <cmath>

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

Val Builder::attend(int64_t i, Val q, Val k, Val v, int64_t window) {
  if (o.kv_max > 0) {
    const Type cache{c.dtype, {o.batch, o.kv_max, c.n_kv_head, c.head_dim}};
    const Val k_cache = g.state(fmt::format("kv.{}.k", i), cache), v_cache = g.state(fmt::format("kv.{}.v", i), cache);
    kv_write(g, k_cache, k, positions);
    kv_write(g, v_cache, v, positions);
    k = k_cache;
    v = v_cache;
  }
  const Val y =
      attention(g, {q, k, v, positions, kv_len, doc_start}, window, 1.0 / std::sqrt(static_cast<double>(c.head_dim)));
  return reshape(g, y, {o.batch, o.len, c.q_dim()});
}

Val Builder::rotate(Val x, bool transposed_sign) {
  RopeOptions rope_options;
  rope_options.theta = c.rope_theta;
  rope_options.interleaved = c.rope_interleaved;
  rope_options.transposed_sign = transposed_sign;
  rope_options.max_position = o.kv_max > 0 ? o.kv_max : c.seq;
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
