// llama and gpt2 models in Hugging Face's names, orders and config.json.
#pragma once

#include <string>
#include <vector>

#include "models/config.h"

namespace propane {

struct HuggingFaceTensor {
  std::string ours, theirs;
  Shape shape;              // theirs
  bool transposed = false;  // theirs is [in, out] (GPT-2's Conv1D)
  bool permuted = false;    // q and k rows of interleaved RoPE, in half-split order there
  double factor = 1;        // damped residual branches are folded into their output weights
};

// Every parameter under its name there, for llama (qwen2 with q/k/v biases, qwen3 with q/k norms) and gpt2. Throws
// Error for models that transformers has no equal of, saying which setting stands in the way.
std::vector<HuggingFaceTensor> hugging_face_tensors(const ModelConfig& config);

// The transformed copy of a parameter: `from` and `to` have shape.count() values.
void to_hugging_face(const HuggingFaceTensor& tensor, const ModelConfig& config, const float* from, float* to);

// config.json's text. `bos` and `eos` are token ids, −1 for none.
std::string hugging_face_config(const ModelConfig& config, int64_t bos, int64_t eos);

}  // namespace propane
