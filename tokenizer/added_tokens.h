// Tokens that are found in a text before it is cut and merged: specials such as <|endoftext|>, and other added ones.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace propane {

// Fields and their meaning as in Hugging Face's tokenizer.json.
struct AddedToken {
  int32_t id = 0;
  std::string text = {};
  bool special = true;       // stands for something that is not text
  bool single_word = false;  // found only where no word character touches it
  bool left_strip = false;   // takes the white space before it
  bool right_strip = false;  // takes the white space behind it
  bool normalized = false;   // sought in the normalized text
  bool operator==(const AddedToken&) const = default;
};

// Which special tokens are recognised in a text; the others are ordinary text. Added tokens that are not special stand
// for text and are always recognised.
class AllowedSpecials {
 public:
  static AllowedSpecials none() { return AllowedSpecials(false, {}); }
  static AllowedSpecials all() { return AllowedSpecials(true, {}); }
  static AllowedSpecials only(std::vector<std::string> texts) { return AllowedSpecials(false, std::move(texts)); }

  bool empty() const { return !all_ && texts_.empty(); }
  bool allows(std::string_view text) const;

 private:
  AllowedSpecials(bool all, std::vector<std::string> texts) : all_(all), texts_(std::move(texts)) {}
  bool all_;
  std::vector<std::string> texts_;
};

// Finds added tokens: the leftmost, the longest of those that begin there.
class AddedTokenFinder {
 public:
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  struct Match {
    size_t begin = 0;
    size_t end = 0;
    int32_t id = -1;  // -1: no token from the asked position on
  };
  // The first match of an allowed token at or behind `from`, stripped white space included.
  Match find(std::string_view text, size_t from, const AllowedSpecials& allowed) const;

  // False if no token of these could be found.
  bool seeks(const AllowedSpecials& allowed) const { return has_plain_ || (!tokens_.empty() && !allowed.empty()); }

 private:
  std::vector<AddedToken> tokens_;                        // longest first
  std::array<std::vector<uint32_t>, 256> by_first_byte_;  // indices of tokens_, longest first
  bool has_plain_ = false;                                // some are not special
};

}  // namespace propane
