// Gemma 2 and 3: norms after the branches too, GEGLU, scaled embeddings, local and global layers, capped scores.

#include <cmath>

#include "models/architecture.h"

namespace propane {

namespace {

constexpr Change kPlusOne = Change::plus_one;  // Hugging Face keeps a norm's gain minus one
constexpr TensorName kNames[] = {
    {"tok_embed", "model.embed_tokens.weight", "token_embd.weight"},
    {"layers.*.attn_norm", "model.layers.*.input_layernorm.weight", "blk.*.attn_norm.weight", kPlusOne},
    {"layers.*.attn.q", "model.layers.*.self_attn.q_proj.weight", "blk.*.attn_q.weight"},
    {"layers.*.attn.k", "model.layers.*.self_attn.k_proj.weight", "blk.*.attn_k.weight"},
    {"layers.*.attn.v", "model.layers.*.self_attn.v_proj.weight", "blk.*.attn_v.weight"},
    {"layers.*.attn.q_norm", "model.layers.*.self_attn.q_norm.weight", "blk.*.attn_q_norm.weight", kPlusOne},
    {"layers.*.attn.k_norm", "model.layers.*.self_attn.k_norm.weight", "blk.*.attn_k_norm.weight", kPlusOne},
    {"layers.*.attn.out", "model.layers.*.self_attn.o_proj.weight", "blk.*.attn_output.weight"},
    {"layers.*.attn_post_norm", "model.layers.*.post_attention_layernorm.weight", "blk.*.post_attention_norm.weight",
     kPlusOne},
    {"layers.*.mlp_norm", "model.layers.*.pre_feedforward_layernorm.weight", "blk.*.ffn_norm.weight", kPlusOne},
    {"layers.*.mlp.gate", "model.layers.*.mlp.gate_proj.weight", "blk.*.ffn_gate.weight"},
    {"layers.*.mlp.up", "model.layers.*.mlp.up_proj.weight", "blk.*.ffn_up.weight"},
    {"layers.*.mlp.down", "model.layers.*.mlp.down_proj.weight", "blk.*.ffn_down.weight"},
    {"layers.*.mlp_post_norm", "model.layers.*.post_feedforward_layernorm.weight", "blk.*.post_ffw_norm.weight",
     kPlusOne},
    {"norm", "model.norm.weight", "output_norm.weight", kPlusOne},
    {"lm_head", "lm_head.weight", "output.weight"},
};

void make_gemma(ModelConfig& c) {
  c.post_norms = c.gelu = true;
  c.embedding_scale = std::sqrt(static_cast<float>(c.dim));  // in float, as transformers and llama.cpp have it
}

void read_gemma(const JsonSettings& j, ModelConfig& c) {
  j.only("hidden_activation", "gelu_pytorch_tanh");
  j.only("attention_bias", false);
  j.only("use_bidirectional_attention", false);
  make_gemma(c);
  c.tied = j.boolean("tie_word_embeddings", true);
  c.softcap = j.real("final_logit_softcapping", 0.0);
  c.attention_scale = 1 / std::sqrt(j.real("query_pre_attn_scalar", 256));
}

void read_gemma2(const JsonSettings& j, ModelConfig& c) {
  read_decoder(j, c);
  read_gemma(j, c);
  c.attention_softcap = j.real("attn_logit_softcapping", 0.0);
  if (j.has("layer_types")) {
    read_layer_types(j, c);
  } else {
    c.layer_kinds = every_nth_global(c.n_layer, 2);
    c.local_window = j.integer("sliding_window");
  }
}

void read_gemma3(const JsonSettings& j, ModelConfig& c) {
  read_decoder(j, c);
  read_gemma(j, c);
  c.qk_norm = true;
  // transformers gives Gemma3ForCausalLM no cap of the scores, whatever this key says.
  if (j.has("attn_logit_softcapping")) j.unsupported("attn_logit_softcapping", "capped scores and normed keys");
  if (j.has("layer_types")) {
    read_layer_types(j, c);
  } else {
    const int64_t pattern = j.integer("sliding_window_pattern", 6);
    if (pattern < 1) j.unsupported("sliding_window_pattern", "a global layer every " + std::to_string(pattern));
    c.layer_kinds = every_nth_global(c.n_layer, pattern);
    c.local_window = j.integer("sliding_window");
  }
  c.rope_theta = j.real("rope_theta", 1e6);
  c.local_rope_theta = j.real("rope_local_base_freq", 10000);
  if (j.has("rope_parameters")) {
    read_rope(j, j.object("rope_parameters").object("full_attention"), c);
    const JsonSettings local = j.object("rope_parameters").object("sliding_attention");
    local.only("rope_type", "default");
    c.local_rope_theta = local.real("rope_theta", 10000);
  }
}

// The size of a model of this family by its layers, as llama.cpp tells them: the largest ones scale queries by the
// width of a head as the residual stream has it.
bool scales_by_width(int64_t layers, int64_t largest) { return layers == largest; }

void read_gemma2(const GgufSettings& g, ModelConfig& c) {
  read_decoder(g, c);
  make_gemma(c);
  c.softcap = g.real("final_logit_softcapping", 30);
  c.attention_softcap = g.real("attn_logit_softcapping", 50);
  c.layer_kinds = every_nth_global(c.n_layer, 2);
  c.local_window = g.integer("attention.sliding_window", 4096);
  if (scales_by_width(c.n_layer, 46))  // 27B
    c.attention_scale = 1 / std::sqrt(static_cast<double>(c.dim / c.n_head));
}

void read_gemma3(const GgufSettings& g, ModelConfig& c) {
  read_decoder(g, c);
  make_gemma(c);
  c.qk_norm = true;
  c.rope_theta = g.real("rope.freq_base", 1e6);
  c.softcap = g.real("final_logit_softcapping", 0);
  c.layer_kinds = every_nth_global(c.n_layer, 6);
  c.local_window = g.integer("attention.sliding_window");
  c.local_rope_theta = g.real("rope.freq_base_swa", 10000);
  if (scales_by_width(c.n_layer, 62))  // 27B
    c.attention_scale = 1 / std::sqrt(static_cast<double>(c.dim / c.n_head));
}

}  // namespace

std::span<const Architecture> gemma_architectures() {
  static constexpr Architecture kArchitectures[] = {
      {"gemma2", "gemma2", read_gemma2, read_gemma2, kNames},
      {"gemma3_text", "gemma3", read_gemma3, read_gemma3, kNames},
  };
  return kArchitectures;
}

}  // namespace propane
