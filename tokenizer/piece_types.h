// What the tokens of GGUF vocabularies and SentencePiece models are, and where each goes in a TokenizerSpec.
#pragma once

#include <cstdint>
#include <string_view>

#include "tokenizer/tokenizer.h"

namespace propane {

// SentencePiece's numbers, which GGUF files use too.
enum class PieceType : int32_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

// Puts the token of the next id into the spec: specials and what users have defined become added tokens, the first
// unknown one gets its task.
void add_piece(TokenizerSpec& spec, std::string_view text, PieceType type);

// Whether a special of this name ends a text or a turn in well-known models: "</s>", "<|im_end|>", ...
bool is_end_name(std::string_view text);

}  // namespace propane
