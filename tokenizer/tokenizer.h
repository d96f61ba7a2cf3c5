// A byte-level BPE tokenizer: text to token ids and back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/split.h"

namespace propane {

// All that a tokenizer is made of; what the readers of files fill and the writers read.
struct TokenizerSpec {
  std::vector<std::string> tokens = {};  // the bytes of each mergeable id; empty: a hole or an added token's id
  std::vector<Merge> merges = {};        // in the order of their ranks
  bool whole_chunk_first = false;        // see Bpe
  std::vector<SplitStage> split = {};
  bool nfc = false;               // normalize to NFC before cutting
  bool add_prefix_space = false;  // put a space before each piece of text that does not begin with one
  std::vector<AddedToken> added = {};
  std::vector<int32_t> prefix = {};  // ids that a template puts before a text (<|begin_of_text|>) ...
  std::vector<int32_t> suffix = {};  // ... and behind it; encode() leaves both to its caller
};

// A tiktoken rank file says nothing of these.
struct RankFileOptions {
  std::string pattern = {};  // a name or a regular expression; empty: by the number of ranks (r50k, cl100k,
                             // o200k, llama3 and qwen are known by theirs), else autoresearch's
  std::vector<std::string> specials = {};  // get the ids behind the last rank
};

// Immutable and safe to share between threads.
class Tokenizer {
 public:
  // Throws Error if the parts contradict each other: an id or merge out of range, a token twice, a bad pattern.
  explicit Tokenizer(TokenizerSpec spec);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  // Reads a Hugging Face tokenizer.json or a tiktoken rank file, told apart by content. Throws Error naming the file
  // and what is wrong with it or not supported.
  static Tokenizer load(const Path& path, const RankFileOptions& options = {});
  // Writes a tokenizer.json that Hugging Face tokenizers loads and encodes with alike.
  void save(const Path& path) const;
  // Writes the mergeable tokens as a tiktoken rank file (which holds neither pattern nor specials). Throws Error if the
  // merges are not in the order of their tokens' ids.
  void save_ranks(const Path& path) const;

  // Ids lie in [0, vocab_size()), specials and holes included.
  int vocab_size() const;

  // The tokens of a text; added tokens in it are plain text unless allowed.
  std::vector<int32_t> encode(std::string_view text, const AllowedSpecials& allowed = AllowedSpecials::none()) const;
  // The same, appended to `out`.
  void encode_to(std::string_view text, const AllowedSpecials& allowed, std::vector<int32_t>& out) const;
  // encode() of every text, on the thread pool.
  std::vector<std::vector<int32_t>> encode_batch(std::span<const std::string_view> texts,
                                                 const AllowedSpecials& allowed = AllowedSpecials::none()) const;

  // The bytes of the tokens, joined; specials as their text. They are UTF-8 only if the tokens end where characters
  // do: see utf8_replace_invalid and Utf8Stream. Throws Error for an id out of range.
  std::string decode(std::span<const int32_t> ids) const;

  // The bytes of one token; a special's text; empty for a hole. Throws Error for an id out of range.
  std::string_view token(int32_t id) const;

  // For val_bpb: the bytes of text that a token stands for; 0 for specials and holes.
  int token_bytes(int32_t id) const;
  // The same as autoresearch counts it: the UTF-8 length of the token decoded by itself as Python's
  // bytes.decode('utf-8', errors='replace') does, so 3 bytes for every U+FFFD a token that is no UTF-8 gives.
  int token_bytes_replaced(int32_t id) const;

  bool is_special(int32_t id) const;
  std::optional<int32_t> special_id(std::string_view text) const;
  // The token that begins a document: the template's first, else the special named <|reserved_0|>, <|begin_of_text|>,
  // <|startoftext|>, <|bos|>, <s> or <|endoftext|>, whichever of this list comes first.
  std::optional<int32_t> bos_id() const;

  const TokenizerSpec& spec() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace propane
