// A model from where it lies: a run's folder, a GGUF file, or a Hugging Face folder.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "graph/state.h"
#include "jinja/chat_template.h"
#include "tokenizer/tokenizer.h"
#include "train/config.h"

namespace propane::train {

struct TrainedModel {
  RunConfig config;
  Tokenizer tokenizer;
  Path checkpoint;  // the step-N folder that the weights came from
  int64_t step = 0;
};

// Loads the weights of a run folder's newest checkpoint, or of one checkpoint folder in it, into `state` on `device`,
// as the device's element type for them. Throws Error naming the file and tensor that is missing, damaged or of another
// shape than config.toml says.
TrainedModel load_model(const Path& path, State& state, Device& device);

// What inference needs of a model, whoever trained it.
struct LoadedModel {
  std::string name;  // "SmolLM2 135M Instruct" where the file says so, else the path's last part
  ModelConfig config;
  Tokenizer tokenizer;
  std::optional<ChatTemplate> chat_template;
  std::vector<int32_t> end_tokens;  // any of them ends a text or an answer; may be empty
  bool begins_texts = false;        // trained here: every document began with the tokenizer's bos

  // The tokens that a context may have: `asked`, or fewer where the model's positions end before.
  int64_t longest_context(int64_t asked) const;
};

// As load_model, and for GGUF files and Hugging Face folders (models/weight_source.h says which): matrices stay in the
// mapped file in the type that they are stored in, and are only read. Throws Error naming the file and what is wrong.
LoadedModel load_any_model(const Path& path, State& state, Device& device);

}  // namespace propane::train
