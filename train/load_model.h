// A trained model from its run folder.
#pragma once

#include "base/file.h"
#include "graph/state.h"
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

}  // namespace propane::train
