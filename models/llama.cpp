// The llama family: pre-norm decoder with RMSNorm, RoPE, grouped-query attention and SwiGLU (Touvron et al. 2023), with
// qwen's q/k/v biases and per-head norms, gemma's post-norms, softcaps and GEGLU, local and position-free layers,
// mixtures of experts and gpt-oss's sinks as switches, and Rustane's damped residual.

#include <fmt/format.h>

#include <cmath>

#include "models/builder.h"

namespace propane {

namespace {

Val dense_mlp(Builder& b, const std::string& at, Val m) {
  const ModelConfig& c = b.c;
  const Val gate = linear(b.g, m, b.param(at + "mlp.gate", {c.hidden, c.dim}));
  const Val up = linear(b.g, m, b.param(at + "mlp.up", {c.hidden, c.dim}));
  const Val h = c.gelu ? multiply(b.g, activation(b.g, gate, "gelu_tanh"), up) : swiglu(b.g, gate, up);
  return linear(b.g, h, b.param(at + "mlp.down", {c.dim, c.hidden}));
}

Val mixture(Builder& b, const std::string& at, Val m) {
  const ModelConfig& c = b.c;
  const auto bias = [&](const std::string& name, Shape shape) {
    return c.expert_bias ? b.param(name + "_bias", std::move(shape)) : Val{};
  };
  const std::string router = at + "mlp.router";
  const Val scores = linear(b.g, m, b.param(router, {c.n_expert, c.dim}), bias(router, {c.n_expert}));
  const ExpertChoice choice = choose_experts(b.g, scores, c.n_expert_used, c.expert_normalize);
  const auto product = [&](const char* which, Val x, int64_t out, int64_t in) {
    const std::string name = at + "mlp.experts." + which;
    return expert_linear(b.g, x, b.param(name, {c.n_expert, out, in}), choice.ids, bias(name, {c.n_expert, out}));
  };
  const Val gate = product("gate", m, c.hidden, c.dim), up = product("up", m, c.hidden, c.dim);
  const Val h =
      c.swiglu_limit > 0 ? clamped_swiglu(b.g, gate, up, c.swiglu_alpha, c.swiglu_limit) : swiglu(b.g, gate, up);
  return expert_sum(b.g, product("down", h, c.dim, c.hidden), choice.weights);
}

}  // namespace

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
  if (c.embedding_scale != 1) x = scale(g, x, c.embedding_scale);

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
    const Val sinks = c.sinks ? b.param(at + "attn.sinks", {c.n_head}) : Val{};
    Val y = b.attend(i, b.rotate(i, q), b.rotate(i, k), v, c.window(i), sinks);
    y = linear(g, y, b.param(at + "attn.out", {c.dim, c.q_dim()}),
               c.out_bias ? b.param(at + "attn.out_bias", {c.dim}) : Val{});
    if (c.post_norms) y = norm(y, at + "attn_post_norm", c.dim);
    x = add(g, x, y, damping);

    const Val m = norm(x, at + "mlp_norm", c.dim);
    Val h = c.n_expert > 0 ? mixture(b, at, m) : dense_mlp(b, at, m);
    if (c.post_norms) h = norm(h, at + "mlp_post_norm", c.dim);
    x = add(g, x, h, damping);
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
    if (c.sinks) list.push_back({at + "attn.sinks", c.dtype, {c.n_head}, ParamKind::bias, {}});
    list.push_back({at + "attn.out", c.dtype, {c.dim, c.q_dim()}, ParamKind::matrix, out});
    if (c.out_bias) list.push_back({at + "attn.out_bias", c.dtype, {c.dim}, ParamKind::bias, {}});
    if (c.post_norms) list.push_back({at + "attn_post_norm", c.dtype, {c.dim}, ParamKind::norm, one});
    list.push_back({at + "mlp_norm", c.dtype, {c.dim}, ParamKind::norm, one});
    const auto mlp = [&](const std::string& name, int64_t rows, int64_t columns, Init init) {
      const int64_t n = c.n_expert;
      const std::string full = at + (n > 0 ? "mlp.experts." : "mlp.") + name;
      list.push_back({full, c.dtype, n > 0 ? Shape{n, rows, columns} : Shape{rows, columns}, ParamKind::matrix, init});
      if (c.expert_bias) list.push_back({full + "_bias", c.dtype, {n, rows}, ParamKind::bias, {}});
    };
    if (c.n_expert > 0) list.push_back({at + "mlp.router", c.dtype, {c.n_expert, c.dim}, ParamKind::matrix, in});
    if (c.expert_bias) list.push_back({at + "mlp.router_bias", c.dtype, {c.n_expert}, ParamKind::bias, {}});
    mlp("gate", c.hidden, c.dim, in_mlp);
    mlp("up", c.hidden, c.dim, in_mlp);
    mlp("down", c.dim, c.hidden, out);
    if (c.post_norms) list.push_back({at + "mlp_post_norm", c.dtype, {c.dim}, ParamKind::norm, one});
  }
  list.push_back({"norm", c.dtype, {c.dim}, ParamKind::norm, one});
  if (!c.tied) list.push_back({"lm_head", c.dtype, {c.vocab, c.dim}, ParamKind::head, embed});
  return list;
}

}  // namespace propane
