// Byte-pair encoding of one chunk: bytes become tokens, then the adjacent pair of lowest rank is merged (the leftmost
// of equals) until no pair is a merge. Sennrich et al. 2016, over bytes as in GPT-2.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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

class Bpe {
 public:
  // tokens[id] holds the bytes of each mergeable token; an empty string marks an id that is none. A single byte's token
  // is the one that holds it; bytes without a token vanish (as in Hugging Face tokenizers). With `whole_chunk_first`, a
  // chunk that is a token is that token, whatever the merges say ("ignore_merges"; tiktoken always does it).
  Bpe(const std::vector<std::string>& tokens, const std::vector<Merge>& merges, bool whole_chunk_first);

  // One thread's working memory, and a cache of the chunks it met last.
  class Encoder {
   public:
    explicit Encoder(const Bpe& bpe);  // the Bpe must outlive it
    ~Encoder();
    Encoder(Encoder&&) noexcept;

    // Appends the tokens of one chunk.
    void encode(std::string_view chunk, std::vector<int32_t>& out);

   private:
    struct CacheLine;
    struct Part;
    void encode_uncached(std::string_view chunk, std::vector<int32_t>& out);
    void merge_short(std::vector<int32_t>& out);
    void merge_long(std::vector<int32_t>& out);

    const Bpe& bpe_;
    std::vector<CacheLine> cache_;
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

  std::array<int32_t, 256> byte_token_;  // -1: none
  KeyTable<Target> targets_;
  BytesTable<int32_t> whole_;  // filled only with whole_chunk_first
  bool whole_chunk_first_;
};

}  // namespace propane
