// GPT-2.

#include "models/architecture.h"

namespace propane {

namespace {

constexpr Change kTransposed = Change::transposed;  // Hugging Face's Conv1D keeps weights [in, out]
constexpr TensorName kNames[] = {
    {"tok_embed", "transformer.wte.weight", "token_embd.weight"},
    {"pos_embed", "transformer.wpe.weight", "position_embd.weight"},
    {"layers.*.ln1.weight", "transformer.h.*.ln_1.weight", "blk.*.attn_norm.weight"},
    {"layers.*.ln1.bias", "transformer.h.*.ln_1.bias", "blk.*.attn_norm.bias"},
    {"layers.*.attn.qkv", "transformer.h.*.attn.c_attn.weight", "blk.*.attn_qkv.weight", kTransposed},
    {"layers.*.attn.qkv_bias", "transformer.h.*.attn.c_attn.bias", "blk.*.attn_qkv.bias"},
    {"layers.*.attn.out", "transformer.h.*.attn.c_proj.weight", "blk.*.attn_output.weight", kTransposed},
    {"layers.*.attn.out_bias", "transformer.h.*.attn.c_proj.bias", "blk.*.attn_output.bias"},
    {"layers.*.ln2.weight", "transformer.h.*.ln_2.weight", "blk.*.ffn_norm.weight"},
    {"layers.*.ln2.bias", "transformer.h.*.ln_2.bias", "blk.*.ffn_norm.bias"},
    {"layers.*.mlp.up", "transformer.h.*.mlp.c_fc.weight", "blk.*.ffn_up.weight", kTransposed},
    {"layers.*.mlp.up_bias", "transformer.h.*.mlp.c_fc.bias", "blk.*.ffn_up.bias"},
    {"layers.*.mlp.down", "transformer.h.*.mlp.c_proj.weight", "blk.*.ffn_down.weight", kTransposed},
    {"layers.*.mlp.down_bias", "transformer.h.*.mlp.c_proj.bias", "blk.*.ffn_down.bias"},
    {"ln_f.weight", "transformer.ln_f.weight", "output_norm.weight"},
    {"ln_f.bias", "transformer.ln_f.bias", "output_norm.bias"},
    {"lm_head", "lm_head.weight", "output.weight"},
};

void read_gpt2(const JsonSettings& j, ModelConfig& c) {
  c.family = Family::gpt2;
  c.n_layer = j.integer("n_layer");
  c.dim = j.integer("n_embd");
  c.n_head = c.n_kv_head = j.integer("n_head");
  c.head_dim = c.n_head > 0 ? c.dim / c.n_head : 0;
  c.hidden = j.integer("n_inner", 4 * c.dim);
  c.vocab = j.integer("vocab_size");
  c.seq = j.integer("n_positions");
  c.norm_eps = j.real("layer_norm_epsilon", 1e-5);
  c.tied = j.boolean("tie_word_embeddings", true);
  if (const std::string act = j.text("activation_function", "gelu_new");
      act != "gelu_new" && act != "gelu_pytorch_tanh")
    j.unsupported("activation_function", act);
  j.only("scale_attn_by_inverse_layer_idx", false);
  j.only("scale_attn_weights", true);
}

void read_gpt2(const GgufSettings& g, ModelConfig& c) {
  c.family = Family::gpt2;
  c.n_layer = g.integer("block_count");
  c.dim = g.integer("embedding_length");
  c.n_head = c.n_kv_head = g.integer("attention.head_count");
  c.head_dim = c.n_head > 0 ? c.dim / c.n_head : 0;
  c.hidden = g.integer("feed_forward_length");
  c.seq = g.integer("context_length");
  c.norm_eps = g.real("attention.layer_norm_epsilon");
  c.vocab = token_count(g);
  c.tied = !g.files().find("output.weight");
}

}  // namespace

std::span<const Architecture> gpt2_architectures() {
  static constexpr Architecture kArchitectures[] = {{"gpt2", "gpt2", read_gpt2, read_gpt2, kNames}};
  return kArchitectures;
}

}  // namespace propane
