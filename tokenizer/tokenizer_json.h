// Hugging Face's tokenizer.json: byte-level BPE, and SentencePiece's models in its words. What is understood:
// - model: BPE with vocab, merges ("a b" or ["a", "b"]) and ignore_merges; no dropout, prefix or suffix; with
//   byte_fallback and no ByteLevel it starts from characters; Unigram;
// - pre_tokenizer: ByteLevel, alone or behind any number of Split (Isolated, or Removed with invert) and Digits;
// - normalizer: none or NFC; decoder: none or ByteLevel;
// - for models of pieces, normalizers Prepend of U+2581, Replace of a space by it or of several by one, Precompiled
//   (as SentencePiece applies it, not by grapheme clusters), Strip behind that, NFC; pre_tokenizers Metaspace, and
//   Split at spaces of which there are none any more; decoders Replace, ByteFallback, Fuse, Strip of a space,
//   Metaspace; added tokens are sought in the text as it is, whatever `normalized` says;
// - post_processor: none, ByteLevel, TemplateProcessing, Roberta-/BertProcessing (kept as prefix and suffix);
// - added_tokens with all their flags. `truncation` and `padding` are the caller's business and passed over.
#pragma once

#include <string>
#include <string_view>

#include "tokenizer/tokenizer.h"

namespace propane {

// Reads the JSON text; `name` is for messages. Throws Error naming the key and what was expected, or which feature is
// not supported.
TokenizerSpec read_tokenizer_json(std::string_view json, const std::string& name);

// Writes what read_tokenizer_json() reads and Hugging Face tokenizers loads, cutting and encoding alike. Throws Error
// for what tokenizer.json cannot say, and for models of pieces.
std::string write_tokenizer_json(const TokenizerSpec& spec);

}  // namespace propane
