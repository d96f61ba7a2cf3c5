// The vocabulary in a GGUF file's metadata, keys tokenizer.ggml.*, as llama.cpp reads and its converters write it:
// - model: gpt2 (byte-level BPE), llama (SentencePiece's BPE), t5 (unigram), gemma4 (BPE over pieces with written
//   merges); no other;
// - pre: how gpt2 cuts a text into words, see pre_tokenizers.h;
// - tokens, token_type, scores, merges, precompiled_charsmap; the ids of bos, eos, eot, eom, unknown and padding;
//   add_bos_token, add_eos_token, add_space_prefix, remove_extra_whitespaces.
// Tokens of type control and unknown are specials; user_defined ones are found in every text.
#pragma once

#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "tokenizer/tokenizer.h"

namespace propane {

// Throws Error naming the file, the key and what was expected. Texts encode as in llama.cpp, except that added tokens
// are sought from left to right (there: the longest first, in the whole text), that text never becomes a control
// token or an unused one, and that each ill-formed byte stands alone.
TokenizerSpec read_gguf_vocabulary(const GgufFile& file);

// The keys that read_gguf_vocabulary() and llama.cpp read back as the same vocabulary. Ids up to `vocab_size` that have
// no token become unused ones. Throws Error for what the format cannot say: a split without a name in it, flags of
// added tokens, templates other than bos and eos; but NFC is left out, as llama.cpp's own converters do.
void write_gguf_vocabulary(const TokenizerSpec& spec, int vocab_size, GgufMetadata& metadata);

}  // namespace propane
