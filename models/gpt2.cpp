// GPT-2 (Radford et al. 2019): LayerNorm with bias, learned positions, GELU in its tanh form, tied head.

#include <fmt/format.h>

#include <cmath>

#include "models/builder.h"

namespace propane {

Trunk build_gpt2(Graph& g, const ModelConfig& config, const BuildOptions& options) {
  Builder b(g, config, options);
  const ModelConfig& c = b.c;
  const auto norm = [&](Val x, const std::string& name) {
    return layer_norm(g, x, b.param(name + ".weight", {c.dim}), b.param(name + ".bias", {c.dim}), c.norm_eps);
  };
  const auto project = [&](Val x, const std::string& name, int64_t out, int64_t in) {
    return linear(g, x, b.param(name, {out, in}), b.param(name + "_bias", {out}));
  };

  g.set_scope("embed");
  const Val table = b.param("tok_embed", {c.vocab, c.dim});
  Val x = add(g, embedding(g, table, b.tokens), embedding(g, b.param("pos_embed", {c.seq, c.dim}), b.positions));

  for (int64_t i = 0; i < c.n_layer; ++i) {
    b.layer(i);
    const std::string at = fmt::format("layers.{}.", i);
    const Val qkv = project(norm(x, at + "ln1"), at + "attn.qkv", 3 * c.dim, c.dim);
    const Val q = b.heads(slice_last(g, qkv, 0, c.dim), c.n_head);
    const Val k = b.heads(slice_last(g, qkv, c.dim, c.dim), c.n_head);
    const Val v = b.heads(slice_last(g, qkv, 2 * c.dim, c.dim), c.n_head);
    x = add(g, x, project(b.attend(i, q, k, v, 0), at + "attn.out", c.dim, c.dim));
    const Val h = activation(g, project(norm(x, at + "ln2"), at + "mlp.up", c.hidden, c.dim), "gelu_tanh");
    x = add(g, x, project(h, at + "mlp.down", c.dim, c.hidden));
  }

  g.set_scope("head");
  return {norm(x, "ln_f"), c.tied ? table : b.param("lm_head", {c.vocab, c.dim})};
}

std::vector<Param> gpt2_parameters(const ModelConfig& c) {
  using Kind = Init::Kind;
  const Init normal{Kind::normal, 0.02};
  const Init residual{Kind::normal, 0.02 / std::sqrt(2.0 * static_cast<double>(c.n_layer))};
  std::vector<Param> list;
  const auto norm = [&](const std::string& name) {
    list.push_back({name + ".weight", c.dtype, {c.dim}, ParamKind::norm, {Kind::constant, 1.0}});
    list.push_back({name + ".bias", c.dtype, {c.dim}, ParamKind::norm, {}});
  };
  const auto project = [&](const std::string& name, int64_t out, int64_t in, Init init) {
    list.push_back({name, c.dtype, {out, in}, ParamKind::matrix, init});
    list.push_back({name + "_bias", c.dtype, {out}, ParamKind::bias, {}});
  };
  list.push_back({"tok_embed", c.dtype, {c.vocab, c.dim}, ParamKind::embedding, normal});
  list.push_back({"pos_embed", c.dtype, {c.seq, c.dim}, ParamKind::embedding, normal});
  for (int64_t i = 0; i < c.n_layer; ++i) {
    const std::string at = fmt::format("layers.{}.", i);
    norm(at + "ln1");
    project(at + "attn.qkv", 3 * c.dim, c.dim, normal);
    project(at + "attn.out", c.dim, c.dim, residual);
    norm(at + "ln2");
    project(at + "mlp.up", c.hidden, c.dim, normal);
    project(at + "mlp.down", c.dim, c.hidden, residual);
  }
  norm("ln_f");
  if (!c.tied) list.push_back({"lm_head", c.dtype, {c.vocab, c.dim}, ParamKind::head, normal});
  return list;
}

}  // namespace propane
