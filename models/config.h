// What a model is, before it is a graph.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/shape.h"

namespace propane {

class TomlReader;

enum class Family { gpt, llama, gpt2 };
std::string family_name(Family family);

// The dimensions and switches of all families; a family ignores what it does not have. Weights are [out, in].
struct ModelConfig {
  Family family = Family::gpt;
  int64_t n_layer = 0;
  int64_t dim = 0;
  int64_t n_head = 0;
  int64_t n_kv_head = 0;  // <= n_head and dividing it
  int64_t head_dim = 0;
  int64_t hidden = 0;  // of the MLP
  int64_t vocab = 0;
  int64_t seq = 0;  // tokens a row in training, and the longest context of gpt2's learned positions
  double norm_eps = 1e-5;
  double rope_theta = 10000.0;
  double softcap = 0.0;                // of the logits; 0: none
  bool tied = false;                   // head = embedding
  DType dtype = DType::f32;            // of parameters and activations: f32, or f64 on the ref device
  DType embedding_dtype = DType::f32;  // of gpt's embedding tables: f32 or bf16

  // llama
  bool qkv_bias = false;           // qwen2
  bool qk_norm = false;            // qwen3: learned RMSNorm a head, before RoPE
  bool rope_interleaved = false;   // pairs (2i, 2i+1); Hugging Face weights want half-split
  bool damped_residual = false;    // Rustane: both branches times 1/sqrt(2·n_layer)
  bool zero_init_outputs = false;  // Rustane: attention out and mlp down start at zero
  double rope_scaling_factor = 0, rope_low_freq_factor = 1, rope_high_freq_factor = 4,
         rope_original_max_position = 8192;

  // llama, from loaded models only: no key of a [model] table
  std::string layer_kinds;   // a letter a layer: g all keys, l the local window, n all keys without RoPE; empty: all g
  int64_t local_window = 0;  // visible keys of an l layer, the query's own included
  double local_rope_theta = 0;       // of l layers, unscaled; 0: like the others
  int64_t rotary_dim = 0;            // elements of a head that RoPE turns; 0: all
  std::vector<double> rope_factors;  // what each pair's frequency is divided by; empty: 1
  double rope_amplitude = 1;         // multiplies RoPE's cos and sin
  int64_t longest_context = 0;       // positions that rope_factors hold for; 0: no limit
  double attention_scale = 0;        // 0: 1/sqrt(head_dim)
  double attention_softcap = 0;      // of attention's scores; 0: none
  double embedding_scale = 1;
  bool out_bias = false;    // of attention's output
  bool post_norms = false;  // gemma: the branches are normed once more before they are added
  bool sinks = false;       // gpt-oss: a learned score a head of a key without value
  bool gelu = false;        // GEGLU in the tanh form; else SwiGLU
  int64_t n_expert = 0;     // 0: one MLP; else a mixture of this many, each of `hidden`
  int64_t n_expert_used = 0;
  bool expert_normalize = false;                  // the chosen experts' weights add up to 1
  bool expert_bias = false;                       // router's and experts'
  double swiglu_limit = 0, swiglu_alpha = 1.702;  // gpt-oss's clamped SwiGLU; 0: plain

  // gpt
  std::string window_pattern = "SSSL";  // tiled over the layers, the last always L
  int64_t short_window = 0;             // visible keys of an S layer, the query's own included; 0: seq/2 + 1
  int64_t gate_channels = 32;           // channels that the value embeddings' gates read

  // Visible keys of a layer, 0 for all.
  int64_t window(int64_t layer) const;
  char layer_kind(int64_t layer) const { return layer_kinds.empty() ? 'g' : layer_kinds[static_cast<size_t>(layer)]; }
  // gpt: whether the layer adds a value embedding.
  bool has_value_embedding(int64_t layer) const { return layer % 2 == (n_layer - 1) % 2; }
  int64_t q_dim() const { return n_head * head_dim; }
  int64_t kv_dim() const { return n_kv_head * head_dim; }

  // Throws UsageError naming the first thing that cannot be (heads that do not divide, a window of 0 ...).
  void validate() const;
};

// Reads the keys of a [model] table. gpt's `depth` sets n_layer, dim, heads and hidden; explicit keys override.
// Throws UsageError naming file, key, what was expected and what was found.
ModelConfig read_model_config(TomlReader& table);
// The same settings as TOML text, every key resolved.
std::string model_config_toml(const ModelConfig& config);

// What an optimizer or a report wants to know of a tensor.
enum class ParamKind { embedding, value_embedding, head, matrix, norm, bias, resid_scalar, x0_scalar };

struct Init {
  enum class Kind { zero, constant, normal, uniform } kind = Kind::zero;
  double scale = 0;  // the constant, the standard deviation, or the half width
};

struct Param {
  std::string name;
  DType dtype;
  Shape shape;
  ParamKind kind;
  Init init;
};

// Every parameter, in a fixed order.
std::vector<Param> parameters(const ModelConfig& config);

// Number of parameters.
int64_t count_parameters(const ModelConfig& config);
// Forward and backward floating-point operations a token: 6 a matmul weight, and attention's 12·heads·head_dim·window.
double flops_per_token(const ModelConfig& config);

// Initial values of a parameter, elements [first, first + out.size()), from its own random stream of the seed.
void initialize(const Param& param, uint64_t seed, std::span<double> out, int64_t first = 0);

}  // namespace propane
