// The llama family: pre-norm decoder with RMSNorm, RoPE, grouped-query attention and SwiGLU (Touvron et al. 2023), with
// qwen's q/k/v biases and per-head norms as switches, and Rustane's damped residual.

#include <fmt/format.h>

#include <cmath>

#include "models/builder.h"

namespace propane {

Trunk build_llama(Graph& g, const ModelConfig& config, const BuildOptions& options) {
  Builder b(g, config, options);
  const ModelConfig& c = b.c;
  const double damping = c.damped_residual ? 1.0 / std::sqrt(2.0 * static_cast<double>(c.n_layer)) : 1.0;
  const auto norm = [&](Val x, const std::string& name, int64_t n) {
    return rms_norm(g, x, b.param(name, {n}), c.norm_eps);
  };

  g.set_scope("embed");
  const Val table = b.param("tok_embed", {c.vocab, c.dim});
  Val x = embedding(g, table, b.tokens);

  for (int64_t i = 0; i < c.n_layer; ++i) {
    b.layer(i);
    const std::string at = fmt::format("layers.{}.", i);
    const auto project = [&](Val n, const char* which, int64_t out) {
      const std::string name = at + "attn." + which;
      return linear(g, n, b.param(name, {out, c.dim}), c.qkv_bias ? b.param(name + "_bias", {out}) : Val{});
    };
    const Val n = norm(x, at + "attn_norm", c.dim);
    Val q = b.heads(project(n, "q", c.q_dim()), c.n_head);
    Val k = b.heads(project(n, "k", c.kv_dim()), c.n_kv_head);
    const Val v = b.heads(project(n, "v", c.kv_dim()), c.n_kv_head);
    if (c.qk_norm) {
      q = norm(q, at + "attn.q_norm", c.head_dim);
      k = norm(k, at + "attn.k_norm", c.head_dim);
    }
    const Val y = b.attend(i, b.rotate(q, false), b.rotate(k, false), v, 0);
    x = add(g, x, linear(g, y, b.param(at + "attn.out", {c.dim, c.q_dim()})), damping);

    const Val m = norm(x, at + "mlp_norm", c.dim);
    const Val h = swiglu(g, linear(g, m, b.param(at + "mlp.gate", {c.hidden, c.dim})),
                         linear(g, m, b.param(at + "mlp.up", {c.hidden, c.dim})));
    x = add(g, x, linear(g, h, b.param(at + "mlp.down", {c.dim, c.hidden})), damping);
  }

  g.set_scope("head");
  return {norm(x, "norm", c.dim), c.tied ? table : b.param("lm_head", {c.vocab, c.dim})};
}

std::vector<Param> llama_parameters(const ModelConfig& c) {
  using Kind = Init::Kind;
  const double layers = static_cast<double>(c.n_layer);
  // GPT-2's initialiser, or Rustane's: uniform by fan-in, outputs zero.
  const bool rustane = c.zero_init_outputs;
  const Init embed = rustane ? Init{Kind::uniform, 0.02} : Init{Kind::normal, 0.02};
  const Init in = rustane ? Init{Kind::uniform, 1.0 / std::sqrt(static_cast<double>(c.dim))} : Init{Kind::normal, 0.02};
  const Init in_mlp = rustane ? Init{Kind::uniform, 1.0 / std::sqrt(static_cast<double>(c.hidden))} : in;
  const Init out = rustane ? Init{} : Init{Kind::normal, 0.02 / std::sqrt(2.0 * layers)};
  const Init one{Kind::constant, 1.0};
  std::vector<Param> list;
  list.push_back({"tok_embed", c.dtype, {c.vocab, c.dim}, ParamKind::embedding, embed});
  for (int64_t i = 0; i < c.n_layer; ++i) {
    const std::string at = fmt::format("layers.{}.", i);
    list.push_back({at + "attn_norm", c.dtype, {c.dim}, ParamKind::norm, one});
    for (const auto& [name, rows] : {std::pair{"attn.q", c.q_dim()}, {"attn.k", c.kv_dim()}, {"attn.v", c.kv_dim()}}) {
      list.push_back({at + name, c.dtype, {rows, c.dim}, ParamKind::matrix, in});
      if (c.qkv_bias) list.push_back({at + name + "_bias", c.dtype, {rows}, ParamKind::bias, {}});
    }
    if (c.qk_norm) {
      list.push_back({at + "attn.q_norm", c.dtype, {c.head_dim}, ParamKind::norm, one});
      list.push_back({at + "attn.k_norm", c.dtype, {c.head_dim}, ParamKind::norm, one});
    }
    list.push_back({at + "attn.out", c.dtype, {c.dim, c.q_dim()}, ParamKind::matrix, out});
    list.push_back({at + "mlp_norm", c.dtype, {c.dim}, ParamKind::norm, one});
    list.push_back({at + "mlp.gate", c.dtype, {c.hidden, c.dim}, ParamKind::matrix, in_mlp});
    list.push_back({at + "mlp.up", c.dtype, {c.hidden, c.dim}, ParamKind::matrix, in_mlp});
    list.push_back({at + "mlp.down", c.dtype, {c.dim, c.hidden}, ParamKind::matrix, out});
  }
  list.push_back({"norm", c.dtype, {c.dim}, ParamKind::norm, one});
  if (!c.tied) list.push_back({"lm_head", c.dtype, {c.vocab, c.dim}, ParamKind::head, embed});
  return list;
}

}  // namespace propane
