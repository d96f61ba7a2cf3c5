#include "models/config.h"

#include <algorithm>

#include "base/error.h"
#include "formats/toml_reader.h"

namespace propane {

std::string family_name(Family family) {
  switch (family) {
    case Family::gpt: return "gpt";
    case Family::llama: return "llama";
    case Family::gpt2: return "gpt2";
  }
  return "";
}

int64_t ModelConfig::window(int64_t layer) const {
  if (family == Family::llama && layer_kind(layer) == 'l') return local_window;
  if (family != Family::gpt || layer == n_layer - 1 || window_pattern.empty()) return 0;
  const char kind = window_pattern[static_cast<size_t>(layer) % window_pattern.size()];
  if (kind == 'L') return 0;
  return short_window > 0 ? short_window : seq / 2 + 1;
}

void ModelConfig::validate() const {
  const auto positive = [](const char* key, int64_t value) {
    if (value <= 0) fail_usage("[model] {} must be positive, found {}", key, value);
  };
  positive("n_layer", n_layer);
  positive("dim", dim);
  positive("n_head", n_head);
  positive("n_kv_head", n_kv_head);
  positive("head_dim", head_dim);
  positive("hidden", hidden);
  positive("vocab", vocab);
  positive("seq", seq);
  if (n_head % n_kv_head != 0)
    fail_usage("[model] n_head must be a multiple of n_kv_head, found {} and {}", n_head, n_kv_head);
  if (family != Family::gpt2 && head_dim % 2 != 0)
    fail_usage("[model] head_dim must be even for RoPE, found {}", head_dim);
  if (family == Family::gpt2 && (n_head * head_dim != dim || n_kv_head != n_head))
    fail_usage(
        "[model] gpt2 needs n_head·head_dim = dim and n_kv_head = n_head, found {}·{} for dim {} and {} key heads",
        n_head, head_dim, dim, n_kv_head);
  if (!layer_kinds.empty() && static_cast<int64_t>(layer_kinds.size()) != n_layer)
    fail_usage("the model has {} layers, but {} layers' kinds are given", n_layer, layer_kinds.size());
  if (layer_kinds.find('l') != std::string::npos) positive("local_window", local_window);
  if (n_expert > 0 && (n_expert_used <= 0 || n_expert_used > n_expert))
    fail_usage("a token uses from 1 to all of the {} experts, found {}", n_expert, n_expert_used);
  if (family == Family::gpt && dim < gate_channels)
    fail_usage("[model] dim must be at least gate_channels, found {} and {}", dim, gate_channels);
  for (char kind : window_pattern)
    if (kind != 'S' && kind != 'L') fail_usage("[model] window_pattern is made of S and L, found '{}'", window_pattern);
}

namespace {

// heads that follow from dim must divide it.
int64_t divide(const TomlReader& t, const char* key, int64_t dim, int64_t by) {
  if (by <= 0 || dim % by != 0)
    fail_usage("{}: dim must be a multiple of it, found dim {} and {} {}", t.where(key), dim, key, by);
  return dim / by;
}

}  // namespace

ModelConfig read_model_config(TomlReader& t) {
  constexpr int64_t kMost = int64_t{1} << 31;
  ModelConfig c;
  const std::string family = t.choice("family", "gpt", {"gpt", "llama", "gpt2"});
  c.family = family == "gpt" ? Family::gpt : family == "llama" ? Family::llama : Family::gpt2;
  const bool gpt = c.family == Family::gpt;
  c.vocab = t.integer("vocab", gpt ? 8192 : c.family == Family::gpt2 ? 50257 : 8192, 1, kMost);
  c.seq = t.integer("seq", gpt ? 2048 : c.family == Family::gpt2 ? 1024 : 512, 1, kMost);
  if (gpt) {
    // autoresearch's one dial: depth sets everything that is not said.
    c.n_layer = t.integer("depth", 8, 1, 100000);
    c.head_dim = t.integer("head_dim", 128, 1, kMost);
    const int64_t aspect = t.integer("aspect", 64, 1, kMost);
    c.dim = t.integer("dim", (c.n_layer * aspect + c.head_dim - 1) / c.head_dim * c.head_dim, 1, kMost);
    c.n_head = t.has("n_head") ? t.integer("n_head", 1, 1, kMost) : divide(t, "head_dim", c.dim, c.head_dim);
    t.integer("n_head", c.n_head);
    c.hidden = t.integer("hidden", 4 * c.dim, 1, kMost);
    c.norm_eps = t.real("norm_eps", 1.1920929e-7, 0, 1);
    c.softcap = t.real("softcap", 15.0, 0, 1e6);
    c.gate_channels = t.integer("gate_channels", 32, 1, kMost);
    c.window_pattern = t.text("window_pattern", "SSSL");
    c.short_window = t.integer("short_window", c.seq / 2 + 1, 1, kMost);
    const std::string table = t.choice("embedding_dtype", "f32", {"f32", "bf16"});
    c.embedding_dtype = dtype_from_name(table);
  } else {
    c.n_layer = t.integer("n_layer", 12, 1, 100000);
    c.dim = t.integer("dim", 768, 1, kMost);
    c.n_head = t.integer("n_head", 12, 1, kMost);
    c.head_dim = t.has("head_dim") ? t.integer("head_dim", 64, 1, kMost) : divide(t, "n_head", c.dim, c.n_head);
    t.integer("head_dim", c.head_dim);
    c.hidden = t.integer("hidden", 4 * c.dim, 1, kMost);
    c.norm_eps = t.real("norm_eps", 1e-5, 0, 1);
    c.tied = t.boolean("tied", true);
    c.softcap = t.real("softcap", 0.0, 0, 1e6);
  }
  c.n_kv_head = c.family == Family::gpt2 ? c.n_head : t.integer("n_kv_head", c.n_head, 1, kMost);
  if (c.family != Family::gpt2) c.rope_theta = t.real("rope_theta", 10000.0, 1e-6, 1e12);
  if (c.family == Family::llama) {
    c.qkv_bias = t.boolean("qkv_bias", false);
    c.qk_norm = t.boolean("qk_norm", false);
    c.rope_interleaved = t.boolean("rope_interleaved", false);
    c.damped_residual = t.boolean("damped_residual", false);
    c.zero_init_outputs = t.boolean("zero_init_outputs", false);
    c.rope_scaling_factor = t.real("rope_scaling_factor", 0, 0, 1e9);
    c.rope_low_freq_factor = t.real("rope_low_freq_factor", 1, 1e-9, 1e9);
    c.rope_high_freq_factor = t.real("rope_high_freq_factor", 4, 1e-9, 1e9);
    c.rope_original_max_position = t.real("rope_original_max_position", 8192, 1, 1e12);
  }
  c.validate();
  return c;
}

std::string model_config_toml(const ModelConfig& c) {
  std::string out = fmt::format("[model]\nfamily = \"{}\"\n", family_name(c.family));
  const auto line = [&](const char* key, const auto& value) { out += fmt::format("{} = {}\n", key, value); };
  const auto real = [&](const char* key, double value) {
    std::string text = fmt::format("{}", value);
    if (text.find_first_of(".en") == std::string::npos) text += ".0";
    line(key, text);
  };
  line(c.family == Family::gpt ? "depth" : "n_layer", c.n_layer);
  line("dim", c.dim);
  line("n_head", c.n_head);
  if (c.family != Family::gpt2) line("n_kv_head", c.n_kv_head);
  line("head_dim", c.head_dim);
  line("hidden", c.hidden);
  line("vocab", c.vocab);
  line("seq", c.seq);
  real("norm_eps", c.norm_eps);
  real("softcap", c.softcap);
  if (c.family != Family::gpt2) real("rope_theta", c.rope_theta);
  if (c.family == Family::gpt) {
    line("window_pattern", toml_quote(c.window_pattern));
    line("short_window", c.short_window);
    line("gate_channels", c.gate_channels);
    line("embedding_dtype", toml_quote(dtype_name(c.embedding_dtype)));
  } else {
    line("tied", c.tied);
  }
  if (c.family == Family::llama) {
    line("qkv_bias", c.qkv_bias);
    line("qk_norm", c.qk_norm);
    line("rope_interleaved", c.rope_interleaved);
    line("damped_residual", c.damped_residual);
    line("zero_init_outputs", c.zero_init_outputs);
    real("rope_scaling_factor", c.rope_scaling_factor);
    real("rope_low_freq_factor", c.rope_low_freq_factor);
    real("rope_high_freq_factor", c.rope_high_freq_factor);
    real("rope_original_max_position", c.rope_original_max_position);
  }
  return out;
}

}  // namespace propane
