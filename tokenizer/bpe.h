// Byte-pair encoding of one chunk: bytes become tokens, then the adjacent pair of lowest rank is merged (the leftmost
// of equals) until no pair is a merge. Sennrich et al. 2016, over bytes as in GPT-2 or over characters as in
// SentencePiece (Kudo and Richardson 2018).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/chunk_cache.h"
#include "tokenizer/hash_table.h"

namespace propane {

// Two adjacent tokens that become one. A lower rank merges first.
struct Merge {
  int32_t left;
  int32_t right;
  int32_t result;
  int32_t rank;
  bool operator==(const Merge&) const = default;
};

// Where merging starts from characters instead of bytes.
struct BpeCharacters {
  BytesTable<int32_t> ids = {};              // of the characters that are tokens or can merge into one
  std::vector<std::string> parts_only = {};  // characters that are no token by themselves: ids from tokens.size() on
  std::array<int32_t, 256> bytes = {};  // stand for a character without a token, if all its bytes have one; -1: none
  int32_t unknown = -1;                 // stands for the others, one for any number of neighbours; -1: they vanish
};

class Bpe {
 public:
  // tokens[id] holds the bytes of each mergeable token; an empty string marks an id that is none. A single byte's token
  // is the one that holds it; bytes without a token vanish (as in Hugging Face tokenizers). With `whole_chunk_first`, a
  // chunk that is a token is that token, whatever the merges say ("ignore_merges"; tiktoken always does it).
  Bpe(const std::vector<std::string>& tokens, const std::vector<Merge>& merges, bool whole_chunk_first);
  // The same over characters. Ill-formed bytes are characters by themselves.
  Bpe(const std::vector<std::string>& tokens, const std::vector<Merge>& merges, bool whole_chunk_first,
      BpeCharacters characters);

  // One thread's working memory, and a cache of the chunks it met last.
  class Encoder {
   public:
    explicit Encoder(const Bpe& bpe);  // the Bpe must outlive it
    ~Encoder();
    Encoder(Encoder&&) noexcept;

    // Appends the tokens of one chunk.
    void encode(std::string_view chunk, std::vector<int32_t>& out);

   private:
    struct Part;
    void encode_uncached(std::string_view chunk, std::vector<int32_t>& out);
    void start_with_characters(std::string_view chunk);
    void replace_parts(size_t from, std::vector<int32_t>& out) const;
    void merge_short(std::vector<int32_t>& out);
    void merge_long(std::vector<int32_t>& out);

    const Bpe& bpe_;
    ChunkCache cache_;
    std::vector<int32_t> ids_;
    std::vector<int32_t> ranks_;
    std::vector<Part> parts_;
  };

 private:
  struct Target {
    int32_t rank;
    int32_t result;
  };
  const Target* find(int32_t left, int32_t right) const {
    return targets_.find(pair_key(static_cast<uint32_t>(left), static_cast<uint32_t>(right)));
  }
  void append_fallback(std::string_view character, std::vector<int32_t>& out) const;

  std::array<int32_t, 256> byte_token_;  // -1: none
  KeyTable<Target> targets_;
  BytesTable<int32_t> whole_;  // filled only with whole_chunk_first
  bool whole_chunk_first_;
  std::optional<BpeCharacters> characters_;
  int32_t first_part_;  // ids from here on are characters_->parts_only
};

}  // namespace propane
