// `propane data prepare`: text files to a folder of token shards with a held-out split and the tokenizer.
//
//   DIR/train-00000.bin ...  token shards (formats/token_shard.h), a BOS token in front of every document
//   DIR/val-00000.bin ...    the held-out documents; none if nothing is held out
//   DIR/tokenizer.json       trained on the training part only, or the one given
//   DIR/dataset.json         counts, sizes and checksums, the sources, and how the split was made
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "formats/text_source.h"
#include "train/held_out.h"

namespace propane::train {

struct PrepareOptions {
  std::vector<std::string> sources;  // files, folders, globs
  Path out;
  TextOptions text;
  HeldOutOptions held_out;

  // A tokenizer file to use; empty: one is trained.
  std::string tokenizer;
  int vocab_size = 8192;
  std::string pattern;  // of a trained one; empty: the default
  // What the training of a tokenizer looks at: the first so many characters of a document (0: all) and of the whole.
  // autoresearch: 10,000 and 1e9.
  uint64_t tokenizer_document_chars = 0;
  uint64_t tokenizer_chars = 1'000'000'000;

  uint64_t shard_tokens = 100'000'000;               // a shard ends with the document that reaches it
  std::function<void(const std::string&)> progress;  // gets lines for a person; may be empty
};

struct PreparedSplit {
  uint64_t documents = 0;
  uint64_t tokens = 0;      // BOS included
  uint64_t text_bytes = 0;  // UTF-8
  uint64_t shards = 0;
};

struct PreparedDataset {
  PreparedSplit train, val;
  int vocab_size = 0;
  std::string held_out_rule;
};

// Writes the folder beside its place and renames it when it is whole, so that a failure leaves what was there. An
// earlier data set in that place is replaced; anything else there is a UsageError. Throws Error naming the file, line
// or document: see the readers (formats/text_source.h) and the tokenizer.
PreparedDataset prepare_dataset(const PrepareOptions& options);

}  // namespace propane::train
