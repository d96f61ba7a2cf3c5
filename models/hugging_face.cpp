#include "models/hugging_face.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace propane {

namespace {

void check_equal_exists(const ModelConfig& c) {
  if (c.family == Family::gpt)
    fail(
        "transformers has no model like 'gpt' (value embeddings, residual scalars); only llama and gpt2 can be "
        "exported");
  if (c.softcap > 0)
    fail("transformers' {} has no logit softcap; this model was trained with softcap = {}", family_name(c.family),
         c.softcap);
  if (c.qk_norm && c.qkv_bias) fail("transformers has no llama model with both q/k norms and q/k/v biases");
}

std::vector<HuggingFaceTensor> llama_tensors(const ModelConfig& c) {
  const double damping = c.damped_residual ? 1.0 / std::sqrt(2.0 * static_cast<double>(c.n_layer)) : 1.0;
  std::vector<HuggingFaceTensor> list;
  list.push_back({"tok_embed", "model.embed_tokens.weight", {c.vocab, c.dim}});
  for (int64_t i = 0; i < c.n_layer; ++i) {
    const std::string us = fmt::format("layers.{}.", i), them = fmt::format("model.layers.{}.", i);
    list.push_back({us + "attn_norm", them + "input_layernorm.weight", {c.dim}});
    for (const auto& [name, rows] : {std::pair{"q", c.q_dim()}, {"k", c.kv_dim()}, {"v", c.kv_dim()}}) {
      const bool permuted = c.rope_interleaved && name[0] != 'v';
      list.push_back(
          {us + "attn." + name, fmt::format("{}self_attn.{}_proj.weight", them, name), {rows, c.dim}, false, permuted});
      if (c.qkv_bias)
        list.push_back({fmt::format("{}attn.{}_bias", us, name),
                        fmt::format("{}self_attn.{}_proj.bias", them, name),
                        {rows},
                        false,
                        permuted});
    }
    if (c.qk_norm) {
      list.push_back({us + "attn.q_norm", them + "self_attn.q_norm.weight", {c.head_dim}, false, c.rope_interleaved});
      list.push_back({us + "attn.k_norm", them + "self_attn.k_norm.weight", {c.head_dim}, false, c.rope_interleaved});
    }
    list.push_back({us + "attn.out", them + "self_attn.o_proj.weight", {c.dim, c.q_dim()}, false, false, damping});
    list.push_back({us + "mlp_norm", them + "post_attention_layernorm.weight", {c.dim}});
    list.push_back({us + "mlp.gate", them + "mlp.gate_proj.weight", {c.hidden, c.dim}});
    list.push_back({us + "mlp.up", them + "mlp.up_proj.weight", {c.hidden, c.dim}});
    list.push_back({us + "mlp.down", them + "mlp.down_proj.weight", {c.dim, c.hidden}, false, false, damping});
  }
  list.push_back({"norm", "model.norm.weight", {c.dim}});
  if (!c.tied) list.push_back({"lm_head", "lm_head.weight", {c.vocab, c.dim}});
  return list;
}

std::vector<HuggingFaceTensor> gpt2_tensors(const ModelConfig& c) {
  std::vector<HuggingFaceTensor> list;
  list.push_back({"tok_embed", "transformer.wte.weight", {c.vocab, c.dim}});
  list.push_back({"pos_embed", "transformer.wpe.weight", {c.seq, c.dim}});
  for (int64_t i = 0; i < c.n_layer; ++i) {
    const std::string us = fmt::format("layers.{}.", i), them = fmt::format("transformer.h.{}.", i);
    const auto norm = [&](const char* a, const char* b) {
      list.push_back({us + a + ".weight", them + b + ".weight", {c.dim}});
      list.push_back({us + a + ".bias", them + b + ".bias", {c.dim}});
    };
    const auto project = [&](const char* a, const char* b, int64_t out, int64_t in) {
      list.push_back({us + a, them + b + ".weight", {in, out}, true});
      list.push_back({us + a + "_bias", them + b + ".bias", {out}});
    };
    norm("ln1", "ln_1");
    project("attn.qkv", "attn.c_attn", 3 * c.dim, c.dim);
    project("attn.out", "attn.c_proj", c.dim, c.dim);
    norm("ln2", "ln_2");
    project("mlp.up", "mlp.c_fc", c.hidden, c.dim);
    project("mlp.down", "mlp.c_proj", c.dim, c.hidden);
  }
  list.push_back({"ln_f.weight", "transformer.ln_f.weight", {c.dim}});
  list.push_back({"ln_f.bias", "transformer.ln_f.bias", {c.dim}});
  if (!c.tied) list.push_back({"lm_head", "lm_head.weight", {c.vocab, c.dim}});
  return list;
}

}  // namespace

