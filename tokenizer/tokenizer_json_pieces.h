// The models of pieces in a tokenizer.json: Unigram, and BPE with byte_fallback. See tokenizer_json.h for what is
// understood.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "tokenizer/tokenizer.h"

namespace propane {

// Fills in all but added tokens, which `spec` has already, and the template. Throws Error naming the key.
void read_json_pieces(const nlohmann::json& root, const std::string& name, TokenizerSpec& spec);

}  // namespace propane
