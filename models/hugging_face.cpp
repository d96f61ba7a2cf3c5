#include "models/hugging_face.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "models/architecture.h"

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
  if (!c.layer_kinds.empty() || c.post_norms || c.out_bias || !c.rope_factors.empty() || c.rotary_dim > 0)
    fail("only models trained here are exported: this one has layers that transformers' llama lacks");
  if (c.qk_norm && c.qkv_bias) fail("transformers has no llama model with both q/k norms and q/k/v biases");
}

// q and k, their biases and their norms: what RoPE's pairing goes through.
bool is_rotated(const std::string& name) {
  return name.find(".attn.q") != std::string::npos || name.find(".attn.k") != std::string::npos;
}

}  // namespace

std::vector<HuggingFaceTensor> hugging_face_tensors(const ModelConfig& config) {
  check_equal_exists(config);
  const bool llama = config.family == Family::llama;
  const auto names = (llama ? llama_architectures() : gpt2_architectures())[0].names;
  const double damping = config.damped_residual ? 1.0 / std::sqrt(2.0 * static_cast<double>(config.n_layer)) : 1.0;
  std::vector<HuggingFaceTensor> list;
  for (const Param& p : parameters(config)) {
    const TensorName* name = find_name(names, p.name);
    if (!name) fail("transformers' {} has no tensor like '{}'", family_name(config.family), p.name);
    const bool transposed = name->change == Change::transposed;
    const bool damped = p.name.ends_with(".attn.out") || p.name.ends_with(".mlp.down");
    list.push_back({p.name, filled_in(name->hugging_face, p.name), transposed ? Shape{p.shape[1], p.shape[0]} : p.shape,
                    transposed, llama && config.rope_interleaved && is_rotated(p.name),
                    llama && damped ? damping : 1.0});
  }
  return list;
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