std::vector<HuggingFaceTensor> hugging_face_tensors(const ModelConfig& config) {
  check_equal_exists(config);
  return config.family == Family::gpt2 ? gpt2_tensors(config) : llama_tensors(config);
}

void to_hugging_face(const HuggingFaceTensor& tensor, const ModelConfig& config, const float* from, float* to) {
  const auto factor = static_cast<float>(tensor.factor);
  if (tensor.transposed) {
    const int64_t in = tensor.shape[0], out = tensor.shape[1];
    for (int64_t i = 0; i < in; ++i)
      for (int64_t o = 0; o < out; ++o) to[i * out + o] = factor * from[o * in + i];
    return;
  }
  const int64_t rows = tensor.shape[0], cols = tensor.shape.rank() > 1 ? tensor.shape[1] : 1;
  const int64_t half = config.head_dim / 2;
  for (int64_t r = 0; r < rows; ++r) {
    // Row j of a head's first half is our row 2j, of its second half our row 2j + 1.
    const int64_t in_head = r % config.head_dim;
    const int64_t source =
        tensor.permuted ? r - in_head + (in_head < half ? 2 * in_head : 2 * (in_head - half) + 1) : r;
    for (int64_t c = 0; c < cols; ++c) to[r * cols + c] = factor * from[source * cols + c];
  }
}

std::string hugging_face_config(const ModelConfig& c, int64_t bos, int64_t eos) {
  check_equal_exists(c);
  nlohmann::ordered_json j;
  const auto ids = [&] {
    j["bos_token_id"] = bos >= 0 ? nlohmann::ordered_json(bos) : nlohmann::ordered_json(nullptr);
    j["eos_token_id"] = eos >= 0 ? nlohmann::ordered_json(eos) : nlohmann::ordered_json(nullptr);
    j["tie_word_embeddings"] = c.tied;
    j["torch_dtype"] = "float32";
    j["vocab_size"] = c.vocab;
  };
  if (c.family == Family::gpt2) {
    j["architectures"] = {"GPT2LMHeadModel"};
    j["model_type"] = "gpt2";
    j["n_layer"] = c.n_layer;
    j["n_embd"] = c.dim;
    j["n_head"] = c.n_head;
    j["n_inner"] = c.hidden;
    j["n_positions"] = c.seq;
    j["n_ctx"] = c.seq;
    j["layer_norm_epsilon"] = c.norm_eps;
    j["activation_function"] = "gelu_new";
    j["attn_pdrop"] = j["embd_pdrop"] = j["resid_pdrop"] = 0.0;
    ids();
    return j.dump(2) + "\n";
  }
  const char* type = c.qk_norm ? "qwen3" : c.qkv_bias ? "qwen2" : "llama";
  const char* name = c.qk_norm ? "Qwen3ForCausalLM" : c.qkv_bias ? "Qwen2ForCausalLM" : "LlamaForCausalLM";
  j["architectures"] = {name};
  j["model_type"] = type;
  j["num_hidden_layers"] = c.n_layer;
  j["hidden_size"] = c.dim;
  j["num_attention_heads"] = c.n_head;
  j["num_key_value_heads"] = c.n_kv_head;
  j["head_dim"] = c.head_dim;
  j["intermediate_size"] = c.hidden;
  j["max_position_embeddings"] = c.seq;
  j["rms_norm_eps"] = c.norm_eps;
  j["rope_theta"] = c.rope_theta;
  j["hidden_act"] = "silu";
  if (c.qkv_bias && c.head_dim * c.n_head != c.dim)
    fail("transformers' qwen2 needs n_head·head_dim = dim, found {}·{} for {}", c.n_head, c.head_dim, c.dim);
  j["attention_bias"] = false;
  j["mlp_bias"] = false;
  if (c.rope_scaling_factor > 0)
    j["rope_scaling"] = {{"rope_type", "llama3"},
                         {"factor", c.rope_scaling_factor},
                         {"low_freq_factor", c.rope_low_freq_factor},
                         {"high_freq_factor", c.rope_high_freq_factor},
                         {"original_max_position_embeddings", static_cast<int64_t>(c.rope_original_max_position)}};
  ids();
  return j.dump(2) + "\n";
}

}  // namespace propane
