// autoresearch's and nanochat's GPT (Karpathy 2025/2026): no biases, no learned norms, value embeddings on every other
// layer, residual scalars, RoPE then QK norm, relu² MLP, capped logits, sliding windows in a pattern.

#include <fmt/format.h>

#include <cmath>

#include "models/builder.h"

namespace propane {

Trunk build_gpt(Graph& g, const ModelConfig& config, const BuildOptions& options) {
  Builder b(g, config, options);
  const ModelConfig& c = b.c;
  const auto norm = [&](Val x) { return rms_norm(g, x, {}, c.norm_eps); };
  const Type table{c.embedding_dtype == DType::bf16 ? DType::bf16 : c.dtype, {c.vocab, c.dim}};
  const Type value_table{table.dtype, {c.vocab, c.kv_dim()}};

  g.set_scope("embed");
  Val x = norm(embedding(g, g.state("wte", table), b.tokens));
  const Val x0 = x;

  for (int64_t i = 0; i < c.n_layer; ++i) {
    b.layer(i);
    const std::string at = fmt::format("layers.{}.", i);
    x = mix(g, x, b.param(fmt::format("resid_lambda.{}", i), {1}), x0, b.param(fmt::format("x0_lambda.{}", i), {1}));

    const Val n = norm(x);
    Val q = b.heads(linear(g, n, b.param(at + "attn.q", {c.q_dim(), c.dim})), c.n_head);
    Val k = b.heads(linear(g, n, b.param(at + "attn.k", {c.kv_dim(), c.dim})), c.n_kv_head);
    Val v = b.heads(linear(g, n, b.param(at + "attn.v", {c.kv_dim(), c.dim})), c.n_kv_head);
    if (c.has_value_embedding(i)) {
      const Val ve = b.heads(embedding(g, g.state(at + "attn.ve", value_table), b.tokens), c.n_kv_head);
      const Val gate =
          linear(g, slice_last(g, n, 0, c.gate_channels), b.param(at + "attn.ve_gate", {c.n_kv_head, c.gate_channels}));
      v = value_gate(g, v, ve, gate);
    }
    q = norm(b.rotate(i, q, true));
    k = norm(b.rotate(i, k, true));
    const Val y = b.attend(i, q, k, v, c.window(i));
    x = add(g, x, linear(g, y, b.param(at + "attn.out", {c.dim, c.q_dim()})));

    const Val h = activation(g, linear(g, norm(x), b.param(at + "mlp.up", {c.hidden, c.dim})), "relu2");
    x = add(g, x, linear(g, h, b.param(at + "mlp.down", {c.dim, c.hidden})));
  }

  g.set_scope("head");
  return {norm(x), b.param("lm_head", {c.vocab, c.dim})};
}

std::vector<Param> gpt_parameters(const ModelConfig& c) {
  using Kind = Init::Kind;
  const DType table = c.embedding_dtype == DType::bf16 ? DType::bf16 : c.dtype;
  const Init in{Kind::uniform, std::sqrt(3.0) / std::sqrt(static_cast<double>(c.dim))};
  const Init zero{};
  std::vector<Param> list;
  list.push_back({"wte", table, {c.vocab, c.dim}, ParamKind::embedding, {Kind::normal, 1.0}});
  for (int64_t i = 0; i < c.n_layer; ++i) {
    const std::string at = fmt::format("layers.{}.", i);
    list.push_back({fmt::format("resid_lambda.{}", i), c.dtype, {1}, ParamKind::resid_scalar, {Kind::constant, 1.0}});
    list.push_back({fmt::format("x0_lambda.{}", i), c.dtype, {1}, ParamKind::x0_scalar, {Kind::constant, 0.1}});
    list.push_back({at + "attn.q", c.dtype, {c.q_dim(), c.dim}, ParamKind::matrix, in});
    list.push_back({at + "attn.k", c.dtype, {c.kv_dim(), c.dim}, ParamKind::matrix, in});
    list.push_back({at + "attn.v", c.dtype, {c.kv_dim(), c.dim}, ParamKind::matrix, in});
    if (c.has_value_embedding(i)) {
      list.push_back({at + "attn.ve", table, {c.vocab, c.kv_dim()}, ParamKind::value_embedding, in});
      list.push_back({at + "attn.ve_gate", c.dtype, {c.n_kv_head, c.gate_channels}, ParamKind::matrix, zero});
    }
    list.push_back({at + "attn.out", c.dtype, {c.dim, c.q_dim()}, ParamKind::matrix, zero});
    list.push_back({at + "mlp.up", c.dtype, {c.hidden, c.dim}, ParamKind::matrix, in});
    list.push_back({at + "mlp.down", c.dtype, {c.dim, c.hidden}, ParamKind::matrix, zero});
  }
  list.push_back({"lm_head", c.dtype, {c.vocab, c.dim}, ParamKind::head, {Kind::normal, 0.001}});
  return list;
}

}  // namespace propane
