// Llama and the decoders that differ from it by a switch: Qwen 2 and 3, Mistral, SmolLM3, Phi-3.

#include "models/architecture.h"

namespace propane {

namespace {

constexpr TensorName kNames[] = {
    {"tok_embed", "model.embed_tokens.weight", "token_embd.weight"},
    {"layers.*.attn_norm", "model.layers.*.input_layernorm.weight", "blk.*.attn_norm.weight"},
    {"layers.*.attn.q", "model.layers.*.self_attn.q_proj.weight", "blk.*.attn_q.weight"},
    {"layers.*.attn.q_bias", "model.layers.*.self_attn.q_proj.bias", "blk.*.attn_q.bias"},
    {"layers.*.attn.k", "model.layers.*.self_attn.k_proj.weight", "blk.*.attn_k.weight"},
    {"layers.*.attn.k_bias", "model.layers.*.self_attn.k_proj.bias", "blk.*.attn_k.bias"},
    {"layers.*.attn.v", "model.layers.*.self_attn.v_proj.weight", "blk.*.attn_v.weight"},
    {"layers.*.attn.v_bias", "model.layers.*.self_attn.v_proj.bias", "blk.*.attn_v.bias"},
    {"layers.*.attn.q_norm", "model.layers.*.self_attn.q_norm.weight", "blk.*.attn_q_norm.weight"},
    {"layers.*.attn.k_norm", "model.layers.*.self_attn.k_norm.weight", "blk.*.attn_k_norm.weight"},
    {"layers.*.attn.out", "model.layers.*.self_attn.o_proj.weight", "blk.*.attn_output.weight"},
    {"layers.*.attn.out_bias", "model.layers.*.self_attn.o_proj.bias", "blk.*.attn_output.bias"},
    {"layers.*.mlp_norm", "model.layers.*.post_attention_layernorm.weight", "blk.*.ffn_norm.weight"},
    {"layers.*.mlp.gate", "model.layers.*.mlp.gate_proj.weight", "blk.*.ffn_gate.weight"},
    {"layers.*.mlp.up", "model.layers.*.mlp.up_proj.weight", "blk.*.ffn_up.weight"},
    {"layers.*.mlp.down", "model.layers.*.mlp.down_proj.weight", "blk.*.ffn_down.weight"},
    {"norm", "model.norm.weight", "output_norm.weight"},
    {"lm_head", "lm_head.weight", "output.weight"},
};

constexpr TensorName kPhi3Names[] = {
    {"tok_embed", "model.embed_tokens.weight", "token_embd.weight"},
    {"layers.*.attn_norm", "model.layers.*.input_layernorm.weight", "blk.*.attn_norm.weight"},
    {"layers.*.attn.q", "model.layers.*.self_attn.qkv_proj.weight", "blk.*.attn_qkv.weight"},
    {"layers.*.attn.k", "model.layers.*.self_attn.qkv_proj.weight", "blk.*.attn_qkv.weight"},
    {"layers.*.attn.v", "model.layers.*.self_attn.qkv_proj.weight", "blk.*.attn_qkv.weight"},
    {"layers.*.attn.out", "model.layers.*.self_attn.o_proj.weight", "blk.*.attn_output.weight"},
    {"layers.*.mlp_norm", "model.layers.*.post_attention_layernorm.weight", "blk.*.ffn_norm.weight"},
    {"layers.*.mlp.gate", "model.layers.*.mlp.gate_up_proj.weight", "blk.*.ffn_up.weight"},
    {"layers.*.mlp.up", "model.layers.*.mlp.gate_up_proj.weight", "blk.*.ffn_up.weight"},
    {"layers.*.mlp.down", "model.layers.*.mlp.down_proj.weight", "blk.*.ffn_down.weight"},
    {"norm", "model.norm.weight", "output_norm.weight"},
    {"lm_head", "lm_head.weight", "output.weight"},
};

void all_local(ModelConfig& c, int64_t window) {
  c.layer_kinds.assign(static_cast<size_t>(c.n_layer), 'l');
  c.local_window = window;
}

void read_llama(const JsonSettings& j, ModelConfig& c) {
  read_decoder(j, c);
  j.only("hidden_act", "silu");
  j.only("mlp_bias", false);
  c.qkv_bias = c.out_bias = j.boolean("attention_bias", false);
}

void read_llama(const GgufSettings& g, ModelConfig& c) {
  read_decoder(g, c);
  if (g.integer("expert_count", 0) > 0) g.unsupported("expert_count", "experts in llama's blocks");
  c.rope_interleaved = true;  // llama.cpp's converter reorders the rows of q and k
  c.qkv_bias = g.files().find("blk.0.attn_q.bias");
  c.out_bias = g.files().find("blk.0.attn_output.bias");
}

void read_smollm3(const JsonSettings& j, ModelConfig& c) {
  read_llama(j, c);
  j.only("use_sliding_window", false);
  std::vector<int64_t> rotates;
  if (j.has("no_rope_layers")) rotates = j.integers("no_rope_layers");
  const int64_t interval = j.integer("no_rope_layer_interval", 4);
  for (int64_t i = 0; i < c.n_layer; ++i) {
    const bool given = static_cast<size_t>(i) < rotates.size();
    const bool rope = given ? rotates[static_cast<size_t>(i)] != 0 : interval <= 0 || (i + 1) % interval != 0;
    c.layer_kinds += rope ? 'g' : 'n';
  }
}

void read_smollm3(const GgufSettings& g, ModelConfig& c) {
  read_llama(g, c);
  for (int64_t i = 0; i < c.n_layer; ++i) c.layer_kinds += (i + 1) % 4 == 0 ? 'n' : 'g';  // the file does not say
}

void read_qwen2(const JsonSettings& j, ModelConfig& c) {
  read_decoder(j, c);
  j.only("hidden_act", "silu");
  c.qkv_bias = true;
  if (j.boolean("use_sliding_window", false)) {
    const int64_t first = j.integer("max_window_layers");
    for (int64_t i = 0; i < c.n_layer; ++i) c.layer_kinds += i >= first ? 'l' : 'g';
    c.local_window = j.integer("sliding_window");
  }
}

void read_qwen2(const GgufSettings& g, ModelConfig& c) {
  read_decoder(g, c);
  c.qkv_bias = true;
}

void read_qwen3(const JsonSettings& j, ModelConfig& c) {
  read_qwen2(j, c);
  c.qkv_bias = c.out_bias = j.boolean("attention_bias", false);
  c.qk_norm = true;
}

void read_qwen3(const GgufSettings& g, ModelConfig& c) {
  read_decoder(g, c);
  c.qk_norm = true;
}

void read_mistral(const JsonSettings& j, ModelConfig& c) {
  read_decoder(j, c);
  j.only("hidden_act", "silu");
  if (j.has("sliding_window")) all_local(c, j.integer("sliding_window"));
}

void read_phi3(const JsonSettings& j, ModelConfig& c) {
  read_mistral(j, c);
  j.only("attention_bias", false);
}

void read_phi3(const GgufSettings& g, ModelConfig& c) {
  read_decoder(g, c);
  if (const int64_t window = g.integer("attention.sliding_window", 0); window > 0) all_local(c, window);
}

}  // namespace

std::span<const Architecture> llama_architectures() {
  static constexpr Architecture kArchitectures[] = {
      {"llama", "llama", read_llama, read_llama, kNames}, {"smollm3", "smollm3", read_smollm3, read_smollm3, kNames},
      {"qwen2", "qwen2", read_qwen2, read_qwen2, kNames}, {"qwen3", "qwen3", read_qwen3, read_qwen3, kNames},
      {"mistral", "", read_mistral, nullptr, kNames},     {"phi3", "phi3", read_phi3, read_phi3, kPhi3Names},
  };
  return kArchitectures;
}

}  // namespace propane
