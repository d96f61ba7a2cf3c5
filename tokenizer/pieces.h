// The models of pieces, which cut the whole text instead of words that a pattern has found: SentencePiece's BPE and
// unigram. Within, a space is a space; U+2581, as which files write it, becomes one.
#pragma once

#include <bitset>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/bpe.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unigram.h"

namespace propane {

// What a token's piece decodes to: U+2581 as a space, <0xNN> as its byte if the rules know bytes.
std::string piece_text(const TokenizerSpec& spec, std::string_view piece);

class PieceModel {
 public:
  // Of a spec whose model is not byte_bpe. Throws Error for scores that are not there, a piece too long to be one, or a
  // damaged charsmap.
  explicit PieceModel(const TokenizerSpec& spec);

  // A text as it is cut. `first` and `last`: nothing stands before it, or behind.
  std::string normalize(std::string_view text, bool first, bool last) const;

  // The least position at or behind `from` where normalized text can be cut in two without changing a token; its size
  // when there is none.
  size_t safe_cut(std::string_view text, size_t from) const;

  // One thread's working memory.
  class Encoder {
   public:
    explicit Encoder(const PieceModel& model);  // the model must outlive it
    // Appends the tokens of normalized text.
    void encode(std::string_view text, std::vector<int32_t>& out);

   private:
    const PieceModel& model_;
    std::optional<Bpe::Encoder> bpe_;
    std::optional<Unigram::Encoder> unigram_;
  };

 private:
  PieceRules rules_;
  bool nfc_;
  int32_t unknown_;
  std::optional<Charsmap> charsmap_;
  std::optional<Bpe> bpe_;
  std::optional<Unigram> unigram_;
  // Whether some piece holds two bytes side by side, the first the end of a character and the second the beginning of
  // one. Between two that none holds nothing ever merges, so that chunks can be cut there, cached and shared out.
  std::bitset<65536> together_;
};

}  // namespace propane
