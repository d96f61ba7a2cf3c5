// How the byte-level vocabularies of GGUF files cut texts: by name, tokenizer.ggml.pre.
#pragma once

#include <string_view>
#include <vector>

#include "tokenizer/split.h"

namespace propane {

struct PreTokenizer {
  std::vector<SplitStage> stages;
  bool whole_chunk_first = false;  // see Bpe
  bool add_bos = false;            // unless the file says otherwise
};

// Throws Error, in one sentence that begins with `file`, for a name that nobody here knows. The patterns are those of
// the models' own tokenizer.json.
PreTokenizer pre_tokenizer(std::string_view name, std::string_view file);

// The name of these stages; empty if there is none.
std::string_view pre_tokenizer_name(const std::vector<SplitStage>& stages, bool whole_chunk_first);

// All names, for tests.
std::vector<std::string_view> pre_tokenizer_names();

}  // namespace propane
