// The settings that most decoders share, from config.json and from GGUF's metadata.

#include <algorithm>

#include "base/error.h"
#include "models/settings.h"

namespace propane {

void check_sizes(const std::string& file, const ModelConfig& c) {
  const auto check = [&](const char* what, int64_t value, int64_t most) {
    if (value < 1 || value > most) fail("{}: expected 1 to {} {}, found {}", file, most, what, value);
  };
  check("layers", c.n_layer, 1 << 12);
  check("channels", c.dim, 1 << 20);
  check("heads", c.n_head, 1 << 14);
  check("key heads", c.n_kv_head, 1 << 14);
  check("channels a head", c.head_dim, 1 << 14);
  check("channels inside the MLP", c.hidden, 1 << 22);
  check("tokens", c.vocab, 1 << 24);
  check("positions", c.seq, int64_t{1} << 31);
  if (c.n_expert != 0) check("experts", c.n_expert, 1 << 14);
}

void read_decoder(const JsonSettings& j, ModelConfig& c) {
  c.family = Family::llama;
  c.n_layer = j.integer("num_hidden_layers");
  c.dim = j.integer("hidden_size");
  c.n_head = j.integer("num_attention_heads");
  c.n_kv_head = j.integer("num_key_value_heads", c.n_head);
  c.head_dim = j.integer("head_dim", c.n_head > 0 ? c.dim / c.n_head : 0);
  c.hidden = j.integer("intermediate_size");
  c.vocab = j.integer("vocab_size");
  c.seq = j.integer("max_position_embeddings", 2048);
  c.norm_eps = j.real("rms_norm_eps", 1e-6);
  c.tied = j.boolean("tie_word_embeddings", false);
  check_sizes(j.file(), c);
  read_rope(j, c);
}

void read_decoder(const GgufSettings& g, ModelConfig& c) {
  c.family = Family::llama;
  c.n_layer = g.integer("block_count");
  c.dim = g.integer("embedding_length");
  c.n_head = g.integer("attention.head_count");
  c.n_kv_head = g.integer("attention.head_count_kv", c.n_head);
  c.head_dim = g.integer("attention.key_length", c.n_head > 0 ? c.dim / c.n_head : 0);
  if (g.integer("attention.value_length", c.head_dim) != c.head_dim)
    g.unsupported("attention.value_length", "values of another length than their keys");
  c.hidden = g.integer("feed_forward_length");
  c.seq = g.integer("context_length");
  c.norm_eps = g.real("attention.layer_norm_rms_epsilon");
  c.vocab = token_count(g);
  c.tied = !g.files().find("output.weight");
  check_sizes(g.file(), c);
  read_rope(g, c);
}

int64_t token_count(const GgufSettings& g) {
  const StoredTensor* table = g.files().find("token_embd.weight");
  if (!table || table->shape.rank() != 2)
    fail("{}: expected a tensor 'token_embd.weight' of two dimensions, found {}", g.file(),
         table ? table->shape.str() : "none");
  return table->shape[0];
}

void read_layer_types(const JsonSettings& j, ModelConfig& c) {
  for (const std::string& type : j.texts("layer_types")) {
    if (type != "full_attention" && type != "sliding_attention") j.unsupported("layer_types", type);
    c.layer_kinds += type == "full_attention" ? 'g' : 'l';
  }
  if (c.layer_kinds.find('l') != std::string::npos) c.local_window = j.integer("sliding_window");
}

std::string every_nth_global(int64_t layers, int64_t n) {
  std::string kinds;
  for (int64_t i = 0; i < layers; ++i) kinds += (i + 1) % n == 0 ? 'g' : 'l';
  return kinds;
}

}  // namespace propane
