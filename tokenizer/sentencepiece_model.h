// SentencePiece's tokenizer.model: a message of Protocol Buffers (ModelProto of sentencepiece_model.proto), of which
// the pieces, the kind of model and its rules of normalization are read. BPE and unigram models only.
#pragma once

#include <string>
#include <string_view>

#include "tokenizer/tokenizer.h"

namespace propane {

// Whether a file's content looks like one.
bool is_sentencepiece_model(std::string_view content);

// Reads the content; `name` is for messages. Throws Error naming what is damaged or not supported. Texts encode as in
// the sentencepiece package, and control symbols are specials, which that package never finds in a text.
TokenizerSpec read_sentencepiece_model(std::string_view content, const std::string& name);

}  // namespace propane
