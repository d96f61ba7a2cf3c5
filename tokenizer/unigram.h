// Cutting a chunk into its likeliest pieces: each has a score, the logarithm of its probability, and of all ways to put
// the chunk together from pieces the one of greatest sum is taken. Kudo 2018; the best way by Viterbi's algorithm.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/chunk_cache.h"
#include "tokenizer/hash_table.h"

namespace propane {

class Unigram {
 public:
  // pieces[id] is the text of a piece, an empty one none; scores has the same size. A character that no piece holds
  // counts as one with a score 10 below the least, and becomes bytes[] if all its bytes have a token (-1: none), else
  // `unknown`, one for any number of neighbours, or vanishes if that is -1.
  Unigram(const std::vector<std::string>& pieces, const std::vector<float>& scores,
          const std::array<int32_t, 256>& bytes, int32_t unknown);

  // One thread's working memory and cache.
  class Encoder {
   public:
    explicit Encoder(const Unigram& unigram) : unigram_(unigram) {}  // the Unigram must outlive it

    // Appends the tokens of one chunk, in time proportional to its length times that of the longest piece.
    void encode(std::string_view chunk, std::vector<int32_t>& out);

   private:
    struct Best {
      double score;
      uint32_t begin;
      int32_t id;  // -1: a character without a piece
    };
    void encode_uncached(std::string_view chunk, std::vector<int32_t>& out);

    const Unigram& unigram_;
    ChunkCache cache_;
    std::vector<Best> best_;      // of the ways to each position
    std::vector<Best> backward_;  // the best way, last piece first
  };

 private:
  KeyTable<uint32_t> children_;  // by node << 8 | byte
  std::vector<int32_t> ids_;     // by node; -1: no piece ends there
  std::vector<float> scores_;    // by id
  std::array<int32_t, 256> bytes_;
  int32_t unknown_;
  double unknown_score_;
};

}  // namespace propane
