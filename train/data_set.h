// A folder made by `propane data prepare`: token shards to train on, held-out shards, and the tokenizer.
#pragma once

#include <memory>

#include "models/config.h"
#include "tokenizer/tokenizer.h"
#include "train/token_corpus.h"

namespace propane::train {

struct DataSet {
  Path folder;
  std::shared_ptr<const Tokenizer> tokenizer;
  TokenCorpus train, held_out;
};

// Opens train-*.bin, val-*.bin and tokenizer.json of a folder and verifies every shard. Throws Error naming the file
// that is missing or damaged, or whose tokenizer is another, and when the tokens do not fit the model's vocabulary.
DataSet open_data(const Path& folder, const ModelConfig& model);

}  // namespace propane::train
