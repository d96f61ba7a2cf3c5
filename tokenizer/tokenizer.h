// A tokenizer: text to token ids and back. Byte-level BPE, or SentencePiece's BPE and unigram models.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/utf8.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/split.h"

namespace propane {

// What makes tokens of a chunk of text.
enum class TokenizerModel {
  byte_bpe,   // merges by rank over bytes: GPT-2 and most models since
  piece_bpe,  // the same over characters: SentencePiece's BPE, and Hugging Face's BPE with byte_fallback
  unigram,    // the likeliest pieces: SentencePiece's unigram, and Hugging Face's Unigram
};

// How the models of pieces treat a text before they cut it. In pieces U+2581 stands for a space.
struct PieceRules {
  // A space before the text: none; before whatever first is not a special (SentencePiece); before the text's beginning
  // if that is no added token (Hugging Face); before each text between added tokens (llama.cpp, Hugging Face).
  enum class Prefix { none, start, first, each };
  Prefix prefix = Prefix::none;
  bool prefix_unless_there = false;  // ... but not where one stands already
  bool strip_left = false;           // spaces at the beginning vanish ...
  bool strip_right = false;          // ... and at the end ...
  bool strip_each = false;           // ... of every text between specials, not only of the whole
  bool one_space = false;            // several spaces become one
  bool words_apart = false;          // no piece goes beyond a space: a chunk begins at every one
  bool strip_first = false;          // decoding drops one space at the beginning
  bool merge_by_score = false;       // piece_bpe: merges make whatever is a piece, the greatest score first
  bool byte_fallback = false;        // what has no piece becomes pieces <0xNN>, one for each byte
  std::string charsmap = {};         // SentencePiece's precompiled normalization: see charsmap.h
  bool operator==(const PieceRules&) const = default;
};

// Ids by their task, where a file names them.
struct TaskIds {
  std::optional<int32_t> bos = {}, eos = {}, eot = {}, eom = {}, unknown = {}, pad = {};
  bool operator==(const TaskIds&) const = default;
};

// All that a tokenizer is made of; what the readers of files fill and the writers read.
struct TokenizerSpec {
  TokenizerModel model = TokenizerModel::byte_bpe;
  // By id; empty: a hole or an added token's id. byte_bpe: the bytes; else the piece as its file writes it.
  std::vector<std::string> tokens = {};
  std::vector<Merge> merges = {};    // in the order of their ranks; none with merge_by_score and unigram
  std::vector<float> scores = {};    // by id, for unigram and merge_by_score
  std::vector<int32_t> unused = {};  // pieces that no text becomes
  bool whole_chunk_first = false;    // see Bpe
  std::vector<SplitStage> split = {};
  bool nfc = false;               // normalize to NFC before cutting
  bool add_prefix_space = false;  // byte_bpe: put a space before each piece of text that does not begin with one
  PieceRules pieces = {};         // the other models
  std::vector<AddedToken> added = {};
  std::vector<int32_t> prefix = {};  // ids that a template puts before a text (<|begin_of_text|>) ...
  std::vector<int32_t> suffix = {};  // ... and behind it; encode() leaves both to its caller
  TaskIds tasks = {};
  std::string pre_name = {};  // what a GGUF file calls `split` (tokenizer.ggml.pre); empty: nobody has said
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

  // Reads a Hugging Face tokenizer.json, the vocabulary of a GGUF file, a SentencePiece tokenizer.model or a tiktoken
  // rank file, told apart by content. Throws Error naming the file and what is wrong with it or not supported.
  static Tokenizer load(const Path& path, const RankFileOptions& options = {});
  // Writes a tokenizer.json that Hugging Face tokenizers loads and encodes with alike.
  void save(const Path& path) const;
  // Writes the mergeable tokens as a tiktoken rank file (which holds neither pattern nor specials). Throws Error if the
  // merges are not in the order of their tokens' ids.
  void save_ranks(const Path& path) const;

  // Ids lie in [0, vocab_size()), specials and holes included.
  int vocab_size() const;

  // The tokens of a text. Special tokens in it are plain text unless allowed; added tokens that are not special are
  // always found.
  std::vector<int32_t> encode(std::string_view text, const AllowedSpecials& allowed = AllowedSpecials::none()) const;
  // The same, appended to `out`.
  void encode_to(std::string_view text, const AllowedSpecials& allowed, std::vector<int32_t>& out) const;
  // The same between the template's prefix and suffix (bos, eos): what a model expects of a whole text.
  std::vector<int32_t> encode_with_ends(std::string_view text,
                                        const AllowedSpecials& allowed = AllowedSpecials::none()) const;
  // encode() of every text, on the thread pool.
  std::vector<std::vector<int32_t>> encode_batch(std::span<const std::string_view> texts,
                                                 const AllowedSpecials& allowed = AllowedSpecials::none()) const;

  // The bytes of the tokens, joined; specials as their text. They are UTF-8 only if the tokens end where characters
  // do: see utf8_replace_invalid and TokenStream. Where encoding puts a space before a text, one at the beginning is
  // dropped. Throws Error for an id out of range.
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
  // True for the tokens with which a model ends its text or turn: eos, eot and eom, and specials of well-known names.
  bool ends_text(int32_t id) const;
  // The token that begins a document: the file's or the template's first, else the special named <|reserved_0|>,
  // <|begin_of_text|>,
  // <|startoftext|>, <|bos|>, <s> or <|endoftext|>, whichever of this list comes first.
  std::optional<int32_t> bos_id() const;

  const TokenizerSpec& spec() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Turns tokens that come one by one into text a person may see at once. All that push() and finish() return, joined, is
// utf8_replace_invalid(decode(all the tokens)); no character is ever split.
class TokenStream {
 public:
  // The tokenizer must outlive it. With `continues` the tokens follow others: a space at the beginning stays.
  explicit TokenStream(const Tokenizer& tokenizer, bool continues = false);
  std::string push(int32_t id);  // throws Error for an id out of range
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  bool at_start_;
  Utf8Stream utf8_;
};

}  // namespace propane
