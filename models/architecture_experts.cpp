// Mixtures of experts: Qwen3-MoE and gpt-oss.

#include "models/architecture.h"

namespace propane {

namespace {

constexpr TensorName kQwen3Names[] = {
    {"tok_embed", "model.embed_tokens.weight", "token_embd.weight"},
    {"layers.*.attn_norm", "model.layers.*.input_layernorm.weight", "blk.*.attn_norm.weight"},
    {"layers.*.attn.q", "model.layers.*.self_attn.q_proj.weight", "blk.*.attn_q.weight"},
    {"layers.*.attn.k", "model.layers.*.self_attn.k_proj.weight", "blk.*.attn_k.weight"},
    {"layers.*.attn.v", "model.layers.*.self_attn.v_proj.weight", "blk.*.attn_v.weight"},
    {"layers.*.attn.q_norm", "model.layers.*.self_attn.q_norm.weight", "blk.*.attn_q_norm.weight"},
    {"layers.*.attn.k_norm", "model.layers.*.self_attn.k_norm.weight", "blk.*.attn_k_norm.weight"},
    {"layers.*.attn.out", "model.layers.*.self_attn.o_proj.weight", "blk.*.attn_output.weight"},
    {"layers.*.mlp_norm", "model.layers.*.post_attention_layernorm.weight", "blk.*.ffn_norm.weight"},
    {"layers.*.mlp.router", "model.layers.*.mlp.gate.weight", "blk.*.ffn_gate_inp.weight"},
    {"layers.*.mlp.experts.gate", "model.layers.*.mlp.experts.#.gate_proj.weight", "blk.*.ffn_gate_exps.weight"},
    {"layers.*.mlp.experts.up", "model.layers.*.mlp.experts.#.up_proj.weight", "blk.*.ffn_up_exps.weight"},
    {"layers.*.mlp.experts.down", "model.layers.*.mlp.experts.#.down_proj.weight", "blk.*.ffn_down_exps.weight"},
    {"norm", "model.norm.weight", "output_norm.weight"},
    {"lm_head", "lm_head.weight", "output.weight"},
};

constexpr TensorName kGptOssNames[] = {
    {"tok_embed", "model.embed_tokens.weight", "token_embd.weight"},
    {"layers.*.attn_norm", "model.layers.*.input_layernorm.weight", "blk.*.attn_norm.weight"},
    {"layers.*.attn.q", "model.layers.*.self_attn.q_proj.weight", "blk.*.attn_q.weight"},
    {"layers.*.attn.q_bias", "model.layers.*.self_attn.q_proj.bias", "blk.*.attn_q.bias"},
    {"layers.*.attn.k", "model.layers.*.self_attn.k_proj.weight", "blk.*.attn_k.weight"},
    {"layers.*.attn.k_bias", "model.layers.*.self_attn.k_proj.bias", "blk.*.attn_k.bias"},
    {"layers.*.attn.v", "model.layers.*.self_attn.v_proj.weight", "blk.*.attn_v.weight"},
    {"layers.*.attn.v_bias", "model.layers.*.self_attn.v_proj.bias", "blk.*.attn_v.bias"},
    {"layers.*.attn.sinks", "model.layers.*.self_attn.sinks", "blk.*.attn_sinks.weight"},
    {"layers.*.attn.out", "model.layers.*.self_attn.o_proj.weight", "blk.*.attn_output.weight"},
    {"layers.*.attn.out_bias", "model.layers.*.self_attn.o_proj.bias", "blk.*.attn_output.bias"},
    {"layers.*.mlp_norm", "model.layers.*.post_attention_layernorm.weight", "blk.*.post_attention_norm.weight"},
    {"layers.*.mlp.router", "model.layers.*.mlp.router.weight", "blk.*.ffn_gate_inp.weight"},
    {"layers.*.mlp.router_bias", "model.layers.*.mlp.router.bias", "blk.*.ffn_gate_inp.bias"},
    {"layers.*.mlp.experts.gate", "model.layers.*.mlp.experts.gate_up_proj", "blk.*.ffn_gate_exps.weight",
     Change::even_columns},
    {"layers.*.mlp.experts.gate_bias", "model.layers.*.mlp.experts.gate_up_proj_bias", "blk.*.ffn_gate_exps.bias",
     Change::even_pairs},
    {"layers.*.mlp.experts.up", "model.layers.*.mlp.experts.gate_up_proj", "blk.*.ffn_up_exps.weight",
     Change::odd_columns},
    {"layers.*.mlp.experts.up_bias", "model.layers.*.mlp.experts.gate_up_proj_bias", "blk.*.ffn_up_exps.bias",
     Change::odd_pairs},
    {"layers.*.mlp.experts.down", "model.layers.*.mlp.experts.down_proj", "blk.*.ffn_down_exps.weight",
     Change::transposed},
    {"layers.*.mlp.experts.down_bias", "model.layers.*.mlp.experts.down_proj_bias", "blk.*.ffn_down_exps.bias"},
    {"norm", "model.norm.weight", "output_norm.weight"},
    {"lm_head", "lm_head.weight", "output.weight"},
};

void read_qwen3_moe(const JsonSettings& j, ModelConfig& c) {
  read_decoder(j, c);
  j.only("hidden_act", "silu");
  j.only("attention_bias", false);
  j.only("use_sliding_window", false);
  if (j.integer("decoder_sparse_step", 1) != 1) j.unsupported("decoder_sparse_step", "a dense layer among the mixed");
  if (j.has("mlp_only_layers") && !j.integers("mlp_only_layers").empty())
    j.unsupported("mlp_only_layers", "a dense layer among the mixed");
  c.qk_norm = true;
  c.hidden = j.integer("moe_intermediate_size");
  c.n_expert = j.integer(j.has("num_local_experts") ? "num_local_experts" : "num_experts");  // transformers 5, 4
  c.n_expert_used = j.integer("num_experts_per_tok");
  c.expert_normalize = j.boolean("norm_topk_prob", false);
}

void read_qwen3_moe(const GgufSettings& g, ModelConfig& c) {
  read_decoder(g, c);
  c.qk_norm = true;
  c.hidden = g.integer("expert_feed_forward_length");
  c.n_expert = g.integer("expert_count");
  c.n_expert_used = g.integer("expert_used_count");
  c.expert_normalize = true;  // as llama.cpp, which no key tells otherwise
}

void make_gpt_oss(ModelConfig& c) {
  c.qkv_bias = c.out_bias = c.expert_bias = c.sinks = c.expert_normalize = true;
  c.swiglu_limit = 7;
}

void read_gpt_oss(const JsonSettings& j, ModelConfig& c) {
  if (j.has("quantization_config"))
    j.unsupported("quantization_config", "experts in Hugging Face's MXFP4 blocks (a GGUF file of the model is)");
  read_decoder(j, c);
  j.only("hidden_act", "silu");
  make_gpt_oss(c);
  c.qkv_bias = c.out_bias = j.boolean("attention_bias", true);
  c.swiglu_limit = j.real("swiglu_limit", 7);
  c.swiglu_alpha = j.real("swiglu_alpha", 1.702);
  c.n_expert = j.integer("num_local_experts");
  c.n_expert_used = j.integer("num_experts_per_tok");
  if (j.has("layer_types")) {
    read_layer_types(j, c);
  } else {
    c.layer_kinds = every_nth_global(c.n_layer, 2);
    c.local_window = j.integer("sliding_window");
  }
}

void read_gpt_oss(const GgufSettings& g, ModelConfig& c) {
  read_decoder(g, c);
  make_gpt_oss(c);
  c.hidden = g.integer("expert_feed_forward_length");
  c.n_expert = g.integer("expert_count");
  c.n_expert_used = g.integer("expert_used_count");
  c.layer_kinds = every_nth_global(c.n_layer, 2);
  c.local_window = g.integer("attention.sliding_window");
}

}  // namespace

std::span<const Architecture> expert_architectures() {
  static constexpr Architecture kArchitectures[] = {
      {"qwen3_moe", "qwen3moe", read_qwen3_moe, read_qwen3_moe, kQwen3Names},
      {"gpt_oss", "gpt-oss", read_gpt_oss, read_gpt_oss, kGptOssNames},
  };
  return kArchitectures;
}

}  // namespace propane
